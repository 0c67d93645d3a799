//! Gradients of health over social position: slope, relative and concentration index.
//!
//! Groups come in order of position, usually from the most to the least deprived, and cover the
//! population: each lies in the middle of its share of it, on a scale from 0 to 1.

use super::distribution::normal_quantile;
use super::rates::quotient;
use crate::estimate::{Estimate, Interval};

/// A group of the population, by its place in the order.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// How many people there are.
    pub population: Estimate,
    /// What is compared, such as a rate.
    pub value: Estimate,
    /// Variance of `value` that comes from sampling.
    pub sampling_variance: f64,
}

impl Group {
    /// A group compared by how many of it are cases: binomial, p·(1 − p)/n with p in 0 to 1.
    pub fn of_cases(cases: &Estimate, population: &Estimate) -> Self {
        let value = quotient(cases, population, "proportion");
        let share = value.value.clamp(0.0, 1.0);
        let sampling_variance = share * (1.0 - share) / population.value;
        Self { population: population.clone(), value, sampling_variance }
    }

    /// A group compared by its rate of events per head: Poisson, x/n² with x not below 0.
    pub fn of_events(events: &Estimate, population: &Estimate) -> Self {
        let value = quotient(events, population, "rate");
        let size = population.value;
        let sampling_variance = events.value.max(0.0) / (size * size);
        Self { population: population.clone(), value, sampling_variance }
    }
}

/// The slope index of inequality: by how much the value rises from the bottom of the order to its
/// top, on the line fitted by least squares with the populations as weights.
///
/// In the unit of the values; negative where the top has less. The interval is normal, from the
/// sampling and noise of the values and from what noise in the populations does to the places.
/// NaN without an interval for fewer than two groups, a population not above 0, or a missing value.
///
/// # Source
/// Low and Low 2004, J Public Health 26:388; the R package PHEindicatormethods, `phe_sii`, whose
/// interval is a simulation of this normal law.
pub fn slope_index(groups: &[Group], level: f64) -> Estimate {
    let index = |line: &Line| line.slope;
    estimate(groups, "slope index of inequality", index, level, |variance, z, value| {
        let reach = z * variance.sqrt();
        Some(Interval { lower: value - reach, upper: value + reach })
    })
}

/// The relative index of inequality: the value at the top of the order, by the fitted line, over
/// that at its bottom.
///
/// The interval is normal for the logarithm; none where the line does not stay above 0. NaN as
/// with [`slope_index`].
///
/// # Source
/// Mackenbach and Kunst 1997, Soc Sci Med 44:757; Low and Low 2004.
pub fn relative_index(groups: &[Group], level: f64) -> Estimate {
    let index = |line: &Line| (line.bottom + line.slope) / line.bottom;
    let positive = Line::through(groups).is_some_and(|line| line.bottom > 0.0);
    estimate(groups, "relative index of inequality", index, level, |variance, z, value| {
        let factor = (z * variance.sqrt() / value).exp();
        (positive && value > 0.0).then(|| Interval { lower: value / factor, upper: value * factor })
    })
}

/// The concentration index: twice the covariance of value and place, over the mean value.
///
/// Between −1 and 1 for values above 0: positive where the top has more. The interval is normal.
/// NaN as with [`slope_index`].
///
/// # Source
/// Kakwani, Wagstaff and van Doorslaer 1997, J Econometrics 77:87, equation 3.
pub fn concentration_index(groups: &[Group], level: f64) -> Estimate {
    let index = |line: &Line| 2.0 * line.slope * line.spread / line.mean;
    estimate(groups, "concentration index", index, level, |variance, z, value| {
        let reach = z * variance.sqrt();
        Some(Interval { lower: value - reach, upper: value + reach })
    })
}

/// The line fitted through the groups, and what the indices take from it.
struct Line {
    /// Fitted value at the place 0.
    bottom: f64,
    slope: f64,
    /// Mean of the values over the population.
    mean: f64,
    /// Variance of the places over the population.
    spread: f64,
}

impl Line {
    fn through(groups: &[Group]) -> Option<Self> {
        let points: Vec<(f64, f64)> =
            groups.iter().map(|group| (group.population.value, group.value.value)).collect();
        let possible = points.len() > 1
            && points.iter().all(|(people, value)| *people > 0.0 && value.is_finite());
        possible.then(|| Self::fit(&points))
    }

    fn fit(points: &[(f64, f64)]) -> Self {
        let total: f64 = points.iter().map(|(people, _)| people).sum();
        let mean = points.iter().map(|(people, value)| people / total * value).sum();
        let (mut spread, mut covariance, mut below) = (0.0, 0.0, 0.0);
        for (people, value) in points {
            let share = people / total;
            // The mean place is a half, whatever the shares.
            let place = below + share / 2.0 - 0.5;
            spread += share * place * place;
            covariance += share * place * (value - mean);
            below += share;
        }
        let slope = covariance / spread;
        Self { bottom: mean - slope / 2.0, slope, mean, spread }
    }
}

/// An index with its noise and interval by the delta method.
fn estimate(
    groups: &[Group],
    method: &'static str,
    index: impl Fn(&Line) -> f64,
    level: f64,
    interval: impl Fn(f64, f64, f64) -> Option<Interval>,
) -> Estimate {
    let inputs = || groups.iter().flat_map(|group| [&group.population, &group.value]);
    let Some(line) = Line::through(groups) else {
        return Estimate::of(inputs(), method, f64::NAN, f64::NAN, None);
    };
    let (value, [sampling, noise]) = (index(&line), variances(groups, &index));
    let z = normal_quantile((1.0 + level) / 2.0);
    let interval = if z.is_finite() { interval(sampling + noise, z, value) } else { None };
    Estimate::of(inputs(), method, value, noise, interval)
}

/// The variances of an index from sampling and from noise: each input's, times the square of how
/// fast the index moves with it, by central differences.
///
/// An index is linear in the values or nearly so, and smooth in the populations. That the noise
/// of a population is in its value too, where the value is a rate of it, is left out: the places
/// move by far less than the values.
fn variances(groups: &[Group], index: &impl Fn(&Line) -> f64) -> [f64; 2] {
    let mut points: Vec<(f64, f64)> =
        groups.iter().map(|group| (group.population.value, group.value.value)).collect();
    let scale = points.iter().map(|(_, value)| value.abs()).fold(0.0, f64::max);
    let (mut sampling, mut noise) = (0.0, 0.0);
    for (place, group) in groups.iter().enumerate() {
        let (people, value) = points[place];
        let mut slope = |step: f64, moved: [(f64, f64); 2]| {
            let [up, down] = moved.map(|point| {
                points[place] = point;
                index(&Line::fit(&points))
            });
            points[place] = (people, value);
            (up - down) / (2.0 * step)
        };
        let step = 1e-5 * if scale > 0.0 { scale } else { 1.0 };
        let by_value = slope(step, [(people, value + step), (people, value - step)]);
        let step = 1e-5 * people;
        let by_people = slope(step, [(people + step, value), (people - step, value)]);
        sampling += by_value * by_value * group.sampling_variance;
        noise += by_value * by_value * group.value.noise_variance
            + by_people * by_people * group.population.noise_variance;
    }
    [sampling, noise]
}

#[cfg(test)]
mod tests;
