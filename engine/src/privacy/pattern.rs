//! Patterns are written out, and small: one that is none, or that is too large when it is
//! compiled, would fail for the first row that it meets.

use datafusion::logical_expr::Expr;
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::expr::Like;
use regex::RegexBuilder;

use crate::error::{Code, Rejection};

/// Checks the pattern of LIKE and ILIKE.
///
/// # Errors
/// `R-FUNCTION` if it differs from row to row, is long, or has an escape character of its own.
pub(crate) fn check_like(like: &Like) -> Result<(), Rejection> {
    if text(&like.pattern).is_some_and(is_short) && like.escape_char.is_none() {
        return Ok(());
    }
    Err(refused("LIKE"))
}

/// Checks the right side of an operator that matches regular expressions.
///
/// # Errors
/// `R-FUNCTION` if it is none that is written out, or too large.
pub(crate) fn check_match(op: Operator, pattern: &Expr) -> Result<(), Rejection> {
    let matching = matches!(
        op,
        Operator::RegexMatch
            | Operator::RegexIMatch
            | Operator::RegexNotMatch
            | Operator::RegexNotIMatch
            | Operator::LikeMatch
            | Operator::ILikeMatch
            | Operator::NotLikeMatch
            | Operator::NotILikeMatch
    );
    if !matching || is_regular(pattern) { Ok(()) } else { Err(refused("~")) }
}

/// Whether an expression is a small regular expression, written out; with and without regard to
/// case, as either form may be compiled.
pub(crate) fn is_regular(expr: &Expr) -> bool {
    let compiles = |pattern: &str, blind| {
        let mut builder = RegexBuilder::new(pattern);
        builder.size_limit(COMPILED_BYTES_MAX).case_insensitive(blind).build().is_ok()
    };
    text(expr).is_some_and(|p| is_short(p) && compiles(p, true) && compiles(p, false))
}

fn text(expr: &Expr) -> Option<&str> {
    let Expr::Literal(value, _) = expr else { return None };
    value.try_as_str()?
}

fn is_short(pattern: &str) -> bool {
    pattern.len() <= PATTERN_BYTES_MAX
}

fn refused(word: &str) -> Rejection {
    let reason = "the pattern is not a short one that is written out";
    Rejection::new(Code::Function, reason)
        .at(word)
        .hint("write the pattern as text of at most 500 characters, without ESCAPE")
}

/// Longest pattern.
const PATTERN_BYTES_MAX: usize = 500;

/// Largest compiled pattern: a tenth of where the executor's own limit lies.
const COMPILED_BYTES_MAX: usize = 1 << 20;
