//! Dates stay within the calendar, by induction: the scan keeps them within three centuries, and
//! whatever makes a date or a moment out of something else is kept within them too.

use arrow::array::{AsArray, BooleanArray};
use arrow::compute::{cast, nullif};
use arrow::datatypes::{DataType, Date32Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::{Code, Rejection};
use crate::scan::reader::{DATE_MAX, DATE_MIN};

/// Whether casting `from` to the temporal type `to` keeps to the calendar.
pub(crate) fn castable(from: &Expr, from_kind: &DataType, to: &DataType) -> bool {
    match to {
        // A number taken for a date may be any day at all.
        DataType::Date32 => from_kind.is_string() || from_kind.is_null() || is_moment(from_kind),
        DataType::Timestamp(_, None) => {
            *from_kind == DataType::Date32
                || is_moment(from_kind)
                || from_kind.is_string()
                || matches!(from, Expr::Literal(..))
        }
        DataType::Interval(_) => matches!(from, Expr::Literal(..)),
        _ => false,
    }
}

/// Null for dates and moments that leave the calendar.
pub(crate) fn kept_within(date: Expr) -> Expr {
    kept().call(vec![date])
}

/// The function of [`kept_within`].
pub(crate) fn kept() -> ScalarUDF {
    let signature = Signature::any(1, Volatility::Immutable);
    ScalarUDF::new_from_impl(Kept { signature })
}

/// Name of the function of [`kept_within`].
pub(crate) const KEPT: &str = "graunt_kept";

/// `graunt_kept(date)`: the date, or null beyond the calendar. A function and no CASE, which would
/// say its date three times, and dates that are moved again and again three times each time.
#[derive(Debug, Eq, Hash, PartialEq)]
struct Kept {
    signature: Signature,
}

impl ScalarUDFImpl for Kept {
    fn name(&self) -> &str {
        KEPT
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        types.first().cloned().ok_or_else(|| DataFusionError::Plan("no date".to_owned()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let dates = &ColumnarValue::values_to_arrays(&args.args)?[0];
        let days = cast(dates, &DataType::Date32)?;
        let days = days.as_primitive::<Date32Type>().iter();
        let within = |day: Option<i32>| day.is_some_and(|day| (DATE_MIN..=DATE_MAX).contains(&day));
        let beyond: BooleanArray = days.map(|day| Some(!within(day))).collect();
        Ok(ColumnarValue::Array(nullif(dates, &beyond)?))
    }
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
/// one, once, and compared with another, without leaving what a date or a moment can hold.
pub(crate) fn arithmetic(left: (&Expr, &DataType), right: (&Expr, &DataType)) -> Arithmetic {
    if !left.1.is_temporal() && !right.1.is_temporal() {
        return Arithmetic::Undated;
    }
    let moves = |to: &DataType, by: &Expr| match to {
        DataType::Date32 => is_step(by),
        DataType::Timestamp(_, None) => span(by).is_some_and(|nanoseconds| {
            nanoseconds.unsigned_abs() <= CENTURY_DAYS.unsigned_abs() * DAY.unsigned_abs()
        }),
        _ => false,
    };
    match (left.1, right.1) {
        (DataType::Date32, DataType::Date32) => Arithmetic::Days,
        (to, _) if moves(to, right.0) => Arithmetic::Moved,
        (_, to) if moves(to, left.0) => Arithmetic::Moved,
        _ => Arithmetic::Unknown,
    }
}

/// Checks the arguments of DATE_BIN, a width, a moment and perhaps an origin: what is left to go
/// wrong yields null, row by row.
///
/// # Errors
/// `R-FUNCTION` if the width or the origin is not written out, or has no bins of at most a
/// century.
pub(crate) fn check_bins(arguments: &[Expr], moment: &DataType) -> Result<(), Rejection> {
    let refused = |reason: &str| {
        Err(Rejection::new(Code::Function, format!("date_bin: {reason}"))
            .at("date_bin")
            .hint("for instance DATE_BIN(INTERVAL '7 days', visit_start_date, DATE '2020-01-06')"))
    };
    let Some(Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(width)), _)) = arguments.first()
    else {
        return refused("the width of the bins is not written out");
    };
    let is_mixed = width.months != 0 && (width.days != 0 || width.nanoseconds != 0);
    let length = arguments.first().and_then(span).unwrap_or_default();
    let is_forward = width.months >= 0 && width.days >= 0 && width.nanoseconds >= 0;
    if is_mixed || !is_forward || !(1..=CENTURY_DAYS * DAY).contains(&length) {
        return refused("bins are some months wide, or some days and hours, at most a century");
    }
    let origin = match arguments.get(2) {
        None => true,
        Some(Expr::Literal(origin, _)) => {
            matches!(origin, ScalarValue::TimestampNanosecond(Some(_), None))
        }
        Some(_) => false,
    };
    if !origin {
        return refused("the origin of the bins is not written out");
    }
    if !matches!(moment, DataType::Timestamp(_, None)) {
        return refused("bins are of dates and moments without a time zone");
    }
    Ok(())
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

/// Whether an expression is a written-out span of days of at most a century.
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

/// The most nanoseconds that a written-out span may reach over, whatever its parts' signs.
fn span(expr: &Expr) -> Option<i128> {
    let Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(by)), _) = expr else { return None };
    let days = i128::from(by.months.unsigned_abs()) * 31 + i128::from(by.days.unsigned_abs());
    Some(days * DAY + i128::from(by.nanoseconds.unsigned_abs()))
}

/// Nanoseconds of a day.
const DAY: i128 = 86_400_000_000_000;

/// 1,200 months of 31 days: three centuries and one on either side fit a moment's nanoseconds.
const CENTURY_DAYS: i128 = 37_200;

#[cfg(test)]
mod tests {
    use arrow::datatypes::{IntervalMonthDayNano, TimeUnit};
    use datafusion::logical_expr::lit;

    use super::*;

    fn interval(months: i32, days: i32, nanoseconds: i64) -> Expr {
        let by = IntervalMonthDayNano { months, days, nanoseconds };
        lit(ScalarValue::IntervalMonthDayNano(Some(by)))
    }

    #[test]
    fn a_moment_is_moved_by_a_century_at_most_in_all() {
        let moment = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let moved = |by: &Expr, to: &DataType| {
            arithmetic((&lit("the date"), to), (by, &DataType::Null)) == Arithmetic::Moved
        };
        let hours = interval(0, 0, 3_600_000_000_000);
        assert!(moved(&hours, &moment) && !moved(&hours, &DataType::Date32));
        assert!(moved(&interval(-1_200, 0, 0), &moment));
        // Each part is within a century; together they would reach past what a moment can hold.
        assert!(!moved(&interval(1_200, 36_600, 0), &moment));
        assert!(!moved(&interval(1_200, -36_600, 0), &moment));
        assert!(!moved(&interval(i32::MIN, i32::MIN, i64::MIN), &moment));
    }

    #[test]
    fn the_width_of_bins_is_above_zero_and_of_one_kind() {
        let moment = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let day = || lit("the date");
        let admits = |width: Expr| check_bins(&[width, day()], &moment).is_ok();
        assert!(admits(interval(3, 0, 0)) && admits(interval(0, 1, 1)));
        let refused =
            [(0, 0, 0), (-1, 0, 0), (0, 1, -1), (1, 1, 0), (1_201, 0, 0), (0, 0, i64::MIN)];
        for (months, days, nanoseconds) in refused {
            assert!(!admits(interval(months, days, nanoseconds)), "{months} {days} {nanoseconds}");
        }
        let origin = |at| lit(ScalarValue::TimestampNanosecond(at, None));
        let from = |origin| check_bins(&[interval(0, 7, 0), day(), origin], &moment).is_ok();
        assert!(from(origin(Some(0))) && !from(origin(None)) && !from(day()));
    }
}
