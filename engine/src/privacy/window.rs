//! Windows within a person: first events, gaps, running totals.
//!
//! A window whose partition names the person looks at that person's rows only. Rows that the
//! query leaves tied are put in one order by their other columns, so that the answer does not
//! depend on the order in which they arrive.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::logical_expr::expr::{Sort, WindowFunction};
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, Projection, Window, WindowFrame, WindowFrameBound,
    WindowFrameUnits, WindowFunctionDefinition, cast, lit, when,
};

use crate::error::{Code, Rejection};
use crate::privacy::calendar;
use crate::privacy::facts::Facts;
use crate::privacy::grid::to_grid;
use crate::privacy::range::{PRODUCT_DECIMALS, Range};
use crate::privacy::relation::{Analysis, Kind, Relation, column_of, named, unplanned};

impl Analysis<'_> {
    /// `f(…) OVER (PARTITION BY person …)` over a person's rows.
    pub(crate) fn window(&mut self, window: &Window) -> Result<Relation, Rejection> {
        let input = self.relation(&window.input)?;
        let Kind::PerPerson { units, rows_max } = input.kind.clone() else {
            return self.after(&LogicalPlan::Window(window.clone()), vec![input], false);
        };
        let rows = self.bounds.rows_per_person.map_or(rows_max, u64::from).max(1);
        let mut steps = Vec::new();
        let mut outer = Vec::new();
        let mut facts = input.facts.clone();
        let before = window.input.schema().fields().len();
        for (expr, (qualifier, field)) in
            window.window_expr.iter().zip(window.schema.iter().skip(before))
        {
            let (value, fact) = self.over(expr, &input, &units, rows, &mut steps)?;
            outer.push(named(value, qualifier, field.name()));
            facts.push(fact);
        }
        let kept = input.plan.schema().iter().map(|c| Expr::Column(Column::from(c)));
        let exprs: Vec<Expr> = kept.chain(outer).collect();
        let plan = Window::try_new(steps, Arc::new(input.plan)).map_err(unplanned)?;
        let plan = Projection::try_new(exprs, Arc::new(LogicalPlan::Window(plan)));
        let plan = LogicalPlan::Projection(plan.map_err(unplanned)?);
        Ok(Relation { plan, facts, kind: Kind::PerPerson { units, rows_max } })
    }

    /// One window function as an expression over total ones, which are added to `steps`.
    fn over(
        &mut self,
        expr: &Expr,
        input: &Relation,
        units: &[Column],
        rows: u64,
        steps: &mut Vec<Expr>,
    ) -> Result<(Expr, Facts), Rejection> {
        let Expr::WindowFunction(function) = expr.clone().unalias() else {
            return Err(Rejection::new(Code::Window, "a window without a function"));
        };
        let WindowFunction { fun, mut params } = *function;
        let is_unit = |expr: &Expr| column_of(expr).is_some_and(|c| units.contains(c));
        if !params.partition_by.iter().any(is_unit) {
            return Err(Rejection::new(Code::Window, "a window over rows of several persons")
                .at("OVER")
                .hint(format!("add the person: OVER (PARTITION BY {} …)", units[0].name)));
        }
        let alone = params.partition_by.iter().all(is_unit) && params.order_by.is_empty();
        for expr in params.args.iter_mut().chain(&mut params.partition_by) {
            *expr = self.argument(expr, input)?;
        }
        for sort in &mut params.order_by {
            sort.expr = self.argument(&sort.expr, input)?;
        }
        if let Some(filter) = &mut params.filter {
            **filter = self.argument(filter, input)?;
        }
        check_frame(&params.window_frame, &params.order_by, input)?;
        let name = fun.name().to_owned();
        if params.distinct || params.null_treatment.is_some() {
            return Err(no_rule(&name));
        }
        if depends_on_ties(&name, &params.window_frame) {
            params.order_by.extend(tie_breaks(&params.order_by, input, units));
        }
        let argument = params.args.first().cloned();
        let of = argument.as_ref().map(|argument| input.scope().facts(argument));
        let of = of.unwrap_or_default();
        let mut add = |fun: WindowFunctionDefinition, args: Vec<Expr>| -> Expr {
            let params =
                datafusion::logical_expr::expr::WindowFunctionParams { args, ..params.clone() };
            let name = format!("__graunt_w{}", steps.len());
            let step = WindowFunction { fun, params };
            steps.push(Expr::WindowFunction(Box::new(step)).alias(&name));
            Expr::Column(Column::from_name(name))
        };
        let kept = Facts { generalised: of.generalised.clone(), ..Facts::default() };
        let counted = Range::new(0.0, rows as f64, 0);
        let (value, facts) = match (name.as_str(), argument) {
            ("row_number" | "rank" | "dense_rank", None) => {
                let facts = Facts { range: Range::new(1.0, rows as f64, 0), ..Facts::default() };
                (add(fun, vec![]), facts)
            }
            ("ntile", Some(Expr::Literal(value, _))) if !value.is_null() => {
                (add(fun, params.args.clone()), Facts::default())
            }
            ("lag" | "lead", Some(_)) if params.args[1..].iter().all(is_constant) => {
                let mut facts = Facts { constant: false, person: false, nullable: true, ..of };
                if params.args.len() > 2 {
                    // A default may lie outside of what is known of the column.
                    facts = Facts { nullable: true, ..kept };
                }
                (add(fun, params.args.clone()), facts)
            }
            ("first_value" | "last_value", Some(_)) => {
                let facts = Facts { person: false, nullable: true, constant: alone, ..of };
                (add(fun, params.args.clone()), facts)
            }
            ("nth_value", Some(_)) if params.args[1..].iter().all(is_constant) => {
                let facts = Facts { person: false, nullable: true, constant: alone, ..of };
                (add(fun, params.args.clone()), facts)
            }
            ("min" | "max", Some(_)) => {
                let facts = Facts { range: of.range, domain: of.domain, nullable: true, ..kept };
                (add(fun, params.args.clone()), Facts { constant: alone, ..facts })
            }
            ("count", Some(_)) => {
                let facts = Facts { range: counted, constant: alone, ..kept };
                (add(fun, params.args.clone()), facts)
            }
            ("sum" | "avg", Some(argument)) => {
                let integer = argument.get_type(input.plan.schema()).map_err(unplanned)?;
                let (whole, step) = on_grid(&argument, &of, integer.is_integer())?;
                let total = add(
                    datafusion::functions_aggregate::sum::sum_udaf().into(),
                    vec![whole.clone()],
                );
                let times = |r: Range, n: f64| {
                    Range::new(r.lower.min(0.0) * n, r.upper.max(0.0) * n, r.decimals)
                };
                if name == "sum" {
                    let range = of.range.and_then(|range| times(range, rows as f64));
                    let facts = Facts { range, nullable: true, constant: alone, ..kept };
                    let exact = integer.is_integer();
                    let float = || cast(total.clone(), DataType::Float64) / lit(step);
                    (if exact { total } else { float() }, facts)
                } else {
                    let count = datafusion::functions_aggregate::count::count_udaf();
                    let count = add(count.into(), vec![whole]);
                    let mean = cast(total, DataType::Float64) / lit(step);
                    let mean = mean / cast(count.clone(), DataType::Float64);
                    let mean = when(count.gt(lit(0i64)), mean).end().map_err(unplanned)?;
                    let wide = |r: Range| Range::new(r.lower, r.upper, PRODUCT_DECIMALS);
                    let range = of.range.and_then(wide);
                    (mean, Facts { range, nullable: true, constant: alone, ..kept })
                }
            }
            _ => return Err(no_rule(&name)),
        };
        Ok((value, facts))
    }
}

/// Whether the order of tied rows shows in what the function yields.
fn depends_on_ties(name: &str, frame: &WindowFrame) -> bool {
    match name {
        "rank" | "dense_rank" => false,
        "count" | "sum" | "avg" | "min" | "max" => frame.units == WindowFrameUnits::Rows,
        _ => true,
    }
}

/// The columns that are not yet in the order. Rows that are equal in all of them are alike.
fn tie_breaks(order: &[Sort], input: &Relation, units: &[Column]) -> Vec<Sort> {
    let ordered = |column: &Column| order.iter().any(|sort| column_of(&sort.expr) == Some(column));
    let columns = input.plan.schema().iter().map(Column::from);
    let others = columns.filter(|column| !units.contains(column) && !ordered(column));
    others.map(|column| Expr::Column(column).sort(true, true)).collect()
}

/// Frames of rows, of peers, and of spans of time around a date.
fn check_frame(frame: &WindowFrame, order: &[Sort], input: &Relation) -> Result<(), Rejection> {
    for bound in [&frame.start_bound, &frame.end_bound] {
        let (WindowFrameBound::Preceding(by) | WindowFrameBound::Following(by)) = bound else {
            continue;
        };
        let allowed = match frame.units {
            WindowFrameUnits::Rows | WindowFrameUnits::Groups => true,
            WindowFrameUnits::Range if by.is_null() => true,
            WindowFrameUnits::Range => match order {
                [sort] => {
                    let kind = sort.expr.get_type(input.plan.schema()).map_err(unplanned)?;
                    kind == DataType::Date32 && calendar::is_step(&Expr::Literal(by.clone(), None))
                }
                _ => false,
            },
        };
        if !allowed {
            return Err(Rejection::new(Code::Window, "this frame has no rule")
                .at("RANGE")
                .hint("frames are of ROWS, or RANGE of days or months around one date"));
        }
    }
    Ok(())
}

fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(..) => true,
        Expr::Cast(cast) => is_constant(&cast.expr),
        Expr::TryCast(cast) => is_constant(&cast.expr),
        Expr::Negative(inner) => is_constant(inner),
        _ => false,
    }
}

/// The argument as integers, and how many of them make one.
fn on_grid(argument: &Expr, of: &Facts, integer: bool) -> Result<(Expr, f64), Rejection> {
    if integer {
        return Ok((cast(argument.clone(), DataType::Int64), 1.0));
    }
    let shown = argument.schema_name().to_string();
    let grid = of.range.and_then(|range| {
        Some((to_grid(argument.clone(), range)?, 10f64.powi(i32::from(range.decimals))))
    });
    grid.ok_or_else(|| {
        let reason = format!("{shown} is summed without public bounds");
        Rejection::new(Code::Unbounded, reason)
            .hint(format!("bound it: WHERE {shown} BETWEEN low AND high"))
    })
}

fn no_rule(name: &str) -> Rejection {
    Rejection::new(Code::Window, format!("{name} OVER has no rule")).at(name).hint(
        "ROW_NUMBER, RANK, DENSE_RANK, LAG, LEAD, FIRST_VALUE, LAST_VALUE, NTH_VALUE, COUNT, SUM, \
         AVG, MIN and MAX have one",
    )
}
