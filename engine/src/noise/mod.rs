//! The one door through which noise enters an answer, and what that noise costs.
//!
//! ```text
//!   (ε, δ) ──rho_within──▶ ρ ──noise_within──▶ Noise ──charge_of──▶ ρ   threshold_of  quantile_of
//!                                                │                     replicas_of  deviation
//!   ExactAggregates ────▶ Column ──┐             │                   (free post-processing)
//!   ledger ─────────────▶ Charged ─┴────add──────┴──▶ noisy integers, Charged
//! ```
//! Noise is the discrete Gaussian or the discrete Laplace on the integer grid of a column.
//! [`purse`] is the same door for answers that take several steps, and for choices among candidates
//! or keys. Two independent computations of a cost must agree before any of it is drawn: our own,
//! in exact integers, and one from the privacy map of opendp. The samplers are our own, exact and
//! in integers; opendp adds what they draw. Floats appear in `convert` and `tail` only, which never
//! see a record.
//!
//! Time says nothing of the noise of a column: draws are made in rounds that all take the same
//! time, and how many it takes is independent of what comes out (see `gaussian`, `geometric`).
//! Adding it to an exact value takes a few nanoseconds more or less by the signs and sizes of both.
//!
//! It does not bound contributions, know queries or keep accounts.
//!
//! # Source
//! CKS20: Canonne, Kamath and Steinke, The Discrete Gaussian for Differential Privacy, 2020.

mod charge;
mod choice;
mod convert;
#[cfg(test)]
mod defects;
pub mod error;
mod exponential;
mod gaussian;
mod generator;
mod geometric;
mod laplace;
mod mechanism;
pub mod pld;
pub mod purse;
mod residual;
mod sampler;
pub mod selection;
pub mod share;
mod tail;
#[cfg(test)]
pub(crate) mod tape;
#[cfg(test)]
mod tests;

use std::fmt;

use dashu::integer::UBig;
use ledger_adapter::charge::Charged;
use ledger_adapter::cost::{Delta, Rho};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use error::NoiseError;
use purse::Purse;
use sampler::Sampler;

/// Noise scale numerator / 2^log2_denominator, in steps of the column's grid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scale {
    /// Numerator; not zero.
    pub numerator: u64,
    /// Base-two logarithm of the denominator.
    pub log2_denominator: u8,
}

impl Scale {
    /// The scale as a float, for people and for tails.
    pub fn as_f64(self) -> f64 {
        self.numerator as f64 * (-f64::from(self.log2_denominator)).exp2()
    }
}

/// The law of noise, up to its scale.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    /// The probability of z is proportional to exp(-z²/(2σ²)), where σ is the scale.
    Gaussian,
    /// The probability of z is proportional to exp(-|z|/s), where s is the scale.
    Laplace,
}

/// The law of the noise that each value of a column gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Noise {
    /// Which law.
    pub family: Family,
    /// How wide.
    pub scale: Scale,
}

impl From<Scale> for Noise {
    /// The discrete Gaussian.
    fn from(scale: Scale) -> Self {
        Self { family: Family::Gaussian, scale }
    }
}

/// One column to be noised: exact values on the integer grid.
pub struct Column {
    /// One value per group.
    pub values: Vec<i128>,
    /// Furthest that one person can move one value, in steps of the grid; without `groups`, all
    /// values together, in the L2 norm.
    pub sensitivity: u64,
    /// Most values that one person can move; `None` only for a plain Gaussian column, and one for a
    /// residual column.
    pub groups: Option<u64>,
    /// Noise that each value gets; in steps of 1/N of the grid if the column is residual.
    pub noise: Noise,
    /// Whether only the projection of the noisy values may be seen.
    pub residual: Option<Residual>,
}

impl Column {
    /// A plain column.
    pub(crate) fn within(
        values: Vec<i128>,
        sensitivity: u64,
        groups: Option<u64>,
        noise: Noise,
    ) -> Self {
        Self { values, sensitivity, groups, noise, residual: None }
    }

    /// How far, squared, one person can move what is noised.
    fn square(&self) -> Result<UBig, NoiseError> {
        let groups = self.groups.unwrap_or(1);
        match &self.residual {
            Some(Residual { shape }) => residual::square(self.sensitivity, shape),
            None => Ok(charge::square(self.sensitivity, groups)),
        }
    }

    /// What the column costs.
    fn charge(&self) -> Result<Rho, NoiseError> {
        let is_gaussian = self.noise.family == Family::Gaussian;
        if let Some(Residual { shape }) = &self.residual {
            let is_full = u64::try_from(self.values.len()) == Ok(residual::cells(shape)?);
            if !is_full || !is_gaussian || self.groups != Some(1) {
                return Err(NoiseError::BadResidual);
            }
            return charge::charge(&self.square()?, self.noise.scale);
        }
        if !is_gaussian && self.groups.is_none() {
            return Err(NoiseError::NoGroups);
        }
        charge_of(self.sensitivity, self.groups.unwrap_or(1), self.noise)
    }
}

impl fmt::Debug for Column {
    /// Prints the public parameters. Even the number of values may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Column")
            .field("sensitivity", &self.sensitivity)
            .field("groups", &self.groups)
            .field("noise", &self.noise)
            .field("residual", &self.residual)
            .finish_non_exhaustive()
    }
}

/// The table of which a residual column holds the cells.
///
/// With N = Π nᵢ over the dimensions nᵢ of `shape`, the door multiplies the values x by N, adds
/// noise Z to each cell, and returns N·P·(N·x + Z) for the projection P = ⊗(I - 11ᵀ/nᵢ), in exact
/// integers: in steps of 1/N² of the grid of x. Its mean is P·x after division by N², and the
/// variance of one cell σ²/N² · Π(nᵢ - 1)/nᵢ, with σ from the column's noise.
///
/// An empty shape is that of a grand total: one plain cell, N = 1. A dimension of one cell leaves
/// zeros, and costs nothing.
///
/// # Privacy
/// Only the projection is released, so a move of N·x may be replaced by any other integer vector
/// with the same projection: its own projection. A person moves one cell by at most `sensitivity`,
/// or several cells by that much in sum, by convexity; `groups` is 1. See [`residual_charge`].
///
/// # Source
/// Xiao, He, Zhang and Kifer, An Optimal and Scalable Matrix Mechanism for Noisy Marginals under
/// Convex Loss Functions (ResidualPlanner), 2023, for residuals; the integers are our own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Residual {
    /// Cells per dimension; values are in row-major order, the last dimension running fastest.
    pub shape: Vec<u64>,
}

/// One selection: for every cell, one of its candidates.
pub struct Scores {
    /// For every cell the scores of its candidates: how far each is from the target, so the
    /// least is the best.
    pub values: Vec<Vec<i128>>,
    /// Furthest that one person can move the scores of one cell apart: the greatest change of a
    /// score less the least one.
    pub sensitivity: u64,
    /// Most cells whose scores one person can move.
    pub groups: u64,
    /// How strongly the best are preferred.
    pub sharpness: Sharpness,
}

impl fmt::Debug for Scores {
    /// Prints the public parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scores")
            .field("sensitivity", &self.sensitivity)
            .field("groups", &self.groups)
            .field("sharpness", &self.sharpness)
            .finish_non_exhaustive()
    }
}

/// η = numerator / 2^log2_denominator: a candidate is chosen with probability proportional to
/// exp(-η · score).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sharpness {
    /// Numerator; zero if all candidates are alike.
    pub numerator: u64,
    /// Base-two logarithm of the denominator.
    pub log2_denominator: u8,
}

/// With what probability a key is shown, by its number of persons, and what that costs.
///
/// The first probability is zero, none is below the one before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeepTable {
    /// By count from zero, in steps of 2⁻⁶⁴, rounded down; the last one applies beyond.
    pub probabilities: Vec<u64>,
    /// What the choice of all keys costs.
    pub rho: Rho,
    /// Failure probability that the choice of all keys costs.
    pub delta: Delta,
}

impl KeepTable {
    fn check(&self) -> Result<(), NoiseError> {
        let is_sound = self.probabilities.first() == Some(&0) && self.probabilities.is_sorted();
        if is_sound { Ok(()) } else { Err(NoiseError::BadTable) }
    }

    fn probability(&self, count: i128) -> u64 {
        let last = self.probabilities.len().saturating_sub(1);
        let at = usize::try_from(count.max(0)).unwrap_or(usize::MAX).min(last);
        self.probabilities.get(at).copied().unwrap_or(0)
    }
}

/// Adds noise to all columns in one step, and gives the charge back so that it can be released.
///
/// Shape, errors and privacy: as [`Purse::add`]. Every error drops `charged`: the charge stands.
///
/// # Errors
/// As [`Purse::add`].
pub fn add<C: Into<Column>>(
    columns: Vec<C>,
    charged: Charged,
) -> Result<(Vec<Vec<i128>>, Charged), NoiseError> {
    let mut purse = Purse::open(charged);
    let noisy = purse.add(columns.into_iter().map(Into::into).collect())?;
    Ok((noisy, purse.close()?))
}

/// Finds the largest ρ whose conversion to (ε, `delta`) is at most `epsilon`.
///
/// Range: `epsilon` from 0.001 to 10 000, `delta` strictly between 0 and 1. Rounded down to
/// billionths; zero if a billionth is too much already.
///
/// # Errors
/// [`NoiseError::BadEpsilon`], [`NoiseError::BadDelta`], [`NoiseError::Opendp`].
///
/// # Source
/// CKS20, Proposition 12 at its best order, as computed by opendp with outward rounding.
pub fn rho_within(epsilon: f64, delta: f64) -> Result<Rho, NoiseError> {
    convert::rho_within(epsilon, delta)
}

/// Finds the ε that `rho` amounts to at `delta`; for display, rounded up.
///
/// # Errors
/// [`NoiseError::BadDelta`]; [`NoiseError::Opendp`] or [`NoiseError::Overflow`] for a ρ that no
/// finite float stands for.
///
/// # Source
/// CKS20, Proposition 12 at its best order, as computed by opendp with outward rounding.
pub fn epsilon_of(rho: Rho, delta: f64) -> Result<f64, NoiseError> {
    convert::epsilon_of(rho, delta)
}

/// Computes the charge of one noisy column.
///
/// Gaussian: ⌈groups · sensitivity² · 10⁹ / (2σ²)⌉. The fraction is made 1 + 2⁻⁵⁰ times larger
/// before it is rounded up, so that the charge is never below opendp's map, which rounds up to a
/// float. Below ρ = 10⁶ that is at most one billionth, and none unless the fraction is that close
/// to a whole number. Laplace: ⌈groups · ρ(sensitivity) · 10⁹⌉, where ρ(Δ) is the Kullback-Leibler
/// divergence of two laws that are Δ apart, [Δ - 2p·(1 - p^Δ) / (1 - p²)] / s with p = exp(-1/s).
///
/// # Errors
/// [`NoiseError::BadScale`], [`NoiseError::Overflow`].
///
/// # Source
/// CKS20, Theorem 14, over the cells that one person can move; Harrison and Manurangsi, Exact zCDP
/// Characterizations for Fundamental Differentially Private Mechanisms, 2025.
pub fn charge_of(sensitivity: u64, groups: u64, noise: Noise) -> Result<Rho, NoiseError> {
    match noise.family {
        Family::Gaussian => charge::charge(&charge::square(sensitivity, groups), noise.scale),
        Family::Laplace => laplace::charge(sensitivity, groups, noise.scale),
    }
}

/// Finds the noise of the least standard deviation whose [`charge_of`] is at most `rho`.
///
/// Range: of every family of `families` the least scale, among those with numerator up to 2²¹ or
/// denominator 1, in lowest terms; at most 10⁻⁶ above the real number that it stands for. The first
/// family wins a tie.
///
/// # Errors
/// [`NoiseError::NoFamily`], [`NoiseError::Underfunded`] if `rho` is zero,
/// [`NoiseError::NoSensitivity`] if either factor is, [`NoiseError::Overflow`].
pub fn noise_within(
    sensitivity: u64,
    groups: u64,
    rho: Rho,
    families: &[Family],
) -> Result<Noise, NoiseError> {
    let mut best: Option<Noise> = None;
    for &family in families {
        let scale = match family {
            Family::Gaussian => charge::scale_within(&charge::square(sensitivity, groups), rho)?,
            Family::Laplace => laplace::scale_within(sensitivity, groups, rho)?,
        };
        let noise = Noise { family, scale };
        if best.is_none_or(|best| deviation(noise) < deviation(best)) {
            best = Some(noise);
        }
    }
    best.ok_or(NoiseError::NoFamily)
}

/// Computes the charge of a residual column that one person moves by `sensitivity` in sum:
/// ⌈sensitivity² · N · Π(nᵢ - 1) · 10⁹ / (2σ²)⌉, with σ in steps of 1/N of the grid.
///
/// Rounded as [`charge_of`] is.
///
/// # Errors
/// [`NoiseError::BadResidual`] for a dimension without cells, [`NoiseError::BadScale`],
/// [`NoiseError::Overflow`].
///
/// # Privacy
/// One step of one cell moves N·x by N, and its projection by N·⊗(e - 1/nᵢ), an integer vector of
/// squared length N²·Π(nᵢ - 1)/nᵢ; see [`Residual`].
pub fn residual_charge(sensitivity: u64, shape: &[u64], scale: Scale) -> Result<Rho, NoiseError> {
    charge::charge(&residual::square(sensitivity, shape)?, scale)
}

/// Finds the least scale whose [`residual_charge`] is at most `rho`; range as [`noise_within`].
///
/// # Errors
/// [`NoiseError::BadResidual`], [`NoiseError::Underfunded`] if `rho` is zero,
/// [`NoiseError::NoSensitivity`] if nothing can move, [`NoiseError::Overflow`].
pub fn residual_scale_within(
    sensitivity: u64,
    shape: &[u64],
    rho: Rho,
) -> Result<Scale, NoiseError> {
    charge::scale_within(&residual::square(sensitivity, shape)?, rho)
}

/// Computes the charge of one selection: ⌈groups · (η · sensitivity)² · 10⁹ / 8⌉, the fraction made
/// 1 + 2⁻⁴⁸ times larger.
///
/// # Errors
/// [`NoiseError::Overflow`].
///
/// # Source
/// Cesar and Rogers, Bounding, Concentrating, and Truncating, 2021, Lemma 3.2.
pub fn selection_charge(
    sensitivity: u64,
    groups: u64,
    sharpness: Sharpness,
) -> Result<Rho, NoiseError> {
    charge::selection(sensitivity, groups, sharpness)
}

/// Finds the greatest sharpness whose [`selection_charge`] is at most `rho`.
///
/// Range: numerator below 2²¹, in lowest terms; at most 10⁻⁶ below the real number that it stands
/// for.
///
/// # Errors
/// [`NoiseError::Underfunded`] if `rho` is zero, [`NoiseError::NoSensitivity`] if either factor is.
pub fn sharpness_within(sensitivity: u64, groups: u64, rho: Rho) -> Result<Sharpness, NoiseError> {
    charge::sharpness_within(sensitivity, groups, rho)
}

/// Computes the standard deviation of a noise, in steps of its grid.
pub fn deviation(noise: Noise) -> f64 {
    tail::deviation(noise)
}

/// Finds z with Pr[|Z| > z] = `alpha` for the standard normal law; rounded up.
///
/// Range: `alpha` between 0 and 1.
///
/// # Source
/// The complementary error function, by bisection.
pub fn normal_quantile(alpha: f64) -> f64 {
    tail::normal_quantile(alpha)
}

/// Finds the least integer t with groups · Pr[1 + Z > t] ≤ `delta`, for noise Z.
///
/// A key is shown only if its noisy count of persons is strictly above t.
///
/// # Errors
/// [`NoiseError::BadDelta`], [`NoiseError::BadScale`], [`NoiseError::NoSensitivity`],
/// [`NoiseError::Overflow`].
///
/// # Privacy
/// One person can bring up to `groups` keys into being, each with a count of one. None of them is
/// shown, except with probability `delta`, by the union bound over the exact discrete tail,
/// rounded outward. Strictly above: "at least t" would let Pr[1 + Z = t] slip through.
pub fn threshold_of(noise: Noise, groups: u64, delta: Delta) -> Result<i64, NoiseError> {
    tail::threshold(noise, groups, delta)
}

/// Finds the least integer q with Pr[|Z| > q] ≤ `alpha`, for noise Z.
///
/// Gaussian: exact up to σ = 10⁴; beyond, at most σ/5000 + 3 above the least. Laplace: at most
/// 10⁻⁹·s + 1 above the least.
///
/// # Errors
/// [`NoiseError::BadAlpha`], [`NoiseError::BadScale`], [`NoiseError::Overflow`].
pub fn quantile_of(noise: Noise, alpha: f64) -> Result<i64, NoiseError> {
    tail::quantile(noise, alpha)
}

/// Draws `count` independent copies of a noise.
///
/// For intervals of post-processed answers by parametric simulation. The draws have nothing to
/// do with records, so they cost nothing.
///
/// # Errors
/// [`NoiseError::BadScale`], [`NoiseError::Entropy`].
pub fn replicas_of(noise: Noise, count: usize) -> Result<Vec<f64>, NoiseError> {
    let sampler = Sampler::new(noise)?;
    let chunk = |start: usize| {
        generator::with(|generator| {
            let length = CHUNK.min(count - start);
            (0..length).map(|_| sampler.draw(generator) as f64).collect::<Vec<_>>()
        })
    };
    let starts: Vec<usize> = (0..count).step_by(CHUNK).collect();
    let chunks: Vec<_> = if count > PARALLEL_MIN {
        starts.into_par_iter().map(chunk).collect::<Result<_, _>>()?
    } else {
        starts.into_iter().map(chunk).collect::<Result<_, _>>()?
    };
    Ok(chunks.concat())
}

/// Cells that one thread draws between two looks at its generator: about a millisecond of work.
const CHUNK: usize = 4096;

/// Columns up to this length are drawn on one thread; sharing out costs more than it saves.
const PARALLEL_MIN: usize = 10_000;
