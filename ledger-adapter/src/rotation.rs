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
use crate::note::VerifierKey;
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
    /// Follows a rotation of a site's key: whoever trusts the old key trusts the new one, and
    /// trusts what the old one attested before the rotation only. Of the log's key: whoever trusts
    /// either trusts the new one, and what the old one signed up to the rotation. One of a key that
    /// is not trusted changes nothing. Both keys vouch for each other, and nobody for the index:
    /// take a rotation from whom you would take a key.
    ///
    /// # Errors
    /// As [`Rotation::verify`]; [`LedgerError::Malformed`] if the log's key here is none.
    pub fn follow(&mut self, placed: &PlacedRotation) -> Result<(), LedgerError> {
        let rotation = Rotation::verify(&placed.statement)?;
        let Rotation { role, old, new } = rotation;
        if role == KeyRole::Log {
            return self.follow_log(&rotation, placed.index.saturating_add(1));
        }
        if self.keys.contains(&old) {
            if !self.keys.contains(&new) {
                self.keys.push(new);
            }
            self.retired.insert(old.keyid(), placed.index);
        }
        Ok(())
    }

    /// As [`Trust::follow`], of several in whatever order they are known.
    ///
    /// # Errors
    /// As [`Trust::follow`].
    pub fn follow_all(&mut self, placed: &[PlacedRotation]) -> Result<(), LedgerError> {
        let mut ordered: Vec<_> = placed.iter().collect();
        ordered.sort_by_key(|placed| placed.index);
        // Forth from a key that was replaced since, and back to those before.
        let (forth, back) = (ordered.iter(), ordered.iter().rev());
        forth.chain(back).try_for_each(|placed| self.follow(placed))
    }

    /// `size` is that of the checkpoint which both keys signed.
    fn follow_log(&mut self, rotation: &Rotation, size: u64) -> Result<(), LedgerError> {
        let Some(current) = &self.log_vkey else { return Ok(()) };
        let current: VerifierKey = current.parse()?;
        let named = |key| VerifierKey::new(current.origin(), key).map(|key| key.to_string());
        let (old, new) = (named(rotation.old)?, named(rotation.new)?);
        let mut size = size;
        if current.key() == rotation.old {
            self.log_vkey = Some(new);
        } else if let Some(later) = self.former_logs.get(&new) {
            // No key vouches for more than it was believed itself.
            size = size.min(*later);
        } else if current.key() != rotation.new {
            return Ok(());
        }
        let largest = self.former_logs.entry(old).or_insert(size);
        *largest = size.min(*largest);
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
    fn trust_in_a_log_goes_on_to_its_new_keys_and_back_to_its_old_ones() {
        let signers = [1, 2, 3].map(|seed| Signer::from_seed(&[seed; 32]));
        let [first, second, third] = [0, 1, 2].map(|at: usize| {
            VerifierKey::new("example.org/log", signers[at].public()).unwrap().to_string()
        });
        let placed = |index, old: usize, new: usize| PlacedRotation {
            index,
            statement: Rotation::sign(KeyRole::Log, &signers[old], &signers[new]).unwrap(),
        };
        let trusting = |vkey: &String| Trust { log_vkey: Some(vkey.clone()), ..Trust::default() };
        let all = [(first.clone(), 5), (second.clone(), 9)].into();
        for begun in [&first, &second, &third] {
            for rotations in
                [[placed(4, 0, 1), placed(8, 1, 2)], [placed(8, 1, 2), placed(4, 0, 1)]]
            {
                let mut trust = trusting(begun);
                trust.follow_all(&rotations).unwrap();
                assert_eq!((trust.log_vkey.as_ref(), &trust.former_logs), (Some(&third), &all));
                assert!(trust.keys.is_empty() && trust.retired.is_empty());
            }
        }
        // A thief of the first key moves nobody who knows what came after it.
        let mut trust = trusting(&third);
        trust.follow_all(&[placed(4, 0, 1), placed(8, 1, 2)]).unwrap();
        let before = trust.clone();
        let thief = Signer::from_seed(&[9; 32]);
        let statement = Rotation::sign(KeyRole::Log, &signers[0], &thief).unwrap();
        trust.follow_all(&[PlacedRotation { index: 7, statement }]).unwrap();
        // Nor do larger sizes, sites' rotations, or trust in no log.
        trust.follow(&placed(6, 0, 1)).unwrap();
        assert_eq!(trust, before);
        // Nor does one vouch for somebody else beyond where it ended itself.
        let statement = Rotation::sign(KeyRole::Log, &thief, &signers[0]).unwrap();
        trust.follow(&PlacedRotation { index: 100, statement }).unwrap();
        let vkey = VerifierKey::new("example.org/log", thief.public()).unwrap().to_string();
        assert_eq!(trust.former_logs.remove(&vkey), Some(5));
        assert_eq!(trust, before);
        let mut none = Trust::default();
        none.follow_all(&[placed(4, 0, 1)]).unwrap();
        assert_eq!(none, Trust::default());
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
