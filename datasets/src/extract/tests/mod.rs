//! Tests of whole extracts: tables are written, extracts built, and their files read back.

mod inputs;
mod publication;
mod rules;
mod shared;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use arrow::util::display::{ArrayFormatter, FormatOptions};
use ledger_adapter::digest::Digest;
use ledger_adapter::keys::{Keyring, Secret, Signer};
use ledger_adapter::manifest::TableManifest;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

use crate::extract::error::ExtractError;
use crate::extract::{BuiltExtract, ExtractRequest, build};
use crate::policy::Policy;

/// Day 20,600: 27 May 2026.
const ISSUED_DAY: u32 = 20_600;

/// A directory for sources and extracts.
struct Workshop {
    root: TempDir,
    key: Secret,
    signer: Signer,
}

/// Rows of a stored table: text by column, empty where missing, in the order of the files.
struct Stored {
    rows: Vec<BTreeMap<String, String>>,
}

impl Workshop {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let key = Keyring::open(&root.path().join("keys")).unwrap().secret("epoch-1").unwrap();
        Self { root, key, signer: Signer::from_seed(&[7; 32]) }
    }

    /// Writes files of text below a directory of that name.
    fn source(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let directory = self.root.path().join(name);
        fs::create_dir_all(&directory).unwrap();
        for (file, text) in files {
            fs::write(directory.join(file), text).unwrap();
        }
        directory
    }

    fn request(&self, from: &Path, out: &str, policy: &Policy) -> ExtractRequest {
        ExtractRequest {
            from: from.to_owned(),
            site: "north".to_owned(),
            population: "adults".to_owned(),
            account: Digest::sha256(b"account"),
            policy: policy.clone(),
            out: self.root.path().join(out),
            key_epoch: "epoch-1".to_owned(),
            supersedes: None,
            issued_day: ISSUED_DAY,
        }
    }

    fn run(&self, request: &ExtractRequest) -> Result<BuiltExtract, ExtractError> {
        build(request, &self.key, &self.signer, &|_, _, _| {})
    }

    /// Builds under a policy, from files of text.
    fn built(&self, name: &str, files: &[(&str, &str)], policy: &Policy) -> BuiltExtract {
        let from = self.source(name, files);
        self.run(&self.request(&from, &format!("{name}-out"), policy)).unwrap()
    }
}

impl Stored {
    fn read(built: &BuiltExtract, table: &str) -> Self {
        let mut rows = Vec::new();
        for file in &table_of(built, table).files {
            let file = fs::File::open(built.path.join(&file.path)).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
            for batch in reader {
                let batch = batch.unwrap();
                let schema = batch.schema();
                let options = FormatOptions::default();
                let columns: Vec<ArrayFormatter<'_>> = batch
                    .columns()
                    .iter()
                    .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
                    .collect();
                for row in 0..batch.num_rows() {
                    let value = |(column, field): (&ArrayFormatter<'_>, &std::sync::Arc<_>)| {
                        let field: &arrow::datatypes::Field = field;
                        (field.name().clone(), column.value(row).to_string())
                    };
                    rows.push(columns.iter().zip(schema.fields()).map(value).collect());
                }
            }
        }
        Self { rows }
    }

    /// Values of a column, sorted.
    fn sorted(&self, column: &str) -> Vec<&str> {
        let mut values: Vec<&str> = self.rows.iter().map(|row| row[column].as_str()).collect();
        values.sort_unstable();
        values
    }

    /// Values of a column by those of another.
    fn by<'a>(&'a self, key: &str, value: &str) -> BTreeMap<&'a str, &'a str> {
        self.rows.iter().map(|row| (row[key].as_str(), row[value].as_str())).collect()
    }
}

fn table_of<'a>(built: &'a BuiltExtract, name: &str) -> &'a TableManifest {
    built.manifest.tables.iter().find(|table| table.name == name).unwrap()
}

/// What the steward is told of a table.
fn told(built: &BuiltExtract, table: &str) -> (u64, u64) {
    let report = built.report.tables.iter().find(|report| report.table == table).unwrap();
    (report.rows_in, report.rows_out)
}

fn changed(built: &BuiltExtract, table: &str, column: &str) -> u64 {
    let report = built.report.tables.iter().find(|report| report.table == table).unwrap();
    report.values.get(column).map_or(0, |changes| changes.values().sum())
}

fn dropped(built: &BuiltExtract, table: &str) -> u64 {
    let report = built.report.tables.iter().find(|report| report.table == table).unwrap();
    report.rows_dropped.values().sum()
}

/// Two persons, one of them 95 years old in 2026, with the columns that the data model requires.
const PERSONS: &str = "person_id,gender_concept_id,year_of_birth,month_of_birth,race_concept_id,\
    ethnicity_concept_id,location_id,person_source_value\n\
    1,8507,1980,5,8527,38003564,10,MRN-1\n\
    2,8532,1931,6,8516,0,11,MRN-2\n";

/// Visits of both, one of them before the birth year that is shown of the older one.
const VISITS: &str = "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,\
    visit_end_date,provider_id,care_site_id\n\
    100,1,9201,2020-03-04,2020-03-10,5,6\n\
    101,1,9202,2021-12-31,2021-12-31,5,6\n\
    102,2,9202,1930-01-02,2021-01-02,,6\n";
