//! What a statement came to, in columns, whatever it was: answers, plans, prices, settings.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use engine::engine::{Quote, QuotedColumn};
use ledger_adapter::charge::Balance;
use serde_json::json;

use crate::opened::Reply;
use crate::session::Terms;
use crate::show;

/// What a statement came to.
pub(crate) enum Told {
    /// Rows, of whatever kind.
    Rows(Box<Rows>),
    /// Something was done, in the word of PostgreSQL for it, and what it did to a transaction.
    Done(&'static str, Step),
}

/// Rows and what is said of them.
pub(crate) struct Rows {
    pub(crate) batch: RecordBatch,
    /// The word of PostgreSQL for what was done.
    pub(crate) tag: &'static str,
    /// What a reader should know, line by line.
    pub(crate) notices: Vec<String>,
    /// What programs should know, by key.
    pub(crate) metadata: HashMap<String, String>,
    /// The answer, if it is one.
    pub(crate) reply: Option<Reply>,
}

/// What a statement does to a transaction. There is nothing to undo: charges stand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// Nothing.
    None,
    /// It begins.
    Begin,
    /// It ends.
    End,
    /// It goes back to a point within.
    Back,
}

impl Rows {
    pub(crate) fn new(batch: RecordBatch, tag: &'static str) -> Self {
        Self { batch, tag, notices: vec![], metadata: HashMap::new(), reply: None }
    }

    /// One column of text.
    pub(crate) fn text(
        name: &str,
        lines: &[String],
        tag: &'static str,
    ) -> Result<Self, ArrowError> {
        let column: ArrayRef = Arc::new(StringArray::from(lines.to_vec()));
        Ok(Self::new(RecordBatch::try_new(one_text(name), vec![column])?, tag))
    }

    /// What an answer says besides its rows.
    pub(crate) fn with_reply(mut self, reply: Reply, terms: &Terms) -> Self {
        // Where the receipt lies in the operator's files is nobody else's.
        let told = Reply { receipt: None, fault: None, ..reply };
        self.notices.push(show::footer(&told, terms));
        self.notices.extend(told.answer.notes.iter().cloned());
        let cost = show::cost_json(told.answer.cost);
        self.say("cost", cost.to_string());
        self.say("notes", json!(told.answer.notes).to_string());
        self.say("is_repeat", told.is_repeat().to_string());
        self.say("confidence", told.answer.confidence().to_string());
        let bounded = |column: usize| told.answer.has_intervals(column);
        let names = told.answer.columns().iter().enumerate().filter(|(i, _)| bounded(*i));
        let ends =
            |name: &String| json!([format!("{name}{}", ENDS[0]), format!("{name}{}", ENDS[1])]);
        let ends: serde_json::Map<_, _> =
            names.map(|(_, name)| (name.clone(), ends(name))).collect();
        self.say("intervals", json!(ends).to_string());
        if let Some(receipt) = &told.answer.receipt {
            self.say("query", receipt.intent.query.to_string());
        }
        self.with_balance(told.balance).with(told)
    }

    fn with(self, reply: Reply) -> Self {
        Self { reply: Some(reply), ..self }
    }

    /// What is left.
    pub(crate) fn with_balance(mut self, balance: Option<Balance>) -> Self {
        if let Some(balance) = balance {
            self.say("left", show::balance_json(balance)["left"].to_string());
        }
        self
    }

    /// Says something to programs.
    pub(crate) fn say(&mut self, key: &str, value: String) {
        self.metadata.insert(format!("graunt.{key}"), value);
    }

    /// The rows, with what is said to programs in the schema.
    pub(crate) fn batch_with_metadata(&self) -> Result<RecordBatch, ArrowError> {
        let schema = self.batch.schema().as_ref().clone().with_metadata(self.metadata.clone());
        self.batch.clone().with_schema(Arc::new(schema))
    }
}

/// A plan, with what it would cost.
pub(crate) fn explained(plan: &[String], quote: &Quote, balance: Option<Balance>) -> Told {
    let mut lines = plan.to_vec();
    lines.extend(show::verdict(quote, balance));
    let rows = Rows::text(PLAN, &lines, "EXPLAIN").map(|rows| priced(rows, quote, balance));
    rows.map_or(Told::Done("EXPLAIN", Step::None), |rows| Told::Rows(Box::new(rows)))
}

/// A price: one row per noisy column.
pub(crate) fn estimated(
    quote: &Quote,
    confidence: f64,
    balance: Option<Balance>,
) -> Result<Told, ArrowError> {
    let floats = |of: &dyn Fn(&QuotedColumn) -> f64| -> ArrayRef {
        Arc::new(quote.columns.iter().map(|column| Some(of(column))).collect::<Float64Array>())
    };
    let columns = &quote.columns;
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(columns.iter().map(|column| Some(column.name.clone())).collect::<StringArray>()),
        floats(&|column| column.noise),
        floats(&|column| show::width(column, confidence)),
        Arc::new(columns.iter().map(|column| Some(column.is_chosen)).collect::<BooleanArray>()),
        floats(&|column| column.clamp.0),
        floats(&|column| column.clamp.1),
        Arc::new(
            columns
                .iter()
                .map(|column| i64::try_from(column.groups_per_person).ok())
                .collect::<Int64Array>(),
        ),
        Arc::new(columns.iter().map(|column| column.threshold).collect::<Int64Array>()),
    ];
    let mut rows = Rows::new(RecordBatch::try_new(estimate_schema(), arrays)?, "SELECT");
    rows.notices = show::verdict(quote, balance);
    Ok(Told::Rows(Box::new(priced(rows, quote, balance))))
}

/// What a price says to programs, and to people besides its rows.
fn priced(mut rows: Rows, quote: &Quote, balance: Option<Balance>) -> Rows {
    rows.notices.extend(quote.notes.iter().cloned());
    rows.say("cost", show::cost_json(quote.cost).to_string());
    rows.say("notes", json!(quote.notes).to_string());
    rows.with_balance(balance)
}

/// A table of one column of text.
pub(crate) fn one_text(name: &str) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(name, DataType::Utf8, true)]))
}

/// The columns of a price.
pub(crate) fn estimate_schema() -> SchemaRef {
    let field = |name: &str, kind: DataType| Field::new(name, kind, true);
    Arc::new(Schema::new(vec![
        field("column", DataType::Utf8),
        field("noise", DataType::Float64),
        field("half_width", DataType::Float64),
        field("is_chosen", DataType::Boolean),
        field("lower", DataType::Float64),
        field("upper", DataType::Float64),
        field("groups_per_person", DataType::Int64),
        field("threshold", DataType::Int64),
    ]))
}

/// The column of a plan.
pub(crate) const PLAN: &str = "QUERY PLAN";

/// By what the ends of an interval go on from the name of their column.
pub(crate) const ENDS: [&str; 2] = ["_lo", "_hi"];
