//! What an answer says is a function of what the door of noise returned, and of nothing else of
//! the records: recorded on one database, the door is replayed on a neighbour.
//!
//! # Source
//! Re:cord-play, arXiv 2602.17454, 2026.

use datafusion::logical_expr::Expr;
use ledger_adapter::cost::Cost;
use ledger_adapter::digest::Digest;
use ledger_adapter::statement::MechanismRecord;

use crate::aggregate::{self, Place};
use crate::answer::Answer;
use crate::engine::Query;
use crate::error::Error;
use crate::estimate;
use crate::noise::purse::Purse;
use crate::noise::tape::{self, Call};
use crate::notes;
use crate::perturb;
use crate::privacy::relation::ContributionBounds;
use crate::scan::gate::{VerifiedScan, public_tables};
use crate::scan::public::settle;
use crate::tests::admitted::{QUERIES, persons};
use crate::tests::attack::{ADMITTED, neighbours};
use crate::tests::fixture::{World, block_on, clinic, world};
use crate::tests::generator::{query as random_query, with_views};
use crate::tests::sensitivity::{Said, assert_refused, database, number, pick, seeded};

/// What can be seen of one walk down the street.
struct Seen {
    cost: Cost,
    mechanisms: Vec<MechanismRecord>,
    notes: Vec<String>,
    /// The noisy aggregates, with all that they carry.
    noisy: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Why a walk did not come to its end.
enum Stop {
    /// The query is refused before anything is read.
    Refused(Error),
    /// It failed where nothing may fail any more.
    Broken(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// Everything that differs between a query recorded over `one` and replayed over `other`, or that
/// moves further than declared; nothing for a query of public tables.
///
/// # Errors
/// A refusal of the recorded query.
pub(crate) fn audit(one: &World, other: &World, query: &Query) -> Result<Vec<String>, Error> {
    let (then, recorded) = match block_on(walk(one, query, None)) {
        Ok(None) => return Ok(vec![]),
        Ok(Some((then, (recorded, _)))) => (then, recorded),
        Err(Stop::Refused(error)) => return Err(error),
        Err(Stop::Broken(why)) => return Ok(vec![why]),
    };
    let (now, mut findings) = match block_on(walk(other, query, Some(recorded))) {
        Ok(None) => return Ok(vec!["only one of two walks reads records".to_owned()]),
        Ok(Some((now, (_, findings)))) => (now, findings),
        Err(Stop::Refused(error)) => return Ok(vec![format!("only one is refused: {error}")]),
        Err(Stop::Broken(why)) => return Ok(vec![why]),
    };
    let mut check = |what: &str, equal: bool, pair: String| {
        if !equal {
            findings.push(format!("{what} differ: {pair}"));
        }
    };
    check("costs", then.cost == now.cost, format!("{} {}", then.cost, now.cost));
    let pair = format!("{:?}\n{:?}", then.mechanisms, now.mechanisms);
    check("mechanisms", then.mechanisms == now.mechanisms, pair);
    check("notes", then.notes == now.notes, format!("{:?}\n{:?}", then.notes, now.notes));
    check("noisy values", then.noisy == now.noisy, format!("{}\n{}", then.noisy, now.noisy));
    check("columns", then.columns == now.columns, format!("{:?} {:?}", then.columns, now.columns));
    check("answers", then.rows == now.rows, format!("{:?}\n{:?}", then.rows, now.rows));
    Ok(findings)
}

/// Audits both directions, with one person less and with one more; findings go to the list.
///
/// # Errors
/// A refusal.
pub(crate) fn audit_both(
    with: &World,
    without: &World,
    query: &Query,
    findings: &mut Vec<String>,
) -> Result<(), Error> {
    for (one, other, what) in [(with, without, "removed"), (without, with, "added")] {
        let found = audit(one, other, query)?;
        if !found.is_empty() {
            findings.push(format!("a person {what}: {found:#?}\n{}", query.text));
        }
    }
    Ok(())
}

type Taped = (Vec<Call>, Vec<String>);

/// The street from the text of a query to its answer, with the door on tape. Which groups of a
/// person are kept is drawn by the query's random name, so that is fixed here.
async fn walk(
    world: &World,
    query: &Query,
    calls: Option<Vec<Call>>,
) -> Result<Option<(Seen, Taped)>, Stop> {
    let engine = &world.engine;
    let priced = engine.plan(query).await?;
    if priced.plan.boundaries.is_empty() {
        return Ok(None);
    }
    engine.check(&priced)?;
    let settled = settle(engine.catalog(), &priced, &engine.session, None).await?;
    let (charged, _, _) = engine.charge(&priced, priced.plan.digest)?;
    let scan = VerifiedScan::open(engine.catalog(), &priced, &settled, &charged)?;
    let choice = Digest::sha256(b"fixed");
    let exact = aggregate::run(&priced, scan, &engine.session, choice, Place::Here(1)).await;
    let exact = exact.map_err(|e| Stop::Broken(format!("it fails past the gate: {e}")))?;
    let confidence = engine.settings.confidence;
    let mut purse = Purse::open(charged);
    let noise = || perturb::run(&priced, exact, &mut purse, confidence);
    let (perturbed, taped) = match calls {
        None => {
            let (perturbed, calls) = tape::record(noise);
            (perturbed, (calls, vec![]))
        }
        Some(calls) => {
            let (perturbed, findings) = tape::replay(calls, noise);
            (perturbed, (vec![], findings))
        }
    };
    let (noisy, mechanisms) =
        perturbed.map_err(|e| Stop::Broken(format!("it fails at the door: {e}")))?;
    let notes = notes::notes(&priced, &noisy);
    let said = format!("{noisy:?}");
    let tables = public_tables(engine.catalog(), &priced)?;
    let answer =
        estimate::finish(&priced, noisy, tables, &engine.session, (confidence, usize::MAX)).await;
    let answer = answer.map_err(|e| Stop::Broken(format!("it fails past the door: {e}")))?;
    let plain = |column: usize| {
        let lineage = priced.plan.output[column].lineage.as_ref();
        lineage.is_none_or(|lineage| matches!(lineage, Expr::Column(_)))
    };
    let rows = rows(&answer, plain);
    let columns = answer.columns().to_vec();
    let seen = Seen { cost: priced.cost, mechanisms, notes, noisy: said, columns, rows };
    Ok(Some((seen, taped)))
}

/// Values as text, with their intervals; sorted, as SQL promises no order unless it is asked for.
///
/// Simulated intervals draw noise of their own, which has nothing to do with records: they are
/// compared by what they are made from. The others are compared themselves.
fn rows(answer: &Answer, plain: impl Fn(usize) -> bool) -> Vec<Vec<String>> {
    let cell = |row, column| {
        let interval = answer.interval(row, column).filter(|_| plain(column));
        format!("{} {interval:?}", answer.text(row, column))
    };
    let row = |row| (0..answer.columns().len()).map(|column| cell(row, column)).collect();
    let mut rows: Vec<Vec<String>> = (0..answer.len()).map(row).collect();
    rows.sort();
    rows
}

/// Number of random queries; more by `GRAUNT_AUDIT_QUERIES`.
const QUERIES_RANDOM: usize = 60;

/// Queries asked of one database before the next is made.
const QUERIES_PER_DATABASE: usize = 20;

/// Privacy losses under which the noise hides nearly everything, something, and nothing.
pub(crate) const EPSILONS: [f64; 3] = [0.5, 20.0, 9_000.0];

fn query(sql: &str, epsilon: f64, bounds: ContributionBounds) -> Query {
    Query { text: sql.to_owned(), epsilon, delta: 1e-6, bounds }
}

#[test]
fn admitted_queries_tell_nothing_but_what_passed_the_door() {
    let persons = persons();
    let tables = clinic(&persons);
    let with = world(std::slice::from_ref(&tables), 1);
    // The last has five visits, which is the most.
    let leaver = persons[35].id;
    let without = world(&[tables.iter().map(|table| table.without(leaver)).collect()], 1);
    let mut findings = vec![];
    for (i, sql) in QUERIES.iter().enumerate() {
        let epsilon = EPSILONS[i % EPSILONS.len()];
        let least = u32::from(i % 2 == 0) * 11;
        let bounds = ContributionBounds { persons_min: least, ..ContributionBounds::default() };
        audit_both(&with, &without, &query(sql, epsilon, bounds), &mut findings).unwrap();
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn hostile_queries_tell_nothing_but_what_passed_the_door() {
    let (with, without) = neighbours();
    let mut findings = vec![];
    for (i, sql) in ADMITTED.iter().enumerate() {
        let (_, fewer) = &without[i % without.len()];
        let epsilon = EPSILONS[i % EPSILONS.len()];
        let query = query(sql, epsilon, ContributionBounds::default());
        audit_both(&with, fewer, &query, &mut findings).unwrap();
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn random_queries_are_refused_by_a_rule_or_tell_nothing_but_what_passed_the_door() {
    let queries = number("GRAUNT_AUDIT_QUERIES", QUERIES_RANDOM);
    let mut random = seeded(23);
    let (mut asked, mut admitted, mut findings) = (0, 0, vec![]);
    while asked < queries {
        let people = database(&mut random);
        let tables = clinic(&people);
        let leaver = pick(&mut random, &people).id;
        let with = with_views(std::slice::from_ref(&tables));
        let without = with_views(&[tables.iter().map(|table| table.without(leaver)).collect()]);
        for _ in 0..QUERIES_PER_DATABASE.min(queries - asked) {
            let query = random_query(&mut random, EPSILONS[asked % EPSILONS.len()]);
            let _said = Said(&query.text);
            asked += 1;
            match audit_both(&with, &without, &query, &mut findings) {
                Ok(()) => admitted += 1,
                Err(error) => assert_refused(&error),
            }
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    assert!(admitted * 3 > asked, "only {admitted} of {asked} queries are admitted");
}

#[test]
fn a_planted_leak_is_found() {
    // Records of two persons instead of none moved: more than one may move.
    let tables = clinic(&persons());
    let with = world(std::slice::from_ref(&tables), 1);
    let fewer = [persons()[35].id, persons()[29].id]
        .iter()
        .fold(tables.clone(), |tables, id| tables.iter().map(|table| table.without(*id)).collect());
    let without = world(&[fewer], 1);
    let sql = "SELECT COUNT(*) AS n FROM person";
    let query = query(sql, 1.0, ContributionBounds::default());
    let findings = audit(&with, &without, &query).unwrap();
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(findings[0].contains("a cell moved by 2, declared 1"), "{findings:#?}");
}
