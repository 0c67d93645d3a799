//! Tests of quantiles against R, and of their intervals under noise.

use std::collections::BTreeMap;
use std::process::Command;

use super::{Bin, Counted, QuantileType, binned_quantile, quantile};
use crate::estimate::{Estimate, Interval};
use crate::methods::expected::rows;
use crate::methods::simulation::{Random, noise_deviation};
use crate::shared::shared;

const TYPES: [QuantileType; 9] = [
    QuantileType::Inverse,
    QuantileType::Averaged,
    QuantileType::Nearest,
    QuantileType::Linear,
    QuantileType::Hazen,
    QuantileType::Weibull,
    QuantileType::Mode,
    QuantileType::MedianUnbiased,
    QuantileType::NormalUnbiased,
];

/// The columns of NHANES 2009 to 2012, as values with their counts.
fn nhanes() -> Option<(Vec<String>, Vec<Vec<Counted>>)> {
    let path = shared("data/nhanes/NHANESraw.csv.gz")?;
    let Ok(output) = Command::new("gzip").arg("-dc").arg(path).output() else {
        eprintln!("skipped: there is no gzip");
        return None;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    let unquoted = |field: &str| field.trim_matches('"').to_owned();
    let names: Vec<String> = lines.next()?.split(',').map(unquoted).collect();
    let mut columns = vec![BTreeMap::<u64, f64>::new(); names.len()];
    for line in lines {
        for (column, field) in columns.iter_mut().zip(line.split(',')) {
            if let Ok(value) = field.parse::<f64>() {
                *column.entry(value.to_bits()).or_default() += 1.0;
            }
        }
    }
    let counted = |(bits, count): (u64, f64)| Counted {
        value: f64::from_bits(bits),
        count: Estimate::exact(count),
    };
    let columns = columns.into_iter().map(|column| column.into_iter().map(counted).collect());
    Some((names, columns.collect()))
}

/// R's `quantile` of six columns, all 432 rows of `nhanes_quantiles_types.csv`.
#[test]
fn quantiles_of_all_types_are_those_of_r() {
    let Some(rows) = rows("expected/r/nhanes_quantiles_types.csv") else { return };
    let Some((names, columns)) = nhanes() else { return };
    assert_eq!(rows.len(), 432);
    for row in rows {
        let column = names.iter().position(|name| name == row.text("var")).unwrap();
        let kind = TYPES[row.text("type").parse::<usize>().unwrap() - 1];
        let got = quantile(&columns[column], row.number("p"), kind, 0.95).value;
        assert!((got - row.number("q")).abs() <= 1e-9, "{row:?}: {got}");
    }
}

fn counted(counts: &[f64]) -> Vec<Counted> {
    let row = |(value, count): (u32, &f64)| Counted {
        value: f64::from(value),
        count: Estimate::exact(*count),
    };
    (1..).zip(counts).map(row).collect()
}

/// R: `quantile(1:10, c(0.25, 0.35), type = t)`; type 3 takes the even one of two as near.
#[test]
fn types_differ_between_order_statistics() {
    let values = counted(&[1.0; 10]);
    let expected = [
        [3.0, 4.0],
        [3.0, 4.0],
        [2.0, 4.0],
        [2.5, 3.5],
        [3.0, 4.0],
        [2.75, 3.85],
        [3.25, 4.15],
        [2.9166666666666665, 3.95],
        [2.9375, 3.9625],
    ];
    for (kind, expected) in TYPES.into_iter().zip(expected) {
        for (share, expected) in [0.25, 0.35].into_iter().zip(expected) {
            let got = quantile(&values, share, kind, 0.95).value;
            assert!((got - expected).abs() < 1e-12, "{kind:?} {share}: {got}");
        }
    }
}

/// Conover 1999, 3.2: the 41st to the 60th of 100, for 50 - 9.8 and 50 + 9.8 rounded up.
#[test]
fn the_interval_of_exact_values_is_of_order_statistics() {
    let median = quantile(&counted(&[1.0; 100]), 0.5, QuantileType::Mode, 0.95);
    assert_eq!(median.interval, Some(Interval { lower: 41.0, upper: 60.0 }));
    assert_eq!(median.noise_variance, 0.0);
}

#[test]
fn nobody_has_no_quantile_and_negative_counts_do_not_turn_the_order() {
    assert!(quantile(&[], 0.5, QuantileType::Mode, 0.95).value.is_nan());
    assert!(quantile(&counted(&[0.0, 0.0]), 0.5, QuantileType::Mode, 0.95).value.is_nan());
    assert!(binned_quantile(&[], 0.5, 0.95).value.is_nan());
    let mut values = counted(&[5.0, -3.0, 6.0, 4.0]);
    for value in &mut values {
        value.count.noise_variance = 4.0;
    }
    let quantiles = [0.1, 0.3, 0.5, 0.7, 0.9]
        .map(|share| quantile(&values, share, QuantileType::Inverse, 0.95).value);
    assert!(quantiles.is_sorted(), "{quantiles:?}");
}

/// 30 of 100 are below 10, and 80 below 20: half of them below 10 + 10 * 20 / 50.
#[test]
fn a_quantile_of_bins_lies_between_their_edges_in_proportion() {
    let bin =
        |lower: f64, upper: f64, count: f64| Bin { lower, upper, count: Estimate::exact(count) };
    let bins = [bin(0.0, 10.0, 30.0), bin(10.0, 20.0, 50.0), bin(20.0, 40.0, 20.0)];
    let median = binned_quantile(&bins, 0.5, 0.95);
    assert!((median.value - 14.0).abs() < 1e-12);
    // 9.8 persons to both sides are 1.96 units here.
    let Interval { lower, upper } = median.interval.unwrap();
    assert!((lower - (14.0 - 1.959963984540054)).abs() < 1e-9, "{lower}");
    assert!((upper - (14.0 + 1.959963984540054)).abs() < 1e-9, "{upper}");
    assert!((binned_quantile(&bins, 1.0, 0.95).value - 40.0).abs() < 1e-12);
    assert_eq!(binned_quantile(&bins, 0.0, 0.95).value, 0.0);
}

/// 40 values, or bins, of the law of the sum of two uniform numbers. Of 300 intervals 95 % cover
/// with a deviation of 1.3 %; those of values are wider, for they end at values.
#[test]
fn intervals_cover_under_noise() {
    let mut random = Random::new(3);
    let below = |x: f64| if x <= 1.0 { x * x / 2.0 } else { 1.0 - (2.0 - x) * (2.0 - x) / 2.0 };
    for (epsilon, persons) in [(0.1, 3_000.0), (0.5, 1_000.0), (1.0, 300.0)] {
        for share in [0.1, 0.5, 0.9] {
            let truth = if share <= 0.5 {
                f64::sqrt(2.0 * share)
            } else {
                2.0 - f64::sqrt(2.0 * (1.0 - share))
            };
            let (mut of_bins, mut of_values) = (0.0, 0.0);
            for _ in 0..300 {
                let noise_variance = noise_deviation(epsilon).powi(2);
                let mut bin = |at: u8| {
                    let [lower, upper] = [at, at + 1].map(|edge| 0.05 * f64::from(edge));
                    let count = random.poisson(persons * (below(upper) - below(lower)));
                    let value = count + random.laplace(epsilon);
                    let count = Estimate { noise_variance, ..Estimate::exact(value) };
                    Bin { lower, upper, count }
                };
                let bins: Vec<Bin> = (0..40).map(&mut bin).collect();
                let holds = |estimate: Estimate, truth: f64| {
                    let Interval { lower, upper } = estimate.interval.unwrap();
                    f64::from(u8::from(lower <= truth && truth <= upper))
                };
                of_bins += holds(binned_quantile(&bins, share, 0.95), truth);
                let value = |bin: &Bin| Counted { value: bin.upper, count: bin.count.clone() };
                let values: Vec<Counted> = bins.iter().map(value).collect();
                // The value of whoever is at the true quantile is the end of its bin.
                let at = bins.iter().find(|bin| bin.upper >= truth).unwrap().upper;
                of_values += holds(quantile(&values, share, QuantileType::Mode, 0.95), at);
            }
            let shares = [of_bins / 300.0, of_values / 300.0];
            assert!(shares[0] >= 0.93 && shares[1] >= 0.95, "{epsilon} {share}: {shares:?}");
        }
    }
}
