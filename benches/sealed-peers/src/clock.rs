//! CPU time of the process, all of its threads together.
//!
//! Others on the machine make a process wait but not compute, so that it is steadier than the
//! time on the wall. It is not free of them: caches and memory are shared.

use std::sync::LazyLock;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::Failure;

/// The time that one party has taken in a round.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Spent(pub(crate) Duration);

impl Spent {
    /// Runs a step of this party's work.
    pub(crate) fn run<T, E: Into<Failure>>(
        &mut self,
        step: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, Failure> {
        let start = now()?;
        let outcome = step();
        self.0 += now()?.saturating_sub(start).saturating_sub(*LOOKING);
        outcome.map_err(Into::into)
    }
}

/// The time that this process has taken since it began.
pub(crate) fn now() -> Result<Duration, Failure> {
    Ok(clock_gettime(ClockId::ProcessCPUTime).try_into()?)
}

/// What looking at the clock twice takes, half a microsecond: more than some steps do.
static LOOKING: LazyLock<Duration> = LazyLock::new(|| {
    let look = |_| {
        let start = now().ok()?;
        Some(now().ok()?.saturating_sub(start))
    };
    let looks = (0..1000).filter_map(look);
    looks.min().unwrap_or_default()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_add_up_and_failures_are_told() {
        let mut spent = Spent::default();
        let count =
            spent.run(|| Ok::<_, Failure>((0..1_000_000u64).filter(|i| i % 7 == 0).count()));
        assert_eq!(count.unwrap(), 142_858);
        let before = spent;
        let failed = spent.run(|| Err::<(), Failure>("broken".into()));
        assert_eq!(failed.unwrap_err().to_string(), "broken");
        assert!(spent >= before);
    }
}
