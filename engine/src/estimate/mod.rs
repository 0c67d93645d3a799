//! From noisy cells to estimates with honest intervals. All of it is post-processing: it sees
//! noisy values and public parameters only.

pub(crate) mod interval;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::UInt64Type;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt as _;

use crate::answer::{Answer, Bound};
use crate::estimate::interval::Intervals;
use crate::estimate::table::Cells;
use crate::perturb::NoisyAggregates;
use crate::privacy::price::PricedPlan;
use crate::privacy::released::ReleasedTable;
use crate::scan::gate::over;

/// Computes the asked columns and their intervals from the noisy cells, in at most so many rows.
///
/// # Errors
/// A failure of the outer plan, such as a cast that the query asked for; too many rows.
pub(crate) async fn finish(
    priced: &PricedPlan,
    noisy: Vec<NoisyAggregates>,
    mut tables: BTreeMap<String, Arc<dyn TableProvider>>,
    session: &SessionContext,
    (confidence, rows_max): (f64, usize),
) -> Result<Answer, DataFusionError> {
    let mut released = Vec::with_capacity(noisy.len());
    for (index, noisy) in noisy.into_iter().enumerate() {
        let cells = Cells::of(index, &priced.plan.boundaries[index], noisy, confidence)?;
        let batch = cells.batch.clone();
        let memory = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
        tables.insert(ReleasedTable::name(index), Arc::new(memory));
        released.push(cells);
    }
    let state = session.state();
    let plan = state.optimize(&over(&priced.plan.outer, &tables)?)?;
    let plan = state.query_planner().create_physical_plan(&plan, &state).await?;
    let schema = plan.schema();
    let mut stream = execute_stream(plan, session.task_ctx())?;
    let (mut batches, mut count) = (Vec::new(), 0);
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        count += batch.num_rows();
        if count > rows_max {
            let reason = format!("the answer has more than {rows_max} rows");
            return Err(DataFusionError::Execution(reason));
        }
        batches.push(batch);
    }
    let rows = concat_batches(&schema, &batches)?;
    let intervals = Intervals { priced, released: &released, rows: &rows, confidence };
    let bounds = intervals.all(session)?;
    let visible: Vec<usize> = (0..priced.plan.output.len()).collect();
    let rows = rows.project(&visible)?;
    let names = priced.plan.output.iter().map(|column| column.name.clone()).collect();
    Ok(Answer::new(names, rows, bounds, confidence))
}

/// The row of the noisy table that an output row came from.
fn cell_of(rows: &RecordBatch, column: usize, row: usize) -> Option<usize> {
    use arrow::array::Array;
    let cells = rows.column(column).as_primitive_opt::<UInt64Type>()?;
    if cells.is_null(row) { None } else { usize::try_from(cells.value(row)).ok() }
}

/// Bounds of one column: one per row, or none at all.
type ColumnBounds = Option<Vec<Option<Bound>>>;
