//! Random numbers for one person, which depend on the seed and on that person only.
//!
//! Every person has a `ChaCha` stream of their own, so a cohort of one person more leaves all
//! others as they were. It is for invented data and never for privacy noise.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use rand_distr::{Beta, Distribution, Exp1, Gamma, Poisson, StandardNormal};

/// What a stream is for; streams of different purposes never meet.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// A person, by index.
    Person,
    /// A calendar week, by index: what all persons share.
    Week,
    /// A number that only looks random, such as a lot's.
    Scramble,
}

/// One stream of random numbers.
pub(super) struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream of that purpose and index.
    pub(super) fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8] = match purpose {
            Purpose::Person => 1,
            Purpose::Week => 2,
            Purpose::Scramble => 3,
        };
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(index);
        Self(rng)
    }

    /// Uniform in [0, 1), on a grid of 2^-53.
    pub(super) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Sixty-four uniform bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// True with that probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Uniform among `0..count`; 0 when the count is 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap_or(0);
        let wide = u128::from(self.0.next_u64()) * u128::from(count);
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    /// Uniform among whole numbers from `least` to `most`, both included.
    pub(super) fn between(&mut self, least: i32, most: i32) -> i32 {
        let count = usize::try_from(most - least + 1).unwrap_or(1);
        least + i32::try_from(self.below(count)).unwrap_or(0)
    }

    /// Standard normal.
    pub(super) fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// Exponential of mean 1.
    pub(super) fn exponential(&mut self) -> f64 {
        Exp1.sample(&mut self.0)
    }

    /// Gamma of that shape and of mean 1.
    pub(super) fn frailty(&mut self, shape: f64) -> f64 {
        Gamma::new(shape, 1.0 / shape).map_or(1.0, |gamma| gamma.sample(&mut self.0))
    }

    /// Beta on (0, 1).
    pub(super) fn beta(&mut self, alpha: f64, beta: f64) -> f64 {
        Beta::new(alpha, beta).map_or(0.5, |share| share.sample(&mut self.0))
    }

    /// Poisson of that mean, at most `most`; 0 when the mean is not positive.
    pub(super) fn poisson(&mut self, mean: f64, most: i64) -> i64 {
        Poisson::new(mean).map_or(0, |count| whole(count.sample(&mut self.0)).min(most))
    }

    /// Log-normal with that mean (of the amount, not of its logarithm) and that log-scale spread.
    pub(super) fn amount(&mut self, mean: f64, sigma: f64) -> f64 {
        mean * (sigma * self.normal() - sigma * sigma / 2.0).exp()
    }

    /// An index with probability proportional to its weight.
    pub(super) fn pick(&mut self, weights: &[f64]) -> usize {
        let mut left = self.uniform() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        weights.len().saturating_sub(1)
    }

    /// An index by cumulative weights, which must rise to 1.
    pub(super) fn pick_cumulative(&mut self, cumulative: &[f64]) -> usize {
        let point = self.uniform();
        cumulative.partition_point(|&upto| upto <= point).min(cumulative.len().saturating_sub(1))
    }
}

/// Weights as cumulative shares of their sum, for [`Draw::pick_cumulative`].
pub(super) fn cumulative(weights: &[f64]) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    let mut upto = 0.0;
    weights
        .iter()
        .map(|weight| {
            upto += weight / sum;
            upto
        })
        .collect()
}

/// The whole part of a number.
#[expect(clippy::cast_possible_truncation, reason = "saturates at the ends, and NaN gives 0")]
pub(super) fn whole(number: f64) -> i64 {
    number as i64
}

#[cfg(test)]
mod tests {
    use super::{Draw, Purpose, cumulative};

    fn moments(mut one: impl FnMut(&mut Draw) -> f64) -> (f64, f64) {
        let mut draw = Draw::new(7, Purpose::Person, 0);
        let numbers: Vec<f64> = (0..40_000).map(|_| one(&mut draw)).collect();
        let mean = numbers.iter().sum::<f64>() / 40_000.0;
        (mean, numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 40_000.0)
    }

    /// Each bound is at least five standard errors wide: a false alarm in a million.
    #[test]
    fn distributions_have_their_moments() {
        let (mean, variance) = moments(Draw::uniform);
        assert!((mean - 0.5).abs() < 0.008 && (variance - 1.0 / 12.0).abs() < 0.002);
        let (mean, variance) = moments(|draw| draw.frailty(0.5));
        assert!((mean - 1.0).abs() < 0.04 && (variance - 2.0).abs() < 0.25);
        let (mean, variance) = moments(|draw| draw.poisson(3.0, 99) as f64);
        assert!((mean - 3.0).abs() < 0.05 && (variance - 3.0).abs() < 0.13);
        let (mean, _) = moments(|draw| draw.amount(200.0, 0.8));
        assert!((mean - 200.0).abs() < 5.0);
    }

    #[test]
    fn streams_differ_by_person_and_repeat_by_seed() {
        let bits = |seed, index| Draw::new(seed, Purpose::Person, index).bits();
        assert_eq!(bits(1, 5), bits(1, 5));
        assert_ne!(bits(1, 5), bits(1, 6));
        assert_ne!(bits(1, 5), bits(2, 5));
    }

    #[test]
    fn picks_follow_their_weights() {
        let shares = cumulative(&[1.0, 3.0]);
        let mut draw = Draw::new(3, Purpose::Person, 1);
        let second = (0..10_000).filter(|_| draw.pick_cumulative(&shares) == 1).count();
        // Five standard errors are 217: a false alarm in a million.
        assert!(second.abs_diff(7_500) < 217);
        assert!((0..1_000).all(|_| draw.below(3) < 3 && (2..=4).contains(&draw.between(2, 4))));
    }
}
