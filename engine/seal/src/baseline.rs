//! Counters as general ciphertexts, to see what the general way costs.
//!
//! ```text
//! owner ── Number ──▶ machine: sum, largest, at least? ── Number, Bit ──▶ owner
//! ```
//! Everything is slow here, seconds per sum of ten counters, and one key opens all. It is for
//! comparisons that nothing lighter decides, and for the benchmark `beyond`; totals are added up by
//! the additive lane. Sums are modulo 2³².
//!
//! # Source
//! `FheUint32` of TFHE-rs 1.8 at `PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128`: a bootstrap
//! fails with probability below 2⁻¹²⁸.

#[cfg(test)]
mod tests;

use std::fmt;

use tfhe::prelude::{FheDecrypt, FheEncrypt, FheMax, FheOrd};
use tfhe::shortint::parameters::PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128;
use tfhe::{
    ClientKey, ConfigBuilder, FheBool, FheUint32, ServerKey, generate_keys, set_server_key,
};

/// Who has the only key: opens inputs and results alike.
pub struct Owner {
    key: ClientKey,
}

impl Owner {
    /// Draws a key, and what a machine needs to compute under it.
    pub fn generate() -> (Self, Machine) {
        let parameters = PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128;
        let (key, machine) = generate_keys(ConfigBuilder::with_custom_parameters(parameters));
        (Self { key }, Machine { key: machine })
    }

    /// Encrypts a counter.
    pub fn seal(&self, counter: u32) -> Number {
        Number(FheUint32::encrypt(counter, &self.key))
    }

    /// Decrypts a number.
    pub fn open(&self, number: &Number) -> u32 {
        number.0.decrypt(&self.key)
    }

    /// Decrypts a bit.
    pub fn open_bit(&self, bit: &Bit) -> bool {
        bit.0.decrypt(&self.key)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Owner")
    }
}

/// Who computes and sees nothing.
pub struct Machine {
    key: ServerKey,
}

impl Machine {
    /// The sum modulo 2³²; `None` of no numbers.
    pub fn sum(&self, numbers: &[Number]) -> Option<Number> {
        self.take();
        let some = numbers.first()?;
        let sum = if numbers.len() == 1 {
            some.0.clone()
        } else {
            numbers.iter().map(|number| &number.0).sum()
        };
        Some(Number(sum))
    }

    /// The largest; `None` of no numbers.
    pub fn largest(&self, numbers: &[Number]) -> Option<Number> {
        self.take();
        let (first, rest) = numbers.split_first()?;
        let largest = rest.iter().fold(first.0.clone(), |largest, next| largest.max(&next.0));
        Some(Number(largest))
    }

    /// Whether a number is at least `bound`.
    pub fn is_at_least(&self, number: &Number, bound: u32) -> Bit {
        self.take();
        Bit(number.0.ge(bound))
    }

    /// The library looks for its key in the thread; a copy of it is a pointer.
    fn take(&self) {
        set_server_key(self.key.clone());
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Machine")
    }
}

/// A counter under the owner's key; 257 KiB.
#[derive(Clone)]
pub struct Number(FheUint32);

impl fmt::Debug for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Number")
    }
}

/// A decision under the owner's key.
#[derive(Clone)]
pub struct Bit(FheBool);

impl fmt::Debug for Bit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Bit")
    }
}
