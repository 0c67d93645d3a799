//! What one person may contribute: few enough groups, and in each a bounded total.

use datafusion::error::DataFusionError;
use ledger_adapter::digest::Digest;

use crate::aggregate::cells::{Cells, Mark};
use crate::aggregate::overflow;
use crate::aggregate::rank::Ranks;
use crate::aggregate::runs::Run;
use crate::aggregate::spec::Spec;
use crate::privacy::contributions::Bound;

/// Bounds one person after another. Everything in it but the spec is room for the person at hand.
#[derive(Debug)]
pub(crate) struct Bounder<'a> {
    spec: &'a Spec,
    /// Places of the kept groups, in the order in which they are kept.
    kept: Vec<usize>,
    ranked: Vec<(u64, usize)>,
    /// By column and kept group: the total within its clamp.
    bounded: Vec<i64>,
    /// By column: the norm of the totals, where it is bounded.
    norms: Vec<Option<u64>>,
}

impl<'a> Bounder<'a> {
    pub(crate) fn new(spec: &'a Spec) -> Self {
        let (kept, ranked) = (Vec::new(), Vec::new());
        Self { spec, kept, ranked, bounded: Vec::new(), norms: Vec::new() }
    }

    /// Bounds a person, and adds it to the cells. `codes` are the canonical bytes of the groups.
    ///
    /// # Errors
    /// If a total does not fit its integer.
    pub(crate) fn add(
        &mut self,
        run: Run<'_>,
        ranks: &Ranks,
        codes: &[Box<[u8]>],
        cells: &mut Cells,
    ) -> Result<(), DataFusionError> {
        if run.groups.is_empty() {
            return Ok(());
        }
        self.keep(run, ranks, codes);
        self.bound(run);
        self.count(run, cells)?;
        for column in &self.spec.united {
            self.mark(*column, run, codes, cells);
        }
        Ok(())
    }

    /// Chooses the groups that are kept: the first in the order of their ranks.
    fn keep(&mut self, run: Run<'_>, ranks: &Ranks, codes: &[Box<[u8]>]) {
        let most = self.spec.groups_max();
        self.kept.clear();
        let ordered = self.spec.groups.len() > 1 && run.groups.len() > 1;
        if run.groups.len() <= most && !ordered {
            self.kept.extend(0..run.groups.len());
            return;
        }
        let code = |place: usize| &codes[run.groups[place] as usize];
        let rank = |place: usize| (ranks.of(run.person, run.groups[place]), place);
        self.ranked.clear();
        self.ranked.extend((0..run.groups.len()).map(rank));
        let order = |a: &(u64, usize), b: &(u64, usize)| {
            a.0.cmp(&b.0).then_with(|| code(a.1).cmp(code(b.1)))
        };
        if (1..self.ranked.len()).contains(&most) {
            self.ranked.select_nth_unstable_by(most - 1, order);
            self.ranked.truncate(most);
        }
        self.ranked.sort_unstable_by(order);
        self.kept.extend(self.ranked.iter().map(|(_, place)| *place));
    }

    /// Clamps all totals, and finds their norms.
    fn bound(&mut self, run: Run<'_>) {
        let groups = self.kept.len();
        self.bounded.clear();
        self.norms.clear();
        for (i, column) in self.spec.columns.iter().enumerate() {
            for kept in 0..groups {
                let place = self.kept[kept];
                let mut total = run.total(place, i);
                if let Some((rows, most)) = column.rows {
                    total = of_rows(total, run.total(place, rows), most);
                }
                total = total.clamp(column.lower, column.upper);
                if let Bound::Linked { anchor, row } = column.bound {
                    let count = self.bounded[anchor * groups + kept].unsigned_abs();
                    let most = i64::try_from(count.saturating_mul(row)).unwrap_or(i64::MAX);
                    total = total.clamp(-most, most);
                }
                self.bounded.push(total);
            }
            let norm = match column.bound {
                Bound::Clamp => None,
                Bound::Norm(_) => Some(norm(&self.bounded[i * groups..])),
                Bound::Linked { anchor, .. } => self.norms[anchor],
            };
            self.norms.push(norm);
        }
    }

    /// Adds the person to every slot of its cells, and to the profiles once each.
    fn count(&self, run: Run<'_>, cells: &mut Cells) -> Result<(), DataFusionError> {
        let (spec, groups) = (self.spec, self.kept.len());
        let mut profile = 0;
        if spec.groups.len() > 1 {
            cells.profile(profile, &spec.groups, run.groups.len() as u64);
            profile += 1;
        }
        let mut first = 0;
        for (i, column) in spec.columns.iter().enumerate() {
            let rungs = spec.rungs(i);
            if let (Bound::Norm(_), Some(norm)) = (&column.bound, self.norms[i]) {
                if norm > 0 {
                    cells.profile(profile, rungs, norm);
                }
                profile += 1;
            }
            let totals = &self.bounded[i * groups..(i + 1) * groups];
            for (place, (kept, total)) in (0u64..).zip(self.kept.iter().zip(totals)) {
                if *total == 0 {
                    cells.touch(run.groups[*kept]);
                    continue;
                }
                let slots = cells.slots(run.groups[*kept], first, rungs.len());
                match self.norms[i] {
                    None => clamped(slots, rungs, place, *total)?,
                    Some(norm) => scaled(slots, rungs, norm, *total)?,
                }
            }
            first += rungs.len();
        }
        Ok(())
    }

    /// Marks the person in its cells of a column that counts persons once over sites.
    fn mark(&self, column: usize, run: Run<'_>, codes: &[Box<[u8]>], cells: &mut Cells) {
        let groups = self.kept.len();
        let totals = &self.bounded[column * groups..];
        for (place, (kept, total)) in (0u64..).zip(self.kept.iter().zip(totals)) {
            if *total > 0 {
                let group = run.groups[*kept];
                let hash = hash(self.spec.choice, column, run.person, &codes[group as usize]);
                cells.mark(column, group, Mark { hash, place });
            }
        }
    }
}

/// The part of a total of `count` rows that is `most` rows' of it, in integers, towards zero.
fn of_rows(total: i64, count: i64, most: i64) -> i64 {
    if count <= most {
        return total;
    }
    let by = count.max(1);
    (total / by).wrapping_mul(most).wrapping_add((total % by).wrapping_mul(most) / by)
}

/// The L2 norm of totals, rounded up; the largest number if it does not fit.
fn norm(totals: &[i64]) -> u64 {
    if let [only] = totals {
        return only.unsigned_abs();
    }
    let mut squares = 0u128;
    for total in totals {
        let total = u128::from(total.unsigned_abs());
        squares = squares.saturating_add(total.saturating_mul(total));
    }
    let root = squares.isqrt();
    let root = if root * root < squares { root + 1 } else { root };
    u64::try_from(root).unwrap_or(u64::MAX)
}

/// Adds a total to the slots of all bounds on the number of groups that its place is within.
fn clamped(
    slots: &mut [i128],
    rungs: &[u64],
    place: u64,
    total: i64,
) -> Result<(), DataFusionError> {
    for (slot, rung) in slots.iter_mut().zip(rungs) {
        if place < *rung {
            *slot = slot.checked_add(i128::from(total)).ok_or_else(overflow)?;
        }
    }
    Ok(())
}

/// Adds a total to the slots of all bounds on the norm, scaled down where the norm is above.
fn scaled(slots: &mut [i128], rungs: &[u64], norm: u64, total: i64) -> Result<(), DataFusionError> {
    let (size, is_negative) = (u128::from(total.unsigned_abs()), total < 0);
    let below = rungs.partition_point(|rung| *rung < norm);
    let inverse = 1.0 / norm as f64;
    for (slot, rung) in slots.iter_mut().zip(&rungs[..below]) {
        let part = (size * u128::from(share(*rung, inverse))) >> SHARE_BITS;
        // No more than the total, which is one of 64 bits.
        let part = part.cast_signed();
        *slot = slot.checked_add(if is_negative { -part } else { part }).ok_or_else(overflow)?;
    }
    for slot in &mut slots[below..] {
        *slot = slot.checked_add(i128::from(total)).ok_or_else(overflow)?;
    }
    Ok(())
}

/// `rung / norm` in parts of 2^62, never more: the three roundings on the way are each within
/// 2^-53 of what they round, which is below the last twelve bits.
fn share(rung: u64, inverse: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 2^62, as the rung is below the norm"
    )]
    let share = (rung as f64 * inverse * (1u64 << SHARE_BITS) as f64) as u64;
    share.saturating_sub(1 << 12)
}

/// The number of a person in a cell: the same at every site that takes part in the query. It is no
/// secret of whoever knows the pseudonym.
fn hash(choice: Digest, column: usize, person: i64, key: &[u8]) -> u64 {
    let (column, person) = ((column as u64).to_be_bytes(), person.to_be_bytes());
    let parts: [&[u8]; 4] = [choice.as_bytes(), &column, &person, key];
    let digest = Digest::labelled("graunt/sketch/v1", &parts);
    let first = digest.as_bytes().first_chunk::<8>();
    first.map_or(0, |first| u64::from_be_bytes(*first))
}

/// Bits of a share.
const SHARE_BITS: u32 = 62;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaled_total_is_never_more_than_its_part_and_hardly_less() {
        let rungs = [1, 2, 3, 5, 7, 1_000, 99_999, (1 << 40) + 1, (1 << 61) - 1];
        for norm in [2, 3, 7, 8, 1_001, 100_000, 1 << 50, (1 << 61) + 12_345] {
            for total in [1, -1, 3, 999, -99_999, i64::try_from(norm).unwrap()] {
                let mut slots = vec![0; rungs.len()];
                scaled(&mut slots, &rungs, norm, total).unwrap();
                for (slot, rung) in slots.iter().zip(rungs) {
                    let exact = i128::from(total) * i128::from(rung.min(norm)) / i128::from(norm);
                    let (slot, exact) = (slot.abs(), exact.abs());
                    assert!(slot <= exact, "{slot} of {exact}: {total} · {rung} / {norm}");
                    // At most one step, and a part in 2^49 of the total, is lost.
                    let lost = exact - slot;
                    let most = 1 + (i128::from(total).abs() >> 49);
                    assert!(lost <= most, "{lost}: {total} · {rung} / {norm}");
                }
            }
        }
    }

    #[test]
    fn totals_of_too_many_rows_are_scaled_down_towards_zero() {
        assert_eq!(of_rows(100, 4, 4), 100);
        assert_eq!(of_rows(100, 5, 2), 40);
        assert_eq!(of_rows(-7, 3, 2), -4);
        assert_eq!(of_rows(9, 0, 2), 9);
    }

    #[test]
    fn a_norm_is_rounded_up() {
        assert_eq!(norm(&[3, -4]), 5);
        assert_eq!(norm(&[1, 1]), 2);
        assert_eq!(norm(&[-7]), 7);
        assert_eq!(norm(&[]), 0);
    }
}
