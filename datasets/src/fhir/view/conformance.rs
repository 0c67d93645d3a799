//! The public conformance suite of SQL-on-FHIR, where it is at hand.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::View;

/// The number of tests in the suite of commit 49fc1ad.
const TESTS: usize = 134;

fn suite() -> Option<PathBuf> {
    let shared = std::env::var_os("GRAUNT_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let path = shared.join("expected/sql_on_fhir_v2_tests");
    path.is_dir().then_some(path)
}

#[test]
fn the_conformance_suite_passes() {
    let Some(directory) = suite() else {
        println!("skipped: expected/sql_on_fhir_v2_tests is not there");
        return;
    };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let mut passed = 0;
    let mut failed = Vec::new();
    for path in files {
        let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let resources = file["resources"].as_array().unwrap();
        for test in file["tests"].as_array().unwrap() {
            match fault(test, resources) {
                None => passed += 1,
                Some(fault) => {
                    failed.push(format!("{}: {}: {fault}", file["title"], test["title"]))
                }
            }
        }
    }
    println!("{passed} of {} pass", passed + failed.len());
    assert!(failed.is_empty(), "these fail:\n{}", failed.join("\n"));
    assert_eq!(passed, TESTS);
}

/// What is wrong with how a test came out.
fn fault(test: &Value, resources: &[Value]) -> Option<String> {
    let found = run(&test["view"], resources);
    if test["expectError"] == Value::Bool(true) {
        return found.ok().map(|_| "an error is expected".to_owned());
    }
    let (columns, rows) = match found {
        Ok(found) => found,
        Err(error) => return Some(format!("{error:?}")),
    };
    if let Some(expected) = test["expectColumns"].as_array()
        && !expected.iter().map(|name| name.as_str().unwrap()).eq(columns.iter())
    {
        return Some(format!("columns are {columns:?}"));
    }
    // Rows of a table have no order.
    let sorted = |rows: Vec<Value>| {
        let mut rows: Vec<String> = rows.into_iter().map(|row| plain(row).to_string()).collect();
        rows.sort();
        rows
    };
    let found = sorted(rows);
    let expected = sorted(test["expect"].as_array().unwrap().clone());
    (found != expected).then(|| format!("\n  found    {found:?}\n  expected {expected:?}"))
}

fn run(view: &Value, resources: &[Value]) -> Result<(Vec<String>, Vec<Value>), super::ViewError> {
    let view = View::from_json(view)?;
    let mut rows = Vec::new();
    for resource in resources {
        for row in view.rows(resource)? {
            let names = view.columns().iter().cloned();
            rows.push(Value::Object(names.zip(row).collect::<Map<_, _>>()));
        }
    }
    Ok((view.columns().to_vec(), rows))
}

/// Members in the order of their names, numbers as floats.
fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64().unwrap()),
        Value::Array(values) => values.into_iter().map(plain).collect(),
        Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().map(|(k, v)| (k, plain(v))).collect();
            members.sort_by(|one, two| one.0.cmp(&two.0));
            Value::Object(members.into_iter().collect())
        }
        other => other,
    }
}
