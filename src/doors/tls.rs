//! TLS of the doors: one certificate for all of them; clients may show one of their own, by which
//! they are known.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::fail::Failure;
use crate::wire::error::WireError;
use crate::wire::identity;

/// What doors show of themselves, and whom they know.
#[derive(Clone)]
pub(crate) struct Tls {
    server: Arc<ServerConfig>,
    certificate: Arc<Vec<u8>>,
}

impl Tls {
    /// Reads `authority.pem`, `certificate.pem` and `key.pem` of a directory.
    ///
    /// # Errors
    /// [`Failure::Wire`] if they do not go together today, or others may read the key.
    pub(crate) fn read(directory: &Path) -> Result<Self, Failure> {
        let papers = identity::papers(directory)?;
        let provider = Arc::new(ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(WireError::from)?;
        let server = if papers.authority.is_empty() {
            server.with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            for root in papers.authority {
                roots.add(root).map_err(WireError::from)?;
            }
            let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let clients = clients.allow_unauthenticated().build().map_err(|_| {
                let detail = "nobody can be trusted by it";
                WireError::Malformed { file: "authority.pem", detail }
            })?;
            server.with_client_cert_verifier(clients)
        };
        let server = server.with_single_cert(papers.certificate, papers.key);
        let mut server = server.map_err(WireError::from)?;
        // A resumed session would go on with a certificate that has expired since.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self { server: Arc::new(server), certificate: Arc::new(papers.pem) })
    }

    /// What shakes hands, for these protocols.
    pub(crate) fn acceptor(&self, protocols: &[&[u8]]) -> TlsAcceptor {
        let mut server = self.server.as_ref().clone();
        server.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        TlsAcceptor::from(Arc::new(server))
    }

    /// The certificate as it is written.
    pub(crate) fn certificate(&self) -> &[u8] {
        &self.certificate
    }
}

/// The one name of whoever showed a certificate that is good.
pub(crate) fn name_of(certificates: Option<&[CertificateDer<'_>]>) -> Option<String> {
    identity::name(certificates?.first()?).ok()
}
