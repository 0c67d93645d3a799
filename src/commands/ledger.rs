//! `graunt ledger`: makes, reads and checks the ledger.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use engine::scan::extract::VerifiedExtract;
use ledger_adapter::charge::{ExtractStatus, KeyRole};
use ledger_adapter::digest::Digest;
use ledger_adapter::entry::Entry;
use ledger_adapter::error::{LedgerError, Untrusted};
use ledger_adapter::leaves::Leaves;
use ledger_adapter::ledger::Ledger;
use ledger_adapter::tiles;
use serde_json::{Value, json};

use crate::commands::{Context, redact};
use crate::fail::Failure;
use crate::home::{Home, short};
use crate::output::Output;
use crate::population::{Known, known, open};
use crate::progress::bar;
use crate::show::{cost, cost_json, grid};

/// Arguments of `graunt ledger`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make the ledger and its key
    Init {
        /// Give a log that lost its witness a new one, which believes what it sees now
        #[arg(long)]
        add_witness: bool,
    },
    /// List the entries
    Log {
        /// Only the last N
        #[arg(short = 'n', long, value_name = "N")]
        last: Option<u64>,
    },
    /// Print one entry, with the proof that it is on the ledger
    Show {
        /// Index of the entry, from 0
        #[arg(value_name = "INDEX")]
        index: u64,
    },
    /// Write the log as files that any file server can serve, or what is new in it
    Export {
        /// Directory of the files
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Read everything again and verify it: entries, rules, signature, witness, extracts, erasures
    Check,
    /// Withdraw an extract for good
    Revoke {
        /// Root of the extract, or the beginning of it
        #[arg(value_name = "ROOT")]
        root: String,
    },
    /// Erase what was asked and answered; what it cost stays spent
    ///
    /// The stored receipt keeps the proof of its charge and loses question, answer and salts. The
    /// stored answer is destroyed. If this is interrupted, run it again.
    Redact {
        /// Name of the query, or the beginning of it
        #[arg(value_name = "QUERY")]
        query: String,
    },
}

/// Makes, reads or checks the ledger.
///
/// # Errors
/// [`Failure::Ledger`], [`Failure::Usage`], [`Failure::Spoilt`], [`Failure::Output`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    match &arguments.action {
        Action::Init { add_witness } => init(*add_witness, context, out),
        Action::Log { last } => log(*last, context, out),
        Action::Show { index } => show(*index, context, out),
        Action::Export { directory } => export(directory, context, out),
        Action::Check => check(context, out),
        Action::Revoke { root } => revoke(root, context, out),
        Action::Redact { query } => redact::run(query, context, out),
    }
}

fn init(add_witness: bool, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let home = &context.home;
    if add_witness {
        home.add_witness()?;
    }
    let (ledger, is_new) = home.ledger_or_new()?;
    let (directory, vkey) = (home.ledger_directory(), ledger.vkey());
    if context.json {
        return out.json(&json!({
            "ledger": directory,
            "made": is_new,
            "entries": ledger.len()?,
            "vkey": vkey,
            "witness": home.witness(),
        }));
    }
    let what = if is_new { "made a ledger" } else { "there is a ledger" };
    out.line(format_args!("{what} in {}", directory.display()))?;
    out.line(format_args!("  verifier key {vkey}"))?;
    out.line(format_args!("  witness      {}", home.witness().display()))?;
    if home.is_witness_inside() {
        out.dim_line(INSIDE)?;
    }
    Ok(())
}

fn log(last: Option<u64>, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let ledger = context.home.ledger()?;
    let names = Names::read(&context.home)?;
    let count = ledger.len()?;
    let first = count.saturating_sub(last.unwrap_or(count));
    let entries = ledger.entries(first..count)?;
    if context.json {
        let values: Vec<Value> =
            (first..).zip(&entries).map(|(index, entry)| names.json(index, entry)).collect();
        return out.json(&values);
    }
    let rows = (first..).zip(&entries).map(|(index, entry)| names.row(index, entry)).collect();
    let header = ["entry", "kind", "what", "cost"].map(str::to_owned);
    out.line(grid(&header, rows, &[true, false, false, false]))
}

fn show(index: u64, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let ledger = context.home.ledger()?;
    let count = ledger.len()?;
    if index >= count {
        let what = format!("there is no entry {index}");
        return Err(Failure::usage(what, format!("the ledger has {count} entries, from 0")));
    }
    let proof = ledger.proof(&[index])?;
    let entries = proof.verify(Some(&ledger.vkey()))?;
    if context.json {
        return out.json(&proof);
    }
    let names = Names::read(&context.home)?;
    for ((_, entry), proved) in entries.iter().zip(&proof.entries) {
        out.line(names.row(index, entry).join("  "))?;
        out.line(&proved.entry)?;
        out.line("inclusion proof, from the leaf's sibling to below the root:")?;
        proved.path.iter().try_for_each(|hash| out.line(format_args!("  {hash}")))?;
    }
    out.line("under the signed checkpoint:")?;
    proof.checkpoint.lines().try_for_each(|line| out.line(format_args!("  {line}")))?;
    out.line(format_args!("verified with {}", proof.vkey))
}

fn export(directory: &Path, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let tiles::Exported { checkpoint, tiles_written } =
        tiles::export(&context.home.ledger()?, directory)?;
    if context.json {
        return out.json(&json!({"entries": checkpoint.size, "tiles_written": tiles_written}));
    }
    let (size, directory) = (checkpoint.size, directory.display());
    out.line(format_args!("{size} entries are in {directory}, {tiles_written} files are new"))
}

fn revoke(beginning: &str, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let ledger = context.home.accounts()?;
    let known = context.home.registry()?.extracts()?;
    let mut roots: Vec<Digest> =
        known.keys().copied().filter(|root| root.to_string().starts_with(beginning)).collect();
    // A root that only the ledger knows must be given whole.
    if roots.is_empty()
        && let Ok(root) = beginning.parse()
    {
        roots.push(root);
    }
    let [root] = roots.as_slice() else {
        let what = format!("{} extracts have a root that begins with {beginning:?}", roots.len());
        return Err(Failure::usage(what, "graunt ledger log lists them; give more of the root"));
    };
    let placed = ledger.revoke(*root)?;
    if context.json {
        return out.json(&json!({"root": root, "entry": placed.index}));
    }
    let site = known.get(root).map_or("a site that is not known here", |known| &known.site);
    out.line(format_args!("entry {} withdraws the extract of {site}, {root}", placed.index))
}

fn check(context: &Context, out: &mut Output) -> Result<(), Failure> {
    let home = &context.home;
    let ledger = home.ledger()?;
    let checkpoint = ledger.check()?;
    let registry = home.registry()?;
    let mut lines = vec![
        format!("{} entries hash to the root {}", checkpoint.size, checkpoint.root),
        "every entry obeys the rules of accounts and extracts".to_owned(),
        format!("the checkpoint is signed by {}", ledger.vkey()),
        format!("the witness {} has seen no more and no other", home.witness().display()),
    ];
    let mut faults = Vec::new();
    let mut count = 0;
    for population in registry.populations()?.keys() {
        let mut all = known(home, &registry, &ledger, population)?;
        all.retain(|known| matches!(known.status, ExtractStatus::Active(..)));
        for extract in all {
            count += 1;
            match check_extract(home, &extract, context.quiet) {
                Ok(files) => lines.push(format!(
                    "the extract of {} for {population} is as attested, {files} files",
                    extract.site
                )),
                Err(failure) => faults.push((extract.site, failure)),
            }
        }
    }
    let unfinished = redact::unfinished(home, &ledger)?;
    if unfinished.is_empty() {
        lines.push("nothing that was redacted is kept".to_owned());
    }
    if context.json {
        let faults =
            faults.iter().map(|(site, fault)| json!({"site": site, "error": fault.message()}));
        out.json(&json!({
            "entries": checkpoint.size,
            "root": checkpoint.root,
            "vkey": ledger.vkey(),
            "checks": lines,
            "witness_inside_home": home.is_witness_inside(),
            "faults": faults.collect::<Vec<_>>(),
            "redacted_but_kept": unfinished,
        }))?;
    } else {
        lines.iter().try_for_each(|line| out.line(format_args!("ok  {line}")))?;
        for (site, fault) in &faults {
            out.bold_line(format_args!("bad the extract of {site}: {}", fault.message()))?;
        }
        for path in &unfinished {
            out.bold_line(format_args!("bad {} is of a redacted query", path.display()))?;
        }
        if home.is_witness_inside() {
            out.dim_line(INSIDE)?;
        }
    }
    let failed = faults.len();
    if failed > 0 {
        return Err(Failure::Spoilt { failed, count });
    }
    if !unfinished.is_empty() {
        let what = format!("{} files of redacted queries are still here", unfinished.len());
        return Err(Failure::usage(what, "run graunt ledger redact again, for each of them"));
    }
    Ok(())
}

/// Reads every byte of an extract; gives the number of files.
fn check_extract(home: &Home, known: &Known, is_quiet: bool) -> Result<usize, Failure> {
    let opened = open(home, std::slice::from_ref(known))?;
    let bar = bar("files", is_quiet);
    let files: Vec<_> = opened
        .iter()
        .flat_map(|extract: &VerifiedExtract| &extract.manifest().tables)
        .flat_map(|table| &table.files)
        .collect();
    bar.set_length(files.len() as u64);
    for file in &files {
        let path = known.path.join(&file.path);
        let untrusted = |fault| LedgerError::Untrusted { place: path.display().to_string(), fault };
        let bytes = fs::read(&path).map_err(|_| untrusted(Untrusted::Missing))?;
        if Leaves::of(&bytes).root() != file.blake3 {
            return Err(untrusted(Untrusted::Digest).into());
        }
        bar.inc(1);
    }
    Ok(files.len())
}

/// What the registry knows of the digests on the ledger.
struct Names {
    populations: BTreeMap<Digest, String>,
    sites: BTreeMap<Digest, String>,
}

impl Names {
    fn read(home: &Home) -> Result<Self, Failure> {
        let registry = home.registry()?;
        let populations = registry.populations()?;
        let extracts = registry.extracts()?;
        Ok(Self {
            populations: populations.into_iter().map(|(name, p)| (p.account, name)).collect(),
            sites: extracts.into_iter().map(|(root, record)| (root, record.site)).collect(),
        })
    }

    fn account(&self, account: Digest) -> String {
        named("account", account, &self.populations)
    }

    fn extract(&self, root: Digest) -> String {
        named("extract", root, &self.sites)
    }

    fn row(&self, index: u64, entry: &Entry) -> Vec<String> {
        let (kind, what, price) = self.parts(entry);
        vec![index.to_string(), kind.to_owned(), what, price]
    }

    fn parts(&self, entry: &Entry) -> (&'static str, String, String) {
        match entry {
            Entry::Open(opening) => ("open", self.account(opening.account), cost(opening.cap)),
            Entry::Charge(request) => {
                let accounts = request.items.iter().map(|(account, _)| self.account(*account));
                let prices = request.items.iter().map(|(_, price)| cost(*price));
                let accounts = accounts.collect::<Vec<_>>().join(", ");
                let what = format!("query {} to {accounts}", short(request.query));
                ("charge", what, prices.collect::<Vec<_>>().join("; "))
            }
            Entry::Release { query, .. } => {
                ("release", format!("query {}", short(*query)), String::new())
            }
            Entry::Attest(new) => {
                let (extract, account) = (self.extract(new.root), self.account(new.account));
                ("attest", format!("{extract} for {account}"), String::new())
            }
            Entry::Supersede { old, new } => {
                let what = format!("{} replaces {}", self.extract(new.root), short(*old));
                ("supersede", what, String::new())
            }
            Entry::Revoke { root } => ("revoke", self.extract(*root), String::new()),
            Entry::Redact { query } => {
                ("redact", format!("query {}", short(*query)), String::new())
            }
            Entry::Commit { query, round, root } => {
                let what = format!("{} to round {round} of query {}", short(*root), short(*query));
                ("commit", what, String::new())
            }
            Entry::Key(rotation) => {
                let whose = match rotation.role {
                    KeyRole::Site => "",
                    KeyRole::Log => "of the log: ",
                };
                let (new, old) = (short(rotation.new), short(rotation.old));
                let what = format!("{whose}{new} replaces {old}");
                ("key", what, String::new())
            }
        }
    }

    fn json(&self, index: u64, entry: &Entry) -> Value {
        let (kind, what, _) = self.parts(entry);
        let price = match entry {
            Entry::Open(opening) => cost_json(opening.cap),
            Entry::Charge(request) => {
                request.items.iter().map(|(_, price)| cost_json(*price)).collect()
            }
            _ => Value::Null,
        };
        json!({"index": index, "kind": kind, "what": what, "cost": price, "entry": entry})
    }
}

fn named(kind: &str, digest: Digest, names: &BTreeMap<Digest, String>) -> String {
    match names.get(&digest) {
        Some(name) => format!("{name} ({})", short(digest)),
        None => format!("{kind} {}", short(digest)),
    }
}

const INSIDE: &str = "note: the witness lies in the home itself, so restoring an old copy of the \
                      whole home goes unseen; set witness in graunt.toml to a place elsewhere";
