//! A federation within one process: three sites, five holders, and a wire that keeps every byte and
//! does what a test wants with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use ledger_adapter::charge::Finality;
use ledger_adapter::digest::Digest;
use ledger_adapter::keys::Signer;
use ledger_adapter::ledger::Ledger;
use ledger_adapter::memory::MemoryLedger;
use ledger_adapter::once::Once;
use ledger_adapter::part::Claims;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::answer::Answer;
use crate::catalog::Catalog;
use crate::engine::{Engine, Query, Settings};
use crate::error::Error;
use crate::federation::site::SitePolicy;
use crate::federation::terms::{Federation, Holder, Party};
use crate::federation::transcript::Transcript;
use crate::federation::transport::{Node, Refusal, Transport};
use crate::federation::{Federated, HolderNode, Parameters, ParcelKey, SiteNode};
use crate::privacy::relation::ContributionBounds;
use crate::scan::extract::VerifiedExtract;
use crate::sql::dialect::Dialect;
use crate::tests::fixture::{Table, World, world};

/// What happens to a message: who is asked, for what, and with which bytes; what comes of it.
pub(crate) type Mischief = Box<dyn Fn(&str, &str, &[u8], u32) -> Fate + Send + Sync>;

/// What becomes of one call.
pub(crate) enum Fate {
    /// It arrives, and so does the reply.
    Arrives,
    /// The request is lost.
    Lost,
    /// The request arrives as something else.
    Sent(Vec<u8>),
    /// The request arrives; the reply is changed.
    Replied(fn(&mut Vec<u8>)),
    /// The request arrives; the reply is lost.
    Unheard,
    /// The request does not arrive; somebody else replies this.
    Forged(Vec<u8>),
}

/// The wire.
pub(crate) struct Wire {
    nodes: BTreeMap<String, Arc<dyn Node>>,
    pub(crate) carried: Mutex<Vec<(String, String, Vec<u8>)>>,
    mischief: Mutex<Option<Mischief>>,
    calls: Mutex<BTreeMap<(String, String), u32>>,
}

#[async_trait]
impl Transport for Wire {
    async fn call(
        &self,
        party: &str,
        action: &str,
        body: Vec<u8>,
        _: Duration,
    ) -> Result<Vec<u8>, Refusal> {
        let nth = {
            let mut calls = self.calls.lock().unwrap();
            let count = calls.entry((party.to_owned(), action.to_owned())).or_insert(0);
            *count += 1;
            *count - 1
        };
        let fate = match self.mischief.lock().unwrap().as_ref() {
            Some(mischief) => mischief(party, action, &body, nth),
            None => Fate::Arrives,
        };
        let lost = || Refusal::unavailable("it was not reached");
        let (body, change) = match fate {
            Fate::Arrives => (body, None),
            Fate::Lost => return Err(lost()),
            Fate::Forged(reply) => return Ok(reply),
            Fate::Sent(other) => (other, None),
            Fate::Replied(change) => (body, Some(change)),
            Fate::Unheard => {
                let _ = self.nodes[party].handle("coordinator", action, &body).await;
                return Err(lost());
            }
        };
        self.keep(party, action, &body);
        let mut reply = self.nodes[party].handle("coordinator", action, &body).await?;
        if let Some(change) = change {
            change(&mut reply);
        }
        self.keep(party, action, &reply);
        Ok(reply)
    }
}

impl Wire {
    fn keep(&self, party: &str, action: &str, bytes: &[u8]) {
        let kept = (party.to_owned(), action.to_owned(), bytes.to_vec());
        self.carried.lock().unwrap().push(kept);
    }

    /// From now on this happens to messages.
    pub(crate) fn with(
        &self,
        mischief: impl Fn(&str, &str, &[u8], u32) -> Fate + Send + Sync + 'static,
    ) {
        *self.mischief.lock().unwrap() = Some(Box::new(mischief));
        self.calls.lock().unwrap().clear();
    }
}

/// A federation over the tables of three sites.
pub(crate) struct Trio {
    pub(crate) central: World,
    pub(crate) federation: Federation,
    pub(crate) engine: Engine,
    pub(crate) wire: Arc<Wire>,
    pub(crate) runtime: Runtime,
    pub(crate) directory: TempDir,
}

pub(crate) const HOLDERS: usize = 5;

pub(crate) fn signer(number: u8) -> Signer {
    Signer::from_seed(&[number; 32])
}

pub(crate) fn parcel_key(number: usize) -> ParcelKey {
    ParcelKey::from_secret(&[u8::try_from(number).unwrap() + 100; 32])
}

/// Terms with 3 of 5 holders.
pub(crate) fn terms(sites: usize) -> Federation {
    let site = |s: usize| Party {
        name: format!("site-{s}"),
        url: String::new(),
        key: signer(u8::try_from(s).unwrap() + 1).public(),
    };
    let holder = |h: usize| Holder {
        name: format!("holder-{h}"),
        url: String::new(),
        key: signer(u8::try_from(h).unwrap() + 50).public(),
        parcel_key: parcel_key(h).public(),
    };
    let coordinator =
        Party { name: "coordinator".to_owned(), url: String::new(), key: signer(9).public() };
    Federation {
        version: 1,
        threshold: 3,
        sites_min: 2.min(u32::try_from(sites).unwrap()),
        covers_min: 4,
        sites_per_person: 1,
        persons_per_site: 1 << 20,
        proofs: None,
        coordinator,
        sites: (0..sites).map(site).collect(),
        holders: (0..HOLDERS).map(holder).collect(),
    }
}

pub(crate) fn policy() -> SitePolicy {
    SitePolicy { epsilon_max: 10_000.0, delta_max: 0.01, persons_min: 0, tables_denied: vec![] }
}

impl Trio {
    pub(crate) fn new(sites: &[Vec<Table>]) -> Self {
        Self::under(terms(sites.len()), sites)
    }

    pub(crate) fn under(federation: Federation, sites: &[Vec<Table>]) -> Self {
        let central = world(sites, 2);
        let directory = TempDir::new().unwrap();
        let cards = directory.path().join("cards");
        for s in 0..sites.len() {
            card(&central.directory.path().join(format!("site-{s}")), &cards, s);
        }
        let mut nodes: BTreeMap<String, Arc<dyn Node>> = BTreeMap::new();
        for s in 0..sites.len() {
            let node = site(&federation, &central, &cards, s, directory.path(), policy());
            nodes.insert(format!("site-{s}"), Arc::new(node));
        }
        for h in 0..HOLDERS {
            let node = holder(&federation, &central, h, directory.path());
            nodes.insert(format!("holder-{h}"), Arc::new(node));
        }
        let engine = engine(&central.shared(), &cards, None, sites.len());
        let (carried, mischief, calls) = Default::default();
        let wire = Arc::new(Wire { nodes, carried, mischief, calls });
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { central, federation, engine, wire, runtime, directory }
    }

    pub(crate) fn ask(&self, sql: &str, epsilon: f64) -> Result<(Answer, Transcript), Error> {
        self.ask_bounded(sql, epsilon, ContributionBounds::default())
    }

    pub(crate) fn ask_bounded(
        &self,
        sql: &str,
        epsilon: f64,
        bounds: ContributionBounds,
    ) -> Result<(Answer, Transcript), Error> {
        let query = Query { text: sql.to_owned(), epsilon, delta: 1e-6, bounds };
        let wire = Arc::clone(&self.wire) as Arc<dyn Transport>;
        let patience = Duration::from_secs(60);
        let terms = (self.federation.clone(), parameters_for(&self.federation));
        let federated = Federated::new(terms, wire, signer(9), patience).unwrap();
        self.runtime.block_on(self.engine.answer_federated(&query, &federated))
    }

    /// The same node anew, as after a restart.
    pub(crate) fn restarted_holder(&self, h: usize) -> HolderNode {
        holder(&self.federation, &self.central, h, self.directory.path())
    }

    /// The same holder, with another view of the ledger.
    pub(crate) fn misled_holder(&self, h: usize, ledger: Arc<dyn Ledger>) -> HolderNode {
        holder_under(&self.federation, ledger, h, self.directory.path())
    }

    pub(crate) fn node(&self, name: &str) -> Arc<dyn Node> {
        Arc::clone(&self.wire.nodes[name])
    }

    /// A message that was carried to a party: the first one of this kind.
    pub(crate) fn sent(&self, party: &str, action: &str) -> Vec<u8> {
        let carried = self.wire.carried.lock().unwrap();
        let found = carried.iter().find(|(p, a, _)| (p.as_str(), a.as_str()) == (party, action));
        found.map(|(_, _, bytes)| bytes.clone()).unwrap()
    }
}

/// What a site shows of its extract: manifest, leaves and public tables.
fn card(extract: &Path, cards: &Path, s: usize) {
    let to = cards.join(format!("site-{s}"));
    fs::create_dir_all(&to).unwrap();
    for name in ["manifest.dsse.json", "leaves.bin"] {
        fs::copy(extract.join(name), to.join(name)).unwrap();
    }
    let codes = extract.join("codes");
    if codes.is_dir() {
        fs::create_dir_all(to.join("codes")).unwrap();
        for file in fs::read_dir(codes).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.join("codes").join(file.file_name())).unwrap();
        }
    }
}

/// What engines are opened from.
#[derive(Clone)]
pub(crate) struct From {
    directory: PathBuf,
    roots: Vec<Digest>,
    ledger: Arc<MemoryLedger>,
}

impl World {
    fn shared(&self) -> From {
        let extracts = self.engine.catalog().extracts().iter();
        let roots = extracts.map(|extract| extract.root()).collect();
        let ledger = Arc::clone(&self.ledger);
        From { directory: self.directory.path().to_owned(), roots, ledger }
    }
}

/// An engine with the records of one site, or of none, and cards of the others.
pub(crate) fn engine(central: &From, cards: &Path, own: Option<usize>, sites: usize) -> Engine {
    let open = |s: usize| {
        let from = if own == Some(s) { central.directory.as_path() } else { cards };
        let root = central.roots[s];
        let key = signer(u8::try_from(s).unwrap() + 1).public();
        VerifiedExtract::open(&from.join(format!("site-{s}")), root, &[key]).unwrap()
    };
    let catalog = Catalog::new((0..sites).map(open).collect()).unwrap();
    let own = own.map(|s| format!("site-{s}"));
    let catalog = catalog.with_records_of(own.as_deref()).unwrap();
    let (finality, dialect) = (Finality::Local, Dialect::default());
    let settings =
        Settings { day: 20_000, finality, threads: 2, memory: None, confidence: 0.95, dialect };
    let ledger = Arc::clone(&central.ledger) as Arc<dyn Ledger>;
    let log = Box::new(|incident, why: &str| eprintln!("incident {incident}: {why}"));
    Engine::new(catalog, ledger, signer(9), settings, log).unwrap()
}

pub(crate) fn site(
    federation: &Federation,
    central: &World,
    cards: &Path,
    s: usize,
    directory: &Path,
    policy: SitePolicy,
) -> SiteNode {
    let (from, cards) = (central.shared(), cards.to_owned());
    let sites = federation.sites.len();
    let engines = Box::new(move || Some(engine(&from, &cards, Some(s), sites)));
    let own = (format!("site-{s}"), signer(u8::try_from(s).unwrap() + 1));
    let claims = Claims::at(&directory.join(&own.0)).unwrap();
    let own = (own.0.as_str(), own.1);
    let terms = (federation.clone(), parameters_for(federation));
    SiteNode::new(engines, terms, own, policy, claims).unwrap()
}

/// Parameters for proofs of up to four totals, drawn once for all tests.
pub(crate) fn parameters() -> &'static Parameters {
    static DRAWN: OnceLock<Parameters> = OnceLock::new();
    DRAWN.get_or_init(|| Parameters::generate(4).unwrap())
}

/// The same terms, with proofs.
pub(crate) fn proven(federation: Federation) -> Federation {
    Federation { proofs: Some(parameters().proofs()), ..federation }
}

fn parameters_for(federation: &Federation) -> Option<Parameters> {
    federation.proofs.map(|_| parameters().clone())
}

fn holder(federation: &Federation, central: &World, h: usize, directory: &Path) -> HolderNode {
    let ledger = Arc::clone(&central.ledger) as Arc<dyn Ledger>;
    holder_under(federation, ledger, h, directory)
}

fn holder_under(
    federation: &Federation,
    ledger: Arc<dyn Ledger>,
    h: usize,
    directory: &Path,
) -> HolderNode {
    let name = format!("holder-{h}");
    let keys = (signer(u8::try_from(h).unwrap() + 50), parcel_key(h));
    let kept = Once::at(&directory.join(&name));
    HolderNode::new(federation.clone(), &name, keys, (ledger, Finality::Local), kept).unwrap()
}
