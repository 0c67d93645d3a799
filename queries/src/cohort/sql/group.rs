//! What has to hold around an event, as joins that keep it or leave it out.

use crate::cohort::definition::{
    Count, Distinct, Edge, Group, Member, Occurrence, Person, Quantifier, Window,
};
use crate::cohort::sql::event::{age, limits, one_of, same_event, text};
use crate::cohort::sql::{Writer, indented};

impl Writer<'_> {
    /// Joins to the right of `e`, which is of the events of the view `base`, that keep those for
    /// which the group holds.
    pub(super) fn joins(&mut self, group: &Group, base: &str) -> String {
        let members = group.members.as_slice();
        let all = u32::try_from(members.len()).unwrap_or(u32::MAX);
        // A group without members holds, as Circe has it.
        match group.quantifier {
            Quantifier::All => self.every(members, base),
            Quantifier::AtLeast(count) if count == all => self.every(members, base),
            Quantifier::Any if all <= 1 => self.every(members, base),
            Quantifier::Any => self.some(members, base, 1, "SEMI"),
            Quantifier::AtLeast(0) => String::new(),
            Quantifier::AtLeast(count) => self.some(members, base, count, "SEMI"),
            Quantifier::AtMost(count) if count >= all => String::new(),
            Quantifier::AtMost(count) => self.some(members, base, count + 1, "ANTI"),
        }
    }

    fn every(&mut self, members: &[Member], base: &str) -> String {
        members.iter().map(|member| self.member(member, base)).collect()
    }

    /// A join with the events for which at least `count` members hold.
    fn some(&mut self, members: &[Member], base: &str, count: u32, kind: &str) -> String {
        let held: Vec<String> = members
            .iter()
            .map(|member| {
                let joins = self.member(member, base);
                format!("SELECT e.person_id, e.start_date, e.end_date\nFROM {base} e{joins}")
            })
            .collect();
        let mut held = held.join("\nUNION ALL\n");
        if count > 1 {
            held = format!(
                "SELECT u.person_id, u.start_date, u.end_date\nFROM (\n{}\n) u\n\
                 GROUP BY u.person_id, u.start_date, u.end_date\nHAVING COUNT(*) >= {count}",
                indented(&held)
            );
        }
        let alias = self.alias('q');
        let on = same_event(&alias, "e");
        format!("\nLEFT {kind} JOIN (\n{}\n) {alias} ON {on}", indented(&held))
    }

    fn member(&mut self, member: &Member, base: &str) -> String {
        match member {
            Member::Occurrence(occurrence) => self.occurrence(occurrence, base),
            Member::Person(person) => self.person(person),
            Member::Group(group) => self.joins(group, base),
        }
    }

    fn person(&mut self, person: &Person) -> String {
        let alias = self.alias('p');
        let mut conditions = vec![format!("{alias}.person_id = e.person_id")];
        let columns = [
            ("gender_concept_id", &person.sex),
            ("race_concept_id", &person.race),
            ("ethnicity_concept_id", &person.ethnicity),
        ];
        for (column, of) in columns {
            conditions.extend(of.as_ref().map(|of| one_of(&format!("{alias}.{column}"), of)));
        }
        conditions.extend(limits(&age(&alias, "e.start_date"), &person.age, text));
        conditions.extend(limits("e.start_date", &person.start, |day| format!("DATE '{day}'")));
        conditions.extend(limits("e.end_date", &person.end, |day| format!("DATE '{day}'")));
        format!("\nLEFT SEMI JOIN person {alias} ON {}", conditions.join("\n  AND "))
    }

    fn occurrence(&mut self, occurrence: &Occurrence, base: &str) -> String {
        match occurrence.count {
            Count::AtLeast(0) => String::new(),
            Count::AtLeast(1) => self.any(occurrence, "SEMI"),
            Count::AtLeast(count) => self.counted(occurrence, base, &format!(">= {count}"), "SEMI"),
            Count::AtMost(0) | Count::Exactly(0) => self.any(occurrence, "ANTI"),
            Count::AtMost(count) => self.counted(occurrence, base, &format!("> {count}"), "ANTI"),
            Count::Exactly(count) => self.counted(occurrence, base, &format!("= {count}"), "SEMI"),
        }
    }

    /// A join with any of the occurrences.
    fn any(&mut self, occurrence: &Occurrence, kind: &str) -> String {
        let events = self.event(&occurrence.event, None);
        let alias = self.alias('a');
        let on = around(&alias, occurrence);
        format!("\nLEFT {kind} JOIN (\n{}\n) {alias} ON {on}", indented(&events))
    }

    /// A join with the events that have so many of the occurrences.
    fn counted(&mut self, occurrence: &Occurrence, base: &str, many: &str, kind: &str) -> String {
        let alias = self.alias('a');
        let column = occurrence.event.table.concept;
        let (besides, what) = match occurrence.distinct {
            Distinct::Rows => (None, "*".to_owned()),
            Distinct::Concepts => {
                (Some((column, "concept_id")), format!("DISTINCT {alias}.concept_id"))
            }
            Distinct::StartDates => (None, format!("DISTINCT {alias}.start_date")),
        };
        let events = self.event(&occurrence.event, besides);
        let on = around(&alias, occurrence);
        let having = format!(
            "SELECT e.person_id, e.start_date, e.end_date\nFROM {base} e\n\
             JOIN (\n{}\n) {alias} ON {on}\n\
             GROUP BY e.person_id, e.start_date, e.end_date\nHAVING COUNT({what}) {many}",
            indented(&events)
        );
        let key = self.alias('q');
        let on = same_event(&key, "e");
        format!("\nLEFT {kind} JOIN (\n{}\n) {key} ON {on}", indented(&having))
    }
}

/// That an occurrence is the person's, and lies in its windows.
fn around(alias: &str, occurrence: &Occurrence) -> String {
    let mut on = vec![format!("{alias}.person_id = e.person_id")];
    if occurrence.is_observed {
        on.push(format!("{alias}.start_date BETWEEN e.observed_from AND e.observed_to"));
    }
    for window in &occurrence.windows {
        on.extend(within(alias, window, occurrence.is_observed));
    }
    on.join("\n  AND ")
}

/// The conditions of one window. An open end is that of the observation; if the occurrence begins
/// within it, that is said already of its first day.
fn within(alias: &str, window: &Window, is_observed: bool) -> Vec<String> {
    let column = |edge| if edge == Edge::Start { "start_date" } else { "end_date" };
    let day = format!("{alias}.{}", column(window.occurrence));
    let days = format!("{day} - e.{}", column(window.index));
    let is_open = is_observed && window.occurrence == Edge::End;
    match (window.from, window.to) {
        (Some(from), Some(to)) => vec![format!("{days} BETWEEN {from} AND {to}")],
        (Some(from), None) => {
            let open = is_open.then(|| format!("{day} <= e.observed_to"));
            std::iter::once(format!("{days} >= {from}")).chain(open).collect()
        }
        (None, Some(to)) => {
            let open = is_open.then(|| format!("{day} >= e.observed_from"));
            std::iter::once(format!("{days} <= {to}")).chain(open).collect()
        }
        (None, None) if is_open => {
            vec![format!("{day} BETWEEN e.observed_from AND e.observed_to")]
        }
        (None, None) => vec![],
    }
}
