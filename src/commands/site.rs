//! `graunt site`: what a site does that shows nobody its records.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::catalog::Catalog;
use engine::engine::{Engine, Settings};
use engine::federation::terms::{Federation, Party};
use engine::federation::{SiteNode, SitePolicy};
use engine::scan::extract::{VerifiedExtract, copy_card};
use engine::sql::dialect::Dialect;
use ledger_adapter::charge::ExtractStatus;
use ledger_adapter::digest::Digest;
use ledger_adapter::part::Claims;
use ledger_adapter::registry::ExtractRecord;
use ledger_adapter::statement::Envelope;
use serde_json::json;

use crate::commands::Context;
use crate::fail::Failure;
use crate::federated;
use crate::home::{Home, today};
use crate::numbers;
use crate::output::{Output, remark};
use crate::population::{self, Population};
use crate::wire::identity::Identity;

/// Arguments of `graunt site`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Answer a coordinator: totals of this site's records, noisy and sealed
    Serve(ServeArguments),
    /// Print the lines by which this site takes part in a federation
    Key(KeyArguments),
    /// Take part in a population whose budget is in another home
    Join(JoinArguments),
    /// Copy what others may see of this site's extract: manifest, leaves and public tables
    Card(CardArguments),
    /// Take the cards of other sites, so that questions over all of them can be planned
    Admit(AdmitArguments),
}

/// Arguments of `graunt site serve`.
#[derive(Debug, clap::Args)]
struct ServeArguments {
    /// The terms of the federation
    #[arg(long, value_name = "FILE")]
    terms: PathBuf,
    /// File of the parameters of proofs, if the terms ask for proofs
    #[arg(long, value_name = "FILE")]
    crs: Option<PathBuf>,
    /// Directory with authority.pem, certificate.pem and key.pem; the certificate names the site
    #[arg(long, value_name = "DIR")]
    tls: PathBuf,
    /// Address to listen at
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7443")]
    listen: SocketAddr,
    /// The population [default: the only one]
    #[arg(long, value_name = "NAME")]
    population: Option<String>,
    /// Largest epsilon of one question
    #[arg(long, value_name = "E", value_parser = numbers::epsilon, default_value = "1")]
    epsilon_max: f64,
    /// Largest delta of one question
    #[arg(long, value_name = "D", value_parser = numbers::delta, default_value = "1e-5")]
    delta_max: f64,
    /// Fewest persons of a group that is shown
    #[arg(long, value_name = "N", default_value = "0")]
    min_persons: u32,
    /// A table that is never read; may be repeated
    #[arg(long, value_name = "TABLE")]
    deny: Vec<String>,
}

/// Arguments of `graunt site key`.
#[derive(Debug, clap::Args)]
struct KeyArguments {
    /// The site
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Where it listens, such as https://host:7443
    #[arg(long, value_name = "URL")]
    url: String,
}

/// Arguments of `graunt site join`.
#[derive(Debug, clap::Args)]
struct JoinArguments {
    /// The population
    #[arg(long, value_name = "NAME")]
    population: String,
    /// Its account, as graunt budget show of the other home prints it
    #[arg(long, value_name = "DIGEST")]
    account: Digest,
}

/// Arguments of `graunt site card`.
#[derive(Debug, clap::Args)]
struct CardArguments {
    /// The site
    #[arg(long, value_name = "NAME")]
    site: String,
    /// The population [default: the only one]
    #[arg(long, value_name = "NAME")]
    population: Option<String>,
    /// Directory to be made
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Arguments of `graunt site admit`.
#[derive(Debug, clap::Args)]
struct AdmitArguments {
    /// The terms of the federation, which have the keys of the sites
    #[arg(long, value_name = "FILE")]
    terms: PathBuf,
    /// Directories of cards
    #[arg(value_name = "CARD", required = true)]
    cards: Vec<PathBuf>,
}

/// Serves, or does what comes before.
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
        Action::Join(arguments) => join(arguments, context, out),
        Action::Card(arguments) => card(arguments, context, out),
        Action::Admit(arguments) => admit(arguments, context, out),
    }
}

fn serve(arguments: &ServeArguments, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let home = context.home.clone();
    let terms = federated::terms(&arguments.terms)?;
    let digest = federated::digest(&terms)?;
    let parameters = federated::parameters(arguments.crs.as_deref(), &terms)?;
    let identity = Identity::read(&arguments.tls)?;
    let name = identity.name().to_owned();
    let population = Population::find(&home.registry()?, arguments.population.as_deref())?;
    let ledger = home.accounts()?;
    let signer = home.keys()?.site_signer(&name)?;
    let policy = SitePolicy {
        epsilon_max: arguments.epsilon_max,
        delta_max: arguments.delta_max,
        persons_min: arguments.min_persons,
        tables_denied: arguments.deny.iter().map(|table| table.to_lowercase()).collect(),
    };
    let claims = Claims::at(&home.directory().join(format!("claims-{name}")))?;
    let own = name.clone();
    let memory = context.config.engine.memory;
    let open = move || -> Result<Engine, Failure> {
        let registry = home.registry()?;
        let all = population::known(&home, &registry, ledger.as_ref(), &population.name)?;
        let (read, _) = population::readable(all, &population.name, false)?;
        let catalog = Catalog::new(population::open(&home, &read)?);
        let catalog = catalog.and_then(|catalog| catalog.with_records_of(Some(&own)));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let (day, finality, dialect) = (today()?, home.finality(), Dialect::default());
        let settings = Settings { day, finality, threads, memory, confidence: 0.95, dialect };
        let signer = home.keys()?.release_signer()?;
        let log = home.incident_log();
        let engine = catalog
            .and_then(|catalog| Engine::new(catalog, Arc::clone(&ledger), signer, settings, log));
        engine.map_err(Failure::Engine)
    };
    // What cannot be opened now would fail the first question.
    open()?;
    let engines = Box::new(move || open().map_err(|failure| remark(failure.render())).ok());
    let node = SiteNode::new(engines, (terms, parameters), (&name, signer), policy, claims);
    let node = node.map_err(|error| Failure::usage(error.to_string(), KEY_HINT))?;
    let node = Arc::new(node);
    federated::serve(arguments.listen, &identity, node, |address| {
        let url = format!("https://{address}");
        if context.json {
            return out.json(&json!({"site": name, "url": url, "terms": digest}));
        }
        out.line(format_args!("site {name} answers at {url}, under terms {digest}"))
    })
}

fn key(arguments: &KeyArguments, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let KeyArguments { name, url } = arguments;
    let key = context.home.keys()?.site_signer(name)?.public();
    let party = Party { name: name.clone(), url: url.clone(), key };
    if context.json {
        return out.json(&json!({"sites": [party]}));
    }
    out.line("[[sites]]")?;
    out.line(format_args!("name = {name:?}\nurl = {url:?}\nkey = \"{key}\""))
}

fn join(arguments: &JoinArguments, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let JoinArguments { population, account } = arguments;
    // Makes the home, if this is the first thing that is done there.
    context.home.keys()?;
    context.home.registry()?.join_population(population, *account)?;
    if context.json {
        return out.json(&json!({"population": population, "account": account}));
    }
    out.line(format_args!("population {population} is charged to account {account}"))
}

fn card(arguments: &CardArguments, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let home = &context.home;
    let registry = home.registry()?;
    let population = Population::find(&registry, arguments.population.as_deref())?;
    let ledger = home.accounts()?;
    let all = population::known(home, &registry, ledger.as_ref(), &population.name)?;
    // The active one, or the one that waits for whoever keeps the ledger to attest it.
    let of_site = all.into_iter().filter(|known| known.site == arguments.site);
    let usable = |status: &ExtractStatus| {
        matches!(status, ExtractStatus::Active(..) | ExtractStatus::Unknown)
    };
    let mut usable: Vec<_> = of_site.filter(|known| usable(&known.status)).collect();
    usable.sort_by_key(|known| matches!(known.status, ExtractStatus::Unknown));
    let Some(own) = usable.pop() else {
        let what = format!("site {} has no extract here", arguments.site);
        return Err(Failure::usage(what, "make one with graunt extract"));
    };
    let extract = VerifiedExtract::open(&own.path, own.root, &home.keys()?.trusted()?)?;
    copy_card(&extract, &arguments.out)
        .map_err(Failure::store(&arguments.out, "writing the card"))?;
    let place = arguments.out.display();
    if context.json {
        return out.json(&json!({"site": own.site, "root": own.root, "card": arguments.out}));
    }
    out.line(format_args!("the card of {} is in {place}: no records, no key", own.site))
}

fn admit(arguments: &AdmitArguments, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let home = &context.home;
    let terms = federated::terms(&arguments.terms)?;
    let registry = home.registry()?;
    for card in &arguments.cards {
        let (site, name, account) = admit_one(card, &terms, home, &registry)?;
        if context.json {
            out.json(&json!({"site": site, "population": name, "account": account}))?;
        } else {
            out.line(format_args!("site {site} takes part in population {name}"))?;
        }
    }
    if home.is_follower() {
        return Ok(());
    }
    let ledger = home.accounts()?;
    for (name, found) in registry.populations()? {
        if ledger.opened(found.account)?.is_some() {
            for site in population::attest(home, &registry, ledger.as_ref(), &name)? {
                out.dim_line(format_args!("  the extract of {site} is attested"))?;
            }
        }
    }
    Ok(())
}

/// Checks one card, and remembers where it is.
fn admit_one(
    card: &Path,
    terms: &Federation,
    home: &Home,
    registry: &ledger_adapter::registry::Registry,
) -> Result<(String, String, Digest), Failure> {
    let place = card.join("manifest.dsse.json");
    let bytes = fs::read(&place).map_err(Failure::store(&place, "reading"))?;
    let malformed = || Failure::usage(format!("{} is no card", card.display()), "name others");
    let envelope: Envelope = serde_json::from_slice(&bytes).map_err(|_| malformed())?;
    let root = envelope.payload_digest()?;
    let keys: Vec<_> = terms.sites.iter().map(|site| site.key).collect();
    let extract = VerifiedExtract::open(card, root, &keys)?;
    let manifest = extract.manifest();
    let (site, name) = (manifest.site.clone(), manifest.population.clone());
    if !terms.sites.iter().any(|known| known.name == site && known.key == extract.key()) {
        let what = format!("the terms have no site {site} with the key that signed its card");
        return Err(Failure::usage(what, KEY_HINT));
    }
    home.keys()?.trust(&format!("site-{site}"), extract.key())?;
    registry.join_population(&name, manifest.account)?;
    // A site's own extract stays where it is: a card has no records.
    if registry.extract(root)?.is_none() {
        let path = home.kept(card)?;
        let record = ExtractRecord { path, site: site.clone(), population: name.clone() };
        registry.record_extract(root, &record)?;
    }
    Ok((site, name, manifest.account))
}

/// Where keys of the terms come from.
const KEY_HINT: &str = "graunt site key prints the lines that the terms must have";
