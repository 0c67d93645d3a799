//! Definitions of cohorts, as values, and the SQL that finds their persons.
//!
//! ```text
//!  TOML ──────────┐
//!                 ├──▶ Definition ──▶ views (person_id, cohort_start_date, cohort_end_date)
//!  Circe (ATLAS) ─┘             └───▶ attrition: persons by the rules that they pass
//! ```
//! The SQL keeps every row with its person, so that the engine's rules admit questions about it.
//! Nothing here reads a record or asks a question.

mod circe;
pub mod definition;
mod document;
pub mod error;
mod nearest;
pub mod sql;
mod tables;
#[cfg(test)]
mod tests;
mod tree;
