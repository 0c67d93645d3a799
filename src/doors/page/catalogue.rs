//! The catalogue: what data there are, with what is publicly known of them.

use axum::Json;
use axum::extract::State;
use ledger_adapter::manifest::{Bounds, ColumnKind, ColumnManifest, KeyValue, Rows};
use serde_json::{Value, json};

use super::Here;

/// The tables and their columns.
pub(super) async fn catalogue(State(page): Here) -> Json<Value> {
    let open = page.desk.now();
    let tables = open.opened.engine.catalog().tables().map(|table| {
        let (whose, most) = match &table.rows {
            Rows::Public => ("public", None),
            Rows::PerPerson { rows_per_person_max, .. } => ("person", Some(*rows_per_person_max)),
        };
        let unit = table.unit();
        let columns = table.columns.iter();
        let columns = columns.map(|column| column_json(column, unit == Some(column.name.as_str())));
        json!({
            "name": table.name,
            "whose": whose,
            "unit": unit,
            "rows_per_person_max": most,
            "columns": columns.collect::<Vec<_>>(),
        })
    });
    Json(json!({ "tables": tables.collect::<Vec<_>>() }))
}

fn column_json(column: &ColumnManifest, is_unit: bool) -> Value {
    let kind = match column.kind {
        ColumnKind::Integer => "integer",
        ColumnKind::Float => "float",
        ColumnKind::Text => "text",
        ColumnKind::Date => "date",
    };
    let ends = column.bounds.map(|Bounds { lower, upper, scale }| {
        let step = 10_f64.powi(i32::from(scale));
        (lower as f64 / step, upper as f64 / step)
    });
    let values = column.domain.as_ref();
    let shown = values.map(|all| all.iter().take(VALUES_SHOWN).map(value_json).collect::<Vec<_>>());
    json!({
        "name": column.name,
        "kind": kind,
        "nullable": column.nullable,
        "is_unit": is_unit,
        "lower": ends.map(|(lower, _)| lower),
        "upper": ends.map(|(_, upper)| upper),
        "values": shown,
        "values_count": values.map(|all| all.iter().len()),
        "generalised": column.generalised,
    })
}

/// A value of a key.
pub(crate) fn value_json(value: &KeyValue) -> Value {
    match value {
        KeyValue::Integer(value) => json!(value),
        KeyValue::Text(value) => json!(value),
    }
}

/// Values of a key that are listed.
const VALUES_SHOWN: usize = 200;
