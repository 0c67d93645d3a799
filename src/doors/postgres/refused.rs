//! Failures as PostgreSQL tells them: a state, a message with the code in brackets, a hint, and a
//! position in the text.

use engine::error::Code;
use pgwire::error::{ErrorInfo, PgWireError};

use crate::desk::refusal::Refusal;
use crate::fail::Failure;

/// A failure of a statement.
pub(super) fn refused(failure: &Failure, text: &str) -> PgWireError {
    PgWireError::UserError(Box::new(told(failure, text)))
}

/// As [`refused`], as it is sent.
pub(super) fn told(failure: &Failure, text: &str) -> ErrorInfo {
    let refusal = Refusal::of(failure);
    let mut told = plain("ERROR", state(&refusal.code), &refusal.line());
    told.position = refusal.place.map(|place| position(text, place).to_string());
    told.hint = refusal.hint;
    told
}

/// A message without hint and position.
pub(super) fn plain(severity: &str, state: &str, message: &str) -> ErrorInfo {
    ErrorInfo::new(severity.to_owned(), state.to_owned(), message.to_owned())
}

/// A refusal of the protocol's own.
pub(super) fn protocol(state: &str, message: &str) -> PgWireError {
    PgWireError::UserError(Box::new(plain("ERROR", state, message)))
}

/// A refusal of a parameter's value: it says what every door says, and its state is the protocol's.
pub(super) fn unfit(state: &str, why: &str) -> PgWireError {
    protocol(state, &format!("[{}] {why}", Code::Statement))
}

/// The state of a code.
///
/// # Source
/// PostgreSQL 15, appendix A, "PostgreSQL Error Codes".
pub(super) fn state(code: &str) -> &'static str {
    match code {
        "R-SYNTAX" => "42601",
        "R-TABLE" => "42P01",
        "R-COLUMN" => "42703",
        "R-FUNCTION" => "42883",
        "R-TYPE" => "42804",
        "R-EPSILON" => "22023",
        code if code.starts_with("R-") => "0A000",
        "exhausted" => "53400",
        "limit" => "53300",
        "cancelled" => "57014",
        "unauthorized" => "28P01",
        "untrusted" => "58030",
        _ => "XX000",
    }
}

/// The character, from 1, of a line and column.
fn position(text: &str, (line, column): (u64, u64)) -> usize {
    let lines = usize::try_from(line.saturating_sub(1)).unwrap_or(0);
    let before: usize = text.split('\n').take(lines).map(|line| line.chars().count() + 1).sum();
    before + usize::try_from(column).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_position_in_characters() {
        assert_eq!(position("SELECT é", (1, 8)), 8);
        assert_eq!(position("SELECT\n  é x", (2, 5)), 12);
        assert_eq!(position("", (9, 9)), 10);
    }

    #[test]
    fn codes_have_the_states_that_clients_know() {
        assert_eq!(state("R-JOIN-PERSON"), "0A000");
        assert_eq!(state("R-SYNTAX"), "42601");
        assert_eq!(state("failed"), "XX000");
    }
}
