//! Tests of the policies.

use super::*;

#[test]
fn built_in_policies_parse_and_keep_their_text() {
    for name in Policy::BUILTIN {
        let policy = Policy::builtin(name).unwrap();
        assert_eq!(policy.name(), name);
        assert_eq!(policy.text(), Policy::builtin_text(name).unwrap());
        assert_eq!(Policy::from_text(policy.text()).unwrap(), policy);
        assert_eq!(policy.digest(), Digest::sha256(policy.text().as_bytes()));
        assert!(policy.actions().len() > 5);
    }
    assert_eq!(Policy::default(), Policy::builtin("safe-harbor").unwrap());
    assert!(matches!(Policy::builtin("safe"), Err(PolicyError::Unknown { .. })));
}

#[test]
fn built_in_policies_claim_what_they_do() {
    let safe = Policy::builtin("safe-harbor").unwrap();
    assert_eq!(safe.basis(), "45 CFR 164.514(b)(2)");
    assert_eq!(safe.dates().handling, DateHandling::Year);
    assert_eq!(safe.ages().unwrap().top_code, 90);
    assert_eq!((safe.zip(), safe.small_zip3().len()), (ZipDetail::Zip3, 17));
    let limited = Policy::builtin("limited-dataset").unwrap();
    assert_eq!((limited.zip(), limited.dates().birth), (ZipDetail::Zip5, Birth::Day));
    assert!(limited.ages().is_none());
    let shift = Policy::builtin("date-shift").unwrap();
    assert_eq!(shift.dates().shift_days_max, Some(182));
    assert_eq!(shift.basis(), "45 CFR 164.514(b)(1)");
}

#[test]
fn every_amount_has_bounds_and_every_private_table_a_row_limit() {
    let policy = Policy::default();
    for table in crate::schema::tables() {
        for column in table.columns {
            if column.role == crate::schema::Role::SensitiveNumeric {
                assert!(policy.bounds(table.name, column.name).is_some(), "{}", column.name);
            }
        }
    }
    assert_eq!(policy.rows_per_person_max("person"), 1);
    assert_eq!(policy.rows_per_person_max("visit_occurrence"), 200);
    assert_eq!(
        policy.bounds("cost", "total_cost"),
        Some(Bounds { lower: 0, upper: 10_000_000, scale: 2 })
    );
    assert_eq!(
        policy.bounds("measurement", "value_as_number"),
        Some(Bounds { lower: -100_000, upper: 1_000_000, scale: 2 })
    );
    assert_eq!(
        policy.person_total("cost", "total_paid"),
        Some(Bounds { lower: 0, upper: 2_500_000, scale: 2 })
    );
    assert_eq!(
        policy.person_total("drug_exposure", "days_supply"),
        Some(Bounds { lower: 0, upper: 2_000, scale: 0 })
    );
    assert!(policy.person_total("measurement", "value_as_number").is_none());
    assert!(policy.key_values("person", "gender_concept_id").unwrap().is_sorted());
    assert_eq!(policy.key_values("location", "state").unwrap().len(), 56);
    assert!(policy.key_values("condition_occurrence", "condition_concept_id").is_none());
}

#[test]
fn a_policy_overrides_only_what_it_says() {
    let policy = Policy::from_text(
        "name = 'x'\nbasis = 'y'\n[dates]\nhandling = 'keep'\n[geography]\nzip = 'drop'\n\
         state = false\n[tables.visit_occurrence]\nrows_per_person_max = 64\n\
         [tables.measurement.columns.value_as_number]\nlower = -0.5\nupper = 7\n\
         decimal_places = 1\n",
    )
    .unwrap();
    assert_eq!(policy.rows_per_person_max("visit_occurrence"), 64);
    assert_eq!(policy.rows_per_person_max("measurement"), 500);
    assert_eq!(
        policy.bounds("measurement", "value_as_number"),
        Some(Bounds { lower: -5, upper: 70, scale: 1 })
    );
    assert_eq!((policy.buckets(), policy.expiry_days()), (16, 365));
    assert!(!policy.keeps_text("drug_exposure", "drug_source_value"));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let good = Policy::builtin_text("safe-harbor").unwrap();
    for (from, to) in [
        ("buckets = 16", "buckets = 12"),
        ("buckets = 16", "bucket = 16"),
        ("handling = \"year\"", "handling = \"shift\""),
        ("handling = \"year\"", "handling = \"year\"\nshift_days_max = 3"),
        ("top_code = 90", "top_code = 0"),
        ("\"036\"", "\"36\""),
        ("drug_exposure.lot_number", "person.person_source_value"),
        ("drug_exposure.lot_number", "person.name"),
        ("[tables.person]", "[tables.persons]"),
        ("year_of_birth =", "birth_year ="),
        ("lower = 1900", "lower = 2100"),
        ("lower = 1900, ", ""),
        ("lower = 1900", "lower = 1900.5"),
        ("person_total_lower = 0\n", ""),
        ("domain = [0, 8507, 8521, 8532, 8551]", "domain = ['M', 'F']"),
        ("rows_per_person_max = 1\n", "rows_per_person_max = 0\n"),
    ] {
        assert!(good.contains(from), "{from}");
        assert!(Policy::from_text(&good.replacen(from, to, 1)).is_err(), "{from} -> {to}");
    }
}
