//! Quantiles among public candidates: by the exponential mechanism, or many of one column from a
//! tree of noisy counts.
//!
//! The score of a bin is how far, in thousandths of a row, the asked rank lies from the ranks of
//! the bin's rows. Besides the quantile itself, two more are drawn: one aimed so far below the rank
//! that it misses it with small probability only, and one as far above. They are the interval.
//!
//! From a tree the quantile is the bin at which the noisy rank passes the asked one, and its
//! interval all bins at which it may, by the known deviation of the rank's noise.
//!
//! # Source
//! Smith, Privacy-preserving Statistical Estimation with Optimal Convergence Rates, 2011, for the
//! scores; McSherry and Talwar, Mechanism Design via Differential Privacy, 2007, Theorem 6, for how
//! far the choice may be off. Woodruff, Confidence Intervals for Medians and Other Position
//! Measures, 1952, for intervals of quantiles from those of ranks.

use std::collections::BTreeMap;

use ledger_adapter::cost::Rho;

use crate::noise::error::NoiseError;
use crate::noise::purse::Door;
use crate::noise::{Column, Scores, Sharpness, quantile_of, sharpness_within};
use crate::perturb::tree::{Reading, Tree};
use crate::privacy::boundary::Boundary;
use crate::privacy::candidates::Candidates;
use crate::privacy::contributions::{Rank, Target};
use crate::privacy::price::BoundaryPrice;
use crate::privacy::quantiles::{Drawing, ROW, drawings, quantile_shares};

/// A quantile as it was drawn, and an interval for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Drawn {
    pub(crate) value: f64,
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

/// The quantiles of a boundary, for the cells that are shown. `bins` has, for each nested column
/// of quantiles, the rows of all cells by bin.
///
/// # Errors
/// As [`Purse::select`] and [`Purse::add`].
pub(super) fn quantiles(
    (boundary, price): (&Boundary, &BoundaryPrice),
    bins: &[Vec<BTreeMap<usize, u64>>],
    shown: &[usize],
    confidence: f64,
    door: &mut dyn Door,
) -> Result<Vec<Vec<Drawn>>, NoiseError> {
    let drawings = drawings(boundary);
    let mut drawn = vec![vec![]; drawings.iter().map(|drawing| drawing.targets.len()).sum()];
    for (drawing, share) in drawings.iter().zip(&price.quantiles) {
        let rows: Vec<_> = shown.iter().map(|cell| &bins[drawing.bins][*cell]).collect();
        let terms = Terms { groups: boundary.groups_max(), share: *share, confidence };
        match &drawing.tree {
            Some(tree) => {
                let read = together(drawing, tree, &rows, terms, door)?;
                for (target, read) in drawing.targets.iter().zip(read) {
                    drawn[target.place] = read;
                }
            }
            None => {
                for target in &drawing.targets {
                    drawn[target.place] = alone(drawing, target, &rows, terms, door)?;
                }
            }
        }
    }
    Ok(drawn)
}

/// On what terms quantiles are drawn.
#[derive(Clone, Copy)]
struct Terms {
    /// Most cells of a person.
    groups: u64,
    share: Rho,
    confidence: f64,
}

/// Many quantiles of one column, read from one tree of noisy counts; by target, by cell.
///
/// # Privacy
/// The counts of all cells and levels are one column of noise, whose norm is that of
/// [`Tree::sensitivity`]; the quantiles and their intervals follow from the noisy counts alone.
fn together(
    drawing: &Drawing<'_>,
    tree: &Tree,
    rows: &[&BTreeMap<usize, u64>],
    terms: Terms,
    door: &mut dyn Door,
) -> Result<Vec<Vec<Drawn>>, NoiseError> {
    let (sensitivity, noise) = drawing.tree_noise(tree, terms.groups, terms.share)?;
    let values = rows.iter().flat_map(|bins| tree.counts(bins, ROW)).collect();
    let noisy = door.add(vec![Column::within(values, sensitivity, None, noise)])?.remove(0);
    let in_rows: Vec<f64> = noisy.into_iter().map(|count| count as f64 / ROW as f64).collect();
    let readings = in_rows.chunks(tree.len()).map(|counts| Reading::of(tree.ranks(counts)));
    let readings: Vec<Reading> = readings.collect();
    // So many deviations hold a sum of noise with the asked confidence; one step more, as those of
    // the narrowest noise are whole.
    let reach = quantile_of(door.law(noise)?, 1.0 - terms.confidence)?.saturating_add(1) as f64
        / ROW as f64;
    let fractions = drawing.targets.iter().filter_map(|target| target.rank.fraction());
    let read = fractions.map(|fraction| {
        let deviations = tree.deviations(fraction).into_iter();
        let margins: Vec<f64> = deviations.map(|deviation| deviation * reach).collect();
        let one = |reading: &Reading| {
            let (first, last) = reading.ends(fraction, &margins);
            let value = drawing.candidates.value(reading.bin(fraction));
            let (lower, upper) =
                (drawing.candidates.ends(first).0, drawing.candidates.ends(last).1);
            Drawn { value, lower: lower.min(value), upper: upper.max(value) }
        };
        readings.iter().map(one).collect()
    });
    Ok(read.collect())
}

/// One quantile and the ends of its interval, by the exponential mechanism; by cell.
///
/// # Privacy
/// One row more or less moves the rank by p and the ranks of the bins by 0 or 1, so the scores move
/// apart by at most 2·max(p, 1 − p) rows. A person has at most `most` rows in each of at most
/// `groups` cells.
fn alone(
    drawing: &Drawing<'_>,
    target: &Target,
    rows: &[&BTreeMap<usize, u64>],
    terms: Terms,
    door: &mut dyn Door,
) -> Result<Vec<Drawn>, NoiseError> {
    let (candidates, Terms { groups, share, confidence }) = (drawing.candidates, terms);
    let range = drawing.range(target);
    let shares = quantile_shares(share);
    let mut chosen = Vec::with_capacity(shares.len());
    for (aim, share) in [Aim::At, Aim::Below, Aim::Above].into_iter().zip(shares) {
        let sharpness = sharpness_within(range, groups, share)?;
        let aimed = Aimed { rank: target.rank, aim, sharpness, confidence };
        let values = rows.iter().map(|bins| aimed.scores(bins, candidates.len())).collect();
        let scores = Scores { values, sensitivity: range, groups, sharpness };
        chosen.push(door.select(vec![scores])?.remove(0));
    }
    let one = |cell: usize| {
        let [at, below, above] = [0, 1, 2].map(|aim: usize| chosen[aim][cell]);
        one_drawn(candidates, at, below, above)
    };
    Ok((0..rows.len()).map(one).collect())
}

/// Both ends have one more candidate: nothing lies beyond it.
fn one_drawn(candidates: &Candidates, at: usize, below: usize, above: usize) -> Drawn {
    let value = candidates.value(at);
    let last = candidates.len() - 1;
    let lower = if below == 0 { candidates.ends(0).0 } else { candidates.ends(below - 1).0 };
    let upper = if above > last { candidates.ends(last).1 } else { candidates.ends(above).1 };
    Drawn { value, lower: lower.min(value), upper: upper.max(value) }
}

/// Which of the three draws it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Aim {
    At,
    Below,
    Above,
}

/// One draw: at which rank it is aimed.
struct Aimed {
    rank: Rank,
    aim: Aim,
    sharpness: Sharpness,
    confidence: f64,
}

impl Aimed {
    /// The scores of all candidates, the least being the best. The lower end of an interval may
    /// also be the lower end of the range, and the upper end the upper.
    fn scores(&self, bins: &BTreeMap<usize, u64>, candidates: usize) -> Vec<i128> {
        let rows: u64 = bins.values().sum();
        let all = i128::from(rows) * 1_000;
        let target = self.target(all, candidates);
        let score = |below: i128, upto: i128| (below - target).max(target - upto).max(0);
        let mut scores = Vec::with_capacity(candidates + 1);
        if self.aim == Aim::Below {
            scores.push(target.max(0));
        }
        let mut below = 0i128;
        for bin in 0..candidates {
            let count = bins.get(&bin).copied().unwrap_or(0);
            let upto = below + i128::from(count) * 1_000;
            scores.push(score(below, upto));
            below = upto;
        }
        if self.aim == Aim::Above {
            scores.push((all - target).max(0));
        }
        scores
    }

    /// The rank that is aimed at, in thousandths of a row.
    fn target(&self, all: i128, candidates: usize) -> i128 {
        let miss = match self.aim {
            Aim::At => 0.25,
            Aim::Below | Aim::Above => (1.0 - self.confidence) / 2.0,
        };
        let reach = self.reach(candidates as f64 / miss);
        let rank = match self.rank {
            Rank::Thousandths(p) => all / 1_000 * i128::from(p),
            // Half of the first row; as far within as the noise reaches for the point.
            Rank::Least => HALF + if self.aim == Aim::At { reach } else { 0 },
            Rank::Greatest => all - HALF - if self.aim == Aim::At { reach } else { 0 },
        };
        match self.aim {
            Aim::At => rank,
            Aim::Below => rank - reach,
            Aim::Above => rank + reach,
        }
    }

    /// How far a choice is off at most, but for one in `odds` per candidate: ln(odds)/η.
    fn reach(&self, odds: f64) -> i128 {
        let Sharpness { numerator, log2_denominator } = self.sharpness;
        let sharpness = numerator as f64 * (-f64::from(log2_denominator)).exp2();
        let reach = (odds.ln() / sharpness).ceil();
        #[expect(clippy::cast_possible_truncation, reason = "held below 2^100")]
        let reach = reach.min(1e30) as i128;
        reach
    }
}

/// Half a row, in thousandths.
const HALF: i128 = 500;
