//! Spellings of catalogue queries that the planner does not know, and queries that are empty
//! because one of the tables that they join is.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArguments, Ident, Join,
    JoinOperator, Query, Select, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins,
    Value, ValueWithSpan, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::{correlated, views};
use crate::sql::prepare::index;

/// Puts values in the place of `$1`, `$2`, …; without enough of them, an empty list.
pub(super) fn fill(statement: &mut Statement, values: &[Expr]) {
    let _ = statement.visit(&mut Filler(values));
}

struct Filler<'a>(&'a [Expr]);

impl VisitorMut for Filler<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) = expr {
            let value = index(name).and_then(|index| self.0.get(index));
            *expr = value.cloned().unwrap_or_else(|| text("{}"));
        }
        ControlFlow::Continue(())
    }
}

/// Rewrites what the planner does not know.
pub(super) fn rewrite(statement: &mut Statement) {
    let _ = statement.visit(&mut Rewriter);
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = ();

    fn post_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        views::put_in(table);
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let SetExpr::Select(select) = query.body.as_mut() {
            name_columns(select);
            correlated::empty_columns_of(select);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            // No table has rights, options or members of its own.
            Expr::Function(function) if is_array_of_query(function) => *expr = nothing(),
            Expr::CompoundIdentifier(parts) if parts.last().is_some_and(is_absent) => {
                *expr = nothing();
            }
            Expr::Identifier(name) if is_absent(name) => *expr = nothing(),
            // There are no composite types.
            Expr::Subquery(query) if asks_for_composite(query) => {
                *expr = Expr::Value(plain(Value::Boolean(false)));
            }
            Expr::Like { escape_char, .. } | Expr::ILike { escape_char, .. } => *escape_char = None,
            Expr::Cast {
                kind: CastKind::DoubleColon | CastKind::Cast,
                expr: inner,
                data_type,
                ..
            } if is_regproc(data_type) => {
                let mut inner = inner.as_ref().clone();
                if let Expr::Value(literal) = &mut inner
                    && let Value::SingleQuotedString(name) = &mut literal.value
                {
                    *name = name.trim_start_matches("pg_catalog.").to_owned();
                }
                *expr = inner;
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq | BinaryOperator::NotEq, right }
                if is_procedure(left) && is_zero(right) =>
            {
                **right = text("-");
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if matches!(expr, Expr::Function(function) if joins_nothing(function)) {
            *expr = nothing();
        } else if joins_text(expr) {
            // Text that doubles from step to step would fill the memory.
            let joined = Box::new(std::mem::replace(expr, nothing()));
            let most = Expr::Value(plain(Value::Number(TEXT_MAX.to_string(), false)));
            *expr = Expr::Substring {
                expr: joined,
                substring_from: None,
                substring_for: Some(Box::new(most)),
                special: false,
                shorthand: false,
            };
        }
        ControlFlow::Continue(())
    }
}

/// Whether a list that is not there is counted, or put together to a text.
fn joins_nothing(function: &Function) -> bool {
    let name = name_of(function).unwrap_or_default().to_ascii_lowercase();
    OF_LISTS.contains(&name.as_str()) && function.args.to_string().contains("CAST(NULL AS TEXT)")
}

/// Whether a text is put together that may be longer than what it is made of.
fn joins_text(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryOp { op, .. } => *op == BinaryOperator::StringConcat,
        Expr::Function(function) => name_of(function).is_some_and(|name| JOINING.contains(&name)),
        _ => false,
    }
}

fn name_of(function: &Function) -> Option<&str> {
    function.name.0.last()?.as_ident().map(|name| name.value.as_str())
}

/// Columns without a name get those that PostgreSQL gives them, where the planner's would clash or
/// be of what was rewritten.
fn name_columns(select: &mut Select) {
    for (i, item) in select.projection.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let name = match &*expr {
            Expr::Value(ValueWithSpan { value: Value::Null, .. }) => format!("?column?{}", i + 1),
            Expr::CompoundIdentifier(parts) if parts.last().is_some_and(is_absent) => {
                parts.last().map_or_else(String::new, |name| name.value.clone())
            }
            Expr::Identifier(name) if is_absent(name) => name.value.clone(),
            // The library makes such of what it does not know: they may be alike.
            Expr::Cast { expr, .. } if matches!(expr.as_ref(), Expr::Value(_)) => {
                format!("?column?{}", i + 1)
            }
            Expr::Function(function) if joins_nothing(function) => {
                format!("{}{}", name_of(function).unwrap_or_default(), i + 1)
            }
            Expr::Function(function) if is_array_of_query(function) => format!("array{}", i + 1),
            Expr::Function(function) if joins_text(expr) => {
                format!("{}{}", name_of(function).unwrap_or_default(), i + 1)
            }
            _ if joins_text(expr) => format!("?column?{}", i + 1),
            _ => continue,
        };
        let alias = Ident::with_quote('"', name);
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
    }
}

fn is_array_of_query(function: &Function) -> bool {
    function.name.to_string().eq_ignore_ascii_case("array")
        && matches!(function.args, FunctionArguments::Subquery(_))
}

fn asks_for_composite(query: &Query) -> bool {
    query.body.to_string().to_ascii_lowercase().contains("relkind = 'c'")
}

fn is_absent(name: &Ident) -> bool {
    ABSENT.contains(&name.value.to_ascii_lowercase().as_str())
}

pub(super) fn is_regproc(kind: &DataType) -> bool {
    let DataType::Custom(name, _) = kind else { return false };
    name.to_string().to_ascii_lowercase().ends_with("regproc")
}

/// Whether a column holds the name of a procedure, which the catalogue has as text.
pub(super) fn is_procedure(expr: &Expr) -> bool {
    let name = match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    };
    let known = ["typinput", "typoutput", "typreceive", "typsend"];
    name.is_some_and(|name| known.contains(&name.value.to_ascii_lowercase().as_str()))
}

fn is_zero(expr: &Expr) -> bool {
    let Expr::Value(literal) = expr else { return false };
    matches!(&literal.value, Value::Number(digits, _) if digits == "0")
}

/// The columns of a query that has no rows, as it joins a table that has none: there are no
/// constraints, indexes, triggers or policies here. `None` for any other query.
pub(super) fn empty_columns(statement: &Statement) -> Option<Vec<String>> {
    let Statement::Query(query) = statement else { return None };
    if !is_empty(query, &[]) {
        return None;
    }
    let select = first_select(&query.body)?;
    let name = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(folded(name)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(folded),
        SelectItem::UnnamedExpr(Expr::Function(function)) => {
            function.name.0.last()?.as_ident().map(folded)
        }
        SelectItem::UnnamedExpr(_) => Some("?column?".to_owned()),
        _ => None,
    };
    select.projection.iter().map(name).collect()
}

/// The SELECT that names the columns.
fn first_select(set: &SetExpr) -> Option<&Select> {
    match set {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => first_select(&query.body),
        SetExpr::SetOperation { left, .. } => first_select(left),
        _ => None,
    }
}

pub(super) fn folded(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_ascii_lowercase() }
}

fn is_empty(query: &Query, known: &[String]) -> bool {
    let mut known = known.to_vec();
    for table in query.with.iter().flat_map(|with| &with.cte_tables) {
        if is_empty(&table.query, &known) {
            known.push(folded(&table.alias.name));
        }
    }
    is_empty_set(&query.body, &known)
}

fn is_empty_set(set: &SetExpr, known: &[String]) -> bool {
    match set {
        SetExpr::Select(select) => {
            // Without groups an aggregate has a row of nothing.
            select.from.iter().any(|from| is_empty_join(from, known)) && !counts(select)
        }
        SetExpr::Query(query) => is_empty(query, known),
        SetExpr::SetOperation { left, right, .. } => {
            is_empty_set(left, known) && is_empty_set(right, known)
        }
        _ => false,
    }
}

/// Whether a SELECT may aggregate without groups.
pub(super) fn counts(select: &Select) -> bool {
    let text = select.projection.iter().map(ToString::to_string).collect::<String>();
    let text = text.to_ascii_lowercase();
    let has_group = select.group_by.to_string().trim().len() > "GROUP BY".len();
    !has_group && ["count(", "min(", "max(", "sum(", "agg("].iter().any(|name| text.contains(name))
}

fn is_empty_join(from: &TableWithJoins, known: &[String]) -> bool {
    let is_inner = |join: &&Join| {
        matches!(
            join.join_operator,
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_)
        )
    };
    // An outer join of what is empty on its left is empty, too; one on the right or full may not.
    let may_add = |join: &Join| {
        matches!(
            join.join_operator,
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) | JoinOperator::FullOuter(_)
        )
    };
    if from.joins.iter().any(may_add) {
        return false;
    }
    is_empty_factor(&from.relation, known)
        || from.joins.iter().filter(is_inner).any(|join| is_empty_factor(&join.relation, known))
}

fn is_empty_factor(factor: &TableFactor, known: &[String]) -> bool {
    match factor {
        TableFactor::Table { name, .. } => {
            let parts: Vec<String> =
                name.0.iter().filter_map(|part| part.as_ident()).map(folded).collect();
            match parts.as_slice() {
                [.., schema, name] if schema == "information_schema" => {
                    EMPTY_STANDARD.contains(&name.as_str())
                }
                [.., name] => EMPTY.contains(&name.as_str()) || known.contains(name),
                [] => false,
            }
        }
        TableFactor::Derived { subquery, .. } => is_empty(subquery, known),
        TableFactor::NestedJoin { table_with_joins, .. } => is_empty_join(table_with_joins, known),
        _ => false,
    }
}

fn nothing() -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Value(plain(Value::Null))),
        data_type: DataType::Text,
        array: false,
        format: None,
    }
}

pub(super) fn text(text: &str) -> Expr {
    Expr::Value(plain(Value::SingleQuotedString(text.to_owned())))
}

pub(super) fn plain(value: Value) -> ValueWithSpan {
    ValueWithSpan { value, span: Span::empty() }
}

/// Functions that put texts together.
const JOINING: [&str; 4] = ["array_to_string", "concat", "replace", "string_agg"];

/// The longest text that is put together.
const TEXT_MAX: usize = 4_096;

/// Functions of lists that give nothing for a list that is not there.
const OF_LISTS: [&str; 3] = ["array_length", "array_to_string", "cardinality"];

/// Columns that say nothing here: rights, options, and which table a row is of.
const ABSENT: [&str; 12] = [
    "attacl",
    "colliculocale",
    "datacl",
    "fdwacl",
    "lanacl",
    "nspacl",
    "proacl",
    "relacl",
    "reloptions",
    "spcacl",
    "tableoid",
    "typacl",
];

/// Tables of the catalogue that have no rows here.
const EMPTY: [&str; 22] = [
    "pg_auth_members",
    "pg_constraint",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_depend",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_index",
    "pg_inherits",
    "pg_matviews",
    "pg_partitioned_table",
    "pg_policy",
    "pg_publication",
    "pg_sequence",
    "pg_shdescription",
    "pg_statistic_ext",
    // What is in columns is nobody's to know.
    "pg_stats",
    "pg_subscription",
    "pg_trigger",
    "pg_user_mappings",
];

/// Tables of `information_schema` that have no rows here.
const EMPTY_STANDARD: [&str; 7] = [
    "check_constraints",
    "constraint_column_usage",
    "constraint_table_usage",
    "key_column_usage",
    "referential_constraints",
    "table_constraints",
    "triggers",
];

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn read(text: &str) -> Statement {
        Parser::parse_sql(&PostgreSqlDialect {}, text).unwrap().remove(0)
    }

    #[test]
    fn what_joins_an_empty_table_is_empty() {
        let columns = |text| empty_columns(&read(text));
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        let key =
            "SELECT a.attname AS COLUMN_NAME, \"X\", f(1) FROM pg_class c JOIN pg_index i ON true";
        assert_eq!(columns(key), names(&["column_name", "X", "f"]));
        let nested = "WITH k AS (SELECT conname FROM pg_constraint) SELECT r.conname FROM \
                      (SELECT * FROM k) r, pg_class";
        assert_eq!(columns(nested), names(&["conname"]));
        for text in [
            "SELECT relname FROM pg_class",
            "SELECT c.relname FROM pg_class c LEFT JOIN pg_constraint n ON true",
            "SELECT c.relname FROM pg_index i RIGHT JOIN pg_class c ON true",
            "SELECT COUNT(*) FROM pg_index",
            "SELECT 1 UNION SELECT 1 FROM pg_index",
        ] {
            assert_eq!(columns(text), None, "{text}");
        }
    }

    #[test]
    fn values_are_put_in_as_values() {
        let mut statement = read("SELECT $2, $1 FROM pg_class WHERE relkind = ANY($3)");
        fill(&mut statement, &[text("a'b"), text("c")]);
        let expected = "SELECT 'c', 'a''b' FROM pg_class WHERE relkind = ANY('{}')";
        assert_eq!(statement.to_string(), expected);
    }
}
