//! From verified records to exact aggregates: each person bounded, all persons added up.
//!
//! ```text
//!  batch ─groups▶ numbers ─runs▶ a person at a time ─bounding▶ cells ─part▶ … ─exact▶ all cells
//!                    └─unclustered─▶ ┘ (rows that are not in order of person)
//! ```
//! Buckets hold whole persons, so each is computed alone, as many at a time as there are threads.
//! Bounding happens in one operator on top of finished plans: no optimizer can move it. All sums
//! are of integers, so neither the order of rows, nor the size of batches, nor the number of
//! threads changes a bit.

mod again;
mod bounding;
pub(crate) mod cells;
pub(crate) mod exact;
mod groups;
pub(crate) mod memory;
mod nested;
pub(crate) mod operator;
pub(crate) mod part;
mod rank;
mod runs;
pub(crate) mod spec;
#[cfg(test)]
mod tests;
mod unclustered;

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use futures::TryStreamExt;
use ledger_adapter::digest::Digest;
use tokio::task::JoinSet;

use crate::aggregate::again::{again, is_copied};
use crate::aggregate::exact::{ExactAggregates, Sums};
use crate::aggregate::operator::BoundExec;
use crate::aggregate::spec::Spec;
use crate::catalog::Catalog;
use crate::cluster::{Cluster, Work};
use crate::privacy::boundary::Boundary;
use crate::privacy::price::PricedPlan;
use crate::scan::dictionary::with_dictionaries;
use crate::scan::gate::VerifiedScan;

/// Where buckets are computed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// In this process, as many at a time.
    Here(usize),
    /// On other machines, which have the same extracts.
    Cluster(&'a Cluster, &'a Catalog),
}

/// Computes the exact cells of every boundary. `choice` keys which groups of a person are kept
/// where there are too many.
///
/// # Errors
/// Whatever went wrong past the gate; it is for the operator's log only.
pub(crate) async fn run(
    priced: &PricedPlan,
    scan: VerifiedScan,
    session: &SessionContext,
    choice: Digest,
    place: Place<'_>,
) -> Result<Vec<ExactAggregates>, DataFusionError> {
    let mut exact = Vec::with_capacity(priced.plan.boundaries.len());
    for boundary in &priced.plan.boundaries {
        let spec = Arc::new(Spec::of(boundary, choice)?);
        let mut sums = Sums::new(&spec);
        match place {
            Place::Here(threads) => {
                let inputs = planned(boundary, &scan, session, &spec, threads).await?;
                let plan = BoundExec::new(inputs, Arc::clone(&spec), 0..scan.buckets());
                here(&plan, session, &mut sums).await?;
            }
            Place::Cluster(cluster, catalog) => {
                let inputs = planned(boundary, &scan, session, &spec, 1).await?.concat();
                let work = Work::new(catalog, &inputs, &spec)?;
                let computed = cluster.compute(work, scan.buckets(), &mut sums).await;
                computed.map_err(|error| DataFusionError::External(Box::new(error)))?;
            }
        }
        exact.push(sums.finish(&spec, boundary)?);
    }
    Ok(exact)
}

/// Runs all partitions of the operator at once.
async fn here(
    plan: &BoundExec,
    session: &SessionContext,
    sums: &mut Sums,
) -> Result<(), DataFusionError> {
    let mut parts = JoinSet::new();
    for partition in 0..plan.properties().partitioning.partition_count() {
        let stream = plan.execute(partition, session.task_ctx())?;
        parts.spawn(stream.try_collect::<Vec<_>>());
    }
    while let Some(part) = parts.join_next().await {
        let part = part.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?;
        for part in part? {
            sums.add(&part)?;
        }
    }
    Ok(())
}

/// What records of nobody come to: the declared cells of every boundary, with zeros.
///
/// # Errors
/// If keys have no encoding, which is ours.
pub(crate) fn nothing(priced: &PricedPlan) -> Result<Vec<ExactAggregates>, DataFusionError> {
    let empty = |boundary: &Arc<Boundary>| {
        let spec = Spec::of(boundary, Digest::sha256(b""))?;
        Sums::new(&spec).finish(&spec, boundary)
    };
    priced.plan.boundaries.iter().map(empty).collect()
}

/// The plans of one boundary, as many times as there are threads: of rows, then of values.
async fn planned(
    boundary: &Boundary,
    scan: &VerifiedScan,
    session: &SessionContext,
    spec: &Spec,
    threads: usize,
) -> Result<Vec<Vec<Arc<dyn ExecutionPlan>>>, DataFusionError> {
    let state = session.state();
    let plans = boundary.optimized(session)?.iter().map(|plan| scan.over(plan));
    let plans: Vec<LogicalPlan> = plans.collect::<Result<_, DataFusionError>>()?;
    let mut inputs: Vec<Vec<Arc<dyn ExecutionPlan>>> = Vec::new();
    for _ in 0..threads.clamp(1, scan.buckets().max(1)) {
        let first = inputs.first().filter(|first| first.iter().all(is_copied));
        if let Some(first) = first {
            let copy = first.iter().map(again).collect::<Result<_, DataFusionError>>()?;
            inputs.push(copy);
            continue;
        }
        let mut input = Vec::with_capacity(plans.len());
        for plan in &plans {
            let plan = state.query_planner().create_physical_plan(plan, &state).await?;
            input.push(with_dictionaries(&plan, &(1..=spec.keys.len()).collect())?);
        }
        inputs.push(input);
    }
    Ok(inputs)
}

fn overflow() -> DataFusionError {
    DataFusionError::Execution("a total does not fit its integer".to_owned())
}
