//! `graunt ledger redact`: erases what was asked and answered, and keeps what it cost.
//!
//! The entry comes first, then the documents are destroyed: whatever is left after a crash is not
//! given again, and running the command again finishes it. A query that is being answered at this
//! very moment may write its receipt afterwards: run it again then.

use std::fs;
use std::path::{Path, PathBuf};

use ledger_adapter::charge::Outcome;
use ledger_adapter::digest::Digest;
use ledger_adapter::entry::Entry;
use ledger_adapter::ledger::Ledger;
use ledger_adapter::log::LogLedger;
use ledger_adapter::proof::LogProof;
use ledger_adapter::receipt::redacted::{Filed, destroy};
use serde_json::json;

use crate::commands::Context;
use crate::fail::Failure;
use crate::home::Home;
use crate::output::Output;

/// Erases a query, given by its name or the beginning of it.
///
/// # Errors
/// [`Failure::Usage`], [`Failure::Ledger`], [`Failure::Store`], [`Failure::Output`].
pub(crate) fn run(beginning: &str, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let ledger = context.home.ledger()?;
    let entries = ledger.entries(0..ledger.len()?)?;
    let query = named(&entries, beginning)?;
    // On a chain, the contract is told as well.
    let placed = context.home.accounts()?.redact(query)?;
    let log = ledger.proof(&places(&entries, query, placed.index))?;
    let erased = erase(&context.home, query, &log)?;
    if context.json {
        return out.json(&json!({
            "query": query,
            "entry": placed.index,
            "redacted": erased.redacted,
            "destroyed": erased.destroyed,
        }));
    }
    out.line(format_args!("entry {} redacts query {query}", placed.index))?;
    for path in &erased.redacted {
        out.line(format_args!("  redacted  {}", path.display()))?;
    }
    for path in &erased.destroyed {
        out.line(format_args!("  destroyed {}", path.display()))?;
    }
    out.line("  its charge stays spent; the same question is charged anew")?;
    out.dim_line("  copies elsewhere, backups and the shell's history are not touched")
}

/// Receipts and releases of redacted queries that still have question and answer. What a killed
/// command left half written may be of any query: it counts once the ledger redacts one.
///
/// # Errors
/// [`Failure::Ledger`], [`Failure::Store`].
pub(crate) fn unfinished(home: &Home, ledger: &LogLedger) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let entries = ledger.entries(0..ledger.len()?)?;
    if !entries.iter().any(|entry| matches!(entry, Entry::Redact { .. })) {
        return Ok(found);
    }
    for path in [files(&home.receipts())?, files(&home.releases())?].concat() {
        let is_redacted = match Filed::load(&path) {
            Ok(Filed::Whole(receipt)) => {
                matches!(ledger.outcome(receipt.intent.query)?, Some(Outcome::Redacted(_)))
            }
            Ok(Filed::Redacted(_)) => false,
            Err(_) => is_left_behind(&path),
        };
        if is_redacted {
            found.push(path);
        }
    }
    Ok(found)
}

/// The one charged query whose name begins so.
fn named(entries: &[Entry], beginning: &str) -> Result<Digest, Failure> {
    if beginning.len() < DIGITS_MIN {
        let what = "what is erased is gone: a letter too few could name another query";
        return Err(Failure::usage(what, format!("give at least {DIGITS_MIN} digits of its name")));
    }
    let charged = entries.iter().filter_map(|entry| match entry {
        Entry::Charge(request) => Some(request.query),
        _ => None,
    });
    let found: Vec<Digest> =
        charged.filter(|query| query.to_string().starts_with(beginning)).collect();
    match found.as_slice() {
        [query] => Ok(*query),
        _ => {
            let what =
                format!("{} queries have a name that begins with {beginning:?}", found.len());
            Err(Failure::usage(what, "graunt ledger log lists them; give more of the name"))
        }
    }
}

/// The entries that a redacted receipt proves.
fn places(entries: &[Entry], query: Digest, redaction: u64) -> Vec<u64> {
    let charge = entries.iter().find_map(|entry| match entry {
        Entry::Charge(request) if request.query == query => Some(request),
        _ => None,
    });
    let (items, inputs) =
        charge.map_or((&[][..], &[][..]), |charge| (&charge.items[..], &charge.inputs[..]));
    let is_needed = |entry: &Entry| match entry {
        Entry::Open(opening) => items.iter().any(|(account, _)| *account == opening.account),
        Entry::Attest(new) | Entry::Supersede { new, .. } => inputs.contains(&new.root),
        Entry::Charge(request) => request.query == query,
        Entry::Release { query: of, .. } | Entry::Commit { query: of, .. } => *of == query,
        Entry::Redact { .. } | Entry::Revoke { .. } | Entry::Key(_) => false,
    };
    let needed = (0..).zip(entries).filter(|(_, entry)| is_needed(entry));
    needed.map(|(index, _)| index).chain([redaction]).collect()
}

/// Files that were changed.
#[derive(Debug, Default)]
struct Erased {
    /// Receipts without question, answer and salts now.
    redacted: Vec<PathBuf>,
    /// Files that are gone.
    destroyed: Vec<PathBuf>,
}

/// Destroys everything of a query in the home: in its receipt the documents and salts, and its
/// stored release and whatever a crash left of either altogether.
fn erase(home: &Home, query: Digest, log: &LogProof) -> Result<Erased, Failure> {
    let mut erased = Erased::default();
    for path in files(&home.receipts())? {
        if !is_of(&path, query)? {
            continue;
        }
        let is_receipt = path.extension().is_some_and(|extension| extension == "json");
        let left = match Filed::load(&path) {
            Ok(Filed::Redacted(_)) if is_receipt => continue,
            Ok(Filed::Whole(receipt)) if is_receipt => receipt.redact(log.clone()).ok(),
            _ => None,
        };
        // What is not a receipt of this ledger proves nothing; its documents go all the same.
        if let Some(left) = left {
            left.save(&path)?;
            erased.redacted.push(path);
        } else {
            destroy(&path)?;
            erased.destroyed.push(path);
        }
    }
    for path in files(&home.releases())? {
        let proof = path.with_extension("receipt.json");
        // Rows without the receipt beside them are never given again, and nobody knows whose they
        // are.
        let are_rows = path.extension().is_some_and(|end| end == "arrow" || end == "partial");
        let is_orphan = are_rows && !proof.exists();
        if is_orphan || is_of(&path, query)? {
            let rows = path.with_extension("").with_extension("arrow");
            for path in [rows, path] {
                if path.exists() {
                    destroy(&path)?;
                    erased.destroyed.push(path);
                }
            }
        }
    }
    Ok(erased)
}

/// Whether a file is of the query: a receipt of it, what names it and is no receipt of another, or
/// what a writer left behind who is gone, for nobody knows whose that is.
fn is_of(path: &Path, query: Digest) -> Result<bool, Failure> {
    match Filed::load(path) {
        Ok(Filed::Whole(receipt)) => return Ok(receipt.intent.query == query),
        Ok(Filed::Redacted(_)) => return Ok(false),
        Err(_) if is_left_behind(path) => return Ok(true),
        Err(_) => {}
    }
    let name = query.to_string();
    match fs::read(path) {
        Ok(bytes) => Ok(bytes.windows(name.len()).any(|window| window == name.as_bytes())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::store(path, "reading")(error)),
    }
}

/// Whether a file is half written, by a process that has ended: `<name>.<process>.<count>.tmp`.
fn is_left_behind(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(rest) = name.strip_suffix(".tmp") else { return false };
    let process = rest.rsplit('.').nth(1).unwrap_or_default();
    let is_running = process.bytes().all(|byte| byte.is_ascii_digit())
        && Path::new("/proc").join(process).exists();
    process.is_empty() || !is_running || process == std::process::id().to_string()
}

/// The files of a directory, in order of name; none if there is no directory.
fn files(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = || Failure::store(directory, "listing");
    let mut paths = Vec::new();
    if directory.is_dir() {
        for entry in directory.read_dir().map_err(failed())? {
            paths.push(entry.map_err(failed())?.path());
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

/// Fewest digits that name a query to be erased.
const DIGITS_MIN: usize = 8;
