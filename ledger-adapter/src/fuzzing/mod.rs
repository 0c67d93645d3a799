//! What must hold of bytes from strangers, whatever they are: one function for each parser.
//!
//! Fuzzers call these, those of `fuzz/` and the one in the tests. Each says whether the bytes were
//! accepted, and panics if something is accepted that should not be.

use crate::account::State;
use crate::entry::Entry;
use crate::keys::Signer;
use crate::log::recovered;
use crate::note::VerifierKey;
use crate::proof::LogProof;
use crate::receipt::{Receipt, Trust};

/// A parser under test.
pub type Target = fn(&[u8]) -> bool;

/// All of them, by name.
pub const TARGETS: [(&str, Target); 5] =
    [("entry", entry), ("note", note), ("proof", proof), ("receipt", receipt), ("wal", wal)];

/// An entry that is read is written in the same bytes, and the rules decide about it.
pub fn entry(bytes: &[u8]) -> bool {
    let Ok(entry) = Entry::decode(bytes) else { return false };
    assert_eq!(entry.encode(), bytes);
    let mut state = State::default();
    let verdict = state.apply(&entry).is_ok();
    assert_eq!(state.count(), u64::from(verdict));
    true
}

/// A note that the key of [`LOG_SEED`] signed says what was signed, and no other verifies.
pub fn note(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    drop(text.parse::<VerifierKey>());
    let Ok(key) = VerifierKey::new(ORIGIN, Signer::from_seed(&LOG_SEED).public()) else {
        return false;
    };
    let Ok(checkpoint) = key.open(text, "note") else { return false };
    let signed = checkpoint.sign(&Signer::from_seed(&LOG_SEED));
    let head = text.split_inclusive('\n').take(4);
    assert!(signed.starts_with(&head.collect::<String>()), "{text}");
    true
}

/// Entries that a proof proves are entries.
pub fn proof(bytes: &[u8]) -> bool {
    let Ok(proof) = serde_json::from_slice::<LogProof>(bytes) else { return false };
    let Ok(entries) = proof.verify(None) else { return false };
    assert_eq!(entries.len(), proof.entries.len());
    true
}

/// A receipt that verifies does so again once it was written and read.
pub fn receipt(bytes: &[u8]) -> bool {
    let Ok(receipt) = serde_json::from_slice::<Receipt>(bytes) else { return false };
    let Ok(verified) = receipt.verify(&Trust::default()) else { return false };
    let again = serde_json::to_vec(&receipt).ok();
    let again = again.and_then(|bytes| serde_json::from_slice::<Receipt>(&bytes).ok());
    let again = again.and_then(|receipt| receipt.verify(&Trust::default()).ok());
    assert_eq!(again, Some(verified));
    true
}

/// Whatever is behind a checkpoint, a log is opened with the whole entries of it, or refused.
/// The bytes are tried as they are and with right checksums, which chance would hardly find.
pub fn wal(bytes: &[u8]) -> bool {
    let as_is = recovered::from(bytes);
    let repaired = recovered::from(&recovered::with_checksums(bytes));
    as_is.max(repaired).is_some_and(|count| count > 0)
}

/// Name of the log whose notes are read.
pub const ORIGIN: &str = "example.org/log";

/// Seed of its key.
pub const LOG_SEED: [u8; 32] = [1; 32];

#[cfg(test)]
mod tests;
