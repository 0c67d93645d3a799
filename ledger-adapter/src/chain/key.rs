//! The key that signs transactions: secp256k1, in a file that only its owner may read.
//!
//! It pays for gas and holds roles on the contract; it signs no statement and no checkpoint. One
//! process at a time uses it. There is no passphrase: the file is as safe as the account that owns
//! it, and a thief can waste the budget but not enlarge it.

use std::fmt;
use std::path::Path;

use alloy_primitives::{Address, B256, Signature};
use k256::ecdsa::SigningKey;
use zeroize::Zeroizing;

use crate::digest::Digest;
use crate::durable;
use crate::error::{LedgerError, Untrusted};

/// A secp256k1 private key. `Debug` shows its address.
#[derive(Clone)]
pub struct ChainKey(SigningKey);

impl ChainKey {
    /// Takes a key of 32 bytes, big-endian.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if it is zero, or not below the order of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, LedgerError> {
        let key = SigningKey::from_slice(bytes);
        key.map(Self).map_err(|_| malformed("not a number below the order of the curve"))
    }

    /// Reads a key from a file of 64 hex digits and a newline.
    ///
    /// # Errors
    /// [`Untrusted::Missing`], [`Untrusted::Exposed`] if others may read the file,
    /// [`LedgerError::Malformed`], or [`LedgerError::Store`].
    pub fn load(path: &Path) -> Result<Self, LedgerError> {
        let missing = || LedgerError::Untrusted {
            place: path.display().to_string(),
            fault: Untrusted::Missing,
        };
        let text = Zeroizing::new(durable::read_secret(path)?.ok_or_else(missing)?);
        let digits = std::str::from_utf8(&text).ok().and_then(|text| text.strip_suffix('\n'));
        let digits = digits.ok_or_else(|| malformed("not a line of text"))?;
        let mut bytes = Zeroizing::new([0; 32]);
        alloy_primitives::hex::decode_to_slice(digits, bytes.as_mut())
            .map_err(|_| malformed("not 64 hex digits"))?;
        Self::from_bytes(&bytes)
    }

    /// As [`ChainKey::load`], but makes a key, mode 0600, if there is no file.
    ///
    /// # Errors
    /// As [`ChainKey::load`], and [`LedgerError::Entropy`].
    pub fn load_or_create(path: &Path) -> Result<Self, LedgerError> {
        if !path.exists() {
            let bytes = Zeroizing::new(*Digest::random()?.as_bytes());
            // Checks that it is a key: all but one in 2^127 numbers are.
            Self::from_bytes(&bytes)?;
            let line = Zeroizing::new(format!("{}\n", Digest::from_bytes(*bytes)));
            durable::create(path, line.as_bytes(), durable::PRIVATE)?;
        }
        Self::load(path)
    }

    /// The address that it sends from, with its check digits: `0x` and 40 hex digits.
    pub fn address(&self) -> String {
        self.sender().to_string()
    }

    pub(super) fn sender(&self) -> Address {
        Address::from_public_key(self.0.verifying_key())
    }

    pub(super) fn sign(&self, hash: B256) -> Result<Signature, LedgerError> {
        let signed = self.0.sign_prehash_recoverable(hash.as_slice());
        signed.map(Signature::from).map_err(|_| malformed("it cannot sign"))
    }
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainKey({})", self.address())
    }
}

fn malformed(detail: &str) -> LedgerError {
    LedgerError::Malformed { what: "key of the chain", detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_published_key_has_its_published_address() {
        // The first account of the mnemonic "test test ... junk" that development nodes use.
        let key = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
        let key = ChainKey::from_bytes(key.parse::<Digest>().unwrap().as_bytes()).unwrap();
        assert_eq!(key.address(), "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
        assert_eq!(format!("{key:?}"), "ChainKey(0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266)");
    }

    #[test]
    fn a_key_stays_and_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("chain.key");
        let made = ChainKey::load_or_create(&path).unwrap();
        assert_eq!(ChainKey::load_or_create(&path).unwrap().address(), made.address());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = ChainKey::load(&path).unwrap_err();
        assert!(matches!(error, LedgerError::Untrusted { fault: Untrusted::Exposed, .. }));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert!(ChainKey::from_bytes(&[0; 32]).is_err());
        assert!(ChainKey::from_bytes(&[0xff; 32]).is_err());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("chain.key");
        assert!(ChainKey::load(&path).is_err());
        for text in ["", "00\n", &"11".repeat(32), &format!("{}\n", "zz".repeat(32))] {
            durable::replace(&path, text.as_bytes(), durable::PRIVATE).unwrap();
            assert!(ChainKey::load(&path).is_err(), "{text}");
        }
    }
}
