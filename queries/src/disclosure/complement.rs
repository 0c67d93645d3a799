//! Complementary suppression: further cells that are left out, so that no suppressed one follows
//! from the others and the margins.
//!
//! Whether one follows is linear algebra: suppressed cells are unknowns, every sum is an equation.
//! Which cells are left out is greedy. What a reader could say of ranges is not looked at.

use super::table::{Sum, Table};
use std::collections::BTreeSet;

/// The cells, by number, that must be left out beside those that are already.
///
/// A sum with one suppressed cell gives it away. Of the cells of such sums the one is left out that
/// mends most of them and makes fewest new ones; of several, the smallest number, zeros last.
/// Then those that turn out not to be needed are shown again, the largest first.
pub fn complements(table: &Table, suppressed: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut all = suppressed.clone();
    let size = |cell: usize| table.cells[cell].count.value;
    while !determined(&table.sums, &all).is_empty() {
        let Some(next) = next(table, &all) else { break };
        all.insert(next);
    }
    let mut added: Vec<usize> = all.difference(suppressed).copied().collect();
    added.sort_by(|a, b| size(*b).total_cmp(&size(*a)));
    for cell in added {
        all.remove(&cell);
        if !determined(&table.sums, &all).is_empty() {
            all.insert(cell);
        }
    }
    all.difference(suppressed).copied().collect()
}

/// The cell to leave out next; `None` if all that could help are.
fn next(table: &Table, suppressed: &BTreeSet<usize>) -> Option<usize> {
    let hidden: Vec<usize> = table
        .sums
        .iter()
        .map(|sum| members(sum).filter(|cell| suppressed.contains(cell)).count())
        .collect();
    let mut mended = vec![0_i32; table.cells.len()];
    let mut candidates = BTreeSet::new();
    // Cells can follow from several sums together, each with more than one suppressed.
    let least = if hidden.contains(&1) { 1 } else { usize::MAX };
    for (sum, hidden) in table.sums.iter().zip(hidden) {
        for cell in members(sum).filter(|cell| !suppressed.contains(cell)) {
            mended[cell] += i32::from(hidden == 1) - i32::from(hidden == 0);
            if hidden >= 1 && hidden <= least {
                candidates.insert(cell);
            }
        }
    }
    let size = |cell: usize| table.cells[cell].count.value;
    candidates.into_iter().min_by(|&a, &b| {
        let by_mending = mended[b].cmp(&mended[a]);
        let by_zero = (size(a) < 0.5).cmp(&(size(b) < 0.5));
        by_mending.then(by_zero).then(size(a).total_cmp(&size(b)))
    })
}

/// The suppressed cells, by number, whose value follows from the shown ones.
pub fn following(table: &Table, suppressed: &BTreeSet<usize>) -> Vec<usize> {
    determined(&table.sums, suppressed)
}

fn members(sum: &Sum) -> impl Iterator<Item = usize> {
    sum.parts.iter().copied().chain([sum.total])
}

/// The unknowns that all solutions agree on: in the reduced row echelon form of the equations,
/// those that are alone in a row.
fn determined(sums: &[Sum], suppressed: &BTreeSet<usize>) -> Vec<usize> {
    let unknowns: Vec<usize> = suppressed.iter().copied().collect();
    let mut rows: Vec<Vec<f64>> = vec![];
    for sum in sums {
        let mut row = vec![0.0; unknowns.len()];
        for (sign, cell) in sum.parts.iter().map(|&part| (1.0, part)).chain([(-1.0, sum.total)]) {
            if let Ok(at) = unknowns.binary_search(&cell) {
                row[at] = sign;
            }
        }
        if row.iter().any(|&entry| entry != 0.0) {
            rows.push(row);
        }
    }
    reduce(&mut rows);
    let alone = rows.iter().filter_map(|row| {
        let mut entries = (0..).zip(row).filter(|(_, entry)| entry.abs() > TINY);
        let (at, _) = entries.next()?;
        entries.next().is_none().then(|| unknowns[at])
    });
    let mut determined: Vec<usize> = alone.collect();
    determined.sort_unstable();
    determined
}

/// Gauss and Jordan's elimination with the largest pivot of each column.
fn reduce(rows: &mut [Vec<f64>]) {
    let columns = rows.first().map_or(0, Vec::len);
    let mut done = 0;
    for column in 0..columns {
        let size = |row: &usize| rows[*row][column].abs();
        let Some(pivot) = (done..rows.len()).max_by(|a, b| size(a).total_cmp(&size(b))) else {
            return;
        };
        if rows[pivot][column].abs() <= TINY {
            continue;
        }
        rows.swap(done, pivot);
        let factor = rows[done][column];
        rows[done].iter_mut().for_each(|entry| *entry /= factor);
        let pivot = rows[done].clone();
        for (at, row) in rows.iter_mut().enumerate() {
            let factor = row[column];
            if at != done && factor != 0.0 {
                row.iter_mut().zip(&pivot).for_each(|(entry, of)| *entry -= factor * of);
            }
        }
        done += 1;
    }
}

/// Entries are small whole numbers, or ratios of them.
const TINY: f64 = 1e-9;
