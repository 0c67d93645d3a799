//! What a server answers for a directory of tiles: the checkpoint, tiles, and nothing else.

use std::path::Path;

use crate::durable;
use crate::error::LedgerError;
use crate::tiles::{Tile, WIDTH_FULL};

/// A file to answer with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resource {
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Whether it never changes, so that it may be cached for good; the checkpoint may not.
    pub is_immutable: bool,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// Reads what lies at `path`, given below the log's prefix and without a leading slash; `None` for
/// what an exported log does not have. No other file is reached, whatever the path.
///
/// # Errors
/// [`LedgerError::Store`].
pub fn resource(directory: &Path, path: &str) -> Result<Option<Resource>, LedgerError> {
    let is_immutable = match path {
        "checkpoint" => false,
        _ if Tile::parse(path).is_some() => true,
        _ => return Ok(None),
    };
    let content_type =
        if is_immutable { "application/octet-stream" } else { "text/plain; charset=utf-8" };
    let body = durable::read(&directory.join(path))?;
    Ok(body.map(|body| Resource { content_type, is_immutable, body }))
}

impl Tile {
    /// The tile at a path in its one spelling.
    fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("tile/")?;
        let (rest, width) = match rest.split_once(".p/") {
            Some((rest, width)) => (rest, width.parse().ok()?),
            None => (rest, WIDTH_FULL),
        };
        let (level, groups) = rest.split_once('/')?;
        let level = match level {
            "entries" => None,
            level => Some(level.parse().ok().filter(|level| *level <= LEVEL_MAX)?),
        };
        let mut index = 0_u64;
        for group in groups.split('/') {
            let digits: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok()?;
            index = index.checked_mul(1000)?.checked_add(digits)?;
        }
        let tile = Self { level, index, width };
        (width > 0 && tile.path() == path).then_some(tile)
    }
}

/// The highest level that a path may name.
const LEVEL_MAX: u8 = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_an_export_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("tiles");
        for name in ["checkpoint", "tile/0/x001/000", "tile/0/000.p/7", ".lock", "tile/0/000.tmp"] {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        std::fs::write(directory.path().join("secret"), "x").unwrap();
        let found = |path| resource(&root, path).unwrap();
        let checkpoint = found("checkpoint").unwrap();
        assert_eq!(
            (checkpoint.is_immutable, checkpoint.body.as_slice()),
            (false, &b"checkpoint"[..])
        );
        for path in ["tile/0/x001/000", "tile/0/000.p/7"] {
            assert_eq!(found(path).unwrap().body, path.as_bytes());
            assert!(found(path).unwrap().is_immutable);
        }
        for path in [
            ".lock",
            "tile/0/000.tmp",
            "tile/0/000",
            "../secret",
            "tile/0/../../../secret",
            "/etc/passwd",
            "",
            "tile/",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn paths_have_one_spelling() {
        for tile in [
            Tile { level: None, index: 0, width: 1 },
            Tile { level: Some(0), index: 999, width: 256 },
            Tile { level: Some(7), index: 1_234_067, width: 255 },
        ] {
            let path = tile.path();
            assert_eq!(Tile::parse(&path), Some(tile));
            let theirs = path.replacen("tile/", "tile/8/", 1).replace("entries", "data");
            assert_eq!(tlog_tiles::Tile::from_path(&theirs).unwrap().level_index(), tile.index);
        }
        for path in [
            "tile/00/000",
            "tile/64/000",
            "tile/-1/000",
            "tile/0/0",
            "tile/0/x000/001",
            "tile/0/001/x002",
            "tile/0/001/002",
            "tile/0/+01",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/07",
            "tile/0/000.p/7.p/7",
            "tile/data/000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(Tile::parse(path), None, "{path}");
        }
    }
}
