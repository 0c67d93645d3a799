//! Reports that were written before, as files of a directory that the operator names.

use std::path::{Component, Path as FilePath, PathBuf};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Here, Refused, apart, refused};

/// The names of the reports.
pub(super) async fn list(State(page): Here) -> Result<Json<Value>, Refused> {
    apart(move || Ok(Json(listed(page.reports.as_deref())))).await
}

/// A report's page.
pub(super) async fn index(
    State(page): Here,
    Path(name): Path<String>,
) -> Result<Response, Refused> {
    apart(move || sent(page.reports.as_deref(), &name, INDEX)).await
}

/// A file of a report.
pub(super) async fn file(
    State(page): Here,
    Path((name, path)): Path<(String, String)>,
) -> Result<Response, Refused> {
    apart(move || sent(page.reports.as_deref(), &name, &path)).await
}

fn listed(reports: Option<&FilePath>) -> Value {
    let mut names: Vec<String> = vec![];
    if let Some(Ok(found)) = reports.map(std::fs::read_dir) {
        let entries =
            found.filter_map(Result::ok).filter(|entry| entry.path().join(INDEX).is_file());
        names.extend(entries.filter_map(|entry| entry.file_name().into_string().ok()));
    }
    names.sort();
    let reports =
        names.iter().map(|name| json!({ "name": name, "url": format!("/reports/{name}/") }));
    json!({ "reports": reports.collect::<Vec<_>>() })
}

fn sent(reports: Option<&FilePath>, name: &str, path: &str) -> Result<Response, Refused> {
    let missing = || refused(StatusCode::NOT_FOUND, "not found", "there is no such report");
    let found = reports.and_then(|reports| within(reports, name, path)).ok_or_else(missing)?;
    let kind = match found.extension().and_then(|end| end.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("csv") => "text/csv; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let bytes = std::fs::read(&found).map_err(|_| missing())?;
    // A report is one page with its styles within; it runs nothing, and fetches nothing.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                  frame-ancestors 'none'; base-uri 'none'";
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, policy)];
    Ok((headers, bytes).into_response())
}

/// A file below a report, if it is there, and nowhere else by a link.
fn within(reports: &FilePath, name: &str, path: &str) -> Option<PathBuf> {
    let is_plain = |text: &str| {
        !text.contains(['\\', '\0'])
            && FilePath::new(text).components().all(|part| matches!(part, Component::Normal(_)))
    };
    let is_none = name.is_empty() || path.is_empty();
    if is_none || name.contains('/') || !is_plain(name) || !is_plain(path) {
        return None;
    }
    let root = reports.canonicalize().ok()?.join(name);
    let found = root.join(path).canonicalize().ok()?;
    (found.starts_with(&root) && found.is_file()).then_some(found)
}

const INDEX: &str = "report.html";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_of_a_report_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let reports = directory.path().join("reports");
        std::fs::create_dir_all(reports.join("spring")).unwrap();
        std::fs::write(reports.join("spring/report.html"), "x").unwrap();
        std::fs::write(directory.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(directory.path().join("secret"), reports.join("spring/link"))
            .unwrap();
        assert!(within(&reports, "spring", INDEX).is_some());
        for (name, path) in [
            ("spring", "../../secret"),
            ("spring", "link"),
            ("..", "secret"),
            ("spring", "/etc/passwd"),
            ("spring", "report.html\0"),
            ("spring/..", "spring/report.html"),
            ("", "spring/report.html"),
            ("spring", ""),
        ] {
            assert!(within(&reports, name, path).is_none(), "{name} {path}");
        }
    }
}
