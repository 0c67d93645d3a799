//! In which order encrypted counts are added and saturated; the same for every cell.
//!
//! ```text
//! N = 10, T = 5:   5 5 5 │ 5 5 5 │ 5 5 5 │ 5      sums up to 15, 15, 15 and 5
//!                    5   │   5   │   5   │ 5      three saturated again
//!                        15              │ 5      one more
//!                                10               at least 5? – the fifth bootstrap
//! ```
//! It knows numbers only: no keys, no ciphertexts.

/// Sums of one step: which sums of the step before go together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Bin {
    /// Places in the step before.
    pub(super) of: Vec<usize>,
    /// The largest value that the sum can have.
    pub(super) value_max: u64,
    /// Whether the sum is brought back to the threshold at most, by a bootstrap.
    pub(super) is_saturated: bool,
}

/// All steps; the last one has a single bin, which is compared with the threshold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Schedule {
    pub(super) steps: Vec<Vec<Bin>>,
}

impl Schedule {
    /// Packs sums as full as they may be, step by step; `None` if two values do not fit together.
    pub(super) fn new(sites: usize, threshold: u64) -> Option<Self> {
        let value_max = if sites == 1 { SUM_MAX } else { SUM_MAX / 2 };
        if sites == 0 || !(1..=value_max).contains(&threshold) {
            return None;
        }
        let fresh = Item { value_max: threshold, noise: 0 };
        let mut items = vec![fresh; sites];
        let mut steps = vec![];
        loop {
            let (step, sums) = pack(&items, threshold);
            let is_last = step.len() == 1;
            steps.push(step);
            if is_last {
                return Some(Self { steps });
            }
            items = sums;
        }
    }

    /// Bootstraps for one cell: one for every saturation, and the comparison.
    pub(super) fn bootstraps(&self) -> usize {
        1 + self.steps.iter().flatten().filter(|bin| bin.is_saturated).count()
    }
}

#[derive(Clone, Copy)]
struct Item {
    value_max: u64,
    /// In units of the noise that a bootstrap leaves; encryptions have next to none.
    noise: u64,
}

/// The bins of one step, and what comes out of them.
fn pack(items: &[Item], threshold: u64) -> (Vec<Bin>, Vec<Item>) {
    let mut bins: Vec<(Bin, u64)> = vec![];
    for (place, item) in items.iter().enumerate() {
        match bins.last_mut() {
            Some((bin, noise))
                if bin.value_max + item.value_max <= SUM_MAX
                    && *noise + item.noise <= NOISE_MAX =>
            {
                bin.of.push(place);
                bin.value_max += item.value_max;
                *noise += item.noise;
            }
            _ => {
                let bin = Bin { of: vec![place], value_max: item.value_max, is_saturated: false };
                bins.push((bin, item.noise));
            }
        }
    }
    let is_last = bins.len() == 1;
    let mut sums = vec![];
    for (bin, noise) in &mut bins {
        bin.is_saturated = !is_last && bin.value_max > threshold;
        let noise = if bin.is_saturated { 1 } else { (*noise).max(1) };
        sums.push(Item { value_max: bin.value_max.min(threshold), noise });
    }
    (bins.into_iter().map(|(bin, _)| bin).collect(), sums)
}

/// Two bits of message and two of carry: sums are at most this.
pub(super) const SUM_MAX: u64 = 15;
/// How many results of bootstraps may be added before the next one (the parameters' 2-norm).
const NOISE_MAX: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    /// What the steps make of values in the clear, and the largest noise of a sum on the way.
    fn walk(schedule: &Schedule, threshold: u64, values: &[u64]) -> bool {
        let mut items: Vec<(u64, u64)> =
            values.iter().map(|value| ((*value).min(threshold), 0)).collect();
        for step in &schedule.steps {
            let mut sums = vec![];
            for bin in step {
                let value: u64 = bin.of.iter().map(|place| items[*place].0).sum();
                let noise: u64 = bin.of.iter().map(|place| items[*place].1).sum();
                assert!(value <= bin.value_max && bin.value_max <= 15 && noise <= 5);
                let saturated = if bin.is_saturated { value.min(threshold) } else { value };
                sums.push((saturated, noise.max(1)));
                if bin.is_saturated {
                    sums.last_mut().unwrap().1 = 1;
                }
            }
            items = sums;
        }
        assert_eq!(items.len(), 1);
        items[0].0 >= threshold
    }

    #[test]
    fn ten_sites_and_five_persons_take_five_bootstraps() {
        let schedule = Schedule::new(10, 5).unwrap();
        assert_eq!(schedule.bootstraps(), 5);
        let widths: Vec<usize> = schedule.steps.iter().map(Vec::len).collect();
        assert_eq!(widths, [4, 2, 1]);
    }

    #[test]
    fn few_sites_take_one_bootstrap() {
        for (sites, threshold) in [(1, 1), (1, 5), (1, 15), (3, 5), (2, 7), (15, 1)] {
            assert_eq!(Schedule::new(sites, threshold).unwrap().bootstraps(), 1);
        }
    }

    #[test]
    fn what_does_not_fit_has_no_schedule() {
        for (sites, threshold) in [(0, 5), (3, 0), (1, 16), (2, 8), (10, 8), (2, u64::MAX)] {
            assert_eq!(Schedule::new(sites, threshold), None);
        }
    }

    #[test]
    fn every_schedule_decides_as_the_plain_sum_does() {
        for threshold in 1..=7 {
            for sites in 1..=40_usize {
                let schedule = Schedule::new(sites, threshold).unwrap();
                for total in [0, 1, threshold - 1, threshold, threshold + 1, 60] {
                    let mut spread = vec![0; sites];
                    for person in 0..total {
                        spread[usize::try_from(person).unwrap() * 7 % sites] += 1;
                    }
                    assert_eq!(walk(&schedule, threshold, &spread), total >= threshold);
                    for site in 0..sites {
                        let mut alone = vec![0; sites];
                        alone[site] = total;
                        assert_eq!(walk(&schedule, threshold, &alone), total >= threshold);
                    }
                }
            }
        }
    }
}
