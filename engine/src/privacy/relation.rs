//! The privacy type of every relation in a plan, rule by rule.
//!
//! A relation is public, or belongs to persons row by row, or is already released. A rule says
//! what an operator makes of the types of its inputs; an operator without a rule is refused.
//! Two columns are threaded through the plan where the query does not select them: the person's
//! pseudonym through private relations, so that rows never lose their owner, and the number of
//! the noisy cell through released ones, so that intervals find the noise.

use std::sync::Arc;

use datafusion::common::{Column, TableReference};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    Distinct, Expr, Filter, LogicalPlan, Projection, SubqueryAlias, Union,
};
use ledger_adapter::manifest::Rows;

use crate::catalog::Catalog;
use crate::error::{Code, Rejection};
use crate::privacy::boundary::{Boundary, Names, renumbered};
use crate::privacy::facts::{Facts, Scope};
use crate::privacy::narrow::narrow;
use crate::privacy::settled::{PublicPart, has_subquery};
use crate::privacy::total::divided;

/// Contribution bounds that the query gives instead of the policy's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ContributionBounds {
    /// Most rows of one person that count in one group.
    pub rows_per_person: Option<u32>,
    /// Most groups that one person counts in.
    pub groups_per_person: Option<u32>,
    /// Fewest persons of a group that is shown; 0 if any number will do.
    pub persons_min: u32,
    /// Most sites that one person may be at, where each site bounds its persons and adds them up on
    /// its own; `None` where the records of all sites are read together.
    pub sites_per_person: Option<u32>,
}

/// A plan with its privacy type.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    pub(crate) plan: LogicalPlan,
    /// One per column of the plan, threaded ones included.
    pub(crate) facts: Vec<Facts>,
    pub(crate) kind: Kind,
}

/// Whose rows a relation holds.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Nobody's.
    Public,
    /// Every row is one person's.
    PerPerson {
        /// Columns that hold the person's pseudonym, all equal; not empty.
        units: Vec<Column>,
        /// Most rows of one person that count.
        rows_max: u64,
    },
    /// Made from noisy values only; `cells` number the noisy rows that they come from.
    Released {
        /// Threaded columns.
        cells: Vec<Column>,
    },
}

impl Kind {
    /// Whose rows they are, for people.
    fn told(&self) -> String {
        match self {
            Self::Public => "public".to_owned(),
            Self::PerPerson { rows_max, .. } => {
                format!("per person, at most {rows_max} row(s) of each")
            }
            Self::Released { .. } => "released: noisy values only".to_owned(),
        }
    }
}

impl Relation {
    pub(crate) fn scope(&self) -> Scope<'_> {
        Scope { schema: self.plan.schema(), facts: &self.facts }
    }
}

/// One analysis of one query.
#[derive(Debug)]
pub(crate) struct Analysis<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) bounds: ContributionBounds,
    /// The private aggregates found so far; each is noised on its own.
    pub(crate) boundaries: Vec<Boundary>,
    /// Public parts, to be computed before the charge.
    pub(crate) publics: Vec<PublicPart>,
    /// What each operator is, for people; one line each, inputs below.
    pub(crate) trace: Vec<String>,
    pub(crate) names: Names,
    depth: usize,
    hidden: usize,
}

impl<'a> Analysis<'a> {
    pub(crate) fn new(catalog: &'a Catalog, bounds: ContributionBounds, names: Names) -> Self {
        let (boundaries, publics, trace) = (Vec::new(), Vec::new(), Vec::new());
        Self { catalog, bounds, boundaries, publics, trace, names, depth: 0, hidden: 0 }
    }

    /// The privacy type of `plan`, and the plan that computes it.
    ///
    /// # Errors
    /// The code of the first rule that is broken.
    pub(crate) fn relation(&mut self, plan: &LogicalPlan) -> Result<Relation, Rejection> {
        let line = self.trace.len();
        self.trace.push(String::new());
        self.depth += 1;
        let made = self.typed(plan);
        self.depth -= 1;
        if let Ok(relation) = &made {
            let indent = "  ".repeat(self.depth);
            self.trace[line] = format!("{indent}{}: {}", shown(plan), relation.kind.told());
        }
        made
    }

    fn typed(&mut self, plan: &LogicalPlan) -> Result<Relation, Rejection> {
        match plan {
            LogicalPlan::TableScan(scan) => self.table(plan, scan.table_name.table()),
            LogicalPlan::Projection(projection) => self.project(projection),
            LogicalPlan::Filter(filter) => self.filter(filter),
            LogicalPlan::SubqueryAlias(alias) => self.alias(alias),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Subquery(subquery) if subquery.outer_ref_columns.is_empty() => {
                self.relation(&subquery.subquery)
            }
            LogicalPlan::Subquery(_) => {
                Err(Rejection::new(Code::Subquery, "LATERAL has no rule yet").at("LATERAL"))
            }
            LogicalPlan::Union(union) => self.union(plan, union),
            LogicalPlan::Distinct(distinct) => self.distinct(plan, distinct),
            LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => Ok(public(plan.clone())),
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
                let input = self.relation(&sort.input)?;
                match input.kind {
                    // The order of rows has no meaning before they are aggregated.
                    Kind::PerPerson { .. } => Ok(input),
                    _ => self.after(plan, vec![input], true),
                }
            }
            LogicalPlan::Limit(limit) => {
                let input = self.relation(&limit.input)?;
                let mut limits = limit.skip.iter().chain(&limit.fetch);
                if limits.any(|expr| has_subquery(expr)) {
                    let reason = "a LIMIT that is computed has no rule";
                    return Err(Rejection::new(Code::Operator, reason).at("LIMIT"));
                }
                match input.kind {
                    Kind::PerPerson { .. } => Err(Rejection::new(
                        Code::LimitRows,
                        "which rows a LIMIT keeps depends on other persons' rows",
                    )
                    .at("LIMIT")
                    .hint("aggregate first, then LIMIT the groups")),
                    _ => self.after(plan, vec![input], true),
                }
            }
            LogicalPlan::Window(window) => self.window(window),
            other => {
                let name = other.display().to_string();
                let name = name.split([':', ' ']).next().unwrap_or_default().to_owned();
                Err(Rejection::new(Code::Operator, format!("{name} has no rule")))
            }
        }
    }

    fn table(&self, plan: &LogicalPlan, name: &str) -> Result<Relation, Rejection> {
        let Some(spec) = self.catalog.table(name) else {
            return Err(Rejection::new(Code::Table, format!("there is no table {name}")).at(name));
        };
        let (single, kind) = match &spec.rows {
            Rows::Public => (false, Kind::Public),
            Rows::PerPerson { unit, rows_per_person_max } => {
                let index = plan.schema().index_of_column_by_name(None, unit);
                let Some(index) = index else {
                    let reason = format!("{name} is scanned without its person");
                    return Err(Rejection::new(Code::Operator, reason));
                };
                let unit = Column::from(plan.schema().qualified_field(index));
                let rows_max = u64::from(*rows_per_person_max);
                (rows_max == 1, Kind::PerPerson { units: vec![unit], rows_max })
            }
        };
        let person = |name: &str| spec.unit() == Some(name);
        let facts = spec
            .columns
            .iter()
            .map(|c| Facts { person: person(&c.name), ..Facts::of_column(c, single) })
            .collect();
        Ok(Relation { plan: plan.clone(), facts, kind })
    }

    fn alias(&mut self, alias: &SubqueryAlias) -> Result<Relation, Rejection> {
        let input = self.relation(&alias.input)?;
        let under = |columns: Vec<Column>| -> Vec<Column> {
            columns.into_iter().map(|c| Column::new(Some(alias.alias.clone()), c.name)).collect()
        };
        let kind = match input.kind {
            Kind::Public => Kind::Public,
            Kind::PerPerson { units, rows_max } => {
                Kind::PerPerson { units: under(units), rows_max }
            }
            Kind::Released { cells } => Kind::Released { cells: under(cells) },
        };
        let plan = SubqueryAlias::try_new(Arc::new(input.plan), alias.alias.clone());
        Ok(Relation {
            plan: LogicalPlan::SubqueryAlias(plan.map_err(unplanned)?),
            facts: input.facts,
            kind,
        })
    }

    fn project(&mut self, projection: &Projection) -> Result<Relation, Rejection> {
        let input = self.relation(&projection.input)?;
        let mut exprs = Vec::with_capacity(projection.expr.len() + 1);
        for (expr, (qualifier, field)) in projection.expr.iter().zip(projection.schema.iter()) {
            let expr = self.row_expr(expr, &input)?;
            exprs.push(named(expr, qualifier, field.name()));
        }
        self.projected(input, exprs)
    }

    /// Projects `exprs`, threading the person or the cells through where they are not selected.
    pub(crate) fn projected(
        &mut self,
        input: Relation,
        mut exprs: Vec<Expr>,
    ) -> Result<Relation, Rejection> {
        let threaded: Vec<Column> = match &input.kind {
            Kind::Public => vec![],
            Kind::PerPerson { units, .. } => {
                let selected = |expr: &Expr| column_of(expr).is_some_and(|c| units.contains(c));
                if exprs.iter().any(selected) { vec![] } else { vec![units[0].clone()] }
            }
            Kind::Released { cells } => cells.clone(),
        };
        let visible = exprs.len();
        for column in &threaded {
            exprs.push(Expr::Column(column.clone()).alias(self.hidden_name()));
        }
        let facts = input.scope().all(&exprs);
        let plan = Projection::try_new(exprs.clone(), Arc::new(input.plan)).map_err(unplanned)?;
        let output = |i: usize| Column::from(plan.schema.qualified_field(i));
        let kind = match input.kind {
            Kind::Public => Kind::Public,
            Kind::PerPerson { units, rows_max } => {
                let is_unit = |expr: &Expr| column_of(expr).is_some_and(|c| units.contains(c));
                let units = (0..exprs.len()).filter(|i| is_unit(&exprs[*i])).map(output).collect();
                Kind::PerPerson { units, rows_max }
            }
            Kind::Released { .. } => {
                Kind::Released { cells: (visible..exprs.len()).map(output).collect() }
            }
        };
        Ok(Relation { plan: LogicalPlan::Projection(plan), facts, kind })
    }

    fn filter(&mut self, filter: &Filter) -> Result<Relation, Rejection> {
        let mut input = self.relation(&filter.input)?;
        let mut kept: Option<Expr> = None;
        for conjunct in datafusion::logical_expr::utils::split_conjunction(&filter.predicate) {
            let semi;
            (input, semi) = self.person_subquery(conjunct, input)?;
            if semi {
                continue;
            }
            let conjunct = self.row_expr(conjunct, &input)?;
            kept = Some(match kept {
                Some(before) => before.and(conjunct),
                None => conjunct,
            });
        }
        let Some(predicate) = kept else { return Ok(input) };
        let facts = narrow(&predicate, input.scope());
        let plan = Filter::try_new(predicate, Arc::new(input.plan)).map_err(unplanned)?;
        Ok(Relation { plan: LogicalPlan::Filter(plan), facts, kind: input.kind })
    }

    fn union(&mut self, plan: &LogicalPlan, union: &Union) -> Result<Relation, Rejection> {
        let mut inputs = Vec::with_capacity(union.inputs.len());
        for input in &union.inputs {
            inputs.push(self.relation(input)?);
        }
        if !inputs.iter().any(|input| matches!(input.kind, Kind::PerPerson { .. })) {
            return self.after(plan, inputs, false);
        }
        let unit = self.hidden_name();
        let visible = plan.schema().fields().len();
        let mut parts = Vec::with_capacity(inputs.len());
        let mut rows = 0u64;
        let mut facts: Vec<Facts> = Vec::new();
        // Columns that hold the person in every part hold the person in the whole.
        let mut persons: Vec<usize> = (0..=visible).collect();
        for input in inputs {
            let Kind::PerPerson { units, rows_max } = &input.kind else {
                let reason = "a UNION of records with rows that are nobody's";
                return Err(Rejection::new(Code::Operator, reason).at("UNION"));
            };
            rows = rows.saturating_add(*rows_max);
            let mut exprs = columns_of(&input.plan, visible);
            exprs.push(Expr::Column(units[0].clone()).alias(&unit));
            persons.retain(|i| column_of(&exprs[*i]).is_some_and(|c| units.contains(c)));
            let own = input.scope().all(&exprs);
            facts = if facts.is_empty() { own } else { merged(&facts, &own) };
            let part = Projection::try_new(exprs, Arc::new(input.plan)).map_err(unplanned)?;
            parts.push(Arc::new(LogicalPlan::Projection(part)));
        }
        let union = Union::try_new_with_loose_types(parts).map_err(unplanned)?;
        let output = |i: usize| Column::from(union.schema.qualified_field(i));
        let units = persons.into_iter().map(output).collect();
        let kind = Kind::PerPerson { units, rows_max: rows };
        Ok(Relation { plan: LogicalPlan::Union(union), facts, kind })
    }

    fn distinct(&mut self, plan: &LogicalPlan, distinct: &Distinct) -> Result<Relation, Rejection> {
        let Distinct::All(inner) = distinct else {
            return Err(Rejection::new(Code::Distinct, "DISTINCT ON has no rule").at("DISTINCT"));
        };
        let input = self.relation(inner)?;
        let Kind::PerPerson { units, rows_max } = &input.kind else {
            return self.after(plan, vec![input], false);
        };
        let visible = plan.schema().fields().len();
        if input.plan.schema().fields().len() != visible {
            return Err(Rejection::new(
                Code::Distinct,
                "whether a value is there at all may rest on one person's record",
            )
            .at("DISTINCT")
            .hint("count instead: SELECT x, COUNT(*) … GROUP BY x; or select the person as well"));
        }
        let steady = input.facts.iter().all(|fact| fact.constant);
        let rows_max = if steady || visible == units.len() { 1 } else { *rows_max };
        let kind = Kind::PerPerson { units: units.clone(), rows_max };
        let facts = input.facts.clone();
        let plan = LogicalPlan::Distinct(Distinct::All(Arc::new(input.plan)));
        Ok(Relation { plan, facts, kind })
    }

    /// An operator over public or released inputs only: all is allowed. `steady` keeps the
    /// threaded cells, for operators that neither merge nor make rows.
    pub(crate) fn after(
        &mut self,
        plan: &LogicalPlan,
        inputs: Vec<Relation>,
        steady: bool,
    ) -> Result<Relation, Rejection> {
        let originals = plan.inputs();
        let mut released = false;
        let mut cells = Vec::new();
        let mut facts = Vec::new();
        let mut plans = Vec::with_capacity(inputs.len());
        for (input, original) in inputs.into_iter().zip(originals) {
            if let Kind::Released { cells: own } = &input.kind {
                released = true;
                cells.extend(own.iter().cloned());
            }
            let visible = original.schema().fields().len();
            if steady || input.plan.schema().fields().len() == visible {
                facts.extend(input.facts);
                plans.push(input.plan);
            } else {
                // By name: after a join, threaded columns stand between the others.
                let exprs =
                    original.schema().iter().map(|c| Expr::Column(Column::from(c))).collect();
                let stripped = Projection::try_new(exprs, Arc::new(input.plan));
                plans.push(LogicalPlan::Projection(stripped.map_err(unplanned)?));
            }
        }
        let mut exprs = Vec::new();
        for expr in plan.expressions() {
            let expr = self.free_expr(&expr, released)?;
            exprs.push(match plans.as_slice() {
                [only] if released => divided(expr, only.schema()),
                _ => expr,
            });
        }
        let rebuilt = plan.with_new_exprs(exprs, plans).map_err(unplanned)?;
        let rebuilt = rebuilt.recompute_schema().map_err(unplanned)?;
        if !steady {
            facts =
                vec![Facts { nullable: true, ..Facts::default() }; rebuilt.schema().fields().len()];
            cells.clear();
        }
        let kind = if released { Kind::Released { cells } } else { Kind::Public };
        Ok(Relation { plan: rebuilt, facts, kind })
    }

    /// A fresh name for a threaded column.
    pub(crate) fn hidden_name(&mut self) -> String {
        self.hidden += 1;
        format!("{HIDDEN}{}", self.hidden)
    }
}

/// An operator in a line.
fn shown(plan: &LogicalPlan) -> String {
    let text = renumbered(&plan.display().to_string());
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Longest text of an operator, in characters.
const SHOWN_MAX: usize = 100;

/// The column that an expression is, under any alias.
pub(crate) fn column_of(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => column_of(&alias.expr),
        _ => None,
    }
}

/// Keeps the name that the original expression had.
pub(crate) fn named(expr: Expr, qualifier: Option<&TableReference>, name: &str) -> Expr {
    match &expr {
        Expr::Column(column) if column.name == name && column.relation.as_ref() == qualifier => {
            expr
        }
        _ => expr.unalias().alias_qualified(qualifier.cloned(), name),
    }
}

/// The first `count` columns of a plan.
pub(crate) fn columns_of(plan: &LogicalPlan, count: usize) -> Vec<Expr> {
    (0..count).map(|i| Expr::Column(Column::from(plan.schema().qualified_field(i)))).collect()
}

/// A fault that planning found after the query was bound: types that the rules made unequal.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
pub(crate) fn unplanned(error: DataFusionError) -> Rejection {
    let text = error.strip_backtrace();
    Rejection::new(Code::Type, text.lines().next().unwrap_or_default().to_owned())
}

fn merged(a: &[Facts], b: &[Facts]) -> Vec<Facts> {
    let pair = |(a, b): (&Facts, &Facts)| {
        let mut both = crate::privacy::facts::either(&[a.clone(), b.clone()]);
        both.nullable = a.nullable || b.nullable;
        both.person = a.person && b.person;
        both.generalised = a.generalised.union(&b.generalised).cloned().collect();
        both
    };
    a.iter().zip(b).map(pair).collect()
}

fn public(plan: LogicalPlan) -> Relation {
    let facts = vec![Facts { nullable: true, ..Facts::default() }; plan.schema().fields().len()];
    Relation { plan, facts, kind: Kind::Public }
}

/// How threaded columns are called; a query that names one so itself is refused by the planner as
/// ambiguous at worst.
pub(crate) const HIDDEN: &str = "__graunt_";
