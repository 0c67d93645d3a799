//! Dates stay within the calendar, by induction: the scan keeps them within three centuries, and
//! whatever makes a date out of something else is kept within them too.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit, when};

use crate::error::{Code, Rejection};
use crate::scan::table::{DATE_MAX, DATE_MIN};

/// Whether casting `from` to the temporal type `to` keeps to the calendar.
pub(crate) fn castable(from: &Expr, from_kind: &DataType, to: &DataType) -> bool {
    match to {
        // A number taken for a date may be any day at all.
        DataType::Date32 => from_kind.is_string() || from_kind.is_null() || is_moment(from_kind),
        DataType::Timestamp(_, None) => {
            *from_kind == DataType::Date32
                || is_moment(from_kind)
                || matches!(from, Expr::Literal(..))
        }
        DataType::Interval(_) => matches!(from, Expr::Literal(..)),
        _ => false,
    }
}

/// Null for dates that leave the calendar.
///
/// # Errors
/// `R-TYPE` if the comparison cannot be planned, which does not happen for dates.
pub(crate) fn kept_within(date: Expr) -> Result<Expr, Rejection> {
    let day = |day| lit(ScalarValue::Date32(Some(day)));
    let within = date.clone().gt_eq(day(DATE_MIN)).and(date.clone().lt_eq(day(DATE_MAX)));
    when(within, date).end().map_err(|error| Rejection::new(Code::Type, error.strip_backtrace()))
}

/// Whether a constant is a date or a moment outside of the calendar.
pub(crate) fn is_beyond(value: &ScalarValue) -> bool {
    let kind = value.data_type();
    if value.is_null() || !kind.is_temporal() || is_span(&kind) {
        return false;
    }
    match value.cast_to(&DataType::Date32) {
        Ok(ScalarValue::Date32(Some(day))) => !(DATE_MIN..=DATE_MAX).contains(&day),
        _ => true,
    }
}

/// Whether a type holds lengths of time, or times of day, and no date.
const fn is_span(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Interval(_) | DataType::Duration(_) | DataType::Time32(_) | DataType::Time64(_)
    )
}

/// What a sum or difference of these is, as far as dates are concerned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Arithmetic {
    /// No date takes part.
    Undated,
    /// Days between two dates.
    Days,
    /// A date moved by at most a century.
    Moved,
    /// Anything else: it may leave the calendar.
    Unknown,
}

/// Looks at a sum or difference. Dates are within three centuries, so that one may be moved by
/// one, once, and compared with another, without leaving what a date can hold.
pub(crate) fn arithmetic(left: (&Expr, &DataType), right: (&Expr, &DataType)) -> Arithmetic {
    if !left.1.is_temporal() && !right.1.is_temporal() {
        return Arithmetic::Undated;
    }
    let date = |(_, kind): (&Expr, &DataType)| *kind == DataType::Date32;
    match (date(left), date(right)) {
        (true, true) => Arithmetic::Days,
        (true, false) if is_step(right.0) => Arithmetic::Moved,
        (false, true) if is_step(left.0) => Arithmetic::Moved,
        _ => Arithmetic::Unknown,
    }
}

/// Whether an expression is the name of a unit that every date has.
pub(crate) fn is_unit(expr: &Expr) -> bool {
    let Expr::Literal(value, _) = expr else { return false };
    let Some(Some(unit)) = value.try_as_str() else { return false };
    let unit = unit.to_ascii_lowercase();
    ["year", "quarter", "month", "week", "day", "dow", "doy"].contains(&unit.as_str())
}

fn is_moment(kind: &DataType) -> bool {
    matches!(kind, DataType::Date32 | DataType::Timestamp(_, None))
}

/// Whether an expression is a written-out span of at most a century.
pub(crate) fn is_step(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(by)), _) => {
            by.months.unsigned_abs() <= 1_200
                && by.days.unsigned_abs() <= 36_600
                && by.nanoseconds == 0
        }
        Expr::Literal(ScalarValue::Int64(Some(days)), _) => days.unsigned_abs() <= 36_600,
        Expr::Literal(ScalarValue::Int32(Some(days)), _) => days.unsigned_abs() <= 36_600,
        _ => false,
    }
}
