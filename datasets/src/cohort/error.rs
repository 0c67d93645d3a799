//! Why a cohort could not be generated.

use std::io;
use std::path::PathBuf;

/// What stopped the generator; files written so far are left where they are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CohortError {
    /// The caller must ask for something else.
    #[error("{what} must be between {least} and {most}, and {asked} was asked")]
    OutOfRange {
        /// Which figure.
        what: &'static str,
        /// Least allowed.
        least: u64,
        /// Most allowed.
        most: u64,
        /// What was asked.
        asked: u64,
    },
    /// The caller must choose another place: nothing is overwritten.
    #[error("{path} is already there")]
    Occupied {
        /// The file or directory.
        path: PathBuf,
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
    /// Rows could not be encoded as Parquet, or the encoded bytes could not be written.
    #[error("{path}: writing rows failed")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The encoder's reason.
        source: parquet::errors::ParquetError,
    },
    /// Columns do not make a batch of rows: a mistake of ours.
    #[error("columns of {table} do not fit together")]
    Columns {
        /// The table.
        table: &'static str,
        /// What does not fit.
        source: arrow::error::ArrowError,
    },
    /// A mistake of ours.
    #[error("internal error: {0}")]
    Internal(&'static str),
}
