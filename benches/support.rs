//! How every benchmark measures: ten samples, about two seconds each, so that all of them together
//! take a minute.

use std::fmt::Display;
use std::time::Duration;

use criterion::Criterion;

/// A set-up that fails ends the program with its reason.
pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The clock, with what the command line asks for.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(1_500))
        .without_plots()
        .configure_from_args()
}

/// What was measured, which must not have failed: a failure is quick, and means nothing.
pub(crate) fn done<T>(outcome: Result<T, impl Display>) -> T {
    outcome.unwrap_or_else(|error| panic!("{error}"))
}
