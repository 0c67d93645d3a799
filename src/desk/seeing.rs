//! What a statement would give and cost, before it is asked; and what the catalogue says. All of it
//! is planned apart from the doors, in seats of its own, and not for long.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, SchemaRef};
use engine::asker::Stop;
use engine::describe::Description;
use engine::error::Error;
use engine::sql::arguments::Argument;
use serde_json::{Value, json};

use crate::desk::control::Control;
use crate::desk::counters::Event;
use crate::desk::told::{ENDS, PLAN, Rows, Told, estimate_schema, one_text};
use crate::desk::visit::{Here, Visit, failed, one, statement};
use crate::fail::Failure;
use crate::opened::question;
use crate::script::Verb;
use crate::show;

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

impl Seen {
    fn plain(schema: Option<SchemaRef>, parameters: Vec<Option<DataType>>) -> Self {
        Self { schema, parameters, intervals: false }
    }
}

impl Visit {
    /// What a statement would give. Nothing is charged.
    ///
    /// # Errors
    /// [`Failure::Query`].
    pub(crate) async fn describe(&self, text: &str) -> Result<Seen, Failure> {
        let text = one(text)?;
        self.check()?;
        match Control::read(&text) {
            Some(Control::Show(name)) => return Ok(Seen::plain(Some(one_text(&name)), vec![])),
            Some(_) => return Ok(Seen::plain(None, vec![])),
            None => {}
        }
        let here = self.here();
        let (open, own) = (Arc::clone(&here.open), text.clone());
        if here.open.catalog.concerns(&text) {
            let described = async move { open.catalog.describe(&own).await.map_err(Error::from) };
            let (schema, parameters) = self.planned(&text, described).await?;
            return Ok(Seen::plain(Some(schema), parameters));
        }
        let knobs = self.knobs();
        let (intervals, ends) = (knobs.intervals, knobs.intervals.then_some(ENDS));
        let engine = self.engine(&here, &knobs, Stop::default())?;
        let query = question(&knobs.terms, &text);
        if has_parameters(&text) {
            let described = async move { engine.describe_prepared(&query).await };
            let (parameters, shape) = self.planned(&text, described).await?;
            return Ok(Seen { schema: Some(shape.schema(ends)), parameters, intervals });
        }
        let described = async move { engine.describe(&query).await };
        let schema = match self.planned(&text, described).await? {
            Description::Answer(shape) => Some(shape.schema(ends)),
            Description::Explanation => Some(one_text(PLAN)),
            Description::Estimate => Some(estimate_schema()),
            _ => None,
        };
        Ok(Seen { intervals, ..Seen::plain(schema, vec![]) })
    }

    /// The plan of a question, and what it would cost, for a page. Nothing is charged.
    ///
    /// # Errors
    /// [`Failure::Query`].
    pub(crate) async fn explain(&self, text: &str) -> Result<Value, Failure> {
        self.check()?;
        let (text, here, knobs) = (one(text)?, self.here(), self.knobs());
        let engine = self.engine(&here, &knobs, Stop::default())?;
        let query = question(&knobs.terms, &text);
        let explained = async move { engine.explain(&query).await };
        let explained = self.planned(&text, explained).await?;
        self.desk.counters.count(self.door, Event::Priced);
        let confidence = knobs.terms.confidence;
        let quote = show::quote_json(&explained.quote, self.balance()?, confidence);
        Ok(json!({ "plan": explained.plan, "quote": quote }))
    }

    /// Answers what is asked about the catalogue.
    pub(super) async fn catalogue(
        &self,
        here: &Here,
        text: &str,
        values: &[Argument],
    ) -> Result<Told, Failure> {
        let (open, own, values) = (Arc::clone(&here.open), text.to_owned(), values.to_vec());
        let answered = async move { open.catalog.answer(&own, &values).await.map_err(Error::from) };
        let batch = self.planned(text, answered).await?;
        Ok(Told::Rows(Box::new(Rows::new(batch, "SELECT"))))
    }

    /// Does what reads no record, apart from the doors.
    async fn planned<T: Send + 'static>(
        &self,
        text: &str,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Failure> {
        let place = self.desk.seats.queue(&self.analyst().name)?;
        let seat = self.desk.seats.stand().await?;
        let mut task = self.desk.computed(async move {
            let done = work.await;
            drop((seat, place));
            done
        });
        let done = tokio::time::timeout(PLANNING_TIME_MAX, &mut task).await;
        if done.is_err() {
            task.abort();
        }
        let done = done.map_err(|_| Failure::limit("it takes too long to plan"))?;
        let done = done.map_err(|_| failed(Error::Internal("it ended"), text))?;
        done.map_err(|error| failed(error, text))
    }
}

/// Whether a question has parameters, as far as its characters tell. One that has none, but looks
/// as if it had, is asked as one with none.
fn has_parameters(text: &str) -> bool {
    let is_named = |at: usize| text[at + 1..].starts_with(|c: char| c.is_ascii_digit());
    statement(text).verb() == Verb::Ask && text.match_indices('$').any(|(at, _)| is_named(at))
}

/// How long a plan, or an answer about the catalogue, may take.
const PLANNING_TIME_MAX: Duration = Duration::from_secs(20);
