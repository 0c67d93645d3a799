//! Shares on their way to a holder: encrypted to it, so that whoever carries them reads nothing.
//!
//! # Source
//! RFC 9180 (HPKE), base mode, with X-Wing (X25519 and ML-KEM-768), TurboSHAKE128 and
//! ChaCha20-Poly1305: what travels today is not opened by a quantum computer later.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::KdfTurboShake128;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use ledger_adapter::digest::Digest;

use crate::federation::transport::Refusal;

type PublicKey = <XWing as Kem>::PublicKey;
type PrivateKey = <XWing as Kem>::PrivateKey;
type Capsule = <XWing as Kem>::EncappedKey;

/// A holder's key for shares.
pub struct ParcelKey {
    private: PrivateKey,
    public: PublicKey,
}

impl fmt::Debug for ParcelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParcelKey({:.16}…)", self.public())
    }
}

impl ParcelKey {
    /// The key that follows from 32 secret random bytes.
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        let (private, public) = XWing::derive_keypair(secret);
        Self { private, public }
    }

    /// The public half, base64.
    pub fn public(&self) -> String {
        STANDARD.encode(self.public.to_bytes())
    }

    /// Opens a parcel for this key; `about` is what it was sealed with.
    pub(super) fn open(&self, parcel: &[u8], about: &Digest) -> Result<Vec<u8>, Refusal> {
        let broken = || Refusal::refused("a parcel of shares does not open");
        let (capsule, rest) = parcel.split_at_checked(Capsule::size()).ok_or_else(broken)?;
        let capsule = Capsule::from_bytes(capsule).map_err(|_| broken())?;
        hpke::single_shot_open::<ChaCha20Poly1305, KdfTurboShake128, XWing>(
            &OpModeR::Base,
            &self.private,
            &capsule,
            INFO,
            rest,
            about.as_bytes(),
        )
        .map_err(|_| broken())
    }
}

/// Reads a public key.
pub(super) fn public_key(text: &str) -> Result<PublicKey, Refusal> {
    let bytes = STANDARD.decode(text).unwrap_or_default();
    PublicKey::from_bytes(&bytes).map_err(|_| Refusal::refused("a parcel key is none"))
}

/// Seals bytes for a holder.
pub(super) fn seal(key: &str, bytes: &[u8], about: &Digest) -> Result<Vec<u8>, Refusal> {
    let key = public_key(key)?;
    let sealed = hpke::single_shot_seal::<ChaCha20Poly1305, KdfTurboShake128, XWing>(
        &OpModeS::Base,
        &key,
        INFO,
        bytes,
        about.as_bytes(),
    );
    let (capsule, rest) = sealed.map_err(|_| Refusal::failed("a parcel cannot be sealed"))?;
    Ok([capsule.to_bytes().as_slice(), &rest].concat())
}

const INFO: &[u8] = b"graunt/parcel/v1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_holder_opens_a_parcel_and_only_as_what_it_was_sealed() {
        let (key, other) = (ParcelKey::from_secret(&[1; 32]), ParcelKey::from_secret(&[2; 32]));
        let about = Digest::sha256(b"query, round, party");
        let parcel = seal(&key.public(), b"share", &about).unwrap();
        assert_eq!(key.open(&parcel, &about).unwrap(), b"share");
        assert!(other.open(&parcel, &about).is_err());
        assert!(key.open(&parcel, &Digest::sha256(b"another round")).is_err());
        for at in (0..parcel.len()).step_by(7) {
            let mut changed = parcel.clone();
            changed[at] ^= 1;
            assert!(key.open(&changed, &about).is_err(), "{at}");
        }
        assert!(key.open(&parcel[..100], &about).is_err());
        assert!(seal("AAAA", b"share", &about).is_err());
    }
}
