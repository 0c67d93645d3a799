//! Built-in indicators on small answers: the textbook's numbers, and none where one is missing.

use super::Outcome;
use crate::estimate::Estimate;
use crate::indicators::catalogue::Catalogue;
use crate::released::{Released, Value};
use crate::report::model::{Cell, Row};

/// The rows of an indicator's table for rows of keys and counts.
fn rows(id: &str, columns: &[&str], answer: &[(&[&str], &[f64])]) -> Vec<Row> {
    let catalogue = Catalogue::built_in().unwrap();
    let row = |(keys, counts): &(&[&str], &[f64])| {
        let keys = keys.iter().map(|key| match *key {
            "" => Value::Null,
            key => Value::Key(key.to_owned()),
        });
        let counts = counts.iter().map(|count| Value::Estimate(Estimate::exact(*count)));
        keys.chain(counts).collect()
    };
    let columns = columns.iter().map(|name| (*name).to_owned()).collect();
    let released = Released::new(columns, answer.iter().map(row).collect(), None, vec![]);
    let outcome = Outcome::of(catalogue.find(id).unwrap(), &released, 0.95).unwrap();
    outcome.table.groups.into_iter().flat_map(|group| group.rows).collect()
}

fn value(cell: &Cell) -> Option<f64> {
    cell.number().map(|number| number.value)
}

const SURVIVAL: [&str; 3] = ["half_year", "deaths", "censored"];

/// Ten half years: of 1,000 ten die and ninety leave in each.
fn followed(without: Option<usize>) -> Vec<Row> {
    let names: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let keys: Vec<[&str; 1]> = names.iter().map(|name| [name.as_str()]).collect();
    let counts = [10.0, 90.0];
    let all = keys.iter().map(|key| (&key[..], &counts[..])).enumerate();
    let kept: Vec<_> =
        all.filter(|(number, _)| Some(*number) != without).map(|(_, row)| row).collect();
    rows("diabetes-survival", &SURVIVAL, &kept)
}

#[test]
fn survival_needs_every_interval_and_leaves_the_open_one_out() {
    let whole = followed(None);
    assert_eq!(whole.len(), 9);
    assert_eq!(value(&whole[0].cells[0]), Some(1000.0));
    assert!((value(&whole[0].cells[1]).unwrap() - 0.99).abs() < 1e-12);
    let second = 0.99 * (1.0 - 10.0 / 900.0);
    assert!((value(&whole[1].cells[1]).unwrap() - second).abs() < 1e-12);
    for missing in [0, 4, 9] {
        let none = followed(Some(missing));
        assert_eq!(none.len(), 1, "{missing}");
        assert_eq!(none[0].label, "not all intervals are shown");
    }
}

/// Two age bands with rates of 1 and 2 per cent, in the bands of the indicator.
#[test]
fn a_missing_age_band_is_not_stood_for_by_its_neighbours() {
    let columns = ["sex", "age", "cases", "persons"];
    let ages = ["20", "30", "40", "50", "60", "70", "80"];
    let keys: Vec<[&str; 2]> = ages.iter().map(|age| ["8507", age]).collect();
    let counts = [20.0, 1000.0];
    let mut answer: Vec<(&[&str], &[f64])> =
        keys.iter().map(|key| (&key[..], &counts[..])).collect();
    // Who has no age is in no band, and spoils none.
    answer.push((&["8507", ""], &[999.0, 1000.0]));
    let whole = rows("hypertension-prevalence", &columns, &answer);
    assert_eq!(whole[0].label, "men");
    assert_eq!(value(&whole[0].cells[0]), Some(140.0));
    assert!((value(&whole[0].cells[3]).unwrap() - 0.02).abs() < 1e-12);
    answer.remove(6);
    let without = rows("hypertension-prevalence", &columns, &answer);
    assert!(without[0].cells.iter().all(|cell| matches!(cell, Cell::Suppressed { .. })));
}

#[test]
fn all_others_are_not_known_if_one_of_them_is_not_shown() {
    let columns = ["drug", "bled", "persons"];
    let mut answer: Vec<(&[&str], &[f64])> = vec![
        (&["1118084"], &[30.0, 1000.0]),
        (&["1124300"], &[5.0, 1000.0]),
        (&["1177480"], &[5.0, 1000.0]),
    ];
    let whole = rows("bleeding-disproportionality", &columns, &answer);
    // 30 of 1,000 against 10 of 2,000.
    assert!((value(&whole[0].cells[2]).unwrap() - 6.0).abs() < 1e-12);
    let odds = 30.0 * 1990.0 / (970.0 * 10.0);
    assert!((value(&whole[0].cells[3]).unwrap() - odds).abs() < 1e-12);
    assert_eq!(whole[0].cells[4], Cell::text("signal"));
    answer.push((&["1"], &[]));
    let holes = rows("bleeding-disproportionality", &columns, &answer);
    assert!(holes.iter().all(|row| row.cells[4] == Cell::text("not told")));
}

/// Deaths that rise by four a year in each quarter: the fifth year is as expected, and ten more.
#[test]
fn spans_of_a_year_are_compared_with_the_same_spans_of_earlier_years() {
    let start = chrono::NaiveDate::from_ymd_opt(2018, 12, 31).unwrap();
    let days: Vec<String> =
        (0..20u64).map(|place| (start + chrono::Days::new(91 * place)).to_string()).collect();
    let keys: Vec<[&str; 1]> = days.iter().map(|day| [day.as_str()]).collect();
    let counts: Vec<[f64; 1]> = (0..20)
        .map(|place| {
            let (year, quarter) = (f64::from(place / 4), f64::from(place % 4));
            [100.0 + 4.0 * year + 7.0 * quarter + if place >= 16 { 10.0 } else { 0.0 }]
        })
        .collect();
    let answer: Vec<(&[&str], &[f64])> =
        keys.iter().zip(&counts).map(|(key, count)| (&key[..], &count[..])).collect();
    let rows = rows("excess-deaths", &["span", "deaths"], &answer);
    assert_eq!(rows.len(), 4);
    for (quarter, row) in (0..4).zip(&rows) {
        let expected = 116.0 + 7.0 * f64::from(quarter);
        assert!((value(&row.cells[1]).unwrap() - expected).abs() < 1e-9, "{row:?}");
        assert!((value(&row.cells[2]).unwrap() - 10.0).abs() < 1e-9, "{row:?}");
    }
}
