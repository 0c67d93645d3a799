//! `graunt serve`: the log as files that anyone can read and verify.

use std::net::SocketAddr;
use std::sync::Arc;

use ledger_adapter::tiles;
use serde_json::json;

use crate::commands::Context;
use crate::fail::Failure;
use crate::output::Output;
use crate::serve;

/// Arguments of `graunt serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Address to listen at; a proxy before it gives TLS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7000")]
    listen: SocketAddr,
}

/// Serves the log under `/log/` until it is ended. What is new in the log is exported when its
/// checkpoint is asked for.
///
/// # Errors
/// [`Failure::Usage`] if there is no ledger, [`Failure::Ledger`], [`Failure::Store`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let home = &context.home;
    let directory = home.tiles();
    let ledger = Arc::new(home.ledger()?);
    let exported = tiles::export(&ledger, &directory)?;
    let exports = {
        let directory = directory.clone();
        move || tiles::export(&ledger, &directory).map(|_| ())
    };
    let routes = serve::log(&directory, Arc::new(exports));
    serve::run(arguments.listen, routes, |address| {
        let url = format!("http://{address}/log");
        if context.json {
            return out.json(&json!({"url": url, "entries": exported.checkpoint.size}));
        }
        let (size, origin) = (exported.checkpoint.size, exported.checkpoint.origin);
        out.line(format_args!("{origin}, {size} entries, at {url}/checkpoint"))
    })
}
