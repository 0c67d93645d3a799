//! Named arguments of aggregates, as GoogleSQL has them, written as marks around the argument that
//! is aggregated. The marks are functions that return their first argument.
//!
//! ```text
//! SUM(x, contribution_bounds_per_group => (0, 9))  SUM(graunt_total(x, 0, 9))
//! SUM(x, contribution_bounds_per_row => (0, 9))    SUM(graunt_row(x, 0, 9))
//! SUM(x, epsilon => 0.5)                           SUM(graunt_epsilon(x, 0.5))
//! COUNT(*, contribution_bounds_per_group => (0, 9)) COUNT(graunt_total(1, 0, 9))
//! ```

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
};

use crate::error::{Code, Rejection};
use crate::sql::call::{function, literal, number, plain_name};
use crate::sql::text::{place_at, refused};

/// Marks the aggregated argument with what the named arguments say of it.
///
/// # Errors
/// `R-SYNTAX` if a named argument is unknown, is given twice, or is not written out; `R-EPSILON`
/// if bounds are the wrong way round or a privacy loss is out of range.
pub(crate) fn rewrite(call: &mut Function) -> Result<(), Rejection> {
    let name = plain_name(call).map(|name| name.value.to_ascii_lowercase()).unwrap_or_default();
    let FunctionArguments::List(list) = &mut call.args else { return Ok(()) };
    if list.args.iter().all(|argument| matches!(argument, FunctionArg::Unnamed(_))) {
        return Ok(());
    }
    let mut named = Named::default();
    for argument in &list.args {
        match argument {
            FunctionArg::Named { name: word, arg, .. } => named.read(&name, word, arg)?,
            FunctionArg::ExprNamed { name: Expr::Identifier(word), arg, .. } => {
                named.read(&name, word, arg)?;
            }
            FunctionArg::ExprNamed { .. } => {
                return Err(Rejection::new(Code::Syntax, "an argument has no name").hint(HINT));
            }
            FunctionArg::Unnamed(_) => {}
        }
    }
    list.args.retain(|argument| matches!(argument, FunctionArg::Unnamed(_)));
    let Some(FunctionArg::Unnamed(first)) = list.args.first_mut() else {
        return Err(Rejection::new(Code::Syntax, format!("{name} has nothing to aggregate"))
            .at(name)
            .hint("for instance SUM(x, contribution_bounds_per_group => (0, 100))"));
    };
    let aggregated = match first {
        FunctionArgExpr::Expr(expr) => expr.clone(),
        FunctionArgExpr::Wildcard if name == "count" => literal("1"),
        _ => return Err(Rejection::new(Code::Syntax, format!("{name} has no *")).at(name)),
    };
    *first = FunctionArgExpr::Expr(named.mark(aggregated));
    Ok(())
}

/// What the named arguments of one aggregate say.
#[derive(Debug, Default)]
struct Named {
    per_row: Option<(Expr, Expr)>,
    per_group: Option<(Expr, Expr)>,
    epsilon: Option<Expr>,
}

impl Named {
    fn read(
        &mut self,
        aggregate: &str,
        word: &Ident,
        value: &FunctionArgExpr,
    ) -> Result<(), Rejection> {
        let fault =
            |code, reason: String| refused(code, place_at(word.span.start), reason).hint(HINT);
        let FunctionArgExpr::Expr(value) = value else {
            return Err(fault(Code::Syntax, format!("{word} is not a value")));
        };
        let name = word.value.to_ascii_lowercase();
        let is_doubled = match (name.as_str(), aggregate) {
            ("contribution_bounds_per_group", "sum" | "avg" | "mean" | "count") => {
                self.per_group.replace(bounds(word, value)?).is_some()
            }
            ("contribution_bounds_per_row", other) if other != "count" => {
                self.per_row.replace(bounds(word, value)?).is_some()
            }
            ("epsilon", _) => {
                let Some(epsilon) = number(value) else {
                    return Err(fault(Code::Syntax, "epsilon is not a number".to_owned()));
                };
                if !(0.001..=10_000.0).contains(&epsilon) {
                    return Err(fault(Code::Epsilon, "epsilon is out of range".to_owned()));
                }
                self.epsilon.replace(value.clone()).is_some()
            }
            _ => return Err(fault(Code::Syntax, format!("{aggregate} has no argument {name}"))),
        };
        if is_doubled { Err(fault(Code::Syntax, format!("{name} is given twice"))) } else { Ok(()) }
    }

    fn mark(self, aggregated: Expr) -> Expr {
        let mut marked = aggregated;
        if let Some((lower, upper)) = self.per_row {
            marked = function("graunt_row", vec![marked, lower, upper]);
        }
        if let Some((lower, upper)) = self.per_group {
            marked = function("graunt_total", vec![marked, lower, upper]);
        }
        if let Some(epsilon) = self.epsilon {
            marked = function("graunt_epsilon", vec![marked, epsilon]);
        }
        marked
    }
}

fn bounds(word: &Ident, value: &Expr) -> Result<(Expr, Expr), Rejection> {
    let fault = |code, reason| refused(code, place_at(word.span.start), reason).hint(HINT);
    let Expr::Tuple(pair) = value else {
        return Err(fault(Code::Syntax, "bounds are not a pair of numbers"));
    };
    let numbers: Option<Vec<f64>> = pair.iter().map(number).collect();
    match (pair.as_slice(), numbers.as_deref()) {
        ([lower, upper], Some([from, to])) if from <= to => Ok((lower.clone(), upper.clone())),
        (_, Some([_, _])) => Err(fault(Code::Epsilon, "the lower bound is above the upper one")),
        _ => Err(fault(Code::Syntax, "bounds are not a pair of numbers")),
    }
}

const HINT: &str = "SUM, AVG and COUNT have contribution_bounds_per_group => (lower, upper); \
    aggregates of values have contribution_bounds_per_row => (lower, upper); all have \
    epsilon => number, from 0.001 to 10000";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::text::{Place, parse};

    fn printed(aggregate: &str) -> Result<String, Rejection> {
        let query = parse(&format!("SELECT {aggregate} AS n FROM t"))?.statement.to_string();
        Ok(query["SELECT ".len()..query.len() - " AS n FROM t".len()].to_owned())
    }

    #[test]
    fn named_arguments_become_marks() {
        for (aggregate, expected) in [
            ("SUM(x, contribution_bounds_per_group => (0, 100))", "SUM(graunt_total(x, 0, 100))"),
            (
                "SUM(x, contribution_bounds_per_group => (-1.5, +2), epsilon => 0.5)",
                "SUM(graunt_epsilon(graunt_total(x, -1.5, +2), 0.5))",
            ),
            ("avg(x + 1, contribution_bounds_per_row => (0, 9))", "avg(graunt_row(x + 1, 0, 9))"),
            (
                "AVG(x, epsilon => 1, contribution_bounds_per_group => (0, 9), \
                 contribution_bounds_per_row => (0, 3))",
                "AVG(graunt_epsilon(graunt_total(graunt_row(x, 0, 3), 0, 9), 1))",
            ),
            ("COUNT(*, contribution_bounds_per_group => (0, 5))", "COUNT(graunt_total(1, 0, 5))"),
            ("COUNT(*, epsilon => 0.1)", "COUNT(graunt_epsilon(1, 0.1))"),
            (
                "COUNT(DISTINCT p, contribution_bounds_per_group => (0, 1))",
                "COUNT(DISTINCT graunt_total(p, 0, 1))",
            ),
            ("SUM(x, epsilon => 2) FILTER (WHERE y)", "SUM(graunt_epsilon(x, 2)) FILTER (WHERE y)"),
            (
                "PERCENTILE_CONT(x, 0.5, contribution_bounds_per_row => (0, 9))",
                "PERCENTILE_CONT(graunt_row(x, 0, 9), 0.5)",
            ),
            ("SUM(x)", "SUM(x)"),
            ("COUNT(*)", "COUNT(*)"),
        ] {
            assert_eq!(printed(aggregate).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn aggregates_are_marked_wherever_they_stand() {
        let text = "SELECT g, SUM(x, epsilon => 1) FROM t GROUP BY g \
                    HAVING COUNT(*, epsilon => 1) > 5 ORDER BY SUM(x, epsilon => 1)";
        assert_eq!(
            parse(text).unwrap().statement.to_string(),
            "SELECT g, SUM(graunt_epsilon(x, 1)) AS \"SUM(x, epsilon => 1)\" FROM t GROUP BY g \
             HAVING COUNT(graunt_epsilon(1, 1)) > 5 ORDER BY SUM(graunt_epsilon(x, 1))"
        );
    }

    #[test]
    fn other_named_arguments_are_refused() {
        for (arguments, code) in [
            ("x, report_format => 'JSON'", Code::Syntax),
            ("x, contribution_bounds_per_group => 5", Code::Syntax),
            ("x, contribution_bounds_per_group => (0, y)", Code::Syntax),
            ("x, contribution_bounds_per_group => (0, 1, 2)", Code::Syntax),
            ("x, contribution_bounds_per_group => (5, 0)", Code::Epsilon),
            ("x, epsilon => y", Code::Syntax),
            ("x, epsilon => 0", Code::Epsilon),
            ("x, epsilon => 1, epsilon => 1", Code::Syntax),
        ] {
            let refused = printed(&format!("SUM({arguments})")).unwrap_err();
            assert_eq!(refused.code, code, "{arguments}");
            let column = if arguments.ends_with("1, epsilon => 1") { 29 } else { 15 };
            assert_eq!(refused.place, Some(Place { line: 1, column }), "{arguments}");
            assert!(refused.hint.unwrap().contains("contribution_bounds_per_row"));
        }
        let refused = printed("COUNT(*, contribution_bounds_per_row => (0, 1))").unwrap_err();
        assert_eq!(refused.code, Code::Syntax);
        let refused = printed("SUM(*, contribution_bounds_per_group => (0, 1))").unwrap_err();
        assert_eq!(refused.code, Code::Syntax);
    }
}
