//! An answer through the roles that an indicator gives its columns.

use super::OutcomeError;
use crate::estimate::Estimate;
use crate::indicators::indicator::{Column, Indicator, Role};
use crate::released::{Released, Value};
use crate::report::model::Cell;

/// An answer with the roles of its columns.
pub(super) struct View<'a> {
    pub(super) indicator: &'a Indicator,
    pub(super) released: &'a Released,
    pub(super) level: f64,
    /// The described columns in the order of the answer, and where they stand.
    columns: Vec<(usize, &'a Column)>,
}

/// Rows that have keys in common.
pub(super) struct Group {
    /// What they have in common, in words; empty for all rows.
    pub(super) label: String,
    /// Their places in the answer.
    pub(super) rows: Vec<usize>,
}

impl<'a> View<'a> {
    pub(super) fn new(
        indicator: &'a Indicator,
        released: &'a Released,
        level: f64,
    ) -> Result<Self, OutcomeError> {
        let place = |(name, column): (&'a String, &'a Column)| match released.place(name) {
            Some(place) => Ok((place, column)),
            None => {
                Err(OutcomeError::Column { indicator: indicator.id.clone(), column: name.clone() })
            }
        };
        let columns = indicator.columns.iter().map(place);
        let mut columns = columns.collect::<Result<Vec<_>, _>>()?;
        columns.sort_by_key(|(place, _)| *place);
        Ok(Self { indicator, released, level, columns })
    }

    /// All rows, but those of which it is not known where they belong in an order: no age, time,
    /// interval or rank.
    pub(super) fn rows(&self) -> impl Iterator<Item = usize> {
        let ordered: Vec<usize> = ["age", "time", "interval", "rank", "digit"]
            .iter()
            .filter_map(|role| Some(self.one(role)?.0))
            .collect();
        let rows = self.released.rows().iter().enumerate();
        let is_known = move |row: &[Value]| {
            ordered.iter().all(|place| row.get(*place).is_some_and(|value| value.key().is_some()))
        };
        rows.filter(move |(_, row)| is_known(row)).map(|(at, _)| at)
    }

    /// How many rows the answer has.
    pub(super) fn len(&self) -> usize {
        self.released.rows().len()
    }

    /// The columns of a role, in the order of the answer.
    pub(super) fn all(&self, role: &str) -> impl Iterator<Item = (usize, &'a Column)> {
        let of = self.columns.iter().copied();
        of.filter(move |(_, column)| column.role.name() == role).collect::<Vec<_>>().into_iter()
    }

    /// The column of a role.
    pub(super) fn one(&self, role: &str) -> Option<(usize, &'a Column)> {
        self.all(role).next()
    }

    /// The heading of a role's column.
    pub(super) fn label(&self, role: &str) -> String {
        self.one(role).map_or_else(String::new, |(_, column)| column.label.clone())
    }

    /// What was released in a row, in the column at a place.
    pub(super) fn estimate_at(&self, row: usize, place: usize) -> Option<&'a Estimate> {
        self.released.rows().get(row)?.get(place)?.estimate()
    }

    /// What was released in a row, for a role.
    pub(super) fn estimate(&self, row: usize, role: &str) -> Option<&'a Estimate> {
        self.estimate_at(row, self.one(role)?.0)
    }

    /// The same as a cell.
    pub(super) fn cell(&self, row: usize, role: &str) -> Cell {
        let value = self.one(role).and_then(|(place, _)| self.released.rows().get(row)?.get(place));
        match value {
            Some(Value::Estimate(estimate)) => Cell::from(estimate),
            Some(Value::Suppressed(reason)) => Cell::suppressed(reason),
            _ => super::missing(),
        }
    }

    /// A key as it was released.
    pub(super) fn key(&self, row: usize, role: &str) -> Option<&'a str> {
        self.key_at(row, self.one(role)?.0)
    }

    fn key_at(&self, row: usize, place: usize) -> Option<&'a str> {
        self.released.rows().get(row)?.get(place).and_then(Value::key)
    }

    pub(super) fn wrong(&self, role: &str, value: &str, expected: &'static str) -> OutcomeError {
        OutcomeError::Key {
            indicator: self.indicator.id.clone(),
            column: self.label(role),
            value: value.to_owned(),
            expected,
        }
    }

    /// A key in words.
    pub(super) fn word(&self, row: usize, place: usize, column: &Column) -> String {
        let Some(key) = self.key_at(row, place) else { return "not known".to_owned() };
        let is_shared = |word| column.values.values().filter(|other| *other == word).count() > 1;
        match (column.values.get(key), &column.role) {
            (Some(word), _) if is_shared(word) => format!("{word} ({key})"),
            (Some(word), _) => word.clone(),
            (None, Role::Age { bands }) => age_band(key, bands),
            (None, _) => key.to_owned(),
        }
    }

    /// The key columns that are not of these roles.
    pub(super) fn keys_but(&self, roles: &[&str]) -> Vec<(usize, &'a Column)> {
        let keys = self.columns.iter().copied().filter(|(_, column)| column.role.is_key());
        keys.filter(|(_, column)| !roles.contains(&column.role.name())).collect()
    }

    /// The rows by the keys in these columns, in the order in which they first come.
    pub(super) fn groups(&self, by: &[(usize, &Column)]) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for row in self.rows() {
            let words: Vec<String> =
                by.iter().map(|(place, column)| self.word(row, *place, column)).collect();
            let label = words.join(", ");
            match groups.iter_mut().find(|group| group.label == label) {
                Some(group) => group.rows.push(row),
                None => groups.push(Group { label, rows: vec![row] }),
            }
        }
        groups
    }
}

/// `20–39`, `80+`, or the key itself if it begins no band.
fn age_band(key: &str, bands: &[u16]) -> String {
    let from: Option<u16> = key.parse().ok();
    let place = from.and_then(|from| bands.iter().position(|band| *band == from));
    match place {
        None => key.to_owned(),
        Some(place) => match bands.get(place + 1) {
            None => format!("{key}+"),
            Some(next) if *next == bands[place] + 1 => key.to_owned(),
            Some(next) => format!("{key}\u{2013}{}", next - 1),
        },
    }
}
