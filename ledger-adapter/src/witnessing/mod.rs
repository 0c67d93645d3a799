//! Witnesses: others who remember how far a log has come, and sign that it only went forward.
//!
//! ```text
//!  log ──old size, consistency proof, checkpoint──▶ Witness ──remember──▶ its directory
//!   ▲                                                  │
//!   └── Client ◀────────── cosignature ────────────────┘   Cosigners: as many as a policy asks for
//! ```
//! [`Witness`] is bytes in, bytes out: a server hands it request bodies and sends its replies. A
//! witness reads no entries; a [`crate::mirror`] does.
//!
//! # Source
//! C2SP tlog-witness v1.0.0.

mod client;
mod cosigners;
pub mod request;
pub(crate) mod server;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::Sender;
use std::time::Duration;

use self::cosigners::Job;
use crate::cosignature::{Cosigner, CosignerKey};
use crate::error::LedgerError;
use crate::note::VerifierKey;
use crate::policy::Policy;
use crate::web::Web;

/// A witness of some logs, with a directory in which it remembers them.
///
/// It believes the first checkpoint of a log that it has never seen. One that loses its directory
/// believes anew, so keep it where the logs are not, and restore neither from a backup: give it a
/// new key instead. Threads and processes may share the directory.
#[derive(Debug)]
pub struct Witness {
    directory: PathBuf,
    cosigner: Cosigner,
    logs: Vec<VerifierKey>,
    is_poisoned: AtomicBool,
}

/// What to answer over HTTP.
#[derive(Debug)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Body.
    pub body: String,
    /// What the operator of the server must look at; it is not for whoever asked.
    pub fault: Option<LedgerError>,
}

/// Asks one witness, over HTTP/1.1.
#[derive(Debug)]
pub struct Client {
    key: CosignerKey,
    web: Web,
    /// What the witness is believed to have; a guess, which it corrects.
    size: AtomicU64,
}

/// Asks the witnesses of a policy, all at once, until there are enough.
#[derive(Debug)]
pub struct Cosigners {
    policy: Policy,
    workers: Vec<Worker>,
    timeout: Duration,
}

/// A thread that asks one witness, one request at a time.
#[derive(Debug)]
struct Worker {
    /// Index of the witness in the policy.
    witness: usize,
    client: Arc<Client>,
    jobs: Sender<Job>,
}

#[cfg(test)]
mod tests;
