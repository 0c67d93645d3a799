//! Whether groups survive alike.

use super::FollowUp;
use crate::estimate::{Estimate, Interval};
use crate::methods::hypothesis::Test;
use crate::methods::propagation::{exponential, two_sided};

/// A log-rank test and what it compares.
#[derive(Clone, Debug)]
pub struct LogRank {
    /// Chi-square, one degree of freedom less than groups; noise is in its variance.
    pub test: Test,
    /// In the order given.
    pub groups: Vec<Group>,
}

/// Events of one group, each with the weight of its time.
#[derive(Clone, Debug)]
pub struct Group {
    /// What was observed.
    pub observed: Estimate,
    /// What was to be expected if all groups had one survival. Its noise is that of the
    /// difference, observed less expected.
    pub expected: Estimate,
}

/// The log-rank test, with weights that are the power `rho` of survival up to each time: 0 for
/// the plain test, 1 for that of Peto and Peto, which looks at early events.
///
/// Intervals of the groups are matched by their times. Times count as far as more are at risk
/// than noise alone may have made.
///
/// # Source
///
/// Harrington and Fleming, Biometrika 69 (1982) 553; Kalbfleisch and Prentice, The Statistical
/// Analysis of Failure Time Data (2002), 1.5; R, `survdiff`.
pub fn log_rank(groups: &[FollowUp], rho: f64) -> LogRank {
    let table = Table::new(groups, rho);
    let (differences, variance, noise) = (table.differences(), table.variance(), table.noise());
    // The last difference is what the others leave.
    let size = groups.len().saturating_sub(1);
    let sum = |row: usize, column: usize| variance[row][column] + noise[row][column];
    let matrix = (0..size).map(|row| (0..size).map(|column| sum(row, column)).collect());
    let (statistic, rank) = quadratic(matrix.collect(), differences[..size].to_vec());
    let statistic = if rank == 0 { f64::NAN } else { statistic };
    let cells = || cells(groups);
    let test = Test::chi_square(cells(), "log-rank test", statistic, rank as f64);
    let row = |group: usize| {
        let observed = table.observed(group);
        let weights = table.weights.iter().zip(&table.event_noise[group]);
        let noise_of_observed = weights.map(|(weight, noise)| weight * weight * noise).sum();
        Group {
            observed: Estimate::of(cells(), "observed", observed, noise_of_observed, None),
            expected: Estimate::of(
                cells(),
                "expected",
                observed - differences[group],
                noise[group][group],
                None,
            ),
        }
    };
    LogRank { test, groups: (0..groups.len()).map(row).collect() }
}

/// The ratio of the hazard of the first group to that of the second, by one step from equality.
///
/// Good near 1; biased towards 1 where hazards are more than about three times apart.
///
/// # Source
///
/// Yusuf, Peto, Lewis, Collins and Sleight, Progress in Cardiovascular Diseases 27 (1985) 335:
/// exp((O - E) / V), with variance 1/V of its logarithm.
pub fn hazard_ratio(first: &FollowUp, second: &FollowUp, level: f64) -> Estimate {
    let groups = [first.clone(), second.clone()];
    let table = Table::new(&groups, 0.0);
    let variance = table.variance()[0][0];
    let log = table.differences()[0] / variance;
    let noise = table.noise()[0][0] / (variance * variance);
    let half = two_sided(level) * (1.0 / variance + noise).sqrt();
    let interval = exponential(Interval { lower: log - half, upper: log + half });
    let value = log.exp();
    let noise = value * value * noise;
    Estimate::of(cells(&groups), "hazard ratio (Peto)", value, noise, Some(interval))
}

/// The numbers of groups, side by side at the times of all of them.
struct Table {
    /// By group, then by time.
    events: Vec<Vec<f64>>,
    event_noise: Vec<Vec<f64>>,
    censored_noise: Vec<Vec<f64>>,
    at_risk: Vec<Vec<f64>>,
    /// Of all groups, by time.
    all_events: Vec<f64>,
    all_at_risk: Vec<f64>,
    weights: Vec<f64>,
    /// How many times count.
    known: usize,
}

impl Table {
    fn new(groups: &[FollowUp], rho: f64) -> Self {
        let of_all = groups.iter().flat_map(FollowUp::intervals);
        let mut times: Vec<f64> = of_all.map(|interval| interval.time).collect();
        times.sort_by(f64::total_cmp);
        times.dedup();
        let zeros = || vec![vec![0.0; times.len()]; groups.len()];
        let (mut events, mut event_noise, mut censored_noise) = (zeros(), zeros(), zeros());
        let (mut at_risk, mut at_risk_noise) = (zeros(), vec![0.0; times.len()]);
        for (group, follow_up) in groups.iter().enumerate() {
            for interval in follow_up.intervals() {
                let at = times.partition_point(|time| *time < interval.time);
                events[group][at] = interval.events.value;
                event_noise[group][at] = interval.events.noise_variance;
                censored_noise[group][at] = interval.censored.noise_variance;
                at_risk[group][at] = interval.events.value + interval.censored.value;
                at_risk_noise[at] +=
                    interval.events.noise_variance + interval.censored.noise_variance;
            }
        }
        for sums in at_risk.iter_mut().chain(std::iter::once(&mut at_risk_noise)) {
            for at in (1..sums.len()).rev() {
                sums[at - 1] += sums[at];
            }
        }
        let across = |rows: &[Vec<f64>]| -> Vec<f64> {
            (0..times.len()).map(|at| rows.iter().map(|row| row[at]).sum()).collect()
        };
        let (all_events, all_at_risk) = (across(&events), across(&at_risk));
        let known = all_at_risk
            .iter()
            .zip(&at_risk_noise)
            .take_while(|(count, noise)| **count > 2.0 * noise.sqrt())
            .count();
        let mut survival: f64 = 1.0;
        let mut weight = |at: usize| {
            let before = survival;
            survival *= (1.0 - all_events[at] / all_at_risk[at]).clamp(0.0, 1.0);
            before.powf(rho)
        };
        let weights = (0..known).map(&mut weight).collect();
        Self {
            events,
            event_noise,
            censored_noise,
            at_risk,
            all_events,
            all_at_risk,
            weights,
            known,
        }
    }

    /// The share of those at risk that is of this group.
    fn share(&self, group: usize, at: usize) -> f64 {
        self.at_risk[group][at] / self.all_at_risk[at]
    }

    fn observed(&self, group: usize) -> f64 {
        (0..self.known).map(|at| self.weights[at] * self.events[group][at]).sum()
    }

    /// Observed less expected events of each group.
    fn differences(&self) -> Vec<f64> {
        let difference = |group: usize| -> f64 {
            let at = |at: usize| {
                let expected = self.share(group, at) * self.all_events[at];
                self.weights[at] * (self.events[group][at] - expected)
            };
            (0..self.known).map(at).sum()
        };
        (0..self.events.len()).map(difference).collect()
    }

    /// Their covariances by sampling, by the hypergeometric law at each time.
    fn variance(&self) -> Vec<Vec<f64>> {
        let groups = self.events.len();
        let mut variance = vec![vec![0.0; groups]; groups];
        for at in 0..self.known {
            let (events, at_risk) = (self.all_events[at], self.all_at_risk[at]);
            if at_risk <= 1.0 {
                continue;
            }
            let weight = self.weights[at] * self.weights[at];
            let factor = weight * events * (at_risk - events) / (at_risk - 1.0);
            for (row, cells) in variance.iter_mut().enumerate() {
                for (column, cell) in cells.iter_mut().enumerate() {
                    let same = f64::from(u8::from(row == column));
                    *cell += factor * self.share(row, at) * (same - self.share(column, at));
                }
            }
        }
        // Negative counts may take it below 0.
        for (group, cells) in variance.iter_mut().enumerate() {
            cells[group] = cells[group].max(0.0);
        }
        variance
    }

    /// Their covariances by noise: each cell is followed to each difference.
    fn noise(&self) -> Vec<Vec<f64>> {
        let groups = self.events.len();
        let mut noise = vec![vec![0.0; groups]; groups];
        for source in 0..groups {
            // How much less each difference gets from one more at risk in the source so far.
            let mut slopes = vec![0.0; groups];
            for at in 0..self.event_noise[source].len() {
                let mut event_slopes = vec![0.0; groups];
                if at < self.known {
                    let hazard = self.all_events[at] / self.all_at_risk[at];
                    for (group, slope) in slopes.iter_mut().enumerate() {
                        let same = f64::from(u8::from(group == source));
                        event_slopes[group] = self.weights[at] * (same - self.share(group, at));
                        *slope -= event_slopes[group] * hazard;
                    }
                }
                let of_censored = self.censored_noise[source][at];
                let of_events = self.event_noise[source][at];
                for (row, cells) in noise.iter_mut().enumerate() {
                    for (column, cell) in cells.iter_mut().enumerate() {
                        let both = |of: &dyn Fn(usize) -> f64| of(row) * of(column);
                        *cell += of_censored * both(&|group| slopes[group])
                            + of_events * both(&|group| event_slopes[group] + slopes[group]);
                    }
                }
            }
        }
        noise
    }
}

/// x' M^-1 x for a covariance matrix M, and its rank: directions without variance are left out.
fn quadratic(mut matrix: Vec<Vec<f64>>, mut vector: Vec<f64>) -> (f64, usize) {
    let size = vector.len();
    let scale = (0..size).map(|at| matrix[at][at]).fold(0.0, f64::max);
    let (mut sum, mut rank) = (0.0, 0);
    for at in 0..size {
        let pivot = matrix[at][at];
        if pivot <= 1e-12 * scale {
            continue;
        }
        sum += vector[at] * vector[at] / pivot;
        rank += 1;
        let row = matrix[at].clone();
        for other in at + 1..size {
            let factor = row[other] / pivot;
            vector[other] -= factor * vector[at];
            for (cell, above) in matrix[other].iter_mut().zip(&row) {
                *cell -= factor * above;
            }
        }
    }
    (sum, rank)
}

fn cells(groups: &[FollowUp]) -> impl Iterator<Item = &Estimate> {
    let intervals = groups.iter().flat_map(FollowUp::intervals);
    intervals.flat_map(|interval| [&interval.events, &interval.censored])
}
