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

/// The verified files of the tables that a charged query reads, bucket by bucket.
pub(crate) struct VerifiedScan {
    buckets: Vec<Tables>,
}

impl fmt::Debug for VerifiedScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedScan").field("buckets", &self.buckets.len()).finish()
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
        let count = usize::try_from(catalog.buckets())
            .map_err(|_| Error::Internal("the number of buckets does not fit"))?;
        let mut buckets = Vec::with_capacity(count);
        for bucket in 0..count {
            let mut opened = tables(catalog, priced, bucket, true)?;
            opened.extend(settled.iter().map(|(name, table)| (name.clone(), Arc::clone(table))));
            buckets.push(opened);
        }
        Ok(Self { buckets })
    }

    /// Number of buckets.
    pub(crate) fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// `plan` over the records of one bucket.
    ///
    /// # Errors
    /// A planning error, which is ours.
    pub(crate) fn over_bucket(&self, plan: &LogicalPlan, bucket: usize) -> PlanResult<LogicalPlan> {
        over(plan, &self.buckets[bucket])
    }
}

/// The public tables of a query; no charge is needed to read them.
///
/// # Errors
/// [`Error::Untrusted`] if a file is missing or has another length than attested.
pub(crate) fn public_tables(catalog: &Catalog, priced: &PricedPlan) -> Result<Tables, Error> {
    tables(catalog, priced, 0, false)
}

fn tables(
    catalog: &Catalog,
    priced: &PricedPlan,
    bucket: usize,
    private: bool,
) -> Result<Tables, Error> {
    let mut opened = Tables::new();
    for spec in priced.plan.tables.iter().filter_map(|name| catalog.table(name)) {
        if private || spec.rows == Rows::Public {
            opened.insert(spec.name.clone(), Arc::new(BucketTable::open(catalog, spec, bucket)?));
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
