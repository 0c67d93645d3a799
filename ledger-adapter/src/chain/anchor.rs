//! What a chain remembers of a log that is kept elsewhere: its size and root, every so often.
//!
//! ```text
//! log ──size, root──▶ contract      later: the log must be at least as long, with that root there
//! ```
//! One small transaction covers any number of entries, so it suits a chain that is slow or dear.
//! The chain decides nothing then: it is a witness that nobody can roll back. Entries since the
//! last anchor have the log's own finality. Anchoring is not on the way of a query: whoever runs
//! the engine does it on a cadence, and a chain that is down delays the next anchor only.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use crate::chain::Network;
use crate::chain::contract;
use crate::chain::courier::{Courier, Delivery};
use crate::chain::key::ChainKey;
use crate::chain::transaction::Sealed;
use crate::charge::Finality;
use crate::digest::Digest;
use crate::entry::Entry;
use crate::error::{LedgerError, Untrusted};
use crate::log::LogLedger;
use crate::tree::{Tree, leaf_hash};

/// The place of one log on a chain, under one key.
#[derive(Debug)]
pub struct Anchor {
    courier: Mutex<Courier>,
    need: Finality,
    log: Digest,
}

/// What the chain remembers of a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Anchored {
    /// Number of entries.
    pub size: u64,
    /// Root over them.
    pub root: Digest,
}

impl Anchor {
    /// Opens the place of a log, and checks the log against it. The key needs no role on the
    /// contract; its outbox is its own.
    ///
    /// # Errors
    /// [`Untrusted::RolledBack`] or [`Untrusted::Forked`] if the log does not continue what the
    /// chain remembers; [`LedgerError::Chain`], [`LedgerError::Unsettled`], [`LedgerError::Store`].
    pub fn open(
        log: &LogLedger,
        network: Network,
        key: ChainKey,
        outbox: &Path,
    ) -> Result<Self, LedgerError> {
        let need = network.need;
        let courier = Mutex::new(Courier::open(network, key, outbox)?);
        // The verifier key is public, but its place on the chain need not say whose log this is.
        let id = Digest::labelled(LABEL, &[log.vkey().as_bytes()]);
        let anchor = Self { courier, need, log: id };
        drop(anchor.caught_up()?);
        anchor.check(log)?;
        Ok(anchor)
    }

    /// What the chain remembers; `None` before the first time.
    ///
    /// # Errors
    /// [`LedgerError::Chain`].
    pub fn last(&self) -> Result<Option<Anchored>, LedgerError> {
        self.last_of(&*self.courier()?)
    }

    /// Anchors the log as it is, if it has at least `every` new entries since the last time.
    ///
    /// # Errors
    /// As [`Anchor::open`]; the log's own faults as [`LogLedger::check`].
    pub fn advance(&self, log: &LogLedger, every: u64) -> Result<Option<Anchored>, LedgerError> {
        let mut courier = self.caught_up()?;
        let seen = self.last_of(&courier)?;
        let checkpoint = log.check()?;
        let new = Anchored { size: checkpoint.size, root: checkpoint.root };
        continues(log, new, seen)?;
        let added = new.size - seen.map_or(0, |seen| seen.size);
        if added < every.max(1) {
            return Ok(None);
        }
        let sealed = courier.accept(contract::anchor(self.log, new.size, new.root))?;
        match courier.deliver(&sealed, self.need)? {
            Delivery::Done(_) => courier.outbox.settle(sealed.hash).map(|()| Some(new)),
            failed => Err(reason(failed, &sealed)),
        }
    }

    /// Checks that a log continues what the chain remembers of it.
    ///
    /// # Errors
    /// As [`Anchor::open`].
    pub fn check(&self, log: &LogLedger) -> Result<(), LedgerError> {
        let seen = self.last()?;
        let checkpoint = log.check()?;
        continues(log, Anchored { size: checkpoint.size, root: checkpoint.root }, seen)
    }

    fn last_of(&self, courier: &Courier) -> Result<Option<Anchored>, LedgerError> {
        let found = courier.ask(&contract::anchored(courier.sender(), self.log))?;
        let root = contract::digest(found.root);
        let is_there = root != Digest::from_bytes([0; 32]);
        Ok(is_there.then_some(Anchored { size: found.size, root }))
    }

    /// Holds the courier, after whatever was sent earlier is done with.
    fn caught_up(&self) -> Result<MutexGuard<'_, Courier>, LedgerError> {
        let mut courier = self.courier()?;
        let earlier: Vec<Sealed> = courier.outbox.waiting().iter().cloned().collect();
        for sealed in earlier {
            // Whether it did something or nothing, the chain says what it remembers.
            courier.deliver(&sealed, self.need)?;
            courier.outbox.settle(sealed.hash)?;
        }
        Ok(courier)
    }

    fn courier(&self) -> Result<MutexGuard<'_, Courier>, LedgerError> {
        self.courier.lock().map_err(|_| LedgerError::Poisoned)
    }
}

/// Checks that a log, which is `new` now, continues what was seen of it.
fn continues(log: &LogLedger, new: Anchored, seen: Option<Anchored>) -> Result<(), LedgerError> {
    let Some(seen) = seen else { return Ok(()) };
    let untrusted =
        |fault| LedgerError::Untrusted { place: "anchor on the chain".to_owned(), fault };
    if new.size < seen.size {
        let fault = Untrusted::RolledBack { seen: seen.size, found: new.size };
        return Err(untrusted(fault));
    }
    let mut tree = Tree::default();
    for first in (0..seen.size).step_by(CHUNK) {
        let last = seen.size.min(first + CHUNK as u64);
        let entries = log.entries(first..last)?;
        entries.iter().map(Entry::encode).for_each(|bytes| tree.push(leaf_hash(&bytes)));
    }
    if tree.root() == seen.root { Ok(()) } else { Err(untrusted(Untrusted::Forked)) }
}

fn reason(failed: Delivery, sealed: &Sealed) -> LedgerError {
    match failed {
        Delivery::Reverted(why) => why,
        Delivery::Done(_) | Delivery::Displaced(_) => {
            let transaction = contract::digest(sealed.hash);
            LedgerError::Unsettled { transaction, source: None }
        }
    }
}

const LABEL: &str = "graunt/anchor/v1";

/// Entries that are in memory at once while a log is checked.
const CHUNK: usize = 4096;
