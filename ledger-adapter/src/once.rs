//! Files that are written once, and say for ever after what was written first.

use std::path::{Path, PathBuf};

use crate::durable;
use crate::error::LedgerError;

/// A directory of such files.
#[derive(Clone, Debug)]
pub struct Once {
    directory: PathBuf,
}

/// What is stored under a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stored {
    /// These bytes, which were just written.
    Now(Vec<u8>),
    /// These bytes, which were there before.
    Before(Vec<u8>),
}

impl Once {
    /// The directory at this path; it is made with the first file.
    pub fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Writes a file, whole and synced, unless there is one of that name; of several processes that
    /// do so at once, one writes. Only the owner may read it.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] for a name that is not 1 to 200 of `a-z`, `0-9` and `-`;
    /// [`LedgerError::Store`].
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Result<Stored, LedgerError> {
        let path = self.path(name)?;
        durable::create_directory(&self.directory)?;
        if durable::create(&path, bytes, durable::PRIVATE)? {
            return Ok(Stored::Now(bytes.to_vec()));
        }
        Ok(Stored::Before(durable::read(&path)?.unwrap_or_default()))
    }

    /// What is stored under a name.
    ///
    /// # Errors
    /// As [`Once::keep`].
    pub fn find(&self, name: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        durable::read(&self.path(name)?)
    }

    fn path(&self, name: &str) -> Result<PathBuf, LedgerError> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=200).contains(&name.len()) || !name.chars().all(fits) {
            let detail = "a name is 1 to 200 of a-z, 0-9 and -".to_owned();
            return Err(LedgerError::Malformed { what: "name of a file", detail });
        }
        Ok(self.directory.join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_stay() {
        let directory = tempfile::tempdir().unwrap();
        let once = Once::at(&directory.path().join("below"));
        assert_eq!(once.find("a-1").unwrap(), None);
        assert_eq!(once.keep("a-1", b"first").unwrap(), Stored::Now(b"first".to_vec()));
        assert_eq!(once.keep("a-1", b"second").unwrap(), Stored::Before(b"first".to_vec()));
        let again = Once::at(&directory.path().join("below"));
        assert_eq!(again.find("a-1").unwrap(), Some(b"first".to_vec()));
        for name in ["", "../a", "a/b", "A", &"a".repeat(201)] {
            assert!(once.keep(name, b"x").is_err(), "{name}");
        }
    }

    #[test]
    fn of_many_at_once_one_writes() {
        let directory = tempfile::tempdir().unwrap();
        let once = Once::at(directory.path());
        let stored: Vec<Stored> = std::thread::scope(|scope| {
            let keep = |i: u8| {
                let once = &once;
                scope.spawn(move || once.keep("a", &[i; 1_000]).unwrap())
            };
            let threads: Vec<_> = (0..8).map(keep).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let now: Vec<_> = stored.iter().filter(|s| matches!(s, Stored::Now(_))).collect();
        let [Stored::Now(first)] = now.as_slice() else { panic!("{now:?}") };
        let before = Stored::Before(first.clone());
        assert_eq!(stored.iter().filter(|s| **s == before).count(), 7);
    }
}
