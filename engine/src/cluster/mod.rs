//! Buckets computed on other machines, by Apache DataFusion Ballista.
//!
//! ```text
//!  coordinator        scheduler           executors
//!  client ─ tickets ▶ node::schedule ◀─── node::execute ─ ticket ▶ work ▶ aggregate::operator
//!    ▲                                        │    one bucket: opened, verified, bounded
//!    └──── exact sums of one bucket ──────────┘
//! ```
//! A query's boundary is one stage: `ticket::TicketExec` over a ticket for each bucket. What the
//! tickets are about is bytes to Ballista (`work::Work`): the plan of a bucket, its bounds, and
//! which extracts, by their names on the ledger. An executor opens them itself, and checks every
//! byte that it reads as the coordinator does; it never sees the ledger, the account, or noise.
//! What a bucket came to is exact, and goes to the coordinator only, who takes each bucket once,
//! asks again for those that were lost, and adds up integers: so the answer is bit for bit the one
//! that it would have computed itself, whoever was lost on the way.
//!
//! There is no mode without mutual TLS. All members of a cluster have certificates of one authority
//! with the name [`MEMBER`]: whoever has one is trusted with exact sums of buckets.

mod client;
mod codec;
pub mod directory;
mod guard;
pub mod node;
mod papers;
#[cfg(test)]
mod tests;
mod ticket;
mod work;

use datafusion::error::DataFusionError;

use crate::engine::Engine;

pub use client::Cluster;
pub use papers::Papers;
pub(crate) use work::{Work, check};

/// The name in the certificates of a cluster's members.
pub const MEMBER: &str = "cluster";

/// Why a cluster could not do its part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// Nobody answers there, or with another certificate.
    #[error("the cluster at {address} cannot be reached: {reason}")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// Why not.
        reason: String,
    },
    /// It took the work and came to nothing.
    #[error("the cluster gave up: {0}")]
    GivenUp(String),
    /// What came back is not what was asked for.
    #[error("the cluster answered something else than it was asked: {0}")]
    Answer(&'static str),
    /// A member cannot start or go on.
    #[error("a member of the cluster stopped: {0}")]
    Member(String),
    /// A plan has no bytes, or they are none.
    #[error("the work cannot be told to others")]
    Work(#[from] DataFusionError),
}

impl Engine {
    /// Has buckets computed on a cluster, whose members find the extracts where they are here.
    /// Noise is added here, and answers are the same.
    #[must_use]
    pub fn with_cluster(mut self, cluster: Cluster) -> Self {
        self.cluster = Some(cluster);
        self
    }
}

/// The longest message between members: the work of as many tasks as an executor asks for at once.
const MESSAGE_BYTES_MAX: usize = 256 << 20;
