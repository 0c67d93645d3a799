//! Makes expressions total: no row can make one fail or loop.
//!
//! An expression that fails for some rows tells the analyst, by failing, that such a row exists.
//! So what may fail is rewritten to yield null, and what cannot be rewritten is refused. The list
//! is of what is allowed; a function that is not on it has no rule.

use std::cell::RefCell;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::functions::core::expr_fn::nullif;
use datafusion::functions::unicode::expr_fn::left as left_of;
use datafusion::logical_expr::expr::{BinaryExpr, Cast, ScalarFunction, TryCast};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, lit, when};

use crate::error::{Code, Rejection};
use crate::privacy::calendar::{self, Arithmetic, KEPT};
use crate::privacy::facts::{Scope, compares};
use crate::privacy::grid::GRID;
use crate::privacy::pattern::{check_like, check_match, is_regular};

/// Rewrites `expr` so that it cannot fail for any row.
///
/// # Errors
/// `R-FUNCTION`, `R-TYPE`, `R-SUBQUERY`, `R-AGGREGATE` or `R-WINDOW`, for what has no rule.
pub(crate) fn total(expr: &Expr, scope: Scope<'_>) -> Result<Expr, Rejection> {
    let refused = RefCell::new(None);
    let rewritten = expr.clone().transform_down_up(
        |expr| match check(&expr, scope) {
            Ok(jump) => Ok(Transformed::new(expr, false, jump)),
            Err(rejection) => stop(&refused, rejection),
        },
        |expr| match rewrite(expr, scope) {
            Ok(expr) => Ok(Transformed::yes(expr)),
            Err(rejection) => stop(&refused, rejection),
        },
    );
    match (rewritten, refused.into_inner()) {
        (_, Some(rejection)) => Err(rejection),
        (Ok(done), None) => Ok(done.data),
        (Err(error), None) => Err(Rejection::new(Code::Type, error.strip_backtrace())),
    }
}

fn stop<T>(
    refused: &RefCell<Option<Rejection>>,
    rejection: Rejection,
) -> Result<Transformed<T>, DataFusionError> {
    refused.replace(Some(rejection));
    Err(DataFusionError::Plan("refused".to_owned()))
}

/// Refuses what has no rule, before its arguments are looked at.
fn check(expr: &Expr, scope: Scope<'_>) -> Result<TreeNodeRecursion, Rejection> {
    let jump = match expr {
        Expr::Alias(_)
        | Expr::Column(_)
        | Expr::Not(_)
        | Expr::IsNotNull(_)
        | Expr::IsNull(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::IsNotUnknown(_)
        | Expr::Negative(_)
        | Expr::Between(_)
        | Expr::Case(_)
        | Expr::InList(_)
        | Expr::BinaryExpr(_) => TreeNodeRecursion::Continue,
        Expr::Cast(cast) => castable(&cast.expr, cast.field.data_type(), scope)?,
        Expr::TryCast(cast) => castable(&cast.expr, cast.field.data_type(), scope)?,
        Expr::Like(like) => {
            check_like(like)?;
            TreeNodeRecursion::Continue
        }
        Expr::Literal(value, _) if calendar::is_beyond(value) => {
            return Err(Rejection::new(Code::Type, format!("{value} is beyond the calendar"))
                .hint("dates are from 1850-01-01 to 2150-12-31"));
        }
        Expr::ScalarFunction(function) => listed(function)?,
        // Only subqueries of public tables get here; the operator's rule has looked at them.
        Expr::InSubquery(_) | Expr::ScalarSubquery(_) | Expr::Literal(..) => {
            TreeNodeRecursion::Continue
        }
        Expr::AggregateFunction(function) => {
            let name = function.func.name().to_owned();
            return Err(Rejection::new(Code::Aggregate, format!("{name} is nested here")).at(name));
        }
        Expr::WindowFunction(function) => {
            let name = function.fun.name().to_owned();
            return Err(Rejection::new(Code::Window, format!("{name} OVER has no rule")).at(name));
        }
        other => {
            let reason = format!("an expression has no rule: {}", other.variant_name());
            return Err(Rejection::new(Code::Function, reason));
        }
    };
    Ok(jump)
}

fn castable(from: &Expr, to: &DataType, scope: Scope<'_>) -> Result<TreeNodeRecursion, Rejection> {
    let plain = match to {
        DataType::Float32
        | DataType::Float64
        | DataType::Utf8
        | DataType::Utf8View
        | DataType::LargeUtf8
        | DataType::Boolean
        | DataType::Null => true,
        // Every integer of 64 bits has at most twenty digits.
        DataType::Decimal128(precision, 0) if *precision >= 20 => {
            type_of(from, scope)?.is_integer()
        }
        other => other.is_integer() || calendar::castable(from, &type_of(from, scope)?, other),
    };
    if plain {
        return Ok(TreeNodeRecursion::Continue);
    }
    Err(Rejection::new(Code::Type, format!("a cast to {to} may fail for some records"))
        .hint("cast to BIGINT, DOUBLE, VARCHAR, BOOLEAN or DATE"))
}

fn listed(function: &ScalarFunction) -> Result<TreeNodeRecursion, Rejection> {
    let name = function.name();
    let number = |i: usize| function.args.get(i).map(literal);
    let natural =
        |i: usize| number(i).is_none_or(|n| n.is_some_and(|n| n >= 0.0 && n.fract() == 0.0));
    let admitted = TOTAL.contains(&name)
        || name.starts_with(GRID)
        || name == KEPT
        || match name {
            // Its arguments are looked at once they are written as literals.
            "date_bin" => true,
            "date_part" | "date_trunc" => function.args.first().is_some_and(calendar::is_unit),
            "regexp_like" => function.args.len() == 2 && is_regular(&function.args[1]),
            "substr" | "left" | "right" => natural(1) && natural(2),
            "round" => number(1).is_none_or(|n| n.is_some_and(|n| n.abs() <= 15.0)),
            // Zero to a negative power fails.
            "power" => number(1).is_some_and(|n| n.is_some_and(|n| n >= 0.0)),
            _ => false,
        };
    if admitted {
        return Ok(TreeNodeRecursion::Continue);
    }
    Err(Rejection::new(Code::Function, format!("{name} is not known to be total here"))
        .at(name)
        .hint("use CASE, comparisons, arithmetic, COALESCE, LIKE or EXTRACT"))
}

fn rewrite(expr: Expr, scope: Scope<'_>) -> Result<Expr, Rejection> {
    match expr {
        Expr::Cast(Cast { expr, field }) => {
            if let Expr::Literal(value, _) = expr.as_ref() {
                let cast = value.cast_to(field.data_type()).ok();
                return cast.filter(|cast| !calendar::is_beyond(cast)).map(lit).ok_or_else(|| {
                    Rejection::new(Code::Type, format!("{value} is not a {}", field.data_type()))
                });
            }
            let field = Field::new(field.name(), field.data_type().clone(), true);
            tried(TryCast { expr, field: field.into() }, scope)
        }
        Expr::TryCast(cast) => tried(cast, scope),
        // The least integer has no negative.
        Expr::Negative(inner) => Ok(match least(&type_of(&inner, scope)?) {
            Some(least) => Expr::Negative(Box::new(nullif(*inner, least))),
            None => Expr::Negative(inner),
        }),
        Expr::BinaryExpr(binary) => arithmetic(binary, scope),
        Expr::ScalarFunction(function) => applied(function, scope),
        other => Ok(other),
    }
}

/// A cast that yields null where it cannot be made, and keeps to the calendar.
fn tried(cast: TryCast, scope: Scope<'_>) -> Result<Expr, Rejection> {
    let text = type_of(&cast.expr, scope)?.is_string();
    let dated = matches!(cast.field.data_type(), DataType::Date32 | DataType::Timestamp(..));
    let cast = Expr::TryCast(cast);
    Ok(if text && dated { calendar::kept_within(cast) } else { cast })
}

fn arithmetic(binary: BinaryExpr, scope: Scope<'_>) -> Result<Expr, Rejection> {
    let BinaryExpr { left, op, right } = binary;
    let kinds = (type_of(&left, scope)?, type_of(&right, scope)?);
    if decimals_may_overflow(op, &kinds.0, &kinds.1) {
        return Err(
            Rejection::new(Code::Type, "decimal arithmetic may overflow").hint("cast to DOUBLE")
        );
    }
    if matches!(op, Operator::Plus | Operator::Minus) {
        match calendar::arithmetic((&left, &kinds.0), (&right, &kinds.1)) {
            Arithmetic::Undated | Arithmetic::Days => {}
            Arithmetic::Moved => {
                let moved = Expr::BinaryExpr(BinaryExpr::new(left, op, right));
                return Ok(calendar::kept_within(moved));
            }
            Arithmetic::Unknown => {
                let reason = "this date arithmetic may leave the calendar";
                return Err(Rejection::new(Code::Function, reason)
                    .hint("add to a date at most a century, or subtract two dates"));
            }
        }
    }
    match op {
        Operator::Divide | Operator::Modulo => {
            let kind = type_of(&right, scope)?;
            let Some(zero) = zero(&kind) else {
                return Err(Rejection::new(Code::Type, format!("division by {kind}")));
            };
            // A divisor that is written out is neither zero nor -1, or it is treated as if unknown.
            let written = matches!(*right, Expr::Literal(..));
            let safe = written && literal(&right).is_some_and(|by| by.abs() > 1.0);
            let divisor = if safe { *right } else { nullif(*right, zero) };
            let dividend = match least(&type_of(&left, scope)?) {
                // The least integer divided by -1 does not fit.
                Some(least) if !safe => nullif(*left, least),
                _ => *left,
            };
            Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(dividend), op, Box::new(divisor))))
        }
        Operator::StringConcat => {
            // Text that doubles from step to step would fill the memory.
            Ok(left_of(Expr::BinaryExpr(BinaryExpr::new(left, op, right)), lit(TEXT_MAX)))
        }
        _ if compares(op)
            || op.is_logic_operator()
            || matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply)
            || matches!(op, Operator::BitwiseAnd | Operator::BitwiseOr | Operator::BitwiseXor) =>
        {
            check_match(op, &right)?;
            Ok(Expr::BinaryExpr(BinaryExpr::new(left, op, right)))
        }
        other => Err(Rejection::new(Code::Function, format!("operator {other} has no rule"))),
    }
}

/// Makes divisions of whole numbers total: a noisy number may be zero.
pub(crate) fn divided(expr: Expr, schema: &DFSchema) -> Expr {
    let total = |expr: Expr| {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else {
            return Ok(Transformed::no(expr));
        };
        let kind = right.get_type(schema).ok().filter(DataType::is_integer);
        let zero = kind.as_ref().and_then(zero).filter(|_| !matches!(*right, Expr::Literal(..)));
        let divides = matches!(op, Operator::Divide | Operator::Modulo);
        let right = match zero.filter(|_| divides) {
            Some(zero) => Box::new(nullif(*right, zero)),
            None => right,
        };
        Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })))
    };
    let kept = expr.clone();
    expr.transform_up(total).map_or(kept, |done| done.data)
}

/// Whether the result may need more digits than a decimal has.
fn decimals_may_overflow(op: Operator, left: &DataType, right: &DataType) -> bool {
    if compares(op) || !(left.is_decimal() || right.is_decimal()) {
        return false;
    }
    match (op, left, right) {
        (
            Operator::Plus | Operator::Minus,
            DataType::Decimal128(p, s),
            DataType::Decimal128(q, t),
        ) => {
            let digits = |p: u8, s: i8| i16::from(p) - i16::from(s);
            digits(*p, *s).max(digits(*q, *t)) + i16::from(*s.max(t)) + 1 > 38
        }
        _ => true,
    }
}

fn applied(function: ScalarFunction, scope: Scope<'_>) -> Result<Expr, Rejection> {
    let ScalarFunction { func, mut args } = function;
    match func.name() {
        "sqrt" | "ln" | "log10" | "log2" => {
            // Below zero they fail or yield NaN.
            let argument = args.remove(0);
            let kept = when(argument.clone().gt(lit(0)), argument).end();
            let kept = kept.map_err(|error| {
                Rejection::new(Code::Type, error.strip_backtrace()).at(func.name())
            })?;
            args.insert(0, kept);
        }
        "abs" => {
            if let Some(least) = least(&type_of(&args[0], scope)?) {
                args[0] = nullif(args[0].clone(), least);
            }
        }
        "concat" => {
            let joined = Expr::ScalarFunction(ScalarFunction { func, args });
            return Ok(left_of(joined, lit(TEXT_MAX)));
        }
        // A bin, as a week, may begin before the calendar does.
        "date_bin" => {
            let moment = args.get(1).map_or(Ok(DataType::Null), |of| type_of(of, scope))?;
            calendar::check_bins(&args, &moment)?;
            let bin = Expr::ScalarFunction(ScalarFunction { func, args });
            return Ok(calendar::kept_within(bin));
        }
        "date_trunc" => {
            let begin = Expr::ScalarFunction(ScalarFunction { func, args });
            return Ok(calendar::kept_within(begin));
        }
        _ => {}
    }
    Ok(Expr::ScalarFunction(ScalarFunction { func, args }))
}

fn type_of(expr: &Expr, scope: Scope<'_>) -> Result<DataType, Rejection> {
    expr.get_type(scope.schema).map_err(|error| Rejection::new(Code::Type, error.strip_backtrace()))
}

/// The number that an expression is, under casts.
pub(crate) fn literal(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Literal(value, _) => match value.cast_to(&DataType::Float64).ok()? {
            ScalarValue::Float64(number) => number,
            _ => None,
        },
        Expr::Cast(cast) => literal(&cast.expr),
        Expr::TryCast(cast) => literal(&cast.expr),
        Expr::Negative(inner) => literal(inner).map(|number| -number),
        _ => None,
    }
}

fn zero(kind: &DataType) -> Option<Expr> {
    ScalarValue::new_zero(kind).ok().filter(|_| kind.is_integer() || kind.is_floating()).map(lit)
}

fn least(kind: &DataType) -> Option<Expr> {
    Some(match kind {
        DataType::Int64 => lit(i64::MIN),
        DataType::Int32 => lit(i32::MIN),
        DataType::Int16 => lit(i16::MIN),
        DataType::Int8 => lit(i8::MIN),
        _ => return None,
    })
}

/// Longest text that is put together, in characters.
const TEXT_MAX: i64 = 4_096;

/// Functions that yield a value or null for every argument of their types. Date arithmetic is
/// total because the scan keeps dates within three centuries.
const TOTAL: &[&str] = &[
    "abs",
    "btrim",
    "ceil",
    "character_length",
    "coalesce",
    "concat",
    "exp",
    "floor",
    "greatest",
    "isnan",
    "least",
    "ln",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "nullif",
    "nvl",
    "rtrim",
    "signum",
    "sqrt",
    "starts_with",
    "strpos",
    "trunc",
    "upper",
];
