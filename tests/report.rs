//! Indicators, cohorts, reports and FHIR, as a user runs them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Place, shared};

/// Three small sites with the days of the calendar, and a budget.
fn consortium(rho: &str) -> Place {
    let place = Place::new();
    place.done(&["cohort", "--persons", "900", "--sites", "3", "--seed", "5", "--out", "raw"]);
    for site in ["site-1", "site-2", "site-3"] {
        let (from, out) = (format!("raw/{site}"), format!("ext/{site}"));
        let own = ["--site", site, "--population", "town", "--policy", "limited-dataset"];
        place.done(&[&["extract", "--from", &from, "--out", &out][..], &own].concat());
    }
    place.done(&["budget", "open", "--population", "town", "--rho", rho, "--delta", "0.01"]);
    place
}

/// A spec that asks for all indicators there are.
fn everything(place: &Place, epsilon: &str) -> Vec<String> {
    let listed = place.json(&["indicators"]);
    let ids = listed.as_array().unwrap().iter().map(|of| of["id"].as_str().unwrap().to_owned());
    let ids: Vec<String> = ids.collect();
    let asked = ids.iter().map(|id| format!("  {{ id = \"{id}\", epsilon = {epsilon} }},\n"));
    let head = "title = \"All\"\npurpose = \"All\"\ndata_kind = \"synthetic\"\nregion = \"here\"\n\
                period = \"2023\"\n[[results]]\nheading = \"All\"\nindicators = [\n";
    let spec: String = std::iter::once(head.to_owned()).chain(asked).collect();
    fs::write(place.path("all.toml"), spec + "]\n").unwrap();
    ids
}

#[test]
fn every_indicator_is_admitted_answered_and_shown() {
    let place = consortium("3000");
    let ids = everything(&place, "20");
    assert!(ids.len() >= 70, "{}", ids.len());
    let told = place.json(&["report", "all.toml", "--dry-run"]);
    for quoted in told["indicators"].as_array().unwrap() {
        assert!(quoted["quote"]["cost"]["rho"].as_f64().unwrap() > 0.0, "{quoted}");
    }
    assert_eq!(place.charges_and_releases(), (0, 0));

    place.done(&["report", "all.toml", "--out", "all.html"]);
    assert_eq!(place.charges_and_releases(), (ids.len(), ids.len()));
    let page = fs::read_to_string(place.path("all.html")).unwrap();
    for id in &ids {
        assert!(page.contains(id.as_str()), "{id}");
    }
    for loading in ["<script src", "<link", "<img", "<iframe", "@import", "url(http"] {
        assert!(!page.contains(loading), "{loading}");
    }
    // All its numbers are in files, and every receipt that it names verifies.
    let whole = fs::read(place.path("all-data/report.json")).unwrap();
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(whole["title"], "All");
    assert!(place.path("all-data/table-1.csv").exists());
    assert!(place.path("all-data/table-1.parquet").exists());
    let receipts = fs::read_dir(place.path(".graunt/receipts")).unwrap();
    let receipts: Vec<String> =
        receipts.map(|entry| entry.unwrap().path().display().to_string()).collect();
    assert_eq!(receipts.len(), ids.len());
    let verify: Vec<&str> =
        ["verify"].into_iter().chain(receipts.iter().map(String::as_str)).collect();
    place.done(&verify);
}

#[test]
fn a_report_is_priced_paid_once_and_made_again_byte_for_byte() {
    let place = consortium("1");
    let example = place.done(&["report", "--example", "population-health"]);
    fs::write(place.path("health.toml"), &example).unwrap();
    let nothing = place.run(&["report", "health.toml", "--rebuild"]);
    assert!(nothing.code == 2 && nothing.err.contains("not released before"), "{}", nothing.err);
    assert_eq!(place.charges_and_releases(), (0, 0));
    let made = place.json(&["report", "health.toml", "--out", "first.html"]);
    let asked = made["asked"].as_u64().unwrap();
    assert!(asked > 10, "{made}");
    let (charges, releases) = place.charges_and_releases();
    assert_eq!((charges as u64, releases as u64), (asked, asked));
    // Again, and from what was released: nothing is charged, and nothing differs.
    for (out, how) in [("second.html", None), ("third.html", Some("--rebuild"))] {
        let args = ["report", "health.toml", "--out", out];
        let again = place.json(&[&args[..], how.as_slice()].concat());
        assert_eq!(again["asked"], 0);
        same(&place, "first", out.trim_end_matches(".html"));
    }
    assert_eq!(place.charges_and_releases(), (charges, releases));
}

/// Compares the files of two reports.
fn same(place: &Place, one: &str, other: &str) {
    let read = |name: &str, file: &str| fs::read(place.path(&format!("{name}{file}"))).unwrap();
    assert_eq!(read(one, ".html"), read(other, ".html"));
    let mut stack = vec![String::new()];
    let mut count = 0;
    while let Some(below) = stack.pop() {
        for entry in fs::read_dir(place.path(&format!("{one}-data{below}"))).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{below}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                stack.push(name);
                continue;
            }
            let (a, b) = (format!("-data{name}"), format!("-data{name}"));
            assert_eq!(read(one, &a), read(other, &b), "{name}");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn what_the_account_does_not_hold_is_refused_before_any_of_it_is_asked() {
    let place = consortium("0.01");
    let example = place.done(&["report", "--example", "surveillance"]);
    fs::write(place.path("report.toml"), example).unwrap();
    let said = place.run(&["report", "report.toml"]);
    assert!(said.code == 2 && said.err.contains("nothing was charged"), "{}", said.err);
    assert_eq!(place.charges_and_releases(), (0, 0));
    assert!(!place.path("report.html").exists());
}

#[test]
fn files_that_are_wrong_are_told_with_their_line_and_what_is_allowed() {
    let place = Place::small_site();
    let example = place.done(&["report", "--example"]);
    let indicator = "id = \"own\"\nversion = \"1.0.0\"\ntitel = \"Own\"\n";
    fs::create_dir(place.path("own")).unwrap();
    fs::write(place.path("own/own.toml"), indicator).unwrap();
    let said = place.run(&["indicators", "--add", "own"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("own/own.toml:3:1") && said.err.contains("title"), "{}", said.err);
    let spoilt = example.replace("\"asthma-prevalence\"", "\"asma-prevalence\"");
    fs::write(place.path("report.toml"), spoilt).unwrap();
    let said = place.run(&["report", "report.toml"]);
    assert!(said.err.contains("did you mean \"asthma-prevalence\"?"), "{}", said.err);
    let line = example.lines().position(|line| line.contains("asthma")).unwrap() + 1;
    assert!(said.err.contains(&format!("report.toml:{line}:")), "{}", said.err);
    // A cohort that is wrong is told with its own line.
    fs::write(place.path("cohort.toml"), "name = \"c\"\n\n[index]\nevent = []\n").unwrap();
    let spoilt = format!("cohort = {{ file = \"cohort.toml\", epsilon = 1 }}\n{example}");
    fs::write(place.path("report.toml"), spoilt).unwrap();
    let said = place.run(&["report", "report.toml"]);
    assert!(said.code == 2 && said.err.contains("cohort.toml:4:1"), "{}", said.err);
}

/// An indicator of one's own, without Rust; and a publisher's rule on top of the noise.
#[test]
fn an_indicator_of_ones_own_is_asked_under_a_publishers_rule() {
    let place = consortium("1000");
    fs::create_dir(place.path("own")).unwrap();
    let own = place.done(&["indicators", "asthma-prevalence", "--sql", "--set", "year=2021"]);
    let own = own.trim().trim_end_matches(';');
    fs::write(place.path("own/asthma-before.toml"), own_indicator(own)).unwrap();
    let spec = "title = \"T\"\npurpose = \"P\"\ndata_kind = \"synthetic\"\nregion = \"R\"\n\
                period = \"2021\"\ndisclosure = \"cms\"\n[[results]]\nheading = \"H\"\n\
                indicators = [{ id = \"asthma-before\", epsilon = 100 }]\n";
    fs::write(place.path("own.toml"), spec).unwrap();
    let how = ["--add", "own", "--out", "own.html", "--packet", "packet.json"];
    place.done(&[&["report", "own.toml"][..], &how].concat());
    let rows = fs::read_to_string(place.path("own-data/table-1.csv")).unwrap();
    assert!(rows.contains("fewer than 11"), "{rows}");
    let packets = fs::read(place.path("packet.json")).unwrap();
    let packets: Value = serde_json::from_slice(&packets).unwrap();
    assert_eq!(packets[0]["rule"]["name"], "cms");
    let page = fs::read_to_string(place.path("own.html")).unwrap();
    assert!(page.contains("fewer than 11"));
}

fn own_indicator(sql: &str) -> String {
    format!(
        "id = \"asthma-before\"\nversion = \"1.0.0\"\ntitle = \"Asthma before\"\n\
         question = \"How frequent was asthma?\"\nfield = \"population-health\"\n\
         population = \"All.\"\nnumerator = \"Cases.\"\ndenominator = \"Persons.\"\n\
         strata = [\"sex\", \"age\"]\nmethod = \"period-prevalence\"\nepsilon = 1\n\
         dates = \"year\"\nsource = \"own\"\nsql = \"\"\"\n{sql}\n\"\"\"\n\
         [bounds]\nperson = \"Once.\"\n\
         [columns]\nsex = {{ role = \"stratum\", label = \"Sex\" }}\n\
         age = {{ role = \"age\", label = \"Age\", bands = [0, 10, 20, 30, 40, 50, 60, 70, 80] }}\n\
         cases = {{ role = \"numerator\", label = \"Cases\" }}\n\
         persons = {{ role = \"denominator\", label = \"Persons\" }}\n\
         [figure]\nkind = \"points\"\nunit = \"%\"\nmultiplier = 100\n"
    )
}

/// Cohorts on real data: the published 479 persons who bled; of 1,800 with a first celecoxib within
/// observation, 732 are new users by this definition (DuckDB agrees).
#[test]
fn cohorts_find_the_published_persons() {
    let Some(data) = shared("data/omop_gibleed/parquet") else { return };
    let place = Place::new();
    let data = data.display().to_string();
    let own = ["--site", "gib", "--population", "gib", "--policy", "limited-dataset"];
    place.done(&[&["extract", "--from", &data, "--out", "ext"][..], &own].concat());
    place.done(&["budget", "open", "--population", "gib", "--rho", "1e6", "--delta", "0.01"]);
    let example = place.done(&["report", "--example", "gastrointestinal-bleeding"]);
    fs::write(place.path("example.toml"), example).unwrap();
    assert_eq!(place.json(&["report", "example.toml", "--out", "example.html"])["asked"], 4);
    fs::write(place.path("bleeds.toml"), BLEEDS).unwrap();
    fs::write(place.path("new.toml"), NEW_USERS).unwrap();
    for (file, counts) in [("bleeds.toml", &[479.0][..]), ("new.toml", &[1800.0, 732.0, 732.0])] {
        let spec = format!(
            "title = \"T\"\npurpose = \"P\"\ndata_kind = \"synthetic\"\nregion = \"R\"\n\
             period = \"all\"\ncohort = {{ file = \"{file}\", epsilon = 2000 }}\n[[results]]\n\
             heading = \"H\"\nindicators = [{{ id = \"bleeding-after-nsaid\", epsilon = 1 }}]\n"
        );
        fs::write(place.path("spec.toml"), spec).unwrap();
        place.done(&["report", "spec.toml", "--out", "page.html"]);
        let whole = fs::read(place.path("page-data/report.json")).unwrap();
        let whole: Value = serde_json::from_slice(&whole).unwrap();
        let flow = whole["sections"].as_array().unwrap().iter();
        let flow = flow.flat_map(|section| section["blocks"].as_array().unwrap());
        let flow = flow.clone().find(|block| block["kind"] == "flow").unwrap();
        let found: Vec<f64> = flow["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["count"]["value"].as_f64().unwrap())
            .collect();
        assert_eq!(found, counts, "{file}");
    }
}

const BLEEDS: &str = "name = \"bleeds\"\ntitle = \"Gastrointestinal haemorrhage\"\n\
    [index]\nevents = [{ table = \"condition_occurrence\", \
    concepts = { descendants_of = [192671] }, pick = \"first\" }]\n";

const NEW_USERS: &str = "name = \"new_users\"\nlimit = \"first\"\n\
    [index]\nevents = [{ table = \"drug_exposure\", concepts = { descendants_of = [1118084] }, \
    pick = \"first\" }]\nprior_days = 365\n\
    [[rules]]\nname = \"aged 40 or more\"\nall = [{ person = { age = { at_least = 40 } } }]\n\
    [[rules]]\nname = \"no haemorrhage before\"\nall = [{ table = \"condition_occurrence\", \
    concepts = { descendants_of = [192671] }, occurrences = { exactly = 0 }, \
    window = { to = 0 } }]\n";

/// FHIR Bulk Data, through tables and an extract, to an answer.
#[test]
fn an_export_of_fhir_is_asked_about() {
    let place = Place::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/src/fhir/tests/export");
    let from = from.display().to_string();
    let convert = ["fhir", "--from", &from, "--namespace", "hospital", "--as-of", "2024-01-01"];
    place.done(&[&convert[..], &["--out", "omop"]].concat());
    assert_ne!(place.run(&[&convert[..], &["--out", "omop"]].concat()).code, 0);
    place.extract("omop", "site-1", "ext");
    place.done(&["budget", "open", "--population", "town", "--rho", "1e6", "--delta", "0.01"]);
    let persons = fs::read_to_string(place.path("omop/person.csv")).unwrap().lines().count() - 1;
    let said = place.exact("SELECT COUNT(*) AS n FROM person", &[]);
    assert!(persons > 1 && said.contains(&format!("\n{persons}\n")), "{persons}: {said}");
    fs::create_dir(place.path("bad")).unwrap();
    fs::write(place.path("bad/Patient.ndjson"), "{\"resourceType\": \"Patient\",\n").unwrap();
    let bad = ["fhir", "--from", "bad", "--namespace", "hospital", "--out", "none"];
    let said = place.run(&bad);
    assert!(said.code == 2 && said.err.contains("Patient.ndjson"), "{}", said.err);
    assert!(!place.path("none").exists());
}
