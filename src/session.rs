//! A population that is being asked: its engine, its account, and where its receipts go.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use engine::answer::Answer;
use engine::catalog::Catalog;
use engine::cluster::Cluster;
use engine::engine::{Engine, Query, Quote, Settings};
use engine::error::Error;
use engine::federation::Federated;
use engine::federation::terms::Federation;
use engine::privacy::relation::ContributionBounds;
use engine::registered::Registered;
use engine::requests::{Explanation, Outcome};
use engine::sql::dialect;
use ledger_adapter::charge::Balance;
use ledger_adapter::ledger::Ledger;
use serde::Deserialize;
use tokio::runtime::{Builder, Runtime};

use crate::fail::{Asked, Failure};
use crate::federated::{Wires, parameters};
use crate::home::{Home, today};
use crate::population::{Population, known, open, readable};
use crate::progress::spinner;
use crate::script::{Statement, Verb};
use crate::wire::identity::Identity;

/// How questions are spelt.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dialect {
    /// Transact-SQL as queries over OMOP tables are published: @cdm.person, TOP, DATEDIFF.
    Ohdsi,
    /// The SQL of DataFusion, which is close to that of PostgreSQL.
    #[default]
    Datafusion,
}

/// Failure probability at which the ε of several questions together is told.
pub(crate) const TOGETHER_DELTA: f64 = 1e-5;

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
    /// Fewest persons of a group that is shown, where that is more than the policy's.
    pub(crate) persons_min: u32,
    /// How questions are spelt.
    pub(crate) dialect: Dialect,
    /// Confidence of intervals.
    pub(crate) confidence: f64,
    /// Whether sites whose extract was withdrawn are left out, rather than stopping the query.
    pub(crate) without_revoked: bool,
    /// Whether no progress is shown.
    pub(crate) is_quiet: bool,
    /// The federation that is asked, if the sites do not show their records.
    pub(crate) federation: Option<Federation>,
    /// Most memory of rows that are put aside, in bytes.
    pub(crate) memory: Option<usize>,
    /// The cluster that computes, if this machine does not.
    pub(crate) cluster: Option<Cluster>,
}

/// How a federation is reached.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    /// Directory of the coordinator's certificate.
    pub(crate) tls: PathBuf,
    /// The file of parameters by which proofs are checked.
    pub(crate) crs: Option<PathBuf>,
    /// How long a reply is waited for.
    pub(crate) patience: Duration,
}

/// A population that is being asked.
pub(crate) struct Session {
    engine: Engine,
    ledger: Arc<dyn Ledger>,
    population: Population,
    home: Home,
    terms: Terms,
    runtime: Runtime,
    left_out: Vec<String>,
    federated: Option<Federated>,
}

/// What came of a statement.
pub(crate) enum Performed {
    /// A question was answered.
    Answered(Box<Reply>),
    /// A question would cost this, as only prices are told.
    Quoted(Quote),
    /// EXPLAIN.
    Explained(Explanation),
    /// ESTIMATE.
    Estimated(Quote),
    /// Something was named or forgotten, in a phrase.
    Done(String),
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

impl Session {
    /// Opens the extracts of a population, with their signatures checked.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there is nothing to ask, [`Failure::Ledger`], [`Failure::Engine`].
    pub(crate) fn open(
        home: &Home,
        population: Option<&str>,
        terms: Terms,
        reach: Option<&Reach>,
    ) -> Result<Self, Failure> {
        let _progress = spinner("opening the extracts", terms.is_quiet);
        let ledger = home.accounts()?;
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
            dialect: match terms.dialect {
                Dialect::Datafusion => dialect::Dialect::DataFusion,
                Dialect::Ohdsi => dialect::Dialect::Ohdsi,
            },
        };
        let signer = home.keys()?.release_signer()?;
        let federated = match (&terms.federation, reach) {
            (Some(federation), Some(reach)) => {
                let wires = Wires::new(federation, &Identity::read(&reach.tls)?)?;
                let (wires, signer) = (Arc::new(wires), signer.clone());
                let parameters = parameters(reach.crs.as_deref(), federation)?;
                let terms = (federation.clone(), parameters);
                let made = Federated::new(terms, wires, signer, reach.patience);
                let hint = "the coordinator is the home that graunt federation new was run in";
                Some(made.map_err(|error| Failure::usage(error.to_string(), hint))?)
            }
            _ => None,
        };
        let shared = Arc::clone(&ledger);
        let engine = Engine::new(catalog, shared, signer, settings, home.incident_log())
            .map_err(Failure::Engine)?
            .with_releases(home.releases());
        let engine = match &terms.cluster {
            Some(cluster) => engine.with_cluster(cluster.clone()),
            None => engine,
        };
        let runtime = Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(Failure::store(home.directory(), "starting threads"))?;
        let home = home.clone();
        Ok(Self { engine, ledger, population, home, terms, runtime, left_out, federated })
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

    /// Does what a statement asks for; the receipt of an answer is kept.
    ///
    /// # Errors
    /// [`Failure::Query`], [`Failure::Store`].
    pub(crate) fn perform(&self, statement: &Statement) -> Result<Performed, Failure> {
        if self.federated.is_some() && statement.verb() == Verb::Ask {
            let reply = self.answer(&self.query(statement), statement)?;
            return Ok(Performed::Answered(Box::new(reply)));
        }
        self.home.prepare_receipts()?;
        let progress = spinner("answering", self.terms.is_quiet);
        let outcome = self.runtime.block_on(self.engine.perform(&self.query(statement)));
        drop(progress);
        match outcome.map_err(|error| failed(error, statement))? {
            Outcome::Answered(answer) => Ok(Performed::Answered(Box::new(self.reply(*answer)?))),
            Outcome::Explained(explanation) => Ok(Performed::Explained(explanation)),
            Outcome::Estimated(quote) => Ok(Performed::Estimated(quote)),
            Outcome::Done(phrase) => Ok(Performed::Done(phrase)),
            _ => Err(failed(Error::Internal("an outcome has no form"), statement)),
        }
    }

    /// Answers a question at a price of its own; its receipt is kept. `statement` is where it
    /// stands, for messages.
    ///
    /// # Errors
    /// [`Failure::Query`], [`Failure::Store`].
    pub(crate) fn answer(&self, query: &Query, statement: &Statement) -> Result<Reply, Failure> {
        self.home.prepare_receipts()?;
        let progress = spinner("answering", self.terms.is_quiet);
        let Some(federated) = &self.federated else {
            let done = self.runtime.block_on(self.engine.answer(query));
            drop(progress);
            return self.reply(done.map_err(|error| failed(error, statement))?);
        };
        let done = self.runtime.block_on(self.engine.answer_federated(query, federated));
        drop(progress);
        let (answer, transcript) = done.map_err(|error| failed(error, statement))?;
        let mut reply = self.reply(answer)?;
        reply.fault = reply.fault.or(self.home.save_transcript(&transcript).err());
        Ok(reply)
    }

    /// The answer of a question that was asked before; nothing is charged.
    ///
    /// # Errors
    /// [`Failure::Query`].
    pub(crate) fn recall(
        &self,
        query: &Query,
        statement: &Statement,
    ) -> Result<Option<Answer>, Failure> {
        let found = self.runtime.block_on(self.engine.recall(query));
        found.map_err(|error| failed(error, statement))
    }

    /// What a question would cost.
    ///
    /// # Errors
    /// [`Failure::Query`].
    pub(crate) fn price(&self, query: &Query, statement: &Statement) -> Result<Quote, Failure> {
        let quoted = match &self.terms.federation {
            Some(terms) => self.runtime.block_on(self.engine.quote_federated(query, terms)),
            None => self.runtime.block_on(self.engine.quote(query)),
        };
        quoted.map_err(|error| failed(error, statement))
    }

    /// What questions cost together, if all of them are fixed before the first is answered.
    ///
    /// # Errors
    /// [`Failure::Engine`].
    pub(crate) fn price_together(&self, queries: &[Query]) -> Result<Registered, Failure> {
        let priced = self.runtime.block_on(self.engine.registered(queries, TOGETHER_DELTA));
        priced.map_err(Failure::Engine)
    }

    /// Tells what a statement would cost, or does it if it costs nothing: nothing is charged.
    ///
    /// # Errors
    /// [`Failure::Query`]; [`Failure::Usage`] for EXECUTE.
    pub(crate) fn quote(&self, statement: &Statement) -> Result<Performed, Failure> {
        match statement.verb() {
            Verb::Tell | Verb::Name => self.perform(statement),
            Verb::Execute => Err(Failure::usage(
                "what EXECUTE costs is not told beforehand; nothing was asked or charged",
                "put the values into the query, and ask for its price",
            )),
            Verb::Ask => Ok(Performed::Quoted(self.price(&self.query(statement), statement)?)),
        }
    }

    /// Tells what questions cost together, if all of them are fixed before the first is answered.
    ///
    /// # Errors
    /// [`Failure::Query`].
    pub(crate) fn registered(&self, statements: &[&Statement]) -> Result<Registered, Failure> {
        let queries: Vec<_> = statements.iter().map(|statement| self.query(statement)).collect();
        self.price_together(&queries)
    }

    /// Keeps the receipt of an answer. That of a repeated one is the same again.
    fn reply(&self, mut answer: Answer) -> Result<Reply, Failure> {
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

    /// A question by the terms of this session.
    pub(crate) fn query(&self, statement: &Statement) -> Query {
        let bounds = ContributionBounds {
            rows_per_person: self.terms.rows_per_person,
            groups_per_person: self.terms.groups_per_person,
            persons_min: self.terms.persons_min,
            sites_per_person: self.terms.federation.as_ref().map(|terms| terms.sites_per_person),
        };
        Query {
            text: statement.text.clone(),
            epsilon: self.terms.epsilon,
            delta: self.terms.delta,
            bounds,
        }
    }
}

fn failed(error: Error, statement: &Statement) -> Failure {
    Failure::Query(Box::new(Asked { error, statement: statement.clone() }))
}
