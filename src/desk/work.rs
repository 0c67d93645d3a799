//! What the engine makes of a statement, in the columns that were foretold. It waits for nobody,
//! and so can go on when whoever asked is gone.

use arrow::datatypes::SchemaRef;
use engine::describe::Description;
use engine::engine::{Engine, Query, Quote};
use engine::error::{Code, Error, Rejection};
use engine::requests::Outcome;
use engine::sql::arguments::Argument;

use crate::desk::told::Rows;
use crate::fail::{Asked, Failure};
use crate::opened::{Opened, Reply};
use crate::script::Statement;

/// What came of a statement, and, of an answer, its rows.
pub(super) enum Computed {
    Answered(Box<(Reply, Rows)>),
    Explained(Vec<String>, Quote),
    Estimated(Quote),
    Done(&'static str),
}

/// A failure that does not know its statement yet.
pub(super) enum Unplaced {
    Query(Error),
    Other(Failure),
}

impl Unplaced {
    pub(super) fn of(self, statement: &Statement) -> Failure {
        match self {
            Self::Query(error) => {
                Failure::Query(Box::new(Asked { error, statement: statement.clone() }))
            }
            Self::Other(failure) => failure,
        }
    }
}

/// What is wanted of a question besides its text.
pub(super) struct Wanted {
    /// The values of its parameters.
    pub(super) values: Option<Vec<Argument>>,
    /// Under which names the ends of intervals are columns, if they are.
    pub(super) ends: Option<[&'static str; 2]>,
    /// The columns that were foretold, if they were.
    pub(super) columns: Option<SchemaRef>,
}

/// Does what a statement asks for; an answer comes in the columns that were foretold, or is not
/// asked.
pub(super) async fn computed(
    engine: &Engine,
    query: &Query,
    wanted: Wanted,
    opened: &Opened,
) -> Result<Computed, Unplaced> {
    let Wanted { values, ends, columns } = wanted;
    let described = match values {
        Some(_) => {
            let (_, shape) = engine.describe_prepared(query).await.map_err(Unplaced::Query)?;
            Description::Answer(shape)
        }
        None => engine.describe(query).await.map_err(Unplaced::Query)?,
    };
    if let (Some(columns), Description::Answer(shape)) = (&columns, &described)
        && shape.schema(ends) != *columns
    {
        let what = "its columns are not those that were prepared";
        let refused = Rejection::new(Code::Statement, what).hint("prepare it again");
        return Err(Unplaced::Query(refused.into()));
    }
    let outcome = match values {
        Some(values) => engine.perform_prepared(query, &values).await,
        None => engine.perform(query).await,
    };
    match (outcome.map_err(Unplaced::Query)?, described) {
        (Outcome::Answered(answer), Description::Answer(shape)) => {
            let reply = opened.reply(*answer).map_err(Unplaced::Other)?;
            let rows = reply.answer.shaped(&shape, ends);
            let rows = rows.map_err(|error| Unplaced::Other(Failure::Encode(Box::new(error))))?;
            Ok(Computed::Answered(Box::new((reply, Rows::new(rows, "SELECT")))))
        }
        (Outcome::Explained(told), _) => Ok(Computed::Explained(told.plan, told.quote)),
        (Outcome::Estimated(quote), _) => Ok(Computed::Estimated(quote)),
        (Outcome::Done(phrase), _) => Ok(Computed::Done(match phrase.split(' ').next() {
            Some("view") => "CREATE VIEW",
            Some("prepared") => "PREPARE",
            _ => "DEALLOCATE",
        })),
        _ => Err(Unplaced::Query(Error::Internal("an outcome has no form"))),
    }
}
