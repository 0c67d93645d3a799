//! Exact decimal numbers, as wide as FHIR's.
//!
//! The number of decimal places is kept: `1.0` and `1` are equal, and say different things about
//! their precision. It rounds nothing but quotients and products of more than 28 places.

use std::cmp::Ordering;
use std::fmt;

/// A number `mantissa / 10^places`.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    mantissa: i128,
    places: u32,
}

impl Decimal {
    /// Reads digits with an optional sign, point and exponent; `None` if it is no number, or too
    /// large. Places beyond the 28th are cut.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let (negative, whole) = match whole.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, whole.strip_prefix('+').unwrap_or(whole)),
        };
        let digits = whole.bytes().chain(fraction.bytes());
        let mut mantissa: i128 = 0;
        let mut count = 0_usize;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            mantissa = mantissa.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
            count += 1;
        }
        if count == 0 {
            return None;
        }
        let mantissa = if negative { -mantissa } else { mantissa };
        let places = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        Self::scaled(mantissa, places)
    }

    /// Half a unit of the last place below it.
    pub(super) fn low_boundary(self) -> Option<Self> {
        let mantissa = self.mantissa.checked_mul(10)?.checked_sub(5)?;
        Some(Self { mantissa, places: self.places + 1 })
    }

    /// Half a unit of the last place above it.
    pub(super) fn high_boundary(self) -> Option<Self> {
        let mantissa = self.mantissa.checked_mul(10)?.checked_add(5)?;
        Some(Self { mantissa, places: self.places + 1 })
    }

    /// The sum.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let (one, two, places) = self.aligned(other)?;
        Some(Self { mantissa: one.checked_add(two)?, places })
    }

    /// The number less another.
    pub(super) fn minus(self, other: Self) -> Option<Self> {
        self.plus(other.negated())
    }

    /// The product.
    pub(super) fn times(self, other: Self) -> Option<Self> {
        let mantissa = self.mantissa.checked_mul(other.mantissa)?;
        Self::scaled(mantissa, i32::try_from(self.places + other.places).ok()?)
    }

    /// The quotient, to as many of 18 places as fit; `None` for division by zero too.
    pub(super) fn over(self, other: Self) -> Option<Self> {
        let (one, two, _) = self.aligned(other)?;
        let shifted = |places: u32| Some((one.checked_mul(power(places)?)?, places));
        let (shifted, places) = [18, 12, 8].into_iter().find_map(shifted)?;
        let mantissa = shifted.checked_div(two)?;
        Some(Self { mantissa, places }.trimmed())
    }

    /// Its negative.
    pub(super) fn negated(self) -> Self {
        // The least i128 is out of reach: every way to make a number multiplies by ten or adds.
        Self { mantissa: self.mantissa.saturating_neg(), ..self }
    }

    /// Which is larger; `None` if they are too far apart to be held against each other.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        let (one, two, _) = self.aligned(other)?;
        Some(one.cmp(&two))
    }

    /// The whole number that it is, if it is one.
    pub(super) fn whole(self) -> Option<i64> {
        let trimmed = self.trimmed();
        if trimmed.places == 0 { i64::try_from(trimmed.mantissa).ok() } else { None }
    }

    /// The nearest float, if there is one.
    pub fn to_float(self) -> Option<f64> {
        self.to_string().parse().ok()
    }

    /// The number with places no fewer than 0 and no more than 28.
    fn scaled(mantissa: i128, places: i32) -> Option<Self> {
        if let Ok(places) = u32::try_from(places) {
            let cut = places.saturating_sub(PLACES_MAX);
            let mantissa = power(cut).map_or(0, |divisor| mantissa / divisor);
            return Some(Self { mantissa, places: places.min(PLACES_MAX) });
        }
        if mantissa == 0 {
            return Some(Self { mantissa, places: 0 });
        }
        let mantissa = mantissa.checked_mul(power(places.unsigned_abs())?)?;
        Some(Self { mantissa, places: 0 })
    }

    /// Both mantissas for the same places.
    fn aligned(self, other: Self) -> Option<(i128, i128, u32)> {
        let places = self.places.max(other.places);
        let one = self.mantissa.checked_mul(power(places - self.places)?)?;
        let two = other.mantissa.checked_mul(power(places - other.places)?)?;
        Some((one, two, places))
    }

    fn trimmed(mut self) -> Self {
        while self.places > 0 && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.places -= 1;
        }
        self
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self { mantissa: i128::from(value), places: 0 }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let digits = self.mantissa.unsigned_abs().to_string();
        // A width of 28 and one digit at most.
        let width = usize::try_from(self.places).unwrap_or(usize::MAX).saturating_add(1);
        let padded = format!("{digits:0>width$}");
        let (whole, fraction) = padded.split_at(padded.len() + 1 - width);
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

fn power(places: u32) -> Option<i128> {
    10_i128.checked_pow(places)
}

/// Powers of ten up to this one leave room for ten more digits in 128 bits.
const PLACES_MAX: u32 = 28;

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn numbers_are_read_and_written_with_their_places() {
        for (text, written) in [
            ("0", "0"),
            ("1.0", "1.0"),
            ("-0.05", "-0.05"),
            ("+7", "7"),
            ("1.5e3", "1500"),
            ("25E-4", "0.0025"),
            ("1e-40", "0.0000000000000000000000000000"),
        ] {
            assert_eq!(decimal(text).to_string(), written);
        }
        for text in ["", "-", ".", "1.2.3", "0x1", "e5", "1e", "1e400"] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn arithmetic_is_exact() {
        assert_eq!(decimal("0.1").plus(decimal("0.2")).unwrap().to_string(), "0.3");
        assert_eq!(decimal("1").minus(decimal("0.9")).unwrap().to_string(), "0.1");
        assert_eq!(decimal("-1.5").times(decimal("0.5")).unwrap().to_string(), "-0.75");
        assert_eq!(decimal("3").over(decimal("2")).unwrap().to_string(), "1.5");
        assert_eq!(decimal("1").over(decimal("3")).unwrap().to_string(), "0.333333333333333333");
        assert!(decimal("1").over(decimal("0.00")).is_none());
    }

    #[test]
    fn equal_numbers_are_equal_however_they_are_written() {
        assert_eq!(decimal("1.0").compare(decimal("1")), Some(Ordering::Equal));
        assert_eq!(decimal("-2").compare(decimal("-1.99")), Some(Ordering::Less));
        assert_eq!((decimal("30.00").whole(), decimal("30.5").whole()), (Some(30), None));
    }

    #[test]
    fn what_does_not_fit_is_no_number() {
        let large = decimal("99999999999999999999999999999999999999");
        assert!(large.plus(large).is_none());
        assert!(large.times(large).is_none());
        assert!(large.compare(decimal("0.001")).is_none());
    }
}
