//! What can go wrong with certificates, servers and calls.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio_rustls::rustls::{self, AlertDescription, CertificateError};

use super::{BODY_BYTES_MAX, Refusal};

/// Why a process cannot take part in calls.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum WireError {
    /// The file system failed.
    #[error("{}: {action} failed", path.display())]
    Store {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A file is there already, and stays.
    #[error("{} is there already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A private key that others may read.
    #[error("{} may be read by others", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// A file is not what its name says.
    #[error("{file} is not what it should be: {detail}")]
    Malformed {
        /// The file's name.
        file: &'static str,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// The certificate, its key and the authority do not belong together, or not now.
    #[error("certificate, key and authority do not go together")]
    Unusable(#[from] rustls::Error),
    /// No certificate was made.
    #[error("no certificate was made")]
    Unissued(#[from] rcgen::Error),
    /// The name of a process is not one.
    #[error("{name:?} is not 1 to 40 of a-z, 0-9 and - with a letter, - neither first nor last")]
    Name {
        /// What should be a name.
        name: String,
    },
    /// The address of a peer is not one.
    #[error("{url:?} is not https://host:port")]
    Address {
        /// What should be an address.
        url: String,
    },
    /// The server failed.
    #[error("serving failed")]
    Serve(#[source] tonic::transport::Error),
}

/// Why a call has no answer. Unless it says otherwise, the peer was asked nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CallError {
    /// The peer understood, and said no.
    #[error("{peer} refused: {refusal}")]
    Refused {
        /// Its name.
        peer: String,
        /// Its reason.
        refusal: Refusal,
    },
    /// There is no connection.
    #[error("{peer} cannot be reached")]
    Unreachable {
        /// Its name.
        peer: String,
        /// What happened.
        source: io::Error,
    },
    /// Whoever is at that address is not the peer.
    #[error("the certificate of {peer} is refused: {fault}")]
    Untrusted {
        /// Its name.
        peer: String,
        /// What is wrong with its certificate.
        fault: Fault,
    },
    /// The peer does not believe that we are who we say.
    #[error("{peer} refuses our certificate: {fault}")]
    Unwelcome {
        /// Its name.
        peer: String,
        /// What is wrong with our certificate.
        fault: Fault,
    },
    /// A body is longer than calls carry. If it is the answer's, the peer has done its work.
    #[error("a body of more than {BODY_BYTES_MAX} bytes for or from {peer}")]
    TooLong {
        /// Its name.
        peer: String,
    },
    /// No answer in time: whether the peer has done it, or still will, is not known.
    #[error("{peer} did not answer within {patience:?}")]
    Late {
        /// Its name.
        peer: String,
        /// How long it had.
        patience: Duration,
    },
    /// The connection broke, or what came is no answer: whether the peer has done it is not known.
    #[error("the call to {peer} broke off")]
    Broken {
        /// Its name.
        peer: String,
        /// What happened.
        source: Box<dyn StdError + Send + Sync>,
    },
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Fault {
    /// There is none.
    #[error("there is none")]
    Missing,
    /// Another authority made it, or nobody did.
    #[error("it is not of the authority")]
    Authority,
    /// It has expired or is not valid yet, by the clock of the one who looks.
    #[error("it has expired or is not valid yet")]
    Time,
    /// It is of another name.
    #[error("it has another name")]
    Name,
    /// It is not for this, or not readable.
    #[error("it is not for calls of this kind")]
    Unfit,
}

impl Fault {
    /// What we have against the certificate of a peer.
    pub(super) const fn found(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::Authority,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::Time,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::Name
            }
            _ => Self::Unfit,
        }
    }

    /// What a peer has against ours; `None` if that is not what it complains about.
    ///
    /// # Source
    /// RFC 8446 §6.2.
    pub(super) const fn told(alert: AlertDescription) -> Option<Self> {
        match alert {
            AlertDescription::CertificateRequired => Some(Self::Missing),
            AlertDescription::UnknownCA | AlertDescription::DecryptError => Some(Self::Authority),
            AlertDescription::CertificateExpired => Some(Self::Time),
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown => Some(Self::Unfit),
            _ => None,
        }
    }
}
