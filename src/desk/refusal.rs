//! What somebody elsewhere is told of a failure: the same at every door, and nothing of paths,
//! causes or others.

use engine::error::Error as EngineError;
use ledger_adapter::error::{Inactive, LedgerError};
use serde_json::{Value, json};

use crate::fail::Failure;

/// A failure as somebody elsewhere is told it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Refusal {
    /// A rule such as `R-JOIN-PERSON`, or a word such as `exhausted`.
    pub(crate) code: String,
    /// Why, in one phrase.
    pub(crate) message: String,
    /// What would be answered, or what to do.
    pub(crate) hint: Option<String>,
    /// Line and column, both from 1, if that is known.
    pub(crate) place: Option<(u64, u64)>,
}

impl Refusal {
    /// Takes from a failure what may be told.
    pub(crate) fn of(failure: &Failure) -> Self {
        let code = failure.code();
        let place = failure.place().map(|place| (place.line, place.column));
        let (message, hint) = match failure {
            Failure::Query(asked) => of_query(&asked.error, failure),
            Failure::Limit(_) | Failure::Passed | Failure::Usage { .. } => {
                (failure.message(), failure.hint())
            }
            Failure::Unauthorized => (failure.message(), None),
            Failure::Encode(_) => ("the answer has no form here".to_owned(), None),
            _ => ("the server cannot do it now".to_owned(), Some(OPERATOR.to_owned())),
        };
        Self { code, message, hint, place }
    }

    /// The code in brackets, and why.
    pub(crate) fn line(&self) -> String {
        format!("[{}] {}", self.code, self.message)
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({"error": {
            "code": self.code,
            "message": self.message,
            "line": self.place.map(|(line, _)| line),
            "column": self.place.map(|(_, column)| column),
            "hint": self.hint,
        }})
    }
}

fn of_query(error: &EngineError, failure: &Failure) -> (String, Option<String>) {
    let hinted = |hint: &str| Some(hint.to_owned());
    match error {
        EngineError::Rejected(_) | EngineError::Failed(_) => (failure.message(), failure.hint()),
        EngineError::Exhausted { .. } => (
            error.to_string(),
            hinted(
                "ask with a smaller graunt.epsilon; SHOW graunt.budget tells what is left, and \
                 ESTIMATE what a question costs",
            ),
        ),
        EngineError::Stopped => (error.to_string(), None),
        EngineError::Untrusted(LedgerError::Inactive { why, .. }) => {
            let what = match why {
                Inactive::Revoked => "a site has withdrawn its extract",
                Inactive::Expired => "an extract has expired",
                Inactive::Superseded => "another extract took the place of one",
                _ => "an extract is not attested",
            };
            (format!("{what}; nothing was charged"), hinted(OPERATOR))
        }
        EngineError::Untrusted(_) => {
            ("an extract or the ledger is not as it was signed".to_owned(), hinted(OPERATOR))
        }
        _ => ("the server cannot do it now".to_owned(), hinted(OPERATOR)),
    }
}

const OPERATOR: &str = "ask whoever runs this server; its log says more";

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn nothing_of_the_servers_files_is_told() {
        let lost = io::Error::other("no space");
        let failure = Failure::store("/srv/secret/receipts", "writing")(lost);
        let told = Refusal::of(&failure);
        assert_eq!(told.code, "store");
        assert!(!told.line().contains("secret") && !told.to_json().to_string().contains("space"));
    }
}
