//! The interactive shell: history, completion, statements over several lines.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Context as LineContext, Editor, Helper};

use crate::commands::sql::Printing;
use crate::fail::{self, Failure};
use crate::home::Home;
use crate::output::Output;
use crate::script::{is_complete, split};
use crate::session::Session;
use crate::show;

/// Reads statements from the terminal and answers them until the end of input. A failed statement
/// is told, and the shell goes on.
///
/// # Errors
/// [`Failure::Terminal`], [`Failure::Output`].
pub(crate) fn run(
    session: &Session,
    home: &Home,
    mut printing: Printing,
    out: &mut Output,
) -> Result<(), Failure> {
    let config = rustyline::Config::builder().completion_type(CompletionType::List).build();
    let mut editor: Editor<Prompt, FileHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(Prompt::new(session)));
    let history = home.history();
    let mut options = OpenOptions::new();
    // The history holds questions: it is made for its owner only. Without one the shell works.
    let _ = options.create(true).append(true).mode(0o600).open(&history);
    let _ = editor.load_history(&history);
    out.line(format_args!("population {}; \\? for help", session.population().name))?;
    loop {
        match editor.readline("graunt> ") {
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => {
                let _ = editor.add_history_entry(text.trim());
                let _ = editor.save_history(&history);
                match answer(session, &text, &mut printing, out) {
                    Ok(Next::Prompt) => {}
                    Ok(Next::Leave) => return Ok(()),
                    Err(failure) if failure.is_broken_pipe() => return Err(failure),
                    Err(failure) => fail::print(&failure, false),
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What the shell does after a line.
enum Next {
    Prompt,
    Leave,
}

fn answer(
    session: &Session,
    text: &str,
    printing: &mut Printing,
    out: &mut Output,
) -> Result<Next, Failure> {
    let Some(command) = text.trim().strip_prefix('\\') else {
        for statement in split(text) {
            printing.answer(session, &statement, out)?;
        }
        return Ok(Next::Prompt);
    };
    let mut words = command.trim_end_matches(';').split_whitespace();
    match (words.next(), words.next()) {
        (Some("q"), None) => return Ok(Next::Leave),
        (Some("quote"), Some("on")) => printing.quotes_only = true,
        (Some("quote"), Some("off")) => printing.quotes_only = false,
        _ => meta(session, command, out)?,
    }
    Ok(Next::Prompt)
}

/// Answers a command that begins with a backslash, given without it; nothing is charged.
///
/// # Errors
/// [`Failure::Usage`] if there is no such command or table, [`Failure::Output`].
pub(crate) fn meta(session: &Session, command: &str, out: &mut Output) -> Result<(), Failure> {
    let mut words = command.trim_end_matches(';').split_whitespace();
    match (words.next(), words.next()) {
        (Some("d"), None) => out.line(show::tables(session.catalog())),
        (Some("d"), Some(name)) => match session.catalog().table(&name.to_ascii_lowercase()) {
            Some(table) => out.line(show::columns(table)),
            None => {
                Err(Failure::usage(format!("there is no table {name:?}"), "\\d lists the tables"))
            }
        },
        (Some("budget"), None) => match session.balance()? {
            Some(balance) => {
                out.line(format_args!("left {}", show::left(balance)))?;
                out.line(format_args!("spent in {} charges", balance.charges))
            }
            None => out.line("no budget is open for this population"),
        },
        (Some("?"), None) => out.line(HELP),
        _ => Err(Failure::usage(format!("there is no command \\{command}"), "\\? lists them")),
    }
}

const HELP: &str = "\
SELECT ...;              asks a question; it ends with a semicolon, on as many lines as you like;
                         the same question asked again costs nothing
EXPLAIN SELECT ...;      shows whose rows each step holds, with bounds, noise and cost
ESTIMATE SELECT ...;     tells cost, noise and the width of intervals; neither charges anything
CREATE VIEW v AS ...;    names a query to ask about, until you leave; DROP VIEW v; forgets it
PREPARE q AS ... $1 ...; names a question with parameters; EXECUTE q(1); asks it,
                         DEALLOCATE q; forgets it
\\d                       lists the tables
\\d TABLE                 lists the columns of a table, with their public bounds and values
\\budget                  tells what is left of the budget
\\quote on|off            tells what questions would cost, and charges nothing
\\?                       shows this
\\q, Ctrl-D               leaves; Ctrl-C abandons the line";

/// Completion, and the wait for the semicolon.
struct Prompt {
    words: Vec<String>,
}

impl Prompt {
    fn new(session: &Session) -> Self {
        let mut words: Vec<String> = KEYWORDS.iter().map(|word| (*word).to_owned()).collect();
        for table in session.catalog().tables() {
            words.push(table.name.clone());
            words.extend(table.columns.iter().map(|column| column.name.clone()));
        }
        let more = ["\\d", "\\budget", "\\quote", "\\q", "\\?", "DEALLOCATE"];
        words.extend(more.map(str::to_owned));
        words.sort_unstable();
        words.dedup();
        Self { words }
    }
}

impl Completer for Prompt {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &LineContext<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(complete(&self.words, line, position))
    }
}

/// Where the word at `position` begins, and what may stand there.
fn complete(words: &[String], line: &str, position: usize) -> (usize, Vec<String>) {
    let before = line.get(..position).unwrap_or(line);
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '\\';
    let start = before.rfind(|c| !is_part(c)).map_or(0, |at| {
        at + before.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
    });
    let typed = before.get(start..).unwrap_or_default();
    if typed.is_empty() {
        return (start, vec![]);
    }
    let begins = |word: &&String| {
        word.get(..typed.len()).is_some_and(|head| head.eq_ignore_ascii_case(typed))
    };
    // Keywords follow the case of what is typed.
    let lower = typed.chars().all(|c| !c.is_uppercase());
    let spelt = |word: &String| if lower { word.to_ascii_lowercase() } else { word.clone() };
    (start, words.iter().filter(begins).map(spelt).collect())
}

impl Validator for Prompt {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        let is_done = text.trim_start().starts_with('\\') || is_complete(text);
        Ok(if is_done { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Hinter for Prompt {
    type Hint = String;
}

impl Highlighter for Prompt {}

impl Helper for Prompt {}

const KEYWORDS: [&str; 48] = [
    "AND", "AS", "ASC", "AVG", "BETWEEN", "BY", "CASE", "COUNT", "CREATE", "DESC", "DISTINCT",
    "DROP", "ELSE", "END", "ESTIMATE", "EXECUTE", "EXISTS", "EXPLAIN", "EXTRACT", "FILTER", "FROM",
    "GROUP", "HAVING", "IN", "INNER", "INTERVAL", "IS", "JOIN", "LEFT", "LIKE", "LIMIT", "NOT",
    "NULL", "ON", "OR", "ORDER", "OVER", "PREPARE", "REPLACE", "SELECT", "SUM", "THEN", "UNION",
    "USING", "VIEW", "WHEN", "WHERE", "WITH",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_completed_in_the_case_they_are_typed() {
        let words = ["PERSON_COUNT", "SELECT", "person", "person_id"].map(str::to_owned);
        assert_eq!(complete(&words, "sel", 3), (0, vec!["select".to_owned()]));
        assert_eq!(complete(&words, "SEL", 3), (0, vec!["SELECT".to_owned()]));
        let (start, found) = complete(&words, "SELECT p.pers", 13);
        assert_eq!((start, found.len()), (9, 3));
        assert_eq!(complete(&words, "é pers", 7).0, 3);
        assert_eq!(complete(&words, "SELECT ", 7).1.len(), 0);
    }
}
