//! Persons at several sites, counted once: beside the central count, and when sites are lost.

use seal::{Context, Lane, Role, Sum};

use crate::answer::Answer;
use crate::engine::Query;
use crate::error::Error;
use crate::federation::site::{NEXT, START};
use crate::federation::terms::Federation;
use crate::federation::tests::fixture::{self, Fate, Trio, terms};
use crate::noise::share::{cover, of_all};
use crate::noise::{Column, Noise, Scale, deviation};
use crate::privacy::relation::ContributionBounds;
use crate::tests::admitted::persons;
use crate::tests::fixture::{Person, Table, block_on, clinic};

/// Sites where persons are at this site or not.
fn sites_of(all: &[Person], is_at: impl Fn(i64, i64) -> bool) -> Vec<Vec<Table>> {
    let own = |s: i64| {
        let of = |p: &&Person| is_at(p.id, s);
        clinic(&all.iter().filter(of).cloned().collect::<Vec<_>>())
    };
    (0..3).map(own).collect()
}

/// Whether a person is at a site.
type IsAt = fn(i64, i64) -> bool;

/// Each third person is at the next site as well.
fn pairs(id: i64, site: i64) -> bool {
    id % 3 == site || (id % 9 < 3 && (id + 1) % 3 == site)
}

fn allowing(sites_per_person: u32) -> Federation {
    Federation { sites_per_person, ..terms(3) }
}

fn trio() -> Trio {
    Trio::under(allowing(2), &sites_of(&persons(), pairs))
}

fn central(trio: &Trio, sql: &str) -> Answer {
    let bounds = ContributionBounds::default();
    let query = Query { text: sql.to_owned(), epsilon: 10_000.0, delta: 1e-6, bounds };
    block_on(trio.central.engine.answer(&query)).unwrap()
}

/// How far apart two counts of forty persons may be where there is no noise: two persons meet in a
/// register once in sixty sketches, and move the count by two at most.
const APART: f64 = 4.0;

#[test]
fn without_noise_a_person_counts_once_whatever_is_asked_of_persons() {
    let trio = trio();
    let all = "SELECT COUNT(DISTINCT person_id) AS n FROM person";
    // Forty persons, of whom fourteen are counted twice.
    let (answer, transcript) = trio.ask(all, 10_000.0).unwrap();
    let count: f64 = answer.text(0, 0).parse().unwrap();
    assert!((count - 40.0).abs() <= APART, "{count}");
    let said = answer.notes.join("\n");
    assert!(said.contains("each person counts once over sites (sketch)"), "{said}");
    assert_eq!(transcript.check(None).unwrap().len(), 2);

    for sql in [
        "SELECT sex, COUNT(*) AS n FROM person GROUP BY sex ORDER BY sex",
        "SELECT region, COUNT(DISTINCT person_id) AS n FROM visit GROUP BY region ORDER BY region",
        "SELECT p.sex, COUNT(DISTINCT v.person_id) AS n FROM visit v JOIN person p ON v.person_id \
         = p.person_id WHERE v.days > 3 GROUP BY p.sex ORDER BY p.sex",
        "SELECT COUNT(DISTINCT person_id) FILTER (WHERE sex = 'F') AS f, COUNT(DISTINCT \
         person_id) AS n FROM person",
        "SELECT COUNT(DISTINCT person_id) FILTER (WHERE days > 9) AS n FROM visit",
    ] {
        let (answer, _) = trio.ask(sql, 10_000.0).unwrap();
        let central = central(&trio, sql);
        assert_eq!(answer.len(), central.len(), "{sql}");
        for row in 0..answer.len() {
            for column in 0..answer.columns().len() {
                let (f, c) = (answer.text(row, column), central.text(row, column));
                let (Ok(f), Ok(c)) = (f.parse::<f64>(), c.parse::<f64>()) else {
                    assert_eq!(f, c, "{sql}");
                    continue;
                };
                assert!((f - c).abs() <= APART, "{f} {c}: {sql}");
            }
        }
    }
}

#[test]
fn at_every_overlap_the_count_is_that_of_the_union() {
    let nobody = |id, site| id % 3 == site;
    let everybody = |_, _| true;
    let mixed = |id, site| id % 3 == site || id % 5 == 0 || (id + 1) % 3 == site;
    let cases: [(u32, IsAt); 4] = [(2, nobody), (3, nobody), (3, everybody), (3, mixed)];
    for (most, is_at) in cases {
        let trio = Trio::under(allowing(most), &sites_of(&persons(), is_at));
        let sql = "SELECT COUNT(DISTINCT person_id) AS n FROM person";
        // Where two persons meet in a register, the sketch says nothing and the interval is that of
        // the sum alone: three times in a row once in two hundred thousand runs.
        let narrow = (0..3).any(|_| {
            let (answer, _) = trio.ask(sql, 10_000.0).unwrap();
            let bound = answer.interval(0, 0).unwrap();
            // At up to three sites the interval also holds what two moments leave open.
            let (lower, upper) = (bound.lower - APART, bound.upper + APART);
            assert!((lower..=upper).contains(&40.0), "{bound:?}");
            let count: f64 = answer.text(0, 0).parse().unwrap();
            assert!((count - 40.0).abs() <= APART + 3.0, "{count}");
            upper - lower < 24.0
        });
        assert!(narrow, "{most}");
    }
}

#[test]
fn ratios_and_other_columns_go_on_beside_counts_of_persons() {
    let trio = trio();
    let sql = "SELECT COUNT(DISTINCT person_id) FILTER (WHERE sex = 'F') * 1.0 / \
               COUNT(DISTINCT person_id) AS share, SUM(year_of_birth) AS born FROM person";
    let (answer, _) = trio.ask(sql, 10_000.0).unwrap();
    let share: f64 = answer.text(0, 0).parse().unwrap();
    assert!((share - 0.5).abs() < 0.15, "{share}");
    assert!(answer.interval(0, 0).is_some());
    // What is no number of persons counts at each site.
    let said = answer.notes.join("\n");
    assert!(said.contains("a person at several sites counts at each"), "{said}");
}

/// Persons of whom nothing is known but that they are there.
fn crowd(count: i64) -> Vec<Person> {
    let person = |id| Person { id, sex: Some("F"), born: Some(1_980), visits: vec![] };
    (0..count).map(person).collect()
}

#[test]
fn with_noise_the_interval_holds_the_union_and_not_the_sum() {
    let everybody = crowd(9_000);
    let trio = Trio::under(allowing(2), &sites_of(&everybody, pairs));
    let sql = "SELECT COUNT(DISTINCT person_id) AS n FROM person";
    let (answer, _) = trio.ask(sql, 12.0).unwrap();
    let bound = answer.interval(0, 0).unwrap();
    let count: f64 = answer.text(0, 0).parse().unwrap();
    let half = (bound.upper - bound.lower) / 2.0;
    // A standard deviation of some 350: five of them are missed once in a million runs.
    assert!(half > 200.0 && half < 1_500.0, "{bound:?}");
    assert!((count - 9_000.0).abs() <= 2.5 * half, "{bound:?}");
    // Three thousand are counted twice.
    assert!(bound.upper < 12_000.0, "{bound:?}");
}

#[test]
fn narrow_noise_of_many_parties_is_taken_for_what_it_is() {
    // At this epsilon each of eight parties adds noise below one step, which is not that of any
    // one law together: taken for one, it would hide all that are counted twice.
    let everybody = crowd(1_800);
    let trio = Trio::under(allowing(2), &sites_of(&everybody, pairs));
    let sql = "SELECT COUNT(DISTINCT person_id) AS n FROM person";
    let (answer, _) = trio.ask(sql, 60.0).unwrap();
    let bound = answer.interval(0, 0).unwrap();
    let count: f64 = answer.text(0, 0).parse().unwrap();
    let half = (bound.upper - bound.lower) / 2.0;
    assert!(half < 120.0, "{bound:?}");
    assert!((count - 1_800.0).abs() <= 2.5 * half, "{count} {bound:?}");
}

#[test]
fn a_sketch_is_proved_where_totals_are() {
    let proven = fixture::proven(allowing(2));
    let trio = Trio::under(proven, &sites_of(&persons(), pairs));
    let sql = "SELECT COUNT(DISTINCT person_id) AS n FROM person";
    let (answer, transcript) = trio.ask(sql, 1.0).unwrap();
    // Forty persons who are counted 54 times.
    let bound = answer.interval(0, 0).unwrap();
    assert!(bound.lower < 54.0 && bound.upper > 20.0, "{bound:?}");
    let rounds = transcript.check(Some(fixture::parameters())).unwrap();
    assert_eq!((rounds.len(), rounds[1].1.len() <= 256), (2, true));
}

#[test]
fn what_is_foretold_says_how_the_error_grows() {
    let trio = trio();
    let quote = |epsilon: f64| {
        let text = "SELECT COUNT(DISTINCT person_id) AS n FROM person".to_owned();
        let bounds = ContributionBounds::default();
        let query = Query { text, epsilon, delta: 1e-6, bounds };
        let quoted = trio.engine.quote_federated(&query, &trio.federation);
        trio.runtime.block_on(quoted).unwrap()
    };
    let (one, three) = (quote(1.0), quote(3.0));
    assert_eq!(one.columns.len(), 1);
    // √(ρ(3)/ρ(1)) is 2.757.
    let ratio = one.columns[0].noise / three.columns[0].noise;
    assert!((ratio - 2.757).abs() < 0.2, "{ratio}");
    assert!(one.notes.iter().any(|note| note.contains("at 1,000,000")), "{:?}", one.notes);
}

#[test]
fn a_lost_site_is_left_out_of_sum_and_sketch_and_one_lost_between_them_ends_it() {
    let trio = trio();
    let sql = "SELECT COUNT(DISTINCT person_id) AS n FROM person";
    trio.wire.with(|party, action, _, _| match (party, action) {
        ("site-1", START) => Fate::Lost,
        _ => Fate::Arrives,
    });
    let (answer, transcript) = trio.ask(sql, 10_000.0).unwrap();
    let left = persons().iter().filter(|p| pairs(p.id, 0) || pairs(p.id, 2)).count();
    let count: f64 = answer.text(0, 0).parse().unwrap();
    assert!((count - left as f64).abs() <= APART && left < 40, "{count} {left}");
    assert!(answer.notes.iter().any(|note| note.contains("they were lost: site-1")));
    assert!(transcript.check(None).is_ok());
    trio.wire.with(|party, action, _, _| match (party, action) {
        ("site-1", NEXT) => Fate::Lost,
        _ => Fate::Arrives,
    });
    assert!(matches!(trio.ask(sql, 10_000.0), Err(Error::Failed(_))));
}

#[test]
fn a_transcript_holds_the_sketch_and_the_receipt_names_it() {
    let trio = trio();
    let sql = "SELECT COUNT(DISTINCT person_id) AS n FROM person";
    let (answer, transcript) = trio.ask(sql, 10_000.0).unwrap();
    let receipt = answer.receipt.unwrap();
    assert_eq!(transcript.check_receipt(&receipt, None).unwrap(), 2);
    let names: Vec<&str> = receipt.intent.mechanisms.iter().map(|m| m.column.as_str()).collect();
    assert!(names.iter().any(|name| name.ends_with("(sketch over sites)")), "{names:?}");
    // One sum, and so many registers for each of the 54 that it says that two rarely meet.
    let rounds = transcript.check(None).unwrap();
    assert_eq!(rounds[0].1, [54]);
    let registers = rounds[1].1.len();
    assert!((40_000..60_000).contains(&registers), "{registers}");
}

/// The noise of a sketch of persons at two sites: what is opened less what they put there.
fn residues(sigma: u64, parties: u32, honest: u32) -> Vec<f64> {
    const REGISTERS: usize = 60_000;
    let lane = Lane::new(parties, 2, 2, REGISTERS, 30).unwrap();
    let context = Context([8; 32]);
    let noise = Noise::from(Scale { numerator: sigma, log2_denominator: 0 });
    let mut sum = Sum::empty(&lane);
    let mut shares = [vec![], vec![]];
    let put = |slot: usize| if slot.is_multiple_of(3) { 2 } else { -i128::from(slot % 3 == 1) };
    for party in 0..parties {
        let zeros = Column::within(vec![0; REGISTERS], 0, Some(1), noise);
        let noisy = cover(vec![zeros], honest).unwrap();
        let at = |slot: usize| if party == 0 { put(slot) } else { 0 };
        let values: Vec<i128> =
            noisy.values().iter().enumerate().map(|(slot, noise)| noise + at(slot)).collect();
        let (sealed, both) = seal::seal(&lane, &context, &values, Role::Site).unwrap();
        sum.add(&sealed).unwrap();
        shares.iter_mut().zip(both).for_each(|(of, share)| of.push(share));
    }
    let shares = shares.map(|of| seal::Share::sum(&of).unwrap());
    let opened = seal::open(&lane, &context, &sum, parties, 0, &shares).unwrap();
    opened.totals.iter().enumerate().map(|(slot, t)| (t - put(slot)) as f64).collect()
}

/// Pearson's statistic of values against a normal law, in twenty classes of a quarter of its
/// deviation around zero, and two beyond.
fn chi_square(values: &[f64], sigma: f64) -> f64 {
    let erf = |x: f64| {
        // Abramowitz and Stegun, 7.1.26: off by 2·10⁻⁷ at most.
        let t = 1.0 / 0.327_591_1f64.mul_add(x.abs(), 1.0);
        let series = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
        let sum = series.iter().fold(0.0, |sum, a| (sum + a) * t);
        x.signum() * (1.0 - sum * (-x * x).exp())
    };
    let below = |edge: f64| f64::midpoint(1.0, erf(edge / std::f64::consts::SQRT_2));
    let edges: Vec<f64> = (-10..=10).map(|step| f64::from(step) / 4.0).collect();
    let mut found = vec![0.0; edges.len() + 1];
    for value in values {
        found[edges.partition_point(|edge| *edge < value / sigma)] += 1.0;
    }
    let mut statistic = 0.0;
    for (class, found) in found.iter().enumerate() {
        let upper = edges.get(class).map_or(1.0, |edge| below(*edge));
        let lower = if class == 0 { 0.0 } else { below(edges[class - 1]) };
        let expected = (upper - lower) * values.len() as f64;
        statistic += (found - expected).powi(2) / expected;
    }
    statistic
}

#[test]
fn the_noise_of_opened_registers_is_that_of_all_parties_and_five_percent_less_is_seen() {
    let law = of_all(Noise::from(Scale { numerator: 600, log2_denominator: 0 }), 3, 8).unwrap();
    let sigma = deviation(law);
    // 21 degrees of freedom: beyond 75 once in ten million.
    let chi = chi_square(&residues(600, 8, 3), sigma);
    assert!(chi < 75.0, "{chi}");
    assert!(chi_square(&residues(570, 8, 3), sigma) > 150.0);
    assert!(chi_square(&residues(600, 7, 3), sigma) > 150.0);
}
