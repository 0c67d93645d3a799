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

/// Where a report is written.
#[derive(Clone, Debug)]
pub struct Place {
    /// The page.
    pub page: PathBuf,
    /// The directory of the data behind it.
    pub data: PathBuf,
    /// What whoever checks outputs needs to see, suppressed counts too; none if nobody does.
    pub packet: Option<PathBuf>,
}

impl Place {
    /// Sees that all of it can be written, before anything is asked. What an earlier report left in
    /// the directory stays until the new one is there.
    ///
    /// # Errors
    /// [`WriteError::File`] if the page is there and is no file, if the directory holds something
    /// else than a report, or if either cannot be made.
    pub fn prepare(&self) -> Result<(), WriteError> {
        for file in [Some(&self.page), self.packet.as_ref()].into_iter().flatten() {
            if file.exists() && !file.is_file() {
                return Err(refused(file, "it is there, and no file"));
            }
            let partial = partial_of(file);
            let made = fs::write(&partial, b"").and_then(|()| fs::remove_file(&partial));
            made.map_err(failed(file))?;
        }
        if self.data.exists() && !is_of_reports(&self.data).map_err(failed(&self.data))? {
            return Err(refused(&self.data, "it holds something else than a report"));
        }
        let partial = partial_of(&self.data);
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(failed(&partial))?;
        }
        fs::create_dir_all(partial.join(RELEASED)).map_err(failed(&partial))
    }

    /// Writes the page, and the directory anew: `report.json`, CSV and Parquet of each table and
    /// figure, and under `released/` what each indicator's query gave, as Parquet. Gives the paths.
    ///
    /// # Errors
    /// [`WriteError`]; what an earlier report left in the directory is there still.
    pub fn write(
        &self,
        document: &Document,
        answers: &[Answered],
        packets: &[Packet],
    ) -> Result<Vec<PathBuf>, WriteError> {
        self.prepare()?;
        let data = partial_of(&self.data);
        let mut names = vec![PathBuf::from(REPORT)];
        whole(&data.join(REPORT), &serde_json::to_vec_pretty(document)?)?;
        for exhibit in document.exhibits() {
            let rows = exhibit.rows();
            let (table, columns) = (format!("{}.csv", exhibit.name), exhibit.name + ".parquet");
            whole(&data.join(&table), rows.csv().as_bytes())?;
            parquet(&data.join(&columns), frame(&rows))?;
            names.extend([table.into(), columns.into()]);
        }
        for (place, answered) in answers.iter().enumerate() {
            let name = format!("{:02}-{}.parquet", place + 1, answered.question.indicator.id);
            let path = Path::new(RELEASED).join(name);
            parquet(&data.join(&path), answered.released.frame())?;
            names.push(path);
        }
        let page = html::html(document)?;
        if self.data.exists() {
            fs::remove_dir_all(&self.data).map_err(failed(&self.data))?;
        }
        fs::rename(&data, &self.data).map_err(failed(&self.data))?;
        whole(&self.page, page.as_bytes())?;
        if let Some(packet) = &self.packet {
            whole(packet, &serde_json::to_vec_pretty(packets)?)?;
        }
        let files = names.into_iter().map(|name| self.data.join(name));
        Ok([self.page.clone()].into_iter().chain(files).chain(self.packet.clone()).collect())
    }
}

const REPORT: &str = "report.json";
const RELEASED: &str = "released";

/// Whether a directory has nothing in it but what reports are made of: it will be replaced.
fn is_of_reports(data: &Path) -> io::Result<bool> {
    let is_ours = |name: &str| {
        let stem = name.strip_suffix(".csv").or_else(|| name.strip_suffix(".parquet"));
        name == REPORT
            || stem.is_some_and(|stem| stem.starts_with("table-") || stem.starts_with("figure-"))
    };
    for entry in data.read_dir()? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_known = if entry.file_type()?.is_dir() {
            let mut files = entry.path().read_dir()?;
            name == RELEASED
                && files.all(|file| {
                    file.is_ok_and(|f| f.path().extension() == Some("parquet".as_ref()))
                })
        } else {
            is_ours(&name)
        };
        if !is_known {
            return Ok(false);
        }
    }
    // The place itself, under whatever name: `.` has none that could be replaced.
    Ok(data.file_name().is_some())
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> WriteError {
    let path = path.to_owned();
    move |source| WriteError::File { path, source }
}

fn refused(path: &Path, why: &str) -> WriteError {
    WriteError::File { path: path.to_owned(), source: io::Error::other(why.to_owned()) }
}

/// Where something is written before it is put in its place.
fn partial_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

/// Writes a file whole or not at all.
fn whole(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let partial = partial_of(path);
    fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, path)).map_err(failed(path))
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Place;

    #[test]
    fn a_directory_with_anything_else_in_it_is_not_replaced() {
        let home = tempfile::tempdir().unwrap();
        let place = |data: &str| Place {
            page: home.path().join("page.html"),
            data: home.path().join(data),
            packet: None,
        };
        let data = home.path().join("data");
        fs::create_dir_all(data.join("released")).unwrap();
        for name in ["report.json", "table-1.csv", "figure-12.parquet", "released/01-a.parquet"] {
            fs::write(data.join(name), "").unwrap();
        }
        place("data").prepare().unwrap();
        for other in ["thesis.tex", "released/notes.txt"] {
            fs::write(data.join(other), "").unwrap();
            assert!(place("data").prepare().is_err(), "{other}");
            fs::remove_file(data.join(other)).unwrap();
        }
        assert!(place("..").prepare().is_err());
        assert!(data.join("report.json").exists());
    }
}
