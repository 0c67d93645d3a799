//! The text of a statement: what it asks for, and where its words stand.

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer};

use crate::error::{Code, Rejection};
use crate::sql::dialect::Dialect;
use crate::sql::length::check_length;
use crate::sql::options::{self, Options};
use crate::sql::prepare::check_parameters;
use crate::sql::{omop, rewrite};

/// Line and column in the text of a query, from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

/// What a statement asks for.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// Answers the query.
    Answer(ParsedQuery),
    /// Shows the typed plan of the query.
    Explain(ParsedQuery),
    /// Tells what the query would cost.
    Estimate(ParsedQuery),
    /// Names the query.
    CreateView { name: String, replace: bool, query: ParsedQuery },
    /// Forgets a named query.
    DropView { name: String, if_exists: bool },
    /// Names a query with parameters `$1`, `$2`, …, which are not bound yet.
    Prepare { name: String, types: Vec<ast::DataType>, query: ParsedQuery },
    /// Answers a prepared query.
    Execute { name: String, arguments: Vec<ast::Expr> },
    /// Forgets a prepared query.
    Deallocate { name: String },
}

/// A query that is one SELECT (or WITH, VALUES, set operation) statement.
#[derive(Clone, Debug)]
pub(crate) struct ParsedQuery {
    /// The query as it is written. What stands before it in its statement is blanked, so that
    /// places are those of the statement.
    pub(crate) text: String,
    /// The query in the engine's SQL.
    pub(crate) statement: Statement,
    /// What it asks of its privacy.
    pub(crate) options: Options,
    /// How its text is read.
    pub(crate) dialect: Dialect,
}

/// Reads `text` as one query in the engine's SQL.
///
/// # Errors
/// `R-STATEMENT` if it is not one query; else as [`parse_request`].
#[cfg(test)]
pub(crate) fn parse(text: &str) -> Result<ParsedQuery, Rejection> {
    match parse_request(text, Dialect::DataFusion)? {
        Request::Answer(query) => Ok(query),
        _ => Err(Rejection::new(Code::Statement, "only SELECT is answered")
            .hint("write a SELECT with an aggregate")),
    }
}

/// Reads `text` as one statement.
///
/// # Errors
/// `R-SYNTAX` if it is not SQL; `R-STATEMENT` if it is not one of the statements of [`Request`];
/// `R-FUNCTION`, `R-EPSILON` or `R-OPERATOR` for what the planner would not tell as well.
pub(crate) fn parse_request(text: &str, dialect: Dialect) -> Result<Request, Rejection> {
    let mut tokens = dialect.tokens(text)?;
    let options = options::take(&mut tokens)?;
    let is_prepared = tokens
        .iter()
        .find(|token| !matches!(token.token, Token::Whitespace(_) | Token::SemiColon))
        .is_some_and(
            |first| matches!(&first.token, Token::Word(w) if w.keyword == Keyword::PREPARE),
        );
    check_parameters(&tokens, is_prepared)?;
    check_length(&tokens)?;
    let parser = Parser::new(dialect.rules())
        .with_recursion_limit(DEPTH_MAX)
        .with_tokens_with_locations(omop::parenthesized(tokens));
    let mut reader = Reader { text, dialect, options, parser };
    reader.request().map_err(|rejection| rejection.placed(text))
}

/// Finds where `word` stands in `text` for the first time, whatever its case or quotes.
pub(crate) fn place_of(text: &str, word: &str) -> Option<Place> {
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location().ok()?;
    let last = word.rsplit('.').next().unwrap_or(word);
    tokens.iter().find_map(|token| match &token.token {
        Token::Word(found) if found.value.eq_ignore_ascii_case(last) => place_at(token.span.start),
        _ => None,
    })
}

/// The place of a token; `None` if it was not in the text.
pub(crate) fn place_at(start: Location) -> Option<Place> {
    (start.line > 0).then_some(Place { line: start.line, column: start.column })
}

/// Refuses under `code` at a place.
pub(crate) fn refused(code: Code, place: Option<Place>, reason: impl Into<String>) -> Rejection {
    let mut rejection = Rejection::new(code, reason);
    rejection.place = place;
    rejection
}

/// The characters of a text with their places, as the tokenizer counts them.
pub(crate) fn located(text: &str) -> impl Iterator<Item = (Location, char)> {
    let mut next = Location { line: 1, column: 1 };
    text.chars().map(move |c| {
        let at = next;
        next = match c {
            '\n' => Location { line: at.line + 1, column: 1 },
            _ => Location { line: at.line, column: at.column + 1 },
        };
        (at, c)
    })
}

/// Reads one statement.
struct Reader<'a> {
    text: &'a str,
    dialect: Dialect,
    options: Options,
    parser: Parser<'a>,
}

impl<'a> Reader<'a> {
    fn request(&mut self) -> Result<Request, Rejection> {
        while self.parser.consume_token(&Token::SemiColon) {}
        if self.parser.peek_token_ref().token == Token::EOF {
            return Err(Rejection::new(Code::Statement, "the text holds no statement")
                .hint("for instance SELECT COUNT(*) FROM person"));
        }
        let request = self.statement()?;
        let is_ended = self.parser.consume_token(&Token::SemiColon);
        while self.parser.consume_token(&Token::SemiColon) {}
        if self.parser.peek_token_ref().token == Token::EOF {
            return Ok(request);
        }
        let next = self.parser.peek_token();
        if is_ended {
            let place = place_at(next.span.start);
            return Err(refused(Code::Statement, place, "one statement at a time")
                .hint("send the statements one by one"));
        }
        self.ask(|parser| parser.expected("end of statement", next))
    }

    fn statement(&mut self) -> Result<Request, Rejection> {
        if self.parser.parse_keyword(Keyword::EXPLAIN) {
            self.refuse_plan_options()?;
            return Ok(Request::Explain(self.query(true)?));
        }
        if self.parser.parse_keyword(Keyword::ESTIMATE) {
            return Ok(Request::Estimate(self.query(true)?));
        }
        let replace = self.parser.parse_keywords(&[
            Keyword::CREATE,
            Keyword::OR,
            Keyword::REPLACE,
            Keyword::VIEW,
        ]);
        if replace || self.parser.parse_keywords(&[Keyword::CREATE, Keyword::VIEW]) {
            let name = self.name()?;
            self.ask(|parser| parser.expect_keyword(Keyword::AS))?;
            return Ok(Request::CreateView { name, replace, query: self.query(true)? });
        }
        if self.parser.parse_keywords(&[Keyword::DROP, Keyword::VIEW]) {
            let if_exists = self.parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
            return Ok(Request::DropView { name: self.name()?, if_exists });
        }
        if self.parser.parse_keyword(Keyword::PREPARE) {
            let name = self.name()?;
            let types = self.parenthesized(Parser::parse_data_type)?;
            self.ask(|parser| parser.expect_keyword(Keyword::AS))?;
            return Ok(Request::Prepare { name, types, query: self.query(false)? });
        }
        if self.parser.parse_keyword(Keyword::EXECUTE) {
            let name = self.name()?;
            return Ok(Request::Execute {
                name,
                arguments: self.parenthesized(Parser::parse_expr)?,
            });
        }
        if self.parser.parse_keyword(Keyword::DEALLOCATE) {
            let _ = self.parser.parse_keyword(Keyword::PREPARE);
            return Ok(Request::Deallocate { name: self.name()? });
        }
        Ok(Request::Answer(self.query(true)?))
    }

    /// Reads a query; spellings of the dialect are rewritten unless it has parameters.
    fn query(&mut self, is_complete: bool) -> Result<ParsedQuery, Rejection> {
        self.refuse_other_statements()?;
        let start = self.parser.peek_token_ref().span.start;
        let mut statement = self.ask(Parser::parse_statement)?;
        if !matches!(statement, ast::Statement::Query(_)) {
            return Err(not_answered(place_at(start), "only SELECT is answered"));
        }
        if let Some(place) = place_of(self.text, "TABLESAMPLE") {
            return Err(refused(Code::Operator, Some(place), "TABLESAMPLE has no rule"));
        }
        if is_complete {
            rewrite::rewrite(&mut statement, self.dialect)?;
        }
        let blanked = |(at, c): (Location, char)| if at < start && c != '\n' { ' ' } else { c };
        Ok(ParsedQuery {
            text: located(self.text).map(blanked).collect(),
            statement: Statement::Statement(Box::new(statement)),
            options: self.options.clone(),
            dialect: self.dialect,
        })
    }

    /// Reads a name: in lower case unless it is quoted, as the planner has it.
    fn name(&mut self) -> Result<String, Rejection> {
        let name = self.ask(Parser::parse_identifier)?;
        Ok(if name.quote_style.is_some() { name.value } else { name.value.to_ascii_lowercase() })
    }

    /// Reads a list in parentheses; none if there are no parentheses.
    fn parenthesized<T>(
        &mut self,
        item: fn(&mut Parser<'a>) -> Result<T, ParserError>,
    ) -> Result<Vec<T>, Rejection> {
        let is_empty = self.parser.consume_tokens(&[Token::LParen, Token::RParen]);
        if is_empty || !self.parser.consume_token(&Token::LParen) {
            return Ok(Vec::new());
        }
        self.ask(|parser| {
            let items = parser.parse_comma_separated(item)?;
            parser.expect_token(&Token::RParen).map(|_| items)
        })
    }

    fn ask<T>(
        &mut self,
        read: impl FnOnce(&mut Parser<'a>) -> Result<T, ParserError>,
    ) -> Result<T, Rejection> {
        read(&mut self.parser).map_err(|error| syntax(self.text, error))
    }

    fn refuse_plan_options(&self) -> Result<(), Rejection> {
        let next = self.parser.peek_token();
        let is_option = matches!(&next.token, Token::Word(word) if matches!(
            word.keyword,
            Keyword::ANALYZE | Keyword::VERBOSE | Keyword::FORMAT | Keyword::QUERY
        ));
        if is_option {
            let reason = format!("EXPLAIN {} has no rule", next.token);
            return Err(refused(Code::Statement, place_at(next.span.start), reason)
                .hint("EXPLAIN query shows its plan, ESTIMATE query its cost; neither runs it"));
        }
        Ok(())
    }

    fn refuse_other_statements(&self) -> Result<(), Rejection> {
        let next = self.parser.peek_token();
        let Token::Word(word) = &next.token else { return Ok(()) };
        let place = place_at(next.span.start);
        let reason = match word.keyword {
            Keyword::INSERT
            | Keyword::UPDATE
            | Keyword::DELETE
            | Keyword::MERGE
            | Keyword::TRUNCATE
            | Keyword::COPY
            | Keyword::ALTER => "records are read-only",
            Keyword::CREATE | Keyword::DROP => "only views are created and dropped",
            Keyword::EXPLAIN
            | Keyword::ESTIMATE
            | Keyword::PREPARE
            | Keyword::EXECUTE
            | Keyword::DEALLOCATE => "a statement is not part of another",
            Keyword::SET
            | Keyword::SHOW
            | Keyword::DESCRIBE
            | Keyword::DECLARE
            | Keyword::BEGIN
            | Keyword::COMMIT
            | Keyword::USE
            | Keyword::GRANT
            | Keyword::REVOKE
            | Keyword::CALL
            | Keyword::RESET => "only SELECT is answered",
            _ => return Ok(()),
        };
        Err(not_answered(place, reason))
    }
}

fn not_answered(place: Option<Place>, reason: &str) -> Rejection {
    refused(Code::Statement, place, reason).hint(
        "write a SELECT with an aggregate; there are EXPLAIN query, ESTIMATE query, \
         CREATE VIEW name AS query, DROP VIEW, PREPARE name AS query, EXECUTE, DEALLOCATE",
    )
}

fn syntax(text: &str, error: ParserError) -> Rejection {
    let message = match error {
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
        ParserError::RecursionLimitExceeded => "the query is nested too deeply".to_owned(),
    };
    let first = message.lines().next().unwrap_or_default();
    let (reason, _) = first.split_once(" at Line: ").unwrap_or((first, ""));
    let reason = reason.replacen("Expected: ", "expected ", 1).replacen("found: ", "found ", 1);
    let lines = u64::try_from(text.lines().count()).unwrap_or(u64::MAX);
    let last = Place { line: lines.max(1), column: 1 };
    refused(Code::Syntax, place_in(first).or(Some(last)), reason)
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

/// How deep queries and expressions nest; as the planner's own parser has it.
const DEPTH_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Result<Request, Rejection> {
        parse_request(text, Dialect::DataFusion)
    }

    #[test]
    fn a_syntax_error_has_a_place() {
        let refused = parse("SELECT COUNT(* FROM person").unwrap_err();
        assert_eq!(refused.code, Code::Syntax);
        assert_eq!(refused.place, Some(Place { line: 1, column: 16 }));
        assert_eq!(refused.reason, "expected ), found FROM");
        let refused =
            parse("SELECT WITH DIFFERENTIAL_PRIVACY\nOPTIONS(epsilon = 1) (1").unwrap_err();
        assert_eq!(
            (refused.code, refused.place),
            (Code::Syntax, Some(Place { line: 2, column: 1 }))
        );
        let refused = parse("SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS() 1 1").unwrap_err();
        assert_eq!(refused.place, Some(Place { line: 1, column: 46 }));
        let refused = parse("SELECT 'a").unwrap_err();
        assert_eq!(
            (refused.code, refused.place),
            (Code::Syntax, Some(Place { line: 1, column: 8 }))
        );
    }

    #[test]
    fn only_one_query_is_read() {
        for text in [
            "",
            ";",
            "SELECT 1; SELECT 2",
            "DELETE FROM person",
            "CREATE TABLE t(a INT)",
            "CREATE MATERIALIZED VIEW v AS SELECT 1",
            "CREATE VIEW v AS DELETE FROM person",
            "CREATE VIEW v AS CREATE VIEW w AS SELECT 1",
            "EXPLAIN ANALYZE SELECT 1",
            "EXPLAIN EXPLAIN SELECT 1",
            "EXPLAIN INSERT INTO t VALUES (1)",
            "PREPARE p AS DROP VIEW v",
            "SELECT a INTO b FROM c",
            "SET epsilon = 1",
            "SHOW TABLES",
            "SELECT $1",
            "SELECT ?",
            "PREPARE p AS SELECT $0",
            "PREPARE p AS SELECT $name",
        ] {
            assert_eq!(request(text).unwrap_err().code, Code::Statement, "{text}");
        }
        assert!(parse(";; SELECT 1 ;;").is_ok());
        assert_eq!(parse("EXPLAIN SELECT 1").unwrap_err().code, Code::Statement);
    }

    #[test]
    fn samples_are_refused() {
        for text in
            ["SELECT COUNT(*) FROM t TABLESAMPLE SYSTEM (10)", "SELECT COUNT(*) FROM t SAMPLE (10)"]
        {
            let refused = request(text).unwrap_err();
            assert_eq!(refused.code, Code::Operator, "{text}");
            assert_eq!(refused.place, Some(Place { line: 1, column: 24 }), "{text}");
        }
    }

    #[test]
    fn what_stands_before_a_query_is_blanked() {
        for (text, expected) in [
            ("SELECT 1 -- one", "SELECT 1 -- one"),
            ("EXPLAIN SELECT 1", "        SELECT 1"),
            (
                "CREATE VIEW v\n AS WITH c AS (SELECT 1) TABLE c",
                "             \n    WITH c AS (SELECT 1) TABLE c",
            ),
            ("ESTIMATE (SELECT 1)", "         (SELECT 1)"),
        ] {
            let (Request::Answer(query)
            | Request::Explain(query)
            | Request::Estimate(query)
            | Request::CreateView { query, .. }) = request(text).unwrap()
            else {
                panic!("{text}")
            };
            assert_eq!(query.text, expected);
            assert!(matches!(query.statement, Statement::Statement(_)));
        }
    }

    #[test]
    fn views_are_created_and_dropped_by_name() {
        for (text, expected, expected_replace) in [
            ("CREATE VIEW Adults AS SELECT 1", "adults", false),
            ("create or replace view \"Adults\" as select 1", "Adults", true),
        ] {
            let Request::CreateView { name, replace, query } = request(text).unwrap() else {
                panic!("{text}")
            };
            assert_eq!((name.as_str(), replace), (expected, expected_replace));
            assert_eq!(query.statement.to_string(), "SELECT 1");
        }
        let dropped = request("DROP VIEW IF EXISTS V").unwrap();
        assert!(matches!(dropped, Request::DropView { name, if_exists: true } if name == "v"));
        let dropped = request("DROP VIEW v;").unwrap();
        assert!(matches!(dropped, Request::DropView { name, if_exists: false } if name == "v"));
        assert_eq!(request("DROP VIEW a, b").unwrap_err().code, Code::Syntax);
        assert_eq!(request("CREATE VIEW v (a) AS SELECT 1").unwrap_err().code, Code::Syntax);
    }

    #[test]
    fn queries_are_prepared_executed_and_forgotten() {
        let prepared =
            request("PREPARE q (INT, DATE) AS SELECT COUNT(*) FROM t WHERE a = $1").unwrap();
        let Request::Prepare { name, types, query } = prepared else { panic!() };
        assert_eq!(
            (name.as_str(), types),
            ("q", vec![ast::DataType::Int(None), ast::DataType::Date])
        );
        assert_eq!(query.statement.to_string(), "SELECT COUNT(*) FROM t WHERE a = $1");
        for (text, expected) in [("EXECUTE q(1, 'a')", 2), ("EXECUTE q()", 0), ("EXECUTE q", 0)] {
            let Request::Execute { name, arguments } = request(text).unwrap() else { panic!() };
            assert_eq!((name.as_str(), arguments.len()), ("q", expected));
        }
        for text in ["DEALLOCATE q", "DEALLOCATE PREPARE q"] {
            assert!(matches!(request(text), Ok(Request::Deallocate { name }) if name == "q"));
        }
    }

    #[test]
    fn words_are_found_in_any_case() {
        let place = place_of("SELECT COUNT(*)\nFROM Person", "person");
        assert_eq!(place, Some(Place { line: 2, column: 6 }));
    }
}
