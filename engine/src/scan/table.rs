//! Tables as the planner sees them: declared ones, which have a schema and no rows, and the
//! verified files, bucket by bucket, which take their place once the query is charged.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use ledger_adapter::manifest::Rows;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;

use crate::catalog::{Catalog, TableSpec};
use crate::error::Error;
use crate::scan::copies::{Once, differing};
use crate::scan::file::VerifiedFile;
use crate::scan::leaf::BucketScan;

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

/// A table over all sites, in buckets, or a public table, which has one. [`Once`] tells which rows
/// of several sites are read.
#[derive(Clone, Debug)]
pub(crate) struct BucketTable {
    pub(crate) spec: Arc<TableSpec>,
    /// By bucket, then site.
    pub(crate) files: Arc<Vec<Vec<OpenFile>>>,
    pub(crate) once: Once,
}

/// A file whose footer was read and found right.
#[derive(Clone, Debug)]
pub(crate) struct OpenFile {
    pub(crate) file: VerifiedFile,
    pub(crate) metadata: ArrowReaderMetadata,
    /// Whether it says that its rows are in order of person.
    pub(crate) is_ordered: bool,
}

impl BucketTable {
    /// Opens the files of all buckets.
    ///
    /// # Errors
    /// [`Error::Untrusted`] if one is missing or has another length than attested, or its footer
    /// is not as attested, or says something else than the manifest.
    pub(crate) fn open(
        catalog: &Catalog,
        spec: &Arc<TableSpec>,
        buckets: usize,
    ) -> Result<Self, Error> {
        let (sources, single) = match &spec.rows {
            Rows::Public => (differing(catalog, spec), false),
            Rows::PerPerson { rows_per_person_max, .. } => {
                let sources = spec.sources.iter().copied();
                let here = sources.filter(|(extract, _)| catalog.records().include(*extract));
                (here.collect(), *rows_per_person_max == 1)
            }
        };
        let buckets = if spec.rows == Rows::Public { 1 } else { buckets };
        let open = |bucket: usize| {
            let files = sources.iter().map(|(extract, table)| {
                let extract = &catalog.extracts()[*extract];
                let file = extract.file(*table, bucket)?;
                let footer = extract.footer((*table, bucket), &file)?;
                Ok(OpenFile::new(file, footer, spec))
            });
            files.collect::<Result<Vec<_>, Error>>()
        };
        let files = (0..buckets).map(open).collect::<Result<Vec<_>, Error>>()?;
        let once = Once::of(spec, single, sources.len());
        Ok(Self { spec: Arc::clone(spec), files: Arc::new(files), once })
    }

    /// Whether all files say that their rows are in order of person.
    pub(crate) fn is_ordered(&self) -> bool {
        self.spec.unit().is_some() && self.files.iter().flatten().all(|file| file.is_ordered)
    }

    /// Rows of all files.
    pub(crate) fn rows(&self) -> usize {
        let rows = |file: &OpenFile| file.metadata.metadata().file_metadata().num_rows();
        let rows = self.files.iter().flatten().map(rows);
        rows.map(|rows| usize::try_from(rows).unwrap_or(0)).sum()
    }
}

impl OpenFile {
    fn new(file: VerifiedFile, metadata: ArrowReaderMetadata, spec: &TableSpec) -> Self {
        let unit = spec.unit().and_then(|unit| spec.schema.index_of(unit).ok());
        let is_ordered = metadata.metadata().row_groups().iter().all(|group| {
            let first = group.sorting_columns().and_then(|columns| columns.first());
            first.is_some_and(|first| {
                !first.descending && usize::try_from(first.column_idx).ok() == unit
            })
        });
        Self { file, metadata, is_ordered: is_ordered && unit.is_some() }
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
        Ok(Arc::new(BucketScan::new(self.clone(), columns)?))
    }
}
