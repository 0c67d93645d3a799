//! Many quantiles of one column: read from one tree of noisy counts, for one charge.

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array, StringArray};
use ledger_adapter::digest::Digest;
use ledger_adapter::manifest::{ColumnKind, ColumnManifest};
use ledger_adapter::receipt::Trust;
use ledger_adapter::statement::{DISCRETE_GAUSSIAN, EXPONENTIAL, MechanismRecord};

use crate::aggregate::{self, Place};
use crate::answer::Answer;
use crate::engine::Query;
use crate::noise::purse::Purse;
use crate::noise::tape::{self, Parameters};
use crate::perturb;
use crate::privacy::relation::ContributionBounds;
use crate::scan::gate::VerifiedScan;
use crate::scan::public::settle;
use crate::tests::attack::neighbours;
use crate::tests::fixture::{
    Person, Table, Visit, World, block_on, bounded, clinic, column, keyed, plain, world,
};
use crate::tests::replay::audit_both;

fn query(sql: &str, epsilon: f64, rows: u32, groups: u32) -> Query {
    let bounds = ContributionBounds {
        rows_per_person: Some(rows),
        groups_per_person: Some(groups),
        ..ContributionBounds::default()
    };
    Query { text: sql.to_owned(), epsilon, delta: 1e-6, bounds }
}

fn ask(world: &World, query: &Query) -> Answer {
    block_on(world.engine.answer(query)).unwrap_or_else(|error| panic!("{error}"))
}

/// Percentiles of a column at these hundredths, as columns of a SELECT.
fn percentiles(of: &str, hundredths: &[u8]) -> String {
    let one = |p: &u8| {
        format!("PERCENTILE_CONT({}) WITHIN GROUP (ORDER BY {of}) AS p{p}", f64::from(*p) / 100.0)
    };
    hundredths.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// So many persons of one visit each; days from 0 to 30, costs of up to 100.
fn visits(count: i64) -> Vec<Table> {
    let visit = |id: i64| Visit {
        region: Some(["N", "S", "W"][usize::try_from(id % 3).unwrap()]),
        code: Some(1),
        cost: Some(((id * id * 7_919) % 10_000) as f64 / 100.0),
        days: Some(id * 17 % 31),
        date: Some(18_500),
    };
    let person = |id| Person { id, sex: Some("F"), born: Some(1980), visits: vec![visit(id)] };
    clinic(&(1..=count).map(person).collect::<Vec<_>>())
}

/// Groups of so many rows each, one row per person: values from 0 to 999 in an order that looks
/// random, in another one in each group.
fn groups(names: &[&str], rows: i64) -> Vec<Table> {
    let all = i64::try_from(names.len()).unwrap() * rows;
    let name = |id: i64| names[usize::try_from(id / rows).unwrap()];
    let value = |id: i64| {
        let mixed = (id + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15u64.cast_signed());
        ((mixed ^ (mixed >> 29)).wrapping_mul(0x0BF5_8476_D1CE_4E5B) >> 33).rem_euclid(1_000) as f64
    };
    let columns = vec![
        column("person_id", ColumnKind::Integer),
        ColumnManifest { nullable: false, ..keyed(column("part", ColumnKind::Text), names) },
        bounded(column("x", ColumnKind::Float), 0, 999, 0),
    ];
    let table = Table::new(
        "sample",
        Some(1),
        columns,
        vec![
            Arc::new((0..all).map(Some).collect::<Int64Array>()),
            Arc::new((0..all).map(|id| Some(name(id))).collect::<StringArray>()),
            Arc::new((0..all).map(|id| Some(value(id))).collect::<Float64Array>()),
        ],
    );
    vec![table]
}

/// The mechanisms that were reserved for an answer, after its receipt has been checked.
fn mechanisms(answer: &Answer) -> Vec<MechanismRecord> {
    let receipt = answer.receipt.as_ref().unwrap();
    assert!(!receipt.verify(&Trust::default()).unwrap().are_keys_trusted);
    receipt.intent.mechanisms.clone()
}

#[test]
fn without_noise_to_speak_of_quantiles_are_those_of_plain_sql_to_a_bin() {
    let tables = visits(101);
    let world = world(std::slice::from_ref(&tables), 2);
    // Of 101 rows each hundredth is a row.
    let hundredths = [0, 10, 25, 50, 75, 90, 100];
    // Days have a bin for each; of costs none is wider than 100/1,024 and a cent.
    for (of, bin) in [("days", 0.0), ("cost", 100.0 / 1_024.0 + 0.01)] {
        let sql = format!("SELECT {} FROM visit", percentiles(of, &hundredths));
        let answer = ask(&world, &query(&sql, 10_000.0, 1, 1));
        assert_eq!(mechanisms(&answer).len(), 1, "{of} is not read from one tree");
        let truth = plain(&tables, &sql);
        for (at, p) in hundredths.iter().enumerate() {
            let truth: f64 = truth[0][at].parse().unwrap();
            let found = answer.number(0, at).unwrap();
            assert!((found - truth).abs() <= bin / 2.0, "{of} {p}: {found} instead of {truth}");
            let interval = answer.interval(0, at).unwrap();
            assert!(interval.lower <= truth && truth <= interval.upper, "{of} {p}: {interval:?}");
            assert!(interval.upper - interval.lower <= 10.0, "{of} {p}: {interval:?}");
        }
    }
}

#[test]
fn five_quantiles_of_a_column_are_one_mechanism_and_four_are_not() {
    let world = world(&[visits(50)], 1);
    let recorded = |sql: &str, rows, groups| {
        let answer = ask(&world, &query(sql, 1.0, rows, groups));
        mechanisms(&answer)
    };
    let five = percentiles("days", &[10, 20, 50, 80, 90]);
    let found = recorded(&format!("SELECT {five} FROM visit"), 1, 1);
    let [tree] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(tree.mechanism, DISCRETE_GAUSSIAN);
    assert!(tree.column.ends_with(" and 4 more (tree of noisy counts)"), "{}", tree.column);
    // 36 values are two levels: ⌈1000·√2⌉.
    assert_eq!((tree.sensitivity, tree.groups_per_person, tree.decimal_places), (1_415, 1, 3));
    // σ² = Δ²/(2ρ), for the ρ of (1, 10⁻⁶).
    let scale = tree.scale_numerator as f64 * (-f64::from(tree.scale_log2_denominator)).exp2();
    let rho = tree.rho.as_f64();
    assert!((scale * scale * 2.0 * rho / f64::from(1_415u16).powi(2) - 1.0).abs() < 1e-5);
    assert!((0.0243..0.0244).contains(&rho), "{rho}");
    // Three rows in each of two groups: 1000·3·√(2·2).
    let grouped = format!("SELECT region, {five} FROM visit GROUP BY region");
    assert_eq!(recorded(&grouped, 3, 2)[0].sensitivity, 6_000);
    let four = percentiles("days", &[10, 20, 50, 80]);
    let found = recorded(&format!("SELECT {four} FROM visit"), 1, 1);
    assert_eq!(found.len(), 12);
    assert!(found.iter().all(|record| record.mechanism == EXPONENTIAL));
    // Extremes, and quantiles of other columns or rows, are drawn alone; all find their columns.
    let mixed = format!(
        "SELECT MIN(days) AS least, {five}, MAX(days) AS most, MEDIAN(cost) AS c, \
         MEDIAN(days) FILTER (WHERE region = 'N') AS n FROM visit"
    );
    let found = recorded(&mixed, 1, 1);
    assert_eq!(found.iter().filter(|r| r.mechanism == DISCRETE_GAUSSIAN).count(), 1);
    assert_eq!(found.iter().filter(|r| r.mechanism == EXPONENTIAL).count(), 12);
    let answer = ask(&world, &query(&mixed, 10_000.0, 1, 1));
    let row: Vec<f64> = (0..7).map(|at| answer.number(0, at).unwrap()).collect();
    // Fifty days, 17 apart modulo 31: each number below 31 is there, and 19 of them twice.
    assert_eq!((row[0], row[6]), (0.0, 30.0), "{row:?}");
    assert!(row.is_sorted() && (row[3] - 15.0).abs() <= 2.0, "{row:?}");
}

#[test]
fn quantiles_of_several_columns_are_not_mixed_up_whatever_the_order() {
    let tables = visits(101);
    let world = world(std::slice::from_ref(&tables), 1);
    let sql = "SELECT MIN(days), MEDIAN(days), MEDIAN(cost), \
               PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY days), MAX(cost), MAX(days) FROM visit";
    let answer = ask(&world, &query(sql, 10_000.0, 1, 1));
    let truth = plain(&tables, sql);
    for (at, truth) in truth[0].iter().enumerate() {
        let found = answer.number(0, at).unwrap();
        let truth: f64 = truth.parse().unwrap();
        assert!((found - truth).abs() < 0.1, "column {at}: {found} instead of {truth}");
    }
}

#[test]
fn explanations_and_answers_say_how_quantiles_are_drawn() {
    let world = world(&[visits(20)], 1);
    let notes = |hundredths: &[u8]| {
        let sql = format!("SELECT {} FROM visit", percentiles("days", hundredths));
        let query = query(&sql, 1.0, 1, 1);
        let quote = block_on(world.engine.quote(&query)).unwrap();
        (quote.notes.join("\n"), ask(&world, &query).notes.join("\n"))
    };
    for (hundredths, said) in [
        (&[10, 20, 50, 80, 90][..], "tree of noisy counts"),
        (&[50][..], "drawn by the exponential mechanism"),
    ] {
        let (quoted, answered) = notes(hundredths);
        assert!(quoted.contains(said), "{quoted}");
        assert!(answered.contains(said), "{answered}");
    }
}

#[test]
fn no_person_moves_a_tree_further_than_declared_nor_anything_beside_it() {
    let (with, without) = neighbours();
    let mut findings = vec![];
    let many = percentiles("days", &[5, 10, 25, 50, 75, 90]);
    for (sql, rows, groups) in [
        (format!("SELECT {many}, MIN(days), COUNT(*) FROM visit"), 1, 1),
        (format!("SELECT region, {many} FROM visit GROUP BY region"), 3, 2),
        (format!("SELECT code, {many} FROM visit GROUP BY code"), 8, 3),
        (format!("SELECT {} FROM visit", percentiles("cost", &[1, 2, 3, 4, 5])), 8, 1),
    ] {
        for (_, fewer) in &without {
            let asked = query(&sql, 3.0, rows, groups);
            audit_both(&with, fewer, &asked, &mut findings).unwrap();
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// The noise of all counts is that of the record: their mean square over the variance is
/// chi-square over its freedom, whose deviation is √(2/8,536); five of them are passed once in
/// some 10⁶ runs.
#[test]
fn the_noise_of_the_counts_has_the_recorded_scale() {
    let world = world(&[groups(&["a", "b", "c", "d", "e", "f", "g", "h"], 20)], 1);
    let many = percentiles("x", &[10, 20, 30, 40, 50]);
    let sql = format!("SELECT part, {many} FROM sample GROUP BY part");
    let (parameters, moved) = drawn(&world, &query(&sql, 1.0, 1, 1));
    let Parameters::Column { sensitivity, groups: None, noise, shape: None } = parameters else {
        panic!("{parameters:?}")
    };
    // A thousand values are three levels of 1,000, 63 and 4 counts: ⌈1000·√3⌉.
    assert_eq!((sensitivity, moved.len()), (1_733, 8 * 1_067));
    // ρ of (1, 10⁻⁶) is 0.02436; σ = Δ/√(2ρ).
    let scale = noise.scale.as_f64();
    assert!((7_840.0..7_860.0).contains(&scale), "{scale}");
    let squares: f64 = moved.iter().map(|z| (*z as f64 / scale).powi(2)).sum();
    let freedom = moved.len() as f64;
    let off = (squares / freedom - 1.0) / (2.0 / freedom).sqrt();
    assert!(off.abs() < 5.0, "{off} deviations off");
}

/// The first noisy column of a query: what it declares, and the noise itself.
fn drawn(world: &World, query: &Query) -> (Parameters, Vec<i128>) {
    let (_, calls) = block_on(async {
        let engine = &world.engine;
        let priced = engine.plan(query).await.unwrap();
        engine.check(&priced).unwrap();
        let settled = settle(engine.catalog(), &priced, &engine.session, None).await.unwrap();
        let (charged, _, _) = engine.charge(&priced, priced.plan.digest).unwrap();
        let scan = VerifiedScan::open(engine.catalog(), &priced, &settled, &charged).unwrap();
        let choice = Digest::sha256(b"fixed");
        let exact =
            aggregate::run(&priced, scan, &engine.session, choice, Place::Here(1)).await.unwrap();
        let mut purse = Purse::open(charged);
        tape::record(|| perturb::run(&priced, exact, &mut purse, 0.95).unwrap())
    });
    let call = calls.into_iter().find(|call| call.name == "add" && !call.parts.is_empty()).unwrap();
    let part = call.parts.into_iter().next().unwrap();
    let moved = part.cells.iter().zip(&call.outputs[0]).map(|(cell, noisy)| noisy - cell[0]);
    (part.parameters, moved.collect())
}

/// Each of 60 groups has noise of its own; that 30 of 300 intervals, dependent by fives, miss is
/// seen once in some 10⁴ runs at 95 %. They hold more: there are many bins to a row of these data,
/// and the ends are the outermost ones at which some rank may be the asked one.
#[test]
fn intervals_hold_the_quantile_as_often_as_is_said_and_quantiles_do_not_cross() {
    let names: Vec<String> = (0..60).map(|i| format!("g{i:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let tables = groups(&names, 400);
    let world = world(std::slice::from_ref(&tables), 2);
    let hundredths = [10, 30, 50, 70, 90];
    let many = percentiles("x", &hundredths);
    let sql = format!("SELECT part, {many} FROM sample GROUP BY part ORDER BY part");
    let truth = plain(&tables, &sql);
    let answer = ask(&world, &query(&sql, 1.0, 1, 1));
    assert_eq!((answer.len(), truth.len()), (60, 60));
    let (mut held, mut width) = (0u32, 0.0);
    for (row, truth) in truth.iter().enumerate() {
        assert_eq!(answer.text(row, 0), truth[0]);
        let read: Vec<f64> = (1..=5).map(|at| answer.number(row, at).unwrap()).collect();
        assert!(read.is_sorted(), "{read:?}");
        for at in 1..=5 {
            let truth: f64 = truth[at].parse().unwrap();
            let interval = answer.interval(row, at).unwrap();
            held += u32::from(interval.lower <= truth && truth <= interval.upper);
            width += (interval.upper - interval.lower) / 300.0;
        }
    }
    eprintln!("{held} of 300 held, {width:.0} wide on average");
    assert!(held > 270, "{held} of 300");
    // The rank deviates by some 20 rows, and 2.5 values lie between two rows: ±40 rows are 200
    // values, and a third more for the outermost bins. Twice or half the noise is not within.
    assert!((200.0..360.0).contains(&width), "{width}");
}

#[test]
fn a_tree_has_a_privacy_loss_that_is_known() {
    let world = world(&[visits(20)], 1);
    let many = percentiles("days", &[10, 20, 50, 80, 90]);
    let queries = [1, 2].map(|code| {
        let sql = format!("SELECT {many} FROM visit WHERE code = {code}");
        query(&sql, 1.0, 2, 1)
    });
    let together = block_on(world.engine.registered(&queries, 1e-6)).unwrap();
    let epsilon = together.epsilon_together.expect("a discrete Gaussian has a known loss");
    assert!((0.8..together.epsilon).contains(&epsilon), "{epsilon} of {}", together.epsilon);
}
