//! A ledger in memory, for tests and demonstrations: real rules, real proofs, and a key that is
//! thrown away with it.
//!
//! Nothing outlives the process, so whatever was spent is forgotten. Never use it on real records.

use std::sync::{Mutex, MutexGuard};

use crate::account::{State, Verdict};
use crate::charge::Finality;
use crate::entry::Entry;
use crate::error::LedgerError;
use crate::keys::Signer;
use crate::note::{Checkpoint, VerifierKey};
use crate::proof::{LogProof, past_the_end};
use crate::store::{Decided, Store};
use crate::tree::{Tree, leaf_hash};

/// A [`crate::ledger::Ledger`] in memory.
#[derive(Debug)]
pub struct MemoryLedger {
    signer: Signer,
    key: VerifierKey,
    records: Mutex<Records>,
}

#[derive(Debug, Default)]
struct Records {
    state: State,
    tree: Tree,
    entries: Vec<Entry>,
}

impl MemoryLedger {
    /// Makes an empty ledger with a random key.
    ///
    /// # Errors
    /// [`LedgerError::Entropy`].
    pub fn new() -> Result<Self, LedgerError> {
        let signer = Signer::generate()?;
        let key = VerifierKey::new(ORIGIN, signer.public())?;
        Ok(Self { signer, key, records: Mutex::default() })
    }

    /// The log's verifier key.
    pub fn vkey(&self) -> String {
        self.key.to_string()
    }

    /// All entries, in order.
    ///
    /// # Errors
    /// [`LedgerError::Poisoned`] if a thread panicked in the middle of a record.
    pub fn entries(&self) -> Result<Vec<Entry>, LedgerError> {
        Ok(self.records()?.entries.clone())
    }

    fn records(&self) -> Result<MutexGuard<'_, Records>, LedgerError> {
        self.records.lock().map_err(|_| LedgerError::Poisoned)
    }
}

impl Store for MemoryLedger {
    fn finality(&self) -> Finality {
        Finality::Local
    }

    fn submit(&self, entry: Entry) -> Result<Decided, LedgerError> {
        let mut records = self.records()?;
        let next = records.state.count();
        let encoding = entry.encode();
        let verdict = records.state.apply_encoded(&entry, &encoding)?;
        if matches!(verdict, Verdict::Accepted(_)) {
            records.tree.push(leaf_hash(&encoding));
            records.entries.push(entry);
        }
        Ok(Decided::new(verdict, next))
    }

    fn read<T>(&self, ask: impl FnOnce(&State) -> T) -> Result<T, LedgerError> {
        Ok(ask(&self.records()?.state))
    }

    fn prove(&self, indices: &[u64]) -> Result<LogProof, LedgerError> {
        let records = self.records()?;
        let mut entries = Vec::new();
        for index in indices {
            let entry = usize::try_from(*index).ok().and_then(|at| records.entries.get(at));
            entries.push((*index, entry.ok_or_else(|| past_the_end(*index))?.encode()));
        }
        let (size, root) = (records.tree.len(), records.tree.root());
        let note = Checkpoint { origin: ORIGIN.to_owned(), size, root }.sign(&self.signer);
        LogProof::of(&records.tree, note, &self.key, entries)
    }
}

const ORIGIN: &str = "graunt.invalid/memory";
