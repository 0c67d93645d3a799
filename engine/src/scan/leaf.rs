//! The leaf of plans over records: one bucket of a table, which the task names.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ColumnStatistics, Statistics};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use serde::{Deserialize, Serialize};

use crate::scan::reader::BucketReader;
use crate::scan::table::BucketTable;

/// Which bucket a task is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Bucket(pub(crate) usize);

/// What a leaf reads, as it is told to other machines.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Told {
    /// The table.
    pub(crate) table: String,
    /// Numbers of its columns.
    pub(crate) columns: Vec<usize>,
    /// Places among those, of text that is read as dictionaries.
    pub(crate) dictionaries: BTreeSet<usize>,
}

/// Reads some columns of a table, and checks every byte that it reads. It has one partition: the
/// bucket of the task, or all of a public table. If the files are in order of person, so is it.
#[derive(Debug)]
pub(crate) struct BucketScan {
    table: BucketTable,
    columns: Vec<usize>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl BucketScan {
    /// Reads `columns` of `table`, by their numbers.
    ///
    /// # Errors
    /// If there is no such column, which is ours.
    pub(crate) fn new(table: BucketTable, columns: Vec<usize>) -> PlanResult<Self> {
        let schema = Arc::new(table.spec.schema.project(&columns)?);
        Ok(Self::of(table, columns, schema))
    }

    fn of(table: BucketTable, columns: Vec<usize>, schema: SchemaRef) -> Self {
        let unit = table.spec.unit().and_then(|unit| schema.index_of(unit).ok().zip(Some(unit)));
        let by_person = unit.filter(|_| table.is_ordered()).map(|(index, unit)| {
            let options = SortOptions { descending: false, nulls_first: false };
            [PhysicalSortExpr::new(Arc::new(Column::new(unit, index)), options)]
        });
        let ordering = EquivalenceProperties::new_with_orderings(Arc::clone(&schema), by_person);
        let properties = Arc::new(PlanProperties::new(
            ordering,
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Self { table, columns, schema, properties }
    }

    /// Whether its rows are of nobody, and so the same for each bucket.
    pub(crate) fn is_public(&self) -> bool {
        self.table.spec.unit().is_none()
    }

    /// What it reads.
    pub(crate) fn told(&self) -> Told {
        let fields = self.schema.fields().iter().enumerate();
        let is_coded = |field: &FieldRef| matches!(field.data_type(), DataType::Dictionary(..));
        Told {
            table: self.table.spec.name.clone(),
            columns: self.columns.clone(),
            dictionaries: fields.filter(|(_, f)| is_coded(f)).map(|(place, _)| place).collect(),
        }
    }

    /// The same with text in these columns as dictionaries; `None` if none of them is text, or
    /// several sites have rows, which would have to have one dictionary.
    ///
    /// # Errors
    /// If the columns make no schema, which is ours.
    pub(crate) fn with_dictionaries(
        &self,
        columns: &BTreeSet<usize>,
    ) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
        let is_text = |place: &usize| self.schema.field(*place).data_type() == &DataType::Utf8;
        if self.table.files.iter().any(|files| files.len() > 1) || !columns.iter().any(is_text) {
            return Ok(None);
        }
        let field = |(place, field): (usize, &FieldRef)| {
            if columns.contains(&place) && is_text(&place) {
                let field = field.as_ref().clone();
                Arc::new(field.with_data_type(DataType::Dictionary(
                    Box::new(DataType::Int32),
                    Box::new(DataType::Utf8),
                )))
            } else {
                Arc::clone(field)
            }
        };
        let fields: Vec<FieldRef> = self.schema.fields().iter().enumerate().map(field).collect();
        let scan =
            Self::of(self.table.clone(), self.columns.clone(), Arc::new(Schema::new(fields)));
        Ok(Some(Arc::new(scan)))
    }
}

impl DisplayAs for BucketScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.schema.fields().iter().map(|field| field.name().as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        write!(f, "BucketScan: {} [{names}]", self.table.spec.name)
    }
}

impl ExecutionPlan for BucketScan {
    fn name(&self) -> &'static str {
        "BucketScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        _: usize,
        context: Arc<TaskContext>,
    ) -> PlanResult<SendableRecordBatchStream> {
        let config = context.session_config();
        let bucket = match (self.table.spec.unit(), config.get_extension::<Bucket>()) {
            (None, _) => 0,
            (Some(_), Some(bucket)) => bucket.0,
            (Some(_), None) => {
                let fault = "records are read outside of a bucket".to_owned();
                return Err(DataFusionError::Internal(fault));
            }
        };
        let rows = config.batch_size();
        let reader = BucketReader::new(&self.table, bucket, &self.columns, &self.schema, rows)?;
        let stream = futures::stream::iter(reader);
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream)))
    }

    /// How many rows there are over all buckets, so that joins keep the smaller side in memory:
    /// public rows rather than records, as they are read once if they are kept, and for each bucket
    /// if they are not.
    fn partition_statistics(&self, _: Option<usize>) -> PlanResult<Arc<Statistics>> {
        let rows = self.table.rows();
        let rows = if self.is_public() { rows / ONCE } else { rows };
        let columns = self.columns.iter().map(|_| ColumnStatistics::new_unknown()).collect();
        Ok(Arc::new(Statistics {
            num_rows: Precision::Inexact(rows),
            total_byte_size: Precision::Absent,
            column_statistics: columns,
        }))
    }
}

/// How many times dearer a row is that is read for each bucket: about as many as there are.
const ONCE: usize = 256;
