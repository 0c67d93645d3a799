//! Disproportionality of spontaneous reports: is a product named with an event more often than
//! others are?
//!
//! A report counts once in the table of a product and an event: this is no rate among those who
//! took the product. Bayesian shrinkage of many pairs is [`shrinkage`].

pub mod shrinkage;

use crate::estimate::{Estimate, Interval};
use crate::methods::distribution::normal_quantile;

/// Reports by product and event: the fourfold table of one pair.
#[derive(Clone, Debug)]
pub struct Reports {
    /// With the product and the event, the product only, the event only, neither.
    cells: [f64; 4],
    /// The covariance of the noise of the cells.
    covariance: [[f64; 4]; 4],
    inputs: [Estimate; 4],
}

impl Reports {
    /// The table of four counts whose noises are independent.
    pub fn of_cells(
        both: &Estimate,
        product_only: &Estimate,
        event_only: &Estimate,
        neither: &Estimate,
    ) -> Self {
        let identity = std::array::from_fn(|i| std::array::from_fn(|j| f64::from(i == j)));
        Self::linear([both, product_only, event_only, neither], &identity)
    }

    /// The table of a count and the margins it lies in, whose noises are independent: of the
    /// product, the event and all reports.
    ///
    /// One count per pair, product and event: what is released for many pairs.
    pub fn of_margins(
        both: &Estimate,
        product: &Estimate,
        event: &Estimate,
        all: &Estimate,
    ) -> Self {
        let differences = [
            [1.0, 0.0, 0.0, 0.0],
            [-1.0, 1.0, 0.0, 0.0],
            [-1.0, 0.0, 1.0, 0.0],
            [1.0, -1.0, -1.0, 1.0],
        ];
        Self::linear([both, product, event, all], &differences)
    }

    /// The table of those with the product and the event, all with the product, those with the
    /// event of all others, and all others; their noises are independent.
    pub fn of_totals(
        both: &Estimate,
        product: &Estimate,
        event_of_others: &Estimate,
        others: &Estimate,
    ) -> Self {
        let differences = [
            [1.0, 0.0, 0.0, 0.0],
            [-1.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
            [0.0, 0.0, -1.0, 1.0],
        ];
        Self::linear([both, product, event_of_others, others], &differences)
    }

    /// Reports with both that would be expected if product and event had nothing to do with each
    /// other: their margins' product over all reports.
    pub fn expected(&self) -> Estimate {
        let [a, b, c, _] = self.cells;
        let value = (a + b) * (a + c) / self.all();
        let noise_variance = value * value * self.noise_of(self.log_expected());
        Estimate::of(&self.inputs, "expected reports", value, noise_variance, None)
    }

    /// Reports with both over expected ones.
    pub fn relative_reporting(&self) -> Estimate {
        let value = self.cells[0] / self.expected().value;
        let mut gradient = self.log_expected().map(|slope| -slope);
        gradient[0] += 1.0 / self.cells[0];
        let noise_variance = value * value * self.noise_of(gradient);
        Estimate::of(&self.inputs, "relative reporting ratio", value, noise_variance, None)
    }

    /// The proportional reporting ratio: the event's share of the product's reports over its share
    /// of the others. Infinite where no other product has the event, NaN without reports.
    ///
    /// See [`Self::reporting_odds_ratio`] for the interval.
    ///
    /// # Source
    /// Evans, Waller and Davis 2001, Pharmacoepidemiology and Drug Safety 10, 483.
    pub fn proportional_reporting_ratio(&self, level: f64) -> Estimate {
        let value = |[a, b, c, d]: [f64; 4]| (a / (a + b)) / (c / (c + d));
        let slopes = |[a, b, c, d]: [f64; 4]| {
            let (product, others) = (1.0 / (a + b), 1.0 / (c + d));
            [1.0 / a - product, -product, others - 1.0 / c, others]
        };
        let sampling = |[a, b, c, d]: [f64; 4]| 1.0 / a - 1.0 / (a + b) + 1.0 / c - 1.0 / (c + d);
        let [numerator, denominator]: [&[usize]; 2] = [&[0], &[2]];
        self.ratio("PRR", level, numerator, denominator, (value, slopes, sampling))
    }

    /// The reporting odds ratio. Infinite or NaN where counts below the line are 0.
    ///
    /// The interval is Wald's on the logarithm, with the noise by the delta method. Where the
    /// noise leaves open whether a count above the line is positive the lower end is 0, below the
    /// line the upper is infinite; the other end is that of the smallest count that the noise
    /// would make out, or of a half without noise.
    ///
    /// # Source
    /// Rothman, Lanes and Sacks 2004, Pharmacoepidemiology and Drug Safety 13, 519.
    pub fn reporting_odds_ratio(&self, level: f64) -> Estimate {
        let value = |[a, b, c, d]: [f64; 4]| a * d / (b * c);
        let slopes = |[a, b, c, d]: [f64; 4]| [1.0 / a, -1.0 / b, -1.0 / c, 1.0 / d];
        let sampling = |cells: [f64; 4]| cells.map(|cell| 1.0 / cell).iter().sum();
        self.ratio("ROR", level, &[0, 3], &[1, 2], (value, slopes, sampling))
    }

    /// Chi-square with Yates' correction, of one degree of freedom: how far the count is from the
    /// expected one, less a half, squared over its variance. The variance of the noise of this
    /// distance is added to that of the hypergeometric law; without noise it is the textbook's.
    ///
    /// NaN where a margin is not positive.
    pub fn chi_square(&self) -> f64 {
        let [a, b, c, d] = self.cells;
        let margins = [a + b, c + d, a + c, b + d];
        if margins.iter().any(|&margin| margin <= 0.0) {
            return f64::NAN;
        }
        let variance = margins.iter().product::<f64>() / self.all().powi(3);
        let expected = self.expected().value;
        let mut gradient = self.log_expected().map(|slope| -slope * expected);
        gradient[0] += 1.0;
        let distance = ((a - expected).abs() - 0.5).max(0.0);
        distance * distance / (variance + self.noise_of(gradient))
    }

    /// Whether the pair is a signal: at least three reports, a PRR of at least two, a chi-square
    /// of at least four. With noise the chi-square is the stricter one above.
    ///
    /// # Source
    /// Evans, Waller and Davis 2001, as above.
    pub fn is_signal(&self) -> bool {
        let ratio = self.proportional_reporting_ratio(0.95).value;
        self.cells[0] >= 3.0 && ratio >= 2.0 && self.chi_square() >= 4.0
    }

    fn linear(inputs: [&Estimate; 4], rows: &[[f64; 4]; 4]) -> Self {
        let dot = |row: &[f64; 4], of: &dyn Fn(usize) -> f64| {
            row.iter().enumerate().map(|(at, factor)| factor * of(at)).sum()
        };
        let cells = std::array::from_fn(|i| dot(&rows[i], &|at| inputs[at].value));
        let covariance = std::array::from_fn(|i| {
            std::array::from_fn(|j| dot(&rows[i], &|at| rows[j][at] * inputs[at].noise_variance))
        });
        Self { cells, covariance, inputs: inputs.map(Clone::clone) }
    }

    fn all(&self) -> f64 {
        self.cells.iter().sum()
    }

    /// The slopes of the logarithm of expected reports.
    fn log_expected(&self) -> [f64; 4] {
        let [a, b, c, _] = self.cells;
        let (product, event, all) = (1.0 / (a + b), 1.0 / (a + c), 1.0 / self.all());
        [product + event - all, product - all, event - all, -all]
    }

    /// The variance that the noise gives to what has these slopes.
    fn noise_of(&self, slopes: [f64; 4]) -> f64 {
        let lines = self.covariance.iter().zip(slopes);
        lines
            .map(|(line, slope)| slope * line.iter().zip(slopes).map(|(c, s)| c * s).sum::<f64>())
            .sum()
    }

    fn ratio(
        &self,
        method: &'static str,
        level: f64,
        numerator: &[usize],
        denominator: &[usize],
        (value, slopes, sampling): (
            impl Fn([f64; 4]) -> f64,
            impl Fn([f64; 4]) -> [f64; 4],
            impl Fn([f64; 4]) -> f64,
        ),
    ) -> Estimate {
        let z = normal_quantile(f64::midpoint(1.0, level));
        let least: [f64; 4] =
            std::array::from_fn(|at| (z * self.covariance[at][at].sqrt()).max(0.5));
        let is_open = |&at: &usize| {
            let clear = if self.covariance[at][at] > 0.0 { least[at] } else { 0.0 };
            self.cells[at] <= clear
        };
        let floored = std::array::from_fn(|at| self.cells[at].max(least[at]));
        let half = z * (sampling(floored).max(0.0) + self.noise_of(slopes(floored))).sqrt();
        let middle = value(floored).ln();
        let lower = if numerator.iter().any(is_open) { 0.0 } else { (middle - half).exp() };
        let upper =
            if denominator.iter().any(is_open) { f64::INFINITY } else { (middle + half).exp() };
        let point = value(self.cells);
        let noise_variance = point * point * self.noise_of(slopes(self.cells));
        let interval = (!point.is_nan()).then_some(Interval { lower, upper });
        Estimate::of(&self.inputs, method, point, noise_variance, interval)
    }
}

#[cfg(test)]
mod tests;
