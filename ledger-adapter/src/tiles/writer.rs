//! Writes tiles: each whole and on disk before the checkpoint that needs it.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::durable::{self, failed};
use crate::error::{LedgerError, Untrusted};
use crate::note::{Checkpoint, Note, VerifierKey, verify_by_any};
use crate::tiles::{HEIGHT, Tile, WIDTH, reader};
use crate::tree::Tree;

/// A tile under another name.
#[derive(Debug)]
struct Pending {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

/// A directory of tiles that is being written. Others wait until this is dropped.
#[derive(Debug)]
pub(crate) struct Writer {
    directory: PathBuf,
    old: Option<Checkpoint>,
    /// Written, and neither on disk nor in place.
    pending: Vec<Pending>,
    /// Directories in which names may not be on disk.
    unsynced: BTreeSet<PathBuf>,
    tiles_written: u64,
    /// Closing it unlocks the directory.
    _lock: File,
}

impl Writer {
    /// Opens a directory of a log with one of these keys, and makes it if it is not there.
    pub(crate) fn open(directory: &Path, keys: &[VerifierKey]) -> Result<Self, LedgerError> {
        make_directories(directory)?;
        let lock_path = directory.join(LOCK);
        let lock = durable::lock_file(&lock_path)?;
        lock.lock().map_err(failed(&lock_path, "lock"))?;
        let path = directory.join(CHECKPOINT);
        let old = durable::read(&path)?.map(|bytes| {
            let note = String::from_utf8(bytes).map_err(|_| LedgerError::Malformed {
                what: "checkpoint",
                detail: format!("{} is not text", path.display()),
            })?;
            verify_by_any(keys, &Note::parse(&note)?, &path.display().to_string())
        });
        Ok(Self {
            directory: directory.to_owned(),
            old: old.transpose()?,
            pending: Vec::new(),
            unsynced: BTreeSet::new(),
            tiles_written: 0,
            _lock: lock,
        })
    }

    /// Number of entries that the directory has.
    pub(crate) fn old_size(&self) -> u64 {
        self.old.as_ref().map_or(0, |old| old.size)
    }

    /// Fails unless a tree continues what the directory has.
    pub(crate) fn check_continued_by(&self, tree: &Tree) -> Result<(), LedgerError> {
        let Some(old) = &self.old else { return Ok(()) };
        let fault = match tree.root_at(old.size) {
            Some(root) if root == old.root => return Ok(()),
            Some(_) => Untrusted::Forked,
            None => Untrusted::RolledBack { seen: old.size, found: tree.len() },
        };
        Err(LedgerError::Untrusted { place: self.directory.display().to_string(), fault })
    }

    /// Writes a tile of entries, of at most 65,535 bytes each.
    pub(crate) fn put_entries(
        &mut self,
        tile: &Tile,
        entries: &[Vec<u8>],
    ) -> Result<(), LedgerError> {
        let mut bytes = Vec::new();
        for entry in entries {
            let length = u16::try_from(entry.len())
                .map_err(|_| LedgerError::Refused { rule: "an entry fits into a tile" })?;
            bytes.extend(length.to_be_bytes());
            bytes.extend(entry);
        }
        self.put(tile, &bytes)
    }

    /// Writes a tile of hashes of a tree.
    pub(crate) fn put_hashes(
        &mut self,
        tile: &Tile,
        level: u8,
        tree: &Tree,
    ) -> Result<(), LedgerError> {
        let hashes = reader::expected(tree, tile, level);
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
        self.put(tile, &bytes)
    }

    /// Waits until all of it is on disk, and puts the checkpoint of `size` entries in place. Gives
    /// the number of tiles.
    pub(crate) fn finish(mut self, note: &str, size: u64) -> Result<u64, LedgerError> {
        self.settle()?;
        for directory in &self.unsynced {
            let open = File::open(directory).map_err(failed(directory, "open"))?;
            durable::sync(&open, directory)?;
        }
        let path = self.directory.join(CHECKPOINT);
        let is_new = durable::read(&path)?.is_none_or(|old| old != note.as_bytes());
        if is_new {
            let temporary = durable::beside(&path, TEMPORARY);
            durable::replace_through(&temporary, &path, note.as_bytes(), durable::PUBLIC)?;
        }
        self.tidy(size);
        Ok(self.tiles_written)
    }

    /// Removes partial tiles of which there are full ones now.
    fn tidy(&self, size: u64) {
        let old = self.old_size();
        for (level, shift) in
            [(None, 0)].into_iter().chain((0..=7).map(|l| (Some(l), u32::from(l) * HEIGHT)))
        {
            let index = (old >> shift) / WIDTH;
            if (size >> shift) / WIDTH > index {
                let full = Tile { level, index, width: 1 }.full();
                let partial = self.directory.join(format!("{}.p", full.path()));
                // Only tidiness: readers do not mind both.
                drop(fs::remove_dir_all(partial));
            }
        }
    }

    fn put(&mut self, tile: &Tile, bytes: &[u8]) -> Result<(), LedgerError> {
        let path = self.directory.join(tile.path());
        if let Some(parent) = path.parent() {
            make_directories(parent)?;
            self.unsynced.insert(parent.to_owned());
        }
        let temporary = durable::beside(&path, TEMPORARY);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(durable::PUBLIC);
        let mut file = options.open(&temporary).map_err(failed(&temporary, "create"))?;
        file.write_all(bytes).map_err(failed(&temporary, "write"))?;
        self.pending.push(Pending { file, temporary, path });
        self.tiles_written += 1;
        if self.pending.len() < PENDING_MAX { Ok(()) } else { self.settle() }
    }

    /// Waits until the tiles are on disk, and puts them in place. A file system gathers what is
    /// synced at once, so many wait together.
    pub(crate) fn settle(&mut self) -> Result<(), LedgerError> {
        let pending = std::mem::take(&mut self.pending);
        let sync = |tiles: &[Pending]| {
            tiles.iter().try_for_each(|tile| durable::sync(&tile.file, &tile.temporary))
        };
        std::thread::scope(|scope| {
            let chunks = pending.chunks(PENDING_MAX / SYNCS_AT_ONCE);
            let threads: Vec<_> = chunks.map(|tiles| scope.spawn(move || sync(tiles))).collect();
            let synced = threads.into_iter().map(|thread| match thread.join() {
                Ok(synced) => synced,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            synced.collect::<Result<(), _>>()
        })?;
        let mut place = pending.iter();
        place.try_for_each(|tile| {
            fs::rename(&tile.temporary, &tile.path).map_err(failed(&tile.path, "rename"))
        })
    }
}

/// Makes a directory and those above it, for everyone to read: a server may be someone else.
pub(crate) fn make_directories(path: &Path) -> Result<(), LedgerError> {
    if path.is_dir() {
        return Ok(());
    }
    // One level at a time, so that each name is synced.
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_directories(parent)?;
    }
    match DirBuilder::new().mode(0o755).create(path) {
        Ok(()) => durable::sync_directory_of(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(failed(path, "create")(error)),
    }
}

const CHECKPOINT: &str = "checkpoint";

const LOCK: &str = ".lock";

const TEMPORARY: &str = ".tmp";

/// Most tiles that wait to be synced, each an open file.
const PENDING_MAX: usize = 128;

const SYNCS_AT_ONCE: usize = 16;
