//! From noisy cells to estimates with honest intervals. All of it is post-processing: it sees
//! noisy values and public parameters only.

mod interval;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
    UInt64Array,
};
use arrow::compute::{concat_batches, filter};
use arrow::datatypes::UInt64Type;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::physical_plan::collect;

use crate::answer::{Answer, Bound};
use crate::estimate::interval::Intervals;
use crate::privacy::Boundary;
use crate::privacy::price::{BoundaryPrice, PricedPlan};
use crate::privacy::released::ReleasedTable;
use crate::scan::gate::over;

/// The noisy cells of one boundary.
#[derive(Debug)]
pub(crate) struct NoisyAggregates {
    /// One array per key.
    pub(crate) keys: Vec<ArrayRef>,
    /// One vector per column, in steps of its grid.
    pub(crate) columns: Vec<Vec<i128>>,
}

/// Computes the asked columns and their intervals from the noisy cells.
///
/// # Errors
/// A failure of the outer plan, such as a cast that the query asked for.
pub(crate) async fn finish(
    priced: &PricedPlan,
    noisy: Vec<NoisyAggregates>,
    mut tables: BTreeMap<String, Arc<dyn TableProvider>>,
    session: &SessionContext,
    confidence: f64,
) -> Result<Answer, DataFusionError> {
    let mut released = Vec::with_capacity(noisy.len());
    for (index, cells) in noisy.into_iter().enumerate() {
        let boundary = &priced.plan.boundaries[index];
        let batch = table(index, boundary, &priced.prices[index], cells)?;
        let memory = MemTable::try_new(batch.schema(), vec![vec![batch.clone()]])?;
        tables.insert(ReleasedTable::name(index), Arc::new(memory));
        released.push(batch);
    }
    let state = session.state();
    let plan = state.optimize(&over(&priced.plan.outer, &tables)?)?;
    let plan = state.query_planner().create_physical_plan(&plan, &state).await?;
    let schema = plan.schema();
    let batches = collect(plan, session.task_ctx()).await?;
    let rows = concat_batches(&schema, &batches)?;
    let intervals = Intervals { priced, released: &released, rows: &rows, confidence };
    let bounds = intervals.all(session)?;
    let visible: Vec<usize> = (0..priced.plan.output.len()).collect();
    let rows = rows.project(&visible)?;
    let names = priced.plan.output.iter().map(|column| column.name.clone()).collect();
    Ok(Answer::new(names, rows, bounds, confidence))
}

/// The noisy cells as a table; keys that are not declared stay below their threshold unseen.
fn table(
    index: usize,
    boundary: &Boundary,
    price: &BoundaryPrice,
    cells: NoisyAggregates,
) -> Result<RecordBatch, DataFusionError> {
    let count = cells.columns.first().map_or(0, Vec::len);
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from_iter_values(0..count as u64))];
    arrays.extend(cells.keys);
    for (column, values) in boundary.columns.iter().zip(&cells.columns) {
        arrays.push(if column.integer {
            Arc::new(values.iter().map(|v| Some(saturated(*v))).collect::<Int64Array>())
        } else {
            let step = 10f64.powi(i32::from(column.decimals));
            Arc::new(values.iter().map(|v| Some(*v as f64 / step)).collect::<Float64Array>())
        });
    }
    if let (Some(persons), Some(threshold)) = (boundary.persons, price.threshold) {
        let threshold = i128::from(threshold);
        let shown: BooleanArray =
            cells.columns[persons].iter().map(|persons| Some(*persons > threshold)).collect();
        arrays = arrays.iter().map(|array| filter(array, &shown)).collect::<Result<_, _>>()?;
    }
    let rows = arrays[0].len();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let schema = ReleasedTable::new(index, boundary).schema();
    Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
}

/// The noisy value as a 64-bit integer.
fn saturated(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// The row of the noisy table that an output row came from.
fn cell_of(rows: &RecordBatch, column: usize, row: usize) -> Option<usize> {
    use arrow::array::Array;
    let cells = rows.column(column).as_primitive_opt::<UInt64Type>()?;
    if cells.is_null(row) { None } else { usize::try_from(cells.value(row)).ok() }
}

/// Bounds of one column: one per row, or none at all.
type ColumnBounds = Option<Vec<Option<Bound>>>;
