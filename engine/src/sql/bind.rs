//! From a parsed query to a logical plan over the catalog: names and types resolved, coercions
//! explicit.

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionConfig;

use datafusion::functions_aggregate::percentile_cont::percentile_cont_udaf;
use datafusion::functions_aggregate::variance::{var_pop_udaf, var_samp_udaf};
use datafusion::logical_expr::AggregateUDF;

use crate::aggregate::memory::Spilling;
use crate::catalog::Catalog;
use crate::error::{Code, Error, Rejection};
use crate::privacy::marked;
use crate::scan::table::DeclaredTable;
use crate::sql::growth::check_growth;
use crate::sql::omop;
use crate::sql::steps::check_steps;
use crate::sql::text::ParsedQuery;

/// A query whose names and types are resolved.
#[derive(Debug)]
pub(crate) struct BoundQuery {
    pub(crate) text: String,
    pub(crate) plan: LogicalPlan,
}

/// A session in which the catalog's tables have a schema and no rows.
///
/// Rows that are put aside take no more than `memory` bytes; the rest of them is on disk.
///
/// # Errors
/// [`Error::Internal`] if a table cannot be registered.
pub(crate) fn session(catalog: &Catalog, memory: Option<usize>) -> Result<SessionContext, Error> {
    let context = SessionContext::new_with_config_rt(config(), runtime(memory)?);
    marked::functions().into_iter().for_each(|function| context.register_udf(function));
    for (function, names) in OTHER_NAMES {
        let function = function().as_ref().clone().with_aliases(names.iter().copied());
        context.register_udaf(function);
    }
    for table in catalog.tables() {
        context
            .register_table(table.name.as_str(), Arc::new(DeclaredTable::new(Arc::clone(table))))
            .map_err(|_| Error::Internal("a declared table cannot be registered"))?;
    }
    omop::register_views(&context, catalog)
        .map_err(|_| Error::Internal("a view of OMOP tables cannot be registered"))?;
    Ok(context)
}

/// Memory and disk for what runs, with so many bytes for rows that are put aside.
///
/// # Errors
/// [`Error::Internal`] if there is no place for temporary files.
pub(crate) fn runtime(memory: Option<usize>) -> Result<Arc<RuntimeEnv>, Error> {
    let runtime = RuntimeEnvBuilder::new();
    let runtime = match memory {
        Some(bytes) => runtime.with_memory_pool(Arc::new(Spilling::new(bytes))),
        None => runtime,
    };
    runtime.build_arc().map_err(|_| Error::Internal("temporary files have no place"))
}

/// The one configuration in which plans are made and run. One partition: buckets run beside one
/// another instead, so that every step within a bucket sees whole persons.
pub(crate) fn config() -> SessionConfig {
    let mut config = SessionConfig::new().with_target_partitions(1).with_information_schema(false);
    config.options_mut().sql_parser.collect_spans = true;
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    config
}

/// Resolves names and types.
///
/// # Errors
/// [`Error::Rejected`] with `R-TABLE`, `R-COLUMN`, `R-FUNCTION` or `R-TYPE`.
pub(crate) async fn bind(
    parsed: ParsedQuery,
    session: &SessionContext,
) -> Result<BoundQuery, Error> {
    let state = session.state();
    let ParsedQuery { text, statement, .. } = parsed;
    let placed = |error| refusal(error).placed(&text);
    check_steps(&statement, session)?;
    let plan = state.statement_to_plan(statement).await.map_err(placed)?;
    let analyzer = state.analyzer();
    let plan =
        analyzer.execute_and_check(plan, state.config_options(), |_, _| {}).map_err(placed)?;
    check_growth(&plan)?;
    Ok(BoundQuery { text, plan })
}

/// A function of the library, and more names of it.
type Renamed = (fn() -> Arc<AggregateUDF>, &'static [&'static str]);

/// Aggregates under names that other systems give them.
const OTHER_NAMES: &[Renamed] = &[
    (var_samp_udaf, &["variance", "var_samp", "var_sample"]),
    (var_pop_udaf, &["variance_pop", "var_population"]),
    (percentile_cont_udaf, &["quantile_cont", "percentile_disc", "quantile_disc", "quantile"]),
];

fn refusal(error: DataFusionError) -> Rejection {
    let error = error.find_root().to_string();
    let text = error.lines().next().unwrap_or_default().to_owned();
    let text = text
        .trim_start_matches("Error during planning: ")
        .trim_start_matches("Schema error: ")
        .to_owned();
    let quoted = text.split('\'').nth(1).map(str::to_owned);
    let named = |text: &str| text.split_whitespace().nth(3).map(trim_name);
    let (code, word) = if text.starts_with("table '") {
        (Code::Table, quoted.as_deref().map(trim_name))
    } else if text.starts_with("No field named") {
        (Code::Column, named(&text))
    } else if text.contains("Invalid function") {
        (Code::Function, quoted)
    } else {
        (Code::Type, None)
    };
    let reason = match (code, &word) {
        (Code::Table, Some(name)) => format!("this population has no table {name}"),
        _ => text,
    };
    let rejection = Rejection::new(code, reason);
    match word {
        Some(word) => rejection.at(word),
        None => rejection,
    }
}

fn trim_name(name: &str) -> String {
    let last = name.rsplit('.').find(|part| !part.is_empty()).unwrap_or(name);
    last.trim_matches(|c: char| !c.is_alphanumeric() && c != '_').to_owned()
}
