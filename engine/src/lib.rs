//! Query in, private estimates out.
//!
//! ```text
//!  text ─parse▶ ParsedQuery ─bind▶ BoundQuery ─analyse▶ PrivatePlan ─price▶ PricedPlan
//!                                                                              │ charge
//!  ══════════════ the gate: extracts verified, charge final ═══════════════════▼═════════
//!                                                             VerifiedScan ◀─ Charged
//!  Answer ◀publish─ Answer ◀estimate─ NoisyAggregates ◀perturb─ ExactAggregates ◀┘ aggregate
//!    └ Receipt
//! ```
//! [`engine::Engine::answer`] is that list, top to bottom. The engine knows no chain and no
//! epidemiology; it knows ledgers only by [`ledger_adapter::ledger::Ledger`].

mod aggregate;
pub mod answer;
pub mod asker;
pub mod catalog;
pub mod cluster;
pub mod describe;
pub mod engine;
pub mod error;
mod estimate;
pub mod federation;
mod marginals;
pub mod noise;
mod notes;
mod perturb;
pub mod pg_catalog;
pub mod privacy;
mod publish;
pub mod registered;
mod repeats;
pub mod requests;
pub mod scan;
pub mod sql;

#[cfg(test)]
mod tests;
