//! Whoever asks: taking questions back, accounts of their own, and what an answer will look like
//! before it is asked for.

use arrow::datatypes::DataType;
use ledger_adapter::charge::Opening;
use ledger_adapter::digest::Digest;

use crate::asker::{Asker, Progress, Stop, Turn};
use crate::describe::Description;
use crate::engine::{Engine, Query};
use crate::error::{Code, Error};
use crate::pg_catalog::PgCatalog;
use crate::privacy::relation::ContributionBounds;
use crate::requests::Outcome;
use crate::sql::arguments::Argument;
use crate::tests::fixture::{World, block_on, clinic, world};
use crate::tests::sensitivity::{database, seeded};

fn asked(text: &str, epsilon: f64) -> Query {
    let bounds = ContributionBounds {
        rows_per_person: Some(3),
        groups_per_person: Some(2),
        persons_min: 0,
        ..ContributionBounds::default()
    };
    Query { text: text.to_owned(), epsilon, delta: 1e-6, bounds }
}

fn small() -> World {
    world(&[clinic(&database(&mut seeded(11)))], 2)
}

fn by(world: &World, asker: Asker) -> Engine {
    world.engine.asked_by(asker, world.engine.settings())
}

fn charges(world: &World) -> u64 {
    let account = world.engine.catalog().account();
    world.engine.ledger().remaining(account).unwrap().unwrap().charges
}

const COUNT: &str = "SELECT COUNT(*) AS n FROM visit";

#[test]
fn a_question_that_is_taken_back_costs_nothing_and_one_that_was_charged_is_answered() {
    let world = small();
    let stop = Stop::default();
    assert!(stop.stop());
    let asker = Asker { stop, ..Asker::default() };
    let before = charges(&world);
    let done = block_on(by(&world, asker).answer(&asked(COUNT, 1.0)));
    assert!(matches!(done, Err(Error::Stopped)), "{done:?}");
    assert_eq!(charges(&world), before);
    let (stop, progress) = (Stop::default(), Progress::default());
    let own = progress.clone();
    let asker = Asker { stop: stop.clone(), progress: Some(own), ..Asker::default() };
    assert!(block_on(by(&world, asker).answer(&asked(COUNT, 1.0))).is_ok());
    assert!(stop.has_passed() && !stop.stop());
    assert_eq!(charges(&world), before + 1);
    assert_eq!(progress.of(), (2, 2));
    // What tells how far a question is leaves the tables where they are.
    assert!(block_on(world.engine.answer(&asked(COUNT, 2.0))).is_ok());
}

#[test]
fn a_question_that_several_ask_at_once_is_charged_once() {
    let world = small();
    let kept = tempfile::tempdir().unwrap();
    let World { engine, directory: _held, .. } = world;
    let engine = engine.with_releases(kept.path().to_owned());
    let account = engine.catalog().account();
    let charges = || engine.ledger().remaining(account).unwrap().unwrap().charges;
    let before = charges();
    // Each keeps its turn until its asker is gone, as a server does.
    let ask = || {
        let turn = Some(Turn::default());
        let asker = Asker { turn, ..Asker::default() };
        let own = engine.asked_by(asker, engine.settings());
        async move { own.answer(&asked(COUNT, 1.0)).await.unwrap() }
    };
    let answers = block_on(async { futures::future::join_all((0..8).map(|_| ask())).await });
    assert_eq!(charges(), before + 1);
    let first = answers[0].receipt.as_ref().unwrap().intent.query;
    assert!(answers.iter().all(|a| a.receipt.as_ref().unwrap().intent.query == first));
    // Without releases that are kept, nobody waits for anybody.
    let world = small();
    let before = self::charges(&world);
    for _ in 0..2 {
        block_on(world.engine.answer(&asked(COUNT, 1.0))).unwrap();
    }
    assert_eq!(self::charges(&world), before + 2);
}

#[test]
fn an_account_of_whoever_asks_pays_the_same_and_refuses_for_both() {
    let world = small();
    let engine = by(&world, Asker::default());
    let cost = block_on(engine.quote(&asked(COUNT, 1.0))).unwrap().cost;
    let account = Digest::sha256(b"ada");
    engine.ledger().open_account(&Opening { account, cap: cost }).unwrap();
    let asker = Asker { account: Some(account), epsilon_max: Some(1.0), ..Asker::default() };
    let engine = by(&world, asker);
    let answer = block_on(engine.answer(&asked(COUNT, 1.0))).unwrap();
    let receipt = answer.receipt.unwrap();
    assert!(receipt.verify(&ledger_adapter::receipt::Trust::default()).is_ok());
    assert_eq!(engine.ledger().remaining(account).unwrap().unwrap().spent, cost);
    let before = charges(&world);
    let other = "SELECT COUNT(*) AS n FROM visit WHERE code = 1";
    let refused = block_on(engine.answer(&asked(other, 1.0)));
    assert!(matches!(refused, Err(Error::Exhausted { .. })), "{refused:?}");
    assert_eq!(charges(&world), before);
    for text in [
        other.to_owned(),
        other.replace("SELECT", "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 2)"),
    ] {
        match block_on(engine.answer(&asked(&text, 1.5))) {
            Err(Error::Rejected(rejection)) => assert_eq!(rejection.code, Code::Epsilon),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn views_of_one_session_are_not_those_of_another() {
    let world = small();
    let (one, other) = (world.engine.apart().unwrap(), world.engine.apart().unwrap());
    let view = asked("CREATE VIEW old AS SELECT * FROM visit WHERE cost > 5", 1.0);
    assert!(block_on(one.perform(&view)).is_ok());
    let text = asked("SELECT COUNT(*) AS n FROM old", 1.0);
    assert!(block_on(one.quote(&text)).is_ok());
    assert!(block_on(other.quote(&text)).is_err());
}

#[test]
fn an_answer_looks_as_it_was_foretold() {
    let world = small();
    let ends = Some(["_lo", "_hi"]);
    for text in [
        COUNT,
        "SELECT code, COUNT(*) AS n, SUM(cost) AS s, AVG(cost) AS a FROM visit GROUP BY code",
        "SELECT code, COUNT(*) AS n FROM visit GROUP BY code HAVING COUNT(*) > 100000",
        "SELECT COUNT(*) * 100.0 / 7 AS share, 'x' AS label FROM visit",
        "SELECT 1 AS one",
    ] {
        let query = asked(text, 1.0);
        let Description::Answer(shape) = block_on(world.engine.describe(&query)).unwrap() else {
            panic!("{text}")
        };
        let answer = block_on(world.engine.answer(&query)).unwrap();
        for ends in [None, ends] {
            let rows = answer.shaped(&shape, ends).unwrap();
            assert_eq!(rows.schema(), shape.schema(ends), "{text}");
            assert_eq!(rows.num_rows(), answer.len(), "{text}");
        }
        let plain: Vec<_> =
            answer.batch(false).unwrap().schema().fields().iter().cloned().collect();
        let foretold: Vec<_> = shape.schema(None).fields().iter().cloned().collect();
        assert_eq!(plain, foretold, "{text}");
    }
    let explained = block_on(world.engine.describe(&asked("EXPLAIN SELECT 1", 1.0))).unwrap();
    assert!(matches!(explained, Description::Explanation));
}

#[test]
fn parameters_have_the_types_of_what_they_are_compared_with() {
    let world = small();
    let text = "SELECT code, COUNT(*) AS n FROM visit WHERE code = $1 AND cost < $2 GROUP BY code";
    let query = asked(text, 10_000.0);
    let (types, shape) = block_on(world.engine.describe_prepared(&query)).unwrap();
    assert!(types.iter().all(|kind| kind.as_ref().is_some_and(DataType::is_numeric)));
    assert_eq!(shape.schema(None).field(1).name(), "n");
    let values = [Argument::Number("1".to_owned()), Argument::Number("1e3".to_owned())];
    let outcome = block_on(world.engine.perform_prepared(&query, &values)).unwrap();
    assert!(matches!(outcome, Outcome::Answered(_)));
    let hostile = [Argument::Text("1 OR TRUE --".to_owned()), Argument::Number("1".to_owned())];
    let refused = block_on(world.engine.perform_prepared(&query, &hostile));
    assert!(matches!(refused, Err(Error::Rejected(_))), "{refused:?}");
    let text = "SELECT COUNT(*) FROM visit WHERE cost = $99999999999";
    assert!(block_on(world.engine.describe_prepared(&asked(text, 1.0))).is_err());
    let few = block_on(world.engine.perform_prepared(&query, &values[..1]));
    assert!(matches!(few, Err(Error::Rejected(_))));
}

#[test]
fn the_catalogue_is_told_and_nothing_else_can_be_reached_by_it() {
    let world = small();
    let catalog = PgCatalog::new(world.engine.catalog(), "town", "15.0 (Graunt)").unwrap();
    let rows = |text: &str| block_on(catalog.answer(text, &[]));
    for text in [
        "SELECT version()",
        "SELECT relname FROM pg_catalog.pg_class WHERE relname = 'visit'",
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'visit'",
        "SELECT conname FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid",
        "SELECT current_schema(), current_database()",
        "SELECT ARRAY(SELECT 1) AS none FROM pg_catalog.pg_namespace LIMIT 1",
    ] {
        assert!(catalog.concerns(text), "{text}");
        let (schema, _) = block_on(catalog.describe(text)).unwrap();
        assert_eq!(rows(text).unwrap().num_columns(), schema.fields().len(), "{text}");
    }
    let kinds = rows("SELECT DISTINCT data_type FROM information_schema.columns").unwrap();
    let kinds = arrow::util::pretty::pretty_format_batches(&[kinds]).unwrap().to_string();
    assert!(kinds.contains("bigint") && !kinds.contains("Int64"), "{kinds}");
    for text in [
        "SELECT * FROM visit",
        "SELECT COUNT(*) FROM visit, pg_catalog.pg_class",
        "SELECT (SELECT COUNT(*) FROM visit) FROM pg_class",
        "COPY visit TO '/tmp/x'",
        "CREATE EXTERNAL TABLE pg_x STORED AS CSV LOCATION '/etc/passwd'",
        "SELECT 1",
    ] {
        assert!(!catalog.concerns(text), "{text}");
    }
    // Whatever was sent there all the same has no rows of persons, no file and no effect.
    for text in [
        "CREATE EXTERNAL TABLE pg_x STORED AS CSV LOCATION '/etc/passwd'",
        "COPY (SELECT 1) TO '/tmp/graunt-pg-x.csv'",
        "INSERT INTO pg_catalog.pg_class SELECT * FROM pg_catalog.pg_class",
        "SELECT * FROM '/etc/passwd'",
        "DROP TABLE visit",
        "SET datafusion.catalog.information_schema = false",
        "SELECT length(repeat('x', 1500000000)), version()",
        "SELECT count(*) FROM generate_series(1, 3000000000) WHERE version() IS NOT NULL",
        "SELECT lpad('x', 1500000000, 'y') FROM pg_class",
    ] {
        assert!(rows(text).is_err(), "{text}");
    }
    assert!(rows("SELECT * FROM visit").is_err());
    let values = [Argument::Text("visit'; --".to_owned())];
    let none = block_on(catalog.answer("SELECT oid FROM pg_class WHERE relname = $1", &values));
    assert_eq!(none.unwrap().num_rows(), 0);
}

#[test]
fn a_session_keeps_so_many_views_and_prepared_queries() {
    let world = small();
    let engine = world.engine.apart().unwrap();
    let done = |text: &str| block_on(engine.perform(&asked(text, 1.0)));
    for (make, forget) in [
        ("CREATE VIEW v# AS SELECT * FROM visit WHERE cost > 5", "DROP VIEW v7"),
        ("PREPARE v# AS SELECT COUNT(*) AS n FROM visit WHERE cost > $1", "DEALLOCATE v7"),
    ] {
        let of = |i: usize| make.replace('#', &i.to_string());
        for i in 0..100 {
            assert!(done(&of(i)).is_ok(), "{i}: {make}");
        }
        match done(&of(100)) {
            Err(Error::Rejected(rejection)) => assert_eq!(rejection.code, Code::Statement),
            other => panic!("{other:?}"),
        }
        // What is there already is replaced, and what is forgotten makes room.
        assert!(done(&of(3).replace("CREATE", "CREATE OR REPLACE")).is_ok());
        assert!(done(forget).is_ok());
        assert!(done(&of(100)).is_ok());
    }
}
