//! From text to a plan with names and types resolved. It knows nothing of privacy.

pub(crate) mod bind;
pub mod text;
