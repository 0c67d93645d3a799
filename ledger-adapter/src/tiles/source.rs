//! Where an exported log is read from: a directory, or a server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::durable;
use crate::error::{LedgerError, Untrusted};
use crate::note::NOTE_BYTES_MAX;
use crate::web::Web;

/// An exported log, nothing of which is verified yet.
#[derive(Clone, Debug)]
pub struct Source(Place);

#[derive(Clone, Debug)]
enum Place {
    Directory(PathBuf),
    Web(Web),
}

impl Source {
    /// The log in a directory.
    pub fn directory(path: &Path) -> Self {
        Self(Place::Directory(path.to_owned()))
    }

    /// The log at a prefix that begins with `http://`. `timeout` is of one request.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] for an address that does not begin so.
    pub fn url(prefix: &str, timeout: Duration) -> Result<Self, LedgerError> {
        Ok(Self(Place::Web(Web::new(prefix, timeout)?)))
    }

    /// The note that it publishes.
    pub(crate) fn checkpoint(&self) -> Result<String, LedgerError> {
        let bytes = self.read("checkpoint", NOTE_BYTES_MAX)?;
        let bytes = bytes.ok_or_else(|| self.untrusted("checkpoint", Untrusted::Missing))?;
        String::from_utf8(bytes).map_err(|_| LedgerError::Malformed {
            what: "checkpoint",
            detail: format!("{} is not text", self.place("checkpoint")),
        })
    }

    /// A resource of at most `bytes_max`; `None` if there is none.
    pub(crate) fn read(
        &self,
        path: &str,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        match &self.0 {
            Place::Directory(directory) => {
                let bytes = durable::read(&directory.join(path))?;
                match bytes {
                    Some(bytes) if bytes.len() > bytes_max => {
                        Err(self.untrusted(path, Untrusted::Edited))
                    }
                    other => Ok(other),
                }
            }
            Place::Web(web) => web.read(path, bytes_max),
        }
    }

    /// What to call a resource in an error.
    pub(crate) fn place(&self, path: &str) -> String {
        match &self.0 {
            Place::Directory(directory) => directory.join(path).display().to_string(),
            Place::Web(web) => format!("{}/{path}", web.prefix()),
        }
    }

    pub(crate) fn untrusted(&self, path: &str, fault: Untrusted) -> LedgerError {
        LedgerError::Untrusted { place: self.place(path), fault }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Directory(directory) => write!(f, "{}", directory.display()),
            Place::Web(web) => f.write_str(web.prefix()),
        }
    }
}
