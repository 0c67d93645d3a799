//! What can be wrong with an indicator, or with how it is asked.

use std::path::PathBuf;

/// Why an indicator cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndicatorError {
    /// A file says what makes no sense.
    #[error("{file}:{line}:{column}: {reason}")]
    Malformed {
        /// The file, as it was named.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong, with the value that is, and what would be allowed.
        reason: String,
    },
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
    /// A directory or file cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

fn meant(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |id| format!("; did you mean {id:?}?"))
}
