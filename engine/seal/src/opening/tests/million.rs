//! A million counters, each exactly right.

use super::Set;
use crate::lane::Lane;

/// Sites, holders, threshold, bits, counters: a million in all.
const LANES: [(u32, u32, u32, u32, usize); 9] = [
    (1, 2, 2, 1, 10_000),
    (2, 2, 2, 62, 190_000),
    (2, 3, 2, 31, 200_000),
    (3, 3, 3, 40, 100_000),
    (3, 5, 3, 48, 200_000),
    (10, 5, 3, 30, 100_000),
    (10, 5, 3, 32, 100_000),
    (20, 7, 4, 62, 50_000),
    (60, 5, 5, 16, 50_000),
];

/// SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Extremes at two counters of sixteen, the same for all contributors, so that totals reach
    /// both ends; anything in range elsewhere.
    fn value(&mut self, counter: usize, bits: u32) -> i128 {
        let top = 1i128 << bits;
        match counter % 16 {
            0 => -top,
            1 => top - 1,
            _ => i128::from(self.draw()) % (2 * top) - top,
        }
    }
}

#[test]
fn a_million_totals_are_exact() {
    let mut exact = 0;
    for (seed, (sites, holders, threshold, bits, counters)) in (1..).zip(LANES) {
        let lane = Lane::new(sites, holders, threshold, counters, bits).unwrap();
        let mut numbers = Numbers(u64::from(seed));
        let rows: Vec<Vec<i128>> = (0..sites + holders)
            .map(|_| (0..counters).map(|counter| numbers.value(counter, bits)).collect())
            .collect();
        let totals: Vec<i128> =
            (0..counters).map(|counter| rows.iter().map(|row| row[counter]).sum()).collect();
        let set = Set::sealed(lane, sites, &rows, seed);
        let released: Vec<u32> = (1..=threshold).collect();
        let opened = set.open(&set.released(&released)).unwrap();
        exact +=
            opened.totals.iter().zip(&totals).filter(|(opened, total)| opened == total).count();
        assert_eq!(opened.totals.len(), counters);
    }
    assert_eq!(exact, 1_000_000);
}
