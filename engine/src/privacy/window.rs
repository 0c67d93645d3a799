//! Windows within a person: first events, gaps, running totals.
//!
//! A window whose partition names the person looks at that person's rows only. Rows that the
//! query leaves tied are put in one order by their other columns, so that the answer does not
//! depend on the order in which they arrive.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::{Sort, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, Projection, Window, WindowFrame, WindowFrameBound,
    WindowFrameUnits, WindowFunctionDefinition, cast, lit, when,
};

use crate::error::{Code, Rejection};
use crate::privacy::calendar;
use crate::privacy::facts::Facts;
use crate::privacy::grid::on_grid;
use crate::privacy::person::held;
use crate::privacy::range::{PRODUCT_DECIMALS, Range};
use crate::privacy::relation::{Analysis, Kind, Relation, column_of, named, unplanned};
use crate::privacy::total::literal;

impl Analysis<'_> {
    /// `f(…) OVER (PARTITION BY person …)` over a person's rows.
    pub(crate) fn window(&mut self, window: &Window) -> Result<Relation, Rejection> {
        let input = self.relation(&window.input)?;
        let Kind::PerPerson { units, rows_max } = input.kind.clone() else {
            return self.after(&LogicalPlan::Window(window.clone()), vec![input], false);
        };
        // How many rows of a person count is for the boundary: numbers of rows are not cut off
        // here, or every row would be a person's first.
        let rows = rows_max.max(1);
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
        if params.distinct || params.null_treatment.is_some() {
            return Err(no_rule(fun.name()));
        }
        if depends_on_ties(fun.name(), &params.window_frame) {
            params.order_by.extend(tie_breaks(&params.order_by, input, units));
        }
        let of = params.args.first().map(|argument| input.scope().facts(argument));
        let of = of.unwrap_or_default();
        let mut step = Step { fun, params, of, alone, rows, steps };
        match (step.fun.name(), step.params.args.first().cloned()) {
            ("sum" | "avg", Some(argument)) => {
                let kind = argument.get_type(input.plan.schema()).map_err(unplanned)?;
                step.added_up(&argument, kind.is_integer())
            }
            _ => step.as_it_is(),
        }
    }
}

/// One window function whose arguments are total.
struct Step<'a> {
    fun: WindowFunctionDefinition,
    params: WindowFunctionParams,
    /// What is known of its first argument.
    of: Facts,
    /// Whether it looks at all rows of the person alike.
    alone: bool,
    rows: u64,
    steps: &'a mut Vec<Expr>,
}

impl Step<'_> {
    /// A function that is computed as it is.
    fn as_it_is(&mut self) -> Result<(Expr, Facts), Rejection> {
        let (fun, args) = (self.fun.clone(), self.params.args.clone());
        let constant = self.alone;
        let of = Facts { person: false, constant, nullable: true, ..self.of.clone() };
        let kept = self.kept();
        let rows = self.rows as f64;
        let least = if fun.name() == "nth_value" { 1 } else { -OFFSET_MAX };
        let rest = args.get(1).is_none_or(|offset| is_within(offset, least))
            && args.get(2).is_none_or(is_constant);
        let facts = match (fun.name(), args.as_slice()) {
            ("row_number" | "rank" | "dense_rank", []) => {
                Facts { range: Range::new(1.0, rows, 0), ..Facts::default() }
            }
            ("ntile", [parts]) if is_within(parts, 1) => Facts::default(),
            // A default may lie outside of what is known of the column.
            ("lag" | "lead", [_, _, _]) if rest => Facts { nullable: true, ..kept },
            ("lag" | "lead", [_, ..]) if rest => Facts { constant: false, ..of },
            ("first_value" | "last_value", [_]) => of,
            ("nth_value", [_, _]) if rest => of,
            ("min" | "max", [_]) => {
                let (range, domain) = (of.range, of.domain);
                Facts { range, domain, nullable: true, constant, ..kept }
            }
            ("count", [_]) => Facts { range: Range::new(0.0, rows, 0), constant, ..kept },
            (name, _) => return Err(no_rule(name)),
        };
        // Ranks and counts are of as many rows as are said to count, whatever there are.
        let kind = match fun.name() {
            "row_number" | "rank" | "dense_rank" => Some(DataType::UInt64),
            "count" => Some(DataType::Int64),
            _ => None,
        };
        let value = self.add(fun, args);
        let Some(kind) = kind else { return Ok((value, facts)) };
        Ok((cast(held(cast(value, DataType::Int64), facts.range)?, kind), facts))
    }

    /// SUM and AVG, over integers on the grid of the argument's bounds.
    fn added_up(&mut self, argument: &Expr, integer: bool) -> Result<(Expr, Facts), Rejection> {
        let (whole, step) = if integer {
            (cast(argument.clone(), DataType::Int64), 1.0)
        } else {
            on_grid(argument, self.of.range)?
        };
        let total = self.add(sum_udaf().into(), vec![whole.clone()]);
        let facts = Facts { nullable: true, constant: self.alone, ..self.kept() };
        if self.fun.name() == "sum" {
            let rows = self.rows as f64;
            let times =
                |r: Range| Range::new(r.lower.min(0.0) * rows, r.upper.max(0.0) * rows, r.decimals);
            let range = self.of.range.and_then(times);
            let value = match integer {
                true => held(total, range)?,
                false => cast(total, DataType::Float64) / lit(step),
            };
            return Ok((value, Facts { range, ..facts }));
        }
        let count = self.add(count_udaf().into(), vec![whole]);
        let mean = cast(total, DataType::Float64) / lit(step);
        let mean = mean / cast(count.clone(), DataType::Float64);
        let mean = when(count.gt(lit(0i64)), mean).end().map_err(unplanned)?;
        let wide = |r: Range| Range::new(r.lower, r.upper, PRODUCT_DECIMALS);
        Ok((mean, Facts { range: self.of.range.and_then(wide), ..facts }))
    }

    fn add(&mut self, fun: WindowFunctionDefinition, args: Vec<Expr>) -> Expr {
        let params = WindowFunctionParams { args, ..self.params.clone() };
        let name = format!("__graunt_w{}", self.steps.len());
        let step = WindowFunction { fun, params };
        self.steps.push(Expr::WindowFunction(Box::new(step)).alias(&name));
        Expr::Column(Column::from_name(name))
    }

    /// What is known of anything made of the argument.
    fn kept(&self) -> Facts {
        Facts { generalised: self.of.generalised.clone(), ..Facts::default() }
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
            _ if by.is_null() => true,
            WindowFrameUnits::Rows | WindowFrameUnits::Groups => {
                is_within(&Expr::Literal(by.clone(), None), 0)
            }
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

/// Whether a place in a window is a written-out whole number, not far away: an offset that does not
/// fit its type would fail for the first record that it is applied to.
fn is_within(offset: &Expr, least: i64) -> bool {
    let range = least as f64..=OFFSET_MAX as f64;
    literal(offset).is_some_and(|offset| offset.fract() == 0.0 && range.contains(&offset))
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

/// Furthest row that a window may look at.
const OFFSET_MAX: i64 = 1_000_000;

fn no_rule(name: &str) -> Rejection {
    Rejection::new(Code::Window, format!("{name} OVER has no rule")).at(name).hint(
        "ROW_NUMBER, RANK, DENSE_RANK, LAG, LEAD, FIRST_VALUE, LAST_VALUE, NTH_VALUE, COUNT, SUM, \
         AVG, MIN and MAX have one",
    )
}
