//! A threshold of shares is the secret, fewer are nothing.

use zeroize::ZeroizeOnDrop;

use super::{PRIME, Points, Share, ShareError, interpolate, inverse, reduce, share};
use crate::lane::Lane;
use crate::ring::SIZE;
use crate::secret::{SECRET_MAX, Seed};

fn lane() -> Lane {
    Lane::new(3, 5, 3, 1, 1).unwrap()
}

fn seed(number: u8) -> Seed {
    Seed::known(&[number; 32])
}

/// The points of all five holders.
fn points(secret: &[u32], number: u8) -> Vec<Vec<u32>> {
    share(&lane(), secret, &seed(number)).iter().map(|share| share.points().to_vec()).collect()
}

/// All choices of this many of five, as places from 1.
fn choices(size: u32) -> Vec<Vec<u32>> {
    let all = (0u32..32).filter(|bits| bits.count_ones() == size);
    all.map(|bits| (1..=5).filter(|place| bits >> (place - 1) & 1 == 1).collect()).collect()
}

fn pick<'a>(places: &[u32], points: &'a [Vec<u32>]) -> Vec<(u32, &'a [u32])> {
    let of = |place: &u32| (*place, points[usize::try_from(*place).unwrap() - 1].as_slice());
    places.iter().map(of).collect()
}

#[test]
fn a_parabola_is_known_from_three_points() {
    // 5 + 3x + 2x².
    let values = [10, 19, 32].map(|value| vec![value; SIZE]);
    let fixed = pick(&[1, 2, 3], &values);
    assert_eq!(interpolate(&fixed, 0), vec![5; SIZE]);
    assert_eq!(interpolate(&fixed, 4), vec![49; SIZE]);
    assert_eq!(interpolate(&fixed, 16), vec![565; SIZE]);
    assert_eq!(interpolate(&fixed, 2), vec![19; SIZE]);
}

#[test]
fn any_three_of_five_are_the_secret() {
    let secret = seed(1).secret();
    let points = points(&secret, 2);
    let all = choices(3);
    assert_eq!(all.len(), 10);
    for places in all {
        assert_eq!(interpolate(&pick(&places, &points), 0), **secret, "{places:?}");
    }
    for places in choices(2) {
        assert_ne!(interpolate(&pick(&places, &points), 0), **secret, "{places:?}");
    }
}

/// For every pair of shares and every other secret, there are points of the two seeds with which
/// that secret has these two shares: a pair excludes no secret.
#[test]
fn any_two_shares_fit_every_secret() {
    let points = points(&seed(1).secret(), 2);
    for other in [vec![0; SIZE], vec![SECRET_MAX; SIZE], seed(3).secret().to_vec()] {
        for places in choices(2) {
            let mut fixed = pick(&places, &points);
            fixed.push((0, &other));
            let drawn = [interpolate(&fixed, 1), interpolate(&fixed, 2)];
            // As `share` does it: from the secret and what was drawn for the first two.
            let again: Vec<(u32, &[u32])> = vec![(0, &other), (1, &drawn[0]), (2, &drawn[1])];
            for (place, points) in pick(&places, &points) {
                assert_eq!(interpolate(&again, place), points, "{places:?}");
            }
        }
    }
}

/// χ² of pairs of points in 16 × 16 bins of the field, 512 per bin.
fn chi_squared_of_pairs(secret: &[u32], places: &[u32]) -> u64 {
    let mut counts = [0u64; 256];
    for number in 0..64 {
        let points = points(secret, number);
        let pair = pick(places, &points);
        for (first, second) in pair[0].1.iter().zip(pair[1].1) {
            counts[usize::try_from((first >> 27 << 4) + (second >> 27)).unwrap()] += 1;
        }
    }
    counts.map(|count| count.abs_diff(512).pow(2)).iter().sum::<u64>() / 512
}

#[test]
fn any_two_shares_are_uniform_whatever_the_secret() {
    for secret in [vec![0; SIZE], vec![SECRET_MAX; SIZE]] {
        for places in choices(2) {
            let statistic = chi_squared_of_pairs(&secret, &places);
            // 255 degrees of freedom: above it with probability 1e-6.
            assert!(statistic < 375, "{places:?}: {statistic}");
        }
    }
}

#[test]
fn sums_of_shares_are_shares_of_the_sum() {
    let secrets = [seed(1).secret(), seed(2).secret(), seed(3).secret()];
    let lane = lane();
    let all: Vec<Vec<Share>> =
        (1..).zip(&secrets).map(|(number, secret)| share(&lane, secret, &seed(number))).collect();
    let sum_of = |holder: usize| {
        let own: Vec<Share> = all.iter().map(|shares| shares[holder].clone()).collect();
        Share::sum(&own).unwrap()
    };
    let sums: Vec<Vec<u32>> = (0..5).map(|holder| sum_of(holder).points().to_vec()).collect();
    let total: Vec<u32> =
        (0..SIZE).map(|at| secrets.iter().map(|secret| secret[at]).sum()).collect();
    for places in choices(3) {
        assert_eq!(interpolate(&pick(&places, &sums), 0), total);
    }
}

#[test]
fn a_sum_holds_no_seed() {
    let shares = share(&lane(), &seed(1).secret(), &seed(2));
    assert!(matches!(shares[0].points, Points::Seed(_)));
    let released = Share::sum(&shares[..1]).unwrap();
    assert!(matches!(released.points, Points::All(_)));
    assert_eq!(released.points(), shares[0].points());
}

#[test]
fn shares_of_none_or_of_different_holders_do_not_add() {
    let shares = share(&lane(), &seed(1).secret(), &seed(2));
    assert_eq!(Share::sum(&[]).unwrap_err(), ShareError::Empty);
    assert_eq!(Share::sum(&shares[..2]).unwrap_err(), ShareError::Mixed);
}

#[test]
fn bytes_are_those_of_a_share_or_refused() {
    let shares = share(&lane(), &seed(1).secret(), &seed(2));
    let lengths: Vec<usize> = shares.iter().map(|share| share.to_bytes().len()).collect();
    assert_eq!(lengths, [36, 36, 8196, 8196, 8196]);
    for share in &shares {
        let bytes = share.to_bytes();
        let read = Share::from_bytes(&bytes).unwrap();
        assert_eq!((read.holder(), read.points()), (share.holder(), share.points()));
        for length in [0, 3, 4, bytes.len() - 1] {
            assert_eq!(Share::from_bytes(&bytes[..length]).unwrap_err(), ShareError::Malformed);
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Share::from_bytes(&longer).unwrap_err(), ShareError::Malformed);
        let nobody = [&[0; 4], &bytes[4..]].concat();
        assert_eq!(Share::from_bytes(&nobody).unwrap_err(), ShareError::Malformed);
    }
    let mut bytes = shares[4].to_bytes();
    bytes[4..8].copy_from_slice(&PRIME.to_le_bytes());
    assert_eq!(Share::from_bytes(&bytes).unwrap_err(), ShareError::Malformed);
    bytes[4..8].copy_from_slice(&(PRIME - 1).to_le_bytes());
    assert!(Share::from_bytes(&bytes).is_ok());
}

#[test]
fn a_share_prints_whose_it_is_only_and_is_erased() {
    fn is_erased<T: ZeroizeOnDrop>(_: &T) {}
    let shares = share(&lane(), &seed(1).secret(), &seed(2));
    shares.iter().for_each(is_erased);
    assert_eq!(format!("{:?}", shares[0]), "Share { holder: 1, .. }");
    assert_eq!(format!("{:?}", shares[4]), "Share { holder: 5, .. }");
}

#[test]
fn reduction_and_inverses_are_those_of_the_field() {
    let prime = u64::from(PRIME);
    let numbers = [
        0,
        1,
        prime - 1,
        prime,
        prime + 1,
        2 * prime,
        1 << 62,
        (1 << 63) - 1,
        prime * prime,
        (prime - 1) * (prime - 1) + prime - 1,
    ];
    for number in numbers {
        assert_eq!(u64::from(reduce(number)), number % prime, "{number}");
    }
    for number in [1, 2, 3, 65_537, PRIME - 1] {
        assert_eq!(reduce(u64::from(number) * u64::from(inverse(number))), 1, "{number}");
    }
}
