//! Indices of inequality: reference results, and how often intervals cover.

use super::{Group, concentration_index, relative_index, slope_index};
use crate::estimate::Estimate;
use crate::methods::expected::close;
use crate::methods::simulation::{Random, noise_deviation};
use std::sync::Arc;

/// R package PHEindicatormethods, example of `phe_sii`, its first area: population, life
/// expectancy and its standard error by decile of deprivation.
const DECILES: [[f64; 3]; 10] = [
    [7291.0, 75.9, 1.64],
    [7997.0, 78.3, 1.58],
    [6105.0, 83.8, 1.51],
    [7666.0, 83.6, 1.78],
    [5790.0, 80.5, 1.7],
    [6934.0, 81.1, 1.56],
    [5918.0, 81.7, 1.37],
    [5974.0, 84.2, 1.4],
    [7147.0, 80.6, 2.43],
    [7534.0, 86.3, 1.57],
];

fn deciles() -> Vec<Group> {
    let group = |[people, value, error]: [f64; 3]| Group {
        population: Estimate::exact(people),
        value: Estimate::exact(value),
        sampling_variance: error * error,
    };
    DECILES.map(group).to_vec()
}

/// The slope of statsmodels 0.14 (`WLS`) and its sandwich variance; PHE's simulation with a
/// million draws gives 3.16 to 10.85.
#[test]
fn a_slope_index_is_the_slope_of_weighted_least_squares() {
    let index = slope_index(&deciles(), 0.95);
    close(index.value, 7.000234760079891, 1e-9);
    close(index.interval.unwrap().lower, 3.1534288954519436, 1e-7);
    close(index.interval.unwrap().upper, 10.847040624707839, 1e-7);
}

/// statsmodels as above; the limits of a simulation with NumPy, a million draws.
#[test]
fn a_relative_index_is_the_ratio_of_the_ends_of_the_line() {
    let index = relative_index(&deciles(), 0.95);
    close(index.value, 1.0897097049119413, 1e-10);
    close(index.interval.unwrap().lower, 1.03952, 1e-3);
    close(index.interval.unwrap().upper, 1.14243, 1e-3);
}

/// NumPy: twice the covariance over the mean; the limits of a simulation, a million draws.
#[test]
fn a_concentration_index_is_twice_a_covariance_over_the_mean() {
    let index = concentration_index(&deciles(), 0.95);
    close(index.value, 0.014161113226387308, 1e-10);
    close(index.interval.unwrap().lower, 0.00638882, 0.01);
    close(index.interval.unwrap().upper, 0.02191097, 0.01);
}

/// By hand: two equal groups lie at ¼ and ¾, so that the slope is twice the difference.
#[test]
fn two_groups_are_as_worked_by_hand() {
    let receipt = Arc::from("a");
    let group = |value: f64, noise: f64| Group {
        population: Estimate::exact(100.0),
        value: Estimate::released(value, noise, &receipt),
        sampling_variance: 0.01,
    };
    let groups = [group(1.0, 0.03), group(2.0, 0.05)];
    let slope = slope_index(&groups, 0.95);
    close(slope.value, 2.0, 1e-12);
    close(slope.noise_variance, 4.0 * 0.08, 1e-9);
    let reach = 1.959963984540054 * 0.4_f64.sqrt();
    close(slope.interval.unwrap().upper, 2.0 + reach, 1e-9);
    close(relative_index(&groups, 0.95).value, 2.5 / 0.5, 1e-12);
    close(concentration_index(&groups, 0.95).value, 0.25 / 1.5, 1e-12);
    assert_eq!(slope.receipts.len(), 1);
}

/// The variance of the slope when only populations are noisy: NumPy, 400,000 draws with noise of
/// 100 people.
#[test]
fn noise_in_populations_moves_the_places() {
    let receipt = Arc::from("a");
    let groups: Vec<Group> = deciles()
        .into_iter()
        .map(|group| {
            let people = Estimate::released(group.population.value, 10_000.0, &receipt);
            Group { population: people, ..group }
        })
        .collect();
    close(slope_index(&groups, 0.95).noise_variance, 0.0024517, 0.02);
}

#[test]
fn impossible_groups_have_no_index() {
    let one = deciles().into_iter().take(1).collect::<Vec<_>>();
    let mut nobody = deciles();
    nobody[4].population = Estimate::exact(0.0);
    let mut missing = deciles();
    missing[4].value = Estimate::exact(f64::NAN);
    for groups in [Vec::new(), one, nobody, missing] {
        let index = slope_index(&groups, 0.95);
        assert!(index.value.is_nan() && index.interval.is_none());
    }
    let mut below = deciles();
    below[0].value = Estimate::exact(-900.0);
    assert!(relative_index(&below, 0.95).interval.is_none());
    assert!(slope_index(&deciles(), 2.0).interval.is_none());
}

/// Prevalence falls over ten groups; cases and people are both noisy.
#[test]
fn intervals_of_noisy_slopes_cover() {
    let receipt = Arc::from("a");
    let mut lost: f64 = 1.0;
    for (epsilon, size) in [(0.1, 400), (0.5, 150), (1.0, 100)] {
        let deviation = noise_deviation(epsilon);
        let mut random = Random::new(31);
        let (mut naive, mut aware) = (0.0, 0.0);
        for _ in 0..2_000 {
            let cells: Vec<[f64; 2]> = (0..10)
                .map(|group| {
                    let share = 0.34 - 0.02 * f64::from(group);
                    let cases = random.binomial(size, share) + random.noise(deviation);
                    [cases, f64::from(size) + random.noise(deviation)]
                })
                .collect();
            let covers = |floor: f64, variance: f64| {
                let group = |[cases, people]: &[f64; 2]| {
                    let cases = Estimate::released(cases.max(floor), variance, &receipt);
                    Group::of_cases(&cases, &Estimate::released(*people, variance, &receipt))
                };
                let groups: Vec<Group> = cells.iter().map(group).collect();
                // The shares lie on the line 0.35 − 0.2 x.
                let ends = slope_index(&groups, 0.95).interval;
                ends.is_some_and(|ends| ends.lower <= -0.2 && -0.2 <= ends.upper)
            };
            naive += f64::from(u8::from(covers(0.0, 0.0))) / 2_000.0;
            aware += f64::from(u8::from(covers(f64::MIN, deviation.powi(2)))) / 2_000.0;
        }
        lost = lost.min(naive);
        assert!(aware >= 0.94, "epsilon {epsilon}: {aware}");
    }
    assert!(lost < 0.85, "{lost}");
}

/// By hand: 30 events of 600 people have the sampling variance 30/600².
#[test]
fn a_group_of_events_has_the_variance_of_poissons_law() {
    let group = Group::of_events(&Estimate::exact(30.0), &Estimate::exact(600.0));
    close(group.value.value, 0.05, 1e-15);
    close(group.sampling_variance, 30.0 / 360_000.0, 1e-12);
}
