//! No file names the machine that it was written on, or the host of a package registry: neither
//! is there for the next reader.

/// The faults of a file of text, as `path:line: rule`.
pub(super) fn faults(path: &str, text: &str) -> Vec<String> {
    // The lock file names the registry by cargo's own rules.
    if path == "Cargo.lock" {
        return vec![];
    }
    let mut faults = vec![];
    for (number, line) in (1..).zip(text.lines()) {
        if HOMES.iter().any(|home| names_path(line, home)) {
            faults.push(format!("{path}:{number}: a path of one machine"));
        }
        if names_registry(line) {
            faults.push(format!("{path}:{number}: a package registry's host"));
        }
    }
    faults
}

/// Where people and build machines keep their checkouts. Each is in two parts, for this file is
/// looked at as well.
const HOMES: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
    concat!(":\\Us", "ers\\"),
];

/// Whether a line has an absolute path below `home`.
fn names_path(line: &str, home: &str) -> bool {
    line.match_indices(home).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        // The drive's letter, or nothing that would go on from the left.
        home.starts_with(':')
            || !before.is_some_and(|c| c.is_alphanumeric() || "._-~*}".contains(c))
    })
}

/// Whether a line has the address of a registry's index or files.
fn names_registry(line: &str) -> bool {
    let mut addresses = line
        .split("http")
        .skip(1)
        .filter(|rest| rest.strip_prefix('s').unwrap_or(rest).starts_with("://"));
    addresses.any(|rest| {
        let end = rest.find(|c: char| c.is_whitespace() || "\"'`<>)".contains(c));
        let address = &rest[..end.unwrap_or(rest.len())];
        let has = |part: &&str| address.contains(*part);
        ["npm", "pypi", "python", "debian", "crates"].iter().any(has)
            && ["/simple/", "/debian/", "/packages/", "/api/"].iter().any(has)
    })
}
