//! A connection from its first byte to its last: TLS, sizes, times, and which handler gets what.
//!
//! It has a loop of its own, and not the library's: there, an error while somebody logs in leaves
//! the connection ready for queries until it is closed, and a message may have a gigabyte.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use pgwire::api::{ClientInfo as _, NoopHandler, PgWireConnectionState};
use pgwire::error::{ErrorInfo, PgWireError};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use pgwire::tokio::server::{
    MaybeTls, PgWireMessageServerCodec, negotiate_tls, process_error, process_message,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::codec::{Framed, FramedParts};

use super::extended::{Extended, Prepared};
use super::greeting::Greeting;
use super::simple::Simple;
use super::{Cancels, Connection, Postgres};
use crate::doors::tls::name_of;

/// Serves a connection to its end.
pub(super) async fn serve(door: Arc<Postgres>, stream: TcpStream) {
    let Some((stream, other)) = twice(stream) else { return };
    let acceptor = door.tls.as_ref().map(|tls| tls.acceptor(&[b"postgresql"]));
    let greeted = tokio::time::timeout(STARTUP_MAX, negotiate_tls::<Prepared>(stream, acceptor));
    let Ok(Ok(Some(socket))) = greeted.await else { return };
    let certificate = match socket.get_ref() {
        MaybeTls::Tls(tls) => name_of(tls.get_ref().1.peer_certificates()),
        _ => None,
    };
    let is_tls = matches!(socket.get_ref(), MaybeTls::Tls(_));
    if is_tls && !socket.read_buffer().is_empty() {
        // What came in clear before the handshake is nobody's word (CVE-2021-23214).
        return;
    }
    let mut socket = sized(socket);
    let connection = Connection::new(Arc::clone(&door), certificate);
    if let Err(Some(fault)) = converse(&mut socket, &other, Arc::new(connection)).await {
        end(&mut socket, fault).await;
    }
}

/// Goes on until the other end leaves, or is sent away for a reason.
async fn converse(
    socket: &mut Socket,
    other: &TcpStream,
    connection: Arc<Connection>,
) -> Result<(), Option<ErrorInfo>> {
    let limits = &connection.door.desk.limits;
    let (longest, idle) = (limits.question_max + STARTUP_MAX, limits.idle_max);
    let greeting = Arc::new(Greeting::new(Arc::clone(&connection)));
    let simple = Arc::new(Simple(Arc::clone(&connection)));
    let extended = Arc::new(Extended::new(Arc::clone(&connection)));
    let cancels = Arc::new(Cancels(Arc::clone(&connection.door)));
    let started = tokio::time::Instant::now();
    loop {
        let is_in = connection.visit.get().is_some();
        let patience = if is_in { idle } else { STARTUP_MAX.saturating_sub(started.elapsed()) };
        let next = tokio::time::timeout(patience, socket.next()).await;
        let message = match next.map_err(|_| is_in.then(silent))? {
            Some(Ok(PgWireFrontendMessage::Terminate(_))) | None => return Ok(()),
            Some(Ok(message)) => message,
            Some(Err(fault)) => return Err(Some(malformed(&fault))),
        };
        let is_extended = message.is_extended_query();
        let is_cancel = matches!(message, PgWireFrontendMessage::CancelRequest(_));
        if !is_in && !is_cancel && !is_of_startup(&message) {
            return Err(Some(malformed(&PgWireError::InvalidStartupMessage)));
        }
        if !is_in && !is_cancel && connection.door.tls.is_some() && !socket.is_secure() {
            let what = "this server speaks TLS only: sslmode=require, or better verify-full";
            return Err(Some(ErrorInfo::new("FATAL".into(), "28000".into(), what.into())));
        }
        let (greeting, simple) = (Arc::clone(&greeting), Arc::clone(&simple));
        let (extended, cancels) = (Arc::clone(&extended), Arc::clone(&cancels));
        let copies = Arc::new(NoopHandler);
        let done = process_message(message, socket, greeting, simple, extended, copies, cancels);
        // Whoever does not read what they asked for does not keep us waiting for ever.
        let done = async {
            let mut done = std::pin::pin!(tokio::time::timeout(longest, done));
            tokio::select! {
                done = &mut done => return done,
                () = gone(other) => {}
            }
            if let Some(visit) = connection.visit.get() {
                visit.cancel_running();
            }
            done.await
        };
        let done = done.await;
        let done = done.map_err(|_| None)?;
        if is_cancel {
            return Ok(());
        }
        if let Err(fault) = done {
            if connection.visit.get().is_none() {
                return Err(Some(unwelcome(fault)));
            }
            let told = process_error(socket, fault, is_extended).await;
            told.map_err(|_| None)?;
        }
    }
}

/// A connection, and the same again, to see from aside whether it is still there.
fn twice(stream: TcpStream) -> Option<(TcpStream, TcpStream)> {
    let stream = stream.into_std().ok()?;
    let other = stream.try_clone().ok()?;
    Some((TcpStream::from_std(stream).ok()?, TcpStream::from_std(other).ok()?))
}

/// Waits until the other end has gone.
async fn gone(other: &TcpStream) {
    loop {
        match other.peek(&mut [0]).await {
            Ok(0) | Err(_) => return,
            // They sent more meanwhile, which is read when its turn comes.
            Ok(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

/// What somebody may send who is not let in yet.
const fn is_of_startup(message: &PgWireFrontendMessage) -> bool {
    matches!(
        message,
        PgWireFrontendMessage::Startup(_) | PgWireFrontendMessage::PasswordMessageFamily(_)
    )
}

/// Tells why, and leaves.
async fn end(socket: &mut Socket, fault: ErrorInfo) {
    let told = async {
        let _ = socket.send(PgWireBackendMessage::ErrorResponse(fault.into())).await;
        let _ = socket.close().await;
    };
    let _ = tokio::time::timeout(STARTUP_MAX, told).await;
}

/// Whatever is wrong with a login is fatal.
fn unwelcome(fault: PgWireError) -> ErrorInfo {
    match fault {
        PgWireError::UserError(mut told) => {
            told.severity = "FATAL".to_owned();
            *told
        }
        PgWireError::IoError(_) => malformed(&PgWireError::InvalidStartupMessage),
        PgWireError::InvalidPassword(_) => {
            ErrorInfo::new("FATAL".into(), "28P01".into(), NOBODY.into())
        }
        other => ErrorInfo::new("FATAL".into(), "28000".into(), other.to_string()),
    }
}

fn malformed(fault: &PgWireError) -> ErrorInfo {
    let what = match fault {
        PgWireError::IoError(fault) if fault.kind() == io::ErrorKind::InvalidData => {
            format!("a message has at most {MESSAGE_BYTES_MAX} bytes")
        }
        _ => "these bytes are not of the protocol".to_owned(),
    };
    ErrorInfo::new("FATAL".into(), "08P01".into(), what)
}

fn silent() -> ErrorInfo {
    ErrorInfo::new("FATAL".into(), "57P05".into(), "nothing was said for too long".into())
}

type Socket = Framed<Sized, PgWireMessageServerCodec<Prepared>>;

/// The same connection, with its messages measured from its first byte.
fn sized(socket: Framed<MaybeTls, PgWireMessageServerCodec<Prepared>>) -> Socket {
    let parts = socket.into_parts();
    let mut measure = Measure::default();
    let is_good = measure.take(&parts.read_buf);
    let io = Sized { io: parts.io, measure, is_good };
    let mut own = FramedParts::new(io, parts.codec);
    own.read_buf = parts.read_buf;
    own.write_buf = parts.write_buf;
    let mut socket = Framed::from_parts(own);
    socket.set_state(PgWireConnectionState::AwaitingStartup);
    socket
}

/// A stream that ends before a message that is too long.
struct Sized {
    io: MaybeTls,
    measure: Measure,
    is_good: bool,
}

/// Where in a stream of messages one is, from the lengths that they begin with.
#[derive(Debug, Default)]
struct Measure {
    /// The first message has no letter before its length.
    is_past_first: bool,
    header: Vec<u8>,
    /// Bytes of the body that are still to come.
    body: usize,
}

impl Measure {
    /// Takes the next bytes; false if a message is too long, or has no length.
    fn take(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let skipped = self.body.min(bytes.len());
            self.body -= skipped;
            bytes = &bytes[skipped..];
            if self.body > 0 {
                return true;
            }
            let wanted = if self.is_past_first { 5 } else { 4 };
            let taken = (wanted - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.header.len() < wanted {
                return true;
            }
            let length = self.header.split_off(wanted - 4);
            self.header.clear();
            let length = length.try_into().map_or(0, i32::from_be_bytes);
            let Some(body) = usize::try_from(length).ok().and_then(|n| n.checked_sub(4)) else {
                return false;
            };
            if body > MESSAGE_BYTES_MAX {
                return false;
            }
            (self.body, self.is_past_first) = (body, true);
        }
        true
    }
}

impl AsyncRead for Sized {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.is_good {
            std::task::ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
            let new = buffer.filled()[before..].to_vec();
            self.is_good = self.measure.take(&new);
        }
        if self.is_good {
            return Poll::Ready(Ok(()));
        }
        buffer.set_filled(before);
        Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
    }
}

impl AsyncWrite for Sized {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// How long a connection may take until somebody is let in.
const STARTUP_MAX: Duration = Duration::from_secs(20);

/// The longest message: a statement, its parameters, and their tags.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// How often it is looked whether somebody who sends more is still there.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

const NOBODY: &str = "[unauthorized] no analyst has this name and password";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_measured_wherever_they_are_cut() {
        let mut stream = Vec::new();
        stream.extend(9_i32.to_be_bytes());
        stream.extend([0; 5]);
        for length in [4, 5, 1_000] {
            stream.push(b'Q');
            stream.extend(i32::to_be_bytes(length));
            stream.extend(vec![b'x'; usize::try_from(length).unwrap() - 4]);
        }
        for step in [1, 2, 3, 7, stream.len()] {
            let mut measure = Measure::default();
            assert!(stream.chunks(step).all(|bytes| measure.take(bytes)), "{step}");
            assert_eq!((measure.body, measure.header.len()), (0, 0));
            assert!(!measure.take(&[b'Q', 0x3f, 0xff, 0xff, 0xff]), "{step}");
        }
        assert!(!Measure::default().take(&[0, 0, 0, 3]));
        assert!(!Measure::default().take(&(-1_i32).to_be_bytes()));
    }
}
