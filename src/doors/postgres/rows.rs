//! Rows of an answer as rows of PostgreSQL.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use arrow_pg::datatypes::arrow_schema_to_pg_fields;
use futures::stream;
use pgwire::api::portal::Format;
use pgwire::api::results::{DataRowEncoder, FieldInfo, QueryResponse};
use pgwire::error::{PgWireError, PgWireResult};

use super::cells::encode_row;
use super::refused::protocol;

/// The columns of a result, as they are described.
///
/// # Errors
/// 08P01 if the formats are not as many as the columns. Every kind of column has a form.
pub(super) fn fields(schema: &Schema, format: &Format) -> PgWireResult<Vec<FieldInfo>> {
    check(format, schema.fields().len())?;
    arrow_schema_to_pg_fields(&plain(schema), format, None)
}

/// The rows of a result, in the columns that were described.
///
/// # Errors
/// Columns that are not those that were described.
pub(super) fn response(
    batch: RecordBatch,
    described: Option<&SchemaRef>,
    format: &Format,
    tag: &str,
) -> PgWireResult<QueryResponse> {
    let batch = plain_batch(&batch)?;
    let batch = match described {
        Some(schema) => fitted(&batch, &plain(schema))?,
        None => batch,
    };
    let fields = Arc::new(fields(batch.schema_ref(), format)?);
    let (mut encoder, told) = (DataRowEncoder::new(Arc::clone(&fields)), Arc::clone(&fields));
    let rows = (0..batch.num_rows()).map(move |row| encode_row(&mut encoder, &batch, row, &told));
    let mut response = QueryResponse::new(fields, stream::iter(rows));
    response.set_command_tag(tag);
    Ok(response)
}

/// Sees that there is a format for each column: the library would index past the end.
fn check(format: &Format, columns: usize) -> PgWireResult<()> {
    match format {
        Format::Individual(codes) if codes.len() != columns => {
            Err(protocol("08P01", "there are not as many formats as columns"))
        }
        _ => Ok(()),
    }
}

fn fitted(batch: &RecordBatch, schema: &Schema) -> PgWireResult<RecordBatch> {
    if batch.num_columns() != schema.fields().len() {
        return Err(protocol("0A000", "the columns changed since they were described"));
    }
    let pairs = batch.columns().iter().zip(schema.fields());
    let columns = pairs.map(|(column, field)| fit(column, field.data_type()));
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(unfit)?;
    RecordBatch::try_new(Arc::new(schema.clone()), columns).map_err(unfit)
}

/// A column in another type. Whatever it is, it has a form as text.
fn fit(column: &ArrayRef, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    if *kind != DataType::Utf8 || column.data_type().is_string() {
        return cast(column, kind);
    }
    let nulls = column.logical_nulls();
    let text = |row: usize| match &nulls {
        Some(nulls) if nulls.is_null(row) => Ok(None),
        _ => array_value_to_string(column, row).map(Some),
    };
    let texts = (0..column.len()).map(text).collect::<Result<StringArray, _>>()?;
    Ok(Arc::new(texts))
}

/// The type of PostgreSQL's that a column has. When it is told an answer may be paid for already,
/// so that what the library has no form for, or one that fails, is text.
fn plain_kind(kind: &DataType) -> DataType {
    match kind {
        // Unsigned numbers are signed, wider ones.
        DataType::UInt8 | DataType::Int8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        DataType::Duration(_) => DataType::Duration(TimeUnit::Microsecond),
        DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Dictionary(_, value) => plain_kind(value),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)
            if is_item(item.data_type()) =>
        {
            kind.clone()
        }
        DataType::Boolean
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Date32
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(..)
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View => kind.clone(),
        _ => DataType::Utf8,
    }
}

/// Whether lists of a type are lists of PostgreSQL's.
const fn is_item(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Null
            | DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::Float32
            | DataType::Float64
            | DataType::Date32
            | DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
    )
}

/// The same columns in types that PostgreSQL has.
pub(super) fn plain(schema: &Schema) -> Schema {
    let field = |field: &Arc<Field>| {
        let nullable = Field::new(field.name(), plain_kind(field.data_type()), true);
        nullable.with_metadata(field.metadata().clone())
    };
    Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>())
}

/// As [`plain`], of rows.
pub(super) fn plain_batch(batch: &RecordBatch) -> PgWireResult<RecordBatch> {
    let schema = plain(batch.schema_ref());
    if schema.fields().is_empty() {
        return Ok(batch.clone());
    }
    fitted(batch, &schema)
}

fn unfit(error: ArrowError) -> PgWireError {
    PgWireError::ApiError(Box::new(error))
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Decimal128Array, Decimal256Array, FixedSizeBinaryArray, Int64Array, NullArray, StructArray,
        UInt64Array, new_null_array,
    };
    use arrow::datatypes::{IntervalUnit, i256};
    use futures::StreamExt as _;
    use futures::executor::block_on;

    use super::*;

    /// How many rows come of it, in each format, as they were described.
    fn told(array: ArrayRef) -> [usize; 2] {
        let field = Field::new("x", array.data_type().clone(), true);
        let schema = Arc::new(Schema::new(vec![field]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![array]).unwrap();
        [Format::UnifiedText, Format::UnifiedBinary].map(|format| {
            fields(&schema, &format).unwrap();
            let mut told = response(batch.clone(), Some(&schema), &format, "SELECT").unwrap();
            let rows = block_on(told.data_rows().collect::<Vec<_>>());
            assert!(rows.iter().all(Result::is_ok), "{schema}: {rows:?}");
            rows.len()
        })
    }

    #[test]
    fn columns_of_every_type_have_a_form() {
        let item = |kind: DataType| Arc::new(Field::new("item", kind, true));
        for kind in [
            DataType::Null,
            DataType::UInt64,
            DataType::Float16,
            DataType::Decimal32(5, 2),
            DataType::Decimal128(38, 38),
            DataType::Decimal128(38, -5),
            DataType::Decimal256(76, 40),
            DataType::Date64,
            DataType::Timestamp(TimeUnit::Second, Some("+02:00".into())),
            DataType::Interval(IntervalUnit::MonthDayNano),
            DataType::Duration(TimeUnit::Second),
            DataType::FixedSizeBinary(3),
            DataType::Utf8View,
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::UInt8)),
            DataType::List(item(DataType::Decimal128(38, 30))),
            DataType::List(item(DataType::Utf8)),
            DataType::LargeList(item(DataType::List(item(DataType::Int64)))),
            DataType::Struct(vec![item(DataType::Decimal256(60, 0))].into()),
        ] {
            assert_eq!(told(new_null_array(&kind, 2)), [2, 2], "{kind}");
        }
        let wide = Decimal256Array::from(vec![Some(i256::MAX), None]);
        let tenth = Decimal128Array::from(vec![i128::MAX / 10, -1]);
        let parts = vec![(item(DataType::Int64), Arc::new(Int64Array::from(vec![1])) as ArrayRef)];
        let bytes = FixedSizeBinaryArray::try_from_iter([[1_u8, 2], [3, 4]].into_iter()).unwrap();
        let arrays: [ArrayRef; 6] = [
            Arc::new(wide.with_precision_and_scale(76, 70).unwrap()),
            Arc::new(tenth.with_precision_and_scale(38, 38).unwrap()),
            Arc::new(StructArray::from(parts)),
            Arc::new(bytes),
            Arc::new(NullArray::new(3)),
            Arc::new(UInt64Array::from(vec![u64::MAX])),
        ];
        for array in arrays {
            let (kind, rows) = (array.data_type().clone(), array.len());
            assert_eq!(told(array), [rows, rows], "{kind}");
        }
    }
}
