//! Subqueries within the expression of a column that ask about the row at hand. There is no plan
//! for them, and the library sees to those only that are a column by themselves.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Query, Select, SelectItem, SetExpr, TableFactor, Value, Visit, VisitMut, Visitor,
    VisitorMut,
};

use super::rewrite::{counts, folded, plain};

/// Puts NULL in their place, as the library does.
pub(super) fn empty_columns_of(select: &mut Select) {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let _ = VisitMut::visit(expr, &mut Emptier);
        }
    }
}

struct Emptier;

impl VisitorMut for Emptier {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if matches!(expr, Expr::Subquery(query) if is_about_row(query)) {
            *expr = Expr::Value(plain(Value::Null));
        }
        ControlFlow::Continue(())
    }
}

/// Whether a subquery names a relation that it does not read. What counts has a plan all the same.
fn is_about_row(query: &Query) -> bool {
    if matches!(query.body.as_ref(), SetExpr::Select(select) if counts(select)) {
        return false;
    }
    let mut names = Names::default();
    let _ = Visit::visit(query, &mut names);
    !names.used.is_subset(&names.own)
}

#[derive(Default)]
struct Names {
    own: BTreeSet<String>,
    used: BTreeSet<String>,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        let (name, alias) = match table {
            TableFactor::Table { name, alias, .. } => {
                (name.0.last().and_then(|part| part.as_ident()), alias)
            }
            TableFactor::Derived { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. } => (None, alias),
            _ => return ControlFlow::Continue(()),
        };
        self.own.extend(alias.as_ref().map(|alias| &alias.name).or(name).map(folded));
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr {
            self.used.extend(parts.iter().rev().nth(1).map(folded));
        }
        ControlFlow::Continue(())
    }
}
