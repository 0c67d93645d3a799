//! Leaves of a file's BLAKE3 tree, so that a range of it can be checked without the rest.
//!
//! ```text
//! file    │ 64 KiB │ 64 KiB │ 64 KiB │ rest │
//! leaves     cv₀      cv₁      cv₂     cv₃      ──merge──▶ root = the file's BLAKE3 digest
//! ```
//! Leaves need no signature of their own: whatever merges to an attested digest is right. They say
//! nothing about who attested it.
//!
//! # Source
//! The BLAKE3 specification §2.4 (tree structure) and §2.5 (root finalisation).

use blake3::Hasher;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice};

use crate::digest::Digest;
use crate::error::LedgerError;

/// Bytes per leaf: 64 chunks of BLAKE3, so that every group is a subtree.
pub const GROUP_BYTES: u64 = 65_536;

/// The leaves of one file: one 32-byte chaining value per group, at least one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Leaves {
    length: u64,
    groups: Vec<[u8; 32]>,
}

impl Leaves {
    /// Hashes a whole file in memory, on all threads of the pool.
    pub fn of(bytes: &[u8]) -> Self {
        let length = bytes.len() as u64;
        let groups = if length <= GROUP_BYTES {
            vec![single(bytes)]
        } else {
            let value = |(index, group)| chaining_value(index as u64 * GROUP_BYTES, group);
            bytes.par_chunks(GROUP).enumerate().map(value).collect()
        };
        Self { length, groups }
    }

    /// Length of the file in bytes.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Number of groups: the length over [`GROUP_BYTES`], rounded up, and 1 for an empty file.
    pub const fn count(&self) -> u64 {
        group_count(self.length)
    }

    /// The BLAKE3 digest of the whole file.
    pub fn root(&self) -> Digest {
        let bytes = match self.groups.as_slice() {
            [only] => *only,
            groups => {
                let (left, right) = groups.split_at(left_len(groups.len()));
                *merge_subtrees_root(&subtree(left), &subtree(right), Mode::Hash).as_bytes()
            }
        };
        Digest::from_bytes(bytes)
    }

    /// Whether `bytes` are group `index` of the file, whole.
    pub fn check_group(&self, index: u64, bytes: &[u8]) -> bool {
        let Some(leaf) = usize::try_from(index).ok().and_then(|index| self.groups.get(index))
        else {
            return false;
        };
        let offset = index * GROUP_BYTES;
        if bytes.len() as u64 != GROUP_BYTES.min(self.length - offset) {
            return false;
        }
        let found =
            if self.groups.len() == 1 { single(bytes) } else { chaining_value(offset, bytes) };
        found == *leaf
    }

    /// The leaves one after another, 32 bytes each.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.groups.concat()
    }

    /// Reads the leaves of a file of `length` bytes. They prove nothing until [`Leaves::root`] is
    /// compared with the attested digest.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if there are not 32 bytes for each group.
    pub fn from_bytes(bytes: &[u8], length: u64) -> Result<Self, LedgerError> {
        let (groups, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || groups.len() as u64 != group_count(length) {
            let detail = format!("{} bytes for a file of {length}", bytes.len());
            return Err(LedgerError::Malformed { what: "file of leaves", detail });
        }
        Ok(Self { length, groups: groups.to_vec() })
    }
}

/// Builds [`Leaves`] from a file while it is written.
#[derive(Debug, Default)]
pub struct LeafHasher {
    /// The group that is being filled; a full one is closed only when more bytes come, because a
    /// file of one group has another kind of leaf.
    group: Hasher,
    filled: usize,
    length: u64,
    groups: Vec<[u8; 32]>,
}

impl LeafHasher {
    /// Starts with an empty file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.filled == GROUP {
                self.groups.push(self.group.finalize_non_root());
                self.group = Hasher::new();
                self.group.set_input_offset(self.length);
                self.filled = 0;
            }
            let (now, later) = bytes.split_at(bytes.len().min(GROUP - self.filled));
            self.group.update(now);
            self.filled += now.len();
            self.length += now.len() as u64;
            bytes = later;
        }
    }

    /// Closes the file.
    pub fn finish(mut self) -> Leaves {
        let last = if self.groups.is_empty() {
            *self.group.finalize().as_bytes()
        } else {
            self.group.finalize_non_root()
        };
        self.groups.push(last);
        Leaves { length: self.length, groups: self.groups }
    }
}

/// The leaf of a file with a single group: the root itself.
fn single(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

fn chaining_value(offset: u64, group: &[u8]) -> [u8; 32] {
    Hasher::new().set_input_offset(offset).update(group).finalize_non_root()
}

/// Merges at least one leaf, below the root.
fn subtree(groups: &[[u8; 32]]) -> [u8; 32] {
    match groups {
        [only] => *only,
        _ => {
            let (left, right) = groups.split_at(left_len(groups.len()));
            merge_subtrees_non_root(&subtree(left), &subtree(right), Mode::Hash)
        }
    }
}

/// The greatest power of two below `count`, which is at least 2.
const fn left_len(count: usize) -> usize {
    count.next_power_of_two() / 2
}

const fn group_count(length: u64) -> u64 {
    if length == 0 { 1 } else { length.div_ceil(GROUP_BYTES) }
}

/// [`GROUP_BYTES`] as a length in memory.
const GROUP: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    fn file(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap()).collect()
    }

    fn lengths() -> Vec<usize> {
        let mut lengths = vec![0, 1, 1023, 1024, 1025];
        for groups in [1, 2, 3, 4, 5, 7, 8, 9, 17] {
            lengths.extend([GROUP * groups - 1, GROUP * groups, GROUP * groups + 1]);
        }
        lengths
    }

    #[test]
    fn the_root_is_the_digest_of_the_file() {
        for length in lengths() {
            let bytes = file(length);
            let leaves = Leaves::of(&bytes);
            assert_eq!(leaves.root().as_bytes(), blake3::hash(&bytes).as_bytes(), "{length}");
            let again = Leaves::from_bytes(&leaves.to_bytes(), length as u64).unwrap();
            assert_eq!(again, leaves);
        }
    }

    #[test]
    fn a_stream_gives_the_same_leaves_however_it_is_cut() {
        for length in lengths() {
            let bytes = file(length);
            for cut in [997, GROUP - 1, GROUP, 3 * GROUP + 5] {
                let mut hasher = LeafHasher::new();
                bytes.chunks(cut).for_each(|part| hasher.update(part));
                assert_eq!(hasher.finish(), Leaves::of(&bytes), "{length} by {cut}");
            }
        }
    }

    #[test]
    fn a_group_is_checked_alone() {
        for length in lengths() {
            let bytes = file(length);
            let leaves = Leaves::of(&bytes);
            assert!(!leaves.check_group(leaves.count(), &[]));
            if bytes.is_empty() {
                assert!(leaves.check_group(0, &[]) && !leaves.check_group(0, &[0]));
            }
            for (index, group) in (0..).zip(bytes.chunks(GROUP)) {
                assert!(leaves.check_group(index, group));
                assert!(!leaves.check_group(index, &group[1..]));
                assert!(!leaves.check_group(index + 1, group));
                let mut wrong = group.to_vec();
                wrong[group.len() / 2] ^= 1;
                assert!(!leaves.check_group(index, &wrong));
            }
        }
    }

    #[test]
    fn a_changed_or_missing_leaf_changes_the_root() {
        let bytes = file(5 * GROUP + 3);
        let leaves = Leaves::of(&bytes);
        let stored = leaves.to_bytes();
        for at in (0..stored.len()).step_by(7) {
            let mut wrong = stored.clone();
            wrong[at] ^= 0x80;
            let wrong = Leaves::from_bytes(&wrong, leaves.length()).unwrap();
            assert_ne!(wrong.root(), leaves.root());
        }
        assert!(Leaves::from_bytes(&stored[32..], leaves.length()).is_err());
        assert!(Leaves::from_bytes(&stored[1..], leaves.length()).is_err());
        assert!(Leaves::from_bytes(&[], 0).is_err());
    }
}
