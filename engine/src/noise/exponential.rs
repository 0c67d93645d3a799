//! e to the power of minus a fraction, from below and from above, and coins that are thrown against
//! such bounds without ever being wrong.
//!
//! A sampler compares the first 64 bits of a uniform number with a bound of the same length. Once
//! in about 2⁶⁰ times that does not decide, and [`Uniform`] draws further bits until it does: the
//! law is the exact one, at the price of a short one. It does not know noise or charges.
#![deny(clippy::float_arithmetic)]

use dashu::base::BitTest;
use dashu::integer::UBig;

use super::generator::Generator;

/// What is known of a number between 0 and 1: it lies between `lower` and `upper`, both in steps
/// of a power of two that the caller knows.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    pub(super) lower: UBig,
    pub(super) upper: UBig,
}

impl Bounds {
    /// Bounds of the product of two numbers, in the same steps of 2^-`bits`.
    pub(super) fn times(&self, other: &Self, bits: usize) -> Self {
        let lower = (&self.lower * &other.lower) >> bits;
        let upper = ((&self.upper * &other.upper) >> bits) + UBig::ONE;
        Self { lower, upper }
    }

    /// A word c so that the number lies between c and c + 2 in steps of 2⁻⁶⁴, if these bounds, in
    /// steps of 2^-`bits`, are narrower than one such step.
    pub(super) fn word(&self, bits: usize) -> u64 {
        u64::try_from(&self.lower >> (bits - 64)).unwrap_or(u64::MAX)
    }
}

/// Bounds of exp(-numerator/denominator) in steps of 2^-`bits`, at most three steps apart.
///
/// With y = x / 2^k below 1/64, exp(y) is summed as a series, its inverse is squared k times, and
/// every rounding goes outwards.
pub(super) fn exp_minus(numerator: &UBig, denominator: &UBig, bits: usize) -> Bounds {
    let one = UBig::ONE << bits;
    if *numerator == UBig::ZERO {
        return Bounds { lower: one.clone(), upper: one };
    }
    // exp(-bits) is below 2^-bits.
    let whole = numerator / denominator;
    if whole >= UBig::from(bits) {
        return Bounds { lower: UBig::ZERO, upper: UBig::ONE };
    }
    let halvings = whole.bit_len() + 6;
    let work = bits + halvings + GUARD_BITS;
    let part = (numerator << (work - halvings)) / denominator;
    let (sum, terms) = series(&part, work);
    // A computed term is at most 3 steps short, as each comes from the last by a factor below
    // 1/64 and two roundings; so is all that is left out. `part` is at most one step short, which
    // is less than two in the sum.
    let slack = UBig::from(3 * terms + 6);
    let square = UBig::ONE << (2 * work);
    let mut power = Bounds { lower: &square / (&sum + slack), upper: square / sum + UBig::ONE };
    for _ in 0..halvings {
        power = power.times(&power, work);
    }
    let lower = power.lower >> (work - bits);
    let upper = (power.upper >> (work - bits)) + UBig::ONE;
    Bounds { lower, upper: upper.min(one) }
}

/// The sum of part^n / n! in steps of 2^-`work`, every term rounded down, and how many terms.
fn series(part: &UBig, work: usize) -> (UBig, usize) {
    let mut term = UBig::ONE << work;
    let mut sum = term.clone();
    let mut terms = 0_usize;
    while term != UBig::ZERO {
        terms += 1;
        term = ((term * part) >> work) / UBig::from(terms);
        sum += &term;
    }
    (sum, terms)
}

/// A uniform number between 0 and 1, of which only the first bits have been drawn.
#[derive(Debug)]
pub(super) struct Uniform {
    prefix: UBig,
    bits: usize,
}

impl Uniform {
    /// The number whose first `bits` bits are `prefix`.
    pub(super) fn starting(prefix: u64, bits: usize) -> Self {
        Self { prefix: UBig::from(prefix), bits }
    }

    /// Whether the number is below a probability, of which `bounds` gives bounds at a number of
    /// bits, ever closer.
    pub(super) fn is_below(
        &mut self,
        bounds: impl Fn(usize) -> Bounds,
        generator: &mut Generator,
    ) -> bool {
        loop {
            let Bounds { lower, upper } = bounds(self.bits);
            if self.prefix < lower {
                return true;
            }
            if self.prefix >= upper {
                return false;
            }
            self.prefix = (&self.prefix << 64) + UBig::from(generator.word());
            self.bits += 64;
        }
    }
}

/// Squaring `halvings` times doubles the error as often; the series is less than 2¹⁰ steps off.
const GUARD_BITS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(numerator: u64, denominator: u64, bits: usize) -> Bounds {
        exp_minus(&numerator.into(), &denominator.into(), bits)
    }

    #[test]
    fn known_powers_lie_within_their_bounds() {
        // The first 64 bits of 1/e, exp(-1/2), exp(-20) and exp(-1/1000), computed by mpmath.
        for (numerator, denominator, word) in [
            (1, 1, 0x5e2d_58d8_b3bc_df1a_u64),
            (1, 2, 0x9b45_97e3_7cb0_4ff3),
            (20, 1, 0x0000_0008_da43_2af9),
            (1, 1000, 0xffbe_7f2b_78d4_edd2),
        ] {
            let found = bounds(numerator, denominator, 160);
            let at_64 = u64::try_from(&found.lower >> 96).unwrap();
            assert_eq!(at_64, word, "exp(-{numerator}/{denominator}): {at_64:x}");
            assert!(&found.upper - &found.lower <= UBig::from(3_u8));
        }
    }

    #[test]
    fn more_bits_only_narrow_the_bounds() {
        for (numerator, denominator) in [(1, 3), (7, 2), (88, 1), (1, 1 << 40), (123_457, 1_000)] {
            let first = bounds(numerator, denominator, 64);
            for bits in [96, 128, 200, 320, 700] {
                let next = bounds(numerator, denominator, bits);
                let shift = bits - 64;
                assert!(first.lower.clone() << shift <= next.upper, "{numerator}/{denominator}");
                assert!(first.upper.clone() << shift >= next.lower, "{numerator}/{denominator}");
                assert!(&next.upper - &next.lower <= UBig::from(3_u8));
            }
        }
    }

    #[test]
    fn the_ends_of_the_range_are_exact() {
        let none = bounds(0, 7, 100);
        assert_eq!((none.lower.clone(), none.upper), (UBig::ONE << 100, UBig::ONE << 100));
        let far = exp_minus(&(UBig::ONE << 300), &UBig::ONE, 128);
        assert_eq!((far.lower, far.upper), (UBig::ZERO, UBig::ONE));
    }

    #[test]
    fn a_close_comparison_draws_until_it_is_decided() {
        let third = |bits: usize| {
            let lower = (UBig::ONE << bits) / UBig::from(3_u8);
            Bounds { upper: &lower + UBig::ONE, lower }
        };
        let mut below = 0;
        let mut generator = Generator::seeded(5);
        for _ in 0..3_000 {
            // The first 64 bits of 1/3, which leave the next ones to decide.
            let mut uniform = Uniform::starting(0x5555_5555_5555_5555, 64);
            below += u32::from(uniform.is_below(third, &mut generator));
            assert!(uniform.bits >= 128);
        }
        // 1000 expected, standard deviation 26: five of them, false alarm 6e-7.
        assert!(below.abs_diff(1_000) < 130, "{below}");
    }
}
