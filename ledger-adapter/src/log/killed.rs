//! Processes that are killed while they write, and the log that they leave.
//!
//! The child is this test binary, told by its environment to be one. It writes down what was
//! acknowledged to it; that file is whole up to the kill, because the page cache outlives it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::commit::WAL;
use super::tests::{ORIGIN, charge, cost, digest, signer};
use super::wal::frame;
use super::{Entry, LedgerError, LogLedger};
use crate::charge::{Admission, Attestation, Finality, Opening};
use crate::dice::Dice;
use crate::ledger::Ledger as _;

/// Names the directory to a child, and what it should begin to count at.
const CHILD: &str = "GRAUNT_KILLED_CHILD";

fn count(name: &str, short: u64) -> u64 {
    std::env::var(name).map_or(short, |text| text.parse().unwrap())
}

fn log_in(directory: &Path) -> LogLedger {
    let (path, witness) = (directory.join("log"), directory.join("witness"));
    LogLedger::open(&path, signer(), Some(witness)).unwrap()
}

/// A new log in `directory`, with an account.
fn begin(directory: &Path, cap: u64) {
    let (path, witness) = (directory.join("log"), directory.join("witness"));
    let log = LogLedger::create(&path, ORIGIN, signer(), Some(witness)).unwrap();
    let account = digest(b'a', 0);
    log.open_account(&Opening { account, cap: cost(cap) }).unwrap();
    let (root, key) = (digest(b'x', 0), digest(b'k', 0));
    log.attest(&Attestation { root, account, key, expires_day: 9 }).unwrap();
}

/// Charges from two threads until it is killed or the account is empty. A number on a line of its
/// own says that the charge of that number was acknowledged.
fn write_until_killed(directory: &Path, first: u32) {
    let log = log_in(directory);
    let path = directory.join("acknowledged");
    let acknowledged = OpenOptions::new().create(true).append(true).open(path).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (log, mut acknowledged) = (&log, &acknowledged);
            scope.spawn(move || {
                for number in (first + thread..first + CHARGES_MAX).step_by(2) {
                    match log.charge(&charge(number, 1), Finality::Witnessed) {
                        Ok(Admission::Granted(_)) => {
                            acknowledged.write_all(format!("{number}\n").as_bytes()).unwrap();
                        }
                        Err(LedgerError::Exhausted { .. }) => return,
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    });
}

/// Starts a child that runs `test` as a writer.
fn start(test: &str, directory: &Path, first: u32) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("log::killed::{test}"), "--nocapture"]);
    command.env(CHILD, format!("{first} {}", directory.display()));
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Whether this process is a child, which has done its work then.
fn was_child() -> bool {
    let Ok(told) = std::env::var(CHILD) else { return false };
    let (first, directory) = told.split_once(' ').unwrap();
    write_until_killed(Path::new(directory), first.parse().unwrap());
    true
}

/// Kills after a time that differs from kill to kill: while it starts, recovers or writes.
fn kill(mut child: Child, dice: &mut Dice) {
    std::thread::sleep(Duration::from_micros(dice.next() % 60_000));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Tears the tail, as a loss of power in the middle of a write might.
fn tear(directory: &Path, dice: &mut Dice) {
    let mut torn = Vec::new();
    frame(&Entry::Charge(charge(u32::MAX, 1)).encode(), &mut torn).unwrap();
    torn.truncate(1 + dice.below(torn.len() - 1));
    let mut wal = OpenOptions::new().append(true).open(directory.join("log").join(WAL)).unwrap();
    wal.write_all(&torn).unwrap();
}

/// What became of a log: numbers of entries that charge, and of acknowledged charges.
fn inspect(directory: &Path, cap: u64) -> (usize, usize) {
    let log = log_in(directory);
    assert_eq!(log.check().unwrap().size, log.len().unwrap());
    let entries = log.entries(0..log.len().unwrap()).unwrap();
    let mut charged = Vec::new();
    for entry in &entries {
        if let Entry::Charge(request) = entry {
            charged.push(request.query);
        }
    }
    assert!(charged.len() as u64 <= cap, "overspent");
    let queries = charged.len();
    charged.sort_unstable();
    charged.dedup();
    assert_eq!(charged.len(), queries, "charged twice");
    let acknowledged = fs::read_to_string(directory.join("acknowledged")).unwrap_or_default();
    // The last line may be cut, and then nobody was told.
    let whole = acknowledged.rsplit_once('\n').map_or("", |(whole, _)| whole);
    for number in whole.lines() {
        let query = charge(number.parse().unwrap(), 1).query;
        assert!(charged.binary_search(&query).is_ok(), "charge {number} is lost");
    }
    (queries, whole.lines().count())
}

#[test]
fn a_killed_writer_loses_nothing_that_it_acknowledged() {
    if was_child() {
        return;
    }
    let kills = count("GRAUNT_LEDGER_KILLS", 30);
    let (mut dice, mut torn, mut charged, mut acknowledged) = (Dice(1), 0, 0, 0);
    let mut directory = tempfile::tempdir().unwrap();
    begin(directory.path(), u64::from(CHARGES_MAX));
    for number in 0..kills {
        let first = u32::try_from(number).unwrap() * CHARGES_MAX;
        let child =
            start("a_killed_writer_loses_nothing_that_it_acknowledged", directory.path(), first);
        kill(child, &mut dice);
        if dice.below(3) == 0 {
            tear(directory.path(), &mut dice);
            torn += 1;
        }
        // A short log is quick to open, so that most kills come while it is written.
        if number % 20 == 19 || number + 1 == kills {
            let (of, told) = inspect(directory.path(), u64::from(CHARGES_MAX));
            charged += of;
            acknowledged += told;
            directory = tempfile::tempdir().unwrap();
            begin(directory.path(), u64::from(CHARGES_MAX));
        }
    }
    println!("{kills} kills, {torn} torn; {charged} charged, {acknowledged} acknowledged");
    assert!(acknowledged > 0, "the kills came too early to test it");
}

#[test]
fn four_processes_that_are_killed_never_overspend() {
    if was_child() {
        return;
    }
    let kills = count("GRAUNT_PROCESS_KILLS", 8);
    let (directory, mut dice) = (tempfile::tempdir().unwrap(), Dice(2));
    // So much that the account is empty before the last of many kills.
    let cap = 20 * kills;
    begin(directory.path(), cap);
    let name = "four_processes_that_are_killed_never_overspend";
    let mut first = 0;
    let mut next = || {
        first += CHARGES_MAX;
        start(name, directory.path(), first)
    };
    let mut children: Vec<Child> = (0..4).map(|_| next()).collect();
    for _ in 0..kills {
        for slot in &mut children {
            kill(std::mem::replace(slot, next()), &mut dice);
        }
    }
    // Those that are left spend the rest.
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let (charged, acknowledged) = inspect(directory.path(), cap);
    println!("{} kills; {charged} of {cap} charged, {acknowledged} acknowledged", 4 * kills);
    assert_eq!(charged as u64, cap);
}

/// More than a child can charge before it is killed.
const CHARGES_MAX: u32 = 100_000;
