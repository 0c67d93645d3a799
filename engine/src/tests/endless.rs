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
