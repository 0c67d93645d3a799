//! Why noise was refused or could not be drawn.
//!
//! No message holds a value, a count or anything else that was computed from records.

use ledger_adapter::cost::{Delta, Rho};

/// Why noise was refused or could not be drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoiseError {
    /// ε is not a number from 0.001 to 10 000.
    #[error("epsilon is not between 0.001 and 10000")]
    BadEpsilon,
    /// δ is not strictly between 0 and 1.
    #[error("delta is not strictly between 0 and 1")]
    BadDelta,
    /// The probability of missing is not strictly between 0 and 1.
    #[error("alpha is not strictly between 0 and 1")]
    BadAlpha,
    /// A scale of zero would add no noise.
    #[error("the noise scale is zero")]
    BadScale,
    /// Nobody can change the column, so no scale follows from a charge.
    #[error("the sensitivity or the number of groups is zero")]
    NoSensitivity,
    /// No family of noise was allowed.
    #[error("no family of noise is allowed")]
    NoFamily,
    /// Laplace noise has no price where the values that one person can move are not bounded.
    #[error("laplace noise needs a bound on the values that one person can move")]
    NoGroups,
    /// A residual column is not Gaussian, not the full table that its shape says, or not of one
    /// cell per person.
    #[error("a residual column is not a full table of one cell per person with gaussian noise")]
    BadResidual,
    /// A cell has no candidates to choose from.
    #[error("a selection has no candidates")]
    NoCandidates,
    /// A table of keep probabilities is empty, falls, or keeps keys of nobody.
    #[error("a table of keep probabilities is empty, falls, or does not begin with zero")]
    BadTable,
    /// A charge, scale or tail is beyond what its integer type holds.
    #[error("{what} does not fit its integer type")]
    Overflow {
        /// Which.
        what: &'static str,
    },
    /// The noise needs a larger charge than was granted; nothing was drawn.
    #[error("the noise needs rho {}, and rho {} is granted", .needed.as_f64(), .granted.as_f64())]
    Underfunded {
        /// What the scales amount to.
        needed: Rho,
        /// What the ledger granted.
        granted: Rho,
    },
    /// The choice of keys needs a larger failure probability than was granted; nothing was drawn.
    #[error("the keys need delta {:e}, and {:e} is granted", .needed.as_f64(), .granted.as_f64())]
    DeltaUnderfunded {
        /// What the steps so far and this one amount to.
        needed: Delta,
        /// What the ledger granted.
        granted: Delta,
    },
    /// An earlier step with the same charge failed; nothing was drawn.
    #[error("an earlier step with the same charge failed")]
    Spoilt,
    /// Parties that each add a share of the noise did not add it up.
    #[error("the parties did not add up their shares: {reason}")]
    Parties {
        /// Who, and why.
        reason: String,
    },
    /// Our charge is below opendp's privacy map; nothing was drawn.
    #[error("the charge of a column is below its privacy map")]
    MapDisagrees,
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    Entropy(getrandom::Error),
    /// opendp refused public parameters; nothing was drawn.
    #[error("opendp refuses the parameters of the mechanism")]
    Opendp {
        /// Its reason.
        #[from]
        source: opendp::error::Error,
    },
    /// opendp failed while it added noise. Its reason is dropped: it may depend on the records.
    #[error("the mechanism failed")]
    Mechanism,
}
