//! How much privacy a plan costs whose mechanisms were all fixed before its first answer.
//!
//! ```text
//!   mechanism ──▶ PrivacyLoss ──compose──▶ Composition ──▶ ε at a δ, δ at an ε
//!                 (exact atoms)             (atoms laid on a grid, tilted, convolved)
//! ```
//! A mechanism is stood in for by a pair of distributions that dominates it: no pair of
//! neighbouring databases is told apart more easily. The pair is kept as atoms of the privacy
//! loss ln P(x)/Q(x), drawn from P. Composition adds independent losses. Every step rounds
//! against the spender, so an ε from here is never below the true one. It is above it by less than
//! 0.1 %, unless ε is far below the standard deviation of the loss or the scale of the noise is far
//! below the sensitivity.
//!
//! A vector in which one person moves `groups` cells by at most `c` each is the `groups`-fold
//! composition of the scalar pair with sensitivity c.
//!
//! It does not admit queries: whoever chooses the next mechanism after seeing an answer may not
//! stop when this number is reached (arXiv 2602.06756). Accounts add (ρ, δ) instead. A cost that is
//! known as (ρ, δ) only has no privacy loss distribution, so there is no way in for one.
//!
//! # Source
//! Doroshenko, Ghazi, Kamath, Kumar and Manurangsi, Connect the Dots, 2022 (the grid); Gopi, Lee
//! and Wutschitz 2021 (convolution by Fourier transform); Peikert 2010, Theorem 3.1, and Regev
//! 2009, Claim 3.9 (a continuous Gaussian rounded to a discrete one, and the way back).

mod atoms;
mod convolution;
mod fourier;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::NoiseError;
use atoms::Atom;
use convolution::{Part, Question};

/// The privacy loss of one mechanism, at neighbours that are as far apart as it allows.
#[derive(Clone, Debug)]
pub struct PrivacyLoss(Form);

/// What is known of a loss.
#[derive(Clone, Debug)]
enum Form {
    /// The loss of a Gaussian of deviation 1 whose mean is moved by `shift`.
    Gaussian { shift: f64 },
    /// A finite number of losses; with probability `infinite` the neighbours are told apart.
    Atoms { atoms: Arc<[Atom]>, infinite: f64 },
}

impl PrivacyLoss {
    /// Noise of the discrete Gaussian law with this scale, on an integer that one person moves by
    /// at most `sensitivity`.
    ///
    /// # Errors
    /// [`NoiseError::BadScale`] unless `scale` is positive and finite;
    /// [`NoiseError::Overflow`] if `sensitivity` is above a thousand scales.
    ///
    /// # Privacy
    /// The law is symmetric, so one direction stands for both. It is log-concave, so a half-line
    /// tells neighbours apart best, and a smaller shift is dominated by a larger one.
    ///
    /// # Source
    /// CKS20, Theorem 7 (the loss); Peikert 2010, Theorem 3.1 (from scale 256 on, where it is
    /// dominated by a continuous Gaussian that is narrower by less than one part in 40 000).
    pub fn discrete_gaussian(sensitivity: u64, scale: f64) -> Result<Self, NoiseError> {
        let shift = relative_shift(sensitivity as f64, scale)?;
        if scale >= atoms::CONTINUOUS_MIN {
            return Ok(Self(Form::Gaussian { shift: shift * atoms::narrowing(scale) }));
        }
        Ok(Self::from_atoms(atoms::discrete_gaussian(sensitivity as f64, scale), atoms::TAIL))
    }

    /// Noise of the discrete Laplace law with this scale, on an integer that one person moves by
    /// at most `sensitivity`.
    ///
    /// # Errors
    /// As [`PrivacyLoss::discrete_gaussian`].
    pub fn discrete_laplace(sensitivity: u64, scale: f64) -> Result<Self, NoiseError> {
        relative_shift(sensitivity as f64, scale)?;
        Ok(Self::from_atoms(atoms::discrete_laplace(sensitivity, scale), 0.0))
    }

    /// Noise of the continuous Gaussian law, for comparison with published figures.
    ///
    /// # Errors
    /// As [`PrivacyLoss::discrete_gaussian`]; [`NoiseError::NoSensitivity`] if `sensitivity` is
    /// no number from zero on.
    pub fn gaussian(sensitivity: f64, scale: f64) -> Result<Self, NoiseError> {
        Ok(Self(Form::Gaussian { shift: relative_shift(sensitivity, scale)? }))
    }

    /// Noise of the continuous Laplace law, for comparison with published figures.
    ///
    /// # Errors
    /// As [`PrivacyLoss::gaussian`].
    ///
    /// # Privacy
    /// Dominated by the law on a lattice whose step divides the sensitivity: an exponential
    /// variable is a whole number of steps, which is geometric, and an independent rest.
    pub fn laplace(sensitivity: f64, scale: f64) -> Result<Self, NoiseError> {
        let epsilon = relative_shift(sensitivity, scale)?;
        Ok(Self::from_atoms(atoms::laplace(epsilon), 0.0))
    }

    /// Any mechanism of which nothing is known but that it is (ε, δ)-private, such as a
    /// selection of keys.
    ///
    /// # Errors
    /// [`NoiseError::BadEpsilon`] unless `epsilon` is from 0 to 10⁶; [`NoiseError::BadDelta`]
    /// unless `delta` is from 0 to 1.
    ///
    /// # Source
    /// Kairouz, Oh and Viswanath 2015 (the mechanism that dominates all of them).
    pub fn approximate(epsilon: f64, delta: f64) -> Result<Self, NoiseError> {
        if !(0.0..=1e6).contains(&epsilon) {
            return Err(NoiseError::BadEpsilon);
        }
        if !(0.0..=1.0).contains(&delta) {
            return Err(NoiseError::BadDelta);
        }
        Ok(Self::from_atoms(atoms::randomized_response(epsilon, delta), delta))
    }

    fn from_atoms(atoms: Vec<Atom>, infinite: f64) -> Self {
        Self(Form::Atoms { atoms: atoms.into(), infinite })
    }
}

/// Composes mechanisms, each as many times as is said, that were all fixed beforehand.
pub fn compose(losses: &[(PrivacyLoss, u64)]) -> Composition {
    let mut parts = Vec::new();
    // Gaussians compose to one Gaussian, whose square shift is the sum of theirs.
    let mut square_shift = 0.0;
    let mut log_finite = 0.0;
    for (loss, times) in losses.iter().filter(|(_, times)| *times > 0) {
        match &loss.0 {
            Form::Gaussian { shift } => square_shift += shift * shift * *times as f64,
            Form::Atoms { atoms, infinite } => {
                log_finite += (-infinite).ln_1p() * *times as f64;
                parts.extend(Part::new(Arc::clone(atoms), *times));
            }
        }
    }
    if square_shift > 0.0 {
        let atoms = atoms::gaussian(square_shift.sqrt() * ROUNDED_UP);
        log_finite += (-atoms::TAIL).ln_1p();
        parts.extend(Part::new(atoms.into(), 1));
    }
    Composition { parts, infinite: -log_finite.exp_m1() * ROUNDED_UP }
}

/// The privacy loss of several mechanisms together.
#[derive(Clone, Debug)]
pub struct Composition {
    parts: Vec<Part>,
    infinite: f64,
}

impl Composition {
    /// The least ε with (ε, `delta`), rounded up; infinite if there is none.
    ///
    /// Range: δ from about 10⁻⁴⁰ on; NaN counts as zero.
    pub fn epsilon(&self, delta: f64) -> f64 {
        if delta >= 1.0 {
            return 0.0;
        }
        if delta.is_nan() || delta <= self.infinite {
            return f64::INFINITY;
        }
        convolution::epsilon(&self.parts, Question { given: delta, infinite: self.infinite })
    }

    /// The least δ with (`epsilon`, δ), rounded up; an ε that is no number from 0 on counts as 0.
    pub fn delta(&self, epsilon: f64) -> f64 {
        let question = Question { given: epsilon.max(0.0), infinite: self.infinite };
        let found = convolution::delta(&self.parts, question);
        if found.is_nan() { 1.0 } else { found.clamp(self.infinite.min(1.0), 1.0) }
    }
}

/// The law of a mechanism's noise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    /// On the integers, as released.
    DiscreteGaussian,
    /// On the integers.
    DiscreteLaplace,
    /// On the reals, for comparison with published figures.
    Gaussian,
    /// On the reals, for comparison with published figures.
    Laplace,
}

impl Family {
    fn loss(self, sensitivity: u64, scale: f64) -> Result<PrivacyLoss, NoiseError> {
        match self {
            Self::DiscreteGaussian => PrivacyLoss::discrete_gaussian(sensitivity, scale),
            Self::DiscreteLaplace => PrivacyLoss::discrete_laplace(sensitivity, scale),
            Self::Gaussian => PrivacyLoss::gaussian(sensitivity as f64, scale),
            Self::Laplace => PrivacyLoss::laplace(sensitivity as f64, scale),
        }
    }
}

/// What one mechanism of a plan is applied to, and how often.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Workload {
    /// Furthest that one person can move one cell.
    pub sensitivity: u64,
    /// Most cells that one person can move.
    pub groups: u64,
    /// Mechanisms in the plan, all alike.
    pub times: u64,
}

/// Finds the least scale, to one part in a million, at which the whole workload is (ε, δ)-private.
///
/// # Errors
/// [`NoiseError::BadEpsilon`] unless `epsilon` is from 0.001 to 10 000;
/// [`NoiseError::BadDelta`] unless `delta` is from 10⁻³⁰ to 1, both excluded;
/// [`NoiseError::NoSensitivity`] if the workload moves nothing; [`NoiseError::Overflow`].
pub fn calibrate(
    family: Family,
    workload: Workload,
    epsilon: f64,
    delta: f64,
) -> Result<f64, NoiseError> {
    let Workload { sensitivity, groups, times } = workload;
    if !(1e-3..=1e4).contains(&epsilon) {
        return Err(NoiseError::BadEpsilon);
    }
    if !(delta > 1e-30 && delta < 1.0) {
        return Err(NoiseError::BadDelta);
    }
    if sensitivity == 0 || groups == 0 || times == 0 {
        return Err(NoiseError::NoSensitivity);
    }
    let count = groups.checked_mul(times).ok_or(NoiseError::Overflow { what: "the workload" })?;
    let fits = |scale: f64| -> Result<bool, NoiseError> {
        let loss = family.loss(sensitivity, scale)?;
        Ok(compose(&[(loss, count)]).epsilon(delta) <= epsilon)
    };

    // The classic bound for one Gaussian, to begin with.
    let mut enough = sensitivity as f64 * (2.0 * count as f64 * (1.25 / delta).ln()).sqrt();
    enough = (enough / epsilon).max(sensitivity as f64 * 1e-2);
    while !fits(enough)? {
        enough *= 2.0;
        if enough > 1e15 * sensitivity as f64 {
            return Err(NoiseError::Overflow { what: "the noise scale" });
        }
    }
    let mut too_little = enough / 2.0;
    while too_little > sensitivity as f64 * 2e-3 && fits(too_little)? {
        enough = too_little;
        too_little /= 2.0;
    }
    while enough / too_little > 1.0 + 1e-6 {
        let middle = (enough * too_little).sqrt();
        if fits(middle)? {
            enough = middle;
        } else {
            too_little = middle;
        }
    }
    Ok(enough)
}

/// The sensitivity in units of the scale.
fn relative_shift(sensitivity: f64, scale: f64) -> Result<f64, NoiseError> {
    if !(scale.is_finite() && scale > 0.0) {
        return Err(NoiseError::BadScale);
    }
    if !(sensitivity.is_finite() && sensitivity >= 0.0) {
        return Err(NoiseError::NoSensitivity);
    }
    let shift = sensitivity / scale;
    // Beyond, the loss is so large that nobody is protected.
    if shift > 1e3 { Err(NoiseError::Overflow { what: "the privacy loss" }) } else { Ok(shift) }
}

/// More than one, by more than the float error of a sum.
const ROUNDED_UP: f64 = 1.0 + 1e-14;
