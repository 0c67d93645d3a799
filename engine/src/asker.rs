//! Who asks, what they may spend besides the population's account, and whether they still want
//! the answer.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ledger_adapter::digest::Digest;
use tokio::sync::OwnedMutexGuard;

/// Who asks.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    /// An account of whoever asks, which pays the same as the population's; all or nothing.
    pub account: Option<Digest>,
    /// The most ε that one of their questions may ask for.
    pub epsilon_max: Option<f64>,
    /// By which the question can be taken back.
    pub stop: Stop,
    /// Where it is told how far the question is, if anybody wants to know. That depends on
    /// records, so it is for those only who may read them.
    pub progress: Option<Progress>,
    /// Where the turn of a question is kept by those who want others that ask the same to wait for
    /// longer than it takes; without it the next one goes on at once.
    pub turn: Option<Turn>,
}

/// The turn of a question: until it is dropped, the same question waits.
#[derive(Clone, Debug, Default)]
pub struct Turn(Arc<Mutex<Option<OwnedMutexGuard<()>>>>);

impl Turn {
    pub(crate) fn keep(&self, turn: OwnedMutexGuard<()>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
    }
}

/// How far a question is: buckets that were computed, of how many.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<(AtomicUsize, AtomicUsize)>);

impl Progress {
    /// Buckets that were computed, and all of them; zero of zero before it is known.
    pub fn of(&self) -> (usize, usize) {
        (self.0.0.load(Ordering::Relaxed), self.0.1.load(Ordering::Relaxed))
    }

    /// Says how many there are.
    pub(crate) fn begin(&self, all: usize) {
        self.0.1.store(all, Ordering::Relaxed);
    }

    /// Says that one more was computed.
    pub(crate) fn step(&self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Takes a question back, as long as nothing was charged for it.
///
/// A question passes its gate once, or is stopped before it: never both.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicU8>);

impl Stop {
    /// Takes the question back. True if nothing was charged, nor will be; false if it was charged
    /// already, and is answered all the same.
    pub fn stop(&self) -> bool {
        self.turn(STOPPED) != PASSED
    }

    /// Whether the question passed its gate, and so was, or is being, charged.
    pub fn has_passed(&self) -> bool {
        self.0.load(Ordering::Acquire) == PASSED
    }

    /// Passes the gate; false if the question was taken back.
    pub(crate) fn pass(&self) -> bool {
        self.turn(PASSED) != STOPPED
    }

    /// Goes from undecided to `state`; gives what is decided.
    fn turn(&self, state: u8) -> u8 {
        match self.0.compare_exchange(OPEN, state, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => state,
            Err(decided) => decided,
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0.load(Ordering::Acquire) {
            OPEN => "Open",
            PASSED => "Passed",
            _ => "Stopped",
        };
        f.write_str(name)
    }
}

const OPEN: u8 = 0;
const PASSED: u8 = 1;
const STOPPED: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_charged_or_stopped_and_never_both() {
        let stop = Stop::default();
        assert!(stop.pass());
        assert!(!stop.stop() && stop.has_passed());
        let stop = Stop::default();
        assert!(stop.stop());
        assert!(!stop.pass() && !stop.has_passed());
        for _ in 0..200 {
            let stop = Stop::default();
            let other = stop.clone();
            let thread = std::thread::spawn(move || other.stop());
            let passed = stop.pass();
            assert_ne!(passed, thread.join().unwrap());
        }
    }
}
