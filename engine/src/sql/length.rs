//! How long a question may be, as far as its plan grows deeper with it, and how deep its calls
//! nest.
//!
//! A chain of operators is a tree as deep as it is long, and whoever walks it, the planner and its
//! rules, takes a piece of the stack for each level. What stands in the parentheses of a call is
//! read in two ways by the parser, and in two more where it is wrong; so is what is in that.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{Code, Rejection};
use crate::sql::text::{place_at, refused};

/// Refuses questions whose plans would be too deep.
///
/// # Errors
/// `R-OPERATOR`, with the place of the first operator that is too many.
pub(crate) fn check_length(tokens: &[TokenWithSpan]) -> Result<(), Rejection> {
    let chains = |token: &&TokenWithSpan| match &token.token {
        Token::Plus
        | Token::Minus
        | Token::Mul
        | Token::Div
        | Token::Mod
        | Token::StringConcat
        | Token::Pipe
        | Token::Ampersand
        | Token::Caret
        | Token::DoubleColon
        | Token::Eq
        | Token::Neq
        | Token::Lt
        | Token::Gt
        | Token::LtEq
        | Token::GtEq
        | Token::LBracket => true,
        Token::Word(word) => {
            let word = word.value.to_ascii_uppercase();
            CHAINING.contains(&word.as_str())
        }
        _ => false,
    };
    // Relations behind one another take no operator: FROM a, b, c.
    let names = |token: &&TokenWithSpan| matches!(token.token, Token::Word(_));
    if let Some(token) = tokens.iter().filter(names).nth(WORDS_MAX) {
        let reason = format!("a question has at most {WORDS_MAX} names and keywords");
        return Err(refused(Code::Operator, place_at(token.span.start), reason)
            .hint("put values into a public table, and join it"));
    }
    check_nesting(tokens)?;
    match tokens.iter().filter(chains).nth(OPERATORS_MAX) {
        None => Ok(()),
        Some(token) => {
            let reason =
                format!("a question has at most {OPERATORS_MAX} operators, joins and SELECTs");
            Err(refused(Code::Operator, place_at(token.span.start), reason)
                .hint("write lists as IN (…), or put values into a public table"))
        }
    }
}

/// Refuses calls within calls within calls.
fn check_nesting(tokens: &[TokenWithSpan]) -> Result<(), Rejection> {
    let mut depth = 0_usize;
    // Of each bracket that is open, whether it counts.
    let mut open = Vec::new();
    let mut before: Option<&Token> = None;
    for token in tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))) {
        match &token.token {
            Token::LParen | Token::LBracket => {
                let counts = token.token == Token::LBracket
                    || matches!(before, Some(Token::LParen))
                    || before.is_some_and(|before| is_word(before) && !is_plain(before));
                open.push(counts);
                depth += usize::from(counts);
            }
            Token::RParen | Token::RBracket => {
                depth = depth.saturating_sub(usize::from(open.pop().unwrap_or(false)));
            }
            word if is_one(word, "CASE") => depth += 1,
            // A name may be `end` as well, but stands where a value does.
            word if is_one(word, "END") && before.is_some_and(is_value) => {
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        if depth > CALLS_MAX {
            let reason = format!("calls and CASE are nested at most {CALLS_MAX} deep");
            return Err(refused(Code::Operator, place_at(token.span.start), reason)
                .hint("compute what is inside in a WITH query"));
        }
        before = Some(&token.token);
    }
    Ok(())
}

/// What a value may end with.
fn is_value(token: &Token) -> bool {
    let is_literal =
        matches!(token, Token::Number(..) | Token::SingleQuotedString(_) | Token::Placeholder(_));
    let is_closed = matches!(token, Token::RParen | Token::RBracket);
    is_literal || is_closed || is_word(token) && !is_plain(token)
}

const fn is_word(token: &Token) -> bool {
    matches!(token, Token::Word(_))
}

fn is_plain(token: &Token) -> bool {
    PLAIN.iter().any(|plain| is_one(token, plain))
}

/// Whether a token is a word, which is not quoted.
fn is_one(token: &Token, name: &str) -> bool {
    let Token::Word(word) = token else { return false };
    word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name)
}

/// Words before parentheses that are no calls.
const PLAIN: &[&str] = &[
    "AND",
    "OR",
    "AS",
    "ON",
    "FROM",
    "JOIN",
    "WHERE",
    "HAVING",
    "SELECT",
    "DISTINCT",
    "ALL",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "EXISTS",
    "BY",
    "WHEN",
    "THEN",
    "ELSE",
    "CASE",
    "VALUES",
    "OVER",
    "LATERAL",
    "BETWEEN",
    "LIKE",
    "USING",
    "MATERIALIZED",
    "EXPLAIN",
    "ESTIMATE",
];

/// Words that chain what is left of them to what is right.
const CHAINING: &[&str] = &[
    "AND",
    "OR",
    "NOT",
    "XOR",
    "IS",
    "LIKE",
    "ILIKE",
    "SIMILAR",
    "BETWEEN",
    "IN",
    "AT",
    "DIV",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "JOIN",
    "COLLATE",
    "SELECT",
    "WHEN",
];

/// Most calls and CASEs that are within one another. The parser's time may quadruple with each.
const CALLS_MAX: usize = 10;

/// Most operators of a question; each may be a level of its plan.
const OPERATORS_MAX: usize = 400;

/// Most names and keywords of a question.
const WORDS_MAX: usize = 4_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::dialect::Dialect;
    use crate::sql::text::parse_request;

    #[test]
    fn chains_as_deep_as_a_stack_are_refused_before_they_are_planned() {
        for link in [" + 1", " OR true", " || 'a'", " UNION ALL SELECT 1", " - - 1", " LIKE 'a'"] {
            let refused =
                parse_request(&format!("SELECT 1{}", link.repeat(20_000)), Dialect::DataFusion)
                    .unwrap_err();
            assert_eq!(refused.code, Code::Operator, "{link}");
            assert!(
                parse_request(&format!("SELECT 1{}", link.repeat(100)), Dialect::DataFusion)
                    .is_ok(),
                "{link}"
            );
        }
        let behind = "SELECT 1 FROM a".to_owned() + &", a".repeat(20_000);
        assert_eq!(parse_request(&behind, Dialect::DataFusion).unwrap_err().code, Code::Operator);
        let list = (0..20_000).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
        assert!(parse_request(&format!("SELECT 1 IN ({list})"), Dialect::DataFusion).is_ok());
    }
    #[test]
    fn calls_nest_only_so_deep() {
        let nested = |call: &str, depth: usize| {
            let inner = (0..depth).fold("1".to_owned(), |inner, _| call.replace('@', &inner));
            parse_request(&format!("SELECT {inner}"), Dialect::DataFusion)
        };
        for call in [
            "coalesce(@, 1)",
            "CAST(@ AS int)",
            "1 IN (@ + 1)",
            "CASE WHEN x.end THEN @ END",
            "NOT (@)",
        ] {
            assert!(nested(call, 9).is_ok(), "{call}");
            assert_eq!(nested(call, 40).unwrap_err().code, Code::Operator, "{call}");
            let wrong = call.replace('@', "@ +");
            assert_eq!(nested(&wrong, 40).unwrap_err().code, Code::Operator, "{wrong}");
        }
        assert!(nested("((@) + 1)", 4).is_ok());
        assert_eq!(nested("((@) + 1)", 20).unwrap_err().code, Code::Operator);
        // Brackets beside one another, and those of queries, are not calls in calls.
        let beside = vec!["abs(1)"; 30].join(" + ");
        assert!(parse_request(&format!("SELECT {beside}"), Dialect::DataFusion).is_ok());
        let queries = (0..12).fold("t".to_owned(), |inner, _| format!("(SELECT 1 FROM {inner}) q"));
        assert!(parse_request(&format!("SELECT 1 FROM {queries}"), Dialect::DataFusion).is_ok());
    }
}
