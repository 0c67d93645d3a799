//! What a coordinator tells sites to do: a question, its price and its charge, signed.

use ledger_adapter::charge::ChargeRequest;
use ledger_adapter::digest::Digest;
use ledger_adapter::error::LedgerError;
use ledger_adapter::keys::{PublicKey, Signer};
use ledger_adapter::statement::{Intent, intent_commitment};
use serde::{Deserialize, Serialize};

use crate::engine::Query;
use crate::error::{Code, Error, Rejection};
use crate::federation::frame::{pack, unpack};
use crate::federation::round::{CELLS_MAX, width};
use crate::federation::terms::Federation;
use crate::federation::transport::Refusal;
use crate::noise::error::NoiseError;
use crate::noise::{Column, Noise, Residual};
use crate::perturb::residual;
use crate::perturb::sketch::REGISTERS_MIN;
use crate::privacy::boundary::Boundary;
use crate::privacy::contributions::NestedKind;
use crate::privacy::plan::PrivatePlan;
use crate::privacy::price::{BoundaryPrice, PricedPlan};
use crate::privacy::quantiles::drawings;
use crate::privacy::relation::ContributionBounds;

/// A question, with all that a site needs to see for itself that it may be answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    version: u32,
    /// Digest of the federation's terms.
    pub(super) federation: Digest,
    epsilon: f64,
    delta: f64,
    rows_per_person: Option<u32>,
    groups_per_person: Option<u32>,
    persons_min: u32,
    /// Whether the question is in the dialect of OHDSI.
    pub(super) is_ohdsi: bool,
    pub(super) confidence: f64,
    /// What was charged; its text is the question.
    pub(super) intent: Intent,
    /// With which the intent is committed to.
    pub(super) salt: Digest,
}

/// What an order says besides its question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) federation: Digest,
    pub(super) is_ohdsi: bool,
    pub(super) confidence: f64,
}

impl Order {
    pub(super) fn new(query: &Query, manner: Manner, intent: Intent, salt: Digest) -> Self {
        let ContributionBounds { rows_per_person, groups_per_person, persons_min, .. } =
            query.bounds;
        let Query { epsilon, delta, .. } = *query;
        let Manner { federation, is_ohdsi, confidence } = manner;
        Self {
            version: 1,
            federation,
            epsilon,
            delta,
            rows_per_person,
            groups_per_person,
            persons_min,
            is_ohdsi,
            confidence,
            intent,
            salt,
        }
    }

    /// The question, under the terms of a federation.
    pub(super) fn query(&self, federation: &Federation) -> Query {
        let bounds = ContributionBounds {
            rows_per_person: self.rows_per_person,
            groups_per_person: self.groups_per_person,
            persons_min: self.persons_min,
            sites_per_person: Some(federation.sites_per_person),
        };
        let text = self.intent.sql.clone();
        Query { text, epsilon: self.epsilon, delta: self.delta, bounds }
    }

    /// The charge that must be on the ledger.
    pub(super) fn request(&self) -> Result<ChargeRequest, LedgerError> {
        Ok(ChargeRequest {
            query: self.intent.query,
            items: vec![(self.intent.account, self.intent.cost)],
            intent: intent_commitment(&self.salt, &self.intent)?,
            inputs: self.intent.inputs.clone(),
            day: self.intent.day,
        })
    }

    /// Signs it for the way.
    pub(super) fn signed(&self, signer: &Signer) -> Result<Vec<u8>, Refusal> {
        let bytes = serde_json::to_vec(self);
        let bytes = bytes.map_err(|_| Refusal::failed("an order has no text form"))?;
        let signature = signer.sign(digest(&bytes).as_bytes());
        Ok(pack(&[&bytes, &signature]))
    }

    /// Reads an order that `key` signed.
    ///
    /// # Errors
    /// [`Refusal`] if it did not, or if the order is of another version.
    pub(super) fn read(bytes: &[u8], key: &PublicKey) -> Result<Self, Refusal> {
        let parts = unpack(bytes)?;
        let [order, signature] = parts.as_slice() else {
            return Err(Refusal::refused("an order is malformed"));
        };
        if !key.verify(digest(order).as_bytes(), signature) {
            return Err(Refusal::refused("the coordinator did not sign this order"));
        }
        let order: Self =
            serde_json::from_slice(order).map_err(|_| Refusal::refused("an order is malformed"))?;
        if order.version != 1 {
            return Err(Refusal::refused("the order is of another version"));
        }
        Ok(order)
    }
}

fn digest(order: &[u8]) -> Digest {
    Digest::labelled("graunt/federated-order/v1", &[order])
}

/// The plan of a question under the terms of a federation, by its digest.
pub(super) fn plan_digest(plan: &PrivatePlan, federation: &Digest) -> Digest {
    let parts: [&[u8]; 2] = [plan.digest.as_bytes(), federation.as_bytes()];
    Digest::labelled("graunt/federated-plan/v1", &parts)
}

/// Refuses what cannot be added up over sites that do not show their records.
///
/// # Errors
/// [`Error::Rejected`], before anything is charged.
pub(super) fn check(priced: &PricedPlan, federation: &Federation) -> Result<(), Error> {
    if priced.plan.boundaries.is_empty() {
        let reason = "only public tables are asked about";
        return Err(Rejection::new(Code::Statement, reason)
            .hint("ask without --federated; it costs nothing")
            .into());
    }
    for (boundary, price) in priced.plan.boundaries.iter().zip(&priced.prices) {
        check_kinds(boundary)?;
        check_sizes(boundary, federation)?;
        check_widths(boundary, price, federation)?;
    }
    Ok(())
}

fn check_kinds(boundary: &Boundary) -> Result<(), Rejection> {
    if !boundary.is_declared {
        let reason = "sites cannot tell each other which groups they have";
        return Err(Rejection::new(Code::Unbounded, reason).hint(
            "group by keys that are publicly known: WHERE key IN (…), or join with a public table",
        ));
    }
    for nested in &boundary.nested {
        match &nested.kind {
            NestedKind::Distinct { .. } => {
                let reason = format!("{}: sites cannot tell which values both have", nested.label);
                return Err(Rejection::new(Code::Distinct, reason)
                    .hint("count persons, or group by the values"));
            }
            NestedKind::Quantiles { .. } => {}
        }
    }
    let alone = drawings(boundary).into_iter().find(|drawing| drawing.tree.is_none());
    match alone {
        None => Ok(()),
        Some(drawing) => {
            let reason = format!("{}: extremes are not a sum over sites", drawing.label());
            let hint = "ask for a quantile, for instance APPROX_PERCENTILE_CONT(x, 0.99)";
            Err(Rejection::new(Code::Aggregate, reason).hint(hint))
        }
    }
}

/// Refuses rounds of more values than a message holds, or than a site proves while others wait.
fn check_sizes(boundary: &Boundary, federation: &Federation) -> Result<(), Rejection> {
    let keys = boundary.keys.iter().filter_map(|key| key.domain.as_ref());
    let cells = keys.fold(1usize, |cells, domain| cells.saturating_mul(domain.len()));
    let columns = boundary.columns.len().max(1);
    let margins = residual::marginal_plan(boundary).map_or(0, |plan| {
        plan.closure.iter().fold(0usize, |sum, part| {
            sum.saturating_add(usize::try_from(part.cells).unwrap_or(usize::MAX))
        })
    });
    let trees = drawings(boundary).into_iter().filter_map(|drawing| drawing.tree);
    let trees = trees.map(|tree| tree.len().saturating_mul(cells)).max().unwrap_or(0);
    let sketches = cells.saturating_mul(boundary.united().count() * REGISTERS_MIN);
    let most = cells.saturating_mul(columns).max(margins).max(trees).max(sketches);
    let (limit, verb) =
        federation.proofs.map_or((CELLS_MAX, "send"), |_| (PROVED_MAX, "prove to be in range"));
    if most <= limit {
        return Ok(());
    }
    let reason = format!("{most} values at once are more than the {limit} that sites {verb}");
    Err(Rejection::new(Code::Unbounded, reason)
        .hint("group by fewer keys, or ask for quantiles of fewer groups"))
}

/// Refuses totals that are too wide, under whichever bound is chosen.
fn check_widths(
    boundary: &Boundary,
    price: &BoundaryPrice,
    federation: &Federation,
) -> Result<(), Error> {
    let too_wide = |label: &str, error: NoiseError| match error {
        NoiseError::Overflow { .. } => {
            let (what, hint) = match federation.proofs {
                None => ("to be added up", NARROWER),
                Some(_) => ("for proofs, which are about 32 bits", NARROWER_OR_FEWER),
            };
            let reason = format!("{label}: totals of a site may be too large {what}");
            Error::from(Rejection::new(Code::Unbounded, reason).hint(hint))
        }
        other => other.into(),
    };
    for (label, column) in columns(boundary, price)? {
        width(&column, federation).map_err(|error| too_wide(&label, error))?;
    }
    Ok(())
}

/// All that may be added up for a boundary, without values, and what it is called.
fn columns(
    boundary: &Boundary,
    price: &BoundaryPrice,
) -> Result<Vec<(String, Column)>, NoiseError> {
    let mut all = Vec::new();
    let margins = residual::marginal_plan(boundary);
    for (i, column) in boundary.columns.iter().enumerate() {
        let Some(slot) = boundary.slots(i).last() else { continue };
        let plain = |noise: Noise, residual: Option<Residual>| {
            let within = Column::within(vec![], slot.sensitivity, slot.groups, noise);
            (column.label.clone(), Column { residual, ..within })
        };
        match &margins {
            None => all.push(plain(price.noise(slot)?, None)),
            Some(plan) => all.extend(
                residual::scales(boundary, plan, slot, price.columns[i])?
                    .into_iter()
                    .map(|(noise, shape)| plain(noise, Some(Residual { shape }))),
            ),
        }
    }
    for column in boundary.united() {
        let Some(slot) = boundary.slots(column).last() else { continue };
        let noise = price.sketch_noise(slot)?;
        let label = boundary.columns[column].label.clone();
        all.push((label, Column::within(vec![], slot.sensitivity, slot.groups, noise)));
    }
    for choice in 0..price.choices.len() {
        let noise = price.profile_noise(choice)?;
        let profile = Column::within(vec![], price.profile_reach(), Some(1), noise);
        all.push(("choice of a bound".to_owned(), profile));
    }
    for (drawing, share) in drawings(boundary).iter().zip(&price.quantiles) {
        if let Some(tree) = &drawing.tree {
            let (reach, noise) = drawing.tree_noise(tree, boundary.groups_max(), *share)?;
            all.push((drawing.label(), Column::within(vec![], reach, None, noise)));
        }
    }
    Ok(all)
}

/// Most values of a round that are proved to be in range. A value takes some 30 ms of a site's
/// processor, so this is about a minute, for which the others wait.
const PROVED_MAX: usize = 2_048;

const NARROWER: &str = "bound the values more tightly, for instance with LEAST(x, 1000)";

const NARROWER_OR_FEWER: &str = "bound the values more tightly, for instance with LEAST(x, 1000); \
                                 or agree on terms with fewer persons_per_site";
