//! How a contributor seals its values.
//!
//! The secret is drawn, used for one ciphertext, shared and erased within one call.

#![deny(clippy::float_arithmetic)]

use crate::ciphertext::{Ciphertext, encrypt};
use crate::lane::Lane;
use crate::ring::Context;
use crate::secret::{Purpose, Role, Seed};
use crate::share::{Share, share};

/// Why nothing was sealed. No secret was drawn then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// One value per counter of the lane is wanted.
    #[error("there are {found} values for {wanted} counters")]
    Count {
        /// Counters of the lane.
        wanted: usize,
        /// Values that came.
        found: usize,
    },
    /// A value has more bits than the lane says.
    #[error("the value at {index} is outside of the range of the lane")]
    Range {
        /// Its place among the values.
        index: usize,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random(#[source] getrandom::Error),
}

/// Seals one contribution: a ciphertext for everyone and a share for each holder, first to last.
///
/// # Errors
/// [`SealError`]; values are looked at before anything is drawn.
///
/// # Privacy
/// The ciphertext tells nothing of the values without a threshold of the shares (ring learning with
/// errors, and a secret that is used once). What opening a sum tells beyond the totals is the sum
/// of the secrets, and by it that of the errors. That the values stay hidden then is Hint-LWE for
/// uniform errors, an assumption: the reductions in print are for Gaussian ones. Holders contribute
/// too, with larger errors, so that those of a site are covered. The sum of a single contribution
/// hides nothing. A total must be fit to be told: noise for differential privacy is in the values.
///
/// # Source
/// One-time keys of which the sum is opened: Bell et al., ACORN (USENIX Security 2023), §3.2.
pub fn seal(
    lane: &Lane,
    context: &Context,
    values: &[i128],
    role: Role,
) -> Result<(Ciphertext, Vec<Share>), SealError> {
    check(lane, values)?;
    let seed = Seed::fresh().map_err(SealError::Random)?;
    Ok(seal_with(lane, context, values, role, &seed))
}

/// Seals with a seed that must be fresh.
pub(crate) fn seal_with(
    lane: &Lane,
    context: &Context,
    values: &[i128],
    role: Role,
    seed: &Seed,
) -> (Ciphertext, Vec<Share>) {
    let secret = seed.secret();
    let mut errors = seed.stream(Purpose::Errors);
    let draw = |drawn: &mut [i64]| errors.errors(role.error_bits(), drawn);
    let ciphertext = encrypt(lane, context, values, &secret, draw);
    (ciphertext, share(lane, &secret, seed))
}

fn check(lane: &Lane, values: &[i128]) -> Result<(), SealError> {
    if values.len() != lane.counters() {
        return Err(SealError::Count { wanted: lane.counters(), found: values.len() });
    }
    let bound = 1i128 << lane.bits();
    match values.iter().position(|value| !(-bound..bound).contains(value)) {
        Some(index) => Err(SealError::Range { index }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
