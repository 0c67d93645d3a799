//! Definitions as SQL of the engine: views that keep every row with its person.
//!
//! ```text
//!  name__observed ─▶ name__index ─▶ name__rule_1 ─▶ … ─▶ name__rule_n ─▶ name__included ─▶ name
//! ```
//! What an event must have around it is a semi-join or an anti-join on the person, which leaves
//! its row as it is and makes none of it. The first of several is the row that has none before
//! it: numbering rows, or adding them up, would depend on how many the question lets count.

mod event;
mod exit;
mod group;

use std::fmt;

use crate::cohort::definition::{Definition, Index, Pick};

/// A view: a name for a query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct View {
    /// Its name.
    pub name: String,
    /// The query.
    pub query: String,
}

impl fmt::Display for View {
    /// The statement that makes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CREATE OR REPLACE VIEW {} AS\n{}", self.name, self.query)
    }
}

/// The views of a definition, the last of which is the cohort.
pub(super) fn views(definition: &Definition) -> Vec<View> {
    let mut writer = Writer { name: &definition.name, views: vec![], aliases: 0, events: 0 };
    let index = writer.index(&definition.index);
    let mut last = index.clone();
    for (i, rule) in definition.rules.iter().enumerate() {
        let joins = writer.joins(&rule.group, &index);
        let query = format!("SELECT {EVENT}\nFROM {last} e{joins}");
        last = writer.view(&format!("rule_{}", i + 1), query);
    }
    if definition.limit != Pick::All {
        let query = picked(&last, "", definition.limit);
        last = writer.view("included", query);
    }
    let query = writer.stays(definition, &last);
    writer.views.push(View { name: definition.name.clone(), query });
    writer.views
}

/// The question about the views of a definition: persons by how many rules they pass in order.
pub(super) fn attrition(definition: &Definition) -> String {
    let name = &definition.name;
    let mut steps = format!("SELECT e.person_id, 0 AS passed FROM {name}__index e");
    for i in 1..=definition.rules.len() {
        steps += &format!("\nUNION ALL\nSELECT e.person_id, {i} AS passed FROM {name}__rule_{i} e");
    }
    let persons = format!(
        "SELECT s.person_id, MAX(s.passed) AS passed\nFROM (\n{}\n) s\nGROUP BY s.person_id",
        indented(&steps)
    );
    format!(
        "SELECT p.passed AS rules_passed, COUNT(*) AS persons\nFROM (\n{}\n) p\n\
         WHERE p.passed IS NOT NULL\nGROUP BY p.passed\nORDER BY rules_passed",
        indented(&persons)
    )
}

/// Writes the views of one definition.
struct Writer<'a> {
    name: &'a str,
    views: Vec<View>,
    /// How many relations have a name within a query so far.
    aliases: usize,
    /// How many events have a view of their own so far.
    events: usize,
}

impl Writer<'_> {
    /// Adds a view, and gives its name.
    fn view(&mut self, part: &str, query: String) -> String {
        let name = format!("{}__{part}", self.name);
        self.views.push(View { name: name.clone(), query });
        name
    }

    /// A name for a relation that no other in these views has.
    fn alias(&mut self, letter: char) -> String {
        self.aliases += 1;
        format!("{letter}{}", self.aliases)
    }

    /// The view of the events that persons may enter with.
    fn index(&mut self, index: &Index) -> String {
        let events: Vec<String> =
            index.events.iter().map(|event| self.event(event, None)).collect();
        let observed = observed(&events.join("\nUNION ALL\n"));
        let mut events = self.view("observed", observed);
        let mut conditions = vec![];
        if index.washout_days > 0 {
            let query =
                format!("SELECT {EVENT},\n  {} AS earlier\nFROM {events} e", before(Pick::First));
            events = format!("(\n{}\n)", indented(&query));
            let days = index.washout_days;
            conditions.push(format!("(e.earlier IS NULL OR e.start_date - e.earlier > {days})"));
        }
        if index.prior_days > 0 {
            conditions.push(format!("e.start_date - e.observed_from >= {}", index.prior_days));
        }
        if index.after_days > 0 {
            conditions.push(format!("e.observed_to - e.start_date >= {}", index.after_days));
        }
        let query = picked(&events, &filter(&conditions), index.limit);
        let Some(criteria) = &index.criteria else { return self.view("index", query) };
        let primary = self.view("primary", query);
        let joins = self.joins(criteria, &primary);
        self.view("index", picked(&primary, &joins, index.qualified_limit))
    }
}

/// Events within the observation periods of their persons, each once.
///
/// Sites may have periods of one person that overlap; an event in several is in their union.
fn observed(events: &str) -> String {
    format!(
        "SELECT x.person_id, x.start_date, x.end_date,\n  \
         MIN(o.observation_period_start_date) AS observed_from,\n  \
         MAX(o.observation_period_end_date) AS observed_to\n\
         FROM (\n{}\n) x\n\
         JOIN observation_period o ON o.person_id = x.person_id\n  \
         AND x.start_date BETWEEN o.observation_period_start_date \
         AND o.observation_period_end_date\n\
         GROUP BY x.person_id, x.start_date, x.end_date",
        indented(events)
    )
}

/// The first or last of a person's events, or all, after `rest`: joins or conditions.
fn picked(events: &str, rest: &str, pick: Pick) -> String {
    if pick == Pick::All {
        return format!("SELECT {EVENT}\nFROM {events} e{rest}");
    }
    let query = format!("SELECT {EVENT},\n  {} AS other\nFROM {events} e{rest}", before(pick));
    format!("SELECT {EVENT}\nFROM (\n{}\n) e\nWHERE e.other IS NULL", indented(&query))
}

/// The first day of the person's event before, or, for the last of them, after.
fn before(pick: Pick) -> String {
    let function = if pick == Pick::Last { "LEAD" } else { "LAG" };
    format!(
        "{function}(e.start_date) OVER (PARTITION BY e.person_id ORDER BY e.start_date, e.end_date)"
    )
}

/// A WHERE clause, or nothing.
fn filter(conditions: &[String]) -> String {
    if conditions.is_empty() {
        return String::new();
    }
    format!("\nWHERE {}", conditions.join("\n  AND "))
}

/// Every line two places further right.
fn indented(text: &str) -> String {
    format!("  {}", text.replace('\n', "\n  "))
}

/// The columns of an event of a cohort.
const EVENT: &str = "e.person_id, e.start_date, e.end_date, e.observed_from, e.observed_to";
