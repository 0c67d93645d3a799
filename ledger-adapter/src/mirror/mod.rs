//! A mirror: someone else who replays every entry of a log by the same rules, keeps a copy, and
//! cosigns only what obeys them.
//!
//! ```text
//! tiles of the log ──entries──▶ account rules, tree ──root as signed──▶ own copy ──▶ cosignature
//! ```
//! A witness's cosignature says that a log only went forward. A mirror's says also that no account
//! is overspent, no input was inactive, and no name stands for two things; so as many mirrors as a
//! policy asks for enforce the rules without trust in whoever runs the log. A mirror has a key of
//! its own, which is not that of a witness: the two say different things.
//!
//! Its directory is an export of the log, under its own cosignature; any file server can serve it.
//!
//! # Source
//! C2SP tlog-cosignature, "Additional statements"; tlog-witness v1.0.0 for how it is asked.

mod replay;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use self::replay::Replay;
use crate::account::State;
use crate::cosignature::Cosigner;
use crate::durable;
use crate::error::{LedgerError, Untrusted};
use crate::note::{Checkpoint, NOTE_BYTES_MAX, Note, SignatureLine, VerifierKey, verify_by_any};
use crate::policy::Policy;
use crate::tiles::Tile;
use crate::tiles::source::Source;
use crate::tiles::writer::{Writer, make_directories};
use crate::witnessing::Reply;
use crate::witnessing::request::AddCheckpoint;
use crate::witnessing::server::{believed, continues};

/// A mirror of one log, in a directory of its own.
///
/// It may be given two keys of the log, the old and the new, for as long as its copy is signed by
/// the old one: the entries say up to where that may sign.
///
/// One process at a time keeps it. As a witness, it believes anew if it loses its directory: the
/// rules are then checked from the first entry on, but what it saw of the log before is forgotten.
#[derive(Debug)]
pub struct Mirror {
    directory: PathBuf,
    keys: Vec<VerifierKey>,
    cosigner: Cosigner,
    /// Who must have cosigned what is followed, beside the log.
    witnesses: Option<Policy>,
    replay: Replay,
    /// What was cosigned last, and the note as it lies in the directory.
    last: Option<(Checkpoint, Note)>,
    /// Something failed, so memory may run ahead of the disk: read everything again first.
    is_stale: bool,
    /// An fsync failed: what is on disk is not known.
    is_poisoned: bool,
    /// Closing it lets another process keep the mirror.
    _lock: File,
}

impl Mirror {
    /// Opens a mirror of the log with these keys, and makes its directory if it is not there; reads
    /// and verifies all of its copy.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if another process keeps it, or if its key is the log's, or the
    /// log has no key or two names;
    /// [`LedgerError::Untrusted`] if the copy is not what this mirror cosigned,
    /// [`LedgerError::Store`].
    pub fn open(
        directory: &Path,
        keys: Vec<VerifierKey>,
        cosigner: Cosigner,
    ) -> Result<Self, LedgerError> {
        let Some(first) = keys.first() else {
            return Err(LedgerError::Refused { rule: "a mirror is given a key of its log" });
        };
        if keys.iter().any(|key| key.origin() != first.origin()) {
            return Err(LedgerError::Refused { rule: "a mirror is of one log" });
        }
        if keys.iter().any(|key| cosigner.key().key() == key.key()) {
            return Err(LedgerError::Refused { rule: "a mirror has another key than its log" });
        }
        make_directories(directory)?;
        let lock_path = directory.join(LOCK);
        let lock = durable::lock_file(&lock_path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LedgerError::Refused { rule: "one process at a time keeps a mirror" });
            }
            Err(TryLockError::Error(error)) => {
                return Err(durable::failed(&lock_path, "lock")(error));
            }
        }
        let mut mirror = Self {
            directory: directory.to_owned(),
            keys,
            cosigner,
            witnesses: None,
            replay: Replay::default(),
            last: None,
            is_stale: true,
            is_poisoned: false,
            _lock: lock,
        };
        mirror.load()?;
        Ok(mirror)
    }

    /// Follows the log only to checkpoints that enough witnesses of this policy have cosigned: a
    /// log that shows another history to everybody else does not get that far.
    #[must_use]
    pub fn asking(self, witnesses: Policy) -> Self {
        Self { witnesses: Some(witnesses), ..self }
    }

    /// What was cosigned last; `None` before the first.
    pub fn last(&self) -> Option<&Checkpoint> {
        self.last.as_ref().map(|(checkpoint, _)| checkpoint)
    }

    /// The accounts and extracts, if nothing is in them that was not verified and cosigned.
    pub(crate) fn verified(&self) -> Result<&State, LedgerError> {
        if self.is_stale || self.is_poisoned {
            let rule = "a mirror answers once it could follow its log";
            return Err(LedgerError::Refused { rule });
        }
        Ok(self.state())
    }

    /// The accounts and extracts as of the last [`Mirror::update`] that succeeded, or later.
    pub const fn state(&self) -> &State {
        &self.replay.state
    }

    /// Follows the log to the checkpoint that it publishes, and cosigns it at `time`, in seconds
    /// since 1970. Gives the note with the log's signature and this mirror's.
    ///
    /// # Errors
    /// [`Untrusted::Quorum`] if fewer witnesses have cosigned it than [`Mirror::asking`] was given;
    /// [`Untrusted::Rule`] with the first entry that is not allowed or repeats another,
    /// [`Untrusted::RolledBack`] or [`Untrusted::Forked`] if the log does not continue what was
    /// cosigned, [`Untrusted::Edited`] or [`Untrusted::Missing`] if the entries are not those that
    /// the log signed for, [`Untrusted::Signer`] or [`Untrusted::Signature`] for the checkpoint;
    /// [`LedgerError::Unreachable`], [`LedgerError::Answered`], [`LedgerError::Store`]. Nothing is
    /// cosigned then.
    pub fn update(&mut self, source: &Source, time: u64) -> Result<Note, LedgerError> {
        let note = Note::parse(&source.checkpoint()?)?;
        self.guarded(|mirror| {
            let place = source.place("checkpoint");
            let new = verify_by_any(&mirror.keys, &note, &place)?;
            if let Some(witnesses) = &mirror.witnesses {
                witnesses.enough(&note, &place)?;
            }
            if let Some((last, _)) = &mirror.last {
                let fault = if new.size < last.size {
                    Some(Untrusted::RolledBack { seen: last.size, found: new.size })
                } else {
                    (new.size == last.size && new.root != last.root).then_some(Untrusted::Forked)
                };
                fault.map_or(Ok(()), |fault| Err(source.untrusted("checkpoint", fault)))?;
            }
            mirror.advance(&note, new, source, time)
        })?;
        let (_, cosigned) = self.last.as_ref().ok_or(LedgerError::Poisoned)?;
        Ok(cosigned.clone())
    }

    /// Answers the body of a `POST <prefix>/add-checkpoint` as a witness would, after following
    /// the log there by the tiles at `source`.
    pub fn add_checkpoint(&mut self, body: &[u8], source: &Source, time: u64) -> Reply {
        let request = match AddCheckpoint::decode(body) {
            Ok(request) => request,
            Err(error) => return Reply::refused(400, &error.to_string()),
        };
        let new = match believed(&self.keys, &request) {
            Ok(checkpoint) => checkpoint,
            Err(refusal) => return refusal,
        };
        let answer = self.guarded(|mirror| {
            if let Err(refusal) = continues(mirror.last(), &request, &new) {
                return Ok(refusal);
            }
            mirror.advance(&request.note, new, source, time).map(|line| Reply::cosigned(&line))
        });
        answer.unwrap_or_else(|fault| {
            let is_seen =
                !matches!(fault, LedgerError::Untrusted { fault: Untrusted::Missing, .. });
            let refusal = match fault {
                LedgerError::Untrusted { .. } if is_seen => {
                    Reply::refused(422, "its entries are not what the rules and the log allow")
                }
                _ => Reply::refused(503, "the mirror cannot follow the log there now"),
            };
            Reply { fault: Some(fault), ..refusal }
        })
    }

    /// Does `work` on what is on disk, and forgets what is in memory if it fails.
    fn guarded<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        if self.is_poisoned {
            return Err(LedgerError::Poisoned);
        }
        if self.is_stale {
            self.load()?;
        }
        self.is_stale = true;
        let done = work(self);
        match &done {
            Ok(_) => self.is_stale = false,
            Err(error) => self.is_poisoned = durable::is_failed_fsync(error),
        }
        done
    }

    /// Reads this mirror's own copy, all of it.
    fn load(&mut self) -> Result<(), LedgerError> {
        self.is_stale = true;
        (self.replay, self.last) = (Replay::default(), None);
        let copy = Source::directory(&self.directory);
        let place = copy.place("checkpoint");
        if copy.read("checkpoint", NOTE_BYTES_MAX)?.is_some() {
            let note = Note::parse(&copy.checkpoint()?)?;
            let last = verify_by_any(&self.keys, &note, &place)?;
            if self.cosigner.key().verify(&note, &place)?.is_none() {
                return Err(copy.untrusted("checkpoint", Untrusted::Signer));
            }
            self.replay.extend(&copy, last.size, |_, _| Ok(()))?;
            self.replay.check(&copy, &last)?;
            self.check_signer(&note, &copy)?;
            self.last = Some((last, note));
        }
        self.is_stale = false;
        Ok(())
    }

    /// Replays the entries up to a signed checkpoint that does not contradict the last one; if
    /// they are what was signed, and obey the rules, keeps them and cosigns.
    fn advance(
        &mut self,
        note: &Note,
        new: Checkpoint,
        source: &Source,
        time: u64,
    ) -> Result<SignatureLine, LedgerError> {
        let mut writer = Writer::open(&self.directory, &self.keys)?;
        writer.check_continued_by(&self.replay.tree)?;
        // Beyond the old checkpoint nobody reads the copy, so entries may be kept unverified.
        self.replay.extend(source, new.size, |tile, entries| writer.put_entries(tile, entries))?;
        self.replay.check(source, &new)?;
        self.check_signer(note, source)?;
        for tile in Tile::new_of(writer.old_size(), new.size) {
            if let Some(level) = tile.level {
                writer.put_hashes(&tile, level, &self.replay.tree)?;
            }
        }
        let line = self.cosigner.cosign(note.text(), time);
        let own = self.own_note(note, &line)?;
        writer.finish(&own.to_string(), new.size)?;
        self.last = Some((new, own));
        Ok(line)
    }

    /// Fails unless a key that the entries allow signed the checkpoint of all of them.
    fn check_signer(&self, note: &Note, source: &Source) -> Result<(), LedgerError> {
        let may_sign = |key: &&VerifierKey| self.replay.state.may_sign_log(key.key().keyid());
        match self.keys.iter().filter(may_sign).find(|key| key.line(note).is_some()) {
            Some(key) => key.verify(note, &source.place("checkpoint")).map(drop),
            None => Err(source.untrusted("checkpoint", Untrusted::Signer)),
        }
    }

    /// The note with the signatures of the log's keys and this mirror's.
    fn own_note(&self, note: &Note, line: &SignatureLine) -> Result<Note, LedgerError> {
        let of_log = self.keys.iter().filter_map(|key| key.line(note));
        let of_log: String = of_log.map(|line| format!("{line}\n")).collect();
        Note::parse(&format!("{}\n{of_log}{line}\n", note.text()))
    }
}

/// Locked by the process that keeps the mirror.
const LOCK: &str = ".mirror.lock";

#[cfg(test)]
mod tests;
