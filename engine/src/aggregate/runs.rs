//! Rows to persons: what one person adds to each group, whole, as soon as the next person begins.
//!
//! ```text
//!  rows of a batch     person  p p p q q r      group  a b a a a c
//!  entries             (none) p·a p·b q·a r·c           one per person and group
//!  handed on                  └──p──┘ └q┘               r stays open for the next batch
//! ```
//! Memory is that of one batch, one person and the number of groups.

use datafusion::error::DataFusionError;

use crate::aggregate::groups::NONE;

/// What persons add to groups, while their rows come in.
#[derive(Debug)]
pub(crate) struct Runs {
    /// The person whose rows are coming.
    open: Option<i64>,
    /// Where its entries begin.
    start: usize,
    /// By entry: the group; the first entry takes the rows of none.
    groups: Vec<u32>,
    /// By column and entry: the total.
    totals: Vec<Vec<i64>>,
    /// By group: the entry of the open person, valid in its epoch.
    entries: Vec<(u32, u32)>,
    epoch: u32,
    /// Persons that are complete: who, and where the entries begin and end.
    closed: Vec<(i64, usize, usize)>,
    /// Of the batch at hand: each row's entry.
    of_row: Vec<u32>,
}

/// The groups of one person, and what it adds to each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run<'a> {
    pub(crate) person: i64,
    /// Distinct groups, in the order in which they came.
    pub(crate) groups: &'a [u32],
    totals: &'a [Vec<i64>],
    start: usize,
}

impl Run<'_> {
    /// What the person adds to its group number `place`, by column.
    pub(crate) fn total(&self, place: usize, column: usize) -> i64 {
        self.totals[column][self.start + place]
    }
}

impl Runs {
    /// For rows with so many columns to be added up.
    pub(crate) fn new(columns: usize) -> Self {
        Self {
            open: None,
            start: 1,
            groups: vec![NONE],
            totals: vec![vec![0]; columns],
            entries: Vec::new(),
            epoch: 1,
            closed: Vec::new(),
            of_row: Vec::new(),
        }
    }

    /// Takes rows in order of person: who, which of `count` groups, and what each column adds.
    /// Complete persons go to `each`.
    ///
    /// # Errors
    /// If a person comes again after another: then it would be bounded twice.
    pub(crate) fn push(
        &mut self,
        persons: &[i64],
        groups: &[u32],
        columns: &[&[i64]],
        count: usize,
        mut each: impl FnMut(Run<'_>) -> Result<(), DataFusionError>,
    ) -> Result<(), DataFusionError> {
        if self.entries.len() < count {
            self.entries.resize(count, (0, 0));
        }
        self.assign(persons, groups)?;
        for (totals, values) in self.totals.iter_mut().zip(columns) {
            totals.resize(self.groups.len(), 0);
            for (entry, value) in self.of_row.iter().zip(*values) {
                let total = &mut totals[*entry as usize];
                // Wrapping does not depend on the order of rows, as saturating would.
                *total = total.wrapping_add(*value);
            }
        }
        for (person, start, end) in &self.closed {
            each(self.run(*person, *start, *end))?;
        }
        self.closed.clear();
        self.keep_open();
        Ok(())
    }

    /// No row is left: the last person is complete.
    pub(crate) fn finish(
        &mut self,
        mut each: impl FnMut(Run<'_>) -> Result<(), DataFusionError>,
    ) -> Result<(), DataFusionError> {
        let Some(person) = self.open.take() else { return Ok(()) };
        each(self.run(person, self.start, self.groups.len()))?;
        self.close();
        self.start = self.groups.len();
        self.keep_open();
        Ok(())
    }

    /// Finds the entry of each row, and which persons are complete.
    fn assign(&mut self, persons: &[i64], groups: &[u32]) -> Result<(), DataFusionError> {
        self.of_row.clear();
        let mut row = 0;
        while let Some(person) = persons.get(row) {
            if self.open != Some(*person) {
                if self.open.is_some_and(|open| open > *person) {
                    return Err(unordered());
                }
                if let Some(open) = self.open {
                    self.closed.push((open, self.start, self.groups.len()));
                    self.close();
                }
                self.open = Some(*person);
                self.start = self.groups.len();
            }
            let rows = persons[row..].iter().take_while(|other| *other == person).count();
            for group in &groups[row..row + rows] {
                let entry = self.entry(*group)?;
                self.of_row.push(entry);
            }
            row += rows;
        }
        Ok(())
    }

    /// The entry of a group of the open person.
    fn entry(&mut self, group: u32) -> Result<u32, DataFusionError> {
        if group == NONE {
            return Ok(0);
        }
        let place = &mut self.entries[group as usize];
        if place.0 != self.epoch {
            let next = u32::try_from(self.groups.len());
            let next = next.map_err(|_| DataFusionError::Execution("a person is too long".into()));
            *place = (self.epoch, next?);
            self.groups.push(group);
        }
        Ok(place.1)
    }

    /// Forgets which groups the open person has.
    fn close(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            self.entries.fill((0, 0));
            self.epoch = 1;
        }
    }

    fn run(&self, person: i64, start: usize, end: usize) -> Run<'_> {
        Run { person, groups: &self.groups[start..end], totals: &self.totals, start }
    }

    /// Moves the entries of the open person to the front.
    fn keep_open(&mut self) {
        self.groups.drain(1..self.start);
        for totals in &mut self.totals {
            totals.drain(1..self.start.min(totals.len()));
        }
        for (entry, group) in (1u32..).zip(&self.groups[1..]) {
            self.entries[*group as usize].1 = entry;
        }
        self.start = 1;
    }
}

fn unordered() -> DataFusionError {
    DataFusionError::Execution("rows are not in order of person, as was promised".to_owned())
}
