//! What there is: the one catalog and schema, tables with their columns, and what the server can.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables, SqlInfo,
    SqlSupportedTransaction,
};
use engine::catalog::TableSpec;
use ledger_adapter::manifest::{Bounds, ColumnManifest, Rows};
use serde_json::json;

use crate::desk::Desk;
use crate::doors::page::catalogue::value_json;

/// The catalog, which is the population.
pub(super) fn catalogs(desk: &Desk, query: CommandGetCatalogs) -> Result<RecordBatch, FlightError> {
    let mut builder = query.into_builder();
    builder.append(desk.population());
    builder.build()
}

/// The schema, of which there is one.
pub(super) fn schemas(desk: &Desk, query: CommandGetDbSchemas) -> Result<RecordBatch, FlightError> {
    let mut builder = query.into_builder();
    builder.append(desk.population(), "public");
    builder.build()
}

/// The kinds of tables.
pub(super) fn table_types(query: CommandGetTableTypes) -> Result<RecordBatch, FlightError> {
    let mut builder = query.into_builder();
    builder.append("TABLE");
    builder.build()
}

/// The tables, with what is publicly known of their columns.
pub(super) fn tables(desk: &Desk, query: CommandGetTables) -> Result<RecordBatch, FlightError> {
    let mut builder = query.into_builder();
    let (open, population) = (desk.now(), desk.population());
    for table in open.opened.engine.catalog().tables() {
        builder.append(&population, "public", &table.name, "TABLE", &schema(table))?;
    }
    builder.build()
}

fn schema(table: &TableSpec) -> Schema {
    let fields = table.schema.fields().iter().zip(&table.columns).map(|(field, column)| {
        let is_unit = table.unit() == Some(column.name.as_str());
        Field::clone(field).with_metadata(told(column, is_unit))
    });
    let whose = match &table.rows {
        Rows::Public => "public",
        Rows::PerPerson { .. } => "person",
    };
    let metadata = HashMap::from([("graunt.whose".to_owned(), whose.to_owned())]);
    Schema::new(fields.collect::<Vec<_>>()).with_metadata(metadata)
}

fn told(column: &ColumnManifest, is_unit: bool) -> HashMap<String, String> {
    let mut told = HashMap::new();
    let mut say = |key: &str, value: String| told.insert(format!("graunt.{key}"), value);
    if is_unit {
        say("is_unit", "true".to_owned());
    }
    if let Some(Bounds { lower, upper, scale }) = column.bounds {
        let step = 10_f64.powi(i32::from(scale));
        say("lower", (lower as f64 / step).to_string());
        say("upper", (upper as f64 / step).to_string());
    }
    if let Some(values) = &column.domain {
        let shown: Vec<_> = values.iter().take(VALUES_SHOWN).map(value_json).collect();
        say("values", json!(shown).to_string());
        say("values_count", values.len().to_string());
    }
    if let Some(how) = &column.generalised {
        say("generalised", how.clone());
    }
    told
}

/// What the server can.
///
/// # Errors
/// None in practice.
pub(super) fn abilities() -> Result<SqlInfoData, FlightError> {
    let mut builder = SqlInfoDataBuilder::new();
    builder.append(SqlInfo::FlightSqlServerName, "Graunt");
    builder.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    builder.append(SqlInfo::FlightSqlServerArrowVersion, "1.3");
    builder.append(SqlInfo::FlightSqlServerReadOnly, true);
    builder.append(SqlInfo::FlightSqlServerSql, true);
    builder.append(SqlInfo::FlightSqlServerSubstrait, false);
    let none = SqlSupportedTransaction::None as i32;
    builder.append(SqlInfo::FlightSqlServerTransaction, none);
    builder.append(SqlInfo::FlightSqlServerCancel, false);
    builder.build()
}

/// Values of a key that are listed.
const VALUES_SHOWN: usize = 200;
