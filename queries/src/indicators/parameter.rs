//! What may be asked otherwise: dates and integers, within limits, and nothing else.

use std::fmt;

use chrono::NaiveDate;

/// The value of a parameter.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A day of the calendar.
    Date(NaiveDate),
}

impl Value {
    /// As SQL has it: `2023`, `(-5)`, `DATE '2023-12-31'`.
    pub(super) fn sql(self) -> String {
        match self {
            // Without the parentheses, two minus signs in a row would begin a comment.
            Self::Integer(number) if number < 0 => format!("({number})"),
            Self::Integer(number) => number.to_string(),
            Self::Date(date) => format!("DATE '{date}'"),
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Integer(_) => "an integer",
            Self::Date(_) => "a date",
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => number.fmt(f),
            Self::Date(date) => date.fmt(f),
        }
    }
}

/// One parameter of an indicator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parameter {
    /// What it is where nobody says otherwise; it decides whether it is a date or an integer.
    pub default: Value,
    /// What it means.
    pub what: String,
    /// The least that it may be.
    pub least: Value,
    /// The most that it may be.
    pub most: Value,
}

impl Parameter {
    /// Whether it may be that.
    ///
    /// # Errors
    /// What is wrong, and what would be allowed.
    pub(super) fn check(&self, value: Value) -> Result<(), String> {
        if value.kind() != self.default.kind() {
            return Err(format!("it is {}, and {value} is {}", self.default.kind(), value.kind()));
        }
        if !(self.least..=self.most).contains(&value) {
            return Err(format!("{value} is not from {} to {}", self.least, self.most));
        }
        Ok(())
    }

    /// Reads a value as somebody writes it.
    ///
    /// # Errors
    /// What is wrong, and what would be allowed.
    pub(super) fn read(&self, written: &str) -> Result<Value, String> {
        let value = match self.default {
            Value::Integer(_) => written.parse().ok().map(Value::Integer),
            Value::Date(_) => date(written).map(Value::Date),
        };
        let value = value.ok_or_else(|| {
            format!("{written:?} is not {}, for instance {}", self.default.kind(), self.default)
        })?;
        self.check(value).map(|()| value)
    }
}

/// A day as ISO 8601 has it, four digits of the year first.
pub(super) fn date(written: &str) -> Option<NaiveDate> {
    let is_plain = written.len() == 10 && written.starts_with(|c: char| c.is_ascii_digit());
    written.parse().ok().filter(|_| is_plain)
}

/// The days that the engine computes with: parameters without limits have these.
pub(super) fn days_of_the_engine() -> Option<(Value, Value)> {
    let first = NaiveDate::from_ymd_opt(1850, 1, 1)?;
    let last = NaiveDate::from_ymd_opt(2150, 12, 31)?;
    Some((Value::Date(first), Value::Date(last)))
}

#[cfg(test)]
mod tests {
    use super::{Parameter, Value, date};

    fn day(text: &str) -> Value {
        Value::Date(date(text).unwrap())
    }

    fn start() -> Parameter {
        Parameter {
            default: day("2023-01-01"),
            what: "first day".to_owned(),
            least: day("2000-01-01"),
            most: day("2024-12-31"),
        }
    }

    #[test]
    fn values_are_read_within_their_limits() {
        assert_eq!(start().read("2024-02-29"), Ok(day("2024-02-29")));
        for (written, reason) in [
            ("2023-02-29", "\"2023-02-29\" is not a date, for instance 2023-01-01"),
            ("2023", "\"2023\" is not a date, for instance 2023-01-01"),
            ("+2023-1-01", "\"+2023-1-01\" is not a date, for instance 2023-01-01"),
            ("2023-01-01' OR 1", "\"2023-01-01' OR 1\" is not a date, for instance 2023-01-01"),
            ("1999-12-31", "1999-12-31 is not from 2000-01-01 to 2024-12-31"),
        ] {
            assert_eq!(start().read(written), Err(reason.to_owned()));
        }
        let reason = "it is a date, and 7 is an integer".to_owned();
        assert_eq!(start().check(Value::Integer(7)), Err(reason));
    }

    #[test]
    fn values_are_written_so_that_nothing_around_them_changes() {
        assert_eq!(Value::Integer(-5).sql(), "(-5)");
        assert_eq!(Value::Integer(i64::MIN).sql(), "(-9223372036854775808)");
        assert_eq!(Value::Integer(2023).sql(), "2023");
        assert_eq!(day("2023-12-31").sql(), "DATE '2023-12-31'");
    }
}
