//! That the tape plays back what it recorded, and finds what is planted.

use super::tape::{Call, Key, record, replay, set_keys};
use super::*;

fn answer(values: &[i128]) -> Vec<i128> {
    let granted = charged(10_000_000_000, 100);
    let column = Column { groups: Some(2), ..column(values.to_vec(), gaussian(1, 0)) };
    add(vec![column], granted).unwrap().0.remove(0)
}

fn keyed(keys: &[&str], values: &[i128]) -> Vec<i128> {
    let keys = keys.iter().map(|key| Key::from(key.as_bytes())).collect();
    set_keys(vec![Some(keys)]);
    answer(values)
}

/// What a replay of `again` finds in the record of `first`.
fn findings<T>(first: impl FnOnce() -> T, again: impl FnOnce() -> T) -> Vec<String> {
    let (_, calls) = record(first);
    replay(calls, again).1
}

fn assert_finds(findings: &[String], expected: &str) {
    assert!(findings.iter().any(|finding| finding.contains(expected)), "{findings:?}");
}

#[test]
fn a_neighbour_gets_the_recorded_outputs() {
    let (recorded, calls) = record(|| answer(&[10, 20, 30]));
    let call: &Call = &calls[0];
    assert_eq!((calls.len(), call.name, &call.outputs[0]), (1, "add", &recorded));
    assert_eq!(call.parts[0].cells, [[10], [20], [30]]);
    let (replayed, found) = replay(calls, || answer(&[11, 20, 29]));
    assert_eq!(replayed, recorded);
    assert_eq!(found, Vec::<String>::new());
    // Nothing is left on.
    assert_ne!((0..9).map(|_| answer(&[10])).collect::<Vec<_>>(), vec![vec![10]; 9]);
}

#[test]
fn moves_past_what_is_declared_are_found() {
    let found = findings(|| answer(&[10, 20, 30]), || answer(&[12, 20, 30]));
    assert_finds(&found, "moved by 2, declared 1");
    let found = findings(|| answer(&[10, 20, 30]), || answer(&[11, 21, 31]));
    assert_finds(&found, "3 cells moved, declared 2");
}

#[test]
fn moves_that_are_bounded_together_are_added_as_squares() {
    let answer = |values: Vec<i128>| {
        let column = Column::within(values, 5, None, gaussian(10, 0));
        add(vec![column], charged(1_000_000_000, 0)).unwrap().0
    };
    let found = findings(|| answer(vec![0, 0, 9]), || answer(vec![3, -4, 9]));
    assert_eq!(found, Vec::<String>::new());
    let found = findings(|| answer(vec![0, 0, 9]), || answer(vec![3, -4, 8]));
    assert_finds(&found, "moved by the root of 26, declared that of 25");
}

#[test]
fn other_control_flow_is_found() {
    assert_finds(&findings(|| answer(&[1]), || answer(&[1, 0])), "1 cells, now 2");
    let twice = || {
        answer(&[1]);
        answer(&[1])
    };
    assert_finds(&findings(|| answer(&[1]), twice), "a pass of add is new");
    assert_finds(&findings(twice, || answer(&[1])), "a pass of add is missing");
    let other = || {
        let column = Column { groups: Some(2), ..column(vec![1], gaussian(2, 0)) };
        add(vec![column], charged(1_000_000_000, 0)).unwrap().0.remove(0)
    };
    assert_finds(&findings(|| answer(&[1]), other), "parameters were");
    let parts = || add(Vec::<Column>::new(), charged(1, 0)).map(|_| vec![]).unwrap();
    assert_finds(&findings(|| answer(&[1]), parts), "add of 1 parts, now add of 0");
    assert_finds(&findings(|| answer(&[1]), || keyed(&["a"], &[1])), "only one of two passes");
}

#[test]
fn keys_that_only_one_side_has_are_aligned() {
    let (recorded, calls) = record(|| keyed(&["a", "c"], &[5, 1]));
    let (replayed, found) = replay(calls.clone(), || keyed(&["a", "b"], &[5, 1]));
    // The neighbour lacks "c" and has "b": two cells, by one each.
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(replayed, [recorded[0], i128::MIN / 4]);
    let (_, found) = replay(calls.clone(), || keyed(&["a", "b"], &[4, 1]));
    assert_finds(&found, "3 cells moved, declared 2");
    let (_, found) = replay(calls, || keyed(&["a", "a"], &[5, 1]));
    assert_finds(&found, "a key names two cells");
}

#[test]
fn selections_keys_and_residuals_are_played_back_too() {
    let sharpness = Sharpness { numerator: 1, log2_denominator: 0 };
    let steps = |scores: [i128; 3], count: i128, cells: [i128; 2]| {
        let mut purse = Purse::open(charged(10_000_000_000, 100));
        let values = vec![scores.to_vec()];
        let scores = Scores { values, sensitivity: 2, groups: 1, sharpness };
        let chosen = purse.select(vec![scores]).unwrap();
        let (rho, delta) = (Rho::from_nano(1), Delta::from_atto(1));
        let table = KeepTable { probabilities: vec![0, 1 << 63], rho, delta };
        let kept = purse.keep(&[count; 1], &table).unwrap();
        let residual = Some(Residual { shape: vec![2] });
        let (values, noise) = (cells.to_vec(), gaussian(1, 0));
        let column = Column { residual, ..Column::within(values, 3, Some(1), noise) };
        (chosen, kept, purse.add(vec![column]).unwrap())
    };
    let (first, calls) = record(|| steps([0, 0, 0], 5, [8, 8]));
    // Scores may shift together by any amount; the cells of a residual share their sensitivity.
    let (second, found) = replay(calls.clone(), || steps([99, 100, 101], 6, [9, 6]));
    assert_eq!((first, found), (second, vec![]));
    let (_, found) = replay(calls, || steps([0, 3, 0], 7, [10, 6]));
    assert_finds(&found, "select, part 0: a cell moved by 3, declared 2");
    assert_finds(&found, "keep, part 0: a cell moved by 2, declared 1");
    assert_finds(&found, "cells moved by 4 in sum, declared 3");
}
