//! The general way is slow but right.

use super::Owner;

#[test]
fn sums_maxima_and_comparisons_are_those_of_the_clear() {
    let (owner, machine) = Owner::generate();
    let numbers = [7, 4_000_000_000, 300_000_000].map(|counter| owner.seal(counter));
    // 4,300,000,007 is 5,032,711 modulo 2^32.
    let sum = machine.sum(&numbers).unwrap();
    assert_eq!(owner.open(&sum), 5_032_711);
    let largest = machine.largest(&numbers[..2]).unwrap();
    assert_eq!(owner.open(&largest), 4_000_000_000);
    assert!(owner.open_bit(&machine.is_at_least(&sum, 5_032_711)));
    assert!(!owner.open_bit(&machine.is_at_least(&sum, 5_032_712)));
    assert_eq!(owner.open(&machine.sum(&numbers[..1]).unwrap()), 7);
    assert!(machine.sum(&[]).is_none() && machine.largest(&[]).is_none());
}
