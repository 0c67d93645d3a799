//! How the rows of a bucket are stored: row groups that end between persons, each column encoded
//! as it was measured to be small and quick.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

/// Stores one file in memory.
#[derive(Debug)]
pub struct FileWriter {
    writer: ArrowWriter<Vec<u8>>,
}

impl FileWriter {
    /// Begins a file of these columns. With a `unit`, the number of the person's column, the file
    /// says that its rows are in order of person: they must be.
    ///
    /// # Errors
    /// If Parquet has no form for a column.
    pub fn new(schema: SchemaRef, unit: Option<usize>) -> Result<Self, ParquetError> {
        let properties = properties(&schema, unit);
        Ok(Self { writer: ArrowWriter::try_new(Vec::new(), schema, Some(properties))? })
    }

    /// Writes a row group: whole persons, after those before.
    ///
    /// # Errors
    /// If the batch has other columns.
    pub fn group(&mut self, rows: &RecordBatch) -> Result<(), ParquetError> {
        self.writer.write(rows)?;
        self.writer.flush()
    }

    /// The file.
    ///
    /// # Errors
    /// If its footer cannot be written.
    pub fn finish(self) -> Result<Vec<u8>, ParquetError> {
        self.writer.into_inner()
    }
}

/// What repeats (codes, text) has a dictionary. Numbers that hardly do (money, results) are stored
/// plain, as a dictionary of them is as large as they are, and so are persons, who stand in order;
/// dates by their differences. `contest encodings` measures columns under other choices: Zstandard
/// instead of LZ4 would save a sixth of the bytes, and take twice the time to read.
fn properties(schema: &SchemaRef, unit: Option<usize>) -> WriterProperties {
    let by_person = unit.and_then(|unit| i32::try_from(unit).ok());
    let by_person = by_person.map(|column_idx| {
        vec![SortingColumn { column_idx, descending: false, nulls_first: false }]
    });
    let mut properties = WriterProperties::builder()
        .set_created_by("graunt".to_owned())
        .set_compression(Compression::LZ4_RAW)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(by_person)
        .set_max_row_group_row_count(None);
    for (number, field) in schema.fields().iter().enumerate() {
        let encoding = match field.data_type() {
            _ if unit == Some(number) => Encoding::PLAIN,
            DataType::Float64 => Encoding::PLAIN,
            DataType::Date32 => Encoding::DELTA_BINARY_PACKED,
            _ => continue,
        };
        let column = ColumnPath::from(field.name().as_str());
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, encoding);
    }
    properties.build()
}

/// Rows after which a row group ends with its last person; what one thread reads at a time.
pub const GROUP_ROWS: usize = 131_072;
