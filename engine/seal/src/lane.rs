//! What the ciphertexts of one round look like, and why their sum is always read right.
//!
//! A ciphertext is a row of coefficients in sections:
//!
//! ```text
//! │ counters mod t₁ │ counters mod t₂ (wide lanes) │ zeros, by which an opening is checked │
//! ```
//! It holds no value and draws nothing.

#![deny(clippy::float_arithmetic)]

use serde::{Deserialize, Serialize};

use crate::secret::{Role, SECRET_MAX};

/// The public shape of a round: who contributes how much, and how it is laid out.
///
/// `sites` and `holders` are the most that may contribute, one ciphertext each; a set may be
/// smaller. A contribution `v` has `-2^bits <= v < 2^bits`, so that a total is within
/// `±(sites + holders) · 2^bits`.
///
/// # Rounding never decides
/// The error of a sum is bounded by what each contributor may add: its drawn error, half of what
/// its bodies drop, and one for the encoding. A lane exists only if that bound, in the worst case
/// and not on average, is below half the distance between two plaintexts.
///
/// # Privacy
/// A total too wide for one modulus is kept modulo two neighbours `t` and `t + 1`, from which it
/// follows by the Chinese remainder theorem; both are functions of the total. It is never cut into
/// limbs with carries: the sum of the low limbs would tell more than the total, and the noise that
/// the contributors spread over the total would not cover it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "Shape", into = "Shape")]
pub struct Lane {
    shape: Shape,
    modulus: u64,
    residues: usize,
    dropped: u32,
    checks: usize,
}

/// Why there is no such lane.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LaneError {
    /// A round needs a site, and no more contributors than their secrets can be added up for.
    #[error("a round has at least one site and at most {CONTRIBUTORS_MAX} contributors")]
    Contributors,
    /// There are too few or too many holders.
    #[error("a round has from 2 to {HOLDERS_MAX} holders of shares")]
    Holders,
    /// Two groups of holders could open two sets, each without the other's knowledge.
    #[error("more than half of the holders must be needed to open, and at most all")]
    Threshold,
    /// There is nothing to count, or too much for one round.
    #[error("a contribution has from 1 to {COUNTERS_MAX} counters")]
    Counters,
    /// The width of a value is not supported.
    #[error("values have from 1 to {BITS_MAX} bits besides their sign")]
    Bits,
    /// The errors of so many contributors could change totals of that width.
    #[error("the errors of so many contributors could change a total of that width")]
    Crowded,
}

impl Lane {
    /// Lays out a round.
    ///
    /// # Errors
    /// Any of [`LaneError`], by the parameter that is out of range.
    pub fn new(
        sites: u32,
        holders: u32,
        threshold: u32,
        counters: usize,
        bits: u32,
    ) -> Result<Self, LaneError> {
        let shape = Shape { sites, holders, threshold, counters, bits };
        shape.check()?;
        let range = 2 * shape.total_bound(shape.contributors());
        // Two neighbouring integers are coprime; these are the least whose product is enough.
        let root = range.isqrt();
        let root = root + u128::from(root * (root + 1) < range);
        let one = fit(shape, range, 1);
        let two = fit(shape, root, 2);
        let is_cheaper = |&one: &Lane| two.is_none_or(|two| one.body_bits() <= two.body_bits());
        let lane = one.filter(is_cheaper).or(two).ok_or(LaneError::Crowded)?;
        Ok(Self { checks: checks(shape), ..lane })
    }

    /// The most sites that may contribute.
    pub const fn sites(&self) -> u32 {
        self.shape.sites
    }

    /// The holders of shares, each of whom may contribute too.
    pub const fn holders(&self) -> u32 {
        self.shape.holders
    }

    /// How many holders open a sum.
    pub const fn threshold(&self) -> u32 {
        self.shape.threshold
    }

    /// The values of one contribution.
    pub const fn counters(&self) -> usize {
        self.shape.counters
    }

    /// The bits of a value besides its sign.
    pub const fn bits(&self) -> u32 {
        self.shape.bits
    }

    /// The bits that one counter takes in a ciphertext, over all of its residues.
    pub fn body_bits(&self) -> u32 {
        self.sections().filter(|section| section.modulus > 1).map(Section::kept).sum()
    }

    /// The length of a ciphertext in bytes.
    pub fn ciphertext_bytes(&self) -> usize {
        self.sections().map(Section::bytes).sum()
    }

    /// The zeros by which an opening is checked.
    pub const fn checks(&self) -> usize {
        self.checks
    }

    /// The sections in their order: the residues of the counters, then the zeros.
    pub(crate) fn sections(&self) -> impl Iterator<Item = Section> + use<> {
        let Self { shape, modulus, residues, dropped, checks } = *self;
        let residue = move |(index, modulus)| {
            Section::new(index * shape.counters, shape.counters, modulus, dropped)
        };
        // The lesser modulus last: see `total`.
        let moduli = if residues == 1 { [modulus, 0] } else { [modulus + 1, modulus] };
        let zeros = Section::new(residues * shape.counters, checks, 1, CHECK_DROPPED);
        moduli.into_iter().take(residues).enumerate().map(residue).chain([zeros])
    }

    /// All coefficients of a ciphertext.
    pub(crate) const fn coefficients(&self) -> usize {
        self.residues * self.shape.counters + self.checks
    }

    /// The total whose residues are these, in the order of the sections; the nearest to zero.
    ///
    /// As t₁ = t₂ + 1 is one modulo t₂, the total is r₁ + t₁·((r₂ - r₁) mod t₂).
    pub(crate) fn total(&self, first: u64, second: Option<u64>) -> i128 {
        let modulus = i128::from(self.modulus);
        let (total, period) = match second {
            None => (i128::from(first), modulus),
            Some(second) => {
                // The first residue is the second modulus at most.
                let wrapped = if second < first { self.modulus } else { 0 };
                let turns = i128::from(second + wrapped - first);
                (i128::from(first) + (modulus + 1) * turns, modulus * (modulus + 1))
            }
        };
        if 2 * total < period { total } else { total - period }
    }

    /// Whether so many contributors can have such a total.
    pub(crate) fn admits(&self, total: i128, contributors: u32) -> bool {
        let bound = self.shape.total_bound(contributors).cast_signed();
        (-bound..bound).contains(&total)
    }

    /// A name for this shape that goes into the masks.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Shape { sites, holders, threshold, counters, bits } = self.shape;
        let words = [sites, holders, threshold, bits].map(u64::from);
        let words = words.into_iter().chain([wide(counters)]);
        words.flat_map(u64::to_le_bytes).collect()
    }
}

/// A run of coefficients with one modulus. Plaintexts are multiples of `2^64 / modulus`; a section
/// of modulus 1 holds zeros.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) start: usize,
    pub(crate) count: usize,
    pub(crate) modulus: u64,
    /// The low bits that bodies do without.
    pub(crate) dropped: u32,
    /// `2^127 / modulus`, rounded down.
    scale: u128,
}

impl Section {
    fn new(start: usize, count: usize, modulus: u64, dropped: u32) -> Self {
        Self { start, count, modulus, dropped, scale: (1 << 127) / u128::from(modulus) }
    }

    /// The bits that bodies keep.
    pub(crate) const fn kept(self) -> u32 {
        64 - self.dropped
    }

    /// The bytes that it takes, packed.
    pub(crate) fn bytes(self) -> usize {
        // A body keeps 56 bits at most and there are less than 2^26 of them: no overflow.
        self.count.saturating_mul(usize::try_from(self.kept()).unwrap_or(usize::MAX)).div_ceil(8)
    }

    /// Its place in a ciphertext.
    pub(crate) const fn range(self) -> std::ops::Range<usize> {
        self.start..self.start + self.count
    }

    /// `value · 2^64 / modulus` modulo 2^64, at most 1 off, for `|value| <= 2^62`. It neither
    /// branches nor divides, because the value is secret.
    pub(crate) fn encode(self, value: i128) -> u64 {
        let product = value.cast_unsigned().wrapping_mul(self.scale);
        low_word(product.wrapping_add(1 << 62) >> 63)
    }

    /// The residue whose encoding is nearest.
    pub(crate) fn decode(self, phase: u64) -> u64 {
        let nearest = (u128::from(phase) * u128::from(self.modulus) + (1 << 63)) >> 64;
        let nearest = low_word(nearest);
        // At the end of the circle it begins again.
        if nearest == self.modulus { 0 } else { nearest }
    }

    /// The largest distance between a sum of these contributors and its encoding.
    pub(crate) fn residual_max(self, sites: u32, holders: u32) -> u128 {
        residual_max(sites, holders, self.dropped)
    }
}

/// What goes over the wire and into a file; the rest of a lane follows from it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    sites: u32,
    holders: u32,
    threshold: u32,
    counters: usize,
    bits: u32,
}

impl Shape {
    fn check(self) -> Result<(), LaneError> {
        let Self { sites, holders, threshold, counters, bits } = self;
        if sites == 0 || sites.saturating_add(holders) > CONTRIBUTORS_MAX {
            return Err(LaneError::Contributors);
        }
        if !(2..=HOLDERS_MAX).contains(&holders) {
            return Err(LaneError::Holders);
        }
        if threshold > holders || 2 * threshold <= holders {
            return Err(LaneError::Threshold);
        }
        if !(1..=COUNTERS_MAX).contains(&counters) {
            return Err(LaneError::Counters);
        }
        if !(1..=BITS_MAX).contains(&bits) {
            return Err(LaneError::Bits);
        }
        Ok(())
    }

    const fn contributors(self) -> u32 {
        self.sites + self.holders
    }

    fn total_bound(self, contributors: u32) -> u128 {
        u128::from(contributors) << self.bits
    }
}

impl From<Lane> for Shape {
    fn from(lane: Lane) -> Self {
        lane.shape
    }
}

impl TryFrom<Shape> for Lane {
    type Error = LaneError;

    fn try_from(shape: Shape) -> Result<Self, LaneError> {
        let Shape { sites, holders, threshold, counters, bits } = shape;
        Self::new(sites, holders, threshold, counters, bits)
    }
}

/// A lane with this modulus, and as few bits as its worst case allows; `None` if none is enough.
fn fit(shape: Shape, modulus: u128, residues: usize) -> Option<Lane> {
    let largest = modulus + u128::from(residues == 2);
    let is_exact = |dropped: &u32| {
        // Residual below half of 2^64 / modulus.
        let residual = residual_max(shape.sites, shape.holders, *dropped);
        residual.checked_mul(2 * largest).is_some_and(|product| product < 1 << 64)
    };
    let dropped = (DROPPED_MIN..=DROPPED_MAX).rev().find(is_exact)?;
    Some(Lane { shape, modulus: u64::try_from(modulus).ok()?, residues, dropped, checks: 0 })
}

/// Drawn errors, half of the dropped bits and one for the encoding, of every contributor; and one
/// for the encoding of the sum.
fn residual_max(sites: u32, holders: u32, dropped: u32) -> u128 {
    let drawn = |count: u32, role: Role| u128::from(count) << role.error_bits();
    let rounding = (1u128 << (dropped - 1)) + 1;
    drawn(sites, Role::Site)
        + drawn(holders, Role::Holder)
        + u128::from(sites + holders) * rounding
        + 1
}

/// How many zeros leave no second opening.
///
/// Let two different sums of secrets be accepted for one sum of ciphertexts. Their difference D is
/// within ±B, where B is the largest sum of secrets, and the coefficients of mask · D at the zeros
/// are within ±2R. Let 2^k be the largest power that divides D. Modulo X^2048 + 1 the two is
/// totally ramified, so D divides 2^(k+1) in the 2-adic ring, and a uniform mask times D is uniform
/// over cosets of 2^(k+1): each zero is hit with probability (4R + 1 + 2^(k+1)) / 2^64 at most,
/// independently. There are (2⌊B/2^k⌋ + 1)^2048 such D at most. The number of zeros makes the sum
/// of the products over all k less than 2^-128; it holds for the masks, whatever the ciphertexts.
fn checks(shape: Shape) -> usize {
    let largest = u128::from(shape.contributors()) * u128::from(SECRET_MAX);
    let residual = residual_max(shape.sites, shape.holders, CHECK_DROPPED);
    let halvings = 0..=largest.ilog2();
    let needed = halvings.map(|k| {
        let candidates = u128::from(RING_SIZE) * log2_in_halves(2 * (largest >> k) + 1);
        // There are less than 2^5 terms.
        let wanted = candidates + 2 * (128 + 5);
        let gained = 128 - log2_in_halves(4 * residual + 1 + (2 << k));
        wanted.div_ceil(gained)
    });
    // At most 2048 contributors: less than four thousand.
    needed.max().and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX)
}

/// Twice the binary logarithm, rounded up, of a number from 2 to 2^63.
fn log2_in_halves(number: u128) -> u128 {
    u128::from(128 - (number * number - 1).leading_zeros())
}

/// A count as eight bytes hold it on every machine.
pub(crate) fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The lowest 64 bits.
pub(crate) fn low_word(number: u128) -> u64 {
    u64::try_from(number & u128::from(u64::MAX)).unwrap_or(u64::MAX)
}

/// Secrets are below 2^20 and are shared modulo 2^31 - 1, so 2048 of them never wrap.
const CONTRIBUTORS_MAX: u32 = 2048;

/// A search among all groups of holders stays small.
const HOLDERS_MAX: u32 = 16;

/// One hundred megabytes of ciphertext per site.
const COUNTERS_MAX: usize = 1 << 24;

/// [`Section::encode`] is exact to one up to here.
const BITS_MAX: u32 = 62;

/// So that a body keeps 56 bits at most.
const DROPPED_MIN: u32 = 8;

/// A body keeps two bits at least.
const DROPPED_MAX: u32 = 62;

/// What zeros do without: about as much error as is drawn. More would need more zeros.
const CHECK_DROPPED: u32 = 16;

/// Coefficients of a secret.
const RING_SIZE: u16 = 2048;

#[cfg(test)]
mod tests;
