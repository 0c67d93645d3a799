//! Tests of tables and rates against R and SciPy, and of coverage under noise.

use std::sync::Arc;

use super::{Incidence, TwoByTwo};
use crate::estimate::{Estimate, Interval};
use crate::methods::expected::rows;
use crate::methods::simulation::Random;

fn exact(counts: [f64; 4]) -> [Estimate; 4] {
    counts.map(Estimate::exact)
}

fn close(got: f64, expected: f64, relative: f64) {
    let is_close = got == expected || (got / expected - 1.0).abs() <= relative;
    assert!(is_close, "{got}, expected {expected}");
}

fn is(estimate: &Estimate, expected: [f64; 3], relative: f64) {
    let Interval { lower, upper } = estimate.interval.unwrap();
    for (got, expected) in [estimate.value, lower, upper].into_iter().zip(expected) {
        close(got, expected, relative);
    }
}

/// The R package epitools, 48 rows. R solves for mid-P and Fisher's limits to some 1e-4 of a
/// logarithm or probability, so up to 8e-3 of a ratio (269.610 in SciPy for the 271.851 of
/// `smoking_lung`): those to the last digits are in the test against SciPy below.
#[test]
fn ratios_of_tables_are_those_of_epitools() {
    let Some(rows) = rows("expected/r/epitools_2x2_or_rr.csv") else { return };
    assert_eq!(rows.len(), 48);
    for row in rows {
        let cells = ["d_exp_out", "c_exp_noout", "b_noexp_out", "a_noexp_noout"];
        let table = TwoByTwo::of_cells(exact(cells.map(|cell| row.number(cell))));
        let (estimate, relative) = match (row.text("measure"), row.text("method")) {
            ("OR", "wald") => (table.odds_ratio(0.95), 1e-13),
            ("OR", "small") => (table.small_sample_odds_ratio(0.95), 1e-13),
            ("OR", "midp") => (table.median_unbiased_odds_ratio(0.95), 4e-3),
            ("OR", "fisher") => (table.conditional_odds_ratio(0.95), 1e-2),
            ("RR", "wald") => (table.risk_ratio(0.95), 1e-13),
            ("RR", "small") => (table.small_sample_risk_ratio(0.95), 1e-13),
            other => panic!("{other:?}"),
        };
        is(&estimate, ["est", "lo", "hi"].map(|column| row.number(column)), relative);
        let [midp, fisher] = table.exact_independence().unwrap();
        // R takes a tail from 1, and so has 0 for what is below 1e-16.
        let expected = row.number("p_midp");
        assert!((midp - expected).abs() <= 1e-10 * expected + 1e-15, "{midp}");
        close(fisher, row.number("p_fisher"), 1e-10);
        close(table.independence().p, row.number("p_chisq"), 1e-9);
    }
}

/// SciPy 1.16: `odds_ratio(kind="conditional")`, and roots of `nchypergeom_fisher` to 1e-13.
#[test]
fn exact_limits_are_those_of_scipy() {
    let table = TwoByTwo::of_cells(exact([7.0, 2.0, 12.0, 1.0]));
    let fisher = [0.3091610059588537, 0.0045708381701144935, 6.956309695245882];
    is(&table.conditional_odds_ratio(0.95), fisher, 1e-9);
    let midp = [0.32506107330086154, 0.009185916511567744, 4.6920494009057565];
    is(&table.median_unbiased_odds_ratio(0.95), midp, 1e-9);
    let oswego = TwoByTwo::of_cells(exact([43.0, 11.0, 3.0, 18.0]));
    let fisher = [22.149035514258845, 5.215283326887501, 138.3934792870416];
    is(&oswego.conditional_odds_ratio(0.95), fisher, 1e-9);
    let midp = [21.407171140746676, 5.9279621624518075, 109.14734799045186];
    is(&oswego.median_unbiased_odds_ratio(0.95), midp, 1e-9);
    let rates = Incidence::new(exact([41.0, 28_010.0, 15.0, 19_017.0]));
    let midp = [1.8429670584979079, 1.0410752434259323, 3.4494227604546572];
    is(&rates.median_unbiased_rate_ratio(0.95), midp, 1e-9);
}

/// The R package epitools, 6 rows; its mid-P limits to some 4e-4.
#[test]
fn ratios_of_rates_are_those_of_epitools() {
    let Some(rows) = rows("expected/r/epitools_rateratio.csv") else { return };
    assert_eq!(rows.len(), 6);
    for row in rows {
        let inputs = ["cases_exp", "pt_exp", "cases_ref", "pt_ref"];
        let rates = Incidence::new(exact(inputs.map(|input| row.number(input))));
        let expected = ["est", "lo", "hi"].map(|column| row.number(column));
        match row.text("method") {
            "wald" => is(&rates.rate_ratio(0.95), expected, 1e-13),
            _ => is(&rates.median_unbiased_rate_ratio(0.95), expected, 4e-4),
        }
        let (midp, expected) = (rates.exact_equality().unwrap(), row.number("p_midp"));
        assert!((midp - expected).abs() <= 1e-10 * expected + 1e-15, "{midp}");
        close(rates.equality().p, row.number("p_wald"), 1e-9);
    }
}

/// NumPy, from the formulas of Walter 1976, Whittemore 1982, and Bishop, Fienberg and Holland
/// 1975, on the table of coronary heart disease in Selvin, Statistical Analysis of Epidemiologic
/// Data (1998).
#[test]
fn differences_fractions_and_phi_are_those_of_their_formulas() {
    let cells = [347.0, 555.0, 20.0, 88.0];
    let totals = TwoByTwo::of_totals(exact([347.0, 902.0, 20.0, 108.0]));
    let margins = TwoByTwo::of_margins(exact([347.0, 902.0, 367.0, 1_010.0]));
    for table in [TwoByTwo::of_cells(exact(cells)), totals, margins] {
        let difference = [0.1995154800032849, 0.11967085994056212, 0.27936010006600764];
        is(&table.risk_difference(0.95), difference, 1e-12);
        let cohort = [0.49036229690180644, 0.25309091910379744, 0.6522594314858825];
        is(&table.attributable_fraction_population(0.95), cohort, 1e-12);
        let case_control = [0.6018082734703989, 0.36399161016727855, 0.7507003781533022];
        is(&table.attributable_fraction_case_control(0.95), case_control, 1e-12);
        let phi = [0.12818972778169294, 0.0761133715337344, 0.18026608402965147];
        is(&table.phi(0.95), phi, 1e-12);
        let ends = table.risk_ratio(0.95).interval.unwrap();
        let exposed = [1.0 - 1.0 / table.risk_ratio(0.95).value, 1.0 - 1.0 / ends.lower];
        let fraction = table.attributable_fraction_exposed(0.95);
        close(fraction.value, exposed[0], 1e-12);
        close(fraction.interval.unwrap().lower, exposed[1], 1e-12);
    }
}

/// 41 cases in 28,010 woman-years and 15 in 19,017, Rothman, Greenland and Lash 2008, chapter 14;
/// NumPy, with the variance 41/28010^2 + 15/19017^2.
#[test]
fn the_difference_of_rates_is_that_of_the_textbook() {
    let difference = Incidence::new(exact([41.0, 28_010.0, 15.0, 19_017.0])).rate_difference(0.95);
    let expected = [0.000674994997335761, 7.492720676658012e-5, 0.0012750627879049418];
    is(&difference, expected, 1e-9);
}

#[test]
fn cells_of_zero_have_no_estimate_and_an_interval_that_ends_there() {
    let table = TwoByTwo::of_cells(exact([0.0, 10.0, 5.0, 5.0]));
    let ratio = table.median_unbiased_odds_ratio(0.95);
    assert_eq!((ratio.value, ratio.interval.unwrap().lower), (0.0, 0.0));
    assert!(ratio.interval.unwrap().upper < 1.0);
    assert_eq!(table.conditional_odds_ratio(0.95).interval.unwrap().lower, 0.0);
    let empty = TwoByTwo::of_cells(exact([0.0; 4]));
    assert!(empty.odds_ratio(0.95).value.is_nan() && empty.independence().p.is_nan());
    assert!(empty.median_unbiased_odds_ratio(0.95).value.is_nan());
    let none = Incidence::new(exact([0.0, 10.0, 4.0, 20.0])).median_unbiased_rate_ratio(0.95);
    assert_eq!((none.value, none.interval.unwrap().lower), (0.0, 0.0));
}

#[test]
fn a_negative_count_is_not_clamped_and_receipts_are_kept() {
    let receipt: Arc<str> = Arc::from("receipt");
    let cells = [-3.0, 40.0, 12.0, 31.0].map(|y| Estimate::released(y, 16.0, &receipt));
    let ratio = TwoByTwo::of_cells(cells).odds_ratio(0.95);
    assert_eq!(ratio.value, -3.0 * 31.0 / (40.0 * 12.0));
    let Interval { lower, upper } = ratio.interval.unwrap();
    assert!(lower == 0.0 && upper > 0.0 && upper.is_finite(), "{upper}");
    assert_eq!(ratio.receipts.into_iter().collect::<Vec<_>>(), [receipt]);
    assert!(ratio.noise_variance > 0.0);
}

/// How often each of two intervals holds what is true of it.
fn coverage(
    seed: u64,
    truths: [f64; 2],
    mut estimates: impl FnMut(&mut Random) -> [Estimate; 2],
) -> [f64; 2] {
    let mut random = Random::new(seed);
    let mut held = [0.0; 2];
    for _ in 0..RUNS {
        for (at, estimate) in estimates(&mut random).into_iter().enumerate() {
            let Interval { lower, upper } = estimate.interval.unwrap();
            held[at] += f64::from(u8::from(lower <= truths[at] && truths[at] <= upper));
        }
    }
    held.map(|count| count / f64::from(RUNS))
}

/// Of 2,000 intervals that cover 95 % at least 94 % do, but for 1 in 40 of such rows; those of
/// noise cover more. Deviations of the noise are about those of discrete Laplace at epsilon 1, 0.5
/// and 0.1, and larger; counts go down to 2 where the noise is 50.
#[test]
fn intervals_of_ratios_cover_with_noise_of_any_size() {
    let tables = [
        [5.0, 45.0, 5.0, 45.0],
        [20.0, 180.0, 40.0, 160.0],
        [50.0, 950.0, 25.0, 975.0],
        [2.0, 500.0, 20.0, 400.0],
    ];
    for (seed, [a, b, c, d]) in (10..).zip(tables) {
        for deviation in [0.0, 1.4, 2.8, 14.0, 50.0] {
            let truths = [a * d / (b * c), a / (a + b) / (c / (c + d))];
            let got = coverage(seed, truths, |random| {
                let one = random.binomial(a + b, a / (a + b));
                let other = random.binomial(c + d, c / (c + d));
                let cells = [one, a + b - one, other, c + d - other];
                let table = TwoByTwo::of_cells(cells.map(|cell| noisy(random, cell, deviation)));
                [table.odds_ratio(0.95), table.risk_ratio(0.95)]
            });
            assert!(got[0].min(got[1]) >= 0.94, "{a} {b} {c} {d} {deviation}: {got:?}");
        }
    }
}

/// Persons with both of two diseases, with the first, with the second, and all.
#[test]
fn intervals_of_pairs_cover() {
    let [both, first, second, neither] = [60.0, 140.0, 200.0, 1_600.0];
    for deviation in [0.0, 1.4, 2.8, 14.0] {
        let root = f64::sqrt(200.0 * 1_800.0 * 260.0 * 1_740.0);
        let association = both * neither - first * second;
        let truths = [both * neither / (first * second), association / root];
        let got = coverage(40, truths, |random| {
            let [a, b, c, d] = [both, first, second, neither].map(|mean| random.poisson(mean));
            let counts = [a, a + b, a + c, a + b + c + d];
            let table = TwoByTwo::of_margins(counts.map(|count| noisy(random, count, deviation)));
            [table.odds_ratio(0.95), table.phi(0.95)]
        });
        assert!(got[0].min(got[1]) >= 0.94, "{deviation}: {got:?}");
    }
}

#[test]
fn intervals_of_differences_and_fractions_cover() {
    for (seed, [a, n, c, m]) in (20..).zip([[40.0, 200.0, 20.0, 200.0], [60.0, 2e3, 30.0, 2e3]]) {
        for deviation in [0.0, 1.4, 2.8, 14.0] {
            let truths = [a / n - c / m, 1.0 - (c / m) / ((a + c) / (n + m))];
            let got = coverage(seed, truths, |random| {
                let counts = [random.binomial(n, a / n), n, random.binomial(m, c / m), m];
                let counts = counts.map(|count| noisy(random, count, deviation));
                let table = TwoByTwo::of_totals(counts);
                [table.risk_difference(0.95), table.attributable_fraction_population(0.95)]
            });
            assert!(got[0].min(got[1]) >= 0.94, "{a} {n} {c} {m} {deviation}: {got:?}");
        }
    }
}

/// Person-time is noisy as well, with ten times the deviation.
#[test]
fn intervals_of_rate_ratios_cover() {
    for (seed, [cases, others]) in (30..).zip([[40.0, 15.0], [6.0, 12.0], [500.0, 300.0]]) {
        for deviation in [0.0, 1.4, 2.8, 14.0] {
            let [rate, other_rate] = [cases / 2_000.0, others / 3_000.0];
            let got = coverage(seed, [rate / other_rate, rate - other_rate], |random| {
                let (exposed, unexposed) = (random.poisson(cases), random.poisson(others));
                let rates = Incidence::new([
                    noisy(random, exposed, deviation),
                    noisy(random, 2_000.0, 10.0 * deviation),
                    noisy(random, unexposed, deviation),
                    noisy(random, 3_000.0, 10.0 * deviation),
                ]);
                [rates.rate_ratio(0.95), rates.rate_difference(0.95)]
            });
            assert!(got[0] >= 0.94, "{cases} {others} {deviation}: {got:?}");
            // Wald's interval of a difference of small counts has 93 % without any noise.
            assert!(got[1] >= 0.93, "{cases} {others} {deviation}: {got:?}");
        }
    }
}

/// Of 2,000 tests of what is true 5 % reject, and 0.5 % is a standard deviation of that.
#[test]
fn noise_does_not_make_groups_look_different() {
    let mut random = Random::new(40);
    for deviation in [0.0, 2.8, 14.0] {
        let mut rejected = 0;
        for _ in 0..RUNS {
            let (one, other) = (random.binomial(400.0, 0.2), random.binomial(300.0, 0.2));
            let cells = [one, 400.0 - one, other, 300.0 - other];
            let table = TwoByTwo::of_cells(cells.map(|cell| noisy(&mut random, cell, deviation)));
            rejected += i32::from(table.independence().p < 0.05);
        }
        assert!(f64::from(rejected) / f64::from(RUNS) <= 0.064, "{deviation}: {rejected}");
    }
}

fn noisy(random: &mut Random, count: f64, deviation: f64) -> Estimate {
    let noise_variance = deviation * deviation;
    Estimate { noise_variance, ..Estimate::exact(count + deviation * random.normal()) }
}

const RUNS: u16 = 2_000;

/// With no case among the exposed there is no lower bound, and with none among others no upper one.
#[test]
fn a_count_of_nothing_bounds_a_ratio_on_one_side_only() {
    let table = |counts: [f64; 4]| TwoByTwo::of_totals(counts.map(Estimate::exact));
    let none = table([0.0, 100.0, 10.0, 100.0]).risk_ratio(0.95);
    let ends = none.interval.unwrap();
    assert_eq!((none.value, ends.lower), (0.0, 0.0));
    assert!(ends.upper > 0.0 && ends.upper.is_finite());
    let others = table([10.0, 100.0, 0.0, 100.0]).risk_ratio(0.95).interval.unwrap();
    assert!(others.lower > 0.0 && others.upper == f64::INFINITY);
}
