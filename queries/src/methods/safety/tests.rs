//! CAERS pairs as openEBGM has them, textbook tables, coverage with noise.

use super::Reports;
use crate::estimate::Estimate;
use crate::methods::simulation::Random;
use crate::shared::shared;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn cells(counts: [f64; 4]) -> Reports {
    let [a, b, c, d] = counts.map(Estimate::exact);
    Reports::of_cells(&a, &b, &c, &d)
}

fn close(got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{got} {expected}");
}

/// A pair of openEBGM's file: product, event, N, E, RR, PRR.
pub(super) struct Caers {
    product: String,
    event: String,
    pub(super) count: f64,
    pub(super) expected: f64,
    relative: f64,
    proportional: f64,
}

/// cran/openEBGM, `processRaw(caers)`: the FDA's reports on dietary supplements.
pub(super) fn caers() -> Option<Vec<Caers>> {
    let text = std::fs::read_to_string(shared("expected/r/openEBGM_caers_counts_RR_PRR.csv")?);
    let pair = |line: &str| {
        // Names are quoted and have commas; the numbers behind them are not and have none.
        let (names, numbers) = line.rsplit_once("\",").unwrap();
        let (product, event) = names[1..].split_once("\",\"").unwrap();
        let number = |text: &str| text.replace("Inf", "inf").parse().unwrap();
        let numbers: Vec<f64> = numbers.split(',').map(number).collect();
        Caers {
            product: product.to_owned(),
            event: event.to_owned(),
            count: numbers[0],
            expected: numbers[1],
            relative: numbers[2],
            proportional: numbers[3],
        }
    };
    Some(text.unwrap().lines().skip(1).map(pair).collect())
}

const CAERS_REPORTS: f64 = 3_356.0;

/// A product (true) or an event, by its name.
type Margin<'a> = (bool, &'a str);
/// What is beside each margin in a pair, with the product of both margins.
type Beside<'a> = BTreeMap<Margin<'a>, Vec<(Margin<'a>, f64)>>;

/// Reports per product and per event, which the file does not have: expected counts are products
/// of both over all reports, so that one margin of a connected part gives all others of it.
fn margins(pairs: &[Caers]) -> BTreeMap<Margin<'_>, f64> {
    let mut beside = Beside::new();
    for pair in pairs {
        let (product, event) = ((true, pair.product.as_str()), (false, pair.event.as_str()));
        let together = (pair.expected * CAERS_REPORTS).round();
        beside.entry(product).or_default().push((event, together));
        beside.entry(event).or_default().push((product, together));
    }
    let mut known = BTreeMap::new();
    for &root in beside.keys() {
        if known.contains_key(&root) {
            continue;
        }
        // The least margin that makes every other a whole number and the first ratio right.
        let part = (1..).map(|margin| spread(&beside, root, f64::from(margin))).find(|part| {
            part.values().all(|margin| margin.fract() == 0.0)
                && pairs.iter().all(|pair| {
                    let product = part.get(&(true, pair.product.as_str()));
                    let event = part.get(&(false, pair.event.as_str()));
                    let (Some(&product), Some(&event)) = (product, event) else { return true };
                    pair.count <= product.min(event) && prr_agrees(pair, product, event)
                })
        });
        known.extend(part.unwrap());
    }
    known
}

fn spread<'a>(beside: &Beside<'a>, root: Margin<'a>, margin: f64) -> BTreeMap<Margin<'a>, f64> {
    let mut part = BTreeMap::from([(root, margin)]);
    let mut left = BTreeSet::from([root]);
    while let Some(at) = left.pop_first() {
        for (next, together) in &beside[&at] {
            if !part.contains_key(next) {
                part.insert(*next, together / part[&at]);
                left.insert(*next);
            }
        }
    }
    part
}

fn prr_agrees(pair: &Caers, product: f64, event: f64) -> bool {
    let others = (event - pair.count) / (CAERS_REPORTS - product);
    let ratio = (pair.count / product) / others;
    ratio == pair.proportional || (ratio - pair.proportional).abs() < 0.00501
}

#[test]
fn expected_counts_and_ratios_of_all_caers_pairs_are_those_of_openebgm() {
    let Some(pairs) = caers() else { return };
    let margins = margins(&pairs);
    let all = Estimate::exact(CAERS_REPORTS);
    for pair in &pairs {
        let product = Estimate::exact(margins[&(true, pair.product.as_str())]);
        let event = Estimate::exact(margins[&(false, pair.event.as_str())]);
        let reports = Reports::of_margins(&Estimate::exact(pair.count), &product, &event, &all);
        let expected = reports.expected().value;
        assert!((expected / pair.expected - 1.0).abs() < 1e-13, "{expected} {}", pair.expected);
        // Both are rounded to two decimals.
        let relative = reports.relative_reporting().value;
        assert!((relative - pair.relative).abs() < 0.005_000_01, "{relative} {}", pair.relative);
        let ratio = reports.proportional_reporting_ratio(0.95).value;
        let same = ratio == pair.proportional || (ratio - pair.proportional).abs() < 0.005_000_01;
        assert!(same, "{ratio} {}", pair.proportional);
    }
    assert_eq!(pairs.len(), 17_189);
}

/// By statsmodels 0.14 `Table2x2` (odds ratio and its interval; the risk ratio and its interval)
/// and `scipy.stats.chi2_contingency(correction=True)`; a pair of Evans 2001's kind.
#[test]
fn without_noise_ratios_intervals_and_chi_square_are_the_textbooks() {
    let reports = cells([25.0, 475.0, 120.0, 24_380.0]);
    let prr = reports.proportional_reporting_ratio(0.95);
    close(prr.value, 10.208333333333334);
    let interval = prr.interval.unwrap();
    close(interval.lower, PRR[0]);
    close(interval.upper, PRR[1]);
    let ror = reports.reporting_odds_ratio(0.95);
    close(ror.value, 10.692982456140351);
    let interval = ror.interval.unwrap();
    close(interval.lower, ROR[0]);
    close(interval.upper, ROR[1]);
    close(reports.chi_square(), CHI_SQUARE);
    assert!(reports.is_signal());
    assert!(!cells([2.0, 20.0, 10.0, 5_000.0]).is_signal());
    assert!(!cells([30.0, 470.0, 1_500.0, 24_000.0]).is_signal());
}

#[test]
fn empty_cells_leave_intervals_open() {
    let none = cells([0.0, 50.0, 100.0, 900.0]).proportional_reporting_ratio(0.95);
    assert_eq!((none.value, none.interval.unwrap().lower), (0.0, 0.0));
    assert!(none.interval.unwrap().upper.is_finite());
    let only = cells([7.0, 50.0, 0.0, 900.0]).reporting_odds_ratio(0.95);
    assert_eq!((only.value, only.interval.unwrap().upper), (f64::INFINITY, f64::INFINITY));
    assert!(only.interval.unwrap().lower > 0.0);
    assert!(cells([0.0; 4]).proportional_reporting_ratio(0.95).interval.is_none());
    assert!(cells([0.0, 5.0, 0.0, 9.0]).chi_square().is_nan());
}

#[test]
fn margins_and_cells_with_the_same_noise_are_the_same_table() {
    let receipt = Arc::from("r");
    let noisy = |value, variance| Estimate::released(value, variance, &receipt);
    let exact = Estimate::exact;
    // Only the count of both is noisy: in the table that is -1 for the cells beside it.
    let table = Reports::of_margins(&noisy(25.0, 9.0), &exact(500.0), &exact(145.0), &exact(25e3));
    close(table.cells[3], 24_380.0);
    close(table.covariance[0][1], -9.0);
    close(table.covariance[3][0], 9.0);
    // The margins are exact, and so are the expected reports.
    assert!(table.expected().noise_variance < 1e-25);
    close(table.relative_reporting().noise_variance, 9.0 / (500.0 * 145.0 / 25e3_f64).powi(2));
    assert!(table.expected().receipts.contains("r"));
    // A PRR with exact margins moves with its count by its slope: both counts over the margins.
    let step = 1e-4;
    let at = |count: f64| {
        let table = Reports::of_margins(&exact(count), &exact(500.0), &exact(145.0), &exact(25e3));
        table.proportional_reporting_ratio(0.95).value
    };
    let slope = (at(25.0 + step) - at(25.0 - step)) / (2.0 * step);
    let variance = table.proportional_reporting_ratio(0.95).noise_variance;
    assert!((variance / (9.0 * slope * slope) - 1.0).abs() < 1e-6);
}

/// Counts of a table that follows these probabilities, with noise.
fn draw(simulation: &mut Random, means: [f64; 4], deviation: f64) -> Reports {
    let receipt = Arc::from("r");
    let counts = means.map(|mean| {
        let count = simulation.poisson(mean) + deviation * simulation.normal();
        Estimate::released(count, deviation * deviation, &receipt)
    });
    let [a, b, c, d] = &counts;
    Reports::of_cells(a, b, c, d)
}

#[test]
fn intervals_of_both_ratios_cover_with_noise() {
    let mut simulation = Random::new(11);
    // Noise of epsilon 1, 0.5 and 0.1, and counts from a few times its deviation.
    for (deviation, both) in [
        (0.0, 20.0),
        (1.36, 10.0),
        (1.36, 40.0),
        (2.8, 10.0),
        (2.8, 30.0),
        (14.1, 30.0),
        (14.1, 90.0),
    ] {
        let means = [both, 10.0 * both, 4.0 * both, 200.0 * both];
        let (prr, ror) = ((1.0 / 11.0) / (4.0 / 204.0), 200.0 / 40.0);
        let (mut covered_prr, mut covered_ror) = (0, 0);
        for _ in 0..1_000 {
            let reports = draw(&mut simulation, means, deviation);
            let covers = |estimate: Estimate, truth: f64| {
                let interval = estimate.interval.unwrap();
                u32::from(interval.lower <= truth && truth <= interval.upper)
            };
            covered_prr += covers(reports.proportional_reporting_ratio(0.95), prr);
            covered_ror += covers(reports.reporting_odds_ratio(0.95), ror);
        }
        assert!(covered_prr >= 940 && covered_ror >= 940, "{deviation} {both} {covered_prr}");
    }
}

#[test]
fn noise_alone_is_seldom_a_signal() {
    let mut simulation = Random::new(12);
    let mut signals = 0;
    for _ in 0..1_000 {
        // Nothing is reported more often: 5 of 100 as 500 of 10,000.
        let reports = draw(&mut simulation, [5.0, 95.0, 500.0, 9_500.0], 14.1);
        signals += u32::from(reports.is_signal());
    }
    // A chi-square of 4 is reached on the upper side by 2.3 %; 35 is 2.5 deviations more.
    assert!(signals <= 35, "{signals}");
}

const PRR: [f64; 2] = [6.695960870989543, 15.56312401644068];
const ROR: [f64; 2] = [6.884203686045233, 16.60901957899651];
const CHI_SQUARE: f64 = 165.12379825507298;
