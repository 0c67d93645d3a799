//! One question, from its place in the queue to its answer: who waits, who has gone, and what is
//! said when it takes too long.

use std::sync::Arc;
use std::time::Instant;

use engine::asker::Stop;
use engine::error::Error;
use engine::sql::arguments::Argument;
use tokio::task::AbortHandle;

use crate::desk::journal::Line;
use crate::desk::seeing::Seen;
use crate::desk::told::{ENDS, Told};
use crate::desk::visit::{Visit, failed, statement};
use crate::desk::work::{Wanted, computed};
use crate::fail::Failure;
use crate::opened::question;

/// Somebody who waits for a question. When they are gone it is taken back, if it still can be.
struct Waiting<'a> {
    visit: &'a Visit,
    stop: Stop,
    task: Option<AbortHandle>,
    text: &'a str,
    /// Whether whoever asked was told what has come of it.
    is_told: bool,
    /// Whether nothing of it is being done any more.
    is_done: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        if self.stop.stop() {
            // Nothing was charged, nor will be: whatever it still does is for nobody.
            self.task.iter().for_each(AbortHandle::abort);
        } else if !self.is_told {
            // It is charged and will be kept; the operator should find who asked.
            self.visit.desk.journal.statement(&Line {
                door: self.visit.door,
                analyst: &self.visit.analyst().name,
                outcome: "left",
                cost: None,
                query: None,
                text: self.text,
            });
        }
    }
}

impl Visit {
    /// Asks a question, in the columns that were foretold, if they were.
    pub(super) async fn ask(
        &self,
        text: &str,
        values: Option<&[Argument]>,
        seen: Option<&Seen>,
    ) -> Result<Told, Failure> {
        let started = Instant::now();
        let (here, knobs, stop) = (self.here(), self.knobs(), self.stop());
        let watched = self.desk.watch(&stop);
        let (own, is_told, is_done) = (stop.clone(), false, false);
        let mut waiting = Waiting { visit: self, stop: own, task: None, text, is_told, is_done };
        let engine = self.engine(&here, &knobs, stop.clone())?;
        let query = question(&knobs.terms, text);
        let intervals = seen.map_or(knobs.intervals, |seen| seen.intervals);
        let (ends, confidence) = (intervals.then_some(ENDS), knobs.terms.confidence);
        let columns = seen.and_then(|seen| seen.schema.clone());
        let place = self.desk.seats.queue(&self.analyst().name)?;
        let patience = tokio::time::sleep(self.desk.limits.question_max);
        tokio::pin!(patience);
        let seat = tokio::select! {
            seat = self.desk.seats.sit() => seat?,
            () = self.recalled.notified() => return Err(failed(Error::Stopped, text)),
            () = &mut patience => return Err(Failure::limit(WAITED)),
        };
        let (values, statement) = (values.map(<[_]>::to_vec), statement(text));
        let wanted = Wanted { values: values.filter(|values| !values.is_empty()), ends, columns };
        let (open, desk, charged) = (Arc::clone(&here.open), Arc::clone(&self.desk), stop.clone());
        let mut task = self.desk.computed(async move {
            let done = computed(&engine, &query, wanted, &open.opened).await;
            // What is charged is waited for at the end, whether anybody is there or not.
            drop(watched);
            if charged.has_passed() {
                desk.limits.round_up(started).await;
            }
            // Kept until then: who waits for the seat, or asks the same, is not told how long this
            // took.
            drop((engine, seat, place));
            done.map_err(|failure| failure.of(&statement))
        });
        waiting.task = Some(task.abort_handle());
        let done = tokio::select! {
            done = &mut task => done,
            () = self.recalled.notified() => {
                waiting.is_told = true;
                return Err(taken_back(&stop, text, None));
            }
            () = &mut patience => {
                waiting.is_told = true;
                return Err(taken_back(&stop, text, Some(WAITED)));
            }
        };
        waiting.is_done = true;
        let done = done.map_err(|_| failed(Error::Internal("it ended"), text))?;
        self.told(done?, confidence, &knobs)
    }
}

/// What is said of a question that nobody waits for any more.
fn taken_back(stop: &Stop, text: &str, limit: Option<&str>) -> Failure {
    match (stop.stop(), limit) {
        (false, _) => Failure::Passed,
        (true, Some(limit)) => Failure::limit(limit),
        (true, None) => failed(Error::Stopped, text),
    }
}

/// What is said when time is up before the charge.
pub(super) const WAITED: &str = "it takes too long; nothing was charged";
