//! Tables of the catalogue that the library has otherwise, or not as whole as clients need them.
//! Each is put in place as a query, so that no client finds it in a list of relations.

use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, Query, Statement, TableAlias, TableFactor,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::comments::DESCRIPTIONS;
use super::rewrite::folded;

/// Puts a query in the place of a table that has one.
pub(super) fn put_in(table: &mut TableFactor) {
    let TableFactor::Table { name, alias, args: None, .. } = table else { return };
    let Some((name, subquery)) = query_of(name) else { return };
    let name = Ident::new(name);
    let own = TableAlias { explicit: true, name, columns: vec![], at: None };
    let alias = Some(alias.take().unwrap_or(own));
    *table = TableFactor::Derived { lateral: false, subquery, alias, sample: None };
}

fn query_of(relation: &ObjectName) -> Option<(String, Box<Query>)> {
    let parts: Vec<String> =
        relation.0.iter().filter_map(|part| part.as_ident()).map(folded).collect();
    let [.., schema, name] = parts.as_slice() else { return None };
    let text = match (schema.as_str(), name.as_str()) {
        ("information_schema", "columns") => COLUMNS.to_owned(),
        ("pg_catalog", "pg_settings") => settings(),
        ("pg_catalog", "pg_description") => format!(
            "SELECT objoid, classoid, objsubid, description FROM pg_catalog.pg_description \
             UNION ALL SELECT CAST(objoid AS INT), CAST(classoid AS INT), CAST(objsubid AS INT), \
             description FROM {DESCRIPTIONS}()"
        ),
        _ => return None,
    };
    match Parser::parse_sql(&PostgreSqlDialect {}, &text).ok()?.pop()? {
        Statement::Query(query) => Some((name.clone(), query)),
        _ => None,
    }
}

fn settings() -> String {
    let none = |name: &&str| format!("CAST(NULL AS TEXT) AS {name}");
    let unknown: Vec<String> = UNKNOWN.iter().map(none).collect();
    let rows: Vec<String> =
        SETTINGS.iter().map(|(name, setting)| format!("('{name}', '{setting}')")).collect();
    format!(
        "SELECT name, setting, setting AS boot_val, setting AS reset_val, 'default' AS source, \
         {}, CAST(NULL AS INT) AS sourceline, FALSE AS pending_restart \
         FROM (VALUES {}) AS v(name, setting)",
        unknown.join(", "),
        rows.join(", ")
    )
}

/// Settings that clients look up here, as `SHOW` has them.
const SETTINGS: [(&str, &str); 5] = [
    ("client_encoding", "UTF8"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("server_encoding", "UTF8"),
    ("standard_conforming_strings", "on"),
];

/// What is not told about settings.
const UNKNOWN: [&str; 10] = [
    "unit",
    "category",
    "short_desc",
    "extra_desc",
    "context",
    "vartype",
    "min_val",
    "max_val",
    "enumvals",
    "sourcefile",
];

/// Columns as `information_schema` has them, under PostgreSQL's names of types.
const COLUMNS: &str = "SELECT table_catalog, table_schema, table_name, column_name, \
    ordinal_position, column_default, is_nullable, CASE data_type WHEN 'Int64' THEN 'bigint' \
    WHEN 'Float64' THEN 'double precision' WHEN 'Utf8' THEN 'text' WHEN 'Date32' THEN 'date' \
    WHEN 'Boolean' THEN 'boolean' ELSE lower(data_type) END AS data_type, \
    character_maximum_length, character_octet_length, numeric_precision, \
    numeric_precision_radix, numeric_scale, datetime_precision, interval_type \
    FROM information_schema.columns WHERE table_schema = 'public'";
