//! Answers for epidemiologists out of private numbers: methods, indicators, cohorts, reports.
//!
//! ```text
//!  indicator (TOML + SQL) ──▶ engine ──▶ released numbers ──methods──▶ estimates ──▶ report
//! ```
//! Everything here is post-processing: it sees noisy values, their variances and public
//! parameters, and cannot reach a record.

pub mod cohort;
pub mod disclosure;
pub mod estimate;
pub mod file;
pub mod indicators;
pub mod methods;
pub mod released;
pub mod report;
pub mod results;

#[cfg(test)]
mod shared;
