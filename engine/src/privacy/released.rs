//! The table that noisy cells are put in, for what the query does after its aggregates.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, TableReference};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScanBuilder, TableSource};

use crate::perturb::residual::marginal_plan;
use crate::privacy::boundary::Boundary;
use crate::privacy::contributions::NestedKind;

/// Names and types of the noisy cells of one boundary: `cell`, the keys `k0`…, for margins which
/// of them are summed over, the noisy columns `a0`…, the quantiles `q0`….
#[derive(Clone, Debug)]
pub(crate) struct ReleasedTable {
    index: usize,
    schema: SchemaRef,
}

impl ReleasedTable {
    pub(crate) fn new(index: usize, boundary: &Boundary) -> Self {
        let cell = Field::new(CELL, DataType::UInt64, false);
        let keys =
            boundary.keys.iter().map(|key| Field::new(&key.name, key.data_type.clone(), true));
        let in_parts = marginal_plan(boundary).is_some();
        let columns = boundary.columns.iter().enumerate().map(|(i, column)| {
            // Margins that agree exactly are fractions.
            let whole = column.integer && !in_parts;
            let kind = if whole { DataType::Int64 } else { DataType::Float64 };
            Field::new(format!("a{i}"), kind, false)
        });
        let grouping = boundary.margins.as_ref().map(|margins| {
            let kind = match margins.keys {
                0..=8 => DataType::UInt8,
                _ => DataType::UInt16,
            };
            Field::new(GROUPING, kind, false)
        });
        let targets = boundary.nested.iter().flat_map(|nested| match &nested.kind {
            NestedKind::Quantiles { targets, .. } => targets.as_slice(),
            NestedKind::Distinct { .. } => &[],
        });
        let mut targets: Vec<_> = targets.collect();
        targets.sort_unstable_by_key(|target| target.place);
        let quantiles = targets.into_iter().map(|target| {
            let kind = if target.integer { DataType::Int64 } else { DataType::Float64 };
            Field::new(format!("q{}", target.place), kind, true)
        });
        let fields: Vec<Field> = std::iter::once(cell)
            .chain(keys)
            .chain(grouping)
            .chain(columns)
            .chain(quantiles)
            .collect();
        Self { index, schema: Arc::new(Schema::new(fields)) }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The table's name in plans.
    pub(crate) fn name(index: usize) -> String {
        format!("__graunt_released_{index}")
    }

    pub(crate) fn column(&self, name: &str) -> Expr {
        Self::column_of(self.index, name)
    }

    pub(crate) fn column_of(index: usize, name: &str) -> Expr {
        Expr::Column(Column::new(Some(TableReference::bare(Self::name(index))), name))
    }

    /// Which keys are summed over.
    pub(crate) fn grouping(&self) -> Expr {
        self.column(GROUPING)
    }

    /// The expression with the columns of boundary `from` replaced by those of boundary `to`.
    pub(crate) fn moved(expr: Expr, from: usize, to: usize) -> Expr {
        let (old, new) = (Self::name(from), Self::name(to));
        let kept = expr.clone();
        let moved = expr.transform_up(|expr| match expr {
            Expr::Column(column)
                if column.relation.as_ref().is_some_and(|table| table.table() == old) =>
            {
                let table = Some(TableReference::bare(new.as_str()));
                Ok(Transformed::yes(Expr::Column(Column::new(table, column.name))))
            }
            other => Ok(Transformed::no(other)),
        });
        moved.map_or(kept, |done| done.data)
    }

    pub(crate) fn cell(&self) -> Column {
        Column::new(Some(TableReference::bare(Self::name(self.index))), CELL)
    }

    pub(crate) fn scan(&self) -> PlanResult<LogicalPlan> {
        let source = Arc::new(self.clone());
        let name = TableReference::bare(Self::name(self.index));
        Ok(LogicalPlan::TableScan(TableScanBuilder::new(name, source).build()?))
    }
}

impl TableSource for ReleasedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// Which keys a row is summed over.
const GROUPING: &str = "grouping";

/// The number of the noisy row.
pub(crate) const CELL: &str = "cell";
