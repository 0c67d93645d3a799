//! What an answer costs from its text to its receipt: three ordinary questions, and a refusal.

mod study;
mod support;

use std::hint::black_box;

use criterion::{SamplingMode, Throughput};

use self::study::Study;
use self::support::{Outcome, criterion, done};

fn main() -> Outcome {
    let study = Study::new()?;
    let mut criterion = criterion();
    let mut group = criterion.benchmark_group("street");
    group.sampling_mode(SamplingMode::Flat);
    for (name, table, sql) in QUESTIONS {
        group.throughput(Throughput::Elements(study.rows[*table]));
        group.bench_function(*name, |b| b.iter(|| done(study.answer(black_box(sql)))));
    }
    // No record is read for it, and nothing is charged.
    group.throughput(Throughput::Elements(1));
    group.bench_function("refused", |b| {
        b.iter(|| assert!(study.answer(black_box(REFUSED)).is_err(), "{REFUSED} is answered"));
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}

/// Name, table whose rows are counted, question.
const QUESTIONS: &[(&str, &str, &str)] = &[
    (
        "count by sex",
        "person",
        "SELECT gender_concept_id, COUNT(*) AS persons FROM person GROUP BY gender_concept_id",
    ),
    (
        "cost by domain",
        "cost",
        "SELECT cost_domain_id, SUM(total_cost) AS total FROM cost GROUP BY cost_domain_id",
    ),
    (
        "conditions by name",
        "condition_occurrence",
        "SELECT c.concept_name, COUNT(DISTINCT p.person_id) AS persons \
         FROM person p \
         JOIN condition_occurrence o ON o.person_id = p.person_id \
         JOIN concept c ON c.concept_id = o.condition_concept_id \
         WHERE p.gender_concept_id = 8532 \
         GROUP BY c.concept_name",
    ),
];

const REFUSED: &str = "SELECT person_id FROM person";
