//! From verified records to exact aggregates: each person bounded, all persons added up.
//!
//! Buckets hold whole persons, so each is computed alone, as many at a time as there are threads.
//! Bounding happens here, outside of any plan: no optimizer can move it. All sums are of integers,
//! so neither the order of rows, nor the size of batches, nor the number of threads changes a bit.

mod bounding;
pub(crate) mod cells;
mod nested;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use futures::{StreamExt, TryStreamExt};
use ledger_adapter::digest::Digest;

use crate::aggregate::bounding::BucketRows;
use crate::aggregate::cells::{Cells, Mark};
use crate::aggregate::nested::{BucketValues, Values};
use crate::privacy::boundary::Boundary;
use crate::privacy::price::PricedPlan;
use crate::scan::gate::VerifiedScan;

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

/// Computes the exact cells of every boundary. `choice` keys which groups of a person are kept
/// where there are too many; `threads` buckets are computed at a time.
///
/// # Errors
/// Whatever went wrong past the gate; it is for the operator's log only.
pub(crate) async fn run(
    priced: &PricedPlan,
    scan: VerifiedScan,
    session: &SessionContext,
    choice: Digest,
    threads: usize,
) -> Result<Vec<ExactAggregates>, DataFusionError> {
    let scan = Arc::new(scan);
    let mut exact = Vec::with_capacity(priced.plan.boundaries.len());
    for boundary in &priced.plan.boundaries {
        let plans = Arc::new(Plans::of(boundary, session)?);
        let template = Arc::new(Cells::new(boundary)?);
        let buckets = futures::stream::iter(0..scan.buckets()).map(|bucket| {
            let (plans, scan) = (Arc::clone(&plans), Arc::clone(&scan));
            let (session, template) = (session.clone(), Arc::clone(&template));
            let boundary = Arc::clone(boundary);
            let task = async move {
                one_bucket(&plans, &scan, bucket, &session, (&template, &boundary), choice).await
            };
            async move { joined(tokio::spawn(task).await) }
        });
        let mut cells = template.empty();
        let mut values: Vec<Values> = boundary.nested.iter().map(|_| Values::default()).collect();
        let mut parts = buckets.buffer_unordered(threads.max(1));
        while let Some((part, nested)) = parts.try_next().await? {
            cells.add(part)?;
            for (values, more) in values.iter_mut().zip(nested) {
                values.add(more);
            }
        }
        exact.push(cells.finish(boundary, &values)?);
    }
    Ok(exact)
}

/// What records of nobody come to: the declared cells of every boundary, with zeros.
///
/// # Errors
/// If keys have no encoding, which is ours.
pub(crate) fn nothing(priced: &PricedPlan) -> Result<Vec<ExactAggregates>, DataFusionError> {
    let empty = |boundary: &Arc<Boundary>| {
        let values: Vec<Values> = boundary.nested.iter().map(|_| Values::default()).collect();
        Cells::new(boundary)?.empty().finish(boundary, &values)
    };
    priced.plan.boundaries.iter().map(empty).collect()
}

/// The plans of one boundary, optimized.
struct Plans {
    totals: LogicalPlan,
    nested: Vec<LogicalPlan>,
}

impl Plans {
    fn of(boundary: &Boundary, session: &SessionContext) -> Result<Self, DataFusionError> {
        let optimized = |plan: &LogicalPlan| session.state().optimize(plan);
        let nested = boundary.nested.iter().map(|nested| optimized(&nested.contributions));
        Ok(Self {
            totals: optimized(&boundary.contributions)?,
            nested: nested.collect::<Result<_, _>>()?,
        })
    }
}

async fn one_bucket(
    plans: &Plans,
    scan: &VerifiedScan,
    bucket: usize,
    session: &SessionContext,
    (template, boundary): (&Cells, &Boundary),
    choice: Digest,
) -> Result<(Cells, Vec<Values>), DataFusionError> {
    let mut rows = BucketRows::default();
    let mut stream = stream(&plans.totals, scan, bucket, session).await?;
    while let Some(batch) = stream.next().await {
        rows.push(template, &batch?)?;
    }
    let cells = rows.into_cells(template, boundary, choice)?;
    let mut values = Vec::with_capacity(plans.nested.len());
    for (plan, nested) in plans.nested.iter().zip(&boundary.nested) {
        let mut rows = BucketValues::new(nested)?;
        let mut stream = self::stream(plan, scan, bucket, session).await?;
        while let Some(batch) = stream.next().await {
            rows.push(template, &batch?)?;
        }
        values.push(rows.into_values(nested, boundary.groups_max(), choice)?);
    }
    Ok((cells, values))
}

async fn stream(
    plan: &LogicalPlan,
    scan: &VerifiedScan,
    bucket: usize,
    session: &SessionContext,
) -> Result<SendableRecordBatchStream, DataFusionError> {
    let state = session.state();
    let plan = scan.over_bucket(plan, bucket)?;
    let plan = state.query_planner().create_physical_plan(&plan, &state).await?;
    execute_stream(plan, session.task_ctx())
}

fn overflow() -> DataFusionError {
    DataFusionError::Execution("a total does not fit its integer".to_owned())
}

fn joined<T>(
    result: Result<Result<T, DataFusionError>, tokio::task::JoinError>,
) -> Result<T, DataFusionError> {
    result.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?
}
