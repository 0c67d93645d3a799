//! What is admitted, and that it is right: at a very large ε the street gives what plain SQL
//! gives over the same records.

use crate::engine::Query;
use crate::privacy::relation::ContributionBounds;
use crate::tests::fixture::{Person, Table, Visit, block_on, clinic, plain, world};

/// Forty persons with values inside of the declared bounds, so that nothing is clamped.
pub(crate) fn persons() -> Vec<Person> {
    let regions = [Some("N"), Some("S"), Some("W")];
    let visit = |i: i64, j: i64| Visit {
        region: regions[usize::try_from((i + j) % 3).unwrap()],
        code: Some(1 + (i * j) % 3),
        cost: if (i + j) % 5 == 0 {
            None
        } else {
            Some(f64::from(i32::try_from(i * 7 + j).unwrap()) / 4.0)
        },
        days: Some((i * 3 + j) % 20),
        date: Some(18_262 + i32::try_from(i * 40 + j).unwrap()),
    };
    let person = |i: i64| Person {
        id: 1_000 + i,
        sex: if i % 2 == 0 { Some("F") } else { Some("M") },
        born: Some(1_940 + i * 2),
        visits: (0..i % 6).map(|j| visit(i, j)).collect(),
    };
    (0..40).map(person).collect()
}

pub(crate) const QUERIES: &[&str] = &[
    "SELECT COUNT(*) AS n FROM person",
    "SELECT COUNT(*) AS n, COUNT(cost) AS c, COUNT(DISTINCT person_id) AS p FROM visit",
    "SELECT sex, COUNT(*) AS n FROM person GROUP BY sex ORDER BY sex",
    "SELECT region, COUNT(*) AS n, SUM(cost) AS s FROM visit GROUP BY region ORDER BY region",
    "SELECT SUM(days) AS s, SUM(cost) AS c FROM visit",
    "SELECT SUM(cost) / COUNT(*) AS r FROM visit",
    "SELECT region, SUM(CASE WHEN days > 9 THEN 1 ELSE 0 END) AS long, COUNT(*) AS n FROM visit \
     GROUP BY region ORDER BY region",
    "SELECT CASE WHEN 2020 - year_of_birth < 40 THEN 'young' ELSE 'old' END AS band, COUNT(*) AS n \
     FROM person GROUP BY CASE WHEN 2020 - year_of_birth < 40 THEN 'young' ELSE 'old' END \
     ORDER BY 1",
    "SELECT p.sex, COUNT(*) AS n FROM visit v JOIN person p ON v.person_id = p.person_id \
     GROUP BY p.sex ORDER BY p.sex",
    "SELECT p.sex, SUM(v.cost) AS s FROM visit v, person p WHERE v.person_id = p.person_id AND \
     v.days > 3 GROUP BY p.sex ORDER BY p.sex",
    "SELECT c.chapter, COUNT(*) AS n FROM visit v JOIN codes c ON v.code = c.code \
     GROUP BY c.chapter ORDER BY c.chapter",
    "WITH e AS (SELECT region, cost FROM visit WHERE days >= 10) \
     SELECT region, SUM(cost) AS s FROM e GROUP BY region ORDER BY region",
    "SELECT AVG(t) AS a FROM (SELECT person_id, SUM(cost) AS t FROM visit GROUP BY person_id) AS x",
    "SELECT AVG(s) AS a, SUM(v) AS v, COUNT(w) AS w FROM (SELECT person_id, STDDEV(days) AS s, \
     VAR_POP(days) AS v, VAR(cost) AS w FROM visit GROUP BY person_id) t",
    "SELECT COUNT(*) AS n FROM (SELECT person_id, STDDEV_POP(cost) AS s FROM visit GROUP BY \
     person_id) t WHERE s > 0.3",
    "SELECT COUNT(*) AS n FROM (SELECT person_id, COUNT(*) AS k FROM visit GROUP BY person_id \
     HAVING COUNT(*) > 2) t",
    "SELECT COUNT(*) AS n FROM visit WHERE person_id IN (SELECT person_id FROM person WHERE \
     sex = 'F')",
    "SELECT COUNT(*) AS n FROM person WHERE person_id NOT IN (SELECT person_id FROM visit)",
    "SELECT COUNT(*) AS n FROM visit WHERE code IN (SELECT code FROM codes WHERE chapter = 'A')",
    "WITH a AS (SELECT DISTINCT person_id FROM visit WHERE code = 1), b AS (SELECT DISTINCT \
     person_id AS other FROM visit WHERE code = 2) SELECT COUNT(DISTINCT a.person_id) AS n FROM a \
     JOIN b ON a.person_id = b.other",
    "SELECT region, n * 2 AS twice FROM (SELECT region, COUNT(*) AS n FROM visit GROUP BY \
     region) t \
     WHERE n > 5 ORDER BY twice DESC, region LIMIT 2",
    "SELECT region, COUNT(*) AS n FROM visit GROUP BY region HAVING COUNT(*) > 30 ORDER BY region",
    "SELECT COUNT(*) FILTER (WHERE days >= 10) AS n FROM visit",
    "SELECT a.n - b.m AS d FROM (SELECT COUNT(*) AS n FROM visit) a CROSS JOIN \
     (SELECT COUNT(*) AS m FROM person) b",
    "SELECT COUNT(*) AS n FROM person p LEFT JOIN visit v ON p.person_id = v.person_id",
    "SELECT AVG(cost) AS a FROM visit WHERE cost BETWEEN 0 AND 100",
    "SELECT COUNT(*) AS n FROM visit WHERE visit_date >= DATE '2021-01-01' AND region LIKE 'N%'",
    "SELECT SUM(days * 2 + 1) AS s FROM visit",
    "SELECT COUNT(*) AS n FROM visit WHERE visit_date + INTERVAL '1 month' > DATE '2021-01-01' AND \
     region ~ '^[NS]$' AND EXTRACT(MONTH FROM visit_date) < 7",
    "SELECT COUNT(*) AS n FROM visit v JOIN visit w ON v.person_id = w.person_id AND \
     w.visit_date - \
     v.visit_date = 1",
    // Sides of which nothing but the person is used are counted first.
    "SELECT v.region, COUNT(*) AS n, SUM(v.days) AS d, COUNT(DISTINCT v.person_id) AS p FROM visit \
     v JOIN visit w ON v.person_id = w.person_id WHERE w.code IN (1, 2) GROUP BY v.region ORDER BY \
     v.region",
    "SELECT c.chapter, COUNT(*) AS n FROM visit u JOIN visit v ON u.person_id = v.person_id JOIN \
     visit w ON v.person_id = w.person_id JOIN codes c ON v.code = c.code WHERE u.days IN \
     (4, 9, 14) AND w.days IN (0, 5, 10) GROUP BY \
     c.chapter ORDER BY c.chapter",
    "SELECT COUNT(*) AS n FROM visit v JOIN visit w ON v.person_id = w.person_id WHERE v.code = 1 \
     AND w.code = 2",
    // Bins and beginnings of dates; where WHERE says both ends, all of them are known keys.
    "SELECT DATE_BIN(INTERVAL '6 months', visit_date) AS h, COUNT(*) AS n FROM visit WHERE \
     visit_date BETWEEN DATE '2020-01-01' AND DATE '2023-12-31' GROUP BY 1 ORDER BY h",
    "SELECT CAST(DATE_BIN(INTERVAL '56 days', visit_date, DATE '2020-01-06') AS DATE) AS h, \
     COUNT(*) AS n FROM visit WHERE visit_date >= '2020-01-06' AND visit_date < '2020-08-17' GROUP \
     BY 1 ORDER BY h",
    "SELECT DATE_TRUNC('quarter', visit_date + INTERVAL '1 day') AS q, COUNT(*) AS n FROM visit \
     WHERE visit_date BETWEEN DATE '2020-01-01' AND DATE '2021-12-30' GROUP BY 1 ORDER BY q",
    "SELECT EXTRACT(YEAR FROM DATE_TRUNC('week', CAST(visit_date AS TIMESTAMP))) AS y, COUNT(*) AS \
     n FROM visit WHERE visit_date > DATE '2020-01-05' AND visit_date < DATE '2024-01-01' GROUP BY \
     1 ORDER BY y",
    "SELECT COUNT(*) AS n FROM visit WHERE DATE_TRUNC('month', CAST(CAST(visit_date AS VARCHAR) AS \
     TIMESTAMP) + INTERVAL '36 hours') >= DATE '2021-06-01'",
    "SELECT COUNT(*) AS n FROM visit WHERE DATE_TRUNC('month', visit_date) + INTERVAL '1 month' - \
     INTERVAL '1 day' = visit_date + INTERVAL '9 days'",
    "SELECT COUNT(*) AS n FROM visit WHERE DATE_BIN(INTERVAL '36 hours', visit_date, TIMESTAMP \
     '2030-01-01T13:00:00') > TIMESTAMP '2021-01-01T00:00:00'",
    "SELECT chapter, code FROM codes ORDER BY code, chapter",
    "WITH f AS (SELECT person_id, region, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY \
     visit_date) AS rn FROM visit) SELECT region, COUNT(*) AS n FROM f WHERE rn = 1 GROUP BY \
     region ORDER BY region",
    "SELECT COUNT(*) AS n FROM (SELECT visit_date - LAG(visit_date) OVER (PARTITION BY person_id \
     ORDER BY visit_date) AS gap FROM visit) t WHERE gap <= 1",
    "SELECT SUM(s) AS s FROM (SELECT SUM(days) OVER (PARTITION BY person_id ORDER BY visit_date \
     ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM visit) t",
    "SELECT COUNT(*) AS n FROM (SELECT COUNT(*) OVER (PARTITION BY person_id ORDER BY visit_date \
     RANGE BETWEEN INTERVAL '1' DAY PRECEDING AND CURRENT ROW) AS k FROM visit) t WHERE k > 1",
    "SELECT COUNT(*) AS n FROM visit v WHERE EXISTS (SELECT 1 FROM person p WHERE p.person_id = \
     v.person_id AND p.sex = 'F')",
    "SELECT COUNT(*) AS n FROM person p WHERE NOT EXISTS (SELECT 1 FROM visit v WHERE v.person_id \
     = p.person_id AND v.days > 5)",
    "SELECT COUNT(*) AS n FROM person p WHERE p.sex = 'F' OR EXISTS (SELECT 1 FROM visit v WHERE \
     v.person_id = p.person_id AND v.days > 5)",
    "SELECT COUNT(*) AS n FROM person p WHERE (SELECT COUNT(*) FROM visit v WHERE v.person_id = \
     p.person_id) > 2",
    "SELECT COUNT(*) AS n FROM (SELECT person_id FROM visit WHERE code = 1) a FULL JOIN (SELECT \
     person_id FROM person WHERE sex = 'F') b ON a.person_id = b.person_id",
    "SELECT COUNT(DISTINCT person_id) AS n FROM (SELECT COALESCE(a.person_id, b.person_id) AS \
     person_id FROM (SELECT person_id FROM visit WHERE code = 1) a FULL JOIN (SELECT person_id \
     FROM person WHERE sex = 'F') b ON a.person_id = b.person_id) t",
    "SELECT COUNT(*) AS n FROM (SELECT person_id FROM person WHERE sex = 'F' INTERSECT SELECT \
     person_id FROM visit) t",
    "SELECT COUNT(*) AS n FROM (SELECT person_id FROM person EXCEPT SELECT person_id FROM visit \
     WHERE days > 5) t",
    "SELECT COUNT(*) AS n FROM visit WHERE person_id IN (SELECT person_id FROM visit GROUP BY \
     person_id HAVING COUNT(*) > 3)",
    "SELECT region, code, COUNT(*) AS n FROM visit WHERE code IN (1, 2, 3) GROUP BY ROLLUP(region, \
     code) ORDER BY region NULLS LAST, code NULLS LAST",
    "SELECT region, GROUPING(region) AS g, COUNT(*) AS n FROM visit GROUP BY CUBE(region) ORDER BY \
     region NULLS LAST",
    "SELECT sex, year_of_birth / 50 AS half, COUNT(*) AS n FROM person WHERE sex IS NOT NULL AND \
     year_of_birth IS NOT NULL GROUP BY CUBE(sex, year_of_birth / 50) ORDER BY sex NULLS LAST, \
     half NULLS LAST",
    "WITH q AS (SELECT region, COUNT(*) AS n, AVG(days) AS d FROM visit GROUP BY region) SELECT \
     a.region, a.n - b.n AS same, b.d FROM q a JOIN q b ON a.region = b.region ORDER BY a.region",
    "SELECT SUM(code) AS s, AVG(code) AS a FROM visit WHERE code BETWEEN 0 AND 5",
    "SELECT SUM(code) AS s FROM visit WHERE code >= 1 AND code < 9 AND region <> 'N'",
    "SELECT COUNT(DISTINCT code) AS n FROM visit",
    "SELECT region, COUNT(DISTINCT code) AS n FROM visit GROUP BY region ORDER BY region",
    "SELECT VAR(days) AS v, STDDEV(days) AS s, VAR_POP(days) AS w, STDDEV_POP(days) AS t FROM \
     visit",
    "SELECT COVAR_SAMP(days, cost) AS c, COVAR_POP(days, cost) AS d FROM visit",
    "SELECT CORR(days, cost) AS r FROM visit",
    "SELECT MIN(days) AS a, MAX(days) AS b FROM visit",
    "SELECT MEDIAN(days) AS m FROM visit WHERE days <> 10 AND region = 'N'",
    "SELECT region, APPROX_PERCENTILE_CONT(days, 0.8) AS p, COUNT(*) AS n FROM visit GROUP BY \
     region ORDER BY region",
    "SELECT sex, COUNT(*) AS n FROM person p JOIN (VALUES (1940, 'old'), (1942, 'old')) AS y(born, \
     band) ON p.year_of_birth = y.born GROUP BY sex ORDER BY sex",
];

/// A value as text, and how far noise may have moved it.
type Cell = (String, f64);

fn answers(tables: &[Table], sql: &str, sites: usize) -> Vec<Vec<Cell>> {
    // Split persons over sites: even and odd.
    let split = |s: usize| -> Vec<Table> {
        let own = |table: &Table| {
            let persons = persons();
            let others = persons.iter().filter(|p| {
                usize::try_from(p.id).unwrap() % sites != s && table.rows_max.is_some()
            });
            others.fold(table.clone(), |table, p| table.without(p.id))
        };
        tables.iter().map(own).collect()
    };
    let world = world(&(0..sites).map(split).collect::<Vec<_>>(), 3);
    let bounds = ContributionBounds { rows_per_person: Some(6), ..ContributionBounds::default() };
    let query = Query { text: sql.to_owned(), epsilon: 10_000.0, delta: 1e-6, bounds };
    let answer = block_on(world.engine.answer(&query)).unwrap_or_else(|e| panic!("{e}\n{sql}"));
    if let Some(receipt) = &answer.receipt {
        let verified = receipt.verify(&ledger_adapter::receipt::Trust::default()).unwrap();
        assert!(!verified.are_keys_trusted, "no key was given to trust");
    }
    (0..answer.len())
        .map(|row| {
            let width = |column| answer.interval(row, column).map_or(0.0, |b| b.upper - b.lower);
            let cell = |column| (answer.text(row, column), width(column));
            (0..answer.columns().len()).map(cell).collect()
        })
        .collect()
}

#[test]
fn at_a_large_epsilon_the_street_gives_what_plain_sql_gives() {
    let tables = clinic(&persons());
    for sql in QUERIES {
        let (expected, mut found) = (plain(&tables, sql), answers(&tables, sql, 1));
        // Declared keys that nobody has are shown too, with a zero.
        let keyed = |key: &str| expected.iter().any(|row| row[0] == key);
        found.retain(|row| !row[0].0.is_empty() || keyed(""));
        let empty = |row: &[Cell]| {
            row.len() > 2 && row.last().is_some_and(|cell| cell.0 == "0" || cell.0 == "0.0")
        };
        found.retain(|row| !empty(row));
        assert_eq!(found.len(), expected.len(), "{sql}\n{found:?}\n{expected:?}");
        // Plain SQL interpolates between two values; a private quantile is either of them.
        let is_quantile = sql.contains("PERCENTILE") || sql.contains("MEDIAN");
        let step = if is_quantile { 1.0 } else { 0.0 };
        for ((f, width), e) in found.iter().flatten().zip(expected.iter().flatten()) {
            match (f.parse::<f64>(), e.parse::<f64>()) {
                // Counts of persons have no noise at this epsilon; sums of money have some.
                (Ok(f), Ok(e)) => {
                    assert!(
                        (f - e).abs() <= 2.0 * width + step + 1e-9 * e.abs(),
                        "{f} {e} {width}: {sql}"
                    );
                    assert!(f == e || *width <= 0.25 * e.abs(), "{f} {e} {width}: {sql}");
                }
                _ => assert_eq!(f, e, "{sql}"),
            }
        }
    }
}

#[test]
fn the_number_of_sites_does_not_change_the_answer() {
    let tables = clinic(&persons());
    for sql in &QUERIES[..3] {
        assert_eq!(answers(&tables, sql, 2), answers(&tables, sql, 1), "{sql}");
    }
}

#[test]
fn declared_keys_are_shown_with_their_zeros_and_unknown_ones_only_above_a_threshold() {
    let few: Vec<Person> = persons().into_iter().take(3).collect();
    let world = world(&[clinic(&few)], 2);
    let ask = |sql: &str| {
        let bounds = ContributionBounds::default();
        let query = Query { text: sql.to_owned(), epsilon: 1.0, delta: 1e-6, bounds };
        block_on(world.engine.answer(&query)).unwrap()
    };
    let declared = ask("SELECT region, COUNT(*) AS n FROM visit GROUP BY region");
    // N, S, W and null, as the manifest declares.
    assert_eq!(declared.len(), 4);
    assert!(declared.has_intervals(1) && !declared.has_intervals(0));
    let unknown = ask("SELECT code, COUNT(*) AS n FROM visit GROUP BY code");
    assert_eq!(unknown.len(), 0);
    assert!(unknown.notes.iter().any(|note| note.contains("are not shown")));
    // Two months of days, in bins of a week.
    let weeks = ask(
        "SELECT DATE_BIN(INTERVAL '7 days', visit_date, DATE '2020-01-01') AS week, COUNT(*) AS n \
         FROM visit WHERE visit_date >= DATE '2020-01-01' AND visit_date < DATE '2020-02-26' GROUP \
         BY 1 ORDER BY week",
    );
    assert_eq!(weeks.len(), 8);
    assert_eq!(weeks.text(7, 0), "2020-02-19T00:00:00");
    // Without an end the bins are unknown.
    let open = ask(
        "SELECT DATE_BIN(INTERVAL '7 days', visit_date) AS week, COUNT(*) AS n FROM visit WHERE \
         visit_date >= DATE '2020-01-01' GROUP BY 1",
    );
    assert_eq!(open.len(), 0);
    // 91 years times 37 times 71 days are more zeros than anyone wants.
    let many = ask(
        "SELECT p.year_of_birth, v.days, v.days * 2 AS d, COUNT(*) AS n FROM visit v JOIN person p \
         ON v.person_id = p.person_id GROUP BY p.year_of_birth, v.days, v.days * 2",
    );
    assert_eq!(many.len(), 0);
}

#[test]
fn an_average_is_right_where_a_person_has_more_rows_than_count() {
    let visit = |days| Visit { region: None, code: None, cost: None, days: Some(days), date: None };
    let busy = Person { id: 1, sex: None, born: None, visits: (0..12).map(visit).collect() };
    let world = world(&[clinic(&[busy])], 1);
    let bounds = ContributionBounds { rows_per_person: Some(8), ..ContributionBounds::default() };
    let text = "SELECT AVG(days) AS a FROM visit".to_owned();
    let query = Query { text, epsilon: 9_000.0, delta: 1e-6, bounds };
    let answer = block_on(world.engine.answer(&query)).unwrap();
    // 12 visits of 0 to 11 days; 8 of them count.
    assert!((answer.number(0, 0).unwrap() - 5.5).abs() < 1.0, "{}", answer.text(0, 0));
}

#[test]
fn a_noisy_zero_divides_to_nothing_and_fails_nothing() {
    let world = world(&[clinic(&persons())], 2);
    let text = "SELECT SUM(days) / COUNT(*) FILTER (WHERE days > 99) AS none FROM visit";
    for epsilon in [0.5, 10_000.0] {
        let bounds = ContributionBounds::default();
        let query = Query { text: text.to_owned(), epsilon, delta: 1e-6, bounds };
        let answer = block_on(world.engine.answer(&query)).unwrap();
        assert_eq!(answer.len(), 1);
    }
}
