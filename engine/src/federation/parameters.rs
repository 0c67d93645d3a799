//! The public parameters under which sites prove that their contributions are in range.
//!
//! It does not say where they come from: whoever draws them must be trusted to forget how.

use std::fmt;
use std::sync::Arc;

use ledger_adapter::digest::Digest;
use seal::proof::Crs;

use crate::federation::terms::{Federation, Proofs, TermsError};

/// Parameters of proofs. All parties pin the same.
///
/// # Privacy
/// Whoever knows the number behind them can prove a contribution of their own that is not in range.
/// They learn nothing about those of others.
#[derive(Clone)]
pub struct Parameters(Arc<Crs>);

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parameters({:?})", self.proofs())
    }
}

impl Parameters {
    /// Draws parameters for proofs of up to `counters` totals each, by which the caller could
    /// forge. It takes some seconds, and minutes for thousands of totals.
    ///
    /// # Errors
    /// [`TermsError`] if there are no such proofs, or the system has no randomness.
    pub fn generate(counters: u32) -> Result<Self, TermsError> {
        let counters = usize::try_from(counters).unwrap_or(usize::MAX);
        let drawn = Crs::generate(counters).map_err(|error| TermsError(error.to_string()))?;
        Ok(Self(Arc::new(drawn)))
    }

    /// Reads the parameters that terms pin.
    ///
    /// # Errors
    /// [`TermsError`] if these are others.
    pub fn read(bytes: Vec<u8>, pinned: &Proofs) -> Result<Self, TermsError> {
        let counters = usize::try_from(pinned.counters).unwrap_or(usize::MAX);
        let read = Crs::from_bytes(bytes, counters, pinned.crs.as_bytes());
        Ok(Self(Arc::new(read.map_err(|error| TermsError(error.to_string()))?)))
    }

    /// Their bytes, some megabytes.
    pub fn to_bytes(&self) -> &[u8] {
        self.0.to_bytes()
    }

    /// What terms pin of them.
    pub fn proofs(&self) -> Proofs {
        let counters = u32::try_from(self.0.counters()).unwrap_or(u32::MAX);
        Proofs { crs: Digest::from_bytes(self.0.digest()), counters }
    }

    /// How far beyond its range a lying site may have moved a total.
    pub fn shift_max(&self) -> u64 {
        self.0.shift_max()
    }

    pub(super) fn crs(&self) -> &Crs {
        &self.0
    }

    /// Sees that whoever proves, or checks proofs, has the parameters of the terms.
    ///
    /// # Errors
    /// [`TermsError`] if they are missing, are others, or are for nothing.
    pub(super) fn check(own: Option<&Self>, federation: &Federation) -> Result<(), TermsError> {
        match (own.map(Self::proofs), federation.proofs) {
            (None, None) => Ok(()),
            (Some(own), Some(pinned)) if own == pinned => Ok(()),
            (Some(_), Some(_)) => Err(TermsError("they pin other parameters of proofs".to_owned())),
            (None, Some(_)) => Err(TermsError(
                "they ask for proofs, and the parameters of these are not given".to_owned(),
            )),
            (Some(_), None) => federation.proofs_required().map(|_| ()),
        }
    }
}
