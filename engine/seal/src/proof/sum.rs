//! Adding up verified contributions and masks, and opening the sum.

use std::collections::BTreeSet;

use super::contribution::{MaskCiphertext, Verified};
use super::{ProofError, ProvenLane, RANGE_LOG, UNIT, UNIT_LOG, residual_max};
use crate::opening::{OpenError, Opened, Opening, search};
use crate::ring::{Context, Products, SIZE};
use crate::secret::SECRET_MAX;
use crate::share::Share;

/// The sum of a set of proven contributions and of the masks that hide their secrets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProvenSum {
    words: Vec<u64>,
    masks: Context,
    sites: u32,
    holders: u32,
}

impl ProvenSum {
    /// Adds up one contribution of each site of a set, and the masks of the holders in it.
    ///
    /// # Privacy
    /// Masks of at least the threshold are asked for: who may assume that fewer holders than that
    /// collude may assume that one of the masks is honest. The caller checks that a mask is of the
    /// holder that it names.
    ///
    /// # Errors
    /// [`ProofError::Set`] without sites, with too few masks or too many contributors,
    /// [`ProofError::Mixed`] if two are of the same site or holder, or of different rounds.
    pub fn of(
        lane: &ProvenLane,
        sites: &[Verified],
        masks: &[MaskCiphertext],
    ) -> Result<Self, ProofError> {
        let fault = || ProofError::Set {
            sites: sites.len(),
            masks: masks.len(),
            masks_min: lane.threshold(),
        };
        let site_count = u32::try_from(sites.len()).map_err(|_| fault())?;
        let holder_count = u32::try_from(masks.len()).map_err(|_| fault())?;
        if !(1..=lane.sites()).contains(&site_count)
            || !(lane.threshold()..=lane.holders()).contains(&holder_count)
        {
            return Err(fault());
        }
        let of_sites = sites.iter().map(|site| (site.masks, &site.words));
        let of_holders = masks.iter().map(|mask| (mask.masks, &mask.words));
        let context = sites.first().ok_or_else(fault)?.masks;
        let mut words = vec![0_u64; lane.words()];
        for (own, summand) in of_sites.chain(of_holders) {
            if own != context || summand.len() != words.len() {
                return Err(ProofError::Mixed);
            }
            for (sum, word) in words.iter_mut().zip(summand) {
                *sum = sum.wrapping_add(*word);
            }
        }
        let is_set = are_distinct(sites.iter().map(|site| site.metadata))
            && are_distinct(masks.iter().map(MaskCiphertext::holder));
        if !is_set {
            return Err(ProofError::Mixed);
        }
        Ok(Self { words, masks: context, sites: site_count, holders: holder_count })
    }

    /// Opens the sum by the shares of a threshold of holders or more; see [`crate::open`].
    ///
    /// Each holder gives the sum of its shares of exactly this set, once.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, lane: &ProvenLane, shares: &[Share]) -> Result<Opened, OpenError> {
        let read = |opening: &Opening| self.verify(lane, opening);
        let (opening, totals, liars) = search(&lane.inner, shares, read)?;
        Ok(Opened { totals, opening, liars })
    }

    /// The totals, if this is the opening of the sum; everyone can tell.
    ///
    /// The totals of honest sites are exact. See [`crate::proof::Crs::shift_max`] for others.
    ///
    /// # Errors
    /// [`OpenError::Lane`], [`OpenError::Opening`].
    pub fn verify(&self, lane: &ProvenLane, opening: &Opening) -> Result<Vec<i128>, OpenError> {
        if self.words.len() != lane.words() {
            return Err(OpenError::Lane);
        }
        let secret = opening.coefficients();
        // No overflow: at most 127 contributors.
        let largest = self.sites + self.holders * SECRET_MAX;
        if secret.iter().any(|coefficient| *coefficient > largest) {
            return Err(OpenError::Opening);
        }
        let bound = residual_max(self.sites, self.holders);
        let is_near = |residual: u64| residual.cast_signed().unsigned_abs() <= bound;
        let mut products = Products::of(&lane.inner, &self.masks, secret);
        let mut totals = Vec::with_capacity(lane.counters());
        let mut words = &*self.words;
        for (index, counters) in lane.blocks().enumerate() {
            let (first, rest) = words.split_at(SIZE);
            let (second, rest) = rest.split_at(counters);
            words = rest;
            let product = products.with_mask(2 * index);
            let mut zeros = first.iter().zip(product).map(|(word, part)| word.wrapping_sub(*part));
            if !zeros.all(is_near) {
                return Err(OpenError::Opening);
            }
            let product = products.with_mask(2 * index + 1);
            for (word, part) in second.iter().zip(product.iter().rev()) {
                let phase = word.wrapping_sub(*part);
                let plain = phase.wrapping_add(UNIT / 2) >> UNIT_LOG;
                if !is_near(phase.wrapping_sub(plain << UNIT_LOG)) {
                    return Err(OpenError::Opening);
                }
                totals.push(self.total(lane, plain));
            }
        }
        Ok(totals)
    }

    /// What a plaintext stands for: the middle of the ranges is in the middle of the modulus.
    fn total(&self, lane: &ProvenLane, plain: u64) -> i128 {
        let half = u64::from(self.sites) << (RANGE_LOG - 1);
        let from_middle = (plain.wrapping_sub(half) << UNIT_LOG).cast_signed() >> UNIT_LOG;
        let middle = i128::from(lane.lower) + (1_i128 << (RANGE_LOG - 1));
        i128::from(from_middle) + i128::from(self.sites) * middle
    }
}

fn are_distinct<T: Ord>(mut members: impl Iterator<Item = T>) -> bool {
    let mut seen = BTreeSet::new();
    members.all(|member| seen.insert(member))
}
