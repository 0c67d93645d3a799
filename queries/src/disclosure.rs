//! What publishers ask for on top of the noise: small cells, their complements, rounding, and
//! differences to what was released before.
//!
//! ```text
//!  estimates ──Table──▶ Rule::check ──▶ Checked ──Packet──▶ whoever checks outputs
//!                          ▲ complement      ▲ differences to earlier tables
//! ```
//! Noise already protects persons. These rules are policy: they decide on noisy values, which are
//! public, never on exact ones, and cost no budget. They do not make a table without noise safe.

pub mod check;
pub mod complement;
pub mod differences;
pub mod packet;
pub mod records;
pub mod rules;
pub mod table;

#[cfg(test)]
mod tests;

/// Why rules or a table cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no list of rules.
    #[error("rules cannot be read")]
    Rules(#[from] toml::de::Error),
    /// Two rules have this name.
    #[error("there are two rules called {0}")]
    TwoRules(String),
    /// A rule of this name rounds to less than 1.
    #[error("rule {0} rounds to less than 1")]
    Rounding(String),
    /// Two cells are of this group.
    #[error("there are two cells of {0}")]
    TwoCells(String),
}
