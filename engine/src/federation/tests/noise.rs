//! The noise in an opened total, beside the law that is paid for.

use ledger_adapter::digest::Digest;
use seal::{Context, Lane, Role, Sum};

use crate::federation::round::Spec;
use crate::federation::tests::fixture::{Trio, terms};
use crate::federation::tests::sites;
use crate::noise::share::cover;
use crate::noise::{Column, Noise, Scale};
use crate::privacy::relation::ContributionBounds;

const CELLS: usize = 100_000;

/// Totals of nobody, sealed by so many parties, summed and opened.
fn opened(parties: u32, honest: u32, scale: Scale) -> Vec<i128> {
    let lane = Lane::new(parties, 2, 2, CELLS, 30).unwrap();
    let context = Context([7; 32]);
    let zeros = || Column::within(vec![0; CELLS], 0, Some(1), Noise::from(scale));
    let mut sum = Sum::empty(&lane);
    let mut shares = [vec![], vec![]];
    for _ in 0..parties {
        let noisy = cover(vec![zeros()], honest).unwrap();
        let (sealed, both) = seal::seal(&lane, &context, noisy.values(), Role::Site).unwrap();
        sum.add(&sealed).unwrap();
        shares.iter_mut().zip(both).for_each(|(of, share)| of.push(share));
    }
    let shares = shares.map(|of| seal::Share::sum(&of).unwrap());
    seal::open(&lane, &context, &sum, parties, 0, &shares).unwrap().totals
}

/// χ² of values against the discrete Gaussian of this scale, in 40 classes.
fn chi_square(values: &[i128], sigma: f64) -> f64 {
    let reach = 2_000;
    let weight = |z: i128| (-(z as f64).powi(2) / (2.0 * sigma * sigma)).exp();
    let all: f64 = (-reach..=reach).map(weight).sum();
    let class = |z: i128| {
        let at = ((z as f64 / sigma + 4.0) * 5.0).floor().clamp(0.0, 39.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 40")]
        let at = at as usize;
        at
    };
    let mut expected = [0.0; 40];
    (-reach..=reach).for_each(|z| expected[class(z)] += weight(z) / all * values.len() as f64);
    let mut found = [0.0; 40];
    values.iter().for_each(|z| found[class(*z)] += 1.0);
    found.iter().zip(expected).map(|(f, e): (&f64, f64)| (f - e).powi(2) / e).sum()
}

/// 39 degrees of freedom: beyond it once in ten million.
const CHI_MAX: f64 = 105.0;

#[test]
fn if_all_are_honest_the_noise_is_that_of_one_trusted_party_and_five_percent_less_is_seen() {
    for (parties, sigma) in [(1, 20), (4, 20), (9, 40)] {
        let values = opened(parties, parties, Scale { numerator: sigma, log2_denominator: 0 });
        let chi = chi_square(&values, sigma as f64);
        assert!(chi < CHI_MAX, "{parties} {sigma}: {chi}");
    }
    let less = opened(4, 4, Scale { numerator: 19, log2_denominator: 0 });
    assert!(chi_square(&less, 20.0) > 2.0 * CHI_MAX);
    // One party that leaves its share out is seen as well.
    let missing = opened(3, 4, Scale { numerator: 20, log2_denominator: 0 });
    assert!(chi_square(&missing, 20.0) > 2.0 * CHI_MAX);
}

#[test]
fn what_the_honest_do_not_need_comes_on_top_and_is_in_the_intervals() {
    let (parties, honest) = (8, 3);
    let values = opened(parties, honest, Scale { numerator: 30, log2_denominator: 0 });
    let wide = 30.0 * (8.0_f64 / 3.0).sqrt();
    assert!(chi_square(&values, wide) < CHI_MAX);

    let trio = Trio::new(&sites(3));
    assert_eq!(trio.federation.honest(), 3);
    let sql = "SELECT COUNT(*) AS n FROM person";
    // Forty persons are six deviations away from zero, where intervals are cut off.
    let (federated, _) = trio.ask(sql, 2.0).unwrap();
    let width = federated.interval(0, 0).map(|b| b.upper - b.lower).unwrap();
    let price = federated.cost.rho.as_f64();
    let sigma = (1.0 / (2.0 * price)).sqrt();
    // Eight parties, each with a third of the variance, or with 8 where that is more.
    let each = (sigma * sigma / 3.0).max(8.0_f64.min(sigma * sigma));
    let whole = 2.0 * 1.96 * (8.0 * each).sqrt();
    assert!((width - whole).abs() <= 3.0, "{width} {whole}");
    assert!(federated.notes.iter().any(|n| n.contains("3 honest parties; 8 added noise")));
}

#[test]
fn a_person_at_several_sites_costs_as_many_times_the_noise() {
    let mut wider = terms(3);
    wider.sites_per_person = 3;
    let columns = |k: u32| {
        let trio = Trio::under(
            {
                let mut t = wider.clone();
                t.sites_per_person = k;
                t
            },
            &sites(3),
        );
        let bounds = ContributionBounds::default();
        let text = "SELECT sex, SUM(year_of_birth) AS n FROM person GROUP BY sex".to_owned();
        let query = crate::engine::Query { text, epsilon: 1.0, delta: 1e-6, bounds };
        let quoted = trio.engine.quote_federated(&query, &trio.federation);
        let quote = trio.runtime.block_on(quoted).unwrap();
        quote.columns[0].noise
    };
    let (one, three) = (columns(1), columns(3));
    assert!((three / one - 3.0).abs() < 1e-3, "{one} {three}");
}

#[test]
fn the_round_is_what_the_columns_are() {
    let column = |cells: usize, numerator: u64, sensitivity: u64| {
        let noise = Noise::from(Scale { numerator, log2_denominator: 0 });
        Column::within(vec![0; cells], sensitivity, Some(1), noise)
    };
    let terms = terms(3);
    let spec = Spec::of(&[column(3, 9, 1), column(2, 9, 5)], &terms, None).unwrap();
    assert_eq!(spec.cells(), Some(5));
    let split = spec.columns(&[1, 2, 3, 4, 5]).unwrap();
    assert_eq!(split, vec![vec![1, 2, 3], vec![4, 5]]);
    assert_eq!(spec.columns(&[1, 2, 3, 4]), None);
    let digests: Vec<Digest> = [
        Spec::of(&[column(3, 9, 1), column(2, 9, 5)], &terms, None),
        Spec::of(&[column(2, 9, 1), column(3, 9, 5)], &terms, None),
        Spec::of(&[column(3, 8, 1), column(2, 9, 5)], &terms, None),
        Spec::of(&[column(3, 9, 1), column(2, 9, 1 << 30)], &terms, None),
    ]
    .into_iter()
    .map(|spec| spec.unwrap().digest().unwrap())
    .collect();
    for (i, digest) in digests.iter().enumerate() {
        assert_eq!(digests.iter().filter(|d| *d == digest).count(), 1, "{i}");
    }
    // Values beyond the range are cut off there, and totals too wide for any are refused.
    assert!(Spec::of(&[column(1, 9, u64::MAX)], &terms, None).is_err());
    let narrow = Spec::of(&[column(1, 9, 1)], &terms, None).unwrap();
    let cut = narrow.within(&[i128::MAX, i128::MIN, 5]);
    assert!(cut[0] > 1 << 20 && cut[1] == -cut[0] - 1 && cut[2] == 5);
}
