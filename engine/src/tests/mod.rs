//! Tests of the whole street short of the command: what is admitted, what is refused, and that
//! no person moves an answer further than declared.

mod admitted;
mod attack;
mod audit_statistics;
mod fixture;
mod refused;
mod sensitivity;
mod steady;
