//! What is asked of an account, and the proof that it was granted.
//!
//! ```text
//! charge ──▶ Charged ──(people's records are read, noise is drawn)──▶ release ──▶ Released
//!               └──drop──▶ the charge stands
//! ```
//! [`Charged`] has no public constructor and is not `Clone`: only a ledger makes one, once per
//! query, and a site one of its own part, see [`crate::part`]. There is no way back; nothing is
//! refunded.

use crate::cost::Cost;
use crate::digest::Digest;
use crate::error::LedgerError;

/// How far a record is beyond anyone's power to take back.
#[derive(
    Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Finality {
    /// On this machine's disk: tamper-evident, not rollback-proof.
    Local,
    /// Seen by a witness that will refuse a shorter log.
    Witnessed,
    /// In a block that may still be replaced.
    Confirmed,
    /// Final by the rules of the ledger.
    Final,
}

/// Opens an account for a population.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// The population's account.
    pub account: Digest,
    /// Most that may ever be spent.
    pub cap: Cost,
}

/// Puts an extract on the ledger.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// Root of the extract: SHA-256 of the signed statement's payload.
    pub root: Digest,
    /// Account that queries of this extract are charged to.
    pub account: Digest,
    /// SHA-256 of the public key that signed the statement.
    pub key: Digest,
    /// Last day on which it may be queried, in days since 1970-01-01.
    pub expires_day: u32,
}

/// Asks for a charge. All items are granted, or none.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChargeRequest {
    /// Random name of the query; the same name twice is the same charge.
    pub query: Digest,
    /// Accounts and what each pays; not empty, no account twice, no zero cost.
    pub items: Vec<(Digest, Cost)>,
    /// Salted commitment to the intent document.
    pub intent: Digest,
    /// Roots of the extracts to be read; not empty; every one active and of a charged account.
    pub inputs: Vec<Digest>,
    /// Today, in days since 1970-01-01; extracts that expired before are refused.
    pub day: u32,
}

/// Puts a key in the place of another.
///
/// The entry says that it happened, and where. That both keys agree is in a signed statement off
/// the ledger, see [`crate::rotation`].
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRotation {
    /// What the key is for.
    pub role: KeyRole,
    /// SHA-256 of the public key that is retired.
    pub old: Digest,
    /// SHA-256 of the public key that takes its place; never used before.
    pub new: Digest,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyRole {
    /// A site's: it signs statements of extracts.
    Site,
    /// The log's own: it signs checkpoints.
    Log,
}

/// Where a record lies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Placed {
    /// Index of the ledger entry, from 0.
    pub index: u64,
    /// How final it is.
    pub finality: Finality,
    /// Whether it was there already, word for word.
    pub repeated: bool,
}

/// An account before and after a charge.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountEffect {
    /// The account.
    pub account: Digest,
    /// What this query cost it.
    pub cost: Cost,
    /// Spent before.
    pub spent_before: Cost,
    /// Spent after.
    pub spent_after: Cost,
    /// Most that may ever be spent.
    pub cap: Cost,
}

/// Proof that a charge, or a part of one, is on the ledger. The noise source takes it by value.
#[derive(Debug)]
#[must_use = "the charge stands, whether it is used or not"]
pub struct Charged {
    query: Digest,
    placed: Placed,
    effects: Vec<AccountEffect>,
    is_part: bool,
}

impl Charged {
    /// A charge that was granted just now.
    pub(crate) const fn whole(query: Digest, placed: Placed, effects: Vec<AccountEffect>) -> Self {
        Self { query, placed, effects, is_part: false }
    }

    /// A part of a charge that was claimed just now.
    pub(crate) const fn part(query: Digest, placed: Placed, effects: Vec<AccountEffect>) -> Self {
        Self { query, placed, effects, is_part: true }
    }

    /// The query, to release it.
    pub(crate) fn into_released(self) -> Result<Digest, LedgerError> {
        if self.is_part {
            return Err(LedgerError::Refused { rule: "a part of a charge is not released" });
        }
        Ok(self.query)
    }

    /// The query that was charged for.
    pub const fn query(&self) -> Digest {
        self.query
    }

    /// Where the charge lies on the ledger.
    pub const fn placed(&self) -> Placed {
        self.placed
    }

    /// Whether it is a part of a charge, which its site claimed: it is never released.
    pub const fn is_part(&self) -> bool {
        self.is_part
    }

    /// The charged accounts, in the order of the request. Of a part, the balances are those that
    /// its site saw when it claimed it, with the charge.
    pub fn effects(&self) -> &[AccountEffect] {
        &self.effects
    }

    /// What the query may spend: the least of its items.
    pub fn cost(&self) -> Cost {
        let rho = self.effects.iter().map(|effect| effect.cost.rho).min().unwrap_or_default();
        let delta = self.effects.iter().map(|effect| effect.cost.delta).min().unwrap_or_default();
        Cost { rho, delta }
    }
}

/// What became of a request for a charge.
#[derive(Debug)]
pub enum Admission {
    /// Granted now: the one [`Charged`] of this query.
    Granted(Charged),
    /// The very same request was granted before. It cannot be used again: the same noise would
    /// have to be drawn twice. Ask under a new name.
    Repeated(Placed),
}

/// What the ledger knows of a query.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Charged and not released; it counts as spent.
    Charged(Placed),
    /// Released, with the commitment to the release statement.
    Released(Placed, Digest),
    /// Its documents and salts are destroyed; it counts as spent, and is not released any more.
    Redacted(Placed),
}

/// What the ledger knows of an extract.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ExtractStatus {
    /// Never attested here.
    Unknown,
    /// May be queried up to and including this day.
    Active(Placed, u32),
    /// Replaced by another extract.
    Superseded(Digest),
    /// Withdrawn.
    Revoked,
}

/// What an account holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Balance {
    /// Most that may ever be spent.
    pub cap: Cost,
    /// Spent so far.
    pub spent: Cost,
    /// Number of charges so far.
    pub charges: u64,
}
