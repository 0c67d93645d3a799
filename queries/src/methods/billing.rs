//! Anomalies of billing: leading digits of amounts, and providers unlike the others.
//!
//! Nothing here says fraud; it says where to look. Shares of duplicate claims and of impossible
//! days are [`crate::methods::proportions`], and their funnels [`crate::methods::funnel`].

use crate::estimate::{Estimate, Interval};
use crate::methods::distribution::{chi_square_tail, normal_quantile};

/// Which leading digits are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digits {
    /// The first: 1 to 9.
    First,
    /// The first two: 10 to 99.
    FirstTwo,
}

impl Digits {
    /// The share of each by Benford's law, log10(1 + 1/d), from the smallest d on.
    pub fn expected(self) -> Vec<f64> {
        let share = |digits: u32| (1.0 / f64::from(digits)).ln_1p() / std::f64::consts::LN_10;
        match self {
            Self::First => (1..10).map(share).collect(),
            Self::FirstTwo => (10..100).map(share).collect(),
        }
    }

    /// How well amounts conform by their mean absolute deviation.
    ///
    /// # Source
    /// Nigrini 2012, Benford's Law, as in R's benford.analysis, `MAD.conformity`.
    pub fn conformity(self, mean_absolute_deviation: f64) -> Conformity {
        let [close, acceptable, marginal] = self.bands();
        match mean_absolute_deviation {
            d if d <= close => Conformity::Close,
            d if d <= acceptable => Conformity::Acceptable,
            d if d <= marginal => Conformity::Marginal,
            _ => Conformity::None,
        }
    }

    const fn bands(self) -> [f64; 3] {
        match self {
            Self::First => [0.006, 0.012, 0.015],
            Self::FirstTwo => [0.0012, 0.0018, 0.0022],
        }
    }
}

/// Nigrini's bands of conformity to Benford's law.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conformity {
    /// Close conformity.
    Close,
    /// Acceptable conformity.
    Acceptable,
    /// Marginally acceptable conformity.
    Marginal,
    /// Nonconformity.
    None,
}

/// How counts of leading digits compare with Benford's law.
#[derive(Clone, Debug, PartialEq)]
pub struct Benford {
    /// Pearson's chi-square, with the noise in the variances.
    pub chi_square: f64,
    /// How likely it is to be as large if the law holds: 8 or 89 degrees of freedom.
    pub p_value: f64,
    /// The mean over digits of the distance of its share to the expected one.
    pub mean_absolute_deviation: Estimate,
    /// The mean absolute deviation that the noise alone would make on average.
    pub of_noise: f64,
    /// Nigrini's band; `None` where the noise alone would leave the closest.
    pub conformity: Option<Conformity>,
}

/// Compares noisy counts of leading digits, from the smallest digit on, with Benford's law.
///
/// With independent noise each count has the variance N·p + σ², with N the sum of all counts. The
/// statistic is the weighted sum of squares of their distances to μ·p, at the μ where it is least;
/// without noise that is N, and the statistic is Pearson's.
///
/// `None` if there are not 9 or 90 counts, or their sum is not positive.
///
/// # Source
/// Nigrini 2012, Benford's Law.
pub fn benford(digits: Digits, counts: &[Estimate]) -> Option<Benford> {
    let expected = digits.expected();
    let sum: f64 = counts.iter().map(|count| count.value).sum();
    if counts.len() != expected.len() || sum.is_nan() || sum <= 0.0 {
        return None;
    }
    let weight = |count: &Estimate, p: f64| 1.0 / (sum * p + count.noise_variance);
    let pairs = || counts.iter().zip(&expected);
    let (cross, square) = pairs().fold((0.0, 0.0), |(cross, square), (count, &p)| {
        let weight = weight(count, p);
        (cross + weight * p * count.value, square + weight * p * p)
    });
    let fitted = cross / square;
    let squares = pairs().map(|(count, p)| weight(count, *p) * (count.value - fitted * p).powi(2));
    let chi_square: f64 = squares.sum();
    let (mean_absolute_deviation, of_noise) = deviation(counts, &expected, sum);
    let is_told = of_noise <= digits.bands()[0];
    Some(Benford {
        chi_square,
        p_value: chi_square_tail(chi_square, expected.len() as f64 - 1.0),
        conformity: is_told.then(|| digits.conformity(mean_absolute_deviation.value)),
        mean_absolute_deviation,
        of_noise,
    })
}

/// The mean absolute deviation with its variance by the delta method, and what the noise alone
/// would make of it if the law held exactly: means of normal deviations without their signs.
fn deviation(counts: &[Estimate], expected: &[f64], sum: f64) -> (Estimate, f64) {
    let size = expected.len() as f64;
    let signs: Vec<f64> =
        counts.iter().zip(expected).map(|(count, p)| (count.value / sum - p).signum()).collect();
    let pairs = || counts.iter().zip(expected);
    let value = pairs().map(|(count, p)| (count.value / sum - p).abs()).sum::<f64>() / size;
    let turn: f64 = signs.iter().zip(counts).map(|(sign, count)| sign * count.value / sum).sum();
    let slopes = signs.iter().map(|sign| (sign - turn) / (size * sum));
    let noise =
        counts.iter().zip(slopes).map(|(count, slope)| count.noise_variance * slope * slope);
    let all: f64 = counts.iter().map(|count| count.noise_variance).sum();
    let of_noise = pairs().map(|(count, p)| {
        let variance = count.noise_variance * (1.0 - 2.0 * p) + p * p * all;
        (variance * 2.0 / std::f64::consts::PI).sqrt() / (sum * size)
    });
    let method = "mean absolute deviation";
    (Estimate::of(counts, method, value, noise.sum(), None), of_noise.sum())
}

/// How far each provider is from the median of all, in robust standard deviations: the median
/// distance to the median, times 1.4826. In the order given.
///
/// The scale of noisy profiles has the noise in it. The median noise variance is taken off, and
/// each provider's own put in its place: one with more noise than the others must be further away
/// to stand out. Without noise it is the textbook's. NaN where the scale is 0: more than half
/// of the profiles are the same.
///
/// # Source
/// Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers; Rousseeuw and Croux 1993, Journal
/// of the American Statistical Association 88, 1273, for the factor.
pub fn robust_z(profiles: &[Estimate]) -> Vec<Estimate> {
    let values: Vec<f64> = profiles.iter().map(|profile| profile.value).collect();
    let middle = median(&values);
    let distances: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    let scale = median(&distances) / normal_quantile(0.75);
    let noises: Vec<f64> = profiles.iter().map(|profile| profile.noise_variance).collect();
    let without_noise = (scale * scale - median(&noises)).max(0.0);
    let z = |profile: &Estimate| {
        let spread = if scale == 0.0 { f64::NAN } else { without_noise + profile.noise_variance };
        let value = (profile.value - middle) / spread.sqrt();
        Estimate::of([profile], "robust z", value, profile.noise_variance / spread, None)
    };
    profiles.iter().map(z).collect()
}

/// Which estimates are outside of their limits, such as those of a funnel: above or below.
pub fn outside(estimates: &[Estimate], limits: &[Interval]) -> Vec<bool> {
    let pairs = estimates.iter().zip(limits);
    pairs.map(|(estimate, to)| estimate.value < to.lower || estimate.value > to.upper).collect()
}

/// The median, of an even number the mean of the two in the middle; NaN of nothing.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        size if size % 2 == 1 => sorted[size / 2],
        size => f64::midpoint(sorted[size / 2 - 1], sorted[size / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::{Conformity, Digits, benford, outside, robust_z};
    use crate::estimate::{Estimate, Interval};
    use crate::methods::proportions::{ProportionLimits, proportion};
    use crate::methods::simulation::Random;
    use std::sync::Arc;

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() <= 1e-10 * expected.abs().max(1.0), "{got} {expected}");
    }

    fn exact(counts: &[f64]) -> Vec<Estimate> {
        counts.iter().copied().map(Estimate::exact).collect()
    }

    /// First digits of the first thousand Fibonacci numbers; `scipy.stats.chisquare` and numpy.
    const FIBONACCI: [f64; 9] = [301.0, 177.0, 125.0, 96.0, 80.0, 67.0, 56.0, 53.0, 45.0];
    /// First two digits of the 994 of them that have two.
    const FIBONACCI_TWO: [u32; 90] = [
        42, 36, 34, 33, 31, 27, 27, 25, 22, 22, 21, 21, 18, 19, 18, 18, 16, 15, 16, 14, 14, 14, 13,
        12, 13, 13, 11, 12, 11, 11, 11, 11, 9, 11, 10, 8, 10, 9, 9, 8, 8, 10, 8, 7, 8, 8, 8, 8, 7,
        7, 7, 8, 6, 8, 6, 7, 6, 8, 5, 6, 6, 6, 5, 6, 6, 6, 6, 5, 6, 4, 6, 5, 4, 7, 5, 4, 5, 5, 5,
        6, 4, 4, 6, 4, 5, 4, 4, 5, 5, 4,
    ];

    #[test]
    fn fibonacci_numbers_follow_the_law() {
        let first = benford(Digits::First, &exact(&FIBONACCI)).unwrap();
        close(first.chi_square, 0.1694624162913813);
        close(first.p_value, 0.9999979929162653);
        close(first.mean_absolute_deviation.value, 0.0008198769356443347);
        assert_eq!((first.of_noise, first.conformity), (0.0, Some(Conformity::Close)));
        let two = benford(Digits::FirstTwo, &exact(&FIBONACCI_TWO.map(f64::from))).unwrap();
        close(two.chi_square, 6.644610818177451);
        close(two.mean_absolute_deviation.value, 0.0006397696397197781);
        assert_eq!(two.conformity, Some(Conformity::Close));
    }

    /// By hand: a ninth for each digit. The mean of |1/9 − log10(1 + 1/d)| is 0.0597.
    #[test]
    fn even_digits_do_not() {
        let even = benford(Digits::First, &exact(&[100.0; 9])).unwrap();
        assert!(even.p_value < 1e-20);
        assert!((even.mean_absolute_deviation.value - 0.0597).abs() < 5e-5);
        assert_eq!(even.conformity, Some(Conformity::None));
        assert!(benford(Digits::First, &exact(&[1.0; 8])).is_none());
        assert!(benford(Digits::First, &exact(&[-1.0; 9])).is_none());
    }

    #[test]
    fn bands_are_nigrinis() {
        let bands = [Conformity::Close, Conformity::Acceptable, Conformity::Marginal];
        for (band, ends) in
            bands.into_iter().zip([(0.006, 0.0012), (0.012, 0.0018), (0.015, 0.0022)])
        {
            assert_eq!(Digits::First.conformity(ends.0), band);
            assert!(Digits::First.conformity(ends.0 + 1e-6) > band);
            assert_eq!(Digits::FirstTwo.conformity(ends.1), band);
            assert!(Digits::FirstTwo.conformity(ends.1 + 1e-6) > band);
        }
    }

    fn noisy_digits(random: &mut Random, claims: f64, deviation: f64) -> Vec<Estimate> {
        let receipt = Arc::from("digits");
        let mut count = |share: f64| {
            let seen = random.poisson(claims * share) + deviation * random.normal();
            Estimate::released(seen, deviation * deviation, &receipt)
        };
        Digits::First.expected().into_iter().map(&mut count).collect()
    }

    #[test]
    fn noise_makes_no_false_alarms() {
        let mut random = Random::new(9);
        for deviation in [0.0, 1.4, 2.8, 14.1] {
            let (mut alarms, mut naive, mut mad) = (0, 0, 0.0);
            let mut of_noise = 0.0;
            for _ in 0..1_000 {
                let counts = noisy_digits(&mut random, 400.0, deviation);
                let got = benford(Digits::First, &counts).unwrap();
                alarms += u32::from(got.p_value < 0.05);
                let values: Vec<f64> = counts.iter().map(|count| count.value).collect();
                naive += u32::from(benford(Digits::First, &exact(&values)).unwrap().p_value < 0.05);
                mad += got.mean_absolute_deviation.value / 1_000.0;
                of_noise += got.of_noise / 1_000.0;
            }
            // 5 % and 1.5 deviations.
            assert!(alarms <= 60, "{deviation} {alarms}");
            // Who ignores noise of epsilon 0.1 finds fault with nearly everybody.
            assert!(deviation < 14.0 || naive > 800, "{naive}");
            // At such noise it is most of the deviation.
            assert!(deviation < 14.0 || (of_noise / mad - 1.0).abs() < 0.15, "{of_noise} {mad}");
        }
    }

    #[test]
    fn bands_that_noise_alone_would_leave_are_not_told() {
        let counts = noisy_digits(&mut Random::new(1), 400.0, 14.1);
        let got = benford(Digits::First, &counts).unwrap();
        assert!(got.of_noise > 0.006 && got.conformity.is_none());
        assert!(got.mean_absolute_deviation.receipts.contains("digits"));
        let counts = noisy_digits(&mut Random::new(1), 100_000.0, 14.1);
        assert!(benford(Digits::First, &counts).unwrap().conformity.is_some());
    }

    /// By hand, with R's `mad(c(1:8, 100))`, 2.9652: the median is 5, the distances' 2.
    #[test]
    fn scores_without_noise_are_the_textbooks() {
        let mut values: Vec<f64> = (1..9).map(f64::from).collect();
        values.push(100.0);
        let scores = robust_z(&exact(&values));
        assert!((scores[8].value - 95.0 / 2.9652).abs() < 1e-3, "{}", scores[8].value);
        assert!((scores[0].value + 4.0 / 2.9652).abs() < 1e-4);
        assert!(robust_z(&exact(&[5.0, 5.0, 5.0, 9.0]))[3].value.is_nan());
        assert!(robust_z(&[]).is_empty());
    }

    #[test]
    fn more_noise_takes_more_distance() {
        let receipt = Arc::from("r");
        let mut profiles: Vec<Estimate> =
            (1..=9).map(|at| Estimate::released(f64::from(at), 1.0, &receipt)).collect();
        profiles[8] = Estimate::released(20.0, 25.0, &receipt);
        let scores = robust_z(&profiles);
        // The square of 2 / Φ⁻¹(0.75), less the noise of most, with its own.
        let spread = (2.0 / 0.674_489_750_196_081_7_f64).powi(2) - 1.0 + 25.0;
        close(scores[8].value, 15.0 / spread.sqrt());
        close(scores[8].noise_variance, 25.0 / spread);
        assert!(
            scores[8].value < robust_z(&exact(&[1., 2., 3., 4., 5., 6., 7., 8., 20.]))[8].value
        );
    }

    #[test]
    fn shares_of_duplicates_are_flagged_by_their_limits() {
        let limits = Interval { lower: 0.0, upper: 0.05 };
        let share = |flagged: f64, claims: f64| {
            let (flagged, claims) = (Estimate::exact(flagged), Estimate::exact(claims));
            proportion(&flagged, &claims, ProportionLimits::Wilson, 0.95)
        };
        let shares = [share(3.0, 100.0), share(30.0, 100.0)];
        assert_eq!(outside(&shares, &[limits, limits]), [false, true]);
    }
}
