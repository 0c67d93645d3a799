//! One analyst's session: settings, views and prepared queries of their own, and the last answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::datatypes::{DataType, SchemaRef};
use engine::asker::{Asker, Stop};
use engine::describe::Description;
use engine::engine::Engine;
use engine::error::{Code, Error, Rejection};
use engine::sql::arguments::Argument;
use ledger_adapter::charge::Balance;
use ledger_adapter::error::LedgerError;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::analysts::Analyst;
use crate::desk::control::{Control, Knobs};
use crate::desk::counters::{Door, Event};
use crate::desk::journal::Line;
use crate::desk::told::{
    ENDS, PLAN, Rows, Step, Told, estimate_schema, estimated, explained, one_text,
};
use crate::desk::work::Computed;
use crate::desk::{Desk, Open};
use crate::fail::{Asked, Failure};
use crate::home::today;
use crate::opened::{Reply, question, spelling};
use crate::script::{Statement, Verb, split};
use crate::show;

/// One analyst's session at one door.
pub(crate) struct Visit {
    pub(super) desk: Arc<Desk>,
    pub(super) door: Door,
    analyst: Mutex<Analyst>,
    here: Mutex<Here>,
    knobs: Mutex<Knobs>,
    /// What was set when the transaction began, to go back to.
    saved: Mutex<Option<Knobs>>,
    last: Mutex<Option<Last>>,
    /// Takes back the statement that is being done, or the next one.
    running: Mutex<Stop>,
    is_running: AtomicBool,
    pub(super) recalled: Notify,
}

/// A statement that is being done; the next one has a stop of its own.
struct Run<'a>(&'a Visit);

impl Drop for Run<'_> {
    fn drop(&mut self) {
        *lock(&self.0.running) = Stop::default();
        self.0.is_running.store(false, Ordering::Release);
    }
}

/// The population as this session sees it.
#[derive(Clone)]
pub(super) struct Here {
    pub(super) open: Arc<Open>,
    engine: Engine,
}

/// What is shown of the last answer.
#[derive(Clone)]
struct Last {
    receipt: Option<String>,
    cost: String,
    notes: String,
}

/// What a statement would give: its columns, and the types of its parameters where they are known.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The columns; none for what gives no rows.
    pub(crate) schema: Option<SchemaRef>,
    /// By parameter.
    pub(crate) parameters: Vec<Option<DataType>>,
    /// Whether the ends of intervals are among the columns.
    pub(crate) intervals: bool,
}

impl Visit {
    /// Begins a session.
    ///
    /// # Errors
    /// [`Failure::Engine`].
    pub(crate) fn begin(desk: &Arc<Desk>, door: Door, analyst: Analyst) -> Result<Self, Failure> {
        // Extracts may have been replaced since the last visit. If that cannot be found out now,
        // questions will tell.
        let _ = desk.reopen();
        let here = Mutex::new(here(desk)?);
        let mut terms = desk.terms.clone();
        if let Some(most) = analyst.epsilon_max {
            terms.epsilon = terms.epsilon.min(most);
        }
        let (knobs, running) = (Mutex::new(Knobs::new(terms)), Mutex::default());
        let (last, saved, recalled) = (Mutex::default(), Mutex::default(), Notify::new());
        let (desk, analyst) = (Arc::clone(desk), Mutex::new(analyst));
        let is_running = AtomicBool::new(false);
        Ok(Self { desk, door, analyst, here, knobs, saved, last, running, is_running, recalled })
    }

    /// What is set now.
    pub(crate) fn knobs(&self) -> Knobs {
        lock(&self.knobs).clone()
    }

    /// Changes what is set.
    ///
    /// # Errors
    /// As [`Knobs::set`].
    pub(crate) fn set(&self, name: &str, value: &str) -> Result<(), Failure> {
        lock(&self.knobs).set(name, value).map_err(|refused| failed(refused.into(), ""))
    }

    /// Who asks, as they were known when the last statement began.
    pub(crate) fn analyst(&self) -> Analyst {
        lock(&self.analyst).clone()
    }

    /// Sees that whoever asks still may.
    fn check(&self) -> Result<(), Failure> {
        let name = self.analyst().name;
        let found = self.desk.analysts.find(&name)?;
        *lock(&self.analyst) = found.ok_or(Failure::Unauthorized)?;
        Ok(())
    }

    /// By which the statement that is being done can be taken back.
    pub(super) fn stop(&self) -> Stop {
        lock(&self.running).clone()
    }

    /// Takes back what is being asked, if anything is.
    pub(crate) fn cancel_running(&self) {
        if self.is_running.load(Ordering::Acquire) {
            self.cancel();
        }
    }

    /// Takes the question that is being asked back, or the next one. True if nothing was charged
    /// for it, nor will be.
    pub(crate) fn cancel(&self) -> bool {
        let is_free = lock(&self.running).stop();
        self.recalled.notify_waiters();
        is_free
    }

    /// What a statement would give. Nothing is charged.
    ///
    /// # Errors
    /// [`Failure::Query`].
    pub(crate) async fn describe(&self, text: &str) -> Result<Seen, Failure> {
        let text = one(text)?;
        self.check()?;
        let plain = |schema, parameters| Seen { schema, parameters, intervals: false };
        let fixed = |schema: Option<SchemaRef>| plain(schema, vec![]);
        match Control::read(&text) {
            Some(Control::Show(name)) => return Ok(fixed(Some(one_text(&name)))),
            Some(_) => return Ok(fixed(None)),
            None => {}
        }
        let here = self.here();
        if here.open.catalog.concerns(&text) {
            let described = here.open.catalog.describe(&text).await;
            let (schema, parameters) =
                described.map_err(|refused| failed(refused.into(), &text))?;
            return Ok(plain(Some(schema), parameters));
        }
        let knobs = self.knobs();
        let ends = knobs.intervals.then_some(ENDS);
        let engine = self.engine(&here, &knobs, Stop::default())?;
        let query = question(&knobs.terms, &text);
        if has_parameters(&text) {
            let described = engine.describe_prepared(&query).await;
            let (parameters, shape) = described.map_err(|error| failed(error, &text))?;
            let intervals = knobs.intervals;
            return Ok(Seen { schema: Some(shape.schema(ends)), parameters, intervals });
        }
        let described = engine.describe(&query).await.map_err(|error| failed(error, &text))?;
        let schema = match described {
            Description::Answer(shape) => Some(shape.schema(ends)),
            Description::Explanation => Some(one_text(PLAN)),
            Description::Estimate => Some(estimate_schema()),
            _ => None,
        };
        Ok(Seen { intervals: knobs.intervals, ..fixed(schema) })
    }

    /// The plan of a question, and what it would cost, for a page. Nothing is charged.
    ///
    /// # Errors
    /// [`Failure::Query`].
    pub(crate) async fn explain(&self, text: &str) -> Result<Value, Failure> {
        self.check()?;
        let (text, here, knobs) = (one(text)?, self.here(), self.knobs());
        let engine = self.engine(&here, &knobs, Stop::default())?;
        let explained = engine.explain(&question(&knobs.terms, &text)).await;
        let explained = explained.map_err(|error| failed(error, &text))?;
        self.desk.counters.count(self.door, Event::Priced);
        let confidence = knobs.terms.confidence;
        let quote = show::quote_json(&explained.quote, self.balance()?, confidence);
        Ok(json!({ "plan": explained.plan, "quote": quote }))
    }

    /// Does what a statement asks for, with values in the place of its parameters, and in the
    /// columns that were foretold, if they were.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) async fn perform(
        &self,
        text: &str,
        values: Option<&[Argument]>,
        seen: Option<&Seen>,
    ) -> Result<Told, Failure> {
        self.is_running.store(true, Ordering::Release);
        let _run = Run(self);
        let done = match one(text) {
            Ok(text) => self.performed(&text, values, seen).await,
            Err(failure) => Err(failure),
        };
        self.note(text, &done);
        done
    }

    async fn performed(
        &self,
        text: &str,
        values: Option<&[Argument]>,
        seen: Option<&Seen>,
    ) -> Result<Told, Failure> {
        self.check()?;
        if let Some(control) = Control::read(text) {
            return self.control(&control).map_err(|refused| failed(refused, text));
        }
        let here = self.here();
        if here.open.catalog.concerns(text) {
            return self.catalogue(&here, text, values.unwrap_or_default()).await;
        }
        match self.ask(text, values, seen).await {
            // Nothing was charged; another extract may have taken the place of ours.
            Err(failure) if is_outdated(&failure) && self.renew()? => {
                self.ask(text, values, seen).await
            }
            done => done,
        }
    }

    /// Answers what is asked about the catalogue: apart from the doors, and not for long.
    async fn catalogue(
        &self,
        here: &Here,
        text: &str,
        values: &[Argument],
    ) -> Result<Told, Failure> {
        let place = self.desk.seats.queue(&self.analyst().name)?;
        let seat = self.desk.seats.stand().await?;
        let (open, own, values) = (Arc::clone(&here.open), text.to_owned(), values.to_vec());
        let mut task = self.desk.computed(async move {
            let answered = open.catalog.answer(&own, &values).await;
            drop((seat, place));
            answered
        });
        let answered = tokio::time::timeout(CATALOGUE_TIME_MAX, &mut task).await;
        if answered.is_err() {
            task.abort();
        }
        let answered = answered.map_err(|_| Failure::limit("the catalogue takes too long"))?;
        let answered = answered.map_err(|_| failed(Error::Internal("it ended"), text))?;
        let batch = answered.map_err(|refused| failed(refused.into(), text))?;
        Ok(Told::Rows(Box::new(Rows::new(batch, "SELECT"))))
    }

    fn control(&self, control: &Control) -> Result<Told, Error> {
        match control {
            Control::Set(name, value) => lock(&self.knobs).set(name, value)?,
            Control::Reset(name) => lock(&self.knobs).reset(name.as_deref())?,
            Control::Word(word, step) => {
                if *word == "DISCARD ALL" {
                    lock(&self.knobs).reset(None)?;
                }
                self.stepped(word, *step);
                return Ok(Told::Done(word, *step));
            }
            Control::Show(name) => {
                let value = self.shown(name)?;
                let rows = Rows::text(name, &[value], "SHOW");
                let rows = rows.map_err(|_| Error::Internal("a line has no form"))?;
                return Ok(Told::Rows(Box::new(rows)));
            }
        }
        let is_set = matches!(control, Control::Set(..));
        Ok(Told::Done(if is_set { "SET" } else { "RESET" }, Step::None))
    }

    /// ROLLBACK undoes what was set since the transaction began, as in PostgreSQL. Charges stand.
    fn stepped(&self, word: &str, step: Step) {
        let mut saved = lock(&self.saved);
        match step {
            Step::Begin if saved.is_none() => *saved = Some(self.knobs()),
            Step::End => {
                if let Some(knobs) = saved.take().filter(|_| word == "ROLLBACK") {
                    *lock(&self.knobs) = knobs;
                }
            }
            _ => {}
        }
    }

    /// The value of a variable.
    fn shown(&self, name: &str) -> Result<String, Error> {
        let last = lock(&self.last).clone();
        let none = |what: &str| {
            Rejection::new(Code::Statement, format!("{what}: nothing was answered yet"))
                .hint("ask a question first, in this session")
        };
        let of_last = |of: fn(Last) -> Option<String>| last.and_then(of);
        match name {
            "graunt.receipt" => {
                Ok(of_last(|last| last.receipt).ok_or_else(|| none("there is no receipt"))?)
            }
            "graunt.cost" => Ok(of_last(|last| Some(last.cost)).ok_or_else(|| none("no cost"))?),
            "graunt.notes" => Ok(of_last(|last| Some(last.notes)).ok_or_else(|| none("no notes"))?),
            "graunt.budget" => {
                let balance = self.balance().map_err(|_| Error::Internal("no balance"))?;
                Ok(json!(balance.map(show::balance_json)).to_string())
            }
            "session_authorization" => Ok(self.analyst().name),
            _ => Ok(lock(&self.knobs).get(name).ok_or_else(|| {
                Rejection::new(Code::Statement, format!("there is no variable {name}"))
                    .hint("SHOW graunt.epsilon, graunt.cost, graunt.budget, graunt.receipt")
            })?),
        }
    }

    /// What this analyst may still spend: what their own account holds, or the population's.
    ///
    /// # Errors
    /// [`Failure::Ledger`].
    pub(crate) fn balance(&self) -> Result<Option<Balance>, Failure> {
        let of_all = self.here().open.opened.balance()?;
        let Some(account) = self.analyst().account else { return Ok(of_all) };
        let own = self.desk.ledger().remaining(account)?;
        let rho = |balance: &Balance| show::remaining(*balance).rho;
        Ok(own.into_iter().chain(of_all).min_by_key(rho))
    }

    /// What is told of what came of a statement.
    pub(super) fn told(
        &self,
        done: Computed,
        confidence: f64,
        knobs: &Knobs,
    ) -> Result<Told, Failure> {
        let encode = |error| Failure::Encode(Box::new(error));
        match done {
            Computed::Answered(answered) => {
                let (reply, rows) = *answered;
                let answer = &reply.answer;
                let receipt = answer.receipt.as_ref().map(|receipt| {
                    serde_json::to_string(receipt).map_err(|error| Failure::Encode(error.into()))
                });
                *lock(&self.last) = Some(Last {
                    receipt: receipt.transpose()?,
                    cost: show::cost_json(answer.cost).to_string(),
                    notes: json!(answer.notes).to_string(),
                });
                let reply = Reply { balance: self.balance()?, ..reply };
                Ok(Told::Rows(Box::new(rows.with_reply(reply, &knobs.terms))))
            }
            Computed::Explained(plan, quote) => Ok(explained(&plan, &quote, self.balance()?)),
            Computed::Estimated(quote) => {
                estimated(&quote, confidence, self.balance()?).map_err(encode)
            }
            Computed::Done(tag) => Ok(Told::Done(tag, Step::None)),
        }
    }

    pub(super) fn engine(&self, here: &Here, knobs: &Knobs, stop: Stop) -> Result<Engine, Failure> {
        let Analyst { account, epsilon_max, .. } = self.analyst();
        let mut settings = here.engine.settings();
        settings.day = today()?;
        settings.confidence = knobs.terms.confidence;
        settings.dialect = spelling(knobs.terms.dialect);
        let asker = Asker { account, epsilon_max, stop, progress: None };
        Ok(here.engine.asked_by(asker, settings))
    }

    pub(super) fn here(&self) -> Here {
        lock(&self.here).clone()
    }

    /// Sees the extracts that took the place of ours; true if there are any. Views are forgotten.
    fn renew(&self) -> Result<bool, Failure> {
        self.desk.reopen()?;
        if Arc::ptr_eq(&self.here().open, &self.desk.now()) {
            return Ok(false);
        }
        *lock(&self.here) = here(&self.desk)?;
        Ok(true)
    }

    /// Counts what came of a statement, and tells the journal. Statements about the session and
    /// the catalogue are not worth a line.
    fn note(&self, text: &str, done: &Result<Told, Failure>) {
        let event = match done {
            Ok(Told::Rows(rows)) => match &rows.reply {
                Some(reply) if reply.answer.cost.is_zero() => Event::Free,
                Some(_) => Event::Answered,
                None if rows.metadata.contains_key("graunt.cost") => Event::Priced,
                None => return,
            },
            Ok(Told::Done(..)) => return,
            Err(failure) => match failure.code().as_str() {
                "exhausted" => Event::Exhausted,
                "cancelled" => Event::Cancelled,
                "limit" => Event::Limited,
                code if code.starts_with("R-") || code == "usage" => Event::Refused,
                _ => Event::Failed,
            },
        };
        self.desk.counters.count(self.door, event);
        let code = done.as_ref().err().map(Failure::code);
        let outcome = code.unwrap_or_else(|| format!("{event:?}").to_ascii_lowercase());
        let reply = match done {
            Ok(Told::Rows(rows)) => rows.reply.as_ref(),
            _ => None,
        };
        let receipt = reply.and_then(|reply| reply.answer.receipt.as_ref());
        self.desk.journal.statement(&Line {
            door: self.door,
            analyst: &self.analyst().name,
            outcome: &outcome,
            cost: reply.map(|reply| reply.answer.cost),
            query: receipt.map(|receipt| receipt.intent.query.to_string()),
            text,
        });
    }
}

fn here(desk: &Desk) -> Result<Here, Failure> {
    let open = desk.now();
    let engine = open.opened.engine.apart().map_err(Failure::Engine)?;
    Ok(Here { open, engine })
}

/// The one statement of a text.
fn one(text: &str) -> Result<String, Failure> {
    if text.len() > STATEMENT_BYTES_MAX {
        let what = format!("a statement has at most {STATEMENT_BYTES_MAX} bytes");
        return Err(Failure::limit(what));
    }
    let mut statements = split(text);
    let last = statements.pop().ok_or_else(|| {
        failed(Rejection::new(Code::Statement, "there is no statement").into(), text)
    })?;
    if !statements.is_empty() {
        let refused = Rejection::new(Code::Statement, "one statement is answered at a time");
        return Err(failed(refused.into(), text));
    }
    Ok(last.text)
}

pub(super) fn statement(text: &str) -> Statement {
    let start = engine::sql::text::Place { line: 1, column: 1 };
    Statement { text: text.to_owned(), start, is_ended: false }
}

/// Whether a question has parameters, as far as its characters tell. One that has none, but looks
/// as if it had, is asked as one with none.
fn has_parameters(text: &str) -> bool {
    let is_named = |at: usize| text[at + 1..].starts_with(|c: char| c.is_ascii_digit());
    statement(text).verb() == Verb::Ask && text.match_indices('$').any(|(at, _)| is_named(at))
}

fn is_outdated(failure: &Failure) -> bool {
    matches!(failure, Failure::Query(asked)
        if matches!(&asked.error, Error::Untrusted(LedgerError::Inactive { .. })))
}

pub(super) fn failed(error: Error, text: &str) -> Failure {
    Failure::Query(Box::new(Asked { error, statement: statement(text) }))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long an answer about the catalogue may take.
const CATALOGUE_TIME_MAX: Duration = Duration::from_secs(20);

/// The longest statement. The engine's own limits are on what is in it.
const STATEMENT_BYTES_MAX: usize = 256 << 10;
