//! Entries of a log, proved under one signed checkpoint, for a reader without the log.
//!
//! It proves that the entries were written and where, not that the log obeyed its rules elsewhere:
//! that takes a replay of all entries.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::entry::Entry;
use crate::error::{LedgerError, Untrusted};
use crate::note::{Checkpoint, VerifierKey};
use crate::policy::{Approved, Policy};
use crate::tree::{self, Tree};

/// Entries of one log under one checkpoint.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogProof {
    /// The signed checkpoint, as a note.
    pub checkpoint: String,
    /// The key that signed it, as a verifier key.
    pub vkey: String,
    /// The entries, in the order that was asked for.
    pub entries: Vec<ProvedEntry>,
}

/// One entry and its way up the tree.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvedEntry {
    /// Index of the entry, from 0.
    pub index: u64,
    /// Its exact bytes, which are JSON.
    pub entry: String,
    /// Hashes from the leaf's sibling to below the root.
    pub path: Vec<Digest>,
}

impl LogProof {
    /// Verifies the checkpoint and every entry, and gives the entries with their indices.
    ///
    /// `trusted` is the verifier key that the log must have; without it, only the consistency of
    /// the proof with the key inside it is established.
    ///
    /// # Errors
    /// [`Untrusted::Signer`] if the log is not the trusted one, [`Untrusted::Signature`] for the
    /// checkpoint, [`Untrusted::Disagrees`] if an entry is not in the log,
    /// [`LedgerError::Malformed`] for parts that cannot be read.
    pub fn verify(&self, trusted: Option<&str>) -> Result<Vec<(u64, Entry)>, LedgerError> {
        let untrusted = |fault| LedgerError::Untrusted { place: "log proof".to_owned(), fault };
        if trusted.is_some_and(|trusted| trusted != self.vkey) {
            return Err(untrusted(Untrusted::Signer));
        }
        let key: VerifierKey = self.vkey.parse()?;
        let Checkpoint { size, root, .. } = key.open(&self.checkpoint, "log proof")?;
        let verify = |proved: &ProvedEntry| {
            let leaf = tree::leaf_hash(proved.entry.as_bytes());
            if !tree::verify_inclusion(&leaf, proved.index, size, &proved.path, &root) {
                return Err(untrusted(Untrusted::Disagrees("an entry is not in the log")));
            }
            Ok((proved.index, Entry::decode(proved.entry.as_bytes())?))
        };
        self.entries.iter().map(verify).collect()
    }

    /// Verifies that enough witnesses of a policy cosigned the checkpoint; who, and when. The
    /// entries under it are for [`LogProof::verify`].
    ///
    /// # Errors
    /// As [`Policy::verify`].
    pub fn verify_quorum(&self, policy: &Policy) -> Result<Approved, LedgerError> {
        policy.verify(&self.checkpoint, Some(&self.vkey.parse()?), "log proof")
    }

    /// Proves entries, given as index and exact bytes, under the note of the whole tree.
    pub(crate) fn of(
        tree: &Tree,
        note: String,
        key: &VerifierKey,
        entries: Vec<(u64, Vec<u8>)>,
    ) -> Result<Self, LedgerError> {
        let prove = |(index, bytes): (u64, Vec<u8>)| {
            let path = tree.inclusion(index, tree.len()).ok_or_else(|| past_the_end(index))?;
            let entry = String::from_utf8(bytes).map_err(|_| LedgerError::Malformed {
                what: "ledger entry",
                detail: "not text".to_owned(),
            })?;
            Ok(ProvedEntry { index, entry, path })
        };
        let entries = entries.into_iter().map(prove).collect::<Result<_, LedgerError>>()?;
        Ok(Self { checkpoint: note, vkey: key.to_string(), entries })
    }
}

/// The error for an index that the log does not have.
pub(crate) fn past_the_end(index: u64) -> LedgerError {
    LedgerError::Malformed { what: "index", detail: format!("{index} is past the end") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Signer;

    fn proof() -> LogProof {
        let signer = Signer::from_seed(&[1; 32]);
        let key = VerifierKey::new("example.org/log", signer.public()).unwrap();
        let mut tree = Tree::default();
        let entry = |index: u8| Entry::Revoke { root: Digest::from_bytes([index; 32]) }.encode();
        (0..11).for_each(|index| tree.push(tree::leaf_hash(&entry(index))));
        let origin = key.origin().to_owned();
        let note = Checkpoint { origin, size: 11, root: tree.root() }.sign(&signer);
        let entries = vec![(3, entry(3)), (10, entry(10))];
        LogProof::of(&tree, note, &key, entries).unwrap()
    }

    #[test]
    fn a_proof_verifies_and_names_its_log() {
        let proof = proof();
        let entries = proof.verify(Some(&proof.vkey)).unwrap();
        assert_eq!(entries[1], (10, Entry::Revoke { root: Digest::from_bytes([10; 32]) }));
        assert_eq!(proof.verify(None).unwrap(), entries);
        let other = VerifierKey::new("example.org/log", Signer::from_seed(&[2; 32]).public());
        let error = proof.verify(Some(&other.unwrap().to_string())).unwrap_err();
        assert!(matches!(error, LedgerError::Untrusted { fault: Untrusted::Signer, .. }));
    }

    #[test]
    fn every_flipped_bit_is_detected() {
        let proof = proof();
        let text = serde_json::to_string(&proof).unwrap();
        for bit in (0..text.len() * 8).step_by(5) {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Ok(wrong) = serde_json::from_slice::<LogProof>(&bytes) else { continue };
            assert!(wrong == proof || wrong.verify(None).is_err(), "bit {bit}");
        }
    }
}
