//! OMOP schemas, extracts, synthetic cohorts, and tables from FHIR.
//!
//! ```text
//!  fhir ────────┐
//!  cohort ── raw OMOP tables ──▶ extract ── de-identified, sorted, attested ──▶ engine
//!               schema ─────────────┘  └──── policy
//! ```
//! It never answers a query, and never draws noise.

pub mod cohort;
pub mod extract;
pub mod fhir;
pub mod policy;
pub mod schema;
