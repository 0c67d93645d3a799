//! What the ledger says to everybody: the log, budgets, and what became of a question.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use chrono::DateTime;
use ledger_adapter::charge::Outcome;
use ledger_adapter::digest::Digest;
use ledger_adapter::entry::Entry;
use ledger_adapter::ledger::Ledger;
use ledger_adapter::log::LogLedger;
use ledger_adapter::receipt::Receipt;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Here, Page, Refused, apart};
use crate::commands::keys::policy;
use crate::fail::Failure;
use crate::home::{Home, short};
use crate::show;

/// The log, where it is kept here.
pub(crate) struct Records {
    log: Option<std::sync::Arc<LogLedger>>,
    origin: Option<String>,
    policy: Option<Value>,
    home: Home,
}

/// The log of a home, and by which keys others judge it. A home that follows another's has none.
///
/// # Errors
/// [`Failure::Ledger`].
pub(crate) fn records(
    home: &Home,
    log: Option<std::sync::Arc<LogLedger>>,
    origin: Option<String>,
) -> Result<Records, Failure> {
    let policy = log.as_ref().map(|log| policy(home, log)).transpose()?;
    Ok(Records { log, origin, policy, home: home.clone() })
}

impl Records {
    pub(super) fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    pub(super) fn vkey(&self) -> Option<String> {
        self.log.as_ref().map(|log| log.vkey())
    }

    pub(super) const fn policy(&self) -> Option<&Value> {
        self.policy.as_ref()
    }

    /// The receipt of a question, if it is kept here.
    fn receipt(&self, query: Digest) -> Option<Receipt> {
        let path = self.home.receipts().join(format!("{}.json", short(query)));
        Receipt::load(&path).ok().filter(|receipt| receipt.intent.query == query)
    }
}

#[derive(Deserialize)]
pub(super) struct Range {
    before: Option<u64>,
    count: Option<u64>,
}

/// Entries, the newest first.
pub(super) async fn log(
    State(page): Here,
    Query(range): Query<Range>,
) -> Result<Json<Value>, Refused> {
    apart(move || Ok(Json(listed(&page.records, &range)?))).await
}

/// What each population may spend, and has spent.
pub(super) async fn budgets(State(page): Here) -> Result<Json<Value>, Refused> {
    apart(move || Ok(Json(held(&page)?))).await
}

/// What became of a question. Its receipt, with question and answer, is for those who are logged
/// in, unless the operator says that it is for everybody.
pub(super) async fn release(
    State(page): Here,
    Path(query): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refused> {
    let query: Digest = query.parse().map_err(|_| unknown())?;
    apart(move || Ok(Json(became(&page, query, &headers)?))).await
}

fn listed(records: &Records, range: &Range) -> Result<Value, Failure> {
    let Some(log) = &records.log else { return Ok(json!({ "size": 0, "entries": [] })) };
    let size = log.len()?;
    let end = range.before.unwrap_or(size).min(size);
    let start = end.saturating_sub(range.count.unwrap_or(50).min(ENTRIES_MAX));
    let entries = log.entries(start..end)?;
    let names = names(&records.home)?;
    let rows = (start..end).zip(&entries).map(|(index, entry)| row(index, entry, &names));
    let mut rows: Vec<Value> = rows.collect();
    rows.reverse();
    Ok(json!({ "size": size, "entries": rows }))
}

fn held(page: &Page) -> Result<Value, Failure> {
    let registry = page.records.home.registry()?;
    let mut budgets = Vec::new();
    for (name, population) in registry.populations()? {
        let balance = page.desk.ledger().remaining(population.account)?;
        let budget = balance.map(show::balance_json);
        budgets.push(json!({ "population": name, "budget": budget }));
    }
    Ok(json!({ "budgets": budgets }))
}

fn became(page: &Page, query: Digest, headers: &HeaderMap) -> Result<Value, Failure> {
    let log = page.records.log.as_ref().ok_or_else(unknown)?;
    let (charge, release) = traces(log, query)?.ok_or_else(unknown)?;
    let is_shown = page.has_public_releases || page.guests.allowed(headers)?.is_some();
    let receipt = is_shown.then(|| page.records.receipt(query)).flatten();
    Ok(json!({
        "query": query,
        "charge": charge,
        "release": release,
        "public": page.has_public_releases,
        "receipt": receipt,
    }))
}

/// The charge of a question, and its release if there is one; nothing of one that was never
/// charged, for which no entry is read.
fn traces(log: &LogLedger, query: Digest) -> Result<Option<(Value, Option<Value>)>, Failure> {
    let Some(outcome) = log.outcome(query)? else { return Ok(None) };
    let (Outcome::Charged(last) | Outcome::Released(last, _) | Outcome::Redacted(last)) = outcome;
    let (mut charge, mut release) = (None, None);
    // A charge comes before all else of its question, and most often shortly before.
    let mut end = last.index + 1;
    while end > 0 && charge.is_none() {
        let start = end.saturating_sub(ENTRIES_MAX);
        let entries = log.entries(start..end)?;
        for (index, entry) in (start..end).zip(&entries) {
            match entry {
                Entry::Charge(request) if request.query == query => {
                    let cost = request.items.first().map(|(_, cost)| show::cost_json(*cost));
                    charge = Some(json!({ "index": index, "day": day(request.day), "cost": cost }));
                }
                Entry::Release { query: of, .. } if *of == query => {
                    release = Some(json!({ "index": index }));
                }
                _ => {}
            }
        }
        end = start;
    }
    Ok(charge.map(|charge| (charge, release)))
}

fn unknown() -> Failure {
    Failure::usage("there is no such question on the ledger", "see the log")
}

fn names(home: &Home) -> Result<BTreeMap<Digest, String>, Failure> {
    let populations = home.registry()?.populations()?;
    Ok(populations.into_iter().map(|(name, population)| (population.account, name)).collect())
}

/// An entry without the names of sites and analysts: those are not public.
fn row(index: u64, entry: &Entry, names: &BTreeMap<Digest, String>) -> Value {
    let mut row = json!({
        "index": index, "kind": null, "day": null, "query": null, "account": null,
        "population": null, "cost": null, "detail": "",
    });
    let mut say = |key: &str, value: Value| row[key] = value;
    let account = |say: &mut dyn FnMut(&str, Value), of: Digest| {
        say("account", json!(of));
        say("population", json!(names.get(&of)));
    };
    match entry {
        Entry::Open(opening) => {
            say("kind", json!("open"));
            account(&mut say, opening.account);
            say("cost", show::cost_json(opening.cap));
            say("detail", json!("an account, with the most that may ever be spent"));
        }
        Entry::Charge(request) => {
            say("kind", json!("charge"));
            say("day", json!(day(request.day)));
            say("query", json!(request.query));
            if let Some((of, cost)) = request.items.first() {
                account(&mut say, *of);
                say("cost", show::cost_json(*cost));
            }
            let own = request.items.len() > 1;
            say("detail", json!(if own { "and as much of an analyst's own account" } else { "" }));
        }
        Entry::Release { query, .. } => {
            say("kind", json!("release"));
            say("query", json!(query));
        }
        Entry::Attest(new) => {
            say("kind", json!("attest"));
            account(&mut say, new.account);
            say("detail", json!(format!("extract {}", short(new.root))));
        }
        Entry::Supersede { old, new } => {
            say("kind", json!("supersede"));
            account(&mut say, new.account);
            let what = format!("extract {} replaces {}", short(new.root), short(*old));
            say("detail", json!(what));
        }
        Entry::Revoke { root } => {
            say("kind", json!("revoke"));
            say("detail", json!(format!("extract {}", short(*root))));
        }
        Entry::Redact { query } => {
            say("kind", json!("redact"));
            say("query", json!(query));
        }
        Entry::Commit { query, round, .. } => {
            say("kind", json!("commit"));
            say("query", json!(query));
            say("detail", json!(format!("round {round}")));
        }
        Entry::Key(_) => {
            say("kind", json!("key"));
            say("detail", json!("a key takes the place of another"));
        }
    }
    row
}

/// A day of the ledger, as people write it.
pub(super) fn day(day: u32) -> Option<String> {
    let time = DateTime::from_timestamp(i64::from(day) * 86_400, 0)?;
    Some(time.format("%Y-%m-%d").to_string())
}

/// Entries that are read at a time.
const ENTRIES_MAX: u64 = 500;
