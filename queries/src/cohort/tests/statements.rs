//! What every statement keeps to, whatever the definition: it is SQL, and each of its rows stays
//! with its person.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Distinct, Expr, FunctionArguments, GroupByExpr, JoinConstraint, JoinOperator,
    Query, Select, SelectItem, Statement, Visit, Visitor, WindowType,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::random::Random;
use crate::cohort::definition::Definition;

#[test]
fn every_statement_is_sql_whose_rows_stay_with_their_person() {
    // Unoptimized, the parser takes more of a stack for each level than threads of tests have.
    let thread = std::thread::Builder::new().stack_size(64 << 20);
    thread.spawn(every_statement_is_kept).unwrap().join().unwrap();
}

fn every_statement_is_kept() {
    let mut random = Random(20_261_123);
    let mut joins = 0;
    for i in 0..60 {
        let text = random.definition();
        let definition = Definition::from_toml("random", &text);
        let definition = definition.unwrap_or_else(|error| panic!("{i}: {error}\n{text}"));
        let views = definition.views();
        assert_eq!(views.last().unwrap().name, "study");
        for (at, view) in views.iter().enumerate() {
            let mut rules = Rules { known: &views[..at], released: None, joins: 0 };
            rules.check(&view.to_string(), &text);
            joins += rules.joins;
            assert!(columns(&view.query).starts_with(&["person_id".to_owned()]), "{text}");
        }
        let last = ["person_id", "cohort_start_date", "cohort_end_date"];
        assert_eq!(columns(&views.last().unwrap().query), last, "{text}");
        let attrition = definition.attrition_sql();
        let mut rules = Rules { known: &views, released: Some(2), joins: 0 };
        rules.check(&attrition, &text);
        assert_eq!(columns(&attrition), ["rules_passed", "persons"]);
    }
    assert!(joins > 400, "{joins}");
}

/// The rules of the engine, as far as text shows them.
struct Rules<'a> {
    known: &'a [crate::cohort::sql::View],
    /// How many SELECTs from the outside are the last that may name no person, if any may: the
    /// question, and what it is asked of.
    released: Option<usize>,
    joins: usize,
}

impl Rules<'_> {
    fn check(&mut self, sql: &str, of: &str) {
        let parsed = Parser::parse_sql(&GenericDialect {}, sql);
        let parsed = parsed.unwrap_or_else(|error| panic!("{error}\n{sql}\n{of}"));
        assert_eq!(parsed.len(), 1);
        if let ControlFlow::Break(fault) = parsed.visit(self) {
            panic!("{fault}\n{sql}\n{of}");
        }
        let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().unwrap();
        let operators = tokens.iter().filter(|token| is_operator(token)).count();
        assert!(operators < OPERATORS_MAX, "{operators} in\n{sql}\n{of}");
    }

    fn select(&mut self, select: &Select) -> Result<(), String> {
        if matches!(select.distinct, Some(Distinct::Distinct | Distinct::On(_))) {
            return Err("DISTINCT".to_owned());
        }
        for table in &select.from {
            for join in &table.joins {
                self.joins += 1;
                let (JoinOperator::Join(on)
                | JoinOperator::Left(on)
                | JoinOperator::LeftSemi(on)
                | JoinOperator::LeftAnti(on)) = &join.join_operator
                else {
                    return Err(format!("{join}: what join is that"));
                };
                let JoinConstraint::On(on) = on else { return Err(format!("{join}: no ON")) };
                if !conjuncts(on).iter().any(|conjunct| equates_persons(conjunct)) {
                    return Err(format!("{join}: no person"));
                }
            }
        }
        let GroupByExpr::Expressions(keys, _) = &select.group_by else {
            return Err("GROUP BY ALL".to_owned());
        };
        let is_grouped = !keys.is_empty();
        let is_released = matches!(self.released, Some(2));
        self.released = self.released.map(|depth| depth.saturating_sub(1));
        if is_released {
            return Ok(());
        }
        if is_grouped && !keys.iter().any(is_person) {
            return Err("grouped, but not by the person".to_owned());
        }
        match select.projection.first() {
            Some(SelectItem::UnnamedExpr(first)) if is_person(first) => Ok(()),
            first => Err(format!("{first:?} is not the person")),
        }
    }
}

impl Visitor for Rules<'_> {
    type Break = String;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        if query.limit_clause.is_some() || query.with.is_some() {
            return ControlFlow::Break("LIMIT or WITH".to_owned());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<String> {
        self.select(select).map_or_else(ControlFlow::Break, ControlFlow::Continue)
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let window = match &function.over {
            Some(WindowType::WindowSpec(window)) => window,
            Some(other) => return ControlFlow::Break(format!("{other}")),
            None => return ControlFlow::Continue(()),
        };
        let is_subquery = matches!(function.args, FunctionArguments::Subquery(_));
        if is_subquery || !window.partition_by.iter().any(is_person) {
            return ControlFlow::Break(format!("{function}: not of one person"));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &sqlparser::ast::ObjectName) -> ControlFlow<String> {
        let name = name.to_string();
        let is_ours = name.starts_with("study");
        if is_ours && self.released.is_none() && !self.known.iter().any(|view| view.name == name) {
            return ControlFlow::Break(format!("{name} is not there yet"));
        }
        ControlFlow::Continue(())
    }
}

/// As the engine counts them: each may be a level of a plan.
fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            let word = word.value.to_ascii_uppercase();
            ["AND", "OR", "NOT", "IS", "BETWEEN", "IN", "UNION", "JOIN", "SELECT"]
                .contains(&word.as_str())
        }
        Token::Plus | Token::Minus | Token::Eq => true,
        Token::Lt | Token::Gt | Token::LtEq | Token::GtEq => true,
        _ => false,
    }
}

/// Most operators of a statement that the engine plans.
const OPERATORS_MAX: usize = 400;

fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            [conjuncts(left), conjuncts(right)].concat()
        }
        other => vec![other],
    }
}

fn equates_persons(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryOp { left, op: BinaryOperator::Eq, right }
        if is_person(left) && is_person(right))
}

fn is_person(expr: &Expr) -> bool {
    matches!(expr, Expr::CompoundIdentifier(parts)
        if parts.last().is_some_and(|last| last.value == "person_id"))
}

/// The names of the columns of a query.
fn columns(sql: &str) -> Vec<String> {
    let parsed = Parser::parse_sql(&GenericDialect {}, sql).unwrap();
    let Some(Statement::Query(query)) = parsed.first() else { panic!("{sql}") };
    let select = query.body.as_select().unwrap();
    let name = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
            parts.last().unwrap().value.clone()
        }
        other => panic!("{other}"),
    };
    select.projection.iter().map(name).collect()
}
