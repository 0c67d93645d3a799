//! Why marginals could not be planned or put together.
//!
//! No message holds a value that was computed from records.

/// Why marginals could not be planned or put together.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum MarginalsError {
    /// More than 32 attributes, or one without keys.
    #[error("an attribute has no keys, or there are more than 32 attributes")]
    BadSizes,
    /// A set names an attribute that is not there or is in no wanted set, or none is wanted.
    #[error("a set of attributes is not among those that can be answered")]
    BadSet,
    /// Not one positive finite weight per wanted set.
    #[error("the weights are not one positive number per wanted set")]
    BadWeights,
    /// Nobody can change the table, so no cost follows from a scale.
    #[error("no person may contribute to any cell")]
    NoContribution,
    /// The wanted sets have too many subsets.
    #[error("the wanted sets have more than {PARTS_MAX} subsets")]
    TooManyParts,
    /// A table has not one value per cell, a list not one entry per part, or no such cell is there.
    #[error("a table does not have the shape of its attributes")]
    BadShape,
    /// A number is beyond what its integer type holds.
    #[error("{what} does not fit its integer type")]
    Overflow {
        /// Which.
        what: &'static str,
    },
}

/// Most residuals that are planned: those of a cube of twelve attributes.
pub(super) const PARTS_MAX: usize = 4096;
