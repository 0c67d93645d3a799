//! Keyed numbers in place of identifiers: the same person, the same pseudonym, at every site.
//!
//! # Source
//! HMAC-SHA256, RFC 2104 and FIPS 198-1. Under 45 CFR 164.514(c) a code may stay if it cannot be
//! translated back by its recipient; the key never leaves the consortium, and pseudonyms never
//! leave the engine.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use ledger_adapter::keys::Secret;
use sha2::Sha256;

use crate::extract::cell::Id;

/// Makes keyed numbers for one site under one key epoch.
#[derive(Clone)]
pub(super) struct Pseudonyms {
    keyed: Hmac<Sha256>,
    site: String,
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pseudonyms").field("site", &self.site).finish_non_exhaustive()
    }
}

impl Pseudonyms {
    /// Takes the key of the epoch and the name of the site.
    pub(super) fn new(key: &Secret, site: &str) -> Self {
        #[expect(clippy::expect_used, reason = "RFC 2104 takes keys of any length")]
        let keyed = Hmac::new_from_slice(key.as_bytes()).expect("a key of any length");
        Self { keyed, site: site.to_owned() }
    }

    /// The pseudonym of a person: the first 63 bits of the code of `person` and the identifier,
    /// in decimal digits if it is a number. Not negative, and the same at every site.
    pub(super) fn person(&self, id: Id<'_>) -> i64 {
        let mut code = self.keyed.clone();
        code.update(b"person");
        with_id(id, |bytes| code.update(bytes));
        first_63_bits(code)
    }

    /// The number of a row of `table`, in that table and wherever it is linked to.
    pub(super) fn row(&self, table: &str, id: Id<'_>) -> i64 {
        let mut code = self.keyed.clone();
        code.update(b"row");
        for part in [self.site.as_bytes(), table.as_bytes()] {
            code.update(&(part.len() as u64).to_be_bytes());
            code.update(part);
        }
        with_id(id, |bytes| code.update(bytes));
        first_63_bits(code)
    }

    /// The number of a person's location. It differs between persons who live at the same one,
    /// because a shared number would name a household.
    pub(super) fn residence(&self, pseudonym: i64, id: Id<'_>) -> i64 {
        let mut code = self.keyed.clone();
        code.update(b"residence");
        code.update(&pseudonym.to_be_bytes());
        code.update(&(self.site.len() as u64).to_be_bytes());
        code.update(self.site.as_bytes());
        with_id(id, |bytes| code.update(bytes));
        first_63_bits(code)
    }

    /// Days by which a person's dates move: uniform over 1 to `days_max` and -1 to `-days_max`,
    /// but for a bias below 2^-50, and the same at every site.
    pub(super) fn shift_days(&self, id: Id<'_>, days_max: u32) -> i32 {
        let mut code = self.keyed.clone();
        code.update(b"shift");
        with_id(id, |bytes| code.update(bytes));
        let days = i64::from(days_max.max(1));
        let drawn = first_63_bits(code) % (2 * days) - days;
        let drawn = if drawn >= 0 { drawn + 1 } else { drawn };
        i32::try_from(drawn).unwrap_or(1)
    }
}

/// A map from identifiers, which is asked without making a copy of the identifier.
#[derive(Debug)]
pub(super) struct IdMap<V> {
    integers: HashMap<i64, V>,
    texts: HashMap<Box<str>, V>,
}

impl<V> Default for IdMap<V> {
    fn default() -> Self {
        Self { integers: HashMap::new(), texts: HashMap::new() }
    }
}

impl<V> IdMap<V> {
    /// What is there under an identifier.
    pub(super) fn find(&self, id: Id<'_>) -> Option<&V> {
        match id {
            Id::Integer(value) => self.integers.get(&value),
            Id::Text(text) => self.texts.get(text),
        }
    }

    /// What is there under an identifier, made first if there is nothing.
    pub(super) fn find_or_add(&mut self, id: Id<'_>, make: impl FnOnce() -> V) -> &mut V {
        match id {
            Id::Integer(value) => self.integers.entry(value).or_insert_with(make),
            Id::Text(text) => self.texts.entry(text.into()).or_insert_with(make),
        }
    }
}

fn with_id(id: Id<'_>, mut take: impl FnMut(&[u8])) {
    match id {
        Id::Integer(value) => take(value.to_string().as_bytes()),
        Id::Text(text) => take(text.as_bytes()),
    }
}

fn first_63_bits(code: Hmac<Sha256>) -> i64 {
    let bytes = code.finalize().into_bytes();
    let first = bytes.iter().take(8).fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
    (first >> 1).cast_signed()
}
