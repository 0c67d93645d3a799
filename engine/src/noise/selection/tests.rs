//! Published figures, and the definition itself on every pair of adjacent entries.

use super::*;

const TWO_64: f64 = 18_446_744_073_709_551_616.0;

/// Probabilities of being shown and of being dropped, each to float precision.
fn chances(entry: u64) -> (f64, f64) {
    (entry as f64 / TWO_64, ((u64::MAX - entry) as f64 + 1.0) / TWO_64)
}

fn pure(epsilon: f64, delta: f64, groups: u64) -> Vec<u64> {
    keep_probabilities_pure(epsilon, delta, groups).unwrap()
}

fn concentrated(rho_nano: u64, delta_atto: u64, groups: u64) -> KeepTable {
    keep_table(Rho::from_nano(rho_nano), Delta::from_atto(delta_atto), groups).unwrap()
}

/// The entry for a count, which is the last one for counts beyond the table.
fn shown(table: &[u64], count: usize) -> f64 {
    chances(table[count.min(table.len() - 1)]).0
}

/// The least count that is shown with at least this probability.
fn count_at(table: &[u64], probability: f64) -> usize {
    (0..table.len()).find(|&count| shown(table, count) >= probability).unwrap()
}

#[test]
fn pure_tables_have_the_published_quantiles() {
    // partsel_ref.json, "keep", by the closed form of Desfontaines et al.: ε, δ, groups, and the
    // least counts shown with probability 0.5 and 0.99.
    for (epsilon, delta, groups, half, nearly_all) in [
        (0.1, 1e-6, 1, 109, 148),
        (0.1, 1e-6, 4, 434, 590),
        (0.1, 1e-9, 1, 178, 217),
        (0.1, 1e-9, 4, 710, 867),
        (0.5, 1e-6, 1, 26, 34),
        (0.5, 1e-9, 4, 156, 187),
        (1.0, 1e-6, 1, 14, 18),
        (1.0, 1e-6, 4, 53, 69),
        (1.0, 1e-9, 1, 21, 25),
        (1.0, 1e-9, 4, 81, 97),
        (2.0, 1e-6, 1, 8, 10),
        (2.0, 1e-9, 4, 42, 50),
    ] {
        let table = pure(epsilon, delta, groups);
        let found = (count_at(&table, 0.5), count_at(&table, 0.99));
        assert_eq!(found, (half, nearly_all), "({epsilon}, {delta}), {groups}");
    }
}

#[test]
fn pure_tables_show_as_many_keys_as_published() {
    // partsel_ref.json, "expected": ten thousand keys, the r-th with 10 000/r persons, rounded
    // down; or all with 20, or a thousand with 50.
    let expected = |table: &[u64], counts: &mut dyn Iterator<Item = usize>| -> f64 {
        counts.map(|count| shown(table, count)).sum()
    };
    for (epsilon, delta, groups, zipf, uniform) in [
        (1.0, 1e-6, 1, 717.869_520_645_035_9, 9_992.566_750_275_03),
        (1.0, 1e-6, 4, 188.768_256_381_459_57, 1.297_534_925_057_807_4),
        (0.5, 1e-6, 1, 391.423_196_052_753_1, 339.521_251_878_112_14),
        (0.5, 1e-6, 4, 100.656_957_285_325_62, 0.209_962_896_735_477_9),
        (1.0, 1e-9, 1, 478.657_781_862_628_8, 2_823.548_421_302_261_4),
        (1.0, 1e-9, 4, 123.419_149_320_365_14, 0.001_297_534_925_057_806_8),
    ] {
        let table = pure(epsilon, delta, groups);
        let found = expected(&table, &mut (1..=10_000).map(|rank| 10_000 / rank));
        assert!((found / zipf - 1.0).abs() < 1e-9, "({epsilon}, {delta}), {groups}: {found}");
        let found = expected(&table, &mut (0..10_000).map(|_| 20));
        assert!((found / uniform - 1.0).abs() < 1e-9, "({epsilon}, {delta}), {groups}: {found}");
    }
}

#[test]
fn every_entry_of_a_pure_table_is_private_next_to_its_neighbour() {
    for (epsilon, delta, groups) in
        [(1e-3, 1e-3, 1), (0.1, 1e-9, 1), (1.0, 1e-6, 16), (5.0, 1e-18, 1), (50.0, 1e-2, 1)]
    {
        let table = pure(epsilon, delta, groups);
        assert_eq!((table[0], *table.last().unwrap()), (0, u64::MAX));
        let (factor, delta) = ((epsilon / groups as f64).exp(), delta / groups as f64);
        for pair in table.windows(2) {
            let ((p, not_p), (q, not_q)) = (chances(pair[0]), chances(pair[1]));
            assert!(p < q || pair[0] < pair[1]);
            assert!(q <= factor * p + delta, "({epsilon}, {delta}): {p}, {q}");
            assert!(not_p <= factor * not_q + delta, "({epsilon}, {delta}): {p}, {q}");
        }
    }
}

#[test]
fn concentrated_tables_have_the_published_quantiles() {
    // mechanisms-and-accounting.md, Section 4, and partsel_ref.json, "zcdp", at δ = 1e-7: ρ in
    // billionths, groups, and the least counts shown with probability 0.5 by this table and by a
    // threshold on a Gaussian count of the same (ρ, δ).
    for (rho, groups, half, gaussian) in [
        (5_000_000, 1, 46, 53),
        (25_000_000, 1, 22, 25),
        (25_000_000, 4, 43, 50),
        (25_000_000, 16, 88, 103),
        (50_000_000, 1, 16, 18),
        (100_000_000, 1, 12, 13),
        (100_000_000, 4, 23, 26),
        // 45 there, from fewer orders; over all of them 45 persons are shown with 0.4993.
        (100_000_000, 16, 46, 52),
        (125_000_000, 1, 11, 12),
        (500_000_000, 1, 6, 7),
    ] {
        let table = concentrated(rho, 100_000_000_000, groups).probabilities;
        assert_eq!(count_at(&table, 0.5), half, "{rho}, {groups}");
        // A tenth fewer persons, or one, where a tenth is not a whole person.
        let most = if gaussian < 15 { gaussian - 1 } else { gaussian * 9 / 10 };
        assert!(half <= most, "{rho}, {groups}");
    }
    for (rho, nearly_all) in
        [(5_000_000, 65), (50_000_000, 22), (125_000_000, 14), (500_000_000, 8)]
    {
        let table = concentrated(rho, 100_000_000_000, 1).probabilities;
        assert_eq!(count_at(&table, 0.99), nearly_all, "{rho}");
    }
}

/// Rényi divergence of order α of two Bernoulli laws, each with its complement; at 1 its limit,
/// the one of Kullback and Leibler.
fn renyi(p: (f64, f64), q: (f64, f64), order: f64) -> f64 {
    if order == 1.0 {
        let term = |p: f64, q: f64| if p == 0.0 { 0.0 } else { p * (p / q).ln() };
        return term(p.0, q.0) + term(p.1, q.1);
    }
    let term = |p: f64, q: f64| {
        if p == 0.0 { f64::NEG_INFINITY } else { order * p.ln() + (1.0 - order) * q.ln() }
    };
    let (shown, dropped) = (term(p.0, q.0), term(p.1, q.1));
    let most = shown.max(dropped);
    (most + ((shown - most).exp() + (dropped - most).exp()).ln()) / (order - 1.0)
}

#[test]
fn every_entry_of_a_concentrated_table_is_private_next_to_its_neighbour() {
    // ρ in billionths, δ in units of 10⁻¹⁸, groups.
    for (rho, delta, groups) in [
        (25_000_000, 100_000_000_000, 1),
        (25_000_000, 100_000_000_000, 16),
        (1_000_000, 1_000_000_000, 1),
        (100_000, 10_000_000_000_000_000, 1),
        (500_000_000, 1_000_000_000_000, 3),
        (5_000_000_000, 1_000, 1),
        (50_000_000_000, 100, 1),
        (2_000_000_000_000, 1_000_000_000_000, 1),
    ] {
        let table = concentrated(rho, delta, groups);
        let failure = table.delta.as_f64() / groups as f64;
        let limit = table.rho.as_f64() / groups as f64;
        assert_eq!(table.probabilities[0], 0);
        assert_eq!(*table.probabilities.last().unwrap(), u64::MAX, "{rho}, {delta}");
        for pair in table.probabilities.windows(2) {
            assert!(pair[0] < pair[1]);
            let ((p, not_p), (q, not_q)) = (chances(pair[0]), chances(pair[1]));
            // What is left out: "dropped" on the side of p, "shown" on the side of q.
            let rest = 1.0 - failure;
            if not_p <= failure {
                continue;
            }
            let s = (p / rest, (not_p - failure) / rest);
            let r = ((q - failure).max(0.0) / rest, not_q / rest);
            if r.0 <= s.0 {
                continue;
            }
            let mut tightest = 0.0_f64;
            let orders = (0..480).map(|step| 1.0 + 10_f64.powf(f64::from(step) / 60.0 - 2.0));
            for order in orders.chain([1.0]) {
                let rate = renyi(r, s, order).max(renyi(s, r, order)) / order;
                // The slack is for the floats of this test.
                assert!(rate <= limit * (1.0 + 1e-9) + 1e-13, "{rho}, {order}: {p}, {q}: {rate}");
                tightest = tightest.max(rate / limit);
            }
            // Nothing is given away: some order is used up, but for the grid of this test, unless
            // a unit is too coarse or the next entry is the last.
            let is_free = pair[0] > 1 << 20 && pair[1] < u64::MAX - (1 << 20);
            assert!(!is_free || tightest > 0.998, "{rho}: {p}, {q}: {tightest}");
        }
    }
}

#[test]
fn more_budget_shows_more_and_more_groups_show_less() {
    let base = concentrated(20_000_000, 1_000_000_000, 2).probabilities;
    for more in [
        concentrated(25_000_000, 1_000_000_000, 2),
        concentrated(20_000_000, 2_000_000_000, 2),
        concentrated(20_000_000, 1_000_000_000, 1),
    ] {
        for count in 1..base.len() {
            assert!(shown(&more.probabilities, count) >= shown(&base, count), "{count}");
        }
        assert!(count_at(&more.probabilities, 0.5) <= count_at(&base, 0.5));
    }
}

#[test]
fn a_small_charge_still_makes_a_table() {
    // A ten-thousandth of ρ over 16 keys: hundreds of persons before a key is shown.
    let table = concentrated(100_000, 1_000_000_000, 16);
    let half = count_at(&table.probabilities, 0.5);
    assert!((1_400..1_600).contains(&half), "{half}");
    // δ of one unit of 10⁻¹⁸ is 18 units of 2⁻⁶⁴.
    assert_eq!(concentrated(100_000_000, 1, 1).probabilities[1], 18);
    assert_eq!(pure(1.0, 1e-18, 1)[1], 18);
}

#[test]
fn what_pays_for_no_table_is_refused() {
    let table = |rho, delta, groups| {
        keep_table(Rho::from_nano(rho), Delta::from_atto(delta), groups).map(|_| ())
    };
    assert!(matches!(table(1, 1, 0), Err(NoiseError::NoSensitivity)));
    assert!(matches!(table(0, 1, 1), Err(NoiseError::Underfunded { .. })));
    assert!(matches!(table(1, 0, 1), Err(NoiseError::BadDelta)));
    assert!(matches!(table(1, 1_000_000_000_000_000_000, 1), Err(NoiseError::BadDelta)));
    // Less than one unit for each of a hundred keys.
    assert!(matches!(table(1, 1, 100), Err(NoiseError::BadDelta)));
    for delta in [0.0, 1.0, -1.0, f64::NAN] {
        let refused = keep_probabilities_pure(1.0, delta, 1);
        assert!(matches!(refused, Err(NoiseError::BadDelta)), "{delta}");
    }
    for epsilon in [0.0, 1e-4, 2e4, f64::NAN] {
        let refused = keep_probabilities_pure(epsilon, 1e-6, 1);
        assert!(matches!(refused, Err(NoiseError::BadEpsilon)), "{epsilon}");
    }
    assert!(matches!(keep_probabilities_pure(1.0, 0.1, 0), Err(NoiseError::NoSensitivity)));
}
