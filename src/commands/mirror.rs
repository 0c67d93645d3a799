//! `graunt mirror`: replays another's log by its rules, keeps a copy, and cosigns only then.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use ledger_adapter::mirror::Mirror;
use ledger_adapter::note::VerifierKey;
use ledger_adapter::tiles::source::Source;
use serde_json::json;

use crate::commands::Context;
use crate::commands::witness::{named, policy_line, told};
use crate::fail::Failure;
use crate::output::Output;
use crate::serve;

/// Arguments of `graunt mirror`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Verifier key of the log to mirror; when another took its place, repeat it for both until the
    /// copy is past that entry
    #[arg(long, value_name = "VKEY", required = true)]
    log: Vec<VerifierKey>,
    /// Where its files are: a directory, or an address such as http://host:7000/log
    #[arg(long, value_name = "PLACE")]
    from: String,
    /// Name of this mirror: a domain and a path [default: made from its key]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Address to listen at; a proxy before it gives TLS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7002")]
    listen: SocketAddr,
    /// Follow the log once, tell what it holds, and end
    #[arg(long, conflicts_with = "print")]
    once: bool,
    /// Print the line that names this mirror in a log's policy, and end
    #[arg(long)]
    print: bool,
}

/// Serves `POST /add-checkpoint`, and the copy under `/log/`, until it is ended.
///
/// # Errors
/// [`Failure::Ledger`] if the log breaks a rule, or is not what it was; [`Failure::Store`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let signer = context.home.keys()?.mirror_signer()?;
    let cosigner = named("mirror", arguments.name.as_deref(), signer)?;
    let line = |address| policy_line("mirror", &cosigner, address);
    if arguments.print {
        return told(&line(arguments.listen), context, out);
    }
    let directory = context.home.directory().join("mirror");
    let source = source(&arguments.from)?;
    let mut mirror = Mirror::open(&directory, arguments.log.clone(), cosigner.clone())?;
    if arguments.once {
        return once(&mut mirror, &source, &directory, context, out);
    }
    let mirror = Mutex::new(mirror);
    let answers = move |body: &[u8], time| {
        // A mirror reads everything again after whatever went wrong.
        let mut mirror = mirror.lock().unwrap_or_else(PoisonError::into_inner);
        mirror.add_checkpoint(body, &source, time)
    };
    let copy = serve::log(&directory, Arc::new(|| Ok(())));
    let routes = serve::witness(Arc::new(answers)).merge(copy);
    serve::run(arguments.listen, routes, |address| told(&line(address), context, out))
}

fn once(
    mirror: &mut Mirror,
    source: &Source,
    directory: &Path,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let time = u64::try_from(Utc::now().timestamp()).unwrap_or(0);
    let note = mirror.update(source, time)?;
    let checkpoint = note.checkpoint()?;
    if context.json {
        return out.json(&json!({
            "entries": checkpoint.size,
            "root": checkpoint.root,
            "copy": directory,
            "note": note.to_string(),
        }));
    }
    let size = checkpoint.size;
    out.line(format_args!("{size} entries obey the rules; a copy is in {}", directory.display()))?;
    out.line(note.to_string().trim_end())
}

/// A directory, or an address.
///
/// # Errors
/// [`Failure::Usage`] for an address of another kind.
pub(crate) fn source(from: &str) -> Result<Source, Failure> {
    if from.starts_with("http://") {
        return Ok(Source::url(from, READ_MAX)?);
    }
    if from.contains("://") {
        let what = format!("{from:?} is neither a directory nor an address of http://");
        return Err(Failure::usage(what, "a tunnel or a proxy of one's own gives TLS"));
    }
    Ok(Source::directory(&PathBuf::from(from)))
}

/// Longest wait for a file of the log.
const READ_MAX: Duration = Duration::from_secs(10);
