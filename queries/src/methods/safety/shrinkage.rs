//! Shrinkage of observed over expected reports: the information component, and the gamma-Poisson
//! shrinker with its EBGM.
//!
//! Both take λ, the true ratio of a pair, as drawn from gamma laws. A count with noise could be
//! that of several true counts; each has its posterior, and they are mixed by how likely each is.

use crate::estimate::{Estimate, Interval};
use crate::methods::distribution::{bisect, gamma, normal_quantile};
use statrs::function::gamma::digamma;

pub mod fit;

/// A gamma law that λ may come from, of mean `shape / rate`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GammaLaw {
    /// Above 0; α in DuMouchel's paper.
    pub shape: f64,
    /// Above 0; β there.
    pub rate: f64,
}

/// The prior law of λ over all pairs: a mixture of two gamma laws.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Both laws.
    pub laws: [GammaLaw; 2],
    /// The share of the first, from 0 to 1; P in DuMouchel's paper.
    pub share: f64,
}

impl Prior {
    /// DuMouchel's starting point for estimates.
    ///
    /// # Source
    /// DuMouchel 1999, The American Statistician 53, 177.
    pub const DUMOUCHEL: Self = Self {
        laws: [GammaLaw { shape: 0.2, rate: 0.1 }, GammaLaw { shape: 2.0, rate: 4.0 }],
        share: 1.0 / 3.0,
    };

    /// The empirical Bayes geometric mean of a pair with this count and so many expected; the
    /// interval of level 0.9 is EB05 to EB95.
    ///
    /// The noise of `expected` widens the interval on the logarithm; the variance of the
    /// noise of the mean is by the delta method.
    ///
    /// NaN where `expected` is not positive.
    ///
    /// # Source
    /// DuMouchel 1999, as above, equation 11.
    pub fn ebgm(&self, count: &Estimate, expected: &Estimate, level: f64) -> Estimate {
        let Some(posterior) = self.posterior(count, expected) else {
            return Estimate::of([count, expected], "EBGM", f64::NAN, f64::NAN, None);
        };
        let middle = posterior.mean_of_logarithm();
        let value = middle.exp();
        let interval = posterior.interval(middle, log_noise(expected), level);
        let noise = posterior.noise(count, expected);
        Estimate::of([count, expected], "EBGM", value, value * value * noise, Some(interval))
    }

    fn posterior(&self, count: &Estimate, expected: &Estimate) -> Option<Posterior> {
        let laws = [(self.share, self.laws[0]), (1.0 - self.share, self.laws[1])];
        Posterior::new(&laws, count, expected)
    }
}

/// The information component: log2 of observed over expected reports, each with a half added; the
/// lower end of its interval of level 0.95 is IC025.
///
/// λ has the gamma law of shape and rate one half, and the interval is that of its posterior. With
/// noise the point is log2 of the posterior mean, and else as for [`Prior::ebgm`].
///
/// NaN where `expected` is not positive.
///
/// # Source
/// Norén, Hopstadius and Bate 2013, Statistical Methods in Medical Research 22, 57.
pub fn information_component(count: &Estimate, expected: &Estimate, level: f64) -> Estimate {
    let half = GammaLaw { shape: 0.5, rate: 0.5 };
    let Some(posterior) = Posterior::new(&[(1.0, half)], count, expected) else {
        return Estimate::of([count, expected], "IC", f64::NAN, f64::NAN, None);
    };
    let middle = posterior.mean().ln();
    let Interval { lower, upper } = posterior.interval(middle, log_noise(expected), level);
    let (value, interval) =
        (middle.exp().log2(), Interval { lower: lower.log2(), upper: upper.log2() });
    let noise = posterior.noise(count, expected) / std::f64::consts::LN_2.powi(2);
    Estimate::of([count, expected], "IC", value, noise, Some(interval))
}

/// The law of λ of a pair when its count has been seen: gamma laws with weights that add up to 1.
#[derive(Clone, Debug)]
struct Posterior(Vec<(f64, GammaLaw)>);

impl Posterior {
    fn new(prior: &[(f64, GammaLaw)], count: &Estimate, expected: &Estimate) -> Option<Self> {
        let mean = expected.value;
        if !(mean > 0.0 && mean.is_finite() && count.value.is_finite()) {
            return None;
        }
        let mut laws = vec![];
        for (true_count, log_weight) in true_counts(count) {
            for (share, law) in prior {
                let log_weight = log_weight + share.ln() + log_marginal(*law, true_count, mean);
                let law = GammaLaw { shape: law.shape + true_count, rate: law.rate + mean };
                laws.push((log_weight, law));
            }
        }
        let most = laws.iter().map(|(log_weight, _)| *log_weight).fold(f64::MIN, f64::max);
        laws.iter_mut().for_each(|(weight, _)| *weight = (*weight - most).exp());
        laws.retain(|(weight, _)| *weight > WEIGHT_MIN);
        let sum: f64 = laws.iter().map(|(weight, _)| weight).sum();
        laws.iter_mut().for_each(|(weight, _)| *weight /= sum);
        Some(Self(laws))
    }

    fn mean(&self) -> f64 {
        self.0.iter().map(|(weight, law)| weight * law.shape / law.rate).sum()
    }

    fn mean_of_logarithm(&self) -> f64 {
        self.0.iter().map(|(weight, law)| weight * (digamma(law.shape) - law.rate.ln())).sum()
    }

    fn quantile(&self, p: f64) -> f64 {
        let below = |x: f64| {
            self.0.iter().map(|(weight, law)| weight * gamma(x * law.rate, law.shape)).sum::<f64>()
        };
        let ends =
            self.0.iter().map(|(_, law)| (law.shape + 40.0 + 10.0 * law.shape.sqrt()) / law.rate);
        bisect(0.0, ends.fold(0.0, f64::max), |x| below(x) < p)
    }

    /// Both quantiles, moved away from the middle by the noise of the expected count: on the
    /// logarithm the squares of distances add up.
    fn interval(&self, middle: f64, log_noise: f64, level: f64) -> Interval {
        let tail = f64::midpoint(1.0, -level);
        let (lower, upper) = (self.quantile(tail), self.quantile(1.0 - tail));
        if log_noise == 0.0 {
            return Interval { lower, upper };
        }
        let noise = normal_quantile(tail).powi(2) * log_noise;
        let further = |end: f64| {
            let distance = end.ln() - middle;
            (middle + distance.signum() * distance.hypot(noise.sqrt())).exp()
        };
        Interval { lower: further(lower), upper: further(upper) }
    }

    /// The variance of the noise of the logarithm: of the count over its square, as far as the
    /// posterior follows it, and of the expected count.
    fn noise(&self, count: &Estimate, expected: &Estimate) -> f64 {
        let shape: f64 = self.0.iter().map(|(weight, law)| weight * law.shape).sum();
        count.noise_variance / (shape * shape) + log_noise(expected)
    }
}

/// The true counts that a count with noise may be of, each with the logarithm of the density of
/// its noise up to a constant; without noise the count itself.
fn true_counts(count: &Estimate) -> Vec<(f64, f64)> {
    if count.noise_variance == 0.0 {
        return vec![(count.value.max(0.0), 0.0)];
    }
    let reach = REACH * count.noise_variance.sqrt();
    let first = (count.value - reach).floor().max(0.0);
    let last = (count.value + reach).ceil().max(reach.ceil());
    let density = |at: f64| -(count.value - at).powi(2) / (2.0 * count.noise_variance);
    let counts = std::iter::successors(Some(first), |at| Some(at + 1.0));
    counts.take_while(|at| *at <= last).map(|at| (at, density(at))).collect()
}

/// The logarithm of the negative binomial probability of a count, of which `expected` are expected
/// times a ratio of this gamma law.
fn log_marginal(law: GammaLaw, count: f64, expected: f64) -> f64 {
    let GammaLaw { shape, rate } = law;
    let ways = libm::lgamma(count + shape) - libm::lgamma(shape) - libm::lgamma(count + 1.0);
    let of_none = shape * (rate / (rate + expected)).ln();
    ways + of_none + if count > 0.0 { count * (expected / (rate + expected)).ln() } else { 0.0 }
}

fn log_noise(expected: &Estimate) -> f64 {
    expected.noise_variance / (expected.value * expected.value)
}

/// Laws below this share of the heaviest one's weight are left out.
const WEIGHT_MIN: f64 = 1e-14;
/// True counts are looked for as far from the noisy one, in deviations of the noise: beyond is
/// less than 1e-15.
const REACH: f64 = 8.0;

#[cfg(test)]
mod tests;
