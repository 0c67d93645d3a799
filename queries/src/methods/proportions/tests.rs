//! Proportions: published intervals, noise on both sides, and how often intervals cover.

use super::{ProportionLimits, proportion};
use crate::estimate::{Estimate, Interval};
use crate::methods::expected::{close, rows};
use crate::methods::simulation::{Random, noise_deviation};
use std::sync::Arc;

fn limits(x: f64, n: f64, limits: ProportionLimits, level: f64) -> Option<Interval> {
    proportion(&Estimate::exact(x), &Estimate::exact(n), limits, level).interval
}

/// R package epitools: `binom.exact`, `binom.wilson`, `binom.approx`; 27 rows. Its Wilson limits
/// of 0 and 1 are off by rounding.
#[test]
fn intervals_of_proportions_are_those_of_epitools() {
    let Some(rows) = rows("expected/r/epitools_binomial_ci.csv") else { return };
    for row in rows {
        let (x, n, level) = (row.number("x"), row.number("n"), row.number("conf"));
        for (kind, name) in [
            (ProportionLimits::Exact, "exact"),
            (ProportionLimits::Wilson, "wilson"),
            (ProportionLimits::Wald, "wald"),
        ] {
            let interval = limits(x, n, kind, level).unwrap();
            for (got, end) in [(interval.lower, "lo"), (interval.upper, "hi")] {
                let expected = row.number(&format!("{name}_{end}"));
                assert!((got - expected).abs() <= 1e-12, "{x}/{n} {name}: {got} {expected}");
            }
        }
    }
}

/// R package PHEindicatormethods, `phe_proportion` and `wilson_lower`, `wilson_upper`.
#[test]
fn proportions_are_those_of_english_public_health() {
    let Some(areas) = rows("expected/phe/Proportion__testdata_Prop.csv") else { return };
    let Some(grouped) = rows("expected/phe/Proportion__testdata_Prop_g.csv") else { return };
    let by_area = areas.iter().flat_map(|row| {
        [(row, 0.95, "lower95_0cl", "upper95_0cl"), (row, 0.998, "lower99_8cl", "upper99_8cl")]
    });
    let by_group = grouped.iter().map(|row| (row, 0.95, "lowercl", "uppercl"));
    let mut compared = 0;
    for (row, level, lower, upper) in by_area.chain(by_group) {
        let part = Estimate::exact(row.number("Numerator"));
        let whole = Estimate::exact(row.number("Denominator"));
        let share = proportion(&part, &whole, ProportionLimits::Wilson, level);
        let share = share.times(row.number("multiplier"));
        close(share.value, row.number("value"), 1e-13);
        match share.interval {
            Some(interval) => {
                close(interval.lower, row.number(lower), 1e-12);
                close(interval.upper, row.number(upper), 1e-12);
                compared += 1;
            }
            None => assert!(row.number(lower).is_nan()),
        }
    }
    assert_eq!(compared, 2 * 16 + 8);
}

/// R package PHEindicatormethods, test data of Wilson's method, at 95 % and 99.8 %.
#[test]
fn wilsons_limits_are_those_of_english_public_health() {
    let Some(rows) = rows("expected/phe/Byars_Wilson__testdata_B_W.csv") else { return };
    for row in rows.iter().filter(|row| row.text("method") == "Wilson") {
        let level = row.text("confidence").trim_end_matches('%').parse::<f64>().unwrap() / 100.0;
        let (x, n) = (row.number("x"), row.number("n"));
        let interval = limits(x, n, ProportionLimits::Wilson, level).unwrap();
        close(interval.lower, row.number("lowercl"), 1e-13);
        close(interval.upper, row.number("uppercl"), 1e-13);
    }
}

#[test]
fn a_noisy_part_outside_of_the_whole_keeps_its_value_and_has_an_interval_inside() {
    let receipt = Arc::from("a");
    let share = |x: f64| {
        let part = Estimate::released(x, 25.0, &receipt);
        proportion(&part, &Estimate::exact(50.0), ProportionLimits::Exact, 0.95)
    };
    let (below, none, above) = (share(-8.0), share(0.0), share(60.0));
    assert_eq!((below.value, above.value), (-0.16, 1.2));
    assert_eq!(below.interval, none.interval);
    assert_eq!(above.interval.unwrap().upper, 1.0);
    assert!(above.interval.unwrap().lower > 0.7);
    assert_eq!(below.method, "proportion (Wilson with noise)");
}

#[test]
fn without_noise_a_part_outside_of_the_whole_is_a_mistake() {
    for (x, n) in [(-1.0, 10.0), (11.0, 10.0), (1.0, 0.0), (f64::NAN, 10.0)] {
        let share =
            proportion(&Estimate::exact(x), &Estimate::exact(n), ProportionLimits::Wilson, 0.95);
        assert!(share.value.is_nan() && share.interval.is_none(), "{x} of {n}");
    }
}

/// Part and whole both noisy; whoever ignores the noise covers far less.
#[test]
fn intervals_of_noisy_proportions_cover() {
    let receipt = Arc::from("a");
    let mut lost: f64 = 1.0;
    for (epsilon, size, truth) in
        [(0.1, 200, 0.1), (0.1, 1_000, 0.05), (0.5, 100, 0.2), (1.0, 60, 0.5), (1.0, 200, 0.03)]
    {
        let deviation = noise_deviation(epsilon);
        let mut random = Random::new(5);
        let (mut naive, mut aware) = (0.0, 0.0);
        for _ in 0..2_000 {
            let part = random.binomial(size, truth) + random.noise(deviation);
            let whole = f64::from(size) + random.noise(deviation);
            let covers = |variance: f64, part: f64| {
                let part = Estimate::released(part, variance, &receipt);
                let whole = Estimate::released(whole, variance, &receipt);
                proportion(&part, &whole, ProportionLimits::Wilson, 0.95)
                    .interval
                    .is_some_and(|ends| ends.lower <= truth && truth <= ends.upper)
            };
            naive += f64::from(u8::from(covers(0.0, part.clamp(0.0, whole)))) / 2_000.0;
            aware += f64::from(u8::from(covers(deviation.powi(2), part))) / 2_000.0;
        }
        lost = lost.min(naive);
        assert!(aware >= 0.94, "epsilon {epsilon}, {truth} of {size}: {aware}");
    }
    assert!(lost < 0.6, "{lost}");
}
