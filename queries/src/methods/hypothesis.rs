//! What a test of a hypothesis on released numbers says.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::distribution::chi_square_tail;
use crate::estimate::Estimate;

/// A statistic with its law under the hypothesis; noise is in the law, so that it is rejected no
/// more often than the p-value says.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// The statistic, chi-square under the hypothesis; NaN where there is too little to test.
    pub statistic: f64,
    /// Degrees of freedom of the chi-square.
    pub degrees: f64,
    /// Probability of such a statistic or a larger one under the hypothesis; NaN as above.
    pub p: f64,
    /// The field's name of the test.
    pub method: &'static str,
    /// Names of the receipts that prove the numbers it was made of.
    pub receipts: BTreeSet<Arc<str>>,
}

impl Test {
    /// A test by chi-square with so many degrees of freedom, from these inputs.
    pub(crate) fn chi_square<'a>(
        inputs: impl IntoIterator<Item = &'a Estimate>,
        method: &'static str,
        statistic: f64,
        degrees: f64,
    ) -> Self {
        let receipts = inputs.into_iter().flat_map(|input| input.receipts.iter().cloned());
        let p = if statistic.is_nan() || degrees <= 0.0 {
            f64::NAN
        } else {
            chi_square_tail(statistic, degrees)
        };
        Self { statistic, degrees, p, method, receipts: receipts.collect() }
    }
}
