//! An account that no benchmark exhausts, and charges to it.

use ledger_adapter::charge::{Admission, Attestation, ChargeRequest, Charged, Finality, Opening};
use ledger_adapter::cost::{Cost, Delta, Rho};
use ledger_adapter::digest::Digest;
use ledger_adapter::error::LedgerError;
use ledger_adapter::ledger::Ledger;

/// An open account with one attested extract, which is nowhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    account: Digest,
    root: Digest,
}

impl Account {
    /// Opens it.
    pub(crate) fn open(ledger: &dyn Ledger) -> Result<Self, LedgerError> {
        let (account, root) = (Digest::sha256(b"account"), Digest::sha256(b"root"));
        let rho = Rho::from_nano(u64::MAX / 2);
        ledger.open_account(&Opening { account, cap: Cost { rho, delta: Delta::default() } })?;
        let key = Digest::sha256(b"key");
        ledger.attest(&Attestation { root, account, key, expires_day: u32::MAX })?;
        Ok(Self { account, root })
    }

    /// Charges it for a new query.
    pub(crate) fn charge(self, ledger: &dyn Ledger, rho: Rho) -> Result<Charged, LedgerError> {
        let request = ChargeRequest {
            query: Digest::random()?,
            items: vec![(self.account, Cost { rho, delta: Delta::default() })],
            intent: Digest::sha256(b"intent"),
            inputs: vec![self.root],
            day: 0,
        };
        match ledger.charge(&request, Finality::Local)? {
            Admission::Granted(charged) => Ok(charged),
            Admission::Repeated(_) => Err(LedgerError::Conflict { what: "a random query name" }),
        }
    }
}
