//! The files of a report: the page, the data of every table and figure, and all of it as JSON.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use polars::prelude::{Column, DataFrame, NamedFrom, ParquetWriter, PolarsError, Series};

use super::compose::Answered;
use super::html;
use super::model::Document;
use super::plots::DrawingError;
use super::rows::{Datum, Rows};
use crate::disclosure::packet::Packet;

/// Why a report was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A file or directory cannot be written.
    #[error("{} cannot be written", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A plot cannot be drawn.
    #[error("a plot cannot be drawn")]
    Drawing(#[from] DrawingError),
    /// Rows do not fit into Parquet.
    #[error("{} cannot be written as Parquet", path.display())]
    Parquet {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Box<PolarsError>,
    },
    /// The document has no JSON.
    #[error("the document has no JSON")]
    Json(#[from] serde_json::Error),
}

/// Writes the page to `page`, and into the directory `data`: `report.json`, CSV and Parquet of each
/// table and figure, `disclosure.json` for whoever checks outputs, and under `released/` what each
/// indicator's query gave, as Parquet. Gives the paths, in order.
///
/// # Errors
/// [`WriteError`]; files that were written stay.
pub fn write(
    document: &Document,
    answers: &[Answered],
    packets: &[Packet],
    page: &Path,
    data: &Path,
) -> Result<Vec<PathBuf>, WriteError> {
    let released = data.join("released");
    let made = fs::create_dir_all(&released);
    made.map_err(|source| WriteError::File { path: released.clone(), source })?;
    let mut written = vec![page.to_owned(), data.join("report.json")];
    whole(page, html::html(document)?.as_bytes())?;
    whole(&written[1], &serde_json::to_vec_pretty(document)?)?;
    if !packets.is_empty() {
        let path = data.join("disclosure.json");
        whole(&path, &serde_json::to_vec_pretty(packets)?)?;
        written.push(path);
    }
    for exhibit in document.exhibits() {
        let rows = exhibit.rows();
        let table = data.join(format!("{}.csv", exhibit.name));
        whole(&table, rows.csv().as_bytes())?;
        let columns = data.join(format!("{}.parquet", exhibit.name));
        parquet(&columns, frame(&rows))?;
        written.extend([table, columns]);
    }
    for (place, answered) in answers.iter().enumerate() {
        let name = format!("{:02}-{}.parquet", place + 1, answered.question.indicator.id);
        let path = released.join(name);
        parquet(&path, answered.released.frame())?;
        written.push(path);
    }
    Ok(written)
}

/// Writes a file whole or not at all.
fn whole(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let failed = |source| WriteError::File { path: path.to_owned(), source };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, path)).map_err(failed)
}

fn parquet(path: &Path, frame: Result<DataFrame, PolarsError>) -> Result<(), WriteError> {
    let failed = |source| WriteError::Parquet { path: path.to_owned(), source: Box::new(source) };
    let mut frame = frame.map_err(failed)?;
    let file = File::create(path);
    let file = file.map_err(|source| WriteError::File { path: path.to_owned(), source })?;
    ParquetWriter::new(file).finish(&mut frame).map(drop).map_err(failed)
}

/// Rows as a frame: a column of numbers where all that is there are numbers, else of words.
fn frame(rows: &Rows) -> Result<DataFrame, PolarsError> {
    let column = |(place, name): (usize, &String)| -> Column {
        let cells = || rows.rows.iter().map(|row| &row[place]);
        let is_text = cells().any(|cell| matches!(cell, Datum::Text(_)));
        let series = if is_text {
            let words = cells().map(|cell| match cell {
                Datum::Missing => None,
                Datum::Text(text) => Some(text.clone()),
                Datum::Number(number) => Some(number.to_string()),
            });
            Series::new(name.into(), words.collect::<Vec<_>>())
        } else {
            let numbers = cells().map(|cell| match cell {
                Datum::Number(number) => Some(*number),
                Datum::Missing | Datum::Text(_) => None,
            });
            Series::new(name.into(), numbers.collect::<Vec<_>>())
        };
        series.into()
    };
    DataFrame::new(rows.rows.len(), rows.columns.iter().enumerate().map(column).collect())
}
