//! The public parameters of proofs, and what they are trusted for.

use std::fmt;
use std::io::Cursor;

use sha2::{Digest, Sha256};
use tfhe::core_crypto::commons::math::random::{RandomGenerator, Seed};
use tfhe::core_crypto::prelude::{
    CiphertextModulus, DefaultRandomGenerator, LweCiphertextCount, LweDimension, TUniform,
};
use tfhe::safe_serialization::{safe_deserialize_conformant, safe_serialize};
use tfhe::zk::{CompactPkeCrs, CompactPkeCrsConformanceParams, ZkMSBZeroPaddingBitCount};

use super::{MODULUS_LOG, PADDING_LOG, ProofError, UNIT};
use crate::ring::SIZE;
use crate::secret::Role;

/// The common reference string of a round's proofs: powers of a number that nobody may know.
///
/// # Privacy
/// Whoever knows that number can prove anything about their own contribution; they learn nothing
/// about those of others. So the parameters come from a ceremony of several parties, of whom one
/// forgets its part, or from an auditor whom all sites trust to forget it. Everyone pins their
/// digest: a contribution that is proved under others is refused.
pub struct Crs {
    parameters: CompactPkeCrs,
    bytes: Vec<u8>,
    digest: [u8; 32],
    shift_max: u64,
}

/// What all parties pin of the parameters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pin {
    /// Counters of one proof.
    pub counters: usize,
    /// SHA-256 of their bytes.
    pub digest: [u8; 32],
}

impl Crs {
    /// Draws parameters for proofs of up to `counters` counters, by which the caller could forge.
    ///
    /// It takes some seconds, and minutes for thousands of counters; the number behind it is
    /// dropped with the stack, not erased from it.
    ///
    /// # Errors
    /// [`ProofError::Counters`], [`ProofError::Randomness`].
    pub fn generate(counters: usize) -> Result<Self, ProofError> {
        if !(1..=SIZE).contains(&counters) {
            return Err(ProofError::Counters);
        }
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(|_| ProofError::Randomness)?;
        let seed = Seed(u128::from_le_bytes(seed));
        let parameters = CompactPkeCrs::new(
            LweDimension(SIZE),
            LweCiphertextCount(counters),
            TUniform::<u64>::new(Role::Site.error_bits()),
            CiphertextModulus::new_native(),
            1_u64 << MODULUS_LOG,
            ZkMSBZeroPaddingBitCount(u64::from(PADDING_LOG)),
            &mut RandomGenerator::<DefaultRandomGenerator>::new(seed),
        );
        let parameters = parameters.map_err(|_| ProofError::Counters)?;
        let mut bytes = vec![];
        safe_serialize(&parameters, &mut bytes, BYTES_MAX)
            .map_err(|_| ProofError::Malformed(KIND))?;
        Self::new(parameters, bytes)
    }

    /// Reads parameters whose digest is the pinned one, and checks that they are well formed.
    ///
    /// # Errors
    /// [`ProofError::Parameters`] if the digest is another, [`ProofError::Malformed`] if they are
    /// for another number of counters or another lane.
    pub fn from_bytes(
        bytes: Vec<u8>,
        counters: usize,
        digest: &[u8; 32],
    ) -> Result<Self, ProofError> {
        if <[u8; 32]>::from(Sha256::digest(&bytes)) != *digest {
            return Err(ProofError::Parameters);
        }
        let error_max = 1 << Role::Site.error_bits();
        let form = CompactPkeCrsConformanceParams::new(
            SIZE,
            counters,
            error_max,
            0,
            1 << MODULUS_LOG,
            u64::from(PADDING_LOG),
        );
        let parameters = safe_deserialize_conformant(Cursor::new(&bytes), BYTES_MAX, &form)
            .map_err(|_| ProofError::Malformed(KIND))?;
        Self::new(parameters, bytes)
    }

    /// Their bytes, some megabytes.
    pub fn to_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of their bytes, which all parties pin.
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// What all parties pin of them.
    pub fn pin(&self) -> Pin {
        Pin { counters: self.counters(), digest: self.digest }
    }

    /// Counters of one proof.
    pub fn counters(&self) -> usize {
        self.parameters.max_num_messages().0
    }

    /// How far below or above its range a lying site may have moved a counter.
    ///
    /// A proof bounds the length of all errors together, loosely. An error that is a multiple of
    /// the distance between plaintexts is not told from a value; so many fit the bound, and one
    /// more for the errors of the others. Totals of honest sites are exact.
    pub const fn shift_max(&self) -> u64 {
        self.shift_max
    }

    pub(super) const fn parameters(&self) -> &CompactPkeCrs {
        &self.parameters
    }

    fn new(parameters: CompactPkeCrs, bytes: Vec<u8>) -> Result<Self, ProofError> {
        let CompactPkeCrs::PkeV2(inner) = &parameters else {
            return Err(ProofError::Malformed(KIND));
        };
        let error_max = inner.B_bound_squared.isqrt();
        let shift_max = u64::try_from(error_max / u128::from(UNIT) + 1)
            .map_err(|_| ProofError::Malformed(KIND))?;
        let digest = Sha256::digest(&bytes).into();
        Ok(Self { parameters, bytes, digest, shift_max })
    }
}

impl fmt::Debug for Crs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Crs").field("counters", &self.counters()).finish_non_exhaustive()
    }
}

const KIND: &str = "set of parameters";
/// Those for 2,048 counters have 36 MiB.
const BYTES_MAX: u64 = 1 << 26;
