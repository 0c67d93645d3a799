//! openEBGM's published prior, scores and signals for CAERS; posteriors with noise by scipy.

use super::fit::Pair;
use super::{GammaLaw, Prior, information_component};
use crate::estimate::Estimate;
use crate::methods::safety::tests::caers;
use crate::methods::simulation::Random;
use std::collections::BTreeMap;
use std::sync::Arc;

fn close(got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance, "{got} {expected}");
}

fn prior([a, b, c, d, share]: [f64; 5]) -> Prior {
    let law = |shape, rate| GammaLaw { shape, rate };
    Prior { laws: [law(a, b), law(c, d)], share }
}

fn numbers(prior: &Prior) -> [f64; 5] {
    let [first, second] = prior.laws;
    [first.shape, first.rate, second.shape, second.rate, prior.share]
}

/// openEBGM 0.4.0, vignette "Hyperparameter Estimation": `hyper_estimates_full`, of all 17,189
/// pairs, and its minimum.
const PUBLISHED_FULL: [f64; 5] = [3.25596617, 0.39998845, 2.02374464, 1.90612821, 0.06530723];
const PUBLISHED_MINIMUM: f64 = 4_162.456;
/// The same, vignette "Empirical Bayes Metrics": `theta_hat`, of squashed pairs.
const PUBLISHED: [f64; 5] = [3.25379064, 0.39988801, 2.02613219, 1.90808279, 0.06534557];

fn pairs() -> Option<Vec<Pair>> {
    let exact = Estimate::exact;
    let pairs = caers()?;
    let pairs = pairs.iter().map(|pair| (exact(pair.count), exact(pair.expected)));
    Some(pairs.map(|(count, expected)| Pair { count, expected }).collect())
}

#[test]
fn the_prior_of_all_caers_pairs_is_that_of_openebgm() {
    let Some(pairs) = pairs() else { return };
    let published = prior(PUBLISHED_FULL).negative_log_likelihood(&pairs, 1);
    close(published, PUBLISHED_MINIMUM, 5e-4);
    let fitted = Prior::fit(&pairs, 1, Prior::DUMOUCHEL).unwrap();
    let minimum = fitted.negative_log_likelihood(&pairs, 1);
    assert!(minimum <= published, "{minimum} {published}");
    close(minimum, PUBLISHED_MINIMUM, 5e-4);
    // Three published searches differ by some 1e-4 of their numbers.
    for (got, expected) in numbers(&fitted).into_iter().zip(PUBLISHED_FULL) {
        close(got / expected, 1.0, 3e-4);
    }
}

/// The vignette's first six pairs and its five of highest EB05: N, E, EB05, EBGM, EB95.
const SCORES: [[f64; 5]; 10] = [
    [1.0, 0.0360548271752086, 0.49, 2.23, 13.85],
    [1.0, 0.00387365911799762, 0.52, 2.58, 15.78],
    [1.0, 0.000297973778307509, 0.52, 2.63, 16.02],
    [1.0, 0.0765792610, 0.47, 1.92, 11.77],
    [1.0, 0.0527413588, 0.48, 2.09, 12.95],
    [16.0, 0.40643623, 15.68, 23.26, 33.48],
    [19.0, 0.89690107, 11.65, 16.78, 23.55],
    [6.0, 0.07866508, 10.16, 18.28, 30.83],
    [8.0, 0.30482718, 9.00, 15.25, 24.52],
    [11.0, 0.56317044, 8.98, 14.28, 21.78],
];

#[test]
fn scores_are_those_of_openebgm() {
    for [count, expected, lower, score, upper] in SCORES {
        let (count, expected) = (Estimate::exact(count), Estimate::exact(expected));
        let got = prior(PUBLISHED).ebgm(&count, &expected, 0.9);
        let interval = got.interval.unwrap();
        close(got.value, score, 0.005_001);
        // Its quantiles are searched to two decimals only.
        close(interval.lower, lower, 0.01);
        close(interval.upper, upper, 0.01);
    }
}

/// The same vignette: 131 pairs have an EB05 of at least 2, rounded to two decimals.
#[test]
fn as_many_caers_pairs_stand_out_as_in_openebgm() {
    let Some(pairs) = pairs() else { return };
    let mut alike: BTreeMap<[u64; 2], (u32, Pair)> = BTreeMap::new();
    for pair in pairs {
        let key = [pair.count.value, pair.expected.value].map(f64::to_bits);
        alike.entry(key).or_insert((0, pair)).0 += 1;
    }
    let mut signals = 0;
    for (number, Pair { count, expected }) in alike.into_values() {
        // One report cannot do it: the largest EB05 among the first pairs is 0.52.
        if count.value > 1.0 {
            let score = prior(PUBLISHED).ebgm(&count, &expected, 0.9);
            let rounded = (score.interval.unwrap().lower * 100.0).round() / 100.0;
            signals += if rounded >= 2.0 { number } else { 0 };
        }
    }
    assert_eq!(signals, 131);
}

/// `scipy.stats.gamma.ppf` of the posterior, log2.
#[test]
fn information_components_are_those_of_the_gamma_posterior() {
    for [count, expected, value, lower, upper] in COMPONENTS {
        let (count, expected) = (Estimate::exact(count), Estimate::exact(expected));
        let got = information_component(&count, &expected, 0.95);
        let interval = got.interval.unwrap();
        close(got.value, value, 1e-12);
        close(interval.lower, lower, 1e-9);
        close(interval.upper, upper, 1e-9);
    }
    let nothing = information_component(&Estimate::exact(1.0), &Estimate::exact(0.0), 0.95);
    assert!(nothing.value.is_nan() && nothing.interval.is_none());
}

/// By scipy: negative binomial probabilities times normal densities as weights of gamma laws,
/// quantiles by `brentq`.
#[test]
fn with_noise_true_counts_are_mixed() {
    let receipt = Arc::from("r");
    let noisy = |value, variance| Estimate::released(value, variance, &receipt);
    let got = information_component(&noisy(7.0, 9.0), &Estimate::exact(2.0), 0.95);
    close(got.value, 0.8889235753493687, 1e-9);
    close(got.interval.unwrap().lower, -6.2008887790080625, 1e-7);
    close(got.interval.unwrap().upper, 2.39079094236895, 1e-9);
    assert!(got.receipts.contains("r") && got.noise_variance > 0.0);
    let theta = prior(PUBLISHED);
    let high = theta.ebgm(&noisy(16.0, 7.7), &Estimate::exact(0.40643623), 0.9);
    close(high.value, 17.96339219192763, 1e-8);
    close(high.interval.unwrap().lower, 10.143046829064348, 1e-8);
    close(high.interval.unwrap().upper, 29.35690990372005, 1e-8);
    // A negative count is evidence of a small one.
    let low = theta.ebgm(&noisy(-2.0, 7.7), &Estimate::exact(1.5), 0.9);
    close(low.value, 0.6405380695471811, 1e-9);
    close(low.interval.unwrap().upper, 1.9560514662491642, 1e-9);
}

#[test]
fn noise_of_the_expected_count_widens_intervals() {
    let receipt = Arc::from("r");
    let count = Estimate::exact(40.0);
    let narrow = information_component(&count, &Estimate::exact(20.0), 0.95);
    let wide = information_component(&count, &Estimate::released(20.0, 100.0, &receipt), 0.95);
    let (narrow_interval, wide_interval) = (narrow.interval.unwrap(), wide.interval.unwrap());
    // On the logarithm distances from the point add up as squares: half of 20 is the deviation.
    let noise = 1.959963984540054 * 0.5 / std::f64::consts::LN_2;
    let expected = (narrow.value - narrow_interval.lower).hypot(noise);
    close(wide.value - wide_interval.lower, expected, 1e-9);
    close(
        wide_interval.upper - wide.value,
        (narrow_interval.upper - narrow.value).hypot(noise),
        1e-9,
    );
    close(wide.noise_variance, (0.5 / std::f64::consts::LN_2).powi(2), 1e-12);
}

#[test]
fn intervals_of_the_component_cover_with_noise() {
    let mut simulation = Random::new(25);
    let receipt = Arc::from("r");
    let mut covered = 0;
    for (deviation, expected, draws) in [(1.36, 4.0, 150), (2.8, 10.0, 120), (14.1, 30.0, 30)] {
        // λ from its prior, for that is what such an interval covers.
        for _ in 0..draws {
            let normal = simulation.normal();
            let ratio = normal * normal;
            let count = simulation.poisson(ratio * expected) + deviation * simulation.normal();
            let count = Estimate::released(count, deviation * deviation, &receipt);
            let got = information_component(&count, &Estimate::exact(expected), 0.95);
            let interval = got.interval.unwrap();
            covered += u32::from(interval.lower <= ratio.log2() && ratio.log2() <= interval.upper);
        }
    }
    // 94 % of 300.
    assert!(covered >= 282, "{covered}");
}

#[test]
fn a_prior_is_found_through_the_noise() {
    let truth = prior([8.0, 1.0, 10.0, 12.0, 0.25]);
    let mut simulation = Random::new(3);
    let receipt = Arc::from("r");
    let mut pairs = vec![];
    for _ in 0..500 {
        let law = if simulation.uniform() < truth.share { truth.laws[0] } else { truth.laws[1] };
        // A gamma law of a whole shape is a sum of exponential ones.
        let parts = (0..).map_while(|at| (f64::from(at) < law.shape).then_some(at));
        let sum: f64 = parts.map(|_| -simulation.uniform().ln()).sum();
        let count = simulation.poisson(4.0 * sum / law.rate) + 1.36 * simulation.normal();
        let count = Estimate::released(count, 1.36 * 1.36, &receipt);
        pairs.push(Pair { count, expected: Estimate::exact(4.0) });
    }
    let fitted = Prior::fit(&pairs, 0, Prior::DUMOUCHEL).unwrap();
    let [first, second] = fitted.laws;
    close(first.shape / first.rate, 8.0, 0.8);
    close(second.shape / second.rate, 10.0 / 12.0, 0.15);
    close(fitted.share, 0.25, 0.06);
    // It is at least as likely as the truth.
    let cost = |prior: &Prior| prior.negative_log_likelihood(&pairs, 0);
    assert!(cost(&fitted) <= cost(&truth));
    assert!(Prior::fit(&[], 0, Prior::DUMOUCHEL).is_none());
}

/// Count, expected, component, both ends.
const COMPONENTS: [[f64; 5]; 3] = [
    [12.0, 5.0, 1.1844245711374275, 0.25423340939633465, 1.8856265098808793],
    [1.0, 0.036, 1.4846575949254708, -2.3125696734358767, 3.1244151160481337],
    [0.0, 3.2, -2.8875252707415875, -12.87941308654845, -0.5587214894054139],
];
