//! What the ledger asks of a file system, and no more, so that a test can be the file system.
//!
//! Every call is one call of the operating system. None of them makes a file whole after a crash;
//! [`crate::durable`] does, from these.

#[cfg(any(test, fuzzing))]
mod machine;
#[cfg(any(test, fuzzing))]
pub(crate) mod simulated;
mod system;

use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::path::Path;

pub(crate) use self::system::System;

/// A file system.
pub(crate) trait Disk: Debug + Send + Sync {
    /// Opens a file; with [`How::Read`] also a directory, to sync it.
    fn open(&self, path: &Path, how: How) -> io::Result<Box<dyn DiskFile>>;

    /// What has that name.
    fn stat(&self, path: &Path) -> io::Result<Stat>;

    /// Gives the file at `from` the name `to`, and takes it from whatever had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives the file at `from` another name, which must be free.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a name away.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes one directory, for its owner only.
    fn create_directory(&self, path: &Path) -> io::Result<()>;
}

/// An open file, or an open directory.
pub(crate) trait DiskFile: Debug + Send + Sync {
    /// Reads from a place on; may read less than asked, and 0 bytes only at the end.
    fn read_at(&self, bytes: &mut [u8], place: u64) -> io::Result<usize>;

    /// Writes at a place; may write less than asked.
    fn write_at(&self, bytes: &[u8], place: u64) -> io::Result<usize>;

    /// Cuts the file, or lengthens it with zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Waits until bytes and length are on disk; of a directory, the names in it.
    fn sync(&self) -> io::Result<()>;

    /// What it is.
    fn stat(&self) -> io::Result<Stat>;

    /// Waits until no other open file has it locked, and locks it. Closing it unlocks it.
    fn lock(&self) -> io::Result<()>;

    /// Lets others lock it.
    fn unlock(&self) -> io::Result<()>;
}

impl dyn DiskFile {
    /// Writes all of it at a place.
    pub(crate) fn write_all_at(&self, mut bytes: &[u8], mut place: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(bytes, place) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = &bytes[count..];
                    place += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads from a place on until `bytes` is full or the file ends; gives the number of bytes.
    pub(crate) fn read_full_at(&self, bytes: &mut [u8], place: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.read_at(&mut bytes[filled..], place + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum How {
    /// It is there, and is read.
    Read,
    /// It is there, and is read and written.
    Change,
    /// It may be there, and is only locked. The mode is that of a new one.
    Lock(u32),
    /// It may be there, and is written from the start. The mode is that of a new one.
    Replace(u32),
    /// It is not there yet, and is written. With its mode.
    Create(u32),
}

/// What a name, or an open file, stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stat {
    /// Tells it from every other file: device and number.
    pub(crate) identity: (u64, u64),
    /// Length in bytes.
    pub(crate) length: u64,
    /// Whether it is a directory.
    pub(crate) is_directory: bool,
}

#[cfg(test)]
mod tests;
