//! Signed statements: what a site says of its extract, and what an engine says of its release.
//!
//! A statement is an in-toto Statement in a DSSE envelope. The signature covers the bytes, so no
//! reader needs to agree with another on how JSON is written. Statements stay off the ledger, which
//! holds digests of them and salted commitments.
//!
//! # Source
//! DSSE v1.0.2 (protocol: pre-authentication encoding); in-toto Attestation Framework v1
//! (Statement).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::charge::{AccountEffect, Finality};
use crate::cost::{Cost, Delta, Rho};
use crate::digest::Digest;
use crate::error::{LedgerError, Untrusted};
use crate::keys::{PublicKey, Signer};
use crate::manifest::Manifest;

/// A signed payload.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    /// What the payload is; always [`PAYLOAD_TYPE`].
    pub payload_type: String,
    /// The payload, base64.
    pub payload: String,
    /// Signatures over type and payload.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an [`Envelope`].
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeSignature {
    /// SHA-256 of the public key, as [`PublicKey::keyid`]. It chooses the key and proves nothing.
    pub keyid: Digest,
    /// The 64 bytes of the signature, base64.
    pub sig: String,
}

impl Envelope {
    /// Writes a statement in canonical form and signs it.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if the statement has no form in JSON.
    pub fn sign(statement: &impl Serialize, signer: &Signer) -> Result<Self, LedgerError> {
        let payload = canonical::to_vec(statement)?;
        let sig = signer.sign(&pre_authentication(PAYLOAD_TYPE, &payload));
        let keyid = signer.public().keyid();
        Ok(Self {
            payload_type: PAYLOAD_TYPE.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: vec![EnvelopeSignature { keyid, sig: STANDARD.encode(sig) }],
        })
    }

    /// Adds the signature of one more key.
    ///
    /// # Errors
    /// As [`Envelope::payload`].
    pub fn countersign(&mut self, signer: &Signer) -> Result<(), LedgerError> {
        let sig = signer.sign(&pre_authentication(&self.payload_type, &self.payload()?));
        let keyid = signer.public().keyid();
        self.signatures.push(EnvelopeSignature { keyid, sig: STANDARD.encode(sig) });
        Ok(())
    }

    /// Verifies that at least one of the `trusted` keys signed, and gives the payload.
    ///
    /// # Errors
    /// [`Untrusted::Signer`] if no signature names a trusted key, [`Untrusted::Signature`] if none
    /// of those that do is right, [`LedgerError::Malformed`].
    pub fn verify(&self, trusted: &[PublicKey]) -> Result<Vec<u8>, LedgerError> {
        self.verify_signers(trusted).map(|(payload, _)| payload)
    }

    /// As [`Envelope::verify`], and also gives the trusted keys that signed.
    ///
    /// # Errors
    /// As [`Envelope::verify`].
    pub fn verify_signers(
        &self,
        trusted: &[PublicKey],
    ) -> Result<(Vec<u8>, Vec<PublicKey>), LedgerError> {
        let untrusted = |fault| LedgerError::Untrusted { place: "statement".to_owned(), fault };
        let payload = self.payload()?;
        let message = pre_authentication(&self.payload_type, &payload);
        let (mut named, mut signers) = (false, Vec::new());
        for signature in &self.signatures {
            for key in trusted.iter().filter(|key| key.keyid() == signature.keyid) {
                named = true;
                let bytes = STANDARD.decode(&signature.sig).unwrap_or_default();
                if key.verify(&message, &bytes) && !signers.contains(key) {
                    signers.push(*key);
                }
            }
        }
        match (signers.is_empty(), named) {
            (false, _) => Ok((payload, signers)),
            (true, true) => Err(untrusted(Untrusted::Signature)),
            (true, false) => Err(untrusted(Untrusted::Signer)),
        }
    }

    /// The payload, whoever signed it.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if the type is not [`PAYLOAD_TYPE`], or it is not base64.
    pub fn payload(&self) -> Result<Vec<u8>, LedgerError> {
        if self.payload_type != PAYLOAD_TYPE {
            return Err(malformed("its payload is not an in-toto statement"));
        }
        STANDARD.decode(&self.payload).map_err(|_| malformed("its payload is not base64"))
    }

    /// SHA-256 of the payload. For an extract, this is its root on the ledger.
    ///
    /// # Errors
    /// As [`Envelope::payload`].
    pub fn payload_digest(&self) -> Result<Digest, LedgerError> {
        self.payload().map(|payload| Digest::sha256(&payload))
    }
}

/// An in-toto statement: `predicate` holds for the `subject`s.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement<P> {
    /// Always [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// What it is about.
    pub subject: Vec<Subject>,
    /// Which kind of predicate follows.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// What is said.
    pub predicate: P,
}

impl<P: DeserializeOwned> Statement<P> {
    /// Reads the payload of an envelope.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if it is no statement with that type of predicate.
    pub fn from_payload(payload: &[u8], predicate_type: &str) -> Result<Self, LedgerError> {
        let read: Self =
            serde_json::from_slice(payload).map_err(|error| malformed(&error.to_string()))?;
        if read.kind != STATEMENT_TYPE || read.predicate_type != predicate_type {
            return Err(malformed("its type is another"));
        }
        Ok(read)
    }
}

/// One thing that a statement is about.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Name, unique in the statement.
    pub name: String,
    /// Digests in lower-case hex, by algorithm.
    pub digest: BTreeMap<String, String>,
}

impl Subject {
    pub(crate) fn new(name: &str, algorithm: &str, digest: Digest) -> Self {
        let digest = BTreeMap::from([(algorithm.to_owned(), digest.to_string())]);
        Self { name: name.to_owned(), digest }
    }
}

/// The statement of an extract: its files, by their BLAKE3 digests, and its manifest.
pub fn extract_statement(manifest: Manifest) -> Statement<Manifest> {
    let files = manifest.tables.iter().flat_map(|table| &table.files);
    let subject = files.map(|file| Subject::new(&file.path, "blake3", file.blake3)).collect();
    Statement {
        kind: STATEMENT_TYPE.to_owned(),
        subject,
        predicate_type: EXTRACT_TYPE.to_owned(),
        predicate: manifest,
    }
}

/// The statement of a release: its table, by SHA-256, and how it came about.
///
/// # Errors
/// As [`ReleasedTable::digest`].
pub fn release_statement(
    predicate: ReleasePredicate,
) -> Result<Statement<ReleasePredicate>, LedgerError> {
    let subject = vec![Subject::new(TABLE_NAME, "sha256", predicate.table.digest()?)];
    Ok(Statement {
        kind: STATEMENT_TYPE.to_owned(),
        subject,
        predicate_type: RELEASE_TYPE.to_owned(),
        predicate,
    })
}

/// What a query is going to do, fixed before it is charged. Only a salted commitment to it is on
/// the ledger; the document is for those who hold the receipt.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Version of this format; 1.
    pub version: u32,
    /// Random name of the query.
    pub query: Digest,
    /// The query as it was asked.
    pub sql: String,
    /// Digest of the plan that is run.
    pub plan: Digest,
    /// Name and version of the engine.
    pub engine: String,
    /// Roots of the extracts to be read, in the order of the charge.
    pub inputs: Vec<Digest>,
    /// What is charged.
    pub cost: Cost,
    /// The account that is charged.
    pub account: Digest,
    /// Every draw of noise.
    pub mechanisms: Vec<MechanismRecord>,
    /// Day of the charge, in days since 1970-01-01.
    pub day: u32,
}

/// How one column of the answer is made private.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MechanismRecord {
    /// Column of the answer.
    pub column: String,
    /// Name of the mechanism: [`DISCRETE_GAUSSIAN`], [`DISCRETE_LAPLACE`], [`EXPONENTIAL`] or
    /// [`KEY_SELECTION`].
    pub mechanism: String,
    /// Most that one person moves one group, in steps of the integer grid; at least 1. In an
    /// intent 0 if it is to be chosen privately: then the release has it.
    pub sensitivity: u64,
    /// Most groups that one person is in; at least 1. It is 1 if `sensitivity` bounds all groups
    /// together, in the Euclidean norm.
    pub groups_per_person: u64,
    /// Scale of the noise in steps of the grid, times `2^scale_log2_denominator`; at least 1. For
    /// the exponential mechanism its sharpness. In an intent 0 if it follows from what is to be
    /// chosen.
    pub scale_numerator: u64,
    /// Binary places of the scale.
    pub scale_log2_denominator: u8,
    /// Share of the cost.
    pub rho: Rho,
    /// Share of the cost spent on choosing which keys to show.
    pub delta: Delta,
    /// Decimal places of the grid.
    pub decimal_places: u8,
    /// Noisy counts below it are not shown, where keys are unknown.
    pub threshold: Option<i64>,
}

/// What an engine says of a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleasePredicate {
    /// Random name of the query.
    pub query: Digest,
    /// Commitment to the intent, as on the ledger.
    pub intent: Digest,
    /// What the charge did to accounts.
    pub effects: Vec<AccountEffect>,
    /// The answer.
    pub table: ReleasedTable,
    /// What a reader must know: suppressed keys, clamping, definitions.
    pub notes: Vec<String>,
    /// How final the charge was before noise was drawn.
    pub finality: Finality,
    /// Every mechanism as it was carried out, in the order of the intent's; empty if the intent
    /// says it all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mechanisms: Vec<MechanismRecord>,
}

/// A released answer: everything in it is private already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleasedTable {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Values by row and column.
    pub rows: Vec<Vec<serde_json::Value>>,
    /// Lower ends of the intervals, in the shape of `rows`; null where there is none.
    pub lower: Vec<Vec<serde_json::Value>>,
    /// Upper ends of the intervals, in the shape of `rows`; null where there is none.
    pub upper: Vec<Vec<serde_json::Value>>,
}

impl ReleasedTable {
    /// SHA-256 of the table's canonical JSON.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`], which does not happen for tables of finite numbers and text.
    pub fn digest(&self) -> Result<Digest, LedgerError> {
        canonical::to_vec(self).map(|bytes| Digest::sha256(&bytes))
    }

    /// Whether every row, and both ends of its intervals, have one value per column.
    pub fn is_rectangular(&self) -> bool {
        let fits = |rows: &Vec<Vec<serde_json::Value>>| {
            rows.len() == self.rows.len() && rows.iter().all(|row| row.len() == self.columns.len())
        };
        fits(&self.rows) && fits(&self.lower) && fits(&self.upper)
    }
}

/// The salted commitment to an intent that goes on the ledger with the charge.
///
/// # Errors
/// [`LedgerError::Malformed`] if the intent has no canonical form, which does not happen.
pub fn intent_commitment(salt: &Digest, intent: &Intent) -> Result<Digest, LedgerError> {
    let intent = canonical::to_vec(intent)?;
    Ok(Digest::labelled("graunt/intent/v1", &[salt.as_bytes(), &intent]))
}

/// The salted commitment to a release statement that goes on the ledger.
///
/// # Errors
/// As [`Envelope::payload`].
pub fn release_commitment(salt: &Digest, release: &Envelope) -> Result<Digest, LedgerError> {
    let payload = release.payload()?;
    Ok(Digest::labelled("graunt/release/v1", &[salt.as_bytes(), &payload]))
}

/// What is signed: DSSE's `PAE(type, payload)`.
fn pre_authentication(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

fn malformed(detail: &str) -> LedgerError {
    LedgerError::Malformed { what: "signed statement", detail: detail.to_owned() }
}

/// Noise of the discrete Gaussian law.
pub const DISCRETE_GAUSSIAN: &str = "discrete-gaussian";

/// Noise of the discrete Laplace law.
pub const DISCRETE_LAPLACE: &str = "discrete-laplace";

/// The exponential mechanism over public candidates.
pub const EXPONENTIAL: &str = "exponential";

/// A choice of keys by their number of persons, from a table of probabilities.
pub const KEY_SELECTION: &str = "key-selection";

/// Media type of the payload, as in-toto prescribes it.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Type of every statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// Type of the predicate about an extract.
pub const EXTRACT_TYPE: &str = "https://graunt.dev/attestation/extract/v1";

/// Type of the predicate about a release.
pub const RELEASE_TYPE: &str = "https://graunt.dev/attestation/dp-release/v1";

/// Name of the released table in its statement.
pub const TABLE_NAME: &str = "table.json";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_published_encoding() {
        // DSSE v1.0.2, protocol.md, "Test Vectors".
        let encoded = pre_authentication("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn a_trusted_signature_gives_the_payload() {
        let (ours, theirs) = (Signer::from_seed(&[1; 32]), Signer::from_seed(&[2; 32]));
        let envelope = Envelope::sign(&json!({"b": 1, "a": 2}), &ours).unwrap();
        assert_eq!(
            envelope.verify(&[theirs.public(), ours.public()]).unwrap(),
            b"{\"a\":2,\"b\":1}"
        );
        let fault = |envelope: &Envelope, key: &Signer| match envelope.verify(&[key.public()]) {
            Err(LedgerError::Untrusted { fault, .. }) => fault,
            other => panic!("{other:?}"),
        };
        assert_eq!(fault(&envelope, &theirs), Untrusted::Signer);
        let mut changed = envelope.clone();
        changed.payload = STANDARD.encode(b"{\"a\":3,\"b\":1}");
        assert_eq!(fault(&changed, &ours), Untrusted::Signature);
        let mut none = envelope.clone();
        none.signatures.clear();
        assert_eq!(fault(&none, &ours), Untrusted::Signer);
        let mut other = envelope;
        other.payload_type = "text/plain".to_owned();
        assert!(matches!(other.verify(&[ours.public()]), Err(LedgerError::Malformed { .. })));
    }

    #[test]
    fn one_more_signature_does_no_harm() {
        let (ours, theirs) = (Signer::from_seed(&[1; 32]), Signer::from_seed(&[2; 32]));
        let mut envelope = Envelope::sign(&json!([1]), &theirs).unwrap();
        let second = Envelope::sign(&json!([1]), &ours).unwrap();
        envelope.signatures.extend(second.signatures);
        let (_, signers) = envelope.verify_signers(&[ours.public()]).unwrap();
        assert_eq!(signers, [ours.public()]);
    }

    #[test]
    fn tables_have_one_digest() {
        let table = ReleasedTable {
            columns: vec!["year".to_owned(), "rate".to_owned()],
            rows: vec![vec![json!(2024), json!(0.1)]],
            lower: vec![vec![json!(null), json!(0.05)]],
            upper: vec![vec![json!(null), json!(0.2)]],
        };
        assert!(table.is_rectangular());
        let text = serde_json::to_string_pretty(&table).unwrap();
        let again: ReleasedTable = serde_json::from_str(&text).unwrap();
        assert_eq!(again.digest().unwrap(), table.digest().unwrap());
        let short = ReleasedTable { upper: vec![vec![json!(null)]], ..table };
        assert!(!short.is_rectangular());
    }
}
