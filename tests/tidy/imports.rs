//! Which crate may depend on which, from the manifests.

use toml::{Table, Value};

use super::rules::home_of;

/// Which of our crates each may depend on. Whatever is not here is a fault, and so is a crate that
/// nobody may name: the root.
const IMPORTS: &[(&str, &[&str])] = &[
    ("ledger-adapter", &[]),
    ("engine", &["ledger-adapter", "seal"]),
    ("seal", &[]),
    ("datasets", &["ledger-adapter"]),
    ("contest", &["datasets", "engine", "ledger-adapter"]),
    ("queries", &["engine"]),
    (ROOT, &["datasets", "engine", "ledger-adapter", "queries"]),
];

const ROOT: &str = "graunt";

/// Where the code of the root package is.
const ROOT_DIRS: [&str; 3] = ["src/", "tests/", "benches/"];

/// The directories of the workspace's members, without the root.
pub(super) fn members(workspace: &Table) -> Vec<String> {
    let listed = workspace["workspace"]["members"].as_array().unwrap();
    listed.iter().map(|dir| dir.as_str().unwrap().to_owned()).collect()
}

/// The faults of the root's manifest and of its members', which come with their directories.
pub(super) fn faults(root: &Table, members: &[(String, Table)]) -> Vec<String> {
    let mut faults = vec![];
    let unsafe_code = root.get("workspace").and_then(|w| w.get("lints")?.get("rust"));
    if unsafe_code.and_then(|rust| rust.get("unsafe_code")?.as_str()) != Some("forbid") {
        faults.push("Cargo.toml: unsafe_code = \"forbid\"".to_owned());
    }
    let declared = root.get("workspace").and_then(|w| w.get("dependencies")?.as_table());
    for (name, dependency) in declared.into_iter().flatten() {
        if dependency.get("package").is_some() {
            faults.push(format!("Cargo.toml: {name} goes by another name"));
        }
    }
    faults.extend(crate_faults("Cargo.toml", &ROOT_DIRS, root));
    for (dir, manifest) in members {
        let path = format!("{dir}/Cargo.toml");
        faults.extend(crate_faults(&path, &[&format!("{dir}/")], manifest));
    }
    faults
}

/// The faults of one package, whose code is in these directories.
fn crate_faults(path: &str, dirs: &[&str], manifest: &Table) -> Vec<String> {
    let mut faults = vec![];
    let mut add = |fault: String| faults.push(format!("{path}: {fault}"));
    let name = manifest.get("package").and_then(|package| package.get("name")?.as_str());
    let name = name.unwrap_or_default();
    let Some((_, ours)) = IMPORTS.iter().find(|(known, _)| *known == name) else {
        add(format!("{name:?} has no place in tests/tidy/imports.rs"));
        return faults;
    };
    if !is_of_workspace(manifest.get("lints")) {
        add("[lints] workspace = true".to_owned());
    }
    for (dependency, value) in dependencies(manifest) {
        let plain = dependency.replace('_', "-");
        let is_ours = IMPORTS.iter().any(|(known, _)| *known == plain);
        if is_ours && !ours.contains(&plain.as_str()) {
            add(format!("{name} may not depend on {plain}"));
        }
        if !is_of_workspace(Some(value)) {
            add(format!("the version of {dependency} is the workspace's to declare"));
        }
        let Some(home) = home_of(&dependency.replace('-', "_")) else { continue };
        let may_live = |dir: &&str| {
            let meets = |prefix: &&str| {
                dir.starts_with(prefix) || (prefix.starts_with(dir) && !is_package(prefix))
            };
            let is_within = |prefix: &&str| dir.starts_with(prefix);
            home.under.iter().any(meets) && !home.except.iter().any(is_within)
        };
        if !dirs.iter().any(may_live) {
            add(format!("{dependency} is not at home here"));
        }
    }
    faults
}

/// Whether a directory is that of a package of its own, wherever it lies.
fn is_package(dir: &str) -> bool {
    let last = dir.trim_end_matches('/').rsplit('/').next();
    IMPORTS.iter().any(|(name, _)| last == Some(*name))
}

fn is_of_workspace(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")?.as_bool()) == Some(true)
}

/// Dependencies of every kind: of the code, its tests, its build, and of single targets.
fn dependencies(manifest: &Table) -> Vec<(&str, &Value)> {
    const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flatten();
    let tables = targets.filter_map(|(_, target)| target.as_table());
    let of_kind = |table| {
        let of = move |kind: &&str| Table::get(table, *kind).and_then(Value::as_table);
        KINDS.iter().filter_map(of).flatten()
    };
    let all = std::iter::once(manifest).chain(tables).flat_map(of_kind);
    all.map(|(name, value)| (name.as_str(), value)).collect()
}
