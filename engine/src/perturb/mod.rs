//! From exact to noisy aggregates, step by step through the one door of noise.
//!
//! ```text
//!  profiles ─add─▶ bounds for groups ─┬─▶ which keys are shown ─▶ bounds for norms ─┐
//!                                     └── persons ─add or keep─┘                    │
//!  estimates ◀── noisy columns ◀─add─ columns under their bounds ◀──────────────────┘
//!            ◀── persons       ◀─add─ sketches of who is counted at several sites
//!            ◀── quantiles     ◀─select─ scores of candidates, or add to a tree of counts
//! ```
//! Each step sees what the steps before it have released, and public parameters; nothing else of
//! the records decides what is done. It does not draw noise itself, and does not know queries.

mod bounds;
pub(crate) mod overlap;
pub(crate) mod quantile;
pub(crate) mod residual;
pub(crate) mod sketch;
pub(crate) mod tree;

use arrow::array::{ArrayRef, UInt64Array};
use arrow::compute::take;
use datafusion::error::DataFusionError;
use ledger_adapter::statement::MechanismRecord;

use crate::aggregate::exact::ExactAggregates;
use crate::marginals::Plan;
use crate::marginals::error::MarginalsError;
use crate::noise::error::NoiseError;
use crate::noise::purse::Door;
use crate::noise::selection::keep_table;
use crate::noise::{self, Column, Noise, Scale};
use crate::perturb::bounds::{choose_groups, choose_norm};
use crate::perturb::quantile::{Drawn, quantiles};
use crate::perturb::residual::{Margin, marginal_plan};
use crate::perturb::sketch::Counted;
use crate::privacy::boundary::{Boundary, Slot};
use crate::privacy::contributions::Bound;
use crate::privacy::price::{
    BoundaryPrice, PricedPlan, choice_records, keys_record, margin_records, sketch_record,
    slot_record,
};
use crate::privacy::quantiles::quantile_records;

/// The noisy cells of one boundary that are shown.
#[derive(Debug)]
pub(crate) struct NoisyAggregates {
    /// One array per key.
    pub(crate) keys: Vec<ArrayRef>,
    /// One vector per column, in steps of its grid; empty for persons that serve keys only.
    pub(crate) columns: Vec<Vec<i128>>,
    /// The noise of each column.
    pub(crate) noises: Vec<Noise>,
    /// One per column, where margins are put together from residuals; then `columns` are empty.
    pub(crate) margins: Vec<Margin>,
    /// One vector per quantile.
    pub(crate) quantiles: Vec<Vec<Drawn>>,
    /// One vector per column: its numbers of persons, where one at several sites counts once; empty
    /// for the others.
    pub(crate) united: Vec<Vec<Drawn>>,
    /// What was chosen privately, per column.
    pub(crate) bounds: Vec<Option<Chosen>>,
    /// Most groups of a person that count.
    pub(crate) groups: u64,
    /// Keys of so many persons or fewer are not shown.
    pub(crate) threshold: Option<i64>,
}

/// A bound that was chosen privately.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Chosen {
    /// The L2 norm of a person's totals over groups, in steps of the grid.
    pub(crate) norm: u64,
    /// What it cuts off of all cells together at most, with 97.5 % confidence, in steps.
    pub(crate) cut: f64,
}

/// What went wrong beyond the gate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PerturbError {
    #[error("noise")]
    Noise(#[from] NoiseError),
    #[error("columns")]
    Columns(#[from] DataFusionError),
    #[error("keys")]
    Keys(#[from] arrow::error::ArrowError),
    #[error("margins")]
    Margins(#[from] MarginalsError),
}

/// Adds noise to all boundaries. `confidence` is that of the intervals of quantiles.
///
/// Returns the noisy cells, and every mechanism as it was carried out.
///
/// # Errors
/// Whatever went wrong; the charge stands.
///
/// # Privacy
/// Every pass through the door declares how far one person moves it, and pays for it; what is
/// passed depends on records only through earlier outputs of the door. So the whole satisfies
/// what the passes add up to (adaptive composition).
pub(crate) fn run(
    priced: &PricedPlan,
    exact: Vec<ExactAggregates>,
    door: &mut dyn Door,
    confidence: f64,
) -> Result<(Vec<NoisyAggregates>, Vec<MechanismRecord>), PerturbError> {
    let mut noisy = Vec::with_capacity(exact.len());
    let mut records = Vec::new();
    for ((boundary, price), exact) in priced.plan.boundaries.iter().zip(&priced.prices).zip(exact) {
        let step = Step { boundary, price, exact, confidence };
        noisy.push(step.run(door, &mut records)?);
    }
    Ok((noisy, records))
}

/// One boundary on its way.
struct Step<'a> {
    boundary: &'a Boundary,
    price: &'a BoundaryPrice,
    exact: ExactAggregates,
    confidence: f64,
}

/// Which cells are shown.
struct Shown {
    cells: Vec<usize>,
    /// The noisy numbers of persons of all cells, where they were drawn for it.
    persons: Option<Vec<i128>>,
    /// The law of their noise.
    law: Option<Noise>,
    threshold: Option<i64>,
}

/// Gives columns the rungs of those that they hang on.
fn link(boundary: &Boundary, rungs: &mut [usize]) {
    for (column, contribution) in boundary.columns.iter().enumerate() {
        if let Bound::Linked { anchor, .. } = contribution.bound {
            rungs[column] = rungs[anchor];
        }
    }
}

impl Step<'_> {
    fn run(
        mut self,
        door: &mut dyn Door,
        records: &mut Vec<MechanismRecord>,
    ) -> Result<NoisyAggregates, PerturbError> {
        let boundary = self.boundary;
        records.extend(choice_records(boundary, self.price)?);
        let profiles = self.profiles(door)?;
        let spreads = (0..profiles.len())
            .map(|i| Ok(noise::deviation(door.law(self.price.profile_noise(i)?)?)));
        let spreads = spreads.collect::<Result<Vec<f64>, NoiseError>>()?;
        let mut profiles = boundary.choices().into_iter().zip(profiles).enumerate();
        let mut groups_rung = boundary.groups.len() - 1;
        if boundary.groups.len() > 1
            && let Some((i, ((_, rungs), profile))) = profiles.next()
        {
            groups_rung = choose_groups(rungs, &profile, spreads[i]);
        }
        let groups = boundary.groups[groups_rung];
        let plan = marginal_plan(boundary);
        let shown = match &plan {
            // Small cells are left out of the finished margins.
            Some(_) => self.every_cell(),
            None => self.shown(door, groups_rung, records)?,
        };
        let mut rungs = vec![groups_rung; boundary.columns.len()];
        let mut bounds = vec![None; boundary.columns.len()];
        for (i, ((column, norms), profile)) in profiles {
            let Some(column) = column else { continue };
            let noises = boundary
                .slots(column)
                .map(|slot| Ok(noise::deviation(door.law(self.price.noise(slot)?)?)));
            let noises = noises.collect::<Result<Vec<f64>, NoiseError>>()?;
            let (rung, cut) = choose_norm(norms, &profile, spreads[i], &noises, shown.cells.len());
            rungs[column] = rung;
            bounds[column] = Some(Chosen { norm: norms[rung], cut });
        }
        link(boundary, &mut rungs);
        let (columns, noises, margins) = match &plan {
            Some(plan) => {
                let margins = self.margins(door, plan, &rungs, records)?;
                let (columns, noises) = (vec![], REFERENCE.into());
                (vec![columns; rungs.len()], vec![noises; rungs.len()], margins)
            }
            None => {
                let (columns, noises) = self.columns(door, &shown, &rungs, records)?;
                (columns, noises, vec![])
            }
        };
        let united = self.united(door, &shown, &rungs, (&columns, &noises), records)?;
        let bins = std::mem::take(&mut self.exact.bins);
        let quantiles =
            quantiles((boundary, self.price), &bins, &shown.cells, self.confidence, door)?;
        records.extend(quantile_records(boundary, self.price)?);
        let picked: UInt64Array = shown.cells.iter().map(|cell| *cell as u64).collect();
        let keys = self.exact.keys.iter().map(|array| take(array, &picked, None));
        Ok(NoisyAggregates {
            keys: keys.collect::<Result<_, _>>()?,
            columns,
            noises,
            margins,
            quantiles,
            united,
            bounds,
            groups,
            threshold: shown.threshold,
        })
    }

    /// Noisy profiles, for the private choices.
    fn profiles(&mut self, door: &mut dyn Door) -> Result<Vec<Vec<i128>>, PerturbError> {
        let profiles = std::mem::take(&mut self.exact.profiles);
        if profiles.is_empty() {
            return Ok(vec![]);
        }
        let column = |(i, values)| {
            let noise = self.price.profile_noise(i)?;
            Ok(Column::within(values, self.price.profile_reach(), Some(1), noise))
        };
        let columns = profiles.into_iter().enumerate().map(column);
        Ok(door.add_to_choose(columns.collect::<Result<_, NoiseError>>()?)?)
    }

    fn every_cell(&self) -> Shown {
        let cells = (0..self.exact.codes.len()).collect();
        Shown { cells, persons: None, law: None, threshold: None }
    }

    /// Which cells are shown: all declared ones, or those of enough persons.
    fn shown(
        &self,
        door: &mut dyn Door,
        rung: usize,
        records: &mut Vec<MechanismRecord>,
    ) -> Result<Shown, PerturbError> {
        let boundary = self.boundary;
        let every = || (0..self.exact.codes.len()).collect();
        let Some(persons) = boundary.persons else { return Ok(self.every_cell()) };
        let slot = boundary.first_slot(persons) + rung;
        let counts = &self.exact.slots[slot];
        let groups = boundary.groups[rung];
        if boundary.selects_keys() {
            let table = keep_table(self.price.columns[persons], self.price.keys, groups)?;
            self.name_cells(&[every()]);
            let kept = door.keep(counts, &table)?;
            records.push(keys_record(boundary, self.price));
            let cells = (0..kept.len()).filter(|cell| kept[*cell]).collect();
            return Ok(Shown { cells, persons: None, law: None, threshold: None });
        }
        let slot = boundary.slots(persons).nth(rung).ok_or_else(missing)?;
        let noise = self.price.noise(slot)?;
        self.name_cells(&[every()]);
        let noisy = door.add(vec![column(counts.clone(), slot, noise)])?.remove(0);
        let noise = door.law(noise)?;
        let mut threshold = None;
        if !boundary.is_declared {
            threshold = Some(noise::threshold_of(noise, groups, self.price.keys)?);
        }
        if boundary.persons_min > 0 {
            // So many persons are there with 95 % confidence.
            let margin = noise::quantile_of(noise, 0.1)?;
            // A person may be counted at each of so many sites.
            let reach = boundary.reach();
            let least = boundary.persons_min.saturating_sub(1).saturating_mul(reach);
            let least = i64::try_from(least).unwrap_or(i64::MAX);
            let enough = least.saturating_add(margin);
            threshold = Some(threshold.unwrap_or(enough).max(enough));
        }
        let above = |persons: i128| threshold.is_none_or(|t| persons > i128::from(t));
        let cells = (0..noisy.len()).filter(|cell| above(noisy[*cell])).collect();
        let mut record = slot_record(boundary, self.price, slot)?;
        record.delta = self.price.keys;
        record.threshold = threshold;
        records.push(record);
        Ok(Shown { cells, persons: Some(noisy), law: Some(noise), threshold })
    }

    /// The noisy columns of the shown cells, each under its bound.
    fn columns(
        &self,
        door: &mut dyn Door,
        shown: &Shown,
        rungs: &[usize],
        records: &mut Vec<MechanismRecord>,
    ) -> Result<(Vec<Vec<i128>>, Vec<Noise>), PerturbError> {
        let boundary = self.boundary;
        let mut drawn = Vec::new();
        let mut noises = Vec::with_capacity(rungs.len());
        for (column, rung) in rungs.iter().enumerate() {
            let slot = boundary.slots(column).nth(*rung).ok_or_else(missing)?;
            let noise = self.price.noise(slot)?;
            noises.push(noise);
            if boundary.persons == Some(column) {
                continue;
            }
            let values = &self.exact.slots[boundary.first_slot(column) + rung];
            let values = shown.cells.iter().map(|cell| values[*cell]).collect();
            drawn.push(self::column(values, slot, noise));
            records.push(slot_record(boundary, self.price, slot)?);
        }
        self.name_cells(&vec![shown.cells.clone(); drawn.len()]);
        let mut noisy = door.add(drawn)?.into_iter();
        // That of persons was drawn before, maybe with others.
        let noises = noises.into_iter().enumerate().map(|(column, noise)| match shown.law {
            Some(law) if boundary.persons == Some(column) => Ok(law),
            _ => door.law(noise),
        });
        let noises = noises.collect::<Result<Vec<Noise>, NoiseError>>()?;
        let columns = (0..rungs.len()).map(|column| {
            if boundary.persons != Some(column) {
                return noisy.next().unwrap_or_default();
            }
            let persons = shown.persons.as_deref().unwrap_or_default();
            let at = |cell: &usize| persons.get(*cell).copied().unwrap_or(0);
            shown.cells.iter().map(at).collect()
        });
        Ok((columns.collect(), noises))
    }

    /// Numbers of persons of the shown cells, each person once over all sites.
    fn united(
        &self,
        door: &mut dyn Door,
        shown: &Shown,
        rungs: &[usize],
        (columns, noises): (&[Vec<i128>], &[Noise]),
        records: &mut Vec<MechanismRecord>,
    ) -> Result<Vec<Vec<Drawn>>, PerturbError> {
        let boundary = self.boundary;
        let mut united = vec![vec![]; columns.len()];
        let mut counted = Vec::new();
        for column in boundary.united() {
            let slot = boundary.slots(column).nth(rungs[column]).ok_or_else(missing)?;
            let marks = &self.exact.marks[column];
            counted.push(Counted {
                slot,
                marks: shown.cells.iter().map(|cell| marks[*cell].as_slice()).collect(),
                sums: &columns[column],
                law: noises[column],
                noise: self.price.sketch_noise(slot)?,
                sites: boundary.reach(),
            });
            records.push(sketch_record(boundary, self.price, slot)?);
        }
        if counted.is_empty() {
            return Ok(united);
        }
        let drawn = sketch::draw(&counted, self.confidence, door)?;
        for (column, drawn) in boundary.united().zip(drawn) {
            united[column] = drawn;
        }
        Ok(united)
    }

    /// The margins of all columns, each under its bound.
    fn margins(
        &self,
        door: &mut dyn Door,
        plan: &Plan,
        rungs: &[usize],
        records: &mut Vec<MechanismRecord>,
    ) -> Result<Vec<Margin>, PerturbError> {
        let boundary = self.boundary;
        let mut margins = vec![Margin::default(); rungs.len()];
        for column in boundary.order() {
            let rung = rungs[column];
            let slot = boundary.slots(column).nth(rung).ok_or_else(missing)?;
            let whole = self.price.columns[column];
            let full = &self.exact.slots[boundary.first_slot(column) + rung];
            margins[column] = residual::draw(boundary, plan, (slot, whole), full, door)?;
            records.extend(margin_records(boundary, self.price, plan, slot)?);
        }
        Ok(margins)
    }

    /// Tells the tape of the tests which cells the next pass is about.
    #[cfg(test)]
    fn name_cells(&self, parts: &[Vec<usize>]) {
        let name = |cell: &usize| self.exact.codes[*cell].clone();
        let parts = parts.iter().map(|cells| Some(cells.iter().map(name).collect()));
        noise::tape::set_keys(parts.collect());
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the tape of the tests only")]
    const fn name_cells(&self, _: &[Vec<usize>]) {}
}

/// The noise beside which that of margins is stated: wide enough for its steps not to show.
const REFERENCE: Scale = Scale { numerator: 4_096, log2_denominator: 0 };

fn column(values: Vec<i128>, slot: Slot, noise: Noise) -> Column {
    Column::within(values, slot.sensitivity, slot.groups, noise)
}

fn missing() -> DataFusionError {
    DataFusionError::Internal("a slot is missing".to_owned())
}
