//! Puts values on the public grid: clamp, scale, round, in that order, row by row.
//!
//! # Source
//! Rounding before adding, and integers after, close the floating-point attacks of Mironov 2012
//! and Casacuberta et al. 2022, section 5.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::{Code, Rejection};
use crate::privacy::range::Range;

/// `graunt_grid(x)`: the integer `round(clamp(x) · 10^decimals)`; null and NaN stay null.
#[derive(Debug, Eq, Hash, PartialEq)]
struct ToGrid {
    /// Says the parameters, so that plans which differ in them read differently.
    name: String,
    lower: i64,
    upper: i64,
    decimals: u8,
    signature: Signature,
}

/// Puts `value` on the grid of `range`, clamped to it; 64-bit integers, null where it is null.
/// `None` if the range does not fit the grid.
pub(crate) fn to_grid(value: Expr, range: Range) -> Option<Expr> {
    let (lower, upper) = range.steps()?;
    Some(function(lower, upper, range.decimals).call(vec![value]))
}

/// The function of [`to_grid`], from the least step to the greatest.
pub(crate) fn function(lower: i64, upper: i64, decimals: u8) -> ScalarUDF {
    let signature = Signature::any(1, Volatility::Immutable);
    let name = format!("{GRID}_{lower}_{upper}_{decimals}");
    ScalarUDF::new_from_impl(ToGrid { name, lower, upper, decimals, signature })
}

/// The steps and decimals of a function of [`to_grid`]; `None` if it is another.
pub(crate) fn told(function: &ScalarUDF) -> Option<(i64, i64, u8)> {
    let grid = function.inner().downcast_ref::<ToGrid>()?;
    Some((grid.lower, grid.upper, grid.decimals))
}

/// Puts `argument` on the grid of its public range so that it can be summed exactly; with the
/// number of steps that make one.
///
/// # Errors
/// `R-UNBOUNDED` without a range that fits a grid.
pub(crate) fn on_grid(argument: &Expr, range: Option<Range>) -> Result<(Expr, f64), Rejection> {
    let shown = argument.schema_name().to_string();
    let grid = range.and_then(|range| {
        Some((to_grid(argument.clone(), range)?, 10f64.powi(i32::from(range.decimals))))
    });
    grid.ok_or_else(|| unbounded(&shown))
}

/// Refuses what is added up, or its squares, and has no public range.
pub(crate) fn unbounded(shown: &str) -> Rejection {
    Rejection::new(Code::Unbounded, format!("{shown} is summed without public bounds"))
        .hint(format!("bound it: WHERE {shown} BETWEEN low AND high"))
}

impl ScalarUDFImpl for ToGrid {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let array: ArrayRef = if arrays[0].data_type().is_integer() && self.decimals == 0 {
            let values = cast(&arrays[0], &DataType::Int64)?;
            let values = values.as_primitive::<Int64Type>();
            Arc::new(values.unary::<_, Int64Type>(|v| v.clamp(self.lower, self.upper)))
        } else {
            let values = cast(&arrays[0], &DataType::Float64)?;
            let values = values.as_primitive::<Float64Type>();
            let steps = 10f64.powi(i32::from(self.decimals));
            if values.values().iter().any(|v| v.is_nan()) {
                let grid = values.iter().map(|v| v.and_then(|v| self.place(v, steps)));
                Arc::new(grid.collect::<Int64Array>())
            } else {
                Arc::new(values.unary::<_, Int64Type>(|v| self.step(v * steps)))
            }
        };
        Ok(ColumnarValue::Array(array))
    }
}

impl ToGrid {
    fn place(&self, value: f64, steps: f64) -> Option<i64> {
        (!value.is_nan()).then(|| self.step(value * steps))
    }

    /// The integer next to `scaled`, within the bounds; the even one of two.
    fn step(&self, scaled: f64) -> i64 {
        let bounded = scaled.clamp(self.lower as f64, self.upper as f64);
        let rounded = if bounded.abs() < ROUNDED {
            // What is added leaves no bits for a fraction: the sum rounds, ties to even.
            (bounded + 3.0 * ROUNDED) - 3.0 * ROUNDED
        } else {
            bounded.round_ties_even()
        };
        #[expect(clippy::cast_possible_truncation, reason = "clamped to integers within ±2^52")]
        return rounded as i64;
    }
}

/// Numbers below it, 2^51, are rounded by an addition.
const ROUNDED: f64 = 2_251_799_813_685_248.0;

/// How the names of these functions begin.
pub(crate) const GRID: &str = "graunt_grid";

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(lower: f64, upper: f64, decimals: u8) -> ToGrid {
        let (lower, upper) = Range::new(lower, upper, decimals).unwrap().steps().unwrap();
        let signature = Signature::any(1, Volatility::Immutable);
        ToGrid { name: GRID.to_owned(), lower, upper, decimals, signature }
    }

    fn place(grid: &ToGrid, value: f64) -> Option<i64> {
        grid.place(value, 10f64.powi(i32::from(grid.decimals)))
    }

    #[test]
    fn values_are_clamped_before_they_are_rounded() {
        let cents = grid(0.0, 10.0, 2);
        assert_eq!(place(&cents, 3.456), Some(346));
        assert_eq!(place(&cents, f64::INFINITY), Some(1000));
        assert_eq!(place(&cents, -1.0), Some(0));
        assert_eq!(place(&cents, f64::NAN), None);
        assert_eq!(place(&grid(-5.0, 5.0, 0), 2.5), Some(2));
    }

    #[test]
    fn rounding_by_an_addition_is_rounding_to_the_nearest_even() {
        let wide = grid(-4e15, 4e15, 0);
        let near = [0.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.499_999_999_999_999_94, 1e15 + 0.5];
        let edge = [ROUNDED - 0.5, ROUNDED - 1.5, -ROUNDED + 0.5, ROUNDED, ROUNDED + 0.5];
        for value in near.into_iter().chain(edge) {
            let placed = place(&wide, value).map(|placed| placed as f64);
            assert_eq!(placed, Some(value.round_ties_even()), "{value}");
        }
    }
}
