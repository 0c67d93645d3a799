//! The analysed query: its private aggregates, and what is done with their noisy values.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion::optimizer::{Optimizer, OptimizerContext};
use ledger_adapter::digest::Digest;

use crate::catalog::Catalog;
use crate::error::{Code, Rejection};
use crate::privacy::boundary::{Boundary, Names};
use crate::privacy::relation::{Analysis, ContributionBounds, Kind, unplanned};
use crate::privacy::settled::PublicPart;
use crate::sql::bind::BoundQuery;

/// A query that may be answered, and how.
#[derive(Debug)]
pub(crate) struct PrivatePlan {
    pub(crate) text: String,
    /// What is counted and added up over persons; empty for a query of public tables.
    pub(crate) boundaries: Vec<Arc<Boundary>>,
    /// Public parts of the boundaries' plans, to be computed before the charge.
    pub(crate) publics: Vec<PublicPart>,
    /// What is computed from the noisy cells; its hidden last columns number the cells.
    pub(crate) outer: LogicalPlan,
    /// The asked columns, in the asked order.
    pub(crate) output: Vec<OutputColumn>,
    /// Which of the outer plan's hidden columns number the cells of which boundary.
    pub(crate) cells: Vec<(usize, usize)>,
    /// Tables that are read, by name.
    pub(crate) tables: BTreeSet<String>,
    /// What a reader of the answer should know.
    pub(crate) notes: Vec<String>,
    /// The type of each operator, for people.
    pub(crate) trace: Vec<String>,
    /// Digest of the whole plan: equal plans of equal queries have equal digests.
    pub(crate) digest: Digest,
}

/// One asked column.
#[derive(Clone, Debug)]
pub(crate) struct OutputColumn {
    pub(crate) name: String,
    /// The column as an expression over noisy cells; `None` if it is none.
    pub(crate) lineage: Option<Expr>,
}

/// Analyses a bound query.
///
/// # Errors
/// The rule that is broken, with its place in the text.
pub(crate) fn analyse(
    bound: BoundQuery,
    catalog: &Catalog,
    bounds: ContributionBounds,
) -> Result<PrivatePlan, Rejection> {
    let BoundQuery { text, plan } = bound;
    analyse_plan(&text, plan, catalog, bounds).map_err(|rejection| rejection.placed(&text))
}

fn analyse_plan(
    text: &str,
    plan: LogicalPlan,
    catalog: &Catalog,
    bounds: ContributionBounds,
) -> Result<PrivatePlan, Rejection> {
    let plan = with_join_conditions(without_correlation(plan)?)?;
    let visible = plan.schema().fields().len();
    let names = Names::of(text, &plan);
    let mut analysis = Analysis::new(catalog, bounds, names);
    let root = analysis.relation(&plan)?;
    if let Kind::PerPerson { .. } = root.kind {
        return Err(Rejection::new(Code::Rows, "the result would show rows of single persons")
            .at("SELECT")
            .hint("aggregate over persons, for instance SELECT COUNT(*) … or GROUP BY a key"));
    }
    let output = (0..visible)
        .map(|i| {
            let field = plan.schema().field(i);
            OutputColumn { name: field.name().clone(), lineage: root.facts[i].lineage.clone() }
        })
        .collect();
    let cells = (visible..root.facts.len())
        .filter_map(|i| Some((boundary_of(root.facts[i].lineage.as_ref()?)?, i)))
        .collect();
    let tables = scanned(&plan)?;
    let notes = notes(&plan, catalog, &tables)?;
    let (publics, trace) = (analysis.publics, analysis.trace);
    let boundaries: Vec<_> = analysis.boundaries.into_iter().map(Arc::new).collect();
    let mut parts = vec![names.shown(&root.plan.display_indent().to_string())];
    parts.extend(boundaries.iter().map(|boundary| boundary.identity(names)));
    parts.extend(publics.iter().map(|part| part.plan.display_indent().to_string()));
    let bytes: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
    let digest = Digest::labelled("graunt/plan/v1", &bytes);
    let text = text.to_owned();
    let outer = root.plan;
    Ok(PrivatePlan {
        text,
        boundaries,
        publics,
        outer,
        output,
        cells,
        tables,
        notes,
        trace,
        digest,
    })
}

/// Turns correlated subqueries into joins, which have rules.
fn without_correlation(plan: LogicalPlan) -> Result<LogicalPlan, Rejection> {
    let mut correlated = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|inner| {
                correlated |= is_correlated(inner);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map_err(unplanned)?;
    if !correlated {
        return Ok(plan);
    }
    let rules = Optimizer::with_rules(vec![
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
    ]);
    let once = OptimizerContext::new().with_max_passes(1);
    rules.optimize(plan, &once, |_, _| {}).map_err(unplanned)
}

fn is_correlated(expr: &Expr) -> bool {
    let subquery = match expr {
        Expr::ScalarSubquery(subquery) => subquery,
        Expr::InSubquery(inner) => &inner.subquery,
        Expr::Exists(inner) => &inner.subquery,
        _ => return false,
    };
    !subquery.outer_ref_columns.is_empty()
}

/// Moves the conditions of `FROM a, b WHERE …` into the joins, where the rules look for them.
fn with_join_conditions(plan: LogicalPlan) -> Result<LogicalPlan, Rejection> {
    let bare = plan
        .exists(|node| {
            Ok(matches!(node, LogicalPlan::Join(j) if j.on.is_empty() && j.filter.is_none()))
        })
        .map_err(unplanned)?;
    if !bare {
        return Ok(plan);
    }
    let rules = Optimizer::with_rules(vec![
        Arc::new(EliminateCrossJoin::new()),
        Arc::new(PushDownFilter::new()),
    ]);
    // One pass, in this order: the second rule's joins would be undone by the first.
    let once = OptimizerContext::new().with_max_passes(1);
    rules.optimize(plan, &once, |_, _| {}).map_err(unplanned)
}

/// Names of the tables that the plan reads, in its subqueries too.
fn scanned(plan: &LogicalPlan) -> Result<BTreeSet<String>, Rejection> {
    let mut tables = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            tables.insert(scan.table_name.table().to_owned());
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(unplanned)?;
    Ok(tables)
}

/// Says which columns of the query de-identification has made coarser.
fn notes(
    plan: &LogicalPlan,
    catalog: &Catalog,
    tables: &BTreeSet<String>,
) -> Result<Vec<String>, Rejection> {
    let mut named = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        for expr in node.expressions() {
            named.extend(expr.column_refs().into_iter().map(|column| column.name.clone()));
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(unplanned)?;
    let mut notes = Vec::new();
    for spec in tables.iter().filter_map(|table| catalog.table(table)) {
        for column in &spec.columns {
            if let Some(how) = column.generalised.as_ref().filter(|_| named.contains(&column.name))
            {
                notes.push(format!("{}.{} is de-identified: {how}", spec.name, column.name));
            }
        }
    }
    Ok(notes)
}

/// The boundary whose cells an expression numbers.
fn boundary_of(lineage: &Expr) -> Option<usize> {
    let Expr::Column(column) = lineage else { return None };
    boundary_index(column.relation.as_ref()?.table())
}

/// The boundary that a table of noisy cells belongs to.
pub(crate) fn boundary_index(table: &str) -> Option<usize> {
    table.strip_prefix("__graunt_released_")?.parse().ok()
}
