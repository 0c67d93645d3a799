//! The values that a quantile may be: fixed by public bounds, never by records.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use serde::{Deserialize, Serialize};

use crate::privacy::range::Range;

/// Bins that cover a range: bin i holds the values from `starts[i]` to just below `starts[i + 1]`,
/// the last one up to and including the upper end.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Candidates {
    starts: Vec<f64>,
    upper: f64,
    /// Whether every bin holds one value only.
    single: bool,
}

impl Candidates {
    /// The bins of `range`: its steps where they are few, else evenly spaced ones together with
    /// geometrically spaced ones, which tell small values apart where large ones may occur.
    pub(crate) fn of(range: Range) -> Option<Self> {
        let step = 10f64.powi(-i32::from(range.decimals));
        let (low, high) = range.steps()?;
        if high - low < STEPS_MAX {
            let starts = (low..=high).map(|i| i as f64 * step).collect();
            return Some(Self { starts, upper: range.upper, single: true });
        }
        let width = range.upper - range.lower;
        let even = (0..SPACED).map(|i| range.lower + width * f64::from(i) / f64::from(SPACED));
        let most = range.lower.abs().max(range.upper.abs());
        let ratio = (most / step).powf(1.0 / f64::from(SPACED));
        let spread = (0..=SPACED).map(|i| step * ratio.powi(i32::try_from(i).unwrap_or(0)));
        let within = |v: &f64| *v >= range.lower && *v < range.upper;
        let signed = spread.flat_map(|v| [v, -v]).chain([0.0]);
        let on_grid = |v: f64| (v / step).round() * step;
        let mut starts: Vec<f64> = even.chain(signed).map(on_grid).filter(within).collect();
        starts.push(range.lower);
        starts.sort_unstable_by(f64::total_cmp);
        starts.dedup();
        Some(Self { starts, upper: range.upper, single: false })
    }

    /// The range that they divide.
    pub(crate) fn range(&self) -> (f64, f64) {
        (self.starts.first().copied().unwrap_or(self.upper), self.upper)
    }

    /// Number of bins.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The value that stands for a bin: its own, or its middle.
    pub(crate) fn value(&self, bin: usize) -> f64 {
        let start = self.starts.get(bin).copied().unwrap_or(self.upper);
        if self.single {
            return start;
        }
        f64::midpoint(start, self.end(bin))
    }

    /// Least and greatest value of a bin.
    pub(crate) fn ends(&self, bin: usize) -> (f64, f64) {
        let start = self.starts.get(bin).copied().unwrap_or(self.upper);
        (start, if self.single { start } else { self.end(bin) })
    }

    fn end(&self, bin: usize) -> f64 {
        self.starts.get(bin + 1).copied().unwrap_or(self.upper)
    }

    fn bin_of(&self, value: f64) -> Option<i64> {
        if value.is_nan() {
            return None;
        }
        let tolerance = 1e-9 * value.abs().max(1.0);
        // A value that is off its step by a rounding error belongs to the step.
        let before = self.starts.partition_point(|start| *start <= value + tolerance);
        i64::try_from(before.saturating_sub(1)).ok()
    }
}

/// `graunt_bin(x)`: the bin of a value, the nearest one if it is out of range; null for null.
#[derive(Debug)]
struct ToBin {
    /// Says the bins, so that plans which differ in them read differently.
    name: String,
    candidates: Arc<Candidates>,
    signature: Signature,
}

impl PartialEq for ToBin {
    fn eq(&self, other: &Self) -> bool {
        self.candidates == other.candidates
    }
}

impl Eq for ToBin {}

impl std::hash::Hash for ToBin {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.candidates.len().hash(state);
    }
}

/// The bin of `value`, as a 64-bit integer.
pub(crate) fn to_bin(value: Expr, candidates: &Arc<Candidates>) -> Expr {
    function(Arc::clone(candidates)).call(vec![value])
}

/// The bins of a function of [`to_bin`]; `None` if it is another.
pub(crate) fn told(function: &ScalarUDF) -> Option<Candidates> {
    let bin = function.inner().downcast_ref::<ToBin>()?;
    Some(bin.candidates.as_ref().clone())
}

/// The function of [`to_bin`].
pub(crate) fn function(candidates: Arc<Candidates>) -> ScalarUDF {
    let signature = Signature::any(1, Volatility::Immutable);
    let (low, high) = (candidates.starts.first().copied().unwrap_or(0.0), candidates.upper);
    let name = format!("graunt_bin_{low}_{high}_{}", candidates.len());
    ScalarUDF::new_from_impl(ToBin { name, candidates, signature })
}

impl ScalarUDFImpl for ToBin {
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
        let values = cast(&arrays[0], &DataType::Float64)?;
        let values = values.as_primitive::<Float64Type>();
        let bins: Int64Array =
            values.iter().map(|v| v.and_then(|v| self.candidates.bin_of(v))).collect();
        Ok(ColumnarValue::Array(Arc::new(bins) as ArrayRef))
    }
}

/// Ranges of fewer steps have a bin for each.
const STEPS_MAX: i64 = 4_096;

/// Number of evenly, and of geometrically, spaced bins of wider ranges.
const SPACED: u32 = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_ranges_have_a_bin_for_each_step() {
        let bins = Candidates::of(Range::new(-2.0, 3.0, 0).unwrap()).unwrap();
        assert_eq!(bins.len(), 6);
        assert_eq!(bins.bin_of(-2.0), Some(0));
        assert_eq!(bins.bin_of(3.0), Some(5));
        assert_eq!((bins.bin_of(-9.0), bins.bin_of(99.0)), (Some(0), Some(5)));
        assert_eq!(bins.bin_of(f64::NAN), None);
        assert_eq!(bins.value(2), 0.0);
    }

    #[test]
    fn wide_ranges_tell_small_values_apart() {
        let bins = Candidates::of(Range::new(0.0, 10_000.0, 2).unwrap()).unwrap();
        assert!(bins.len() < 3_000, "{}", bins.len());
        for value in [0.0, 0.01, 0.5, 3.0, 77.77, 9_999.99, 10_000.0] {
            let bin = usize::try_from(bins.bin_of(value).unwrap()).unwrap();
            let (start, end) = bins.ends(bin);
            assert!(start <= value + 1e-6 && value <= end + 1e-6, "{start} {value} {end}");
            assert!(end - start <= 0.02 * value.max(1.0), "{start} {value} {end}");
        }
    }
}
