//! The file of entries: append-only frames, each with its length and a checksum.
//!
//! ```text
//! GRAUNT1\n │ length u32 │ crc32c u32 │ entry │ length │ crc32c │ entry │ …     little-endian
//! ```
//! The checksum is over length and entry. It tells a torn write from a whole one; that nobody
//! changed a whole one is for the signed tree to say.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, How};
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
    disk: Arc<dyn Disk>,
    file: Box<dyn DiskFile>,
    path: PathBuf,
}

impl Wal {
    /// Makes the file, with no entries; `false` if there is one. Nobody else may be making it.
    pub(super) fn create(disk: &dyn Disk, path: &Path) -> Result<bool, LedgerError> {
        // What a crash left of an earlier attempt is written over.
        let temporary = durable::beside(path, ".tmp");
        disk.create_through(&temporary, How::Replace(durable::PRIVATE), path, MAGIC)
    }

    /// Opens the file, and checks that it is one.
    pub(super) fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, LedgerError> {
        let file = match disk.open(path, How::Change) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(untrusted(path, Untrusted::Missing));
            }
            Err(error) => return Err(failed(path, "open")(error)),
        };
        let mut magic = [0; MAGIC.len()];
        let found = file.read_full_at(&mut magic, 0).map_err(failed(path, "read"))?;
        if found < magic.len() || magic != *MAGIC {
            return Err(untrusted(path, Untrusted::Edited));
        }
        Ok(Self { disk, file, path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Length in bytes.
    pub(super) fn length(&self) -> Result<u64, LedgerError> {
        Ok(self.file.stat().map_err(failed(&self.path, "read"))?.length)
    }

    /// Whether the name stands for another file by now, or for none.
    pub(super) fn is_replaced(&self) -> Result<bool, LedgerError> {
        let open = self.file.stat().map_err(failed(&self.path, "read"))?;
        let named = self.disk.stat(&self.path);
        Ok(named.map_or(true, |named| named.identity != open.identity))
    }

    /// Gives the frames from `start` on to `take`, many at a time, which says how many of them,
    /// from the first, are as they were written. Returns where the last such ends, and what comes
    /// there.
    pub(super) fn scan(
        &self,
        start: u64,
        mut take: impl FnMut(&[Frame<'_>]) -> usize,
    ) -> Result<(u64, Ending), LedgerError> {
        let length = self.length()?;
        let (mut at, mut buffer) = (start, Vec::new());
        loop {
            let rest = usize::try_from(length.saturating_sub(at)).unwrap_or(usize::MAX);
            buffer.resize(rest.min(SCAN_BYTES), 0);
            let filled = self.file.read_full_at(&mut buffer, at).map_err(self.failed("read"))?;
            let (frames, ending) = Frame::split(&buffer[..filled], at);
            let whole = take(&frames);
            if let Some(first_wrong) = frames.get(whole) {
                return Ok((first_wrong.place, Ending::Damaged));
            }
            if let Some(last) = frames.last() {
                at = last.place + HEAD + last.entry.len() as u64;
            }
            // There is more, and a frame that the buffer cuts is read from its beginning.
            let is_all = filled < buffer.len() || rest == filled;
            if is_all || ending == Ending::Damaged {
                return Ok((at, ending));
            }
        }
    }

    /// Writes the bytes from `start` up to `end` once more. After an fsync that failed they may be
    /// in memory only and count as clean there, so that a later fsync would not write them.
    pub(super) fn write_again(&self, start: u64, end: u64) -> Result<(), LedgerError> {
        let size = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; size];
        let filled = self.file.read_full_at(&mut bytes, start).map_err(self.failed("read"))?;
        self.file.write_all_at(&bytes[..filled], start).map_err(self.failed("write"))
    }

    /// Reads the whole entry whose frame begins at `at`.
    pub(super) fn entry_at(&self, at: u64) -> Result<Vec<u8>, LedgerError> {
        let edited = || untrusted(&self.path, Untrusted::Edited);
        let mut head = [0; 8];
        let read = |bytes: &mut [u8], at| {
            let filled = self.file.read_full_at(bytes, at).map_err(self.failed("read"))?;
            if filled < bytes.len() { Err(edited()) } else { Ok(()) }
        };
        read(&mut head, at)?;
        let head = Head::read(head).ok_or_else(edited)?;
        let mut entry = vec![0; head.length];
        read(&mut entry, at + HEAD)?;
        if head.fits(&entry) { Ok(entry) } else { Err(edited()) }
    }

    /// Writes frames at the end; they are not on disk before [`Wal::sync`].
    pub(super) fn append(&self, end: u64, frames: &[u8]) -> Result<(), LedgerError> {
        self.file.write_all_at(frames, end).map_err(self.failed("write"))
    }

    /// Waits until all bytes are on disk.
    pub(super) fn sync(&self) -> Result<(), LedgerError> {
        durable::sync(self.file.as_ref(), &self.path)
    }

    /// Cuts everything from `end` on.
    pub(super) fn truncate(&self, end: u64) -> Result<(), LedgerError> {
        self.file.set_length(end).map_err(self.failed("truncate"))
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> LedgerError {
        failed(&self.path, action)
    }
}

/// An entry with its length and checksum, read and not checked.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// Where it begins.
    pub(super) place: u64,
    /// The entry.
    pub(super) entry: &'a [u8],
    head: Head,
}

impl<'a> Frame<'a> {
    /// Whether the checksum is that of the entry.
    pub(super) fn is_whole(&self) -> bool {
        self.head.fits(self.entry)
    }

    /// The frames that lie one after another in `bytes`, which are at `place`; and what is behind.
    fn split(mut bytes: &'a [u8], mut place: u64) -> (Vec<Self>, Ending) {
        let mut frames = Vec::new();
        loop {
            let Some((head, rest)) = bytes.split_first_chunk() else {
                let ending = if bytes.is_empty() { Ending::Whole } else { Ending::Short };
                return (frames, ending);
            };
            let Some(head) = Head::read(*head) else { return (frames, Ending::Damaged) };
            let Some((entry, rest)) = rest.split_at_checked(head.length) else {
                return (frames, Ending::Short);
            };
            frames.push(Self { place, entry, head });
            place += HEAD + entry.len() as u64;
            bytes = rest;
        }
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

#[derive(Debug)]
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

pub(super) fn checksum(length: [u8; 4], entry: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), entry)
}

fn untrusted(path: &Path, fault: Untrusted) -> LedgerError {
    LedgerError::Untrusted { place: path.display().to_string(), fault }
}

/// First bytes of the file: name and version of the format.
pub(super) const MAGIC: &[u8; 8] = b"GRAUNT1\n";

/// Length and checksum.
const HEAD: u64 = 8;

/// Bytes that are read at a time; more than any frame.
const SCAN_BYTES: usize = 1 << 22;
