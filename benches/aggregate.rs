//! What it costs to read, bound and add up records: whole answers, each to a question whose rest
//! (parsing, noise, receipt) is small beside its table.

mod study;
mod support;

use std::hint::black_box;

use criterion::{SamplingMode, Throughput};

use self::study::Study;
use self::support::{Outcome, criterion, done};

fn main() -> Outcome {
    let study = Study::new()?;
    let mut criterion = criterion();
    let mut group = criterion.benchmark_group("aggregate");
    group.sampling_mode(SamplingMode::Flat);
    for (name, table, sql) in QUESTIONS {
        group.throughput(Throughput::Elements(study.rows[*table]));
        group.bench_function(*name, |b| b.iter(|| done(study.answer(black_box(sql)))));
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

/// Name, table whose rows are counted, question.
const QUESTIONS: &[(&str, &str, &str)] = &[
    ("rows in one cell", "measurement", "SELECT COUNT(*) AS n FROM measurement"),
    ("clamped sum in one cell", "cost", "SELECT SUM(total_cost) AS total FROM cost"),
    (
        "persons in one cell",
        "visit_occurrence",
        "SELECT COUNT(DISTINCT person_id) AS n FROM visit_occurrence",
    ),
    (
        "rows in declared cells",
        "visit_occurrence",
        "SELECT visit_concept_id, COUNT(*) AS n FROM visit_occurrence GROUP BY visit_concept_id",
    ),
    (
        "rows in cells that are found",
        "measurement",
        "SELECT measurement_concept_id, COUNT(*) AS n FROM measurement \
         GROUP BY measurement_concept_id",
    ),
];
