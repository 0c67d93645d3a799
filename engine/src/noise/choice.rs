//! Draws of the exponential mechanism, exact, in integers.
//!
//! A candidate of score d above the least gets a slot of ⌊2⁶²·exp(-η·d)⌋ + [`SLACK`] steps, never
//! less than 2⁶²·exp(-η·d). A uniform step of all slots is drawn, and stands if it is below that
//! number in its slot, which is settled in as many bits as it takes; if it does not stand, all is
//! drawn again. Every candidate is looked at in every draw.
//!
//! # Source
//! McSherry and Talwar, Mechanism Design via Differential Privacy, 2007, section 3.
#![deny(clippy::float_arithmetic)]

use dashu::integer::UBig;

use super::exponential::{Uniform, exp_minus};
use super::generator::Generator;
use super::{NoiseError, Sharpness};

/// The exponential mechanism of one η = a / 2^j.
#[derive(Debug)]
pub(super) struct Chooser {
    sharpness: Sharpness,
    /// Digits of this base-16 place and their powers exp(-η·digit·16^place), in steps of 2⁻⁶⁴,
    /// rounded down, the one of 0 being one short.
    places: Vec<[u64; 16]>,
    /// The least score difference without a place: its power is below 2⁻⁶².
    far: Option<u128>,
}

impl Chooser {
    /// Prepares choices at `sharpness`.
    pub(super) fn new(sharpness: Sharpness) -> Self {
        let mut chooser = Self { sharpness, places: vec![], far: None };
        let mut place = 1_u128;
        loop {
            let digit = |digit: u128| {
                let power = chooser.power(digit * place, TABLE_BITS);
                u64::try_from(power >> (TABLE_BITS - 64)).unwrap_or(u64::MAX)
            };
            let mut powers = [0; 16];
            for (n, power) in (0..).zip(&mut powers) {
                *power = digit(n);
            }
            chooser.places.push(powers);
            let Some(next) = place.checked_mul(16) else { break };
            place = next;
            if chooser.power(place, 62) <= UBig::ONE {
                chooser.far = Some(place);
                break;
            }
        }
        chooser
    }

    /// Chooses an index of `scores`, which has one at least, with probability proportional to
    /// exp(-η·score).
    pub(super) fn choose(
        &self,
        scores: &[i128],
        generator: &mut Generator,
    ) -> Result<usize, NoiseError> {
        let least = scores.iter().copied().min().ok_or(NoiseError::NoCandidates)?;
        let slots: Vec<u64> =
            scores.iter().map(|score| self.weight(score.abs_diff(least)) + SLACK).collect();
        // Fewer than 2^64 slots, and each below 2^63.
        let total: u128 = slots.iter().copied().map(u128::from).sum();
        loop {
            let step = generator.below_wide(total);
            let (mut index, mut before, mut end) = (0, 0, 0);
            for &slot in &slots {
                end += u128::from(slot);
                let past = end <= step;
                index += usize::from(past);
                before = if past { end } else { before };
            }
            let within = u64::try_from(step - before).unwrap_or(u64::MAX);
            if within < slots[index] - SLACK
                || self.settle(scores[index].abs_diff(least), within, generator)
            {
                return Ok(index);
            }
        }
    }

    /// 2⁶²·exp(-η·difference), at most [`SLACK`] too small and never too large.
    ///
    /// Each of up to 32 factors is less than two steps of 2⁻⁶⁴ short, and each product one.
    fn weight(&self, difference: u128) -> u64 {
        let mut rest = difference;
        let mut weight = u64::MAX;
        for powers in &self.places {
            let digit = usize::try_from(rest & 15).unwrap_or(0);
            let product = u128::from(weight) * u128::from(powers[digit]);
            weight = u64::try_from(product >> 64).unwrap_or(u64::MAX);
            rest >>= 4;
        }
        let near = self.far.is_none_or(|far| difference < far);
        if near { weight >> 2 } else { 0 }
    }

    /// Whether the uniform number that begins with `within`, in steps of 2⁻⁶², is below
    /// exp(-η·difference).
    #[cold]
    fn settle(&self, difference: u128, within: u64, generator: &mut Generator) -> bool {
        let (above, below) = self.exponent(difference);
        Uniform::starting(within, 62).is_below(|bits| exp_minus(&above, &below, bits), generator)
    }

    /// The lower bound of exp(-η·difference) in steps of 2^-`bits`.
    fn power(&self, difference: u128, bits: usize) -> UBig {
        let (above, below) = self.exponent(difference);
        exp_minus(&above, &below, bits).lower
    }

    fn exponent(&self, difference: u128) -> (UBig, UBig) {
        let above = UBig::from(difference) * UBig::from(self.sharpness.numerator);
        (above, UBig::ONE << usize::from(self.sharpness.log2_denominator))
    }
}

/// Above the error of a weight.
const SLACK: u64 = 128;

/// Some more than the 64 that are kept.
const TABLE_BITS: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn chooser(numerator: u64, log2_denominator: u8) -> Chooser {
        Chooser::new(Sharpness { numerator, log2_denominator })
    }

    #[test]
    fn weights_are_within_their_slack() {
        let differences = [0, 1, 2, 15, 16, 17, 100, 4_095, 1 << 40, i128::MAX.unsigned_abs()];
        for chooser in
            [chooser(1, 0), chooser(3, 7), chooser(1, 40), chooser(1, 200), chooser(9, 0)]
        {
            for difference in differences {
                let weight = chooser.weight(difference);
                let (above, below) = chooser.exponent(difference);
                let exact = exp_minus(&above, &below, 62);
                let (least, most) = (exact.lower + UBig::ONE, exact.upper);
                assert!(UBig::from(weight) <= least, "{difference}");
                assert!(UBig::from(weight + SLACK) >= most, "{difference}");
            }
        }
        assert!(chooser(0, 0).far.is_none());
    }

    #[test]
    fn candidates_are_chosen_by_their_weights() {
        // η = 1/2. Within five standard errors of each probability: false alarm 3e-6.
        let scores = [7, 3, 3, 5, 1_000_000, 4];
        let weights = [-2.0_f64, 0.0, 0.0, -1.0, -500_000.0, -0.5].map(f64::exp);
        let chooser = chooser(1, 1);
        let mut generator = Generator::seeded(94);
        let mut counts = [0_u32; 6];
        let draws = 60_000;
        for _ in 0..draws {
            counts[chooser.choose(&scores, &mut generator).unwrap()] += 1;
        }
        let total: f64 = weights.iter().sum();
        for (count, weight) in counts.into_iter().zip(weights) {
            let (share, draws) = (weight / total, f64::from(draws));
            let error = (share * (1.0 - share) / draws).sqrt();
            assert!((f64::from(count) / draws - share).abs() <= 5.0 * error, "{counts:?}");
        }
    }

    #[test]
    fn scores_may_lie_at_the_ends_of_the_integers() {
        let mut generator = Generator::seeded(95);
        let sharp = chooser(1, 0);
        let scores = [i128::MAX, i128::MIN, 0];
        assert!((0..100).all(|_| sharp.choose(&scores, &mut generator).unwrap() == 1));
        let blunt = chooser(1, 200);
        let chosen = (0..300).filter(|_| blunt.choose(&scores, &mut generator).unwrap() == 0);
        // 100 expected, standard deviation 8: six of them, false alarm 2e-9.
        assert!(chosen.count().abs_diff(100) < 49);
        let nothing = sharp.choose(&[], &mut generator);
        assert!(matches!(nothing, Err(NoiseError::NoCandidates)));
    }
}
