//! Weeks of surveillance: ISO 8601 weeks and the MMWR weeks of the CDC, of dates and back.
//!
//! Both number weeks by their fourth day: a week belongs to the year of that day. ISO weeks begin
//! on Monday, MMWR weeks on Sunday. Nothing here knows of counts.

use chrono::{Datelike, Days, NaiveDate};
use std::fmt::{Display, Formatter};

/// Whose weeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WeekSystem {
    /// From Monday to Sunday; week 1 has the first Thursday.
    ///
    /// # Source
    /// ISO 8601-1:2019, calendar weeks.
    Iso,
    /// From Sunday to Saturday; week 1 has the first Wednesday.
    ///
    /// # Source
    /// CDC, National Notifiable Diseases Surveillance System, "MMWR Weeks": the first week of
    /// the year is the first with at least four days in it.
    Mmwr,
}

impl WeekSystem {
    /// How many weeks a year has, 52 or 53; `None` outside the years that dates can have.
    pub fn weeks_of(self, year: i32) -> Option<u32> {
        // The last of December is in the year's last week or, if not, in the first of the next
        // year; seven days before, it is the last week then.
        let last = NaiveDate::from_ymd_opt(year, 12, 31)?;
        let week = Week::of(last, self)?;
        if week.year == year {
            return Some(week.number);
        }
        Some(Week::of(last.checked_sub_days(Days::new(7))?, self)?.number)
    }
}

/// A week of one system.
///
/// Weeks of one system are in order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Week {
    system: WeekSystem,
    year: i32,
    number: u32,
}

impl Week {
    /// The week with this number of a year; `None` where the year has no such week.
    pub fn new(system: WeekSystem, year: i32, number: u32) -> Option<Self> {
        let there = number >= 1 && number <= system.weeks_of(year)?;
        there.then_some(Self { system, year, number })
    }

    /// The week that a date is in; `None` at the ends of what dates can be.
    pub fn of(date: NaiveDate, system: WeekSystem) -> Option<Self> {
        let days_before = match system {
            WeekSystem::Iso => date.weekday().num_days_from_monday(),
            WeekSystem::Mmwr => date.weekday().num_days_from_sunday(),
        };
        let first = date.checked_sub_days(Days::new(u64::from(days_before)))?;
        let fourth = first.checked_add_days(Days::new(3))?;
        Some(Self { system, year: fourth.year(), number: fourth.ordinal0() / 7 + 1 })
    }

    /// Whose week it is.
    pub const fn system(self) -> WeekSystem {
        self.system
    }

    /// The year it is numbered in, which a few of its days may lie outside of.
    pub const fn year(self) -> i32 {
        self.year
    }

    /// Its number in the year, from 1.
    pub const fn number(self) -> u32 {
        self.number
    }

    /// Its Monday (ISO) or Sunday (MMWR); `None` at the ends of what dates can be.
    pub fn first_day(self) -> Option<NaiveDate> {
        // The fourth of January is in week 1 under both systems.
        let within_first = NaiveDate::from_ymd_opt(self.year, 1, 4)?;
        let days_before = match self.system {
            WeekSystem::Iso => within_first.weekday().num_days_from_monday(),
            WeekSystem::Mmwr => within_first.weekday().num_days_from_sunday(),
        };
        let first = within_first.checked_sub_days(Days::new(u64::from(days_before)))?;
        first.checked_add_days(Days::new(u64::from(self.number - 1) * 7))
    }

    /// Its Sunday (ISO) or Saturday (MMWR); `None` at the ends of what dates can be.
    pub fn last_day(self) -> Option<NaiveDate> {
        self.first_day()?.checked_add_days(Days::new(6))
    }

    /// The week after it; `None` at the end of what dates can be.
    pub fn next(self) -> Option<Self> {
        Self::of(self.first_day()?.checked_add_days(Days::new(7))?, self.system)
    }

    /// Every week from this one to `last`, both included; none if `last` is earlier or of the
    /// other system.
    ///
    /// A curve is drawn over these, not over the weeks that had cases.
    pub fn through(self, last: Self) -> impl Iterator<Item = Self> {
        let first = (self.system == last.system).then_some(self);
        std::iter::successors(first, |week| week.next()).take_while(move |week| *week <= last)
    }

    /// The weeks that a series leaves out between its first and its last, in order.
    pub fn gaps(series: &[Self]) -> Vec<Self> {
        let (Some(&first), Some(&last)) = (series.iter().min(), series.iter().max()) else {
            return vec![];
        };
        first.through(last).filter(|week| !series.contains(week)).collect()
    }
}

impl Display for Week {
    /// `2020-W53`, or `2020-MMWR53`.
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let name = match self.system {
            WeekSystem::Iso => "W",
            WeekSystem::Mmwr => "MMWR",
        };
        write!(formatter, "{:04}-{name}{:02}", self.year, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::{Week, WeekSystem};
    use chrono::{Datelike, Days, NaiveDate};

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn mmwr(text: &str) -> (i32, u32) {
        let week = Week::of(date(text), WeekSystem::Mmwr).unwrap();
        (week.year(), week.number())
    }

    #[test]
    fn iso_weeks_are_those_of_chrono_for_four_centuries() {
        let mut day = date("1800-01-01");
        while day < date("2200-01-01") {
            let week = Week::of(day, WeekSystem::Iso).unwrap();
            assert_eq!(
                (week.year(), week.number()),
                (day.iso_week().year(), day.iso_week().week())
            );
            day = day + Days::new(1);
        }
    }

    /// CDC, MMWR weeks calendars: 2008, 2014, 2020 and 2025 have 53 weeks; week 1 of 2016 ends on
    /// 2016-01-09, week 53 of 2014 on 2015-01-03, week 53 of 2020 on 2021-01-02.
    #[test]
    fn mmwr_weeks_are_those_of_the_cdc_calendars() {
        assert_eq!(mmwr("2016-01-09"), (2016, 1));
        assert_eq!(mmwr("2016-01-02"), (2015, 52));
        assert_eq!(mmwr("2015-01-03"), (2014, 53));
        assert_eq!(mmwr("2015-01-04"), (2015, 1));
        assert_eq!(mmwr("2019-12-28"), (2019, 52));
        assert_eq!(mmwr("2019-12-29"), (2020, 1));
        assert_eq!(mmwr("2021-01-02"), (2020, 53));
        assert_eq!(mmwr("2021-01-03"), (2021, 1));
        let long = (2005..=2026).filter(|&year| WeekSystem::Mmwr.weeks_of(year) == Some(53));
        assert_eq!(long.collect::<Vec<_>>(), [2008, 2014, 2020, 2025]);
        let long = (2000..=2026).filter(|&year| WeekSystem::Iso.weeks_of(year) == Some(53));
        assert_eq!(long.collect::<Vec<_>>(), [2004, 2009, 2015, 2020, 2026]);
    }

    #[test]
    fn a_week_leads_to_its_days_and_back() {
        for system in [WeekSystem::Iso, WeekSystem::Mmwr] {
            let first = Week::new(system, 1990, 1).unwrap();
            let last = Week::new(system, 2030, 1).unwrap();
            let weeks: Vec<Week> = first.through(last).collect();
            for pair in weeks.windows(2) {
                let day_after = pair[0].last_day().unwrap() + Days::new(1);
                assert_eq!(pair[1].first_day().unwrap(), day_after);
                assert_eq!(Week::of(day_after, system), Some(pair[1]));
                assert_eq!(Week::new(system, pair[0].year(), pair[0].number()), Some(pair[0]));
            }
            // Forty years, ten of them leap years: 14,610 days, some two thousand weeks.
            let days = last.first_day().unwrap() - first.first_day().unwrap();
            assert_eq!(i64::try_from(weeks.len()).unwrap() - 1, days.num_days() / 7);
        }
    }

    #[test]
    fn a_series_says_what_it_leaves_out() {
        let week = |year, number| Week::new(WeekSystem::Iso, year, number).unwrap();
        let gaps = Week::gaps(&[week(2021, 2), week(2020, 51), week(2020, 53)]);
        assert_eq!(gaps, [week(2020, 52), week(2021, 1)]);
        assert_eq!(Week::gaps(&[]), []);
        assert_eq!(Week::new(WeekSystem::Iso, 2021, 53), None);
        assert_eq!(Week::new(WeekSystem::Iso, 2021, 0), None);
        let other = Week::new(WeekSystem::Mmwr, 2021, 2).unwrap();
        assert_eq!(week(2021, 1).through(other).count(), 0);
        assert_eq!(week(2020, 53).to_string(), "2020-W53");
        assert_eq!(other.to_string(), "2021-MMWR02");
    }
}
