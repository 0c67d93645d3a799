//! Lots of drugs and serial numbers of devices: the genuine, the counterfeit and the bad.
//!
//! A genuine lot goes to one site. Counterfeits carry either the number of a genuine lot or one
//! that no maker has issued, and turn up at every site; one genuine lot of celecoxib is bad.

use super::calendar::{Day, civil};
use super::draw::{Draw, Purpose};
use super::records::Lot;
use super::vocabulary::{drug, drugs, ids};

/// Lots of each drug that a site receives in a quarter.
pub(super) const LOTS_PER_QUARTER: u32 = 2;

/// Quarters of the study window.
pub(super) const QUARTERS: u32 = 20;

/// Makers: prefix of their lot numbers, and their company's digits in a GTIN. Invented.
const MAKERS: [(&str, &str); 6] = [
    ("AV", "030071"),
    ("BK", "035573"),
    ("CN", "036800"),
    ("DX", "030185"),
    ("EL", "038779"),
    ("FR", "032247"),
];

/// Share of fills from counterfeit lots; the range given by the research notes is 0.1 to 1 %.
pub(super) const COUNTERFEIT_SHARE: f64 = 0.005;

/// Share of celecoxib fills of 2021 that are from the bad lot: assumption.
const BAD_SHARE: f64 = 0.25;

/// First quarter of 2021 and the first one after, as counted from the start of the window.
const BAD_QUARTERS: std::ops::Range<u32> = 8..12;

/// Origins of lots that are no site.
const EVERYWHERE: u32 = 0xFFFF;
const NOWHERE: u32 = 0xFFFE;

/// A lot as its maker attests it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct AttestedLot {
    /// Lot number.
    pub(super) number: String,
    /// Drug.
    pub(super) concept: i64,
    /// Maker's prefix.
    pub(super) maker: &'static str,
    /// Quarter of issue, from 0.
    pub(super) quarter: u32,
    /// Site that it was sent to; none means all.
    pub(super) site: Option<u32>,
}

/// The lot that a fill is taken from, and what it is.
pub(super) fn draw_lot(
    seed: u64,
    concept: i64,
    quarter: u32,
    site: usize,
    draw: &mut Draw,
) -> (String, Lot) {
    let index = drug_index(concept);
    let point = draw.uniform();
    if point < COUNTERFEIT_SHARE / 2.0 {
        return (number(seed, index, 4, 0, 0), Lot::Cloned);
    }
    if point < COUNTERFEIT_SHARE {
        return (number(seed, index, 0, NOWHERE, 0), Lot::Invented);
    }
    if concept == ids::CELECOXIB && BAD_QUARTERS.contains(&quarter) && draw.chance(BAD_SHARE) {
        return (bad_lot(seed), Lot::Bad);
    }
    let which = u32::from(draw.chance(0.5));
    (number(seed, index, quarter, origin(site), which), Lot::Genuine)
}

/// Every lot that a maker attests, drug by drug.
pub(super) fn attested_lots(seed: u64, sites: usize) -> impl Iterator<Item = AttestedLot> {
    let bad = AttestedLot {
        number: bad_lot(seed),
        concept: ids::CELECOXIB,
        maker: maker(drug_index(ids::CELECOXIB)).0,
        quarter: BAD_QUARTERS.start,
        site: None,
    };
    let all = drugs().iter().enumerate().flat_map(move |(index, drug)| {
        let index = u32::try_from(index).unwrap_or(0);
        (0..sites).flat_map(move |site| {
            (0..QUARTERS * LOTS_PER_QUARTER).map(move |at| AttestedLot {
                number: number(
                    seed,
                    index,
                    at / LOTS_PER_QUARTER,
                    origin(site),
                    at % LOTS_PER_QUARTER,
                ),
                concept: drug.id,
                maker: maker(index).0,
                quarter: at / LOTS_PER_QUARTER,
                site: Some(origin(site)),
            })
        })
    });
    std::iter::once(bad).chain(all)
}

/// A unique device identifier in GS1 form, and the part of it that names the item produced.
pub(super) fn draw_device(
    model: usize,
    day: Day,
    serial: i64,
    draw: &mut Draw,
) -> (String, String) {
    let (prefix, company) = MAKERS[model % MAKERS.len()];
    let made = day - draw.between(30, 700);
    let lot = format!("{prefix}{:05}", draw.below(40) * 7 + model * 1_000);
    let production =
        format!("(11){}(17){}(10){lot}(21){serial:09}", six_digits(made), six_digits(made + 1_826));
    (format!("(01){}{production}", gtin(company, model)), production)
}

/// Fourteen digits: packaging level, company, item, check digit (GS1 General Specifications, 7.9).
fn gtin(company: &str, item: usize) -> String {
    let body = format!("0{company}{item:06}");
    let sum: u32 = body
        .bytes()
        .zip([3, 1].into_iter().cycle())
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

fn six_digits(day: Day) -> String {
    let (year, month, day) = civil(day);
    format!("{:02}{month:02}{day:02}", year % 100)
}

fn bad_lot(seed: u64) -> String {
    number(seed, drug_index(ids::CELECOXIB), BAD_QUARTERS.start, EVERYWHERE, 0)
}

/// A lot number: maker, last digit of the year, and six signs that look random.
fn number(seed: u64, drug: u32, quarter: u32, origin: u32, which: u32) -> String {
    const SIGNS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let index = u64::from(drug) << 48
        | u64::from(quarter) << 32
        | u64::from(origin) << 8
        | u64::from(which);
    let bits = Draw::new(seed, Purpose::Scramble, index).bits();
    let signs = (0..6).map(|at| {
        let sign = usize::try_from(bits >> (5 * at) & 31).unwrap_or(0);
        char::from(SIGNS[sign])
    });
    let year = (2019 + quarter / 4) % 10;
    format!("{}{year}", maker(drug).0).chars().chain(signs).collect()
}

fn maker(drug: u32) -> (&'static str, &'static str) {
    MAKERS[usize::try_from(drug).unwrap_or(0) % MAKERS.len()]
}

fn drug_index(concept: i64) -> u32 {
    drug(concept).and_then(|(index, _)| u32::try_from(index).ok()).unwrap_or(0)
}

fn origin(site: usize) -> u32 {
    u32::try_from(site).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::draw::{Draw, Purpose};
    use super::super::records::Lot;
    use super::super::vocabulary::ids;
    use super::{attested_lots, draw_device, draw_lot, gtin};

    #[test]
    fn genuine_lots_are_attested_and_invented_ones_are_not() {
        let lots: Vec<_> = attested_lots(9, 3).collect();
        let numbers: BTreeSet<_> = lots.iter().map(|lot| lot.number.as_str()).collect();
        assert_eq!(numbers.len(), lots.len());
        let mut draw = Draw::new(9, Purpose::Person, 0);
        let mut kinds = [0; 2];
        for at in 0..20_000 {
            let (number, kind) = draw_lot(9, ids::CELECOXIB, 9, at % 3, &mut draw);
            assert_eq!(numbers.contains(number.as_str()), kind != Lot::Invented, "{kind:?}");
            kinds[0] += usize::from(matches!(kind, Lot::Cloned | Lot::Invented));
            kinds[1] += usize::from(kind == Lot::Bad);
        }
        // Five standard errors of the counterfeit and of the bad: a false alarm in a million.
        assert!(kinds[0].abs_diff(100) < 50 && kinds[1].abs_diff(4_975) < 306, "{kinds:?}");
    }

    /// The worked example of the GS1 check digit calculator.
    #[test]
    fn a_gtin_ends_in_its_check_digit() {
        assert_eq!(gtin("629104", 150_021), "06291041500213");
    }

    #[test]
    fn a_device_identifier_has_its_five_parts_in_order() {
        let mut draw = Draw::new(9, Purpose::Person, 0);
        let (whole, production) = draw_device(2, 19_000, 42, &mut draw);
        let places: Vec<_> =
            ["(01)", "(11)", "(17)", "(10)", "(21)"].iter().map(|part| whole.find(part)).collect();
        assert!(places.is_sorted() && places.iter().all(Option::is_some), "{whole}");
        assert!(whole.ends_with("(21)000000042") && whole.ends_with(&production));
    }
}
