//! The files of a cohort while they are being written.
//!
//! Every table of every site is one file, written a batch at a time in order of person; so memory
//! holds a few thousand persons whatever their number.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};

use super::error::CohortError;
use super::public_tables::{lot_columns, site_tables};
use super::tables::{Columns, PRIVATE_TABLES, arrow_schema, described};

/// What a block of persons adds to the files.
pub(super) struct Batches {
    /// By site, one for each of [`PRIVATE_TABLES`].
    pub(super) sites: Vec<Vec<RecordBatch>>,
    /// One for each of [`TRUTH_TABLES`].
    pub(super) truth: Vec<RecordBatch>,
}

/// What is true behind the records: who people are, which bills and which lots are false.
pub(super) const TRUTH_TABLES: [&str; 3] = ["person", "fraud", "lot"];

/// Open files, site by site, then the truth.
pub(super) struct Store {
    out: PathBuf,
    files: Vec<TableFile>,
    /// Rows of the public tables, which are written at once.
    public_rows: BTreeMap<String, u64>,
}

impl Store {
    /// Makes the directories, writes the public tables and opens the private ones.
    pub(super) fn create(
        out: &Path,
        seed: u64,
        sites: usize,
        truth: &[SchemaRef],
    ) -> Result<Self, CohortError> {
        make_empty(out)?;
        let mut files = Vec::new();
        let mut public_rows = BTreeMap::new();
        for site in 0..sites {
            let directory = out.join(format!("site-{}", site + 1));
            make_directory(&directory)?;
            for (name, batch) in site_tables(site)? {
                *public_rows.entry(name.to_owned()).or_default() += batch.num_rows() as u64;
                write_whole(&directory.join(format!("{name}.parquet")), &batch)?;
            }
            for name in PRIVATE_TABLES {
                let source = Source::Site(site, files.len() % PRIVATE_TABLES.len());
                let schema = arrow_schema(described(name)?);
                files.push(TableFile::create(&directory, name, schema, source)?);
            }
        }
        let directory = out.join("truth");
        make_directory(&directory)?;
        for (table, schema) in truth.iter().enumerate() {
            let schema = Arc::clone(schema);
            let source = Source::Truth(table);
            files.push(TableFile::create(&directory, TRUTH_TABLES[table], schema, source)?);
        }
        let directory = out.join("reference");
        make_directory(&directory)?;
        let lots = free_batch("attested_lot", lot_columns(seed, sites))?;
        write_whole(&directory.join("attested_lot.parquet"), &lots)?;
        Ok(Self { out: out.to_owned(), files, public_rows })
    }

    /// Appends blocks, in order; files are written side by side.
    pub(super) fn append(&mut self, blocks: &[Batches]) -> Result<(), CohortError> {
        self.files.par_iter_mut().try_for_each(|file| {
            blocks.iter().try_for_each(|block| file.write(file.source.batch(block)))
        })
    }

    /// Closes every file and returns the rows of each table, sites together.
    pub(super) fn finish(self) -> Result<BTreeMap<String, u64>, CohortError> {
        let mut rows = self.public_rows;
        for file in self.files {
            if matches!(file.source, Source::Site(..)) {
                *rows.entry(file.name.to_owned()).or_default() += file.rows;
            }
            file.close()?;
        }
        Ok(rows)
    }

    /// Writes a text file beside the sites.
    pub(super) fn write_text(&self, name: &str, text: &str) -> Result<(), CohortError> {
        let path = self.out.join(name);
        fs::write(&path, text).map_err(|source| CohortError::Store {
            path,
            action: "writing",
            source,
        })
    }
}

/// Which batch of a block a file takes.
#[derive(Clone, Copy)]
enum Source {
    Site(usize, usize),
    Truth(usize),
}

impl Source {
    fn batch(self, block: &Batches) -> &RecordBatch {
        match self {
            Self::Site(site, table) => &block.sites[site][table],
            Self::Truth(table) => &block.truth[table],
        }
    }
}

struct TableFile {
    path: PathBuf,
    name: &'static str,
    source: Source,
    rows: u64,
    writer: ArrowWriter<File>,
}

impl TableFile {
    fn create(
        directory: &Path,
        name: &'static str,
        schema: SchemaRef,
        source: Source,
    ) -> Result<Self, CohortError> {
        let path = directory.join(format!("{name}.parquet"));
        let writer = open_writer(&path, schema)?;
        Ok(Self { path, name, source, rows: 0, writer })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), CohortError> {
        self.rows += batch.num_rows() as u64;
        self.writer.write(batch).map_err(|source| parquet_error(&self.path, source))
    }

    fn close(self) -> Result<(), CohortError> {
        let Self { path, writer, .. } = self;
        writer.close().map(|_| ()).map_err(|source| parquet_error(&path, source))
    }
}

/// A batch whose schema is its columns': for tables that the data model does not have.
pub(super) fn free_batch(
    table: &'static str,
    columns: Columns,
) -> Result<RecordBatch, CohortError> {
    let schema = free_schema(&columns);
    let arrays: Vec<ArrayRef> = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(schema, arrays).map_err(|source| CohortError::Columns { table, source })
}

/// The schema of such a batch; every column may be null.
pub(super) fn free_schema(columns: &Columns) -> SchemaRef {
    let field = |(name, array): &(&'static str, ArrayRef)| {
        Field::new(*name, array.data_type().clone(), true)
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

fn write_whole(path: &Path, batch: &RecordBatch) -> Result<(), CohortError> {
    let mut writer = open_writer(path, batch.schema())?;
    writer.write(batch).map_err(|source| parquet_error(path, source))?;
    writer.close().map(|_| ()).map_err(|source| parquet_error(path, source))
}

fn open_writer(path: &Path, schema: SchemaRef) -> Result<ArrowWriter<File>, CohortError> {
    let file = File::create_new(path).map_err(|source| CohortError::Store {
        path: path.to_owned(),
        action: "creating",
        source,
    })?;
    let properties = properties(&schema);
    let properties = properties.map_err(|source| parquet_error(path, source))?;
    ArrowWriter::try_new(file, schema, Some(properties))
        .map_err(|source| parquet_error(path, source))
}

/// Zstandard throughout; row numbers and persons rise, so their differences are stored. Pages and
/// dictionaries are small because one is held in memory for every column of every file.
fn properties(schema: &SchemaRef) -> Result<WriterProperties, ParquetError> {
    const RISING: [&str; 3] = ["person_id", "cost_event_id", "visit_occurrence_id"];
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(2)?))
        .set_max_row_group_row_count(Some(262_144))
        .set_data_page_size_limit(128 * 1024)
        .set_dictionary_page_size_limit(256 * 1024)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by("graunt".to_owned());
    for (at, field) in schema.fields().iter().enumerate() {
        let numbers = at == 0 && field.name().ends_with("_id");
        if numbers || RISING.contains(&field.name().as_str()) {
            let column = ColumnPath::from(field.name().as_str());
            properties = properties
                .set_column_dictionary_enabled(column.clone(), false)
                .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
        }
    }
    Ok(properties.build())
}

fn parquet_error(path: &Path, source: ParquetError) -> CohortError {
    CohortError::Parquet { path: path.to_owned(), source }
}

/// Makes the directory, or takes it if it is there and empty.
fn make_empty(out: &Path) -> Result<(), CohortError> {
    make_directory(out)?;
    let mut entries = fs::read_dir(out).map_err(|source| CohortError::Store {
        path: out.to_owned(),
        action: "listing",
        source,
    })?;
    entries.next().map_or(Ok(()), |_| Err(CohortError::Occupied { path: out.to_owned() }))
}

fn make_directory(path: &Path) -> Result<(), CohortError> {
    fs::create_dir_all(path).map_err(|source| CohortError::Store {
        path: path.to_owned(),
        action: "creating",
        source,
    })
}
