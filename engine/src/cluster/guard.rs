//! What an executor takes on: stages of tickets, and nothing else that a plan of Ballista's might
//! be. What a bucket came to lies in files that only the executor's user reads.

use std::any::Any;
use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::ipc::writer::StreamWriter;
use async_trait::async_trait;
use ballista_core::JobId;
use ballista_core::execution_plans::{ShuffleWriterExec, create_shuffle_path};
use ballista_core::serde::protobuf::ShuffleWritePartition;
use ballista_executor::execution_engine::{ExecutionEngine, QueryStageExecutor};
use datafusion::common::exec_err;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _};
use datafusion::prelude::SessionConfig;
use futures::TryStreamExt;

use crate::cluster::ticket::TicketExec;

/// See the module.
#[derive(Debug)]
pub(crate) struct Guard;

impl ExecutionEngine for Guard {
    fn create_query_stage_exec(
        &self,
        job: JobId,
        stage: usize,
        task: usize,
        partitions: Vec<usize>,
        plan: Arc<dyn ExecutionPlan>,
        directory: &str,
        _: &SessionConfig,
    ) -> PlanResult<Arc<dyn QueryStageExecutor>> {
        let tickets = plan.downcast_ref::<ShuffleWriterExec>().and_then(|writer| {
            let [stage] = writer.children()[..] else { return None };
            let leaf = stage.downcast_ref::<TicketExec>()?.tickets();
            let leaf = leaf.downcast_ref::<DataSourceExec>()?;
            let source: &dyn Any = leaf.data_source().as_ref();
            let _: &MemorySourceConfig = source.downcast_ref()?;
            Some(Arc::clone(stage))
        });
        let Some(plan) = tickets else { return exec_err!("not a stage of tickets") };
        // Tickets that were not dealt out would count in every task.
        if plan.output_partitioning().partition_count() != partitions.len() {
            return exec_err!("not as many tickets as partitions");
        }
        let directory = directory.to_owned();
        Ok(Arc::new(Stage { job, stage, task, partitions, plan, directory }))
    }
}

#[derive(Debug)]
struct Stage {
    job: JobId,
    stage: usize,
    task: usize,
    partitions: Vec<usize>,
    plan: Arc<dyn ExecutionPlan>,
    directory: String,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tickets")
    }
}

#[async_trait]
impl QueryStageExecutor for Stage {
    async fn execute_query_stage(
        &self,
        _: usize,
        context: Arc<TaskContext>,
    ) -> PlanResult<Vec<ShuffleWritePartition>> {
        let mut written = Vec::with_capacity(self.partitions.len());
        let file_id = Some(u64::try_from(self.task).unwrap_or(u64::MAX));
        for (local, partition) in self.partitions.iter().enumerate() {
            let parts = self.plan.execute(local, Arc::clone(&context))?;
            let parts: Vec<RecordBatch> = parts.try_collect().await?;
            let (job, stage) = (&self.job, self.stage);
            let path =
                create_shuffle_path(&self.directory, job, stage, *partition, file_id, false)?;
            let (batches, rows) = (parts.len(), parts.iter().map(RecordBatch::num_rows).sum());
            let write = tokio::task::spawn_blocking(move || kept(&path, &parts));
            let bytes = write.await.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??;
            let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
            written.push(ShuffleWritePartition {
                partition_id: number(*partition),
                num_batches: number(batches),
                num_rows: number(rows),
                num_bytes: number(bytes),
                file_id,
                is_sort_shuffle: false,
            });
        }
        Ok(written)
    }

    /// How many rows were read is nobody's business.
    fn collect_plan_metrics(&self) -> Vec<MetricsSet> {
        vec![]
    }
}

/// Writes parts to a file of our own.
fn kept(path: &Path, parts: &[RecordBatch]) -> PlanResult<usize> {
    let Some(first) = parts.first() else { return exec_err!("no sums at all") };
    let mut writer = StreamWriter::try_new(Vec::new(), &first.schema())?;
    parts.iter().try_for_each(|part| writer.write(part))?;
    let bytes = writer.into_inner()?;
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(&bytes)?;
    Ok(bytes.len())
}
