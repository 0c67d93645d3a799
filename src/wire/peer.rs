//! Calls a peer: a connection for each call, and an error for each way it can go wrong.
//!
//! A connection of its own costs a call about a millisecond and spares it what happened on the
//! last one: a peer that was restarted is called like any other. No call is repeated here.

use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow_flight::Action;
use arrow_flight::flight_service_client::FlightServiceClient;
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, Error as TlsError};
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Status};

use super::error::{CallError, Fault, WireError};
use super::identity::{HTTP2, Identity, check_name, name};
use super::{BODY_BYTES_MAX, Kind, MESSAGE_BYTES_MAX, REFUSAL, Refusal, WINDOW_BYTES, plain};

/// A process elsewhere, known by name and address. Nothing is connected between calls.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    name: String,
    server: ServerName<'static>,
    address: String,
    client: Arc<ClientConfig>,
}

impl Peer {
    /// Takes the address `https://host:port` of a peer, and its name, which need not be the host's.
    ///
    /// # Errors
    /// [`WireError::Address`], [`WireError::Name`].
    pub(crate) fn new(url: &str, name: &str, identity: &Identity) -> Result<Self, WireError> {
        let server = check_name(name)?;
        let address = address(url).ok_or_else(|| WireError::Address { url: url.to_owned() })?;
        let client = Arc::clone(&identity.client);
        Ok(Self { name: name.to_owned(), server, address, client })
    }

    /// Asks the peer once, and waits for its answer.
    ///
    /// # Errors
    /// [`CallError`]; its variants tell whether the peer may have been asked.
    pub(crate) async fn call(
        &self,
        action: &str,
        body: Bytes,
        patience: Duration,
    ) -> Result<Bytes, CallError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(CallError::TooLong { peer: self.name.clone() });
        }
        let end = Instant::now() + patience;
        let stream = timeout_at(end, self.connect()).await;
        let stream = stream.unwrap_or_else(|_| Err(self.unreachable(io::ErrorKind::TimedOut)))?;
        let late = |_| CallError::Late { peer: self.name.clone(), patience };
        timeout_at(end, self.exchange(stream, action, body)).await.map_err(late)?
    }

    /// Connects, and waits until each end has accepted the other's certificate.
    pub(super) async fn connect(&self) -> Result<Stream, CallError> {
        let stream = TcpStream::connect(&self.address).await;
        let stream = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
        let stream = stream.map_err(|error| self.unreachable(error))?;
        let connector = TlsConnector::from(Arc::clone(&self.client));
        let stream = connector.connect(self.server.clone(), stream).await;
        let stream = stream.map_err(|error| self.refused(error))?;

        let session = stream.get_ref().1;
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        if certificate.and_then(|found| name(found).ok()).as_deref() != Some(self.name.as_str()) {
            return Err(CallError::Untrusted { peer: self.name.clone(), fault: Fault::Name });
        }
        if session.alpn_protocol() != Some(HTTP2) {
            return Err(self.unreachable(io::ErrorKind::Unsupported));
        }
        // In TLS 1.3 the client is done before the server has looked at its certificate. A server
        // of HTTP/2 speaks first, so its first byte says that it is content.
        let mut stream = BufReader::new(stream);
        match stream.fill_buf().await {
            Ok([]) => Err(self.unreachable(io::ErrorKind::UnexpectedEof)),
            Ok(_) => Ok(stream),
            Err(error) => Err(self.refused(error)),
        }
    }

    /// Sends the call over a connection, and takes its only answer.
    pub(super) async fn exchange(
        &self,
        stream: Stream,
        action: &str,
        body: Bytes,
    ) -> Result<Bytes, CallError> {
        let mut client = FlightServiceClient::new(self.channel(stream).await?)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let failed = |status| self.failed(status);
        let action = Action { r#type: action.to_owned(), body };
        let mut answers = client.do_action(action).await.map_err(failed)?.into_inner();
        let answer = answers.message().await.map_err(failed)?;
        let more = answers.message().await.map_err(failed)?;
        match (answer, more) {
            (Some(answer), None) if answer.body.len() <= BODY_BYTES_MAX => Ok(answer.body),
            (Some(_), None) => Err(CallError::TooLong { peer: self.name.clone() }),
            _ => Err(self.broken("an action has one answer")),
        }
    }

    /// Speaks gRPC over a connection that is there already.
    pub(super) async fn channel(&self, stream: Stream) -> Result<Channel, CallError> {
        // To tonic TLS is done already. Requests say what they went over, as they should.
        let endpoint = Endpoint::from_shared(format!("http://{}", self.name));
        let origin = format!("https://{}", self.name).parse();
        let (Ok(endpoint), Ok(origin)) = (endpoint, origin) else {
            return Err(self.broken("the name is not one of HTTP"));
        };
        let endpoint = endpoint
            .origin(origin)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES);
        let connector = Connected(Some(TokioIo::new(stream)));
        endpoint.connect_with_connector(connector).await.map_err(|error| self.broken(error))
    }

    /// What the end of a handshake means.
    fn refused(&self, error: io::Error) -> CallError {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
        let peer = self.name.clone();
        match tls {
            Some(TlsError::InvalidCertificate(fault)) => {
                CallError::Untrusted { peer, fault: Fault::found(fault) }
            }
            Some(TlsError::AlertReceived(alert)) => match Fault::told(*alert) {
                Some(fault) => CallError::Unwelcome { peer, fault },
                None => self.unreachable(error),
            },
            _ => self.unreachable(error),
        }
    }

    /// What the end of a call means.
    pub(super) fn failed(&self, status: Status) -> CallError {
        let peer = self.name.clone();
        let kind = match status.code() {
            Code::OutOfRange => return CallError::TooLong { peer },
            Code::FailedPrecondition => Kind::Refused,
            Code::Unavailable => Kind::NotNow,
            Code::Internal => Kind::Failed,
            _ => return self.broken(status),
        };
        if !status.metadata().contains_key(REFUSAL) {
            return self.broken(status);
        }
        CallError::Refused { peer, refusal: Refusal::new(kind, plain(status.message())) }
    }

    fn unreachable(&self, source: impl Into<io::Error>) -> CallError {
        CallError::Unreachable { peer: self.name.clone(), source: source.into() }
    }

    fn broken(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CallError {
        CallError::Broken { peer: self.name.clone(), source: source.into() }
    }
}

/// A connection whose first bytes may have come.
pub(super) type Stream = BufReader<TlsStream<TcpStream>>;

/// Gives tonic, which would rather connect itself, a connection that is there already; once.
struct Connected(Option<TokioIo<Stream>>);

impl Service<Uri> for Connected {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<Stream>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

/// Host and port of `https://host:port`.
fn address(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let is_bare = uri.scheme_str() == Some("https") && uri.path() == "/" && uri.query().is_none();
    let authority = uri.authority()?;
    authority.port_u16()?;
    let is_plain = is_bare && !authority.as_str().contains('@');
    is_plain.then(|| authority.as_str().to_owned())
}
