//! Events: the rows of a table with some concepts, and what is asked of each.

use std::fmt::Display;

use crate::cohort::definition::{ConceptSet, Event, Limits, Pick, Within};
use crate::cohort::sql::{Writer, filter, indented, observed};
use crate::cohort::tables::Table;

impl Writer<'_> {
    /// A query of the events, with their persons, first and last days, and besides, if asked for,
    /// a column of the table under another name.
    pub(super) fn event(&mut self, event: &Event, besides: Option<(&str, &str)>) -> String {
        let rows = self.rows(event, besides);
        let Some(group) = &event.correlated else { return rows };
        self.events += 1;
        let plain = if besides.is_some() { self.rows(event, None) } else { rows.clone() };
        let base = self.view(&format!("event_{}", self.events), observed(&plain));
        let joins = self.joins(group, &base);
        let kept = format!("SELECT e.person_id, e.start_date, e.end_date\nFROM {base} e{joins}");
        let (row, key) = (self.alias('a'), self.alias('q'));
        let named = besides.map_or(String::new(), |(_, name)| format!(", {row}.{name}"));
        format!(
            "SELECT {row}.person_id, {row}.start_date, {row}.end_date{named}\n\
             FROM (\n{}\n) {row}\nLEFT SEMI JOIN (\n{}\n) {key} ON {}",
            indented(&rows),
            indented(&kept),
            same_event(&key, &row)
        )
    }

    /// The same without what has to hold around them.
    fn rows(&mut self, event: &Event, besides: Option<(&str, &str)>) -> String {
        let table = event.table;
        let mut conditions = vec![];
        if let Some(concepts) = &event.concepts {
            conditions.push(within(&format!("t.{}", table.concept), concepts, false));
        }
        let mut source = table.name.to_owned();
        if event.pick != Pick::All {
            source = chosen(event, besides, &filter(&conditions));
            conditions = vec!["t.other IS NULL".to_owned()];
        }
        let start = format!("t.{}", table.start);
        let end = end(table);
        conditions.extend(limits(&start, &event.start, |day| format!("DATE '{day}'")));
        conditions.extend(limits(&end, &event.end, |day| format!("DATE '{day}'")));
        conditions.extend(limits(&format!("{end} - {start}"), &event.length_days, text));
        for (column, of) in &event.within {
            conditions.push(within(&format!("t.{column}"), &of.concepts, of.is_excluded));
        }
        for (column, of) in &event.numbers {
            conditions.extend(limits(&format!("t.{column}"), of, |number| format!("{number:?}")));
        }
        let mut joins = String::new();
        if let Some(visit) = &event.visit {
            let alias = self.alias('v');
            let of_kind = one_of(&format!("{alias}.visit_concept_id"), visit);
            joins += &format!(
                "\nLEFT SEMI JOIN visit_occurrence {alias} ON {alias}.person_id = t.person_id\n  \
                 AND {alias}.visit_occurrence_id = t.visit_occurrence_id AND {of_kind}"
            );
        }
        let mut person = vec![];
        let alias = self.alias('p');
        if let Some(sex) = &event.sex {
            person.push(one_of(&format!("{alias}.gender_concept_id"), sex));
        }
        person.extend(limits(&age(&alias, &start), &event.age, text));
        if !person.is_empty() {
            joins += &format!(
                "\nLEFT SEMI JOIN person {alias} ON {alias}.person_id = t.person_id\n  AND {}",
                person.join("\n  AND ")
            );
        }
        let named =
            besides.map_or(String::new(), |(column, name)| format!(", t.{column} AS {name}"));
        format!(
            "SELECT t.person_id, {start} AS start_date,\n  {end} AS end_date{named}\n\
             FROM {source} t{joins}{}",
            filter(&conditions)
        )
    }
}

/// The rows of a person's event of these concepts, each with the one before it; or after it.
/// Their columns keep their names, and none is there that nothing asks for: rows of one day are
/// put in order by them.
fn chosen(event: &Event, besides: Option<(&str, &str)>, concepts: &str) -> String {
    let table = event.table;
    let mut columns = vec!["person_id", table.start];
    columns.extend(table.end);
    columns.extend(event.visit.as_ref().map(|_| "visit_occurrence_id"));
    columns.extend(event.within.iter().map(|(column, _)| *column));
    columns.extend(event.numbers.iter().map(|(column, _)| *column));
    columns.extend(besides.map(|(column, _)| column).filter(|column| *column != table.start));
    let columns: Vec<String> = columns.into_iter().map(|column| format!("t.{column}")).collect();
    let function = if event.pick == Pick::Last { "LEAD" } else { "LAG" };
    let (columns, start) = (columns.join(", "), table.start);
    let query = format!(
        "SELECT {columns},\n  \
         {function}(t.{start}) OVER (PARTITION BY t.person_id ORDER BY t.{start}) AS other\n\
         FROM {} t{concepts}",
        table.name
    );
    format!("(\n{}\n)", indented(&query))
}

/// The last day of a row of a table.
pub(super) fn end(table: &Table) -> String {
    let start = table.start;
    match table.end {
        Some(end) if table.is_end_required => format!("t.{end}"),
        Some(end) => format!("COALESCE(t.{end}, t.{start} + INTERVAL '1' DAY)"),
        None => format!("t.{start} + INTERVAL '1' DAY"),
    }
}

/// The age of the person of an alias.
pub(super) fn age(person: &str, day: &str) -> String {
    format!("age_at({person}.year_of_birth, {day})")
}

/// That two relations speak of the same event.
pub(super) fn same_event(a: &str, b: &str) -> String {
    format!(
        "{a}.person_id = {b}.person_id\n  \
         AND {a}.start_date = {b}.start_date AND {a}.end_date = {b}.end_date"
    )
}

/// That a column is one of some concepts, or none of them.
pub(super) fn one_of(column: &str, of: &Within) -> String {
    within(column, &of.concepts, of.is_excluded)
}

/// That a column is in a set of concepts, or not. A concept is listed beside its descendants, as
/// it may have no row of its own in the table of ancestors.
pub(super) fn within(column: &str, set: &ConceptSet, is_excluded: bool) -> String {
    let kept = listed(&set.concepts, &set.descendants_of);
    if set.except.is_empty() && set.except_descendants_of.is_empty() {
        let not = if is_excluded { "NOT " } else { "" };
        return format!("{column} {not}IN ({kept})");
    }
    let left_out = listed(&set.except, &set.except_descendants_of);
    let not = if is_excluded { "NOT " } else { "" };
    format!("{not}({column} IN ({kept})\n    AND {column} NOT IN ({left_out}))")
}

fn listed(concepts: &[i64], ancestors: &[i64]) -> String {
    let joined = |ids: &[i64]| ids.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    let mut all: Vec<i64> = concepts.iter().chain(ancestors).copied().collect();
    all.sort_unstable();
    all.dedup();
    let below = if ancestors.is_empty() {
        String::new()
    } else {
        format!(", descendants_of({})", joined(ancestors))
    };
    format!("{}{below}", joined(&all))
}

/// That a value lies where it has to; nothing, if it may lie anywhere.
pub(super) fn limits<T>(
    value: &str,
    limits: &Limits<T>,
    written: impl Fn(&T) -> String,
) -> Option<String> {
    let sides = [
        (">=", &limits.at_least),
        (">", &limits.above),
        ("<=", &limits.at_most),
        ("<", &limits.below),
    ];
    let sides = sides.into_iter().filter_map(|(sign, side)| Some((sign, side.as_ref()?)));
    let sides: Vec<String> =
        sides.map(|(sign, side)| format!("{value} {sign} {}", written(side))).collect();
    let all = sides.join(" AND ");
    match (sides.is_empty(), limits.is_outside) {
        (true, _) => None,
        (false, false) => Some(all),
        (false, true) => Some(format!("NOT ({all})")),
    }
}

/// A value as SQL has it.
pub(super) fn text(value: &impl Display) -> String {
    value.to_string()
}
