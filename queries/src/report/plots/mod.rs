//! Plots: what they show, as values, and how they become SVG.
//!
//! ```text
//!  Plot ──data──▶ table, for those who want the numbers
//!    └───svg────▶ canvas (plotters) ◀── scale, frame, and one file for each kind
//! ```
//! Equal plots give equal bytes. A plot shows intervals wherever a number has one, never hides
//! that a number is suppressed, and needs neither colour nor a pointer to be read.

use std::ops::Range;

use chrono::NaiveDate;
use serde::Serialize;

use super::model::{Cell, Table, Unit};

mod canvas;
mod data;
mod forest;
mod frame;
mod funnel;
mod intervals;
mod labels;
mod multiples;
mod palette;
mod pyramid;
mod scale;
mod survival;
#[cfg(test)]
mod tests;
mod time;

pub use canvas::DrawingError;

/// A plot of released numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Plot {
    /// Dots with whiskers, by category and group.
    Rates(Categories),
    /// Bars with whiskers, by category and group.
    Bars(Categories),
    /// Numbers over days: epidemic curves with bands and thresholds.
    Time(TimeSeries),
    /// Bars of two groups back to back, by age.
    Pyramid(Pyramid),
    /// Step curves with bands, and the numbers at risk.
    Survival(Survival),
    /// Ratios on a logarithmic axis.
    Forest(Forest),
    /// Units by size between the limits of chance.
    Funnel(Funnel),
    /// Several of the same kind on common axes.
    Multiples(Multiples),
}

/// What an axis shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Axis {
    /// What it is, without the unit.
    pub label: String,
    /// Its unit.
    pub unit: Unit,
}

/// Numbers by category, for one or several groups.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Categories {
    /// What the categories are: `Age`, `Region`.
    pub category: String,
    /// What the numbers are.
    pub value: Axis,
    /// From top to bottom.
    pub categories: Vec<String>,
    /// At most seven are told apart.
    pub groups: Vec<Group>,
    /// A line to compare with, such as the rate of all.
    pub reference: Option<Reference>,
}

/// A group of a plot by category.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// Its name; empty if there is only one.
    pub name: String,
    /// One for each category.
    pub cells: Vec<Cell>,
}

/// A value to compare with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reference {
    /// Where it is.
    pub value: f64,
    /// What it is.
    pub label: String,
}

/// Numbers over days.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimeSeries {
    /// What the days are: `Week beginning`.
    pub time: String,
    /// What the numbers are.
    pub value: Axis,
    /// Drawn in this order.
    pub series: Vec<Series>,
    /// Days to remember, with a word for each.
    pub marks: Vec<(NaiveDate, String)>,
}

/// One series of numbers over days.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// How it is drawn.
    pub form: Form,
    /// By day, in order; a day without a number interrupts a line.
    pub points: Vec<(NaiveDate, Cell)>,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Columns, with whiskers.
    Columns,
    /// A line, with a band.
    Line,
    /// A thin line of dashes: what is expected, or a threshold.
    Dashes,
}

/// Two groups back to back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pyramid {
    /// What the bands are: `Age`.
    pub band: String,
    /// What the numbers are.
    pub value: Axis,
    /// From the youngest, who are at the bottom, to the oldest.
    pub bands: Vec<String>,
    /// To the left.
    pub left: Group,
    /// To the right.
    pub right: Group,
}

/// Step curves.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Survival {
    /// What time is: `Time since vaccination` in `weeks`.
    pub time: Axis,
    /// What the probability is of.
    pub value: Axis,
    /// One for each group.
    pub curves: Vec<Curve>,
    /// At which times the numbers at risk are told, in order.
    pub risk_times: Vec<f64>,
}

/// One step curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// Its name.
    pub name: String,
    /// Where it begins, at time 0: 1 for survival, 0 for incidence.
    pub start: f64,
    /// From which time on it has which value, in order.
    pub steps: Vec<(f64, Cell)>,
    /// Persons at risk at the times of the plot.
    pub at_risk: Vec<Cell>,
}

/// Ratios on a logarithmic axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forest {
    /// What the rows are: `Subgroup`.
    pub row: String,
    /// What the numbers are: `Rate ratio`.
    pub value: Axis,
    /// From top to bottom.
    pub rows: Vec<ForestRow>,
    /// Where there is no difference; 1 for ratios.
    pub null: f64,
    /// What it means to be left and right of it; both may be empty.
    pub sides: (String, String),
}

/// A row of a forest plot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ForestRow {
    /// Its name.
    pub label: String,
    /// What stands in it.
    pub role: Role,
    /// Its ratio; nothing for a heading.
    pub cell: Cell,
}

/// What a row of a forest plot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A name of the rows below.
    Heading,
    /// One ratio.
    Single,
    /// What they come to together; a diamond.
    Total,
}

/// Units by size between limits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Funnel {
    /// What the units are: `Hospital`.
    pub unit: String,
    /// How large they are: `Expected deaths`.
    pub size: Axis,
    /// What is compared.
    pub value: Axis,
    /// The units.
    pub points: Vec<FunnelPoint>,
    /// What is expected of all.
    pub centre: f64,
    /// From the widest to the narrowest or the other way round.
    pub limits: Vec<Limits>,
}

/// A unit of a funnel plot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunnelPoint {
    /// Its name.
    pub label: String,
    /// Its size.
    pub size: f64,
    /// Its value.
    pub cell: Cell,
}

/// Limits of chance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limits {
    /// Their name: `99.8% limits`.
    pub name: String,
    /// Size, lower and upper limit, by size.
    pub points: Vec<(f64, f64, f64)>,
}

/// Several plots on common axes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Multiples {
    /// In reading order.
    pub panels: Vec<Panel>,
}

/// One of several plots.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Panel {
    /// What tells it from the others.
    pub title: String,
    /// What it shows; axes and names of series are those of the first panel.
    pub plot: TimeSeries,
}

/// For which width a plot is laid out. Text has one size in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Width {
    /// For a page or a screen: 720 points.
    Wide,
    /// For a telephone: 360 points.
    Narrow,
}

/// What a plot is to those who do not see it.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// A prefix of the ids in the SVG; letters, digits and hyphens.
    pub id: &'a str,
    /// Its title.
    pub title: &'a str,
    /// What there is to see.
    pub description: &'a str,
}

impl Width {
    const fn points(self) -> f64 {
        match self {
            Self::Wide => 720.0,
            Self::Narrow => 360.0,
        }
    }
}

impl Plot {
    /// An SVG element, complete in itself.
    ///
    /// # Errors
    /// If the library refuses to draw; it never did.
    pub fn svg(&self, names: Names<'_>, width: Width) -> Result<String, DrawingError> {
        self.part(0..self.rows(), names, width)
    }

    /// The same as one or several elements on common axes, each no taller than a page.
    ///
    /// # Errors
    /// As [`Self::svg`].
    pub fn sheets(&self, names: Names<'_>, width: Width) -> Result<Vec<String>, DrawingError> {
        let rows = self.rows();
        let count = rows.div_ceil(SHEET_ROWS_MAX).max(1);
        if count == 1 {
            return Ok(vec![self.svg(names, width)?]);
        }
        let size = rows.div_ceil(count);
        let sheet = |index: usize| {
            let part = index * size..((index + 1) * size).min(rows);
            let id = format!("{}-{}", names.id, index + 1);
            let title = format!("{} ({} of {count})", names.title, index + 1);
            self.part(part, Names { id: &id, title: &title, ..names }, width)
        };
        (0..count).map(sheet).collect()
    }

    /// How many rows it can be split at; 0 if it cannot.
    const fn rows(&self) -> usize {
        match self {
            Self::Rates(plot) | Self::Bars(plot) => plot.categories.len(),
            Self::Forest(plot) => plot.rows.len(),
            _ => 0,
        }
    }

    fn part(
        &self,
        part: Range<usize>,
        names: Names<'_>,
        width: Width,
    ) -> Result<String, DrawingError> {
        let width = width.points();
        match self {
            Self::Rates(plot) => intervals::svg(plot, part, intervals::Mark::Dot, names, width),
            Self::Bars(plot) => intervals::svg(plot, part, intervals::Mark::Bar, names, width),
            Self::Forest(plot) => forest::svg(plot, part, names, width),
            Self::Time(plot) => time::svg(plot, names, width),
            Self::Pyramid(plot) => pyramid::svg(plot, names, width),
            Self::Survival(plot) => survival::svg(plot, names, width),
            Self::Funnel(plot) => funnel::svg(plot, names, width),
            Self::Multiples(plot) => multiples::svg(plot, names, width),
        }
    }

    /// The numbers behind it.
    pub fn data(&self) -> Table {
        match self {
            Self::Rates(plot) | Self::Bars(plot) => data::categories(plot),
            Self::Time(plot) => data::time(plot),
            Self::Pyramid(plot) => data::pyramid(plot),
            Self::Survival(plot) => data::survival(plot),
            Self::Forest(plot) => data::forest(plot),
            Self::Funnel(plot) => data::funnel(plot),
            Self::Multiples(plot) => data::multiples(plot),
        }
    }
}

/// Rows that are still legible on a page of paper.
const SHEET_ROWS_MAX: usize = 40;
