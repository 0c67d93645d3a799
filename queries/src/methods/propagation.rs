//! How the noise of released numbers widens the interval of what is made of them.
//!
//! The delta method takes a curve for its tangent, which is wrong where noise is as large as a
//! count: of 5 with noise of deviation 14 its logarithm says nothing. Here each input is moved to
//! both ends of its noise, and how far that moves the result is what the noise of this input
//! adds. Moves of several inputs, and that of sampling, add up in squares. With small noise that
//! is the delta method, and without noise what the textbook has.
//!
//! # Source
//!
//! Zou and Donner, Statistics in Medicine 27 (2008) 1693, equation 2 (MOVER); Fieller, Journal of
//! the Royal Statistical Society B 16 (1954) 175.

use super::distribution::normal_quantile;
use crate::estimate::{Estimate, Interval};

/// The normal quantile of a two-sided interval of this level: 1.96 for 0.95; NaN outside (0, 1).
pub fn two_sided(level: f64) -> f64 {
    if level > 0.0 && level < 1.0 { normal_quantile(f64::midpoint(1.0, level)) } else { f64::NAN }
}

/// The solutions r of |x - r y| <= z deviation(x - r y): an interval of the ratio of two means
/// that is right however uncertain the lower one is.
///
/// `x` and `y` have these variances and this covariance. Both ends are infinite where `y` may be
/// 0, NaN where something is.
///
/// # Source
///
/// Fieller 1954, equation 7.
pub fn fieller(
    [x, y]: [f64; 2],
    [x_variance, y_variance]: [f64; 2],
    covariance: f64,
    z: f64,
) -> Interval {
    let square = y * y - z * z * y_variance;
    let linear = x * y - z * z * covariance;
    let constant = x * x - z * z * x_variance;
    if square <= 0.0 {
        return Interval { lower: f64::NEG_INFINITY, upper: f64::INFINITY };
    }
    let root = (linear * linear - square * constant).max(0.0).sqrt();
    Interval { lower: (linear - root) / square, upper: (linear + root) / square }
}

/// Where intervals of a positive quantity start from: not below one deviation of its noise, where
/// the value says nothing, nor below `least`.
pub(crate) fn centre(value: f64, noise_variance: f64, least: f64) -> f64 {
    value.max(noise_variance.sqrt()).max(least)
}

/// A positive quantity moved down by so much noise; 0 is the end.
pub(crate) fn down(value: f64, noise: f64) -> f64 {
    (value - noise).max(0.0)
}

/// A positive quantity moved up by so much noise, from 0 if it is negative, not below its centre.
pub(crate) fn up(value: f64, noise: f64, centre: f64) -> f64 {
    (value.max(0.0) + noise).max(centre)
}

/// A positive quantity, and how far its noise may take it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) centre: f64,
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

impl Ends {
    /// Of a quantity with noise of this variance, at this normal quantile.
    pub(crate) fn new(value: f64, noise_variance: f64, least: f64, z: f64) -> Self {
        let noise = z * noise_variance.sqrt();
        let centre = centre(value, noise_variance, least);
        Self { centre, lower: down(value.max(least), noise), upper: up(value, noise, centre) }
    }
}

/// How far noise alone moves a result, down and up: sums of squares of the moves by each input.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reach {
    down: f64,
    up: f64,
}

impl Reach {
    /// Adds the move of one input: from the result at the centre to those at both of its ends.
    pub(crate) fn and(self, centre: f64, [one, other]: [f64; 2]) -> Self {
        let square = |x: f64| x.max(0.0) * x.max(0.0);
        Self {
            down: self.down + square(centre - one.min(other)),
            up: self.up + square(one.max(other) - centre),
        }
    }

    /// The moves of the logarithm of a ratio, by what is above and below its line, with the ends
    /// of either and the correlation of their noise.
    pub(crate) fn of_ratio(above: Ends, below: Ends, correlation: f64) -> Self {
        let moves = |ends: Ends| [(ends.centre / ends.lower).ln(), (ends.upper / ends.centre).ln()];
        Self::of_difference(moves(above), moves(below), correlation)
    }

    /// The moves of a difference, by how far down and up the noise of either goes.
    pub(crate) fn of_difference(one: [f64; 2], other: [f64; 2], correlation: f64) -> Self {
        let square = |one: f64, other: f64| {
            let square = one * one + other * other - 2.0 * correlation * one * other;
            // Where both moves are infinite, so is what they make.
            if square.is_nan() { f64::INFINITY } else { square.max(0.0) }
        };
        Self { down: square(one[0], other[1]), up: square(one[1], other[0]) }
    }

    /// An interval of sampling alone around `centre`, and the noise.
    pub(crate) fn widen(self, centre: f64, sampling: Interval) -> Interval {
        // The root of a square would be the textbook's but for the last bit.
        if self.down == 0.0 && self.up == 0.0 {
            return sampling;
        }
        let (below, above) = (centre - sampling.lower, sampling.upper - centre);
        Interval {
            lower: centre - (below * below + self.down).sqrt(),
            upper: centre + (above * above + self.up).sqrt(),
        }
    }
}

/// A ratio of products, each factor a sum of some of the inputs, named by their indices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ratio {
    /// Factors above the line.
    pub(crate) above: &'static [&'static [usize]],
    /// Factors below it.
    pub(crate) below: &'static [&'static [usize]],
}

impl Ratio {
    /// The ratio of these inputs, of any sign; infinite or NaN where the factors below are 0.
    pub(crate) fn value(&self, inputs: &[f64]) -> f64 {
        let product = |factors: &[&[usize]]| -> f64 {
            factors.iter().map(|factor| sum(inputs, factor)).product()
        };
        product(self.above) / product(self.below)
    }

    /// Its logarithm, where no factor is negative.
    pub(crate) fn log(&self, inputs: &[f64]) -> f64 {
        let logs = |factors: &[&[usize]]| -> f64 {
            factors.iter().map(|factor| sum(inputs, factor).ln()).sum()
        };
        logs(self.above) - logs(self.below)
    }

    /// The derivative of the logarithm by one of the inputs.
    pub(crate) fn slope(&self, inputs: &[f64], input: usize) -> f64 {
        let parts = |factors: &[&[usize]]| -> f64 {
            let with = factors.iter().filter(|factor| factor.contains(&input));
            with.map(|factor| 1.0 / sum(inputs, factor)).sum()
        };
        parts(self.above) - parts(self.below)
    }
}

fn sum(inputs: &[f64], factor: &[usize]) -> f64 {
    factor.iter().map(|input| inputs[*input]).sum()
}

/// An interval of so many deviations to both sides of a centre.
pub(crate) fn wald(centre: f64, variance: f64, z: f64) -> Interval {
    let half = z * variance.max(0.0).sqrt();
    Interval { lower: centre - half, upper: centre + half }
}

/// An interval of logarithms as one of ratios.
pub(crate) fn exponential(interval: Interval) -> Interval {
    Interval { lower: interval.lower.exp(), upper: interval.upper.exp() }
}

/// What of an interval is possible; an end that is not known is where it must end.
pub(crate) fn within(interval: Interval, lowest: f64, highest: f64) -> Interval {
    // The larger of a number and NaN is the number.
    Interval {
        lower: interval.lower.max(lowest).min(highest),
        upper: interval.upper.min(highest).max(lowest),
    }
}

/// What decreases from 1 as a ratio grows from 0: its fraction, `1 - ratio`, with all it carries.
pub(crate) fn complement(ratio: &Estimate, method: &'static str) -> Estimate {
    let turned = |ends: Interval| Interval { lower: 1.0 - ends.upper, upper: 1.0 - ends.lower };
    let interval = ratio.interval.map(turned);
    Estimate::of([ratio], method, 1.0 - ratio.value, ratio.noise_variance, interval)
}

#[cfg(test)]
mod tests {
    use super::{Interval, Ratio, Reach, exponential, fieller, two_sided, wald};

    /// With both variances known and no covariance, Fieller's limits are where the distance in
    /// deviations is z: (10 - 4 r)^2 = 4 (1 + r^2 / 4) at both ends.
    #[test]
    fn fiellers_limits_solve_their_equation_and_are_infinite_around_zero() {
        let ends = fieller([10.0, 4.0], [1.0, 0.25], 0.0, 2.0);
        for end in [ends.lower, ends.upper] {
            let (distance, variance) = (10.0 - 4.0 * end, 1.0 + end * end / 4.0);
            assert!((distance * distance - 4.0 * variance).abs() < 1e-9);
        }
        assert!(ends.lower < 2.5 && ends.upper > 2.5);
        assert_eq!(fieller([10.0, 0.9], [1.0, 0.25], 0.0, 2.0).upper, f64::INFINITY);
    }

    #[test]
    fn without_noise_an_interval_is_what_it_was_and_small_noise_is_the_delta_method() {
        let sampling = wald(0.3, 0.04, 1.7);
        assert_eq!(Reach::default().widen(0.3, sampling), sampling);
        let ratio = Ratio { above: &[&[0]], below: &[&[0, 1]] };
        let (inputs, noise) = ([30.0, 50.0], 1e-3);
        let reach = (0..2).fold(Reach::default(), |reach, input| {
            let moved = [-noise, noise].map(|by| {
                let mut moved = inputs;
                moved[input] += by;
                ratio.log(&moved)
            });
            reach.and(ratio.log(&inputs), moved)
        });
        let delta = (0..2).map(|input| (noise * ratio.slope(&inputs, input)).powi(2));
        let expected = delta.sum::<f64>().sqrt();
        let log = ratio.log(&inputs);
        let widened = reach.widen(log, Interval { lower: log, upper: log });
        assert!(((log - widened.lower) / expected - 1.0).abs() < 1e-4);
        assert!(((widened.upper - log) / expected - 1.0).abs() < 1e-4);
        assert_eq!(exponential(Interval { lower: f64::NEG_INFINITY, upper: 0.0 }).lower, 0.0);
    }

    #[test]
    fn a_level_outside_of_0_and_1_has_no_quantile() {
        assert!((two_sided(0.95) - 1.959_963_984_540_054).abs() < 1e-12);
        assert!(two_sided(0.0).is_nan() && two_sided(1.0).is_nan() && two_sided(1.5).is_nan());
    }
}
