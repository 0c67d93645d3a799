//! The log under witnesses that cosign: what it promises with them, and what without.

use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::cosignature::Cosigner;
use crate::log::commit::COSIGNED;
use crate::loopback::Loopback;
use crate::mirror::Mirror;
use crate::note::VerifierKey;
use crate::policy::Policy;
use crate::tiles;
use crate::tiles::source::Source;
use crate::witnessing::{Cosigners, Witness};

fn cosigner(number: u8) -> Cosigner {
    let signer = Signer::from_seed(&[50 + number; 32]);
    Cosigner::new(&format!("w{number}.example"), signer).unwrap()
}

/// The key that may take the place of the log's.
fn next() -> Signer {
    Signer::from_seed(&[2; 32])
}

/// A witness that a test can take down.
struct Served {
    is_up: Arc<Mutex<bool>>,
    server: Loopback,
}

impl Served {
    fn new(directory: &Path, number: u8) -> Self {
        let keys = [signer(), next()];
        let keys = keys.map(|key| VerifierKey::new(ORIGIN, key.public()).unwrap());
        let directory = directory.join(format!("w{number}"));
        let witness = Witness::open(&directory, cosigner(number), keys.to_vec()).unwrap();
        let is_up = Arc::new(Mutex::new(true));
        let up = Arc::clone(&is_up);
        let server = Loopback::start(move |_, body| {
            if !*up.lock().unwrap() {
                return (503, String::new(), Vec::new());
            }
            let reply = witness.add_checkpoint(body, 1_795_305_600);
            (reply.status, reply.content_type.to_owned(), reply.body.into_bytes())
        });
        Self { is_up, server }
    }

    fn set(&self, is_up: bool) {
        *self.is_up.lock().unwrap() = is_up;
    }
}

/// A log under three witnesses, of which two are enough.
struct Watched {
    fixture: Fixture,
    witnesses: Vec<Served>,
}

impl Watched {
    fn new(cap: u64) -> Self {
        let fixture = Fixture { directory: tempfile::tempdir().unwrap() };
        let witnesses =
            (0..3).map(|number| Served::new(fixture.directory.path(), number)).collect();
        let watched = Self { fixture, witnesses };
        let watch = watched.watch();
        let log = LogLedger::create(&watched.fixture.log(), ORIGIN, signer(), watch).unwrap();
        log.open_account(&Opening { account: digest(b'a', 0), cap: cost(cap) }).unwrap();
        let (account, root, key) = (digest(b'a', 0), digest(b'x', 0), digest(b'k', 0));
        log.attest(&Attestation { root, account, key, expires_day: 9 }).unwrap();
        watched
    }

    fn policy(&self) -> Policy {
        self.policy_of(&signer())
    }

    fn policy_of(&self, log: &Signer) -> Policy {
        let key = VerifierKey::new(ORIGIN, log.public()).unwrap();
        let mut text = format!("log {key}\n");
        for (number, witness) in (0..).zip(&self.witnesses) {
            let (key, url) = (cosigner(number).key().clone(), witness.server.url());
            text.push_str(&format!("witness w{number} {key} {url}\n"));
        }
        Policy::parse(&format!("{text}group g 2 w0 w1 w2\nquorum g\n")).unwrap()
    }

    fn watch(&self) -> Watch {
        self.watch_of(&signer())
    }

    fn watch_of(&self, log: &Signer) -> Watch {
        let cosigners = Cosigners::new(self.policy_of(log), Duration::from_secs(10)).unwrap();
        Watch { cosigners: Some(cosigners), ..Watch::default() }
    }

    fn open(&self) -> Result<LogLedger, LedgerError> {
        LogLedger::open(&self.fixture.log(), signer(), self.watch())
    }

    fn set(&self, up: [bool; 3]) {
        self.witnesses.iter().zip(up).for_each(|(witness, is_up)| witness.set(is_up));
    }
}

fn is_unwitnessed<T: fmt::Debug>(result: Result<T, LedgerError>) -> bool {
    matches!(&result, Err(error @ LedgerError::Unwitnessed { .. }) if error.is_retryable())
}

#[test]
fn a_cosigned_record_is_witnessed_and_its_proof_shows_the_quorum() {
    let watched = Watched::new(10);
    let log = watched.open().unwrap();
    let Admission::Granted(charged) = log.charge(&charge(1, 3), Finality::Witnessed).unwrap()
    else {
        panic!("repeated")
    };
    assert_eq!(charged.placed().finality, Finality::Witnessed);
    let proof = log.proof(&[2]).unwrap();
    assert_eq!(proof.verify(Some(&log.vkey())).unwrap()[0].0, 2);
    let approved = proof.verify_quorum(&watched.policy()).unwrap();
    assert_eq!(approved.checkpoint.size, 3);
    assert!(approved.cosigned.len() >= 2);
    // The file beside the checkpoint is what the proof carries; the checkpoint itself is plain.
    let kept = fs::read_to_string(watched.fixture.log().join(COSIGNED)).unwrap();
    assert_eq!(kept, proof.checkpoint);
    let plain = fs::read_to_string(watched.fixture.checkpoint()).unwrap();
    let bare = LogProof { checkpoint: plain, ..proof };
    assert_eq!(fault(bare.verify_quorum(&watched.policy())), Untrusted::Quorum { has: 0 });
}

#[test]
fn without_a_quorum_a_charge_fails_stays_spent_and_is_found_later() {
    let watched = Watched::new(10);
    let log = watched.open().unwrap();
    watched.set([true, false, false]);
    assert!(is_unwitnessed(log.charge(&charge(1, 3), Finality::Witnessed)));
    assert!(is_unwitnessed(log.charge(&charge(1, 3), Finality::Witnessed)));
    assert!(is_unwitnessed(log.outcome(digest(b'q', 1))));
    assert!(is_unwitnessed(log.proof(&[0])));
    assert!(is_unwitnessed(watched.open()));
    // Nothing more was written by asking again, and nobody else's charge slips through.
    assert!(is_unwitnessed(log.charge(&charge(2, 8), Finality::Witnessed)));
    watched.set([true, true, false]);
    let repeated = log.charge(&charge(1, 3), Finality::Witnessed).unwrap();
    assert!(matches!(repeated, Admission::Repeated(placed) if placed.index == 2));
    assert!(matches!(log.outcome(digest(b'q', 1)).unwrap(), Some(Outcome::Charged(_))));
    assert_eq!((log.len().unwrap(), spent(&log)), (3, 3));
    let exhausted = log.charge(&charge(2, 8), Finality::Witnessed);
    assert!(matches!(exhausted, Err(LedgerError::Exhausted { .. })));
    watched.set([true, true, true]);
    drop(log.charge(&charge(3, 7), Finality::Witnessed).unwrap());
    assert_eq!(log.check().unwrap().size, 4);
}

#[test]
fn a_rolled_back_or_forked_log_is_refused_by_its_witnesses() {
    let watched = Watched::new(100);
    let cosigned = watched.fixture.log().join(COSIGNED);
    let old = (watched.fixture.snapshot(), fs::read(&cosigned).unwrap());
    let log = watched.open().unwrap();
    (0..3).for_each(|number| drop(log.charge(&charge(number, 1), Finality::Local).unwrap()));
    drop(log);
    // The whole directory, with the cosignatures of then.
    watched.fixture.restore(&old.0);
    fs::write(&cosigned, &old.1).unwrap();
    assert_eq!(fault(watched.open()), Untrusted::RolledBack { seen: 5, found: 2 });
    for charges in [3_u32, 4] {
        watched.fixture.restore(&old.0);
        let log = watched.fixture.open().unwrap();
        for number in 100..100 + charges {
            drop(log.charge(&charge(number, 1), Finality::Local).unwrap());
        }
        drop(log);
        assert_eq!(fault(watched.open()), Untrusted::Forked);
    }
    // Nor is it begun anew.
    fs::remove_dir_all(watched.fixture.log()).unwrap();
    let anew = LogLedger::create(&watched.fixture.log(), ORIGIN, signer(), watched.watch());
    assert_eq!(fault(anew), Untrusted::RolledBack { seen: 5, found: 0 });
}

#[test]
fn two_processes_share_what_was_gathered_and_ignore_what_was_spoilt() {
    let watched = Watched::new(10);
    let (one, two) = (watched.open().unwrap(), watched.open().unwrap());
    drop(one.charge(&charge(1, 1), Finality::Witnessed).unwrap());
    watched.set([false; 3]);
    assert_eq!(two.proof(&[2]).unwrap(), one.proof(&[2]).unwrap());
    watched.set([true; 3]);
    drop(one.charge(&charge(2, 1), Finality::Witnessed).unwrap());
    watched.set([false; 3]);
    let path = watched.fixture.log().join(COSIGNED);
    let kept = fs::read(&path).unwrap();
    let mut wrong = kept.clone();
    let last = wrong.len() - 10;
    wrong[last] ^= 1;
    for spoilt in [wrong, kept[..kept.len() - 1].to_vec(), Vec::new(), vec![0xff]] {
        fs::write(&path, spoilt).unwrap();
        assert!(is_unwitnessed(two.len()));
    }
    fs::write(&path, kept).unwrap();
    assert_eq!(two.len().unwrap(), 4);
}

#[test]
fn mirrors_cosign_a_charge_that_they_have_replayed() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let key = VerifierKey::new(ORIGIN, signer().public()).unwrap();
    let source = Source::directory(&path("tiles"));
    let mirror = Mirror::open(&path("mirror"), vec![key], cosigner(0)).unwrap();
    let mirror = Arc::new(Mutex::new(mirror));
    let (kept, from) = (Arc::clone(&mirror), source.clone());
    let server = Loopback::start(move |_, body| {
        let reply = kept.lock().unwrap().add_checkpoint(body, &from, 1_795_305_600);
        (reply.status, reply.content_type.to_owned(), reply.body.into_bytes())
    });
    let policy = format!("witness m {} {}\nquorum m\n", cosigner(0).key(), server.url());
    let watch = |tiles| {
        let policy = Policy::parse(&policy).unwrap();
        let cosigners = Some(Cosigners::new(policy, Duration::from_secs(10)).unwrap());
        Watch { file: None, cosigners, tiles }
    };
    let tiles = Some(path("tiles"));
    let log = LogLedger::create(&path("log"), ORIGIN, signer(), watch(tiles.clone())).unwrap();
    let (account, root, key) = (digest(b'a', 0), digest(b'x', 0), digest(b'k', 0));
    log.open_account(&Opening { account, cap: cost(9) }).unwrap();
    log.attest(&Attestation { root, account, key, expires_day: 9 }).unwrap();
    drop(log.charge(&charge(1, 4), Finality::Witnessed).unwrap());
    let held = mirror.lock().unwrap().state().balance(account);
    assert_eq!(held, log.remaining(account).unwrap());
    // What is exported has the cosignature, and is whole.
    let exported = source.checkpoint().unwrap();
    assert_eq!(exported, log.proof(&[0]).unwrap().checkpoint);
    let checked = tiles::check(&source, &log.vkey().parse().unwrap()).unwrap();
    assert_eq!(checked.size, 3);
    drop(log);
    // A mirror that is not shown the entries does not cosign.
    let log = LogLedger::open(&path("log"), signer(), watch(None)).unwrap();
    assert!(is_unwitnessed(log.charge(&charge(2, 1), Finality::Witnessed)));
    drop(log);
    let log = LogLedger::open(&path("log"), signer(), watch(tiles)).unwrap();
    assert!(matches!(log.outcome(digest(b'q', 2)).unwrap(), Some(Outcome::Charged(_))));
    assert_eq!(mirror.lock().unwrap().last().unwrap().size, 4);
    // Who follows by the policy goes as far as others saw the log, and no further on its own word.
    let follower = |name: &str| {
        let key = VerifierKey::new(ORIGIN, signer().public()).unwrap();
        let mirror = Mirror::open(&path(name), vec![key], cosigner(1)).unwrap();
        mirror.asking(Policy::parse(&policy).unwrap())
    };
    let mut first = follower("first");
    first.update(&source, 1_795_305_600).unwrap();
    assert_eq!(first.last().unwrap().size, 4);
    let note = source.checkpoint().unwrap();
    let alone: String = note.lines().take(5).map(|line| format!("{line}\n")).collect();
    fs::write(path("tiles").join("checkpoint"), alone).unwrap();
    for mut mirror in [first, follower("second")] {
        let refused = fault(mirror.update(&source, 1_795_305_600));
        assert_eq!(refused, Untrusted::Quorum { has: 0 });
    }
}

#[test]
fn a_policy_for_another_log_is_refused_before_anything_is_written() {
    let watched = Watched::new(10);
    let directory = watched.fixture.directory.path().join("other");
    let made = LogLedger::create(&directory, "example.org/other", signer(), watched.watch());
    assert!(made.is_err());
    assert!(!directory.join(WAL).exists());
}

#[test]
fn a_new_key_is_in_place_once_enough_witnesses_cosigned_both() {
    let watched = Watched::new(10);
    let rotate =
        || LogLedger::replace_key(&watched.fixture.log(), signer(), next(), watched.watch());
    watched.set([true, false, false]);
    assert!(is_unwitnessed(rotate()));
    watched.set([true; 3]);
    assert_eq!(rotate().unwrap(), 2);
    let note = fs::read_to_string(watched.fixture.log().join(COSIGNED)).unwrap();
    for log in [signer(), next()] {
        let approved = watched.policy_of(&log).verify(&note, None, "cosigned").unwrap();
        assert_eq!((approved.checkpoint.size, approved.cosigned.len()), (3, 2));
    }
    // The log's own policy names the new key from now on.
    let open = |log| LogLedger::open(&watched.fixture.log(), next(), watched.watch_of(&log));
    assert_eq!(fault(open(signer())), Untrusted::Signer);
    let log = open(next()).unwrap();
    drop(log.charge(&charge(1, 1), Finality::Witnessed).unwrap());
    let proof = log.proof(&[3]).unwrap();
    assert_eq!(proof.verify_quorum(&watched.policy_of(&next())).unwrap().checkpoint.size, 4);
    assert_eq!(fault(proof.verify_quorum(&watched.policy())), Untrusted::Signer);
}
