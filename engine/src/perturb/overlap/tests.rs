//! The lines hold and are sharp, and the intervals miss no more often than they say. Seeds are
//! fixed; `GRAUNT_OVERLAP_RUNS` is how often each case is drawn, if not 300.

use super::{Opened, deviation_at, once};
use crate::noise::normal_quantile;
use crate::perturb::sketch::registers_for;

/// Numbers of persons by how many sites they are at, from one on.
type Persons<'a> = &'a [u32];

fn moment(persons: Persons<'_>, power: i32) -> f64 {
    let terms = (1u32..).zip(persons);
    terms.map(|(sites, count)| f64::from(sites).powi(power) * f64::from(*count)).sum()
}

/// What is opened if there is neither noise nor a meeting of two persons.
fn exactly(persons: Persons<'_>, sites: u64) -> Opened {
    let (sum, squares) = (moment(persons, 1), moment(persons, 2));
    Opened { sum, sum_deviation: 0.0, squares, registers: 1e18, variance: 0.0, sites }
}

#[test]
fn the_number_of_persons_is_between_the_lines_whatever_their_sites() {
    for code in 0..4u32.pow(5) {
        let persons: Vec<u32> = (0..5).map(|m| code / 4u32.pow(m) % 4).collect();
        let all = moment(&persons, 0);
        for sites in 2..=5u64 {
            let within = usize::try_from(sites).unwrap();
            if all == 0.0 || persons[within..].iter().any(|count| *count > 0) {
                continue;
            }
            let drawn = exactly(&persons[..within], sites).persons(0.95);
            assert!(drawn.lower <= all && all <= drawn.upper, "{persons:?} {sites}: {drawn:?}");
            assert!(drawn.lower <= drawn.value && drawn.value <= drawn.upper, "{drawn:?}");
        }
    }
}

#[test]
fn with_two_sites_or_all_at_equally_many_the_lines_meet() {
    for persons in [&[40u32, 0][..], &[30, 10], &[0, 25], &[999, 1]] {
        let drawn = exactly(persons, 2).persons(0.95);
        let all = moment(persons, 0);
        assert_eq!((drawn.value, drawn.lower, drawn.upper), (all, all, all), "{persons:?}");
    }
    // Once each, or as often as can be.
    for persons in [&[70u32, 0, 0, 0][..], &[0, 0, 0, 70]] {
        let drawn = exactly(persons, 4).persons(0.95);
        assert_eq!((drawn.value, drawn.lower, drawn.upper), (70.0, 70.0, 70.0), "{persons:?}");
    }
    // Of 1,000 persons 100 are at two of up to four sites: S = 1,100, F = 1,300, and 1,000 to
    // (5·1,100 - 1,300)/4 = 1,050.
    let drawn = exactly(&[900, 100, 0, 0], 4).persons(0.95);
    assert_eq!((drawn.lower, drawn.upper), (1_000.0, 1_050.0));
}

#[test]
fn sites_that_are_equally_likely_give_the_likely_number() {
    // Each of three further sites with probability 1/3: 8, 12, 6 and 1 of 27.
    let persons = [8_000u32, 12_000, 6_000, 1_000];
    let again = moment(&persons, 2) / moment(&persons, 1);
    // 27,000 persons are counted 54,000 times.
    assert!((once(again, 4) - 0.5).abs() < 1e-9, "{}", once(again, 4));
    assert_eq!(exactly(&persons, 4).persons(0.95).value, 27_000.0);
    assert!((once(0.3, 4) - 1.0).abs() < 1e-9);
    assert!((once(9.0, 4) - 0.25).abs() < 1e-9);
}

/// Steele, Lea and Flood's SplitMix64, and Box and Muller's normal deviates from it.
struct Dice(u64);

impl Dice {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn normal(&mut self) -> f64 {
        let unit = |word: u64| ((word >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
        let (radius, turn) = (unit(self.word()), unit(self.word()));
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * turn).cos()
    }

    /// What is opened of these persons under noise of these deviations, on whole numbers.
    fn opened(&mut self, persons: Persons<'_>, sites: u64, sum: f64, sketch: f64) -> Opened {
        let noisy = (moment(persons, 1) + sum * self.normal()).round();
        let registers = registers_for(noisy.max(0.0) + 2.0 * sum, sketch);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole")]
        let mut values = vec![0.0; registers as usize];
        for (times, count) in (1u32..).zip(persons) {
            for _ in 0..*count {
                let word = self.word();
                let at = usize::try_from((word >> 1) % values.len() as u64).unwrap();
                values[at] += if word & 1 == 0 { 1.0 } else { -1.0 } * f64::from(times);
            }
        }
        let squares = values.iter().map(|v| (v + sketch * self.normal()).powi(2)).sum();
        let variance = sketch * sketch;
        Opened { sum: noisy, sum_deviation: sum, squares, registers, variance, sites }
    }
}

/// Deviations of sum and sketch at a ρ of so many millionths, of which a quarter is the sum's, with
/// eight parties of whom three are counted on.
fn deviations(rho_micro: u32, sites: u64) -> (f64, f64) {
    let rho = f64::from(rho_micro) * 1e-6;
    let of = |part: f64| sites as f64 * (8.0 / 3.0 / (2.0 * part * rho)).sqrt();
    (of(0.25), of(0.75))
}

fn runs() -> u32 {
    std::env::var("GRAUNT_OVERLAP_RUNS").map_or(300, |asked| asked.parse().unwrap())
}

#[test]
fn intervals_hold_the_persons_as_often_as_they_say_at_every_overlap() {
    let cases: [(Persons<'_>, u64); 9] = [
        (&[30, 10], 2),
        (&[500, 100], 2),
        (&[2_000, 0], 2),
        (&[0, 1_000], 2),
        (&[2_100, 900], 2),
        (&[300, 200, 100], 3),
        (&[0, 0, 700], 3),
        (&[1_500, 400, 100, 0, 0], 5),
        (&[0, 0, 0, 0, 0], 5),
    ];
    let mut dice = Dice(20);
    // ρ at (1, 1e-6), (3, 1e-6), and where there is little noise.
    for rho_micro in [24_356, 185_070, 5_000_000] {
        for (persons, sites) in cases {
            let (sum, sketch) = deviations(rho_micro, sites);
            let all = moment(persons, 0);
            let runs = runs();
            let mut held = 0;
            for _ in 0..runs {
                let drawn = dice.opened(persons, sites, sum, sketch).persons(0.95);
                held += u32::from(drawn.lower <= all && all <= drawn.upper);
            }
            // Five standard errors below 95 % are 88.7 % of 300.
            let least = 0.95 - 5.0 * (0.95 * 0.05 / f64::from(runs)).sqrt();
            let share = f64::from(held) / f64::from(runs);
            assert!(share >= least, "{share} of {persons:?} at rho {rho_micro}e-6");
        }
    }
}

#[test]
fn intervals_of_many_runs_hold_ninety_four_in_a_hundred_at_least() {
    let (mut dice, mut held, mut all) = (Dice(21), 0u32, 0u32);
    for rho_micro in [24_356, 185_070, 1_000_000] {
        let (sum, sketch) = deviations(rho_micro, 2);
        for persons in [[30, 10], [400, 100], [900, 0], [1_400, 600], [0, 500]] {
            for _ in 0..runs() {
                let drawn = dice.opened(&persons, 2, sum, sketch).persons(0.95);
                let truth = moment(&persons, 0);
                held += u32::from(drawn.lower <= truth && truth <= drawn.upper);
                all += 1;
            }
        }
    }
    assert!(f64::from(held) >= 0.94 * f64::from(all), "{held} of {all}");
}

#[test]
fn the_error_is_what_is_foretold_and_grows_with_the_root_of_the_persons() {
    let mut dice = Dice(22);
    let (sum, sketch) = deviations(185_070, 2);
    for count in [4_000u32, 16_000] {
        let persons = [count * 9 / 10, count / 10];
        let runs = 120;
        let mut squares = 0.0;
        for _ in 0..runs {
            let opened = dice.opened(&persons, 2, sum, sketch);
            let line = (3.0 * opened.sum - opened.again()) / 2.0;
            squares += (line - moment(&persons, 0)).powi(2);
        }
        let error = (squares / f64::from(runs)).sqrt();
        let foretold = deviation_at(f64::from(count), sum, sketch);
        // Persons at two sites weigh four times; the error of a deviation of 120 runs is 6.5 %.
        assert!((0.8..1.4).contains(&(error / foretold)), "{count}: {error} {foretold}");
    }
    let (few, many) = (deviation_at(1e6, sum, sketch), deviation_at(1e8, sum, sketch));
    assert!((many / few - 10.0).abs() < 0.3, "{few} {many}");
}

#[test]
fn where_noise_leaves_nothing_of_the_sketch_the_sum_still_bounds_the_persons() {
    let opened = Opened {
        sum: 50.0,
        sum_deviation: 10.0,
        squares: 32.0 * 400.0,
        registers: 32.0,
        variance: 400.0,
        sites: 2,
    };
    let drawn = opened.persons(0.95);
    let reach = normal_quantile(0.01) * 10.0;
    assert!(drawn.lower >= ((50.0 - reach) / 2.0).floor(), "{drawn:?}");
    assert!(drawn.upper <= 50.0 + reach, "{drawn:?}");
    // Neither all once nor all twice: what is left open is averaged over.
    assert!(drawn.value > 30.0 && drawn.value < 46.0, "{drawn:?}");
    let nobody = Opened { sum: -7.0, ..opened }.persons(0.95);
    assert!(nobody.lower <= 0.0 && nobody.value >= 0.0 && nobody.upper >= 0.0, "{nobody:?}");
}
