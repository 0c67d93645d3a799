//! Exports that are wrong, and conversions that must agree.

use std::collections::BTreeSet;

use super::*;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p1","birthDate":"1970"}"#;

fn line_of(error: &FhirError) -> (String, u64) {
    match error {
        FhirError::Line { path, line, .. } | FhirError::Json { path, line, .. } => {
            (path.file_name().unwrap().to_string_lossy().into_owned(), *line)
        }
        other => panic!("{other:?}"),
    }
}

/// All rows of all tables, without their order.
fn content(shop: &Workshop, out: &str, report: &Report) -> BTreeSet<(String, String)> {
    let rows_of = |table: &&'static str| {
        let text = fs::read_to_string(shop.path(out).join(format!("{table}.csv"))).unwrap();
        text.lines().map(|line| ((*table).to_owned(), line.to_owned())).collect::<Vec<_>>()
    };
    report.tables.keys().flat_map(rows_of).collect()
}

#[test]
fn a_malformed_line_is_told_by_file_and_line() {
    for (text, line) in [
        (format!("{PATIENT}\n\n{{\"resourceType\":\"Patient\",\"name\":\"Smi\n"), 3),
        (format!("{PATIENT}\n[1]\n"), 2),
        (format!("{PATIENT}\n{{\"id\":\"p2\"}}\n"), 2),
        (format!("{PATIENT}\n{PATIENT}\n{{\"resourceType\":\"Group\",\"id\":\"g\"}}\n"), 3),
        (format!("{PATIENT}\n{PATIENT} {PATIENT}\n"), 2),
        (format!("{PATIENT}\n{}", "[".repeat(100_000)), 2),
    ] {
        let shop = Workshop::empty();
        shop.put("people.ndjson", &text);
        let error = shop.convert("out").unwrap_err();
        assert_eq!(line_of(&error), ("people.ndjson".to_owned(), line));
        assert!(!format!("{error} {error:?}").contains("Smi"), "{error:?}");
        // Nothing is left behind, not even under another name.
        let left: Vec<_> = fs::read_dir(shop.directory.path()).unwrap().collect();
        assert_eq!(left.len(), 1);
    }
}

#[test]
fn patients_born_on_days_that_no_calendar_has_are_left_out_and_told() {
    let shop = Workshop::empty();
    let born = [("a", "1980-02-30"), ("b", "1980-13-05"), ("c", "1980-02-29"), ("d", "1980-07")];
    let line = |(id, date): &(&str, &str)| {
        format!("{{\"resourceType\":\"Patient\",\"id\":\"{id}\",\"birthDate\":\"{date}\"}}\n")
    };
    shop.put("Patient.ndjson", &born.iter().map(line).collect::<String>());
    let report = shop.convert("out").unwrap();
    assert_eq!(report.misfits.len(), 2, "{:?}", report.misfits);
    assert!(report.misfits[0].contains("Patient.ndjson, line 1"), "{:?}", report.misfits);
    let columns = ["person_source_value", "year_of_birth", "month_of_birth", "day_of_birth"];
    assert_eq!(shop.shown("person", &columns), ["c|1980|2|29", "d|1980|7|"]);
}

#[test]
fn directories_without_an_export_are_refused() {
    let shop = Workshop::empty();
    assert!(matches!(shop.convert("out"), Err(FhirError::NoFiles { .. })));
    shop.put("Encounter.ndjson", r#"{"resourceType":"Encounter","id":"e1"}"#);
    assert!(matches!(shop.convert("out"), Err(FhirError::NoPatients { .. })));
    shop.put("Patient.ndjson.gz", "");
    assert!(matches!(shop.convert("out"), Err(FhirError::Unsupported { .. })));
}

#[test]
fn nothing_is_overwritten() {
    let shop = Workshop::empty();
    shop.put("people.ndjson", PATIENT);
    fs::create_dir(shop.path("out")).unwrap();
    shop.convert("out").unwrap();
    let before = shop.rows("out", "person");
    assert!(matches!(shop.convert("out"), Err(FhirError::Exists { .. })));
    assert_eq!(shop.rows("out", "person"), before);
}

#[test]
fn tables_do_not_depend_on_the_files() {
    let shop = Workshop::new();
    let first = shop.convert("first").unwrap();
    // The same lines, the last first, one in a file of windows, and with a mark of byte order.
    let other = Workshop::empty();
    for (name, text) in EXPORT {
        let files: Vec<&str> = text.lines().collect();
        for (index, line) in files.iter().rev().enumerate() {
            // Of a patient who is there twice, the first file counts.
            let rank = if line.contains("1999-01-01") { 9 } else { index };
            other.put(&format!("{rank}.{name}"), &format!("\u{feff}{line}\r\n\r\n"));
        }
    }
    let second = other.convert("second").unwrap();
    assert_eq!(first.tables, second.tables);
    assert_eq!(first.codes, second.codes);
    assert_eq!(content(&shop, "first", &first), content(&other, "second", &second));
}

#[test]
fn numbers_are_unique_in_every_table() {
    let shop = Workshop::new();
    let report = shop.convert("out").unwrap();
    for table in report.tables.keys().filter(|table| **table != "death") {
        let rows = shop.rows("out", table);
        let numbers: BTreeSet<&String> =
            rows.iter().map(|row| &row[&format!("{table}_id")]).collect();
        assert_eq!(numbers.len(), rows.len(), "{table}");
    }
}

#[test]
fn namespaces_keep_persons_apart() {
    let mut shop = Workshop::new();
    shop.convert("out").unwrap();
    let ours: BTreeSet<String> = shop.shown("person", &["person_id"]).into_iter().collect();
    shop.options.namespace = "https://fhir.example.org/r4".to_owned();
    shop.convert("theirs").unwrap();
    let theirs = shop.rows("theirs", "person");
    assert!(theirs.iter().all(|row| !ours.contains(&row["person_id"])));
    assert_eq!(theirs[0]["person_id"], shop.number("Patient/p1"));
}

#[test]
fn the_identifier_of_a_system_names_a_person() {
    let mut shop = Workshop::new();
    shop.options.person_system = Some("urn:national".to_owned());
    shop.convert("out").unwrap();
    let named = shop.shown("person", &["year_of_birth", "person_source_value"]);
    assert_eq!(named, ["1931|", "1970|N-0001", "2001|"]);
}

#[test]
fn a_resource_without_identifier_has_no_row() {
    let shop = Workshop::empty();
    shop.put("people.ndjson", PATIENT);
    shop.put(
        "observations.ndjson",
        r#"{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/p1"},
            "effectiveDateTime":"2020-01-01","component":[{"valueInteger":1},{"valueInteger":2}]}"#
            .replace('\n', "")
            .as_str(),
    );
    let report = shop.convert("out").unwrap();
    assert_eq!(report.tables["measurement"].left_out["no identifier"], 2);
}

#[cfg(unix)]
#[test]
fn only_the_owner_looks_into_the_tables() {
    use std::os::unix::fs::PermissionsExt;

    let shop = Workshop::empty();
    shop.put("people.ndjson", PATIENT);
    shop.convert("out").unwrap();
    let mode = fs::metadata(shop.path("out")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
