//! An indicator that has been checked: what it asks, of whom, and how its answer is read.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::document::Document;
use super::error::IndicatorError;
use super::method::{Method, not_one_of};
use super::parameter::{Parameter, Value};
use super::template::Template;
use crate::methods::populations::AgeBand;

/// One indicator of the catalogue.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Indicator {
    /// Its name: lower-case words with hyphens, the stem of its file.
    pub id: String,
    /// Which version of it; another figure comes only from another version.
    pub version: Version,
    /// A heading of a few words.
    pub title: String,
    /// What it answers, in plain words.
    pub question: String,
    /// What it belongs to.
    pub field: Field,
    /// Who is counted.
    pub population: String,
    /// What is counted, added up or ranked.
    pub numerator: String,
    /// What that is divided by; none where nothing is divided.
    pub denominator: Option<String>,
    /// The columns that part the result, in the order of their importance.
    pub strata: Vec<String>,
    /// What is made of the columns.
    pub method: Method,
    /// The default charge of one run.
    pub epsilon: f64,
    /// How much of dates the extracts must have kept.
    pub dates: Dates,
    /// Where the definition comes from: paper, standard or survey.
    pub source: String,
    /// What one person can contribute.
    pub bounds: PersonBounds,
    /// The concepts that the SQL names, by the name used there.
    pub concepts: BTreeMap<String, ConceptSet>,
    /// What may be asked otherwise, by name.
    pub parameters: BTreeMap<String, Parameter>,
    /// What the result's columns are, by name.
    pub columns: BTreeMap<String, Column>,
    /// How the result is drawn.
    pub figure: Figure,
    pub(super) template: Template,
}

impl Indicator {
    /// Reads and checks the text of one file; `file` is its name in messages.
    ///
    /// # Errors
    /// [`IndicatorError::File`] at the first thing that is wrong.
    pub fn read(file: &str, text: &str) -> Result<Self, IndicatorError> {
        Ok(Document::read(file, text)?)
    }

    /// The SQL to run: the defaults, or what is given instead of them by name.
    ///
    /// # Privacy
    /// Only dates and integers are put in, written out anew; no text of a caller gets into it.
    ///
    /// # Errors
    /// [`IndicatorError::Parameter`] if there is no such parameter, or it cannot be that.
    pub fn statement(&self, given: &BTreeMap<String, Value>) -> Result<String, IndicatorError> {
        for (name, value) in given {
            let checked = self.parameter(name)?.check(*value);
            checked.map_err(|reason| self.refused(name, reason))?;
        }
        let values = |name: &str| {
            let default = self.parameters.get(name).map(|parameter| parameter.default);
            given.get(name).copied().or(default)
        };
        Ok(self.template.filled(&values, &self.concepts))
    }

    /// The value of a parameter from how somebody writes it, for instance on a command line.
    ///
    /// # Errors
    /// [`IndicatorError::Parameter`] if there is no such parameter, or it cannot be that.
    pub fn value(&self, name: &str, written: &str) -> Result<Value, IndicatorError> {
        let read = self.parameter(name)?.read(written);
        read.map_err(|reason| self.refused(name, reason))
    }

    fn parameter(&self, name: &str) -> Result<&Parameter, IndicatorError> {
        self.parameters.get(name).ok_or_else(|| {
            let known = self.parameters.keys().map(String::as_str);
            self.refused(name, not_one_of("parameter", name, known))
        })
    }

    fn refused(&self, name: &str, reason: String) -> IndicatorError {
        IndicatorError::Parameter { id: self.id.clone(), name: name.to_owned(), reason }
    }
}

/// A semantic version: major, minor and patch.
///
/// # Source
/// Semantic Versioning 2.0.0, without pre-releases and builds.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Version {
    /// Changes with what is counted: figures are not comparable.
    pub major: u32,
    /// Changes with what can be asked.
    pub minor: u32,
    /// Changes with words.
    pub patch: u32,
}

impl Version {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let number = |part: &str| {
            let is_plain = part == "0" || !part.starts_with(['0', '+']);
            part.parse().ok().filter(|_| is_plain)
        };
        let mut parts = text.split('.').map(number);
        let (major, minor, patch) = (parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(Self { major, minor, patch })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The fields of an indicator's use.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// How ill and how well cared for people are, by who they are and how they live.
    PopulationHealth,
    /// What is going around, and what is done against it.
    Surveillance,
    /// What is taken of bodies: pressures, rates, laboratory values.
    WearablesLabs,
    /// What drugs, vaccines and devices do besides.
    Safety,
    /// What was dispensed, of which lots, and where.
    SupplyChain,
    /// What it costs, and whether it was billed rightly.
    Administration,
}

impl Field {
    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PopulationHealth => "population-health",
            Self::Surveillance => "surveillance",
            Self::WearablesLabs => "wearables-labs",
            Self::Safety => "safety",
            Self::SupplyChain => "supply-chain",
            Self::Administration => "administration",
        }
    }
}

/// How much of dates an indicator needs, from the least.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
pub enum Dates {
    /// Years are enough, as Safe Harbor keeps them.
    Year,
    /// Days between the events of one person, as shifted dates keep them.
    Intervals,
    /// Days of the calendar, as a limited data set keeps them.
    Days,
}

/// What one person can contribute, in words and as the engine's bounds.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PersonBounds {
    /// In words.
    pub person: String,
    /// Most rows of one person that count in one group; none leaves it to the engine.
    pub rows_per_person: Option<std::num::NonZeroU32>,
    /// Most groups that one person counts in; none leaves it to the engine.
    pub groups_per_person: Option<std::num::NonZeroU32>,
}

/// Concepts of the vocabulary that stand for one thing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConceptSet {
    /// Their ids; never none.
    pub ids: Vec<u32>,
    /// Whether all concepts below them count too.
    pub descendants: bool,
    /// What they are, in words.
    pub what: String,
}

/// One column of the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// What it is to the method.
    pub role: Role,
    /// Its heading.
    pub label: String,
    /// What its values are called, where they are codes.
    pub values: BTreeMap<String, String>,
}

impl Column {
    /// The bands of ages that it names, in order; none for other roles.
    pub fn age_bands(&self) -> Option<Vec<AgeBand>> {
        let Role::Age { bands } = &self.role else { return None };
        let ends = bands.iter().skip(1).map(|next| next.checked_sub(1)).chain([None]);
        Some(bands.iter().zip(ends).map(|(from, to)| AgeBand { from: *from, to }).collect())
    }
}

/// What a column is to a method.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    /// Parts the result into groups that are looked at one by one.
    Stratum,
    /// An age band, by its first year.
    Age {
        /// First years of all bands, in order; the last band has no end.
        bands: Vec<u16>,
    },
    /// A day, or a year, by which the result is in order.
    Time {
        /// How far apart they are.
        step: Step,
    },
    /// One of many that are compared with all: a state, a provider.
    Unit,
    /// One of many that something may be due to: a drug, a lot.
    Item,
    /// Whether exposed: 1, or 0.
    Exposed,
    /// A place in an order from the worst off to the best.
    Rank,
    /// The number of an interval of time, from 0; the last has no end.
    Interval {
        /// Its length in the unit of the label.
        width: f64,
        /// The number of the last one.
        last: u32,
    },
    /// A first digit.
    Digit,
    /// A class of a distribution.
    Bin,
    /// What is divided.
    Numerator,
    /// What it is divided by.
    Denominator,
    /// A count that stands for itself.
    Count,
    /// Events within the interval.
    Events,
    /// Persons who left within the interval without an event.
    Censored,
    /// A mean.
    Mean,
    /// A quantile.
    Quantile {
        /// Which, between 0 and 1.
        level: f64,
    },
    /// Persons who got so far.
    Stage {
        /// Which stage, from 1.
        place: u32,
    },
}

impl Role {
    pub(super) const STRATUM: &'static str = "stratum";
    pub(super) const AGE: &'static str = "age";
    pub(super) const TIME: &'static str = "time";
    pub(super) const UNIT: &'static str = "unit";
    pub(super) const ITEM: &'static str = "item";
    pub(super) const EXPOSED: &'static str = "exposed";
    pub(super) const RANK: &'static str = "rank";
    pub(super) const INTERVAL: &'static str = "interval";
    pub(super) const DIGIT: &'static str = "digit";
    pub(super) const BIN: &'static str = "bin";
    pub(super) const NUMERATOR: &'static str = "numerator";
    pub(super) const DENOMINATOR: &'static str = "denominator";
    pub(super) const COUNT: &'static str = "count";
    pub(super) const EVENTS: &'static str = "events";
    pub(super) const CENSORED: &'static str = "censored";
    pub(super) const MEAN: &'static str = "mean";
    pub(super) const QUANTILE: &'static str = "quantile";
    pub(super) const STAGE: &'static str = "stage";

    /// Its name in files.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Stratum => Self::STRATUM,
            Self::Age { .. } => Self::AGE,
            Self::Time { .. } => Self::TIME,
            Self::Unit => Self::UNIT,
            Self::Item => Self::ITEM,
            Self::Exposed => Self::EXPOSED,
            Self::Rank => Self::RANK,
            Self::Interval { .. } => Self::INTERVAL,
            Self::Digit => Self::DIGIT,
            Self::Bin => Self::BIN,
            Self::Numerator => Self::NUMERATOR,
            Self::Denominator => Self::DENOMINATOR,
            Self::Count => Self::COUNT,
            Self::Events => Self::EVENTS,
            Self::Censored => Self::CENSORED,
            Self::Mean => Self::MEAN,
            Self::Quantile { .. } => Self::QUANTILE,
            Self::Stage { .. } => Self::STAGE,
        }
    }

    /// Whether it names a group, and is no released number.
    pub const fn is_key(&self) -> bool {
        matches!(
            self,
            Self::Stratum
                | Self::Age { .. }
                | Self::Time { .. }
                | Self::Unit
                | Self::Item
                | Self::Exposed
                | Self::Rank
                | Self::Interval { .. }
                | Self::Digit
                | Self::Bin
        )
    }

    /// Whether several columns of one result may have it.
    pub(super) const fn may_repeat(&self) -> bool {
        matches!(self, Self::Stratum | Self::Quantile { .. } | Self::Stage { .. })
    }
}

/// How far apart the times of a result are.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A day.
    Day,
    /// A week from Monday, as ISO 8601 has it.
    Week,
    /// A month.
    Month,
    /// Three months.
    Quarter,
    /// A year; the column is the number of it.
    Year,
    /// As many days as the parameter `span` says.
    Span,
}

/// How a result is drawn.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// The kind of figure.
    pub kind: FigureKind,
    /// The unit of the result, for instance `per 100,000 person-years`.
    pub unit: String,
    /// What the method's result is multiplied by to be in that unit; above 0.
    pub multiplier: f64,
}

/// The kinds of figure.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum FigureKind {
    /// Bars.
    Bars,
    /// Quantiles as boxes.
    Boxes,
    /// Ratios with their intervals, one below the other.
    Forest,
    /// Units within the limits of a funnel.
    Funnel,
    /// Lines over time or age.
    Lines,
    /// Points with their intervals.
    Points,
    /// Two sides of bars by age.
    Pyramid,
    /// Steps of survival.
    Steps,
    /// No figure: a table says it better.
    Table,
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions_are_three_plain_numbers() {
        let version = Version::parse("1.20.3").unwrap();
        assert_eq!((version.major, version.minor, version.patch), (1, 20, 3));
        assert_eq!(version.to_string(), "1.20.3");
        assert!(Version::parse("1.9.0") < Version::parse("1.10.0"));
        for wrong in ["1", "1.0", "1.0.0.0", "01.0.0", "1.0.x", "1.-0.0", "+1.0.0", "", "1.0.0-a"] {
            assert_eq!(Version::parse(wrong), None, "{wrong}");
        }
    }
}
