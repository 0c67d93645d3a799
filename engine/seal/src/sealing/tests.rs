//! What is refused before anything is drawn, and what is drawn afresh each time.

use super::{SealError, seal};
use crate::{Ciphertext, Context, Lane, Role, Share, Sum, open};

const CONTEXT: Context = Context([7; 32]);

#[test]
fn a_sum_opens_to_its_totals() {
    let lane = Lane::new(2, 3, 2, 5, 31).unwrap();
    let rows: [([i128; 5], Role); 3] = [
        ([1, -2, 3, (1 << 31) - 1, -(1 << 31)], Role::Site),
        ([10, -20, 30, (1 << 31) - 1, -(1 << 31)], Role::Site),
        ([100, -200, 300, 0, 0], Role::Holder),
    ];
    let sealed: Vec<(Ciphertext, Vec<Share>)> =
        rows.iter().map(|(row, role)| seal(&lane, &CONTEXT, row, *role).unwrap()).collect();
    let sum = Sum::of(&lane, sealed.iter().map(|(ciphertext, _)| ciphertext)).unwrap();
    let release = |holder: usize| {
        let own: Vec<Share> = sealed.iter().map(|(_, shares)| shares[holder].clone()).collect();
        Share::sum(&own).unwrap()
    };
    let released: Vec<Share> = (0..3).map(release).collect();
    let opened = open(&lane, &CONTEXT, &sum, 2, 1, &released).unwrap();
    assert_eq!(opened.totals, [111, -222, 333, 4_294_967_294, -4_294_967_296]);
    assert!(opened.liars.is_empty());
}

#[test]
fn values_out_of_range_are_refused() {
    for bits in [1, 31, 62] {
        let lane = Lane::new(2, 3, 2, 3, bits).unwrap();
        let top = 1i128 << bits;
        for value in [top, -top - 1, i128::MAX, i128::MIN] {
            let refused = seal(&lane, &CONTEXT, &[0, 0, value], Role::Site);
            assert!(matches!(refused, Err(SealError::Range { index: 2 })), "{value}");
        }
        assert!(seal(&lane, &CONTEXT, &[top - 1, -top, 0], Role::Site).is_ok());
    }
}

#[test]
fn another_count_of_values_is_refused() {
    let lane = Lane::new(2, 3, 2, 3, 31).unwrap();
    for found in [0, 1, 2, 4] {
        let refused = seal(&lane, &CONTEXT, &vec![0; found], Role::Holder);
        let is_so =
            |n: usize| matches!(refused, Err(SealError::Count { wanted: 3, found }) if found == n);
        assert!(is_so(found));
    }
}

#[test]
fn nothing_is_the_same_twice() {
    let lane = Lane::new(2, 3, 2, 3, 31).unwrap();
    let (one, shares) = seal(&lane, &CONTEXT, &[1, 2, 3], Role::Site).unwrap();
    let (other, others) = seal(&lane, &CONTEXT, &[1, 2, 3], Role::Site).unwrap();
    let (one, other) = (one.to_bytes(), other.to_bytes());
    let equal = one.iter().zip(&other).filter(|(a, b)| a == b).count();
    // One byte in 256 is equal by chance: 28 of 7,256, six standard deviations of 5.3.
    assert!(equal < 61, "{equal} of {}", one.len());
    for (share, other) in shares.iter().zip(&others) {
        assert_eq!(share.holder(), other.holder());
        assert_ne!(share.to_bytes(), other.to_bytes());
    }
}
