//! Sums open to their totals by any threshold of holders, and not after any change.

use super::{OpenError, Opened, Opening, groups, liars, open};
use crate::ciphertext::{Ciphertext, Sum, encrypt};
use crate::lane::Lane;
use crate::ring::{Context, SIZE};
use crate::sealing::seal_with;
use crate::secret::{Purpose, Role, Seed};
use crate::share::{PRIME, Share, share};

mod altered;
mod million;

const CONTEXT: Context = Context([1; 32]);

/// A sealed set: a site for each number but the holders' last ones.
struct Set {
    lane: Lane,
    sites: u32,
    holders: u32,
    sealed: Vec<(Ciphertext, Vec<Share>)>,
}

impl Set {
    /// Contributors in order, sites first; each with its values, and seeds counted from `seed`.
    fn sealed(lane: Lane, sites: u32, rows: &[Vec<i128>], seed: u8) -> Self {
        let holders = u32::try_from(rows.len()).unwrap() - sites;
        let roles = (0..).map(|index: u32| if index < sites { Role::Site } else { Role::Holder });
        let seal = |((row, role), number): ((&Vec<i128>, Role), u8)| {
            let mut bytes = [seed; 32];
            bytes[0] = number;
            seal_with(&lane, &CONTEXT, row, role, &Seed::known(&bytes))
        };
        let sealed = rows.iter().zip(roles).zip(0..).map(seal).collect();
        Self { lane, sites, holders, sealed }
    }

    /// Three sites and all five holders, of which three open; four counters.
    fn small() -> Self {
        let lane = Lane::new(3, 5, 3, 4, 31).unwrap();
        let row = |number: i128| vec![number, -number, 1 << 30, -(1 << 31)];
        Self::sealed(lane, 3, &(1..=8).map(row).collect::<Vec<_>>(), 0)
    }

    fn sum(&self) -> Sum {
        Sum::of(&self.lane, self.sealed.iter().map(|(ciphertext, _)| ciphertext)).unwrap()
    }

    /// What these holders release.
    fn released(&self, holders: &[u32]) -> Vec<Share> {
        let release = |holder: &u32| {
            let index = usize::try_from(holder - 1).unwrap();
            let own: Vec<Share> =
                self.sealed.iter().map(|(_, shares)| shares[index].clone()).collect();
            Share::sum(&own).unwrap()
        };
        holders.iter().map(release).collect()
    }

    fn open(&self, shares: &[Share]) -> Result<Opened, OpenError> {
        open(&self.lane, &CONTEXT, &self.sum(), self.sites, self.holders, shares)
    }
}

const SMALL_TOTALS: [i128; 4] = [36, -36, 8_589_934_592, -17_179_869_184];

/// The share of the same holder, with this added to one of its points.
fn off_by(share: &Share, index: usize, off: u32) -> Share {
    let mut bytes = share.to_bytes().to_vec();
    let place = 4 + 4 * index..8 + 4 * index;
    let point = u32::from_le_bytes(bytes[place.clone()].try_into().unwrap());
    let point = u32::try_from((u64::from(point) + u64::from(off)) % u64::from(PRIME)).unwrap();
    bytes[place].copy_from_slice(&point.to_le_bytes());
    Share::from_bytes(&bytes).unwrap()
}

#[test]
fn any_three_of_five_open() {
    let set = Set::small();
    let mut openings = vec![];
    for (holders, _) in groups(&[1, 2, 3, 4, 5], 3) {
        let opened = set.open(&set.released(&holders)).unwrap();
        assert_eq!(opened.totals, SMALL_TOTALS, "{holders:?}");
        assert!(opened.liars.is_empty());
        openings.push(opened.opening);
    }
    assert_eq!(openings.len(), 10);
    assert!(openings.iter().all(|opening| *opening == openings[0]));
}

#[test]
fn two_of_five_do_not_open() {
    let set = Set::small();
    for (holders, _) in groups(&[1, 2, 3, 4, 5], 2) {
        let wanted = Err(OpenError::Shares { wanted: 3, found: 2 });
        assert_eq!(set.open(&set.released(&holders)), wanted);
        // Nor with a third that they make up.
        let mut shares = set.released(&holders);
        let absent = (1..=5).find(|holder| !holders.contains(holder)).unwrap();
        let zeros = [absent.to_le_bytes().to_vec(), vec![0; 4 * SIZE]].concat();
        shares.push(Share::from_bytes(&zeros).unwrap());
        assert_eq!(set.open(&shares), Err(OpenError::Disagree));
    }
}

#[test]
fn an_opening_convinces_whoever_has_the_ciphertexts() {
    let set = Set::small();
    let opened = set.open(&set.released(&[1, 3, 5])).unwrap();
    let bytes = opened.opening.to_bytes();
    assert_eq!(bytes.len(), 8192);
    let read = Opening::from_bytes(&bytes).unwrap();
    assert_eq!(read, opened.opening);
    let totals = read.verify(&set.lane, &CONTEXT, &set.sum(), 3, 5).unwrap();
    assert_eq!(totals, SMALL_TOTALS);
}

#[test]
fn a_liar_is_named_when_a_share_is_to_spare() {
    let set = Set::small();
    let honest = set.released(&[1, 2, 3, 4, 5]);
    for liar in 0..5usize {
        let mut shares = honest.clone();
        shares[liar] = off_by(&shares[liar], 77, 1);
        let opened = set.open(&shares).unwrap();
        assert_eq!(opened.totals, SMALL_TOTALS);
        assert_eq!(opened.liars, [shares[liar].holder()]);
        // With one to spare as well, and with none not at all.
        let four: Vec<Share> =
            (0..5).filter(|i| *i != (liar + 1) % 5).map(|i| shares[i].clone()).collect();
        assert_eq!(set.open(&four).unwrap().liars, [shares[liar].holder()]);
        let kept = |i: &usize| *i != (liar + 1) % 5 && *i != (liar + 2) % 5;
        let three: Vec<Share> = (0..5).filter(kept).map(|i| shares[i].clone()).collect();
        assert_eq!(set.open(&three), Err(OpenError::Disagree));
    }
}

#[test]
fn two_liars_of_five_are_named_and_three_are_too_many() {
    let set = Set::small();
    let mut shares = set.released(&[1, 2, 3, 4, 5]);
    shares[0] = off_by(&shares[0], 0, 5);
    shares[3] = off_by(&shares[3], 9, 5);
    let opened = set.open(&shares).unwrap();
    assert_eq!((opened.totals.as_slice(), opened.liars), (&SMALL_TOTALS[..], vec![1, 4]));
    shares[1] = off_by(&shares[1], 3, 5);
    assert_eq!(set.open(&shares), Err(OpenError::Disagree));
}

/// Holders 1 and 2 move along a parabola that is zero at zero and at 3: with 3 they open to
/// the right totals, and could call 4 and 5 liars.
#[test]
fn two_liars_together_do_not_get_others_named() {
    let set = Set::small();
    let mut shares = set.released(&[1, 2, 3, 4, 5]);
    // x² - 3x is -2 at 1 and at 2.
    shares[0] = off_by(&shares[0], 0, PRIME - 2);
    shares[1] = off_by(&shares[1], 0, PRIME - 2);
    let opened = set.open(&shares).unwrap();
    assert_eq!(opened.totals, SMALL_TOTALS);
    assert_eq!(opened.liars, [0; 0]);
}

#[test]
fn the_fewest_liars_are_named_if_there_is_one_choice_of_them() {
    assert_eq!(liars(vec![vec![4, 5], vec![1], vec![1]]), [1]);
    assert_eq!(liars(vec![vec![4, 5], vec![1, 2]]), [0; 0]);
    assert_eq!(liars(vec![vec![1, 2], vec![]]), [0; 0]);
}

#[test]
fn a_site_that_shared_another_secret_stops_the_opening() {
    let mut set = Set::small();
    let other = Seed::known(&[99; 32]);
    set.sealed[1].1 = share(&set.lane, &other.secret(), &other);
    assert_eq!(set.open(&set.released(&[1, 2, 3, 4, 5])), Err(OpenError::Disagree));
    // Without it the others open.
    set.sealed.remove(1);
    set.sites = 2;
    let opened = set.open(&set.released(&[2, 4, 5])).unwrap();
    assert_eq!(opened.totals, [34, -34, 7_516_192_768, -15_032_385_536]);
}

#[test]
fn sets_that_are_not_the_sum_are_refused() {
    let set = Set::small();
    let shares = set.released(&[1, 2, 3]);
    let sum = set.sum();
    let open_as = |sites, holders| open(&set.lane, &CONTEXT, &sum, sites, holders, &shares);
    for (sites, holders) in [(2, 5), (3, 4), (0, 0), (4, 4), (2, 6), (u32::MAX, 1), (8, 0)] {
        assert_eq!(open_as(sites, holders), Err(OpenError::Contributors), "{sites}, {holders}");
    }
    assert!(open_as(3, 5).is_ok());
    let none = Sum::empty(&set.lane);
    let opened = open(&set.lane, &CONTEXT, &none, 0, 0, &shares);
    assert_eq!(opened, Err(OpenError::Contributors));
    let other = Lane::new(4, 5, 3, 4, 31).unwrap();
    assert_eq!(open(&other, &CONTEXT, &sum, 3, 5, &shares), Err(OpenError::Lane));
}

#[test]
fn shares_of_nobody_or_twice_are_refused() {
    let set = Set::small();
    let shares = set.released(&[1, 2, 2]);
    assert_eq!(set.open(&shares), Err(OpenError::Holder(2)));
    let mut bytes = shares[0].to_bytes().to_vec();
    bytes[0] = 6;
    let nobody = Share::from_bytes(&bytes).unwrap();
    let shares = [set.released(&[1, 2]), vec![nobody]].concat();
    assert_eq!(set.open(&shares), Err(OpenError::Holder(6)));
    assert_eq!(set.open(&[]), Err(OpenError::Shares { wanted: 3, found: 0 }));
}

#[test]
fn a_total_that_none_could_add_up_to_is_refused() {
    for bits in [30, 62] {
        let lane = Lane::new(3, 5, 3, 4, bits).unwrap();
        // One site of three goes beyond its range by the contributions of the others.
        let seed = Seed::known(&[5; 32]);
        let values = [0, 4 << bits, 0, 0];
        let mut errors = seed.stream(Purpose::Errors);
        let draw = |drawn: &mut [i64]| errors.errors(17, drawn);
        let sealed = encrypt(&lane, &CONTEXT, &values, &seed.secret(), draw);
        let shares = share(&lane, &seed.secret(), &seed);
        let mut set = Set::sealed(lane, 2, &[vec![0; 4], vec![0; 4]], 7);
        set.sealed.push((sealed, shares));
        set.sites = 3;
        assert_eq!(set.open(&set.released(&[1, 2, 3])), Err(OpenError::Range), "{bits}");
    }
}
