//! What can be wrong with the definition of a cohort.

use std::fmt;
use std::sync::Arc;

/// Why a definition is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CohortError {
    /// It is not TOML.
    #[error("{place}: this is not TOML")]
    Toml {
        /// Where the parser stopped.
        place: Place,
        /// What it expected there.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// It is not JSON.
    #[error("{file}: this is not JSON")]
    Json {
        /// The file.
        file: Arc<str>,
        /// What the parser says, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// It says something that no definition says.
    #[error("{place}: {found}; {allowed}")]
    Refused {
        /// Where it says so.
        place: Place,
        /// What is there.
        found: String,
        /// What may be there instead, or why it cannot.
        allowed: String,
    },
    /// The name that a cohort is given is no name of a view.
    #[error("{name:?} names no cohort; {NAMES}")]
    Name {
        /// The name.
        name: String,
    },
}

/// What names of cohorts look like.
pub(super) const NAMES: &str = "a name begins with a letter, is of a to z, 0 to 9 and single _, \
                                has 40 characters at most, and is not that of a table";

/// Where something stands in a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// In a file of lines.
    Line {
        /// The file.
        file: Arc<str>,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// In JSON.
    Path {
        /// The file.
        file: Arc<str>,
        /// The way from the root: `$.PrimaryCriteria.CriteriaList[0]`.
        path: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Path { file, path } => write!(f, "{file}: {path}"),
        }
    }
}

impl Place {
    /// Refuses what stands here.
    pub(super) fn refuse(
        &self,
        found: impl Into<String>,
        allowed: impl Into<String>,
    ) -> CohortError {
        CohortError::Refused { place: self.clone(), found: found.into(), allowed: allowed.into() }
    }
}
