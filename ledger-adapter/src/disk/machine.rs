//! A file system between two power losses: what programs see, what is on disk, and what is on the
//! way from the one to the other.
//!
//! POSIX promises nothing of the order in which unsynced bytes and names reach the disk, so each
//! step may be lost, or whole, and a write may be torn, whatever became of those before and after.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::dice::Dice;

/// A file or directory.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) is_directory: bool,
    /// What programs read.
    pub(super) cached: Vec<u8>,
    /// What is on disk for certain.
    durable: Vec<u8>,
    /// Steps since the last sync.
    pending: Vec<Step>,
    /// The open file that has it locked.
    pub(super) holder: Option<u64>,
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Step {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(at, written) => {
                let end = at + written.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*at..end].copy_from_slice(written);
            }
            Self::Length(length) => bytes.resize(*length, 0),
        }
    }

    /// As [`Step::apply`], but piece by piece kept or lost. The length may be kept alone.
    fn tear(&self, bytes: &mut Vec<u8>, dice: &mut Dice) {
        let Self::Write(at, written) = self else { return };
        if dice.heads() {
            bytes.resize(bytes.len().max(at + written.len()), 0);
        }
        let piece = 1 + dice.below(96);
        for (index, part) in written.chunks(piece).enumerate() {
            if dice.heads() {
                Self::Write(at + index * piece, part.to_vec()).apply(bytes);
            }
        }
    }

    fn may_reach(&self, bytes: &mut Vec<u8>, dice: &mut Dice) {
        match dice.below(3) {
            0 => {}
            1 => self.apply(bytes),
            _ => self.tear(bytes, dice),
        }
    }
}

impl Node {
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        self.take(Step::Write(at, bytes.to_vec()));
    }

    pub(super) fn set_length(&mut self, length: usize) {
        self.take(Step::Length(length));
    }

    fn take(&mut self, step: Step) {
        step.apply(&mut self.cached);
        self.pending.push(step);
    }

    pub(super) fn sync(&mut self) {
        for step in std::mem::take(&mut self.pending) {
            step.apply(&mut self.durable);
        }
    }

    /// A sync that failed: whatever did not reach the disk never will, because the pages count as
    /// clean from now on, and programs still read what they wrote.
    pub(super) fn fail_to_sync(&mut self, dice: &mut Dice) {
        for step in std::mem::take(&mut self.pending) {
            step.may_reach(&mut self.durable, dice);
        }
    }

    fn lose_power(&mut self, dice: &mut Dice) {
        self.fail_to_sync(dice);
        self.cached.clone_from(&self.durable);
    }
}

/// A change of names.
#[derive(Clone, Debug)]
enum Naming {
    Give(PathBuf, usize),
    Move(PathBuf, PathBuf, usize),
    Take(PathBuf),
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Give(path, node) => drop(names.insert(path.clone(), *node)),
            Self::Move(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
            Self::Take(path) => drop(names.remove(path)),
        }
    }

    fn is_in(&self, directory: &Path) -> bool {
        let (Self::Give(path, _) | Self::Move(_, path, _) | Self::Take(path)) = self;
        path.parent() == Some(directory)
    }
}

/// All files and names.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) nodes: Vec<Node>,
    /// What programs see.
    pub(super) names: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    pending: Vec<Naming>,
    pub(super) dice: Dice,
}

impl Machine {
    /// An empty directory `/`.
    pub(super) fn new(seed: u64) -> Self {
        let root = Node { is_directory: true, ..Node::default() };
        let names = BTreeMap::from([(PathBuf::from("/"), 0)]);
        let durable = names.clone();
        Self { nodes: vec![root], names, durable, pending: Vec::new(), dice: Dice(seed) }
    }

    /// Makes a file or directory, whose parent is there.
    pub(super) fn make(&mut self, path: &Path, is_directory: bool) -> usize {
        let node = self.nodes.len();
        self.nodes.push(Node { is_directory, ..Node::default() });
        self.give(path, node);
        node
    }

    pub(super) fn give(&mut self, path: &Path, node: usize) {
        self.rename(Naming::Give(path.to_owned(), node));
    }

    pub(super) fn shift(&mut self, from: &Path, to: &Path, node: usize) {
        self.rename(Naming::Move(from.to_owned(), to.to_owned(), node));
    }

    pub(super) fn take(&mut self, path: &Path) {
        self.rename(Naming::Take(path.to_owned()));
    }

    fn rename(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.pending.push(naming);
    }

    /// Puts the names of a directory on disk.
    pub(super) fn sync_names(&mut self, node: usize) {
        let of: Vec<PathBuf> = self
            .names
            .iter()
            .filter(|(_, of)| **of == node)
            .map(|(path, _)| path.clone())
            .collect();
        let durable = &mut self.durable;
        self.pending.retain(|naming| {
            let is_synced = of.iter().any(|directory| naming.is_in(directory));
            if is_synced {
                naming.apply(durable);
            }
            !is_synced
        });
    }

    /// Forgets what is not on disk, or tears it, or keeps it, as chance will have it.
    pub(super) fn lose_power(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        // A journal keeps the order of names; other file systems do not.
        let is_journalled = self.dice.heads();
        let kept = self.dice.below(pending.len() + 1);
        for (index, naming) in pending.iter().enumerate() {
            if if is_journalled { index < kept } else { self.dice.heads() } {
                naming.apply(&mut self.durable);
            }
        }
        // A name without the directory that it was in is gone.
        let all = self.durable.clone();
        self.durable.retain(|path, _| path.ancestors().all(|above| all.contains_key(above)));
        self.names.clone_from(&self.durable);
        for node in &mut self.nodes {
            node.lose_power(&mut self.dice);
        }
    }

    /// Lets go of all locks: no process is left.
    pub(super) fn end_processes(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.holder = None);
    }
}
