//! Queries with parameters that came without `PREPARE`, as drivers send them, and the values that
//! go in the place of `$1`, `$2`, ….

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    self, Expr, UnaryOperator, Value, ValueWithSpan, Visit, Visitor,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::error::{Code, Rejection};
use crate::sql::call::{date, nested};
use crate::sql::dialect::Dialect;
use crate::sql::prepare::index;
use crate::sql::text::{ParsedQuery, Request, parse_request};

/// A value in the place of a parameter.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Argument {
    /// NULL.
    Null,
    /// A number in decimal digits, with its sign, as SQL writes it.
    Number(String),
    /// A text.
    Text(String),
    /// TRUE or FALSE.
    Boolean(bool),
    /// A date, as `YYYY-MM-DD`.
    Date(String),
}

/// A value as SQL writes it. What is not a number is no number, whatever it was called.
pub(crate) fn literal(argument: &Argument) -> Expr {
    let plain = |value| Expr::Value(ValueWithSpan { value, span: Span::empty() });
    let quoted = |text: &str| plain(Value::SingleQuotedString(text.to_owned()));
    match argument {
        Argument::Null => plain(Value::Null),
        Argument::Boolean(value) => plain(Value::Boolean(*value)),
        Argument::Text(text) => quoted(text),
        Argument::Date(text) if is_date(text) => date(text),
        Argument::Date(text) => quoted(text),
        Argument::Number(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            if !is_number(digits) {
                return quoted(text);
            }
            let number = plain(Value::Number(digits.to_owned(), false));
            if digits.len() == text.len() {
                return number;
            }
            nested(Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number) })
        }
    }
}

/// Whether a text is digits with at most one point and one exponent, as the tokenizer has numbers.
pub fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let is_mantissa = match mantissa.split_once('.') {
        Some((whole, part)) => digits(whole) && (part.is_empty() || digits(part)),
        None => digits(mantissa),
    };
    is_mantissa && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

/// Whether a text has the form of a date.
fn is_date(text: &str) -> bool {
    let form = |(i, c): (usize, u8)| if i == 4 || i == 7 { c == b'-' } else { c.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(form)
}

/// Reads one query, which may have parameters.
///
/// # Errors
/// As [`parse_request`].
pub(crate) fn parse_with_parameters(
    text: &str,
    dialect: Dialect,
) -> Result<ParsedQuery, Rejection> {
    // On a line of its own, what is put before the query moves no column in it.
    let lifted = |mut rejection: Rejection| {
        if let Some(place) = &mut rejection.place {
            place.line = place.line.saturating_sub(1).max(1);
        }
        rejection
    };
    match parse_request(&format!("PREPARE q AS\n{text}"), dialect).map_err(lifted)? {
        Request::Prepare { query, .. } => {
            let text = query.text.split_once('\n').map_or(String::new(), |(_, own)| own.to_owned());
            Ok(ParsedQuery { text, ..query })
        }
        _ => Err(Rejection::new(Code::Statement, "only SELECT has parameters")),
    }
}

/// How many parameters a query has: the highest of `$1`, `$2`, ….
pub(crate) fn parameters(query: &ParsedQuery) -> usize {
    match &query.statement {
        Statement::Statement(inner) => highest(inner.as_ref()),
        _ => 0,
    }
}

/// As [`parameters`], of a statement of any kind.
pub(crate) fn highest(statement: &ast::Statement) -> usize {
    let mut highest = Highest(0);
    let _ = statement.visit(&mut highest);
    highest.0
}

struct Highest(usize);

impl Visitor for Highest {
    type Break = ();

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
        if let Value::Placeholder(name) = &value.value {
            self.0 = self.0.max(index(name).map_or(0, |i| i + 1));
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::prepare::bind_arguments;

    #[test]
    fn a_value_is_written_so_that_it_stays_a_value() {
        let text = |argument: Argument| literal(&argument).to_string();
        assert_eq!(text(Argument::Number("-5".to_owned())), "(-5)");
        assert_eq!(text(Argument::Number("1e3".to_owned())), "1e3");
        assert_eq!(text(Argument::Number("1 OR TRUE".to_owned())), "'1 OR TRUE'");
        assert_eq!(text(Argument::Number("NaN".to_owned())), "'NaN'");
        assert_eq!(text(Argument::Text("it's".to_owned())), "'it''s'");
        assert_eq!(text(Argument::Date("2020-01-31".to_owned())), "DATE '2020-01-31'");
        assert_eq!(text(Argument::Date("x' OR 1=1".to_owned())), "'x'' OR 1=1'");
        assert_eq!(text(Argument::Null), "NULL");
        for no in ["", ".", ".5", "1..2", "0x1", "1e", "1e+", "--1", "inf"] {
            assert!(!is_number(no), "{no}");
        }
    }

    #[test]
    fn a_query_keeps_its_places_and_its_text() {
        let text = "SELECT COUNT(*) FROM t\nWHERE a = $2 AND b = $1";
        let query = parse_with_parameters(text, Dialect::DataFusion).unwrap();
        assert_eq!(query.text, text);
        assert_eq!(parameters(&query), 2);
        let values = [Argument::Text("x".to_owned()), Argument::Number("-1".to_owned())];
        let bound = bind_arguments(&query, &values.map(|value| literal(&value))).unwrap();
        assert_eq!(bound.text, "SELECT COUNT(*) FROM t\nWHERE a = (-1) AND b = 'x'");
        let refused = parse_with_parameters("SELECT 1\n  FROM )", Dialect::DataFusion);
        assert_eq!(refused.unwrap_err().place.map(|place| place.line), Some(2));
    }
}
