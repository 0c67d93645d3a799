//! Shares of every counter, three of five, and nothing else: the least that a sum can take.
//!
//! Nothing is hidden from the holders by encryption, nothing is checked, and there is no ciphertext
//! that a ledger could name.
//!
//! # Source
//! Shamir, How to Share a Secret (1979), over the integers modulo 2⁶¹ - 1.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::Failure;
use crate::round::{Cost, Round};

const HOLDERS: usize = 5;

/// Shares, adds up at every holder, and interpolates from three.
pub(crate) fn run(round: Round) -> Result<Cost, Failure> {
    let mut cost = Cost::default();
    let mut sums = vec![vec![0; round.counters]; HOLDERS];
    for site in 0..round.sites {
        let values = round.values(site);
        let sent = cost.sites.run(|| share(&values))?;
        cost.bytes = sent.iter().map(Vec::len).sum();
        for (sum, bytes) in sums.iter_mut().zip(&sent) {
            let points = cost.reading.run(|| read(bytes).ok_or("not a share"))?;
            cost.adding.run(|| {
                for (total, point) in sum.iter_mut().zip(&points) {
                    *total = below_prime(*total + point);
                }
                Ok::<_, Failure>(())
            })?;
        }
    }
    let totals = cost.opening.run(|| Ok::<_, Failure>(open(&sums[0], &sums[2], &sums[4])))?;
    round.check(&totals)?;
    Ok(cost)
}

/// The bytes for each holder: the points at 1 to 5 of a parabola per value.
fn share(values: &[u32]) -> Result<[Vec<u8>; HOLDERS], Failure> {
    let mut generator = ChaCha20Rng::try_from_os_rng()?;
    let mut sent = [(); HOLDERS].map(|()| Vec::with_capacity(8 * values.len()));
    for value in values {
        let [slope, bend] = [draw(&mut generator), draw(&mut generator)];
        for (at, bytes) in (1..).zip(&mut sent) {
            let point =
                below_prime(u64::from(*value) + times(at, below_prime(slope + times(at, bend))));
            bytes.extend(point.to_le_bytes());
        }
    }
    Ok(sent)
}

fn read(bytes: &[u8]) -> Option<Vec<u64>> {
    let (words, rest) = bytes.as_chunks();
    let points: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    (rest.is_empty() && points.iter().all(|point| *point < PRIME)).then_some(points)
}

/// The values at 0 of the parabolas through points at 1, 3 and 5.
fn open(one: &[u64], three: &[u64], five: &[u64]) -> Vec<u64> {
    // Lagrange: 15/8, -5/4, 3/8. An eighth is 2⁵⁸, as 2⁶¹ is one.
    const EIGHTH: u64 = 1 << 58;
    let value = |((one, three), five): ((&u64, &u64), &u64)| {
        let outer = below_prime(times(15, *one) + times(3, *five));
        times(EIGHTH, below_prime(outer + PRIME - times(10, *three)))
    };
    one.iter().zip(three).zip(five).map(value).collect()
}

/// 2⁶¹ - 1.
const PRIME: u64 = (1 << 61) - 1;

/// Less than twice the prime, reduced.
const fn below_prime(sum: u64) -> u64 {
    if sum >= PRIME { sum - PRIME } else { sum }
}

fn times(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let prime = u128::from(PRIME);
    // Both halves are below 2⁶¹, for so are the factors; what fits in 62 bits fits in 64.
    let folded = (product & prime) + (product >> 61);
    below_prime(u64::try_from(folded).unwrap_or_default())
}

/// Uniform below the prime.
fn draw(generator: &mut ChaCha20Rng) -> u64 {
    loop {
        let drawn = generator.next_u64() >> 3;
        if drawn < PRIME {
            return drawn;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_round() {
        let cost = run(Round { sites: 3, counters: 20 }).unwrap();
        assert_eq!(cost.bytes, 20 * 5 * 8);
    }

    #[test]
    fn products_are_modulo_the_prime() {
        assert_eq!(times(PRIME - 1, PRIME - 1), 1);
        assert_eq!(times(1 << 60, 4), 2);
        assert_eq!(times(8, 1 << 58), 1);
        assert_eq!(times(0, PRIME - 1), 0);
    }

    #[test]
    fn three_points_open_a_parabola() {
        // 7 + 2x + 3x²
        assert_eq!(open(&[12], &[40], &[92]), [7]);
    }

    #[test]
    fn what_is_no_share_is_refused() {
        assert_eq!(read(&PRIME.to_le_bytes()), None);
        assert_eq!(read(&[0; 9]), None);
        assert_eq!(read(&[1, 0, 0, 0, 0, 0, 0, 0]), Some(vec![1]));
    }
}
