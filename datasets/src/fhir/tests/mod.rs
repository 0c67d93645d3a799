//! Conversions of a small export that was made by hand: four patients, with every kind of record.

mod faults;
mod rows;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use chrono::NaiveDate;
use tempfile::TempDir;

use super::error::FhirError;
use super::report::Report;
use super::{Options, convert};

/// A row, by column.
type Row = BTreeMap<String, String>;

/// A directory with an export, and tables that are made of it.
struct Workshop {
    directory: TempDir,
    options: Options,
}

impl Workshop {
    /// The export by hand.
    fn new() -> Self {
        let shop = Self::empty();
        for (name, text) in EXPORT {
            shop.put(name, text);
        }
        shop
    }

    /// An export of nothing.
    fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("from")).unwrap();
        let as_of = NaiveDate::from_ymd_opt(2022, 6, 30);
        Self { directory, options: Options { as_of, ..Options::default() } }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.path("from").join(name), text).unwrap();
    }

    fn convert(&self, out: &str) -> Result<Report, FhirError> {
        convert(&self.path("from"), &self.path(out), &self.options)
    }

    /// Rows of a table, in the order of the file.
    fn rows(&self, out: &str, table: &str) -> Vec<Row> {
        let path = self.path(out).join(format!("{table}.csv"));
        let mut reader = csv::Reader::from_path(path).unwrap();
        reader.deserialize().map(|row| row.unwrap()).collect()
    }

    /// Some columns of a table, fields joined by a bar, rows sorted.
    fn shown(&self, table: &str, columns: &[&str]) -> Vec<String> {
        let show = |row: Row| {
            let fields: Vec<&str> = columns.iter().map(|column| row[*column].as_str()).collect();
            fields.join("|")
        };
        let mut rows: Vec<String> = self.rows("out", table).into_iter().map(show).collect();
        rows.sort();
        rows
    }

    /// The number of an identifier, as the tables have it.
    fn number(&self, identifier: &str) -> String {
        super::Ids::new(&self.options.namespace).number(identifier).unwrap().to_string()
    }
}

const EXPORT: &[(&str, &str)] = &[
    ("Claim.ndjson", include_str!("export/Claim.ndjson")),
    ("Condition.ndjson", include_str!("export/Condition.ndjson")),
    ("Coverage.ndjson", include_str!("export/Coverage.ndjson")),
    ("Device.ndjson", include_str!("export/Device.ndjson")),
    ("DeviceUseStatement.ndjson", include_str!("export/DeviceUseStatement.ndjson")),
    ("Encounter.ndjson", include_str!("export/Encounter.ndjson")),
    ("ExplanationOfBenefit.ndjson", include_str!("export/ExplanationOfBenefit.ndjson")),
    ("Immunization.ndjson", include_str!("export/Immunization.ndjson")),
    ("Medication.ndjson", include_str!("export/Medication.ndjson")),
    ("MedicationAdministration.ndjson", include_str!("export/MedicationAdministration.ndjson")),
    ("MedicationDispense.ndjson", include_str!("export/MedicationDispense.ndjson")),
    ("MedicationRequest.ndjson", include_str!("export/MedicationRequest.ndjson")),
    ("Observation.ndjson", include_str!("export/Observation.ndjson")),
    ("Patient.000.ndjson", include_str!("export/Patient.000.ndjson")),
    ("Patient.001.ndjson", include_str!("export/Patient.001.ndjson")),
    ("Procedure.ndjson", include_str!("export/Procedure.ndjson")),
    ("allergies.ndjson", include_str!("export/allergies.ndjson")),
    ("empty.ndjson", include_str!("export/empty.ndjson")),
    ("orgs.ndjson", include_str!("export/orgs.ndjson")),
    ("practitioners.ndjson", include_str!("export/practitioners.ndjson")),
];
