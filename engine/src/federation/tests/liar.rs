//! A ledger that was rolled back: it says what it is told to.

use std::sync::Arc;

use ledger_adapter::charge::{
    Admission, Attestation, Balance, ChargeRequest, Charged, ExtractStatus, Finality, Opening,
    Outcome, Placed,
};
use ledger_adapter::digest::Digest;
use ledger_adapter::error::LedgerError;
use ledger_adapter::ledger::Ledger;
use ledger_adapter::memory::MemoryLedger;
use ledger_adapter::proof::LogProof;

/// Says of one query that its set is another.
#[derive(Debug)]
pub(crate) struct Liar {
    pub(crate) inner: Arc<MemoryLedger>,
    pub(crate) query: Digest,
    pub(crate) root: Digest,
}

impl Ledger for Liar {
    fn open_account(&self, opening: &Opening) -> Result<Placed, LedgerError> {
        self.inner.open_account(opening)
    }

    fn charge(&self, request: &ChargeRequest, need: Finality) -> Result<Admission, LedgerError> {
        self.inner.charge(request, need)
    }

    fn charged(&self, request: &ChargeRequest) -> Result<Option<Placed>, LedgerError> {
        Ledger::charged(self.inner.as_ref(), request)
    }

    fn commit(&self, query: Digest, round: u32, root: Digest) -> Result<Placed, LedgerError> {
        self.inner.commit(query, round, root)
    }

    fn committed(&self, query: Digest, _: u32) -> Result<Option<(Placed, Digest)>, LedgerError> {
        let placed = Placed { index: 9, finality: Finality::Final, repeated: false };
        Ok((query == self.query).then_some((placed, self.root)))
    }

    fn outcome(&self, query: Digest) -> Result<Option<Outcome>, LedgerError> {
        Ledger::outcome(self.inner.as_ref(), query)
    }

    fn release(&self, charged: Charged, commitment: Digest) -> Result<Placed, LedgerError> {
        self.inner.release(charged, commitment)
    }

    fn attest(&self, attestation: &Attestation) -> Result<Placed, LedgerError> {
        self.inner.attest(attestation)
    }

    fn supersede(&self, old: Digest, new: &Attestation) -> Result<Placed, LedgerError> {
        self.inner.supersede(old, new)
    }

    fn revoke(&self, root: Digest) -> Result<Placed, LedgerError> {
        self.inner.revoke(root)
    }

    fn status(&self, root: Digest) -> Result<ExtractStatus, LedgerError> {
        Ledger::status(self.inner.as_ref(), root)
    }

    fn extracts(&self, account: Digest) -> Result<Vec<Digest>, LedgerError> {
        self.inner.extracts(account)
    }

    fn attested(&self, root: Digest) -> Result<Option<Placed>, LedgerError> {
        self.inner.attested(root)
    }

    fn opened(&self, account: Digest) -> Result<Option<Placed>, LedgerError> {
        self.inner.opened(account)
    }

    fn remaining(&self, account: Digest) -> Result<Option<Balance>, LedgerError> {
        Ledger::remaining(self.inner.as_ref(), account)
    }

    fn proof(&self, indices: &[u64]) -> Result<LogProof, LedgerError> {
        self.inner.proof(indices)
    }
}
