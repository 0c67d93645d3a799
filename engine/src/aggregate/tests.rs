//! Persons come out whole and the same however their rows come in.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, StringArray};
use arrow::datatypes::DataType;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;

use crate::aggregate::groups::{Groups, NONE};
use crate::aggregate::runs::{Run, Runs};
use crate::aggregate::unclustered::Unclustered;
use crate::tests::fixture::block_on;
use crate::tests::sensitivity::{pick, seeded};

/// Rows of (person, group, value).
type Rows = Vec<(i64, u32, i64)>;

/// Totals by person and group.
type Totals = BTreeMap<(i64, u32), i64>;

fn rows(random: &mut proptest::test_runner::TestRng, persons: i64) -> Rows {
    let number = |random: &mut _, most: i64| pick(random, &(0..most).collect::<Vec<_>>());
    let mut rows = Vec::new();
    for person in 0..persons {
        for _ in 0..number(random, 9) {
            let group = u32::try_from(number(random, 6)).unwrap();
            let group = if group == 5 { NONE } else { group };
            rows.push((person * 31 - 77, group, number(random, 1_000) - 500));
        }
    }
    rows
}

fn added_up(rows: &Rows) -> Totals {
    let mut totals = Totals::new();
    for (person, group, value) in rows.iter().filter(|row| row.1 != NONE) {
        *totals.entry((*person, *group)).or_default() += value;
    }
    totals
}

fn take(totals: &mut Totals, run: Run<'_>) {
    for (place, group) in run.groups.iter().enumerate() {
        let before = totals.insert((run.person, *group), run.total(place, 0));
        assert_eq!(before, None, "a person's group came twice");
    }
}

fn columns(rows: &[(i64, u32, i64)]) -> (Vec<i64>, Vec<u32>, Vec<i64>) {
    let persons = rows.iter().map(|row| row.0).collect();
    (persons, rows.iter().map(|row| row.1).collect(), rows.iter().map(|row| row.2).collect())
}

fn streamed(rows: &Rows, batch: usize) -> Totals {
    let (mut runs, mut totals) = (Runs::new(1), Totals::new());
    for rows in rows.chunks(batch) {
        let (persons, groups, values) = columns(rows);
        let each = |run: Run<'_>| {
            take(&mut totals, run);
            Ok(())
        };
        runs.push(&persons, &groups, &[&values], 5, each).unwrap();
    }
    let last = |run: Run<'_>| {
        take(&mut totals, run);
        Ok(())
    };
    runs.finish(last).unwrap();
    totals
}

/// With so many bytes of memory; and whether rows were put on disk.
fn put_aside(rows: &Rows, batch: usize, memory: usize) -> (Totals, bool) {
    let pool = Arc::new(GreedyMemoryPool::new(memory));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc().unwrap();
    let context = TaskContext::default().with_runtime(runtime);
    let mut aside = Unclustered::new(1, &context);
    for rows in rows.chunks(batch) {
        let (persons, groups, values) = columns(rows);
        aside.push(&persons, &groups, &[&values]).unwrap();
    }
    let (has_spilled, mut totals) = (aside.has_spilled(), Totals::new());
    let mut runs = Runs::new(1);
    let drained = aside.drain(|ordered| {
        let values: Vec<&[i64]> = ordered.columns.iter().map(Vec::as_slice).collect();
        let mut each = |run: Run<'_>| {
            take(&mut totals, run);
            Ok(())
        };
        runs.push(&ordered.persons, &ordered.groups, &values, 5, &mut each)?;
        runs.finish(&mut each)
    });
    block_on(drained).unwrap();
    (totals, has_spilled)
}

#[test]
fn every_way_gives_the_same_totals() {
    let mut random = seeded(31);
    for persons in [0, 1, 2, 40, 700] {
        let ordered = rows(&mut random, persons);
        let expected = added_up(&ordered);
        for batch in [1, 2, 7, 64, 8_192] {
            assert_eq!(streamed(&ordered, batch), expected, "{persons} in batches of {batch}");
        }
        let mut mixed = ordered.clone();
        mixed.sort_unstable_by_key(|row| (row.2, row.1, row.0));
        let (totals, has_spilled) = put_aside(&mixed, 64, usize::MAX);
        assert_eq!((totals, has_spilled), (expected.clone(), false));
        let (totals, has_spilled) = put_aside(&mixed, 64, 4_096);
        assert_eq!((totals, has_spilled), (expected, persons >= 40), "{persons} on disk");
    }
}

#[test]
fn a_person_that_comes_again_is_noticed() {
    let mut runs = Runs::new(0);
    let again = runs.push(&[1, 2, 1], &[0, 0, 0], &[], 1, |_| Ok(()));
    assert!(again.is_err());
    let mut runs = Runs::new(0);
    runs.push(&[1, 2], &[0, 0], &[], 1, |_| Ok(())).unwrap();
    assert!(runs.push(&[1], &[0], &[], 1, |_| Ok(())).is_err());
    // Another bucket begins anew.
    let mut runs = Runs::new(0);
    runs.push(&[1, 2], &[0, 0], &[], 1, |_| Ok(())).unwrap();
    runs.finish(|_| Ok(())).unwrap();
    runs.push(&[1], &[0], &[], 1, |_| Ok(())).unwrap();
}

#[test]
fn groups_have_one_number_each_over_batches_and_types() {
    let types =
        [DataType::Utf8, DataType::Int64, DataType::Float64, DataType::Date32, DataType::Boolean];
    let batch = |shift: i64| -> Vec<ArrayRef> {
        let number = |i: i64| (i != 3).then_some(i % 4 + shift * 600);
        let days = (0..16i32).map(|i| (i % 5 != 0).then_some(i % 2));
        vec![
            Arc::new((0..16).map(|i| [Some("a"), Some("b"), None][i % 3]).collect::<StringArray>()),
            Arc::new((0..16).map(number).collect::<Int64Array>()),
            Arc::new((0..16).map(|i| Some(f64::from(i / 8))).collect::<Float64Array>()),
            Arc::new(days.collect::<Date32Array>()),
            Arc::new((0..16).map(|i| Some(i % 2 == 0)).collect::<arrow::array::BooleanArray>()),
        ]
    };
    let mut groups = Groups::new(&types, None).unwrap();
    let (mut first, mut again, mut other) = (Vec::new(), Vec::new(), Vec::new());
    groups.number(&batch(0), 16, &mut first).unwrap();
    groups.number(&batch(1), 16, &mut other).unwrap();
    groups.number(&batch(0), 16, &mut again).unwrap();
    assert_eq!(first, again);
    let encoded = |columns: &[ArrayRef]| -> Vec<Box<[u8]>> {
        let rows = crate::aggregate::spec::converter(&types).unwrap();
        let rows = rows.convert_columns(columns).unwrap();
        rows.iter().map(|row| row.as_ref().into()).collect()
    };
    for (numbers, columns) in [(&first, batch(0)), (&other, batch(1))] {
        let named: Vec<_> =
            numbers.iter().map(|number| groups.codes()[*number as usize].clone()).collect();
        assert_eq!(named, encoded(&columns));
    }
    let stored = |columns: Vec<ArrayRef>| {
        let kind = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let text = arrow::compute::cast(&columns[0], &kind).unwrap();
        // A part of the rows, with all values.
        let rest = columns[1..].iter().map(|column| column.slice(4, 1));
        std::iter::once(text.slice(4, 1)).chain(rest).collect::<Vec<_>>()
    };
    groups.number(&stored(batch(0)), 1, &mut again).unwrap();
    assert_eq!(again, first[4..5]);
    let mut new = Groups::new(&types[..1], None).unwrap();
    new.number(&stored(batch(0))[..1], 1, &mut again).unwrap();
    assert_eq!((again.as_slice(), new.codes().len()), (&[0][..], 1));
    let declared: Vec<Box<[u8]>> = vec![groups.codes()[0].clone()];
    let mut few = Groups::new(&types, Some(&declared)).unwrap();
    few.number(&batch(0), 16, &mut again).unwrap();
    let expected: Vec<u32> = first.iter().map(|n| if *n == 0 { 0 } else { NONE }).collect();
    assert_eq!(again, expected);
}
