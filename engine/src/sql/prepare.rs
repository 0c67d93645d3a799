//! Prepared queries: values in the place of `$1`, `$2`, …. It takes written-out values only.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    DataType, Expr, Spanned, UnaryOperator, Value, ValueWithSpan, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{Code, Rejection};
use crate::sql::call::{nested, number, quoted, whole_number};
use crate::sql::dates::dated;
use crate::sql::dialect::Dialect;
use crate::sql::rewrite::rewrite;
use crate::sql::text::{ParsedQuery, Request, located, parse_request, place_at, refused};

/// Puts values in the place of the parameters of a prepared query. The text of the result has the
/// values too, so that what is recorded is what was asked.
///
/// # Errors
/// `R-STATEMENT` if there are too few or too many values, or one is not written out; else as
/// [`crate::sql::text::parse_request`].
pub(crate) fn bind_arguments(
    query: &ParsedQuery,
    arguments: &[Expr],
) -> Result<ParsedQuery, Rejection> {
    for (i, argument) in arguments.iter().enumerate() {
        if !is_written(argument) {
            return Err(unfit(i, argument, "is not a value")
                .hint("values are numbers, strings, dates, TRUE, FALSE and NULL"));
        }
    }
    let mut statement = query.statement.clone();
    let Statement::Statement(inner) = &mut statement else {
        return Err(Rejection::new(Code::Statement, "only SELECT is prepared"));
    };
    // Signs get parentheses, lest two of them begin a comment.
    let arguments = arguments.iter().map(|argument| match argument {
        Expr::UnaryOp { .. } => nested(argument.clone()),
        other => other.clone(),
    });
    let mut binder = Binder { arguments: arguments.collect(), highest: 0 };
    if let ControlFlow::Break(rejection) = inner.visit(&mut binder) {
        return Err(*rejection);
    }
    if binder.highest != binder.arguments.len() {
        return Err(miscounted(binder.highest, binder.arguments.len()));
    }
    let text = filled(&query.text, &binder.arguments, query.dialect)?;
    rewrite(inner, query.dialect).map_err(|rejection| rejection.placed(&text))?;
    // Printing a value may change it, if it has quotes that look like escapes.
    let read = parse_request(&text, query.dialect)?;
    if !matches!(read, Request::Answer(read) if read.statement == statement) {
        return Err(Rejection::new(Code::Statement, "a value cannot be written into the query")
            .hint("write the query with its values, without PREPARE"));
    }
    Ok(ParsedQuery { text, statement, options: query.options.clone(), dialect: query.dialect })
}

/// Checks values against the types of `PREPARE name (types)`, and makes dates of strings where a
/// date is wanted.
///
/// # Errors
/// `R-STATEMENT` if there are too few or too many values, or one is of another type.
pub(crate) fn check_types(arguments: &[Expr], types: &[DataType]) -> Result<Vec<Expr>, Rejection> {
    if arguments.len() != types.len() {
        return Err(miscounted(types.len(), arguments.len()));
    }
    let mut checked = Vec::with_capacity(arguments.len());
    for (i, (argument, kind)) in arguments.iter().zip(types).enumerate() {
        let value = if *kind == DataType::Date { dated(argument) } else { argument.clone() };
        if !is_of(&value, kind) {
            return Err(unfit(i, argument, &format!("is not of type {kind}")));
        }
        checked.push(value);
    }
    Ok(checked)
}

/// Checks that the parameters of a query to prepare are `$1`, `$2`, …, and that another query has
/// none.
///
/// # Errors
/// `R-STATEMENT` at the place of the parameter.
pub(crate) fn check_parameters(
    tokens: &[TokenWithSpan],
    is_prepared: bool,
) -> Result<(), Rejection> {
    for token in tokens {
        let Token::Placeholder(name) = &token.token else { continue };
        let place = place_at(token.span.start);
        if !is_prepared {
            let reason = format!("the parameter {name} has no value");
            return Err(refused(Code::Statement, place, reason)
                .hint("write its value, or PREPARE name AS query, then EXECUTE name(value)"));
        }
        if index(name).is_none() {
            return Err(refused(Code::Statement, place, format!("{name} is not a parameter"))
                .hint("parameters are $1, $2, …"));
        }
    }
    Ok(())
}

struct Binder {
    arguments: Vec<Expr>,
    highest: usize,
}

impl VisitorMut for Binder {
    type Break = Box<Rejection>;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) = expr else {
            return ControlFlow::Continue(());
        };
        let Some(i) = index(name) else { return ControlFlow::Continue(()) };
        self.highest = self.highest.max(i + 1);
        match self.arguments.get(i) {
            Some(argument) => *expr = argument.clone(),
            None => {
                let fault = miscounted(i + 1, self.arguments.len());
                return ControlFlow::Break(Box::new(fault));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<Self::Break> {
        match &value.value {
            Value::Placeholder(name) => {
                let reason = format!("the parameter {name} cannot stand there");
                let place = place_at(value.span.start);
                ControlFlow::Break(Box::new(refused(Code::Statement, place, reason)))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Position of the value of `$1`, from 0; none for a number that no parameter has.
pub(crate) fn index(name: &str) -> Option<usize> {
    let index = name.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)?;
    (index < PARAMETERS_MAX).then_some(index)
}

/// The most parameters of a query, as in PostgreSQL.
const PARAMETERS_MAX: usize = 65_535;

/// Whether an expression is a value that is written out.
fn is_written(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => is_written(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => {
            number(expr).is_some() || matches!(**expr, Expr::Interval(_)) && is_written(expr)
        }
        Expr::Interval(interval) => is_written(&interval.value),
        Expr::TypedString(typed) => is_plain(&typed.value.value),
        Expr::Value(literal) => is_plain(&literal.value),
        _ => false,
    }
}

const fn is_plain(value: &Value) -> bool {
    matches!(
        value,
        Value::Number(..) | Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null
    )
}

fn is_of(value: &Expr, kind: &DataType) -> bool {
    let is_null = matches!(value, Expr::Value(literal) if literal.value == Value::Null);
    is_null
        || match kind {
            DataType::SmallInt(_)
            | DataType::Int(_)
            | DataType::Integer(_)
            | DataType::BigInt(_)
            | DataType::TinyInt(_) => whole_number(value).is_some(),
            DataType::Float(_)
            | DataType::Real
            | DataType::Double(_)
            | DataType::DoublePrecision
            | DataType::Numeric(_)
            | DataType::Decimal(_) => number(value).is_some(),
            DataType::Varchar(_) | DataType::Char(_) | DataType::Text | DataType::String(_) => {
                quoted(value).is_some()
            }
            DataType::Boolean => {
                matches!(value, Expr::Value(literal) if matches!(literal.value, Value::Boolean(_)))
            }
            DataType::Date => {
                matches!(value, Expr::TypedString(typed) if typed.data_type == DataType::Date)
            }
            // The planner checks what is not listed here.
            _ => true,
        }
}

/// Puts values into the text of a query, and leaves the rest as it is.
fn filled(text: &str, arguments: &[Expr], dialect: Dialect) -> Result<String, Rejection> {
    let tokens = dialect.tokens(text)?;
    let mut parameters = tokens.iter().filter_map(|token| match &token.token {
        Token::Placeholder(name) => Some((token.span, arguments.get(index(name)?)?)),
        _ => None,
    });
    let mut next = parameters.next();
    let mut result = String::with_capacity(text.len());
    for (at, c) in located(text) {
        if next.is_some_and(|(span, _)| at >= span.end) {
            next = parameters.next();
        }
        match next {
            Some((span, argument)) if at == span.start => result.push_str(&argument.to_string()),
            Some((span, _)) if at > span.start => {}
            _ => result.push(c),
        }
    }
    Ok(result)
}

fn unfit(i: usize, argument: &Expr, why: &str) -> Rejection {
    let reason = format!("value {} of EXECUTE, {argument}, {why}", i + 1);
    refused(Code::Statement, place_at(argument.span().start), reason)
}

fn miscounted(wanted: usize, given: usize) -> Rejection {
    let reason =
        format!("the prepared query has {wanted} parameters, and {given} values are given");
    Rejection::new(Code::Statement, reason).hint("EXECUTE name(value of $1, value of $2, …)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(text: &str) -> (ParsedQuery, Vec<DataType>) {
        match parse_request(text, Dialect::DataFusion).unwrap() {
            Request::Prepare { query, types, .. } => (query, types),
            other => panic!("{other:?}"),
        }
    }

    fn values(list: &str) -> Vec<Expr> {
        match parse_request(&format!("EXECUTE q({list})"), Dialect::DataFusion).unwrap() {
            Request::Execute { arguments, .. } => arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_stand_where_parameters_stood() {
        let (query, _) = prepared(
            "PREPARE q AS\nSELECT COUNT(*) FROM t -- $1 is not meant\n\
             WHERE a < $1 AND b = $2 AND c = $1",
        );
        let bound = bind_arguments(&query, &values("-5, 'it''s'")).unwrap();
        assert_eq!(
            bound.statement.to_string(),
            "SELECT COUNT(*) FROM t WHERE a < (-5) AND b = 'it''s' AND c = (-5)"
        );
        assert_eq!(
            bound.text,
            "            \nSELECT COUNT(*) FROM t -- $1 is not meant\n\
             WHERE a < (-5) AND b = 'it''s' AND c = (-5)"
        );
    }

    #[test]
    fn spellings_are_rewritten_after_values_are_bound() {
        let (query, _) = prepared(
            "PREPARE q AS SELECT SUM(x, contribution_bounds_per_group => (0, $3)) AS n FROM t \
             WHERE c IN descendants_of($1) AND d < DATE_ADD('day', $2, e) LIMIT $4",
        );
        let bound = bind_arguments(&query, &values("201826, 30, 100, 5")).unwrap();
        assert_eq!(
            bound.statement.to_string(),
            "SELECT SUM(graunt_total(x, 0, 100)) AS n FROM t WHERE c IN \
             (SELECT descendant_concept_id FROM concept_ancestor WHERE ancestor_concept_id \
             IN (201826)) AND d < (e + INTERVAL '30' DAY) LIMIT 5"
        );
    }

    #[test]
    fn the_privacy_clause_of_a_prepared_query_stays() {
        let (query, _) = prepared(
            "PREPARE q AS SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 2) COUNT(*) FROM t",
        );
        assert_eq!(bind_arguments(&query, &[]).unwrap().options.epsilon, Some(2.0));
    }

    #[test]
    fn values_are_written_out() {
        let (query, _) = prepared("PREPARE q AS SELECT COUNT(*) FROM t WHERE a = $1");
        for value in [
            "1",
            "-1.5",
            "'a'",
            "NULL",
            "TRUE",
            "DATE '2020-01-01'",
            "INTERVAL '1' DAY",
            "CAST('2020-01-01' AS DATE)",
            "(5)",
            "- INTERVAL '1' DAY",
        ] {
            assert!(bind_arguments(&query, &values(value)).is_ok(), "{value}");
        }
        for value in ["a", "1 + 1", "(SELECT 1)", "random()", "$1 IS NULL", "-a", "CAST(a AS INT)"]
        {
            let list = parse_request(&format!("EXECUTE q({value})"), Dialect::DataFusion);
            let refused = match list {
                Ok(Request::Execute { arguments, .. }) => {
                    bind_arguments(&query, &arguments).unwrap_err()
                }
                Err(refused) => refused,
                other => panic!("{other:?}"),
            };
            assert_eq!(refused.code, Code::Statement, "{value}");
            assert_eq!(refused.place.map(|place| place.line), Some(1), "{value}");
        }
    }

    #[test]
    fn values_do_not_become_part_of_the_query() {
        let (query, _) = prepared("PREPARE q AS SELECT COUNT(*) FROM t WHERE a -$1 = b OR c = $2");
        let bound = bind_arguments(&query, &values("-5, ''' OR TRUE --'")).unwrap();
        assert_eq!(
            bound.text.trim(),
            "SELECT COUNT(*) FROM t WHERE a -(-5) = b OR c = ''' OR TRUE --'"
        );
        let refused = bind_arguments(&query, &values("1, '\\'' OR TRUE --'")).unwrap_err();
        assert_eq!(refused.code, Code::Statement);
    }

    #[test]
    fn values_are_as_many_as_parameters() {
        let (query, _) = prepared("PREPARE q AS SELECT COUNT(*) FROM t WHERE a = $2");
        for list in ["", "1", "1, 2, 3"] {
            let refused = bind_arguments(&query, &values(list)).unwrap_err();
            assert_eq!(refused.code, Code::Statement, "{list}");
        }
        assert!(bind_arguments(&query, &values("1, 2")).is_ok());
    }

    #[test]
    fn values_are_of_the_declared_types() {
        let (_, types) = prepared(
            "PREPARE q(INT, DOUBLE, VARCHAR, DATE, BOOLEAN) AS SELECT COUNT(*) FROM t WHERE a = $1",
        );
        let checked = check_types(&values("1, 2.5, 'a', '2020-01-31', TRUE"), &types).unwrap();
        assert_eq!(checked[3].to_string(), "DATE '2020-01-31'");
        assert!(check_types(&values("NULL, NULL, NULL, NULL, NULL"), &types).is_ok());
        for list in [
            "1.5, 2.5, 'a', '2020-01-31', TRUE",
            "1, 'b', 'a', '2020-01-31', TRUE",
            "1, 2.5, 3, '2020-01-31', TRUE",
            "1, 2.5, 'a', '31.1.2020', TRUE",
            "1, 2.5, 'a', '2020-01-31', 1",
            "1, 2.5, 'a', '2020-01-31'",
        ] {
            assert_eq!(check_types(&values(list), &types).unwrap_err().code, Code::Statement);
        }
    }
}
