//! Arrow Flight SQL, for ADBC and whatever uses it: answers as Arrow, what is said of them in the
//! metadata of the schema.
//!
//! ```text
//!  TCP ─▶ TLS ─▶ service ─▶ guests ─▶ Visit ─▶ batches
//!                  └─ listing (catalogs, tables, what the server can)
//! ```
//! A question is asked, and charged, when its rows are fetched, not when they are announced.
//!
//! # Source
//! Apache Arrow, "Arrow Flight SQL"; what drivers do is noted where it decided something.

mod guests;
mod listing;
mod service;
mod values;

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tonic::transport::Server;

use crate::desk::Desk;
use crate::desk::counters::{Door, Event};
use crate::doors::tls::Tls;
use crate::fail::Failure;
use crate::serve::Held;

use self::guests::Guests;
use self::service::Flight;

/// Serves until `ended`, and then lets answers that are under way go on for a while.
///
/// # Errors
/// [`Failure::Wire`] if the server fails.
pub(crate) async fn serve(
    desk: Arc<Desk>,
    tls: Option<Tls>,
    listener: TcpListener,
    ended: BoxFuture<'static, ()>,
) -> Result<(), Failure> {
    let flight = Flight::new(Arc::new(Guests::new(Arc::clone(&desk))));
    let service = FlightServiceServer::new(flight).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let most = u32::try_from(desk.limits.connections_max).unwrap_or(u32::MAX);
    let router = Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .concurrency_limit_per_connection(usize::try_from(STREAMS_MAX).unwrap_or(16))
        .add_service(service);
    let (running, stopped) = oneshot::channel::<()>();
    let ended = async {
        ended.await;
        drop(running);
    };
    let overdue = async {
        // Nothing is ever sent: the channel ends with the server.
        stopped.await.unwrap_or(());
        sleep(GRACE_MAX).await;
    };
    let accepted = accepted(listener, desk, most);
    let served = async {
        match tls {
            None => {
                router
                    .serve_with_incoming_shutdown(accepted.map(Ok::<_, std::io::Error>), ended)
                    .await
            }
            Some(tls) => {
                let acceptor = tls.acceptor(&[b"h2"]);
                let greeted = accepted.map(move |stream| {
                    let acceptor = acceptor.clone();
                    async move { timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await.ok()?.ok() }
                });
                let greeted = greeted.buffer_unordered(HANDSHAKES_MAX);
                let greeted =
                    greeted.filter_map(|greeted| ready(greeted.map(Ok::<_, std::io::Error>)));
                router.serve_with_incoming_shutdown(greeted, ended).await
            }
        }
    };
    tokio::select! {
        done = served => done.map_err(|fault| crate::wire::error::WireError::Serve(fault).into()),
        () = overdue => Ok(()),
    }
}

/// Connections as they come, of which there are only so many at once.
fn accepted(
    listener: TcpListener,
    desk: Arc<Desk>,
    most: u32,
) -> impl Stream<Item = Held<TcpStream>> {
    let seats = Arc::new(tokio::sync::Semaphore::new(usize::try_from(most).unwrap_or(1)));
    stream::unfold((listener, desk, seats), |(listener, desk, seats)| async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            desk.counters.count(Door::Flight, Event::Connected);
            let _ = stream.set_nodelay(true);
            match Arc::clone(&seats).try_acquire_owned() {
                Ok(seat) => {
                    let longest = desk.limits.idle_max + desk.limits.question_max;
                    let seated = Held::new(stream, longest, Some(seat));
                    return Some((seated, (listener, desk, seats)));
                }
                Err(_) => desk.counters.count(Door::Flight, Event::Crowded),
            }
        }
    })
}

/// The longest message of a client: a statement or its parameters.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

const HEADER_BYTES_MAX: u32 = 16 << 10;

/// How many calls one connection may have under way.
const STREAMS_MAX: u32 = 16;

const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

const HANDSHAKES_MAX: usize = 256;

const KEEPALIVE: Duration = Duration::from_secs(20);

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long answers may take after the end.
const GRACE_MAX: Duration = Duration::from_secs(5);
