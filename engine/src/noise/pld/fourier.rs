//! Discrete Fourier transforms of a power-of-two length, for products of spectra only.
//!
//! The spectrum is left in bit-reversed order: pointwise products do not care, and the way back
//! undoes it. Own code rather than a crate's, which picks other instructions on other machines:
//! the same plan must cost the same everywhere.
//!
//! # Source
//! Gentleman and Sande 1966 (forward), Cooley and Tukey 1965 (back).

/// A complex number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Complex {
    /// Real part.
    pub(super) re: f64,
    /// Imaginary part.
    pub(super) im: f64,
}

impl Complex {
    /// One.
    pub(super) const ONE: Self = Self { re: 1.0, im: 0.0 };

    /// The product.
    pub(super) fn times(self, other: Self) -> Self {
        Self {
            re: self.re * other.re - self.im * other.im,
            im: self.re * other.im + self.im * other.re,
        }
    }

    /// The power, by repeated squaring.
    pub(super) fn power(self, mut exponent: u64) -> Self {
        let mut result = Self::ONE;
        let mut square = self;
        while exponent > 1 {
            if exponent & 1 == 1 {
                result = result.times(square);
            }
            square = square.times(square);
            exponent >>= 1;
        }
        if exponent == 1 { result.times(square) } else { result }
    }
}

/// The roots of unity that a transform of one length needs.
pub(super) struct Transform {
    /// exp(-2πi·k/length) for k below half the length.
    roots: Vec<Complex>,
}

impl Transform {
    /// Prepares transforms of `length`, a power of two.
    pub(super) fn new(length: usize) -> Self {
        let angle = -std::f64::consts::TAU / length as f64;
        let root = |k: usize| {
            let (im, re) = (angle * k as f64).sin_cos();
            Complex { re, im }
        };
        Self { roots: (0..length / 2).map(root).collect() }
    }

    /// Values to their spectrum, in bit-reversed order.
    pub(super) fn forward(&self, values: &mut [Complex]) {
        let mut span = values.len();
        while span > 1 {
            let half = span / 2;
            let stride = self.roots.len() / half;
            for block in values.chunks_exact_mut(span) {
                let (left, right) = block.split_at_mut(half);
                for k in 0..half {
                    let (a, b) = (left[k], right[k]);
                    left[k] = Complex { re: a.re + b.re, im: a.im + b.im };
                    let difference = Complex { re: a.re - b.re, im: a.im - b.im };
                    right[k] = difference.times(self.roots[k * stride]);
                }
            }
            span = half;
        }
    }

    /// A bit-reversed spectrum to values, as many times too large as it is long.
    pub(super) fn back(&self, spectrum: &mut [Complex]) {
        let mut half = 1;
        while half < spectrum.len() {
            let stride = self.roots.len() / half;
            for block in spectrum.chunks_exact_mut(2 * half) {
                let (left, right) = block.split_at_mut(half);
                for k in 0..half {
                    let root = self.roots[k * stride];
                    let turned = right[k].times(Complex { re: root.re, im: -root.im });
                    let a = left[k];
                    left[k] = Complex { re: a.re + turned.re, im: a.im + turned.im };
                    right[k] = Complex { re: a.re - turned.re, im: a.im - turned.im };
                }
            }
            half *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_spectra_are_cyclic_convolutions() {
        let mut state = 1_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f64 / f64::from(1 << 24) - 0.5
        };
        for length in [2_usize, 4, 64, 256] {
            let left: Vec<f64> = (0..length).map(|_| draw()).collect();
            let right: Vec<f64> = (0..length).map(|_| draw()).collect();
            let transform = Transform::new(length);
            let spectrum = |values: &[f64]| {
                let mut values: Vec<_> = values.iter().map(|&re| Complex { re, im: 0.0 }).collect();
                transform.forward(&mut values);
                values
            };
            let pairs = spectrum(&left).into_iter().zip(spectrum(&right));
            let mut product: Vec<_> = pairs.map(|(a, b)| a.times(b)).collect();
            transform.back(&mut product);
            for (at, found) in product.iter().enumerate() {
                let direct: f64 =
                    (0..length).map(|i| left[i] * right[(length + at - i) % length]).sum();
                assert!((found.re / length as f64 - direct).abs() < 1e-14, "{length}, {at}");
                assert!((found.im / length as f64).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn powers_are_repeated_products() {
        let base = Complex { re: 0.6, im: 0.8 };
        let mut direct = Complex::ONE;
        for exponent in 0..40 {
            let found = base.power(exponent);
            assert!((found.re - direct.re).abs() < 1e-14 && (found.im - direct.im).abs() < 1e-14);
            direct = direct.times(base);
        }
    }
}
