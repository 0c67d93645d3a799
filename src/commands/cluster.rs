//! `graunt cluster`: the members of a cluster that computes for a coordinator.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::cluster::directory::WorkDirectory;
use engine::cluster::node::{ExecutorTerms, execute, schedule};
use engine::cluster::{Cluster, ClusterError, MEMBER, Papers};
use engine::error::Error;
use serde_json::json;

use crate::commands::Context;
use crate::fail::Failure;
use crate::numbers;
use crate::output::Output;
use crate::serve::until_ended;
use crate::wire::identity::pem;

/// Arguments of `graunt cluster`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Give out the buckets of queries to executors; one for a cluster
    Scheduler(SchedulerArguments),
    /// Compute buckets, from extracts that lie where they lie for the coordinator
    Executor(ExecutorArguments),
}

/// Arguments of `graunt cluster scheduler`.
#[derive(Debug, clap::Args)]
struct SchedulerArguments {
    /// Directory with authority.pem, certificate.pem and key.pem, of the name cluster
    #[arg(long, value_name = "DIR")]
    tls: PathBuf,
    /// Address to listen at
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:50050")]
    listen: SocketAddr,
    /// An executor that is not heard of for so many seconds is lost
    #[arg(long, value_name = "S", default_value = "15",
          value_parser = clap::value_parser!(u64).range(6..))]
    lost_after: u64,
}

/// Arguments of `graunt cluster executor`.
#[derive(Debug, clap::Args)]
struct ExecutorArguments {
    /// Directory with authority.pem, certificate.pem and key.pem, of the name cluster
    #[arg(long, value_name = "DIR")]
    tls: PathBuf,
    /// The scheduler
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:50050")]
    scheduler: String,
    /// Address to listen at
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The host by which the coordinator finds it [default: the address]
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// A directory of its own for sums and for rows that do not fit into memory; it is emptied
    #[arg(long, value_name = "DIR")]
    work: PathBuf,
    /// Buckets at a time [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    cores: Option<u32>,
    /// Most memory of joins and of rows that are put aside
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = numbers::bytes)]
    memory: usize,
}

/// Starts a member, and runs it until it is ended.
///
/// # Errors
/// [`Failure::Wire`], [`Failure::Store`], [`Failure::Engine`].
pub(crate) fn run(
    arguments: Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    match arguments.action {
        Action::Scheduler(arguments) => scheduler(&arguments, context, out),
        Action::Executor(arguments) => executor(arguments, context, out),
    }
}

/// The cluster that is asked for, or the configuration's.
///
/// # Errors
/// [`Failure::Usage`] without a certificate for it, [`Failure::Wire`].
pub(crate) fn reached(
    address: Option<&str>,
    tls: Option<&Path>,
    patience: Duration,
    context: &Context,
) -> Result<Option<Cluster>, Failure> {
    let terms = &context.config.engine;
    let Some(address) = address.or(terms.cluster.as_deref()) else { return Ok(None) };
    let Some(tls) = tls.or(terms.tls.as_deref()) else {
        let hint = "--tls DIR, or tls in [engine]; graunt keys certificate --name cluster makes it";
        return Err(Failure::usage("a cluster is reached with a certificate", hint));
    };
    Ok(Some(Cluster::new(address, papers(tls)?, patience)))
}

fn papers(directory: &Path) -> Result<Papers, Failure> {
    let [authority, certificate, key] = pem(directory, MEMBER)?;
    Ok(Papers { authority, certificate, key })
}

fn scheduler(
    arguments: &SchedulerArguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let papers = papers(&arguments.tls)?;
    let started = |address: SocketAddr| {
        if context.json {
            return out.json(&json!({"scheduler": address}));
        }
        out.line(format_args!("scheduler at {address}"))
    };
    until_ended(arguments.listen, started, |listener, ended| async move {
        tokio::select! {
            stopped = schedule(listener, papers, arguments.lost_after) => stopped.map_err(failed),
            () = ended => Ok(()),
        }
    })
}

fn executor(
    arguments: ExecutorArguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let papers = papers(&arguments.tls)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = arguments.cores.unwrap_or_else(|| u32::try_from(cores).unwrap_or(1));
    let ExecutorArguments { host, scheduler, work, memory, .. } = arguments;
    let directory = WorkDirectory::claim(&work).map_err(failed)?;
    let terms = ExecutorTerms { host, scheduler, directory, cores, memory };
    let called = terms.scheduler.clone();
    let started = |address: SocketAddr| {
        if context.json {
            return out.json(&json!({"executor": address, "scheduler": called, "cores": cores}));
        }
        out.line(format_args!("executor at {address}, {cores} buckets at a time, for {called}"))
    };
    until_ended(arguments.listen, started, |listener, ended| async move {
        tokio::select! {
            stopped = execute(listener, terms, papers) => stopped.map_err(failed),
            () = ended => Ok(()),
        }
    })
}

fn failed(error: ClusterError) -> Failure {
    Failure::Engine(Error::from(error))
}
