//! Questions that are fixed before the first of them is answered, as those of a report.
//!
//! What they cost the account is a sum of (ρ, δ), as always: only that may be spent by whoever
//! chooses the next question after an answer. What they amount to together is less, and said here,
//! by their privacy loss distribution.

use ledger_adapter::cost::Cost;
use ledger_adapter::statement::{
    DISCRETE_GAUSSIAN, DISCRETE_LAPLACE, EXPONENTIAL, MechanismRecord,
};

use crate::engine::{Engine, Query};
use crate::error::Error;
use crate::noise::epsilon_of;
use crate::noise::error::NoiseError;
use crate::noise::pld::{PrivacyLoss, compose};

/// What a fixed list of questions costs.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Registered {
    /// What their answers will charge, in sum.
    pub cost: Cost,
    /// ε of that cost at the asked δ; infinite if its own δ is more already.
    pub epsilon: f64,
    /// ε of the whole list at the asked δ, by its privacy loss distribution; `None` if a mechanism
    /// is known by its cost only, as a choice of keys or a bound to be chosen is.
    pub epsilon_together: Option<f64>,
}

impl Engine {
    /// Prices a list of questions that is fixed before any of them is answered, at a `delta`
    /// between 0 and 1 for all of them together. Nothing is charged.
    ///
    /// # Errors
    /// As [`Engine::quote`].
    ///
    /// # Source
    /// Doroshenko, Ghazi, Kamath, Kumar and Manurangsi, Connect the Dots, 2022.
    pub async fn registered(&self, queries: &[Query], delta: f64) -> Result<Registered, Error> {
        let mut cost = Cost::default();
        let mut mechanisms = Vec::new();
        for query in queries {
            let priced = self.plan(query).await?;
            let sum = cost.checked_add(priced.cost);
            cost = sum.ok_or(Error::Internal("the cost does not fit its integers"))?;
            mechanisms.extend(priced.reserved);
        }
        let left = delta - cost.delta.as_f64();
        let epsilon = if left > 0.0 { epsilon_of(cost.rho, left)? } else { f64::INFINITY };
        let epsilon_together = together(&mechanisms, left)?;
        Ok(Registered { cost, epsilon, epsilon_together })
    }
}

/// ε at `delta` of mechanisms together; `None` if one has no known law.
fn together(mechanisms: &[MechanismRecord], delta: f64) -> Result<Option<f64>, NoiseError> {
    let mut losses = Vec::with_capacity(mechanisms.len());
    for record in mechanisms {
        let per_cell = record.sensitivity > 0 && record.scale_numerator > 0;
        // Beyond that many it is no number of groups, but the square of a length.
        if !per_cell || record.groups_per_person > GROUPS_MAX {
            return Ok(None);
        }
        let places = -f64::from(record.scale_log2_denominator);
        let scale = record.scale_numerator as f64 * places.exp2();
        let loss = match record.mechanism.as_str() {
            DISCRETE_GAUSSIAN => PrivacyLoss::discrete_gaussian(record.sensitivity, scale)?,
            DISCRETE_LAPLACE => PrivacyLoss::discrete_laplace(record.sensitivity, scale)?,
            EXPONENTIAL => PrivacyLoss::approximate(record.sensitivity as f64 * scale, 0.0)?,
            _ => return Ok(None),
        };
        losses.push((loss, record.groups_per_person));
    }
    if delta <= 0.0 || losses.is_empty() {
        return Ok(None);
    }
    Ok(Some(compose(&losses).epsilon(delta)))
}

/// Groups of one person, at most; what is more is the square of a residual's length.
const GROUPS_MAX: u64 = 1_000;
