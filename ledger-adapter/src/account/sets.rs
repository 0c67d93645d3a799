//! The sets of contributions that may be opened: at most one for each round of a query.
//!
//! Where an answer is put together from ciphertexts, whoever holds a part of their key opens the
//! sum of the set whose root is on the ledger, and of no other: two sums over sets that differ in
//! one site would tell what that site contributed. It knows roots only, never what is in a set.

use std::collections::HashMap;

use crate::account::{State, Verdict, refuse};
use crate::charge::{Finality, Placed};
use crate::digest::Digest;
use crate::entry::ROUNDS_MAX;
use crate::error::LedgerError;

/// The root of each committed set and the index of its entry, by query and round.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Sets(HashMap<(Digest, u32), (Digest, u64)>);

impl Sets {
    /// Adds a set that was admitted.
    pub(super) fn add(&mut self, query: Digest, round: u32, root: Digest, index: u64) {
        self.0.insert((query, round), (root, index));
    }
}

impl State {
    /// Where a set of contributions was committed for a round of a query, and its root; `finality`
    /// is that of the ledger.
    pub fn committed(
        &self,
        query: Digest,
        round: u32,
        finality: Finality,
    ) -> Option<(Placed, Digest)> {
        let placed = |index| Placed { index, finality, repeated: false };
        self.sets.0.get(&(query, round)).map(|(root, index)| (placed(*index), *root))
    }

    /// Decides about a set of contributions, and changes nothing.
    pub(super) fn admit_set(
        &self,
        query: Digest,
        round: u32,
        root: Digest,
    ) -> Result<Verdict, LedgerError> {
        if round >= ROUNDS_MAX {
            return refuse("a query has at most 256 rounds");
        }
        if root == Digest::from_bytes([0; 32]) {
            return refuse("a set of contributions has a root");
        }
        let Some(found) = self.queries.get(&query) else {
            return refuse("a query is charged before a set of contributions is committed");
        };
        match self.sets.0.get(&(query, round)) {
            Some((earlier, index)) if *earlier == root => return Ok(Verdict::Repeated(*index)),
            Some(_) => return Err(LedgerError::Conflict { what: "set of contributions" }),
            None => {}
        }
        if found.release.is_some() || found.redaction.is_some() {
            return refuse("no set is committed after a query is released or redacted");
        }
        Ok(Verdict::Accepted(Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charge::{Attestation, ChargeRequest, Opening};
    use crate::cost::{Cost, Delta, Rho};
    use crate::entry::Entry;

    fn digest(number: u8) -> Digest {
        Digest::from_bytes([number; 32])
    }

    fn commit(query: u8, round: u32, root: u8) -> Entry {
        Entry::Commit { query: digest(query), round, root: digest(root) }
    }

    fn release(query: u8) -> Entry {
        Entry::Release { query: digest(query), commitment: digest(9) }
    }

    /// Queries 1, 2 and 3 are charged by entries 2, 3 and 4.
    fn charged() -> State {
        let cost = |nano| Cost { rho: Rho::from_nano(nano), delta: Delta::default() };
        let (account, root, key) = (digest(b'a'), digest(b'x'), digest(b'k'));
        let charge = |query| {
            let (items, inputs) = (vec![(account, cost(2))], vec![root]);
            let intent = digest(b'i');
            Entry::Charge(ChargeRequest { query: digest(query), items, intent, inputs, day: 1 })
        };
        let open = Entry::Open(Opening { account, cap: cost(6) });
        let attest = Entry::Attest(Attestation { root, account, key, expires_day: 9 });
        State::replay(&[open, attest, charge(1), charge(2), charge(3)]).unwrap()
    }

    fn refused(state: &State, entry: &Entry) -> bool {
        matches!(state.admit(entry), Err(LedgerError::Refused { .. }))
    }

    fn found(state: &State, query: u8, round: u32) -> Option<(u64, Digest)> {
        let found = state.committed(digest(query), round, Finality::Local);
        found.map(|(placed, root)| (placed.index, root))
    }

    #[test]
    fn a_round_has_one_set_of_contributions() {
        let mut state = charged();
        let spent = state.balance(digest(b'a'));
        assert_eq!(found(&state, 1, 0), None);
        assert_eq!(state.apply(&commit(1, 0, 7)).unwrap(), Verdict::Accepted(vec![]));
        assert_eq!(state.apply(&commit(1, 0, 7)).unwrap(), Verdict::Repeated(5));
        let other = state.apply(&commit(1, 0, 8));
        assert!(matches!(other, Err(LedgerError::Conflict { what: "set of contributions" })));
        // Another round, and another query, have their own; the same set may be both.
        assert_eq!(state.apply(&commit(1, 255, 8)).unwrap(), Verdict::Accepted(vec![]));
        assert_eq!(state.apply(&commit(2, 0, 7)).unwrap(), Verdict::Accepted(vec![]));
        assert_eq!(found(&state, 1, 0), Some((5, digest(7))));
        assert_eq!(found(&state, 1, 255), Some((6, digest(8))));
        assert_eq!(found(&state, 2, 0), Some((7, digest(7))));
        assert_eq!((found(&state, 1, 1), found(&state, 3, 0)), (None, None));
        assert_eq!((state.balance(digest(b'a')), state.count()), (spent, 8), "it costs nothing");
    }

    #[test]
    fn sets_are_committed_between_charge_and_release() {
        let mut state = charged();
        assert!(refused(&state, &commit(4, 0, 7)), "never charged");
        for query in 1..=3 {
            state.apply(&commit(query, 0, 7)).unwrap();
        }
        state.apply(&release(1)).unwrap();
        state.apply(&Entry::Redact { query: digest(2) }).unwrap();
        state.apply(&release(3)).unwrap();
        state.apply(&Entry::Redact { query: digest(3) }).unwrap();
        for query in 1..=3 {
            assert!(refused(&state, &commit(query, 1, 7)), "{query}");
            // What is on the ledger already stays what it is.
            let index = 4 + u64::from(query);
            assert_eq!(state.admit(&commit(query, 0, 7)).unwrap(), Verdict::Repeated(index));
            let other = state.admit(&commit(query, 0, 8));
            assert!(matches!(other, Err(LedgerError::Conflict { .. })), "{query}");
        }
    }

    #[test]
    fn rounds_are_few_and_a_root_is_not_zero() {
        let mut state = charged();
        for entry in [commit(1, 256, 7), commit(1, u32::MAX, 7), commit(1, 0, 0)] {
            assert!(refused(&state, &entry), "{entry:?}");
        }
        for round in 0..256 {
            assert_eq!(state.apply(&commit(1, round, 7)).unwrap(), Verdict::Accepted(vec![]));
        }
        assert_eq!(state.count(), 5 + 256);
    }
}
