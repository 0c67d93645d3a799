//! The one door through which noise enters an answer, and what that noise costs.
//!
//! ```text
//!   (ε, δ) ──rho_within──▶ ρ ──scale_within──▶ Scale ──charge──▶ ρ    threshold   quantile
//!                                                │                        replicas
//!   ExactAggregates ─────▶ Exact ──┐             │                (free post-processing)
//!   ledger ──────────────▶ Charged ┴────add──────┴──▶ noisy integers, Charged
//! ```
//! Noise is the discrete Gaussian on the integer grid of a column. Two independent computations
//! of its cost must agree before any of it is drawn: the exact integers of the `charge` module
//! and the privacy map of opendp. The sampler is our own, exact and in integers; opendp adds what
//! it draws. Floats appear in `convert` and `tail` only, which never see a record.
//!
//! It does not bound contributions, know queries or keep accounts. Its running time depends on
//! the magnitude of the noise, by some tens of nanoseconds per cell: whoever can time single
//! cells must be given rounded response times elsewhere.
//!
//! # Source
//! CKS20: Canonne, Kamath and Steinke, The Discrete Gaussian for Differential Privacy, 2020.

mod charge;
mod convert;
pub mod error;
mod generator;
mod mechanism;
mod sampler;
mod tail;
#[cfg(test)]
mod tests;

use std::fmt;

use ledger_adapter::charge::Charged;
use ledger_adapter::cost::{Delta, Rho};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use error::NoiseError;
use mechanism::Mechanism;
use sampler::Sampler;

/// Noise scale σ = numerator / 2^log2_denominator, in steps of the column's grid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scale {
    /// Numerator; not zero.
    pub numerator: u64,
    /// Base-two logarithm of the denominator.
    pub log2_denominator: u8,
}

impl Scale {
    /// σ as a float, for people and for tails.
    pub fn as_f64(self) -> f64 {
        self.numerator as f64 * (-f64::from(self.log2_denominator)).exp2()
    }
}

/// One column to be noised: exact values on the integer grid.
pub struct Exact {
    /// One value per group.
    pub values: Vec<i128>,
    /// Furthest that one person can move one value, in steps of the grid.
    pub sensitivity: u64,
    /// Most values that one person can move.
    pub groups: u64,
    /// Scale of the noise that each value gets.
    pub scale: Scale,
}

impl fmt::Debug for Exact {
    /// Prints the public parameters. Even the number of values may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exact")
            .field("sensitivity", &self.sensitivity)
            .field("groups", &self.groups)
            .field("scale", &self.scale)
            .finish_non_exhaustive()
    }
}

/// Adds discrete Gaussian noise to all columns, and gives the charge back so that it can be
/// released.
///
/// Shape: as `columns`, column by column, value by value. A sum beyond `i128` is its nearest end.
///
/// # Errors
/// Before anything is drawn: [`NoiseError::Underfunded`] if the charges of the columns exceed
/// the granted one, [`NoiseError::MapDisagrees`] if opendp finds a column dearer than we do, and
/// what [`charge`] refuses. Then [`NoiseError::Entropy`] or [`NoiseError::Mechanism`]. Every
/// error drops `charged`: the charge stands.
///
/// # Privacy
/// Neighbours differ in one whole person, who moves at most `groups` values of a column by at
/// most `sensitivity` each: an L2 distance of at most √groups · sensitivity. Column i is then
/// ρᵢ-zCDP with ρᵢ = groups · sensitivity² / (2σ²), and all columns together Σρᵢ-zCDP.
///
/// # Source
/// CKS20, Theorem 14, which covers coordinates of different scales at once.
pub fn add(columns: Vec<Exact>, charged: Charged) -> Result<(Vec<Vec<i128>>, Charged), NoiseError> {
    let mechanisms = fund(&columns, charged.cost().rho)?;
    let noisy = columns
        .into_iter()
        .zip(&mechanisms)
        .map(|(column, mechanism)| mechanism.perturb(&column.values))
        .collect::<Result<_, _>>()?;
    Ok((noisy, charged))
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

/// Computes the charge of one noisy column: ⌈groups · sensitivity² · 10⁹ / (2σ²)⌉.
///
/// The fraction is made 1 + 2⁻⁵⁰ times larger before it is rounded up, so that the charge is
/// never below opendp's map, which rounds up to a float. Below ρ = 10⁶ that is at most one
/// billionth, and none unless the fraction is that close to a whole number.
///
/// # Errors
/// [`NoiseError::BadScale`], [`NoiseError::Overflow`].
///
/// # Source
/// CKS20, Theorem 14, over the cells that one person can move.
pub fn charge(sensitivity: u64, groups: u64, scale: Scale) -> Result<Rho, NoiseError> {
    charge::charge(sensitivity, groups, scale)
}

/// Finds the least scale whose [`charge`] is at most `rho`.
///
/// Range: among the scales with numerator below 2²¹ or denominator 1, in lowest terms; at most
/// 10⁻⁶ above the real number that it stands for.
///
/// # Errors
/// [`NoiseError::Underfunded`] if `rho` is zero, [`NoiseError::NoSensitivity`] if either factor
/// is, [`NoiseError::Overflow`].
pub fn scale_within(sensitivity: u64, groups: u64, rho: Rho) -> Result<Scale, NoiseError> {
    charge::scale_within(sensitivity, groups, rho)
}

/// Finds the least integer t with groups · Pr[1 + Z > t] ≤ `delta`, for noise Z of `scale`.
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
pub fn threshold(scale: Scale, groups: u64, delta: Delta) -> Result<i64, NoiseError> {
    tail::threshold(scale, groups, delta)
}

/// Finds the least integer q with Pr[|Z| > q] ≤ `alpha`, for noise Z of `scale`.
///
/// Exact up to σ = 10⁴; beyond, at most σ/5000 + 3 above the least.
///
/// # Errors
/// [`NoiseError::BadAlpha`], [`NoiseError::BadScale`], [`NoiseError::Overflow`].
pub fn quantile(scale: Scale, alpha: f64) -> Result<i64, NoiseError> {
    tail::quantile(scale, alpha)
}

/// Draws `count` independent copies of the noise of a column.
///
/// For intervals of post-processed answers by parametric simulation. The draws have nothing to
/// do with records, so they cost nothing.
///
/// # Errors
/// [`NoiseError::BadScale`], [`NoiseError::Entropy`].
pub fn replicas(scale: Scale, count: usize) -> Result<Vec<f64>, NoiseError> {
    let sampler = Sampler::new(scale)?;
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

/// Checks both accounts of the cost, and makes the mechanisms.
fn fund(columns: &[Exact], granted: Rho) -> Result<Vec<Mechanism>, NoiseError> {
    let mut needed = Rho::default();
    let mut mechanisms = Vec::with_capacity(columns.len());
    for column in columns {
        let price = charge(column.sensitivity, column.groups, column.scale)?;
        let mechanism = Mechanism::new(column.scale)?;
        mechanism.check(column.sensitivity, column.groups, price)?;
        mechanisms.push(mechanism);
        let total = needed.nano().checked_add(price.nano());
        needed = Rho::from_nano(total.ok_or(NoiseError::Overflow { what: "the charge" })?);
    }
    if needed > granted { Err(NoiseError::Underfunded { needed, granted }) } else { Ok(mechanisms) }
}

/// Cells that one thread draws between two looks at its generator: about a millisecond of work.
const CHUNK: usize = 4096;

/// Columns up to this length are drawn on one thread; sharing out costs more than it saves.
const PARALLEL_MIN: usize = 10_000;
