//! The publishers' cases, complements against a second algorithm, differences, packets.

use super::Error;
use super::check::{Reason, Shown};
use super::complement::{complements, following};
use super::differences::Kind;
use super::packet::{Context, Packet};
use super::records::alike;
use super::rules::{Rule, Rules};
use super::table::{Cell, Group, Table};
use crate::estimate::Estimate;
use crate::methods::simulation::Random;
use crate::shared::shared;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

fn rule(name: &str) -> Rule {
    Rules::built_in().named(name).unwrap().clone()
}

fn group(pairs: &[(&str, &str)]) -> Group {
    pairs.iter().map(|(column, value)| ((*column).to_owned(), (*value).to_owned())).collect()
}

fn cell(pairs: &[(&str, &str)], count: f64) -> Cell {
    let count = Estimate::released(count, 4.0, &Arc::from("now"));
    Cell { group: group(pairs), count, denominator: None }
}

/// A table of rows and columns with all margins: cell (r, c) is number r × (columns + 1) + c, and
/// totals are last.
fn two_way(counts: &[Vec<f64>]) -> Table {
    let columns = counts[0].len();
    let mut cells = vec![];
    for r in 0..=counts.len() {
        for c in 0..=columns {
            let rows = counts.iter().enumerate().filter(|(at, _)| r == counts.len() || *at == r);
            let within = |(at, count): (usize, &f64)| (c == columns || at == c).then_some(*count);
            let count: f64 =
                rows.flat_map(|(_, row)| row.iter().enumerate().filter_map(within)).sum();
            let (row, column) = (r.to_string(), c.to_string());
            let mut pairs = vec![];
            pairs.extend((r < counts.len()).then_some(("row", row.as_str())));
            pairs.extend((c < columns).then_some(("column", column.as_str())));
            cells.push(cell(&pairs, count));
        }
    }
    Table::new(cells).unwrap()
}

fn cases() -> Option<Vec<Value>> {
    let text = std::fs::read_to_string(shared("expected/sdc_rules_cases.json")?).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

/// A shown number as the file of cases has it.
fn as_case(rule: &Rule, count: f64) -> Value {
    let table = Table::new(vec![cell(&[], count)]).unwrap();
    let checked = rule.check(&table).remove(0);
    let unreliable = if checked.is_unreliable { " (rate unreliable)" } else { "" };
    match (rule.name.as_str(), checked.shown) {
        ("datashield", Shown::Text(_)) => json!("block table"),
        ("datashield", Shown::Number(_)) => json!("ok"),
        ("cdc_wonder", Shown::Number(number)) => json!(format!("{number}{unreliable}")),
        (_, Shown::Number(number)) => json!(number),
        (_, Shown::Text(text)) => json!(text),
    }
}

/// The sources are in the file, case by case.
#[test]
fn every_case_of_the_publishers_rules_is_reproduced() {
    let Some(cases) = cases() else { return };
    let names = [
        ("opensafely_suppress_le7_then_round5", "opensafely"),
        ("opensafely_midpoint6", "opensafely_midpoint_6"),
        ("nhs_hes_subnational", "nhs_hes"),
        ("cms_lt11", "cms"),
        ("cdc_wonder", "cdc_wonder"),
        ("darwin_min_cell_5", "darwin"),
        ("datashield_nfilter_tab", "datashield"),
    ];
    let mut compared = 0;
    for (case_name, name) in names {
        let case = cases.iter().find(|case| case["rule"] == case_name).unwrap();
        for pair in case["io"].as_array().unwrap() {
            let got = as_case(&rule(name), pair[0].as_f64().unwrap());
            let same = got == pair[1] || (got.is_number() && got.as_f64() == pair[1].as_f64());
            assert!(same, "{name} {pair} {got}");
            compared += 1;
        }
    }
    assert_eq!(compared, 39);
}

/// sdcMicro@cf32510, tests/testthat/test_freqCalc.R.
#[test]
fn records_that_are_alike_are_counted_as_sdcmicro_does() {
    let Some(cases) = cases() else { return };
    let case = cases.iter().find(|case| case["rule"] == "k_anonymity_freqcalc").unwrap();
    let column = |name: &str| -> Vec<f64> {
        let values = case["table"][name].as_array().unwrap();
        values.iter().map(|value| value.as_f64().unwrap()).collect()
    };
    let (a, b, c) = (column("A"), column("B"), column("C"));
    let keys: Vec<[u64; 3]> =
        (0..a.len()).map(|at| [a[at], b[at], c[at]].map(f64::to_bits)).collect();
    let found = alike(&keys, &column("weight"));
    let expected = |name: &str| -> Vec<f64> {
        let values = case["expect"][name].as_array().unwrap();
        values.iter().map(|value| value.as_f64().unwrap()).collect()
    };
    let counts: Vec<f64> = found.iter().map(|(count, _)| *count as f64).collect();
    assert_eq!(counts, expected("fk"));
    let sums: Vec<f64> = found.iter().map(|(_, sum)| *sum).collect();
    assert_eq!(sums, expected("Fk_weighted"));
    let of_size = |size| found.iter().filter(|(count, _)| *count == size).count();
    assert_eq!(case["expect"]["n_sample_unique"], of_size(1));
    assert_eq!(case["expect"]["n_two"], of_size(2));
}

/// AI-SDC/ACRO, test/test_tables.py and outputs/output_0.csv: each year has 15, 59 and 71 grants
/// and 8 of both kinds, which are too few.
#[test]
fn acros_table_of_grants_has_six_small_cells() {
    let table = two_way(&vec![vec![15.0, 59.0, 71.0, 8.0]; 6]);
    assert_eq!(table.cells[6 * 5 + 3].count.value, 48.0);
    let checked = rule("acro").check(&table);
    let small = checked.iter().filter(|cell| cell.reason == Some(Reason::SmallCount)).count();
    assert_eq!(small, 6);
    let Some(cases) = cases() else { return };
    let case = cases.iter().find(|case| case["rule"] == "acro_threshold10").unwrap();
    assert_eq!(case["expect"]["crosstab_year_grant_type_cells_lt10"], 6);
    let acro = rule("acro");
    let dominance = acro.dominance.unwrap();
    assert_eq!(case["params"]["threshold"], acro.suppress_below);
    assert_eq!(case["params"]["nk_n"], dominance.largest);
    assert_eq!(case["params"]["nk_k"], dominance.share);
    assert_eq!(case["params"]["p_ratio"], dominance.ratio);
    assert_eq!(case["params"]["dof"].as_u64(), acro.degrees_min.map(u64::from));
}

/// By hand. Of 100: 60 and 31 are 91 % of it, 60 and 30 are 90 % and allowed. What is left without
/// the two largest is 9, and 10: both more than a tenth of 60; 5 is not.
#[test]
fn dominance_is_by_the_largest_or_by_the_ratio() {
    let dominance = rule("acro").dominance.unwrap();
    let of = |contributions: &[f64]| {
        let dominated = dominance.of(contributions);
        (dominated.by_largest, dominated.by_ratio)
    };
    assert_eq!(of(&[3.0, 60.0, 31.0, 6.0]), (true, false));
    assert_eq!(of(&[60.0, 30.0, 10.0]), (false, false));
    assert_eq!(of(&[60.0, 35.0, 5.0]), (true, true));
    // Two contributors can always tell each other.
    assert_eq!(of(&[50.0, 50.0]), (true, true));
    assert_eq!(of(&[]), (false, false));
    assert_eq!(of(&[0.0, 0.0]), (false, false));
}

#[test]
fn a_single_small_cell_takes_the_smallest_other_with_it() {
    let table = Table::new(vec![
        cell(&[], 145.0),
        cell(&[("age", "0-17")], 5.0),
        cell(&[("age", "18-64")], 120.0),
        cell(&[("age", "65+")], 20.0),
        cell(&[("age", "unknown")], 0.0),
    ]);
    let checked = rule("cms").check(&table.unwrap());
    let reasons: Vec<Option<Reason>> = checked.iter().map(|cell| cell.reason).collect();
    let expected = [None, Some(Reason::SmallCount), None, Some(Reason::Complement), None];
    assert_eq!(reasons, expected);
}

/// By hand: the suppressed cell (0, 0) is a row's, a column's and with them a rectangle's.
#[test]
fn in_two_ways_a_rectangle_is_left_out() {
    let table = two_way(&[vec![3.0, 20.0, 30.0], vec![40.0, 15.0, 60.0], vec![70.0, 80.0, 12.0]]);
    let suppressed = BTreeSet::from([0]);
    assert_eq!(following(&table, &suppressed), [0]);
    // Two of a row do not help the columns.
    assert_eq!(following(&table, &BTreeSet::from([0, 1])), [0, 1]);
    assert_eq!(complements(&table, &suppressed), BTreeSet::from([1, 4, 5]));
    // Nor does a path of five cells help those at its ends.
    assert_eq!(following(&table, &BTreeSet::from([0, 1, 5])), [0, 1, 5]);
    assert!(complements(&table, &BTreeSet::new()).is_empty());
}

/// Whether a suppressed cell of a two-way table follows from the others, by graphs: cells are
/// edges between their row and their column, totals too, and one follows if it is a bridge.
fn is_bridge(edges: &[(usize, usize)], without: usize) -> bool {
    let (from, to) = edges[without];
    let mut reached = BTreeSet::from([from]);
    loop {
        let before = reached.len();
        for (at, &(row, column)) in edges.iter().enumerate() {
            if at != without && (reached.contains(&row) || reached.contains(&column)) {
                reached.extend([row, column]);
            }
        }
        if reached.len() == before {
            return !reached.contains(&to);
        }
    }
}

#[test]
fn what_follows_is_what_graphs_say_and_complements_leave_nothing() {
    let mut random = Random::new(44);
    let mut added = 0;
    for _ in 0..60 {
        let counts: Vec<Vec<f64>> =
            (0..4).map(|_| (0..5).map(|_| random.poisson(14.0)).collect()).collect();
        let table = two_way(&counts);
        let edges = |cells: &BTreeSet<usize>| -> Vec<(usize, usize)> {
            cells.iter().map(|cell| (cell / 6, 100 + cell % 6)).collect()
        };
        let small = |at: &usize| rule("cms").is_small(table.cells[*at].count.value);
        let suppressed: BTreeSet<usize> = (0..table.cells.len()).filter(small).collect();
        let bridges = |cells: &BTreeSet<usize>| -> Vec<usize> {
            let edges = edges(cells);
            let numbered = cells.iter().enumerate();
            numbered.filter(|(at, _)| is_bridge(&edges, *at)).map(|(_, cell)| *cell).collect()
        };
        assert_eq!(following(&table, &suppressed), bridges(&suppressed));
        let more = complements(&table, &suppressed);
        added += more.len();
        let all: BTreeSet<usize> = suppressed.union(&more).copied().collect();
        assert!(bridges(&all).is_empty());
        // None of them is too many.
        for cell in &more {
            let mut fewer = all.clone();
            fewer.remove(cell);
            assert!(!bridges(&fewer).is_empty());
        }
    }
    assert!(added > 60, "{added}");
}

#[test]
fn a_table_of_three_columns_is_protected_too() {
    let mut cells = vec![];
    let all = |value: &str| value == "all";
    for a in ["x", "y", "all"] {
        for b in ["x", "y", "all"] {
            for c in ["x", "y", "z", "all"] {
                let pairs: Vec<(&str, &str)> = [("a", a), ("b", b), ("c", c)]
                    .into_iter()
                    .filter(|(_, value)| !all(value))
                    .collect();
                let times = [a, b, c].into_iter().filter(|value| all(value)).count();
                let least = if (a, b, c) == ("x", "x", "x") { 4.0 } else { 30.0 };
                cells.push(cell(&pairs, least * 2.0_f64.powi(i32::try_from(times).unwrap())));
            }
        }
    }
    let table = Table::new(cells).unwrap();
    // Every total is in one sum for each column that it leaves out.
    assert_eq!(table.sums.len(), 12 + 12 + 9);
    let suppressed = BTreeSet::from([0]);
    let more = complements(&table, &suppressed);
    let all: BTreeSet<usize> = suppressed.union(&more).copied().collect();
    assert!(following(&table, &all).is_empty());
    // A box of eight is the least that has two in each line.
    assert_eq!(all.len(), 8);
}

#[test]
fn totals_of_rounded_parts_tell_nothing_more() {
    let table = two_way(&[vec![3.0, 12.0], vec![18.0, 23.0]]);
    let shown: Vec<Shown> = rule("opensafely").check(&table).into_iter().map(|c| c.shown).collect();
    let expected = [0.0, 10.0, 10.0, 20.0, 25.0, 45.0, 20.0, 35.0, 55.0];
    assert_eq!(shown, expected.map(Shown::Number));
}

#[test]
fn negative_counts_are_noise_and_treated_as_zero() {
    assert_eq!(rule("cms").shown(-4.0), Shown::Number(-4.0));
    assert_eq!(rule("opensafely").shown(-4.0), Shown::Number(0.0));
    assert_eq!(rule("opensafely_midpoint_6").shown(-4.0), Shown::Number(0.0));
    assert_eq!(rule("acro").shown(0.0), Shown::Text("suppressed".to_owned()));
}

#[test]
fn a_small_denominator_hides_its_cell_and_a_small_cell_may_block_all() {
    let mut over_four = cell(&[("age", "a")], 6.0);
    over_four.denominator = Some(Estimate::exact(4.0));
    let table = Table::new(vec![over_four, cell(&[("age", "b")], 2.0), cell(&[("age", "c")], 9.0)]);
    let table = table.unwrap();
    let reasons = |name| -> Vec<Option<Reason>> {
        rule(name).check(&table).into_iter().map(|cell| cell.reason).collect()
    };
    let expected = [Some(Reason::SmallDenominator), Some(Reason::SmallCount), None];
    assert_eq!(reasons("darwin"), expected);
    assert_eq!(reasons("datashield"), [Some(Reason::BlockedTable); 3]);
}

#[test]
fn differences_to_earlier_tables_are_found() {
    let exact = |pairs: &[(&str, &str)], count: f64, receipt: &str| {
        let count = Estimate::released(count, 9.0, &Arc::from(receipt));
        Cell { group: group(pairs), count, denominator: None }
    };
    let (north, women) = ([("region", "N")], [("region", "N"), ("sex", "F")]);
    let earlier =
        [Table::new(vec![exact(&north, 100.0, "old"), exact(&women, 40.0, "old")]).unwrap()];
    let check = |cells: Vec<Cell>| {
        let found = rule("cms").differences(&Table::new(cells).unwrap(), &earlier);
        found.into_iter().map(|told| (told.kind, told.difference)).collect::<Vec<_>>()
    };
    assert_eq!(check(vec![exact(&north, 97.0, "new")]), [(Kind::SameGroup, 3.0)]);
    assert_eq!(check(vec![exact(&north, 111.0, "new")]), []);
    assert_eq!(check(vec![exact(&north, 97.0, "old")]), []);
    // All but four of the region are women now.
    assert_eq!(check(vec![exact(&women, 96.0, "new")]), [(Kind::Nested, 4.0)]);
    assert_eq!(check(vec![exact(&women, 8.0, "new")]), [(Kind::ShownBefore, 32.0)]);
    assert_eq!(check(vec![exact(&[], 46.0, "new")]), [(Kind::Nested, 6.0)]);
    assert_eq!(check(vec![exact(&[("region", "S")], 99.0, "new")]), []);
    let found =
        rule("cms").differences(&Table::new(vec![exact(&north, 97.0, "new")]).unwrap(), &earlier);
    assert_eq!(found[0].noise, 18.0_f64.sqrt());
}

#[test]
fn a_packet_has_every_number_and_every_reason() {
    let table = two_way(&[vec![3.0, 20.0], vec![40.0, 15.0]]);
    let context = Context { title: "Visits".to_owned(), ..Context::default() };
    let packet = Packet::new(context, &rule("cms"), &table, &[]);
    assert!(!packet.is_clear());
    let value = serde_json::to_value(&packet).unwrap();
    assert_eq!(value["suppressed"], json!({"small_count": 1, "complement": 3}));
    let first = json!({
        "group": {"row": "0", "column": "0"}, "shown": "suppressed", "reason": "small_count",
        "is_unreliable": false, "count": 3.0, "noise": 2.0, "denominator": null,
    });
    assert_eq!(value["cells"][0], first);
    assert_eq!(value["cells"][8]["shown"], 78.0);
    assert_eq!(value["rule"]["suppress_below"], 11);
    assert_eq!(value["receipts"], json!(["now"]));
    assert_eq!(value["context"]["title"], "Visits");
    let large = Table::new(vec![cell(&[], 500.0)]).unwrap();
    assert!(Packet::new(Context::default(), &rule("cms"), &large, &[]).is_clear());
}

#[test]
fn rules_can_be_added_and_mistakes_in_them_are_refused() {
    let text = "[[rule]]\nname = 'ours'\nsource = 'us'\nsuppress_below = 20\n";
    let rules = Rules::built_in().and(Rules::from_toml(text).unwrap()).unwrap();
    assert_eq!(rules.all().len(), 9);
    assert_eq!(rules.named("ours").unwrap().shown(0.0), Shown::Text("suppressed".to_owned()));
    let twice = Rules::from_toml(&format!("{text}{text}"));
    assert!(matches!(twice, Err(Error::TwoRules(name)) if name == "ours"));
    assert!(matches!(Rules::from_toml("[[rule]]\nname = 'x'\nsurce = 1"), Err(Error::Rules(_))));
    let none = Rules::from_toml("[[rule]]\nname = 'x'\nsource = ''\nround_to = 0");
    assert!(matches!(none, Err(Error::Rounding(name)) if name == "x"));
    let twice = Table::new(vec![cell(&[("a", "b")], 1.0), cell(&[("a", "b")], 2.0)]);
    assert!(matches!(twice, Err(Error::TwoCells(group)) if group == "a=b"));
}
