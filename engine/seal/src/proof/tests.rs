//! Proofs under parameters that are drawn once for all tests.

use std::sync::OnceLock;

use super::contribution::{Sealed, prove, seal_words};
use super::*;
use crate::opening::{OpenError, Opening};
use crate::secret::Seed;
use crate::share::Share;

const HALF: i64 = 1 << 31;
const CONTEXT: Context = Context([7; 32]);

fn crs() -> &'static Crs {
    static CRS: OnceLock<Crs> = OnceLock::new();
    CRS.get_or_init(|| Crs::generate(4).unwrap())
}

fn lane() -> ProvenLane {
    ProvenLane::new(crs(), 2, 3, 2, 6, -HALF).unwrap()
}

/// Two sites with two proofs each, and the masks of three holders.
struct Round {
    sites: Vec<ProvenCiphertext>,
    masks: Vec<MaskCiphertext>,
    /// Of each contribution, those of all holders.
    shares: Vec<Vec<Share>>,
}

const SITES: [[i64; 6]; 2] =
    [[-HALF, HALF - 1, -HALF, 0, -1, 41], [-HALF, HALF - 1, HALF - 1, 0, 1, -1_000]];
const MASKS: [[i64; 6]; 3] =
    [[-HALF, HALF - 1, 0, 0, 0, 5], [0, 0, 0, 0, 0, -7], [-1, 1, 0, 0, 0, 1_000_000_000]];
const TOTALS: [i128; 6] = [-6_442_450_945, 6_442_450_942, -1, 0, 0, 999_999_039];

fn metadata(site: usize) -> [u8; 1] {
    [u8::try_from(site).unwrap()]
}

fn round() -> &'static Round {
    static ROUND: OnceLock<Round> = OnceLock::new();
    ROUND.get_or_init(|| {
        let lane = lane();
        let (mut sites, mut masks, mut shares) = (vec![], vec![], vec![]);
        for (site, values) in SITES.iter().enumerate() {
            let (sealed, own) =
                seal_proven(&lane, crs(), &CONTEXT, values, &metadata(site)).unwrap();
            sites.push(sealed);
            shares.push(own);
        }
        for (holder, values) in (1..).zip(&MASKS) {
            let (mask, own) = seal_mask(&lane, &CONTEXT, holder, values).unwrap();
            masks.push(mask);
            shares.push(own);
        }
        Round { sites, masks, shares }
    })
}

fn verified(site: usize) -> Verified {
    let sealed = round().sites[site].clone();
    sealed.verify(&lane(), crs(), &CONTEXT, &metadata(site)).unwrap()
}

fn all() -> ProvenSum {
    ProvenSum::of(&lane(), &[verified(0), verified(1)], &round().masks).unwrap()
}

/// What a holder releases for the whole set.
fn released(holder: usize) -> Share {
    let own: Vec<Share> = round().shares.iter().map(|shares| shares[holder].clone()).collect();
    Share::sum(&own).unwrap()
}

#[test]
fn totals_are_exact_at_the_ends_of_the_range() {
    let sum = all();
    for group in [[0, 1], [0, 2], [1, 2]] {
        let opened = sum.open(&lane(), &group.map(released)).unwrap();
        assert_eq!(opened.totals, TOTALS);
        assert_eq!(opened.liars, [0; 0]);
        let bytes = opened.opening.to_bytes();
        let read = Opening::from_bytes(&bytes).unwrap();
        assert_eq!(sum.verify(&lane(), &read).unwrap(), TOTALS);
    }
}

#[test]
fn a_smaller_set_opens_to_its_own_totals() {
    let sum = ProvenSum::of(&lane(), &[verified(1)], &round().masks[1..]).unwrap();
    let own = |holder: usize| {
        let own: Vec<Share> =
            [1, 3, 4].map(|contributor: usize| round().shares[contributor][holder].clone()).into();
        Share::sum(&own).unwrap()
    };
    let opened = sum.open(&lane(), &[own(0), own(2)]).unwrap();
    let expected = [-2_147_483_649, 2_147_483_648, 2_147_483_647, 0, 1, 999_998_993];
    assert_eq!(opened.totals, expected);
    assert_eq!(sum.open(&lane(), &[released(0), released(2)]), Err(OpenError::Disagree));
}

#[test]
fn a_lying_holder_is_named_and_one_alone_opens_nothing() {
    let wrong = round().shares[0][1].clone();
    let opened = all().open(&lane(), &[released(0), wrong, released(2)]).unwrap();
    assert_eq!((opened.totals, opened.liars), (TOTALS.to_vec(), vec![2]));
    let refused = OpenError::Shares { wanted: 2, found: 1 };
    assert_eq!(all().open(&lane(), &[released(0)]), Err(refused));
}

#[test]
fn an_opening_with_another_coefficient_opens_nothing() {
    let sum = all();
    let bytes = sum.open(&lane(), &[released(0), released(1)]).unwrap().opening.to_bytes();
    for place in [0, 1, 4_095, 4_096, 8_188] {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        let opening = Opening::from_bytes(&changed).unwrap();
        assert_eq!(sum.verify(&lane(), &opening), Err(OpenError::Opening));
    }
}

#[test]
fn a_proof_holds_for_its_metadata_round_and_range_only() {
    let refused = Err(ProofError::Unproven { block: 0 });
    let verify = |lane: &ProvenLane, context: &Context, metadata: &[u8]| {
        round().sites[0].clone().verify(lane, crs(), context, metadata).map(|_| ())
    };
    assert_eq!(verify(&lane(), &CONTEXT, &[0]), Ok(()));
    assert_eq!(verify(&lane(), &CONTEXT, &[1]), refused);
    assert_eq!(verify(&lane(), &CONTEXT, &[]), refused);
    assert_eq!(verify(&lane(), &CONTEXT, &[0, 0]), refused);
    let mut other = CONTEXT;
    other.0[31] ^= 1;
    assert_eq!(verify(&lane(), &other, &[0]), refused);
    let other = ProvenLane::new(crs(), 2, 3, 2, 6, 0).unwrap();
    assert_eq!(verify(&other, &CONTEXT, &[0]), refused);
    let other = ProvenLane::new(crs(), 3, 3, 2, 6, -HALF).unwrap();
    assert_eq!(verify(&other, &CONTEXT, &[0]), refused);
}

#[test]
fn a_changed_ciphertext_is_not_proved() {
    let lane = lane();
    let bytes = round().sites[0].to_bytes().unwrap();
    // First and last bytes of c₁ and c₂ of both blocks.
    let second = 8 * (SIZE + 4);
    let places = [0, 7, 8 * SIZE - 1, 8 * SIZE, second - 1, second, second + 8 * SIZE + 15];
    for place in places {
        let mut changed = bytes.clone();
        changed[place] ^= 0x10;
        let changed = ProvenCiphertext::from_bytes(&lane, &changed).unwrap();
        let block = usize::from(place >= second);
        let found = changed.verify(&lane, crs(), &CONTEXT, &metadata(0));
        assert_eq!(found.map(|_| ()), Err(ProofError::Unproven { block }));
    }
}

#[test]
fn no_byte_of_a_proof_can_be_another() {
    let lane = lane();
    let bytes = round().sites[0].to_bytes().unwrap();
    let read = ProvenCiphertext::from_bytes(&lane, &bytes).unwrap();
    assert_eq!(read, round().sites[0]);
    let words = 8 * lane.words();
    let length = (bytes.len() - words) / 2;
    let mut unread = 0;
    for place in words..words + length {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        let Ok(read) = ProvenCiphertext::from_bytes(&lane, &changed) else {
            unread += 1;
            continue;
        };
        assert!(read.verify(&lane, crs(), &CONTEXT, &metadata(0)).is_err(), "byte {place}");
    }
    println!("{unread} of {length} are refused as they are read");
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(ProvenCiphertext::from_bytes(&lane, &longer).is_err());
    assert!(ProvenCiphertext::from_bytes(&lane, &bytes[..bytes.len() - 1]).is_err());
}

#[test]
fn another_proof_of_the_same_site_does_not_fit() {
    let mut swapped = round().sites[0].to_bytes().unwrap();
    let words = 8 * lane().words();
    let length = (swapped.len() - words) / 2;
    swapped[words..].rotate_left(length);
    let swapped = ProvenCiphertext::from_bytes(&lane(), &swapped).unwrap();
    let found = swapped.verify(&lane(), crs(), &CONTEXT, &metadata(0));
    assert_eq!(found.map(|_| ()), Err(ProofError::Unproven { block: 0 }));
}

/// What the prover makes of one counter, in the clear out of range or not.
fn forge(plain: u64, claimed: u64, secret: impl Fn(u32) -> u32) -> Result<(), ProofError> {
    let lane = ProvenLane::new(crs(), 2, 3, 2, 1, 0).unwrap();
    let masks = lane.masks(&CONTEXT);
    let seed = Seed::known(&[3; 32]);
    let secret: Vec<u32> = seed.secret().iter().map(|word| secret(*word)).collect();
    let sealed: Sealed = seal_words(&lane, &masks, &secret, &[plain], &seed, Role::Site);
    let claimed = [claimed];
    let block = &sealed.blocks(&lane, &claimed)[0];
    let proofs = vec![prove(&lane, crs(), &masks, &secret, block, &[], &[9; 16])];
    let forged = ProvenCiphertext::of(sealed.words, proofs);
    forged.verify(&lane, crs(), &CONTEXT, &[]).map(|_| ())
}

#[test]
fn a_counter_beyond_the_range_is_not_proved() {
    let binary = |word| word & 1;
    let refused = Err(ProofError::Unproven { block: 0 });
    let range = 1 << 32;
    assert_eq!(forge(range - 1, range - 1, binary), Ok(()));
    assert_eq!(forge(range, range, binary), refused);
    assert_eq!(forge(range, 0, binary), refused);
    assert_eq!(forge(u64::MAX, u64::MAX, binary), refused);
}

#[test]
fn a_secret_that_is_not_of_bits_is_not_proved() {
    assert_eq!(forge(5, 5, |word| word & 3), Err(ProofError::Unproven { block: 0 }));
}

#[test]
fn values_out_of_range_are_not_sealed() {
    let seal = |values: &[i64]| seal_proven(&lane(), crs(), &CONTEXT, values, &[]).map(|_| ());
    assert_eq!(seal(&[0, 0, HALF, 0, 0, 0]), Err(ProofError::Value { place: 2 }));
    assert_eq!(seal(&[0, 0, 0, 0, 0, -HALF - 1]), Err(ProofError::Value { place: 5 }));
    assert_eq!(seal(&[i64::MIN, 0, 0, 0, 0, 0]), Err(ProofError::Value { place: 0 }));
    assert_eq!(seal(&[0; 5]), Err(ProofError::Values { expected: 6, found: 5 }));
    let mask = |holder, values: &[i64]| seal_mask(&lane(), &CONTEXT, holder, values).map(|_| ());
    assert_eq!(mask(1, &[0, HALF, 0, 0, 0, 0]), Err(ProofError::Value { place: 1 }));
    assert_eq!(mask(0, &[0; 6]), Err(ProofError::Holder(0)));
    assert_eq!(mask(4, &[0; 6]), Err(ProofError::Holder(4)));
}

#[test]
fn a_set_has_the_masks_of_a_threshold_of_holders() {
    let lane = lane();
    let masks = &round().masks;
    let of = |sites: &[Verified], masks: &[MaskCiphertext]| {
        ProvenSum::of(&lane, sites, masks).map(|_| ())
    };
    let refused = |sites, masks| Err(ProofError::Set { sites, masks, masks_min: 2 });
    assert_eq!(of(&[verified(0)], &masks[..2]), Ok(()));
    assert_eq!(of(&[verified(0), verified(1)], &masks[..1]), refused(2, 1));
    assert_eq!(of(&[verified(0), verified(1)], &[]), refused(2, 0));
    assert_eq!(of(&[], masks), refused(0, 3));
    assert_eq!(of(&[verified(0), verified(1), verified(1)], masks), refused(3, 3));
    assert_eq!(of(&[verified(0), verified(0)], masks), Err(ProofError::Mixed));
    let twice = [masks[0].clone(), masks[0].clone()];
    assert_eq!(of(&[verified(0)], &twice), Err(ProofError::Mixed));
    let bytes = masks[1].to_bytes();
    let read = |context| MaskCiphertext::from_bytes(&lane, context, 2, &bytes).unwrap();
    assert_eq!(read(&CONTEXT), masks[1]);
    let elsewhere = read(&Context([8; 32]));
    assert_eq!(of(&[verified(0)], &[masks[0].clone(), elsewhere]), Err(ProofError::Mixed));
}

#[test]
fn parameters_are_pinned() {
    let (bytes, digest) = (crs().to_bytes().to_vec(), crs().digest());
    let read = Crs::from_bytes(bytes.clone(), 4, &digest).unwrap();
    assert_eq!((read.digest(), read.counters()), (digest, 4));
    let mut changed = bytes.clone();
    changed[1_000] ^= 1;
    let refused = Crs::from_bytes(changed, 4, &digest).map(|_| ());
    assert_eq!(refused, Err(ProofError::Parameters));
    let refused = Crs::from_bytes(bytes, 5, &digest).map(|_| ());
    assert_eq!(refused, Err(ProofError::Malformed("set of parameters")));
    // √((2052 · 2³⁴ + 2050² · 2052 / 4) · (2 · 2052 + 4)) / 2²⁵ is 11.3.
    assert_eq!(crs().shift_max(), 12);
}

#[test]
fn a_lane_has_room_for_the_errors_of_all() {
    let new =
        |sites, holders, lower| ProvenLane::new(crs(), sites, holders, 3, 1_000, lower).map(|_| ());
    assert_eq!(new(87, 5, 0), Ok(()));
    assert_eq!(new(88, 5, 0), Err(ProofError::Crowded));
    assert_eq!(new(10, 5, 1 << 40), Ok(()));
    assert_eq!(new(10, 5, (1 << 40) + 1), Err(ProofError::Range));
    assert_eq!(new(0, 5, 0), Err(ProofError::Lane(LaneError::Contributors)));
    let of_none = Pin { counters: 0, digest: crs().digest() };
    let refused = ProvenLane::under(of_none, (2, 3, 2), 6, 0).map(|_| ());
    assert_eq!(refused, Err(ProofError::Counters));
    assert_eq!(Crs::generate(0).map(|_| ()), Err(ProofError::Counters));
    assert_eq!(Crs::generate(SIZE + 1).map(|_| ()), Err(ProofError::Counters));
}
