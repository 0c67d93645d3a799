//! Tables of expected values for tests: comma-separated files of the shared data.

use crate::shared::shared;
use std::collections::HashMap;

/// One row of a table of expected values, by the names of its columns.
#[derive(Debug)]
pub(crate) struct Row(HashMap<String, String>);

impl Row {
    /// The text of a cell.
    pub(crate) fn text(&self, column: &str) -> &str {
        self.0.get(column).unwrap_or_else(|| panic!("no column {column}"))
    }

    /// The number in a cell; NaN where it is empty or `NA`.
    pub(crate) fn number(&self, column: &str) -> f64 {
        match self.text(column) {
            "" | "NA" => f64::NAN,
            text => text.parse().unwrap_or_else(|_| panic!("{column}: {text}")),
        }
    }
}

/// The rows of a file of the shared data; none where the data is absent.
pub(crate) fn rows(path: &str) -> Option<Vec<Row>> {
    let text = std::fs::read_to_string(shared(path)?).unwrap();
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(cells);
    let header = lines.next().unwrap();
    let row = |cells: Vec<String>| Row(header.iter().cloned().zip(cells).collect());
    let rows: Vec<Row> = lines.map(row).collect();
    assert!(!rows.is_empty(), "{path} has no rows");
    Some(rows)
}

fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            _ => cells.last_mut().unwrap().push(letter),
        }
    }
    cells
}

/// Fails unless both are NaN, or differ by at most this part of the expected number.
#[track_caller]
pub(crate) fn close(got: f64, expected: f64, tolerance: f64) {
    let near = (got - expected).abs() <= tolerance * expected.abs().max(1e-9);
    let same = (got.is_nan() && expected.is_nan()) || got == expected;
    assert!(near || same, "got {got}, expected {expected}");
}
