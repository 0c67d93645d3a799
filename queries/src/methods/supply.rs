//! Lots and serial numbers of drugs and devices: which lots are suspicious, at a stated error rate.
//!
//! What is counted is not here: doses after expiry, serials seen twice, lots that nobody attested,
//! by lot and site. Counts have noise, and most lots have nothing; so each count is tested for
//! being nothing but noise, and the tests of all lots are corrected together.

use crate::estimate::{Estimate, Interval};
use crate::methods::distribution::normal_quantile;

pub mod udi;

/// What is wrong with a lot if its true count is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suspicion {
    /// It was used at two sites or more, with no transfer: one count per site.
    AtSeveralSites,
    /// Serial numbers of it were used more than once.
    SerialRepeated,
    /// It was used after it expired.
    AfterExpiry,
    /// It was used, and its manufacturer has not attested it.
    Unattested,
}

/// Noisy counts of a lot.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Which lot: product and number.
    pub lot: String,
    /// What its counts are of.
    pub suspicion: Suspicion,
    /// One count, or one per site.
    pub counts: Vec<Estimate>,
}

/// The law of the noise, whose tail decides what noise alone can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoiseLaw {
    /// Discrete Gaussian.
    Gaussian,
    /// Discrete Laplace, whose tail is longer.
    Laplace,
}

impl NoiseLaw {
    /// How likely noise of this variance is to be at least this large. Without noise, 1 up to 0 and
    /// 0 above.
    ///
    /// Gaussian noise is whole: the tail begins half a count lower.
    pub fn tail(self, at_least: f64, variance: f64) -> f64 {
        if variance == 0.0 {
            return if at_least > 0.0 { 0.0 } else { 1.0 };
        }
        match self {
            Self::Gaussian => libm::erfc((at_least - 0.5) / (2.0 * variance).sqrt()) / 2.0,
            Self::Laplace => {
                // The variance 2a/(1 − a)² solved for a, the ratio of neighbouring probabilities.
                let ratio = (1.0 + variance - (1.0 + 2.0 * variance).sqrt()) / variance;
                let whole = at_least.ceil();
                let beyond = |steps: f64| ratio.powf(steps) / (1.0 + ratio);
                if whole > 0.0 { beyond(whole) } else { 1.0 - beyond(1.0 - whole) }
            }
        }
    }
}

/// What is decided of one lot.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which lot.
    pub lot: String,
    /// Of what.
    pub suspicion: Suspicion,
    /// How likely counts as large are if nothing is wrong.
    pub p_value: f64,
    /// The smallest false discovery rate at which it would be flagged.
    pub q_value: f64,
    /// Whether it is flagged at the rate that was asked for.
    pub is_flagged: bool,
    /// The sum of its counts, with an interval by Gaussian noise of level 0.95 that does not go
    /// below 0.
    pub count: Estimate,
}

/// Decides which lots are suspicious: of those flagged, at most this share is expected to be
/// wrongly so, over all evidence given together.
///
/// A count is tested for a true count of zero by the tail of its noise. Several sites are tested
/// for fewer than two that have the lot: the p-value is that of the second smallest, times one
/// less than the number of sites. Lots with exact counts have p-values of 0 or 1.
///
/// # Source
/// Benjamini and Hochberg 1995, Journal of the Royal Statistical Society B 57, 289, for the rate;
/// Benjamini and Heller 2008, Biometrics 64, 1215, for two of several sites.
pub fn suspicious_lots(evidence: &[Evidence], law: NoiseLaw, rate: f64) -> Vec<Finding> {
    let p_values: Vec<f64> = evidence.iter().map(|of| p_value(of, law)).collect();
    let q_values = false_discovery_rates(&p_values);
    let finding = |((of, p_value), q_value): ((&Evidence, f64), f64)| Finding {
        lot: of.lot.clone(),
        suspicion: of.suspicion,
        p_value,
        q_value,
        is_flagged: q_value <= rate,
        count: with_interval(Estimate::sum(of.counts.iter())),
    };
    evidence.iter().zip(p_values).zip(q_values).map(finding).collect()
}

/// For each p-value the smallest false discovery rate at which its hypothesis is rejected.
///
/// # Source
/// Benjamini and Hochberg 1995, as above, procedure (1), as adjusted p-values.
pub fn false_discovery_rates(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[b].total_cmp(&p_values[a]));
    let mut rates = vec![1.0; p_values.len()];
    let (count, mut least) = (p_values.len() as f64, 1.0_f64);
    for (above, at) in order.into_iter().enumerate() {
        least = least.min(p_values[at] * count / (count - above as f64));
        rates[at] = least;
    }
    rates
}

fn p_value(evidence: &Evidence, law: NoiseLaw) -> f64 {
    let tails = evidence.counts.iter().map(|count| law.tail(count.value, count.noise_variance));
    let mut tails: Vec<f64> = tails.collect();
    tails.sort_by(f64::total_cmp);
    match (evidence.suspicion, tails.as_slice()) {
        // Whoever has one site only has not seen it at two.
        (Suspicion::AtSeveralSites, [_, second, ..]) => {
            (second * (tails.len() as f64 - 1.0)).min(1.0)
        }
        (Suspicion::AtSeveralSites, _) | (_, []) => 1.0,
        (_, [first, ..]) => (first * tails.len() as f64).min(1.0),
    }
}

fn with_interval(count: Estimate) -> Estimate {
    let half = normal_quantile(0.975) * count.noise_variance.sqrt();
    let (lower, upper) = ((count.value - half).max(0.0), (count.value + half).max(0.0));
    Estimate { interval: Some(Interval { lower, upper }), ..count }
}

#[cfg(test)]
mod tests;
