//! The Merkle tree of a log, and the two proofs that anyone can check without it.
//!
//! All hashes of complete subtrees are kept in memory, 64 bytes per entry in all, so a root or a
//! proof at any size costs a logarithm. It knows nothing of what the entries say.
//!
//! # Source
//! RFC 6962 §2.1 (hashes, proofs); RFC 9162 §2.1.3.2 and §2.1.4.2 (verification).

use std::ops::Range;

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

/// An append-only Merkle tree.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tree {
    /// `levels[l][i]` is the hash of the complete subtree of the `2^l` leaves from `i·2^l`.
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// Number of leaves.
    pub fn len(&self) -> u64 {
        self.leaf_count() as u64
    }

    /// Whether there are no leaves.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Appends a leaf, by its hash from [`leaf_hash`].
    pub fn push(&mut self, leaf: Digest) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[level];
            hashes.push(hash);
            let [.., left, right] = hashes.as_slice() else { return };
            if hashes.len() % 2 == 1 {
                return;
            }
            hash = node_hash(left, right);
        }
    }

    /// The hash of leaf `index`, or `None` past the end.
    pub fn leaf(&self, index: u64) -> Option<Digest> {
        let index = usize::try_from(index).ok()?;
        self.levels.first()?.get(index).copied()
    }

    /// The root over all leaves.
    pub fn root(&self) -> Digest {
        self.subtree(0..self.leaf_count())
    }

    /// The root over the first `size` leaves, or `None` past the end.
    pub fn root_at(&self, size: u64) -> Option<Digest> {
        Some(self.subtree(0..self.size(size)?))
    }

    /// Proves leaf `index` under the root over the first `size` leaves; `None` past the end.
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Digest>> {
        let size = self.size(size)?;
        let index = usize::try_from(index).ok().filter(|index| *index < size)?;
        let mut path = Vec::new();
        let mut range = 0..size;
        while range.len() > 1 {
            let split = range.start + left_len(range.len());
            let (inside, outside) = if index < split {
                (range.start..split, split..range.end)
            } else {
                (split..range.end, range.start..split)
            };
            path.push(self.subtree(outside));
            range = inside;
        }
        path.reverse();
        Some(path)
    }

    /// Proves that the first `old` leaves are the beginning of the first `new`; `None` if `old` is
    /// above `new`, or `new` past the end. Empty if `old` is 0 or equal to `new`.
    pub fn consistency(&self, old: u64, new: u64) -> Option<Vec<Digest>> {
        let (old, new) = (self.size(old)?, self.size(new)?);
        if old > new {
            return None;
        }
        let mut path = Vec::new();
        if old == 0 || old == new {
            return Some(path);
        }
        let mut range = 0..new;
        while range.end != old {
            let split = range.start + left_len(range.len());
            if old <= split {
                path.push(self.subtree(split..range.end));
                range.end = split;
            } else {
                path.push(self.subtree(range.start..split));
                range.start = split;
            }
        }
        // The verifier knows the old root; only a part of it must be told.
        if range.start > 0 {
            path.push(self.subtree(range));
        }
        path.reverse();
        Some(path)
    }

    /// The hash of the `index`-th complete subtree of `2^level` leaves; `None` past the end.
    pub(crate) fn complete(&self, level: u32, index: u64) -> Option<Digest> {
        let hashes = self.levels.get(usize::try_from(level).ok()?)?;
        hashes.get(usize::try_from(index).ok()?).copied()
    }

    fn leaf_count(&self) -> usize {
        self.levels.first().map_or(0, Vec::len)
    }

    fn size(&self, size: u64) -> Option<usize> {
        usize::try_from(size).ok().filter(|size| *size <= self.leaf_count())
    }

    /// Hash over a range that starts at a multiple of the power of two at or above its length.
    fn subtree(&self, range: Range<usize>) -> Digest {
        match range.len() {
            0 => Digest::sha256(&[]),
            count if count.is_power_of_two() => {
                let level = count.trailing_zeros();
                self.levels[level as usize][range.start >> level]
            }
            count => {
                let split = range.start + left_len(count);
                node_hash(&self.subtree(range.start..split), &self.subtree(split..range.end))
            }
        }
    }
}

/// Hash of a leaf.
pub fn leaf_hash(entry: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
}

/// Hash of an inner node.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let hash = Sha256::new().chain_update([1]).chain_update(left.as_bytes());
    Digest::from_bytes(hash.chain_update(right.as_bytes()).finalize().into())
}

/// Whether `path` proves that the leaf at `index` is under `root`, the root over `size` leaves.
///
/// # Source
/// RFC 9162 §2.1.3.2.
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    path: &[Digest],
    root: &Digest,
) -> bool {
    if index >= size {
        return false;
    }
    let mut walk = Walk { node: index, last: size - 1 };
    let mut hash = *leaf;
    for sibling in path {
        if walk.last == 0 {
            return false;
        }
        hash = match walk.step() {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        };
    }
    walk.last == 0 && hash == *root
}

/// Whether `path` proves that the log with `old_root` over `old` leaves is the beginning of the one
/// with `new_root` over `new`.
///
/// # Source
/// RFC 9162 §2.1.4.2; two equal sizes, and an empty old log, are proved by an empty path.
pub fn verify_consistency(
    old: u64,
    new: u64,
    path: &[Digest],
    old_root: &Digest,
    new_root: &Digest,
) -> bool {
    if old > new {
        return false;
    }
    if old == new {
        return path.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return path.is_empty() && *old_root == Digest::sha256(&[]);
    }
    let (first, rest) = match path {
        [] => return false,
        rest if old.is_power_of_two() => (old_root, rest),
        [first, rest @ ..] => (first, rest),
    };
    let mut walk = Walk { node: old - 1, last: new - 1 };
    while walk.node & 1 == 1 {
        walk.up();
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        if walk.last == 0 {
            return false;
        }
        match walk.step() {
            Side::Left => {
                old_hash = node_hash(sibling, &old_hash);
                new_hash = node_hash(sibling, &new_hash);
            }
            Side::Right => new_hash = node_hash(&new_hash, sibling),
        }
    }
    walk.last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// Where a verifier stands on its way up: `fn` and `sn` of RFC 9162.
struct Walk {
    node: u64,
    last: u64,
}

enum Side {
    Left,
    Right,
}

impl Walk {
    fn up(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    /// Goes up past one sibling, and says on which side it is.
    fn step(&mut self) -> Side {
        let side = if self.node & 1 == 1 || self.node == self.last {
            while self.node & 1 == 0 && self.node != 0 {
                self.up();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.up();
        side
    }
}

/// The greatest power of two below `count`, which is at least 2.
const fn left_len(count: usize) -> usize {
    count.next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;

    use super::*;

    /// Exhaustive up to here; every shape of tree with seven levels is met.
    const SIZE_MAX: u64 = 130;

    fn entry(index: u64) -> Vec<u8> {
        format!("entry {index}").into_bytes()
    }

    fn concatenated(path: &[Digest]) -> Vec<u8> {
        path.iter().flat_map(|hash| *hash.as_bytes()).collect()
    }

    fn flipped(hash: &Digest) -> Digest {
        let mut bytes = *hash.as_bytes();
        bytes[31] ^= 1;
        Digest::from_bytes(bytes)
    }

    /// Paths that differ from `path` by one hash: changed, missing, or too many.
    fn mutations(path: &[Digest]) -> Vec<Vec<Digest>> {
        let mut out = vec![[path, &[Digest::from_bytes([0; 32])]].concat()];
        if let Some((last, rest)) = path.split_last() {
            out.push(rest.to_vec());
            out.push([rest, &[flipped(last)]].concat());
            out.push([&[flipped(&path[0])], &path[1..]].concat());
        }
        out
    }

    #[test]
    fn published_roots() {
        // RFC 6962 §2.1.1's seven leaves have no printed hashes; these are the vectors of the
        // Certificate Transparency reference implementation (merkle tree test).
        let leaves: [&[u8]; 8] = [
            b"",
            &[0x00],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Tree::default();
        assert_eq!(tree.root().to_string(), roots[0]);
        for (leaf, root) in leaves.iter().zip(&roots[1..]) {
            tree.push(leaf_hash(leaf));
            assert_eq!(tree.root().to_string(), *root);
        }
    }

    #[test]
    fn inclusion_agrees_with_another_implementation() {
        let mut tree = Tree::default();
        let mut other = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        for size in 1..=SIZE_MAX {
            tree.push(leaf_hash(&entry(size - 1)));
            other.push(entry(size - 1));
            let root = tree.root();
            assert_eq!(root.as_bytes().as_slice(), other.root().as_bytes().as_slice());
            for index in 0..size {
                let path = tree.inclusion(index, size).unwrap();
                let theirs = other.prove_inclusion(usize::try_from(index).unwrap());
                assert_eq!(concatenated(&path), theirs.as_bytes());
                let leaf = leaf_hash(&entry(index));
                assert!(verify_inclusion(&leaf, index, size, &path, &root));
                assert!(!verify_inclusion(&leaf, index, size, &path, &flipped(&root)));
                assert!(!verify_inclusion(&flipped(&leaf), index, size, &path, &root));
                assert!(!verify_inclusion(&leaf, size, size, &path, &root));
                for wrong in mutations(&path) {
                    assert!(!verify_inclusion(&leaf, index, size, &wrong, &root));
                }
            }
        }
    }

    #[test]
    fn consistency_agrees_with_another_implementation() {
        let mut tree = Tree::default();
        let mut other = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        for new in 1..=SIZE_MAX {
            tree.push(leaf_hash(&entry(new - 1)));
            other.push(entry(new - 1));
            let new_root = tree.root();
            for old in 1..new {
                let path = tree.consistency(old, new).unwrap();
                let theirs = other.prove_consistency(usize::try_from(new - old).unwrap());
                assert_eq!(concatenated(&path), theirs.as_bytes(), "{old} of {new}");
                let old_root = tree.root_at(old).unwrap();
                assert!(verify_consistency(old, new, &path, &old_root, &new_root));
                assert!(!verify_consistency(old, new, &path, &flipped(&old_root), &new_root));
                assert!(!verify_consistency(old, new, &path, &old_root, &flipped(&new_root)));
                assert!(!verify_consistency(new, old, &path, &old_root, &new_root));
                for wrong in mutations(&path) {
                    assert!(!verify_consistency(old, new, &wrong, &old_root, &new_root));
                }
            }
            assert!(verify_consistency(new, new, &[], &new_root, &new_root));
            assert!(verify_consistency(0, new, &[], &Digest::sha256(&[]), &new_root));
        }
    }

    #[test]
    fn old_sizes_keep_their_proofs() {
        let mut tree = Tree::default();
        let mut roots = vec![tree.root()];
        for index in 0..40 {
            tree.push(leaf_hash(&entry(index)));
            roots.push(tree.root());
        }
        for (size, root) in (0..).zip(&roots) {
            assert_eq!(tree.root_at(size), Some(*root));
            for index in 0..size {
                let path = tree.inclusion(index, size).unwrap();
                assert!(verify_inclusion(&leaf_hash(&entry(index)), index, size, &path, root));
            }
        }
        assert_eq!(tree.root_at(41), None);
        assert_eq!(tree.inclusion(40, 40), None);
        assert_eq!(tree.consistency(7, 41), None);
        assert_eq!(tree.consistency(8, 7), None);
    }
}
