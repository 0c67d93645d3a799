//! A black-box audit: what is claimed of a release is held against what the release shows.
//!
//! One GROUP BY over many groups, half of them with a canary person who is in no other group, is
//! as many independent runs on a database with the canary and without it. From their counts a lower
//! bound on ε follows that holds with known confidence, whatever the code says of itself.
//!
//! # Source
//! Steinke, Nasr and Jagielski, Privacy Auditing with One (1) Training Run, 2023, for many runs in
//! one; here they are independent exactly, by parallel composition.

use std::sync::Arc;

use arrow::array::Int64Array;
use ledger_adapter::manifest::ColumnKind;
use ledger_adapter::statement::{DISCRETE_GAUSSIAN, DISCRETE_LAPLACE};

use crate::engine::Query;
use crate::noise::{Family, Noise, Scale, replicas_of};
use crate::privacy::relation::ContributionBounds;
use crate::tests::audit_statistics::epsilon_lower_bound;
use crate::tests::fixture::{Table, World, block_on, bounded, column, world};
use crate::tests::sensitivity::number;

/// Groups per side of the square of keys that a release has; fewer by `GRAUNT_AUDIT_SIDE`.
const SIDE: usize = 250;

/// Releases whose samples are put together; more by `GRAUNT_AUDIT_RELEASES`.
const RELEASES: usize = 7;

/// Samples with and without a canary of noise that is drawn without a query.
const DRAWS: usize = 200_000;

/// At which δ the loss is held against the claim. The claim is a curve, ε by δ; so far out, few
/// samples tell a noise from one that is a twentieth smaller, if its scale is about a half.
const DELTA: f64 = 0.2;

/// A correct build is flagged in one of a hundred thousand audits at most.
const CONFIDENCE: f64 = 0.999_99;

/// Privacy loss of the release: noise of a scale of about a half.
const EPSILON: f64 = 8.5;

/// Persons 1 to `side`² / 2, each with one record, in every other group.
fn canaries(side: usize) -> Vec<Table> {
    let side = i64::try_from(side).unwrap();
    let persons: Vec<i64> = (0..side * side / 2).collect();
    let key = |name: &str| {
        let mut key = bounded(column(name, ColumnKind::Integer), 0, side - 1, 0);
        key.nullable = false;
        key
    };
    let columns = vec![column("person_id", ColumnKind::Integer), key("a"), key("b")];
    let keys = |of: fn(i64, i64) -> i64| -> Arc<Int64Array> {
        Arc::new(persons.iter().map(|person| Some(of(2 * person, side))).collect())
    };
    let arrays: Vec<arrow::array::ArrayRef> = vec![
        Arc::new(Int64Array::from(persons.clone())),
        keys(|group, side| group / side),
        keys(|group, side| group % side),
    ];
    vec![Table::new("records", Some(1), columns, arrays)]
}

/// The released counts without and with a canary, and the noise that the receipt claims.
fn released(world: &World, side: usize) -> ([Vec<i128>; 2], Noise) {
    let bounds = ContributionBounds {
        rows_per_person: Some(1),
        groups_per_person: Some(1),
        ..ContributionBounds::default()
    };
    let text = "SELECT a, b, COUNT(*) AS n FROM records GROUP BY a, b".to_owned();
    let query = Query { text, epsilon: EPSILON, delta: 1e-3, bounds };
    let answer = block_on(world.engine.answer(&query)).unwrap();
    assert_eq!(answer.len(), side * side, "a group is missing");
    let whole = |row, column| -> i128 { answer.text(row, column).parse().unwrap() };
    let side = i128::try_from(side).unwrap();
    let mut counts = [vec![], vec![]];
    for row in 0..answer.len() {
        let group = whole(row, 0) * side + whole(row, 1);
        let has_canary = group % 2 == 0;
        counts[usize::from(has_canary)].push(whole(row, 2));
    }
    let mechanisms = &answer.receipt.as_ref().unwrap().intent.mechanisms;
    assert_eq!(mechanisms.len(), 1, "{mechanisms:?}");
    let family = match mechanisms[0].mechanism.as_str() {
        DISCRETE_GAUSSIAN => Family::Gaussian,
        DISCRETE_LAPLACE => Family::Laplace,
        other => panic!("{other}"),
    };
    let scale = Scale {
        numerator: mechanisms[0].scale_numerator,
        log2_denominator: mechanisms[0].scale_log2_denominator,
    };
    (counts, Noise { family, scale })
}

/// The exact ε of a noise at a δ: where the hockey-stick divergence of its law and the law moved
/// by one is that δ.
///
/// # Source
/// CKS20, Theorem 7, before it is bounded.
pub(crate) fn exact_epsilon(noise: Noise, delta: f64) -> f64 {
    let scale = noise.scale.as_f64();
    let weight = |z: i64| match noise.family {
        Family::Gaussian => (-(z as f64 / scale).powi(2) / 2.0).exp(),
        Family::Laplace => (-(z as f64 / scale).abs()).exp(),
    };
    let total: f64 = (-REACH..=REACH).map(weight).sum();
    let divergence = |epsilon: f64| -> f64 {
        let excess = |z: i64| (weight(z - 1) - epsilon.exp() * weight(z)).max(0.0);
        (-REACH..=REACH).map(excess).sum::<f64>() / total
    };
    let (mut low, mut high) = (0.0, 50.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if divergence(middle) > delta { low = middle } else { high = middle }
    }
    high
}

/// Beyond it no law of these tests has any weight.
const REACH: i64 = 400;

/// Noise around 0 and around 1.
fn drawn(noise: Noise, count: usize) -> [Vec<i128>; 2] {
    [0, 1].map(|canary| {
        let draws = replicas_of(noise, count).unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "noise of a small scale is whole")]
        let whole = |draw: &f64| *draw as i128 + canary;
        draws.iter().map(whole).collect()
    })
}

#[test]
fn the_exact_loss_is_the_published_one() {
    // Balle and Wang, Improving the Gaussian Mechanism, 2018, Theorem 8, for σ = 10 and ε = 0.1:
    // Φ(-0.95) - e^0.1 · Φ(-1.05) = 0.171 056 - 1.105 171 · 0.146 859 = 0.008 752.
    let ten = Scale { numerator: 10, log2_denominator: 0 };
    assert!((exact_epsilon(ten.into(), 0.008_752) - 0.1).abs() < 1e-3);
    // A law that falls by e^-1 a step tells ε = 1, whatever δ, while δ is small.
    let one = Noise { family: Family::Laplace, scale: Scale { numerator: 1, log2_denominator: 0 } };
    assert!((exact_epsilon(one, 1e-9) - 1.0).abs() < 1e-6);
}

#[test]
fn a_release_shows_no_more_loss_than_is_claimed_and_nearly_as_much() {
    let side = number("GRAUNT_AUDIT_SIDE", SIDE);
    let releases = number("GRAUNT_AUDIT_RELEASES", RELEASES);
    let world = world(&[canaries(side)], 2);
    let (mut without, mut with) = (vec![], vec![]);
    let mut claimed = None;
    for _ in 0..releases {
        let ([more_without, more_with], noise) = released(&world, side);
        assert_eq!(*claimed.get_or_insert(noise), noise, "releases of one query differ");
        without.extend(more_without);
        with.extend(more_with);
    }
    let exact = exact_epsilon(claimed.unwrap(), DELTA);
    let shown = epsilon_lower_bound(&without, &with, DELTA, CONFIDENCE);
    let samples = with.len();
    let told = format!("{samples} samples show ε = {shown}, and {exact} is claimed");
    assert!(shown <= exact, "{told}");
    let least = if samples >= 100_000 { 0.95 } else { 0.85 };
    assert!(shown >= least * exact, "{told}");
}

#[test]
fn a_deficit_of_a_twentieth_of_the_noise_is_flagged() {
    let draws = number("GRAUNT_AUDIT_DRAWS", DRAWS);
    let noise = |numerator| Noise {
        family: Family::Gaussian,
        scale: Scale { numerator, log2_denominator: 21 },
    };
    let exact = exact_epsilon(noise(1 << 20), DELTA);
    let shown = |noise| {
        let [without, with] = drawn(noise, draws);
        epsilon_lower_bound(&without, &with, DELTA, CONFIDENCE)
    };
    let whole = shown(noise(1 << 20));
    assert!(whole <= exact && whole >= 0.95 * exact, "{whole} of {exact}");
    // With a twentieth less it is at least 1.05 of the claim, but for one audit in a thousand.
    let less = shown(noise((1 << 20) * 20 / 21));
    assert!(less > exact, "a deficit is missed: {less} of {exact}");
}
