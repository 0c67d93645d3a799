//! Draws of the discrete Laplace, exact, in integers, in rounds that all take the same time.
//!
//! The digits of a geometric magnitude are independent, in any base: exp(-g/s) is the product of
//! exp(-digit(i)·16^i/s). So each base-16 digit is one word compared with a table of tails, and one
//! more word holds a sign and stands for all digits past the tables. Minus zero is dropped, which
//! says nothing about what is kept. Time does not depend on what was drawn but for words that do not
//! decide, less than once in 2⁵⁴ draws.
//!
//! # Source
//! CKS20, Algorithm 2, for the sign.
#![deny(clippy::float_arithmetic)]

use std::iter;

use dashu::base::BitTest;
use dashu::integer::UBig;

use super::exponential::{Bounds, Uniform, exp_minus};
use super::generator::Generator;
use super::{NoiseError, Scale, charge};

/// The discrete Laplace of one scale s = a / 2^j.
#[derive(Clone, Debug)]
pub(super) struct Laplace {
    numerator: u64,
    log2_denominator: usize,
    /// For digit i and v = 1, 2, ...: the probability of v or more, in steps of 2⁻⁶⁴, less than two
    /// short.
    digits: Vec<[u64; BASE - 1]>,
}

impl Laplace {
    /// Prepares draws with `scale`.
    pub(super) fn new(scale: Scale) -> Result<Self, NoiseError> {
        if scale.numerator == 0 {
            return Err(NoiseError::BadScale);
        }
        let Scale { numerator, log2_denominator } = charge::lowest_terms(scale);
        let log2_denominator = usize::from(log2_denominator);
        // exp(-45) is below 2^-64: the digits past 16^n ≥ 45·s are all zero as often.
        let least = UBig::from(45 * u128::from(numerator)) - UBig::ONE;
        let bits = least.bit_len().saturating_sub(log2_denominator);
        let mut laplace = Self { numerator, log2_denominator, digits: vec![] };
        for i in 0..bits.div_ceil(BASE_BITS) {
            let mut words = [0; BASE - 1];
            for (word, tail) in words.iter_mut().zip(laplace.tails(i, TABLE_BITS)) {
                *word = tail.word(TABLE_BITS);
            }
            laplace.digits.push(words);
        }
        Ok(laplace)
    }

    /// Draws once.
    #[inline]
    pub(super) fn draw(&self, generator: &mut Generator) -> i128 {
        loop {
            let word = generator.word();
            let (negative, rest) = (word & 1 == 1, word >> 1);
            let mut magnitude = 0_i128;
            for (i, tails) in self.digits.iter().enumerate() {
                let digit = self.digit(i, tails, generator.word(), generator);
                magnitude |= i128::from(digit) << (i * BASE_BITS);
            }
            if rest == 0 {
                magnitude += self.settle_rest(rest, generator);
            }
            if !(negative & (magnitude == 0)) {
                return if negative { -magnitude } else { magnitude };
            }
        }
    }

    /// The number of tails of digit `i` that the uniform number beginning with `word` is below.
    #[inline]
    fn digit(
        &self,
        i: usize,
        tails: &[u64; BASE - 1],
        word: u64,
        generator: &mut Generator,
    ) -> u64 {
        let mut below = 0_u64;
        let mut perhaps = 0_u64;
        let before = word.saturating_sub(1);
        for &tail in tails {
            below += u64::from(word < tail);
            perhaps += u64::from(before <= tail);
        }
        if below == perhaps { below } else { self.settle(i, word, generator) }
    }

    #[cold]
    fn settle(&self, i: usize, word: u64, generator: &mut Generator) -> u64 {
        let mut uniform = Uniform::starting(word, 64);
        let mut digit = 0;
        let is_below = |at: usize, uniform: &mut Uniform, generator: &mut Generator| {
            let tail = |bits| self.tails(i, bits).swap_remove(at);
            uniform.is_below(tail, generator)
        };
        for at in 0..BASE - 1 {
            if !is_below(at, &mut uniform, generator) {
                break;
            }
            digit += 1;
        }
        digit
    }

    /// What the digits past the tables stand for: geometric in units of 16^n. The first uniform
    /// number to be compared begins with the 63 bits of `rest`.
    #[cold]
    fn settle_rest(&self, rest: u64, generator: &mut Generator) -> i128 {
        let count = self.digits.len();
        let power = |bits| self.power(count, bits);
        let mut magnitude = 0_i128;
        let mut uniform = Uniform::starting(rest, 63);
        while uniform.is_below(power, generator) {
            magnitude += 1;
            uniform = Uniform::starting(generator.word(), 64);
        }
        // At most 18 tables, of 4 bits each.
        magnitude << (count * BASE_BITS)
    }

    /// For v = 1, 2, ...: bounds of the probability that digit `i` is v or more, in steps of
    /// 2^-`bits`: (q^v - q^16) / (1 - q^16) for q = exp(-16^i/s).
    fn tails(&self, i: usize, bits: usize) -> Vec<Bounds> {
        // 1 - q^16 may be as low as 2^-60, and 16 products are some 50 steps off.
        let work = bits + 72;
        let one = UBig::ONE << work;
        let first = self.power(i, work);
        let next = |power: &Bounds| Some(power.times(&first, work));
        let mut powers: Vec<Bounds> =
            iter::successors(Some(first.clone()), next).take(BASE).collect();
        let Some(most) = powers.pop() else { return powers };
        let tail = |power: &Bounds| Bounds {
            lower: ((&power.lower - (&power.lower).min(&most.upper)) << bits)
                / (&one - &most.lower),
            upper: ((&power.upper - &most.lower) << bits) / (&one - &most.upper) + UBig::ONE,
        };
        powers.iter().map(tail).collect()
    }

    /// Bounds of exp(-16^i/s) in steps of 2^-`bits`.
    fn power(&self, i: usize, bits: usize) -> Bounds {
        let above = UBig::ONE << (i * BASE_BITS + self.log2_denominator);
        exp_minus(&above, &UBig::from(self.numerator), bits)
    }
}

/// Base of the digits: fewer words for a greater one, more comparisons for a word.
const BASE: usize = 1 << BASE_BITS;
const BASE_BITS: usize = 4;

/// Enough for a table of words; see [`Bounds::word`].
const TABLE_BITS: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    fn laplace(numerator: u64, log2_denominator: u8) -> Laplace {
        Laplace::new(Scale { numerator, log2_denominator }).unwrap()
    }

    #[test]
    fn tails_are_those_of_the_law() {
        // (q^v - q^16) / (1 - q^16) for q = 1/e and v = 1, 2, 15, in steps of 2^-64, by mpmath.
        let one = laplace(1, 0);
        assert_eq!(one.digits.len(), 2);
        for (at, expected) in [
            (0, 6_786_176_589_044_886_062),
            (1, 2_496_493_539_044_558_065),
            (14, 3_566_994_651_927),
        ] {
            let found = one.digits[0][at];
            assert!(found <= expected && expected - found < 2, "{at}: {found:x}");
        }
        // A magnitude of 16 or more times v has probability exp(-16·v).
        let expected = [2_075_907_567_336, 233_612];
        assert!(one.digits[1][0].abs_diff(expected[0]) < 2);
        assert!(one.digits[1][1].abs_diff(expected[1]) < 2);
        assert_eq!(laplace(1, 255).digits.len(), 0);
        assert_eq!(laplace(u64::MAX, 0).digits.len(), 18);
    }

    #[test]
    fn words_decide_as_all_bits_would() {
        let mut generator = Generator::seeded(92);
        for sampler in [laplace(1, 2), laplace(3, 0), laplace(1_000_001, 3), laplace(1 << 63, 0)] {
            for (i, tails) in sampler.digits.iter().enumerate() {
                for _ in 0..20 {
                    let word = generator.word();
                    let fast = sampler.digit(i, tails, word, &mut generator);
                    assert_eq!(fast, sampler.settle(i, word, &mut generator));
                }
                // Right beside a tail, where a word still decides.
                for (&tail, below) in tails.iter().zip(0..).filter(|(tail, _)| **tail > 9) {
                    for (word, expected) in [(tail - 1, below + 1), (tail + 2, below)] {
                        assert_eq!(sampler.digit(i, tails, word, &mut generator), expected);
                        assert_eq!(sampler.settle(i, word, &mut generator), expected);
                    }
                }
            }
            // All but one of the first 63 bits say that nothing is past the tables.
            assert_eq!(sampler.settle_rest(1, &mut generator), 0);
        }
    }

    #[test]
    fn what_is_past_the_table_is_drawn_too() {
        // Pr[16 or more] at scale 4 is exp(-4): as if tables ended there. False alarm 6e-7.
        let mut cut = laplace(4, 0);
        cut.digits.truncate(1);
        let mut generator = Generator::seeded(93);
        let mut past = 0;
        for _ in 0..20_000 {
            let first = generator.word() >> 1;
            let rest = cut.settle_rest(first, &mut generator);
            assert_eq!(rest % 16, 0);
            past += u32::from(rest > 0);
        }
        // 366 expected, standard deviation 19.
        assert!(past.abs_diff(366) < 95, "{past}");
    }
}
