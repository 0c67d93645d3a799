//! The table of pitfalls in the architecture: all are there, and every test that it names exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_pitfall_has_a_test_that_exists_or_a_sentence() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| P"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let numbers: Vec<String> = rows.iter().map(|row| row[0].to_owned()).collect();
    let all: Vec<String> = (1..=25).map(|number| format!("P{number}")).collect();
    assert_eq!(numbers, all);
    let tests = names_of_tests(root);
    assert!(tests.contains("every_pitfall_has_a_test_that_exists_or_a_sentence"));
    for row in rows {
        let [number, _, met] = row.as_slice() else { panic!("{row:?} has not three cells") };
        assert!(met.len() > 20, "{number} says nothing");
        // What stands between backticks and reads as the name of a test, is one.
        let named = met.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() > 1);
        for name in named {
            assert!(tests.contains(name), "{number}: there is no test {name}");
        }
    }
}

/// The names of all functions under `#[test]` in the repository.
fn names_of_tests(root: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let places = ["src", "tests", "engine/src", "datasets/src", "ledger-adapter"];
    let mut stack: Vec<PathBuf> = places.map(|place| root.join(place)).into();
    while let Some(path) = stack.pop() {
        if path.is_dir() {
            stack.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for after in text.split("#[test]").skip(1) {
                let signature = after.split('{').next().unwrap_or_default();
                let name = signature.rsplit("fn ").next().and_then(|rest| rest.split('(').next());
                names.extend(name.map(str::to_owned));
            }
        }
    }
    names
}
