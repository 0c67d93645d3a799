//! Tables of estimates with their margins: cells by group, and the sums that hold among them.

use super::Error;
use crate::estimate::Estimate;
use std::collections::BTreeMap;

/// What a cell is about: a value for some of the columns. A column that is not there is added up
/// over, and nothing at all is the grand total.
pub type Group = BTreeMap<String, String>;

/// A number of a group.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Whose number it is.
    pub group: Group,
    /// The count, or the number of events of a rate.
    pub count: Estimate,
    /// What a share or rate of it is over, if there is one.
    pub denominator: Option<Estimate>,
}

/// Cells of one population, and which of them are sums of which.
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) cells: Vec<Cell>,
    pub(super) sums: Vec<Sum>,
}

/// A total and its parts, by the numbers of their cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) total: usize,
    pub(super) parts: Vec<usize>,
}

impl Table {
    /// A table of these cells. Where a cell leaves out a column by which other cells, alike in all
    /// else, are told apart, it is their total: so tables of any number of columns have margins.
    ///
    /// The cells of a column must be all there are, as declared keys are: a part that is missing
    /// would be thought to be nothing.
    ///
    /// # Errors
    /// `TwoCells` of one group.
    pub fn new(cells: Vec<Cell>) -> Result<Self, Error> {
        let mut numbers: BTreeMap<&Group, usize> = BTreeMap::new();
        for (number, cell) in cells.iter().enumerate() {
            if numbers.insert(&cell.group, number).is_some() {
                return Err(Error::TwoCells(name(&cell.group)));
            }
        }
        let mut parts: BTreeMap<(usize, &str), Vec<usize>> = BTreeMap::new();
        for (number, cell) in cells.iter().enumerate() {
            for column in cell.group.keys() {
                let mut wider = cell.group.clone();
                wider.remove(column);
                if let Some(&total) = numbers.get(&wider) {
                    parts.entry((total, column)).or_default().push(number);
                }
            }
        }
        let sums = parts.into_iter().map(|((total, _), parts)| Sum { total, parts }).collect();
        Ok(Self { cells, sums })
    }

    /// Its cells, in the order given.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }
}

/// A group as text: `region=N, sex=F`, or `all`.
pub(super) fn name(group: &Group) -> String {
    if group.is_empty() {
        return "all".to_owned();
    }
    let pairs: Vec<String> =
        group.iter().map(|(column, value)| format!("{column}={value}")).collect();
    pairs.join(", ")
}
