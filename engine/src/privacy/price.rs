//! What a plan costs: from (ε, δ) to shares of ρ, to the least noise that fits, and to the charge.

use ledger_adapter::cost::{Cost, Delta, Rho};
use ledger_adapter::statement::{
    DISCRETE_GAUSSIAN, DISCRETE_LAPLACE, KEY_SELECTION, MechanismRecord,
};

use crate::error::{Code, Error, Rejection};
use crate::marginals::{Part, Plan};
use crate::noise::selection::keep_table;
use crate::noise::{self, Family, Noise};
use crate::perturb::residual;
use crate::privacy::boundary::{Boundary, Slot};
use crate::privacy::plan::PrivatePlan;
use crate::privacy::quantiles::{Drawing, drawings, quantile_records};

/// A plan with its noise and its cost.
#[derive(Debug)]
pub(crate) struct PricedPlan {
    pub(crate) plan: PrivatePlan,
    /// One per boundary.
    pub(crate) prices: Vec<BoundaryPrice>,
    /// Every mechanism, as far as it is known before anything is drawn.
    pub(crate) reserved: Vec<MechanismRecord>,
    pub(crate) cost: Cost,
    /// The (ε, δ) that was asked for.
    pub(crate) asked: (f64, f64),
}

/// What one boundary may spend, and on what.
#[derive(Clone, Debug)]
pub(crate) struct BoundaryPrice {
    /// One per column.
    pub(crate) columns: Vec<Rho>,
    /// One per column, for the sketch that tells who counts again: zero for those that have none.
    sketches: Vec<Rho>,
    /// One per private choice of a bound, in the order of [`Boundary::choices`].
    pub(crate) choices: Vec<Rho>,
    /// One per drawing of quantiles, in the order of [`drawings`].
    pub(crate) quantiles: Vec<Rho>,
    /// For choosing which keys are shown; zero if they are declared.
    pub(crate) keys: Delta,
    /// Most sites that count a person on their own.
    reach: u64,
    /// The laws of noise to choose from: only the Gaussian is put together from shares.
    families: &'static [Family],
}

impl BoundaryPrice {
    /// The noise of a slot of a column.
    ///
    /// # Errors
    /// `R-EPSILON` if the share is too small for any noise that can be drawn.
    pub(crate) fn noise(&self, slot: Slot) -> Result<Noise, noise::error::NoiseError> {
        let share = self.columns[slot.column];
        match slot.groups {
            Some(groups) => noise::noise_within(slot.sensitivity, groups, share, self.families),
            None => noise::noise_within(slot.sensitivity, 1, share, GAUSSIAN),
        }
    }

    /// The noise of the sketch of a slot.
    ///
    /// # Errors
    /// As [`BoundaryPrice::noise`].
    pub(crate) fn sketch_noise(&self, slot: Slot) -> Result<Noise, noise::error::NoiseError> {
        let (groups, share) = (slot.groups.unwrap_or(1), self.sketches[slot.column]);
        noise::noise_within(slot.sensitivity, groups, share, GAUSSIAN)
    }

    /// How far one person moves a profile for a private choice: one of its counts by one, at each
    /// site.
    pub(crate) const fn profile_reach(&self) -> u64 {
        self.reach
    }

    /// The noise of the profile for a private choice.
    ///
    /// # Errors
    /// As [`BoundaryPrice::noise`].
    pub(crate) fn profile_noise(&self, choice: usize) -> Result<Noise, noise::error::NoiseError> {
        noise::noise_within(self.reach, 1, self.choices[choice], GAUSSIAN)
    }
}

/// Prices a plan at (ε, δ).
///
/// The whole ρ that (ε, δ) allows is split over the noisy columns, quantiles and private choices
/// by their weights. Where keys are not declared, an eighth of δ pays for choosing them and the
/// rest for the conversion.
///
/// # Errors
/// `R-EPSILON` if ε or δ is out of range or too small for the plan.
pub(crate) fn price(plan: PrivatePlan, epsilon: f64, delta: f64) -> Result<PricedPlan, Error> {
    check(epsilon, delta)?;
    let asked = (epsilon, delta);
    let weight: f64 = plan.boundaries.iter().map(|boundary| weights(boundary).total()).sum();
    if plan.boundaries.is_empty() {
        let (prices, reserved, cost) = (vec![], vec![], Cost::default());
        return Ok(PricedPlan { plan, prices, reserved, cost, asked });
    }
    let unknown = plan.boundaries.iter().filter(|b| !b.is_declared).count() as u64;
    let spent_on_keys = if unknown > 0 { delta * KEYS_SHARE } else { 0.0 };
    let rho = noise::rho_within(epsilon, delta - spent_on_keys)?;
    let for_keys = Delta::from_atto(atto(spent_on_keys).checked_div(unknown).unwrap_or(0));
    let mut prices = Vec::with_capacity(plan.boundaries.len());
    let (mut cost, mut reserved) = (Cost::default(), Vec::new());
    let add = |cost: Cost, more: Cost| {
        cost.checked_add(more).ok_or(Error::Internal("the cost does not fit its integers"))
    };
    for boundary in &plan.boundaries {
        let weights = weights(boundary);
        let shares = |list: &[f64]| list.iter().map(|w| part(rho, w / weight)).collect::<Vec<_>>();
        let (columns, sketches) = divided(boundary, shares(&weights.columns));
        let price = BoundaryPrice {
            columns,
            sketches,
            choices: shares(&weights.choices),
            quantiles: shares(&weights.quantiles),
            keys: if boundary.is_declared { Delta::default() } else { for_keys },
            reach: boundary.reach(),
            families: if boundary.sites_per_person.is_some() { GAUSSIAN } else { EITHER },
        };
        check_keys(boundary, &price)?;
        for record in records(boundary, &price)? {
            cost = add(cost, Cost { rho: record.rho, delta: record.delta })?;
            reserved.push(record);
        }
        check_noise(boundary, &price)?;
        prices.push(price);
    }
    Ok(PricedPlan { plan, prices, reserved, cost, asked })
}

/// Refuses shares that are too small for choosing keys, whichever number of groups is chosen: the
/// most groups leave the least for each.
fn check_keys(boundary: &Boundary, price: &BoundaryPrice) -> Result<(), Rejection> {
    let Some(persons) = boundary.persons.filter(|_| !boundary.is_declared) else { return Ok(()) };
    let groups = boundary.groups_max();
    let made = if boundary.selects_keys() {
        keep_table(price.columns[persons], price.keys, groups).map(|_| ())
    } else {
        let noises = boundary.slots(persons).map(|slot| price.noise(slot));
        noises
            .last()
            .map_or(Ok(()), |noise| noise::threshold_of(noise?, groups, price.keys).map(|_| ()))
    };
    made.map_err(|_| {
        let reason = "epsilon or delta is too small to choose which groups to show";
        Rejection::new(Code::Epsilon, reason)
            .hint("ask with larger ones, or group by keys that are declared")
    })
}

/// Refuses bounds so wide that the noise does not fit an integer: nothing could be told of it after
/// the charge.
fn check_noise(boundary: &Boundary, price: &BoundaryPrice) -> Result<(), Rejection> {
    let mut noises = (0..boundary.columns.len()).flat_map(|column| boundary.slots(column));
    let is_beyond = |slot| {
        let rare = price.noise(slot).map(|noise| noise::quantile_of(noise, RARE));
        // Shares that give no noise have been refused.
        rare.is_ok_and(|most| most.map_or(true, |most| most > NOISE_MAX))
    };
    if !noises.any(is_beyond) {
        return Ok(());
    }
    let reason = "the bounds of a sum are so wide that its noise would not fit an integer";
    Err(Rejection::new(Code::Unbounded, reason)
        .hint("add smaller numbers, or ask with a larger epsilon"))
}

/// The shares of columns, and of the sketches that go with some of them.
fn divided(boundary: &Boundary, mut columns: Vec<Rho>) -> (Vec<Rho>, Vec<Rho>) {
    let mut sketches = vec![Rho::default(); columns.len()];
    for column in boundary.united() {
        let whole = columns[column].nano();
        let sum = whole / SUM_PART;
        columns[column] = Rho::from_nano(sum);
        sketches[column] = Rho::from_nano(whole - sum);
    }
    (columns, sketches)
}

/// What each part of a boundary weighs.
struct Weights {
    columns: Vec<f64>,
    choices: Vec<f64>,
    quantiles: Vec<f64>,
}

impl Weights {
    fn total(&self) -> f64 {
        [&self.columns, &self.choices, &self.quantiles].into_iter().flatten().sum()
    }
}

fn weights(boundary: &Boundary) -> Weights {
    let columns: Vec<f64> = boundary.columns.iter().map(|column| column.weight).collect();
    let all: f64 = columns.iter().sum();
    let choice = |(column, _): &(Option<usize>, &[u64])| match column {
        // With it, everything that hangs on that norm is bounded.
        Some(column) => columns[*column] * CHOICE_SHARE,
        None => all * CHOICE_SHARE,
    };
    Weights {
        choices: boundary.choices().iter().map(choice).collect(),
        quantiles: drawings(boundary).iter().map(Drawing::weight).collect(),
        columns,
    }
}

/// The mechanisms of a boundary as they are reserved before anything is drawn, in the order in
/// which they are drawn. What is chosen privately is not known then: scale and sensitivity are
/// zero.
///
/// # Errors
/// `R-EPSILON` if a share is too small.
fn records(
    boundary: &Boundary,
    price: &BoundaryPrice,
) -> Result<Vec<MechanismRecord>, noise::error::NoiseError> {
    let mut records = choice_records(boundary, price)?;
    let margins = residual::marginal_plan(boundary);
    for i in boundary.order() {
        if boundary.persons == Some(i) && boundary.selects_keys() {
            records.push(keys_record(boundary, price));
            continue;
        }
        let Some(slot) = boundary.slots(i).last() else { continue };
        if let Some(plan) = &margins {
            let open = boundary.rungs(i).len() > 1;
            let shares = residual::shares(plan, price.columns[i]);
            let drawn = margin_records(boundary, price, plan, slot)?.into_iter().zip(shares);
            records.extend(
                drawn.map(|(record, share)| if open { opened(record, share) } else { record }),
            );
            continue;
        }
        let mut record = slot_record(boundary, price, slot)?;
        if boundary.rungs(i).len() > 1 {
            record = opened(record, price.columns[i]);
        }
        if boundary.persons == Some(i) {
            record.delta = price.keys;
        }
        records.push(record);
    }
    for column in boundary.united() {
        let Some(slot) = boundary.slots(column).last() else { continue };
        let record = sketch_record(boundary, price, slot)?;
        let open = boundary.rungs(column).len() > 1;
        records.push(if open { opened(record, price.sketches[column]) } else { record });
    }
    records.extend(quantile_records(boundary, price)?);
    Ok(records)
}

/// A mechanism whose bound is not chosen yet.
fn opened(record: MechanismRecord, share: Rho) -> MechanismRecord {
    MechanismRecord {
        sensitivity: 0,
        groups_per_person: 0,
        scale_numerator: 0,
        scale_log2_denominator: 0,
        rho: share,
        ..record
    }
}

/// The mechanisms of one slot whose margins are put together from residuals: the sensitivity of
/// each is that of one cell, `groups_per_person` the squared length of a cell's projection.
///
/// # Errors
/// `R-EPSILON` if a share is too small.
pub(crate) fn margin_records(
    boundary: &Boundary,
    price: &BoundaryPrice,
    plan: &Plan,
    slot: Slot,
) -> Result<Vec<MechanismRecord>, noise::error::NoiseError> {
    let column = &boundary.columns[slot.column];
    let scales = residual::scales(boundary, plan, slot, price.columns[slot.column])?;
    let parts = plan.closure.iter().zip(scales);
    let one = |(part, (noise, shape)): (&Part, (Noise, Vec<u64>))| {
        let label = format!("{} (residual {:b})", column.label, part.attributes);
        let reach = (slot.sensitivity, part.squared_norm);
        let rho = noise::residual_charge(slot.sensitivity, &shape, noise.scale)?;
        let record = record(label, reach, noise)?;
        Ok(MechanismRecord { rho, decimal_places: column.decimals, ..record })
    };
    parts.map(one).collect()
}

/// The mechanisms by which bounds are chosen.
///
/// # Errors
/// `R-EPSILON` if a share is too small.
pub(crate) fn choice_records(
    boundary: &Boundary,
    price: &BoundaryPrice,
) -> Result<Vec<MechanismRecord>, noise::error::NoiseError> {
    let choices = boundary.choices().into_iter().enumerate();
    let one = |(i, (column, _)): (usize, (Option<usize>, &[u64]))| {
        let of = match column {
            Some(column) => format!("{} (choice of bound)", boundary.columns[column].label),
            None => "groups per person (choice of bound)".to_owned(),
        };
        record(of, (price.profile_reach(), 1), price.profile_noise(i)?)
    };
    choices.map(one).collect()
}

/// The choice of keys by their exact numbers of persons.
pub(crate) fn keys_record(boundary: &Boundary, price: &BoundaryPrice) -> MechanismRecord {
    let rho = boundary.persons.map_or(Rho::default(), |column| price.columns[column]);
    MechanismRecord {
        column: "keys".to_owned(),
        mechanism: KEY_SELECTION.to_owned(),
        sensitivity: 1,
        groups_per_person: boundary.groups_max(),
        scale_numerator: 0,
        scale_log2_denominator: 0,
        rho,
        delta: price.keys,
        decimal_places: 0,
        threshold: None,
    }
}

/// The mechanism of one slot, as it is drawn.
///
/// # Errors
/// As [`records`].
pub(crate) fn slot_record(
    boundary: &Boundary,
    price: &BoundaryPrice,
    slot: Slot,
) -> Result<MechanismRecord, noise::error::NoiseError> {
    let column = &boundary.columns[slot.column];
    let noise = price.noise(slot)?;
    let reach = (slot.sensitivity, slot.groups.unwrap_or(1));
    let record = record(column.label.clone(), reach, noise)?;
    Ok(MechanismRecord { decimal_places: column.decimals, ..record })
}

/// The sketch of a slot, as it is drawn. One person moves one number of a cell, at every site the
/// same, so by as much as the count of that cell.
///
/// # Errors
/// As [`records`].
pub(crate) fn sketch_record(
    boundary: &Boundary,
    price: &BoundaryPrice,
    slot: Slot,
) -> Result<MechanismRecord, noise::error::NoiseError> {
    let label = &boundary.columns[slot.column].label;
    let reach = (slot.sensitivity, slot.groups.unwrap_or(1));
    record(format!("{label} (sketch over sites)"), reach, price.sketch_noise(slot)?)
}

fn record(
    column: String,
    (sensitivity, groups): (u64, u64),
    noise: Noise,
) -> Result<MechanismRecord, noise::error::NoiseError> {
    let mechanism = match noise.family {
        Family::Gaussian => DISCRETE_GAUSSIAN,
        Family::Laplace => DISCRETE_LAPLACE,
    };
    Ok(MechanismRecord {
        column,
        mechanism: mechanism.to_owned(),
        sensitivity,
        groups_per_person: groups,
        scale_numerator: noise.scale.numerator,
        scale_log2_denominator: noise.scale.log2_denominator,
        rho: noise::charge_of(sensitivity, groups, noise)?,
        delta: Delta::default(),
        decimal_places: 0,
        threshold: None,
    })
}

fn part(rho: Rho, fraction: f64) -> Rho {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction from 0 to 1 of an integer, rounded down"
    )]
    let nano = (rho.nano() as f64 * fraction * (1.0 - 1e-12)).floor() as u64;
    Rho::from_nano(nano.min(rho.nano()))
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

/// One part in so many of what a number of persons over sites may cost is for the sum of what sites
/// count, and the rest for the sketch that tells who is counted again: it is the less precise one.
const SUM_PART: u64 = 4;

/// What a private choice of a bound gets, of what is spent under that bound.
const CHOICE_SHARE: f64 = 0.1;

/// The share of δ that pays for choosing keys. A threshold grows with the root of its logarithm
/// only, so a small share costs little, and lets an account's own δ last.
const KEYS_SHARE: f64 = 0.125;

/// How rarely noise may be beyond what is looked at before the charge.
const RARE: f64 = 1e-12;

/// Most that noise may come to so rarely: half of what is left beside a total of 64 bits.
const NOISE_MAX: i64 = i64::MAX / 2;

const GAUSSIAN: &[Family] = &[Family::Gaussian];

const EITHER: &[Family] = &[Family::Gaussian, Family::Laplace];

/// Smallest ε that is answered; below it noise drowns any count of persons.
pub(crate) const EPSILON_MIN: f64 = 0.001;

/// Largest ε; such values serve acceptance tests against exact answers.
pub(crate) const EPSILON_MAX: f64 = 10_000.0;

/// Largest δ: above it, whole records may be shown by chance.
pub(crate) const DELTA_MAX: f64 = 0.01;
