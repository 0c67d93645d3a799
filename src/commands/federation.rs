//! `graunt federation`: the terms that all parties share.

use std::fs;
use std::path::PathBuf;

use engine::federation::terms::{Federation, Holder, Party};
use serde::Deserialize;
use serde_json::json;

use crate::commands::Context;
use crate::fail::Failure;
use crate::federated;
use crate::output::Output;

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
}

/// Arguments of `graunt federation new`.
#[derive(Debug, clap::Args)]
struct NewArguments {
    /// Files with the lines of sites and holders
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

/// What `graunt site key` and `graunt holder key` print.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Parts {
    sites: Vec<Party>,
    holders: Vec<Holder>,
}

/// Writes terms.
///
/// # Errors
/// [`Failure::Usage`] if they do not hold, or the file is there; [`Failure::Store`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let Action::New(arguments) = &arguments.action;
    let (mut sites, mut holders) = (Vec::new(), Vec::new());
    for path in &arguments.parts {
        let text = fs::read_to_string(path).map_err(Failure::store(path, "reading"))?;
        let parts: Parts = toml::from_str(&text).map_err(|error| {
            let what = format!("{}: {}", path.display(), error.message());
            Failure::usage(what, "name files with what graunt site key or holder key prints")
        })?;
        sites.extend(parts.sites);
        holders.extend(parts.holders);
    }
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
        coordinator: Party { name, url: String::new(), key },
        sites,
        holders,
    };
    let hint = "name other numbers, or other files";
    terms.check().map_err(|error| Failure::usage(error.to_string(), hint))?;
    let place = &arguments.out;
    if place.exists() {
        let what = format!("{} is there already", place.display());
        return Err(Failure::usage(what, "all parties hold its copy; name another with --out"));
    }
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
