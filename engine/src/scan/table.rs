//! Tables as the planner sees them: declared ones, which have a schema and no rows, and one
//! bucket of the verified files, which takes their place once the query is charged.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, SchemaRef};
use arrow::error::ArrowError;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use ledger_adapter::bucket::bucket_of;
use ledger_adapter::manifest::Rows;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::catalog::{Catalog, TableSpec};
use crate::error::Error;
use crate::scan::copies::{Once, Seen, differing};
use crate::scan::file::VerifiedFile;

/// A table of the catalog before the gate: names and types, no rows.
#[derive(Debug)]
pub(crate) struct DeclaredTable {
    pub(crate) spec: Arc<TableSpec>,
}

impl DeclaredTable {
    pub(crate) const fn new(spec: Arc<TableSpec>) -> Self {
        Self { spec }
    }
}

#[async_trait]
impl TableProvider for DeclaredTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.spec.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        _: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Err(DataFusionError::Internal("a declared table has no rows".to_owned()))
    }
}

/// One bucket of a table over all sites, or a public table. [`Once`] tells which rows of several
/// sites are read.
#[derive(Clone, Debug)]
pub(crate) struct BucketTable {
    spec: Arc<TableSpec>,
    files: Vec<VerifiedFile>,
    once: Once,
    /// The bucket, and the number of buckets; `None` for a public table.
    bucket: Option<(u32, u32)>,
}

impl BucketTable {
    /// Opens the files of `bucket`.
    ///
    /// # Errors
    /// [`Error::Untrusted`] if one is missing or has another length than attested.
    pub(crate) fn open(
        catalog: &Catalog,
        spec: &Arc<TableSpec>,
        bucket: usize,
    ) -> Result<Self, Error> {
        let (sources, file, single) = match &spec.rows {
            Rows::Public => (differing(catalog, spec), 0, false),
            Rows::PerPerson { rows_per_person_max, .. } => {
                let sources = spec.sources.iter().copied();
                let here = sources.filter(|(extract, _)| catalog.records().include(*extract));
                (here.collect(), bucket, *rows_per_person_max == 1)
            }
        };
        let files: Vec<VerifiedFile> = sources
            .iter()
            .map(|(extract, table)| catalog.extracts()[*extract].file(*table, file))
            .collect::<Result<_, _>>()?;
        let once = Once::of(spec, single, files.len());
        let number = u32::try_from(bucket)
            .map_err(|_| Error::Internal("the number of a bucket does not fit"))?;
        let bucket = spec.unit().map(|_| (number, catalog.buckets()));
        Ok(Self { spec: Arc::clone(spec), files, once, bucket })
    }
}

#[async_trait]
impl TableProvider for BucketTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.spec.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.spec.columns.len()).collect();
        let columns = projection.unwrap_or(&all).clone();
        let schema = Arc::new(self.spec.schema.project(&columns)?);
        let part = BucketStream { table: self.clone(), columns, schema: Arc::clone(&schema) };
        let partitions: Vec<Arc<dyn PartitionStream>> = vec![Arc::new(part)];
        Ok(Arc::new(StreamingTableExec::try_new(schema, partitions, None, [], false, None)?))
    }
}

/// The rows of a bucket, site after site.
#[derive(Debug)]
struct BucketStream {
    table: BucketTable,
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl PartitionStream for BucketStream {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let reader = BucketReader {
            table: self.table.clone(),
            columns: self.columns.clone(),
            schema: Arc::clone(&self.schema),
            batch_rows: context.session_config().batch_size(),
            site: 0,
            open: None,
            seen: Seen::default(),
        };
        let stream = futures::stream::iter(reader);
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream))
    }
}

/// Reads the sites' files one after another.
struct BucketReader {
    table: BucketTable,
    columns: Vec<usize>,
    schema: SchemaRef,
    batch_rows: usize,
    site: usize,
    open: Option<ParquetRecordBatchReader>,
    /// What of the table was read, as far as rows of later sites depend on it.
    seen: Seen,
}

impl Iterator for BucketReader {
    type Item = PlanResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(reader) = &mut self.open {
                if let Some(batch) = reader.next() {
                    return Some(batch.and_then(|batch| self.finish(&batch)).map_err(Into::into));
                }
                self.open = None;
                self.seen.next_site();
                self.site += 1;
            }
            let file = self.table.files.get(self.site)?.clone();
            match self.reader(file) {
                Ok(reader) => self.open = Some(reader),
                Err(error) => {
                    self.site = self.table.files.len();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl BucketReader {
    fn reader(&self, file: VerifiedFile) -> PlanResult<ParquetRecordBatchReader> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
        if builder.schema().fields().len() != self.table.spec.columns.len() {
            return Err(shape());
        }
        for (found, declared) in
            builder.schema().fields().iter().zip(self.table.spec.schema.fields())
        {
            if found.name() != declared.name() || found.data_type() != declared.data_type() {
                return Err(shape());
            }
        }
        let mut wanted = self.columns.clone();
        let names = self.table.once.columns().iter();
        wanted.extend(names.filter_map(|name| self.table.spec.schema.index_of(name).ok()));
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
        Ok(builder.with_projection(mask).with_batch_size(self.batch_rows).build()?)
    }

    /// Orders the columns as asked, makes values total, and drops what earlier sites had.
    fn finish(&mut self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        self.check_bucket(batch)?;
        let batch = self.seen.new_rows(&self.table.once, batch)?;
        let columns: Vec<ArrayRef> = self
            .columns
            .iter()
            .map(|index| {
                let name = &self.table.spec.columns[*index].name;
                batch.column_by_name(name).map(total).ok_or_else(|| {
                    ArrowError::SchemaError("the file is not as its manifest says".to_owned())
                })
            })
            .collect::<Result<_, _>>()?;
        let options =
            arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }

    /// A person in two buckets would be bounded twice: the extract is not what its manifest says.
    fn check_bucket(&self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let Some((bucket, buckets)) = self.table.bucket else { return Ok(()) };
        let unit = self.table.spec.unit().unwrap_or_default();
        // Every plan over persons reads the person; a batch without it is of a step of none.
        let Some(units) = batch.column_by_name(unit) else { return Ok(()) };
        let units = units.as_primitive_opt::<Int64Type>();
        let stray = |units: &arrow::array::Int64Array| {
            units.values().iter().any(|person| bucket_of(*person, buckets) != bucket)
        };
        if units.is_none_or(|units| units.null_count() > 0 || stray(units)) {
            return Err(ArrowError::SchemaError("a person is in another's bucket".to_owned()));
        }
        Ok(())
    }
}

/// Replaces what no expression rule allows for by null: floats that are not finite, and dates
/// outside [`DATE_MIN`]..=[`DATE_MAX`], beyond which date arithmetic may fail.
fn total(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>();
            if values.iter().flatten().all(f64::is_finite) {
                return Arc::clone(column);
            }
            Arc::new(values.iter().map(|v| v.filter(|v| v.is_finite())).collect::<Float64Array>())
        }
        DataType::Date32 => {
            let values = column.as_primitive::<Date32Type>();
            if values.iter().flatten().all(|v| (DATE_MIN..=DATE_MAX).contains(&v)) {
                return Arc::clone(column);
            }
            let kept = values.iter().map(|v| v.filter(|v| (DATE_MIN..=DATE_MAX).contains(v)));
            Arc::new(kept.collect::<Date32Array>())
        }
        _ => Arc::clone(column),
    }
}

fn shape() -> DataFusionError {
    DataFusionError::Execution("the file is not as its manifest says".to_owned())
}

/// 1850-01-01, in days since 1970-01-01: no person alive in any record was born before.
pub(crate) const DATE_MIN: i32 = -43_829;

/// 2150-12-31, in days since 1970-01-01.
pub(crate) const DATE_MAX: i32 = 66_108;
