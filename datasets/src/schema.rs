//! The tables and columns of OMOP CDM v5.4 that the project reads, and what each means for privacy.
//!
//! It describes; it reads no file. What an extract does with a column of some [`Role`] is the
//! de-identification policy's to say.

use ledger_adapter::manifest::ColumnKind::{self, Date, Float, Integer, Text};

use self::Role::{
    BirthYear, Concept, DeviceId, DirectId, FreeText, PublicReference, QuasiDate, QuasiGeneralise,
    QuasiPublicDomain, RowKey, SensitiveNumeric, SupplyChain, UnitKey,
};
use self::TableKind::{PersonKeyed, Reference, ViaEvent, ViaLocation, Vocabulary};

/// One table of the data model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TableSchema {
    /// Lower-case name, for instance `drug_exposure`.
    pub name: &'static str,
    /// Whose rows they are.
    pub kind: TableKind,
    /// Columns, in the order of the data model.
    pub columns: &'static [ColumnSchema],
}

impl TableSchema {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&'static ColumnSchema> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// How the rows of a table belong to persons.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TableKind {
    /// Every row names its person.
    PersonKeyed {
        /// The column that does: `person_id`, or `subject_id` in a cohort.
        unit: &'static str,
    },
    /// A row belongs to the person of the event that it names (`cost`, through `cost_event_id`).
    ViaEvent,
    /// A row belongs to the persons who live there (`location`, through `person.location_id`).
    ViaLocation,
    /// Those who give care; about no patient.
    Reference,
    /// Public tables, the same at every site or about the source as a whole.
    Vocabulary,
}

/// One column of a table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ColumnSchema {
    /// Lower-case name.
    pub name: &'static str,
    /// How values are stored.
    pub kind: ColumnKind,
    /// Whether the data model wants a value in every row.
    pub required: bool,
    /// What the column means for privacy.
    pub role: Role,
}

/// What a column means for privacy.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// Names the person: the privacy unit; only ever a keyed pseudonym in an extract.
    UnitKey,
    /// An identifier from the source system, such as a medical record number; never in an extract.
    DirectId,
    /// A day in somebody's life; a year under Safe Harbor, shifted per person elsewhere.
    QuasiDate,
    /// A quasi-identifier with a small public set of values, such as sex; fit for grouping.
    QuasiPublicDomain,
    /// A quasi-identifier that must be made coarser or dropped, such as a postal code.
    QuasiGeneralise,
    /// Year of birth; ages above 89 become one group under Safe Harbor.
    BirthYear,
    /// Number of a row in its own table or of the row in another that it links to.
    RowKey,
    /// A concept of a public vocabulary, or the name of one of its areas.
    Concept,
    /// An amount; has a sensitivity only after public bounds are declared.
    SensitiveNumeric,
    /// Free text or a source code; by allow-list only.
    FreeText,
    /// A lot: about no person, though a rare value may be as good as one.
    SupplyChain,
    /// A device's serial number, Safe Harbor identifier (M); maker, model and lot may stay.
    DeviceId,
    /// Public; about nobody.
    PublicReference,
}

/// Every table, with those about persons first.
pub const fn tables() -> &'static [TableSchema] {
    TABLES
}

/// The table of that lower-case name.
pub fn table(name: &str) -> Option<&'static TableSchema> {
    TABLES.iter().find(|table| table.name == name)
}

const fn need(name: &'static str, kind: ColumnKind, role: Role) -> ColumnSchema {
    ColumnSchema { name, kind, required: true, role }
}

const fn may(name: &'static str, kind: ColumnKind, role: Role) -> ColumnSchema {
    ColumnSchema { name, kind, required: false, role }
}

const PERSON: TableKind = PersonKeyed { unit: "person_id" };

/// Source: OHDSI CommonDataModel v5.4, field-level specification.
static TABLES: &[TableSchema] = &[
    TableSchema {
        name: "person",
        kind: PERSON,
        columns: &[
            need("person_id", Integer, UnitKey),
            need("gender_concept_id", Integer, QuasiPublicDomain),
            need("year_of_birth", Integer, BirthYear),
            may("month_of_birth", Integer, QuasiGeneralise),
            may("day_of_birth", Integer, QuasiGeneralise),
            need("race_concept_id", Integer, QuasiPublicDomain),
            need("ethnicity_concept_id", Integer, QuasiPublicDomain),
            may("location_id", Integer, QuasiGeneralise),
            may("care_site_id", Integer, QuasiGeneralise),
            may("person_source_value", Text, DirectId),
        ],
    },
    TableSchema {
        name: "observation_period",
        kind: PERSON,
        columns: &[
            need("observation_period_id", Integer, RowKey),
            need("person_id", Integer, UnitKey),
            need("observation_period_start_date", Date, QuasiDate),
            need("observation_period_end_date", Date, QuasiDate),
            need("period_type_concept_id", Integer, Concept),
        ],
    },
    TableSchema {
        name: "visit_occurrence",
        kind: PERSON,
        columns: &[
            need("visit_occurrence_id", Integer, RowKey),
            need("person_id", Integer, UnitKey),
            need("visit_concept_id", Integer, Concept),
            need("visit_start_date", Date, QuasiDate),
            need("visit_end_date", Date, QuasiDate),
            may("provider_id", Integer, QuasiGeneralise),
            may("care_site_id", Integer, QuasiGeneralise),
            may("admitted_from_concept_id", Integer, Concept),
            may("discharged_to_concept_id", Integer, Concept),
        ],
    },
    TableSchema {
        name: "condition_occurrence",
        kind: PERSON,
        columns: &[
            need("condition_occurrence_id", Integer, RowKey),
            need("person_id", Integer, UnitKey),
            need("condition_concept_id", Integer, Concept),
            need("condition_start_date", Date, QuasiDate),
            may("condition_end_date", Date, QuasiDate),
            need("condition_type_concept_id", Integer, Concept),
            may("condition_status_concept_id", Integer, Concept),
            may("visit_occurrence_id", Integer, RowKey),
            may("condition_source_value", Text, FreeText),
            may("condition_source_concept_id", Integer, Concept),
        ],
    },
    TableSchema {
        name: "drug_exposure",
        kind: PERSON,
        columns: &[
            need("drug_exposure_id", Integer, RowKey),
            need("person_id", Integer, UnitKey),
            need("drug_concept_id", Integer, Concept),
            need("drug_exposure_start_date", Date, QuasiDate),
            need("drug_exposure_end_date", Date, QuasiDate),
            need("drug_type_concept_id", Integer, Concept),
            may("quantity", Float, SensitiveNumeric),
            may("days_supply", Integer, SensitiveNumeric),
            may("route_concept_id", Integer, Concept),
            may("lot_number", Text, SupplyChain),
            may("provider_id", Integer, QuasiGeneralise),
            may("visit_occurrence_id", Integer, RowKey),
            may("drug_source_value", Text, FreeText),
        ],
    },
    TableSchema {
        name: "procedure_occurrence",
        kind: PERSON,
        columns: &[
            need("procedure_occurrence_id", Integer, RowKey),
            need("person_id", Integer, UnitKey),
            need("procedure_concept_id", Integer, Concept),
            need("procedure_date", Date, QuasiDate),
            may("provider_id", Integer, QuasiGeneralise),
            may("visit_occurrence_id", Integer, RowKey),
            may("procedure_source_value", Text, FreeText),
        ],
    },
    TableSchema {
        name: "device_exposure",
        kind: PERSON,
        columns: &[
            need("device_exposure_id", Integer, RowKey),
            need("person_id", Integer, UnitKey),
            need("device_concept_id", Integer, Concept),
            need("device_exposure_start_date", Date, QuasiDate),
            may("device_exposure_end_date", Date, QuasiDate),
            may("unique_device_id", Text, DeviceId),
            may("production_id", Text, DeviceId),
            may("quantity", Integer, SensitiveNumeric),
            may("visit_occurrence_id", Integer, RowKey),
        ],
    },
    TableSchema {
        name: "measurement",
        kind: PERSON,
        columns: &[
            need("measurement_id", Integer, RowKey),
            need("person_id", Integer, UnitKey),
            need("measurement_concept_id", Integer, Concept),
            need("measurement_date", Date, QuasiDate),
            may("operator_concept_id", Integer, Concept),
            may("value_as_number", Float, SensitiveNumeric),
            may("value_as_concept_id", Integer, Concept),
            may("unit_concept_id", Integer, Concept),
            may("range_low", Float, SensitiveNumeric),
            may("range_high", Float, SensitiveNumeric),
            may("visit_occurrence_id", Integer, RowKey),
            may("value_source_value", Text, FreeText),
        ],
    },
    TableSchema {
        name: "observation",
        kind: PERSON,
        columns: &[
            need("observation_id", Integer, RowKey),
            need("person_id", Integer, UnitKey),
            need("observation_concept_id", Integer, Concept),
            need("observation_date", Date, QuasiDate),
            may("value_as_number", Float, SensitiveNumeric),
            may("value_as_string", Text, FreeText),
            may("value_as_concept_id", Integer, Concept),
            may("visit_occurrence_id", Integer, RowKey),
        ],
    },
    TableSchema {
        name: "death",
        kind: PERSON,
        columns: &[
            need("person_id", Integer, UnitKey),
            need("death_date", Date, QuasiDate),
            may("death_type_concept_id", Integer, Concept),
            may("cause_concept_id", Integer, Concept),
        ],
    },
    TableSchema {
        name: "location",
        kind: ViaLocation,
        columns: &[
            need("location_id", Integer, QuasiGeneralise),
            may("state", Text, QuasiPublicDomain),
            may("zip", Text, QuasiGeneralise),
            may("county", Text, QuasiGeneralise),
            may("country_concept_id", Integer, Concept),
            may("latitude", Float, QuasiGeneralise),
            may("longitude", Float, QuasiGeneralise),
        ],
    },
    TableSchema {
        name: "care_site",
        kind: Reference,
        columns: &[
            need("care_site_id", Integer, QuasiGeneralise),
            may("care_site_name", Text, QuasiGeneralise),
            may("place_of_service_concept_id", Integer, Concept),
            may("location_id", Integer, QuasiGeneralise),
        ],
    },
    TableSchema {
        name: "provider",
        kind: Reference,
        columns: &[
            need("provider_id", Integer, QuasiGeneralise),
            may("specialty_concept_id", Integer, Concept),
            may("care_site_id", Integer, QuasiGeneralise),
        ],
    },
    TableSchema {
        name: "payer_plan_period",
        kind: PERSON,
        columns: &[
            need("payer_plan_period_id", Integer, RowKey),
            need("person_id", Integer, UnitKey),
            need("payer_plan_period_start_date", Date, QuasiDate),
            need("payer_plan_period_end_date", Date, QuasiDate),
            may("payer_concept_id", Integer, QuasiPublicDomain),
            may("plan_concept_id", Integer, Concept),
            may("stop_reason_concept_id", Integer, Concept),
        ],
    },
    TableSchema {
        name: "cost",
        kind: ViaEvent,
        columns: &[
            need("cost_id", Integer, RowKey),
            need("cost_event_id", Integer, RowKey),
            need("cost_domain_id", Text, Concept),
            need("cost_type_concept_id", Integer, Concept),
            may("currency_concept_id", Integer, Concept),
            may("total_charge", Float, SensitiveNumeric),
            may("total_cost", Float, SensitiveNumeric),
            may("total_paid", Float, SensitiveNumeric),
            may("paid_by_payer", Float, SensitiveNumeric),
            may("paid_by_patient", Float, SensitiveNumeric),
            may("paid_patient_copay", Float, SensitiveNumeric),
            may("paid_patient_coinsurance", Float, SensitiveNumeric),
            may("paid_patient_deductible", Float, SensitiveNumeric),
            may("amount_allowed", Float, SensitiveNumeric),
            may("payer_plan_period_id", Integer, RowKey),
            may("revenue_code_concept_id", Integer, Concept),
            may("drg_concept_id", Integer, Concept),
        ],
    },
    TableSchema {
        name: "concept",
        kind: Vocabulary,
        columns: &[
            need("concept_id", Integer, PublicReference),
            need("concept_name", Text, PublicReference),
            need("domain_id", Text, PublicReference),
            need("vocabulary_id", Text, PublicReference),
            need("concept_class_id", Text, PublicReference),
            may("standard_concept", Text, PublicReference),
            need("concept_code", Text, PublicReference),
            need("valid_start_date", Date, PublicReference),
            need("valid_end_date", Date, PublicReference),
            may("invalid_reason", Text, PublicReference),
        ],
    },
    TableSchema {
        name: "concept_ancestor",
        kind: Vocabulary,
        columns: &[
            need("ancestor_concept_id", Integer, PublicReference),
            need("descendant_concept_id", Integer, PublicReference),
            need("min_levels_of_separation", Integer, PublicReference),
            need("max_levels_of_separation", Integer, PublicReference),
        ],
    },
    TableSchema {
        name: "concept_relationship",
        kind: Vocabulary,
        columns: &[
            need("concept_id_1", Integer, PublicReference),
            need("concept_id_2", Integer, PublicReference),
            need("relationship_id", Text, PublicReference),
        ],
    },
    TableSchema {
        name: "cdm_source",
        kind: Vocabulary,
        columns: &[
            need("cdm_source_name", Text, PublicReference),
            need("cdm_source_abbreviation", Text, PublicReference),
            need("cdm_holder", Text, PublicReference),
            need("source_release_date", Date, PublicReference),
            need("cdm_release_date", Date, PublicReference),
            may("cdm_version", Text, PublicReference),
            need("vocabulary_version", Text, PublicReference),
        ],
    },
    TableSchema {
        name: "cohort",
        kind: PersonKeyed { unit: "subject_id" },
        columns: &[
            need("cohort_definition_id", Integer, PublicReference),
            need("subject_id", Integer, UnitKey),
            need("cohort_start_date", Date, QuasiDate),
            need("cohort_end_date", Date, QuasiDate),
        ],
    },
    TableSchema {
        name: "cohort_definition",
        kind: Vocabulary,
        columns: &[
            need("cohort_definition_id", Integer, PublicReference),
            need("cohort_definition_name", Text, PublicReference),
        ],
    },
    TableSchema {
        name: "condition_era",
        kind: PERSON,
        columns: &[
            need("condition_era_id", Integer, RowKey),
            need("person_id", Integer, UnitKey),
            need("condition_concept_id", Integer, Concept),
            need("condition_era_start_date", Date, QuasiDate),
            need("condition_era_end_date", Date, QuasiDate),
            may("condition_occurrence_count", Integer, SensitiveNumeric),
        ],
    },
    TableSchema {
        name: "drug_era",
        kind: PERSON,
        columns: &[
            need("drug_era_id", Integer, RowKey),
            need("person_id", Integer, UnitKey),
            need("drug_concept_id", Integer, Concept),
            need("drug_era_start_date", Date, QuasiDate),
            need("drug_era_end_date", Date, QuasiDate),
            may("drug_exposure_count", Integer, SensitiveNumeric),
            may("gap_days", Integer, SensitiveNumeric),
        ],
    },
];

#[cfg(test)]
mod tests;
