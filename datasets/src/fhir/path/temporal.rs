//! Dates and times that may be known in part: to the year, the month, the day, or further.
//!
//! # Source
//! FHIR R4, section 2.24 (date, dateTime, instant, time); FHIRPath 2.0.0, sections 5.5.7
//! (time zones), 6.1.1 and 6.2 (equality and order of partial dates), and, for boundaries, the
//! continuous build of FHIRPath 3.0.0, `lowBoundary` and `highBoundary`.

use std::cmp::Ordering;

use chrono::NaiveDate;

/// A date, a date with a time, or a time of day.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Temporal {
    /// Year, month, day; as many as are known; none of a time of day.
    date: Vec<u32>,
    /// Hour, minute, second; as many as are known.
    time: Vec<u32>,
    /// Digits after the second's point.
    fraction: String,
    /// Minutes by which the clock is ahead of UTC.
    offset_minutes: Option<i32>,
}

/// Which end of the time that a partial date may mean.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// The first moment.
    Low,
    /// The last.
    High,
}

impl Temporal {
    /// Reads the forms of FHIR: `2020`, `2020-02`, `2020-02-29`, that with `T12:30:00.5+02:00`,
    /// and `12:30:00`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(time) = text.strip_prefix('T') {
            return Self::time_of_day(time);
        }
        if text.as_bytes().get(2) == Some(&b':') {
            return Self::time_of_day(text);
        }
        let (date, rest) = match text.split_once('T') {
            Some((date, rest)) => (date, Some(rest)),
            None => (text, None),
        };
        let date = parts(date, '-', &[4, 2, 2])?;
        is_in_calendar(&date).then_some(())?;
        let Some(rest) = rest else {
            return Some(Self::new(date, vec![], String::new(), None));
        };
        if rest.is_empty() {
            return Some(Self::new(date, vec![], String::new(), None));
        }
        let (clock, offset_minutes) = split_offset(rest)?;
        let (time, fraction) = clock_time(clock)?;
        (date.len() == 3).then(|| Self::new(date, time, fraction, offset_minutes))
    }

    fn time_of_day(text: &str) -> Option<Self> {
        let (time, fraction) = clock_time(text)?;
        Some(Self::new(vec![], time, fraction, None))
    }

    fn new(date: Vec<u32>, time: Vec<u32>, fraction: String, offset_minutes: Option<i32>) -> Self {
        Self { date, time, fraction, offset_minutes }
    }

    /// Whether it is a date without a time.
    pub(super) fn is_date(&self) -> bool {
        self.time.is_empty()
    }

    /// Whether it is a time without a date.
    pub(super) fn is_time_of_day(&self) -> bool {
        self.date.is_empty()
    }

    /// Which is later; `None` if that depends on what is not known of either.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        if self.is_time_of_day() != other.is_time_of_day() {
            return None;
        }
        match (self.moment(), other.moment()) {
            (Some(one), Some(two)) => return Some(one.cmp(&two)),
            _ if self.offset_minutes.is_some() != other.offset_minutes.is_some()
                && !self.is_date()
                && !other.is_date() =>
            {
                return None;
            }
            _ => {}
        }
        let (one, two) = (self.known(), other.known());
        for (one, two) in one.iter().zip(&two) {
            match one.cmp(two) {
                Ordering::Equal => {}
                unequal => return Some(unequal),
            }
        }
        (one.len() == two.len()).then_some(Ordering::Equal)
    }

    /// The end of a date, to the day.
    pub(super) fn date_boundary(&self, end: End) -> Option<String> {
        let (year, month, day) = self.day(end)?;
        Some(format!("{year:04}-{month:02}-{day:02}"))
    }

    /// The end of a date with a time, to the millisecond. Without an offset it may be anywhere
    /// on the globe: 14 hours ahead at its earliest, and 12 behind at its latest.
    pub(super) fn moment_boundary(&self, end: End) -> Option<String> {
        let date = self.date_boundary(end)?;
        let time = self.time_boundary(end);
        let offset = self.offset_minutes.unwrap_or(match end {
            End::Low => 14 * 60,
            End::High => -12 * 60,
        });
        let sign = if offset < 0 { '-' } else { '+' };
        let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
        Some(format!("{date}T{time}{sign}{hours:02}:{minutes:02}"))
    }

    /// The end of a time of day, to the millisecond.
    pub(super) fn time_boundary(&self, end: End) -> String {
        let (last, digit) = match end {
            End::Low => ([0, 0, 0], '0'),
            End::High => ([23, 59, 59], '9'),
        };
        let part = |at: usize| self.time.get(at).or(last.get(at)).copied().unwrap_or(0);
        let mut fraction: String = self.fraction.chars().take(3).collect();
        while fraction.len() < 3 {
            fraction.push(digit);
        }
        format!("{:02}:{:02}:{:02}.{fraction}", part(0), part(1), part(2))
    }

    fn day(&self, end: End) -> Option<(u32, u32, u32)> {
        let year = *self.date.first()?;
        let low = end == End::Low;
        let month = self.date.get(1).copied().unwrap_or(if low { 1 } else { 12 });
        let day = match self.date.get(2) {
            Some(day) => *day,
            None if low => 1,
            None => days_of(year, month)?,
        };
        Some((year, month, day))
    }

    /// Milliseconds since 1970 in UTC, of what is known to the second with its offset.
    fn moment(&self) -> Option<i64> {
        let (Some(offset), [hour, minute, second]) = (self.offset_minutes, self.time.as_slice())
        else {
            return None;
        };
        let (year, month, day) = self.day(End::Low)?;
        let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
        let minutes =
            i64::from(date.to_epoch_days()) * 1440 + i64::from(*hour) * 60 + i64::from(*minute)
                - i64::from(offset);
        Some((minutes * 60 + i64::from(*second)) * 1000 + i64::from(self.milliseconds()))
    }

    /// The parts that are known, largest first; seconds with their fraction.
    fn known(&self) -> Vec<u32> {
        let mut known: Vec<u32> = self.date.iter().chain(&self.time).copied().collect();
        if let (3, Some(second)) = (self.time.len(), known.last_mut()) {
            *second = *second * 1000 + self.milliseconds();
        }
        known
    }

    fn milliseconds(&self) -> u32 {
        let digits: String = self.fraction.chars().chain("000".chars()).take(3).collect();
        digits.parse().unwrap_or(0)
    }
}

/// Numbers of fixed widths with a mark between them; the first, or more.
fn parts(text: &str, mark: char, widths: &[usize]) -> Option<Vec<u32>> {
    let mut found = Vec::with_capacity(widths.len());
    for part in text.split(mark) {
        let width = widths.get(found.len())?;
        let is_number = part.len() == *width && part.bytes().all(|byte| byte.is_ascii_digit());
        found.push(is_number.then(|| part.parse().ok())??);
    }
    Some(found)
}

fn is_in_calendar(date: &[u32]) -> bool {
    let (year, month) = (date.first().copied(), date.get(1).copied().unwrap_or(1));
    let last = year.filter(|year| *year > 0).and_then(|year| days_of(year, month));
    let day = date.get(2).copied().unwrap_or(1);
    last.is_some_and(|last| (1..=last).contains(&day))
}

fn days_of(year: u32, month: u32) -> Option<u32> {
    let year = i32::try_from(year).ok()?;
    let first = NaiveDate::from_ymd_opt(year, month, 1)?;
    let next = first.checked_add_months(chrono::Months::new(1))?;
    u32::try_from(next.signed_duration_since(first).num_days()).ok()
}

/// A time, and by how many minutes its clock is ahead.
fn split_offset(text: &str) -> Option<(&str, Option<i32>)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, Some(0)));
    }
    let Some(at) = text.find(['+', '-']) else { return Some((text, None)) };
    let (clock, offset) = text.split_at(at);
    let ahead = offset.starts_with('+');
    let offset = parts(offset.get(1..)?, ':', &[2, 2])?;
    let [hours, minutes] = offset.as_slice() else { return None };
    let minutes = i32::try_from((*hours <= 14 && *minutes < 60).then(|| hours * 60 + minutes)?);
    Some((clock, Some(if ahead { minutes.ok()? } else { -minutes.ok()? })))
}

fn clock_time(text: &str) -> Option<(Vec<u32>, String)> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let time = parts(clock, ':', &[2, 2, 2])?;
    let fits = time.iter().zip([23, 59, 60]).all(|(part, last)| *part <= last);
    let is_fraction = fraction.bytes().all(|byte| byte.is_ascii_digit())
        && (fraction.is_empty() || time.len() == 3);
    (fits && is_fraction && fraction.is_empty() != text.contains('.'))
        .then(|| (time, fraction.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temporal(text: &str) -> Temporal {
        Temporal::parse(text).unwrap()
    }

    #[test]
    fn only_what_is_in_the_calendar_is_a_date() {
        for text in ["2020", "2020-02", "2020-02-29", "2020-02-29T23:59:60Z", "12:34:00", "T12"] {
            assert!(Temporal::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "20",
            "2021-02-29",
            "2020-13",
            "2020-2-1",
            "2020-02T10:00:00",
            "0000",
            "2020-02-29T24:00:00",
            "2020-02-29T10:00:00+15:00",
            "2020-02-29T10:00:00.",
            "12:34:00.x",
            "Smith",
        ] {
            assert!(Temporal::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn partial_dates_are_ordered_only_where_they_differ() {
        let compare = |one: &str, two: &str| temporal(one).compare(&temporal(two));
        assert_eq!(compare("2020", "2021-05"), Some(Ordering::Less));
        assert_eq!(compare("2020", "2020-05"), None);
        assert_eq!(compare("2020-05-02", "2020-05-02"), Some(Ordering::Equal));
        assert_eq!(compare("12:30:00", "12:30:00.000"), Some(Ordering::Equal));
        assert_eq!(compare("12:30", "2020"), None);
    }

    #[test]
    fn clocks_are_brought_together() {
        let compare = |one: &str, two: &str| temporal(one).compare(&temporal(two));
        let same = compare("2020-01-01T00:30:00+02:00", "2019-12-31T22:30:00Z");
        assert_eq!(same, Some(Ordering::Equal));
        assert_eq!(compare("2020-01-01T10:00:00Z", "2020-01-01T10:00:00"), None);
        assert_eq!(compare("2020-01-01T10:00:00Z", "2020-01-02"), Some(Ordering::Less));
    }

    #[test]
    fn boundaries_are_the_first_and_last_that_may_be_meant() {
        let february = temporal("2020-02");
        assert_eq!(february.date_boundary(End::Low).unwrap(), "2020-02-01");
        assert_eq!(february.date_boundary(End::High).unwrap(), "2020-02-29");
        assert_eq!(
            temporal("2010").moment_boundary(End::High).unwrap(),
            "2010-12-31T23:59:59.999-12:00"
        );
        assert_eq!(
            temporal("2010-10-10T09:00:00.25-05:30").moment_boundary(End::Low).unwrap(),
            "2010-10-10T09:00:00.250-05:30"
        );
        assert_eq!(temporal("12:34").time_boundary(End::High), "12:34:59.999");
    }
}
