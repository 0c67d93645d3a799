//! Tests of the schema against the reference list of columns and against itself.

use std::path::{Path, PathBuf};

use ledger_adapter::manifest::ColumnKind::{self, Date, Float, Integer, Text};

use super::Role::{
    self, BirthYear, Concept, DeviceId, DirectId, FreeText, PublicReference, QuasiDate,
    QuasiGeneralise, QuasiPublicDomain, RowKey, SensitiveNumeric, SupplyChain, UnitKey,
};
use super::TableKind::PersonKeyed;
use super::{table, tables};

/// Columns of the data model that are described here and not in the reference list: raw
/// sources have them, and extracts must know to drop them.
const BEYOND_REFERENCE: &[(&str, &str)] =
    &[("person", "day_of_birth"), ("person", "person_source_value")];

fn reference() -> Option<Vec<Vec<String>>> {
    let shared = std::env::var_os("GRAUNT_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let text = std::fs::read_to_string(shared.join("reference/omop_subset.csv")).ok()?;
    Some(text.lines().skip(1).map(fields).collect())
}

/// Fields of a line of comma-separated text in which quotes hold commas and no quotes.
fn fields(line: &str) -> Vec<String> {
    let mut quoted = false;
    line.split(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .map(|field| field.trim_matches('"').to_owned())
    .collect()
}

/// The start of the reference list's words for a role.
fn words(role: Role) -> &'static str {
    match role {
        UnitKey => "privacy unit key",
        DirectId => "",
        QuasiDate => "quasi-identifier; year only",
        QuasiPublicDomain => "quasi-identifier; public domain",
        QuasiGeneralise => "quasi-identifier; generalise",
        BirthYear => "quasi-identifier; HIPAA: >89",
        RowKey | Concept => "row key",
        SensitiveNumeric => "sensitive numeric",
        FreeText => "free text",
        SupplyChain => "supply-chain key",
        DeviceId => "Safe Harbor identifier #13",
        PublicReference => "public reference",
    }
}

fn kind_of(sql: &str) -> ColumnKind {
    match sql {
        "integer" => Integer,
        "float" => Float,
        "date" => Date,
        _ => Text,
    }
}

#[test]
fn every_reference_column_is_described_and_no_other() {
    let Some(rows) = reference() else {
        println!("skipped: reference/omop_subset.csv is not there");
        return;
    };
    for row in &rows {
        let table = table(&row[0]).unwrap_or_else(|| panic!("no table {}", row[0]));
        let column = table.column(&row[1]).unwrap_or_else(|| panic!("no {}.{}", row[0], row[1]));
        assert_eq!(column.kind, kind_of(&row[2]), "{}.{}", row[0], row[1]);
        assert_eq!(column.required, row[3] == "Yes", "{}.{}", row[0], row[1]);
        // A cohort is named by its public definition, though the reference list calls that a
        // row key.
        if (row[0].as_str(), row[1].as_str()) != ("cohort", "cohort_definition_id") {
            assert!(row[5].starts_with(words(column.role)), "{}.{}", row[0], row[1]);
        }
    }
    let described: usize = tables().iter().map(|table| table.columns.len()).sum();
    assert_eq!(described, rows.len() + BEYOND_REFERENCE.len());
    for (table_name, column) in BEYOND_REFERENCE {
        assert!(table(table_name).is_some_and(|table| table.column(column).is_some()));
    }
}

#[test]
fn person_keyed_tables_have_exactly_one_required_unit_key() {
    for table in tables() {
        let keys: Vec<_> = table.columns.iter().filter(|c| c.role == UnitKey).collect();
        match table.kind {
            PersonKeyed { unit } => {
                assert_eq!(keys.len(), 1, "{}", table.name);
                assert_eq!((keys[0].name, keys[0].required), (unit, true));
            }
            _ => assert!(keys.is_empty(), "{}", table.name),
        }
    }
}

#[test]
fn concept_ids_and_row_keys_are_told_apart() {
    for column in tables().iter().flat_map(|table| table.columns) {
        if column.role == RowKey {
            assert!(column.name.ends_with("_id") && !column.name.ends_with("concept_id"));
        }
    }
}
