//! Definitions of cohorts, as values, and the SQL that finds their persons.
//!
//! ```text
//!  TOML ──────────┐
//!                 ├──▶ Definition ──▶ views (person_id, cohort_start_date, cohort_end_date)
//!  Circe (ATLAS) ─┘             └───▶ attrition: persons by the rules that they pass
//! ```
//! The SQL keeps every row with its person, so that the engine's rules admit questions about it.
//! Nothing here reads a record or asks a question. A definition in TOML 1.1 with nearly all that
//! may be said, of which only `name` and `index.events` must be:
//!
//! ```toml
//! name = "bleeds"
//! title = "Gastrointestinal haemorrhage under celecoxib"
//! limit = "all"                  # of the included events; or first, last
//! collapse_days = 0              # stays that are no further apart become one
//! calendar = { from = 2000-01-01, to = 2018-12-31 }
//!
//! [concepts.haemorrhage]         # a name for a list; one may also stand where it is used
//! concepts = []
//! descendants_of = [192671]      # and itself
//! except = []
//! except_descendants_of = []
//! [concepts.celecoxib]
//! descendants_of = [1118084]
//!
//! [index]
//! events = [
//!     { table = "condition_occurrence", concepts = "haemorrhage",
//!       pick = "first",          # of all rows with these concepts; or last, all
//!       start = { at_least = 2001-01-01 }, age = { at_least = 18, below = 65 },
//!       length_days = { at_most = 90, outside = false }, sex = [8532], visit = [9201, 9203] },
//! ]
//! prior_days = 365               # of observation
//! after_days = 0
//! washout_days = 0               # without any index event before one that counts
//! limit = "all"                  # of the events that are observed so long
//! criteria = { all = [] }        # as a rule, and then
//! qualified_limit = "all"
//!
//! [[rules]]
//! name = "on celecoxib, and old or often seen"
//! all = [                        # or any; at_least = 2, of = […]; at_most = 1, of = […]
//!     { table = "drug_exposure", concepts = "celecoxib", days_supply = { at_least = 7 },
//!       occurrences = { at_least = 1, distinct = "start_date" },  # or at_most, exactly; concept
//!       window = { from = -30, to = 0, index = "start", occurrence = "start" } },
//!     { any = [
//!         { person = { age = { at_least = 65 } } },
//!         { table = "visit_occurrence", occurrences = { exactly = 3 }, window = { to = -1 } },
//!     ] },
//! ]
//!
//! [exit]                         # or days = 30, after = "start"; or at = "end_of_observation"
//! era = { table = "drug_exposure", concepts = "celecoxib" }
//! gap_days = 30
//! offset_days = 0
//!
//! [[censoring]]
//! table = "death"
//! ```
//! A window without an end is open to the end of observation on that side; what occurs must begin
//! within it, unless `observed = false`. `correlated = { all = […] }` on an event is a rule around
//! that event itself.

mod circe;
pub mod definition;
mod document;
pub mod error;
pub mod sql;
mod tables;
#[cfg(test)]
mod tests;
mod tree;
