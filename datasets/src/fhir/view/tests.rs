//! Tests of views beyond the conformance suite: what is refused, and what is bounded.

use serde_json::{Value, json};

use super::*;

fn shape_of(view: &Value) -> (String, &'static str) {
    match View::from_json(view).unwrap_err() {
        ViewError::Shape { place, rule } => (place, rule),
        other => panic!("{other:?}"),
    }
}

fn patient() -> Value {
    let names: Vec<Value> = (0..400).map(|_| json!({"given": ["a", "b"]})).collect();
    json!({"resourceType": "Patient", "id": "p1", "name": names})
}

#[test]
fn faults_of_views_have_a_place() {
    let column = json!({"name": "id", "path": "id"});
    for (view, place) in [
        (json!({"select": [{"column": [column]}]}), "resource"),
        (json!({"resource": "Patient"}), "select"),
        (json!({"resource": "Patient", "select": [{"column": [column, column]}]}), "select"),
        (
            json!({"resource": "Patient", "select": [{"column": [{"name": "1", "path": "id"}]}]}),
            "select[0].column[0]",
        ),
        (
            json!({"resource": "Patient",
                "select": [{"forEach": "a", "repeat": ["b"], "column": [column]}]}),
            "select[0]",
        ),
        (
            json!({"resource": "Patient", "select": [{"unionAll": [
                {"column": [column]}, {"column": [{"name": "other", "path": "id"}]}]}]}),
            "select[0].unionAll[1]",
        ),
        (
            json!({"resource": "Patient", "constant": [{"name": "a"}],
                "select": [{"column": [column]}]}),
            "constant[0]",
        ),
        (
            json!({"resource": "Patient",
                "constant": [{"name": "rowIndex", "valueInteger": 1}],
                "select": [{"column": [column]}]}),
            "constant[0]",
        ),
    ] {
        assert_eq!(shape_of(&view).0, place, "{view}");
    }
}

#[test]
fn a_wrong_expression_is_shown_with_its_place() {
    let view = json!({"resource": "Patient",
        "select": [{"column": [{"name": "a", "path": "id"}]},
                   {"select": [{"column": [{"name": "b", "path": "id.."}]}]}]});
    let error = View::from_json(&view).unwrap_err().to_string();
    assert_eq!(error, "select[1].select[0].column[0]: id..");
    let ViewError::Expression { source, .. } = View::from_json(&view).unwrap_err() else {
        panic!("an expression is wrong");
    };
    assert_eq!(source.to_string(), "at byte 3: a name is wanted here");
}

#[test]
fn a_view_that_multiplies_rows_is_stopped() {
    let block =
        |name: &str| json!({"forEach": "name.given", "column": [{"name": name, "path": "$this"}]});
    let view = json!({"resource": "Patient", "select": [block("a"), block("b")]});
    let view = View::from_json(&view).unwrap();
    // 800 by 800 names.
    assert!(matches!(view.rows(&patient()), Err(ViewError::TooManyRows { .. })));
}

#[test]
fn a_repetition_without_end_is_stopped() {
    let view = json!({"resource": "Patient", "select": [
        {"repeat": ["$this"], "column": [{"name": "a", "path": "id"}]}]});
    let view = View::from_json(&view).unwrap();
    assert!(matches!(view.rows(&patient()), Err(ViewError::TooDeep { .. })));
    let twice = json!({"resource": "Patient", "select": [
        {"repeat": ["$this", "$this"], "column": [{"name": "a", "path": "id"}]}]});
    let twice = View::from_json(&twice).unwrap();
    assert!(matches!(twice.rows(&patient()), Err(ViewError::TooDeep { .. })));
    let wide = json!({"resource": "Patient", "select": [
        {"repeat": ["name | %resource"], "column": [{"name": "a", "path": "id"}]}]});
    let wide = View::from_json(&wide).unwrap();
    assert!(wide.rows(&patient()).is_err());
}

#[test]
fn a_view_nested_without_reason_is_refused() {
    let mut select = json!({"column": [{"name": "a", "path": "id"}]});
    for _ in 0..60 {
        select = json!({"select": [select]});
    }
    let view = json!({"resource": "Patient", "select": [select]});
    assert_eq!(shape_of(&view).1, "a view is not as deep as this");
}

#[test]
fn columns_hold_primitive_values() {
    let view = json!({"resource": "Patient", "select": [
        {"column": [{"name": "a", "path": "name.first()"}]}]});
    let view = View::from_json(&view).unwrap();
    assert!(matches!(view.rows(&patient()), Err(ViewError::NotPrimitive { .. })));
}
