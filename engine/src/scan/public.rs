//! Public parts of a query, computed before the charge.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::{MemTable, TableProvider};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;

use crate::catalog::Catalog;
use crate::cluster::{Cluster, check};
use crate::error::{Code, Error, Rejection};
use crate::privacy::price::PricedPlan;
use crate::privacy::settled::PublicPart;
use crate::scan::gate::{over, public_tables};
use crate::scan::read::unplanned;

/// Tables by name, to be put in the place of declared ones.
pub(crate) type Tables = BTreeMap<String, Arc<dyn TableProvider>>;

/// Computes the public parts of a plan, and sees that all the rest can be run: on a cluster, if
/// there is one.
///
/// # Errors
/// [`Error::Rejected`] if a part fails or is too large, or the rest cannot be run there;
/// [`Error::Untrusted`] if a public file is missing; [`Error::Cluster`].
pub(crate) async fn settle(
    catalog: &Catalog,
    priced: &PricedPlan,
    session: &SessionContext,
    cluster: Option<&Cluster>,
) -> Result<Tables, Error> {
    let sources = public_tables(catalog, priced)?;
    let has_parts = !priced.plan.publics.is_empty();
    let public = if has_parts { bounded(session)? } else { session.clone() };
    let mut tables = Tables::new();
    for (index, part) in priced.plan.publics.iter().enumerate() {
        let table = compute(part, &sources, &public).await.map_err(|error| {
            Rejection::new(Code::Type, format!("a public part fails: {}", error.strip_backtrace()))
        })?;
        let Some(table) = table else {
            let reason = "a public part has too many rows";
            return Err(Rejection::new(Code::Operator, reason)
                .hint("filter the public tables within the subquery")
                .into());
        };
        tables.insert(PublicPart::name(index), table);
    }
    let plans = rehearse(catalog, priced, &tables, session).await?;
    if let Some(cluster) = cluster {
        for (boundary, plans) in priced.plan.boundaries.iter().zip(&plans) {
            let logical = boundary.optimized(session).map_err(unplanned)?;
            check(logical, plans, session).map_err(unsendable)?;
        }
        cluster.reach(catalog).await?;
    }
    Ok(tables)
}

/// Plans everything that is going to run past the gate, over empty tables: what cannot be planned
/// is refused before it is charged.
///
/// # Errors
/// `R-OPERATOR`.
async fn rehearse(
    catalog: &Catalog,
    priced: &PricedPlan,
    settled: &Tables,
    session: &SessionContext,
) -> Result<Vec<Vec<Arc<dyn ExecutionPlan>>>, Error> {
    let (mut tables, mut plans) = (settled.clone(), Vec::new());
    for spec in priced.plan.tables.iter().filter_map(|name| catalog.table(name)) {
        let empty = MemTable::try_new(Arc::clone(&spec.schema), vec![vec![]]).map_err(unplanned)?;
        tables.insert(spec.name.clone(), Arc::new(empty));
    }
    for boundary in &priced.plan.boundaries {
        let mut own = Vec::new();
        for plan in boundary.optimized(session).map_err(unplanned)? {
            let state = session.state();
            let plan = over(plan, &tables).map_err(unplanned)?;
            let planned = tokio::spawn(async move {
                state.query_planner().create_physical_plan(&plan, &state).await
            });
            let planned = planned.await;
            let planned = planned
                .unwrap_or_else(|error| Err(DataFusionError::ExecutionJoin(Box::new(error))));
            own.push(planned.map_err(unplanned)?);
        }
        plans.push(own);
    }
    Ok(plans)
}

/// The refusal of what cannot be told to a cluster.
fn unsendable(error: DataFusionError) -> Rejection {
    let reason = format!("the query cannot be sent to a cluster: {}", error.strip_backtrace());
    Rejection::new(Code::Operator, reason).hint("ask it without a cluster")
}

/// `None` if there are too many rows.
async fn compute(
    part: &PublicPart,
    sources: &Tables,
    session: &SessionContext,
) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
    let state = session.state();
    let plan = state.optimize(&over(&part.plan, sources)?)?;
    let plan = state.query_planner().create_physical_plan(&plan, &state).await?;
    let schema = Arc::new(part.plan.schema().as_arrow().clone());
    let mut stream = execute_stream(plan, session.task_ctx())?;
    let (mut batches, mut rows) = (Vec::new(), 0);
    let most = if part.single { 1 } else { ROWS_MAX };
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        rows += batch.num_rows();
        if rows > most {
            return Ok(None);
        }
        batches.push(batch);
    }
    Ok(Some(Arc::new(MemTable::try_new(schema, vec![batches])?)))
}

/// A session of the same tables and functions in which public rows, which nobody pays for, take no
/// more than a part of the memory.
///
/// # Errors
/// [`Error::Internal`] if there is no place for temporary files.
pub(crate) fn bounded(session: &SessionContext) -> Result<SessionContext, Error> {
    let memory = Arc::new(GreedyMemoryPool::new(MEMORY_BYTES));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(memory).build_arc();
    let runtime = runtime.map_err(|_| Error::Internal("temporary files have no place"))?;
    // The tables are shared, and would be gone if a catalog were made anew.
    let config = session.copied_config().with_create_default_catalog_and_schema(false);
    let state = SessionStateBuilder::new_from_existing(session.state()).with_config(config);
    Ok(SessionContext::new_with_state(state.with_runtime_env(runtime).build()))
}

/// Most rows of a public part, or of an answer of public rows; they are kept in memory.
pub(crate) const ROWS_MAX: usize = 5_000_000;

/// Most memory that sorting, grouping and joining public rows may take.
const MEMORY_BYTES: usize = 2 << 30;
