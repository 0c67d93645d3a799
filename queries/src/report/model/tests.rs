//! What holds for documents as values.

use super::{Cell, Number, Part};
use crate::estimate::Estimate;
use crate::report::sample::{document, number};
use std::sync::Arc;

#[test]
fn parts_are_in_the_order_of_strobe() {
    let ids: Vec<String> = Part::ALL.iter().map(|part| part.section().id).collect();
    let expected = [
        "summary",
        "data",
        "methods",
        "flow",
        "characteristics",
        "results",
        "limitations",
        "verification",
    ];
    assert_eq!(ids, expected);
    assert!(Part::ALL.is_sorted());
}

#[test]
fn a_number_keeps_noise_and_receipts_of_its_estimate() {
    let estimate = Estimate::released(12.0, 6.25, &Arc::from("r1"));
    let number = Number::from(&estimate);
    assert_eq!((number.value, number.noise_sd, number.interval), (12.0, 2.5, None));
    assert_eq!(number.receipts.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["r1"]);
}

#[test]
fn json_is_everything_and_knows_no_infinity() {
    let cell = Cell::Number(number(f64::NAN, 0.5, f64::INFINITY, 1.5));
    let json = serde_json::to_string(&cell).unwrap();
    let expected = "{\"kind\":\"number\",\"value\":null,\"interval\":{\"lower\":0.5,\
                    \"upper\":null},\"noise_sd\":1.5,\"receipts\":[\"q-2026-0412\"]}";
    assert_eq!(json, expected);
    let json = serde_json::to_value(document()).unwrap();
    assert_eq!(json["made_on"], "2026-11-23");
    assert_eq!(json["sections"][0]["blocks"][0]["kind"], "paragraph");
    assert_eq!(json["sections"][5]["subsections"][0]["blocks"][1]["plot"]["kind"], "rates");
}
