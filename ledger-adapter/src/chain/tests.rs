//! The chain's tests: the contract in an EVM of this process, and the client on real nodes.

mod model;

use crate::charge::{AccountEffect, Attestation, ChargeRequest, Opening};
use crate::cost::{Cost, Delta, Rho};
use crate::digest::Digest;
use crate::entry::Entry;
use crate::error::LedgerError;
use alloy_primitives::Address;

/// The address that every call of these tests comes from.
const ENGINE: Address = Address::repeat_byte(0x11);

/// Vigna's splitmix64: a fixed sequence of random words.
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound
    }
}

/// A size of a test, from an environment variable or its default.
fn size_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |size| size.parse().unwrap())
}
