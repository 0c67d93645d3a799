//! Tests of the whole street short of the command: what is admitted, what is refused, and that
//! no person moves an answer further than declared.

mod accuracy;
pub(crate) mod admitted;
mod asked;
mod attack;
mod attacks_named;
mod audit_statistics;
mod budget;
mod canary;
mod endless;
mod epidemiology;
pub(crate) mod fixture;
pub(crate) mod generator;
mod kept;
mod omop;
mod quantile_tree;
mod reconstruct;
mod refused;
mod replay;
pub(crate) mod sensitivity;
mod steady;
