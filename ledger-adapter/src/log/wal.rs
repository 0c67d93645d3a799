//! The file of entries: append-only frames, each with its length and a checksum.
//!
//! ```text
//! GRAUNT1\n │ length u32 │ crc32c u32 │ entry │ length │ crc32c │ entry │ …     little-endian
//! ```
//! The checksum is over length and entry. It tells a torn write from a whole one; that nobody
//! changed a whole one is for the signed tree to say.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::durable::{self, failed};
use crate::entry::ENTRY_BYTES_MAX;
use crate::error::{LedgerError, Untrusted};

/// How a scan came to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// At the end of a frame.
    Whole,
    /// In the middle of a frame.
    Short,
    /// At bytes that are no frame.
    Damaged,
}

/// The file of entries, open.
#[derive(Debug)]
pub(super) struct Wal {
    file: File,
    path: PathBuf,
    #[cfg(test)]
    pub(super) fault: Option<Fault>,
}

/// What a test makes the disk do.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The next append fails after this many bytes.
    NoSpaceAfter(usize),
    /// The next sync fails.
    Sync,
}

impl Wal {
    /// Makes the file, with no entries; `false` if there is one.
    pub(super) fn create(path: &Path) -> Result<bool, LedgerError> {
        durable::create(path, MAGIC, durable::PRIVATE)
    }

    /// Opens the file, and checks that it is one.
    pub(super) fn open(path: &Path) -> Result<Self, LedgerError> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(untrusted(path, Untrusted::Missing));
            }
            Err(error) => return Err(failed(path, "open")(error)),
        };
        let mut magic = [0; MAGIC.len()];
        match file.read_exact_at(&mut magic, 0) {
            Ok(()) if magic == *MAGIC => {}
            Ok(()) => return Err(untrusted(path, Untrusted::Edited)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Err(untrusted(path, Untrusted::Edited));
            }
            Err(error) => return Err(failed(path, "read")(error)),
        }
        Ok(Self {
            file,
            path: path.to_owned(),
            #[cfg(test)]
            fault: None,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Length in bytes.
    pub(super) fn length(&self) -> Result<u64, LedgerError> {
        Ok(self.file.metadata().map_err(failed(&self.path, "read"))?.len())
    }

    /// Whether the name stands for another file by now, or for none.
    pub(super) fn is_replaced(&self) -> Result<bool, LedgerError> {
        let open = self.file.metadata().map_err(failed(&self.path, "read"))?;
        Ok(match std::fs::metadata(&self.path) {
            Ok(named) => (named.dev(), named.ino()) != (open.dev(), open.ino()),
            Err(_) => true,
        })
    }

    /// Gives every whole entry from `start` on, with its place, to `take`; returns where the last
    /// of them ends, and what comes there.
    pub(super) fn scan(
        &self,
        start: u64,
        mut take: impl FnMut(u64, &[u8]),
    ) -> Result<(u64, Ending), LedgerError> {
        let length = self.length()?;
        let mut reader = BufReader::with_capacity(1 << 16, &self.file);
        reader.seek(SeekFrom::Start(start)).map_err(failed(&self.path, "seek"))?;
        let (mut at, mut entry) = (start, Vec::new());
        loop {
            let rest = length.saturating_sub(at);
            if rest == 0 {
                return Ok((at, Ending::Whole));
            }
            if rest < HEAD {
                return Ok((at, Ending::Short));
            }
            let mut head = [0; 8];
            reader.read_exact(&mut head).map_err(failed(&self.path, "read"))?;
            let Some(head) = Head::read(head) else { return Ok((at, Ending::Damaged)) };
            if rest - HEAD < head.length as u64 {
                return Ok((at, Ending::Short));
            }
            entry.resize(head.length, 0);
            reader.read_exact(&mut entry).map_err(failed(&self.path, "read"))?;
            if !head.fits(&entry) {
                return Ok((at, Ending::Damaged));
            }
            take(at, &entry);
            at += HEAD + head.length as u64;
        }
    }

    /// Reads the whole entry whose frame begins at `at`.
    pub(super) fn entry_at(&self, at: u64) -> Result<Vec<u8>, LedgerError> {
        let edited = || untrusted(&self.path, Untrusted::Edited);
        let mut head = [0; 8];
        let read = |bytes: &mut [u8], at| match self.file.read_exact_at(bytes, at) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(edited()),
            Err(error) => Err(failed(&self.path, "read")(error)),
        };
        read(&mut head, at)?;
        let head = Head::read(head).ok_or_else(edited)?;
        let mut entry = vec![0; head.length];
        read(&mut entry, at + HEAD)?;
        if head.fits(&entry) { Ok(entry) } else { Err(edited()) }
    }

    /// Writes frames at the end; they are not on disk before [`Wal::sync`].
    pub(super) fn append(&mut self, end: u64, frames: &[u8]) -> Result<(), LedgerError> {
        #[cfg(test)]
        if let Some(Fault::NoSpaceAfter(bytes)) = self.fault {
            self.fault = None;
            let written = &frames[..bytes.min(frames.len())];
            self.file.write_all_at(written, end).map_err(failed(&self.path, "write"))?;
            let full = std::io::Error::from(ErrorKind::StorageFull);
            return Err(failed(&self.path, "write")(full));
        }
        self.file.write_all_at(frames, end).map_err(failed(&self.path, "write"))
    }

    /// Waits until all bytes are on disk.
    pub(super) fn sync(&mut self) -> Result<(), LedgerError> {
        #[cfg(test)]
        if self.fault == Some(Fault::Sync) {
            self.fault = None;
            return durable::injected_sync_fault(&self.path);
        }
        durable::sync(&self.file, &self.path)
    }

    /// Cuts everything from `end` on.
    pub(super) fn truncate(&mut self, end: u64) -> Result<(), LedgerError> {
        self.file.set_len(end).map_err(failed(&self.path, "truncate"))
    }
}

/// Appends the frame of an entry of at most [`ENTRY_BYTES_MAX`] bytes; gives the frame's length.
pub(super) fn frame(entry: &[u8], out: &mut Vec<u8>) -> Result<u64, LedgerError> {
    let length = u32::try_from(entry.len()).ok().filter(|_| entry.len() <= ENTRY_BYTES_MAX);
    let length = length.ok_or(LedgerError::Refused { rule: "an entry fits into its frame" })?;
    let length = length.to_le_bytes();
    out.extend(length);
    out.extend(checksum(length, entry).to_le_bytes());
    out.extend(entry);
    Ok(HEAD + entry.len() as u64)
}

struct Head {
    length: usize,
    checksum: u32,
}

impl Head {
    fn read([a, b, c, d, checksum @ ..]: [u8; 8]) -> Option<Self> {
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
        let checksum = u32::from_le_bytes(checksum);
        (length <= ENTRY_BYTES_MAX).then_some(Self { length, checksum })
    }

    fn fits(&self, entry: &[u8]) -> bool {
        u32::try_from(entry.len())
            .is_ok_and(|length| checksum(length.to_le_bytes(), entry) == self.checksum)
    }
}

fn checksum(length: [u8; 4], entry: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), entry)
}

fn untrusted(path: &Path, fault: Untrusted) -> LedgerError {
    LedgerError::Untrusted { place: path.display().to_string(), fault }
}

/// First bytes of the file: name and version of the format.
pub(super) const MAGIC: &[u8; 8] = b"GRAUNT1\n";

/// Length and checksum.
const HEAD: u64 = 8;
