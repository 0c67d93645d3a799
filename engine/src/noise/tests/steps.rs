//! One charge, spent in steps.

use super::*;

fn keeping(probabilities: Vec<u64>) -> KeepTable {
    KeepTable { probabilities, rho: Rho::from_nano(1_000), delta: Delta::from_atto(7) }
}

fn choosing(values: Vec<Vec<i128>>) -> Scores {
    let sharpness = Sharpness { numerator: 1, log2_denominator: 0 };
    Scores { values, sensitivity: 1, groups: 2, sharpness }
}

#[test]
fn steps_share_one_charge() {
    // 1/2 for a column, 2/8 for a selection, a thousand billionths for keys, and cover.
    let mut purse = Purse::open(charged(750_001_002, 10));
    let noisy = purse.add(vec![column(vec![5], gaussian(1, 0))]).unwrap();
    assert_eq!(noisy[0].len(), 1);
    assert_eq!(purse.left().rho.nano(), 250_001_001);
    let chosen = purse.select(vec![choosing(vec![vec![0, 90], vec![90, 90, 0]])]).unwrap();
    assert_eq!(chosen, [[0, 2]]);
    assert_eq!((purse.left().rho.nano(), purse.left().delta.atto()), (1_000, 10));
    let kept = purse.keep(&[0, -3, 1, 400], &keeping(vec![0, u64::MAX])).unwrap();
    assert_eq!(kept, [false, false, true, true]);
    assert_eq!((purse.left().rho.nano(), purse.left().delta.atto()), (0, 3));
    assert_eq!(purse.close().unwrap().cost().rho.nano(), 750_001_002);
}

#[test]
fn a_step_past_the_charge_draws_nothing_and_spoils_it() {
    generator::install(Generator::seeded(83));
    let mut purse = Purse::open(charged(500_000_001, 0));
    purse.add(vec![column(vec![5], gaussian(1, 0))]).unwrap();
    let words = generator::words_drawn();
    match purse.select(vec![choosing(vec![vec![0]])]) {
        Err(NoiseError::Underfunded { needed, granted }) => {
            assert_eq!((needed.nano(), granted.nano()), (750_000_002, 500_000_001));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(purse.left(), Cost::default());
    assert!(matches!(purse.add(vec![]), Err(NoiseError::Spoilt)));
    assert!(matches!(purse.close(), Err(NoiseError::Spoilt)));

    let mut purse = Purse::open(charged(1_000, 6));
    match purse.keep(&[1], &keeping(vec![0, 1])) {
        Err(NoiseError::DeltaUnderfunded { needed, granted }) => {
            assert_eq!((needed.atto(), granted.atto()), (7, 6));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(purse.keep(&[], &keeping(vec![0])), Err(NoiseError::Spoilt)));
    assert_eq!(generator::words_drawn(), words);
}

#[test]
fn keys_are_kept_as_often_as_their_table_says() {
    // Within five standard errors: false alarm 6e-7 each.
    generator::install(Generator::seeded(84));
    let table = keeping(vec![0, 1 << 62, 3 << 62]);
    for (count, share) in [(1, 0.25), (2, 0.75), (9, 0.75)] {
        let mut purse = Purse::open(charged(1_000, 7));
        let kept = purse.keep(&vec![count; 40_000], &table).unwrap();
        let found = kept.into_iter().filter(|&kept| kept).count() as f64 / 40_000.0;
        assert!((found - share).abs() < 5.0 * (share * (1.0 - share) / 40_000.0).sqrt(), "{count}");
    }
}

#[test]
fn tables_and_selections_that_make_no_sense_are_refused() {
    for probabilities in [vec![], vec![1, 2], vec![0, 5, 4]] {
        let mut purse = Purse::open(charged(1_000, 7));
        let refused = purse.keep(&[1], &keeping(probabilities));
        assert!(matches!(refused, Err(NoiseError::BadTable)));
    }
    let mut purse = Purse::open(charged(u64::MAX, 0));
    let nothing = purse.select(vec![choosing(vec![vec![1], vec![]])]);
    assert!(matches!(nothing, Err(NoiseError::NoCandidates)));
}
