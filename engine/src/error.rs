//! What can go wrong with a query, sorted by who must act.
//!
//! After the gate there is one variant only, [`Error::Failed`], and it says nothing.

use std::fmt;

use ledger_adapter::cost::Cost;
use ledger_adapter::error::LedgerError;

use crate::cluster::ClusterError;
use crate::noise::error::NoiseError;
use crate::sql::text::{Place, place_of};

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The analyst must change the query. Nothing was charged.
    #[error("{0}")]
    Rejected(Box<Rejection>),
    /// The analyst must ask for less. Nothing was charged.
    #[error("the budget of this population does not hold that: asked {asked}; left {left}")]
    Exhausted {
        /// What the query would cost.
        asked: Cost,
        /// What the account holds.
        left: Cost,
    },
    /// Bytes, a signature or a proof are wrong. Nothing is released.
    #[error("not trusted")]
    Untrusted(#[source] LedgerError),
    /// The ledger could not do its part.
    #[error("the ledger could not answer")]
    Ledger(#[source] LedgerError),
    /// Whoever asked took the question back. Nothing was charged.
    #[error("the question was taken back before it was charged; nothing was charged")]
    Stopped,
    /// The cluster is not there. Nothing was charged.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Something failed after the charge. The charge stands; the operator's log has the reason.
    #[error("the query failed after it was charged; the charge stands (incident {0})")]
    Failed(IncidentId),
    /// A mistake of ours.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl From<LedgerError> for Error {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Exhausted { asked, left, .. } => Self::Exhausted { asked, left },
            LedgerError::Untrusted { .. } | LedgerError::Inactive { .. } => Self::Untrusted(error),
            other => Self::Ledger(other),
        }
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(Box::new(rejection))
    }
}

impl From<NoiseError> for Error {
    fn from(error: NoiseError) -> Self {
        Rejection::new(Code::Epsilon, error.to_string()).into()
    }
}

/// Name of an incident in the operator's log; 64 random bits, in hex.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IncidentId(pub(crate) u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A refusal before the gate: the rule, where, why, and the nearest query that would be answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rejection {
    /// The rule.
    pub code: Code,
    /// Where in the text, if that is known.
    pub place: Option<Place>,
    /// Why, in one phrase.
    pub reason: String,
    /// The nearest allowed query, or what to change.
    pub hint: Option<String>,
    /// A word of the text that the refusal is about.
    pub(crate) word: Option<String>,
}

impl Rejection {
    /// Refuses under `code`.
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        Self { code, place: None, reason: reason.into(), hint: None, word: None }
    }

    /// Adds what would be allowed.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Finds the place of the named word in the query's text.
    #[must_use]
    pub(crate) fn placed(mut self, text: &str) -> Self {
        let word = self.word.as_deref();
        self.place = self.place.or_else(|| word.and_then(|word| place_of(text, word)));
        self
    }

    /// Names a word of the query that the refusal is about; its place is found later.
    #[must_use]
    pub(crate) fn at(mut self, word: impl Into<String>) -> Self {
        self.word = Some(word.into());
        self
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(place) = self.place {
            write!(f, " at line {}, column {}", place.line, place.column)?;
        }
        write!(f, ": {}", self.reason)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// The rules that a query can break. The text of a code never changes its meaning.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Code {
    /// An aggregate function that has no private form.
    Aggregate,
    /// A column that no table of the query has.
    Column,
    /// DISTINCT over rows of several persons.
    Distinct,
    /// A privacy parameter outside its range.
    Epsilon,
    /// A function or operator that is not known to be total.
    Function,
    /// Private records joined otherwise than person to person.
    JoinPerson,
    /// A join that would keep public rows that no person matches.
    JoinOuter,
    /// A join of answers with the records that they came from.
    JoinReleased,
    /// LIMIT over rows of persons.
    LimitRows,
    /// An operator that has no rule.
    Operator,
    /// The result would show rows of persons.
    Rows,
    /// Not one SELECT statement.
    Statement,
    /// A subquery in an expression that has no rule.
    Subquery,
    /// Text that is not SQL.
    Syntax,
    /// A table that the population does not have.
    Table,
    /// Values that cannot be compared or computed with.
    Type,
    /// A sum or average of values without public bounds.
    Unbounded,
    /// A window over rows of several persons.
    Window,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aggregate => "R-AGGREGATE",
            Self::Column => "R-COLUMN",
            Self::Distinct => "R-DISTINCT",
            Self::Epsilon => "R-EPSILON",
            Self::Function => "R-FUNCTION",
            Self::JoinPerson => "R-JOIN-PERSON",
            Self::JoinOuter => "R-JOIN-OUTER",
            Self::JoinReleased => "R-JOIN-RELEASED",
            Self::LimitRows => "R-LIMIT-ROWS",
            Self::Operator => "R-OPERATOR",
            Self::Rows => "R-ROWS",
            Self::Statement => "R-STATEMENT",
            Self::Subquery => "R-SUBQUERY",
            Self::Syntax => "R-SYNTAX",
            Self::Table => "R-TABLE",
            Self::Type => "R-TYPE",
            Self::Unbounded => "R-UNBOUNDED",
            Self::Window => "R-WINDOW",
        })
    }
}
