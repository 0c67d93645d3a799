//! Who signs a log: one key, and while another takes its place, both.
//!
//! ```text
//! entries before ── old ──▶ entry of the rotation ── old and new ──▶ later entries ── new
//! ```
//! The entry and the two signatures reach the disk as any entry and its checkpoint do, so a crash
//! leaves the log before the rotation, or with an entry that is not signed yet. Of such a log no
//! single key signs anything: whoever has both goes on.

use crate::account::State;
use crate::charge::{KeyRole, KeyRotation};
use crate::error::LedgerError;
use crate::keys::Signer;
use crate::note::{Checkpoint, Note, VerifierKey, verify_by_any};
use crate::policy::Policy;

/// The private halves.
#[derive(Clone, Debug)]
pub(super) struct Signers {
    pub(super) own: Signer,
    /// The one that takes its place.
    pub(super) next: Option<Signer>,
}

impl From<Signer> for Signers {
    fn from(own: Signer) -> Self {
        Self { own, next: None }
    }
}

/// The keys under the name of a log.
#[derive(Debug)]
pub(super) struct Keys {
    signers: Signers,
    own: VerifierKey,
    /// With that of the next.
    known: Vec<VerifierKey>,
}

impl Keys {
    pub(super) fn new(origin: &str, signers: Signers) -> Result<Self, LedgerError> {
        let own = VerifierKey::new(origin, signers.own.public())?;
        let mut known = vec![own.clone()];
        if let Some(next) = &signers.next {
            known.push(VerifierKey::new(origin, next.public())?);
        }
        Ok(Self { signers, own, known })
    }

    pub(super) const fn signers(&self) -> &Signers {
        &self.signers
    }

    /// The key that signs, or did until now.
    pub(super) const fn own(&self) -> &VerifierKey {
        &self.own
    }

    /// All of them.
    pub(super) fn known(&self) -> &[VerifierKey] {
        &self.known
    }

    /// Verifies a note by one of them.
    pub(super) fn open(&self, note: &str, place: &str) -> Result<Checkpoint, LedgerError> {
        verify_by_any(&self.known, &Note::parse(note)?, place)
    }

    /// Of those that signed a note, the one that a policy lists.
    pub(super) fn listed(&self, note: &str, policy: &Policy) -> Result<&VerifierKey, LedgerError> {
        let note = Note::parse(note)?;
        let is_listed = |key: &&VerifierKey| {
            let mut logs = policy.logs().iter();
            policy.logs().is_empty() || logs.any(|log| log.key == **key)
        };
        let mut signed = self.known.iter().filter(|key| key.line(&note).is_some());
        Ok(signed.find(is_listed).unwrap_or(&self.own))
    }

    /// The entry with which the next key takes the place of this one.
    pub(super) fn rotation(&self) -> Option<KeyRotation> {
        let (old, next) = (self.signers.own.public(), self.signers.next.as_ref()?.public());
        Some(KeyRotation { role: KeyRole::Log, old: old.keyid(), new: next.keyid() })
    }

    /// Fails unless the keys at hand are those that the entries name.
    ///
    /// # Errors
    /// [`LedgerError::Refused`].
    pub(super) fn check(&self, state: &State) -> Result<(), LedgerError> {
        self.who_signs(state).map(drop)
    }

    /// Signs a checkpoint of just the entries of a state, by whom they name.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if another key took the place of those at hand.
    pub(super) fn sign(
        &self,
        checkpoint: &Checkpoint,
        state: &State,
    ) -> Result<String, LedgerError> {
        Ok(checkpoint.sign_by(self.who_signs(state)?))
    }

    fn who_signs(&self, state: &State) -> Result<Vec<&Signer>, LedgerError> {
        let Signers { own, next } = &self.signers;
        let Some(named) = state.log_key().filter(|named| *named != own.public().keyid()) else {
            return Ok(vec![own]);
        };
        match next {
            Some(next) if next.public().keyid() == named => {
                let is_last = state.may_sign_log(own.public().keyid());
                Ok(is_last.then_some(own).into_iter().chain([next]).collect())
            }
            _ => Err(LedgerError::Refused { rule: REPLACED }),
        }
    }
}

/// Why a key that is not the log's any more is refused.
const REPLACED: &str = "the log's key was replaced: its new key opens it";
