//! Federations as the command knows them: terms in a file, messages over the wire.
//!
//! ```text
//!  Transport ◀─ Wires ── wire::peer::Peer ══ TLS ══ wire::server ── Served ─▶ Node
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use engine::federation::Parameters;
use engine::federation::terms::Federation;
use engine::federation::transport::{Node, Refusal, RefusalKind, Transport};
use ledger_adapter::digest::Digest;

use crate::fail::Failure;
use crate::serve::until_ended;
use crate::wire::error::CallError;
use crate::wire::identity::Identity;
use crate::wire::peer::Peer;
use crate::wire::{self, Kind, Service};

/// Reads and checks the terms of a federation.
///
/// # Errors
/// [`Failure::Usage`].
pub(crate) fn terms(path: &Path) -> Result<Federation, Failure> {
    let place = path.display();
    let hint = "graunt site key and graunt holder key print what goes into it";
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{place}: {error}"), hint))?;
    let terms: Federation = toml::from_str(&text)
        .map_err(|error| Failure::usage(format!("{place}: {}", error.message()), hint))?;
    terms.check().map_err(|error| Failure::usage(format!("{place}: {error}"), hint))?;
    Ok(terms)
}

/// The digest of terms, which people compare before they serve under them.
///
/// # Errors
/// [`Failure::Usage`], which does not happen.
pub(crate) fn digest(terms: &Federation) -> Result<Digest, Failure> {
    terms.digest().map_err(|error| Failure::usage(error.to_string(), ""))
}

/// Reads the parameters of proofs that terms pin; those of terms without proofs are none.
///
/// # Errors
/// [`Failure::Usage`] if they are missing, others, or for nothing; [`Failure::Store`].
pub(crate) fn parameters(
    path: Option<&Path>,
    terms: &Federation,
) -> Result<Option<Parameters>, Failure> {
    let (path, pinned) = match (path, terms.proofs) {
        (None, None) => return Ok(None),
        (Some(path), Some(pinned)) => (path, pinned),
        (None, Some(_)) => {
            let what = "the terms ask for proofs";
            return Err(Failure::usage(what, "name the file of their parameters with --crs"));
        }
        (Some(_), None) => {
            let what = "the terms ask for no proofs";
            return Err(Failure::usage(what, "leave --crs out, or agree on other terms"));
        }
    };
    let bytes = fs::read(path).map_err(Failure::store(path, "reading"))?;
    let read = Parameters::read(bytes, &pinned);
    let hint = "the file is the one that graunt federation crs wrote, for these terms";
    let named = |error| Failure::usage(format!("{}: {error}", path.display()), hint);
    read.map(Some).map_err(named)
}

/// The ways to all sites and holders.
#[derive(Debug)]
pub(crate) struct Wires {
    peers: BTreeMap<String, Peer>,
}

impl Wires {
    /// The ways that the terms name, under this identity.
    ///
    /// # Errors
    /// [`Failure::Wire`] if an address is none, [`Failure::Usage`] if the certificate is of another
    /// than the coordinator.
    pub(crate) fn new(terms: &Federation, identity: &Identity) -> Result<Self, Failure> {
        if identity.name() != terms.coordinator.name {
            let (own, name) = (identity.name(), &terms.coordinator.name);
            let what = format!("the certificate is of {own}, and the terms name {name}");
            return Err(Failure::usage(what, "name the coordinator's certificate with --tls"));
        }
        let sites = terms.sites.iter().map(|site| (&site.name, &site.url));
        let holders = terms.holders.iter().map(|holder| (&holder.name, &holder.url));
        let peer =
            |(name, url): (&String, &String)| Ok((name.clone(), Peer::new(url, name, identity)?));
        Ok(Self { peers: sites.chain(holders).map(peer).collect::<Result<_, Failure>>()? })
    }
}

#[async_trait]
impl Transport for Wires {
    async fn call(
        &self,
        party: &str,
        action: &str,
        body: Vec<u8>,
        patience: Duration,
    ) -> Result<Vec<u8>, Refusal> {
        let peer = self.peers.get(party);
        let peer = peer.ok_or_else(|| Refusal::refused("the terms have no such party"))?;
        match peer.call(action, Bytes::from(body), patience).await {
            Ok(reply) => Ok(reply.to_vec()),
            Err(CallError::Refused { refusal, .. }) => Err(Refusal {
                kind: match refusal.kind {
                    Kind::Refused => RefusalKind::Refused,
                    Kind::NotNow => RefusalKind::Unavailable,
                    Kind::Failed => RefusalKind::Failed,
                },
                reason: refusal.message,
            }),
            Err(fault) => Err(Refusal::unavailable(fault.to_string())),
        }
    }
}

/// A party behind the wire.
struct Served(Arc<dyn Node>);

#[async_trait]
impl Service for Served {
    async fn call(&self, peer: &str, action: &str, body: Bytes) -> Result<Bytes, wire::Refusal> {
        let done = self.0.handle(peer, action, &body).await;
        done.map(Bytes::from).map_err(|refusal| {
            let kind = match refusal.kind {
                RefusalKind::Refused => Kind::Refused,
                RefusalKind::Unavailable => Kind::NotNow,
                RefusalKind::Failed => Kind::Failed,
            };
            wire::Refusal::new(kind, refusal.reason)
        })
    }
}

/// Serves a party until SIGINT or SIGTERM. `started` is told the address once calls are taken.
///
/// # Errors
/// [`Failure::Store`] if the address cannot be had, [`Failure::Wire`], or what `started` says.
pub(crate) fn serve(
    listen: SocketAddr,
    identity: &Identity,
    node: Arc<dyn Node>,
    started: impl FnOnce(SocketAddr) -> Result<(), Failure>,
) -> Result<(), Failure> {
    until_ended(listen, started, |listener, ended| async move {
        Ok(wire::server::serve(listener, identity, Arc::new(Served(node)), ended).await?)
    })
}
