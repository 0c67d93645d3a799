//! Differences to what was released before: two numbers that are both large enough may differ by
//! one that is not.
//!
//! Only pairs are compared. Combinations of several releases are what the noise is for.

use super::rules::Rule;
use super::table::{Cell, Group, Table};
use serde::Serialize;

/// What two releases say together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The group of the cell that is to be released.
    pub group: Group,
    /// The group of the cell that was released before: the same, a part of it or what it is part
    /// of.
    pub earlier: Group,
    /// How the two are to each other.
    pub kind: Kind,
    /// The larger number less the smaller.
    pub difference: f64,
    /// The standard deviation of the noise of the difference, taken as independent.
    pub noise: f64,
}

/// How a cell and one that was released before are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The same group, of other times or definitions: the difference is who came or went.
    SameGroup,
    /// One group is within the other: the difference is the rest of the larger.
    Nested,
    /// The cell is suppressed now, and was shown before.
    ShownBefore,
}

impl Rule {
    /// Everything that cells of a table tell together with tables that were released before, and
    /// that alone would be too small to be shown.
    ///
    /// `earlier` holds what readers saw. Of two cells with the same receipts nothing is said that
    /// is of one group, for both are one release.
    pub fn differences(&self, table: &Table, earlier: &[Table]) -> Vec<Difference> {
        let checked = self.check(table);
        let mut found = vec![];
        for (cell, checked) in table.cells.iter().zip(checked) {
            for before in earlier.iter().flat_map(|table| &table.cells) {
                let kind = match (&cell.group, &before.group) {
                    (now, then) if now == then && checked.reason.is_some() => Kind::ShownBefore,
                    (now, then) if now == then => Kind::SameGroup,
                    (now, then) if is_within(now, then) || is_within(then, now) => Kind::Nested,
                    _ => continue,
                };
                let difference = compared(cell, before, kind);
                let is_told = match kind {
                    Kind::ShownBefore => true,
                    Kind::Nested => {
                        checked.reason.is_none() && self.is_small(difference.difference)
                    }
                    Kind::SameGroup => {
                        let is_one = cell.count.receipts == before.count.receipts;
                        let is_changed = difference.difference != 0.0;
                        is_changed && !is_one && self.is_small(difference.difference)
                    }
                };
                found.extend(is_told.then_some(difference));
            }
        }
        found
    }
}

/// Whether a group has all the values of another, and more.
fn is_within(part: &Group, whole: &Group) -> bool {
    part.len() > whole.len() && whole.iter().all(|(column, value)| part.get(column) == Some(value))
}

fn compared(cell: &Cell, before: &Cell, kind: Kind) -> Difference {
    let noise = (cell.count.noise_variance + before.count.noise_variance).sqrt();
    let difference = (cell.count.value - before.count.value).abs();
    let (group, earlier) = (cell.group.clone(), before.group.clone());
    Difference { group, earlier, kind, difference, noise }
}
