//! What can go wrong with an expression, and where in it.

use std::fmt;

/// A fault of an expression, or of applying it to a resource. Neither holds a value of the
/// resource: names and texts in it are the expression's own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PathError {
    /// Where in the expression: bytes before it.
    pub at: usize,
    /// What is wrong there.
    pub fault: PathFault,
}

/// What is wrong with an expression.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PathFault {
    /// It is not FHIRPath.
    #[error("{0}")]
    Syntax(&'static str),
    /// It is FHIRPath that is not understood here.
    #[error("{0} is not understood here")]
    Unsupported(String),
    /// There is no constant of that name.
    #[error("there is no constant %{0}")]
    UnknownConstant(String),
    /// A function has too few or too many arguments.
    #[error("{function}() takes {expected} arguments")]
    Arguments {
        /// The function.
        function: &'static str,
        /// How many it takes.
        expected: &'static str,
    },
    /// It is longer or deeper than an honest expression.
    #[error("the expression has more than {0}")]
    TooLarge(&'static str),
    /// There are several values where one is wanted.
    #[error("{0} takes one value, and there are several")]
    NotSingle(&'static str),
    /// A value is not of the type that is wanted.
    #[error("{0} does not take a value of this type")]
    WrongType(&'static str),
    /// A number does not fit.
    #[error("a number is too large")]
    Overflow,
    /// Applying the expression takes longer than any honest resource would.
    #[error("this takes too many steps")]
    TooManySteps,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.at, self.fault)
    }
}

impl std::error::Error for PathError {}

impl PathFault {
    /// This fault at a place.
    pub(super) const fn at(self, at: usize) -> PathError {
        PathError { at, fault: self }
    }
}
