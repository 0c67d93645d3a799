//! What bounds cut off is cut off as it is said, and nobody is left out in silence.

use ledger_adapter::manifest::Bounds;

use crate::answer::Answer;
use crate::engine::Query;
use crate::privacy::relation::ContributionBounds;
use crate::tests::fixture::{Person, Table, Visit, block_on, clinic, world};

/// Persons with three dear visits in each of three regions.
fn heavy() -> Vec<Table> {
    let visit = |region| Visit {
        region: Some(region),
        code: Some(1),
        cost: Some(90.0),
        days: Some(1),
        date: Some(18_000),
    };
    let visits = || ["N", "S", "W", "N", "S", "W", "N", "S"].map(visit).to_vec();
    let person = |id| Person { id, sex: Some("F"), born: Some(1980), visits: visits() };
    clinic(&(1..=40).map(person).collect::<Vec<_>>())
}

fn ask(tables: Vec<Table>, text: &str, rows_per_person: Option<u32>) -> Answer {
    let world = world(&[tables], 2);
    let bounds = ContributionBounds { rows_per_person, ..ContributionBounds::default() };
    let query = Query { text: text.to_owned(), epsilon: 10_000.0, delta: 1e-6, bounds };
    block_on(world.engine.answer(&query)).unwrap()
}

fn total(answer: &Answer, column: usize) -> f64 {
    (0..answer.len()).map(|row| answer.number(row, column).unwrap()).sum()
}

#[test]
fn a_norm_over_groups_may_be_as_large_as_the_clamps_of_all_groups() {
    let mut tables = heavy();
    tables[1].columns[3].person_total = Some(Bounds { lower: 0, upper: 15_000, scale: 2 });
    let text = "SELECT region, SUM(cost) AS paid FROM visit GROUP BY region";
    let answer = ask(tables, text, None);
    // In two regions a person has 270 and in one 180, of which 150 count in each; one group more
    // is that of visits without a region.
    let near = |row: &usize| {
        let paid = answer.number(*row, 1).unwrap();
        (paid / 6_000.0 - 1.0).abs() < 0.01
    };
    assert_eq!((answer.len(), (0..4).filter(near).count()), (4, 3), "{answer:?}");
    let notes = answer.notes.join("\n");
    assert!(notes.contains("one person counts within [0, 150] per group"), "{notes}");
}

#[test]
fn persons_beyond_the_rows_that_count_have_the_last_key() {
    let counted = "SELECT n, COUNT(*) AS persons FROM (SELECT person_id, \
                   SUM(CASE WHEN code > 0 THEN 1 ELSE 0 END) AS n FROM visit GROUP BY person_id) \
                   GROUP BY n";
    let answer = ask(heavy(), counted, Some(2));
    assert!((total(&answer, 1) - 40.0).abs() < 0.5, "{}", total(&answer, 1));
    let numbered = "SELECT n, COUNT(DISTINCT person_id) AS persons FROM (SELECT person_id, \
                    ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY days) AS n FROM visit) \
                    GROUP BY n";
    let answer = ask(heavy(), numbered, Some(8));
    assert_eq!(answer.len(), 8);
    assert!((total(&answer, 1) - 320.0).abs() < 0.5, "{}", total(&answer, 1));
}

#[test]
fn integers_that_wrap_have_no_known_keys() {
    let text = "SELECT (year_of_birth * 99999999999999999) % 10 AS k, COUNT(*) AS n FROM person \
                GROUP BY 1";
    let answer = ask(heavy(), text, None);
    assert!((total(&answer, 1) - 40.0).abs() < 0.5, "{}", total(&answer, 1));
}
