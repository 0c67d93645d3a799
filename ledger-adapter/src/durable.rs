//! Files that are whole after a crash: replaced or created in one step, and synced.
//!
//! It takes no locks; callers that share a file do.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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
    let done = replace_through(&temporary, path, bytes, mode);
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
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    let mut file = options.open(temporary).map_err(failed(temporary, "create"))?;
    file.write_all(bytes).map_err(failed(temporary, "write"))?;
    sync(&file, temporary)?;
    fs::rename(temporary, path).map_err(failed(path, "rename"))?;
    sync_directory_of(path)
}

/// Creates `path` whole with `bytes`; `false` if there is such a file already, which stays.
pub(crate) fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<bool, LedgerError> {
    let temporary = beside(path, &format!(".{}.{}.tmp", std::process::id(), ticket()));
    let made = create_through(&temporary, path, bytes, mode);
    drop(fs::remove_file(&temporary));
    made
}

fn create_through(
    temporary: &Path,
    path: &Path,
    bytes: &[u8],
    mode: u32,
) -> Result<bool, LedgerError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut file = options.open(temporary).map_err(failed(temporary, "create"))?;
    file.write_all(bytes).map_err(failed(temporary, "write"))?;
    sync(&file, temporary)?;
    // A link, unlike a rename, fails if the name is taken.
    match fs::hard_link(temporary, path) {
        Ok(()) => sync_directory_of(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(path, "link")(error)),
    }
}

/// Makes a directory, and those above it, for its owner only.
pub(crate) fn create_directory(path: &Path) -> Result<(), LedgerError> {
    if path.is_dir() {
        return Ok(());
    }
    // One level at a time, so that each name is synced.
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_directory(parent)?;
    }
    match DirBuilder::new().mode(PRIVATE_DIRECTORY).create(path) {
        Ok(()) => sync_directory_of(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(failed(path, "create")(error)),
    }
}

/// Reads a whole file; `None` if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, LedgerError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, "read")(error)),
    }
}

/// Reads a secret; `None` if there is none. Refuses a file that others may read or write.
pub(crate) fn read_secret(path: &Path) -> Result<Option<Vec<u8>>, LedgerError> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
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

/// Opens a file whose only purpose is to be locked.
pub(crate) fn lock_file(path: &Path) -> Result<File, LedgerError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(PRIVATE);
    options.open(path).map_err(failed(path, "open"))
}

/// Waits until the file's bytes are on disk.
pub(crate) fn sync(file: &File, path: &Path) -> Result<(), LedgerError> {
    file.sync_all().map_err(failed(path, FSYNC))
}

/// The error of a sync that a test made fail.
#[cfg(test)]
pub(crate) fn injected_sync_fault(path: &Path) -> Result<(), LedgerError> {
    Err(failed(path, FSYNC)(io::Error::other("injected")))
}

/// Waits until the name of `path` is on disk.
pub(crate) fn sync_directory_of(path: &Path) -> Result<(), LedgerError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory = File::open(parent).map_err(failed(parent, "open"))?;
    sync(&directory, parent)
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

const PRIVATE_DIRECTORY: u32 = 0o700;

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
