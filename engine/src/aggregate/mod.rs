//! From verified records to exact aggregates: each person bounded, all persons added up.
//!
//! Buckets hold whole persons, so each is computed alone, as many at a time as there are threads.
//! Bounding happens here, outside of any plan: no optimizer can move it. All sums are of integers,
//! so neither the order of rows, nor the size of batches, nor the number of threads changes a bit.

mod bounding;
mod cells;

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use futures::{StreamExt, TryStreamExt};
use ledger_adapter::digest::Digest;

use crate::aggregate::bounding::BucketRows;
use crate::aggregate::cells::Cells;
use crate::privacy::Boundary;
use crate::privacy::price::PricedPlan;
use crate::scan::gate::VerifiedScan;

/// The exact cells of one boundary. They must not leave before noise is added.
pub(crate) struct ExactAggregates {
    /// One array per key, in order of key.
    pub(crate) keys: Vec<ArrayRef>,
    /// One vector per column, in steps of its grid; cells in the order of the keys.
    pub(crate) columns: Vec<Vec<i128>>,
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
        let plan = Arc::new(session.state().optimize(&boundary.contributions)?);
        let template = Arc::new(Cells::new(boundary)?);
        let buckets = futures::stream::iter(0..scan.buckets()).map(|bucket| {
            let (plan, scan) = (Arc::clone(&plan), Arc::clone(&scan));
            let (session, template) = (session.clone(), Arc::clone(&template));
            let limits = Limits::of(boundary, choice);
            let task =
                async move { one_bucket(&plan, &scan, bucket, &session, &template, &limits).await };
            async move { joined(tokio::spawn(task).await) }
        });
        let mut cells = template.empty();
        let mut parts = buckets.buffer_unordered(threads.max(1));
        while let Some(part) = parts.try_next().await? {
            cells.add(part)?;
        }
        exact.push(cells.finish()?);
    }
    Ok(exact)
}

/// What bounds one person.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Most groups that a person counts in.
    pub(crate) groups_max: usize,
    /// Clamp of one person's total, per column.
    pub(crate) clamps: Vec<(i64, i64)>,
    /// Keys the choice of groups.
    pub(crate) choice: Digest,
}

impl Limits {
    fn of(boundary: &Boundary, choice: Digest) -> Self {
        Self {
            groups_max: usize::try_from(boundary.groups_max).unwrap_or(usize::MAX),
            clamps: boundary.columns.iter().map(|c| (c.lower, c.upper)).collect(),
            choice,
        }
    }
}

async fn one_bucket(
    plan: &LogicalPlan,
    scan: &VerifiedScan,
    bucket: usize,
    session: &SessionContext,
    template: &Cells,
    limits: &Limits,
) -> Result<Cells, DataFusionError> {
    let state = session.state();
    let plan = scan.over_bucket(plan, bucket)?;
    let plan = state.query_planner().create_physical_plan(&plan, &state).await?;
    let mut stream = execute_stream(plan, session.task_ctx())?;
    let mut rows = BucketRows::default();
    while let Some(batch) = stream.next().await {
        rows.push(template, &batch?)?;
    }
    rows.into_cells(template, limits)
}

fn joined<T>(
    result: Result<Result<T, DataFusionError>, tokio::task::JoinError>,
) -> Result<T, DataFusionError> {
    result.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?
}
