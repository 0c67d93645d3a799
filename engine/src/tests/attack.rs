//! Hostile queries: each is refused under its code, or answers over every neighbouring database
//! and moves no further than it declares. None may fail for some records only.

use crate::error::{Code, Error};
use crate::privacy::relation::ContributionBounds;
use crate::tests::fixture::{Person, Visit, World, clinic, exact, world};
use crate::tests::sensitivity::compare;

/// Queries that must be answered. Names that look like ours, joins that stray from the person,
/// values at the ends of their types, keys that are hard to compare.
pub(crate) const ADMITTED: &[&str] = &[
    "SELECT COUNT(DISTINCT person_id) FROM (SELECT code AS person_id FROM visit) t",
    "SELECT COUNT(DISTINCT person_id) FROM (SELECT x.person_id, v.person_id FROM (SELECT \
     person_id AS pid, code AS person_id FROM visit) x JOIN visit v ON x.pid = v.person_id) t",
    "SELECT COUNT(DISTINCT person_id) FROM (SELECT person_id, code FROM visit UNION ALL SELECT \
     code, person_id FROM visit) t",
    "SELECT COUNT(*) FROM visit v JOIN (SELECT person_id, nullif(person_id, 15) AS q FROM visit) w \
     ON v.person_id = w.q",
    "SELECT COUNT(*) FROM visit v FULL JOIN person p ON v.person_id = p.person_id",
    "SELECT COUNT(*) FROM visit WHERE days + 9223372036854775808 > 1",
    "SELECT COUNT(*) FROM (SELECT RANK() OVER (PARTITION BY person_id ORDER BY cost) - 1 AS r, \
     NTH_VALUE(region, 2) OVER (PARTITION BY person_id ORDER BY days) AS g FROM visit) t \
     WHERE g = 'N' AND r < 2",
    // Names.
    "WITH __graunt_released_0 AS (SELECT code AS a0, chapter AS cell FROM codes) \
     SELECT r.a0, COUNT(*) FROM visit v JOIN __graunt_released_0 r ON v.code = r.a0 GROUP BY r.a0",
    "SELECT __graunt_person, COUNT(*) FROM (SELECT region AS __graunt_person, person_id FROM \
     visit) t GROUP BY __graunt_person",
    "SELECT COUNT(*) FROM (SELECT person_id, COUNT(*) AS __graunt_i1, SUM(days) AS __graunt_i0 \
     FROM visit GROUP BY person_id) t WHERE __graunt_i0 > 1",
    "SELECT COUNT(*) FROM (SELECT region AS person_id, person_id AS region FROM visit) t \
     WHERE t.person_id = 'N'",
    "SELECT COUNT(*) FROM (SELECT x.person_id, v.person_id FROM (SELECT person_id AS pid, days AS \
     person_id FROM visit) x JOIN visit v ON x.pid = v.person_id) t",
    "SELECT COUNT(*) FROM (SELECT x.person_id, v.person_id FROM (SELECT code AS person_id FROM \
     codes) x JOIN visit v ON x.person_id = v.code) t",
    "SELECT COUNT(*) FROM (visit w JOIN person c ON w.person_id = c.person_id) AS \
     t(person_id, region, code, cost, days, visit_date, q, sex, y) WHERE sex = 'F'",
    "SELECT COUNT(*) FROM (SELECT region, person_id FROM visit) AS t(person_id, r)",
    "SELECT COUNT(*) FROM public.visit v JOIN datafusion.public.person p \
     ON v.person_id = p.person_id",
    // Joins.
    "SELECT COUNT(*) FROM visit v NATURAL JOIN person p",
    "SELECT COUNT(*) FROM visit v NATURAL JOIN codes c",
    "SELECT COUNT(*) FROM visit v RIGHT JOIN person p USING (person_id)",
    "SELECT COUNT(*) FROM visit v LEFT JOIN person p ON v.person_id = p.person_id AND \
     p.year_of_birth > 1980 WHERE p.person_id IS NULL",
    "SELECT p.sex, v.region, COUNT(*), COUNT(DISTINCT v.person_id) FROM person p LEFT JOIN visit v \
     ON p.person_id = v.person_id AND v.days > 5 GROUP BY p.sex, v.region",
    "SELECT COUNT(*) FROM visit v LEFT SEMI JOIN person p ON v.person_id = p.person_id",
    "SELECT COUNT(*) FROM visit v LEFT ANTI JOIN person p ON v.person_id = p.person_id AND \
     p.sex = 'F'",
    "SELECT COUNT(*) FROM codes c RIGHT ANTI JOIN visit v ON v.code = c.code",
    "SELECT v.region, w.region, COUNT(*) FROM visit v JOIN visit w ON v.person_id = w.person_id \
     GROUP BY v.region, w.region",
    "SELECT SUM(v.cost * w.days) FROM visit v JOIN visit w ON v.person_id = w.person_id",
    "SELECT COUNT(*) FROM visit v JOIN (visit w JOIN codes c ON w.code = c.code) \
     ON v.person_id = w.person_id",
    "SELECT COUNT(*) FROM visit v JOIN person p ON v.person_id = p.person_id AND \
     1 / (v.days - 30) > 0",
    "SELECT COUNT(*) FROM visit v JOIN (SELECT DISTINCT person_id FROM visit WHERE code = 3) d \
     USING (person_id)",
    "SELECT c.chapter, COUNT(*) FROM codes c CROSS JOIN person p GROUP BY c.chapter",
    "SELECT COUNT(*) FROM (VALUES (1), (2)) x(a), visit v WHERE v.days > x.a",
    // Set operations and subqueries.
    "SELECT COUNT(*) FROM (SELECT person_id, code FROM visit EXCEPT SELECT person_id, days FROM \
     visit) t",
    "SELECT COUNT(*) FROM (SELECT code FROM visit INTERSECT ALL SELECT code FROM codes) t",
    "SELECT COUNT(*) FROM (SELECT person_id, code FROM visit UNION ALL SELECT code, person_id FROM \
     visit) t",
    "SELECT person_id, COUNT(*) FROM (SELECT person_id, code FROM visit UNION ALL SELECT code, \
     person_id FROM visit) t GROUP BY person_id",
    "SELECT k, COUNT(*) FROM (SELECT region AS k, person_id FROM visit UNION ALL SELECT sex, \
     person_id FROM person) t GROUP BY k",
    "SELECT COUNT(*) FROM visit WHERE NOT (person_id IN (SELECT person_id FROM person WHERE \
     sex = 'F'))",
    "SELECT COUNT(*) FROM visit WHERE code = (SELECT MAX(code) FROM codes)",
    "SELECT region, COUNT(*) FROM visit GROUP BY region HAVING COUNT(*) > (SELECT COUNT(*) FROM \
     person)",
    "SELECT COUNT(DISTINCT q) FROM (SELECT nullif(person_id, 15) AS q FROM visit) t",
    // Values at the ends of their types.
    "SELECT COUNT(*) FROM visit WHERE -days > 1 AND -abs(days) < 100",
    "SELECT COUNT(*) FROM visit WHERE days / -1 > 1 AND days % -1 = 0",
    "SELECT SUM(days * days * days * days * days * days) FROM visit",
    "SELECT AVG(days), SUM(-days), COUNT(days) FROM visit",
    "SELECT COUNT(*) FROM visit WHERE CAST(cost AS SMALLINT) > 1 OR CAST(region AS INTEGER) > 1 OR \
     CAST(CAST(days AS VARCHAR) AS TINYINT) = 1",
    "SELECT COUNT(*) FROM visit WHERE CAST(days AS BOOLEAN) OR CAST(region AS BOOLEAN)",
    "SELECT COUNT(*) FROM visit WHERE substr(region, 9223372036854775807, 9223372036854775807) \
     = left(region, 9223372036854775807)",
    "SELECT COUNT(*) FROM visit WHERE concat(region, CAST(days AS VARCHAR), CAST(cost AS VARCHAR), \
     CAST(visit_date AS VARCHAR)) = 'x'",
    "SELECT COUNT(*) FROM visit WHERE visit_date - DATE '1850-01-01' > 5",
    "SELECT COUNT(*) FROM visit WHERE region ~ '(a|aa)+$' OR region LIKE '%a%a%a%'",
    "SELECT COUNT(*) FROM visit WHERE days BETWEEN code AND cost",
    // Keys.
    "SELECT cost * 0.0 AS k, COUNT(*) FROM visit GROUP BY cost * 0.0",
    "SELECT cost, COUNT(*) FROM visit WHERE cost IN (0.0, -0.0) GROUP BY cost",
    "SELECT exp(cost) - exp(cost) AS k, COUNT(*) FROM visit GROUP BY exp(cost) - exp(cost)",
    "SELECT CAST(cost AS REAL) AS k, COUNT(*) FROM visit GROUP BY 1",
    "SELECT CAST(visit_date AS TIMESTAMP) AS k, SUM(days) FROM visit GROUP BY 1",
    "SELECT CASE WHEN days = 30 THEN INTERVAL '1 day' ELSE INTERVAL '24 hours' END AS k, COUNT(*) \
     FROM visit GROUP BY 1",
    "SELECT NULL AS k, COUNT(*) FROM visit GROUP BY 1",
    "SELECT k, COUNT(*) FROM (SELECT person_id + 0 AS k FROM visit) t WHERE k IN (1, 8, 15) \
     GROUP BY k",
    "SELECT region, AVG(days), COUNT(*) FROM visit WHERE region = 'N' AND region = 'S' \
     GROUP BY region",
    "SELECT region, COUNT(*) FROM visit WHERE region <> 'N' OR region IS NULL GROUP BY region",
    "SELECT CASE region WHEN 'N' THEN 'north' WHEN 'S' THEN NULL END AS k, COUNT(*) FROM visit \
     GROUP BY 1",
    // Text that doubles, negatives that do not fit, casts that leave the calendar.
    "WITH a AS (SELECT person_id, region || region AS s FROM visit), b AS (SELECT person_id, \
     s || s || s AS s FROM a), c AS (SELECT person_id, concat(s, s, s) AS s FROM b) \
     SELECT COUNT(*) FROM c WHERE s LIKE '%N%'",
    "SELECT COUNT(*) FROM visit WHERE CASE WHEN person_id = 15 THEN \
     -(-9223372036854775807 - 1) > 0 ELSE true END",
    "SELECT COUNT(*) FROM (SELECT person_id, CAST(CASE WHEN person_id = 29 THEN '+262142-12-31' \
     ELSE '2020-01-01' END AS DATE) AS d FROM visit) t WHERE d + INTERVAL '100' YEAR > DATE \
     '2020-01-01'",
    // Bins, weeks and moments that begin before the calendar, or far from their origin.
    "SELECT DATE_BIN(INTERVAL '7 days', visit_date, DATE '2150-12-31') AS k, COUNT(*) FROM visit \
     GROUP BY 1",
    "SELECT DATE_BIN(INTERVAL '1200 months', visit_date, DATE '1850-01-31') AS k, SUM(days) FROM \
     visit GROUP BY 1",
    "SELECT COUNT(*) FROM visit WHERE DATE_TRUNC('year', DATE_TRUNC('week', visit_date)) IS NULL \
     OR DATE_BIN(INTERVAL '100' YEAR, DATE_BIN(INTERVAL '0.000000001 seconds', visit_date)) > \
     DATE '1900-01-01'",
    "SELECT COUNT(*) FROM visit WHERE CAST(visit_date AS TIMESTAMP) + INTERVAL '100' YEAR + \
     INTERVAL '1 hour' > CAST(region AS TIMESTAMP) - INTERVAL '100' YEAR",
    "SELECT COUNT(*) FROM visit v JOIN (SELECT code, TIMESTAMP '1677-09-22 00:12:44' AS t FROM \
     codes) c ON v.code = c.code WHERE DATE_TRUNC('year', c.t) IS NULL",
    "SELECT COUNT(*) FROM visit v JOIN (SELECT code, TIMESTAMP '2262-01-01' AS t FROM codes) c \
     ON v.code = c.code WHERE c.t + INTERVAL '100' YEAR IS NULL",
    "SELECT visit_date, COUNT(*) FROM visit WHERE visit_date > DATE '2020-01-08' AND visit_date < \
     DATE '2020-01-03' GROUP BY visit_date",
    "SELECT AVG(days), ROUND(AVG(cost), 2) FROM visit WHERE ROUND(cost, 2) > 1",
    "SELECT c.chapter, COUNT(*) FROM codes c CROSS JOIN person p GROUP BY c.chapter",
];

/// Queries that must be refused, by their code.
pub(crate) const REFUSED: &[(Code, &str)] = &[
    (Code::Type, "SELECT COUNT(*) FROM (SELECT region AS __graunt_1 FROM visit) t"),
    (
        Code::Type,
        "SELECT __graunt_1, COUNT(*) FROM (SELECT region AS __graunt_1, person_id FROM visit) t \
         GROUP BY __graunt_1",
    ),
    (Code::Table, "SELECT COUNT(*) FROM __graunt_released_0"),
    (Code::JoinPerson, "SELECT COUNT(*) FROM visit v JOIN visit w ON v.person_id = v.person_id"),
    (
        Code::JoinPerson,
        "SELECT COUNT(*) FROM visit v JOIN visit w ON CAST(v.person_id AS DOUBLE) = \
         CAST(w.person_id AS DOUBLE)",
    ),
    (
        Code::JoinPerson,
        "SELECT COUNT(*) FROM visit v LEFT ANTI JOIN person p ON v.code = p.year_of_birth",
    ),
    (
        Code::JoinPerson,
        "SELECT COUNT(*) FROM (SELECT person_id, code FROM visit EXCEPT SELECT code, person_id \
         FROM visit) t",
    ),
    (Code::JoinPerson, "SELECT COUNT(*) FROM visit WHERE person_id IN (SELECT code FROM visit)"),
    (
        Code::JoinPerson,
        "WITH codes AS (SELECT code FROM visit) SELECT COUNT(*) FROM codes c JOIN person p \
         ON c.code = p.year_of_birth",
    ),
    (
        Code::JoinOuter,
        "SELECT COUNT(*) FROM (SELECT code FROM codes EXCEPT SELECT code FROM visit) t",
    ),
    (Code::JoinOuter, "SELECT COUNT(*) FROM codes c LEFT SEMI JOIN visit v ON v.code = c.code"),
    (
        Code::JoinReleased,
        "SELECT COUNT(*) FROM (SELECT region, COUNT(*) AS n FROM visit GROUP BY region) t JOIN \
         visit v ON v.region = t.region",
    ),
    (
        Code::Operator,
        "SELECT COUNT(*) FROM (SELECT code FROM visit UNION ALL SELECT code FROM codes) t",
    ),
    (
        Code::Operator,
        "WITH RECURSIVE r AS (SELECT person_id, 1 AS n FROM visit UNION ALL SELECT person_id, \
         n + 1 FROM r WHERE n < 5) SELECT COUNT(*) FROM r",
    ),
    (Code::Operator, "SELECT COUNT(*) FROM (SELECT person_id, unnest([1, 2]) AS u FROM visit) t"),
    (Code::Statement, "SELECT * INTO t FROM visit"),
    (Code::Table, "SELECT COUNT(*) FROM visit v JOIN generate_series(1, 5) g ON v.code = g.value"),
    (
        Code::Subquery,
        "SELECT COUNT(*) FROM visit WHERE person_id IN (SELECT person_id FROM person) OR days = 1",
    ),
    (Code::Subquery, "SELECT COUNT(*) FROM codes WHERE EXISTS (SELECT 1 FROM visit)"),
    (
        Code::Subquery,
        "SELECT region, COUNT(*) FROM visit GROUP BY region HAVING region IN (SELECT region FROM \
         visit)",
    ),
    (
        Code::Subquery,
        "SELECT COUNT(*) FROM visit v JOIN codes c ON v.code = c.code AND EXISTS (SELECT 1 FROM \
         visit)",
    ),
    (
        Code::Subquery,
        "SELECT COUNT(*) FROM codes c, LATERAL (SELECT COUNT(*) AS n FROM visit v WHERE v.code = \
         c.code) t",
    ),
    (Code::Function, "SELECT COUNT(*) FROM visit v JOIN codes c ON random() < 0.5"),
    (Code::Function, "SELECT COUNT(*) FROM visit WHERE now() > visit_date"),
    (Code::Function, "SELECT COUNT(*) FROM visit WHERE region ~ 'a{1000}{1000}'"),
    (Code::Function, "SELECT COUNT(*) FROM visit WHERE regexp_like(region, 'a', 'q')"),
    (Code::Function, "SELECT COUNT(*) FROM visit WHERE region SIMILAR TO '('"),
    (Code::Function, "SELECT COUNT(*) FROM visit WHERE date_part('bogus', visit_date) = 1"),
    (Code::Function, "SELECT COUNT(*) FROM visit WHERE [days][1] = 30"),
    (Code::Statement, "SELECT COUNT(*) FROM visit WHERE $1 = days"),
    (Code::Type, "SELECT COUNT(*) FROM visit WHERE CAST(region AS INTERVAL) > INTERVAL '1 day'"),
    (Code::Type, "SELECT COUNT(*) FROM visit WHERE CAST(code AS TIMESTAMP) > visit_date"),
    (Code::LimitRows, "SELECT COUNT(*) FROM (SELECT region FROM visit ORDER BY cost LIMIT 3) t"),
    (Code::Distinct, "SELECT DISTINCT ON (person_id) person_id, region FROM visit"),
    (Code::Distinct, "SELECT COUNT(*) FROM (SELECT code FROM visit INTERSECT SELECT 1) t"),
    (Code::Rows, "SELECT MAX(cost) FROM visit WHERE person_id = 15 GROUP BY person_id"),
    (Code::Unbounded, "SELECT SUM(cost) FROM visit WHERE cost > 5 AND cost < 3"),
    (Code::Unbounded, "SELECT SUM(person_id) FROM visit WHERE person_id BETWEEN 0 AND 100"),
    (
        Code::Rows,
        "SELECT n, COUNT(*) FROM (SELECT person_id, COUNT(*) AS n FROM visit v RIGHT JOIN \
         person p USING (person_id) GROUP BY person_id) t GROUP BY n",
    ),
    (
        Code::Rows,
        "SELECT p.person_id, COUNT(*) FROM visit v LEFT JOIN person p ON v.person_id = \
         p.person_id AND p.year_of_birth > 1980 GROUP BY p.person_id",
    ),
    (
        Code::JoinReleased,
        "SELECT COUNT(*) FILTER (WHERE (SELECT COUNT(*) FROM visit) > 3) FROM codes",
    ),
    (
        Code::Function,
        "SELECT COUNT(*) FROM visit WHERE power(2, days) > 3 OR trunc(cost, code) > 1",
    ),
    (Code::Function, "SELECT COUNT(*) FROM visit WHERE (days << code) > 1 AND (days >> -1) = 0"),
    (
        Code::Type,
        "SELECT COUNT(*) FROM (SELECT * FROM visit WHERE days = 30) v JOIN (SELECT code, \
         1 / (code - code) AS q FROM codes) c ON v.code = c.code AND c.q = 1",
    ),
    (Code::Type, "SELECT COUNT(*) FROM visit v WHERE v.code IN (SELECT 1 / (code - 3) FROM codes)"),
    (
        Code::Operator,
        "SELECT COUNT(*) FROM visit v JOIN (SELECT a.code FROM codes a, codes b, codes c, \
         codes d, codes e, codes f, codes g, codes h, codes i, codes j, codes k, codes l) \
         c ON v.code = c.code",
    ),
    (Code::Function, "SELECT COUNT(*) FROM visit WHERE power(cost, -0.5) > 0.5"),
    (Code::Function, "SELECT COUNT(*) FROM visit WHERE region ~* '[a-z]{60000}'"),
    (Code::Function, "SELECT COUNT(*) FROM visit WHERE region LIKE 'a!' ESCAPE '!'"),
    (
        Code::Type,
        "SELECT COUNT(*) FROM visit WHERE (CAST(region AS TIMESTAMP) AT TIME ZONE \
         'bogus') IS NULL",
    ),
    (
        Code::JoinReleased,
        "SELECT COUNT(*) FROM visit v JOIN person p ON v.person_id = p.person_id AND \
         v.cost > (SELECT AVG(cost) FROM visit)",
    ),
    (
        Code::JoinReleased,
        "SELECT COUNT(*) FROM visit v JOIN (SELECT code FROM codes WHERE code > (SELECT \
         COUNT(*) FROM visit)) c ON v.code = c.code",
    ),
    (
        Code::Subquery,
        "SELECT COUNT(*) FROM visit v, LATERAL (SELECT c.code FROM codes c WHERE c.code = \
         v.code) t",
    ),
    (
        Code::Subquery,
        "SELECT SUM(CASE WHEN code IN (SELECT code FROM codes) THEN 1 ELSE 0 END) FROM \
         visit",
    ),
    (Code::Operator, "SELECT COUNT(*) FROM visit WHERE code > (SELECT code FROM codes)"),
    (Code::Operator, "SELECT COUNT(*) FROM visit TABLESAMPLE SYSTEM (10)"),
    (Code::Aggregate, "SELECT region FROM visit GROUP BY region"),
    (
        Code::Type,
        "SELECT COUNT(*) FROM visit WHERE date_trunc('year', TIMESTAMP '1677-09-22T00:00:00') \
         IS NULL",
    ),
];

/// Five persons: one of many visits, one of values that hardly fit, one of odd texts and zeros,
/// one of no visit, one that is ordinary.
fn persons() -> Vec<Person> {
    let visit = |region, code, cost, days, date| Visit { region, code, cost, days, date };
    let many = (0i32..12).map(|i| {
        let day = Some(i64::from(i));
        visit(Some("N"), day, Some(3.5 + f64::from(i)), day, Some(18_262 + i))
    });
    let extreme = vec![
        visit(None, None, None, None, None),
        visit(Some("S"), Some(i64::MIN), Some(f64::NAN), Some(i64::MIN), Some(i32::MIN)),
        visit(Some("elsewhere"), Some(i64::MAX), Some(-4e300), Some(i64::MAX), Some(i32::MAX)),
    ];
    let odd = vec![
        visit(Some("("), Some(3), Some(0.0), Some(30), Some(66_108)),
        visit(Some("+262142-12-31"), Some(2), Some(-0.0), Some(-5), Some(-43_829)),
        visit(Some("W"), Some(2), Some(1e9), Some(1), Some(0)),
    ];
    let ordinary = vec![
        visit(Some("N"), Some(1), Some(10.0), Some(7), Some(18_500)),
        visit(Some("S"), Some(2), Some(20.0), Some(0), Some(18_501)),
        visit(Some("W"), Some(3), Some(30.0), Some(2), Some(18_502)),
    ];
    vec![
        Person { id: 1, sex: Some("F"), born: Some(1950), visits: many.collect() },
        Person { id: 8, sex: None, born: None, visits: extreme },
        Person { id: 15, sex: Some("M"), born: Some(9999), visits: odd },
        Person { id: 22, sex: Some("M"), born: Some(1985), visits: vec![] },
        Person { id: 29, sex: Some("F"), born: Some(2010), visits: ordinary },
    ]
}

/// The records of all persons, and those without each one of them.
pub(crate) fn neighbours() -> (World, Vec<(i64, World)>) {
    let persons = persons();
    let tables = clinic(&persons);
    let without = |id| world(&[tables.iter().map(|table| table.without(id)).collect()], 2);
    let fewer = persons.iter().map(|person| (person.id, without(person.id))).collect();
    (world(&[tables], 2), fewer)
}

#[test]
fn hostile_queries_that_are_admitted_stay_within_what_they_declare() {
    let (with, without) = neighbours();
    let narrow = ContributionBounds {
        rows_per_person: Some(2),
        groups_per_person: Some(1),
        ..ContributionBounds::default()
    };
    let (mut moved, mut refused) = (0, Vec::new());
    for sql in ADMITTED {
        for bounds in [ContributionBounds::default(), narrow] {
            let all = match exact(&with, sql, bounds, 2) {
                Ok(all) => all,
                Err(error) => {
                    refused.push(format!("{sql}: {error}"));
                    continue;
                }
            };
            for (person, fewer) in &without {
                let fewer = exact(fewer, sql, bounds, 2).unwrap();
                moved += compare(&all, &fewer, &format!("without {person}: {sql}"));
            }
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(moved > 500, "the queries hardly touch the records: {moved} cells moved");
}

#[test]
fn hostile_queries_that_are_refused_have_their_code() {
    let (with, _) = neighbours();
    let mut otherwise = Vec::new();
    for (code, sql) in REFUSED {
        match exact(&with, sql, ContributionBounds::default(), 2) {
            Err(Error::Rejected(refusal)) if refusal.code == *code => {}
            Err(other) => otherwise.push(format!("{sql}: {other}")),
            Ok(_) => otherwise.push(format!("admitted: {sql}")),
        }
    }
    assert!(otherwise.is_empty(), "{otherwise:#?}");
}
