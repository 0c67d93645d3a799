//! What sources may look like, and what is refused.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int16Array, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;

use super::{PERSONS, Stored, VISITS, Workshop, changed, dropped, told};
use crate::extract::error::ExtractError;
use crate::policy::Policy;

#[test]
fn ids_with_a_point_and_names_in_any_case_are_read() {
    let shop = Workshop::new();
    let plain = shop.built(
        "plain",
        &[("person.csv", PERSONS), ("visit_occurrence.csv", VISITS)],
        &Policy::default(),
    );
    let persons = PERSONS
        .replace("person_id", "PERSON_ID")
        .replace("\n1,", "\n1.0,")
        .replace(",8532,", ",8532.0,");
    let visits = VISITS
        .replace("visit_start_date", "Visit_Start_Date")
        .replace(",1,", ",1.0,")
        .replace("2020-03-04", "20200304")
        .replace("2020-03-10", "2020-03-10T12:00:00Z");
    let files = [("PERSON.CSV", persons.as_str()), ("Visit_Occurrence.csv", visits.as_str())];
    let other = shop.built("other", &files, &Policy::default());
    for table in ["person", "visit_occurrence"] {
        assert_eq!(Stored::read(&plain, table).rows, Stored::read(&other, table).rows);
    }
}

#[test]
fn rows_in_another_order_give_the_same_bytes() {
    let shop = Workshop::new();
    let shuffled = |text: &str| {
        let mut lines: Vec<&str> = text.lines().collect();
        lines[1..].reverse();
        lines.join("\n")
    };
    let persons: String =
        (0..500).map(|i| format!("{i},8507,{},1,0,0,,x{i}\n", 1950 + i % 50)).collect();
    let persons = format!("{}\n{persons}", PERSONS.lines().next().unwrap());
    let visits: String = (0..2_000)
        .map(|i| {
            format!("{},{},9202,2020-01-{:02},2021-01-01,{},\n", i / 2, i % 500, 1 + i % 28, i % 7)
        })
        .collect();
    let visits = format!("{}\n{visits}", VISITS.lines().next().unwrap());
    let one = shop.built(
        "one",
        &[("person.csv", &persons), ("visit_occurrence.csv", &visits)],
        &Policy::builtin("limited-dataset").unwrap(),
    );
    let two = shop.built(
        "two",
        &[("person.csv", &shuffled(&persons)), ("visit_occurrence.csv", &shuffled(&visits))],
        &Policy::builtin("limited-dataset").unwrap(),
    );
    assert_eq!(told(&one, "visit_occurrence"), (2_000, 2_000));
    for (table, other) in one.manifest.tables.iter().zip(&two.manifest.tables) {
        assert_eq!(table, other);
        for file in &table.files {
            let bytes = |path: &std::path::Path| std::fs::read(path.join(&file.path)).unwrap();
            assert!(bytes(&one.path) == bytes(&two.path), "{}", file.path);
        }
    }
}

#[test]
fn one_person_has_one_pseudonym_at_two_sites_and_rows_have_two_numbers() {
    let shop = Workshop::new();
    let files = [("person.csv", PERSONS), ("visit_occurrence.csv", VISITS)];
    let north = shop.built("north", &files, &Policy::default());
    let from = shop.source("north", &[]);
    let mut request = shop.request(&from, "south", &Policy::default());
    request.site = "south".to_owned();
    let south = shop.run(&request).unwrap();
    let ids = |built, column: &str| {
        let stored = Stored::read(built, "visit_occurrence");
        stored.sorted(column).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(ids(&north, "person_id"), ids(&south, "person_id"));
    assert_ne!(ids(&north, "visit_occurrence_id"), ids(&south, "visit_occurrence_id"));
    assert!(ids(&north, "person_id").iter().all(|id| id.parse::<i64>().unwrap() >= 0));
}

#[test]
fn persons_are_the_same_by_the_identifier_that_the_policy_names() {
    let shop = Workshop::new();
    let text = Policy::builtin_text("safe-harbor").unwrap().replace(
        "person_identifier = \"person_id\"",
        "person_identifier = \"person_source_value\"",
    );
    let policy = Policy::from_text(&text).unwrap();
    let here = shop.built("here", &[("person.csv", PERSONS)], &policy);
    let renumbered = PERSONS.replace("\n1,", "\n71,").replace("\n2,", "\n72,");
    let there = shop.built("there", &[("person.csv", &renumbered)], &policy);
    let ids = |built| Stored::read(built, "person").by("person_id", "year_of_birth").len();
    assert_eq!((ids(&here), ids(&there)), (2, 2));
    assert_eq!(
        Stored::read(&here, "person").sorted("person_id"),
        Stored::read(&there, "person").sorted("person_id")
    );
    let bare = PERSONS.replace("person_source_value", "other");
    let from = shop.source("bare", &[("person.csv", &bare)]);
    let error = shop.run(&shop.request(&from, "bare-out", &policy)).unwrap_err();
    assert!(matches!(error, ExtractError::MissingColumns { .. }), "{error}");
}

#[test]
fn a_person_with_several_rows_keeps_the_least() {
    let shop = Workshop::new();
    let twice = format!("{PERSONS}1,8532,1980,5,8527,38003564,10,MRN-1\n");
    let built = shop.built("a", &[("person.csv", &twice)], &Policy::default());
    assert_eq!(Stored::read(&built, "person").sorted("gender_concept_id"), ["8507", "8532"]);
    assert_eq!((told(&built, "person"), dropped(&built, "person")), ((3, 2), 1));
}

#[test]
fn rows_of_nobody_are_dropped_and_told() {
    let shop = Workshop::new();
    let visits = format!("{VISITS}103,99,9201,2020-01-01,2020-01-01,,\n104,,0,2020-01-01,,,\n");
    let files = [("person.csv", PERSONS), ("visit_occurrence.csv", visits.as_str())];
    let built = shop.built("a", &files, &Policy::default());
    assert_eq!(told(&built, "visit_occurrence"), (5, 3));
    assert_eq!(dropped(&built, "visit_occurrence"), 2);
    assert!(built.report.to_string().contains("person not in the person table"));
}

#[test]
fn costs_belong_to_the_person_of_their_event() {
    let shop = Workshop::new();
    let costs = "cost_id,cost_event_id,cost_domain_id,cost_type_concept_id,total_cost\n\
        1,100,Visit,5032,10.5\n2,102,visit,5032,250000\n3,999,Visit,5032,1\n4,100,Drug,5032,1\n\
        5,100,Moon,5032,1\n";
    let files = [("person.csv", PERSONS), ("visit_occurrence.csv", VISITS), ("cost.csv", costs)];
    let built = shop.built("a", &files, &Policy::default());
    let stored = Stored::read(&built, "cost");
    assert_eq!(stored.sorted("total_cost"), ["10.5", "100000.0"]);
    assert_eq!(stored.sorted("cost_domain_id"), ["Visit", "Visit"]);
    let visits = Stored::read(&built, "visit_occurrence");
    let owners = visits.by("visit_occurrence_id", "person_id");
    for row in &stored.rows {
        assert_eq!(owners[row["cost_event_id"].as_str()], row["person_id"]);
    }
    assert_eq!(dropped(&built, "cost"), 3);
}

#[test]
fn empty_tables_make_empty_extracts() {
    let shop = Workshop::new();
    let header = |text: &str| format!("{}\n", text.lines().next().unwrap());
    let (persons, visits) = (header(PERSONS), header(VISITS));
    let files = [("person.csv", persons.as_str()), ("visit_occurrence.csv", visits.as_str())];
    let built = shop.built("a", &files, &Policy::default());
    assert_eq!(told(&built, "person"), (0, 0));
    assert_eq!(Stored::read(&built, "visit_occurrence").rows.len(), 0);
    assert_eq!(super::table_of(&built, "person").files.len(), 16);
}

#[test]
fn unreadable_values_are_errors_where_required_and_missing_elsewhere() {
    let shop = Workshop::new();
    let visits = VISITS.replace("2020-03-04", "4 March").replace(",5,6", ",x,6");
    let from =
        shop.source("a", &[("person.csv", PERSONS), ("visit_occurrence.csv", visits.as_str())]);
    let error = shop.run(&shop.request(&from, "a-out", &Policy::default())).unwrap_err();
    let message = error.to_string();
    assert_eq!(message, "visit_occurrence.visit_start_date: 1 rows cannot be read as dates");
    let rows = "measurement_id,person_id,measurement_concept_id,measurement_date,value_as_number\n\
        1,2,0,2020-01-01,high\n2,2,0,2020-01-01,inf\n3,2,0,2020-01-01,7\n";
    let files = [("person.csv", PERSONS), ("measurement.csv", rows)];
    let built = shop.built("b", &files, &Policy::default());
    assert_eq!(Stored::read(&built, "measurement").sorted("value_as_number"), ["", "", "7.0"]);
    assert_eq!(changed(&built, "measurement", "value_as_number"), 1);
}

#[test]
fn what_is_missing_is_named() {
    let shop = Workshop::new();
    let refused = |name: &str, files: &[(&str, &str)]| {
        let from = shop.source(name, files);
        shop.run(&shop.request(&from, &format!("{name}-out"), &Policy::default())).unwrap_err()
    };
    let error = refused("nothing", &[("notes.txt", "x")]);
    assert!(matches!(error, ExtractError::NoTables { .. }), "{error}");
    let error = refused("nobody", &[("visit_occurrence.csv", VISITS)]);
    assert!(matches!(error, ExtractError::NoPersons { .. }), "{error}");
    let bare = PERSONS.replace("year_of_birth", "birth").replace("race_concept_id", "race");
    let error = refused("bare", &[("person.csv", &bare)]);
    assert!(error.to_string().contains("year_of_birth"), "{error}");
    let error = refused("packed", &[("person.csv", PERSONS), ("death.csv.gz", "x")]);
    assert!(matches!(error, ExtractError::Unsupported { .. }), "{error}");
    let error = refused("twice", &[("person.csv", PERSONS), ("person.parquet", "x")]);
    assert!(matches!(error, ExtractError::Twice { .. }), "{error}");
    let error = refused("broken", &[("person.parquet", "not parquet")]);
    assert!(matches!(error, ExtractError::Frame { .. }), "{error}");
}

#[test]
fn parquet_columns_of_odd_kinds_are_refused_where_used_and_ignored_elsewhere() {
    let shop = Workshop::new();
    let integers = |values: [i64; 2]| -> ArrayRef { Arc::new(Int64Array::from(values.to_vec())) };
    let odd: ArrayRef = Arc::new(Decimal128Array::from(vec![1, 2]));
    let small: ArrayRef = Arc::new(Int16Array::from(vec![1, 2]));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let write = |name: &str, years: ArrayRef| {
        let batch = RecordBatch::try_from_iter([
            ("person_id", integers([1, 2])),
            ("gender_concept_id", integers([8507, 8532])),
            ("year_of_birth", years),
            ("race_concept_id", integers([0, 0])),
            ("ethnicity_concept_id", integers([0, 0])),
            ("height", Arc::clone(&odd)),
            ("small", Arc::clone(&small)),
            ("name", Arc::clone(&text)),
        ])
        .unwrap();
        let from = shop.source(name, &[]);
        let file = std::fs::File::create(from.join("person.parquet")).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        shop.run(&shop.request(&from, &format!("{name}-out"), &Policy::default()))
    };
    let built = write("even", integers([1980, 1990])).unwrap();
    assert_eq!(told(&built, "person"), (2, 2));
    let error = write("odd", Arc::clone(&odd)).unwrap_err();
    assert!(matches!(error, ExtractError::ColumnType { .. }), "{error}");
}

#[test]
fn vocabulary_downloads_are_tab_separated_and_unquoted() {
    let shop = Workshop::new();
    let concepts = "concept_id\tconcept_name\tdomain_id\tvocabulary_id\tconcept_class_id\t\
        standard_concept\tconcept_code\tvalid_start_date\tvalid_end_date\tinvalid_reason\n\
        8507\tMALE\tGender\tGender\tGender\tS\tM\t19700101\t20991231\t\n\
        1\t24\" screen, flat\tDevice\tSNOMED\tThing\tS\tX\t19700101\t20991231\t\n";
    let files = [("person.csv", PERSONS), ("CONCEPT.csv", concepts)];
    let built = shop.built("a", &files, &Policy::default());
    let stored = Stored::read(&built, "concept");
    assert_eq!(stored.sorted("concept_name"), ["24\" screen, flat", "MALE"]);
    assert_eq!(stored.sorted("valid_end_date"), ["2099-12-31", "2099-12-31"]);
}
