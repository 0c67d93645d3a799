//! What can go wrong when a bulk export is converted.

use std::io;
use std::path::PathBuf;

use crate::fhir::view::ViewError;

/// Why an export was not converted; nothing is left behind then. Messages name files, lines and
/// parts of views, never a value of a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FhirError {
    /// There is nothing to read in the directory.
    #[error("{path}: no file of FHIR Bulk Data (.ndjson)")]
    NoFiles {
        /// The directory.
        path: PathBuf,
    },
    /// There are no patients, and so nobody's records.
    #[error("{path}: no Patient resources")]
    NoPatients {
        /// The directory.
        path: PathBuf,
    },
    /// A file cannot be read in this form.
    #[error("{path}: {fault}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is the matter, and what to do.
        fault: &'static str,
    },
    /// A line is no resource, or not of the type that its file is of.
    #[error("{path}, line {line}: {fault}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: u64,
        /// What is the matter.
        fault: &'static str,
    },
    /// A line is no JSON.
    #[error("{path}, line {line}: not JSON")]
    Json {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: u64,
        /// Why.
        source: serde_json::Error,
    },
    /// A view that the tables are made by is wrong.
    #[error("the view {view} is wrong")]
    View {
        /// Its name.
        view: String,
        /// What is wrong.
        source: ViewError,
    },
    /// A table of concepts cannot be read.
    #[error("{path}: {fault}")]
    Vocabulary {
        /// The file.
        path: PathBuf,
        /// What is the matter.
        fault: &'static str,
        /// Why, if there is more to say.
        source: Option<csv::Error>,
    },
    /// Two identifiers have the same number: use another namespace.
    #[error("two identifiers have one number in this namespace; use another")]
    Collision,
    /// There is something where the tables should go.
    #[error("{path} exists; nothing is overwritten, so choose another directory")]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// A table cannot be written.
    #[error("table {table} cannot be written")]
    Write {
        /// The table.
        table: &'static str,
        /// Why.
        source: csv::Error,
    },
    /// The file system failed.
    #[error("{path}: {action} failed")]
    Store {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The operating system's reason.
        source: io::Error,
    },
}
