//! What this process knows of the file of entries: places, tree, and the state that they fold to.

use crate::account::{State, Verdict};
use crate::entry::Entry;
use crate::error::LedgerError;
use crate::log::wal::{Ending, MAGIC, Wal};
use crate::tree::{Tree, leaf_hash};

/// The entries up to `end`, folded.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) state: State,
    pub(super) tree: Tree,
    /// Where each entry's frame begins.
    pub(super) places: Vec<u64>,
    /// Where the next frame begins.
    pub(super) end: u64,
}

/// What reading further found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    /// What comes at the new end.
    pub(super) ending: Ending,
    /// The first entry that cannot be read or is not allowed.
    pub(super) broken: Option<u64>,
}

impl Replica {
    /// Before the first entry.
    pub(super) fn new() -> Self {
        let end = MAGIC.len() as u64;
        Self { state: State::default(), tree: Tree::default(), places: Vec::new(), end }
    }

    /// Reads what is beyond the end. After a broken entry the tree grows on and the state does
    /// not, so that a changed entry is told from one that was signed and breaks a rule.
    pub(super) fn extend(&mut self, wal: &Wal) -> Result<Tail, LedgerError> {
        let mut broken = None;
        let Self { state, tree, places, .. } = self;
        let (end, ending) = wal.scan(self.end, |place, bytes| {
            if broken.is_none() {
                let verdict = Entry::decode(bytes).and_then(|entry| state.apply(&entry));
                if !matches!(verdict, Ok(Verdict::Accepted(_))) {
                    broken = Some(tree.len());
                }
            }
            tree.push(leaf_hash(bytes));
            places.push(place);
        })?;
        self.end = end;
        Ok(Tail { ending, broken })
    }
}
