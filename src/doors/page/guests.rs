//! Who is logged in to the page, by a cookie that scripts cannot read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::http::{HeaderMap, header};
use ledger_adapter::digest::Digest;

use crate::analysts::Analyst;
use crate::desk::Desk;
use crate::desk::counters::Door;
use crate::desk::visit::Visit;
use crate::fail::Failure;

/// Those who are logged in.
#[derive(Default)]
pub(crate) struct Guests {
    all: Mutex<HashMap<String, (Arc<Guest>, Instant)>>,
}

/// Somebody who is logged in.
pub(super) struct Guest {
    desk: Arc<Desk>,
    pub(super) analyst: Analyst,
    /// Questions that are being asked, by the name that the page gave them.
    asking: Mutex<HashMap<String, Arc<Visit>>>,
}

impl Guests {
    /// Logs somebody in; gives the value of their cookie.
    ///
    /// # Errors
    /// [`Failure::Limit`] if there are too many.
    pub(super) fn admit(&self, desk: &Arc<Desk>, analyst: Analyst) -> Result<String, Failure> {
        let (token, name) = (Digest::random()?.to_string(), analyst.name.clone());
        let guest = Guest { desk: Arc::clone(desk), analyst, asking: Mutex::default() };
        let mut all = lock(&self.all);
        all.retain(|_, (_, seen)| seen.elapsed() < desk.limits.idle_max);
        let is_own = |guest: &Guest| guest.analyst.name == name;
        if all.values().filter(|(guest, _)| is_own(guest)).count() >= GUESTS_PER_ANALYST_MAX {
            // Browsers do not say that they leave: their own oldest does, nobody else's.
            let own = all.iter().filter(|(_, (guest, _))| is_own(guest));
            let oldest = own.min_by_key(|(_, (_, seen))| *seen);
            let oldest = oldest.map(|(token, _)| token.clone());
            oldest.and_then(|token| all.remove(&token));
        } else if all.len() >= GUESTS_MAX {
            return Err(Failure::limit("too many are logged in"));
        }
        all.insert(token.clone(), (Arc::new(guest), Instant::now()));
        Ok(token)
    }

    /// Who sends these headers; nobody without a cookie that is known.
    pub(super) fn who(&self, headers: &HeaderMap) -> Option<Arc<Guest>> {
        let mut all = lock(&self.all);
        let (guest, seen) = all.get_mut(cookie(headers)?)?;
        if seen.elapsed() >= guest.desk.limits.idle_max {
            return None;
        }
        *seen = Instant::now();
        Some(Arc::clone(guest))
    }

    /// Who sends these headers, if they still may ask; whoever may not any more is logged out.
    ///
    /// # Errors
    /// As [`Visit::begin`] and [`Visit::check`], but for [`Failure::Unauthorized`].
    pub(super) fn allowed(&self, headers: &HeaderMap) -> Result<Option<Arc<Guest>>, Failure> {
        let Some(guest) = self.who(headers) else { return Ok(None) };
        let visit = Visit::begin(&guest.desk, Door::Page, guest.analyst.clone())?;
        match visit.check() {
            Ok(()) => Ok(Some(guest)),
            Err(Failure::Unauthorized) => {
                self.leave(headers);
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Logs somebody out.
    pub(super) fn leave(&self, headers: &HeaderMap) {
        if let Some(token) = cookie(headers) {
            lock(&self.all).remove(token);
        }
    }
}

impl Guest {
    /// Begins a question of that name.
    pub(super) fn begin(&self, id: &str) -> Result<Arc<Visit>, Failure> {
        let visit = Visit::begin(&self.desk, Door::Page, self.analyst.clone())?;
        let visit = Arc::new(visit);
        let mut asking = lock(&self.asking);
        if asking.len() >= ASKING_MAX {
            return Err(Failure::limit("too many questions are asked at once"));
        }
        if id.is_empty() || id.len() > ID_BYTES_MAX || asking.contains_key(id) {
            let what = "a question needs a name of its own";
            return Err(Failure::usage(what, "send another id with each question"));
        }
        asking.insert(id.to_owned(), Arc::clone(&visit));
        Ok(visit)
    }

    /// The question of that name is over.
    pub(super) fn end(&self, id: &str) {
        lock(&self.asking).remove(id);
    }

    /// The question of that name, if it is being asked.
    pub(super) fn asked(&self, id: &str) -> Option<Arc<Visit>> {
        lock(&self.asking).get(id).cloned()
    }
}

/// The value of our cookie.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).map(str::trim);
    pairs.find_map(|pair| pair.strip_prefix(COOKIE)?.strip_prefix('='))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of our cookie.
pub(super) const COOKIE: &str = "graunt";

/// Sessions of all at once. Each takes less than a kilobyte, and only many analysts together can
/// fill them and so keep others out.
const GUESTS_MAX: usize = 10_000;

/// Sessions of one analyst at once, as at the door of Flight.
const GUESTS_PER_ANALYST_MAX: usize = 128;

/// Questions of one guest at once.
const ASKING_MAX: usize = 16;

const ID_BYTES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_cookie_is_found_among_others() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, value.parse().unwrap());
            cookie(&headers).map(str::to_owned)
        };
        assert_eq!(read("a=1; graunt=abc; b=2").as_deref(), Some("abc"));
        assert_eq!(read("grauntx=abc"), None);
        assert_eq!(read("xgraunt=abc"), None);
    }
}
