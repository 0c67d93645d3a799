//! Draws of the discrete Gaussian, exact, in integers.
//!
//! Every probability is a fraction of integers, or e to the power of minus such a fraction, and
//! is met exactly: nothing is rounded, and nothing is cut off. Products that could pass 128 bits
//! are taken in 128 bits if they fit and in integers of any size if not, candidate by candidate.
//! With a numerator a below 2²¹ and σ = a/2^j of 1 or more, t·2^j is at most 2²², so the
//! denominator below is at most 2⁸⁷, and a numerator passes 2¹²⁸ only for candidates beyond 2²⁰
//! times t, whose probability is exp(-2²⁰). Running time is not constant; see the parent module.
//!
//! # Source
//! CKS20, Algorithm 1 (Bernoulli of an exponential), Algorithm 2 (discrete Laplace) and Algorithm
//! 3 (discrete Gaussian).
#![deny(clippy::float_arithmetic)]

use dashu::base::BitTest;
use dashu::integer::UBig;

use super::generator::Generator;
use super::{NoiseError, Scale, charge};

/// The discrete Gaussian of one scale σ = a / 2^j.
#[derive(Clone, Debug)]
pub(super) struct Sampler {
    /// t, the scale of the Laplace candidates: ⌊σ⌋ + 1.
    laplace: u64,
    /// a².
    square: u128,
    narrow: Option<Narrow>,
    wide: Wide,
}

/// t · 4^j and 2 · a² · t² · 4^j, if they fit.
#[derive(Clone, Debug)]
struct Narrow {
    step: u128,
    denominator: u128,
}

/// Likewise, at any size.
#[derive(Clone, Debug)]
struct Wide {
    step: UBig,
    denominator: UBig,
}

impl Sampler {
    /// Prepares draws with `scale`.
    pub(super) fn new(scale: Scale) -> Result<Self, NoiseError> {
        if scale.numerator == 0 {
            return Err(NoiseError::BadScale);
        }
        let Scale { numerator, log2_denominator } = charge::lowest_terms(scale);
        let shift = u32::from(log2_denominator);
        let floor = numerator.checked_shr(shift).unwrap_or(0);
        // Any t gives the same law; only at the very end of the range is it not the best one.
        let laplace = floor.saturating_add(1);
        // Below 2^64 squared, so it fits.
        let square = u128::from(numerator) * u128::from(numerator);
        let wide_step = UBig::from(laplace) << (2 * usize::from(log2_denominator));
        let wide_denominator =
            UBig::from(square) * UBig::from(2 * u128::from(laplace)) * &wide_step;
        let narrow = match (u128::try_from(&wide_step), u128::try_from(&wide_denominator)) {
            (Ok(step), Ok(denominator)) => Some(Narrow { step, denominator }),
            _ => None,
        };
        let wide = Wide { step: wide_step, denominator: wide_denominator };
        Ok(Self { laplace, square, narrow, wide })
    }

    /// Draws once.
    ///
    /// A Laplace candidate y is kept with probability exp(-(|y| - σ²/t)² / (2σ²)). That times
    /// exp(-|y|/t) is exp(-y²/(2σ²)) times a constant: the law is the one asked for.
    #[inline]
    pub(super) fn draw(&self, generator: &mut Generator) -> i128 {
        loop {
            let negative = generator.word() >> 63 == 1;
            let magnitude = self.laplace_magnitude(generator);
            // Zero has one sign, or it would be drawn twice as often.
            if negative && magnitude == 0 {
                continue;
            }
            if self.keeps(magnitude, generator) {
                // Past i128 only after 2^63 heads in a row, which take longer than there is time.
                let value = i128::try_from(magnitude).unwrap_or(i128::MAX);
                return if negative { -value } else { value };
            }
        }
    }

    /// Draws y ≥ 0 with probability proportional to exp(-y/t).
    ///
    /// The remainder of y by t is kept with probability exp(-remainder/t); the quotient counts
    /// how often a coin of probability 1/e falls heads.
    #[inline]
    fn laplace_magnitude(&self, generator: &mut Generator) -> u128 {
        let t = u128::from(self.laplace);
        let remainder = loop {
            let candidate = u128::from(generator.below(self.laplace));
            if exp_of_at_most_one(generator, candidate, t) {
                break candidate;
            }
        };
        let mut quotient = 0_u64;
        while exp_of_one(generator) {
            quotient += 1;
        }
        // Below (2^64 - 1)^2 + 2^64, so it fits.
        u128::from(quotient) * t + remainder
    }

    /// Whether the candidate stays: with probability exp(-p/q), where p = (|y|·t·4^j - a²)² and
    /// q = 2·a²·t²·4^j.
    #[inline]
    fn keeps(&self, magnitude: u128, generator: &mut Generator) -> bool {
        if let Some(Narrow { step, denominator }) = self.narrow {
            let offset = magnitude.checked_mul(step).map(|far| far.abs_diff(self.square));
            if let Some(numerator) = offset.and_then(|offset| offset.checked_mul(offset)) {
                return exp_of(generator, numerator, denominator);
            }
        }
        self.keeps_wide(magnitude, generator)
    }

    /// Likewise, at any size.
    #[cold]
    fn keeps_wide(&self, magnitude: u128, generator: &mut Generator) -> bool {
        let far = UBig::from(magnitude) * &self.wide.step;
        let square = UBig::from(self.square);
        let offset = if far > square { far - square } else { square - far };
        exp_of_wide(generator, offset.sqr(), &self.wide.denominator)
    }
}

/// Heads with probability exp(-numerator/denominator). The denominator is not zero.
#[inline]
fn exp_of(generator: &mut Generator, mut numerator: u128, denominator: u128) -> bool {
    while numerator > denominator {
        if !exp_of_one(generator) {
            return false;
        }
        numerator -= denominator;
    }
    exp_of_at_most_one(generator, numerator, denominator)
}

/// Heads with probability exp(-numerator/denominator), for a fraction of at most one.
///
/// Coins of probability γ/k are thrown for k = 1, 2, ... until one falls tails: that k is odd with
/// probability exp(-γ). A coin of γ/k is one of 1/k and one of γ, which cannot overflow.
#[inline]
fn exp_of_at_most_one(generator: &mut Generator, numerator: u128, denominator: u128) -> bool {
    let mut k = 1_u64;
    loop {
        if (k > 1 && generator.below(k) != 0) || generator.below_wide(denominator) >= numerator {
            return k % 2 == 1;
        }
        k += 1;
    }
}

/// Heads with probability 1/e: as above with γ = 1, whose first coin never falls tails.
#[inline]
fn exp_of_one(generator: &mut Generator) -> bool {
    let mut k = 2_u64;
    while generator.below(k) == 0 {
        k += 1;
    }
    k % 2 == 1
}

/// [`exp_of`] at any size.
fn exp_of_wide(generator: &mut Generator, mut numerator: UBig, denominator: &UBig) -> bool {
    while numerator > *denominator {
        if !exp_of_one(generator) {
            return false;
        }
        numerator -= denominator;
    }
    let mut k = 1_u64;
    loop {
        if (k > 1 && generator.below(k) != 0) || below_any(generator, denominator) >= numerator {
            return k % 2 == 1;
        }
        k += 1;
    }
}

/// A uniform number below `bound`, which is not zero.
fn below_any(generator: &mut Generator, bound: &UBig) -> UBig {
    let bits = bound.bit_len();
    let words = bits.div_ceil(64);
    loop {
        let bytes: Vec<u8> = (0..words).flat_map(|_| generator.word().to_le_bytes()).collect();
        let candidate = UBig::from_le_bytes(&bytes) >> (words * 64 - bits);
        if candidate < *bound {
            return candidate;
        }
    }
}
