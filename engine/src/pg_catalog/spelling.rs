//! Spellings that have to change before the library reads a query: lists that are written as text,
//! which it takes apart at every comma, and names of procedures and of the catalogue's tables,
//! which it looks up as numbers.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Array, BinaryOperator, DataType, Expr, Statement, Value, ValueWithSpan, VisitMut, VisitorMut,
};

use super::functions::LIST_MAX;
use super::rewrite::{is_procedure, is_regproc, plain, text};

/// Changes them, and says whether there was anything to change.
pub(super) fn spell(statement: &mut Statement) -> bool {
    let mut speller = Speller { has_changed: false };
    let _ = statement.visit(&mut speller);
    speller.has_changed
}

struct Speller {
    has_changed: bool,
}

impl VisitorMut for Speller {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        self.has_changed |= match expr {
            Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => spell_list(right),
            Expr::Cast { expr, data_type: DataType::Array(_), .. } => spell_list(expr),
            Expr::Cast { expr, data_type, .. } if is_regclass(data_type) => spell_table(expr),
            Expr::BinaryOp { left, op: BinaryOperator::Eq | BinaryOperator::NotEq, right } => {
                spell_procedure(left, right) || spell_procedure(right, left)
            }
            _ => false,
        };
        ControlFlow::Continue(())
    }
}

/// `'{a,b}'` as `ARRAY['a', 'b']`.
fn spell_list(expr: &mut Expr) -> bool {
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(list), .. }) = &*expr else {
        return false;
    };
    let Some(elem) = elements(list) else { return false };
    *expr = Expr::Array(Array { elem, named: true });
    true
}

fn is_regclass(kind: &DataType) -> bool {
    kind.to_string().to_ascii_lowercase().ends_with("regclass")
}

/// `'pg_class'` as `'pg_catalog.pg_class'`: the library looks in the schema of the population only.
fn spell_table(expr: &mut Expr) -> bool {
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(name), .. }) = expr else {
        return false;
    };
    let is_bare = name.starts_with("pg_") && !name.contains('.');
    if is_bare {
        name.insert_str(0, "pg_catalog.");
    }
    is_bare
}

/// `'pg_catalog.array_in'::regproc` as `'array_in'`, beside a column of such names.
fn spell_procedure(column: &Expr, name: &mut Expr) -> bool {
    let Expr::Cast { expr, data_type, .. } = &*name else { return false };
    if !is_procedure(column) || !is_regproc(data_type) {
        return false;
    }
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(full), .. }) = expr.as_ref()
    else {
        return false;
    };
    let bare = full.strip_prefix("pg_catalog.").unwrap_or(full).to_owned();
    *name = text(&bare);
    true
}

/// The elements of a list as PostgreSQL writes it, up to one more than a list may have. `None` for
/// any other text, as of a list of lists.
fn elements(list: &str) -> Option<Vec<Expr>> {
    let mut rest = list.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut elements = Vec::new();
    if rest.trim().is_empty() {
        return Some(elements);
    }
    while elements.len() <= LIST_MAX {
        let (element, after) = element(rest)?;
        elements.push(element);
        if after.is_empty() {
            break;
        }
        rest = after.strip_prefix(',')?;
    }
    Some(elements)
}

/// The first element of a list, and what comes after it.
fn element(list: &str) -> Option<(Expr, &str)> {
    let list = list.trim_start();
    if let Some(quoted) = list.strip_prefix('"') {
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => value.push(chars.next()?.1),
                '"' => return Some((text(&value), quoted.get(at + 1..)?.trim_start())),
                c => value.push(c),
            }
        }
        return None;
    }
    let (value, after) = list.split_at(list.find(',').unwrap_or(list.len()));
    let value = value.trim_end();
    if value.is_empty() || value.contains(['{', '}', '"', '\\']) {
        return None;
    }
    let is_null = value.eq_ignore_ascii_case("null");
    Some((if is_null { Expr::Value(plain(Value::Null)) } else { text(value) }, after))
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn spelt(query: &str) -> Option<String> {
        let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, query).unwrap().remove(0);
        spell(&mut statement).then(|| statement.to_string())
    }

    #[test]
    fn a_list_in_a_text_is_a_list() {
        let list = |text: &str| spelt(&format!("SELECT 1 FROM t WHERE a = ANY('{text}')"));
        let any = |list: &str| Some(format!("SELECT 1 FROM t WHERE a = ANY(ARRAY[{list}])"));
        assert_eq!(list(r#"{"r","v"}"#), any("'r', 'v'"));
        let all = any(r#"'r', 'a,b', 'q"}', NULL, 'NULL'"#);
        assert_eq!(list(r#"{ r , "a,b" , "q\"}" , NULL, "NULL" }"#), all);
        assert_eq!(list("{}"), any(""));
        for other in ["r,v", "{{a},{b}}", "{a,}", r#"{"a}"#, r#"{"a"b}"#, "{a\\b}"] {
            assert_eq!(list(other), None, "{other}");
        }
        let keywords = r#"SELECT word FROM k WHERE word <> ALL ('{a,"null"}'::text[])"#;
        assert!(spelt(keywords).is_some_and(|text| text.contains("ARRAY['a', 'null']")));
        assert_eq!(spelt("SELECT 1 FROM t WHERE a = '{r}' AND b = ANY(c)"), None);
    }

    #[test]
    fn a_list_ends_where_it_is_refused() {
        let many = format!("{{{}}}", vec!["a"; 5_000].join(","));
        assert_eq!(elements(&many).map(|list| list.len()), Some(LIST_MAX + 1));
    }

    #[test]
    fn a_procedure_is_compared_by_name_and_a_table_is_found() {
        let of = |query: &str| spelt(&format!("SELECT {query} FROM pg_type t"));
        let name = Some("SELECT t.typinput = 'array_in' FROM pg_type t".to_owned());
        assert_eq!(of("t.typinput = 'array_in'::regproc"), name);
        assert_eq!(of("t.typinput = 'pg_catalog.array_in'::regproc"), name);
        assert_eq!(of("t.typinput = 'pg_catalog.array_in'::pg_catalog.regproc"), name);
        assert_eq!(of("t.oid = 'array_in'::regproc"), None);
        let class = Some("SELECT 'pg_catalog.pg_class'::REGCLASS FROM pg_type t".to_owned());
        assert_eq!(of("'pg_class'::regclass"), class);
        assert_eq!(of("'person'::regclass"), None);
        assert_eq!(of("'pg_catalog.pg_class'::regclass"), None);
    }
}
