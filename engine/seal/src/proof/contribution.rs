//! Sealing with a proof, verifying one, and the masks of holders.

use std::io::Cursor;

use sha2::{Digest, Sha256};
use tfhe::core_crypto::prelude::{
    CiphertextModulus, LweCiphertextCount, LweCompactCiphertextList, LweCompactPublicKey, LweSize,
};
use tfhe::safe_serialization::{safe_deserialize_conformant, safe_serialize};
use tfhe::zk::{
    CompactPkeProof, CompactPkeProofConformanceParams, CompactPkeZkScheme, ZkComputeLoad,
    ZkPkeV2SupportedHashConfig,
};
use zeroize::Zeroizing;

use super::{Crs, ProofError, ProvenLane, RANGE_LOG, UNIT_LOG};
use crate::lane::Lane;
use crate::ring::{Context, Products, SIZE, mask};
use crate::secret::{Purpose, Role, Seed};
use crate::share::{Share, share};

/// Seals the values of one site and proves that they are in range.
///
/// `metadata` says whose contribution it is and to what: a digest of site, query, round, schema and
/// ledger head. The proof holds for the same bytes only, so nobody can pass it off as their own.
/// The shares are for the holders in their order. Secrets are drawn inside and erased, but the
/// prover's library leaves copies in freed memory.
///
/// # Errors
/// [`ProofError::Parameters`], [`ProofError::Values`], [`ProofError::Value`],
/// [`ProofError::Randomness`]; nothing is drawn before the values are checked.
pub fn seal_proven(
    lane: &ProvenLane,
    crs: &Crs,
    context: &Context,
    values: &[i64],
    metadata: &[u8],
) -> Result<(ProvenCiphertext, Vec<Share>), ProofError> {
    if crs.digest() != lane.crs_digest {
        return Err(ProofError::Parameters);
    }
    let shifted = shifted(lane, values)?;
    let seed = Seed::fresh().map_err(|_| ProofError::Randomness)?;
    let mut secret = seed.secret();
    secret.iter_mut().for_each(|word| *word &= 1);
    let masks = lane.masks(context);
    let sealed = seal_words(lane, &masks, &secret, &shifted, &seed, Role::Site);
    let mut proofs = vec![];
    for block in sealed.blocks(lane, &shifted) {
        let prover = Seed::fresh().map_err(|_| ProofError::Randomness)?;
        let randomness = prover.stream(Purpose::Errors).bytes();
        let (randomness, _) = randomness.split_first_chunk().ok_or(ProofError::Randomness)?;
        proofs.push(prove(lane, crs, &masks, &secret, &block, metadata, randomness));
    }
    let shares = share(&lane.inner, &secret, &seed);
    Ok((ProvenCiphertext { words: sealed.words, proofs }, shares))
}

/// Seals what a holder adds to the totals: its noise, or zeros.
///
/// Its wide secret hides those of the sites in the sum, which is why no set is opened without
/// masks. Values are within ±2³¹.
///
/// # Errors
/// [`ProofError::Holder`], [`ProofError::Values`], [`ProofError::Value`],
/// [`ProofError::Randomness`].
pub fn seal_mask(
    lane: &ProvenLane,
    context: &Context,
    holder: u32,
    values: &[i64],
) -> Result<(MaskCiphertext, Vec<Share>), ProofError> {
    if !(1..=lane.holders()).contains(&holder) {
        return Err(ProofError::Holder(holder));
    }
    check_length(lane, values)?;
    let half = 1_i64 << (RANGE_LOG - 1);
    if let Some(place) = values.iter().position(|value| !(-half..half).contains(value)) {
        return Err(ProofError::Value { place });
    }
    let values: Zeroizing<Vec<u64>> =
        Zeroizing::new(values.iter().map(|value| value.cast_unsigned()).collect());
    let seed = Seed::fresh().map_err(|_| ProofError::Randomness)?;
    let secret = seed.secret();
    let masks = lane.masks(context);
    let sealed = seal_words(lane, &masks, &secret, &values, &seed, Role::Holder);
    let shares = share(&lane.inner, &secret, &seed);
    Ok((MaskCiphertext { holder, masks, words: sealed.words }, shares))
}

/// The contribution of one site with its proofs, not yet verified.
#[derive(Clone, Debug, PartialEq)]
pub struct ProvenCiphertext {
    words: Vec<u64>,
    proofs: Vec<CompactPkeProof>,
}

impl ProvenCiphertext {
    /// The words in little-endian order, then each proof after its length.
    ///
    /// # Errors
    /// [`ProofError::Malformed`] if a proof cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ProofError> {
        let mut bytes = to_bytes(&self.words);
        for proof in &self.proofs {
            let proof = proof_bytes(proof)?;
            let length = u32::try_from(proof.len()).map_err(|_| ProofError::Malformed(PROOF))?;
            bytes.extend(length.to_le_bytes());
            bytes.extend(proof);
        }
        Ok(bytes)
    }

    #[cfg(test)]
    pub(super) const fn of(words: Vec<u64>, proofs: Vec<CompactPkeProof>) -> Self {
        Self { words, proofs }
    }

    /// Reads what [`ProvenCiphertext::to_bytes`] wrote for the same lane, and nothing else.
    ///
    /// # Errors
    /// [`ProofError::Malformed`] if the length is another or a proof is not made of points of the
    /// curve.
    pub fn from_bytes(lane: &ProvenLane, bytes: &[u8]) -> Result<Self, ProofError> {
        let malformed = || ProofError::Malformed(CONTRIBUTION);
        let (words, mut rest) = bytes.split_at_checked(8 * lane.words()).ok_or_else(malformed)?;
        let mut proofs = vec![];
        for _ in lane.blocks() {
            let (length, after) = rest.split_first_chunk().ok_or_else(malformed)?;
            let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| malformed())?;
            let (proof, after) = after.split_at_checked(length).ok_or_else(malformed)?;
            proofs.push(read_proof(proof)?);
            rest = after;
        }
        if !rest.is_empty() {
            return Err(malformed());
        }
        Ok(Self { words: from_bytes(words), proofs })
    }

    /// Checks every proof, for whoever wants to: nothing secret is needed.
    ///
    /// # Errors
    /// [`ProofError::Parameters`], and [`ProofError::Unproven`] if a counter may be out of range,
    /// or the contribution is to another round, or the metadata are others.
    pub fn verify(
        self,
        lane: &ProvenLane,
        crs: &Crs,
        context: &Context,
        metadata: &[u8],
    ) -> Result<Verified, ProofError> {
        if crs.digest() != lane.crs_digest {
            return Err(ProofError::Parameters);
        }
        if self.words.len() != lane.words() || self.proofs.len() != lane.blocks().count() {
            return Err(ProofError::Malformed(CONTRIBUTION));
        }
        let masks = lane.masks(context);
        let mut start = 0;
        for ((index, counters), proof) in lane.blocks().enumerate().zip(&self.proofs) {
            let words = &self.words[start..start + SIZE + counters];
            start += words.len();
            let list = list(words);
            let key = public_key(&lane.inner, &masks, index);
            let outcome = crs.parameters().verify(&list, &key, proof, metadata);
            if outcome.is_invalid() {
                return Err(ProofError::Unproven { block: index });
            }
        }
        let metadata = Sha256::digest(metadata).into();
        Ok(Verified { words: self.words, masks, metadata })
    }
}

/// A contribution whose proofs are right; made by [`ProvenCiphertext::verify`] only.
#[derive(Debug)]
pub struct Verified {
    pub(super) words: Vec<u64>,
    pub(super) masks: Context,
    pub(super) metadata: [u8; 32],
}

/// What a holder adds to the totals.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MaskCiphertext {
    pub(super) holder: u32,
    pub(super) masks: Context,
    pub(super) words: Vec<u64>,
}

impl MaskCiphertext {
    /// Whose it is, from 1.
    pub const fn holder(&self) -> u32 {
        self.holder
    }

    /// The words in little-endian order; whose they are is known from who sent and signed them.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_bytes(&self.words)
    }

    /// Reads what [`MaskCiphertext::to_bytes`] wrote for the same lane.
    ///
    /// # Errors
    /// [`ProofError::Holder`], [`ProofError::Malformed`].
    pub fn from_bytes(
        lane: &ProvenLane,
        context: &Context,
        holder: u32,
        bytes: &[u8],
    ) -> Result<Self, ProofError> {
        if !(1..=lane.holders()).contains(&holder) {
            return Err(ProofError::Holder(holder));
        }
        if bytes.len() != 8 * lane.words() {
            return Err(ProofError::Malformed("mask"));
        }
        Ok(Self { holder, masks: lane.masks(context), words: from_bytes(bytes) })
    }
}

/// A ciphertext with the errors in it, which the prover needs.
pub(super) struct Sealed {
    pub(super) words: Vec<u64>,
    errors: Zeroizing<Vec<i64>>,
}

/// One block of it, and the plaintexts of that block.
pub(super) struct Block<'a> {
    index: usize,
    words: &'a [u64],
    errors: &'a [i64],
    values: &'a [u64],
}

impl Sealed {
    pub(super) fn blocks<'a>(&'a self, lane: &ProvenLane, values: &'a [u64]) -> Vec<Block<'a>> {
        let (mut words, mut errors, mut values) = (&*self.words, &**self.errors, values);
        let mut blocks = vec![];
        for (index, counters) in lane.blocks().enumerate() {
            let (own_words, words_left) = words.split_at(SIZE + counters);
            let (own_errors, errors_left) = errors.split_at(SIZE + counters);
            let (own_values, values_left) = values.split_at(counters);
            (words, errors, values) = (words_left, errors_left, values_left);
            let block = Block { index, words: own_words, errors: own_errors, values: own_values };
            blocks.push(block);
        }
        blocks
    }
}

pub(super) fn seal_words(
    lane: &ProvenLane,
    masks: &Context,
    secret: &[u32],
    values: &[u64],
    seed: &Seed,
    role: Role,
) -> Sealed {
    let mut errors = Zeroizing::new(vec![0; lane.words()]);
    seed.stream(Purpose::Errors).errors(role.error_bits(), &mut errors);
    let mut words = vec![0_u64; lane.words()];
    let mut products = Products::of(&lane.inner, masks, secret);
    let (mut start, mut values) = (0, values);
    for (index, counters) in lane.blocks().enumerate() {
        let (own, left) = values.split_at(counters);
        values = left;
        let (first, second) = words[start..start + SIZE + counters].split_at_mut(SIZE);
        first.copy_from_slice(products.with_mask(2 * index));
        let product = products.with_mask(2 * index + 1);
        for ((word, product), value) in second.iter_mut().zip(product.iter().rev()).zip(own) {
            *word = product.wrapping_add(*value << UNIT_LOG);
        }
        start += SIZE + counters;
    }
    for (word, error) in words.iter_mut().zip(errors.iter()) {
        *word = word.wrapping_add_signed(*error);
    }
    Sealed { words, errors }
}

pub(super) fn prove(
    lane: &ProvenLane,
    crs: &Crs,
    masks: &Context,
    secret: &[u32],
    block: &Block<'_>,
    metadata: &[u8],
    randomness: &[u8; 16],
) -> CompactPkeProof {
    let key = public_key(&lane.inner, masks, block.index);
    // The library multiplies by the reverse of what it calls the randomness.
    let reversed: Zeroizing<Vec<u64>> =
        Zeroizing::new(secret.iter().rev().map(|bit| u64::from(*bit)).collect());
    let errors: Zeroizing<Vec<u64>> =
        Zeroizing::new(block.errors.iter().map(|error| error.cast_unsigned()).collect());
    let (first, second) = errors.split_at(SIZE);
    crs.parameters().prove(
        &key,
        &block.values,
        &list(block.words),
        &reversed,
        first,
        second,
        metadata,
        ZkComputeLoad::Proof,
        *randomness,
    )
}

/// Two masks as a public key, whose secret nobody knows.
fn public_key(inner: &Lane, masks: &Context, index: usize) -> LweCompactPublicKey<Vec<u64>> {
    let mut key = mask(inner, masks, 2 * index);
    key.extend(mask(inner, masks, 2 * index + 1));
    LweCompactPublicKey::from_container(key, CiphertextModulus::new_native())
}

fn list(words: &[u64]) -> LweCompactCiphertextList<&[u64]> {
    let count = LweCiphertextCount(words.len() - SIZE);
    let modulus = CiphertextModulus::new_native();
    LweCompactCiphertextList::from_container(words, LweSize(SIZE + 1), count, modulus)
}

fn check_length(lane: &ProvenLane, values: &[i64]) -> Result<(), ProofError> {
    let (expected, found) = (lane.counters(), values.len());
    if expected == found { Ok(()) } else { Err(ProofError::Values { expected, found }) }
}

/// Values counted from the least of the range.
fn shifted(lane: &ProvenLane, values: &[i64]) -> Result<Zeroizing<Vec<u64>>, ProofError> {
    check_length(lane, values)?;
    let mut shifted = Zeroizing::new(Vec::with_capacity(values.len()));
    for (place, value) in values.iter().enumerate() {
        let above = value.checked_sub(lane.lower).and_then(|above| u32::try_from(above).ok());
        shifted.push(u64::from(above.ok_or(ProofError::Value { place })?));
    }
    Ok(shifted)
}

fn proof_bytes(proof: &CompactPkeProof) -> Result<Vec<u8>, ProofError> {
    let mut bytes = vec![];
    safe_serialize(proof, &mut bytes, PROOF_BYTES_MAX).map_err(|_| ProofError::Malformed(PROOF))?;
    Ok(bytes)
}

/// Only proofs of the kind that we make, spelt as we do.
fn read_proof(bytes: &[u8]) -> Result<CompactPkeProof, ProofError> {
    let malformed = || ProofError::Malformed(PROOF);
    let form = CompactPkeProofConformanceParams::new(CompactPkeZkScheme::V2)
        .forbid_compute_load(ZkComputeLoad::Verify)
        .forbid_hash_config(ZkPkeV2SupportedHashConfig::V0_4_0)
        .forbid_hash_config(ZkPkeV2SupportedHashConfig::V0_7_0);
    let proof = safe_deserialize_conformant(Cursor::new(bytes), PROOF_BYTES_MAX, &form)
        .map_err(|_| malformed())?;
    if proof_bytes(&proof)? == bytes { Ok(proof) } else { Err(malformed()) }
}

fn to_bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Of a length that was checked.
fn from_bytes(bytes: &[u8]) -> Vec<u64> {
    let (words, _) = bytes.as_chunks();
    words.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

const PROOF: &str = "proof";
const CONTRIBUTION: &str = "proven contribution";
/// A proof has 2,029 bytes, and some hundreds around them.
const PROOF_BYTES_MAX: u64 = 1 << 13;
