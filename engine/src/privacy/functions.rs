//! Functions that plans call and SQL does not have, as they are told to other machines.

use datafusion::logical_expr::ScalarUDF;
use serde::{Deserialize, Serialize};

use crate::privacy::calendar;
use crate::privacy::candidates::{self, Candidates};
use crate::privacy::grid;

/// A function, with what it depends on.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Own {
    /// Dates within the calendar.
    Kept,
    /// Values on a grid.
    Grid {
        /// Least step.
        lower: i64,
        /// Greatest step.
        upper: i64,
        /// A step is 10^-decimals.
        decimals: u8,
    },
    /// Values in bins.
    Bin(Candidates),
}

impl Own {
    /// What `function` is; `None` if it is not ours.
    pub(crate) fn of(function: &ScalarUDF) -> Option<Self> {
        let grid = || {
            let (lower, upper, decimals) = grid::told(function)?;
            Some(Self::Grid { lower, upper, decimals })
        };
        let bin = || candidates::told(function).map(Self::Bin);
        (function.name() == calendar::KEPT).then_some(Self::Kept).or_else(grid).or_else(bin)
    }

    /// The function.
    pub(crate) fn function(self) -> ScalarUDF {
        match self {
            Self::Kept => calendar::kept(),
            Self::Grid { lower, upper, decimals } => grid::function(lower, upper, decimals),
            Self::Bin(candidates) => candidates::function(candidates.into()),
        }
    }
}
