//! Sketches of who is counted at which number of sites, put together from all sites as sums are.
//!
//! ```text
//!   noisy sum of a cell ─▶ how many registers ─▶ each person adds ±1 to one, at every site alike
//!                                                 └─ add ─▶ noisy registers ─ squares ─▶ persons
//! ```
//! Register and sign are a hash of query, column, cell and pseudonym, which sites share, so what a
//! person adds at several sites adds up. Nobody sees a register without the noise of all.
//!
//! # Privacy
//! At each site a person counts in as many cells as the count of persons lets it, in each by one
//! register and by 1. So over k sites and `groups` cells of each, cell c is moved in one register
//! by m(c) ≤ k, where the m(c) add up to k·`groups` at most: in the L2 norm by k·√`groups`, as the
//! count is. How many registers there are follows from noisy sums that are opened already, and
//! which is whose, and the signs, from names alone.

use crate::aggregate::cells::Mark;
use crate::noise::error::NoiseError;
use crate::noise::purse::Door;
use crate::noise::{Column, Noise, deviation};
use crate::perturb::overlap::Opened;
use crate::perturb::quantile::Drawn;
use crate::privacy::boundary::Slot;

/// What is known of a column before its sketch is drawn.
pub(super) struct Counted<'a> {
    /// Of the count of persons, under the bound that was chosen.
    pub(super) slot: Slot,
    /// By shown cell: who counts there.
    pub(super) marks: Vec<&'a [Mark]>,
    /// By shown cell: what sites counted, with noise.
    pub(super) sums: &'a [i128],
    /// The law of that noise.
    pub(super) law: Noise,
    /// The noise of the sketch, as it is paid for.
    pub(super) noise: Noise,
    /// Most sites that one person is at.
    pub(super) sites: u64,
}

/// Numbers of persons, each counted once, by column and cell.
///
/// # Errors
/// As [`Door::add`].
pub(super) fn draw(
    counted: &[Counted<'_>],
    confidence: f64,
    door: &mut dyn Door,
) -> Result<Vec<Vec<Drawn>>, NoiseError> {
    let most = REGISTERS_MAX.min(door.values_max()) / counted.len().max(1);
    let mut sizes = Vec::with_capacity(counted.len());
    for column in counted {
        sizes.push(column.sizes(door.law(column.noise)?, most));
    }
    let columns = counted.iter().zip(&sizes).map(|(column, sizes)| column.filled(sizes));
    let opened = door.add(columns.collect())?;
    let mut drawn = Vec::with_capacity(counted.len());
    for ((column, sizes), registers) in counted.iter().zip(&sizes).zip(&opened) {
        // Of those who took part in this round.
        let variance = door.variance(column.noise)?;
        drawn.push(column.persons(sizes, registers, (variance, confidence)));
    }
    Ok(drawn)
}

impl Counted<'_> {
    /// How many registers each cell gets. The noise is that of all parties, as far as these are
    /// known.
    fn sizes(&self, noise: Noise, most: usize) -> Vec<usize> {
        // Of scales, not deviations: all parties must come to the same, on whatever machine.
        let margin = 2.0 * self.law.scale.as_f64();
        let sketch = noise.scale.as_f64();
        let wanted = self.sums.iter().map(|sum| {
            // No more than 2^53 matter here.
            let persons = (*sum).max(0) as f64 + margin;
            whole(registers_for(persons, sketch))
        });
        shared(wanted.collect(), most)
    }

    /// The exact registers of all cells, one after the other.
    fn filled(&self, sizes: &[usize]) -> Column {
        let mut values = vec![0i128; sizes.iter().sum()];
        let mut start = 0;
        for (marks, size) in self.marks.iter().zip(sizes) {
            let own = &mut values[start..start + size];
            // Under a norm all groups count; under a number of groups, the first so many.
            let most = self.slot.groups.unwrap_or(u64::MAX);
            for mark in marks.iter().filter(|mark| mark.place < most) {
                let (register, sign) = place(mark.hash, *size);
                own[register] += sign;
            }
            start += size;
        }
        Column::within(values, self.slot.sensitivity, self.slot.groups, self.noise)
    }

    fn persons(
        &self,
        sizes: &[usize],
        registers: &[i128],
        (variance, confidence): (f64, f64),
    ) -> Vec<Drawn> {
        let mut rest = registers;
        let cells = sizes.iter().zip(self.sums).map(|(size, sum)| {
            let (own, others) = rest.split_at((*size).min(rest.len()));
            rest = others;
            let opened = Opened {
                sum: *sum as f64,
                sum_deviation: deviation(self.law),
                squares: own.iter().map(|noisy| (*noisy as f64).powi(2)).sum(),
                registers: *size as f64,
                variance,
                sites: self.sites,
            };
            opened.persons(confidence)
        });
        cells.collect()
    }
}

/// The register of a hash, and the sign: its highest bits, and its lowest.
fn place(hash: u64, size: usize) -> (usize, i128) {
    let register = (u128::from(hash) * size as u128) >> 64;
    let sign = if hash & 1 == 0 { 1 } else { -1 };
    (usize::try_from(register).unwrap_or(0), sign)
}

/// The number of registers for about so many persons, under noise of this deviation. The error of
/// F is √2·(F/√B + v·√B) for noise of variance v: least where B is F/v, and F is from `persons` on.
/// Where there is hardly any noise, so many that persons rarely meet.
pub(crate) fn registers_for(persons: f64, deviation: f64) -> f64 {
    let apart = persons * APART_MAX;
    let wanted = 2.0 * persons / (deviation * deviation);
    wanted.min(apart).max(REGISTERS_EACH).ceil()
}

/// Sizes that add up to `most` at most: those of all cells are cut alike, down to a least one.
fn shared(mut sizes: Vec<usize>, most: usize) -> Vec<usize> {
    let all = sizes.iter().fold(0usize, |all, size| all.saturating_add(*size));
    let free = most.saturating_sub(REGISTERS_MIN * sizes.len());
    if all > most {
        for size in &mut sizes {
            let part = *size as u128 * free as u128 / all as u128;
            *size = REGISTERS_MIN + usize::try_from(part).unwrap_or(0);
        }
    }
    sizes
}

fn whole(registers: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, and from 32 to 2^20"
    )]
    let registers = registers.min(REGISTERS_MAX as f64) as usize;
    registers
}

/// Most registers of a round, over all cells and columns.
const REGISTERS_MAX: usize = 1 << 20;

/// Fewest registers of a cell, where they are short: there are many cells, or each is proved.
pub(crate) const REGISTERS_MIN: usize = 8;

/// Fewest registers of a cell otherwise: enough for the law of their squares.
const REGISTERS_EACH: f64 = 32.0;

/// Most registers per person.
const APART_MAX: f64 = 1_024.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Scale;

    fn noise(numerator: u64) -> Noise {
        Noise::from(Scale { numerator, log2_denominator: 0 })
    }

    fn marks(persons: impl IntoIterator<Item = u64>, place: u64) -> Vec<Mark> {
        // Knuth's multiplicative hash: any fixed one will do.
        let hash = |p: u64| p.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29) ^ p;
        persons.into_iter().map(|p| Mark { hash: hash(p), place }).collect()
    }

    fn counted<'a>(marks: Vec<&'a [Mark]>, sums: &'a [i128], groups: u64) -> Counted<'a> {
        let slot = Slot { column: 0, sensitivity: 3, groups: Some(groups) };
        Counted { slot, marks, sums, law: noise(9), noise: noise(7), sites: 3 }
    }

    /// The registers of all sites together, as sums over sites are.
    fn together(sites: &[Vec<Vec<Mark>>], sizes: &[usize], groups: u64) -> Vec<i128> {
        let sums = vec![0; sizes.len()];
        let of = |site: &Vec<Vec<Mark>>| {
            let marks = site.iter().map(Vec::as_slice).collect();
            counted(marks, &sums, groups).filled(sizes).values
        };
        let mut all = vec![0i128; sizes.iter().sum()];
        for site in sites {
            all.iter_mut().zip(of(site)).for_each(|(all, more)| *all += more);
        }
        all
    }

    #[test]
    fn without_any_one_person_the_sketch_moves_no_further_than_it_says() {
        let sizes = [5, 32, 1];
        // At three sites, in up to two of three cells; sites do not agree in which.
        let cell = |site: u64, c: u64| -> Vec<Mark> {
            let own = (0..60).filter(|p| p % 3 != (c + site * (p % 2)) % 3);
            marks(own, u64::from(c == 2))
        };
        let site = |s: u64| -> Vec<Vec<Mark>> { (0..3).map(|c| cell(s, c)).collect() };
        let sites: Vec<Vec<Vec<Mark>>> = (0..3).map(site).collect();
        let whole = together(&sites, &sizes, 2);
        let mut furthest = 0;
        for gone in marks(0..60, 0) {
            let less = |cell: &Vec<Mark>| -> Vec<Mark> {
                cell.iter().filter(|mark| mark.hash != gone.hash).copied().collect()
            };
            let rest: Vec<Vec<Vec<Mark>>> =
                sites.iter().map(|site| site.iter().map(less).collect()).collect();
            let moved = together(&rest, &sizes, 2);
            let squares: i128 = whole.iter().zip(moved).map(|(a, b)| (a - b).pow(2)).sum();
            furthest = furthest.max(squares);
        }
        // Sensitivity 3 in each of two groups: 2·3² at most, and some person comes to that.
        assert_eq!(furthest, 18);
    }

    #[test]
    fn what_a_person_adds_at_several_sites_is_in_one_register() {
        let sites = vec![vec![marks([7], 0)]; 3];
        let registers = together(&sites, &[16], 1);
        assert_eq!(registers.iter().map(|held| held.abs()).sum::<i128>(), 3);
        assert_eq!(registers.iter().filter(|held| **held != 0).count(), 1);
        // Beyond the groups that count, nobody does.
        let beyond = vec![vec![marks(0..100, 1)]; 3];
        assert!(together(&beyond, &[16], 1).iter().all(|held| *held == 0));
        assert!(together(&beyond, &[16], 2).iter().any(|held| *held != 0));
    }

    #[test]
    fn registers_and_signs_are_spread_evenly() {
        let mut counts = [0u32; 24];
        for mark in marks(0..24_000, 0) {
            let (register, sign) = place(mark.hash, 12);
            counts[2 * register + usize::from(sign > 0)] += 1;
        }
        // A thousand each; six standard deviations are 190.
        assert!(counts.iter().all(|count| count.abs_diff(1_000) < 190), "{counts:?}");
        assert_eq!(place(u64::MAX, 7).0, 6);
        assert_eq!(place(0, 7).0, 0);
    }

    #[test]
    fn sizes_fit_noise_and_numbers_and_never_exceed_what_a_round_holds() {
        let sums = [0, 5_000, -40];
        let column = counted(vec![&[]; 3], &sums, 1);
        // 2·(5,000 + 2·9)/7² = 204.8; the least otherwise.
        assert_eq!(column.sizes(noise(7), REGISTERS_MAX), [32, 205, 32]);
        // Hardly any noise: so many registers per person that two rarely meet.
        let quiet = Noise::from(Scale { numerator: 1, log2_denominator: 10 });
        assert_eq!(column.sizes(quiet, 1 << 30)[0], 18 * 1_024);
        let many = vec![1 << 60; 100_000];
        let column = counted(vec![&[]; 100_000], &many, 1);
        let sizes = column.sizes(noise(7), REGISTERS_MAX);
        assert!(
            sizes.iter().sum::<usize>() <= REGISTERS_MAX
                && sizes.iter().all(|s| *s >= REGISTERS_MIN)
        );
    }
}
