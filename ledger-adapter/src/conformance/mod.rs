//! What every ledger must do: [`conforms`] is for all of them, [`proves`] for those with a log.

mod random;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::random::Histories;
use crate::charge::{
    Admission, Attestation, ChargeRequest, ExtractStatus, Finality, KeyRole, KeyRotation, Opening,
    Outcome, Placed,
};
use crate::cost::{Cost, Delta, Rho};
use crate::digest::Digest;
use crate::disk::simulated::Simulated;
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

/// What a kind of ledger keeps records of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scope {
    /// Accounts, extracts, charges, releases.
    Charges,
    /// Redactions and keys too.
    Everything,
}

/// Checks a kind of ledger: `make` makes an empty one, and `restart` ends one and opens it again,
/// which for a ledger that outlives no process is to give it back. So many random operations are
/// compared with the state machine.
pub(crate) fn conforms<L: Ledger>(
    scope: Scope,
    operations: usize,
    mut make: impl FnMut() -> L,
    restart: impl FnMut(L) -> L,
) {
    a_query_goes_its_way(&make());
    extracts_come_and_go(&make());
    charges_at_once_are_granted_exactly_as_often_as_the_cap_allows(&make());
    Histories::new(scope).run(operations, make, restart);
}

/// Checks the proofs of a kind of ledger, and that it promises no more than it can; it is one
/// whose records are never [`Finality::Final`].
pub(crate) fn proves<L: Ledger>(mut make: impl FnMut() -> L) {
    proofs_verify_and_hold_the_entries(&make());
    a_ledger_promises_no_more_than_it_can(&make());
    random::proofs_replay_to_the_state(make);
}

fn opened(ledger: &dyn Ledger, cap: u64) {
    let account = digest(b'a', 0);
    ledger.open_account(&Opening { account, cap: cost(cap, 1000) }).unwrap();
    ledger.attest(&extract(0, 0)).unwrap();
}

fn a_query_goes_its_way(ledger: &dyn Ledger) {
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
}

fn extracts_come_and_go(ledger: &dyn Ledger) {
    opened(ledger, 10);
    let active = ledger.status(digest(b'x', 0)).unwrap();
    assert!(matches!(active, ExtractStatus::Active(Placed { index: 1, .. }, 9)));
    assert!(ledger.attest(&extract(0, 0)).unwrap().repeated);
    // A log's own key is not replaced by whoever only records.
    let (old, new) = (digest(b'k', 0), digest(b'k', 9));
    let refused = ledger.rotate(&KeyRotation { role: KeyRole::Log, old, new });
    assert!(matches!(refused, Err(LedgerError::Refused { .. })));
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
}

fn a_ledger_promises_no_more_than_it_can(ledger: &dyn Ledger) {
    opened(ledger, 10);
    let error = ledger.charge(&request(0, 1), Finality::Final).unwrap_err();
    assert!(matches!(error, LedgerError::Finality { need: Finality::Final, .. }));
    assert_eq!(ledger.remaining(digest(b'a', 0)).unwrap().unwrap().spent, cost(0, 0));
}

fn proofs_verify_and_hold_the_entries(ledger: &dyn Ledger) {
    opened(ledger, 10);
    drop(ledger.charge(&request(0, 1), Finality::Local).unwrap());
    let proof = ledger.proof(&[2, 0]).unwrap();
    let entries = proof.verify(None).unwrap();
    assert_eq!(entries[0], (2, Entry::Charge(request(0, 1))));
    assert_eq!(entries[1].0, 0);
    assert!(matches!(ledger.proof(&[3]), Err(LedgerError::Malformed { .. })));
}

fn charges_at_once_are_granted_exactly_as_often_as_the_cap_allows(ledger: &dyn Ledger) {
    opened(ledger, 50);
    let granted: usize = std::thread::scope(|scope| {
        let charge_some = |thread: u8| {
            let grants = |number: &u8| {
                let admission = ledger.charge(&request(thread * 8 + number, 3), Finality::Local);
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
}

/// Random operations of each kind of ledger; a night has at least a million.
fn operations(short: usize) -> usize {
    std::env::var("GRAUNT_OPERATIONS").map_or(short, |text| text.parse().unwrap())
}

#[test]
fn a_ledger_in_memory_conforms() {
    let make = || MemoryLedger::new().unwrap();
    conforms(Scope::Charges, operations(5_000), make, |ledger| ledger);
    conforms(Scope::Everything, operations(20_000), make, |ledger| ledger);
    proves(make);
}

/// P25: each restart is a loss of power, and nothing that was acknowledged goes with it.
#[test]
fn a_log_conforms_even_if_it_loses_power() {
    let (directory, witness) = (Path::new("/log"), || Some(PathBuf::from("/elsewhere/witness")));
    let signer = || Signer::from_seed(&[1; 32]);
    let disk = RefCell::new((0, Simulated::new(0)));
    let make = || {
        let mut disk = disk.borrow_mut();
        *disk = (disk.0 + 1, Simulated::new(disk.0));
        let at = Arc::new(disk.1.clone());
        LogLedger::create_on(at, directory, ORIGIN, signer(), witness()).unwrap()
    };
    let restart = |log| {
        drop(log);
        let disk = disk.borrow();
        disk.1.lose_power();
        LogLedger::open_on(Arc::new(disk.1.clone()), directory, signer(), witness()).unwrap()
    };
    conforms(Scope::Everything, operations(2_000), make, restart);
    proves(make);
}

#[test]
fn a_log_in_a_directory_conforms() {
    let root = tempfile::tempdir().unwrap();
    for witness in [None, Some("witness")] {
        let signer = || Signer::from_seed(&[1; 32]);
        let count = Cell::new(0);
        let path = |name: &str| root.path().join(format!("{name}{}{witness:?}", count.get()));
        let make = || {
            count.set(count.get() + 1);
            LogLedger::create(&path("log"), ORIGIN, signer(), witness.map(path)).unwrap()
        };
        let restart = |log| {
            drop(log);
            LogLedger::open(&path("log"), signer(), witness.map(path)).unwrap()
        };
        conforms(Scope::Everything, 100, make, restart);
        proves(make);
    }
}

const ORIGIN: &str = "example.org/log";
