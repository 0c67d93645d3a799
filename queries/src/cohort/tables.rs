//! The tables of events: which columns say what of an event, as far as extracts keep them.

/// A table whose rows are events of persons.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Table {
    /// Its name.
    pub(super) name: &'static str,
    /// What the event is.
    pub(super) concept: &'static str,
    /// The first day.
    pub(super) start: &'static str,
    /// The last day, or none: then the event ends on the day after it began.
    pub(super) end: Option<&'static str>,
    /// Whether every row has a last day; an event without one ends on the day after it began.
    pub(super) is_end_required: bool,
    /// Whether an event names its visit.
    pub(super) has_visit: bool,
    /// Keys of conditions on concepts, and the columns that they are of.
    pub(super) concepts: &'static [(&'static str, &'static str)],
    /// Keys of conditions on numbers, and the columns that they are of.
    pub(super) numbers: &'static [(&'static str, &'static str)],
}

/// The table of that name.
pub(super) fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// Every table.
///
/// # Source
/// OMOP CDM 5.4, field-level specification. That an event without a last day ends on the day after
/// is Circe's rule (OHDSI/circe-be, the builders of its criteria).
pub(super) static TABLES: &[Table] = &[
    Table {
        name: "condition_occurrence",
        concept: "condition_concept_id",
        start: "condition_start_date",
        end: Some("condition_end_date"),
        is_end_required: false,
        has_visit: true,
        concepts: &[
            ("type", "condition_type_concept_id"),
            ("status", "condition_status_concept_id"),
        ],
        numbers: &[],
    },
    Table {
        name: "drug_exposure",
        concept: "drug_concept_id",
        start: "drug_exposure_start_date",
        end: Some("drug_exposure_end_date"),
        is_end_required: false,
        has_visit: true,
        concepts: &[("type", "drug_type_concept_id"), ("route", "route_concept_id")],
        numbers: &[("quantity", "quantity"), ("days_supply", "days_supply")],
    },
    Table {
        name: "procedure_occurrence",
        concept: "procedure_concept_id",
        start: "procedure_date",
        end: None,
        is_end_required: false,
        has_visit: true,
        concepts: &[],
        numbers: &[],
    },
    Table {
        name: "measurement",
        concept: "measurement_concept_id",
        start: "measurement_date",
        end: None,
        is_end_required: false,
        has_visit: true,
        concepts: &[
            ("unit", "unit_concept_id"),
            ("operator", "operator_concept_id"),
            ("value_concept", "value_as_concept_id"),
        ],
        numbers: &[
            ("value", "value_as_number"),
            ("range_low", "range_low"),
            ("range_high", "range_high"),
        ],
    },
    Table {
        name: "observation",
        concept: "observation_concept_id",
        start: "observation_date",
        end: None,
        is_end_required: false,
        has_visit: true,
        concepts: &[("value_concept", "value_as_concept_id")],
        numbers: &[("value", "value_as_number")],
    },
    Table {
        name: "visit_occurrence",
        concept: "visit_concept_id",
        start: "visit_start_date",
        end: Some("visit_end_date"),
        is_end_required: true,
        has_visit: false,
        concepts: &[],
        numbers: &[],
    },
    Table {
        name: "device_exposure",
        concept: "device_concept_id",
        start: "device_exposure_start_date",
        end: Some("device_exposure_end_date"),
        is_end_required: false,
        has_visit: true,
        concepts: &[],
        numbers: &[("quantity", "quantity")],
    },
    Table {
        name: "death",
        concept: "cause_concept_id",
        start: "death_date",
        end: None,
        is_end_required: false,
        has_visit: false,
        concepts: &[("type", "death_type_concept_id")],
        numbers: &[],
    },
    Table {
        name: "condition_era",
        concept: "condition_concept_id",
        start: "condition_era_start_date",
        end: Some("condition_era_end_date"),
        is_end_required: true,
        has_visit: false,
        concepts: &[],
        numbers: &[("occurrence_count", "condition_occurrence_count")],
    },
    Table {
        name: "drug_era",
        concept: "drug_concept_id",
        start: "drug_era_start_date",
        end: Some("drug_era_end_date"),
        is_end_required: true,
        has_visit: false,
        concepts: &[],
        numbers: &[("occurrence_count", "drug_exposure_count"), ("gap_days", "gap_days")],
    },
    Table {
        name: "observation_period",
        concept: "period_type_concept_id",
        start: "observation_period_start_date",
        end: Some("observation_period_end_date"),
        is_end_required: true,
        has_visit: false,
        concepts: &[],
        numbers: &[],
    },
];
