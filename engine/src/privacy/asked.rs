//! One aggregate that a query asks for: its argument, and what is publicly known of it.

use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{Expr, ExprSchemable, lit, when};

use crate::error::{Code, Rejection};
use crate::privacy::facts::Facts;
use crate::privacy::grid::to_grid;
use crate::privacy::marked::Marks;
use crate::privacy::range::Range;
use crate::privacy::relation::{Analysis, Relation, unplanned};
use crate::privacy::total::literal;

/// One aggregate that is asked for.
pub(crate) struct Asked {
    pub(crate) label: String,
    pub(crate) argument: Expr,
    pub(crate) facts: Facts,
    pub(crate) filter: Option<Expr>,
    pub(crate) marks: Marks,
    pub(crate) integer: bool,
}

impl Asked {
    /// The row's value on the grid less `middle`, 0 where it is null or filtered out.
    pub(crate) fn on_grid(&self, range: Range, middle: i64) -> Result<Expr, Rejection> {
        let value = self.steps(range, middle)?;
        self.where_counted(coalesce(vec![value, lit(0i64)]))
    }

    /// The row's value on the grid less `middle`, null where it is null.
    pub(crate) fn steps(&self, range: Range, middle: i64) -> Result<Expr, Rejection> {
        let value = to_grid(self.argument.clone(), range).ok_or_else(|| too_wide(&self.label))?;
        Ok(if middle == 0 { value } else { value - lit(middle) })
    }

    /// 0 where the row is filtered out.
    pub(crate) fn where_counted(&self, value: Expr) -> Result<Expr, Rejection> {
        match &self.filter {
            Some(filter) => {
                when(filter.clone().is_true(), value).otherwise(lit(0i64)).map_err(unplanned)
            }
            None => Ok(value),
        }
    }

    /// The public range of the argument.
    pub(crate) fn bounded(&self) -> Result<Range, Rejection> {
        self.facts.range.ok_or_else(|| {
            let shown = self.argument.schema_name().to_string();
            let column = self.argument.column_refs().into_iter().next();
            let reason = format!("{} is of values without public bounds", self.label);
            Rejection::new(Code::Unbounded, reason)
                .at(column.map_or(String::new(), |column| column.name.clone()))
                .hint(format!(
                    "bound it: WHERE {shown} BETWEEN low AND high, or declare bounds in the policy"
                ))
        })
    }

    /// Takes over what the query itself says of bounds.
    pub(crate) fn marked(&mut self, marks: &Marks) {
        self.marks = *marks;
        if marks.row.is_some() {
            self.facts.range = marks.row.or(self.facts.range);
        }
        if let Some(total) = marks.total {
            self.facts.person_total = Some(total);
            let row = self
                .facts
                .range
                .or_else(|| Range::new(total.lower.min(0.0), total.upper.max(0.0), total.decimals));
            self.facts.range = row;
        }
    }
}

pub(crate) fn asked(
    analysis: &mut Analysis<'_>,
    argument: Expr,
    whole: &Expr,
    filter: Option<Expr>,
    input: &Relation,
) -> Result<Asked, Rejection> {
    let argument = analysis.argument(&argument, input)?;
    let kind = argument.get_type(input.plan.schema()).map_err(unplanned)?;
    Ok(Asked {
        label: label(whole),
        facts: input.scope().facts(&argument),
        integer: kind.is_integer(),
        marks: Marks::default(),
        argument,
        filter,
    })
}

/// The aggregate as it was written, near enough.
fn label(expr: &Expr) -> String {
    let shown = expr.clone().unalias_nested().data.human_display().to_string();
    if shown.eq_ignore_ascii_case("count(1)") { "count(*)".to_owned() } else { shown }
}

/// Thousandths of a fraction from 0 to 1, counted from the lower end.
pub(crate) fn thousandths(fraction: &Expr, order: &[Sort]) -> Option<u16> {
    let fraction = literal(fraction).filter(|f| (0.0..=1.0).contains(f))?;
    let fraction =
        if order.first().is_some_and(|sort| !sort.asc) { 1.0 - fraction } else { fraction };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
    let thousandths = (fraction * 1000.0).round() as u16;
    Some(thousandths)
}

pub(crate) fn too_wide(label: &str) -> Rejection {
    Rejection::new(Code::Unbounded, format!("the bounds of {label} are too wide for its grid"))
        .hint("narrow them: WHERE x BETWEEN low AND high, or give fewer rows per person")
}
