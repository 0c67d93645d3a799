//! The shape of an indicator's file, with the place of every value that is checked afterwards.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Spanned, Value as Toml};

use crate::file::{FileError, Source};

use super::indicator::{Dates, Field, Figure, Indicator, PersonBounds, Step};

/// A file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) id: Spanned<String>,
    pub(super) version: Spanned<String>,
    pub(super) title: Spanned<String>,
    pub(super) question: Spanned<String>,
    pub(super) field: Field,
    pub(super) population: Spanned<String>,
    pub(super) numerator: Spanned<String>,
    pub(super) denominator: Option<Spanned<String>>,
    pub(super) strata: Spanned<Vec<Spanned<String>>>,
    pub(super) method: Spanned<String>,
    pub(super) epsilon: Spanned<f64>,
    pub(super) dates: Dates,
    pub(super) source: Spanned<String>,
    pub(super) sql: Spanned<String>,
    pub(super) bounds: Spanned<PersonBounds>,
    #[serde(default)]
    pub(super) concepts: BTreeMap<Spanned<String>, ConceptsDocument>,
    #[serde(default)]
    pub(super) parameters: BTreeMap<Spanned<String>, ParameterDocument>,
    pub(super) columns: BTreeMap<Spanned<String>, ColumnDocument>,
    pub(super) figure: Spanned<Figure>,
}

/// A concept set as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConceptsDocument {
    pub(super) ids: Spanned<Vec<u32>>,
    pub(super) descendants: bool,
    pub(super) what: Spanned<String>,
}

/// A parameter as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ParameterDocument {
    pub(super) default: Spanned<Toml>,
    pub(super) what: Spanned<String>,
    pub(super) least: Option<Spanned<Toml>>,
    pub(super) most: Option<Spanned<Toml>>,
}

/// A column as it is written: its role, and what that role needs besides.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ColumnDocument {
    pub(super) role: Spanned<RoleName>,
    pub(super) label: Spanned<String>,
    #[serde(default)]
    pub(super) values: BTreeMap<String, String>,
    pub(super) bands: Option<Spanned<Vec<u16>>>,
    pub(super) step: Option<Step>,
    pub(super) width: Option<Spanned<f64>>,
    pub(super) last: Option<u32>,
    pub(super) level: Option<Spanned<f64>>,
    pub(super) place: Option<u32>,
}

/// The roles of columns.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RoleName {
    Stratum,
    Age,
    Time,
    Unit,
    Item,
    Exposed,
    Rank,
    Interval,
    Digit,
    Bin,
    Numerator,
    Denominator,
    Count,
    Events,
    Censored,
    Mean,
    Quantile,
    Stage,
}

impl Document {
    /// Reads a file and checks all of it.
    pub(super) fn read(file: &str, text: &str) -> Result<Indicator, FileError> {
        let source = Source { file, text };
        let document: Self = toml::from_str(text).map_err(|error| source.syntax(&error))?;
        document.checked(&source).map_err(|fault| source.malformed(fault))
    }
}
