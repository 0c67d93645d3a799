//! House rules that a machine can check, beyond those of rustfmt and clippy.
//!
//! ```text
//!  *.rs ──▶ source ──tokens──▶ rules ──┐
//!  Cargo.toml ───────────────▶ imports ├──▶ faults, one per line: place and rule
//!  tracked files ────────────▶ places ─┘
//! ```
//! It reads files; it builds nothing. That it finds what it looks for is tested in `planted`.

mod imports;
mod places;
mod planted;
mod rules;
mod source;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::source::Source;

#[test]
fn every_rust_file_is_tidy() {
    let mut paths = Vec::new();
    rust_files(root(), &mut paths);
    let sources: Vec<Source> = paths
        .iter()
        .map(|path| Source::new(&name(path), &fs::read_to_string(path).unwrap()))
        .collect();
    let is_there = |wanted: &str| sources.iter().any(|source| source.path == wanted);
    assert!(is_there("tests/tidy.rs"));
    for wanted in rules::INTEGERS_ONLY {
        assert!(is_there(wanted), "{wanted} is gone: name its heir in tests/tidy/rules.rs");
    }
    none(sources.iter().flat_map(rules::faults).collect());
}

#[test]
fn imports_run_one_way() {
    let read = |dir: &str| {
        let text = fs::read_to_string(root().join(dir).join("Cargo.toml")).unwrap();
        text.parse::<toml::Table>().unwrap()
    };
    let workspace = read("");
    let dirs = imports::members(&workspace);
    let members: Vec<_> = dirs.into_iter().map(|dir| (dir.clone(), read(&dir))).collect();
    none(imports::faults(&workspace, &members));
}

#[test]
fn no_tracked_file_names_a_machine() {
    // What is not tracked may be anything, and whoever has no git has no tracked files.
    let listed = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z"])
        .current_dir(root())
        .output();
    let Some(listed) = listed.ok().filter(|output| output.status.success()) else {
        eprintln!("skipped: this is no git checkout");
        return;
    };
    let names = String::from_utf8(listed.stdout).unwrap();
    let mut faults = Vec::new();
    for name in names.split_terminator('\0') {
        // A tracked file may have been removed since, and need not be text.
        if let Ok(text) = fs::read_to_string(root().join(name)) {
            faults.extend(places::faults(name, &text));
        }
    }
    none(faults);
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The path from the root, with `/` between its parts.
fn name(path: &Path) -> String {
    let parts = path.strip_prefix(root()).unwrap().iter();
    parts.map(|part| part.to_str().unwrap()).collect::<Vec<_>>().join("/")
}

/// Every Rust file below a directory that is not hidden and was not made by a build.
fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                rust_files(&path, found);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

fn none(mut faults: Vec<String>) {
    faults.sort();
    assert!(faults.is_empty(), "{} faults\n{}\n", faults.len(), faults.join("\n"));
}
