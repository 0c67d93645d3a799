//! The cells of a result: exact integer totals by group, and how many persons need which bound.

use datafusion::error::DataFusionError;

use crate::aggregate::overflow;
use crate::aggregate::spec::Spec;

/// Totals of the persons that were bounded here.
#[derive(Debug)]
pub(crate) struct Cells {
    /// Number of slots per group.
    width: usize,
    /// By group, then slot.
    totals: Vec<i128>,
    /// By group: whether anybody counts there.
    touched: Vec<bool>,
    /// How many persons would need each bound, for each that is chosen privately.
    profiles: Vec<Vec<i128>>,
    /// By column: who counts in which group, where sites count one person together.
    marks: Vec<Vec<(u32, Mark)>>,
}

/// A person in a cell, by a number that is the same at every site.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Mark {
    /// Uniform over all numbers, and different for each person, cell, column and query.
    pub(crate) hash: u64,
    /// Where the cell stands among those of the person at this site: it counts under every bound
    /// on them that is above it.
    pub(crate) place: u64,
}

impl Cells {
    /// No cells yet.
    pub(crate) fn new(spec: &Spec) -> Self {
        Self {
            width: spec.slots(),
            totals: Vec::new(),
            touched: Vec::new(),
            profiles: spec.choices().map(|rungs| vec![0; rungs.len()]).collect(),
            marks: vec![Vec::new(); spec.columns.len()],
        }
    }

    /// Makes room for so many groups.
    pub(crate) fn grow(&mut self, groups: usize) {
        if self.touched.len() < groups {
            self.touched.resize(groups, false);
            self.totals.resize(groups * self.width, 0);
        }
    }

    /// Somebody counts in this group, if only with zero.
    pub(crate) fn touch(&mut self, group: u32) {
        self.touched[group as usize] = true;
    }

    /// Slots of a group, to be added to.
    pub(crate) fn slots(&mut self, group: u32, first: usize, count: usize) -> &mut [i128] {
        self.touch(group);
        let start = group as usize * self.width + first;
        &mut self.totals[start..start + count]
    }

    /// Marks a person in a group of a column.
    pub(crate) fn mark(&mut self, column: usize, group: u32, mark: Mark) {
        self.marks[column].push((group, mark));
    }

    /// Counts a person at the least rung that is not below `size`; at the last one if all are.
    pub(crate) fn profile(&mut self, profile: usize, rungs: &[u64], size: u64) {
        let rung = rungs.partition_point(|rung| *rung < size).min(rungs.len().saturating_sub(1));
        self.profiles[profile][rung] += 1;
    }

    /// The groups where anybody counts, with their slots.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (usize, &[i128])> {
        let touched = (0..self.touched.len()).filter(|group| self.touched[*group]);
        touched.map(|group| (group, &self.totals[group * self.width..(group + 1) * self.width]))
    }

    /// How many persons would need each bound.
    pub(crate) fn profiles(&self) -> &[Vec<i128>] {
        &self.profiles
    }

    /// Who counts where, by column.
    pub(crate) fn marks(&self) -> &[Vec<(u32, Mark)>] {
        &self.marks
    }
}

/// Adds `more` to `sums`, number by number.
///
/// # Errors
/// If one does not fit.
pub(crate) fn add(sums: &mut [i128], more: &[i128]) -> Result<(), DataFusionError> {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum = sum.checked_add(*more).ok_or_else(overflow)?;
    }
    Ok(())
}
