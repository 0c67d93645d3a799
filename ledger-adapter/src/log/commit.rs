//! One process's hold on the log: catch up with the others, decide, write, sign, be witnessed.
//!
//! ```text
//! lock ▶ settle (read what others wrote; recover; sign) ▶ decide ▶ append ▶ fsync ▶ sign ▶ witness
//! ```
//! Every step happens under an exclusive lock on a file of the directory. What is whole in the file
//! of entries counts, signed or not; what is torn may be cut only beyond the signed checkpoint.
//! After an error of any kind what is in memory is thrown away and read again; after a failed fsync
//! nothing is done any more.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::account::{State, Verdict};
use crate::disk::{Disk, DiskFile};
use crate::durable;
use crate::entry::Entry;
use crate::error::{LedgerError, Untrusted};
use crate::log::Watch;
use crate::log::keys::{Keys, Signers};
use crate::log::replica::{Replica, Tail};
use crate::log::wal::{self, Ending, Wal};
use crate::log::witness::{self, Witness};
use crate::note::{Checkpoint, VerifierKey};
use crate::proof::{LogProof, past_the_end};
use crate::store::Decided;
use crate::tiles;
use crate::tiles::writer::Writer;
use crate::tree::{Tree, leaf_hash};
use crate::witnessing::Cosigners;

/// What one process knows of a log directory.
#[derive(Debug)]
pub(super) struct Core {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    keys: Keys,
    witness: Option<Witness>,
    cosigners: Option<Cosigners>,
    tiles: Option<PathBuf>,
    lock: Arc<dyn DiskFile>,
    wal: Wal,
    replica: Replica,
    /// The last checkpoint that this process saw signed and witnessed, and its note, cosigned.
    head: Option<(Checkpoint, String)>,
    /// Something failed, so memory may run ahead of the disk: read everything again first.
    is_stale: bool,
    /// An fsync failed: what is on disk is not known.
    is_poisoned: bool,
}

impl Core {
    /// Makes a directory with an empty log.
    pub(super) fn create(
        disk: Arc<dyn Disk>,
        directory: &Path,
        origin: &str,
        signers: impl Into<Signers>,
        watch: Watch,
    ) -> Result<Self, LedgerError> {
        let keys = Keys::new(origin, signers.into())?;
        disk.create_directories(directory)?;
        let lock = Self::lock_of(disk.as_ref(), directory)?;
        lock.lock().map_err(durable::failed(directory, "lock"))?;
        let wal_path = directory.join(WAL);
        let exists = LedgerError::Refused { rule: "a log is created once" };
        if disk.exists(&wal_path)? {
            return Err(exists);
        }
        // A log that was here before is not begun again: what it had spent is spent.
        let checkpoint_path = directory.join(CHECKPOINT);
        if let Some(signed) =
            read_checkpoint(disk.as_ref(), &checkpoint_path, &keys)?.map(|(signed, _)| signed)
            && signed.size > 0
        {
            let fault = Untrusted::Truncated { signed: signed.size, found: 0 };
            return Err(untrusted(&wal_path, fault));
        }
        if let Some(path) = &watch.file {
            Witness::new(Arc::clone(&disk), path.clone(), keys.known()).refuse_shorter(0)?;
        }
        let replica = Replica::new();
        let root = replica.tree.root();
        let checkpoint = Checkpoint { origin: origin.to_owned(), size: 0, root };
        let note = keys.sign(&checkpoint, &replica.state)?;
        if let Some(cosigners) = &watch.cosigners {
            cosigners.gather(&note, keys.own(), &replica.tree)?;
        }
        let temporary = durable::beside(&checkpoint_path, ".tmp");
        disk.replace_through(&temporary, &checkpoint_path, note.as_bytes(), durable::PUBLIC)?;
        // The file of entries comes last: without it there is no log, and creating can be repeated.
        if !Wal::create(disk.as_ref(), &wal_path)? {
            return Err(exists);
        }
        drop(lock);
        Self::open(disk, directory, keys.signers().clone(), watch)
    }

    /// Opens a directory, and recovers what a crash left.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        signers: impl Into<Signers>,
        watch: Watch,
    ) -> Result<Self, LedgerError> {
        let signers = signers.into();
        let checkpoint_path = directory.join(CHECKPOINT);
        let mut keys = None;
        if let Some(bytes) = disk.read(&checkpoint_path)? {
            let note = as_text(bytes)?;
            let named = named_keys(&note, &signers)?;
            named.open(&note, &checkpoint_path.display().to_string())?;
            keys = Some(named);
        }
        let wal_path = directory.join(WAL);
        let (Some(keys), true) = (keys, disk.exists(&wal_path)?) else {
            return Err(gone(disk.as_ref(), directory, &signers, watch.file.as_deref())?);
        };
        let of = |path| Witness::new(Arc::clone(&disk), path, keys.known());
        let mut core = Self {
            directory: directory.to_owned(),
            witness: watch.file.map(of),
            cosigners: watch.cosigners,
            tiles: watch.tiles,
            keys,
            lock: Self::lock_of(disk.as_ref(), directory)?,
            wal: Wal::open(Arc::clone(&disk), &wal_path)?,
            disk: Arc::clone(&disk),
            replica: Replica::new(),
            head: None,
            is_stale: true,
            is_poisoned: false,
        };
        core.locked(|_| Ok(()))?;
        Ok(core)
    }

    /// The log's key.
    pub(super) const fn key(&self) -> &VerifierKey {
        self.keys.own()
    }

    /// Puts the next key in the place of the log's own, unless it is there already; gives the
    /// index of the entry. Every step may be repeated.
    pub(super) fn rotate(&mut self) -> Result<u64, LedgerError> {
        let rotation = self.keys.rotation().ok_or(LedgerError::Poisoned)?;
        self.locked(|core| {
            if core.replica.state.log_key() != Some(rotation.new) {
                let note = core.head.as_ref().map_or("", |(_, note)| note);
                core.keys.own().open(note, &core.directory.display().to_string())?;
            }
            let mut decided = core.decide(&[Entry::Key(rotation)])?;
            let decided = decided.pop().ok_or(LedgerError::Poisoned)??;
            if decided.repeated && decided.index + 1 == core.replica.state.count() {
                // What both signed may be in memory only: if it were lost, the new key alone could
                // not sign it once more.
                core.sign()?;
            }
            core.export_rotated()?;
            Ok(decided.index)
        })
    }

    /// Lets an export that nobody cosigns follow: later the old key is not known any more.
    fn export_rotated(&self) -> Result<(), LedgerError> {
        let (Some(to), None, Some((head, note))) = (&self.tiles, &self.cosigners, &self.head)
        else {
            return Ok(());
        };
        self.export(to)?.finish(note, head.size).map(drop)
    }

    fn export(&self, to: &Path) -> Result<Writer, LedgerError> {
        let read = |range: Range<u64>| range.map(|index| self.entry(index)).collect();
        tiles::write_new(to, self.keys.known(), &self.replica.tree, read)
    }

    /// Decides about entries in order and records those that are new and allowed, all at once.
    ///
    /// # Errors
    /// The outer error is of the store, and about all of them: they may be recorded, or not.
    pub(super) fn commit(
        &mut self,
        entries: &[Entry],
    ) -> Result<Vec<Result<Decided, LedgerError>>, LedgerError> {
        self.locked(|core| core.decide(entries))
    }

    /// Asks the state of all records so far.
    pub(super) fn read<T>(&mut self, ask: impl FnOnce(&State) -> T) -> Result<T, LedgerError> {
        self.locked(|core| Ok(ask(&core.replica.state)))
    }

    /// Number of entries and their exact bytes from `first` up to, and without, `last`.
    pub(super) fn entries(&mut self, first: u64, last: u64) -> Result<Vec<Vec<u8>>, LedgerError> {
        self.locked(|core| (first..last).map(|index| core.entry(index)).collect())
    }

    /// The last checkpoint, its note, and the tree under it.
    pub(super) fn published(&mut self) -> Result<(Checkpoint, String, Tree), LedgerError> {
        self.locked(|core| match &core.head {
            Some((head, note)) => Ok((head.clone(), note.clone(), core.replica.tree.clone())),
            None => Err(untrusted(&core.directory, Untrusted::Missing)),
        })
    }

    /// Proves entries under the last checkpoint.
    pub(super) fn prove(&mut self, indices: &[u64]) -> Result<LogProof, LedgerError> {
        self.locked(|core| {
            let entries = indices.iter().map(|index| Ok((*index, core.entry(*index)?)));
            let entries = entries.collect::<Result<_, LedgerError>>()?;
            let note = core.head.as_ref().map(|(_, note)| note.clone()).unwrap_or_default();
            LogProof::of(&core.replica.tree, note, core.keys.own(), entries)
        })
    }

    /// Reads everything again and verifies it: entries, rules, signature, witness.
    pub(super) fn check(&mut self) -> Result<Checkpoint, LedgerError> {
        self.is_stale = true;
        self.locked(|core| {
            let head = core.head.as_ref().map(|(head, _)| head.clone());
            head.ok_or_else(|| untrusted(&core.directory, Untrusted::Missing))
        })
    }

    /// Shows the log as it is to a witness that has seen nothing of it yet.
    pub(super) fn add_witness(&mut self, path: PathBuf) -> Result<(), LedgerError> {
        let witness = Witness::new(Arc::clone(&self.disk), path, self.keys.known());
        self.locked(|core| match &core.head {
            Some((_, note)) => witness.begin(note, &core.replica.tree),
            None => Err(untrusted(&core.directory, Untrusted::Missing)),
        })
    }

    /// Does `work` under the lock on a settled log.
    fn locked<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        if self.is_poisoned {
            return Err(LedgerError::Poisoned);
        }
        let lock = Arc::clone(&self.lock);
        lock.lock().map_err(durable::failed(&self.directory, "lock"))?;
        let done = match self.settle() {
            Ok(()) => work(self),
            Err(error) => Err(error),
        };
        if let Err(error) = &done {
            self.is_poisoned = durable::is_failed_fsync(error);
            // Witnesses are asked last: by then everything in memory is on disk, and signed.
            self.is_stale &= !matches!(error, LedgerError::Unwitnessed { .. });
        }
        let unlocked = lock.unlock().map_err(durable::failed(&self.directory, "unlock"));
        let done = done?;
        unlocked.map(|()| done)
    }

    /// Catches up with what others wrote, and with what they left half done.
    fn settle(&mut self) -> Result<(), LedgerError> {
        let is_shorter = |core: &Self| Ok(core.wal.length()? < core.replica.end);
        if self.is_stale || self.wal.is_replaced()? || is_shorter(self)? {
            self.wal = Wal::open(Arc::clone(&self.disk), self.wal.path())?;
            self.replica = Replica::new();
        } else if self.wal.length()? == self.replica.end
            && self.head.as_ref().is_some_and(|(head, _)| head.size == self.replica.tree.len())
        {
            return Ok(());
        }
        self.is_stale = true;
        self.recover()?;
        self.is_stale = false;
        Ok(())
    }

    /// Reads what is beyond the replica's end, verifies it, cuts a torn tail, signs.
    fn recover(&mut self) -> Result<(), LedgerError> {
        let tail = self.replica.extend(&self.wal)?;
        let path = self.directory.join(CHECKPOINT);
        let disk = self.disk.as_ref();
        let Some((signed, note)) = read_checkpoint(disk, &path, &self.keys)? else {
            let witness = self.witness.as_ref().map(Witness::path);
            return Err(gone(disk, &self.directory, self.keys.signers(), witness)?);
        };
        self.verify(&signed, tail)?;
        self.keys.check(&self.replica.state)?;
        if tail.ending != Ending::Whole {
            self.wal.truncate(self.replica.end)?;
        }
        if tail.ending != Ending::Whole || signed.size < self.replica.tree.len() {
            self.wal.write_again(self.replica.place(signed.size), self.replica.end)?;
            self.wal.sync()?;
        }
        if signed.size < self.replica.tree.len() {
            return self.sign();
        }
        self.head = Some((signed, self.show(&note)?));
        Ok(())
    }

    /// Compares the entries with the checkpoint, with the rules, and with what was here before.
    fn verify(&self, signed: &Checkpoint, tail: Tail) -> Result<(), LedgerError> {
        let tree = &self.replica.tree;
        let fail = |fault| Err(untrusted(self.wal.path(), fault));
        let found = tree.len();
        if found < signed.size {
            return fail(if tail.ending == Ending::Damaged {
                Untrusted::Edited
            } else {
                Untrusted::Truncated { signed: signed.size, found }
            });
        }
        if tree.root_at(signed.size) != Some(signed.root) {
            return fail(Untrusted::Edited);
        }
        if let Some(index) = tail.broken {
            return fail(Untrusted::Rule { index });
        }
        if let Some((head, _)) = &self.head {
            match tree.root_at(head.size) {
                None => return fail(Untrusted::RolledBack { seen: head.size, found }),
                Some(root) if root != head.root => return fail(Untrusted::Forked),
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn decide(
        &mut self,
        entries: &[Entry],
    ) -> Result<Vec<Result<Decided, LedgerError>>, LedgerError> {
        // Until all of it is written, signed and witnessed, memory runs ahead of the disk.
        self.is_stale = true;
        let Replica { state, tree, places, end } = &mut self.replica;
        let (start, mut next_place) = (*end, *end);
        let (mut frames, mut decisions) = (Vec::new(), Vec::new());
        for entry in entries {
            let next = state.count();
            let bytes = entry.encode();
            decisions.push(match state.apply_encoded(entry, &bytes) {
                Ok(verdict) => {
                    if matches!(verdict, Verdict::Accepted(_)) {
                        places.push(next_place);
                        next_place += wal::frame(&bytes, &mut frames)?;
                        tree.push(leaf_hash(&bytes));
                    }
                    Ok(Decided::new(verdict, next))
                }
                Err(error) => Err(error),
            });
        }
        if frames.is_empty() {
            self.is_stale = false;
            return Ok(decisions);
        }
        *end = next_place;
        if let Err(error) = self.wal.append(start, &frames) {
            // Nobody was told of these entries. If they cannot be cut now, recovery cuts the torn
            // one and counts whole ones as spent.
            drop(self.wal.truncate(start));
            return Err(error);
        }
        self.wal.sync()?;
        self.sign()?;
        self.is_stale = false;
        Ok(decisions)
    }

    /// Signs a checkpoint of everything, puts it on disk, and shows it to the witness.
    fn sign(&mut self) -> Result<(), LedgerError> {
        let tree = &self.replica.tree;
        let origin = self.keys.own().origin().to_owned();
        let checkpoint = Checkpoint { origin, size: tree.len(), root: tree.root() };
        let note = self.keys.sign(&checkpoint, &self.replica.state)?;
        let path = self.directory.join(CHECKPOINT);
        let temporary = durable::beside(&path, ".tmp");
        self.disk.replace_through(&temporary, &path, note.as_bytes(), durable::PUBLIC)?;
        self.head = Some((checkpoint, self.show(&note)?));
        Ok(())
    }

    /// Shows the note to the witness file and to the cosigners, and gives it as they signed it.
    fn show(&self, note: &str) -> Result<String, LedgerError> {
        let tree = &self.replica.tree;
        self.witness.as_ref().map_or(Ok(()), |witness| witness.advance(note, tree))?;
        let Some(cosigners) = &self.cosigners else { return Ok(note.to_owned()) };
        let path = self.directory.join(COSIGNED);
        let key = self.keys.listed(note, cosigners.policy())?;
        // Opened anew, a log asks: its directory may be an older copy, with all that was gathered.
        if self.head.is_some()
            && let Some(kept) = witness::kept(self.disk.as_ref(), &path, note, cosigners, key)?
        {
            return Ok(kept);
        }
        let exported = self.tiles.as_ref().map(|to| self.export(to)).transpose()?;
        let cosigned = cosigners.gather(note, key, tree)?;
        let temporary = durable::beside(&path, ".tmp");
        self.disk.replace_through(&temporary, &path, cosigned.as_bytes(), durable::PUBLIC)?;
        exported.map_or(Ok(0), |tiles| tiles.finish(&cosigned, tree.len()))?;
        Ok(cosigned)
    }

    /// Exact bytes of an entry, read again and compared with the tree.
    fn entry(&self, index: u64) -> Result<Vec<u8>, LedgerError> {
        let leaf = self.replica.tree.leaf(index).ok_or_else(|| past_the_end(index))?;
        let place = usize::try_from(index).ok().and_then(|at| self.replica.places.get(at));
        let bytes = self.wal.entry_at(*place.ok_or_else(|| past_the_end(index))?)?;
        if leaf_hash(&bytes) == leaf {
            Ok(bytes)
        } else {
            Err(untrusted(self.wal.path(), Untrusted::Edited))
        }
    }

    fn lock_of(disk: &dyn Disk, directory: &Path) -> Result<Arc<dyn DiskFile>, LedgerError> {
        disk.lock_file(&directory.join(LOCK)).map(Arc::from)
    }
}

/// Reads and verifies the signed checkpoint; `None` if there is none.
fn read_checkpoint(
    disk: &dyn Disk,
    path: &Path,
    keys: &Keys,
) -> Result<Option<(Checkpoint, String)>, LedgerError> {
    let Some(bytes) = disk.read(path)? else { return Ok(None) };
    let note = as_text(bytes)?;
    let checkpoint = keys.open(&note, &path.display().to_string())?;
    Ok(Some((checkpoint, note)))
}

/// The keys, under the origin that a note begins with.
fn named_keys(note: &str, signers: &Signers) -> Result<Keys, LedgerError> {
    Keys::new(note.lines().next().unwrap_or_default(), signers.clone())
}

/// The error for a log without its files: rolled back if the witness has seen it, or missing.
fn gone(
    disk: &dyn Disk,
    directory: &Path,
    signers: &Signers,
    witness: Option<&Path>,
) -> Result<LedgerError, LedgerError> {
    let missing = untrusted(directory, Untrusted::Missing);
    let Some(path) = witness else { return Ok(missing) };
    let Some(bytes) = disk.read(path)? else { return Ok(missing) };
    let note = as_text(bytes)?;
    let keys = named_keys(&note, signers)?;
    let seen = keys.open(&note, &path.display().to_string())?.size;
    Ok(untrusted(directory, Untrusted::RolledBack { seen, found: 0 }))
}

fn as_text(bytes: Vec<u8>) -> Result<String, LedgerError> {
    String::from_utf8(bytes)
        .map_err(|_| LedgerError::Malformed { what: "checkpoint", detail: "not text".to_owned() })
}

fn untrusted(path: &Path, fault: Untrusted) -> LedgerError {
    LedgerError::Untrusted { place: path.display().to_string(), fault }
}

/// File of entries.
pub(super) const WAL: &str = "entries.wal";

/// The last signed checkpoint.
pub(super) const CHECKPOINT: &str = "checkpoint";

/// The last checkpoint that enough witnesses cosigned.
pub(super) const COSIGNED: &str = "cosigned";

/// Locked by whoever reads or writes the other two.
const LOCK: &str = "lock";
