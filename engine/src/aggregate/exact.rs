//! What the parts of a computation come to: cells by key, added up, in order of key.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use arrow::array::{ArrayRef, AsArray, RecordBatch, new_empty_array};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::error::DataFusionError;
use foldhash::fast::FixedState;

use crate::aggregate::cells::{Mark, add};
use crate::aggregate::part::{Part, Section};
use crate::aggregate::spec::{Spec, converter};
use crate::privacy::boundary::Boundary;
use crate::privacy::contributions::NestedKind;

/// The exact cells of one boundary. They must not leave before noise is added.
pub(crate) struct ExactAggregates {
    /// One array per key, in order of key.
    pub(crate) keys: Vec<ArrayRef>,
    /// The keys of each cell, encoded.
    pub(crate) codes: Vec<Box<[u8]>>,
    /// One vector per slot of the boundary, in steps of its grid; cells in the order of the keys.
    pub(crate) slots: Vec<Vec<i128>>,
    /// One vector per private choice: how many persons need each of the bounds.
    pub(crate) profiles: Vec<Vec<i128>>,
    /// For each nested column of quantiles, by cell: rows by bin.
    pub(crate) bins: Vec<Vec<BTreeMap<usize, u64>>>,
    /// By column and cell: who counts there; nobody but where sites count one person together.
    pub(crate) marks: Vec<Vec<Vec<Mark>>>,
}

impl fmt::Debug for ExactAggregates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExactAggregates")
    }
}

type ByCode<V> = HashMap<Box<[u8]>, V, FixedState>;

/// Adds up parts, in whatever order they come.
pub(crate) struct Sums {
    width: usize,
    totals: ByCode<Vec<i128>>,
    profiles: Vec<Vec<i128>>,
    /// By nested column: rows by group and value.
    values: Vec<ByCode<ByCode<u64>>>,
    marks: Vec<ByCode<Vec<Mark>>>,
}

impl Sums {
    /// Nothing yet, but for the declared cells, with zeros.
    pub(crate) fn new(spec: &Spec) -> Self {
        let width = spec.slots();
        let declared = spec.declared.iter().flatten();
        Self {
            width,
            totals: declared.map(|code| (code.clone(), vec![0; width])).collect(),
            profiles: spec.choices().map(|rungs| vec![0; rungs.len()]).collect(),
            values: spec.nested.iter().map(|_| HashMap::default()).collect(),
            marks: spec.columns.iter().map(|_| HashMap::default()).collect(),
        }
    }

    /// Adds a part.
    ///
    /// # Errors
    /// If a total does not fit, or the part has another shape.
    pub(crate) fn add(&mut self, part: &RecordBatch) -> Result<(), DataFusionError> {
        for row in Part::read(part)? {
            match row.section {
                Section::Cell => {
                    let more = row.totals(self.width)?;
                    match self.totals.get_mut(row.key) {
                        Some(sums) => add(sums, &more)?,
                        None => _ = self.totals.insert(row.key.into(), more),
                    }
                }
                Section::Profile(profile) => {
                    let sums = self.profiles.get_mut(profile).ok_or_else(Part::shape)?;
                    let more = row.totals(sums.len())?;
                    add(sums, &more)?;
                }
                Section::Nested(nested) => {
                    let (value, rows) = row.value()?;
                    let values = self.values.get_mut(nested).ok_or_else(Part::shape)?;
                    *slot(slot(values, row.key), value) += rows;
                }
                Section::Mark(column) => {
                    let marks = self.marks.get_mut(column).ok_or_else(Part::shape)?;
                    slot(marks, row.key).push(row.mark()?);
                }
            }
        }
        Ok(())
    }

    /// The cells in order of key.
    ///
    /// # Errors
    /// If keys cannot be decoded, which is ours.
    pub(crate) fn finish(
        mut self,
        spec: &Spec,
        boundary: &Boundary,
    ) -> Result<ExactAggregates, DataFusionError> {
        let mut cells: Vec<_> = self.totals.into_iter().collect();
        cells.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut slots = vec![Vec::with_capacity(cells.len()); self.width];
        let mut codes = Vec::with_capacity(cells.len());
        for (code, totals) in cells {
            for (slot, total) in slots.iter_mut().zip(totals) {
                slot.push(total);
            }
            codes.push(code);
        }
        let mut bins = Vec::new();
        for (nested, values) in boundary.nested.iter().zip(&self.values) {
            match nested.kind {
                NestedKind::Distinct { column } => {
                    let count = |code| values.get(code).map_or(0, |values| values.len() as i128);
                    let counts: Vec<i128> = codes.iter().map(count).collect();
                    let first = boundary.first_slot(column);
                    for rung in 0..boundary.rungs(column).len() {
                        slots[first + rung].clone_from(&counts);
                    }
                }
                NestedKind::Quantiles { .. } => {
                    let cell = |code| values.get(code).map_or(Ok(BTreeMap::new()), by_bin);
                    bins.push(codes.iter().map(cell).collect::<Result<_, _>>()?);
                }
            }
        }
        let marks = self
            .marks
            .iter_mut()
            .map(|marks| codes.iter().map(|code| marks.remove(code).unwrap_or_default()).collect());
        let marks = marks.collect();
        let keys = decoded(&spec.keys, &codes)?;
        Ok(ExactAggregates { keys, codes, slots, profiles: self.profiles, bins, marks })
    }
}

/// The entry of a key, made if there is none.
fn slot<'a, V: Default>(map: &'a mut ByCode<V>, key: &[u8]) -> &'a mut V {
    if !map.contains_key(key) {
        map.insert(key.into(), V::default());
    }
    map.entry(key.into()).or_default()
}

fn decoded(types: &[DataType], codes: &[Box<[u8]>]) -> Result<Vec<ArrayRef>, DataFusionError> {
    if types.is_empty() {
        return Ok(vec![]);
    }
    if codes.is_empty() {
        return Ok(types.iter().map(new_empty_array).collect());
    }
    let converter = converter(types)?;
    let parser = converter.parser();
    Ok(converter.convert_rows(codes.iter().map(|code| parser.parse(code)))?)
}

/// Rows by bin; the values are numbers of bins.
fn by_bin(values: &ByCode<u64>) -> Result<BTreeMap<usize, u64>, DataFusionError> {
    let codes: Vec<Box<[u8]>> = values.keys().cloned().collect();
    let bins = decoded(&[DataType::Int64], &codes)?;
    let no_bin = || DataFusionError::Internal("a bin is no number".to_owned());
    let bins = bins.first().and_then(|bins| bins.as_primitive_opt::<Int64Type>());
    let bins = bins.ok_or_else(no_bin)?;
    let pair = |(row, rows): (usize, &u64)| {
        let bin = usize::try_from(bins.value(row)).map_err(|_| no_bin())?;
        Ok((bin, *rows))
    };
    (0..bins.len()).zip(values.values()).map(pair).collect()
}
