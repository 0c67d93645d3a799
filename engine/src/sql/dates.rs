//! Functions of dates in the spellings of several dialects, written as sums, differences and
//! EXTRACT: what the engine can bound. It does not compute with dates itself.
//!
//! ```text
//! DATE_DIFF('month', a, b)  the months that begin after a, up to b      (DuckDB)
//! DATEDIFF(month, a, b)     the same; its weeks begin on Sunday         (Transact-SQL)
//! DATE_DIFF(b, a, MONTH)    the same; its weeks begin on Sunday         (GoogleSQL)
//! DATEDIFF(b, a)            days                                        (MySQL, Spark)
//! DATEADD(month, 3, a)      a moved by three months; so DATE_ADD and DATE_SUB
//! YEAR(a), MONTH(a), …      EXTRACT(YEAR FROM a), …
//! ```

use datafusion::sql::sqlparser::ast::{BinaryOperator, DateTimeField, Expr, Interval, Value};

use crate::error::Rejection;
use crate::sql::call::{Call, binary, date, extract, literal, nested, quoted, whole_number};

/// The day that weeks begin with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WeekStart {
    /// As ISO 8601 has it.
    Monday,
    /// As Transact-SQL has it, whatever its settings.
    Sunday,
}

/// Writes a call of a function of dates as plain arithmetic; `None` if it is of another function.
///
/// # Errors
/// `R-FUNCTION` if the unit is unknown, or if a date is moved by a step that is not written out.
pub(crate) fn rewritten(call: &Call<'_>, week: WeekStart) -> Result<Option<Expr>, Rejection> {
    let expr = match (call.name.as_str(), call.arguments.as_slice()) {
        ("date_diff" | "datediff", _) => difference(call, week)?,
        ("date_add" | "dateadd", _) => moved(call, 1)?,
        ("date_sub", _) => moved(call, -1)?,
        ("datepart", [unit, from]) => extract(part(call, unit)?, &dated(from)),
        ("year", [from]) => extract(DateTimeField::Year, &dated(from)),
        ("quarter", [from]) => extract(DateTimeField::Quarter, &dated(from)),
        ("month", [from]) => extract(DateTimeField::Month, &dated(from)),
        ("day", [from]) => extract(DateTimeField::Day, &dated(from)),
        _ => return Ok(None),
    };
    Ok(Some(expr))
}

/// A string that holds a date, as that date; anything else as it is.
pub(crate) fn dated(expr: &Expr) -> Expr {
    let Some(text) = quoted(expr) else { return expr.clone() };
    let digits: Vec<&str> = match text.len() {
        10 => text.split('-').collect(),
        8 if text.is_ascii() => vec![&text[..4], &text[4..6], &text[6..]],
        _ => return expr.clone(),
    };
    let is_date = matches!(digits.as_slice(), [year, month, day]
        if year.len() == 4 && month.len() == 2 && day.len() == 2)
        && digits.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    if is_date { date(&digits.join("-")) } else { expr.clone() }
}

/// A unit that dates are counted in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Unit {
    Day,
    Week(WeekStart),
    Month,
    Quarter,
    Year,
}

impl Unit {
    fn named(name: &str, week: WeekStart) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "day" | "days" => Some(Self::Day),
            "week" | "weeks" => Some(Self::Week(week)),
            "isoweek" => Some(Self::Week(WeekStart::Monday)),
            "month" | "months" => Some(Self::Month),
            "quarter" | "quarters" => Some(Self::Quarter),
            "year" | "years" => Some(Self::Year),
            _ => None,
        }
    }

    /// The short names of Transact-SQL.
    fn abbreviated(name: &str, week: WeekStart) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "dd" | "d" => Some(Self::Day),
            "wk" | "ww" => Some(Self::Week(week)),
            "mm" | "m" => Some(Self::Month),
            "qq" | "q" => Some(Self::Quarter),
            "yyyy" | "yy" => Some(Self::Year),
            _ => None,
        }
    }

    /// Reads `'day'` or `day`. Short names belong to the functions without an underscore: in
    /// GoogleSQL's DATE_DIFF(d, …, DAY) they are columns.
    fn of(call: &Call<'_>, expr: &Expr, week: WeekStart) -> Option<Self> {
        let name = match expr {
            Expr::Identifier(name) if name.quote_style.is_none() => name.value.as_str(),
            _ => quoted(expr)?,
        };
        let short = || (!call.name.contains('_')).then(|| Self::abbreviated(name, week))?;
        Self::named(name, week).or_else(short)
    }
}

fn difference(call: &Call<'_>, week: WeekStart) -> Result<Expr, Rejection> {
    let (unit, from, to) = match call.arguments.as_slice() {
        [to, from] if call.name == "datediff" => (Unit::Day, from, to),
        [first, second, third] => match Unit::of(call, first, week) {
            Some(unit) => (unit, second, third),
            None => match third {
                Expr::Identifier(name) if call.name == "date_diff" => {
                    let unit = Unit::named(&name.value, WeekStart::Sunday);
                    (unit.ok_or_else(|| unknown_unit(call))?, second, first)
                }
                _ => return Err(unknown_unit(call)),
            },
        },
        _ => return Err(unknown_unit(call)),
    };
    let (from, to) = (dated(from), dated(to));
    let minus = |left, right| binary(left, BinaryOperator::Minus, right);
    let change = |field: DateTimeField| minus(extract(field.clone(), &to), extract(field, &from));
    // Years, times the units of a year, and the units within the year.
    let within_years = |units, field| {
        let years = binary(change(DateTimeField::Year), BinaryOperator::Multiply, literal(units));
        binary(years, BinaryOperator::Plus, change(field))
    };
    Ok(nested(match unit {
        Unit::Day => minus(to, from),
        Unit::Week(start) => minus(weeks(to, start), weeks(from, start)),
        Unit::Month => within_years("12", DateTimeField::Month),
        Unit::Quarter => within_years("4", DateTimeField::Quarter),
        Unit::Year => change(DateTimeField::Year),
    }))
}

/// Whole weeks since before the first date that records may hold, so that nothing negative is
/// divided: division rounds toward zero.
fn weeks(day: Expr, start: WeekStart) -> Expr {
    let first = match start {
        WeekStart::Monday => FIRST_MONDAY,
        WeekStart::Sunday => FIRST_SUNDAY,
    };
    let days = binary(day, BinaryOperator::Minus, date(first));
    binary(days, BinaryOperator::Divide, literal("7"))
}

fn moved(call: &Call<'_>, sign: i64) -> Result<Expr, Rejection> {
    let (unit, count, from) = match call.arguments.as_slice() {
        [unit, count, from] => (Unit::of(call, unit, WeekStart::Monday), *count, from),
        [from, Expr::Interval(step)] => {
            let field = step.leading_field.as_ref().map(ToString::to_string);
            let unit = field.and_then(|field| Unit::named(&field, WeekStart::Monday));
            (unit, &*step.value, from)
        }
        [from, days] => (Some(Unit::Day), *days, from),
        _ => return Err(unknown_unit(call)),
    };
    let unit = unit.ok_or_else(|| unknown_unit(call))?;
    let count = whole_number(count).or_else(|| quoted(count)?.trim().parse().ok());
    let (field, per_unit) = match unit {
        Unit::Day => (DateTimeField::Day, 1),
        Unit::Week(_) => (DateTimeField::Day, 7),
        Unit::Month => (DateTimeField::Month, 1),
        Unit::Quarter => (DateTimeField::Month, 3),
        Unit::Year => (DateTimeField::Year, 1),
    };
    let step = count.and_then(|count| count.checked_mul(per_unit)?.checked_mul(sign));
    let Some(step) = step else {
        let hint =
            "a date is moved by a number that is written out, as in date + INTERVAL '30' DAY";
        return Err(call.refuse("the step is not a written whole number").hint(hint));
    };
    let interval = Expr::Interval(Interval {
        value: Box::new(Expr::value(Value::SingleQuotedString(step.unsigned_abs().to_string()))),
        leading_field: Some(field),
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    });
    let op = if step < 0 { BinaryOperator::Minus } else { BinaryOperator::Plus };
    Ok(nested(binary(dated(from), op, interval)))
}

fn part(call: &Call<'_>, unit: &Expr) -> Result<DateTimeField, Rejection> {
    match Unit::of(call, unit, WeekStart::Monday) {
        Some(Unit::Day) => Ok(DateTimeField::Day),
        Some(Unit::Month) => Ok(DateTimeField::Month),
        Some(Unit::Quarter) => Ok(DateTimeField::Quarter),
        Some(Unit::Year) => Ok(DateTimeField::Year),
        // Weeks of a year are numbered differently from dialect to dialect.
        Some(Unit::Week(_)) | None => {
            let hint = "the parts are year, quarter, month and day; else EXTRACT(part FROM date)";
            Err(call.refuse("the part is not known").hint(hint))
        }
    }
}

fn unknown_unit(call: &Call<'_>) -> Rejection {
    let hint = match call.name.as_str() {
        "date_diff" | "datediff" => {
            "for instance DATE_DIFF('day', start, end); units are day, week, month, quarter, year"
        }
        _ => {
            "for instance DATE_ADD('day', 30, date); the units are day, week, month, quarter, year"
        }
    };
    call.refuse("the unit or the number of arguments is not known").hint(hint)
}

// Records hold no date before 1850; these are the last such days before that.
const FIRST_MONDAY: &str = "1849-12-31";
const FIRST_SUNDAY: &str = "1849-12-30";

#[cfg(test)]
mod tests;
