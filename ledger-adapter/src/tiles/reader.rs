//! Reads tiles. What it gives has the right form, and may be anybody's.

use crate::digest::Digest;
use crate::entry::ENTRY_BYTES_MAX;
use crate::error::{LedgerError, Untrusted};
use crate::tiles::source::Source;
use crate::tiles::{HEIGHT, Tile, WIDTH};
use crate::tree::{Tree, leaf_hash};

/// Entries of a tile of entries.
pub(crate) fn entries(source: &Source, tile: &Tile) -> Result<Vec<Vec<u8>>, LedgerError> {
    let (bytes, found) = read(source, tile, BUNDLE_BYTES_MAX)?;
    let edited = || source.untrusted(&found.path(), Untrusted::Edited);
    let (mut entries, mut rest) = (Vec::new(), bytes.as_slice());
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<2>().ok_or_else(edited)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or_else(edited)?;
        entries.push(entry.to_vec());
        rest = after;
    }
    if entries.len() != usize::from(found.width) {
        return Err(edited());
    }
    entries.truncate(usize::from(tile.width));
    Ok(entries)
}

/// Hashes of a tile of hashes.
pub(super) fn hashes(source: &Source, tile: &Tile) -> Result<Vec<Digest>, LedgerError> {
    let (bytes, found) = read(source, tile, HASH_BYTES * WIDTH_MAX)?;
    let (chunks, rest) = bytes.as_chunks::<HASH_BYTES>();
    if !rest.is_empty() || chunks.len() != usize::from(found.width) {
        return Err(source.untrusted(&found.path(), Untrusted::Edited));
    }
    let wanted = chunks.iter().take(usize::from(tile.width));
    Ok(wanted.map(|hash| Digest::from_bytes(*hash)).collect())
}

/// Hashes of the entries of a tile, which agree with its tile of hashes.
pub(super) fn leaves(source: &Source, tile: &Tile) -> Result<Vec<Digest>, LedgerError> {
    let leaves: Vec<_> = entries(source, tile)?.iter().map(|entry| leaf_hash(entry)).collect();
    if leaves == hashes(source, &Tile { level: Some(0), ..*tile })? {
        Ok(leaves)
    } else {
        Err(source.untrusted(&tile.path(), Untrusted::Edited))
    }
}

/// What a tile of hashes holds where a tree is right.
pub(super) fn expected(tree: &Tree, tile: &Tile, level: u8) -> Vec<Digest> {
    let first = tile.index * WIDTH;
    let hash = |index| tree.complete(u32::from(level) * HEIGHT, index);
    (first..first + u64::from(tile.width)).filter_map(hash).collect()
}

/// A tile, or the full one where the partial one is gone, and which of them.
fn read(source: &Source, tile: &Tile, bytes_max: usize) -> Result<(Vec<u8>, Tile), LedgerError> {
    for tile in [*tile, tile.full()] {
        if let Some(bytes) = source.read(&tile.path(), bytes_max)? {
            return Ok((bytes, tile));
        }
    }
    Err(source.untrusted(&tile.path(), Untrusted::Missing))
}

const HASH_BYTES: usize = 32;

const WIDTH_MAX: usize = 256;

const BUNDLE_BYTES_MAX: usize = WIDTH_MAX * (2 + ENTRY_BYTES_MAX);
