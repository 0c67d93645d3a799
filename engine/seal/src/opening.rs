//! Opening a sum by the shares of its holders, so that anyone can check it.
//!
//! It opens sums only: whether a set may be opened, and only once, is for the holders to say.

#![deny(clippy::float_arithmetic)]

use zeroize::Zeroizing;

use crate::ciphertext::Sum;
use crate::lane::Lane;
use crate::ring::{Context, SIZE};
use crate::secret::SECRET_MAX;
use crate::share::{PRIME, Share, interpolate};

/// The sum of the secrets of a set, by which everyone can read the totals of its ciphertexts.
///
/// # What it proves
/// For given ciphertexts no second opening passes the check, whoever made it, but for a chance of
/// 2^-128 over the masks: see [`Lane::checks`]. It says nothing about the ciphertexts themselves:
/// one that was changed by a multiple of the distance between two plaintexts opens to another
/// total. So compare their digests with those on the ledger, and add them up, before verifying.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opening(Vec<u32>);

/// What a sum opened to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opened {
    /// The total of each counter.
    pub totals: Vec<i128>,
    /// What convinces others of them.
    pub opening: Opening,
    /// Holders whose shares do not belong to it, in order.
    ///
    /// Empty also if different groups of holders, equally large, could be called liars: some gave
    /// wrong shares together, and the totals are right all the same.
    pub liars: Vec<u32>,
}

/// Why a sum does not open.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The sum is of another lane.
    #[error("the sum is of another lane")]
    Lane,
    /// There are none, or other or more contributors than the sum and the lane say.
    #[error("the set is empty, or not the one of the sum, or too large for the lane")]
    Contributors,
    /// Too few shares.
    #[error("{found} shares came, and it takes {wanted}")]
    Shares {
        /// The threshold of the lane.
        wanted: u32,
        /// Shares that came.
        found: usize,
    },
    /// There is no such holder, or there are two shares of it.
    #[error("there are two shares of holder {0}, or there is no such holder")]
    Holder(u32),
    /// No group of holders opens the sum.
    ///
    /// Too many shares are wrong, or a contributor shared another secret than it sealed with, or
    /// the ciphertexts are not those of the shares. Which contributor cannot be told from a sum;
    /// rounds of parts of the set, with fresh secrets, tell.
    #[error("no group of holders opens the sum")]
    Disagree,
    /// The bytes or numbers are not those of an opening of this sum.
    #[error("this is not the opening of the sum")]
    Opening,
    /// A total is outside of what so many contributors can add up to: some sealed other numbers.
    #[error("a total is outside of what the contributors may add up to")]
    Range,
}

/// Opens a sum of this many sites and holders by the shares of a threshold of holders or more.
///
/// Shares beyond the threshold find those that are wrong.
///
/// # Errors
/// [`OpenError`].
pub fn open(
    lane: &Lane,
    context: &Context,
    sum: &Sum,
    sites: u32,
    holders: u32,
    shares: &[Share],
) -> Result<Opened, OpenError> {
    check_set(lane, sum, sites, holders)?;
    let read = |opening: &Opening| opening.verify(lane, context, sum, sites, holders);
    let (opening, totals, liars) = search(lane, shares, read)?;
    Ok(Opened { totals, opening, liars })
}

/// The opening that a group of holders agrees on, what is read by it, and who lied.
///
/// `read` says [`OpenError::Opening`] of an opening that is not that of the sum.
pub(crate) fn search<T>(
    lane: &Lane,
    shares: &[Share],
    read: impl Fn(&Opening) -> Result<T, OpenError>,
) -> Result<(Opening, T, Vec<u32>), OpenError> {
    check_shares(lane, shares)?;
    let points: Vec<(u32, Zeroizing<Vec<u32>>)> =
        shares.iter().map(|share| (share.holder(), share.points())).collect();
    let points: Vec<(u32, &[u32])> = points.iter().map(|(at, all)| (*at, &***all)).collect();

    let mut found: Option<(Opening, T)> = None;
    let mut accused: Vec<Vec<u32>> = Vec::new();
    for (group, others) in groups(&points, lane.threshold()) {
        let opening = Opening(interpolate(&group, 0));
        if found.as_ref().is_none_or(|(known, _)| *known != opening) {
            match read(&opening) {
                Ok(totals) => found = Some((opening, totals)),
                Err(OpenError::Opening) => continue,
                Err(error) => return Err(error),
            }
        }
        let is_off = |(at, points): &&(u32, &[u32])| interpolate(&group, *at) != **points;
        let liars: Vec<u32> = others.iter().filter(is_off).map(|(at, _)| *at).collect();
        let is_clean = liars.is_empty();
        accused.push(liars);
        if is_clean {
            break;
        }
    }
    let (opening, totals) = found.ok_or(OpenError::Disagree)?;
    Ok((opening, totals, liars(accused)))
}

impl Opening {
    #[cfg(feature = "proofs")]
    pub(crate) fn coefficients(&self) -> &[u32] {
        &self.0
    }

    /// Its bytes, 8 KiB: not secret, to be published with the totals.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|coefficient| coefficient.to_le_bytes()).collect()
    }

    /// Reads what [`Opening::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`OpenError::Opening`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OpenError> {
        let (words, rest) = bytes.as_chunks();
        let opening = Self(words.iter().map(|word| u32::from_le_bytes(*word)).collect());
        let is_canonical = opening.0.iter().all(|coefficient| *coefficient < PRIME);
        let is_whole = words.len() == SIZE && rest.is_empty();
        if is_whole && is_canonical { Ok(opening) } else { Err(OpenError::Opening) }
    }

    /// The totals of a sum of this many sites and holders, if this is its opening.
    ///
    /// Needs nothing secret. See [`Opening`] for what it does not check.
    ///
    /// # Errors
    /// [`OpenError`]; [`OpenError::Opening`] if it is none of this sum.
    pub fn verify(
        &self,
        lane: &Lane,
        context: &Context,
        sum: &Sum,
        sites: u32,
        holders: u32,
    ) -> Result<Vec<i128>, OpenError> {
        check_set(lane, sum, sites, holders)?;
        // No overflow: a lane has at most 2048 contributors.
        let largest = (sites + holders) * SECRET_MAX;
        if self.0.iter().any(|coefficient| *coefficient > largest) {
            return Err(OpenError::Opening);
        }
        let phases = sum.without(context, &self.0);
        let mut residues = Vec::with_capacity(2);
        for section in lane.sections() {
            let residual_max = section.residual_max(sites, holders);
            let read = |phase: &u64| {
                let residue = section.decode(*phase);
                let residual = phase.wrapping_sub(section.encode(i128::from(residue)));
                let is_near = u128::from(residual.cast_signed().unsigned_abs()) <= residual_max;
                is_near.then_some(residue)
            };
            let read: Option<Vec<u64>> = phases[section.range()].iter().map(read).collect();
            residues.push(read.ok_or(OpenError::Opening)?);
        }
        // The last section is the zeros.
        residues.pop();
        let total = |index: usize| {
            let second = residues.get(1).map(|residues| residues[index]);
            let total = lane.total(residues[0][index], second);
            lane.admits(total, sites + holders).then_some(total)
        };
        (0..lane.counters()).map(total).collect::<Option<_>>().ok_or(OpenError::Range)
    }
}

fn check_set(lane: &Lane, sum: &Sum, sites: u32, holders: u32) -> Result<(), OpenError> {
    if sum.lane() != lane {
        return Err(OpenError::Lane);
    }
    let is_within = sites <= lane.sites() && holders <= lane.holders();
    let contributors = sum.contributors();
    if contributors == 0 || !is_within || sites + holders != contributors {
        return Err(OpenError::Contributors);
    }
    Ok(())
}

fn check_shares(lane: &Lane, shares: &[Share]) -> Result<(), OpenError> {
    for (index, share) in shares.iter().enumerate() {
        let holder = share.holder();
        let is_twice = shares[..index].iter().any(|other| other.holder() == holder);
        if is_twice || !(1..=lane.holders()).contains(&holder) {
            return Err(OpenError::Holder(holder));
        }
    }
    let wanted = lane.threshold();
    let found = shares.len();
    if usize::try_from(wanted).is_ok_and(|wanted| wanted <= found) {
        Ok(())
    } else {
        Err(OpenError::Shares { wanted, found })
    }
}

/// All groups of so many, each with those left over.
fn groups<T: Copy>(all: &[T], size: u32) -> impl Iterator<Item = (Vec<T>, Vec<T>)> {
    // At most sixteen holders.
    let chosen = (0u32..1 << all.len()).filter(move |bits| bits.count_ones() == size);
    chosen.map(|bits| {
        let is_in = |index: usize| bits >> index & 1 == 1;
        let part = |wanted: bool| {
            let of = all.iter().enumerate().filter(move |(index, _)| is_in(*index) == wanted);
            of.map(|(_, item)| *item).collect()
        };
        (part(true), part(false))
    })
}

/// The fewest that explain all shares, if only one choice of them is that small.
fn liars(accused: Vec<Vec<u32>>) -> Vec<u32> {
    let fewest = accused.iter().map(Vec::len).min().unwrap_or(0);
    let mut smallest = accused.into_iter().filter(|liars| liars.len() == fewest);
    let first = smallest.next().unwrap_or_default();
    if smallest.all(|other| other == first) { first } else { Vec::new() }
}

#[cfg(test)]
mod tests;
