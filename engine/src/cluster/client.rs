//! The coordinator's side: work goes out, exact sums of each bucket come back, each once.
//!
//! Ballista's own client is not used: when an executor is lost it fails, or takes the partitions
//! that were done anew twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use ballista_core::client::BallistaClient;
use ballista_core::extension::{
    BallistaConfigGrpcEndpoint, SessionConfigExt, SessionConfigHelperExt,
};
use ballista_core::serde::protobuf::execute_query_params::Query;
use ballista_core::serde::protobuf::execute_query_result::Result as Accepted;
use ballista_core::serde::protobuf::job_status::Status;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{
    CleanJobDataParams, ExecuteQueryParams, GetJobStatusParams, PartitionLocation,
    RemoveSessionParams,
};
use ballista_core::version::insert_version_header;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;
use futures::TryStreamExt;
use prost::Message;
use tokio::task::JoinSet;
use tonic::Request;
use tonic::transport::Channel;

use crate::aggregate::exact::Sums;
use crate::catalog::Catalog;
use crate::cluster::codec::StageCodec;
use crate::cluster::papers::endpoint;
use crate::cluster::ticket::{TicketExec, tickets, untold};
use crate::cluster::{ClusterError, MESSAGE_BYTES_MAX, Papers, Work};
use crate::error::chain;

/// A cluster that computes buckets.
#[derive(Clone, Debug)]
pub struct Cluster {
    address: String,
    papers: Papers,
    patience: Duration,
}

/// The sums of one bucket.
type Parts = (u32, Vec<RecordBatch>);

impl Cluster {
    /// The cluster whose scheduler is at `address`, a host and a port. It is given up if nothing
    /// comes of it for as long as `patience`.
    pub fn new(address: &str, papers: Papers, patience: Duration) -> Self {
        Self { address: address.to_owned(), papers, patience }
    }

    /// Sees that it hears us, that an executor is there, and that it finds the extracts: it has a
    /// ticket done that reads no record.
    ///
    /// # Errors
    /// [`ClusterError::Unreachable`].
    pub(crate) async fn reach(&self, catalog: &Catalog) -> Result<(), ClusterError> {
        let unreachable = |error: ClusterError| match error {
            ClusterError::Unreachable { .. } => error,
            other => {
                ClusterError::Unreachable { address: self.address.clone(), reason: chain(&other) }
            }
        };
        let work = Arc::new(Work::of_nothing(catalog)?);
        let reached = async {
            let job = self.job(&work, &[0]).await?;
            let place = job.places.first().ok_or(ClusterError::Answer("no place"))?;
            let fetched = self.fetch(place, &[0]).await;
            self.clean(job).await;
            fetched.map(|_| ())
        };
        let late = |_| ClusterError::GivenUp("no executor takes a ticket".to_owned());
        let reached = tokio::time::timeout(self.patience.min(REACH_MAX), reached).await;
        reached.map_err(late).flatten().map_err(unreachable)
    }

    /// Adds the exact sums of every bucket from 0 to `buckets` to `sums`, each once.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub(crate) async fn compute(
        &self,
        work: Work,
        buckets: usize,
        sums: &mut Sums,
    ) -> Result<(), ClusterError> {
        let work = Arc::new(work);
        let buckets = u32::try_from(buckets).map_err(|_| ClusterError::Answer("buckets"))?;
        let mut missing: BTreeSet<u32> = (0..buckets).collect();
        let (mut since, mut failures) = (None, 0);
        while !missing.is_empty() {
            let asked: Vec<u32> = missing.iter().copied().collect();
            let before = missing.len();
            let fault = match self.job(&work, &asked).await {
                Ok(job) => {
                    let fault = self.fetch_all(&job, &asked, &mut missing, sums).await?;
                    self.clean(job).await;
                    fault
                }
                Err(error) => Some(error),
            };
            if missing.len() < before {
                (since, failures) = (None, 0);
                continue;
            }
            let fault = fault.unwrap_or(ClusterError::Answer("no bucket at all"));
            // Who is not there may come back; who fails again and again will not do better.
            failures += u32::from(!matches!(fault, ClusterError::Unreachable { .. }));
            let since = since.get_or_insert_with(Instant::now);
            if since.elapsed() > self.patience || failures >= FAILURES_MAX {
                return Err(ClusterError::GivenUp(fault.to_string()));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Fetches what a job came to. A bucket that is lost stays among the missing ones, and the
    /// reason is told.
    async fn fetch_all(
        &self,
        job: &Job,
        asked: &[u32],
        missing: &mut BTreeSet<u32>,
        sums: &mut Sums,
    ) -> Result<Option<ClusterError>, ClusterError> {
        let mut lost = None;
        for places in job.places.chunks(FETCHES) {
            let mut fetches = JoinSet::new();
            for place in places {
                let (cluster, place, asked) = (self.clone(), place.clone(), asked.to_vec());
                fetches.spawn(async move { cluster.fetch(&place, &asked).await });
            }
            while let Some(fetched) = fetches.join_next().await {
                match fetched.map_err(stopped).flatten() {
                    // A bucket that was done twice, as its executor was thought lost, counts once.
                    Ok((bucket, parts)) => {
                        if missing.remove(&bucket) {
                            parts.iter().try_for_each(|part| sums.add(part))?;
                        }
                    }
                    Err(error) => lost = Some(error),
                }
            }
        }
        Ok(lost)
    }

    async fn scheduler(&self) -> Result<SchedulerGrpcClient<Channel>, ClusterError> {
        let channel = endpoint(&self.papers, &self.address)?.connect().await;
        let channel = channel.map_err(|error| ClusterError::Unreachable {
            address: self.address.clone(),
            reason: chain(&error),
        })?;
        Ok(SchedulerGrpcClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX))
    }

    /// Has these buckets computed, and waits for it.
    async fn job(&self, work: &Arc<Work>, buckets: &[u32]) -> Result<Job, ClusterError> {
        let stage = TicketExec::new(tickets(buckets)?, Arc::clone(work), Arc::default());
        let stage: Arc<dyn ExecutionPlan> = Arc::new(stage);
        let plan = PhysicalPlanNode::try_from_physical_plan(stage, &StageCodec::default())?;
        let session_id = uuid::Uuid::new_v4().to_string();
        let mut request = Request::new(ExecuteQueryParams {
            query: Some(Query::PhysicalPlan(plan.encode_to_vec())),
            settings: settings().to_key_value_pairs(),
            session_id: session_id.clone(),
            operation_id: uuid::Uuid::new_v4().to_string(),
        });
        insert_version_header(request.metadata_mut());
        let mut scheduler = self.scheduler().await?;
        let accepted = scheduler.execute_query(request).await.map_err(stopped)?.into_inner();
        let Some(Accepted::Success(accepted)) = accepted.result else {
            return Err(ClusterError::GivenUp("the scheduler does not take the work".to_owned()));
        };
        let (id, begun) = (accepted.job_id, Instant::now());
        let mut pause = POLL_FIRST;
        loop {
            let status = GetJobStatusParams { job_id: id.clone() };
            let status = scheduler.get_job_status(status).await.map_err(stopped)?.into_inner();
            let status = status.status.and_then(|status| status.status);
            match status {
                Some(Status::Successful(done)) => {
                    return Ok(Job { id, session_id, places: done.partition_location });
                }
                Some(Status::Failed(failed)) => return Err(ClusterError::GivenUp(failed.error)),
                // A scheduler that began anew knows nothing of it.
                None => return Err(ClusterError::GivenUp("the job is not known".to_owned())),
                Some(Status::Queued(_)) if begun.elapsed() > self.patience => {
                    return Err(ClusterError::GivenUp("nobody takes the work".to_owned()));
                }
                // It is told as running, too, while there is no executor left.
                _ if begun.elapsed() > self.patience * RUNNING_PATIENCES => {
                    return Err(ClusterError::GivenUp("it takes too long".to_owned()));
                }
                _ => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(POLL_LAST);
        }
    }

    /// What one bucket came to.
    async fn fetch(&self, place: &PartitionLocation, asked: &[u32]) -> Result<Parts, ClusterError> {
        let odd = ClusterError::Answer;
        let executor = place.executor_meta.as_ref().ok_or(odd("no executor"))?;
        let partition = place.partition_id.clone().ok_or(odd("no partition"))?;
        let number = usize::try_from(partition.partition_id).ok();
        let bucket = number.and_then(|number| asked.get(number).copied());
        let bucket = bucket.ok_or(odd("a partition that was not asked for"))?;
        let port = u16::try_from(executor.port).map_err(|_| odd("no port"))?;
        let fetch = async {
            let tls = BallistaConfigGrpcEndpoint::new(self.papers.endpoint());
            let (most, tls) = (MESSAGE_BYTES_MAX, Some(Arc::new(tls)));
            let client =
                BallistaClient::try_new(&executor.host, port, most, true, tls, 1, 0, 0, 0).await;
            let mut client = client.map_err(stopped)?;
            let (file, layout) = (place.file_id, place.layout());
            let parts =
                client.fetch_partition(&executor.id, &partition.into(), file, layout, true).await;
            let parts: Vec<RecordBatch> = parts.map_err(stopped)?.try_collect().await?;
            Ok::<_, ClusterError>(untold(&parts, bucket)?)
        };
        let late = |_| ClusterError::GivenUp("an executor does not answer".to_owned());
        let parts = tokio::time::timeout(FETCH_SECONDS, fetch).await.map_err(late)??;
        Ok((bucket, parts))
    }

    /// Has the sums of a job deleted. If that fails, executors do it by themselves, later.
    async fn clean(&self, job: Job) {
        let Ok(mut scheduler) = self.scheduler().await else { return };
        let data = CleanJobDataParams { job_id: job.id, remove_stage_ids: vec![] };
        let _ = scheduler.clean_job_data(data).await;
        let session = RemoveSessionParams { session_id: job.session_id };
        let _ = scheduler.remove_session(session).await;
    }
}

/// A job that is done.
struct Job {
    id: String,
    session_id: String,
    places: Vec<PartitionLocation>,
}

/// Each ticket is a task of its own, so that what is lost with an executor is little.
fn settings() -> SessionConfig {
    SessionConfig::new_with_ballista()
        .set_str("ballista.scheduler.max_partitions_per_task", "1")
        .set_str("ballista.shuffle.compression.codec", "none")
}

fn stopped(error: impl std::error::Error) -> ClusterError {
    ClusterError::GivenUp(error.to_string())
}

/// A job may run so many times as long as the next bucket of it is waited for.
const RUNNING_PATIENCES: u32 = 60;

/// Longest wait for an executor before a query is charged.
const REACH_MAX: Duration = Duration::from_secs(30);

/// Jobs in a row that may come to nothing.
const FAILURES_MAX: u32 = 4;

/// Buckets that are fetched at a time.
const FETCHES: usize = 8;

/// Between a job that came to nothing and the next.
const PAUSE: Duration = Duration::from_secs(1);

/// Between two looks at a job, at first, and later.
const POLL_FIRST: Duration = Duration::from_millis(2);
const POLL_LAST: Duration = Duration::from_millis(50);

const FETCH_SECONDS: Duration = Duration::from_secs(30);
