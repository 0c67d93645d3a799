//! Epidemiological methods on released numbers; with no noise, the textbook's.
//!
//! Each takes and gives [`crate::estimate::Estimate`]: point estimates are plain functions of the
//! noisy values, and intervals cover sampling and noise together.

pub mod billing;
pub mod comorbidity;
pub mod counts;
pub mod distribution;
pub mod effectiveness;
pub mod epidemic;
pub mod excess;
pub mod funnel;
pub mod hypothesis;
pub mod inequality;
pub mod lifetable;
pub mod populations;
pub mod propagation;
pub mod proportions;
pub mod quantiles;
pub mod rates;
pub mod safety;
pub mod standardisation;
pub mod stratified;
pub mod supply;
pub mod survival;
pub mod two_by_two;
pub mod utilisation;
pub mod weeks;

mod consistency;

#[cfg(test)]
mod expected;
#[cfg(test)]
pub(crate) mod simulation;
