//! What a contributor draws: a seed from the operating system, and all else from it, once.
//!
//! Nothing here is returned to a caller of the crate, so no secret can be used a second time. It
//! neither branches on what it draws, nor looks anything up by it, but for the rejection of numbers
//! outside of the field, which tells nothing of those that are kept.

#![deny(clippy::float_arithmetic)]

use blake3::{Hasher, OutputReader};
use zeroize::{Zeroize, Zeroizing};

use crate::ring::SIZE;
use crate::share::PRIME;

/// Who contributes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// A site with records.
    Site,
    /// A holder of shares, who adds noise and no records. Its errors are eight times as large, so
    /// that with one honest holder the sum of errors tells little of a site's.
    Holder,
}

impl Role {
    /// Errors are within ±2^bits.
    ///
    /// # Source
    /// 17: tfhe 1.8, `PARAM_PKE_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128`.
    pub(crate) const fn error_bits(self) -> u32 {
        match self {
            Self::Site => 17,
            Self::Holder => 20,
        }
    }
}

/// The largest coefficient of a secret.
///
/// Secrets of zeros and ones would not do: where the sum of `h` of them is zero or `h`, all of them
/// are known. Sums of wide ones pin no coefficient down.
pub(crate) const SECRET_MAX: u32 = (1 << 20) - 1;

/// What a contributor derives everything from. Gone from memory when dropped.
pub(crate) struct Seed(Zeroizing<[u8; 32]>);

impl Seed {
    /// A fresh one of the operating system.
    pub(crate) fn fresh() -> Result<Self, getrandom::Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed)?;
        Ok(Self(seed))
    }

    /// A seed that is known; not for contributions.
    pub(crate) fn known(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// An endless stream for one purpose; those of different purposes are independent.
    pub(crate) fn stream(&self, purpose: Purpose) -> Stream {
        let mut hasher = Zeroizing::new(Hasher::new_keyed(&self.0));
        hasher.update(&purpose.label());
        Stream(Zeroizing::new(hasher.finalize_xof()))
    }

    /// A one-time secret: 2048 coefficients, uniform up to [`SECRET_MAX`].
    pub(crate) fn secret(&self) -> Zeroizing<Vec<u32>> {
        let mut secret = Zeroizing::new(vec![0; SIZE]);
        let mut stream = self.stream(Purpose::Secret);
        stream.fill(&mut secret, |word| word & SECRET_MAX);
        secret
    }
}

/// What a stream is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// The coefficients of a secret.
    Secret,
    /// The errors of a ciphertext.
    Errors,
    /// The seed of a holder's share.
    ShareOf(u32),
    /// The points of a share that is given by its seed.
    Points,
}

impl Purpose {
    fn label(self) -> [u8; 5] {
        let (kind, holder) = match self {
            Self::Secret => (0, 0),
            Self::Errors => (1, 0),
            Self::ShareOf(holder) => (2, holder),
            Self::Points => (3, 0),
        };
        let [a, b, c, d] = holder.to_le_bytes();
        [kind, a, b, c, d]
    }
}

/// An endless stream of secret bytes.
pub(crate) struct Stream(Zeroizing<OutputReader>);

impl Stream {
    /// The next bytes, as they come.
    pub(crate) fn bytes(&mut self) -> Zeroizing<[u8; 32]> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.0.fill(&mut *bytes);
        bytes
    }

    /// Errors of the law `TUniform(bits)`: all of ±2^bits equally likely, but its two ends half as
    /// likely as the others.
    pub(crate) fn errors(&mut self, bits: u32, errors: &mut [i64]) {
        self.fill(errors, |word| {
            let drawn = i64::from(word & ((1 << (bits + 2)) - 1));
            (drawn >> 1) + (drawn & 1) - (1 << bits)
        });
    }

    /// Numbers that are uniform below [`PRIME`].
    pub(crate) fn points(&mut self, points: &mut [u32]) {
        // A word of 31 bits is the prime itself once in 2^31 times.
        self.fill(points, |word| word & PRIME);
        for point in points {
            while *point == PRIME {
                self.fill(std::slice::from_mut(point), |word| word & PRIME);
            }
        }
    }

    /// One function of the next word for each place.
    fn fill<T>(&mut self, places: &mut [T], value: impl Fn(u32) -> T) {
        let mut bytes = [0; 4 * 1024];
        for places in places.chunks_mut(1024) {
            let bytes = &mut bytes[..4 * places.len()];
            self.0.fill(bytes);
            let (words, _) = bytes.as_chunks();
            for (place, word) in places.iter_mut().zip(words) {
                *place = value(u32::from_le_bytes(*word));
            }
        }
        bytes.zeroize();
    }
}

#[cfg(test)]
mod tests;
