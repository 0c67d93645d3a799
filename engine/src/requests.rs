//! Statements of every kind: besides questions, their plans and prices, views and prepared
//! queries. Nothing here reads records or charges; questions go down the street.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::TableReference;
use datafusion::datasource::ViewTable;
use datafusion::execution::context::SessionContext;
use datafusion::sql::sqlparser::ast::{DataType, Expr};

use crate::answer::Answer;
use crate::engine::{Engine, Query, Quote};
use crate::error::{Code, Error, Rejection};
use crate::privacy::plan::analyse;
use crate::sql::bind::bind;
use crate::sql::options::Options;
use crate::sql::prepare::{bind_arguments, check_types};
use crate::sql::text::{ParsedQuery, Request, parse_request};

/// What came of a statement.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The answer of a question.
    Answered(Box<Answer>),
    /// EXPLAIN: what is private, per person, released or public, and what it would cost.
    Explained(Explanation),
    /// ESTIMATE: what a question would cost, and how noisy its answer would be.
    Estimated(Quote),
    /// What was done, in a phrase.
    Done(String),
}

/// The typed plan of a question.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// One line per step, each below and right of the step that takes it.
    pub plan: Vec<String>,
    /// Bounds, noise and charge.
    pub quote: Quote,
}

/// Prepared queries by name.
pub(crate) type Prepared = Mutex<BTreeMap<String, (Vec<DataType>, ParsedQuery)>>;

impl Engine {
    /// The answer that was released to the same question before; none if there is none, or if it
    /// was redacted. Nothing is charged, and no record is read.
    ///
    /// # Errors
    /// [`Error::Rejected`], as [`Engine::answer`].
    pub async fn recall(&self, query: &Query) -> Result<Option<Answer>, Error> {
        Ok(self.repeated(&self.plan(query).await?))
    }

    /// The typed plan of a question, and what it would cost. Nothing is charged.
    ///
    /// # Errors
    /// [`Error::Rejected`], as [`Engine::answer`].
    pub async fn explain(&self, query: &Query) -> Result<Explanation, Error> {
        self.explained(self.parsed(query)?, query).await
    }

    async fn explained(&self, parsed: ParsedQuery, query: &Query) -> Result<Explanation, Error> {
        let priced = self.planned(parsed, query).await?;
        let plan = priced.plan.trace.clone();
        Ok(Explanation { plan, quote: Self::quoted(priced)? })
    }

    /// Does what a statement of any kind asks for.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub async fn perform(&self, query: &Query) -> Result<Outcome, Error> {
        match parse_request(&query.text, self.settings.dialect)? {
            Request::Answer(parsed) => self.answered(parsed, query).await,
            Request::Explain(parsed) => self.explained(parsed, query).await.map(Outcome::Explained),
            Request::Estimate(parsed) => {
                let priced = self.planned(parsed, query).await?;
                Ok(Outcome::Estimated(Self::quoted(priced)?))
            }
            Request::CreateView { name, replace, query: parsed } => {
                self.create_view(&name, replace, parsed, query).await
            }
            Request::DropView { name, if_exists } => self.drop_view(&name, if_exists),
            Request::Prepare { name, types, query: parsed } => self.prepare(name, types, parsed),
            Request::Execute { name, arguments } => {
                self.answered(self.executed(&name, arguments)?, query).await
            }
            Request::Deallocate { name } => {
                let gone = self.prepared().remove(&name);
                gone.ok_or_else(|| no_such("prepared query", &name))?;
                Ok(Outcome::Done(format!("forgot {name}")))
            }
        }
    }

    /// The prepared query of that name, with values in the place of its parameters.
    pub(crate) fn executed(&self, name: &str, values: Vec<Expr>) -> Result<ParsedQuery, Error> {
        let found = self.prepared().get(name).cloned();
        let (types, parsed) = found.ok_or_else(|| no_such("prepared query", name))?;
        let values = if types.is_empty() { values } else { check_types(&values, &types)? };
        Ok(bind_arguments(&parsed, &values)?)
    }

    fn prepare(
        &self,
        name: String,
        types: Vec<DataType>,
        parsed: ParsedQuery,
    ) -> Result<Outcome, Error> {
        let mut prepared = self.prepared();
        if prepared.len() >= KEPT_MAX && !prepared.contains_key(&name) {
            return Err(too_many("prepared queries", "DEALLOCATE name forgets one"));
        }
        let done = format!("prepared {name}");
        prepared.insert(name, (types, parsed));
        Ok(Outcome::Done(done))
    }

    /// Forgets every prepared query of this session.
    pub fn forget_prepared(&self) {
        self.prepared().clear();
    }

    async fn answered(&self, parsed: ParsedQuery, query: &Query) -> Result<Outcome, Error> {
        self.answer_parsed(parsed, query).await.map(|answer| Outcome::Answered(Box::new(answer)))
    }

    /// Names a query, so that others may be built on it. It has to be one that could be asked
    /// about: its rules are looked at now, and again with each question.
    async fn create_view(
        &self,
        name: &str,
        replace: bool,
        parsed: ParsedQuery,
        query: &Query,
    ) -> Result<Outcome, Error> {
        if self.catalog().table(name).is_some() {
            let reason = format!("{name} is a table of this population");
            return Err(Rejection::new(Code::Table, reason).at(name).into());
        }
        if parsed.options != Options::default() {
            let reason = "a view has no privacy options of its own";
            return Err(Rejection::new(Code::Statement, reason).into());
        }
        let exists = self.session.table_exist(TableReference::bare(name)).unwrap_or(false);
        if exists && !replace {
            return Err(Rejection::new(Code::Statement, format!("there is a view {name} already"))
                .hint("CREATE OR REPLACE VIEW replaces it")
                .into());
        }
        if !exists && self.views() >= KEPT_MAX {
            return Err(too_many("views", "DROP VIEW name forgets one"));
        }
        let text = parsed.text.clone();
        let bound = bind(parsed, &self.session).await?;
        let plan = bound.plan.clone();
        analyse(bound, self.catalog(), query.bounds).map(|_| ()).or_else(|rejection| {
            // A view of persons' rows is what cohorts are.
            if rejection.code == Code::Rows { Ok(()) } else { Err(rejection) }
        })?;
        if exists {
            deregister(&self.session, name)?;
        }
        self.session
            .register_table(TableReference::bare(name), Arc::new(ViewTable::new(plan, Some(text))))
            .map_err(|_| Error::Internal("a view cannot be registered"))?;
        Ok(Outcome::Done(format!("view {name}")))
    }

    fn drop_view(&self, name: &str, if_exists: bool) -> Result<Outcome, Error> {
        if self.catalog().table(name).is_some() {
            let reason = format!("{name} is a table of this population, not a view");
            return Err(Rejection::new(Code::Statement, reason).into());
        }
        if !self.session.table_exist(TableReference::bare(name)).unwrap_or(false) {
            let done = format!("there is no view {name}");
            return if if_exists { Ok(Outcome::Done(done)) } else { Err(no_such("view", name)) };
        }
        deregister(&self.session, name)?;
        Ok(Outcome::Done(format!("forgot {name}")))
    }

    /// How many views there are.
    fn views(&self) -> usize {
        let state = self.session.state();
        let names = &state.config_options().catalog;
        let catalog = self.session.catalog(&names.default_catalog);
        let schema = catalog.and_then(|catalog| catalog.schema(&names.default_schema));
        let tables = schema.map(|schema| schema.table_names()).unwrap_or_default();
        tables.iter().filter(|name| self.catalog().table(name).is_none()).count()
    }

    fn prepared(
        &self,
    ) -> std::sync::MutexGuard<'_, BTreeMap<String, (Vec<DataType>, ParsedQuery)>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn deregister(session: &SessionContext, name: &str) -> Result<(), Error> {
    let gone = session.deregister_table(TableReference::bare(name));
    gone.map(|_| ()).map_err(|_| Error::Internal("a view cannot be forgotten"))
}

fn no_such(what: &str, name: &str) -> Error {
    Rejection::new(Code::Statement, format!("there is no {what} {name}")).into()
}

fn too_many(what: &str, hint: &str) -> Error {
    let reason = format!("a session keeps at most {KEPT_MAX} {what}");
    Rejection::new(Code::Statement, reason).hint(hint).into()
}

/// Most views of a session, and most prepared queries: each may be as long as a statement.
const KEPT_MAX: usize = 100;
