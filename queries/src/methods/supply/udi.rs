//! Unique device identifiers as GS1 prints them: `(01)` product, `(11)` made, `(17)` expires,
//! `(10)` lot, `(21)` serial.
//!
//! The serial names one device, and with it one person: it is dropped as it is read.

use chrono::{Datelike, Days, Months, NaiveDate};

/// What an identifier says of the lot, and nothing of the single device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceLot {
    /// The trade item number: 14 digits.
    pub gtin: String,
    /// The lot or batch, if it is given.
    pub lot: Option<String>,
    /// When it was made.
    pub made: Option<NaiveDate>,
    /// The last day it may be used on.
    pub expires: Option<NaiveDate>,
}

/// Why text is no identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UdiError {
    /// It is not a sequence of `(number)value`.
    #[error("not a sequence of (number)value")]
    Form,
    /// There is no `(01)`, or it has not 14 digits.
    #[error("no trade item number of 14 digits")]
    Gtin,
    /// A date is not six digits, or no day of the calendar.
    #[error("a date is no YYMMDD")]
    Date,
}

impl DeviceLot {
    /// Reads an identifier in its printed form. `near` is a year when it was in use, such as that
    /// of the record: years of two digits are within 50 of it. The day 00 is the last of its month.
    ///
    /// Other numbers than those above are passed over. A wrong check digit is not refused; see
    /// [`Self::has_check_digit`].
    ///
    /// # Errors
    /// `Form`, `Gtin`, `Date`.
    ///
    /// # Privacy
    /// The serial is never kept.
    ///
    /// # Source
    /// GS1 General Specifications, sections 3 (identifiers) and 7.12 (century of two-digit years).
    pub fn parse(text: &str, near: i32) -> Result<Self, UdiError> {
        let mut lot = Self { gtin: String::new(), lot: None, made: None, expires: None };
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (number, after) = rest
                .strip_prefix('(')
                .and_then(|rest| rest.split_once(')'))
                .ok_or(UdiError::Form)?;
            if !(2..=4).contains(&number.len()) || !number.bytes().all(|byte| byte.is_ascii_digit())
            {
                return Err(UdiError::Form);
            }
            let (value, next) = after.split_at(after.find('(').unwrap_or(after.len()));
            if value.is_empty() {
                return Err(UdiError::Form);
            }
            match number {
                "01" => value.clone_into(&mut lot.gtin),
                "10" => lot.lot = Some(value.to_owned()),
                "11" => lot.made = Some(date(value, near)?),
                "17" => lot.expires = Some(date(value, near)?),
                _ => {}
            }
            rest = next;
        }
        let is_gtin = lot.gtin.len() == 14 && lot.gtin.bytes().all(|byte| byte.is_ascii_digit());
        if is_gtin { Ok(lot) } else { Err(UdiError::Gtin) }
    }

    /// Whether the last digit of the trade item number is the check digit of the others.
    ///
    /// # Source
    /// GS1 General Specifications, section 7.9.1.
    pub fn has_check_digit(&self) -> bool {
        let weighted = |(at, byte): (usize, u8)| {
            u32::from(byte.wrapping_sub(b'0')) * if at % 2 == 0 { 3 } else { 1 }
        };
        self.gtin.bytes().enumerate().map(weighted).sum::<u32>() % 10 == 0
    }

    /// Whether a day is after the last day of use; `None` where that is not given.
    pub fn is_expired(&self, on: NaiveDate) -> Option<bool> {
        self.expires.map(|expires| on > expires)
    }
}

fn date(value: &str, near: i32) -> Result<NaiveDate, UdiError> {
    if value.len() != 6 || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UdiError::Date);
    }
    let number = |part: &str| part.parse::<u32>().map_err(|_| UdiError::Date);
    let (year, month, day) = (number(&value[..2])?, number(&value[2..4])?, number(&value[4..])?);
    let year = i32::try_from(year).map_err(|_| UdiError::Date)?;
    // 51 years ahead is the century before, 50 back the one after.
    let century = near - near.rem_euclid(100);
    let year = match year - near.rem_euclid(100) {
        51.. => century + year - 100,
        ..=-50 => century + year + 100,
        _ => century + year,
    };
    let first = NaiveDate::from_ymd_opt(year, month, 1).ok_or(UdiError::Date)?;
    if day == 0 {
        let next = first.checked_add_months(Months::new(1)).ok_or(UdiError::Date)?;
        return next.checked_sub_days(Days::new(1)).ok_or(UdiError::Date);
    }
    first.with_day(day).ok_or(UdiError::Date)
}
