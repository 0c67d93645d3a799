//! Where tests find the reference data that is not in the repository.

use std::path::PathBuf;

/// The file of this path below `GRAUNT_SHARED`, by default a folder beside the workspace; none,
/// and a line that says so, where it is absent.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("GRAUNT_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let file = root.join(path);
    if file.exists() {
        return Some(file);
    }
    println!("skipped: no {path} in the shared data");
    None
}
