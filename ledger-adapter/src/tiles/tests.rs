//! Exports: what is written, by whom it can be read, and what is noticed in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::Config;
use tempfile::TempDir;

use super::*;
use crate::charge::{Attestation, ChargeRequest, Finality, Opening};
use crate::cost::{Cost, Delta, Rho};
use crate::digest::Digest;
use crate::keys::Signer;
use crate::ledger::Ledger;
use crate::log::Watch;
use crate::tree::{leaf_hash, node_hash};

const ORIGIN: &str = "example.org/log";

fn digest(kind: u8, number: u32) -> Digest {
    let mut bytes = [kind; 32];
    bytes[28..].copy_from_slice(&number.to_be_bytes());
    Digest::from_bytes(bytes)
}

fn cost(rho: u64) -> Cost {
    Cost { rho: Rho::from_nano(rho), delta: Delta::default() }
}

/// A log, and a directory to export it to.
pub(crate) struct Fixture {
    directory: TempDir,
    pub(crate) log: LogLedger,
    charges: u32,
}

impl Fixture {
    /// A log of an account, an extract, and charges; `size` entries in all, at least two.
    pub(crate) fn new(size: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let signer = Signer::from_seed(&[1; 32]);
        let log =
            LogLedger::create(&directory.path().join("log"), ORIGIN, signer, Watch::default())
                .unwrap();
        let account = digest(b'a', 0);
        log.open_account(&Opening { account, cap: cost(1 << 40) }).unwrap();
        let (root, key) = (digest(b'x', 0), digest(b'k', 0));
        log.attest(&Attestation { root, account, key, expires_day: 9 }).unwrap();
        let mut fixture = Self { directory, log, charges: 0 };
        fixture.grow(size);
        fixture
    }

    /// Charges until there are `size` entries; many threads, so that they share their fsyncs.
    pub(crate) fn grow(&mut self, size: u64) {
        let last = u32::try_from(size - 2).unwrap();
        let (first, log) = (self.charges, &self.log);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                scope.spawn(move || {
                    let ours = (first..last).filter(|number| number % 8 == thread);
                    for number in ours {
                        let request = ChargeRequest {
                            query: digest(b'q', number),
                            items: vec![(digest(b'a', 0), cost(1))],
                            intent: digest(b'i', number),
                            inputs: vec![digest(b'x', 0)],
                            day: 1,
                        };
                        drop(log.charge(&request, Finality::Local).unwrap());
                    }
                });
            }
        });
        self.charges = last;
    }

    pub(crate) fn key(&self) -> VerifierKey {
        self.log.vkey().parse().unwrap()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("tiles")
    }

    pub(crate) fn export(&self) -> Exported {
        export(&self.log, &self.path()).unwrap()
    }

    pub(crate) fn source(&self) -> Source {
        Source::directory(&self.path())
    }

    fn check(&self) -> Result<Checkpoint, LedgerError> {
        check(&self.source(), &self.key())
    }
}

/// All files below a directory by their path, without the lock.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut open) = (BTreeMap::new(), vec![directory.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if !path.ends_with(".lock") {
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn fault<T: std::fmt::Debug>(result: Result<T, LedgerError>) -> Untrusted {
    match result {
        Err(LedgerError::Untrusted { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn paths_are_those_of_the_specification() {
    let path = |level, index, width| Tile { level, index, width }.path();
    assert_eq!(path(Some(0), 1_234_067, 256), "tile/0/x001/x234/067");
    assert_eq!(path(None, 1_234_067, 8), "tile/entries/x001/x234/067.p/8");
    assert_eq!(path(Some(63), 0, 1), "tile/63/000.p/1");
    for index in [0, 7, 999, 1000, 65_535, 1_000_000, 999_999_999] {
        for width in [1, 255, 256] {
            let theirs = tlog_tiles::Tile::new(8, 1, index, width.into(), false).path();
            assert_eq!(format!("tile/8/{}", &path(Some(1), index, width)[5..]), theirs);
        }
    }
}

#[test]
fn a_tree_of_70_000_has_the_tiles_of_the_specification() {
    let tiles = Tile::new_of(0, 70_000);
    let of = |level| tiles.iter().filter(move |tile| tile.level == level);
    let shape = |level| {
        let full = of(level).filter(|tile| tile.width == 256).count();
        (full, of(level).filter(|tile| tile.width < 256).map(|tile| tile.width).collect())
    };
    assert_eq!(shape(None), (273, vec![112]));
    assert_eq!(shape(Some(0)), (273, vec![112]));
    assert_eq!(shape(Some(1)), (1, vec![17]));
    assert_eq!(shape(Some(2)), (0, vec![1]));
    assert_eq!(tiles.len(), 274 + 274 + 2 + 1);
    let small: Vec<_> = Tile::new_of(0, 256).iter().map(Tile::path).collect();
    assert_eq!(small, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(Tile::new_of(70_000, 70_000), []);
    assert_eq!(Tile::new_of(0, 0), []);
}

#[test]
fn new_tiles_are_those_that_others_would_publish() {
    for (old, new) in [(0, 1), (1, 2), (255, 256), (256, 257), (300, 70_000), (65_535, 65_537)] {
        let mut ours: Vec<_> = Tile::new_of(old, new)
            .iter()
            .filter_map(|tile| Some((tile.level?, tile.index, u32::from(tile.width))))
            .collect();
        let theirs = tlog_tiles::Tile::new_tiles(8, old, new);
        let mut theirs: Vec<_> =
            theirs.iter().map(|tile| (tile.level(), tile.level_index(), tile.width())).collect();
        ours.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(ours, theirs, "{old} to {new}");
    }
}

proptest! {
    #![proptest_config(Config { cases: 10, ..Config::default() })]
    #[test]
    fn tiles_of_every_growth_hold_the_tree(old in 0_u64..70_000, more in 0_u64..70_000) {
        let mut tree = Tree::default();
        (0..old + more).for_each(|index| tree.push(leaf_hash(&index.to_be_bytes())));
        let mut held = BTreeMap::new();
        for tile in Tile::new_of(0, old).into_iter().chain(Tile::new_of(old, old + more)) {
            let Some(level) = tile.level else { continue };
            let hashes = reader::expected(&tree, &tile, level);
            prop_assert_eq!(hashes.len(), usize::from(tile.width));
            // A full tile is written once; a partial one that grew has another path.
            prop_assert!(held.insert(tile.path(), hashes).is_none());
        }
        // The last tiles of all levels, the lowest rightmost, add up to the root.
        let mut root: Option<Digest> = None;
        for level in 0..=7_u8 {
            let count = (old + more) >> (u32::from(level) * 8);
            let Ok(width @ 1..) = u16::try_from(count % 256) else { continue };
            let tile = Tile { level: Some(level), index: count / 256, width };
            let hashes = &held[&tile.path()];
            root = Some(folded(hashes, root));
        }
        prop_assert_eq!(root.unwrap_or_else(|| Digest::sha256(b"")), tree.root());
    }
}

/// The root over complete subtrees of one height, and what is to the right of them.
fn folded(hashes: &[Digest], right: Option<Digest>) -> Digest {
    let (mut rest, mut hash) = (hashes, right);
    // From the right: each complete subtree of a power of two joins what is right of it.
    while !rest.is_empty() {
        let count = 1_usize << rest.len().trailing_zeros();
        let (before, last) = rest.split_at(rest.len() - count);
        let mut level = last.to_vec();
        while level.len() > 1 {
            level = level.chunks(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        hash = Some(hash.map_or(level[0], |right| node_hash(&level[0], &right)));
        rest = before;
    }
    hash.unwrap()
}

#[test]
fn an_export_grows_as_one_made_at_once_would_be() {
    let mut fixture = Fixture::new(2);
    for size in [3, 200, 256, 257, 600] {
        fixture.grow(size);
        let exported = fixture.export();
        assert_eq!(exported.checkpoint.size, size);
        assert_eq!(fixture.check().unwrap(), exported.checkpoint);
        assert_eq!(fixture.export().tiles_written, 0);
    }
    let grown = files(&fixture.path());
    let at_once = fixture.directory.path().join("at-once");
    assert_eq!(export(&fixture.log, &at_once).unwrap().tiles_written, 7);
    let at_once = files(&at_once);
    assert_eq!(at_once.len(), 8);
    for (name, bytes) in &at_once {
        assert_eq!(grown.get(name), Some(bytes), "{name}");
    }
    // What is left over are partial tiles of the sizes that were published.
    let left: Vec<_> = grown.keys().filter(|name| !at_once.contains_key(*name)).collect();
    assert_eq!(left, ["tile/1/000.p/1"]);
}

#[test]
fn others_code_reads_an_export() {
    let fixture = Fixture::new(600);
    let checkpoint = fixture.export().checkpoint;
    let files = files(&fixture.path());
    let reader = Theirs { files: &files };
    let hash = tlog_tiles::Hash(*checkpoint.root.as_bytes());
    let tree = tlog_tiles::TileHashReader::new(600, hash, &reader);
    let entries: Vec<_> = Tile::of_entries(0, 600)
        .iter()
        .flat_map(|t| reader::entries(&fixture.source(), t))
        .collect();
    for (index, entry) in (0..).zip(entries.iter().flatten()).step_by(37) {
        let proof = tlog_tiles::prove_record(600, index, &tree).unwrap();
        let leaf = tlog_tiles::record_hash(entry);
        tlog_tiles::check_record(&proof, 600, hash, index, leaf).unwrap();
    }
    let note = String::from_utf8(files["checkpoint"].clone()).unwrap();
    let text = note.split_once("\n\n").unwrap().0.to_owned() + "\n";
    let theirs = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).unwrap();
    assert_eq!((theirs.origin(), theirs.size(), theirs.hash()), (ORIGIN, 600, &hash));
}

/// Our files, for others' code.
struct Theirs<'a> {
    files: &'a BTreeMap<String, Vec<u8>>,
}

impl tlog_tiles::TileReader for Theirs<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |tile: &tlog_tiles::Tile| {
            self.files[&tile.path().replacen("tile/8/", "tile/", 1)].clone()
        };
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

#[test]
fn flipped_bits_truncations_and_missing_files_are_detected() {
    let fixture = Fixture::new(300);
    fixture.export();
    for (name, bytes) in files(&fixture.path()) {
        let path = fixture.path().join(&name);
        let step = (bytes.len() * 8 / 150).max(1) | 1;
        for bit in (0..bytes.len() * 8).step_by(step) {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, wrong).unwrap();
            assert!(fixture.check().is_err(), "{name}, bit {bit}");
        }
        for cut in (0..bytes.len()).step_by((bytes.len() / 20).max(1)) {
            fs::write(&path, &bytes[..cut]).unwrap();
            assert!(fixture.check().is_err(), "{name}, cut at {cut}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(fault(fixture.check()), Untrusted::Missing, "{name}");
        fs::write(&path, bytes).unwrap();
    }
    fixture.check().unwrap();
    // Tiles that agree with each other, but not with the checkpoint.
    let (origin, root) = (ORIGIN.to_owned(), digest(b'r', 0));
    let other = Checkpoint { origin, size: 300, root }.sign(&Signer::from_seed(&[1; 32]));
    fs::write(fixture.path().join("checkpoint"), other).unwrap();
    let LedgerError::Untrusted { place, fault } = fixture.check().unwrap_err() else { panic!() };
    assert!(place.ends_with("tiles/checkpoint") && fault == Untrusted::Edited, "{place}");
}

#[test]
fn another_branch_or_log_is_not_exported_over_this_one() {
    let mut fixture = Fixture::new(20);
    fixture.export();
    let other = Fixture::new(10);
    let rolled_back = Untrusted::RolledBack { seen: 20, found: 10 };
    assert_eq!(fault(export(&other.log, &fixture.path())), rolled_back);
    // The same key and origin, other entries.
    let path = fixture.directory.path().join("fork");
    let signer = || Signer::from_seed(&[1; 32]);
    let fork = LogLedger::create(&path, ORIGIN, signer(), None).unwrap();
    for number in 0..30 {
        fork.open_account(&Opening { account: digest(b'b', number), cap: cost(1) }).unwrap();
    }
    assert_eq!(fault(export(&fork, &fixture.path())), Untrusted::Forked);
    let path = fixture.directory.path().join("stranger");
    let stranger = Signer::from_seed(&[2; 32]);
    let stranger = LogLedger::create(&path, ORIGIN, stranger, None).unwrap();
    assert_eq!(fault(export(&stranger, &fixture.path())), Untrusted::Signer);
    fixture.grow(25);
    assert_eq!(fixture.export().checkpoint.size, 25);
    fixture.check().unwrap();
}

#[test]
fn what_a_broken_export_left_is_written_again() {
    let mut fixture = Fixture::new(200);
    fixture.export();
    fixture.grow(520);
    for name in ["tile/entries/000", "tile/0/000", "tile/entries/001", "tile/0/001.tmp"] {
        fs::write(fixture.path().join(name), b"torn").unwrap();
    }
    fixture.check().unwrap();
    fixture.export();
    assert_eq!(fixture.check().unwrap().size, 520);
}
