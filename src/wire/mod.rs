//! Calls between the processes of a federation: bytes there, bytes back, both ends known.
//!
//! ```text
//! peer::Peer ──DoAction(action, body)──▶ server::serve ──▶ Service::call(name of the peer, …)
//!      └────── TLS 1.3, each end with a certificate of the same authority ──────┘
//! ```
//! It is Arrow Flight over gRPC, of which only `DoAction` and `ListActions` are served. There is no
//! mode without TLS and no certificate is looked up anywhere but in the files that are given. What
//! the bytes mean, who may call what, and what to do after a call of unknown outcome is not
//! decided here; nothing is ever sent twice.

pub(crate) mod certificates;
pub(crate) mod error;
pub(crate) mod identity;
pub(crate) mod peer;
pub(crate) mod server;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use bytes::Bytes;

/// What a process does for its peers.
#[async_trait]
pub(crate) trait Service: Send + Sync + 'static {
    /// Does what `peer` asks. The name of the peer is that of its verified certificate.
    ///
    /// It runs to its end even if the peer goes away meanwhile, so no step is left half done.
    ///
    /// # Errors
    /// [`Refusal`], which the peer is told as it is.
    async fn call(&self, peer: &str, action: &str, body: Bytes) -> Result<Bytes, Refusal>;

    /// Names of the actions, for whoever asks a server what it does.
    fn actions(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Why a peer does not do what it was asked.
///
/// # Privacy
/// The message goes to another organization: no paths, and nothing that depends on a record.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    /// What to make of it.
    pub(crate) kind: Kind,
    /// Why, in one line.
    pub(crate) message: String,
}

impl Refusal {
    /// Says no, and why.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// What to make of a refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The same call is always refused: `FailedPrecondition` of gRPC.
    Refused,
    /// The same call may be answered later: `Unavailable`.
    NotNow,
    /// The peer could not finish, and its operator knows more: `Internal`.
    Failed,
}

/// The longest body of a call, and of its answer: 64 MiB.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 20;

/// The longest message of gRPC: a body, the name of its action, and their tags.
const MESSAGE_BYTES_MAX: usize = BODY_BYTES_MAX + (64 << 10);

/// How much may be on its way before the other end has taken it. By gRPC's default a call would
/// wait for the network at every 64 KiB.
const WINDOW_BYTES: u32 = 4 << 20;

/// The name of the metadata that tells a refusal of a peer from a failure of the transport.
const REFUSAL: &str = "graunt-refusal";

/// The longest message of a refusal, in characters: it has to fit into a header.
const MESSAGE_CHARS_MAX: usize = 1_000;

/// A message as it may go into a header and onto a terminal: one line, and not a long one.
fn plain(message: &str) -> String {
    let of = |c: char| if c.is_control() { ' ' } else { c };
    message.chars().map(of).take(MESSAGE_CHARS_MAX).collect()
}
