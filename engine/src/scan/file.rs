//! A file whose bytes are checked as they are read: what is hashed is what is decoded.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes, buf::Reader};
use ledger_adapter::error::{LedgerError, Untrusted};
use ledger_adapter::leaves::{GROUP_BYTES, Leaves};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};

/// An open file with the leaves that its bytes must match.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedFile {
    path: Arc<PathBuf>,
    file: Arc<File>,
    bytes: u64,
    leaves: Arc<Leaves>,
    stamp: Stamp,
    /// What is going to be read, in whole: see [`VerifiedFile::for_columns`].
    runs: Arc<Runs>,
}

/// What tells that a file was not touched since: which it is, and when it was changed last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stamp([i64; 6]);

impl Stamp {
    fn of(file: &Metadata) -> Self {
        let (device, inode) = (file.dev().cast_signed(), file.ino().cast_signed());
        Self([device, inode, file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()])
    }
}

/// Ranges that are read and checked at once, and those that are in memory.
#[derive(Debug, Default)]
struct Runs {
    /// Ascending, apart from each other.
    ranges: Vec<Range<u64>>,
    /// How many of them a row group has at most.
    kept: usize,
    loaded: Mutex<VecDeque<(u64, Bytes)>>,
}

/// Puts ranges together that touch each other or share a group of the leaves.
fn joined(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start / GROUP_BYTES <= last.end / GROUP_BYTES => {
                last.end = last.end.max(range.end);
            }
            _ => joined.push(range),
        }
    }
    joined
}

/// Where the columns of a row group lie.
fn ranges(group: &RowGroupMetaData, columns: &BTreeSet<usize>) -> Vec<Range<u64>> {
    let columns = columns.iter().filter(|column| **column < group.num_columns());
    let range = |column: &usize| {
        let (start, length) = group.column(*column).byte_range();
        start..start.saturating_add(length)
    };
    joined(columns.map(range).collect())
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
        let metadata = file.metadata().map_err(store)?;
        let found = metadata.len();
        if found != bytes {
            return Err(untrusted(Untrusted::Length { attested: bytes, found }));
        }
        let stamp = Stamp::of(&metadata);
        let (path, file, runs) = (Arc::new(path.to_owned()), Arc::new(file), Arc::default());
        Ok(Self { path, file, bytes, leaves, stamp, runs })
    }

    /// The same file for reading these columns: row group after row group, what lies together is
    /// read and checked at once, and kept until two row groups later.
    pub(crate) fn for_columns(&self, footer: &ParquetMetaData, columns: &BTreeSet<usize>) -> Self {
        let groups = footer.row_groups().iter().map(|group| ranges(group, columns));
        let groups: Vec<_> = groups.collect();
        let kept = 2 * groups.iter().map(Vec::len).max().unwrap_or(0);
        // Not joined over groups: that would be the whole file.
        let ranges = groups.into_iter().flatten().collect();
        let runs = Arc::new(Runs { ranges, kept, loaded: Mutex::default() });
        Self { runs, ..self.clone() }
    }

    /// Checks the footer's columns.
    ///
    /// # Errors
    /// [`LedgerError::Untrusted`] if a byte differs.
    pub(crate) fn check_columns(
        &self,
        footer: &ParquetMetaData,
        columns: &BTreeSet<usize>,
    ) -> Result<(), LedgerError> {
        let groups = footer.row_groups().iter();
        for range in joined(groups.flat_map(|group| ranges(group, columns)).collect()) {
            self.check_range(range)?;
        }
        Ok(())
    }

    /// The bytes from `start` to the end of the run that they lie in.
    fn in_run(&self, start: u64) -> Result<Option<Bytes>, LedgerError> {
        let next = self.runs.ranges.partition_point(|range| range.end <= start);
        let run = self.runs.ranges.get(next).filter(|range| range.start <= start);
        let Some(run) = run else { return Ok(None) };
        let mut loaded = self.runs.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let known = loaded.iter().find(|(at, _)| *at == run.start).map(|(_, bytes)| bytes.clone());
        let bytes = match known {
            Some(bytes) => bytes,
            None => {
                let bytes = self.verified(run.start, run.end)?;
                loaded.push_back((run.start, bytes.clone()));
                if loaded.len() > self.runs.kept {
                    loaded.pop_front();
                }
                bytes
            }
        };
        let skipped = usize::try_from(start - run.start).unwrap_or(usize::MAX);
        Ok(Some(bytes.slice(skipped.min(bytes.len())..)))
    }

    /// The file as it was when it was opened.
    pub(crate) const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Where it is.
    pub(crate) fn place(&self) -> PathBuf {
        self.path.as_ref().clone()
    }

    /// Checks every byte.
    ///
    /// # Errors
    /// [`LedgerError::Untrusted`] if one differs.
    pub(crate) fn check(&self) -> Result<(), LedgerError> {
        self.check_range(0..self.bytes)
    }

    fn check_range(&self, range: Range<u64>) -> Result<(), LedgerError> {
        // From one edge of groups to another, so that none is checked twice.
        let (mut start, last) =
            (range.start / GROUP_BYTES * GROUP_BYTES, range.end.min(self.bytes));
        while start < last {
            let end = (start + CHECK_BYTES).min(last);
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
        // Pages are read with an open end; within a run that is what is there already.
        if let Some(bytes) = self.in_run(start).map_err(external)? {
            return Ok(bytes.reader());
        }
        Ok(self.verified(start, self.bytes).map_err(external)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let end = start.saturating_add(length as u64);
        if end > self.bytes {
            return Err(ParquetError::EOF("range past the end of the file".to_owned()));
        }
        match self.in_run(start).map_err(external)? {
            Some(bytes) if bytes.len() >= length => Ok(bytes.slice(..length)),
            _ => self.verified(start, end).map_err(external),
        }
    }
}

fn external(error: LedgerError) -> ParquetError {
    ParquetError::External(Box::new(error))
}

/// Bytes read at a time by a full check: large enough to keep the disk busy, small in memory.
const CHECK_BYTES: u64 = 64 * GROUP_BYTES;
