//! Survival from a histogram of follow-up: how many had their event, and how many were lost to
//! sight, in each interval.
//!
//! One such histogram is all that need be released: a person is in one of its cells, and whoever
//! is at risk is a sum of cells. Values are the product-limit formula of the noisy counts as they
//! are; their noise is followed through the formula cell by cell, and it is in every interval.
//! Beside the values there is a curve that can be drawn: it never rises, and is within 0 and 1.
//!
//! Where noise alone may have made all who seem to be at risk, nothing more is known: values are
//! NaN, and intervals are those from 0 to the last upper end, for survival does not rise.

mod curve;
mod fitted;
mod logrank;
#[cfg(test)]
mod tests;

use super::propagation::{two_sided, within};
use crate::estimate::{Estimate, Interval};

pub use self::curve::{Curve, Point, Scale};
pub use self::logrank::{Group, LogRank, hazard_ratio, log_rank};

/// One interval of follow-up.
#[derive(Clone, Debug)]
pub struct FollowUpInterval {
    /// When its events are said to happen, in any unit of time: its end, usually.
    pub time: f64,
    /// Persons whose event is in it.
    pub events: Estimate,
    /// Persons last seen in it without event; they are at risk of its events.
    pub censored: Estimate,
}

/// A histogram of follow-up: each person in one cell, with noise that is independent.
#[derive(Clone, Debug)]
pub struct FollowUp {
    intervals: Vec<FollowUpInterval>,
}

/// Numbers of a histogram, ready for formulas.
struct Counts {
    times: Vec<f64>,
    events: Vec<f64>,
    event_noise: Vec<f64>,
    censored_noise: Vec<f64>,
    /// Persons at risk at the start of each interval, and the variance of their noise.
    at_risk: Vec<f64>,
    at_risk_noise: Vec<f64>,
    /// How many intervals have more at risk, before and after their events, than noise alone.
    known: usize,
    /// How many have so before their events.
    begun: usize,
}

impl FollowUp {
    /// A histogram of these intervals, in any order; no two at the same time.
    pub fn new(mut intervals: Vec<FollowUpInterval>) -> Self {
        intervals.sort_by(|one, other| one.time.total_cmp(&other.time));
        Self { intervals }
    }

    /// The intervals in the order of time.
    pub fn intervals(&self) -> &[FollowUpInterval] {
        &self.intervals
    }

    /// The Kaplan–Meier curve, one point for each interval; with no noise, that of R's `survfit`.
    ///
    /// # Source
    ///
    /// Kaplan and Meier, Journal of the American Statistical Association 53 (1958) 457;
    /// Greenwood's variance and the scales of intervals: Kalbfleisch and Prentice, The Statistical
    /// Analysis of Failure Time Data (2002), 1.4; R, `survfit`.
    pub fn kaplan_meier(&self, scale: Scale, level: f64) -> Curve {
        let z = two_sided(level);
        let counts = self.counts(z);
        let mut points = Vec::with_capacity(counts.times.len());
        let mut survival = 1.0;
        let mut last_upper = 1.0;
        for (at, fitted) in fitted::survival(&self.intervals).into_iter().enumerate() {
            survival *= 1.0 - counts.events[at] / counts.at_risk[at];
            let value = if at < counts.begun { survival } else { f64::NAN };
            let (mut sampling, mut noise) = (f64::NAN, f64::NAN);
            let mut interval = Interval { lower: 0.0, upper: last_upper };
            if at < counts.known {
                let variance = counts.variance(at, |_| 1.0);
                (sampling, noise) = (variance.0 * value * value, variance.1 * value * value);
                let ends = scale.interval(value, (variance.0 + variance.1).sqrt(), z);
                interval = within(ends, 0.0, 1.0);
            }
            last_upper = interval.upper;
            points.push(Point {
                time: counts.times[at],
                at_risk: self.estimate("persons at risk", counts.at_risk[at], |estimate| {
                    estimate.noise_variance = counts.at_risk_noise[at];
                }),
                survival: self.estimate("survival (Kaplan-Meier)", value, |estimate| {
                    estimate.noise_variance = noise;
                    estimate.interval = Some(interval);
                }),
                sampling_variance: sampling,
                fitted,
            });
        }
        Curve { points }
    }

    /// The cumulative hazard of Nelson and Aalen at each interval: events over persons at risk,
    /// added up. NaN, with an interval to infinity, where noise leaves nothing to know.
    ///
    /// # Source
    ///
    /// Aalen, Annals of Statistics 6 (1978) 701; variance of sampling and the logarithmic interval:
    /// Klein and Moeschberger, Survival Analysis (2003), 4.2.4 and 4.3.
    pub fn nelson_aalen(&self, level: f64) -> Vec<Estimate> {
        let z = two_sided(level);
        let counts = self.counts(z);
        let (mut hazard, mut sampling, mut last_lower) = (0.0, 0.0, 0.0);
        let mut row = |at: usize| {
            hazard += counts.events[at] / counts.at_risk[at];
            sampling += counts.events[at] / (counts.at_risk[at] * counts.at_risk[at]);
            let is_known = at < counts.begun;
            let noise = if is_known { counts.hazard_noise(at) } else { f64::NAN };
            let deviation = (f64::max(sampling, 0.0) + noise).sqrt();
            let interval = if !is_known {
                Interval { lower: last_lower, upper: f64::INFINITY }
            } else if hazard > 0.0 {
                let factor = (z * deviation / hazard).exp();
                Interval { lower: hazard / factor, upper: hazard * factor }
            } else {
                let ends =
                    Interval { lower: hazard - z * deviation, upper: hazard + z * deviation };
                within(ends, 0.0, f64::INFINITY)
            };
            last_lower = interval.lower;
            let value = if is_known { hazard } else { f64::NAN };
            self.estimate("cumulative hazard (Nelson-Aalen)", value, |estimate| {
                estimate.noise_variance = noise;
                estimate.interval = Some(interval);
            })
        };
        (0..counts.times.len()).map(&mut row).collect()
    }

    /// Mean time without event up to a limit: the area under the curve. NaN, without interval,
    /// where the curve is not known up to there, or ends before with somebody left.
    ///
    /// # Source
    ///
    /// Klein and Moeschberger 2003, 4.5; R, `print.survfit` with `rmean`.
    pub fn restricted_mean(&self, limit: f64, level: f64) -> Estimate {
        const METHOD: &str = "restricted mean survival time";
        let z = two_sided(level);
        let counts = self.counts(z);
        let within_limit = counts.times.iter().filter(|time| **time <= limit).count();
        let is_followed = counts.times.last().is_some_and(|last| *last >= limit)
            || (counts.begun == counts.times.len() && counts.known < counts.begun);
        if counts.begun < within_limit || !is_followed {
            return self.estimate(METHOD, f64::NAN, |estimate| {
                estimate.noise_variance = f64::NAN;
            });
        }
        // Survival after each interval times how long it lasts.
        let mut pieces = Vec::with_capacity(within_limit);
        let mut survival = 1.0;
        for at in 0..within_limit {
            survival *= 1.0 - counts.events[at] / counts.at_risk[at];
            let end = counts.times.get(at + 1).map_or(limit, |next| next.min(limit));
            pieces.push(survival * (end - counts.times[at]));
        }
        let start = counts.times.first().map_or(limit, |first| first.min(limit));
        let value = start + pieces.iter().sum::<f64>();
        let mut after: Vec<f64> = pieces
            .iter()
            .rev()
            .scan(0.0, |sum, piece| {
                *sum += piece;
                Some(*sum)
            })
            .collect();
        after.reverse();
        // Where nobody is left no area remains either.
        let last = within_limit.min(counts.known);
        let (sampling, noise) = match last.checked_sub(1) {
            Some(last) => counts.variance(last, |at| after[at]),
            None => (0.0, 0.0),
        };
        let half = z * (sampling + noise).sqrt();
        let ends = Interval { lower: value - half, upper: value + half };
        self.estimate(METHOD, value, |estimate| {
            estimate.noise_variance = noise;
            estimate.interval = Some(within(ends, 0.0, limit));
        })
    }

    fn counts(&self, z: f64) -> Counts {
        let cells = |of: &dyn Fn(&FollowUpInterval) -> f64| -> Vec<f64> {
            self.intervals.iter().map(of).collect()
        };
        let events = cells(&|interval| interval.events.value);
        let event_noise = cells(&|interval| interval.events.noise_variance);
        let censored_noise = cells(&|interval| interval.censored.noise_variance);
        let from = |of: &dyn Fn(&FollowUpInterval) -> f64| {
            let mut sums = cells(of);
            for at in (1..sums.len()).rev() {
                sums[at - 1] += sums[at];
            }
            sums
        };
        let at_risk = from(&|interval| interval.events.value + interval.censored.value);
        let at_risk_noise =
            from(&|interval| interval.events.noise_variance + interval.censored.noise_variance);
        let beyond = |count: f64, noise: f64| count > z * noise.sqrt();
        let begun =
            (0..events.len()).take_while(|at| beyond(at_risk[*at], at_risk_noise[*at])).count();
        let known = (0..begun)
            .take_while(|at| {
                beyond(at_risk[*at] - events[*at], at_risk_noise[*at] - event_noise[*at])
            })
            .count();
        // Only where all die at the end, and without noise, is survival 0 and known to be so.
        let begun = if event_noise.iter().all(|noise| *noise == 0.0) { begun } else { known };
        let times = cells(&|interval| interval.time);
        Counts { times, events, event_noise, censored_noise, at_risk, at_risk_noise, known, begun }
    }

    fn estimate(
        &self,
        method: &'static str,
        value: f64,
        fill: impl FnOnce(&mut Estimate),
    ) -> Estimate {
        let inputs = self.intervals.iter();
        let inputs = inputs.flat_map(|interval| [&interval.events, &interval.censored]);
        let mut estimate = Estimate::of(inputs, method, value, 0.0, None);
        fill(&mut estimate);
        estimate
    }
}

impl Counts {
    /// Variances, by sampling and by noise, of the weighted sum of the logarithms of the shares
    /// that survive the intervals up to `last`. With all weights 1 the sum is the logarithm of
    /// survival, and the first variance Greenwood's.
    fn variance(&self, last: usize, weight: impl Fn(usize) -> f64) -> (f64, f64) {
        let (mut sampling, mut noise, mut slope) = (0.0, 0.0, 0.0);
        for at in 0..=last {
            let (events, at_risk) = (self.events[at], self.at_risk[at]);
            // The log of a share grows by this much with each person at risk who survives.
            let growth = events / (at_risk * (at_risk - events));
            let event_slope = slope - weight(at) / at_risk;
            sampling += weight(at) * weight(at) * growth;
            slope += weight(at) * growth;
            noise += self.event_noise[at] * event_slope * event_slope
                + self.censored_noise[at] * slope * slope;
        }
        let later = self.at_risk_noise.get(last + 1).copied().unwrap_or(0.0);
        (sampling.max(0.0), noise + later * slope * slope)
    }

    /// Variance by noise of the cumulative hazard at an interval.
    fn hazard_noise(&self, last: usize) -> f64 {
        let (mut noise, mut slope) = (0.0, 0.0);
        for at in 0..=last {
            let at_risk = self.at_risk[at];
            slope -= self.events[at] / (at_risk * at_risk);
            let event_slope = slope + 1.0 / at_risk;
            noise += self.event_noise[at] * event_slope * event_slope
                + self.censored_noise[at] * slope * slope;
        }
        let later = self.at_risk_noise.get(last + 1).copied().unwrap_or(0.0);
        noise + later * slope * slope
    }
}
