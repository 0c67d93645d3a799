//! Products of polynomials, and masks that are those of one round.

use super::{Context, Products, SIZE, mask};
use crate::lane::Lane;

const CONTEXT: Context = Context([3; 32]);

fn lane() -> Lane {
    Lane::new(3, 5, 3, 4000, 31).unwrap()
}

/// The product modulo X^2048 + 1 and 2^64, term by term.
fn schoolbook(a: &[u64], b: &[u32]) -> Vec<u64> {
    let mut product = vec![0u64; SIZE];
    for (i, a) in a.iter().enumerate() {
        for (j, b) in b.iter().enumerate() {
            let term = a.wrapping_mul(u64::from(*b));
            let place = &mut product[(i + j) % SIZE];
            *place = if i + j < SIZE { place.wrapping_add(term) } else { place.wrapping_sub(term) };
        }
    }
    product
}

#[test]
fn products_are_those_of_the_ring() {
    let lane = lane();
    let largest = vec![(1 << 31) - 1; SIZE];
    let mixed: Vec<u32> = (0..2048u32).map(|i| i.wrapping_mul(0x9E37_79B9) >> 12).collect();
    for secret in [largest, mixed, vec![0; SIZE]] {
        let mut products = Products::of(&lane, &CONTEXT, &secret);
        for block in [0, 1, 0] {
            let expected = schoolbook(&mask(&lane, &CONTEXT, block), &secret);
            assert_eq!(products.with_mask(block), expected);
        }
    }
}

#[test]
fn a_mask_is_of_one_round_lane_and_block() {
    let others = [
        mask(&lane(), &CONTEXT, 0),
        mask(&lane(), &CONTEXT, 1),
        mask(&lane(), &Context([4; 32]), 0),
        mask(&Lane::new(4, 5, 3, 4000, 31).unwrap(), &CONTEXT, 0),
        mask(&Lane::new(3, 6, 4, 4000, 31).unwrap(), &CONTEXT, 0),
        mask(&Lane::new(3, 5, 4, 4000, 31).unwrap(), &CONTEXT, 0),
        mask(&Lane::new(3, 5, 3, 4001, 31).unwrap(), &CONTEXT, 0),
        mask(&Lane::new(3, 5, 3, 4000, 30).unwrap(), &CONTEXT, 0),
    ];
    for (index, one) in others.iter().enumerate() {
        assert_eq!(one.len(), SIZE);
        for other in &others[..index] {
            let equal = one.iter().zip(other).filter(|(a, b)| a == b).count();
            assert_eq!(equal, 0, "{index}");
        }
    }
}

#[test]
fn masks_use_all_of_their_words() {
    let words = mask(&lane(), &CONTEXT, 0);
    for bit in 0..64 {
        let ones = words.iter().filter(|word| *word >> bit & 1 == 1).count();
        // Six standard deviations of 22.6.
        assert!((1024 - 136..=1024 + 136).contains(&ones), "bit {bit}: {ones}");
    }
}
