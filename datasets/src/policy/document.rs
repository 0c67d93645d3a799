//! The form of a policy's text, and the rules that it must keep.

use std::collections::{BTreeMap, BTreeSet};

use ledger_adapter::manifest::{Bounds, ColumnKind, KeyValue};
use serde::Deserialize;

use crate::policy::error::PolicyError;
use crate::schema;

/// A policy as it is written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) basis: String,
    #[serde(default)]
    pub(crate) person_identifier: PersonIdentifier,
    #[serde(default = "expiry_days")]
    pub(crate) expiry_days: u32,
    #[serde(default)]
    pub(crate) persons_min: u32,
    #[serde(default = "buckets")]
    pub(crate) buckets: u32,
    pub(crate) dates: Dates,
    pub(crate) ages: Option<Ages>,
    pub(crate) geography: Geography,
    #[serde(default)]
    pub(crate) text: TextRules,
    #[serde(default)]
    pub(crate) devices: DeviceRules,
    #[serde(default)]
    pub(crate) tables: BTreeMap<String, TableRules>,
}

/// Which column names a person at every site of a population.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonIdentifier {
    /// `person.person_id`.
    #[default]
    PersonId,
    /// `person.person_source_value`.
    PersonSourceValue,
}

/// What happens to dates about a person.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dates {
    /// What happens to them.
    pub handling: DateHandling,
    /// Most days that a person's dates move, either way; with [`DateHandling::Shift`] only.
    pub shift_days_max: Option<u32>,
    /// How much of the birth date stays.
    #[serde(default)]
    pub birth: Birth,
}

/// What happens to dates about a person.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DateHandling {
    /// The first of January of the same year.
    Year,
    /// As they are.
    Keep,
    /// Moved by a secret number of days, the same for all dates of a person.
    Shift,
}

/// How much of the birth date stays.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Birth {
    /// The year.
    #[default]
    Year,
    /// Year and month.
    Month,
    /// All of it.
    Day,
}

/// Ages that become one group.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ages {
    /// The least age of the group, in the year of issue.
    pub top_code: u16,
    /// Concepts whose number is an age in years.
    #[serde(default)]
    pub concepts: BTreeSet<i64>,
}

/// What stays of places.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Geography {
    pub(crate) zip: ZipDetail,
    #[serde(default)]
    pub(crate) small_zip3: Vec<String>,
    pub(crate) state: bool,
}

/// How much of a postal code stays.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZipDetail {
    /// Three digits, `000` for small areas.
    Zip3,
    /// Five digits.
    Zip5,
    /// Nothing.
    Drop,
}

/// Text columns that stay.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextRules {
    #[serde(default)]
    pub(crate) keep: Vec<String>,
}

/// What stays of devices.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceRules {
    pub(crate) identifiers: DeviceIdentifiers,
}

/// What stays of device identifiers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceIdentifiers {
    /// Model (01) and lot (10).
    Lot,
    /// Nothing.
    #[default]
    Drop,
}

/// Public facts about a table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableRules {
    pub(crate) rows_per_person_max: Option<u32>,
    #[serde(default)]
    pub(crate) columns: BTreeMap<String, ColumnRule>,
}

/// Public facts about a column.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnRule {
    pub(crate) lower: Option<Number>,
    pub(crate) upper: Option<Number>,
    #[serde(default)]
    pub(crate) decimal_places: u8,
    pub(crate) person_total_lower: Option<Number>,
    pub(crate) person_total_upper: Option<Number>,
    pub(crate) domain: Option<Vec<KeyValue>>,
}

/// A number as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Number {
    /// Without a decimal point.
    Whole(i64),
    /// With one.
    Decimal(f64),
}

impl Document {
    /// Checks what the form alone does not.
    ///
    /// # Errors
    /// [`PolicyError::Rule`] or [`PolicyError::Column`].
    pub(crate) fn check(&self) -> Result<(), PolicyError> {
        let rule = |holds: bool, rule| if holds { Ok(()) } else { Err(PolicyError::Rule { rule }) };
        rule(!self.name.trim().is_empty(), "name must not be empty")?;
        rule(!self.basis.trim().is_empty(), "basis must not be empty")?;
        rule((1..=3_660).contains(&self.expiry_days), "expiry_days must be 1 to 3660")?;
        rule(
            self.buckets.is_power_of_two() && self.buckets <= 4_096,
            "buckets must be a power of two, at most 4096",
        )?;
        match (self.dates.handling, self.dates.shift_days_max) {
            (DateHandling::Shift, days) => rule(
                days.is_some_and(|days| (1..=3_660).contains(&days)),
                "dates that shift need shift_days_max, 1 to 3660",
            )?,
            (_, days) => rule(days.is_none(), "shift_days_max is for dates that shift")?,
        }
        let top_code = self.ages.as_ref().map_or(90, |ages| ages.top_code);
        rule((1..=120).contains(&top_code), "ages.top_code must be 1 to 120")?;
        let zip3 = |zip: &String| zip.len() == 3 && zip.bytes().all(|byte| byte.is_ascii_digit());
        rule(self.geography.small_zip3.iter().all(zip3), "small_zip3 are three digits each")?;
        self.text.keep.iter().try_for_each(|name| check_kept(name))?;
        self.tables.iter().try_for_each(|(name, rules)| check_table(name, rules))
    }
}

impl ColumnRule {
    /// The bounds of a value on their grid, if there are any.
    ///
    /// # Errors
    /// [`PolicyError::Column`] if only one is there, or they are not on the grid or in order.
    pub(crate) fn bounds(&self, table: &str, column: &str) -> Result<Option<Bounds>, PolicyError> {
        self.on_grid(self.lower, self.upper).map_err(|rule| refuse(table, column, rule))
    }

    /// The bounds of one person's total on the same grid, if there are any.
    ///
    /// # Errors
    /// As [`ColumnRule::bounds`].
    pub(crate) fn person_total(
        &self,
        table: &str,
        column: &str,
    ) -> Result<Option<Bounds>, PolicyError> {
        self.on_grid(self.person_total_lower, self.person_total_upper)
            .map_err(|rule| refuse(table, column, rule))
    }

    fn on_grid(
        &self,
        lower: Option<Number>,
        upper: Option<Number>,
    ) -> Result<Option<Bounds>, &'static str> {
        let (lower, upper) = match (lower, upper) {
            (None, None) => return Ok(None),
            (Some(lower), Some(upper)) => (lower, upper),
            _ => return Err("lower and upper go together"),
        };
        let scale = self.decimal_places;
        if scale > 9 {
            return Err("decimal_places is at most 9");
        }
        let step = |number: Number| number.steps(scale).ok_or("bounds must be on the grid");
        let bounds = Bounds { lower: step(lower)?, upper: step(upper)?, scale };
        if bounds.lower > bounds.upper {
            return Err("lower must not be above upper");
        }
        Ok(Some(bounds))
    }
}

impl Number {
    /// The number in steps of 10^-`decimal_places`, if it is a whole number of them below 2^53.
    fn steps(self, decimal_places: u8) -> Option<i64> {
        match self {
            Self::Whole(whole) => whole.checked_mul(10_i64.checked_pow(decimal_places.into())?),
            Self::Decimal(decimal) => {
                let scaled = decimal * 10_f64.powi(decimal_places.into());
                let whole = scaled.round();
                let near = (scaled - whole).abs() <= 1e-6 && whole.abs() < 9_007_199_254_740_992.0;
                // Through text, because it is exact and there is no checked conversion.
                near.then(|| format!("{whole:.0}").parse().ok()).flatten()
            }
        }
    }
}

fn check_kept(name: &str) -> Result<(), PolicyError> {
    let (table, column) = name.split_once('.').unwrap_or((name, ""));
    let found = schema::table(table).and_then(|table| table.column(column));
    let found = found.ok_or_else(|| refuse(table, column, "no such text column"))?;
    let allowed = matches!(found.role, schema::Role::FreeText | schema::Role::SupplyChain);
    if allowed { Ok(()) } else { Err(refuse(table, column, "text.keep is for text columns")) }
}

fn check_table(name: &str, rules: &TableRules) -> Result<(), PolicyError> {
    let table = schema::table(name).ok_or_else(|| refuse(name, "", "no such table"))?;
    if rules.rows_per_person_max == Some(0) {
        return Err(refuse(name, "rows_per_person_max", "must be at least 1"));
    }
    for (column, rule) in &rules.columns {
        let fault = |rule| refuse(name, column, rule);
        let kind = table.column(column).ok_or_else(|| fault("no such column"))?.kind;
        rule.bounds(name, column)?;
        if rule.person_total(name, column)?.is_some() && rule.lower.is_none() {
            return Err(fault("bounds of a total need bounds of the value"));
        }
        if kind == ColumnKind::Integer && rule.decimal_places > 0 {
            return Err(fault("whole numbers have no decimal places"));
        }
        if rule.lower.is_some() && !matches!(kind, ColumnKind::Integer | ColumnKind::Float) {
            return Err(fault("bounds are for numbers"));
        }
        for value in rule.domain.iter().flatten() {
            let fits = match value {
                KeyValue::Integer(_) => kind == ColumnKind::Integer,
                KeyValue::Text(_) => kind == ColumnKind::Text,
            };
            if !fits {
                return Err(fault("the values are not of the column's kind"));
            }
        }
        if rule.domain.is_some() && rule.lower.is_some() {
            return Err(fault("bounds and domain exclude each other"));
        }
        if rule.domain.as_ref().is_some_and(Vec::is_empty) {
            return Err(fault("the domain is empty"));
        }
    }
    Ok(())
}

fn refuse(table: &str, column: &str, rule: &'static str) -> PolicyError {
    PolicyError::Column { table: table.to_owned(), column: column.to_owned(), rule }
}

const fn expiry_days() -> u32 {
    365
}

const fn buckets() -> u32 {
    16
}
