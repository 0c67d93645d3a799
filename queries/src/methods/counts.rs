//! Intervals of the mean that a count is drawn from: Poisson, with noise or without.
//!
//! With noise every [`Limits`] is the same interval: the exact law of a Poisson count plus normal
//! noise, inverted. It tends to the exact interval as the noise vanishes, and covers under Laplace
//! noise of the same variance too.

use super::distribution::{bisect, gamma, gamma_quantile, normal, normal_quantile};
use crate::estimate::{Estimate, Interval};

/// How the interval of a count without noise is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// Exact: quantiles of chi-square (Garwood 1936).
    Exact,
    /// Byar's approximation (Breslow and Day 1987, volume II, section 2.2).
    Byar,
    /// Byar's approximation from 10 events on, exact below: as English public health publishes.
    ByarFrom10,
    /// Exact, with half the probability of the observed count.
    MidP,
    /// Rothman and Boice's (1979) approximation of mid-P, which some packages call Byar's.
    RothmanBoice,
    /// Exact, but one-sided at a count of 0 (Daly 1992).
    Daly,
    /// The count and so many square roots of it.
    Normal,
    /// Normal for the logarithm (Rothman and Greenland 1998, chapter 14).
    Log,
}

/// The noise in a count, and in what it is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Noise {
    /// Variance of the noise in the count.
    pub variance: f64,
    /// Variance of the noise in the divisor, in squares of the divisor.
    pub relative_variance: f64,
}

/// The mean that a count is drawn from, with its interval.
///
/// A negative count is noise and stays as it is; without noise it is a mistake, and NaN. Its upper
/// limit is that of 0: a count that noise took below says no more about the mean than 0 does.
pub fn mean(count: &Estimate, limits: Limits, level: f64) -> Estimate {
    let noise = Noise { variance: count.noise_variance, relative_variance: 0.0 };
    let interval = count_limits(count.value, noise, limits, level);
    let value = if noise.is_none() && count.value < 0.0 { f64::NAN } else { count.value };
    let [name, ..] = limits.names(noise);
    Estimate::of([count], name, value, noise.variance, interval)
}

/// The interval of a Poisson mean; none where there is no number, no level in (0, 1), or a
/// negative count without noise.
pub fn count_limits(count: f64, noise: Noise, limits: Limits, level: f64) -> Option<Interval> {
    if !(count.is_finite() && level > 0.0 && level < 1.0) {
        None
    } else if !noise.is_none() {
        Some(noisy_limits(count, noise, level))
    } else if count >= 0.0 {
        limits.textbook(count, level)
    } else {
        None
    }
}

impl Noise {
    /// Whether there is no noise at all.
    pub(crate) fn is_none(self) -> bool {
        self.variance == 0.0 && self.relative_variance == 0.0
    }

    /// The probability of a noisy count of at most `count` when the Poisson mean is `mean`.
    ///
    /// Counts are whole: as in a normal approximation of a discrete law, the tail takes in half a
    /// count more.
    pub(crate) fn at_most(self, count: f64, mean: f64) -> f64 {
        self.distribution(count + 0.5, mean)
    }

    /// The probability of a noisy count of at least `count`, with half a count more.
    pub(crate) fn at_least(self, count: f64, mean: f64) -> f64 {
        1.0 - self.distribution(count - 0.5, mean)
    }

    /// The distribution function of a Poisson count plus normal noise: the sum over all counts.
    ///
    /// From a variance of 2,000 on it is Cornish and Fisher's expansion with four cumulants:
    /// limits then differ by less than a millionth of themselves, at levels up to 99.8 %.
    fn distribution(self, x: f64, mean: f64) -> f64 {
        let noise = self.variance + self.relative_variance * mean * mean;
        let variance = mean + noise;
        if variance > 2_000.0 {
            return expanded((x - mean) / variance.sqrt(), mean, variance);
        }
        // A deviation of 0 would divide 0 by 0 at the count itself.
        let deviation = noise.sqrt().max(1e-9);
        let reach = 7.0 * mean.sqrt() + 12.0;
        // Of counts further above than 9 deviations nothing is left.
        let last = (mean + reach).min(x + 9.0 * deviation);
        let mut events = (mean - reach).max(0.0).floor();
        let log = events * mean.max(1e-300).ln() - mean - libm::lgamma(events + 1.0);
        let (mut probability, mut sum) = (log.exp(), 0.0);
        while events <= last {
            sum += probability * normal((x - events) / deviation);
            events += 1.0;
            probability *= mean / events;
        }
        sum
    }
}

/// The distribution function, at a standardised deviate, of a Poisson count plus normal noise.
fn expanded(deviate: f64, mean: f64, variance: f64) -> f64 {
    let t = deviate.clamp(-12.0, 12.0);
    let (skewness, kurtosis) = (mean / variance.powf(1.5), mean / (variance * variance));
    let second = skewness * (t * t - 1.0) / 6.0;
    let third = kurtosis * (t.powi(3) - 3.0 * t) / 24.0;
    let squared = skewness * skewness * (4.0 * t.powi(3) - 7.0 * t) / 36.0;
    normal(t - second - third + squared)
}

/// All means at which neither tail beyond the noisy count is less likely than half of 1 − level.
///
/// With noise in the divisor the noise grows with the mean, as in Fieller's theorem: where that
/// of the divisor alone explains every count, there is no upper limit.
fn noisy_limits(count: f64, noise: Noise, level: f64) -> Interval {
    let tail = (1.0 - level) / 2.0;
    let floor = count.max(0.0);
    let spread = (floor + noise.variance + noise.relative_variance * floor * floor + 1.0).sqrt();
    let above = |mean: f64| noise.at_least(count, mean) - tail;
    let lower = if count > 0.0 && above(0.0) < 0.0 {
        let near = (count - 4.0 * spread).max(0.0);
        root(if above(near) < 0.0 { near } else { 0.0 }, count, above)
    } else {
        0.0
    };
    let below = |mean: f64| noise.at_most(floor, mean) - tail;
    let mut high = floor + 4.0 * spread;
    while below(high) > 0.0 && high < 1e30 * (floor + spread) {
        high *= 2.0;
    }
    let upper = if below(high) > 0.0 { f64::INFINITY } else { root(floor, high, below) };
    Interval { lower, upper }
}

/// Where a function changes its sign between two numbers, to some thirteen digits: Ridders (1979),
/// in a fifth of the steps of a bisection.
fn root(mut low: f64, mut high: f64, function: impl Fn(f64) -> f64) -> f64 {
    let (mut at_low, mut at_high) = (function(low), function(high));
    let mut last = f64::NAN;
    for _ in 0..100 {
        let middle = low + (high - low) / 2.0;
        let at_middle = function(middle);
        let scale = (at_middle * at_middle - at_low * at_high).sqrt();
        let towards = if at_low < at_high { -at_middle } else { at_middle };
        let next = if scale == 0.0 { middle } else { middle + (middle - low) * towards / scale };
        if (next - last).abs() <= 1e-13 * next.abs() || at_middle == 0.0 {
            return next;
        }
        last = next;
        let at_next = function(next);
        for (point, at_point) in [(middle, at_middle), (next, at_next)] {
            if point > low && point < high {
                if (at_point < 0.0) == (at_low < 0.0) {
                    (low, at_low) = (point, at_point);
                } else {
                    (high, at_high) = (point, at_point);
                }
            }
        }
    }
    last
}

impl Limits {
    /// The interval of a count ≥ 0 without noise; none where this method has none, such as on a
    /// logarithm of 0.
    fn textbook(self, x: f64, level: f64) -> Option<Interval> {
        let (tail, z) = ((1.0 - level) / 2.0, normal_quantile((1.0 + level) / 2.0));
        let interval = |lower: f64, upper: f64| Some(Interval { lower, upper });
        match self {
            Self::ByarFrom10 if x < 10.0 => Self::Exact.textbook(x, level),
            Self::Daly if x == 0.0 => interval(0.0, -(1.0 - level).ln()),
            Self::Exact | Self::Daly => {
                interval(gamma_quantile(tail, x), gamma_quantile(1.0 - tail, x + 1.0))
            }
            Self::Byar | Self::ByarFrom10 => interval(byar(x, -z), byar(x + 1.0, z)),
            Self::RothmanBoice => interval(byar(x + 0.5, -z), byar(x + 0.5, z)),
            Self::MidP => interval(mid_p(x, tail), mid_p(x, 1.0 - tail)),
            Self::Normal => interval(x - z * x.sqrt(), x + z * x.sqrt()),
            Self::Log if x == 0.0 => None,
            Self::Log => interval(x * (-z / x.sqrt()).exp(), x * (z / x.sqrt()).exp()),
        }
    }

    /// What a count, a rate and a standardised ratio with such limits are called.
    pub(crate) const fn names(self, noise: Noise) -> [&'static str; 3] {
        if noise.variance > 0.0 || noise.relative_variance > 0.0 {
            return [
                "count (exact with noise)",
                "rate (exact with noise)",
                "standardised ratio (exact with noise)",
            ];
        }
        match self {
            Self::Exact => ["count (exact)", "rate (exact)", "standardised ratio (exact)"],
            Self::Byar => ["count (Byar)", "rate (Byar)", "standardised ratio (Byar)"],
            Self::ByarFrom10 => [
                "count (Byar, exact below 10)",
                "rate (Byar, exact below 10)",
                "standardised ratio (Byar, exact below 10)",
            ],
            Self::MidP => ["count (mid-P)", "rate (mid-P)", "standardised ratio (mid-P)"],
            Self::RothmanBoice => [
                "count (Rothman-Boice)",
                "rate (Rothman-Boice)",
                "standardised ratio (Rothman-Boice)",
            ],
            Self::Daly => ["count (Daly)", "rate (Daly)", "standardised ratio (Daly)"],
            Self::Normal => ["count (normal)", "rate (normal)", "standardised ratio (normal)"],
            Self::Log => {
                ["count (log-normal)", "rate (log-normal)", "standardised ratio (log-normal)"]
            }
        }
    }
}

/// One limit by Byar's cube. Where the cube is below 0, at very few events and levels near 1, a
/// Poisson mean is not: the limit is 0, where some packages give none.
fn byar(events: f64, z: f64) -> f64 {
    let root = 1.0 - 1.0 / (9.0 * events) + z / (3.0 * events.sqrt());
    if events == 0.0 { 0.0 } else { (events * root.powi(3)).max(0.0) }
}

/// The mean at which more than `count` events, or half the time just as many, have this
/// probability.
fn mid_p(count: f64, probability: f64) -> f64 {
    let at_least = |mean: f64| if count == 0.0 { 1.0 } else { gamma(mean, count) };
    let too_low = |mean: f64| (at_least(mean) + gamma(mean, count + 1.0)) / 2.0 < probability;
    if too_low(0.0) { bisect(0.0, 2.0 * count + 60.0, too_low) } else { 0.0 }
}

#[cfg(test)]
mod tests;
