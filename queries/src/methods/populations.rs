//! Standard populations: the weights of directly standardised rates.
//!
//! Each is written down as published, in its own unit: only ratios of weights count.

/// A band of ages in completed years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgeBand {
    /// The youngest age.
    pub from: u16,
    /// The oldest age, itself in the band; none for "and over".
    pub to: Option<u16>,
}

impl AgeBand {
    /// Reads `0-4`, `0–4`, `85+`, a single age such as `0`, or `<1`; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let age = |text: &str| text.trim().parse::<u16>().ok();
        if let Some(below) = text.strip_prefix('<') {
            return Some(Self { from: 0, to: Some(age(below)?.checked_sub(1)?) });
        }
        if let Some(from) = text.strip_suffix('+') {
            return Some(Self { from: age(from)?, to: None });
        }
        let (from, to) = text.split_once(['-', '–']).unwrap_or((text, text));
        let band = Self { from: age(from)?, to: Some(age(to)?) };
        (Some(band.from) <= band.to).then_some(band)
    }
}

/// A standard population.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StandardPopulation {
    /// Its name, as in [`StandardPopulation::named`].
    pub name: &'static str,
    /// Who published it, and where.
    pub source: &'static str,
    /// The youngest age of each band and its weight, in order; the last band is open.
    pub weights: &'static [(u16, f64)],
}

impl StandardPopulation {
    /// The standard population of this name, such as `ESP 2013`; capitals do not matter.
    pub fn named(name: &str) -> Option<&'static Self> {
        STANDARD_POPULATIONS.iter().find(|standard| standard.name.eq_ignore_ascii_case(name))
    }

    /// The bands as published.
    pub fn bands(&self) -> Vec<AgeBand> {
        let next = self.weights.iter().skip(1).map(|(from, _)| Some(from - 1));
        let ends = next.chain([None]);
        self.weights.iter().zip(ends).map(|(&(from, _), to)| AgeBand { from, to }).collect()
    }

    /// The weight of each of these bands, merged from those published; none where one of them is
    /// not made of whole published bands, such as `85-89` where the last is `85+`.
    pub fn weights_of(&self, bands: &[AgeBand]) -> Option<Vec<f64>> {
        bands.iter().map(|band| self.weight_of(*band)).collect()
    }

    fn weight_of(&self, band: AgeBand) -> Option<f64> {
        let published = self.bands();
        let first = published.iter().position(|standard| standard.from == band.from)?;
        let last = published.iter().position(|standard| standard.to == band.to)?;
        let within = self.weights.get(first..=last)?;
        Some(within.iter().map(|(_, weight)| weight).sum())
    }
}

/// All standard populations.
///
/// # Source
/// Each by its own `source`; the figures agree with those of SEER, Eurostat and the R package
/// popEpi where these have them.
pub const STANDARD_POPULATIONS: &[StandardPopulation] = &[
    StandardPopulation {
        name: "WHO 2000-2025",
        source: "Ahmad et al. 2001, GPE discussion paper 31, table 4; in percent, 100.035 together",
        weights: &[
            (0, 8.86),
            (5, 8.69),
            (10, 8.6),
            (15, 8.47),
            (20, 8.22),
            (25, 7.93),
            (30, 7.61),
            (35, 7.15),
            (40, 6.59),
            (45, 6.04),
            (50, 5.37),
            (55, 4.55),
            (60, 3.72),
            (65, 2.96),
            (70, 2.21),
            (75, 1.52),
            (80, 0.91),
            (85, 0.44),
            (90, 0.15),
            (95, 0.04),
            (100, 0.005),
        ],
    },
    StandardPopulation {
        name: "WHO 2000-2025 (18 bands)",
        source: "Ahmad et al. 2001, with 85 and over as published: 0.63",
        weights: &[
            (0, 8.86),
            (5, 8.69),
            (10, 8.6),
            (15, 8.47),
            (20, 8.22),
            (25, 7.93),
            (30, 7.61),
            (35, 7.15),
            (40, 6.59),
            (45, 6.04),
            (50, 5.37),
            (55, 4.55),
            (60, 3.72),
            (65, 2.96),
            (70, 2.21),
            (75, 1.52),
            (80, 0.91),
            (85, 0.63),
        ],
    },
    StandardPopulation {
        name: "ESP 2013",
        source: "Eurostat 2013, Revision of the European Standard Population",
        weights: &[
            (0, 1000.0),
            (1, 4000.0),
            (5, 5500.0),
            (10, 5500.0),
            (15, 5500.0),
            (20, 6000.0),
            (25, 6000.0),
            (30, 6500.0),
            (35, 7000.0),
            (40, 7000.0),
            (45, 7000.0),
            (50, 7000.0),
            (55, 6500.0),
            (60, 6000.0),
            (65, 5500.0),
            (70, 5000.0),
            (75, 4000.0),
            (80, 2500.0),
            (85, 1500.0),
            (90, 800.0),
            (95, 200.0),
        ],
    },
    StandardPopulation {
        name: "ESP 1976",
        source: "Waterhouse et al. 1976, Cancer Incidence in Five Continents III",
        weights: &[
            (0, 8000.0),
            (5, 7000.0),
            (10, 7000.0),
            (15, 7000.0),
            (20, 7000.0),
            (25, 7000.0),
            (30, 7000.0),
            (35, 7000.0),
            (40, 7000.0),
            (45, 7000.0),
            (50, 7000.0),
            (55, 6000.0),
            (60, 5000.0),
            (65, 4000.0),
            (70, 3000.0),
            (75, 2000.0),
            (80, 1000.0),
            (85, 1000.0),
        ],
    },
    StandardPopulation {
        name: "Segi 1960",
        source: "Segi 1960 as modified by Doll et al. 1966; the world standard of registries",
        weights: &[
            (0, 12000.0),
            (5, 10000.0),
            (10, 9000.0),
            (15, 9000.0),
            (20, 8000.0),
            (25, 8000.0),
            (30, 6000.0),
            (35, 6000.0),
            (40, 6000.0),
            (45, 6000.0),
            (50, 5000.0),
            (55, 4000.0),
            (60, 4000.0),
            (65, 3000.0),
            (70, 2000.0),
            (75, 1000.0),
            (80, 500.0),
            (85, 500.0),
        ],
    },
    StandardPopulation {
        name: "US 2000",
        source: "U.S. Census Bureau P25-1130; the standard million of SEER",
        weights: &[
            (0, 13818.0),
            (1, 55317.0),
            (5, 72533.0),
            (10, 73032.0),
            (15, 72169.0),
            (20, 66478.0),
            (25, 64529.0),
            (30, 71044.0),
            (35, 80762.0),
            (40, 81851.0),
            (45, 72118.0),
            (50, 62716.0),
            (55, 48454.0),
            (60, 38793.0),
            (65, 34264.0),
            (70, 31773.0),
            (75, 26999.0),
            (80, 17842.0),
            (85, 15508.0),
        ],
    },
    StandardPopulation {
        name: "US 2000 (11 bands)",
        source: "NCHS, Klein and Schoenborn 2001, distribution 1",
        weights: &[
            (0, 13818.0),
            (1, 55317.0),
            (5, 145565.0),
            (15, 138646.0),
            (25, 135573.0),
            (35, 162613.0),
            (45, 134834.0),
            (55, 87247.0),
            (65, 66037.0),
            (75, 44842.0),
            (85, 15508.0),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::{AgeBand, STANDARD_POPULATIONS, StandardPopulation};
    use crate::methods::expected::{close, rows};

    fn weights(name: &str, bands: &[&str]) -> Option<Vec<f64>> {
        let bands: Vec<AgeBand> = bands.iter().map(|band| AgeBand::parse(band).unwrap()).collect();
        StandardPopulation::named(name).unwrap().weights_of(&bands)
    }

    /// The sums that the publications give; WHO's figures are rounded.
    #[test]
    fn the_weights_add_up_to_what_was_published() {
        let sums: Vec<(&str, f64)> = STANDARD_POPULATIONS
            .iter()
            .map(|standard| (standard.name, standard.weights.iter().map(|(_, w)| w).sum()))
            .collect();
        let expected = [
            ("WHO 2000-2025", 100.035),
            ("WHO 2000-2025 (18 bands)", 100.03),
            ("ESP 2013", 100_000.0),
            ("ESP 1976", 100_000.0),
            ("Segi 1960", 100_000.0),
            ("US 2000", 1_000_000.0),
            ("US 2000 (11 bands)", 1_000_000.0),
        ];
        for ((name, sum), (expected_name, expected)) in sums.into_iter().zip(expected) {
            assert_eq!(name, expected_name);
            close(sum, expected, 1e-12);
        }
        assert_eq!(STANDARD_POPULATIONS.len(), expected.len());
    }

    /// The tables that the figures were taken from.
    #[test]
    fn every_weight_is_the_published_one() {
        let Some(rows) = rows("data/standard_populations/standard_populations.csv") else { return };
        for (name, standard) in [
            ("WHO_2000_2025", "WHO 2000-2025"),
            ("WHO_2000_2025_18", "WHO 2000-2025 (18 bands)"),
            ("ESP_2013", "ESP 2013"),
            ("ESP_2013_21", "ESP 2013"),
            ("ESP_1976", "ESP 1976"),
            ("SEGI_WORLD_1960", "Segi 1960"),
            ("US_2000_19", "US 2000"),
            ("US_2000_11", "US 2000 (11 bands)"),
        ] {
            let rows: Vec<_> = rows.iter().filter(|row| row.text("standard") == name).collect();
            assert!(rows.len() >= 11, "{name}");
            for row in rows {
                let weight = weights(standard, &[row.text("ageband")]).unwrap()[0];
                close(weight, row.number("weight"), 1e-12);
            }
        }
    }

    #[test]
    fn bands_merge_and_do_not_split() {
        assert_eq!(weights("esp 2013", &["0-4", "85+"]), Some(vec![5_000.0, 2_500.0]));
        assert_eq!(weights("US 2000", &["<1", "1-14"]), Some(vec![13_818.0, 200_882.0]));
        assert_eq!(weights("ESP 2013", &["0+"]), Some(vec![100_000.0]));
        assert_eq!(weights("ESP 1976", &["85-89"]), None);
        assert_eq!(weights("ESP 1976", &["0"]), None);
        assert_eq!(weights("ESP 1976", &["2-9"]), None);
        assert_eq!(StandardPopulation::named("nobody"), None);
    }

    #[test]
    fn ages_are_read_as_they_are_written() {
        let band = |from, to| Some(AgeBand { from, to });
        assert_eq!(AgeBand::parse(" 5–9 "), band(5, Some(9)));
        assert_eq!(AgeBand::parse("90+"), band(90, None));
        assert_eq!(AgeBand::parse("0"), band(0, Some(0)));
        assert_eq!(AgeBand::parse("<1"), band(0, Some(0)));
        for text in ["", "x", "9-5", "<0", "-5", "5-"] {
            assert_eq!(AgeBand::parse(text), None, "{text}");
        }
    }
}
