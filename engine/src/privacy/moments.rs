//! Variances, covariances and correlations from exact integer moments: numbers of rows, and sums of
//! differences from the middle of a public range and of their products.
//!
//! # Source
//! var = Σ(x − m)²/n − (Σ(x − m)/n)² for any m; here m is public.

use arrow::datatypes::DataType;
use datafusion::functions::core::expr_fn::{coalesce, greatest, least};
use datafusion::functions::math::expr_fn::sqrt;
use datafusion::logical_expr::{Expr, cast, lit, when};

use crate::error::Rejection;
use crate::privacy::asked::{Asked, too_wide};
use crate::privacy::columns::Columns;
use crate::privacy::range::Range;
use crate::privacy::relation::unplanned;

/// Which of the four: variance or its root, of a sample or of the whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) root: bool,
    sample: bool,
}

impl Spread {
    /// The spread of `n` values, from the sums of their differences from any middle and of the
    /// squares of those; null where there are too few.
    pub(crate) fn of(self, n: Expr, first: Expr, second: Expr) -> Result<Expr, Rejection> {
        let squares = second - first.clone() * first / n.clone();
        let squares = greatest(vec![squares, lit(0.0)]);
        divided(
            squares,
            n,
            self.sample,
            |variance| if self.root { sqrt(variance) } else { variance },
        )
    }

    pub(crate) fn named(name: &str) -> Self {
        Self { root: name.starts_with("stddev"), sample: !name.ends_with("_pop") }
    }
}

/// Covariance of a sample or of the whole, or correlation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Together {
    Sample,
    Population,
    Correlation,
}

impl Together {
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "corr" => Self::Correlation,
            "covar_pop" => Self::Population,
            _ => Self::Sample,
        }
    }
}

/// A column on a grid that is coarse enough for its squares.
pub(crate) struct Centred {
    pub(crate) range: Range,
    pub(crate) middle: i64,
    /// Furthest from the middle, in steps.
    most: i64,
}

impl Centred {
    fn of(asked: &Asked) -> Result<Self, Rejection> {
        Self::within(asked.bounded()?, &asked.label)
    }

    /// The grid of a range; `label` is for people.
    ///
    /// # Errors
    /// `R-UNBOUNDED` if the range has too many whole numbers.
    pub(crate) fn within(mut range: Range, label: &str) -> Result<Self, Rejection> {
        loop {
            let wide = || too_wide(label);
            let (low, high) = range.steps().ok_or_else(wide)?;
            let middle = low + (high - low) / 2;
            let most = (high - middle).max(middle - low).max(1);
            if most <= SQUARED_MAX {
                return Ok(Self { range, middle, most });
            }
            range.decimals = range.decimals.checked_sub(1).ok_or_else(wide)?;
        }
    }
}

impl Columns<'_> {
    /// VAR and STDDEV.
    pub(crate) fn spread(&mut self, asked: Asked, spread: Spread) -> Result<Expr, Rejection> {
        let x = Centred::of(&asked)?;
        let argument = Some(asked.argument.clone());
        let weight = asked.marks.weight();
        let label = |part: &str| format!("{} ({part})", asked.label);
        let filter = asked.filter.clone();
        let n = self.counting(label("count"), argument, filter, self.rows, weight * 0.2)?;
        let row = asked.on_grid(x.range, x.middle)?;
        let decimals = x.range.decimals;
        let first = self.linked(label("centred sum"), row, x.most, decimals, n, weight * 0.3)?;
        let steps = asked.steps(x.range, x.middle)?;
        let square = asked.where_counted(coalesce(vec![steps.clone() * steps, lit(0i64)]))?;
        let most = x.most * x.most;
        let label = label("centred squares");
        let second = self.linked(label, square, most, 2 * decimals, n, weight * 0.5)?;
        let n = cast(self.released(n), DataType::Float64);
        let (first, second) = (self.released(first), self.released(second));
        spread.of(n, first, second)
    }

    /// COVAR and CORR, over rows that have both.
    pub(crate) fn together(
        &mut self,
        a: Asked,
        b: Asked,
        together: Together,
    ) -> Result<Expr, Rejection> {
        let (x, y) = (Centred::of(&a)?, Centred::of(&b)?);
        let both = a.argument.clone().is_not_null().and(b.argument.clone().is_not_null());
        let weight = a.marks.weight();
        let label = |part: &str| format!("{} ({part})", a.label);
        let filter = match &a.filter {
            Some(filter) => both.clone().and(filter.clone().is_true()),
            None => both.clone(),
        };
        let n = self.counting(label("count"), None, Some(filter), self.rows, weight * 0.2)?;
        let u = a.steps(x.range, x.middle)?;
        let v = b.steps(y.range, y.middle)?;
        let mut add = |part: &str, value: Expr, most: i64, decimals: u8, share: f64| {
            let value = when(both.clone(), value).otherwise(lit(0i64)).map_err(unplanned)?;
            let value = a.where_counted(coalesce(vec![value, lit(0i64)]))?;
            let column = self.linked(label(part), value, most, decimals, n, weight * share)?;
            Ok::<Expr, Rejection>(self.released(column))
        };
        let (d, e) = (x.range.decimals, y.range.decimals);
        let su = add("first sum", u.clone(), x.most, d, 0.2)?;
        let sv = add("second sum", v.clone(), y.most, e, 0.2)?;
        let product = u.clone() * v.clone();
        let suv = add("products", product, x.most * y.most, d + e, 0.4)?;
        let squares = if together == Together::Correlation {
            let suu = add("first squares", u.clone() * u, x.most * x.most, 2 * d, 0.4)?;
            let svv = add("second squares", v.clone() * v, y.most * y.most, 2 * e, 0.4)?;
            Some((suu, svv))
        } else {
            None
        };
        let n = cast(self.released(n), DataType::Float64);
        let mixed = suv - su.clone() * sv.clone() / n.clone();
        let Some((suu, svv)) = squares else {
            return divided(mixed, n, together == Together::Sample, |covariance| covariance);
        };
        let squares = (suu - su.clone() * su / n.clone()) * (svv - sv.clone() * sv / n.clone());
        let correlation = mixed / sqrt(squares.clone());
        let within = greatest(vec![least(vec![correlation, lit(1.0)]), lit(-1.0)]);
        when(n.gt(lit(1.0)).and(squares.gt(lit(0.0))), within).end().map_err(unplanned)
    }
}

/// Divides by the number of rows, or by one less; null where that is not above zero.
fn divided(
    sum: Expr,
    n: Expr,
    sample: bool,
    then: impl FnOnce(Expr) -> Expr,
) -> Result<Expr, Rejection> {
    let by = if sample { n - lit(1.0) } else { n };
    when(by.clone().gt(lit(0.0)), then(sum / by)).end().map_err(unplanned)
}

/// Furthest from the middle of a range, so that squares leave room for sums: 2²².
const SQUARED_MAX: i64 = 1 << 22;
