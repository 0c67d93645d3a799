//! The exact cells do not depend on the order of rows, the size of batches, the number of threads
//! or of buckets.

use std::collections::BTreeMap;

use crate::engine::Query;
use crate::privacy::relation::ContributionBounds;
use crate::tests::fixture::{Table, World, block_on, clinic, exact, world};
use crate::tests::sensitivity::{database, pick, seeded};

const QUERIES: [&str; 4] = [
    "SELECT region, COUNT(*), SUM(cost), AVG(cost) FROM visit GROUP BY region",
    "SELECT code, COUNT(DISTINCT person_id), SUM(days) FROM visit GROUP BY code",
    "SELECT p.sex, SUM(v.cost) FROM visit v JOIN person p ON v.person_id = p.person_id \
     GROUP BY p.sex",
    "SELECT k, COUNT(*) FROM (SELECT person_id, AVG(cost) AS k FROM visit GROUP BY person_id) t \
     GROUP BY k",
];

fn cells(world: &World, threads: usize) -> Vec<BTreeMap<String, Vec<i128>>> {
    let bounds = ContributionBounds {
        rows_per_person: Some(3),
        groups_per_person: Some(2),
        ..ContributionBounds::default()
    };
    QUERIES
        .iter()
        .flat_map(|sql| exact(world, sql, bounds, threads).unwrap())
        .map(|exact| exact.cells)
        .collect()
}

fn shuffled(random: &mut proptest::test_runner::TestRng, table: &Table) -> Table {
    let mut places: Vec<usize> = (0..table.rows.num_rows()).collect();
    let mut mixed = Vec::with_capacity(places.len());
    while !places.is_empty() {
        let at = pick(random, &(0..places.len()).collect::<Vec<_>>());
        mixed.push(places.swap_remove(at));
    }
    table.picked(&mixed)
}

#[test]
fn cells_are_equal_bit_for_bit_however_the_work_is_done() {
    let mut random = seeded(5);
    let persons: Vec<_> = (0..6)
        .flat_map(|i| {
            database(&mut random).into_iter().map(move |mut p| {
                p.id += i * 1_000;
                p
            })
        })
        .collect();
    let tables = clinic(&persons);
    let expected = cells(&world(std::slice::from_ref(&tables), 4), 1);
    assert!(expected.iter().all(|cells| !cells.is_empty()));
    for threads in [2, 8] {
        assert_eq!(
            cells(&world(std::slice::from_ref(&tables), 4), threads),
            expected,
            "{threads} threads"
        );
    }
    for buckets in [1, 7] {
        assert_eq!(
            cells(&world(std::slice::from_ref(&tables), buckets), 2),
            expected,
            "{buckets} buckets"
        );
    }
    for batch_rows in [1, 3, 100] {
        let world = world(std::slice::from_ref(&tables), 4);
        let state = world.engine.session.state_ref();
        let set = state
            .write()
            .config_mut()
            .options_mut()
            .set("datafusion.execution.batch_size", &i32::to_string(&batch_rows));
        set.unwrap();
        assert_eq!(cells(&world, 2), expected, "batches of {batch_rows}");
    }
    for _ in 0..10 {
        let mixed: Vec<Table> = tables.iter().map(|table| shuffled(&mut random, table)).collect();
        assert_eq!(cells(&world(&[mixed], 4), 2), expected, "shuffled");
    }
}

#[test]
fn a_person_at_two_sites_is_one_person() {
    let mut random = seeded(6);
    let persons = database(&mut random);
    let tables = clinic(&persons);
    let twice = world(&[tables.clone(), tables.clone()], 2);
    let bounds = ContributionBounds::default();
    let count = |sql: &str| {
        let exact = exact(&twice, sql, bounds, 2).unwrap();
        // The widest of the bounds to choose from.
        exact[0].cells.values().map(|cell| cell[cell.len() - 1]).sum::<i128>()
    };
    let all = i128::try_from(persons.len()).unwrap();
    assert_eq!(count("SELECT COUNT(*) FROM person"), all);
    assert_eq!(count("SELECT COUNT(DISTINCT person_id) FROM person"), all);
    let visits: usize = persons.iter().map(|p| (2 * p.visits.len()).min(8)).sum();
    let joined = "SELECT COUNT(*) FROM visit v JOIN person p ON v.person_id = p.person_id";
    assert_eq!(count(joined), i128::try_from(visits).unwrap());
}

#[test]
fn values_that_look_like_threaded_names_keep_questions_apart() {
    let tables = clinic(&database(&mut seeded(6)));
    let world = world(&[tables], 2);
    let digest = |value: &str| {
        let text = format!("SELECT COUNT(*) FROM visit WHERE region = '{value}'");
        let bounds = ContributionBounds::default();
        let query = Query { text, epsilon: 1.0, delta: 1e-6, bounds };
        block_on(world.engine.plan(&query)).unwrap().plan.digest
    };
    assert_eq!(digest("N"), digest("N"));
    assert_ne!(digest("__graunt_1"), digest("__graunt_2"));
}
