//! Tests of the plan, of its exact tables and of the two together.
//!
//! Seeds are fixed, so a pass stays a pass. The false-alarm rate of a new seed is beside the one
//! test that draws.

use std::f64::consts::TAU;

use super::*;

/// Sex, age group, region and diagnosis of the table that the published figures are for.
const CLINIC: [u64; 4] = [2, 18, 50, 20];

/// Small enough for explicit matrices.
const TINY: [u64; 3] = [2, 3, 2];

fn best(sizes: &[u64], wanted: &[u32], weights: Weights<'_>) -> Plan {
    plan(sizes, wanted, weights, 1).unwrap()
}

/// The sets of some numbers of attributes out of four.
fn sets(ways: std::ops::RangeInclusive<u32>) -> Vec<u32> {
    (0..16_u32).filter(|set| ways.contains(&set.count_ones())).collect()
}

/// σ of each part when the whole of 2ρ/s² is 1.
fn unit_scales(plan: &Plan) -> Vec<f64> {
    plan.scales(0.5, 1.0)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn assert_close(left: f64, right: f64, tolerance: f64) {
    assert!((left - right).abs() <= tolerance * right.abs().max(1.0), "{left} is not {right}");
}

/// Knuth's linear congruential generator.
struct Lcg(u64);

impl Lcg {
    /// 53 bits.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 11
    }

    /// Strictly between 0 and 1.
    fn uniform(&mut self) -> f64 {
        (self.next() as f64 + 0.5) / 2_f64.powi(53)
    }

    /// Box and Muller's method.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (TAU * self.uniform()).cos()
    }

    /// An integer between -10⁹ and 10⁹, for cells.
    fn cell(&mut self) -> i128 {
        i128::from(self.next() % 2_000_000_001) - 1_000_000_000
    }
}

/// The residuals of a full table, each fine cell moved by `noise`.
fn residuals(plan: &Plan, full: &[i128], mut noise: impl FnMut(usize) -> i128) -> Vec<Residual> {
    let shape = plan.shape();
    let parts = plan.closure.iter().enumerate().map(|(index, part)| {
        let marginal = shape.marginal_of(full, part.attributes).unwrap();
        let mut fine = shape.on_fine_grid(part.attributes, &marginal).unwrap();
        fine.iter_mut().for_each(|cell| *cell += noise(index));
        shape.residual(part.attributes, fine).unwrap()
    });
    parts.collect()
}

#[test]
fn a_single_key_of_two_has_the_shares_of_a_hand_calculation() {
    // Values: 1 + 1/4 for the total, 1/2 for the residual; costs: 1 and 1/2. The roots of their
    // products are √5/2 and 1/2, whose sum is the golden ratio φ; the mean is φ²/2, not 2.
    let plan = best(&[2], &[0, 1], Weights::PerMarginal);
    assert_eq!(plan.closure.iter().map(|part| part.attributes).collect::<Vec<_>>(), [0, 1]);
    assert_close(plan.closure[0].rho_share, 0.690_983_005_625_052_6, 1e-14);
    assert_close(plan.closure[1].rho_share, 0.309_016_994_374_947_4, 1e-14);
    let variances = plan.variances(&unit_scales(&plan)).unwrap();
    assert_close(variances[0], 1.447_213_595_499_957_9, 1e-14);
    assert_close(variances[1], 1.170_820_393_249_936_9, 1e-14);
}

#[test]
fn a_clinic_s_marginals_are_as_exact_as_published() {
    // Noise of its own for each of k marginals would give each a variance of k: 16, 14 and 10.
    for (ways, expected) in
        [(0..=4, 9.250_783_497_159_7), (1..=3, 8.653_337_512_696_5), (1..=2, 7.087_633_800_727_0)]
    {
        let plan = best(&CLINIC, &sets(ways), Weights::PerMarginal);
        let variances = plan.variances(&unit_scales(&plan)).unwrap();
        assert_close(mean(&variances), expected, 1e-13);
        assert_close(plan.closure.iter().map(|part| part.rho_share).sum(), 1.0, 1e-14);
    }
}

#[test]
fn weights_by_cells_favour_the_fine_marginals() {
    for (ways, expected) in
        [(0..=4, 2.715_925_350_098), (1..=3, 3.472_840_835_970_6), (1..=2, 4.421_776_793_844_3)]
    {
        let wanted = sets(ways);
        let plan = best(&CLINIC, &wanted, Weights::PerCell);
        let variances = plan.variances(&unit_scales(&plan)).unwrap();
        let cells: Vec<f64> = wanted.iter().map(|set| plan.shape().cells(*set) as f64).collect();
        let total: f64 = variances.iter().zip(&cells).map(|(v, n)| v * n).sum();
        assert_close(total / cells.iter().sum::<f64>(), expected, 1e-12);
        let given = best(&CLINIC, &wanted, Weights::Given(&cells));
        assert_eq!(given.scales(0.5, 1.0), plan.scales(0.5, 1.0));
    }
}

#[test]
fn a_rollup_has_all_subsets_of_its_longest_set() {
    let plan = best(&[2, 3, 4], &[0, 0b001, 0b011, 0b111], Weights::PerMarginal);
    let shares = [
        0.365_238_835_922_957,
        0.170_708_892_196_662,
        0.110_942_427_000_226,
        0.110_942_427_000_226,
        0.040_361_236_313_321,
        0.040_361_236_313_321,
        0.080_722_472_626_643,
        0.080_722_472_626_643,
    ];
    assert_eq!(plan.closure.len(), 8);
    for ((set, part), share) in (0..).zip(&plan.closure).zip(shares) {
        assert_eq!(part.attributes, set);
        assert_close(part.rho_share, share, 1e-14);
    }
    let variances = plan.variances(&unit_scales(&plan)).unwrap();
    assert_close(mean(&variances), 2.397_900_251_412_1, 1e-13);
}

#[test]
fn the_charges_of_the_scales_are_the_shares() {
    let plan = best(&CLINIC, &sets(1..=3), Weights::PerMarginal);
    let (rho, sensitivity) = (0.3, 7.0);
    for (part, scale) in plan.closure.iter().zip(plan.scales(rho, sensitivity)) {
        let fine = scale * part.cells as f64;
        let charge = sensitivity.powi(2) * part.squared_norm as f64 / (2.0 * fine.powi(2));
        assert_close(charge / rho, part.rho_share, 1e-14);
    }
}

#[test]
fn no_other_shares_have_a_lesser_mean_variance() {
    let mut draw = Lcg(3);
    let given: Vec<f64> = (0..14).map(|_| 0.1 + draw.uniform()).collect();
    for weights in [Weights::PerMarginal, Weights::PerCell, Weights::Given(&given)] {
        for cells_per_person in [1, 5] {
            let wanted = sets(1..=3);
            let plan = plan(&CLINIC, &wanted, weights, cells_per_person).unwrap();
            let weights = weights_of(plan.shape(), &wanted, weights).unwrap();
            let objective = |scales: &[f64]| -> f64 {
                let variances = plan.variances(scales).unwrap();
                variances.iter().zip(&weights).map(|(v, w)| v * w).sum()
            };
            let best_scales = unit_scales(&plan);
            let least = objective(&best_scales);
            for round in 0..500 {
                let reach = [1.0, 0.1, 0.01][round % 3];
                let factors: Vec<f64> =
                    plan.closure.iter().map(|_| (reach * draw.normal()).exp()).collect();
                let shares = plan.closure.iter().zip(&factors).map(|(p, f)| p.rho_share * f);
                let whole: f64 = shares.sum();
                // A share larger by f / whole is a variance smaller by as much.
                let scales: Vec<f64> = best_scales
                    .iter()
                    .zip(&factors)
                    .map(|(scale, factor)| scale * (whole / factor).sqrt())
                    .collect();
                assert!(objective(&scales) > least, "round {round}");
            }
        }
    }
}

/// The key of an attribute at a cell of a table over some attributes of [`TINY`].
fn key(set: u32, cell: usize, attribute: usize) -> usize {
    let size = |of: usize| usize::try_from(TINY[of]).unwrap();
    let later = (attribute + 1..3).filter(|of| set >> of & 1 == 1);
    cell / later.map(size).product::<usize>() % size(attribute)
}

/// The matrix from the noise on the table over `part` to the marginal over `set`, in units of the
/// table, entry by entry from the definition.
fn dense(set: u32, part: u32) -> Vec<Vec<f64>> {
    let count = |of: u32| (0..3).filter(|i| of >> i & 1 == 1).map(|i| TINY[i]).product::<u64>();
    let entry = |row: usize, column: usize| -> f64 {
        let factor = |attribute: usize| {
            let size = TINY[attribute] as f64;
            match (set >> attribute & 1, part >> attribute & 1) {
                (0, _) => 1.0,
                (_, 0) => 1.0 / size,
                _ if key(set, row, attribute) == key(part, column, attribute) => 1.0 - 1.0 / size,
                _ => -1.0 / size,
            }
        };
        (0..3).map(factor).product()
    };
    let to = |count: u64| 0..usize::try_from(count).unwrap();
    to(count(set)).map(|row| to(count(part)).map(|column| entry(row, column)).collect()).collect()
}

#[test]
fn the_tables_are_the_explicit_matrices() {
    let plan = best(&TINY, &[0b111], Weights::PerMarginal);
    for set in 0..8 {
        for (index, part) in plan.closure.iter().enumerate() {
            if part.attributes & !set != 0 {
                continue;
            }
            let expected = dense(set, part.attributes);
            for column in 0..expected[0].len() {
                // One unit of noise in one cell of one part, and nothing in all others.
                let mut cell = 0;
                let unit = i128::from(part.cells);
                let moved = residuals(&plan, &[0; 12], |of| {
                    cell += usize::from(of == index);
                    if of == index && cell == column + 1 { unit } else { 0 }
                });
                let marginal = plan.reconstruct(&moved, set).unwrap();
                for (value, row) in plan.estimates(&marginal).into_iter().zip(&expected) {
                    assert_close(value, row[column], 1e-15);
                }
            }
        }
    }
}

#[test]
fn variances_and_covariances_are_those_of_the_explicit_matrices() {
    let plan = best(&TINY, &[0b111], Weights::PerMarginal);
    let scales: Vec<f64> = (0..8).map(|part| 0.7 + 0.4 * f64::from(part)).collect();
    let mut pairs = 0;
    for (left, right) in (0..8).flat_map(|left| (0..8).map(move |right| (left, right))) {
        let shared = plan.closure.iter().zip(&scales);
        let shared = shared.filter(|(part, _)| part.attributes & !(left & right) == 0);
        let matrices: Vec<_> = shared
            .map(|(part, s)| (dense(left, part.attributes), dense(right, part.attributes), s * s))
            .collect();
        for row in 0..plan.shape().cells(left) {
            for column in 0..plan.shape().cells(right) {
                let product =
                    |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
                let expected: f64 =
                    matrices.iter().map(|(a, b, s)| s * product(&a[row], &b[column])).sum();
                let found = plan.covariance(&scales, (left, row), (right, column)).unwrap();
                assert_close(found, expected, 1e-14);
                if (left, row) == (right, column) {
                    assert_close(plan.variance(&scales, left).unwrap(), expected, 1e-14);
                }
                pairs += 1;
            }
        }
    }
    // The cells of all eight marginals, 3 · 4 · 3 of them, with each other.
    assert_eq!(pairs, 36 * 36);
}

#[test]
fn without_noise_the_marginals_are_exact() {
    let mut draw = Lcg(5);
    for sizes in [&[2, 3, 2][..], &[4, 1, 3], &[1], &[5], &[], &[2, 2, 2, 2, 3], &[1, 1]] {
        let shape = Shape::new(sizes).unwrap();
        let plan = best(sizes, &[shape.all()], Weights::PerCell);
        let full: Vec<i128> = (0..shape.cells(shape.all())).map(|_| draw.cell()).collect();
        let exact = residuals(&plan, &full, |_| 0);
        for set in 0..=shape.all() {
            let expected = shape.marginal_of(&full, set).unwrap();
            let numerators = plan.reconstruct(&exact, set).unwrap();
            let times: Vec<i128> = expected.iter().map(|v| v * plan.denominator()).collect();
            assert_eq!(numerators, times, "{sizes:?} {set:b}");
            let rounded: Vec<f64> = expected.iter().map(|value| *value as f64).collect();
            assert_eq!(plan.estimates(&numerators), rounded);
        }
    }
}

#[test]
fn noisy_marginals_are_consistent_to_the_integer() {
    let mut draw = Lcg(7);
    for (sizes, wanted) in [
        (&[2, 18, 5, 4][..], (0..16).collect::<Vec<u32>>()),
        (&[3, 1, 4, 2], vec![0, 0b0001, 0b0011, 0b0111, 0b1111]),
        (&[7, 3, 2], vec![0b011, 0b110]),
    ] {
        let plan = best(sizes, &wanted, Weights::PerMarginal);
        let shape = plan.shape();
        let full: Vec<i128> = (0..shape.cells(shape.all())).map(|_| draw.cell()).collect();
        let noisy = residuals(&plan, &full, |_| draw.cell());
        for &fine in &wanted {
            let finer = plan.reconstruct(&noisy, fine).unwrap();
            assert_ne!(finer[0], shape.marginal_of(&full, fine).unwrap()[0] * plan.denominator());
            for coarse in (0..16).filter(|coarse| coarse & !fine == 0) {
                let sums = shape.sums(&finer, fine, coarse).unwrap();
                assert_eq!(sums, plan.reconstruct(&noisy, coarse).unwrap());
            }
        }
    }
}

#[test]
fn an_attribute_of_one_key_costs_nothing() {
    let wanted: Vec<u32> = (0..8).collect();
    let with = best(&[2, 1, 3], &wanted, Weights::PerMarginal);
    let attributes: Vec<u32> = with.closure.iter().map(|part| part.attributes).collect();
    assert_eq!(attributes, [0b000, 0b001, 0b100, 0b101]);
    let without = best(&[2, 3], &[0, 1, 2, 3], Weights::PerMarginal);
    let found = with.variances(&unit_scales(&with)).unwrap();
    let expected = without.variances(&unit_scales(&without)).unwrap();
    for set in 0..8_usize {
        // Each marginal is there twice, so the shares are those without.
        assert_close(found[set], expected[set & 1 | set >> 1 & 2], 1e-14);
    }
    let mut draw = Lcg(11);
    let noisy = residuals(&with, &[5, 6, 7, 8, 9, 10], |_| draw.cell());
    assert_eq!(with.reconstruct(&noisy, 0b111), with.reconstruct(&noisy, 0b101));
    let single = best(&[1, 1], &[0b11], Weights::PerMarginal);
    assert_eq!(single.closure.len(), 1);
    assert_eq!(single.variances(&[3.0]).unwrap(), [9.0]);
}

/// The largest squared norm on the fine grid over all ways to change some cells by 1 or -1.
fn norm_by_search(plan: &Plan, part: &Part, touched: u32) -> i128 {
    let shape = plan.shape();
    let count = shape.cells(shape.all());
    let mut largest = 0;
    for code in 0..3_usize.pow(u32::try_from(count).unwrap()) {
        let mut left = code;
        let signs = (0..count).map(|_| {
            let sign = [0, 1, -1][left % 3];
            left /= 3;
            sign
        });
        let change: Vec<i128> = signs.collect();
        if change.iter().filter(|sign| **sign != 0).count() > usize::try_from(touched).unwrap() {
            continue;
        }
        let marginal = shape.marginal_of(&change, part.attributes).unwrap();
        // The residual of the marginal itself is the projection on the fine grid.
        let residual = shape.residual(part.attributes, marginal).unwrap();
        largest = largest.max(residual.values().iter().map(|value| value * value).sum());
    }
    largest
}

#[test]
fn no_person_changes_a_residual_by_more_than_its_norm() {
    // All 3⁸ changes of eight cells; the bound is met where one cell is touched, and all its
    // attributes together at the total.
    for touched in 1..=4 {
        let plan = plan(&[2, 2, 2], &[0b111], Weights::PerMarginal, touched.into()).unwrap();
        for part in &plan.closure {
            let largest = norm_by_search(&plan, part, touched);
            assert!(largest <= i128::from(part.squared_norm), "{touched} {part:?}: {largest}");
            if touched == 1 || part.attributes == 0 {
                assert_eq!(largest, i128::from(part.squared_norm));
            }
        }
    }
}

#[test]
fn more_cells_per_person_cost_at_most_their_square() {
    let norms = |cells_per_person| -> Vec<u64> {
        let plan = plan(&[2, 3], &[0b11], Weights::PerMarginal, cells_per_person).unwrap();
        plan.closure.iter().map(|part| part.squared_norm).collect()
    };
    // n(n - 1) per attribute.
    assert_eq!(norms(1), [1, 2, 6, 12]);
    // The squares of two and three, times those: 3² · 12 is no more than 3 · 1 · 6².
    assert_eq!(norms(2), [4, 8, 24, 48]);
    assert_eq!(norms(3), [9, 18, 54, 108]);
    // All six cells: 6² · 6 is more than 6 · 2 · 3² = 108, and 6² · 12 than 6 · 1 · 6² = 216.
    assert_eq!(norms(6), [36, 72, 108, 216]);
}

/// Squared errors over variance, and products over covariance, of simulated marginals; each as a
/// normal deviate.
fn deviates(plan: &Plan, stated: &[f64], drawn: &[f64], rounds: u32) -> Vec<f64> {
    let sets: Vec<u32> = (0..8).collect();
    let last = |set: u32| plan.shape().cells(set) - 1;
    let mut squares = [0.0; 8];
    let mut products = [0.0; 8];
    let mut draw = Lcg(13);
    for _ in 0..rounds {
        let noisy = residuals(plan, &[0; 12], |part| {
            let fine = drawn[part] * plan.closure[part].cells as f64 * draw.normal();
            #[expect(clippy::cast_possible_truncation, reason = "a few thousand steps")]
            let steps = fine.round() as i128;
            steps
        });
        let error = |set: u32| plan.estimates(&plan.reconstruct(&noisy, set).unwrap())[last(set)];
        let errors: Vec<f64> = sets.iter().map(|set| error(*set)).collect();
        for (at, error) in errors.iter().enumerate() {
            squares[at] += error * error;
            products[at] += error * errors[7];
        }
    }
    let count = f64::from(rounds);
    let full = plan.variance(stated, 7).unwrap();
    let mut deviates = Vec::new();
    for (at, &set) in sets.iter().enumerate() {
        let variance = plan.variance(stated, set).unwrap();
        deviates.push((squares[at] / count / variance - 1.0) / (2.0 / count).sqrt());
        let covariance = plan.covariance(stated, (set, last(set)), (7, last(7))).unwrap();
        let spread = (variance * full + covariance * covariance).sqrt();
        deviates.push((products[at] / count - covariance) / spread * count.sqrt());
    }
    deviates
}

#[test]
fn simulated_errors_have_the_stated_variances() {
    // Rounding to the fine grid adds 1/12 to variances of 900 and more: a hundredth of the
    // standard error of 20,000 draws. Sixteen deviates within 5: false alarm below 16 · 6e-7.
    let plan = best(&TINY, &[0b111, 0b011, 0b100], Weights::PerMarginal);
    let scales = plan.scales(0.5, 30.0);
    let worst = |drawn: &[f64]| {
        deviates(&plan, &scales, drawn, 20_000)
            .into_iter()
            .fold(0.0, |most: f64, d| most.max(d.abs()))
    };
    assert!(worst(&scales) < 5.0, "{}", worst(&scales));
    // A tenth less noise is a fifth less variance: some fifteen standard errors.
    let short: Vec<f64> = scales.iter().map(|scale| scale * 0.9).collect();
    assert!(worst(&short) > 10.0);
}

#[test]
fn wrong_plans_and_tables_are_refused() {
    let refused = |sizes: &[u64], wanted: &[u32], weights: Weights<'_>, touched| {
        plan(sizes, wanted, weights, touched).unwrap_err()
    };
    let even = Weights::PerMarginal;
    assert_eq!(refused(&[2, 0], &[1], even, 1), MarginalsError::BadSizes);
    assert_eq!(refused(&[1; 33], &[1], even, 1), MarginalsError::BadSizes);
    assert_eq!(refused(&[2, 2], &[4], even, 1), MarginalsError::BadSet);
    assert_eq!(refused(&[2, 2], &[], even, 1), MarginalsError::BadSet);
    assert_eq!(refused(&[2, 2], &[1], even, 0), MarginalsError::NoContribution);
    assert_eq!(refused(&[2; 13], &[0x1fff], even, 1), MarginalsError::TooManyParts);
    assert!(plan(&[2; 12], &[0xfff], even, 1).is_ok());
    let uneven = Weights::Given(&[1e-320, 1e300]);
    assert_eq!(refused(&[2, 2], &[1, 2], uneven, 1), MarginalsError::BadWeights);
    for weights in [&[][..], &[1.0, 1.0], &[0.0], &[-1.0], &[f64::NAN], &[f64::INFINITY]] {
        assert_eq!(refused(&[2], &[1], Weights::Given(weights), 1), MarginalsError::BadWeights);
    }
    for sizes in [[1 << 33, 1 << 33], [1 << 32, 1], [u64::MAX, 1]] {
        let error = refused(&sizes, &[0b11], even, 1 << 40);
        assert!(matches!(error, MarginalsError::Overflow { .. }));
    }

    let plan = best(&[2, 3], &[0b01, 0b10], even);
    let scales = unit_scales(&plan);
    assert_eq!(plan.variance(&scales, 0b11), Err(MarginalsError::BadSet));
    assert_eq!(plan.variances(&scales[1..]), Err(MarginalsError::BadShape));
    let cell = |set, cell| plan.covariance(&scales, (set, cell), (0, 0));
    assert_eq!(cell(0b01, 2), Err(MarginalsError::BadShape));
    assert_eq!(cell(0b11, 0), Err(MarginalsError::BadSet));
    let mut noisy = residuals(&plan, &[0; 6], |_| 1);
    assert_eq!(plan.reconstruct(&noisy, 0b11), Err(MarginalsError::BadSet));
    noisy.reverse();
    assert_eq!(plan.reconstruct(&noisy, 0b01), Err(MarginalsError::BadShape));
    assert_eq!(plan.reconstruct(&noisy[..1], 0b01), Err(MarginalsError::BadShape));

    let large = |_| i128::MAX / 10;
    assert_eq!(plan.reconstruct(&residuals(&plan, &[0; 6], large), 0), Err(TOO_LARGE));
}
