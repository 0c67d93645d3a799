//! Draws of the discrete Laplace, exact, in integers, in the same time for all.
//!
//! A draw is g or -1 - g, the latter with probability 1 / (1 + exp(1/s)), for a geometric g ≥ 0
//! with Pr[g or more] = exp(-g/s). The digits of g are independent, in any base, as exp(-g/s) is
//! the product of exp(-digit(i)·16^i/s). So the sign and each base-16 digit are one word each,
//! compared with a table of tails; the leading digit has no upper end. Nothing is drawn twice, and
//! nothing branches on what was drawn, but for words that do not decide: less than once in 2⁵⁵
//! draws.
//!
//! # Source
//! Inusah and Kozubowski, A Discrete Analogue of the Laplace Distribution, 2006, for the law as two
//! geometric halves.
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
    /// The probability of less than zero, in steps of 2⁻⁶⁴, less than two short.
    negative: u64,
    /// For digit i and v = 1, 2, ...: likewise the probability of v or more. Falling; the last one
    /// is zero, below which nothing can be.
    digits: Vec<[u64; BASE]>,
}

impl Laplace {
    /// Prepares draws with `scale`.
    pub(super) fn new(scale: Scale) -> Result<Self, NoiseError> {
        if scale.numerator == 0 {
            return Err(NoiseError::BadScale);
        }
        let Scale { numerator, log2_denominator } = charge::lowest_terms(scale);
        let log2_denominator = usize::from(log2_denominator);
        // exp(-45) is below 2^-64: with 16^n ≥ 45·s, what is past n digits is at most as likely.
        let least = UBig::from(45 * u128::from(numerator)) - UBig::ONE;
        let bits = least.bit_len().saturating_sub(log2_denominator);
        let count = bits.div_ceil(BASE_BITS).max(1);
        let mut laplace = Self { numerator, log2_denominator, negative: 0, digits: vec![] };
        laplace.negative = laplace.sign(TABLE_BITS).word(TABLE_BITS);
        for i in 0..count {
            let mut words = [0; BASE];
            for (word, tail) in words.iter_mut().zip(laplace.tails(i, i + 1 == count, TABLE_BITS)) {
                *word = tail.word(TABLE_BITS);
            }
            laplace.digits.push(words);
        }
        Ok(laplace)
    }

    /// Draws once.
    #[inline]
    pub(super) fn draw(&self, generator: &mut Generator) -> i128 {
        let negative = self.is_negative(generator.word(), generator);
        let mut magnitude = 0_i128;
        for (i, tails) in self.digits.iter().enumerate() {
            let digit = self.digit(i, tails, generator.word(), generator);
            magnitude |= i128::from(digit) << (i * BASE_BITS);
        }
        // -1 - g is g with all bits turned.
        magnitude ^ -i128::from(negative)
    }

    #[inline]
    fn is_negative(&self, word: u64, generator: &mut Generator) -> bool {
        if word.wrapping_sub(self.negative) < 2 {
            return self.settle_sign(word, generator);
        }
        word < self.negative
    }

    /// The number of tails of digit `i` that the uniform number beginning with `word` is below.
    #[inline]
    fn digit(&self, i: usize, tails: &[u64; BASE], word: u64, generator: &mut Generator) -> u64 {
        let below: usize = tails.iter().map(|&tail| usize::from(word < tail)).sum();
        // The greatest tail that is not above the word; all of them have just been read.
        if word.wrapping_sub(tails[below & (BASE - 1)]) < 2 {
            return self.settle(i, word, generator);
        }
        // Below 16.
        u64::try_from(below).unwrap_or(u64::MAX)
    }

    #[cold]
    fn settle_sign(&self, word: u64, generator: &mut Generator) -> bool {
        Uniform::starting(word, 64).is_below(|bits| self.sign(bits), generator)
    }

    #[cold]
    fn settle(&self, i: usize, word: u64, generator: &mut Generator) -> u64 {
        let leads = i + 1 == self.digits.len();
        let mut uniform = Uniform::starting(word, 64);
        let mut digit = 0_u64;
        loop {
            let tail = |bits| {
                let at = usize::try_from(digit).unwrap_or(usize::MAX);
                let tail = self.tails(i, leads, bits).into_iter().nth(at);
                // Past the table: one more of 16, or never.
                tail.unwrap_or_else(|| if leads { self.power(digit + 1, i, bits) } else { NEVER })
            };
            if !uniform.is_below(tail, generator) {
                return digit;
            }
            digit += 1;
        }
    }

    /// Bounds of 1 / (1 + exp(1/s)) in steps of 2^-`bits`.
    fn sign(&self, bits: usize) -> Bounds {
        let Bounds { lower, upper } = self.power(1, 0, bits);
        let one = UBig::ONE << bits;
        Bounds {
            lower: (&lower << bits) / (&one + &lower),
            upper: (&upper << bits) / (&one + &upper) + UBig::ONE,
        }
    }

    /// For v = 1, 2, ..., 15: bounds of the probability that digit `i` is v or more, in steps of
    /// 2^-`bits`: (q^v - q^16) / (1 - q^16) for q = exp(-16^i/s), or q^v if it leads.
    fn tails(&self, i: usize, leads: bool, bits: usize) -> Vec<Bounds> {
        // 1 - q^16 may be as low as 2^-60, and 16 products are some 50 steps off.
        let work = bits + 72;
        let one = UBig::ONE << work;
        let first = self.power(1, i, work);
        let next = |power: &Bounds| Some(power.times(&first, work));
        let mut powers: Vec<Bounds> =
            iter::successors(Some(first.clone()), next).take(BASE).collect();
        let past = powers.pop().filter(|_| !leads).unwrap_or(NEVER);
        let tail = |power: &Bounds| Bounds {
            lower: ((&power.lower - (&power.lower).min(&past.upper)) << bits)
                / (&one - &past.lower),
            upper: ((&power.upper - &past.lower) << bits) / (&one - &past.upper) + UBig::ONE,
        };
        powers.iter().map(tail).collect()
    }

    /// Bounds of exp(-digit·16^i/s) in steps of 2^-`bits`.
    fn power(&self, digit: u64, i: usize, bits: usize) -> Bounds {
        let above = UBig::from(digit) << (i * BASE_BITS + self.log2_denominator);
        exp_minus(&above, &UBig::from(self.numerator), bits)
    }
}

/// A probability of zero.
const NEVER: Bounds = Bounds { lower: UBig::ZERO, upper: UBig::ZERO };

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
        // The digit that leads is v or more with probability exp(-16·v).
        let expected = [2_075_907_567_336, 233_612];
        assert!(one.digits[1][0].abs_diff(expected[0]) < 2);
        assert!(one.digits[1][1].abs_diff(expected[1]) < 2);
        // 1 / (1 + e).
        assert!(one.negative.abs_diff(4_961_093_570_831_980_853) < 2);
        assert_eq!(laplace(1, 255).digits, [[0; 16]]);
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
            for (word, expected) in [(sampler.negative - 1, true), (sampler.negative + 2, false)] {
                assert_eq!(sampler.is_negative(word, &mut generator), expected);
                assert_eq!(sampler.settle_sign(word, &mut generator), expected);
            }
        }
    }

    #[test]
    fn what_is_past_the_tables_is_drawn_too() {
        // Pr[16 or more] at scale 16 is 1/e, as if it had one table: false alarm 6e-7.
        let mut cut = laplace(16, 0);
        cut.digits.truncate(1);
        let mut generator = Generator::seeded(93);
        let draw = |generator: &mut Generator| cut.settle(0, generator.word(), generator);
        let past = (0..1_000).filter(|_| draw(&mut generator) >= 16).count();
        // 368 expected, standard deviation 15.
        assert!(past.abs_diff(368) < 77, "{past}");
    }
}
