//! Rates made comparable between populations of different ages: direct and indirect.
//!
//! Strata are usually age bands; the weights of a direct rate are a standard population's, of
//! [`super::populations`].

use super::counts::{Limits, Noise, count_limits};
use super::distribution::gamma_quantile;
use super::rates;
use crate::estimate::{Estimate, Interval};

/// One stratum of a directly standardised rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Stratum {
    /// How many events there were, noisy or not.
    pub events: Estimate,
    /// Variance of `events` that comes from sampling: the events themselves where each happens on
    /// its own.
    pub sampling_variance: f64,
    /// Person-time at risk, or the population.
    pub person_time: Estimate,
    /// The stratum's part of the standard population, in any unit.
    pub weight: f64,
}

/// How the interval of a directly standardised rate without noise is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectLimits {
    /// Byar's limits of all events, scaled to the rate's variance (Dobson 1991). As English public
    /// health publishes: not below 10 events.
    Dobson,
    /// Gamma (Fay and Feuer 1997): also for few events.
    FayFeuer,
}

impl Stratum {
    /// A stratum whose events are independent, with Poisson's variance: the count itself, or 0
    /// where noise took it below.
    pub fn new(events: Estimate, person_time: Estimate, weight: f64) -> Self {
        Self { sampling_variance: events.value.max(0.0), events, person_time, weight }
    }

    /// A stratum whose events come several to a person: `people[0]` had one, `people[1]` had two.
    ///
    /// The people of each frequency are independent; their events have the variance Σ f²·people.
    ///
    /// # Source
    /// PHE, Technical Guide: Confidence Intervals (2018), non-independent events.
    pub fn recurrent(people: &[Estimate], person_time: Estimate, weight: f64) -> Self {
        let (mut value, mut noise_variance, mut sampling_variance) = (0.0, 0.0, 0.0);
        let mut frequency = 0.0;
        for of_frequency in people {
            frequency += 1.0;
            value += frequency * of_frequency.value;
            noise_variance += frequency * frequency * of_frequency.noise_variance;
            sampling_variance += frequency * frequency * of_frequency.value.max(0.0);
        }
        let events = Estimate::of(people, "sum", value, noise_variance, None);
        Self { events, sampling_variance, person_time, weight }
    }
}

/// The directly standardised rate Σ w·x/n per unit of person-time, with Σ w = 1.
///
/// With noise the rate is treated as c times a Poisson count plus normal noise, where c is the
/// rate's sampling variance over its value: the idea of Fay and Feuer. The interval is then the
/// exact one of [`super::counts`], whichever `limits` are asked for. The noise of the person-time
/// enters by the delta method. Nothing is held back for few events: the interval is sound there,
/// and to publish only what noise made large would be biased.
///
/// NaN without an interval where there are no strata; where person-time is not above 0, a weight
/// below 0, or a count without noise negative in any; and for fewer than 10 events with
/// [`DirectLimits::Dobson`] without noise.
///
/// # Source
/// Dobson, Kuulasmaa, Eberle and Scherer 1991, Stat Med 10:457; Fay and Feuer 1997, Stat Med
/// 16:791.
pub fn direct(strata: &[Stratum], limits: DirectLimits, level: f64) -> Estimate {
    let inputs = || strata.iter().flat_map(|stratum| [&stratum.events, &stratum.person_time]);
    let noisy = inputs().any(|input| input.noise_variance > 0.0);
    let method = match limits {
        _ if noisy => "directly standardised rate (gamma with noise)",
        DirectLimits::Dobson => "directly standardised rate (Dobson)",
        DirectLimits::FayFeuer => "directly standardised rate (Fay-Feuer)",
    };
    let Some(sums) = Sums::of(strata) else {
        return Estimate::of(inputs(), method, f64::NAN, f64::NAN, None);
    };
    if !noisy && limits == DirectLimits::Dobson && sums.events < 10.0 {
        return Estimate::of(inputs(), method, f64::NAN, f64::NAN, None);
    }
    let interval = match limits {
        _ if !(level > 0.0 && level < 1.0) => None,
        _ if noisy => sums.noisy(level),
        DirectLimits::Dobson => sums.dobson(level),
        DirectLimits::FayFeuer => Some(sums.fay_feuer(level)),
    };
    Estimate::of(inputs(), method, sums.rate, sums.noise_variance, interval)
}

/// What the intervals of a directly standardised rate are made of.
struct Sums {
    events: f64,
    rate: f64,
    /// The same of counts that are not below 0.
    positive_rate: f64,
    sampling_variance: f64,
    noise_variance: f64,
    /// The rate that one event makes, at most.
    weight_max: f64,
}

impl Sums {
    fn of(strata: &[Stratum]) -> Option<Self> {
        let weights: f64 = strata.iter().map(|stratum| stratum.weight).sum();
        let mut sums = Self {
            events: 0.0,
            rate: 0.0,
            positive_rate: 0.0,
            sampling_variance: 0.0,
            noise_variance: 0.0,
            weight_max: 0.0,
        };
        for Stratum { events, sampling_variance, person_time, weight } in strata {
            let mistaken = events.value < 0.0 && events.noise_variance == 0.0;
            if !(person_time.value > 0.0 && *weight >= 0.0) || mistaken {
                return None;
            }
            let scale = weight / weights / person_time.value;
            let stratum_rate = events.value / person_time.value;
            let noise =
                events.noise_variance + stratum_rate * stratum_rate * person_time.noise_variance;
            sums.events += events.value;
            sums.rate += scale * events.value;
            sums.positive_rate += scale * events.value.max(0.0);
            sums.sampling_variance += scale * scale * sampling_variance;
            sums.noise_variance += scale * scale * noise;
            sums.weight_max = sums.weight_max.max(scale);
        }
        (weights > 0.0 && sums.rate.is_finite()).then_some(sums)
    }

    fn dobson(&self, level: f64) -> Option<Interval> {
        let ends = count_limits(self.events, Noise::default(), Limits::Byar, level)?;
        let scale = (self.sampling_variance / self.events).sqrt();
        Some(Interval {
            lower: self.rate + scale * (ends.lower - self.events),
            upper: self.rate + scale * (ends.upper - self.events),
        })
    }

    fn fay_feuer(&self, level: f64) -> Interval {
        let tail = (1.0 - level) / 2.0;
        let limit = |p: f64, rate: f64, variance: f64| {
            if rate == 0.0 {
                return 0.0;
            }
            variance / rate * gamma_quantile(p, rate * rate / variance)
        };
        let more = self.weight_max;
        Interval {
            lower: limit(tail, self.rate, self.sampling_variance),
            upper: limit(1.0 - tail, self.rate + more, self.sampling_variance + more * more),
        }
    }

    fn noisy(&self, level: f64) -> Option<Interval> {
        let scale = if self.positive_rate > 0.0 {
            self.sampling_variance / self.positive_rate
        } else {
            self.weight_max
        };
        let noise =
            Noise { variance: self.noise_variance / (scale * scale), relative_variance: 0.0 };
        let ends = count_limits(self.rate / scale, noise, Limits::Exact, level)?;
        Some(Interval { lower: ends.lower * scale, upper: ends.upper * scale })
    }
}

/// How many events a population would have at reference rates: Σ person-time times rate.
///
/// Each pair is a stratum's person-time and the reference's rate in it, per unit of person-time.
pub fn expected(strata: &[(Estimate, Estimate)]) -> Estimate {
    let (mut value, mut noise_variance) = (0.0, 0.0);
    for (person_time, rate) in strata {
        value += person_time.value * rate.value;
        noise_variance += rate.value * rate.value * person_time.noise_variance
            + person_time.value * person_time.value * rate.noise_variance;
    }
    let inputs = strata.iter().flat_map(|(person_time, rate)| [person_time, rate]);
    Estimate::of(inputs, "expected events", value, noise_variance, None)
}

/// The indirectly standardised ratio of observed to expected events: of deaths, the SMR.
///
/// The noise of either is in the interval as with [`rates::crude`]; sampling of the expected is
/// not, as is usual: the reference is taken for the truth. NaN as there.
pub fn ratio(observed: &Estimate, expected: &Estimate, limits: Limits, level: f64) -> Estimate {
    rates::ratio(observed, expected, limits, level, 2)
}

/// The indirectly standardised rate: the ratio times the reference population's crude rate, in
/// the unit of `reference_rate`.
pub fn indirect(
    observed: &Estimate,
    expected: &Estimate,
    reference_rate: f64,
    limits: Limits,
    level: f64,
) -> Estimate {
    ratio(observed, expected, limits, level).times(reference_rate)
}

#[cfg(test)]
mod tests;
