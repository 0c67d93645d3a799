//! What those see of a ledger who do not write to it: sites, and holders of keys.
//!
//! A view by [`Mirror`] needs no trust in whoever keeps the log, but for one thing: that others are
//! shown the same one, which only their cosignatures say. Where the accounts are on a chain, the
//! mirror of an engine's log is that engine's word: it does not ask the contract. There, a site
//! looks through a [`crate::chain::ledger::ChainLedger`] of its own, whose log has what this site
//! recorded and nothing of other engines: it shows a charge once the site has asked for the same,
//! which is then repeated, and costs nothing.

use crate::charge::{Balance, ChargeRequest, ExtractStatus, Finality, Outcome, Placed};
use crate::digest::Digest;
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::mirror::Mirror;

/// What can be seen of a ledger: any [`Ledger`], or a [`Mirror`] that follows one.
pub trait View {
    /// As [`Ledger::charged`].
    ///
    /// # Errors
    /// As there.
    fn charged(&self, request: &ChargeRequest) -> Result<Option<Placed>, LedgerError>;

    /// As [`Ledger::committed`].
    ///
    /// # Errors
    /// As there.
    fn committed(&self, query: Digest, round: u32)
    -> Result<Option<(Placed, Digest)>, LedgerError>;

    /// As [`Ledger::outcome`].
    ///
    /// # Errors
    /// As there.
    fn outcome(&self, query: Digest) -> Result<Option<Outcome>, LedgerError>;

    /// As [`Ledger::status`].
    ///
    /// # Errors
    /// As there.
    fn status(&self, root: Digest) -> Result<ExtractStatus, LedgerError>;

    /// As [`Ledger::remaining`].
    ///
    /// # Errors
    /// As there.
    fn remaining(&self, account: Digest) -> Result<Option<Balance>, LedgerError>;
}

impl<L: Ledger + ?Sized> View for L {
    fn charged(&self, request: &ChargeRequest) -> Result<Option<Placed>, LedgerError> {
        Ledger::charged(self, request)
    }

    fn committed(
        &self,
        query: Digest,
        round: u32,
    ) -> Result<Option<(Placed, Digest)>, LedgerError> {
        Ledger::committed(self, query, round)
    }

    fn outcome(&self, query: Digest) -> Result<Option<Outcome>, LedgerError> {
        Ledger::outcome(self, query)
    }

    fn status(&self, root: Digest) -> Result<ExtractStatus, LedgerError> {
        Ledger::status(self, root)
    }

    fn remaining(&self, account: Digest) -> Result<Option<Balance>, LedgerError> {
        Ledger::remaining(self, account)
    }
}

/// What the mirror has verified up to its last update; the ledger may be ahead. A record that it
/// has is [`Finality::Witnessed`], because it refuses a log without it. It answers nothing after
/// an update that failed, until another succeeds.
impl View for Mirror {
    fn charged(&self, request: &ChargeRequest) -> Result<Option<Placed>, LedgerError> {
        let placed = |index| Placed { index, finality: SEEN, repeated: false };
        Ok(self.verified()?.charged(request)?.map(placed))
    }

    fn committed(
        &self,
        query: Digest,
        round: u32,
    ) -> Result<Option<(Placed, Digest)>, LedgerError> {
        Ok(self.verified()?.committed(query, round, SEEN))
    }

    fn outcome(&self, query: Digest) -> Result<Option<Outcome>, LedgerError> {
        Ok(self.verified()?.outcome(query, SEEN))
    }

    fn status(&self, root: Digest) -> Result<ExtractStatus, LedgerError> {
        Ok(self.verified()?.status(root, SEEN))
    }

    fn remaining(&self, account: Digest) -> Result<Option<Balance>, LedgerError> {
        Ok(self.verified()?.balance(account))
    }
}

/// How final it is what a mirror has.
const SEEN: Finality = Finality::Witnessed;
