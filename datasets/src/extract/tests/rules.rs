//! What policies promise, rule by rule.

use super::{PERSONS, Stored, VISITS, Workshop, changed, dropped, table_of, told};
use crate::policy::Policy;

const LOCATIONS: &str = "location_id,address_1,city,state,zip,county,latitude,longitude\n\
    10,1 Elm St,Somerville,MA,02155,Middlesex,42.3,-71.1\n\
    11,2 Elm St,Nowhere,New Hampshire,03601,Grafton,43.1,-72.1\n\
    12,3 Elm St,Nobody,VT,05001,Windsor,43.6,-72.3\n";

const DEVICES: &str = "device_exposure_id,person_id,device_concept_id,\
    device_exposure_start_date,unique_device_id,production_id\n\
    1,1,4,2020-01-01,(01)13465995954590(11)760704(10)84777(21)488266988,488266988\n";

const DRUGS: &str = "drug_exposure_id,person_id,drug_concept_id,drug_exposure_start_date,\
    drug_exposure_end_date,drug_type_concept_id,quantity,days_supply,lot_number,\
    drug_source_value,sig\n\
    1,1,1118084,2020-01-01,2020-01-02,32817,30,9000,LOT-7,0002-8215-01,take one\n\
    2,1,1118084,2020-01-01,2020-01-02,32817,NaN,30,see note,for Jane Smith,take two\n";

#[test]
fn safe_harbor_shows_years_only_and_groups_the_oldest() {
    let shop = Workshop::new();
    let files = [("person.csv", PERSONS), ("visit_occurrence.csv", VISITS)];
    let built = shop.built("a", &files, &Policy::default());
    let persons = Stored::read(&built, "person");
    // Aged 46 and 95 in 2026.
    assert_eq!(persons.sorted("year_of_birth"), ["1936", "1980"]);
    for gone in ["month_of_birth", "day_of_birth", "person_source_value", "birth_datetime"] {
        assert!(table_of(&built, "person").column(gone).is_none(), "{gone}");
    }
    let visits = Stored::read(&built, "visit_occurrence");
    assert_eq!(visits.sorted("visit_start_date"), ["1936-01-01", "2020-01-01", "2021-01-01"]);
    assert_eq!(visits.sorted("visit_end_date"), ["2020-01-01", "2021-01-01", "2021-01-01"]);
    let column = table_of(&built, "visit_occurrence").column("visit_start_date").unwrap();
    assert_eq!(column.generalised.as_deref(), Some("dates to the year"));
}

#[test]
fn an_age_of_89_is_shown_and_one_of_90_is_grouped() {
    let shop = Workshop::new();
    let person = |year: u32| {
        format!(
            "person_id,gender_concept_id,year_of_birth,race_concept_id,ethnicity_concept_id\n\
             1,8507,{year},0,0\n"
        )
    };
    for (year, shown) in [(1937, "1937"), (1936, "1936"), (1935, "1936"), (1890, "1936")] {
        let name = format!("born-{year}");
        let built = shop.built(&name, &[("person.csv", &person(year))], &Policy::default());
        assert_eq!(Stored::read(&built, "person").sorted("year_of_birth"), [shown]);
    }
}

#[test]
fn ages_that_are_measured_are_capped() {
    let shop = Workshop::new();
    let rows = "measurement_id,person_id,measurement_concept_id,measurement_date,value_as_number\n\
        1,2,3022304,2020-01-01,95\n2,2,3004249,2020-01-01,195\n3,1,3022304,2020-01-01,40\n";
    let files = [("person.csv", PERSONS), ("measurement.csv", rows)];
    let built = shop.built("a", &files, &Policy::default());
    let values = Stored::read(&built, "measurement");
    assert_eq!(values.sorted("value_as_number"), ["195.0", "40.0", "90.0"]);
}

#[test]
fn places_become_coarse_and_belong_to_persons() {
    let shop = Workshop::new();
    let files = [("person.csv", PERSONS), ("location.csv", LOCATIONS)];
    let built = shop.built("a", &files, &Policy::default());
    let places = Stored::read(&built, "location");
    assert_eq!(places.sorted("zip"), ["000", "021"]);
    assert_eq!(places.sorted("state"), ["MA", "NH"]);
    for gone in ["county", "latitude", "longitude", "address_1", "city"] {
        assert!(table_of(&built, "location").column(gone).is_none(), "{gone}");
    }
    let persons = Stored::read(&built, "person");
    assert_eq!(persons.by("person_id", "location_id"), places.by("person_id", "location_id"));
    assert_eq!((told(&built, "location"), dropped(&built, "location")), ((3, 2), 1));
    let limited = Policy::builtin("limited-dataset").unwrap();
    let built = shop.built("b", &files, &limited);
    assert_eq!(Stored::read(&built, "location").sorted("zip"), ["02155", "03601"]);
    assert!(table_of(&built, "location").column("county").is_none());
}

#[test]
fn persons_of_one_household_do_not_share_a_location_number() {
    let shop = Workshop::new();
    let persons = PERSONS.replace(",11,", ",10,");
    let files = [("person.csv", persons.as_str()), ("location.csv", LOCATIONS)];
    let built = shop.built("a", &files, &Policy::default());
    let places = Stored::read(&built, "location");
    let mut numbers = places.sorted("location_id");
    numbers.dedup();
    assert_eq!((places.rows.len(), numbers.len()), (2, 2));
}

#[test]
fn devices_lose_their_serial_numbers_and_text_its_meaning() {
    let shop = Workshop::new();
    let files =
        [("person.csv", PERSONS), ("device_exposure.csv", DEVICES), ("drug_exposure.csv", DRUGS)];
    let built = shop.built("a", &files, &Policy::default());
    let devices = Stored::read(&built, "device_exposure");
    assert_eq!(devices.sorted("unique_device_id"), ["(01)13465995954590(10)84777"]);
    assert_eq!(devices.sorted("production_id"), [""]);
    let drugs = Stored::read(&built, "drug_exposure");
    assert_eq!(drugs.sorted("lot_number"), ["", "LOT-7"]);
    assert_eq!(drugs.sorted("drug_source_value"), ["", "0002-8215-01"]);
    assert_eq!(drugs.sorted("quantity"), ["", "30.0"]);
    // 9,000 days are clamped to the declared 400.
    assert_eq!(drugs.sorted("days_supply"), ["30", "400"]);
    assert_eq!(changed(&built, "drug_exposure", "days_supply"), 1);
    let report = built.report.tables.iter().find(|table| table.table == "drug_exposure").unwrap();
    assert_eq!(report.unknown_columns, ["sig"]);
}

#[test]
fn values_outside_declared_keys_become_zero() {
    let shop = Workshop::new();
    let persons = PERSONS.replace("8507", "44814653");
    let visits = VISITS.replace(",9201,", ",,");
    let files = [("person.csv", persons.as_str()), ("visit_occurrence.csv", visits.as_str())];
    let built = shop.built("a", &files, &Policy::default());
    assert_eq!(Stored::read(&built, "person").sorted("gender_concept_id"), ["0", "8532"]);
    let visits = Stored::read(&built, "visit_occurrence");
    assert_eq!(visits.sorted("visit_concept_id"), ["0", "9202", "9202"]);
    assert!(!table_of(&built, "person").column("gender_concept_id").unwrap().nullable);
}

#[test]
fn a_limited_data_set_keeps_dates_and_births() {
    let shop = Workshop::new();
    let files = [("person.csv", PERSONS), ("visit_occurrence.csv", VISITS)];
    let built = shop.built("a", &files, &Policy::builtin("limited-dataset").unwrap());
    let persons = Stored::read(&built, "person");
    assert_eq!(persons.sorted("year_of_birth"), ["1931", "1980"]);
    assert_eq!(persons.sorted("month_of_birth"), ["5", "6"]);
    let visits = Stored::read(&built, "visit_occurrence");
    assert_eq!(visits.sorted("visit_start_date"), ["1930-01-02", "2020-03-04", "2021-12-31"]);
}

#[test]
fn a_date_shift_is_constant_per_person_and_keeps_intervals() {
    let shop = Workshop::new();
    let mut persons = PERSONS.lines().next().unwrap().to_owned();
    let mut visits = VISITS.lines().next().unwrap().to_owned();
    for person in 1..=40 {
        persons.push_str(&format!("\n{person},8507,1980,1,0,0,,"));
        visits.push_str(&format!("\n{person}1,{person},9201,2020-03-04,2020-03-10,,"));
        visits.push_str(&format!("\n{person}2,{person},9201,2021-03-04,2021-03-04,,"));
    }
    let files = [("person.csv", persons.as_str()), ("visit_occurrence.csv", visits.as_str())];
    let built = shop.built("a", &files, &Policy::builtin("date-shift").unwrap());
    let day = |text: &str| text.parse::<chrono::NaiveDate>().unwrap().to_epoch_days();
    let mut shifts = std::collections::BTreeMap::<String, Vec<i32>>::new();
    for row in Stored::read(&built, "visit_occurrence").rows {
        let (start, stop) = (day(&row["visit_start_date"]), day(&row["visit_end_date"]));
        assert!([0, 6].contains(&(stop - start)));
        let first = day(if stop > start { "2020-03-04" } else { "2021-03-04" });
        shifts.entry(row["person_id"].clone()).or_default().push(start - first);
    }
    assert_eq!(shifts.len(), 40);
    for shift in shifts.values() {
        assert_eq!(shift.len(), 2);
        assert_eq!(shift[0], shift[1]);
        assert!((1..=182).contains(&shift[0].abs()));
    }
    let distinct: std::collections::BTreeSet<_> = shifts.values().collect();
    assert!(distinct.len() > 20, "{} of 40 shifts differ", distinct.len());
    // The other site shifts the same person by as much.
    let from = shop.source("a", &[]);
    let mut request = shop.request(&from, "south", &Policy::builtin("date-shift").unwrap());
    request.site = "south".to_owned();
    let south = shop.run(&request).unwrap();
    let ends = |stored: Stored| -> std::collections::BTreeSet<(String, String)> {
        let end = |row: &std::collections::BTreeMap<String, String>| {
            (row["person_id"].clone(), row["visit_end_date"].clone())
        };
        stored.rows.iter().map(end).collect()
    };
    let here = ends(Stored::read(&built, "visit_occurrence"));
    assert_eq!(here.len(), 80);
    assert_eq!(here, ends(Stored::read(&south, "visit_occurrence")));
}
