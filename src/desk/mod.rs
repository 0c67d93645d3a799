//! What every door of the server does with a statement, whoever asks and in whatever protocol.
//!
//! ```text
//!  doors::postgres ─┐           ┌─▶ control     SET, SHOW, BEGIN …
//!  doors::flight ───┼─▶ Visit ──┼─▶ pg_catalog  what clients ask about tables
//!  doors::page ─────┘     │     └─▶ engine      questions, prices, plans
//!                         └ limits, counters, journal
//! ```
//! A [`visit::Visit`] is one analyst's session. Doors turn what it tells into their protocol and
//! decide nothing: the same statement is answered, charged and refused alike through all of them.

mod asking;
pub(crate) mod control;
pub(crate) mod counters;
pub(crate) mod journal;
pub(crate) mod limits;
pub(crate) mod refusal;
pub(crate) mod seeing;
pub(crate) mod told;
pub(crate) mod visit;
mod work;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use engine::asker::Stop;
use engine::pg_catalog::PgCatalog;
use ledger_adapter::ledger::Ledger;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::analysts::{Analyst, Analysts};
use crate::desk::counters::{Counters, Door, Event};
use crate::desk::journal::Journal;
use crate::desk::limits::{Limits, Seats};
use crate::fail::Failure;
use crate::home::Home;
use crate::opened::Opened;
use crate::session::Terms;

/// One population, at which many ask.
pub(crate) struct Desk {
    open: RwLock<Arc<Open>>,
    ledger: Arc<dyn Ledger>,
    /// Where things are kept.
    pub(crate) home: Home,
    /// By which questions are asked unless a visit says otherwise.
    pub(crate) terms: Terms,
    /// Who may ask.
    pub(crate) analysts: Analysts,
    /// How much at once, and how long.
    pub(crate) limits: Limits,
    pub(crate) seats: Seats,
    /// What happened how often.
    pub(crate) counters: Counters,
    /// What happened.
    pub(crate) journal: Journal,
    /// Where questions are computed, apart from the doors.
    pub(crate) compute: Handle,
    /// By which questions that are being computed can be taken back.
    asked: Mutex<HashMap<u64, Stop>>,
    /// Passwords that are checked at once: each takes a processor for some milliseconds.
    checks: Semaphore,
}

/// A population as it is open now, and its catalogue.
pub(crate) struct Open {
    /// What answers.
    pub(crate) opened: Opened,
    /// What clients of PostgreSQL ask about.
    pub(crate) catalog: PgCatalog,
}

impl Desk {
    /// Opens a population for many.
    ///
    /// # Errors
    /// As [`Opened::open`].
    pub(crate) fn open(
        home: &Home,
        population: Option<&str>,
        terms: Terms,
        limits: Limits,
        journal: Journal,
        compute: Handle,
    ) -> Result<Self, Failure> {
        let ledger = home.accounts()?;
        let open = opened(home, Arc::clone(&ledger), population, &terms)?;
        home.prepare_receipts()?;
        Ok(Self {
            open: RwLock::new(Arc::new(open)),
            ledger,
            home: home.clone(),
            terms,
            analysts: Analysts::open(home.directory())?,
            seats: Seats::new(&limits),
            limits,
            counters: Counters::new(),
            journal,
            compute,
            asked: Mutex::default(),
            checks: Semaphore::new(CHECKS_MAX),
        })
    }

    /// The population as it is open now.
    pub(crate) fn now(&self) -> Arc<Open> {
        Arc::clone(&self.open.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The ledger that is charged.
    pub(crate) fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// The name of the population.
    pub(crate) fn population(&self) -> String {
        self.now().opened.population.name.clone()
    }

    /// Opens the extracts anew if others took their place; true if so. Visits that began before
    /// go on with the old ones until a question of theirs is refused.
    ///
    /// # Errors
    /// As [`Desk::open`].
    pub(crate) fn reopen(&self) -> Result<bool, Failure> {
        let old = self.now();
        let name = old.opened.population.name.clone();
        let name = name.as_str();
        let now = Opened::roots_of(&self.home, self.ledger.as_ref(), name, &self.terms)?;
        let [now, old] = [now, old.opened.roots()].map(BTreeSet::from_iter);
        if now == old {
            return Ok(false);
        }
        let new = opened(&self.home, Arc::clone(&self.ledger), Some(name), &self.terms)?;
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(true)
    }

    /// Looks who has this name and password. It takes a while, so not on a thread of the doors'.
    ///
    /// # Errors
    /// [`Failure::Unauthorized`]; as [`Analysts::open`].
    pub(crate) async fn login(
        self: &Arc<Self>,
        door: Door,
        name: &str,
        password: &str,
    ) -> Result<Analyst, Failure> {
        let turn = self.checks.acquire().await.map_err(|_| Failure::Unauthorized)?;
        let desk = Arc::clone(self);
        let (asked, given) = (name.to_owned(), password.to_owned());
        let checked = tokio::task::spawn_blocking(move || desk.analysts.check(&asked, &given));
        let found = checked.await.unwrap_or(Err(Failure::Unauthorized))?;
        drop(turn);
        self.told_login(door, name, found.is_some());
        if found.is_none() {
            tokio::time::sleep(self.limits.login_pause).await;
        }
        found.ok_or(Failure::Unauthorized)
    }

    /// Computes something apart from the doors. It goes on when nobody waits for it any more.
    pub(crate) fn computed<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.compute.spawn(work)
    }

    /// Has a question taken back, or waited for, when the server ends; until the guard is dropped.
    fn watch(self: &Arc<Self>, stop: &Stop) -> Watched {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let number = asked.keys().max().map_or(0, |last| last + 1);
        asked.insert(number, stop.clone());
        Watched { desk: Arc::clone(self), number }
    }

    /// Takes back whatever was not charged yet, and waits for the rest, but so long at most.
    pub(crate) fn finish(&self, longest: Duration) {
        let end = Instant::now() + longest;
        let is_charged = || {
            let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.values().filter(|stop| !stop.stop()).count() > 0
        };
        while is_charged() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Notes that somebody came in, or tried to.
    pub(crate) fn told_login(&self, door: Door, name: &str, is_let_in: bool) {
        let event = if is_let_in { Event::LoggedIn } else { Event::TurnedAway };
        self.counters.count(door, event);
        self.journal.login(door, name, is_let_in);
    }
}

/// A question that is taken back when the server ends.
pub(crate) struct Watched {
    desk: Arc<Desk>,
    number: u64,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut asked = self.desk.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.remove(&self.number);
    }
}

fn opened(
    home: &Home,
    ledger: Arc<dyn Ledger>,
    population: Option<&str>,
    terms: &Terms,
) -> Result<Open, Failure> {
    let opened = Opened::open(home, ledger, population, terms)?;
    let catalog = opened.engine.catalog();
    let catalog = PgCatalog::new(catalog, &opened.population.name, PG_VERSION);
    Ok(Open { catalog: catalog.map_err(Failure::Engine)?, opened })
}

/// Passwords that are checked at once.
const CHECKS_MAX: usize = 2;

/// The PostgreSQL whose catalogue is shown, and whose protocol is spoken; then who this is.
pub(crate) const PG_VERSION: &str = concat!("15.0 (Graunt ", env!("CARGO_PKG_VERSION"), ")");
