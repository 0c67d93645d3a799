//! A file that remembers how far the log has come, and lets it go forward only.
//!
//! It protects against whoever restores an old copy of the log, as long as the witness is not
//! restored with it: keep it on another disk, better on another machine. A witness begins with an
//! empty log, or by an explicit act; one that is missing later, perhaps because its disk is not
//! there, is an error.
//!
//! # Source
//! C2SP tlog-witness v1.0.0, "add-checkpoint": compare and set on the old size, a consistency
//! proof, and the new state on disk before the reply. This witness does not cosign.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Disk;
use crate::durable;
use crate::error::{LedgerError, Untrusted};
use crate::note::{Checkpoint, Note, VerifierKey, verify_by_any};
use crate::tree::{Tree, verify_consistency};
use crate::witnessing::Cosigners;

/// The witness file, and the log that it watches.
#[derive(Debug)]
pub(super) struct Witness {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    keys: Vec<VerifierKey>,
}

impl Witness {
    /// The witness of a log with these keys: one, or two while one takes the other's place.
    pub(super) fn new(disk: Arc<dyn Disk>, path: PathBuf, keys: &[VerifierKey]) -> Self {
        Self { disk, path, keys: keys.to_vec() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The last checkpoint that was seen; `None` before the first.
    pub(super) fn last(&self) -> Result<Option<Checkpoint>, LedgerError> {
        let Some(bytes) = self.disk.read(&self.path)? else { return Ok(None) };
        let note = String::from_utf8(bytes).map_err(|_| LedgerError::Malformed {
            what: "checkpoint",
            detail: "the witness holds no text".to_owned(),
        })?;
        self.read(&note).map(Some)
    }

    fn read(&self, note: &str) -> Result<Checkpoint, LedgerError> {
        verify_by_any(&self.keys, &Note::parse(note)?, &self.path.display().to_string())
    }

    /// Fails if the witness has seen more than `found` entries.
    pub(super) fn refuse_shorter(&self, found: u64) -> Result<(), LedgerError> {
        match self.last()? {
            Some(last) if last.size > found => {
                Err(self.untrusted(Untrusted::RolledBack { seen: last.size, found }))
            }
            _ => Ok(()),
        }
    }

    /// Shows the witness a checkpoint of the whole `tree`. On success the file holds it, durably.
    ///
    /// # Errors
    /// [`Untrusted::Missing`] if there is no witness file and the log is not empty,
    /// [`Untrusted::RolledBack`] if the witness has seen more, [`Untrusted::Forked`] if the tree
    /// does not continue what it has seen, [`Untrusted::Signer`] or [`Untrusted::Signature`] if
    /// what it holds is not of this log, [`LedgerError::Store`].
    pub(super) fn advance(&self, note: &str, tree: &Tree) -> Result<(), LedgerError> {
        self.accept(note, tree, false)
    }

    /// As [`Witness::advance`], but believes what it is shown if there is no witness file.
    pub(super) fn begin(&self, note: &str, tree: &Tree) -> Result<(), LedgerError> {
        self.accept(note, tree, true)
    }

    fn accept(&self, note: &str, tree: &Tree, may_begin: bool) -> Result<(), LedgerError> {
        if let Some(parent) = self.path.parent().filter(|parent| !parent.as_os_str().is_empty())
            && !self.disk.exists(&self.path)?
        {
            self.disk.create_directories(parent)?;
        }
        let lock_path = durable::beside(&self.path, ".lock");
        let lock = self.disk.lock_file(&lock_path)?;
        // Closing the file at the end of this call unlocks it.
        lock.lock().map_err(durable::failed(&lock_path, "lock"))?;
        let new = self.read(note)?;
        if let Some(old) = self.last()? {
            if old.size > new.size {
                let fault = Untrusted::RolledBack { seen: old.size, found: new.size };
                return Err(self.untrusted(fault));
            }
            let path = tree.consistency(old.size, new.size);
            let path = path.ok_or_else(|| self.untrusted(Untrusted::Forked))?;
            if !verify_consistency(old.size, new.size, &path, &old.root, &new.root) {
                return Err(self.untrusted(Untrusted::Forked));
            }
            // While the key of the log is replaced, what is here may be in memory only, and later
            // the old key is not there to write it once more.
            if old.size == new.size && self.keys.len() == 1 {
                return Ok(());
            }
        } else if new.size > 0 && !may_begin {
            return Err(self.untrusted(Untrusted::Missing));
        }
        let temporary = durable::beside(&self.path, ".tmp");
        self.disk.replace_through(&temporary, &self.path, note.as_bytes(), durable::PUBLIC)
    }

    fn untrusted(&self, fault: Untrusted) -> LedgerError {
        LedgerError::Untrusted { place: self.path.display().to_string(), fault }
    }
}

/// The note with cosignatures that was kept in a file, if it is of the same checkpoint and there
/// are enough.
pub(super) fn kept(
    disk: &dyn Disk,
    path: &Path,
    note: &str,
    cosigners: &Cosigners,
    key: &VerifierKey,
) -> Result<Option<String>, LedgerError> {
    let kept = disk.read(path)?.and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(kept) = kept else { return Ok(None) };
    let checkpoint = Note::parse(note)?.checkpoint()?;
    // What cannot be believed is not an alarm here: it is gathered again.
    let approved = cosigners.policy().verify(&kept, Some(key), "cosigned checkpoint");
    Ok(approved.is_ok_and(|approved| approved.checkpoint == checkpoint).then_some(kept))
}
