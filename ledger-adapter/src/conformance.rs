//! What every ledger must do, run over each of them.

use proptest::prelude::{Strategy, prop, proptest};
use proptest::test_runner::Config;

use crate::account::{State, Verdict};
use crate::charge::{
    Admission, Attestation, ChargeRequest, ExtractStatus, Finality, Opening, Outcome, Placed,
};
use crate::cost::{Cost, Delta, Rho};
use crate::digest::Digest;
use crate::entry::Entry;
use crate::error::LedgerError;
use crate::keys::Signer;
use crate::ledger::Ledger;
use crate::log::LogLedger;
use crate::memory::MemoryLedger;

fn digest(kind: u8, number: u8) -> Digest {
    let mut bytes = [kind; 32];
    bytes[31] = number;
    Digest::from_bytes(bytes)
}

fn cost(rho: u64, delta: u64) -> Cost {
    Cost { rho: Rho::from_nano(rho), delta: Delta::from_atto(delta) }
}

fn extract(number: u8, account: u8) -> Attestation {
    let (root, key) = (digest(b'x', number), digest(b'k', 0));
    Attestation { root, account: digest(b'a', account), key, expires_day: 9 }
}

fn request(number: u8, rho: u64) -> ChargeRequest {
    ChargeRequest {
        query: digest(b'q', number),
        items: vec![(digest(b'a', 0), cost(rho, 1))],
        intent: digest(b'i', number),
        inputs: vec![digest(b'x', 0)],
        day: 3,
    }
}

/// Runs a test on every kind of ledger.
fn on_every_ledger(test: impl Fn(&dyn Ledger)) {
    test(&MemoryLedger::new().unwrap());
    let directory = tempfile::tempdir().unwrap();
    for (name, witness) in [("local", None), ("witnessed", Some("witness"))] {
        let witness = witness.map(|witness| directory.path().join(witness));
        let path = directory.path().join(name);
        let signer = Signer::from_seed(&[1; 32]);
        test(&LogLedger::create(&path, "example.org/log", signer, witness).unwrap());
    }
}

fn opened(ledger: &dyn Ledger, cap: u64) {
    let account = digest(b'a', 0);
    ledger.open_account(&Opening { account, cap: cost(cap, 1000) }).unwrap();
    ledger.attest(&extract(0, 0)).unwrap();
}

#[test]
fn a_query_goes_its_way() {
    on_every_ledger(|ledger| {
        opened(ledger, 10);
        assert_eq!(ledger.outcome(digest(b'q', 0)).unwrap(), None);
        let granted = ledger.charge(&request(0, 4), Finality::Local).unwrap();
        let Admission::Granted(charged) = granted else { panic!("repeated") };
        assert_eq!(charged.cost(), cost(4, 1));
        assert_eq!(charged.effects()[0].spent_after, cost(4, 1));
        assert_eq!(charged.placed().index, 2);
        let outcome = ledger.outcome(digest(b'q', 0)).unwrap();
        assert!(matches!(outcome, Some(Outcome::Charged(Placed { index: 2, .. }))));
        let repeated = ledger.charge(&request(0, 4), Finality::Local).unwrap();
        assert!(matches!(repeated, Admission::Repeated(Placed { index: 2, repeated: true, .. })));
        let conflict = ledger.charge(&request(0, 5), Finality::Local);
        assert!(matches!(conflict, Err(LedgerError::Conflict { .. })));
        assert_eq!(ledger.release(charged, digest(b'r', 0)).unwrap().index, 3);
        let outcome = ledger.outcome(digest(b'q', 0)).unwrap();
        let released = digest(b'r', 0);
        assert!(matches!(outcome, Some(Outcome::Released(_, found)) if found == released));
        let balance = ledger.remaining(digest(b'a', 0)).unwrap().unwrap();
        assert_eq!((balance.spent, balance.charges), (cost(4, 1), 1));
        let exhausted = ledger.charge(&request(1, 7), Finality::Local);
        assert!(matches!(exhausted, Err(LedgerError::Exhausted { .. })));
        assert_eq!(ledger.remaining(digest(b'a', 1)).unwrap(), None);
    });
}

#[test]
fn extracts_come_and_go() {
    on_every_ledger(|ledger| {
        opened(ledger, 10);
        let active = ledger.status(digest(b'x', 0)).unwrap();
        assert!(matches!(active, ExtractStatus::Active(Placed { index: 1, .. }, 9)));
        assert!(ledger.attest(&extract(0, 0)).unwrap().repeated);
        assert!(matches!(ledger.attest(&extract(1, 0)), Err(LedgerError::Conflict { .. })));
        ledger.supersede(digest(b'x', 0), &extract(1, 0)).unwrap();
        let status = ledger.status(digest(b'x', 0)).unwrap();
        assert_eq!(status, ExtractStatus::Superseded(digest(b'x', 1)));
        assert_eq!(ledger.extracts(digest(b'a', 0)).unwrap(), [digest(b'x', 1)]);
        let inactive = ledger.charge(&request(0, 1), Finality::Local);
        assert!(matches!(inactive, Err(LedgerError::Inactive { .. })));
        ledger.revoke(digest(b'x', 1)).unwrap();
        assert!(ledger.revoke(digest(b'x', 1)).unwrap().repeated);
        assert_eq!(ledger.status(digest(b'x', 1)).unwrap(), ExtractStatus::Revoked);
        assert_eq!(ledger.status(digest(b'x', 9)).unwrap(), ExtractStatus::Unknown);
        assert_eq!(ledger.extracts(digest(b'a', 0)).unwrap(), []);
    });
}

#[test]
fn a_ledger_promises_no_more_than_it_can() {
    on_every_ledger(|ledger| {
        opened(ledger, 10);
        let error = ledger.charge(&request(0, 1), Finality::Final).unwrap_err();
        assert!(matches!(error, LedgerError::Finality { need: Finality::Final, .. }));
        assert_eq!(ledger.remaining(digest(b'a', 0)).unwrap().unwrap().spent, cost(0, 0));
    });
}

#[test]
fn proofs_verify_and_hold_the_entries() {
    on_every_ledger(|ledger| {
        opened(ledger, 10);
        drop(ledger.charge(&request(0, 1), Finality::Local).unwrap());
        let proof = ledger.proof(&[2, 0]).unwrap();
        let entries = proof.verify(None).unwrap();
        assert_eq!(entries[0], (2, Entry::Charge(request(0, 1))));
        assert_eq!(entries[1].0, 0);
        assert!(matches!(ledger.proof(&[3]), Err(LedgerError::Malformed { .. })));
    });
}

#[test]
fn charges_at_once_are_granted_exactly_as_often_as_the_cap_allows() {
    on_every_ledger(|ledger| {
        opened(ledger, 50);
        let granted: usize = std::thread::scope(|scope| {
            let charge_some = |thread: u8| {
                let grants = |number: &u8| {
                    let admission =
                        ledger.charge(&request(thread * 8 + number, 3), Finality::Local);
                    matches!(admission, Ok(Admission::Granted(_)))
                };
                (0..6).filter(grants).count()
            };
            let threads: Vec<_> =
                (0..8).map(|thread| scope.spawn(move || charge_some(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(granted, 16);
        let balance = ledger.remaining(digest(b'a', 0)).unwrap().unwrap();
        assert_eq!((balance.spent, balance.charges), (cost(48, 16), 16));
    });
}

/// Does what an entry says; gives whether it was new, or `None` if it was refused.
fn submit(ledger: &dyn Ledger, entry: &Entry) -> Option<bool> {
    let placed = match entry {
        Entry::Open(opening) => ledger.open_account(opening),
        Entry::Attest(new) => ledger.attest(new),
        Entry::Supersede { old, new } => ledger.supersede(*old, new),
        Entry::Revoke { root } => ledger.revoke(*root),
        Entry::Redact { query } => ledger.redact(*query),
        Entry::Key(rotation) => ledger.rotate(rotation),
        Entry::Charge(request) => {
            return match ledger.charge(request, Finality::Local) {
                Ok(Admission::Granted(_)) => Some(true),
                Ok(Admission::Repeated(_)) => Some(false),
                Err(_) => None,
            };
        }
        // A release needs the proof of its charge, which is dropped here.
        Entry::Release { .. } => return None,
    };
    placed.ok().map(|placed| !placed.repeated)
}

fn some_entry() -> impl Strategy<Value = Entry> {
    (0_u8..6, 0_u8..4, 0_u8..2, 0_u64..4).prop_map(|(kind, number, account, amount)| match kind {
        0 => Entry::Open(Opening { account: digest(b'a', account), cap: cost(9, 9) }),
        1 => Entry::Attest(extract(number, account)),
        2 => Entry::Supersede { old: digest(b'x', number), new: extract(number + 1, account) },
        3 if number == 0 => Entry::Revoke { root: digest(b'x', account) },
        3 if number == 1 => Entry::Redact { query: digest(b'q', account * 4 + 4) },
        _ => {
            let inputs = vec![digest(b'x', number)];
            let query = digest(b'q', number * 4 + kind);
            let items = vec![(digest(b'a', account), cost(amount, 0))];
            Entry::Charge(ChargeRequest { query, items, inputs, ..request(0, 0) })
        }
    })
}

proptest! {
    #![proptest_config(Config { cases: 12, ..Config::default() })]
    #[test]
    fn ledgers_agree_with_the_state_machine(entries in prop::collection::vec(some_entry(), 1..24)) {
        on_every_ledger(|ledger| {
            let mut state = State::default();
            for entry in &entries {
                let expected = state.apply(entry).ok();
                let expected = expected.map(|verdict| matches!(verdict, Verdict::Accepted(_)));
                assert_eq!(submit(ledger, entry), expected, "{entry:?}");
            }
            for account in [digest(b'a', 0), digest(b'a', 1)] {
                assert_eq!(ledger.remaining(account).unwrap(), state.balance(account));
                assert_eq!(ledger.extracts(account).unwrap(), state.extracts(account));
            }
            let indices: Vec<_> = (0..state.count()).collect();
            let proved = ledger.proof(&indices).unwrap().verify(None).unwrap();
            let log: Vec<_> = proved.into_iter().map(|(_, entry)| entry).collect();
            assert_eq!(State::replay(&log).unwrap(), state);
        });
    }
}
