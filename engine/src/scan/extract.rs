//! One site's extract, with its signature checked. No record is read here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ledger_adapter::digest::Digest;
use ledger_adapter::error::{LedgerError, Untrusted};
use ledger_adapter::keys::PublicKey;
use ledger_adapter::leaves::{GROUP_BYTES, Leaves};
use ledger_adapter::manifest::{FileManifest, Manifest, Rows};
use ledger_adapter::statement::{Envelope, Statement};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::scan::file::{Stamp, VerifiedFile};
use crate::scan::footer;

/// An extract whose manifest is signed by a trusted key and is the one on the ledger.
#[derive(Debug)]
pub struct VerifiedExtract {
    directory: PathBuf,
    root: Digest,
    envelope: Envelope,
    key: PublicKey,
    manifest: Manifest,
    leaves: Vec<Vec<Arc<Leaves>>>,
    /// Footers that were read; a file of the same digest has the same.
    footers: Vec<Vec<OnceLock<ArrowReaderMetadata>>>,
    /// By table and file: the columns that were checked, if the file was not touched since.
    checked: Mutex<BTreeMap<(usize, usize), Checked>>,
}

/// A file as it was when columns of it were checked, which may be all.
type Checked = (Stamp, Option<BTreeSet<usize>>);

impl VerifiedExtract {
    /// Opens the extract at `directory` that the ledger knows as `root`.
    ///
    /// # Errors
    /// [`LedgerError::Untrusted`] if the manifest is missing, is not the attested one, is not
    /// signed by a trusted key, makes no sense, or if the leaves do not hash to the attested
    /// digests.
    pub fn open(
        directory: &Path,
        root: Digest,
        trusted: &[PublicKey],
    ) -> Result<Self, LedgerError> {
        let place = directory.join(MANIFEST);
        let text = read(&place)?;
        let envelope: Envelope =
            serde_json::from_slice(&text).map_err(|_| untrusted(&place, Untrusted::Signature))?;
        let (payload, signers) = envelope.verify_signers(trusted).map_err(|error| match error {
            LedgerError::Untrusted { fault, .. } => untrusted(&place, fault),
            other => other,
        })?;
        let key = *signers.first().ok_or_else(|| untrusted(&place, Untrusted::Signature))?;
        if Digest::sha256(&payload) != root {
            return Err(untrusted(&place, Untrusted::Digest));
        }
        let statement: Statement<Manifest> = serde_json::from_slice(&payload).map_err(|error| {
            LedgerError::Malformed { what: "extract statement", detail: error.to_string() }
        })?;
        let manifest = statement.predicate;
        if let Some(fault) = footer::nonsense(&manifest) {
            return Err(untrusted(&place, Untrusted::Disagrees(fault)));
        }
        let leaves = read_leaves(directory, &manifest)?;
        let none = |files: &Vec<_>| files.iter().map(|_| OnceLock::new()).collect();
        let footers = leaves.iter().map(none).collect();
        let directory = directory.to_owned();
        let checked = Mutex::default();
        Ok(Self { directory, root, envelope, key, manifest, leaves, footers, checked })
    }

    /// Where it is.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The extract's name on the ledger.
    pub const fn root(&self) -> Digest {
        self.root
    }

    /// What the site signed.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The signed statement.
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The key that signed the statement.
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// Checks the files of these tables against their attested digests, so that a spoilt extract
    /// is found before anything is charged: footers and the columns that are read, or every byte.
    /// A file that was not touched since is not checked twice. What is decoded later is checked
    /// again, as it is read, whatever was checked before.
    ///
    /// # Errors
    /// [`LedgerError::Untrusted`] for the first file in order that is missing or differs.
    pub(crate) fn check_tables(
        &self,
        tables: &BTreeMap<usize, Option<BTreeSet<usize>>>,
    ) -> Result<(), LedgerError> {
        let files: Vec<_> = tables
            .iter()
            .flat_map(|(t, read)| {
                (0..self.manifest.tables[*t].files.len()).map(move |f| (*t, f, read))
            })
            .collect();
        let faults: Vec<Option<LedgerError>> = files
            .into_par_iter()
            .map(|(table, file, read)| self.check_file((table, file), read.as_ref()).err())
            .collect();
        faults.into_iter().flatten().next().map_or(Ok(()), Err)
    }

    fn check_file(
        &self,
        (table, number): (usize, usize),
        read: Option<&BTreeSet<usize>>,
    ) -> Result<(), LedgerError> {
        let file = self.file(table, number)?;
        let lock = || self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = lock().get(&(table, number)).filter(|(at, _)| *at == file.stamp()).cloned();
        let is_checked = match (&before, read) {
            (Some((_, None)), _) => true,
            (Some((_, Some(before))), Some(read)) => read.is_subset(before),
            _ => false,
        };
        if is_checked {
            return Ok(());
        }
        match read {
            Some(read) => {
                let footer = self.footer((table, number), &file)?;
                file.check_columns(footer.metadata(), read)?;
            }
            None => file.check()?,
        }
        let before = before.and_then(|(_, before)| before).unwrap_or_default();
        let now = read.map(|read| read.union(&before).copied().collect());
        lock().insert((table, number), (file.stamp(), now));
        Ok(())
    }

    /// The footer of a file, read and checked once.
    ///
    /// # Errors
    /// [`LedgerError::Untrusted`] if it is not as attested, is none, or is not of this table.
    pub(crate) fn footer(
        &self,
        (table, number): (usize, usize),
        file: &VerifiedFile,
    ) -> Result<ArrowReaderMetadata, LedgerError> {
        let known = &self.footers[table][number];
        if let Some(footer) = known.get() {
            return Ok(footer.clone());
        }
        let footer = footer::read(file, &self.manifest.tables[table])?;
        Ok(known.get_or_init(|| footer).clone())
    }

    /// Opens a file for verified reading.
    ///
    /// # Errors
    /// [`LedgerError::Untrusted`] if it is missing or has another length.
    pub(crate) fn file(&self, table: usize, file: usize) -> Result<VerifiedFile, LedgerError> {
        let attested = &self.manifest.tables[table].files[file];
        let leaves = Arc::clone(&self.leaves[table][file]);
        VerifiedFile::open(&self.path(attested), attested.bytes, leaves)
    }

    fn path(&self, file: &FileManifest) -> PathBuf {
        self.directory.join(&file.path)
    }
}

/// Copies what others may see of an extract, so that they can plan questions about it: the signed
/// manifest, the leaves, and the public tables. No file of records is opened.
///
/// # Errors
/// If the directory is there already, or the file system fails.
pub fn copy_card(extract: &VerifiedExtract, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for name in [MANIFEST, LEAVES] {
        fs::copy(extract.directory.join(name), to.join(name))?;
    }
    let tables = extract.manifest.tables.iter().filter(|table| table.rows == Rows::Public);
    for file in tables.flat_map(|table| &table.files) {
        let place = to.join(&file.path);
        if let Some(directory) = place.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::copy(extract.path(file), place)?;
    }
    Ok(())
}

/// Reads the leaves of all files; they prove themselves against the attested digests.
fn read_leaves(
    directory: &Path,
    manifest: &Manifest,
) -> Result<Vec<Vec<Arc<Leaves>>>, LedgerError> {
    let place = directory.join(LEAVES);
    let bytes = read(&place)?;
    let mut rest = bytes.as_slice();
    let mut tables = Vec::with_capacity(manifest.tables.len());
    for table in &manifest.tables {
        let mut files = Vec::with_capacity(table.files.len());
        for file in &table.files {
            if file.path.split('/').any(|part| part == ".." || part.is_empty()) {
                return Err(untrusted(&place, Untrusted::Disagrees("a path leaves the extract")));
            }
            let length = leaf_bytes(file.bytes);
            let (own, others) = rest
                .split_at_checked(length)
                .ok_or_else(|| untrusted(&place, Untrusted::Digest))?;
            rest = others;
            let leaves = Leaves::from_bytes(own, file.bytes)?;
            if leaves.root() != file.blake3 {
                return Err(untrusted(&place, Untrusted::Digest));
            }
            files.push(Arc::new(leaves));
        }
        tables.push(files);
    }
    Ok(tables)
}

/// Bytes that the leaves of a file of that length take.
fn leaf_bytes(length: u64) -> usize {
    usize::try_from(length.div_ceil(GROUP_BYTES).max(1))
        .map_or(usize::MAX, |n| n.saturating_mul(32))
}

fn read(path: &Path) -> Result<Vec<u8>, LedgerError> {
    fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => untrusted(path, Untrusted::Missing),
        _ => LedgerError::Store { path: path.to_owned(), action: "reading", source },
    })
}

fn untrusted(path: &Path, fault: Untrusted) -> LedgerError {
    LedgerError::Untrusted { place: path.display().to_string(), fault }
}

/// The signed statement, a DSSE envelope.
const MANIFEST: &str = "manifest.dsse.json";

/// The leaves of all files, in the manifest's order.
const LEAVES: &str = "leaves.bin";

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Duration;

    use ledger_adapter::ledger::Ledger as _;

    use super::*;
    use crate::engine::Query;
    use crate::error::Error;
    use crate::privacy::relation::ContributionBounds;
    use crate::tests::admitted::persons;
    use crate::tests::fixture::{block_on, clinic, world};

    #[test]
    fn a_file_that_is_touched_after_it_was_checked_is_checked_again_before_a_charge() {
        let world = world(&[clinic(&persons())], 2);
        let ask = |sql: &str| {
            let bounds = ContributionBounds::default();
            let query = Query { text: sql.to_owned(), epsilon: 1.0, delta: 1e-6, bounds };
            block_on(world.engine.answer(&query))
        };
        let left = || world.ledger.remaining(world.engine.catalog().account()).unwrap();
        ask("SELECT COUNT(*) FROM visit WHERE days > 1").unwrap();
        ask("SELECT COUNT(*) FROM visit WHERE days > 2").unwrap();
        let had = left();
        let path = world.directory.path().join("site-0/visit/bucket-001.parquet");
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[40] ^= 1;
        // Longer than the clock of a file system stands still.
        sleep(Duration::from_millis(50));
        fs::write(&path, bytes).unwrap();
        // As if it had not been changed since.
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(modified).unwrap();
        let refused = ask("SELECT COUNT(*) FROM visit WHERE days > 3");
        assert!(matches!(refused, Err(Error::Untrusted(_))), "{refused:?}");
        assert_eq!(left(), had);
    }
}
