//! What is refused, by its code, with a place and a way out; and that nothing is charged for it.

use ledger_adapter::bucket::bucket_of;
use ledger_adapter::digest::Digest;
use ledger_adapter::ledger::Ledger;

use crate::engine::Query;
use crate::error::{Code, Error};
use crate::privacy::relation::ContributionBounds;
use crate::tests::fixture::{World, block_on, clinic, world, world_on, world_placed};
use crate::tests::sensitivity::{database, seeded};

fn ask(world: &World, sql: &str, epsilon: f64, delta: f64) -> Error {
    let bounds = ContributionBounds::default();
    let query = Query { text: sql.to_owned(), epsilon, delta, bounds };
    match block_on(world.engine.answer(&query)) {
        Ok(_) => panic!("answered: {sql}"),
        Err(error) => error,
    }
}

const REFUSED: &[(Code, &str)] = &[
    (Code::Syntax, "SELECT COUNT(* FROM visit"),
    (Code::Statement, "DROP TABLE visit"),
    (Code::Table, "SELECT COUNT(*) FROM visits"),
    (Code::Column, "SELECT COUNT(price) FROM visit"),
    (Code::Rows, "SELECT * FROM visit"),
    (Code::Rows, "SELECT person_id, COUNT(*) FROM visit GROUP BY person_id"),
    (Code::Rows, "SELECT MAX(cost) FROM visit GROUP BY person_id"),
    (Code::JoinPerson, "SELECT COUNT(*) FROM visit v JOIN person p ON v.code = p.year_of_birth"),
    (Code::JoinPerson, "SELECT COUNT(*) FROM visit v JOIN visit w ON v.visit_date < w.visit_date"),
    (Code::JoinPerson, "SELECT COUNT(*) FROM visit, person"),
    (
        Code::JoinPerson,
        "SELECT COUNT(*) FROM visit v JOIN person p ON v.person_id = p.person_id OR v.days = 1",
    ),
    (
        Code::JoinPerson,
        "SELECT COUNT(*) FROM visit v JOIN person p ON v.person_id = p.person_id + 1",
    ),
    (Code::JoinOuter, "SELECT COUNT(*) FROM codes c LEFT JOIN visit v ON c.code = v.code"),
    (
        Code::JoinReleased,
        "SELECT COUNT(*) FROM visit v JOIN (SELECT AVG(cost) AS a FROM visit) t ON v.cost > t.a",
    ),
    (Code::JoinReleased, "SELECT COUNT(*) FROM visit WHERE cost > (SELECT AVG(cost) FROM visit)"),
    (Code::LimitRows, "SELECT COUNT(*) FROM (SELECT * FROM visit LIMIT 5) t"),
    (Code::Distinct, "SELECT COUNT(*) FROM (SELECT DISTINCT region FROM visit) t"),
    (Code::Aggregate, "SELECT STRING_AGG(region, ',') FROM visit"),
    (Code::Aggregate, "SELECT BIT_AND(code) FROM visit"),
    (
        Code::Aggregate,
        "SELECT PERCENTILE_CONT(days, 0.5 + 0.1) FROM visit GROUP BY region, code % 2 = 0",
    ),
    (Code::Aggregate, "SELECT region, COUNT(DISTINCT code) FROM visit GROUP BY ROLLUP(region)"),
    (Code::Aggregate, "SELECT region, COUNT(DISTINCT person_id) FROM visit GROUP BY CUBE(region)"),
    (Code::Unbounded, "SELECT SUM(code) FROM visit"),
    (Code::Unbounded, "SELECT MEDIAN(code) FROM visit"),
    (Code::Unbounded, "SELECT SUM(code) FROM visit WHERE code > 0"),
    (Code::Unbounded, "SELECT SUM(person_id) FROM visit WHERE person_id BETWEEN 0 AND 9"),
    (Code::Unbounded, "SELECT VAR(code) FROM visit"),
    (Code::Unbounded, "SELECT SUM(1.0 / days) FROM visit"),
    (Code::Function, "SELECT COUNT(*) FROM visit WHERE random() < 0.5"),
    (Code::Function, "SELECT COUNT(*) FROM visit WHERE chr(days) = 'a'"),
    (Code::Type, "SELECT COUNT(*) FROM visit WHERE visit_date > 'yesterday'"),
    (Code::Type, "SELECT COUNT(*) FROM visit WHERE CAST(code AS DATE) > DATE '2020-01-01'"),
    (
        Code::Function,
        "SELECT COUNT(*) FROM visit WHERE visit_date + INTERVAL '900' YEAR > DATE '2020-01-01'",
    ),
    (Code::Function, "SELECT COUNT(*) FROM visit WHERE region ~ '('"),
    (Code::Function, "SELECT COUNT(*) FROM visit WHERE regexp_like(region, region)"),
    (Code::Function, "SELECT COUNT(*) FROM visit WHERE date_part('eon', visit_date) = 1"),
    (
        Code::Function,
        "SELECT DATE_BIN(INTERVAL '0 days', visit_date), COUNT(*) FROM visit GROUP BY 1",
    ),
    (
        Code::Function,
        "SELECT COUNT(*) FROM visit WHERE DATE_BIN(INTERVAL '-7 days', visit_date) IS NULL",
    ),
    (Code::Function, "SELECT COUNT(*) FROM visit WHERE DATE_BIN(NULL, visit_date) IS NULL"),
    (
        Code::Function,
        "SELECT COUNT(*) FROM visit WHERE DATE_BIN(INTERVAL '1 month 1 day', visit_date) IS NULL",
    ),
    (
        Code::Function,
        "SELECT COUNT(*) FROM visit WHERE DATE_BIN(INTERVAL '1 month -31 days', visit_date) \
         IS NULL",
    ),
    (
        Code::Function,
        "SELECT COUNT(*) FROM visit WHERE DATE_BIN(INTERVAL '101' YEAR, visit_date) IS NULL",
    ),
    (
        Code::Function,
        "SELECT COUNT(*) FROM visit WHERE DATE_BIN(CASE WHEN days > 3 THEN INTERVAL '1 day' ELSE \
         INTERVAL '7 days' END, visit_date) IS NULL",
    ),
    (
        Code::Function,
        "SELECT COUNT(*) FROM visit WHERE DATE_BIN(INTERVAL '7 days', visit_date, \
         visit_date) IS NULL",
    ),
    (
        Code::Function,
        "SELECT COUNT(*) FROM visit WHERE DATE_BIN(INTERVAL '7 days', visit_date, NULL) IS NULL",
    ),
    (
        Code::Type,
        "SELECT COUNT(*) FROM visit WHERE DATE_BIN(INTERVAL '7 days', visit_date, DATE \
         '1700-01-01') IS NULL",
    ),
    (
        Code::Function,
        "SELECT COUNT(*) FROM visit WHERE CAST(visit_date AS TIMESTAMP) + INTERVAL '100 years 200 \
         days' > DATE '2020-01-01'",
    ),
    (Code::Function, "SELECT COUNT(*) FROM visit WHERE DATE_TRUNC('eon', visit_date) IS NULL"),
    (Code::Type, "SELECT COUNT(*) FROM visit WHERE CAST(cost AS DECIMAL(5, 2)) > 1"),
    (
        Code::Window,
        "SELECT COUNT(*) FROM (SELECT ROW_NUMBER() OVER (ORDER BY cost) AS r FROM visit) t",
    ),
    (
        Code::JoinPerson,
        "SELECT COUNT(*) FROM visit v WHERE EXISTS (SELECT 1 FROM person p WHERE p.year_of_birth = \
         v.days)",
    ),
    (
        Code::Window,
        "SELECT COUNT(*) FROM (SELECT SUM(days) OVER (PARTITION BY region) AS s FROM visit) t",
    ),
    (
        Code::Window,
        "SELECT COUNT(*) FROM (SELECT COUNT(*) OVER (PARTITION BY person_id ORDER BY days RANGE \
         BETWEEN 3 PRECEDING AND CURRENT ROW) AS k FROM visit) t",
    ),
    (Code::Subquery, "SELECT COUNT(*) FROM visit WHERE code IN (SELECT code FROM visit)"),
    (
        Code::Window,
        "SELECT COUNT(*) FROM (SELECT LAG(days, -9223372036854775808) OVER (PARTITION BY person_id \
         ORDER BY visit_date) AS d FROM visit) t",
    ),
    (
        Code::Window,
        "SELECT COUNT(*) FROM (SELECT NTH_VALUE(days, 0) OVER (PARTITION BY person_id ORDER BY \
         visit_date) AS d FROM visit) t",
    ),
    (
        Code::Window,
        "SELECT COUNT(*) FROM (SELECT SUM(days) OVER (PARTITION BY person_id ORDER BY visit_date \
         ROWS BETWEEN 18446744073709551615 PRECEDING AND CURRENT ROW) AS d FROM visit) t",
    ),
    (
        Code::Operator,
        "SELECT COUNT(*) FROM (SELECT person_id, region, COUNT(*) AS n FROM visit GROUP BY \
         ROLLUP(person_id, region)) t",
    ),
];

#[test]
fn every_refusal_has_its_code() {
    let world = world(&[clinic(&database(&mut seeded(1)))], 2);
    for (code, sql) in REFUSED {
        match ask(&world, sql, 1.0, 1e-6) {
            Error::Rejected(rejection) => {
                assert_eq!(rejection.code, *code, "{sql}: {rejection}");
                assert!(!rejection.reason.is_empty(), "{sql}");
            }
            other => panic!("{sql}: {other}"),
        }
    }
    let balance = world.ledger.remaining(Digest::sha256(b"population")).unwrap().unwrap();
    assert_eq!(balance.charges, 0);
}

#[test]
fn a_refused_join_names_the_person_key_and_its_place() {
    let world = world(&[clinic(&database(&mut seeded(1)))], 2);
    let sql = "SELECT COUNT(*)\nFROM visit v\nJOIN visit w ON v.visit_date = w.visit_date";
    let Error::Rejected(rejection) = ask(&world, sql, 1.0, 1e-6) else { panic!("not refused") };
    assert!(rejection.reason.contains("person_id"), "{rejection}");
    assert_eq!(rejection.hint.as_deref(), Some("add v.person_id = w.person_id to the join"));
    assert_eq!(rejection.place.map(|place| place.line), Some(3));
}

#[test]
fn privacy_parameters_out_of_range_are_refused_and_nothing_is_charged() {
    let world = world(&[clinic(&database(&mut seeded(1)))], 2);
    let sql = "SELECT COUNT(*) FROM visit";
    for epsilon in [0.0, -1.0, f64::NAN, f64::INFINITY, 0.000_999, 10_000.1] {
        let error = ask(&world, sql, epsilon, 1e-6);
        assert!(
            matches!(&error, Error::Rejected(r) if r.code == Code::Epsilon),
            "{epsilon}: {error}"
        );
    }
    for delta in [0.0, -1e-9, f64::NAN, 0.5, f64::INFINITY] {
        let error = ask(&world, sql, 1.0, delta);
        assert!(
            matches!(&error, Error::Rejected(r) if r.code == Code::Epsilon),
            "{delta}: {error}"
        );
    }
    let balance = world.ledger.remaining(Digest::sha256(b"population")).unwrap().unwrap();
    assert_eq!(balance.charges, 0);
}

#[test]
fn a_flipped_byte_is_found_before_anything_is_charged() {
    let world = world(&[clinic(&database(&mut seeded(1)))], 2);
    let path = world.directory.path().join("site-0/visit/bucket-001.parquet");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = ask(&world, "SELECT COUNT(*) FROM visit", 1.0, 1e-6);
    assert!(matches!(error, Error::Untrusted(_)), "{error}");
    let balance = world.ledger.remaining(Digest::sha256(b"population")).unwrap().unwrap();
    assert_eq!(balance.charges, 0);
    // Tables that are whole can still be asked about.
    let bounds = ContributionBounds::default();
    let text = "SELECT COUNT(*) FROM person".to_owned();
    let query = Query { text, epsilon: 1.0, delta: 1e-6, bounds };
    assert!(block_on(world.engine.answer(&query)).is_ok());
}

#[test]
fn an_expired_extract_is_not_read() {
    let tables = clinic(&database(&mut seeded(1)));
    let ask_on = |day| {
        let world = world_on(day, std::slice::from_ref(&tables), 2);
        let bounds = ContributionBounds::default();
        let text = "SELECT COUNT(*) FROM person".to_owned();
        let query = Query { text, epsilon: 1.0, delta: 1e-6, bounds };
        let answer = block_on(world.engine.answer(&query)).map(|answer| answer.len());
        let balance = world.ledger.remaining(Digest::sha256(b"population")).unwrap().unwrap();
        (answer, balance.charges)
    };
    assert!(matches!(ask_on(30_000), (Ok(1), 1)));
    let (answer, charges) = ask_on(30_001);
    let Err(Error::Untrusted(why)) = answer else { panic!("an expired extract was read") };
    assert!(why.to_string().contains("expired"), "{why}");
    assert_eq!(charges, 0);
}

#[test]
fn a_person_in_another_bucket_stops_the_query_without_a_word() {
    let tables = clinic(&database(&mut seeded(1)));
    let astray = |person, buckets| (bucket_of(person, buckets) + 1) % buckets;
    let world = world_placed(20_000, &[tables], 2, astray);
    let error = ask(&world, "SELECT COUNT(*) FROM visit", 1.0, 1e-6);
    assert!(matches!(error, Error::Failed(_)), "{error}");
    assert!(!error.to_string().contains("bucket"), "{error}");
}

#[test]
fn a_budget_too_small_for_choosing_keys_is_refused_before_it_is_spent() {
    let world = world(&[clinic(&database(&mut seeded(1)))], 2);
    for sql in [
        "SELECT code, SUM(days) FROM visit GROUP BY code",
        "SELECT code, COUNT(DISTINCT person_id) FROM visit GROUP BY code",
    ] {
        for (epsilon, delta) in [(0.001, 1e-6), (1.0, 1e-18)] {
            let bounds = ContributionBounds::default();
            let query = Query { text: sql.to_owned(), epsilon, delta, bounds };
            match block_on(world.engine.answer(&query)) {
                // A threshold may be met at any epsilon.
                Ok(_) => assert!(epsilon < 1.0 && sql.contains("DISTINCT")),
                Err(Error::Rejected(rejection)) => assert_eq!(rejection.code, Code::Epsilon),
                Err(other) => panic!("{sql}: {other}"),
            }
        }
    }
    let balance = world.ledger.remaining(Digest::sha256(b"population")).unwrap().unwrap();
    assert!(balance.charges <= 1);
}
