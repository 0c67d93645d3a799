//! What a query may learn of persons: the type of every relation, what one person can contribute,
//! and what that costs.
//!
//! ```text
//! BoundQuery ─analyse─▶ PrivatePlan ─price─▶ PricedPlan
//! ```
//! It reads manifests and the query's text, never records.

mod asked;
pub(crate) mod boundary;
mod calendar;
pub(crate) mod candidates;
mod columns;
pub(crate) mod contributions;
mod eager;
mod facts;
pub(crate) mod functions;
mod grid;
mod image;
mod join;
pub(crate) mod margins;
pub(crate) mod marked;
mod moments;
mod narrow;
mod pattern;
mod person;
pub(crate) mod plan;
pub(crate) mod price;
pub(crate) mod quantiles;
pub(crate) mod range;
pub mod relation;
pub(crate) mod released;
pub(crate) mod settled;
mod subquery;
mod total;
mod window;
