//! Life tables: published results, and how often intervals cover.

use super::{Band, life_expectancy};
use crate::estimate::Estimate;
use crate::methods::expected::close;
use crate::methods::simulation::{Random, noise_deviation};
use std::sync::Arc;

/// R package PHEindicatormethods, `testLifeExpectancy.R`, its first table: age, population,
/// deaths; life expectancy, lower and upper limit at 95 % with a deviate of 1.96.
const TABLE: [[f64; 6]; 20] = [
    [0.0, 7060.0, 17.0, 80.16960813, 79.88268548, 80.45653078],
    [1.0, 35059.0, 9.0, 79.36245674, 79.0898816, 79.63503188],
    [5.0, 46974.0, 4.0, 75.44193645, 75.17407307, 75.70979983],
    [10.0, 48489.0, 8.0, 70.47299936, 70.20675732, 70.7392414],
    [15.0, 43219.0, 20.0, 65.52909542, 65.26548673, 65.79270412],
    [20.0, 38561.0, 15.0, 60.67510088, 60.41876577, 60.931436],
    [25.0, 46009.0, 24.0, 55.78835987, 55.53801579, 56.03870395],
    [30.0, 57208.0, 33.0, 50.92752727, 50.68279939, 51.17225516],
    [35.0, 61435.0, 50.0, 46.06740425, 45.82666794, 46.30814055],
    [40.0, 55601.0, 71.0, 41.24505636, 41.00842831, 41.48168441],
    [45.0, 50209.0, 100.0, 36.49322717, 36.26223216, 36.72422219],
    [50.0, 56416.0, 163.0, 31.83343842, 31.60996318, 32.05691365],
    [55.0, 46411.0, 263.0, 27.26027992, 27.04337271, 27.47718713],
    [60.0, 39820.0, 304.0, 22.9719144, 22.76653134, 23.17729746],
    [65.0, 37978.0, 536.0, 18.76856852, 18.57570352, 18.96143352],
    [70.0, 37039.0, 872.0, 14.95858336, 14.77985004, 15.13731667],
    [75.0, 33288.0, 1390.0, 11.51684445, 11.34831778, 11.68537112],
    [80.0, 23306.0, 1605.0, 8.618849241, 8.451134045, 8.786564437],
    [85.0, 11936.0, 1936.0, 6.163942934, 5.978358351, 6.349527517],
    [90.0, 11936.0, 1937.0, 6.16210635, 5.887683386, 6.436529314],
];

fn band(from: f64, deaths: f64, population: f64) -> Band {
    Band { from, deaths: Estimate::exact(deaths), population: Estimate::exact(population) }
}

fn bands() -> Vec<Band> {
    TABLE.iter().map(|[from, people, deaths, ..]| band(*from, *deaths, *people)).collect()
}

#[test]
fn life_expectancies_are_those_of_english_public_health() {
    let got = life_expectancy(&bands(), 0.95);
    assert_eq!(got.len(), 20);
    for (got, [.., value, lower, upper]) in got.iter().zip(TABLE) {
        close(got.value, value, 1e-9);
        let reach = (got.interval.unwrap().upper - got.value) / 1.959963984540054 * 1.96;
        close(got.value - reach, lower, 1e-9);
        close(got.value + reach, upper, 1e-9);
        assert_eq!(got.noise_variance, 0.0);
    }
}

/// By hand: half of a band's thousand die, and a tenth of the rest each year for ever.
#[test]
fn two_bands_are_as_worked_by_hand() {
    let got = life_expectancy(&[band(60.0, 50.0, 1_000.0), band(70.0, 100.0, 1_000.0)], 0.95);
    // The rate 0.05 over ten years: q = 0.5/1.25 = 0.4, who die live 5 years.
    close(got[1].value, 10.0, 1e-12);
    close(got[0].value, 0.6 * 10.0 + 0.4 * 5.0 + 0.6 * 10.0, 1e-12);
    let of_last: f64 = 10.0 * 10.0 / 100.0;
    let of_first = 0.4 * 0.4 * 0.6 / 50.0;
    let deviation = (0.6 * 0.6 * of_last + 15.0 * 15.0 * of_first).sqrt();
    close(got[0].interval.unwrap().upper - got[0].value, 1.959963984540054 * deviation, 1e-12);
}

/// By hand: noise of 25 deaths moves q by 10/1.25² · 5/1000, and the last band by 100 · 5/1000.
#[test]
fn noise_enters_by_the_delta_method() {
    let receipt = Arc::from("a");
    let deaths = |count| Estimate::released(count, 25.0, &receipt);
    let bands = [
        Band { deaths: deaths(50.0), ..band(60.0, 0.0, 1_000.0) },
        Band { deaths: deaths(100.0), ..band(70.0, 0.0, 1_000.0) },
    ];
    let got = life_expectancy(&bands, 0.95);
    close(got[1].noise_variance, 0.25, 1e-12);
    close(got[0].noise_variance, 0.36 * 0.25 + (15.0_f64 * 0.032).powi(2), 1e-12);
    assert_eq!(got[0].receipts.len(), 1);
}

#[test]
fn impossible_tables_have_no_life_expectancy() {
    let mut cases = vec![bands(); 5];
    cases[0][3].deaths = Estimate::exact(-5.0);
    cases[1][5].population = Estimate::exact(0.0);
    cases[2][18].population = Estimate::exact(119.0);
    cases[3][19].deaths = Estimate::exact(0.0);
    cases[4].swap(2, 3);
    for case in cases {
        let got = life_expectancy(&case, 0.95);
        assert_eq!(got.len(), 20);
        assert!(got.iter().all(|got| got.value.is_nan() && got.interval.is_none()));
    }
    assert!(life_expectancy(&[], 0.95).is_empty());
}

/// A twentieth of the population above: a small area.
#[test]
fn intervals_of_noisy_life_expectancies_cover() {
    let truth = life_expectancy(&bands(), 0.95)[0].value;
    let receipt = Arc::from("a");
    let mut lost: f64 = 1.0;
    for epsilon in [0.1, 0.5, 1.0] {
        let deviation = noise_deviation(epsilon);
        let mut random = Random::new(29);
        let (mut naive, mut aware) = (0.0, 0.0);
        for _ in 0..1_000 {
            let cells = TABLE.map(|[from, people, deaths, ..]| {
                let deaths = random.poisson(deaths / 20.0) + random.noise(deviation);
                [from, people / 20.0 + random.noise(deviation), deaths]
            });
            let covers = |floor: f64, variance: f64| {
                let bands = cells.map(|[from, people, deaths]| Band {
                    from,
                    deaths: Estimate::released(deaths.max(floor), variance, &receipt),
                    population: Estimate::released(people, variance, &receipt),
                });
                let ends = life_expectancy(&bands, 0.95)[0].interval;
                ends.is_some_and(|ends| ends.lower <= truth && truth <= ends.upper)
            };
            naive += f64::from(u8::from(covers(0.0, 0.0))) / 1_000.0;
            aware += f64::from(u8::from(covers(f64::MIN, deviation.powi(2)))) / 1_000.0;
        }
        lost = lost.min(naive);
        assert!(aware >= 0.94, "epsilon {epsilon}: {aware}");
    }
    assert!(lost < 0.6, "{lost}");
}
