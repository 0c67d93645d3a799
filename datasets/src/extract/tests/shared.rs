//! Extracts of real shapes of data, where they are at hand.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ledger_adapter::manifest::ColumnKind;

use super::{Stored, Workshop, table_of, told};
use crate::extract::{BuiltExtract, MANIFEST_FILE};
use crate::policy::Policy;

fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("GRAUNT_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let path = root.join(name);
    if path.is_dir() {
        Some(path)
    } else {
        println!("skipped: {name} is not there");
        None
    }
}

#[test]
fn gibleed_keeps_its_rows() {
    let Some(from) = shared("data/omop_gibleed/parquet") else { return };
    let shop = Workshop::new();
    let built = shop.run(&shop.request(&from, "out", &Policy::default())).unwrap();
    println!("{}", built.report);
    // Counts of the data's own description.
    for (table, rows) in [
        ("person", 2_694),
        ("condition_occurrence", 65_332),
        ("drug_exposure", 67_707),
        ("measurement", 44_053),
        ("procedure_occurrence", 37_409),
        ("condition_era", 65_719),
        ("drug_era", 52_508),
        ("concept_ancestor", 65_690),
        ("cost", 0),
        ("death", 0),
    ] {
        assert_eq!(told(&built, table), (rows, rows), "{table}");
    }
    // The source has periods of 2,649 persons who are not in its person table.
    assert_eq!(told(&built, "observation_period"), (5_343, 2_694));
    let persons = Stored::read(&built, "person");
    let distinct: BTreeSet<&str> = persons.sorted("person_id").into_iter().collect();
    assert_eq!(distinct.len(), 2_694);
    // Every event belongs to a person who is there.
    for row in Stored::read(&built, "drug_exposure").rows {
        assert!(distinct.contains(row["person_id"].as_str()));
    }
}

#[test]
fn synthea_loses_every_direct_identifier() {
    let Some(from) = shared("data/synthea_csv_claims") else { return };
    let shop = Workshop::new();
    let built = shop.run(&shop.request(&from, "out", &Policy::default())).unwrap();
    println!("{}", built.report);
    for (table, rows) in [
        ("person", 27),
        ("location", 27),
        ("visit_occurrence", 604),
        ("cost", 604),
        ("condition_occurrence", 438),
        ("drug_exposure", 663 + 29),
        ("procedure_occurrence", 249),
        ("device_exposure", 3),
        ("observation_period", 27),
    ] {
        assert_eq!(told(&built, table), (rows, rows), "{table}");
    }
    assert!(told(&built, "measurement").1 > 500);
    assert!(built.report.unknown_files.contains(&"payers.csv".to_owned()));
    let text = fs::read_to_string(from.join("patients.csv")).unwrap();
    let texts = all_text(&built);
    let manifest = fs::read_to_string(built.path.join(MANIFEST_FILE)).unwrap();
    let mut looked_for = 0;
    for identifier in direct_identifiers(&text) {
        looked_for += 1;
        assert!(!manifest.contains(&identifier), "in the manifest");
        for stored in &texts {
            // Short ones may be part of a code by chance.
            let found = stored == &identifier
                || (identifier.len() > 5 && stored.contains(identifier.as_str()));
            assert!(!found, "an identifier is in {stored}");
        }
    }
    assert!(looked_for > 27 * 8, "{looked_for}");
    let years = Stored::read(&built, "person");
    assert!(years.rows.iter().all(|row| row["year_of_birth"].parse::<i32>().unwrap() >= 1936));
    let udi = Stored::read(&built, "device_exposure");
    assert!(udi.rows.iter().all(|row| {
        let id = &row["unique_device_id"];
        id.starts_with("(01)") && id.contains("(10)") && !id.contains("(21)")
    }));
}

/// Text and whole numbers of every row of every table, written as text.
fn all_text(built: &BuiltExtract) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for table in &built.manifest.tables {
        let stored = Stored::read(built, &table.name);
        for column in &table_of(built, &table.name).columns {
            if column.kind != ColumnKind::Float {
                texts.extend(stored.rows.iter().map(|row| row[&column.name].clone()));
            }
        }
    }
    texts
}

/// Values of the columns of `patients.csv` that name somebody; it has no quoted fields.
fn direct_identifiers(patients: &str) -> BTreeSet<String> {
    let mut lines = patients.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let naming = [
        "Id",
        "BIRTHDATE",
        "SSN",
        "DRIVERS",
        "PASSPORT",
        "FIRST",
        "LAST",
        "MAIDEN",
        "BIRTHPLACE",
        "ADDRESS",
        "CITY",
        "COUNTY",
        "ZIP",
        "LAT",
        "LON",
    ];
    assert!(naming.iter().all(|name| header.contains(name)));
    lines
        .flat_map(|line| header.iter().zip(line.split(',')))
        .filter(|(name, value)| naming.contains(*name) && value.len() > 2)
        .map(|(_, value)| value.to_owned())
        .collect()
}
