//! A document with the place of everything in it, read from TOML or JSON; and fields taken from it
//! so that nothing in it is passed over.

use std::fmt::Write;
use std::sync::Arc;

use chrono::NaiveDate;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cohort::error::{CohortError, Place};
use crate::file::nearest;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    Nothing,
    Flag(bool),
    Whole(i64),
    Real(f64),
    Text(String),
    Day(NaiveDate),
    /// What no definition has, as it is written.
    Stranger(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

#[derive(Clone, Debug)]
struct Entry {
    key: String,
    place: Place,
    node: Node,
}

impl Node {
    /// Reads TOML.
    ///
    /// # Errors
    /// [`CohortError::Toml`] if it is none.
    pub(super) fn of_toml(file: &str, text: &str) -> Result<Self, CohortError> {
        let source = Source { file: Arc::from(file), text };
        match DeTable::parse(text) {
            Ok(table) => {
                let place = source.place(table.span().start);
                let value = source.table(table.get_ref());
                Ok(Self { place, value })
            }
            Err(error) => {
                let place = source.place(error.span().map_or(0, |span| span.start));
                Err(CohortError::Toml { place, source: Box::new(error) })
            }
        }
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// [`CohortError::Json`] if it is none.
    pub(super) fn of_json(file: &str, text: &str) -> Result<Self, CohortError> {
        let file: Arc<str> = Arc::from(file);
        match serde_json::from_str(text) {
            Ok(value) => Ok(json(&file, "$", &value)),
            Err(source) => Err(CohortError::Json { file, source }),
        }
    }

    /// Refuses what is here.
    pub(super) fn refuse(&self, allowed: impl Into<String>) -> CohortError {
        self.place.refuse(self.told(), allowed)
    }

    /// The fields of a table that has no others than `allowed`.
    pub(super) fn fields(&self, allowed: &[&str]) -> Result<Fields<'_>, CohortError> {
        self.checked(allowed, |_| false, "there is no such key here")
    }

    /// The fields of a table that asks for nothing else than `allowed`: others may be there as long
    /// as they are empty.
    pub(super) fn asked(&self, allowed: &[&str]) -> Result<Fields<'_>, CohortError> {
        self.checked(allowed, Self::is_empty, "it has no rule here")
    }

    fn checked(
        &self,
        allowed: &[&str],
        tolerated: fn(&Self) -> bool,
        otherwise: &str,
    ) -> Result<Fields<'_>, CohortError> {
        let Value::Table(entries) = &self.value else {
            return Err(self.refuse(format!("a table is expected, with {}", listed(allowed))));
        };
        for entry in entries {
            if !allowed.contains(&entry.key.as_str()) && !tolerated(&entry.node) {
                let found = format!("{:?}: {otherwise}", entry.key);
                return Err(entry.place.refuse(found, meant(&entry.key, allowed)));
            }
        }
        Ok(Fields { place: &self.place, entries })
    }

    /// The only field of a table that asks for one thing: its key, and what is there.
    pub(super) fn only(&self, allowed: &[&str]) -> Result<(&str, &Self), CohortError> {
        let Value::Table(entries) = &self.value else {
            return Err(
                self.refuse(format!("a table is expected, with one of {}", listed(allowed)))
            );
        };
        match entries.as_slice() {
            [entry] if allowed.contains(&entry.key.as_str()) => Ok((&entry.key, &entry.node)),
            [entry] => {
                let found = format!("{:?}: it has no rule here", entry.key);
                Err(entry.place.refuse(found, meant(&entry.key, allowed)))
            }
            _ => Err(self.refuse(format!("one key is expected, of {}", listed(allowed)))),
        }
    }

    /// The entries of a table, whatever their keys.
    pub(super) fn entries(&self) -> Result<impl Iterator<Item = (&str, &Self)>, CohortError> {
        match &self.value {
            Value::Table(entries) => {
                Ok(entries.iter().map(|entry| (entry.key.as_str(), &entry.node)))
            }
            _ => Err(self.refuse("a table is expected")),
        }
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Result<&[Self], CohortError> {
        match &self.value {
            Value::List(items) => Ok(items),
            _ => Err(self.refuse("a list is expected")),
        }
    }

    /// Whether it is a list.
    pub(super) const fn is_list(&self) -> bool {
        matches!(self.value, Value::List(_))
    }

    /// A text.
    pub(super) fn text(&self) -> Result<&str, CohortError> {
        match &self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.refuse("a text is expected")),
        }
    }

    /// True or false.
    pub(super) fn flag(&self) -> Result<bool, CohortError> {
        match self.value {
            Value::Flag(flag) => Ok(flag),
            _ => Err(self.refuse("true or false is expected")),
        }
    }

    /// A whole number between two others; in JSON it may be written as `18.0`.
    pub(super) fn whole(&self, least: i64, most: i64) -> Result<i64, CohortError> {
        let number = match self.value {
            Value::Whole(number) => Some(number),
            // A whole number is its own text without a fraction.
            Value::Real(number) => format!("{number}").parse().ok(),
            _ => None,
        };
        number.filter(|number| (least..=most).contains(number)).ok_or_else(|| {
            self.refuse(format!("a whole number from {least} to {most} is expected"))
        })
    }

    /// A number of days or of occurrences.
    pub(super) fn natural(&self, most: u32) -> Result<u32, CohortError> {
        let number = self.whole(0, i64::from(most))?;
        u32::try_from(number).map_err(|_| self.refuse("a number is expected"))
    }

    /// A number that is not infinite.
    pub(super) fn real(&self) -> Result<f64, CohortError> {
        match self.value {
            Value::Real(number) if number.is_finite() => Ok(number),
            Value::Whole(number) => format!("{number}").parse().map_err(|_| self.refuse(NUMBER)),
            _ => Err(self.refuse(NUMBER)),
        }
    }

    /// A day of the calendar that the engine has: a date in TOML, a text in JSON.
    pub(super) fn day(&self) -> Result<NaiveDate, CohortError> {
        let day = match &self.value {
            Value::Day(day) => Some(*day),
            Value::Text(text) if matches!(self.place, Place::Path { .. }) => text.parse().ok(),
            _ => None,
        };
        let within = |day: &NaiveDate| (1850..=2150).contains(&chrono::Datelike::year(day));
        day.filter(within).ok_or_else(|| {
            self.refuse("a date is expected, such as 2020-01-31, from 1850-01-01 to 2150-12-31")
        })
    }

    /// One of several words, whatever their case.
    pub(super) fn choice<T: Copy>(&self, words: &[(&'static str, T)]) -> Result<T, CohortError> {
        let names: Vec<&str> = words.iter().map(|word| word.0).collect();
        let Value::Text(text) = &self.value else {
            return Err(self.refuse(format!("allowed are {}", listed(&names))));
        };
        let chosen = words.iter().find(|word| word.0.eq_ignore_ascii_case(text));
        chosen.map(|word| word.1).ok_or_else(|| self.refuse(meant(text, &names)))
    }

    /// Whether it asks for nothing: null, false, or a list or table of such.
    pub(super) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Nothing | Value::Flag(false) => true,
            Value::List(items) => items.is_empty(),
            Value::Table(entries) => entries.iter().all(|entry| entry.node.is_empty()),
            _ => false,
        }
    }

    /// What may have been meant by a text, and what is allowed.
    pub(super) fn meant(&self, allowed: &[&str]) -> String {
        match &self.value {
            Value::Text(text) => meant(text, allowed),
            _ => format!("allowed are {}", listed(allowed)),
        }
    }

    fn told(&self) -> String {
        match &self.value {
            Value::Nothing => "nothing is here".to_owned(),
            Value::Flag(flag) => format!("{flag} is here"),
            Value::Whole(number) => format!("{number} is here"),
            Value::Real(number) => format!("{number:?} is here"),
            Value::Text(text) => format!("{text:?} is here"),
            Value::Day(day) => format!("{day} is here"),
            Value::Stranger(text) => format!("{text} is here"),
            Value::List(_) => "a list is here".to_owned(),
            Value::Table(_) => "a table is here".to_owned(),
        }
    }
}

/// The fields of one table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    pub(super) place: &'a Place,
    entries: &'a [Entry],
}

impl<'a> Fields<'a> {
    /// What stands under a key, unless it is nothing.
    pub(super) fn optional(&self, key: &str) -> Option<&'a Node> {
        let found = self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node);
        found.filter(|node| !matches!(node.value, Value::Nothing))
    }

    /// What stands under a key.
    ///
    /// # Errors
    /// [`CohortError::Refused`] if nothing does.
    pub(super) fn required(&self, key: &str) -> Result<&'a Node, CohortError> {
        let missing = || self.place.refuse(format!("there is no {key:?}"), "it is needed here");
        self.optional(key).ok_or_else(missing)
    }

    /// Reads what stands under a key, if anything does.
    pub(super) fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(&'a Node) -> Result<T, CohortError>,
    ) -> Result<Option<T>, CohortError> {
        self.optional(key).map(read).transpose()
    }
}

/// What may have been meant, and what is allowed.
fn meant(word: &str, allowed: &[&str]) -> String {
    match nearest(word, allowed.iter().copied()) {
        Some(near) => format!("perhaps {near:?} is meant; allowed are {}", listed(allowed)),
        None => format!("allowed are {}", listed(allowed)),
    }
}

fn listed(names: &[&str]) -> String {
    let mut text = String::new();
    for (i, name) in names.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        // Writing to a text does not fail.
        let _ = write!(text, "{comma}{name}");
    }
    text
}

/// A file of TOML.
struct Source<'a> {
    file: Arc<str>,
    text: &'a str,
}

impl Source<'_> {
    fn place(&self, at: usize) -> Place {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Place::Line { file: Arc::clone(&self.file), line, column }
    }

    fn table(&self, table: &DeTable<'_>) -> Value {
        let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let key: &Spanned<std::borrow::Cow<'_, str>> = key;
            let place = self.place(key.span().start);
            Entry { key: key.get_ref().to_string(), place, node: self.node(value) }
        };
        Value::Table(table.iter().map(entry).collect())
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> Node {
        let written = || Value::Stranger(self.text.get(value.span()).unwrap_or("?").to_owned());
        let read = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => {
                let whole = i64::from_str_radix(number.as_str(), number.radix());
                whole.map_or_else(|_| written(), Value::Whole)
            }
            DeValue::Float(number) => {
                number.as_str().parse().map_or_else(|_| written(), Value::Real)
            }
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Datetime(moment) => match (moment.date, moment.time, moment.offset) {
                (Some(day), None, None) => NaiveDate::from_ymd_opt(
                    i32::from(day.year),
                    u32::from(day.month),
                    u32::from(day.day),
                )
                .map_or_else(written, Value::Day),
                _ => written(),
            },
            DeValue::Array(items) => Value::List(items.iter().map(|i| self.node(i)).collect()),
            DeValue::Table(table) => self.table(table),
        };
        Node { place: self.place(value.span().start), value: read }
    }
}

fn json(file: &Arc<str>, path: &str, value: &serde_json::Value) -> Node {
    use serde_json::Value as Json;
    let place = |path: &str| Place::Path { file: Arc::clone(file), path: path.to_owned() };
    let read = match value {
        Json::Null => Value::Nothing,
        Json::Bool(flag) => Value::Flag(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Whole(whole),
            (None, Some(real)) => Value::Real(real),
            (None, None) => Value::Stranger(number.to_string()),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => {
            let item = |(i, item)| json(file, &format!("{path}[{i}]"), item);
            Value::List(items.iter().enumerate().map(item).collect())
        }
        Json::Object(entries) => {
            let entry = |(key, value): (&String, _)| {
                let path = format!("{path}.{key}");
                Entry { key: key.clone(), place: place(&path), node: json(file, &path, value) }
            };
            Value::Table(entries.iter().map(entry).collect())
        }
    };
    Node { place: place(path), value: read }
}

const NUMBER: &str = "a number is expected";
