//! Bad input has a clear error, a non-zero exit code, and costs nothing.

use std::fs;

use crate::support::Place;

#[test]
fn bad_questions_are_refused_and_cost_nothing() {
    let place = Place::small_site();
    let cases: [(&[&str], i32, &str); 12] = [
        (&["-c", "SELECT COUNT(*) FROM patients"], 3, "R-TABLE"),
        (&["-c", "SELECT COUNT(* FROM person"], 3, "R-SYNTAX"),
        (&["-c", "SELECT COUNT(shoe_size) FROM person"], 3, "R-COLUMN"),
        (&["-c", "SELECT SUM(condition_concept_id) FROM condition_occurrence"], 3, "R-UNBOUNDED"),
        (&["-c", "SELECT * FROM person"], 3, "R-ROWS"),
        (&["--epsilon", "0", "-c", "SELECT COUNT(*) FROM person"], 2, "epsilon"),
        (&["--epsilon", "NaN", "-c", "SELECT COUNT(*) FROM person"], 2, "epsilon"),
        (&["--epsilon=-1", "-c", "SELECT COUNT(*) FROM person"], 2, "epsilon"),
        (&["--delta", "2", "-c", "SELECT COUNT(*) FROM person"], 2, "delta"),
        (&["--epsilon", "10000", "-c", "SELECT COUNT(*) FROM person"], 4, "budget"),
        (&["-f", "nowhere.sql"], 2, "nowhere.sql"),
        (&["--population", "atlantis", "-c", "SELECT COUNT(*) FROM person"], 2, "atlantis"),
    ];
    for (args, code, word) in cases {
        let said = place.run(&[&["sql"], args].concat());
        assert_eq!(said.code, code, "{args:?}: {}", said.err);
        assert!(said.err.contains(word), "{args:?}: {}", said.err);
        assert!(said.out.is_empty(), "{args:?}: {}", said.out);
    }
    assert_eq!(place.charges_and_releases(), (0, 0));
}

#[test]
fn bad_tables_make_no_extract() {
    let place = Place::new();
    let extract = |from: &str| {
        place.run(&["extract", "--from", from, "--site", "s", "--population", "p", "--out", "out"])
    };
    assert_ne!(extract("nowhere").code, 0);
    fs::create_dir(place.path("empty")).unwrap();
    let said = extract("empty");
    assert!(said.code != 0 && said.err.contains("table"), "{}", said.err);
    fs::create_dir(place.path("wrong")).unwrap();
    fs::write(place.path("wrong/person.csv"), "name,age\nAda,36\n").unwrap();
    let said = extract("wrong");
    assert!(said.code != 0 && said.err.contains("person_id"), "{}", said.err);
    fs::write(place.path("wrong/person.csv"), [0xff, 0xfe, 0x00]).unwrap();
    assert_ne!(extract("wrong").code, 0);
    assert!(!place.path("out").exists(), "a failed extract leaves nothing behind");
}

#[test]
fn an_empty_table_is_answered() {
    let place = Place::new();
    fs::create_dir(place.path("raw")).unwrap();
    let header = "person_id,gender_concept_id,year_of_birth,race_concept_id,ethnicity_concept_id\n";
    fs::write(place.path("raw/person.csv"), header).unwrap();
    place.extract("raw", "site-1", "out");
    place.done(&["budget", "open", "--population", "town", "--rho", "100000", "--delta", "0.01"]);
    assert_eq!(place.exact("SELECT COUNT(*) AS n FROM person", &[]), "n\n0\n");
}

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    let place = Place::small_site();
    // A device that is always full, in the place of the answer's file.
    if !std::path::Path::new("/dev/full").exists() {
        eprintln!("skipped: this system has no /dev/full");
        return;
    }
    let args = ["sql", "--epsilon", "1", "--out", "/dev/full", "--format", "csv", "-c"];
    let said = place.run(&[&args[..], &["SELECT COUNT(*) AS n FROM person"]].concat());
    assert_eq!(said.code, 6, "{}", said.err);
    let (charges, releases) = place.charges_and_releases();
    assert!(charges >= releases);
    place.done(&["ledger", "check"]);
}
