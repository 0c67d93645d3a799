//! Decides, from the data model and the policy alone, what becomes of each column.
//!
//! What no rule speaks of is dropped. Records are not looked at, so every site that uses the
//! policy gets the same columns.

use ledger_adapter::manifest::{ColumnKind, ColumnManifest, KeyValue, Rows};

use crate::policy::Policy;
use crate::policy::document::{Birth, DateHandling, DeviceIdentifiers, ZipDetail};
use crate::schema::{ColumnSchema, Role, TableKind, TableSchema};

/// What becomes of a table.
#[derive(Debug)]
pub(super) struct TablePlan {
    /// The table in the data model.
    pub(super) schema: &'static TableSchema,
    /// Whose rows they are, for the manifest.
    pub(super) rows: Rows,
    /// Columns that stay, in the order in which they are stored.
    pub(super) columns: Vec<ColumnPlan>,
    /// Columns that do not.
    pub(super) dropped: Vec<&'static str>,
    /// Columns to be read.
    pub(super) wanted: Vec<&'static str>,
}

/// What becomes of a column that stays.
#[derive(Debug)]
pub(super) struct ColumnPlan {
    /// Its name.
    pub(super) name: &'static str,
    /// Whether the data model wants a value in every row.
    pub(super) required: bool,
    /// What happens to its values.
    pub(super) treatment: Treatment,
    /// What the manifest says of it.
    pub(super) manifest: ColumnManifest,
}

/// What happens to the values of a column.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Treatment {
    /// The person's pseudonym.
    Unit,
    /// A keyed number for a row of this table.
    RowKey(&'static str),
    /// A keyed number for a row of the table that the kind of event names.
    EventKey,
    /// A keyed number for a location, of this person only.
    Residence,
    /// The year of birth, the oldest grouped.
    BirthYear,
    /// A date about a person.
    Date,
    /// A date about nobody.
    PublicDate,
    /// A whole number; a concept that must be there and is not is concept 0.
    Integer {
        /// Whether 0 stands for a missing value.
        or_zero: bool,
    },
    /// A number.
    Float,
    /// Public text.
    PublicText,
    /// A code.
    Code,
    /// Model and lot of a device.
    Device,
    /// A postal code.
    Zip,
    /// A state.
    State,
    /// A kind of event.
    EventArea,
}

impl TablePlan {
    /// Plans a table.
    pub(super) fn new(schema: &'static TableSchema, policy: &Policy) -> Self {
        let unit = match schema.kind {
            TableKind::PersonKeyed { unit } => Some(unit),
            TableKind::ViaEvent | TableKind::ViaLocation => Some(PERSON_ID),
            TableKind::Reference | TableKind::Vocabulary => None,
        };
        let rows = unit.map_or(Rows::Public, |unit| Rows::PerPerson {
            unit: unit.to_owned(),
            rows_per_person_max: policy.rows_per_person_max(schema.name),
        });
        let mut plan = Self { schema, rows, columns: vec![], dropped: vec![], wanted: vec![] };
        if matches!(schema.kind, TableKind::ViaEvent | TableKind::ViaLocation) {
            let manifest = describe(PERSON_ID, ColumnKind::Integer, false);
            let treatment = Treatment::Unit;
            plan.columns.push(ColumnPlan { name: PERSON_ID, required: true, treatment, manifest });
        }
        for column in schema.columns {
            match treatment(schema, column, policy) {
                None => plan.dropped.push(column.name),
                Some(treatment) => {
                    plan.wanted.push(column.name);
                    plan.columns.push(column_plan(schema, column, treatment, policy));
                }
            }
        }
        plan
    }

    /// Index of the unit column among those that stay; nothing in public tables.
    pub(super) fn unit_index(&self) -> Option<usize> {
        self.columns.iter().position(|column| column.treatment == Treatment::Unit)
    }

    /// Index of a column among those that stay.
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Whether one person has one row.
    pub(super) fn one_row_per_person(&self) -> bool {
        matches!(self.rows, Rows::PerPerson { rows_per_person_max: 1, .. })
    }
}

/// What happens to a column, or nothing if it is dropped.
fn treatment(table: &TableSchema, column: &ColumnSchema, policy: &Policy) -> Option<Treatment> {
    match (column.role, column.kind) {
        (Role::UnitKey, _) => Some(Treatment::Unit),
        (Role::RowKey, _) if column.name == "cost_event_id" => Some(Treatment::EventKey),
        (Role::RowKey, _) => column.name.strip_suffix("_id").map(Treatment::RowKey),
        (Role::BirthYear, _) => Some(Treatment::BirthYear),
        (Role::QuasiDate, _) => Some(Treatment::Date),
        (Role::Concept, ColumnKind::Text) => Some(Treatment::EventArea),
        (Role::Concept, _) => Some(Treatment::Integer { or_zero: column.required }),
        (Role::QuasiPublicDomain, ColumnKind::Text) => {
            policy.keeps_state().then_some(Treatment::State)
        }
        (Role::QuasiPublicDomain, _) => Some(Treatment::Integer { or_zero: column.required }),
        (Role::SensitiveNumeric, ColumnKind::Float) => Some(Treatment::Float),
        (Role::SensitiveNumeric, _) => Some(Treatment::Integer { or_zero: false }),
        (Role::FreeText | Role::SupplyChain, _) => {
            policy.keeps_text(table.name, column.name).then_some(Treatment::Code)
        }
        (Role::DeviceId, _) => {
            (policy.device_identifiers() == DeviceIdentifiers::Lot).then_some(Treatment::Device)
        }
        (Role::PublicReference, ColumnKind::Integer) => Some(Treatment::Integer { or_zero: false }),
        (Role::PublicReference, ColumnKind::Float) => Some(Treatment::Float),
        (Role::PublicReference, ColumnKind::Date) => Some(Treatment::PublicDate),
        (Role::PublicReference, ColumnKind::Text) => Some(Treatment::PublicText),
        (Role::QuasiGeneralise, _) => generalised(table, column.name, policy),
        (Role::DirectId, _) => None,
    }
}

fn generalised(table: &TableSchema, column: &str, policy: &Policy) -> Option<Treatment> {
    let birth = policy.dates().birth;
    match column {
        "month_of_birth" if birth != Birth::Year => Some(Treatment::Integer { or_zero: false }),
        "day_of_birth" if birth == Birth::Day => Some(Treatment::Integer { or_zero: false }),
        "care_site_id" => Some(Treatment::RowKey("care_site")),
        "provider_id" => Some(Treatment::RowKey("provider")),
        // Locations are about the persons who live there; places of care have none.
        "location_id" if table.kind != TableKind::Reference => Some(Treatment::Residence),
        "zip" if policy.zip() != ZipDetail::Drop => Some(Treatment::Zip),
        _ => None,
    }
}

fn column_plan(
    table: &TableSchema,
    column: &ColumnSchema,
    treatment: Treatment,
    policy: &Policy,
) -> ColumnPlan {
    let domain = policy.key_values(table.name, column.name).map(<[KeyValue]>::to_vec);
    let nullable = match treatment {
        Treatment::Unit | Treatment::Integer { or_zero: true } => false,
        _ => !(treatment == Treatment::EventArea && column.required),
    };
    // A concept that is required and undeclared needs 0 among the declared ones.
    let has_zero = |values: &Vec<KeyValue>| values.contains(&KeyValue::Integer(0));
    let nullable = nullable
        || (matches!(treatment, Treatment::Integer { .. })
            && domain.as_ref().is_some_and(|values| !has_zero(values)));
    let manifest = ColumnManifest {
        bounds: policy.bounds(table.name, column.name),
        person_total: policy.person_total(table.name, column.name),
        domain,
        generalised: generalisation(treatment, policy),
        ..describe(column.name, column.kind, nullable)
    };
    ColumnPlan { name: column.name, required: column.required, treatment, manifest }
}

fn generalisation(treatment: Treatment, policy: &Policy) -> Option<String> {
    match treatment {
        Treatment::BirthYear => {
            policy.ages().map(|ages| format!("ages {} and over grouped", ages.top_code))
        }
        Treatment::Date => match (policy.dates().handling, policy.dates().shift_days_max) {
            (DateHandling::Year, _) => Some("dates to the year".to_owned()),
            (DateHandling::Shift, Some(days)) => {
                Some(format!("dates shifted by a constant per person, at most {days} days"))
            }
            _ => None,
        },
        Treatment::Zip => Some(match policy.zip() {
            ZipDetail::Zip3 => "three digits, 000 for small areas".to_owned(),
            _ => "five digits".to_owned(),
        }),
        Treatment::Device => Some("model (01) and lot (10)".to_owned()),
        Treatment::Code => Some("codes only".to_owned()),
        _ => None,
    }
}

fn describe(name: &str, kind: ColumnKind, nullable: bool) -> ColumnManifest {
    let name = name.to_owned();
    ColumnManifest {
        name,
        kind,
        nullable,
        bounds: None,
        person_total: None,
        domain: None,
        generalised: None,
    }
}

/// The unit column of tables that name their persons by way of another table.
const PERSON_ID: &str = "person_id";
