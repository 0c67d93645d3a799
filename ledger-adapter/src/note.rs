//! Signed checkpoints of a log, as text that other tools read.
//!
//! ```text
//! example.org/graunt          origin, which is also the name of the key
//! 42                          number of entries
//! 5Mf0t…=                     root over them, base64
//!
//! — example.org/graunt Az3…=  4 bytes of key id and the Ed25519 signature, base64
//! ```
//! Signatures of other keys may follow and are passed over. Extension lines are refused.
//!
//! # Source
//! C2SP signed-note v1.0.0 (note, verifier key) and tlog-checkpoint v1.0.0.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::error::{LedgerError, Untrusted};
use crate::keys::{PublicKey, Signer};

/// What a log was at one size.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// Name of the log; see [`check_origin`].
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Digest,
}

impl Checkpoint {
    /// Signs the checkpoint with the log's key, and gives the whole note.
    pub fn sign(&self, signer: &Signer) -> String {
        let text = self.text();
        let key = VerifierKey { name: self.origin.clone(), key: signer.public() };
        let mut signature = key.id().to_vec();
        signature.extend(signer.sign(text.as_bytes()));
        format!("{text}\n{DASH}{} {}\n", self.origin, STANDARD.encode(signature))
    }

    /// The three lines that are signed.
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.as_bytes()))
    }

    /// Reads the three lines, and accepts nothing but their one spelling.
    fn parse(text: &str) -> Result<Self, LedgerError> {
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed("not three lines"));
        };
        let size = size.parse().map_err(|_| malformed("its size is not a number"))?;
        let root = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok());
        let root = root.ok_or_else(|| malformed("its root is not 32 bytes of base64"))?;
        let read = Self { origin: origin.to_owned(), size, root: Digest::from_bytes(root) };
        check_origin(origin)?;
        if read.text() == text { Ok(read) } else { Err(malformed("not in its one spelling")) }
    }
}

/// Checks the name of a log: 1 to 200 printable ASCII characters without space and `+`. By
/// convention it starts with a domain that its owner controls.
///
/// # Errors
/// [`LedgerError::Malformed`].
pub fn check_origin(origin: &str) -> Result<(), LedgerError> {
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'+';
    if (1..=200).contains(&origin.len()) && origin.bytes().all(allowed) {
        Ok(())
    } else {
        Err(malformed("its origin is not 1 to 200 printable characters without space and +"))
    }
}

/// The public key of a log, under the log's name: `<origin>+<key id>+<base64>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifierKey {
    name: String,
    key: PublicKey,
}

impl VerifierKey {
    /// Names a key.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if the name is not an origin.
    pub fn new(origin: &str, key: PublicKey) -> Result<Self, LedgerError> {
        check_origin(origin)?;
        Ok(Self { name: origin.to_owned(), key })
    }

    /// Name of the log.
    pub fn origin(&self) -> &str {
        &self.name
    }

    /// The key.
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// First four bytes of SHA-256 of name, newline, algorithm and key.
    pub fn id(&self) -> [u8; 4] {
        let hash = Sha256::new().chain_update(&self.name).chain_update([b'\n', ED25519]);
        let hash: [u8; 32] = hash.chain_update(self.key.as_bytes()).finalize().into();
        let [a, b, c, d, ..] = hash;
        [a, b, c, d]
    }

    /// Verifies a note and reads its checkpoint; `place` is where it was found, for the error.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if it is not a note, [`Untrusted::Signer`] if this key did not
    /// sign it or its origin is another, [`Untrusted::Signature`] if the signature is wrong.
    pub fn open(&self, note: &str, place: &str) -> Result<Checkpoint, LedgerError> {
        let untrusted = |fault| LedgerError::Untrusted { place: place.to_owned(), fault };
        let (head, signatures) =
            note.split_once("\n\n").ok_or_else(|| malformed("no signatures"))?;
        let text = &note[..=head.len()];
        let signatures =
            signatures.strip_suffix('\n').ok_or_else(|| malformed("its end is cut"))?;
        let mut found = None;
        for line in signatures.split('\n') {
            let (name, signature) = line
                .strip_prefix(DASH)
                .and_then(|line| line.split_once(' '))
                .ok_or_else(|| malformed("a signature line is not one"))?;
            let signature = STANDARD.decode(signature);
            let signature = signature.map_err(|_| malformed("a signature is not base64"))?;
            if let Some((id, signature)) = signature.split_first_chunk::<4>()
                && name == self.name
                && *id == self.id()
            {
                found = Some(signature.to_vec());
                break;
            }
        }
        let signature = found.ok_or_else(|| untrusted(Untrusted::Signer))?;
        if !self.key.verify(text.as_bytes(), &signature) {
            return Err(untrusted(Untrusted::Signature));
        }
        let checkpoint = Checkpoint::parse(text)?;
        if checkpoint.origin == self.name {
            Ok(checkpoint)
        } else {
            Err(untrusted(Untrusted::Signer))
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let mut key = vec![ED25519];
        key.extend(self.key.as_bytes());
        write!(f, "{}+{id:08x}+{}", self.name, STANDARD.encode(key))
    }
}

impl FromStr for VerifierKey {
    type Err = LedgerError;

    fn from_str(text: &str) -> Result<Self, LedgerError> {
        let bad = |detail: &str| LedgerError::Malformed {
            what: "verifier key",
            detail: detail.to_owned(),
        };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("not three parts"));
        };
        let key = STANDARD.decode(key).map_err(|_| bad("not base64"))?;
        let Some((&ED25519, key)) = key.split_first() else { return Err(bad("not Ed25519")) };
        let key = key.try_into().map_err(|_| bad("not 32 bytes"))?;
        let read = Self::new(name, PublicKey::from_bytes(key)?)?;
        // The key id follows from the rest, so one comparison checks it.
        if read.to_string() == text { Ok(read) } else { Err(bad("its key id is another key's")) }
    }
}

fn malformed(detail: &str) -> LedgerError {
    LedgerError::Malformed { what: "checkpoint", detail: detail.to_owned() }
}

/// Algorithm number of Ed25519 in a verifier key.
const ED25519: u8 = 1;

/// Begins a signature line.
const DASH: &str = "\u{2014} ";

#[cfg(test)]
mod tests {
    use super::*;

    fn signed() -> (VerifierKey, Checkpoint, String) {
        let signer = Signer::from_seed(&[7; 32]);
        let origin = "example.org/graunt";
        let root = Digest::sha256(b"");
        let checkpoint = Checkpoint { origin: origin.to_owned(), size: 42, root };
        let note = checkpoint.sign(&signer);
        (VerifierKey::new(origin, signer.public()).unwrap(), checkpoint, note)
    }

    #[test]
    fn a_published_verifier_key_is_read() {
        // The Go checksum database's key, golang.org/x/mod/sumdb/note, which is on every machine
        // with Go; its id is the hash of name and key.
        let text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
        let key: VerifierKey = text.parse().unwrap();
        assert_eq!(key.id(), [0x03, 0x3d, 0xe0, 0xae]);
        assert_eq!(key.origin(), "sum.golang.org");
        assert_eq!(key.to_string(), text);
        let wrong = text.replace("033de0ae", "033de0af");
        assert!(wrong.parse::<VerifierKey>().is_err());
    }

    #[test]
    fn a_note_comes_back() {
        let (key, checkpoint, note) = signed();
        assert_eq!(key.open(&note, "here").unwrap(), checkpoint);
        assert!(note.starts_with(
            "example.org/graunt\n42\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\u{2014} "
        ));
        let witnessed = format!("{note}\u{2014} witness.example AAAAAAAA\n");
        assert_eq!(key.open(&witnessed, "here").unwrap(), checkpoint);
    }

    #[test]
    fn every_flipped_bit_is_detected() {
        let (key, _, note) = signed();
        for bit in 0..note.len() * 8 {
            let mut bytes = note.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert!(key.open(&text, "here").is_err(), "{text}");
        }
        for cut in (0..note.len()).filter(|cut| note.is_char_boundary(*cut)) {
            assert!(key.open(&note[..cut], "here").is_err());
        }
    }

    #[test]
    fn another_key_or_name_is_another_signer() {
        let (key, checkpoint, note) = signed();
        let other = VerifierKey::new("example.org/other", key.key()).unwrap();
        let signer =
            |error| matches!(error, Err(LedgerError::Untrusted { fault: Untrusted::Signer, .. }));
        assert!(signer(other.open(&note, "here")));
        let forged = checkpoint.sign(&Signer::from_seed(&[8; 32]));
        assert!(signer(key.open(&forged, "here")));
        for origin in ["", "a b", "a+b", "a\nb", "caf\u{e9}"] {
            assert!(check_origin(origin).is_err());
        }
    }
}
