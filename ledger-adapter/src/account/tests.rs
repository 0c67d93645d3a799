//! The rules one by one, and all of them against a model that forgets nothing and knows no index.

mod model;

use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::charge::KeyRole;
use crate::cost::{Delta, Rho};

fn digest(kind: u8, number: u8) -> Digest {
    let mut bytes = [kind; 32];
    bytes[31] = number;
    Digest::from_bytes(bytes)
}

fn account(number: u8) -> Digest {
    digest(b'a', number)
}

fn root(number: u8) -> Digest {
    digest(b'x', number)
}

fn query(number: u8) -> Digest {
    digest(b'q', number)
}

fn cost(rho: u64, delta: u64) -> Cost {
    Cost { rho: Rho::from_nano(rho), delta: Delta::from_atto(delta) }
}

fn open(number: u8, cap: Cost) -> Entry {
    Entry::Open(Opening { account: account(number), cap })
}

fn extract(number: u8, of: u8, key: u8) -> Attestation {
    let expires_day = 100;
    Attestation { root: root(number), account: account(of), key: digest(b'k', key), expires_day }
}

fn charge(number: u8, items: &[(u8, Cost)], inputs: &[u8], day: u32) -> Entry {
    Entry::Charge(ChargeRequest {
        query: query(number),
        items: items.iter().map(|(number, cost)| (account(*number), *cost)).collect(),
        intent: digest(b'i', number),
        inputs: inputs.iter().map(|number| root(*number)).collect(),
        day,
    })
}

fn release(number: u8, commitment: u8) -> Entry {
    Entry::Release { query: query(number), commitment: digest(b'r', commitment) }
}

fn rotate(old: u8, new: u8) -> Entry {
    let (old, new) = (digest(b'k', old), digest(b'k', new));
    Entry::Key(KeyRotation { role: KeyRole::Site, old, new })
}

/// A set whose root is number 0 has none.
fn commit(number: u8, round: u32, root: u8) -> Entry {
    let root = if root == 0 { Digest::from_bytes([0; 32]) } else { digest(b's', root) };
    Entry::Commit { query: query(number), round, root }
}

fn redact(number: u8) -> Entry {
    Entry::Redact { query: query(number) }
}

/// Two accounts of 10 and 4 with an extract each.
fn opened() -> State {
    let entries = [
        open(0, cost(10, 0)),
        open(1, cost(4, 3)),
        Entry::Attest(extract(0, 0, 0)),
        Entry::Attest(extract(1, 1, 0)),
    ];
    State::replay(&entries).unwrap()
}

fn refused(state: &State, entry: &Entry) -> bool {
    matches!(state.admit(entry), Err(LedgerError::Refused { .. }))
}

fn inactive(state: &State, entry: &Entry) -> Option<Inactive> {
    match state.admit(entry) {
        Err(LedgerError::Inactive { why, .. }) => Some(why),
        _ => None,
    }
}

#[test]
fn a_charge_is_all_or_nothing() {
    let mut state = opened();
    let both = charge(0, &[(0, cost(5, 0)), (1, cost(5, 0))], &[0, 1], 1);
    let before = state.clone();
    let Err(LedgerError::Exhausted { account: which, asked, left }) = state.apply(&both) else {
        panic!("granted")
    };
    assert_eq!((which, asked, left), (account(1), cost(5, 0), cost(4, 3)));
    assert_eq!(state, before);

    let both = charge(0, &[(0, cost(5, 0)), (1, cost(4, 3))], &[0, 1], 1);
    let Ok(Verdict::Accepted(effects)) = state.apply(&both) else { panic!("refused") };
    assert_eq!(effects.len(), 2);
    assert_eq!(effects[1].spent_after, cost(4, 3));
    let balance = Balance { cap: cost(10, 0), spent: cost(5, 0), charges: 1 };
    assert_eq!(state.balance(account(0)), Some(balance));
    assert_eq!(state.apply(&both).unwrap(), Verdict::Repeated(4));
    assert_eq!(state.balance(account(0)), Some(balance));
}

#[test]
fn a_charge_without_form_is_refused() {
    let state = opened();
    for entry in [
        charge(0, &[], &[0], 1),
        charge(0, &[(0, cost(1, 0))], &[], 1),
        charge(0, &[(0, cost(0, 0))], &[0], 1),
        charge(0, &[(0, cost(1, 0)), (0, cost(1, 0))], &[0], 1),
        charge(0, &[(0, cost(1, 0))], &[0, 0], 1),
        charge(0, &[(0, cost(1, 0)), (9, cost(1, 0))], &[0], 1),
        open(3, cost(0, 0)),
        open(3, cost(1, DELTA_ATTO_ONE + 1)),
        release(0, 0),
        Entry::Attest(extract(5, 9, 0)),
    ] {
        assert!(refused(&state, &entry), "{entry:?}");
    }
    let many: Vec<_> = (0..1000).map(|n: u32| Digest::sha256(&n.to_be_bytes())).collect();
    let Entry::Charge(request) = charge(0, &[(0, cost(1, 0))], &[0], 1) else { panic!() };
    assert!(refused(&state, &Entry::Charge(ChargeRequest { inputs: many, ..request })));
}

#[test]
fn delta_has_a_cap_of_its_own_and_sums_do_not_wrap() {
    let mut state = opened();
    let exhausted = |state: &State, entry: &Entry| {
        matches!(state.admit(entry), Err(LedgerError::Exhausted { .. }))
    };
    assert!(exhausted(&state, &charge(0, &[(0, cost(0, 1))], &[0], 1)));
    state.apply(&charge(0, &[(1, cost(0, 3))], &[1], 1)).unwrap();
    assert!(exhausted(&state, &charge(1, &[(1, cost(0, 1))], &[1], 1)));
    assert!(exhausted(&state, &charge(1, &[(1, cost(u64::MAX, 0))], &[1], 1)));
    state.apply(&charge(1, &[(1, cost(1, 0))], &[1], 1)).unwrap();
    assert!(exhausted(&state, &charge(2, &[(1, cost(u64::MAX, u64::MAX))], &[1], 1)));
}

#[test]
fn only_active_extracts_of_the_account_are_read() {
    let mut state = opened();
    let one = [(0, cost(1, 0))];
    assert_eq!(inactive(&state, &charge(0, &one, &[7], 1)), Some(Inactive::Unattested));
    assert_eq!(inactive(&state, &charge(0, &one, &[1], 1)), Some(Inactive::OtherAccount));
    assert_eq!(inactive(&state, &charge(0, &one, &[0], 101)), Some(Inactive::Expired));
    assert!(state.admit(&charge(0, &one, &[0], 100)).is_ok());
    state.apply(&Entry::Supersede { old: root(0), new: extract(2, 0, 0) }).unwrap();
    assert_eq!(inactive(&state, &charge(0, &one, &[0], 1)), Some(Inactive::Superseded));
    state.apply(&Entry::Revoke { root: root(2) }).unwrap();
    assert_eq!(inactive(&state, &charge(0, &one, &[2], 1)), Some(Inactive::Revoked));
    assert_eq!(state.status(root(0), Finality::Local), ExtractStatus::Superseded(root(2)));
    assert_eq!(state.extracts(account(0)), []);
    assert_eq!(state.extracts(account(1)), [root(1)]);
}

#[test]
fn an_account_and_key_have_one_active_extract() {
    let mut state = opened();
    let second = Entry::Attest(extract(2, 0, 0));
    assert!(matches!(state.admit(&second), Err(LedgerError::Conflict { .. })));
    state.apply(&Entry::Attest(extract(3, 0, 1))).unwrap();
    assert_eq!(state.extracts(account(0)), [root(0), root(3)]);
    let other = Entry::Supersede { old: root(0), new: extract(4, 0, 1) };
    assert!(refused(&state, &other));
    let itself = Entry::Supersede { old: root(0), new: extract(0, 0, 0) };
    assert!(matches!(state.admit(&itself), Err(LedgerError::Conflict { .. })));
    state.apply(&Entry::Revoke { root: root(0) }).unwrap();
    assert_eq!(inactive(&state, &Entry::Attest(extract(0, 0, 0))), Some(Inactive::Revoked));
    assert_eq!(state.apply(&Entry::Revoke { root: root(0) }).unwrap(), Verdict::Repeated(5));
    state.apply(&second).unwrap();
}

#[test]
fn a_query_is_released_once() {
    let mut state = opened();
    state.apply(&charge(0, &[(0, cost(1, 0))], &[0], 1)).unwrap();
    let local = Finality::Local;
    assert!(matches!(state.outcome(query(0), local), Some(Outcome::Charged(_))));
    state.apply(&release(0, 1)).unwrap();
    assert_eq!(state.admit(&release(0, 1)).unwrap(), Verdict::Repeated(5));
    assert!(matches!(state.admit(&release(0, 2)), Err(LedgerError::Conflict { .. })));
    assert!(matches!(state.outcome(query(0), local), Some(Outcome::Released(_, _))));
    assert_eq!(state.outcome(query(1), local), None);
}

#[test]
fn a_redacted_query_stays_spent_and_is_not_released() {
    let mut state = opened();
    assert!(refused(&state, &redact(0)), "never charged");
    for number in 0..2 {
        state.apply(&charge(number, &[(0, cost(2, 0))], &[0], 1)).unwrap();
    }
    state.apply(&release(0, 1)).unwrap();
    let before = state.balance(account(0));
    for number in 0..2 {
        assert_eq!(state.apply(&redact(number)).unwrap(), Verdict::Accepted(vec![]));
    }
    assert_eq!((state.balance(account(0)), state.count()), (before, 9));
    assert_eq!(before.unwrap().spent, cost(4, 0));
    assert_eq!(state.apply(&redact(0)).unwrap(), Verdict::Repeated(7), "at most once");
    assert!(refused(&state, &release(1, 1)));
    // What is on the ledger already stays what it is.
    assert_eq!(state.admit(&release(0, 1)).unwrap(), Verdict::Repeated(6));
    let again = charge(0, &[(0, cost(2, 0))], &[0], 1);
    assert_eq!(state.admit(&again).unwrap(), Verdict::Repeated(4));
    let outcome = state.outcome(query(0), Finality::Local);
    assert!(matches!(outcome, Some(Outcome::Redacted(Placed { index: 7, .. }))));
}

#[test]
fn a_new_key_supersedes_what_the_old_one_attested() {
    let mut state = opened();
    let supersede = Entry::Supersede { old: root(0), new: extract(2, 0, 7) };
    assert!(refused(&state, &supersede), "before the rotation");
    state.apply(&rotate(0, 7)).unwrap();
    // What the old key attested is read as before, also in another account.
    state.apply(&charge(0, &[(0, cost(1, 0)), (1, cost(1, 0))], &[0, 1], 1)).unwrap();
    assert!(matches!(
        state.admit(&Entry::Attest(extract(2, 0, 7))),
        Err(LedgerError::Conflict { .. })
    ));
    state.apply(&supersede).unwrap();
    state.apply(&Entry::Supersede { old: root(1), new: extract(3, 1, 7) }).unwrap();
    assert_eq!(
        (state.extracts(account(0)), state.extracts(account(1))),
        (vec![root(2)], vec![root(3)])
    );
    // The account is as it was, and a chain goes on.
    assert_eq!(state.balance(account(0)).unwrap().spent, cost(1, 0));
    state.apply(&rotate(7, 8)).unwrap();
    state.apply(&Entry::Revoke { root: root(2) }).unwrap();
    state.apply(&Entry::Attest(extract(4, 0, 8))).unwrap();
    assert_eq!(state.extracts(account(0)), [root(4)]);
}

#[test]
fn a_key_attests_nothing_after_another_took_its_place() {
    let mut state = opened();
    state.apply(&rotate(0, 7)).unwrap();
    for entry in [
        Entry::Supersede { old: root(0), new: extract(2, 0, 0) },
        Entry::Attest(extract(2, 1, 0)),
        // Not even where nothing is active any more.
        Entry::Attest(extract(9, 0, 0)),
    ] {
        assert!(refused(&state, &entry), "{entry:?}");
    }
    assert_eq!(state.apply(&rotate(0, 7)).unwrap(), Verdict::Repeated(4));
    assert!(matches!(state.admit(&rotate(0, 8)), Err(LedgerError::Conflict { what: "key" })));
    state.apply(&Entry::Attest(extract(5, 0, 1))).unwrap();
    for (old, new) in [(9, 6), (7, 7), (7, 0), (7, 1), (1, 7), (1, 0)] {
        assert!(refused(&state, &rotate(old, new)), "{old} to {new}");
    }
}

#[test]
fn a_log_that_breaks_a_rule_says_where() {
    let mut entries = vec![open(0, cost(2, 0)), Entry::Attest(extract(0, 0, 0))];
    entries.extend((0..3).map(|number| charge(number, &[(0, cost(1, 0))], &[0], 1)));
    let fault = |entries: &[Entry]| match State::replay(entries) {
        Err(LedgerError::Untrusted { fault, .. }) => Some(fault),
        _ => None,
    };
    assert_eq!(fault(&entries), Some(Untrusted::Rule { index: 4 }));
    assert_eq!(fault(&entries[..4]), None);
    assert_eq!(
        fault(&[entries[0].clone(), entries[0].clone()]),
        Some(Untrusted::Rule { index: 1 })
    );
}

fn described(verdict: &Result<Verdict, LedgerError>) -> (&'static str, Option<usize>) {
    match verdict {
        Ok(Verdict::Accepted(_)) => ("accepted", None),
        Ok(Verdict::Repeated(index)) => ("repeated", Some(usize::try_from(*index).unwrap())),
        Err(LedgerError::Refused { .. }) => ("refused", None),
        Err(LedgerError::Conflict { .. }) => ("conflict", None),
        Err(LedgerError::Exhausted { .. }) => ("exhausted", None),
        Err(LedgerError::Inactive { why, .. }) => match why {
            Inactive::Expired => ("expired", None),
            Inactive::Revoked => ("revoked", None),
            Inactive::Superseded => ("superseded", None),
            Inactive::Unattested => ("unattested", None),
            Inactive::OtherAccount => ("other account", None),
        },
        Err(other) => panic!("unexpected: {other}"),
    }
}

fn some_cost() -> impl Strategy<Value = Cost> {
    let amount = || prop_oneof![6 => 0_u64..4, 1 => Just(u64::MAX)];
    (amount(), amount()).prop_map(|(rho, delta)| cost(rho, delta))
}

fn some_extract() -> impl Strategy<Value = Attestation> {
    (0_u8..5, 0_u8..2, 0_u8..3, 0_u32..3).prop_map(|(number, of, key, expires_day)| Attestation {
        expires_day: expires_day + 1,
        ..extract(number, of, key)
    })
}

fn some_round() -> impl Strategy<Value = u32> {
    prop_oneof![6 => 0_u32..2, 1 => Just(255), 1 => Just(256), 1 => any::<u32>()]
}

fn some_entry() -> impl Strategy<Value = Entry> {
    let items = prop::collection::vec((0_u8..2, some_cost()), 0..3);
    let inputs = prop::collection::vec(0_u8..5, 0..3);
    prop_oneof![
        2 => (0_u8..2, 0_u64..12, 0_u64..6).prop_map(|(a, rho, delta)| open(a, cost(rho, delta))),
        6 => (0_u8..8, items, inputs, 0_u32..4).prop_map(|(q, i, x, day)| charge(q, &i, &x, day)),
        3 => (0_u8..8, 0_u8..2).prop_map(|(q, commitment)| release(q, commitment)),
        3 => some_extract().prop_map(Entry::Attest),
        2 => (0_u8..5, some_extract())
            .prop_map(|(old, new)| Entry::Supersede { old: root(old), new }),
        1 => (0_u8..5).prop_map(|number| Entry::Revoke { root: root(number) }),
        1 => (0_u8..8).prop_map(redact),
        3 => (0_u8..8, some_round(), 0_u8..3).prop_map(|(q, round, root)| commit(q, round, root)),
        1 => (0_u8..3, 0_u8..4).prop_map(|(old, new)| rotate(old, new)),
    ]
}

/// A start that makes acceptance common, so that long histories arise.
fn beginning() -> Vec<Entry> {
    vec![
        open(0, cost(30, 10)),
        Entry::Attest(Attestation { expires_day: 2, ..extract(0, 0, 0) }),
        Entry::Attest(Attestation { expires_day: 3, ..extract(1, 0, 1) }),
    ]
}

proptest! {
    #[test]
    fn random_operations_agree_with_the_model(
        warm in any::<bool>(),
        entries in prop::collection::vec((some_entry(), any::<bool>()), 0..60),
    ) {
        let mut state = State::default();
        let mut log: Vec<Entry> = Vec::new();
        let begin = beginning().into_iter().filter(|_| warm).map(|entry| (entry, false));
        for (entry, again) in begin.chain(entries) {
            // Half of the time, something that was accepted already comes back.
            let entry = if again { log.last().cloned().unwrap_or(entry) } else { entry };
            let expected = model::admit(&log, &entry);
            let before = state.clone();
            let verdict = state.apply(&entry);
            prop_assert_eq!(described(&verdict), expected, "{:?} after {:?}", entry, log);
            if expected.0 == "accepted" {
                log.push(entry);
            } else {
                prop_assert_eq!(&state, &before);
            }
            for number in 0..2 {
                let held = state.balance(account(number));
                let spent = held.map(|held| {
                    assert!(held.spent.fits(held.cap));
                    (u128::from(held.spent.rho.nano()), u128::from(held.spent.delta.atto()))
                });
                prop_assert_eq!(spent, model::spent(&log, account(number)));
            }
            for (number, round) in (0..8).flat_map(|number| [(number, 0), (number, 255)]) {
                let found = state.committed(query(number), round, Finality::Local);
                let found = found.map(|(placed, root)| (placed.index, root));
                prop_assert_eq!(found, model::committed(&log, query(number), round));
            }
        }
        prop_assert_eq!(State::replay(&log).unwrap(), state);
    }
}
