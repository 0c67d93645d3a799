//! Records, verified as they are read.

pub(crate) mod copies;
pub(crate) mod dictionary;
pub mod extract;
pub(crate) mod file;
mod footer;
pub(crate) mod gate;
pub(crate) mod leaf;
mod merge;
pub(crate) mod public;
pub(crate) mod read;
pub(crate) mod reader;
pub(crate) mod table;
