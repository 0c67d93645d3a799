//! A witness's side: decides about requests, and remembers before it answers.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cosignature::Cosigner;
use crate::digest::Digest;
use crate::durable;
use crate::error::{LedgerError, Untrusted};
use crate::note::{Checkpoint, Note, SignatureLine, VerifierKey};
use crate::tree::verify_consistency;
use crate::witnessing::request::AddCheckpoint;
use crate::witnessing::{Reply, Witness};

impl Reply {
    pub(crate) fn cosigned(line: &SignatureLine) -> Self {
        Self { status: 200, content_type: PLAIN, body: format!("{line}\n"), fault: None }
    }

    /// The size that the witness has.
    pub(crate) fn has(size: u64) -> Self {
        Self { status: 409, content_type: SIZE, body: format!("{size}\n"), fault: None }
    }

    pub(crate) fn refused(status: u16, reason: &str) -> Self {
        Self { status, content_type: PLAIN, body: format!("{reason}\n"), fault: None }
    }

    pub(crate) fn failed(fault: LedgerError) -> Self {
        let reply = Self::refused(500, "the witness cannot keep its state");
        Self { fault: Some(fault), ..reply }
    }
}

impl Witness {
    /// Opens a witness, and makes its directory if it is not there. Two keys under one origin are
    /// both believed.
    ///
    /// A witness reads no entries, so whoever runs it changes the key of a log by hand. Both keys
    /// sign the checkpoint in which the new one takes the old one's place: open the witness with
    /// the new key alone once it cosigned that, and no other checkpoint of the old key passes.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn open(
        directory: &Path,
        cosigner: Cosigner,
        logs: Vec<VerifierKey>,
    ) -> Result<Self, LedgerError> {
        durable::create_directory(directory)?;
        let directory = directory.to_owned();
        Ok(Self { directory, cosigner, logs, is_poisoned: AtomicBool::new(false) })
    }

    /// Answers the body of a `POST <prefix>/add-checkpoint` that came at `time`, in seconds since
    /// 1970.
    pub fn add_checkpoint(&self, body: &[u8], time: u64) -> Reply {
        let request = match AddCheckpoint::decode(body) {
            Ok(request) => request,
            Err(error) => return Reply::refused(400, &error.to_string()),
        };
        let checkpoint = match believed(&self.logs, &request) {
            Ok(checkpoint) => checkpoint,
            Err(refusal) => return refusal,
        };
        if self.is_poisoned.load(Ordering::SeqCst) {
            return Reply::failed(LedgerError::Poisoned);
        }
        self.advance(&request, &checkpoint, time).unwrap_or_else(|error| {
            if durable::is_failed_fsync(&error) {
                self.is_poisoned.store(true, Ordering::SeqCst);
            }
            Reply::failed(error)
        })
    }

    /// The last checkpoint of a log that was cosigned here; `None` before the first.
    ///
    /// # Errors
    /// [`LedgerError::Untrusted`] or [`LedgerError::Malformed`] if the file is not what this
    /// witness wrote, [`LedgerError::Store`].
    pub fn last(&self, origin: &str) -> Result<Option<Checkpoint>, LedgerError> {
        let path = self.path(origin);
        let Some(bytes) = durable::read(&path)? else { return Ok(None) };
        let place = path.display().to_string();
        let text = String::from_utf8(bytes).map_err(|_| LedgerError::Malformed {
            what: "checkpoint",
            detail: format!("{place} is not text"),
        })?;
        let note = Note::parse(&text)?;
        let untrusted = |fault| LedgerError::Untrusted { place: place.clone(), fault };
        self.cosigner.key().verify(&note, &place)?.ok_or_else(|| untrusted(Untrusted::Signer))?;
        let checkpoint = note.checkpoint()?;
        if checkpoint.origin == origin {
            Ok(Some(checkpoint))
        } else {
            Err(untrusted(Untrusted::Disagrees("it is the checkpoint of another log")))
        }
    }

    /// Compares with what is remembered, remembers, signs; all under a lock.
    fn advance(
        &self,
        request: &AddCheckpoint,
        new: &Checkpoint,
        time: u64,
    ) -> Result<Reply, LedgerError> {
        let path = self.path(&new.origin);
        let lock_path = durable::beside(&path, ".lock");
        let lock = durable::lock_file(&lock_path)?;
        // Closing the file at the end of this call unlocks it.
        lock.lock().map_err(durable::failed(&lock_path, "lock"))?;
        let last = self.last(&new.origin)?;
        if let Err(refusal) = continues(last.as_ref(), request, new) {
            return Ok(refusal);
        }
        let line = self.cosigner.cosign(request.note.text(), time);
        // Only the log's text and this witness's signature: what others signed is not its to keep.
        let kept = format!("{}\n{line}\n", request.note.text());
        let temporary = durable::beside(&path, ".tmp");
        durable::replace_through(&temporary, &path, kept.as_bytes(), durable::PRIVATE)?;
        Ok(Reply::cosigned(&line))
    }

    /// An origin may have any printable character, a file's name not.
    pub(super) fn path(&self, origin: &str) -> PathBuf {
        self.directory.join(format!("{}.checkpoint", Digest::sha256(origin.as_bytes())))
    }
}

/// The checkpoint of a request if a known key of its origin signed it.
pub(crate) fn believed(logs: &[VerifierKey], request: &AddCheckpoint) -> Result<Checkpoint, Reply> {
    let note = &request.note;
    let checkpoint = note.checkpoint().map_err(|error| Reply::refused(400, &error.to_string()))?;
    let mut keys = logs.iter().filter(|key| key.origin() == checkpoint.origin).peekable();
    if keys.peek().is_none() {
        return Err(Reply::refused(404, "this log is not known here"));
    }
    if !keys.any(|key| key.verify(note, "request").is_ok()) {
        return Err(Reply::refused(403, "no key of this log that is known here signed it"));
    }
    if request.old > checkpoint.size {
        return Err(Reply::refused(400, "the old size is above the new one"));
    }
    Ok(checkpoint)
}

/// Whether a request continues what was cosigned last.
pub(crate) fn continues(
    last: Option<&Checkpoint>,
    request: &AddCheckpoint,
    new: &Checkpoint,
) -> Result<(), Reply> {
    let (size, root) = last.map_or((0, Digest::sha256(b"")), |last| (last.size, last.root));
    if request.old != size {
        return Err(Reply::has(size));
    }
    // With the old size equal to the new one this compares the roots, also those of no entries.
    if !verify_consistency(size, new.size, &request.proof, &root, &new.root) {
        return Err(Reply::refused(422, "it does not continue what was cosigned last"));
    }
    Ok(())
}

const PLAIN: &str = "text/plain; charset=utf-8";

/// `Content-Type` of a size that the witness tells.
pub(crate) const SIZE: &str = "text/x.tlog.size";
