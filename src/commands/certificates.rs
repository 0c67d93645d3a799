//! `graunt keys authority` and `graunt keys certificate`: who may take part in calls between sites.

use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::json;

use crate::commands::Context;
use crate::fail::Failure;
use crate::output::Output;
use crate::wire::certificates::{Authority, for_years};

/// Arguments of `graunt keys authority`.
#[derive(Debug, clap::Args)]
pub(crate) struct AuthorityArguments {
    /// A directory for authority.pem and authority-key.pem
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Arguments of `graunt keys certificate`.
#[derive(Debug, clap::Args)]
pub(crate) struct CertificateArguments {
    /// The directory of the authority
    #[arg(long, value_name = "DIR")]
    authority: PathBuf,
    /// The name that others know the site by, such as site-a
    #[arg(long, value_name = "NAME")]
    name: String,
    /// A directory for authority.pem, certificate.pem and key.pem
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Makes an authority.
///
/// # Errors
/// [`Failure::Wire`], [`Failure::Output`].
pub(crate) fn authority(
    arguments: &AuthorityArguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let directory = &arguments.directory;
    Authority::generate(for_years(AUTHORITY_YEARS))?.write(directory)?;
    if context.json {
        return out.json(&json!({"directory": directory, "years": AUTHORITY_YEARS}));
    }
    let place = directory.display();
    out.line(format_args!("an authority for {AUTHORITY_YEARS} years is in {place}"))?;
    out.dim_line(format_args!(
        "next: graunt keys certificate --authority {place} --name site-a --out DIR"
    ))
}

/// Makes a certificate and its key.
///
/// # Errors
/// [`Failure::Wire`], [`Failure::Output`].
pub(crate) fn certificate(
    arguments: &CertificateArguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let (name, directory) = (&arguments.name, &arguments.out);
    let authority = Authority::read(&arguments.authority)?;
    let issued = authority.issue(name, for_years(CERTIFICATE_YEARS))?;
    // The files of the authority may be of two authorities; nobody would accept what they make.
    issued.identity(SystemTime::now())?;
    issued.write(directory)?;
    if context.json {
        let years = CERTIFICATE_YEARS;
        return out.json(&json!({"name": name, "directory": directory, "years": years}));
    }
    out.line(format_args!("the certificate of {name} and its key are in {}", directory.display()))
}

const AUTHORITY_YEARS: u32 = 10;

const CERTIFICATE_YEARS: u32 = 1;
