//! A ledger that is kept elsewhere, as a mirror of it sees it: to be read, never written.
//!
//! Before each answer it follows the log to its newest checkpoint, replaying every entry by the
//! rules, so what it says needs no trust in whoever keeps the log or carries its files.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::charge::{
    Admission, Attestation, Balance, ChargeRequest, Charged, ExtractStatus, Finality, Opening,
    Outcome, Placed,
};
use crate::digest::Digest;
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::mirror::Mirror;
use crate::proof::LogProof;
use crate::tiles::source::Source;
use crate::view::View;

/// A log that is followed.
pub struct Follower {
    mirror: Mutex<Mirror>,
    source: Source,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Follower")
    }
}

impl Follower {
    /// Follows the log whose files are at `source`.
    pub const fn new(mirror: Mirror, source: Source) -> Self {
        Self { mirror: Mutex::new(mirror), source }
    }

    /// The mirror, as far as the log has come.
    fn newest(&self) -> Result<MutexGuard<'_, Mirror>, LedgerError> {
        // A mirror reads everything again after whatever went wrong.
        let mut mirror = self.mirror.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        mirror.update(&self.source, now)?;
        Ok(mirror)
    }
}

impl Ledger for Follower {
    fn open_account(&self, _: &Opening) -> Result<Placed, LedgerError> {
        unwritten()
    }

    fn charge(&self, _: &ChargeRequest, _: Finality) -> Result<Admission, LedgerError> {
        unwritten()
    }

    fn charged(&self, request: &ChargeRequest) -> Result<Option<Placed>, LedgerError> {
        self.newest()?.charged(request)
    }

    fn commit(&self, _: Digest, _: u32, _: Digest) -> Result<Placed, LedgerError> {
        unwritten()
    }

    fn committed(
        &self,
        query: Digest,
        round: u32,
    ) -> Result<Option<(Placed, Digest)>, LedgerError> {
        View::committed(&*self.newest()?, query, round)
    }

    fn outcome(&self, query: Digest) -> Result<Option<Outcome>, LedgerError> {
        View::outcome(&*self.newest()?, query)
    }

    fn release(&self, _: Charged, _: Digest) -> Result<Placed, LedgerError> {
        unwritten()
    }

    fn attest(&self, _: &Attestation) -> Result<Placed, LedgerError> {
        unwritten()
    }

    fn supersede(&self, _: Digest, _: &Attestation) -> Result<Placed, LedgerError> {
        unwritten()
    }

    fn revoke(&self, _: Digest) -> Result<Placed, LedgerError> {
        unwritten()
    }

    fn status(&self, root: Digest) -> Result<ExtractStatus, LedgerError> {
        View::status(&*self.newest()?, root)
    }

    fn extracts(&self, account: Digest) -> Result<Vec<Digest>, LedgerError> {
        Ok(self.newest()?.verified()?.extracts(account))
    }

    fn attested(&self, root: Digest) -> Result<Option<Placed>, LedgerError> {
        Ok(self.newest()?.verified()?.attested_at(root).map(seen))
    }

    fn opened(&self, account: Digest) -> Result<Option<Placed>, LedgerError> {
        Ok(self.newest()?.verified()?.opened_at(account).map(seen))
    }

    fn remaining(&self, account: Digest) -> Result<Option<Balance>, LedgerError> {
        View::remaining(&*self.newest()?, account)
    }

    fn proof(&self, _: &[u64]) -> Result<LogProof, LedgerError> {
        Err(LedgerError::Refused { rule: "proofs are given by the log itself" })
    }
}

const fn seen(index: u64) -> Placed {
    Placed { index, finality: Finality::Witnessed, repeated: false }
}

const fn unwritten<T>() -> Result<T, LedgerError> {
    Err(LedgerError::Refused { rule: "a log that is followed is not written to" })
}
