//! The noisy cells as a table, and the margins that are sums of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, UInt8Array,
    UInt16Array, UInt64Array, new_null_array,
};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use datafusion::error::DataFusionError;

use crate::noise::Noise;
use crate::perturb::quantile::Drawn;
use crate::perturb::residual::Margin;
use crate::perturb::{Chosen, NoisyAggregates};
use crate::privacy::boundary::Boundary;
use crate::privacy::margins::Margins;
use crate::privacy::released::ReleasedTable;

/// The noisy cells of one boundary, with what intervals need.
#[derive(Debug)]
pub(crate) struct Cells {
    pub(crate) batch: RecordBatch,
    /// By row: of how many noisy cells it is the sum.
    pub(crate) summed: Vec<usize>,
    /// By column and row: by how much its noise spreads more than that of a single cell.
    pub(crate) spreads: Vec<Vec<f64>>,
    /// By column.
    pub(crate) noises: Vec<Noise>,
    pub(crate) bounds: Vec<Option<Chosen>>,
    /// By column, by row: persons who are counted once over sites; empty for other columns.
    pub(crate) united: Vec<Vec<Drawn>>,
    /// By quantile, by row.
    pub(crate) quantiles: Vec<Vec<Drawn>>,
}

/// Rows before they are a table.
struct Rows {
    keys: Vec<ArrayRef>,
    columns: Vec<Vec<i128>>,
    summed: Vec<usize>,
    /// Which keys are summed over; none without margins.
    grouping: Vec<u32>,
}

impl Cells {
    /// The table of boundary `index`, whose drawn intervals have this confidence.
    ///
    /// # Errors
    /// A failure of arrow, which is ours.
    pub(crate) fn of(
        index: usize,
        boundary: &Boundary,
        noisy: NoisyAggregates,
        confidence: f64,
    ) -> Result<Self, DataFusionError> {
        let NoisyAggregates { keys, columns, noises, margins: parts, quantiles, bounds, .. } =
            noisy;
        let united = noisy.united;
        let columns = once(columns, &united);
        let z = crate::noise::normal_quantile(1.0 - confidence);
        let drawn = columns.first().map_or_else(|| quantiles.first().map_or(0, Vec::len), Vec::len);
        let cells = keys.first().map_or(drawn, |key| key.len());
        let rows = match &boundary.margins {
            Some(margins) => added_up(margins, &keys, &columns, cells)?,
            None => Rows { keys, columns, summed: vec![1; cells], grouping: vec![] },
        };
        let Rows { keys, columns, summed, grouping } = rows;
        let count = summed.len();
        let mut arrays: Vec<ArrayRef> =
            vec![Arc::new(UInt64Array::from_iter_values(0..count as u64))];
        arrays.extend(keys);
        if boundary.margins.is_some() {
            arrays.push(grouping_array(&grouping, boundary.keys.len()));
        }
        let root = |cells: &usize| (*cells as f64).sqrt();
        let mut spreads: Vec<Vec<f64>> =
            columns.iter().map(|_| summed.iter().map(root).collect()).collect();
        for (i, margin) in parts.iter().enumerate() {
            let step = 10f64.powi(i32::from(boundary.columns[i].decimals));
            let estimates = margin.estimates.iter().flatten().map(|value| Some(value / step));
            arrays.push(Arc::new(estimates.collect::<Float64Array>()));
            let single = crate::noise::deviation(noises[i]);
            let per_cell = margin.deviations.iter().zip(&margin.estimates);
            let spread = per_cell.flat_map(|(sd, cells)| vec![sd / single; cells.len()]);
            spreads[i] = spread.collect();
        }
        for (i, drawn) in united.iter().enumerate().filter(|(_, drawn)| !drawn.is_empty()) {
            // As if the law were normal: for what is computed from it.
            let wide = 2.0 * z * crate::noise::deviation(noises[i]);
            spreads[i] = drawn.iter().map(|drawn| (drawn.upper - drawn.lower) / wide).collect();
        }
        let plain = boundary.columns.iter().zip(&columns).filter(|_| parts.is_empty());
        for (column, values) in plain {
            arrays.push(if column.integer {
                Arc::new(values.iter().map(|v| Some(saturated(*v))).collect::<Int64Array>())
            } else {
                let step = 10f64.powi(i32::from(column.decimals));
                Arc::new(values.iter().map(|v| Some(*v as f64 / step)).collect::<Float64Array>())
            });
        }
        let schema = ReleasedTable::new(index, boundary).schema();
        for drawn in &quantiles {
            let values: ArrayRef =
                Arc::new(drawn.iter().map(|q| Some(q.value)).collect::<Float64Array>());
            arrays.push(cast(&values, schema.field(arrays.len()).data_type())?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let batch = RecordBatch::try_new_with_options(schema, arrays, &options)?;
        let cells = Self { batch, summed, spreads, noises, bounds, united, quantiles };
        match (boundary.persons, parts.is_empty()) {
            (Some(persons), false) => {
                // A person may be counted at each of so many sites.
                let least = boundary.persons_min.saturating_sub(1).saturating_mul(boundary.reach());
                cells.without_small(&parts[persons], least.saturating_add(1))
            }
            _ => Ok(cells),
        }
    }

    /// The sum of a column's absolute values over the finest cells.
    pub(crate) fn whole(&self, values: &Float64Array) -> f64 {
        let finest = self.summed.iter().min();
        let rows = self.summed.iter().zip(values.values());
        rows.filter(|(summed, _)| Some(*summed) == finest).map(|(_, value)| value.abs()).sum()
    }

    /// Leaves out cells of margins whose number of persons may be below `least`: those that are
    /// not above it with 95 % confidence.
    fn without_small(self, persons: &Margin, least: u64) -> Result<Self, DataFusionError> {
        let least = least as f64;
        let enough = persons.estimates.iter().zip(&persons.deviations).flat_map(|(cells, sd)| {
            cells.iter().map(move |count| *count >= least + NORMAL_95 * sd)
        });
        let enough: Vec<bool> = enough.collect();
        let kept = |row: &usize| enough.get(*row).copied().unwrap_or(false);
        let rows: Vec<usize> = (0..self.summed.len()).filter(kept).collect();
        let mask = arrow::array::BooleanArray::from(enough);
        Ok(Self {
            batch: filter_record_batch(&self.batch, &mask)?,
            summed: rows.iter().map(|row| self.summed[*row]).collect(),
            spreads: (self.spreads.iter())
                .map(|column| rows.iter().map(|row| column[*row]).collect())
                .collect(),
            ..self
        })
    }
}

/// The columns, with the numbers of persons who are counted once in their places.
fn once(mut columns: Vec<Vec<i128>>, united: &[Vec<Drawn>]) -> Vec<Vec<i128>> {
    for (column, drawn) in columns.iter_mut().zip(united).filter(|(_, drawn)| !drawn.is_empty()) {
        #[expect(clippy::cast_possible_truncation, reason = "whole numbers of persons")]
        let persons = drawn.iter().map(|drawn| drawn.value as i128).collect();
        *column = persons;
    }
    columns
}

/// One row per asked set and its keys: the sums of the noisy cells.
fn added_up(
    margins: &Margins,
    keys: &[ArrayRef],
    columns: &[Vec<i128>],
    cells: usize,
) -> Result<Rows, DataFusionError> {
    let types: Vec<DataType> = keys.iter().map(|key| key.data_type().clone()).collect();
    let converter = RowConverter::new(types.iter().cloned().map(SortField::new).collect())?;
    let parser = converter.parser();
    let mut codes = Vec::new();
    let mut sums: Vec<Vec<i128>> = vec![Vec::new(); columns.len()];
    let (mut summed, mut grouping) = (Vec::new(), Vec::new());
    for set in &margins.sets {
        let kept: Vec<ArrayRef> = (0..keys.len())
            .map(|key| {
                if margins.is_summed(*set, key) {
                    new_null_array(&types[key], cells)
                } else {
                    Arc::clone(&keys[key])
                }
            })
            .collect();
        let encoded = converter.convert_columns(&kept)?;
        let mut rows: BTreeMap<Box<[u8]>, (Vec<i128>, usize)> = BTreeMap::new();
        for cell in 0..cells {
            let row = rows.entry(encoded.row(cell).data().into());
            let (row, count) = row.or_insert_with(|| (vec![0; columns.len()], 0));
            for (sum, column) in row.iter_mut().zip(columns) {
                let value = column.get(cell).copied().unwrap_or(0);
                *sum = sum.saturating_add(value);
            }
            *count += 1;
        }
        // The sum over all keys is there even if no cell is.
        if rows.is_empty() && margins.keys == set.count_ones() as usize {
            let nothing =
                keys.iter().map(|key| new_null_array(key.data_type(), 1)).collect::<Vec<_>>();
            let encoded = converter.convert_columns(&nothing)?;
            rows.insert(encoded.row(0).data().into(), (vec![0; columns.len()], 0));
        }
        for (code, (row, count)) in rows {
            codes.push(code);
            for (column, sum) in sums.iter_mut().zip(row) {
                column.push(sum);
            }
            summed.push(count);
            grouping.push(*set);
        }
    }
    let keys = converter.convert_rows(codes.iter().map(|code| parser.parse(code)))?;
    Ok(Rows { keys, columns: sums, summed, grouping })
}

fn grouping_array(grouping: &[u32], keys: usize) -> ArrayRef {
    if keys <= 8 {
        let narrow = |set: &u32| u8::try_from(*set).unwrap_or(u8::MAX);
        return Arc::new(UInt8Array::from_iter_values(grouping.iter().map(narrow)));
    }
    let narrow = |set: &u32| u16::try_from(*set).unwrap_or(u16::MAX);
    Arc::new(UInt16Array::from_iter_values(grouping.iter().map(narrow)))
}

/// The noisy value as a 64-bit integer.
fn saturated(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// The normal law lies below it with 95 % probability.
const NORMAL_95: f64 = 1.645;
