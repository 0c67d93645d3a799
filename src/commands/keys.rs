//! `graunt keys`: replaces the key of a site, and tells others which keys to trust.

use ledger_adapter::charge::ExtractStatus;
use ledger_adapter::error::LedgerError;
use ledger_adapter::ledger::Ledger;
use serde_json::json;

use crate::commands::Context;
use crate::fail::Failure;
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
    /// Put a new key in the place of a site's, and destroy the old one
    ///
    /// What the old key attested stays active until the site's next extract takes its place; from
    /// now on it attests nothing. If this is interrupted, run it again.
    Rotate {
        /// The site
        #[arg(long, value_name = "ID")]
        site: String,
    },
    /// Print the policy by which others verify receipts: graunt verify --policy
    Policy,
}

/// Replaces keys, or tells of them.
///
/// # Errors
/// [`Failure::Usage`], [`Failure::Ledger`], [`Failure::Store`], [`Failure::Output`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    match &arguments.action {
        Action::Rotate { site } => rotate(site, context, out),
        Action::Policy => policy(context, out),
    }
}

/// Prints one form for people and programs: it is a file to be published.
fn policy(context: &Context, out: &mut Output) -> Result<(), Failure> {
    let home = &context.home;
    let (ledger, keys) = (home.ledger()?, home.keys()?);
    out.json(&json!({
        "version": 1,
        "log_policy": home.log_policy(&ledger.vkey())?,
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
