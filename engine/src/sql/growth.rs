//! How large an expression of a question becomes once the columns that it is made of are put in
//! their places.
//!
//! Rules of the planner, and ours, replace a column by what it was computed from. What adds a
//! column to itself, twenty steps over, is a million additions: so they are counted before.

use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::error::{Code, Rejection};

/// Refuses questions of which an expression would be too large.
///
/// # Errors
/// `R-OPERATOR`.
pub(crate) fn check_growth(plan: &LogicalPlan) -> Result<(), Rejection> {
    // A plan that cannot be walked is refused by the planner.
    let largest = sizes(plan).unwrap_or_default().largest;
    if largest <= SIZE_MAX {
        return Ok(());
    }
    let reason = format!(
        "an expression has at most {SIZE_MAX} parts, with those of the columns that it is made of"
    );
    Err(Rejection::new(Code::Operator, reason).hint("name a column less often in the next step"))
}

/// The sizes of the columns of a plan, in the order of its schema, and of the largest expression
/// in it.
#[derive(Default)]
struct Sizes {
    columns: Vec<usize>,
    largest: usize,
}

fn sizes(plan: &LogicalPlan) -> PlanResult<Sizes> {
    let inputs = plan.inputs().into_iter().map(sizes).collect::<PlanResult<Vec<_>>>()?;
    let mut largest = inputs.iter().map(|input| input.largest).max().unwrap_or_default();
    let mut within = Vec::new();
    plan.apply_expressions(|expr| {
        let own = of_expr(expr, plan, &inputs, &mut largest)?;
        within.push(own);
        Ok(TreeNodeRecursion::Continue)
    })?;
    largest = within.iter().copied().fold(largest, usize::max);
    let width = plan.schema().fields().len();
    let passed: Vec<usize> =
        inputs.iter().flat_map(|input| input.columns.iter().copied()).collect();
    let columns = match plan {
        LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) => within,
        LogicalPlan::Window(_) => [passed, within].concat(),
        LogicalPlan::Union(_) => {
            let of = |column| {
                let own = inputs.iter().filter_map(|input| input.columns.get(column));
                own.copied().max().unwrap_or(1)
            };
            (0..width).map(of).collect()
        }
        _ => passed,
    };
    // Where columns do not stand one for one, each is as large as the largest.
    let columns = if columns.len() == width { columns } else { vec![largest.max(1); width] };
    Ok(Sizes { columns, largest })
}

fn of_expr(
    expr: &Expr,
    plan: &LogicalPlan,
    inputs: &[Sizes],
    largest: &mut usize,
) -> PlanResult<usize> {
    if let Expr::Column(column) = expr {
        let size = |(input, sizes): (&LogicalPlan, &Sizes)| {
            sizes.columns.get(input.schema().maybe_index_of_column(column)?).copied()
        };
        return Ok(plan.inputs().into_iter().zip(inputs).find_map(size).unwrap_or(1));
    }
    if let Some(subquery) = subquery(expr) {
        *largest = (*largest).max(sizes(subquery)?.largest);
    }
    let mut all = 1_usize;
    expr.apply_children(|inner| {
        all = all.saturating_add(of_expr(inner, plan, inputs, largest)?);
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(all.saturating_mul(times(expr)))
}

/// How many times a part of an expression is written, by the planner or into its value.
fn times(expr: &Expr) -> usize {
    let Expr::ScalarFunction(call) = expr else {
        return if matches!(expr, Expr::Between(_)) { 2 } else { 1 };
    };
    let text = |place: usize| match call.args.get(place) {
        Some(Expr::Literal(value, _)) => value.try_as_str().flatten().map(str::len),
        _ => None,
    };
    let number = |place: usize| match call.args.get(place) {
        Some(Expr::Literal(value, _)) => value.to_string().parse().ok(),
        Some(Expr::Cast(cast)) => match cast.expr.as_ref() {
            Expr::Literal(value, _) => value.to_string().parse().ok(),
            _ => None,
        },
        _ => None,
    };
    match call.name() {
        name if TWICE.contains(&name) => 2,
        "repeat" | "lpad" | "rpad" => number(1).unwrap_or(usize::MAX).max(1),
        "replace" => text(2).unwrap_or(usize::MAX).max(1),
        _ => 1,
    }
}

fn subquery(expr: &Expr) -> Option<&LogicalPlan> {
    match expr {
        Expr::ScalarSubquery(subquery) => Some(&subquery.subquery),
        Expr::InSubquery(within) => Some(&within.subquery.subquery),
        Expr::Exists(exists) => Some(&exists.subquery.subquery),
        _ => None,
    }
}

/// Functions that become a CASE of their arguments.
const TWICE: &[&str] = &["coalesce", "nvl", "nvl2", "ifnull", "nullif"];

/// Most parts of an expression.
const SIZE_MAX: usize = 10_000;
