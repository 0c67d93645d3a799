//! The files of the page, compiled in: what is served is what was built.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::refused;

/// The page itself.
pub(super) fn index() -> Response {
    sent("index.html", include_str!("../../page/index.html"))
}

/// A part of the page.
pub(super) async fn of_page(Path(name): Path<String>) -> Response {
    found(PAGE, &name)
}

/// A part of the verifier of receipts.
pub(super) async fn of_verifier(Path(name): Path<String>) -> Response {
    found(VERIFIER, &name)
}

fn found(files: &[(&'static str, &'static str)], name: &str) -> Response {
    match files.iter().find(|(known, _)| *known == name) {
        Some((name, text)) => sent(name, text),
        None => {
            refused(StatusCode::NOT_FOUND, "not found", "there is no such file").into_response()
        }
    }
}

fn sent(name: &str, text: &'static str) -> Response {
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/javascript; charset=utf-8",
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")];
    (headers, text).into_response()
}

/// Name and text of files.
macro_rules! files {
    ($from:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!($from, $name)))),+]
    };
}

const PAGE: &[(&str, &str)] = files![
    "../../page/":
    "answer.mjs",
    "api.mjs",
    "app.mjs",
    "budget.mjs",
    "chart.mjs",
    "check.mjs",
    "dom.mjs",
    "favicon.svg",
    "figures.css",
    "login.mjs",
    "numbers.mjs",
    "parts.css",
    "quote.mjs",
    "receipt.mjs",
    "refusal.mjs",
    "session.mjs",
    "style.css",
    "view-about.mjs",
    "view-ask.mjs",
    "view-check.mjs",
    "view-data.mjs",
    "view-log.mjs",
    "view-release.mjs",
    "view-reports.mjs",
];

const VERIFIER: &[(&str, &str)] = files![
    "../../../ledger-adapter/verifier/":
    "bytes.mjs",
    "json.mjs",
    "log.mjs",
    "policy.mjs",
    "price.mjs",
    "shapes.mjs",
    "verify.mjs",
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The names in a directory of the project, but for those that `leave` names.
    fn names(directory: &str, leave: &[&str]) -> Vec<String> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        let all = fs::read_dir(directory).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.unwrap().file_name().into_string().unwrap()
        };
        let mut names: Vec<String> = all.map(name).collect();
        names.retain(|name| !leave.contains(&name.as_str()));
        names.sort();
        names
    }

    #[test]
    fn every_file_of_the_page_is_compiled_in() {
        let compiled = |files: &[(&str, &str)]| {
            files.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(compiled(PAGE), names("src/page", &["index.html"]));
        let not_served = ["browser.test.mjs", "cli.mjs", "mutated.mjs", "verify.test.mjs"];
        assert_eq!(compiled(VERIFIER), names("ledger-adapter/verifier", &not_served));
    }
}
