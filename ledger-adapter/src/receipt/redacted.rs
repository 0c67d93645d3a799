//! What is left of a receipt when its question and its answer are erased.
//!
//! ```text
//! receipt   version  release  release_salt  intent  intent_salt  extracts  keys  log
//! redacted  version  redacted                                    extracts  keys  log
//! ```
//! `redacted` is the name of the query. `log` proves the entries of the receipt once more, and with
//! them the one that redacts the query, all under one later checkpoint. The text of the query, its
//! plan, its noise, its answer and both salts are gone: the two commitments that stay on the ledger
//! are then digests over 32 unknown random bytes, and no guess at a document can be tried on them.
//! `keys` are those of the sites that signed `extracts`; what signed the release is gone with it.
//!
//! A verifier checks the following, in this order, and calls the result redacted, never verified:
//! 1. `version` is 1, and every entry is under the signed checkpoint, as in a receipt.
//! 2. Exactly one entry charges `redacted`, and exactly one later one redacts it.
//! 3. There are no others than: `open`, `attest` and `supersede` before the charge, and between
//!    the two at most one `release` and, for each round, at most one `commit`, all of this query.
//!    In a receipt, `redact`, `revoke` and `key` are refused.
//! 4. Each charged account has exactly one `open`, whose cap the cost does not exceed.
//! 5. Each input of the charge has, at the same place in `extracts`, its signed statement, and
//!    all that a receipt's must satisfy holds for it, by account and day of the charge.
//!
//! It proves what the query cost, when, out of which accounts, and which extracts it may have read;
//! not what was asked or answered. It is another document than a receipt: each is refused where
//! the other is read, so a redacted one never passes for a whole one.
//!
//! What it cannot do: erase copies in others' hands, backups, or blocks that a file system or a
//! disk keeps of a replaced file.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::charge::ChargeRequest;
use crate::cost::Cost;
use crate::digest::Digest;
use crate::durable;
use crate::entry::Entry;
use crate::error::{LedgerError, Untrusted};
use crate::keys::PublicKey;
use crate::proof::LogProof;
use crate::receipt::proved::{Proved, disagrees};
use crate::receipt::{Receipt, Trust, malformed, read};
use crate::statement::Envelope;

/// A receipt without question, answer and salts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedactedReceipt {
    /// Version of this format; 1.
    pub version: u32,
    /// Name of the query that is redacted.
    pub redacted: Digest,
    /// Signed statements of the extracts that were read, one per input of the charge.
    pub extracts: Vec<Envelope>,
    /// Public keys of the signers of these statements.
    pub keys: Vec<PublicKey>,
    /// Ledger entries: opening of the account, extracts, charge, release, redaction.
    pub log: LogProof,
}

/// A verified redacted receipt. It is no [`crate::receipt::Verified`]: there is no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "it says whether the keys were trusted or only self-asserted"]
pub struct VerifiedRedaction {
    /// What was checked, a phrase per line, for people.
    pub lines: Vec<String>,
    /// Whether the log's key came from [`Trust`].
    pub is_log_trusted: bool,
    /// Whether the statements' keys came from [`Trust`].
    pub are_keys_trusted: bool,
}

/// A file of receipts: a whole one, or what is left of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Filed {
    /// With question and answer.
    Whole(Box<Receipt>),
    /// Without.
    Redacted(Box<RedactedReceipt>),
}

impl Receipt {
    /// What is left of the receipt once its query is redacted. `log` proves the entries of this
    /// receipt and the redaction.
    ///
    /// # Errors
    /// As [`RedactedReceipt::verify`] of the result, with the keys of the receipt itself.
    pub fn redact(&self, log: LogProof) -> Result<RedactedReceipt, LedgerError> {
        let extracts = self.extracts.clone();
        let signs = |key: &&PublicKey| {
            let keyid = key.keyid();
            extracts.iter().flat_map(|one| &one.signatures).any(|one| one.keyid == keyid)
        };
        let keys = self.keys.iter().filter(signs).copied().collect();
        let redacted = self.intent.query;
        let left = RedactedReceipt { version: VERSION, redacted, extracts, keys, log };
        left.verify(&Trust::default()).map(|_| left)
    }
}

impl RedactedReceipt {
    /// Verifies what is left: the charge of the query and its place, the account, the extracts, and
    /// that the redaction is on the ledger after all of them.
    ///
    /// # Errors
    /// As [`Receipt::verify`].
    pub fn verify(&self, trust: &Trust) -> Result<VerifiedRedaction, LedgerError> {
        if self.version != VERSION {
            let detail = format!("version {}", self.version);
            return Err(LedgerError::Malformed { what: "redacted receipt", detail });
        }
        let entries = trust.entries(&self.log)?;
        let are_keys_trusted = !trust.keys.is_empty();
        let keys = if are_keys_trusted { &trust.keys } else { &self.keys };
        let proved = Proved { entries: &entries, keys, retired: &trust.retired };
        let mut lines =
            vec![format!("{} ledger entries are under one signed checkpoint", entries.len())];
        lines.push(self.order(&proved)?);
        let (index, request) = proved.charge(self.redacted)?;
        lines.extend(paid(&proved, index, request)?);
        lines.extend(self.inputs(&proved, request)?);
        let is_log_trusted = trust.log_vkey.is_some();
        if !is_log_trusted {
            lines.push("the log's key is only self-asserted".to_owned());
        }
        if !are_keys_trusted {
            lines.push("the signers' keys are only self-asserted".to_owned());
        }
        lines.push(REDACTED.to_owned());
        Ok(VerifiedRedaction { lines, is_log_trusted, are_keys_trusted })
    }

    /// Writes it in one step, replacing what was there, such as the whole receipt.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if it has no form in JSON, [`LedgerError::Store`].
    pub fn save(&self, path: &Path) -> Result<(), LedgerError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(malformed)?;
        bytes.push(b'\n');
        durable::replace(path, &bytes, durable::PUBLIC)
    }

    /// Charged, perhaps opened and released, then redacted; nothing else of any query.
    fn order(&self, proved: &Proved<'_>) -> Result<String, LedgerError> {
        let query = self.redacted;
        let (charged, _) = proved.charge(query)?;
        let (redacted, _) = proved.one(
            "the redaction is not in the proof",
            |entry| matches!(entry, Entry::Redact { query: of } if *of == query),
        )?;
        proved.check_sets(query, charged..*redacted)?;
        for (index, entry) in proved.entries {
            let is_in_order = match entry {
                Entry::Open(_) | Entry::Attest(_) | Entry::Supersede { .. } => *index < charged,
                Entry::Charge(request) => request.query == query && *index < *redacted,
                Entry::Release { query: of, .. } => {
                    *of == query && (charged..*redacted).contains(index)
                }
                Entry::Commit { .. } => true,
                Entry::Redact { query: of } => *of == query,
                Entry::Revoke { .. } | Entry::Key(_) => false,
            };
            if !is_in_order {
                return disagrees("the entries are not in the order of a redaction");
            }
        }
        Ok(format!("entry {redacted} redacts the query: question, answer and salts are destroyed"))
    }

    fn inputs(
        &self,
        proved: &Proved<'_>,
        request: &ChargeRequest,
    ) -> Result<Vec<String>, LedgerError> {
        if self.extracts.len() != request.inputs.len() {
            return disagrees("there is not one extract statement for each input");
        }
        let check = |(root, envelope): (&Digest, &Envelope)| {
            let input = proved.input(request, *root, envelope)?;
            let (index, site) = (input.index, input.manifest.site);
            Ok(format!("entry {index} attests the extract of {site}, signed by it"))
        };
        request.inputs.iter().zip(&self.extracts).map(check).collect()
    }
}

impl Filed {
    /// Reads a file; nothing in it is verified by that.
    ///
    /// # Errors
    /// [`Untrusted::Missing`], [`LedgerError::Malformed`], [`LedgerError::Store`].
    pub fn load(path: &Path) -> Result<Self, LedgerError> {
        let bytes = durable::read(path)?.ok_or_else(|| LedgerError::Untrusted {
            place: path.display().to_string(),
            fault: Untrusted::Missing,
        })?;
        let fields: serde_json::Value = serde_json::from_slice(&bytes).map_err(malformed)?;
        // Each is then read whole, and refuses every field of the other.
        Ok(if fields.get("redacted").is_some() {
            Self::Redacted(Box::new(read(&bytes)?))
        } else {
            Self::Whole(Box::new(read(&bytes)?))
        })
    }
}

/// Destroys a file; one that is gone already is no fault. After success its name is off the disk.
///
/// # Errors
/// [`LedgerError::Store`].
pub fn destroy(path: &Path) -> Result<(), LedgerError> {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(durable::failed(path, "remove")(error)),
    }
    // Also where it was gone: whoever removed it may have been stopped before the name was synced.
    durable::sync_directory_of(path)
}

/// What was charged, out of accounts that could ever hold it.
fn paid(
    proved: &Proved<'_>,
    index: u64,
    request: &ChargeRequest,
) -> Result<Vec<String>, LedgerError> {
    let paid = |(account, cost): &(Digest, Cost)| {
        let cap = proved.cap(*account)?;
        if !cost.fits(cap) {
            return disagrees("the charge is beyond the cap");
        }
        Ok(format!("entry {index} charges {cost}, of {cap}"))
    };
    request.items.iter().map(paid).collect()
}

/// The last line of a redacted receipt that verifies.
const REDACTED: &str = "redacted; inclusion and charge verified";

const VERSION: u32 = 1;
