//! All values that an expression of one date takes, where the date is publicly known to be within
//! some days: the months of two years, the weeks of one. It computes them day by day.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Date32Array, RecordBatch};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::create_physical_expr;

use crate::privacy::facts::sorted;
use crate::privacy::settled::has_subquery;

/// First and last of some days, both within.
pub(crate) type Days = (i32, i32);

/// The values of `expr`, null aside, and whether null is one; `None` if they are many or cannot
/// be told. `date` is the only column of it, and null only if that is `nullable`.
pub(crate) fn image(
    expr: &Expr,
    schema: &DFSchema,
    date: &Column,
    (first, last): Days,
    nullable: bool,
) -> Option<(Vec<ScalarValue>, bool)> {
    let few = last.checked_sub(first).is_some_and(|days| days < DAYS_MAX);
    if !few || expr.is_volatile() || has_subquery(expr) {
        return None;
    }
    let (qualifier, field) = schema.qualified_field(schema.maybe_index_of_column(date)?);
    let field = Arc::new(Field::new(field.name(), DataType::Date32, true));
    let schema =
        DFSchema::new_with_metadata(vec![(qualifier.cloned(), field)], Default::default()).ok()?;
    let days = (first..=last).map(Some).chain(nullable.then_some(None));
    let days: ArrayRef = Arc::new(days.collect::<Date32Array>());
    let rows = days.len();
    let batch = RecordBatch::try_new(Arc::clone(schema.inner()), vec![days]).ok()?;
    let (props, context) = (ExecutionProps::new(), PhysicalPlanningContext::default());
    let computed = create_physical_expr(expr, &schema, &props, &context).ok()?;
    let values = computed.evaluate(&batch).ok()?.into_array(rows).ok()?;
    let mut distinct = HashSet::new();
    for row in (0..rows).filter(|row| values.is_valid(*row)) {
        distinct.insert(ScalarValue::try_from_array(&values, row).ok()?);
        if distinct.len() > VALUES_MAX {
            return None;
        }
    }
    let has_null = (0..rows).any(|row| values.is_null(row));
    Some((sorted(distinct.into_iter().collect()), has_null))
}

/// Most days that are looked at: a century.
const DAYS_MAX: i32 = 36_525;

/// Most values that are shown with their zeros: as many as of a whole number.
const VALUES_MAX: usize = 250;

#[cfg(test)]
mod tests {
    use datafusion::functions::datetime::expr_fn::date_trunc;
    use datafusion::logical_expr::{cast, col, lit};

    use super::*;

    /// Days of 2020 by their number since 1970-01-01.
    const JANUARY_30: i32 = 18_291;
    const MARCH_1: i32 = 18_322;

    fn months(days: Days, nullable: bool) -> Option<(Vec<String>, bool)> {
        let fields = vec![Field::new("d", DataType::Date32, nullable)];
        let schema = DFSchema::from_unqualified_fields(fields.into(), Default::default()).unwrap();
        let moment = arrow::datatypes::TimeUnit::Nanosecond;
        let moment = cast(col("d"), DataType::Timestamp(moment, None));
        let month = cast(date_trunc(lit("month"), moment), DataType::Date32);
        let (values, has_null) = image(&month, &schema, &Column::from_name("d"), days, nullable)?;
        Some((values.iter().map(ToString::to_string).collect(), has_null))
    }

    #[test]
    fn the_months_of_some_days_are_known() {
        let found = months((JANUARY_30, MARCH_1), false).unwrap();
        assert_eq!(
            found,
            (vec!["2020-01-01".into(), "2020-02-01".into(), "2020-03-01".into()], false)
        );
        assert_eq!(months((MARCH_1, MARCH_1), true).unwrap(), (vec!["2020-03-01".into()], true));
        assert_eq!(months((MARCH_1, JANUARY_30), false).unwrap(), (vec![], false));
    }

    #[test]
    fn too_many_days_or_values_are_not_told() {
        assert_eq!(months((0, DAYS_MAX), false), None);
        assert_eq!(months((0, 250 * 31), false), None);
    }
}
