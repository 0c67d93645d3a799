//! Epidemic curves: counts by day or week, moving sums over days, incidence.
//!
//! Counts have Poisson variation and the noise of their release; intervals of one number are those
//! of [`crate::methods::counts`]. Weeks and their gaps are
//! [`crate::methods::weeks`]; what is expected without an epidemic, [`crate::methods::excess`].

use crate::estimate::{Estimate, Interval};
use crate::methods::counts::{Limits, mean};
use crate::methods::distribution::normal_quantile;
use crate::methods::rates::crude;

/// Each count with the interval of its mean: one estimate per period, in the order given. See
/// [`mean`].
pub fn curve(counts: &[Estimate], limits: Limits, level: f64) -> Vec<Estimate> {
    counts.iter().map(|count| mean(count, limits, level)).collect()
}

/// Sums over each `window` days in a row, with the interval of their mean: the first is of the
/// first `window` days, and there are `window − 1` fewer of them than days. None for a window of 0.
///
/// Two windows that overlap share the noise of the days in both: see
/// [`moving_noise_covariance`].
pub fn moving_sums(days: &[Estimate], window: usize, limits: Limits, level: f64) -> Vec<Estimate> {
    if window == 0 {
        return vec![];
    }
    let sums = days.windows(window).map(|within| Estimate::sum(within.iter()));
    sums.map(|sum| mean(&sum, limits, level)).collect()
}

/// The covariance of the noise of two of the [`moving_sums`], numbered from 0: the variances of
/// the days that are in both windows.
pub fn moving_noise_covariance(days: &[Estimate], window: usize, i: usize, j: usize) -> f64 {
    let end = i.min(j).saturating_add(window).min(days.len());
    let shared = days.get(i.max(j)..end).unwrap_or_default();
    shared.iter().map(|day| day.noise_variance).sum()
}

/// How much each of the [`moving_sums`] is above the one `lag` days before, with an interval by
/// the normal law: the first is of sum `lag`.
///
/// Days in both windows cancel, and neither their cases nor their noise is in the difference. The
/// variance of the others is max(count, 0) each, and their noise.
pub fn moving_changes(days: &[Estimate], window: usize, lag: usize, level: f64) -> Vec<Estimate> {
    let z = normal_quantile(f64::midpoint(1.0, level));
    let apart = lag.min(window);
    let count = (days.len() + 1).saturating_sub(window + lag);
    let change = |start: usize| {
        // Of the earlier window its first days are apart, of the later its last.
        let earlier = &days[start..start + apart];
        let end = start + lag + window;
        let later = &days[end - apart..end];
        let both = || earlier.iter().chain(later);
        let value = total(later) - total(earlier);
        let noise_variance = both().map(|day| day.noise_variance).sum::<f64>();
        let sampling: f64 = both().map(|day| day.value.max(0.0)).sum();
        let half = z * (sampling + noise_variance).sqrt();
        let interval = Interval { lower: value - half, upper: value + half };
        Estimate::of(both(), "change of moving sum", value, noise_variance, Some(interval))
    };
    (0..count).map(change).collect()
}

/// Cases of a window per 100,000 of a population, with the interval of a crude rate. See
/// [`crude`].
pub fn incidence_per_100_000(
    cases: &Estimate,
    population: &Estimate,
    limits: Limits,
    level: f64,
) -> Estimate {
    crude(cases, population, limits, level).times(100_000.0)
}

fn total(days: &[Estimate]) -> f64 {
    days.iter().map(|day| day.value).sum()
}

#[cfg(test)]
mod tests {
    use super::{
        curve, incidence_per_100_000, moving_changes, moving_noise_covariance, moving_sums,
    };
    use crate::estimate::Estimate;
    use crate::methods::counts::Limits;
    use crate::methods::simulation::Random;
    use crate::shared::shared;
    use std::sync::Arc;

    fn noisy(values: &[f64], noise_variance: f64) -> Vec<Estimate> {
        let receipt = Arc::from("r");
        let released = |&value| Estimate::released(value, noise_variance, &receipt);
        values.iter().map(released).collect()
    }

    /// Robert Koch-Institut, COVID-19_7-Tage-Inzidenz_in_Deutschland@7958b68b (CC BY 4.0).
    #[test]
    fn every_published_incidence_of_the_rki_is_reproduced() {
        let Some(path) = shared("data/covid_timeseries/rki_germany_7day_incidence_by_age.csv")
        else {
            return;
        };
        let text = std::fs::read_to_string(path).unwrap();
        let mut rows = 0;
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            let cases = Estimate::exact(fields[5].parse().unwrap());
            let population = Estimate::exact(fields[2].parse().unwrap());
            let incidence = incidence_per_100_000(&cases, &population, Limits::Byar, 0.95);
            let interval = incidence.interval.unwrap();
            assert!(interval.lower <= incidence.value && incidence.value < interval.upper);
            let published: f64 = fields[6].parse().unwrap();
            let rounded: f64 = format!("{:.1}", incidence.value).parse().unwrap();
            assert_eq!(rounded, published, "{line}");
            rows += 1;
        }
        assert_eq!(rows, 16_968);
    }

    /// The same file: daily new cases of all ages, added up over seven days, are its column of
    /// cases of seven days.
    #[test]
    fn moving_sums_of_the_daily_cases_of_the_rki_are_its_cases_of_seven_days() {
        let Some(path) = shared("data/covid_timeseries/rki_germany_7day_incidence_by_age.csv")
        else {
            return;
        };
        let text = std::fs::read_to_string(path).unwrap();
        let all_ages = text.lines().filter(|line| line.contains(",00+,"));
        let field =
            |line: &str, at: usize| -> f64 { line.split(',').nth(at).unwrap().parse().unwrap() };
        let (daily, weekly): (Vec<f64>, Vec<f64>) =
            all_ages.map(|line| (field(line, 4), field(line, 5))).unzip();
        let sums = moving_sums(&noisy(&daily, 0.0), 7, Limits::Byar, 0.95);
        assert_eq!(sums.len(), weekly.len() - 6);
        assert!(sums.iter().zip(&weekly[6..]).all(|(sum, published)| sum.value == *published));
    }

    #[test]
    fn noise_of_overlapping_sums_is_that_of_the_days_in_both() {
        let days = noisy(&[1.0, 2.0, 3.0, 4.0, 5.0], 2.0);
        assert_eq!(moving_noise_covariance(&days, 3, 0, 0), 6.0);
        assert_eq!(moving_noise_covariance(&days, 3, 2, 1), 4.0);
        assert_eq!(moving_noise_covariance(&days, 3, 0, 2), 2.0);
        assert_eq!(moving_noise_covariance(&days, 2, 0, 3), 0.0);
        let sums = moving_sums(&days, 3, Limits::Exact, 0.95);
        assert_eq!(sums.iter().map(|sum| sum.value).collect::<Vec<_>>(), [6.0, 9.0, 12.0]);
        assert!(sums.iter().all(|sum| sum.noise_variance == 6.0));
        assert!(
            moving_sums(&days, 6, Limits::Exact, 0.95).is_empty()
                && moving_sums(&days, 0, Limits::Exact, 0.95).is_empty()
        );
    }

    #[test]
    fn a_change_has_the_noise_of_the_days_that_do_not_cancel() {
        let days = noisy(&[1.0, 2.0, 3.0, 4.0, 5.0], 2.0);
        let changes = moving_changes(&days, 3, 1, 0.95);
        assert_eq!(changes.iter().map(|c| c.value).collect::<Vec<_>>(), [3.0, 3.0]);
        for (at, change) in changes.iter().enumerate() {
            let covariance = moving_noise_covariance(&days, 3, at, at + 1);
            assert_eq!(change.noise_variance, 6.0 + 6.0 - 2.0 * covariance);
        }
        let apart = moving_changes(&days, 2, 3, 0.95);
        assert_eq!(apart.iter().map(|c| c.value).collect::<Vec<_>>(), [6.0]);
        assert_eq!(apart[0].noise_variance, 8.0);
        // Four days of 1 + 2 + 4 + 5 cases and 8 of noise.
        let half = 1.959963984540054 * 20.0_f64.sqrt();
        assert!((apart[0].interval.unwrap().upper - 6.0 - half).abs() < 1e-12);
        assert!(moving_changes(&days, 4, 2, 0.95).is_empty());
    }

    #[test]
    fn changes_of_overlapping_sums_cover_with_noise() {
        let mut random = Random::new(14);
        let receipt = Arc::from("r");
        let mut covered = 0;
        for deviation in [0.0, 1.4, 2.8, 14.0] {
            for _ in 0..1_000 {
                let days: Vec<Estimate> = (0..10_u32)
                    .map(|day| {
                        let seen = random.poisson(20.0 + f64::from(day));
                        let value = seen + deviation * random.normal();
                        Estimate::released(value, deviation * deviation, &receipt)
                    })
                    .collect();
                // Days 7 to 9 with means of 84, less days 0 to 2 with means of 63.
                let change = moving_changes(&days, 7, 3, 0.95).remove(0);
                let interval = change.interval.unwrap();
                covered += u32::from(interval.lower <= 21.0 && 21.0 <= interval.upper);
            }
        }
        // 94 % of 4,000.
        assert!(covered >= 3_760, "{covered}");
    }

    #[test]
    fn a_curve_keeps_negative_counts_and_their_receipts() {
        let curve = curve(&noisy(&[-4.0, 12.0], 9.0), Limits::Exact, 0.95);
        assert_eq!(curve[0].value, -4.0);
        assert_eq!(curve[0].interval.unwrap().lower, 0.0);
        assert!(curve[1].receipts.contains("r") && curve[1].method == "count (exact with noise)");
        let incidence =
            incidence_per_100_000(&curve[1], &Estimate::exact(50_000.0), Limits::Exact, 0.95);
        assert_eq!((incidence.value, incidence.noise_variance), (24.0, 36.0));
        let (cases, rate) = (curve[1].interval.unwrap(), incidence.interval.unwrap());
        assert!((rate.upper - 2.0 * cases.upper).abs() < 1e-9);
    }
}
