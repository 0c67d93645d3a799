//! What random queries are put together from: relations, joins, subqueries and privacy clauses.

use crate::tests::generator::Kind;

/// Views that random queries may ask about.
pub(super) const VIEWS: &[&str] = &[
    "CREATE VIEW cohort AS SELECT person_id, MIN(visit_date) AS visit_date, COUNT(*) AS days FROM \
     visit WHERE code IN (1, 2) GROUP BY person_id",
    "CREATE VIEW stays AS SELECT v.person_id, v.region, v.code, v.cost, v.days, v.visit_date, \
     p.sex FROM visit v JOIN person p ON v.person_id = p.person_id WHERE v.days > 0",
];

/// Relations by name, and their columns; views come from [`VIEWS`].
pub(super) const TABLES: &[(&str, &[(&str, Kind)])] = &[
    ("visit", VISIT),
    ("visit", VISIT),
    ("visit", VISIT),
    ("person", PERSON),
    ("person", PERSON),
    ("stays", STAYS),
    ("cohort", COHORT),
];

const VISIT: &[(&str, Kind)] = &[
    ("person_id", Kind::Person),
    ("region", Kind::Text),
    ("code", Kind::Whole),
    ("cost", Kind::Real),
    ("days", Kind::Whole),
    ("visit_date", Kind::Day),
];

const PERSON: &[(&str, Kind)] =
    &[("person_id", Kind::Person), ("sex", Kind::Text), ("year_of_birth", Kind::Whole)];

const STAYS: &[(&str, Kind)] = &[
    ("person_id", Kind::Person),
    ("region", Kind::Text),
    ("cost", Kind::Real),
    ("days", Kind::Whole),
    ("visit_date", Kind::Day),
    ("sex", Kind::Text),
];

const COHORT: &[(&str, Kind)] =
    &[("person_id", Kind::Person), ("visit_date", Kind::Day), ("days", Kind::Whole)];

pub(super) const KINDS: &[Kind] = &[Kind::Whole, Kind::Whole, Kind::Real, Kind::Text, Kind::Day];

pub(super) const JOINS: &[&str] = &[
    "JOIN",
    "JOIN",
    "JOIN",
    ",",
    "LEFT JOIN",
    "RIGHT JOIN",
    "FULL JOIN",
    "LEFT SEMI JOIN",
    "LEFT ANTI JOIN",
];

/// Conditions with subqueries on a person.
pub(super) const SUBQUERIES: &[&str] = &[
    "PERSON IN (SELECT person_id FROM person WHERE sex = 'F')",
    "PERSON NOT IN (SELECT person_id FROM visit WHERE days > 20)",
    "EXISTS (SELECT 1 FROM visit e WHERE e.person_id = PERSON AND e.days > 3)",
    "NOT EXISTS (SELECT 1 FROM visit e WHERE e.person_id = PERSON AND e.code = 1)",
    "(SELECT COUNT(*) FROM visit e WHERE e.person_id = PERSON AND e.days > 3) > 1",
    "(SELECT MAX(e.cost) FROM visit e WHERE e.person_id = PERSON) > 10.0",
    "PERSON IN (SELECT a.person_id FROM cohort a JOIN person b ON a.person_id = b.person_id)",
];

/// Conditions that compare a person with something else.
pub(super) const STRAY_SUBQUERIES: &[&str] =
    &["EXISTS (SELECT 1 FROM visit e WHERE e.days = PERSON)", "PERSON IN (SELECT code FROM visit)"];

/// Privacy clauses.
pub(super) const OPTIONS: &[&str] = &[
    "epsilon = 2, delta = 1e-7",
    "max_groups_contributed = 1",
    "epsilon = 0.3, max_groups_contributed = 2, max_rows_contributed = 2",
    "privacy_unit_column = person_id",
    "group_selection_strategy = LAPLACE_THRESHOLD, min_privacy_units_per_group = 3",
];

/// Privacy clauses that break a rule.
pub(super) const WRONG_OPTIONS: &[&str] =
    &["group_selection_strategy = PUBLIC_GROUPS", "epsilon = 0", "privacy_unit_column = code"];
