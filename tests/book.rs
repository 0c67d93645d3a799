//! The book says what the command does: every command in it is run, and what it prints is compared
//! with what the book prints. Prose is not judged, and blocks of other languages are not run.
//!
//! ```text
//!  book/src/*.md ──▶ blocks ──▶ commands ──bash, in the chapter's own directory──▶ faults
//! ```
//! A block is run if its fence says `console`. In it, `$ ` begins a command, `> ` goes on with it,
//! and other lines are what it prints: `[..]` stands for any text within a line, `...` alone for
//! any lines, and a line that ends with ` \` goes on in the next. Runs of spaces and of table
//! rules count as one. Words after `console` are separated by commas:
//!
//! - `noisy`: numbers and digests are examples; any others will do in their places;
//! - `server=demo`: `graunt serve` is up for `graunt-demo`, its ports in the environment;
//! - `part=server`: belongs to the server, but needs none that runs;
//! - `needs=NAME`: is skipped, and said so, where that program or module is not there.
//!
//! `GRAUNT_BOOK_BIN` names another binary (a file called `graunt`) to be run, and
//! `GRAUNT_BOOK_WITHOUT=server` leaves out what belongs to the server.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

#[test]
fn the_introduction_holds() {
    chapter("introduction");
}

#[test]
fn the_epidemiologists_tutorial_holds() {
    chapter("epidemiologist");
}

#[test]
fn the_site_stewards_tutorial_holds() {
    chapter("site-steward");
}

#[test]
fn the_committees_tutorial_holds() {
    chapter("committee");
}

#[test]
fn the_sql_reference_holds() {
    chapter("sql-reference");
}

#[test]
fn the_privacy_promise_holds() {
    chapter("privacy-promise");
}

#[test]
fn the_threat_model_holds() {
    chapter("threat-model");
}

#[test]
fn the_operations_hold() {
    chapter("operations");
}

#[test]
fn every_chapter_is_in_the_summary_and_has_a_test() {
    let summary = read("SUMMARY.md");
    let own = include_str!("book.rs");
    let listed: BTreeSet<String> = links(&summary).into_iter().collect();
    for name in chapters() {
        assert!(listed.contains(&format!("{name}.md")), "{name} is not in the summary");
        assert!(own.contains(&format!("chapter(\"{name}\")")), "{name} has no test");
    }
    assert_eq!(listed.len(), chapters().len());
}

#[test]
fn links_within_the_book_lead_somewhere() {
    let mut faults = Vec::new();
    for name in chapters().into_iter().chain(["SUMMARY".to_owned()]) {
        let own = format!("{name}.md");
        for link in links(&read(&own)) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let file = if file.is_empty() { &own } else { file };
            if !source().join(file).is_file() {
                faults.push(format!("{own}: {link}: there is no such file"));
            } else if !anchor.is_empty() && !anchors(&read(file)).contains(anchor) {
                faults.push(format!("{own}: {link}: there is no such heading"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_refusal_has_a_section_and_is_shown() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rules = fs::read_to_string(root.join("engine/src/error.rs")).unwrap();
    let codes: BTreeSet<&str> =
        rules.split('"').filter(|text| text.starts_with("R-") && text.len() > 2).collect();
    assert!(codes.contains("R-JOIN-PERSON") && codes.len() > 15, "{codes:?}");
    let reference = read("sql-reference.md");
    let shown: String = steps("sql-reference.md", &reference)
        .iter()
        .flat_map(|step| step.expected.iter().map(|line| format!("{line}\n")))
        .collect();
    for code in codes {
        assert!(reference.contains(&format!("\n### {code}\n")), "{code} has no section");
        assert!(shown.contains(&format!("error[{code}]")), "{code} is not shown by a command");
    }
}

#[test]
fn lines_of_the_book_are_not_too_long() {
    for name in chapters() {
        let text = read(&format!("{name}.md"));
        let long = (1..).zip(text.lines()).filter(|(_, line)| line.chars().count() > 160);
        let long: Vec<u32> = long.map(|(number, _)| number).collect();
        assert!(long.is_empty(), "{name}.md has lines of more than 160 columns: {long:?}");
    }
}

#[test]
fn a_printed_line_is_told_from_another() {
    let like = |expected: &str, actual: &str| {
        agree(&lines(&[expected]), &lines(&actual.lines().collect::<Vec<_>>()), false)
    };
    assert!(like("left rho [..], delta 5e-6", "left rho 0.2, delta 5e-6"));
    assert!(!like("left rho [..], delta 5e-6", "left rho 0.2, delta 6e-6"));
    assert!(like("│ a [..] │", "│ a      b │"));
    assert!(like("...", "one\ntwo") && like("...", "") && !like("one", "one\ntwo"));
    let noisy = |a: &str, b: &str| agree(&lines(&[a]), &lines(&[b]), true);
    assert!(noisy("n 737 [728, 746]", "n 1 [-9, 1.5e-7]") && !noisy("n 737", "n"));
    assert!(noisy("query f7042ad00b998135", "query 0a12c3d4e5f60718") && !noisy("a 1", "b 1"));
}

/// Runs a chapter's commands in order, in one directory that is removed afterwards.
fn chapter(name: &str) {
    let file = format!("{name}.md");
    let mut place = Chapter::new(name);
    let mut faults = String::new();
    for step in steps(&file, &read(&file)) {
        if let Some(why) = place.skipped(&step) {
            eprintln!("skipped: {file}:{}: {why}", step.line);
            continue;
        }
        let actual = place.run(&step);
        if !agree(&step.expected, &actual, step.has("noisy")) {
            let (line, command) = (step.line, &step.command);
            let [expected, actual] = [&step.expected, &actual].map(|lines| lines.join("\n    "));
            let _ = write!(faults, "\n{file}:{line}: $ {command}\n  expected\n    {expected}");
            let _ = writeln!(faults, "\n  actual\n    {actual}");
        }
    }
    drop(place);
    assert!(faults.is_empty(), "{faults}");
}

/// A command of a chapter, and what the book says that it prints.
struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
    words: Vec<String>,
}

impl Step {
    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|own| own == word)
    }
}

/// The commands of all blocks that are run.
fn steps(file: &str, text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut in_block, mut begun) = (false, false);
    // The words of the block, if it is run.
    let mut words: Option<Vec<String>> = None;
    for (line, own) in (1..).zip(text.lines()) {
        let place = format!("{file}:{line}");
        if let Some(info) = own.strip_prefix("```") {
            in_block = !in_block;
            let mut given = info.split(',').map(|word| word.trim().to_owned());
            let is_run = given.next().is_some_and(|language| language == "console");
            words = (in_block && is_run).then(|| given.collect());
            begun = false;
        } else if let Some(words) = &words {
            if let Some(command) = own.strip_prefix("$ ") {
                let (command, words) = (command.to_owned(), words.clone());
                steps.push(Step { line, command, expected: Vec::new(), words });
                begun = true;
                continue;
            }
            let last = steps.last_mut().filter(|_| begun);
            let last = last.unwrap_or_else(|| panic!("{place}: output of no command"));
            match own.strip_prefix('>').filter(|_| last.expected.is_empty()) {
                Some(more) => {
                    last.command += &format!("\n{}", more.strip_prefix(' ').unwrap_or(more))
                }
                None => expect(&mut last.expected, own),
            }
        } else {
            assert!(!in_block || !own.starts_with("$ "), "{place}: a command that is not run");
        }
    }
    steps
}

/// Adds a line that is expected, or the rest of the one before.
fn expect(expected: &mut Vec<String>, line: &str) {
    match expected.last_mut().filter(|last| last.ends_with(" \\")) {
        Some(last) => {
            last.pop();
            last.push_str(line.trim_start());
        }
        None => expected.push(line.to_owned()),
    }
}

/// The directory of a chapter, and what was started for it.
struct Chapter {
    directory: PathBuf,
    /// Where commands run; `cd` alone on a line changes it.
    at: PathBuf,
    server: Option<Server>,
}

impl Chapter {
    fn new(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("graunt-book-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Self { at: directory.clone(), directory, server: None }
    }

    /// Why a command is not run, if it is not.
    fn skipped(&self, step: &Step) -> Option<String> {
        let is_of_server = step.has("server=demo") || step.has("part=server");
        let without = std::env::var("GRAUNT_BOOK_WITHOUT").unwrap_or_default();
        if is_of_server && without.split(',').any(|part| part == "server") {
            return Some("the server is left out".to_owned());
        }
        let needed = step.words.iter().filter_map(|word| word.strip_prefix("needs="));
        needed.filter(|need| !is_here(need)).map(|need| format!("{need} is not here")).next()
    }

    /// What a command prints, on both of its outputs.
    fn run(&mut self, step: &Step) -> Vec<String> {
        if let Some(to) = step.command.strip_prefix("cd ").filter(|to| !to.contains(' ')) {
            self.at.push(to);
            self.at = self.at.canonicalize().unwrap();
            return Vec::new();
        }
        if step.has("server=demo") && self.server.is_none() {
            self.server = Some(Server::start(&self.directory));
        }
        let mut command = command("bash", &self.at);
        if let Some(server) = self.server.as_ref().filter(|_| step.has("server=demo")) {
            command.envs(server.variables.iter().map(|(name, value)| (name, value)));
        }
        let script = format!("exec 2>&1\n{}", step.command);
        let Output { stdout, .. } =
            command.args(["-c", &script]).stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&stdout).lines().map(str::to_owned).collect()
    }
}

impl Drop for Chapter {
    fn drop(&mut self) {
        self.server = None;
        drop(fs::remove_dir_all(&self.directory));
    }
}

/// `graunt serve` for the home of `graunt-demo`; it ends with the chapter.
struct Server {
    child: Child,
    variables: Vec<(&'static str, String)>,
}

impl Server {
    fn start(directory: &Path) -> Self {
        let home = ["--home", "graunt-demo/.graunt"];
        let mut add = command("graunt", directory);
        let added = add.args(home).args(["analyst", "add", "ada", "--json"]).output().unwrap();
        let told = String::from_utf8_lossy(&added.stdout).into_owned();
        let password = value_of(&told, "password").unwrap_or_else(|| {
            panic!("no analyst: {told}{}", String::from_utf8_lossy(&added.stderr))
        });
        let mut serve = command("graunt", directory);
        serve.args(home).args(["serve", "--json"]);
        let doors = ["--listen", "--postgres", "--flight"];
        serve.args(doors.into_iter().flat_map(|door| [door, "127.0.0.1:0"]));
        let mut child = serve.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = |door: &str| {
            let address = value_of(&line, door).unwrap_or_else(|| panic!("no {door}: {line}"));
            address.trim_end_matches('/').rsplit(':').next().unwrap().to_owned()
        };
        let variables = vec![
            ("PAGE", port("url")),
            ("PGPORT", port("postgres")),
            ("FLIGHTPORT", port("flight")),
            ("GRAUNT_PASSWORD", password.clone()),
            ("PGPASSWORD", password),
        ];
        Self { child, variables }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A program in a directory, with the tested `graunt` first among those that are found.
fn command(program: &str, directory: &Path) -> Command {
    let given = std::env::var_os("GRAUNT_BOOK_BIN").map(PathBuf::from);
    let built = option_env!("CARGO_BIN_EXE_graunt").map(PathBuf::from);
    let binary = given.or(built).expect("GRAUNT_BOOK_BIN names the binary");
    let mut paths = vec![binary.canonicalize().unwrap().parent().unwrap().to_owned()];
    paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    // A program that is started is looked for where this process would, so it is given whole.
    let mut command = match program {
        "graunt" => Command::new(paths[0].join(program)),
        other => Command::new(other),
    };
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("GRAUNT_") || name.starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.current_dir(directory).env("PATH", std::env::join_paths(paths).unwrap());
    command.env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8").env("PSQLRC", "/dev/null");
    command
}

/// Whether a program is here, or a module of Python.
fn is_here(need: &str) -> bool {
    let import = format!("import {need}");
    let (program, arguments) = match need {
        "psql" | "curl" => (need, vec!["--version"]),
        "python" => ("python3", vec!["--version"]),
        _ => ("python3", vec!["-c", &import]),
    };
    let done = Command::new(program).args(arguments).output();
    done.is_ok_and(|output| output.status.success())
}

/// The text under a key of a line of JSON, if it has no escapes.
fn value_of(json: &str, key: &str) -> Option<String> {
    let rest = json.split_once(&format!("\"{key}\":"))?.1.trim_start().strip_prefix('"')?;
    Some(rest.split('"').next()?.to_owned())
}

/// Whether what was printed is what is expected.
fn agree(expected: &[String], actual: &[String], noisy: bool) -> bool {
    let plain = |lines: &[String]| -> Vec<String> {
        let mut plain: Vec<String> = lines.iter().map(|line| normal(line, noisy)).collect();
        while plain.last().is_some_and(String::is_empty) {
            plain.pop();
        }
        plain
    };
    lines_match(&plain(expected), &plain(actual))
}

fn lines_match(expected: &[String], actual: &[String]) -> bool {
    match expected.split_first() {
        None => actual.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=actual.len()).any(|skipped| lines_match(rest, &actual[skipped..]))
        }
        Some((first, rest)) => actual
            .split_first()
            .is_some_and(|(line, more)| line_matches(first, line) && lines_match(rest, more)),
    }
}

fn line_matches(expected: &str, actual: &str) -> bool {
    match expected.split_once(ANY) {
        None => expected == actual,
        Some((before, after)) => actual.strip_prefix(before).is_some_and(|rest| {
            let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            starts.into_iter().any(|at| line_matches(after, &rest[at..]))
        }),
    }
}

/// A line in which runs of spaces and rules are one, and, if it is noisy, numbers are alike.
fn normal(line: &str, noisy: bool) -> String {
    let mut plain = String::new();
    for c in line.trim_end().chars() {
        let is_run = matches!(c, ' ' | '\t' | '─' | '═' | '-');
        if !(is_run && plain.ends_with(c)) {
            plain.push(c);
        }
    }
    // Exit codes are never noise.
    if noisy && !plain.starts_with("exit ") { numbers_alike(&plain) } else { plain }
}

/// Writes `#` for every digest, and then for every number.
fn numbers_alike(line: &str) -> String {
    let digest = |text: &str| {
        let word = &text.as_bytes()[..word(text)];
        let is_hex = word.len() >= 12 && word.iter().all(u8::is_ascii_hexdigit);
        if is_hex && word.iter().any(u8::is_ascii_alphabetic) { word.len() } else { 0 }
    };
    replaced(&replaced(line, digest), number)
}

/// Writes `#` for whatever `length` finds at the beginning of a word or sign.
fn replaced(line: &str, length: impl Fn(&str) -> usize) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let found = length(rest);
        let taken = if found > 0 { found } else { word(rest).max(first.len_utf8()) };
        plain.push_str(if found > 0 { "#" } else { &rest[..taken] });
        rest = &rest[taken..];
    }
    plain
}

/// How many bytes of letters and digits a text begins with.
fn word(text: &str) -> usize {
    text.len() - text.trim_start_matches(|c: char| c.is_ascii_alphanumeric()).len()
}

/// How many bytes of a number a text begins with.
fn number(text: &str) -> usize {
    let digits = |from: usize| {
        from + text[from..].len()
            - text[from..].trim_start_matches(|c: char| c.is_ascii_digit()).len()
    };
    let start = usize::from(text.starts_with('-'));
    let mut end = digits(start);
    if end == start {
        return 0;
    }
    if text[end..].starts_with('.') && digits(end + 1) > end + 1 {
        end = digits(end + 1);
    }
    if text[end..].starts_with('e') {
        let sign = usize::from(text[end + 1..].starts_with(['-', '+']));
        let exponent = digits(end + 1 + sign);
        end = if exponent > end + 1 + sign { exponent } else { end };
    }
    end
}

/// Where links of a text lead within the book.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|to| !to.contains("://") && !to.contains(' ')).map(str::to_owned).collect()
}

/// The names of the headings of a text, as mdBook makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let name = |line: &str| -> String {
        let kept = line.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(name).collect()
}

/// The chapters, by the names of their files.
fn chapters() -> Vec<String> {
    let files = fs::read_dir(source()).unwrap().map(|entry| entry.unwrap().file_name());
    let names = files.filter_map(|file| Some(file.to_str()?.strip_suffix(".md")?.to_owned()));
    names.filter(|name| name != "SUMMARY").collect()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src")
}

fn read(file: &str) -> String {
    fs::read_to_string(source().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn lines(of: &[&str]) -> Vec<String> {
    of.iter().map(|&line| line.to_owned()).collect()
}

const ANY: &str = "[..]";
