//! Odds ratios by the exact law of a table whose margins are fixed.
//!
//! The law is that of whole counts: noisy ones are taken to the nearest table, and how far their
//! noise takes Woolf's logarithm is added to the exact interval.

use super::{ODDS, TwoByTwo};
use crate::estimate::{Estimate, Interval};
use crate::methods::distribution::bisect;
use crate::methods::propagation::{exponential, two_sided};

impl TwoByTwo {
    /// Median-unbiased odds ratio with its mid-P interval.
    ///
    /// # Source
    ///
    /// Rothman, Greenland and Lash, Modern Epidemiology (2008), chapter 14; Jewell 2004, 7.1.4.
    pub fn median_unbiased_odds_ratio(&self, level: f64) -> Estimate {
        let (law, count) = self.law();
        let solve = |tail: f64| law.log_odds(|[below, at, _]| below + at / 2.0 > tail, count);
        let rest = (1.0 - level) / 2.0;
        let interval = Interval { lower: solve(1.0 - rest), upper: solve(rest) };
        let estimate = law.at_end(count).unwrap_or_else(|| solve(0.5));
        self.exact("odds ratio (median-unbiased, mid-P)", level, estimate, interval)
    }

    /// Conditional maximum-likelihood odds ratio with Fisher's exact interval.
    ///
    /// # Source
    ///
    /// Cornfield, Proceedings of the Third Berkeley Symposium 4 (1956) 135; R, `fisher.test`.
    pub fn conditional_odds_ratio(&self, level: f64) -> Estimate {
        let (law, count) = self.law();
        let rest = (1.0 - level) / 2.0;
        let interval = Interval {
            lower: law.log_odds(|[_, at, above]| at + above < rest, count),
            upper: law.log_odds(|[below, at, _]| below + at > rest, count),
        };
        let estimate = law.at_end(count).unwrap_or_else(|| {
            bisect(-LOG_ODDS_MAX, LOG_ODDS_MAX, |log| law.mean(log.exp()) < count)
        });
        self.exact("odds ratio (conditional, Fisher)", level, estimate, interval)
    }

    /// Two-sided p-values of independence by Fisher's exact law: by mid-P and in full; `None`
    /// where a count is noisy, for the exact law knows no noise.
    ///
    /// # Source
    ///
    /// Mid-P is twice the smaller tail, Rothman, Greenland and Lash 2008, chapter 13; Fisher's is
    /// the sum of what is no more likely than the table, R, `fisher.test`.
    pub fn exact_independence(&self) -> Option<[f64; 2]> {
        if self.inputs.iter().any(|input| input.noise_variance > 0.0) {
            return None;
        }
        let (law, count) = self.law();
        let [below, at, above] = law.split(count, 1.0);
        Some([(2.0 * (below.min(above) + at / 2.0)).min(1.0), law.unlikely(count)])
    }

    /// The law of the exposed cases of the nearest table of whole counts, and how many they are.
    fn law(&self) -> (Hypergeometric, f64) {
        let [a, b, c, d] = self.cells(0.0).values.map(|value| value.max(0.0).round());
        (Hypergeometric { exposed: a + b, unexposed: c + d, cases: a + c }, a)
    }

    fn exact(&self, method: &'static str, level: f64, log: f64, sampling: Interval) -> Estimate {
        let cells = self.cells(0.5);
        let reach = self.reach(&ODDS, &cells, two_sided(level));
        // Where the estimate is no number, Woolf's centre is one inside of the interval.
        let woolf = ODDS.log(&cells.centres).max(sampling.lower).min(sampling.upper);
        let start = if log.is_finite() { log } else { woolf };
        let interval = exponential(reach.widen(start, sampling));
        self.estimate(method, log.exp(), &ODDS, &cells, interval)
    }
}

/// How many of the cases are exposed, given the margins, under some odds ratio: Fisher's
/// noncentral hypergeometric law.
struct Hypergeometric {
    exposed: f64,
    unexposed: f64,
    cases: f64,
}

impl Hypergeometric {
    fn lowest(&self) -> f64 {
        (self.cases - self.unexposed).max(0.0)
    }

    fn highest(&self) -> f64 {
        self.cases.min(self.exposed)
    }

    /// The log odds where the count is as small or as large as it may be; NaN where it is both.
    fn at_end(&self, count: f64) -> Option<f64> {
        match (count <= self.lowest(), count >= self.highest()) {
            (true, true) => Some(f64::NAN),
            (true, false) => Some(f64::NEG_INFINITY),
            (false, true) => Some(f64::INFINITY),
            (false, false) => None,
        }
    }

    /// How much more likely `count` + 1 is than `count`.
    fn growth(&self, count: f64, odds: f64) -> f64 {
        odds * (self.exposed - count) * (self.cases - count)
            / ((count + 1.0) * (self.unexposed - self.cases + count + 1.0))
    }

    /// The most likely count.
    fn mode(&self, odds: f64) -> f64 {
        let (mut low, mut high) = (self.lowest(), self.highest());
        while low < high {
            let middle = f64::midpoint(low, high).floor();
            if self.growth(middle, odds) > 1.0 {
                low = middle + 1.0;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Calls `each` with all counts and how likely they are beside the most likely one; those
    /// that are too unlikely for a float are left out.
    fn walk(&self, odds: f64, mut each: impl FnMut(f64, f64)) {
        let mode = self.mode(odds);
        let (mut count, mut weight) = (mode, 1.0);
        while count <= self.highest() && weight > 0.0 {
            each(count, weight);
            weight *= self.growth(count, odds);
            count += 1.0;
        }
        (count, weight) = (mode, 1.0);
        while count > self.lowest() && weight > 0.0 {
            count -= 1.0;
            weight /= self.growth(count, odds);
            each(count, weight);
        }
    }

    /// The probabilities of fewer, as many and more.
    fn split(&self, count: f64, odds: f64) -> [f64; 3] {
        let mut parts = [0.0; 3];
        self.walk(odds, |other, weight| {
            let part = if other < count { 0 } else { 1 + usize::from(other > count) };
            parts[part] += weight;
        });
        let total: f64 = parts.iter().sum();
        parts.map(|part| part / total)
    }

    fn mean(&self, odds: f64) -> f64 {
        let (mut total, mut weighted) = (0.0, 0.0);
        self.walk(odds, |count, weight| {
            total += weight;
            weighted += count * weight;
        });
        weighted / total
    }

    /// The probability, at odds 1, of what is no more likely than `count`.
    fn unlikely(&self, count: f64) -> f64 {
        let (mut total, mut own) = (0.0, 0.0);
        self.walk(1.0, |other, weight| {
            total += weight;
            if other == count {
                own = weight;
            }
        });
        let mut unlikely = 0.0;
        self.walk(1.0, |_, weight| {
            // R's allowance for counts that are as likely but for rounding.
            if weight <= own * (1.0 + 1e-7) {
                unlikely += weight;
            }
        });
        unlikely / total
    }

    /// Up to which log odds a property of the three probabilities holds that holds for the
    /// smallest; infinite where that is beyond what can be computed with.
    fn log_odds(&self, holds: impl Fn([f64; 3]) -> bool, count: f64) -> f64 {
        let end = bisect(-LOG_ODDS_MAX, LOG_ODDS_MAX, |log| holds(self.split(count, log.exp())));
        if end <= 1.0 - LOG_ODDS_MAX {
            f64::NEG_INFINITY
        } else if end >= LOG_ODDS_MAX - 1.0 {
            f64::INFINITY
        } else {
            end
        }
    }
}

/// The logarithm of odds beyond which products of counts may overflow.
const LOG_ODDS_MAX: f64 = 600.0;
