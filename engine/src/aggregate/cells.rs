//! The cells of a result: keys in a canonical encoding, and exact integer totals.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, new_empty_array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;

use crate::aggregate::nested::Values;
use crate::aggregate::{ExactAggregates, overflow};
use crate::privacy::boundary::Boundary;
use crate::privacy::contributions::NestedKind;

/// Totals by key. Cells made from one template may be added to one another.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    converter: Arc<RowConverter>,
    types: Vec<DataType>,
    slots: usize,
    /// How many persons would need each bound, for each that is chosen privately.
    profiles: Vec<Vec<i128>>,
    /// Every declared key; `None` where any key may turn up.
    declared: Option<Arc<BTreeSet<Box<[u8]>>>>,
    totals: BTreeMap<Box<[u8]>, Vec<i128>>,
    /// By column: who counts in which cell, where sites count one person together.
    marks: Vec<BTreeMap<Box<[u8]>, Vec<Mark>>>,
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
    /// A template for the cells of a boundary.
    pub(crate) fn new(boundary: &Boundary) -> Result<Self, DataFusionError> {
        let types: Vec<DataType> = boundary.keys.iter().map(|key| key.data_type.clone()).collect();
        let fields = types.iter().cloned().map(SortField::new).collect();
        let converter = Arc::new(RowConverter::new(fields)?);
        let slots = (0..boundary.columns.len()).map(|column| boundary.rungs(column).len()).sum();
        let choices = boundary.choices();
        let profiles = choices.iter().map(|(_, rungs)| vec![0; rungs.len()]).collect();
        let totals = BTreeMap::new();
        let marks = vec![BTreeMap::new(); boundary.columns.len()];
        let mut cells = Self { converter, types, slots, profiles, declared: None, totals, marks };
        if boundary.is_declared {
            let domains: Vec<&[ScalarValue]> =
                boundary.keys.iter().filter_map(|key| key.domain.as_deref()).collect();
            cells.declared = Some(Arc::new(cells.every_key(&domains)?));
        }
        Ok(cells)
    }

    /// The same cells, all empty; declared keys are there with zeros.
    pub(crate) fn empty(&self) -> Self {
        let zeros = || vec![0; self.slots];
        let totals = match &self.declared {
            Some(keys) => keys.iter().map(|key| (key.clone(), zeros())).collect(),
            None => BTreeMap::new(),
        };
        Self { totals, ..self.clone() }
    }

    /// Number of keys.
    pub(crate) fn keys(&self) -> usize {
        self.types.len()
    }

    /// Encodes key columns.
    pub(crate) fn encode(&self, columns: &[ArrayRef]) -> Result<Rows, DataFusionError> {
        let rows = columns.first().map_or(0, |column| column.len());
        let columns: Vec<ArrayRef> = columns
            .iter()
            .zip(&self.types)
            .map(|(column, kind)| {
                if column.data_type() == kind { Ok(Arc::clone(column)) } else { cast(column, kind) }
            })
            .collect::<Result<_, _>>()?;
        let mut encoded = self.converter.empty_rows(rows, 0);
        self.converter.append(&mut encoded, &columns)?;
        Ok(encoded)
    }

    /// Whether rows of this key are counted at all.
    pub(crate) fn admits(&self, key: &[u8]) -> bool {
        self.declared.as_ref().is_none_or(|keys| keys.contains(key))
    }

    /// The slots of a cell, to be added to.
    pub(crate) fn cell(&mut self, key: &[u8]) -> &mut [i128] {
        let slots = self.slots;
        self.totals.entry(key.into()).or_insert_with(|| vec![0; slots])
    }

    /// Marks a person in a cell of a column.
    pub(crate) fn mark(&mut self, column: usize, key: &[u8], mark: Mark) {
        if let Some(marks) = self.marks.get_mut(column) {
            marks.entry(key.into()).or_default().push(mark);
        }
    }

    /// Counts a person at the least rung that is not below `size`; at the last one if all are.
    pub(crate) fn profile(&mut self, profile: usize, rungs: &[u64], size: u64) {
        let rung = rungs.partition_point(|rung| *rung < size).min(rungs.len().saturating_sub(1));
        if let Some(count) = self.profiles.get_mut(profile).and_then(|p| p.get_mut(rung)) {
            *count += 1;
        }
    }

    /// Adds the cells of another bucket.
    pub(crate) fn add(&mut self, other: Self) -> Result<(), DataFusionError> {
        for (profile, more) in self.profiles.iter_mut().zip(other.profiles) {
            for (count, more) in profile.iter_mut().zip(more) {
                *count += more;
            }
        }
        for (marks, more) in self.marks.iter_mut().zip(other.marks) {
            for (key, more) in more {
                marks.entry(key).or_default().extend(more);
            }
        }
        for (key, totals) in other.totals {
            match self.totals.get_mut(&key) {
                None => {
                    self.totals.insert(key, totals);
                }
                Some(cell) => {
                    for (sum, total) in cell.iter_mut().zip(totals) {
                        *sum = sum.checked_add(total).ok_or_else(overflow)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The cells in order of key, with what their values came to.
    pub(crate) fn finish(
        self,
        boundary: &Boundary,
        values: &[Values],
    ) -> Result<ExactAggregates, DataFusionError> {
        let parser = self.converter.parser();
        let keys = if self.types.is_empty() {
            vec![]
        } else if self.totals.is_empty() {
            self.types.iter().map(new_empty_array).collect()
        } else {
            self.converter.convert_rows(self.totals.keys().map(|key| parser.parse(key)))?
        };
        let codes: Vec<Box<[u8]>> = self.totals.keys().cloned().collect();
        let mut slots = vec![Vec::with_capacity(self.totals.len()); self.slots];
        for cell in self.totals.into_values() {
            for (slot, total) in slots.iter_mut().zip(cell) {
                slot.push(total);
            }
        }
        let mut bins = Vec::new();
        for (nested, values) in boundary.nested.iter().zip(values) {
            match nested.kind {
                NestedKind::Distinct { column } => {
                    let counts: Vec<i128> = codes.iter().map(|key| values.distinct(key)).collect();
                    let first = boundary.first_slot(column);
                    for rung in 0..boundary.rungs(column).len() {
                        slots[first + rung].clone_from(&counts);
                    }
                }
                NestedKind::Quantiles { .. } => {
                    bins.push(codes.iter().map(|key| values.bins(key)).collect());
                }
            }
        }
        let marks = self.marks.into_iter().map(|mut marks| {
            codes.iter().map(|key| marks.remove(key).unwrap_or_default()).collect()
        });
        let marks = marks.collect();
        Ok(ExactAggregates { keys, codes, slots, profiles: self.profiles, bins, marks })
    }

    fn every_key(
        &self,
        domains: &[&[ScalarValue]],
    ) -> Result<BTreeSet<Box<[u8]>>, DataFusionError> {
        if domains.is_empty() {
            return Ok(BTreeSet::from([Box::from([])]));
        }
        let count: usize = domains.iter().map(|domain| domain.len()).product();
        let mut columns = Vec::with_capacity(domains.len());
        let mut repeat = count;
        for (domain, kind) in domains.iter().zip(&self.types) {
            repeat = repeat.checked_div(domain.len()).unwrap_or(0);
            let values = (0..count).map(|i| domain[i / repeat.max(1) % domain.len()].clone());
            let column = if count == 0 {
                new_empty_array(kind)
            } else {
                ScalarValue::iter_to_array(values)?
            };
            columns.push(column);
        }
        let rows = self.encode(&columns)?;
        Ok(rows.iter().map(|row| Box::from(row.as_ref())).collect())
    }
}
