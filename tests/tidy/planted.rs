//! Every rule finds the fault that it is for, and leaves its neighbours alone.

use toml::Table;

use super::source::Source;
use super::{imports, places, rules};

/// Faults of one Rust file, without its path.
fn found(path: &str, code: &str) -> Vec<String> {
    let faults = rules::faults(&Source::new(path, &format!("//! Purpose.\n{code}")));
    let prefix = format!("{path}:");
    faults.iter().map(|fault| fault.strip_prefix(&prefix).unwrap().to_owned()).collect()
}

#[track_caller]
fn finds(path: &str, code: &str, fault: &str) {
    assert_eq!(found(path, code), [fault], "{path}\n{code}");
}

#[track_caller]
fn passes(path: &str, code: &str) {
    assert_eq!(found(path, code), [""; 0], "{path}\n{code}");
}

#[test]
fn a_file_must_say_what_it_is_for() {
    let faults = rules::faults(&Source::new("src/a.rs", "fn main() {}\n//! Late.\n"));
    assert_eq!(faults, ["src/a.rs:1: a file opens by saying what it is for (//!)"]);
}

#[test]
fn long_lines_files_and_functions_are_found() {
    passes("src/a.rs", &format!("// {}\n", "é".repeat(97)));
    finds("src/a.rs", &format!("// {}\n", "é".repeat(98)), "2: over 100 columns");
    passes("src/a.rs", &"\n".repeat(499));
    finds("src/a.rs", &"\n".repeat(500), "501: a file has at most 500 lines");
    let function =
        |lines| format!("fn f(a: [u8; 2]) -> u8 {{\n{}}}\n", "    \"}\";\n".repeat(lines));
    passes("src/a.rs", &function(68));
    finds("src/a.rs", &function(69), "2: f has 71 of at most 70 lines");
    let nested = format!("mod m {{\n    impl A {{\n{}\n}}\n}}\n", function(69));
    finds("src/a.rs", &nested, "4: f has 71 of at most 70 lines");
    passes(
        "src/a.rs",
        &format!("trait T {{ fn f(); }}\nstruct S {{\n{}}}\n", "    a: fn(u8),\n".repeat(80)),
    );
}

#[test]
fn glob_imports_are_found() {
    let fault = "2: name what is imported; `use super::*` is for tests";
    finds("src/a.rs", "use std::fmt::*;\n", fault);
    finds("src/a.rs", "pub(crate) use crate::{a, b::{self, *}};\n", fault);
    finds("src/a.rs", "use super::*;\n", fault);
    finds("src/a/tests.rs", "use proptest::prelude::*;\n", fault);
    passes("src/a/tests.rs", "use super::*;\n");
    passes("src/a/tests/b.rs", "use super::*;\n");
    passes("src/a.rs", "const A: u8 = 2 * 3;\n#[cfg(test)]\nmod tests {\n    use super::*;\n}\n");
    passes("src/a.rs", "// use a::*;\nfn f() -> impl Fn() + use<'_> { 2 * 3; }\n");
}

#[test]
fn ignored_tests_and_silenced_lints_are_found() {
    let ignored = "2: a test runs or is not there; none is ignored";
    finds("src/a.rs", concat!("#[", "ignore]\nfn f() {}\n"), ignored);
    finds("src/a.rs", concat!("#[", "ignore = \"slow\"]\nfn f() {}\n"), ignored);
    finds("src/a.rs", "#[cfg_attr(miri, ignore)]\nfn f() {}\n", ignored);
    let allowed = "2: an exception is expect(lint, reason = \"...\")";
    finds("src/a.rs", "#[allow(dead_code)]\nfn f() {}\n", allowed);
    finds("src/a.rs", "#![allow(dead_code, reason = \"later\")]\n", allowed);
    finds("src/a.rs", "#[expect(dead_code)]\nfn f() {}\n", "2: an expected lint has a reason");
    passes("src/a.rs", "#[expect(dead_code, reason = \"why\")]\nfn f() { allow(ignore[0]); }\n");
    passes("src/a.rs", "#[should_panic(expected = \"allow(ignore)\")]\nfn f() {}\n");
}

#[test]
fn names_without_meaning_are_found() {
    finds("src/utils.rs", "", "1: \"utils\" does not say what is inside");
    finds("src/helpers/a.rs", "", "1: \"helpers\" does not say what is inside");
    finds("src/a.rs", "mod common;\n", "2: \"common\" does not say what is inside");
    passes("src/common_cold.rs", "mod miscount;\n");
}

#[test]
fn what_is_left_undone_is_found() {
    let fault = "2: `TODO: ` names what is missing, and what happens until then";
    finds("src/a.rs", "// TODO\n", fault);
    finds("src/a.rs", "fn f() {} // TODO: soon\n", fault);
    finds("src/a.rs", "/* FIXME: the sign is wrong here */\n", fault);
    passes("src/a.rs", "// TODO: cap the length; until then long names are refused\n");
    passes("src/a.rs", "const A: &str = \"TODO\"; // TODOS\n");
    for stub in ["todo", "unimplemented"] {
        let code = format!("fn f() {{ {stub}!() }}\n");
        finds("src/a.rs", &code, "2: write it, or refuse with an error");
    }
}

#[test]
fn foreign_crates_away_from_home_are_found() {
    for (path, name) in [
        ("src/main.rs", "datafusion"),
        ("engine/src/noise/mod.rs", "datafusion_expr"),
        ("datasets/src/lib.rs", "sqlparser"),
        ("engine/src/aggregate/mod.rs", "opendp"),
        ("engine/src/privacy/mod.rs", "dashu"),
        ("engine/src/lib.rs", "polars"),
        ("tests/street.rs", "polars_core"),
        ("engine/src/lib.rs", "tfhe"),
        ("engine/seal/src/lib.rs", "prio"),
        ("ledger-adapter/src/lib.rs", "arrow"),
        ("ledger-adapter/src/log/mod.rs", "parquet"),
        ("ledger-adapter/src/log/mod.rs", "polars"),
    ] {
        let fault = format!("2: {name} is not at home here");
        for code in [
            format!("use {name}::a;\n"),
            format!("use {{std::fmt, {name}::a}};\n"),
            format!("use {name} as other;\n"),
            format!("extern crate {name};\n"),
            format!("fn f() {{ g(::{name}::a()) }}\n"),
            format!("fn f(a: &{name}::A) {{}}\n"),
        ] {
            finds(path, &code, &fault);
        }
        passes(
            path,
            &format!("// {name}::a\nfn {name}(s: &str) {{ super::{name}::a(\"{name}::\") }}\n"),
        );
    }
    passes("engine/src/scan/table.rs", "use datafusion::a;\nuse datafusion_common::a;\n");
    passes("engine/src/noise/charge_test.rs", "use opendp::a;\nuse dashu::a;\nuse rayon::a;\n");
    passes("datasets/src/extract/mod.rs", "use polars::a;\nuse arrow::a;\nuse parquet::a;\n");
}

#[test]
fn floats_where_integers_decide_are_found() {
    let fault = "1: #![deny(clippy::float_arithmetic)], and no exception from it";
    let denied = "#![deny(clippy::float_arithmetic)]\n";
    for path in rules::INTEGERS_ONLY {
        finds(path, "", fault);
        finds(path, "// #![deny(clippy::float_arithmetic)]\n", fault);
        finds(path, "#![warn(clippy::float_arithmetic)]\n", fault);
        let excepted = "#[expect(clippy::float_arithmetic, reason = \"speed\")]\nfn f() {}\n";
        finds(path, &format!("{denied}{excepted}"), fault);
        passes(path, denied);
    }
    passes("engine/src/noise/tail.rs", "");
}

/// Faults of manifests: the root's, and one of the crate `name`.
fn manifest_faults(root: &str, name: &str, member: &str) -> Vec<String> {
    let member = format!("package.name = {name:?}\n{member}");
    let members = [(name.to_owned(), member.parse::<Table>().unwrap())];
    imports::faults(&root.parse().unwrap(), &members)
}

const TIDY_ROOT: &str = "package.name = \"graunt\"\nlints.workspace = true\n\
    workspace.lints.rust.unsafe_code = \"forbid\"\n";

#[test]
fn imports_against_the_stream_are_found() {
    for (name, dependency) in [
        ("ledger-adapter", "engine"),
        ("ledger-adapter", "datasets"),
        ("engine", "queries"),
        ("engine", "datasets"),
        ("datasets", "engine"),
        ("queries", "datasets"),
        ("queries", "graunt"),
    ] {
        for kind in ["dependencies", "dev-dependencies", "target.'cfg(unix)'.dependencies"] {
            let manifest =
                format!("lints.workspace = true\n{kind}.{dependency}.workspace = true\n");
            let fault = format!("{name}/Cargo.toml: {name} may not depend on {dependency}");
            assert_eq!(manifest_faults(TIDY_ROOT, name, &manifest), [fault]);
        }
    }
    let manifest = "lints.workspace = true\ndependencies.ledger_adapter.workspace = true\n";
    assert_eq!(manifest_faults(TIDY_ROOT, "engine", manifest), [""; 0]);
    let fault = ["elsewhere/Cargo.toml: \"elsewhere\" has no place in tests/tidy/imports.rs"];
    assert_eq!(manifest_faults(TIDY_ROOT, "elsewhere", ""), fault);
}

#[test]
fn manifests_that_loosen_the_rules_are_found() {
    let tidy = "lints.workspace = true\n";
    let fault = ["engine/Cargo.toml: [lints] workspace = true"];
    assert_eq!(manifest_faults(TIDY_ROOT, "engine", ""), fault);
    let own = format!("{tidy}build-dependencies.rayon = \"1\"\n");
    let fault = ["engine/Cargo.toml: the version of rayon is the workspace's to declare"];
    assert_eq!(manifest_faults(TIDY_ROOT, "engine", &own), fault);
    let unsafe_root = TIDY_ROOT.replace("forbid", "deny");
    let fault = ["Cargo.toml: unsafe_code = \"forbid\""];
    assert_eq!(manifest_faults(&unsafe_root, "engine", tidy), fault);
    let renamed = format!("{TIDY_ROOT}workspace.dependencies.noise.package = \"opendp\"\n");
    let fault = ["Cargo.toml: noise goes by another name"];
    assert_eq!(manifest_faults(&renamed, "engine", tidy), fault);
    for (name, dependency) in [
        ("ledger-adapter", "arrow"),
        ("ledger-adapter", "parquet"),
        ("datasets", "datafusion"),
        ("queries", "opendp"),
        ("engine", "polars"),
    ] {
        let manifest = format!("{tidy}dependencies.{dependency}.workspace = true\n");
        let fault = format!("{name}/Cargo.toml: {dependency} is not at home here");
        assert_eq!(manifest_faults(TIDY_ROOT, name, &manifest), [fault]);
    }
    for dependency in ["arrow", "datafusion", "opendp", "rayon"] {
        let manifest = format!("{tidy}dependencies.{dependency}.workspace = true\n");
        assert_eq!(manifest_faults(TIDY_ROOT, "engine", &manifest), [""; 0]);
    }
    let root = format!("{TIDY_ROOT}dev-dependencies.datafusion.workspace = true\n");
    let fault = ["Cargo.toml: datafusion is not at home here"];
    assert_eq!(manifest_faults(&root, "engine", tidy), fault);
}

#[test]
fn machines_and_registries_are_found() {
    let is_found = |line: &str| !places::faults("README.md", line).is_empty();
    for (before, after) in [
        ("path = \"/ho", "me/ada/graunt\""),
        ("see /Us", "ers/ada/x"),
        ("(/ro", "ot/.cargo)"),
        ("/wo", "rk/main"),
        ("file:///ho", "me/ada"),
        ("C:\\Us", "ers\\ada"),
        ("https://py", "pi.org/simple/polars"),
        ("http://deb.deb", "ian.org/debian/ stable"),
        ("[index](https://crat", "es.io/api/v1)"),
    ] {
        assert!(is_found(&format!("{before}{after}")), "{before}{after}");
    }
    for line in [
        "docs/home/page, ~/code/graunt and site/root/leaf",
        "https://example.org/home/page",
        "https://docs.python.org/3/library and then /simple/",
        "/etc/study/graunt.toml",
        "/homes/ada",
    ] {
        assert!(!is_found(line), "{line}");
    }
    let registry = concat!("http://deb.deb", "ian.org/debian/");
    assert_eq!(places::faults("a/b.md", registry), ["a/b.md:1: a package registry's host"]);
    assert_eq!(places::faults("Cargo.lock", registry), [""; 0]);
}
