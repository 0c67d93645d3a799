//! Funnels: published limits and positions, and that noise makes no outliers.

use super::{Position, axis, proportion_limits, proportion_position, ratio_limits, ratio_position};
use crate::estimate::Estimate;
use crate::methods::counts::Noise;
use crate::methods::expected::{Row, close, rows};
use crate::methods::simulation::{Random, noise_deviation};
use std::sync::Arc;

fn sum(rows: &[Row], column: &str) -> f64 {
    rows.iter().map(|row| row.number(column)).sum()
}

/// R package PHEindicatormethods, `phe_funnels`: 100 points for all areas, and 100 for those
/// below 31,000, in percent.
#[test]
fn limits_and_axis_are_those_of_english_public_health() {
    let Some(areas) = rows("expected/phe/testdata_funnel_prop_inputs.csv") else { return };
    let small: Vec<&Row> =
        areas.iter().filter(|row| row.number("denominator") < 31_000.0).collect();
    let all: Vec<&Row> = areas.iter().collect();
    for (file, areas) in [("outputs", all), ("outputs_with_axis_variation", small)] {
        let path = format!("expected/phe/testdata_funnel_prop_{file}.csv");
        let Some(points) = rows(&path) else { return };
        let total = |column: &str| areas.iter().map(|row| row.number(column)).sum::<f64>();
        let baseline = total("numerator") / total("denominator");
        let sizes = axis(areas.iter().map(|row| row.number("denominator")));
        assert_eq!((sizes.len(), points.len()), (100, 100));
        for (size, row) in sizes.into_iter().zip(points) {
            close(size, row.number("Population"), 0.0);
            close(100.0 * baseline, row.number("Baseline"), 1e-8);
            for (level, name) in [(0.95, "2s0025limit"), (0.998, "3s0001limit")] {
                let limits = proportion_limits(baseline, size, Noise::default(), level);
                let end = |side: &str| row.number(&format!("{side}{name}"));
                assert!((100.0 * limits.lower - end("Lower")).abs() < 1e-6, "{size}");
                assert!((100.0 * limits.upper - end("Upper")).abs() < 1e-6, "{size}");
            }
        }
    }
}

/// R package PHEindicatormethods, `phe_funnel_significance`: 303 areas.
#[test]
fn areas_are_where_english_public_health_finds_them() {
    let Some(areas) = rows("expected/phe/testdata_funnel_prop_inputs.csv") else { return };
    assert_eq!(areas.len(), 303);
    let baseline = sum(&areas, "numerator") / sum(&areas, "denominator");
    for row in &areas {
        let part = Estimate::exact(row.number("numerator"));
        let whole = Estimate::exact(row.number("denominator"));
        let expected = match row.text("significance") {
            "Low (0.001)" => Position::FarBelow,
            "Low (0.025)" => Position::Below,
            "Not significant" => Position::Within,
            "High (0.025)" => Position::Above,
            "High (0.001)" => Position::FarAbove,
            other => panic!("{other}"),
        };
        assert_eq!(proportion_position(&part, &whole, baseline), Some(expected));
    }
}

/// R package PHEindicatormethods, `testdata_funnel_ratio_outputs.csv`: expected events at which
/// so many observed are on a limit. The file's own search ends after six digits.
#[test]
fn limits_of_ratios_are_those_of_english_public_health() {
    for (events, level, at_lower, at_upper) in [
        (1.0, 0.95, 5.571644585, 0.025317898),
        (10.0, 0.95, 18.39035799, 4.795387629),
        (10.0, 0.998, 24.13397235, 2.960519925),
        (70.0, 0.95, 88.44079461, 54.5684461),
        (716.0, 0.95, 770.4222128, 664.5083011),
        (716.0, 0.998, 802.60414, 636.1521174),
    ] {
        let limits = |expected| ratio_limits(expected, Noise::default(), level);
        close(limits(at_lower).lower, events / at_lower, 2e-6);
        close(limits(at_upper).upper, events / at_upper, 2e-6);
    }
    assert_eq!(ratio_limits(3.0, Noise::default(), 0.95).lower, 0.0);
}

#[test]
fn noise_moves_the_limits_apart_and_an_area_in() {
    let receipt = Arc::from("a");
    let position = |variance: f64| {
        let observed = Estimate::released(140.0, variance, &receipt);
        ratio_position(&observed, &Estimate::exact(100.0))
    };
    assert_eq!(position(0.0), Some(Position::FarAbove));
    assert_eq!(position(100.0), Some(Position::Above));
    assert_eq!(position(400.0), Some(Position::Within));
    let nobody = Estimate::exact(0.0);
    assert_eq!(ratio_position(&nobody, &nobody), None);
    assert_eq!(proportion_position(&nobody, &nobody, 0.5), None);
    assert!(axis([]).is_empty());
}

/// Of areas that are as all others, about one in twenty lies beyond the limits of 95 %: with
/// noise too, where limits that ignore it would make outliers of half of them.
#[test]
fn noise_makes_no_outliers() {
    let deviation = noise_deviation(0.1);
    let mut random = Random::new(17);
    let limits = [0.0, deviation.powi(2)].map(|variance| {
        let noise = Noise { variance, relative_variance: 0.0 };
        [proportion_limits(0.2, 300.0, noise, 0.95), ratio_limits(40.0, noise, 0.95)]
    });
    let mut outside = [[0.0; 2]; 2];
    for _ in 0..2_000 {
        let share = (random.binomial(300, 0.2) + random.noise(deviation)) / 300.0;
        let ratio = (random.poisson(40.0) + random.noise(deviation)) / 40.0;
        for (limits, outside) in limits.iter().zip(&mut outside) {
            for (value, (limits, outside)) in [share, ratio].iter().zip(limits.iter().zip(outside))
            {
                let within = limits.lower <= *value && *value <= limits.upper;
                *outside += f64::from(u8::from(!within)) / 2_000.0;
            }
        }
    }
    let [naive, aware] = outside;
    assert!(naive.iter().all(|share| *share > 0.3), "{naive:?}");
    assert!(aware.iter().all(|share| *share <= 0.06 && *share > 0.03), "{aware:?}");
}
