//! What a site says about its extract, under its signature: the public facts that analysis rests
//! on.
//!
//! Sensitivity comes from here and from nowhere else; nothing is ever read from the records to
//! find it. The manifest names people and places and so stays off the ledger, which holds the
//! digest of its signed statement only.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// One site's extract of one population.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format; 1.
    pub version: u32,
    /// Random name of this extract.
    pub extract: Digest,
    /// The population's name, as people know it.
    pub population: String,
    /// The population's account on the ledger; the same for every refresh.
    pub account: Digest,
    /// The site, as people know it.
    pub site: String,
    /// For instance `OMOP-CDM-5.4`.
    pub data_model: String,
    /// Which key made the pseudonyms; equal epochs mean equal pseudonyms for equal persons.
    pub key_epoch: String,
    /// How the records were de-identified.
    pub policy: PolicyEvidence,
    /// Fewest persons of a group that an answer may show; 0 if any number will do.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub persons_min: u32,
    /// Number of buckets that every private table is split into by pseudonym; at least 1.
    pub buckets: u32,
    /// Tables, in order of name.
    pub tables: Vec<TableManifest>,
    /// The extract that this one replaces.
    pub supersedes: Option<Digest>,
    /// Day of issue, in days since 1970-01-01.
    pub issued_day: u32,
    /// Last day on which the extract may be queried, in days since 1970-01-01.
    pub expires_day: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Which de-identification policy was applied, and what it did.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyEvidence {
    /// Name of the policy, for instance `safe-harbor`.
    pub name: String,
    /// Legal basis that it claims, for instance `45 CFR 164.514(b)(2)`.
    pub basis: String,
    /// SHA-256 of the policy's text.
    pub digest: Digest,
    /// What was done, one line per action, in order; public facts only, never counts of records.
    pub actions: Vec<String>,
}

/// One table of an extract.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableManifest {
    /// Lower-case name, for instance `drug_exposure`.
    pub name: String,
    /// Whose rows they are.
    pub rows: Rows,
    /// Columns, in the order in which they are stored.
    pub columns: Vec<ColumnManifest>,
    /// Files: for a private table one per bucket, in order of bucket; for a public one exactly one.
    pub files: Vec<FileManifest>,
}

impl TableManifest {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnManifest> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// Whose rows a table holds.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Rows {
    /// Reference data about nobody.
    Public,
    /// Every row belongs to exactly one person.
    PerPerson {
        /// Column with the person's pseudonym: 64-bit integer, never null; rows are sorted by it.
        unit: String,
        /// Most rows of one person that count toward one answer; 1 promises one row per person.
        rows_per_person_max: u32,
    },
}

/// One column of a table.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnManifest {
    /// Lower-case name.
    pub name: String,
    /// How values are stored.
    pub kind: ColumnKind,
    /// Whether values may be missing.
    pub nullable: bool,
    /// Public bounds of the values, where declared.
    pub bounds: Option<Bounds>,
    /// Public bounds of one person's total of the column within one answer's group, where the
    /// policy declares them (`person_total_lower`, `person_total_upper`); sums are clamped to it.
    /// Without it a total is bounded by the row bounds times the rows that count. On the same grid
    /// as `bounds`.
    pub person_total: Option<Bounds>,
    /// Every value that the column may take (null aside), where declared; sorted, without repeats.
    pub domain: Option<Vec<KeyValue>>,
    /// What de-identification did to the values, for instance `dates to the year`.
    pub generalised: Option<String>,
}

/// How a column's values are stored in Parquet and seen by SQL.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnKind {
    /// Arrow `Int64`.
    Integer,
    /// Arrow `Float64`; finite, or null.
    Float,
    /// Arrow `Utf8`.
    Text,
    /// Arrow `Date32`.
    Date,
}

/// Public bounds on a public fixed-point grid: the bound is `lower / 10^scale`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Least value, in steps of the grid.
    pub lower: i64,
    /// Greatest value, in steps of the grid; not below `lower`.
    pub upper: i64,
    /// Decimal places that the grid keeps; at most 9.
    pub scale: u8,
}

/// A value of a declared key domain.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KeyValue {
    /// An integer key, such as a concept id or a year.
    Integer(i64),
    /// A text key.
    Text(String),
}

/// One file of a table.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileManifest {
    /// Path below the extract's directory, with `/`; never absolute, never with `..`.
    pub path: String,
    /// Length in bytes.
    pub bytes: u64,
    /// BLAKE3 digest of the whole file: the root over the leaves of [`crate::leaves`].
    pub blake3: Digest,
}
