//! Random numbers from fixed seeds, for tests that count how often an interval covers.

/// SplitMix64: a small generator that gives the same numbers on every machine.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Uniform on (0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Normal with mean 0 and variance 1, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Poisson: the quantile of a uniform number, sought outwards from the mode.
    pub(crate) fn poisson(&mut self, mean: f64) -> f64 {
        let mode = mean.floor();
        let probability = (mode * mean.max(1e-300).ln() - mean - libm::lgamma(mode + 1.0)).exp();
        let mut left = self.uniform() - probability;
        let (mut below, mut above) = (mode, mode);
        let (mut at_below, mut at_above) = (probability, probability);
        let mut found = mode;
        while left > 0.0 && at_below + at_above > 1e-300 {
            at_below *= below / mean;
            below -= 1.0;
            found = below;
            left -= at_below;
            if left > 0.0 {
                above += 1.0;
                at_above *= mean / above;
                found = above;
                left -= at_above;
            }
        }
        found
    }

    /// Binomial, by the gaps between the rarer of successes and failures.
    pub(crate) fn binomial(&mut self, trials: impl Into<f64>, probability: f64) -> f64 {
        let trials = trials.into();
        if probability > 0.5 {
            return trials - self.binomial(trials, 1.0 - probability);
        }
        let (mut count, mut at) = (0.0, 0.0);
        loop {
            at += (self.uniform().ln() / (-probability).ln_1p()).floor() + 1.0;
            if at > trials {
                return count;
            }
            count += 1.0;
        }
    }

    /// Integer noise of about this standard deviation: a rounded normal number.
    pub(crate) fn noise(&mut self, deviation: f64) -> f64 {
        (deviation * self.normal()).round()
    }

    /// Discrete Laplace noise on one count at this ε: the difference of two geometric numbers.
    pub(crate) fn laplace(&mut self, epsilon: f64) -> f64 {
        let mut geometric = || (self.uniform().ln() / -epsilon).floor();
        geometric() - geometric()
    }
}

/// The standard deviation of discrete Laplace noise on one count at this ε.
pub(crate) fn noise_deviation(epsilon: f64) -> f64 {
    let step = (-epsilon).exp();
    (2.0 * step).sqrt() / (1.0 - step)
}

#[test]
fn the_simulated_laws_have_their_means_and_variances() {
    let mut random = Random::new(7);
    let mut moments = |draw: &mut dyn FnMut(&mut Random) -> f64| {
        let drawn: Vec<f64> = (0..20_000).map(|_| draw(&mut random)).collect();
        let mean = drawn.iter().sum::<f64>() / 20_000.0;
        (mean, drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0)
    };
    // Five standard errors each: a false alarm in some million seeds.
    let (mean, variance) = moments(&mut |random| random.poisson(50.0));
    assert!((mean - 50.0).abs() < 0.25 && (variance - 50.0).abs() < 2.6, "{mean} {variance}");
    let (mean, variance) = moments(&mut |random| random.poisson(0.3));
    assert!((mean - 0.3).abs() < 0.02 && (variance - 0.3).abs() < 0.025, "{mean} {variance}");
    let (mean, variance) = moments(&mut |random| random.binomial(50.0, 0.7));
    assert!((mean - 35.0).abs() < 0.12 && (variance - 10.5).abs() < 0.6, "{mean} {variance}");
    let (mean, variance) = moments(&mut |random| random.laplace(0.5));
    let expected = noise_deviation(0.5).powi(2);
    assert!(mean.abs() < 0.1 && (variance - expected).abs() < 0.6, "{mean} {variance}");
    let (mean, variance) = moments(&mut Random::normal);
    assert!(mean.abs() < 0.036 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
}
