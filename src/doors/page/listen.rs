//! Connections of the page's HTTP, with TLS or without, of which there are only so many at once.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::server::TlsStream;

use crate::desk::Desk;
use crate::desk::counters::{Door, Event};
use crate::doors::tls::Tls;
use crate::serve::Held;

/// Connections as they come, those with TLS once hands are shaken.
pub(crate) struct Incoming {
    ready: mpsc::Receiver<(Held<Io>, SocketAddr)>,
    address: SocketAddr,
}

/// A connection with TLS, or without.
pub(crate) enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Incoming {
    /// Takes connections of a listener.
    ///
    /// # Errors
    /// A listener without an address.
    pub(crate) fn new(
        listener: TcpListener,
        tls: Option<Tls>,
        desk: Arc<Desk>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(1);
        tokio::spawn(accept(listener, tls, desk, sender));
        Ok(Self { ready, address })
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<Tls>,
    desk: Arc<Desk>,
    sender: mpsc::Sender<(Held<Io>, SocketAddr)>,
) {
    let seats = Arc::new(Semaphore::new(desk.limits.connections_max));
    let acceptor = tls.map(|tls| tls.acceptor(&[b"http/1.1"]));
    // An answer may take so long, and its page a while more.
    let longest = desk.limits.question_max + Duration::from_secs(60);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = sender.closed() => return,
        };
        let Ok((stream, address)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        desk.counters.count(Door::Page, Event::Connected);
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
            desk.counters.count(Door::Page, Event::Crowded);
            continue;
        };
        let (acceptor, sender) = (acceptor.clone(), sender.clone());
        tokio::spawn(async move {
            let io = match acceptor {
                None => Io::Plain(stream),
                Some(acceptor) => {
                    let greeted = tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream));
                    match greeted.await {
                        Ok(Ok(stream)) => Io::Tls(Box::new(stream)),
                        _ => return,
                    }
                }
            };
            // Nobody takes connections any more once the server ends.
            let _ = sender.send((Held::new(io, longest, Some(seat)), address)).await;
        });
    }
}

impl Listener for Incoming {
    type Io = Held<Io>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Held<Io>, SocketAddr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // The other end lives as long as this one.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
