//! Tails of integer noise: thresholds for keys, half-widths for intervals, standard deviations.
//!
//! Floats, but outward: a returned tail bound is never too small. It reads scales and
//! probabilities only, never a record.
//!
//! # Source
//! CKS20, Definition 1 (the law) and Proposition 25 (its tail: Pr[Z ≥ m] ≤ Q((m - 1)/σ)). The tails
//! of the discrete Laplace are geometric sums.

use std::f64::consts::TAU;

use ledger_adapter::cost::Delta;

use super::{Family, Noise, NoiseError, Scale};

/// The least t with groups · Pr[1 + Z > t] ≤ δ. As 1 + Z > t is Z ≥ t, a plain tail.
pub(super) fn threshold(noise: Noise, groups: u64, delta: Delta) -> Result<i64, NoiseError> {
    if groups == 0 {
        return Err(NoiseError::NoSensitivity);
    }
    if delta.atto() == 0 || delta.as_f64() >= 1.0 {
        return Err(NoiseError::BadDelta);
    }
    least_tail(noise, delta.as_f64() / groups as f64)
}

/// The least q with Pr[|Z| > q] ≤ α. As |Z| > q is Z ≥ q + 1 or the same of -Z, half a tail.
pub(super) fn quantile(noise: Noise, alpha: f64) -> Result<i64, NoiseError> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(NoiseError::BadAlpha);
    }
    // Half of α is below 1/2 and Pr[Z ≥ 0] is above it, so the tail starts at 1 or later.
    Ok(least_tail(noise, alpha / 2.0)?.saturating_sub(1).max(0))
}

/// The standard deviation. Of the discrete Gaussian it is σ from σ = 4 on, to the last digit.
pub(super) fn deviation(noise: Noise) -> f64 {
    let scale = noise.scale.as_f64();
    match noise.family {
        Family::Laplace => {
            let p = (-1.0 / scale).exp();
            (2.0 * p).sqrt() / -(-1.0 / scale).exp_m1()
        }
        Family::Gaussian if scale >= 4.0 => scale,
        Family::Gaussian => {
            let weight = |z: i32| (-(f64::from(z) / scale).powi(2) / 2.0).exp();
            let sum: f64 = (1..160).map(weight).sum();
            let squares: f64 = (1..160).map(|z| f64::from(z).powi(2) * weight(z)).sum();
            (2.0 * squares / 2.0_f64.mul_add(sum, 1.0)).sqrt()
        }
    }
}

/// The least t with Pr[Z ≥ t] ≤ `probability`, which is above 0 and below 1.
fn least_tail(noise: Noise, probability: f64) -> Result<i64, NoiseError> {
    if noise.scale.numerator == 0 {
        return Err(NoiseError::BadScale);
    }
    match noise.family {
        Family::Gaussian => gaussian_tail(noise.scale, probability),
        Family::Laplace => laplace_tail(noise.scale.as_f64(), probability),
    }
}

/// For the discrete Laplace of scale s, by its tail p^t / (1 + p) for t of 1 or more, p =
/// exp(-1/s), and 1 less the tail from 1 - t on for others.
///
/// `LOG_MARGIN` makes up for the errors of the logarithms, and is at most 10⁻⁹·s steps too many.
fn laplace_tail(s: f64, probability: f64) -> Result<i64, NoiseError> {
    let both = (-1.0 / s).exp().ln_1p();
    let steps = if probability.ln() + both <= 0.0 {
        // p^t ≤ probability · (1 + p).
        s * (LOG_MARGIN - probability.ln() - both)
    } else {
        // p^(1 - t) ≥ (1 - probability) · (1 + p).
        s.mul_add(LOG_MARGIN + (-probability).ln_1p() + both, 1.0)
    };
    let least = steps.ceil();
    if least.abs() > 9e18 {
        return Err(NoiseError::Overflow { what: "the tail" });
    }
    Ok(to_integer(least))
}

/// For the discrete Gaussian.
///
/// Up to σ = 10⁴ the tail is summed. Beyond, it is compared with the one of s = 10⁴, through the
/// Gaussian tail Q. Weights fall from 0 outwards and those of scale σ sum to σ√(2π) or more, so
/// Pr_σ[Z ≥ t] ≤ Q((t - 1)/σ). Likewise Q(u/s) ≤ Pr_s[Z ≥ u], as those of scale s sum to s√(2π)
/// but for a part of exp(-2π²s²). Hence t = 1 + ⌈σ·u/s⌉ is enough for σ if u is for s; it is at
/// most 2σ/s + 3 above the least.
fn gaussian_tail(scale: Scale, probability: f64) -> Result<i64, NoiseError> {
    let sigma = scale.as_f64();
    if sigma <= SUMMED_MAX {
        return Ok(summed_tail(sigma, probability));
    }
    // The comparison holds in the upper half only.
    let reference = summed_tail(SUMMED_MAX, probability.min(0.5));
    let scaled = (sigma * (reference as f64 / SUMMED_MAX) * MARGIN).ceil();
    if scaled > 9e18 {
        return Err(NoiseError::Overflow { what: "the tail" });
    }
    Ok(to_integer(scaled) + 1)
}

/// Likewise, by summing weights from far out inwards, for σ up to 10⁴.
fn summed_tail(sigma: f64, probability: f64) -> i64 {
    let weight = |z: i64| (-(z as f64 / sigma).powi(2) / 2.0).exp();
    // Beyond √(2 ln 1/p) + 9 standard deviations, and one more step, lies less than e^-40 of p,
    // for which the first summand stands.
    let start = to_integer(((-2.0 * probability.ln()).sqrt() + 9.0).mul_add(sigma, 1.0).ceil());
    let allowed = probability * total_weight(sigma);
    let mut sum = allowed * 1e-15;
    for z in (-start..=start).rev() {
        sum += weight(z);
        if sum * MARGIN > allowed {
            return z + 1;
        }
    }
    -start
}

/// The sum of the weights of all integers, from below.
///
/// By Poisson summation it is σ√(2π) · (1 + 2·exp(-2π²σ²) + ...): from σ = 4 on, nothing is left
/// of the second term.
fn total_weight(sigma: f64) -> f64 {
    if sigma >= 4.0 {
        return sigma * TAU.sqrt() / MARGIN;
    }
    let weights = (1..160).map(|z| (-(f64::from(z) / sigma).powi(2) / 2.0).exp());
    weights.sum::<f64>().mul_add(2.0, 1.0) / MARGIN
}

/// A whole float between -2⁶³ and 2⁶³.
#[expect(clippy::cast_possible_truncation, reason = "callers pass whole numbers below 2^63")]
fn to_integer(whole: f64) -> i64 {
    whole as i64
}

/// Above all float error here: 10⁶ summands of relative error 10⁻¹⁵ and the error of their sum.
const MARGIN: f64 = 1.0 + 1e-9;

/// Above the float error of a logarithm of a probability, and of one of its products.
const LOG_MARGIN: f64 = 1e-9;

/// Largest σ whose tail is summed: about a millisecond.
const SUMMED_MAX: f64 = 1e4;

/// By bisection: sixty halvings leave less than a float can hold.
pub(super) fn normal_quantile(alpha: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        let beyond = libm::erfc(middle / std::f64::consts::SQRT_2) > alpha;
        (low, high) = if beyond { (middle, high) } else { (low, middle) };
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_quantiles_are_the_published_ones() {
        for (alpha, expected) in
            [(0.5, 0.674_490), (0.1, 1.644_854), (0.05, 1.959_964), (0.01, 2.575_829)]
        {
            assert!((normal_quantile(alpha) - expected).abs() < 1e-6, "{alpha}");
        }
    }

    fn gaussian(numerator: u64, log2_denominator: u8) -> Noise {
        Noise::from(Scale { numerator, log2_denominator })
    }

    fn whole(sigma: u64) -> Noise {
        gaussian(sigma, 0)
    }

    fn laplace(numerator: u64, log2_denominator: u8) -> Noise {
        Noise { family: Family::Laplace, scale: Scale { numerator, log2_denominator } }
    }

    /// Pr[Z ≥ t], summed outwards with nothing rounded on purpose.
    fn tail(sigma: f64, t: i64) -> f64 {
        let weight = |z: i64| (-(z as f64).powi(2) / (2.0 * sigma * sigma)).exp();
        let reach = 2_000;
        (t..=reach).map(weight).sum::<f64>() / (-reach..=reach).map(weight).sum::<f64>()
    }

    #[test]
    fn quantiles_are_those_of_the_exact_law() {
        // opendp's accuracy at (10, 0.05) is 21: Pr[|Z| >= 21] <= 0.05.
        assert_eq!(quantile(whole(10), 0.05).unwrap(), 20);
        // Mostly zero: Pr[Z = 0] = 1 - 2e-7 at sigma = 1/5.5.
        assert_eq!(quantile(gaussian(11, 6), 0.05).unwrap(), 0);
        for sigma in [1_u32, 2, 3, 5, 10, 33, 100] {
            for alpha in [0.9, 0.3, 0.05, 0.01, 1e-6] {
                let q = quantile(whole(u64::from(sigma)), alpha).unwrap();
                assert!(2.0 * tail(f64::from(sigma), q + 1) <= alpha, "{sigma}, {alpha}");
                let less = if q == 0 { 1.0 } else { 2.0 * tail(f64::from(sigma), q) };
                assert!(less > alpha, "{sigma}, {alpha}");
            }
        }
    }

    #[test]
    fn wide_quantiles_are_those_of_the_gaussian() {
        // 1.959964 and 4.891638 are the normal quantiles at 0.975 and 1 - 5e-7.
        for (alpha, normal) in [(0.05, 1.959_964), (1e-6, 4.891_638)] {
            for sigma in [9_999_u64, 10_001, 1 << 20, 1 << 40, 1 << 60] {
                let (q, least) = (quantile(whole(sigma), alpha).unwrap() as f64, sigma as f64);
                assert!(q >= (normal - 1e-4) * least - 1.0, "{sigma}: {q}");
                assert!(q <= (normal + 3e-4) * least + 2.0, "{sigma}: {q}");
            }
        }
        assert!(matches!(quantile(whole(u64::MAX), 0.05), Err(NoiseError::Overflow { .. })));
    }

    #[test]
    fn thresholds_are_least() {
        for sigma in [1_u32, 4, 20] {
            // Each δ is a power of ten of units of 10⁻¹⁸.
            for (groups, atto) in [(1, 16), (1, 12), (16, 12), (1, 8), (1000, 0)] {
                let delta = Delta::from_atto(10_u64.pow(atto));
                let t = threshold(whole(u64::from(sigma)), groups, delta).unwrap();
                let spent = |t| groups as f64 * tail(f64::from(sigma), t);
                assert!(spent(t) <= delta.as_f64(), "{sigma}, {groups}, {atto}");
                assert!(spent(t - 1) > delta.as_f64(), "{sigma}, {groups}, {atto}");
            }
        }
        // A generous delta needs no threshold above zero: Pr[Z >= -1] = 0.94 at sigma 1.
        assert_eq!(threshold(whole(1), 1, Delta::from_atto(950_000_000_000_000_000)).unwrap(), -1);
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        for alpha in [0.0, 1.0, -0.5, f64::NAN] {
            assert!(matches!(quantile(whole(1), alpha), Err(NoiseError::BadAlpha)));
        }
        let delta = |atto| threshold(whole(1), 1, Delta::from_atto(atto));
        assert!(matches!(delta(0), Err(NoiseError::BadDelta)));
        assert!(matches!(delta(1_000_000_000_000_000_000), Err(NoiseError::BadDelta)));
        assert!(matches!(quantile(whole(0), 0.5), Err(NoiseError::BadScale)));
        let nobody = threshold(whole(1), 0, Delta::from_atto(1));
        assert!(matches!(nobody, Err(NoiseError::NoSensitivity)));
    }

    /// Pr[Z ≥ t] for the discrete Laplace of scale `s`, summed.
    fn laplace_tail_summed(s: f64, t: i64) -> f64 {
        let weight = |z: i64| (-(z as f64).abs() / s).exp();
        let reach = 4_000;
        (t..=reach).map(weight).sum::<f64>() / (-reach..=reach).map(weight).sum::<f64>()
    }

    #[test]
    fn laplace_tails_are_those_of_the_exact_law() {
        // opendp's accuracy at (10, 0.05) is 30.44: Pr[|Z| > 30] <= 0.05.
        assert_eq!(quantile(laplace(10, 0), 0.05).unwrap(), 30);
        for (at, s) in [(laplace(1, 2), 0.25), (laplace(1, 0), 1.0), (laplace(50, 0), 50.0)] {
            for alpha in [0.9, 0.3, 0.05, 1e-6] {
                let q = quantile(at, alpha).unwrap();
                assert!(2.0 * laplace_tail_summed(s, q + 1) <= alpha, "{s}, {alpha}");
                let less = if q == 0 { 1.0 } else { 2.0 * laplace_tail_summed(s, q) };
                assert!(less > alpha, "{s}, {alpha}");
            }
            for atto in [1, 1_000_000, 1_000_000_000_000, 400_000_000_000_000_000] {
                let delta = Delta::from_atto(atto);
                let t = threshold(at, 3, delta).unwrap();
                assert!(3.0 * laplace_tail_summed(s, t) <= delta.as_f64() * (1.0 + 1e-9));
                assert!(3.0 * laplace_tail_summed(s, t - 1) > delta.as_f64(), "{s}, {atto}");
            }
            // Generous ones: Pr[Z >= 0] is above a half, and Pr[Z >= -4] above nine tenths.
            let generous = Delta::from_atto(999_000_000_000_000_000);
            let t = threshold(at, 1, generous).unwrap();
            assert!(laplace_tail_summed(s, t) <= 0.999, "{s}");
            assert!(laplace_tail_summed(s, t - 1) > 0.999, "{s}");
        }
        assert_eq!(quantile(laplace(1, 200), 1e-300).unwrap(), 0);
        assert_eq!(threshold(laplace(1, 200), 1, Delta::from_atto(1)).unwrap(), 1);
        assert!(matches!(quantile(laplace(u64::MAX, 0), 0.05), Err(NoiseError::Overflow { .. })));
    }

    #[test]
    fn deviations_are_those_of_the_discrete_laws() {
        for (noise, expected) in [
            (whole(20), 20.0),
            // Summed by mpmath: the discrete law at 1 is as wide as the continuous, not so at 0.4.
            (whole(1), 0.999_999_894),
            (gaussian(2, 2), 0.463_694_592),
            (laplace(1, 0), 1.356_962_486),
            (laplace(100, 0), 141.420_767),
            (laplace(1, 3), 0.025_910_917),
        ] {
            let found = deviation(noise);
            assert!((found / expected - 1.0).abs() < 1e-5, "{noise:?}: {found}");
        }
        assert_eq!(deviation(laplace(1, 200)), 0.0);
    }
}
