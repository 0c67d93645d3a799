//! A file whose bytes are checked as they are read: what is hashed is what is decoded.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Buf, Bytes, buf::Reader};
use ledger_adapter::error::{LedgerError, Untrusted};
use ledger_adapter::leaves::{GROUP_BYTES, Leaves};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

/// An open file with the leaves that its bytes must match.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedFile {
    path: Arc<PathBuf>,
    file: Arc<File>,
    bytes: u64,
    leaves: Arc<Leaves>,
}

impl VerifiedFile {
    /// Opens `path`, which must have exactly `bytes` bytes.
    ///
    /// # Errors
    /// [`LedgerError::Untrusted`] if it is missing or has another length.
    pub(crate) fn open(path: &Path, bytes: u64, leaves: Arc<Leaves>) -> Result<Self, LedgerError> {
        let untrusted = |fault| LedgerError::Untrusted { place: path.display().to_string(), fault };
        let store = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => untrusted(Untrusted::Missing),
            _ => LedgerError::Store { path: path.to_owned(), action: "opening", source },
        };
        let file = File::open(path).map_err(store)?;
        let found = file.metadata().map_err(store)?.len();
        if found != bytes {
            return Err(untrusted(Untrusted::Length { attested: bytes, found }));
        }
        Ok(Self { path: Arc::new(path.to_owned()), file: Arc::new(file), bytes, leaves })
    }

    /// Checks every byte.
    ///
    /// # Errors
    /// [`LedgerError::Untrusted`] if one differs.
    pub(crate) fn check(&self) -> Result<(), LedgerError> {
        let mut start = 0;
        while start < self.bytes {
            let end = (start + CHECK_BYTES).min(self.bytes);
            self.verified(start, end)?;
            start = end;
        }
        Ok(())
    }

    /// Reads `start..end`, rounded out to whole groups, checks every group, and hands on exactly
    /// the bytes that were checked.
    fn verified(&self, start: u64, end: u64) -> Result<Bytes, LedgerError> {
        let from = start / GROUP_BYTES * GROUP_BYTES;
        let to = end.div_ceil(GROUP_BYTES).saturating_mul(GROUP_BYTES).min(self.bytes);
        let length = usize::try_from(to - from).map_err(|_| LedgerError::Malformed {
            what: "range",
            detail: "longer than memory".to_owned(),
        })?;
        let mut buffer = vec![0; length];
        self.file.read_exact_at(&mut buffer, from).map_err(|source| LedgerError::Store {
            path: self.path.as_ref().clone(),
            action: "reading",
            source,
        })?;
        let first = from / GROUP_BYTES;
        let whole = usize::try_from(GROUP_BYTES).unwrap_or(usize::MAX);
        for (index, group) in (first..).zip(buffer.chunks(whole)) {
            if !self.leaves.check_group(index, group) {
                return Err(LedgerError::Untrusted {
                    place: self.path.display().to_string(),
                    fault: Untrusted::Digest,
                });
            }
        }
        let within = |at: u64| usize::try_from(at - from).unwrap_or(length).min(length);
        Ok(Bytes::from(buffer).slice(within(start)..within(end)))
    }
}

impl Length for VerifiedFile {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for VerifiedFile {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        // Only the page-by-page path asks for an open end; a bucket's rest is small.
        Ok(self.verified(start, self.bytes).map_err(external)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let end = start.saturating_add(length as u64);
        if end > self.bytes {
            return Err(ParquetError::EOF("range past the end of the file".to_owned()));
        }
        self.verified(start, end).map_err(external)
    }
}

fn external(error: LedgerError) -> ParquetError {
    ParquetError::External(Box::new(error))
}

/// Bytes read at a time by a full check: large enough to keep the disk busy, small in memory.
const CHECK_BYTES: u64 = 64 * GROUP_BYTES;
