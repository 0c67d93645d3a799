//! Eager count (Yan and Larson, "Eager aggregation and lazy aggregation", VLDB 1995, section 4): a
//! side of a join of which only one column is used is counted by it first, so that its rows are
//! not multiplied with those of the other side.
//!
//! ```text
//!  Projection: person, key, v            Projection: person, key, v * n
//!    Join: a.person = b.person     ─▶      Join: a.person = b.person
//!      a                                     a
//!      b: person                             Aggregate: b.person, COUNT(*) AS n
//!                                              b: person
//! ```
//! Totals of persons are sums of 64-bit integers that wrap, and so do products: `n` times a row is
//! what `n` rows are, bit for bit. Bounds are of totals, and know nothing of rows.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::Column;
use datafusion::common::tree_node::TreeNode as _;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, Join, JoinType, LogicalPlan, Projection, lit,
};

/// A plan whose rows stand for many, and the columns that say for how many: their product.
struct Counted {
    plan: LogicalPlan,
    counts: Vec<Expr>,
}

/// An optimized plan of contributions with sides of joins counted, where that can be done. Its
/// columns are the same: the person and the keys, `passed` together, then what rows add, as 64-bit
/// integers.
///
/// # Errors
/// A planning error, which is ours.
pub(crate) fn counted(plan: LogicalPlan, passed: usize) -> PlanResult<LogicalPlan> {
    let LogicalPlan::Projection(top) = &plan else { return Ok(plan) };
    if names_rows(&plan)? {
        return Ok(plan);
    }
    let Some(below) = below(&top.input, &mut 0)? else { return Ok(plan) };
    let output = |(place, (expr, field)): (usize, (&Expr, &FieldRef))| {
        if place < passed {
            return expr.clone();
        }
        let times = |added, count: &Expr| added * count.clone();
        below.counts.iter().fold(expr.clone().unalias(), times).alias(field.name())
    };
    let exprs = top.expr.iter().zip(top.schema.fields()).enumerate().map(output).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(below.plan))?))
}

/// Whether a question has names of its own that could be taken for ours.
fn names_rows(plan: &LogicalPlan) -> PlanResult<bool> {
    plan.exists(|node| {
        Ok(node.schema().fields().iter().any(|field| field.name().starts_with(ROWS)))
    })
}

/// `None` if no join below has such a side. `made` counts the columns of counts.
fn below(plan: &LogicalPlan, made: &mut usize) -> PlanResult<Option<Counted>> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let Some(Counted { plan, counts }) = below(&projection.input, made)? else {
                return Ok(None);
            };
            let exprs = projection.expr.iter().chain(&counts).cloned().collect();
            let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
            Ok(Some(Counted { plan, counts }))
        }
        LogicalPlan::Filter(filter) => {
            let Some(Counted { plan, counts }) = below(&filter.input, made)? else {
                return Ok(None);
            };
            let filter = Filter::try_new(filter.predicate.clone(), Arc::new(plan))?;
            Ok(Some(Counted { plan: LogicalPlan::Filter(filter), counts }))
        }
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => joined(join, made),
        _ => Ok(None),
    }
}

fn joined(join: &Join, made: &mut usize) -> PlanResult<Option<Counted>> {
    let mut counts = Vec::new();
    let mut side = |plan: &Arc<LogicalPlan>| {
        let counted = match plan.schema().fields().len() {
            1 => Some(by_column(plan, made)?),
            _ => below(plan, made)?,
        };
        Ok::<_, DataFusionError>(match counted {
            Some(counted) => {
                counts.extend(counted.counts);
                Arc::new(counted.plan)
            }
            None => Arc::clone(plan),
        })
    };
    let (left, right) = (side(&join.left)?, side(&join.right)?);
    if counts.is_empty() {
        return Ok(None);
    }
    let plan = LogicalPlan::Join(Join::try_new(
        left,
        right,
        join.on.clone(),
        join.filter.clone(),
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?);
    Ok(Some(Counted { plan, counts }))
}

/// The rows of a plan of one column, counted by it.
fn by_column(plan: &Arc<LogicalPlan>, made: &mut usize) -> PlanResult<Counted> {
    let name = format!("{ROWS}{made}");
    *made += 1;
    let column = plan.schema().columns().into_iter().map(Expr::Column).collect();
    let rows = vec![count(lit(1i64)).alias(&name)];
    let plan = LogicalPlan::Aggregate(Aggregate::try_new(Arc::clone(plan), column, rows)?);
    Ok(Counted { plan, counts: vec![Expr::Column(Column::from_name(name))] })
}

/// What columns of counts are named, before their number.
const ROWS: &str = "__graunt_rows_";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::{AsArray, RecordBatch};
    use arrow::datatypes::Int64Type;
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::tests::admitted::persons;
    use crate::tests::fixture::{block_on, clinic};

    /// Totals by person and key.
    type Totals = BTreeMap<(i64, Option<i64>), (i64, usize)>;

    async fn totals(context: &SessionContext, plan: LogicalPlan) -> Totals {
        let frame = context.execute_logical_plan(plan).await.unwrap();
        let mut totals = Totals::new();
        for batch in frame.collect().await.unwrap() {
            let column = |i: usize| batch.column(i).as_primitive::<Int64Type>().clone();
            let [persons, keys, added] = [column(0), column(1), column(2)];
            for row in 0..RecordBatch::num_rows(&batch) {
                let key = keys.iter().nth(row).flatten();
                let total = totals.entry((persons.value(row), key)).or_default();
                total.0 = total.0.wrapping_add(added.value(row));
                total.1 += 1;
            }
        }
        totals
    }

    /// What persons add to keys, row by row and counted; and the plan that counts.
    fn both(sql: &str) -> (Totals, Totals, String) {
        let context = SessionContext::new();
        for table in clinic(&persons()) {
            context.register_batch(table.name, table.rows.clone()).unwrap();
        }
        block_on(async {
            let plan = context.sql(sql).await.unwrap().into_optimized_plan().unwrap();
            let rewritten = counted(plan.clone(), 2).unwrap();
            let shown = rewritten.display_indent().to_string();
            (totals(&context, plan).await, totals(&context, rewritten).await, shown)
        })
    }

    #[test]
    fn counted_sides_add_the_same_to_each_person() {
        for (sql, counts) in [
            (
                "SELECT v.person_id AS p, v.code AS k, v.days * 9223372036854775807 AS n FROM \
                 visit v JOIN visit w ON v.person_id = w.person_id WHERE w.code IN (1, 2)",
                1,
            ),
            (
                "SELECT u.person_id AS p, v.code AS k, 1 AS n FROM visit u JOIN visit v ON \
                 u.person_id = v.person_id JOIN visit w ON v.person_id = w.person_id JOIN codes c \
                 ON v.code = c.code WHERE u.days > 2",
                3,
            ),
            (
                "SELECT v.person_id AS p, v.__graunt_rows_0 AS k, 1 AS n FROM (SELECT person_id, \
                 code AS __graunt_rows_0 FROM visit) v JOIN visit w ON v.person_id = w.person_id",
                0,
            ),
            (
                "SELECT v.person_id AS p, v.code AS k, v.days AS n FROM visit v JOIN visit w ON \
                 v.person_id = w.person_id AND v.days < w.days",
                0,
            ),
            (
                "SELECT v.person_id AS p, v.code AS k, 2 AS n FROM visit v LEFT JOIN visit w ON \
                 v.person_id = w.person_id",
                0,
            ),
        ] {
            let (rows, counted, plan) = both(sql);
            assert!(!rows.is_empty(), "{sql}");
            assert_eq!(
                plan.matches("count(Int64(1)) AS __graunt").count(),
                counts,
                "{sql}\n{plan}"
            );
            let added = |totals: &Totals| {
                totals.iter().map(|(key, total)| (*key, total.0)).collect::<Vec<_>>()
            };
            assert_eq!(added(&counted), added(&rows), "{sql}\n{plan}");
            let all = |totals: &Totals| totals.values().map(|total| total.1).sum::<usize>();
            assert_eq!(counts > 0, all(&counted) < all(&rows), "{sql}");
        }
    }
}
