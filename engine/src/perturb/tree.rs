//! A tree of noisy counts over bins: all ranks of one column for one charge.
//!
//! ```text
//!   level 2      ┌───────── 0..256 ─────────┐ …   at most 16 counts at the top
//!   level 1      0..16   16..32   …   240..256
//!   level 0      0 1 …   the bins themselves
//! ```
//! Every level counts all rows, so there are several noisy answers to how many lie below a bin.
//! Least squares make one of them: up the tree each count is averaged with the sum of those below
//! it, down the tree what is left over is shared out, both by variance. The number of rows below a
//! bin is then the sum of some top counts and of a few others along one path.
//!
//! It draws no noise and knows no queries: noisy counts go in, ranks come out.
//!
//! # Source
//! Hay, Rastogi, Miklau and Suciu, Boosting the Accuracy of Differentially Private Histograms
//! through Consistency, 2010, section 4, Theorem 3, for least squares in two passes; here with the
//! variances of an uneven tree. Qardaji, Yang and Li, Understanding Hierarchical Methods for
//! Differentially Private Histograms, 2013, section 4, for sixteen branches.

use std::collections::BTreeMap;
use std::ops::Range;

/// The shape of a tree over bins, and how noise spreads in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    branches: usize,
    /// By level, the bins first and the top last: the variance of each count given all below it,
    /// where the noise of a count has variance 1.
    variances: Vec<Vec<f64>>,
}

impl Tree {
    /// The tree over so many bins, at least one.
    pub(crate) fn over(bins: usize) -> Self {
        Self::branching(bins, BRANCHES)
    }

    fn branching(bins: usize, branches: usize) -> Self {
        let mut variances = vec![vec![1.0; bins]];
        let mut below = &variances[0];
        while below.len() > branches {
            let joined = below.chunks(branches).map(|parts| {
                let sum: f64 = parts.iter().sum();
                sum / (1.0 + sum)
            });
            variances.push(joined.collect());
            below = &variances[variances.len() - 1];
        }
        Self { branches, variances }
    }

    /// Number of levels.
    pub(crate) fn levels(&self) -> u64 {
        self.variances.len() as u64
    }

    /// Number of counts.
    pub(crate) fn len(&self) -> usize {
        self.variances.iter().map(Vec::len).sum()
    }

    /// How far, in the L2 norm, one person moves the counts of all cells, times `unit`; rounded
    /// up. `None` if it does not fit.
    ///
    /// # Privacy
    /// A row is counted once per level. A person has at most `most` rows in one cell, which move
    /// the counts of one level by at most `most` in sum, so by at most that in the L2 norm, with
    /// equality if all are in one bin. Over the levels and at most `groups` cells the squares add
    /// up: `most`·√(levels·groups).
    pub(crate) fn sensitivity(&self, most: u64, groups: u64, unit: u64) -> Option<u64> {
        let length = u128::from(most).checked_mul(u128::from(unit))?;
        let square = length.checked_mul(length)?.checked_mul(u128::from(self.levels()))?;
        let square = square.checked_mul(u128::from(groups))?;
        let root = square.isqrt();
        let up = if root * root < square { root + 1 } else { root };
        u64::try_from(up).ok()
    }

    /// The exact counts of all levels, the bins first, times `unit`. Rows beyond the bins belong
    /// to the last one.
    pub(crate) fn counts(&self, bins: &BTreeMap<usize, u64>, unit: u64) -> Vec<i128> {
        let mut counts = Vec::with_capacity(self.len());
        let mut width = 1;
        for level in &self.variances {
            let start = counts.len();
            counts.resize(start + level.len(), 0i128);
            for (bin, rows) in bins {
                let at = (bin / width).min(level.len() - 1);
                counts[start + at] += i128::from(*rows) * i128::from(unit);
            }
            width *= self.branches;
        }
        counts
    }

    /// The rows below each edge of the bins, from the noisy counts of all levels: 0 first, all
    /// rows last. Of all unbiased answers the one of least variance; it need not be ascending.
    pub(crate) fn ranks(&self, noisy: &[f64]) -> Vec<f64> {
        let mut rest = noisy;
        let mut levels: Vec<Vec<f64>> = Vec::with_capacity(self.variances.len());
        for (level, variances) in self.variances.iter().enumerate() {
            let (own, others) = rest.split_at(variances.len().min(rest.len()));
            rest = others;
            let mut own = own.to_vec();
            for (at, count) in own.iter_mut().enumerate().filter(|_| level > 0) {
                let parts = self.parts(level - 1, at);
                let sum: f64 = levels[level - 1][parts.clone()].iter().sum();
                let variance: f64 = self.variances[level - 1][parts].iter().sum();
                // Its own noise has variance 1.
                *count = count.mul_add(variance, sum) / (1.0 + variance);
            }
            levels.push(own);
        }
        let mut whole = levels.pop().unwrap_or_default();
        while let Some(mut below) = levels.pop() {
            for (at, count) in whole.iter().enumerate() {
                let parts = self.parts(levels.len(), at);
                let sum: f64 = below[parts.clone()].iter().sum();
                let variances = &self.variances[levels.len()][parts.clone()];
                let missing = (count - sum) / variances.iter().sum::<f64>();
                let shared = below[parts].iter_mut().zip(variances);
                shared.for_each(|(part, variance)| *part += missing * variance);
            }
            whole = below;
        }
        let mut sum = 0.0;
        let below = whole.into_iter().map(|count| {
            sum += count;
            sum
        });
        std::iter::once(0.0).chain(below).collect()
    }

    /// For each edge, by how much the rows below it less `fraction` of all rows deviate from the
    /// truth, where the noise of a count deviates by 1.
    ///
    /// Given the count above them, parts of variances V deviate by diag(V) − V·Vᵀ/ΣV, and counts
    /// at the top by their own variances. So the variance of a sum over leaves is gathered along
    /// the one path on which its weights differ.
    pub(crate) fn deviations(&self, fraction: f64) -> Vec<f64> {
        let top = self.variances.len() - 1;
        let total: f64 = self.variances[top].iter().sum();
        let edge = |edge: usize| {
            // How much of the count at `at` is below the edge, as far as its own noise goes.
            let (mut at, mut part, mut variance) = (edge, 0.0, 0.0);
            for level in 0..top {
                let above = at / self.branches;
                let parts = self.parts(level, above);
                let before: f64 = self.variances[level][parts.start..at].iter().sum();
                let all: f64 = self.variances[level][parts].iter().sum();
                let own = self.variances[level][at];
                let next = (before + part * own) / all;
                variance += before + part * part * own - next * next * all;
                (at, part) = (above, next);
            }
            let before: f64 = self.variances[top][..at].iter().sum();
            let own = self.variances[top][at];
            let (of_rank, with_all) = (before + part * part * own + variance, before + part * own);
            fraction.mul_add(fraction * total - 2.0 * with_all, of_rank).max(0.0).sqrt()
        };
        let last = (1.0 - fraction) * total.sqrt();
        (0..self.variances[0].len()).map(edge).chain([last]).collect()
    }

    /// The counts of a level that the one at `at` above it is the sum of.
    fn parts(&self, level: usize, at: usize) -> Range<usize> {
        let start = at * self.branches;
        start..(start + self.branches).min(self.variances[level].len())
    }
}

/// Reads quantiles from noisy ranks.
#[derive(Debug)]
pub(crate) struct Reading {
    /// As [`Tree::ranks`] gives them.
    ranks: Vec<f64>,
    /// The same made ascending: the middle between the highest before and the lowest after.
    ascending: Vec<f64>,
}

impl Reading {
    /// Of ranks at the edges of bins, which begin with 0.
    pub(crate) fn of(ranks: Vec<f64>) -> Self {
        let mut ascending = ranks.clone();
        let mut highest = f64::NEG_INFINITY;
        for rank in &mut ascending {
            highest = rank.max(highest);
            *rank = highest;
        }
        let mut lowest = f64::INFINITY;
        for (middle, rank) in ascending.iter_mut().zip(&ranks).rev() {
            lowest = rank.min(lowest);
            *middle = f64::midpoint(*middle, lowest);
        }
        Self { ranks, ascending }
    }

    /// The bin of the quantile at `fraction` of the rows. A greater fraction never has a lesser
    /// bin.
    pub(crate) fn bin(&self, fraction: f64) -> usize {
        let rows = self.rows().max(1.0);
        // The middle of the row that is nearest to it; of one row or none, the first.
        let rank = fraction.mul_add(rows - 1.0, 0.5);
        let before = self.ascending[1..].partition_point(|below| *below < rank);
        before.min(self.ascending.len().saturating_sub(2))
    }

    /// The first and last bin that the quantile at `fraction` may lie in, if ranks deviate by
    /// `margins`, edge by edge: each end is missed only if the rank at its own edge is off by more.
    ///
    /// Between rows, SQL's PERCENTILE_CONT takes a value between those of two: at fraction p of n
    /// rows less than p·n + 1 − p lie below the upper one, and more than p·n − p up to and with
    /// the lower one. Both are within.
    pub(crate) fn ends(&self, fraction: f64, margins: &[f64]) -> (usize, usize) {
        let rank = fraction * self.rows();
        let last = self.ranks.len().saturating_sub(2);
        let (least, most) = (rank - fraction, rank + 1.0 - fraction);
        let reaches = |bin: &usize| self.ranks[bin + 1] + margins[bin + 1] >= least;
        let begins = |bin: &usize| self.ranks[*bin] - margins[*bin] <= most;
        let first = (0..=last).find(reaches).unwrap_or(last);
        (first, (0..=last).rev().find(begins).unwrap_or(0).max(first))
    }

    fn rows(&self) -> f64 {
        self.ranks.last().copied().unwrap_or(0.0)
    }
}

/// Counts that are added up to one of the next level.
const BRANCHES: usize = 16;

#[cfg(test)]
mod tests;
