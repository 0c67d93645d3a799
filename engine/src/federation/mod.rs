//! Queries over sites that show nobody their records, nor their totals.
//!
//! ```text
//!  coordinator ──order, charged──▶ sites ──sealed noisy totals──┐
//!       │      ──what to cover──▶ holders ──sealed noise──────────┤
//!       │                                                         ▼
//!       ├──root of the set──▶ ledger ◀── holders ──shares of the sum──▶ opened noisy total
//!       └──opened totals──▶ sites, for the next round
//! ```
//! Everybody runs the one program of `perturb` on the same plan. Where it asks for noise,
//! a round begins: each site adds its share of the noise to its own totals and seals them, each key
//! holder seals noise alone, and the holders open the sum of one set of these, whose root is on the
//! ledger before. What was opened goes back to the sites, so that all go on alike.
//!
//! Nobody is trusted with more than their part: a site checks the plan and its charge itself, and
//! reads once per query; a holder opens one set per round, ever; the coordinator adds up what it
//! cannot read. Which of them may lie or be lost is in [`terms`]. Where these ask for proofs, a
//! site also proves that its noisy totals are in range: a lie is then bounded, though not found.
//!
//! It does not know how messages travel: see [`transport`].

mod answer;
mod contribution;
mod coordinator;
mod frame;
mod holder;
mod parameters;
mod parcel;
mod plan;
mod round;
mod sealing;
mod site;
pub mod terms;
pub mod transcript;
pub mod transport;

pub use coordinator::Federated;
pub use holder::HolderNode;
pub use parameters::Parameters;
pub use parcel::ParcelKey;
pub use site::{Engines, SiteNode, SitePolicy};

#[cfg(test)]
mod tests;
