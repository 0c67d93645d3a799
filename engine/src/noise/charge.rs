//! From a scale to its charge and back, in exact integers.
//!
//! It does not touch records or the ledger.
#![deny(clippy::float_arithmetic)]

use dashu::base::{DivRem, SquareRoot};
use dashu::integer::UBig;
use dashu::rational::RBig;
use ledger_adapter::cost::Rho;

use super::{NoiseError, Scale, Sharpness};

/// ⌈square · 10⁹ · (1 + 2⁻⁵⁰) / (2σ²)⌉ billionths, for what moves by at most √`square`.
pub(super) fn charge(square: &UBig, scale: Scale) -> Result<Rho, NoiseError> {
    if scale.numerator == 0 {
        return Err(NoiseError::BadScale);
    }
    let shift = 2 * usize::from(scale.log2_denominator);
    let (loss, unit) = loss_at_one(square);
    to_rho(divide_up(loss << shift, unit * UBig::from(scale.numerator).sqr()))
}

/// The least representable scale whose charge is at most `rho`.
///
/// The charge is ⌈loss / (unit · σ²)⌉ with integers `loss` and `unit`, so it is at most R exactly
/// if σ² ≥ loss / (unit · R). For σ = a / 2^j that is a² ≥ loss · 4^j / (unit · R).
pub(super) fn scale_within(square: &UBig, rho: Rho) -> Result<Scale, NoiseError> {
    check(*square == UBig::ZERO, rho)?;
    let (loss, unit) = loss_at_one(square);
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

/// groups · sensitivity²: how far, squared, one person can move a column.
pub(super) fn square(sensitivity: u64, groups: u64) -> UBig {
    UBig::from(sensitivity).sqr() * UBig::from(groups)
}

/// √`square`, rounded up by less than one part in 2⁶⁴; exact for squares.
pub(super) fn distance(square: &UBig) -> RBig {
    RBig::from_parts(root_up(square << 128).into(), UBig::ONE << 64)
}

/// ⌈groups · (sensitivity · η)² · 10⁹ · (1 + 2⁻⁴⁸) / 8⌉ billionths.
pub(super) fn selection(
    sensitivity: u64,
    groups: u64,
    sharpness: Sharpness,
) -> Result<Rho, NoiseError> {
    let (loss, unit) = loss_of_selection(sensitivity, groups);
    let shift = 2 * usize::from(sharpness.log2_denominator);
    to_rho(divide_up(loss * UBig::from(sharpness.numerator).sqr(), unit << shift))
}

/// The greatest representable sharpness whose charge is at most `rho`.
///
/// For η = a / 2^j that is a² ≤ R · 4^j · unit / loss.
pub(super) fn sharpness_within(
    sensitivity: u64,
    groups: u64,
    rho: Rho,
) -> Result<Sharpness, NoiseError> {
    check_sensitivity(sensitivity, groups, rho)?;
    let (loss, unit) = loss_of_selection(sensitivity, groups);
    let allowed = unit * UBig::from(rho.nano());
    let numerator =
        |log2_denominator: u8| ((&allowed << (2 * usize::from(log2_denominator))) / &loss).sqrt();
    // Likewise: by j = 150, since η ≥ 2⁻¹¹⁵ for the greatest sensitivity and the least charge.
    let fine = (0..=150).take_while(|&finer| numerator(finer) < UBig::from(NUMERATOR_LIMIT));
    let log2_denominator = fine.last().unwrap_or(0);
    let numerator = u64::try_from(numerator(log2_denominator))
        .map_err(|_| NoiseError::Overflow { what: "the sharpness" })?;
    let Scale { numerator, log2_denominator } = lowest_terms(Scale { numerator, log2_denominator });
    Ok(Sharpness { numerator, log2_denominator })
}

/// Refuses a sensitivity from which no noise follows, and a charge that no noise is cheap enough
/// for.
pub(super) fn check_sensitivity(sensitivity: u64, groups: u64, rho: Rho) -> Result<(), NoiseError> {
    check(sensitivity == 0 || groups == 0, rho)
}

fn check(is_still: bool, rho: Rho) -> Result<(), NoiseError> {
    if is_still {
        return Err(NoiseError::NoSensitivity);
    }
    let needed = Rho::from_nano(1);
    if rho < needed { Err(NoiseError::Underfunded { needed, granted: rho }) } else { Ok(()) }
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
fn loss_at_one(square: &UBig) -> (UBig, UBig) {
    (square * UBig::from(NANO) * ((UBig::ONE << 50) + UBig::ONE), UBig::ONE << 51)
}

/// The charge in billionths of a selection at η = 1, as a fraction, 1 + 2⁻⁴⁸ times too large.
///
/// opendp's map rounds the sensitivity, 1/η, their quotient and its square, by less than 2⁻⁵² each
/// and three of them twice: less than 2⁻⁴⁹.
fn loss_of_selection(sensitivity: u64, groups: u64) -> (UBig, UBig) {
    let cover = (UBig::ONE << 48) + UBig::ONE;
    (square(sensitivity, groups) * UBig::from(NANO) * cover, UBig::ONE << 51)
}

fn to_rho(nano: UBig) -> Result<Rho, NoiseError> {
    let nano = u64::try_from(nano).map_err(|_| NoiseError::Overflow { what: "the charge" })?;
    Ok(Rho::from_nano(nano))
}

/// ⌈dividend / divisor⌉.
pub(super) fn divide_up(dividend: UBig, divisor: UBig) -> UBig {
    let (quotient, rest) = dividend.div_rem(divisor);
    if rest.is_zero() { quotient } else { quotient + UBig::ONE }
}

/// ⌈√square⌉.
fn root_up(square: UBig) -> UBig {
    let root = square.sqrt();
    if root.sqr() == square { root } else { root + UBig::ONE }
}

/// Billionths in one.
pub(super) const NANO: u64 = 1_000_000_000;

/// Numerators from half of this up to it are at most one part in 2²⁰ above what they stand for.
const NUMERATOR_LIMIT: u64 = 1 << 21;

#[cfg(test)]
mod tests {
    use super::super::mechanism::{self, Mechanism};
    use super::super::{Column, Noise};
    use super::*;

    fn scale(numerator: u64, log2_denominator: u8) -> Scale {
        Scale { numerator, log2_denominator }
    }

    fn price(sensitivity: u64, groups: u64, at: Scale) -> Result<Rho, NoiseError> {
        charge(&square(sensitivity, groups), at)
    }

    fn within(sensitivity: u64, groups: u64, rho: Rho) -> Result<Scale, NoiseError> {
        scale_within(&square(sensitivity, groups), rho)
    }

    /// What opendp's map says of a price.
    fn check(sensitivity: u64, groups: u64, at: Scale, price: Rho) -> Result<(), NoiseError> {
        let noise = Noise::from(at);
        let column = Column::within(vec![], sensitivity, Some(groups), noise);
        Mechanism::new(noise).unwrap().check(&column, price)
    }

    #[test]
    fn charges_are_those_of_the_formula() {
        let nano = |sensitivity, groups, at| price(sensitivity, groups, at).unwrap().nano();
        // 1/2, and the one billionth that covers the rounding of opendp's map.
        assert_eq!(nano(1, 1, scale(1, 0)), 500_000_001);
        // 1/18 = 0.0555..., which needs no such cover.
        assert_eq!(nano(1, 1, scale(3, 0)), 55_555_556);
        // 3 * 7^2 / (2 * 2.5^2) = 11.76.
        assert_eq!(nano(7, 3, scale(5, 1)), 11_760_000_001);
        assert_eq!(nano(0, 3, scale(5, 1)), 0);
        assert_eq!(nano(1, 1, scale(u64::MAX, 0)), 1);
        assert!(matches!(price(1, 1, scale(0, 0)), Err(NoiseError::BadScale)));
        assert!(matches!(price(u64::MAX, 1, scale(1, 0)), Err(NoiseError::Overflow { .. })));
        assert!(matches!(price(1, 1, scale(1, 255)), Err(NoiseError::Overflow { .. })));
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
            let found = within(sensitivity, groups, rho).unwrap();
            assert!(price(sensitivity, groups, found).unwrap() <= rho);
            assert!(found.numerator < 1 << 21 || found.log2_denominator == 0);
            // The next smaller scales: with the finest denominator that the limit allows.
            let mut finest = found;
            while finest.numerator << 1 < 1 << 21 {
                finest = scale(finest.numerator << 1, finest.log2_denominator + 1);
            }
            let smaller = scale(finest.numerator - 1, finest.log2_denominator);
            assert!(price(sensitivity, groups, smaller).unwrap() > rho, "{found:?}");
            assert!(finest.numerator >= 1 << 20, "{found:?} is coarser than one in a million");
        }
        assert!(matches!(within(1, 1, Rho::default()), Err(NoiseError::Underfunded { .. })));
        assert!(matches!(within(0, 1, Rho::from_nano(1)), Err(NoiseError::NoSensitivity)));
        let most = within(u64::MAX, u64::MAX, Rho::from_nano(1));
        assert!(matches!(most, Err(NoiseError::Overflow { .. })));
        assert!(within(1, 1, Rho::from_nano(u64::MAX)).unwrap().as_f64() < 1e-5);
        assert!(within(u64::MAX, 1, Rho::from_nano(1_000_000_000)).is_ok());
    }

    #[test]
    fn the_charge_is_never_below_the_map_of_opendp() {
        let mut draw = Lcg(2);
        let mut checked = 0;
        while checked < 2_000 {
            let (sensitivity, groups) = (draw.magnitude(64), draw.magnitude(64));
            let denominator = u8::try_from(draw.next() % 40).unwrap();
            let at = scale(draw.magnitude(64), denominator);
            let Ok(price) = price(sensitivity, groups, at) else { continue };
            check(sensitivity, groups, at, price).unwrap();
            checked += 1;
        }
        // Whole numbers of billionths, where nothing but the cover keeps it above.
        for groups in 1..200 {
            let price = price(1, groups, scale(1, 0)).unwrap();
            assert_eq!(price.nano(), groups * 500_000_000 + 1);
            check(1, groups, scale(1, 0), price).unwrap();
        }
        let refused = check(1, 1, scale(1, 0), Rho::from_nano(499_999_999));
        assert!(matches!(refused, Err(NoiseError::MapDisagrees)));
    }

    #[test]
    fn selections_are_charged_an_eighth_of_the_square() {
        let at = |numerator, log2_denominator| Sharpness { numerator, log2_denominator };
        let nano = |sensitivity, groups, at| selection(sensitivity, groups, at).unwrap().nano();
        // 1/8; 4 * (3 * 5/4)^2 / 8 = 7.03125.
        assert_eq!(nano(1, 1, at(1, 0)), 125_000_001);
        assert_eq!(nano(3, 4, at(5, 2)), 7_031_250_001);
        assert_eq!(nano(1, 1, at(0, 0)), 0);
        let mut draw = Lcg(3);
        let mut checked = 0;
        while checked < 500 {
            let (sensitivity, groups) = (draw.magnitude(64), draw.magnitude(30));
            let rho = Rho::from_nano(draw.magnitude(64));
            let found = sharpness_within(sensitivity, groups, rho).unwrap();
            let price = selection(sensitivity, groups, found).unwrap();
            assert!(price <= rho, "{found:?}");
            mechanism::check_selection(sensitivity, groups, found, price).unwrap();
            // Within 10^-6 of the best, two of them in the square.
            let least = rho.nano() - rho.nano() / 400_000;
            assert!(price.nano() >= least.saturating_sub(1), "{found:?}");
            checked += 1;
        }
        let short = mechanism::check_selection(1, 1, at(1, 0), Rho::from_nano(124_999_999));
        assert!(matches!(short, Err(NoiseError::MapDisagrees)));
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
