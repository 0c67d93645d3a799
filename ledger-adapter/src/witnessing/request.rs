//! The request `add-checkpoint`: what the witness has, how the log went on, and where it is now.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::digest::Digest;
use crate::error::LedgerError;
use crate::note::{NOTE_BYTES_MAX, Note};

/// Asks a witness to cosign a checkpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AddCheckpoint {
    /// Size of the checkpoint that the witness cosigned last.
    pub old: u64,
    /// Consistency proof from there; see [`crate::tree::verify_consistency`].
    pub proof: Vec<Digest>,
    /// The signed checkpoint.
    pub note: Note,
}

impl AddCheckpoint {
    /// Writes the body of the request.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = format!("old {}\n", self.old);
        for hash in &self.proof {
            text.push_str(&STANDARD.encode(hash.as_bytes()));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.note.to_string());
        text.into_bytes()
    }

    /// Reads the body of a request, and accepts nothing but its one spelling.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`].
    pub fn decode(body: &[u8]) -> Result<Self, LedgerError> {
        let bad = |detail: &str| LedgerError::Malformed {
            what: "add-checkpoint request",
            detail: detail.to_owned(),
        };
        if body.len() > REQUEST_BYTES_MAX {
            return Err(bad("too long"));
        }
        let text = std::str::from_utf8(body).map_err(|_| bad("not text"))?;
        let (head, note) = text.split_once("\n\n").ok_or_else(|| bad("no empty line"))?;
        let mut lines = head.split('\n');
        let size = lines.next().and_then(|line| line.strip_prefix("old "));
        let old =
            size.and_then(decimal).ok_or_else(|| bad("its first line is not `old <size>`"))?;
        let proof = lines.map(hash).collect::<Option<Vec<_>>>();
        let proof = proof.ok_or_else(|| bad("a line of its proof is not a hash"))?;
        if proof.len() > PROOF_LINES_MAX {
            return Err(bad("its proof is too long"));
        }
        Ok(Self { old, proof, note: Note::parse(note)? })
    }
}

/// Reads a number in its one spelling.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// Reads a line of 32 bytes of base64.
pub(crate) fn hash(line: &str) -> Option<Digest> {
    Some(Digest::from_bytes(STANDARD.decode(line).ok()?.try_into().ok()?))
}

/// Longest request in bytes.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + 64 * (PROOF_LINES_MAX + 1);

/// Most lines of a proof, as the protocol says.
pub(crate) const PROOF_LINES_MAX: usize = 63;
