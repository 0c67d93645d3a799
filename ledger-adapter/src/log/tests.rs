//! The log against crashes, tampering, rollback, and other processes.

mod cosigned;
mod rotated;

use std::fs;

use tempfile::TempDir;

use super::commit::{CHECKPOINT, WAL};
use super::wal::{MAGIC, frame};
use super::*;
use crate::charge::{Admission, Attestation, ChargeRequest, Opening, Outcome};
use crate::cost::{Cost, Delta, Rho};
use crate::digest::Digest;
use crate::error::Untrusted;
use crate::ledger::Ledger;

pub(super) const ORIGIN: &str = "example.org/log";

pub(super) fn signer() -> Signer {
    Signer::from_seed(&[1; 32])
}

pub(super) fn digest(kind: u8, number: u32) -> Digest {
    let mut bytes = [kind; 32];
    bytes[28..].copy_from_slice(&number.to_be_bytes());
    Digest::from_bytes(bytes)
}

pub(super) fn cost(rho: u64) -> Cost {
    Cost { rho: Rho::from_nano(rho), delta: Delta::from_atto(0) }
}

pub(super) fn charge(number: u32, rho: u64) -> ChargeRequest {
    ChargeRequest {
        query: digest(b'q', number),
        items: vec![(digest(b'a', 0), cost(rho))],
        intent: digest(b'i', number),
        inputs: vec![digest(b'x', 0)],
        day: 1,
    }
}

/// A log with an account of `cap`, an extract, and `charges` charges of 1.
struct Fixture {
    directory: TempDir,
}

impl Fixture {
    fn new(cap: u64, charges: u32, is_witnessed: bool) -> Self {
        let fixture = Self { directory: tempfile::tempdir().unwrap() };
        let witness = is_witnessed.then(|| fixture.witness());
        let log = LogLedger::create(&fixture.log(), ORIGIN, signer(), witness).unwrap();
        log.open_account(&Opening { account: digest(b'a', 0), cap: cost(cap) }).unwrap();
        let (root, key) = (digest(b'x', 0), digest(b'k', 0));
        let account = digest(b'a', 0);
        log.attest(&Attestation { root, account, key, expires_day: 9 }).unwrap();
        for number in 0..charges {
            drop(log.charge(&charge(number, 1), Finality::Local).unwrap());
        }
        fixture
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn witness(&self) -> PathBuf {
        self.directory.path().join("elsewhere/witness")
    }

    fn wal(&self) -> PathBuf {
        self.log().join(WAL)
    }

    fn checkpoint(&self) -> PathBuf {
        self.log().join(CHECKPOINT)
    }

    fn open(&self) -> Result<LogLedger, LedgerError> {
        LogLedger::open(&self.log(), signer(), None)
    }

    fn open_witnessed(&self) -> Result<LogLedger, LedgerError> {
        LogLedger::open(&self.log(), signer(), Some(self.witness()))
    }

    /// Entries, checkpoint.
    fn snapshot(&self) -> (Vec<u8>, Vec<u8>) {
        (fs::read(self.wal()).unwrap(), fs::read(self.checkpoint()).unwrap())
    }

    fn restore(&self, (wal, checkpoint): &(Vec<u8>, Vec<u8>)) {
        fs::write(self.wal(), wal).unwrap();
        fs::write(self.checkpoint(), checkpoint).unwrap();
    }
}

pub(super) fn fault<T: fmt::Debug>(result: Result<T, LedgerError>) -> Untrusted {
    match result {
        Err(LedgerError::Untrusted { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

pub(super) fn spent(log: &LogLedger) -> u64 {
    log.remaining(digest(b'a', 0)).unwrap().unwrap().spent.rho.nano()
}

/// Where each frame begins, and the end.
pub(super) fn places(wal: &[u8]) -> Vec<usize> {
    let mut places = vec![MAGIC.len()];
    while let Some(head) = wal[*places.last().unwrap()..].first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*head)).unwrap();
        places.push(places.last().unwrap() + 8 + length);
    }
    places
}

#[test]
fn a_log_comes_back() {
    let fixture = Fixture::new(10, 3, false);
    let log = fixture.open().unwrap();
    assert_eq!((log.len().unwrap(), spent(&log)), (5, 3));
    assert_eq!(log.check().unwrap().size, 5);
    assert_eq!(log.entries(4..5).unwrap(), [Entry::Charge(charge(2, 1))]);
    assert!(log.entries(4..6).is_err());
    let proof = log.proof(&[4, 0]).unwrap();
    assert_eq!(proof.verify(Some(&log.vkey())).unwrap().len(), 2);
    assert!(log.proof(&[5]).is_err());
    let created = LogLedger::create(&fixture.log(), ORIGIN, signer(), None);
    assert!(matches!(created, Err(LedgerError::Refused { .. })));
    let other = LogLedger::open(&fixture.log(), Signer::from_seed(&[2; 32]), None);
    assert_eq!(fault(other), Untrusted::Signer);
    let need = log.charge(&charge(9, 1), Finality::Witnessed);
    assert!(matches!(need, Err(LedgerError::Finality { .. })));
}

#[test]
fn a_truncation_at_every_entry_is_detected() {
    let fixture = Fixture::new(10, 4, false);
    let (wal, checkpoint) = fixture.snapshot();
    for (found, place) in (0..6).zip(places(&wal)) {
        fixture.restore(&(wal[..place].to_vec(), checkpoint.clone()));
        assert_eq!(fault(fixture.open()), Untrusted::Truncated { signed: 6, found });
    }
    fs::remove_file(fixture.wal()).unwrap();
    assert_eq!(fault(fixture.open()), Untrusted::Missing);
    let again = LogLedger::create(&fixture.log(), ORIGIN, signer(), None);
    assert_eq!(fault(again), Untrusted::Truncated { signed: 6, found: 0 });
}

#[test]
fn a_signed_overdraft_is_detected() {
    let fixture = Fixture::new(2, 2, false);
    let (mut wal, checkpoint) = fixture.snapshot();
    frame(&Entry::Charge(charge(7, 1)).encode(), &mut wal).unwrap();
    fixture.restore(&(wal.clone(), checkpoint));
    assert_eq!(fault(fixture.open()), Untrusted::Rule { index: 4 });
    // Also if whoever holds the key signed it.
    let mut tree = Tree::default();
    for pair in places(&wal).windows(2) {
        tree.push(crate::tree::leaf_hash(&wal[pair[0] + 8..pair[1]]));
    }
    let signed = Checkpoint { origin: ORIGIN.to_owned(), size: 5, root: tree.root() };
    fixture.restore(&(wal, signed.sign(&signer()).into_bytes()));
    assert_eq!(fault(fixture.open()), Untrusted::Rule { index: 4 });
}

#[test]
fn a_whole_entry_beyond_the_checkpoint_counts_as_spent() {
    let fixture = Fixture::new(10, 1, true);
    let (mut wal, checkpoint) = fixture.snapshot();
    frame(&Entry::Charge(charge(7, 4)).encode(), &mut wal).unwrap();
    wal.extend([1, 2, 3]);
    fixture.restore(&(wal, checkpoint));
    let log = fixture.open_witnessed().unwrap();
    assert_eq!((log.len().unwrap(), spent(&log)), (4, 5));
    assert!(matches!(log.outcome(digest(b'q', 7)).unwrap(), Some(Outcome::Charged(_))));
    assert_eq!(log.check().unwrap().size, 4);
    // It was signed and witnessed on opening, so it cannot be cut any more.
    let seen = fs::read_to_string(fixture.witness()).unwrap();
    assert_eq!(seen.as_bytes(), fs::read(fixture.checkpoint()).unwrap());
}

/// P8: a restored snapshot opens clean, because all that is in it was signed. `Local` is
/// tamper-evident and not rollback-proof; a witness is both.
#[test]
fn a_rollback_is_refused_by_the_witness_only() {
    let fixture = Fixture::new(10, 1, true);
    let old = fixture.snapshot();
    let log = fixture.open_witnessed().unwrap();
    let Admission::Granted(charged) = log.charge(&charge(7, 1), Finality::Witnessed).unwrap()
    else {
        panic!("repeated")
    };
    assert_eq!(charged.placed().finality, Finality::Witnessed);
    drop(log);
    fixture.restore(&old);
    let rolled_back = Untrusted::RolledBack { seen: 4, found: 3 };
    assert_eq!(fault(fixture.open_witnessed()), rolled_back);
    // Without the witness nobody can tell: this is what `Local` means.
    assert_eq!(spent(&fixture.open().unwrap()), 1);
    fs::remove_file(fixture.checkpoint()).unwrap();
    let gone = Untrusted::RolledBack { seen: 4, found: 0 };
    assert_eq!(fault(fixture.open_witnessed()), gone);
    assert_eq!(fault(fixture.open()), Untrusted::Missing);
    fs::remove_dir_all(fixture.log()).unwrap();
    assert_eq!(fault(fixture.open_witnessed()), gone);
    let anew = LogLedger::create(&fixture.log(), ORIGIN, signer(), Some(fixture.witness()));
    assert_eq!(fault(anew), gone);
}

#[test]
fn a_fork_is_refused_by_the_witness() {
    let fixture = Fixture::new(10, 0, true);
    let old = fixture.snapshot();
    let log = fixture.open_witnessed().unwrap();
    (0..3).for_each(|number| drop(log.charge(&charge(number, 1), Finality::Local).unwrap()));
    drop(log);
    for charges in [3_u32, 4] {
        fixture.restore(&old);
        let log = fixture.open().unwrap();
        for number in 100..100 + charges {
            drop(log.charge(&charge(number, 1), Finality::Local).unwrap());
        }
        drop(log);
        assert_eq!(fault(fixture.open_witnessed()), Untrusted::Forked);
    }
}

#[test]
fn a_lost_witness_is_not_replaced_in_silence() {
    let fixture = Fixture::new(10, 1, true);
    let log = fixture.open_witnessed().unwrap();
    fs::remove_file(fixture.witness()).unwrap();
    assert_eq!(fault(log.charge(&charge(7, 1), Finality::Local)), Untrusted::Missing);
    drop(log);
    assert_eq!(fault(fixture.open_witnessed()), Untrusted::Missing);
    // The charge that could not be witnessed is spent.
    assert_eq!(spent(&fixture.open().unwrap()), 2);
    LogLedger::add_witness(&fixture.log(), signer(), fixture.witness()).unwrap();
    assert_eq!(fixture.open_witnessed().unwrap().len().unwrap(), 4);
}

#[test]
fn a_rollback_under_an_open_log_is_refused() {
    let fixture = Fixture::new(10, 1, false);
    let old = fixture.snapshot();
    let log = fixture.open().unwrap();
    drop(log.charge(&charge(7, 1), Finality::Local).unwrap());
    fixture.restore(&old);
    let found = fault(log.charge(&charge(8, 1), Finality::Local));
    assert_eq!(found, Untrusted::RolledBack { seen: 4, found: 3 });
    assert_eq!(fault(log.remaining(digest(b'a', 0))), found);
    // Another file under the same name.
    fs::remove_file(fixture.wal()).unwrap();
    fixture.restore(&old);
    assert_eq!(fault(log.len()), found);
}

#[test]
fn two_handles_and_many_threads_never_overspend() {
    let fixture = Fixture::new(100, 0, true);
    let handles = [fixture.open_witnessed().unwrap(), fixture.open_witnessed().unwrap()];
    let granted: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6_u32)
            .map(|thread| {
                let log = &handles[usize::try_from(thread % 2).unwrap()];
                scope.spawn(move || {
                    let grants = |number: &u32| {
                        let request = charge(thread * 1000 + number, 7);
                        match log.charge(&request, Finality::Witnessed) {
                            Ok(Admission::Granted(_)) => true,
                            Err(LedgerError::Exhausted { .. }) => false,
                            other => panic!("{other:?}"),
                        }
                    };
                    (0..8).filter(grants).count() as u64
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(granted, 100 / 7);
    for log in &handles {
        assert_eq!(spent(log), 98);
        assert_eq!(log.check().unwrap().size, 2 + granted);
    }
}

#[test]
fn what_one_handle_writes_the_other_reads() {
    let fixture = Fixture::new(10, 0, false);
    let (one, two) = (fixture.open().unwrap(), fixture.open().unwrap());
    let Admission::Granted(charged) = one.charge(&charge(1, 3), Finality::Local).unwrap() else {
        panic!("repeated")
    };
    assert_eq!(spent(&two), 3);
    let again = two.charge(&charge(1, 3), Finality::Local).unwrap();
    assert!(matches!(again, Admission::Repeated(placed) if placed.index == 2));
    let placed = one.release(charged, digest(b'r', 1)).unwrap();
    assert_eq!(placed.index, 3);
    let outcome = two.outcome(digest(b'q', 1)).unwrap();
    assert!(matches!(outcome, Some(Outcome::Released(_, _))));
    assert_eq!(two.proof(&[2, 3]).unwrap().verify(Some(&one.vkey())).unwrap().len(), 2);
}
