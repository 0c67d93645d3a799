//! From text to a plan with names and types resolved. It knows nothing of privacy.

pub mod arguments;
pub(crate) mod bind;
mod bounds;
mod call;
mod dates;
pub mod dialect;
mod growth;
pub(crate) mod length;
mod ohdsi;
mod omop;
pub(crate) mod options;
pub(crate) mod prepare;
pub(crate) mod rewrite;
mod steps;
pub mod text;
