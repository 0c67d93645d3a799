//! What discrete Laplace noise costs in ρ, and the least noise for a ρ, in integers.
//!
//! Moving the middle of the discrete Laplace of scale s by Δ steps costs
//!
//! ```text
//!   ρ(Δ, s) = (1/s)·[Δ - 2p·(1 - p^Δ) / (1 - p²)],   p = exp(-1/s),
//! ```
//! the Kullback-Leibler divergence of the two laws; ε·tanh(ε/2) for Δ = 1 and ε = 1/s. It is the
//! limit of D(α)/α at α = 1 and, for this family, its supremum over all orders: the tests walk a
//! grid of orders, shifts and scales. ρ grows with Δ, so Δ stands for all lesser moves.
//!
//! It does not touch records, and holds no floats.
//!
//! # Source
//! Bun and Steinke 2016, Definition 1.1 (zCDP); Harrison and Manurangsi, Exact zCDP
//! Characterizations for Fundamental Differentially Private Mechanisms, 2025, for Laplace noise.
#![deny(clippy::float_arithmetic)]

use dashu::float::FBig;
use dashu::float::round::mode::HalfEven;
use dashu::integer::UBig;
use dashu::rational::RBig;
use ledger_adapter::cost::Rho;

use super::charge::{self, NANO};
use super::exponential::{Bounds, exp_minus};
use super::{NoiseError, Scale};

/// ⌈groups · ρ(sensitivity, s) · 10⁹⌉ billionths, or one more if the fraction is within 2⁻⁶⁴ below
/// a whole number.
///
/// What is subtracted, T, is bounded from below: p is rounded down and p^Δ up. At an error of a few
/// steps of 2^-`BITS` each, T·groups·10⁹/s is less than Δ·groups·10⁹·2^(4 - `BITS`) short, which is
/// 2⁻⁹⁴ at most.
pub(super) fn charge(sensitivity: u64, groups: u64, scale: Scale) -> Result<Rho, NoiseError> {
    if scale.numerator == 0 {
        return Err(NoiseError::BadScale);
    }
    let Scale { numerator, log2_denominator } = charge::lowest_terms(scale);
    let (above, below) = (UBig::ONE << usize::from(log2_denominator), UBig::from(numerator));
    let one = UBig::ONE << BITS;
    let Bounds { lower: p, .. } = exp_minus(&above, &below, BITS);
    let Bounds { upper: power, .. } = exp_minus(&(&above * UBig::from(sensitivity)), &below, BITS);
    let saved = (((&one - power) * &p) << (BITS + 1)) / ((UBig::ONE << (2 * BITS)) - p.sqr());
    let spread = UBig::from(sensitivity) << BITS;
    let left = if spread > saved { spread - saved } else { UBig::ZERO };
    let nano =
        charge::divide_up(left * above * UBig::from(groups) * UBig::from(NANO), below << BITS);
    let nano = u64::try_from(nano).map_err(|_| NoiseError::Overflow { what: "the charge" })?;
    Ok(Rho::from_nano(nano))
}

/// The least scale with numerator up to 2²¹, or denominator 1, whose charge is at most `rho`.
///
/// The charge falls with the scale. Even at Δ = 1 it is above 2⁶⁴ billionths below s = 2⁻³⁵.
pub(super) fn scale_within(sensitivity: u64, groups: u64, rho: Rho) -> Result<Scale, NoiseError> {
    charge::check_sensitivity(sensitivity, groups, rho)?;
    let fits = |scale| charge(sensitivity, groups, scale).is_ok_and(|charge| charge <= rho);
    let power = |exponent: u8| match exponent.checked_sub(EXPONENT_BIAS) {
        Some(up) => Scale { numerator: 1 << up, log2_denominator: 0 },
        None => Scale { numerator: 1, log2_denominator: EXPONENT_BIAS - exponent },
    };
    if !fits(power(EXPONENT_BIAS + 63)) {
        return Err(NoiseError::Overflow { what: "the noise scale" });
    }
    let narrow = |wide: u64| u8::try_from(wide).unwrap_or(u8::MAX);
    let top = u64::from(EXPONENT_BIAS + 63);
    let exponent = narrow(least(0, top, |middle| fits(power(narrow(middle)))));
    // The scale is above half of 2^exponent, and at most that: 2^20 to 2^21 steps of 2^-finer.
    let finer = (EXPONENT_BIAS + 21).saturating_sub(exponent);
    let high = 1_u64 << (exponent + finer - EXPONENT_BIAS);
    let of = |numerator| Scale { numerator, log2_denominator: finer };
    let numerator = least(high / 2, high, |middle| fits(of(middle)));
    Ok(charge::lowest_terms(of(numerator)))
}

/// The least number above `low` and up to `high` that fits, if `high` does.
fn least(mut low: u64, mut high: u64, fits: impl Fn(u64) -> bool) -> u64 {
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// A second opinion: whether `price` is at least groups · ρ at the scale that follows from
/// `epsilon`, the ε that `sensitivity` costs by someone else's map, and not above what ε alone
/// implies.
///
/// It shares no code with [`charge`]: the exponentials are dashu's floats, here of 200 bits, of
/// which the differences cost at most 132. `epsilon` may be rounded up by up to 2⁻⁵², so it is made
/// 1 - 2⁻⁵⁰ times smaller below, and the result once more.
pub(super) fn is_plausible(price: Rho, sensitivity: u64, groups: u64, epsilon: &RBig) -> bool {
    let price = RBig::from_parts(price.nano().into(), NANO.into());
    if *epsilon == RBig::ZERO {
        return price == RBig::ZERO;
    }
    let groups = RBig::from(groups);
    let small = RBig::from_parts(1.into(), UBig::ONE << 50);
    let two = RBig::from(2);
    let half_square = epsilon * epsilon / &two;
    let most = if half_square < *epsilon { half_square } else { epsilon.clone() };
    let nano = RBig::from_parts(1.into(), NANO.into());
    if price > &groups * most * (RBig::ONE + &small) + nano {
        return false;
    }
    let epsilon = epsilon * (RBig::ONE - &small);
    let rate = &epsilon / RBig::from(sensitivity);
    let sensitivity = RBig::from(sensitivity);
    // p below 2^-1000 leaves nothing of what is subtracted.
    let saved = if rate > RBig::from(1_000) {
        RBig::ZERO
    } else {
        let float = |fraction: &RBig| -> FBig<HalfEven, 2> { fraction.to_float(200).value() };
        let grown = float(&rate).exp();
        let sine = (&grown - FBig::ONE / &grown) / FBig::from(2);
        let far = if epsilon > RBig::from(1_000) { FBig::ZERO } else { (-float(&epsilon)).exp() };
        RBig::try_from((FBig::ONE - far) / sine).unwrap_or(RBig::ZERO)
    };
    price >= groups * rate * (sensitivity - saved) * (RBig::ONE - small)
}

/// See [`charge`].
const BITS: usize = 256;

/// The least exponent of a scale that is tried is minus this.
const EXPONENT_BIAS: u8 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(numerator: u64, log2_denominator: u8) -> Scale {
        Scale { numerator, log2_denominator }
    }

    #[test]
    fn charges_are_those_of_the_formula() {
        let nano = |sensitivity, groups, at| charge(sensitivity, groups, at).unwrap().nano();
        // Computed by mpmath with 50 digits. The first is tanh(1/2); the next two are .3744 at a
        // total ε of 1, and 3.16 at 4.
        assert_eq!(nano(1, 1, scale(1, 0)), 462_117_158);
        assert_eq!(nano(4, 1, scale(4, 0)), 374_416_333);
        assert_eq!(nano(4, 1, scale(1, 0)), 3_164_666_981);
        assert_eq!(nano(7, 3, scale(5, 1)), 5_656_186_140);
        assert_eq!(nano(3, 1, scale(1, 3)), 23_994_632_598);
        assert_eq!(nano(1_000_000, 1, scale(1 << 30, 0)), 434);
        assert_eq!(nano(1, 1, scale(u64::MAX, 0)), 1);
        assert_eq!(nano(0, 3, scale(5, 1)), 0);
        assert_eq!(nano(3, 2, scale(1, 20)), 6 * (1 << 20) * NANO);
        assert!(matches!(charge(1, 1, scale(0, 0)), Err(NoiseError::BadScale)));
        assert!(matches!(charge(1, 1, scale(1, 255)), Err(NoiseError::Overflow { .. })));
        assert!(matches!(charge(u64::MAX, 2, scale(1, 0)), Err(NoiseError::Overflow { .. })));
    }

    #[test]
    fn no_smaller_scale_fits_the_charge() {
        for sensitivity in [1, 2, 100, 123_456_789] {
            for nano in [1, 1_000, 24_356_000, 500_000_000, 40_000_000_000, 1 << 62] {
                let rho = Rho::from_nano(nano);
                let found = scale_within(sensitivity, 3, rho).unwrap();
                assert!(charge(sensitivity, 3, found).unwrap() <= rho);
                let mut finest = found;
                while finest.numerator <= 1 << 20 {
                    finest = scale(finest.numerator << 1, finest.log2_denominator + 1);
                }
                assert!(finest.numerator <= 1 << 21 || finest.log2_denominator == 0);
                let smaller = scale(finest.numerator - 1, finest.log2_denominator);
                assert!(charge(sensitivity, 3, smaller).unwrap() > rho, "{found:?}");
            }
        }
        assert!(matches!(scale_within(1, 1, Rho::default()), Err(NoiseError::Underfunded { .. })));
        assert!(matches!(scale_within(1, 0, Rho::from_nano(1)), Err(NoiseError::NoSensitivity)));
        let most = scale_within(u64::MAX, u64::MAX, Rho::from_nano(1));
        assert!(matches!(most, Err(NoiseError::Overflow { .. })));
    }

    #[test]
    fn the_second_opinion_knows_a_wrong_scale() {
        for (sensitivity, groups, at) in [
            (1, 1, scale(1, 0)),
            (4, 3, scale(9, 2)),
            (1, 1, scale(1, 12)),
            (1_000, 50, scale(1 << 40, 0)),
            (u64::MAX, 1, scale(u64::MAX, 0)),
            (1, 1 << 40, scale(1 << 30, 0)),
        ] {
            let price = charge(sensitivity, groups, at).unwrap();
            let above = UBig::from(sensitivity) << usize::from(at.log2_denominator);
            let epsilon = RBig::from_parts(above.into(), at.numerator.into());
            let with = |percent: u64| {
                let factor = RBig::from_parts(percent.into(), 100_u8.into());
                is_plausible(price, sensitivity, groups, &(&epsilon * factor))
            };
            assert!(with(100), "{sensitivity}, {groups}, {at:?}");
            // One billionth of rho stands for any less.
            assert!(!with(101) || price.nano() < 100, "{sensitivity}, {groups}, {at:?}");
            assert!(!with(70) || price.nano() < 100, "{sensitivity}, {groups}, {at:?}");
        }
        assert!(is_plausible(Rho::default(), 0, 1, &RBig::ZERO));
    }
}
