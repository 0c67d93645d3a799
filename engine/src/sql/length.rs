//! How long a question may be, as far as its plan grows deeper with it.
//!
//! A chain of operators is a tree as deep as it is long, and whoever walks it, the planner and its
//! rules, takes a piece of the stack for each level.

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
];

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
}
