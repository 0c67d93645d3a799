//! Which columns of which tables a query reads: those are checked before it is charged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::LogicalPlan;
use ledger_adapter::manifest::Rows;

use crate::catalog::{Catalog, Records, TableSpec};
use crate::error::{Code, Error, Rejection};
use crate::privacy::price::PricedPlan;
use crate::scan::copies::differing;

/// By table, the numbers of the columns.
pub(crate) type Read = BTreeMap<String, BTreeSet<usize>>;

/// What the plans of a query's boundaries read, once they are optimized.
///
/// # Errors
/// `R-OPERATOR` if they cannot be planned.
pub(crate) fn read_by(priced: &PricedPlan, session: &SessionContext) -> Result<Read, Error> {
    let mut read = Read::new();
    for boundary in &priced.plan.boundaries {
        for plan in boundary.optimized(session).map_err(unplanned)? {
            add(plan, &mut read).map_err(unplanned)?;
        }
    }
    Ok(read)
}

/// The tables of an extract that a query reads, by their number in its manifest: of private ones
/// the columns that are read, of public ones all.
pub(crate) fn read_of(
    catalog: &Catalog,
    extract: usize,
    priced: &PricedPlan,
    read: &Read,
) -> BTreeMap<usize, Option<BTreeSet<usize>>> {
    let source = |spec: &Arc<TableSpec>| {
        let mut sources = spec.sources.iter();
        let (_, table) = sources.find(|(e, _)| *e == extract)?;
        match spec.rows {
            // Copies like an earlier site's are not read, but checked where they are at hand.
            Rows::Public => {
                let is_read = differing(catalog, spec).iter().any(|(e, _)| *e == extract);
                (is_read || catalog.records() == Records::All).then_some((*table, None))
            }
            Rows::PerPerson { .. } => {
                let columns = read.get(&spec.name).cloned().unwrap_or_default();
                catalog.records().include(extract).then_some((*table, Some(columns)))
            }
        }
    };
    let tables = priced.plan.tables.iter().filter_map(|name| catalog.table(name));
    tables.filter_map(source).collect()
}

/// The refusal of what cannot be planned.
pub(crate) fn unplanned(error: DataFusionError) -> Error {
    let reason = format!("the query cannot be planned: {}", error.strip_backtrace());
    Rejection::new(Code::Operator, reason).into()
}

fn add(plan: &LogicalPlan, read: &mut Read) -> Result<(), DataFusionError> {
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let columns = read.entry(scan.table_name.table().to_owned()).or_default();
            match &scan.projection {
                Some(projection) => columns.extend(projection),
                None => columns.extend(0..scan.source.schema().fields().len()),
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}
