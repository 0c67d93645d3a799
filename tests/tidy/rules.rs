//! The rules of a single Rust file. Each looks at a file and gives its faults.

use super::source::Source;

/// The faults of a file, as `path:line: rule`.
pub(super) fn faults(source: &Source) -> Vec<String> {
    let rules: [fn(&Source) -> Faults; 9] =
        [opening, size, functions, uses, attributes, modules, stubs, comments, foreign_crates];
    let found = rules.iter().flat_map(|rule| rule(source)).chain(floats(source));
    found.map(|(line, fault)| format!("{}:{line}: {fault}", source.path)).collect()
}

/// Where a foreign crate may be named: below one of `under` and none of `except`, which are
/// prefixes of paths from the root.
#[derive(Debug)]
pub(super) struct Home {
    /// The crates, and all whose names begin so and go on with an underscore.
    pub(super) crates: &'static [&'static str],
    /// Prefixes; the empty one is that of every path.
    pub(super) under: &'static [&'static str],
    /// Prefixes.
    pub(super) except: &'static [&'static str],
}

/// Crates that are not here may be named anywhere.
pub(super) const HOMES: &[Home] = &[
    // Beside Graunt, it is also a peer.
    Home {
        crates: &["datafusion"],
        under: &["engine/src/", "benches/contest/"],
        except: &["engine/src/noise/"],
    },
    // Of cohorts it is the tests only that read the SQL that was written.
    Home {
        crates: &["sqlparser"],
        under: &["engine/src/", "queries/src/cohort/tests/"],
        except: &["engine/src/noise/"],
    },
    Home { crates: &["opendp", "dashu"], under: &["engine/src/noise/"], except: &[] },
    Home { crates: &["polars"], under: &["datasets/", "queries/"], except: &[] },
    Home { crates: &["csv"], under: &["datasets/src/fhir/"], except: &[] },
    Home {
        crates: &["plotters", "maud", "roxmltree"],
        under: &["queries/src/report/"],
        except: &[],
    },
    Home { crates: &["statrs"], under: &["queries/src/methods/"], except: &[] },
    Home { crates: &["ureq"], under: &["ledger-adapter/src/"], except: &[] },
    Home { crates: &["signed_note", "tlog_tiles"], under: &["ledger-adapter/"], except: &[] },
    Home { crates: &["alloy", "k256", "revm"], under: &["ledger-adapter/src/chain/"], except: &[] },
    Home { crates: &["tfhe"], under: &["engine/seal/"], except: &[] },
    // Run beside Graunt, and never linked into it.
    Home { crates: &["fhe", "prio"], under: &["benches/sealed-peers/"], except: &[] },
    Home { crates: &["hpke"], under: &["engine/src/federation/"], except: &[] },
    Home {
        crates: &["ballista", "datafusion_proto", "uuid"],
        under: &["engine/src/cluster/"],
        except: &[],
    },
    Home { crates: &["prost"], under: &["engine/src/cluster/", "src/doors/flight/"], except: &[] },
    Home { crates: &["hyper_util"], under: &["src/wire/"], except: &[] },
    Home {
        crates: &["rcgen", "x509_parser"],
        under: &["src/wire/", "engine/src/cluster/"],
        except: &[],
    },
    Home {
        crates: &["arrow_flight", "tokio_rustls", "tonic"],
        under: &["src/wire/", "src/doors/", "src/serve.rs", "tests/doors/", "engine/src/cluster/"],
        except: &[],
    },
    // Passwords are kept as the protocol has them.
    Home {
        crates: &["pgwire", "arrow_pg"],
        under: &["src/doors/postgres/", "src/analysts.rs"],
        except: &[],
    },
    Home { crates: &["arrow", "parquet"], under: &[""], except: &["ledger-adapter/"] },
];

/// Files that decide what is charged or drawn, and must do so without floats.
pub(super) const INTEGERS_ONLY: &[&str] = &[
    "engine/src/noise/charge.rs",
    "engine/src/noise/choice.rs",
    "engine/src/noise/exponential.rs",
    "engine/src/noise/gaussian.rs",
    "engine/src/noise/generator.rs",
    "engine/src/noise/geometric.rs",
    "engine/src/noise/laplace.rs",
    "engine/src/noise/mechanism.rs",
    "engine/src/noise/purse.rs",
    "engine/src/noise/residual.rs",
    "engine/src/noise/sampler.rs",
    "engine/seal/src/ciphertext.rs",
    "engine/seal/src/lane.rs",
    "engine/seal/src/opening.rs",
    "engine/seal/src/packing.rs",
    "engine/seal/src/ring.rs",
    "engine/seal/src/sealing.rs",
    "engine/seal/src/secret.rs",
    "engine/seal/src/share.rs",
];

/// The home of a foreign crate; `None` if it may live anywhere.
pub(super) fn home_of(name: &str) -> Option<&'static Home> {
    let begins = |known: &str| {
        name.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    HOMES.iter().find(|home| home.crates.iter().any(|known| begins(known)))
}

const COLUMNS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const TODO_WORDS_MIN: usize = 3;

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 7] =
    ["common", "helper", "helpers", "misc", "miscellaneous", "util", "utils"];

type Faults = Vec<(usize, String)>;

fn opening(source: &Source) -> Faults {
    let says = source.text.starts_with("//! ");
    if says { vec![] } else { vec![(1, "a file opens by saying what it is for (//!)".to_owned())] }
}

fn size(source: &Source) -> Faults {
    let mut faults = vec![];
    for (number, line) in (1..).zip(source.text.lines()) {
        if line.chars().count() > COLUMNS_MAX {
            faults.push((number, format!("over {COLUMNS_MAX} columns")));
        }
    }
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        faults.push((lines, format!("a file has at most {FILE_LINES_MAX} lines")));
    }
    faults
}

fn functions(source: &Source) -> Faults {
    let mut faults = vec![];
    for at in 0..source.tokens.len() {
        // A type such as `fn(u8)` has no name.
        if source.token(at) != "fn" || source.token(at + 1) == "(" {
            continue;
        }
        let Some(body) = body(source, at) else { continue };
        let first = source.tokens[at].line;
        let lines = source.tokens[source.closing(body)].line + 1 - first;
        if lines > FUNCTION_LINES_MAX {
            let name = source.token(at + 1);
            faults
                .push((first, format!("{name} has {lines} of at most {FUNCTION_LINES_MAX} lines")));
        }
    }
    faults
}

/// Where the body of the function at a place opens; `None` if it has none.
fn body(source: &Source, mut at: usize) -> Option<usize> {
    loop {
        match source.token(at) {
            "{" => return Some(at),
            ";" | "" => return None,
            "(" | "[" => at = source.closing(at) + 1,
            _ => at += 1,
        }
    }
}

fn uses(source: &Source) -> Faults {
    let mut faults = vec![];
    for at in 0..source.tokens.len() {
        let is_item = matches!(source.before(at, 1), "" | ";" | "{" | "}" | "]" | ")" | "pub");
        if source.token(at) != "use" || !is_item {
            continue;
        }
        let names: Vec<&str> =
            (at + 1..).map(|at| source.token(at)).take_while(|t| !matches!(*t, ";" | "")).collect();
        let of_tests = names == ["super", ":", ":", "*"] && is_in_tests(source, at);
        if names.contains(&"*") && !of_tests {
            let fault = "name what is imported; `use super::*` is for tests";
            faults.push((source.tokens[at].line, fault.to_owned()));
        }
    }
    faults
}

/// Whether a place is in a file of tests, or past the start of a module of tests.
fn is_in_tests(source: &Source, at: usize) -> bool {
    let path = format!("/{}", source.path);
    path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || (1..at).any(|at| source.before(at, 1) == "mod" && source.token(at) == "tests")
}

fn attributes(source: &Source) -> Faults {
    let mut faults = vec![];
    for at in 0..source.tokens.len() {
        let opening = if source.token(at + 1) == "!" { at + 2 } else { at + 1 };
        if source.token(at) != "#" || source.token(opening) != "[" {
            continue;
        }
        let inside = opening + 1..source.closing(opening);
        let has = |word: &str| inside.clone().any(|at| source.token(at) == word);
        let calls = |word: &str| {
            inside.clone().any(|at| source.token(at) == word && source.token(at + 1) == "(")
        };
        let mut add = |fault: &str| faults.push((source.tokens[at].line, fault.to_owned()));
        if has("ignore") {
            add("a test runs or is not there; none is ignored");
        }
        if calls("allow") {
            add("an exception is expect(lint, reason = \"...\")");
        }
        if calls("expect") && !has("reason") {
            add("an expected lint has a reason");
        }
    }
    faults
}

fn modules(source: &Source) -> Faults {
    let empty = |name: &str| EMPTY_NAMES.contains(&name);
    let fault = |name: &str| format!("{name:?} does not say what is inside");
    let path = source.path.trim_end_matches(".rs").split('/');
    let mut faults: Faults = path.filter(|n| empty(n)).map(|name| (1, fault(name))).collect();
    for at in 1..source.tokens.len() {
        if source.before(at, 1) == "mod" && empty(source.token(at)) {
            faults.push((source.tokens[at].line, fault(source.token(at))));
        }
    }
    faults
}

fn stubs(source: &Source) -> Faults {
    let is_stub = |at: &usize| {
        matches!(source.token(*at), "todo" | "unimplemented") && source.token(at + 1) == "!"
    };
    let fault =
        |at: usize| (source.tokens[at].line, "write it, or refuse with an error".to_owned());
    (0..source.tokens.len()).filter(is_stub).map(fault).collect()
}

fn comments(source: &Source) -> Faults {
    let mut faults = vec![];
    for (number, line) in (1..).zip(source.comments.lines()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(at) = words.iter().position(|word| is_mark(word)) else { continue };
        let says = words[at].starts_with("TODO:") && words.len() > at + TODO_WORDS_MIN;
        if !says {
            faults.push((
                number,
                "`TODO: ` names what is missing, and what happens until then".to_owned(),
            ));
        }
    }
    faults
}

/// Whether a word says that something is to be done.
fn is_mark(word: &str) -> bool {
    let letters = word.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
    matches!(letters, "TODO" | "FIXME") && !word.starts_with('`')
}

fn foreign_crates(source: &Source) -> Faults {
    let mut faults = vec![];
    for (at, token) in source.tokens.iter().enumerate() {
        let Some(home) = home_of(&token.text) else { continue };
        let admits = home.under.iter().any(|prefix| source.path.starts_with(prefix))
            && !home.except.iter().any(|prefix| source.path.starts_with(prefix));
        if !admits && is_crate_name(source, at) {
            faults.push((token.line, format!("{} is not at home here", token.text)));
        }
    }
    faults
}

/// Whether the name at a place is the first of a path, or imported whole.
fn is_crate_name(source: &Source, at: usize) -> bool {
    let is_path = source.token(at + 1) == ":" && source.token(at + 2) == ":";
    let follows = source.before(at, 1) == ":" && source.before(at, 2) == ":";
    let owner = source.before(at, 3);
    let has_owner = owner == ">" || owner.chars().all(|c| c.is_alphanumeric() || c == '_');
    let is_first = !follows || !has_owner || matches!(owner, "" | "use" | "in" | "as");
    let is_whole = matches!(source.before(at, 1), "use" | "crate") && !is_path;
    is_whole || (is_path && is_first)
}

fn floats(source: &Source) -> Faults {
    const LINT: &str = "float_arithmetic";
    if !INTEGERS_ONLY.contains(&source.path.as_str()) {
        return vec![];
    }
    let named: Vec<usize> =
        (0..source.tokens.len()).filter(|at| source.token(*at) == LINT).collect();
    // # ! [ deny ( clippy : : float_arithmetic
    let is_denied = |at: &usize| {
        let before: Vec<&str> = (1..=8).rev().map(|places| source.before(*at, places)).collect();
        before == ["#", "!", "[", "deny", "(", "clippy", ":", ":"]
    };
    match named.as_slice() {
        [only] if is_denied(only) => vec![],
        _ => vec![(1, format!("#![deny(clippy::{LINT})], and no exception from it"))],
    }
}
