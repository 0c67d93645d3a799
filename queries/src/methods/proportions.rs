//! Proportions: how many of how many, with noise in either.

use super::distribution::{beta_quantile, normal_quantile};
use super::rates::quotient;
use crate::estimate::{Estimate, Interval};

/// How the interval of a proportion without noise is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProportionLimits {
    /// Wilson's score interval (1927).
    Wilson,
    /// Exact: quantiles of the beta law (Clopper and Pearson 1934).
    Exact,
    /// The proportion and so many standard errors (Wald); may leave 0 to 1.
    Wald,
}

/// The proportion `part` of `whole`; [`Estimate::times`] makes it a percentage.
///
/// The interval with noise is Wilson's with the noise in its variance: all proportions `p` in
/// 0 to 1 at which the part is at most z standard deviations from `p` of the whole, where its
/// variance is n·p·(1 − p) + σ² + p²τ² with σ² and τ² the noise variances of part and whole. It
/// takes the place of every other, and is Wilson's own without noise. The noise of the two is
/// independent: the whole is not the sum of noisy parts.
///
/// A noisy part may be below 0 or above the whole: the value stays, and the interval is that of
/// the nearest possible part. NaN without an interval where the whole is not above 0, or where
/// without noise the part is outside of it.
///
/// # Source
/// Wilson 1927, J Am Stat Assoc 22:209; Fieller 1954, J R Stat Soc B 16:175, for the noisy whole.
pub fn proportion(
    part: &Estimate,
    whole: &Estimate,
    limits: ProportionLimits,
    level: f64,
) -> Estimate {
    let (x, n) = (part.value, whole.value);
    let noisy = part.noise_variance > 0.0 || whole.noise_variance > 0.0;
    let method = match limits {
        _ if noisy => "proportion (Wilson with noise)",
        ProportionLimits::Wilson => "proportion (Wilson)",
        ProportionLimits::Exact => "proportion (exact)",
        ProportionLimits::Wald => "proportion (Wald)",
    };
    let share = quotient(part, whole, method);
    let p = share.value;
    if p.is_nan() || (!noisy && p > 1.0) {
        return Estimate { value: f64::NAN, noise_variance: f64::NAN, ..share };
    }
    let tail = (1.0 - level) / 2.0;
    let z = normal_quantile((1.0 + level) / 2.0);
    let interval = match limits {
        _ if !(level > 0.0 && level < 1.0) => None,
        ProportionLimits::Exact if !noisy => Some(clopper_pearson(x, n, tail)),
        ProportionLimits::Wald if !noisy => {
            let reach = z * (p * (1.0 - p) / n).sqrt();
            Some(Interval { lower: p - reach, upper: p + reach })
        }
        _ => Some(wilson(x.clamp(0.0, n), n, [part.noise_variance, whole.noise_variance], z)),
    };
    Estimate { interval, ..share }
}

fn clopper_pearson(x: f64, n: f64, tail: f64) -> Interval {
    Interval {
        lower: if x == 0.0 { 0.0 } else { beta_quantile(tail, x, n - x + 1.0) },
        upper: if x == n { 1.0 } else { beta_quantile(1.0 - tail, x + 1.0, n - x) },
    }
}

/// The roots in p of (x/n − p)² = k·p(1 − p) + s + t·p², with k = z²/n and with s and t the noise
/// of part and whole, in z² and n²; for 0 ≤ x ≤ n.
fn wilson(x: f64, n: f64, noise: [f64; 2], z: f64) -> Interval {
    let (share, k) = (x / n, z * z / n);
    let [s, t] = noise.map(|variance| variance * z * z / (n * n));
    let curvature = 1.0 + k - t;
    if curvature <= 0.0 {
        // The noise of the whole alone explains every proportion.
        return Interval { lower: 0.0, upper: 1.0 };
    }
    let from_sampling = k * k + 4.0 * k * share * (1.0 - share);
    let from_noise = 4.0 * (t * share * share + s * curvature);
    let (centre, reach) = (2.0 * share + k, (from_sampling + from_noise).sqrt());
    Interval {
        lower: ((centre - reach) / (2.0 * curvature)).clamp(0.0, 1.0),
        upper: ((centre + reach) / (2.0 * curvature)).clamp(0.0, 1.0),
    }
}

#[cfg(test)]
mod tests;
