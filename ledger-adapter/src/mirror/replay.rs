//! The entries of a log, folded one after another into the state of its accounts and its tree.

use crate::account::{State, Verdict};
use crate::entry::Entry;
use crate::error::{LedgerError, Untrusted};
use crate::note::Checkpoint;
use crate::tiles::source::Source;
use crate::tiles::{Tile, reader};
use crate::tree::{Tree, leaf_hash};

/// What was replayed so far.
#[derive(Debug, Default)]
pub(super) struct Replay {
    pub(super) state: State,
    pub(super) tree: Tree,
    /// The first entry that is none, is not allowed, or repeats another.
    broken: Option<u64>,
    /// An entry that was replayed before is another one at the source.
    differs: bool,
}

impl Replay {
    /// Goes on to `size` entries, and hands every tile of them to `keep`. After a broken entry the
    /// tree grows on and the state does not, so that a changed entry is told from one that was
    /// signed and breaks a rule.
    pub(super) fn extend(
        &mut self,
        source: &Source,
        size: u64,
        mut keep: impl FnMut(&Tile, &[Vec<u8>]) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        for tile in Tile::of_entries(self.tree.len(), size) {
            let entries = reader::entries(source, &tile)?;
            for (index, bytes) in tile.entries().zip(&entries) {
                match self.tree.leaf(index) {
                    Some(leaf) => self.differs |= leaf != leaf_hash(bytes),
                    None => self.take(bytes),
                }
            }
            keep(&tile, &entries)?;
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.broken.is_none() {
            let verdict = Entry::decode(bytes).and_then(|entry| self.state.apply(&entry));
            if !matches!(verdict, Ok(Verdict::Accepted(_))) {
                self.broken = Some(self.tree.len());
            }
        }
        self.tree.push(leaf_hash(bytes));
    }

    /// Fails unless all of it is what was signed for, and obeys the rules.
    pub(super) fn check(&self, source: &Source, signed: &Checkpoint) -> Result<(), LedgerError> {
        if self.differs || self.tree.root() != signed.root {
            // Either the source has not what was signed, or the log signed another history.
            let fault =
                if whole_root_is(source, signed)? { Untrusted::Forked } else { Untrusted::Edited };
            return Err(source.untrusted("tile/entries", fault));
        }
        match self.broken {
            Some(index) => Err(source.untrusted("tile/entries", Untrusted::Rule { index })),
            None => Ok(()),
        }
    }
}

/// Whether a source's entries, from the first on, are those that a checkpoint was signed for.
fn whole_root_is(source: &Source, signed: &Checkpoint) -> Result<bool, LedgerError> {
    let mut tree = Tree::default();
    for tile in Tile::of_entries(0, signed.size) {
        let entries = reader::entries(source, &tile)?;
        entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
    }
    Ok(tree.root() == signed.root)
}
