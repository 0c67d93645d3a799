//! A plan once more, for another bucket or another thread.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result as PlanResult;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::scalar_subquery::ScalarSubqueryExec;

use crate::scan::leaf::BucketScan;

/// The same plan, ready to be run again, and if it [`is_copied`], while others of it run. What its
/// operators found in records is forgotten; tables that joins made of public rows, which are the
/// same in each bucket, are made once and kept by all.
///
/// # Errors
/// A planning error, which is ours.
pub(crate) fn again(plan: &Arc<dyn ExecutionPlan>) -> PlanResult<Arc<dyn ExecutionPlan>> {
    if let Some(join) = plan.downcast_ref::<HashJoinExec>()
        && keeps_table(join)
    {
        // The builder keeps the table, and `reset_state` would not.
        let sides = vec![Arc::clone(join.left()), again(join.right())?];
        return join.builder().with_new_children(sides)?.build_exec();
    }
    let children = plan.children().into_iter().map(again).collect::<PlanResult<Vec<_>>>()?;
    replace_children_if_necessary(Arc::clone(plan), children)?.reset_state()
}

/// Whether a plan and what [`again`] makes of it can run at the same time. Those that hand a value
/// from one operator to another while they run, as scalar subqueries do, have one place for it:
/// such plans run one after another.
pub(crate) fn is_copied(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let hands_over =
        plan.is::<ScalarSubqueryExec>() || !plan.dynamic_expressions_produced().is_empty();
    !hands_over && plan.children().into_iter().all(is_copied)
}

/// Whether the table of a join is one of public rows, and is not written to while it is used: which
/// of its rows have found none is noted in it by the other kinds.
fn keeps_table(join: &HashJoinExec) -> bool {
    let only_reads = matches!(
        join.join_type(),
        JoinType::Inner
            | JoinType::Right
            | JoinType::RightSemi
            | JoinType::RightAnti
            | JoinType::RightMark
    );
    let is_one = *join.partition_mode() == PartitionMode::CollectLeft;
    is_one && only_reads && join.dynamic_expressions_produced().is_empty() && is_public(join.left())
}

/// Whether a plan reads nothing but public rows.
fn is_public(plan: &Arc<dyn ExecutionPlan>) -> bool {
    if let Some(scan) = plan.downcast_ref::<BucketScan>() {
        return scan.is_public();
    }
    let children = plan.children();
    // Settled public parts are in memory.
    plan.is::<DataSourceExec>() || !children.is_empty() && children.into_iter().all(is_public)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use datafusion::common::NullEquality;
    use datafusion::datasource::memory::MemorySourceConfig;
    use datafusion::execution::TaskContext;
    use datafusion::logical_expr::physical_planning_context::ScalarSubqueryResults;
    use datafusion::physical_expr::expressions::Column;
    use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
    use datafusion::physical_plan::collect;

    use super::*;
    use crate::tests::fixture::block_on;

    fn rows(name: &str, values: &[i64]) -> Arc<dyn ExecutionPlan> {
        let values: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        let batch = RecordBatch::try_from_iter([(name, values)]).unwrap();
        MemorySourceConfig::try_new_exec(&[vec![batch.clone()]], batch.schema(), None).unwrap()
    }

    fn join(kind: JoinType) -> Arc<dyn ExecutionPlan> {
        let (left, right) = (rows("a", &[1, 2, 3, 4]), rows("b", &[2, 3, 3, 9]));
        let on = (Arc::new(Column::new("a", 0)) as _, Arc::new(Column::new("b", 0)) as _);
        let (mode, nulls) = (PartitionMode::CollectLeft, NullEquality::NullEqualsNothing);
        let join =
            HashJoinExec::try_new(left, right, vec![on], None, &kind, None, mode, nulls, false);
        Arc::new(join.unwrap())
    }

    /// Rows of each of three runs, and how many rows went into the table in all.
    fn runs(kind: JoinType) -> (Vec<usize>, usize) {
        let first = join(kind);
        let mut found = Vec::new();
        let copies: Vec<_> = (0..3).map(|_| again(&first).unwrap()).collect();
        for copy in &copies {
            let batches = block_on(collect(Arc::clone(copy), Arc::new(TaskContext::default())));
            found.push(batches.unwrap().iter().map(RecordBatch::num_rows).sum());
        }
        let built = |plan: &Arc<dyn ExecutionPlan>| {
            let metrics = plan.metrics().unwrap();
            metrics.sum_by_name("build_input_rows").map_or(0, |rows| rows.as_usize())
        };
        let all = copies.iter().map(built).max().unwrap();
        (found, all)
    }

    #[test]
    fn a_table_of_public_rows_is_made_once() {
        assert_eq!(runs(JoinType::Inner), (vec![3, 3, 3], 4));
        assert_eq!(runs(JoinType::Right), (vec![4, 4, 4], 4));
        assert_eq!(runs(JoinType::RightAnti), (vec![1, 1, 1], 4));
    }

    #[test]
    fn a_plan_with_a_place_for_a_value_is_not_copied() {
        let plain = join(JoinType::Inner);
        assert!(is_copied(&plain));
        let (links, place) = (Vec::new(), ScalarSubqueryResults::new(1));
        let above: Arc<dyn ExecutionPlan> = Arc::new(ScalarSubqueryExec::new(plain, links, place));
        assert!(!is_copied(&above));
        assert!(!is_copied(&(Arc::new(CoalescePartitionsExec::new(above)) as _)));
    }

    #[test]
    fn a_join_that_notes_which_rows_were_found_begins_with_none() {
        assert_eq!(runs(JoinType::Left).0, [5, 5, 5]);
        assert_eq!(runs(JoinType::LeftAnti).0, [2, 2, 2]);
        assert_eq!(runs(JoinType::Full).0, [6, 6, 6]);
    }
}
