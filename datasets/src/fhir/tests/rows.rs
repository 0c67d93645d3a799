//! What rows the tables have, column by column. Expected values are by hand.

use super::*;
use crate::schema;
use ledger_adapter::manifest::ColumnKind;

fn shop() -> (Workshop, Report) {
    let shop = Workshop::new();
    let report = shop.convert("out").unwrap();
    (shop, report)
}

#[test]
fn every_table_is_as_the_schema_wants_it() {
    let (shop, report) = shop();
    for table in report.tables.keys() {
        let path = shop.path("out").join(format!("{table}.csv"));
        let header = csv::Reader::from_path(path).unwrap().headers().unwrap().clone();
        let columns = schema::table(table).unwrap().columns;
        assert!(header.iter().zip(columns).all(|(own, column)| own == column.name), "{table}");
        let rows = shop.rows("out", table);
        assert_eq!(rows.len() as u64, report.tables[table].rows, "{table}");
        for (row, column) in rows.iter().flat_map(|row| columns.iter().map(move |c| (row, c))) {
            let field = row[column.name].as_str();
            let fits = match column.kind {
                _ if field.is_empty() => !column.required,
                ColumnKind::Integer => field.parse::<i64>().is_ok(),
                ColumnKind::Float => field.parse::<f64>().is_ok(),
                ColumnKind::Date => NaiveDate::parse_from_str(field, "%Y-%m-%d").is_ok(),
                ColumnKind::Text => true,
            };
            assert!(fits, "{table}.{}: {field}", column.name);
        }
    }
}

#[test]
fn persons_have_what_the_patient_says() {
    let (shop, _) = shop();
    let columns = [
        "person_source_value",
        "gender_concept_id",
        "year_of_birth",
        "month_of_birth",
        "day_of_birth",
        "race_concept_id",
        "ethnicity_concept_id",
    ];
    assert_eq!(
        shop.shown("person", &columns),
        ["p1|8532|1970|6|5|8527|38003564", "p2|8507|1931|11||0|0", "p4|8521|2001|||0|0"]
    );
    assert_eq!(
        shop.shown("location", &["state", "zip", "county", "latitude", "longitude"]),
        ["MA|02134|Suffolk|42.35|-71"]
    );
    let p1 = shop.rows("out", "person").remove(0);
    assert_eq!(p1["person_id"], shop.number("Patient/p1"));
    assert_eq!(p1["location_id"], shop.rows("out", "location")[0]["location_id"]);
    assert_eq!(p1["care_site_id"], shop.rows("out", "care_site")[0]["care_site_id"]);
    let dead = shop.number("Patient/p2");
    let death = shop.shown("death", &["person_id", "death_date", "death_type_concept_id"]);
    assert_eq!(death, [format!("{dead}|2020-07-03|32817")]);
}

#[test]
fn visits_are_of_either_version() {
    let (shop, _) = shop();
    let columns = ["visit_start_date", "visit_end_date", "visit_concept_id"];
    assert_eq!(
        shop.shown("visit_occurrence", &columns),
        ["2020-01-10|2020-01-14|9201", "2020-07-02|2020-07-02|9203", "2021-03-01|2021-03-01|5083"]
    );
    let first = shop.rows("out", "visit_occurrence").remove(0);
    assert_eq!(first["visit_occurrence_id"], shop.number("Encounter/e1"));
    assert_eq!(first["provider_id"], shop.number("Practitioner/d1"));
    assert_eq!(first["discharged_to_concept_id"], "0");
}

#[test]
fn conditions_keep_code_and_vocabulary() {
    let (shop, _) = shop();
    let columns = [
        "condition_source_value",
        "condition_source_vocabulary_id",
        "condition_concept_id",
        "condition_start_date",
        "condition_end_date",
        "condition_type_concept_id",
    ];
    assert_eq!(
        shop.shown("condition_occurrence", &columns),
        ["E11.9|ICD10CM|0|2015-03-01|2016-12-31|32840", "K-7|urn:house|0|2019-05-06||32817"]
    );
    // The server's own address before an identifier does not make another patient.
    let rows = shop.rows("out", "condition_occurrence");
    assert_eq!(rows[1]["person_id"], shop.number("Patient/p2"));
    assert_eq!(rows[0]["visit_occurrence_id"], shop.number("Encounter/e1"));
}

#[test]
fn drugs_are_found_wherever_they_are() {
    let (shop, _) = shop();
    let columns = [
        "drug_type_concept_id",
        "drug_source_value",
        "drug_source_vocabulary_id",
        "lot_number",
        "drug_exposure_start_date",
        "drug_exposure_end_date",
        "quantity",
        "days_supply",
    ];
    assert_eq!(
        shop.shown("drug_exposure", &columns),
        [
            "32818|03|CVX||2003-01-01|2003-01-01||",
            "32818|208|CVX|EL9261|2021-03-01|2021-03-01|0.3|",
            "32818|860975|RxNorm|LOT-77|2020-01-12|2020-01-13|2|",
            "32825|0002-8215-01|NDC|A1234|2021-03-01|2021-03-15|30.5|15",
            "32838|860975|RxNorm|LOT-77|2019-01-01|2019-01-01||",
            "32838|860975|RxNorm|LOT-77|2022-02-02|2022-02-02||",
            "32838|860975|RxNorm||2020-01-14|2020-02-12|60|30",
        ]
    );
}

#[test]
fn observations_go_where_their_values_belong() {
    let (shop, _) = shop();
    let columns = [
        "measurement_source_value",
        "value_as_number",
        "operator_concept_id",
        "unit_source_value",
        "range_low",
        "range_high",
        "value_source_value",
        "measurement_date",
    ];
    assert_eq!(
        shop.shown("measurement", &columns),
        [
            "4548-4|7.2|4171755|%|4|5.6||2020-01-11",
            "8462-4|82||mm[Hg]||||2020-01-11",
            "8480-6|128||mm[Hg]||||2020-01-11",
            "8867-4|71||||||2020-01-12",
            "94500-6||||||260373001|2020-07-02",
        ]
    );
    let columns =
        ["observation_source_value", "value_as_number", "value_as_string", "observation_date"];
    assert_eq!(
        shop.shown("observation", &columns),
        ["1||false|2020-01-12", "44261-6|6||2021-03-01", "72166-2||8517006|2020-01-11"]
    );
}

#[test]
fn devices_are_dated_by_their_use() {
    let (shop, report) = shop();
    let columns = [
        "device_exposure_start_date",
        "device_exposure_end_date",
        "unique_device_id",
        "production_id",
    ];
    assert_eq!(
        shop.shown("device_exposure", &columns),
        [
            "2017-04-05|||",
            "2018-05-01|2018-06-30|(01)13465995954590(10)S-2|(10)S-2",
            "2020-01-13||(01)13465995954590(17)250101(10)S-1(21)488266988|(10)S-1(21)488266988",
        ]
    );
    assert_eq!(report.changes["devices dated by their making"], 1);
    // The second does not name its patient; the statement about its use does.
    let rows = shop.rows("out", "device_exposure");
    assert_eq!(rows[1]["person_id"], shop.number("Patient/p2"));
    assert_eq!(rows[0]["visit_occurrence_id"], shop.number("Encounter/e1"));
    let procedures =
        shop.shown("procedure_occurrence", &["procedure_source_value", "procedure_date"]);
    assert_eq!(procedures, ["415070008|2020-01-13"]);
}

#[test]
fn costs_count_once() {
    let (shop, _) = shop();
    let columns = [
        "cost_domain_id",
        "total_charge",
        "amount_allowed",
        "paid_by_payer",
        "paid_by_patient",
        "paid_patient_copay",
        "paid_patient_coinsurance",
        "paid_patient_deductible",
    ];
    assert_eq!(
        shop.shown("cost", &columns),
        ["Drug|40||||||", "Visit|1200.5|1000|800|200|50|100|50"]
    );
    let rows = shop.rows("out", "cost");
    assert_eq!(rows[0]["cost_event_id"], shop.number("Encounter/e1"));
    assert_eq!(rows[1]["cost_event_id"], shop.number("MedicationRequest/r1"));
    let plans = shop.shown(
        "payer_plan_period",
        &["payer_plan_period_start_date", "payer_plan_period_end_date"],
    );
    assert_eq!(plans, ["2019-01-01|2020-12-31", "2021-01-01|2022-06-30"]);
    assert_eq!(rows[0]["payer_plan_period_id"], shop.number("Coverage/k1"));
}

#[test]
fn periods_go_from_the_first_record_to_the_last() {
    let (shop, _) = shop();
    let mut expected = [
        // From the visit, and not from the onset five years before, to the vaccination.
        ("p1", "2020-01-10|2021-03-01"),
        // From the use of the device to the visit.
        ("p2", "2018-05-01|2020-07-02"),
        // From the prescription to the day on which an old vaccination was recorded.
        ("p4", "2022-02-02|2022-03-04"),
    ]
    .map(|(id, days)| format!("{}|{days}", shop.number(&format!("Patient/{id}"))));
    expected.sort();
    let columns = ["person_id", "observation_period_start_date", "observation_period_end_date"];
    assert_eq!(shop.shown("observation_period", &columns), expected);
}

#[test]
fn what_is_left_out_is_counted_with_its_reason() {
    let (_, report) = shop();
    let left_out: Vec<String> = report
        .tables
        .iter()
        .flat_map(|(table, counts)| {
            counts.left_out.iter().map(move |(why, rows)| format!("{table}: {rows} {why}"))
        })
        .collect();
    assert_eq!(
        left_out,
        [
            "condition_occurrence: 1 after the day of the export",
            "condition_occurrence: 1 does not fit the view",
            "condition_occurrence: 1 no date",
            "cost: 1 claim with an explanation of benefit",
            "cost: 1 no encounter or prescription",
            "death: 1 no date",
            "device_exposure: 1 no date",
            "device_exposure: 1 no patient",
            "payer_plan_period: 1 no date",
            "person: 1 no year of birth",
            "visit_occurrence: 1 no patient",
            "visit_occurrence: 1 patient not in the person table",
        ]
    );
    let patients = &report.resources["Patient"];
    assert_eq!((patients.read, patients.repeated, patients.without_rows), (5, 1, 0));
    assert_eq!(report.resources["Observation"].without_rows, 1);
    assert_eq!(report.codes["LOINC"], super::super::report::CodeCounts { mapped: 0, unmapped: 8 });
    assert_eq!(report.types_left_out["AllergyIntolerance"], ["allergies.ndjson"]);
    assert!(report.misfits[0].starts_with("Condition.ndjson, line 6: select[0].column[3]"));
    assert!(!report.to_string().contains("soon"), "{report}");
    assert!(report.to_string().contains("drug_exposure: 7 rows\n"), "{report}");
}

#[test]
fn codes_become_concepts_where_there_is_a_vocabulary() {
    let mut shop = Workshop::new();
    let vocabulary = shop.path("vocabulary");
    fs::create_dir(&vocabulary).unwrap();
    fs::write(
        vocabulary.join("Concept_Ancestor.csv"),
        "ancestor_concept_id,descendant_concept_id,min_levels_of_separation,\
         max_levels_of_separation\n201826,201826,0,0\n",
    )
    .unwrap();
    fs::write(
        vocabulary.join("CONCEPT.csv"),
        "concept_id\tvocabulary_id\tconcept_code\tstandard_concept\n\
         201826\tSNOMED\t44054006\tS\n35206882\tICD10CM\tE11.9\t\n8554\tUCUM\t%\tS\n\
         3004410\tLOINC\t4548-4\tS\n9191\tSNOMED\t260373001\tS\n40213154\tCVX\t208\tS\n",
    )
    .unwrap();
    shop.options.vocabulary = Some(vocabulary);
    let report = shop.convert("out").unwrap();
    let columns = ["condition_concept_id", "condition_source_value", "condition_source_concept_id"];
    // Of the two codes of a condition, the second has a standard concept: nothing says what the
    // first maps to.
    assert_eq!(shop.shown("condition_occurrence", &columns), ["0|K-7|0", "201826|44054006|201826"]);
    let columns = ["measurement_concept_id", "unit_concept_id", "value_as_concept_id"];
    assert_eq!(
        shop.shown("measurement", &columns),
        ["0|0|", "0|0|", "0||", "0||9191", "3004410|8554|"]
    );
    assert_eq!(report.codes["UCUM"].mapped, 1);
    assert_eq!(report.codes["UCUM"].unmapped, 2);
    // A table that lacks columns is good enough to map by, and not to be handed on.
    assert_eq!(report.vocabulary, ["concept_ancestor"]);
    let ancestors = shop.rows("out", "concept_ancestor");
    assert_eq!(ancestors[0]["descendant_concept_id"], "201826");
    assert!(!shop.path("out").join("concept.csv").exists());
}
