//! The footer of a file, checked before anything is made of it: a signed extract may still be odd.

use arrow::datatypes::DataType;
use ledger_adapter::error::{LedgerError, Untrusted};
use ledger_adapter::manifest::{Manifest, Rows, TableManifest};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::ConvertedType;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::Length as _;

use crate::catalog::data_type;
use crate::scan::file::VerifiedFile;

/// Reads the footer of a file of `table`.
///
/// # Errors
/// [`LedgerError::Untrusted`] if it is not as attested, is none, names places that are not in the
/// file, or has other columns than the manifest.
pub(crate) fn read(
    file: &VerifiedFile,
    table: &TableManifest,
) -> Result<ArrowReaderMetadata, LedgerError> {
    let disagrees = |fault| LedgerError::Untrusted {
        place: file.place().display().to_string(),
        fault: Untrusted::Disagrees(fault),
    };
    let none = || disagrees("its footer cannot be read");
    let footer = ArrowReaderMetadata::load(file, ArrowReaderOptions::new());
    let footer = footer.map_err(|error| match error {
        ParquetError::External(error) => match error.downcast::<LedgerError>() {
            Ok(error) => *error,
            Err(_) => none(),
        },
        _ => none(),
    })?;
    if !is_sound(footer.metadata(), file.len()) {
        return Err(none());
    }
    if !has_columns(&footer, table) {
        return Err(disagrees("its columns are not those of its manifest"));
    }
    Ok(footer)
}

/// Whether all that it says of places is within the file, and of numbers is possible.
fn is_sound(footer: &ParquetMetaData, bytes: u64) -> bool {
    let within = |start: i64, length: i64| {
        let end = start.checked_add(length).and_then(|end| u64::try_from(end).ok());
        start >= 0 && length >= 0 && end.is_some_and(|end| end <= bytes)
    };
    let columns = footer.file_metadata().schema_descr().num_columns();
    let mut rows = 0i64;
    for group in footer.row_groups() {
        let Some(sum) = rows.checked_add(group.num_rows()).filter(|_| group.num_rows() >= 0) else {
            return false;
        };
        rows = sum;
        let is_within = group.columns().iter().all(|column| {
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            within(column.data_page_offset(), 0) && within(start, column.compressed_size())
        });
        if group.columns().len() != columns || !is_within {
            return false;
        }
    }
    // More than that has no file of ours, and sums of it over files fit.
    rows == footer.file_metadata().num_rows() && rows <= ROWS_MAX
}

/// Whether columns have the names and types of the manifest. Text must say that it is: what else
/// is read as text is not looked at whether it is UTF-8.
fn has_columns(footer: &ArrowReaderMetadata, table: &TableManifest) -> bool {
    let fields = footer.schema().fields();
    let stored = footer.metadata().file_metadata().schema_descr().columns();
    fields.len() == table.columns.len()
        && stored.len() == table.columns.len()
        && fields.iter().zip(stored).zip(&table.columns).all(|((found, stored), declared)| {
            let kind = data_type(declared.kind);
            let is_text = stored.converted_type() == ConvertedType::UTF8;
            found.name() == &declared.name
                && found.data_type() == &kind
                && (kind != DataType::Utf8 || is_text)
        })
}

/// What makes no sense in a manifest; nothing if it makes some.
pub(crate) fn nonsense(manifest: &Manifest) -> Option<&'static str> {
    if manifest.buckets == 0 {
        return Some("it has no buckets");
    }
    let buckets = usize::try_from(manifest.buckets).ok();
    for (i, table) in manifest.tables.iter().enumerate() {
        if manifest.tables[..i].iter().any(|other| other.name == table.name) {
            return Some("two of its tables have one name");
        }
        let mut names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Some("two columns of a table have one name");
        }
        let (files, has_unit) = match &table.rows {
            Rows::Public => (Some(1), true),
            Rows::PerPerson { unit, .. } => {
                let mut columns = table.columns.iter();
                let unit = columns.find(|column| column.name == *unit);
                (buckets, unit.is_some_and(|unit| data_type(unit.kind) == DataType::Int64))
            }
        };
        if Some(table.files.len()) != files {
            return Some("a table has not as many files as there are buckets");
        }
        if !has_unit {
            return Some("a table of records has no whole numbers for its persons");
        }
    }
    None
}

/// Rows of a file, at most.
const ROWS_MAX: i64 = 1 << 40;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use ledger_adapter::leaves::Leaves;
    use ledger_adapter::manifest::{ColumnKind, FileManifest};
    use parquet::arrow::ArrowWriter;
    use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use tempfile::TempDir;

    use super::*;
    use crate::tests::fixture::{column, manifest};

    fn table(rows: Rows, files: usize) -> TableManifest {
        let file =
            |_| FileManifest { path: "f".to_owned(), bytes: 0, blake3: Leaves::of(b"").root() };
        TableManifest {
            name: "visit".to_owned(),
            rows,
            columns: vec![
                column("person_id", ColumnKind::Integer),
                column("sex", ColumnKind::Text),
            ],
            files: (0..files).map(file).collect(),
        }
    }

    fn private() -> Rows {
        Rows::PerPerson { unit: "person_id".to_owned(), rows_per_person_max: 3 }
    }

    #[test]
    fn manifests_that_make_no_sense_are_told() {
        let account = ledger_adapter::digest::Digest::sha256(b"");
        let told = |buckets, tables| nonsense(&manifest("a", account, buckets, tables));
        assert_eq!(told(4, vec![table(private(), 4)]), None);
        assert_eq!(told(0, vec![]), Some("it has no buckets"));
        let files = Some("a table has not as many files as there are buckets");
        assert_eq!(told(4, vec![table(private(), 8)]), files);
        assert_eq!(told(4, vec![table(private(), 0)]), files);
        assert_eq!(told(4, vec![table(Rows::Public, 4)]), files);
        let twice = told(4, vec![table(private(), 4), table(Rows::Public, 1)]);
        assert_eq!(twice, Some("two of its tables have one name"));
        let mut doubled = table(private(), 4);
        doubled.columns.push(doubled.columns[1].clone());
        assert_eq!(told(4, vec![doubled]), Some("two columns of a table have one name"));
        let unit = Rows::PerPerson { unit: "sex".to_owned(), rows_per_person_max: 3 };
        let textual = told(4, vec![table(unit, 4)]);
        assert_eq!(textual, Some("a table of records has no whole numbers for its persons"));
    }

    fn said(bytes: &[u8]) -> Result<(), String> {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("f");
        std::fs::write(&path, bytes).unwrap();
        let file = VerifiedFile::open(&path, bytes.len() as u64, Arc::new(Leaves::of(bytes)));
        let read = read(&file.unwrap(), &table(private(), 1));
        read.map(|_| ()).map_err(|error| crate::error::chain(&error))
    }

    #[test]
    fn text_must_say_that_it_is() {
        for (kind, is_read) in [("UTF8", true), ("JSON", false), ("ENUM", false)] {
            let schema =
                format!("message m {{ required int64 person_id; required binary sex ({kind}); }}");
            let schema = Arc::new(parse_message_type(&schema).unwrap());
            let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
            let mut group = writer.next_row_group().unwrap();
            let mut persons = group.next_column().unwrap().unwrap();
            persons.typed::<Int64Type>().write_batch(&[1], None, None).unwrap();
            persons.close().unwrap();
            let mut text = group.next_column().unwrap().unwrap();
            let bytes = ByteArray::from(vec![0xff, 0xfe]);
            text.typed::<ByteArrayType>().write_batch(&[bytes], None, None).unwrap();
            text.close().unwrap();
            group.close().unwrap();
            let said = said(&writer.into_inner().unwrap());
            assert_eq!(said.is_ok(), is_read, "{kind}: {said:?}");
        }
    }

    #[test]
    fn other_columns_and_places_are_not_read() {
        let write = |names: [&str; 2]| {
            let columns: [ArrayRef; 2] =
                [Arc::new(Int64Array::from(vec![1])), Arc::new(StringArray::from(vec!["f"]))];
            let rows = RecordBatch::try_from_iter(names.into_iter().zip(columns)).unwrap();
            let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
            writer.write(&rows).unwrap();
            writer.into_inner().unwrap()
        };
        let right = write(["person_id", "sex"]);
        said(&right).unwrap();
        let other = said(&write(["person_id", "gender"])).unwrap_err();
        assert!(other.contains("not those of its manifest"), "{other}");
        // Without its first half, every place in the footer is past the end.
        let cut = said(&right[right.len() / 2..]).unwrap_err();
        assert!(cut.contains("footer cannot be read"), "{cut}");
        assert!(said(b"PAR1").is_err());
    }
}
