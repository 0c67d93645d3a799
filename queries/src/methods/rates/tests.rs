//! Rates: published intervals, noisy denominators, and how often intervals cover.

use super::crude;
use crate::estimate::Estimate;
use crate::methods::counts::Limits;
use crate::methods::expected::{close, rows};
use crate::methods::simulation::{Random, noise_deviation};
use std::sync::Arc;

/// R package PHEindicatormethods, `phe_rate`, by area and grouped; empty cells are missing.
#[test]
fn rates_are_those_of_english_public_health() {
    let Some(areas) = rows("expected/phe/Rate__testdata_Rate.csv") else { return };
    let Some(grouped) = rows("expected/phe/Rate__testdata_Rate_g.csv") else { return };
    let by_area = areas.iter().flat_map(|row| {
        [(row, 0.95, "lower95_0cl", "upper95_0cl"), (row, 0.998, "lower99_8cl", "upper99_8cl")]
    });
    let by_group = grouped.iter().map(|row| (row, 0.95, "lowercl", "uppercl"));
    let mut compared = 0;
    for (row, level, lower, upper) in by_area.chain(by_group) {
        let events = Estimate::exact(row.number("Numerator"));
        let person_time = Estimate::exact(row.number("Denominator"));
        let rate = crude(&events, &person_time, Limits::ByarFrom10, level);
        let rate = rate.times(row.number("multiplier"));
        close(rate.value, row.number("value"), 1e-12);
        match rate.interval {
            Some(interval) => {
                close(interval.lower, row.number(lower), 1e-9);
                close(interval.upper, row.number(upper), 1e-9);
                compared += 1;
            }
            None => assert!(row.number(lower).is_nan()),
        }
    }
    assert_eq!(compared, 2 * 17 + 9);
}

#[test]
fn a_rate_over_nobody_is_not_a_number() {
    let events = Estimate::exact(3.0);
    for person_time in [0.0, -5.0, f64::NAN] {
        let rate = crude(&events, &Estimate::exact(person_time), Limits::Exact, 0.95);
        assert!(rate.value.is_nan() && rate.interval.is_none());
    }
    let negative = crude(&Estimate::exact(-3.0), &events, Limits::Exact, 0.95);
    assert!(negative.value.is_nan() && negative.interval.is_none());
}

/// By hand: 20 of 400 with noise variances 4 and 100 are 0.05 with (4 + 0.0025·100)/400².
#[test]
fn the_noise_of_a_rate_is_that_of_both_its_numbers() {
    let receipts = [Arc::from("a"), Arc::from("b")];
    let events = Estimate::released(20.0, 4.0, &receipts[0]);
    let person_time = Estimate::released(400.0, 100.0, &receipts[1]);
    let rate = crude(&events, &person_time, Limits::Exact, 0.95);
    close(rate.value, 0.05, 1e-15);
    close(rate.noise_variance, 4.25 / 160_000.0, 1e-12);
    assert_eq!((rate.method, rate.receipts.len()), ("rate (exact with noise)", 2));
}

/// Relative noise of 60 % leaves every high rate possible; 10 % does not.
#[test]
fn a_noisy_denominator_widens_the_interval_as_fieller_says() {
    let receipt = Arc::from("a");
    let events = Estimate::exact(40.0);
    let rate = |variance| {
        let person_time = Estimate::released(100.0, variance, &receipt);
        crude(&events, &person_time, Limits::Exact, 0.95).interval.unwrap()
    };
    assert!(rate(3_600.0).upper.is_infinite());
    let (exact, noisy) = (rate(0.0), rate(100.0));
    assert!(noisy.lower < exact.lower && noisy.upper > exact.upper && noisy.upper < 0.75);
}

/// Deaths and person-time both noisy: as with the counts of `dp_baseline`, for rates.
#[test]
fn intervals_of_noisy_rates_cover() {
    let receipt = Arc::from("a");
    let mut lost: f64 = 1.0;
    for (epsilon, size, truth) in [
        (0.1, 150.0, 0.1),
        (0.1, 400.0, 0.05),
        (0.5, 60.0, 0.2),
        (1.0, 40.0, 0.3),
        (1.0, 20.0, 1.0),
    ] {
        let deviation = noise_deviation(epsilon);
        let mut random = Random::new(11);
        let (mut naive, mut aware) = (0.0, 0.0);
        for _ in 0..800 {
            let count = random.poisson(truth * size) + random.noise(deviation);
            let people = size + random.noise(deviation);
            let covers = |variance: f64, count: f64| {
                let events = Estimate::released(count, variance, &receipt);
                let person_time = Estimate::released(people, variance, &receipt);
                let interval = crude(&events, &person_time, Limits::Byar, 0.95).interval;
                interval.is_none_or(|ends| ends.lower <= truth && truth <= ends.upper)
            };
            naive += f64::from(u8::from(covers(0.0, count.max(0.0)))) / 800.0;
            aware += f64::from(u8::from(covers(deviation.powi(2), count))) / 800.0;
        }
        lost = lost.min(naive);
        assert!(aware >= 0.94, "epsilon {epsilon}, rate {truth} of {size}: {aware}");
    }
    assert!(lost < 0.8, "{lost}");
}
