//! Accounts, attestations, releases and receipts, and the places they are kept.
//!
//! ```text
//!                    ┌──────────── trait Ledger ────────────┐
//!  engine, datasets ─┤  MemoryLedger   LogLedger            │── entries ──▶ account (the rules)
//!                    └───────────────────┬──────────────────┘
//!                        write-ahead log, RFC 6962 tree, signed checkpoint, witness
//! ```
//! It knows nothing of SQL, of noise or of medicine.
//!
//! ```
//! use ledger_adapter::charge::{Admission, Attestation, ChargeRequest, Finality, Opening};
//! use ledger_adapter::cost::{Cost, Delta, Rho};
//! use ledger_adapter::digest::Digest;
//! use ledger_adapter::ledger::Ledger;
//! use ledger_adapter::memory::MemoryLedger;
//!
//! # fn main() -> Result<(), ledger_adapter::error::LedgerError> {
//! let cost = |nano| Cost { rho: Rho::from_nano(nano), delta: Delta::default() };
//! let (account, root, key) = (Digest::random()?, Digest::random()?, Digest::random()?);
//! let ledger = MemoryLedger::new()?;
//! ledger.open_account(&Opening { account, cap: cost(1_000_000_000) })?;
//! ledger.attest(&Attestation { root, account, key, expires_day: 20_500 })?;
//!
//! let request = ChargeRequest {
//!     query: Digest::random()?,
//!     items: vec![(account, cost(12_500_000))],
//!     intent: Digest::random()?,
//!     inputs: vec![root],
//!     day: 20_415,
//! };
//! if let Admission::Granted(charged) = ledger.charge(&request, Finality::Local)? {
//!     // Only now may records be read and noise be drawn.
//!     ledger.release(charged, Digest::random()?)?;
//! }
//! assert_eq!(ledger.remaining(account)?.map(|held| held.spent), Some(cost(12_500_000)));
//! # Ok(())
//! # }
//! ```

pub mod account;
pub mod bucket;
pub mod canonical;
pub mod chain;
pub mod charge;
#[cfg(test)]
mod conformance;
pub mod cosignature;
pub mod cost;
#[cfg(any(test, fuzzing))]
mod dice;
pub mod digest;
mod disk;
mod durable;
pub mod entry;
pub mod error;
pub mod export;
pub mod follower;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod keys;
pub mod leaves;
pub mod ledger;
pub mod log;
#[cfg(test)]
mod loopback;
pub mod manifest;
pub mod memory;
pub mod mirror;
pub mod note;
pub mod once;
pub mod part;
pub mod policy;
pub mod proof;
pub mod receipt;
pub mod registry;
pub mod rotation;
pub mod statement;
mod store;
pub mod tiles;
pub mod tlog_proof;
pub mod tree;
pub mod view;
mod web;
pub mod witnessing;
