//! `graunt witness`: watches others' logs, and cosigns that they only go forward.

use std::net::SocketAddr;
use std::sync::Arc;

use ledger_adapter::cosignature::Cosigner;
use ledger_adapter::keys::Signer;
use ledger_adapter::note::VerifierKey;
use ledger_adapter::witnessing::Witness;
use serde_json::json;

use crate::commands::Context;
use crate::fail::Failure;
use crate::home::{Home, short};
use crate::output::Output;
use crate::serve;

/// Arguments of `graunt witness`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Verifier key of a log to watch; repeat it. When a new key took the place of a log's, start
    /// again with the new one only: what is given here is believed
    #[arg(long, value_name = "VKEY")]
    log: Vec<VerifierKey>,
    /// Name of this witness: a domain and a path [default: made from its key]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Address to listen at; a proxy before it gives TLS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7001")]
    listen: SocketAddr,
    /// Print the line that names this witness in a log's policy, and end
    #[arg(long)]
    print: bool,
}

/// Serves `POST /add-checkpoint` until it is ended.
///
/// # Errors
/// [`Failure::Usage`] without a log to watch, [`Failure::Ledger`], [`Failure::Store`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let signer = context.home.keys()?.witness_signer()?;
    let cosigner = named("witness", arguments.name.as_deref(), signer)?;
    let line = |address| policy_line("witness", &cosigner, address);
    if arguments.print {
        return told(&line(arguments.listen), context, out);
    }
    if arguments.log.is_empty() {
        let hint = "give the verifier key of each log with --log; graunt ledger init prints it";
        return Err(Failure::usage("there is no log to watch", hint));
    }
    let logs = arguments.log.clone();
    let witness = Witness::open(&watched(&context.home), cosigner.clone(), logs)?;
    let routes = serve::witness(Arc::new(move |body, time| witness.add_checkpoint(body, time)));
    serve::run(arguments.listen, routes, |address| told(&line(address), context, out))
}

/// Names the key of a cosigner, after its role and itself unless a name was given.
///
/// # Errors
/// [`Failure::Ledger`] if the name is none.
pub(crate) fn named(role: &str, given: Option<&str>, signer: Signer) -> Result<Cosigner, Failure> {
    let made = || format!("{role}.local/{}", short(signer.public().keyid()));
    let name = given.map_or_else(made, str::to_owned);
    Ok(Cosigner::new(&name, signer)?)
}

/// The line of a log's policy that names a cosigner.
pub(crate) fn policy_line(name: &str, cosigner: &Cosigner, address: SocketAddr) -> String {
    format!("witness {name} {} http://{address}", cosigner.key())
}

/// Prints the line of a policy.
pub(crate) fn told(line: &str, context: &Context, out: &mut Output) -> Result<(), Failure> {
    if context.json {
        return out.json(&json!({"policy_line": line}));
    }
    out.line(line)
}

/// Where a witness remembers the logs that it watches.
fn watched(home: &Home) -> std::path::PathBuf {
    home.directory().join("watched")
}
