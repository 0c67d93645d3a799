//! An answer as people and programs take it: the asked columns, their intervals, the receipt.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::csv::WriterBuilder;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;
use arrow::util::display::array_value_to_string;
use datafusion::common::ScalarValue;
use ledger_adapter::cost::Cost;
use ledger_adapter::receipt::Receipt;
use ledger_adapter::statement::ReleasedTable;
use serde_json::Value;

/// Both ends of an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// Lower end.
    pub lower: f64,
    /// Upper end; not below the lower.
    pub upper: f64,
}

/// A released answer. Everything in it is private already.
#[derive(Debug)]
pub struct Answer {
    names: Vec<String>,
    rows: RecordBatch,
    /// Per column: one interval per row, or none at all.
    bounds: Vec<Option<Vec<Option<Bound>>>>,
    confidence: f64,
    /// What the reader must know.
    pub notes: Vec<String>,
    /// What it cost; nothing for a query of public tables.
    pub cost: Cost,
    /// The (ε, δ) at which it was asked; none for public tables and repeated answers.
    pub asked: Option<(f64, f64)>,
    /// The proof; none for a query of public tables.
    pub receipt: Option<Receipt>,
}

impl Answer {
    pub(crate) fn new(
        names: Vec<String>,
        rows: RecordBatch,
        bounds: Vec<Option<Vec<Option<Bound>>>>,
        confidence: f64,
    ) -> Self {
        let (notes, cost, asked, receipt) = (vec![], Cost::default(), None, None);
        Self { names, rows, bounds, confidence, notes, cost, asked, receipt }
    }

    /// Names of the asked columns, in the asked order.
    pub fn columns(&self) -> &[String] {
        &self.names
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The confidence of the intervals, between 0 and 1.
    pub const fn confidence(&self) -> f64 {
        self.confidence
    }

    /// A value as text; empty for null.
    pub fn text(&self, row: usize, column: usize) -> String {
        let array = self.rows.column(column);
        if array.is_null(row) {
            return String::new();
        }
        array_value_to_string(array, row).unwrap_or_default()
    }

    /// A value as a number; `None` for null and for what is none.
    pub fn number(&self, row: usize, column: usize) -> Option<f64> {
        let value = ScalarValue::try_from_array(self.rows.column(column), row).ok()?;
        match value.cast_to(&DataType::Float64).ok()? {
            ScalarValue::Float64(number) => number,
            _ => None,
        }
    }

    /// The interval of a value, where it has one.
    pub fn interval(&self, row: usize, column: usize) -> Option<Bound> {
        *self.bounds.get(column)?.as_ref()?.get(row)?
    }

    /// Whether a column has intervals.
    pub fn has_intervals(&self, column: usize) -> bool {
        self.bounds.get(column).is_some_and(Option::is_some)
    }

    /// The asked columns in the asked order, then with `intervals` the bounds of those that have
    /// them, as `<name>_lower` and `<name>_upper`.
    ///
    /// # Errors
    /// None in practice: the columns are of one length.
    pub fn batch(&self, intervals: bool) -> Result<RecordBatch, ArrowError> {
        let mut fields = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for (name, array) in self.names.iter().zip(self.rows.columns()) {
            fields.push(Field::new(name, array.data_type().clone(), true));
            arrays.push(Arc::clone(array));
        }
        let bounded = (0..self.names.len()).filter(|c| intervals && self.has_intervals(*c));
        for column in bounded {
            for which in ["lower", "upper"] {
                let end = |bound: Bound| if which == "lower" { bound.lower } else { bound.upper };
                let values = (0..self.len()).map(|row| self.interval(row, column).map(end));
                let array = whole_like(self.rows.column(column), values.collect())?;
                let name = format!("{}_{which}", self.names[column]);
                fields.push(Field::new(name, array.data_type().clone(), true));
                arrays.push(array);
            }
        }
        let options =
            arrow::array::RecordBatchOptions::new().with_row_count(Some(self.rows.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
    }

    /// Writes CSV with a header (RFC 4180).
    ///
    /// # Errors
    /// A failure of `out`.
    pub fn write_csv(&self, out: impl Write, intervals: bool) -> Result<(), ArrowError> {
        WriterBuilder::new().with_header(true).build(out).write(&self.batch(intervals)?)
    }

    /// Writes an Arrow IPC file.
    ///
    /// # Errors
    /// A failure of `out`.
    pub fn write_arrow(&self, out: impl Write, intervals: bool) -> Result<(), ArrowError> {
        let batch = self.batch(intervals)?;
        let mut writer = FileWriter::try_new(out, &batch.schema())?;
        writer.write(&batch)?;
        writer.finish()
    }

    /// The rows as JSON objects, intervals as `<name>_lower` and `<name>_upper`.
    ///
    /// # Errors
    /// As [`Answer::batch`].
    pub fn to_json(&self, intervals: bool) -> Result<Vec<Value>, ArrowError> {
        let batch = self.batch(intervals)?;
        let names: Vec<String> =
            batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        let row = |row: usize| {
            let cells = names.iter().zip(batch.columns());
            Value::Object(cells.map(|(name, array)| (name.clone(), json(array, row))).collect())
        };
        Ok((0..batch.num_rows()).map(row).collect())
    }

    /// The answer as it is signed.
    pub(crate) fn released(&self) -> ReleasedTable {
        let rows = 0..self.rows.num_rows();
        let values = |row| self.rows.columns().iter().map(|array| json(array, row)).collect();
        let ends = |end: fn(Bound) -> f64| -> Vec<Vec<Value>> {
            let cell =
                |row, column| self.interval(row, column).map_or(Value::Null, |b| number(end(b)));
            let columns = self.names.len();
            rows.clone().map(|row| (0..columns).map(|column| cell(row, column)).collect()).collect()
        };
        ReleasedTable {
            columns: self.names.clone(),
            lower: ends(|bound| bound.lower),
            upper: ends(|bound| bound.upper),
            rows: rows.clone().map(values).collect(),
        }
    }
}

/// Bounds of whole numbers are whole numbers.
fn whole_like(values: &ArrayRef, bounds: Vec<Option<f64>>) -> Result<ArrayRef, ArrowError> {
    let floats: ArrayRef = Arc::new(Float64Array::from(bounds));
    let whole = values.data_type().is_integer();
    if !whole { Ok(floats) } else { cast(&floats, &DataType::Int64) }
}

fn json(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        kind if kind.is_integer() => cast(array, &DataType::Int64)
            .ok()
            .and_then(|whole| Some(whole.as_any().downcast_ref::<Int64Array>()?.value(row)))
            .map_or(Value::Null, Value::from),
        kind if kind.is_floating() => cast(array, &DataType::Float64)
            .ok()
            .and_then(|real| Some(real.as_any().downcast_ref::<Float64Array>()?.value(row)))
            .map_or(Value::Null, number),
        DataType::Boolean => {
            Value::from(array_value_to_string(array, row).is_ok_and(|t| t == "true"))
        }
        _ => array_value_to_string(array, row).map_or(Value::Null, Value::from),
    }
}

/// A JSON number; null for what JSON cannot hold.
fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}
