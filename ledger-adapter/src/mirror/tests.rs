//! Mirrors against logs that break the rules, go back, fork, or hide entries.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::charge::{
    Attestation, ChargeRequest, ExtractStatus, Finality, Opening, Outcome, Placed,
};
use crate::cost::{Cost, Delta, Rho};
use crate::digest::Digest;
use crate::entry::Entry;
use crate::keys::Signer;
use crate::loopback::Loopback;
use crate::part::Claims;
use crate::tiles;
use crate::tiles::serve::resource;
use crate::tree::{Tree, leaf_hash};
use crate::view::View;
use crate::witnessing::Client;

const ORIGIN: &str = "example.org/log";
const TIME: u64 = 1_795_305_600;

fn log_key() -> VerifierKey {
    VerifierKey::new(ORIGIN, Signer::from_seed(&[1; 32]).public()).unwrap()
}

fn cosigner() -> Cosigner {
    Cosigner::new("mirror.example", Signer::from_seed(&[2; 32])).unwrap()
}

fn digest(kind: u8, number: u32) -> Digest {
    let mut bytes = [kind; 32];
    bytes[28..].copy_from_slice(&number.to_be_bytes());
    Digest::from_bytes(bytes)
}

fn cost(rho: u64) -> Cost {
    Cost { rho: Rho::from_nano(rho), delta: Delta::default() }
}

fn charge(number: u32) -> Entry {
    Entry::Charge(ChargeRequest {
        query: digest(b'q', number),
        items: vec![(digest(b'a', 0), cost(1))],
        intent: digest(b'i', number),
        inputs: vec![digest(b'x', 0)],
        day: 1,
    })
}

fn revoke() -> Entry {
    Entry::Revoke { root: digest(b'x', 0) }
}

/// An account of 1,000, an extract, and `charges` charges of 1.
fn entries(charges: u32) -> Vec<Entry> {
    let (account, root, key) = (digest(b'a', 0), digest(b'x', 0), digest(b'k', 0));
    let mut entries = vec![
        Entry::Open(Opening { account, cap: cost(1000) }),
        Entry::Attest(Attestation { root, account, key, expires_day: 9 }),
    ];
    entries.extend((0..charges).map(charge));
    entries
}

/// A log that signs whatever it is given, and a mirror of it.
struct Fixture {
    directory: TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn tiles(&self) -> PathBuf {
        self.directory.path().join("tiles")
    }

    fn source(&self) -> Source {
        Source::directory(&self.tiles())
    }

    fn mirror(&self) -> Mirror {
        self.try_mirror().unwrap()
    }

    fn try_mirror(&self) -> Result<Mirror, LedgerError> {
        Mirror::open(&self.directory.path().join("mirror"), vec![log_key()], cosigner())
    }

    /// Publishes entries, over whatever was published before, and gives their tree.
    fn publish(&self, entries: &[Entry]) -> Tree {
        let encoded: Vec<_> = entries.iter().map(Entry::encode).collect();
        self.publish_bytes(&encoded)
    }

    fn publish_bytes(&self, entries: &[Vec<u8>]) -> Tree {
        drop(fs::remove_dir_all(self.tiles()));
        let mut tree = Tree::default();
        entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
        let mut writer = Writer::open(&self.tiles(), &[log_key()]).unwrap();
        for tile in Tile::new_of(0, tree.len()) {
            match tile.level {
                None => {
                    let ours = tile.entries().map(|at| usize::try_from(at).unwrap());
                    let ours: Vec<_> = ours.map(|at| entries[at].clone()).collect();
                    writer.put_entries(&tile, &ours).unwrap();
                }
                Some(level) => writer.put_hashes(&tile, level, &tree).unwrap(),
            }
        }
        writer.finish(&note(&tree), tree.len()).unwrap();
        tree
    }
}

fn note(tree: &Tree) -> String {
    let (size, root) = (tree.len(), tree.root());
    Checkpoint { origin: ORIGIN.to_owned(), size, root }.sign(&Signer::from_seed(&[1; 32]))
}

fn fault<T: std::fmt::Debug>(result: Result<T, LedgerError>) -> Untrusted {
    match result {
        Err(LedgerError::Untrusted { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mirror_follows_its_log_and_goes_on_where_it_was() {
    let fixture = Fixture::new();
    let mut mirror = fixture.mirror();
    assert_eq!(mirror.last(), None);
    for charges in [0, 3, 3, 254, 255, 600] {
        let tree = fixture.publish(&entries(charges));
        let cosigned = mirror.update(&fixture.source(), TIME).unwrap();
        assert_eq!(log_key().verify(&cosigned, "here").unwrap().root, tree.root());
        assert_eq!(cosigner().key().verify(&cosigned, "here").unwrap(), Some(TIME));
        assert_eq!(mirror.state().balance(digest(b'a', 0)).unwrap().charges, u64::from(charges));
        // Nobody else keeps it meanwhile; after that, another process goes on.
        assert!(matches!(fixture.try_mirror(), Err(LedgerError::Refused { .. })));
        drop(mirror);
        mirror = fixture.mirror();
        assert_eq!(mirror.last().unwrap().root, tree.root());
    }
    // The copy is an export as good as the log's own, down to its bytes.
    let copy = Source::directory(&fixture.directory.path().join("mirror"));
    let checkpoint = tiles::check(&copy, &log_key()).unwrap();
    assert_eq!(&checkpoint, mirror.last().unwrap());
    for tile in Tile::new_of(0, checkpoint.size) {
        let read = |source: &Source| source.read(&tile.path(), 1 << 24).unwrap().unwrap();
        assert_eq!(read(&copy), read(&fixture.source()));
    }
}

#[test]
fn an_entry_that_breaks_a_rule_is_not_cosigned() {
    let mut inactive = entries(3);
    inactive.extend([revoke(), charge(9)]);
    let mut overspent = entries(1000);
    overspent.push(charge(1000));
    let mut repeated = entries(3);
    repeated.push(charge(1));
    let mut conflict = entries(3);
    conflict.push(Entry::Open(Opening { account: digest(b'a', 0), cap: cost(2000) }));
    for (wrong, index) in [(inactive, 6), (overspent, 1002), (repeated, 5), (conflict, 5)] {
        let fixture = Fixture::new();
        fixture.publish(&entries(3));
        let mut mirror = fixture.mirror();
        mirror.update(&fixture.source(), TIME).unwrap();
        fixture.publish(&wrong);
        for _ in 0..2 {
            assert_eq!(fault(mirror.update(&fixture.source(), TIME)), Untrusted::Rule { index });
            assert_eq!(mirror.last().unwrap().size, 5);
        }
        // A log that mends its ways is followed again.
        fixture.publish(&entries(4));
        mirror.update(&fixture.source(), TIME).unwrap();
        assert_eq!(mirror.state().balance(digest(b'a', 0)).unwrap().charges, 4);
    }
    let fixture = Fixture::new();
    fixture.publish_bytes(&[b"not an entry".to_vec()]);
    let found = fault(fixture.mirror().update(&fixture.source(), TIME));
    assert_eq!(found, Untrusted::Rule { index: 0 });
    assert_eq!(fixture.mirror().last(), None);
}

#[test]
fn rollback_fork_and_regrown_fork_are_refused_also_after_a_restart() {
    let fixture = Fixture::new();
    fixture.publish(&entries(300));
    fixture.mirror().update(&fixture.source(), TIME).unwrap();
    fixture.publish(&entries(200));
    let rolled_back = Untrusted::RolledBack { seen: 302, found: 202 };
    assert_eq!(fault(fixture.mirror().update(&fixture.source(), TIME)), rolled_back);
    for (fork, size) in [(10, 302), (10, 303), (10, 600), (299, 303), (299, 600), (299, 302)] {
        let mut branch = entries(fork);
        branch.extend((1000..).map(charge).take(size - branch.len()));
        fixture.publish(&branch);
        let mut mirror = fixture.mirror();
        assert_eq!(fault(mirror.update(&fixture.source(), TIME)), Untrusted::Forked, "{fork}");
        assert_eq!(mirror.last().unwrap().size, 302);
    }
    fixture.publish(&entries(301));
    fixture.mirror().update(&fixture.source(), TIME).unwrap();
}

#[test]
fn hidden_and_changed_entries_are_not_cosigned() {
    let fixture = Fixture::new();
    fixture.publish(&entries(50));
    let mut mirror = fixture.mirror();
    mirror.update(&fixture.source(), TIME).unwrap();
    fixture.publish(&entries(400));
    for name in ["tile/entries/000", "tile/entries/001.p/146", "checkpoint"] {
        let path = fixture.tiles().join(name);
        let bytes = fs::read(&path).unwrap();
        for bit in (0..bytes.len() * 8).step_by((bytes.len() / 4) | 1) {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, wrong).unwrap();
            assert!(mirror.update(&fixture.source(), TIME).is_err(), "{name}, bit {bit}");
            assert_eq!(mirror.last().unwrap().size, 52);
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(fault(mirror.update(&fixture.source(), TIME)), Untrusted::Missing);
        fs::write(&path, bytes).unwrap();
    }
    // An entry that the mirror has seen, in a tile that goes on.
    let path = fixture.tiles().join("tile/entries/000");
    let bytes = fs::read(&path).unwrap();
    let mut wrong = bytes.clone();
    wrong[2] ^= 1;
    fs::write(&path, wrong).unwrap();
    assert_eq!(fault(mirror.update(&fixture.source(), TIME)), Untrusted::Edited);
    fs::write(&path, bytes).unwrap();
    mirror.update(&fixture.source(), TIME).unwrap();
}

#[test]
fn a_mirror_does_not_open_on_a_spoilt_copy_or_the_logs_key() {
    let fixture = Fixture::new();
    fixture.publish(&entries(20));
    fixture.mirror().update(&fixture.source(), TIME).unwrap();
    let directory = fixture.directory.path().join("mirror");
    let stranger = Cosigner::new("mirror.example", Signer::from_seed(&[3; 32])).unwrap();
    assert_eq!(fault(Mirror::open(&directory, vec![log_key()], stranger)), Untrusted::Signer);
    let same = Cosigner::new("mirror.example", Signer::from_seed(&[1; 32])).unwrap();
    assert!(Mirror::open(&directory, vec![log_key()], same).is_err());
    for name in ["tile/entries/000.p/22", "checkpoint"] {
        let path = directory.join(name);
        let bytes = fs::read(&path).unwrap();
        for bit in (0..bytes.len() * 8).step_by(31) {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, wrong).unwrap();
            assert!(fixture.try_mirror().is_err(), "{name}, bit {bit}");
        }
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(fixture.mirror().last().unwrap().size, 22);
}

#[test]
fn a_mirror_is_asked_as_a_witness_and_follows_over_http() {
    let fixture = Fixture::new();
    let tiles = fixture.tiles();
    let files = Loopback::start(move |path, _| match resource(&tiles, &path[1..]).unwrap() {
        Some(file) => (200, file.content_type.to_owned(), file.body),
        None => (404, String::new(), Vec::new()),
    });
    let source = Source::url(&files.url(), Duration::from_secs(10)).unwrap();
    let tree = fixture.publish(&entries(300));
    tiles::check(&source, &log_key()).unwrap();
    let mirror = std::sync::Mutex::new(fixture.mirror());
    let server = Loopback::start(move |_, body| {
        let reply = mirror.lock().unwrap().add_checkpoint(body, &source, TIME);
        (reply.status, reply.content_type.to_owned(), reply.body.into_bytes())
    });
    let client =
        Client::new(cosigner().key().clone(), &server.url(), Duration::from_secs(10)).unwrap();
    let ask = |tree: &Tree| client.cosign(&Note::parse(&note(tree)).unwrap(), tree);
    ask(&tree).unwrap();
    // Not yet published; then published, and an overdraft; then as it should be.
    let mut later = entries(400);
    let mut grown = Tree::default();
    later.iter().for_each(|entry| grown.push(leaf_hash(&entry.encode())));
    assert!(matches!(ask(&grown), Err(LedgerError::Answered { status: 503, .. })));
    later.extend([revoke(), charge(999)]);
    let overdrawn = fixture.publish(&later);
    assert_eq!(fault(ask(&overdrawn)), Untrusted::Forked);
    fixture.publish(&entries(400));
    ask(&grown).unwrap();
    let rolled_back = Untrusted::RolledBack { seen: 402, found: 302 };
    assert_eq!(fault(ask(&tree)), rolled_back);
}

#[test]
fn a_mirror_shows_what_it_verified_and_nothing_after_a_failure() {
    let fixture = Fixture::new();
    let mut mirror = fixture.mirror();
    let (query, set) = (digest(b'q', 1), digest(b's', 0));
    let Entry::Charge(request) = charge(1) else { panic!() };
    let view = |mirror: &Mirror| {
        let view: &dyn View = mirror;
        let charged = view.charged(&request)?.map(|placed| (placed.index, placed.finality));
        let committed = view.committed(query, 0)?.map(|(placed, root)| (placed.index, root));
        Ok::<_, LedgerError>((charged, committed))
    };
    assert_eq!(view(&mirror).unwrap(), (None, None));
    let mut later = entries(2);
    later.push(Entry::Commit { query, round: 0, root: set });
    fixture.publish(&later);
    mirror.update(&fixture.source(), TIME).unwrap();
    let seen = (Some((3, Finality::Witnessed)), Some((4, set)));
    assert_eq!(view(&mirror).unwrap(), seen);
    let other = ChargeRequest { day: 2, ..request.clone() };
    assert!(matches!(mirror.charged(&other), Err(LedgerError::Conflict { what: "query" })));
    assert!(matches!(mirror.outcome(query).unwrap(), Some(Outcome::Charged(_))));
    let status = mirror.status(digest(b'x', 0)).unwrap();
    assert!(matches!(status, ExtractStatus::Active(Placed { index: 1, .. }, 9)));
    let spent = mirror.remaining(digest(b'a', 0)).unwrap().map(|balance| balance.spent);
    assert_eq!(spent, Some(cost(2)));

    // Another set for the same round is not followed, and what the log says then is not believed.
    let mut wrong = later.clone();
    wrong.extend([charge(7), Entry::Commit { query, round: 0, root: digest(b's', 1) }]);
    fixture.publish(&wrong);
    assert_eq!(fault(mirror.update(&fixture.source(), TIME)), Untrusted::Rule { index: 6 });
    assert!(matches!(view(&mirror), Err(LedgerError::Refused { .. })));
    fixture.publish(&later);
    mirror.update(&fixture.source(), TIME).unwrap();
    assert_eq!(view(&mirror).unwrap(), seen);
}

#[test]
fn a_site_claims_its_part_by_a_mirror() {
    let fixture = Fixture::new();
    let mut mirror = fixture.mirror();
    fixture.publish(&entries(2));
    let claims = Claims::at(&fixture.directory.path().join("claims")).unwrap();
    let Entry::Charge(request) = charge(1) else { panic!() };
    let claim = |mirror: &Mirror, need| claims.claim(mirror, &request, need);
    let unseen = claim(&mirror, Finality::Witnessed);
    assert!(matches!(unseen, Err(LedgerError::Refused { .. })));
    mirror.update(&fixture.source(), TIME).unwrap();
    let unfinal = claim(&mirror, Finality::Final);
    assert!(matches!(unfinal, Err(LedgerError::Finality { has: Finality::Witnessed, .. })));
    let part = claim(&mirror, Finality::Witnessed).unwrap();
    assert_eq!((part.query(), part.cost(), part.placed().index), (digest(b'q', 1), cost(1), 3));
    assert!(matches!(claim(&mirror, Finality::Local), Err(LedgerError::Refused { .. })));
}
