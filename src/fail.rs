//! What can go wrong in the command, how it is told, and the exit code that follows.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use datasets::cohort::error::CohortError;
use datasets::extract::error::ExtractError;
use datasets::policy::error::PolicyError;
use engine::error::Error as EngineError;
use engine::sql::text::Place;
use ledger_adapter::error::{Inactive, LedgerError, Untrusted};
use serde_json::{Value, json};

use crate::config::ConfigError;
use crate::output::remark;
use crate::script::Statement;
use crate::wire::error::WireError;

/// The exit codes, for `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  answered, done
  1  internal or other failure
  2  usage: arguments, configuration, names, inputs
  3  the query is rejected; nothing was charged
  4  the budget is exhausted; nothing was charged
  5  not trusted: changed bytes, a wrong signature, revoked or expired
  6  ledger, store or cluster failure: disk full, unreadable, unreachable
  7  failed after the charge; the charge stands
  8  taken back before the charge; nothing was charged";

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// The caller must ask differently.
    #[error("{what}")]
    Usage {
        /// What is wrong.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A query has no answer.
    #[error("{}", .0.error)]
    Query(Box<Asked>),
    /// The engine could not be made ready.
    #[error(transparent)]
    Engine(EngineError),
    /// The ledger refused, or could not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No extract was made.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// The policy cannot be used.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// No cohort was made.
    #[error(transparent)]
    Cohort(#[from] CohortError),
    /// Certificates or keys for calls between sites cannot be made or used.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Receipts do not verify.
    #[error("{failed} of {count} receipts do not verify")]
    Unverified {
        /// How many do not.
        failed: usize,
        /// How many there are.
        count: usize,
    },
    /// What was checked does not hold; the lines before say what.
    #[error("{failed} of {count} extracts do not verify")]
    Spoilt {
        /// How many do not.
        failed: usize,
        /// How many there are.
        count: usize,
    },
    /// The file system failed.
    #[error("{}: {action} failed", path.display())]
    Store {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The answer cannot be printed.
    #[error("writing the output failed")]
    Output(#[source] io::Error),
    /// The answer has no form in the asked format.
    #[error("the answer cannot be written in this format")]
    Encode(#[source] Box<dyn StdError + Send + Sync>),
    /// A limit of the server is met; later, or with less, it may be done.
    #[error("{0}")]
    Limit(String),
    /// Nobody has this name and password.
    #[error("no analyst has this name and password")]
    Unauthorized,
    /// A question was taken back after it was charged.
    #[error("the question was being charged when it was taken back; its answer is kept")]
    Passed,
    /// The terminal failed.
    #[error("the terminal failed")]
    Terminal(#[from] rustyline::error::ReadlineError),
    /// The demo did not go as it should.
    #[error("the demo went otherwise than it should: {0}")]
    Demo(String),
}

/// A query without an answer, with its text.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Why it has none.
    pub(crate) error: EngineError,
    /// What was asked.
    pub(crate) statement: Statement,
}

impl Failure {
    /// The caller must ask differently.
    pub(crate) fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), hint: hint.into() }
    }

    /// A limit of the server is met.
    pub(crate) fn limit(what: impl Into<String>) -> Self {
        Self::Limit(what.into())
    }

    /// The file system failed.
    pub(crate) fn store(
        path: impl Into<PathBuf>,
        action: &'static str,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Store { path, action, source }
    }

    /// Whether nobody reads the output any more, which is their right.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code, as in [`EXIT_CODES`].
    pub(crate) fn exit_code(&self) -> u8 {
        self.class().0
    }

    /// A stable name of what went wrong, for programs: a rule such as `R-JOIN-PERSON`, or a word.
    pub(crate) fn code(&self) -> String {
        match self {
            Self::Query(asked) => match &asked.error {
                EngineError::Rejected(rejection) => rejection.code.to_string(),
                _ => self.class().1.to_owned(),
            },
            _ => self.class().1.to_owned(),
        }
    }

    /// What to do.
    pub(crate) fn hint(&self) -> Option<String> {
        let fixed = match self {
            Self::Usage { hint, .. } => return Some(hint.clone()).filter(|hint| !hint.is_empty()),
            Self::Query(asked) => match &asked.error {
                EngineError::Rejected(rejection) => return rejection.hint.clone(),
                error => engine_hint(error),
            },
            Self::Engine(error) => engine_hint(error),
            Self::Ledger(error) | Self::Extract(ExtractError::Ledger(error)) => ledger_hint(error),
            Self::Config(_) => "correct the file, or name another one with --config",
            Self::Extract(ExtractError::Exists { .. }) => "choose another directory with --out",
            Self::Output(_) => "an answer that was paid for is also in its receipt",
            Self::Extract(ExtractError::Frame { .. } | ExtractError::Store { .. })
            | Self::Store { .. } => "see that the disk has room and that the file may be read",
            Self::Extract(_) => "correct the source tables; nothing was written",
            Self::Policy(_) => "print one to start from with graunt policy safe-harbor",
            Self::Cohort(CohortError::Occupied { .. }) => "choose another directory with --out",
            Self::Wire(error) => wire_hint(error),
            Self::Limit(_) => "nothing was charged; ask again in a while",
            Self::Unauthorized => "graunt analyst add lets somebody in",
            Self::Passed => "ask it again: an answer that was paid for costs nothing more",
            Self::Unverified { .. } => "ask the publisher; do not rely on what the receipt claims",
            Self::Spoilt { .. } => "restore the files from the site, or make a new extract",
            _ => "",
        };
        Some(fixed.to_owned()).filter(|hint| !hint.is_empty())
    }

    /// Where in the script, if that is known.
    pub(crate) fn place(&self) -> Option<Place> {
        match self {
            Self::Query(asked) => match &asked.error {
                EngineError::Rejected(r) => r.place.map(|at| asked.statement.in_script(at)),
                _ => None,
            },
            _ => None,
        }
    }

    /// What went wrong, without place and hint.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Query(asked) => match &asked.error {
                EngineError::Rejected(rejection) => rejection.reason.clone(),
                error => error.to_string(),
            },
            _ => self.to_string(),
        }
    }

    /// Everything that is known, for people: what, where, why, what to do.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("error: {}", self.message());
        let code = self.code();
        if code.starts_with("R-") {
            text = format!("error[{code}]: {}", self.message());
        }
        if let Self::Query(asked) = self
            && let EngineError::Rejected(rejection) = &asked.error
            && let Some(place) = rejection.place
        {
            let _ = write!(text, "\n{}", caret(&asked.statement, place));
        }
        for cause in self.causes() {
            let _ = write!(text, "\n  because: {}", cause.trim_end().replace('\n', "\n  "));
        }
        if let Some(hint) = self.hint() {
            let _ = write!(text, "\n  hint: {hint}");
        }
        text
    }

    /// Everything that is known, for programs.
    pub(crate) fn to_json(&self) -> Value {
        let message = std::iter::once(self.message()).chain(self.causes());
        json!({"error": {
            "code": self.code(),
            "message": message.collect::<Vec<_>>().join(": "),
            "line": self.place().map(|place| place.line),
            "column": self.place().map(|place| place.column),
            "hint": self.hint(),
        }})
    }

    /// The causes, the nearest first.
    fn causes(&self) -> Vec<String> {
        let first: Option<&dyn StdError> = match self {
            Self::Query(asked) => asked.error.source(),
            other => other.source(),
        };
        let mut causes = Vec::new();
        let mut next = first;
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes
    }

    /// Exit code and name.
    fn class(&self) -> (u8, &'static str) {
        match self {
            Self::Usage { .. } | Self::Config(_) | Self::Policy(_) => USAGE,
            Self::Query(asked) => engine_class(&asked.error),
            Self::Engine(error) => engine_class(error),
            Self::Ledger(error) => ledger_class(error),
            Self::Extract(ExtractError::Ledger(error)) => ledger_class(error),
            Self::Extract(
                ExtractError::Frame { .. }
                | ExtractError::Write { .. }
                | ExtractError::Assemble { .. }
                | ExtractError::Store { .. },
            )
            | Self::Cohort(CohortError::Store { .. } | CohortError::Parquet { .. })
            | Self::Store { .. }
            | Self::Output(_) => STORE,
            Self::Extract(ExtractError::Json(_)) => INTERNAL,
            Self::Extract(_) => USAGE,
            Self::Cohort(CohortError::OutOfRange { .. } | CohortError::Occupied { .. }) => USAGE,
            Self::Wire(error) => wire_class(error),
            Self::Unverified { .. } | Self::Spoilt { .. } => UNTRUSTED,
            Self::Limit(_) => (2, "limit"),
            Self::Unauthorized => (2, "unauthorized"),
            Self::Passed => (7, "cancelled"),
            Self::Cohort(_) | Self::Encode(_) | Self::Terminal(_) | Self::Demo(_) => INTERNAL,
        }
    }
}

/// Tells a failure on standard error.
pub(crate) fn print(failure: &Failure, json: bool) {
    if json { remark(failure.to_json()) } else { remark(failure.render()) }
}

const INTERNAL: (u8, &str) = (1, "internal");
const USAGE: (u8, &str) = (2, "usage");
const EXHAUSTED: (u8, &str) = (4, "exhausted");
const UNTRUSTED: (u8, &str) = (5, "untrusted");
const STORE: (u8, &str) = (6, "store");

const fn engine_class(error: &EngineError) -> (u8, &'static str) {
    match error {
        EngineError::Rejected(_) => (3, "rejected"),
        EngineError::Exhausted { .. } => EXHAUSTED,
        EngineError::Untrusted(_) => UNTRUSTED,
        EngineError::Ledger(error) => ledger_class(error),
        EngineError::Failed(_) => (7, "failed"),
        EngineError::Cluster(_) => (6, "cluster"),
        EngineError::Stopped => (8, "cancelled"),
        _ => INTERNAL,
    }
}

const fn ledger_class(error: &LedgerError) -> (u8, &'static str) {
    match error {
        LedgerError::Exhausted { .. } => EXHAUSTED,
        LedgerError::Inactive { .. } | LedgerError::Untrusted { .. } => UNTRUSTED,
        LedgerError::Conflict { .. } | LedgerError::Refused { .. } => USAGE,
        _ => (6, "ledger"),
    }
}

const fn wire_class(error: &WireError) -> (u8, &'static str) {
    match error {
        WireError::Exposed { .. } | WireError::Unusable(_) => UNTRUSTED,
        WireError::Exists { .. } | WireError::Malformed { .. } => USAGE,
        WireError::Name { .. } | WireError::Address { .. } => USAGE,
        WireError::Store { .. } => STORE,
        _ => INTERNAL,
    }
}

fn engine_hint(error: &EngineError) -> &'static str {
    match error {
        EngineError::Exhausted { .. } => {
            "ask with a smaller --epsilon; graunt budget show tells what is left, and --quote \
             what a \
             query costs"
        }
        EngineError::Untrusted(error) | EngineError::Ledger(error) => ledger_hint(error),
        EngineError::Failed(_) => "give the incident's number to the operator, whose log says more",
        EngineError::Cluster(_) => {
            "start it with graunt cluster scheduler and executor; nothing was charged"
        }
        EngineError::Internal(_) => "this is a mistake of graunt itself; please report it",
        _ => "",
    }
}

fn ledger_hint(error: &LedgerError) -> &'static str {
    match error {
        LedgerError::Inactive { why: Inactive::Revoked, .. } => {
            "nothing was charged; make a new extract of the site, or answer without it with \
             --without-revoked"
        }
        LedgerError::Inactive { .. } => "ask the site for a new extract; nothing was charged",
        LedgerError::Untrusted { fault: Untrusted::Missing, .. } => {
            "restore the file; if only the ledger's witness is gone, and you know why, graunt \
             ledger \
             init --add-witness begins a new one"
        }
        LedgerError::Untrusted { fault: Untrusted::Exposed, .. } => {
            "set its mode with chmod 600, and find out who has read it"
        }
        LedgerError::Untrusted { .. } => {
            "stop and find out what changed the bytes; graunt ledger check reads everything again"
        }
        LedgerError::Conflict { what: "account" } => {
            "a budget is opened once and never changed; graunt budget show tells what it is"
        }
        LedgerError::Finality { .. } => {
            "nothing was charged; use a ledger that is as final, or ask for less: finality under \
             [ledger] in graunt.toml"
        }
        LedgerError::Refused { rule } if rule.starts_with("a rotation of the log's") => {
            "graunt keys rotate --log goes on with it"
        }
        LedgerError::Refused { rule } if rule.starts_with("the log's key") => {
            "start this again; if that does not help, keys/log.pem is an older copy: use the newest"
        }
        LedgerError::Refused { rule } if rule.starts_with("a rotation") => {
            "graunt keys rotate --site goes on with it"
        }
        LedgerError::Refused { rule } if rule.starts_with("a key") => {
            "a key is rotated once, after its first extract is attested"
        }
        LedgerError::Refused { .. } => {
            "open the population's budget first, with graunt budget open"
        }
        LedgerError::Store { .. } => "see that the disk has room and that the file may be read",
        _ => "",
    }
}

const fn wire_hint(error: &WireError) -> &'static str {
    match error {
        WireError::Exists { .. } => "choose another directory; keys are never overwritten",
        WireError::Exposed { .. } => "set its mode with chmod 600, and find out who has read it",
        WireError::Unusable(_) => "make another certificate with graunt keys certificate",
        WireError::Store { .. } => "see that the disk has room and that the file may be read",
        _ => "",
    }
}

/// The line of a place, with a caret under the word that begins there.
fn caret(statement: &Statement, place: Place) -> String {
    let index = usize::try_from(place.line.saturating_sub(1)).unwrap_or(usize::MAX);
    let line = statement.text.lines().nth(index).unwrap_or_default();
    let before = usize::try_from(place.column.saturating_sub(1)).unwrap_or(usize::MAX);
    let before = before.min(line.chars().count());
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    let width = line.chars().skip(before).take_while(is_word).count().max(1);
    // Tabs stay tabs, so that the caret stands where the word does.
    let margin: String =
        line.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let number = statement.in_script(place).line.to_string();
    let gutter = " ".repeat(number.len());
    format!("{gutter} |\n{number} | {line}\n{gutter} | {margin}{}", "^".repeat(width))
}

#[cfg(test)]
mod tests {
    use engine::error::{Code, Rejection};

    use super::*;
    use crate::script::split;

    fn rejected(script: &str, line: u64, column: u64) -> Failure {
        let statement = split(script).pop().unwrap();
        let mut rejection = Rejection::new(Code::Table, "no such table").hint("try person");
        rejection.place = Some(Place { line, column });
        Failure::Query(Box::new(Asked { error: rejection.into(), statement }))
    }

    #[test]
    fn the_caret_stands_under_the_word() {
        let failure = rejected("SELECT 1;\nSELECT COUNT(*)\n  FROM patients p", 2, 8);
        assert_eq!(
            failure.render(),
            "error[R-TABLE]: no such table\n  |\n3 |   FROM patients p\n  |        ^^^^^^^^\n  \
             hint: try person"
        );
        assert_eq!(failure.place(), Some(Place { line: 3, column: 8 }));
        assert_eq!(failure.exit_code(), 3);
    }

    #[test]
    fn a_place_past_the_end_is_no_panic() {
        for (line, column) in [(1, 100), (9, 1), (0, 0), (u64::MAX, u64::MAX)] {
            let text = caret(&split("SELECT 1").pop().unwrap(), Place { line, column: column / 2 });
            assert!(text.ends_with('^') || text.ends_with("^^^^^^"), "{text}");
        }
    }

    #[test]
    fn programs_get_one_object() {
        let value = rejected("SELECT a", 1, 8).to_json();
        assert_eq!(value["error"]["code"], "R-TABLE");
        assert_eq!(value["error"]["column"], 8);
        assert_eq!(value["error"]["hint"], "try person");
    }

    #[test]
    fn causes_are_told_to_the_last() {
        let source = io::Error::new(io::ErrorKind::StorageFull, "no space left on device");
        let error = LedgerError::Store { path: "log".into(), action: "write", source };
        let failure = Failure::Engine(EngineError::from(error));
        assert_eq!(failure.exit_code(), 6);
        let text = failure.render();
        assert!(text.contains("because: log: write failed"), "{text}");
        assert!(text.contains("because: no space left on device"), "{text}");
    }
}
