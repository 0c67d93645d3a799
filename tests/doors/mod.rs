//! The doors of `graunt serve`, by clients of other makers: one statement is answered, charged and
//! refused alike at all of them, and whoever is not let in, or means harm, gets nothing.
//!
//! Real programs (psql, R, Python, Java, a browser) are in `tests/clients` and `tests/page`.

mod alike;
mod callers;
mod harm;
mod sessions;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::support::Place;

/// A server with two analysts: ada, who may spend what the population has, and tiny, who may not.
pub(super) struct House {
    pub(super) place: Place,
    child: Child,
    said: Value,
    passwords: Vec<(&'static str, String)>,
}

impl House {
    /// A server over 300 persons, with more arguments.
    pub(super) fn open(more: &[&str]) -> Self {
        Self::over(Place::small_site(), more)
    }

    /// A server over a site that is there.
    pub(super) fn over(place: Place, more: &[&str]) -> Self {
        let added = |name: &'static str, terms: &[&str]| {
            let told = place.json(&[&["analyst", "add", name], terms].concat());
            (name, told["password"].as_str().unwrap().to_owned())
        };
        let passwords = vec![added("ada", &[]), added("tiny", &["--epsilon", "0.01"])];
        let ports =
            ["--listen", "127.0.0.1:0", "--postgres", "127.0.0.1:0", "--flight", "127.0.0.1:0"];
        let journal = std::fs::File::create(place.path("journal")).unwrap();
        let mut command = place.command(&[&["serve", "--json"], &ports[..], more].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(journal).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = serde_json::from_str(&line).unwrap_or_else(|_| {
            panic!("{line}{}", std::fs::read_to_string(place.path("journal")).unwrap())
        });
        Self { place, child, said, passwords }
    }

    pub(super) fn password(&self, name: &str) -> &str {
        &self.passwords.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// Where a door is: `postgres`, `flight`, or `url`.
    pub(super) fn door(&self, name: &str) -> &str {
        self.said[name].as_str().unwrap()
    }

    /// What the server wrote to its journal so far.
    pub(super) fn journal(&self) -> String {
        std::fs::read_to_string(self.place.path("journal")).unwrap()
    }

    /// Charges of the population, and what they come to, in billionths of ρ.
    pub(super) fn spent(&self) -> (u64, u64) {
        let told = self.place.json(&["budget", "show"]);
        let budget = &told["budget"];
        (budget["charges"].as_u64().unwrap(), budget["spent"]["rho_nano"].as_u64().unwrap())
    }

    /// Ends the server as an operator does, and waits for it.
    pub(super) fn end(&mut self) -> bool {
        let id = i32::try_from(self.child.id()).unwrap().to_string();
        let told = std::process::Command::new("kill").args(["-TERM", &id]).status();
        told.unwrap().success() && self.child.wait().unwrap().success()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A runtime for clients.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work)
}

/// Everything that comes until the other end closes.
pub(super) fn rest(mut from: impl std::io::Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A connection that is reset has come to its end as well.
    let _ = from.by_ref().take(10 << 20).read_to_end(&mut bytes);
    bytes
}

/// Whether a text names a file of the server's.
pub(super) fn names_files(text: &str, place: &Place) -> bool {
    let own = place.directory.path().display().to_string();
    text.contains(&own) || text.contains(".graunt") || Path::new(text).is_absolute()
}
