//! The directory of an executor: its own as long as it runs, and emptied when it begins.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::cluster::ClusterError;
use crate::cluster::node::member;

/// A directory that nobody else has.
#[derive(Debug)]
pub struct WorkDirectory {
    path: String,
    /// Locked for as long as it is open.
    _lock: File,
}

impl WorkDirectory {
    /// Makes the directory, or empties it of what an executor left that ended.
    ///
    /// # Errors
    /// [`ClusterError::Member`] if another executor has it, or it holds anything else, which
    /// stays.
    pub fn claim(path: &Path) -> Result<Self, ClusterError> {
        Self::claimed(path).map_err(member)
    }

    fn claimed(path: &Path) -> io::Result<Self> {
        let fault = |kind, what: &str| io::Error::new(kind, what);
        let text = path.to_str().map(str::to_owned).ok_or_else(|| {
            fault(io::ErrorKind::InvalidInput, "the path of its directory is no text")
        })?;
        // Only what an executor left is deleted, so that a wrong path costs nobody their files.
        if path.exists() && !path.join(LOCK).exists() && fs::read_dir(path)?.next().is_some() {
            let what = "its directory has files that are not an executor's";
            return Err(fault(io::ErrorKind::AlreadyExists, what));
        }
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).open(path.join(LOCK))?;
        let is_used = |_| fault(io::ErrorKind::ResourceBusy, "another has its directory");
        lock.try_lock().map_err(is_used)?;
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else if entry.file_name() != LOCK {
                fs::remove_file(entry.path())?;
            }
        }
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
        DirBuilder::new().mode(0o700).create(path.join(SPILT))?;
        Ok(Self { path: text, _lock: lock })
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn spilt(&self) -> PathBuf {
        Path::new(&self.path).join(SPILT)
    }
}

/// Rows that do not fit into memory, within the directory.
const SPILT: &str = "spilt";

/// Locked by who has the directory.
const LOCK: &str = "lock";
