//! Who a process is to its peers: its certificate, the key of it, and whom it trusts.
//!
//! A certificate has exactly one name, and the authority decides who bears it. Certificates are not
//! revoked: they expire, or the authority is replaced.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, Error as TlsError, RootCertStore, ServerConfig,
};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use super::error::WireError;

/// The certificate of a process, made ready to call and to be called.
#[derive(Clone)]
pub(crate) struct Identity {
    name: String,
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
}

impl Identity {
    /// Reads `authority.pem`, `certificate.pem` and `key.pem` of a directory, and checks that they
    /// go together today.
    ///
    /// # Errors
    /// [`WireError::Store`], [`WireError::Exposed`] if others may read the key,
    /// [`WireError::Malformed`], [`WireError::Unusable`], [`WireError::Name`].
    pub(crate) fn read(directory: &Path) -> Result<Self, WireError> {
        let [authority, certificate] = [AUTHORITY, CERTIFICATE].map(|file| directory.join(file));
        let key = read_secret(&directory.join(KEY))?;
        Self::from_pem(&read(&authority)?, &read(&certificate)?, &key, SystemTime::now())
    }

    /// Takes what [`Identity::read`] reads, as of `time`.
    ///
    /// # Errors
    /// [`WireError::Malformed`], [`WireError::Unusable`], [`WireError::Name`].
    pub(super) fn from_pem(
        authority: &[u8],
        certificate: &[u8],
        key: &[u8],
        time: SystemTime,
    ) -> Result<Self, WireError> {
        let mut roots = RootCertStore::empty();
        for root in certificates(AUTHORITY, authority)? {
            roots.add(root)?;
        }
        let chain = certificates(CERTIFICATE, certificate)?;
        let key = || {
            let detail = "there is no private key in it";
            let read = PrivateKeyDer::from_pem_slice(key);
            read.map_err(|_| WireError::Malformed { file: KEY, detail })
        };
        let (roots, provider) = (Arc::new(roots), Arc::new(ring::default_provider()));
        let clients = Arc::clone(&roots);
        let clients = WebPkiClientVerifier::builder_with_provider(clients, Arc::clone(&provider));
        let clients = clients.build().map_err(|_| WireError::Malformed {
            file: AUTHORITY,
            detail: "nobody can be trusted by it",
        })?;

        let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let time = UnixTime::since_unix_epoch(since_1970);
        clients.verify_client_cert(&chain[0], &chain[1..], time)?;
        let name = name(&chain[0])?;

        let server = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let server = server.with_protocol_versions(&[&TLS13])?.with_client_cert_verifier(clients);
        let mut server = server.with_single_cert(chain.clone(), key()?)?;
        let client = ClientConfig::builder_with_provider(provider);
        let client = client.with_protocol_versions(&[&TLS13])?.with_root_certificates(roots);
        let mut client = client.with_client_auth_cert(chain, key()?)?;
        server.alpn_protocols = vec![HTTP2.to_vec()];
        client.alpn_protocols = vec![HTTP2.to_vec()];
        // A resumed session would go on with a certificate that has expired since.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        client.resumption = Resumption::disabled();
        Ok(Self { name, server: Arc::new(server), client: Arc::new(client) })
    }

    /// The name in the certificate.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.name)
    }
}

/// The authority, the certificate and the key of a directory, as they are written, for a library
/// that reads them itself: if they go together today, and are those of `name`.
///
/// # Errors
/// As [`Identity::read`], and [`WireError::Malformed`] for another name.
pub(crate) fn pem(directory: &Path, name: &str) -> Result<[Vec<u8>; 3], WireError> {
    if Identity::read(directory)?.name() != name {
        let detail = "it is the certificate of another";
        return Err(WireError::Malformed { file: CERTIFICATE, detail });
    }
    let [authority, certificate] = [AUTHORITY, CERTIFICATE].map(|file| read(&directory.join(file)));
    Ok([authority?, certificate?, read_secret(&directory.join(KEY))?])
}

/// A certificate with its key, for doors that others than members of a federation come in by.
pub(crate) struct Papers {
    /// Whom certificates of clients are signed by; nobody, if there is no such file.
    pub(crate) authority: Vec<CertificateDer<'static>>,
    /// The certificate, and any between it and its authority's.
    pub(crate) certificate: Vec<CertificateDer<'static>>,
    /// Its key.
    pub(crate) key: PrivateKeyDer<'static>,
    /// The certificate as it is written.
    pub(crate) pem: Vec<u8>,
}

/// The papers in a directory, whoever signed them and whatever names they bear.
///
/// # Errors
/// [`WireError::Store`], [`WireError::Exposed`] if others may read the key,
/// [`WireError::Malformed`].
pub(crate) fn papers(directory: &Path) -> Result<Papers, WireError> {
    let trusted = directory.join(AUTHORITY);
    let authority = match trusted.exists() {
        true => certificates(AUTHORITY, &read(&trusted)?)?,
        false => vec![],
    };
    let pem = read(&directory.join(CERTIFICATE))?;
    let certificate = certificates(CERTIFICATE, &pem)?;
    let key = PrivateKeyDer::from_pem_slice(&read_secret(&directory.join(KEY))?);
    let detail = "there is no private key in it";
    let key = key.map_err(|_| WireError::Malformed { file: KEY, detail })?;
    Ok(Papers { authority, certificate, key, pem })
}

/// The one name in a certificate.
///
/// # Errors
/// [`WireError::Unusable`] for no name, several, or an unreadable certificate, and
/// [`WireError::Name`].
pub(crate) fn name(certificate: &CertificateDer<'_>) -> Result<String, WireError> {
    let unreadable = || TlsError::InvalidCertificate(CertificateError::BadEncoding);
    let (_, certificate) = parse_x509_certificate(certificate).map_err(|_| unreadable())?;
    let names = certificate.subject_alternative_name().map_err(|_| unreadable())?;
    match names.map(|names| names.value.general_names.as_slice()) {
        Some([GeneralName::DNSName(name)]) => check_name(name).map(|_| (*name).to_owned()),
        _ => Err(TlsError::InvalidCertificate(CertificateError::NotValidForName).into()),
    }
}

/// Takes a name as TLS has it, if it is one of ours: neither an address nor a wildcard.
///
/// # Errors
/// [`WireError::Name`].
pub(super) fn check_name(name: &str) -> Result<ServerName<'static>, WireError> {
    let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let is_named = name.bytes().any(|c| c.is_ascii_lowercase());
    let ends = name.starts_with('-') || name.ends_with('-');
    let known = ServerName::try_from(name.to_owned()).ok();
    let known = known.filter(|_| name.len() <= 40 && name.bytes().all(is_plain));
    known.filter(|_| is_named && !ends).ok_or_else(|| WireError::Name { name: name.to_owned() })
}

/// Reads a private key. Refuses a file that others may read or write.
///
/// # Errors
/// [`WireError::Store`], [`WireError::Exposed`].
pub(super) fn read_secret(path: &Path) -> Result<Vec<u8>, WireError> {
    let found = fs::metadata(path).map_err(failed(path, "reading"))?;
    if found.permissions().mode() & 0o077 != 0 {
        return Err(WireError::Exposed { path: path.to_owned() });
    }
    read(path)
}

/// Reads a file.
///
/// # Errors
/// [`WireError::Store`].
pub(super) fn read(path: &Path) -> Result<Vec<u8>, WireError> {
    fs::read(path).map_err(failed(path, "reading"))
}

/// Turns an error of the operating system into one of ours.
pub(super) fn failed(
    path: &Path,
    action: &'static str,
) -> impl FnOnce(std::io::Error) -> WireError {
    let path = path.to_owned();
    move |source| WireError::Store { path, action, source }
}

/// The certificates in a file, of which there is at least one.
fn certificates(file: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, WireError> {
    let malformed = |detail| WireError::Malformed { file, detail };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|_| malformed("it is not PEM"))?;
    if found.is_empty() { Err(malformed("there is no certificate in it")) } else { Ok(found) }
}

/// The certificate of the authority; several while one takes the place of another.
pub(super) const AUTHORITY: &str = "authority.pem";

/// The certificate of a process, and any between it and the authority's.
pub(super) const CERTIFICATE: &str = "certificate.pem";

/// The private key of a process.
pub(super) const KEY: &str = "key.pem";

/// What gRPC is spoken over.
pub(super) const HTTP2: &[u8] = b"h2";
