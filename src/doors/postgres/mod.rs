//! The wire protocol of PostgreSQL, version 3, for psql, drivers and whatever uses them.
//!
//! ```text
//!  TCP ─▶ connection ─▶ greeting ─▶ simple, extended ─▶ Visit ─▶ rows, copy
//!         (TLS, sizes)  (SCRAM)       values                     cells
//! ```
//!
//! # Source
//! PostgreSQL 15, "Frontend/Backend Protocol"; RFC 5802 and RFC 7677 (SCRAM-SHA-256).

mod cells;
mod connection;
mod copy;
mod extended;
mod greeting;
mod refused;
mod rows;
mod simple;
mod values;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use pgwire::api::cancel::CancelHandler;
use pgwire::error::PgWireResult;
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::startup::SecretKey;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::analysts::Secret;
use crate::desk::Desk;
use crate::desk::counters::{Door, Event};
use crate::desk::visit::Visit;
use crate::doors::tls::Tls;
use crate::fail::Failure;

/// The door.
pub(crate) struct Postgres {
    desk: Arc<Desk>,
    tls: Option<Tls>,
    /// Whose questions may be taken back, by process id and secret.
    visits: Mutex<HashMap<i32, (SecretKey, Weak<Visit>)>>,
}

/// One connection.
struct Connection {
    door: Arc<Postgres>,
    /// The one name in the certificate of whoever connected, if they showed one.
    certificate: Option<String>,
    /// Set once, when they are let in.
    visit: OnceLock<Arc<Visit>>,
    /// What they had to prove that they know.
    secret: OnceLock<Secret>,
    /// Room for what is kept between messages, in KiB.
    room: Arc<Semaphore>,
}

/// Room that something takes until it is dropped.
type Room = Arc<OwnedSemaphorePermit>;

impl Connection {
    fn new(door: Arc<Postgres>, certificate: Option<String>) -> Self {
        let room = Arc::new(Semaphore::new(ROOM_KIB));
        Self { door, certificate, visit: OnceLock::new(), secret: OnceLock::new(), room }
    }

    /// Takes room for a statement or portal of about so many bytes.
    ///
    /// # Errors
    /// 53300 if the connection keeps too much already.
    fn room(&self, bytes: usize) -> PgWireResult<Room> {
        let kib = u32::try_from(bytes / 1_024).unwrap_or(u32::MAX).saturating_add(ITEM_KIB);
        let room = Arc::clone(&self.room).try_acquire_many_owned(kib);
        room.map(Arc::new).map_err(|_| refused::refused(&Failure::limit(FULL), ""))
    }
}

impl Postgres {
    pub(crate) fn new(desk: Arc<Desk>, tls: Option<Tls>) -> Self {
        Self { desk, tls, visits: Mutex::default() }
    }

    /// Serves connections until `ended`, and then lets those go on that are asking.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener, ended: BoxFuture<'_, ()>) {
        let seats = Arc::new(Semaphore::new(self.desk.limits.connections_max));
        let mut connections = JoinSet::new();
        let mut ended = ended;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut ended => break,
            };
            while connections.try_join_next().is_some() {}
            let Ok((stream, _)) = accepted else {
                // Out of files, perhaps; asking again at once would only keep a processor busy.
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            self.desk.counters.count(Door::Postgres, Event::Connected);
            let seat = Arc::clone(&seats).try_acquire_owned().ok();
            let Some(seat) = seat else {
                self.desk.counters.count(Door::Postgres, Event::Crowded);
                continue;
            };
            let door = Arc::clone(&self);
            connections.spawn(async move {
                connection::serve(door, stream).await;
                drop(seat);
            });
        }
        drop(listener);
        // What is being answered is answered; who only sits there is sent home.
        let rest = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(GRACE_MAX, rest).await;
    }

    /// Lets questions of a visit be taken back by whoever knows its numbers.
    fn register(&self, id: i32, secret: SecretKey, visit: &Arc<Visit>) {
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        visits.retain(|_, (_, visit)| visit.strong_count() > 0);
        visits.insert(id, (secret, Arc::downgrade(visit)));
    }
}

/// Takes questions back.
struct Cancels(Arc<Postgres>);

#[async_trait::async_trait]
impl CancelHandler for Cancels {
    async fn on_cancel_request(&self, request: CancelRequest) {
        let visits = self.0.visits.lock().unwrap_or_else(PoisonError::into_inner);
        // The same secret has another form in a connection of another version of the protocol.
        let same = |secret: &SecretKey| bytes(secret) == bytes(&request.secret_key);
        let found = visits.get(&request.pid).filter(|(secret, _)| same(secret));
        if let Some(visit) = found.and_then(|(_, visit)| visit.upgrade()) {
            visit.cancel_running();
        }
    }
}

fn bytes(secret: &SecretKey) -> Vec<u8> {
    match secret {
        SecretKey::I32(number) => number.to_be_bytes().to_vec(),
        SecretKey::Bytes(bytes) => bytes.to_vec(),
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long answers may take after the end.
const GRACE_MAX: Duration = Duration::from_secs(5);

/// What the statements and portals of one connection take at most: some thousands of short
/// statements, or some hundreds of portals.
const ROOM_KIB: usize = 16 << 10;

/// What a statement takes besides its text: its columns, and the library's own.
const ITEM_KIB: u32 = 4;

const FULL: &str = "this session keeps too many prepared statements";
