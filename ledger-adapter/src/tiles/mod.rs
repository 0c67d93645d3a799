//! A log as files that any static file server can serve, and others' tools can read.
//!
//! ```text
//! checkpoint                 the signed note, written last
//! tile/entries/x001/234      256 entries, each with its length in two bytes, big-endian
//! tile/0/x001/234            their 256 hashes
//! tile/1/004                 256 hashes of full tiles of the level below
//! tile/0/x001/235.p/17       the last tile, as far as it goes: 17 of 256
//! ```
//! Full tiles never change, so a later export writes only what is new. Whoever reads the files
//! believes the checkpoint's signature and nothing else; see [`check`].
//!
//! # Source
//! C2SP tlog-tiles v0.1.0.

pub(crate) mod reader;
pub mod serve;
pub mod source;
pub(crate) mod writer;

use std::ops::Range;
use std::path::Path;

use crate::error::{LedgerError, Untrusted};
use crate::log::LogLedger;
use crate::note::{Checkpoint, VerifierKey};
use crate::tiles::source::Source;
use crate::tiles::writer::Writer;
use crate::tree::Tree;

/// What an export did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exported {
    /// The checkpoint that the directory has now.
    pub checkpoint: Checkpoint,
    /// Number of tiles that were written.
    pub tiles_written: u64,
}

/// Writes a log into a directory, or what is new since the last export into it. Until the new
/// checkpoint is in place, readers find the old one whole.
///
/// # Errors
/// [`Untrusted::RolledBack`] or [`Untrusted::Forked`] if the log does not continue what the
/// directory has, [`Untrusted::Signer`] if that is another log's, or of a key of this one
/// that was replaced since: empty the directory then; as [`LogLedger::open`];
/// [`LedgerError::Store`].
pub fn export(log: &LogLedger, directory: &Path) -> Result<Exported, LedgerError> {
    let (checkpoint, note, tree) = log.published()?;
    let key: VerifierKey = log.vkey().parse()?;
    let writer = write_new(directory, &[key], &tree, |range| log.raw_entries(range))?;
    let tiles_written = writer.finish(&note, checkpoint.size)?;
    Ok(Exported { checkpoint, tiles_written })
}

/// Writes the tiles of a tree that a directory has not; its checkpoint stays as it was. `read`
/// gives the exact bytes of entries.
pub(crate) fn write_new(
    directory: &Path,
    keys: &[VerifierKey],
    tree: &Tree,
    mut read: impl FnMut(Range<u64>) -> Result<Vec<Vec<u8>>, LedgerError>,
) -> Result<Writer, LedgerError> {
    let mut writer = Writer::open(directory, keys)?;
    writer.check_continued_by(tree)?;
    for tile in Tile::new_of(writer.old_size(), tree.len()) {
        match tile.level {
            None => writer.put_entries(&tile, &read(tile.entries())?)?,
            Some(level) => writer.put_hashes(&tile, level, tree)?,
        }
    }
    writer.settle()?;
    Ok(writer)
}

/// Reads all of an exported log and verifies it: the checkpoint's signature, every entry and every
/// hash of every tile. Gives the verified checkpoint. The rules of the accounts are not looked at;
/// see [`crate::mirror`].
///
/// # Errors
/// As [`VerifierKey::open`]; [`Untrusted::Missing`] or [`Untrusted::Edited`] with the tile,
/// [`Untrusted::Edited`] with the checkpoint if all tiles agree with each other but not with it;
/// [`LedgerError::Store`], [`LedgerError::Unreachable`], [`LedgerError::Answered`].
pub fn check(source: &Source, key: &VerifierKey) -> Result<Checkpoint, LedgerError> {
    let checkpoint = key.open(&source.checkpoint()?, &source.place("checkpoint"))?;
    let mut tree = Tree::default();
    for tile in Tile::new_of(0, checkpoint.size) {
        // Entries come first, so the tree is whole before the hashes are compared with it.
        match tile.level {
            None => reader::leaves(source, &tile)?.into_iter().for_each(|leaf| tree.push(leaf)),
            Some(level) => {
                if reader::hashes(source, &tile)? != reader::expected(&tree, &tile, level) {
                    return Err(source.untrusted(&tile.path(), Untrusted::Edited));
                }
            }
        }
    }
    if tree.root() == checkpoint.root {
        Ok(checkpoint)
    } else {
        Err(source.untrusted("checkpoint", Untrusted::Edited))
    }
}

/// One tile.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Tile {
    /// Level of its hashes; `None` for entries.
    pub(crate) level: Option<u8>,
    pub(crate) index: u64,
    /// How much of it there is: 1 to 256.
    pub(crate) width: u16,
}

impl Tile {
    /// The tiles that a log of `new` entries has and one of `old` has not: entries, then hashes
    /// level by level, each from the left.
    pub(crate) fn new_of(old: u64, new: u64) -> Vec<Self> {
        let mut tiles = Vec::new();
        let mut add = |level, old: u64, new: u64| {
            let full =
                (old / WIDTH..new / WIDTH).map(|index| Self { level, index, width: WIDTH_FULL });
            tiles.extend(full);
            if let Ok(width @ 1..) = u16::try_from(new % WIDTH)
                && old != new
            {
                tiles.push(Self { level, index: new / WIDTH, width });
            }
        };
        add(None, old, new);
        let levels = (0..=7_u8).map(|level| (level, u32::from(level) * HEIGHT));
        for (level, shift) in levels {
            add(Some(level), old >> shift, new >> shift);
        }
        tiles
    }

    /// The last tile of entries of a log of `size` entries, and every one before it.
    pub(crate) fn of_entries(first: u64, size: u64) -> Vec<Self> {
        let is_of_entries = |tile: &Self| tile.level.is_none();
        Self::new_of(first, size).into_iter().filter(is_of_entries).collect()
    }

    /// Indices of its entries, if it is of entries or their hashes.
    pub(crate) fn entries(&self) -> Range<u64> {
        let first = self.index * WIDTH;
        first..first + u64::from(self.width)
    }

    /// The same, whole.
    pub(crate) const fn full(self) -> Self {
        Self { width: WIDTH_FULL, ..self }
    }

    /// Where it is, below the log's prefix.
    pub(crate) fn path(&self) -> String {
        let mut path = String::from("tile/");
        match self.level {
            None => path.push_str("entries/"),
            Some(level) => path.push_str(&format!("{level}/")),
        }
        let mut groups = vec![format!("{:03}", self.index % 1000)];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        path.push_str(&groups.join("/"));
        if self.width < WIDTH_FULL {
            path.push_str(&format!(".p/{}", self.width));
        }
        path
    }
}

/// Levels of the tree between two levels of tiles.
const HEIGHT: u32 = 8;

/// Hashes or entries of a full tile.
const WIDTH: u64 = 1 << HEIGHT;

/// The same, as a width.
const WIDTH_FULL: u16 = 1 << HEIGHT;

#[cfg(test)]
mod tests;
