//! Random operations on a ledger, compared one by one with the state machine.
//!
//! Names are few, so that requests repeat, collide and exhaust what there is. A history is short,
//! because one that has gone on long enough refuses everything.

use std::collections::BTreeMap;

use crate::account::{State, Verdict};
use crate::charge::{
    Admission, Attestation, ChargeRequest, Charged, ExtractStatus, Finality, KeyRole, KeyRotation,
    Opening, Outcome, Placed,
};
use crate::conformance::{Scope, cost, digest};
use crate::cost::{Cost, Delta, Rho};
use crate::dice::Dice;
use crate::digest::Digest;
use crate::entry::Entry;
use crate::error::LedgerError;
use crate::ledger::Ledger;

/// How often each kind of answer was given, over all histories.
#[derive(Debug)]
pub(super) struct Histories {
    scope: Scope,
    answers: BTreeMap<String, u64>,
}

impl Histories {
    /// Before the first.
    pub(super) const fn new(scope: Scope) -> Self {
        Self { scope, answers: BTreeMap::new() }
    }

    /// Runs histories until there were so many operations.
    pub(super) fn run<L: Ledger>(
        &mut self,
        operations: usize,
        mut make: impl FnMut() -> L,
        mut restart: impl FnMut(L) -> L,
    ) {
        let mut done = 0;
        for seed in 0.. {
            let mut history = History::new(seed, self.scope);
            let mut ledger = make();
            let length = 1 + history.dice.below(2 * OPERATIONS_MEAN).min(operations - done);
            for _ in 0..length {
                if history.dice.below(RESTART_EVERY) == 0 {
                    ledger = restart(ledger);
                }
                let answer = history.operate(&ledger);
                *self.answers.entry(answer).or_default() += 1;
            }
            history.compare(&ledger);
            done += length;
            if done >= operations {
                break;
            }
        }
        println!("{done} operations: {:?}", self.answers);
        if done >= ENOUGH {
            for answer in ["new", "repeated", "refused", "conflict", "inactive", "exhausted"] {
                assert!(self.answers.contains_key(answer), "never {answer}");
            }
        }
    }
}

/// Proofs of whole histories hold exactly what the state machine accepted.
pub(super) fn proofs_replay_to_the_state<L: Ledger>(mut make: impl FnMut() -> L) {
    for seed in 0..4 {
        let (mut history, ledger) = (History::new(seed, Scope::Everything), make());
        (0..60).for_each(|_| drop(history.operate(&ledger)));
        let indices: Vec<_> = (0..history.model.count()).collect();
        let proved = ledger.proof(&indices).unwrap().verify(None).unwrap();
        let entries: Vec<_> = proved.into_iter().map(|(_, entry)| entry).collect();
        assert_eq!(State::replay(&entries).unwrap(), history.model);
    }
}

#[derive(Debug)]
struct History {
    seed: u64,
    scope: Scope,
    dice: Dice,
    model: State,
    /// What was accepted, in order.
    entries: Vec<Entry>,
}

impl History {
    fn new(seed: u64, scope: Scope) -> Self {
        Self { seed, scope, dice: Dice(seed), model: State::default(), entries: Vec::new() }
    }

    /// Does one operation on the ledger and in the model; gives what both answered.
    fn operate(&mut self, ledger: &impl Ledger) -> String {
        let entry = self.some_entry();
        let next = self.model.count();
        let expected = match self.model.apply(&entry) {
            Ok(Verdict::Accepted(effects)) => {
                self.entries.push(entry.clone());
                Answer { kind: "new", index: Some(next), effects: format!("{effects:?}") }
            }
            Ok(Verdict::Repeated(index)) => {
                Answer { kind: "repeated", index: Some(index), effects: "[]".to_owned() }
            }
            Err(error) => Answer::of_error(&error),
        };
        let found = submit(ledger, &entry);
        let seed = self.seed;
        assert_eq!(found, expected, "seed {seed}: {entry:?} after {:?}", self.entries);
        self.ask(ledger);
        expected.kind.to_owned()
    }

    /// Asks the ledger one question, and compares its answer with the model's.
    fn ask(&mut self, ledger: &impl Ledger) {
        let account = self.account();
        match self.dice.below(8) {
            6 => {
                let query = self.charged().unwrap_or_else(|| self.query());
                let round = u32::from(self.small(3));
                let of = |found: Option<(Placed, Digest)>| {
                    found.map(|(placed, root)| (local(placed), root))
                };
                let expected = of(self.model.committed(query, round, Finality::Local));
                assert_eq!(of(ledger.committed(query, round).unwrap()), expected, "{}", self.seed);
            }
            7 => self.ask_of_a_charge(ledger),
            0 => {
                let query = self.query();
                let of = |outcome: Option<Outcome>| {
                    outcome.map(|outcome| match outcome {
                        Outcome::Charged(placed) => (placed.index, None),
                        Outcome::Released(placed, commitment) => (placed.index, Some(commitment)),
                        Outcome::Redacted(placed) => (placed.index, None),
                    })
                };
                let expected = of(self.model.outcome(query, Finality::Local));
                assert_eq!(of(ledger.outcome(query).unwrap()), expected, "seed {}", self.seed);
            }
            1 => {
                let root = self.root();
                let attested = ledger.attested(root).unwrap().map(|placed| placed.index);
                assert_eq!(attested, self.model.attested_at(root), "seed {}", self.seed);
            }
            2 => {
                let opened = ledger.opened(account).unwrap().map(|placed| placed.index);
                assert_eq!(opened, self.model.opened_at(account), "seed {}", self.seed);
            }
            3 => {
                let extracts = ledger.extracts(account).unwrap();
                assert_eq!(extracts, self.model.extracts(account), "seed {}", self.seed);
            }
            _ => {
                let balance = ledger.remaining(account).unwrap();
                assert_eq!(balance, self.model.balance(account), "seed {}", self.seed);
            }
        }
    }

    /// Asks where a request was charged: mostly one that was, sometimes another of its name.
    fn ask_of_a_charge(&mut self, ledger: &impl Ledger) {
        let at = self.dice.below(self.entries.len());
        let charge = self.entries[at..].iter().find_map(|entry| match entry {
            Entry::Charge(request) => Some(request.clone()),
            _ => None,
        });
        let Some(mut request) = charge else { return };
        request.day += u32::from(self.small(4) / 3);
        match (ledger.charged(&request), self.model.charged(&request)) {
            (Ok(found), Ok(expected)) => {
                assert_eq!(found.map(|placed| placed.index), expected, "seed {}", self.seed);
            }
            (Err(LedgerError::Conflict { .. }), Err(LedgerError::Conflict { .. })) => {}
            (found, expected) => panic!("seed {}: {found:?}, not {expected:?}", self.seed),
        }
    }

    /// Compares everything that can be asked, and adds up what was charged without the model.
    fn compare(&self, ledger: &impl Ledger) {
        for account in (0..ACCOUNTS).map(|number| digest(b'a', number)) {
            let balance = ledger.remaining(account).unwrap();
            assert_eq!(balance, self.model.balance(account), "seed {}", self.seed);
            assert_eq!(ledger.extracts(account).unwrap(), self.model.extracts(account));
            let (mut rho, mut delta) = (0, 0);
            for entry in &self.entries {
                let Entry::Charge(request) = entry else { continue };
                for (_, cost) in request.items.iter().filter(|(of, _)| *of == account) {
                    rho += u128::from(cost.rho.nano());
                    delta += u128::from(cost.delta.atto());
                }
            }
            let spent = balance.map(|held| held.spent).unwrap_or_default();
            assert_eq!((rho, delta), (spent.rho.nano().into(), spent.delta.atto().into()));
            let cap = balance.map(|held| held.cap).unwrap_or_default();
            assert!(spent.fits(cap), "seed {}: overspent", self.seed);
        }
        for root in (0..EXTRACTS).map(|number| digest(b'x', number)) {
            let status = |status| match status {
                ExtractStatus::Active(placed, day) => ExtractStatus::Active(local(placed), day),
                other => other,
            };
            let expected = self.model.status(root, Finality::Local);
            assert_eq!(status(ledger.status(root).unwrap()), expected, "seed {}", self.seed);
        }
    }

    fn some_entry(&mut self) -> Entry {
        // The first entries make acceptance likely, so that long histories arise.
        match self.entries.len() {
            0 => return Entry::Open(Opening { account: digest(b'a', 0), cap: cost(90, 60) }),
            1 => return Entry::Attest(self.extract()),
            _ => {}
        }
        match self.dice.below(20) {
            0 => Entry::Open(Opening { account: self.account(), cap: self.cap() }),
            1 | 2 => Entry::Attest(self.extract()),
            3 => Entry::Supersede { old: self.root(), new: self.extract() },
            4 if self.dice.heads() => Entry::Revoke { root: self.root() },
            4..=7 => {
                let query = self.charged().unwrap_or_else(|| self.query());
                Entry::Release { query, commitment: digest(b'r', self.small(3)) }
            }
            8 | 9 => {
                // Something that was accepted before comes back.
                let index = self.dice.below(self.entries.len());
                self.entries[index].clone()
            }
            10 | 11 if self.scope == Scope::Everything && self.dice.heads() => self.set(),
            10 if self.scope == Scope::Everything && self.dice.heads() => {
                let query = self.charged().unwrap_or_else(|| self.query());
                if self.dice.heads() { Entry::Redact { query } } else { self.rotation() }
            }
            _ => self.charge(),
        }
    }

    /// Rarely of a round that is too late, or without a root.
    fn set(&mut self) -> Entry {
        let query = self.charged().unwrap_or_else(|| self.query());
        let round = [0, 0, 0, 1, 1, 2, 255, 256][self.dice.below(8)];
        let root = match self.small(8) {
            0 => Digest::from_bytes([0; 32]),
            number => digest(b's', number % 3),
        };
        Entry::Commit { query, round, root }
    }

    fn rotation(&mut self) -> Entry {
        let (old, new) = (digest(b'k', self.small(4)), digest(b'k', self.small(4)));
        Entry::Key(KeyRotation { role: KeyRole::Site, old, new })
    }

    /// Mostly one that may well be granted.
    fn charge(&mut self) -> Entry {
        let account = self.account();
        let active = self.model.extracts(account);
        let (mut items, mut inputs) = (vec![(account, self.cost())], active);
        if self.dice.below(4) == 0 || inputs.is_empty() {
            items = (0..self.few()).map(|_| (self.account(), self.cost())).collect();
            inputs = (0..self.few()).map(|_| self.root()).collect();
        }
        let (query, day) = (self.query(), u32::from(self.small(8)));
        Entry::Charge(ChargeRequest { query, items, intent: digest(b'i', 0), inputs, day })
    }

    /// Sometimes a query that was charged.
    fn charged(&mut self) -> Option<Digest> {
        let at = self.dice.below(self.entries.len());
        let charged = |entry: &Entry| match entry {
            Entry::Charge(request) => Some(request.query),
            _ => None,
        };
        self.entries[at..].iter().find_map(charged)
    }

    /// Mostly 1.
    fn few(&mut self) -> usize {
        [1, 1, 1, 1, 1, 2, 2, 0][self.dice.below(8)]
    }

    fn small(&mut self, bound: u8) -> u8 {
        u8::try_from(self.dice.below(bound.into())).unwrap()
    }

    fn account(&mut self) -> Digest {
        let number = if self.dice.heads() { 0 } else { self.small(ACCOUNTS) };
        digest(b'a', number)
    }

    fn root(&mut self) -> Digest {
        digest(b'x', self.small(EXTRACTS))
    }

    fn query(&mut self) -> Digest {
        digest(b'q', self.small(200))
    }

    fn extract(&mut self) -> Attestation {
        let (account, root) = (self.account(), self.root());
        let key = digest(b'k', self.small(3));
        Attestation { root, account, key, expires_day: 5 + u32::from(self.small(6)) }
    }

    fn cap(&mut self) -> Cost {
        cost(self.dice.next() % 60, self.dice.next() % 40)
    }

    fn cost(&mut self) -> Cost {
        let (rho, delta) = (self.dice.next() % 4, self.dice.next() % 3);
        let rho = if self.dice.below(30) == 0 { u64::MAX } else { rho };
        Cost { rho: Rho::from_nano(rho), delta: Delta::from_atto(delta) }
    }
}

/// What became of an operation, without what may differ between ledgers.
#[derive(Debug, Eq, PartialEq)]
struct Answer {
    kind: &'static str,
    index: Option<u64>,
    effects: String,
}

impl Answer {
    fn of_error(error: &LedgerError) -> Self {
        let kind = match error {
            LedgerError::Refused { .. } => "refused",
            LedgerError::Conflict { .. } => "conflict",
            LedgerError::Inactive { .. } => "inactive",
            LedgerError::Exhausted { .. } => "exhausted",
            other => panic!("{other:?}"),
        };
        Self { kind, index: None, effects: String::new() }
    }

    fn of(placed: Placed, effects: String) -> Self {
        let kind = if placed.repeated { "repeated" } else { "new" };
        Self { kind, index: Some(placed.index), effects }
    }
}

fn submit(ledger: &impl Ledger, entry: &Entry) -> Answer {
    let placed = match entry {
        Entry::Open(opening) => ledger.open_account(opening),
        Entry::Attest(new) => ledger.attest(new),
        Entry::Supersede { old, new } => ledger.supersede(*old, new),
        Entry::Revoke { root } => ledger.revoke(*root),
        Entry::Redact { query } => ledger.redact(*query),
        Entry::Key(rotation) => ledger.rotate(rotation),
        Entry::Commit { query, round, root } => ledger.commit(*query, *round, *root),
        Entry::Release { query, commitment } => {
            // Only a ledger makes one of these, and nobody makes two; a test makes any.
            let placed = Placed { index: 0, finality: Finality::Local, repeated: false };
            let charged = Charged::whole(*query, placed, Vec::new());
            ledger.release(charged, *commitment)
        }
        Entry::Charge(request) => {
            return match ledger.charge(request, Finality::Local) {
                Ok(Admission::Granted(charged)) => {
                    Answer::of(charged.placed(), format!("{:?}", charged.effects()))
                }
                Ok(Admission::Repeated(placed)) => Answer::of(placed, "[]".to_owned()),
                Err(error) => Answer::of_error(&error),
            };
        }
    };
    match placed {
        Ok(placed) => Answer::of(placed, "[]".to_owned()),
        Err(error) => Answer::of_error(&error),
    }
}

fn local(placed: Placed) -> Placed {
    Placed { finality: Finality::Local, ..placed }
}

const ACCOUNTS: u8 = 3;

const EXTRACTS: u8 = 12;

/// Operations of a history, on average.
const OPERATIONS_MEAN: usize = 300;

/// Operations between restarts, on average.
const RESTART_EVERY: usize = 100;

/// So many operations meet every kind of answer.
const ENOUGH: usize = 1_000;
