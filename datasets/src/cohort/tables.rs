//! Rows as Arrow columns, in the order and under the names of the data model.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    new_null_array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use ledger_adapter::manifest::ColumnKind;

use super::calendar::{Day, civil};
use super::error::CohortError;
use super::parameters::Sex;
use super::records::SiteRows;
use super::vocabulary::ids;
use crate::schema::{self, ColumnSchema, TableSchema};

/// The tables that hold persons' rows, in the order of [`batches`].
pub(super) const PRIVATE_TABLES: [&str; 11] = [
    "person",
    "observation_period",
    "visit_occurrence",
    "condition_occurrence",
    "drug_exposure",
    "measurement",
    "observation",
    "device_exposure",
    "death",
    "payer_plan_period",
    "cost",
];

/// One batch for each of [`PRIVATE_TABLES`].
pub(super) fn batches(rows: &SiteRows) -> Result<Vec<RecordBatch>, CohortError> {
    let columns = [
        persons(rows),
        observation_periods(rows),
        visits(rows),
        conditions(rows),
        drugs(rows),
        measurements(rows),
        observations(rows),
        devices(rows),
        deaths(rows),
        payers(rows),
        costs(rows),
    ];
    PRIVATE_TABLES.into_iter().zip(columns).map(|(name, columns)| batch(name, columns)).collect()
}

/// Named columns of equal length.
pub(super) type Columns = Vec<(&'static str, ArrayRef)>;

/// Columns as a batch of the data model's table; a column without values is null in every row.
pub(super) fn batch(name: &'static str, columns: Columns) -> Result<RecordBatch, CohortError> {
    let table = described(name)?;
    let count = columns.first().map_or(0, |(_, array)| array.len());
    let arrays = table.columns.iter().map(|column| {
        columns.iter().find(|(name, _)| *name == column.name).map_or_else(
            || new_null_array(&data_type(column.kind), count),
            |(_, array)| Arc::clone(array),
        )
    });
    RecordBatch::try_new(arrow_schema(table), arrays.collect())
        .map_err(|source| CohortError::Columns { table: name, source })
}

/// The data model's description of a table.
pub(super) fn described(name: &str) -> Result<&'static TableSchema, CohortError> {
    schema::table(name).ok_or(CohortError::Internal("a table that the data model does not have"))
}

/// The Arrow schema of a table of the data model.
pub(super) fn arrow_schema(table: &TableSchema) -> SchemaRef {
    let field =
        |column: &ColumnSchema| Field::new(column.name, data_type(column.kind), !column.required);
    Arc::new(Schema::new(table.columns.iter().map(field).collect::<Vec<_>>()))
}

const fn data_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Integer => DataType::Int64,
        ColumnKind::Float => DataType::Float64,
        ColumnKind::Text => DataType::Utf8,
        ColumnKind::Date => DataType::Date32,
    }
}

/// Integers, one per row.
pub(super) fn integers<R>(rows: &[R], of: impl Fn(&R) -> i64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(rows.iter().map(of)))
}

/// Integers or null, one per row.
pub(super) fn integers_or_null<R>(rows: &[R], of: impl Fn(&R) -> Option<i64>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<Int64Array>())
}

/// Days or null, one per row.
pub(super) fn dates<R>(rows: &[R], of: impl Fn(&R) -> Option<Day>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<Date32Array>())
}

/// Amounts or null, one per row.
pub(super) fn floats<R>(rows: &[R], of: impl Fn(&R) -> Option<f64>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<Float64Array>())
}

/// Texts or null, one per row.
pub(super) fn texts<'a, R>(rows: &'a [R], of: impl Fn(&'a R) -> Option<&'a str>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<StringArray>())
}

/// The route of a drug where it is by mouth; sources leave the others empty.
fn oral(drug: i64) -> Option<i64> {
    (![ids::ALBUTEROL, ids::FLU_VACCINE].contains(&drug)).then_some(ids::ORAL)
}

/// The same integer in every row.
fn always<R>(rows: &[R], value: i64) -> ArrayRef {
    integers(rows, |_| value)
}

fn persons(rows: &SiteRows) -> Columns {
    let rows = &rows.person;
    let gender = |sex| if sex == Sex::Female { ids::FEMALE } else { ids::MALE };
    vec![
        ("person_id", integers(rows, |r| r.person_id)),
        ("gender_concept_id", integers(rows, |r| gender(r.sex))),
        ("year_of_birth", integers(rows, |r| i64::from(civil(r.birth).0))),
        ("month_of_birth", integers(rows, |r| i64::from(civil(r.birth).1))),
        ("day_of_birth", integers(rows, |r| i64::from(civil(r.birth).2))),
        ("race_concept_id", integers(rows, |r| r.race)),
        ("ethnicity_concept_id", integers(rows, |r| r.ethnicity)),
        ("location_id", integers(rows, |r| r.location_id)),
        ("care_site_id", integers(rows, |r| r.care_site_id)),
        ("person_source_value", texts(rows, |r| Some(&r.source_value))),
    ]
}

fn observation_periods(rows: &SiteRows) -> Columns {
    let rows = &rows.observation_period;
    vec![
        ("observation_period_id", integers(rows, |r| r.id)),
        ("person_id", integers(rows, |r| r.person_id)),
        ("observation_period_start_date", dates(rows, |r| Some(r.start))),
        ("observation_period_end_date", dates(rows, |r| Some(r.end))),
        ("period_type_concept_id", always(rows, ids::FROM_RECORD)),
    ]
}

fn visits(rows: &SiteRows) -> Columns {
    let rows = &rows.visit;
    vec![
        ("visit_occurrence_id", integers(rows, |r| r.id)),
        ("person_id", integers(rows, |r| r.person_id)),
        ("visit_concept_id", integers(rows, |r| r.concept)),
        ("visit_start_date", dates(rows, |r| Some(r.start))),
        ("visit_end_date", dates(rows, |r| Some(r.end))),
        ("provider_id", integers(rows, |r| r.provider_id)),
        ("care_site_id", integers(rows, |r| r.care_site_id)),
    ]
}

fn conditions(rows: &SiteRows) -> Columns {
    let rows = &rows.condition;
    vec![
        ("condition_occurrence_id", integers(rows, |r| r.id)),
        ("person_id", integers(rows, |r| r.person_id)),
        ("condition_concept_id", integers(rows, |r| r.concept)),
        ("condition_start_date", dates(rows, |r| Some(r.start))),
        ("condition_end_date", dates(rows, |r| r.end)),
        ("condition_type_concept_id", always(rows, ids::FROM_RECORD)),
        ("visit_occurrence_id", integers_or_null(rows, |r| r.visit_id)),
        ("condition_source_value", texts(rows, |r| Some(r.source_value))),
    ]
}

fn drugs(rows: &SiteRows) -> Columns {
    let rows = &rows.drug;
    vec![
        ("drug_exposure_id", integers(rows, |r| r.id)),
        ("person_id", integers(rows, |r| r.person_id)),
        ("drug_concept_id", integers(rows, |r| r.concept)),
        ("drug_exposure_start_date", dates(rows, |r| Some(r.start))),
        ("drug_exposure_end_date", dates(rows, |r| Some(r.start + r.days_supply - 1))),
        ("drug_type_concept_id", always(rows, ids::FROM_PHARMACY)),
        ("quantity", floats(rows, |r| r.quantity)),
        ("days_supply", integers(rows, |r| i64::from(r.days_supply))),
        ("route_concept_id", integers_or_null(rows, |r| oral(r.concept))),
        ("lot_number", texts(rows, |r| r.lot_number.as_deref())),
        ("provider_id", integers(rows, |r| r.provider_id)),
        ("visit_occurrence_id", integers_or_null(rows, |r| r.visit_id)),
    ]
}

fn measurements(rows: &SiteRows) -> Columns {
    let rows = &rows.measurement;
    vec![
        ("measurement_id", integers(rows, |r| r.id)),
        ("person_id", integers(rows, |r| r.person_id)),
        ("measurement_concept_id", integers(rows, |r| r.concept)),
        ("measurement_date", dates(rows, |r| Some(r.date))),
        ("operator_concept_id", always(rows, ids::EQUALS)),
        ("value_as_number", floats(rows, |r| r.value)),
        ("unit_concept_id", integers(rows, |r| r.unit)),
        ("range_low", floats(rows, |r| r.range.map(|(low, _)| low))),
        ("range_high", floats(rows, |r| r.range.map(|(_, high)| high))),
        ("visit_occurrence_id", integers(rows, |r| r.visit_id)),
    ]
}

fn observations(rows: &SiteRows) -> Columns {
    let rows = &rows.observation;
    vec![
        ("observation_id", integers(rows, |r| r.id)),
        ("person_id", integers(rows, |r| r.person_id)),
        ("observation_concept_id", integers(rows, |r| r.concept)),
        ("observation_date", dates(rows, |r| Some(r.date))),
        ("value_as_concept_id", integers(rows, |r| r.value_concept)),
        ("visit_occurrence_id", integers(rows, |r| r.visit_id)),
    ]
}

fn devices(rows: &SiteRows) -> Columns {
    let rows = &rows.device;
    vec![
        ("device_exposure_id", integers(rows, |r| r.id)),
        ("person_id", integers(rows, |r| r.person_id)),
        ("device_concept_id", integers(rows, |r| r.concept)),
        ("device_exposure_start_date", dates(rows, |r| Some(r.start))),
        ("unique_device_id", texts(rows, |r| Some(&r.unique_device_id))),
        ("production_id", texts(rows, |r| Some(&r.production_id))),
        ("quantity", always(rows, 1)),
        ("visit_occurrence_id", integers(rows, |r| r.visit_id)),
    ]
}

fn deaths(rows: &SiteRows) -> Columns {
    let rows = &rows.death;
    vec![
        ("person_id", integers(rows, |r| r.person_id)),
        ("death_date", dates(rows, |r| Some(r.date))),
        ("death_type_concept_id", always(rows, ids::FROM_CERTIFICATE)),
        ("cause_concept_id", integers(rows, |r| r.cause)),
    ]
}

fn payers(rows: &SiteRows) -> Columns {
    let rows = &rows.payer;
    vec![
        ("payer_plan_period_id", integers(rows, |r| r.id)),
        ("person_id", integers(rows, |r| r.person_id)),
        ("payer_plan_period_start_date", dates(rows, |r| Some(r.start))),
        ("payer_plan_period_end_date", dates(rows, |r| Some(r.end))),
        ("payer_concept_id", integers(rows, |r| r.payer)),
    ]
}

fn costs(rows: &SiteRows) -> Columns {
    let rows = &rows.cost;
    vec![
        ("cost_id", integers(rows, |r| r.id)),
        ("cost_event_id", integers(rows, |r| r.visit_id)),
        ("cost_domain_id", texts(rows, |_| Some("Visit"))),
        ("cost_type_concept_id", always(rows, ids::FROM_CLAIM)),
        ("currency_concept_id", always(rows, ids::US_DOLLAR)),
        ("total_charge", floats(rows, |r| Some(r.total_charge))),
        ("total_cost", floats(rows, |r| Some(r.total_cost))),
        ("total_paid", floats(rows, |r| Some(r.total_cost))),
        ("paid_by_payer", floats(rows, |r| Some(r.paid_by_payer))),
        ("paid_by_patient", floats(rows, |r| Some(r.paid_by_patient))),
        ("paid_patient_copay", floats(rows, |r| Some(r.copay))),
        ("amount_allowed", floats(rows, |r| Some(r.total_cost))),
        ("payer_plan_period_id", integers_or_null(rows, |r| r.payer_plan_period_id)),
    ]
}
