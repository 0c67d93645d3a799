//! Sums of independent losses: laid on a grid, tilted towards the answer, convolved.
//!
//! Laying on a grid splits each atom between its two neighbours so that its probability under P
//! and under Q are both kept; the result dominates. Tilting by exp(θ·loss) centres the convolution
//! on the losses that decide the answer, so that a δ of 10⁻¹⁸ is found as precisely as one of a
//! half. What the window and the floats leave out is bounded by Chernoff and added to δ.
//!
//! # Source
//! Doroshenko et al. 2022 (the grid); Gopi, Lee and Wutschitz 2021 (the window).

use std::sync::Arc;

use super::atoms::Atom;
use super::fourier::{Complex, Transform};

/// A loss that is composed with itself.
#[derive(Clone, Debug)]
pub(super) struct Part {
    atoms: Arc<[Atom]>,
    /// The same on a grid of some hundred points, to find one's way by.
    outline: Grid,
    /// The greatest loss, rounded up.
    most: f64,
    times: u64,
}

impl Part {
    /// A part, unless it never has a finite loss.
    pub(super) fn new(atoms: Arc<[Atom]>, times: u64) -> Option<Self> {
        let least = atoms.iter().map(|atom| atom.loss).reduce(f64::min)?;
        let most = atoms.iter().map(|atom| atom.loss).reduce(f64::max)?;
        let step = ((most - least) / OUTLINE_STEPS).max(most.abs() * 1e-6).max(1e-12);
        let outline = Grid::new(&atoms, step);
        let most = most + most.abs() * 1e-14;
        Some(Self { atoms, outline, most, times })
    }
}

/// What is asked of a composition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// The given δ or ε.
    pub(super) given: f64,
    /// Probability of an infinite loss.
    pub(super) infinite: f64,
}

/// The least ε for the given δ, which is above the probability of an infinite loss.
pub(super) fn epsilon(parts: &[Part], question: Question) -> f64 {
    let log_odds = -(question.given - question.infinite).ln();
    if top(parts) <= 0.0 {
        return 0.0;
    }
    let theta = tilt_for_delta(parts, log_odds);
    let about = (total(parts, theta).log + log_corner(theta) + log_odds) / theta;
    if about <= 0.0 {
        return 0.0;
    }
    Sum::new(parts, theta, PRECISION * about, about - 5.0 / theta).epsilon(question)
}

/// The least δ for the given ε.
pub(super) fn delta(parts: &[Part], question: Question) -> f64 {
    // δ is at most 1 - exp(-gap), and no tilt is needed to see as little as that.
    let gap = top(parts) - question.given;
    let most = question.infinite + -(-gap.max(0.0)).exp_m1();
    if gap <= 1e-9 * top(parts) {
        return most;
    }
    let theta = tilt_for_epsilon(parts, question.given);
    // δ falls by a factor of e over 1/θ.
    let deviation = total(parts, 0.0).variance.sqrt();
    let allowed = 2e-3 * deviation.min(1.0 / theta);
    Sum::new(parts, theta, allowed, question.given).delta(question).min(most)
}

/// The greatest loss that is possible at all.
fn top(parts: &[Part]) -> f64 {
    parts.iter().map(|part| part.most * part.times as f64).sum()
}

/// ln E exp(θL) and its first two derivatives in θ.
#[derive(Clone, Copy, Debug, Default)]
struct Cumulants {
    log: f64,
    mean: f64,
    variance: f64,
}

impl Cumulants {
    fn add(&mut self, other: Self, times: f64) {
        self.log += other.log * times;
        self.mean += other.mean * times;
        self.variance += other.variance * times;
    }
}

/// The cumulants of the outlines of all parts together.
fn total(parts: &[Part], theta: f64) -> Cumulants {
    let mut total = Cumulants::default();
    for part in parts {
        total.add(part.outline.cumulants(theta), part.times as f64);
    }
    total
}

/// ln of the maximum over x of (1 - exp(-x))·exp(-θx), which is (θ/(1+θ))^θ / (1+θ).
///
/// With the expectation of exp(θ(L-ε)) it bounds δ, as that is the one of 1 - exp(ε-L) where L
/// is above ε.
fn log_corner(theta: f64) -> f64 {
    theta * (-1.0 / (1.0 + theta)).ln_1p() - theta.ln_1p()
}

/// The θ whose bound of δ gives the least ε: θK'(θ) - K(θ) + ln(1+θ) is ln 1/δ.
fn tilt_for_delta(parts: &[Part], log_odds: f64) -> f64 {
    let plain = total(parts, 0.0);
    let scale = (plain.variance + (1e-3 * plain.mean).powi(2)).sqrt().max(1e-12);
    least(log_odds.max(0.1).sqrt() / scale, |theta| {
        let at = total(parts, theta);
        theta * at.mean - at.log + theta.ln_1p() >= log_odds
    })
}

/// The θ whose bound of δ at ε is least: K'(θ) - ln(1 + 1/θ) is ε.
fn tilt_for_epsilon(parts: &[Part], epsilon: f64) -> f64 {
    let scale = total(parts, 0.0).variance.sqrt().max(1e-12);
    least(1.0 / scale, |theta| total(parts, theta).mean - (1.0 / theta).ln_1p() >= epsilon)
}

/// Where a condition begins to hold, roughly: at most `TILT_PRECISION` beyond.
fn least(start: f64, holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (start, start);
    for _ in 0..200 {
        if holds(high) {
            break;
        }
        low = high;
        high *= 2.0;
    }
    for _ in 0..200 {
        if !holds(low) {
            break;
        }
        high = low;
        low /= 2.0;
    }
    while high - low > TILT_PRECISION * high {
        let middle = f64::midpoint(low, high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// Probabilities under P of losses that are whole multiples of a step.
#[derive(Clone, Debug)]
struct Grid {
    step: f64,
    /// The first loss, in steps.
    first: i64,
    masses: Vec<f64>,
}

impl Grid {
    /// Splits every atom between its two neighbours on the grid.
    ///
    /// With the losses a below and b = a + `step` above it, the share 1 - exp(a - loss) over
    /// 1 - exp(a - b) goes to b: that keeps the probability under Q, which is exp(-loss) times
    /// the one under P, as well.
    fn new(atoms: &[Atom], step: f64) -> Self {
        let index = |loss: f64| floor(loss / step);
        let first = atoms.iter().map(|atom| index(atom.loss)).min().unwrap_or(0);
        let last = atoms.iter().map(|atom| index(atom.loss)).max().unwrap_or(0);
        let length = usize::try_from(last - first).unwrap_or(0) + 2;
        let mut masses = vec![0.0; length];
        let whole = (-step).exp_m1();
        for atom in atoms {
            let at = index(atom.loss);
            let share = ((at as f64 * step - atom.loss).exp_m1() / whole).clamp(0.0, 1.0);
            let slot = usize::try_from(at - first).unwrap_or(0);
            masses[slot] += atom.mass * (1.0 - share);
            masses[slot + 1] += atom.mass * share;
        }
        while masses.len() > 1 && masses.last() == Some(&0.0) {
            masses.pop();
        }
        Self { step, first, masses }
    }

    fn loss(&self, slot: usize) -> f64 {
        (self.first as f64 + slot as f64) * self.step
    }

    fn last(&self) -> i64 {
        // A grid has fewer points than memory has bytes.
        self.first + i64::try_from(self.masses.len()).unwrap_or(i64::MAX) - 1
    }

    fn width(&self) -> f64 {
        self.masses.len() as f64 * self.step
    }

    fn most(&self) -> f64 {
        self.last() as f64 * self.step
    }

    /// Cumulants after tilting by θ, relative to the end that the tilt favours.
    fn cumulants(&self, theta: f64) -> Cumulants {
        let end = if theta < 0.0 { self.loss(0) } else { self.most() };
        let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
        for (slot, &mass) in self.masses.iter().enumerate() {
            let from_end = self.loss(slot) - end;
            let weight = mass * (theta * from_end).exp();
            sum += weight;
            first += weight * from_end;
            second += weight * from_end * from_end;
        }
        let mean = first / sum;
        let variance = (second / sum - mean * mean).max(0.0);
        Cumulants { log: sum.ln() + theta * end, mean: mean + end, variance }
    }

    /// Multiplies the masses by exp(θ·loss) and makes their sum 1; gives the log of the old sum.
    fn tilt(&mut self, theta: f64) -> f64 {
        let end = self.most();
        for slot in 0..self.masses.len() {
            self.masses[slot] *= (theta * (self.loss(slot) - end)).exp();
        }
        let sum: f64 = self.masses.iter().sum();
        for mass in &mut self.masses {
            *mass /= sum;
        }
        sum.ln() + theta * end
    }
}

/// The tilted distribution of the sum of all losses, in a window.
struct Sum {
    theta: f64,
    /// ln E exp(θL), before tilting.
    log: f64,
    /// A loss in the middle of the window, relative to which exponentials are taken.
    middle: f64,
    /// The greatest loss that is possible at all.
    top: f64,
    step: f64,
    /// The first loss of the window, in steps.
    first: i64,
    /// Tilted probabilities.
    masses: Vec<f64>,
    /// Bound on the tilted probability that is missing or misplaced.
    error: f64,
}

impl Sum {
    /// Convolves the parts on a grid that is fine enough to move ε by `allowed` at most, from
    /// `cover` on or wherever the tilted sum begins.
    ///
    /// On a grid of step h one loss has its ln E exp(θL) raised by at most θ(1+θ)h²/8, and hence
    /// ε by (1+θ)h²/8. Where ε is at a corner of the profile, part of h itself counts.
    fn new(parts: &[Part], theta: f64, allowed: f64, cover: f64) -> Self {
        let count: f64 = parts.iter().map(|part| part.times as f64).sum();
        let mut step = (8.0 * allowed / (count * (1.0 + theta))).sqrt().min(4.0 * allowed);
        let widest = parts.iter().map(|part| part.outline.width()).fold(0.0, f64::max);
        step = step.max(widest / GRID_MAX).max(1e-12);
        loop {
            let mut grids: Vec<Grid> =
                parts.iter().map(|part| Grid::new(&part.atoms, step)).collect();
            let logs: Vec<f64> = grids.iter_mut().map(|grid| grid.tilt(theta)).collect();
            let log = logs.iter().zip(parts).map(|(log, part)| log * part.times as f64).sum();
            let window = Window::new(&grids, parts, cover);
            if window.length() <= LENGTH_MAX {
                let masses = convolve(&grids, parts, window);
                let floats = count + (masses.len() as f64).sqrt();
                let error = floats * FLOAT_ERROR + 2.0 * WINDOW_TAIL;
                let middle = window.middle;
                let (first, top) = (window.first, top(parts));
                return Self { theta, log, middle, top, step, first, masses, error };
            }
            step *= 2.0;
        }
    }

    fn loss(&self, slot: usize) -> f64 {
        (self.first as f64 + slot as f64) * self.step
    }

    /// What a tilted probability of 1 at this loss is under P.
    fn untilted(&self, loss: f64) -> f64 {
        (self.log - self.theta * loss).exp()
    }

    /// Most that the error can hide of δ at ε.
    fn hidden(&self, epsilon: f64) -> f64 {
        self.error * (self.log - self.theta * epsilon + log_corner(self.theta)).exp()
    }

    /// Walks down from the top of the window until δ is exceeded.
    fn epsilon(&self, question: Question) -> f64 {
        let finite = question.given - question.infinite;
        // Valid whatever the window says: the bound's own ε, and the greatest loss.
        let bound = (self.log + log_corner(self.theta) - finite.ln()) / self.theta;
        let mut answer = bound.min(self.top);
        let mut under = Under::default();
        for slot in (0..self.masses.len()).rev() {
            under.add(self, slot);
            let below = self.loss(slot) - self.step;
            let ratio = (under.p + self.hidden(below) - finite) / under.q;
            // δ at `below` is p + hidden - exp(below - middle)·q.
            if ratio.is_nan() || ratio > (below - self.middle).exp() {
                answer = answer.min(self.middle + ratio.ln());
                return (answer * (1.0 + 1e-12)).max(0.0);
            }
            answer = answer.min(below.max(0.0));
            if below <= 0.0 {
                return 0.0;
            }
        }
        answer.max(0.0)
    }

    /// Adds up what is above ε.
    fn delta(&self, question: Question) -> f64 {
        let epsilon = question.given;
        let mut under = Under::default();
        for slot in (0..self.masses.len()).rev() {
            if self.loss(slot) <= epsilon {
                break;
            }
            under.add(self, slot);
        }
        let finite = under.p - (epsilon - self.middle).exp() * under.q;
        question.infinite + finite.max(0.0) * (1.0 + 1e-12) + self.hidden(epsilon)
    }
}

/// Probabilities of the losses from some loss on.
#[derive(Default)]
struct Under {
    /// Under P.
    p: f64,
    /// Under Q, times exp(middle of the window).
    q: f64,
}

impl Under {
    fn add(&mut self, sum: &Sum, slot: usize) {
        let loss = sum.loss(slot);
        let mass = sum.masses[slot] * sum.untilted(loss);
        self.p += mass;
        self.q += mass * (sum.middle - loss).exp();
    }
}

/// A stretch of losses outside of which the tilted sum hardly ever is.
#[derive(Clone, Copy)]
struct Window {
    first: i64,
    last: i64,
    middle: f64,
}

impl Window {
    /// Chernoff's bounds, each from the best of a few orders, and down to `cover` at least.
    fn new(grids: &[Grid], parts: &[Part], cover: f64) -> Self {
        let at = |theta: f64| {
            let mut total = Cumulants::default();
            for (grid, part) in grids.iter().zip(parts) {
                total.add(grid.cumulants(theta), part.times as f64);
            }
            total
        };
        let step = grids.first().map_or(1.0, |grid| grid.step);
        let end = |last: bool| -> i64 {
            let ends = grids.iter().zip(parts).map(|(grid, part)| {
                let times = i64::try_from(part.times).unwrap_or(i64::MAX);
                (if last { grid.last() } else { grid.first }).saturating_mul(times)
            });
            ends.fold(0, i64::saturating_add)
        };
        let Cumulants { mean, variance, .. } = at(0.0);
        let rare = -WINDOW_TAIL.ln();
        let (mut lower, mut upper) = (f64::NEG_INFINITY, f64::INFINITY);
        for multiple in [0.5, 1.0, 2.0] {
            let order = multiple * (2.0 * rare / variance).sqrt();
            if !order.is_finite() {
                continue;
            }
            upper = upper.min((at(order).log + rare) / order);
            lower = lower.max((at(-order).log + rare) / -order);
        }
        // A cast of an infinite float is the nearest integer, and the ends of the support follow.
        let first = floor(lower.min(cover) / step).max(end(false));
        let last = floor(upper / step).saturating_add(1).min(end(true)).max(first);
        Self { first, last, middle: mean }
    }

    fn length(self) -> usize {
        let length = self.last.saturating_sub(self.first).saturating_add(1);
        usize::try_from(length).map_or(usize::MAX, |length| length.max(2))
    }
}

/// The tilted distribution of the sum, cyclic in the length of the window.
fn convolve(grids: &[Grid], parts: &[Part], window: Window) -> Vec<f64> {
    let length = window.length().next_power_of_two();
    let transform = Transform::new(length);
    let mut product = vec![Complex::ONE; length];
    let mut spectrum = vec![Complex::default(); length];
    let mut shift = 0_i128;
    for (grid, part) in grids.iter().zip(parts) {
        spectrum.fill(Complex::default());
        for (slot, mass) in grid.masses.iter().enumerate() {
            spectrum[slot % length].re += mass;
        }
        transform.forward(&mut spectrum);
        for (factor, value) in product.iter_mut().zip(&spectrum) {
            *factor = factor.times(value.power(part.times));
        }
        shift += i128::from(grid.first) * i128::from(part.times);
    }
    transform.back(&mut product);

    // Slot s of the product is the loss `shift` + s, up to whole lengths.
    let cycle = i128::try_from(length).unwrap_or(i128::MAX);
    let start = (i128::from(window.first) - shift).rem_euclid(cycle);
    let start = usize::try_from(start).unwrap_or(0);
    (0..window.length())
        .map(|slot| (product[(start + slot) % length].re / length as f64).max(0.0))
        .collect()
}

/// The greatest integer that is at most a float, or the nearest end of the integers.
#[expect(clippy::cast_possible_truncation, reason = "a cast from float saturates")]
fn floor(float: f64) -> i64 {
    float.floor() as i64
}

/// Share of ε by which the grid may raise it: a tenth of what is promised.
const PRECISION: f64 = 1e-4;

/// Share of θ to which it is sought: any θ is valid, and those near the best one are as good.
const TILT_PRECISION: f64 = 0.02;

/// Points of an outline.
const OUTLINE_STEPS: f64 = 400.0;

/// Most steps between the least and the greatest loss of one part.
const GRID_MAX: f64 = 250_000.0;

/// Longest window; beyond, the grid is made coarser.
const LENGTH_MAX: usize = 1 << 21;

/// Tilted probability outside of the window, on either side.
const WINDOW_TAIL: f64 = 1e-16;

/// Bound on the error of floats, for every loss that is added and for every square root of a point
/// of the transform: 256 roundings. A transform of n points errs by less than log₂ n roundings in
/// the root of the sum of squares, and hence by √n times as much in the sum.
const FLOAT_ERROR: f64 = 1.0 / (1_u64 << 45) as f64;
