//! Shares of one-time secrets: any threshold of holders knows the sum, fewer know nothing.
//!
//! A secret is the value at zero of random polynomials of degree `threshold - 1`, one for each
//! coefficient; the share of holder `h` is their value at `h`. Sums of shares are shares of the
//! sum. The first `threshold - 1` shares may be anything, so they are 32-byte seeds until added.
//! It does not know whether anyone shared what it used: opening a sum tells.
//!
//! # Source
//! A. Shamir, "How to share a secret", CACM 22 (1979), modulo 2^31 - 1.

#![deny(clippy::float_arithmetic)]

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::lane::Lane;
use crate::ring::SIZE;
use crate::secret::{Purpose, Seed};

/// The share of one holder in one contribution, or in the sum of several.
///
/// # Privacy
/// Fewer than a threshold of them tell nothing of the secret: their points look uniform whatever it
/// is. A share is erased when dropped, and its `Debug` prints whose it is only.
#[derive(Clone)]
pub struct Share {
    holder: u32,
    points: Points,
}

#[derive(Clone)]
enum Points {
    Seed([u8; 32]),
    All(Vec<u32>),
}

/// Why bytes are no share, or shares do not add up.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// The length is that of no share, or a point is not in the field.
    #[error("these bytes are not a share")]
    Malformed,
    /// A sum has at least one term.
    #[error("there is no share to add")]
    Empty,
    /// Shares of different holders do not add up to a share.
    #[error("these are shares of different holders")]
    Mixed,
}

impl Share {
    /// Whose it is, from 1 up.
    pub const fn holder(&self) -> u32 {
        self.holder
    }

    /// What a holder releases for a set of contributions: its share of the sum of their secrets.
    ///
    /// The result never holds a seed, which would tell of a single share.
    ///
    /// # Privacy
    /// Two sums over different sets differ by the shares of the difference. A holder releases one
    /// sum per round, of the set that the ledger names, and then erases its shares.
    ///
    /// # Errors
    /// [`ShareError::Empty`], or [`ShareError::Mixed`] holders.
    pub fn sum(shares: &[Self]) -> Result<Self, ShareError> {
        let holder = shares.first().ok_or(ShareError::Empty)?.holder;
        if shares.iter().any(|share| share.holder != holder) {
            return Err(ShareError::Mixed);
        }
        let mut sum = vec![0; SIZE];
        for share in shares {
            for (total, point) in sum.iter_mut().zip(share.points().iter()) {
                *total = reduce(u64::from(*total) + u64::from(*point));
            }
        }
        Ok(Self { holder, points: Points::All(sum) })
    }

    /// Its bytes: the holder, then a seed or all points; erased when dropped.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(4 + 4 * SIZE));
        bytes.extend(self.holder.to_le_bytes());
        match &self.points {
            Points::Seed(seed) => bytes.extend(seed),
            Points::All(points) => bytes.extend(points.iter().flat_map(|p| p.to_le_bytes())),
        }
        bytes
    }

    /// Reads what [`Share::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`ShareError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ShareError> {
        let (holder, rest) = bytes.split_first_chunk().ok_or(ShareError::Malformed)?;
        let holder = u32::from_le_bytes(*holder);
        if holder == 0 {
            return Err(ShareError::Malformed);
        }
        if let Ok(seed) = rest.try_into() {
            return Ok(Self { holder, points: Points::Seed(seed) });
        }
        let (words, left) = rest.as_chunks();
        let points = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let share = Self { holder, points: Points::All(points) };
        let is_whole = words.len() == SIZE && left.is_empty();
        let is_canonical = || share.points().iter().all(|point| *point < PRIME);
        if is_whole && is_canonical() { Ok(share) } else { Err(ShareError::Malformed) }
    }

    /// Its points, whether it holds them or their seed.
    pub(crate) fn points(&self) -> Zeroizing<Vec<u32>> {
        match &self.points {
            Points::All(points) => Zeroizing::new(points.clone()),
            Points::Seed(seed) => {
                let mut points = Zeroizing::new(vec![0; SIZE]);
                Seed::known(seed).stream(Purpose::Points).points(&mut points);
                points
            }
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        match &mut self.points {
            Points::Seed(seed) => seed.zeroize(),
            Points::All(points) => points.zeroize(),
        }
    }
}

impl ZeroizeOnDrop for Share {}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("holder", &self.holder).finish_non_exhaustive()
    }
}

/// Shares a secret among the holders of a lane.
pub(crate) fn share(lane: &Lane, secret: &[u32], seed: &Seed) -> Vec<Share> {
    let mut shares = Vec::new();
    // Where the polynomials are fixed: the secret at zero, and the seeds' points.
    let mut fixed = vec![(0, Zeroizing::new(secret.to_vec()))];
    for holder in 1..lane.threshold() {
        let seed = seed.stream(Purpose::ShareOf(holder)).bytes();
        let share = Share { holder, points: Points::Seed(*seed) };
        fixed.push((holder, share.points()));
        shares.push(share);
    }
    let fixed: Vec<(u32, &[u32])> = fixed.iter().map(|(at, points)| (*at, &***points)).collect();
    for holder in lane.threshold()..=lane.holders() {
        shares.push(Share { holder, points: Points::All(interpolate(&fixed, holder)) });
    }
    shares
}

/// The values, at a place, of the polynomials of least degree through these points.
pub(crate) fn interpolate(fixed: &[(u32, &[u32])], place: u32) -> Vec<u32> {
    let places: Vec<u32> = fixed.iter().map(|(at, _)| *at).collect();
    let mut values = vec![0; SIZE];
    for (index, (_, points)) in fixed.iter().enumerate() {
        let weight = u64::from(weight(&places, index, place));
        for (value, point) in values.iter_mut().zip(*points) {
            *value = reduce(u64::from(*value) + weight * u64::from(*point));
        }
    }
    values
}

/// Lagrange's weight of one place in the value at another; the places differ.
fn weight(places: &[u32], index: usize, place: u32) -> u32 {
    let own = places[index];
    let minus = |a: u32, b: u32| u64::from(reduce(u64::from(a) + u64::from(PRIME - b)));
    let mut over = 1;
    let mut under = 1;
    for other in places.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, other)| *other) {
        over = reduce(u64::from(over) * minus(place, other));
        under = reduce(u64::from(under) * minus(own, other));
    }
    reduce(u64::from(over) * u64::from(inverse(under)))
}

/// Fermat: the power `PRIME - 2`, bit by bit. It is public: places only.
fn inverse(number: u32) -> u32 {
    let mut power = number;
    let mut result = 1;
    let mut exponent = PRIME - 2;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = reduce(u64::from(result) * u64::from(power));
        }
        power = reduce(u64::from(power) * u64::from(power));
        exponent >>= 1;
    }
    result
}

/// A number below 2^63 modulo 2^31 - 1, without a branch: 2^31 is one.
fn reduce(number: u64) -> u32 {
    let prime = u64::from(PRIME);
    let folded = (number & prime) + (number >> 31);
    let folded = (folded & prime) + (folded >> 31);
    // At most 2^31 now; one more fold of its successor tells whether it is the prime or above.
    let carry = (folded + 1) >> 31;
    u32::try_from((folded + carry) & prime).unwrap_or(PRIME)
}

/// The Mersenne prime 2^31 - 1: more than a sum of 2048 secrets.
pub(crate) const PRIME: u32 = (1 << 31) - 1;

#[cfg(test)]
mod tests;
