//! Joins: private records meet person to person, or not at all.

use std::sync::Arc;

use datafusion::common::{Column, NullEquality, ScalarValue};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, Operator, Projection};

use crate::error::{Code, Rejection};
use crate::privacy::facts::{Facts, Scope};
use crate::privacy::narrow::narrow;
use crate::privacy::relation::{Analysis, Kind, Relation, column_of, columns_of, unplanned};

impl Analysis<'_> {
    pub(crate) fn join(&mut self, join: &Join) -> Result<Relation, Rejection> {
        let mut left = self.relation(&join.left)?;
        let mut right = self.relation(&join.right)?;
        let kind = kind(join, &left, &right)?;
        let private = matches!(kind, Kind::PerPerson { .. });
        if private && matches!(left.kind, Kind::Public) {
            left = self.settled(left, false)?;
        }
        if private && matches!(right.kind, Kind::Public) {
            right = self.settled(right, false)?;
        }
        let released = matches!(kind, Kind::Released { .. });
        let either = match (join.join_type, &left.kind, &right.kind) {
            (
                JoinType::Full,
                Kind::PerPerson { units: left, .. },
                Kind::PerPerson { units: right, .. },
            ) => Some((left[0].clone(), right[0].clone())),
            _ => None,
        };
        let facts = facts(join.join_type, &left, &right);
        let mut conjuncts: Vec<Expr> = join
            .on
            .iter()
            .map(|(a, b)| a.clone().eq(b.clone()))
            .chain(join.filter.clone().into_iter().flat_map(split_conjunction_owned))
            .collect();
        let both = left.plan.schema().join(right.plan.schema()).map_err(unplanned)?;
        let every: Vec<Facts> = left.facts.iter().chain(&right.facts).cloned().collect();
        let scope = Scope { schema: &both, facts: &every };
        for conjunct in &mut conjuncts {
            *conjunct = if private {
                self.person_expr(conjunct, scope)?
            } else {
                self.free_expr(conjunct, released)?
            };
        }
        let condition = conjunction(conjuncts);
        let facts = match &condition {
            Some(predicate) if facts.len() == every.len() && join.join_type == JoinType::Inner => {
                narrow(predicate, Scope { schema: &both, facts: &facts })
            }
            _ => facts,
        };
        let plan = Join::try_new(
            Arc::new(left.plan),
            Arc::new(right.plan),
            vec![],
            condition,
            join.join_type,
            datafusion::common::JoinConstraint::On,
            join.null_equality,
            join.null_aware,
        );
        let relation = Relation { plan: LogicalPlan::Join(plan.map_err(unplanned)?), facts, kind };
        match either {
            Some(persons) if private => self.of_either(relation, persons),
            _ => Ok(relation),
        }
    }

    /// After a full join, the person of a row is that of the side which has one.
    fn of_either(
        &mut self,
        relation: Relation,
        (left, right): (Column, Column),
    ) -> Result<Relation, Rejection> {
        let Kind::PerPerson { rows_max, .. } = relation.kind else { return Ok(relation) };
        let mut exprs = columns_of(&relation.plan, relation.plan.schema().fields().len());
        let name = self.hidden_name();
        let sides = vec![Expr::Column(left), Expr::Column(right)];
        exprs.push(coalesce(sides).alias(&name));
        let mut facts = relation.facts;
        facts.push(Facts { person: true, ..Facts::default() });
        let plan = Projection::try_new(exprs, Arc::new(relation.plan)).map_err(unplanned)?;
        let units = vec![Column::from_name(name)];
        let kind = Kind::PerPerson { units, rows_max };
        Ok(Relation { plan: LogicalPlan::Projection(plan), facts, kind })
    }
}

/// What joining relations of these kinds makes.
fn kind(join: &Join, left: &Relation, right: &Relation) -> Result<Kind, Rejection> {
    use JoinType::{Full, Inner, Left, LeftAnti, LeftMark, LeftSemi, Right, RightAnti, RightSemi};
    let keeps_left = matches!(join.join_type, Inner | Left | LeftSemi | LeftAnti | LeftMark);
    let keeps_right = matches!(join.join_type, Inner | Right | RightSemi | RightAnti);
    match (&left.kind, &right.kind) {
        (Kind::PerPerson { units: a, rows_max: m }, Kind::PerPerson { units: b, rows_max: n }) => {
            if !joined_on_person(join, left, right) {
                return Err(no_person_key(a, b));
            }
            let rows_max = match join.join_type {
                LeftSemi | LeftAnti | LeftMark => *m,
                RightSemi | RightAnti => *n,
                // Rows of a person who is on one side only count too.
                _ => (*m).max(1).saturating_mul((*n).max(1)),
            };
            let units = match join.join_type {
                Inner => a.iter().chain(b).cloned().collect(),
                Left | LeftSemi | LeftAnti | LeftMark => a.clone(),
                // The person of a row is the one of either side; `of_either` adds a column for it.
                Full => vec![],
                Right | RightSemi | RightAnti => b.clone(),
                other => {
                    let reason = format!("{other} joins of records have no rule");
                    return Err(Rejection::new(Code::Operator, reason)
                        .hint("use INNER, LEFT, RIGHT or FULL JOIN"));
                }
            };
            Ok(Kind::PerPerson { units, rows_max })
        }
        (person @ Kind::PerPerson { .. }, Kind::Public) if keeps_left => Ok(person.clone()),
        (Kind::Public, person @ Kind::PerPerson { .. }) if keeps_right => Ok(person.clone()),
        (Kind::PerPerson { .. }, Kind::Public) | (Kind::Public, Kind::PerPerson { .. }) => {
            Err(Rejection::new(
                Code::JoinOuter,
                "this join keeps public rows that no record matches, and so shows which have none",
            )
            .at("JOIN")
            .hint("keep the records' side: INNER JOIN, or LEFT JOIN from the records"))
        }
        (Kind::PerPerson { .. }, Kind::Released { .. })
        | (Kind::Released { .. }, Kind::PerPerson { .. }) => Err(Rejection::new(
            Code::JoinReleased,
            "records are joined with an answer that was made from records",
        )
        .at("JOIN")
        .hint("ask for the answer first, then write its values into the second query")),
        (Kind::Public, Kind::Public) => Ok(Kind::Public),
        (left, right) => {
            let cells = |kind: &Kind| match kind {
                Kind::Released { cells } => cells.clone(),
                _ => vec![],
            };
            let cells = match join.join_type {
                LeftSemi | LeftAnti => cells(left),
                RightSemi | RightAnti => cells(right),
                _ => [cells(left), cells(right)].concat(),
            };
            Ok(Kind::Released { cells })
        }
    }
}

/// Whether the join demands that a person of the left is the person of the right. A column that
/// is the row's person or null will do: null equals nothing.
fn joined_on_person(join: &Join, left: &Relation, right: &Relation) -> bool {
    let holds = |expr: &Expr, side: &Relation| {
        let Kind::PerPerson { units, .. } = &side.kind else { return false };
        column_of(expr).is_some_and(|column| {
            let known = side.scope().column(column).is_some_and(|facts| facts.person);
            units.contains(column) || (known && nulls_never_match(join))
        })
    };
    let pair = |a: &Expr, b: &Expr| {
        (holds(a, left) && holds(b, right)) || (holds(b, left) && holds(a, right))
    };
    let in_filter = |conjunct: &Expr| match conjunct {
        Expr::BinaryExpr(binary) if binary.op == Operator::Eq => pair(&binary.left, &binary.right),
        _ => false,
    };
    join.on.iter().any(|(a, b)| pair(a, b))
        || join.filter.clone().is_some_and(|f| split_conjunction_owned(f).iter().any(in_filter))
}

fn nulls_never_match(join: &Join) -> bool {
    join.null_equality == NullEquality::NullEqualsNothing
}

fn no_person_key(left: &[Column], right: &[Column]) -> Rejection {
    let shown = |units: &[Column]| units[0].flat_name();
    let (a, b) = (shown(left), shown(right));
    let name = |unit: &Column| unit.relation.as_ref().map(|r| r.table().to_owned());
    let keys = if a.contains("__graunt_") || b.contains("__graunt_") {
        "select the person on both sides and add its equality to the join".to_owned()
    } else {
        format!("add {a} = {b} to the join")
    };
    let plural = match (name(&left[0]), name(&right[0])) {
        (Some(l), Some(r)) => format!("{l} and {r} are"),
        _ => "records are".to_owned(),
    };
    Rejection::new(
        Code::JoinPerson,
        format!(
            "{plural} joined without the person key (person_id), so rows of different persons \
             meet: one person could change the answer without limit"
        ),
    )
    .at(right[0].relation.as_ref().map_or("JOIN", |r| r.table()).to_owned())
    .hint(keys)
}

/// The column that says whether a row has a match.
fn mark() -> Facts {
    let values = [false, true].map(|is| ScalarValue::Boolean(Some(is)));
    Facts { domain: Some(values.to_vec()), nullable: true, ..Facts::default() }
}

/// Facts of the joined columns: what an outer join may leave empty is nullable, and no longer
/// the same for all rows of a person.
fn facts(kind: JoinType, left: &Relation, right: &Relation) -> Vec<Facts> {
    let optional = |facts: &[Facts]| -> Vec<Facts> {
        let loosen = |f: &Facts| Facts { nullable: true, constant: false, ..f.clone() };
        facts.iter().map(loosen).collect()
    };
    let free = |relation: &Relation| -> Vec<Facts> {
        // A public column is one person's only if that person has one row.
        let public = matches!(relation.kind, Kind::Public);
        let loosen = |f: &Facts| Facts { constant: f.constant && !public, ..f.clone() };
        relation.facts.iter().map(loosen).collect()
    };
    match kind {
        JoinType::LeftSemi | JoinType::LeftAnti => left.facts.clone(),
        JoinType::LeftMark => [left.facts.clone(), vec![mark()]].concat(),
        JoinType::RightSemi | JoinType::RightAnti => right.facts.clone(),
        JoinType::RightMark => [right.facts.clone(), vec![mark()]].concat(),
        JoinType::Left => [free(left), optional(&right.facts)].concat(),
        JoinType::Right => [optional(&left.facts), free(right)].concat(),
        JoinType::Full => [optional(&left.facts), optional(&right.facts)].concat(),
        JoinType::Inner => [free(left), free(right)].concat(),
    }
}
