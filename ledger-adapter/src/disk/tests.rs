//! The simulated file system loses what was not synced, and nothing else.

use super::simulated::{Fault, Simulated};
use super::*;

fn disk(seed: u64) -> Simulated {
    let disk = Simulated::new(seed);
    disk.put(Path::new("/d/old"), b"0123456789");
    disk
}

fn write(disk: &Simulated, path: &str, how: How, bytes: &[u8]) -> Box<dyn DiskFile> {
    let file = disk.open(Path::new(path), how).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file
}

#[test]
fn synced_bytes_under_synced_names_stay() {
    for seed in 0..50 {
        let disk = disk(seed);
        write(&disk, "/d/new", How::Create(0o600), b"new").sync().unwrap();
        write(&disk, "/d/old", How::Replace(0o600), b"replaced").sync().unwrap();
        disk.open(Path::new("/d"), How::Read).unwrap().sync().unwrap();
        disk.lose_power();
        assert_eq!(disk.bytes(Path::new("/d/new")).unwrap(), b"new");
        assert_eq!(disk.bytes(Path::new("/d/old")).unwrap(), b"replaced");
    }
}

#[test]
fn unsynced_bytes_and_names_are_kept_lost_or_torn() {
    let (mut contents, mut is_named) = (Vec::new(), [0, 0]);
    for seed in 0..200 {
        let disk = disk(seed);
        disk.put(Path::new("/d/old"), &[b'9'; 200]);
        write(&disk, "/d/old", How::Change, &[b'x'; 200]);
        write(&disk, "/d/new", How::Create(0o600), b"new").sync().unwrap();
        disk.lose_power();
        contents.push(disk.bytes(Path::new("/d/old")).unwrap());
        is_named[usize::from(disk.bytes(Path::new("/d/new")).is_some())] += 1;
    }
    assert!(contents.contains(&vec![b'9'; 200]));
    assert!(contents.contains(&vec![b'x'; 200]));
    assert!(contents.iter().any(|bytes| bytes.contains(&b'x') && bytes.contains(&b'9')));
    assert!(is_named[0] > 20 && is_named[1] > 20, "{is_named:?}");
}

#[test]
fn after_a_failed_sync_another_one_lies() {
    let mut lost = 0;
    for seed in 0..50 {
        let disk = disk(seed);
        let file = write(&disk, "/d/old", How::Change, b"abc");
        disk.plan(0, Fault::Broken);
        file.sync().unwrap_err();
        file.sync().unwrap();
        assert_eq!(disk.bytes(Path::new("/d/old")).unwrap(), b"abc3456789");
        disk.lose_power();
        lost += u32::from(disk.bytes(Path::new("/d/old")).unwrap() != b"abc3456789");
    }
    assert!(lost > 10, "{lost}");
}

#[test]
fn calls_fail_once_or_for_good() {
    let disk = disk(0);
    disk.plan(0, Fault::Broken);
    disk.stat(Path::new("/d")).unwrap_err();
    assert!(disk.stat(Path::new("/d")).unwrap().is_directory);
    let file = disk.open(Path::new("/d/old"), How::Change).unwrap();
    disk.plan(0, Fault::Short);
    assert_eq!(file.write_at(b"abcd", 0).unwrap(), 2);
    disk.plan(0, Fault::Full);
    file.write_at(b"efgh", 0).unwrap_err();
    assert_eq!(disk.bytes(Path::new("/d/old")).unwrap(), b"ef23456789");
    disk.plan(1, Fault::Death);
    assert_eq!(file.write_at(b"ijkl", 0).unwrap(), 4);
    file.lock().unwrap();
    file.stat().unwrap_err();
    disk.start();
    file.stat().unwrap_err();
    assert_eq!(disk.bytes(Path::new("/d/old")).unwrap(), b"ijkl456789");
    disk.open(Path::new("/d/old"), How::Change).unwrap().lock().unwrap();
}

#[test]
fn names_behave_as_those_of_the_operating_system() {
    let directory = tempfile::tempdir().unwrap();
    let simulated = Simulated::new(0);
    let root = directory.path();
    simulated.put(&root.join("file"), b"");
    std::fs::write(root.join("file"), b"").unwrap();
    let kind = |done: io::Result<()>| done.map_err(|error| error.kind());
    let open = |disk: &dyn Disk, name: &str, how| kind(disk.open(&root.join(name), how).map(drop));
    let told = |disk: &dyn Disk| {
        [
            open(disk, "none", How::Read),
            open(disk, "none", How::Change),
            open(disk, "none/file", How::Create(0o600)),
            open(disk, "file", How::Create(0o600)),
            open(disk, "file", How::Replace(0o600)),
            open(disk, "lock", How::Lock(0o600)),
            open(disk, "", How::Read),
            kind(disk.create_directory(&root.join("file"))),
            kind(disk.create_directory(&root.join("a/b"))),
            kind(disk.create_directory(&root.join("a"))),
            kind(disk.link(&root.join("file"), &root.join("a/file"))),
            kind(disk.link(&root.join("file"), &root.join("a/file"))),
            kind(disk.rename(&root.join("file"), &root.join("a/file"))),
            kind(disk.rename(&root.join("none"), &root.join("a/file"))),
            kind(disk.remove(&root.join("a/file"))),
            kind(disk.remove(&root.join("a/file"))),
            kind(disk.stat(&root.join("a/file")).map(drop)),
        ]
    };
    assert_eq!(told(&simulated), told(&System));
}
