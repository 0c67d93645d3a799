//! Draws of the discrete Gaussian, exact, in integers, in rounds that all take the same time.
//!
//! Half of the law is cut into steps of t = 2^k, about σ/4 to σ/2. A round draws a step v with
//! probability proportional to exp(-(v·t)²/(2σ²)), by comparing one word with a table of tails; an
//! offset u below t; and keeps v·t + u with probability exp(-u·(2·t·v + u)/(2σ²)). The product is
//! proportional to exp(-(v·t + u)²/(2σ²)). A sign is drawn with it, and minus zero is dropped. For
//! σ below 4, t is 1 and every round is kept.
//!
//! No round branches on what was drawn, or draws a number of words that depends on it; every round
//! reads the whole table. How many rounds a draw takes says nothing about the one that is kept. So
//! neither does the time. The exceptions are comparisons that 64 bits do not decide, less than once
//! in 2⁴⁸ draws.
//!
//! # Source
//! Howe, Prest, Ricosset and Rossi, Isochronous Gaussian Sampling, 2020, for steps from a table,
//! offsets, and why rounds of equal time suffice. Their tables are cut off; these are not.
#![deny(clippy::float_arithmetic)]

use dashu::integer::UBig;

use super::exponential::{Bounds, Uniform, exp_minus};
use super::generator::Generator;
use super::{NoiseError, Scale, charge};

/// The discrete Gaussian of one scale σ = a / 2^j.
#[derive(Clone, Debug)]
pub(super) struct Gaussian {
    /// k, the base-two logarithm of the step t.
    log2_step: u32,
    /// (t/σ)² in steps of 2⁻⁶⁴, rounded down; at most 2⁶² if k is not zero.
    square: u64,
    /// For v = 1, 2, ...: the probability of v or more, in steps of 2⁻⁶⁴, less than two short.
    /// Falling; the last one is zero.
    tails: Vec<u64>,
    /// (t/σ)² as a fraction.
    exact_square: (UBig, UBig),
}

impl Gaussian {
    /// Prepares draws with `scale`.
    pub(super) fn new(scale: Scale) -> Result<Self, NoiseError> {
        if scale.numerator == 0 {
            return Err(NoiseError::BadScale);
        }
        let Scale { numerator, log2_denominator } = charge::lowest_terms(scale);
        // t is the largest power of two that is at most σ/2, or one.
        let log2_step = numerator.ilog2().saturating_sub(u32::from(log2_denominator) + 1);
        let above = UBig::from(1_u128 << (2 * log2_step)) << (2 * usize::from(log2_denominator));
        let below = UBig::from(numerator).sqr();
        let square = u64::try_from((&above << 64) / &below).unwrap_or(u64::MAX);
        let exact_square = (above, below);
        let mut gaussian = Self { log2_step, square, tails: vec![], exact_square };
        for tail in gaussian.tails_at(TABLE_BITS) {
            let word = tail.word(TABLE_BITS);
            gaussian.tails.push(word);
            if word == 0 {
                break;
            }
        }
        Ok(gaussian)
    }

    /// Draws once.
    #[inline]
    pub(super) fn draw(&self, generator: &mut Generator) -> i128 {
        loop {
            let steps = self.steps(generator.word(), generator);
            let word = generator.word();
            let negative = word & 1 == 1;
            // k is at most 62, so the sign's bit is not among these.
            let offset = word.checked_shr(64 - self.log2_step).unwrap_or(0);
            let kept =
                self.log2_step == 0 || self.keeps(steps, offset, generator.word(), generator);
            // Past i128 only after more steps than there is time for.
            let magnitude = (i128::from(steps) << self.log2_step) | i128::from(offset);
            if kept & !(negative & (magnitude == 0)) {
                // Its negative if all bits are turned and one is added.
                return (magnitude ^ -i128::from(negative)) + i128::from(negative);
            }
        }
    }

    /// The number of tails that the uniform number beginning with `word` is below.
    #[inline]
    fn steps(&self, word: u64, generator: &mut Generator) -> u64 {
        let below: usize = self.tails.iter().map(|&tail| usize::from(word < tail)).sum();
        // The greatest tail that is not above the word; all of them have just been read.
        match self.tails.get(below) {
            Some(&tail) if word - tail >= 2 => u64::try_from(below).unwrap_or(u64::MAX),
            _ => self.settle_steps(word, generator),
        }
    }

    #[cold]
    fn settle_steps(&self, word: u64, generator: &mut Generator) -> u64 {
        let mut uniform = Uniform::starting(word, 64);
        let mut steps = 0_usize;
        // Beyond the table lies less than a step of any probability.
        let tail = |index: usize, bits: usize| {
            let rest = Bounds { lower: UBig::ZERO, upper: UBig::from(2_u8) };
            self.tails_at(bits).into_iter().nth(index).unwrap_or(rest)
        };
        while uniform.is_below(|bits| tail(steps, bits), generator) {
            steps += 1;
        }
        u64::try_from(steps).unwrap_or(u64::MAX)
    }

    /// Whether the uniform number beginning with `word` is below exp(-x), for
    /// x = (t/σ)² · (v·(u/t) + (u/t)²/2).
    #[inline]
    fn keeps(&self, steps: u64, offset: u64, word: u64, generator: &mut Generator) -> bool {
        let fast = self.exponent(steps, offset).and_then(exp_minus_narrow);
        match fast {
            // The number is within half a step of 2⁻⁶³ of word / 2.
            Some(bound) if (word >> 1).abs_diff(bound) > MARGIN => word >> 1 < bound,
            _ => self.settle_keeps(steps, offset, word, generator),
        }
    }

    /// x in steps of 2⁻⁶⁰, rounded down by less than 2⁻⁵⁶; `None` past 16.
    ///
    /// u/t is exact in 64 bits. Its square loses less than 2⁻⁶⁴, and what it is added to, cut to
    /// steps of 2⁻⁵⁶, one of them: a quarter of that is left after the product with (t/σ)² ≤ 1/4,
    /// whose own rounding counts v + 1 ≤ 64 times 2⁻⁶⁴, and the last cut 2⁻⁶⁰.
    #[inline]
    fn exponent(&self, steps: u64, offset: u64) -> Option<u64> {
        let part = u128::from(offset << (64 - self.log2_step));
        let half_square = (part * part) >> 65;
        let sum = (u128::from(steps & 63) * part + half_square) >> 8;
        let exponent = u64::try_from((sum * u128::from(self.square)) >> 60).ok();
        exponent.filter(|_| steps < 64)
    }

    #[cold]
    fn settle_keeps(&self, steps: u64, offset: u64, word: u64, generator: &mut Generator) -> bool {
        let (above, below) = self.exact_exponent(steps, offset);
        let bounds = |bits| exp_minus(&above, &below, bits);
        Uniform::starting(word, 64).is_below(bounds, generator)
    }

    /// x = (t/σ)² · u·(2·t·v + u) / (2·t²) as a fraction.
    fn exact_exponent(&self, steps: u64, offset: u64) -> (UBig, UBig) {
        let twice_step = UBig::from(2_u64 << self.log2_step);
        let (above, below) = &self.exact_square;
        let above = above * UBig::from(offset) * (twice_step * steps + UBig::from(offset));
        (above, below * UBig::from(2_u128 << (2 * self.log2_step)))
    }

    /// For v = 1, 2, ...: bounds of the probability of v or more steps, in steps of 2^-`bits`.
    ///
    /// Weights w(v) = q^(v²) come from q^(2v+1), one product each. The list ends with the first
    /// weight that may be as low as 2^-`work`. As (t/σ)² is above 1/16, that is before v =
    /// 2·`work`, so the ratio q^(2v+1) of what follows is below a half: all that is left is below
    /// two steps.
    fn tails_at(&self, bits: usize) -> Vec<Bounds> {
        let work = bits + GUARD_BITS;
        let (above, below) = &self.exact_square;
        let ratio = exp_minus(above, &(below << 1), work);
        let ratio_square = ratio.times(&ratio, work);
        let one = UBig::ONE << work;
        let mut weights = vec![Bounds { lower: one.clone(), upper: one }];
        let mut factor = ratio;
        while let Some(last) = weights.last().filter(|weight| weight.upper > UBig::ONE) {
            let next = last.times(&factor, work);
            factor = factor.times(&ratio_square, work);
            weights.push(next);
        }
        let mut sum = Bounds { lower: UBig::ZERO, upper: UBig::from(2_u8) };
        let mut sums: Vec<Bounds> = Vec::with_capacity(weights.len());
        for weight in weights.iter().rev() {
            sum.lower += &weight.lower;
            sum.upper += &weight.upper;
            sums.push(sum.clone());
        }
        let (tails, total) = (sums.iter().rev().skip(1), sum);
        let tail = |tail: &Bounds| Bounds {
            lower: (&tail.lower << bits) / &total.upper,
            upper: (&tail.upper << bits) / &total.lower + UBig::ONE,
        };
        tails.map(tail).collect()
    }
}

/// exp(-x) in steps of 2⁻⁶³, less than 2¹⁰ of them off, for x in steps of 2⁻⁶⁰ below 5.5.
///
/// The same digits in steps of 2⁻⁶⁴ are r = x/16, below 0.344. The series of exp(-r) up to r¹³
/// leaves out less than 2⁻⁵⁷ and its roundings add less than 4 steps; four squarings make that 2⁻⁵³
/// and 80 steps. What x is short of makes less than 2⁻⁵⁶.
#[inline]
fn exp_minus_narrow(exponent: u64) -> Option<u64> {
    if exponent >= EXPONENT_MAX {
        return None;
    }
    let power =
        COEFFICIENTS.iter().rev().fold(0, |sum, coefficient| coefficient - high(exponent, sum));
    Some((0..4).fold(power, |power, _| high(power, power) << 1))
}

/// The upper half of a product.
#[inline]
fn high(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    // Below 2^64, as both factors are.
    u64::try_from(product >> 64).unwrap_or(u64::MAX)
}

/// 1/n! in steps of 2⁻⁶³, rounded down.
const COEFFICIENTS: [u64; 14] = {
    // Rounding down after each division is rounding down once.
    let mut coefficients = [1 << 63; 14];
    let (mut at, mut n) = (1, 1);
    while at < 14 {
        coefficients[at] = coefficients[at - 1] / n;
        (at, n) = (at + 1, n + 1);
    }
    coefficients
};

/// 5.5 in steps of 2⁻⁶⁰. No step that a table holds reaches it: v·(t/σ) is below 9.5.
const EXPONENT_MAX: u64 = 11 << 59;

/// Above the error of [`exp_minus_narrow`], which is below 2¹¹, with room.
const MARGIN: u64 = 1 << 13;

/// Enough for a table of words; see [`Bounds::word`].
const TABLE_BITS: usize = 96;

/// Some hundred weights, each within some hundred steps.
const GUARD_BITS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn gaussian(numerator: u64, log2_denominator: u8) -> Gaussian {
        Gaussian::new(Scale { numerator, log2_denominator }).unwrap()
    }

    #[test]
    fn tails_are_those_of_the_law() {
        // Half of the law of scale 1, by mpmath: Pr[1 or more], Pr[2 or more], Pr[9 or more].
        let narrow = gaussian(1, 0);
        for (at, expected) in
            [(0, 7_925_672_230_075_439_316), (1, 1_544_319_583_872_028_780), (8, 27)]
        {
            let found = narrow.tails[at];
            assert!(found <= expected && expected - found < 2, "{at}: {found:x}");
        }
        assert_eq!(narrow.tails.last(), Some(&0));
        assert!(narrow.tails.is_sorted_by(|left, right| left > right));
        // In steps of a quarter to a half of the scale.
        for (numerator, log2_denominator, log2_step) in
            [(1, 0, 0), (127, 5, 0), (4, 0, 1), (20, 0, 3), (u64::MAX, 0, 62), (u64::MAX, 63, 0)]
        {
            let found = gaussian(numerator, log2_denominator);
            assert_eq!(found.log2_step, log2_step);
            assert!(found.tails.len() < 64);
        }
        assert_eq!(gaussian(1, 255).tails, [0]);
    }

    #[test]
    fn words_decide_as_all_bits_would() {
        let mut generator = Generator::seeded(90);
        for sampler in [gaussian(1, 1), gaussian(1, 0), gaussian(20, 0), gaussian(2_000_001, 7)] {
            for _ in 0..100 {
                let word = generator.word();
                let fast = sampler.steps(word, &mut generator);
                assert_eq!(fast, sampler.settle_steps(word, &mut generator));
            }
            // Right beside a tail, where a word still decides.
            for (&tail, below) in sampler.tails.iter().zip(0..).filter(|(tail, _)| **tail > 9) {
                for (word, expected) in [(tail - 1, below + 1), (tail + 2, below)] {
                    assert_eq!(sampler.steps(word, &mut generator), expected);
                    assert_eq!(sampler.settle_steps(word, &mut generator), expected);
                }
            }
        }
    }

    #[test]
    fn the_narrow_exponential_is_within_its_margin() {
        let mut generator = Generator::seeded(91);
        for sampler in [gaussian(4, 0), gaussian(20, 0), gaussian(u64::MAX, 3), gaussian(999, 1)] {
            let count = u64::try_from(sampler.tails.len()).unwrap();
            for _ in 0..500 {
                let steps = generator.below_wide(u128::from(count));
                let steps = u64::try_from(steps).unwrap();
                let offset = generator.word() >> (64 - sampler.log2_step);
                let exponent = sampler.exponent(steps, offset).unwrap();
                let found = exp_minus_narrow(exponent).unwrap();
                let (above, below) = sampler.exact_exponent(steps, offset);
                let exact = u64::try_from(exp_minus(&above, &below, 63).lower).unwrap();
                assert!(found.abs_diff(exact) < MARGIN / 4, "{steps}, {offset}: {found}, {exact}");
                // Right beside the margin both ways of deciding agree.
                for (half, expected) in [(found - MARGIN - 1, true), (found + MARGIN + 1, false)] {
                    // An exponent of nearly zero leaves no room above.
                    let Some(word) = half.checked_mul(2) else { continue };
                    assert_eq!(sampler.keeps(steps, offset, word, &mut generator), expected);
                    let settled = sampler.settle_keeps(steps, offset, word, &mut generator);
                    assert_eq!(settled, expected);
                }
            }
        }
        assert_eq!(exp_minus_narrow(EXPONENT_MAX), None);
    }
}
