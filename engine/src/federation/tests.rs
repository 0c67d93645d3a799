//! Federated answers beside central ones, and what happens when parties are lost or lie.

mod attacks;
pub(crate) mod fixture;
pub(crate) mod liar;
mod noise;
mod once;
mod proofs;

use crate::engine::Query;
use crate::error::Error;
use crate::federation::tests::fixture::Trio;
use crate::privacy::relation::ContributionBounds;
use crate::tests::admitted::{QUERIES, persons};
use crate::tests::fixture::{Person, Table, block_on, clinic};

/// The tables of three sites, each person at one.
pub(crate) fn sites(count: usize) -> Vec<Vec<Table>> {
    let all = persons();
    let own = |s: usize| -> Vec<Table> {
        let of = |p: &&Person| usize::try_from(p.id).unwrap() % count == s;
        clinic(&all.iter().filter(of).cloned().collect::<Vec<_>>())
    };
    (0..count).map(own).collect()
}

fn wide() -> ContributionBounds {
    ContributionBounds { rows_per_person: Some(6), ..ContributionBounds::default() }
}

#[test]
fn at_a_large_epsilon_federated_answers_are_the_central_ones() {
    let trio = Trio::new(&sites(3));
    let (mut same, mut refused) = (0, Vec::new());
    // Each third query; all of them in the nightly size.
    let step = if std::env::var_os("GRAUNT_FEDERATED_ALL").is_some() { 1 } else { 3 };
    for sql in QUERIES.iter().step_by(step) {
        let query =
            Query { text: (*sql).to_owned(), epsilon: 10_000.0, delta: 1e-6, bounds: wide() };
        let central = block_on(trio.central.engine.answer(&query)).unwrap();
        let (answer, transcript) = match trio.ask_bounded(sql, 10_000.0, wide()) {
            Ok(answered) => answered,
            Err(Error::Rejected(rejection)) => {
                refused.push(format!("{}: {sql}", rejection.code));
                continue;
            }
            Err(error) => panic!("{error}: {sql}"),
        };
        assert_eq!(answer.len(), central.len(), "{sql}");
        for row in 0..answer.len() {
            for column in 0..answer.columns().len() {
                let (f, c) = (answer.text(row, column), central.text(row, column));
                let (Ok(f), Ok(c)) = (f.parse::<f64>(), c.parse::<f64>()) else {
                    assert_eq!(f, c, "{sql}");
                    continue;
                };
                // The lower end is cut off at zero, where noise may take the value below it.
                let width = |answer: &crate::answer::Answer, value: f64| {
                    let bound = answer.interval(row, column);
                    bound.map_or(0.0, |b| (b.upper - b.lower).max(2.0 * (b.upper - value)))
                };
                let apart = width(&answer, f) + width(&central, c) + 1e-9 * c.abs();
                let quantile = sql.contains("PERCENTILE") || sql.contains("MEDIAN");
                let step = if quantile { 1.0 } else { 0.0 };
                let [of, oc] = [&answer, &central].map(|answer| answer.interval(row, column));
                assert!((f - c).abs() <= 2.0 * apart + step, "{f} {of:?} {c} {oc:?}: {sql}");
            }
        }
        assert!(!transcript.check(None).unwrap().is_empty());
        same += 1;
    }
    assert!(same > 40 / step, "{same} {refused:#?}");
    for refusal in &refused {
        let known = ["R-UNBOUNDED", "R-DISTINCT", "R-AGGREGATE", "R-STATEMENT"];
        assert!(known.iter().any(|code| refusal.starts_with(code)), "{refusal}");
    }
}
