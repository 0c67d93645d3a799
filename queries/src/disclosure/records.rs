//! Rules that look at single contributions, and at how many records are alike.
//!
//! They are for whoever holds the records, before anything is released; nothing that comes out of
//! the engine could be looked at in this way.

use super::rules::Dominance;
use std::collections::BTreeMap;

/// Which of the two rules of dominance a total breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dominated {
    /// The largest few are more than the allowed share of the total.
    pub by_largest: bool,
    /// The second largest could tell the largest to within the ratio.
    pub by_ratio: bool,
}

impl Dominance {
    /// Whether few of its contributions dominate a total. None is negative; a total of 0 is not
    /// dominated.
    ///
    /// # Source
    /// Hundepool et al. 2012, Statistical Disclosure Control: the (n, k) and the p%
    /// rule.
    pub fn of(&self, contributions: &[f64]) -> Dominated {
        let mut sorted = contributions.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let total: f64 = sorted.iter().sum();
        let largest: f64 = sorted.iter().take(self.largest).sum();
        let rest: f64 = sorted.iter().skip(2).sum();
        let first = sorted.first().copied().unwrap_or_default();
        Dominated {
            by_largest: total > 0.0 && largest > self.share * total,
            by_ratio: total > 0.0 && rest < self.ratio * first,
        }
    }
}

/// For each record how many have the same key, and the sum of their weights: f and F of
/// k-anonymity.
///
/// # Source
/// Hundepool et al. 2012, as above; Templ, Kowarik and Meindl 2015, Journal of
/// Statistical Software 67(4).
pub fn alike<K: Ord>(keys: &[K], weights: &[f64]) -> Vec<(usize, f64)> {
    let mut of_key: BTreeMap<&K, (usize, f64)> = BTreeMap::new();
    for (key, weight) in keys.iter().zip(weights) {
        let (count, sum) = of_key.entry(key).or_default();
        *count += 1;
        *sum += weight;
    }
    keys.iter().map(|key| of_key.get(key).copied().unwrap_or_default()).collect()
}
