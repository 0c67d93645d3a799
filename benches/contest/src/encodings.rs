//! What each column costs under each encoding: what the choices of the extract's writer rest on.

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::DataType;
use bytes::Bytes;
use datasets::extract::file::GROUP_ROWS;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::Outcome;

/// Prints, for each column of the first bucket of every table below `extract`, the bytes and the
/// nanoseconds of reading a row, by encoding and compression.
pub(crate) fn run(extract: &Path) -> Outcome {
    println!("| column | encoding | compression | bytes per row | ns per row |");
    println!("| --- | --- | --- | --- | --- |");
    let mut tables: Vec<_> = fs::read_dir(extract)?.collect::<Result<_, _>>()?;
    tables.sort_by_key(fs::DirEntry::file_name);
    for table in tables.iter().filter(|table| table.path().is_dir()) {
        let file = File::open(table.path().join("bucket-000.parquet"))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
        let schema = builder.schema().clone();
        let batches: Vec<RecordBatch> = builder.build()?.collect::<Result<_, _>>()?;
        let rows = concat_batches(&schema, &batches)?;
        for column in 0..rows.num_columns() {
            let name = table.file_name().to_string_lossy().into_owned();
            measure(&name, &rows.project(&[column])?)?;
        }
    }
    Ok(())
}

fn measure(table: &str, column: &RecordBatch) -> Outcome {
    let field = column.schema().field(0).clone();
    for (shown, encoding) in encodings(field.data_type()) {
        for (compression, called) in [
            (Compression::UNCOMPRESSED, "none"),
            (Compression::LZ4_RAW, "lz4"),
            (Compression::ZSTD(ZstdLevel::try_new(1)?), "zstd 1"),
            (Compression::ZSTD(ZstdLevel::try_new(3)?), "zstd 3"),
        ] {
            let properties = WriterProperties::builder()
                .set_compression(compression)
                .set_statistics_enabled(EnabledStatistics::Page)
                .set_max_row_group_row_count(Some(GROUP_ROWS))
                .set_dictionary_enabled(encoding.is_none());
            let properties = match encoding {
                Some(encoding) => properties.set_encoding(encoding),
                None => properties,
            };
            let properties = Some(properties.build());
            let mut writer = ArrowWriter::try_new(Vec::new(), column.schema(), properties)?;
            writer.write(column)?;
            let bytes = Bytes::from(writer.into_inner()?);
            let rows = column.num_rows().max(1) as f64;
            let size = bytes.len() as f64 / rows;
            let nanoseconds = least(&bytes)? * 1e9 / rows;
            let name = field.name();
            println!("| {table}.{name} | {shown} | {called} | {size:.2} | {nanoseconds:.2} |");
        }
    }
    Ok(())
}

/// The encodings that a type has; `None` is the dictionary.
fn encodings(kind: &DataType) -> Vec<(&'static str, Option<Encoding>)> {
    let mut all = vec![("dictionary", None), ("plain", Some(Encoding::PLAIN))];
    match kind {
        DataType::Float64 => all.push(("split", Some(Encoding::BYTE_STREAM_SPLIT))),
        DataType::Utf8 => all.push(("delta", Some(Encoding::DELTA_LENGTH_BYTE_ARRAY))),
        _ => all.push(("delta", Some(Encoding::DELTA_BINARY_PACKED))),
    }
    all
}

/// The least time, in seconds, of five readings.
fn least(bytes: &Bytes) -> Result<f64, Box<dyn std::error::Error>> {
    let mut least = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        let mut rows = 0;
        for batch in ParquetRecordBatchReader::try_new(bytes.clone(), 8_192)? {
            rows += batch?.num_rows();
        }
        std::hint::black_box(rows);
        least = least.min(start.elapsed().as_secs_f64());
    }
    Ok(least)
}
