//! `graunt federation`: the terms that all parties share.

use std::fs;
use std::path::{Path, PathBuf};

use engine::federation::Parameters;
use engine::federation::terms::{Federation, Holder, Party, Proofs};
use serde::Deserialize;
use serde_json::json;

use crate::commands::Context;
use crate::fail::Failure;
use crate::federated;
use crate::output::Output;
use crate::progress::spinner;

/// Arguments of `graunt federation`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Write terms, with this home as the coordinator, from what graunt site key and graunt holder
    /// key print
    New(NewArguments),
    /// Draw parameters by which sites prove that their totals are in range, and print the lines
    /// that terms pin them by
    ///
    /// Whoever draws them could keep what it takes to forge proofs of their own totals; nobody
    /// could read those of others by it. So they come from a ceremony of several parties, or from
    /// an auditor whom all sites trust to forget it. A site that draws them proves nothing.
    Crs(CrsArguments),
}

/// Arguments of `graunt federation crs`.
#[derive(Debug, clap::Args)]
struct CrsArguments {
    /// Totals of one proof, from 1 to 2048; a proof of few takes seconds, of many half a minute
    #[arg(long, value_name = "K", default_value = "64",
          value_parser = clap::value_parser!(u32).range(1..=2048))]
    counters: u32,
    /// File to be made, of some megabytes; sites, coordinator and verifiers need it
    #[arg(long, value_name = "FILE", default_value = "proofs.crs")]
    out: PathBuf,
}

/// Arguments of `graunt federation new`.
#[derive(Debug, clap::Args)]
struct NewArguments {
    /// Files with the lines of sites and holders, and of parameters if there are to be proofs
    #[arg(value_name = "FILE", required = true)]
    parts: Vec<PathBuf>,
    /// Name of the coordinator, as in its certificate
    #[arg(long, value_name = "NAME", default_value = "coordinator")]
    coordinator: String,
    /// How many holders open a total together [default: more than half]
    #[arg(long, value_name = "N")]
    threshold: Option<u32>,
    /// Fewest sites that are opened together [default: all but one, and two at least]
    #[arg(long, value_name = "N")]
    sites_min: Option<u32>,
    /// Fewest holders whose noise a total must have [default: all but one]
    #[arg(long, value_name = "N")]
    covers_min: Option<u32>,
    /// Most sites that one person is at; noise grows with it
    #[arg(long, value_name = "N", default_value = "1")]
    sites_per_person: u32,
    /// Most persons of one site
    #[arg(long, value_name = "N", default_value = "10000000")]
    persons_per_site: u64,
    /// File to be made
    #[arg(long, value_name = "FILE", default_value = "federation.toml")]
    out: PathBuf,
}

/// What `graunt site key`, `graunt holder key` and `graunt federation crs` print.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Parts {
    sites: Vec<Party>,
    holders: Vec<Holder>,
    proofs: Option<Proofs>,
}

/// Writes terms, or parameters of proofs.
///
/// # Errors
/// [`Failure::Usage`] if they do not hold, or the file is there; [`Failure::Store`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    match &arguments.action {
        Action::New(arguments) => new(arguments, context, out),
        Action::Crs(arguments) => crs(arguments, context, out),
    }
}

fn new(arguments: &NewArguments, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let Parts { sites, holders, proofs } = parts(&arguments.parts)?;
    let count = |parties: usize| u32::try_from(parties).unwrap_or(u32::MAX);
    let (all_sites, all_holders) = (count(sites.len()), count(holders.len()));
    let threshold = arguments.threshold.unwrap_or(all_holders / 2 + 1);
    let covers_min = all_holders.saturating_sub(1).max(threshold).max(1);
    let sites_min = all_sites.saturating_sub(1).max(2).min(all_sites);
    let key = context.home.keys()?.release_signer()?.public();
    let name = arguments.coordinator.clone();
    let terms = Federation {
        version: 1,
        threshold,
        sites_min: arguments.sites_min.unwrap_or(sites_min),
        covers_min: arguments.covers_min.unwrap_or(covers_min),
        sites_per_person: arguments.sites_per_person,
        persons_per_site: arguments.persons_per_site,
        proofs,
        coordinator: Party { name, url: String::new(), key },
        sites,
        holders,
    };
    let hint = "name other numbers, or other files";
    terms.check().map_err(|error| Failure::usage(error.to_string(), hint))?;
    let place = &arguments.out;
    check_free(place)?;
    let text = toml::to_string(&terms).map_err(|error| Failure::Encode(Box::new(error)))?;
    fs::write(place, text).map_err(Failure::store(place, "writing"))?;
    let (honest, threshold) = (terms.honest(), terms.threshold);
    let digest = federated::digest(&terms)?;
    if context.json {
        return out.json(&json!({
            "terms": place,
            "digest": digest,
            "honest": honest,
            "threshold": threshold,
        }));
    }
    let votes = terms.votes_min();
    out.line(format_args!(
        "{all_sites} sites, {all_holders} holders of whom {votes} agree and {threshold} open; {}",
        place.display()
    ))?;
    out.dim_line(format_args!(
        "  noise is charged as that of {honest} honest parties; give every party a copy, and let \
         each compare {digest}"
    ))
}

/// What all files say together.
fn parts(paths: &[PathBuf]) -> Result<Parts, Failure> {
    let mut all = Parts::default();
    for path in paths {
        let text = fs::read_to_string(path).map_err(Failure::store(path, "reading"))?;
        let Parts { sites, holders, proofs } = toml::from_str(&text).map_err(|error| {
            let what = format!("{}: {}", path.display(), error.message());
            let hint = "name files with what graunt site key, holder key or federation crs prints";
            Failure::usage(what, hint)
        })?;
        all.sites.extend(sites);
        all.holders.extend(holders);
        if proofs.is_some() && all.proofs.is_some() {
            let what = format!("{}: parameters of proofs are named twice", path.display());
            return Err(Failure::usage(what, "name one file of them"));
        }
        all.proofs = all.proofs.or(proofs);
    }
    Ok(all)
}

fn crs(arguments: &CrsArguments, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let place = &arguments.out;
    check_free(place)?;
    let progress = spinner("drawing parameters", context.quiet);
    let drawn = Parameters::generate(arguments.counters);
    drop(progress);
    let drawn = drawn.map_err(|error| Failure::usage(error.to_string(), "name another number"))?;
    fs::write(place, drawn.to_bytes()).map_err(Failure::store(place, "writing"))?;
    let proofs = drawn.proofs();
    if context.json {
        return out.json(&json!({"crs": place, "proofs": proofs, "warning": FORGERY}));
    }
    FORGERY.iter().try_for_each(|line| out.line(format_args!("# {line}")))?;
    let Proofs { crs, counters } = proofs;
    out.line(format_args!("[proofs]\ncrs = \"{crs}\"\ncounters = {counters}"))
}

fn check_free(place: &Path) -> Result<(), Failure> {
    if place.exists() {
        let what = format!("{} is there already", place.display());
        return Err(Failure::usage(what, "all parties hold its copy; name another with --out"));
    }
    Ok(())
}

/// What whoever pins drawn parameters must know.
const FORGERY: [&str; 3] = [
    "Whoever drew these parameters could forge proofs of totals that are out of range, if they",
    "kept the number behind them. Pin only those of a ceremony of several parties, or of an",
    "auditor whom all sites trust and who contributes nothing. No total can be read by them.",
];
