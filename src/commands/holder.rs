//! `graunt holder`: who opens totals that no single party could.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use engine::federation::terms::Holder;
use engine::federation::{HolderNode, ParcelKey};
use ledger_adapter::once::Once;
use serde_json::json;

use crate::commands::Context;
use crate::fail::Failure;
use crate::federated;
use crate::output::Output;
use crate::wire::identity::Identity;

/// Arguments of `graunt holder`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Add noise to totals, and open each set of them once
    Serve(ServeArguments),
    /// Print the lines by which this holder takes part in a federation
    Key(KeyArguments),
}

/// Arguments of `graunt holder serve`.
#[derive(Debug, clap::Args)]
struct ServeArguments {
    /// The terms of the federation
    #[arg(long, value_name = "FILE")]
    terms: PathBuf,
    /// Directory with authority.pem, certificate.pem and key.pem; the certificate names the holder
    #[arg(long, value_name = "DIR")]
    tls: PathBuf,
    /// Address to listen at
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7444")]
    listen: SocketAddr,
}

/// Arguments of `graunt holder key`.
#[derive(Debug, clap::Args)]
struct KeyArguments {
    /// The holder
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Where it listens, such as https://host:7444
    #[arg(long, value_name = "URL")]
    url: String,
}

/// Serves, or prints keys.
///
/// # Errors
/// [`Failure`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    match &arguments.action {
        Action::Serve(arguments) => serve(arguments, context, out),
        Action::Key(arguments) => key(arguments, context, out),
    }
}

fn serve(arguments: &ServeArguments, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let home = &context.home;
    let terms = federated::terms(&arguments.terms)?;
    let digest = federated::digest(&terms)?;
    let identity = Identity::read(&arguments.tls)?;
    let name = identity.name().to_owned();
    let keys = home.keys()?;
    let secret = keys.secret(&format!("parcels-{name}"))?;
    let own = (keys.holder_signer(&name)?, ParcelKey::from_secret(secret.as_bytes()));
    let kept = Once::at(&home.directory().join(format!("opened-{name}")));
    let ledger = (home.accounts()?, home.finality());
    let node = HolderNode::new(terms, &name, own, ledger, kept).map_err(|error| {
        let hint = "graunt holder key prints the lines that the terms must have";
        Failure::usage(error.to_string(), hint)
    })?;
    federated::serve(arguments.listen, &identity, Arc::new(node), |address| {
        let url = format!("https://{address}");
        if context.json {
            return out.json(&json!({"holder": name, "url": url, "terms": digest}));
        }
        out.line(format_args!("holder {name} answers at {url}, under terms {digest}"))
    })
}

fn key(arguments: &KeyArguments, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let KeyArguments { name, url } = arguments;
    let keys = context.home.keys()?;
    let secret = keys.secret(&format!("parcels-{name}"))?;
    let parcel_key = ParcelKey::from_secret(secret.as_bytes()).public();
    let key = keys.holder_signer(name)?.public();
    if context.json {
        let holder = Holder { name: name.clone(), url: url.clone(), key, parcel_key };
        return out.json(&json!({"holders": [holder]}));
    }
    out.line("[[holders]]")?;
    out.line(format_args!("name = {name:?}\nurl = {url:?}\nkey = \"{key}\""))?;
    out.line(format_args!("parcel_key = \"{parcel_key}\""))
}
