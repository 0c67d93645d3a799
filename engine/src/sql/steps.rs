//! How many steps a question has once what it names is put in the place of the names.
//!
//! A named query is planned wherever it is used. What is named twice within what is named twice,
//! thirty times over, is a thousand million steps, which the planner walks before anybody can look
//! at its plan: so they are counted in the text.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::common::TableReference;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, Query, Statement, Visit, Visitor};
use futures::FutureExt as _;

use crate::error::{Code, Rejection};

/// Refuses questions of too many steps.
///
/// # Errors
/// `R-OPERATOR`.
pub(crate) fn check_steps(statement: &Parsed, session: &SessionContext) -> Result<(), Rejection> {
    let Parsed::Statement(statement) = statement else { return Ok(()) };
    let Statement::Query(query) = statement.as_ref() else { return Ok(()) };
    if steps(query, &HashMap::new(), session) <= STEPS_MAX {
        return Ok(());
    }
    let reason = format!("a question has at most {STEPS_MAX} steps, with those of what it names");
    Err(Rejection::new(Code::Operator, reason).hint("use WITH queries and views less often"))
}

/// Steps of named queries, by name.
type Named = HashMap<String, usize>;

/// Named queries count whether they are used or not: they are planned all the same.
fn steps(query: &Query, known: &Named, session: &SessionContext) -> usize {
    let mut known = known.clone();
    let mut all = 0_usize;
    for table in query.with.iter().flat_map(|with| &with.cte_tables) {
        let own = steps(&table.query, &known, session);
        all = all.saturating_add(own);
        known.insert(folded(&table.alias.name), own);
    }
    let mut counter = Counter { known: &known, session, within: 0, steps: 1 };
    let _ = query.body.visit(&mut counter);
    let _ = query.order_by.visit(&mut counter);
    let _ = query.limit_clause.visit(&mut counter);
    let _ = query.fetch.visit(&mut counter);
    let _ = query.pipe_operators.visit(&mut counter);
    all.saturating_add(counter.steps)
}

/// Counts what one query reads; queries within it have names of their own.
struct Counter<'a> {
    known: &'a Named,
    session: &'a SessionContext,
    within: usize,
    steps: usize,
}

impl Visitor for Counter<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if self.within == 0 {
            self.steps = self.steps.saturating_add(steps(query, self.known, self.session));
        }
        self.within += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.within -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        if self.within == 0 {
            let name = relation.0.last().and_then(|part| part.as_ident()).map(folded);
            let name = name.unwrap_or_default();
            // Which of the two is meant, a name of two parts decides otherwise than one of one.
            let named = self.known.get(&name).copied().unwrap_or(1);
            let own = named.max(of_view(&name, self.session));
            self.steps = self.steps.saturating_add(own);
        }
        ControlFlow::Continue(())
    }
}

/// Steps of a view; one, if it is none.
fn of_view(name: &str, session: &SessionContext) -> usize {
    // Nothing is waited for: the tables are in memory.
    let found =
        session.table_provider(TableReference::bare(name)).now_or_never().and_then(Result::ok);
    let Some(view) = found else { return 1 };
    view.get_logical_plan().map_or(1, |plan| of_plan(&plan))
}

fn of_plan(plan: &LogicalPlan) -> usize {
    let mut steps = 0;
    let counted = plan.apply_with_subqueries(|_| {
        steps += 1;
        let is_over = steps > STEPS_MAX;
        Ok(if is_over { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    counted.map_or(usize::MAX, |_| steps)
}

fn folded(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_ascii_lowercase() }
}

/// Most steps of a question.
const STEPS_MAX: usize = 5_000;
