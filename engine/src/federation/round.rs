//! One round: what is added up in it, how wide its numbers are, and what its masks come from.

use ledger_adapter::canonical;
use ledger_adapter::digest::Digest;
use seal::proof::ProvenLane;
use seal::{Context, Lane};
use serde::{Deserialize, Serialize};

use crate::federation::terms::{Federation, Proofs, TermsError};
use crate::federation::transport::Refusal;
use crate::noise::error::NoiseError;
use crate::noise::share::per_party;
use crate::noise::{Column, Family, Noise, Residual, Scale, deviation};

/// What is added up in a round: public, and the same at every party that follows the plan.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    /// Digest of the terms.
    federation: Digest,
    /// Digest of what the round before came to; none for the first.
    after: Option<Digest>,
    /// The columns, one after the other.
    columns: Vec<SpecColumn>,
    /// Every contribution v has -2^bits <= v < 2^bits.
    bits: u32,
}

/// One column: its cells, and the noise that the honest parties add up to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecColumn {
    cells: u64,
    scale_numerator: u64,
    scale_log2_denominator: u8,
    /// Of a residual column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shape: Option<Vec<u64>>,
}

impl Spec {
    /// The round in which these columns are added up.
    ///
    /// # Errors
    /// [`NoiseError::NoFamily`] for noise that is not put together from shares,
    /// [`NoiseError::Overflow`] if the totals are too wide to be sealed.
    pub(super) fn of(
        columns: &[Column],
        federation: &Federation,
        after: Option<&Opened>,
    ) -> Result<Self, NoiseError> {
        let reason = |error: TermsError| NoiseError::Parties { reason: error.to_string() };
        let terms = federation.digest().map_err(reason)?;
        let mut bits = 1;
        let mut specs = Vec::with_capacity(columns.len());
        for column in columns {
            if column.noise.family != Family::Gaussian {
                return Err(NoiseError::NoFamily);
            }
            bits = bits.max(width(column, federation)?);
            let Scale { numerator, log2_denominator } = column.noise.scale;
            specs.push(SpecColumn {
                cells: column.values.len() as u64,
                scale_numerator: numerator,
                scale_log2_denominator: log2_denominator,
                shape: column.residual.as_ref().map(|residual| residual.shape.clone()),
            });
        }
        Ok(Self { federation: terms, after: after.map(Opened::digest), columns: specs, bits })
    }

    /// Digest of the terms under which it is added up.
    pub(super) const fn federation(&self) -> Digest {
        self.federation
    }

    /// Digest of all of it.
    pub(super) fn digest(&self) -> Result<Digest, Refusal> {
        let bytes = canonical::to_vec(self);
        let bytes = bytes.map_err(|_| Refusal::failed("a round has no text form"))?;
        Ok(Digest::labelled("graunt/federated-spec/v1", &[&bytes]))
    }

    /// Number of values.
    pub(super) fn cells(&self) -> Option<usize> {
        let mut all = self.columns.iter().map(|column| column.cells);
        let all = all.try_fold(0u64, |sum, cells| sum.checked_add(cells))?;
        usize::try_from(all).ok().filter(|cells| *cells <= CELLS_MAX)
    }

    /// The columns with zeros, for who adds noise only.
    ///
    /// # Errors
    /// [`Refusal`] if there are too many cells.
    pub(super) fn zeros(&self) -> Result<Vec<Column>, Refusal> {
        self.cells().ok_or_else(|| Refusal::refused("a round has too many cells"))?;
        for spec in &self.columns {
            let Some(shape) = &spec.shape else { continue };
            let product = shape.iter().try_fold(1u64, |all, n| all.checked_mul(*n));
            if shape.len() > DIMENSIONS_MAX || product != Some(spec.cells) {
                return Err(Refusal::refused("a residual column is no full table"));
            }
        }
        let column = |spec: &SpecColumn| {
            let numerator = spec.scale_numerator;
            let scale = Scale { numerator, log2_denominator: spec.scale_log2_denominator };
            let cells = usize::try_from(spec.cells).unwrap_or(0);
            // What a person moves has no part in the noise of who has no records.
            let within = Column::within(vec![0; cells], 0, Some(1), Noise::from(scale));
            let residual = spec.shape.as_ref().map(|shape| Residual { shape: shape.clone() });
            Column { residual, ..within }
        };
        Ok(self.columns.iter().map(column).collect())
    }

    /// How its ciphertexts are made.
    ///
    /// # Errors
    /// [`Refusal`] if there are more parties or cells than can be added up.
    pub(super) fn lane(&self, federation: &Federation) -> Result<Lane, Refusal> {
        let count = |parties: usize| u32::try_from(parties).unwrap_or(u32::MAX);
        let (sites, holders) = (count(federation.sites.len()), count(federation.holders.len()));
        let cells = self.cells().filter(|cells| *cells > 0);
        let cells = cells.ok_or_else(|| Refusal::refused("a round has no cells, or too many"))?;
        Lane::new(sites, holders, federation.threshold, cells, self.bits)
            .map_err(|error| Refusal::refused(error.to_string()))
    }

    /// How they are made where they carry proofs: a proof is about 2³² values, from the least on.
    ///
    /// # Errors
    /// As [`Spec::lane`], and [`Refusal`] if so many values are not all of those that may come.
    pub(super) fn proven_lane(
        &self,
        federation: &Federation,
        proofs: &Proofs,
    ) -> Result<ProvenLane, Refusal> {
        let cells = self.cells().filter(|cells| *cells > 0);
        let cells = cells.ok_or_else(|| Refusal::refused("a round has no cells, or too many"))?;
        if self.bits > PROVEN_BITS_MAX {
            return Err(Refusal::refused("a round is too wide for proofs"));
        }
        proofs
            .lane(federation, cells, -(1 << self.bits))
            .map_err(|error| Refusal::refused(error.to_string()))
    }

    /// Sees that it can be sealed under the terms.
    ///
    /// # Errors
    /// As [`Spec::lane`] or [`Spec::proven_lane`].
    pub(super) fn check(&self, federation: &Federation) -> Result<(), Refusal> {
        match &federation.proofs {
            None => self.lane(federation).map(|_| ()),
            Some(proofs) => self.proven_lane(federation, proofs).map(|_| ()),
        }
    }

    /// Cuts values off at the ends of the range.
    pub(super) fn within(&self, values: &[i128]) -> Vec<i128> {
        let most = (1i128 << self.bits) - 1;
        values.iter().map(|value| (*value).clamp(-most - 1, most)).collect()
    }

    /// Totals by column.
    pub(super) fn columns(&self, totals: &[i128]) -> Option<Vec<Vec<i128>>> {
        if self.cells()? != totals.len() {
            return None;
        }
        let mut rest = totals;
        let part = |column: &SpecColumn| {
            let (own, others) = rest.split_at_checked(usize::try_from(column.cells).ok()?)?;
            rest = others;
            Some(own.to_vec())
        };
        self.columns.iter().map(part).collect()
    }
}

/// What a round came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Opened {
    /// How many parties added noise to it.
    pub(super) parties: u32,
    /// The totals, one after the other.
    pub(super) totals: Vec<i128>,
}

impl Opened {
    fn digest(&self) -> Digest {
        let totals: Vec<u8> = self.totals.iter().flat_map(|total| total.to_be_bytes()).collect();
        Digest::labelled("graunt/opened/v1", &[&self.parties.to_be_bytes(), &totals])
    }
}

/// What the masks of a round come from: nothing that is used in another.
pub(super) fn context(query: Digest, round: u32, spec: &Digest) -> Context {
    let round = round.to_be_bytes();
    // The terms are in what is added up.
    let parts: [&[u8]; 3] = [query.as_bytes(), &round, spec.as_bytes()];
    Context(*Digest::labelled("graunt/federated-round/v1", &parts).as_bytes())
}

/// Bits of the greatest contribution of one party to a value, but for noise beyond 64 standard
/// deviations.
pub(super) fn width(column: &Column, federation: &Federation) -> Result<u32, NoiseError> {
    let overflow = NoiseError::Overflow { what: "the total of a site" };
    let noise = per_party(column.noise, federation.honest())?;
    let (mut unit, mut spread) = (1u128, 1u128);
    if let Some(Residual { shape }) = &column.residual {
        let mut cells = shape.iter().map(|n| u128::from(*n));
        unit = cells.try_fold(1u128, |all, n| all.checked_mul(n)).unwrap_or(u128::MAX);
        // Each step of a projection adds up a line, less another line.
        spread = shape.iter().fold(unit, |wide, _| wide.saturating_mul(2));
    }
    let persons = u128::from(federation.persons_per_site);
    let records = persons.saturating_mul(u128::from(column.sensitivity)).saturating_mul(unit);
    let scale = u128::from(noise.scale.numerator) >> noise.scale.log2_denominator.min(127);
    let drawn = (scale + 1) * DEVIATIONS;
    let most = records.saturating_add(drawn).saturating_mul(spread);
    let bits = u128::BITS - most.leading_zeros();
    let widest = if federation.proofs.is_some() { PROVEN_BITS_MAX } else { BITS_MAX };
    if bits > widest { Err(overflow) } else { Ok(bits.max(1)) }
}

/// The variance of the noise that so many parties add up to.
pub(super) fn variance(
    noise: Noise,
    federation: &Federation,
    parties: u32,
) -> Result<f64, NoiseError> {
    let each = deviation(per_party(noise, federation.honest())?);
    Ok(f64::from(parties) * each.powi(2))
}

/// Most values of a round of which fewer would do: each proof takes its time.
pub(super) const fn values_max(federation: &Federation) -> usize {
    if federation.proofs.is_some() { PROVEN_VALUES_MAX } else { CELLS_MAX }
}

const DEVIATIONS: u128 = 64;

/// Widest contribution that is sealed.
const BITS_MAX: u32 = 62;

/// Widest one that is proved to be in range: with its sign, 2³² values.
const PROVEN_BITS_MAX: u32 = 31;

/// Most values of one round: they, and their ciphertexts, fit into a message.
pub(super) const CELLS_MAX: usize = 2_000_000;

/// Proofs of so many values take a site some seven seconds.
const PROVEN_VALUES_MAX: usize = 256;

/// Most keys of margins.
const DIMENSIONS_MAX: usize = 32;
