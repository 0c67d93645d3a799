//! Memory that is bounded for rows that are put aside, which go to disk instead. All others take
//! what they need, as much as a bucket has: a query does not fail after its charge because its
//! records are many. Operators of DataFusion that can spill need some memory to do so, and fail
//! without it.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::resources_datafusion_err;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool, MemoryReservation};

use crate::aggregate::unclustered::ASIDE;

/// So many bytes for all rows that are put aside.
#[derive(Debug)]
pub(crate) struct Spilling {
    limit: usize,
    /// What those take.
    bounded: AtomicUsize,
    /// What the others take.
    needed: AtomicUsize,
}

impl Spilling {
    /// With so many bytes.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit, bounded: AtomicUsize::new(0), needed: AtomicUsize::new(0) }
    }

    fn of(&self, reservation: &MemoryReservation) -> &AtomicUsize {
        if is_bounded(reservation) { &self.bounded } else { &self.needed }
    }
}

fn is_bounded(reservation: &MemoryReservation) -> bool {
    reservation.consumer().name() == ASIDE
}

impl fmt::Display for Spilling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(limit: {} bytes)", self.name(), self.limit)
    }
}

impl MemoryPool for Spilling {
    fn name(&self) -> &str {
        "spilling"
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.of(reservation).fetch_add(additional, Ordering::Relaxed);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.of(reservation).fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(
        &self,
        reservation: &MemoryReservation,
        additional: usize,
    ) -> Result<(), DataFusionError> {
        if !is_bounded(reservation) {
            self.grow(reservation, additional);
            return Ok(());
        }
        let more = |used: usize| used.checked_add(additional).filter(|sum| *sum <= self.limit);
        let grown = self.bounded.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        let full = |_| resources_datafusion_err!("the memory of rows put aside is full");
        grown.map(|_| ()).map_err(full)
    }

    fn reserved(&self) -> usize {
        self.bounded.load(Ordering::Relaxed) + self.needed.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Infinite
    }
}
