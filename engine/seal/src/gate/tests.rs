//! Decisions under keys that are drawn once for all tests.

use std::sync::OnceLock;

use super::*;

struct Keys {
    authority: Authority,
    site: SiteKey,
    evaluator: Evaluator,
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let (authority, site, evaluation) = Authority::generate().unwrap();
        Keys { authority, site, evaluator: evaluation.evaluator().unwrap() }
    })
}

/// Seals, decides and opens; `counts` has one row per cell and one column per site.
fn decide(threshold: u32, counts: &[Vec<u64>]) -> (Vec<bool>, usize) {
    let sites = counts[0].len();
    let gate = Gate::new(u32::try_from(sites).unwrap(), threshold, counts.len()).unwrap();
    let sealed: Vec<SealedCounts> = (0..sites)
        .map(|site| {
            let column: Vec<u64> = counts.iter().map(|cell| cell[site]).collect();
            keys().site.seal(&gate, &column).unwrap()
        })
        .collect();
    let decisions = keys().evaluator.decide(&gate, &sealed).unwrap();
    let bootstraps = decisions.bootstraps_per_cell();
    (keys().authority.open(&decisions).unwrap(), bootstraps)
}

/// One site has all.
fn alone(sites: usize, site: usize, count: u64) -> Vec<u64> {
    let mut cell = vec![0; sites];
    cell[site] = count;
    cell
}

#[test]
fn ten_sites_decide_every_edge_in_five_bootstraps() {
    let cells = vec![
        alone(10, 0, 0),
        alone(10, 0, 4),
        alone(10, 3, 5),
        alone(10, 9, 6),
        alone(10, 9, u64::MAX),
        vec![1, 1, 1, 1, 0, 0, 0, 0, 0, 0],
        vec![0, 1, 0, 1, 0, 1, 0, 0, 0, 1],
        vec![1, 0, 0, 1, 0, 0, 1, 0, 1, 1],
        vec![0, 0, 2, 0, 0, 2, 0, 0, 0, 2],
        vec![0, 0, 0, 0, 0, 0, 0, 0, 4, 0],
        vec![0, 0, 0, 0, 0, 0, 0, 0, 4, 1],
        vec![5; 10],
        vec![1; 10],
        vec![1_000_000; 10],
    ];
    let (found, bootstraps) = decide(5, &cells);
    let expected =
        [false, false, true, true, true, false, false, true, true, false, true, true, true, true];
    assert_eq!(found, expected);
    assert_eq!(bootstraps, 5);
}

#[test]
fn three_sites_decide_in_one_bootstrap() {
    let cells = vec![
        vec![0, 0, 0],
        vec![0, 4, 0],
        vec![2, 1, 1],
        vec![2, 2, 1],
        vec![0, 0, 5],
        vec![2, 2, 2],
        vec![9, 9, 9],
    ];
    let (found, bootstraps) = decide(5, &cells);
    assert_eq!(found, [false, false, false, true, true, true, true]);
    assert_eq!(bootstraps, 1);
}

#[test]
fn one_site_decides_up_to_fifteen() {
    let cells: Vec<Vec<u64>> = [0, 14, 15, 16, u64::MAX].map(|count| vec![count]).to_vec();
    assert_eq!(decide(15, &cells), (vec![false, false, true, true, true], 1));
    let cells: Vec<Vec<u64>> = [0, 1, 2].map(|count| vec![count]).to_vec();
    assert_eq!(decide(1, &cells), (vec![false, true, true], 1));
}

#[test]
fn the_largest_threshold_of_ten_sites_is_seven() {
    let cells = vec![vec![1, 0, 1, 1, 0, 1, 1, 0, 0, 1], vec![1, 0, 1, 1, 0, 1, 1, 0, 1, 1]];
    assert_eq!(decide(7, &cells).0, [false, true]);
    let refused = GateError::Threshold { sites: 10, threshold: 8 };
    assert_eq!(Gate::new(10, 8, 1), Err(refused));
    let refused = GateError::Threshold { sites: 1, threshold: 16 };
    assert_eq!(Gate::new(1, 16, 1), Err(refused));
    assert_eq!(
        refused.to_string(),
        "no threshold of 16 over 1 sites: 1 to 7, or to 15 for a single site"
    );
}

#[test]
fn cells_of_two_blocks_stay_in_their_order() {
    let gate = Gate::new(1, 5, 2_050).unwrap();
    let mut counts = vec![0; 2_050];
    counts[0] = 5;
    counts[2_047] = 6;
    counts[2_049] = 7;
    let sealed = keys().site.seal(&gate, &counts).unwrap();
    assert_eq!(sealed.to_bytes().len(), 2 * 16_384 + 2_050 * 8);
    // Only some cells are worth a bootstrap: the second block, and the first cells of the first.
    let words = &sealed.words;
    let small = Gate::new(1, 5, 2).unwrap();
    let first = SealedCounts { words: words[..2_050].to_vec() };
    let second = SealedCounts { words: words[4_096..].to_vec() };
    for (part, expected) in [(first, [true, false]), (second, [false, true])] {
        let decisions = keys().evaluator.decide(&small, &[part]).unwrap();
        assert_eq!(keys().authority.open(&decisions).unwrap(), expected);
    }
}

#[test]
fn what_is_sent_is_read_again() {
    let gate = Gate::new(2, 5, 3).unwrap();
    let send = |counts: &[u64]| {
        let bytes = keys().site.seal(&gate, counts).unwrap().to_bytes();
        assert_eq!(SealedCounts::from_bytes(&gate, &bytes[1..]), Err(GateError::Malformed));
        SealedCounts::from_bytes(&gate, &bytes).unwrap()
    };
    let decisions = keys().evaluator.decide(&gate, &[send(&[4, 4, 0]), send(&[1, 0, 5])]).unwrap();
    let bytes = decisions.to_bytes();
    assert_eq!(bytes.len(), 3 * 16_392);
    assert_eq!(Decisions::from_bytes(&gate, &bytes[8..]), Err(GateError::Malformed));
    let read = Decisions::from_bytes(&gate, &bytes).unwrap();
    assert_eq!(read, decisions);
    assert_eq!(keys().authority.open(&read).unwrap(), [true, false, true]);
}

#[test]
fn a_ciphertext_of_more_than_a_bit_is_not_opened() {
    let gate = Gate::new(1, 5, 1).unwrap();
    let decisions = Decisions::from_bytes(&gate, &[0; 16_392]).unwrap();
    assert_eq!(keys().authority.open(&decisions), Ok(vec![false]));
    let mut bytes = [0; 16_392];
    bytes[16_391] = 0x30;
    let forged = Decisions::from_bytes(&gate, &bytes).unwrap();
    assert_eq!(keys().authority.open(&forged), Err(GateError::NotADecision));
}

#[test]
fn missing_sites_and_cells_are_refused() {
    let gate = Gate::new(3, 5, 2).unwrap();
    let refused = GateError::Cells { expected: 2, found: 3 };
    assert_eq!(keys().site.seal(&gate, &[1, 2, 3]), Err(refused));
    let sealed = keys().site.seal(&gate, &[1, 2]).unwrap();
    let refused = GateError::Contributions { expected: 3, found: 1 };
    assert_eq!(keys().evaluator.decide(&gate, std::slice::from_ref(&sealed)), Err(refused));
    let other = Gate::new(1, 5, 3).unwrap();
    assert_eq!(keys().evaluator.decide(&other, &[sealed]), Err(GateError::Malformed));
    assert_eq!(Gate::new(0, 5, 1), Err(GateError::Sites));
    assert_eq!(Gate::new(1_001, 5, 1), Err(GateError::Sites));
    assert_eq!(Gate::new(3, 5, 0), Err(GateError::NoCells));
}

#[test]
fn two_seals_of_the_same_counts_differ() {
    let gate = Gate::new(1, 5, 2).unwrap();
    let seal = || keys().site.seal(&gate, &[3, 3]).unwrap();
    assert_ne!(seal(), seal());
}
