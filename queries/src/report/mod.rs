//! Reports: from released numbers to one document that a stranger can read and check.
//!
//! ```text
//!  estimates ──▶ Document ──html──▶ one self-contained file
//!                    ├──serde──▶ JSON: everything
//!                    └──rows───▶ CSV of each table and figure
//! ```
//! The document is a value that knows nothing of its rendering, and a rendering computes no
//! statistic: it only decides how many digits of a number are shown.

pub mod compose;
pub mod disclosed;
pub mod exhibits;
pub mod files;
pub mod flow;
pub mod html;
pub mod model;
pub mod numbers;
pub mod plots;
pub mod rows;
#[cfg(test)]
pub(crate) mod sample;
pub mod spec;
