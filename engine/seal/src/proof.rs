//! Contributions that prove that each of their counters is in range.
//!
//! ```text
//! site    values ──seal_proven─▶ ProvenCiphertext ──verify─▶ Verified ─┐
//! holder  noise  ──seal_mask───▶ MaskCiphertext ───────────────────────┴▶ ProvenSum ─▶ totals
//! both    shares ──────────────▶ holders, who release those of the sum ───────┘
//! ```
//! A ciphertext is `c₁ = a·s + e₁`, `c₂ = rev(b·s) + e₂ + Δ·(v - lower)` for public polynomials
//! `a`, `b` that follow from the round, and a one-time secret `s` of zeros and ones. Opening the
//! sum of the secrets opens the sum of the values, and `c₁`, which holds nothing else, tells
//! everyone that the sum of secrets is the right one. It is also a ciphertext of tfhe's compact
//! public key encryption whose key is `(a, b)`, so tfhe's proof of well-formed encryption is about
//! it; nobody knows a secret for that key.
//!
//! # Privacy
//! The proof is zero-knowledge in the random oracle model. Sums of secrets of zeros and ones give
//! some of them away, so there is no sum without the masks of holders, whose secrets are wide; as
//! many of them as open a sum, so that one is honest if enough of the holders are.
//!
//! What is not proved: that the shares are those of the secret that was used (the sum does not open
//! if they are not, and nobody can say whose fault it is), anything of holders' masks, and that the
//! values are true. Soundness rests on the parameters, see [`Crs`], and on pairings, so a quantum
//! computer could lie; that the values stay hidden rests on neither.
//!
//! # Source
//! Libert, "Vector commitments with proofs of smallness", PKC 2024 (eprint 2023/800), as
//! `CompactPkeCrs` version 2 of TFHE-rs 1.8. Encryption: Joye 2023 (eprint 2023/603), §3.

#![deny(clippy::float_arithmetic)]

mod contribution;
mod crs;
mod sum;
#[cfg(test)]
mod tests;

use thiserror::Error;

pub use contribution::{MaskCiphertext, ProvenCiphertext, Verified, seal_mask, seal_proven};
pub use crs::{Crs, Pin};
pub use sum::ProvenSum;

use crate::lane::{Lane, LaneError};
use crate::ring::{Context, SIZE};
use crate::secret::Role;

/// What proven contributions of one round look like: public, the same for all parties.
#[derive(Clone, Debug)]
pub struct ProvenLane {
    /// Of the same parties; names the masks and shares the secrets.
    inner: Lane,
    /// Counters of one proof.
    block: usize,
    lower: i64,
    crs_digest: [u8; 32],
}

impl ProvenLane {
    /// A round whose values are in `lower..lower + 2³²`, `counters` of them from every site.
    ///
    /// # Errors
    /// [`ProofError::Lane`]; [`ProofError::Crowded`] if the errors of so many contributors could
    /// change a total (87 sites and 5 holders cannot); [`ProofError::Range`] if the range begins
    /// beyond ±2⁴⁰.
    pub fn new(
        crs: &Crs,
        sites: u32,
        holders: u32,
        threshold: u32,
        counters: usize,
        lower: i64,
    ) -> Result<Self, ProofError> {
        Self::under(crs.pin(), (sites, holders, threshold), counters, lower)
    }

    /// As [`ProvenLane::new`], for who knows of the parameters what all parties pin: enough to seal
    /// masks and to open sums.
    ///
    /// # Errors
    /// As [`ProvenLane::new`]; [`ProofError::Counters`] if there are no such parameters.
    pub fn under(
        pin: Pin,
        (sites, holders, threshold): (u32, u32, u32),
        counters: usize,
        lower: i64,
    ) -> Result<Self, ProofError> {
        if !(1..=SIZE).contains(&pin.counters) {
            return Err(ProofError::Counters);
        }
        if lower.unsigned_abs() > LOWER_MAX {
            return Err(ProofError::Range);
        }
        let inner = Lane::new(sites, holders, threshold, counters, RANGE_LOG - 1)?;
        if sites + holders > CONTRIBUTORS_MAX || residual_max(sites, holders) >= UNIT / 2 {
            return Err(ProofError::Crowded);
        }
        Ok(Self { inner, block: pin.counters, lower, crs_digest: pin.digest })
    }

    /// Sites that may contribute.
    pub const fn sites(&self) -> u32 {
        self.inner.sites()
    }

    /// Holders of shares.
    pub const fn holders(&self) -> u32 {
        self.inner.holders()
    }

    /// Holders that open a sum, and whose masks must be in it at least.
    pub const fn threshold(&self) -> u32 {
        self.inner.threshold()
    }

    /// Values of one contribution.
    pub const fn counters(&self) -> usize {
        self.inner.counters()
    }

    /// The least value.
    pub const fn lower(&self) -> i64 {
        self.lower
    }

    /// Counters of each block, which has its own masks and proof.
    fn blocks(&self) -> impl Iterator<Item = usize> + use<> {
        let (counters, block) = (self.counters(), self.block);
        (0..counters).step_by(block).map(move |start| block.min(counters - start))
    }

    /// Words of a ciphertext: of each block, first `c₁`, then `c₂`.
    fn words(&self) -> usize {
        self.blocks().map(|counters| SIZE + counters).sum()
    }

    /// What masks follow from: masks of other parameters or another range are others.
    fn masks(&self, context: &Context) -> Context {
        let mut hasher = blake3::Hasher::new_derive_key(MASKS);
        hasher.update(&context.0).update(&self.crs_digest).update(&self.lower.to_le_bytes());
        Context(*hasher.finalize().as_bytes())
    }
}

/// Why there is no proven lane, contribution or total.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ProofError {
    /// Parties or counters that no lane has.
    #[error("there is no such lane")]
    Lane(#[from] LaneError),
    /// Too many contributors.
    #[error("the errors of so many contributors could change a total")]
    Crowded,
    /// A range that begins too far from zero.
    #[error("a range begins within 2^40 of zero")]
    Range,
    /// Parameters for no counters or too many.
    #[error("a proof is about 1 to {SIZE} counters")]
    Counters,
    /// Other parameters than those that the lane was made for.
    #[error("these are not the pinned parameters")]
    Parameters,
    /// Not one value per counter.
    #[error("the lane has {expected} counters, {found} values were given")]
    Values {
        /// Counters of the lane.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// A value outside of the range.
    #[error("value {place} is out of range")]
    Value {
        /// Which one, from 0.
        place: usize,
    },
    /// There is no such holder.
    #[error("the lane has no holder {0}")]
    Holder(u32),
    /// Bytes that are not what they should be.
    #[error("these bytes are not a {0}")]
    Malformed(&'static str),
    /// A proof that does not prove it.
    #[error("the proof of block {block} is wrong")]
    Unproven {
        /// Which one, from 0.
        block: usize,
    },
    /// Two contributions of one site or holder, or of another round.
    #[error("one contribution of each site and holder, of the same round")]
    Mixed,
    /// No sites, or too few masks or contributors.
    #[error("{sites} sites and {masks} masks are no set: at least 1 and {masks_min}")]
    Set {
        /// Sites in the set.
        sites: usize,
        /// Masks in the set.
        masks: usize,
        /// Masks that are needed.
        masks_min: u32,
    },
    /// No randomness from the system.
    #[error("the system has no randomness")]
    Randomness,
}

/// How far a sum may be from the plaintext that it is read as.
fn residual_max(sites: u32, masks: u32) -> u64 {
    let drawn = |count: u32, role: Role| u64::from(count) << role.error_bits();
    drawn(sites, Role::Site) + drawn(masks, Role::Holder)
}

/// Distance of two plaintexts: their modulus is 2³⁹.
const UNIT_LOG: u32 = 25;
const UNIT: u64 = 1 << UNIT_LOG;
const MODULUS_LOG: u32 = 64 - UNIT_LOG;
/// Values of one range; what is above them in a plaintext is proved to be zero.
const RANGE_LOG: u32 = 32;
const PADDING_LOG: u32 = MODULUS_LOG - RANGE_LOG;
/// So many ranges fit the modulus, less one for what noise may add beyond the range.
const CONTRIBUTORS_MAX: u32 = (1 << PADDING_LOG) - 1;
/// Totals stay far from the limits of 64 bits.
const LOWER_MAX: u64 = 1 << 40;
/// The domain of the masks among all uses of BLAKE3.
const MASKS: &str = "graunt 2026-11 seal: context of proven contributions";
