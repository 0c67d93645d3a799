//! What privacy costs: integers, in (ρ, δ) of approximate zero-concentrated differential privacy.
//!
//! Nothing here converts from or to (ε, δ); that needs a privacy map and lives in the engine.
//!
//! # Source
//! Bun and Steinke 2016, Definition 8.1 (approximate zCDP) and Lemma 8.2 (composition by addition);
//! Whitehouse et al. 2023 for adaptively chosen costs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Zero-concentrated privacy loss in billionths of ρ.
#[derive(
    Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize,
)]
pub struct Rho(u64);

impl Rho {
    /// Makes an amount from billionths of ρ.
    pub const fn from_nano(nano: u64) -> Self {
        Self(nano)
    }

    /// Billionths of ρ.
    pub const fn nano(self) -> u64 {
        self.0
    }

    /// ρ as a float, for people.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// Failure probability in units of 10⁻¹⁸; at most 1.
#[derive(
    Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize,
)]
pub struct Delta(u64);

impl Delta {
    /// Makes a probability from units of 10⁻¹⁸.
    pub const fn from_atto(atto: u64) -> Self {
        Self(atto)
    }

    /// Units of 10⁻¹⁸.
    pub const fn atto(self) -> u64 {
        self.0
    }

    /// δ as a float, for people.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1e18
    }
}

/// What one query costs, or what an account holds.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Concentrated privacy loss.
    pub rho: Rho,
    /// Failure probability spent on choosing which keys to show.
    pub delta: Delta,
}

impl Cost {
    /// The sum, or `None` past the integers.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            rho: Rho(self.rho.0.checked_add(other.rho.0)?),
            delta: Delta(self.delta.0.checked_add(other.delta.0)?),
        })
    }

    /// What is left after `other`, or `None` if either part would fall below zero.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        Some(Self {
            rho: Rho(self.rho.0.checked_sub(other.rho.0)?),
            delta: Delta(self.delta.0.checked_sub(other.delta.0)?),
        })
    }

    /// Whether nothing at all is asked for.
    pub const fn is_zero(self) -> bool {
        self.rho.0 == 0 && self.delta.0 == 0
    }

    /// Whether both parts are at most those of `cap`.
    pub fn fits(self, cap: Self) -> bool {
        self.rho <= cap.rho && self.delta <= cap.delta
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rho {:.9}, delta {:.3e}", self.rho.as_f64(), self.delta.as_f64())
    }
}
