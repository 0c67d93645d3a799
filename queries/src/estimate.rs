//! A released number, and what is known of its error: the one type that all methods take and give.
//!
//! ```text
//!  release ──▶ Estimate ──method──▶ Estimate ──method──▶ ... ──▶ table, figure
//! ```
//! A method adds up what its inputs carry: their noise, and the receipts that prove them. With no
//! noise every method is the textbook's.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

/// Both ends of a confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end; may be minus infinity.
    pub lower: f64,
    /// Upper end, not below the lower; may be infinity.
    pub upper: f64,
}

/// A number with its noise, interval, method and proofs.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The point estimate, never clamped to where it would look sensible; NaN where there is none,
    /// such as a rate over nobody.
    pub value: f64,
    /// Variance of the privacy noise in `value`, in its unit squared; 0 without noise. Sampling
    /// is not in it.
    pub noise_variance: f64,
    /// The interval that covers sampling and noise; none for a number that was only read.
    pub interval: Option<Interval>,
    /// The field's name of the method, with its source where there are several: `rate (Byar)`.
    pub method: &'static str,
    /// Names of the receipts that prove the numbers it was made of.
    pub receipts: BTreeSet<Arc<str>>,
}

impl Estimate {
    /// A public number: no noise, no receipt.
    pub const fn exact(value: f64) -> Self {
        Self {
            value,
            noise_variance: 0.0,
            interval: None,
            method: "as given",
            receipts: BTreeSet::new(),
        }
    }

    /// A released number whose noise has this variance, proved by the receipt of this name.
    pub fn released(value: f64, noise_variance: f64, receipt: &Arc<str>) -> Self {
        let receipts = BTreeSet::from([Arc::clone(receipt)]);
        Self { value, noise_variance, interval: None, method: "released", receipts }
    }

    /// What a method makes of others: their receipts together.
    pub fn of<'a>(
        inputs: impl IntoIterator<Item = &'a Self>,
        method: &'static str,
        value: f64,
        noise_variance: f64,
        interval: Option<Interval>,
    ) -> Self {
        let receipts = inputs.into_iter().flat_map(|input| input.receipts.iter().cloned());
        Self { value, noise_variance, interval, method, receipts: receipts.collect() }
    }

    /// The same in another unit: `factor` times all of it. A rate per person and day times
    /// 36,525,000 is one per 100,000 person-years.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        let ends = |interval: Interval| {
            let (a, b) = (interval.lower * factor, interval.upper * factor);
            Interval { lower: a.min(b), upper: a.max(b) }
        };
        Self {
            value: self.value * factor,
            noise_variance: self.noise_variance * factor * factor,
            interval: self.interval.map(ends),
            ..self
        }
    }

    /// The sum of several; the noise of each is independent of the others'.
    pub fn sum<'a>(inputs: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let value = inputs.clone().map(|input| input.value).sum();
        let noise_variance = inputs.clone().map(|input| input.noise_variance).sum();
        Self::of(inputs, "sum", value, noise_variance, None)
    }
}

#[cfg(test)]
mod tests {
    use super::{Estimate, Interval};
    use std::sync::Arc;

    #[test]
    fn a_sum_adds_noise_and_keeps_every_receipt_once() {
        let (a, b) = (Arc::from("a"), Arc::from("b"));
        let cells = [
            Estimate::released(5.0, 2.0, &a),
            Estimate::released(-1.0, 3.0, &b),
            Estimate::released(7.0, 1.0, &a),
        ];
        let sum = Estimate::sum(cells.iter());
        assert_eq!((sum.value, sum.noise_variance), (11.0, 6.0));
        assert_eq!(sum.receipts.into_iter().collect::<Vec<_>>(), [a, b]);
    }

    #[test]
    fn another_unit_changes_all_of_it_and_a_negative_one_turns_the_interval() {
        let interval = Some(Interval { lower: 1.0, upper: 3.0 });
        let estimate = Estimate { interval, noise_variance: 4.0, ..Estimate::exact(2.0) };
        let turned = estimate.times(-10.0);
        assert_eq!((turned.value, turned.noise_variance), (-20.0, 400.0));
        assert_eq!(turned.interval, Some(Interval { lower: -30.0, upper: -10.0 }));
    }
}
