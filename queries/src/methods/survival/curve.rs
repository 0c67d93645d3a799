//! The points of a Kaplan–Meier curve, and when half have had their event.

use crate::estimate::{Estimate, Interval};

/// A curve of survival, one point for each interval.
#[derive(Clone, Debug)]
pub struct Curve {
    /// In the order of time.
    pub points: Vec<Point>,
}

/// Survival after the events of one interval.
#[derive(Clone, Debug)]
pub struct Point {
    /// The time of the interval.
    pub time: f64,
    /// Persons at risk of its events.
    pub at_risk: Estimate,
    /// The share that survives it; may be above 1 or rise where counts are negative. NaN where
    /// noise alone may have made all at risk.
    pub survival: Estimate,
    /// The variance of `survival` by sampling, Greenwood's; NaN where nobody is left.
    pub sampling_variance: f64,
    /// The curve to draw: from counts made consistent, so that it never rises and is within 0
    /// and 1. It is nearer to the truth than `survival` on average, but not free of bias.
    pub fitted: f64,
}

/// On which scale intervals of survival are symmetric.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scale {
    /// Survival itself.
    Plain,
    /// Its logarithm.
    Log,
    /// The logarithm of the cumulative hazard; best where few are left.
    LogLog,
}

impl Scale {
    /// The interval of a survival whose logarithm has this deviation.
    pub(super) fn interval(self, survival: f64, deviation: f64, z: f64) -> Interval {
        let half = z * deviation;
        match self {
            // No cumulative hazard has a logarithm where nothing has happened.
            Self::LogLog if survival < 1.0 => {
                let factor = (half / survival.ln()).exp();
                Interval { lower: survival.powf(1.0 / factor), upper: survival.powf(factor) }
            }
            Self::Plain | Self::LogLog => {
                Interval { lower: survival - survival * half, upper: survival + survival * half }
            }
            Self::Log => Interval { lower: survival * (-half).exp(), upper: survival * half.exp() },
        }
    }
}

impl Curve {
    /// When half have had their event: infinite where that is later than the follow-up, and with
    /// the middle of the time over which the curve is at one half. Its noise is in its interval
    /// only; `noise_variance` is NaN.
    ///
    /// The interval is of all times at which half lies within the interval of survival.
    ///
    /// # Source
    ///
    /// Brookmeyer and Crowley, Biometrics 38 (1982) 29; R, `quantile.survfit`.
    pub fn median(&self) -> Estimate {
        let first = |survival: &dyn Fn(&Point) -> f64| {
            let at = self.points.iter().position(|point| survival(point) <= HALF + ROUNDING);
            self.reached(at, survival)
        };
        let end = |point: &Point, of: &dyn Fn(Interval) -> f64| {
            point.survival.interval.map_or(f64::NAN, of)
        };
        let upper = |point: &Point| end(point, &|interval| interval.upper);
        // Noise may take the upper ends below one half and back.
        let last = self.points.iter().rposition(|point| upper(point) > HALF + ROUNDING);
        let after = last.map_or(0, |last| last + 1);
        let interval = Interval {
            lower: first(&|point| end(point, &|interval| interval.lower)),
            upper: self.reached((after < self.points.len()).then_some(after), &upper),
        };
        let inputs = self.points.iter().map(|point| &point.survival);
        let value = first(&|point| point.fitted);
        Estimate::of(inputs, "median survival time", value, f64::NAN, Some(interval))
    }

    /// The time of a point; the middle of it and the next lower one if it is at one half exactly.
    fn reached(&self, at: Option<usize>, survival: &dyn Fn(&Point) -> f64) -> f64 {
        let Some(at) = at else { return f64::INFINITY };
        let point = &self.points[at];
        if (survival(point) - HALF).abs() > ROUNDING {
            return point.time;
        }
        let lower = self.points[at..].iter().find(|next| survival(next) < HALF - ROUNDING);
        lower.map_or(point.time, |next| f64::midpoint(point.time, next.time))
    }
}

const HALF: f64 = 0.5;

/// What products of shares may be off by; R's tolerance.
const ROUNDING: f64 = 1.5e-8;
