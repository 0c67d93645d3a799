//! Makes a directory appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ledger_adapter::digest::Digest;

use crate::extract::error::ExtractError;

/// A directory that is being filled beside the place where it will appear. It is removed again
/// when it is dropped before it has appeared.
#[derive(Debug)]
pub(super) struct Draft {
    draft: PathBuf,
    place: PathBuf,
    parent: PathBuf,
    published: bool,
}

impl Draft {
    /// Starts a directory that is to appear at `place`, where nothing but an empty directory may
    /// be.
    ///
    /// # Errors
    /// [`ExtractError::Exists`], [`ExtractError::Store`], [`ExtractError::Request`] if `place`
    /// has no name.
    pub(super) fn begin(place: &Path) -> Result<Self, ExtractError> {
        let name = place
            .file_name()
            .ok_or(ExtractError::Request { rule: "the extract's directory must have a name" })?;
        refuse_occupied(place)?;
        let parent = match place.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&parent).map_err(fault(&parent, "making the directory"))?;
        let random = Digest::random()?.to_string();
        let suffix = random.get(..16).unwrap_or_default();
        let draft = parent.join(format!(".{}.{suffix}.part", name.to_string_lossy()));
        make_directory(&draft)?;
        Ok(Self { draft, place: place.to_owned(), parent, published: false })
    }

    /// The directory to be filled.
    pub(super) fn path(&self) -> &Path {
        &self.draft
    }

    /// Makes it appear, durably.
    ///
    /// # Errors
    /// [`ExtractError::Exists`] if something else has appeared there; [`ExtractError::Store`].
    pub(super) fn publish(mut self) -> Result<PathBuf, ExtractError> {
        sync_directory(&self.draft)?;
        refuse_occupied(&self.place)?;
        fs::rename(&self.draft, &self.place).map_err(fault(&self.place, "renaming"))?;
        self.published = true;
        sync_directory(&self.parent)?;
        Ok(self.place.clone())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published {
            // Best effort: what is left has a name that nothing reads.
            let _ = fs::remove_dir_all(&self.draft);
        }
    }
}

/// Makes a directory that must not be there.
///
/// # Errors
/// [`ExtractError::Store`].
pub(super) fn make_directory(path: &Path) -> Result<(), ExtractError> {
    fs::create_dir(path).map_err(fault(path, "making the directory"))
}

/// Writes a new file, durably.
///
/// # Errors
/// [`ExtractError::Store`].
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), ExtractError> {
    File::create_new(path)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .map_err(fault(path, "writing"))
}

/// Makes the names in a directory durable.
///
/// # Errors
/// [`ExtractError::Store`].
pub(super) fn sync_directory(path: &Path) -> Result<(), ExtractError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(fault(path, "syncing"))
}

fn refuse_occupied(place: &Path) -> Result<(), ExtractError> {
    let occupied = match fs::read_dir(place) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    };
    if occupied { Err(ExtractError::Exists { path: place.to_owned() }) } else { Ok(()) }
}

fn fault(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> ExtractError {
    let path = path.to_owned();
    move |source| ExtractError::Store { path, action, source }
}
