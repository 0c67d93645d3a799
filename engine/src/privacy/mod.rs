//! What a query may learn of persons: the type of every relation, what one person can contribute,
//! and what that costs.
//!
//! ```text
//! BoundQuery ─analyse─▶ PrivatePlan ─price─▶ PricedPlan
//! ```
//! It reads manifests and the query's text, never records.

mod boundary;
mod calendar;
mod facts;
mod grid;
mod join;
mod narrow;
mod pattern;
mod person;
pub(crate) mod plan;
pub(crate) mod price;
mod range;
pub mod relation;
pub(crate) mod released;
pub(crate) mod settled;
mod subquery;
mod total;
mod window;

pub(crate) use boundary::Boundary;
