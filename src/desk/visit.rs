//! One analyst's session: settings, views and prepared queries of their own, and the last answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::asker::{Asker, Stop, Turn};
use engine::engine::Engine;
use engine::error::{Code, Error, Rejection};
use engine::sql::arguments::Argument;
use ledger_adapter::charge::Balance;
use ledger_adapter::error::LedgerError;
use serde_json::json;
use tokio::sync::Notify;

use crate::analysts::Analyst;
use crate::desk::asking::WAITED;
use crate::desk::control::{Control, Knobs};
use crate::desk::counters::{Door, Event};
use crate::desk::journal::Line;
use crate::desk::seeing::Seen;
use crate::desk::told::{Rows, Step, Told, estimated, explained};
use crate::desk::work::Computed;
use crate::desk::{Desk, Open};
use crate::fail::{Asked, Failure};
use crate::home::today;
use crate::opened::{Reply, spelling};
use crate::script::{Statement, split};
use crate::show;

/// One analyst's session at one door.
pub(crate) struct Visit {
    pub(crate) desk: Arc<Desk>,
    pub(super) door: Door,
    analyst: Mutex<Analyst>,
    here: Mutex<Here>,
    knobs: Mutex<Knobs>,
    last: Mutex<Option<Last>>,
    /// Takes back the statement that is being done, or the next one.
    running: Mutex<Stop>,
    is_running: AtomicBool,
    pub(super) recalled: Notify,
    /// Held by the statement that is being done.
    turn: tokio::sync::Mutex<()>,
    /// Whether several programs may be in this session, so that none sets anything for the others.
    is_shared: bool,
}

/// A statement that is being done; the next one has a stop of its own.
struct Run<'a>(&'a Visit);

impl<'a> Run<'a> {
    fn begin(visit: &'a Visit) -> Self {
        visit.renew_stop(true);
        visit.is_running.store(true, Ordering::Release);
        Self(visit)
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        // What was charged stays so for whoever takes it back too late.
        self.0.renew_stop(false);
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
        let (last, recalled) = (Mutex::default(), Notify::new());
        let (desk, analyst) = (Arc::clone(desk), Mutex::new(analyst));
        let (is_running, turn) = (AtomicBool::new(false), tokio::sync::Mutex::default());
        Ok(Self {
            desk,
            door,
            analyst,
            here,
            knobs,
            last,
            running,
            is_running,
            recalled,
            turn,
            is_shared: false,
        })
    }

    /// The same as one that several programs may be in.
    pub(crate) fn shared(self) -> Self {
        Self { is_shared: true, ..self }
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

    /// Sees that whoever asks still may, and that nobody took their name or changed the password.
    ///
    /// # Errors
    /// [`Failure::Unauthorized`]; as [`Analysts::open`](crate::analysts::Analysts::open).
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let known = self.analyst();
        let found = self.desk.analysts.find(&known.name)?;
        let found = found.filter(|found| found.password == known.password);
        *lock(&self.analyst) = found.ok_or(Failure::Unauthorized)?;
        Ok(())
    }

    /// Puts a new stop in the place of one that was, or was not, passed.
    fn renew_stop(&self, has_passed: bool) {
        let mut running = lock(&self.running);
        if running.has_passed() == has_passed {
            *running = Stop::default();
        }
    }

    /// By which the statement that is being done can be taken back.
    pub(super) fn stop(&self) -> Stop {
        lock(&self.running).clone()
    }

    /// Takes back what is being asked, if anything is. Nobody waits for it afterwards, even if it
    /// is charged.
    pub(crate) fn cancel_running(&self) {
        if self.is_running.load(Ordering::Acquire) {
            lock(&self.running).stop();
            self.recalled.notify_waiters();
        }
    }

    /// Takes the question that is being asked back, or the next one. True if nothing was charged
    /// for it, nor will be.
    pub(crate) fn cancel(&self) -> bool {
        let is_free = lock(&self.running).stop();
        // What is charged is waited for.
        if is_free {
            self.recalled.notify_waiters();
        }
        is_free
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
        // One after the other, as in PostgreSQL: the next may be asked with what this one sets.
        let turn = tokio::time::timeout(self.desk.limits.question_max, self.turn.lock()).await;
        let _turn = turn.map_err(|_| Failure::limit(WAITED))?;
        let _run = Run::begin(self);
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

    fn control(&self, control: &Control) -> Result<Told, Error> {
        if self.is_shared && !matches!(control, Control::Show(_)) {
            let what = "nothing is set in a session that programs share by a certificate";
            return Err(Rejection::new(Code::Statement, what)
                .hint("log in, or ask SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = …) …")
                .into());
        }
        match control {
            Control::Set(name, value) => lock(&self.knobs).set(name, value)?,
            Control::SetLocal(name, value) => lock(&self.knobs).set_local(name, value)?,
            Control::Reset(name) => lock(&self.knobs).reset(name.as_deref())?,
            Control::Word(word, step) => {
                let mut knobs = lock(&self.knobs);
                if *word == "DISCARD ALL" {
                    knobs.reset(None)?;
                }
                if word.ends_with(" ALL") {
                    self.here().engine.forget_prepared();
                }
                knobs.step(word, *step);
                return Ok(Told::Done(word, *step));
            }
            Control::Show(name) => {
                let value = self.shown(name)?;
                let rows = Rows::text(name, &[value], "SHOW");
                let rows = rows.map_err(|_| Error::Internal("a line has no form"))?;
                return Ok(Told::Rows(Box::new(rows)));
            }
        }
        let is_set = matches!(control, Control::Set(..) | Control::SetLocal(..));
        Ok(Told::Done(if is_set { "SET" } else { "RESET" }, Step::None))
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
        let turn = Some(Turn::default());
        let asker = Asker { account, epsilon_max, stop, turn, progress: None };
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
pub(super) fn one(text: &str) -> Result<String, Failure> {
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

/// The longest statement. The engine's own limits are on what is in it.
const STATEMENT_BYTES_MAX: usize = 256 << 10;
