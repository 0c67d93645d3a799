//! A part of a charge is claimed once, whatever fails and whoever races.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Barrier};

use super::*;
use crate::charge::{Admission, Attestation, Opening};
use crate::cost::{Delta, Rho};
use crate::disk::simulated::{Fault, Simulated};
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::memory::MemoryLedger;

const CLAIMS: &str = "/srv/site/claims";

fn digest(kind: u8, number: u8) -> Digest {
    let mut bytes = [kind; 32];
    bytes[31] = number;
    Digest::from_bytes(bytes)
}

fn cost(rho: u64, delta: u64) -> Cost {
    Cost { rho: Rho::from_nano(rho), delta: Delta::from_atto(delta) }
}

fn request(number: u8) -> ChargeRequest {
    ChargeRequest {
        query: digest(b'q', number),
        items: vec![(digest(b'a', 0), cost(4, 1)), (digest(b'a', 1), cost(3, 2))],
        intent: digest(b'i', number),
        inputs: vec![digest(b'x', 0)],
        day: 3,
    }
}

/// A ledger on which queries 0, 1 and 2 are charged, and what the one who asked was granted.
fn charged() -> (MemoryLedger, Vec<Charged>) {
    let ledger = MemoryLedger::new().unwrap();
    for account in [digest(b'a', 0), digest(b'a', 1)] {
        ledger.open_account(&Opening { account, cap: cost(20, 10) }).unwrap();
    }
    let (root, account, key) = (digest(b'x', 0), digest(b'a', 0), digest(b'k', 0));
    ledger.attest(&Attestation { root, account, key, expires_day: 9 }).unwrap();
    let grant = |number| match ledger.charge(&request(number), Finality::Local).unwrap() {
        Admission::Granted(charged) => charged,
        Admission::Repeated(placed) => panic!("{placed:?}"),
    };
    let granted = (0..3).map(grant).collect();
    (ledger, granted)
}

fn on(disk: &Simulated) -> Result<Claims, LedgerError> {
    Claims::on(Arc::new(disk.clone()), Path::new(CLAIMS))
}

fn is_refused<T>(result: &Result<T, LedgerError>) -> bool {
    matches!(result, Err(LedgerError::Refused { .. }))
}

#[test]
fn a_part_has_the_cost_of_its_charge_and_writes_nothing() {
    let (ledger, granted) = charged();
    let before = ledger.entries().unwrap();
    let claims = on(&Simulated::new(0)).unwrap();
    let part = claims.claim(&ledger, &request(1), Finality::Local).unwrap();
    assert_eq!((part.query(), part.cost()), (digest(b'q', 1), cost(3, 1)));
    assert_eq!(part.placed(), granted[1].placed());
    // The account as the site sees it: by now the third query is in it, too.
    let effects = [(0, cost(4, 1)), (1, cost(3, 2))].map(|(number, cost_)| AccountEffect {
        account: digest(b'a', number),
        cost: cost_,
        spent_before: [cost(8, 2), cost(6, 4)][usize::from(number)],
        spent_after: [cost(12, 3), cost(9, 6)][usize::from(number)],
        cap: cost(20, 10),
    });
    assert_eq!(part.effects(), effects);
    assert_eq!(ledger.entries().unwrap(), before);
}

#[test]
fn a_part_is_never_released() {
    let (ledger, mut granted) = charged();
    let claims = on(&Simulated::new(0)).unwrap();
    let part = claims.claim(&ledger, &request(1), Finality::Local).unwrap();
    assert!(part.is_part() && !granted[1].is_part());
    assert!(is_refused(&ledger.release(part, digest(b'r', 1))));
    let whole = granted.remove(1);
    assert!(ledger.release(whole, digest(b'r', 1)).is_ok());
}

#[test]
fn only_the_request_that_was_charged_is_claimed() {
    let (ledger, _granted) = charged();
    let disk = Simulated::new(0);
    let claims = on(&disk).unwrap();
    let claim = |request: &ChargeRequest| claims.claim(&ledger, request, Finality::Local);
    assert!(is_refused(&claim(&request(3))), "never charged");
    let whole = request(1);
    for other in [
        ChargeRequest { items: vec![(digest(b'a', 0), cost(4, 1))], ..whole.clone() },
        ChargeRequest { items: whole.items.iter().rev().copied().collect(), ..whole.clone() },
        ChargeRequest { intent: digest(b'i', 9), ..whole.clone() },
        ChargeRequest { inputs: vec![], ..whole.clone() },
        ChargeRequest { day: 2, ..whole.clone() },
        ChargeRequest { query: digest(b'q', 2), ..whole.clone() },
    ] {
        assert!(matches!(claim(&other), Err(LedgerError::Conflict { what: "query" })));
    }
    let local = claims.claim(&ledger, &whole, Finality::Witnessed);
    let (has, need) = (Finality::Local, Finality::Witnessed);
    assert!(
        matches!(local, Err(LedgerError::Finality { has: h, need: n }) if (h, n) == (has, need))
    );
    // What was refused claimed nothing.
    assert!(claim(&whole).is_ok() && claim(&request(2)).is_ok());
}

#[test]
fn nothing_is_claimed_of_a_query_that_is_over() {
    let (ledger, granted) = charged();
    let claims = on(&Simulated::new(0)).unwrap();
    for whole in granted.into_iter().take(1) {
        ledger.release(whole, digest(b'r', 0)).unwrap();
    }
    ledger.redact(digest(b'q', 1)).unwrap();
    for number in 0..2 {
        assert!(is_refused(&claims.claim(&ledger, &request(number), Finality::Local)));
    }
    assert!(claims.claim(&ledger, &request(2), Finality::Local).is_ok());
}

#[test]
fn a_second_claim_is_refused_also_after_a_restart() {
    let (ledger, _granted) = charged();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("of/a/site");
    let claim = |claims: &Claims| claims.claim(&ledger, &request(1), Finality::Local);
    let claims = Claims::at(&path).unwrap();
    drop(claim(&claims).unwrap());
    assert!(is_refused(&claim(&claims)));
    assert!(is_refused(&claim(&claims.clone())));
    drop(claims);
    assert!(is_refused(&claim(&Claims::at(&path).unwrap())));
    // Another site has its own part.
    let other = Claims::at(&directory.path().join("of/another/site")).unwrap();
    assert!(claim(&other).is_ok());
}

/// Every call of making the directory and claiming, once in every way. A fault may lose a part; it
/// never gives a second one, and a part that was given is still claimed after a loss of power.
#[test]
fn no_fault_at_any_call_gives_a_part_twice() {
    let (ledger, _granted) = charged();
    let claim = |claims: &Claims| claims.claim(&ledger, &request(1), Finality::Local);
    let calls = {
        let disk = Simulated::new(0);
        drop(claim(&on(&disk).unwrap()).unwrap());
        disk.calls().len()
    };
    assert!(calls > 8, "{calls}");
    let mut is_lost = [0, 0];
    for fault in [Fault::Broken, Fault::Full, Fault::Short, Fault::Death, Fault::Power] {
        for (call, seed) in (0..calls).flat_map(|call| (0..8).map(move |seed| (call, seed))) {
            let disk = Simulated::new(seed);
            disk.plan(call, fault);
            let first = on(&disk).and_then(|claims| claim(&claims));
            assert_eq!(disk.planned(), 0, "{fault:?} at call {call} never came");
            disk.start();
            let second = on(&disk).and_then(|claims| claim(&claims));
            disk.lose_power();
            let third = on(&disk).and_then(|claims| claim(&claims));
            let given = [&first, &second, &third].iter().filter(|part| part.is_ok()).count();
            assert!(given <= 1, "{fault:?} at call {call} under {seed}: {given} parts");
            is_lost[usize::from(given == 0)] += 1;
            assert!(is_refused(&on(&disk).and_then(|claims| claim(&claims))));
        }
    }
    assert!(is_lost[0] > 100 && is_lost[1] > 10, "{is_lost:?}");
}

#[test]
fn of_many_threads_one_claims() {
    let (ledger, _granted) = charged();
    let directory = tempfile::tempdir().unwrap();
    for number in 0..3 {
        let start = Barrier::new(8);
        let claim = || {
            let claims = Claims::at(directory.path()).unwrap();
            start.wait();
            claims.claim(&ledger, &request(number), Finality::Local).is_ok()
        };
        let won = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(claim)).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap().then_some(())).count()
        });
        assert_eq!(won, 1);
    }
}

/// Set in a process that only claims.
const RACE_IN: &str = "GRAUNT_TEST_CLAIM_IN";

#[test]
fn of_many_processes_one_claims() {
    if let Some(path) = std::env::var_os(RACE_IN) {
        let (ledger, _granted) = charged();
        let claims = Claims::at(Path::new(&path)).unwrap();
        let part = claims.claim(&ledger, &request(0), Finality::Local);
        assert!(part.is_ok() || is_refused(&part));
        println!("{}", if part.is_ok() { "claimed" } else { "refused" });
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let run = || {
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(["--exact", "part::tests::of_many_processes_one_claims", "--nocapture"]);
        program.env(RACE_IN, directory.path()).output().unwrap()
    };
    let outputs: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let said = |word: &str| {
        let says = |output: &&std::process::Output| {
            String::from_utf8_lossy(&output.stdout).lines().any(|line| line.ends_with(word))
        };
        outputs.iter().filter(says).count()
    };
    assert_eq!((said("claimed"), said("refused")), (1, 3), "{outputs:?}");
}
