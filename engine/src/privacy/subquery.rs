//! Rules for expressions over rows, and for the subqueries within them.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, Projection, Subquery};

use crate::error::{Code, Rejection};
use crate::privacy::facts::Scope;
use crate::privacy::relation::{Analysis, Kind, Relation, column_of, columns_of, unplanned};
use crate::privacy::settled::has_subquery;
use crate::privacy::total::{divided, total};

impl Analysis<'_> {
    /// An expression over the rows of `input`: made total if they are persons' rows.
    pub(crate) fn row_expr(&mut self, expr: &Expr, input: &Relation) -> Result<Expr, Rejection> {
        match input.kind {
            Kind::PerPerson { ref units, .. } => {
                let expr = self.person_expr(expr, input.scope())?;
                Ok(if is_either_person(&expr, input) {
                    Expr::Column(units[0].clone())
                } else {
                    expr
                })
            }
            Kind::Public => self.free_expr(expr, false),
            Kind::Released { .. } => Ok(divided(self.free_expr(expr, true)?, input.plan.schema())),
        }
    }

    /// An expression over persons' rows.
    pub(crate) fn person_expr(&mut self, expr: &Expr, scope: Scope<'_>) -> Result<Expr, Rejection> {
        let expr = self.with_subqueries(expr, Around::Persons)?;
        total(&expr, scope)
    }

    /// An argument of an aggregate over persons' rows; it has no subquery.
    pub(crate) fn argument(&mut self, expr: &Expr, input: &Relation) -> Result<Expr, Rejection> {
        if has_subquery(expr) {
            return Err(Rejection::new(
                Code::Subquery,
                "a subquery within an aggregate has no rule",
            )
            .hint("put it into WHERE, or into a subquery below the aggregate"));
        }
        self.row_expr(expr, input)
    }

    /// An expression over public or released rows.
    pub(crate) fn free_expr(&mut self, expr: &Expr, released: bool) -> Result<Expr, Rejection> {
        self.with_subqueries(expr, if released { Around::Released } else { Around::Public })
    }

    /// Analyses the subqueries within an expression and puts their rewritten plans in place.
    fn with_subqueries(&mut self, expr: &Expr, around: Around) -> Result<Expr, Rejection> {
        let mut refused = None;
        let done = expr.clone().transform_up(|expr| {
            let (Expr::ScalarSubquery(subquery)
            | Expr::InSubquery(InSubquery { subquery, .. })
            | Expr::Exists(Exists { subquery, .. })) = &expr
            else {
                return Ok(Transformed::no(expr));
            };
            let single = matches!(expr, Expr::ScalarSubquery(_));
            match self.subquery(subquery, around, single) {
                Ok(plan) => Ok(Transformed::yes(replaced(expr, plan))),
                Err(rejection) => {
                    refused = Some(rejection);
                    Err(DataFusionError::Plan("refused".to_owned()))
                }
            }
        });
        match (done, refused) {
            (_, Some(rejection)) => Err(rejection),
            (Ok(done), None) => Ok(done.data),
            (Err(error), None) => Err(unplanned(error)),
        }
    }

    fn subquery(
        &mut self,
        subquery: &Subquery,
        around: Around,
        single: bool,
    ) -> Result<LogicalPlan, Rejection> {
        if !subquery.outer_ref_columns.is_empty() {
            return Err(Rejection::new(Code::Subquery, "a correlated subquery has no rule yet")
                .hint("write it as a join on the person, or as person IN (SELECT person …)"));
        }
        let visible = subquery.subquery.schema().fields().len();
        let inner = self.relation(&subquery.subquery)?;
        match inner.kind {
            Kind::Public if around == Around::Persons => Ok(self.settled(inner, single)?.plan),
            Kind::Public => Ok(inner.plan),
            Kind::Released { .. } if around == Around::Released => {
                let exprs = columns_of(&inner.plan, visible);
                let plan = Projection::try_new(exprs, Arc::new(inner.plan)).map_err(unplanned)?;
                Ok(LogicalPlan::Projection(plan))
            }
            Kind::Released { .. } => Err(Rejection::new(
                Code::JoinReleased,
                "an answer that was made from records is used before the records are aggregated",
            )
            .hint("ask for the answer first, then write its value into the second query")),
            Kind::PerPerson { .. } => Err(Rejection::new(
                Code::Subquery,
                "a subquery over records may be compared with the person only",
            )
            .hint("for instance WHERE person_id IN (SELECT person_id FROM …)")),
        }
    }

    /// `person IN (SELECT person …)` over persons' rows becomes a semi-join on the person; says
    /// whether `conjunct` was one.
    pub(crate) fn person_subquery(
        &mut self,
        conjunct: &Expr,
        input: Relation,
    ) -> Result<(Relation, bool), Rejection> {
        let Expr::InSubquery(InSubquery { expr, subquery, negated }) = conjunct else {
            return Ok((input, false));
        };
        let Kind::PerPerson { units, .. } = &input.kind else { return Ok((input, false)) };
        // A column that is the person or null matches the person only; but null is not NOT IN.
        let known = |column: &Column| {
            !negated && input.scope().column(column).is_some_and(|facts| facts.person)
        };
        let asked = column_of(expr).filter(|column| units.contains(column) || known(column));
        let Some(asked) = asked.cloned().filter(|_| subquery.outer_ref_columns.is_empty()) else {
            return Ok((input, false));
        };
        let inner = self.relation(&subquery.subquery)?;
        let Kind::PerPerson { units: theirs, .. } = &inner.kind else { return Ok((input, false)) };
        let selected = columns_of(&inner.plan, 1);
        if !selected.first().and_then(column_of).is_some_and(|column| theirs.contains(column)) {
            return Err(Rejection::new(
                Code::JoinPerson,
                "the person is compared with a column that is not the person",
            )
            .at("IN")
            .hint("select the person in the subquery"));
        }
        // A name of its own keeps the two sides' columns apart.
        let name = self.hidden_name();
        let inner =
            datafusion::logical_expr::SubqueryAlias::try_new(Arc::new(inner.plan), name.as_str())
                .map_err(unplanned)?;
        let theirs = columns_of(&LogicalPlan::SubqueryAlias(inner.clone()), 1).remove(0);
        let on = vec![(Expr::Column(asked), theirs)];
        let kind = if *negated { JoinType::LeftAnti } else { JoinType::LeftSemi };
        let join = semi_join(input.plan, LogicalPlan::SubqueryAlias(inner), on, kind)?;
        Ok((Relation { plan: join, facts: input.facts, kind: input.kind }, true))
    }
}

/// Whether an expression is the first that is there of columns which hold the row's person.
fn is_either_person(expr: &Expr, input: &Relation) -> bool {
    let Expr::ScalarFunction(function) = expr.clone().unalias() else { return false };
    let scope = input.scope();
    let holds = |arg: &Expr| {
        column_of(arg).and_then(|column| scope.column(column)).is_some_and(|facts| facts.person)
    };
    function.name() == "coalesce" && function.args.iter().all(holds)
}

/// Whose rows an expression is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Around {
    Persons,
    Public,
    Released,
}

fn semi_join(
    left: LogicalPlan,
    right: LogicalPlan,
    on: Vec<(Expr, Expr)>,
    kind: JoinType,
) -> Result<LogicalPlan, Rejection> {
    let constraint = datafusion::common::JoinConstraint::On;
    let nulls = datafusion::common::NullEquality::NullEqualsNothing;
    Join::try_new(Arc::new(left), Arc::new(right), on, None, kind, constraint, nulls, false)
        .map(LogicalPlan::Join)
        .map_err(unplanned)
}

fn replaced(expr: Expr, plan: LogicalPlan) -> Expr {
    let put = |subquery: Subquery| subquery.with_plan(Arc::new(plan));
    match expr {
        Expr::ScalarSubquery(subquery) => Expr::ScalarSubquery(put(subquery)),
        Expr::InSubquery(mut inner) => {
            inner.subquery = put(inner.subquery);
            Expr::InSubquery(inner)
        }
        Expr::Exists(mut inner) => {
            inner.subquery = put(inner.subquery);
            Expr::Exists(inner)
        }
        other => other,
    }
}
