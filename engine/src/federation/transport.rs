//! How messages get from one party to another, and how a party says no.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

/// Carries messages to the other parties. Whoever implements it authenticates both ends.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Asks `party` for `action`, and waits for its reply so long.
    ///
    /// # Errors
    /// [`Refusal`]: what the party said, or that it was not reached.
    async fn call(
        &self,
        party: &str,
        action: &str,
        body: Vec<u8>,
        patience: Duration,
    ) -> Result<Vec<u8>, Refusal>;
}

/// A party that answers messages.
#[async_trait]
pub trait Node: Send + Sync {
    /// Does what `peer`, whose name is authenticated, asks for.
    ///
    /// # Errors
    /// [`Refusal`].
    async fn handle(&self, peer: &str, action: &str, body: &[u8]) -> Result<Vec<u8>, Refusal>;
}

/// A party says no. What it says never depends on records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// In what way.
    pub kind: RefusalKind,
    /// Why, for people.
    pub reason: String,
}

/// In what way a party says no.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RefusalKind {
    /// It will not, ever.
    Refused,
    /// It was not reached, or cannot now.
    Unavailable,
    /// It tried, and something went wrong.
    Failed,
}

impl Refusal {
    /// It will not.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Refused, reason: reason.into() }
    }

    /// It cannot now.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Unavailable, reason: reason.into() }
    }

    /// It tried.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Failed, reason: reason.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Refusal {}
