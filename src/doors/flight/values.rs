//! Values of parameters as drivers send them, one row of Arrow, as values of SQL.

use arrow::array::{Array as _, ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use engine::error::{Code, Error, Rejection};
use engine::sql::arguments::Argument;

use crate::desk::refusal::Refusal;
use crate::fail::{Asked, Failure};
use crate::script::Statement;

/// The values of the first row, by position.
///
/// # Errors
/// More rows than one, or a column of a type that parameters do not have.
pub(super) fn values(batches: &[RecordBatch]) -> Result<Vec<Argument>, Refusal> {
    let mut rows = batches.iter().filter(|batch| batch.num_rows() > 0);
    let Some(batch) = rows.next() else { return Ok(vec![]) };
    if batch.num_rows() != 1 || rows.next().is_some() {
        return Err(unfit("one row of values is taken at a time"));
    }
    batch.columns().iter().map(value).collect()
}

fn value(array: &ArrayRef) -> Result<Argument, Refusal> {
    if array.is_null(0) || array.data_type() == &DataType::Null {
        return Ok(Argument::Null);
    }
    let text = || {
        let text = array_value_to_string(array, 0);
        text.map_err(|_| unfit("a value has no form as text"))
    };
    match array.data_type() {
        DataType::Boolean => Ok(Argument::Boolean(text()? == "true")),
        kind if kind.is_floating() => {
            let wide =
                cast(array, &DataType::Float64).map_err(|_| unfit("a value is no number"))?;
            let wide = array_value_to_string(&wide, 0).unwrap_or_default();
            match wide.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Argument::Number(format!("{number:e}"))),
                _ => Err(unfit("a value is not a finite number")),
            }
        }
        kind if kind.is_numeric() => Ok(Argument::Number(text()?)),
        DataType::Date32 | DataType::Date64 => {
            Ok(Argument::Date(text()?.chars().take(10).collect()))
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(Argument::Text(text()?)),
        DataType::Dictionary(_, kind) => {
            let plain = cast(array, kind).map_err(|_| unfit("a value has no plain form"))?;
            value(&plain)
        }
        other => Err(unfit(&format!("values of type {other} are not taken"))),
    }
}

fn unfit(why: &str) -> Refusal {
    let error = Error::from(Rejection::new(Code::Statement, why));
    let start = engine::sql::text::Place { line: 1, column: 1 };
    let statement = Statement { text: String::new(), start, is_ended: false };
    Refusal::of(&Failure::Query(Box::new(Asked { error, statement })))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Date32Array, Float64Array, Int64Array, NullArray, StringArray,
    };
    use arrow::datatypes::{Field, Schema};

    use super::*;

    #[test]
    fn one_row_is_taken_by_position() {
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![-8507])),
            Arc::new(Float64Array::from(vec![1.5])),
            Arc::new(StringArray::from(vec!["it's"])),
            Arc::new(BooleanArray::from(vec![true])),
            Arc::new(Date32Array::from(vec![18_321])),
            Arc::new(NullArray::new(1)),
        ];
        let field = |(i, array): (usize, &ArrayRef)| {
            Field::new(i.to_string(), array.data_type().clone(), true)
        };
        let schema = Schema::new(arrays.iter().enumerate().map(field).collect::<Vec<_>>());
        let batch = RecordBatch::try_new(Arc::new(schema), arrays).unwrap();
        assert_eq!(
            values(std::slice::from_ref(&batch)).unwrap(),
            [
                Argument::Number("-8507".to_owned()),
                Argument::Number("1.5e0".to_owned()),
                Argument::Text("it's".to_owned()),
                Argument::Boolean(true),
                Argument::Date("2020-02-29".to_owned()),
                Argument::Null,
            ]
        );
        assert!(values(&[batch.clone(), batch]).is_err());
        assert_eq!(values(&[]).unwrap(), []);
    }
}
