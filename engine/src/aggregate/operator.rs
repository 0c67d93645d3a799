//! The one operator that bounds persons and adds them up, over buckets of records.
//!
//! ```text
//!  BoundExec        partition p: buckets p, p + P, p + 2P, …    one part each, see `part`
//!    rows           the plan of a row's person, keys and contributions, over one bucket
//!    values         …of its person, keys and a value, for each nested column
//! ```
//! Its inputs have one partition, and are run anew for each bucket: which one is told to the leaves
//! by the task ([`Bucket`]), and public tables that it joins with are made once. If an input is in
//! order of person, persons are bounded as they come, else rows are put aside first
//! ([`Unclustered`]). Nothing below it sees a part of a person, and no rule of an optimizer moves
//! anything through it: it is put on top of finished plans.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::SortOptions;
use arrow::datatypes::Int64Type;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning,
    PlanProperties,
};
use futures::{StreamExt, TryStreamExt};

use crate::aggregate::again::again;
use crate::aggregate::bounding::Bounder;
use crate::aggregate::cells::Cells;
use crate::aggregate::groups::Groups;
use crate::aggregate::nested::{Valued, Values};
use crate::aggregate::part::{Part, schema};
use crate::aggregate::rank::Ranks;
use crate::aggregate::runs::{Run, Runs};
use crate::aggregate::spec::Spec;
use crate::aggregate::unclustered::Unclustered;
use crate::asker::Progress;
use crate::scan::leaf::Bucket;

/// See the module.
#[derive(Debug)]
pub(crate) struct BoundExec {
    /// By partition: the plan of rows, then those of values. Each partition has its own, because
    /// some operators keep what they found in one bucket until they are reset for the next.
    inputs: Vec<Vec<Arc<dyn ExecutionPlan>>>,
    spec: Arc<Spec>,
    buckets: Range<usize>,
    properties: Arc<PlanProperties>,
}

impl BoundExec {
    /// Bounds the persons of some buckets, as many at a time as there are copies of the inputs: of
    /// each copy the plan of rows, then those of values.
    pub(crate) fn new(
        inputs: Vec<Vec<Arc<dyn ExecutionPlan>>>,
        spec: Arc<Spec>,
        buckets: Range<usize>,
    ) -> Self {
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(schema()),
            Partitioning::UnknownPartitioning(inputs.len()),
            EmissionType::Final,
            Boundedness::Bounded,
        ));
        let in_one = |inputs: Vec<_>| inputs.into_iter().map(in_one).collect();
        let inputs = inputs.into_iter().map(in_one).collect();
        Self { inputs, spec, buckets, properties }
    }

    /// The same over other inputs, in the order of the old ones.
    fn over(&self, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Arc<dyn ExecutionPlan> {
        let copies = self.inputs.len().max(1);
        let inputs = inputs.chunks(inputs.len().div_ceil(copies).max(1)).map(<[_]>::to_vec);
        Arc::new(Self::new(inputs.collect(), Arc::clone(&self.spec), self.buckets.clone()))
    }
}

impl DisplayAs for BoundExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inputs = self.inputs.first().map(Vec::as_slice).unwrap_or_default();
        let ordered = inputs.iter().filter(|input| is_clustered(input)).count();
        let inputs = inputs.len();
        write!(
            f,
            "BoundExec: buckets={}, in order of person={ordered}/{inputs}",
            self.buckets.len()
        )
    }
}

impl ExecutionPlan for BoundExec {
    fn name(&self) -> &'static str {
        "BoundExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().flatten().collect()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        inputs: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(self.over(inputs))
    }

    fn with_new_children(
        self: Arc<Self>,
        inputs: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(self.over(inputs))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> PlanResult<SendableRecordBatchStream> {
        let inputs = self.inputs.get(partition).cloned().unwrap_or_default();
        let (spec, partitions) = (Arc::clone(&self.spec), self.inputs.len().max(1));
        let buckets: Vec<usize> =
            self.buckets.clone().skip(partition).step_by(partitions).collect();
        let parts = async move {
            let parts = computed(&inputs, &spec, &buckets, &context).await?;
            Ok::<_, DataFusionError>(futures::stream::iter(parts.into_iter().map(Ok)))
        };
        let parts = futures::stream::once(parts).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema(), parts)))
    }
}

/// A plan with one partition: the input's, if it has one. Those of several come together in order
/// of person, if each is.
fn in_one(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    if input.output_partitioning().partition_count() == 1 {
        return input;
    }
    match LexOrdering::new(by_person(&input)).filter(|_| is_clustered(&input)) {
        Some(order) => Arc::new(SortPreservingMergeExec::new(order, input)),
        None => Arc::new(CoalescePartitionsExec::new(input)),
    }
}

/// Whether the rows of a plan come in order of person, its first column.
fn is_clustered(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.equivalence_properties().ordering_satisfy(by_person(plan)).unwrap_or(false)
}

fn by_person(plan: &Arc<dyn ExecutionPlan>) -> [PhysicalSortExpr; 1] {
    let name = plan.schema().fields().first().map(|field| field.name().clone());
    let person = Column::new(&name.unwrap_or_default(), 0);
    let options = SortOptions { descending: false, nulls_first: false };
    [PhysicalSortExpr::new(Arc::new(person), options)]
}

/// Bounds the persons of some buckets, one bucket after another.
async fn computed(
    inputs: &[Arc<dyn ExecutionPlan>],
    spec: &Spec,
    buckets: &[usize],
    context: &Arc<TaskContext>,
) -> PlanResult<Vec<RecordBatch>> {
    let mut part = Part::default();
    let Some((rows, nested)) = inputs.split_first() else { return part.finish() };
    let mut totals = Totals::new(spec, is_clustered(rows), context)?;
    for bucket in buckets {
        let mut stream = over(rows, *bucket, context)?;
        while let Some(batch) = stream.next().await {
            totals.push(&batch?)?;
        }
        totals.finish().await?;
        if let Some(progress) = context.session_config().get_extension::<Progress>() {
            progress.step();
        }
    }
    part.cells(&totals.cells, totals.groups.codes())?;
    drop(totals);
    for (number, input) in nested.iter().enumerate() {
        let mut values = NestedTotals::new(spec, number, input, context)?;
        for bucket in buckets {
            let mut stream = over(input, *bucket, context)?;
            while let Some(batch) = stream.next().await {
                values.push(&batch?)?;
            }
            values.finish().await?;
        }
        part.values(number, &values.values, &values.valued)?;
    }
    part.finish()
}

/// Runs a plan over one bucket.
fn over(
    plan: &Arc<dyn ExecutionPlan>,
    bucket: usize,
    context: &Arc<TaskContext>,
) -> PlanResult<SendableRecordBatchStream> {
    let config = context.session_config().clone().with_extension(Arc::new(Bucket(bucket)));
    let context = TaskContext::new(
        context.task_id(),
        context.session_id(),
        config,
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        context.runtime_env(),
    );
    again(plan)?.execute(0, Arc::new(context))
}

/// Persons as they come, or as they are brought into order.
#[derive(Debug)]
struct Persons {
    runs: Runs,
    aside: Option<Unclustered>,
}

impl Persons {
    fn new(columns: usize, clustered: bool, context: &TaskContext) -> Self {
        let aside = (!clustered).then(|| Unclustered::new(columns, context));
        Self { runs: Runs::new(columns), aside }
    }

    fn push(
        &mut self,
        persons: &[i64],
        numbers: &[u32],
        columns: &[&[i64]],
        count: usize,
        each: impl FnMut(Run<'_>) -> PlanResult<()>,
    ) -> PlanResult<()> {
        match &mut self.aside {
            Some(aside) => aside.push(persons, numbers, columns),
            None => self.runs.push(persons, numbers, columns, count, each),
        }
    }

    /// The bucket is at its end.
    async fn finish(
        &mut self,
        count: usize,
        mut each: impl FnMut(Run<'_>) -> PlanResult<()>,
    ) -> PlanResult<()> {
        let Self { runs, aside } = self;
        if let Some(aside) = aside {
            let drained = aside.drain(|rows| {
                let columns: Vec<&[i64]> = rows.columns.iter().map(Vec::as_slice).collect();
                runs.push(&rows.persons, &rows.groups, &columns, count, &mut each)?;
                runs.finish(&mut each)
            });
            return drained.await;
        }
        runs.finish(each)
    }
}

/// The totals of a boundary.
struct Totals<'a> {
    keys: usize,
    groups: Groups,
    ranks: Ranks,
    bounder: Bounder<'a>,
    cells: Cells,
    persons: Persons,
    numbers: Vec<u32>,
}

impl<'a> Totals<'a> {
    fn new(spec: &'a Spec, clustered: bool, context: &TaskContext) -> PlanResult<Self> {
        Ok(Self {
            keys: spec.keys.len(),
            groups: Groups::new(&spec.keys, spec.declared.as_deref())?,
            ranks: Ranks::new(spec.choice),
            bounder: Bounder::new(spec),
            cells: Cells::new(spec),
            persons: Persons::new(spec.columns.len(), clustered, context),
            numbers: Vec::new(),
        })
    }

    /// Takes a batch: the person, the keys, what each column adds.
    fn push(&mut self, batch: &RecordBatch) -> PlanResult<()> {
        let (persons, keys, values) = split(batch, self.keys)?;
        self.groups.number(keys, batch.num_rows(), &mut self.numbers)?;
        let codes = self.groups.codes();
        self.ranks.learn(codes.iter().map(|code| &code[..]));
        self.cells.grow(codes.len());
        let values = values.iter().map(numbers).collect::<PlanResult<Vec<_>>>()?;
        let columns: Vec<&[i64]> = values.iter().map(|values| values.values().as_ref()).collect();
        let Self { ranks, bounder, cells, numbers, .. } = self;
        let each = |run: Run<'_>| bounder.add(run, ranks, codes, cells);
        self.persons.push(persons, numbers, &columns, codes.len(), each)
    }

    async fn finish(&mut self) -> PlanResult<()> {
        let Self { groups, ranks, bounder, cells, .. } = self;
        let codes = groups.codes();
        let each = |run: Run<'_>| bounder.add(run, ranks, codes, cells);
        self.persons.finish(codes.len(), each).await
    }
}

/// The values of a nested column.
struct NestedTotals {
    keys: usize,
    valued: Valued,
    values: Values,
    persons: Persons,
    numbers: Vec<u32>,
    ones: Vec<i64>,
}

impl NestedTotals {
    fn new(
        spec: &Spec,
        number: usize,
        input: &Arc<dyn ExecutionPlan>,
        context: &TaskContext,
    ) -> PlanResult<Self> {
        let schema = input.schema();
        let value = schema.fields().get(1 + spec.keys.len()).ok_or_else(shape)?;
        let nested = spec.nested.get(number).ok_or_else(shape)?;
        Ok(Self {
            keys: spec.keys.len(),
            valued: Valued::new(spec, value.data_type())?,
            values: Values::new(spec, *nested),
            persons: Persons::new(1, is_clustered(input), context),
            numbers: Vec::new(),
            ones: Vec::new(),
        })
    }

    /// Takes a batch: the person, the keys, the value.
    fn push(&mut self, batch: &RecordBatch) -> PlanResult<()> {
        let (persons, keys, rest) = split(batch, self.keys)?;
        let value = rest.first().ok_or_else(shape)?;
        self.valued.number(keys, value, &mut self.numbers)?;
        self.values.learn(&self.valued);
        self.ones.resize(batch.num_rows(), 1);
        let Self { valued, values, numbers, ones, .. } = self;
        let each = |run: Run<'_>| {
            values.add(run, valued);
            Ok(())
        };
        self.persons.push(persons, numbers, &[ones], valued.len(), each)
    }

    async fn finish(&mut self) -> PlanResult<()> {
        let Self { valued, values, .. } = self;
        let each = |run: Run<'_>| {
            values.add(run, valued);
            Ok(())
        };
        self.persons.finish(valued.len(), each).await
    }
}

/// The person, the keys, and the rest of a batch.
fn split(batch: &RecordBatch, keys: usize) -> PlanResult<(&[i64], &[ArrayRef], &[ArrayRef])> {
    let columns = batch.columns();
    let persons = columns.first().and_then(|column| column.as_primitive_opt::<Int64Type>());
    let persons = persons.ok_or_else(shape)?;
    if persons.null_count() > 0 {
        return Err(DataFusionError::Execution("a record has no person".to_owned()));
    }
    let (keys, rest) = columns[1..].split_at_checked(keys).ok_or_else(shape)?;
    Ok((persons.values(), keys, rest))
}

/// Whole numbers, with zeros where there are none.
fn numbers(column: &ArrayRef) -> PlanResult<arrow::array::Int64Array> {
    let values = column.as_primitive_opt::<Int64Type>().ok_or_else(shape)?;
    if values.null_count() == 0 {
        return Ok(values.clone());
    }
    Ok(values.iter().map(|value| Some(value.unwrap_or(0))).collect())
}

fn shape() -> DataFusionError {
    DataFusionError::Internal("contributions have another shape".to_owned())
}
