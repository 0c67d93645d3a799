//! Ciphertexts, and their sum, which anyone can compute.
//!
//! Here nothing is secret: a ciphertext tells nothing without a threshold of shares.

#![deny(clippy::float_arithmetic)]

use crate::lane::Lane;
use crate::packing::{pack, unpack};
use crate::ring::{Context, Products, SIZE};

/// One contribution, sealed.
///
/// It says neither whose it is nor of which round: its digest is what a ledger names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ciphertext {
    lane: Lane,
    /// Modulo 2^64, with the dropped bits zero.
    bodies: Vec<u64>,
}

/// The bytes are not those of a ciphertext of the lane: of another length, or not canonical.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("these bytes are not a ciphertext of the lane")]
pub struct CiphertextError;

impl Ciphertext {
    /// Its bytes, [`Lane::ciphertext_bytes`] of them: section by section, bodies packed by the bit.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Packing writes words and cuts the last one.
        let mut bytes = Vec::with_capacity(self.lane.ciphertext_bytes() + 8);
        for section in self.lane.sections() {
            pack(section, &self.bodies[section.range()], &mut bytes);
        }
        bytes
    }

    /// Reads what [`Ciphertext::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`CiphertextError`].
    pub fn from_bytes(lane: &Lane, bytes: &[u8]) -> Result<Self, CiphertextError> {
        if bytes.len() != lane.ciphertext_bytes() {
            return Err(CiphertextError);
        }
        let mut bodies = Vec::with_capacity(lane.coefficients());
        let mut rest = bytes;
        for section in lane.sections() {
            let packed = rest.split_off(..section.bytes()).ok_or(CiphertextError)?;
            unpack(section, packed, &mut bodies).ok_or(CiphertextError)?;
        }
        Ok(Self { lane: *lane, bodies })
    }
}

/// The sum of ciphertexts, which opens to the totals of their values.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sum {
    lane: Lane,
    bodies: Vec<u64>,
    contributors: u32,
}

/// Why a ciphertext cannot be added.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SumError {
    /// The ciphertext is of another lane.
    #[error("the ciphertext is of another lane")]
    Lane,
    /// The lane's bounds hold for fewer contributors.
    #[error("the lane is for fewer contributors")]
    Full,
}

impl Sum {
    /// The sum of none.
    pub fn empty(lane: &Lane) -> Self {
        Self { lane: *lane, bodies: vec![0; lane.coefficients()], contributors: 0 }
    }

    /// The sum of all of these.
    ///
    /// # Errors
    /// As [`Sum::add`].
    pub fn of<'a>(
        lane: &Lane,
        ciphertexts: impl IntoIterator<Item = &'a Ciphertext>,
    ) -> Result<Self, SumError> {
        let mut sum = Self::empty(lane);
        ciphertexts.into_iter().try_for_each(|ciphertext| sum.add(ciphertext))?;
        Ok(sum)
    }

    /// Adds one more.
    ///
    /// # Errors
    /// [`SumError`]; the sum is then as before.
    pub fn add(&mut self, ciphertext: &Ciphertext) -> Result<(), SumError> {
        if ciphertext.lane != self.lane {
            return Err(SumError::Lane);
        }
        if self.contributors == self.lane.sites() + self.lane.holders() {
            return Err(SumError::Full);
        }
        self.contributors += 1;
        for (total, body) in self.bodies.iter_mut().zip(&ciphertext.bodies) {
            *total = total.wrapping_add(*body);
        }
        Ok(())
    }

    /// How many ciphertexts are in it.
    pub const fn contributors(&self) -> u32 {
        self.contributors
    }

    pub(crate) const fn lane(&self) -> &Lane {
        &self.lane
    }

    /// What is left of it without the products of a secret and the masks.
    pub(crate) fn without(&self, context: &Context, secret: &[u32]) -> Vec<u64> {
        let mut phases = self.bodies.clone();
        let mut products = Products::of(&self.lane, context, secret);
        for (block, phases) in phases.chunks_mut(SIZE).enumerate() {
            for (phase, product) in phases.iter_mut().zip(products.with_mask(block)) {
                *phase = phase.wrapping_sub(*product);
            }
        }
        phases
    }
}

/// Encrypts values within the lane's range, one per counter, under a secret that is used nowhere
/// else; `errors` fills in what is drawn for each block.
pub(crate) fn encrypt(
    lane: &Lane,
    context: &Context,
    values: &[i128],
    secret: &[u32],
    mut errors: impl FnMut(&mut [i64]),
) -> Ciphertext {
    let mut bodies = vec![0; lane.coefficients()];
    // Zeros stay zeros.
    for section in lane.sections().filter(|section| section.modulus > 1) {
        for (body, value) in bodies[section.range()].iter_mut().zip(values) {
            *body = section.encode(*value);
        }
    }
    let mut products = Products::of(lane, context, secret);
    let mut drawn = zeroize::Zeroizing::new(vec![0; SIZE]);
    for (block, bodies) in bodies.chunks_mut(SIZE).enumerate() {
        errors(&mut drawn);
        let masks = products.with_mask(block);
        for ((body, mask), error) in bodies.iter_mut().zip(masks).zip(&*drawn) {
            *body = body.wrapping_add(*mask).wrapping_add_signed(*error);
        }
    }
    for section in lane.sections() {
        // To the nearest multiple.
        let half = 1 << (section.dropped - 1);
        for body in &mut bodies[section.range()] {
            *body = body.wrapping_add(half) >> section.dropped << section.dropped;
        }
    }
    Ciphertext { lane: *lane, bodies }
}

#[cfg(test)]
mod tests;
