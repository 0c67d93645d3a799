//! What an embedded ledger must do itself; the rest of [`Ledger`] follows, once for all of them.

use std::fmt::Debug;

use crate::account::{State, Verdict};
use crate::charge::{
    AccountEffect, Admission, Attestation, Balance, ChargeRequest, Charged, ExtractStatus,
    Finality, KeyRole, KeyRotation, Opening, Outcome, Placed,
};
use crate::digest::Digest;
use crate::entry::Entry;
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::proof::LogProof;

/// A place where entries are kept in order.
pub(crate) trait Store: Debug + Send + Sync {
    /// How final a record is once [`Store::submit`] returns.
    fn finality(&self) -> Finality;

    /// Decides about an entry and, if it is new and allowed, records it.
    fn submit(&self, entry: Entry) -> Result<Decided, LedgerError>;

    /// Asks the state of all records so far, also those of other processes.
    fn read<T>(&self, ask: impl FnOnce(&State) -> T) -> Result<T, LedgerError>;

    /// As [`Ledger::proof`].
    fn prove(&self, indices: &[u64]) -> Result<LogProof, LedgerError>;
}

/// A decision in favour of an entry.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) index: u64,
    pub(crate) repeated: bool,
    pub(crate) effects: Vec<AccountEffect>,
}

impl Decided {
    /// The decision about an entry that comes, or would come, at index `next`.
    pub(crate) fn new(verdict: Verdict, next: u64) -> Self {
        match verdict {
            Verdict::Accepted(effects) => Self { index: next, repeated: false, effects },
            Verdict::Repeated(index) => Self { index, repeated: true, effects: Vec::new() },
        }
    }

    const fn placed(&self, finality: Finality) -> Placed {
        Placed { index: self.index, finality, repeated: self.repeated }
    }
}

impl<S: Store> Ledger for S {
    fn open_account(&self, opening: &Opening) -> Result<Placed, LedgerError> {
        record(self, Entry::Open(opening.clone()))
    }

    fn charge(&self, request: &ChargeRequest, need: Finality) -> Result<Admission, LedgerError> {
        let has = self.finality();
        if has < need {
            return Err(LedgerError::Finality { has, need });
        }
        let decided = self.submit(Entry::Charge(request.clone()))?;
        let placed = decided.placed(has);
        Ok(if decided.repeated {
            Admission::Repeated(placed)
        } else {
            let effects = decided.effects;
            Admission::Granted(Charged::whole(request.query, placed, effects))
        })
    }

    fn charged(&self, request: &ChargeRequest) -> Result<Option<Placed>, LedgerError> {
        let placed = |index| Placed { index, finality: self.finality(), repeated: false };
        Ok(self.read(|state| state.charged(request))??.map(placed))
    }

    fn commit(&self, query: Digest, round: u32, root: Digest) -> Result<Placed, LedgerError> {
        record(self, Entry::Commit { query, round, root })
    }

    fn committed(
        &self,
        query: Digest,
        round: u32,
    ) -> Result<Option<(Placed, Digest)>, LedgerError> {
        self.read(|state| state.committed(query, round, self.finality()))
    }

    fn outcome(&self, query: Digest) -> Result<Option<Outcome>, LedgerError> {
        self.read(|state| state.outcome(query, self.finality()))
    }

    fn release(&self, charged: Charged, commitment: Digest) -> Result<Placed, LedgerError> {
        record(self, Entry::Release { query: charged.into_released()?, commitment })
    }

    fn redact(&self, query: Digest) -> Result<Placed, LedgerError> {
        record(self, Entry::Redact { query })
    }

    fn attest(&self, attestation: &Attestation) -> Result<Placed, LedgerError> {
        record(self, Entry::Attest(attestation.clone()))
    }

    fn supersede(&self, old: Digest, new: &Attestation) -> Result<Placed, LedgerError> {
        record(self, Entry::Supersede { old, new: new.clone() })
    }

    fn revoke(&self, root: Digest) -> Result<Placed, LedgerError> {
        record(self, Entry::Revoke { root })
    }

    fn rotate(&self, rotation: &KeyRotation) -> Result<Placed, LedgerError> {
        if rotation.role == KeyRole::Log {
            // Whoever writes it must sign with both keys.
            let rule = "only a log itself puts another key in the place of its own";
            return Err(LedgerError::Refused { rule });
        }
        record(self, Entry::Key(rotation.clone()))
    }

    fn status(&self, root: Digest) -> Result<ExtractStatus, LedgerError> {
        self.read(|state| state.status(root, self.finality()))
    }

    fn extracts(&self, account: Digest) -> Result<Vec<Digest>, LedgerError> {
        self.read(|state| state.extracts(account))
    }

    fn opened(&self, account: Digest) -> Result<Option<Placed>, LedgerError> {
        let placed = |index| Placed { index, finality: self.finality(), repeated: false };
        self.read(|state| state.opened_at(account).map(placed))
    }

    fn attested(&self, root: Digest) -> Result<Option<Placed>, LedgerError> {
        let placed = |index| Placed { index, finality: self.finality(), repeated: false };
        self.read(|state| state.attested_at(root).map(placed))
    }

    fn remaining(&self, account: Digest) -> Result<Option<Balance>, LedgerError> {
        self.read(|state| state.balance(account))
    }

    fn proof(&self, indices: &[u64]) -> Result<LogProof, LedgerError> {
        self.prove(indices)
    }
}

fn record(store: &impl Store, entry: Entry) -> Result<Placed, LedgerError> {
    store.submit(entry).map(|decided| decided.placed(store.finality()))
}
