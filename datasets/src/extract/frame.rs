//! The one place where polars reads files: CSV and Parquet to columns of plain values.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::LargeStringArray;
use polars::prelude::{
    ArrowDataType, CsvEncoding, CsvParseOptions, CsvReadOptions, DataFrame, DataType,
    ParquetReader, PlSmallStr, PolarsError, SerReader, Series, TimeUnit,
};

use crate::extract::cell::RawColumn;
use crate::extract::error::ExtractError;

/// A file with a table, of which the names of the columns are known.
#[derive(Debug)]
pub(super) struct TableFile {
    path: PathBuf,
    table: String,
    csv: bool,
    /// Names as the file has them, by lower-case name.
    names: BTreeMap<String, String>,
}

/// Opens a file and reads the names of its columns.
///
/// # Errors
/// [`ExtractError::Frame`], [`ExtractError::Store`], [`ExtractError::RepeatedColumn`].
pub(super) fn open(path: &Path, table: &str) -> Result<TableFile, ExtractError> {
    let csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let found: Vec<String> = if csv {
        let frame = csv_options(path)?
            .with_n_rows(Some(0))
            .try_into_reader_with_file_path(Some(path.to_owned()))
            .and_then(SerReader::finish)
            .map_err(|source| unreadable(path, source))?;
        frame.get_column_names().iter().map(|name| name.as_str().to_owned()).collect()
    } else {
        let schema =
            ParquetReader::new(file(path)?).schema().map_err(|source| unreadable(path, source))?;
        schema.iter_names().map(|name| name.as_str().to_owned()).collect()
    };
    let mut names = BTreeMap::new();
    for name in found {
        let lower = name.trim_start_matches('\u{feff}').trim().to_lowercase();
        if names.insert(lower, name.clone()).is_some() {
            return Err(ExtractError::RepeatedColumn { table: table.to_owned(), column: name });
        }
    }
    Ok(TableFile { path: path.to_owned(), table: table.to_owned(), csv, names })
}

impl TableFile {
    /// Names of the columns, in lower case and as they are.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names.iter().map(|(lower, name)| (lower.as_str(), name.as_str()))
    }

    /// Reads those of the columns that are there, under the names asked for; also says how many
    /// rows there are.
    ///
    /// # Errors
    /// [`ExtractError::Frame`], [`ExtractError::Store`], [`ExtractError::ColumnType`].
    pub(super) fn read(
        &mut self,
        wanted: &[&'static str],
    ) -> Result<(usize, BTreeMap<&'static str, RawColumn>), ExtractError> {
        let there: Vec<(&'static str, &str)> = wanted
            .iter()
            .filter_map(|name| Some((*name, self.names.get(&name.to_lowercase())?.as_str())))
            .collect();
        if there.is_empty() {
            return Ok((0, BTreeMap::new()));
        }
        let frame = if self.csv { self.csv(&there)? } else { self.parquet(&there)? };
        let mut columns = BTreeMap::new();
        for (name, own) in there {
            let column = frame.column(own).map_err(|source| unreadable(&self.path, source))?;
            columns.insert(name, self.plain(name, column.as_materialized_series())?);
        }
        Ok((frame.height(), columns))
    }

    fn csv(&self, there: &[(&'static str, &str)]) -> Result<DataFrame, ExtractError> {
        let names: Arc<[PlSmallStr]> =
            there.iter().map(|(_, own)| PlSmallStr::from_str(own)).collect();
        csv_options(&self.path)?
            .with_columns(Some(names))
            .try_into_reader_with_file_path(Some(self.path.clone()))
            .and_then(SerReader::finish)
            .map_err(|source| unreadable(&self.path, source))
    }

    /// Kinds of columns are checked before they are read: polars panics at those that it was
    /// built without.
    fn parquet(&self, there: &[(&'static str, &str)]) -> Result<DataFrame, ExtractError> {
        let mut reader = ParquetReader::new(file(&self.path)?);
        let schema = reader.schema().map_err(|source| unreadable(&self.path, source))?;
        for (name, own) in there {
            let kind = schema.get(own).map(|field| field.dtype());
            if !kind.is_some_and(is_plain) {
                let found = kind.map(|kind| format!("{kind:?}")).unwrap_or_default();
                return Err(self.column_type(name, found));
            }
        }
        let names = there.iter().map(|(_, own)| (*own).to_owned()).collect();
        reader.with_columns(Some(names)).finish().map_err(|source| unreadable(&self.path, source))
    }

    fn plain(&self, name: &str, series: &Series) -> Result<RawColumn, ExtractError> {
        let failed = |source| unreadable(&self.path, source);
        let cast = |kind| series.cast(&kind).map_err(failed);
        Ok(match series.dtype() {
            DataType::Null => RawColumn::Missing,
            DataType::String => {
                let text = series.str().map_err(failed)?;
                RawColumn::Text(text.iter().collect::<LargeStringArray>())
            }
            DataType::Float32 | DataType::Float64 => {
                let numbers = cast(DataType::Float64)?;
                RawColumn::Float(numbers.f64().map_err(failed)?.iter().collect())
            }
            DataType::Int32 | DataType::Int64 | DataType::UInt32 | DataType::UInt64 => {
                let numbers = cast(DataType::Int64)?;
                RawColumn::Integer(numbers.i64().map_err(failed)?.iter().collect())
            }
            DataType::Date => {
                let days = series.to_physical_repr();
                RawColumn::Day(days.i32().map_err(failed)?.iter().collect())
            }
            DataType::Datetime(unit, _) => {
                let per_day = ticks_per_day(*unit);
                let ticks = series.to_physical_repr();
                let day = |ticks: i64| i32::try_from(ticks.div_euclid(per_day)).unwrap_or(i32::MAX);
                let ticks = ticks.i64().map_err(failed)?;
                RawColumn::Day(ticks.iter().map(|ticks| ticks.map(day)).collect())
            }
            other => return Err(self.column_type(name, other.to_string())),
        })
    }

    fn column_type(&self, column: &str, found: String) -> ExtractError {
        ExtractError::ColumnType { table: self.table.clone(), column: column.to_owned(), found }
    }
}

/// Everything as text, empty fields missing. Vocabulary downloads are tab-separated, without
/// quotes, and called `.csv` nevertheless.
fn csv_options(path: &Path) -> Result<CsvReadOptions, ExtractError> {
    let mut header = Vec::new();
    BufReader::new(file(path)?).read_until(b'\n', &mut header).map_err(|source| {
        ExtractError::Store { path: path.to_owned(), action: "reading", source }
    })?;
    let tabs = header.contains(&b'\t') && !header.contains(&b',');
    let parse = CsvParseOptions::default()
        .with_separator(if tabs { b'\t' } else { b',' })
        .with_quote_char(if tabs { None } else { Some(b'"') })
        .with_encoding(CsvEncoding::LossyUtf8)
        .with_missing_is_null(true);
    Ok(CsvReadOptions::default()
        .with_infer_schema_length(Some(0))
        .with_raise_if_empty(false)
        .with_parse_options(parse))
}

fn is_plain(kind: &ArrowDataType) -> bool {
    matches!(
        kind,
        ArrowDataType::Null
            | ArrowDataType::Int32
            | ArrowDataType::Int64
            | ArrowDataType::UInt32
            | ArrowDataType::UInt64
            | ArrowDataType::Float32
            | ArrowDataType::Float64
            | ArrowDataType::Utf8
            | ArrowDataType::LargeUtf8
            | ArrowDataType::Utf8View
            | ArrowDataType::Date32
            | ArrowDataType::Timestamp(_, _)
    )
}

const fn ticks_per_day(unit: TimeUnit) -> i64 {
    let per_second = match unit {
        TimeUnit::Milliseconds => 1_000,
        TimeUnit::Microseconds => 1_000_000,
        TimeUnit::Nanoseconds => 1_000_000_000,
    };
    per_second * 86_400
}

fn file(path: &Path) -> Result<File, ExtractError> {
    File::open(path).map_err(|source| ExtractError::Store {
        path: path.to_owned(),
        action: "opening",
        source,
    })
}

fn unreadable(path: &Path, source: PolarsError) -> ExtractError {
    ExtractError::Frame { path: path.to_owned(), source: Box::new(source) }
}
