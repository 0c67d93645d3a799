//! The members of a cluster: one scheduler, which gives out tickets, and executors, which fetch
//! them. Executors call, and are called by the coordinator only: Ballista's other way, in which
//! the scheduler calls executors, has no TLS.

use std::sync::Arc;

use arrow_flight::flight_service_server::FlightServiceServer;
use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::extension::SessionConfigExt;
use ballista_core::serde::protobuf::executor_resource::Resource;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::scheduler_grpc_server::SchedulerGrpcServer;
use ballista_core::serde::protobuf::{
    ExecutorOperatingSystemSpecification, ExecutorRegistration, ExecutorResource,
    ExecutorSpecification,
};
use ballista_core::serde::{BallistaCodec, BallistaLogicalExtensionCodec};
use ballista_core::{BALLISTA_PROTOCOL_VERSION, ConfigProducer, RuntimeProducer};
use ballista_executor::execution_loop::poll_loop;
use ballista_executor::executor::Executor;
use ballista_executor::flight_service::BallistaFlightService;
use ballista_executor::health::ExecutorHealth;
use ballista_executor::metrics::LoggingMetricsCollector;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::{SchedulerConfig, TaskDistributionPolicy};
use ballista_scheduler::scheduler_process::create_scheduler;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionConfig;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use tokio::net::TcpListener;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::aggregate::memory::Spilling;
use crate::cluster::codec::StageCodec;
use crate::cluster::directory::WorkDirectory;
use crate::cluster::guard::Guard;
use crate::cluster::papers::{endpoint, heard};
use crate::cluster::{ClusterError, MESSAGE_BYTES_MAX, Papers};

/// Gives out tickets until it is dropped. An executor that is not heard of for `lost_after`
/// seconds, 6 at least, is lost, and its tickets are given to others.
///
/// # Errors
/// [`ClusterError::Member`].
pub async fn schedule(
    listener: TcpListener,
    papers: Papers,
    lost_after: u64,
) -> Result<(), ClusterError> {
    let address = listener.local_addr().map_err(member)?;
    let lost_after = lost_after.max(LOST_AFTER_MIN);
    let config = Arc::new(SchedulerConfig {
        bind_host: address.ip().to_string(),
        external_host: address.ip().to_string(),
        bind_port: address.port(),
        scheduling_policy: TaskSchedulingPolicy::PullStaged,
        task_distribution: TaskDistributionPolicy::RoundRobin,
        executor_timeout_seconds: lost_after,
        expire_dead_executor_interval_seconds: 1,
        no_executors_grace_period_seconds: lost_after + 5,
        finished_job_data_clean_up_interval_seconds: KEPT_SECONDS,
        finished_job_state_clean_up_interval_seconds: KEPT_SECONDS,
        override_physical_codec: Some(Arc::new(StageCodec::default())),
        override_config_producer: Some(Arc::new(SessionConfig::new_with_ballista)),
        override_session_builder: Some(Arc::new(|config| {
            let state = SessionStateBuilder::new().with_default_features();
            Ok(state.with_config(config).build())
        })),
        override_create_grpc_client_endpoint: Some(papers.endpoint()),
        use_tls: true,
        ..SchedulerConfig::default()
    });
    let cluster = BallistaCluster::new_from_config(&config).await.map_err(member)?;
    let scheduler = create_scheduler::<LogicalPlanNode, PhysicalPlanNode>(cluster, config);
    let service = SchedulerGrpcServer::new(scheduler.await.map_err(member)?)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let service = InterceptedService::new(service, heard);
    let mut server = Server::builder().tls_config(papers.server()).map_err(member)?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    server.add_service(service).serve_with_incoming(incoming).await.map_err(member)
}

/// How an executor works.
#[derive(Debug)]
pub struct ExecutorTerms {
    /// The host by which the coordinator finds it; without one, the address that it listens at.
    pub host: Option<String>,
    /// The scheduler: host and port.
    pub scheduler: String,
    /// Where sums of buckets lie until they are fetched, and rows that do not fit into memory.
    pub directory: WorkDirectory,
    /// Buckets at a time; at least 1.
    pub cores: u32,
    /// Memory of rows that are put aside, of all tasks together, in bytes.
    pub memory: usize,
}

/// Fetches tickets and computes buckets until it is dropped; who fetches the sums comes to
/// `listener`.
///
/// # Errors
/// [`ClusterError::Member`].
pub async fn execute(
    listener: TcpListener,
    terms: ExecutorTerms,
    papers: Papers,
) -> Result<(), ClusterError> {
    let directory = terms.directory.path().to_owned();
    let address = listener.local_addr().map_err(member)?;
    let cores = terms.cores.max(1);
    let metadata = ExecutorRegistration {
        id: uuid::Uuid::new_v4().to_string(),
        // Without these two the scheduler has nothing to look at.
        host: Some(terms.host.clone().unwrap_or_else(|| address.ip().to_string())),
        os_info: Some(ExecutorOperatingSystemSpecification::default()),
        port: address.port().into(),
        grpc_port: 0,
        specification: Some(ExecutorSpecification {
            resources: vec![ExecutorResource { resource: Some(Resource::Vcores(cores)) }],
        }),
        ballista_protocol_version: BALLISTA_PROTOCOL_VERSION,
    };
    // One pool for all tasks.
    let spilt = DiskManagerMode::Directories(vec![terms.directory.spilt()]);
    let runtime = RuntimeEnvBuilder::new()
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(spilt))
        .with_memory_pool(Arc::new(Spilling::new(terms.memory)))
        .build_arc()?;
    let runtime: RuntimeProducer = Arc::new(move |_| Ok(Arc::clone(&runtime)));
    let custom = papers.endpoint();
    let config: ConfigProducer = Arc::new(move || {
        SessionConfig::new_with_ballista()
            .with_ballista_use_tls(true)
            .with_ballista_override_create_grpc_client_endpoint(Arc::clone(&custom))
    });
    let (functions, metrics) = (Arc::default(), Arc::new(LoggingMetricsCollector::default()));
    let (threads, guard) = (usize::try_from(cores).map_err(member)?, Arc::new(Guard));
    let executor =
        Executor::new(metadata, &directory, runtime, config, functions, metrics, threads, guard);
    let service = FlightServiceServer::new(BallistaFlightService::new(directory))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let service = InterceptedService::new(service, heard);
    let mut server = Server::builder().tls_config(papers.server()).map_err(member)?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let serve = server.add_service(service).serve_with_incoming(incoming);
    let scheduler = endpoint(&papers, &terms.scheduler)?;
    let scheduler = SchedulerGrpcClient::new(scheduler.connect_lazy())
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let logical = Arc::new(BallistaLogicalExtensionCodec::default());
    let codec: BallistaCodec<LogicalPlanNode, PhysicalPlanNode> =
        BallistaCodec::new(logical, Arc::new(StageCodec::default()));
    let health = ExecutorHealth::new();
    tokio::select! {
        ended = serve => ended.map_err(member),
        ended = poll_loop(scheduler, Arc::new(executor), codec, None, None, health) => {
            ended.map_err(member)
        }
    }
}

pub(super) fn member(error: impl std::error::Error) -> ClusterError {
    ClusterError::Member(crate::error::chain(&error))
}

/// A busy executor is heard of every five seconds.
const LOST_AFTER_MIN: u64 = 6;

/// How long sums lie with an executor if nobody has them deleted.
const KEPT_SECONDS: u64 = 120;
