//! What can go wrong with a view, and where in it.

use crate::fhir::path::PathError;

/// Why a view cannot be understood, or does not fit a resource. Messages name parts of the view,
/// never a value of a resource.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// It is not JSON of the shape of a ViewDefinition.
    #[error("the view is not the JSON of a ViewDefinition")]
    Json(#[from] serde_json::Error),
    /// It lacks a part, or has parts that exclude each other.
    #[error("{place}: {rule}")]
    Shape {
        /// The part of the view, as `select[1].column[0]`.
        place: String,
        /// What must hold.
        rule: &'static str,
    },
    /// An expression cannot be read.
    #[error("{place}: {expression}")]
    Expression {
        /// The part of the view.
        place: String,
        /// The expression.
        expression: String,
        /// What is wrong, and where.
        source: PathError,
    },
    /// An expression does not fit a resource.
    #[error("{place} does not fit the resource")]
    Misfit {
        /// The part of the view.
        place: String,
        /// What is wrong, and where in the expression.
        source: PathError,
    },
    /// A column has several values, and may have one only.
    #[error("{place} has several values for one row, and is no collection")]
    Several {
        /// The part of the view.
        place: String,
    },
    /// A column has a value with members, and may have primitive values only.
    #[error("{place} has a value with members; a column holds primitive values")]
    NotPrimitive {
        /// The part of the view.
        place: String,
    },
    /// A condition of the view is neither true nor false.
    #[error("{place} is neither true nor false")]
    NotBoolean {
        /// The part of the view.
        place: String,
    },
    /// A resource would make more rows than any honest one.
    #[error("{place} makes more than {rows_max} rows of one resource")]
    TooManyRows {
        /// The part of the view.
        place: String,
        /// The limit.
        rows_max: usize,
    },
    /// A repeated path goes on without an end.
    #[error("{place} repeats more than {depth_max} times")]
    TooDeep {
        /// The part of the view.
        place: String,
        /// The limit.
        depth_max: usize,
    },
}
