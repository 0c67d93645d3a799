//! A receipt: one file with which a stranger verifies a release offline.
//!
//! ```text
//! answer ◀─digest─ release statement ◀─commitment─ release entry ┐
//!                    └─commitment─▶ intent ─commitment─▶ charge entry ┤ one signed checkpoint
//! extract statements ◀──────digest────── attest and supersede entries ┤
//!                                          cap ◀── open entry ┘
//! ```
//! It proves who said what, that the charge was on the ledger before the release, that the account
//! held enough, and that the noise that is stated costs no more than was charged. It cannot prove
//! that the stated noise was drawn, or that nobody computed off the record. What was spent before,
//! and that no entry between revoked an extract, is the engine's word here; a replay of the whole
//! log decides both.
//!
//! Of a query that several sites answered together it may also prove the `commit` entries: the
//! Merkle roots of the sets of contributions that were opened, each the only one of its round, all
//! between charge and release.
//!
//! A receipt whose query is redacted is replaced by a [`redacted::RedactedReceipt`], which is
//! another document.

mod exact;
pub mod policy;
mod proved;
pub mod redacted;
mod verify;

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::durable;
use crate::entry::Entry;
use crate::error::{LedgerError, Untrusted};
use crate::keys::PublicKey;
use crate::note::Note;
use crate::proof::LogProof;
use crate::statement::{Envelope, Intent};

/// Everything that is needed to verify one release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Version of this format; 1.
    pub version: u32,
    /// The signed release statement; it holds the answer.
    pub release: Envelope,
    /// Salt of the commitment to the release statement.
    pub release_salt: Digest,
    /// What the query was going to do.
    pub intent: Intent,
    /// Salt of the commitment to the intent.
    pub intent_salt: Digest,
    /// Signed statements of the extracts that were read, one per input of the intent.
    pub extracts: Vec<Envelope>,
    /// Public keys of all signers of statements.
    pub keys: Vec<PublicKey>,
    /// Ledger entries: opening of the account, extracts, charge, release.
    pub log: LogProof,
}

/// Whom the verifier trusts, learnt elsewhere than from the receipt.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Trust {
    /// Verifier key of the log; without it, the receipt's own is used and only self-asserted.
    pub log_vkey: Option<String>,
    /// Keys of signers of statements; if empty, the receipt's own are used and self-asserted.
    pub keys: Vec<PublicKey>,
    /// Keys of sites that others took the place of, by SHA-256, and the index of the ledger entry
    /// that says so: what they attest from there on is refused. See [`Trust::follow`].
    pub retired: BTreeMap<Digest, u64>,
    /// Verifier keys that the log's key took the place of, and the largest size of a checkpoint
    /// that each may have signed.
    pub former_logs: BTreeMap<String, u64>,
}

impl Trust {
    /// Verifies a proof by the key that the log has, or by one that it had; gives its entries.
    fn entries(&self, proof: &LogProof) -> Result<Vec<(u64, Entry)>, LedgerError> {
        let Some(largest) = self.former_logs.get(&proof.vkey) else {
            return proof.verify(self.log_vkey.as_deref());
        };
        let entries = proof.verify(Some(&proof.vkey))?;
        if Note::parse(&proof.checkpoint)?.checkpoint()?.size > *largest {
            let claim = "the checkpoint is of a key after another took its place";
            let fault = Untrusted::Disagrees(claim);
            return Err(LedgerError::Untrusted { place: "log proof".to_owned(), fault });
        }
        Ok(entries)
    }
}

/// A verified receipt.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "it says whether the keys were trusted or only self-asserted"]
pub struct Verified {
    /// What was checked, a phrase per line, for people.
    pub lines: Vec<String>,
    /// Whether the log's key came from [`Trust`].
    pub is_log_trusted: bool,
    /// Whether the statements' keys came from [`Trust`].
    pub are_keys_trusted: bool,
}

impl Receipt {
    /// Verifies everything that the receipt claims.
    ///
    /// # Errors
    /// [`LedgerError::Untrusted`] with the claim that is wrong: [`Untrusted::Signer`] or
    /// [`Untrusted::Signature`] for a statement or the checkpoint, [`Untrusted::Digest`] for the
    /// answer, [`Untrusted::Disagrees`] with its own text for every other.
    /// [`LedgerError::Malformed`] for parts that cannot be read.
    pub fn verify(&self, trust: &Trust) -> Result<Verified, LedgerError> {
        verify::verify(self, trust)
    }

    /// Reads a receipt; nothing in it is verified by that.
    ///
    /// # Errors
    /// [`Untrusted::Missing`], [`LedgerError::Malformed`], [`LedgerError::Store`].
    pub fn load(path: &Path) -> Result<Self, LedgerError> {
        let bytes = durable::read(path)?.ok_or_else(|| LedgerError::Untrusted {
            place: path.display().to_string(),
            fault: Untrusted::Missing,
        })?;
        read(&bytes)
    }

    /// Writes the receipt in one step, replacing what was there.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if it has no form in JSON, [`LedgerError::Store`].
    pub fn save(&self, path: &Path) -> Result<(), LedgerError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(malformed)?;
        bytes.push(b'\n');
        durable::replace(path, &bytes, durable::PUBLIC)
    }
}

/// Reads a document that was written here, in no other spelling: a record as a list of its values,
/// which serde takes as well, is another document to others' tools.
///
/// # Errors
/// [`LedgerError::Malformed`].
fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, LedgerError> {
    let document: T = serde_json::from_slice(bytes).map_err(malformed)?;
    let given: Value = serde_json::from_slice(bytes).map_err(malformed)?;
    if serde_json::to_value(&document).map_err(malformed)? == given {
        return Ok(document);
    }
    let detail = "in another spelling than it is written in".to_owned();
    Err(LedgerError::Malformed { what: "receipt", detail })
}

fn malformed(error: serde_json::Error) -> LedgerError {
    LedgerError::Malformed { what: "receipt", detail: error.to_string() }
}

#[cfg(test)]
pub(crate) mod tests;
