//! Spellings that the planner does not know, written with those that it knows, all over a query.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SetExpr, Statement, TableFactor, VisitMut, VisitorMut,
};

use crate::error::{Code, Rejection};
use crate::sql::call::Call;
use crate::sql::dialect::Dialect;
use crate::sql::{bounds, dates, ohdsi, omop};

/// Rewrites a query. Columns without a name keep, as their name, what was written.
///
/// # Errors
/// `R-FUNCTION`, `R-SYNTAX`, `R-EPSILON`, `R-STATEMENT` or `R-OPERATOR`, at its place if that is
/// known.
pub(crate) fn rewrite(statement: &mut Statement, dialect: Dialect) -> Result<(), Rejection> {
    let labels: Vec<Option<String>> = unnamed(statement).map(|item| written(item)).collect();
    if let ControlFlow::Break(rejection) = statement.visit(&mut Rewriter { dialect }) {
        return Err(*rejection);
    }
    for (item, label) in unnamed(statement).zip(labels) {
        if let (SelectItem::UnnamedExpr(expr), Some(label)) = (&*item, label)
            && expr.to_string() != label
        {
            let alias = Ident::with_quote('"', label);
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
    Ok(())
}

struct Rewriter {
    dialect: Dialect,
}

impl Rewriter {
    fn expr(&self, expr: &mut Expr) -> Result<(), Rejection> {
        if self.dialect == Dialect::Ohdsi {
            ohdsi::rewrite_expr(expr)?;
        }
        if let Expr::Function(function) = expr {
            bounds::rewrite(function)?;
        }
        let Some(call) = Call::of(expr) else { return Ok(()) };
        let rewritten = match dates::rewritten(&call, self.dialect.week())? {
            Some(rewritten) => Some(rewritten),
            None => omop::rewritten(&call)?,
        };
        if let Some(rewritten) = rewritten {
            *expr = rewritten;
        }
        Ok(())
    }
}

impl VisitorMut for Rewriter {
    type Break = Box<Rejection>;

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        match self.dialect {
            Dialect::DataFusion => ControlFlow::Continue(()),
            Dialect::Ohdsi => flow(ohdsi::rewrite_top(query)),
        }
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        if select.into.is_none() {
            return ControlFlow::Continue(());
        }
        flow(Err(Rejection::new(Code::Statement, "SELECT INTO makes a table of records")
            .at("into")
            .hint("name the query instead: CREATE VIEW name AS query, or WITH name AS (query)")))
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Self::Break> {
        if self.dialect == Dialect::Ohdsi {
            ohdsi::drop_hints(table);
        }
        match table {
            TableFactor::Table { sample: Some(_), .. }
            | TableFactor::Derived { sample: Some(_), .. } => {
                flow(Err(
                    Rejection::new(Code::Operator, "a sample of rows has no rule").at("sample")
                ))
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        flow(omop::rewrite_in(expr))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        flow(self.expr(expr))
    }
}

fn flow(result: Result<(), Rejection>) -> ControlFlow<Box<Rejection>> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(rejection) => ControlFlow::Break(Box::new(rejection)),
    }
}

/// The columns of the outermost SELECT.
fn unnamed(statement: &mut Statement) -> impl Iterator<Item = &mut SelectItem> {
    let columns = match statement {
        Statement::Query(query) => match &mut *query.body {
            SetExpr::Select(select) => select.projection.as_mut_slice(),
            _ => &mut [],
        },
        _ => &mut [],
    };
    columns.iter_mut()
}

fn written(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some(expr.to_string()),
        _ => None,
    }
}
