//! What can be wrong with an indicator, or with how it is asked.

use crate::file::FileError;

/// Why an indicator cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndicatorError {
    /// A file is wrong, or cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Two files define an indicator of the same name.
    #[error("{file}: there is an indicator {id:?} already; give this one another id")]
    Taken {
        /// The name.
        id: String,
        /// The second file.
        file: String,
    },
    /// There is no indicator of that name.
    #[error("no indicator {id:?}{}", meant(nearest))]
    Unknown {
        /// What was asked for.
        id: String,
        /// The name that is closest to it.
        nearest: Option<String>,
    },
    /// A parameter was given a value that it cannot have, or does not exist.
    #[error("indicator {id}, parameter {name:?}: {reason}")]
    Parameter {
        /// The indicator.
        id: String,
        /// The parameter.
        name: String,
        /// What is wrong, and what would be allowed.
        reason: String,
    },
}

fn meant(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |id| format!("; did you mean {id:?}?"))
}
