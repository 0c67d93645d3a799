//! The privacy claim, deterministically: removing any one person moves the exact cells no further
//! than was declared, for random queries over random small databases.

use std::collections::BTreeMap;

use proptest::prelude::Rng;
use proptest::test_runner::{Config, TestRng, TestRunner};

use crate::engine::Query;
use crate::error::Error;
use crate::tests::fixture::{Exact, Person, Table, Visit, clinic, exact};
use crate::tests::generator::{query, with_views};

/// Number of random queries; more by `GRAUNT_SENSITIVITY_QUERIES`.
const QUERIES: usize = 60;

/// Queries asked of one database before the next is made.
const QUERIES_PER_DATABASE: usize = 20;

#[test]
fn removing_any_one_person_moves_no_cell_further_than_declared() {
    let queries = number("GRAUNT_SENSITIVITY_QUERIES", QUERIES);
    let mut random = seeded(17);
    let (mut asked, mut admitted, mut moved) = (0, 0, 0u64);
    let mut ways = [Way::Ordered, Way::PutAside, Way::OnDisk].into_iter().cycle();
    while asked < queries {
        let mut persons = database(&mut random);
        let way = ways.next();
        if way != Some(Way::Ordered) {
            persons.reverse();
        }
        let tables = clinic(&persons);
        let world = |tables: Vec<Table>| {
            let world = with_views(&[tables]);
            if way == Some(Way::OnDisk) { world.with_memory(256) } else { world }
        };
        let with = world(tables.clone());
        let without = |p: &Person| tables.iter().map(|t| t.without(p.id)).collect();
        let fewer: Vec<_> = persons.iter().map(|p| world(without(p))).collect();
        for _ in 0..QUERIES_PER_DATABASE.min(queries - asked) {
            let Query { text, bounds, .. } = query(&mut random, 1.0);
            let _said = Said(&text);
            asked += 1;
            let all = match exact(&with, &text, bounds, 1) {
                Ok(all) => all,
                Err(error) => {
                    assert_refused(&error);
                    continue;
                }
            };
            admitted += 1;
            for (person, fewer) in persons.iter().zip(&fewer) {
                let fewer = exact(fewer, &text, bounds, 1).unwrap();
                moved += compare(&all, &fewer, &format!("person {}: {text}", person.id));
            }
        }
    }
    assert!(admitted * 3 > asked, "only {admitted} of {asked} queries are admitted");
    assert!(moved > 150, "the queries hardly touch the records: {moved} cells moved");
}

/// How rows come to the operator.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// In order of person.
    Ordered,
    /// In no order, so that they are put aside first.
    PutAside,
    /// The same, where they do not fit into memory.
    OnDisk,
}

/// A refusal names its rule; nothing else is said of a query that is not answered.
pub(crate) fn assert_refused(error: &Error) {
    let Error::Rejected(refusal) = error else { panic!("not refused, but: {error}") };
    assert!(refusal.code.to_string().starts_with("R-"), "{refusal}");
    assert!(!refusal.reason.is_empty(), "{refusal}");
}

/// Prints a query if the test fails while it is asked.
pub(crate) struct Said<'a>(pub(crate) &'a str);

impl Drop for Said<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("it was asked: {}", self.0);
        }
    }
}

/// A size from the environment, or the one for every day.
pub(crate) fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Number of cells that differ; panics if one differs too far, or too many do.
pub(crate) fn compare(all: &[Exact], fewer: &[Exact], about: &str) -> u64 {
    let mut moved = 0;
    for (a, b) in all.iter().zip(fewer) {
        assert_eq!((&a.slots, a.groups_max), (&b.slots, b.groups_max), "{about}");
        for (i, slot) in a.slots.iter().enumerate() {
            let (mut cells, mut square) = (0, 0u128);
            for key in a.cells.keys().chain(b.cells.keys().filter(|k| !a.cells.contains_key(*k))) {
                let value = |e: &Exact| e.cells.get(key).map_or(0, |cell| cell[i]);
                let by = value(a).abs_diff(value(b));
                assert!(by <= u128::from(slot.sensitivity), "{by} > {slot:?} at {key}: {about}");
                cells += u64::from(by > 0);
                square += by * by;
            }
            match slot.groups {
                Some(most) => assert!(cells <= most, "{cells} groups > {slot:?}: {about}"),
                None => {
                    let most = u128::from(slot.sensitivity).pow(2);
                    assert!(square <= most, "norm² {square} > {slot:?}: {about}");
                }
            }
            moved += cells;
        }
        for (one, other) in a.profiles.iter().zip(&b.profiles) {
            let by: u128 = one.iter().zip(other).map(|(x, y)| x.abs_diff(*y)).sum();
            assert!(by <= 1, "a person is in {by} places of a profile: {about}");
        }
        for ((most, one), (_, other)) in a.bins.iter().zip(&b.bins) {
            moved += compare_bins(*most, a.groups_max, (one, other), about);
        }
    }
    moved
}

type Bins = BTreeMap<String, BTreeMap<usize, u64>>;

fn compare_bins(most: u64, groups: u64, (a, b): (&Bins, &Bins), about: &str) -> u64 {
    let mut cells = 0;
    let none = BTreeMap::new();
    for key in a.keys().chain(b.keys().filter(|k| !a.contains_key(*k))) {
        let (one, other) = (a.get(key).unwrap_or(&none), b.get(key).unwrap_or(&none));
        let bins = one.keys().chain(other.keys().filter(|bin| !one.contains_key(*bin)));
        let at = |bins: &BTreeMap<usize, u64>, bin: &usize| bins.get(bin).copied().unwrap_or(0);
        let by: u64 = bins.map(|bin| at(one, bin).abs_diff(at(other, bin))).sum();
        assert!(by <= most, "{by} rows > {most} at {key}: {about}");
        cells += u64::from(by > 0);
    }
    assert!(cells <= groups, "{cells} groups of bins > {groups}: {about}");
    cells
}

pub(crate) fn seeded(seed: u8) -> TestRng {
    let algorithm = proptest::test_runner::RngAlgorithm::ChaCha;
    let random = TestRng::from_seed(algorithm, &[seed; 32]);
    TestRunner::new_with_rng(Config::default(), random).rng().clone()
}

pub(crate) fn pick<T: Clone>(random: &mut TestRng, from: &[T]) -> T {
    let at = usize::try_from(random.next_u64() % from.len() as u64).unwrap();
    from[at].clone()
}

/// A few persons with few or many visits, and with values at the edges of what can be stored.
pub(crate) fn database(random: &mut TestRng) -> Vec<Person> {
    let count = 4 + random.next_u64() % 4;
    (0..count)
        .map(|i| Person {
            id: i64::try_from(i).unwrap() * 7 + 1,
            sex: pick(random, &[Some("F"), Some("M"), None]),
            born: pick(random, &[Some(1950), Some(1985), Some(2010), Some(9999), None]),
            visits: (0..pick(random, &[0u64, 1, 2, 3, 12])).map(|_| visit(random)).collect(),
        })
        .collect()
}

fn visit(random: &mut TestRng) -> Visit {
    Visit {
        region: pick(random, &[Some("N"), Some("S"), Some("W"), Some("elsewhere"), None]),
        code: pick(random, &[Some(1), Some(2), Some(3), Some(77), Some(i64::MIN), None]),
        cost: pick(
            random,
            &[Some(0.0), Some(12.345), Some(999.99), Some(-4e300), Some(f64::NAN), Some(1e9), None],
        ),
        days: pick(
            random,
            &[Some(0), Some(1), Some(30), Some(-5), Some(i64::MAX), Some(i64::MIN), None],
        ),
        date: pick(random, &[Some(18_262), Some(18_500), Some(i32::MAX), Some(-700_000), None]),
    }
}
