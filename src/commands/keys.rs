//! `graunt keys`: replaces the key of a site, or of the log, and tells others which keys to trust.
//!
//! Keys and certificates for calls between sites are made in [`certificates`].

use ledger_adapter::charge::ExtractStatus;
use ledger_adapter::error::LedgerError;
use ledger_adapter::ledger::Ledger;
use ledger_adapter::log::LogLedger;
use ledger_adapter::receipt::policy::FormerLog;
use serde_json::{Value, json};

use crate::commands::{Context, certificates};
use crate::fail::Failure;
use crate::home::Home;
use crate::output::Output;
use crate::population::known;

/// Arguments of `graunt keys`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Put a new key in the place of a site's, or of the log's, and destroy the old one
    ///
    /// What the old key of a site attested stays active until the site's next extract takes its
    /// place; from now on it attests nothing. The log's old key signs nothing from now on: tell the
    /// new one to witnesses, mirrors and verifiers. If this is interrupted, run it again.
    Rotate {
        /// The site
        #[arg(long, value_name = "ID", required_unless_present = "log")]
        site: Option<String>,
        /// The key that signs checkpoints of the log
        #[arg(long, conflicts_with = "site")]
        log: bool,
    },
    /// Print the policy by which others verify receipts: graunt verify --policy
    Policy,
    /// Make the authority whose certificates let sites call each other
    ///
    /// Whoever holds its key can call, and be called, under any name: keep the directory where no
    /// site's server is. Its certificate is valid for ten years.
    Authority(certificates::AuthorityArguments),
    /// Make the key and the certificate by which others know a site
    ///
    /// The directory is for the site: give it there whole, and keep no copy. The certificate is
    /// valid for a year; make another in a new directory before it ends.
    Certificate(certificates::CertificateArguments),
}

/// Replaces keys, or tells of them.
///
/// # Errors
/// [`Failure::Usage`], [`Failure::Ledger`], [`Failure::Wire`], [`Failure::Store`],
/// [`Failure::Output`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    match &arguments.action {
        Action::Rotate { site: Some(site), .. } => rotate(site, context, out),
        Action::Rotate { site: None, .. } => rotate_log(context, out),
        Action::Policy => out.json(&policy(&context.home, &context.home.ledger()?)?),
        Action::Authority(arguments) => certificates::authority(arguments, context, out),
        Action::Certificate(arguments) => certificates::certificate(arguments, context, out),
    }
}

/// By which keys others judge receipts of a home: one form for people and programs, as it is a
/// file to be published.
///
/// # Errors
/// [`Failure::Ledger`], [`Failure::Store`].
pub(crate) fn policy(home: &Home, ledger: &LogLedger) -> Result<Value, Failure> {
    let keys = home.keys()?;
    let former = home.trust()?.former_logs;
    let mut log_policy = home.log_policy(&ledger.vkey())?;
    for key in former.keys() {
        let is_there = |line: &String| line.split_whitespace().nth(1) == Some(key.as_str());
        if !log_policy.iter().any(is_there) {
            log_policy.insert(0, format!("log {key}"));
        }
    }
    let former = former.into_iter().map(|(key, size)| FormerLog { key, size });
    Ok(json!({
        "version": 1,
        "log_policy": log_policy,
        "former_logs": former.collect::<Vec<_>>(),
        "sites": keys.sites()?,
        "release": [keys.release_signer()?.public()],
    }))
}

fn rotate(site: &str, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let ledger = context.home.accounts()?;
    refuse_waiting(site, context, ledger.as_ref())?;
    let begun = context.home.keys()?.begin_rotation(site)?;
    let rotation = *begun.rotation();
    let placed = match ledger.rotate(&rotation.entry()) {
        Ok(placed) => placed,
        Err(error) => {
            // What the ledger refuses is not on it; after any other fault it may be.
            if matches!(error, LedgerError::Refused { .. } | LedgerError::Conflict { .. }) {
                begun.abandon()?;
            }
            return Err(error.into());
        }
    };
    let (index, path) = (placed.index, begun.path());
    begun.finish(index)?;
    if context.json {
        return out.json(&json!({
            "site": site,
            "entry": index,
            "old": rotation.old,
            "new": rotation.new,
            "statement": path,
        }));
    }
    out.line(format_args!("entry {index} puts a new key in the place of that of {site}"))?;
    out.line(format_args!("  old {}", rotation.old))?;
    out.line(format_args!("  new {}", rotation.new))?;
    out.line(format_args!("  statement of both, for those who verify: {}", path.display()))
}

fn rotate_log(context: &Context, out: &mut Output) -> Result<(), Failure> {
    let (index, begun) = context.home.rotate_log()?;
    let (rotation, path) = (*begun.rotation(), begun.path());
    begun.finish(index)?;
    let vkey = context.home.trust()?.log_vkey;
    if context.json {
        return out.json(&json!({
            "entry": index,
            "old": rotation.old,
            "new": rotation.new,
            "vkey": vkey,
            "statement": path,
        }));
    }
    out.line(format_args!("entry {index} puts a new key in the place of the log's"))?;
    out.line(format_args!("  old {}", rotation.old))?;
    out.line(format_args!("  new {}", rotation.new))?;
    out.line(format_args!("  verifier key, for witnesses: {}", vkey.unwrap_or_default()))?;
    out.line(format_args!("  statement of both, for those who verify: {}", path.display()))
}

/// Extracts that the old key signed cannot be attested any more: none may be waiting.
fn refuse_waiting(site: &str, context: &Context, ledger: &dyn Ledger) -> Result<(), Failure> {
    let registry = context.home.registry()?;
    for population in registry.populations()?.keys() {
        let waits = known(&context.home, &registry, ledger, population)?.into_iter().any(|known| {
            known.site == site && known.status == ExtractStatus::Unknown && known.path.is_dir()
        });
        if waits {
            let what = format!("an extract of {site} for {population} waits to be attested");
            let hint = format!("attest it with graunt budget open --population {population}");
            return Err(Failure::usage(what, hint));
        }
    }
    Ok(())
}
