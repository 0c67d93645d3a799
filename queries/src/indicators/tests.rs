//! Files that are right, files that are wrong and what is said of them, and the built-in ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::catalogue::Catalogue;
use super::error::IndicatorError;
use super::indicator::{Dates, Field, Indicator, Role};
use super::method::{Method, Standard};
use super::parameter::Value;

const FILE: &str = r#"id = "flu"
version = "1.0.0"
title = "Influenza"
question = "How common is it?"
field = "surveillance"
population = "Everybody."
numerator = "The ill."
denominator = "Persons."
strata = ["age", "sex"]
method = "directly-standardised-rate(who-2000)"
epsilon = 0.5
dates = "days"
source = "Nobody, 2026"
sql = """
WITH ill AS (
  SELECT person_id FROM condition_occurrence
  WHERE condition_concept_id IN (${concepts.flu})
    AND condition_start_date >= ${start}
    AND condition_start_date <= DATE '${year}-12-31'
)
SELECT age, sex, ill, persons
"""

[bounds]
person = "One person counts once."
rows_per_person = 1

[concepts.flu]
ids = [4266367, 1]
descendants = true
what = "Influenza"

[parameters]
start = { default = 2023-01-01, what = "first day" }
year = { default = 2023, what = "last year", least = 1900, most = 2100 }

[columns]
age = { role = "age", label = "Age", bands = [0, 65] }
sex = { role = "stratum", label = "Sex", values = { 8507 = "men" } }
ill = { role = "numerator", label = "Ill" }
persons = { role = "denominator", label = "Persons" }

[figure]
kind = "points"
unit = "%"
multiplier = 100
"#;

fn flu() -> Indicator {
    Indicator::read("flu.toml", FILE).unwrap()
}

/// What is said of the file with one thing written otherwise.
fn said(from: &str, to: &str) -> String {
    assert!(FILE.contains(from), "{from}");
    let changed = FILE.replacen(from, to, 1);
    match Indicator::read("flu.toml", &changed) {
        Ok(_) => format!("{to}: accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_file_is_read_as_it_says() {
    let flu = flu();
    assert_eq!(flu.version.to_string(), "1.0.0");
    assert_eq!((flu.field, flu.dates), (Field::Surveillance, Dates::Days));
    assert_eq!(flu.method, Method::DirectlyStandardisedRate(Standard::Who2000));
    assert_eq!(flu.strata, ["age", "sex"]);
    assert_eq!(flu.columns["age"].role, Role::Age { bands: vec![0, 65] });
    assert_eq!(flu.columns["sex"].values["8507"], "men");
    assert_eq!(flu.bounds.rows_per_person.map(u32::from), Some(1));
    assert_eq!(flu.bounds.groups_per_person, None);
    assert_eq!(flu.figure.multiplier, 100.0);
}

#[test]
fn a_statement_has_the_defaults_or_what_is_given() {
    let expected = "\
WITH ill AS (
  SELECT person_id FROM condition_occurrence
  WHERE condition_concept_id IN (descendants_of(4266367, 1))
    AND condition_start_date >= DATE '2023-01-01'
    AND condition_start_date <= DATE '2023-12-31'
)
SELECT age, sex, ill, persons";
    let flu = flu();
    assert_eq!(flu.statement(&BTreeMap::new()).unwrap(), expected);
    let start = flu.value("start", "2020-02-29").unwrap();
    let given = BTreeMap::from([("start".to_owned(), start)]);
    let other = expected.replace("2023-01-01", "2020-02-29");
    assert_eq!(flu.statement(&given).unwrap(), other);
}

#[test]
fn a_wrong_parameter_is_refused_by_its_name() {
    let flu = flu();
    let said = |name: &str, value| {
        flu.statement(&BTreeMap::from([(name.to_owned(), value)])).unwrap_err().to_string()
    };
    assert_eq!(
        said("strat", Value::Integer(1)),
        "indicator flu, parameter \"strat\": there is no parameter \"strat\"; did you mean \
         \"start\"? there are start, year"
    );
    assert_eq!(
        said("start", Value::Integer(1)),
        "indicator flu, parameter \"start\": it is a date, and 1 is an integer"
    );
    assert_eq!(
        said("year", Value::Integer(20_233)),
        "indicator flu, parameter \"year\": 20233 is not from 1900 to 2100"
    );
    let injected = flu.value("year", "2023' OR '1'='1").unwrap_err().to_string();
    assert!(injected.ends_with("is not an integer, for instance 2023"), "{injected}");
    assert!(flu.value("start", "1700-01-01").is_err());
}

#[test]
fn what_is_not_the_format_is_refused_with_its_place_and_what_is_allowed() {
    let cases = [
        (
            "version = \"1.0.0\"",
            "version = 1",
            "flu.toml:2:11: invalid type: integer `1`, expected a string",
        ),
        (
            "epsilon = 0.5",
            "epsilon = \"low\"",
            "flu.toml:11:11: invalid type: string \"low\", expected f64",
        ),
        ("id = \"flu\"", "id = \"flu", "flu.toml:1:10: invalid basic string, expected `\"`"),
        (
            "rows_per_person = 1",
            "rows_per_person = 0",
            "flu.toml:26:19: invalid value: integer `0`, expected a nonzero u32",
        ),
    ];
    for (from, to, expected) in cases {
        assert_eq!(said(from, to), expected);
    }
    let title = said("title", "titel");
    assert!(title.starts_with("flu.toml:3:1: unknown field `titel`, expected one of "), "{title}");
    assert!(title.ends_with("; did you mean `title`?"), "{title}");
    let field = said("\"surveillance\"", "\"surveilance\"");
    assert!(field.starts_with("flu.toml:5:9: unknown variant `surveilance`"), "{field}");
    assert!(field.ends_with("; did you mean `surveillance`?"), "{field}");
    let role = said("\"numerator\"", "\"numeratr\"");
    assert!(role.starts_with("flu.toml:40:16: unknown variant `numeratr`"), "{role}");
    assert!(role.ends_with("; did you mean `numerator`?"), "{role}");
    let missing = said("source = \"Nobody, 2026\"\n", "");
    assert!(missing.ends_with("missing field `source`"), "{missing}");
    let twice = said("[figure]", "[figure]\nkind = \"bars\"");
    assert!(twice.starts_with("flu.toml:45:1: duplicate key"), "{twice}");
}

/// What is put in place of what, and what is said of it.
const SENSELESS: &[(&str, &str, &str)] = &[
    ("\"flu\"", "\"Flu\"", "1:6: id \"Flu\" is not lower-case words with hyphens"),
    ("\"1.0.0\"", "\"1.0\"", "2:11: version \"1.0\" is not like 1.0.0"),
    ("\"Influenza\"", "\" \"", "3:9: it says nothing"),
    ("= 0.5", "= 0.0", "11:11: epsilon 0 is not from 0.001 to 10"),
    ("= 0.5", "= nan", "11:11: epsilon NaN is not from 0.001 to 10"),
    (
        "(who-2000)",
        "",
        "10:10: method \"directly-standardised-rate\" needs a standard population: \
         directly-standardised-rate(who-2000); there are who-2000, esp-2013, esp-1976, \
         segi-1960, us-2000",
    ),
    (
        "directly-standardised-rate(who-2000)",
        "benford",
        "38:1: role \"age\" means nothing to method \"benford\"; its roles are digit, count, \
         stratum, unit",
    ),
    ("\"numerator\"", "\"denominator\"", "40:1: more than one column has role \"denominator\""),
    (
        "\"numerator\"",
        "\"time\", step = \"day\"",
        "10:10: method \"directly-standardised-rate\" needs a column of role \"numerator\"",
    ),
    (
        "[\"age\", \"sex\"]",
        "[\"age\", \"sexe\"]",
        "9:18: there is no column that parts the result \"sexe\"; did you mean \"sex\"? there \
         are age, sex",
    ),
    ("[\"age\", \"sex\"]", "[\"age\"]", "9:10: column \"sex\" parts the result and is not listed"),
    ("[\"age\", \"sex\"]", "[\"age\", \"age\"]", "9:18: \"age\" is listed twice"),
    ("bands = [0, 65]", "bands = [65, 0]", "38:46: bands [65, 0] are not ages in order"),
    ("bands = [0, 65]", "bands = [0, 66]", "38:1: bands are not made of whole bands of who-2000"),
    (", bands = [0, 65]", "", "38:16: this role needs bands"),
    (
        "label = \"Ill\"",
        "label = \"Ill\", level = 0.5",
        "40:16: level means nothing to role \"numerator\"",
    ),
    (
        "label = \"Ill\"",
        "label = \"Ill\", values = { 1 = \"a\" }",
        "40:16: values have no names in role \"numerator\"",
    ),
    ("[4266367, 1]", "[]", "29:7: concept set \"flu\" is empty"),
    ("[4266367, 1]", "[1, 2, 1]", "29:7: concept 1 is listed twice"),
    (
        "2023-01-01,",
        "2023-01-01T10:00:00,",
        "34:21: 2023-01-01T10:00:00 is neither an integer nor a date",
    ),
    ("default = 2023,", "default = 1800,", "35:20: 1800 is not from 1900 to 2100"),
    ("most = 2100", "most = 2100-01-01", "35:67: it is an integer, and 2100-01-01 is a date"),
    ("multiplier = 100", "multiplier = 0", "43:1: multiplier 0 is not above 0"),
    ("unit = \"%\"", "unit = \"\"", "43:1: the unit says nothing"),
    ("\"One person counts once.\"", "\"\"", "24:1: what one person adds is not said"),
];

#[test]
fn what_makes_no_sense_is_refused_with_its_place_and_what_is_allowed() {
    for (from, to, expected) in SENSELESS {
        assert_eq!(said(from, to), format!("flu.toml:{expected}"), "{to}");
    }
}

#[test]
fn every_place_is_defined_and_everything_defined_has_a_place() {
    let cases = [
        (
            "${start}",
            "${strat}",
            "18:33: there is no parameter \"strat\"; did you mean \"start\"? there are start, year",
        ),
        (
            "${concepts.flu}",
            "${concepts.flue}",
            "17:34: there is no concept set \"flue\"; did you mean \"flu\"? there are flu",
        ),
        (
            "${concepts.flu}",
            "${flu}",
            "17:34: there is no parameter \"flu\"; there are start, year",
        ),
        ("${start}", "'${start}'", "18:34: \"start\" within quotes; only integers may stand there"),
        (
            "${start}",
            "${start",
            "18:33: there is no parameter \"start\\n    AND condition_start_date <= DATE \
             '${year\"; there are start, year",
        ),
        ("${start}", "DATE '2023-01-01'", "34:1: parameter \"start\" is not used"),
        ("${concepts.flu}", "1", "28:11: concept set \"flu\" is not used"),
        ("persons\n\"\"\"", "people\n\"\"\"", "41:1: column \"persons\" is not in the SQL"),
        (
            "persons\n\"\"\"",
            "persons;\n\"\"\"",
            "21:30: an indicator is one question, without a semicolon",
        ),
        (
            "WITH ill AS",
            "INSERT ill AS",
            "15:1: a question begins with SELECT or WITH, and not with \"INSERT\"",
        ),
    ];
    for (from, to, expected) in cases {
        assert_eq!(said(from, to), format!("flu.toml:{expected}"), "{to}");
    }
}

#[test]
fn a_directory_adds_to_the_built_in_ones_and_takes_none_of_their_names() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("flu.toml", FILE);
    write("notes.txt", "not an indicator");
    let with = || Catalogue::built_in().unwrap().with_directory(directory.path());
    let built_in = Catalogue::built_in().unwrap().len();
    let catalogue = with().unwrap();
    assert_eq!(catalogue.len(), built_in + 1);
    assert_eq!(catalogue.find("flu").unwrap(), &flu());
    write("again.toml", &FILE.replace("\"flu\"", "\"benford-charges\""));
    let error = with().unwrap_err();
    assert!(
        matches!(&error, IndicatorError::Taken { id, .. } if id == "benford-charges"),
        "{error}"
    );
    write("again.toml", "id = ");
    let error = with().unwrap_err().to_string();
    assert!(error.contains("again.toml:1:"), "{error}");
    let missing = directory.path().join("missing");
    let error = Catalogue::default().with_directory(&missing).unwrap_err();
    assert!(matches!(error, IndicatorError::File(_)), "{error}");
    let error = catalogue.find("benford-charge").unwrap_err().to_string();
    assert_eq!(error, "no indicator \"benford-charge\"; did you mean \"benford-charges\"?");
}

#[test]
fn the_built_in_ones_are_the_files_of_their_directory() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/indicators");
    let stem = |entry: fs::DirEntry| {
        entry.file_name().into_string().unwrap().strip_suffix(".toml").unwrap().to_owned()
    };
    let files: BTreeSet<String> =
        fs::read_dir(directory).unwrap().map(|entry| stem(entry.unwrap())).collect();
    let catalogue = Catalogue::built_in().unwrap();
    let ids: BTreeSet<String> = catalogue.iter().map(|indicator| indicator.id.clone()).collect();
    assert_eq!(ids, files);
    for id in files {
        let text = fs::read_to_string(format!("{directory}/{id}.toml")).unwrap();
        assert_eq!(catalogue.find(&id).unwrap(), &Indicator::read(&id, &text).unwrap());
        let long = text.lines().find(|line| line.chars().count() > 100);
        assert_eq!(long, None, "{id}");
    }
}

#[test]
fn the_built_in_ones_serve_every_field_and_state_whole_questions() {
    let catalogue = Catalogue::built_in().unwrap();
    assert!(catalogue.len() >= 40, "{}", catalogue.len());
    let mut fields = BTreeMap::new();
    let mut statements = BTreeSet::new();
    for indicator in catalogue.iter() {
        *fields.entry(indicator.field).or_insert(0) += 1;
        let sql = indicator.statement(&BTreeMap::new()).unwrap();
        assert!(!sql.contains("${"), "{}", indicator.id);
        assert!(sql.starts_with("WITH ") || sql.starts_with("SELECT "), "{}", indicator.id);
        assert!(statements.insert(sql), "{}", indicator.id);
        // Dear defaults would empty the accounts of those who only look around.
        assert!(indicator.epsilon <= 1.0, "{}", indicator.id);
    }
    assert_eq!(fields.len(), 6);
    assert!(fields.values().all(|count| *count >= 7), "{fields:?}");
}

#[test]
fn bands_of_ages_are_those_that_the_sql_makes() {
    let catalogue = Catalogue::built_in().unwrap();
    let mut seen = 0;
    for indicator in catalogue.iter() {
        let Some(Role::Age { bands }) = indicator
            .columns
            .values()
            .map(|column| &column.role)
            .find(|role| matches!(role, Role::Age { .. }))
        else {
            continue;
        };
        let sql = indicator.statement(&BTreeMap::new()).unwrap();
        let step = bands[1] - bands[0];
        let last = bands[bands.len() - 1];
        assert!(bands.windows(2).all(|pair| pair[1] - pair[0] == step), "{}", indicator.id);
        // `10 * LEAST(age / 10, 8)`, or with an age less the first.
        let shift = if bands[0] % step == 0 { 0 } else { bands[0] };
        let least = format!("{step} * LEAST(");
        let end = format!("/ {step}, {})", (last - shift) / step);
        assert!(sql.contains(&least) && sql.contains(&end), "{}: {end}", indicator.id);
        seen += 1;
    }
    assert!(seen >= 20, "{seen}");
}
