//! The gate: past it people's records are read. Only a charge opens it.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::datasource::provider_as_source;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::LogicalPlan;
use ledger_adapter::charge::Charged;
use ledger_adapter::manifest::Rows;

use crate::catalog::Catalog;
use crate::error::Error;
use crate::privacy::price::PricedPlan;
use crate::scan::public::Tables;
use crate::scan::table::BucketTable;

/// The verified files of the tables that a charged query reads.
pub(crate) struct VerifiedScan {
    buckets: usize,
    tables: Tables,
}

impl fmt::Debug for VerifiedScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedScan").field("buckets", &self.buckets).finish_non_exhaustive()
    }
}

impl VerifiedScan {
    /// Opens the tables of `priced`, beside its `settled` public parts. That the charge is asked
    /// for is the point: it is what makes reading allowed.
    ///
    /// # Errors
    /// [`Error::Untrusted`] if a file is missing or has another length than attested.
    pub(crate) fn open(
        catalog: &Catalog,
        priced: &PricedPlan,
        settled: &Tables,
        _: &Charged,
    ) -> Result<Self, Error> {
        let buckets = usize::try_from(catalog.buckets())
            .map_err(|_| Error::Internal("the number of buckets does not fit"))?;
        let mut tables = tables(catalog, priced, Some(buckets))?;
        tables.extend(settled.iter().map(|(name, table)| (name.clone(), Arc::clone(table))));
        Ok(Self { buckets, tables })
    }

    /// Number of buckets.
    pub(crate) const fn buckets(&self) -> usize {
        self.buckets
    }

    /// `plan` over the records; which bucket is for the task to say.
    ///
    /// # Errors
    /// A planning error, which is ours.
    pub(crate) fn over(&self, plan: &LogicalPlan) -> PlanResult<LogicalPlan> {
        over(plan, &self.tables)
    }
}

/// The public tables of a query; no charge is needed to read them.
///
/// # Errors
/// [`Error::Untrusted`] if a file is missing or has another length than attested.
pub(crate) fn public_tables(catalog: &Catalog, priced: &PricedPlan) -> Result<Tables, Error> {
    tables(catalog, priced, None)
}

/// The public tables of a query; with a number of buckets the private ones too.
fn tables(catalog: &Catalog, priced: &PricedPlan, private: Option<usize>) -> Result<Tables, Error> {
    let mut opened = Tables::new();
    for spec in priced.plan.tables.iter().filter_map(|name| catalog.table(name)) {
        if private.is_some() || spec.rows == Rows::Public {
            let table = BucketTable::open(catalog, spec, private.unwrap_or(1))?;
            opened.insert(spec.name.clone(), Arc::new(table));
        }
    }
    Ok(opened)
}

/// Puts `tables` in the place of the declared tables of the same name.
///
/// # Errors
/// A planning error, which is ours.
pub(crate) fn over(plan: &LogicalPlan, tables: &Tables) -> PlanResult<LogicalPlan> {
    let done = plan.clone().transform_up_with_subqueries(|node| {
        let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
        match tables.get(scan.table_name.table()) {
            Some(table) => {
                scan.source = provider_as_source(Arc::clone(table));
                Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
            }
            None => Ok(Transformed::no(LogicalPlan::TableScan(scan))),
        }
    })?;
    Ok(done.data)
}
