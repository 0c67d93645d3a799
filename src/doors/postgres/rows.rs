//! Rows of an answer as rows of PostgreSQL.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_pg::datatypes::arrow_schema_to_pg_fields;
use arrow_pg::encode_recordbatch;
use futures::stream;
use pgwire::api::portal::Format;
use pgwire::api::results::{FieldInfo, QueryResponse};
use pgwire::error::{PgWireError, PgWireResult};

use super::refused::protocol;

/// The columns of a result, as they are described.
///
/// # Errors
/// A kind of column that PostgreSQL does not have.
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
    let rows = encode_recordbatch(Arc::clone(&fields), batch);
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
    let columns = pairs.map(|(column, field)| cast(column, field.data_type()));
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(unfit)?;
    RecordBatch::try_new(Arc::new(schema.clone()), columns).map_err(unfit)
}

/// The same columns in types that PostgreSQL has: unsigned numbers are signed, wider ones.
pub(super) fn plain(schema: &Schema) -> Schema {
    let field = |field: &Arc<Field>| {
        let kind = match field.data_type() {
            DataType::UInt8 | DataType::Int8 => DataType::Int16,
            DataType::UInt16 => DataType::Int32,
            DataType::UInt32 | DataType::UInt64 => DataType::Int64,
            DataType::Null => DataType::Utf8,
            DataType::Dictionary(_, value) => value.as_ref().clone(),
            other => other.clone(),
        };
        let nullable = Field::new(field.name(), kind, true);
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

fn unfit(error: arrow::error::ArrowError) -> PgWireError {
    PgWireError::ApiError(Box::new(error))
}
