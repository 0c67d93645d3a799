//! Tests of whole cohorts, read back from their files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::error::CohortError;
use super::places::quintile_of;
use super::store::TRUTH_TABLES;
use super::tables::PRIVATE_TABLES;
use super::{CohortReport, CohortSpec, generate};

fn cohort(persons: u64, sites: u32, out: &Path) -> CohortReport {
    generate(&CohortSpec { persons, sites, seed: 1662 }, out, &|_, _| ()).unwrap()
}

fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn table(out: &Path, site: u32, name: &str) -> RecordBatch {
    read(&out.join(format!("site-{site}/{name}.parquet")))
}

fn integers(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().iter().collect()
}

fn numbers(batch: &RecordBatch, name: &str) -> Vec<i64> {
    integers(batch, name).into_iter().map(Option::unwrap).collect()
}

/// Rows of a table whose person is none of those.
fn without(batch: &RecordBatch, name: &str, persons: &BTreeSet<i64>) -> RecordBatch {
    // Costs have no person; their event's number says whose they are.
    let keys = if name == "cost" {
        numbers(batch, "cost_event_id").iter().map(|event| event / 1_000 + 1).collect()
    } else {
        numbers(batch, "person_id")
    };
    let keep = keys.iter().map(|person| Some(!persons.contains(person))).collect();
    filter_record_batch(batch, &keep).unwrap()
}

#[test]
fn one_person_more_leaves_all_others_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let (fewer, more) = (directory.path().join("fewer"), directory.path().join("more"));
    // One more than a block, so that the last person starts a block of their own.
    let small = cohort(2_000, 3, &fewer);
    let large = cohort(2_001, 3, &more);
    assert_eq!(small.persons + 1, large.persons);
    let last = BTreeSet::from([2_001]);
    for site in 1..=3 {
        for name in PRIVATE_TABLES {
            let expected = table(&fewer, site, name);
            let found = without(&table(&more, site, name), name, &last);
            assert_eq!(expected, found, "site {site}, {name}");
        }
        for name in ["concept", "concept_ancestor", "location", "care_site", "provider"] {
            assert_eq!(table(&fewer, site, name), table(&more, site, name), "{name}");
        }
    }
    for name in TRUTH_TABLES {
        let path = format!("truth/{name}.parquet");
        assert_eq!(read(&fewer.join(&path)), without(&read(&more.join(&path)), name, &last));
    }
}

#[test]
fn every_figure_is_within_tolerance_at_20_000_persons() {
    let directory = tempfile::tempdir().unwrap();
    let report = cohort(20_000, 3, &directory.path().join("cohort"));
    for line in &report.calibration {
        println!("{} {} {:.4} ±{}", line.what, line.target, line.achieved, line.tolerance);
    }
    let missed: Vec<_> = report.calibration.iter().filter(|line| !line.is_met()).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    let text = fs::read_to_string(directory.path().join("cohort/calibration.csv")).unwrap();
    assert_eq!(text.lines().count(), report.calibration.len() + 1);
    let per_person = |name: &str| report.rows[name] as f64 / 20_000.0;
    for (name, least, most) in [
        ("visit_occurrence", 10.0, 15.0),
        ("condition_occurrence", 3.0, 6.0),
        ("drug_exposure", 6.0, 10.0),
        ("measurement", 7.0, 13.0),
    ] {
        assert!((least..=most).contains(&per_person(name)), "{name}: {}", per_person(name));
    }
    assert!(bytes_below(directory.path()) < 20_000 * 1_500);
}

fn bytes_below(directory: &Path) -> u64 {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let facts = entry.metadata().unwrap();
            if facts.is_dir() { bytes_below(&entry.path()) } else { facts.len() }
        })
        .sum()
}

#[test]
fn the_union_over_sites_is_the_cohort() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("cohort");
    let report = cohort(3_000, 4, &out);
    let mut sites_of: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    let mut rows = 0;
    for site in 1..=4 {
        let persons = table(&out, site, "person");
        assert_eq!(persons.num_rows() as u64, report.persons_by_site[site as usize - 1]);
        rows += persons.num_rows();
        let sources = persons.column_by_name("person_source_value").unwrap().as_string::<i32>();
        for (person, source) in numbers(&persons, "person_id").iter().zip(sources) {
            sites_of.entry(*person).or_default().insert(source.unwrap().to_owned());
        }
    }
    assert_eq!(sites_of.len(), 3_000);
    assert!(sites_of.values().all(|sources| sources.len() == 1));
    // At most three sites each, so the surplus of rows is between the overlap and twice that.
    let surplus = rows as u64 - report.persons;
    assert!((report.overlap..=2 * report.overlap).contains(&surplus));
    assert_eq!(report.rows["person"], rows as u64);
}

#[test]
fn false_bills_are_in_the_data_and_labelled_outside_it() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("cohort");
    cohort(6_000, 2, &out);
    let truth = read(&out.join("truth/fraud.parquet"));
    let kinds = truth.column_by_name("kind").unwrap().as_string::<i32>();
    let mut false_visits: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    for (kind, visit) in kinds.iter().zip(numbers(&truth, "visit_occurrence_id")) {
        false_visits.entry(kind.unwrap()).or_default().insert(visit);
    }
    assert_eq!(false_visits.len(), 3);
    let mut after_death = BTreeSet::new();
    for site in 1..=2 {
        let deaths = table(&out, site, "death");
        let days = deaths.column_by_name("death_date").unwrap().as_primitive::<Date32Type>();
        let day_of: BTreeMap<i64, i32> =
            numbers(&deaths, "person_id").into_iter().zip(days.values().iter().copied()).collect();
        let visits = table(&out, site, "visit_occurrence");
        let starts =
            visits.column_by_name("visit_start_date").unwrap().as_primitive::<Date32Type>();
        let persons = numbers(&visits, "person_id");
        for ((visit, person), start) in
            numbers(&visits, "visit_occurrence_id").iter().zip(persons).zip(starts.values())
        {
            if day_of.get(&person).is_some_and(|death| death + 3 < *start) {
                after_death.insert(*visit);
            }
        }
        let costs = table(&out, site, "cost");
        let amounts = costs.column_by_name("total_cost").unwrap().as_primitive::<Float64Type>();
        let distinct: BTreeSet<_> = amounts.values().iter().map(|x| x.to_bits()).collect();
        assert!(distinct.len() * 3 > amounts.len(), "costs are not flat");
        assert_eq!(costs.num_rows(), visits.num_rows());
    }
    let phantoms = &false_visits["phantom-after-death"];
    assert!(!phantoms.is_empty());
    // What is seen later than three days after a death was either invented or billed twice.
    assert!(after_death.iter().all(|visit| {
        phantoms.contains(visit) || false_visits["duplicate-claim"].contains(visit)
    }));
}

#[test]
fn income_shows_in_the_zip_code_and_in_the_payer() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("cohort");
    cohort(3_000, 1, &out);
    let persons = table(&out, 1, "person");
    let truth = read(&out.join("truth/person.parquet"));
    let quintiles = numbers(&truth, "income_quintile");
    for (location, quintile) in numbers(&persons, "location_id").iter().zip(&quintiles) {
        assert_eq!(quintile_of(*location), Some(*quintile));
    }
    let medicaid: BTreeSet<i64> = {
        let payers = table(&out, 1, "payer_plan_period");
        let ids = numbers(&payers, "payer_concept_id");
        let kept = numbers(&payers, "person_id").into_iter().zip(ids);
        kept.filter(|(_, payer)| *payer == 289).map(|(person, _)| person).collect()
    };
    let count = |quintile| {
        let people = numbers(&truth, "person_id").into_iter().zip(&quintiles);
        people.filter(|(person, q)| **q == quintile && medicaid.contains(person)).count()
    };
    assert!(count(1) > 5 * count(5), "{} and {}", count(1), count(5));
}

#[test]
fn only_what_a_person_has_is_written_down() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("cohort");
    cohort(6_000, 1, &out);
    let conditions = table(&out, 1, "condition_occurrence");
    let truth = read(&out.join("truth/person.parquet"));
    // The share on record allows for those who have it and know it (0.592 of hypertension, all
    // of asthma), less those without a visit since it began.
    for (name, concept, least, most) in
        [("hypertension", 320_128, 0.50, 0.60), ("asthma", 317_009, 0.80, 0.98)]
    {
        let rows = numbers(&conditions, "person_id").into_iter();
        let written: BTreeSet<i64> = rows
            .zip(numbers(&conditions, "condition_concept_id"))
            .filter(|(_, found)| *found == concept)
            .map(|(person, _)| person)
            .collect();
        let people = numbers(&truth, "person_id").into_iter().zip(numbers(&truth, name));
        let have: BTreeSet<i64> = people.filter(|(_, has)| *has == 1).map(|(id, _)| id).collect();
        assert!(written.is_subset(&have), "{name}");
        let share = written.len() as f64 / have.len() as f64;
        assert!((least..=most).contains(&share), "{name}: {share}");
    }
}

#[test]
fn a_cohort_never_overwrites_and_has_its_limits() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("kept"), "x").unwrap();
    let spec = CohortSpec { persons: 5, sites: 1, seed: 0 };
    let occupied = generate(&spec, directory.path(), &|_, _| ());
    assert!(matches!(occupied, Err(CohortError::Occupied { .. })));
    for spec in [CohortSpec { persons: 0, ..spec }, CohortSpec { sites: 65, ..spec }] {
        let refused = generate(&spec, &directory.path().join("new"), &|_, _| ());
        assert!(matches!(refused, Err(CohortError::OutOfRange { .. })));
    }
    assert!(!directory.path().join("new").exists());
}

#[test]
fn progress_counts_up_to_the_whole() {
    let directory = tempfile::tempdir().unwrap();
    let heard = std::cell::RefCell::new(Vec::new());
    let spec = CohortSpec { persons: 20, sites: 2, seed: 3 };
    let out = directory.path().join("cohort");
    generate(&spec, &out, &|done, total| heard.borrow_mut().push((done, total))).unwrap();
    assert_eq!(heard.into_inner(), [(20, 20)]);
}
