//! Dominating pairs as atoms of their privacy loss.
//!
//! It does not compose, and knows no grid.

use std::f64::consts::TAU;

/// A loss, and the probability under P with which it occurs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Atom {
    /// ln P(x)/Q(x).
    pub(super) loss: f64,
    /// Probability of the outcomes x with this loss, under P.
    pub(super) mass: f64,
}

/// P is the discrete Gaussian of scale σ < 256 around 0, Q the one around -`sensitivity`.
///
/// The tails beyond 16 σ are left out: their probability is below [`TAIL`].
pub(super) fn discrete_gaussian(sensitivity: f64, sigma: f64) -> Vec<Atom> {
    let square = sigma * sigma;
    let reach = (REACH * sigma).ceil().max(1.0);
    let weight = |x: f64| (-x * x / (2.0 * square)).exp();
    let half: f64 = (1..=whole(reach)).rev().map(|x| weight(f64::from(x))).sum();
    let total = 2.0 * half + 1.0;
    (-whole(reach)..=whole(reach))
        .map(|x| {
            let x = f64::from(x);
            let loss = sensitivity * (2.0 * x + sensitivity) / (2.0 * square);
            Atom { loss, mass: weight(x) / total }
        })
        .filter(|atom| atom.mass > 0.0)
        .collect()
}

/// P is the Gaussian of deviation 1 around 0, Q the one around -`shift`, both through a lattice.
///
/// With steps of 1/512, a discrete Gaussian of deviation 1 around any centre, to which continuous
/// Gaussian noise of deviation [`SMOOTHING`] steps is added, has the density of a Gaussian of
/// square deviation 1 + (`SMOOTHING`/512)², but for a factor within 1 ± 10⁻²⁶. So the Gaussian
/// pair is what an observer of the lattice pair can make of it, if the shift is made larger in
/// the same proportion.
pub(super) fn gaussian(shift: f64) -> Vec<Atom> {
    let shift = shift * (1.0 + (SMOOTHING / STEPS).powi(2)).sqrt();
    let total = STEPS * TAU.sqrt();
    let reach = whole(REACH * STEPS);
    (-reach..=reach)
        .map(|step| {
            let z = f64::from(step) / STEPS;
            Atom { loss: shift * (z + shift / 2.0), mass: (-z * z / 2.0).exp() / total }
        })
        .collect()
}

/// How much narrower a continuous Gaussian has to be to dominate the discrete one of scale σ.
///
/// The discrete Gaussian of scale σ is, but for a factor within 1 ± 10⁻²⁶, what becomes of a
/// continuous one of square scale σ² - `SMOOTHING`² when it is rounded at random, by a discrete
/// Gaussian of scale `SMOOTHING` around it.
pub(super) fn narrowing(sigma: f64) -> f64 {
    1.0 / (1.0 - (SMOOTHING / sigma).powi(2)).sqrt()
}

/// P is the discrete Laplace law of this scale around 0, Q the one around `sensitivity`.
///
/// All outcomes on the far side of either centre have the same loss. A sensitivity of more steps
/// than [`STEPS_MAX`] is counted in longer steps, rounded up: a geometric variable is a multiple
/// of the longer step, which is geometric too, and an independent rest. So the law on the longer
/// steps dominates.
pub(super) fn discrete_laplace(sensitivity: u64, scale: f64) -> Vec<Atom> {
    let step = sensitivity.div_ceil(u64::from(STEPS_MAX)).max(1);
    // The quotient is at most STEPS_MAX.
    let steps = u32::try_from(sensitivity.div_ceil(step)).unwrap_or(STEPS_MAX);
    lattice_laplace(steps, step as f64 / scale)
}

/// The same for the continuous law, with a lattice of as many steps as there may be.
pub(super) fn laplace(epsilon: f64) -> Vec<Atom> {
    lattice_laplace(LAPLACE_STEPS, epsilon / f64::from(LAPLACE_STEPS))
}

/// `steps` of a lattice, over each of which the probability falls by exp(-`decay`).
fn lattice_laplace(steps: u32, decay: f64) -> Vec<Atom> {
    let ratio = (-decay).exp();
    let end = 1.0 / (1.0 + ratio);
    // (1 - ratio) / (1 + ratio), without cancellation.
    let inner = (decay / 2.0).tanh();
    let power = |x: u32| (-decay * f64::from(x)).exp();
    let loss = |x: u32| decay * (f64::from(steps) - 2.0 * f64::from(x));
    if steps == 0 {
        return vec![Atom { loss: 0.0, mass: 1.0 }];
    }
    let between = (1..steps).map(|x| Atom { loss: loss(x), mass: inner * power(x) });
    let mut atoms = vec![
        Atom { loss: loss(0), mass: end },
        Atom { loss: loss(steps), mass: end * power(steps) },
    ];
    atoms.extend(between);
    atoms.retain(|atom| atom.mass > 0.0);
    atoms
}

/// The pair that dominates all (ε, δ)-private mechanisms, but for its atom at infinity.
pub(super) fn randomized_response(epsilon: f64, delta: f64) -> Vec<Atom> {
    let lie = 1.0 / (1.0 + epsilon.exp());
    let atoms = [
        Atom { loss: epsilon, mass: (1.0 - delta) * (1.0 - lie) },
        Atom { loss: -epsilon, mass: (1.0 - delta) * lie },
    ];
    atoms.into_iter().filter(|atom| atom.mass > 0.0).collect()
}

/// A whole float from 0 to 2³⁰.
#[expect(clippy::cast_possible_truncation, reason = "callers pass whole numbers below 2^30")]
fn whole(float: f64) -> i32 {
    float as i32
}

/// Scale from which on a discrete Gaussian is dominated by a continuous one that is hardly
/// narrower: by 2.4 · 10⁻⁵ here.
pub(super) const CONTINUOUS_MIN: f64 = 256.0;

/// Above the probability that a Gaussian, continuous or discrete, is beyond [`REACH`] deviations.
pub(super) const TAIL: f64 = 1e-54;

/// Deviations up to which atoms are laid out: 4 · exp(-16²/2) is 10⁻⁵⁵.
const REACH: f64 = 16.0;

/// Deviation, in steps of a lattice, of noise that hides the lattice: its ripple is
/// 2 · exp(-2π² · 1.75²) or 10⁻²⁶, and 1.76 leaves room for the reduced deviation of a product.
const SMOOTHING: f64 = 1.76;

/// Lattice steps in one deviation: the lattice costs 6 · 10⁻⁶ of the shift.
const STEPS: f64 = 512.0;

/// Most lattice steps between the centres of two discrete Laplace laws: longer steps cost at most
/// one part in this of the loss.
const STEPS_MAX: u32 = 1 << 14;

/// Lattice steps between the centres of two continuous Laplace laws; the cost falls with the
/// square.
const LAPLACE_STEPS: u32 = 1 << 12;
