//! Public parts of a private plan are computed once, before the charge.
//!
//! A public expression may fail, or take long, and whether it is reached at all may depend on a
//! person's record. Computed beforehand, it depends on nothing private.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, TableScanBuilder, TableSource};

use crate::error::Rejection;
use crate::privacy::calendar::kept_within;
use crate::privacy::relation::{Analysis, Relation, named, unplanned};

/// A public part: what computes it, and whether it must be one row at most.
#[derive(Debug)]
pub(crate) struct PublicPart {
    pub(crate) plan: LogicalPlan,
    pub(crate) single: bool,
}

impl PublicPart {
    /// The table that takes the place of part `index`.
    pub(crate) fn name(index: usize) -> String {
        format!("__graunt_public_{index}")
    }
}

impl Analysis<'_> {
    /// Puts a table in the place of a public relation, unless it is a table already.
    pub(crate) fn settled(
        &mut self,
        relation: Relation,
        single: bool,
    ) -> Result<Relation, Rejection> {
        let plain = !single && !relation.plan.exists(computes).map_err(unplanned)?;
        if plain {
            return Ok(relation);
        }
        let name = PublicPart::name(self.publics.len());
        let schema = Arc::clone(relation.plan.schema());
        let columns: Vec<Column> = schema.iter().map(Column::from).collect();
        // Dates of tables keep to the calendar; computed ones are made to.
        let kept = |column: &Column, kind: &DataType| {
            let column = Expr::Column(column.clone());
            if is_date(kind) { kept_within(column) } else { column }
        };
        let types = schema.fields().iter().map(|field| field.data_type());
        let numbered = columns.iter().zip(types).enumerate();
        let numbered = numbered.map(|(i, (c, kind))| kept(c, kind).alias(format!("c{i}")));
        let plan = Projection::try_new(numbered.collect(), Arc::new(relation.plan));
        let plan = LogicalPlan::Projection(plan.map_err(unplanned)?);
        let fields = plan
            .schema()
            .fields()
            .iter()
            .map(|field| Field::new(field.name(), field.data_type().clone(), true));
        let source =
            Arc::new(SettledTable { schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())) });
        let table = TableReference::bare(name);
        let scan = TableScanBuilder::new(table.clone(), source).build().map_err(unplanned)?;
        let exprs = schema.iter().enumerate().map(|(i, (qualifier, field))| {
            let column = Expr::Column(Column::new(Some(table.clone()), format!("c{i}")));
            named(column, qualifier, field.name())
        });
        let scan = Projection::try_new(exprs.collect(), Arc::new(LogicalPlan::TableScan(scan)));
        self.publics.push(PublicPart { plan, single });
        let plan = LogicalPlan::Projection(scan.map_err(unplanned)?);
        Ok(Relation { plan, ..relation })
    }
}

/// Whether a step of a plan computes anything, and so might fail.
fn computes(node: &LogicalPlan) -> datafusion::error::Result<bool> {
    Ok(!matches!(node, LogicalPlan::TableScan(_) | LogicalPlan::SubqueryAlias(_)))
}

/// Whether values of a type are dates or moments.
const fn is_date(kind: &DataType) -> bool {
    matches!(kind, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
}

/// Whether an expression has a subquery in it.
pub(crate) fn has_subquery(expr: &Expr) -> bool {
    let mut found = false;
    let looked = expr.apply(|inner| {
        found |= matches!(
            inner,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_)
        );
        Ok(TreeNodeRecursion::Continue)
    });
    found || looked.is_err()
}

/// Names and types of a public part.
#[derive(Debug)]
struct SettledTable {
    schema: SchemaRef,
}

impl TableSource for SettledTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
