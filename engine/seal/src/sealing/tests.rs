//! What is sealed opens to its totals.

use crate::{Context, Lane, Role, Share, Sum, open, seal};

#[test]
fn a_sum_opens_to_its_totals() {
    let lane = Lane::new(2, 3, 2, 5, 31).unwrap();
    let context = Context([7; 32]);
    let rows: [([i128; 5], Role); 3] = [
        ([1, -2, 3, (1 << 31) - 1, -(1 << 31)], Role::Site),
        ([10, -20, 30, (1 << 31) - 1, -(1 << 31)], Role::Site),
        ([100, -200, 300, 0, 0], Role::Holder),
    ];
    let sealed: Vec<_> =
        rows.iter().map(|(row, role)| seal(&lane, &context, row, *role).unwrap()).collect();
    let sum = Sum::of(&lane, sealed.iter().map(|(ciphertext, _)| ciphertext)).unwrap();
    let released: Vec<Share> = (0..3)
        .map(|h| Share::sum(&sealed.iter().map(|(_, s)| s[h].clone()).collect::<Vec<_>>()).unwrap())
        .collect();
    let opened = open(&lane, &context, &sum, 2, 1, &released).unwrap();
    assert_eq!(opened.totals, [111, -222, 333, 4_294_967_294, -4_294_967_296]);
    assert!(opened.liars.is_empty());
    let totals = opened.opening.verify(&lane, &context, &sum, 2, 1).unwrap();
    assert_eq!(totals, opened.totals);
}
