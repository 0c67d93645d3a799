//! FHIR Bulk Data: a runner of SQL-on-FHIR views.

pub mod path;
pub mod view;
