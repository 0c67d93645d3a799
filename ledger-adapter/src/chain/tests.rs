//! The chain's tests: the contract in an EVM of this process, and the client on real nodes.

mod killed;
mod local;
mod model;
mod node;
mod street;

use alloy_primitives::Address;

use crate::charge::{AccountEffect, Attestation, ChargeRequest, KeyRole, KeyRotation, Opening};
use crate::cost::{Cost, Delta, Rho};
use crate::digest::Digest;
use crate::entry::Entry;
use crate::error::LedgerError;

/// The address that every call of the contract's own tests comes from.
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

fn name(kind: &str, number: u64) -> Digest {
    Digest::labelled(kind, &[&number.to_be_bytes()])
}

fn an_extract(number: u64, account: u64) -> Attestation {
    let (root, account) = (name("root", number), name("account", account));
    Attestation { root, account, key: name("key", 0), expires_day: 20_500 }
}

fn a_request(number: u64) -> ChargeRequest {
    let cost = Cost { rho: Rho::from_nano(12_500_000), delta: Delta::from_atto(1_000_000_000) };
    ChargeRequest {
        query: name("query", number),
        items: vec![(name("account", 0), cost)],
        intent: name("intent", number),
        inputs: vec![name("root", 0)],
        day: 20_415,
    }
}
