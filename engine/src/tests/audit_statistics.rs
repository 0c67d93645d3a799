//! The statistics with which releases are audited: what a sample proves, and how often it errs.
//!
//! It draws no samples and knows no mechanisms.
//!
//! # Source
//! Clopper and Pearson 1934 (bounds); Ding, Wang, Wang, Zhang and Kifer 2018 (events chosen on one
//! half of a sample, counted on the other); Numerical Recipes, Sections 6.1, 6.2 and 6.4 (special
//! functions).

/// An interval for a probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    /// Lower end.
    pub(crate) lower: f64,
    /// Upper end.
    pub(crate) upper: f64,
}

/// The interval of Clopper and Pearson for a probability: it holds with `confidence` at least,
/// and each end with half of the rest.
pub(crate) fn clopper_pearson(successes: u64, trials: u64, confidence: f64) -> Bounds {
    assert!(successes <= trials && trials > 0, "{successes} of {trials}");
    let miss = (1.0 - confidence) / 2.0;
    Bounds { lower: lower(successes, trials, miss), upper: upper(successes, trials, miss) }
}

/// A lower bound on ε at `delta` that is right with `confidence`, from samples of one released
/// number under two neighbouring databases.
///
/// Range: zero if the samples prove nothing.
///
/// An event is a half-line. Its end is chosen on the first half of either sample, to look worst;
/// its probabilities P and Q are bounded on the second half, and ε ≥ ln((P - δ)/Q). Four events
/// are tried, of either direction under either database, each with two bounds: every bound may
/// err with an eighth of what `confidence` leaves.
pub(crate) fn epsilon_lower_bound(
    samples0: &[i128],
    samples1: &[i128],
    delta: f64,
    confidence: f64,
) -> f64 {
    let miss = (1.0 - confidence) / 8.0;
    let mut best = 0.0_f64;
    for (likely, unlikely) in [(samples0, samples1), (samples1, samples0)] {
        for sign in [1, -1] {
            let (look, count) = likely.split_at(likely.len() / 2);
            let (look_at, count_at) = unlikely.split_at(unlikely.len() / 2);
            let end = worst_end(&signed(look, sign), &signed(look_at, sign), delta);
            let beyond = |samples: &[i128]| {
                let count = samples.iter().filter(|&&sample| sign * sample >= end).count();
                (u64::try_from(count).unwrap(), u64::try_from(samples.len()).unwrap())
            };
            let ((successes, trials), (successes_at, trials_at)) =
                (beyond(count), beyond(count_at));
            let least = lower(successes, trials, miss) - delta;
            if least > 0.0 {
                best = best.max((least / upper(successes_at, trials_at, miss)).ln());
            }
        }
    }
    best
}

/// Pearson's correlation of two samples; under independence its standard error is 1/√n.
pub(crate) fn correlation(left: &[f64], right: &[f64]) -> f64 {
    assert_eq!(left.len(), right.len(), "pairs");
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (center, center_at) = (mean(left), mean(right));
    let (mut product, mut square, mut square_at) = (0.0, 0.0, 0.0);
    for (x, y) in left.iter().zip(right) {
        let (dx, dy) = (x - center, y - center_at);
        product += dx * dy;
        square += dx * dx;
        square_at += dy * dy;
    }
    product / (square * square_at).sqrt()
}

/// Pearson's statistic of counts against what was expected, and its degrees of freedom.
///
/// Every cell should expect five or more; no parameter was fitted.
pub(crate) fn chi_square(observed: &[u64], expected: &[f64]) -> (f64, f64) {
    assert_eq!(observed.len(), expected.len(), "cells");
    let cell = |(&seen, &expected): (&u64, &f64)| (seen as f64 - expected).powi(2) / expected;
    (observed.iter().zip(expected).map(cell).sum(), observed.len() as f64 - 1.0)
}

/// The value that χ² with so much freedom exceeds with probability `false_alarm`.
pub(crate) fn chi_square_quantile(freedom: f64, false_alarm: f64) -> f64 {
    let mut high = freedom + 10.0;
    while upper_gamma(freedom / 2.0, high / 2.0) > false_alarm {
        high *= 2.0;
    }
    root(0.0, high, |value| upper_gamma(freedom / 2.0, value / 2.0) <= false_alarm)
}

/// The probability below which as many successes or more are rarer than `miss`.
fn lower(successes: u64, trials: u64, miss: f64) -> f64 {
    if successes == 0 {
        return 0.0;
    }
    let (a, b) = (successes as f64, (trials - successes) as f64 + 1.0);
    root(0.0, 1.0, |probability| incomplete_beta(a, b, probability) > miss)
}

/// The probability above which as few successes or fewer are rarer than `miss`.
fn upper(successes: u64, trials: u64, miss: f64) -> f64 {
    1.0 - lower(trials - successes, trials, miss)
}

fn signed(samples: &[i128], sign: i128) -> Vec<i128> {
    let mut signed: Vec<i128> = samples.iter().map(|sample| sign * sample).collect();
    signed.sort_unstable();
    signed
}

/// The end of the half-line upwards at which sorted samples look least private, out of some
/// hundred. Three standard errors keep it off the tails, where a count proves little.
fn worst_end(likely: &[i128], unlikely: &[i128], delta: f64) -> i128 {
    let share = |samples: &[i128], end: i128, errors: f64| {
        let beyond = samples.len() - samples.partition_point(|&sample| sample < end);
        let (count, total) = (beyond as f64, samples.len() as f64);
        (count + errors * (count + 1.0).sqrt()) / total
    };
    let score = |end: i128| {
        let least = share(likely, end, -3.0) - delta;
        if least > 0.0 { (least / share(unlikely, end, 3.0)).ln() } else { f64::NEG_INFINITY }
    };
    let mut ends: Vec<i128> = likely.iter().step_by((likely.len() / 300).max(1)).copied().collect();
    ends.dedup();
    ends.into_iter().max_by(|a, b| score(*a).total_cmp(&score(*b))).unwrap_or(0)
}

/// Where a condition begins to hold between two numbers, to float precision.
fn root(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    f64::midpoint(low, high)
}

/// ln Γ(x) by Stirling's series, for x > 0.
fn log_gamma(mut x: f64) -> f64 {
    // Γ(x+1) = xΓ(x) until the series is exact to a float.
    let mut product = 1.0;
    while x < 15.0 {
        product *= x;
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = 1.0 / 1260.0 - inverse / 1680.0;
    let series = (1.0 / 12.0 - inverse * (1.0 / 360.0 - inverse * series)) / x;
    (x - 0.5) * x.ln() - x + std::f64::consts::TAU.ln() / 2.0 + series - f64::ln(product)
}

/// The regularized incomplete beta function, by the continued fraction of Lentz.
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let log_beta = log_gamma(a) + log_gamma(b) - log_gamma(a + b);
    let front = (a * x.ln() + b * (-x).ln_1p() - log_beta).exp() / a;
    let coefficient = |index: u32| {
        let m = f64::from(index / 2);
        let even = a + 2.0 * m;
        if index.is_multiple_of(2) {
            m * (b - m) * x / ((even - 1.0) * even)
        } else {
            -(a + m) * (a + b + m) * x / (even * (even + 1.0))
        }
    };
    front / continued_fraction(|index| (coefficient(index), 1.0), 1.0)
}

/// The regularized upper incomplete gamma function, by its series or its continued fraction.
fn upper_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = (a * x.ln() - x - log_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut at) = (1.0 / a, 1.0 / a, a);
        while term > sum * 1e-17 {
            at += 1.0;
            term *= x / at;
            sum += term;
        }
        return 1.0 - front * sum;
    }
    let step = |index: u32| {
        let i = f64::from(index);
        (-i * (i - a), x + 2.0 * i + 1.0 - a)
    };
    front / continued_fraction(step, x + 1.0 - a)
}

/// b₀ + a₁/(b₁ + a₂/(b₂ + ...)), from the pairs (aᵢ, bᵢ) on.
fn continued_fraction(pair: impl Fn(u32) -> (f64, f64), first: f64) -> f64 {
    let away = |x: f64| if x.abs() < 1e-300 { 1e-300 } else { x };
    let mut value = away(first);
    let (mut ratio, mut inverse) = (value, 0.0);
    for index in 1..100_000 {
        let (a, b) = pair(index);
        inverse = 1.0 / away(b + a * inverse);
        ratio = away(b + a / ratio);
        value *= ratio * inverse;
        if (ratio * inverse - 1.0).abs() < 1e-15 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A generator after Steele, Lea and Flood, for samples of these tests only.
    struct SplitMix(u64);

    impl SplitMix {
        fn uniform(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        }

        /// Two-sided geometric noise around `center`, as the difference of two exponentials that
        /// are rounded down.
        #[expect(clippy::cast_possible_truncation, reason = "an exponential is below 40 scales")]
        fn laplace(&mut self, center: i128, scale: f64, count: usize) -> Vec<i128> {
            let mut geometric =
                || -> i128 { (-scale * (1.0 - self.uniform()).ln()).floor() as i128 };
            (0..count).map(|_| center + geometric() - geometric()).collect()
        }
    }

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
    }

    #[test]
    fn intervals_are_those_of_the_published_tables() {
        // Successes, trials, and both ends at 95 %, to four digits (Geigy, Scientific Tables).
        for (successes, trials, lower, upper) in [
            (0, 10, 0.0, 0.3085),
            (1, 10, 0.0025, 0.4450),
            (5, 10, 0.1871, 0.8129),
            (10, 10, 0.6915, 1.0),
            (2, 20, 0.0123, 0.3170),
            (50, 100, 0.3983, 0.6017),
        ] {
            let found = clopper_pearson(successes, trials, 0.95);
            close(found.lower, lower, 5e-5);
            close(found.upper, upper, 5e-5);
        }
        // Without a success the upper end has a closed form: 1 - (miss)^(1/n).
        close(clopper_pearson(0, 200_000, 0.999).upper, 1.0 - 5e-4_f64.powf(1.0 / 2e5), 1e-12);
        // With many trials, close to normal: 0.3 ± 3.2905 standard errors.
        let found = clopper_pearson(60_000, 200_000, 0.999);
        close(found.upper - found.lower, 2.0 * 3.290_53 * (0.21_f64 / 2e5).sqrt(), 1e-5);
    }

    #[test]
    fn quantiles_of_chi_square_are_the_published_ones() {
        // Freedom, false-alarm rate, value (Abramowitz and Stegun, Table 26.8; closed form at 2).
        for (freedom, false_alarm, expected) in [
            (1.0, 0.05, 3.841_46),
            (1.0, 0.001, 10.827_6),
            (10.0, 0.05, 18.307_0),
            (30.0, 0.995, 13.786_7),
            (100.0, 0.001, 149.449),
            (2.0, 1e-6, 27.631_02),
        ] {
            let found = chi_square_quantile(freedom, false_alarm);
            close(found / expected, 1.0, 5e-6);
        }
        let (statistic, freedom) = chi_square(&[12, 8, 10, 10], &[10.0; 4]);
        assert_eq!((statistic, freedom), (0.8, 3.0));
        assert!(statistic < chi_square_quantile(freedom, 0.5));
    }

    #[test]
    fn correlation_is_that_of_a_worked_example() {
        // Anscombe 1973, the first of his four: 0.816.
        let x = [10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0];
        let y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
        close(correlation(&x, &y), 0.816_42, 5e-6);
        let negative: Vec<f64> = y.iter().map(|value| -value).collect();
        close(correlation(&x, &negative), -0.816_42, 5e-6);
    }

    #[test]
    fn an_audit_tells_the_noise_that_is_claimed_from_less() {
        let mut draw = SplitMix(61);
        let mut audit = |scale: f64, count: usize| {
            let (without, with) = (draw.laplace(10, scale, count), draw.laplace(11, scale, count));
            epsilon_lower_bound(&without, &with, 0.0, 0.999)
        };
        // ε = 1 as claimed: close below it, at 99.9 % confidence.
        let correct = audit(1.0, 200_000);
        assert!((0.96..=1.0).contains(&correct), "{correct}");
        // A twentieth too little noise, and half of it.
        let short = audit(1.0 / 1.05, 200_000);
        assert!((1.0..=1.05).contains(&short), "{short}");
        let half = audit(0.5, 200_000);
        assert!((1.9..=2.0).contains(&half), "{half}");
        // Few samples prove little, but nothing false: each of these errs once in a thousand.
        for run in 0..40 {
            let few = audit(1.0, 1_000);
            assert!((0.3..=1.0).contains(&few), "{run}: {few}");
        }
    }

    #[test]
    fn an_audit_allows_for_delta() {
        // Shown with probability 0.02 with the person, never without.
        let mut draw = SplitMix(62);
        let never = vec![0; 50_000];
        let seldom: Vec<i128> = (0..50_000).map(|_| i128::from(draw.uniform() < 0.02)).collect();
        assert!(epsilon_lower_bound(&never, &seldom, 0.0, 0.999) > 3.0);
        assert!(epsilon_lower_bound(&never, &seldom, 0.01, 0.999) > 2.0);
        assert_eq!(epsilon_lower_bound(&never, &seldom, 0.025, 0.999), 0.0);
        assert_eq!(epsilon_lower_bound(&never, &never, 0.0, 0.999), 0.0);
        assert_eq!(epsilon_lower_bound(&[], &[1], 0.0, 0.999), 0.0);
    }
}
