//! Tests of expressions on a resource. Expected values follow FHIRPath 2.0.0 by hand.

use serde_json::{Value, json};

use super::*;

fn resource() -> Value {
    json!({
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"coding": [{"system": "a", "code": "1"}, {"system": "b", "code": "2"}]},
        "subject": {"reference": "Patient/p1/_history/3"},
        "performer": [
            {"reference": "https://example.org/fhir/Practitioner/x-1"},
            {"reference": "#inside"},
            {"reference": "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"},
            {"reference": "Practitioner?identifier=7"},
            {"display": "nobody"},
        ],
        "effectivePeriod": {"start": "2020-02", "end": "2020-02-29T10:00:00Z"},
        "valueQuantity": {"value": 1.5, "unit": "mg"},
        "component": [
            {"valueInteger": 3, "flag": true},
            {"valueString": "three", "flag": false},
            {"valueDateTime": "2021"},
        ],
        "empty": null,
    })
}

fn constants() -> Constants {
    let mut constants = Constants::default();
    assert!(constants.add("name", "String", &json!("it")));
    assert!(constants.add("day", "Date", &json!("2020-02")));
    constants
}

fn evaluate(text: &str) -> Result<Vec<String>, PathError> {
    let resource = resource();
    let constants = constants();
    let steps_left = Cell::new(10_000);
    let scope =
        Scope { resource: &resource, constants: &constants, steps_left: &steps_left, row_index: 4 };
    let found = Expression::parse(text, &constants)?.evaluate(&focus(&resource), &scope)?;
    Ok(found
        .iter()
        .map(|item| match &item.content {
            Content::Boolean(value) => value.to_string(),
            Content::Integer(value) => value.to_string(),
            Content::Decimal(value) => value.to_string(),
            Content::Text(text) => format!("'{text}'"),
            Content::Object(members) => format!("{} members", members.len()),
        })
        .collect())
}

fn agree(cases: &[(&str, &[&str])]) {
    for (text, expected) in cases {
        assert_eq!(evaluate(text).unwrap(), *expected, "{text}");
    }
}

fn fault(text: &str) -> (usize, PathFault) {
    let error = evaluate(text).expect_err(text);
    (error.at, error.fault)
}

#[test]
fn members_are_found_wherever_they_are() {
    agree(&[
        ("code.coding.code", &["'1'", "'2'"]),
        ("Observation.id", &["'o1'"]),
        ("Patient.id", &[]),
        ("code.coding[1].system", &["'b'"]),
        ("code.coding[2]", &[]),
        ("nothing.at.all", &[]),
        ("empty", &[]),
        ("$this.`status`", &["'final'"]),
        ("%resource.id", &["'o1'"]),
        ("%rowIndex", &["4"]),
        ("component.flag", &["true", "false"]),
    ]);
}

#[test]
fn a_choice_of_types_goes_by_its_plain_name() {
    agree(&[
        ("value.unit", &["'mg'"]),
        ("value.ofType(Quantity).value", &["1.5"]),
        ("value.ofType(string)", &[]),
        ("component.value.ofType(integer)", &["3"]),
        ("component.value.ofType(FHIR.dateTime)", &["'2021'"]),
        ("component[0].value is integer", &["true"]),
        ("(component[1].value as string).length()", &["5"]),
        ("component[1].value.is(dateTime)", &["false"]),
        ("effective.ofType(Period).exists()", &["true"]),
        ("ofType(Observation).exists() and ofType(Patient).empty()", &["true"]),
        ("id.ofType(string) | id.ofType(date) | id.ofType(integer)", &["'o1'"]),
    ]);
}

#[test]
fn operators_bind_as_the_standard_says() {
    agree(&[
        ("1 + 2 * 3", &["7"]),
        ("(1 + 2) * 3", &["9"]),
        ("-2 + 3", &["1"]),
        ("7 div 2 + 7 mod 2", &["4"]),
        ("3 / 2", &["1.5"]),
        ("0.1 + 0.2 = 0.3", &["true"]),
        ("1 / 0", &[]),
        ("1 + {}", &[]),
        ("'a' + 'b' & {} & 'c'", &["'abc'"]),
        ("1 | 2 | 1.0", &["1", "2"]),
        ("1 = 1 or 1 = 2 and 1 = 2", &["true"]),
        ("2 in (1 | 2)", &["true"]),
        ("(1 | 2) contains 3", &["false"]),
        ("1 > 2 = false", &["true"]),
        ("true xor true", &["false"]),
        ("false implies {}", &["true"]),
    ]);
}

#[test]
fn what_is_not_known_is_neither_true_nor_false() {
    agree(&[
        ("nothing and true", &[]),
        ("nothing and false", &["false"]),
        ("nothing or true", &["true"]),
        ("nothing = 1", &[]),
        ("nothing != nothing", &[]),
        ("nothing.not()", &[]),
        ("id and true", &["true"]),
        ("@2020 = @2020-02", &[]),
        ("@2020-02 < @2020-03-01", &["true"]),
        ("effective.start = %day", &["true"]),
        ("effective.start < effective.end", &[]),
        ("effective.end > @2020-02-01", &["true"]),
        ("code.coding.code = ('1' | '2')", &["true"]),
        ("code.coding.code = '1'", &["false"]),
        ("code.coding[0] = code.coding[1]", &["false"]),
    ]);
}

#[test]
fn functions_go_through_collections() {
    agree(&[
        ("component.where(flag).value", &["3"]),
        ("component.where(value.ofType(string) = 'three').flag", &["false"]),
        ("component.select($index)", &["0", "1", "2"]),
        ("component.exists(flag)", &["true"]),
        ("component.all(value.exists())", &["true"]),
        ("component.all(flag)", &["false"]),
        ("component.count() - component.flag.count()", &["1"]),
        ("code.coding.select(system & '|' & code).join(' ')", &["'a|1 b|2'"]),
        ("code.coding.code.last()", &["'2'"]),
        ("(1 | 1 | 2).distinct().count()", &["2"]),
        ("iif(status = 'final', 'yes', 'no')", &["'yes'"]),
        ("iif(nothing, 'yes')", &[]),
        ("status.iif($this = 'x', 1, 2)", &["2"]),
        ("nothing.empty() and id.exists()", &["true"]),
        ("%name.startsWith('i') and %name.endsWith('t') and 'bit'.contains(%name)", &["true"]),
    ]);
}

#[test]
fn texts_and_numbers_are_converted() {
    agree(&[
        ("'2020-02-29'.substring(5, 2).toInteger()", &["2"]),
        ("'2020'.substring(5, 2)", &[]),
        ("'abc'.substring(1)", &["'bc'"]),
        ("'a'.upper() & 'B'.lower()", &["'Ab'"]),
        ("%rowIndex.toString() & '!'", &["'4!'"]),
        ("'1.50'.toDecimal()", &["1.50"]),
        ("'x'.toDecimal() | 'x'.toInteger()", &[]),
    ]);
}

#[test]
fn boundaries_follow_what_is_shown() {
    agree(&[
        ("value.value.lowBoundary()", &["1.45"]),
        ("1.highBoundary()", &["1.5"]),
        ("effective.lowBoundary()", &["'2020-02-01T00:00:00.000+14:00'"]),
        ("effective.highBoundary()", &["'2020-02-29T10:00:00.999+00:00'"]),
        ("@2020-02.highBoundary()", &["'2020-02-29'"]),
        ("component.value.ofType(dateTime).highBoundary()", &["'2021-12-31T23:59:59.999-12:00'"]),
        ("nothing.lowBoundary()", &[]),
    ]);
}

#[test]
fn keys_of_references_are_keys_of_resources() {
    agree(&[
        ("getResourceKey()", &["'Observation/o1'"]),
        ("subject.getReferenceKey()", &["'Patient/p1'"]),
        ("subject.getReferenceKey(Patient)", &["'Patient/p1'"]),
        ("subject.getReferenceKey('Group')", &[]),
        ("performer.getReferenceKey()", &["'Practitioner/x-1'"]),
    ]);
}

#[test]
fn faults_of_expressions_have_a_place() {
    for (text, at, expected) in [
        ("id.", 3, PathFault::Syntax("a name is wanted here")),
        ("id id", 3, PathFault::Syntax("an operator or the end is wanted here")),
        ("(id", 3, PathFault::Syntax("a ) is wanted here")),
        ("", 0, PathFault::Syntax("a value or a path is wanted here")),
        ("a.resolve()", 2, PathFault::Unsupported("resolve()".to_owned())),
        ("value > 4 'mg'", 10, PathFault::Unsupported("a quantity with a unit".to_owned())),
        ("value > 4 days", 10, PathFault::Unsupported("a quantity with a unit".to_owned())),
        ("id + %other", 5, PathFault::UnknownConstant("other".to_owned())),
        ("id.where()", 3, PathFault::Arguments { function: "where", expected: "one" }),
        ("1 + (id + true)", 8, PathFault::WrongType("arithmetic")),
        ("code.coding.code + 'x'", 17, PathFault::NotSingle("arithmetic")),
        ("code.coding[id]", 11, PathFault::WrongType("an index")),
        ("status > 1", 7, PathFault::WrongType("a comparison")),
        ("component.where(%resource.code.coding)", 31, PathFault::NotSingle("a criterion")),
        ("id.lowBoundary()", 3, PathFault::WrongType("a boundary")),
        ("9223372036854775807 + 1", 20, PathFault::Overflow),
    ] {
        assert_eq!(fault(text), (at, expected), "{text}");
    }
}

#[test]
fn hostile_expressions_end_in_errors() {
    let too_large = |text: &str| matches!(fault(text).1, PathFault::TooLarge(_));
    assert!(too_large(&format!("{}1{}", "(".repeat(2_000), ")".repeat(2_000))));
    assert!(too_large(&format!("a{}", ".a".repeat(2_000))));
    assert!(too_large(&format!("{}1", "1 + ".repeat(2_000))));
    assert!(too_large(&format!("a{}{}", "[a".repeat(2_000), "]".repeat(2_000))));
    assert!(too_large(&format!("1{}", " is x".repeat(2_000))));
    // Every level goes through all that the one below found.
    let wide = format!("component{}", ".select(%resource.component)".repeat(30));
    assert_eq!(fault(&wide).1, PathFault::TooManySteps);
    // To unite is to compare each with each.
    let many = format!("component{}", ".select(%resource.component)".repeat(4));
    assert_eq!(evaluate(&format!("{many}.count()")).unwrap(), ["243"]);
    assert_eq!(fault(&format!("{many} | id")).1, PathFault::TooManySteps);
    assert_eq!(fault(&format!("{many}.distinct()")).1, PathFault::TooManySteps);
    assert_eq!(evaluate(&format!("{}1", "-".repeat(9_000))).unwrap(), ["1"]);
    // What is just not too deep is applied.
    assert_eq!(evaluate(&format!("{}1", "1 + ".repeat(95))).unwrap(), ["96"]);
    let nested = format!("{}id{}", "id.select(".repeat(45), ")".repeat(45));
    assert_eq!(evaluate(&nested).unwrap(), [""; 0]);
}

#[test]
fn constants_have_names_of_their_own() {
    let mut constants = constants();
    assert!(!constants.add("name", "String", &json!("again")));
    assert!(!constants.add("rowIndex", "Integer", &json!(1)));
    assert!(!constants.add("other", "Quantity", &json!({"value": 1})));
}
