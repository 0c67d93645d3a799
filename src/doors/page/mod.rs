//! The page and its HTTP: questions in a browser, the public log, receipts that the browser checks
//! itself; and what operators ask, `/health` and `/metrics`.
//!
//! ```text
//!  assets     the page, and the verifier of receipts, as they were compiled in
//!  catalogue  tables, bounds, values         ┐
//!  ledger     the log, budgets, releases     ├ for everybody
//!  reports    pages that were written before ┘
//!  asking     login, price, question, cancel   for analysts
//! ```
//! Nothing on the page comes from elsewhere, and nothing in it may run that is not of it. Where
//! only this machine is served, `local` refuses what was sent to another name.

mod asking;
mod assets;
pub(crate) mod catalogue;
mod guests;
mod ledger;
pub(crate) mod listen;
mod local;
mod reports;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use engine::error::Error as EngineError;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::desk::refusal::Refusal;
use crate::fail::Failure;

use self::guests::Guests;
use self::ledger::Records;

/// What the page is about.
pub(crate) struct Page {
    pub(crate) desk: Arc<Desk>,
    pub(crate) records: Records,
    /// Where reports are that everybody may read.
    pub(crate) reports: Option<PathBuf>,
    /// Whether receipts, with question and answer, are for everybody.
    pub(crate) has_public_releases: bool,
    /// Where it listens itself.
    pub(crate) address: SocketAddr,
    /// Other names of this machine, which a proxy may pass on.
    pub(crate) hosts: Vec<String>,
    /// Where the other doors are.
    pub(crate) postgres: Option<String>,
    pub(crate) flight: Option<String>,
    pub(crate) is_secure: bool,
    pub(crate) guests: Guests,
}

pub(crate) use self::ledger::records;

impl Page {
    /// No guests yet.
    pub(crate) fn nobody() -> Guests {
        Guests::default()
    }
}

type Here = State<Arc<Page>>;

/// The routes.
pub(crate) fn routes(page: Arc<Page>) -> Router {
    let fixed = |name: HeaderName, value: &'static str| {
        tower_http::set_header::SetResponseHeaderLayer::if_not_present(
            name,
            HeaderValue::from_static(value),
        )
    };
    Router::new()
        .route("/", get(|| async { assets::index() }))
        .route("/assets/{name}", get(assets::of_page))
        .route("/verifier/{name}", get(assets::of_verifier))
        .route("/health", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics))
        .route("/api/about", get(about))
        .route("/api/catalogue", get(catalogue::catalogue))
        .route("/api/budgets", get(ledger::budgets))
        .route("/api/log", get(ledger::log))
        .route("/api/releases/{query}", get(ledger::release))
        .route("/api/reports", get(reports::list))
        .route("/reports/{name}/", get(reports::index))
        .route("/reports/{name}/{*path}", get(reports::file))
        .route("/api/login", post(asking::login))
        .route("/api/logout", post(asking::logout))
        .route("/api/me", get(asking::me))
        .route("/api/explain", post(asking::explain))
        .route("/api/ask", post(asking::ask))
        .route("/api/cancel", post(asking::cancel))
        .fallback(|| async { refused(StatusCode::NOT_FOUND, "not found", "there is no such page") })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(&page), local::only))
        .layer(fixed(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::X_FRAME_OPTIONS, "DENY"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(fixed(header::CACHE_CONTROL, "no-store"))
        .with_state(page)
}

async fn metrics(State(page): Here) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, page.desk.counters.text()).into_response()
}

async fn about(State(page): Here) -> Result<Json<Value>, Refused> {
    let desk = &page.desk;
    Ok(Json(json!({
        "population": desk.population(),
        "version": env!("CARGO_PKG_VERSION"),
        "postgres": page.postgres,
        "flight": page.flight,
        "is_secure": page.is_secure,
        "origin": page.records.origin(),
        "vkey": page.records.vkey(),
        "policy": page.records.policy(),
        "confidence": desk.terms.confidence,
        "defaults": { "epsilon": desk.terms.epsilon, "delta": desk.terms.delta },
        "day": ledger::day(crate::home::today()?),
    })))
}

/// A failure as HTTP has it.
#[derive(Debug)]
pub(crate) struct Refused(StatusCode, Refusal);

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        let refusal = Refusal::of(&failure);
        let status = match refusal.code.as_str() {
            "unauthorized" => StatusCode::UNAUTHORIZED,
            "limit" => StatusCode::TOO_MANY_REQUESTS,
            "cancelled" | "untrusted" => StatusCode::CONFLICT,
            "exhausted" => StatusCode::PAYMENT_REQUIRED,
            code if code.starts_with("R-") || code == "usage" => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, refusal)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(self.1.to_json())).into_response()
    }
}

/// Does what waits for files or for the ledger apart from the threads of the door.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Failure::Engine(EngineError::Internal("it ended")).into()))
}

/// A refusal that is not of a statement.
fn refused(status: StatusCode, code: &str, message: &str) -> Refused {
    let (code, message) = (code.to_owned(), message.to_owned());
    Refused(status, Refusal { code, message, hint: None, place: None })
}

/// What a browser may run and fetch on this page: what comes from here.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'; object-src 'none'";

/// The longest request: a statement, in JSON.
const BODY_BYTES_MAX: usize = 1 << 20;
