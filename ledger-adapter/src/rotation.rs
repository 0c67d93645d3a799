//! The statement with which a key puts another in its place, so that others can follow.
//!
//! ```text
//! statement: new takes the place of old ── signed by both ──▶ kept beside the keys, handed out
//! ledger entry: digests of both keys ─────── placed ────────▶ from here on, old attests nothing
//! ```
//! The old key's signature says that its owner wants it, the new one's that the owner has it. A key
//! that is lost cannot be replaced so: its extracts are revoked, and a fresh key attests anew, for
//! the same account.
//!
//! It does not know where the private halves are; see [`crate::keys`].

use serde::{Deserialize, Serialize};

use crate::charge::{KeyRole, KeyRotation};
use crate::error::{LedgerError, Untrusted};
use crate::keys::{PublicKey, Signer};
use crate::receipt::Trust;
use crate::statement::{Envelope, STATEMENT_TYPE, Statement, Subject};

/// Which key takes the place of which.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// What the key is for.
    pub role: KeyRole,
    /// The key that is retired.
    pub old: PublicKey,
    /// The key that takes its place.
    pub new: PublicKey,
}

impl Rotation {
    /// Says that `new` takes the place of `old`, signed by both. The same keys give the same bytes.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if they are one key.
    pub fn sign(role: KeyRole, old: &Signer, new: &Signer) -> Result<Envelope, LedgerError> {
        let rotation = Self { role, old: old.public(), new: new.public() };
        if rotation.old == rotation.new {
            return Err(LedgerError::Refused { rule: "a key takes the place of another" });
        }
        let mut envelope = Envelope::sign(&rotation.statement(), old)?;
        envelope.countersign(new)?;
        Ok(envelope)
    }

    /// Reads a statement that both of its keys signed.
    ///
    /// # Errors
    /// [`Untrusted::Signer`] or [`Untrusted::Signature`] if either did not,
    /// [`Untrusted::Disagrees`] if it is about another key, [`LedgerError::Malformed`].
    pub fn verify(envelope: &Envelope) -> Result<Self, LedgerError> {
        let payload = envelope.payload()?;
        let read = Statement::<Self>::from_payload(&payload, ROTATION_TYPE)?;
        let rotation = read.predicate;
        for key in [rotation.old, rotation.new] {
            envelope.verify(&[key])?;
        }
        if rotation.old == rotation.new || read.subject != rotation.statement().subject {
            let fault = Untrusted::Disagrees("it is not about the key that it names");
            return Err(LedgerError::Untrusted { place: "key rotation".to_owned(), fault });
        }
        Ok(rotation)
    }

    /// What goes on the ledger.
    pub fn entry(&self) -> KeyRotation {
        KeyRotation { role: self.role, old: self.old.keyid(), new: self.new.keyid() }
    }

    fn statement(&self) -> Statement<Self> {
        Statement {
            kind: STATEMENT_TYPE.to_owned(),
            subject: vec![Subject::new("key", "sha256", self.new.keyid())],
            predicate_type: ROTATION_TYPE.to_owned(),
            predicate: *self,
        }
    }
}

/// A rotation as it is kept: the statement, and where the ledger has it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacedRotation {
    /// Index of the ledger entry.
    pub index: u64,
    /// Signed by both keys.
    pub statement: Envelope,
}

impl Trust {
    /// Follows a rotation: whoever trusts the old key trusts the new one, and trusts what the old
    /// one attested before the rotation only. One of a key that is not trusted changes nothing.
    ///
    /// # Errors
    /// As [`Rotation::verify`].
    pub fn follow(&mut self, placed: &PlacedRotation) -> Result<(), LedgerError> {
        let Rotation { old, new, .. } = Rotation::verify(&placed.statement)?;
        if self.keys.contains(&old) {
            if !self.keys.contains(&new) {
                self.keys.push(new);
            }
            self.retired.insert(old.keyid(), placed.index);
        }
        Ok(())
    }
}

/// Type of the predicate about a key.
pub const ROTATION_TYPE: &str = "https://graunt.dev/attestation/key-rotation/v1";

#[cfg(test)]
mod tests {
    use super::*;

    fn signers() -> (Signer, Signer) {
        (Signer::from_seed(&[1; 32]), Signer::from_seed(&[2; 32]))
    }

    #[test]
    fn both_keys_sign_and_the_entry_names_both() {
        let (old, new) = signers();
        let statement = Rotation::sign(KeyRole::Site, &old, &new).unwrap();
        let rotation = Rotation::verify(&statement).unwrap();
        assert_eq!((rotation.old, rotation.new), (old.public(), new.public()));
        let entry = rotation.entry();
        assert_eq!((entry.old, entry.new), (old.public().keyid(), new.public().keyid()));
        assert_eq!(Rotation::sign(KeyRole::Site, &old, &new).unwrap(), statement);
        assert!(Rotation::sign(KeyRole::Site, &old, &old).is_err());
    }

    #[test]
    fn one_signature_is_not_enough() {
        let (old, new) = signers();
        let statement = Rotation::sign(KeyRole::Site, &old, &new).unwrap();
        for at in 0..2 {
            let mut one = statement.clone();
            one.signatures.remove(at);
            let fault = Rotation::verify(&one);
            assert!(matches!(fault, Err(LedgerError::Untrusted { fault: Untrusted::Signer, .. })));
            let mut forged = statement.clone();
            forged.signatures[at].sig = statement.signatures[1 - at].sig.clone();
            let fault = Rotation::verify(&forged);
            assert!(matches!(
                fault,
                Err(LedgerError::Untrusted { fault: Untrusted::Signature, .. })
            ));
        }
        let rotation = Rotation::verify(&statement).unwrap();
        let mut other = rotation.statement();
        other.subject[0] = Subject::new("key", "sha256", old.public().keyid());
        let mut other = Envelope::sign(&other, &old).unwrap();
        other.countersign(&new).unwrap();
        assert!(Rotation::verify(&other).is_err());
    }

    #[test]
    fn trust_follows_a_chain_and_only_from_a_key_that_it_has() {
        let (first, second) = signers();
        let third = Signer::from_seed(&[3; 32]);
        let placed = |index, old: &Signer, new: &Signer| PlacedRotation {
            index,
            statement: Rotation::sign(KeyRole::Site, old, new).unwrap(),
        };
        let mut trust = Trust { keys: vec![first.public()], ..Trust::default() };
        trust.follow(&placed(9, &second, &third)).unwrap();
        assert_eq!(trust.keys, [first.public()], "nobody vouches for the second");
        trust.follow(&placed(4, &first, &second)).unwrap();
        trust.follow(&placed(9, &second, &third)).unwrap();
        assert_eq!(trust.keys, [first.public(), second.public(), third.public()]);
        let retired = [(first.public().keyid(), 4), (second.public().keyid(), 9)];
        assert_eq!(trust.retired, retired.into());
    }
}
