//! The log on a file system that fails: every call of a history once, in every way.
//!
//! ```text
//! history: create, charge, release, reopen, group commit, another process, check; with a witness
//! at call n: an error, a full disk, half a write, a kill, a loss of power
//! then: go on, or open again, or lose power; finish the history; lose power; open
//! ```
//! In the end every entry that was acknowledged must be there, once, and no account overspent.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tests::{ORIGIN, charge, cost, digest, signer, spent};
use super::{Entry, LedgerError, LogLedger, commit};
use crate::charge::{Admission, Attestation, Charged, Finality, Opening};
use crate::disk::simulated::{Fault, Simulated};
use crate::error::Untrusted;
use crate::ledger::Ledger as _;
use crate::note::VerifierKey;

const LOG: &str = "/srv/ledger/log";
const WITNESS: &str = "/mnt/elsewhere/witness";
const CAP: u64 = 20;

/// What a program does, and what it was told.
#[derive(Debug)]
struct Program {
    disk: Simulated,
    log: Option<LogLedger>,
    is_created: bool,
    charged: Option<Charged>,
    acknowledged: Vec<Entry>,
}

impl Program {
    fn new(seed: u64) -> Self {
        let disk = Simulated::new(seed);
        Self { disk, log: None, is_created: false, charged: None, acknowledged: Vec::new() }
    }

    fn open(&self) -> Result<LogLedger, LedgerError> {
        let (disk, witness) = (Arc::new(self.disk.clone()), Some(PathBuf::from(WITNESS)));
        LogLedger::open_on(disk, Path::new(LOG), signer(), witness)
    }

    /// The log, opened; or made, unless it was made before.
    fn log(&mut self) -> Result<&LogLedger, LedgerError> {
        if self.log.is_none() {
            let opened = match self.open() {
                Err(LedgerError::Untrusted { fault: Untrusted::Missing, .. })
                    if !self.is_created =>
                {
                    let (disk, witness) = (Arc::new(self.disk.clone()), PathBuf::from(WITNESS));
                    LogLedger::create_on(disk, Path::new(LOG), ORIGIN, signer(), Some(witness))
                }
                opened => opened,
            };
            self.log = Some(opened?);
            self.is_created = true;
        }
        self.log.as_ref().ok_or(LedgerError::Poisoned)
    }

    fn submit(&mut self, entries: &[Entry]) -> Result<(), LedgerError> {
        let mut core = self.log()?.core()?;
        let decisions = core.commit(entries);
        drop(core);
        for (entry, decision) in entries.iter().zip(decisions?) {
            decision?;
            self.acknowledged.push(entry.clone());
        }
        Ok(())
    }

    /// One step of the history; after an error it can be asked for again.
    fn step(&mut self, step: usize) -> Result<(), LedgerError> {
        let (account, root, key) = (digest(b'a', 0), digest(b'x', 0), digest(b'k', 0));
        match step {
            0 => self.submit(&[Entry::Open(Opening { account, cap: cost(CAP) })]),
            1 => {
                let attestation = Attestation { root, account, key, expires_day: 9 };
                self.log()?.attest(&attestation)?;
                self.acknowledged.push(Entry::Attest(attestation));
                Ok(())
            }
            2 | 3 => {
                let request = charge(u32::try_from(step).unwrap(), 3);
                if let Admission::Granted(charged) =
                    self.log()?.charge(&request, Finality::Witnessed)?
                {
                    self.charged = Some(charged);
                }
                self.acknowledged.push(Entry::Charge(request));
                Ok(())
            }
            4 => {
                // The answer may leave only after this, and it is asked for once.
                let Some(charged) = self.charged.take() else { return Ok(()) };
                let release =
                    Entry::Release { query: charged.query(), commitment: digest(b'r', 0) };
                self.log()?.release(charged, digest(b'r', 0))?;
                self.acknowledged.push(release);
                Ok(())
            }
            5 => {
                self.log = None;
                self.log().map(drop)
            }
            6 => {
                let requests = (60..63).map(|number| Entry::Charge(charge(number, 2)));
                self.submit(&requests.collect::<Vec<_>>())
            }
            7 => {
                let other = self.open()?;
                let request = charge(70, 1);
                drop(other.charge(&request, Finality::Witnessed)?);
                self.acknowledged.push(Entry::Charge(request));
                Ok(())
            }
            _ => {
                self.log()?.check()?;
                self.submit(&[Entry::Charge(charge(80, 1))])
            }
        }
    }

    /// The whole history, and what to do about an error.
    fn run(&mut self, mut after: impl FnMut(&mut Self, &LedgerError)) {
        for step in 0..STEPS {
            for attempt in 0.. {
                let Err(error) = self.step(step) else { break };
                assert!(attempt < 3, "step {step} cannot be done: {error:?}");
                after(self, &error);
            }
        }
    }

    /// Loses power, and compares what is there with what was acknowledged.
    fn settle(mut self) {
        self.log = None;
        self.disk.lose_power();
        let log = self.open().unwrap();
        let entries = log.entries(0..log.len().unwrap()).unwrap();
        for entry in &self.acknowledged {
            assert_eq!(entries.iter().filter(|found| *found == entry).count(), 1, "{entry:?}");
        }
        assert_eq!(log.check().unwrap().size, entries.len() as u64);
        // 2 × 3, 3 × 2, 1 and 1: all was asked for, and each is charged once.
        assert_eq!(spent(&log), 14);
        let over = log.charge(&charge(90, CAP - 13), Finality::Local);
        assert!(matches!(over, Err(LedgerError::Exhausted { .. })));
    }
}

const STEPS: usize = 9;

/// What comes after a fault that ends no process.
#[derive(Clone, Copy, Debug)]
enum After {
    GoOn,
    Open,
    LosePower,
}

fn endure(seed: u64, call: usize, fault: Fault, after: After) {
    let mut program = Program::new(seed);
    program.disk.plan(call, fault);
    program.run(|program, error| {
        assert!(!matches!(error, LedgerError::Untrusted { .. }), "{error:?}");
        let is_ended = matches!(fault, Fault::Death | Fault::Power);
        let must_open = matches!(after, After::Open) || matches!(error, LedgerError::Poisoned);
        if is_ended || must_open || matches!(after, After::LosePower) {
            program.log = None;
        }
        if is_ended {
            program.disk.start();
        } else if matches!(after, After::LosePower) {
            program.disk.lose_power();
        }
    });
    assert_eq!(program.disk.planned(), 0);
    program.settle();
}

/// Seeds of each case; without any, one case for each call.
fn seeds() -> Option<u64> {
    std::env::var("GRAUNT_FAULT_SEEDS").ok().map(|text| text.parse().unwrap())
}

fn calls() -> Vec<&'static str> {
    let mut program = Program::new(0);
    program.run(|_, error| panic!("{error:?}"));
    let calls = program.disk.calls();
    program.settle();
    calls
}

#[test]
fn an_error_at_any_call_loses_nothing() {
    let calls = calls();
    for kind in ["open", "stat", "rename", "link", "create directory", "read", "write", "sync"] {
        assert!(calls.contains(&kind), "{kind} is not tested");
    }
    let cases: Vec<_> = [After::GoOn, After::Open, After::LosePower]
        .into_iter()
        .flat_map(|after| [(Fault::Broken, after), (Fault::Full, after)])
        .collect();
    for (call, name) in calls.iter().enumerate() {
        for (number, (fault, after)) in cases.iter().copied().enumerate() {
            // The short way has every kind of failure at every sixth call, and one at every call.
            let seeds = seeds().unwrap_or(u64::from(call % cases.len() == number));
            for seed in 0..seeds {
                println!("{fault:?} at {call}, {}, then {after:?}; seed {seed}", name);
                endure(seed, call, fault, after);
            }
        }
    }
}

#[test]
fn a_short_read_or_write_at_any_call_changes_nothing() {
    let calls = calls();
    for (call, name) in calls.iter().enumerate() {
        let mut program = Program::new(0);
        program.disk.plan(call, Fault::Short);
        program.run(|_, error| panic!("{} at {call}: {error:?}", name));
        program.settle();
    }
}

#[test]
fn a_kill_after_any_call_loses_nothing() {
    let calls = calls();
    for (call, name) in calls.iter().enumerate() {
        println!("killed after {call}, {}", name);
        endure(0, call, Fault::Death, After::Open);
    }
}

/// P25: a kill leaves the page cache as it is, so it says nothing of fsync; a loss of power does.
#[test]
fn a_loss_of_power_after_any_call_loses_nothing() {
    let calls = calls();
    for (call, name) in calls.iter().enumerate() {
        for seed in 0..seeds().map_or(1, |seeds| 4 * seeds) {
            println!("no power after {call}, {}; seed {seed}", name);
            endure(seed, call, Fault::Power, After::Open);
        }
    }
}

/// P25: after a failed fsync the handle stops; whoever opens the log again writes what is not
/// signed once more, because an fsync alone would succeed and write nothing.
#[test]
fn a_failed_fsync_ends_the_handle_and_is_not_believed_later() {
    for seed in 0..20 {
        let mut program = Program::new(seed);
        (0..3).for_each(|step| program.step(step).unwrap());
        let log = program.log.take().unwrap();
        let before = program.disk.calls().len();
        drop(log.charge(&charge(50, 1), Finality::Local).unwrap());
        let calls = &program.disk.calls()[before..];
        let first_sync = calls.iter().position(|call| *call == "sync").unwrap();
        program.disk.plan(first_sync, Fault::Broken);
        let error = log.charge(&charge(51, 1), Finality::Local).unwrap_err();
        assert!(matches!(error, LedgerError::Store { action: "fsync", .. }), "{error:?}");
        let again = log.charge(&charge(52, 1), Finality::Local);
        assert!(matches!(again, Err(LedgerError::Poisoned)));
        assert!(matches!(log.len(), Err(LedgerError::Poisoned)));
        // Another process reads the entry, which is in memory only, and counts it as spent.
        let opened = program.open().unwrap();
        assert_eq!(spent(&opened), 5);
        assert!(matches!(log.len(), Err(LedgerError::Poisoned)));
        program.disk.lose_power();
        assert_eq!(spent(&program.open().unwrap()), 5);
    }
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_space() {
    let mut program = Program::new(0);
    (0..3).for_each(|step| program.step(step).unwrap());
    let log = program.log.take().unwrap();
    for number in 0..3 {
        let before = program.disk.calls().len();
        let writes = |calls: &[&str]| calls.iter().position(|call| *call == "write").unwrap();
        drop(log.charge(&charge(40 + number, 1), Finality::Local).unwrap());
        program.disk.plan(writes(&program.disk.calls()[before..]), Fault::Full);
        let error = log.charge(&charge(50, 1), Finality::Local).unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        assert_eq!(spent(&log), 3 + u64::from(number) + 1);
    }
    drop(log.charge(&charge(50, 1), Finality::Local).unwrap());
    assert_eq!(log.check().unwrap().size, 7);
}

/// P9: a witness has on disk what it answered for.
#[test]
fn a_witness_remembers_what_it_answered_for_if_the_power_goes() {
    for seed in 0..10 {
        let mut program = Program::new(seed);
        for step in 0..3 {
            program.step(step).unwrap();
            program.log = None;
            program.disk.lose_power();
            let note = program.disk.bytes(Path::new(WITNESS)).unwrap();
            let key = VerifierKey::new(ORIGIN, signer().public()).unwrap();
            let seen = key.open(&String::from_utf8(note).unwrap(), WITNESS).unwrap();
            assert_eq!(seen.size, step as u64 + 1);
        }
    }
}

/// P9: a witness compares and sets in one step, so of two logs that continue the same one it lets
/// only one go on, however they race.
#[test]
fn a_witness_lets_only_one_of_two_continuations_go_on() {
    let mut winners = [0, 0];
    for seed in 0..40 {
        let mut program = Program::new(seed);
        (0..3).for_each(|step| program.step(step).unwrap());
        program.log = None;
        let disk = program.disk;
        for name in [commit::WAL, commit::CHECKPOINT] {
            let bytes = disk.bytes(&Path::new(LOG).join(name)).unwrap();
            disk.put(&Path::new("/srv/copy").join(name), &bytes);
        }
        let open = |path| {
            let (disk, witness) = (Arc::new(disk.clone()), Some(PathBuf::from(WITNESS)));
            LogLedger::open_on(disk, Path::new(path), signer(), witness).unwrap()
        };
        let logs = [open(LOG), open("/srv/copy")];
        let start = std::sync::Barrier::new(2);
        let race = |log: &LogLedger, number| {
            start.wait();
            log.charge(&charge(number, 1), Finality::Witnessed)
        };
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads = [(&logs[0], 50), (&logs[1], 51)].map(|(log, number)| {
                scope.spawn({
                    let race = &race;
                    move || race(log, number)
                })
            });
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let winner = outcomes.iter().position(Result::is_ok).unwrap();
        winners[winner] += 1;
        match &outcomes[1 - winner] {
            Err(LedgerError::Untrusted { fault: Untrusted::Forked, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    println!("{winners:?}");
}
