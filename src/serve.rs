//! The HTTP server of `graunt witness`, `graunt mirror` and `graunt serve`.
//!
//! It speaks plain HTTP/1.1: what it serves is signed. Put a proxy before it for TLS.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::Listener;
use chrono::Utc;
use futures::future::BoxFuture;
use ledger_adapter::error::LedgerError;
use ledger_adapter::tiles::serve::{Resource, resource};
use ledger_adapter::witnessing::Reply;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tonic::transport::server::{Connected, TcpConnectInfo};
use tower_http::timeout::TimeoutLayer;

use crate::fail::Failure;
use crate::output::remark;

/// What answers the body of a request that came at a time, in seconds since 1970.
pub(crate) type Answers = Arc<dyn Fn(&[u8], u64) -> Reply + Send + Sync>;

/// Routes of a witness: `POST /add-checkpoint`.
///
/// # Source
/// C2SP tlog-witness v1.0.0, "add-checkpoint".
pub(crate) fn witness(answers: Answers) -> Router {
    let add = move |body: Bytes| {
        let answers = Arc::clone(&answers);
        async move {
            let time = u64::try_from(Utc::now().timestamp()).unwrap_or(0);
            let reply = tokio::task::spawn_blocking(move || answers(&body, time)).await;
            reply.map_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response(), response)
        }
    };
    Router::new().route("/add-checkpoint", post(add)).layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// Brings the files of a log up to date.
pub(crate) type Exports = Arc<dyn Fn() -> Result<(), LedgerError> + Send + Sync>;

/// Routes of a log under `/log/`: its files, brought up to date when the checkpoint is asked for.
///
/// # Source
/// C2SP tlog-tiles v0.1.0.
pub(crate) fn log(directory: &path::Path, exports: Exports) -> Router {
    let directory = Arc::new(directory.to_owned());
    let read = move |Path(path): Path<String>| {
        let (directory, exports) = (Arc::clone(&directory), Arc::clone(&exports));
        async move {
            let found = tokio::task::spawn_blocking(move || {
                if path == "checkpoint" {
                    exports()?;
                }
                resource(&directory, &path)
            });
            match found.await.unwrap_or(Err(LedgerError::Poisoned)) {
                Ok(Some(found)) => file(found),
                Ok(None) => StatusCode::NOT_FOUND.into_response(),
                Err(fault) => {
                    complain(&fault);
                    StatusCode::SERVICE_UNAVAILABLE.into_response()
                }
            }
        }
    };
    Router::new().route("/log/{*path}", get(read))
}

fn file(found: Resource) -> Response {
    let cached =
        if found.is_immutable { "public, max-age=31536000, immutable" } else { "no-store" };
    let headers = [(header::CONTENT_TYPE, found.content_type), (header::CACHE_CONTROL, cached)];
    (headers, found.body).into_response()
}

/// Serves until SIGINT or SIGTERM, and then finishes what is under way. `started` is told the
/// address once requests are taken.
///
/// # Errors
/// [`Failure::Store`] if the address cannot be had, or what `started` says.
pub(crate) fn run(
    listen: SocketAddr,
    routes: Router,
    started: impl FnOnce(SocketAddr) -> Result<(), Failure>,
) -> Result<(), Failure> {
    until_ended(listen, started, |listener, ended| async move {
        let slow = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_MAX);
        let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let served = axum::serve(Bounded { listener, seats }, routes.layer(slow));
        let served = served.with_graceful_shutdown(ended).await;
        served.map_err(Failure::store(listen.to_string(), "listening"))
    })
}

/// Listens, and has `serve` take what comes until the future that it is given ends: at SIGINT or
/// SIGTERM. `started` is told the address once it can be reached.
///
/// # Errors
/// [`Failure::Store`] if the address cannot be had, or what `started` or `serve` says.
pub(crate) fn until_ended<F: Future<Output = Result<(), Failure>>>(
    listen: SocketAddr,
    started: impl FnOnce(SocketAddr) -> Result<(), Failure>,
    serve: impl FnOnce(TcpListener, BoxFuture<'static, ()>) -> F,
) -> Result<(), Failure> {
    let failed = || Failure::store(listen.to_string(), "listening");
    let runtime = runtime::Builder::new_multi_thread().enable_all().build().map_err(failed())?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await.map_err(failed())?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed())?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed())?;
        started(listener.local_addr().map_err(failed())?)?;
        let ended = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        serve(listener, Box::pin(ended)).await
    })
}

/// Takes so many connections at once, and each for so long: whoever sends half a request, or none,
/// holds up nobody for good.
struct Bounded {
    listener: TcpListener,
    seats: Arc<Semaphore>,
}

impl Listener for Bounded {
    type Io = Held<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Held<TcpStream>, SocketAddr) {
        // The semaphore is never closed.
        let seat = Arc::clone(&self.seats).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Held::new(stream, CONNECTION_MAX, seat), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection with a seat, until its time is over. That begins anew with what is said after
/// something was answered; whoever says nothing more, or takes an answer slowly, has no more of it.
pub(crate) struct Held<S> {
    stream: S,
    longest: Duration,
    end: Pin<Box<Sleep>>,
    has_answered: bool,
    /// Until the first byte has come.
    silence: Option<Pin<Box<Sleep>>>,
    _seat: Option<OwnedSemaphorePermit>,
}

impl<S> Held<S> {
    /// Holds a connection for so long at most after it was used.
    pub(crate) fn new(stream: S, longest: Duration, seat: Option<OwnedSemaphorePermit>) -> Self {
        let sleep = |time| Box::pin(tokio::time::sleep(time));
        let (end, silence) = (sleep(longest), Some(sleep(SILENCE_MAX)));
        Self { stream, longest, end, has_answered: false, silence, _seat: seat }
    }

    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let is_silent = |silence: &mut Pin<Box<Sleep>>| silence.as_mut().poll(context).is_ready();
        if self.silence.as_mut().is_some_and(is_silent) {
            return true;
        }
        self.end.as_mut().poll(context).is_ready()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Held<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.silence = None;
            if std::mem::take(&mut self.has_answered) {
                let end = Instant::now() + self.longest;
                self.end.as_mut().reset(end);
            }
        }
        read
    }
}

impl Connected for Held<TcpStream> {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Held<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.has_answered |= matches!(written, Poll::Ready(Ok(_)));
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

fn response(reply: Reply) -> Response {
    if let Some(fault) = &reply.fault {
        complain(fault);
    }
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, reply.content_type)], reply.body).into_response()
}

/// Tells the operator; whoever asked is told nothing of it.
fn complain(fault: &LedgerError) {
    remark(format_args!("graunt: {fault}"));
}

/// Longest request of a log to its witness: a checkpoint and 63 hashes are less than this.
const BODY_BYTES_MAX: usize = 65_536;

/// Longest time of a request.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// Longest time of a connection from request to request; a client opens another.
const CONNECTION_MAX: Duration = Duration::from_secs(45);

/// How long nothing may be said at first.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// Most connections at once; more wait for their turn.
const CONNECTIONS_MAX: usize = 128;
