//! Who a member is to the others: its certificate, and whom it hears.

use std::fmt;
use std::sync::Arc;

use ballista_core::extension::EndpointOverrideFn;
use ballista_core::utils::{GrpcClientConfig, create_grpc_client_endpoint};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity, ServerTlsConfig};
use tonic::{Request, Status};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::cluster::{ClusterError, MEMBER};
use crate::error::chain;

/// The certificate of a member: PEM files.
#[derive(Clone)]
pub struct Papers {
    /// Who is trusted.
    pub authority: Vec<u8>,
    /// The certificate of this member, for [`MEMBER`].
    pub certificate: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
}

impl fmt::Debug for Papers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Papers(…)")
    }
}

impl Papers {
    fn identity(&self) -> (Certificate, Identity) {
        let own = Identity::from_pem(&self.certificate, &self.key);
        (Certificate::from_pem(&self.authority), own)
    }

    pub(super) fn server(&self) -> ServerTlsConfig {
        let (authority, own) = self.identity();
        ServerTlsConfig::new().identity(own).client_ca_root(authority)
    }

    pub(super) fn endpoint(&self) -> EndpointOverrideFn {
        let (authority, own) = self.identity();
        let config = ClientTlsConfig::new();
        let config = config.ca_certificate(authority).identity(own).domain_name(MEMBER);
        Arc::new(move |endpoint: Endpoint| Ok(endpoint.tls_config(config.clone())?))
    }
}

/// Hears members only: an authority may have given certificates to others, too.
///
/// # Errors
/// `PermissionDenied`.
pub(super) fn heard(request: Request<()>) -> Result<Request<()>, Status> {
    let certificates = request.peer_certs().unwrap_or_default();
    match certificates.first() {
        Some(certificate) if is_member(certificate) => Ok(request),
        _ => Err(Status::permission_denied("the certificate is not that of a member")),
    }
}

/// Whether the one name in a certificate is that of members.
fn is_member(certificate: &[u8]) -> bool {
    let Ok((_, certificate)) = parse_x509_certificate(certificate) else { return false };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return false };
    names.value.general_names[..] == [GeneralName::DNSName(MEMBER)]
}

/// How a member calls the one at `address`.
pub(super) fn endpoint(papers: &Papers, address: &str) -> Result<Endpoint, ClusterError> {
    let unreachable = |error: &dyn std::error::Error| ClusterError::Unreachable {
        address: address.to_owned(),
        reason: chain(error),
    };
    let limits = GrpcClientConfig {
        connect_timeout_seconds: CONNECT_SECONDS,
        timeout_seconds: CALL_SECONDS,
        ..GrpcClientConfig::default()
    };
    let endpoint = create_grpc_client_endpoint(format!("https://{address}"), Some(&limits));
    papers.endpoint()(endpoint.map_err(|error| unreachable(&error))?)
        .map_err(|error| unreachable(error.as_ref()))
}

const CONNECT_SECONDS: u64 = 2;
const CALL_SECONDS: u64 = 20;
