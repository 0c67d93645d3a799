//! What happened how often, for Prometheus. Nothing here depends on a record: no times, no sizes,
//! no names.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// A way in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Door {
    /// The wire protocol of PostgreSQL.
    Postgres,
    /// Arrow Flight SQL.
    Flight,
    /// The page and its HTTP.
    Page,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// Somebody connected.
    Connected,
    /// Somebody had to be turned away, as there were too many.
    Crowded,
    /// Somebody logged in.
    LoggedIn,
    /// Somebody had no such name or password.
    TurnedAway,
    /// A question was answered, at a charge.
    Answered,
    /// A question was answered from its release, or from public tables.
    Free,
    /// A price or a plan was told.
    Priced,
    /// A question was refused before the charge.
    Refused,
    /// A question was more than an account holds.
    Exhausted,
    /// A question was taken back.
    Cancelled,
    /// A limit of the server was met.
    Limited,
    /// A question failed: after the charge, or as the ledger or the extracts were not in order.
    Failed,
}

/// The counters of a server.
pub(crate) struct Counters {
    counts: [[AtomicU64; EVENTS.len()]; DOORS.len()],
}

impl Door {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        DOORS[self as usize]
    }
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self { counts: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))) }
    }

    /// Counts one more.
    pub(crate) fn count(&self, door: Door, event: Event) {
        self.counts[door as usize][event as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The counters as Prometheus reads them.
    ///
    /// # Source
    /// Prometheus text exposition format 0.0.4.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "# HELP graunt_build_info The version of this server.\n# TYPE graunt_build_info gauge\n\
             graunt_build_info{{version=\"{}\"}} 1\n\
             # HELP graunt_events_total What happened, by door.\n\
             # TYPE graunt_events_total counter\n",
            env!("CARGO_PKG_VERSION")
        );
        for (door, counts) in DOORS.iter().zip(&self.counts) {
            for (event, count) in EVENTS.iter().zip(counts) {
                let count = count.load(Ordering::Relaxed);
                let labels = format!("door=\"{door}\",event=\"{event}\"");
                // Writing to a string does not fail.
                let _ = writeln!(text, "graunt_events_total{{{labels}}} {count}");
            }
        }
        text
    }
}

/// In the order of [`Door`].
const DOORS: [&str; 3] = ["postgres", "flight", "page"];

/// In the order of [`Event`].
const EVENTS: [&str; 12] = [
    "connected",
    "crowded",
    "logged_in",
    "turned_away",
    "answered",
    "free",
    "priced",
    "refused",
    "exhausted",
    "cancelled",
    "limited",
    "failed",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_under_their_names() {
        let counters = Counters::new();
        counters.count(Door::Flight, Event::Refused);
        counters.count(Door::Flight, Event::Refused);
        counters.count(Door::Page, Event::Failed);
        let text = counters.text();
        assert!(text.contains("\ngraunt_events_total{door=\"flight\",event=\"refused\"} 2\n"));
        assert!(text.contains("\ngraunt_events_total{door=\"page\",event=\"failed\"} 1\n"));
        assert!(text.contains("\ngraunt_events_total{door=\"postgres\",event=\"connected\"} 0\n"));
    }
}
