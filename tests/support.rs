//! What the tests share: the command run in a directory of its own, and the shared real data.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The shared real data, or `None`, said plainly, where it is not there.
pub(crate) fn shared(what: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("GRAUNT_SHARED").map_or(root.join("../shared"), PathBuf::from);
    let path = shared.join(what);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {what} of the shared data is not here (set GRAUNT_SHARED)");
    None
}

/// A size that an environment variable may raise.
pub(crate) fn size(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// A working directory for the command.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The command, ready to be run in this place.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_graunt"));
        command.current_dir(self.directory.path()).args(args).env_remove("GRAUNT_HOME");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        Said {
            code: status.code().unwrap_or(-1),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Runs what must succeed, and gives its standard output.
    pub(crate) fn done(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, 0, "{args:?}: {}", said.err);
        said.out
    }

    /// Runs what must succeed, and reads the JSON that it prints.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let told = self.done(&[args, &["--json"]].concat());
        serde_json::from_str(&told).unwrap_or_else(|error| panic!("{args:?}: {error}: {told}"))
    }

    /// Asks for CSV at a large ε.
    pub(crate) fn exact(&self, sql: &str, more: &[&str]) -> String {
        let base = ["sql", "--epsilon", "10000", "--delta", "1e-6", "--format", "csv", "-c", sql];
        self.done(&[&base[..], more].concat())
    }

    /// One site with a few hundred synthetic persons, attested, with a budget.
    pub(crate) fn small_site() -> Self {
        let place = Self::new();
        place.done(&["cohort", "--persons", "300", "--sites", "1", "--seed", "3", "--out", "raw"]);
        place.extract("raw/site-1", "site-1", "out");
        place.done(&["budget", "open", "--population", "town", "--rho", "1000", "--delta", "0.01"]);
        place
    }

    pub(crate) fn extract(&self, from: &str, site: &str, out: &str) {
        self.done(&[
            "extract",
            "--from",
            from,
            "--site",
            site,
            "--population",
            "town",
            "--out",
            out,
        ]);
    }

    /// How many charges the ledger holds, and how many releases.
    pub(crate) fn charges_and_releases(&self) -> (usize, usize) {
        let log = self.done(&["ledger", "log", "--json"]);
        let count = |kind: &str| log.matches(&format!("\"kind\":\"{kind}\"")).count();
        (count("charge"), count("release"))
    }

    /// The first file below a directory whose name ends like this.
    pub(crate) fn find(&self, below: &str, end: &str) -> PathBuf {
        let mut stack = vec![self.path(below)];
        let mut found = Vec::new();
        while let Some(directory) = stack.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    stack.push(path);
                } else if path.to_string_lossy().ends_with(end) {
                    found.push(path);
                }
            }
        }
        found.sort();
        found.into_iter().next().unwrap_or_else(|| panic!("nothing ends with {end} below {below}"))
    }
}

/// Changes one byte of a file.
pub(crate) fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Copies a directory with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    /// What it said first.
    pub(crate) line: String,
}

impl Server {
    pub(crate) fn start(place: &Place, args: &[&str]) -> Self {
        let mut command = place.command(args);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, line: line.trim_end().to_owned() }
    }

    /// The address in its first line.
    pub(crate) fn url(&self) -> &str {
        let at = self.line.find("http://").unwrap_or_else(|| panic!("{}", self.line));
        self.line[at..].split_whitespace().next().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
