//! What is drawn has the law that it should have. Seeds are fixed.

use tfhe::core_crypto::commons::math::random::{
    DefaultRandomGenerator, RandomGenerator, Seed as TfheSeed, TUniform,
};

use super::{Purpose, Role, SECRET_MAX, Seed};
use crate::share::PRIME;

/// Bins of a histogram of errors.
const BINS: i64 = 64;

/// Errors drawn per test: 4,096 per bin.
const DRAWN: usize = 1 << 18;

/// χ² with 63 degrees of freedom is above it with probability 5e-6.
const CHI_SQUARED_63: u64 = 126;

fn seed(number: u8) -> Seed {
    Seed::known(&[number; 32])
}

/// χ², rounded down, of counts that are equally likely.
fn chi_squared(counts: [u64; 64]) -> u64 {
    let expected = counts.iter().sum::<u64>() / 64;
    counts.iter().map(|count| count.abs_diff(expected).pow(2)).sum::<u64>() / expected
}

/// χ² of errors in bins of equal width over ±2^bits; one that lies outside counts for the last bin.
///
/// The ends are half as likely as the others, which is one of the 2^13 halves of a bin at least and
/// changes nothing here.
fn chi_squared_of_errors(bits: u32, errors: &[i64]) -> u64 {
    let half = 1i64 << bits;
    let mut counts = [0; 64];
    for error in errors {
        let bin = ((error + half) / (2 * half / BINS)).clamp(0, BINS - 1);
        counts[usize::try_from(bin).unwrap()] += 1;
    }
    chi_squared(counts)
}

fn errors(number: u8, bits: u32) -> Vec<i64> {
    let mut errors = vec![0; DRAWN];
    seed(number).stream(Purpose::Errors).errors(bits, &mut errors);
    errors
}

#[test]
fn errors_have_the_law_and_the_scale_of_their_role() {
    for (role, bits) in [(Role::Site, 17), (Role::Holder, 20)] {
        assert_eq!(role.error_bits(), bits);
        let drawn = errors(1, bits);
        let half = 1i64 << bits;
        assert!(drawn.iter().all(|error| (-half..=half).contains(error)));
        let statistic = chi_squared_of_errors(bits, &drawn);
        assert!(statistic < CHI_SQUARED_63, "{statistic}");
        // One bit more or less is seen at once.
        for other in [bits - 1, bits + 1] {
            assert!(chi_squared_of_errors(bits, &errors(1, other)) > 100 * CHI_SQUARED_63);
        }
    }
}

#[test]
fn the_ends_of_the_law_are_half_as_likely() {
    // ±4: of 2^18, one sixteenth at either end, an eighth at each of the others.
    let drawn = errors(2, 2);
    let count = |value: i64| drawn.iter().filter(|error| **error == value).count();
    for value in -4i64..=4 {
        // Six standard deviations, of 124 and 169.
        let (expected, slack) = if value.abs() == 4 { (16_384, 750) } else { (32_768, 1_020) };
        assert!(count(value).abs_diff(expected) < slack, "{value}: {}", count(value));
    }
    assert_eq!((-4..=4).map(count).sum::<usize>(), DRAWN);
}

#[test]
fn errors_have_the_law_of_tfhe() {
    for bits in [17, 20] {
        let mut words = vec![0u64; DRAWN];
        let mut generator = RandomGenerator::<DefaultRandomGenerator>::new(TfheSeed(5));
        generator.fill_slice_with_random_from_distribution(&mut words, TUniform::<u64>::new(bits));
        let theirs: Vec<i64> = words.iter().map(|word| word.cast_signed()).collect();
        let statistic = chi_squared_of_errors(bits, &theirs);
        assert!(statistic < CHI_SQUARED_63, "{statistic}");
    }
}

#[test]
fn secrets_are_uniform_below_two_to_the_twentieth() {
    // The highest six bits, six between, and the lowest six.
    let mut counts = [[0; 64]; 3];
    for number in 0..128 {
        for coefficient in seed(number).secret().iter() {
            assert!(*coefficient <= SECRET_MAX);
            for (counts, shift) in counts.iter_mut().zip([14, 7, 0]) {
                counts[usize::try_from(coefficient >> shift & 63).unwrap()] += 1;
            }
        }
    }
    for counts in counts {
        let statistic = chi_squared(counts);
        assert!(statistic < CHI_SQUARED_63, "{statistic}");
    }
    assert_eq!(SECRET_MAX, 1_048_575);
}

#[test]
fn points_are_uniform_in_the_field() {
    let mut points = vec![0; DRAWN];
    seed(9).stream(Purpose::Points).points(&mut points);
    assert!(points.iter().all(|point| *point < PRIME));
    let mut counts = [0; 64];
    points.iter().for_each(|point| counts[usize::try_from(point >> 25).unwrap()] += 1);
    let statistic = chi_squared(counts);
    assert!(statistic < CHI_SQUARED_63, "{statistic}");
}

#[test]
fn streams_of_different_purposes_and_seeds_differ() {
    let purposes = [
        Purpose::Secret,
        Purpose::Errors,
        Purpose::Points,
        Purpose::ShareOf(1),
        Purpose::ShareOf(2),
        Purpose::ShareOf(256),
    ];
    let seeds = [seed(1), seed(2), Seed::fresh().unwrap(), Seed::fresh().unwrap()];
    let mut all: Vec<[u8; 32]> = seeds
        .iter()
        .flat_map(|seed| purposes.map(|purpose| *seed.stream(purpose).bytes()))
        .collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 24);
}

#[test]
fn a_stream_goes_on_where_it_was() {
    let mut whole = vec![0; 5000];
    seed(3).stream(Purpose::Errors).errors(17, &mut whole);
    let mut parts = seed(3).stream(Purpose::Errors);
    let mut read = vec![0; 5000];
    read.chunks_mut(777).for_each(|part| parts.errors(17, part));
    assert_eq!(read, whole);
}
