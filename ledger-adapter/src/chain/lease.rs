//! A share of a budget that is charged on the chain once, and spent from a local log.
//!
//! ```text
//! chain: one charge of the whole share, final ──▶ log: an account with the share as its cap
//! ```
//! A chain grants one charge per block; a log grants thousands in a second. Whatever becomes of
//! the log, no more than the share can be spent from it, and the chain has counted all of it. What
//! is left of a lease that was lost or settled is spent for ever: nothing is given back.
//!
//! Extracts are read as they stand when the lease is taken. One that is revoked on the chain later
//! must be revoked in the log as well, so a lease is for days and not for months.

use crate::chain::ledger::ChainLedger;
use crate::charge::{Admission, Attestation, ChargeRequest, Charged, Finality, Opening, Placed};
use crate::digest::Digest;
use crate::error::LedgerError;
use crate::ledger::Ledger as _;
use crate::log::LogLedger;
use crate::store::Store as _;

/// A lease that was taken by this process, and can be settled by it.
#[derive(Debug)]
pub struct Lease(Charged);

/// Charges a share on the chain and opens the log with it: the items of `share` are the accounts
/// and what of them may be spent, its query is the name of the lease. `extracts` are the statements
/// of its inputs, in their order. Afterwards, and after every restart, the log is the ledger.
///
/// # Errors
/// [`LedgerError::Refused`] if the log is not empty, if the extracts are not those of the share, or
/// if the lease was taken before: what is left of it is lost. [`LedgerError::Finality`] for a log
/// without a witness, or a chain whose records are not final. Otherwise as [`ChainLedger`] charges.
pub fn take(
    chain: &ChainLedger,
    log: &LogLedger,
    share: &ChargeRequest,
    extracts: &[Attestation],
) -> Result<Lease, LedgerError> {
    let has = log.finality();
    if has < Finality::Witnessed {
        return Err(LedgerError::Finality { has, need: Finality::Witnessed });
    }
    if !log.is_empty()? {
        return Err(LedgerError::Refused { rule: "a lease begins with an empty log" });
    }
    if !share.inputs.iter().eq(extracts.iter().map(|extract| &extract.root)) {
        return Err(LedgerError::Refused { rule: "a lease names the extracts of its inputs" });
    }
    let charged = match chain.charge(share, Finality::Final)? {
        Admission::Granted(charged) => charged,
        Admission::Repeated(_) => {
            return Err(LedgerError::Refused { rule: "a lease is taken once" });
        }
    };
    for (account, cap) in &share.items {
        log.open_account(&Opening { account: *account, cap: *cap })?;
    }
    for extract in extracts {
        log.attest(extract)?;
    }
    Ok(Lease(charged))
}

impl Lease {
    /// Records on the chain what the log came to, as the root over all of its entries. From then
    /// on the log must not be used.
    ///
    /// # Errors
    /// As [`ChainLedger`] releases; the log's own faults as [`LogLedger::check`].
    pub fn settle(self, chain: &ChainLedger, log: &LogLedger) -> Result<Placed, LedgerError> {
        let checkpoint = log.check()?;
        let size = checkpoint.size.to_be_bytes();
        let commitment = Digest::labelled(LABEL, &[&size, checkpoint.root.as_bytes()]);
        chain.release(self.0, commitment)
    }
}

const LABEL: &str = "graunt/lease/v1";
