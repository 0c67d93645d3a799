//! The cells of a result: keys in a canonical encoding, and exact integer totals.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, new_empty_array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;

use crate::aggregate::ExactAggregates;
use crate::privacy::Boundary;

/// Totals by key. Cells made from one template may be added to one another.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    converter: Arc<RowConverter>,
    types: Vec<DataType>,
    columns: usize,
    /// Every declared key; `None` where any key may turn up.
    declared: Option<Arc<BTreeSet<Box<[u8]>>>>,
    totals: BTreeMap<Box<[u8]>, Vec<i128>>,
}

impl Cells {
    /// A template for the cells of a boundary.
    pub(crate) fn new(boundary: &Boundary) -> Result<Self, DataFusionError> {
        let types: Vec<DataType> = boundary.keys.iter().map(|key| key.data_type.clone()).collect();
        let fields = types.iter().cloned().map(SortField::new).collect();
        let converter = Arc::new(RowConverter::new(fields)?);
        let columns = boundary.columns.len();
        let mut cells = Self { converter, types, columns, declared: None, totals: BTreeMap::new() };
        if boundary.persons.is_none() {
            let domains: Vec<&[ScalarValue]> =
                boundary.keys.iter().filter_map(|key| key.domain.as_deref()).collect();
            cells.declared = Some(Arc::new(cells.every_key(&domains)?));
        }
        Ok(cells)
    }

    /// The same cells, all empty; declared keys are there with zeros.
    pub(crate) fn empty(&self) -> Self {
        let zeros = || vec![0; self.columns];
        let totals = match &self.declared {
            Some(keys) => keys.iter().map(|key| (key.clone(), zeros())).collect(),
            None => BTreeMap::new(),
        };
        Self { totals, ..self.clone() }
    }

    /// Number of keys.
    pub(crate) fn keys(&self) -> usize {
        self.types.len()
    }

    /// Encodes key columns.
    pub(crate) fn encode(&self, columns: &[ArrayRef]) -> Result<Rows, DataFusionError> {
        let rows = columns.first().map_or(0, |column| column.len());
        let columns: Vec<ArrayRef> = columns
            .iter()
            .zip(&self.types)
            .map(|(column, kind)| {
                if column.data_type() == kind { Ok(Arc::clone(column)) } else { cast(column, kind) }
            })
            .collect::<Result<_, _>>()?;
        let mut encoded = self.converter.empty_rows(rows, 0);
        self.converter.append(&mut encoded, &columns)?;
        Ok(encoded)
    }

    /// Whether rows of this key are counted at all.
    pub(crate) fn admits(&self, key: &[u8]) -> bool {
        self.declared.as_ref().is_none_or(|keys| keys.contains(key))
    }

    /// Adds one person's bounded totals.
    pub(crate) fn count(
        &mut self,
        key: &[u8],
        totals: impl Iterator<Item = i64>,
    ) -> Result<(), DataFusionError> {
        if !self.totals.contains_key(key) {
            self.totals.insert(key.into(), vec![0; self.columns]);
        }
        if let Some(cell) = self.totals.get_mut(key) {
            for (sum, total) in cell.iter_mut().zip(totals) {
                *sum = sum.checked_add(i128::from(total)).ok_or_else(overflow)?;
            }
        }
        Ok(())
    }

    /// Adds the cells of another bucket.
    pub(crate) fn add(&mut self, other: Self) -> Result<(), DataFusionError> {
        for (key, totals) in other.totals {
            match self.totals.get_mut(&key) {
                None => {
                    self.totals.insert(key, totals);
                }
                Some(cell) => {
                    for (sum, total) in cell.iter_mut().zip(totals) {
                        *sum = sum.checked_add(total).ok_or_else(overflow)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The cells in order of key.
    pub(crate) fn finish(self) -> Result<ExactAggregates, DataFusionError> {
        let parser = self.converter.parser();
        let keys = if self.types.is_empty() {
            vec![]
        } else if self.totals.is_empty() {
            self.types.iter().map(new_empty_array).collect()
        } else {
            self.converter.convert_rows(self.totals.keys().map(|key| parser.parse(key)))?
        };
        let mut columns = vec![Vec::with_capacity(self.totals.len()); self.columns];
        for cell in self.totals.into_values() {
            for (column, total) in columns.iter_mut().zip(cell) {
                column.push(total);
            }
        }
        Ok(ExactAggregates { keys, columns })
    }

    fn every_key(
        &self,
        domains: &[&[ScalarValue]],
    ) -> Result<BTreeSet<Box<[u8]>>, DataFusionError> {
        if domains.is_empty() {
            return Ok(BTreeSet::from([Box::from([])]));
        }
        let count: usize = domains.iter().map(|domain| domain.len()).product();
        let mut columns = Vec::with_capacity(domains.len());
        let mut repeat = count;
        for (domain, kind) in domains.iter().zip(&self.types) {
            repeat = repeat.checked_div(domain.len()).unwrap_or(0);
            let values = (0..count).map(|i| domain[i / repeat.max(1) % domain.len()].clone());
            let column = if count == 0 {
                new_empty_array(kind)
            } else {
                ScalarValue::iter_to_array(values)?
            };
            columns.push(column);
        }
        let rows = self.encode(&columns)?;
        Ok(rows.iter().map(|row| Box::from(row.as_ref())).collect())
    }
}

fn overflow() -> DataFusionError {
    DataFusionError::Execution("a total does not fit its integer".to_owned())
}
