//! The seam between the engine and wherever the records are kept.

use std::fmt::Debug;

use crate::charge::{
    Admission, Attestation, Balance, ChargeRequest, Charged, ExtractStatus, Finality, KeyRotation,
    Opening, Outcome, Placed,
};
use crate::digest::Digest;
use crate::error::LedgerError;
use crate::proof::LogProof;

/// A ledger. Every implementation replays the one state machine of [`crate::account`].
///
/// Calls block until the record is as final as was asked. After an uncertain outcome, ask
/// [`Ledger::outcome`]; never charge again under a new name to be safe.
pub trait Ledger: Debug + Send + Sync {
    /// Opens an account. The same opening again changes nothing; another cap is a conflict.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`], [`LedgerError::Refused`], or a fault of the store.
    fn open_account(&self, opening: &Opening) -> Result<Placed, LedgerError>;

    /// Charges all items or none, before any record is read.
    ///
    /// # Errors
    /// [`LedgerError::Exhausted`], [`LedgerError::Inactive`], [`LedgerError::Conflict`],
    /// [`LedgerError::Refused`], [`LedgerError::Finality`], or a fault of the store.
    fn charge(&self, request: &ChargeRequest, need: Finality) -> Result<Admission, LedgerError>;

    /// Where just this request was charged, word for word; `None` if its query was never charged
    /// here. It charges nothing.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] if its query was charged by another request, or a fault of the
    /// store.
    fn charged(&self, request: &ChargeRequest) -> Result<Option<Placed>, LedgerError>;

    /// Records the Merkle root of the set of contributions that may be opened in a round of a
    /// charged query, the first being 0. The same again changes nothing; it costs nothing.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] if the round has another set, [`LedgerError::Refused`] if the
    /// query is not charged, or is released or redacted, or for a round that is not below
    /// [`crate::entry::ROUNDS_MAX`]; a fault of the store.
    fn commit(&self, query: Digest, round: u32, root: Digest) -> Result<Placed, LedgerError>;

    /// The set of contributions that may be opened in a round of a query: where it was recorded,
    /// and its root.
    ///
    /// # Errors
    /// A fault of the store.
    fn committed(&self, query: Digest, round: u32)
    -> Result<Option<(Placed, Digest)>, LedgerError>;

    /// What became of a query.
    ///
    /// # Errors
    /// A fault of the store.
    fn outcome(&self, query: Digest) -> Result<Option<Outcome>, LedgerError>;

    /// Records a release: a salted commitment to its statement. The answer may leave only after.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] if another release is recorded, [`LedgerError::Refused`] for a
    /// part of a charge, see [`crate::part`]; a fault of the store.
    fn release(&self, charged: Charged, commitment: Digest) -> Result<Placed, LedgerError>;

    /// Records that the documents and salts of a query are destroyed, before they are. Its charge
    /// stays spent, and it cannot be released any more.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if it was never charged, or by a ledger that keeps no such
    /// records, which is the answer unless an implementation gives another; a fault of the store.
    fn redact(&self, _query: Digest) -> Result<Placed, LedgerError> {
        Err(LedgerError::Refused { rule: "this ledger keeps no records of redactions" })
    }

    /// Puts an extract on the ledger.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] if the key already has an active extract of this account (use
    /// [`Ledger::supersede`]), or a fault of the store.
    fn attest(&self, attestation: &Attestation) -> Result<Placed, LedgerError>;

    /// Replaces an active extract by a new one of the same account and key.
    ///
    /// # Errors
    /// [`LedgerError::Inactive`], [`LedgerError::Conflict`], or a fault of the store.
    fn supersede(&self, old: Digest, new: &Attestation) -> Result<Placed, LedgerError>;

    /// Withdraws an extract for good.
    ///
    /// # Errors
    /// [`LedgerError::Inactive`] if it is not active, or a fault of the store.
    fn revoke(&self, root: Digest) -> Result<Placed, LedgerError>;

    /// Records that a key takes the place of another. What the old one attested stays active; from
    /// now on it attests nothing, and the new one supersedes its extracts.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if the old key attested nothing, if the new one was used before, or
    /// by a ledger that keeps no such records, which is the answer unless an implementation gives
    /// another; for the key of a log, which [`crate::log::LogLedger::replace_key`] is for;
    /// [`LedgerError::Conflict`] if the old key was replaced by another; a fault of the store.
    fn rotate(&self, _rotation: &KeyRotation) -> Result<Placed, LedgerError> {
        Err(LedgerError::Refused { rule: "this ledger keeps no records of keys" })
    }

    /// What the ledger knows of an extract.
    ///
    /// # Errors
    /// A fault of the store.
    fn status(&self, root: Digest) -> Result<ExtractStatus, LedgerError>;

    /// Active extracts of an account, by root.
    ///
    /// # Errors
    /// A fault of the store.
    fn extracts(&self, account: Digest) -> Result<Vec<Digest>, LedgerError>;

    /// Where the entry that put an extract on the ledger lies, active or not.
    ///
    /// # Errors
    /// A fault of the store.
    fn attested(&self, root: Digest) -> Result<Option<Placed>, LedgerError>;

    /// Where the opening of an account lies; `None` if it was never opened.
    ///
    /// # Errors
    /// A fault of the store.
    fn opened(&self, account: Digest) -> Result<Option<Placed>, LedgerError>;

    /// What an account holds; `None` if it was never opened.
    ///
    /// # Errors
    /// A fault of the store.
    fn remaining(&self, account: Digest) -> Result<Option<Balance>, LedgerError>;

    /// Proves that the entries at `indices` are on the ledger, all under one checkpoint.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if an index is past the end, or a fault of the store.
    fn proof(&self, indices: &[u64]) -> Result<LogProof, LedgerError>;
}
