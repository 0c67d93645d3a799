//! Single values as sources write them, read leniently as what they should be.
//!
//! It does not know tables or policies.

use std::borrow::Cow;

use arrow::array::{Array, LargeStringArray};
use chrono::NaiveDate;

/// A column as it was read.
#[derive(Debug)]
pub(super) enum RawColumn {
    /// Nothing in any row.
    Missing,
    /// Whole numbers.
    Integer(Vec<Option<i64>>),
    /// Numbers.
    Float(Vec<Option<f64>>),
    /// Text.
    Text(LargeStringArray),
    /// Days since 1970-01-01.
    Day(Vec<Option<i32>>),
}

/// A value as it was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    /// Nothing.
    Missing,
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// Text, trimmed, not empty.
    Text(&'a str),
    /// Days since 1970-01-01.
    Day(i32),
}

/// A value as it should be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lenient<T> {
    /// There is none.
    Missing,
    /// It is one.
    Value(T),
    /// There is something, and it is no such value.
    Unreadable,
}

/// An identifier in a source: numbers are the same however they are written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Id<'a> {
    /// A whole number, written as `7`, `7.0` or stored as one.
    Integer(i64),
    /// Anything else, `007` and universally unique ones among it.
    Text(&'a str),
}

impl RawColumn {
    /// The value in a row; missing past the end.
    pub(super) fn cell(&self, row: usize) -> Cell<'_> {
        let cell = match self {
            Self::Missing => None,
            Self::Integer(values) => values.get(row).copied().flatten().map(Cell::Integer),
            Self::Float(values) => values.get(row).copied().flatten().map(Cell::Float),
            Self::Text(values) => {
                let there = row < values.len() && values.is_valid(row);
                let text = if there { values.value(row).trim() } else { "" };
                (!text.is_empty()).then_some(Cell::Text(text))
            }
            Self::Day(values) => values.get(row).copied().flatten().map(Cell::Day),
        };
        cell.unwrap_or(Cell::Missing)
    }
}

impl<'a> Cell<'a> {
    /// As a whole number: `7`, `7.0`, stored as text, integer or float.
    pub(super) fn integer(self) -> Lenient<i64> {
        match self {
            Self::Missing => Lenient::Missing,
            Self::Integer(value) => Lenient::Value(value),
            Self::Float(value) if !value.is_finite() => Lenient::Missing,
            Self::Float(value) => whole(value).map_or(Lenient::Unreadable, Lenient::Value),
            Self::Text(text) if stands_for_nothing(text) => Lenient::Missing,
            Self::Text(text) => parse_whole(text).map_or(Lenient::Unreadable, Lenient::Value),
            Self::Day(_) => Lenient::Unreadable,
        }
    }

    /// As a finite number; not-a-number and infinity are missing.
    pub(super) fn float(self) -> Lenient<f64> {
        let value = match self {
            Self::Missing => return Lenient::Missing,
            Self::Integer(value) => value as f64,
            Self::Float(value) => value,
            Self::Text(text) if stands_for_nothing(text) => return Lenient::Missing,
            Self::Text(text) => match text.parse() {
                Ok(value) => value,
                Err(_) => return Lenient::Unreadable,
            },
            Self::Day(_) => return Lenient::Unreadable,
        };
        // Zero has one sign, so that equal rows are equal bytes.
        if value.is_finite() { Lenient::Value(value + 0.0) } else { Lenient::Missing }
    }

    /// As days since 1970-01-01: a date, `YYYY-MM-DD` with or without a time, or `YYYYMMDD`.
    pub(super) fn day(self) -> Lenient<i32> {
        let day = match self {
            Self::Missing => return Lenient::Missing,
            Self::Day(day) => Some(day),
            Self::Integer(value) => parse_day(&value.to_string()),
            Self::Float(value) => whole(value).and_then(|value| parse_day(&value.to_string())),
            Self::Text(text) if stands_for_nothing(text) => return Lenient::Missing,
            Self::Text(text) => parse_day(text),
        };
        // A time stamp far outside the calendar is no date.
        day.filter(|day| DAYS.contains(day)).map_or(Lenient::Unreadable, Lenient::Value)
    }

    /// As text; numbers that are whole are written without a point.
    pub(super) fn text(self) -> Lenient<Cow<'a, str>> {
        match self {
            Self::Missing => Lenient::Missing,
            Self::Integer(value) => Lenient::Value(value.to_string().into()),
            Self::Float(value) if !value.is_finite() => Lenient::Missing,
            Self::Float(value) => Lenient::Value(
                whole(value).map_or_else(|| value.to_string(), |whole| whole.to_string()).into(),
            ),
            Self::Text(text) => Lenient::Value(text.into()),
            Self::Day(day) => Lenient::Value(date_of(day).to_string().into()),
        }
    }

    /// As an identifier, if there is one.
    pub(super) fn id(self) -> Option<Id<'a>> {
        match (self, self.integer()) {
            (Self::Text(text), Lenient::Value(value)) => {
                // A number with leading zeros may be another person's than the one without.
                let padded = text.len() > 1 && text.starts_with('0') && !text.starts_with("0.");
                Some(if padded { Id::Text(text) } else { Id::Integer(value) })
            }
            (Self::Text(text), Lenient::Unreadable) => Some(Id::Text(text)),
            (_, Lenient::Value(value)) => Some(Id::Integer(value)),
            _ => None,
        }
    }
}

/// The date of days since 1970-01-01; the epoch itself for days outside the calendar.
pub(super) fn date_of(day: i32) -> NaiveDate {
    NaiveDate::from_epoch_days(day).unwrap_or(NaiveDate::MIN)
}

/// The whole number that a float is, if it is one that floats hold exactly.
fn whole(value: f64) -> Option<i64> {
    let exact = value.fract() == 0.0 && value.abs() <= EXACT;
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
    exact.then_some(value as i64)
}

/// A whole number, perhaps with a decimal point and zeros after it.
fn parse_whole(text: &str) -> Option<i64> {
    let digits = match text.split_once('.') {
        Some((digits, zeros)) if zeros.bytes().all(|byte| byte == b'0') => digits,
        Some(_) => return None,
        None => text,
    };
    digits.parse().ok()
}

/// Reads the day of `YYYY-MM-DD`, that with a time after it, or `YYYYMMDD`.
fn parse_day(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| -> Option<u32> {
        let part = text.get(range)?;
        if part.bytes().all(|byte| byte.is_ascii_digit()) { part.parse().ok() } else { None }
    };
    let (year, month, day) = if bytes.len() == 8 {
        (digits(0..4)?, digits(4..6)?, digits(6..8)?)
    } else {
        let separated = bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-');
        let ended = matches!(bytes.get(10), None | Some(b'T' | b't' | b' '));
        if !separated || !ended {
            return None;
        }
        (digits(0..4)?, digits(5..7)?, digits(8..10)?)
    };
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    Some(date.to_epoch_days())
}

/// What sources write for nothing, beside nothing.
fn stands_for_nothing(text: &str) -> bool {
    ["NULL", "null", "NA", "\\N", "NaN", "nan"].contains(&text)
}

/// Below this every whole number is a float: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The years 1 to 9999.
const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_however_they_are_written() {
        for cell in [Cell::Integer(7), Cell::Float(7.0), Cell::Text("7"), Cell::Text("7.0")] {
            assert_eq!(cell.integer(), Lenient::Value(7));
            assert_eq!(cell.id(), Some(Id::Integer(7)));
        }
        assert_eq!(Cell::Text("7.5").integer(), Lenient::Unreadable);
        assert_eq!(Cell::Text("NA").integer(), Lenient::Missing);
        assert_eq!(Cell::Float(f64::NAN).integer(), Lenient::Missing);
        assert_eq!(Cell::Text("007").id(), Some(Id::Text("007")));
        assert_eq!(Cell::Text("a-7").id(), Some(Id::Text("a-7")));
        assert_eq!(Cell::Text("0").id(), Some(Id::Integer(0)));
    }

    #[test]
    fn floats_are_finite_or_missing() {
        assert_eq!(Cell::Text("inf").float(), Lenient::Missing);
        assert_eq!(Cell::Float(f64::NEG_INFINITY).float(), Lenient::Missing);
        assert_eq!(Cell::Text("1e2").float(), Lenient::Value(100.0));
        assert_eq!(Cell::Text("high").float(), Lenient::Unreadable);
        assert!(matches!(Cell::Float(-0.0).float(), Lenient::Value(v) if v.is_sign_positive()));
    }

    #[test]
    fn dates_are_read_in_three_forms() {
        // 2020-02-29 is day 18,321.
        for text in ["2020-02-29", "20200229", "2020-02-29T23:59:59Z", "2020-02-29 00:00:00"] {
            assert_eq!(Cell::Text(text).day(), Lenient::Value(18_321), "{text}");
        }
        assert_eq!(Cell::Integer(20_200_229).day(), Lenient::Value(18_321));
        assert_eq!(Cell::Day(18_321).day(), Lenient::Value(18_321));
        for text in ["2021-02-29", "29.02.2020", "2020-02-291", "+2020022", "2020"] {
            assert_eq!(Cell::Text(text).day(), Lenient::Unreadable, "{text}");
        }
    }

    #[test]
    fn text_is_trimmed_and_empty_text_is_missing() {
        let column = RawColumn::Text(LargeStringArray::from(vec![Some(" x "), Some("  "), None]));
        assert_eq!(column.cell(0), Cell::Text("x"));
        assert_eq!((column.cell(1), column.cell(2)), (Cell::Missing, Cell::Missing));
        assert_eq!(Cell::Float(2.0).text(), Lenient::Value("2".into()));
    }
}
