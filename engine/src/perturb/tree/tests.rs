//! The tree beside what it stands for: neighbours by brute force, least squares by elimination.

use super::*;

/// Numbers from 0 up to 1 that look random, and are always the same: a linear congruence.
fn numbers(seed: u64) -> impl Iterator<Item = f64> {
    let step = |state: &u64| {
        Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    };
    std::iter::successors(Some(seed), step).skip(1).map(|state| (state >> 40) as f64 / 16_777_216.0)
}

/// One row per count of the tree: which bins it is the sum of.
fn design(tree: &Tree, bins: usize) -> Vec<Vec<f64>> {
    let mut rows = Vec::new();
    for (level, counts) in tree.variances.iter().enumerate() {
        let width = tree.branches.pow(u32::try_from(level).unwrap());
        for at in 0..counts.len() {
            rows.push((0..bins).map(|bin| f64::from(u8::from(bin / width == at))).collect());
        }
    }
    rows
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

/// (XᵀX)⁻¹ by elimination.
fn covariance(design: &[Vec<f64>], bins: usize) -> Vec<Vec<f64>> {
    let column = |i: usize| design.iter().map(|row| row[i]).collect::<Vec<_>>();
    let mut wide: Vec<Vec<f64>> = (0..bins)
        .map(|i| {
            let normal = (0..bins).map(|j| dot(&column(i), &column(j)));
            normal.chain((0..bins).map(|j| f64::from(u8::from(i == j)))).collect()
        })
        .collect();
    for pivot in 0..bins {
        let by = wide[pivot][pivot];
        wide[pivot].iter_mut().for_each(|value| *value /= by);
        let row = wide[pivot].clone();
        for (_, other) in wide.iter_mut().enumerate().filter(|(at, _)| *at != pivot) {
            let factor = other[pivot];
            other.iter_mut().zip(&row).for_each(|(value, own)| *value -= factor * own);
        }
    }
    wide.into_iter().map(|row| row[bins..].to_vec()).collect()
}

/// Trees of one to four levels, some with a last branch of one count only.
const SHAPES: [(usize, usize); 7] = [(1, 2), (2, 2), (7, 2), (9, 2), (10, 3), (31, 3), (40, 16)];

#[test]
fn levels_end_where_one_branching_is_left() {
    for (bins, levels, counts) in
        [(1, 1, 1), (16, 1, 16), (17, 2, 19), (256, 2, 272), (257, 3, 276), (4_096, 3, 4_368)]
    {
        let tree = Tree::over(bins);
        assert_eq!((tree.levels(), tree.len()), (levels, counts), "{bins} bins");
    }
}

#[test]
fn counts_of_a_level_are_sums_of_the_one_below() {
    let tree = Tree::branching(7, 2);
    let bins = BTreeMap::from([(0, 2), (3, 1), (6, 4)]);
    let expected = [2, 0, 0, 1, 0, 0, 4, 2, 1, 0, 4, 3, 4].map(|rows| rows * 10);
    assert_eq!(tree.counts(&bins, 10), expected);
}

/// Every way in which a person may have up to `most` rows in one cell.
fn contributions(bins: usize, most: u64) -> Vec<BTreeMap<usize, u64>> {
    if bins == 0 {
        return vec![BTreeMap::new()];
    }
    let mut found = Vec::new();
    for others in contributions(bins - 1, most) {
        let left = most - others.values().sum::<u64>();
        for rows in 0..=left {
            let mut with = others.clone();
            with.insert(bins - 1, rows);
            found.push(with);
        }
    }
    found
}

#[test]
fn no_person_moves_the_counts_further_than_declared_and_one_moves_them_as_far() {
    for (bins, branches) in SHAPES.into_iter().filter(|(bins, _)| *bins <= 10) {
        let tree = Tree::branching(bins, branches);
        for most in 1..=3 {
            let squares = contributions(bins, most);
            let square = |bins: &BTreeMap<usize, u64>| -> i128 {
                tree.counts(bins, 1).iter().map(|moved| moved * moved).sum()
            };
            let furthest = squares.iter().map(square).max().unwrap();
            // Cells have counts of their own, so their squares add up.
            for groups in 1..=3 {
                let square = furthest * i128::from(groups);
                let declared = i128::from(tree.sensitivity(most, groups, 1_000).unwrap());
                assert!(declared * declared >= square * 1_000_000, "{bins}, {most}, {groups}");
                assert!((declared - 1) * (declared - 1) < square * 1_000_000, "too far: {bins}");
            }
        }
    }
}

#[test]
fn the_sensitivity_is_that_of_the_formula() {
    // 1000·√3 and 1000·10·√(3·7), rounded up.
    let tree = Tree::over(4_096);
    assert_eq!(tree.sensitivity(1, 1, 1_000), Some(1_733));
    assert_eq!(tree.sensitivity(10, 7, 1_000), Some(45_826));
    assert_eq!(Tree::over(17).sensitivity(3, 2, 1_000), Some(6_000));
    assert_eq!(tree.sensitivity(u64::MAX, 1, 1_000), None);
}

#[test]
fn ranks_are_those_of_least_squares_over_all_counts() {
    for (bins, branches) in SHAPES {
        let tree = Tree::branching(bins, branches);
        let design = design(&tree, bins);
        let inverse = covariance(&design, bins);
        let noisy: Vec<f64> = numbers(3).map(|n| 20.0 * n - 4.0).take(tree.len()).collect();
        let column = |i: usize| design.iter().map(|row| row[i]).collect::<Vec<_>>();
        let sums: Vec<f64> = (0..bins).map(|i| dot(&column(i), &noisy)).collect();
        let leaves = inverse.iter().map(|row| dot(row, &sums));
        let mut below = 0.0;
        let ranks = tree.ranks(&noisy);
        assert_eq!((ranks.len(), ranks[0]), (bins + 1, 0.0));
        for (rank, leaf) in ranks[1..].iter().zip(leaves) {
            below += leaf;
            assert!((rank - below).abs() < 1e-9, "{rank} is not {below} of {bins}");
        }
    }
}

#[test]
fn deviations_are_those_of_least_squares() {
    for (bins, branches) in SHAPES {
        let tree = Tree::branching(bins, branches);
        let inverse = covariance(&design(&tree, bins), bins);
        for fraction in [0.0, 0.25, 0.5, 0.9, 1.0] {
            let deviations = tree.deviations(fraction);
            assert_eq!(deviations.len(), bins + 1);
            for (edge, deviation) in deviations.into_iter().enumerate() {
                let weights: Vec<f64> =
                    (0..bins).map(|bin| f64::from(u8::from(bin < edge)) - fraction).collect();
                let spread: Vec<f64> = inverse.iter().map(|row| dot(row, &weights)).collect();
                let variance = dot(&weights, &spread);
                let off = (deviation * deviation - variance).abs();
                assert!(off < 1e-9, "{off} at edge {edge} of {bins}, {fraction}");
            }
        }
    }
}

#[test]
fn ranks_of_a_large_tree_deviate_by_a_tenth_of_those_of_its_bins() {
    // Half of 4,096 bins less half of the sum of all deviates by √(4,096/4) = 32.
    let worst = Tree::over(4_096).deviations(0.5).into_iter().fold(0.0, f64::max);
    assert!((3.2..3.4).contains(&worst), "{worst}");
}

#[test]
fn without_noise_ranks_and_quantiles_are_exact() {
    let bins = BTreeMap::from([(3, 2), (20, 5), (21, 1), (299, 3)]);
    let tree = Tree::over(300);
    let noisy: Vec<f64> = tree.counts(&bins, 1).into_iter().map(|count| count as f64).collect();
    let ranks = tree.ranks(&noisy);
    for (edge, below) in [(3, 0.0), (4, 2.0), (20, 2.0), (21, 7.0), (22, 8.0), (300, 11.0)] {
        assert!((ranks[edge] - below).abs() < 1e-9, "{} at {edge}", ranks[edge]);
    }
    let reading = Reading::of(ranks);
    // Of eleven rows the quantile p is the row number 1 + 10·p.
    let rows = [3, 3, 20, 20, 20, 20, 20, 21, 299, 299, 299];
    let margins = vec![1e-6; 301];
    for (row, bin) in rows.into_iter().enumerate() {
        let fraction = row as f64 / 10.0;
        assert_eq!(reading.bin(fraction), bin, "row {row}");
        let (first, last) = reading.ends(fraction, &margins);
        assert!(first <= bin && bin <= last, "row {row}: {first} to {last}");
    }
    // Between the second and the third row lie the bins from 3 to 20.
    assert_eq!(reading.ends(0.15, &margins), (3, 20));
}

#[test]
fn quantiles_never_cross_whatever_the_noise() {
    for seed in 0..200 {
        let bins = 1 + usize::try_from(seed * 7 % 90).unwrap();
        let tree = Tree::over(bins);
        let noisy: Vec<f64> = numbers(seed).map(|n| 100.0 * (n - 0.5)).take(tree.len()).collect();
        let reading = Reading::of(tree.ranks(&noisy));
        let read: Vec<usize> = (0..=50u8).map(|p| reading.bin(f64::from(p) / 50.0)).collect();
        assert!(read.is_sorted(), "{read:?}");
        assert!(read.iter().all(|bin| *bin < bins));
        for p in 0..=50u8 {
            let fraction = f64::from(p) / 50.0;
            let (first, last) = reading.ends(fraction, &tree.deviations(fraction));
            assert!(first <= last && last < bins);
        }
    }
}

#[test]
fn wider_margins_never_give_narrower_ends() {
    let tree = Tree::over(200);
    let noisy: Vec<f64> = numbers(8).map(|n| 30.0 * n).take(tree.len()).collect();
    let reading = Reading::of(tree.ranks(&noisy));
    let ends = |reach: f64| {
        let margins: Vec<f64> = tree.deviations(0.3).iter().map(|d| d * reach).collect();
        reading.ends(0.3, &margins)
    };
    let (mut first, mut last) = ends(0.0);
    for reach in [1.0, 5.0, 25.0, 125.0, 1e6] {
        let wider = ends(reach);
        assert!(wider.0 <= first && wider.1 >= last, "{reach}: {wider:?}");
        (first, last) = wider;
    }
    assert_eq!((first, last), (0, 199));
}
