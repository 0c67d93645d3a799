//! The cost of noise, compared in exact integers of any size.
//!
//! # Source
//! Bun and Steinke 2016, Proposition 1.6: Gaussian noise of scale σ on a vector
//! that one person moves by Δ in the Euclidean norm is Δ²/(2σ²)-zCDP; Canonne, Kamath and Steinke
//! 2020, Theorem 4, for the discrete Gaussian.

use crate::statement::MechanismRecord;

/// Whether the recorded ρ pays for the recorded noise, where one person moves `groups_per_person`
/// groups by `sensitivity` each: ρ ≥ groups·sensitivity²/(2·scale²), exactly.
pub(super) fn is_paid_for(record: &MechanismRecord) -> bool {
    let scale = record.scale_numerator;
    if scale == 0 || record.sensitivity == 0 || record.groups_per_person == 0 {
        return false;
    }
    // Both sides times 2·scale²·10⁹·4^log2; no division, so nothing is rounded.
    let paid = Wide::of(record.rho.nano()).times(scale).times(scale).times(2);
    let mut owed = Wide::of(record.groups_per_person);
    owed = owed.times(record.sensitivity).times(record.sensitivity).times(NANO);
    for _ in 0..record.scale_log2_denominator {
        owed = owed.times(4);
    }
    paid.is_at_least(&owed)
}

/// A natural number: 64-bit digits, the least first, the greatest not zero.
struct Wide(Vec<u64>);

impl Wide {
    fn of(value: u64) -> Self {
        Self(if value == 0 { Vec::new() } else { vec![value] })
    }

    fn times(mut self, factor: u64) -> Self {
        let mut carry = 0;
        for digit in &mut self.0 {
            (*digit, carry) = digit.carrying_mul(factor, carry);
        }
        if carry > 0 {
            self.0.push(carry);
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }

    fn is_at_least(&self, other: &Self) -> bool {
        let digits = |wide: &Self| (wide.0.len(), wide.0.iter().rev().copied().collect::<Vec<_>>());
        digits(self) >= digits(other)
    }
}

/// Billionths in one.
const NANO: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Delta, Rho};

    fn record(sensitivity: u64, groups: u64, scale: (u64, u8), rho: u64) -> MechanismRecord {
        MechanismRecord {
            column: "n".to_owned(),
            mechanism: "discrete-gaussian".to_owned(),
            sensitivity,
            groups_per_person: groups,
            scale_numerator: scale.0,
            scale_log2_denominator: scale.1,
            rho: Rho::from_nano(rho),
            delta: Delta::from_atto(0),
            decimal_places: 0,
            threshold: None,
        }
    }

    #[test]
    fn the_price_is_exact_to_the_last_billionth() {
        // By hand: 1²/(2·10²) = 0.005; 3·7²/(2·(5/2)²) = 11.76; 1/(2·3²) = 0.0555….
        for (sensitivity, groups, scale, price) in [
            (1, 1, (10, 0), 5_000_000),
            (7, 3, (5, 1), 11_760_000_000),
            (1, 1, (3, 0), 55_555_556),
            (1 << 40, 1 << 20, (1 << 63, 20), 1_000_000_000 << 13),
        ] {
            assert!(is_paid_for(&record(sensitivity, groups, scale, price)));
            assert!(!is_paid_for(&record(sensitivity, groups, scale, price - 1)));
        }
    }

    #[test]
    fn extremes_neither_overflow_nor_pass() {
        let max = u64::MAX;
        assert!(!is_paid_for(&record(max, max, (1, 255), max)));
        assert!(!is_paid_for(&record(1, 1, (max, 255), max)));
        assert!(is_paid_for(&record(1, 1, (max, 0), 1)));
        assert!(!is_paid_for(&record(1, 1, (max, 0), 0)));
        for zero in [record(0, 1, (1, 0), max), record(1, 0, (1, 0), max)] {
            assert!(!is_paid_for(&zero));
        }
        assert!(!is_paid_for(&record(1, 1, (0, 0), max)));
    }
}
