//! Excess mortality: deaths above what the years before let expect.
//!
//! The baseline is least squares of deaths per day on the year, as a number, and the week, as a
//! factor. The normal equations of such a model come apart week by week, so that every number
//! here is a short sum; there is no matrix.

use crate::estimate::{Estimate, Interval};
use crate::methods::distribution::beta_quantile;
use crate::methods::weeks::Week;
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// Deaths of a week.
#[derive(Clone, Debug, PartialEq)]
pub struct WeekOfDeaths {
    /// Which week.
    pub week: Week,
    /// How many of its days are counted, mostly 7.
    pub days: f64,
    /// Deaths in these days.
    pub deaths: Estimate,
}

/// A least-squares fit of deaths per day.
#[derive(Clone, Debug)]
pub struct Baseline {
    rows: Vec<Row>,
    weeks: BTreeMap<u32, WeekMeans>,
    /// Σ (year − mean year of its week)².
    spread: f64,
    /// Deaths per day more from one year to the next.
    slope: f64,
    /// Variance of deaths per day around the fit, noise taken off; not below 0.
    residual_variance: f64,
    degrees: f64,
    /// The training weeks, for their noise and receipts.
    training: Vec<WeekOfDeaths>,
}

/// What one week had above its expectation.
#[derive(Clone, Debug, PartialEq)]
pub struct Excess {
    /// Deaths to be expected in its days. The interval is the prediction interval of a count with
    /// no noise; NaN where the training years had no such week.
    pub expected: Estimate,
    /// Deaths minus expected ones; the interval has the noise of both.
    pub excess: Estimate,
    /// Excess over expected deaths, 0.1 being ten percent. Its interval is that of the excess over
    /// the expected deaths as estimated.
    pub p_score: Estimate,
}

impl Baseline {
    /// Fits the weeks that end before a date.
    ///
    /// Few years have a week 53. Where one is among them, it is fitted to the training weeks 52
    /// and 53 together, while week 52 keeps its own level; where none is, weeks 52 stand for it.
    ///
    /// `None` if the weeks leave no degree of freedom, or are all of one year.
    ///
    /// # Source
    /// The Economist's tracker of excess deaths, github.com/TheEconomist/
    /// covid-19-excess-deaths-tracker (CC BY 4.0).
    pub fn fit(weeks: &[WeekOfDeaths], before: NaiveDate) -> Option<Self> {
        let ends_before = |week: &&WeekOfDeaths| week.week.last_day() < Some(before);
        let training: Vec<WeekOfDeaths> = weeks.iter().filter(ends_before).cloned().collect();
        let rows = rows(&training);
        let mut means: BTreeMap<u32, WeekMeans> = BTreeMap::new();
        for row in &rows {
            let week = means.entry(row.week).or_default();
            week.count += 1.0;
            week.year += (row.year - week.year) / week.count;
            week.per_day += (row.per_day - week.per_day) / week.count;
        }
        let mut baseline = Self {
            weeks: means,
            spread: 0.0,
            slope: 0.0,
            residual_variance: 0.0,
            degrees: 0.0,
            rows,
            training,
        };
        let from_mean = |row: &Row| row.year - baseline.weeks[&row.week].year;
        let spread: f64 = baseline.rows.iter().map(|row| from_mean(row).powi(2)).sum();
        let products = baseline.rows.iter().map(|row| from_mean(row) * row.per_day);
        let slope = products.sum::<f64>() / spread;
        let degrees = baseline.rows.len() as f64 - baseline.weeks.len() as f64 - 1.0;
        if !(spread > 0.0 && degrees > 0.0) {
            return None;
        }
        (baseline.spread, baseline.slope, baseline.degrees) = (spread, slope, degrees);
        baseline.residual_variance = baseline.residual_variance();
        Some(baseline)
    }

    /// Expected deaths, excess and P-score of a week, with prediction intervals of this level by
    /// the t law.
    ///
    /// With noise its variance in the training weeks is taken off the residual variance, and what
    /// it does to the fit is added to that of the prediction, exactly.
    pub fn excess(&self, of: &WeekOfDeaths, level: f64) -> Excess {
        let year = f64::from(of.week.year());
        let number = of.week.number();
        let training = || self.training.iter().map(|week| &week.deaths);
        let Some(week) = self.weeks.get(&number) else {
            let nothing = Estimate::of(training(), "expected deaths", f64::NAN, f64::NAN, None);
            let of_both = |method| Estimate { method, ..nothing.clone() };
            let (excess, p_score) = (of_both("excess deaths"), of_both("P-score"));
            return Excess { expected: nothing, excess, p_score };
        };
        let per_day = week.per_day + self.slope * (year - week.year);
        let value = per_day * of.days;
        let leverage = 1.0 / week.count + (year - week.year).powi(2) / self.spread;
        let fit_noise = self.fit_noise(number, year - week.year) * of.days.powi(2);
        let sampling = self.residual_variance * (1.0 + leverage) * of.days.powi(2);

        let t = t_quantile(f64::midpoint(1.0, level), self.degrees);
        let around = |middle: f64, variance: f64| {
            let half = t * variance.sqrt();
            Some(Interval { lower: middle - half, upper: middle + half })
        };
        let interval = around(value, sampling + fit_noise);
        let expected = Estimate::of(training(), "expected deaths", value, fit_noise, interval);
        let difference = of.deaths.value - value;
        let noise_variance = of.deaths.noise_variance + fit_noise;
        let both = || training().chain([&of.deaths]);
        let interval = around(difference, sampling + noise_variance);
        let excess = Estimate::of(both(), "excess deaths", difference, noise_variance, interval);
        let p_score = Estimate { method: "P-score", ..excess.clone().times(1.0 / value) };
        Excess { expected, excess, p_score }
    }

    fn residual_variance(&self) -> f64 {
        let squares = self.rows.iter().map(|row| (row.per_day - self.fitted(row)).powi(2));
        let noise: f64 = self.rows.iter().map(|row| self.noise_in_residuals(row)).sum();
        ((squares.sum::<f64>() - noise) / self.degrees).max(0.0)
    }

    fn fitted(&self, row: &Row) -> f64 {
        let week = &self.weeks[&row.week];
        week.per_day + self.slope * (row.year - week.year)
    }

    /// What the noise of a row adds to the expected sum of squares: its line of tr((I − H) V). A
    /// week that is in two rows, as 52 and as 53, has the same noise in both.
    fn noise_in_residuals(&self, row: &Row) -> f64 {
        let from_mean = |row: &Row| row.year - self.weeks[&row.week].year;
        let week = &self.weeks[&row.week];
        let own = 1.0 - 1.0 / week.count - from_mean(row).powi(2) / self.spread;
        let twins = self.rows.iter().filter(|twin| twin.of == row.of && twin.week != row.week);
        let cross: f64 = twins.map(|twin| from_mean(row) * from_mean(twin) / self.spread).sum();
        self.noise_per_day(row.of) * (own - cross)
    }

    /// The variance that the noise of the training weeks gives a prediction per day.
    fn fit_noise(&self, week: u32, from_mean: f64) -> f64 {
        let mut weights = vec![0.0; self.training.len()];
        for row in &self.rows {
            let means = &self.weeks[&row.week];
            let level = if row.week == week { 1.0 / means.count } else { 0.0 };
            weights[row.of] += level + from_mean * (row.year - means.year) / self.spread;
        }
        let terms =
            (0..).zip(&weights).map(|(of, weight)| weight * weight * self.noise_per_day(of));
        terms.sum()
    }

    fn noise_per_day(&self, of: usize) -> f64 {
        self.training[of].deaths.noise_variance / self.training[of].days.powi(2)
    }
}

/// A row of the regression: a training week under the number it stands for.
#[derive(Clone, Debug)]
struct Row {
    week: u32,
    year: f64,
    per_day: f64,
    of: usize,
}

#[derive(Clone, Debug, Default)]
struct WeekMeans {
    count: f64,
    year: f64,
    per_day: f64,
}

fn rows(training: &[WeekOfDeaths]) -> Vec<Row> {
    let mut rows = vec![];
    for (of, week) in training.iter().enumerate() {
        let year = f64::from(week.week.year());
        let per_day = week.deaths.value / week.days;
        let number = week.week.number();
        if number != 53 {
            rows.push(Row { week: number, year, per_day, of });
        }
        if number >= 52 {
            rows.push(Row { week: 53, year, per_day, of });
        }
    }
    rows
}

/// The quantile of Student's t law with so many degrees of freedom, for `p` from 0.5 to below 1.
fn t_quantile(p: f64, degrees: f64) -> f64 {
    // t² / (t² + degrees) has a beta law; one minus it keeps the digits of large t.
    let rest = beta_quantile(2.0 * (1.0 - p), degrees / 2.0, 0.5);
    (degrees * (1.0 - rest) / rest).sqrt()
}

#[cfg(test)]
mod tests;
