//! Records as somebody has them, in no order, made into an extract.

use std::fs::File;
use std::path::Path;

use arrow::array::{AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::Int64Type;
use ledger_adapter::bucket::bucket_of;
use ledger_adapter::manifest::{ColumnKind, ColumnManifest};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::tables::{Made, batch, bounded, column, keyed, private, schema};

/// The table `visit` of the contest with peers: person, region, sex and cost, ten rows a person.
pub(crate) fn uploaded(file: &Path, buckets: u32) -> Result<Vec<Made>, Box<dyn std::error::Error>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?.build()?;
    let batches = reader.collect::<Result<Vec<_>, _>>()?;
    let first = batches.first().ok_or("there are no records")?;
    let rows = concat_batches(&first.schema(), &batches)?;
    let columns = vec![
        column("person_id", ColumnKind::Integer),
        keyed("region", &values(&rows, "region")?),
        keyed("sex", &values(&rows, "sex")?),
        bounded("cost", ColumnKind::Float, 100_000_000, 2),
    ];
    let rows = ordered(&rows, &columns)?;
    let persons = rows.column(0).as_primitive::<Int64Type>().clone();
    let batches = Box::new(move |bucket| -> Box<dyn Iterator<Item = RecordBatch>> {
        let own = (0u32..).zip(persons.values()).filter(|(_, p)| bucket_of(**p, buckets) == bucket);
        let own = UInt32Array::from_iter_values(own.map(|(row, _)| row));
        let group = take_record_batch(&rows, &own);
        Box::new(group.into_iter().filter(|group| group.num_rows() > 0))
    });
    Ok(vec![Made { name: "visit", rows: private(1_000), columns, batches }])
}

/// The distinct values of a column of text.
fn values(rows: &RecordBatch, name: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let column = rows.column_by_name(name).ok_or_else(|| format!("there is no {name}"))?;
    let column = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8)?;
    let mut values: Vec<String> =
        column.as_string::<i32>().iter().flatten().map(str::to_owned).collect();
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

/// The columns of the manifest, in order of person.
fn ordered(
    rows: &RecordBatch,
    columns: &[ColumnManifest],
) -> Result<RecordBatch, Box<dyn std::error::Error>> {
    let shape = schema(columns);
    let arrays = shape.fields().iter().map(|field| {
        let column = rows.column_by_name(field.name());
        let column = column.ok_or_else(|| format!("there is no {}", field.name()))?;
        Ok(arrow::compute::cast(column, field.data_type())?)
    });
    let rows = batch(&shape, arrays.collect::<Result<_, Box<dyn std::error::Error>>>()?);
    let persons: &Int64Array = rows.column(0).as_primitive();
    let mut order: Vec<(i64, u32)> = persons.values().iter().copied().zip(0..).collect();
    order.sort_unstable();
    let order = UInt32Array::from_iter_values(order.into_iter().map(|(_, row)| row));
    Ok(take_record_batch(&rows, &order)?)
}
