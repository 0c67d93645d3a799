//! Signed checkpoints of a log, as text that other tools read.
//!
//! ```text
//! example.org/graunt          origin, which is also the name of the key
//! 42                          number of entries
//! 5Mf0t…=                     root over them, base64
//!
//! — example.org/graunt Az3…=  4 bytes of key id and the Ed25519 signature, base64
//! ```
//! Signatures of other keys may follow; see [`crate::cosignature`]. Extension lines are refused.
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
        self.sign_by([signer])
    }

    /// As [`Checkpoint::sign`], by several keys of the log, in their order.
    pub(crate) fn sign_by<'a>(&self, signers: impl IntoIterator<Item = &'a Signer>) -> String {
        let text = self.text();
        let line = |signer: &Signer| {
            let key = VerifierKey { name: self.origin.clone(), key: signer.public() };
            let signature = signer.sign(text.as_bytes()).to_vec();
            SignatureLine { name: self.origin.clone(), id: key.id(), signature }
        };
        let signatures = signers.into_iter().map(line).collect();
        Note { text, signatures }.to_string()
    }

    /// The three lines that are signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.as_bytes()))
    }

    /// Reads the three lines, and accepts nothing but their one spelling.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
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

/// A note: text, and who signed it. Reading one verifies nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

/// One signature of a note.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignatureLine {
    pub(crate) name: String,
    pub(crate) id: [u8; 4],
    pub(crate) signature: Vec<u8>,
}

impl Note {
    /// Reads a note, and accepts nothing but its one spelling.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if it is none, or has no signature, more than
    /// [`SIGNATURES_MAX`], or two of one key.
    pub fn parse(note: &str) -> Result<Self, LedgerError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(malformed("too long"));
        }
        if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
            return Err(malformed("a control character"));
        }
        let (head, lines) = note.rsplit_once("\n\n").ok_or_else(|| malformed("no signatures"))?;
        let lines = lines.strip_suffix('\n').ok_or_else(|| malformed("its end is cut"))?;
        let mut read = Self { text: note[..=head.len()].to_owned(), signatures: Vec::new() };
        for line in lines.split('\n') {
            read.add(SignatureLine::parse(line)?)?;
        }
        Ok(read)
    }

    /// What is signed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in the order of the note.
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// Reads the text as a checkpoint; nothing is verified by that.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`].
    pub fn checkpoint(&self) -> Result<Checkpoint, LedgerError> {
        Checkpoint::parse(&self.text)
    }

    /// Adds a signature at the end.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if there is one of this key, or no room for another.
    pub fn add(&mut self, line: SignatureLine) -> Result<(), LedgerError> {
        if self.signatures.iter().any(|found| found.is_of(&line.name, line.id)) {
            return Err(malformed("two signatures of one key"));
        }
        if self.signatures.len() == SIGNATURES_MAX {
            return Err(malformed("too many signatures"));
        }
        self.signatures.push(line);
        Ok(())
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl SignatureLine {
    /// Reads a line, without its newline.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`].
    pub fn parse(line: &str) -> Result<Self, LedgerError> {
        let bad = || malformed("a signature line is not one");
        let (name, signature) =
            line.strip_prefix(DASH).and_then(|line| line.split_once(' ')).ok_or_else(bad)?;
        if name.is_empty() || name.contains(|letter: char| letter.is_whitespace() || letter == '+')
        {
            return Err(bad());
        }
        let signature = STANDARD.decode(signature);
        let signature = signature.map_err(|_| malformed("a signature is not base64"))?;
        let (id, signature) = signature.split_first_chunk::<4>().ok_or_else(bad)?;
        if signature.is_empty() {
            return Err(bad());
        }
        Ok(Self { name: name.to_owned(), id: *id, signature: signature.to_vec() })
    }

    /// Whether it says that it is of the key of this name and id.
    pub(crate) fn is_of(&self, name: &str, id: [u8; 4]) -> bool {
        self.name == name && self.id == id
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.id, self.signature.as_slice()].concat();
        write!(f, "{DASH}{} {}", self.name, STANDARD.encode(bytes))
    }
}

/// The public key of a log, under the log's name.
pub type VerifierKey = NoteKey<ED25519>;

/// A public key with the name under which it signs notes: `<name>+<key id>+<base64>`. `TYPE` says
/// what its signatures are of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NoteKey<const TYPE: u8> {
    name: String,
    key: PublicKey,
}

impl<const TYPE: u8> NoteKey<TYPE> {
    /// Names a key.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if the name is not one; see [`check_origin`].
    pub fn new(name: &str, key: PublicKey) -> Result<Self, LedgerError> {
        check_origin(name)?;
        Ok(Self { name: name.to_owned(), key })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key.
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// First four bytes of SHA-256 of name, newline, type and key.
    pub fn id(&self) -> [u8; 4] {
        let hash = Sha256::new().chain_update(&self.name).chain_update([b'\n', TYPE]);
        let hash: [u8; 32] = hash.chain_update(self.key.as_bytes()).finalize().into();
        let [a, b, c, d, ..] = hash;
        [a, b, c, d]
    }

    /// The line of a note that says it is of this key; nothing is verified.
    pub(crate) fn line<'a>(&self, note: &'a Note) -> Option<&'a SignatureLine> {
        let id = self.id();
        note.signatures.iter().find(|line| line.is_of(&self.name, id))
    }
}

impl VerifierKey {
    /// Name of the log.
    pub fn origin(&self) -> &str {
        &self.name
    }

    /// Verifies a note and reads its checkpoint; `place` is where it was found, for the error.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if it is not a note, [`Untrusted::Signer`] if this key did not
    /// sign it or its origin is another, [`Untrusted::Signature`] if the signature is wrong.
    pub fn open(&self, note: &str, place: &str) -> Result<Checkpoint, LedgerError> {
        self.verify(&Note::parse(note)?, place)
    }

    /// As [`VerifierKey::open`], of a note that was read.
    ///
    /// # Errors
    /// As [`VerifierKey::open`].
    pub fn verify(&self, note: &Note, place: &str) -> Result<Checkpoint, LedgerError> {
        let untrusted = |fault| LedgerError::Untrusted { place: place.to_owned(), fault };
        let line = self.line(note).ok_or_else(|| untrusted(Untrusted::Signer))?;
        if !self.key.verify(note.text.as_bytes(), &line.signature) {
            return Err(untrusted(Untrusted::Signature));
        }
        let checkpoint = note.checkpoint()?;
        if checkpoint.origin == self.name {
            Ok(checkpoint)
        } else {
            Err(untrusted(Untrusted::Signer))
        }
    }
}

/// As [`VerifierKey::verify`], by the first of a log's keys that the note says signed it.
pub(crate) fn verify_by_any(
    keys: &[VerifierKey],
    note: &Note,
    place: &str,
) -> Result<Checkpoint, LedgerError> {
    match keys.iter().find(|key| key.line(note).is_some()) {
        Some(key) => key.verify(note, place),
        None => Err(LedgerError::Untrusted { place: place.to_owned(), fault: Untrusted::Signer }),
    }
}

impl<const TYPE: u8> fmt::Display for NoteKey<TYPE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let mut key = vec![TYPE];
        key.extend(self.key.as_bytes());
        write!(f, "{}+{id:08x}+{}", self.name, STANDARD.encode(key))
    }
}

impl<const TYPE: u8> FromStr for NoteKey<TYPE> {
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
        let key = match key.split_first() {
            Some((found, key)) if *found == TYPE => key,
            Some((found, _)) => return Err(bad(&format!("of type {found} instead of {TYPE}"))),
            None => return Err(bad("empty")),
        };
        let key = key.try_into().map_err(|_| bad("not 32 bytes"))?;
        let read = Self::new(name, PublicKey::from_bytes(key)?)?;
        // The key id follows from the rest, so one comparison checks it.
        if read.to_string() == text { Ok(read) } else { Err(bad("its key id is another key's")) }
    }
}

fn malformed(detail: &str) -> LedgerError {
    LedgerError::Malformed { what: "checkpoint", detail: detail.to_owned() }
}

/// Most signatures of a note.
pub const SIGNATURES_MAX: usize = 64;

/// Longest note in bytes.
pub const NOTE_BYTES_MAX: usize = 65_536;

/// Type of keys that sign the text of a note with Ed25519.
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
