//! What a WHERE clause says about columns: narrower ranges and fewer keys.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::{Between, BinaryExpr, InList};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Operator};

use crate::privacy::facts::{Facts, Scope, sorted};
use crate::privacy::image::Days;
use crate::privacy::range::{Range, whole};

/// The facts of the columns of rows for which `predicate` holds.
///
/// Only conjuncts that compare one column with constants are used; others change nothing.
pub(crate) fn narrow(predicate: &Expr, scope: Scope<'_>) -> Vec<Facts> {
    let mut facts = scope.facts.to_vec();
    let mut ends: BTreeMap<usize, (Option<f64>, Option<f64>)> = BTreeMap::new();
    for conjunct in split_conjunction(predicate) {
        let Some((column, limits)) = limits(conjunct) else { continue };
        let Some(index) = scope.schema.maybe_index_of_column(column) else { continue };
        limits.apply(&mut facts[index]);
        let (lower, upper) = ends.entry(index).or_default();
        *lower = [*lower, limits.lower].into_iter().flatten().reduce(f64::max);
        *upper = [*upper, limits.upper].into_iter().flatten().reduce(f64::min);
    }
    for (index, ends) in ends {
        let kind = scope.schema.field(index).data_type();
        if *kind == DataType::Date32 {
            facts[index].days = within(facts[index].days, ends);
        }
        // The pseudonym is no quantity, whatever it is compared with.
        if facts[index].range.is_none() && !facts[index].person && kind.is_numeric() {
            let decimals = if kind.is_integer() { 0 } else { WRITTEN_DECIMALS };
            if let (Some(lower), Some(upper)) = ends {
                facts[index].range = Range::new(lower, upper, decimals);
            }
        }
    }
    facts
}

/// The days of a date that is compared with others at both ends, and perhaps was before.
fn within(before: Option<Days>, (lower, upper): (Option<f64>, Option<f64>)) -> Option<Days> {
    let day = |number: f64| i32::try_from(whole(number)?).ok();
    let lower = lower.and_then(day).into_iter().chain(before.map(|days| days.0)).max();
    let upper = upper.and_then(day).into_iter().chain(before.map(|days| days.1)).min();
    lower.zip(upper)
}

/// Decimal places that are kept of fractions whose bounds only the query says.
const WRITTEN_DECIMALS: u8 = 4;

/// What one conjunct allows for one column.
struct Limits {
    lower: Option<f64>,
    upper: Option<f64>,
    /// The only values allowed.
    values: Option<Vec<ScalarValue>>,
    /// Whether null is ruled out, as it is by every comparison.
    present: bool,
}

impl Limits {
    fn apply(&self, facts: &mut Facts) {
        facts.nullable &= !self.present;
        facts.range = facts.range.and_then(|range| range.within(self.lower, self.upper));
        match (&mut facts.domain, &self.values) {
            (Some(domain), Some(values)) => domain.retain(|value| values.contains(value)),
            (domain @ None, Some(values)) => *domain = Some(sorted(values.clone())),
            (Some(domain), None) => domain.retain(|value| {
                number(value).is_none_or(|number| {
                    self.lower.is_none_or(|lower| number >= lower)
                        && self.upper.is_none_or(|upper| number <= upper)
                })
            }),
            (None, None) => {}
        }
    }
}

fn limits(conjunct: &Expr) -> Option<(&Column, Limits)> {
    let none = Limits { lower: None, upper: None, values: None, present: true };
    match conjunct {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (column, op, value) = match (plain(left), constant(right)) {
                (Some(column), Some(value)) => (column, *op, value),
                _ => (plain(right)?, op.swap()?, constant(left)?),
            };
            let at = number(value);
            // The day before or after; between two numbers there may be others.
            let next = if value.data_type() == DataType::Date32 { 1.0 } else { 0.0 };
            let limits = match op {
                Operator::Eq => {
                    Limits { lower: at, upper: at, values: Some(vec![value.clone()]), ..none }
                }
                Operator::Lt => Limits { upper: at.map(|at| at - next), ..none },
                Operator::LtEq => Limits { upper: at, ..none },
                Operator::Gt => Limits { lower: at.map(|at| at + next), ..none },
                Operator::GtEq => Limits { lower: at, ..none },
                Operator::NotEq => none,
                _ => return None,
            };
            Some((column, limits))
        }
        Expr::Between(Between { expr, negated: false, low, high }) => {
            let (low, high) = (number(constant(low)?), number(constant(high)?));
            Some((plain(expr)?, Limits { lower: low, upper: high, ..none }))
        }
        Expr::InList(InList { expr, list, negated: false }) => {
            let values: Option<Vec<ScalarValue>> =
                list.iter().map(|value| constant(value).cloned()).collect();
            let numbers: Option<Vec<f64>> = values.as_ref()?.iter().map(number).collect();
            let least = |f: fn(f64, f64) -> f64| numbers.clone()?.into_iter().reduce(f);
            let (lower, upper) = (least(f64::min), least(f64::max));
            Some((plain(expr)?, Limits { lower, upper, values, ..none }))
        }
        Expr::IsNotNull(expr) => Some((plain(expr)?, none)),
        _ => None,
    }
}

fn plain(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        _ => None,
    }
}

fn constant(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) if !value.is_null() => Some(value),
        _ => None,
    }
}

/// A number, or the number of a day.
fn number(value: &ScalarValue) -> Option<f64> {
    if let ScalarValue::Date32(day) = value {
        return day.map(f64::from);
    }
    if !value.data_type().is_numeric() {
        return None;
    }
    match value.cast_to(&DataType::Float64).ok()? {
        ScalarValue::Float64(number) => number,
        _ => None,
    }
}
