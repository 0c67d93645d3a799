//! Values below the groups: which distinct ones there are, and how many rows lie in each bin.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use arrow::row::{RowConverter, SortField};
use datafusion::error::DataFusionError;
use ledger_adapter::digest::Digest;

use crate::aggregate::bounding::rank;
use crate::aggregate::cells::Cells;
use crate::privacy::contributions::{Nested, NestedKind};

/// The values of one bucket, one row per person, group and value.
pub(crate) struct BucketValues {
    rows: Vec<Row>,
    /// Encodes values that are counted as distinct; bins are numbers as they are.
    converter: Option<Arc<RowConverter>>,
}

struct Row {
    person: i64,
    key: Box<[u8]>,
    value: Box<[u8]>,
    count: u64,
}

/// What is known of the values of each group.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// For a number of distinct values.
    distinct: BTreeMap<Box<[u8]>, BTreeSet<Box<[u8]>>>,
    /// For quantiles: rows by bin.
    bins: BTreeMap<Box<[u8]>, BTreeMap<usize, u64>>,
}

impl BucketValues {
    pub(crate) fn new(nested: &Nested) -> Result<Self, DataFusionError> {
        let converter = match &nested.kind {
            NestedKind::Distinct { .. } => {
                let value = nested.contributions.schema().fields().len() - 2;
                let kind: DataType = nested.contributions.schema().field(value).data_type().clone();
                Some(Arc::new(RowConverter::new(vec![SortField::new(kind)])?))
            }
            NestedKind::Quantiles { .. } => None,
        };
        Ok(Self { rows: Vec::new(), converter })
    }

    /// Takes a batch: the person, the keys, the value, the number of rows.
    pub(crate) fn push(
        &mut self,
        template: &Cells,
        batch: &RecordBatch,
    ) -> Result<(), DataFusionError> {
        let shape = || DataFusionError::Internal("values have another shape".to_owned());
        let persons = batch.column(0).as_primitive_opt::<Int64Type>().ok_or_else(shape)?;
        let keys = template.encode(&batch.columns()[1..=template.keys()])?;
        let values = batch.column(template.keys() + 1);
        let counts = batch.column(template.keys() + 2);
        let counts = counts.as_primitive_opt::<Int64Type>().ok_or_else(shape)?;
        let encoded = match &self.converter {
            Some(converter) => Some(converter.convert_columns(&[Arc::clone(values)])?),
            None => None,
        };
        let bins = values.as_primitive_opt::<Int64Type>();
        for row in 0..batch.num_rows() {
            let key = if template.keys() == 0 { &[][..] } else { keys.row(row).data() };
            if !template.admits(key) {
                continue;
            }
            let value: Box<[u8]> = match (&encoded, bins) {
                (Some(encoded), _) => encoded.row(row).data().into(),
                (None, Some(bins)) => bins.value(row).to_be_bytes().into(),
                (None, None) => return Err(shape()),
            };
            let count = u64::try_from(counts.value(row)).unwrap_or(0);
            self.rows.push(Row { person: persons.value(row), key: key.into(), value, count });
        }
        Ok(())
    }

    /// Bounds every person: at most `groups_max` groups, in each at most `nested.most` values, or
    /// rows; which ones is decided as groups are.
    pub(crate) fn into_values(
        mut self,
        nested: &Nested,
        groups_max: u64,
        choice: Digest,
    ) -> Result<Values, DataFusionError> {
        let groups_max = usize::try_from(groups_max).unwrap_or(usize::MAX);
        self.rows.sort_unstable_by(|a, b| {
            (a.person, &a.key, &a.value).cmp(&(b.person, &b.key, &b.value))
        });
        let mut found = Values::default();
        for person in self.rows.chunk_by(|a, b| a.person == b.person) {
            let mut groups: Vec<&[Row]> = person.chunk_by(|a, b| a.key == b.key).collect();
            if groups.len() > groups_max {
                groups.sort_by_cached_key(|group| rank(choice, group[0].person, &group[0].key));
                groups.truncate(groups_max);
            }
            for group in groups {
                found.count(group, nested, choice)?;
            }
        }
        Ok(found)
    }
}

impl Values {
    fn count(
        &mut self,
        group: &[Row],
        nested: &Nested,
        choice: Digest,
    ) -> Result<(), DataFusionError> {
        let mut order: Vec<&Row> = group.iter().collect();
        let rows: u64 = group.iter().fold(0, |sum, row| sum.saturating_add(row.count));
        if rows > nested.most || order.len() as u64 > nested.most {
            order.sort_by_cached_key(|row| {
                let named = [&row.key[..], &row.value[..]].concat();
                rank(choice, row.person, &named)
            });
        }
        let key = &group[0].key;
        let mut left = nested.most;
        for row in order {
            if left == 0 {
                break;
            }
            match nested.kind {
                NestedKind::Distinct { .. } => {
                    self.distinct.entry(key.clone()).or_default().insert(row.value.clone());
                    left -= 1;
                }
                NestedKind::Quantiles { .. } => {
                    let bin = bin_of(&row.value)?;
                    let counted = row.count.min(left);
                    *self.bins.entry(key.clone()).or_default().entry(bin).or_default() += counted;
                    left -= counted;
                }
            }
        }
        Ok(())
    }

    /// Adds the values of another bucket.
    pub(crate) fn add(&mut self, other: Self) {
        for (key, values) in other.distinct {
            self.distinct.entry(key).or_default().extend(values);
        }
        for (key, bins) in other.bins {
            let own = self.bins.entry(key).or_default();
            for (bin, count) in bins {
                *own.entry(bin).or_default() += count;
            }
        }
    }

    /// The number of distinct values of a group.
    pub(crate) fn distinct(&self, key: &[u8]) -> i128 {
        self.distinct.get(key).map_or(0, |values| values.len() as i128)
    }

    /// The rows of a group by bin.
    pub(crate) fn bins(&self, key: &[u8]) -> BTreeMap<usize, u64> {
        self.bins.get(key).cloned().unwrap_or_default()
    }
}

fn bin_of(value: &[u8]) -> Result<usize, DataFusionError> {
    let bytes = <[u8; 8]>::try_from(value);
    let bin = bytes.ok().and_then(|bytes| usize::try_from(i64::from_be_bytes(bytes)).ok());
    bin.ok_or_else(|| DataFusionError::Internal("a bin is no number".to_owned()))
}
