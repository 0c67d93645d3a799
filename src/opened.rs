//! A population with its extracts open: the engine that answers about it, its account, and where
//! receipts of answers are kept. Sessions of one person and servers for many are made of it.

use std::path::PathBuf;
use std::sync::Arc;

use engine::answer::Answer;
use engine::catalog::Catalog;
use engine::engine::{Engine, Query, Settings};
use engine::privacy::relation::ContributionBounds;
use engine::sql::dialect;
use ledger_adapter::charge::Balance;
use ledger_adapter::digest::Digest;
use ledger_adapter::ledger::Ledger;

use crate::fail::Failure;
use crate::home::{Home, today};
use crate::population::{Population, known, open, readable};
use crate::session::{Dialect, Terms};

/// A population with its extracts open.
pub(crate) struct Opened {
    /// What answers.
    pub(crate) engine: Engine,
    /// What decides about accounts.
    pub(crate) ledger: Arc<dyn Ledger>,
    /// The population.
    pub(crate) population: Population,
    /// Where things are kept.
    pub(crate) home: Home,
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

impl Reply {
    /// Whether it was answered before: what is proved was paid for then.
    pub(crate) fn is_repeat(&self) -> bool {
        self.answer.receipt.is_some() && self.answer.cost.is_zero()
    }
}

impl Opened {
    /// Opens the extracts of a population, with their signatures checked.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there is nothing to ask, [`Failure::Ledger`], [`Failure::Engine`].
    pub(crate) fn open(
        home: &Home,
        ledger: Arc<dyn Ledger>,
        population: Option<&str>,
        terms: &Terms,
    ) -> Result<Self, Failure> {
        let registry = home.registry()?;
        let population = Population::find(&registry, population)?;
        let all = known(home, &registry, ledger.as_ref(), &population.name)?;
        let (read, left_out) = readable(all, &population.name, terms.without_revoked)?;
        let mut catalog = Catalog::new(open(home, &read)?).map_err(Failure::Engine)?;
        if terms.federation.is_some() {
            catalog = catalog.with_records_of(None).map_err(Failure::Engine)?;
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let settings = Settings {
            day: today()?,
            finality: home.finality(),
            threads,
            memory: terms.memory,
            confidence: terms.confidence,
            dialect: spelling(terms.dialect),
        };
        let signer = home.keys()?.release_signer()?;
        let shared = Arc::clone(&ledger);
        let engine = Engine::new(catalog, shared, signer, settings, home.incident_log())
            .map_err(Failure::Engine)?
            .with_releases(home.releases());
        let engine = match &terms.cluster {
            Some(cluster) => engine.with_cluster(cluster.clone()),
            None => engine,
        };
        Ok(Self { engine, ledger, population, home: home.clone(), left_out })
    }

    /// The extracts that a population would be opened with now.
    ///
    /// # Errors
    /// As [`Opened::open`].
    pub(crate) fn roots_of(
        home: &Home,
        ledger: &dyn Ledger,
        population: &str,
        terms: &Terms,
    ) -> Result<Vec<Digest>, Failure> {
        let all = known(home, &home.registry()?, ledger, population)?;
        let (read, _) = readable(all, population, terms.without_revoked)?;
        Ok(read.iter().map(|known| known.root).collect())
    }

    /// The extracts that answers are about, by their names on the ledger.
    pub(crate) fn roots(&self) -> Vec<Digest> {
        self.engine.catalog().extracts().iter().map(|extract| extract.root()).collect()
    }

    /// What the account holds; `None` before a budget is opened.
    ///
    /// # Errors
    /// [`Failure::Ledger`].
    pub(crate) fn balance(&self) -> Result<Option<Balance>, Failure> {
        Ok(self.ledger.remaining(self.population.account)?)
    }

    /// Keeps the receipt of an answer. That of a repeated one is the same again.
    ///
    /// # Errors
    /// [`Failure::Ledger`] if the account cannot be read.
    pub(crate) fn reply(&self, mut answer: Answer) -> Result<Reply, Failure> {
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
}

/// A question by these terms.
pub(crate) fn question(terms: &Terms, text: &str) -> Query {
    let bounds = ContributionBounds {
        rows_per_person: terms.rows_per_person,
        groups_per_person: terms.groups_per_person,
        persons_min: terms.persons_min,
        sites_per_person: terms.federation.as_ref().map(|terms| terms.sites_per_person),
    };
    Query { text: text.to_owned(), epsilon: terms.epsilon, delta: terms.delta, bounds }
}

/// How the engine is told of a dialect.
pub(crate) const fn spelling(dialect: Dialect) -> dialect::Dialect {
    match dialect {
        Dialect::Datafusion => dialect::Dialect::DataFusion,
        Dialect::Ohdsi => dialect::Dialect::Ohdsi,
    }
}
