//! What whoever checks outputs is given: the context of a table, the numbers behind what is shown,
//! and the reason for each that is not.

use super::check::{Checked, Reason, Shown};
use super::differences::Difference;
use super::rules::Rule;
use super::table::{Cell, Group, Table};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Why a table is asked for, in the words of whoever asks.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Context {
    /// What the table is called.
    pub title: String,
    /// The population it is of.
    pub population: String,
    /// The period it is of.
    pub period: String,
    /// What it is to be used for.
    pub purpose: String,
}

/// A table with all that its release is decided by.
///
/// # Privacy
/// The numbers behind are the noisy ones. They may be shown to whoever checks outputs, and as far
/// as the noise goes to anybody; a publisher's rule may ask that readers do not see them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Packet {
    /// Why it is asked for.
    pub context: Context,
    /// The rule it was checked by, as it was then.
    pub rule: Rule,
    /// Every cell of the table, in its order.
    pub cells: Vec<CheckedCell>,
    /// How many cells are suppressed for each reason.
    pub suppressed: BTreeMap<&'static str, usize>,
    /// What follows from earlier releases.
    pub differences: Vec<Difference>,
    /// Names of the receipts that prove the numbers.
    pub receipts: BTreeSet<String>,
}

/// A cell as it is shown, and as it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckedCell {
    /// Whose number it is.
    pub group: Group,
    /// What is shown of it.
    #[serde(flatten)]
    pub checked: Checked,
    /// The noisy count.
    pub count: f64,
    /// The standard deviation of its noise.
    pub noise: f64,
    /// The noisy denominator, if there is one.
    pub denominator: Option<f64>,
}

impl Packet {
    /// The packet of a table under a rule, beside the tables that were released before.
    pub fn new(context: Context, rule: &Rule, table: &Table, earlier: &[Table]) -> Self {
        let checked = rule.check(table);
        let mut suppressed: BTreeMap<&'static str, usize> = BTreeMap::new();
        for reason in checked.iter().filter_map(|checked| checked.reason) {
            *suppressed.entry(reason.name()).or_default() += 1;
        }
        let cells = table.cells.iter().zip(checked).map(|(cell, checked)| CheckedCell {
            group: cell.group.clone(),
            checked,
            count: cell.count.value,
            noise: cell.count.noise_variance.sqrt(),
            denominator: cell.denominator.as_ref().map(|denominator| denominator.value),
        });
        let numbers = |cell: &Cell| {
            let both = cell.denominator.iter().chain([&cell.count]);
            let names = both.flat_map(|number| &number.receipts).map(|name| (**name).to_owned());
            names.collect::<Vec<String>>()
        };
        Self {
            context,
            rule: rule.clone(),
            cells: cells.collect(),
            suppressed,
            differences: rule.differences(table, earlier),
            receipts: table.cells.iter().flat_map(numbers).collect(),
        }
    }

    /// Whether nothing in it asks for a decision: nothing is suppressed, unreliable or follows
    /// from earlier releases.
    pub fn is_clear(&self) -> bool {
        let clear = |cell: &CheckedCell| {
            let is_number = matches!(cell.checked.shown, Shown::Number(_));
            is_number && cell.checked.reason.is_none() && !cell.checked.is_unreliable
        };
        self.differences.is_empty() && self.cells.iter().all(clear)
    }
}

impl Reason {
    /// Its name, as in a packet.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SmallCount => "small_count",
            Self::SmallDenominator => "small_denominator",
            Self::Complement => "complement",
            Self::BlockedTable => "blocked_table",
        }
    }
}
