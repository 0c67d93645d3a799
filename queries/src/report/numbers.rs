//! How numbers are written: all digits that mean something, and none that do not.
//!
//! Rounding happens here only, and only for eyes: CSV and JSON have every digit.

use super::model::{Cell, Number, Unit};
use crate::estimate::Interval;

/// A number in words for a cell, a label or a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The value, with thousands apart and a real minus sign.
    pub value: String,
    /// Its interval without parentheses; none if it has none.
    pub interval: Option<String>,
}

impl Unit {
    /// What stands beside a heading or on an axis: `%`, `per 100,000 person-years`; may be empty.
    pub fn label(&self) -> &str {
        match self {
            Self::Count | Self::Ratio | Self::Probability => "",
            Self::Share => "%",
            Self::Rate(name) | Self::Other(name) => name,
        }
    }

    /// What a value is multiplied with before it is written.
    pub(super) const fn factor(&self) -> f64 {
        match self {
            Self::Share => 100.0,
            _ => 1.0,
        }
    }
}

/// Value and interval with as many decimals as [`decimals`] says.
pub fn written(number: &Number, unit: &Unit) -> Written {
    written_with(number, unit, decimals(number, unit))
}

/// Value and interval with so many decimals.
pub fn written_with(number: &Number, unit: &Unit, decimals: usize) -> Written {
    let write = |value: f64| match unit {
        Unit::Probability => probability(value),
        _ => fixed(value * unit.factor(), decimals),
    };
    let interval = number.interval.filter(|ends| !ends.lower.is_nan() && !ends.upper.is_nan());
    let interval = interval.map(|ends| range(&write(ends.lower), &write(ends.upper)));
    Written { value: write(number.value), interval }
}

/// In one line: `12.3 (10.1–14.6)`, with a sign of percent where it is one.
pub fn line(number: &Number, unit: &Unit) -> String {
    let percent = if *unit == Unit::Share { "%" } else { "" };
    let Written { value, interval } = written(number, unit);
    let value = if number.value.is_finite() { value + percent } else { value };
    interval.map_or(value.clone(), |interval| format!("{value} ({interval})"))
}

/// The decimals that a number deserves: the last digit is at most a third of the shorter side of
/// its interval, and a lower end above zero is not written as zero.
///
/// Counts have none. Without an interval the noise takes its place (1.96 sd), and without noise
/// three digits are kept, or all of a whole number.
pub fn decimals(number: &Number, unit: &Unit) -> usize {
    if *unit == Unit::Count {
        return 0;
    }
    let side = number.interval.and_then(|ends| side(number.value, ends));
    let noise = Some(1.96 * number.noise_sd).filter(|noise| *noise > 0.0 && noise.is_finite());
    let value = number.value * unit.factor();
    let lower = number.interval.map(|ends| ends.lower * unit.factor());
    let vanishes =
        |decimals: usize| lower.is_some_and(|lower| lower > 0.0 && lower * power(decimals) < 0.5);
    // The lower half of a ratio is as long as the upper, and looks shorter.
    let lower_half = lower.filter(|lower| *unit == Unit::Ratio && *lower > 0.0);
    let side = side.map(|side| lower_half.map_or(side, |lower| side.min(lower)));
    match side.or(noise).map(|side| side * unit.factor()) {
        Some(side) => {
            let decimals = decimals_until(|decimals| {
                // A side of 0.3 is mostly a little less in a float.
                side * power(decimals) * (1.0 + 1e-9) >= LAST_DIGITS_MIN
            });
            decimals + usize::from(vanishes(decimals))
        }
        None if value.is_finite() && value.fract() != 0.0 => digits_after_point(value.abs(), 3),
        None => 0,
    }
}

/// Decimals for numbers that stand below each other: the middle of what they deserve, so that
/// points align; but never more than one away from what a number deserves itself.
pub fn decimals_of_column<'a>(cells: impl Iterator<Item = (&'a Cell, &'a Unit)>) -> Option<usize> {
    let mut all: Vec<usize> =
        cells.filter_map(|(cell, unit)| Some(decimals(cell.number()?, unit))).collect();
    all.sort_unstable();
    all.get(all.len().checked_sub(1)? / 2).copied()
}

/// See [`decimals_of_column`].
pub fn settled(own: usize, column: Option<usize>) -> usize {
    column.map_or(own, |column| column.clamp(own.saturating_sub(1), own + 1))
}

/// A number with so many decimals, thousands apart, and a minus sign that is one.
pub fn fixed(value: f64, decimals: usize) -> String {
    if value.is_nan() {
        return "–".to_owned();
    }
    let sign = if value < 0.0 { MINUS } else { "" };
    if value.is_infinite() {
        return format!("{sign}∞");
    }
    if value.abs() >= SCIENTIFIC_MIN {
        return scientific(value);
    }
    let digits = format!("{:.decimals$}", value.abs());
    // What rounds to nothing has no sign.
    let sign = if digits.bytes().all(|digit| matches!(digit, b'0' | b'.')) { "" } else { sign };
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut grouped = String::from(sign);
    for (place, digit) in whole.char_indices() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// A number on an axis whose ticks are `step` apart, with the sign of percent for shares.
pub fn tick(value: f64, step: f64, unit: &Unit) -> String {
    let decimals = digits_after_point((step * unit.factor()).abs(), 1);
    let text = fixed(value * unit.factor(), decimals);
    if *unit == Unit::Share { text + "%" } else { text }
}

/// A p-value: three decimals below 0.1, else two, and `<0.001` for less than that.
fn probability(p: f64) -> String {
    match p {
        p if p < 0.001 => "<0.001".to_owned(),
        p if p < 0.0995 => fixed(p, 3),
        p if p > 0.99 && p <= 1.0 => ">0.99".to_owned(),
        p => fixed(p, 2),
    }
}

/// `10.1–14.6`; with a word where a minus sign would meet the dash.
fn range(lower: &str, upper: &str) -> String {
    let word = [lower, upper].iter().any(|end| end.starts_with(MINUS));
    if word { format!("{lower} to {upper}") } else { format!("{lower}–{upper}") }
}

/// The shorter side of an interval that is one, but no less than a tenth of the longer.
fn side(value: f64, ends: Interval) -> Option<f64> {
    let sides = [value - ends.lower, ends.upper - value];
    let sides = sides.iter().copied().filter(|side| *side > 0.0 && side.is_finite());
    let longest = sides.clone().max_by(f64::total_cmp)?;
    sides.min_by(f64::total_cmp).map(|shortest| shortest.max(longest / 10.0))
}

/// How many decimals show so many significant digits of a number > 0.
fn digits_after_point(value: f64, digits: usize) -> usize {
    // Half of the last digit: 0.996 is rounded to 1.0.
    let least = power(digits.saturating_sub(1)) - 0.005;
    decimals_until(|decimals| value * power(decimals) >= least)
}

fn decimals_until(are_enough: impl Fn(usize) -> bool) -> usize {
    (0..DECIMALS_MAX).find(|decimals| are_enough(*decimals)).unwrap_or(DECIMALS_MAX)
}

fn power(decimals: usize) -> f64 {
    (0..decimals).fold(1.0, |power, _| power * 10.0)
}

fn scientific(value: f64) -> String {
    let text = format!("{value:.2e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: String = power.chars().map(raised).collect();
    format!("{}×10{power}", digits.replace('-', MINUS))
}

fn raised(digit: char) -> char {
    let found = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
    found.map_or('⁻', |digit| ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][digit])
}

const MINUS: &str = "\u{2212}";
const DECIMALS_MAX: usize = 6;
/// How many units of the last digit fit into the shorter side of an interval.
const LAST_DIGITS_MIN: f64 = 3.0;
/// From here on a float has no digits for single persons.
const SCIENTIFIC_MIN: f64 = 1e15;

#[cfg(test)]
mod tests {
    use super::{decimals_of_column, fixed, line, settled, tick};
    use crate::estimate::Interval;
    use crate::report::model::{Cell, Number, Unit};

    fn number(value: f64, lower: f64, upper: f64) -> Number {
        Number { interval: Some(Interval { lower, upper }), ..Number::exact(value) }
    }

    #[test]
    fn digits_follow_the_width_of_the_interval() {
        let rate = Unit::Rate("per 1,000".to_owned());
        let cases = [
            (number(12.345, 10.12, 14.61), &rate, "12.3 (10.1–14.6)"),
            (number(345.67, 310.2, 380.9), &rate, "346 (310–381)"),
            (number(0.77, 0.7, 0.847), &Unit::Ratio, "0.77 (0.70–0.85)"),
            (number(57.1, 56.8, 57.4), &rate, "57.1 (56.8–57.4)"),
            (number(0.1141, 0.111, 0.1172), &Unit::Share, "11.4% (11.1–11.7)"),
            (number(12_345.6, 12_100.2, 12_580.9), &rate, "12,346 (12,100–12,581)"),
            (number(1.0, 0.0253, 5.5716), &rate, "1.00 (0.03–5.57)"),
            (number(0.0, 0.0, 3.6889), &rate, "0 (0–4)"),
            (number(1.234, 0.981, 1.552), &Unit::Ratio, "1.23 (0.98–1.55)"),
            (number(1.12, 0.1752, 7.17), &Unit::Ratio, "1.12 (0.18–7.17)"),
            (number(3.4, 1.2, f64::INFINITY), &Unit::Ratio, "3.4 (1.2–∞)"),
            (number(-3.21, -7.91, 1.49), &rate, "−3 (−8 to 1)"),
            (number(0.12345, 0.1012, 0.1461), &Unit::Share, "12.3% (10.1–14.6)"),
            (number(-3.0, -31.0, 25.0), &Unit::Count, "−3 (−31 to 25)"),
            (number(f64::NAN, f64::NAN, 2.0), &rate, "–"),
            (number(f64::INFINITY, 0.3, f64::INFINITY), &Unit::Ratio, "∞ (0–∞)"),
            (number(0.0312, 0.0, 0.0), &Unit::Probability, "0.031 (<0.001–<0.001)"),
        ];
        for (number, unit, expected) in cases {
            assert_eq!(line(&number, unit), expected);
        }
    }

    #[test]
    fn without_an_interval_the_noise_decides_and_without_noise_three_digits_stay() {
        let noisy = |value, noise_sd| Number { noise_sd, ..Number::exact(value) };
        let years = Unit::Other("years".to_owned());
        let cases = [
            (noisy(54.321, 1.4), &years, "54.3"),
            (noisy(54.321, 0.14), &years, "54.32"),
            (noisy(54.321, 14.0), &years, "54"),
            (noisy(54.321, 0.0), &years, "54.3"),
            (noisy(54.0, 0.0), &years, "54"),
            (noisy(0.000_123_456, 0.0), &years, "0.000123"),
            (noisy(1e-12, 0.0), &years, "0.000000"),
            (noisy(-1.7e18, 0.0), &Unit::Count, "−1.70×10¹⁸"),
            (noisy(0.000_2, 0.0), &Unit::Probability, "<0.001"),
            (noisy(0.0423, 0.0), &Unit::Probability, "0.042"),
            (noisy(0.4567, 0.0), &Unit::Probability, "0.46"),
            (noisy(1.0, 0.0), &Unit::Probability, ">0.99"),
        ];
        for (number, unit, expected) in cases {
            assert_eq!(line(&number, unit), expected);
        }
    }

    #[test]
    fn thousands_stand_apart_and_nothing_has_no_sign() {
        let cases = [
            (1_234_567.891, 1, "1,234,567.9"),
            (-1_000.0, 0, "−1,000"),
            (999.9, 0, "1,000"),
            (-0.04, 1, "0.0"),
            (f64::NEG_INFINITY, 2, "−∞"),
        ];
        for (value, decimals, expected) in cases {
            assert_eq!(fixed(value, decimals), expected);
        }
    }

    #[test]
    fn ticks_have_the_digits_of_their_step() {
        let cases = [
            (0.3, 0.1, Unit::Ratio, "0.3"),
            (0.25, 0.05, Unit::Share, "25%"),
            (0.002, 0.001, Unit::Share, "0.2%"),
            (20_000.0, 5_000.0, Unit::Count, "20,000"),
        ];
        for (value, step, unit, expected) in cases {
            assert_eq!(tick(value, step, &unit), expected);
        }
    }

    #[test]
    fn a_column_aligns_its_points_where_that_costs_no_more_than_a_digit() {
        let cells = [(12.34, 2.2), (9.87, 0.9), (0.0123, 0.004)]
            .map(|(value, half)| Cell::Number(number(value, value - half, value + half)));
        let unit = Unit::Rate(String::new());
        let column = decimals_of_column(cells.iter().map(|cell| (cell, &unit)));
        assert_eq!(column, Some(1));
        assert_eq!([0, 1, 3].map(|own| settled(own, column)), [1, 1, 2]);
        assert_eq!(decimals_of_column([(&Cell::Empty, &unit)].into_iter()), None);
    }
}
