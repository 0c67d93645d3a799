//! How much is done at once, how long it may take, and to which step times are rounded up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fail::Failure;

/// The limits of a server.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Connections at once, of each door.
    pub(crate) connections_max: usize,
    /// Questions that are computed at once.
    pub(crate) questions_max: usize,
    /// Questions of one analyst that wait or are computed.
    pub(crate) questions_per_analyst_max: usize,
    /// Questions of all that wait or are computed.
    pub(crate) waiting_max: usize,
    /// Longest time of a question.
    pub(crate) question_max: Duration,
    /// Longest silence of a connection.
    pub(crate) idle_max: Duration,
    /// The step that times of answers are rounded up to; zero for none.
    pub(crate) answer_step: Duration,
    /// How long a wrong password waits for its refusal.
    pub(crate) login_pause: Duration,
}

/// The limits of a server, as `[serve]` of `graunt.toml` has them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitTerms {
    connections_max: Option<usize>,
    questions_max: Option<usize>,
    questions_per_analyst_max: Option<usize>,
    waiting_max: Option<usize>,
    question_seconds_max: Option<u64>,
    idle_seconds_max: Option<u64>,
    answer_step_ms: Option<u64>,
}

impl Limits {
    /// The limits that are said, and what is usual for the others.
    pub(crate) fn new(terms: &LimitTerms) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            connections_max: terms.connections_max.unwrap_or(256).max(1),
            questions_max: terms.questions_max.unwrap_or(cores).max(1),
            questions_per_analyst_max: terms.questions_per_analyst_max.unwrap_or(64).max(1),
            waiting_max: terms.waiting_max.unwrap_or(256).max(1),
            question_max: Duration::from_secs(terms.question_seconds_max.unwrap_or(300)),
            idle_max: Duration::from_secs(terms.idle_seconds_max.unwrap_or(3_600)),
            answer_step: Duration::from_millis(terms.answer_step_ms.unwrap_or(100)),
            login_pause: Duration::from_millis(300),
        }
    }

    /// Waits until the time since `start` is a whole number of steps. How long an answer took
    /// depends on people's records; in which step it came tells less.
    pub(crate) async fn round_up(&self, start: Instant) {
        tokio::time::sleep(self.rest(start.elapsed())).await;
    }

    /// What is missing to a whole number of steps, of which there is one at least.
    fn rest(&self, taken: Duration) -> Duration {
        let step = self.answer_step.as_micros();
        if step == 0 {
            return Duration::ZERO;
        }
        let taken = taken.as_micros();
        let whole = taken.div_ceil(step).max(1).saturating_mul(step);
        Duration::from_micros(u64::try_from(whole - taken).unwrap_or(0))
    }
}

/// The seats of those whose questions are computed, and of those who wait.
pub(crate) struct Seats {
    computing: Arc<Semaphore>,
    catalogue: Arc<Semaphore>,
    held: Arc<Mutex<HashMap<String, usize>>>,
    of_analyst_max: usize,
    of_all_max: usize,
}

/// A place in the queue; it is given back when it is dropped.
pub(crate) struct Place {
    held: Arc<Mutex<HashMap<String, usize>>>,
    analyst: String,
}

impl Seats {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            computing: Arc::new(Semaphore::new(limits.questions_max)),
            catalogue: Arc::new(Semaphore::new(CATALOGUE_MAX)),
            held: Arc::default(),
            of_analyst_max: limits.questions_per_analyst_max,
            of_all_max: limits.waiting_max,
        }
    }

    /// Takes a place in the queue.
    ///
    /// # Errors
    /// [`Failure::Limit`] if there are too many.
    pub(crate) fn queue(&self, analyst: &str) -> Result<Place, Failure> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let of_all: usize = held.values().sum();
        let own = held.get(analyst).copied().unwrap_or(0);
        if of_all >= self.of_all_max || own >= self.of_analyst_max {
            let whose = if own >= self.of_analyst_max { "your" } else { "all" };
            return Err(Failure::limit(format!("{whose} questions that wait are too many")));
        }
        held.insert(analyst.to_owned(), own + 1);
        Ok(Place { held: Arc::clone(&self.held), analyst: analyst.to_owned() })
    }

    /// Waits for a seat.
    ///
    /// # Errors
    /// [`Failure::Limit`] when the server ends.
    pub(crate) async fn sit(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let seat = Arc::clone(&self.computing).acquire_owned().await;
        seat.map_err(|_| Failure::limit("the server is about to end"))
    }

    /// Waits for a seat of those who ask about the catalogue: those wait for no question.
    ///
    /// # Errors
    /// As [`Seats::sit`].
    pub(crate) async fn stand(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let seat = Arc::clone(&self.catalogue).acquire_owned().await;
        seat.map_err(|_| Failure::limit("the server is about to end"))
    }

    /// Lets nobody sit down any more.
    pub(crate) fn close(&self) {
        self.computing.close();
        self.catalogue.close();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = held.get_mut(&self.analyst) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                held.remove(&self.analyst);
            }
        }
    }
}

/// Questions about the catalogue that are computed at once.
const CATALOGUE_MAX: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(terms: &str) -> Limits {
        Limits::new(&toml::from_str(terms).unwrap())
    }

    #[tokio::test]
    async fn nobody_takes_all_seats() {
        let limits = limits("questions_per_analyst_max = 2\nwaiting_max = 3\nquestions_max = 1");
        let seats = Seats::new(&limits);
        let first = seats.queue("ada").unwrap();
        let _second = seats.queue("ada").unwrap();
        assert_eq!(seats.queue("ada").err().unwrap().code(), "limit");
        let _third = seats.queue("ben").unwrap();
        assert_eq!(seats.queue("cid").err().unwrap().code(), "limit");
        drop(first);
        assert!(seats.queue("cid").is_ok());
        let seat = seats.sit().await.unwrap();
        assert!(futures::FutureExt::now_or_never(seats.sit()).is_none());
        drop(seat);
        assert!(seats.sit().await.is_ok());
        seats.close();
        assert!(seats.sit().await.is_err());
    }

    #[test]
    fn times_are_whole_steps() {
        let limits = limits("answer_step_ms = 100");
        let rest = |taken| limits.rest(Duration::from_micros(taken)).as_micros();
        assert_eq!([rest(0), rest(1), rest(99_999), rest(100_000)], [100_000, 99_999, 1, 0]);
        assert_eq!([rest(100_001), rest(250_000)], [99_999, 50_000]);
        let none = Limits { answer_step: Duration::ZERO, ..limits };
        assert_eq!(none.rest(Duration::from_micros(5)), Duration::ZERO);
    }
}
