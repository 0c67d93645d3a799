//! The text of a query: one SELECT statement, and where its words stand.

use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::{Code, Rejection};

/// Line and column in the text of a query, from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

/// A query that is one SELECT (or WITH, VALUES, set operation) statement.
#[derive(Debug)]
pub(crate) struct ParsedQuery {
    pub(crate) text: String,
    pub(crate) statement: Statement,
}

/// Reads `text` as one query.
///
/// # Errors
/// `R-SYNTAX` if it is not SQL; `R-STATEMENT` if it is not one query.
pub(crate) fn parse(text: &str) -> Result<ParsedQuery, Rejection> {
    let mut statements = DFParser::parse_sql_with_dialect(text, &GenericDialect {})
        .map_err(|error| syntax(text, &error.to_string()))?;
    if statements.len() > 1 {
        return Err(Rejection::new(Code::Statement, "one statement at a time")
            .hint("send the statements one by one"));
    }
    let Some(statement) = statements.pop_front() else {
        return Err(Rejection::new(Code::Statement, "the text holds no statement")
            .hint("for instance SELECT COUNT(*) FROM person"));
    };
    if let Some(place) = place_of(text, "TABLESAMPLE") {
        let mut rejection = Rejection::new(Code::Operator, "TABLESAMPLE has no rule");
        rejection.place = Some(place);
        return Err(rejection);
    }
    match &statement {
        Statement::Statement(inner) if matches!(**inner, ast::Statement::Query(_)) => {
            Ok(ParsedQuery { text: text.to_owned(), statement })
        }
        _ => Err(Rejection::new(Code::Statement, "only SELECT is answered")
            .hint("records are read-only; write a SELECT with an aggregate")),
    }
}

/// Finds where `word` stands in `text` for the first time, whatever its case or quotes.
pub(crate) fn place_of(text: &str, word: &str) -> Option<Place> {
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location().ok()?;
    let last = word.rsplit('.').next().unwrap_or(word);
    tokens.iter().find_map(|token| match &token.token {
        Token::Word(found) if found.value.eq_ignore_ascii_case(last) => {
            let start = token.span.start;
            Some(Place { line: start.line, column: start.column })
        }
        _ => None,
    })
}

fn syntax(text: &str, message: &str) -> Rejection {
    let first = message.lines().next().unwrap_or_default();
    let reason = first.trim_start_matches("SQL error: ").replace("ParserError(", "");
    let reason = reason.trim_matches(|c| c == '"' || c == ')');
    let mut rejection = Rejection::new(Code::Syntax, reason.to_owned());
    rejection.place =
        place_in(first).or(Some(Place { line: text.lines().count().max(1) as u64, column: 1 }));
    rejection
}

/// Reads `Line: 3, Column: 7` out of a parser's message.
fn place_in(message: &str) -> Option<Place> {
    let number = |label: &str| {
        let rest = &message[message.find(label)? + label.len()..];
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    Some(Place { line: number("Line: ")?, column: number("Column: ")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_has_a_place() {
        let refused = parse("SELECT COUNT(* FROM person").unwrap_err();
        assert_eq!(refused.code, Code::Syntax);
        assert_eq!(refused.place, Some(Place { line: 1, column: 16 }));
    }

    #[test]
    fn only_one_query_is_read() {
        for text in ["", "SELECT 1; SELECT 2", "DELETE FROM person", "CREATE TABLE t(a INT)"] {
            assert_eq!(parse(text).unwrap_err().code, Code::Statement, "{text}");
        }
    }

    #[test]
    fn words_are_found_in_any_case() {
        let place = place_of("SELECT COUNT(*)\nFROM Person", "person");
        assert_eq!(place, Some(Place { line: 2, column: 6 }));
    }
}
