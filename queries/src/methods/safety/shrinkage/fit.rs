//! Estimates of the prior law from all pairs: the largest likelihood of their counts.
//!
//! The likelihood is that of mixtures of two negative binomial laws, with the noise of each count
//! folded in. Steps are those of Broyden, Fletcher, Goldfarb and Shanno on logarithms.

use super::{GammaLaw, Prior, log_marginal, true_counts};
use crate::estimate::Estimate;
use statrs::function::gamma::digamma;
use std::collections::BTreeMap;

/// A product and an event: reports with both, and how many are expected.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Reports with both.
    pub count: Estimate,
    /// What [`super::super::Reports::expected`] gives, or a sum of it over strata. Pairs where it
    /// is not positive are left out, and its noise is not in the likelihood.
    pub expected: Estimate,
}

impl Prior {
    /// The prior of largest likelihood, searched from a starting point. `count_min` is 0 if all
    /// pairs of products and events are there, as they are with noise, and 1 if only those that
    /// were reported. Then both laws are cut off, and the share is that among reported pairs.
    ///
    /// `None` if there is no pair, or if the search ends nowhere, for want of pairs.
    ///
    /// # Source
    /// DuMouchel and Pregibon 2001, KDD '01, 67: the law of counts from N* on.
    pub fn fit(pairs: &[Pair], count_min: u32, start: Self) -> Option<Self> {
        let groups = Groups::new(pairs, count_min);
        if groups.groups.is_empty() {
            return None;
        }
        minimum(&start.parameters(), |parameters| groups.cost(parameters))
            .map(|found| Self::of(&found))
    }

    /// Minus the logarithm of the likelihood of these pairs, without terms that no prior changes.
    pub fn negative_log_likelihood(&self, pairs: &[Pair], count_min: u32) -> f64 {
        Groups::new(pairs, count_min).cost(&self.parameters()).0
    }

    fn parameters(&self) -> Parameters {
        let [first, second] = self.laws;
        let odds = (self.share / (1.0 - self.share)).ln();
        [first.shape.ln(), first.rate.ln(), second.shape.ln(), second.rate.ln(), odds]
    }

    fn of(parameters: &Parameters) -> Self {
        let [a, b, c, d, odds] = *parameters;
        let law = |shape: f64, rate: f64| GammaLaw { shape: shape.exp(), rate: rate.exp() };
        Self { laws: [law(a, b), law(c, d)], share: 1.0 / (1.0 + (-odds).exp()) }
    }

    /// The probability of a true count, and its slopes in the parameters; each law is first cut
    /// off below the smallest count that is among the pairs.
    fn probability(&self, count: f64, expected: f64, cuts: &[Cut; 2]) -> (f64, Parameters) {
        let [first, second]: [(f64, [f64; 2]); 2] = std::array::from_fn(|at| {
            let (law, cut) = (self.laws[at], &cuts[at]);
            let probability = log_marginal(law, count, expected).exp() / cut.left;
            let slopes = log_slopes(law, count, expected);
            (probability, [slopes[0] - cut.slopes[0], slopes[1] - cut.slopes[1]])
        });
        let (one, two) = (self.share * first.0, (1.0 - self.share) * second.0);
        let of_odds = self.share * (1.0 - self.share) * (first.0 - second.0);
        let [[a, b], [c, d]] =
            [first.1.map(|slope| one * slope), second.1.map(|slope| two * slope)];
        (one + two, [a, b, c, d, of_odds])
    }
}

/// What is left of a law of counts from the smallest on, and the slopes of its logarithm.
struct Cut {
    left: f64,
    slopes: [f64; 2],
}

impl Cut {
    fn new(law: GammaLaw, expected: f64, count_min: u32) -> Self {
        let (mut left, mut slopes) = (1.0, [0.0; 2]);
        for count in (0..count_min).map(f64::from) {
            let probability = log_marginal(law, count, expected).exp();
            left -= probability;
            let [of_shape, of_rate] = log_slopes(law, count, expected);
            slopes = [slopes[0] - probability * of_shape, slopes[1] - probability * of_rate];
        }
        Self { left, slopes: slopes.map(|slope| slope / left) }
    }
}

/// The slopes of [`log_marginal`] in the logarithms of shape and rate.
fn log_slopes(law: GammaLaw, count: f64, expected: f64) -> [f64; 2] {
    let GammaLaw { shape, rate } = law;
    let of_shape = digamma(count + shape) - digamma(shape) + (rate / (rate + expected)).ln();
    let of_rate = shape / rate - (shape + count) / (rate + expected);
    [shape * of_shape, rate * of_rate]
}

/// Logarithms of both shapes and rates, and of the odds of the share.
type Parameters = [f64; 5];

/// Pairs that are alike in the likelihood, once, with their number.
struct Groups {
    groups: Vec<Group>,
    count_min: u32,
}

struct Group {
    pairs: f64,
    expected: f64,
    /// True counts with the densities of the noise that leads to the count.
    counts: Vec<(f64, f64)>,
}

impl Groups {
    fn new(pairs: &[Pair], count_min: u32) -> Self {
        let mut alike: BTreeMap<[u64; 3], (f64, &Pair)> = BTreeMap::new();
        let usable = |pair: &&Pair| pair.expected.value > 0.0 && pair.count.value.is_finite();
        for pair in pairs.iter().filter(usable) {
            let numbers = [pair.count.value, pair.count.noise_variance, pair.expected.value];
            alike.entry(numbers.map(f64::to_bits)).or_insert((0.0, pair)).0 += 1.0;
        }
        let group = |(pairs, pair): (f64, &Pair)| {
            let counts = true_counts(&pair.count).into_iter();
            let counts = counts.filter(|(count, _)| *count >= f64::from(count_min));
            let counts = counts.map(|(count, log_density)| (count, log_density.exp())).collect();
            Group { pairs, expected: pair.expected.value, counts }
        };
        Self { groups: alike.into_values().map(group).collect(), count_min }
    }

    /// Minus the log-likelihood, and its slopes.
    fn cost(&self, parameters: &Parameters) -> (f64, Parameters) {
        let prior = Prior::of(parameters);
        let (mut cost, mut slopes) = (0.0, [0.0; 5]);
        for group in &self.groups {
            let cuts = prior.laws.map(|law| Cut::new(law, group.expected, self.count_min));
            let (mut likelihood, mut of_likelihood) = (0.0, [0.0; 5]);
            for (count, density) in &group.counts {
                let (probability, of_it) = prior.probability(*count, group.expected, &cuts);
                likelihood += density * probability;
                add(&mut of_likelihood, *density, &of_it);
            }
            cost -= group.pairs * likelihood.ln();
            add(&mut slopes, -group.pairs / likelihood, &of_likelihood);
        }
        (cost, slopes)
    }
}

fn add(sum: &mut Parameters, factor: f64, of: &Parameters) {
    sum.iter_mut().zip(of).for_each(|(sum, of)| *sum += factor * of);
}

fn dot(a: &Parameters, b: &Parameters) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Where a function with these slopes has a minimum, or falls no more in the digits of its value;
/// `None` if no step leads down, or all are used up, while the slopes are not small.
fn minimum(
    start: &Parameters,
    of: impl Fn(&Parameters) -> (f64, Parameters),
) -> Option<Parameters> {
    let mut at = *start;
    let (mut cost, mut slopes) = of(&at);
    let mut inverse = identity();
    for _ in 0..STEPS_MAX {
        let mut step: Parameters = std::array::from_fn(|i| -dot(&inverse[i], &slopes));
        if dot(&step, &slopes) >= 0.0 {
            inverse = identity();
            step = slopes.map(|slope| -slope);
        }
        // No parameter moves by more than a factor of e at once.
        let longest = step.iter().map(|part| part.abs()).fold(1.0, f64::max);
        step = step.map(|part| part / longest);
        let is_flat = dot(&slopes, &slopes).sqrt() <= SLOPES_MAX * cost.abs().max(1.0);
        let next = descent(&at, cost, &step, dot(&step, &slopes), &of);
        let falls = |next: &f64| cost - next > COST_DIGITS * cost.abs();
        let Some((next, next_cost, next_slopes)) =
            next.filter(|(_, next, _)| falls(next) || !is_flat)
        else {
            return is_flat.then_some(at);
        };
        let moved: Parameters = std::array::from_fn(|i| next[i] - at[i]);
        let turned: Parameters = std::array::from_fn(|i| next_slopes[i] - slopes[i]);
        inverse = updated(&inverse, &moved, &turned);
        (at, cost, slopes) = (next, next_cost, next_slopes);
    }
    None
}

/// A point along a step where the function has fallen enough (Armijo), halving the step.
fn descent(
    at: &Parameters,
    cost: f64,
    step: &Parameters,
    slope: f64,
    of: impl Fn(&Parameters) -> (f64, Parameters),
) -> Option<(Parameters, f64, Parameters)> {
    let mut share = 1.0;
    for _ in 0..60 {
        let next = std::array::from_fn(|i| at[i] + share * step[i]);
        let (next_cost, next_slopes) = of(&next);
        if next_cost <= cost + 1e-4 * share * slope {
            return Some((next, next_cost, next_slopes));
        }
        share /= 2.0;
    }
    None
}

/// The inverse of second derivatives after a step, as the slopes have turned.
fn updated(inverse: &[Parameters; 5], moved: &Parameters, turned: &Parameters) -> [Parameters; 5] {
    let curvature = dot(moved, turned);
    if curvature <= 1e-12 * dot(moved, moved).sqrt() * dot(turned, turned).sqrt() {
        return *inverse;
    }
    let along: Parameters = std::array::from_fn(|i| dot(&inverse[i], turned));
    let length = 1.0 + dot(turned, &along) / curvature;
    std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let both = moved[i] * along[j] + along[i] * moved[j];
            inverse[i][j] + (length * moved[i] * moved[j] - both) / curvature
        })
    })
}

fn identity() -> [Parameters; 5] {
    std::array::from_fn(|i| std::array::from_fn(|j| f64::from(i == j)))
}

const STEPS_MAX: u32 = 1_000;
/// A search may end where the slopes are below this share of the cost, and
const SLOPES_MAX: f64 = 1e-6;
/// where the cost falls by less than this share of it: its sum has few more digits.
const COST_DIGITS: f64 = 1e-13;
