//! The one stage of a query on a cluster: a ticket for each bucket, and what to do with it.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::TryStreamExt;

use crate::aggregate::part;
use crate::cluster::work::{Extracts, Work};

/// Bounds the bucket of each ticket. It has no child but the tickets: whatever else Ballista saw,
/// it would cut into stages of its own, and give to each task a part of.
#[derive(Debug)]
pub(crate) struct TicketExec {
    tickets: Arc<dyn ExecutionPlan>,
    work: Arc<Work>,
    extracts: Arc<Extracts>,
    properties: Arc<PlanProperties>,
}

impl TicketExec {
    /// Does `work` for each of the `tickets`, of which there is one in a partition.
    pub(crate) fn new(
        tickets: Arc<dyn ExecutionPlan>,
        work: Arc<Work>,
        extracts: Arc<Extracts>,
    ) -> Self {
        let partitions = tickets.properties().partitioning.partition_count();
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(schema()),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Final,
            Boundedness::Bounded,
        ));
        Self { tickets, work, extracts, properties }
    }

    /// What is to be done.
    pub(crate) fn work(&self) -> &Work {
        &self.work
    }

    fn over(
        &self,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let (Some(tickets), true) = (children.pop(), children.is_empty()) else {
            return Err(DataFusionError::Internal("tickets are of one kind".to_owned()));
        };
        let (work, extracts) = (Arc::clone(&self.work), Arc::clone(&self.extracts));
        Ok(Arc::new(Self::new(tickets, work, extracts)))
    }

    /// The tickets.
    pub(crate) fn tickets(&self) -> &Arc<dyn ExecutionPlan> {
        &self.tickets
    }
}

/// A ticket for each of these buckets: a leaf that Ballista knows how to give out.
///
/// # Errors
/// If they make no batches, which is ours.
pub(crate) fn tickets(buckets: &[u32]) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let schema = Arc::new(Schema::new(vec![bucket_field()]));
    let ticket = |bucket: &u32| {
        let bucket: ArrayRef = Arc::new(UInt32Array::from(vec![*bucket]));
        Ok(vec![RecordBatch::try_new(Arc::clone(&schema), vec![bucket])?])
    };
    let tickets = buckets.iter().map(ticket).collect::<PlanResult<Vec<_>>>()?;
    Ok(MemorySourceConfig::try_new_exec(&tickets, Arc::clone(&schema), None)?)
}

/// The parts of a bucket from what was told of it, if that is all of it, and of this bucket.
///
/// # Errors
/// If it is not.
pub(crate) fn untold(batches: &[RecordBatch], bucket: u32) -> PlanResult<Vec<RecordBatch>> {
    let fault = |what: &str| DataFusionError::Execution(what.to_owned());
    let Some((end, parts)) = batches.split_last() else { return Err(fault("no sums at all")) };
    let rows = parts.iter().map(RecordBatch::num_rows).sum();
    if *end != ended(bucket, rows)? {
        return Err(fault("the sums of a bucket have no end"));
    }
    let part = |batch: &RecordBatch| {
        let told = batch.columns().first().and_then(|c| c.as_primitive_opt::<UInt32Type>());
        let is_told = told.is_some_and(|told| told.values().iter().all(|told| *told == bucket));
        if !is_told || batch.schema() != schema() {
            return Err(fault("the sums of another bucket"));
        }
        Ok(RecordBatch::try_new(part::schema(), batch.columns()[1..].to_vec())?)
    };
    parts.iter().map(part).collect()
}

/// The row after the last one of a bucket, which says how many there are.
fn ended(bucket: u32, rows: usize) -> PlanResult<RecordBatch> {
    let rows = u32::try_from(rows).map_err(|e| DataFusionError::External(Box::new(e)))?;
    let number = |number: u32| Arc::new(UInt32Array::from(vec![number])) as ArrayRef;
    let nothing = || Arc::new(BinaryArray::from(vec![&b""[..]])) as ArrayRef;
    let columns = vec![number(bucket), number(END), number(rows), nothing(), nothing(), nothing()];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

fn told(batch: &RecordBatch, bucket: u32) -> PlanResult<RecordBatch> {
    let told: ArrayRef = Arc::new(UInt32Array::from(vec![bucket; batch.num_rows()]));
    let columns = std::iter::once(told).chain(batch.columns().iter().cloned()).collect();
    Ok(RecordBatch::try_new(schema(), columns)?)
}

fn bucket_field() -> Field {
    Field::new("bucket", DataType::UInt32, false)
}

/// The bucket, then the columns of a part.
fn schema() -> SchemaRef {
    let part = part::schema();
    let fields = part.fields().iter().map(|field| field.as_ref().clone());
    Arc::new(Schema::new(std::iter::once(bucket_field()).chain(fields).collect::<Vec<_>>()))
}

impl DisplayAs for TicketExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Schedulers log it.
        f.write_str("TicketExec")
    }
}

impl ExecutionPlan for TicketExec {
    fn name(&self) -> &'static str {
        "TicketExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.tickets]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.over(children)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.over(children)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> PlanResult<SendableRecordBatchStream> {
        let mut tickets = self.tickets.execute(partition, Arc::clone(&context))?;
        let (work, extracts) = (Arc::clone(&self.work), Arc::clone(&self.extracts));
        let parts = async move {
            let none = || DataFusionError::Execution("a task has one ticket".to_owned());
            let ticket = tickets.try_next().await?.ok_or_else(none)?;
            let bucket = ticket.columns().first().and_then(|c| c.as_primitive_opt::<UInt32Type>());
            let [bucket] = bucket.map(|bucket| bucket.values().as_ref()).unwrap_or_default() else {
                return Err(none());
            };
            if tickets.try_next().await?.is_some() {
                return Err(none());
            }
            let (bucket, number) = (*bucket, *bucket as usize);
            let parts: Vec<RecordBatch> = match work.over(number, &extracts, &context)? {
                Some(bound) => bound.execute(0, context)?.try_collect().await?,
                None => vec![],
            };
            let rows = parts.iter().map(RecordBatch::num_rows).sum();
            let parts = parts.iter().map(|part| told(part, bucket));
            let told: Vec<_> = parts.chain([ended(bucket, rows)]).collect();
            Ok(futures::stream::iter(told))
        };
        let parts = futures::stream::once(parts).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema(), parts)))
    }
}

/// What the last row is about; parts have no such section.
const END: u32 = u32::MAX;
