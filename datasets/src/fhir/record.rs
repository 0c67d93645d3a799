//! One row of a view, and what its values become.

use chrono::NaiveDate;
use serde_json::Value;

use crate::fhir::concepts::{Coded, Concepts};
use crate::fhir::error::FhirError;
use crate::fhir::ids::Ids;
use crate::fhir::layout::{Column, Kind, Layout};
use crate::fhir::report::{Report, changed};

/// A row as a view makes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made<'v> {
    pub(super) columns: &'v [String],
    pub(super) values: &'v [Value],
}

/// A row of a table, while it is put together.
#[derive(Debug)]
pub(super) struct Record<'l> {
    layout: &'l Layout,
    fields: Vec<Option<String>>,
}

impl<'v> Made<'v> {
    /// Whether the view has a column.
    pub(super) fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column == name)
    }

    /// The value of a column; null if the view does not have it.
    pub(super) fn value(&self, name: &str) -> &'v Value {
        let at = self.columns.iter().position(|column| column == name);
        at.and_then(|at| self.values.get(at)).unwrap_or(&Value::Null)
    }

    /// The text of a column, if there is one and it is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&'v str> {
        self.value(name).as_str().filter(|text| !text.trim().is_empty())
    }

    /// The texts of a column that is a collection.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let values = self.value(name).as_array().map(Vec::as_slice).unwrap_or_default();
        values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
    }

    /// The day of a column.
    pub(super) fn day(&self, name: &str) -> Option<NaiveDate> {
        self.text(name).and_then(day)
    }
}

impl<'l> Record<'l> {
    /// A row of a table in which nothing is known yet.
    pub(super) fn new(layout: &'l Layout) -> Self {
        Self { layout, fields: vec![None; layout.columns.len()] }
    }

    /// Takes over what a view made.
    ///
    /// # Errors
    /// [`FhirError::Collision`].
    pub(super) fn fill(
        &mut self,
        made: Made<'_>,
        ids: &mut Ids,
        concepts: &Concepts,
        report: &mut Report,
    ) -> Result<(), FhirError> {
        let layout = self.layout;
        for column in &layout.columns {
            let value = match column.kind {
                Kind::Key => match made.text(column.name) {
                    Some(identifier) => Some(ids.number(identifier)?.to_string()),
                    None => None,
                },
                Kind::Concept => {
                    self.concept(column, made, concepts, report);
                    continue;
                }
                Kind::Date => made.day(column.name).map(|day| day.to_string()),
                Kind::Integer => whole(made.value(column.name), report),
                Kind::Float => made.value(column.name).as_f64().map(|value| value.to_string()),
                Kind::Text => made.text(column.name).map(str::to_owned),
            };
            // Codes have filled their own columns of text by now.
            if value.is_some() {
                self.set(column.name, value);
            }
        }
        Ok(())
    }

    /// The concept of a column, and with it what its codes were.
    fn concept(
        &mut self,
        column: &Column,
        made: Made<'_>,
        concepts: &Concepts,
        report: &mut Report,
    ) {
        let value = made.value(column.name);
        if let Some(concept) = value.as_i64() {
            self.set(column.name, Some(concept.to_string()));
            return;
        }
        let tokens = value.as_array().map(Vec::as_slice).unwrap_or_default();
        match concepts.choose(tokens.iter().filter_map(Value::as_str)) {
            Some(coded) => self.coded(column.name, &coded, report),
            None if column.required => self.set(column.name, Some("0".to_owned())),
            None => {}
        }
    }

    /// Fills a column of concepts, and those of its source, from a code.
    pub(super) fn coded(&mut self, column: &str, coded: &Coded, report: &mut Report) {
        report.code(&coded.vocabulary, coded.concept != 0);
        self.set(column, Some(coded.concept.to_string()));
        let stem = column.strip_suffix("_concept_id").unwrap_or(column);
        self.set(&format!("{stem}_source_value"), Some(coded.code.clone()));
        self.set(&format!("{stem}_source_concept_id"), Some(coded.source_concept.to_string()));
        self.set(&format!("{stem}_source_vocabulary_id"), Some(coded.vocabulary.clone()));
    }

    /// Sets a column, if the table has it.
    pub(super) fn set(&mut self, column: &str, value: Option<String>) {
        let field = self.layout.position(column).and_then(|at| self.fields.get_mut(at));
        if let Some(field) = field {
            *field = value;
        }
    }

    /// What is in a column.
    pub(super) fn field(&self, column: &str) -> Option<&str> {
        self.fields.get(self.layout.position(column)?)?.as_deref()
    }

    /// The number in a column.
    pub(super) fn number(&self, column: &str) -> Option<i64> {
        self.field(column)?.parse().ok()
    }

    /// The day in a column.
    pub(super) fn day(&self, column: &str) -> Option<NaiveDate> {
        self.field(column).and_then(day)
    }

    /// A required column that is empty.
    pub(super) fn lacks(&self) -> Option<&'l Column> {
        let mut columns = self.layout.columns.iter().zip(&self.fields);
        columns.find(|(column, field)| column.required && field.is_none()).map(|(column, _)| column)
    }

    /// All fields, in the order of the columns.
    pub(super) fn fields(&self) -> &[Option<String>] {
        &self.fields
    }
}

/// The day of a date, or of a date with a time as its clock shows it.
fn day(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok()
}

fn whole(value: &Value, report: &mut Report) -> Option<String> {
    let number = value.as_f64()?;
    if let Some(whole) = value.as_i64() {
        return Some(whole.to_string());
    }
    if number.fract() == 0.0 && number.abs() < EXACT {
        return Some(format!("{number:.0}"));
    }
    report.change(changed::NOT_WHOLE);
    None
}

/// Below this every whole number is a float: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;
