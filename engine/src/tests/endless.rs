//! What would take all memory, the stack or all time is refused before it does.

use crate::engine::Query;
use crate::error::{Code, Error, Rejection};
use crate::pg_catalog::PgCatalog;
use crate::privacy::relation::ContributionBounds;
use crate::tests::fixture::{World, block_on, clinic, world};
use crate::tests::sensitivity::{database, seeded};

fn small() -> World {
    world(&[clinic(&database(&mut seeded(17)))], 2)
}

fn refused(world: &World, text: &str) -> Rejection {
    let bounds = ContributionBounds::default();
    let query = Query { text: text.to_owned(), epsilon: 1.0, delta: 1e-6, bounds };
    match block_on(world.engine.perform(&query)) {
        Err(Error::Rejected(rejection)) => *rejection,
        other => panic!("{other:?}"),
    }
}

/// Named queries, each of which joins the one before with itself.
fn doubled(levels: usize) -> String {
    let mut text = "WITH t0 AS (SELECT person_id FROM person)".to_owned();
    for level in 1..=levels {
        let before = level - 1;
        text.push_str(&format!(
            ", t{level} AS (SELECT x.person_id FROM t{before} x JOIN t{before} y ON x.person_id = \
             y.person_id)"
        ));
    }
    format!("{text} SELECT COUNT(*) AS n FROM t{levels}")
}

#[test]
fn names_that_double_are_refused_before_they_are_planned() {
    let world = small();
    let rejection = refused(&world, &doubled(30));
    assert_eq!(rejection.code, Code::Operator, "{rejection:?}");
    let query = |text: &str| Query {
        text: text.to_owned(),
        epsilon: 1.0,
        delta: 1e-6,
        bounds: ContributionBounds::default(),
    };
    assert!(block_on(world.engine.describe(&query(&doubled(3)))).is_ok());
    assert!(block_on(world.engine.describe(&query(&doubled(30)))).is_err());
    let mut view = "SELECT person_id FROM person".to_owned();
    let mut made = 0;
    for level in 0..30 {
        let text = format!("CREATE VIEW v{level} AS {view}");
        if block_on(world.engine.perform(&query(&text))).is_err() {
            break;
        }
        made += 1;
        view = format!(
            "SELECT x.person_id FROM v{level} x JOIN v{level} y ON x.person_id = y.person_id"
        );
    }
    assert!((4..16).contains(&made), "{made} views, each of the one before twice");
}

#[test]
fn steps_count_wherever_they_stand() {
    let world = small();
    let with = doubled(30);
    let with = with.split(" SELECT COUNT(*)").next().unwrap();
    for text in [
        // Named and not used.
        format!("{with} SELECT COUNT(*) AS n FROM person"),
        // Where no rows come from.
        format!("{with} SELECT COUNT(*) AS n FROM person LIMIT (SELECT COUNT(*) FROM t30)"),
        format!("SELECT COUNT(*) AS n FROM person LIMIT ({} )", doubled(30)),
    ] {
        assert_eq!(refused(&world, &text).code, Code::Operator, "{text}");
    }
    let query = |text: &str| Query {
        text: text.to_owned(),
        epsilon: 1.0,
        delta: 1e-6,
        bounds: ContributionBounds::default(),
    };
    let mut view = "SELECT person_id FROM person".to_owned();
    for level in 0..40 {
        if block_on(world.engine.perform(&query(&format!("CREATE VIEW v{level} AS {view}"))))
            .is_err()
        {
            return;
        }
        // A name of two parts is one of the view, whatever is called so in the question.
        view = format!(
            "WITH v{level} AS (SELECT person_id FROM person) SELECT x.person_id FROM \
             public.v{level} x JOIN public.v{level} y ON x.person_id = y.person_id"
        );
    }
    panic!("a view of 2^40 steps");
}

#[test]
fn expressions_that_double_are_refused_before_they_are_written_out() {
    let world = small();
    let chain = |from: &str, step: &str, last: &str, levels: usize| {
        let mut text = format!("WITH t0 AS ({from})");
        for level in 1..=levels {
            let before = level - 1;
            text.push_str(&format!(", t{level} AS ({} FROM t{before})", step));
        }
        format!("{text} {last} FROM t{levels}")
    };
    let rows = "SELECT person_id, days AS x FROM visit";
    let count = "SELECT COUNT(*) AS n";
    for (from, step, last) in [
        (rows, "SELECT person_id, x + x AS x", "SELECT COUNT(*) AS n, SUM(x) AS s"),
        (rows, "SELECT person_id, coalesce(x, 1) AS x", count),
        (rows, "SELECT person_id, CASE WHEN x BETWEEN 1 AND 2 THEN 1 ELSE 2 END AS x", count),
        (rows, "SELECT person_id, concat(x, x, x) AS x", count),
        ("SELECT COUNT(*) AS x FROM visit", "SELECT x + x AS x", "SELECT x"),
        ("SELECT 'a' AS x", "SELECT x || x AS x", "SELECT x"),
    ] {
        let refused = refused(&world, &chain(from, step, last, 30));
        assert_eq!(refused.code, Code::Operator, "{step}: {refused:?}");
        let few = chain(from, step, last, 3);
        let query = Query {
            text: few.clone(),
            epsilon: 1.0,
            delta: 1e-6,
            bounds: ContributionBounds::default(),
        };
        assert!(block_on(world.engine.describe(&query)).is_ok(), "{few}");
    }
    for text in [
        "SELECT repeat(repeat(repeat('a', 1000), 1000), 1000) AS x",
        "SELECT replace(replace(repeat('a', 90), 'a', repeat('a', 90)), 'a', 'aaaaaaaaa') AS x",
        "SELECT lpad('a', 1000000000) AS x",
    ] {
        assert_eq!(refused(&world, text).code, Code::Operator, "{text}");
    }
}

#[test]
fn noise_that_fits_no_integer_is_refused_before_the_charge() {
    let world = small();
    let text = "SELECT SUM(days * 10000000000000) AS n FROM visit";
    let query = |epsilon| Query {
        text: text.to_owned(),
        epsilon,
        delta: 1e-6,
        bounds: ContributionBounds::default(),
    };
    match block_on(world.engine.perform(&query(0.001))) {
        Err(Error::Rejected(refused)) => assert_eq!(refused.code, Code::Unbounded, "{refused}"),
        other => panic!("{other:?}"),
    }
    assert!(block_on(world.engine.perform(&query(1.0))).is_ok());
}

#[test]
fn names_of_views_are_taken_as_they_are_quoted() {
    let world = small();
    let perform = |text: &str| {
        let query = Query {
            text: text.to_owned(),
            epsilon: 1.0,
            delta: 1e-6,
            bounds: ContributionBounds::default(),
        };
        block_on(world.engine.perform(&query)).map(|_| ())
    };
    for name in ["\"V0\"", "\"a.b\"", "plain"] {
        perform(&format!("CREATE VIEW {name} AS SELECT person_id FROM person")).unwrap();
        perform(&format!("SELECT COUNT(*) AS n FROM {name}")).unwrap();
        perform(&format!("DROP VIEW {name}")).unwrap();
        assert!(perform(&format!("SELECT COUNT(*) AS n FROM {name}")).is_err());
    }
}

#[test]
fn a_chain_as_deep_as_the_stack_is_not_taken_for_the_catalogues() {
    let world = small();
    let catalog = PgCatalog::new(world.engine.catalog(), "town", "15.0 (Graunt)").unwrap();
    for link in ["+1", " OR true", "||'a'", " UNION ALL SELECT 1"] {
        assert!(
            !catalog.concerns(&format!("SELECT version(), 1{}", link.repeat(60_000))),
            "{link}"
        );
    }
    assert_eq!(refused(&world, &format!("SELECT 1{}", "+1".repeat(60_000))).code, Code::Operator);
}

#[test]
fn texts_that_grow_from_step_to_step_are_cut() {
    let world = small();
    let catalog = PgCatalog::new(world.engine.catalog(), "town", "15.0 (Graunt)").unwrap();
    let grown = |step: &str| {
        let mut text = "WITH t0 AS (SELECT version() AS x)".to_owned();
        for level in 1..=12 {
            let before = level - 1;
            text.push_str(&format!(", t{level} AS (SELECT {step} AS x FROM t{before})"));
        }
        block_on(catalog.answer(&format!("{text} SELECT length(x) AS n FROM t12"), &[]))
    };
    let many = format!("concat({})", vec!["x"; 20].join(", "));
    for step in ["x || x || x", &many, "replace(x, 'a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')"] {
        let told = grown(step).unwrap();
        let told = arrow::util::pretty::pretty_format_batches(&[told]).unwrap().to_string();
        assert!(told.contains("4096"), "{step}: {told}");
    }
    let too_many = format!("concat({})", vec!["x"; 21].join(", "));
    assert_eq!(grown(&too_many).unwrap_err().code, Code::Function);
    let apart = format!("array_to_string(array_agg(x), '{}')", "-".repeat(40));
    assert_eq!(grown(&apart).unwrap_err().code, Code::Function);
}

#[test]
fn answers_of_public_rows_have_an_end() {
    let world = small();
    let tables = ["codes"; 12];
    let from = tables.iter().enumerate().map(|(i, table)| format!("{table} c{i}"));
    let from = from.collect::<Vec<_>>().join(" CROSS JOIN ");
    let rejection = refused(&world, &format!("SELECT c0.code FROM {from}"));
    assert_eq!(rejection.code, Code::Type, "{rejection:?}");
    assert!(rejection.to_string().contains("more than 5000000 rows"), "{rejection}");
}
