//! At loopback and without TLS, the page answers to names of this machine only. Elsewhere any name
//! may lead here; who asks is not looked at.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{Here, refused};

/// Refuses what was sent to a name that is not of this machine, where only this machine is served.
///
/// Whoever has a name can make it lead to 127.0.0.1 once a browser has fetched a page of theirs
/// under it, and that page may then read what is here as if it were its own. It cannot change the
/// name that the browser sends. A certificate would not be of that name, so with TLS it comes to
/// nothing anyway.
pub(super) async fn only(State(page): Here, request: Request, next: Next) -> Response {
    let is_open = page.is_secure || !page.address.ip().is_loopback();
    if is_open || named(&request).is_some_and(|name| is_here(name, &page.hosts)) {
        return next.run(request).await;
    }
    let what = "this page answers to localhost only, and to names in hosts under [serve]";
    refused(StatusCode::MISDIRECTED_REQUEST, "misdirected", what).into_response()
}

/// The name that a request was sent to, with the port.
fn named(request: &Request) -> Option<&str> {
    let header = request.headers().get(header::HOST).map(|value| value.to_str().unwrap_or(""));
    header.or_else(|| request.uri().authority().map(Authority::as_str))
}

/// Whether a name, with a port or without, is always of this machine, or one of `hosts`. Addresses
/// are not looked up, so nobody can make them lead elsewhere.
fn is_here(name: &str, hosts: &[String]) -> bool {
    let Ok(authority) = name.parse::<Authority>() else { return false };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_named = |named: &String| host.eq_ignore_ascii_case(named);
    host.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(is_named)
        || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_are_told_from_those_that_only_look_so() {
        for name in ["localhost", "LOCALHOST:7000", "127.0.0.1", "127.0.0.2:7000", "[::1]:7000"] {
            assert!(is_here(name, &[]), "{name}");
        }
        assert!(is_here("good.example:443", &["good.example".to_owned()]));
        for name in [
            "",
            ":7000",
            "evil.example",
            "evil.example:7000",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "192.0.2.1:7000",
            "[2001:db8::1]",
            "[::1",
            "localhost evil",
        ] {
            assert!(!is_here(name, &["good.example".to_owned()]), "{name}");
        }
    }
}
