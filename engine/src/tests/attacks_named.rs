//! The published attacks on differential privacy in practice, one test for each row A1 to A20 of
//! the table that the project keeps. Where a property is held elsewhere at length, the row asserts
//! its core, and says where the rest is.

use std::collections::BTreeSet;

use ledger_adapter::charge::{Admission, ChargeRequest, Finality};
use ledger_adapter::cost::{Cost, Delta, Rho};
use ledger_adapter::digest::Digest;
use ledger_adapter::entry::Entry;
use ledger_adapter::error::LedgerError;
use ledger_adapter::ledger::Ledger;
use ledger_adapter::statement::release_commitment;

use crate::engine::{Engine, Query};
use crate::error::{Code, Error};
use crate::noise::selection::keep_table;
use crate::noise::{
    Family, Noise, Scale, charge_of, deviation, epsilon_of, noise_within, replicas_of, rho_within,
    threshold_of,
};
use crate::privacy::relation::ContributionBounds;
use crate::requests::Outcome;
use crate::tests::attack::{REFUSED, neighbours};
use crate::tests::audit_statistics::{chi_square, chi_square_quantile, correlation};
use crate::tests::canary::exact_epsilon;
use crate::tests::fixture::{Person, Visit, World, block_on, clinic, exact, world, world_placed};
use crate::tests::reconstruct::{self, accuracy};
use crate::tests::replay::audit_both;
use crate::tests::sensitivity::{compare, number, seeded};

fn query(sql: &str, epsilon: f64) -> Query {
    let bounds = ContributionBounds::default();
    Query { text: sql.to_owned(), epsilon, delta: 1e-6, bounds }
}

fn gaussian(numerator: u64, log2_denominator: u8) -> Noise {
    Noise { family: Family::Gaussian, scale: Scale { numerator, log2_denominator } }
}

fn laplace(numerator: u64, log2_denominator: u8) -> Noise {
    Noise { family: Family::Laplace, scale: Scale { numerator, log2_denominator } }
}

/// Persons with one visit each, of the same kind but for what `visit` makes different.
fn persons(count: i64, visit: impl Fn(i64) -> Visit) -> Vec<Person> {
    let person = |id| Person { id, sex: Some("F"), born: Some(1980), visits: vec![visit(id)] };
    (1..=count).map(person).collect()
}

fn plain_visit() -> Visit {
    Visit { region: Some("N"), code: Some(1), cost: Some(10.5), days: Some(3), date: Some(18_500) }
}

fn charges(world: &World) -> u64 {
    world.ledger.remaining(Digest::sha256(b"population")).unwrap().unwrap().charges
}

/// Mironov 2012; Haney and others 2022. Noise is of integers on a public grid, and its low bits
/// are uniform: they tell nothing of the record that they were added to.
#[test]
fn a01_released_numbers_lie_on_a_public_grid_and_their_low_bits_are_uniform() {
    let world = world(&[clinic(&persons(20, |_| plain_visit()))], 1);
    for _ in 0..10 {
        let answer = block_on(world.engine.answer(&query("SELECT SUM(cost) FROM visit", 1.0)));
        let cents = answer.unwrap().number(0, 0).unwrap() * 100.0;
        assert!((cents - cents.round()).abs() < 1e-6, "{cents} is off the grid of cents");
    }
    // Pearson's statistic below its 1 - 1e-6 quantile: false alarm 2e-6 in all.
    for noise in [gaussian(1 << 10, 0), laplace(1 << 10, 0)] {
        let mut counts = [0u64; 16];
        for draw in replicas_of(noise, 100_000).unwrap() {
            assert_eq!(draw.fract(), 0.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 15")]
            let low = draw.rem_euclid(16.0) as usize;
            counts[low] += 1;
        }
        let (statistic, freedom) = chi_square(&counts, &[100_000.0 / 16.0; 16]);
        assert!(statistic < chi_square_quantile(freedom, 1e-6), "{noise:?}: {counts:?}");
    }
}

/// Casacuberta and others 2022, overflow: totals are wider than what is added up.
#[test]
fn a02_values_at_the_ends_of_their_types_neither_wrap_nor_move_a_sum_too_far() {
    let ends = |id: i64| {
        let value = if id % 3 == 0 { i64::MIN } else { i64::MAX };
        Visit { code: Some(value), days: Some(value), cost: Some(-4e300), ..plain_visit() }
    };
    let tables = clinic(&persons(60, ends));
    let with = world(std::slice::from_ref(&tables), 1);
    for leaver in [4, 5] {
        let without = world(&[tables.iter().map(|table| table.without(leaver)).collect()], 1);
        for sql in [
            "SELECT SUM(days), SUM(cost), AVG(days) FROM visit",
            "SELECT SUM(code, contribution_bounds_per_group => (0, 100000000000000)) FROM visit",
        ] {
            let bounds = ContributionBounds { rows_per_person: Some(2), ..Default::default() };
            let (all, fewer) = (exact(&with, sql, bounds, 2), exact(&without, sql, bounds, 2));
            let (all, fewer) = (all.unwrap(), fewer.unwrap());
            assert!(compare(&all, &fewer, sql) > 0, "nothing moves: {sql}");
            let widest = all[0].cells.values().flatten().max().copied().unwrap();
            // Forty persons at the upper end.
            assert!(!sql.contains("code") || widest == 40 * 10i128.pow(14), "{widest}: {sql}");
        }
    }
    // Clamps that leave no room for a sum are refused.
    let wide = "SELECT SUM(code, contribution_bounds_per_group => (0, 1000000000000000000)) FROM \
                visit";
    let refused = exact(&with, wide, ContributionBounds::default(), 1).err();
    assert!(matches!(refused, Some(Error::Rejected(r)) if r.code == Code::Unbounded));
}

/// Casacuberta and others 2022, order and rounding; at length, with threads, batches and buckets,
/// in `steady`.
#[test]
fn a03_the_order_of_rows_changes_no_bit_of_a_sum() {
    let costs = |id: i64| Visit { cost: Some(id as f64 / 3.0), ..plain_visit() };
    let tables = clinic(&persons(50, costs));
    let backwards: Vec<_> = tables
        .iter()
        .map(|table| table.picked(&(0..table.rows.num_rows()).rev().collect::<Vec<_>>()))
        .collect();
    let cells = |tables| {
        let world = world(&[tables], 3);
        let sql = "SELECT region, SUM(cost), AVG(cost), VAR(cost) FROM visit GROUP BY region";
        exact(&world, sql, ContributionBounds::default(), 2).unwrap().remove(0).cells
    };
    assert_eq!(cells(tables), cells(backwards));
}

/// Jin and others 2022, timing. That draws take the same time whatever comes out is held in
/// `noise`; here: an answer and its proof carry no clock that is finer than a day.
#[test]
fn a04_an_answer_carries_no_time_but_the_day() {
    let world = world(&[clinic(&persons(5, |_| plain_visit()))], 1);
    let answer = block_on(world.engine.answer(&query("SELECT COUNT(*) FROM visit", 1.0))).unwrap();
    let proof = serde_json::to_string(answer.receipt.as_ref().unwrap()).unwrap().to_lowercase();
    for word in ["time", "elapsed", "duration", "_ms", "_ns", "second"] {
        assert!(!proof.contains(&format!("\"{word}")), "{word}");
    }
    assert_eq!(answer.receipt.unwrap().intent.day, 20_000);
}

/// Errors that depend on data: what is refused is refused over every database, in the same words.
#[test]
fn a05_a_refusal_is_the_same_over_every_neighbour() {
    let (with, without) = neighbours();
    let refusal = |world: &World, sql: &str| {
        let error = exact(world, sql, ContributionBounds::default(), 1).err();
        error.map_or_else(|| panic!("admitted: {sql}"), |error| error.to_string())
    };
    // One of them takes long to be found too large; it reads no records.
    let quick = REFUSED.iter().filter(|(_, sql)| !sql.contains("codes l)"));
    for (i, (_, sql)) in quick.enumerate() {
        let (person, fewer) = &without[i % without.len()];
        assert_eq!(refusal(fewer, sql), refusal(&with, sql), "without {person}: {sql}");
    }
}

/// Failing for free: what fails past the gate is charged, and says a random name only.
#[test]
fn a06_a_failure_past_the_gate_is_charged() {
    let astray =
        |person, buckets| (ledger_adapter::bucket::bucket_of(person, buckets) + 1) % buckets;
    let world = world_placed(20_000, &[clinic(&persons(5, |_| plain_visit()))], 2, astray);
    let error = block_on(world.engine.answer(&query("SELECT COUNT(*) FROM visit", 1.0))).err();
    let Some(Error::Failed(incident)) = error else { panic!("{error:?}") };
    let said = Error::Failed(incident).to_string();
    let fixed =
        format!("the query failed after it was charged; the charge stands (incident {incident})");
    assert_eq!(said, fixed);
    assert_eq!(charges(&world), 1);
}

/// Group existence: the rows of an answer are in the order of their keys, and what EXPLAIN tells
/// does not depend on records. That a key of one person is hardly ever shown is A8.
#[test]
fn a07_neither_order_nor_plan_tells_of_records() {
    let (with, without) = neighbours();
    let told = |world: &World, sql: &str| {
        let outcome = block_on(world.engine.perform(&query(&format!("EXPLAIN {sql}"), 1.0)));
        let Outcome::Explained(explained) = outcome.unwrap() else { panic!("{sql}") };
        format!("{explained:?}")
    };
    for sql in [
        "SELECT code, COUNT(*) FROM visit GROUP BY code",
        "SELECT region, SUM(cost), MEDIAN(days) FROM visit GROUP BY region",
    ] {
        let all = told(&with, sql);
        assert!(without.iter().all(|(_, fewer)| told(fewer, sql) == all), "{sql}");
    }
    // The last to come is the first in order.
    let codes = |id: i64| Visit { code: Some(100 - id % 4), ..plain_visit() };
    let world = world(&[clinic(&persons(400, codes))], 3);
    let sql = "SELECT code, COUNT(*) AS n FROM visit GROUP BY code";
    let answer = block_on(world.engine.answer(&query(sql, 50.0))).unwrap();
    let keys: Vec<String> = (0..answer.len()).map(|row| answer.text(row, 0)).collect();
    assert_eq!(keys, ["97", "98", "99", "100"]);
}

/// A δ that is off by one: a key of a single person is shown as seldom as is claimed.
#[test]
fn a08_a_key_of_one_person_is_shown_no_more_often_than_delta() {
    let delta = Delta::from_atto(10_000_000_000_000_000);
    let draws = 400_000;
    for noise in [laplace(1, 1), laplace(1, 0), laplace(2, 0), gaussian(1, 1), gaussian(1, 0)] {
        let threshold = threshold_of(noise, 1, delta).unwrap() as f64;
        let drawn = replicas_of(noise, draws).unwrap();
        let rate = |above: f64| {
            drawn.iter().filter(|draw| 1.0 + **draw > above).count() as f64 / draws as f64
        };
        // Five standard errors: false alarm 3e-7 for each.
        let error = 5.0 * (0.01 / draws as f64).sqrt();
        assert!(rate(threshold) <= 0.01 + error, "{noise:?}: {}", rate(threshold));
        assert!(rate(threshold - 1.0) > 0.01 - error, "{noise:?} wastes some of δ");
    }
    let table = keep_table(Rho::from_nano(500_000_000), delta, 3).unwrap();
    let one = table.probabilities[1] as f64 * (-64f64).exp2();
    assert!(table.probabilities[0] == 0 && one <= 0.01 / 3.0, "{one}");
}

/// Contribution bounding: a person with thousands of rows in hundreds of groups counts in a few,
/// and which ones does not depend on the order of rows.
#[test]
fn a09_a_person_with_very_many_rows_and_groups_counts_in_a_few() {
    let rows = number("GRAUNT_AUDIT_ROWS", 5_000);
    let row = |i: usize| Visit {
        code: Some(i64::try_from(i % 500).unwrap()),
        days: Some(30),
        cost: Some(1e9),
        ..plain_visit()
    };
    let mut everybody = persons(10, |_| plain_visit());
    everybody.push(Person { id: 99, sex: None, born: None, visits: (0..rows).map(row).collect() });
    let tables = clinic(&everybody);
    let with = world(std::slice::from_ref(&tables), 1);
    let without = world(&[tables.iter().map(|table| table.without(99)).collect()], 1);
    let mut turned = tables.clone();
    turned[1] = turned[1].picked(&(0..turned[1].rows.num_rows()).rev().collect::<Vec<_>>());
    let turned = world(&[turned], 1);
    let sql = "SELECT code, COUNT(*), SUM(cost), AVG(days), COUNT(DISTINCT days) FROM visit \
               GROUP BY code";
    for groups in [Some(1), Some(7), None] {
        let bounds =
            ContributionBounds { groups_per_person: groups, ..ContributionBounds::default() };
        let all = exact(&with, sql, bounds, 1).unwrap();
        let moved = compare(&all, &exact(&without, sql, bounds, 1).unwrap(), sql);
        assert!(moved > 0, "the person does not count");
        assert_eq!(all[0].cells, exact(&turned, sql, bounds, 1).unwrap()[0].cells);
    }
}

/// Averaging: the same question has the same answer at no further cost, another one is charged,
/// and noise is never used twice.
#[test]
fn a10_repeats_return_one_release_and_variants_are_charged() {
    let World { engine, ledger, directory } = world(&[clinic(&persons(30, |_| plain_visit()))], 1);
    let engine = engine.with_releases(directory.path().join("releases"));
    let ask = |sql: &str| block_on(engine.answer(&query(sql, 1.0))).unwrap();
    let count = || ledger.remaining(Digest::sha256(b"population")).unwrap().unwrap().charges;
    let sql = "SELECT COUNT(*) AS n FROM visit WHERE days > 1 AND region = 'N'";
    let answers: BTreeSet<String> =
        (0..number("GRAUNT_AUDIT_REPEATS", 100)).map(|_| ask(sql).text(0, 0)).collect();
    assert_eq!((answers.len(), count()), (1, 1));
    for (i, variant) in [
        "SELECT COUNT(*) AS n FROM visit WHERE days > 2 AND region = 'N'",
        "SELECT COUNT(*) AS n FROM visit WHERE days > 1 AND region IN ('N', 'S')",
        "SELECT COUNT(*) AS n FROM visit WHERE region = 'N' AND NOT (days <= 1)",
    ]
    .into_iter()
    .enumerate()
    {
        ask(variant);
        assert_eq!(count(), 2 + u64::try_from(i).unwrap(), "{variant}");
    }
    // Four standard errors: false alarm 6e-5 each.
    let drawn: Vec<Vec<f64>> =
        (0..4).map(|_| replicas_of(gaussian(50, 0), 40_000).unwrap()).collect();
    for (one, other) in [(0, 1), (0, 2), (1, 2), (2, 3)] {
        let r = correlation(&drawn[one], &drawn[other]);
        assert!(r.abs() < 4.0 / 200.0, "releases {one} and {other} correlate by {r}");
    }
}

/// Forks and chosen seeds: no engine takes a seed, and two engines over the same records do not
/// draw the same noise. Forks are held in `noise::generator`.
#[test]
fn a11_two_engines_over_the_same_records_draw_different_noise() {
    let tables = clinic(&persons(30, |_| plain_visit()));
    let sql = "SELECT region, COUNT(*) AS n, SUM(cost) AS s FROM visit GROUP BY region";
    let ask = || {
        let world = world(std::slice::from_ref(&tables), 1);
        let answer = block_on(world.engine.answer(&query(sql, 0.1))).unwrap();
        (0..answer.len()).map(|row| answer.text(row, 2)).collect::<Vec<_>>()
    };
    // Four sums with a noise of thousands of cents: equal once in 1e12.
    assert_ne!(ask(), ask());
}

/// Sensitivities of selections: no person moves the scores of quantiles further than declared.
/// The defects of opendp 0.16 are in `noise::defects`.
#[test]
fn a12_no_person_moves_the_scores_of_a_quantile_further_than_declared() {
    let (with, without) = neighbours();
    let mut findings = vec![];
    for sql in [
        "SELECT MEDIAN(days), MIN(days), MAX(days) FROM visit",
        "SELECT region, APPROX_PERCENTILE_CONT(cost, 0.9), PERCENTILE_CONT(0.1) WITHIN GROUP \
         (ORDER BY days) FROM visit GROUP BY region",
    ] {
        for (_, fewer) in &without {
            audit_both(&with, fewer, &query(sql, 3.0), &mut findings).unwrap();
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// Double spending: of many charges at a time, as many are granted as the account holds. What a
/// killed process leaves behind is in `tests/crash.rs`.
#[test]
fn a13_charges_at_the_same_time_do_not_overdraw_the_account() {
    let world = world(&[clinic(&persons(3, |_| plain_visit()))], 1);
    let root = world.engine.catalog().extracts()[0].root();
    let account = Digest::sha256(b"population");
    let cap = world.ledger.remaining(account).unwrap().unwrap().cap;
    // Seven fit.
    let cost = Cost { rho: Rho::from_nano(cap.rho.nano() / 7), delta: Delta::default() };
    let attempt = || {
        let (query, intent) = (Digest::random().unwrap(), Digest::random().unwrap());
        let (items, inputs) = (vec![(account, cost)], vec![root]);
        let request = ChargeRequest { query, items, intent, inputs, day: 20_000 };
        match world.ledger.charge(&request, Finality::Local) {
            Ok(Admission::Granted(_)) => 1,
            Err(LedgerError::Exhausted { .. }) => 0,
            other => panic!("{other:?}"),
        }
    };
    let granted: u32 = std::thread::scope(|scope| {
        let work = || (0..8).map(|_| attempt()).sum::<u32>();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((granted, charges(&world)), (7, 7));
}

/// Rounding in the accountant: costs are integers, and what is no number is refused.
#[test]
fn a14_small_spends_add_up_exactly_and_odd_numbers_are_refused() {
    let step = Cost { rho: Rho::from_nano(1), delta: Delta::from_atto(1) };
    let spend = |spent: Cost, _| spent.checked_add(step).unwrap();
    let spent = (0..1_000_000).fold(Cost::default(), spend);
    assert_eq!((spent.rho.nano(), spent.delta.atto()), (1_000_000, 1_000_000));
    let full = Cost { rho: Rho::from_nano(u64::MAX), delta: Delta::default() };
    assert_eq!(full.checked_add(step), None);
    let world = world(&[clinic(&persons(3, |_| plain_visit()))], 1);
    for epsilon in [-0.0, f64::MIN_POSITIVE / 2.0, f64::NAN, f64::NEG_INFINITY, f64::INFINITY] {
        let asked = block_on(world.engine.answer(&query("SELECT COUNT(*) FROM visit", epsilon)));
        let Err(Error::Rejected(refusal)) = asked else { panic!("{epsilon}") };
        assert_eq!(refusal.code, Code::Epsilon);
    }
    assert_eq!(charges(&world), 0);
}

/// Optimism: the ε that is told is never below the exact one. Privacy loss distributions are
/// compared with published accountants in `noise::pld`.
#[test]
fn a15_the_epsilon_that_is_told_is_not_below_the_exact_one() {
    for noise in [gaussian(1, 1), gaussian(1, 0), gaussian(5, 0), laplace(1, 1), laplace(3, 0)] {
        for delta in [1e-2, 1e-4, 1e-6] {
            let told = epsilon_of(charge_of(1, 1, noise).unwrap(), delta).unwrap();
            let exact = exact_epsilon(noise, delta);
            assert!(told >= exact, "{noise:?} at {delta}: {told} < {exact}");
        }
    }
}

/// Invalid filters: there is no admission by privacy loss distributions. The account knows ρ and δ
/// only, which add up, and a query is fixed by its commitment before it is answered.
#[test]
fn a16_admission_is_by_rho_and_delta_only_and_precedes_the_answer() {
    let world = world(&[clinic(&persons(9, |_| plain_visit()))], 1);
    let mut spent = Cost::default();
    for epsilon in [0.5, 1.0, 0.25] {
        let sql = "SELECT code, COUNT(*) AS n FROM visit GROUP BY code";
        let answer = block_on(world.engine.answer(&query(sql, epsilon))).unwrap();
        spent = spent.checked_add(answer.cost).unwrap();
    }
    let account = Digest::sha256(b"population");
    assert_eq!(world.ledger.remaining(account).unwrap().unwrap().spent, spent);
    let kinds = world.ledger.entries().unwrap().into_iter().filter_map(|entry| match entry {
        Entry::Charge(request) => Some(("charge", request.query)),
        Entry::Release { query, .. } => Some(("release", query)),
        _ => None,
    });
    let kinds: Vec<_> = kinds.collect();
    assert_eq!(kinds.len(), 6);
    for pair in kinds.chunks(2) {
        assert_eq!((pair[0].0, pair[1].0, pair[0].1), ("charge", "release", pair[1].1));
    }
}

/// Dinur and Nissim 2003: least squares over a workload of counts that spends a whole budget does
/// not tell a secret bit better than ε allows.
#[test]
fn a17_a_full_workload_of_counts_does_not_reconstruct_a_secret_bit() {
    let (people, counts, epsilon) = (200usize, 600usize, 1.0);
    let whole = rho_within(epsilon, 1e-6).unwrap();
    let share = Rho::from_nano(whole.nano() / counts as u64);
    let noise = noise_within(1, 1, share, &[Family::Gaussian, Family::Laplace]).unwrap();
    let attack = reconstruct::Attack::new(people, counts, &mut seeded(29));
    let without_noise = accuracy(&attack.secret, &attack.guess(&vec![0.0; counts]));
    assert!(without_noise > 0.99, "the attack itself is weak: {without_noise}");
    let guess = attack.guess(&replicas_of(noise, counts).unwrap());
    // Three standard errors: false alarm 1e-3, were the bound tight; it is far from it.
    let most = epsilon.exp() / (1.0 + epsilon.exp()) + 3.0 * (0.25 / people as f64).sqrt();
    let found = accuracy(&attack.secret, &guess);
    assert!(found <= most, "{found} of the bits are found, at most {most}");
    // SQL prices one count as the attack does.
    let world = world(&[clinic(&persons(30, |_| plain_visit()))], 1);
    let asked = query("SELECT COUNT(*) AS n FROM person WHERE sex = 'F'", epsilon);
    let answer = block_on(world.engine.answer(&asked)).unwrap();
    let record = &answer.receipt.unwrap().intent.mechanisms[0];
    let single = noise_within(1, 1, whole, &[Family::Gaussian, Family::Laplace]).unwrap();
    let scale = Scale {
        numerator: record.scale_numerator,
        log2_denominator: record.scale_log2_denominator,
    };
    assert!((scale.as_f64() / single.scale.as_f64() - 1.0).abs() < 1e-5, "{record:?}");
    assert!(deviation(noise) > 20.0 * deviation(single), "the workload is not priced as a whole");
}

/// Commitments without salt: nothing that is on the ledger can be found by trying all values.
#[test]
fn a18_what_is_on_the_ledger_is_not_found_by_trying_all_values() {
    let world = world(&[clinic(&persons(30, |_| plain_visit()))], 1);
    let answer = block_on(world.engine.answer(&query("SELECT COUNT(*) FROM visit", 1.0))).unwrap();
    let receipt = answer.receipt.as_ref().unwrap();
    let entries = world.ledger.entries().unwrap();
    let committed = entries.iter().find_map(|entry| match entry {
        Entry::Release { commitment, .. } => Some(*commitment),
        _ => None,
    });
    let committed = committed.unwrap();
    let salted = |salt: &Digest| release_commitment(salt, &receipt.release).unwrap();
    assert_eq!(salted(&receipt.release_salt), committed);
    // Even who knows the whole release, exact to the bit, does not find it without the salt.
    let written: Vec<u8> = entries.iter().flat_map(Entry::encode).collect();
    let written = String::from_utf8_lossy(&written).into_owned();
    for value in 0..number("GRAUNT_AUDIT_VALUES", 20_000) {
        let text = value.to_string();
        for guess in [
            Digest::sha256(text.as_bytes()),
            Digest::sha256(&(value as u64).to_le_bytes()),
            Digest::sha256(&(value as u64).to_be_bytes()),
            Digest::labelled("graunt/release/v1", &[text.as_bytes()]),
        ] {
            assert_ne!(guess, committed);
            assert!(value > 50 || !written.contains(&guess.to_string()), "{value}");
        }
    }
    for weak in [Digest::sha256(b""), receipt.intent.query, receipt.intent_salt] {
        assert_ne!(salted(&weak), committed);
    }
}

/// Post-processing by private data: small cells are hidden, and values cut, by what the door
/// returned, not by what lies behind it. For all queries of the tests, in `replay`.
#[test]
fn a19_cells_are_hidden_by_noisy_numbers_only() {
    let codes = |id: i64| Visit { code: Some(id % 7), ..plain_visit() };
    let tables = clinic(&persons(60, codes));
    let with = world(std::slice::from_ref(&tables), 1);
    let without = world(&[tables.iter().map(|table| table.without(14)).collect()], 1);
    let mut findings = vec![];
    for persons_min in [0, 8, 11] {
        let sql = "SELECT code, COUNT(*) AS n, AVG(cost) AS a FROM visit GROUP BY code HAVING \
                   COUNT(*) > 3 ORDER BY a DESC LIMIT 3";
        let bounds = ContributionBounds { persons_min, ..ContributionBounds::default() };
        let query = Query { bounds, ..query(sql, 5.0) };
        audit_both(&with, &without, &query, &mut findings).unwrap();
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// The encrypted path: there is none yet. What holds now is that an answer without noise cannot be
/// had at all: no option turns it off, and the largest ε is bounded.
#[test]
fn a20_there_is_no_path_to_an_answer_without_noise() {
    let world = world(&[clinic(&persons(30, |_| plain_visit()))], 1);
    let ask = |engine: &Engine, epsilon| {
        let answer = block_on(engine.answer(&query("SELECT COUNT(*) FROM visit", epsilon)));
        answer.map(|answer| answer.text(0, 0))
    };
    // Noise of a scale of some hundreds: all twenty equal the truth once in 1e40.
    let told = (0..20).map(|_| ask(&world.engine, 0.01).unwrap());
    assert!(told.filter(|text| text == "30").count() < 20);
    assert!(matches!(ask(&world.engine, 1e9), Err(Error::Rejected(_))));
}
