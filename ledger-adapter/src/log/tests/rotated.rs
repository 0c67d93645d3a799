//! The log under a new key: what it goes on with, what a stolen old key can do, and crashes.

use super::*;
use crate::charge::{KeyRole, KeyRotation};
use crate::cosignature::Cosigner;
use crate::disk::simulated::{Fault, Simulated};
use crate::mirror::Mirror;
use crate::note::{Checkpoint, Note, VerifierKey};
use crate::tiles;
use crate::tiles::source::Source;
use crate::tree::{Tree, leaf_hash};
use crate::witnessing::Witness;
use crate::witnessing::request::AddCheckpoint;

/// The key that takes the place of [`signer`].
fn new() -> Signer {
    Signer::from_seed(&[2; 32])
}

fn newest() -> Signer {
    Signer::from_seed(&[3; 32])
}

fn vkey(signer: &Signer) -> VerifierKey {
    VerifierKey::new(ORIGIN, signer.public()).unwrap()
}

fn is_replaced<T: fmt::Debug>(result: &Result<T, LedgerError>) -> bool {
    matches!(result, Err(LedgerError::Refused { rule }) if rule.contains("was replaced"))
}

fn rotation(old: &Signer, new: &Signer) -> KeyRotation {
    let (old, new) = (old.public().keyid(), new.public().keyid());
    KeyRotation { role: KeyRole::Log, old, new }
}

/// Who signed a note, verifiably, of the three keys.
fn signed_by(note: &str) -> Vec<usize> {
    let signers = [signer(), new(), newest()];
    (0..3).filter(|at| vkey(&signers[*at]).open(note, "note").is_ok()).collect()
}

/// What a log asks of a witness that has `old` entries.
fn request(note: &str, tree: &Tree, old: u64) -> Vec<u8> {
    let proof = tree.consistency(old, tree.len()).unwrap();
    AddCheckpoint { old, proof, note: Note::parse(note).unwrap() }.encode()
}

impl Fixture {
    fn rotate(&self, old: Signer, new: Signer) -> Result<u64, LedgerError> {
        LogLedger::replace_key(&self.log(), old, new, Some(self.witness()))
    }

    fn open_by(&self, signer: Signer) -> Result<LogLedger, LedgerError> {
        LogLedger::open(&self.log(), signer, Some(self.witness()))
    }
}

#[test]
fn the_new_key_goes_on_and_the_old_one_opens_nothing() {
    let fixture = Fixture::new(10, 2, true);
    let running = fixture.open_witnessed().unwrap();
    assert_eq!(fixture.rotate(signer(), new()).unwrap(), 4);
    for path in [fixture.checkpoint(), fixture.witness()] {
        assert_eq!(signed_by(&fs::read_to_string(path).unwrap()), [0, 1]);
    }
    // Asked for again, it is done already.
    assert_eq!(fixture.rotate(signer(), new()).unwrap(), 4);
    assert!(is_replaced(&fixture.open_witnessed()));
    assert!(is_replaced(&running.charge(&charge(5, 1), Finality::Local)));
    assert!(is_replaced(&running.len()));

    let log = fixture.open_by(new()).unwrap();
    assert_eq!((log.len().unwrap(), spent(&log)), (5, 2));
    assert_eq!(log.entries(4..5).unwrap(), [Entry::Key(rotation(&signer(), &new()))]);
    drop(log.charge(&charge(6, 1), Finality::Witnessed).unwrap());
    assert_eq!(log.check().unwrap().size, 6);
    for path in [fixture.checkpoint(), fixture.witness()] {
        assert_eq!(signed_by(&fs::read_to_string(path).unwrap()), [1]);
    }
    assert_eq!(log.proof(&[0]).unwrap().verify(Some(&vkey(&new()).to_string())).unwrap().len(), 1);
    // Also after more entries it is done already, and the old key signs nothing for that.
    assert_eq!(fixture.rotate(signer(), new()).unwrap(), 4);
    assert_eq!(signed_by(&fs::read_to_string(fixture.checkpoint()).unwrap()), [1]);
    assert_eq!(fault(fixture.open_witnessed()), Untrusted::Signer);
    assert_eq!(fault(running.len()), Untrusted::Signer);
}

#[test]
fn keys_follow_one_another_and_none_comes_back() {
    let fixture = Fixture::new(10, 1, true);
    fixture.rotate(signer(), new()).unwrap();
    assert!(is_replaced(&fixture.rotate(signer(), newest())));
    assert!(matches!(fixture.rotate(new(), signer()), Err(LedgerError::Refused { .. })));
    assert_eq!(fixture.open_by(new()).unwrap().len().unwrap(), 4);
    assert_eq!(fixture.rotate(new(), newest()).unwrap(), 4);
    assert!(is_replaced(&fixture.open_by(new())));
    assert_eq!(fault(fixture.open_by(signer())), Untrusted::Signer);
    let log = fixture.open_by(newest()).unwrap();
    assert_eq!(log.check().unwrap().size, 5);
    for (old, next) in [(newest(), signer()), (newest(), new()), (newest(), newest())] {
        assert!(fixture.rotate(old, next).is_err());
    }
    // Whoever has another key than the log's puts none in its place.
    let stranger = Signer::from_seed(&[9; 32]);
    assert_eq!(fault(fixture.rotate(stranger.clone(), Signer::from_seed(&[8; 32]))), {
        Untrusted::Signer
    });
    assert!(fixture.rotate(stranger, newest()).is_err());
    assert_eq!(log.len().unwrap(), 5);
}

#[test]
fn the_first_rotation_is_of_the_key_that_signed() {
    let fixture = Fixture::new(10, 1, false);
    let stranger = Signer::from_seed(&[9; 32]);
    let wrong = LogLedger::replace_key(&fixture.log(), stranger, signer(), None);
    assert_eq!(fault(wrong), Untrusted::Signer);
    assert_eq!(fixture.open().unwrap().len().unwrap(), 3);
}

#[test]
fn a_thief_of_the_old_key_continues_nothing() {
    let fixture = Fixture::new(10, 2, true);
    let before = fixture.snapshot();
    fixture.rotate(signer(), new()).unwrap();
    let after = fixture.snapshot();
    let witness = fs::read(fixture.witness()).unwrap();

    // From the log as it was before: the witness has seen more.
    fixture.restore(&before);
    assert_eq!(fault(fixture.open_by(signer())), Untrusted::RolledBack { seen: 5, found: 4 });
    assert_eq!(fault(fixture.open_by(new())), Untrusted::Signer);
    // Another entry in the place of the rotation is a fork.
    let thief = fixture.open().unwrap();
    drop(thief.charge(&charge(7, 1), Finality::Local).unwrap());
    drop(thief);
    assert_eq!(fault(fixture.open_by(signer())), Untrusted::Forked);
    assert_eq!(fault(fixture.open_by(new())), Untrusted::Signer);

    // From the log as it is: an entry more, under a checkpoint of the old key.
    let entry = Entry::Charge(charge(7, 1)).encode();
    let (mut wal, mut tree) = (after.0.clone(), Tree::default());
    frame(&entry, &mut wal).unwrap();
    fixture.restore(&after);
    let entries = fixture.open_by(new()).unwrap().raw_entries(0..5).unwrap();
    entries.iter().chain([&entry]).for_each(|entry| tree.push(leaf_hash(entry)));
    let (origin, root) = (ORIGIN.to_owned(), tree.root());
    let note = Checkpoint { origin, size: 6, root }.sign(&signer());
    fixture.restore(&(wal, note.clone().into_bytes()));
    assert!(is_replaced(&fixture.open_by(signer())));
    assert_eq!(fault(fixture.open_by(new())), Untrusted::Signer);
    assert_eq!(fs::read(fixture.witness()).unwrap(), witness, "the witness saw none of it");
    // A thief who also writes the witness file is found by whoever has the new key.
    fs::write(fixture.witness(), note).unwrap();
    fixture.restore(&after);
    assert_eq!(fault(fixture.open_by(new())), Untrusted::Signer);
}

#[test]
fn witnesses_and_mirrors_follow_to_the_new_key_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let fixture = Fixture::new(10, 2, true);
    let source = Source::directory(&path("tiles"));
    let cosigner =
        |number: u8| Cosigner::new("w.example", Signer::from_seed(&[50 + number; 32])).unwrap();
    let witness = |keys| Witness::open(&path("witness"), cosigner(0), keys).unwrap();
    let mirror = |keys| Mirror::open(&path("mirror"), keys, cosigner(1)).unwrap();
    let ask = |witness: Witness, log: &LogLedger| {
        let (_, note, tree) = log.published().unwrap();
        let old = witness.last(ORIGIN).unwrap().map_or(0, |last| last.size);
        let body = request(&note, &tree, old);
        witness.add_checkpoint(&body, 1_795_305_600).status
    };
    let log = fixture.open_witnessed().unwrap();
    tiles::export(&log, &path("tiles")).unwrap();
    assert_eq!(ask(witness(vec![vkey(&signer())]), &log), 200);
    mirror(vec![vkey(&signer())]).update(&source, 1).unwrap();
    drop(log);

    // The export follows, and who knows the old key only cosigns the checkpoint of both.
    let watch =
        Watch { file: Some(fixture.witness()), tiles: Some(path("tiles")), ..Watch::default() };
    LogLedger::replace_key(&fixture.log(), signer(), new(), watch).unwrap();
    assert_eq!(signed_by(&source.checkpoint().unwrap()), [0, 1]);
    let log = fixture.open_by(new()).unwrap();
    assert_eq!(ask(witness(vec![vkey(&signer())]), &log), 200);
    let note = mirror(vec![vkey(&signer())]).update(&source, 2).unwrap();
    assert_eq!(note.checkpoint().unwrap().size, 5);

    drop(log.charge(&charge(6, 1), Finality::Witnessed).unwrap());
    tiles::export(&log, &path("tiles")).unwrap();
    assert_eq!(ask(witness(vec![vkey(&signer())]), &log), 403);
    let both = vec![vkey(&signer()), vkey(&new())];
    let behind = mirror(vec![vkey(&signer())]).update(&source, 3);
    assert_eq!(fault(behind), Untrusted::Signer);
    // A thief of the old key signs the same entries: the mirror knows where that key ends, and
    // the witness no longer knows that key.
    let (checkpoint, signed, tree) = log.published().unwrap();
    let stolen = checkpoint.sign(&signer());
    fs::write(path("tiles").join("checkpoint"), &stolen).unwrap();
    assert_eq!(fault(mirror(both.clone()).update(&source, 4)), Untrusted::Signer);
    let known = witness(vec![vkey(&new())]);
    let body = request(&stolen, &tree, 5);
    assert_eq!(known.add_checkpoint(&body, 1_795_305_600).status, 403);
    fs::write(path("tiles").join("checkpoint"), &signed).unwrap();
    assert_eq!(ask(known, &log), 200);
    assert_eq!(mirror(both).update(&source, 5).unwrap().checkpoint().unwrap().size, 6);
    assert_eq!(mirror(vec![vkey(&new())]).last().unwrap().size, 6);
    // A new mirror replays all of it by the new key alone.
    let fresh = Mirror::open(&path("fresh"), vec![vkey(&new())], cosigner(1));
    assert_eq!(fresh.unwrap().update(&source, 6).unwrap().checkpoint().unwrap().size, 6);
}

const LOG: &str = "/srv/log";
const WITNESS: &str = "/mnt/witness";

/// A log of four entries on a disk, and the rotation of its key there.
fn on_disk(seed: u64) -> (Simulated, impl Fn(&Simulated) -> Result<u64, LedgerError>) {
    let disk = Simulated::new(seed);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let witness = Some(PathBuf::from(WITNESS));
    let log = LogLedger::create_on(shared, Path::new(LOG), ORIGIN, signer(), witness).unwrap();
    let (account, root, key) = (digest(b'a', 0), digest(b'x', 0), digest(b'k', 0));
    log.open_account(&Opening { account, cap: cost(10) }).unwrap();
    log.attest(&Attestation { root, account, key, expires_day: 9 }).unwrap();
    (0..2).for_each(|number| drop(log.charge(&charge(number, 1), Finality::Local).unwrap()));
    drop(log);
    (disk, |disk| {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let witness = Some(PathBuf::from(WITNESS));
        LogLedger::replace_key_on(shared, Path::new(LOG), signer(), new(), witness)
    })
}

fn open_on(disk: &Simulated, signer: Signer) -> Result<LogLedger, LedgerError> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    LogLedger::open_on(shared, Path::new(LOG), signer, Some(PathBuf::from(WITNESS)))
}

/// No file has a checkpoint of the rotation, or beyond it, that one key alone signed.
fn is_never_signed_by_one(disk: &Simulated) {
    for path in [Path::new(LOG).join(CHECKPOINT), PathBuf::from(WITNESS)] {
        let note = String::from_utf8(disk.bytes(&path).unwrap()).unwrap();
        let size = Note::parse(&note).unwrap().checkpoint().unwrap().size;
        let signers: &[usize] = if size < 5 { &[0] } else { &[0, 1] };
        assert_eq!(signed_by(&note), signers, "{note}");
    }
}

#[test]
fn a_rotation_goes_on_after_a_fault_at_any_call() {
    let (disk, rotate) = on_disk(0);
    let before = disk.calls().len();
    assert_eq!(rotate(&disk).unwrap(), 4);
    let calls = disk.calls()[before..].to_vec();
    assert!(calls.len() > 20, "{calls:?}");
    let mut refused = 0;
    for (call, name) in calls.iter().enumerate() {
        for fault in [Fault::Broken, Fault::Full, Fault::Death, Fault::Power] {
            println!("{fault:?} at {call}, {name}");
            let (disk, rotate) = on_disk(u64::try_from(call).unwrap());
            disk.plan(call, fault);
            let first = rotate(&disk);
            assert_eq!(disk.planned(), 0);
            assert!(!matches!(first, Err(LedgerError::Untrusted { .. })), "{first:?}");
            if matches!(fault, Fault::Death | Fault::Power) {
                disk.start();
            }
            is_never_signed_by_one(&disk);
            // The old key goes on if the entry is not there, and signs nothing if it is.
            match open_on(&disk, signer()) {
                Ok(log) => assert_eq!(log.len().unwrap(), 4),
                other => {
                    assert!(is_replaced(&other), "{other:?}");
                    refused += 1;
                }
            }
            is_never_signed_by_one(&disk);
            assert_eq!(rotate(&disk).unwrap(), 4);
            disk.lose_power();
            is_never_signed_by_one(&disk);
            assert!(is_replaced(&open_on(&disk, signer())));
            let log = open_on(&disk, new()).unwrap();
            drop(log.charge(&charge(9, 1), Finality::Witnessed).unwrap());
            assert_eq!((log.check().unwrap().size, spent(&log)), (6, 3));
        }
    }
    assert!(refused > calls.len(), "{refused}");
}
