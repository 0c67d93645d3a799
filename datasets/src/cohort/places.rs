//! Where people live and are cared for: areas, sites, providers.
//!
//! Areas are whole ZIP codes, forty groups of three digits with five codes each; the income of a
//! group's people is alike, so that a social gradient survives the cut to three digits. The
//! groups' incomes are invented.

/// A ZIP code with what the location table says of it.
#[derive(Debug)]
pub(super) struct Area {
    /// Row number in the location table.
    pub(super) location_id: i64,
    /// Five digits.
    pub(super) zip: String,
    /// Two letters.
    pub(super) state: &'static str,
    /// County's name.
    pub(super) county: &'static str,
    /// Degrees north.
    pub(super) latitude: f64,
    /// Degrees east.
    pub(super) longitude: f64,
}

/// One state: name, its ZIP groups and their counties from the poorest to the richest, and the
/// middle of it in degrees.
struct State {
    name: &'static str,
    groups: [(u32, &'static str); 5],
    middle: (f64, f64),
}

/// Number of states.
pub(super) const STATES: usize = 8;

/// Number of ZIP codes in a group of three digits.
pub(super) const CODES_PER_GROUP: usize = 5;

/// Row number in the location table of a ZIP code, by state, fifth of income and code.
pub(super) fn location_id(state: usize, quintile: usize, code: usize) -> i64 {
    let index = (state * 5 + quintile) * CODES_PER_GROUP + code;
    1_001 + i64::try_from(index).unwrap_or(0)
}

/// Every area, in order of location id.
pub(super) fn areas() -> Vec<Area> {
    let mut all = Vec::with_capacity(STATES * 5 * CODES_PER_GROUP);
    for (at, state) in US.iter().enumerate() {
        for (quintile, (group, county)) in state.groups.iter().enumerate() {
            for code in 0..CODES_PER_GROUP {
                let shift = (quintile * CODES_PER_GROUP + code) as f64 * 0.021;
                let last = u32::try_from(code * 11 + quintile * 3 + 1).unwrap_or(1);
                all.push(Area {
                    location_id: location_id(at, quintile, code),
                    zip: format!("{:05}", group * 100 + last),
                    state: state.name,
                    county,
                    latitude: state.middle.0 + shift,
                    longitude: state.middle.1 - shift,
                });
            }
        }
    }
    all
}

/// Fifth of income, poorest 1, of the people of a location; none for an unknown location.
#[cfg(test)]
pub(super) fn quintile_of(location_id: i64) -> Option<i64> {
    let index = location_id - 1_001;
    (0..200).contains(&index).then_some(index / 5 % 5 + 1)
}

/// Row number in the care-site table.
pub(super) fn care_site_id(site: usize) -> i64 {
    i64::try_from(site + 1).unwrap_or(0)
}

/// Row number in the provider table of the `index`-th provider of a site.
pub(super) fn provider_id(site: usize, index: usize) -> i64 {
    care_site_id(site) * 1_000 + i64::try_from(index).unwrap_or(0)
}

/// Number of providers at each site; the first bills for more than was done, the second for what
/// was not done.
pub(super) const PROVIDERS: usize = 50;

/// The provider who bills for more than was done.
pub(super) const UPCODER: usize = 0;

/// The provider who bills twice, and after death.
pub(super) const PHANTOM: usize = 1;

/// Vermont's 059 and New Hampshire's 036 have no more than 20,000 people, so that Safe Harbor's
/// rule for small areas has something to do.
static US: [State; STATES] = [
    State {
        name: "NY",
        groups: [
            (104, "Bronx"),
            (112, "Kings"),
            (113, "Queens"),
            (117, "Suffolk"),
            (105, "Westchester"),
        ],
        middle: (40.7, -73.8),
    },
    State {
        name: "MA",
        groups: [
            (11, "Hampden"),
            (27, "Bristol"),
            (16, "Worcester"),
            (18, "Essex"),
            (24, "Middlesex"),
        ],
        middle: (42.3, -71.6),
    },
    State {
        name: "PA",
        groups: [
            (191, "Philadelphia"),
            (196, "Berks"),
            (152, "Allegheny"),
            (175, "Lancaster"),
            (190, "Montgomery"),
        ],
        middle: (40.2, -76.1),
    },
    State {
        name: "OH",
        groups: [
            (441, "Cuyahoga"),
            (436, "Lucas"),
            (454, "Montgomery"),
            (450, "Butler"),
            (430, "Delaware"),
        ],
        middle: (40.4, -82.9),
    },
    State {
        name: "GA",
        groups: [
            (312, "Bibb"),
            (319, "Muscogee"),
            (303, "Fulton"),
            (305, "Hall"),
            (300, "Forsyth"),
        ],
        middle: (33.4, -84.1),
    },
    State {
        name: "TX",
        groups: [
            (785, "Hidalgo"),
            (799, "El Paso"),
            (770, "Harris"),
            (787, "Travis"),
            (750, "Collin"),
        ],
        middle: (30.6, -97.4),
    },
    State {
        name: "NH",
        groups: [
            (36, "Sullivan"),
            (35, "Coos"),
            (31, "Hillsborough"),
            (33, "Merrimack"),
            (38, "Rockingham"),
        ],
        middle: (43.2, -71.6),
    },
    State {
        name: "VT",
        groups: [
            (59, "Essex"),
            (58, "Orleans"),
            (57, "Rutland"),
            (56, "Washington"),
            (54, "Chittenden"),
        ],
        middle: (44.3, -72.6),
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{areas, location_id, quintile_of};

    #[test]
    fn areas_are_distinct_and_know_their_income() {
        let all = areas();
        let zips: BTreeSet<_> = all.iter().map(|area| area.zip.as_str()).collect();
        assert_eq!((all.len(), zips.len()), (200, 200));
        assert!(all.windows(2).all(|pair| pair[0].location_id + 1 == pair[1].location_id));
        assert_eq!(quintile_of(location_id(6, 3, 2)), Some(4));
        assert_eq!(all[0].zip, "10401");
        assert!(zips.contains("05901") && zips.contains("03601"));
        assert_eq!(quintile_of(7), None);
    }
}
