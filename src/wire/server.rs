//! Serves calls: handshakes side by side, peers by name, and an end that loses no work.
//!
//! Whoever has no certificate of the authority gets no further than the handshake. It keeps no
//! list of who may call what; that is the service's.

use std::future::{Future, Ready, ready};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, Result as FlightResult, SchemaResult,
    Ticket,
};
use async_trait::async_trait;
use futures::stream::{self, Stream, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::metadata::MetadataValue;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status, Streaming};

use super::error::WireError;
use super::identity::{Identity, name};
use super::{
    BODY_BYTES_MAX, Kind, MESSAGE_BYTES_MAX, REFUSAL, Refusal, Service, WINDOW_BYTES, plain,
};

/// Serves peers until `stop`, and then finishes what is under way, for half a minute at most.
///
/// # Errors
/// [`WireError::Serve`].
pub(crate) async fn serve(
    listener: TcpListener,
    identity: &Identity,
    service: Arc<dyn Service>,
    stop: impl Future<Output = ()>,
) -> Result<(), WireError> {
    serve_with_grace(listener, identity, service, stop, GRACE_MAX).await
}

/// As [`serve`], with another time to finish in.
pub(super) async fn serve_with_grace(
    listener: TcpListener,
    identity: &Identity,
    service: Arc<dyn Service>,
    stop: impl Future<Output = ()>,
    grace: Duration,
) -> Result<(), WireError> {
    let (under_way, mut finished) = mpsc::channel::<()>(1);
    let (running, stopped) = oneshot::channel::<()>();
    let flight = FlightServiceServer::new(Flight { service, under_way })
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let server = Server::builder()
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .add_service(flight);
    let connections = connections(listener, TlsAcceptor::from(Arc::clone(&identity.server)));
    let stop = async {
        stop.await;
        drop(running);
    };
    let served = async {
        server.serve_with_incoming_shutdown(connections, stop).await.map_err(WireError::Serve)?;
        // Nothing is ever sent: the channel ends when the last call has dropped its end.
        finished.recv().await;
        Ok(())
    };
    let overdue = async {
        // Nothing is sent here either.
        stopped.await.unwrap_or(());
        sleep(grace).await;
    };
    tokio::select! {
        done = served => done,
        () = overdue => Ok(()),
    }
}

/// The connections of peers whose certificates are good, in the order in which they are.
fn connections(
    listener: TcpListener,
    acceptor: TlsAcceptor,
) -> impl Stream<Item = io::Result<TlsStream<TcpStream>>> {
    let accepted = stream::unfold(listener, |listener| async move {
        let accepted = listener.accept().await;
        if accepted.is_err() {
            // Out of files, perhaps; asking again at once would only keep a processor busy.
            sleep(ACCEPT_PAUSE).await;
        }
        Some((accepted, listener))
    });
    let greeted = accepted.map(move |accepted| greet(acceptor.clone(), accepted));
    greeted.buffer_unordered(HANDSHAKES_MAX).filter_map(|greeted| ready(greeted.map(Ok)))
}

/// Shakes hands; `None` if the other end is no peer, or takes too long to show that it is.
async fn greet(
    acceptor: TlsAcceptor,
    accepted: io::Result<(TcpStream, std::net::SocketAddr)>,
) -> Option<TlsStream<TcpStream>> {
    let (stream, _) = accepted.ok()?;
    stream.set_nodelay(true).ok()?;
    let stream = timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await.ok()?.ok()?;
    // Whoever has several names, or none, has no name here.
    name(stream.get_ref().1.peer_certificates()?.first()?).ok()?;
    Some(stream)
}

/// The service as Arrow Flight has it.
struct Flight {
    service: Arc<dyn Service>,
    /// Lives as long as a call is under way.
    under_way: mpsc::Sender<()>,
}

impl Flight {
    /// Does a call to its end, whatever becomes of the connection.
    async fn perform(&self, peer: String, action: Action) -> Result<FlightResult, Refusal> {
        if action.body.len() > BODY_BYTES_MAX {
            return Err(Refusal::new(Kind::Refused, "the body is longer than calls carry"));
        }
        let (service, under_way) = (Arc::clone(&self.service), self.under_way.clone());
        let call = tokio::spawn(async move {
            let answer = service.call(&peer, &action.r#type, action.body).await;
            drop(under_way);
            answer
        });
        let body = call.await.unwrap_or_else(|_| Err(Refusal::new(Kind::Failed, "it failed")))?;
        if body.len() > BODY_BYTES_MAX {
            return Err(Refusal::new(Kind::Failed, "the answer is longer than calls carry"));
        }
        Ok(FlightResult { body })
    }
}

#[async_trait]
impl FlightService for Flight {
    type DoActionStream = stream::Once<Ready<Result<FlightResult, Status>>>;
    type ListActionsStream = stream::Iter<std::vec::IntoIter<Result<ActionType, Status>>>;
    type HandshakeStream = stream::Empty<Result<HandshakeResponse, Status>>;
    type ListFlightsStream = stream::Empty<Result<FlightInfo, Status>>;
    type DoGetStream = stream::Empty<Result<FlightData, Status>>;
    type DoPutStream = stream::Empty<Result<PutResult, Status>>;
    type DoExchangeStream = stream::Empty<Result<FlightData, Status>>;

    async fn do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        let certificates = request.peer_certs().unwrap_or_default();
        let peer = certificates.first().and_then(|certificate| name(certificate).ok());
        let peer = peer.ok_or_else(|| Status::unauthenticated("a certificate has one name"))?;
        let answer = self.perform(peer, request.into_inner()).await.map_err(|no| status(&no))?;
        Ok(Response::new(stream::once(ready(Ok(answer)))))
    }

    async fn list_actions(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        let action = |name: &&str| ActionType { r#type: (*name).to_owned(), ..Default::default() };
        let actions: Vec<_> = self.service.actions().iter().map(action).map(Ok).collect();
        Ok(Response::new(stream::iter(actions)))
    }

    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        Err(not_here())
    }

    async fn list_flights(
        &self,
        _: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        Err(not_here())
    }

    async fn get_flight_info(
        &self,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        Err(not_here())
    }

    async fn poll_flight_info(
        &self,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        Err(not_here())
    }

    async fn get_schema(
        &self,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        Err(not_here())
    }

    async fn do_get(&self, _: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        Err(not_here())
    }

    async fn do_put(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        Err(not_here())
    }

    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        Err(not_here())
    }
}

/// A refusal as gRPC has it.
fn status(refusal: &Refusal) -> Status {
    let code = match refusal.kind {
        Kind::Refused => Code::FailedPrecondition,
        Kind::NotNow => Code::Unavailable,
        Kind::Failed => Code::Internal,
    };
    let mut status = Status::new(code, plain(&refusal.message));
    status.metadata_mut().insert(REFUSAL, MetadataValue::from_static("1"));
    status
}

fn not_here() -> Status {
    Status::unimplemented("only actions are served here")
}

/// How long calls may go on after the end.
const GRACE_MAX: Duration = Duration::from_secs(30);

/// How long a handshake may take.
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How many handshakes may be under way at once; others wait in the kernel's queue.
const HANDSHAKES_MAX: usize = 256;

/// How many calls one connection may have under way.
const STREAMS_MAX: u32 = 16;

/// How long a connection may be silent before it is asked, and how long that may go unanswered.
const KEEPALIVE: Duration = Duration::from_secs(20);

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
