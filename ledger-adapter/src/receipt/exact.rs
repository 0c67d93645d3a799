//! The cost of noise, compared in exact integers of any size.
//!
//! # Source
//! Bun and Steinke 2016, Proposition 1.6: Gaussian noise of scale σ on a vector
//! that one person moves by Δ in the Euclidean norm is Δ²/(2σ²)-zCDP; Canonne, Kamath and Steinke
//! 2020, Theorem 4, for the discrete Gaussian. Cesar and Rogers 2021, Lemma 3.2, for the
//! exponential mechanism. Harrison and Manurangsi 2025, for the discrete Laplace.

use crate::statement::{
    DISCRETE_GAUSSIAN, DISCRETE_LAPLACE, EXPONENTIAL, KEY_SELECTION, MechanismRecord,
};

/// Whether a stated cost is enough for a stated mechanism.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Price {
    /// It is. For a choice of keys that is taken from its maker: its table is not on record.
    Paid,
    /// It is not.
    Owed,
    /// The mechanism is not known here.
    Unknown,
}

/// Compares what a mechanism costs with what it states.
pub(super) fn price(record: &MechanismRecord) -> Price {
    let is_paid = match record.mechanism.as_str() {
        DISCRETE_GAUSSIAN => is_paid_for(record),
        DISCRETE_LAPLACE => is_laplace_paid_for(record),
        EXPONENTIAL => is_choice_paid_for(record),
        KEY_SELECTION => true,
        _ => return Price::Unknown,
    };
    if is_paid { Price::Paid } else { Price::Owed }
}

/// Whether a mechanism is what was reserved for it: the same, or, where something was to be chosen
/// privately, one that costs no more.
pub(super) fn carries_out(record: &MechanismRecord, reserved: &MechanismRecord) -> bool {
    let open = reserved.sensitivity == 0 || reserved.scale_numerator == 0;
    let threshold = MechanismRecord { threshold: reserved.threshold, ..record.clone() };
    if !open {
        return threshold == *reserved;
    }
    let (column, places) = (&reserved.column, reserved.decimal_places);
    record.column == *column
        && record.decimal_places == places
        && record.rho <= reserved.rho
        && record.delta <= reserved.delta
}

/// Whether the recorded ρ pays for the recorded noise, where one person moves `groups_per_person`
/// groups by `sensitivity` each: ρ ≥ groups·sensitivity²/(2·scale²), exactly.
fn is_paid_for(record: &MechanismRecord) -> bool {
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

/// Whether the recorded ρ pays for the exponential mechanism of the recorded sharpness, where one
/// person moves the scores of `groups_per_person` groups apart by `sensitivity` each: ρ ≥
/// groups·(sensitivity·sharpness)²/8, exactly.
fn is_choice_paid_for(record: &MechanismRecord) -> bool {
    let sharpness = record.scale_numerator;
    if record.sensitivity == 0 || record.groups_per_person == 0 {
        return false;
    }
    let mut paid = Wide::of(record.rho.nano()).times(8);
    for _ in 0..record.scale_log2_denominator {
        paid = paid.times(4);
    }
    let owed = Wide::of(record.groups_per_person).times(NANO);
    let owed = owed.times(record.sensitivity).times(record.sensitivity);
    paid.is_at_least(&owed.times(sharpness).times(sharpness))
}

/// Whether the recorded ρ pays for discrete Laplace noise: ρ ≥ groups·x·(Δ − (1 − e^(−xΔ))/sinh x)
/// with x = 1/scale, to a billionth of it. The engine computes the same in integers.
fn is_laplace_paid_for(record: &MechanismRecord) -> bool {
    let scale = record.scale_numerator;
    if scale == 0 || record.sensitivity == 0 || record.groups_per_person == 0 {
        return false;
    }
    let x = f64::from(record.scale_log2_denominator).exp2() / scale as f64;
    let delta = record.sensitivity as f64;
    let lost = delta + (-x * delta).exp_m1() / x.sinh();
    let owed = record.groups_per_person as f64 * x * lost;
    record.rho.as_f64() >= owed * (1.0 - 1e-9)
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
    fn other_mechanisms_are_priced_by_their_own_formulas() {
        let of =
            |mechanism: &str, record| MechanismRecord { mechanism: mechanism.to_owned(), ..record };
        // 2·(3·5/4)²/8 = 3.515625.
        let choice = |rho| price(&of(EXPONENTIAL, record(3, 2, (5, 2), rho)));
        assert_eq!((choice(3_515_625_000), choice(3_515_624_999)), (Price::Paid, Price::Owed));
        // tanh(1/2) = 0.46211715726… for one step at scale 1.
        let laplace = |rho| price(&of(DISCRETE_LAPLACE, record(1, 1, (1, 0), rho)));
        assert_eq!((laplace(462_117_158), laplace(462_117_150)), (Price::Paid, Price::Owed));
        assert_eq!(price(&of("none", record(1, 1, (1, 0), 1))), Price::Unknown);
    }

    #[test]
    fn only_what_was_left_open_may_be_chosen() {
        let fixed = record(4, 1, (8, 0), 200);
        let other = MechanismRecord { sensitivity: 3, ..fixed.clone() };
        assert!(carries_out(&fixed, &fixed) && !carries_out(&other, &fixed));
        let open = MechanismRecord { sensitivity: 0, scale_numerator: 0, ..fixed.clone() };
        assert!(carries_out(&other, &open));
        let dearer = MechanismRecord { rho: Rho::from_nano(201), ..other.clone() };
        assert!(!carries_out(&dearer, &open));
        assert!(!carries_out(&MechanismRecord { column: "m".to_owned(), ..other }, &open));
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
