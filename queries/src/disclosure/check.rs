//! A rule applied to a table: what is shown of every cell, and why not where it is not.

use super::complement::complements;
use super::rules::{Mark, Rule};
use super::table::{Cell, Table};
use crate::estimate::Estimate;
use serde::Serialize;
use std::collections::BTreeSet;

/// What a reader sees in place of a number.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Shown {
    /// A number, rounded if the rule rounds.
    Number(f64),
    /// The rule's mark.
    Text(String),
}

/// Why a number is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The count is too small.
    SmallCount,
    /// What it is over is too small.
    SmallDenominator,
    /// Another suppressed cell would follow from it.
    Complement,
    /// The rule blocks tables with small counts.
    BlockedTable,
}

/// What is shown of a cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checked {
    /// The number or its mark.
    pub shown: Shown,
    /// Why it is suppressed, if it is.
    pub reason: Option<Reason>,
    /// Whether a rate of so few events is to be called unreliable.
    pub is_unreliable: bool,
}

impl Rule {
    /// What is shown of each cell of a table, in its order.
    ///
    /// Values are compared as they are, with their noise: a negative count is less than any
    /// threshold, and counts as zero where zeros are shown.
    pub fn check(&self, table: &Table) -> Vec<Checked> {
        let mut reasons: Vec<Option<Reason>> =
            table.cells.iter().map(|cell| self.primary(cell)).collect();
        if self.blocks_table && reasons.iter().any(Option::is_some) {
            reasons.fill(Some(Reason::BlockedTable));
        } else if self.complement {
            let suppressed: BTreeSet<usize> =
                (0..reasons.len()).filter(|&cell| reasons[cell].is_some()).collect();
            for cell in complements(table, &suppressed) {
                reasons[cell] = Some(Reason::Complement);
            }
        }
        let mut values: Vec<f64> =
            table.cells.iter().map(|cell| self.rounded(cell.count.value)).collect();
        if self.totals_of_shown {
            self.total_up(table, &reasons, &mut values);
        }
        let checked = |(cell, (reason, value)): (&Cell, (Option<Reason>, f64))| {
            let is_few = cell.count.value < f64::from(self.unreliable_below);
            let shown = if reason.is_some() { self.mark() } else { Shown::Number(value) };
            Checked { shown, reason, is_unreliable: reason.is_none() && is_few }
        };
        table.cells.iter().zip(reasons.into_iter().zip(values)).map(checked).collect()
    }

    /// One number that is in no table, such as a count in a sentence.
    pub fn shown(&self, count: f64) -> Shown {
        if self.is_small(count) { self.mark() } else { Shown::Number(self.rounded(count)) }
    }

    fn primary(&self, cell: &Cell) -> Option<Reason> {
        let small = |of: &Estimate| of.value < f64::from(self.denominator_below);
        if self.is_small(cell.count.value) {
            Some(Reason::SmallCount)
        } else if cell.denominator.as_ref().is_some_and(small) {
            Some(Reason::SmallDenominator)
        } else {
            None
        }
    }

    /// Puts the sums of shown parts in place of totals, from the finest to the coarsest.
    fn total_up(&self, table: &Table, reasons: &[Option<Reason>], values: &mut [f64]) {
        let mut sums: Vec<_> = table.sums.iter().collect();
        sums.sort_by_key(|sum| std::cmp::Reverse(table.cells[sum.total].group.len()));
        let in_place = f64::from(self.mark_number());
        for sum in sums {
            let part =
                |&part: &usize| if reasons[part].is_some() { in_place } else { values[part] };
            values[sum.total] = sum.parts.iter().map(part).sum();
        }
    }

    /// A suppressed part is worth nothing in a total of what is shown, or the number in its place.
    fn mark_number(&self) -> i32 {
        if let Mark::Number(number) = self.mark { number } else { 0 }
    }

    fn mark(&self) -> Shown {
        match &self.mark {
            Mark::Number(number) => Shown::Number(f64::from(*number)),
            Mark::Text(text) => Shown::Text(text.clone()),
        }
    }
}
