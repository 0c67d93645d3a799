//! Values below the groups: which distinct ones there are, and how many rows lie in each bin.

use std::collections::HashMap;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use foldhash::fast::FixedState;
use ledger_adapter::digest::Digest;

use crate::aggregate::groups::{Groups, NONE, Pairs};
use crate::aggregate::rank::Ranks;
use crate::aggregate::runs::Run;
use crate::aggregate::spec::{NestedSpec, Spec};

/// Numbers for the values of groups: a group and a value are one number.
#[derive(Debug)]
pub(crate) struct Valued {
    groups: Groups,
    values: Groups,
    pairs: Pairs,
    /// By number: the group and the value.
    of_pair: Vec<(u32, u32)>,
    values_of_rows: Vec<u32>,
}

impl Valued {
    /// For values of this type.
    pub(crate) fn new(spec: &Spec, value: &DataType) -> Result<Self, DataFusionError> {
        Ok(Self {
            groups: Groups::new(&spec.keys, spec.declared.as_deref())?,
            values: Groups::new(std::slice::from_ref(value), None)?,
            pairs: Pairs::default(),
            of_pair: Vec::new(),
            values_of_rows: Vec::new(),
        })
    }

    /// Numbers the rows of a batch.
    pub(crate) fn number(
        &mut self,
        keys: &[ArrayRef],
        value: &ArrayRef,
        numbers: &mut Vec<u32>,
    ) -> Result<(), DataFusionError> {
        let rows = value.len();
        self.groups.number(keys, rows, numbers)?;
        let mut values = std::mem::take(&mut self.values_of_rows);
        self.values.number(std::slice::from_ref(value), rows, &mut values)?;
        let groups = numbers.clone();
        self.pairs.join(numbers, &values)?;
        self.of_pair.resize(self.pairs.len(), (NONE, NONE));
        for (number, pair) in numbers.iter().zip(groups.iter().zip(&values)) {
            if *number != NONE {
                self.of_pair[*number as usize] = (*pair.0, *pair.1);
            }
        }
        self.values_of_rows = values;
        Ok(())
    }

    /// How many pairs of a group and a value there are.
    pub(crate) const fn len(&self) -> usize {
        self.pairs.len()
    }

    /// The canonical bytes of groups and of values.
    pub(crate) fn codes(&self) -> (Codes<'_>, Codes<'_>) {
        (self.groups.codes(), self.values.codes())
    }
}

/// Canonical bytes by number.
type Codes<'a> = &'a [Box<[u8]>];

/// The values of one nested column that count: how many rows, by number of group and value.
#[derive(Debug)]
pub(crate) struct Values {
    spec: NestedSpec,
    groups_max: usize,
    groups: Ranks,
    values: Ranks,
    counted: HashMap<u32, u64, FixedState>,
    /// Of the person at hand: rank and number of group, number of the pair, rows.
    found: Vec<Found>,
}

#[derive(Clone, Copy, Debug)]
struct Found {
    group: (u64, u32),
    pair: u32,
    value: u32,
    rank: u64,
    rows: u64,
}

impl Values {
    /// No values yet.
    pub(crate) fn new(spec: &Spec, nested: NestedSpec) -> Self {
        let values = Digest::labelled("graunt/keep/value/v2", &[spec.choice.as_bytes()]);
        Self {
            spec: nested,
            groups_max: spec.groups_max(),
            groups: Ranks::new(spec.choice),
            values: Ranks::new(values),
            counted: HashMap::default(),
            found: Vec::new(),
        }
    }

    /// Learns the groups and values that are new.
    pub(crate) fn learn(&mut self, valued: &Valued) {
        let (groups, values) = valued.codes();
        self.groups.learn(groups.iter().map(|code| &code[..]));
        self.values.learn(values.iter().map(|code| &code[..]));
    }

    /// Bounds a person: at most so many groups, in each at most so many values, or rows.
    pub(crate) fn add(&mut self, run: Run<'_>, valued: &Valued) {
        self.found.clear();
        for (place, pair) in run.groups.iter().enumerate() {
            let (group, value) = valued.of_pair[*pair as usize];
            let rank = self.groups.of(run.person, group);
            // Another order of values in each group: their numbers are mixed with its rank.
            let mixed = run.person ^ rank.cast_signed();
            let rows = u64::try_from(run.total(place, 0)).unwrap_or(0);
            let found = Found {
                group: (rank, group),
                pair: *pair,
                value,
                rank: self.values.of(mixed, value),
                rows,
            };
            self.found.push(found);
        }
        let (groups, values) = valued.codes();
        self.found.sort_unstable_by(|a, b| {
            let by_group = a.group.0.cmp(&b.group.0);
            let by_group =
                by_group.then_with(|| groups[a.group.1 as usize].cmp(&groups[b.group.1 as usize]));
            let by_value = by_group.then(a.rank.cmp(&b.rank));
            by_value.then_with(|| values[a.value as usize].cmp(&values[b.value as usize]))
        });
        let groups = self.found.chunk_by(|a, b| a.group.1 == b.group.1);
        for group in groups.take(self.groups_max) {
            let mut left = self.spec.most;
            for found in group {
                if left == 0 {
                    break;
                }
                let rows = if self.spec.counts_rows { found.rows.min(left) } else { 1 };
                *self.counted.entry(found.pair).or_default() += rows;
                left -= rows;
            }
        }
    }

    /// What counts: group, value and rows, in no order.
    pub(crate) fn rows<'a>(
        &'a self,
        valued: &'a Valued,
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8], u64)> {
        let (groups, values) = valued.codes();
        self.counted.iter().map(move |(pair, rows)| {
            let (group, value) = valued.of_pair[*pair as usize];
            (&groups[group as usize][..], &values[value as usize][..], *rows)
        })
    }
}
