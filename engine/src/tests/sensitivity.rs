//! The privacy claim, deterministically: removing any one person moves the exact cells no further
//! than was declared, for random queries over random small databases.

use std::collections::BTreeMap;

use proptest::prelude::Rng;
use proptest::test_runner::{Config, TestRng, TestRunner};

use crate::privacy::relation::ContributionBounds;
use crate::tests::fixture::{Exact, Person, Visit, clinic, exact, world};

/// Number of random queries; more by `GRAUNT_SENSITIVITY_QUERIES`.
const QUERIES: usize = 200;

/// Queries asked of one database before the next is made.
const QUERIES_PER_DATABASE: usize = 20;

#[test]
fn removing_any_one_person_moves_no_cell_further_than_declared() {
    let queries = std::env::var("GRAUNT_SENSITIVITY_QUERIES")
        .map_or(QUERIES, |text| text.parse().expect("a number of queries"));
    let mut random = seeded(17);
    let mut asked = 0;
    let mut moved = 0u64;
    while asked < queries {
        let persons = database(&mut random);
        let tables = clinic(&persons);
        let with = world(std::slice::from_ref(&tables), 2);
        let without: Vec<_> = persons
            .iter()
            .map(|p| world(&[tables.iter().map(|t| t.without(p.id)).collect()], 2))
            .collect();
        for _ in 0..QUERIES_PER_DATABASE.min(queries - asked) {
            let (sql, bounds) = query(&mut random);
            let all = exact(&with, &sql, bounds, 2)
                .unwrap_or_else(|error| panic!("query {asked} is not admitted: {error}\n{sql}"));
            for (person, fewer) in persons.iter().zip(&without) {
                let fewer = exact(fewer, &sql, bounds, 2).unwrap();
                moved +=
                    compare(&all, &fewer, &format!("query {asked}, person {}: {sql}", person.id));
            }
            asked += 1;
        }
    }
    assert!(moved > 1_000, "the queries hardly touch the records: {moved} cells moved");
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

/// A query of the admitted grammar, with contribution bounds for some.
fn query(random: &mut TestRng) -> (String, ContributionBounds) {
    let (source, visit, person) = pick(random, SOURCES);
    let mut keys: Vec<&str> = vec![];
    let mut aggregates = vec!["COUNT(*)"];
    let mut filters: Vec<&str> = vec![];
    if visit {
        keys.extend(VISIT_KEYS);
        aggregates.extend(VISIT_AGGREGATES);
        filters.extend(VISIT_FILTERS);
    }
    if person {
        keys.extend(["p.sex", "p.year_of_birth / 10", "2020 - p.year_of_birth >= 65"]);
        aggregates.extend(["SUM(p.year_of_birth)", "AVG(2020 - p.year_of_birth)"]);
        filters.extend(["p.sex = 'F'", "p.year_of_birth < 2000"]);
    }
    let mut group: Vec<&str> = (0..random.next_u64() % 3).map(|_| pick(random, &keys)).collect();
    group.dedup();
    let chosen: Vec<&str> =
        (0..1 + random.next_u64() % 3).map(|_| pick(random, &aggregates)).collect();
    let mut list: Vec<String> =
        group.iter().enumerate().map(|(i, k)| format!("{k} AS g{i}")).collect();
    list.extend(chosen.iter().enumerate().map(|(i, a)| format!("{a} AS x{i}")));
    let mut sql = format!("SELECT {} FROM {source}", list.join(", "));
    if !filters.is_empty() && random.next_u64().is_multiple_of(2) {
        let word = if source.contains(" WHERE p") { "AND" } else { "WHERE" };
        sql = format!("{sql} {word} {}", pick(random, &filters));
    }
    if !group.is_empty() {
        sql = format!("{sql} GROUP BY {}", group.join(", "));
    }
    if random.next_u64().is_multiple_of(4) {
        sql = format!("{sql} HAVING COUNT(*) > 1");
    }
    let bounds = ContributionBounds {
        rows_per_person: pick(random, &[None, Some(1), Some(3)]),
        groups_per_person: pick(random, &[None, Some(1), Some(2)]),
        persons_min: 0,
    };
    (sql, bounds)
}

/// Relations to ask about; whether they have a `v` of visits, and a `p` of persons.
const SOURCES: &[(&str, bool, bool)] = &[
    ("visit v", true, false),
    ("person p", false, true),
    ("visit v JOIN person p ON v.person_id = p.person_id", true, true),
    ("person p LEFT JOIN visit v ON p.person_id = v.person_id", true, true),
    ("visit v, person p WHERE p.person_id = v.person_id", true, true),
    ("visit v JOIN codes c ON v.code = c.code", true, false),
    (
        "(SELECT person_id, region, code, cost, days, visit_date FROM visit WHERE days \
                 > 0) v",
        true,
        false,
    ),
    ("visit v JOIN visit w ON v.person_id = w.person_id AND v.days < w.days", true, false),
    (
        "(SELECT person_id, MAX(region) AS region, MIN(code) AS code, AVG(cost) AS cost, \
              SUM(days) AS days, MIN(visit_date) AS visit_date FROM visit GROUP BY person_id) v",
        true,
        false,
    ),
    (
        "(SELECT person_id, region, COUNT(*) AS code, SUM(cost) AS cost, COUNT(days) \
                 AS days, \
              MAX(visit_date) AS visit_date FROM visit GROUP BY person_id, region) v",
        true,
        false,
    ),
    ("(SELECT DISTINCT person_id, region, code, cost, days, visit_date FROM visit) v", true, false),
    ("(SELECT * FROM visit UNION ALL SELECT * FROM visit WHERE days > 3) v", true, false),
    (
        "(SELECT person_id, region, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY visit_date) \
         AS code, LAG(cost) OVER (PARTITION BY person_id ORDER BY visit_date, days) AS cost, \
         SUM(days) OVER (PARTITION BY person_id ORDER BY visit_date ROWS 2 PRECEDING) AS days, \
         visit_date FROM visit) v",
        true,
        false,
    ),
    (
        "visit v FULL JOIN (SELECT person_id FROM person WHERE sex = 'F') q ON v.person_id = \
         q.person_id",
        true,
        false,
    ),
];

const VISIT_KEYS: &[&str] = &[
    "v.region",
    "v.code",
    "CASE WHEN v.days > 5 THEN 'long' WHEN v.cost IS NULL THEN 'free' ELSE 'short' END",
    "EXTRACT(YEAR FROM v.visit_date)",
    "v.days / 7",
    "v.days > 2",
    "v.days % 3",
];

const VISIT_AGGREGATES: &[&str] = &[
    "COUNT(DISTINCT v.person_id)",
    "COUNT(v.cost)",
    "SUM(v.cost)",
    "SUM(v.days)",
    "AVG(v.cost)",
    "SUM(v.days * 2 - 1)",
    "SUM(CASE WHEN v.region = 'N' THEN 1 ELSE 0 END)",
    "COUNT(*) FILTER (WHERE v.days > 0)",
    "SUM(GREATEST(LEAST(v.cost, 50.0), 1.0))",
    "AVG(ABS(v.days))",
    "SUM(v.days / NULLIF(v.days, 3))",
    "COUNT(DISTINCT v.region)",
    "COUNT(DISTINCT v.code)",
    "VAR(v.days)",
    "STDDEV_POP(v.cost)",
    "COVAR_SAMP(v.days, v.cost)",
    "CORR(v.days, v.cost)",
    "MEDIAN(v.days)",
    "MIN(v.cost)",
    "MAX(v.days) FILTER (WHERE v.cost > 1)",
    "APPROX_PERCENTILE_CONT(v.cost, 0.9)",
];

const VISIT_FILTERS: &[&str] = &[
    "v.cost > 10",
    "v.region IN ('N', 'S')",
    "v.days BETWEEN 0 AND 20",
    "v.region LIKE 'N%'",
    "v.days / (v.days - 1) > 0",
    "v.person_id IN (SELECT person_id FROM person WHERE sex = 'F')",
    "v.person_id NOT IN (SELECT person_id FROM visit WHERE days > 20)",
    "v.code IN (SELECT code FROM codes WHERE chapter = 'A')",
    "v.visit_date >= DATE '2020-06-01'",
    "EXISTS (SELECT 1 FROM person e WHERE e.person_id = v.person_id AND e.sex = 'F')",
    "(SELECT COUNT(*) FROM visit e WHERE e.person_id = v.person_id AND e.days > 3) > 1",
    "(v.days > 3 OR NOT EXISTS (SELECT 1 FROM visit e WHERE e.person_id = v.person_id AND e.code \
     = 1))",
];
