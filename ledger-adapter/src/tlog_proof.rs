//! One entry of a log, proved in a text file that other tools read: `.tlog-proof`.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra …                     optional, base64; not authenticated
//! index 41
//! gSKy…=                      hashes from the leaf's sibling to below the root
//!
//! example.org/graunt          the checkpoint, with its cosignatures
//! …
//! ```
//! The entry itself is elsewhere.
//!
//! # Source
//! C2SP tlog-proof v1.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::digest::Digest;
use crate::error::{LedgerError, Untrusted};
use crate::note::{Note, VerifierKey};
use crate::policy::{Approved, Policy};
use crate::proof::LogProof;
use crate::tree;
use crate::witnessing::request::{PROOF_LINES_MAX, decimal, hash};

/// A proof that an entry is in a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlogProof {
    /// Whatever its maker added. Nothing vouches for it.
    pub extra: Option<Vec<u8>>,
    /// Index of the entry, from 0.
    pub index: u64,
    /// Hashes from the leaf's sibling to below the root.
    pub path: Vec<Digest>,
    /// The checkpoint.
    pub note: Note,
}

impl TlogProof {
    /// The proof of one of the entries of a [`LogProof`], given by its place there.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if there is none at that place, or the checkpoint is no note.
    pub fn of(proof: &LogProof, place: usize) -> Result<Self, LedgerError> {
        let entry = proof.entries.get(place).ok_or_else(|| malformed("there is no such entry"))?;
        let note = Note::parse(&proof.checkpoint)?;
        Ok(Self { extra: None, index: entry.index, path: entry.path.clone(), note })
    }

    /// Verifies that the log has the entry with these exact bytes, under a checkpoint that the
    /// policy accepts. `known` is the log's key where that is known.
    ///
    /// # Errors
    /// As [`Policy::verify`]; [`Untrusted::Disagrees`] if the entry is not in the log.
    pub fn verify(
        &self,
        entry: &[u8],
        policy: &Policy,
        known: Option<&VerifierKey>,
    ) -> Result<Approved, LedgerError> {
        let approved = policy.verify(&self.note.to_string(), known, PLACE)?;
        let (size, root) = (approved.checkpoint.size, approved.checkpoint.root);
        let leaf = tree::leaf_hash(entry);
        if tree::verify_inclusion(&leaf, self.index, size, &self.path, &root) {
            Ok(approved)
        } else {
            let fault = Untrusted::Disagrees("the entry is not in the log");
            Err(LedgerError::Untrusted { place: PLACE.to_owned(), fault })
        }
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path
            .iter()
            .try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash.as_bytes())))?;
        write!(f, "\n{}", self.note)
    }
}

impl FromStr for TlogProof {
    type Err = LedgerError;

    fn from_str(text: &str) -> Result<Self, LedgerError> {
        let (head, note) = text.split_once("\n\n").ok_or_else(|| malformed("no checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(malformed("its first line is another"));
        }
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            Some(extra) => {
                lines.next();
                let extra = STANDARD.decode(extra);
                Some(extra.map_err(|_| malformed("its extra data is not base64"))?)
            }
            None => None,
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(decimal).ok_or_else(|| malformed("it has no index"))?;
        let path = lines.map(hash).collect::<Option<Vec<_>>>();
        let path = path.ok_or_else(|| malformed("a line of its path is not a hash"))?;
        if path.len() > PROOF_LINES_MAX {
            return Err(malformed("its path is too long"));
        }
        let note = Note::parse(note)?;
        note.checkpoint()?;
        Ok(Self { extra, index, path, note })
    }
}

fn malformed(detail: &str) -> LedgerError {
    LedgerError::Malformed { what: PLACE, detail: detail.to_owned() }
}

const HEADER: &str = "c2sp.org/tlog-proof@v1";

const PLACE: &str = ".tlog-proof";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cosignature::Cosigner;
    use crate::keys::Signer;
    use crate::note::Checkpoint;
    use crate::tree::Tree;

    const ORIGIN: &str = "example.org/log";

    fn signer(seed: u8) -> Signer {
        Signer::from_seed(&[seed; 32])
    }

    fn entry(index: u64) -> Vec<u8> {
        format!("entry {index}").into_bytes()
    }

    fn policy() -> Policy {
        let log = VerifierKey::new(ORIGIN, signer(1).public()).unwrap();
        let witness = Cosigner::new("w.example", signer(2)).unwrap();
        let text = format!("log {log}\nwitness w {}\nquorum w\n", witness.key());
        Policy::parse(&text).unwrap()
    }

    fn proof(index: u64, size: u64) -> TlogProof {
        let mut tree = Tree::default();
        (0..size).for_each(|index| tree.push(tree::leaf_hash(&entry(index))));
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size, root: tree.root() };
        let mut note = Note::parse(&checkpoint.sign(&signer(1))).unwrap();
        let witness = Cosigner::new("w.example", signer(2)).unwrap();
        note.add(witness.cosign(note.text(), 1_795_305_600)).unwrap();
        TlogProof { extra: None, index, path: tree.inclusion(index, size).unwrap(), note }
    }

    #[test]
    fn the_text_is_written_down() {
        let text = TlogProof { extra: Some(vec![1, 2, 3]), ..proof(1, 2) }.to_string();
        let sibling = STANDARD.encode(tree::leaf_hash(b"entry 0").as_bytes());
        let head =
            format!("c2sp.org/tlog-proof@v1\nextra AQID\nindex 1\n{sibling}\n\n{ORIGIN}\n2\n");
        assert!(text.starts_with(&head), "{text}");
        assert_eq!(text.lines().count(), 11);
        let text = proof(0, 1).to_string();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\nindex 0\n\nexample.org/log\n1\n"));
    }

    #[test]
    fn proofs_come_back_and_verify() {
        for size in 1..20 {
            for index in 0..size {
                let proof = proof(index, size);
                let read: TlogProof = proof.to_string().parse().unwrap();
                assert_eq!(read, proof);
                let approved = read.verify(&entry(index), &policy(), None).unwrap();
                assert_eq!((approved.checkpoint.size, approved.cosigned.len()), (size, 1));
                assert!(read.verify(&entry(index + 1), &policy(), None).is_err());
                let moved = TlogProof { index: index + 1, ..read };
                assert!(moved.verify(&entry(index), &policy(), None).is_err());
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_truncation_is_detected() {
        let text = proof(5, 11).to_string();
        let holds = |text: &str| {
            let read = text.parse::<TlogProof>();
            read.is_ok_and(|read| read.verify(&entry(5), &policy(), None).is_ok())
        };
        assert!(holds(&text));
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!String::from_utf8(bytes).is_ok_and(|text| holds(&text)), "bit {bit}");
        }
        for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            assert!(!holds(&text[..cut]));
        }
    }

    #[test]
    fn another_spelling_is_refused() {
        let text = proof(5, 11).to_string();
        for wrong in [
            text.replace("@v1", "@v2"),
            text.replace("index 5", "index 05"),
            text.replace("index 5", "Index 5"),
            text.replace("index 5\n", "index 5\n\n"),
            text.replace("index 5", "extra !\nindex 5"),
            text.replace("index 5", "index 5\nindex 5"),
            text.replace("index 5", "index 5\nextra AQID"),
            text.replace('\n', "\r\n"),
            format!("\n{text}"),
            format!("{text}\n"),
        ] {
            assert!(wrong.parse::<TlogProof>().is_err(), "{wrong}");
        }
    }
}
