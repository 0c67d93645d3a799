//! A population that is being asked: its engine, its account, and where its receipts go.

use std::path::PathBuf;
use std::sync::Arc;

use engine::answer::Answer;
use engine::catalog::Catalog;
use engine::engine::{Engine, Query, Quote, Settings};
use engine::privacy::relation::ContributionBounds;
use ledger_adapter::charge::{Balance, Finality};
use ledger_adapter::ledger::Ledger;
use ledger_adapter::log::LogLedger;
use tokio::runtime::{Builder, Runtime};

use crate::fail::{Asked, Failure};
use crate::home::{Home, today};
use crate::population::{Population, known, open, readable};
use crate::progress::spinner;
use crate::script::Statement;

/// How a session asks.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// Privacy loss per query.
    pub(crate) epsilon: f64,
    /// Failure probability per query.
    pub(crate) delta: f64,
    /// Most rows of one person that count in one group.
    pub(crate) rows_per_person: Option<u32>,
    /// Most groups that one person counts in.
    pub(crate) groups_per_person: Option<u32>,
    /// Confidence of intervals.
    pub(crate) confidence: f64,
    /// Whether sites whose extract was withdrawn are left out, rather than stopping the query.
    pub(crate) without_revoked: bool,
    /// Whether no progress is shown.
    pub(crate) is_quiet: bool,
}

/// A population that is being asked.
pub(crate) struct Session {
    engine: Engine,
    ledger: Arc<LogLedger>,
    population: Population,
    home: Home,
    terms: Terms,
    runtime: Runtime,
    left_out: Vec<String>,
}

/// An answer, and what is left after it.
pub(crate) struct Reply {
    /// The answer.
    pub(crate) answer: Answer,
    /// Where its receipt is kept; none for public tables, or if it could not be kept.
    pub(crate) receipt: Option<PathBuf>,
    /// What the account holds now.
    pub(crate) balance: Option<Balance>,
    /// The receipt could not be kept; the answer stands, and is paid for.
    pub(crate) fault: Option<Failure>,
}

impl Session {
    /// Opens the extracts of a population, with their signatures checked.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there is nothing to ask, [`Failure::Ledger`], [`Failure::Engine`].
    pub(crate) fn open(
        home: &Home,
        population: Option<&str>,
        terms: Terms,
    ) -> Result<Self, Failure> {
        let _progress = spinner("opening the extracts", terms.is_quiet);
        let ledger = Arc::new(home.ledger()?);
        let registry = home.registry()?;
        let population = Population::find(&registry, population)?;
        let all = known(home, &registry, ledger.as_ref(), &population.name)?;
        let (read, left_out) = readable(all, &population.name, terms.without_revoked)?;
        let catalog = Catalog::new(open(home, &read)?).map_err(Failure::Engine)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let settings = Settings {
            day: today()?,
            finality: Finality::Witnessed,
            threads,
            confidence: terms.confidence,
        };
        let signer = home.keys()?.release_signer()?;
        let shared = Arc::clone(&ledger) as Arc<dyn Ledger>;
        let engine = Engine::new(catalog, shared, signer, settings, home.incident_log())
            .map_err(Failure::Engine)?;
        let runtime = Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(Failure::store(home.directory(), "starting threads"))?;
        Ok(Self { engine, ledger, population, home: home.clone(), terms, runtime, left_out })
    }

    /// The population that is asked.
    pub(crate) const fn population(&self) -> &Population {
        &self.population
    }

    /// The tables that can be asked about.
    pub(crate) const fn catalog(&self) -> &Catalog {
        self.engine.catalog()
    }

    /// How it asks.
    pub(crate) const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What the account holds; `None` before a budget is opened.
    ///
    /// # Errors
    /// [`Failure::Ledger`].
    pub(crate) fn balance(&self) -> Result<Option<Balance>, Failure> {
        Ok(self.ledger.remaining(self.population.account)?)
    }

    /// Asks one statement, and keeps its receipt.
    ///
    /// # Errors
    /// [`Failure::Query`], [`Failure::Store`].
    pub(crate) fn ask(&self, statement: &Statement) -> Result<Reply, Failure> {
        self.home.prepare_receipts()?;
        let progress = spinner("answering", self.terms.is_quiet);
        let asked = self.runtime.block_on(self.engine.answer(&self.query(statement)));
        drop(progress);
        let mut answer = asked.map_err(|error| failed(error, statement))?;
        answer.notes.extend(
            self.left_out
                .iter()
                .map(|site| format!("site {site} is left out: its extract was withdrawn")),
        );
        let kept = answer.receipt.as_ref().map(|receipt| self.home.save_receipt(receipt));
        let (receipt, fault) = match kept {
            None => (None, None),
            Some(Ok(path)) => (Some(path), None),
            Some(Err(fault)) => (None, Some(fault)),
        };
        Ok(Reply { answer, receipt, balance: self.balance()?, fault })
    }

    /// What a statement would cost; nothing is charged.
    ///
    /// # Errors
    /// [`Failure::Query`].
    pub(crate) fn quote(&self, statement: &Statement) -> Result<Quote, Failure> {
        let quoted = self.runtime.block_on(self.engine.quote(&self.query(statement)));
        quoted.map_err(|error| failed(error, statement))
    }

    fn query(&self, statement: &Statement) -> Query {
        let bounds = ContributionBounds {
            rows_per_person: self.terms.rows_per_person,
            groups_per_person: self.terms.groups_per_person,
        };
        Query {
            text: statement.text.clone(),
            epsilon: self.terms.epsilon,
            delta: self.terms.delta,
            bounds,
        }
    }
}

fn failed(error: engine::error::Error, statement: &Statement) -> Failure {
    Failure::Query(Box::new(Asked { error, statement: statement.clone() }))
}
