//! `graunt serve`: questions and answers over the network, at three doors, and the log as files
//! that anyone can read and verify.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use futures::FutureExt as _;
use ledger_adapter::log::LogLedger;
use ledger_adapter::tiles;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tower_http::timeout::TimeoutLayer;

use crate::STACK_BYTES;
use crate::commands::{Context, cluster};
use crate::desk::Desk;
use crate::desk::journal::Journal;
use crate::desk::limits::Limits;
use crate::doors::flight;
use crate::doors::page::listen::Incoming;
use crate::doors::page::{Page, records, routes};
use crate::doors::postgres::Postgres;
use crate::doors::tls::Tls;
use crate::fail::Failure;
use crate::output::Output;
use crate::serve;
use crate::session::{Dialect, Terms};

/// Arguments of `graunt serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Address of the page, and of the log under /log/
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7000")]
    listen: SocketAddr,
    /// Address of the wire protocol of PostgreSQL
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5433")]
    postgres: SocketAddr,
    /// Address of Arrow Flight SQL
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:31337")]
    flight: SocketAddr,
    /// Directory of certificate.pem and key.pem, for TLS at all doors, and of the authority.pem
    /// that certificates of analysts are signed by; without it only this machine is served
    #[arg(long, value_name = "DIR")]
    tls: Option<PathBuf>,
    /// The population to ask [default: the only one]
    #[arg(long, value_name = "NAME")]
    population: Option<String>,
    /// Serve the log only
    #[arg(long, conflicts_with_all = ["postgres", "flight", "population"])]
    log_only: bool,
    /// Write the text of questions to the journal on standard error
    #[arg(long)]
    log_questions: bool,
}

/// The sockets, before anybody is served.
struct Sockets {
    page: TcpListener,
    postgres: TcpListener,
    flight: TcpListener,
}

/// Serves until it is ended by SIGINT or SIGTERM, and then finishes what is under way.
///
/// # Errors
/// [`Failure::Usage`] if there is no population, or an address that others reach and no TLS;
/// [`Failure::Ledger`], [`Failure::Store`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    if arguments.log_only {
        return log_only(arguments, context, out);
    }
    let given = arguments.tls.as_ref().or(context.config.serve.tls.as_ref());
    let tls = given.map(|directory| Tls::read(directory)).transpose()?;
    let all = [arguments.listen, arguments.postgres, arguments.flight];
    if tls.is_none() && all.iter().any(|address| !address.ip().is_loopback()) {
        let hint = "name a certificate with --tls, or listen at 127.0.0.1";
        return Err(Failure::usage("without TLS only this machine is served", hint));
    }
    let limits = Limits::new(&context.config.serve.limits);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Each question may keep as many threads busy as there are processors; the system shares those
    // among them, so that a short question does not wait for the end of a long one.
    let threads = cores * limits.questions_max + cores + 2;
    let (doors, computing) =
        (runtime("doors", cores, context)?, runtime("questions", threads, context)?);
    let journal = Journal { is_quiet: context.quiet, has_text: arguments.log_questions };
    let population = arguments.population.as_deref();
    let population = population.or(context.config.sql.population.as_deref());
    let (home, terms) = (&context.home, terms(context)?);
    let handle = computing.handle().clone();
    let desk = Arc::new(Desk::open(home, population, terms, limits, journal, handle)?);
    let log = if home.is_follower() { None } else { Some(Arc::new(home.ledger()?)) };
    let served = doors.block_on(serve_all(arguments, context, out, Arc::clone(&desk), log, tls));
    // What was charged is answered and kept, if it is answered in a while.
    desk.finish(desk.limits.question_max);
    computing.shutdown_background();
    journal.event("ended");
    served
}

async fn serve_all(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
    desk: Arc<Desk>,
    log: Option<Arc<LogLedger>>,
    tls: Option<Tls>,
) -> Result<(), Failure> {
    let sockets = Sockets {
        page: bound(arguments.listen).await?,
        postgres: bound(arguments.postgres).await?,
        flight: bound(arguments.flight).await?,
    };
    let (mut terminate, mut interrupt) =
        (signalled(SignalKind::terminate())?, signalled(SignalKind::interrupt())?);
    let [page, postgres, flight] = [&sockets.page, &sockets.postgres, &sockets.flight]
        .map(|socket| socket.local_addr().map(|address| address.to_string()));
    let failed = || Failure::store("the doors", "listening");
    let address = sockets.page.local_addr().map_err(failed())?;
    let (page, postgres, flight) =
        (page.map_err(failed())?, postgres.map_err(failed())?, flight.map_err(failed())?);
    let ended = {
        let desk = Arc::clone(&desk);
        async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            desk.seats.close();
            desk.journal.event("ending");
        }
    };
    let ended = ended.boxed().shared();
    let origin = match &log {
        Some(log) => Some(tiles::export(log, &context.home.tiles())?.checkpoint.origin),
        None => None,
    };
    let terms = &context.config.serve;
    let about = Arc::new(Page {
        desk: Arc::clone(&desk),
        records: records(&context.home, log.clone(), origin)?,
        reports: terms.reports.clone(),
        has_public_releases: terms.public_releases,
        address,
        hosts: terms.hosts.clone(),
        postgres: Some(postgres.clone()),
        flight: Some(flight.clone()),
        is_secure: tls.is_some(),
        guests: Page::nobody(),
    });
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{page}");
    told(&desk, &url, &postgres, &flight, context, out)?;
    let http = http(about, log, context, sockets.page, tls.clone(), ended.clone().boxed());
    let door = Arc::new(Postgres::new(Arc::clone(&desk), tls.clone()));
    let postgres = door.serve(sockets.postgres, ended.clone().boxed());
    let flight = flight::serve(desk, tls, sockets.flight, ended.boxed());
    let ((), flight, http) = futures::join!(postgres, flight, http);
    flight.and(http)
}

async fn http(
    page: Arc<Page>,
    log: Option<Arc<LogLedger>>,
    context: &Context,
    socket: TcpListener,
    tls: Option<Tls>,
    ended: futures::future::BoxFuture<'static, ()>,
) -> Result<(), Failure> {
    let longest = page.desk.limits.question_max + SLOW_MAX;
    let desk = Arc::clone(&page.desk);
    let mut all = routes(page);
    if let Some(log) = log {
        all = all.merge(log_routes(log, context));
    }
    let slow = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, longest);
    let failed = || Failure::store("the page", "serving");
    let incoming = Incoming::new(socket, tls, desk).map_err(failed())?;
    let ended = ended.shared();
    let overdue = {
        let ended = ended.clone();
        async move {
            ended.await;
            tokio::time::sleep(CLOSING_MAX).await;
        }
    };
    let served = axum::serve(incoming, all.layer(slow)).with_graceful_shutdown(ended);
    // Whoever keeps a connection open does not keep the server up.
    tokio::select! {
        done = async { served.await } => done.map_err(failed()),
        () = overdue => Ok(()),
    }
}

fn told(
    desk: &Desk,
    url: &str,
    postgres: &str,
    flight: &str,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let population = desk.population();
    if context.json {
        return out.json(&json!({
            "population": population, "url": url, "postgres": postgres, "flight": flight,
        }));
    }
    let (host, port) = postgres.rsplit_once(':').unwrap_or((postgres, ""));
    out.line(format_args!("population {population}"))?;
    out.line(format_args!("  page    {url}/"))?;
    out.line(format_args!(
        "  psql    psql \"host={host} port={port} user=YOU dbname={population}\""
    ))?;
    out.line(format_args!("  Python  graunt.connect(\"grpc://{flight}\", analyst=\"YOU\")"))?;
    if desk.analysts.list()?.is_empty() {
        out.line("nobody may ask yet: graunt analyst add NAME lets somebody")?;
    }
    Ok(())
}

/// The log under `/log/`, brought up to date when its checkpoint is asked for.
fn log_routes(log: Arc<LogLedger>, context: &Context) -> axum::Router {
    let directory = context.home.tiles();
    let exports = {
        let directory = directory.clone();
        move || tiles::export(&log, &directory).map(|_| ())
    };
    serve::log(&directory, Arc::new(exports))
}

fn log_only(arguments: &Arguments, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let log = Arc::new(context.home.ledger()?);
    let exported = tiles::export(&log, &context.home.tiles())?;
    let routes = log_routes(log, context);
    serve::run(arguments.listen, routes, |address| {
        let url = format!("http://{address}/log");
        if context.json {
            return out.json(&json!({"url": url, "entries": exported.checkpoint.size}));
        }
        let (size, origin) = (exported.checkpoint.size, exported.checkpoint.origin);
        out.line(format_args!("{origin}, {size} entries, at {url}/checkpoint"))
    })
}

fn terms(context: &Context) -> Result<Terms, Failure> {
    let defaults = &context.config.sql;
    Ok(Terms {
        epsilon: defaults.epsilon.unwrap_or(1.0),
        delta: defaults.delta.unwrap_or(1e-6),
        rows_per_person: defaults.rows_per_person,
        groups_per_person: defaults.groups_per_person,
        persons_min: defaults.min_persons.unwrap_or(0),
        dialect: defaults.dialect.unwrap_or(Dialect::Datafusion),
        confidence: defaults.confidence.unwrap_or(0.95),
        without_revoked: false,
        is_quiet: context.quiet,
        federation: None,
        memory: context.config.engine.memory,
        cluster: cluster::reached(None, None, PATIENCE, context)?,
    })
}

fn runtime(name: &str, threads: usize, context: &Context) -> Result<Runtime, Failure> {
    let mut made = Builder::new_multi_thread();
    let made = made.thread_name(name).thread_stack_size(STACK_BYTES);
    let made = made.worker_threads(threads.max(2)).enable_all().build();
    made.map_err(Failure::store(context.home.directory(), "starting threads"))
}

async fn bound(address: SocketAddr) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(Failure::store(address.to_string(), "listening"))
}

fn signalled(kind: SignalKind) -> Result<tokio::signal::unix::Signal, Failure> {
    signal(kind).map_err(Failure::store("the process", "waiting for signals"))
}

/// How long connections may stay open after the end.
const CLOSING_MAX: Duration = Duration::from_secs(5);

/// How much longer a request may take than its question.
const SLOW_MAX: Duration = Duration::from_secs(15);

/// Longest wait for the next bucket of a cluster.
const PATIENCE: Duration = Duration::from_secs(60);
