//! Distribution functions and quantiles that intervals are made of, by `statrs` and `libm`.
//!
//! `statrs` gives regularized gamma and beta functions to some 1e-14; its quantiles are searches
//! to less. Each quantile here is a bisection of the distribution function down to the last bit.

use statrs::function::beta::beta_reg;
use statrs::function::gamma::{gamma_lr, gamma_ur};

/// The distribution function of the standard normal law.
pub fn normal(x: f64) -> f64 {
    libm::erfc(-x / std::f64::consts::SQRT_2) / 2.0
}

/// The quantile of the standard normal law; `p` in (0, 1), infinite at 0 and 1, NaN elsewhere.
pub fn normal_quantile(p: f64) -> f64 {
    let lower = |p: f64| bisect(-40.0, 0.0, |x| normal(x) < p);
    match p {
        0.0 => f64::NEG_INFINITY,
        1.0 => f64::INFINITY,
        p if p > 0.0 && p <= 0.5 => lower(p),
        p if p > 0.5 && p < 1.0 => -lower(1.0 - p),
        _ => f64::NAN,
    }
}

/// The distribution function of the gamma law of this shape and rate 1, at `x` ≥ 0.
pub fn gamma(x: f64, shape: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { gamma_lr(shape, x) }
}

/// The quantile of the gamma law of this shape > 0 and rate 1, for `p` in (0, 1); 0 for shape 0,
/// NaN elsewhere. Half the quantile of chi-square with twice the shape as degrees of freedom.
pub fn gamma_quantile(p: f64, shape: f64) -> f64 {
    if shape == 0.0 {
        return 0.0;
    }
    if !(shape > 0.0 && p > 0.0 && p < 1.0) {
        return f64::NAN;
    }
    let mut upper = shape.max(1.0);
    while gamma_ur(shape, upper) > 1.0 - p && upper < f64::MAX / 2.0 {
        upper *= 2.0;
    }
    if p < 0.5 {
        bisect(0.0, upper, |x| gamma(x, shape) < p)
    } else {
        bisect(0.0, upper, |x| x == 0.0 || gamma_ur(shape, x) > 1.0 - p)
    }
}

/// The upper tail of chi-square with so many degrees of freedom > 0: a p-value.
pub fn chi_square_tail(x: f64, degrees: f64) -> f64 {
    if x <= 0.0 { 1.0 } else { gamma_ur(degrees / 2.0, x / 2.0) }
}

/// The quantile of chi-square with so many degrees of freedom.
pub fn chi_square_quantile(p: f64, degrees: f64) -> f64 {
    2.0 * gamma_quantile(p, degrees / 2.0)
}

/// The distribution function of the beta law with parameters `a`, `b` > 0, at `x` in [0, 1].
pub fn beta(x: f64, a: f64, b: f64) -> f64 {
    beta_reg(a, b, x.clamp(0.0, 1.0))
}

/// The quantile of the beta law with parameters `a`, `b` > 0, for `p` in (0, 1); NaN elsewhere.
pub fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    if !(a > 0.0 && b > 0.0 && p > 0.0 && p < 1.0) {
        return f64::NAN;
    }
    bisect(0.0, 1.0, |x| beta(x, a, b) < p)
}

/// Where a property of the numbers from `low` to `high` ends that `low` has: to the last bit.
/// Where it has no end there, `high`.
pub fn bisect(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return high;
        }
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{beta_quantile, chi_square_quantile, chi_square_tail, normal, normal_quantile};

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{got} {expected}");
    }

    /// SciPy 1.16, `norm`, `chi2` and `beta`.
    #[test]
    fn quantiles_and_tails_are_those_of_scipy() {
        close(normal_quantile(0.975), 1.959963984540054);
        close(normal_quantile(0.005), -2.575829303548901);
        close(normal(-3.0), 0.0013498980316300933);
        close(chi_square_quantile(0.025, 20.0), 9.590777392264867);
        close(chi_square_quantile(0.975, 22.0), 36.78071208403556);
        close(chi_square_quantile(0.95, 1.0), 3.84145882069412);
        close(chi_square_tail(3.84145882069412, 1.0), 0.05);
        close(beta_quantile(0.025, 3.0, 8.0), 0.06673951117773447);
        close(beta_quantile(0.975, 4.0, 7.0), 0.6524528500599973);
        assert_eq!(chi_square_quantile(0.5, 0.0), 0.0);
    }
}
