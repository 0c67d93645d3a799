//! The authority of a federation, and the certificates that it gives to processes.
//!
//! The authority decides who bears which name; whoever holds its key can be anyone. It makes the
//! keys of the processes as well, and keeps none of them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

use super::error::WireError;
use super::identity::{
    AUTHORITY, CERTIFICATE, Identity, KEY, check_name, failed, read, read_secret,
};

/// Whoever signs the certificates of a federation.
pub(crate) struct Authority {
    certificate: String,
    pub(super) issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes an authority with a new key.
    ///
    /// # Errors
    /// [`WireError::Unissued`].
    pub(crate) fn generate(valid: Range<SystemTime>) -> Result<Self, WireError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = params(valid);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // Of two authorities with one name, the one would be a forger of the other's.
        let id: String = params.key_identifier(&key).iter().map(|b| format!("{b:02x}")).collect();
        params.distinguished_name.push(DnType::CommonName, format!("graunt authority {id}"));
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// Reads `authority.pem` and `authority-key.pem` of a directory.
    ///
    /// # Errors
    /// [`WireError::Store`], [`WireError::Exposed`] if others may read the key,
    /// [`WireError::Malformed`].
    pub(crate) fn read(directory: &Path) -> Result<Self, WireError> {
        let malformed = |file, detail| WireError::Malformed { file, detail };
        let text =
            |file, bytes| String::from_utf8(bytes).map_err(|_| malformed(file, "it is not PEM"));
        let certificate = text(AUTHORITY, read(&directory.join(AUTHORITY))?)?;
        let key = text(AUTHORITY_KEY, read_secret(&directory.join(AUTHORITY_KEY))?)?;
        let key = KeyPair::from_pem(&key);
        let key = key.map_err(|_| malformed(AUTHORITY_KEY, "there is no private key in it"))?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key);
        let issuer = issuer.map_err(|_| malformed(AUTHORITY, "there is no authority in it"))?;
        Ok(Self { certificate, issuer })
    }

    /// Writes what [`Authority::read`] reads.
    ///
    /// # Errors
    /// [`WireError::Store`], [`WireError::Exists`].
    pub(crate) fn write(&self, directory: &Path) -> Result<(), WireError> {
        let key = self.issuer.key().serialize_pem();
        write(directory, &[(AUTHORITY, &self.certificate), (AUTHORITY_KEY, &key)])
    }

    /// Gives a process a name, and a key of its own.
    ///
    /// # Errors
    /// [`WireError::Name`], [`WireError::Unissued`].
    pub(crate) fn issue(&self, name: &str, valid: Range<SystemTime>) -> Result<Issued, WireError> {
        check_name(name)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = params(valid);
        params.subject_alt_names = CertificateParams::new([name.to_owned()])?.subject_alt_names;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        let authority = self.certificate.clone();
        Ok(Issued { authority, certificate, key: key.serialize_pem() })
    }
}

/// A certificate with its key, and that of the authority, as PEM.
pub(crate) struct Issued {
    pub(super) authority: String,
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Issued {
    /// What a process makes of it at a time.
    ///
    /// # Errors
    /// [`WireError::Unusable`] if it is not valid then, or the authority's files are not of one
    /// authority.
    pub(crate) fn identity(&self, time: SystemTime) -> Result<Identity, WireError> {
        let [authority, certificate, key] =
            [&self.authority, &self.certificate, &self.key].map(|pem| pem.as_bytes());
        Identity::from_pem(authority, certificate, key, time)
    }

    /// Writes what [`Identity::read`] reads.
    ///
    /// # Errors
    /// [`WireError::Store`], [`WireError::Exists`].
    pub(crate) fn write(&self, directory: &Path) -> Result<(), WireError> {
        let files =
            [(AUTHORITY, &self.authority), (CERTIFICATE, &self.certificate), (KEY, &self.key)];
        write(directory, &files.map(|(file, pem)| (file, pem.as_str())))
    }
}

/// From now on, or rather a little before: clocks differ.
pub(crate) fn for_years(years: u32) -> Range<SystemTime> {
    let now = SystemTime::now();
    now - Duration::from_secs(300)..now + years * Duration::from_secs(365 * 24 * 60 * 60)
}

fn params(valid: Range<SystemTime>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = valid.start.into();
    params.not_after = valid.end.into();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}

/// Writes new files, for their owner only: all of them, or, if one is there already, none.
fn write(directory: &Path, files: &[(&str, &str)]) -> Result<(), WireError> {
    let mut made = DirBuilder::new();
    made.recursive(true).mode(0o700);
    made.create(directory).map_err(failed(directory, "making the directory"))?;
    for (index, (file, text)) in files.iter().enumerate() {
        if let Err(error) = write_one(&directory.join(file), text) {
            for (file, _) in &files[..index] {
                // Only tidiness: what is left is in the way, and of no use to anyone.
                drop(fs::remove_file(directory.join(file)));
            }
            return Err(error);
        }
    }
    let directory_file = File::open(directory).map_err(failed(directory, "opening"))?;
    directory_file.sync_all().map_err(failed(directory, "syncing"))
}

fn write_one(path: &Path, text: &str) -> Result<(), WireError> {
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(WireError::Exists { path: path.to_owned() });
        }
        Err(error) => return Err(failed(path, "making")(error)),
    };
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
        // Half a file would be in the way of the next attempt.
        drop(fs::remove_file(path));
        failed(path, "writing")(error)
    })
}

/// The private key of an authority.
const AUTHORITY_KEY: &str = "authority-key.pem";
