//! What a plan costs: from (ε, δ) to the least noise that fits, and to the charge that follows
//! from the noise.

use ledger_adapter::cost::{Cost, Delta, Rho};
use ledger_adapter::statement::MechanismRecord;

use crate::error::{Code, Error, Rejection};
use crate::noise::{self, Scale};
use crate::privacy::plan::PrivatePlan;

/// A plan with its noise and its cost.
#[derive(Debug)]
pub(crate) struct PricedPlan {
    pub(crate) plan: PrivatePlan,
    /// One per boundary.
    pub(crate) prices: Vec<BoundaryPrice>,
    pub(crate) cost: Cost,
}

/// The noise of one boundary.
#[derive(Debug)]
pub(crate) struct BoundaryPrice {
    /// One scale per column, in steps of its grid.
    pub(crate) scales: Vec<Scale>,
    /// A key is shown if its noisy number of persons is above this; `None` if keys are declared.
    pub(crate) threshold: Option<i64>,
    /// What each column costs, and the threshold.
    pub(crate) mechanisms: Vec<MechanismRecord>,
}

/// Prices a plan at (ε, δ).
///
/// The whole ρ that (ε, δ) allows is split evenly over the noisy columns. Where keys are not
/// declared, half of δ pays for the thresholds and half for the conversion.
///
/// # Errors
/// `R-EPSILON` if ε or δ is out of range or too small for the plan.
pub(crate) fn price(plan: PrivatePlan, epsilon: f64, delta: f64) -> Result<PricedPlan, Error> {
    check(epsilon, delta)?;
    let columns: u64 = plan.boundaries.iter().map(|b| b.columns.len() as u64).sum();
    if columns == 0 {
        return Ok(PricedPlan { plan, prices: vec![], cost: Cost::default() });
    }
    let thresholds = plan.boundaries.iter().filter(|b| b.persons.is_some()).count() as u64;
    let spent_on_keys = if thresholds > 0 { delta / 2.0 } else { 0.0 };
    let rho = noise::rho_within(epsilon, delta - spent_on_keys)?;
    let share = Rho::from_nano(rho.nano() / columns);
    let for_keys = atto(spent_on_keys).checked_div(thresholds).unwrap_or(0);
    let mut prices = Vec::with_capacity(plan.boundaries.len());
    let mut cost = Cost::default();
    for boundary in &plan.boundaries {
        let mut price = BoundaryPrice { scales: vec![], threshold: None, mechanisms: vec![] };
        for (i, column) in boundary.columns.iter().enumerate() {
            let (sensitivity, groups) = (column.sensitivity(), boundary.groups_max);
            let scale = noise::scale_within(sensitivity, groups, share)?;
            let rho = noise::charge(sensitivity, groups, scale)?;
            let chooses = boundary.persons == Some(i);
            let delta = Delta::from_atto(if chooses { for_keys } else { 0 });
            if chooses {
                price.threshold = Some(noise::threshold(scale, groups, delta)?);
            }
            cost = cost
                .checked_add(Cost { rho, delta })
                .ok_or(Error::Internal("the cost does not fit its integers"))?;
            price.scales.push(scale);
            price.mechanisms.push(MechanismRecord {
                column: column.label.clone(),
                mechanism: MECHANISM.to_owned(),
                sensitivity,
                groups_per_person: groups,
                scale_numerator: scale.numerator,
                scale_log2_denominator: scale.log2_denominator,
                rho,
                delta,
                decimal_places: column.decimals,
                threshold: if chooses { price.threshold } else { None },
            });
        }
        prices.push(price);
    }
    Ok(PricedPlan { plan, prices, cost })
}

fn check(epsilon: f64, delta: f64) -> Result<(), Rejection> {
    if !(EPSILON_MIN..=EPSILON_MAX).contains(&epsilon) {
        let reason =
            format!("epsilon is {epsilon}, and must be from {EPSILON_MIN} to {EPSILON_MAX}");
        return Err(Rejection::new(Code::Epsilon, reason).hint("for instance --epsilon 1"));
    }
    if !(delta > 0.0 && delta <= DELTA_MAX) {
        let reason = format!("delta is {delta}, and must be above 0 and at most {DELTA_MAX}");
        return Err(Rejection::new(Code::Epsilon, reason).hint("for instance --delta 1e-6"));
    }
    Ok(())
}

/// Rounded down: a smaller δ is the stronger promise.
fn atto(delta: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 10^17, as delta is at most DELTA_MAX"
    )]
    let atto = (delta * 1e18).floor() as u64;
    atto
}

/// Name of the one mechanism, in receipts.
pub(crate) const MECHANISM: &str = "discrete-gaussian";

/// Smallest ε that is answered; below it noise drowns any count of persons.
pub(crate) const EPSILON_MIN: f64 = 0.001;

/// Largest ε; such values serve acceptance tests against exact answers.
pub(crate) const EPSILON_MAX: f64 = 10_000.0;

/// Largest δ: above it, whole records may be shown by chance.
pub(crate) const DELTA_MAX: f64 = 0.01;
