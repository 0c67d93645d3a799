//! What happens when a byte is not what it was. Each byte is changed on its own.

use super::{CONTEXT, SMALL_TOTALS, Set};
use crate::ciphertext::{Ciphertext, Sum};
use crate::lane::Lane;
use crate::opening::{OpenError, Opening, open};
use crate::ring::Context;
use crate::share::Share;

/// Another byte in each place: one bit off, each bit in turn, then all of them.
fn altered(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len()).map(|at| {
        let mut altered = bytes.to_vec();
        altered[at] ^= if at % 9 == 8 { 0xFF } else { 1 << (at % 9) };
        (at, altered)
    })
}

#[test]
fn every_byte_of_an_opening_matters() {
    let set = Set::small();
    let sum = set.sum();
    let opened = set.open(&set.released(&[1, 2, 3])).unwrap();
    for (at, bytes) in altered(&opened.opening.to_bytes()) {
        let Ok(opening) = Opening::from_bytes(&bytes) else { continue };
        let verified = opening.verify(&set.lane, &CONTEXT, &sum, 3, 5);
        assert_eq!(verified, Err(OpenError::Opening), "byte {at}");
    }
    for length in [0, 8188, 8191, 8193, 8196] {
        assert_eq!(Opening::from_bytes(&vec![0; length]), Err(OpenError::Opening));
    }
}

#[test]
fn every_byte_of_a_released_share_matters() {
    let set = Set::small();
    let sum = set.sum();
    let mut shares = set.released(&[2, 3, 5]);
    for (at, bytes) in altered(&shares[1].to_bytes()) {
        let Ok(share) = Share::from_bytes(&bytes) else { continue };
        let honest = std::mem::replace(&mut shares[1], share);
        let opened = open(&set.lane, &CONTEXT, &sum, 3, 5, &shares);
        let is_refused = matches!(opened, Err(OpenError::Disagree | OpenError::Holder(_)));
        assert!(is_refused, "byte {at}: {opened:?}");
        shares[1] = honest;
    }
}

#[test]
fn every_byte_of_a_seed_matters() {
    let mut set = Set::small();
    let bytes = set.sealed[2].1[0].to_bytes();
    assert_eq!(bytes.len(), 36);
    for (at, bytes) in altered(&bytes).skip(4) {
        set.sealed[2].1[0] = Share::from_bytes(&bytes).unwrap();
        let opened = set.open(&set.released(&[1, 2, 3]));
        assert_eq!(opened, Err(OpenError::Disagree), "byte {at}");
    }
}

#[test]
fn every_byte_of_the_context_matters() {
    let set = Set::small();
    let sum = set.sum();
    let shares = set.released(&[1, 2, 3]);
    for (at, bytes) in altered(&CONTEXT.0) {
        let context = Context(bytes.try_into().unwrap());
        let opened = open(&set.lane, &context, &sum, 3, 5, &shares);
        assert_eq!(opened, Err(OpenError::Disagree), "byte {at}");
    }
}

/// Sites, holders, threshold, counters and bits, each other than in [`Set::small`]; the ones with
/// the same layout are read, and do not open.
#[test]
fn every_parameter_of_the_lane_matters() {
    let set = Set::small();
    let shares = set.released(&[1, 2, 3, 4]);
    let bytes: Vec<Vec<u8>> = set.sealed.iter().map(|(sealed, _)| sealed.to_bytes()).collect();
    let lanes =
        [(4, 5, 3, 4, 31), (3, 6, 4, 4, 31), (3, 5, 4, 4, 31), (3, 5, 3, 5, 31), (3, 5, 3, 4, 30)];
    let mut not_opened = vec![];
    for (sites, holders, threshold, counters, bits) in lanes {
        let lane = Lane::new(sites, holders, threshold, counters, bits).unwrap();
        let read: Result<Vec<Ciphertext>, _> =
            bytes.iter().map(|bytes| Ciphertext::from_bytes(&lane, bytes)).collect();
        let Ok(read) = read else { continue };
        let sum = Sum::of(&lane, &read).unwrap();
        let opened = open(&lane, &CONTEXT, &sum, 3, 5, &shares);
        assert_eq!(opened, Err(OpenError::Disagree), "{lane:?}");
        not_opened.push(lane);
    }
    let other_threshold = Lane::new(3, 5, 4, 4, 31).unwrap();
    assert!(not_opened.contains(&other_threshold));
}

/// A ciphertext can be changed so that the sum still opens: its digest is what tells. What holds is
/// that no counter changes but the one whose byte it was.
#[test]
fn a_byte_of_a_ciphertext_changes_its_counter_at_most() {
    let set = Set::small();
    let opening = set.open(&set.released(&[1, 2, 3])).unwrap().opening;
    let honest: Vec<Ciphertext> = set.sealed.iter().map(|(sealed, _)| sealed.clone()).collect();
    let rest = Sum::of(&set.lane, &honest[1..]).unwrap();
    // Four bodies lie side by side, and then the zeros.
    let bits = usize::try_from(set.lane.body_bits()).unwrap();
    let is_of = |counter: usize, byte: usize| {
        (counter * bits / 8..=(counter * bits + bits - 1) / 8).contains(&byte)
    };
    let (mut refused, mut unchanged, mut shifted) = (0, 0, 0);
    for (at, bytes) in altered(&honest[0].to_bytes()) {
        let Ok(other) = Ciphertext::from_bytes(&set.lane, &bytes) else {
            refused += 1;
            continue;
        };
        let mut sum = rest.clone();
        sum.add(&other).unwrap();
        match opening.verify(&set.lane, &CONTEXT, &sum, 3, 5) {
            Err(OpenError::Opening | OpenError::Range) => refused += 1,
            Err(error) => panic!("byte {at}: {error}"),
            Ok(totals) if totals == SMALL_TOTALS => unchanged += 1,
            Ok(totals) => {
                let differs = |counter: &usize| totals[*counter] != SMALL_TOTALS[*counter];
                assert!((0..4).filter(differs).all(|counter| is_of(counter, at)), "byte {at}");
                shifted += 1;
            }
        }
    }
    assert_eq!(refused + unchanged + shifted, set.lane.ciphertext_bytes());
    // Of the six bytes of a zero all are seen but the lowest, which may be within the bound.
    assert!(refused >= 5 * set.lane.checks(), "{refused}");
}
