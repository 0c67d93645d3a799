//! A report as a value: what it says, in the order of STROBE and RECORD, and not how it looks.
//!
//! Its JSON (serde) is everything. JSON knows no NaN and no infinity: there, `null` is "none" for a
//! value and "unbounded" for the end of an interval.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use serde::Serialize;

use super::plots::Plot;
use crate::estimate::{Estimate, Interval};

#[cfg(test)]
mod tests;

/// A report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Document {
    /// What was asked, of whom, where and when (RECORD 1.1, 1.2).
    pub title: String,
    /// A second line under the title; empty for none.
    pub subtitle: String,
    /// What data these are: `claims of two insurers, linked`, `synthetic` (RECORD 1.1).
    pub data_kind: String,
    /// Where the persons live.
    pub region: String,
    /// The time that the numbers are of.
    pub period: String,
    /// The day on which it was made, as the caller says.
    pub made_on: NaiveDate,
    /// The confidence level of its intervals, such as 0.95.
    pub level: f64,
    /// In the order of [`Part`].
    pub sections: Vec<Section>,
}

/// The parts of a report, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Part {
    /// What was found, in a few lines.
    Summary,
    /// The data, and who attests to them.
    Data,
    /// Definitions, code lists, methods, privacy.
    Methods,
    /// From everybody to those who were looked at.
    Flow,
    /// Table 1.
    Characteristics,
    /// The answers.
    Results,
    /// What they do not say.
    Limitations,
    /// Receipts, and how a stranger checks them.
    Verification,
}

/// A part of a document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Section {
    /// What links name it by; a rendering makes it unique and safe.
    pub id: String,
    /// Its heading.
    pub heading: String,
    /// The items of reporting guidelines that it answers, such as `RECORD 12.1`; empty for none.
    pub items: String,
    /// What it says, before its subsections.
    pub blocks: Vec<Block>,
    /// Its parts.
    pub subsections: Vec<Section>,
}

/// A piece of a section.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Block {
    /// Text.
    Paragraph {
        /// One after the other.
        text: Vec<Inline>,
    },
    /// Several short texts of equal rank.
    List {
        /// The points.
        items: Vec<Vec<Inline>>,
    },
    /// Something that a reader must not miss.
    Notice {
        /// What it is about, in a word or two.
        heading: String,
        /// What it says.
        text: Vec<Inline>,
    },
    /// Names and their values.
    Facts {
        /// In this order.
        facts: Vec<Fact>,
    },
    /// The few numbers that a reader takes away.
    KeyNumbers {
        /// Two to four of them.
        numbers: Vec<KeyNumber>,
    },
    /// A table.
    Table(Table),
    /// A plot.
    Figure(Figure),
    /// Who was looked at, and who was not.
    Flow(Flow),
    /// What proves the numbers.
    Receipts {
        /// In the order in which they are first used.
        receipts: Vec<ReceiptLine>,
    },
    /// A query or a command, to the letter.
    Code(Code),
}

/// A stretch of text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "text", rename_all = "snake_case")]
pub enum Inline {
    /// As it is.
    Plain(String),
    /// With emphasis.
    Strong(String),
    /// A name of a program, a column, a digest.
    Code(String),
    /// The name of a receipt of this document.
    Receipt(String),
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What is said.
    pub name: String,
    /// What it is.
    pub value: Vec<Inline>,
}

/// A number that is shown large.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeyNumber {
    /// What it is.
    pub label: String,
    /// Its value; a reason if it is suppressed.
    pub cell: Cell,
    /// Its unit.
    pub unit: Unit,
    /// A few words more; empty for none.
    pub note: String,
}

/// A released number as a report shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Number {
    /// The point estimate; NaN where there is none.
    pub value: f64,
    /// The interval that covers sampling and noise; none for a number that was only read.
    pub interval: Option<Interval>,
    /// Standard deviation of the privacy noise in `value`, in its unit; 0 without noise.
    pub noise_sd: f64,
    /// Names of the receipts that prove it.
    pub receipts: BTreeSet<Arc<str>>,
}

/// What a number counts, and thus how it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Unit {
    /// Whole persons or events; written without decimals.
    Count,
    /// A part of 1; written in percent.
    Share,
    /// A rate, in the unit that is named: `per 100,000 person-years`.
    Rate(String),
    /// A quotient of two of the same: a ratio of rates, odds, hazards.
    Ratio,
    /// A p-value.
    Probability,
    /// Anything else, in the unit that is named; the name may be empty.
    Other(String),
}

/// What stands in a cell of a table or at a place of a plot.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cell {
    /// Nothing, because nothing belongs there.
    Empty,
    /// Words; not drawn in plots.
    Text {
        /// The words.
        text: String,
    },
    /// A number.
    Number(Number),
    /// A number that is not shown.
    Suppressed {
        /// Why, for the reader: `fewer than 11 persons`.
        reason: String,
    },
}

/// A table: the first column names the rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// One sentence that tells what it holds.
    pub caption: String,
    /// All columns, the first of names too.
    pub columns: Vec<Column>,
    /// At least one, unless it is empty.
    pub groups: Vec<RowGroup>,
    /// What a reader must know of it, as notes below.
    pub notes: Vec<String>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its heading, without the unit.
    pub label: String,
    /// A heading over neighbouring columns that have the same; empty for none.
    pub over: String,
    /// Unit of its numbers.
    pub unit: Unit,
}

/// Rows of a table that belong together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RowGroup {
    /// What they have in common; empty for none.
    pub heading: String,
    /// One after the other.
    pub rows: Vec<Row>,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub label: String,
    /// One for each column after the first.
    pub cells: Vec<Cell>,
    /// Unit of its numbers, where it is not that of their columns.
    pub unit: Option<Unit>,
}

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// One sentence that tells what it shows.
    pub caption: String,
    /// What a reader who cannot see it must know.
    pub alt: String,
    /// The plot.
    pub plot: Plot,
    /// A note below; empty for none.
    pub note: String,
}

/// The way from everybody to those who were looked at (STROBE 13, RECORD 13.1).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flow {
    /// One sentence that tells what it shows.
    pub caption: String,
    /// From the first to the last.
    pub steps: Vec<Step>,
    /// Into what groups the last one is split; empty for none.
    pub arms: Vec<Step>,
}

/// A box of a flow.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Who they are.
    pub label: String,
    /// How many, with noise.
    pub count: Cell,
    /// Who leaves after this box, and why.
    pub excluded: Vec<Excluded>,
}

/// Who leaves a flow.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Excluded {
    /// Why.
    pub label: String,
    /// How many, with noise.
    pub count: Cell,
}

/// What a report says of a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiptLine {
    /// The name by which estimates refer to it.
    pub name: String,
    /// What was asked.
    pub proves: String,
    /// Charge, entry of the ledger, digest, file, ...
    pub facts: Vec<Fact>,
}

/// A query or a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Code {
    /// What it is.
    pub caption: String,
    /// `sql`, `shell`.
    pub language: String,
    /// To the letter.
    pub text: String,
}

impl Part {
    /// All of them, in their order.
    pub const ALL: [Self; 8] = [
        Self::Summary,
        Self::Data,
        Self::Methods,
        Self::Flow,
        Self::Characteristics,
        Self::Results,
        Self::Limitations,
        Self::Verification,
    ];

    /// The section of this part, with its usual heading and nothing in it.
    ///
    /// # Source
    /// STROBE (von Elm and others 2007), RECORD (Benchimol and others 2015), for the items.
    pub fn section(self) -> Section {
        let (id, heading, items) = match self {
            Self::Summary => ("summary", "Summary", "STROBE 1, 18"),
            Self::Data => ("data", "Data and attestations", "STROBE 5; RECORD 12"),
            Self::Methods => ("methods", "Methods", "STROBE 4–12; RECORD 6, 7"),
            Self::Flow => ("flow", "Flow of persons", "STROBE 13; RECORD 13"),
            Self::Characteristics => ("characteristics", "Characteristics", "STROBE 14"),
            Self::Results => ("results", "Results", "STROBE 15–17"),
            Self::Limitations => ("limitations", "Limitations", "STROBE 19; RECORD 19"),
            Self::Verification => ("verification", "Receipts and verification", "RECORD 22"),
        };
        Section { items: items.to_owned(), ..Section::new(id, heading) }
    }
}

impl Section {
    /// A section with nothing in it.
    pub fn new(id: impl Into<String>, heading: impl Into<String>) -> Self {
        let (blocks, subsections) = (vec![], vec![]);
        Self { id: id.into(), heading: heading.into(), items: String::new(), blocks, subsections }
    }

    /// The same with these blocks.
    #[must_use]
    pub fn with(self, blocks: impl IntoIterator<Item = Block>) -> Self {
        Self { blocks: blocks.into_iter().collect(), ..self }
    }
}

impl Block {
    /// A paragraph of plain text.
    pub fn paragraph(text: impl Into<String>) -> Self {
        Self::Paragraph { text: vec![Inline::Plain(text.into())] }
    }
}

impl Fact {
    /// A fact of plain text.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: vec![Inline::Plain(value.into())] }
    }

    /// A fact whose value is a digest, a path, a version.
    pub fn code(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: vec![Inline::Code(value.into())] }
    }
}

impl Number {
    /// A public number: no noise, no interval, no receipt.
    pub const fn exact(value: f64) -> Self {
        Self { value, interval: None, noise_sd: 0.0, receipts: BTreeSet::new() }
    }
}

impl From<&Estimate> for Number {
    fn from(estimate: &Estimate) -> Self {
        Self {
            value: estimate.value,
            interval: estimate.interval,
            noise_sd: estimate.noise_variance.sqrt(),
            receipts: estimate.receipts.clone(),
        }
    }
}

impl From<&Estimate> for Cell {
    fn from(estimate: &Estimate) -> Self {
        Self::Number(Number::from(estimate))
    }
}

impl Cell {
    /// A public number.
    pub const fn exact(value: f64) -> Self {
        Self::Number(Number::exact(value))
    }

    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// A number that is not shown.
    pub fn suppressed(reason: impl Into<String>) -> Self {
        Self::Suppressed { reason: reason.into() }
    }

    /// Its number, if it has one.
    pub const fn number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            Self::Empty | Self::Text { .. } | Self::Suppressed { .. } => None,
        }
    }
}

impl Column {
    /// A column under no common heading.
    pub fn new(label: impl Into<String>, unit: Unit) -> Self {
        Self { label: label.into(), over: String::new(), unit }
    }
}

impl Row {
    /// A row whose numbers are in the units of their columns.
    pub fn new(label: impl Into<String>, cells: impl IntoIterator<Item = Cell>) -> Self {
        Self { label: label.into(), cells: cells.into_iter().collect(), unit: None }
    }
}

impl Table {
    /// All cells with the unit that they are written in, row by row.
    pub fn cells(&self) -> impl Iterator<Item = (&Cell, &Unit)> {
        let rows = self.groups.iter().flat_map(|group| &group.rows);
        rows.flat_map(|row| {
            let columns = self.columns.iter().skip(1);
            row.cells
                .iter()
                .zip(columns)
                .map(|(cell, column)| (cell, row.unit.as_ref().unwrap_or(&column.unit)))
        })
    }
}
