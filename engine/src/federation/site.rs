//! A site's node: its own records, its own look at the ledger, its own policy.
//!
//! ```text
//!  order ─▶ signed? same terms? ─▶ analysed again: same plan and price, allowed here? ─▶ charged?
//!        ─▶ claimed, once ─▶ own records read, added up ─▶ round 0, 1, …: noise, sealed
//! ```
//! What a site sends of its records are sealed totals with its share of the noise in them. It sends
//! the same bytes again if it is asked again, and nothing else.

use std::collections::HashMap;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ledger_adapter::charge::Charged;
use ledger_adapter::digest::Digest;
use ledger_adapter::error::LedgerError;
use ledger_adapter::keys::Signer;
use ledger_adapter::part::Claims;
use tokio::sync::Mutex as AsyncMutex;
use tokio::sync::mpsc;

use crate::aggregate::exact::ExactAggregates;
use crate::aggregate::{self, Place};
use crate::engine::Engine;
use crate::error::Error;
use crate::federation::contribution::Contribution;
use crate::federation::parameters::Parameters;
use crate::federation::plan::{self, Order, plan_digest};
use crate::federation::round::{Opened, Spec, values_max, variance};
use crate::federation::terms::{Federation, TermsError};
use crate::federation::transport::{Node, Refusal};
use crate::noise::error::NoiseError;
use crate::noise::purse::{Door, Purse};
use crate::noise::share::of_all;
use crate::noise::{Column, KeepTable, Noise, Scores};
use crate::perturb;
use crate::privacy::price::PricedPlan;
use crate::scan::gate::VerifiedScan;
use crate::scan::public::settle;
use crate::sql::dialect::Dialect;

/// What a site lets others ask.
#[derive(Clone, Debug, PartialEq)]
pub struct SitePolicy {
    /// Largest ε of one question.
    pub epsilon_max: f64,
    /// Largest δ of one question.
    pub delta_max: f64,
    /// Fewest persons of a group that is shown.
    pub persons_min: u32,
    /// Tables that are never read, in lower case.
    pub tables_denied: Vec<String>,
}

/// Opens an engine over the records of a site only, as they and the day are now. Why it cannot is
/// for the site's operator, and nobody else.
pub type Engines = Box<dyn Fn() -> Option<Engine> + Send + Sync>;

/// A site that answers.
pub struct SiteNode {
    engines: Engines,
    shared: Arc<Shared>,
    policy: SitePolicy,
    claims: Claims,
    sessions: Mutex<HashMap<Digest, Arc<AsyncMutex<Session>>>>,
}

/// What every round of a site needs.
struct Shared {
    federation: Federation,
    /// By which this site proves what it contributes.
    parameters: Option<Parameters>,
    digest: Digest,
    name: String,
    signer: Signer,
}

impl fmt::Debug for SiteNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SiteNode({})", self.shared.name)
    }
}

/// One query on its way.
struct Session {
    /// Digest of the order that began it.
    order: Digest,
    /// What was sent, round by round.
    sent: Vec<Vec<u8>>,
    /// The program, once it runs.
    program: Option<Program>,
    begun: Instant,
}

/// The ends of a program that runs on a thread of its own.
struct Program {
    opened: Sender<Opened>,
    rounds: mpsc::Receiver<Result<Vec<u8>, Refusal>>,
}

impl SiteNode {
    /// The site `name`, which opens an engine for every query. Which queries it took
    /// part in is in `claims`. Parameters are given if the terms ask for proofs.
    ///
    /// # Errors
    /// [`TermsError`] if the terms have no such site with this key, or pin other parameters.
    pub fn new(
        engines: Engines,
        (federation, parameters): (Federation, Option<Parameters>),
        (name, signer): (&str, Signer),
        policy: SitePolicy,
        claims: Claims,
    ) -> Result<Self, TermsError> {
        federation.check()?;
        if federation.site(name).is_none_or(|site| site.key != signer.public()) {
            return Err(TermsError(format!("they have no site {name} with this key")));
        }
        Parameters::check(parameters.as_ref(), &federation)?;
        let digest = federation.digest()?;
        let shared = Shared { federation, parameters, digest, name: name.to_owned(), signer };
        let sessions = Mutex::new(HashMap::new());
        let shared = Arc::new(shared);
        Ok(Self { engines, shared, policy, claims, sessions })
    }

    /// Begins a query, and gives this site's contribution to its first round.
    async fn start(&self, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let order = Order::read(body, &self.shared.federation.coordinator.key)?;
        let digest = Digest::sha256(body);
        let session = self.session(order.intent.query, digest)?;
        let mut session = session.lock().await;
        if session.order != digest {
            return Err(Refusal::refused("another order began this query"));
        }
        if let Some(first) = session.sent.first() {
            return Ok(first.clone());
        }
        if session.program.is_none() {
            let begun = self.begin(&order).await;
            match begun {
                Ok(program) => session.program = Some(program),
                Err(refusal) => {
                    self.forget(order.intent.query);
                    return Err(refusal);
                }
            }
        }
        next_round(&mut session).await
    }

    /// Takes what a round came to, and gives the contribution to the next one.
    async fn next(&self, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let (query, round, opened) = read_opened(body)?;
        let session = self.known(query);
        let session = session.ok_or_else(|| Refusal::refused("this query is not under way"))?;
        let mut session = session.lock().await;
        let round = usize::try_from(round).unwrap_or(usize::MAX);
        if let Some(sent) = session.sent.get(round).filter(|_| round > 0) {
            return Ok(sent.clone());
        }
        if round != session.sent.len() || round == 0 {
            return Err(Refusal::refused("the rounds of a query follow one another"));
        }
        let program = session.program.as_ref();
        let told = program.is_some_and(|program| program.opened.send(opened).is_ok());
        if !told {
            return Err(Refusal::refused("this query is over"));
        }
        next_round(&mut session).await
    }

    /// Everything that is checked before a record is read; then reads.
    async fn begin(&self, order: &Order) -> Result<Program, Refusal> {
        let engine = (self.engines)();
        let engine =
            engine.ok_or_else(|| Refusal::unavailable("this site cannot open its extracts"))?;
        let mut engine = engine;
        engine.settings.dialect = if order.is_ohdsi { Dialect::Ohdsi } else { Dialect::DataFusion };
        let engine = Arc::new(engine);
        let priced = self.checked(&engine, order).await?;
        let settled = settle(engine.catalog(), &priced, &engine.session, None).await;
        let settled = settled.map_err(|error| before(&error))?;
        let charged = self.claim(&engine, order)?;
        // ═══════════ the gate: nothing that is said from here on depends on records ═══════════
        let failed = |error: &dyn std::error::Error| {
            let incident = engine.incident(error);
            Refusal::failed(format!("it failed (incident {incident})"))
        };
        let scan = VerifiedScan::open(engine.catalog(), &priced, &settled, &charged);
        let scan = scan.map_err(|error| failed(&error))?;
        let place = Place::Here(engine.settings.threads);
        let exact = aggregate::run(&priced, scan, &engine.session, charged.query(), place).await;
        let exact = exact.map_err(|error| failed(&error))?;
        Ok(self.run(engine, priced, exact, charged, order.confidence))
    }

    /// The plan of an order, analysed here, if it is what the order says and is allowed.
    async fn checked(&self, engine: &Engine, order: &Order) -> Result<PricedPlan, Refusal> {
        let Shared { federation, digest, .. } = self.shared.as_ref();
        if order.federation != *digest {
            return Err(Refusal::refused("the coordinator has other terms of the federation"));
        }
        let mut query = order.query(federation);
        query.bounds.persons_min = query.bounds.persons_min.max(self.policy.persons_min);
        let planned = engine.plan(&query).await;
        let priced = planned.map_err(|error| before(&error))?;
        plan::check(&priced, federation).map_err(|error| before(&error))?;
        let (epsilon, delta) = priced.asked;
        if epsilon > self.policy.epsilon_max || delta > self.policy.delta_max {
            return Err(Refusal::refused(
                "the policy of this site allows no such epsilon or delta",
            ));
        }
        let mut denied = self.policy.tables_denied.iter();
        if let Some(table) = denied.find(|table| priced.plan.tables.contains(*table)) {
            return Err(Refusal::refused(format!("the policy of this site denies table {table}")));
        }
        let intent = &order.intent;
        let inputs = engine.roots();
        let is_same = intent.plan == plan_digest(&priced.plan, digest)
            && intent.mechanisms == priced.reserved
            && intent.cost == priced.cost
            && intent.account == engine.catalog().account()
            && intent.inputs == inputs;
        if !is_same {
            return Err(Refusal::refused(
                "the plan is another than this site makes of the question: its extracts, its \
                 version or its policy differ",
            ));
        }
        if intent.day.abs_diff(engine.settings.day) > 1 {
            return Err(Refusal::refused("the order is of another day"));
        }
        engine.check(&priced).map_err(|error| before(&error))?;
        Ok(priced)
    }

    /// The one use of the charge at this site.
    fn claim(&self, engine: &Engine, order: &Order) -> Result<Charged, Refusal> {
        let request = order.request();
        let request = request.map_err(|_| Refusal::refused("the intent has no text form"))?;
        let (ledger, need) = (engine.ledger(), engine.settings.finality);
        self.claims.claim(ledger.as_ref(), &request, need).map_err(|error| match error {
            LedgerError::Refused { .. }
            | LedgerError::Conflict { .. }
            | LedgerError::Finality { .. } => {
                Refusal::refused(format!("the charge gives this site no leave: {error}"))
            }
            // Others may name files.
            _ => Refusal::unavailable("this site's ledger cannot be read"),
        })
    }

    /// Starts the program on a thread of its own.
    fn run(
        &self,
        engine: Arc<Engine>,
        priced: PricedPlan,
        exact: Vec<ExactAggregates>,
        charged: Charged,
        confidence: f64,
    ) -> Program {
        let (opened, inbox) = channel();
        let (outbox, rounds) = mpsc::channel(1);
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || {
            let query = charged.query();
            let purse = Purse::open(charged);
            let mut door = SiteDoor {
                purse,
                shared,
                query,
                round: 0,
                last: None,
                outbox,
                inbox,
                is_over: false,
            };
            let done = perturb::run(&priced, exact, &mut door, confidence);
            if let Err(error) = done
                && !door.is_over
            {
                let incident = engine.incident(&error);
                let refusal = Refusal::failed(format!("it failed (incident {incident})"));
                // If nobody waits any more there is nobody to tell.
                let _ = door.outbox.blocking_send(Err(refusal));
            }
        });
        Program { opened, rounds }
    }

    fn session(&self, query: Digest, order: Digest) -> Result<Arc<AsyncMutex<Session>>, Refusal> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever is at work on one holds it as well; the others are left over.
        sessions.retain(|_, known| {
            Arc::strong_count(known) > 1
                || known.try_lock().is_ok_and(|session| session.begun.elapsed() < SESSION_MAX)
        });
        if !sessions.contains_key(&query) && sessions.len() >= SESSIONS_MAX {
            return Err(Refusal::unavailable("too many queries are under way"));
        }
        let new = || Session { order, sent: vec![], program: None, begun: Instant::now() };
        let found = sessions.entry(query).or_insert_with(|| Arc::new(AsyncMutex::new(new())));
        Ok(Arc::clone(found))
    }

    fn known(&self, query: Digest) -> Option<Arc<AsyncMutex<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(&query).cloned()
    }

    /// Forgets a query; its claim stays.
    fn forget(&self, query: Digest) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&query);
    }
}

#[async_trait]
impl Node for SiteNode {
    async fn handle(&self, peer: &str, action: &str, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        if peer != self.shared.federation.coordinator.name {
            return Err(Refusal::refused("only the coordinator asks sites"));
        }
        match action {
            START => self.start(body).await,
            NEXT => self.next(body).await,
            DONE => {
                let query = body.try_into().map(Digest::from_bytes);
                self.forget(query.map_err(|_| Refusal::refused("a query has another name"))?);
                Ok(vec![])
            }
            _ => Err(Refusal::refused("a site does no such thing")),
        }
    }
}

async fn next_round(session: &mut Session) -> Result<Vec<u8>, Refusal> {
    let program = session.program.as_mut();
    let rounds = program.map(|program| &mut program.rounds);
    let round = match rounds {
        Some(rounds) => rounds.recv().await,
        None => None,
    };
    let bytes = round.ok_or_else(|| Refusal::refused("this query is over"))??;
    session.sent.push(bytes.clone());
    Ok(bytes)
}

/// What is said before a record is read.
fn before(error: &Error) -> Refusal {
    match error {
        Error::Rejected(rejection) => Refusal::refused(rejection.to_string()),
        Error::Untrusted(LedgerError::Inactive { .. }) => {
            Refusal::refused("an extract is not active on this site's ledger")
        }
        Error::Untrusted(_) => Refusal::refused("a file of this site is not as it was attested"),
        other => Refusal::unavailable(other.to_string()),
    }
}

/// The door of a site: noise is added, what comes out is sealed, and what goes on is what all
/// sites' totals came to.
struct SiteDoor {
    purse: Purse,
    shared: Arc<Shared>,
    query: Digest,
    round: u32,
    last: Option<Opened>,
    outbox: mpsc::Sender<Result<Vec<u8>, Refusal>>,
    inbox: Receiver<Opened>,
    /// Whether the query was ended from outside, as every query is after its last round.
    is_over: bool,
}

impl SiteDoor {
    fn over(&mut self) -> NoiseError {
        self.is_over = true;
        NoiseError::Parties { reason: "the query is over".to_owned() }
    }
}

impl Door for SiteDoor {
    fn add(&mut self, columns: Vec<Column>) -> Result<Vec<Vec<i128>>, NoiseError> {
        let Shared { federation, parameters, name, signer, .. } = self.shared.as_ref();
        let spec = Spec::of(&columns, federation, self.last.as_ref())?;
        if spec.cells() == Some(0) {
            // Nothing is shown, so there is nothing to add up.
            self.purse.account(&columns)?;
            return Ok(vec![vec![]; columns.len()]);
        }
        // What cannot be sealed is refused before noise is drawn for it.
        spec.check(federation).map_err(parties)?;
        let noisy = self.purse.share(columns, federation.honest())?;
        let (by, terms) = ((name.as_str(), signer), (federation, parameters.as_ref()));
        let made = Contribution::seal((self.query, self.round, &spec), terms, by, &noisy);
        let bytes = made.and_then(|made| made.to_bytes()).map_err(parties)?;
        self.outbox.blocking_send(Ok(bytes)).map_err(|_| self.over())?;
        self.round += 1;
        let opened = self.inbox.recv().map_err(|_| self.over())?;
        let columns = spec.columns(&opened.totals);
        self.last = Some(opened);
        columns.ok_or_else(|| parties(Refusal::refused("the totals have another shape")))
    }

    fn select(&mut self, _: Vec<Scores>) -> Result<Vec<Vec<usize>>, NoiseError> {
        Err(parties(Refusal::refused("choices are not made over sites")))
    }

    fn keep(&mut self, _: &[i128], _: &KeepTable) -> Result<Vec<bool>, NoiseError> {
        Err(parties(Refusal::refused("keys are not chosen over sites")))
    }

    fn law(&self, noise: Noise) -> Result<Noise, NoiseError> {
        let parties = self.last.as_ref().map_or(0, |opened| opened.parties);
        of_all(noise, self.shared.federation.honest(), parties)
    }

    fn variance(&self, noise: Noise) -> Result<f64, NoiseError> {
        let parties = self.last.as_ref().map_or(0, |opened| opened.parties);
        variance(noise, &self.shared.federation, parties)
    }

    fn values_max(&self) -> usize {
        values_max(&self.shared.federation)
    }
}

/// A refusal within a step of noise.
pub(super) fn parties(refusal: Refusal) -> NoiseError {
    NoiseError::Parties { reason: refusal.reason }
}

/// What a round came to, for the next one.
pub(super) fn opened_message(query: Digest, round: u32, opened: &Opened) -> Vec<u8> {
    let mut bytes = query.as_bytes().to_vec();
    bytes.extend(round.to_be_bytes());
    bytes.extend(opened.parties.to_be_bytes());
    bytes.extend(opened.totals.iter().flat_map(|total| total.to_be_bytes()));
    bytes
}

fn read_opened(bytes: &[u8]) -> Result<(Digest, u32, Opened), Refusal> {
    let malformed = || Refusal::refused("a message is malformed");
    let (query, rest) = bytes.split_first_chunk::<32>().ok_or_else(malformed)?;
    let (round, rest) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
    let (parties, rest) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
    let (totals, tail) = rest.as_chunks::<16>();
    if !tail.is_empty() {
        return Err(malformed());
    }
    let totals = totals.iter().map(|total| i128::from_be_bytes(*total)).collect();
    let parties = u32::from_be_bytes(*parties);
    let opened = Opened { parties, totals };
    Ok((Digest::from_bytes(*query), u32::from_be_bytes(*round), opened))
}

/// Begins a query.
pub(super) const START: &str = "start";

/// Goes on with the next round.
pub(super) const NEXT: &str = "next";

/// Ends a query.
pub(super) const DONE: &str = "done";

/// How long a query may be under way before it is forgotten for others.
const SESSION_MAX: Duration = Duration::from_secs(3_600);

/// Most queries under way at a site at once.
const SESSIONS_MAX: usize = 64;
