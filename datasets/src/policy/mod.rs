//! De-identification policies: what an extract may keep of each column, and the public bounds.
//!
//! A policy is a TOML text that people read and sign off; its digest goes into the manifest of
//! every extract made under it. It changes no record itself; [`crate::extract`] does.

pub mod document;
pub mod error;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use ledger_adapter::digest::Digest;
use ledger_adapter::manifest::{Bounds, KeyValue};

use self::document::{
    Ages, Birth, DateHandling, Dates, DeviceIdentifiers, Document, PersonIdentifier, TableRules,
    ZipDetail,
};
use self::error::PolicyError;

/// A de-identification policy that has been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    text: String,
    document: Document,
    tables: BTreeMap<String, TableFacts>,
}

/// Public facts about one table, on the grid of the manifest.
#[derive(Clone, Debug, Default, PartialEq)]
struct TableFacts {
    rows_per_person_max: Option<u32>,
    bounds: BTreeMap<String, Bounds>,
    person_totals: BTreeMap<String, Bounds>,
    key_values: BTreeMap<String, Vec<KeyValue>>,
}

impl TableFacts {
    /// What a policy says of a column replaces all that was said before.
    fn forget(&mut self, column: &str) {
        self.bounds.remove(column);
        self.person_totals.remove(column);
        self.key_values.remove(column);
    }
}

impl Policy {
    /// Names of the built-in policies, the default first.
    pub const BUILTIN: [&'static str; 3] = ["safe-harbor", "limited-dataset", "date-shift"];

    /// The built-in policy of that name.
    ///
    /// # Errors
    /// [`PolicyError::Unknown`] if there is none.
    pub fn builtin(name: &str) -> Result<Self, PolicyError> {
        Self::from_text(Self::builtin_text(name)?)
    }

    /// The text of the built-in policy of that name: commented TOML, whole, to start from.
    ///
    /// # Errors
    /// [`PolicyError::Unknown`] if there is none.
    pub fn builtin_text(name: &str) -> Result<&'static str, PolicyError> {
        match name {
            "safe-harbor" => Ok(SAFE_HARBOR),
            "limited-dataset" => Ok(LIMITED_DATASET),
            "date-shift" => Ok(DATE_SHIFT),
            _ => Err(PolicyError::Unknown { name: name.to_owned() }),
        }
    }

    /// Reads a policy. Row limits, and columns, that it says nothing of are as in the built-in
    /// ones.
    ///
    /// # Errors
    /// [`PolicyError::Syntax`] if it is not TOML of this form, unknown names included;
    /// [`PolicyError::Rule`] or [`PolicyError::Column`] if what it says makes no sense.
    pub fn from_text(text: &str) -> Result<Self, PolicyError> {
        let document: Document = toml::from_str(text)?;
        document.check()?;
        let mut tables = DEFAULT_FACTS.clone();
        for (name, rules) in &document.tables {
            let own = facts(name, rules)?;
            let table = tables.entry(name.clone()).or_default();
            table.rows_per_person_max = own.rows_per_person_max.or(table.rows_per_person_max);
            for column in rules.columns.keys() {
                table.forget(column);
            }
            table.bounds.extend(own.bounds);
            table.person_totals.extend(own.person_totals);
            table.key_values.extend(own.key_values);
        }
        Ok(Self { text: text.to_owned(), document, tables })
    }

    /// Its text, byte for byte.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of its text.
    pub fn digest(&self) -> Digest {
        Digest::sha256(self.text.as_bytes())
    }

    /// Its name, for instance `safe-harbor`.
    pub fn name(&self) -> &str {
        &self.document.name
    }

    /// The legal basis that it claims, for instance `45 CFR 164.514(b)(2)`.
    pub fn basis(&self) -> &str {
        &self.document.basis
    }

    /// Days after issue on which an extract may last be queried; at least 1.
    pub fn expiry_days(&self) -> u32 {
        self.document.expiry_days
    }

    /// Fewest persons of a group that an answer may show; 0 if any number will do.
    pub fn persons_min(&self) -> u32 {
        self.document.persons_min
    }

    /// Files per private table; a power of two, at most 4,096.
    pub fn buckets(&self) -> u32 {
        self.document.buckets
    }

    /// Which column names a person at every site.
    pub fn person_identifier(&self) -> PersonIdentifier {
        self.document.person_identifier
    }

    /// What happens to dates.
    pub fn dates(&self) -> &Dates {
        &self.document.dates
    }

    /// The age from which ages become one group, if there is such a group.
    pub fn ages(&self) -> Option<&Ages> {
        self.document.ages.as_ref()
    }

    /// How much of a postal code stays.
    pub fn zip(&self) -> ZipDetail {
        self.document.geography.zip
    }

    /// Three-digit postal areas of 20,000 people or fewer.
    pub fn small_zip3(&self) -> &[String] {
        &self.document.geography.small_zip3
    }

    /// Whether the state stays.
    pub fn keeps_state(&self) -> bool {
        self.document.geography.state
    }

    /// What stays of device identifiers.
    pub fn device_identifiers(&self) -> DeviceIdentifiers {
        self.document.devices.identifiers
    }

    /// Whether values of a text column stay, where they have the shape of a code.
    pub fn keeps_text(&self, table: &str, column: &str) -> bool {
        self.document.text.keep.iter().any(|kept| {
            kept.split_once('.').is_some_and(|(of, name)| of == table && name == column)
        })
    }

    /// Most rows of one person in a table that count toward one answer; at least 1.
    pub fn rows_per_person_max(&self, table: &str) -> u32 {
        self.tables
            .get(table)
            .and_then(|facts| facts.rows_per_person_max)
            .unwrap_or(ROWS_PER_PERSON_MAX)
    }

    /// Public bounds of a column, where declared.
    pub fn bounds(&self, table: &str, column: &str) -> Option<Bounds> {
        self.tables.get(table)?.bounds.get(column).copied()
    }

    /// Public bounds of one person's total of a column within one group, where declared.
    pub fn person_total(&self, table: &str, column: &str) -> Option<Bounds> {
        self.tables.get(table)?.person_totals.get(column).copied()
    }

    /// Every value that a column may take, where declared; sorted, without repeats.
    pub fn key_values(&self, table: &str, column: &str) -> Option<&[KeyValue]> {
        self.tables.get(table)?.key_values.get(column).map(Vec::as_slice)
    }

    /// What the policy does, one line per action, for the manifest.
    pub fn actions(&self) -> Vec<String> {
        let mut actions = vec![
            "names, contact details, record numbers and free text removed".to_owned(),
            "person numbers replaced by keyed pseudonyms, row numbers by keyed numbers".to_owned(),
            date_action(self.dates()),
        ];
        if let Some(ages) = self.ages() {
            actions.push(format!(
                "ages {} and over grouped, by the birth year and the year of issue",
                ages.top_code
            ));
        }
        actions.push(match self.dates().birth {
            Birth::Year => "month and day of birth removed".to_owned(),
            Birth::Month => "month of birth kept, day removed".to_owned(),
            Birth::Day => "month and day of birth kept".to_owned(),
        });
        actions.push(match self.zip() {
            ZipDetail::Zip3 => "postal codes cut to three digits, small areas to 000".to_owned(),
            ZipDetail::Zip5 => "postal codes cut to five digits".to_owned(),
            ZipDetail::Drop => "postal codes removed".to_owned(),
        });
        actions.push("street, town, county and coordinates removed".to_owned());
        actions.push(match self.device_identifiers() {
            DeviceIdentifiers::Lot => {
                "device identifiers cut to model (01) and lot (10)".to_owned()
            }
            DeviceIdentifiers::Drop => "device identifiers removed".to_owned(),
        });
        if !self.document.text.keep.is_empty() {
            actions.push(format!("codes kept in {}", self.document.text.keep.join(", ")));
        }
        actions
    }
}

impl Default for Policy {
    fn default() -> Self {
        DEFAULT.clone()
    }
}

fn date_action(dates: &Dates) -> String {
    match (dates.handling, dates.shift_days_max) {
        (DateHandling::Year, _) => "dates to the year".to_owned(),
        (DateHandling::Keep, _) => "dates kept".to_owned(),
        (DateHandling::Shift, days) => format!(
            "dates shifted by a constant number of days per person, at most {}",
            days.unwrap_or_default()
        ),
    }
}

fn facts(table: &str, rules: &TableRules) -> Result<TableFacts, PolicyError> {
    let mut facts =
        TableFacts { rows_per_person_max: rules.rows_per_person_max, ..TableFacts::default() };
    for (column, rule) in &rules.columns {
        if let Some(bounds) = rule.bounds(table, column)? {
            facts.bounds.insert(column.clone(), bounds);
        }
        if let Some(total) = rule.person_total(table, column)? {
            facts.person_totals.insert(column.clone(), total);
        }
        if let Some(mut key_values) = rule.domain.clone() {
            key_values.sort();
            key_values.dedup();
            facts.key_values.insert(column.clone(), key_values);
        }
    }
    Ok(facts)
}

/// What every policy has in common unless it says otherwise.
static DEFAULT_FACTS: LazyLock<BTreeMap<String, TableFacts>> = LazyLock::new(|| {
    let rules: BTreeMap<String, BTreeMap<String, TableRules>> =
        toml::from_str(TABLES).unwrap_or_default();
    let tables = rules.into_values().flatten();
    tables.filter_map(|(name, rules)| Some((name.clone(), facts(&name, &rules).ok()?))).collect()
});

static DEFAULT: LazyLock<Policy> = LazyLock::new(|| {
    #[expect(clippy::unwrap_used, reason = "the built-in policies are parsed by a test")]
    Policy::from_text(SAFE_HARBOR).unwrap()
});

/// For a table that no policy speaks of.
const ROWS_PER_PERSON_MAX: u32 = 200;

const TABLES: &str = include_str!("tables.toml");
const SAFE_HARBOR: &str = concat!(include_str!("safe_harbor.toml"), include_str!("tables.toml"));
const LIMITED_DATASET: &str =
    concat!(include_str!("limited_dataset.toml"), include_str!("tables.toml"));
const DATE_SHIFT: &str = concat!(include_str!("date_shift.toml"), include_str!("tables.toml"));

#[cfg(test)]
mod tests;
