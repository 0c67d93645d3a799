//! Funnel plots: which areas differ from the whole by more than chance and noise explain.
//!
//! The limits are drawn at 95 % and 99.8 %, which are called two and three standard deviations.
//! The baseline, usually the proportion, rate or ratio of all areas together, is taken as known.
//! Over-dispersion is not adjusted for.

use super::counts::Noise;
use super::distribution::{bisect, gamma, normal_quantile};
use crate::estimate::{Estimate, Interval};

/// Where an area lies in a funnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Position {
    /// Below the limit of 99.8 %: three standard deviations.
    FarBelow,
    /// Below the limit of 95 %: two standard deviations.
    Below,
    /// Between the limits.
    Within,
    /// Above the limit of 95 %.
    Above,
    /// Above the limit of 99.8 %.
    FarAbove,
}

/// The limits of a proportion around `baseline` in an area with this denominator.
///
/// They are b ± z·√(b(1 − b)/n + σ²/n² + b²τ²), with σ² and τ² the noise of the numerator and,
/// in squares of it, of the denominator. A noisy proportion may lie outside of 0 to 1, and so may
/// its limits; without noise they end there.
///
/// # Source
/// Spiegelhalter 2005, Stat Med 24:1185, section A.1.1; PHE, Technical Guide: Funnel Plots, whose
/// form is the inverse of Wilson's interval and is the same without noise.
pub fn proportion_limits(baseline: f64, denominator: f64, noise: Noise, level: f64) -> Interval {
    let variance = baseline * (1.0 - baseline) / denominator
        + noise.variance / (denominator * denominator)
        + baseline * baseline * noise.relative_variance;
    let reach = normal_quantile((1.0 + level) / 2.0) * variance.sqrt();
    let (lower, upper) = (baseline - reach, baseline + reach);
    if noise.is_none() {
        return Interval { lower: lower.max(0.0), upper: upper.min(1.0) };
    }
    Interval { lower, upper }
}

/// Where the proportion `part` of `whole` lies; none where the whole is not above 0.
pub fn proportion_position(part: &Estimate, whole: &Estimate, baseline: f64) -> Option<Position> {
    let noise = noise_of(part, whole);
    let limits = |level| proportion_limits(baseline, whole.value, noise, level);
    position(part.value / whole.value, whole.value, limits)
}

/// The limits of the ratio of observed to expected events, where it is 1 in truth.
///
/// Of rates: the expected are the baseline times the person-time, and a limit times the baseline
/// is one of the rate. The limits are exact: the ratios at which the tail of a Poisson count with
/// this mean, and with the noise of the observed (σ²) and of the expected (in its squares), is
/// half of 1 − level. Without noise a lower limit that no count reaches is 0; with noise it may be
/// below, as the ratio may.
///
/// # Source
/// Spiegelhalter 2005, section A.1.2; PHE, Technical Guide: Funnel Plots.
pub fn ratio_limits(expected: f64, noise: Noise, level: f64) -> Interval {
    let tail = (1.0 - level) / 2.0;
    let spread = (expected + noise.variance + noise.relative_variance * expected * expected).sqrt();
    let (low, high) = (expected - 60.0 * (spread + 1.0), expected + 60.0 * (spread + 1.0));
    let (lower, upper) = if noise.is_none() {
        // Between whole counts the gamma law goes on where the Poisson law has steps.
        let at_most = |count: f64| 1.0 - gamma(expected, count + 1.0);
        let none_is_too_few = at_most(0.0) < tail;
        let lower = if none_is_too_few { bisect(0.0, high, |x| at_most(x) < tail) } else { 0.0 };
        (lower, bisect(0.0, high, |x| x == 0.0 || gamma(expected, x) > tail))
    } else {
        let lower = bisect(low, high, |count| noise.at_most(count, expected) < tail);
        (lower, bisect(low, high, |count| noise.at_least(count, expected) > tail))
    };
    Interval { lower: lower / expected, upper: upper / expected }
}

/// Where the ratio of observed to expected events lies; none where the expected is not above 0.
pub fn ratio_position(observed: &Estimate, expected: &Estimate) -> Option<Position> {
    let noise = noise_of(observed, expected);
    let limits = |level| ratio_limits(expected.value, noise, level);
    position(observed.value / expected.value, expected.value, limits)
}

fn noise_of(count: &Estimate, divisor: &Estimate) -> Noise {
    Noise {
        variance: count.noise_variance,
        relative_variance: divisor.noise_variance / (divisor.value * divisor.value),
    }
}

fn position(value: f64, size: f64, limits: impl Fn(f64) -> Interval) -> Option<Position> {
    if !(size > 0.0 && value.is_finite()) {
        return None;
    }
    let (two, three) = (limits(0.95), limits(0.998));
    Some(match value {
        _ if value < three.lower => Position::FarBelow,
        _ if value < two.lower => Position::Below,
        _ if value > three.upper => Position::FarAbove,
        _ if value > two.upper => Position::Above,
        _ => Position::Within,
    })
}

/// A hundred sizes to draw limits at, for areas with these denominators: evenly apart on a
/// logarithmic axis, whole, and each above the one before. Empty where no denominator is above 0.
///
/// # Source
/// PHE, Technical Guide: Funnel Plots: from 95 % of the least denominator with one digit, or 1
/// where the greatest is more than twice the least, to 105 % of the greatest with two.
pub fn axis(denominators: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let (mut least, mut greatest) = (f64::INFINITY, 0.0_f64);
    for denominator in denominators.into_iter().filter(|denominator| *denominator > 0.0) {
        (least, greatest) = (least.min(denominator), greatest.max(denominator));
    }
    if greatest == 0.0 {
        return Vec::new();
    }
    let unit = |number: f64, digits: f64| 10_f64.powf(number.log10().floor() + 1.0 - digits);
    let (low, high) = ((0.95 * least).floor(), (1.05 * greatest).ceil());
    let end = (high / unit(high, 2.0)).ceil() * unit(high, 2.0);
    let start = if greatest > 2.0 * least || low < 1.0 {
        1.0
    } else {
        (low / unit(low, 1.0)).floor() * unit(low, 1.0)
    };
    let mut sizes = vec![start];
    let mut last = start;
    for left in (1..100).rev() {
        last = ((end / last).powf(1.0 / f64::from(left)) * last).round().max(last + 1.0);
        sizes.push(last);
    }
    sizes
}

#[cfg(test)]
mod tests;
