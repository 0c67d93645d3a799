//! Charges that wait for the chain together, so that they go in one transaction.
//!
//! ```text
//! thread ▶ joins the queue ▶ holds the line ─┬─ answered meanwhile: done
//!                                            └─ leads: its own charge and all of the same shape
//! ```
//! A transaction takes a block's time, however many charges are in it. There is no thread of its
//! own: whoever comes first acts for those that wait.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::chain::contract;
use crate::charge::ChargeRequest;
use crate::error::LedgerError;
use crate::store::Decided;

/// Charges that wait.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<VecDeque<Arc<Waiting>>>);

/// A charge that waits, and its answer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) request: ChargeRequest,
    answer: Mutex<Option<Result<Decided, LedgerError>>>,
}

impl Waiting {
    /// Takes the answer, if there is one.
    pub(super) fn answered(&self) -> Option<Result<Decided, LedgerError>> {
        held(&self.answer).take()
    }
}

impl Queue {
    pub(super) fn join(&self, request: &ChargeRequest) -> Arc<Waiting> {
        let waiting = Arc::new(Waiting { request: request.clone(), answer: Mutex::default() });
        held(&self.0).push_back(Arc::clone(&waiting));
        waiting
    }

    /// A charge and those that may go with it, itself first: of the same shape, each name once.
    pub(super) fn with(&self, own: &Arc<Waiting>) -> Vec<Arc<Waiting>> {
        let mut names = HashSet::from([own.request.query]);
        let mut batch = vec![Arc::clone(own)];
        let queue = held(&self.0);
        let others = queue.iter().filter(|other| {
            contract::has_shape_of(&other.request, &own.request)
                && names.insert(other.request.query)
        });
        let most = ITEMS_MAX / own.request.items.len().max(1);
        batch.extend(others.take(most.saturating_sub(1)).cloned());
        batch
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        held(&self.0).len()
    }

    /// Answers a charge, which waits no more.
    pub(super) fn answer(&self, waiting: &Arc<Waiting>, answer: Result<Decided, LedgerError>) {
        self.leave(waiting);
        *held(&waiting.answer) = Some(answer);
    }

    /// Takes a charge out.
    pub(super) fn leave(&self, gone: &Arc<Waiting>) {
        held(&self.0).retain(|waiting| !Arc::ptr_eq(waiting, gone));
    }
}

/// What is inside is whole at any time, also after a panic elsewhere.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Most items of all charges of one transaction: 6 million gas for charges of one account each, a
/// fifth of what a block usually holds, and less for those of several.
const ITEMS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Cost, Rho};
    use crate::digest::Digest;

    fn request(query: u8, account: u8, rho: u64) -> ChargeRequest {
        let digest = |byte| Digest::from_bytes([byte; 32]);
        let cost = Cost { rho: Rho::from_nano(rho), ..Cost::default() };
        ChargeRequest {
            query: digest(query),
            items: vec![(digest(account), cost)],
            intent: digest(query),
            inputs: vec![digest(9)],
            day: 1,
        }
    }

    #[test]
    fn one_shape_goes_together_and_no_name_twice() {
        let queue = Queue::default();
        let all: Vec<_> = [(1, 1), (2, 1), (3, 2), (1, 1), (4, 1)]
            .iter()
            .map(|(query, account)| queue.join(&request(*query, *account, 5)))
            .collect();
        let names = |own: &Arc<Waiting>| -> Vec<u8> {
            queue.with(own).iter().map(|w| w.request.query.as_bytes()[0]).collect()
        };
        assert_eq!(names(&all[1]), [2, 1, 4]);
        assert_eq!(names(&all[2]), [3]);
        all[..2].iter().for_each(|waiting| queue.leave(waiting));
        assert_eq!(names(&all[4]), [4, 1]);
        assert!(all[4].answered().is_none());
        queue.answer(&all[4], Err(LedgerError::Poisoned));
        assert_eq!(queue.with(&all[3]).len(), 1);
        assert!(all[4].answered().is_some() && all[4].answered().is_none());
    }

    #[test]
    fn a_batch_has_an_end() {
        let queue = Queue::default();
        let all: Vec<_> = (0..250).map(|query| queue.join(&request(query, 1, 1))).collect();
        assert_eq!(queue.with(&all[7]).len(), ITEMS_MAX);
    }
}
