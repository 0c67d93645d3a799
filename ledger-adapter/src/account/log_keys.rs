//! The keys of the log itself, each in the place of the one before.
//!
//! It knows keys by their digests, and not which one the log began with: whoever opens a log, or
//! mirrors it, brings that.

use crate::account::{State, Verdict};
use crate::charge::KeyRotation;
use crate::digest::Digest;
use crate::error::LedgerError;

/// The rotations of the log's key, in the order of their entries.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct LogKeys(Vec<Rotated>);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Rotated {
    old: Digest,
    new: Digest,
    index: u64,
}

impl LogKeys {
    /// Decides about a rotation, and changes nothing.
    pub(super) fn admit(&self, rotation: &KeyRotation) -> Result<Verdict, LedgerError> {
        let KeyRotation { role: _, old, new } = rotation;
        match self.0.iter().find(|rotated| rotated.old == *old) {
            Some(found) if found.new == *new => return Ok(Verdict::Repeated(found.index)),
            Some(_) => return Err(LedgerError::Conflict { what: "key" }),
            None => {}
        }
        if self.0.last().is_some_and(|last| last.new != *old) {
            return Err(LedgerError::Refused {
                rule: "a key of the log is replaced while it signs",
            });
        }
        if old == new || self.0.iter().any(|rotated| rotated.old == *new) {
            return Err(LedgerError::Refused {
                rule: "a key that takes another's place was never used before",
            });
        }
        Ok(Verdict::Accepted(Vec::new()))
    }

    /// Adds a rotation that was admitted.
    pub(super) fn add(&mut self, rotation: &KeyRotation, index: u64) {
        self.0.push(Rotated { old: rotation.old, new: rotation.new, index });
    }
}

impl State {
    /// SHA-256 of the key that signs the log from here on; `None` if it is still the first, which
    /// no entry names.
    pub fn log_key(&self) -> Option<Digest> {
        self.log_keys.0.last().map(|last| last.new)
    }

    /// Whether a key, given as its SHA-256, may sign for just these entries: any if there was no
    /// rotation, else the newest, and under the entry of a rotation also the one that it retires.
    pub fn may_sign_log(&self, key: Digest) -> bool {
        self.log_keys
            .0
            .last()
            .is_none_or(|last| last.new == key || (last.old == key && last.index + 1 == self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charge::{KeyRole, Opening};
    use crate::cost::{Cost, Delta, Rho};
    use crate::entry::Entry;

    fn key(number: u8) -> Digest {
        Digest::from_bytes([number; 32])
    }

    fn rotate(old: u8, new: u8) -> Entry {
        Entry::Key(KeyRotation { role: KeyRole::Log, old: key(old), new: key(new) })
    }

    fn open(state: &mut State, number: u8) {
        let cap = Cost { rho: Rho::from_nano(1), delta: Delta::default() };
        state.apply(&Entry::Open(Opening { account: key(number), cap })).unwrap();
    }

    #[test]
    fn only_the_newest_key_signs_what_comes_after_its_entry() {
        let mut state = State::default();
        assert!(state.may_sign_log(key(1)) && state.log_key().is_none());
        open(&mut state, 1);
        state.apply(&rotate(1, 2)).unwrap();
        assert_eq!(state.log_key(), Some(key(2)));
        assert_eq!([1, 2, 3].map(|number| state.may_sign_log(key(number))), [true, true, false]);
        open(&mut state, 2);
        assert_eq!([1, 2, 3].map(|number| state.may_sign_log(key(number))), [false, true, false]);
        state.apply(&rotate(2, 3)).unwrap();
        assert_eq!([1, 2, 3].map(|number| state.may_sign_log(key(number))), [false, true, true]);
    }

    #[test]
    fn keys_of_a_log_follow_one_another() {
        let mut state = State::default();
        assert!(matches!(state.admit(&rotate(1, 1)), Err(LedgerError::Refused { .. })));
        state.apply(&rotate(1, 2)).unwrap();
        state.apply(&rotate(2, 3)).unwrap();
        assert_eq!(state.admit(&rotate(1, 2)).unwrap(), Verdict::Repeated(0));
        assert_eq!(state.admit(&rotate(2, 3)).unwrap(), Verdict::Repeated(1));
        let other = state.admit(&rotate(1, 4));
        assert!(matches!(other, Err(LedgerError::Conflict { what: "key" })));
        for (old, new) in [(4, 5), (3, 3), (3, 1), (3, 2)] {
            let refused = state.admit(&rotate(old, new));
            assert!(matches!(refused, Err(LedgerError::Refused { .. })), "{old} to {new}");
        }
        assert_eq!(state.log_key(), Some(key(3)));
    }
}
