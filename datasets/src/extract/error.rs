//! What can go wrong when an extract is made.

use std::io;
use std::path::PathBuf;

use arrow::error::ArrowError;
use ledger_adapter::error::LedgerError;
use parquet::errors::ParquetError;
use polars::error::PolarsError;

/// Why an extract was not made. Messages name tables, columns and counts, never a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The request itself makes no sense.
    #[error("the request cannot be met: {rule}")]
    Request {
        /// What must hold.
        rule: &'static str,
    },
    /// There is no table in the directory.
    #[error("{path}: no OMOP table (person.csv, person.parquet, ...) and no Synthea patients.csv")]
    NoTables {
        /// The directory.
        path: PathBuf,
    },
    /// There are tables about persons, and no persons.
    #[error("{path}: there is no person table")]
    NoPersons {
        /// The directory.
        path: PathBuf,
    },
    /// Two files hold the same table.
    #[error("table {table} is there twice: {first} and {second}")]
    Twice {
        /// The table.
        table: &'static str,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A file cannot be read in this form.
    #[error("{path}: {fault}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is the matter, and what to do.
        fault: &'static str,
    },
    /// Columns that the data model requires are not there.
    #[error("table {table} lacks required columns: {columns}")]
    MissingColumns {
        /// The table.
        table: String,
        /// Their names.
        columns: String,
    },
    /// Two columns have the same name, but for case.
    #[error("table {table} has column {column} twice")]
    RepeatedColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A column is stored as something that cannot be read.
    #[error("{table}.{column} is stored as {found}; store it as numbers, text or dates")]
    ColumnType {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// How it is stored.
        found: String,
    },
    /// Values of a required column are not of its kind.
    #[error("{table}.{column}: {rows} rows cannot be read as {kind}")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// How many rows.
        rows: u64,
        /// What they should be.
        kind: &'static str,
    },
    /// Two persons have the same pseudonym: use another key epoch.
    #[error("two persons have one pseudonym under this key; use another key epoch")]
    Collision,
    /// There is something where the extract should go.
    #[error("{path} exists; extracts are never overwritten, so choose another directory")]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// A table cannot be read.
    #[error("{path} cannot be read")]
    Frame {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<PolarsError>,
    },
    /// A table cannot be written.
    #[error("table {table} cannot be written")]
    Write {
        /// The table.
        table: String,
        /// Why.
        source: ParquetError,
    },
    /// Columns do not make a table.
    #[error("table {table} cannot be assembled")]
    Assemble {
        /// The table.
        table: String,
        /// Why.
        source: ArrowError,
    },
    /// The file system failed; nothing is left behind where the extract should go.
    #[error("{path}: {action} failed")]
    Store {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The manifest cannot be signed or attested.
    #[error("the extract cannot be signed or attested")]
    Ledger(#[from] LedgerError),
    /// The signed manifest cannot be written as JSON.
    #[error("the signed manifest cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}
