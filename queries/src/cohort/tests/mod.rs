//! Facts about definitions.
