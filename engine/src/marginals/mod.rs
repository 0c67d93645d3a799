//! Noisy marginals of one table, such as those of CUBE, ROLLUP and GROUPING SETS: how much noise
//! each part of them gets, how they are put together, and how exact they are.
//!
//! ```text
//!  sizes, wanted sets ──plan──▶ Plan ──scales──▶ one σ per part ──▶ variances, covariance
//!                                 │
//!       full table ──marginal_of──┴─▶ T_B ──on_fine_grid──▶ N_B·T_B ──noise──▶ noisy
//!                                                                                │ residual
//!  estimates ◀── numerators over one denominator ◀──reconstruct── one Residual ◀─┘ per part
//! ```
//! Each wanted marginal is a sum of residuals, one per subset of its attributes, each spread
//! evenly over the attributes it lacks. A residual is noised once and used in every marginal that
//! has its attributes. So the sums of a finer marginal are exactly the coarser one, in integers.
//! Where a person is in one cell, no linear mechanism with Gaussian noise has a lesser weighted
//! mean of variances for the same charge.
//!
//! It draws no noise, spends nothing and leaves negative cells as they are. It is for columns that
//! add up over keys: rows, sums, and persons who are in one cell only.
//!
//! # Source
//! XHZK23: Xiao, He, Zhang and Kifer, An Optimal and Scalable Matrix Mechanism for Noisy Marginals
//! under Convex Utility Functions, 2023. Instead of its noise with a covariance, iid noise is drawn
//! on an integer grid and projected, which has the same law.

pub(crate) mod error;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use error::{MarginalsError, PARTS_MAX};
use table::{Residual, Shape, TOO_LARGE};

/// How the noise is shared among the residuals of some wanted marginals.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// One part per residual, ascending by attributes. Those with an attribute of one key are
    /// zero and left out.
    pub(crate) closure: Vec<Part>,
    shape: Shape,
    wanted: Vec<u32>,
    denominator: i128,
}

/// One residual of a plan.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Its attributes: attribute i is bit i.
    pub(crate) attributes: u32,
    /// Its part of the whole ρ; the shares of a plan sum to 1.
    pub(crate) rho_share: f64,
    /// σ² in units of the table when the whole of 2ρ/s² is 1, with s the sensitivity of one cell.
    pub(crate) variance_at_unit_cost: f64,
    /// The number of cells of its table, and of fine steps in one unit of the table.
    pub(crate) cells: u64,
    /// What one person can change on the fine grid, in the L2 norm squared, if one cell changes by
    /// at most one unit of the table: the charge of fine scale f is s² · `squared_norm` / (2f²).
    pub(crate) squared_norm: u64,
    /// What a cell of the residual keeps of the variance of iid noise.
    kept: f64,
}

/// What the mean of the variances is weighted by.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "queries weigh margins alike"))]
pub(crate) enum Weights<'a> {
    /// Each wanted marginal counts once.
    PerMarginal,
    /// Each cell of each wanted marginal counts once.
    PerCell,
    /// One weight per wanted marginal, in the same order.
    Given(&'a [f64]),
}

/// Shares the noise among the residuals of the `wanted` sets of attributes, so that the weighted
/// mean of the variances of their cells is least for the charge.
///
/// `sizes` are the numbers of declared keys. A person contributes to at most `cells_per_person`
/// cells of the full table.
///
/// # Privacy
/// Neighbours differ in one person, who changes at most κ cells of the full table T by at most s
/// each. On the fine grid N_B·P_B·T_B one cell of T moves a part by s·√Π n(n - 1), so κ of them by
/// κ times as much. Besides, the projection P_B never lengthens, and a cell of T_B gathers at most
/// r = min(κ, cells of T per cell of T_B) of them, so the square is at most s²·κ·r·N_B². The lesser
/// of the two, in integers and rounded nowhere, is `Part::squared_norm`.
///
/// # Errors
/// `BadSizes`, `BadSet`, `BadWeights`, `NoContribution`, `TooManyParts`, or `Overflow` where an
/// integer of the plan is too large.
///
/// # Source
/// XHZK23, the selection step: a weighted sum of variances has its least value in closed form, by
/// Cauchy and Schwarz.
pub(crate) fn plan(
    sizes: &[u64],
    wanted: &[u32],
    weights: Weights<'_>,
    cells_per_person: u64,
) -> Result<Plan, MarginalsError> {
    let shape = Shape::new(sizes)?;
    let union = wanted.iter().fold(0, |union, set| union | set);
    if wanted.is_empty() || union & !shape.all() != 0 {
        return Err(MarginalsError::BadSet);
    }
    if cells_per_person == 0 {
        return Err(MarginalsError::NoContribution);
    }
    let weights = weights_of(&shape, wanted, weights)?;
    let denominator = square(&shape, union)?;
    let mut closure = Vec::new();
    for attributes in subsets(&shape, wanted)? {
        let squared_norm = squared_norm(&shape, attributes, cells_per_person)?;
        let cells = u64::try_from(shape.cells(attributes)).map_err(|_| TOO_LARGE)?;
        let kept = shape.axes(attributes).map(|(_, size)| 1.0 - 1.0 / size as f64).product();
        let value: f64 = wanted
            .iter()
            .zip(&weights)
            .filter(|(set, _)| attributes & !**set == 0)
            .map(|(set, weight)| weight * kept / (shape.cells(set & !attributes) as f64).powi(2))
            .sum();
        let cost = squared_norm as f64 / (cells as f64).powi(2);
        // The best share is √(value · cost) of their sum, and the best σ² is cost over share.
        closure.push(Part {
            attributes,
            rho_share: (value * cost).sqrt(),
            variance_at_unit_cost: cost,
            cells,
            squared_norm,
            kept,
        });
    }
    let whole: f64 = closure.iter().map(|part| part.rho_share).sum();
    for part in &mut closure {
        part.rho_share /= whole;
        part.variance_at_unit_cost /= part.rho_share;
        // Weights of very different magnitude leave nothing for some part.
        if !part.variance_at_unit_cost.is_finite() {
            return Err(MarginalsError::BadWeights);
        }
    }
    Ok(Plan { closure, shape, wanted: wanted.to_vec(), denominator })
}

impl Plan {
    /// The shape of the full table.
    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The wanted sets, as they were asked for.
    pub(crate) fn wanted(&self) -> &[u32] {
        &self.wanted
    }

    /// σ of each part, in units of the table, for a whole ρ and a cell of that sensitivity.
    ///
    /// On the fine grid of a part, σ is `Part::cells` times as much.
    #[cfg(test)]
    pub(crate) fn scales(&self, rho: f64, sensitivity: f64) -> Vec<f64> {
        let cost = 2.0 * rho / (sensitivity * sensitivity);
        self.closure.iter().map(|part| (part.variance_at_unit_cost / cost).sqrt()).collect()
    }

    /// The variance of a cell of each wanted marginal, in units of the table; all cells of a
    /// marginal have the same.
    ///
    /// `scales` are those in fact drawn with, one per part, in units of the table. The discrete
    /// Gaussian's variance is at most its scale squared, so these are not too small.
    ///
    /// # Errors
    /// `BadShape` if `scales` are not one per part.
    pub(crate) fn variances(&self, scales: &[f64]) -> Result<Vec<f64>, MarginalsError> {
        self.wanted.iter().map(|set| self.variance(scales, *set)).collect()
    }

    /// The variance of a cell of one marginal, wanted or a part of a wanted one.
    ///
    /// # Errors
    /// As [`Plan::variances`], and `BadSet` if no wanted set has these attributes.
    ///
    /// # Source
    /// XHZK23, the reconstruction step: the sum over B ⊆ A of σ_B² / N_{A∖B}² times the product
    /// of 1 - 1/n_i over B.
    pub(crate) fn variance(&self, scales: &[f64], set: u32) -> Result<f64, MarginalsError> {
        let parts = self.parts_of(set, scales)?;
        let variance = |(part, scale): (&Part, &f64)| {
            let spread = self.shape.cells(set & !part.attributes) as f64;
            part.kept * (scale / spread).powi(2)
        };
        Ok(parts.map(variance).sum())
    }

    /// The covariance of two cells, each given as its marginal's set and its place there.
    ///
    /// # Errors
    /// As [`Plan::variance`], and `BadShape` if a marginal has no such cell.
    #[cfg(test)]
    pub(crate) fn covariance(
        &self,
        scales: &[f64],
        (left, left_cell): (u32, usize),
        (right, right_cell): (u32, usize),
    ) -> Result<f64, MarginalsError> {
        self.check(left, scales.len())?;
        let parts = self.parts_of(right, scales)?;
        let (left_keys, right_keys) =
            (self.shape.keys(left, left_cell)?, self.shape.keys(right, right_cell)?);
        let mut covariance = 0.0;
        for (part, scale) in parts.filter(|(part, _)| part.attributes & !left == 0) {
            // An entry of the projection: the product of [same key] - 1/n over the attributes.
            let entry = |(attribute, size): (u32, usize)| {
                let key = |keys: &[(u32, usize)]| {
                    keys.iter().find(|(of, _)| *of == attribute).map(|(_, key)| *key)
                };
                let is_same = key(&left_keys) == key(&right_keys);
                f64::from(u8::from(is_same)) - 1.0 / size as f64
            };
            let projected: f64 = self.shape.axes(part.attributes).map(entry).product();
            let spread = |set: u32| self.shape.cells(set & !part.attributes) as f64;
            covariance += projected * (scale / spread(left)) * (scale / spread(right));
        }
        Ok(covariance)
    }

    /// The noisy table over a set of attributes, as numerators over [`Plan::denominator`].
    ///
    /// The sums of a marginal over any of its attributes are exactly the marginal of the others.
    /// `residuals` are one per part, in the order of the closure.
    ///
    /// # Errors
    /// `BadSet` if no wanted set has these attributes, `BadShape` if the residuals are not those
    /// of the plan, or `Overflow`.
    pub(crate) fn reconstruct(
        &self,
        residuals: &[Residual],
        set: u32,
    ) -> Result<Vec<i128>, MarginalsError> {
        let mut numerators = vec![0_i128; self.shape.cells(set)];
        for (part, residual) in self.parts_of(set, residuals)? {
            if residual.attributes() != part.attributes {
                return Err(MarginalsError::BadShape);
            }
            self.shape.check(part.attributes, residual.values().len())?;
            // A whole number: N_B² · N_{A∖B} divides the square of the cells of the union.
            let spread = i128::try_from(self.shape.cells(set & !part.attributes));
            let spread = spread.map_err(|_| TOO_LARGE)?;
            let factor = self.denominator / square(&self.shape, part.attributes)? / spread;
            let above = self.shape.above(set, part.attributes);
            for (numerator, index) in numerators.iter_mut().zip(above) {
                let share = residual.values()[index].checked_mul(factor).ok_or(TOO_LARGE)?;
                *numerator = numerator.checked_add(share).ok_or(TOO_LARGE)?;
            }
        }
        Ok(numerators)
    }

    /// What the numerators of every marginal of the plan are divided by: the square of the number
    /// of cells over all attributes of wanted sets.
    #[cfg(test)]
    pub(crate) fn denominator(&self) -> i128 {
        self.denominator
    }

    /// Numerators as numbers, in units of the table; rounded, so consistent up to rounding only.
    pub(crate) fn estimates(&self, numerators: &[i128]) -> Vec<f64> {
        numerators.iter().map(|value| *value as f64 / self.denominator as f64).collect()
    }

    /// The parts that a marginal is made of, each with its entry of a list of one per part.
    fn parts_of<'a, T>(
        &'a self,
        set: u32,
        entries: &'a [T],
    ) -> Result<impl Iterator<Item = (&'a Part, &'a T)>, MarginalsError> {
        self.check(set, entries.len())?;
        let parts = self.closure.iter().zip(entries);
        Ok(parts.filter(move |(part, _)| part.attributes & !set == 0))
    }

    /// Whether a set can be answered, from a list of so many entries.
    fn check(&self, set: u32, count: usize) -> Result<(), MarginalsError> {
        if !self.wanted.iter().any(|wanted| set & !wanted == 0) {
            return Err(MarginalsError::BadSet);
        }
        if count == self.closure.len() { Ok(()) } else { Err(MarginalsError::BadShape) }
    }
}

fn weights_of(
    shape: &Shape,
    wanted: &[u32],
    weights: Weights<'_>,
) -> Result<Vec<f64>, MarginalsError> {
    let weights = match weights {
        Weights::PerMarginal => vec![1.0; wanted.len()],
        Weights::PerCell => wanted.iter().map(|set| shape.cells(*set) as f64).collect(),
        Weights::Given(weights) => weights.to_vec(),
    };
    let are_good = weights.iter().all(|weight| *weight > 0.0 && weight.is_finite());
    if are_good && weights.len() == wanted.len() {
        Ok(weights)
    } else {
        Err(MarginalsError::BadWeights)
    }
}

/// All subsets of wanted sets, without attributes of one key.
fn subsets(shape: &Shape, wanted: &[u32]) -> Result<BTreeSet<u32>, MarginalsError> {
    let mut found = BTreeSet::new();
    for set in wanted {
        let wide = shape.axes(*set).filter(|(_, size)| *size > 1);
        let wide = wide.fold(0_u32, |wide, (attribute, _)| wide | 1 << attribute);
        let mut subset = wide;
        while found.len() <= PARTS_MAX {
            found.insert(subset);
            if subset == 0 {
                break;
            }
            // The next lower subset in the order of numbers.
            subset = (subset - 1) & wide;
        }
    }
    if found.len() > PARTS_MAX { Err(MarginalsError::TooManyParts) } else { Ok(found) }
}

/// See the section on privacy of [`plan`]. A product that saturates is refused at the end, unless
/// the other bound is the lesser.
fn squared_norm(shape: &Shape, set: u32, cells_per_person: u64) -> Result<u64, MarginalsError> {
    let too_large = MarginalsError::Overflow { what: "the sensitivity of a residual" };
    let wide = |count: usize| u128::try_from(count).map_err(|_| too_large);
    let touched = u128::from(cells_per_person);
    let mut of_one_cell = 1_u128;
    for (_, size) in shape.axes(set) {
        let size = wide(size)?;
        of_one_cell = of_one_cell.saturating_mul(size).saturating_mul(size - 1);
    }
    let aligned = of_one_cell.saturating_mul(touched).saturating_mul(touched);
    let cells = wide(shape.cells(set))?;
    let gathered = touched.min(wide(shape.cells(shape.all() & !set))?);
    let unprojected = cells.saturating_mul(cells).saturating_mul(touched).saturating_mul(gathered);
    u64::try_from(aligned.min(unprojected)).map_err(|_| too_large)
}

/// The number of cells of a table, squared.
fn square(shape: &Shape, set: u32) -> Result<i128, MarginalsError> {
    let cells = i128::try_from(shape.cells(set)).map_err(|_| TOO_LARGE)?;
    cells.checked_mul(cells).ok_or(MarginalsError::Overflow { what: "the denominator" })
}
