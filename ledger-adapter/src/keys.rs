//! Ed25519 keys and random secrets, in files that only their owner may read.
//!
//! Private things are wiped from memory when dropped and print nothing. There is no passphrase: the
//! directory is as safe as the account that owns it.

pub mod rotation;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::digest::Digest;
use crate::durable;
use crate::error::{LedgerError, Untrusted};

/// An Ed25519 public key. Written as 44 characters of base64.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes the 32 bytes of a key.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if they are not a point, or one of the few weak ones.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, LedgerError> {
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(bytes)),
            _ => Err(malformed("public key", "not a point of the curve, or a weak one")),
        }
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Name of the key: SHA-256 of its bytes.
    pub fn keyid(&self) -> Digest {
        Digest::sha256(&self.0)
    }

    /// Whether this key signed `message`; strictly, so that no signature has a second form.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = VerifyingKey::from_bytes(&self.0);
        let signature = Signature::from_slice(signature);
        matches!((key, signature), (Ok(key), Ok(signature))
            if key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = LedgerError;

    fn from_str(text: &str) -> Result<Self, LedgerError> {
        let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        Self::from_bytes(bytes.ok_or_else(|| malformed("public key", "not 32 bytes of base64"))?)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = LedgerError;

    fn try_from(text: String) -> Result<Self, LedgerError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

/// An Ed25519 private key. `Debug` shows the public half.
#[derive(Clone)]
pub struct Signer(SigningKey);

impl Signer {
    /// Draws a key from the operating system's randomness.
    ///
    /// # Errors
    /// [`LedgerError::Entropy`].
    pub fn generate() -> Result<Self, LedgerError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|_| LedgerError::Entropy)?;
        Ok(Self::from_seed(&seed))
    }

    /// Makes the key of a seed (RFC 8032 §5.1.5), which must be secret and random.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads a key from a PKCS#8 PEM file.
    ///
    /// # Errors
    /// [`Untrusted::Missing`], [`Untrusted::Exposed`] if others may read the file,
    /// [`LedgerError::Malformed`], or [`LedgerError::Store`].
    pub fn load(path: &Path) -> Result<Self, LedgerError> {
        Self::load_if_any(path)?.ok_or_else(|| LedgerError::Untrusted {
            place: path.display().to_string(),
            fault: Untrusted::Missing,
        })
    }

    /// As [`Signer::load`], but makes a key, mode 0600, if there is no file. Of several processes
    /// that do so at once, all use the key of the first.
    ///
    /// # Errors
    /// As [`Signer::load`], and [`LedgerError::Entropy`].
    pub fn load_or_create(path: &Path) -> Result<Self, LedgerError> {
        if let Some(found) = Self::load_if_any(path)? {
            return Ok(found);
        }
        let made = Self::generate()?;
        let pem = made.0.to_pkcs8_pem(LineEnding::LF);
        let pem = pem.map_err(|_| malformed("private key", "no PKCS#8 form"))?;
        durable::create(path, pem.as_bytes(), durable::PRIVATE)?;
        Self::load(path)
    }

    fn load_if_any(path: &Path) -> Result<Option<Self>, LedgerError> {
        let Some(bytes) = durable::read_secret(path)?.map(Zeroizing::new) else { return Ok(None) };
        let pem = std::str::from_utf8(&bytes).ok();
        match pem.and_then(|pem| SigningKey::from_pkcs8_pem(pem).ok()) {
            Some(key) => Ok(Some(Self(key))),
            None => Err(malformed("private key", format!("{} is not PKCS#8", path.display()))),
        }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a message; 64 bytes.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public())
    }
}

/// 32 secret random bytes, wiped when dropped.
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A directory of keys: `log.pem`, `release.pem`, `site-<id>.pem`, each made on first use;
/// `<name>.secret`; and `*.pub`, the keys whose statements are trusted here. How the key of
/// a site or of the log is replaced is in [`rotation`].
///
/// The log's key is not among the trusted ones: it signs checkpoints and nothing else.
#[derive(Clone, Debug)]
pub struct Keyring {
    directory: PathBuf,
}

impl Keyring {
    /// Opens a directory, and makes it, for its owner only, if it is not there.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn open(directory: &Path) -> Result<Self, LedgerError> {
        durable::create_directory(directory)?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// The key that signs checkpoints of the log.
    ///
    /// # Errors
    /// As [`Signer::load_or_create`], and [`LedgerError::Refused`] while the key is being replaced.
    pub fn log_signer(&self) -> Result<Signer, LedgerError> {
        self.check_settled("log")?;
        Signer::load_or_create(&self.directory.join("log.pem"))
    }

    /// The key that cosigns others' logs as their witness.
    ///
    /// # Errors
    /// As [`Signer::load_or_create`].
    pub fn witness_signer(&self) -> Result<Signer, LedgerError> {
        Signer::load_or_create(&self.directory.join("witness.pem"))
    }

    /// The key that cosigns others' logs as a verifying mirror.
    ///
    /// # Errors
    /// As [`Signer::load_or_create`].
    pub fn mirror_signer(&self) -> Result<Signer, LedgerError> {
        Signer::load_or_create(&self.directory.join("mirror.pem"))
    }

    /// The key that signs what a holder of shares contributes.
    ///
    /// # Errors
    /// As [`Signer::load_or_create`], and [`LedgerError::Malformed`] for an id that is not 1 to 40
    /// of `a-z`, `0-9` and `-`.
    pub fn holder_signer(&self, holder: &str) -> Result<Signer, LedgerError> {
        check_id(holder)?;
        Signer::load_or_create(&self.directory.join(format!("holder-{holder}.pem")))
    }

    /// The key that signs release statements; its public half is trusted here.
    ///
    /// # Errors
    /// As [`Signer::load_or_create`].
    pub fn release_signer(&self) -> Result<Signer, LedgerError> {
        self.statement_signer("release")
    }

    /// The key that signs a site's extract statements; its public half is trusted here.
    ///
    /// # Errors
    /// As [`Signer::load_or_create`], [`LedgerError::Malformed`] for an id that is not 1 to 40
    /// of `a-z`, `0-9` and `-`, and [`LedgerError::Refused`] while the key is being replaced.
    pub fn site_signer(&self, site: &str) -> Result<Signer, LedgerError> {
        check_id(site)?;
        let name = format!("site-{site}");
        self.check_settled(&name)?;
        self.statement_signer(&name)
    }

    /// Keys whose statements are trusted here, in order of file name.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if a `*.pub` file is not a key, or [`LedgerError::Store`].
    pub fn trusted(&self) -> Result<Vec<PublicKey>, LedgerError> {
        self.listed("pub")?.iter().map(|path| Self::public(path)).collect()
    }

    /// The key in a file of this directory.
    fn public(path: &Path) -> Result<PublicKey, LedgerError> {
        let bytes = durable::read(path)?.unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default().trim_end().parse()
    }

    /// Trusts a key from now on, under a name.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] if the name stands for another key, [`LedgerError::Malformed`] for
    /// a name that is not 1 to 40 of `a-z`, `0-9` and `-`, or [`LedgerError::Store`].
    pub fn trust(&self, name: &str, key: PublicKey) -> Result<(), LedgerError> {
        check_id(name)?;
        let path = self.directory.join(format!("{name}.pub"));
        let line = format!("{key}\n").into_bytes();
        durable::create(&path, &line, durable::PUBLIC)?;
        if durable::read(&path)? == Some(line) {
            Ok(())
        } else {
            Err(LedgerError::Conflict { what: "trusted key" })
        }
    }

    /// The secret of that name, drawn on first use.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] for a name that is not 1 to 40 of `a-z`, `0-9` and `-`, or a file
    /// of another length; [`Untrusted::Exposed`] if others may read it; [`LedgerError::Entropy`];
    /// [`LedgerError::Store`].
    pub fn secret(&self, name: &str) -> Result<Secret, LedgerError> {
        check_id(name)?;
        let path = self.directory.join(format!("{name}.secret"));
        let mut found = durable::read_secret(&path)?;
        if found.is_none() {
            let mut fresh = Zeroizing::new([0; 32]);
            getrandom::fill(fresh.as_mut()).map_err(|_| LedgerError::Entropy)?;
            durable::create(&path, fresh.as_ref(), durable::PRIVATE)?;
            found = durable::read_secret(&path)?;
        }
        let found = Zeroizing::new(found.unwrap_or_default());
        let mut secret = Zeroizing::new([0; 32]);
        if found.len() != secret.len() {
            return Err(malformed("secret", format!("{} is not 32 bytes", path.display())));
        }
        secret.copy_from_slice(&found);
        Ok(Secret(secret))
    }

    /// Files whose names end with a dot and this, in order.
    fn listed(&self, end: &str) -> Result<Vec<PathBuf>, LedgerError> {
        let failed = || durable::failed(&self.directory, "list");
        let end = format!(".{end}");
        let mut paths = Vec::new();
        for found in std::fs::read_dir(&self.directory).map_err(failed())? {
            let path = found.map_err(failed())?.path();
            if path.to_string_lossy().ends_with(&end) {
                paths.push(path);
            }
        }
        paths.sort_unstable();
        Ok(paths)
    }

    fn statement_signer(&self, name: &str) -> Result<Signer, LedgerError> {
        let signer = Signer::load_or_create(&self.directory.join(format!("{name}.pem")))?;
        let path = self.directory.join(format!("{name}.pub"));
        let line = format!("{}\n", signer.public()).into_bytes();
        durable::create(&path, &line, durable::PUBLIC)?;
        if durable::read(&path)? == Some(line) {
            Ok(signer)
        } else {
            Err(LedgerError::Conflict { what: "public half of a private key" })
        }
    }
}

/// Checks a name that becomes part of a file name: 1 to 40 of `a-z`, `0-9` and `-`.
fn check_id(id: &str) -> Result<(), LedgerError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=40).contains(&id.len()) && id.bytes().all(allowed) {
        Ok(())
    } else {
        Err(malformed("name", "1 to 40 of a-z, 0-9 and - are allowed"))
    }
}

fn malformed(what: &'static str, detail: impl Into<String>) -> LedgerError {
    LedgerError::Malformed { what, detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_first_test_vector_of_rfc_8032() {
        // RFC 8032 §7.1, TEST 1: the empty message.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let signer = Signer::from_seed(seed.parse::<Digest>().unwrap().as_bytes());
        assert_eq!(signer.public().as_bytes(), public.parse::<Digest>().unwrap().as_bytes());
        let signature = signer.sign(b"");
        assert_eq!(signature[..4], [0xe5, 0x56, 0x43, 0x00]);
        assert!(signer.public().verify(b"", &signature));
        for bit in 0..512 {
            let mut wrong = signature;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!signer.public().verify(b"", &wrong), "bit {bit}");
        }
    }

    #[test]
    fn keys_stay_and_are_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ring");
        let ring = Keyring::open(&path).unwrap();
        let site = ring.site_signer("north-1").unwrap().public();
        let release = ring.release_signer().unwrap().public();
        let log = ring.log_signer().unwrap().public();
        let again = Keyring::open(&path).unwrap();
        assert_eq!(again.site_signer("north-1").unwrap().public(), site);
        assert_eq!(again.trusted().unwrap(), [release, site]);
        assert_ne!(log, release);
        for name in ["log.pem", "site-north-1.pem", "release.pem"] {
            let mode = fs::metadata(path.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::set_permissions(path.join("log.pem"), fs::Permissions::from_mode(0o604)).unwrap();
        let error = again.log_signer().unwrap_err();
        assert!(matches!(error, LedgerError::Untrusted { fault: Untrusted::Exposed, .. }));
    }

    #[test]
    fn names_cannot_leave_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let ring = Keyring::open(directory.path()).unwrap();
        let long = "a".repeat(41);
        for name in ["", "..", "a/b", "A", "a_b", "é", "a.pub", &long] {
            assert!(ring.site_signer(name).is_err(), "{name}");
            assert!(ring.secret(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_name_stands_for_one_trusted_key() {
        let directory = tempfile::tempdir().unwrap();
        let ring = Keyring::open(directory.path()).unwrap();
        let key = Signer::from_seed(&[1; 32]).public();
        ring.trust("partner", key).unwrap();
        ring.trust("partner", key).unwrap();
        let other = Signer::from_seed(&[2; 32]).public();
        let error = ring.trust("partner", other).unwrap_err();
        assert!(matches!(error, LedgerError::Conflict { .. }));
        assert_eq!(ring.trusted().unwrap(), [key]);
    }

    #[test]
    fn secrets_stay_and_print_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let ring = Keyring::open(directory.path()).unwrap();
        let secret = ring.secret("epoch-2026").unwrap();
        assert_eq!(secret.as_bytes(), ring.secret("epoch-2026").unwrap().as_bytes());
        assert_ne!(secret.as_bytes(), ring.secret("epoch-2027").unwrap().as_bytes());
        assert_eq!(format!("{secret:?}"), "Secret");
        fs::write(directory.path().join("short.secret"), b"x").unwrap();
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(directory.path().join("short.secret"), mode).unwrap();
        assert!(ring.secret("short").is_err());
    }

    #[test]
    fn many_at_once_use_one_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let make = || scope.spawn(|| Signer::load_or_create(&path).unwrap().public());
            let threads: Vec<_> = (0..8).map(|_| make()).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn weak_and_malformed_public_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(PublicKey::from_bytes(identity).is_err());
        assert!("AAAA".parse::<PublicKey>().is_err());
        let key = Signer::from_seed(&[3; 32]).public();
        assert_eq!(key.to_string().parse::<PublicKey>().unwrap(), key);
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<PublicKey>(&text).unwrap(), key);
    }
}
