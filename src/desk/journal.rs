//! What happened, one JSON object per line on standard error. The text of questions is left out
//! unless the operator asks for it, and times are those at which things were told, in seconds.

use chrono::{SecondsFormat, Utc};
use ledger_adapter::cost::Cost;
use serde_json::{Value, json};

use crate::desk::counters::Door;
use crate::output::remark;

/// Where lines go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Journal {
    /// Whether anything is told.
    pub(crate) is_quiet: bool,
    /// Whether the text of questions is told.
    pub(crate) has_text: bool,
}

/// A statement and what came of it.
pub(crate) struct Line<'a> {
    pub(crate) door: Door,
    pub(crate) analyst: &'a str,
    /// What came of it: `answered`, or the code of the failure.
    pub(crate) outcome: &'a str,
    pub(crate) cost: Option<Cost>,
    /// The name of the query on the ledger.
    pub(crate) query: Option<String>,
    pub(crate) text: &'a str,
}

impl Journal {
    /// Somebody logged in, or could not. A name that nobody has is not repeated: it may be a
    /// password in the wrong field.
    pub(crate) fn login(&self, door: Door, name: &str, is_let_in: bool) {
        let analyst = is_let_in.then_some(name);
        self.tell(json!({
            "event": if is_let_in { "login" } else { "turned away" },
            "door": door.name(),
            "analyst": analyst,
        }));
    }

    /// A statement was done.
    pub(crate) fn statement(&self, line: &Line<'_>) {
        let mut value = json!({
            "event": "statement",
            "door": line.door.name(),
            "analyst": line.analyst,
            "outcome": line.outcome,
        });
        if let Some(cost) = line.cost.filter(|cost| !cost.is_zero()) {
            value["rho_nano"] = json!(cost.rho.nano());
            value["delta_atto"] = json!(cost.delta.atto());
        }
        if let Some(query) = &line.query {
            value["query"] = json!(query);
        }
        if self.has_text {
            value["text"] = json!(line.text);
        }
        self.tell(value);
    }

    /// Something of the server's own.
    pub(crate) fn event(&self, name: &str) {
        self.tell(json!({ "event": name }));
    }

    fn tell(&self, mut value: Value) {
        if !self.is_quiet {
            value["time"] = json!(Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true));
            remark(value);
        }
    }
}
