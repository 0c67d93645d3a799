//! How many persons there are, from how often they are counted: once at each of their sites.
//!
//! Let n(m) persons be at m sites, from 1 to k. What sites count adds up to S = Σ m·n(m). A sketch
//! tells F = Σ m²·n(m): every person adds m, with a sign, to one of B numbers, so their squares add
//! up to F, but for pairs that meet in one number, whose signs cancel on average. With noise of
//! variance v the sum of squares Q is about (F/B + v)·χ² of B degrees of freedom.
//!
//! The number of persons N = Σ n(m) lies between lines in S and F,
//!
//! ```text
//!   [(2j + 1)·S - F] / [j·(j + 1)]  ≤  N  ≤  [(k + 1)·S - F] / k      for every j from 1 to k - 1
//! ```
//! as (m - j)·(m - j - 1) ≥ 0 and (m - 1)·(k - m) ≥ 0 for every m. For k = 2 both are N itself.
//! Between them the number is taken that would be if each further site were as likely as any other.
//! It is always from S/k to S.
//!
//! All of it sees noisy numbers and public parameters only.
//!
//! # Source
//! Charikar, Chen and Farach-Colton, Finding Frequent Items in Data Streams, 2002, for the sketch;
//! Alon, Matias and Szegedy, The Space Complexity of Approximating the Frequency Moments, 1996, for
//! F from it. Wilson and Hilferty, The Distribution of Chi-Square, 1931. Zou and Donner,
//! Construction of Confidence Limits about Effect Measures, 2008, for limits of a sum from those of
//! its parts. The lines are our own.

use crate::noise::normal_quantile;
use crate::perturb::quantile::Drawn;

/// What was opened of one cell, and the law of the noise in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    /// What sites counted, all together, with noise.
    pub(super) sum: f64,
    /// The standard deviation of that noise.
    pub(super) sum_deviation: f64,
    /// The squares of the numbers of the sketch, added up.
    pub(super) squares: f64,
    /// How many numbers there are; not zero.
    pub(super) registers: f64,
    /// The variance of the noise of one of them.
    pub(super) variance: f64,
    /// Most sites that one person is at; at least 2.
    pub(super) sites: u64,
}

/// By how much the sum is more certain than the interval is: it shares in the odds of missing.
const SUM_ODDS: f64 = 0.2;

impl Opened {
    /// The number of persons, with an interval.
    ///
    /// It misses with odds 1 - `confidence` at most, in two parts: four fifths are for the lines,
    /// of which both ends have the error of sum and sketch together, and a fifth for the sum alone,
    /// of which N is from a k-th to the whole.
    pub(super) fn persons(&self, confidence: f64) -> Drawn {
        let odds = 1.0 - confidence;
        let (line, sum) = (odds * (1.0 - SUM_ODDS), odds * SUM_ODDS);
        let k = self.sites as f64;
        let reach = normal_quantile(sum) * self.sum_deviation;
        let (least, most) = (((self.sum - reach) / k).max(0.0), (self.sum + reach).max(0.0));
        let z = normal_quantile(line);
        let lines = (1..self.sites).map(|j| {
            let (j, below) = (j as f64, (j * (j + 1)) as f64);
            (2.0f64.mul_add(j, 1.0) / below, 1.0 / below)
        });
        let at = |line: &(f64, f64)| line.0 * self.sum - line.1 * self.again();
        let lowest = lines.max_by(|a, b| at(a).total_cmp(&at(b))).unwrap_or((0.0, 0.0));
        let highest = ((k + 1.0) / k, 1.0 / k);
        let lower = at(&lowest) - self.margin(lowest, z, -z);
        let upper = at(&highest) + self.margin(highest, z, z);
        let (lower, upper) = (lower.max(least), upper.min(most));
        // The sketch and the sum do not agree, by a chance as rare as the odds.
        let (lower, upper) = if lower <= upper { (lower, upper) } else { (least, most) };
        // Persons are whole. What is that close to the next one is rounding.
        let (lower, upper) = ((lower - ROUNDING).ceil(), (upper + ROUNDING).floor());
        let value = self.likely().clamp(least, most).round();
        Drawn { value, lower: lower.min(value), upper: upper.max(value) }
    }

    /// F as the sketch has it, unbiased.
    fn again(&self) -> f64 {
        self.squares - self.registers * self.variance
    }

    /// How far a line may be off, at `z` standard deviations of the sum, and with F at the end of
    /// its own interval.
    fn margin(&self, (sums, squares): (f64, f64), z: f64, end: f64) -> f64 {
        let of_sum = sums * z * self.sum_deviation;
        of_sum.hypot(squares * (self.again() - self.again_at(end)))
    }

    /// F if Q were `z` standard deviations above what it is expected to be.
    fn again_at(&self, z: f64) -> f64 {
        let ninth = 2.0 / (9.0 * self.registers);
        let cube = z.mul_add(ninth.sqrt(), 1.0 - ninth).max(0.1).powi(3);
        self.squares / cube - self.registers * self.variance
    }

    /// The number of persons that is likely, averaged over what the noise leaves open of F.
    fn likely(&self) -> f64 {
        let sum = self.sum.max(0.0);
        let deviation = (2.0 / self.registers).sqrt() * self.squares;
        let (mut all, mut weights) = (0.0, 0.0);
        for step in -NODES..=NODES {
            let z = f64::from(step) * 3.0 / f64::from(NODES);
            let weight = (-z * z / 2.0).exp();
            let again = z.mul_add(deviation, self.again()) / sum.max(1.0);
            all += weight * once(again, self.sites);
            weights += weight;
        }
        sum * all / weights
    }
}

/// The part of S that N is, by F/S, if persons are at each of k - 1 further sites with the same
/// probability p: then S/N = 1 + q and F/N = 1 + 3q + q²·(k - 2)/(k - 1), where q = (k - 1)·p.
fn once(again: f64, sites: u64) -> f64 {
    let (k, further) = (sites as f64, sites as f64 - 1.0);
    let again = again.clamp(1.0, k);
    let ratio = |q: f64| (1.0 + 3.0 * q + q * q * (k - 2.0) / further) / (1.0 + q);
    let (mut low, mut high) = (0.0, further);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if ratio(middle) < again {
            low = middle;
        } else {
            high = middle;
        }
    }
    1.0 / (1.0 + f64::midpoint(low, high))
}

/// The standard deviation of the number of so many persons, each at one site, where the noise of
/// sum and sketch has these deviations, and the sketch as many numbers as suits it.
pub(crate) fn deviation_at(persons: f64, sum: f64, sketch: f64) -> f64 {
    let registers = crate::perturb::sketch::registers_for(persons, sketch);
    let squares = (2.0 / registers).sqrt() * registers.mul_add(sketch * sketch, persons);
    (1.5 * sum).hypot(squares / 2.0)
}

const NODES: i32 = 12;

const HALVINGS: u32 = 40;

/// Far below one person.
const ROUNDING: f64 = 1e-6;

#[cfg(test)]
mod tests;
