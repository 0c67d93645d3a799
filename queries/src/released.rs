//! An answer as methods take it: rows of names and estimates, under one receipt.
//!
//! The engine's interval of a released number covers its noise, and what a privately chosen bound
//! may have cut off. From it follows the variance that methods go on with; the end that is cut at
//! zero is not looked at.

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
        let cell = |row, column| match answer.number(row, column) {
            Some(value) if answer.has_intervals(column) => {
                let bound = answer.interval(row, column);
                let bound = bound.map(|b| Interval { lower: b.lower, upper: b.upper });
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

/// A released number of which the engine says this interval.
fn estimate(
    value: f64,
    interval: Option<Interval>,
    confidence: f64,
    receipt: Option<&Arc<str>>,
) -> Estimate {
    let half = interval.map_or(0.0, |ends| (ends.upper - value).max(value - ends.lower).max(0.0));
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
        let whole = estimate(50.0, Some(Interval { lower: 41.0, upper: 59.0 }), 0.95, None);
        let cut = estimate(3.0, Some(Interval { lower: 0.0, upper: 12.0 }), 0.95, None);
        assert!((whole.noise_variance.sqrt() - 4.591_91).abs() < 1e-4);
        assert_eq!(whole.noise_variance, cut.noise_variance);
        assert_eq!(estimate(3.0, None, 0.95, None).noise_variance, 0.0);
    }

    #[test]
    fn a_frame_has_intervals_and_noise_beside_each_number() {
        let count = estimate(5.0, Some(Interval { lower: 1.0, upper: 9.0 }), 0.95, None);
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
