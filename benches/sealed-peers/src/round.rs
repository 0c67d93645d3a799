//! What every scheme adds up, and what that may cost.

use std::time::Duration;

use crate::Failure;
use crate::clock::{Spent, now};

/// How many contribute how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) sites: u32,
    pub(crate) counters: usize,
}

impl Round {
    /// A site's counters, below 2²⁰ each: no scheme's time depends on them.
    pub(crate) fn values(self, site: u32) -> Vec<u32> {
        let start = u64::from(site) * 104_729;
        let value = |index: u64| (start + index * 7919) % 1_000_003;
        (0..).map(value).take(self.counters).filter_map(|value| value.try_into().ok()).collect()
    }

    /// Whether these are the totals of all sites.
    pub(crate) fn check(self, totals: &[u64]) -> Result<(), Failure> {
        let mut truth = vec![0; self.counters];
        for site in 0..self.sites {
            for (total, value) in truth.iter_mut().zip(self.values(site)) {
                *total += u64::from(value);
            }
        }
        if totals == truth { Ok(()) } else { Err("the totals are wrong".into()) }
    }
}

/// What a round took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// All sites, from counters to bytes.
    pub(crate) sites: Spent,
    /// All aggregators, from bytes to what can be added; with checks, where a scheme has any.
    pub(crate) reading: Spent,
    /// All aggregators, adding.
    pub(crate) adding: Spent,
    /// Everyone without whom there are no totals, from the sum on.
    pub(crate) opening: Spent,
    /// What one site sends.
    pub(crate) bytes: usize,
}

impl Cost {
    /// The least of as many rounds as fit in two seconds, and of one at least; part by part.
    pub(crate) fn least_of(run: impl Fn() -> Result<Self, Failure>) -> Result<Self, Failure> {
        let end = now()? + Duration::from_secs(2);
        let mut least = run()?;
        while now()? < end {
            least = least.min(run()?);
        }
        Ok(least)
    }

    /// The lesser of two, part by part.
    fn min(self, other: Self) -> Self {
        Self {
            sites: self.sites.min(other.sites),
            reading: self.reading.min(other.reading),
            adding: self.adding.min(other.adding),
            opening: self.opening.min(other.opening),
            bytes: self.bytes.min(other.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Round = Round { sites: 2, counters: 3 };

    #[test]
    fn sites_differ_and_their_totals_are_known() {
        assert_eq!(ROUND.values(0), [0, 7919, 15_838]);
        assert_eq!(ROUND.values(1), [104_729, 112_648, 120_567]);
        assert!(ROUND.check(&[104_729, 120_567, 136_405]).is_ok());
        assert!(ROUND.check(&[104_729, 120_567, 136_406]).is_err());
        assert!(ROUND.check(&[104_729, 120_567]).is_err());
    }

    #[test]
    fn every_part_is_the_least_of_its_own() {
        let spent = |seconds| Spent(Duration::from_secs(seconds));
        let one = Cost { sites: spent(1), adding: spent(4), bytes: 7, ..Cost::default() };
        let other = Cost { sites: spent(2), adding: spent(3), bytes: 7, ..Cost::default() };
        let least = one.min(other);
        assert_eq!((least.sites, least.adding, least.bytes), (spent(1), spent(3), 7));
    }
}
