//! Quantiles from released histograms: of values with their counts, and of bins.
//!
//! Point estimates are of the histogram made consistent, for a quantile needs counts that are not
//! negative. Intervals are of the counts as released: all values of which the count of persons up
//! to there, less the share that is asked for, is no further from 0 than sampling and noise take
//! it. So they are right for counts of any noise, and as wide as the histogram where little is
//! known.

use super::consistency::consistent;
use super::propagation::two_sided;
use crate::estimate::{Estimate, Interval};

/// Which of R's nine definitions of a quantile, by Hyndman and Fan.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum QuantileType {
    /// 1: the inverse of the distribution function.
    Inverse,
    /// 2: the same, with the average where it jumps.
    Averaged,
    /// 3: the nearest order statistic, an even one where two are as near; SAS's default.
    Nearest,
    /// 4: linear between points of the distribution function.
    Linear,
    /// 5: linear between the middles of its steps.
    Hazen,
    /// 6: linear between means of order statistics; SPSS's and Minitab's.
    Weibull,
    /// 7: linear between modes of order statistics; the default of R, NumPy and Excel.
    Mode,
    /// 8: linear between medians of order statistics; what Hyndman and Fan recommend.
    MedianUnbiased,
    /// 9: linear between means of normal order statistics.
    NormalUnbiased,
}

/// A value and how many persons have it.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The value.
    pub value: f64,
    /// Persons with it.
    pub count: Estimate,
}

/// A bin of a histogram.
#[derive(Clone, Debug)]
pub struct Bin {
    /// Where it starts.
    pub lower: f64,
    /// Where it ends; where the next one starts.
    pub upper: f64,
    /// Persons in it.
    pub count: Estimate,
}

/// The quantile at `share` in [0, 1] of values with their counts, each value once, in any order.
///
/// NaN without persons. With exact counts it is R's; its interval is then of the order statistics
/// around it, by the normal approximation.
///
/// # Source
///
/// Hyndman and Fan, The American Statistician 50 (1996) 361; R, `quantile`. Interval: Conover,
/// Practical Nonparametric Statistics (1999), 3.2, and Woodruff, Journal of the American
/// Statistical Association 47 (1952) 635.
pub fn quantile(values: &[Counted], share: f64, kind: QuantileType, level: f64) -> Estimate {
    let mut sorted: Vec<&Counted> = values.iter().collect();
    sorted.sort_by(|one, other| one.value.total_cmp(&other.value));
    let counts: Vec<&Estimate> = sorted.iter().map(|counted| &counted.count).collect();
    let cumulative = Cumulative::new(&counts, share);
    let order = |rank: f64| {
        let at = cumulative.consistent.partition_point(|count| *count < rank - 0.5);
        sorted[at.min(sorted.len() - 1)].value
    };
    let persons = cumulative.persons();
    let value = if persons >= 0.5 {
        let (rank, part) = kind.position(share, persons);
        let [low, high] = [rank, rank + 1.0].map(|rank| order(rank.clamp(1.0, persons)));
        if part == 0.0 { low } else { low + part * (high - low) }
    } else {
        f64::NAN
    };
    let limits = |sampling: f64, z: f64| {
        let places = cumulative.steps(sampling, z);
        let at = |place: usize| sorted[place.min(sorted.len() - 1)].value;
        Interval { lower: at(places[0]), upper: at(places[1]) }
    };
    cumulative.estimate(&counts, "quantile", value, limits, level)
}

/// The quantile at `share` in [0, 1] of a histogram whose bins are in order and leave no gap;
/// persons are spread evenly over each bin. NaN without persons.
///
/// # Source
///
/// Interpolation: Hyndman and Fan 1996, type 4 on edges. Interval: Woodruff 1952.
pub fn binned_quantile(bins: &[Bin], share: f64, level: f64) -> Estimate {
    let counts: Vec<&Estimate> = bins.iter().map(|bin| &bin.count).collect();
    let cumulative = Cumulative::new(&counts, share);
    let edges: Vec<f64> = bins
        .first()
        .map(|bin| bin.lower)
        .into_iter()
        .chain(bins.iter().map(|bin| bin.upper))
        .collect();
    let persons = cumulative.persons();
    let below = |edge: usize| edge.checked_sub(1).map_or(0.0, |bin| cumulative.consistent[bin]);
    let value = if persons >= 0.5 {
        let distances = (0..edges.len()).map(|edge| below(edge) - share * persons);
        first_root(&edges, &distances.collect::<Vec<_>>())
    } else {
        f64::NAN
    };
    let limits = |sampling: f64, z: f64| {
        let along = |sign: f64| -> Vec<f64> {
            let distance =
                |edge| cumulative.distance(edge) + sign * z * cumulative.deviation(edge, sampling);
            (0..edges.len()).map(distance).collect()
        };
        // The last root is the first one seen from the other end.
        let reversed: Vec<f64> = edges.iter().rev().copied().collect();
        let from_end: Vec<f64> = along(-1.0).into_iter().rev().map(|x| -x).collect();
        Interval { lower: first_root(&edges, &along(1.0)), upper: first_root(&reversed, &from_end) }
    };
    cumulative.estimate(&counts, "quantile of a histogram", value, limits, level)
}

/// Where a function that is linear between edges is first not below 0; the last edge if never.
fn first_root(edges: &[f64], distances: &[f64]) -> f64 {
    let Some(at) = distances.iter().position(|distance| *distance >= 0.0) else {
        return edges.last().copied().unwrap_or(f64::NAN);
    };
    let Some(before) = at.checked_sub(1) else { return edges[0] };
    let part = -distances[before] / (distances[at] - distances[before]);
    edges[before] + part * (edges[at] - edges[before])
}

impl QuantileType {
    /// The rank of the order statistic below, and which part of the way to the next it is.
    fn position(self, share: f64, persons: f64) -> (f64, f64) {
        // R's allowance for products that should be whole.
        const FUZZ: f64 = 4.0 * f64::EPSILON;
        let place = match self {
            Self::Inverse | Self::Averaged | Self::Linear => persons * share,
            Self::Nearest => persons * share - 0.5,
            Self::Hazen => interpolated(0.5, share, persons),
            Self::Weibull => interpolated(0.0, share, persons),
            Self::Mode => interpolated(1.0, share, persons),
            Self::MedianUnbiased => interpolated(1.0 / 3.0, share, persons),
            Self::NormalUnbiased => interpolated(3.0 / 8.0, share, persons),
        };
        let rank = (place + FUZZ).floor();
        let is_beyond = f64::from(u8::from(place > rank + FUZZ));
        let part = match self {
            Self::Inverse => is_beyond,
            Self::Averaged => f64::midpoint(is_beyond, 1.0),
            Self::Nearest if (rank / 2.0).fract() == 0.0 => {
                f64::from(u8::from((place - rank).abs() > FUZZ))
            }
            Self::Nearest => 1.0,
            _ if (place - rank).abs() < FUZZ => 0.0,
            _ => place - rank,
        };
        (rank, part)
    }
}

/// Hyndman and Fan's place with both parameters alike.
fn interpolated(parameter: f64, share: f64, persons: f64) -> f64 {
    parameter + share * (persons + 1.0 - 2.0 * parameter)
}

/// Counts added up from the lowest value.
struct Cumulative {
    share: f64,
    /// As released, and the variance of its noise.
    counts: Vec<f64>,
    noise: Vec<f64>,
    /// Made consistent.
    consistent: Vec<f64>,
}

impl Cumulative {
    fn new(counts: &[&Estimate], share: f64) -> Self {
        let sums = |of: &mut dyn Iterator<Item = f64>| -> Vec<f64> {
            let add = |sum: &mut f64, count: f64| {
                *sum += count;
                Some(*sum)
            };
            of.scan(0.0, add).collect()
        };
        Self {
            share,
            counts: sums(&mut counts.iter().map(|count| count.value)),
            noise: sums(&mut counts.iter().map(|count| count.noise_variance)),
            consistent: sums(&mut consistent(counts.iter().copied()).into_iter()),
        }
    }

    /// All persons of the consistent counts.
    fn persons(&self) -> f64 {
        self.consistent.last().copied().unwrap_or(0.0)
    }

    /// How many more than the share there are among the first so many counts.
    fn distance(&self, first: usize) -> f64 {
        let all = self.counts.last().copied().unwrap_or(0.0);
        first.checked_sub(1).map_or(0.0, |last| self.counts[last]) - self.share * all
    }

    /// The deviation of that, of which this variance is by sampling.
    fn deviation(&self, first: usize, sampling: f64) -> f64 {
        let all = self.noise.last().copied().unwrap_or(0.0);
        let below = first.checked_sub(1).map_or(0.0, |last| self.noise[last]);
        let (share, rest) = (self.share, 1.0 - self.share);
        (sampling + rest * rest * below + share * share * (all - below)).sqrt()
    }

    /// The first count of which the quantile may be, and the last.
    fn steps(&self, sampling: f64, z: f64) -> [usize; 2] {
        let size = self.counts.len();
        let is_below = |first: usize| self.distance(first) < -z * self.deviation(first, sampling);
        let is_above = |first: usize| self.distance(first) > z * self.deviation(first, sampling);
        let lower = (0..size).find(|at| !is_below(at + 1)).unwrap_or(size);
        let upper = (0..size).rev().find(|at| !is_above(*at)).unwrap_or(0);
        [lower, upper.max(lower)]
    }

    fn estimate(
        &self,
        counts: &[&Estimate],
        method: &'static str,
        value: f64,
        limits: impl Fn(f64, f64) -> Interval,
        level: f64,
    ) -> Estimate {
        let z = two_sided(level);
        if counts.is_empty() || z.is_nan() {
            return Estimate::of(counts.iter().copied(), method, value, 0.0, None);
        }
        let sampling = self.persons() * self.share * (1.0 - self.share);
        // That of noise alone, from its own interval.
        let noise = limits(0.0, z);
        let deviation = (noise.upper - noise.lower) / (2.0 * z);
        let is_exact = self.noise.last().is_none_or(|variance| *variance == 0.0);
        let variance = if is_exact { 0.0 } else { deviation * deviation };
        let interval = Some(limits(sampling, z));
        Estimate::of(counts.iter().copied(), method, value, variance, interval)
    }
}

#[cfg(test)]
mod tests;
