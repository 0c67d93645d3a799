//! What one person contributes to one private aggregate, and how it is bounded.
//!
//! # Privacy
//! Neighbours differ in all rows of one person. A contributions plan yields rows that are each
//! made from one person's rows alone, and say whose; an absent person adds nothing. What bounds
//! them is said by [`Bound`], per column, and is enforced by `aggregate`, outside of any plan.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Projection};
use serde::{Deserialize, Serialize};

use crate::error::Rejection;
use crate::privacy::boundary::Key;
use crate::privacy::candidates::Candidates;
use crate::privacy::relation::{Relation, unplanned};

/// One column to be noised.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Contribution {
    /// What it is, for people and receipts.
    pub(crate) label: String,
    /// Clamp of one person's total in one group, in steps of the grid; `lower ≤ 0 ≤ upper`.
    pub(crate) lower: i64,
    pub(crate) upper: i64,
    /// A step of the grid is 10^-decimals.
    pub(crate) decimals: u8,
    /// Whether SQL sees whole numbers.
    pub(crate) integer: bool,
    /// Its part of the noise budget, beside the others'.
    pub(crate) weight: f64,
    pub(crate) bound: Bound,
    /// What a row adds.
    pub(crate) row: Expr,
    /// For a sum that is divided by a count: the column of that count. A person with more rows
    /// than count has the sum scaled down to those that do.
    pub(crate) count: Option<usize>,
}

/// How a person's totals over groups are bounded.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) enum Bound {
    /// In each group the total is clamped to `lower..=upper`; in as many groups as a person counts
    /// in.
    Clamp,
    /// All totals together are scaled down to an L2 norm, which is chosen privately from these;
    /// ascending.
    Norm(Vec<u64>),
    /// Scaled down as the column `anchor` is, whose rows add 1 where this one's add at most `row`.
    Linked {
        /// A column that is bounded by its norm.
        anchor: usize,
        /// Most that one row adds, in steps of the grid.
        row: u64,
    },
}

impl Contribution {
    /// Most that one person can move one cell, in steps of the grid; at least 1.
    pub(crate) fn clamp(&self) -> u64 {
        self.lower.unsigned_abs().max(self.upper.unsigned_abs()).max(1)
    }
}

/// A column that needs more of a person than a total per group: the values themselves.
#[derive(Clone, Debug)]
pub(crate) struct Nested {
    /// What it is, for people and receipts.
    pub(crate) label: String,
    /// Columns: the person, the keys, the value; row by row.
    pub(crate) contributions: LogicalPlan,
    /// Most rows, or values, of a person that count in one group; at least 1.
    pub(crate) most: u64,
    pub(crate) kind: NestedKind,
}

/// What is made of the values.
#[derive(Clone, Debug)]
pub(crate) enum NestedKind {
    /// Their number: column `column` of the noisy ones.
    Distinct {
        /// The column that it becomes.
        column: usize,
    },
    /// Quantiles among public candidates.
    Quantiles {
        candidates: Arc<Candidates>,
        /// Those asked for.
        targets: Vec<Target>,
    },
}

/// A quantile that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    /// As it was asked, for people and receipts.
    pub(crate) label: String,
    /// Its place among all quantiles of the boundary, in the order in which they were asked.
    pub(crate) place: usize,
    pub(crate) rank: Rank,
    /// Whether SQL sees whole numbers.
    pub(crate) integer: bool,
}

/// Where a quantile lies among the rows of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rank {
    /// The least that noise lets be told from none.
    Least,
    /// Above this many thousandths of the rows.
    Thousandths(u16),
    /// The greatest that noise lets be told from none.
    Greatest,
}

impl Rank {
    /// The part of the rows that it is above; none for the extremes.
    pub(crate) fn fraction(self) -> Option<f64> {
        match self {
            Self::Thousandths(p) => Some(f64::from(p) / 1_000.0),
            Self::Least | Self::Greatest => None,
        }
    }
}

/// Names and shapes of one boundary's plans.
pub(crate) struct Shape<'a> {
    pub(crate) input: &'a Relation,
    pub(crate) unit: &'a Column,
    pub(crate) keys: &'a [(Key, Expr)],
}

impl Shape<'_> {
    /// For each row: the person, the keys, and what it adds to each column.
    pub(crate) fn contributions(&self, columns: &[Contribution]) -> Result<LogicalPlan, Rejection> {
        let rows = columns.iter().enumerate();
        let rows = rows.map(|(i, c)| c.row.clone().alias(format!("v{i}")));
        self.rows(self.input.plan.clone(), rows.collect())
    }

    /// For each row: the person, the keys, and a value. Rows without a value, and those that
    /// `filter` does not hold for, are left out.
    pub(crate) fn values(
        &self,
        value: Expr,
        filter: Option<Expr>,
    ) -> Result<LogicalPlan, Rejection> {
        let present = value.clone().is_not_null();
        let wanted = match filter {
            Some(filter) => present.and(filter.is_true()),
            None => present,
        };
        let input =
            Filter::try_new(wanted, Arc::new(self.input.plan.clone())).map_err(unplanned)?;
        self.rows(LogicalPlan::Filter(input), vec![value.alias("v")])
    }

    fn rows(&self, input: LogicalPlan, values: Vec<Expr>) -> Result<LogicalPlan, Rejection> {
        let mut exprs = vec![Expr::Column(self.unit.clone()).alias(PERSON)];
        let keys = self.keys.iter();
        exprs.extend(keys.map(|(key, expr)| expr.clone().unalias().alias(&key.name)));
        exprs.extend(values);
        Projection::try_new(exprs, Arc::new(input)).map(LogicalPlan::Projection).map_err(unplanned)
    }
}

/// The person's column in the contributions.
const PERSON: &str = "__graunt_person";
