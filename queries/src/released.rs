//! An answer as methods take it: rows of names and estimates, under one receipt.
//!
//! The engine's interval of a released number covers its noise, and what a privately chosen bound
//! may have cut off. From it follows the variance that methods go on with; the end that is cut at
//! zero is not looked at.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::answer::Answer;
use polars::prelude::{Column, DataFrame, NamedFrom, PolarsResult, Series};

use crate::estimate::{Estimate, Interval};
use crate::methods::distribution::normal_quantile;

/// What stands in a row of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A key: text, a date, a number as it is written.
    Key(String),
    /// A released number.
    Estimate(Estimate),
    /// A released number that a publisher's rule does not show, and why.
    Suppressed(String),
}

/// The rows of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Released {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
    /// Name of the receipt; none for public tables.
    pub receipt: Option<Arc<str>>,
    /// What a reader must know, as the engine says it.
    pub notes: Vec<String>,
}

impl Released {
    /// Rows under a receipt of this name.
    pub const fn new(
        columns: Vec<String>,
        rows: Vec<Vec<Value>>,
        receipt: Option<Arc<str>>,
        notes: Vec<String>,
    ) -> Self {
        Self { columns, rows, receipt, notes }
    }

    /// The rows of an answer. Columns with intervals are estimates, all others are keys.
    pub fn of(answer: &Answer) -> Self {
        let receipt = answer.receipt.as_ref().map(|receipt| receipt.intent.query.to_string());
        let receipt: Option<Arc<str>> = receipt.map(Into::into);
        let ends = |row, column| {
            let bound = answer.interval(row, column)?;
            Some(Interval { lower: bound.lower, upper: bound.upper })
        };
        let half = |column| {
            let rows = 0..answer.len();
            let numbers =
                rows.filter_map(|row| Some((answer.number(row, column)?, ends(row, column)?)));
            numbers.filter_map(|(value, ends)| half_width(value, ends)).fold(0.0, f64::max)
        };
        let halves: Vec<f64> = (0..answer.columns().len()).map(half).collect();
        let cell = |row, column: usize| match answer.number(row, column) {
            Some(value) if answer.has_intervals(column) => {
                let bound = (ends(row, column), halves[column]);
                Value::Estimate(estimate(value, bound, answer.confidence(), receipt.as_ref()))
            }
            _ => {
                let text = answer.text(row, column);
                if text.is_empty() { Value::Null } else { Value::Key(text) }
            }
        };
        let columns = 0..answer.columns().len();
        let rows = (0..answer.len())
            .map(|row| columns.clone().map(|column| cell(row, column)).collect())
            .collect();
        // That a release is given again says nothing about its numbers.
        let notes = answer.notes.iter().filter(|note| !note.starts_with("answered before"));
        Self::new(answer.columns().to_vec(), rows, receipt, notes.cloned().collect())
    }

    /// The same with numbers where a column is said to hold them, and the engine knows no interval:
    /// counts of cells that were released already, for instance.
    #[must_use]
    pub fn with_numbers(self, is_number: impl Fn(&str) -> bool) -> Self {
        let receipts: BTreeSet<Arc<str>> = self.receipt.iter().cloned().collect();
        let read = |(value, name): (&Value, &String)| match value {
            Value::Key(text) if is_number(name) => text.parse().map_or_else(
                |_| value.clone(),
                |number| {
                    Value::Estimate(Estimate {
                        receipts: receipts.clone(),
                        ..Estimate::exact(number)
                    })
                },
            ),
            _ => value.clone(),
        };
        let rows = self.rows.iter().map(|row| row.iter().zip(&self.columns).map(read).collect());
        let rows = rows.collect();
        self.with_rows(rows)
    }

    /// Names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Row by row, a value for each column.
    pub fn rows(&self) -> &[Vec<Value>] {
        &self.rows
    }

    /// The same with other values in its rows.
    #[must_use]
    pub fn with_rows(self, rows: Vec<Vec<Value>>) -> Self {
        Self { rows, ..self }
    }

    /// Where a column of this name stands.
    pub fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|name| name == column)
    }

    /// The same as a frame: beside each estimate `<name>_lower`, `<name>_upper` and the standard
    /// deviation of its noise, `<name>_noise`.
    ///
    /// # Errors
    /// Two columns of one name.
    pub fn frame(&self) -> PolarsResult<DataFrame> {
        let mut columns: Vec<Column> = Vec::new();
        for (place, name) in self.columns.iter().enumerate() {
            let cells = || self.rows.iter().map(|row| &row[place]);
            if cells().any(|cell| matches!(cell, Value::Estimate(_))) {
                let number = |of: fn(&Estimate) -> Option<f64>| -> Vec<Option<f64>> {
                    cells().map(|cell| cell.estimate().and_then(of)).collect()
                };
                let all = [
                    (name.clone(), number(|estimate| Some(estimate.value))),
                    (format!("{name}_lower"), number(|e| e.interval.map(|i| i.lower))),
                    (format!("{name}_upper"), number(|e| e.interval.map(|i| i.upper))),
                    (format!("{name}_noise"), number(|e| Some(e.noise_variance.sqrt()))),
                ];
                columns.extend(all.map(|(name, cells)| Series::new(name.into(), cells).into()));
            } else {
                let keys: Vec<Option<&str>> = cells().map(Value::key).collect();
                columns.push(Series::new(name.into(), keys).into());
            }
        }
        DataFrame::new(self.rows.len(), columns)
    }
}

impl Value {
    /// The key, if it is one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Null | Self::Estimate(_) | Self::Suppressed(_) => None,
        }
    }

    /// The estimate, if it is one.
    pub const fn estimate(&self) -> Option<&Estimate> {
        match self {
            Self::Estimate(estimate) => Some(estimate),
            Self::Null | Self::Key(_) | Self::Suppressed(_) => None,
        }
    }
}

/// Half the width of an interval by an end that is not cut at zero; none if both may be.
fn half_width(value: f64, ends: Interval) -> Option<f64> {
    let whole = [(ends.upper, ends.upper - value), (ends.lower, value - ends.lower)];
    let whole = whole.into_iter().filter(|(end, _)| *end != 0.0).map(|(_, half)| half);
    whole.fold(None, |most, half| Some(most.map_or(half, |most: f64| most.max(half))))
}

/// A released number of which the engine says this interval, in a column where `widest` is the
/// greatest half width. An interval of zero to zero, which noise far below it leaves of a count,
/// is none.
fn estimate(
    value: f64,
    (interval, widest): (Option<Interval>, f64),
    confidence: f64,
    receipt: Option<&Arc<str>>,
) -> Estimate {
    let half = interval.map_or(0.0, |ends| {
        let cut = if widest > 0.0 { widest } else { value.abs() };
        half_width(value, ends).unwrap_or(cut).max(0.0)
    });
    let interval = interval.filter(|ends| half == 0.0 || ends.lower < ends.upper);
    let deviation = half / normal_quantile(f64::midpoint(1.0, confidence));
    let receipts = receipt.into_iter().cloned().collect();
    let noise_variance = deviation * deviation;
    Estimate { value, noise_variance, interval, method: "released", receipts }
}

#[cfg(test)]
mod tests {
    use super::{Released, Value, estimate};
    use crate::estimate::Interval;

    #[test]
    fn the_variance_follows_from_the_end_that_is_not_cut() {
        let read = |value, lower, upper| {
            estimate(value, (Some(Interval { lower, upper }), 9.0), 0.95, None)
        };
        let (whole, cut) = (read(50.0, 41.0, 59.0), read(3.0, 0.0, 12.0));
        assert!((whole.noise_variance.sqrt() - 4.591_91).abs() < 1e-4);
        assert_eq!(whole.noise_variance, cut.noise_variance);
        assert_eq!(estimate(3.0, (None, 9.0), 0.95, None).noise_variance, 0.0);
        // Of a count far below zero nothing is left of the interval: its noise is the others'.
        let below = read(-30.0, 0.0, 0.0);
        assert_eq!((below.noise_variance, below.interval), (whole.noise_variance, None));
    }

    #[test]
    fn a_frame_has_intervals_and_noise_beside_each_number() {
        let count = estimate(5.0, (Some(Interval { lower: 1.0, upper: 9.0 }), 4.0), 0.95, None);
        let rows = vec![
            vec![Value::Key("men".to_owned()), Value::Estimate(count)],
            vec![Value::Null, Value::Null],
        ];
        let names = vec!["sex".to_owned(), "n".to_owned()];
        let frame = Released::new(names, rows, None, vec![]).frame().unwrap();
        let names: Vec<_> = frame.get_column_names().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["sex", "n", "n_lower", "n_upper", "n_noise"]);
        assert_eq!(frame.column("n_upper").unwrap().f64().unwrap().get(0), Some(9.0));
        assert_eq!(frame.column("sex").unwrap().str().unwrap().get(1), None);
    }
}
