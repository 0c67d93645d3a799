//! What this process knows of the file of entries: places, tree, and the state that they fold to.

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::account::{State, Verdict};
use crate::digest::Digest;
use crate::entry::Entry;
use crate::error::LedgerError;
use crate::log::wal::{Ending, Frame, MAGIC, Wal};
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

    /// Where the frame of an entry begins; past the last entry, the end.
    pub(super) fn place(&self, index: u64) -> u64 {
        let place = usize::try_from(index).ok().and_then(|at| self.places.get(at));
        place.copied().unwrap_or(self.end)
    }

    /// Reads what is beyond the end. After a broken entry the tree grows on and the state does
    /// not, so that a changed entry is told from one that was signed and breaks a rule.
    pub(super) fn extend(&mut self, wal: &Wal) -> Result<Tail, LedgerError> {
        let mut broken = None;
        let Self { state, tree, places, .. } = self;
        let (end, ending) = wal.scan(self.end, |frames| {
            let mut whole = 0;
            for (frame, read) in frames.iter().zip(Read::all(frames)) {
                let Some(Read { leaf, entry }) = read else { break };
                if broken.is_none() {
                    let verdict = entry.map(|entry| state.apply_encoded(&entry, frame.entry));
                    if !matches!(verdict, Some(Ok(Verdict::Accepted(_)))) {
                        broken = Some(tree.len());
                    }
                }
                tree.push(leaf);
                places.push(frame.place);
                whole += 1;
            }
            whole
        })?;
        self.end = end;
        Ok(Tail { ending, broken })
    }
}

/// What can be said of a whole frame without those before it.
struct Read {
    leaf: Digest,
    /// `None` if it is no entry.
    entry: Option<Entry>,
}

impl Read {
    /// `None` for a frame that is not whole.
    fn of(frame: &Frame<'_>) -> Option<Self> {
        let read = || Self { leaf: leaf_hash(frame.entry), entry: Entry::decode(frame.entry).ok() };
        frame.is_whole().then(read)
    }

    fn all(frames: &[Frame<'_>]) -> Vec<Option<Self>> {
        if frames.len() < PARALLEL_MIN {
            frames.iter().map(Self::of).collect()
        } else {
            frames.par_iter().map(Self::of).collect()
        }
    }
}

/// Fewer frames are not worth waking other threads.
const PARALLEL_MIN: usize = 256;
