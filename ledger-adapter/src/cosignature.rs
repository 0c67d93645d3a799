//! What others sign about a checkpoint of a log: that they saw it, and that it continues what they
//! saw before.
//!
//! ```text
//! cosignature/v1              fixed
//! time 1795305600             when, in seconds since 1970
//! example.org/graunt          the text of the note
//! 42
//! 5Mf0t…=
//! ```
//! The signed text does not hold the cosigner's name. So every log, witness and mirror must have a
//! key of its own, which [`crate::policy`] checks.
//!
//! # Source
//! C2SP tlog-cosignature v1.0.1, Ed25519.

use crate::error::{LedgerError, Untrusted};
use crate::keys::Signer;
use crate::note::{Note, NoteKey, SignatureLine};

/// The public key of a cosigner, under the cosigner's name.
pub type CosignerKey = NoteKey<COSIGNATURE>;

/// A witness or mirror that signs.
#[derive(Clone, Debug)]
pub struct Cosigner {
    key: CosignerKey,
    signer: Signer,
}

impl Cosigner {
    /// Names a key, which must be used for nothing else.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if the name is not one; see [`crate::note::check_origin`].
    pub fn new(name: &str, signer: Signer) -> Result<Self, LedgerError> {
        Ok(Self { key: CosignerKey::new(name, signer.public())?, signer })
    }

    /// The public half.
    pub const fn key(&self) -> &CosignerKey {
        &self.key
    }

    /// Signs the text of a checkpoint at a time in seconds since 1970. Whoever calls this has
    /// verified that the checkpoint continues what was signed before.
    pub(crate) fn cosign(&self, text: &str, time: u64) -> SignatureLine {
        let mut signature = time.to_be_bytes().to_vec();
        signature.extend(self.signer.sign(message(text, time).as_bytes()));
        SignatureLine { name: self.key.name().to_owned(), id: self.key.id(), signature }
    }
}

impl CosignerKey {
    /// Verifies this key's cosignature on a note, and gives its time in seconds since 1970; `None`
    /// if the key has not signed it. `place` is where the note was found, for the error.
    ///
    /// # Errors
    /// [`Untrusted::Signature`] if the line of this key does not verify.
    pub fn verify(&self, note: &Note, place: &str) -> Result<Option<u64>, LedgerError> {
        self.line(note).map(|line| self.verify_line(note.text(), line, place)).transpose()
    }

    /// Verifies a line for the text of a note, and gives its time.
    ///
    /// # Errors
    /// [`Untrusted::Signature`], also for the line of another key.
    pub fn verify_line(
        &self,
        text: &str,
        line: &SignatureLine,
        place: &str,
    ) -> Result<u64, LedgerError> {
        let signed = line.signature.split_first_chunk::<8>();
        let signed = signed.map(|(time, signature)| (u64::from_be_bytes(*time), signature));
        match signed {
            Some((time, signature))
                if time <= TIME_MAX
                    && line.is_of(self.name(), self.id())
                    && self.key().verify(message(text, time).as_bytes(), signature) =>
            {
                Ok(time)
            }
            _ => {
                let fault = Untrusted::Signature;
                Err(LedgerError::Untrusted { place: place.to_owned(), fault })
            }
        }
    }
}

fn message(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// Type of keys that cosign with Ed25519.
const COSIGNATURE: u8 = 4;

/// The latest time of a cosignature.
const TIME_MAX: u64 = i64::MAX.unsigned_abs();

#[cfg(test)]
mod tests {
    use signed_note::{StandardVerifier, VerifierList};

    use super::*;
    use crate::digest::Digest;
    use crate::note::{Checkpoint, VerifierKey};

    const TIME: u64 = 1_679_315_147;

    fn signer(seed: u8) -> Signer {
        Signer::from_seed(&[seed; 32])
    }

    fn cosigned() -> (Cosigner, Note) {
        let cosigner = Cosigner::new("witness.example/w1", signer(2)).unwrap();
        let origin = "example.org/graunt".to_owned();
        let checkpoint = Checkpoint { origin, size: 42, root: Digest::sha256(b"") };
        let mut note = Note::parse(&checkpoint.sign(&signer(1))).unwrap();
        note.add(cosigner.cosign(note.text(), TIME)).unwrap();
        (cosigner, note)
    }

    #[test]
    fn a_cosignature_is_72_bytes_over_the_written_down_message() {
        let (cosigner, note) = cosigned();
        let line = &note.signatures()[1];
        assert_eq!(line.signature.len(), 72);
        assert_eq!(line.signature[..8], TIME.to_be_bytes());
        let message = "cosignature/v1\ntime 1679315147\nexample.org/graunt\n42\n\
                       47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
        assert!(cosigner.key().key().verify(message.as_bytes(), &line.signature[8..]));
        assert_eq!(cosigner.key().verify(&note, "here").unwrap(), Some(TIME));
        let again = Note::parse(&note.to_string()).unwrap();
        assert_eq!(again, note);
    }

    #[test]
    fn a_log_and_a_cosigner_do_not_read_each_others_keys_and_signatures() {
        let (cosigner, note) = cosigned();
        let log = VerifierKey::new("example.org/graunt", signer(1).public()).unwrap();
        assert_eq!(log.verify(&note, "here").unwrap().size, 42);
        // One private key and one name in two roles have two ids.
        let same = VerifierKey::new("witness.example/w1", signer(2).public()).unwrap();
        assert_ne!(same.id(), cosigner.key().id());
        assert!(same.verify(&note, "here").is_err());
        assert!(cosigner.key().to_string().parse::<VerifierKey>().is_err());
        assert!(log.to_string().parse::<CosignerKey>().is_err());
        let text = cosigner.key().to_string();
        assert_eq!(&text.parse::<CosignerKey>().unwrap(), cosigner.key());
        let stranger = CosignerKey::new("witness.example/w2", signer(2).public()).unwrap();
        assert_eq!(stranger.verify(&note, "here").unwrap(), None);
        assert!(stranger.verify_line(note.text(), &note.signatures()[1], "here").is_err());
    }

    #[test]
    fn every_flipped_bit_and_truncation_is_detected() {
        let (cosigner, note) = cosigned();
        let log = VerifierKey::new("example.org/graunt", signer(1).public()).unwrap();
        let text = note.to_string();
        let holds = |text: &str| {
            Note::parse(text).is_ok_and(|note| {
                log.verify(&note, "here").is_ok()
                    && matches!(cosigner.key().verify(&note, "here"), Ok(Some(_)))
            })
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
    fn two_signatures_of_one_key_and_odd_lines_are_refused() {
        let (cosigner, mut note) = cosigned();
        assert!(note.add(cosigner.cosign(note.text(), TIME + 1)).is_err());
        let text = note.to_string();
        let line = format!("{}\n", note.signatures()[1]);
        assert!(Note::parse(&format!("{text}{line}")).is_err());
        assert!(Note::parse(&text.replace("\u{2014} witness", "- witness")).is_err());
        assert!(Note::parse(&text.replace("witness.example/w1", "witness+1")).is_err());
        assert!(Note::parse(&text.replace('\n', "\r\n")).is_err());
        assert!(Note::parse(&format!("{text}\n")).is_err());
        assert!(Note::parse("\n\n").is_err() && Note::parse("").is_err());
        let late = cosigner.cosign(note.text(), u64::MAX);
        assert!(cosigner.key().verify_line(note.text(), &late, "here").is_err());
    }

    #[test]
    fn a_checkpoint_of_a_public_log_is_read_with_its_public_witness() {
        // The staging log arche2025h1 as cosigned by remora.n621.de in May 2026, of which the
        // lines of a third and fourth key are kept as well.
        let name = "arche2025h1.staging.ct.transparency.dev";
        let text = format!(
            "{name}\n1432088532\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n\n\
             \u{2014} {name} zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzal\
             ApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=\n\
             \u{2014} {name} ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bf\
             TW9g8Ei59RA23oHP7Ry1k3ZFWwQ=\n\
             \u{2014} transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwj\
             MWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==\n\
             \u{2014} remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiX\
             Cg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==\n"
        );
        let key = format!("{name}+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f");
        let key: VerifierKey = key.parse().unwrap();
        let witness = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2";
        let witness: CosignerKey = witness.parse().unwrap();
        let note = Note::parse(&text).unwrap();
        assert_eq!(note.to_string(), text);
        assert_eq!(key.verify(&note, "here").unwrap().size, 1_432_088_532);
        assert_eq!(witness.verify(&note, "here").unwrap(), Some(1_779_573_024));
        let other = Note::parse(&text.replace("\n1432088532\n", "\n1432088533\n")).unwrap();
        assert!(key.verify(&other, "here").is_err() && witness.verify(&other, "here").is_err());
    }

    #[test]
    fn others_code_reads_our_notes() {
        let (_, note) = cosigned();
        let log = VerifierKey::new("example.org/graunt", signer(1).public()).unwrap();
        let theirs = StandardVerifier::new(&log.to_string()).unwrap();
        let read = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
        let (known, unknown) = read.verify(&VerifierList::new(vec![Box::new(theirs)])).unwrap();
        assert_eq!((known.len(), unknown.len()), (1, 1));
        assert_eq!(read.text(), note.text().as_bytes());
    }
}
