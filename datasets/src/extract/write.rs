//! Stores one table: rows to buckets, sorted, cut into row groups between persons, hashed.
//!
//! The order of the source's rows leaves no trace: the same rows give the same bytes.

use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use ledger_adapter::leaves::Leaves;
use ledger_adapter::manifest::{FileManifest, TableManifest};
use rayon::prelude::{
    IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSliceMut,
};

use crate::extract::error::ExtractError;
use crate::extract::file::{FileWriter, GROUP_ROWS};
use crate::extract::plan::TablePlan;
use crate::extract::publish;
use crate::extract::values::{Values, arrow_type};
use ledger_adapter::bucket::bucket_of;

/// A table that is stored.
#[derive(Debug)]
pub(super) struct Written {
    /// What the manifest says of it.
    pub(super) manifest: TableManifest,
    /// Leaves of its files, in their order.
    pub(super) leaves: Vec<Leaves>,
    /// Rows written.
    pub(super) rows: u64,
    /// Rows left out because the person has one already.
    pub(super) repeated: u64,
}

struct File {
    manifest: FileManifest,
    leaves: Leaves,
    rows: u64,
    repeated: u64,
}

/// Writes a table below `directory`, durably.
///
/// # Errors
/// [`ExtractError::Assemble`], [`ExtractError::Write`], [`ExtractError::Store`].
pub(super) fn table(
    directory: &Path,
    plan: &TablePlan,
    values: &[Values],
    rows: usize,
    buckets: u32,
) -> Result<Written, ExtractError> {
    let name = plan.schema.name;
    publish::make_directory(&directory.join(name))?;
    let schema = Arc::new(Schema::new(
        plan.columns
            .iter()
            .map(|column| {
                let manifest = &column.manifest;
                Field::new(&manifest.name, arrow_type(manifest.kind), manifest.nullable)
            })
            .collect::<Vec<_>>(),
    ));
    let files: Vec<File> = split(plan, values, rows, buckets)
        .into_par_iter()
        .enumerate()
        .map(|(bucket, rows)| file(directory, plan, values, &schema, bucket, rows))
        .collect::<Result<_, _>>()?;
    let mut written = Written {
        manifest: TableManifest {
            name: name.to_owned(),
            rows: plan.rows.clone(),
            columns: plan.columns.iter().map(|column| column.manifest.clone()).collect(),
            files: Vec::with_capacity(files.len()),
        },
        leaves: Vec::with_capacity(files.len()),
        rows: 0,
        repeated: 0,
    };
    publish::sync_directory(&directory.join(name))?;
    for file in files {
        written.manifest.files.push(file.manifest);
        written.leaves.push(file.leaves);
        written.rows += file.rows;
        written.repeated += file.repeated;
    }
    Ok(written)
}

/// Rows of each bucket; a public table has one bucket.
fn split(plan: &TablePlan, values: &[Values], rows: usize, buckets: u32) -> Vec<Vec<usize>> {
    let unit = plan.unit_index().and_then(|index| values.get(index));
    let Some(unit) = unit else { return vec![(0..rows).collect()] };
    let mut split: Vec<Vec<usize>> = (0..buckets.max(1)).map(|_| Vec::new()).collect();
    for row in 0..rows {
        let bucket = bucket_of(unit.integer(row).unwrap_or_default(), buckets);
        if let Some(rows) = usize::try_from(bucket).ok().and_then(|index| split.get_mut(index)) {
            rows.push(row);
        }
    }
    split
}

fn file(
    directory: &Path,
    plan: &TablePlan,
    values: &[Values],
    schema: &SchemaRef,
    bucket: usize,
    mut rows: Vec<usize>,
) -> Result<File, ExtractError> {
    let unit = plan.unit_index();
    sort(&mut rows, values, unit);
    let before = rows.len();
    if let (true, Some(unit)) = (plan.one_row_per_person(), unit.and_then(|unit| values.get(unit)))
    {
        // The least row by content stays, whichever came first.
        rows.dedup_by(|later, first| unit.compare(*later, *first) == Ordering::Equal);
    }
    let bytes = encode(plan.schema.name, values, schema, unit, &rows)?;
    let leaves = Leaves::of(&bytes);
    let path = format!("{}/bucket-{bucket:03}.parquet", plan.schema.name);
    publish::write_file(&directory.join(&path), &bytes)?;
    let manifest = FileManifest { path, bytes: bytes.len() as u64, blake3: leaves.root() };
    let (rows, before) = (rows.len() as u64, before as u64);
    Ok(File { manifest, leaves, rows, repeated: before - rows })
}

/// By person, then by the other columns in their order.
fn sort(rows: &mut [usize], values: &[Values], unit: Option<usize>) {
    let unit = unit.and_then(|unit| values.get(unit));
    rows.par_sort_unstable_by(|left, right| {
        let by_person = unit.map_or(Ordering::Equal, |unit| unit.compare(*left, *right));
        values
            .iter()
            .fold(by_person, |order, column| order.then_with(|| column.compare(*left, *right)))
    });
}

fn encode(
    table: &str,
    values: &[Values],
    schema: &SchemaRef,
    unit: Option<usize>,
    rows: &[usize],
) -> Result<Vec<u8>, ExtractError> {
    let failed = |source| ExtractError::Write { table: table.to_owned(), source };
    let mut writer = FileWriter::new(Arc::clone(schema), unit).map_err(failed)?;
    let unit = unit.and_then(|unit| values.get(unit));
    let mut rest = rows;
    while !rest.is_empty() {
        let (group, later) = rest.split_at(group_end(rest, unit));
        let arrays = values.iter().map(|column| column.take(group)).collect();
        let batch = RecordBatch::try_new(Arc::clone(schema), arrays)
            .map_err(|source| ExtractError::Assemble { table: table.to_owned(), source })?;
        writer.group(&batch).map_err(failed)?;
        rest = later;
    }
    writer.finish().map_err(failed)
}

/// Where a row group ends: at the first new person past its size.
fn group_end(rows: &[usize], unit: Option<&Values>) -> usize {
    let Some(last) = rows.get(GROUP_ROWS - 1) else { return rows.len() };
    let Some(unit) = unit else { return GROUP_ROWS };
    let same = |row: &&usize| unit.compare(**row, *last) == Ordering::Equal;
    GROUP_ROWS + rows.iter().skip(GROUP_ROWS).take_while(same).count()
}
