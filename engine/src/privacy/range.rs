//! Public ranges of values on a public fixed-point grid, and how expressions carry them.
//!
//! A range is a promise that is kept by force: wherever it decides a sensitivity, values are
//! clamped to it as they are put on the grid.

use ledger_adapter::manifest::Bounds;

/// Values lie in `lower..=upper`, and `decimals` decimal places of them are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) lower: f64,
    pub(crate) upper: f64,
    pub(crate) decimals: u8,
}

impl Range {
    /// A range with finite, ordered ends; `None` otherwise.
    pub(crate) fn new(lower: f64, upper: f64, decimals: u8) -> Option<Self> {
        let ordered = lower.is_finite() && upper.is_finite() && lower <= upper;
        ordered.then_some(Self { lower, upper, decimals: decimals.min(DECIMALS_MAX) })
    }

    /// The range of one number; decimals as it is written, at most [`DECIMALS_MAX`].
    pub(crate) fn point(value: f64) -> Option<Self> {
        let decimals = (0..=DECIMALS_MAX)
            .find(|d| {
                let scaled = value * 10f64.powi(i32::from(*d));
                (scaled - scaled.round()).abs() < 1e-9 * scaled.abs().max(1.0)
            })
            .unwrap_or(DECIMALS_MAX);
        Self::new(value, value, decimals)
    }

    pub(crate) fn of_bounds(bounds: Bounds) -> Option<Self> {
        let step = 10f64.powi(i32::from(bounds.scale));
        Self::new(bounds.lower as f64 / step, bounds.upper as f64 / step, bounds.scale)
    }

    pub(crate) fn union(self, other: Self) -> Option<Self> {
        let (lower, upper) = (self.lower.min(other.lower), self.upper.max(other.upper));
        Self::new(lower, upper, self.decimals.max(other.decimals))
    }

    /// The part below `upper` and above `lower`; `None` for an empty part.
    pub(crate) fn within(self, lower: Option<f64>, upper: Option<f64>) -> Option<Self> {
        let lower = lower.map_or(self.lower, |l| l.max(self.lower));
        let upper = upper.map_or(self.upper, |u| u.min(self.upper));
        Self::new(lower, upper, self.decimals)
    }

    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        let decimals = self.decimals.max(other.decimals);
        Self::new(self.lower + other.lower, self.upper + other.upper, decimals)
    }

    pub(crate) fn negated(self) -> Self {
        Self { lower: -self.upper, upper: -self.lower, decimals: self.decimals }
    }

    pub(crate) fn times(self, other: Self) -> Option<Self> {
        let corners = [
            self.lower * other.lower,
            self.lower * other.upper,
            self.upper * other.lower,
            self.upper * other.upper,
        ];
        Self::hull(&corners, self.decimals.saturating_add(other.decimals).min(PRODUCT_DECIMALS))
    }

    /// The quotient; `None` if the divisor may come arbitrarily close to zero.
    pub(crate) fn over(self, other: Self, integers: bool) -> Option<Self> {
        if integers {
            // Division of integers by a non-zero integer never makes them larger.
            let most = self.lower.abs().max(self.upper.abs());
            return Self::new(-most, most, 0)?.narrowed_by_sign(self, other);
        }
        if other.lower <= 0.0 && other.upper >= 0.0 {
            return None;
        }
        let corners = [
            self.lower / other.lower,
            self.lower / other.upper,
            self.upper / other.lower,
            self.upper / other.upper,
        ];
        Self::hull(&corners, PRODUCT_DECIMALS)
    }

    /// Applies a function that never decreases.
    pub(crate) fn increasing(self, f: impl Fn(f64) -> f64, decimals: u8) -> Option<Self> {
        Self::new(f(self.lower), f(self.upper), decimals)
    }

    pub(crate) fn magnitude(self) -> Option<Self> {
        let most = self.lower.abs().max(self.upper.abs());
        let least = if self.lower <= 0.0 && self.upper >= 0.0 {
            0.0
        } else {
            self.lower.abs().min(self.upper.abs())
        };
        Self::new(least, most, self.decimals)
    }

    /// The ends in steps of the grid, rounded outwards; `None` past ±2⁵².
    pub(crate) fn steps(self) -> Option<(i64, i64)> {
        let step = 10f64.powi(i32::from(self.decimals));
        let lower = whole((self.lower * step).floor())?;
        let upper = whole((self.upper * step).ceil())?;
        Some((lower, upper))
    }

    fn hull(corners: &[f64; 4], decimals: u8) -> Option<Self> {
        let lower = corners.iter().copied().fold(f64::INFINITY, f64::min);
        let upper = corners.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self::new(lower, upper, decimals)
    }

    fn narrowed_by_sign(self, dividend: Self, divisor: Self) -> Option<Self> {
        let divisor_steady = divisor.lower > 0.0;
        if divisor_steady && dividend.lower >= 0.0 {
            let upper = (dividend.upper / divisor.lower.max(1.0)).floor();
            let lower = (dividend.lower / divisor.upper).floor();
            return Self::new(lower, upper, 0);
        }
        Some(self)
    }
}

/// An integer that a float holds exactly; `None` past ±2⁵².
pub(crate) fn whole(value: f64) -> Option<i64> {
    const EXACT: f64 = 4_503_599_627_370_496.0;
    if value.fract() != 0.0 || value.abs() > EXACT {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "an integer within ±2^52, checked above")]
    Some(value as i64)
}

/// Most decimal places that any column keeps.
pub(crate) const DECIMALS_MAX: u8 = 9;

/// Most decimal places that a product or quotient keeps: enough for rates, and it leaves room
/// below 2⁵² for values up to billions.
pub(crate) const PRODUCT_DECIMALS: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn range(lower: f64, upper: f64) -> Range {
        Range::new(lower, upper, 0).unwrap()
    }

    #[test]
    fn products_and_quotients_hold_every_corner() {
        assert_eq!(range(-2.0, 3.0).times(range(-5.0, 4.0)), Range::new(-15.0, 12.0, 0));
        assert_eq!(range(1.0, 9.0).over(range(-1.0, 1.0), false), None);
        assert_eq!(range(18.0, 99.0).over(range(10.0, 10.0), true), Range::new(1.0, 9.0, 0));
        assert_eq!(range(-7.0, 3.0).over(range(-1.0, 2.0), true), Range::new(-7.0, 7.0, 0));
    }

    #[test]
    fn a_number_keeps_the_decimals_it_is_written_with() {
        assert_eq!(Range::point(1.2).unwrap().decimals, 1);
        assert_eq!(Range::point(-3.0).unwrap().decimals, 0);
        assert_eq!(Range::point(1.0 / 3.0).unwrap().decimals, DECIMALS_MAX);
        assert_eq!(Range::point(f64::NAN), None);
    }

    #[test]
    fn steps_round_outwards() {
        assert_eq!(Range::new(-0.125, 0.125, 2).unwrap().steps(), Some((-13, 13)));
        assert_eq!(Range::new(0.0, 1e300, 0).unwrap().steps(), None);
    }
}
