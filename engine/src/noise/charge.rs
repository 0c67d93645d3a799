//! From a scale to its charge and back, in exact integers.
//!
//! It does not touch records or the ledger.
#![deny(clippy::float_arithmetic)]

use dashu::base::{DivRem, SquareRoot};
use dashu::integer::UBig;
use dashu::rational::RBig;
use ledger_adapter::cost::Rho;

use super::{NoiseError, Scale};

/// ⌈groups · sensitivity² · 10⁹ · (1 + 2⁻⁵⁰) / (2σ²)⌉ billionths.
pub(super) fn charge(sensitivity: u64, groups: u64, scale: Scale) -> Result<Rho, NoiseError> {
    if scale.numerator == 0 {
        return Err(NoiseError::BadScale);
    }
    let shift = 2 * usize::from(scale.log2_denominator);
    let (loss, unit) = loss_at_one(sensitivity, groups);
    let nano = divide_up(loss << shift, unit * UBig::from(scale.numerator).sqr());
    let nano = u64::try_from(nano).map_err(|_| NoiseError::Overflow { what: "the charge" })?;
    Ok(Rho::from_nano(nano))
}

/// The least representable scale whose charge is at most `rho`.
///
/// The charge is ⌈loss / (unit · σ²)⌉ with integers `loss` and `unit`, so it is at most R exactly
/// if σ² ≥ loss / (unit · R). For σ = a / 2^j that is a² ≥ loss · 4^j / (unit · R).
pub(super) fn scale_within(sensitivity: u64, groups: u64, rho: Rho) -> Result<Scale, NoiseError> {
    if sensitivity == 0 || groups == 0 {
        return Err(NoiseError::NoSensitivity);
    }
    if rho.nano() == 0 {
        let needed = Rho::from_nano(1);
        return Err(NoiseError::Underfunded { needed, granted: rho });
    }
    let (loss, unit) = loss_at_one(sensitivity, groups);
    let unit = unit * UBig::from(rho.nano());
    let numerator = |log2_denominator: u8| {
        let shift = 2 * usize::from(log2_denominator);
        root_up(divide_up(loss.clone() << shift, unit.clone()))
    };

    // One more bit of denominator doubles the numerator, give or take one: it passes the limit
    // by j = 50, since σ ≥ 2⁻²⁰ for the least sensitivity and the greatest charge.
    let limit = UBig::from(NUMERATOR_LIMIT);
    let mut log2_denominator = 0;
    let mut best = numerator(0);
    for finer in 1..=50 {
        let candidate = numerator(finer);
        if candidate >= limit {
            break;
        }
        log2_denominator = finer;
        best = candidate;
    }
    let numerator =
        u64::try_from(best).map_err(|_| NoiseError::Overflow { what: "the noise scale" })?;
    Ok(lowest_terms(Scale { numerator, log2_denominator }))
}

/// √groups · sensitivity, rounded up by less than one part in 2⁶⁴; exact for square `groups`.
pub(super) fn distance(sensitivity: u64, groups: u64) -> RBig {
    let square = UBig::from(sensitivity).sqr() * UBig::from(groups);
    RBig::from_parts(root_up(square << 128).into(), UBig::ONE << 64)
}

/// The same scale with an odd numerator or denominator 1.
pub(super) fn lowest_terms(scale: Scale) -> Scale {
    // A numerator of zero has 64 trailing zeros, and no shift may be as long as that.
    let zeros = u8::try_from(scale.numerator.trailing_zeros()).unwrap_or(63).min(63);
    let shift = zeros.min(scale.log2_denominator);
    let log2_denominator = scale.log2_denominator - shift;
    Scale { numerator: scale.numerator >> shift, log2_denominator }
}

/// The charge in billionths at σ = 1, as a fraction, 1 + 2⁻⁵⁰ times too large.
///
/// opendp's map is above the true loss by the rounding of [`distance`], less than 2⁻⁶² of it, and
/// by the rounding up to a float, at most 2⁻⁵² of it: together less than 2⁻⁵⁰.
fn loss_at_one(sensitivity: u64, groups: u64) -> (UBig, UBig) {
    let loss = UBig::from(sensitivity).sqr() * UBig::from(groups) * UBig::from(NANO);
    (loss * ((UBig::ONE << 50) + UBig::ONE), UBig::ONE << 51)
}

/// ⌈dividend / divisor⌉.
fn divide_up(dividend: UBig, divisor: UBig) -> UBig {
    let (quotient, rest) = dividend.div_rem(divisor);
    if rest.is_zero() { quotient } else { quotient + UBig::ONE }
}

/// ⌈√square⌉.
fn root_up(square: UBig) -> UBig {
    let root = square.sqrt();
    if root.sqr() == square { root } else { root + UBig::ONE }
}

/// Billionths in one.
const NANO: u64 = 1_000_000_000;

/// Numerators from half of this up to it are at most one part in 2²⁰ above what they stand for.
const NUMERATOR_LIMIT: u64 = 1 << 21;

#[cfg(test)]
mod tests {
    use super::super::mechanism::Mechanism;
    use super::*;

    fn scale(numerator: u64, log2_denominator: u8) -> Scale {
        Scale { numerator, log2_denominator }
    }

    #[test]
    fn charges_are_those_of_the_formula() {
        let nano = |sensitivity, groups, at| charge(sensitivity, groups, at).unwrap().nano();
        // 1/2, and the one billionth that covers the rounding of opendp's map.
        assert_eq!(nano(1, 1, scale(1, 0)), 500_000_001);
        // 1/18 = 0.0555..., which needs no such cover.
        assert_eq!(nano(1, 1, scale(3, 0)), 55_555_556);
        // 3 * 7^2 / (2 * 2.5^2) = 11.76.
        assert_eq!(nano(7, 3, scale(5, 1)), 11_760_000_001);
        assert_eq!(nano(0, 3, scale(5, 1)), 0);
        assert_eq!(nano(1, 1, scale(u64::MAX, 0)), 1);
        assert!(matches!(charge(1, 1, scale(0, 0)), Err(NoiseError::BadScale)));
        assert!(matches!(charge(u64::MAX, 1, scale(1, 0)), Err(NoiseError::Overflow { .. })));
        assert!(matches!(charge(1, 1, scale(1, 255)), Err(NoiseError::Overflow { .. })));
    }

    #[test]
    fn scales_are_in_lowest_terms() {
        assert_eq!(lowest_terms(scale(12, 1)), scale(6, 0));
        assert_eq!(lowest_terms(scale(12, 7)), scale(3, 5));
        assert_eq!(lowest_terms(scale(5, 3)), scale(5, 3));
        assert_eq!(lowest_terms(scale(1 << 63, 255)), scale(1, 192));
    }

    #[test]
    fn no_smaller_scale_fits_the_charge() {
        let mut draw = Lcg(1);
        for _ in 0..500 {
            let (sensitivity, groups) = (draw.magnitude(40), draw.magnitude(20));
            let rho = Rho::from_nano(draw.magnitude(50));
            let found = scale_within(sensitivity, groups, rho).unwrap();
            assert!(charge(sensitivity, groups, found).unwrap() <= rho);
            assert!(found.numerator < 1 << 21 || found.log2_denominator == 0);
            // The next smaller scales: with the finest denominator that the limit allows.
            let mut finest = found;
            while finest.numerator << 1 < 1 << 21 {
                finest = scale(finest.numerator << 1, finest.log2_denominator + 1);
            }
            let smaller = scale(finest.numerator - 1, finest.log2_denominator);
            assert!(charge(sensitivity, groups, smaller).unwrap() > rho, "{found:?}");
            assert!(finest.numerator >= 1 << 20, "{found:?} is coarser than one in a million");
        }
        assert!(matches!(scale_within(1, 1, Rho::default()), Err(NoiseError::Underfunded { .. })));
        assert!(matches!(scale_within(0, 1, Rho::from_nano(1)), Err(NoiseError::NoSensitivity)));
        assert!(matches!(
            scale_within(u64::MAX, u64::MAX, Rho::from_nano(1)),
            Err(NoiseError::Overflow { .. })
        ));
        assert!(scale_within(1, 1, Rho::from_nano(u64::MAX)).unwrap().as_f64() < 1e-5);
        assert!(scale_within(u64::MAX, 1, Rho::from_nano(1_000_000_000)).is_ok());
    }

    #[test]
    fn the_charge_is_never_below_the_map_of_opendp() {
        let mut draw = Lcg(2);
        let mut checked = 0;
        while checked < 2_000 {
            let (sensitivity, groups) = (draw.magnitude(64), draw.magnitude(64));
            let denominator = u8::try_from(draw.next() % 40).unwrap();
            let at = scale(draw.magnitude(64), denominator);
            let Ok(price) = charge(sensitivity, groups, at) else { continue };
            Mechanism::new(at).unwrap().check(sensitivity, groups, price).unwrap();
            checked += 1;
        }
        // Whole numbers of billionths, where nothing but the cover keeps it above.
        for groups in 1..200 {
            let price = charge(1, groups, scale(1, 0)).unwrap();
            assert_eq!(price.nano(), groups * 500_000_000 + 1);
            Mechanism::new(scale(1, 0)).unwrap().check(1, groups, price).unwrap();
        }
        let short = Rho::from_nano(499_999_999);
        let refused = Mechanism::new(scale(1, 0)).unwrap().check(1, 1, short);
        assert!(matches!(refused, Err(NoiseError::MapDisagrees)));
    }

    /// Knuth's linear congruential generator, for parameters only.
    struct Lcg(u64);

    impl Lcg {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
            self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
            self.0 >> 11
        }

        /// A number of up to `bits` bits, all lengths alike.
        fn magnitude(&mut self, bits: u64) -> u64 {
            let length = 1 + self.next() % bits;
            let word = (self.next() << 32) ^ self.next();
            (word >> (64 - length)).max(1)
        }
    }
}
