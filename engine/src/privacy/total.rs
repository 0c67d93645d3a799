//! Makes expressions total: no row can make one fail or loop.
//!
//! An expression that fails for some rows tells the analyst, by failing, that such a row exists.
//! So what may fail is rewritten to yield null, and what cannot be rewritten is refused. The list
//! is of what is allowed; a function that is not on it has no rule.

use std::cell::RefCell;

use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::expr::{BinaryExpr, Cast, Like, ScalarFunction, TryCast};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, lit, when};

use crate::error::{Code, Rejection};
use crate::privacy::facts::{Scope, compares};

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
        | Expr::Literal(..)
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
        Expr::Like(like) => pattern(like)?,
        Expr::ScalarFunction(function) => listed(function)?,
        // Only subqueries of public tables get here; the operator's rule has looked at them.
        Expr::InSubquery(_) | Expr::ScalarSubquery(_) => TreeNodeRecursion::Continue,
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
    let from_kind = type_of(from, scope)?;
    let plain = match to {
        // A number taken for a date may be any day at all, and date arithmetic would fail.
        DataType::Date32 | DataType::Timestamp(..) => {
            from_kind.is_string() || from_kind.is_temporal() || from_kind.is_null()
        }
        DataType::Interval(_) => matches!(from, Expr::Literal(..)),
        DataType::Float32
        | DataType::Float64
        | DataType::Utf8
        | DataType::Utf8View
        | DataType::LargeUtf8
        | DataType::Boolean
        | DataType::Null => true,
        other => other.is_integer(),
    };
    if plain {
        return Ok(TreeNodeRecursion::Continue);
    }
    Err(Rejection::new(Code::Type, format!("a cast to {to} may fail for some records"))
        .hint("cast to BIGINT, DOUBLE, VARCHAR, BOOLEAN or DATE"))
}

fn pattern(like: &Like) -> Result<TreeNodeRecursion, Rejection> {
    if matches!(*like.pattern, Expr::Literal(..)) {
        return Ok(TreeNodeRecursion::Continue);
    }
    Err(Rejection::new(Code::Function, "a pattern that differs from row to row may be no pattern")
        .at("LIKE")
        .hint("write the pattern as text"))
}

fn listed(function: &ScalarFunction) -> Result<TreeNodeRecursion, Rejection> {
    let name = function.name();
    let constant = |i: usize| function.args.get(i).is_none_or(|a| matches!(a, Expr::Literal(..)));
    let natural = |i: usize| {
        function.args.get(i).is_none_or(
            |argument| matches!(argument, Expr::Literal(ScalarValue::Int64(Some(n)), _) if *n >= 0),
        )
    };
    let admitted = TOTAL.contains(&name)
        || match name {
            "date_part" | "date_trunc" => function.args.first().is_some_and(is_calendar_unit),
            "regexp_like" => function.args.len() == 2 && is_regular(&function.args[1]),
            "substr" | "left" | "right" => natural(1) && natural(2),
            "round" => constant(1),
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
                return value.cast_to(field.data_type()).map(lit).map_err(|_| {
                    Rejection::new(Code::Type, format!("{value} is not a {}", field.data_type()))
                });
            }
            let field = Field::new(field.name(), field.data_type().clone(), true);
            Ok(Expr::TryCast(TryCast { expr, field: field.into() }))
        }
        Expr::BinaryExpr(binary) => arithmetic(binary, scope),
        Expr::ScalarFunction(function) => applied(function, scope),
        other => Ok(other),
    }
}

fn arithmetic(binary: BinaryExpr, scope: Scope<'_>) -> Result<Expr, Rejection> {
    let BinaryExpr { left, op, right } = binary;
    if !matches!(op, Operator::Plus | Operator::Minus) {
        for side in [&left, &right] {
            if type_of(side, scope)?.is_decimal() {
                return Err(Rejection::new(Code::Type, "decimal arithmetic may overflow")
                    .hint("cast to DOUBLE"));
            }
        }
    }
    if matches!(op, Operator::Plus | Operator::Minus) && !within_calendar(&left, &right, scope)? {
        return Err(Rejection::new(Code::Function, "this date arithmetic may leave the calendar")
            .hint("add to a date column at most a century, or subtract two date columns"));
    }
    match op {
        Operator::Divide | Operator::Modulo => {
            let kind = type_of(&right, scope)?;
            let Some(zero) = zero(&kind) else {
                return Err(Rejection::new(Code::Type, format!("division by {kind}")));
            };
            let divisor = nullif(*right, zero);
            let dividend = match least(&type_of(&left, scope)?) {
                // The least integer divided by -1 does not fit.
                Some(least) => nullif(*left, least),
                None => *left,
            };
            Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(dividend), op, Box::new(divisor))))
        }
        Operator::BitwiseShiftLeft | Operator::BitwiseShiftRight | Operator::StringConcat => {
            Ok(Expr::BinaryExpr(BinaryExpr::new(left, op, right)))
        }
        _ if compares(op)
            || op.is_logic_operator()
            || matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply)
            || matches!(op, Operator::BitwiseAnd | Operator::BitwiseOr | Operator::BitwiseXor) =>
        {
            regular(&op, &right)?;
            Ok(Expr::BinaryExpr(BinaryExpr::new(left, op, right)))
        }
        other => Err(Rejection::new(Code::Function, format!("operator {other} has no rule"))),
    }
}

/// A regular expression must be written out: a text that is none would fail.
fn regular(op: &Operator, pattern: &Expr) -> Result<(), Rejection> {
    let matching = matches!(
        op,
        Operator::RegexMatch
            | Operator::RegexIMatch
            | Operator::RegexNotMatch
            | Operator::RegexNotIMatch
    );
    if matching && !is_regular(pattern) {
        let reason = "the pattern is no regular expression that is written out";
        return Err(Rejection::new(Code::Function, reason).hint("write the pattern as text"));
    }
    Ok(())
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
        "date_trunc" if !matches!(args.get(1), Some(Expr::Column(_))) => {
            return Err(Rejection::new(
                Code::Function,
                "DATE_TRUNC of a computed date has no rule",
            )
            .at("date_trunc")
            .hint("truncate the column itself"));
        }
        _ => {}
    }
    Ok(Expr::ScalarFunction(ScalarFunction { func, args }))
}

fn type_of(expr: &Expr, scope: Scope<'_>) -> Result<DataType, Rejection> {
    expr.get_type(scope.schema).map_err(|error| Rejection::new(Code::Type, error.strip_backtrace()))
}

/// Whether a sum or difference stays within what dates can hold: columns are within three
/// centuries, so they may be moved by one, once, and compared with one another.
fn within_calendar(left: &Expr, right: &Expr, scope: Scope<'_>) -> Result<bool, Rejection> {
    let kinds = [type_of(left, scope)?, type_of(right, scope)?];
    if !kinds.iter().any(DataType::is_temporal) {
        return Ok(true);
    }
    let day = |expr: &Expr, kind: &DataType| {
        let plain = matches!(expr.clone().unalias(), Expr::Column(_) | Expr::Literal(..));
        plain && *kind == DataType::Date32
    };
    let step = |expr: &Expr| match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(by)), _) => {
            by.months.unsigned_abs() <= 1_200
                && by.days.unsigned_abs() <= 36_600
                && by.nanoseconds == 0
        }
        Expr::Literal(ScalarValue::Int64(Some(days)), _) => days.unsigned_abs() <= 36_600,
        Expr::Literal(ScalarValue::Int32(Some(days)), _) => days.unsigned_abs() <= 36_600,
        _ => false,
    };
    let (first, second) = (day(left, &kinds[0]), day(right, &kinds[1]));
    Ok(first && (second || step(right)) || second && step(left))
}

/// Whether an expression is the name of a unit that every date has.
fn is_calendar_unit(expr: &Expr) -> bool {
    let Expr::Literal(value, _) = expr else { return false };
    let Some(Some(unit)) = value.try_as_str() else { return false };
    let unit = unit.to_ascii_lowercase();
    ["year", "quarter", "month", "week", "day", "dow", "doy"].contains(&unit.as_str())
}

/// Whether an expression is a regular expression, written out; one that is none would fail for
/// the first row that it meets.
fn is_regular(expr: &Expr) -> bool {
    let Expr::Literal(value, _) = expr else { return false };
    let Some(Some(pattern)) = value.try_as_str() else { return false };
    regex::Regex::new(pattern).is_ok()
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
    "graunt_grid",
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
    "power",
    "rtrim",
    "signum",
    "sqrt",
    "starts_with",
    "strpos",
    "trunc",
    "upper",
];
