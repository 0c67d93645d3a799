//! Crude rates: events per person-time, with noise in either.

use super::counts::{Limits, Noise, count_limits};
use crate::estimate::{Estimate, Interval};

/// Events per unit of person-time; [`Estimate::times`] makes it per 100,000.
///
/// Without noise the interval is that of the count, divided. With noise it is Fieller's, with the
/// exact law in place of the normal one: all rates `r` at which the count is not too unlikely when
/// its mean is `r` times the person-time and its noise has variance σ² + r²τ², where σ² and τ² are
/// those of the count and of the person-time. The delta method would give the same variance at the
/// estimate only: its intervals of small rates reach below 0, and never tell that a denominator is
/// too noisy for any upper limit. Fieller's is then infinite.
///
/// NaN without an interval where person-time is not above 0, or a count without noise is negative.
///
/// # Source
/// Fieller 1954, J R Stat Soc B 16:175; PHE, Technical Guide: Confidence Intervals (2018), section
/// on crude rates, for the textbook's.
pub fn crude(events: &Estimate, person_time: &Estimate, limits: Limits, level: f64) -> Estimate {
    ratio(events, person_time, limits, level, 1)
}

/// A crude rate, or a standardised ratio: what it is called is of this place in
/// [`Limits::names`].
pub(super) fn ratio(
    events: &Estimate,
    divisor: &Estimate,
    limits: Limits,
    level: f64,
    name: usize,
) -> Estimate {
    let size = divisor.value;
    let noise = Noise {
        variance: events.noise_variance,
        relative_variance: divisor.noise_variance / (size * size),
    };
    let quotient = quotient(events, divisor, limits.names(noise)[name]);
    if quotient.value.is_nan() {
        return quotient;
    }
    let interval = count_limits(events.value, noise, limits, level)
        .map(|ends| Interval { lower: ends.lower / size, upper: ends.upper / size });
    Estimate { interval, ..quotient }
}

/// One number over another with the noise of both, by the delta method, and without an interval.
///
/// NaN where the divisor is not above 0, or the count is negative and neither has noise.
pub(super) fn quotient(count: &Estimate, divisor: &Estimate, method: &'static str) -> Estimate {
    let size = divisor.value;
    let noisy = count.noise_variance > 0.0 || divisor.noise_variance > 0.0;
    let (mut value, mut noise_variance) = (f64::NAN, f64::NAN);
    if size > 0.0 && size.is_finite() && (noisy || count.value >= 0.0) {
        value = count.value / size;
        noise_variance =
            (count.noise_variance + value * value * divisor.noise_variance) / (size * size);
    }
    Estimate::of([count, divisor], method, value, noise_variance, None)
}

#[cfg(test)]
mod tests;
