//! `graunt extract`: a site's records, de-identified, signed and attested.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::Utc;
use datasets::extract::{BuiltExtract, ExtractRequest, build};
use ledger_adapter::digest::Digest;
use ledger_adapter::registry::{ExtractRecord, Registry};
use serde_json::json;

use crate::commands::{Context, policy};
use crate::fail::Failure;
use crate::home::{Home, today};
use crate::output::{Output, remark};
use crate::population;
use crate::progress::bar;

/// Arguments of `graunt extract`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Directory with OMOP tables (CSV or Parquet) or Synthea's CSV files
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The site: 1 to 40 of a-z, 0-9 and -
    #[arg(long, value_name = "ID", value_parser = id)]
    site: Option<String>,
    /// The population whose budget pays for queries
    #[arg(long, value_name = "NAME")]
    population: Option<String>,
    /// Built-in de-identification policy or file [default: safe-harbor]
    #[arg(long, value_name = "NAME|FILE")]
    policy: Option<String>,
    /// Directory to be made [default: extracts/SITE-TIME in the home]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Which key makes pseudonyms; the same at all sites of a population [default: epoch-1]
    #[arg(long, value_name = "NAME", value_parser = id)]
    key_epoch: Option<String>,
    /// Write a report of every dropped row and changed value, for the steward only
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Makes an extract, and attests it as soon as the population has a budget.
///
/// # Errors
/// [`Failure`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let defaults = &context.config.extract;
    let home = &context.home;
    let missing = |what: &str| {
        Failure::usage(format!("no {what} is named"), format!("name it with --{what}"))
    };
    let site = arguments.site.clone().or_else(|| defaults.site.clone());
    let site = site.ok_or_else(|| missing("site"))?;
    let name = arguments.population.clone().or_else(|| defaults.population.clone());
    let name = name.ok_or_else(|| missing("population"))?;
    let chosen = arguments.policy.as_deref().or(defaults.policy.as_deref());
    let policy = policy::resolve(chosen.unwrap_or("safe-harbor"))?;
    let epoch = arguments.key_epoch.clone().or_else(|| defaults.key_epoch.clone());
    let key_epoch = epoch.unwrap_or_else(|| "epoch-1".to_owned());
    let from = source(&arguments.from, &site)?;
    let (ledger, is_new) = home.accounts_or_new()?;
    if is_new && !context.quiet {
        remark(format_args!("made a ledger in {}", home.ledger_directory().display()));
    }
    let registry = home.registry()?;
    let account = account(home, &registry, &name)?;
    let known = population::known(home, &registry, ledger.as_ref(), &name)?;
    let request = ExtractRequest {
        from,
        site: site.clone(),
        population: name.clone(),
        account,
        policy,
        out: arguments.out.clone().unwrap_or_else(|| default_place(home.directory(), &site)),
        supersedes: population::replaced(home, &known, &site)?,
        issued_day: today()?,
        key_epoch,
    };
    let keys = home.keys()?;
    let (secret, signer) = (keys.secret(&request.key_epoch)?, keys.site_signer(&site)?);
    let bar = bar("tables", context.quiet);
    let progress = |step: &str, done, total| {
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message(step.to_owned());
    };
    let built = build(&request, &secret, &signer, &progress)?;
    drop(bar);
    let record = ExtractRecord { path: home.kept(&built.path)?, site, population: name.clone() };
    // Known before attested: what is on the ledger can then always be found.
    registry.record_extract(built.root, &record)?;
    let is_open = ledger.opened(account)?.is_some() && !home.is_follower();
    if is_open {
        population::attest(home, &registry, ledger.as_ref(), &name)?;
    }
    if let Some(path) = &arguments.report {
        write_report(&built, path)?;
    }
    if context.json { print_json(&built, is_open, out) } else { print(&built, is_open, out) }
}

/// The account of a population. Where others decide about accounts, it is theirs to tell.
fn account(home: &Home, registry: &Registry, name: &str) -> Result<Digest, Failure> {
    if !home.is_follower() {
        return Ok(registry.create_population(name)?.account);
    }
    registry.population(name)?.map(|found| found.account).ok_or_else(|| {
        let what = format!("population {name:?} is not known here");
        Failure::usage(what, "take part in it first, with graunt site join")
    })
}

/// Reads a name that becomes part of a file name.
fn id(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=40).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("1 to 40 of a-z, 0-9 and - are allowed".to_owned())
    }
}

/// The directory itself, or the site's own within a directory of several sites.
fn source(from: &Path, site: &str) -> Result<PathBuf, Failure> {
    if !from.is_dir() {
        let what = format!("{} is no directory", from.display());
        return Err(Failure::usage(what, "name a directory of OMOP tables with --from"));
    }
    let own = from.join(site);
    Ok(if own.is_dir() { own } else { from.to_owned() })
}

fn default_place(home: &Path, site: &str) -> PathBuf {
    let time = Utc::now().format("%Y%m%d-%H%M%S");
    home.join("extracts").join(format!("{site}-{time}"))
}

fn write_report(built: &BuiltExtract, path: &Path) -> Result<(), Failure> {
    let text = serde_json::to_vec_pretty(&built.report)
        .map_err(|error| Failure::Encode(Box::new(error)))?;
    let mut options = OpenOptions::new();
    // Counts are facts about records: for the steward only.
    let file = options.create(true).write(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(&text)).map_err(Failure::store(path, "writing"))
}

fn print(built: &BuiltExtract, is_attested: bool, out: &mut Output) -> Result<(), Failure> {
    let manifest = &built.manifest;
    out.line(format_args!(
        "extract of {} for population {}, policy {} ({})",
        manifest.site, manifest.population, manifest.policy.name, manifest.policy.basis
    ))?;
    out.line(format_args!("  at   {}", built.path.display()))?;
    out.line(format_args!("  root {}", built.root))?;
    let tables = &built.report.tables;
    let rows_in: u64 = tables.iter().map(|table| table.rows_in).sum();
    let rows_out: u64 = tables.iter().map(|table| table.rows_out).sum();
    out.line(format_args!("  {} tables, {rows_in} rows in, {rows_out} rows out", tables.len()))?;
    for table in tables {
        for (why, rows) in &table.rows_dropped {
            out.line(format_args!("  {}: {rows} rows left out, {why}", table.table))?;
        }
    }
    if let Some(old) = manifest.supersedes {
        out.line(format_args!("  replaces {old}"))?;
    }
    if is_attested {
        return out.dim_line("  attested on the ledger");
    }
    out.line(format_args!(
        "  not attested yet: graunt budget open --population {} attests it; where another home \
         keeps the ledger, give it the card that graunt site card makes",
        manifest.population
    ))
}

fn print_json(built: &BuiltExtract, is_attested: bool, out: &mut Output) -> Result<(), Failure> {
    let manifest = &built.manifest;
    out.json(&json!({
        "path": built.path,
        "root": built.root,
        "site": manifest.site,
        "population": manifest.population,
        "policy": manifest.policy.name,
        "supersedes": manifest.supersedes,
        "expires_day": manifest.expires_day,
        "attested": is_attested,
        "report": built.report,
    }))
}
