//! Sums of ciphertexts are exact in the worst case, and bytes are those of one lane.

use super::{Ciphertext, CiphertextError, Sum, SumError, encrypt};
use crate::lane::Lane;
use crate::opening::{OpenError, Opening};
use crate::ring::{Context, SIZE};
use crate::secret::{SECRET_MAX, Seed};

const CONTEXT: Context = Context([8; 32]);

fn ciphertext(lane: &Lane, value: i128, number: u8, error: i64) -> (Ciphertext, Vec<u32>) {
    let secret = Seed::known(&[number; 32]).secret();
    let values = vec![value; lane.counters()];
    let sealed = encrypt(lane, &CONTEXT, &values, &secret, |drawn| drawn.fill(error));
    (sealed, secret.to_vec())
}

/// The sum of these values, each with one error throughout, and the sum of their secrets.
fn summed(lane: &Lane, terms: &[(i128, i64)]) -> (Sum, Opening) {
    let mut sum = Sum::empty(lane);
    let mut secrets = vec![0u32; SIZE];
    for (number, (value, error)) in (1..).zip(terms) {
        let (sealed, secret) = ciphertext(lane, *value, number, *error);
        sum.add(&sealed).unwrap();
        secrets.iter_mut().zip(secret).for_each(|(total, part)| *total += part);
    }
    let bytes: Vec<u8> = secrets.iter().flat_map(|secret| secret.to_le_bytes()).collect();
    (sum, Opening::from_bytes(&bytes).unwrap())
}

/// Largest errors of all contributors, with the same sign.
fn extreme(sites: usize, holders: usize, sign: i64, value: i128) -> Vec<(i128, i64)> {
    let sites = vec![(value, sign << 17); sites];
    let holders = vec![(value, sign << 20); holders];
    [sites, holders].concat()
}

#[test]
fn the_largest_errors_of_all_change_no_total() {
    for bits in [1, 30, 31, 32, 62] {
        let lane = Lane::new(10, 5, 3, 300, bits).unwrap();
        for value in [-(1i128 << bits), 0, (1i128 << bits) - 1] {
            for sign in [-1, 1] {
                let (sum, opening) = summed(&lane, &extreme(10, 5, sign, value));
                let totals = opening.verify(&lane, &CONTEXT, &sum, 10, 5).unwrap();
                assert_eq!(totals, vec![15 * value; 300], "{bits} bits, {sign}");
            }
        }
    }
}

/// The zeros of a sum show its errors: with the largest ones they are above all of what is drawn,
/// and within what rounding adds to it.
#[test]
fn the_bound_on_residuals_is_reached_but_for_rounding() {
    let lane = Lane::new(10, 5, 3, 300, 31).unwrap();
    let zeros = lane.sections().last().unwrap();
    let drawn = 10 * (1 << 17) + 5 * (1 << 20);
    for sign in [-1, 1] {
        let (sum, opening) = summed(&lane, &extreme(10, 5, sign, 0));
        let words = opening.to_bytes();
        let words: Vec<u32> = words.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
        let phases = sum.without(&CONTEXT, &words);
        let residuals: Vec<i64> =
            phases[zeros.range()].iter().map(|phase| sign * phase.cast_signed()).collect();
        let rounding = 15 << 15;
        assert!(residuals.iter().all(|residual| (residual - drawn).abs() <= rounding));
        assert!(residuals.iter().any(|residual| *residual > drawn));
        let bound = i64::try_from(zeros.residual_max(10, 5)).unwrap();
        assert_eq!(bound, drawn + rounding + 16);
    }
}

/// Errors beyond the bound are seen at the zeros, before they could change a total.
#[test]
fn errors_beyond_the_bound_are_refused() {
    let lane = Lane::new(10, 5, 3, 300, 31).unwrap();
    let mut terms = extreme(10, 5, 1, 7);
    terms[0].1 += 1 << 20;
    let (sum, opening) = summed(&lane, &terms);
    assert_eq!(opening.verify(&lane, &CONTEXT, &sum, 10, 5), Err(OpenError::Opening));
}

#[test]
fn the_bound_is_that_of_the_set_and_not_of_the_lane() {
    let lane = Lane::new(10, 5, 3, 300, 31).unwrap();
    // Within the bound of fifteen contributors, beyond that of two sites.
    let (sum, opening) = summed(&lane, &[(1, 1 << 17), (2, 1 << 18)]);
    assert_eq!(opening.verify(&lane, &CONTEXT, &sum, 2, 0), Err(OpenError::Opening));
    let totals = opening.verify(&lane, &CONTEXT, &sum, 1, 1).unwrap();
    assert_eq!(totals, vec![3; 300]);
}

/// One counter that is off by more than two sites can cause, and by less than half a plaintext.
#[test]
fn a_counter_between_two_totals_is_refused() {
    let lane = Lane::new(10, 5, 3, 300, 31).unwrap();
    let counters = lane.sections().next().unwrap();
    let secret = Seed::known(&[1; 32]).secret();
    let bytes: Vec<u8> = secret.iter().flat_map(|coefficient| coefficient.to_le_bytes()).collect();
    let opening = Opening::from_bytes(&bytes).unwrap();
    for (error, is_refused) in [(1 << 17, false), (4 << counters.dropped, true)] {
        let mut place = 0;
        let draw = |drawn: &mut [i64]| {
            drawn.fill(0);
            if place == 0 {
                drawn[7] = error;
            }
            place += 1;
        };
        let sealed = encrypt(&lane, &CONTEXT, &[9; 300], &secret, draw);
        let sum = Sum::of(&lane, [&sealed]).unwrap();
        let verified = opening.verify(&lane, &CONTEXT, &sum, 1, 0);
        let wanted = if is_refused { Err(OpenError::Opening) } else { Ok(vec![9; 300]) };
        assert_eq!(verified, wanted, "{error}");
    }
}

/// That an opening is the only one is proved for secrets within their range.
#[test]
fn a_secret_out_of_range_is_refused() {
    let lane = Lane::new(10, 5, 3, 300, 31).unwrap();
    for (largest, is_refused) in [(SECRET_MAX, false), (SECRET_MAX + 1, true)] {
        let mut secret = vec![0; SIZE];
        secret[77] = largest;
        let sealed = encrypt(&lane, &CONTEXT, &[9; 300], &secret, |drawn| drawn.fill(0));
        let bytes: Vec<u8> = secret.iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
        let opening = Opening::from_bytes(&bytes).unwrap();
        let sum = Sum::of(&lane, [&sealed]).unwrap();
        let verified = opening.verify(&lane, &CONTEXT, &sum, 1, 0);
        let wanted = if is_refused { Err(OpenError::Opening) } else { Ok(vec![9; 300]) };
        assert_eq!(verified, wanted, "{largest}");
    }
}

#[test]
fn a_sum_is_the_same_in_any_order_and_one_by_one() {
    let lane = Lane::new(3, 3, 2, 40, 31).unwrap();
    let sealed: Vec<Ciphertext> =
        (1..=4u8).map(|number| ciphertext(&lane, i128::from(number), number, 0).0).collect();
    let sum = Sum::of(&lane, &sealed).unwrap();
    assert_eq!(Sum::of(&lane, sealed.iter().rev()).unwrap(), sum);
    let mut growing = Sum::of(&lane, &sealed[..1]).unwrap();
    for (count, sealed) in (2..).zip(&sealed[1..]) {
        growing.add(sealed).unwrap();
        assert_eq!(growing.contributors(), count);
    }
    assert_eq!(growing, sum);
}

#[test]
fn a_sum_takes_no_more_than_its_lane_and_none_of_another() {
    let lane = Lane::new(1, 2, 2, 40, 31).unwrap();
    let (sealed, _) = ciphertext(&lane, 5, 1, 0);
    let mut sum = Sum::of(&lane, [&sealed, &sealed, &sealed]).unwrap();
    let full = sum.clone();
    assert_eq!(sum.add(&sealed), Err(SumError::Full));
    let other = Lane::new(1, 3, 2, 40, 31).unwrap();
    assert_eq!(Sum::empty(&other).add(&sealed), Err(SumError::Lane));
    assert_eq!(sum, full);
}

#[test]
fn bytes_come_back_and_no_other_length_does() {
    for bits in [1, 31, 62] {
        let lane = Lane::new(10, 5, 3, 3, bits).unwrap();
        let (sealed, _) = ciphertext(&lane, 1, 1, -3);
        let bytes = sealed.to_bytes();
        assert_eq!(bytes.len(), lane.ciphertext_bytes());
        assert_eq!(Ciphertext::from_bytes(&lane, &bytes), Ok(sealed));
        for length in [0, 1, bytes.len() - 1] {
            assert_eq!(Ciphertext::from_bytes(&lane, &bytes[..length]), Err(CiphertextError));
        }
        let longer = [bytes, vec![0]].concat();
        assert_eq!(Ciphertext::from_bytes(&lane, &longer), Err(CiphertextError));
    }
}

#[test]
fn bits_that_are_left_over_are_zero() {
    // Three bodies of 38 bits: the last six bits of fifteen bytes are unused.
    let lane = Lane::new(10, 5, 3, 3, 29).unwrap();
    assert_eq!(lane.body_bits(), 38);
    let mut bytes = ciphertext(&lane, 1, 1, 0).0.to_bytes();
    for bit in 2..8 {
        bytes[14] ^= 1 << bit;
        assert_eq!(Ciphertext::from_bytes(&lane, &bytes), Err(CiphertextError));
        bytes[14] ^= 1 << bit;
    }
    assert!(Ciphertext::from_bytes(&lane, &bytes).is_ok());
}

/// Without the secret a ciphertext of zeros is noise in every bit of its zeros.
#[test]
fn a_ciphertext_of_zeros_is_not_zero() {
    let lane = Lane::new(10, 5, 3, 300, 31).unwrap();
    let (sealed, secret) = ciphertext(&lane, 0, 1, 0);
    assert!(secret.iter().all(|coefficient| *coefficient <= SECRET_MAX));
    let zeros = lane.sections().last().unwrap();
    let count = sealed.bodies[zeros.range()].len();
    for bit in zeros.dropped..64 {
        let ones = sealed.bodies[zeros.range()].iter().filter(|b| *b >> bit & 1 == 1).count();
        // Six standard deviations of 18.
        assert!(ones.abs_diff(count / 2) < 110, "bit {bit}: {ones} of {count}");
    }
}
