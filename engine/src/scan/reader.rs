//! Reads one bucket: sites one after another, or person by person where all are in that order.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, RecordBatch,
    RecordBatchOptions,
};
use arrow::datatypes::{DataType, Date32Type, FieldRef, Float64Type, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::error::Result as PlanResult;
use ledger_adapter::bucket::bucket_of;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};

use crate::scan::copies::Seen;
use crate::scan::merge::Merge;
use crate::scan::table::{BucketTable, OpenFile};

/// The rows of one bucket, as a table's columns.
pub(crate) enum BucketReader {
    /// Site after site.
    Chained(Box<Chained>),
    /// The sites' rows in order of person.
    Merged(Merge<SiteReader>),
}

impl BucketReader {
    /// Reads `bucket` of a table: `columns` of it, at most `batch_rows` at a time.
    pub(crate) fn new(
        table: &BucketTable,
        bucket: usize,
        columns: &[usize],
        schema: &SchemaRef,
        batch_rows: usize,
    ) -> PlanResult<Self> {
        let wanted = Wanted::new(table, bucket, columns, schema, batch_rows);
        let files = table.files.get(bucket).map(Vec::as_slice).unwrap_or_default();
        let unit = table.spec.unit().and_then(|unit| {
            let mut names = wanted.schema.fields().iter();
            names.position(|field| field.name() == unit)
        });
        match unit {
            Some(unit) if files.len() > 1 && table.is_ordered() => {
                let sites = files.iter().map(|file| SiteReader::new(file, &wanted));
                let once = matches!(table.once, crate::scan::copies::Once::Persons(_));
                Ok(Self::Merged(Merge::new(sites.collect::<PlanResult<_>>()?, unit, once)))
            }
            _ => {
                let files: VecDeque<OpenFile> = files.iter().cloned().collect();
                let (seen, table) = (Seen::default(), table.clone());
                Ok(Self::Chained(Box::new(Chained { table, wanted, files, open: None, seen })))
            }
        }
    }
}

impl Iterator for BucketReader {
    type Item = PlanResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Chained(chained) => chained.next(),
            Self::Merged(merged) => merged.next(),
        }
    }
}

/// What is read of each file.
#[derive(Clone)]
struct Wanted {
    table: BucketTable,
    columns: Vec<usize>,
    schema: SchemaRef,
    batch_rows: usize,
    /// The bucket, and the number of buckets; `None` for a public table.
    bucket: Option<(u32, u32)>,
}

impl Wanted {
    fn new(
        table: &BucketTable,
        bucket: usize,
        columns: &[usize],
        schema: &SchemaRef,
        batch_rows: usize,
    ) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let is_private = table.spec.unit().is_some();
        let bucket = is_private.then(|| (number(bucket), number(table.files.len())));
        let (table, schema) = (table.clone(), Arc::clone(schema));
        Self { table, columns: columns.to_vec(), schema, batch_rows, bucket }
    }
}

/// Reads the sites' files one after another.
pub(crate) struct Chained {
    table: BucketTable,
    wanted: Wanted,
    files: VecDeque<OpenFile>,
    open: Option<SiteReader>,
    /// What of the table was read, as far as rows of later sites depend on it.
    seen: Seen,
}

impl Iterator for Chained {
    type Item = PlanResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(reader) = &mut self.open {
                if let Some(batch) = reader.raw() {
                    let once = &self.table.once;
                    let batch = batch.and_then(|batch| Ok(self.seen.new_rows(once, &batch)?));
                    return Some(batch.and_then(|batch| Ok(finished(&self.wanted, &batch)?)));
                }
                self.open = None;
                self.seen.next_site();
            }
            let file = self.files.pop_front()?;
            match SiteReader::new(&file, &self.wanted) {
                Ok(reader) => self.open = Some(reader),
                Err(error) => {
                    self.files.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Reads one site's file.
pub(crate) struct SiteReader {
    wanted: Wanted,
    reader: ParquetRecordBatchReader,
    is_ordered: bool,
    /// The person of the last row.
    last: Option<i64>,
}

impl SiteReader {
    fn new(open: &OpenFile, wanted: &Wanted) -> PlanResult<Self> {
        let metadata = typed(&open.metadata, wanted)?;
        let schema = &wanted.table.spec.schema;
        let names = wanted.table.once.columns().iter();
        let mut roots: BTreeSet<usize> = wanted.columns.iter().copied().collect();
        roots.extend(names.filter_map(|name| schema.index_of(name).ok()));
        // No column is nested, so that a column is a leaf of the schema.
        let file = open.file.for_columns(metadata.metadata(), &roots);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let reader = builder.with_projection(mask).with_batch_size(wanted.batch_rows).build()?;
        Ok(Self { wanted: wanted.clone(), reader, is_ordered: open.is_ordered, last: None })
    }

    /// The next batch as it is stored, once its persons are found to belong here.
    fn raw(&mut self) -> Option<PlanResult<RecordBatch>> {
        let batch = self.reader.next()?;
        Some(batch.and_then(|batch| self.check(&batch).map(|()| batch)).map_err(Into::into))
    }

    /// A person in two buckets, or at two places of one, would be bounded twice: the extract is
    /// not what its manifest says.
    fn check(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let Some((bucket, buckets)) = self.wanted.bucket else { return Ok(()) };
        let unit = self.wanted.table.spec.unit().unwrap_or_default();
        // Every plan over persons reads the person; a batch without it is of a step of none.
        let Some(units) = batch.column_by_name(unit) else { return Ok(()) };
        let wrong = |fault: &str| ArrowError::SchemaError(fault.to_owned());
        let units: &Int64Array = units
            .as_primitive_opt::<Int64Type>()
            .filter(|units| units.null_count() == 0)
            .ok_or_else(|| wrong("a record has no person"))?;
        let mut last = self.last;
        for unit in units.values() {
            if last == Some(*unit) {
                continue;
            }
            if bucket_of(*unit, buckets) != bucket {
                return Err(wrong("a person is in another's bucket"));
            }
            if self.is_ordered && last.is_some_and(|last| last > *unit) {
                return Err(wrong("persons are not in the order that the file says"));
            }
            last = Some(*unit);
        }
        self.last = last;
        Ok(())
    }
}

impl Iterator for SiteReader {
    type Item = PlanResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.raw()?;
        Some(batch.and_then(|batch| Ok(finished(&self.wanted, &batch)?)))
    }
}

/// The footer with the types in which columns are wanted.
fn typed(footer: &ArrowReaderMetadata, wanted: &Wanted) -> PlanResult<ArrowReaderMetadata> {
    let field = |stored: &FieldRef| match wanted.schema.field_with_name(stored.name()) {
        Ok(field) if field.data_type() != stored.data_type() => {
            Arc::new(stored.as_ref().clone().with_data_type(field.data_type().clone()))
        }
        _ => Arc::clone(stored),
    };
    let fields: Vec<FieldRef> = footer.schema().fields().iter().map(field).collect();
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
    Ok(ArrowReaderMetadata::try_new(Arc::clone(footer.metadata()), options)?)
}

/// Orders the columns as asked, and makes values total.
fn finished(wanted: &Wanted, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = wanted
        .columns
        .iter()
        .map(|index| {
            let name = &wanted.table.spec.columns[*index].name;
            batch.column_by_name(name).map(total).ok_or_else(|| {
                ArrowError::SchemaError("the file is not as its manifest says".to_owned())
            })
        })
        .collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(&wanted.schema), columns, &options)
}

/// Replaces what no expression rule allows for by null: floats that are not finite, and dates
/// outside [`DATE_MIN`]..=[`DATE_MAX`], beyond which date arithmetic may fail.
fn total(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>();
            // What stands below a null may be anything, and is finite as a rule.
            if values.values().iter().all(|value| value.is_finite()) {
                return Arc::clone(column);
            }
            Arc::new(values.iter().map(|v| v.filter(|v| v.is_finite())).collect::<Float64Array>())
        }
        DataType::Date32 => {
            let values = column.as_primitive::<Date32Type>();
            if values.values().iter().all(|v| (DATE_MIN..=DATE_MAX).contains(v)) {
                return Arc::clone(column);
            }
            let kept = values.iter().map(|v| v.filter(|v| (DATE_MIN..=DATE_MAX).contains(v)));
            Arc::new(kept.collect::<Date32Array>())
        }
        _ => Arc::clone(column),
    }
}

/// 1850-01-01, in days since 1970-01-01: no person alive in any record was born before.
pub(crate) const DATE_MIN: i32 = -43_829;

/// 2150-12-31, in days since 1970-01-01.
pub(crate) const DATE_MAX: i32 = 66_108;
