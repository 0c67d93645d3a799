//! How ill persons are besides: the Charlson index from their codes, and how often two diseases
//! come together.
//!
//! The index is of a person's codes, so it is for what happens before the gate: the rules of an
//! extract, or a synthetic cohort. What is released are counts of persons by score, and pairs.

mod charlson;

use super::two_by_two::TwoByTwo;
use crate::estimate::Estimate;

pub use self::charlson::CHARLSON;

/// The revision of the International Classification of Diseases that a code is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Revision {
    /// ICD-9-CM.
    Nine,
    /// ICD-10, its Canadian and clinical modifications included.
    Ten,
}

/// Which weights an index has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Weights {
    /// Charlson's of 1987.
    Charlson1987,
    /// Quan's of 2011, which five of the comorbidities do not enter.
    Quan2011,
}

/// One comorbidity of an index: its codes and weights.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Comorbidity {
    /// A short name, as R's package comorbidity has it.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Charlson's weight.
    pub weight_1987: u32,
    /// Quan's weight.
    pub weight_2011: u32,
    /// First characters of its codes without points, with a space between; `C00-9` is ten of them.
    icd_9: &'static str,
    icd_10: &'static str,
}

impl Comorbidity {
    /// What the codes of this comorbidity begin with, without points.
    pub fn prefixes(&self, revision: Revision) -> impl Iterator<Item = String> {
        self.ranges(revision).flat_map(|(stem, first, last)| {
            (first..=last).map(move |digit| format!("{stem}{digit}"))
        })
    }

    /// Whether a code is of this comorbidity; points, spaces and case do not matter.
    pub fn includes(&self, revision: Revision, code: &str) -> bool {
        self.includes_plain(revision, &plain(code))
    }

    /// The same of a code without points and spaces, in capitals.
    fn includes_plain(&self, revision: Revision, code: &str) -> bool {
        self.ranges(revision).any(|(stem, first, last)| {
            let next = code.strip_prefix(stem).and_then(|rest| rest.chars().next());
            next.is_some_and(|next| (first..=last).contains(&next))
        })
    }

    /// Stems of codes, and between which digits they go on.
    fn ranges(&self, revision: Revision) -> impl Iterator<Item = (&'static str, char, char)> {
        let codes = match revision {
            Revision::Nine => self.icd_9,
            Revision::Ten => self.icd_10,
        };
        codes.split(' ').filter_map(|range| {
            let (code, last) = range.split_once('-').unwrap_or((range, ""));
            let (end, first) = code.char_indices().next_back()?;
            Some((&code[..end], first, last.chars().next().unwrap_or(first)))
        })
    }

    /// Its weight.
    pub const fn weight(&self, weights: Weights) -> u32 {
        match weights {
            Weights::Charlson1987 => self.weight_1987,
            Weights::Quan2011 => self.weight_2011,
        }
    }
}

/// The comorbidities that a person's codes speak of, in the order of [`CHARLSON`]: the milder form
/// of liver disease, diabetes and cancer only where the severer one is not there as well.
pub fn comorbidities<'a>(
    codes: impl IntoIterator<Item = (Revision, &'a str)>,
) -> Vec<&'static Comorbidity> {
    let mut is_present = [false; CHARLSON.len()];
    for (revision, code) in codes {
        let code = plain(code);
        for (present, comorbidity) in is_present.iter_mut().zip(&CHARLSON) {
            *present = *present || comorbidity.includes_plain(revision, &code);
        }
    }
    let present = CHARLSON.iter().zip(is_present).filter(|(_, is_present)| *is_present);
    let present: Vec<&Comorbidity> = present.map(|(comorbidity, _)| comorbidity).collect();
    let has = |id: &str| present.iter().any(|comorbidity| comorbidity.id == id);
    let is_milder = |id: &str| SEVERER.iter().any(|(mild, severe)| *mild == id && has(severe));
    let counted = present.iter().copied().filter(|comorbidity| !is_milder(comorbidity.id));
    counted.collect()
}

/// The Charlson index of a person's codes.
///
/// # Source
///
/// As for [`CHARLSON`]; that of two forms the severer one counts: R's package comorbidity,
/// `assign0`.
pub fn charlson<'a>(codes: impl IntoIterator<Item = (Revision, &'a str)>, weights: Weights) -> u32 {
    comorbidities(codes).iter().map(|comorbidity| comorbidity.weight(weights)).sum()
}

/// How two diseases come together in one population.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Odds of the second with the first disease over those without.
    pub odds_ratio: Estimate,
    /// Their correlation.
    pub phi: Estimate,
}

/// The association of two diseases, from persons with both, with the first, with the second, and
/// all persons.
pub fn pair(counts: [Estimate; 4], level: f64) -> Pair {
    let table = TwoByTwo::of_margins(counts);
    Pair { odds_ratio: table.odds_ratio(level), phi: table.phi(level) }
}

fn plain(code: &str) -> String {
    let characters = code.chars().filter(char::is_ascii_alphanumeric);
    characters.map(|character| character.to_ascii_uppercase()).collect()
}

/// Milder forms, and the severer ones that take their place.
const SEVERER: [(&str, &str); 3] = [("mld", "msld"), ("diab", "diabwc"), ("canc", "metacanc")];

#[cfg(test)]
mod tests {
    use super::{CHARLSON, Revision, Weights, charlson, comorbidities, pair};
    use crate::estimate::Estimate;
    use crate::methods::expected::rows;

    /// Both maps of R's package comorbidity, code by code and weight by weight.
    #[test]
    fn codes_and_weights_are_those_of_r() {
        for (revision, number) in [(Revision::Nine, "9"), (Revision::Ten, "10")] {
            let name = format!("expected/r/charlson_icd{number}_quan_map_and_weights.csv");
            let Some(rows) = rows(&name) else { return };
            assert_eq!(rows.len(), 17);
            for (row, comorbidity) in rows.iter().zip(&CHARLSON) {
                let prefixes: Vec<String> = comorbidity.prefixes(revision).collect();
                assert_eq!(comorbidity.id, row.text("category"));
                assert_eq!(prefixes.join("|"), row.text("prefixes"), "{}", comorbidity.id);
                assert_eq!(f64::from(comorbidity.weight_1987), row.number("weight_charlson"));
                assert_eq!(f64::from(comorbidity.weight_2011), row.number("weight_quan"));
            }
        }
    }

    #[test]
    fn a_score_adds_weights_and_counts_the_severer_form_only() {
        let codes = [
            (Revision::Ten, "I21.0"),
            (Revision::Ten, "e11.9"),
            (Revision::Ten, "E11.2"),
            (Revision::Nine, "428.0"),
            (Revision::Ten, "J45"),
            (Revision::Ten, "Z00"),
        ];
        let ids: Vec<&str> = comorbidities(codes).iter().map(|found| found.id).collect();
        assert_eq!(ids, ["mi", "chf", "cpd", "diabwc"]);
        assert_eq!(charlson(codes, Weights::Charlson1987), 1 + 1 + 1 + 2);
        assert_eq!(charlson(codes, Weights::Quan2011), 2 + 1 + 1);
        let cancer = [(Revision::Ten, "C50.9"), (Revision::Ten, "C78")];
        assert_eq!(charlson(cancer, Weights::Charlson1987), 6);
        let liver = [(Revision::Nine, "571.2"), (Revision::Nine, "572.3")];
        assert_eq!(charlson(liver, Weights::Quan2011), 4);
        assert_eq!(charlson([], Weights::Charlson1987), 0);
    }

    /// Codes that only ICD-10-CM has, with a letter in third place, are in no range of digits.
    #[test]
    fn a_range_is_of_digits() {
        assert_eq!(charlson([(Revision::Ten, "C4A.0")], Weights::Charlson1987), 0);
        assert_eq!(charlson([(Revision::Ten, "C7B.0")], Weights::Charlson1987), 0);
    }

    /// 80 of 1,000 have both, 200 the first, 250 the second: 80 * 630 / (120 * 170), and by hand
    /// (80 * 630 - 120 * 170) / sqrt(200 * 800 * 250 * 750).
    #[test]
    fn a_pair_has_an_odds_ratio_and_a_correlation() {
        let pair = pair([80.0, 200.0, 250.0, 1_000.0].map(Estimate::exact), 0.95);
        assert!((pair.odds_ratio.value - 2.470588235294118).abs() < 1e-12);
        assert!((pair.phi.value - 0.173205080756888).abs() < 1e-12);
    }
}
