//! What one person may contribute: few enough groups, and in each a clamped total.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use datafusion::error::DataFusionError;
use ledger_adapter::digest::Digest;

use crate::aggregate::Limits;
use crate::aggregate::cells::Cells;

/// The rows of one bucket, one per person and group, in no particular order.
#[derive(Default)]
pub(crate) struct BucketRows {
    rows: Vec<Row>,
}

struct Row {
    person: i64,
    key: Box<[u8]>,
    totals: Box<[i64]>,
}

impl BucketRows {
    /// Takes a batch of the contributions plan: the person, the keys, the totals. Rows whose key
    /// is not a declared one are left out before groups are counted.
    pub(crate) fn push(
        &mut self,
        template: &Cells,
        batch: &RecordBatch,
    ) -> Result<(), DataFusionError> {
        let shape = || DataFusionError::Internal("contributions have another shape".to_owned());
        let persons = batch.column(0).as_primitive_opt::<Int64Type>().ok_or_else(shape)?;
        if persons.null_count() > 0 {
            return Err(DataFusionError::Execution("a record has no person".to_owned()));
        }
        let keys = template.encode(&batch.columns()[1..=template.keys()])?;
        let totals: Vec<_> = batch.columns()[template.keys() + 1..]
            .iter()
            .map(|column| column.as_primitive_opt::<Int64Type>().ok_or_else(shape))
            .collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            // Without keys there is one group, and nothing was encoded.
            let key = if template.keys() == 0 { &[][..] } else { keys.row(row).data() };
            if !template.admits(key) {
                continue;
            }
            let total = |column: &&arrow::array::Int64Array| {
                if column.is_null(row) { 0 } else { column.value(row) }
            };
            self.rows.push(Row {
                person: persons.value(row),
                key: key.into(),
                totals: totals.iter().map(total).collect(),
            });
        }
        Ok(())
    }

    /// Bounds every person and adds up what is left.
    pub(crate) fn into_cells(
        mut self,
        template: &Cells,
        limits: &Limits,
    ) -> Result<Cells, DataFusionError> {
        self.rows.sort_unstable_by(|a, b| (a.person, &a.key).cmp(&(b.person, &b.key)));
        let mut cells = template.empty();
        for person in self.rows.chunk_by_mut(|a, b| a.person == b.person) {
            let repeated = person.windows(2).any(|pair| pair[0].key == pair[1].key);
            if repeated {
                return Err(DataFusionError::Internal("a person's group came twice".to_owned()));
            }
            if person.len() > limits.groups_max {
                person.sort_by_cached_key(|row| rank(limits.choice, row));
            }
            for row in person.iter().take(limits.groups_max) {
                let totals = row.totals.iter().zip(&limits.clamps);
                let bounded = totals.map(|(total, (lower, upper))| (*total).clamp(*lower, *upper));
                cells.count(&row.key, bounded)?;
            }
        }
        Ok(cells)
    }
}

/// Which of a person's groups are kept: the first in the order of a keyed hash of person and
/// group. It depends on nothing else of the person, and on no other person.
fn rank(choice: Digest, row: &Row) -> Digest {
    let person = row.person.to_be_bytes();
    Digest::labelled("graunt/keep/v1", &[choice.as_bytes(), &person, &row.key])
}
