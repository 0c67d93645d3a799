//! Days, counted from 1970-01-01 as Arrow's `Date32` counts them.

use chrono::{Datelike, Days, NaiveDate};

/// Days since 1970-01-01.
pub(super) type Day = i32;

/// First day of the study window, 2019-01-01.
pub(super) const WINDOW_START: Day = 17_897;

/// Last day of the study window, 2023-12-31.
pub(super) const WINDOW_END: Day = 19_722;

/// Whole years of the study window.
pub(super) const WINDOW_YEARS: i32 = 5;

/// First calendar year of the study window.
pub(super) const FIRST_YEAR: i32 = 2019;

/// Mean length of a year, in days.
pub(super) const YEAR_DAYS: f64 = 365.25;

/// Year, month and day of the month.
pub(super) fn civil(day: Day) -> (i32, u32, u32) {
    let date = u64::try_from(day).map_or_else(
        |_| NaiveDate::default().checked_sub_days(Days::new(u64::from(day.unsigned_abs()))),
        |days| NaiveDate::default().checked_add_days(Days::new(days)),
    );
    let date = date.unwrap_or_default();
    (date.year(), date.month(), date.day())
}

/// Age in completed years, near enough: by the mean length of a year.
pub(super) fn age_on(day: Day, birth: Day) -> usize {
    let days = usize::try_from(day - birth).unwrap_or(0);
    days * 100 / 36_525
}

/// Quarter of the study window that a day falls into; days before it belong to the first.
pub(super) fn quarter_on(day: Day) -> u32 {
    let (year, month, _) = civil(day);
    u32::try_from(year - FIRST_YEAR).unwrap_or(0) * 4 + (month - 1) / 3
}

#[cfg(test)]
mod tests {
    use super::{WINDOW_END, WINDOW_START, age_on, civil, quarter_on};

    #[test]
    fn the_window_is_five_calendar_years() {
        assert_eq!(civil(WINDOW_START), (2019, 1, 1));
        assert_eq!(civil(WINDOW_END), (2023, 12, 31));
        assert_eq!(civil(-1), (1969, 12, 31));
        assert_eq!((quarter_on(WINDOW_START), quarter_on(WINDOW_END)), (0, 19));
    }

    #[test]
    fn ages_are_completed_years() {
        let birth = WINDOW_START - 36_525;
        assert_eq!((age_on(WINDOW_START - 1, birth), age_on(WINDOW_START, birth)), (99, 100));
        assert_eq!(age_on(birth - 1, birth), 0);
    }
}
