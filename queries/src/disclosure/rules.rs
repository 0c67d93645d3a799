//! The rules of publishers as data: those that are built in, and any that a user adds.

use super::Error;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// Rules by their names.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    #[serde(rename = "rule")]
    rules: Vec<Rule>,
}

impl Rules {
    /// The rules that come with Graunt: `cms`, `cdc_wonder`, `nhs_hes`, `opensafely`,
    /// `opensafely_midpoint_6`, `darwin`, `datashield`, `acro`.
    pub fn built_in() -> Self {
        static BUILT_IN: LazyLock<Rules> = LazyLock::new(|| {
            // A test reads each of them.
            Rules::from_toml(include_str!("rules.toml")).unwrap_or(Rules { rules: vec![] })
        });
        BUILT_IN.clone()
    }

    /// Rules out of TOML: tables `[[rule]]` with the fields of [`Rule`].
    ///
    /// # Errors
    /// `Rules` for other text, `TwoRules`, `Rounding`.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        Self { rules: vec![] }.and(toml::from_str(text)?)
    }

    /// These and others.
    ///
    /// # Errors
    /// `TwoRules` where both have a rule of one name, `Rounding`.
    pub fn and(mut self, others: Self) -> Result<Self, Error> {
        for rule in others.rules {
            if self.named(&rule.name).is_some() {
                return Err(Error::TwoRules(rule.name));
            }
            if rule.round_to == Some(0) || rule.midpoint_of == Some(0) {
                return Err(Error::Rounding(rule.name));
            }
            self.rules.push(rule);
        }
        Ok(self)
    }

    /// The rule of this name.
    pub fn named(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// All of them, in order.
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }
}

/// What a publisher asks of a table.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it is called by.
    pub name: String,
    /// Who asks for it, and where it is written.
    pub source: String,
    /// Counts below it are not shown; 0 suppresses nothing.
    #[serde(default)]
    pub suppress_below: u32,
    /// Whether counts of 0 are shown all the same. Noisy counts below a half are 0 here.
    #[serde(default)]
    pub shows_zero: bool,
    /// Numbers over a denominator below it are not shown.
    #[serde(default)]
    pub denominator_below: u32,
    /// What stands in place of a suppressed number.
    #[serde(default)]
    pub mark: Mark,
    /// Whether one small cell blocks all of the table.
    #[serde(default)]
    pub blocks_table: bool,
    /// Whether further cells are suppressed so that none follows from margins.
    #[serde(default)]
    pub complement: bool,
    /// What is shown is rounded to multiples of it, halves to even multiples.
    pub round_to: Option<u32>,
    /// What is shown is the middle of its interval of so many counts: for 6, 3 for 1 to 6, 9 for 7
    /// to 12. Zero, and less by noise, is shown as 0.
    pub midpoint_of: Option<u32>,
    /// Whether totals are those of the shown numbers, so that they say no more.
    #[serde(default)]
    pub totals_of_shown: bool,
    /// Rates with fewer events are shown as unreliable.
    #[serde(default)]
    pub unreliable_below: u32,
    /// Which totals of amounts are dominated by single contributions.
    pub dominance: Option<Dominance>,
    /// The fewest degrees of freedom that a regression may be shown with.
    pub degrees_min: Option<u32>,
}

impl Rule {
    /// Whether a count is too small to be shown.
    pub fn is_small(&self, count: f64) -> bool {
        let is_shown = self.suppress_below == 0 || (self.shows_zero && count < 0.5);
        !is_shown && count < f64::from(self.suppress_below)
    }

    /// A number as it is shown if it is not suppressed.
    pub fn rounded(&self, value: f64) -> f64 {
        if let Some(width) = self.midpoint_of.map(f64::from) {
            let middle = (value / width).ceil() * width - (width / 2.0).floor();
            return if value < 0.5 { 0.0 } else { middle };
        }
        self.round_to.map(f64::from).map_or(value, |to| (value / to).round_ties_even() * to)
    }
}

/// When single contributions dominate a total.
///
/// # Source
/// Hundepool et al. 2012, Statistical Disclosure Control: dominance rules.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Dominance {
    /// So many of the largest contributions
    pub largest: usize,
    /// may not be more than this share of the total.
    pub share: f64,
    /// What is left without the two largest may not be less than this share of the largest.
    pub ratio: f64,
}

/// What stands in place of a suppressed number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Mark {
    /// A number, such as 0.
    Number(i32),
    /// Text, such as `*`.
    Text(String),
}

impl Default for Mark {
    fn default() -> Self {
        Self::Text("suppressed".to_owned())
    }
}
