//! A record of what passes the door, and its replay on a neighbour's records, for tests.
//!
//! ```text
//!   record(|| answer on D) ──▶ calls ──replay(calls, || answer on D')──▶ findings
//! ```
//! Under replay the door returns what it returned when it was recorded. So whatever the program
//! does beyond the door must be the same, or it depends on records in some other way; and what it
//! hands in must be as close as it declares. Both are per thread. The charge is checked as ever.
//!
//! # Source
//! Re:cord-play, arXiv 2602.17454, 2026, for the idea.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::vec;

use super::{Column, KeepTable, Noise, NoiseError, Scores, Sharpness};

/// Names a cell beyond one data set.
pub(crate) type Key = Box<[u8]>;

/// One pass through the door.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Which door: `add`, `select` or `keep`.
    pub(crate) name: &'static str,
    /// One per column or selection.
    pub(crate) parts: Vec<Part>,
    /// Per part, what was returned: noisy values, indices, or 1 for a key that is shown.
    pub(crate) outputs: Vec<Vec<i128>>,
}

/// One column or selection of a pass.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) parameters: Parameters,
    /// Per cell its value, or the scores of its candidates.
    pub(crate) cells: Vec<Vec<i128>>,
    /// Per cell its name; by position if there is none.
    pub(crate) keys: Option<Vec<Key>>,
}

/// What a part declares.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Parameters {
    Column { sensitivity: u64, groups: Option<u64>, noise: Noise, shape: Option<Vec<u64>> },
    Scores { sensitivity: u64, groups: u64, sharpness: Sharpness },
    Counts { table: KeepTable },
}

/// Runs `task` and returns its result and all its passes.
pub(crate) fn record<T>(task: impl FnOnce() -> T) -> (T, Vec<Call>) {
    MODE.set(Mode::Record(vec![]));
    let result = task();
    match MODE.replace(Mode::Off) {
        Mode::Record(calls) => (result, calls),
        _ => panic!("a tape was started within a tape"),
    }
}

/// Runs `task` with the outputs of `calls`, and returns its result and what differs from the
/// record or from what is declared.
pub(crate) fn replay<T>(calls: Vec<Call>, task: impl FnOnce() -> T) -> (T, Vec<String>) {
    MODE.set(Mode::Replay(calls.into_iter(), vec![]));
    let result = task();
    match MODE.replace(Mode::Off) {
        Mode::Replay(rest, mut findings) => {
            let names = rest.map(|call| call.name);
            findings.extend(names.map(|name| format!("control flow: a pass of {name} is missing")));
            (result, findings)
        }
        _ => panic!("a tape was started within a tape"),
    }
}

/// Names the cells of every part of the next pass on this thread.
pub(crate) fn set_keys(keys: Vec<Option<Vec<Key>>>) {
    KEYS.set(Some(keys));
}

/// What a door returns, as rows of integers and back.
pub(super) trait Output: Sized {
    fn to_rows(&self) -> Vec<Vec<i128>>;
    fn from_rows(rows: Vec<Vec<i128>>) -> Self;
}

impl Output for Vec<Vec<i128>> {
    fn to_rows(&self) -> Vec<Vec<i128>> {
        self.clone()
    }

    fn from_rows(rows: Vec<Vec<i128>>) -> Self {
        rows
    }
}

impl Output for Vec<Vec<usize>> {
    fn to_rows(&self) -> Vec<Vec<i128>> {
        let row = |row: &Vec<usize>| row.iter().map(|&at| i128::try_from(at).unwrap()).collect();
        self.iter().map(row).collect()
    }

    fn from_rows(rows: Vec<Vec<i128>>) -> Self {
        let row = |row: Vec<i128>| row.iter().map(|&at| usize::try_from(at).unwrap_or(0)).collect();
        rows.into_iter().map(row).collect()
    }
}

impl Output for Vec<bool> {
    fn to_rows(&self) -> Vec<Vec<i128>> {
        vec![self.iter().copied().map(i128::from).collect()]
    }

    fn from_rows(rows: Vec<Vec<i128>>) -> Self {
        rows.into_iter().flatten().map(|shown| shown == 1).collect()
    }
}

/// Passes a draw through the tape.
pub(super) fn pass<T: Output>(
    name: &'static str,
    mut parts: Vec<Part>,
    draw: impl FnOnce() -> Result<T, NoiseError>,
) -> Result<T, NoiseError> {
    if let Some(keys) = KEYS.take() {
        assert_eq!(keys.len(), parts.len(), "keys are set for another pass");
        for (part, keys) in parts.iter_mut().zip(keys) {
            assert!(keys.as_ref().is_none_or(|keys| keys.len() == part.cells.len()));
            part.keys = keys;
        }
    }
    // Drawing is left to the end: it must not find the tape in use.
    let replayed = MODE.with_borrow_mut(|mode| match mode {
        Mode::Replay(calls, findings) => {
            let Some(call) = calls.next() else {
                findings.push(format!("control flow: a pass of {name} is new"));
                return None;
            };
            compare(&call, name, &parts, findings).map(T::from_rows)
        }
        _ => None,
    });
    if let Some(output) = replayed {
        return Ok(output);
    }
    let output = draw()?;
    MODE.with_borrow_mut(|mode| {
        if let Mode::Record(calls) = mode {
            calls.push(Call { name, parts, outputs: output.to_rows() });
        }
    });
    Ok(output)
}

/// Compares a pass with its record; returns the recorded outputs in the order of the pass, unless
/// the two have nothing to do with each other.
fn compare(
    call: &Call,
    name: &str,
    parts: &[Part],
    findings: &mut Vec<String>,
) -> Option<Vec<Vec<i128>>> {
    if call.name != name || call.parts.len() != parts.len() {
        let (then, now) = (call.parts.len(), parts.len());
        findings.push(format!("control flow: {} of {then} parts, now {name} of {now}", call.name));
        return None;
    }
    let mut rows = Vec::with_capacity(parts.len());
    for (at, ((then, now), outputs)) in call.parts.iter().zip(parts).zip(&call.outputs).enumerate()
    {
        let mut find = |finding: String| findings.push(format!("{name}, part {at}: {finding}"));
        if then.parameters != now.parameters {
            let (then, now) = (&then.parameters, &now.parameters);
            find(format!("control flow: parameters were {then:?} and are {now:?}"));
        }
        if then.keys.is_some() != now.keys.is_some() {
            find("control flow: only one of two passes has keys".to_owned());
        } else if now.keys.is_none() && then.cells.len() != now.cells.len() {
            find(format!("control flow: {} cells, now {}", then.cells.len(), now.cells.len()));
        }
        let (old, new) = (then.names(), now.names());
        if old.iter().collect::<BTreeSet<_>>().len() < old.len()
            || new.iter().collect::<BTreeSet<_>>().len() < new.len()
        {
            find("a key names two cells".to_owned());
        }
        let recorded: BTreeMap<&Key, i128> = old.iter().zip(outputs.iter().copied()).collect();
        rows.push(new.iter().map(|key| recorded.get(key).copied().unwrap_or(ABSENT)).collect());
        now.check_move(&moves(then, &old, now, &new), &mut find);
    }
    Some(rows)
}

/// By how much every cell has moved; a cell that only one pass has is zero in the other.
fn moves(then: &Part, old: &[Key], now: &Part, new: &[Key]) -> Vec<Vec<i128>> {
    let before: BTreeMap<&Key, &Vec<i128>> = old.iter().zip(&then.cells).collect();
    let after: BTreeMap<&Key, &Vec<i128>> = new.iter().zip(&now.cells).collect();
    let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).copied().collect();
    let cell = |key: &Key| {
        let (before, after) = (before.get(key), after.get(key));
        let length = before.map_or(0, |cell| cell.len()).max(after.map_or(0, |cell| cell.len()));
        let value = |cell: Option<&&Vec<i128>>, at| {
            cell.and_then(|cell| cell.get(at)).copied().unwrap_or(0)
        };
        (0..length).map(|at| value(after, at).saturating_sub(value(before, at))).collect()
    };
    keys.into_iter().map(cell).collect()
}

impl Part {
    pub(super) fn of_column(column: &Column) -> Self {
        let Column { values, sensitivity, groups, noise, residual } = column;
        let (sensitivity, groups, noise) = (*sensitivity, *groups, *noise);
        let shape = residual.as_ref().map(|residual| residual.shape.clone());
        let parameters = Parameters::Column { sensitivity, groups, noise, shape };
        Self { parameters, cells: values.iter().map(|&value| vec![value]).collect(), keys: None }
    }

    pub(super) fn of_scores(scores: &Scores) -> Self {
        let Scores { values, sensitivity, groups, sharpness } = scores;
        let (sensitivity, groups, sharpness) = (*sensitivity, *groups, *sharpness);
        let parameters = Parameters::Scores { sensitivity, groups, sharpness };
        Self { parameters, cells: values.clone(), keys: None }
    }

    pub(super) fn of_counts(counts: &[i128], table: &KeepTable) -> Self {
        let parameters = Parameters::Counts { table: table.clone() };
        Self { parameters, cells: counts.iter().map(|&count| vec![count]).collect(), keys: None }
    }

    /// The names of the cells, or their positions.
    fn names(&self) -> Vec<Key> {
        let positions = || (0..self.cells.len()).map(|at| Key::from(at.to_be_bytes())).collect();
        self.keys.clone().unwrap_or_else(positions)
    }

    /// Checks that cells move no further than declared.
    fn check_move(&self, moves: &[Vec<i128>], find: &mut impl FnMut(String)) {
        let lengths: Vec<u128> = match self.parameters {
            Parameters::Scores { .. } => moves.iter().map(|cell| range(cell)).collect(),
            _ => moves.iter().map(|cell| cell[0].unsigned_abs()).collect(),
        };
        let total = |lengths: &mut dyn Iterator<Item = u128>| lengths.fold(0, u128::saturating_add);
        let (sensitivity, groups) = match self.parameters {
            Parameters::Column { sensitivity, shape: Some(_), .. } => {
                let sum = total(&mut lengths.iter().copied());
                if sum > u128::from(sensitivity) {
                    find(format!("cells moved by {sum} in sum, declared {sensitivity}"));
                }
                return;
            }
            Parameters::Column { sensitivity, groups: None, .. } => {
                let square = |length: &u128| length.saturating_mul(*length);
                let squares = total(&mut lengths.iter().map(square));
                let declared = square(&u128::from(sensitivity));
                if squares > declared {
                    find(format!("moved by the root of {squares}, declared that of {declared}"));
                }
                return;
            }
            Parameters::Column { sensitivity, groups: Some(groups), .. }
            | Parameters::Scores { sensitivity, groups, .. } => (sensitivity, groups),
            // How many keys a table is for, only its maker knows.
            Parameters::Counts { .. } => (1, u64::MAX),
        };
        let furthest = lengths.iter().copied().max().unwrap_or(0);
        if furthest > u128::from(sensitivity) {
            find(format!("a cell moved by {furthest}, declared {sensitivity}"));
        }
        let count = lengths.iter().filter(|&&length| length > 0).count();
        if u64::try_from(count).is_ok_and(|count| count > groups) {
            find(format!("{count} cells moved, declared {groups}"));
        }
    }
}

fn range(changes: &[i128]) -> u128 {
    let least = changes.iter().min().copied().unwrap_or(0);
    changes.iter().max().map_or(0, |most| most.abs_diff(least))
}

#[derive(Debug)]
enum Mode {
    Off,
    Record(Vec<Call>),
    Replay(vec::IntoIter<Call>, Vec<String>),
}

thread_local! {
    static MODE: RefCell<Mode> = const { RefCell::new(Mode::Off) };
    static KEYS: RefCell<Option<Vec<Option<Vec<Key>>>>> = const { RefCell::new(None) };
}

/// What a cell that the record does not have gets: below every threshold.
const ABSENT: i128 = i128::MIN / 4;
