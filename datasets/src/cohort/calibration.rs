//! Whether a cohort came out as the published figures say.
//!
//! Each line compares one figure of the generated persons with its source. Tolerances are for
//! 20,000 persons: at least three standard errors there, and room for the difference between
//! sources that disagree. Fewer persons may well miss them.

use super::calibration_lines::{LINES, Line, Statistic, Subject};

/// One figure: what it should be, and what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrationLine {
    /// What the figure is, with its unit.
    pub what: &'static str,
    /// What it should be.
    pub target: f64,
    /// What it is; not a number when nobody was there to count.
    pub achieved: f64,
    /// Where the target comes from.
    pub source: &'static str,
    /// How far from the target it may be at 20,000 persons.
    pub tolerance: f64,
}

impl CalibrationLine {
    /// Whether the figure is as near to its target as it should be.
    pub fn is_met(&self) -> bool {
        (self.achieved - self.target).abs() <= self.tolerance
    }
}

/// Sums over persons from which every line can be worked out.
#[derive(Clone, Debug)]
pub(super) struct Tally(Vec<[f64; CELLS]>);

/// Four cells for each of sixteen strata; a ratio uses the first two.
const CELLS: usize = 64;

impl Default for Tally {
    fn default() -> Self {
        Self(vec![[0.0; CELLS]; LINES.len()])
    }
}

impl Tally {
    /// Counts one person.
    pub(super) fn count(&mut self, subject: &Subject<'_>) {
        for (line, cells) in LINES.iter().zip(&mut self.0) {
            match line.statistic {
                Statistic::Ratio(of) => {
                    let (numerator, denominator) = of(subject);
                    cells[0] += numerator;
                    cells[1] += denominator;
                }
                Statistic::Odds(of) => {
                    if let Some((stratum, factor, case)) = of(subject) {
                        let cell = usize::from(!factor) * 2 + usize::from(!case);
                        cells[4 * stratum + cell] += 1.0;
                    }
                }
            }
        }
    }

    /// Adds the sums over other persons.
    pub(super) fn add(&mut self, other: &Self) {
        for (own, more) in self.0.iter_mut().zip(&other.0) {
            for (own, more) in own.iter_mut().zip(more) {
                *own += more;
            }
        }
    }

    /// The lines, in fixed order; those about several sites only when there are several.
    pub(super) fn lines(&self, sites: usize) -> Vec<CalibrationLine> {
        LINES
            .iter()
            .zip(&self.0)
            .filter(|(line, _)| sites > 1 || !line.needs_sites)
            .map(|(line, cells)| line.worked_out(cells))
            .collect()
    }
}

impl Line {
    fn worked_out(&self, cells: &[f64; CELLS]) -> CalibrationLine {
        let achieved = match self.statistic {
            Statistic::Ratio(_) => self.scale * cells[0] / cells[1],
            Statistic::Odds(_) => mantel_haenszel(cells),
        };
        CalibrationLine {
            what: self.what,
            target: self.target,
            achieved,
            source: self.source,
            tolerance: self.tolerance,
        }
    }
}

/// Odds ratio over strata: Mantel and Haenszel, J Natl Cancer Inst 1959;22:719.
fn mantel_haenszel(cells: &[f64; CELLS]) -> f64 {
    let (mut upper, mut lower) = (0.0, 0.0);
    for table in cells.chunks_exact(4) {
        let total: f64 = table.iter().sum();
        if total > 0.0 {
            upper += table[0] * table[3] / total;
            lower += table[1] * table[2] / total;
        }
    }
    upper / lower
}

/// The lines as comma-separated text, with a head.
pub(super) fn as_csv(lines: &[CalibrationLine]) -> String {
    let mut text = "what,target,achieved,tolerance,met,source\n".to_owned();
    for line in lines {
        let row = format!(
            "\"{}\",{},{:.5},{},{},\"{}\"\n",
            line.what,
            line.target,
            line.achieved,
            line.tolerance,
            line.is_met(),
            line.source
        );
        text.push_str(&row);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{CELLS, mantel_haenszel};

    /// Two strata with odds ratios of 4 and 4: their common one is 4; the crude one is not.
    #[test]
    fn a_common_odds_ratio_is_found_over_strata() {
        let mut cells = [0.0; CELLS];
        cells[..4].copy_from_slice(&[40.0, 10.0, 10.0, 10.0]);
        cells[4..8].copy_from_slice(&[2.0, 5.0, 10.0, 100.0]);
        assert!((mantel_haenszel(&cells) - 4.0).abs() < 1e-12);
    }
}
