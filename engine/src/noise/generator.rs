//! The random words behind the noise: one ChaCha20 stream per thread.
//!
//! Streams are seeded by the operating system, and nowhere else: there is no way to choose a seed
//! outside the tests of this module's parent.
//!
//! # Source
//! RFC 8439, section 2.3, for the block function; its key is the seed.
#![deny(clippy::float_arithmetic)]

use std::cell::RefCell;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use super::NoiseError;

/// A stream of random words.
pub(super) struct Generator {
    stream: ChaCha20Rng,
    process: u32,
    words: u64,
}

impl Generator {
    /// The next word: 64 independent fair bits.
    #[inline]
    pub(super) fn word(&mut self) -> u64 {
        self.words = self.words.wrapping_add(1);
        self.stream.next_u64()
    }

    /// A uniform number below `bound`, which is not zero. Exact: it rejects and draws again, at
    /// most once on average.
    #[inline]
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // One bit more than needed if `bound` is 1; a shift by 64 is not one.
        let shift = (bound - 1).leading_zeros().min(63);
        loop {
            let candidate = self.word() >> shift;
            if candidate < bound {
                return candidate;
            }
        }
    }

    /// A uniform number below `bound`, which is not zero; likewise.
    #[inline]
    pub(super) fn below_wide(&mut self, bound: u128) -> u128 {
        if let Ok(narrow) = u64::try_from(bound) {
            return u128::from(self.below(narrow));
        }
        let shift = (bound - 1).leading_zeros();
        loop {
            let candidate = ((u128::from(self.word()) << 64) | u128::from(self.word())) >> shift;
            if candidate < bound {
                return candidate;
            }
        }
    }

    fn from_system() -> Result<Self, NoiseError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(NoiseError::Entropy)?;
        let stream = ChaCha20Rng::from_seed(seed);
        Ok(Self { stream, process: std::process::id(), words: 0 })
    }

    /// Whether the stream may go on. In a forked process it is a copy of the parent's.
    fn is_fresh(&self) -> bool {
        self.words < WORDS_MAX && self.process == std::process::id()
    }

    /// A stream that is the same in every run.
    #[cfg(test)]
    pub(super) fn seeded(seed: u8) -> Self {
        let stream = ChaCha20Rng::from_seed([seed; 32]);
        Self { stream, process: std::process::id(), words: 0 }
    }
}

/// Lends this thread's stream to `task`, seeding it first if it is missing, worn or forked.
///
/// A fork copies only the thread that forks, and that thread is not within `task`: so one look
/// per task is enough. `task` must not call this again.
pub(super) fn with<T>(task: impl FnOnce(&mut Generator) -> T) -> Result<T, NoiseError> {
    STREAM.with_borrow_mut(|slot| {
        let kept = slot.take().filter(Generator::is_fresh);
        let generator = match kept {
            Some(generator) => slot.insert(generator),
            None => slot.insert(Generator::from_system()?),
        };
        Ok(task(generator))
    })
}

/// Lends the stream to `task` as [`with`] left it, without another look; `None` if it never was
/// looked after. Within one chunk of work only: asking for the process costs more than a draw.
pub(super) fn resume<T>(task: impl FnOnce(&mut Generator) -> T) -> Option<T> {
    STREAM.with_borrow_mut(|slot| slot.as_mut().map(task))
}

/// Words that this thread has drawn since it was seeded.
#[cfg(test)]
pub(super) fn words_drawn() -> u64 {
    STREAM.with_borrow(|slot| slot.as_ref().map_or(0, |generator| generator.words))
}

/// Puts `generator` in place of this thread's stream.
#[cfg(test)]
pub(super) fn install(generator: Generator) {
    STREAM.set(Some(generator));
}

thread_local! {
    static STREAM: RefCell<Option<Generator>> = const { RefCell::new(None) };
}

/// Words between two seeds: 8 MiB, so that a stolen state tells of little that was released.
const WORDS_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_chacha20() {
        // RFC 8439, appendix A.1, test vector 1: zero key, zero nonce, block 0.
        let mut generator = Generator::seeded(0);
        assert_eq!(generator.word().swap_bytes(), 0x76b8_e0ad_a0f1_3d90);
        assert_eq!(generator.word().swap_bytes(), 0x405d_6ae5_5386_bd28);
    }

    #[test]
    fn bounded_numbers_are_uniform() {
        // Pearson's statistic per bound, below its 1 - 1e-6 quantile: false alarm 5e-6 in all.
        let mut generator = Generator::seeded(3);
        for (bound, limit) in [(2_u64, 24.0), (3, 27.7), (7, 38.3), (10, 45.1), (16, 56.5)] {
            let mut counts = vec![0_u32; usize::try_from(bound).unwrap()];
            for _ in 0..40_000 {
                counts[usize::try_from(generator.below(bound)).unwrap()] += 1;
            }
            let expected = 40_000.0 / bound as f64;
            let squares = counts.iter().map(|&n| (f64::from(n) - expected).powi(2));
            assert!(squares.sum::<f64>() / expected < limit, "bound {bound}");
        }
        assert_eq!(generator.below(1), 0);
        assert!((0..1_000).all(|_| generator.below(u64::MAX) < u64::MAX));
        let bound = 3 << 100;
        let top = (0..9_000).filter(|_| generator.below_wide(bound) >= 2 << 100).count();
        // 3000 expected, standard deviation 45: six of them, false alarm 2e-9.
        assert!(top.abs_diff(3_000) < 270);
        assert!((0..1_000).all(|_| generator.below_wide(u128::MAX) < u128::MAX));
    }

    #[test]
    fn a_worn_or_forked_stream_is_seeded_anew() {
        let first = Generator::seeded(0).word();
        let mut worn = Generator::seeded(0);
        worn.words = WORDS_MAX;
        install(worn);
        assert_ne!(with(Generator::word).unwrap(), first);
        let mut forked = Generator::seeded(0);
        forked.process = forked.process.wrapping_add(1);
        install(forked);
        assert_ne!(with(Generator::word).unwrap(), first);
        install(Generator::seeded(0));
        assert_eq!(with(Generator::word).unwrap(), first);
    }

    #[test]
    fn threads_have_streams_of_their_own() {
        let draw = || with(|generator| (generator.word(), generator.word())).unwrap();
        let there = std::thread::spawn(draw).join().unwrap();
        assert_ne!(draw(), there);
    }
}
