//! Text that is only a key is read as the dictionary it is stored as: its values are looked at once
//! per row group, and rows are numbers.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::error::Result as PlanResult;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;

use crate::scan::leaf::BucketScan;

/// The same plan with dictionaries in some of its columns, if they come through it untouched.
/// What else a column is used for, it is used for as it was.
///
/// # Errors
/// A planning error, which is ours.
pub(crate) fn with_dictionaries(
    plan: &Arc<dyn ExecutionPlan>,
    columns: &BTreeSet<usize>,
) -> PlanResult<Arc<dyn ExecutionPlan>> {
    Ok(rewritten(plan, columns)?.unwrap_or_else(|| Arc::clone(plan)))
}

/// `None` if no column may be one.
fn rewritten(
    plan: &Arc<dyn ExecutionPlan>,
    columns: &BTreeSet<usize>,
) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    if columns.is_empty() {
        return Ok(None);
    }
    if let Some(scan) = plan.downcast_ref::<BucketScan>() {
        return scan.with_dictionaries(columns);
    }
    let below: BTreeSet<usize> = if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let (mut passed, mut used) = (BTreeSet::new(), BTreeSet::new());
        for (place, output) in projection.expr().iter().enumerate() {
            match output.expr.downcast_ref::<Column>() {
                Some(column) if columns.contains(&place) => _ = passed.insert(column.index()),
                _ => used.extend(collect_columns(&output.expr).iter().map(Column::index)),
            }
        }
        passed.difference(&used).copied().collect()
    } else if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let used: BTreeSet<usize> =
            collect_columns(filter.predicate()).iter().map(Column::index).collect();
        let input = |place: &usize| match filter.projection() {
            Some(kept) => kept.get(*place).copied(),
            None => Some(*place),
        };
        columns.iter().filter_map(input).filter(|column| !used.contains(column)).collect()
    } else if plan.is::<CooperativeExec>() {
        columns.clone()
    } else {
        return Ok(None);
    };
    let children = plan.children();
    let Some(child) = children.first() else { return Ok(None) };
    let Some(child) = rewritten(child, &below)? else { return Ok(None) };
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        // Its columns have the types that they had unless it is made anew.
        let expressions = projection.expr().to_vec();
        return Ok(Some(Arc::new(ProjectionExec::try_new(expressions, child)?)));
    }
    Ok(Some(replace_children_if_necessary(Arc::clone(plan), vec![child])?))
}
