//! What must hold: the one test binary of the house, so that everything is linked once.

// Clippy takes only what is under `cfg(test)` for a test.
#![cfg(test)]

mod book;
mod chain;
mod cluster;
mod coverage;
mod crash;
mod doors;
mod federated;
mod input;
mod ledger;
mod pitfalls;
mod report;
mod street;
mod support;
mod tamper;
mod tidy;
mod watched;
