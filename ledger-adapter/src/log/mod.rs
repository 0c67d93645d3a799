//! The embedded ledger: a directory with a durable, signed, append-only log. No server.
//!
//! ```text
//! entries.wal   what happened, one checksummed frame per entry
//! checkpoint    signed: how many entries, and the RFC 6962 root over them
//! cosigned      the same with the cosignatures of witnesses, where a policy asks for them
//! lock          held by whoever reads or writes the two
//! ```
//! A record is acknowledged when its entry and a checkpoint that covers it are on disk, and, if the
//! log is watched, when the witness file has the checkpoint and enough witnesses have cosigned it.
//! If they have not, the record stands and counts as spent, and every call fails until they have.
//! Several processes may share the directory of a local file system.
//!
//! Another key may take the place of its own, see [`LogLedger::replace_key`]; entries say which.
//!
//! What it detects: every changed, missing or reordered entry below the signed checkpoint, and any
//! entry that breaks the rules. What it cannot: that the whole directory was replaced by an older
//! copy, unless a witness elsewhere remembers more ([`Finality::Local`] against
//! [`Finality::Witnessed`]); and nothing at all if all witnesses and the log are restored together.

mod commit;
mod keys;
#[cfg(any(test, fuzzing))]
pub(crate) mod recovered;
mod replica;
mod wal;
mod witness;

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use self::commit::Core;
use self::keys::Signers;
use crate::account::State;
use crate::charge::Finality;
use crate::disk::{Disk, System};
use crate::entry::Entry;
use crate::error::LedgerError;
use crate::keys::Signer;
use crate::note::Checkpoint;
use crate::proof::LogProof;
use crate::store::{Decided, Store};
use crate::tree::Tree;
use crate::witnessing::Cosigners;

/// Who watches a log, so that it is not rolled back in silence. Without anyone, its records are
/// [`Finality::Local`]; with either, they are [`Finality::Witnessed`].
#[derive(Debug, Default)]
pub struct Watch {
    /// A file elsewhere that remembers how far the log has come; it needs no server.
    pub file: Option<PathBuf>,
    /// Witnesses that cosign.
    pub cosigners: Option<Cosigners>,
    /// A directory that the log is exported to before they are asked: the mirrors among them read
    /// the entries there. See [`crate::tiles`].
    pub tiles: Option<PathBuf>,
}

impl Watch {
    const fn finality(&self) -> Finality {
        if self.file.is_some() || self.cosigners.is_some() {
            Finality::Witnessed
        } else {
            Finality::Local
        }
    }
}

impl From<Option<PathBuf>> for Watch {
    fn from(file: Option<PathBuf>) -> Self {
        Self { file, cosigners: None, tiles: None }
    }
}

/// A [`crate::ledger::Ledger`] in a directory.
///
/// Requests of all threads go to one committer, which records those that wait together: one write,
/// one fsync, one signature. Dropping it waits for those under way.
pub struct LogLedger {
    core: Arc<Mutex<Core>>,
    finality: Finality,
    vkey: String,
    jobs: Option<Sender<Job>>,
    committer: Option<JoinHandle<()>>,
}

impl LogLedger {
    /// Makes a new log in `directory`. `origin` names it for good: a domain and a path.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if there is a log, [`LedgerError::Untrusted`] if a witness or a
    /// signed checkpoint remembers one that was there, [`LedgerError::Malformed`] for the origin,
    /// [`LedgerError::Unwitnessed`], [`LedgerError::Store`].
    pub fn create(
        directory: &Path,
        origin: &str,
        signer: Signer,
        watch: impl Into<Watch>,
    ) -> Result<Self, LedgerError> {
        Self::create_on(Arc::new(System), directory, origin, signer, watch)
    }

    /// Opens a log, reads and verifies all of it, and recovers what a crash left: a torn entry
    /// beyond the signed checkpoint is cut, whole ones beyond it stay, and count as spent. A
    /// witness file that is not there is an error, and not a new one: see
    /// [`LogLedger::add_witness`]. Witnesses that cosign are asked about the log as it is.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if another key took the place of this one;
    /// [`LedgerError::Untrusted`] with one of `Missing`, `Truncated`, `Edited`, `Rule`,
    /// `RolledBack`, `Forked`, `Signer`, `Signature`; [`LedgerError::Malformed`] for a checkpoint
    /// that is none; [`LedgerError::Unwitnessed`], [`LedgerError::Store`].
    pub fn open(
        directory: &Path,
        signer: Signer,
        watch: impl Into<Watch>,
    ) -> Result<Self, LedgerError> {
        Self::open_on(Arc::new(System), directory, signer, watch)
    }

    /// Gives a log that was made without a witness, or lost it, a new one: what the log is now, it
    /// must continue. Everything before rests on trust in this moment. Later, open the log with
    /// the same path.
    ///
    /// # Errors
    /// As [`LogLedger::open`]; also if there is a witness at that path that has seen more.
    pub fn add_witness(
        directory: &Path,
        signer: Signer,
        witness: PathBuf,
    ) -> Result<(), LedgerError> {
        Core::open(Arc::new(System), directory, signer, Watch::default())?.add_witness(witness)
    }

    /// Puts a new key in the place of the log's own, and gives the index of the entry that says so.
    /// The checkpoint under it is signed by both; from then on the old key opens the log no more,
    /// and signs nothing. If it fails, or is interrupted, ask again with the same keys; what is
    /// done is not done twice. Give it every witness and export that the log has.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if the old key was replaced by another, or the new one was the
    /// log's once; as [`LogLedger::open`].
    pub fn replace_key(
        directory: &Path,
        old: Signer,
        new: Signer,
        watch: impl Into<Watch>,
    ) -> Result<u64, LedgerError> {
        Self::replace_key_on(Arc::new(System), directory, old, new, watch)
    }

    /// Reads everything again and verifies it: entries against root, rules, signature, witness.
    /// Gives the verified checkpoint.
    ///
    /// # Errors
    /// As [`LogLedger::open`].
    pub fn check(&self) -> Result<Checkpoint, LedgerError> {
        self.core()?.check()
    }

    /// Entries of a range of indices, in order.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] past the end, or as [`LogLedger::open`].
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Entry>, LedgerError> {
        let entries = self.core()?.entries(range.start, range.end)?;
        entries.iter().map(|bytes| Entry::decode(bytes)).collect()
    }

    /// Exact bytes of the entries of a range of indices.
    pub(crate) fn raw_entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, LedgerError> {
        self.core()?.entries(range.start, range.end)
    }

    /// The last checkpoint, its note with all its signatures, and the tree under it.
    pub(crate) fn published(&self) -> Result<(Checkpoint, String, Tree), LedgerError> {
        self.core()?.published()
    }

    /// Number of entries, also those of other processes.
    ///
    /// # Errors
    /// As [`LogLedger::open`].
    pub fn len(&self) -> Result<u64, LedgerError> {
        self.core()?.read(State::count)
    }

    /// Whether there are no entries.
    ///
    /// # Errors
    /// As [`LogLedger::open`].
    pub fn is_empty(&self) -> Result<bool, LedgerError> {
        self.len().map(|count| count == 0)
    }

    /// The log's verifier key, for those who verify receipts.
    pub fn vkey(&self) -> String {
        self.vkey.clone()
    }

    /// As [`LogLedger::create`], on another file system.
    pub(crate) fn create_on(
        disk: Arc<dyn Disk>,
        directory: &Path,
        origin: &str,
        signer: Signer,
        watch: impl Into<Watch>,
    ) -> Result<Self, LedgerError> {
        let watch = watch.into();
        let finality = watch.finality();
        Self::start(Core::create(disk, directory, origin, signer, watch)?, finality)
    }

    /// As [`LogLedger::open`], on another file system.
    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        directory: &Path,
        signer: Signer,
        watch: impl Into<Watch>,
    ) -> Result<Self, LedgerError> {
        let watch = watch.into();
        let finality = watch.finality();
        Self::start(Core::open(disk, directory, signer, watch)?, finality)
    }

    /// As [`LogLedger::replace_key`], on another file system.
    pub(crate) fn replace_key_on(
        disk: Arc<dyn Disk>,
        directory: &Path,
        old: Signer,
        new: Signer,
        watch: impl Into<Watch>,
    ) -> Result<u64, LedgerError> {
        let signers = Signers { own: old, next: Some(new) };
        Core::open(disk, directory, signers, watch.into())?.rotate()
    }

    fn start(core: Core, finality: Finality) -> Result<Self, LedgerError> {
        let vkey = core.key().to_string();
        let core = Arc::new(Mutex::new(core));
        let (jobs, inbox) = mpsc::channel();
        let shared = Arc::clone(&core);
        let committer = std::thread::Builder::new().name("graunt-ledger".to_owned());
        let committer = committer.spawn(move || commit_all(&shared, &inbox));
        let committer = committer.map_err(|source| LedgerError::Store {
            path: PathBuf::new(),
            action: "start a thread",
            source,
        })?;
        Ok(Self { core, finality, vkey, jobs: Some(jobs), committer: Some(committer) })
    }

    fn core(&self) -> Result<MutexGuard<'_, Core>, LedgerError> {
        self.core.lock().map_err(|_| LedgerError::Poisoned)
    }
}

impl Store for LogLedger {
    fn finality(&self) -> Finality {
        self.finality
    }

    fn submit(&self, entry: Entry) -> Result<Decided, LedgerError> {
        let (reply, answer) = mpsc::sync_channel(1);
        let jobs = self.jobs.as_ref().ok_or(LedgerError::Poisoned)?;
        jobs.send(Job { entry, reply }).map_err(|_| LedgerError::Poisoned)?;
        answer.recv().map_err(|_| LedgerError::Poisoned)?
    }

    fn read<T>(&self, ask: impl FnOnce(&State) -> T) -> Result<T, LedgerError> {
        self.core()?.read(ask)
    }

    fn prove(&self, indices: &[u64]) -> Result<LogProof, LedgerError> {
        self.core()?.prove(indices)
    }
}

impl Drop for LogLedger {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(committer) = self.committer.take() {
            // A panic of the committer was reported to whoever waited for it.
            drop(committer.join());
        }
    }
}

impl fmt::Debug for LogLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLedger").field("vkey", &self.vkey).finish_non_exhaustive()
    }
}

/// An entry that waits for the committer.
struct Job {
    entry: Entry,
    reply: SyncSender<Result<Decided, LedgerError>>,
}

/// Records what waits, batch by batch, until nobody can ask any more.
fn commit_all(core: &Mutex<Core>, inbox: &Receiver<Job>) {
    while let Ok(first) = inbox.recv() {
        let mut jobs = vec![first];
        jobs.extend(inbox.try_iter().take(BATCH_MAX - 1));
        let (entries, replies): (Vec<_>, Vec<_>) =
            jobs.into_iter().map(|job| (job.entry, job.reply)).unzip();
        let committed = match core.lock() {
            Ok(mut core) => core.commit(&entries),
            Err(_) => Err(LedgerError::Poisoned),
        };
        // Whoever no longer waits for the reply can ask for the outcome.
        match committed {
            Ok(decisions) => {
                for (reply, decision) in replies.iter().zip(decisions) {
                    drop(reply.send(decision));
                }
            }
            Err(error) => {
                for reply in &replies {
                    drop(reply.send(Err(same(&error))));
                }
            }
        }
    }
}

/// The same error once more, for each request of a batch.
fn same(error: &LedgerError) -> LedgerError {
    match error {
        LedgerError::Store { path, action, source } => {
            let source = match source.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::from(source.kind()),
            };
            LedgerError::Store { path: path.clone(), action, source }
        }
        LedgerError::Untrusted { place, fault } => {
            LedgerError::Untrusted { place: place.clone(), fault: fault.clone() }
        }
        LedgerError::Malformed { what, detail } => {
            LedgerError::Malformed { what, detail: detail.clone() }
        }
        LedgerError::Refused { rule } => LedgerError::Refused { rule },
        LedgerError::Unwitnessed { detail } => LedgerError::Unwitnessed { detail: detail.clone() },
        _ => LedgerError::Poisoned,
    }
}

/// Most entries of one batch: bounds the wait of the first.
const BATCH_MAX: usize = 1024;

#[cfg(test)]
mod damage;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod tests;
