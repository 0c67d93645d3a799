//! `graunt verify`: receipts, checked offline.

use std::fs;
use std::path::{Path, PathBuf};

use engine::federation::Parameters;
use engine::federation::transcript::Transcript;
use ledger_adapter::error::LedgerError;
use ledger_adapter::keys::PublicKey;
use ledger_adapter::receipt::policy::TrustPolicy;
use ledger_adapter::receipt::redacted::{Filed, VerifiedRedaction};
use ledger_adapter::receipt::{Trust, Verified};
use ledger_adapter::rotation::PlacedRotation;
use serde_json::{Value, json};

use crate::commands::Context;
use crate::fail::Failure;
use crate::federated;
use crate::output::Output;

/// Arguments of `graunt verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Receipts, or directories of them
    #[arg(value_name = "RECEIPT", required = true)]
    receipts: Vec<PathBuf>,
    /// Verifier key that the log must have [default: the home's]
    #[arg(long, value_name = "VKEY")]
    log_key: Option<String>,
    /// Public key, base64, of an engine or site that is trusted; repeat it [default: the home's]
    #[arg(long, value_name = "KEY")]
    key: Vec<PublicKey>,
    /// File in which a key of a site, or of the log, puts another in its place; repeat it
    #[arg(long, value_name = "FILE")]
    rotation: Vec<PathBuf>,
    /// File that says which log, witnesses, sites and engines are trusted, and nobody else; graunt
    /// keys policy prints it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["log_key", "key", "rotation"])]
    policy: Option<PathBuf>,
    /// Believe the keys inside the receipts, for instance of another consortium
    #[arg(long, conflicts_with_all = ["log_key", "key", "rotation", "policy"])]
    self_asserted: bool,
    /// Check also that the totals of a federated answer were opened from the sealed ones of its
    /// sites, by its transcript; for one receipt
    #[arg(long, value_name = "FILE")]
    transcript: Option<PathBuf>,
    /// File of the parameters by which the proofs of a transcript are checked, if it has any
    #[arg(long, value_name = "FILE", requires = "transcript")]
    crs: Option<PathBuf>,
    /// Print one line per receipt, without the checks
    #[arg(short, long)]
    brief: bool,
}

/// Verifies receipts.
///
/// # Errors
/// [`Failure::Unverified`] if any does not verify, [`Failure::Ledger`], [`Failure::Output`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let judge = match &arguments.policy {
        Some(path) => Judge::Policy(TrustPolicy::load(path)?),
        None => Judge::Keys(trust(arguments, context)?),
    };
    let paths = listed(&arguments.receipts)?;
    let crs = arguments.crs.as_deref();
    let transcript = arguments.transcript.as_deref();
    let transcript = transcript.map(|path| transcribed(path, crs)).transpose()?;
    if transcript.is_some() && paths.len() != 1 {
        return Err(Failure::usage("a transcript is of one receipt", "name that receipt only"));
    }
    let mut failed = 0;
    let mut values = Vec::new();
    for path in &paths {
        let verified = checked(path, &judge, transcript.as_ref());
        failed += usize::from(verified.is_err());
        if context.json {
            values.push(as_json(path, &verified));
        } else {
            print(path, &verified, arguments.brief, out)?;
        }
    }
    if context.json {
        out.json(&values)?;
    }
    let count = paths.len();
    if failed > 0 { Err(Failure::Unverified { failed, count }) } else { Ok(()) }
}

/// What was found of a receipt that verifies.
#[derive(Debug)]
struct Told {
    lines: Vec<String>,
    is_log_trusted: bool,
    are_keys_trusted: bool,
    /// Question and answer are gone: only the charge is verified.
    is_redacted: bool,
}

/// By what a receipt is verified.
enum Judge {
    Keys(Trust),
    Policy(TrustPolicy),
}

/// A transcript, and the parameters of its proofs if it has any.
type Transcribed = (Transcript, Option<Parameters>);

/// Reads a transcript.
fn transcribed(path: &Path, crs: Option<&Path>) -> Result<Transcribed, Failure> {
    let bytes = fs::read(path).map_err(Failure::store(path, "reading"))?;
    let transcript = Transcript::from_bytes(&bytes).map_err(|refusal| {
        let what = format!("{}: {refusal}", path.display());
        Failure::usage(what, "graunt sql --federated keeps them in transcripts/ of its home")
    })?;
    let parameters = federated::parameters(crs, transcript.federation())?;
    Ok((transcript, parameters))
}

fn checked(
    path: &Path,
    judge: &Judge,
    transcript: Option<&Transcribed>,
) -> Result<Told, LedgerError> {
    Ok(match Filed::load(path)? {
        Filed::Whole(receipt) => {
            let Verified { mut lines, is_log_trusted, are_keys_trusted } = match judge {
                Judge::Keys(trust) => receipt.verify(trust)?,
                Judge::Policy(policy) => policy.verify(&receipt)?,
            };
            if let Some((transcript, parameters)) = transcript {
                let rounds = transcript.check_receipt(&receipt, parameters.as_ref());
                let rounds = rounds.map_err(|refusal| LedgerError::Malformed {
                    what: "transcript",
                    detail: refusal.reason,
                })?;
                lines.push(format!(
                    "{rounds} round(s): sealed by their parties, on the ledger before they were \
                     opened, and opened right"
                ));
                if parameters.is_some() {
                    lines.push("each site's totals were proved to be in range".to_owned());
                }
            }
            Told { lines, is_log_trusted, are_keys_trusted, is_redacted: false }
        }
        Filed::Redacted(left) => {
            let VerifiedRedaction { lines, is_log_trusted, are_keys_trusted } = match judge {
                Judge::Keys(trust) => left.verify(trust)?,
                Judge::Policy(policy) => policy.verify_redacted(&left)?,
            };
            Told { lines, is_log_trusted, are_keys_trusted, is_redacted: true }
        }
    })
}

fn trust(arguments: &Arguments, context: &Context) -> Result<Trust, Failure> {
    if arguments.self_asserted {
        return Ok(Trust::default());
    }
    let mut trust = if arguments.log_key.is_some() || !arguments.key.is_empty() {
        let (log_vkey, keys) = (arguments.log_key.clone(), arguments.key.clone());
        Trust { log_vkey, keys, ..Trust::default() }
    } else {
        context.home.trust()?
    };
    let mut rotations = Vec::new();
    for path in &arguments.rotation {
        let text = fs::read(path).map_err(Failure::store(path, "reading"))?;
        let placed: PlacedRotation = serde_json::from_slice(&text).map_err(|error| {
            let what = format!("{} is no rotation of a key: {error}", path.display());
            Failure::usage(what, "graunt keys rotate tells where it is kept")
        })?;
        rotations.push(placed);
    }
    trust.follow_all(&rotations)?;
    if trust.log_vkey.is_none() || trust.keys.is_empty() {
        return Err(Failure::usage(
            "it is not said whom to trust: a log's key, and keys of engine and sites",
            "give the publisher's file with --policy; --self-asserted believes the receipt itself",
        ));
    }
    Ok(trust)
}

/// Files as they are given, and the receipts of directories in order of name.
fn listed(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = Vec::new();
    for path in given {
        if !path.is_dir() {
            paths.push(path.clone());
            continue;
        }
        let failed = || Failure::store(path, "listing");
        let mut found = Vec::new();
        for entry in path.read_dir().map_err(failed())? {
            found.push(entry.map_err(failed())?.path());
        }
        found.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        found.sort_unstable();
        paths.extend(found);
    }
    if paths.is_empty() {
        return Err(Failure::usage("there is no receipt there", "graunt sql writes receipts"));
    }
    Ok(paths)
}

fn print(
    path: &Path,
    verified: &Result<Told, LedgerError>,
    is_brief: bool,
    out: &mut Output,
) -> Result<(), Failure> {
    match verified {
        Ok(verified) => {
            let is_trusted = verified.is_log_trusted && verified.are_keys_trusted;
            let how = match (verified.is_redacted, is_trusted) {
                (false, true) => "verified",
                (false, false) => "verified, by keys of its own only",
                (true, true) => "REDACTED; its charge is verified",
                (true, false) => "REDACTED; its charge is verified, by keys of its own only",
            };
            out.bold_line(format_args!("{}: {how}", path.display()))?;
            if is_brief {
                return Ok(());
            }
            verified.lines.iter().try_for_each(|line| out.line(format_args!("  ok  {line}")))
        }
        Err(error) => {
            out.bold_line(format_args!("{}: NOT VERIFIED", path.display()))?;
            out.line(format_args!("  bad {error}"))
        }
    }
}

fn as_json(path: &Path, verified: &Result<Told, LedgerError>) -> Value {
    match verified {
        Ok(verified) => json!({
            "receipt": path,
            // Nothing is said of an answer that is gone.
            "verified": !verified.is_redacted,
            "redacted": verified.is_redacted,
            "log_trusted": verified.is_log_trusted,
            "keys_trusted": verified.are_keys_trusted,
            "checks": verified.lines,
        }),
        Err(error) => json!({
            "receipt": path,
            "verified": false,
            "error": error.to_string(),
        }),
    }
}
