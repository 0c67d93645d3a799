//! Definitions in Circe's JSON: the core is read, and whatever is outside of it is refused.

use crate::cohort::definition::Definition;
use crate::cohort::error::CohortError;

const CIRCE: &str = include_str!("golden/ulcers.json");

fn refusal(from: &str, to: &str) -> String {
    assert_eq!(CIRCE.matches(from).count(), 1, "{from}");
    let read = Definition::from_circe("ulcers", "ulcers.json", &CIRCE.replace(from, to));
    read.unwrap_err().to_string()
}

#[test]
fn the_core_of_circe_is_what_our_own_form_says() {
    let circe = Definition::from_circe("ulcers", "ulcers.json", CIRCE).unwrap();
    let toml = include_str!("golden/ulcers.toml");
    assert_eq!(circe, Definition::from_toml("ulcers.toml", toml).unwrap());
}

#[test]
fn what_is_outside_of_the_core_is_refused_by_its_path() {
    let cases = [
        (
            "\"includeMapped\": false",
            "\"includeMapped\": true",
            "$.ConceptSets[0].expression.items[0].includeMapped: true is here; source codes",
        ),
        (
            "\"RestrictVisit\": false",
            "\"RestrictVisit\": true",
            "$.InclusionRules[0].expression.CriteriaList[0].RestrictVisit: \"RestrictVisit\": it \
             has no rule here; allowed are Criteria, StartWindow, EndWindow, Occurrence",
        ),
        (
            "\"ConditionSourceConcept\": null",
            "\"ConditionSourceConcept\": 0",
            "$.PrimaryCriteria.CriteriaList[0].ConditionOccurrence.ConditionSourceConcept: ",
        ),
        (
            "\"DrugExposure\"",
            "\"DoseEra\"",
            "perhaps \"DrugEra\" is meant; allowed are ConditionOcc",
        ),
        ("\"CodesetId\": 2", "\"CodesetId\": 7", "CodesetId: 7 is here; $.ConceptSets has 0, 1, 2"),
        ("\"Type\": \"AT_LEAST\"", "\"Type\": \"SOME\"", "allowed are ALL, ANY, AT_LEAST, AT_MOST"),
        ("\"AT_LEAST\", \"Count\": 1", "\"AT_LEAST\", \"Count\": 4", "from 0 to 2 is expected"),
        ("\"Op\": \"gte\"", "\"Op\": \"=>\"", "allowed are lt, lte, eq, !eq, gt, gte, bt, !bt"),
        ("\"CountColumn\": \"START_DATE\"", "\"CountColumn\": \"DURATION\"", "DOMAIN_CONCEPT"),
        ("\"EraPadUnit\": \"day\"", "\"EraPadUnit\": \"hour\"", "EraPadUnit: \"hour\" is here"),
        (
            "\"EraPadUnitValue\": 30",
            "\"EraPadUnitValue\": 31",
            "EraPad is 30 and EraPadUnitValue is 31",
        ),
        ("\"CollapseType\": \"ERA\"", "\"CollapseType\": \"NONE\"", "allowed are ERA"),
        ("\"cdmVersionRange\"", "\"cdmVersionRang\"", "perhaps \"cdmVersionRange\" is meant"),
        ("\"2019-12-31\"", "\"31.12.2019\"", "$.CensorWindow.EndDate: \"31.12.2019\" is here"),
    ];
    for (from, to, expected) in cases {
        let told = refusal(from, to);
        assert!(told.starts_with("ulcers.json: $") && told.contains(expected), "{to}: {told}");
    }
}

#[test]
fn an_open_window_looks_back_at_its_start_and_ahead_at_its_end() {
    let told = refusal("\"Start\": { \"Coeff\": -1 }", "\"Start\": { \"Coeff\": 1 }");
    let place = "StartWindow.Start.Coeff: 1 is here; all days are allowed with -1 here";
    assert!(told.ends_with(place), "{told}");
}

#[test]
fn a_name_is_that_of_a_view_and_text_is_json() {
    let read = |name, text| Definition::from_circe(name, "x.json", text).unwrap_err();
    assert!(matches!(read("Ulcers", CIRCE), CohortError::Name { name } if name == "Ulcers"));
    assert!(matches!(read("ulcers", "{"), CohortError::Json { .. }));
    assert!(matches!(read("ulcers", "[]"), CohortError::Refused { .. }));
}
