//! What a query says of the bounds of one aggregate: `contribution_bounds_per_group` and the like,
//! which reach the analysis as functions around the argument.

use arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::{Code, Rejection};
use crate::privacy::range::Range;
use crate::privacy::total::literal;

/// What is said of one aggregate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Marks {
    /// Range of a person's total in a group.
    pub(crate) total: Option<Range>,
    /// Range of a row.
    pub(crate) row: Option<Range>,
    /// Its own ε, beside the others'.
    pub(crate) epsilon: Option<f64>,
}

impl Marks {
    /// Its part of the noise budget: ρ goes with the square of ε.
    pub(crate) fn weight(self) -> f64 {
        self.epsilon.map_or(1.0, |epsilon| epsilon * epsilon)
    }
}

/// Takes the marks off an argument.
///
/// # Errors
/// `R-EPSILON` if a mark is not a written-out number in range.
pub(crate) fn unmarked(expr: &Expr, marks: &mut Marks) -> Result<Expr, Rejection> {
    let Expr::ScalarFunction(function) = expr else { return Ok(expr.clone()) };
    let number = |i: usize| function.args.get(i).and_then(literal);
    let bad = || Rejection::new(Code::Epsilon, "a bound of an aggregate is not a number in range");
    let range = || match (number(1), number(2)) {
        (Some(lower), Some(upper)) => {
            let decimals = [lower, upper].map(|v| Range::point(v).map_or(0, |r| r.decimals));
            Range::new(lower, upper, decimals[0].max(decimals[1])).ok_or_else(bad)
        }
        _ => Err(bad()),
    };
    match function.name() {
        TOTAL => marks.total = Some(range()?),
        ROW => marks.row = Some(range()?),
        EPSILON => {
            let epsilon = number(1).filter(|e| *e > 0.0 && e.is_finite()).ok_or_else(bad)?;
            marks.epsilon = Some(epsilon);
        }
        _ => return Ok(expr.clone()),
    }
    function.args.first().map_or_else(|| Err(bad()), |inner| unmarked(inner, marks))
}

/// The functions that marks are written as.
pub(crate) fn functions() -> Vec<ScalarUDF> {
    let function = |name| {
        let signature = Signature::variadic_any(Volatility::Immutable);
        ScalarUDF::new_from_impl(Mark { name, signature })
    };
    [TOTAL, ROW, EPSILON].map(function).to_vec()
}

#[derive(Debug, Eq, Hash, PartialEq)]
struct Mark {
    name: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for Mark {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        types.first().cloned().ok_or_else(|| DataFusionError::Plan("no argument".to_owned()))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        Err(DataFusionError::Plan("bounds are given to aggregates only".to_owned()))
    }
}

/// Name of the function that bounds a person's total.
const TOTAL: &str = "graunt_total";

/// Name of the function that bounds a row.
const ROW: &str = "graunt_row";

/// Name of the function that gives an aggregate its ε.
const EPSILON: &str = "graunt_epsilon";
