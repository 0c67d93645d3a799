//! What the steward is told of a conversion: counts of resources, rows and codes.
//!
//! Counts are facts about records; they are for the steward's eyes only.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// What became of every resource.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Report {
    /// By type of resource.
    pub resources: BTreeMap<String, ResourceCounts>,
    /// By table.
    pub tables: BTreeMap<&'static str, TableCounts>,
    /// How many codes were mapped, by vocabulary, or by system where that is no known vocabulary.
    pub codes: BTreeMap<String, CodeCounts>,
    /// Tables of concepts that are with the others.
    pub vocabulary: Vec<&'static str>,
    /// Values that were not taken as they are, by what was done.
    pub changes: BTreeMap<&'static str, u64>,
    /// The first resources that a view did not fit: file, line, and part of the view.
    pub misfits: Vec<String>,
    /// Types of resources for which there is no table, with their files.
    pub types_left_out: BTreeMap<String, Vec<String>>,
    /// Files that are no bulk data.
    pub files_left_out: Vec<String>,
}

/// What became of the resources of one type.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct ResourceCounts {
    /// Resources read.
    pub read: u64,
    /// Resources of which no view made a row, for instance those that were entered in error.
    pub without_rows: u64,
    /// Resources that were read before under the same identifier, and left out.
    pub repeated: u64,
}

/// What became of the rows of one table.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct TableCounts {
    /// Rows written.
    pub rows: u64,
    /// Rows left out, by reason.
    pub left_out: BTreeMap<&'static str, u64>,
}

/// What became of the codes of one vocabulary.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct CodeCounts {
    /// Codes that have a standard concept.
    pub mapped: u64,
    /// Codes that have none, and became concept 0.
    pub unmapped: u64,
}

/// Why a row is left out.
pub(super) mod left_out {
    /// It names no patient.
    pub(in crate::fhir) const NO_PERSON: &str = "no patient";
    /// Its patient is not in the person table.
    pub(in crate::fhir) const UNKNOWN_PERSON: &str = "patient not in the person table";
    /// The table wants a date, and there is none.
    pub(in crate::fhir) const NO_DATE: &str = "no date";
    /// It is dated after the export: planned, or a mistake.
    pub(in crate::fhir) const FUTURE: &str = "after the day of the export";
    /// The person table wants a year of birth, and there is none.
    pub(in crate::fhir) const NO_BIRTH_YEAR: &str = "no year of birth";
    /// A resource has no identifier of its own.
    pub(in crate::fhir) const NO_ID: &str = "no identifier";
    /// A cost names neither encounter nor prescription.
    pub(in crate::fhir) const NO_EVENT: &str = "no encounter or prescription";
    /// A claim's cost is that of its explanation of benefit.
    pub(in crate::fhir) const ADJUDICATED: &str = "claim with an explanation of benefit";
    /// The resource is not of the shape that the view takes it for.
    pub(in crate::fhir) const MISFIT: &str = "does not fit the view";
}

/// What was done to a value.
pub(super) mod changed {
    /// The end of a drug exposure follows from its days of supply, or is its start.
    pub(in crate::fhir) const SUPPLY_END: &str = "ends of drugs taken from days of supply";
    /// An end before the start was dropped, or became the start where one is wanted.
    pub(in crate::fhir) const END_BEFORE_START: &str = "ends before their start";
    /// Coverage without an end goes on to the day of the export.
    pub(in crate::fhir) const OPEN_END: &str = "coverage without an end";
    /// The day that a device was made stands for the day of its use.
    pub(in crate::fhir) const MADE_DATE: &str = "devices dated by their making";
    /// A number of a table that wants whole ones was not whole.
    pub(in crate::fhir) const NOT_WHOLE: &str = "numbers that should be whole, dropped";
}

impl Report {
    /// The counts of a type of resource.
    pub(super) fn resource(&mut self, kind: &str) -> &mut ResourceCounts {
        self.resources.entry(kind.to_owned()).or_default()
    }

    /// Counts a row that is left out.
    pub(super) fn leave_out(&mut self, table: &'static str, why: &'static str) {
        *self.tables.entry(table).or_default().left_out.entry(why).or_default() += 1;
    }

    /// Counts a value that is changed.
    pub(super) fn change(&mut self, what: &'static str) {
        *self.changes.entry(what).or_default() += 1;
    }

    /// Counts a code. Systems that are no vocabulary are named until there are many of them.
    pub(super) fn code(&mut self, vocabulary: &str, mapped: bool) {
        let is_listed = self.codes.contains_key(vocabulary);
        let name = if is_listed || self.codes.len() < SYSTEMS_MAX { vocabulary } else { OTHERS };
        let counts = self.codes.entry(name.to_owned()).or_default();
        if mapped {
            counts.mapped += 1;
        } else {
            counts.unmapped += 1;
        }
    }

    /// Keeps the place of a resource that a view does not fit, of the first few.
    pub(super) fn misfit(&mut self, place: impl FnOnce() -> String) {
        if self.misfits.len() < MISFITS_MAX {
            self.misfits.push(place());
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, counts) in &self.resources {
            writeln!(f, "{kind}: {} read", counts.read)?;
            line(f, counts.repeated, "repeated and left out")?;
            line(f, counts.without_rows, "without a row in any table")?;
        }
        for (table, counts) in &self.tables {
            writeln!(f, "{table}: {} rows", counts.rows)?;
            for (why, rows) in &counts.left_out {
                line(f, *rows, &format!("left out: {why}"))?;
            }
        }
        for (vocabulary, counts) in &self.codes {
            let CodeCounts { mapped, unmapped } = counts;
            writeln!(f, "codes of {vocabulary}: {mapped} mapped, {unmapped} not")?;
        }
        if !self.vocabulary.is_empty() {
            writeln!(f, "with tables of concepts: {}", self.vocabulary.join(", "))?;
        }
        for (what, values) in &self.changes {
            writeln!(f, "{values} {what}")?;
        }
        for misfit in &self.misfits {
            writeln!(f, "does not fit: {misfit}")?;
        }
        for (kind, files) in &self.types_left_out {
            writeln!(f, "no table for {kind}: {}", files.join(", "))?;
        }
        if self.files_left_out.is_empty() {
            return Ok(());
        }
        writeln!(f, "files left out: {}", self.files_left_out.join(", "))
    }
}

fn line(f: &mut fmt::Formatter<'_>, count: u64, what: &str) -> fmt::Result {
    if count == 0 { Ok(()) } else { writeln!(f, "  {count} {what}") }
}

/// Enough to see what is wrong.
const MISFITS_MAX: usize = 20;

/// A source has a few systems; more are a mistake, and would fill the report.
const SYSTEMS_MAX: usize = 100;
const OTHERS: &str = "other systems";
