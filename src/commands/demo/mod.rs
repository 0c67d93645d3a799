//! `graunt demo`: everything once, on synthetic records, in a directory of its own.
//!
//! Every step is a command line that is printed, read and run as if it were typed, so the demo can
//! do nothing that the subcommands cannot.

mod questions;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use self::questions::{QUESTIONS, REFUSED, TOO_DEAR};
use crate::commands::{self, Context};
use crate::config::FILE_NAME;
use crate::fail::Failure;
use crate::output::{Output, remark};

/// Arguments of `graunt demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Number of synthetic persons, over three sites
    #[arg(long, value_name = "N", default_value_t = 30_000,
          value_parser = clap::value_parser!(u64).range(100..))]
    persons: u64,
    /// Directory to be made
    #[arg(long, value_name = "DIR", default_value = "graunt-demo")]
    dir: PathBuf,
    /// Remove what an earlier demo made there
    #[arg(long)]
    force: bool,
}

/// Shows everything once.
///
/// # Errors
/// [`Failure::Usage`] if the directory is not empty, [`Failure::Demo`] if a step goes otherwise
/// than it should, or what a step fails with.
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let started = Instant::now();
    let directory = prepare(arguments)?;
    std::env::set_current_dir(&directory)
        .map_err(Failure::store(&directory, "going to the directory"))?;
    let mut demo = Demo { json: context.json, quiet: context.quiet, out };
    demo.consortium(arguments.persons)?;
    demo.questions()?;
    demo.refusals()?;
    demo.exhaustion()?;
    demo.tampering()?;
    demo.summary(arguments, &directory, started)
}

/// Makes the directory, which must be new, empty, or an earlier demo's that may be removed.
fn prepare(arguments: &Arguments) -> Result<PathBuf, Failure> {
    let directory = &arguments.dir;
    let is_occupied = fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
    if is_occupied || directory.is_file() {
        let place = directory.display();
        if !directory.join(MARKER).is_file() {
            let what = format!("{place} is there already, and no demo made it");
            return Err(Failure::usage(what, "choose another directory with --dir"));
        }
        if !arguments.force {
            let what = format!("{place} holds an earlier demo");
            return Err(Failure::usage(what, "remove it with --force, or choose another --dir"));
        }
        fs::remove_dir_all(directory).map_err(Failure::store(directory, "removing"))?;
    }
    fs::create_dir_all(directory).map_err(Failure::store(directory, "making the directory"))?;
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        fs::write(&path, text).map_err(Failure::store(path, "writing"))
    };
    write(MARKER, "graunt demo --force may remove this directory\n")?;
    write(FILE_NAME, CONFIGURATION)?;
    std::path::absolute(directory).map_err(Failure::store(directory, "finding the directory"))
}

struct Demo<'a> {
    json: bool,
    quiet: bool,
    out: &'a mut Output,
}

impl Demo<'_> {
    fn consortium(&mut self, persons: u64) -> Result<(), Failure> {
        self.title("Three sites with synthetic patients, some of them known at two")?;
        let persons = persons.to_string();
        self.step(&["cohort", "--persons", &persons, "--sites", "3", "--out", "cohort"])?;
        self.title("A committee opens a budget, on a ledger that is made on first use")?;
        self.step(&["budget", "open", "--population", NAME, "--epsilon", "3", "--delta", "1e-5"])?;
        self.title("Each site de-identifies its records, signs the extract, and attests it")?;
        for site in ["site-1", "site-2", "site-3"] {
            let (from, out) = (format!("cohort/{site}"), format!("extracts/{site}"));
            self.step(&[
                "extract",
                "--from",
                &from,
                "--site",
                site,
                "--population",
                NAME,
                "--out",
                &out,
            ])?;
        }
        self.step(&["ledger", "log"])
    }

    fn questions(&mut self) -> Result<(), Failure> {
        for question in QUESTIONS {
            self.title(question.title)?;
            self.step(&question.command())?;
        }
        self.title("Every answer left a receipt; anyone can verify it, offline")?;
        let receipt = first_receipt()?;
        self.step(&["verify", &receipt.display().to_string()])?;
        self.step(&["verify", "--brief", ".graunt/receipts"])
    }

    fn refusals(&mut self) -> Result<(), Failure> {
        for question in REFUSED {
            self.title(question.title)?;
            self.fails(&question.command(), 3)?;
        }
        Ok(())
    }

    fn exhaustion(&mut self) -> Result<(), Failure> {
        self.title("What a question would cost is told for nothing")?;
        let command = TOO_DEAR.command();
        self.step(&[command.as_slice(), &["--quote"]].concat())?;
        self.title(TOO_DEAR.title)?;
        self.fails(&command, 4)?;
        self.step(&["budget", "show"])
    }

    fn tampering(&mut self) -> Result<(), Failure> {
        let question = QUESTIONS[0].command();
        self.title("One byte of one extract is changed: nothing is answered, nothing charged")?;
        let place = Path::new("extracts/site-2/person/bucket-000.parquet");
        let original = read(place)?;
        let middle = original.len() / 2;
        self.tell(format_args!("# changing byte {middle} of {}", place.display()))?;
        write(place, &flipped(&original, middle))?;
        let outcome = self.fails(&question, 5);
        // Restored whatever happened, so that the demo can be played with.
        write(place, &original)?;
        outcome?;
        self.tell(format_args!("# restored {}", place.display()))?;
        self.step(&["ledger", "check"])?;
        self.title("One byte of a receipt is changed: it does not verify")?;
        let receipt = first_receipt()?;
        let original = read(&receipt)?;
        let changed = in_payload(&original)?;
        let forged = Path::new("forged-receipt.json");
        self.tell(format_args!(
            "# copying {} to {} with byte {changed} changed",
            receipt.display(),
            forged.display()
        ))?;
        write(forged, &flipped(&original, changed))?;
        self.fails(&["verify", "forged-receipt.json"], 5)
    }

    fn summary(
        &mut self,
        arguments: &Arguments,
        directory: &Path,
        started: Instant,
    ) -> Result<(), Failure> {
        let seconds = started.elapsed().as_secs_f64();
        if self.json {
            return self.out.json(&json!({
                "directory": directory,
                "persons": arguments.persons,
                "seconds": seconds,
            }));
        }
        self.title(&format!(
            "Done in {seconds:.1} seconds. Everything lies in {}",
            directory.display()
        ))?;
        for (place, what) in PLACES {
            self.out.line(format_args!("  {place:<22} {what}"))?;
        }
        let program = std::env::current_exe().map(|path| path.display().to_string());
        let program = program.unwrap_or_else(|_| "graunt".to_owned());
        self.out.line("\nTry next (graunt is the program that you have just run):")?;
        self.out.line(format_args!("  alias graunt={}", quoted(&program)))?;
        self.out.line(format_args!("  cd {}", quoted(&arguments.dir.display().to_string())))?;
        for (command, what) in NEXT {
            self.out.line(format_args!("  {command:<52} # {what}"))?;
        }
        Ok(())
    }

    /// Runs a command line that must fail with this exit code, and tells how it did.
    fn fails(&mut self, words: &[&str], exit_code: u8) -> Result<(), Failure> {
        match self.step(words) {
            Err(failure) if failure.exit_code() == exit_code => {
                if self.json {
                    return self.out.json(&failure.to_json());
                }
                self.out.line(failure.render())?;
                self.out.dim_line(format_args!("(exit code {exit_code})"))
            }
            Err(failure) => Err(failure),
            Ok(()) => Err(Failure::Demo(format!("graunt {} did not fail", line(words)))),
        }
    }

    /// Prints a command line and runs it, as if it were typed.
    fn step(&mut self, words: &[&str]) -> Result<(), Failure> {
        self.tell(format_args!("$ graunt {}", line(words)))?;
        // The environment must not lead elsewhere.
        let mut all = vec!["graunt", "--home", ".graunt", "--config", FILE_NAME];
        all.extend(self.json.then_some("--json"));
        all.extend(self.quiet.then_some("--quiet"));
        all.extend(words);
        let cli = commands::parse(all).map_err(|error| Failure::Demo(error.to_string()))?;
        commands::run(cli, self.out)
    }

    fn title(&mut self, text: &str) -> Result<(), Failure> {
        if self.json {
            remark(text);
            return Ok(());
        }
        self.out.line("")?;
        self.out.bold_line(text)
    }

    fn tell(&mut self, text: std::fmt::Arguments<'_>) -> Result<(), Failure> {
        if self.json {
            remark(text);
            return Ok(());
        }
        self.out.dim_line(text)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(Failure::store(path, "reading"))
}

/// Writes in place: the file keeps its rights.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::File::create(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(Failure::store(path, "writing"))
}

/// The bytes with the lowest bit of one of them changed.
fn flipped(bytes: &[u8], index: usize) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    if let Some(byte) = changed.get_mut(index) {
        *byte ^= 1;
    }
    changed
}

fn first_receipt() -> Result<PathBuf, Failure> {
    let directory = Path::new(".graunt/receipts");
    let failed = || Failure::store(directory, "listing");
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed())? {
        paths.push(entry.map_err(failed())?.path());
    }
    paths.into_iter().min().ok_or_else(|| Failure::Demo("there is no receipt".to_owned()))
}

/// Index of a byte within the signed payload of a receipt.
fn in_payload(receipt: &[u8]) -> Result<usize, Failure> {
    let label = b"\"payload\": \"";
    let found = receipt.windows(label.len()).position(|bytes| bytes == label);
    let found = found.ok_or_else(|| Failure::Demo("the receipt has no payload".to_owned()))?;
    Ok(found + label.len() + PAYLOAD_OFFSET)
}

/// A command line as it would be typed.
fn line(words: &[&str]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A word as a shell wants it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if !word.contains('\'') {
        return format!("'{word}'");
    }
    if !word.contains(['"', '$', '`', '\\', '!']) {
        return format!("\"{word}\"");
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Name of the demo's population.
const NAME: &str = "demo";

/// Marks a directory that a demo made and may remove.
const MARKER: &str = ".graunt-demo";

/// Past the first characters, which say only what kind of statement it is.
const PAYLOAD_OFFSET: usize = 400;

const CONFIGURATION: &str = "\
# Configuration of graunt; flags override it.
home = \".graunt\"

[sql]
population = \"demo\"
epsilon = 1.0
delta = 1e-6
";

const PLACES: [(&str, &str); 8] = [
    ("cohort/", "the raw synthetic records; real ones would stay at the sites"),
    ("extracts/", "what is asked: de-identified, signed, attested"),
    (".graunt/keys/", "private keys and the pseudonym secret; for the owner only"),
    (".graunt/ledger/", "attestations, charges and releases"),
    (".graunt/witness/", "how far the ledger had come; better kept elsewhere"),
    (".graunt/receipts/", "one per answer, to be handed on"),
    (".graunt/registry.json", "names of populations and sites; for the owner only"),
    ("graunt.toml", "the configuration"),
];

const NEXT: [(&str, &str); 3] = [
    ("graunt sql", "a shell; \\d lists the tables, \\? helps"),
    ("graunt sql --quote -c 'SELECT COUNT(*) FROM death'", "what it would cost"),
    ("graunt ledger log", "what is on record"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_can_be_typed() {
        assert_eq!(line(&["sql", "-c", "SELECT 1"]), "sql -c 'SELECT 1'");
        assert_eq!(quoted("SELECT 'a'"), "\"SELECT 'a'\"");
        assert_eq!(quoted("it's $5"), "'it'\\''s $5'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn every_step_can_be_read() {
        let all = QUESTIONS.iter().chain(REFUSED).chain([&TOO_DEAR]);
        for question in all {
            let words: Vec<&str> = ["graunt"].into_iter().chain(question.command()).collect();
            assert!(commands::parse(words).is_ok(), "{}", question.title);
        }
    }

    #[test]
    fn only_a_demo_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path().join("demo");
        let mut arguments = Arguments { persons: 100, dir: dir.clone(), force: false };
        prepare(&arguments).unwrap();
        assert_eq!(prepare(&arguments).unwrap_err().exit_code(), 2);
        arguments.force = true;
        prepare(&arguments).unwrap();
        fs::remove_file(dir.join(MARKER)).unwrap();
        assert_eq!(prepare(&arguments).unwrap_err().exit_code(), 2);
        assert!(dir.join(FILE_NAME).is_file());
    }
}
