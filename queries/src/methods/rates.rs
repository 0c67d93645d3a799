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
    let (count, size) = (events.value, divisor.value);
    let noise = Noise {
        variance: events.noise_variance,
        relative_variance: divisor.noise_variance / (size * size),
    };
    let method = limits.names(noise)[name];
    let impossible = noise.is_none() && count < 0.0;
    if !(size > 0.0 && size.is_finite()) || impossible {
        return Estimate::of([events, divisor], method, f64::NAN, f64::NAN, None);
    }
    let value = count / size;
    let noise_variance =
        (events.noise_variance + value * value * divisor.noise_variance) / (size * size);
    let interval = count_limits(count, noise, limits, level)
        .map(|ends| Interval { lower: ends.lower / size, upper: ends.upper / size });
    Estimate::of([events, divisor], method, value, noise_variance, interval)
}

#[cfg(test)]
mod tests;
