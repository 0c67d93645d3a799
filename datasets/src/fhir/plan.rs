//! Which views make which tables, in an order in which each knows what it needs of the others:
//! persons before their records, drugs before prescriptions, uses before devices, adjudications
//! before claims.

use serde_json::Value;

use crate::fhir::error::FhirError;
use crate::fhir::view::View;

/// What becomes of the rows of a view.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Target {
    /// They are rows of a table.
    Table(&'static str),
    /// They say what a Medication is.
    Medication,
    /// They say when a Device was used, on whom, and in which visit.
    DeviceUse,
}

/// A view, and what becomes of its rows.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) target: Target,
    pub(super) view: View,
}

/// The views of one type of resource.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) resource: String,
    pub(super) steps: Vec<Step>,
}

/// All views, by the type of their resources. `person_system` is the system of the identifier
/// that becomes `person_source_value`; if it is empty, the patient's `id` does.
///
/// # Errors
/// [`FhirError::View`].
pub(super) fn stages(person_system: &str) -> Result<Vec<Stage>, FhirError> {
    let mut stages: Vec<Stage> = Vec::new();
    for (target, text) in VIEWS {
        let view = read(text, person_system)?;
        let step = Step { target: *target, view };
        let resource = step.view.resource().to_owned();
        match stages.iter_mut().find(|stage| stage.resource == resource) {
            Some(stage) => stage.steps.push(step),
            None => stages.push(Stage { resource, steps: vec![step] }),
        }
    }
    Ok(stages)
}

/// The tables that are made, besides periods of observation.
pub(super) fn tables() -> impl Iterator<Item = &'static str> {
    VIEWS.iter().filter_map(|(target, _)| match target {
        Target::Table(table) => Some(*table),
        Target::Medication | Target::DeviceUse => None,
    })
}

fn read(text: &str, person_system: &str) -> Result<View, FhirError> {
    let wrong = |view: &str, source| FhirError::View { view: view.to_owned(), source };
    let mut json: Value =
        serde_json::from_str(text).map_err(|error| wrong("(unnamed)", error.into()))?;
    for constant in json.get_mut("constant").and_then(Value::as_array_mut).into_iter().flatten() {
        if constant.get("name").and_then(Value::as_str) == Some("person_system")
            && let Some(value) = constant.get_mut("valueUri")
        {
            *value = Value::from(person_system);
        }
    }
    let name = json.get("name").and_then(Value::as_str).unwrap_or_default();
    View::from_json(&json).map_err(|source| wrong(name, source))
}

/// The views; those of one type of resource are run on a resource together.
const VIEWS: &[(Target, &str)] = &[
    (Target::Table("care_site"), include_str!("../../fhir-views/care_site.json")),
    (Target::Table("provider"), include_str!("../../fhir-views/provider.json")),
    (Target::Medication, include_str!("../../fhir-views/medication.json")),
    (Target::Table("person"), include_str!("../../fhir-views/person.json")),
    (Target::Table("death"), include_str!("../../fhir-views/death.json")),
    (Target::Table("location"), include_str!("../../fhir-views/location.json")),
    (Target::Table("visit_occurrence"), include_str!("../../fhir-views/visit_occurrence.json")),
    (
        Target::Table("condition_occurrence"),
        include_str!("../../fhir-views/condition_occurrence.json"),
    ),
    (
        Target::Table("drug_exposure"),
        include_str!("../../fhir-views/drug_exposure_of_medication_request.json"),
    ),
    (
        Target::Table("drug_exposure"),
        include_str!("../../fhir-views/drug_exposure_of_medication_dispense.json"),
    ),
    (
        Target::Table("drug_exposure"),
        include_str!("../../fhir-views/drug_exposure_of_medication_administration.json"),
    ),
    (
        Target::Table("drug_exposure"),
        include_str!("../../fhir-views/drug_exposure_of_immunization.json"),
    ),
    (Target::Table("measurement"), include_str!("../../fhir-views/measurement.json")),
    (Target::Table("observation"), include_str!("../../fhir-views/observation.json")),
    (
        Target::Table("procedure_occurrence"),
        include_str!("../../fhir-views/procedure_occurrence.json"),
    ),
    (Target::DeviceUse, include_str!("../../fhir-views/device_use_of_procedure.json")),
    (Target::DeviceUse, include_str!("../../fhir-views/device_use_of_device_use_statement.json")),
    (Target::DeviceUse, include_str!("../../fhir-views/device_use_of_device_usage.json")),
    (Target::Table("device_exposure"), include_str!("../../fhir-views/device_exposure.json")),
    (Target::Table("payer_plan_period"), include_str!("../../fhir-views/payer_plan_period.json")),
    (Target::Table("cost"), include_str!("../../fhir-views/cost_of_explanation_of_benefit.json")),
    (Target::Table("cost"), include_str!("../../fhir-views/cost_of_claim.json")),
];
