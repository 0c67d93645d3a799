//! Aggregates within a person: from a person's rows to rows of the same person.
//!
//! Every aggregate here is exact and does not depend on the order of rows: sums of fractions are
//! sums of integers on the grid of their bounds.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::functions::core::expr_fn::least;
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, LogicalPlan, Projection, cast, lit, when,
};

use crate::error::{Code, Rejection};
use crate::privacy::facts::Facts;
use crate::privacy::grid::{on_grid, unbounded};
use crate::privacy::moments::{Centred, Spread};
use crate::privacy::range::{PRODUCT_DECIMALS, Range};
use crate::privacy::relation::{Analysis, Kind, Relation, column_of, named, unplanned};

impl Analysis<'_> {
    /// `GROUP BY person, …` over a person's rows.
    pub(crate) fn within_person(
        &mut self,
        aggregate: &Aggregate,
        input: Relation,
    ) -> Result<Relation, Rejection> {
        let Kind::PerPerson { units, rows_max } = input.kind.clone() else {
            return Err(Rejection::new(Code::Operator, "nobody's rows grouped by the person"));
        };
        let is_unit = |expr: &Expr| column_of(expr).is_some_and(|c| units.contains(c));
        let mut group = Vec::with_capacity(aggregate.group_expr.len());
        for (expr, (_, field)) in aggregate.group_expr.iter().zip(aggregate.schema.iter()) {
            let rewritten = self.row_expr(expr, &input)?;
            let plain = matches!(rewritten, Expr::Column(_));
            group.push(if plain { rewritten } else { rewritten.unalias().alias(field.name()) });
        }
        let mut facts = input.scope().all(&group);
        let mut inner = Vec::new();
        let mut outer = Vec::new();
        let rows = self.bounds.rows_per_person.map_or(rows_max, u64::from);
        for expr in &aggregate.aggr_expr {
            let (value, fact) = self.inner_aggregate(expr, &input, rows, &mut inner)?;
            outer.push(value);
            facts.push(fact);
        }
        let single = aggregate.group_expr.iter().all(is_unit);
        for fact in &mut facts {
            fact.constant |= single;
            fact.lineage = None;
        }
        let keys = group.len();
        let named_units: Vec<usize> =
            (0..keys).filter(|i| is_unit(&aggregate.group_expr[*i])).collect();
        let plan = Aggregate::try_new(Arc::new(input.plan), group, inner).map_err(unplanned)?;
        let plan = LogicalPlan::Aggregate(plan);
        let keys = (0..keys).map(|i| Expr::Column(Column::from(plan.schema().qualified_field(i))));
        let exprs: Vec<Expr> = keys
            .chain(outer)
            .zip(aggregate.schema.iter())
            .map(|(expr, (qualifier, field))| named(expr, qualifier, field.name()))
            .collect();
        let plan = Projection::try_new(exprs, Arc::new(plan)).map_err(unplanned)?;
        let output = |i: usize| Column::from(plan.schema.qualified_field(i));
        let units = named_units.into_iter().map(output).collect();
        let rows_max = if single { 1 } else { rows_max };
        let kind = Kind::PerPerson { units, rows_max };
        Ok(Relation { plan: LogicalPlan::Projection(plan), facts, kind })
    }

    /// The aggregate as an expression over exact ones, which are added to `inner`.
    fn inner_aggregate(
        &mut self,
        expr: &Expr,
        input: &Relation,
        rows: u64,
        inner: &mut Vec<Expr>,
    ) -> Result<(Expr, Facts), Rejection> {
        let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.clone().unalias()
        else {
            let reason = format!("{} is no aggregate", expr.schema_name());
            return Err(Rejection::new(Code::Aggregate, reason));
        };
        let mut args = Vec::with_capacity(params.args.len());
        for arg in &params.args {
            args.push(self.argument(arg, input)?);
        }
        let filter = match &params.filter {
            Some(filter) => Some(Box::new(self.argument(filter, input)?)),
            None => None,
        };
        let mut add = |of: Expr| -> Expr {
            let of = filtered(of, filter.clone());
            let name = format!("__graunt_i{}", inner.len());
            inner.push(of.alias(&name));
            Expr::Column(Column::from_name(name))
        };
        let plain = params.order_by.is_empty() && params.null_treatment.is_none();
        match (func.name(), args.as_slice(), params.distinct) {
            ("count", [_], _) | ("min" | "max", [_], false) if plain => {
                let facts = input.scope().facts(&args[0]);
                let counts = func.name() == "count";
                let params = AggregateFunctionParams { args, filter: None, ..params };
                let value = add(Expr::AggregateFunction(AggregateFunction { func, params }));
                Ok(if counts { counted(value, rows, &facts) } else { extreme(value, facts) })
            }
            ("sum" | "avg", [argument], false) if plain => {
                let facts = input.scope().facts(argument);
                let kind = argument.get_type(input.plan.schema()).map_err(unplanned)?;
                if func.name() == "sum" {
                    summed(argument, &facts, &kind, rows, &mut add)
                } else {
                    averaged(argument, &facts, kind.is_integer(), &mut add)
                }
            }
            ("var" | "var_pop" | "stddev" | "stddev_pop", [argument], false) if plain => {
                let facts = input.scope().facts(argument);
                spread(argument, &facts, Spread::named(func.name()), &mut add)
            }
            (name, ..) => {
                let reason = format!("{name} within a person has no rule yet");
                Err(Rejection::new(Code::Aggregate, reason)
                    .at(name)
                    .hint("COUNT, SUM, AVG, VAR, STDDEV, MIN and MAX have one"))
            }
        }
    }
}

/// A count, at most the number of rows that count.
fn counted(value: Expr, rows: u64, of: &Facts) -> (Expr, Facts) {
    let most = i64::try_from(rows).unwrap_or(i64::MAX);
    let range = Range::new(0.0, rows as f64, 0);
    (least(vec![value, lit(most)]), Facts { range, ..known(of) })
}

fn extreme(value: Expr, of: Facts) -> (Expr, Facts) {
    let kept = known(&of);
    (value, Facts { range: of.range, domain: of.domain, nullable: true, ..kept })
}

/// An integer that is held within a range that rows do not keep by themselves: what keys are listed
/// from must hold. Null stays null.
///
/// # Errors
/// [`Rejection`] only if the expression has no type, which was checked before.
pub(crate) fn held(value: Expr, range: Option<Range>) -> Result<Expr, Rejection> {
    let Some((lower, upper)) = range.and_then(Range::steps).filter(|_| is_whole(range)) else {
        return Ok(value);
    };
    when(value.clone().lt(lit(lower)), lit(lower))
        .when(value.clone().gt(lit(upper)), lit(upper))
        .otherwise(value)
        .map_err(unplanned)
}

fn is_whole(range: Option<Range>) -> bool {
    range.is_some_and(|range| range.decimals == 0)
}

fn summed(
    argument: &Expr,
    of: &Facts,
    kind: &DataType,
    rows: u64,
    add: &mut impl FnMut(Expr) -> Expr,
) -> Result<(Expr, Facts), Rejection> {
    let range = of.person_total.or_else(|| total(of.range, rows));
    let facts = Facts { range, nullable: true, ..known(of) };
    if kind.is_integer() {
        let value = add(sum(argument.clone()));
        let value = if kind.is_signed_integer() { held(value, range)? } else { value };
        return Ok((value, facts));
    }
    let (value, step) = on_grid(argument, of.range)?;
    Ok((cast(add(sum(value)), DataType::Float64) / lit(step), facts))
}

fn averaged(
    argument: &Expr,
    of: &Facts,
    integer: bool,
    add: &mut impl FnMut(Expr) -> Expr,
) -> Result<(Expr, Facts), Rejection> {
    let (value, step) =
        if integer { (argument.clone(), 1.0) } else { on_grid(argument, of.range)? };
    let counted = add(count(value.clone()));
    let summed = cast(add(sum(value)), DataType::Float64) / lit(step);
    let mean = when(counted.clone().gt(lit(0i64)), summed / cast(counted, DataType::Float64));
    let range = of.range.and_then(|r| Range::new(r.lower, r.upper, PRODUCT_DECIMALS));
    let facts = Facts { range, nullable: true, ..known(of) };
    Ok((mean.end().map_err(unplanned)?, facts))
}

/// VAR and STDDEV, from exact sums of steps from the middle of a public range, and of squares.
fn spread(
    argument: &Expr,
    of: &Facts,
    spread: Spread,
    add: &mut impl FnMut(Expr) -> Expr,
) -> Result<(Expr, Facts), Rejection> {
    let label = argument.schema_name().to_string();
    let x = Centred::within(of.range.ok_or_else(|| unbounded(&label))?, &label)?;
    let (value, step) = on_grid(argument, Some(x.range))?;
    let value = value - lit(x.middle);
    let float = |of: Expr| cast(of, DataType::Float64);
    let n = float(add(count(value.clone())));
    let first = float(add(sum(value.clone()))) / lit(step);
    let second = float(add(sum(value.clone() * value))) / lit(step * step);
    let width = x.range.upper - x.range.lower;
    // Nothing varies more than two values at the ends: by half of the square of the width.
    let most = if spread.root { width } else { width * width };
    let facts =
        Facts { range: Range::new(0.0, most, PRODUCT_DECIMALS), nullable: true, ..known(of) };
    Ok((spread.of(n, first, second)?, facts))
}

/// What an aggregate of a column keeps of what is known of it.
fn known(of: &Facts) -> Facts {
    Facts { generalised: of.generalised.clone(), ..Facts::default() }
}

fn filtered(of: Expr, filter: Option<Box<Expr>>) -> Expr {
    match of {
        Expr::AggregateFunction(mut function) => {
            function.params.filter = filter;
            Expr::AggregateFunction(function)
        }
        other => other,
    }
}

fn total(range: Option<Range>, rows: u64) -> Option<Range> {
    let range = range?;
    let rows = rows as f64;
    Range::new(range.lower.min(0.0) * rows, range.upper.max(0.0) * rows, range.decimals)
}
