//! The whole street on real records, through the command line: published answers at a large ε.
//!
//! Source of the answers: The Book of OHDSI (exercises of chapter 9, suggested answers) and the
//! cohorts of the Eunomia package, on its GiBleed records (2,694 persons).

use std::fs;

use crate::support::{Place, shared};

fn gibleed() -> Option<Place> {
    let data = shared("data/omop_gibleed/parquet")?;
    let place = Place::new();
    let from = data.to_str().unwrap();
    place.done(&[
        "extract",
        "--from",
        from,
        "--site",
        "gibleed",
        "--population",
        "town",
        "--policy",
        "limited-dataset",
        "--out",
        "out",
    ]);
    place.done(&["budget", "open", "--population", "town", "--rho", "1000000", "--delta", "0.01"]);
    Some(place)
}

#[test]
fn published_answers_come_out_exactly() {
    let Some(place) = gibleed() else { return };
    let cases = [
        ("persons", "SELECT COUNT(*) AS n FROM person", "n\n2694\n"),
        (
            "persons exposed to celecoxib, by its ingredient",
            "SELECT COUNT(DISTINCT de.person_id) AS n FROM drug_exposure de JOIN \
             concept_ancestor ca \
             ON de.drug_concept_id = ca.descendant_concept_id WHERE ca.ancestor_concept_id = \
             1118084",
            "n\n1844\n",
        ),
        (
            "persons with an era of celecoxib",
            "SELECT COUNT(DISTINCT person_id) AS n FROM drug_era WHERE drug_concept_id = 1118084",
            "n\n1844\n",
        ),
        (
            "persons with gastrointestinal haemorrhage",
            "SELECT COUNT(DISTINCT person_id) AS n FROM condition_occurrence \
             WHERE condition_concept_id = 192671",
            "n\n479\n",
        ),
        (
            "persons with an era of diclofenac",
            "SELECT COUNT(DISTINCT person_id) AS n FROM drug_era WHERE drug_concept_id = 1124300",
            "n\n850\n",
        ),
        (
            "persons by sex",
            "SELECT gender_concept_id AS sex, COUNT(*) AS n FROM person \
             WHERE gender_concept_id IN (8507, 8532) GROUP BY gender_concept_id ORDER BY sex",
            "sex,n\n8507,1321\n8532,1373\n",
        ),
        (
            "haemorrhages during celecoxib, of the same person",
            "SELECT COUNT(*) AS n FROM drug_era de JOIN condition_occurrence co ON \
             de.person_id = co.person_id AND co.condition_start_date BETWEEN \
             de.drug_era_start_date AND de.drug_era_end_date \
             WHERE de.drug_concept_id = 1118084 AND co.condition_concept_id = 192671",
            "n\n0\n",
        ),
    ];
    for (what, sql, expected) in cases {
        assert_eq!(place.exact(sql, &["--rows-per-person", "4"]), expected, "{what}");
    }
    let receipt = place.find(".graunt/receipts", ".json");
    let checked = place.done(&["verify", receipt.to_str().unwrap()]);
    assert!(checked.contains("ledger") || checked.contains("entry"), "{checked}");
}

#[test]
fn the_join_that_yields_41_is_refused_and_the_person_key_is_named() {
    let Some(place) = gibleed() else { return };
    // As printed in the book's suggested answer: dates meet, persons do not.
    let sql = "SELECT COUNT(*) AS n FROM drug_era de JOIN condition_occurrence co ON \
               co.condition_start_date BETWEEN de.drug_era_start_date AND de.drug_era_end_date \
               WHERE de.drug_concept_id = 1118084 AND co.condition_concept_id = 192671";
    let said = place.run(&["sql", "-c", sql]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.out.is_empty());
    assert!(said.err.contains("R-JOIN-PERSON") && said.err.contains("person_id"), "{}", said.err);
    assert!(said.err.contains("de.person_id = co.person_id"), "{}", said.err);
    let rows = "SELECT observation_period_start_date FROM observation_period WHERE person_id = 61";
    let said = place.run(&["sql", "-c", rows]);
    assert_eq!((said.code, said.err.contains("R-ROWS")), (3, true), "{}", said.err);
    assert_eq!(place.charges_and_releases(), (0, 0));
}

#[test]
fn three_synthetic_sites_answer_as_one() {
    let place = Place::new();
    place.done(&["cohort", "--persons", "400", "--sites", "3", "--seed", "5", "--out", "raw"]);
    for site in ["site-1", "site-2", "site-3"] {
        place.extract(&format!("raw/{site}"), site, &format!("out-{site}"));
    }
    place.done(&["budget", "open", "--population", "town", "--rho", "100000", "--delta", "0.01"]);
    // Persons at several sites are one person each.
    assert_eq!(place.exact("SELECT COUNT(*) AS n FROM person", &[]), "n\n400\n");
    let with = place.exact("SELECT COUNT(*) AS n FROM person", &["--intervals"]);
    assert_eq!(with, "n,n_lower,n_upper\n400,400,400\n");
    // The same question is charged once, however it is printed.
    let shown = place.done(&["budget", "show", "--population", "town", "--json"]);
    assert!(shown.contains("\"charges\":1"), "{shown}");
    // Each site has its own providers, and all have the same concepts: joins lose and repeat
    // nothing.
    let visits = "FROM visit_occurrence v";
    let count = |from: &str| {
        let sql = format!("SELECT COUNT(*) AS n {from} WHERE v.visit_concept_id = 9202");
        place.exact(&sql, &["--rows-per-person", "60"])
    };
    for table in [
        "provider t ON t.provider_id = v.provider_id",
        "care_site t ON t.care_site_id = v.care_site_id",
        "concept t ON t.concept_id = v.visit_concept_id",
    ] {
        assert_eq!(count(&format!("{visits} JOIN {table}")), count(visits), "{table}");
    }
    // Numbers of rows are those of all rows, whatever is counted of a person.
    let first = "SELECT COUNT(*) AS n FROM (SELECT person_id, ROW_NUMBER() OVER (PARTITION BY \
                 person_id ORDER BY visit_start_date) AS place FROM visit_occurrence) v \
                 WHERE place = 1";
    let persons = "SELECT COUNT(DISTINCT person_id) AS n FROM visit_occurrence";
    assert_eq!(place.exact(first, &["--rows-per-person", "1"]), place.exact(persons, &[]));
}

#[test]
fn a_second_extract_supersedes_the_first_and_spends_the_same_account() {
    let place = Place::small_site();
    place.done(&["sql", "--epsilon", "1", "-c", "SELECT COUNT(*) AS n FROM person"]);
    let before = place.done(&["budget", "show", "--population", "town", "--json"]);
    place.extract("raw/site-1", "site-1", "out-2");
    assert_eq!(place.done(&["budget", "show", "--population", "town", "--json"]), before);
    assert!(place.done(&["ledger", "log", "--json"]).contains("\"kind\":\"supersede\""));
    place.done(&["sql", "--epsilon", "1", "-c", "SELECT COUNT(*) AS n FROM person"]);
    assert!(
        place.done(&["budget", "show", "--population", "town", "--json"]).contains("\"charges\":2")
    );
}

#[test]
fn a_script_names_explains_and_estimates_for_nothing() {
    let place = Place::small_site();
    let script = "CREATE VIEW old AS SELECT * FROM person WHERE year_of_birth < 1960;\n\
                  EXPLAIN SELECT COUNT(*) AS n FROM old;\n\
                  ESTIMATE SELECT COUNT(*) AS n FROM old;\n\
                  SELECT COUNT(*) AS n FROM old;\n\
                  PREPARE of AS SELECT COUNT(*) AS n FROM person WHERE gender_concept_id = $1;\n\
                  EXECUTE of(8507);\n\
                  DEALLOCATE of;\n\
                  DROP VIEW old;\n";
    fs::write(place.path("script.sql"), script).unwrap();
    let told = place.done(&["sql", "--epsilon", "1", "-f", "script.sql"]);
    for line in ["view old\n", "prepared of\n", "forgot of\nforgot old\n"] {
        assert!(told.contains(line), "{told}");
    }
    assert!(told.contains("per person, at most 1 row(s) of each"), "{told}");
    assert_eq!(told.matches("nothing is charged").count(), 2, "{told}");
    assert_eq!(told.matches("95 % interval").count(), 4, "{told}");
    assert!(told.contains("± about"), "{told}");
    assert_eq!(place.charges_and_releases(), (2, 2));

    // For programs: one object per statement. What was asked before is not charged again.
    let told = place.done(&["sql", "--json", "--epsilon", "1", "-f", "script.sql"]);
    let keys = ["done", "explain", "estimate", "columns", "done", "columns", "done", "done"];
    let objects: Vec<serde_json::Value> =
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), keys.len(), "{told}");
    for (object, key) in objects.iter().zip(keys) {
        assert!(object.get(key).is_some(), "no {key}: {object}");
    }
    assert_eq!(objects[1]["explain"]["cost"], objects[2]["estimate"]["cost"]);
    assert_eq!((&objects[3]["is_repeat"], &objects[5]["is_repeat"]), (&true.into(), &true.into()));
    assert_eq!(place.charges_and_releases(), (2, 2));

    // Prices are told of questions about views; that of EXECUTE is not, and it is not asked.
    let said = place.run(&["sql", "--quote", "--epsilon", "2", "-f", "script.sql"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert_eq!(said.out.matches("nothing is charged").count(), 3, "{}", said.out);
    assert!(said.err.contains("EXECUTE"), "{}", said.err);
    let csv = place.run(&["sql", "--format", "csv", "-c", "CREATE VIEW v AS SELECT 1 AS a"]);
    assert_eq!((csv.code, csv.out.as_str(), csv.err.as_str()), (0, "", "view v\n"));
    assert_eq!(place.charges_and_releases(), (2, 2));
}

#[test]
fn the_same_question_is_charged_once_and_leaves_one_receipt() {
    let place = Place::small_site();
    let ask = ["sql", "--epsilon", "1", "--min-persons", "5", "-c"];
    let ask = |sql: &str| place.done(&[&ask[..], &[sql]].concat());
    let first = ask("SELECT COUNT(*) AS n FROM person");
    let second = ask("select count(*) as n\nfrom person;");
    assert!(!first.contains("cost nothing"), "{first}");
    assert!(second.contains("cost nothing, as it was answered before · receipt"), "{second}");
    let value = |told: &str| told.lines().find(|line| line.contains('[')).map(str::to_owned);
    assert!(value(&first).is_some() && value(&first) == value(&second), "{first}{second}");
    assert_eq!(place.charges_and_releases(), (1, 1));
    assert_eq!(fs::read_dir(place.path(".graunt/receipts")).unwrap().count(), 1);
    // Another price is another question.
    place.done(&["sql", "--epsilon", "2", "-c", "SELECT COUNT(*) AS n FROM person"]);
    assert_eq!(place.charges_and_releases(), (2, 2));
}

#[test]
fn published_spellings_are_answered() {
    let place = Place::small_site();
    let sql = "SELECT TOP 3 gender_concept_id AS sex, COUNT(*) AS n FROM @cdm.person \
               WHERE gender_concept_id IN (8507, 8532) GROUP BY gender_concept_id ORDER BY sex";
    let ask = ["sql", "--epsilon", "1", "--format", "csv", "-c", sql];
    assert_eq!(place.run(&ask).code, 3);
    let told = place.done(&[&ask[..], &["--dialect", "ohdsi"]].concat());
    let (header, rows) = told.split_once('\n').unwrap();
    assert_eq!((header, rows.lines().count()), ("sex,n", 2), "{told}");
    // It is the same question as in the engine's own spelling, and so is answered once.
    let plain = "SELECT gender_concept_id AS sex, COUNT(*) AS n FROM person \
                 WHERE gender_concept_id IN (8507, 8532) GROUP BY gender_concept_id \
                 ORDER BY sex LIMIT 3";
    assert_eq!(told, place.done(&["sql", "--epsilon", "1", "--format", "csv", "-c", plain]));
    fs::write(place.path("graunt.toml"), "[sql]\ndialect = \"ohdsi\"\n").unwrap();
    assert_eq!(told, place.done(&ask));
    assert_eq!(place.charges_and_releases(), (1, 1));
}
