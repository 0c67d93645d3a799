//! Files that are whole after a crash: replaced or created in one step, and synced.
//!
//! It takes no locks; callers that share a file do.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::{Disk, DiskFile, How, System};
use crate::error::{LedgerError, Untrusted};

/// Turns an error of the operating system into one of the store.
pub(crate) fn failed(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| LedgerError::Store { path, action, source }
}

/// Whether an fsync failed. What is on disk is unknown then, and asking again would lie: the kernel
/// may have dropped the pages and call the next fsync a success.
pub(crate) fn is_failed_fsync(error: &LedgerError) -> bool {
    matches!(error, LedgerError::Store { action, .. } if *action == FSYNC)
}

/// Writes `bytes` beside `path` and puts them in its place. Either the old file or the new one is
/// there after a crash; after success, the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), LedgerError> {
    let temporary = beside(path, &format!(".{}.{}.tmp", std::process::id(), ticket()));
    let done = SYSTEM.replace_through(&temporary, path, bytes, mode);
    if done.is_err() {
        // Only tidiness: the name is used by nobody else.
        drop(fs::remove_file(&temporary));
    }
    done
}

/// As [`replace`], through `temporary`, which nobody else may be writing.
pub(crate) fn replace_through(
    temporary: &Path,
    path: &Path,
    bytes: &[u8],
    mode: u32,
) -> Result<(), LedgerError> {
    SYSTEM.replace_through(temporary, path, bytes, mode)
}

/// Creates `path` whole with `bytes`; `false` if there is such a file already, which stays.
pub(crate) fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<bool, LedgerError> {
    let temporary = beside(path, &format!(".{}.{}.tmp", std::process::id(), ticket()));
    SYSTEM.create_through(&temporary, How::Create(mode), path, bytes)
}

/// Makes a directory, and those above it, for its owner only.
pub(crate) fn create_directory(path: &Path) -> Result<(), LedgerError> {
    SYSTEM.create_directories(path)
}

/// Reads a whole file; `None` if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, LedgerError> {
    SYSTEM.read(path)
}

/// Opens a file whose only purpose is to be locked.
pub(crate) fn lock_file(path: &Path) -> Result<File, LedgerError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(PRIVATE);
    options.open(path).map_err(failed(path, "open"))
}

/// Waits until the name of `path` is on disk.
pub(crate) fn sync_directory_of(path: &Path) -> Result<(), LedgerError> {
    SYSTEM.sync_directory_of(path)
}

impl dyn Disk + '_ {
    /// As [`replace`], through `temporary`, which nobody else may be writing.
    pub(crate) fn replace_through(
        &self,
        temporary: &Path,
        path: &Path,
        bytes: &[u8],
        mode: u32,
    ) -> Result<(), LedgerError> {
        self.write(temporary, How::Replace(mode), bytes)?;
        self.rename(temporary, path).map_err(failed(path, "rename"))?;
        self.sync_directory_of(path)
    }

    /// As [`create`], through `temporary`, which nobody else may be writing.
    pub(crate) fn create_through(
        &self,
        temporary: &Path,
        how: How,
        path: &Path,
        bytes: &[u8],
    ) -> Result<bool, LedgerError> {
        let made = self.write(temporary, how, bytes).and_then(|()| {
            // A link, unlike a rename, fails if the name is taken.
            match self.link(temporary, path) {
                Ok(()) => self.sync_directory_of(path).map(|()| true),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(failed(path, "link")(error)),
            }
        });
        drop(self.remove(temporary));
        made
    }

    /// Makes an empty file of a name that is free; `false` if it is taken. The name stays taken
    /// after success, and perhaps after a failure.
    pub(crate) fn take_name(&self, path: &Path) -> Result<bool, LedgerError> {
        match self.open(path, How::Create(PRIVATE)) {
            Ok(file) => sync(file.as_ref(), path)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(failed(path, "create")(error)),
        }
        self.sync_directory_of(path).map(|()| true)
    }

    /// Makes a directory, and those above it, for its owner only. That it is there already does
    /// not mean that its name is on disk, so the name is synced in any case.
    pub(crate) fn create_directories(&self, path: &Path) -> Result<(), LedgerError> {
        match self.stat(path) {
            Ok(found) if found.is_directory && path.parent().is_none() => return Ok(()),
            Ok(found) if found.is_directory => {
                return match self.sync_directory_of(path) {
                    // Whoever may not read the directory above has not made this one.
                    Err(error) if is_denied(&error) => Ok(()),
                    synced => synced,
                };
            }
            Ok(_) => return Err(failed(path, "create")(ErrorKind::AlreadyExists.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(path, "create")(error)),
        }
        // One level at a time, so that each name is synced.
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.create_directories(parent)?;
        }
        match self.create_directory(path) {
            Ok(()) => self.sync_directory_of(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.sync_directory_of(path),
            Err(error) => Err(failed(path, "create")(error)),
        }
    }

    /// Reads a whole file; `None` if there is none.
    pub(crate) fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, LedgerError> {
        let file = match self.open(path, How::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(path, "read")(error)),
        };
        let read = || {
            let length = usize::try_from(file.stat()?.length).map_err(io::Error::other)?;
            // One byte more tells that the file has not grown.
            let mut bytes = vec![0; length + 1];
            let mut filled = file.read_full_at(&mut bytes, 0)?;
            while filled == bytes.len() {
                bytes.resize(2 * filled, 0);
                filled += file.read_full_at(&mut bytes[filled..], filled as u64)?;
            }
            bytes.truncate(filled);
            Ok(Some(bytes))
        };
        read().map_err(failed(path, "read"))
    }

    /// Whether there is something with that name.
    pub(crate) fn exists(&self, path: &Path) -> Result<bool, LedgerError> {
        match self.stat(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(path, "read")(error)),
        }
    }

    /// Opens a file whose only purpose is to be locked.
    pub(crate) fn lock_file(&self, path: &Path) -> Result<Box<dyn DiskFile>, LedgerError> {
        self.open(path, How::Lock(PRIVATE)).map_err(failed(path, "open"))
    }

    /// Waits until the name of `path` is on disk.
    pub(crate) fn sync_directory_of(&self, path: &Path) -> Result<(), LedgerError> {
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let directory = self.open(parent, How::Read).map_err(failed(parent, "open"))?;
        sync(directory.as_ref(), parent)
    }

    /// Writes a whole file that has no other name yet, and syncs its bytes.
    fn write(&self, path: &Path, how: How, bytes: &[u8]) -> Result<(), LedgerError> {
        let file = self.open(path, how).map_err(failed(path, "create"))?;
        file.write_all_at(bytes, 0).map_err(failed(path, "write"))?;
        sync(file.as_ref(), path)
    }
}

/// Reads a secret; `None` if there is none. Refuses a file that others may read or write.
pub(crate) fn read_secret(path: &Path) -> Result<Option<Vec<u8>>, LedgerError> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, "read")(error)),
    };
    if found.permissions().mode() & 0o077 != 0 {
        return Err(LedgerError::Untrusted {
            place: path.display().to_string(),
            fault: Untrusted::Exposed,
        });
    }
    read(path)
}

/// Waits until the file's bytes are on disk.
pub(crate) fn sync(file: &dyn DiskFile, path: &Path) -> Result<(), LedgerError> {
    file.sync().map_err(failed(path, FSYNC))
}

fn is_denied(error: &LedgerError) -> bool {
    let denied = ErrorKind::PermissionDenied;
    matches!(error, LedgerError::Store { source, .. } if source.kind() == denied)
}

/// The path with `suffix` after its name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

/// Distinguishes temporary files of one process.
fn ticket() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Mode of files that only their owner may read.
pub(crate) const PRIVATE: u32 = 0o600;

/// Mode of files that anyone may read, as far as the process's mask lets them.
pub(crate) const PUBLIC: u32 = 0o644;

/// The operating system's files.
const SYSTEM: &dyn Disk = &System;

const FSYNC: &str = "fsync";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_created_once_and_replaced_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/file");
        create_directory(path.parent().unwrap()).unwrap();
        assert_eq!(read(&path).unwrap(), None);
        assert!(create(&path, b"one", PRIVATE).unwrap());
        assert!(!create(&path, b"two", PRIVATE).unwrap());
        assert_eq!(read(&path).unwrap().unwrap(), b"one");
        replace(&path, b"three", PRIVATE).unwrap();
        assert_eq!(read_secret(&path).unwrap().unwrap(), b"three");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        create(&path, b"x", PRIVATE).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_secret(&path).unwrap_err();
        assert!(matches!(error, LedgerError::Untrusted { fault: Untrusted::Exposed, .. }));
    }
}
