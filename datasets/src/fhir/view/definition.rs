//! A ViewDefinition as its JSON has it. Nothing is checked but its shape.
//!
//! # Source
//! SQL-on-FHIR 2.0.0, logical model ViewDefinition; `repeat` and `%rowIndex` of 2.1.0-pre.

use serde::Deserialize;
use serde_json::{Map, Value};

/// The parts of a ViewDefinition that say what it does.
#[derive(Debug, Deserialize)]
pub(super) struct Definition {
    pub(super) resource: Option<String>,
    #[serde(default)]
    pub(super) constant: Vec<Constant>,
    #[serde(default)]
    pub(super) select: Vec<Select>,
    #[serde(default, rename = "where")]
    pub(super) condition: Vec<Condition>,
}

/// A named value: `value[x]` is among the members.
#[derive(Debug, Deserialize)]
pub(super) struct Constant {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) members: Map<String, Value>,
}

/// Columns, and what they are taken from.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Select {
    #[serde(default)]
    pub(super) column: Vec<Column>,
    #[serde(default)]
    pub(super) select: Vec<Select>,
    #[serde(default)]
    pub(super) union_all: Vec<Select>,
    pub(super) for_each: Option<String>,
    pub(super) for_each_or_null: Option<String>,
    #[serde(default)]
    pub(super) repeat: Vec<String>,
}

/// A column.
#[derive(Debug, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) collection: bool,
}

/// What must hold of a resource.
#[derive(Debug, Deserialize)]
pub(super) struct Condition {
    pub(super) path: String,
}
