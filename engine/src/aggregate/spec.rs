//! How the persons of one boundary are bounded: all that the operator needs to know of it, apart
//! from the analysis that decided it.

use std::collections::BTreeSet;

use arrow::array::{ArrayRef, new_empty_array};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use ledger_adapter::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::privacy::boundary::Boundary;
use crate::privacy::contributions::{Bound, NestedKind};

/// The bounds of one boundary, and the key by which groups are kept.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Spec {
    /// Types of the keys.
    pub(crate) keys: Vec<DataType>,
    /// Every declared key, encoded, ascending; `None` where any key may turn up.
    pub(crate) declared: Option<Vec<Box<[u8]>>>,
    /// The columns that are added up.
    pub(crate) columns: Vec<ColumnSpec>,
    /// Most groups that a person counts in: one number, or several to choose from; ascending.
    pub(crate) groups: Vec<u64>,
    /// What needs more than a total per person and group.
    pub(crate) nested: Vec<NestedSpec>,
    /// The columns whose persons are counted once over sites.
    pub(crate) united: Vec<usize>,
    /// Decides which groups of a person are kept.
    pub(crate) choice: Digest,
}

/// How one column of a person is bounded.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct ColumnSpec {
    /// Clamp of the total in one group, in steps of the grid.
    pub(crate) lower: i64,
    pub(crate) upper: i64,
    /// How totals over groups are bounded.
    pub(crate) bound: Bound,
    /// The column that counts the rows of this one, and the most that it may count: a person with
    /// more has the total scaled down to those.
    pub(crate) rows: Option<(usize, i64)>,
}

/// How the values of a person in a group are bounded.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct NestedSpec {
    /// Most rows, or values, of a person that count in one group.
    pub(crate) most: u64,
    /// Whether rows of one value count each, as in a quantile, or once.
    pub(crate) counts_rows: bool,
}

impl Spec {
    /// The bounds of `boundary`. `choice` keys which groups of a person are kept.
    ///
    /// # Errors
    /// If keys have no encoding, which is ours.
    pub(crate) fn of(boundary: &Boundary, choice: Digest) -> Result<Self, DataFusionError> {
        let keys: Vec<DataType> = boundary.keys.iter().map(|key| key.data_type.clone()).collect();
        let declared = if boundary.is_declared {
            let domains: Vec<&[ScalarValue]> =
                boundary.keys.iter().filter_map(|key| key.domain.as_deref()).collect();
            Some(every_key(&keys, &domains)?)
        } else {
            None
        };
        let column = |i: usize| {
            let column = &boundary.columns[i];
            let rows = column.count.filter(|_| column.bound == Bound::Clamp);
            ColumnSpec {
                lower: column.lower,
                upper: column.upper,
                bound: column.bound.clone(),
                rows: rows.map(|count| (count, boundary.columns[count].upper)),
            }
        };
        let nested = boundary.nested.iter().map(|nested| NestedSpec {
            most: nested.most,
            counts_rows: matches!(nested.kind, NestedKind::Quantiles { .. }),
        });
        Ok(Self {
            keys,
            declared,
            columns: (0..boundary.columns.len()).map(column).collect(),
            groups: boundary.groups.clone(),
            nested: nested.collect(),
            united: boundary.united().collect(),
            choice,
        })
    }

    /// Most groups of a person that are looked at.
    pub(crate) fn groups_max(&self) -> usize {
        let most = self.groups.last().copied().unwrap_or(1);
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// The bounds to choose from for a column.
    pub(crate) fn rungs(&self, column: usize) -> &[u64] {
        match &self.columns[column].bound {
            Bound::Clamp => &self.groups,
            Bound::Norm(norms) => norms,
            Bound::Linked { anchor, .. } => self.rungs(*anchor),
        }
    }

    /// Number of exact sums per cell.
    pub(crate) fn slots(&self) -> usize {
        (0..self.columns.len()).map(|column| self.rungs(column).len()).sum()
    }

    /// The bounds that are chosen privately, in the order of the boundary's choices.
    pub(crate) fn choices(&self) -> impl Iterator<Item = &[u64]> {
        let groups = (self.groups.len() > 1).then_some(self.groups.as_slice());
        let norms = self.columns.iter().filter_map(|column| match &column.bound {
            Bound::Norm(norms) => Some(norms.as_slice()),
            _ => None,
        });
        groups.into_iter().chain(norms)
    }
}

/// How keys are written as bytes that sort as they do.
pub(crate) fn converter(types: &[DataType]) -> Result<RowConverter, DataFusionError> {
    Ok(RowConverter::new(types.iter().cloned().map(SortField::new).collect())?)
}

/// Every combination of the domains, encoded.
fn every_key(
    types: &[DataType],
    domains: &[&[ScalarValue]],
) -> Result<Vec<Box<[u8]>>, DataFusionError> {
    if domains.is_empty() {
        return Ok(vec![Box::from([])]);
    }
    let count: usize = domains.iter().map(|domain| domain.len()).product();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(domains.len());
    let mut repeat = count;
    for (domain, kind) in domains.iter().zip(types) {
        repeat = repeat.checked_div(domain.len()).unwrap_or(0);
        let values = (0..count).map(|i| domain[i / repeat.max(1) % domain.len()].clone());
        let column =
            if count == 0 { new_empty_array(kind) } else { ScalarValue::iter_to_array(values)? };
        columns.push(column);
    }
    let rows = converter(types)?.convert_columns(&columns)?;
    let keys: BTreeSet<Box<[u8]>> = rows.iter().map(|row| Box::from(row.as_ref())).collect();
    Ok(keys.into_iter().collect())
}
