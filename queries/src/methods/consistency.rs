//! Noisy histograms made consistent: no negative counts, and no more persons than before.
//!
//! To put 0 for a negative count adds persons, the more the more cells there are. Here what is
//! added is taken off the other counts, those with more noise first: the nearest consistent
//! histogram by least squares weighted with the noise.

use super::distribution::bisect;
use crate::estimate::Estimate;

/// The counts nearest to these by their noise that are not negative and have the same sum, or
/// all 0 if that is negative. Counts without noise stay.
pub(crate) fn consistent<'a>(counts: impl Iterator<Item = &'a Estimate> + Clone) -> Vec<f64> {
    let total: f64 = counts.clone().map(|count| count.value).sum();
    let shrunk = |by: f64| {
        let counts = counts.clone();
        counts.map(move |count| (count.value - by * count.noise_variance).max(0.0))
    };
    // Where the last of the counts is 0.
    let ends = counts.clone().filter(|count| count.noise_variance > 0.0);
    let end = ends.map(|count| count.value / count.noise_variance).fold(0.0, f64::max);
    let by = bisect(0.0, end, |by| shrunk(by).sum::<f64>() > total);
    shrunk(by).collect()
}

#[cfg(test)]
mod tests {
    use super::consistent;
    use crate::estimate::Estimate;

    #[test]
    fn consistent_counts_have_their_sum_and_only_noisy_ones_move() {
        let noisy =
            |value: f64, noise_variance| Estimate { noise_variance, ..Estimate::exact(value) };
        let got = consistent([noisy(6.0, 1.0), noisy(-2.0, 1.0), noisy(4.0, 1.0)].iter());
        for (got, expected) in got.iter().zip([5.0, 0.0, 3.0]) {
            assert!((got - expected).abs() < 1e-12, "{got}");
        }
        let got = consistent([noisy(6.0, 0.0), noisy(-2.0, 1.0), noisy(9.0, 4.0)].iter());
        for (got, expected) in got.iter().zip([6.0, 0.0, 7.0]) {
            assert!((got - expected).abs() < 1e-12, "{got}");
        }
        assert_eq!(consistent([noisy(1.0, 1.0), noisy(-2.0, 1.0)].iter()), [0.0, 0.0]);
        assert_eq!(consistent([noisy(3.0, 0.0), noisy(2.0, 0.0)].iter()), [3.0, 2.0]);
    }
}
