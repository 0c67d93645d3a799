//! Columns through the door.

use super::*;

#[test]
fn noise_is_added_to_every_value() {
    // Half of ρ with the billionth of cover, and tanh(1/6)/3 at Laplace 3.
    let granted = charged(500_000_001 + 55_046_888, 0);
    let (wide, narrow) = (laplace(3, 0), gaussian(1, 0));
    let columns = vec![column(vec![1_000; 30_000], narrow), column(vec![-5; 10_000], wide)];
    let (noisy, returned) = add(columns, granted).unwrap();
    assert_eq!(returned.cost().rho.nano(), 555_046_889);
    assert_eq!((noisy[0].len(), noisy[1].len()), (30_000, 10_000));
    // Drawn from the operating system: false alarm 2 * 3e-7.
    let noise: Vec<i128> = noisy[0].iter().map(|value| value - 1_000).collect();
    assert!(departure(&noise, narrow) < 5.0);
    let noise: Vec<i128> = noisy[1].iter().map(|value| value + 5).collect();
    assert!(departure(&noise, wide) < 5.0);
}

#[test]
fn an_underfunded_charge_draws_nothing() {
    generator::install(Generator::seeded(80));
    let columns = || vec![column(vec![0; 10], gaussian(1, 0)), column(vec![0; 10], laplace(1, 0))];
    match add(columns(), charged(962_117_158, 0)) {
        Err(NoiseError::Underfunded { needed, granted }) => {
            assert_eq!((needed.nano(), granted.nano()), (962_117_159, 962_117_158));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(generator::words_drawn(), 0);
    for none in [gaussian(0, 0), laplace(0, 0)] {
        let refused = add(vec![column(vec![0; 10], none)], charged(1, 0));
        assert!(matches!(refused, Err(NoiseError::BadScale)));
    }
    assert_eq!(generator::words_drawn(), 0);
    let (noisy, _) = add(columns(), charged(962_117_159, 0)).unwrap();
    assert_eq!((noisy[0].len(), noisy[1].len()), (10, 10));
    assert!(generator::words_drawn() > 0);
}

#[test]
fn a_laplace_column_that_opendp_finds_too_dear_is_refused() {
    let noise = laplace(1, 0);
    let checked = |nano| {
        let mechanism = mechanism::Mechanism::new(noise).unwrap();
        mechanism.check(&column(vec![], noise), Rho::from_nano(nano))
    };
    checked(462_117_158).unwrap();
    for wrong in [462_117_150, 0, 500_000_010] {
        assert!(matches!(checked(wrong), Err(NoiseError::MapDisagrees)), "{wrong}");
    }
}

#[test]
fn only_gaussian_noise_is_priced_by_the_length_of_a_move() {
    let far = |noise| Column::within(vec![0; 9], 3, None, noise);
    assert_eq!(far(gaussian(1, 0)).charge().unwrap().nano(), 4_500_000_001);
    let refused = add(vec![far(laplace(1, 0))], charged(u64::MAX, 0));
    assert!(matches!(refused, Err(NoiseError::NoGroups)));
}

#[test]
fn the_narrower_family_is_chosen() {
    let both = [Family::Gaussian, Family::Laplace];
    let chosen = |sensitivity, groups, nano, families: &[Family]| {
        noise_within(sensitivity, groups, Rho::from_nano(nano), families)
    };
    for (sensitivity, groups, nano, expected) in [
        // Little privacy loss per value: a Gaussian of deviation Δ·√(groups/2ρ).
        (1, 1, 24_356_000, Family::Gaussian),
        (100, 20, 24_356_000, Family::Gaussian),
        // Much: a Laplace of deviation about √2·Δ·groups/ρ.
        (100, 1, 8_000_000_000, Family::Laplace),
        (12_345, 1, 5_000_000_000, Family::Laplace),
    ] {
        let found = chosen(sensitivity, groups, nano, &both).unwrap();
        assert_eq!(found.family, expected, "{sensitivity}, {groups}, {nano}");
        assert!(charge_of(sensitivity, groups, found).unwrap().nano() <= nano);
        for family in both {
            let alone = chosen(sensitivity, groups, nano, &[family]).unwrap();
            assert_eq!(alone.family, family);
            assert!(deviation(found) <= deviation(alone));
        }
    }
    assert!(matches!(chosen(1, 1, 1, &[]), Err(NoiseError::NoFamily)));
    assert!(matches!(chosen(0, 1, 1, &both), Err(NoiseError::NoSensitivity)));
}

#[test]
fn sums_past_the_integers_stay_at_the_end() {
    for noise in [gaussian(u64::MAX, 0), laplace(u64::MAX, 0)] {
        let column = column(vec![i128::MAX, i128::MIN, 0, i128::MAX], noise);
        let (noisy, _) = add(vec![column], charged(1, 0)).unwrap();
        assert!(noisy[0][0] > i128::MAX / 2 && noisy[0][1] < i128::MIN / 2);
    }
    let (values, noise) = (vec![i128::MAX, i128::MIN], gaussian(1 << 40, 0));
    let residual = Some(Residual { shape: vec![2] });
    let column = Column { residual, ..column(values, noise) };
    let (noisy, _) = add(vec![column], charged(1, 0)).unwrap();
    assert_eq!(noisy[0], [i128::MAX, i128::MIN]);
}

#[test]
fn debug_prints_no_contents() {
    let printed = format!("{:?}", column(vec![271_828, 314_159], gaussian(7, 0)));
    assert!(!printed.contains("271828") && !printed.contains("314159"));
    assert!(printed.contains("sensitivity: 1") && printed.contains("numerator: 7"));
    let sharpness = Sharpness { numerator: 7, log2_denominator: 0 };
    let scores =
        Scores { values: vec![vec![271_828], vec![314_159]], sensitivity: 1, groups: 1, sharpness };
    let printed = format!("{scores:?}");
    assert!(!printed.contains("271828") && !printed.contains("314159"));
    assert!(printed.contains("numerator: 7"));
}

/// A residual column of 2 by 3 cells; its charge is 6 · 1 · 2 / (2σ²).
fn table(values: Vec<i128>, noise: Noise) -> Column {
    let residual = Some(Residual { shape: vec![2, 3] });
    Column { residual, ..column(values, noise) }
}

#[test]
fn residuals_sum_to_zero_and_follow_the_table() {
    let values = vec![3, 1, 4, 1, 5, 9];
    let passed = |values: Vec<i128>| {
        generator::install(Generator::seeded(81));
        let granted = charged(60_000_001, 0);
        let (mut noisy, _) = add(vec![table(values, gaussian(10, 0))], granted).unwrap();
        noisy.remove(0)
    };
    let noisy = passed(values.clone());
    for row in noisy.chunks(3) {
        assert_eq!(row.iter().sum::<i128>(), 0);
    }
    for at in 0..3 {
        assert_eq!(noisy[at] + noisy[at + 3], 0);
    }
    // The same noise on a table with one more in one cell: its projection, in steps of 1/36.
    let unit = [12, -6, -6, -12, 6, 6];
    let mut more = values;
    more[0] += 1;
    let moved: Vec<i128> = passed(more).iter().zip(&noisy).map(|(a, b)| a - b).collect();
    assert_eq!(moved, unit);
}

#[test]
fn residuals_have_the_variance_that_is_stated() {
    // 36·σ²·(1/2)·(2/3) with σ = 10 on the fine grid. Within 5 standard errors over 4000 tables of
    // 2 free cells each, the others being their copies: false alarm 6e-7 per cell.
    generator::install(Generator::seeded(82));
    let columns = (0..4_000).map(|_| table(vec![7; 6], gaussian(10, 0))).collect();
    let (noisy, _) = add(columns, charged(u64::MAX, 0)).unwrap();
    for at in 0..6 {
        let sum: f64 = noisy.iter().map(|cells| (cells[at] as f64).powi(2)).sum();
        let ratio = sum / 4_000.0 / (36.0 * 100.0 / 3.0);
        assert!((ratio - 1.0).abs() < 5.0 * (2.0_f64 / 4_000.0).sqrt(), "{at}: {ratio}");
    }
}

#[test]
fn residuals_cost_what_their_projection_moves() {
    let nano = |sensitivity, shape: &[u64], at| {
        residual_charge(sensitivity, shape, scale(at, 0)).unwrap().nano()
    };
    assert_eq!(nano(1, &[2, 3], 10), 60_000_001);
    assert_eq!(nano(3, &[2, 3], 10), 540_000_001);
    // A grand total is a plain count, and what cannot move costs nothing.
    assert_eq!(nano(1, &[], 1), 500_000_001);
    assert_eq!(nano(1, &[1, 5], 1), 0);
    let found = residual_scale_within(1, &[2, 3], Rho::from_nano(60_000_001)).unwrap();
    assert_eq!(found, scale(10, 0));
    let still = residual_scale_within(1, &[1], Rho::from_nano(1));
    assert!(matches!(still, Err(NoiseError::NoSensitivity)));
    for column in [
        Column { groups: None, ..table(vec![0; 6], gaussian(10, 0)) },
        Column { groups: Some(2), ..table(vec![0; 6], gaussian(10, 0)) },
        table(vec![0; 5], gaussian(1, 0)),
        table(vec![0; 6], laplace(1, 0)),
        Column { residual: Some(Residual { shape: vec![6, 0] }), ..table(vec![], gaussian(1, 0)) },
    ] {
        let refused = add(vec![column], charged(u64::MAX, 0));
        assert!(matches!(refused, Err(NoiseError::BadResidual)));
    }
}
