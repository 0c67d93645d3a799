//! Records, verified as they are read.

pub(crate) mod copies;
pub mod extract;
pub(crate) mod file;
pub(crate) mod gate;
pub(crate) mod public;
pub(crate) mod table;
