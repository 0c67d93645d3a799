//! The shape of an indicator's file, with the place of every value that is checked afterwards.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::{Spanned, Value as Toml};

use super::error::IndicatorError;
use super::indicator::{Dates, Field, Figure, Indicator, PersonBounds, Step};
use super::nearest::nearest;

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
    pub(super) fn read(file: &str, text: &str) -> Result<Indicator, IndicatorError> {
        let source = Source { file, text };
        let document: Self = toml::from_str(text).map_err(|error| source.syntax(&error))?;
        document.checked(&source).map_err(|(at, reason)| source.malformed(at, reason))
    }
}

/// Where something is wrong, in bytes of the file, and what.
pub(super) type Fault = (usize, String);

/// The text that is read, for places in messages.
pub(super) struct Source<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// The text between two places.
    pub(super) fn at(&self, span: Range<usize>) -> &str {
        self.text.get(span).unwrap_or_default()
    }

    fn malformed(&self, at: usize, reason: String) -> IndicatorError {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        IndicatorError::Malformed {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            reason,
        }
    }

    /// What the parser says, with the word that may have been meant: it names the wrong one and
    /// then those allowed, each between grave accents.
    fn syntax(&self, error: &toml::de::Error) -> IndicatorError {
        let mut reason = error.message().trim().replace('\n', ", ");
        let words: Vec<&str> = error.message().split('`').skip(1).step_by(2).collect();
        if let [wrong, allowed @ ..] = words.as_slice()
            && let Some(meant) = nearest(wrong, allowed.iter().copied())
        {
            reason.push_str(&format!("; did you mean `{meant}`?"));
        }
        self.malformed(error.span().map_or(0, |span| span.start), reason)
    }
}
