//! Columns as they will be stored: order of rows, and Arrow arrays.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::StringArray;
use arrow::array::{Array, ArrayRef, Date32Array, Float64Array, Int64Array, LargeStringArray};
use arrow::datatypes::DataType;
use ledger_adapter::manifest::ColumnKind;

/// One column of de-identified values.
#[derive(Debug)]
pub(super) enum Values {
    /// Whole numbers.
    Integer(Vec<Option<i64>>),
    /// Numbers; finite.
    Float(Vec<Option<f64>>),
    /// Text.
    Text(LargeStringArray),
    /// Days since 1970-01-01.
    Date(Vec<Option<i32>>),
}

impl Values {
    /// Compares two rows; missing values come first.
    pub(super) fn compare(&self, left: usize, right: usize) -> Ordering {
        match self {
            Self::Integer(values) => at(values, left).cmp(&at(values, right)),
            Self::Date(values) => at(values, left).cmp(&at(values, right)),
            Self::Float(values) => match (at(values, left), at(values, right)) {
                (Some(left), Some(right)) => left.total_cmp(&right),
                (left, right) => left.is_some().cmp(&right.is_some()),
            },
            Self::Text(values) => text_at(values, left).cmp(&text_at(values, right)),
        }
    }

    /// The whole number in a row.
    pub(super) fn integer(&self, row: usize) -> Option<i64> {
        if let Self::Integer(values) = self { at(values, row) } else { None }
    }

    /// The rows asked for, in that order.
    pub(super) fn take(&self, rows: &[usize]) -> ArrayRef {
        match self {
            Self::Integer(values) => {
                Arc::new(rows.iter().map(|row| at(values, *row)).collect::<Int64Array>())
            }
            Self::Float(values) => {
                Arc::new(rows.iter().map(|row| at(values, *row)).collect::<Float64Array>())
            }
            Self::Text(values) => {
                Arc::new(rows.iter().map(|row| text_at(values, *row)).collect::<StringArray>())
            }
            Self::Date(values) => {
                Arc::new(rows.iter().map(|row| at(values, *row)).collect::<Date32Array>())
            }
        }
    }
}

/// The Arrow type of a kind of column.
pub(super) const fn arrow_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Integer => DataType::Int64,
        ColumnKind::Float => DataType::Float64,
        ColumnKind::Text => DataType::Utf8,
        ColumnKind::Date => DataType::Date32,
    }
}

fn at<T: Copy>(values: &[Option<T>], row: usize) -> Option<T> {
    values.get(row).copied().flatten()
}

fn text_at(values: &LargeStringArray, row: usize) -> Option<&str> {
    (row < values.len() && values.is_valid(row)).then(|| values.value(row))
}
