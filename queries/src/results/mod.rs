//! What an indicator's method makes of an answer: a table, and a figure of the same numbers.
//!
//! ```text
//!  Released ──view: roles of columns──▶ lines ──method──▶ Estimates ──▶ Table, Figure
//! ```
//! Methods are called here and nowhere else for reports. What a method needs and is not there, such
//! as a group that was suppressed, leaves a hole that says so; nothing is made up for it.

mod compared;
mod lines;
mod series;
mod spread;
mod standard;
mod survival;
mod view;

use crate::indicators::indicator::{Figure as Drawing, FigureKind, Indicator};
use crate::indicators::method::Method;
use crate::released::Released;
use crate::report::model::{Block, Cell, Column, Figure, Row, RowGroup, Table, Unit};
use crate::report::plots::{Axis, Plot};

use self::view::View;

/// What a method made of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// All numbers.
    pub table: Table,
    /// The same drawn, where a drawing says more.
    pub figure: Option<Figure>,
    /// What the methods were, with their sources, for the section on methods.
    pub methods: Vec<String>,
}

/// Why an answer cannot be read as its indicator says.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OutcomeError {
    /// The SQL gives no column of this name.
    #[error("indicator {indicator}: its SQL gives no column {column:?}")]
    Column {
        /// The indicator.
        indicator: String,
        /// The column that its file describes.
        column: String,
    },
    /// A day or a number is not written as one.
    #[error("indicator {indicator}, column {column:?}: {value:?} is not {expected}")]
    Key {
        /// The indicator.
        indicator: String,
        /// The column.
        column: String,
        /// What stands there.
        value: String,
        /// What should.
        expected: &'static str,
    },
}

impl Outcome {
    /// Reads an answer as its indicator says, with intervals of this level.
    ///
    /// # Errors
    /// [`OutcomeError`] if the columns are not those of the indicator.
    pub fn of(
        indicator: &Indicator,
        released: &Released,
        level: f64,
    ) -> Result<Self, OutcomeError> {
        let view = View::new(indicator, released, level)?;
        let outcome = match indicator.method {
            Method::Count
            | Method::Proportion
            | Method::CrudeRate
            | Method::Incidence
            | Method::PointPrevalence
            | Method::PeriodPrevalence
            | Method::VaccineUptake
            | Method::RatioOfSums
            | Method::Mean => lines::outcome(&view)?,
            Method::DirectlyStandardisedRate(standard) => standard::direct(&view, standard),
            Method::LifeTable => standard::life_table(&view),
            Method::Smr => standard::ratios(&view),
            Method::Funnel => standard::funnel(&view),
            Method::EpidemicCurve => series::curve(&view)?,
            Method::ExcessDeaths => series::excess(&view)?,
            Method::KaplanMeier => survival::outcome(&view),
            Method::Quantiles => spread::quantiles(&view),
            Method::Distribution => spread::distribution(&view),
            Method::Cascade => spread::cascade(&view),
            Method::Benford => spread::benford(&view),
            Method::RiskRatio
            | Method::RiskDifference
            | Method::OddsRatio
            | Method::Effectiveness => compared::risks(&view),
            Method::Inequality => compared::inequality(&view),
            Method::Disproportionality => compared::disproportionality(&view),
        };
        Ok(outcome)
    }

    /// The figure, if there is one, and the table.
    pub fn blocks(self) -> impl Iterator<Item = Block> {
        self.figure.map(Block::Figure).into_iter().chain([Block::Table(self.table)])
    }
}

/// The unit in which a figure shows a method's result.
fn unit(drawing: &Drawing, method: Method) -> Unit {
    match (drawing.unit.as_str(), method) {
        ("%", _) => Unit::Share,
        ("ratio", _) => Unit::Ratio,
        (_, Method::Count | Method::EpidemicCurve | Method::ExcessDeaths) => Unit::Count,
        (unit, _) if unit.starts_with("per ") => Unit::Rate(unit.to_owned()),
        (unit, _) => Unit::Other(unit.to_owned()),
    }
}

/// By what a method's result is to be multiplied; parts of 1 are written in percent anyhow.
fn multiplier(drawing: &Drawing) -> f64 {
    if drawing.unit == "%" { 1.0 } else { drawing.multiplier }
}

/// A table with the indicator's title.
fn table(view: &View<'_>, columns: Vec<Column>, groups: Vec<RowGroup>) -> Table {
    let notes = view.released.notes.iter().filter(|note| is_for_readers(note));
    Table {
        caption: view.indicator.title.clone(),
        columns,
        groups,
        notes: notes.cloned().collect(),
    }
}

/// Notes of the engine that a table repeats: what was clamped, chosen, suppressed.
fn is_for_readers(note: &str) -> bool {
    !note.starts_with("intervals hold")
}

/// Rows under no heading.
fn plain(rows: Vec<Row>) -> Vec<RowGroup> {
    vec![RowGroup { heading: String::new(), rows }]
}

/// A figure of a plot, unless the indicator wants a table only.
fn figure(view: &View<'_>, plot: Option<Plot>) -> Option<Figure> {
    let plot = plot.filter(|_| view.indicator.figure.kind != FigureKind::Table)?;
    Some(Figure {
        caption: view.indicator.title.clone(),
        alt: format!("{} {}", view.indicator.question, "The table below has the same numbers."),
        plot,
        note: String::new(),
    })
}

/// The axis of a method's result.
fn axis(view: &View<'_>, label: &str) -> Axis {
    let drawing = &view.indicator.figure;
    Axis { label: label.to_owned(), unit: unit(drawing, view.indicator.method) }
}

/// The names of the methods behind cells, each once.
fn names<'a>(methods: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for method in methods {
        if !names.iter().any(|name| name == method) {
            names.push(method.to_owned());
        }
    }
    names
}

/// What stands where a number is missing.
fn missing() -> Cell {
    Cell::suppressed("not shown")
}

#[cfg(test)]
mod tests;
