//! Whether a cell has at least `T` persons over all sites, decided under encryption.
//!
//! ```text
//! authority  SiteKey ──▶ sites       min(c, T) ── SealedCounts ──┐
//!            EvaluationKey ──▶ evaluator ◀───────────────────────┘
//!            bits ◀── Decisions ──┘      sums, min(x, T), sums, x ≥ T
//! ```
//! Σ cᵢ ≥ T exactly if Σ min(cᵢ, T) ≥ T, and the small numbers on the right fit ciphertexts of
//! which a bootstrap computes any function. Nobody learns a count, only one bit per cell.
//!
//! # Privacy
//! A decision is exact, so it is not differentially private: one person may turn it. Where noisy
//! totals are released, compare those with the threshold instead.
//!
//! What is trusted: the authority and the evaluator do not collude (the authority's key opens what
//! sites send), and the authority is given decisions only. Sites cannot open each other's counts.
//! The noise of a decision's ciphertext depends on the counts, so an authority that studies it
//! could learn more than the bit. A site that seals a wrong count is not found out, nor is an
//! evaluator that decides wrongly.
//!
//! # Source
//! Parameters `PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128` of TFHE-rs 1.8: a bootstrap fails
//! with probability below 2⁻¹²⁸. Public key encryption: Joye 2023 (eprint 2023/603), §3.

mod schedule;
#[cfg(test)]
mod tests;

use std::fmt;

use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use serde::{Deserialize, Serialize};
use tfhe::Seed;
use tfhe::conformance::ParameterSetConformant;
use tfhe::core_crypto::commons::generators::{DeterministicSeeder, NoiseRandomGenerator};
use tfhe::core_crypto::prelude::{
    CiphertextModulus, ContiguousEntityContainer, DefaultRandomGenerator,
    EncryptionRandomGenerator, LweCiphertextCount, LweCiphertextListOwned, LweCiphertextOwned,
    LweCompactCiphertextList, LweCompactPublicKey, LweSize, PlaintextList, TUniform,
    allocate_and_generate_new_lwe_compact_public_key,
    encrypt_lwe_compact_ciphertext_list_with_compact_public_key,
};
use tfhe::shortint::ciphertext::{Degree, MaxDegree, NoiseLevel};
use tfhe::shortint::parameters::{
    AtomicPatternKind, AtomicPatternParameters, ClassicPBSParameters,
    PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128, PBSOrder,
};
use tfhe::shortint::{Ciphertext, ClientKey, CompressedServerKey, ServerKey};
use thiserror::Error;

use schedule::{SUM_MAX, Schedule};

/// Which decisions are made: public, and the same for all parties.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Gate {
    sites: u32,
    threshold: u32,
    cells: usize,
    bootstraps_per_cell: usize,
}

impl Gate {
    /// A gate that opens for cells with at least `threshold` persons over `sites` sites.
    ///
    /// # Errors
    /// [`GateError::Sites`], [`GateError::NoCells`], and [`GateError::Threshold`] if the counts of
    /// two sites do not fit one ciphertext: 7 is the largest threshold, and 15 for a single site.
    pub fn new(sites: u32, threshold: u32, cells: usize) -> Result<Self, GateError> {
        if sites == 0 || sites > SITES_MAX {
            return Err(GateError::Sites);
        }
        if cells == 0 {
            return Err(GateError::NoCells);
        }
        let gate = Self { sites, threshold, cells, bootstraps_per_cell: 0 };
        let bootstraps_per_cell = gate.schedule()?.bootstraps();
        Ok(Self { bootstraps_per_cell, ..gate })
    }

    /// Bootstraps for every cell.
    pub const fn bootstraps_per_cell(&self) -> usize {
        self.bootstraps_per_cell
    }

    fn schedule(&self) -> Result<Schedule, GateError> {
        let fault = GateError::Threshold { sites: self.sites, threshold: self.threshold };
        let sites = usize::try_from(self.sites).map_err(|_| fault)?;
        Schedule::new(sites, u64::from(self.threshold)).ok_or(fault)
    }

    /// Cells of each block: a mask serves [`DIMENSION`] of them.
    fn blocks(&self) -> impl Iterator<Item = usize> {
        let cells = self.cells;
        (0..cells).step_by(DIMENSION).map(move |start| DIMENSION.min(cells - start))
    }

    /// Length of [`SealedCounts`] in words.
    fn words(&self) -> usize {
        self.blocks().map(|cells| DIMENSION + cells).sum()
    }
}

/// Who makes the keys and opens decisions; trusted to open nothing else.
pub struct Authority {
    key: ClientKey,
}

impl Authority {
    /// Draws a secret key.
    ///
    /// # Errors
    /// [`GateError::Randomness`] if the system has none.
    pub fn generate() -> Result<(Self, SiteKey, EvaluationKey), GateError> {
        let key = ClientKey::new(PARAMETERS);
        let mut seeds = DeterministicSeeder::<DefaultRandomGenerator>::new(seed()?);
        let mut generator =
            EncryptionRandomGenerator::<DefaultRandomGenerator>::new(seed()?, &mut seeds);
        let site_key = allocate_and_generate_new_lwe_compact_public_key(
            &key.encryption_key(),
            NOISE,
            CiphertextModulus::new_native(),
            &mut generator,
        );
        let evaluation_key = EvaluationKey(CompressedServerKey::new(&key));
        Ok((Self { key }, SiteKey(site_key.into_container()), evaluation_key))
    }

    /// Opens decisions: for every cell, whether it has enough persons.
    ///
    /// # Errors
    /// [`GateError::NotADecision`] if a ciphertext holds anything but a bit.
    pub fn open(&self, decisions: &Decisions) -> Result<Vec<bool>, GateError> {
        let bit = |decision: &LweCiphertextOwned<u64>| {
            let ciphertext = shortint(decision.clone(), 1);
            match self.key.decrypt_message_and_carry(&ciphertext) {
                0 => Ok(false),
                1 => Ok(true),
                _ => Err(GateError::NotADecision),
            }
        };
        decisions.cells.iter().map(bit).collect()
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Authority")
    }
}

/// With which sites seal counts; public.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct SiteKey(Vec<u64>);

impl SiteKey {
    /// Seals the counts of one site; counts above the threshold are as good as the threshold.
    ///
    /// # Errors
    /// [`GateError::Cells`] if there is not one count per cell, [`GateError::Malformed`] if the key
    /// has another size, [`GateError::Randomness`].
    pub fn seal(&self, gate: &Gate, counts: &[u64]) -> Result<SealedCounts, GateError> {
        if counts.len() != gate.cells {
            return Err(GateError::Cells { expected: gate.cells, found: counts.len() });
        }
        if self.0.len() != 2 * DIMENSION {
            return Err(GateError::Malformed);
        }
        let modulus = CiphertextModulus::new_native();
        let key = LweCompactPublicKey::from_container(self.0.as_slice(), modulus);
        let seed = seed()?;
        let mut noise = NoiseRandomGenerator::<DefaultRandomGenerator>::new_from_seed(seed);
        let mut words = Vec::with_capacity(gate.words());
        for block in counts.chunks(DIMENSION) {
            let encode = |count: &u64| (*count).min(u64::from(gate.threshold)) << UNIT_LOG;
            let plain = PlaintextList::from_container(block.iter().map(encode).collect::<Vec<_>>());
            let count = LweCiphertextCount(block.len());
            let mut list = LweCompactCiphertextList::new(0_u64, SIZE, count, modulus);
            encrypt_lwe_compact_ciphertext_list_with_compact_public_key(
                &key, &mut list, &plain, NOISE, NOISE, &mut noise,
            );
            words.extend(list.into_container());
        }
        Ok(SealedCounts { words })
    }
}

/// The counts of one site, none above the threshold, under the authority's key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SealedCounts {
    words: Vec<u64>,
}

impl SealedCounts {
    /// The words in little-endian order: 8 bytes per cell, and 16 KiB per 2,048 cells or fewer.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Reads what [`SealedCounts::to_bytes`] wrote for the same gate.
    ///
    /// # Errors
    /// [`GateError::Malformed`] if the length is another.
    pub fn from_bytes(gate: &Gate, bytes: &[u8]) -> Result<Self, GateError> {
        let words = words(bytes)?;
        if words.len() != gate.words() {
            return Err(GateError::Malformed);
        }
        Ok(Self { words })
    }
}

/// With which sealed counts are computed on; public, about 29 MiB.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EvaluationKey(CompressedServerKey);

impl EvaluationKey {
    /// Unpacks the key, to more than twice its size.
    ///
    /// # Errors
    /// [`GateError::Malformed`] if it is not a key for the parameters of this module.
    pub fn evaluator(&self) -> Result<Evaluator, GateError> {
        let parameters = AtomicPatternParameters::from(PARAMETERS);
        if !self.0.is_conformant(&(parameters, MaxDegree::new(SUM_MAX))) {
            return Err(GateError::Malformed);
        }
        Ok(Evaluator { key: self.0.decompress() })
    }
}

/// Who decides without seeing counts or decisions.
pub struct Evaluator {
    key: ServerKey,
}

impl fmt::Debug for Evaluator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Evaluator")
    }
}

impl Evaluator {
    /// Decides for every cell, on all threads of the pool.
    ///
    /// # Errors
    /// [`GateError::Contributions`] if there is not one contribution per site,
    /// [`GateError::Malformed`] if one was sealed for another gate.
    pub fn decide(&self, gate: &Gate, counts: &[SealedCounts]) -> Result<Decisions, GateError> {
        let found = counts.len();
        if u32::try_from(found) != Ok(gate.sites) {
            return Err(GateError::Contributions { expected: gate.sites, found });
        }
        if counts.iter().any(|counts| counts.words.len() != gate.words()) {
            return Err(GateError::Malformed);
        }
        let schedule = gate.schedule()?;
        let mut cells = Vec::with_capacity(gate.cells);
        let mut start = 0;
        for block_cells in gate.blocks() {
            let block = start..start + DIMENSION + block_cells;
            start = block.end;
            let blocks: Vec<&[u64]> =
                counts.iter().map(|counts| &counts.words[block.clone()]).collect();
            cells.extend(self.decide_block(gate, &schedule, &blocks));
        }
        Ok(Decisions { cells, bootstraps_per_cell: schedule.bootstraps() })
    }

    fn decide_block(
        &self,
        gate: &Gate,
        schedule: &Schedule,
        blocks: &[&[u64]],
    ) -> Vec<LweCiphertextOwned<u64>> {
        let threshold = u64::from(gate.threshold);
        let [saturate, compare] = [
            self.key.generate_lookup_table(|sum| sum.min(threshold)),
            self.key.generate_lookup_table(|sum| u64::from(sum >= threshold)),
        ];
        let Some((first, rest)) = schedule.steps.split_first() else { return vec![] };
        // The first sums are those of whole blocks, before there is a ciphertext for every cell.
        let sums: Vec<LweCiphertextListOwned<u64>> =
            first.iter().map(|bin| sum(blocks, bin)).collect();
        let cells = sums.first().map_or(0, |list| list.lwe_ciphertext_count().0);
        let apply = |bin: &schedule::Bin, sum: Ciphertext| {
            if bin.is_saturated { self.key.apply_lookup_table(&sum, &saturate) } else { sum }
        };
        let decide = |cell: usize| {
            let mut items: Vec<Ciphertext> = first
                .iter()
                .zip(&sums)
                .map(|(bin, list)| {
                    let ciphertext = list.get(cell).as_view().into_container().to_vec();
                    let modulus = CiphertextModulus::new_native();
                    let ciphertext = LweCiphertextOwned::from_container(ciphertext, modulus);
                    apply(bin, shortint(ciphertext, bin.value_max))
                })
                .collect();
            for step in rest {
                let add = |bin: &schedule::Bin| {
                    let mut parts = bin.of.iter().map(|place| &items[*place]);
                    let mut sum = parts.next()?.clone();
                    parts.for_each(|part| self.key.unchecked_add_assign(&mut sum, part));
                    Some(apply(bin, sum))
                };
                items = step.iter().filter_map(add).collect();
            }
            self.key.apply_lookup_table(&items[0], &compare).ct
        };
        (0..cells).into_par_iter().map(decide).collect()
    }
}

/// One encrypted bit per cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Decisions {
    cells: Vec<LweCiphertextOwned<u64>>,
    bootstraps_per_cell: usize,
}

impl Decisions {
    /// How many bootstraps every cell took.
    pub const fn bootstraps_per_cell(&self) -> usize {
        self.bootstraps_per_cell
    }

    /// The ciphertexts one after another, 16 KiB and 8 bytes each.
    pub fn to_bytes(&self) -> Vec<u8> {
        let words = self.cells.iter().flat_map(|cell| cell.as_ref().iter());
        words.flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Reads what [`Decisions::to_bytes`] wrote for the same gate.
    ///
    /// # Errors
    /// [`GateError::Malformed`] if the length is another.
    pub fn from_bytes(gate: &Gate, bytes: &[u8]) -> Result<Self, GateError> {
        let words = words(bytes)?;
        let (cells, rest) = words.as_chunks::<{ DIMENSION + 1 }>();
        if cells.len() != gate.cells || !rest.is_empty() {
            return Err(GateError::Malformed);
        }
        let modulus = CiphertextModulus::new_native();
        let read = |cell: &[u64; DIMENSION + 1]| {
            LweCiphertextOwned::from_container(cell.to_vec(), modulus)
        };
        let cells = cells.iter().map(read).collect();
        Ok(Self { cells, bootstraps_per_cell: gate.bootstraps_per_cell })
    }
}

/// Why there is no gate, no sealed count or no decision.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum GateError {
    /// A gate over no sites or too many.
    #[error("a gate has 1 to 1,000 sites")]
    Sites,
    /// A gate for no cells.
    #[error("a gate needs at least one cell")]
    NoCells,
    /// The sums would not fit.
    #[error("no threshold of {threshold} over {sites} sites: 1 to 7, or to 15 for a single site")]
    Threshold {
        /// Sites of the gate.
        sites: u32,
        /// Persons asked for.
        threshold: u32,
    },
    /// Not one count per cell.
    #[error("the gate has {expected} cells, {found} counts were given")]
    Cells {
        /// Cells of the gate.
        expected: usize,
        /// Counts given.
        found: usize,
    },
    /// Not one contribution per site.
    #[error("the gate has {expected} sites, {found} contributions were given")]
    Contributions {
        /// Sites of the gate.
        expected: u32,
        /// Contributions given.
        found: usize,
    },
    /// Bytes or keys of another size or for other parameters.
    #[error("not what belongs to this gate")]
    Malformed,
    /// A ciphertext that no evaluator makes.
    #[error("a ciphertext holds no decision")]
    NotADecision,
    /// No randomness from the system.
    #[error("the system has no randomness")]
    Randomness,
}

fn seed() -> Result<Seed, GateError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| GateError::Randomness)?;
    Ok(Seed(u128::from_le_bytes(bytes)))
}

/// Sums the blocks of a bin's sites.
fn sum(blocks: &[&[u64]], bin: &schedule::Bin) -> LweCiphertextListOwned<u64> {
    let mut total = vec![0_u64; blocks[bin.of[0]].len()];
    for site in &bin.of {
        for (sum, word) in total.iter_mut().zip(blocks[*site]) {
            *sum = sum.wrapping_add(*word);
        }
    }
    let count = LweCiphertextCount(total.len() - DIMENSION);
    let modulus = CiphertextModulus::new_native();
    LweCompactCiphertextList::from_container(total, SIZE, count, modulus)
        .expand_into_lwe_ciphertext_list()
}

fn shortint(ciphertext: LweCiphertextOwned<u64>, value_max: u64) -> Ciphertext {
    Ciphertext::new(
        ciphertext,
        Degree::new(value_max),
        NoiseLevel::NOMINAL,
        PARAMETERS.message_modulus,
        PARAMETERS.carry_modulus,
        AtomicPatternKind::Standard(PBSOrder::KeyswitchBootstrap),
    )
}

fn words(bytes: &[u8]) -> Result<Vec<u64>, GateError> {
    let (words, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(GateError::Malformed);
    }
    Ok(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
}

const PARAMETERS: ClassicPBSParameters = PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128;
/// The parameters' polynomial size; one polynomial is the key of an encryption.
const DIMENSION: usize = 2048;
const SIZE: LweSize = LweSize(DIMENSION + 1);
/// More would only make the schedule long.
const SITES_MAX: u32 = 1_000;
/// Four bits of plaintext below one of padding.
const UNIT_LOG: u32 = 59;
/// Noise of a fresh encryption, that of the parameters.
const NOISE: TUniform<u64> = TUniform::new(17);
