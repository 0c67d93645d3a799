//! A population that is being asked: its engine, its account, and where its receipts go.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::ValueEnum;
use engine::answer::Answer;
use engine::asker::{Asker, Progress, Stop};
use engine::catalog::Catalog;
use engine::cluster::Cluster;
use engine::engine::{Query, Quote};
use engine::error::Error;
use engine::federation::Federated;
use engine::federation::terms::Federation;
use engine::registered::Registered;
use engine::requests::{Explanation, Outcome};
use ledger_adapter::charge::Balance;
use serde::Deserialize;
use tokio::runtime::{Builder, Runtime};

use crate::STACK_BYTES;
use crate::fail::{Asked, Failure};
use crate::federated::{Wires, parameters};
use crate::home::Home;
use crate::opened::{Opened, Reply, question};
use crate::output::remark;
use crate::population::Population;
use crate::progress::{spinner, until};
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
    opened: Opened,
    terms: Terms,
    runtime: Runtime,
    federated: Option<Federated>,
    concepts: OnceLock<Vec<Concept>>,
}

/// A concept of the vocabulary.
pub(crate) struct Concept {
    /// `concept_id`.
    pub(crate) id: String,
    /// `concept_name`.
    pub(crate) name: String,
    /// `domain_id`.
    pub(crate) of: String,
}

impl Concept {
    /// Whether its name has all these words, or its number is one of them.
    pub(crate) fn is_like(&self, words: &str) -> bool {
        let name = self.name.to_lowercase();
        let words = words.to_lowercase();
        let mut words = words.split_whitespace();
        words.all(|word| name.contains(word) || self.id == word)
    }
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
        let opened = Opened::open(home, home.accounts()?, population, &terms)?;
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
        let runtime = Builder::new_multi_thread()
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(Failure::store(home.directory(), "starting threads"))?;
        Ok(Self { opened, terms, runtime, federated, concepts: OnceLock::new() })
    }

    /// The population that is asked.
    pub(crate) const fn population(&self) -> &Population {
        &self.opened.population
    }

    /// The tables that can be asked about.
    pub(crate) fn catalog(&self) -> &Catalog {
        self.opened.engine.catalog()
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
        self.opened.balance()
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
        self.opened.home.prepare_receipts()?;
        match self.interruptibly(self.query(statement), statement)? {
            Outcome::Answered(answer) => {
                Ok(Performed::Answered(Box::new(self.opened.reply(*answer)?)))
            }
            Outcome::Explained(explanation) => Ok(Performed::Explained(explanation)),
            Outcome::Estimated(quote) => Ok(Performed::Estimated(quote)),
            Outcome::Done(phrase) => Ok(Performed::Done(phrase)),
            _ => Err(failed(Error::Internal("an outcome has no form"), statement)),
        }
    }

    /// Does what a statement asks for. Ctrl-C takes it back: before it is charged that costs
    /// nothing; afterwards a second one leaves without the answer, which is kept.
    fn interruptibly(&self, query: Query, statement: &Statement) -> Result<Outcome, Failure> {
        let (stop, progress) = (Stop::default(), Progress::default());
        let asker =
            Asker { stop: stop.clone(), progress: Some(progress.clone()), ..Asker::default() };
        let engine = self.opened.engine.asked_by(asker, self.opened.engine.settings());
        let shown = until(&progress, "answering", self.terms.is_quiet);
        let done = self.runtime.block_on(async move {
            let mut task = tokio::spawn(async move { engine.perform(&query).await });
            let ended = |done: Result<_, _>| done.unwrap_or(Err(Error::Internal("it ended")));
            tokio::select! {
                done = &mut task => return Ok(ended(done)),
                _ = tokio::signal::ctrl_c() => {}
            }
            if stop.stop() {
                return Ok(Err(Error::Stopped));
            }
            remark("it was charged already; Ctrl-C again leaves without the answer, which is kept");
            tokio::select! {
                done = &mut task => Ok(ended(done)),
                _ = tokio::signal::ctrl_c() => Err(Failure::Passed),
            }
        });
        drop(shown);
        done?.map_err(|error| failed(error, statement))
    }

    /// Concepts of the vocabulary by name, if the population has one; they are public, and read
    /// once.
    pub(crate) fn concepts(&self) -> &[Concept] {
        self.concepts.get_or_init(|| {
            let text = "SELECT concept_id, concept_name, domain_id FROM concept ORDER BY 2 LIMIT \
                        200000";
            let found =
                self.runtime.block_on(self.opened.engine.answer(&question(&self.terms, text)));
            let Ok(answer) = found else { return vec![] };
            let concept = |row| Concept {
                id: answer.text(row, 0),
                name: answer.text(row, 1),
                of: answer.text(row, 2),
            };
            (0..answer.len()).map(concept).collect()
        })
    }

    /// Answers a question at a price of its own; its receipt is kept. `statement` is where it
    /// stands, for messages.
    ///
    /// # Errors
    /// [`Failure::Query`], [`Failure::Store`].
    pub(crate) fn answer(&self, query: &Query, statement: &Statement) -> Result<Reply, Failure> {
        self.opened.home.prepare_receipts()?;
        let progress = spinner("answering", self.terms.is_quiet);
        let Some(federated) = &self.federated else {
            let done = self.runtime.block_on(self.opened.engine.answer(query));
            drop(progress);
            return self.opened.reply(done.map_err(|error| failed(error, statement))?);
        };
        let done = self.runtime.block_on(self.opened.engine.answer_federated(query, federated));
        drop(progress);
        let (answer, transcript) = done.map_err(|error| failed(error, statement))?;
        let mut reply = self.opened.reply(answer)?;
        reply.fault = reply.fault.or(self.opened.home.save_transcript(&transcript).err());
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
        let found = self.runtime.block_on(self.opened.engine.recall(query));
        found.map_err(|error| failed(error, statement))
    }

    /// What a question would cost.
    ///
    /// # Errors
    /// [`Failure::Query`].
    pub(crate) fn price(&self, query: &Query, statement: &Statement) -> Result<Quote, Failure> {
        let quoted = match &self.terms.federation {
            Some(terms) => self.runtime.block_on(self.opened.engine.quote_federated(query, terms)),
            None => self.runtime.block_on(self.opened.engine.quote(query)),
        };
        quoted.map_err(|error| failed(error, statement))
    }

    /// What questions cost together, if all of them are fixed before the first is answered.
    ///
    /// # Errors
    /// [`Failure::Engine`].
    pub(crate) fn price_together(&self, queries: &[Query]) -> Result<Registered, Failure> {
        let priced = self.runtime.block_on(self.opened.engine.registered(queries, TOGETHER_DELTA));
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

    /// A question by the terms of this session.
    pub(crate) fn query(&self, statement: &Statement) -> Query {
        question(&self.terms, &statement.text)
    }
}

fn failed(error: Error, statement: &Statement) -> Failure {
    Failure::Query(Box::new(Asked { error, statement: statement.clone() }))
}
