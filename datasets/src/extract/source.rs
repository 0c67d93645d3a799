//! Finds tables in a directory, and reads the columns that are asked for.
//!
//! Names of files and columns may be in any case. It reads values as they are; [`cell`] makes
//! sense of them.
//!
//! [`cell`]: crate::extract::cell

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::extract::cell::RawColumn;
use crate::extract::error::ExtractError;
use crate::extract::frame;
use crate::extract::synthea::Synthea;
use crate::schema::{self, TableSchema};

/// A directory with tables.
#[derive(Debug)]
pub(super) struct Source {
    form: Form,
    unknown_files: Vec<String>,
}

#[derive(Debug)]
enum Form {
    Omop(BTreeMap<&'static str, PathBuf>),
    Synthea(Synthea),
}

/// Columns of one table, as they were read.
#[derive(Debug, Default)]
pub(super) struct RawTable {
    /// Number of rows.
    pub(super) rows: usize,
    /// Columns by lower-case name.
    pub(super) columns: BTreeMap<&'static str, RawColumn>,
    /// Columns that the data model does not have.
    pub(super) unknown_columns: Vec<String>,
}

impl RawTable {
    /// A column, all missing if it is not there.
    pub(super) fn column(&self, name: &str) -> &RawColumn {
        static NOTHING: RawColumn = RawColumn::Missing;
        self.columns.get(name).unwrap_or(&NOTHING)
    }
}

impl Source {
    /// Looks what there is: OMOP tables, or Synthea's files if there is no person table.
    ///
    /// # Errors
    /// [`ExtractError::NoTables`], [`ExtractError::Twice`], [`ExtractError::Unsupported`] for
    /// compressed text, [`ExtractError::Store`].
    pub(super) fn open(directory: &Path) -> Result<Self, ExtractError> {
        let mut files = Vec::new();
        let store =
            |source| ExtractError::Store { path: directory.to_owned(), action: "listing", source };
        for entry in std::fs::read_dir(directory).map_err(store)? {
            let path = entry.map_err(store)?.path();
            if path.is_file() {
                files.push(path);
            }
        }
        files.sort();
        let stems: Vec<(String, PathBuf)> =
            files.iter().map(|path| (stem(path), path.clone())).collect();
        let persons = stems.iter().any(|(stem, path)| stem == "person" && is_table(path));
        if !persons && stems.iter().any(|(stem, path)| stem == "patients" && is_csv(path)) {
            let (synthea, unknown_files) = Synthea::open(&files);
            return Ok(Self { form: Form::Synthea(synthea), unknown_files });
        }
        let mut tables = BTreeMap::new();
        let mut unknown_files = Vec::new();
        for (stem, path) in stems {
            let Some(table) = schema::table(&stem) else {
                unknown_files.push(file_name(&path));
                continue;
            };
            if is_compressed(&path) {
                let fault = "compressed text is not read; unpack it, or store it as Parquet";
                return Err(ExtractError::Unsupported { path, fault });
            }
            if !is_table(&path) {
                unknown_files.push(file_name(&path));
            } else if let Some(first) = tables.insert(table.name, path.clone()) {
                return Err(ExtractError::Twice { table: table.name, first, second: path });
            }
        }
        if tables.is_empty() {
            return Err(ExtractError::NoTables { path: directory.to_owned() });
        }
        Ok(Self { form: Form::Omop(tables), unknown_files })
    }

    /// Names of the tables that are there.
    pub(super) fn tables(&self) -> Vec<&'static TableSchema> {
        let is_there = |table: &&TableSchema| match &self.form {
            Form::Omop(tables) => tables.contains_key(table.name),
            Form::Synthea(synthea) => synthea.has(table.name),
        };
        schema::tables().iter().filter(is_there).collect()
    }

    /// Files that are no table.
    pub(super) fn unknown_files(&self) -> &[String] {
        &self.unknown_files
    }

    /// Reads columns of a table; `None` if there is no such table. Of the columns asked for,
    /// those that the data model requires must be there.
    ///
    /// # Errors
    /// [`ExtractError::MissingColumns`], [`ExtractError::RepeatedColumn`],
    /// [`ExtractError::ColumnType`], [`ExtractError::Frame`].
    pub(super) fn read(
        &self,
        table: &'static TableSchema,
        wanted: &[&'static str],
    ) -> Result<Option<RawTable>, ExtractError> {
        let path = match &self.form {
            Form::Synthea(synthea) => return synthea.read(table.name).map(Some),
            Form::Omop(tables) => match tables.get(table.name) {
                Some(path) => path,
                None => return Ok(None),
            },
        };
        let mut file = frame::open(path, table.name)?;
        let required = |name: &str| table.column(name).is_some_and(|column| column.required);
        let missing: Vec<&str> = wanted
            .iter()
            .copied()
            .filter(|name| required(name) && !file.names().any(|(lower, _)| lower == *name))
            .collect();
        if !missing.is_empty() {
            let columns = missing.join(", ");
            return Err(ExtractError::MissingColumns { table: table.name.to_owned(), columns });
        }
        let unknown_columns = file
            .names()
            .filter(|(lower, _)| table.column(lower).is_none())
            .map(|(_, name)| name.to_owned())
            .collect();
        let (rows, columns) = file.read(wanted)?;
        Ok(Some(RawTable { rows, columns, unknown_columns }))
    }
}

/// The lower-case name of a file up to its first point.
pub(super) fn stem(path: &Path) -> String {
    let name = file_name(path).to_lowercase();
    name.split_once('.').map_or(name.clone(), |(stem, _)| stem.to_owned())
}

/// The name of a file.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Whether a file is stored in a form that is read.
fn is_table(path: &Path) -> bool {
    is_csv(path) || form(path) == "parquet"
}

/// Whether a file is comma-separated text.
pub(super) fn is_csv(path: &Path) -> bool {
    form(path) == "csv"
}

fn is_compressed(path: &Path) -> bool {
    form(path).starts_with("csv.")
}

/// The name of a file after its first point, in lower case.
fn form(path: &Path) -> String {
    let name = file_name(path).to_lowercase();
    name.split_once('.').map(|(_, form)| form.to_owned()).unwrap_or_default()
}
