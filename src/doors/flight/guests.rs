//! Who is there, by token: their visits, and what they prepared.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use engine::sql::arguments::Argument;
use ledger_adapter::digest::Digest;
use tonic::metadata::MetadataMap;

use crate::analysts::Analyst;
use crate::desk::Desk;
use crate::desk::counters::Door;
use crate::desk::seeing::Seen;
use crate::desk::visit::Visit;
use crate::doors::tls::name_of;
use crate::fail::Failure;

/// Those who are there.
pub(super) struct Guests {
    pub(super) desk: Arc<Desk>,
    by_token: Mutex<Known>,
    /// Apart: no token is ever taken for a certificate.
    by_certificate: Mutex<Known>,
}

type Known = HashMap<String, Arc<Guest>>;

/// Somebody who is there.
pub(super) struct Guest {
    pub(super) visit: Visit,
    prepared: Mutex<HashMap<String, Prepared>>,
    seen: Mutex<Instant>,
}

/// A prepared statement, with the values that were put into it last.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) text: String,
    pub(super) seen: Seen,
    pub(super) values: Option<Vec<Argument>>,
    used: Instant,
}

impl Guests {
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, by_token: Mutex::default(), by_certificate: Mutex::default() }
    }

    /// Lets somebody in by name and password; gives their token.
    ///
    /// # Errors
    /// [`Failure::Unauthorized`], [`Failure::Limit`].
    pub(super) async fn login(&self, headers: &MetadataMap) -> Result<String, Failure> {
        let (name, password) = credentials(headers).ok_or(Failure::Unauthorized)?;
        let analyst = self.desk.login(Door::Flight, &name, &password).await?;
        let token = Digest::random()?.to_string();
        self.admit(&self.by_token, token.clone(), analyst, false)?;
        Ok(token)
    }

    /// Who makes a call: by token, or by the certificate of the connection.
    ///
    /// # Errors
    /// [`Failure::Unauthorized`], [`Failure::Limit`].
    pub(super) fn who<T>(&self, request: &tonic::Request<T>) -> Result<Arc<Guest>, Failure> {
        if let Some(token) = token(request.metadata()) {
            let found = lock(&self.by_token).get(token).cloned();
            let idle = self.desk.limits.idle_max;
            let found = found.filter(|guest| lock(&guest.seen).elapsed() < idle);
            let guest = found.ok_or(Failure::Unauthorized)?;
            *lock(&guest.seen) = Instant::now();
            return Ok(guest);
        }
        let name = request.peer_certs().and_then(|papers| name_of(Some(papers.as_slice())));
        let name = name.ok_or(Failure::Unauthorized)?;
        let known = lock(&self.by_certificate).get(&name).cloned();
        // Who has another password now, or was added again, begins anew.
        if let Some(guest) = known.filter(|guest| guest.visit.check().is_ok()) {
            *lock(&guest.seen) = Instant::now();
            return Ok(guest);
        }
        let analyst = self.desk.analysts.find(&name)?;
        self.desk.told_login(Door::Flight, &name, analyst.is_some());
        self.admit(&self.by_certificate, name, analyst.ok_or(Failure::Unauthorized)?, true)
    }

    /// Shows somebody out.
    pub(super) fn leave(&self, headers: &MetadataMap) {
        if let Some(token) = token(headers) {
            lock(&self.by_token).remove(token);
        }
    }

    fn admit(
        &self,
        all: &Mutex<Known>,
        token: String,
        analyst: Analyst,
        is_shared: bool,
    ) -> Result<Arc<Guest>, Failure> {
        let limits = &self.desk.limits;
        let mut all = lock(all);
        all.retain(|_, guest| lock(&guest.seen).elapsed() < limits.idle_max);
        let own = all.values().filter(|guest| guest.visit.analyst().name == analyst.name).count();
        if own >= GUESTS_PER_ANALYST_MAX {
            // Drivers do not always say that they leave: their own oldest does, nobody else's.
            let own = all.iter().filter(|(_, guest)| guest.visit.analyst().name == analyst.name);
            let oldest = own.min_by_key(|(_, guest)| *lock(&guest.seen));
            let oldest = oldest.map(|(token, _)| token.clone());
            oldest.and_then(|token| all.remove(&token));
        }
        let visit = Visit::begin(&self.desk, Door::Flight, analyst)?;
        let guest = Arc::new(Guest {
            visit: if is_shared { visit.shared() } else { visit },
            prepared: Mutex::default(),
            seen: Mutex::new(Instant::now()),
        });
        all.insert(token, Arc::clone(&guest));
        Ok(guest)
    }
}

impl Guest {
    /// Keeps a prepared statement; gives its handle.
    ///
    /// # Errors
    /// [`Failure::Limit`] if there are too many.
    pub(super) fn keep(&self, text: String, seen: Seen) -> Result<String, Failure> {
        let mut prepared = lock(&self.prepared);
        if prepared.len() >= PREPARED_MAX {
            // Of drivers that left without a word.
            let idle = self.visit.desk.limits.idle_max;
            prepared.retain(|_, kept| kept.used.elapsed() < idle);
        }
        if prepared.len() >= PREPARED_MAX {
            return Err(Failure::limit("too many statements are prepared; close some"));
        }
        let handle = Digest::random()?.to_string();
        prepared
            .insert(handle.clone(), Prepared { text, seen, values: None, used: Instant::now() });
        Ok(handle)
    }

    /// A prepared statement.
    pub(super) fn prepared(&self, handle: &str) -> Option<Prepared> {
        let mut prepared = lock(&self.prepared);
        let found = prepared.get_mut(handle)?;
        found.used = Instant::now();
        Some(found.clone())
    }

    /// Puts values into a prepared statement; false if there is none of that handle.
    pub(super) fn bind(&self, handle: &str, values: Vec<Argument>) -> bool {
        let mut prepared = lock(&self.prepared);
        prepared.get_mut(handle).map(|found| found.values = Some(values)).is_some()
    }

    /// Forgets a prepared statement.
    pub(super) fn forget(&self, handle: &str) {
        lock(&self.prepared).remove(handle);
    }
}

fn token(headers: &MetadataMap) -> Option<&str> {
    let value = headers.get("authorization")?.to_str().ok()?;
    value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer "))
}

/// Name and password of RFC 7617; drivers leave the padding out.
fn credentials(headers: &MetadataMap) -> Option<(String, String)> {
    let value = headers.get("authorization")?.to_str().ok()?;
    let encoded = value.strip_prefix("Basic ").or_else(|| value.strip_prefix("basic "))?;
    let any = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&STANDARD, any).decode(encoded.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prepared statements of one guest.
const PREPARED_MAX: usize = 100;

/// Sessions of one analyst at once.
const GUESTS_PER_ANALYST_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_are_read_with_and_without_padding() {
        let read = |value: &str| {
            let mut headers = MetadataMap::new();
            headers.insert("authorization", value.parse().unwrap());
            credentials(&headers)
        };
        let ada = Some(("ada".to_owned(), "a:b".to_owned()));
        assert_eq!(read("Basic YWRhOmE6Yg=="), ada);
        assert_eq!(read("Basic YWRhOmE6Yg"), ada);
        for no in ["Basic", "Basic !", "Bearer YWRhOmE6Yg", "Basic YWRh"] {
            assert_eq!(read(no), None, "{no}");
        }
    }
}
