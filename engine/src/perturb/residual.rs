//! Columns of ROLLUP, CUBE and GROUPING SETS over declared keys, each person in one cell: noise is
//! drawn once per residual, so that margins agree and have the least variance for the charge.

use crate::marginals::error::MarginalsError;
use crate::marginals::{Plan, Weights, plan};
use crate::noise::error::NoiseError;
use crate::noise::purse::Door;
use crate::noise::{Column, Noise, Residual, deviation, residual_scale_within};
use crate::perturb::PerturbError;
use crate::privacy::boundary::{Boundary, Slot};
use ledger_adapter::cost::Rho;

/// Estimates of all margins of one column.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Margin {
    /// One table per asked set, in their order; its cells in the order of its keys; in steps of
    /// the column's grid.
    pub(crate) estimates: Vec<Vec<f64>>,
    /// Standard deviation of a cell of each of them.
    pub(crate) deviations: Vec<f64>,
}

/// How the margins of a boundary are put together; `None` if they are sums of noisy cells.
pub(crate) fn marginal_plan(boundary: &Boundary) -> Option<Plan> {
    let margins = boundary.margins.as_ref()?;
    if !boundary.is_declared || boundary.groups != [1] {
        return None;
    }
    let sizes = boundary.keys.iter().map(|key| Some(key.domain.as_ref()?.len() as u64));
    let sizes: Vec<u64> = sizes.collect::<Option<_>>()?;
    let kept = |set: &u32| {
        let keys = (0..margins.keys).filter(|key| !margins.is_summed(*set, *key));
        keys.map(|key| 1u32 << key).sum()
    };
    let wanted: Vec<u32> = margins.sets.iter().map(kept).collect();
    plan(&sizes, &wanted, Weights::PerMarginal, 1).ok()
}

/// The part of a column's ρ that each residual gets, in the order of the plan's closure.
pub(crate) fn shares(plan: &Plan, whole: Rho) -> Vec<Rho> {
    // Each gets a little, so that none is without noise that can be drawn.
    let parts = plan.closure.len() as u64;
    let least = (whole.nano() / (parts * 100)).max(1);
    let left = whole.nano().saturating_sub(least * parts);
    let share = |part: &crate::marginals::Part| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a fraction from 0 to 1 of an integer, rounded down"
        )]
        let nano = (left as f64 * part.rho_share * (1.0 - 1e-12)).floor() as u64;
        Rho::from_nano(least + nano)
    };
    plan.closure.iter().map(share).collect()
}

/// The noise of each residual of a slot, on its fine grid, and its shape.
///
/// # Errors
/// What pricing refuses.
pub(crate) fn scales(
    boundary: &Boundary,
    plan: &Plan,
    slot: Slot,
    whole: Rho,
) -> Result<Vec<(Noise, Vec<u64>)>, NoiseError> {
    let parts = plan.closure.iter().zip(shares(plan, whole));
    let one = |(part, share): (&crate::marginals::Part, Rho)| {
        let sizes = boundary.keys.iter().enumerate().filter_map(|(i, key)| {
            let size = key.domain.as_ref()?.len() as u64;
            (part.attributes >> i & 1 == 1).then_some(size)
        });
        let shape: Vec<u64> = sizes.collect();
        let scale = residual_scale_within(slot.sensitivity, &shape, share)?;
        Ok((scale.into(), shape))
    };
    parts.map(one).collect()
}

/// Draws the margins of one slot over all cells.
///
/// # Errors
/// As [`Purse::add`].
///
/// # Privacy
/// A person is in one cell of the full table and moves it by at most the slot's sensitivity, so
/// each residual costs what [`crate::noise::residual_charge`] says.
pub(super) fn draw(
    boundary: &Boundary,
    plan: &Plan,
    (slot, whole): (Slot, Rho),
    full: &[i128],
    door: &mut dyn Door,
) -> Result<Margin, PerturbError> {
    let shape = plan.shape();
    let mut columns = Vec::with_capacity(plan.closure.len());
    let mut noises = Vec::with_capacity(plan.closure.len());
    for (part, (noise, sizes)) in plan.closure.iter().zip(scales(boundary, plan, slot, whole)?) {
        let values = shape.marginal_of(full, part.attributes)?;
        noises.push(noise);
        let residual = Some(Residual { shape: sizes });
        let within = Column::within(values, slot.sensitivity, Some(1), noise);
        columns.push(Column { residual, ..within });
    }
    let drawn = door.add(columns)?;
    let sigmas = plan.closure.iter().zip(noises);
    let sigmas = sigmas.map(|(part, noise)| Ok(deviation(door.law(noise)?) / part.cells as f64));
    let sigmas = sigmas.collect::<Result<Vec<f64>, NoiseError>>()?;
    let residuals = plan.closure.iter().zip(drawn);
    let residuals = residuals.map(|(part, values)| shape.projected(part.attributes, values));
    let residuals: Vec<_> = residuals.collect::<Result<_, MarginalsError>>()?;
    let sets = plan.wanted().iter();
    let estimates = sets.map(|set| Ok(plan.estimates(&plan.reconstruct(&residuals, *set)?)));
    let estimates = estimates.collect::<Result<Vec<_>, MarginalsError>>()?;
    let deviations = plan.variances(&sigmas)?.into_iter().map(f64::sqrt).collect();
    Ok(Margin { estimates, deviations })
}
