//! Exploration.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Int64Array, StringArray};
use ledger_adapter::manifest::ColumnKind;

use crate::privacy::relation::ContributionBounds;
use crate::tests::fixture::{Exact, Person, Table, Visit, clinic, column, exact, world};

fn persons() -> Vec<Person> {
    let visit = |region, code, cost, days, date| Visit { region, code, cost, days, date };
    vec![
        Person {
            id: 1,
            sex: Some("F"),
            born: Some(1950),
            visits: (0..12)
                .map(|i| visit(Some("N"), Some(i), Some(3.5 + i as f64), Some(i), Some(18_262 + i as i32)))
                .collect(),
        },
        Person {
            id: 8,
            sex: None,
            born: None,
            visits: vec![
                visit(None, None, None, None, None),
                visit(Some("S"), Some(i64::MIN), Some(f64::NAN), Some(i64::MIN), Some(i32::MIN)),
                visit(Some("elsewhere"), Some(i64::MAX), Some(-4e300), Some(i64::MAX), Some(i32::MAX)),
            ],
        },
        Person {
            id: 15,
            sex: Some("M"),
            born: Some(9999),
            visits: vec![
                visit(Some("("), Some(3), Some(0.0), Some(30), Some(66_108)),
                visit(Some("+262142-12-31"), Some(2), Some(-0.0), Some(-5), Some(-43_829)),
                visit(Some("W"), Some(2), Some(1e9), Some(1), Some(0)),
            ],
        },
        Person { id: 22, sex: Some("M"), born: Some(1985), visits: vec![] },
        Person {
            id: 29,
            sex: Some("F"),
            born: Some(2010),
            visits: vec![
                visit(Some("N"), Some(1), Some(10.0), Some(7), Some(18_500)),
                visit(Some("S"), Some(2), Some(20.0), Some(0), Some(18_501)),
                visit(Some("W"), Some(3), Some(30.0), Some(2), Some(18_502)),
            ],
        },
    ]
}

fn compare(all: &[Exact], fewer: &[Exact]) -> Result<u64, String> {
    let mut moved = 0;
    for (a, b) in all.iter().zip(fewer) {
        for (column, declared) in a.sensitivities.iter().enumerate() {
            let mut cells = 0;
            for key in a.cells.keys().chain(b.cells.keys().filter(|k| !a.cells.contains_key(*k))) {
                let value = |e: &Exact| e.cells.get(key).map_or(0, |cell| cell[column]);
                let by = value(a).abs_diff(value(b));
                if by > u128::from(*declared) {
                    return Err(format!("column {column}: {by} > {declared} at {key}"));
                }
                cells += u64::from(by > 0);
            }
            if cells > a.groups_max {
                return Err(format!("column {column}: {cells} groups > {}", a.groups_max));
            }
            moved += cells;
        }
    }
    Ok(moved)
}

#[test]
fn explore() {
    let persons = persons();
    let tables = clinic(&persons);
    let with = world(&[tables.clone()], 2);
    let without: Vec<_> = persons
        .iter()
        .map(|p| world(&[tables.iter().map(|t| t.without(p.id)).collect()], 2))
        .collect();
    let text = std::fs::read_to_string("/tmp/attack7.sql").unwrap();
    std::panic::set_hook(Box::new(|_| {}));
    for sql in text.split(";\n").map(str::trim).filter(|s| !s.is_empty()) {
        let bounds = ContributionBounds::default();
        let ask = |w| {
            let done = catch_unwind(AssertUnwindSafe(|| exact(w, sql, bounds, 2)));
            match done {
                Ok(Ok(e)) => Ok(e),
                Ok(Err(e)) => Err(format!("refused {e}")),
                Err(p) => Err(format!(
                    "FAILS {}",
                    p.downcast_ref::<String>().cloned().unwrap_or_default().chars().take(300).collect::<String>()
                )),
            }
        };
        let shown: String = sql.chars().take(400).collect();
        println!("--- {shown}");
        let all = ask(&with);
        if let Err(e) = &all && e.starts_with("refused") {
            println!("    {e}");
            continue;
        }
        match &all {
            Ok(a) => println!(
                "    ADMITTED {:?}",
                a.iter().map(|e| (&e.cells, &e.sensitivities, e.groups_max)).collect::<Vec<_>>()
            ),
            Err(e) => println!("    {e}"),
        }
        for (p, w) in persons.iter().zip(&without) {
            match (&all, ask(w)) {
                (Ok(a), Ok(b)) => {
                    if let Err(e) = compare(a, &b) {
                        println!("    !!!! VIOLATION minus {}: {e}", p.id);
                    }
                }
                (Ok(_), Err(e)) => println!("    !!!! only without {}: {e}", p.id),
                (Err(_), Ok(_)) => println!("    !!!! but answers without {}", p.id),
                (Err(_), Err(_)) => {}
            }
        }
    }
}
