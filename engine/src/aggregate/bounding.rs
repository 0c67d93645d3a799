//! What one person may contribute: few enough groups, and in each a bounded total.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use datafusion::error::DataFusionError;
use ledger_adapter::digest::Digest;

use crate::aggregate::cells::{Cells, Mark};
use crate::aggregate::overflow;
use crate::privacy::boundary::Boundary;
use crate::privacy::contributions::Bound;

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
        boundary: &Boundary,
        choice: Digest,
    ) -> Result<Cells, DataFusionError> {
        self.rows.sort_unstable_by(|a, b| (a.person, &a.key).cmp(&(b.person, &b.key)));
        let mut cells = template.empty();
        let most = usize::try_from(boundary.groups_max()).unwrap_or(usize::MAX);
        let ordered = boundary.groups.len() > 1;
        for person in self.rows.chunk_by_mut(|a, b| a.person == b.person) {
            let repeated = person.windows(2).any(|pair| pair[0].key == pair[1].key);
            if repeated {
                return Err(DataFusionError::Internal("a person's group came twice".to_owned()));
            }
            if person.len() > most || (ordered && person.len() > 1) {
                person.sort_by_cached_key(|row| rank(choice, row.person, &row.key));
            }
            let groups = person.len() as u64;
            let kept = &person[..person.len().min(most)];
            let person = Person { kept, boundary, groups };
            person.count(&mut cells)?;
            person.mark(&mut cells, choice);
        }
        Ok(cells)
    }
}

/// One person's totals, group by group, in the order in which groups are kept.
struct Person<'a> {
    kept: &'a [Row],
    boundary: &'a Boundary,
    /// Groups before any were dropped.
    groups: u64,
}

impl Person<'_> {
    /// Adds the person to every slot of every cell, and to the profiles once each.
    fn count(&self, cells: &mut Cells) -> Result<(), DataFusionError> {
        let mut profile = 0;
        if self.boundary.groups.len() > 1 {
            cells.profile(profile, &self.boundary.groups, self.groups);
            profile += 1;
        }
        let mut norms = Vec::with_capacity(self.boundary.columns.len());
        for (column, contribution) in self.boundary.columns.iter().enumerate() {
            let norm = match contribution.bound {
                Bound::Clamp => None,
                Bound::Norm(_) => Some(self.norm(column)?),
                Bound::Linked { anchor, .. } => norms[anchor],
            };
            norms.push(norm);
            if let Bound::Norm(rungs) = &contribution.bound {
                if norm.is_some_and(|norm| norm > 0) {
                    cells.profile(profile, rungs, norm.unwrap_or(0));
                }
                profile += 1;
            }
        }
        for (place, row) in self.kept.iter().enumerate() {
            let cell = cells.cell(&row.key);
            let mut slot = 0;
            for (column, norm) in norms.iter().enumerate() {
                let total = self.bounded(row, column);
                for rung in self.boundary.rungs(column) {
                    let counts = match norm {
                        None => place as u64 >= *rung,
                        Some(_) => false,
                    };
                    let part = match norm {
                        _ if counts => 0,
                        Some(norm) if norm > rung => scaled(total, *rung, *norm),
                        _ => total,
                    };
                    cell[slot] = cell[slot].checked_add(i128::from(part)).ok_or_else(overflow)?;
                    slot += 1;
                }
            }
        }
        Ok(())
    }

    /// Marks the person in every cell of the columns that count persons once over sites.
    fn mark(&self, cells: &mut Cells, choice: Digest) {
        for column in self.boundary.united() {
            let counted = (0u64..).zip(self.kept).filter(|(_, row)| self.bounded(row, column) > 0);
            for (place, row) in counted {
                let hash = hash(choice, column, row.person, &row.key);
                cells.mark(column, &row.key, Mark { hash, place });
            }
        }
    }

    /// A total within the public clamp, and within what its rows can add up to.
    fn bounded(&self, row: &Row, column: usize) -> i64 {
        let contribution = &self.boundary.columns[column];
        let total = row.totals[column].clamp(contribution.lower, contribution.upper);
        match contribution.bound {
            Bound::Linked { anchor, row: most } => {
                let count = self.bounded(row, anchor).unsigned_abs();
                let most = i64::try_from(count.saturating_mul(most)).unwrap_or(i64::MAX);
                total.clamp(-most, most)
            }
            _ => total,
        }
    }

    /// The L2 norm of a column's totals, rounded up.
    fn norm(&self, column: usize) -> Result<u64, DataFusionError> {
        let mut squares = 0u128;
        for row in self.kept {
            let total = u128::from(self.bounded(row, column).unsigned_abs());
            let square = total.checked_mul(total).ok_or_else(overflow)?;
            squares = squares.checked_add(square).ok_or_else(overflow)?;
        }
        let root = squares.isqrt();
        let root = if root * root < squares { root + 1 } else { root };
        u64::try_from(root).map_err(|_| overflow())
    }
}

/// `total · rung / norm`, towards zero; `norm` is larger than `rung`.
fn scaled(total: i64, rung: u64, norm: u64) -> i64 {
    let part = u128::from(total.unsigned_abs()) * u128::from(rung) / u128::from(norm);
    // Smaller than the total, so it fits.
    let part = i64::try_from(part).unwrap_or(i64::MAX);
    if total < 0 { -part } else { part }
}

/// Which of a person's groups are kept: the first in the order of a keyed hash of person and
/// group. It depends on nothing else of the person, and on no other person.
pub(crate) fn rank(choice: Digest, person: i64, key: &[u8]) -> Digest {
    Digest::labelled("graunt/keep/v1", &[choice.as_bytes(), &person.to_be_bytes(), key])
}

/// The number of a person in a cell: the same at every site that takes part in the query. It is no
/// secret of whoever knows the pseudonym.
fn hash(choice: Digest, column: usize, person: i64, key: &[u8]) -> u64 {
    let (column, person) = ((column as u64).to_be_bytes(), person.to_be_bytes());
    let parts: [&[u8]; 4] = [choice.as_bytes(), &column, &person, key];
    let digest = Digest::labelled("graunt/sketch/v1", &parts);
    let first = digest.as_bytes().first_chunk::<8>();
    first.map_or(0, |first| u64::from_be_bytes(*first))
}
