//! Finds whose each row is; rows of nobody are left out and counted.

use std::collections::{BTreeMap, BTreeSet};

use crate::extract::cell::{Id, Lenient};
use crate::extract::error::ExtractError;
use crate::extract::pseudonym::IdMap;
use crate::extract::report::{TableReport, dropped};
use crate::extract::roster::Roster;
use crate::extract::source::{RawTable, Source};
use crate::schema::{self, TableSchema};

/// A row that stays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    /// Its index in the source.
    pub(super) row: usize,
    /// Index of its person in the roster; nothing in public tables.
    pub(super) member: Option<usize>,
}

/// Rows of a public table: all of them.
pub(super) fn everyone(raw: &RawTable) -> Vec<Kept> {
    (0..raw.rows).map(|row| Kept { row, member: None }).collect()
}

/// Rows that name their person in column `unit`.
pub(super) fn by_person(
    raw: &RawTable,
    unit: &str,
    roster: &Roster,
    report: &mut TableReport,
) -> Vec<Kept> {
    let column = raw.column(unit);
    let mut kept = Vec::with_capacity(raw.rows);
    let (mut nobody, mut unknown) = (0, 0);
    for row in 0..raw.rows {
        match column.cell(row).id() {
            None => nobody += 1,
            Some(id) => match roster.find(id) {
                None => unknown += 1,
                member => kept.push(Kept { row, member }),
            },
        }
    }
    report.drop_rows(dropped::NO_PERSON, nobody);
    report.drop_rows(dropped::UNKNOWN_PERSON, unknown);
    kept
}

/// Locations, once for each person who lives there.
pub(super) fn by_residence(
    raw: &RawTable,
    persons: &RawTable,
    roster: &Roster,
    report: &mut TableReport,
) -> Vec<Kept> {
    let mut residents: IdMap<BTreeSet<usize>> = IdMap::default();
    for row in 0..persons.rows {
        let person = persons.column("person_id").cell(row).id().and_then(|id| roster.find(id));
        let place = persons.column("location_id").cell(row).id();
        if let (Some(member), Some(place)) = (person, place) {
            residents.find_or_add(place, BTreeSet::new).insert(member);
        }
    }
    let mut kept = Vec::new();
    let mut nobody = 0;
    for row in 0..raw.rows {
        let place = raw.column("location_id").cell(row).id();
        match place.and_then(|place| residents.find(place)) {
            Some(members) => {
                kept.extend(members.iter().map(|member| Kept { row, member: Some(*member) }));
            }
            None => nobody += 1,
        }
    }
    report.drop_rows(dropped::NOBODY_THERE, nobody);
    kept
}

/// Costs, by the person of the event that they are of. One table of events is read at a time.
///
/// # Errors
/// Those of [`Source::read`].
pub(super) fn by_event(
    raw: &RawTable,
    source: &Source,
    roster: &Roster,
    report: &mut TableReport,
) -> Result<Vec<Kept>, ExtractError> {
    let mut rows_by_table: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
    let mut unknown = 0;
    for row in 0..raw.rows {
        let area = raw.column("cost_domain_id").cell(row).text();
        let table = if let Lenient::Value(area) = &area { event_area(area) } else { None };
        match table {
            Some((_, table)) => rows_by_table.entry(table).or_default().push(row),
            None => unknown += 1,
        }
    }
    let mut kept = Vec::with_capacity(raw.rows);
    let mut ambiguous = 0;
    for (name, rows) in rows_by_table {
        let events = match schema::table(name) {
            Some(table) => event_owners(source, table, roster)?,
            None => IdMap::default(),
        };
        for row in rows {
            let event = raw.column("cost_event_id").cell(row).id();
            match event.and_then(|event| events.find(event)) {
                Some(Owner::One(member)) => kept.push(Kept { row, member: Some(*member) }),
                Some(Owner::Several) => ambiguous += 1,
                None => unknown += 1,
            }
        }
    }
    kept.sort_unstable_by_key(|kept| kept.row);
    report.drop_rows(dropped::UNKNOWN_EVENT, unknown);
    report.drop_rows(dropped::AMBIGUOUS_EVENT, ambiguous);
    Ok(kept)
}

/// The way a kind of event is written, and its table, from its name in any case.
pub(super) fn event_area(name: &str) -> Option<(&'static str, &'static str)> {
    EVENTS.iter().find(|(area, _)| area.eq_ignore_ascii_case(name)).copied()
}

enum Owner {
    One(usize),
    Several,
}

fn event_owners(
    source: &Source,
    table: &'static TableSchema,
    roster: &Roster,
) -> Result<IdMap<Owner>, ExtractError> {
    let Some(key) = table.columns.iter().find(|column| is_own_key(table.name, column.name)) else {
        return Ok(IdMap::default());
    };
    let Some(events) = source.read(table, &[key.name, "person_id"])? else {
        return Ok(IdMap::default());
    };
    let mut owners = IdMap::default();
    for row in 0..events.rows {
        let event: Option<Id<'_>> = events.column(key.name).cell(row).id();
        let member = events.column("person_id").cell(row).id().and_then(|id| roster.find(id));
        if let (Some(event), Some(member)) = (event, member) {
            let owner = owners.find_or_add(event, || Owner::One(member));
            if matches!(owner, Owner::One(other) if *other != member) {
                *owner = Owner::Several;
            }
        }
    }
    Ok(owners)
}

fn is_own_key(table: &str, column: &str) -> bool {
    column.strip_suffix("_id") == Some(table)
}

/// Kinds of events of `cost.cost_domain_id`, and the tables that hold them.
const EVENTS: &[(&str, &str)] = &[
    ("Condition", "condition_occurrence"),
    ("Device", "device_exposure"),
    ("Drug", "drug_exposure"),
    ("Measurement", "measurement"),
    ("Observation", "observation"),
    ("Procedure", "procedure_occurrence"),
    ("Visit", "visit_occurrence"),
];
