//! What the steward is told of an extract: counts of rows and values, table by table.
//!
//! Counts are facts about records, so nothing here goes into a manifest or onto a ledger.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// What became of every row, for the steward's eyes only.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct BuildReport {
    /// One entry per table that was found, in order of name.
    pub tables: Vec<TableReport>,
    /// Files that are no table of the data model, and were left out.
    pub unknown_files: Vec<String>,
}

/// What became of the rows of one table.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct TableReport {
    /// Name of the table.
    pub table: String,
    /// Rows read.
    pub rows_in: u64,
    /// Rows written.
    pub rows_out: u64,
    /// Rows left out, by reason.
    pub rows_dropped: BTreeMap<&'static str, u64>,
    /// Values changed or emptied, by column and reason.
    pub values: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// Columns of the source that the data model does not have, and were left out.
    pub unknown_columns: Vec<String>,
    /// Columns of the data model that the policy leaves out.
    pub dropped_columns: Vec<String>,
}

/// Why a row is left out.
pub(super) mod dropped {
    /// Its person number is empty.
    pub(in crate::extract) const NO_PERSON: &str = "no person";
    /// Its person is not in the person table.
    pub(in crate::extract) const UNKNOWN_PERSON: &str = "person not in the person table";
    /// Its event is in no table, or its kind of event is unknown.
    pub(in crate::extract) const UNKNOWN_EVENT: &str = "event not found";
    /// Its event belongs to two persons.
    pub(in crate::extract) const AMBIGUOUS_EVENT: &str = "event of two persons";
    /// Nobody lives there.
    pub(in crate::extract) const NOBODY_THERE: &str = "location of no person";
    /// The person has a row already, in a table with one row per person.
    pub(in crate::extract) const REPEATED: &str = "more than one row for a person";
}

/// Why a value is changed.
pub(super) mod changed {
    /// It is not of the column's kind, and became missing.
    pub(in crate::extract) const UNREADABLE: &str = "unreadable, now missing";
    /// It was missing where the data model wants one.
    pub(in crate::extract) const MISSING: &str = "missing where required";
    /// It is not in the declared key domain.
    pub(in crate::extract) const UNDECLARED: &str = "outside the declared values";
    /// It was clamped to the declared bounds.
    pub(in crate::extract) const CLAMPED: &str = "clamped to the declared bounds";
    /// It does not have the shape of a code, and became missing.
    pub(in crate::extract) const NO_CODE: &str = "not in the shape of a code, now missing";
    /// No part of the device identifier may stay.
    pub(in crate::extract) const NO_DEVICE: &str = "no model or lot found, now missing";
    /// It is not a postal code, and became missing.
    pub(in crate::extract) const NO_ZIP: &str = "not a postal code, now missing";
    /// It was capped as an age.
    pub(in crate::extract) const AGE: &str = "capped as an age";
}

impl TableReport {
    /// Counts rows that are left out.
    pub(super) fn drop_rows(&mut self, why: &'static str, rows: u64) {
        if rows > 0 {
            *self.rows_dropped.entry(why).or_default() += rows;
        }
    }

    /// Counts values that are changed.
    pub(super) fn change(&mut self, column: &str, why: &'static str, rows: u64) {
        if rows > 0 {
            *self.values.entry(column.to_owned()).or_default().entry(why).or_default() += rows;
        }
    }
}

impl fmt::Display for BuildReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            writeln!(f, "{}: {} rows in, {} out", table.table, table.rows_in, table.rows_out)?;
            for (why, rows) in &table.rows_dropped {
                writeln!(f, "  {rows} rows dropped: {why}")?;
            }
            for (column, changes) in &table.values {
                for (why, rows) in changes {
                    writeln!(f, "  {column}: {rows} values {why}")?;
                }
            }
            list(f, "  columns not in the data model", &table.unknown_columns)?;
            list(f, "  columns left out by the policy", &table.dropped_columns)?;
        }
        list(f, "files left out", &self.unknown_files)
    }
}

fn list(f: &mut fmt::Formatter<'_>, title: &str, names: &[String]) -> fmt::Result {
    if names.is_empty() { Ok(()) } else { writeln!(f, "{title}: {}", names.join(", ")) }
}
