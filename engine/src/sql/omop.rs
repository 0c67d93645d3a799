//! Functions and views for OMOP records: concepts below a concept, age, person-time, costs of
//! persons. It knows the names of two OMOP columns and two tables, and nothing of what is in them.

use std::sync::Arc;

use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::Result as PlanResult;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DateTimeField, Expr, Query, SetExpr, Statement,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::catalog::Catalog;
use crate::error::{Code, Rejection};
use crate::scan::table::DeclaredTable;
use crate::sql::call::{Call, binary, extract, literal, nested, whole_number};
use crate::sql::dates::dated;

/// Registers `cost_person`, the costs with their persons, unless the population has no such table
/// or one of that name. OMOP's cost names an event and no person; an extract has looked the event
/// up and keeps the pseudonym beside the cost, so that the view is that table.
///
/// # Errors
/// Those of the planner.
///
/// # Source
/// OMOP CDM 5.4, cost: `cost_event_id` and `cost_domain_id`.
pub(crate) fn register_views(session: &SessionContext, catalog: &Catalog) -> PlanResult<()> {
    let cost = catalog.table(COST).filter(|cost| cost.unit().is_some());
    if let (Some(cost), None) = (cost, catalog.table(COST_PERSON)) {
        let source = provider_as_source(Arc::new(DeclaredTable::new(Arc::clone(cost))));
        let plan = LogicalPlanBuilder::scan(COST, source, None)?.build()?;
        let view = ViewTable::new(plan, Some(format!("SELECT * FROM {COST}")));
        session.register_table(COST_PERSON, Arc::new(view))?;
    }
    Ok(())
}

/// Puts the parentheses of `x IN (descendants_of(…))` where they were left out.
pub(crate) fn parenthesized(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut result = Vec::with_capacity(tokens.len());
    // Depth of the parentheses within each call that was given its own.
    let mut open: Vec<u32> = Vec::new();
    let mut is_after_in = false;
    for token in tokens {
        let span = token.span;
        if is_after_in && is_descendants_of(&token.token) {
            result.push(TokenWithSpan::new(Token::LParen, span));
            open.push(0);
        }
        is_after_in = match &token.token {
            Token::Whitespace(_) => is_after_in,
            Token::Word(word) => word.keyword == Keyword::IN,
            _ => false,
        };
        match (&token.token, open.last_mut()) {
            (Token::LParen, Some(depth)) => *depth += 1,
            (Token::RParen, Some(depth)) => *depth = depth.saturating_sub(1),
            _ => {}
        }
        let is_end = token.token == Token::RParen && open.last() == Some(&0);
        result.push(token);
        if is_end {
            open.pop();
            result.push(TokenWithSpan::new(Token::RParen, span));
        }
    }
    result
}

/// Writes `x IN (descendants_of(1, 2), 3)` with a subquery; leaves other expressions alone.
///
/// # Errors
/// `R-FUNCTION` if a concept is not a written number.
pub(crate) fn rewrite_in(expr: &mut Expr) -> Result<(), Rejection> {
    let Expr::InList { expr: tested, list, negated } = expr else { return Ok(()) };
    let mut concepts = Vec::new();
    let mut others = Vec::new();
    for item in &*list {
        match Call::of(item).filter(|call| call.name == DESCENDANTS_OF) {
            Some(call) => concepts.extend(ancestors(&call)?),
            None => others.push(item.clone()),
        }
    }
    if concepts.is_empty() {
        return Ok(());
    }
    let negated = *negated;
    let below = Expr::InSubquery {
        expr: tested.clone(),
        subquery: Box::new(descendants(&concepts)?),
        negated,
    };
    if others.is_empty() {
        *expr = below;
        return Ok(());
    }
    let listed = Expr::InList { expr: tested.clone(), list: others, negated };
    let op = if negated { BinaryOperator::And } else { BinaryOperator::Or };
    let both = Expr::BinaryOp { left: Box::new(below), op, right: Box::new(listed) };
    *expr = nested(both);
    Ok(())
}

/// Writes `age_at` and `person_years` as arithmetic; `None` if it is another function.
///
/// # Errors
/// `R-FUNCTION` if the arguments are not as the function has them.
pub(crate) fn rewritten(call: &Call<'_>) -> Result<Option<Expr>, Rejection> {
    let minus = |left, right| binary(left, BinaryOperator::Minus, right);
    match (call.name.as_str(), call.arguments.as_slice()) {
        ("age_at", [born, on]) => {
            let year = extract(DateTimeField::Year, &dated(on));
            Ok(Some(nested(minus(year, (*born).clone()))))
        }
        ("person_years", [start, end]) => {
            // Both ends of an OMOP period are within it.
            let days = minus(dated(end), dated(start));
            let days = binary(days, BinaryOperator::Plus, literal("1"));
            let years = binary(days, BinaryOperator::Divide, literal("365.25"));
            Ok(Some(nested(years)))
        }
        ("age_at", _) => Err(call
            .refuse("it takes a year of birth and a date")
            .hint("for instance age_at(p.year_of_birth, v.visit_start_date)")),
        ("person_years", _) => Err(call
            .refuse("it takes the first and the last day of a period")
            .hint("for instance SUM(person_years(start_date, end_date))")),
        (DESCENDANTS_OF, _) => Err(call
            .refuse("it stands for a list of concepts")
            .hint("for instance condition_concept_id IN descendants_of(201826)")),
        _ => Ok(None),
    }
}

fn ancestors(call: &Call<'_>) -> Result<Vec<i64>, Rejection> {
    let concepts: Option<Vec<i64>> = call.arguments.iter().map(|id| whole_number(id)).collect();
    concepts.filter(|concepts| !concepts.is_empty()).ok_or_else(|| {
        let hint = "for instance condition_concept_id IN descendants_of(201826, 4193704)";
        call.refuse("it takes the numbers of concepts, written out").hint(hint)
    })
}

fn descendants(concepts: &[i64]) -> Result<Query, Rejection> {
    let list: Vec<String> = concepts.iter().map(ToString::to_string).collect();
    let text = format!(
        "SELECT descendant_concept_id FROM concept_ancestor WHERE ancestor_concept_id IN ({})",
        list.join(", ")
    );
    let fault = || Rejection::new(Code::Syntax, "too many concepts");
    let parsed = Parser::parse_sql(&GenericDialect {}, &text).map_err(|_| fault())?;
    match parsed.into_iter().next() {
        Some(Statement::Query(query)) if matches!(*query.body, SetExpr::Select(_)) => Ok(*query),
        _ => Err(fault()),
    }
}

fn is_descendants_of(token: &Token) -> bool {
    matches!(token, Token::Word(word)
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(DESCENDANTS_OF))
}

const DESCENDANTS_OF: &str = "descendants_of";

const COST: &str = "cost";

const COST_PERSON: &str = "cost_person";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::text::parse;

    fn printed(condition: &str) -> String {
        let query = parse(&format!("SELECT COUNT(*) FROM t WHERE {condition}")).unwrap();
        query.statement.to_string().split_once("WHERE ").unwrap().1.to_owned()
    }

    const BELOW: &str = "SELECT descendant_concept_id FROM concept_ancestor \
        WHERE ancestor_concept_id IN";

    #[test]
    fn descendants_are_a_subquery() {
        let one = format!("c IN ({BELOW} (201826))");
        assert_eq!(printed("c IN (descendants_of(201826))"), one);
        assert_eq!(printed("c IN descendants_of(201826)"), one);
        assert_eq!(printed("c IN\n/* diabetes */ Descendants_Of (201826)"), one);
        let two = format!("t.c NOT IN ({BELOW} (1, 2)) AND b");
        assert_eq!(printed("t.c NOT IN (descendants_of(1), descendants_of(2)) AND b"), two);
        assert_eq!(printed("t.c NOT IN descendants_of(1, 2) AND b"), two);
    }

    #[test]
    fn descendants_stand_beside_other_concepts() {
        let both = format!("(c IN ({BELOW} (1)) OR c IN (5, 6))");
        assert_eq!(printed("c IN (5, descendants_of(1), 6)"), both);
        let neither = format!("(c NOT IN ({BELOW} (1)) AND c NOT IN (5))");
        assert_eq!(printed("c NOT IN (descendants_of(1), 5)"), neither);
    }

    #[test]
    fn calls_within_calls_keep_their_parentheses() {
        let text =
            "a IN descendants_of((1)) OR a IN (SELECT x FROM u WHERE y IN descendants_of(2))";
        let expected =
            format!("a IN ({BELOW} (1)) OR a IN (SELECT x FROM u WHERE y IN ({BELOW} (2)))");
        assert_eq!(printed(text), expected);
    }

    #[test]
    fn ages_and_person_time_are_arithmetic() {
        assert_eq!(
            printed("age_at(p.year_of_birth, v.start) >= 65"),
            "(EXTRACT(YEAR FROM v.start) - p.year_of_birth) >= 65"
        );
        assert_eq!(
            printed("age_at(p.year_of_birth, '2020-12-31') < 18"),
            "(EXTRACT(YEAR FROM DATE '2020-12-31') - p.year_of_birth) < 18"
        );
        assert_eq!(printed("person_years(a, b) > 1"), "(((b - a) + 1) / 365.25) > 1");
    }

    #[test]
    fn what_is_not_written_out_is_refused() {
        for condition in [
            "c IN descendants_of(x)",
            "c IN (descendants_of())",
            "c IN descendants_of('201826')",
            "c = descendants_of(1)",
            "age_at(d) > 5",
            "person_years(d) > 5",
        ] {
            let refused = parse(&format!("SELECT COUNT(*) FROM t WHERE {condition}")).unwrap_err();
            assert_eq!(refused.code, Code::Function, "{condition}");
            assert!(refused.place.is_some() && refused.hint.is_some(), "{condition}");
        }
    }
}
