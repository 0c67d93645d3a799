//! What the shell offers while a line is typed: words that may stand there, and the wait for the
//! semicolon.

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context as LineContext, Helper};

use crate::script::is_complete;
use crate::session::Session;

/// Completion, and the wait for the semicolon.
pub(super) struct Prompt<'a> {
    session: &'a Session,
    words: Vec<String>,
}

impl<'a> Prompt<'a> {
    pub(super) fn new(session: &'a Session) -> Self {
        let mut words: Vec<String> = KEYWORDS.iter().map(|word| (*word).to_owned()).collect();
        for table in session.catalog().tables() {
            words.push(table.name.clone());
            words.extend(table.columns.iter().map(|column| column.name.clone()));
        }
        words.extend(COMMANDS.map(str::to_owned));
        words.sort_unstable();
        words.dedup();
        Self { session, words }
    }
}

impl Completer for Prompt<'_> {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &LineContext<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let before = line.get(..position).unwrap_or(line);
        Ok(match quoted(before) {
            Some(start) => {
                let typed = before[start..].to_lowercase();
                let names = self.session.concepts().iter().map(|concept| &concept.name);
                let begin = names.filter(|name| name.to_lowercase().starts_with(&typed));
                (start, begin.take(NAMES_MAX).map(|name| name.replace('\'', "''")).collect())
            }
            None => complete(&self.words, line, position),
        })
    }
}

/// Where the text begins that is open at the end of a line, past its quote.
fn quoted(before: &str) -> Option<usize> {
    let quotes: Vec<usize> = before.match_indices('\'').map(|(at, _)| at).collect();
    quotes.last().filter(|_| quotes.len() % 2 == 1).map(|at| at + 1)
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

impl Validator for Prompt<'_> {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        let is_done = text.trim_start().starts_with('\\') || is_complete(text);
        Ok(if is_done { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Hinter for Prompt<'_> {
    type Hint = String;
}

impl Highlighter for Prompt<'_> {}

impl Helper for Prompt<'_> {}

const KEYWORDS: [&str; 48] = [
    "AND", "AS", "ASC", "AVG", "BETWEEN", "BY", "CASE", "COUNT", "CREATE", "DESC", "DISTINCT",
    "DROP", "ELSE", "END", "ESTIMATE", "EXECUTE", "EXISTS", "EXPLAIN", "EXTRACT", "FILTER", "FROM",
    "GROUP", "HAVING", "IN", "INNER", "INTERVAL", "IS", "JOIN", "LEFT", "LIKE", "LIMIT", "NOT",
    "NULL", "ON", "OR", "ORDER", "OVER", "PREPARE", "REPLACE", "SELECT", "SUM", "THEN", "UNION",
    "USING", "VIEW", "WHEN", "WHERE", "WITH",
];

const COMMANDS: [&str; 11] = [
    "\\?",
    "\\budget",
    "\\concept",
    "\\cost",
    "\\d",
    "\\plot",
    "\\q",
    "\\quote",
    "\\receipt",
    "DEALLOCATE",
    "descendants_of",
];

/// Names of concepts that are offered at once.
const NAMES_MAX: usize = 200;

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
        assert_eq!(quoted("WHERE name = 'Essential hyper"), Some(14));
        assert_eq!(quoted("WHERE name = 'it''s' AND x"), None);
    }
}
