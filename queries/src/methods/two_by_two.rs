//! Two groups compared: ratios and differences of risks and odds, attributable fractions, and
//! whether group and outcome are independent.
//!
//! | | cases | others |
//! | --- | --- | --- |
//! | exposed | 0 | 1 |
//! | unexposed | 2 | 3 |
//!
//! Values are plain functions of the noisy counts and may be negative. Intervals of ratios start
//! from counts that are not below one deviation of their noise, nor below 1/2, and go as far as
//! the noise of each count takes them (see [`super::propagation`]): down to 0 where a count above
//! the line may be 0, up to infinity where one below it may be.

mod exact;
mod rate;
#[cfg(test)]
mod tests;

use super::hypothesis::Test;
use super::propagation::{
    Ratio, Reach, centre, complement, down, exponential, fieller, two_sided, up, wald, within,
};
use crate::estimate::{Estimate, Interval};

pub use self::rate::Incidence;

/// Counts of cases and others, among exposed and unexposed.
#[derive(Clone, Debug)]
pub struct TwoByTwo {
    /// As they were released.
    inputs: [Estimate; 4],
    /// What one more in each input adds to each cell; by cell, then by input.
    shares: &'static [[f64; 4]; 4],
}

/// Numbers of one table, ready for a formula.
pub(super) struct Cells {
    /// What the inputs say, and the variance of the noise in it.
    pub(super) values: [f64; 4],
    pub(super) variances: [f64; 4],
    /// Where intervals start from.
    centres: [f64; 4],
}

impl TwoByTwo {
    /// A table of four cells with independent noise, in the order of the module's table.
    pub const fn of_cells(cells: [Estimate; 4]) -> Self {
        Self { inputs: cells, shares: &CELLS }
    }

    /// A table of exposed cases, all exposed, unexposed cases, all unexposed; with independent
    /// noise, or none in public totals.
    pub const fn of_totals(counts: [Estimate; 4]) -> Self {
        Self { inputs: counts, shares: &TOTALS }
    }

    /// A table of those who have both of two things, all who have the first, all who have the
    /// second, and all persons; with independent noise.
    pub const fn of_margins(counts: [Estimate; 4]) -> Self {
        Self { inputs: counts, shares: &MARGINS }
    }

    /// Odds ratio with the logarithmic interval of Woolf.
    ///
    /// # Source
    ///
    /// Woolf, Annals of Human Genetics 19 (1955) 251; Jewell, Statistics for Epidemiology (2004),
    /// 7.1.2.
    pub fn odds_ratio(&self, level: f64) -> Estimate {
        self.ratio(&ODDS, "odds ratio (Woolf)", level)
    }

    /// Risk ratio with the logarithmic interval of Katz.
    ///
    /// # Source
    ///
    /// Katz, Baptista, Azen and Pike, Biometrics 34 (1978) 469, method C; Jewell 2004, 7.1.1.
    pub fn risk_ratio(&self, level: f64) -> Estimate {
        self.ratio(&RISK, "risk ratio (Katz)", level)
    }

    /// Odds ratio for small samples: 1 is added to both cells below the line, and 1/2 to all for
    /// its interval.
    ///
    /// # Source
    ///
    /// Jewell 2004, 7.1.3.
    pub fn small_sample_odds_ratio(&self, level: f64) -> Estimate {
        let cells = self.cells(0.0);
        let [a, b, c, d] = cells.values;
        let half = |counts: [f64; 4]| counts.map(|count| count + 0.5);
        let shifted = Cells { values: half(cells.values), centres: half(cells.centres), ..cells };
        let interval = self.interval(&ODDS, &shifted, level);
        let value = a * d / ((b + 1.0) * (c + 1.0));
        self.estimate("odds ratio (small sample)", value, &ODDS, &shifted, interval)
    }

    /// Risk ratio for small samples: one case is added to the unexposed.
    ///
    /// # Source
    ///
    /// Jewell 2004, 7.1.3; its interval has the width of that of Katz.
    pub fn small_sample_risk_ratio(&self, level: f64) -> Estimate {
        let cells = self.cells(0.5);
        let adjusted = |[a, b, c, d]: [f64; 4]| a / (a + b) / ((c + 1.0) / (c + d + 1.0));
        let interval = self.interval(&RISK, &cells, level);
        let factor = adjusted(cells.centres) / RISK.value(&cells.centres);
        let interval = Interval { lower: interval.lower * factor, upper: interval.upper * factor };
        let value = adjusted(cells.values);
        self.estimate("risk ratio (small sample)", value, &RISK, &cells, interval)
    }

    /// Risk of the exposed less that of the unexposed, with Wald's interval; noise as Fieller's
    /// limits of either risk.
    ///
    /// # Source
    ///
    /// Rothman, Greenland and Lash, Modern Epidemiology (2008), chapter 14; limits of two risks
    /// are put together as by Newcombe, Statistics in Medicine 17 (1998) 873, method 10.
    pub fn risk_difference(&self, level: f64) -> Estimate {
        let z = two_sided(level);
        let (cells, arms) = (self.cells(0.0), self.arms());
        let [one, other] = &arms;
        let value = one.risk() - other.risk();
        let variance = |[cases, others]: [f64; 2]| {
            let persons = cases + others;
            if persons > 0.0 { cases * others / (persons * persons * persons) } else { 0.25 }
        };
        let [a, b, c, d] = cells.centres;
        let sampling = wald(value, variance([a, b]) + variance([c, d]), z);
        let moves = |arm: &Arm| {
            let Interval { lower, upper } = arm.limits(z);
            [arm.risk() - lower, upper - arm.risk()]
        };
        let slopes = |arm: &Arm| [(1.0 - arm.risk()) / arm.persons, -arm.risk() / arm.persons];
        let ([a, b], [c, d]) = (slopes(one), slopes(other));
        let (first, second) = ([a, b, 0.0, 0.0], [0.0, 0.0, c, d]);
        let covariance = self.covariance(&first, &second);
        let deviations = (self.noise(&first) * self.noise(&second)).sqrt();
        let correlation = if deviations > 0.0 { covariance / deviations } else { 0.0 };
        let reach = Reach::of_difference(moves(one), moves(other), correlation);
        let possible = within(reach.widen(value, sampling), -1.0, 1.0);
        let noise = self.noise(&[a, b, -c, -d]);
        Estimate::of(&self.inputs, "risk difference (Wald)", value, noise, Some(possible))
    }

    /// The share of cases among the exposed that would not be there without exposure: 1 - 1/RR.
    ///
    /// # Source
    ///
    /// Rothman, Greenland and Lash 2008, chapter 4; the interval is that of the risk ratio.
    pub fn attributable_fraction_exposed(&self, level: f64) -> Estimate {
        const METHOD: &str = "attributable fraction among the exposed";
        complement(&self.ratio(&INVERSE_RISK, METHOD, level), METHOD)
    }

    /// The share of all cases of a cohort that would not be there without exposure.
    ///
    /// # Source
    ///
    /// Walter, Biometrics 32 (1976) 829: normal on the scale of log(1 - AF).
    pub fn attributable_fraction_population(&self, level: f64) -> Estimate {
        const METHOD: &str = "attributable fraction in the population (cohort)";
        complement(&self.ratio(&REMAINING_COHORT, METHOD, level), METHOD)
    }

    /// The same from cases and controls, for a rare outcome.
    ///
    /// # Source
    ///
    /// Whittemore, Statistics in Medicine 1 (1982) 229; Walter 1976.
    pub fn attributable_fraction_case_control(&self, level: f64) -> Estimate {
        const METHOD: &str = "attributable fraction in the population (case-control)";
        complement(&self.ratio(&REMAINING_CASE_CONTROL, METHOD, level), METHOD)
    }

    /// Association of group and outcome from -1 to 1; NaN where a margin is not positive. Its
    /// interval is all of that where the noise alone may take a margin to 0.
    ///
    /// # Source
    ///
    /// Bishop, Fienberg and Holland, Discrete Multivariate Analysis (1975), 11.3.
    pub fn phi(&self, level: f64) -> Estimate {
        let z = two_sided(level);
        let cells = self.cells(0.0);
        let (value, slopes) = phi(cells.values);
        // The squares of the slopes times the cells are the variance, for phi does not change
        // when all cells grow alike.
        let sampling: f64 = slopes.iter().zip(cells.centres).map(|(s, x)| s * s * x).sum();
        let noise = self.noise(&slopes);
        let half = if self.has_margins(z) { z * (sampling + noise).sqrt() } else { 2.0 };
        let interval = within(Interval { lower: value - half, upper: value + half }, -1.0, 1.0);
        Estimate::of(&self.inputs, "phi coefficient", value, noise, Some(interval))
    }

    /// Whether both groups have one risk: Pearson's chi-square without correction, its variance
    /// with that of the noise.
    ///
    /// # Source
    ///
    /// Pearson, Philosophical Magazine 50 (1900) 157; that the square of the difference of two
    /// risks over its variance is the same: Fleiss, Levin and Paik, Statistical Methods for Rates
    /// and Proportions (2003), 3.1.
    pub fn independence(&self) -> Test {
        let [one, other] = self.arms();
        let pooled = ((one.cases + other.cases) / (one.persons + other.persons)).clamp(0.0, 1.0);
        let mut variance = pooled * (1.0 - pooled) * (1.0 / one.persons + 1.0 / other.persons);
        let (case, other_person) = (1.0 - pooled, -pooled);
        variance += self.noise(&[
            case / one.persons,
            other_person / one.persons,
            -case / other.persons,
            -other_person / other.persons,
        ]);
        let difference = one.risk() - other.risk();
        let has_both = one.persons > 0.0 && other.persons > 0.0 && variance > 0.0;
        let statistic = if has_both { difference * difference / variance } else { f64::NAN };
        Test::chi_square(&self.inputs, "Pearson's chi-square", statistic, 1.0)
    }

    /// The counts as released, in order.
    pub const fn inputs(&self) -> &[Estimate; 4] {
        &self.inputs
    }

    fn ratio(&self, ratio: &Ratio, method: &'static str, level: f64) -> Estimate {
        let cells = self.cells(0.5);
        let interval = self.interval(ratio, &cells, level);
        self.estimate(method, ratio.value(&cells.values), ratio, &cells, interval)
    }

    /// A value with its interval, and the variance of its noise by the delta method at the centre.
    fn estimate(
        &self,
        method: &'static str,
        value: f64,
        ratio: &Ratio,
        cells: &Cells,
        interval: Interval,
    ) -> Estimate {
        let slopes: [f64; 4] = std::array::from_fn(|cell| ratio.slope(&cells.centres, cell));
        let at = ratio.value(&cells.centres);
        let noise = at * at * self.noise(&slopes);
        Estimate::of(&self.inputs, method, value, noise, Some(interval))
    }

    /// The variance by noise of what has these slopes by the cells.
    pub(super) fn noise(&self, slopes: &[f64; 4]) -> f64 {
        self.covariance(slopes, slopes)
    }

    /// The covariance by noise of what has one and what has the other slopes by the cells.
    pub(super) fn covariance(&self, one: &[f64; 4], other: &[f64; 4]) -> f64 {
        let by_input = |slopes: &[f64; 4], input: usize| -> f64 {
            (0..4).map(|cell| slopes[cell] * self.shares[cell][input]).sum()
        };
        let inputs = self.inputs.iter().enumerate();
        let parts = inputs.map(|(input, released)| {
            by_input(one, input) * by_input(other, input) * released.noise_variance
        });
        parts.sum()
    }

    fn interval(&self, ratio: &Ratio, cells: &Cells, level: f64) -> Interval {
        let z = two_sided(level);
        let log = ratio.log(&cells.centres);
        let squares = (0..4).map(|cell| {
            let slope = ratio.slope(&cells.centres, cell);
            slope * slope * cells.centres[cell]
        });
        let sampling = wald(log, squares.sum(), z);
        let interval = exponential(self.reach(ratio, cells, z).widen(log, sampling));
        // A factor of exactly nothing bounds the ratio on one side only.
        let is_nothing = |factors: &[&[usize]]| {
            factors.iter().any(|cell| cell.iter().all(|cell| cells.values[*cell] == 0.0))
        };
        let (above, below) = (is_nothing(ratio.above), is_nothing(ratio.below));
        Interval {
            lower: if above { 0.0 } else { interval.lower },
            upper: if below { f64::INFINITY } else { interval.upper },
        }
    }

    /// How far the noise of each input moves the logarithm of a ratio.
    fn reach(&self, ratio: &Ratio, cells: &Cells, z: f64) -> Reach {
        let log = ratio.log(&cells.centres);
        let mut reach = Reach::default();
        for (input, released) in self.inputs.iter().enumerate() {
            if released.noise_variance == 0.0 {
                continue;
            }
            let noise = z * released.noise_variance.sqrt();
            let ends = [-1.0, 1.0].map(|sign| {
                ratio.log(&std::array::from_fn::<f64, 4, _>(|cell| {
                    let (value, start) = (cells.values[cell], cells.centres[cell]);
                    match sign * self.shares[cell][input] {
                        share if share < 0.0 => down(value, noise),
                        share if share > 0.0 => up(value, noise, start),
                        _ => start,
                    }
                }))
            });
            reach = reach.and(log, ends);
        }
        reach
    }

    /// Whether each margin is beyond its noise.
    fn has_margins(&self, z: f64) -> bool {
        let margins: [[f64; 4]; 4] = [
            [1.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 1.0],
            [1.0, 0.0, 1.0, 0.0],
            [0.0, 1.0, 0.0, 1.0],
        ];
        let values = self.cells(0.0).values;
        margins.iter().all(|margin| {
            let count: f64 = margin.iter().zip(values).map(|(of, value)| of * value).sum();
            count > z * self.noise(margin).sqrt()
        })
    }

    /// The cells, with centres that are not below `least`.
    pub(super) fn cells(&self, least: f64) -> Cells {
        let across = |cell: usize, of: &dyn Fn(f64, &Estimate) -> f64| -> f64 {
            let inputs = self.inputs.iter().enumerate();
            inputs.map(|(input, released)| of(self.shares[cell][input], released)).sum()
        };
        let values: [f64; 4] = std::array::from_fn(|cell| across(cell, &|s, x| s * x.value));
        let variances: [f64; 4] =
            std::array::from_fn(|cell| across(cell, &|s, x| s * s * x.noise_variance));
        let centres = std::array::from_fn(|cell| centre(values[cell], variances[cell], least));
        Cells { values, variances, centres }
    }

    fn arms(&self) -> [Arm; 2] {
        let values = self.cells(0.0).values;
        [0, 2].map(|at| {
            let (mut cases, mut persons) = ([0.0; 4], [0.0; 4]);
            cases[at] = 1.0;
            persons[at..at + 2].fill(1.0);
            Arm {
                cases: values[at],
                persons: values[at] + values[at + 1],
                variances: [self.noise(&cases), self.noise(&persons)],
                covariance: self.covariance(&cases, &persons),
            }
        })
    }
}

/// One group: what is known of its risk.
struct Arm {
    cases: f64,
    persons: f64,
    /// Of the noise in cases and persons.
    variances: [f64; 2],
    covariance: f64,
}

impl Arm {
    fn risk(&self) -> f64 {
        self.cases / self.persons
    }

    /// How far noise alone takes the risk.
    fn limits(&self, z: f64) -> Interval {
        fieller([self.cases, self.persons], self.variances, self.covariance, z)
    }
}

/// Phi and its slopes by each cell.
fn phi([a, b, c, d]: [f64; 4]) -> (f64, [f64; 4]) {
    let (exposed, unexposed, cases, others) = (a + b, c + d, a + c, b + d);
    let root = (exposed * unexposed * cases * others).sqrt();
    let phi = (a * d - b * c) / root;
    let slope = |product: f64, row: f64, column: f64| {
        product / root - phi / 2.0 * (1.0 / row + 1.0 / column)
    };
    let slopes = [
        slope(d, exposed, cases),
        slope(-c, exposed, others),
        slope(-b, unexposed, cases),
        slope(a, unexposed, others),
    ];
    (phi, slopes)
}

const CELLS: [[f64; 4]; 4] =
    [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
const TOTALS: [[f64; 4]; 4] =
    [[1.0, 0.0, 0.0, 0.0], [-1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, -1.0, 1.0]];
const MARGINS: [[f64; 4]; 4] =
    [[1.0, 0.0, 0.0, 0.0], [-1.0, 1.0, 0.0, 0.0], [-1.0, 0.0, 1.0, 0.0], [1.0, -1.0, -1.0, 1.0]];

const ODDS: Ratio = Ratio { above: &[&[0], &[3]], below: &[&[1], &[2]] };
const RISK: Ratio = Ratio { above: &[&[0], &[2, 3]], below: &[&[0, 1], &[2]] };
const INVERSE_RISK: Ratio = Ratio { above: RISK.below, below: RISK.above };
/// What remains of the risk of all where nobody is exposed.
const REMAINING_COHORT: Ratio = Ratio { above: &[&[2], &[0, 1, 2, 3]], below: &[&[2, 3], &[0, 2]] };
const REMAINING_CASE_CONTROL: Ratio = Ratio { above: &[&[2], &[1, 3]], below: &[&[3], &[0, 2]] };
