//! Counts: published intervals, the exact law with noise, and how often intervals cover.

use super::{Limits, Noise, count_limits, mean};
use crate::estimate::Estimate;
use crate::methods::expected::{close, rows};
use crate::methods::simulation::{Random, noise_deviation};
use std::collections::HashMap;
use std::sync::Arc;

fn limits(count: f64, limits: Limits, level: f64) -> [f64; 2] {
    let interval = count_limits(count, Noise::default(), limits, level).unwrap();
    [interval.lower, interval.upper]
}

fn noisy(count: f64, variance: f64, level: f64) -> [f64; 2] {
    let noise = Noise { variance, relative_variance: 0.0 };
    let interval = count_limits(count, noise, Limits::Exact, level).unwrap();
    [interval.lower, interval.upper]
}

/// R package epitools: `pois.exact`, `pois.byar`, `pois.daly`, `pois.approx`; 52 rows.
#[test]
fn intervals_of_counts_are_those_of_epitools() {
    let Some(rows) = rows("expected/r/epitools_poisson_ci.csv") else { return };
    for row in rows {
        let (x, level) = (row.number("x"), row.number("conf"));
        let compare = |kind: Limits, name: &str| {
            let [lower, upper] = limits(x, kind, level);
            close(lower, row.number(&format!("{name}_lo")), 1e-9);
            close(upper, row.number(&format!("{name}_hi")), 1e-9);
        };
        compare(Limits::Exact, "exact");
        compare(Limits::Daly, "daly");
        compare(Limits::Normal, "approx");
        if x > 0.0 {
            compare(Limits::RothmanBoice, "byar_epitools");
        }
    }
}

/// R package PHEindicatormethods, test data of Byar's method; its missing lower limit is our 0.
#[test]
fn byars_limits_are_those_of_english_public_health() {
    let Some(rows) = rows("expected/phe/Byars_Wilson__testdata_B_W.csv") else { return };
    let byars: Vec<_> = rows.iter().filter(|row| row.text("method") == "Byars").collect();
    assert_eq!(byars.len(), 7);
    for row in byars {
        let level = row.text("confidence").trim_end_matches('%').parse::<f64>().unwrap() / 100.0;
        let [lower, upper] = limits(row.number("x"), Limits::Byar, level);
        let expected = row.number("lowercl");
        close(lower, if expected.is_nan() { 0.0 } else { expected }, 1e-13);
        close(upper, row.number("uppercl"), 1e-13);
    }
}

/// Roots of the two half-sums of tails, by SciPy 1.16 (`poisson`, `brentq`).
#[test]
fn mid_p_limits_are_roots_of_half_sums() {
    let [lower, upper] = limits(5.0, Limits::MidP, 0.95);
    close(lower, MID_P_OF_5[0], 1e-10);
    close(upper, MID_P_OF_5[1], 1e-10);
    let [lower, upper] = limits(0.0, Limits::MidP, 0.95);
    close(lower, 0.0, 0.0);
    close(upper, 20.0_f64.ln(), 1e-12);
}

/// Sums over all counts and roots by SciPy 1.16 (`poisson`, `norm`, `brentq`).
#[test]
fn noisy_limits_are_roots_of_the_exact_law() {
    for [count, variance, level, lower, upper] in NOISY {
        let got = noisy(count, variance, level);
        close(got[0], lower, 1e-9);
        close(got[1], upper, 1e-9);
    }
}

/// The same sums at counts where the expansion takes their place.
#[test]
fn the_expansion_of_large_counts_keeps_a_millionth() {
    for [count, variance, level, lower, upper] in NOISY_LARGE {
        let got = noisy(count, variance, level);
        close(got[0], lower, 1e-6);
        close(got[1], upper, 1e-6);
    }
}

#[test]
fn as_noise_vanishes_the_interval_is_the_exact_one() {
    for count in [0.0, 1.0, 7.0, 100.0, 1500.0] {
        let exact = limits(count, Limits::Exact, 0.95);
        let almost = noisy(count, 1e-9, 0.95);
        close(almost[0], exact[0], 1e-9);
        close(almost[1], exact[1], 1e-9);
    }
}

#[test]
fn a_count_below_zero_keeps_its_value_and_has_the_upper_limit_of_zero() {
    let receipt = Arc::from("r");
    let below = mean(&Estimate::released(-30.0, 100.0, &receipt), Limits::Exact, 0.95);
    let zero = mean(&Estimate::released(0.0, 100.0, &receipt), Limits::Exact, 0.95);
    assert_eq!(below.value, -30.0);
    assert_eq!((below.interval, below.interval.unwrap().lower), (zero.interval, 0.0));
    assert!(zero.interval.unwrap().upper > 19.6);
    assert_eq!(below.receipts.len(), 1);
}

#[test]
fn a_negative_count_without_noise_is_a_mistake() {
    let mistake = mean(&Estimate::exact(-1.0), Limits::Exact, 0.95);
    assert!(mistake.value.is_nan() && mistake.interval.is_none());
    assert_eq!(count_limits(f64::NAN, Noise::default(), Limits::Exact, 0.95), None);
    assert_eq!(count_limits(5.0, Noise::default(), Limits::Exact, 95.0), None);
    assert_eq!(count_limits(0.0, Noise::default(), Limits::Log, 0.95), None);
}

#[test]
fn a_divisor_that_may_be_anything_leaves_no_upper_limit() {
    let noise = Noise { variance: 1.0, relative_variance: 0.36 };
    let interval = count_limits(50.0, noise, Limits::Exact, 0.95).unwrap();
    assert!(interval.lower > 0.0 && interval.upper.is_infinite());
}

/// The points of `expected/dp_baseline/count_ci_coverage.csv`, where intervals that ignore the
/// noise cover from 38 %. Normal noise, and Laplace noise of the same variance. 2,000 draws each:
/// 94 % is two standard errors below the aim.
#[test]
fn intervals_of_noisy_counts_cover() {
    let mut lost: f64 = 1.0;
    for epsilon in [0.1, 0.5, 1.0] {
        let deviation = noise_deviation(epsilon);
        for truth in [5.0, 10.0, 20.0, 50.0, 100.0, 500.0] {
            let mut random = Random::new(42);
            let mut known: HashMap<i64, [f64; 2]> = HashMap::new();
            let covers = |[lower, upper]: [f64; 2]| {
                f64::from(u8::from(lower <= truth && truth <= upper)) / 2_000.0
            };
            let mut naive = 0.0;
            let mut aware = [0.0; 2];
            for _ in 0..2_000 {
                let events = random.poisson(truth);
                let counts = [random.noise(deviation), random.laplace(epsilon)].map(|z| events + z);
                naive += covers(limits(counts[0].max(0.0), Limits::Byar, 0.95));
                for (aware, count) in aware.iter_mut().zip(counts) {
                    let key = format!("{count}").parse().unwrap();
                    let interval = known.entry(key);
                    let interval =
                        interval.or_insert_with(|| noisy(count, deviation.powi(2), 0.95));
                    *aware += covers(*interval);
                }
            }
            lost = lost.min(naive);
            let all = aware.iter().all(|share| *share >= 0.94);
            assert!(all, "epsilon {epsilon}, mean {truth}: {aware:?}");
        }
    }
    assert!(lost < 0.45, "{lost}");
}

const MID_P_OF_5: [f64; 2] = [1.8319948085284168, 11.082415664992013];

/// Count, variance of the noise, level, lower limit, upper limit.
const NOISY: [[f64; 5]; 7] = [
    [0.0, 2.0, 0.95, 0.0, 5.512167027735908],
    [5.0, 1.9, 0.95, 0.9976818336460246, 12.515457757947594],
    [5.0, 200.0, 0.95, 0.0, 35.50715975010673],
    [40.0, 200.0, 0.95, 11.004656197334167, 72.74285766545586],
    [100.0, 8.0, 0.95, 80.62397448980694, 122.43394914902055],
    [100.0, 8.0, 0.998, 70.80971735365564, 136.24332873186074],
    [1200.0, 200.0, 0.95, 1127.6830753365637, 1275.37266637678],
];

/// Likewise.
const NOISY_LARGE: [[f64; 5]; 4] = [
    [2500.0, 8.0, 0.95, 2402.7955994046533, 2600.1212712806196],
    [2500.0, 8.0, 0.998, 2348.0887392981153, 2658.6506636537833],
    [3000.0, 40000.0, 0.95, 2594.9630392632503, 3408.8170699590055],
    [100000.0, 200.0, 0.95, 99380.53386693701, 100622.36542476574],
];
