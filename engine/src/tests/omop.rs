//! Statements over OMOP tables of the kinds that studies are made of: prevalence, incidence,
//! person-time, readmission, comorbidity, eras. At a very large ε they give what plain SQL gives.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, StringArray};
use ledger_adapter::manifest::{ColumnKind, ColumnManifest, KeyValue};

use crate::engine::Query;
use crate::privacy::relation::ContributionBounds;
use crate::requests::Outcome;
use crate::tests::fixture::{Table, World, block_on, bounded, column, keyed, plain, world};

/// A statement, the same in plain SQL where that differs, and the number of keys before its values.
type Asked = (&'static str, Option<&'static str>, usize);

const PREVALENCE: Asked = (
    "SELECT p.gender_concept_id, FLOOR(age_at(p.year_of_birth, DATE '2020-07-01') / 10) AS decade, \
     COUNT(DISTINCT p.person_id) AS n FROM person p JOIN condition_occurrence c ON c.person_id = \
     p.person_id WHERE c.condition_concept_id IN descendants_of(100) AND c.condition_start_date <= \
     DATE '2020-07-01' GROUP BY p.gender_concept_id, FLOOR(age_at(p.year_of_birth, DATE \
     '2020-07-01') / 10)",
    Some(
        "SELECT p.gender_concept_id, FLOOR((2020 - p.year_of_birth) / 10) AS decade, \
         COUNT(DISTINCT p.person_id) AS n FROM person p JOIN condition_occurrence c ON c.person_id \
         = p.person_id WHERE c.condition_concept_id IN (SELECT descendant_concept_id FROM \
         concept_ancestor WHERE ancestor_concept_id = 100) AND c.condition_start_date <= DATE \
         '2020-07-01' GROUP BY p.gender_concept_id, FLOOR((2020 - p.year_of_birth) / 10)",
    ),
    2,
);

const WASHOUT: Asked = (
    "WITH d AS (SELECT person_id, condition_start_date, LAG(condition_start_date) OVER (PARTITION \
     BY person_id ORDER BY condition_start_date) AS before FROM condition_occurrence WHERE \
     condition_concept_id IN (101, 102)) SELECT COUNT(*) AS n FROM d WHERE before IS NULL OR \
     condition_start_date - before > 180",
    None,
    0,
);

const PERSON_TIME: Asked = (
    "SELECT SUM(y) AS y FROM (SELECT person_years(observation_period_start_date, \
     observation_period_end_date) AS y FROM observation_period) t WHERE y BETWEEN 0 AND 10",
    Some(
        "SELECT SUM((observation_period_end_date - observation_period_start_date + 1) / 365.25) \
         AS y FROM observation_period",
    ),
    0,
);

const PERSON_TIME_IN_A_YEAR: Asked = (
    "SELECT SUM(y) AS y FROM (SELECT person_years(GREATEST(observation_period_start_date, DATE \
     '2020-01-01'), LEAST(observation_period_end_date, DATE '2020-12-31')) AS y FROM \
     observation_period) t WHERE y BETWEEN 0 AND 1.1",
    Some(
        "SELECT SUM((LEAST(observation_period_end_date, DATE '2020-12-31') - \
         GREATEST(observation_period_start_date, DATE '2020-01-01') + 1) / 365.25) AS y FROM \
         observation_period WHERE observation_period_end_date >= DATE '2020-01-01' AND \
         observation_period_start_date <= DATE '2020-12-31'",
    ),
    0,
);

const RATE: Asked = (
    "SELECT a.n * 1000.0 / b.y AS rate FROM (SELECT COUNT(DISTINCT person_id) AS n FROM \
     condition_occurrence WHERE condition_concept_id = 101) a CROSS JOIN (SELECT \
     SUM(y) AS y FROM (SELECT person_years(observation_period_start_date, \
     observation_period_end_date) AS y FROM observation_period) t WHERE y BETWEEN 0 AND 10) b",
    Some(
        "SELECT a.n * 1000.0 / b.y AS rate FROM (SELECT COUNT(DISTINCT person_id) AS n FROM \
         condition_occurrence WHERE condition_concept_id = 101) a CROSS JOIN (SELECT \
         SUM((observation_period_end_date - observation_period_start_date + 1) / 365.25) AS y \
         FROM observation_period) b",
    ),
    0,
);

const AGE_AT_VISIT: Asked = (
    "SELECT CASE WHEN age_at(p.year_of_birth, v.visit_start_date) >= 65 THEN 'old' ELSE 'young' \
     END AS band, COUNT(*) AS n FROM visit_occurrence v JOIN person p ON p.person_id = v.person_id \
     GROUP BY CASE WHEN age_at(p.year_of_birth, v.visit_start_date) >= 65 THEN 'old' ELSE 'young' \
     END",
    Some(
        "SELECT CASE WHEN EXTRACT(YEAR FROM v.visit_start_date) - p.year_of_birth >= 65 THEN \
         'old' ELSE 'young' END AS band, COUNT(*) AS n FROM visit_occurrence v JOIN person p ON \
         p.person_id = v.person_id GROUP BY CASE WHEN EXTRACT(YEAR FROM v.visit_start_date) - \
         p.year_of_birth >= 65 THEN 'old' ELSE 'young' END",
    ),
    1,
);

const READMISSION: Asked = (
    "WITH s AS (SELECT person_id, visit_end_date, LEAD(visit_start_date) OVER (PARTITION BY \
     person_id ORDER BY visit_start_date) AS next FROM visit_occurrence WHERE visit_concept_id = \
     9201) SELECT SUM(CASE WHEN next - visit_end_date <= 30 THEN 1 ELSE 0 END) AS again, COUNT(*) \
     AS n FROM s",
    None,
    0,
);

const ERAS: Asked = (
    "SELECT drug_concept_id, AVG(days) AS days FROM (SELECT drug_concept_id, DATE_DIFF('day', \
     drug_exposure_start_date, drug_exposure_end_date) AS days FROM drug_exposure) t WHERE days \
     BETWEEN 0 AND 90 AND drug_concept_id IN (1, 2, 3) GROUP BY drug_concept_id",
    Some(
        "SELECT drug_concept_id, AVG(drug_exposure_end_date - drug_exposure_start_date) AS days \
         FROM drug_exposure GROUP BY drug_concept_id",
    ),
    1,
);

const GAPS: Asked = (
    "SELECT AVG(gap) AS a FROM (SELECT visit_start_date - LAG(visit_end_date) OVER (PARTITION \
     BY person_id ORDER BY visit_start_date) AS gap FROM visit_occurrence) t WHERE gap BETWEEN \
     0 AND 365",
    None,
    0,
);

const OPTIONS: Asked = (
    "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 9000, delta = 1e-7, \
     max_groups_contributed = 1, max_rows_contributed = 4, privacy_unit_column = person_id, \
     min_privacy_units_per_group = 11) gender_concept_id, COUNT(*) AS n FROM person GROUP BY \
     gender_concept_id",
    Some("SELECT gender_concept_id, COUNT(*) AS n FROM person GROUP BY gender_concept_id"),
    1,
);

/// The costs of persons by the name of the helper, and by that of the table.
const COSTS: (&str, &str) = (
    "SELECT p.gender_concept_id, SUM(c.total_paid) AS s, COUNT(DISTINCT c.person_id) AS n FROM \
     cost_person c JOIN person p ON p.person_id = c.person_id GROUP BY p.gender_concept_id",
    "SELECT p.gender_concept_id, SUM(c.total_paid) AS s, COUNT(DISTINCT c.person_id) AS n FROM \
     cost c JOIN person p ON p.person_id = c.person_id GROUP BY p.gender_concept_id",
);

/// What adds up days between dates.
const DURATIONS: [Asked; 5] = [PERSON_TIME, PERSON_TIME_IN_A_YEAR, RATE, ERAS, GAPS];

const STATEMENTS: [Asked; 21] = [
    PREVALENCE,
    WASHOUT,
    AGE_AT_VISIT,
    READMISSION,
    OPTIONS,
    // First diagnoses by year.
    (
        "SELECT EXTRACT(YEAR FROM condition_start_date) AS y, COUNT(*) AS n FROM (SELECT \
         person_id, condition_start_date, ROW_NUMBER() OVER (PARTITION BY person_id, \
         condition_concept_id ORDER BY condition_start_date) AS rn FROM condition_occurrence) t \
         WHERE rn = 1 GROUP BY EXTRACT(YEAR FROM condition_start_date)",
        None,
        1,
    ),
    // Both of two conditions.
    (
        "SELECT COUNT(DISTINCT a.person_id) AS n FROM condition_occurrence a JOIN \
         condition_occurrence b ON a.person_id = b.person_id WHERE a.condition_concept_id = 101 \
         AND b.condition_concept_id = 103 AND b.condition_start_date > a.condition_start_date",
        None,
        0,
    ),
    (
        "SELECT p.gender_concept_id, COUNT(*) AS n FROM person p WHERE EXISTS (SELECT 1 FROM \
         drug_exposure d WHERE d.person_id = p.person_id AND d.drug_concept_id = 2) GROUP BY \
         p.gender_concept_id",
        None,
        1,
    ),
    (
        "SELECT COUNT(*) AS n FROM person p WHERE NOT EXISTS (SELECT 1 FROM condition_occurrence c \
         WHERE c.person_id = p.person_id AND c.condition_start_date >= DATE '2020-01-01')",
        None,
        0,
    ),
    // Cost per person, and persons by cost.
    (
        "SELECT AVG(total) AS a FROM (SELECT person_id, SUM(total_paid) AS total FROM cost GROUP \
         BY person_id) t",
        None,
        0,
    ),
    (
        "SELECT CASE WHEN total < 500 THEN 'low' ELSE 'high' END AS band, COUNT(*) AS n FROM \
         (SELECT person_id, SUM(total_paid) AS total FROM cost GROUP BY person_id) t GROUP BY CASE \
         WHEN total < 500 THEN 'low' ELSE 'high' END",
        None,
        1,
    ),
    (
        "SELECT condition_concept_id, COUNT(*) AS n FROM condition_occurrence GROUP BY \
         condition_concept_id ORDER BY n DESC, condition_concept_id LIMIT 3",
        None,
        1,
    ),
    (
        "SELECT p.region, p.gender_concept_id, COUNT(*) AS n FROM visit_occurrence v JOIN person p \
         ON p.person_id = v.person_id GROUP BY ROLLUP(p.region, p.gender_concept_id)",
        None,
        2,
    ),
    // A condition within 90 days of a drug.
    (
        "SELECT COUNT(DISTINCT d.person_id) AS n FROM drug_exposure d JOIN condition_occurrence c \
         ON c.person_id = d.person_id AND c.condition_start_date BETWEEN \
         d.drug_exposure_start_date AND d.drug_exposure_start_date + INTERVAL '90 days' \
         WHERE d.drug_concept_id = 1",
        None,
        0,
    ),
    // Who of those observed has a condition.
    (
        "SELECT COUNT(DISTINCT c.person_id) * 100.0 / COUNT(DISTINCT p.person_id) AS percent FROM \
         person p LEFT JOIN condition_occurrence c ON c.person_id = p.person_id AND \
         c.condition_concept_id = 102",
        None,
        0,
    ),
    (
        "SELECT DATE_TRUNC('quarter', visit_start_date) AS q, COUNT(*) AS n FROM visit_occurrence \
         WHERE visit_start_date >= DATE '2020-01-01' GROUP BY DATE_TRUNC('quarter', \
         visit_start_date)",
        None,
        1,
    ),
    // Stays by week; by the month after the last day of the stay; all weeks are known keys.
    (
        "SELECT DATE_BIN(INTERVAL '7 days', visit_start_date, DATE '2019-01-07') AS w, COUNT(*) AS \
         n FROM visit_occurrence WHERE visit_start_date BETWEEN DATE '2019-02-04' AND DATE \
         '2019-12-29' GROUP BY 1",
        None,
        1,
    ),
    (
        "SELECT DATE_TRUNC('month', visit_end_date + INTERVAL '1 month') AS m, COUNT(*) AS n FROM \
         visit_occurrence GROUP BY DATE_TRUNC('month', visit_end_date + INTERVAL '1 month')",
        None,
        1,
    ),
    // Stays that begin within an observation period.
    (
        "SELECT v.visit_concept_id, COUNT(*) AS n FROM visit_occurrence v JOIN observation_period \
         o ON o.person_id = v.person_id AND v.visit_start_date BETWEEN \
         o.observation_period_start_date AND o.observation_period_end_date WHERE \
         v.visit_concept_id IN (9201, 9202) GROUP BY v.visit_concept_id",
        None,
        1,
    ),
    // Persons by number of conditions, those without any included.
    (
        "SELECT k, COUNT(*) AS n FROM (SELECT p.person_id, COUNT(c.condition_concept_id) AS k FROM \
         person p LEFT JOIN condition_occurrence c ON c.person_id = p.person_id GROUP BY \
         p.person_id) t GROUP BY k",
        None,
        1,
    ),
    (
        "SELECT CASE WHEN year_of_birth < 1960 THEN 1 ELSE 0 END AS old, STDDEV_SAMP(total_paid) \
         AS s FROM cost c JOIN person p ON p.person_id = c.person_id GROUP BY CASE WHEN \
         year_of_birth < 1960 THEN 1 ELSE 0 END",
        None,
        1,
    ),
];

/// A number from 0 to `end` less one that looks random: SplitMix64.
fn below(state: &mut u64, end: i64) -> i64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    i64::try_from((z ^ (z >> 31)) % end.unsigned_abs()).unwrap()
}

/// The rows of one table: the person first.
type Rows = Vec<Vec<i64>>;

/// Person, visits, conditions, periods, drugs and costs of 500 persons. A person's rows of one
/// table have different dates, so that their order is no accident.
fn rows() -> [Rows; 6] {
    let mut state = 55;
    let mut tables: [Rows; 6] = Default::default();
    for id in 1..=500 {
        let mut draw = |end| below(&mut state, end);
        tables[0].push(vec![
            id,
            [8_507, 8_532][usize::try_from(draw(2)).unwrap()],
            1_930 + draw(80),
        ]);
        let start = 17_897 + draw(300);
        tables[3].push(vec![id, start, start + 300 + draw(900)]);
        let mut day = start;
        for _ in 0..2 + draw(3) {
            day += 5 + draw(120);
            let days = draw(5);
            tables[1].push(vec![id, 9_201 + draw(2), day, day + days]);
        }
        let mut day = start;
        for _ in 0..draw(4) {
            day += 10 + draw(250);
            tables[2].push(vec![id, 101 + draw(4), day]);
        }
        let mut day = start;
        for _ in 0..draw(3) {
            day += 1 + draw(300);
            tables[4].push(vec![id, 1 + draw(3), day, day + draw(60)]);
        }
        for _ in 0..1 + draw(3) {
            tables[5].push(vec![id, 1_000 + draw(60_000)]);
        }
    }
    tables
}

fn solid(column: ColumnManifest) -> ColumnManifest {
    ColumnManifest { nullable: false, ..column }
}

fn numbers(name: &str) -> ColumnManifest {
    solid(column(name, ColumnKind::Integer))
}

fn dates(name: &str) -> ColumnManifest {
    solid(column(name, ColumnKind::Date))
}

/// A table whose columns are numbers and dates, or money in cents.
fn table(name: &'static str, rows: &Rows, more: Vec<ColumnManifest>) -> Table {
    let columns: Vec<ColumnManifest> = std::iter::once(numbers("person_id")).chain(more).collect();
    let array = |i: usize| -> ArrayRef {
        let values = rows.iter().map(|row| row[i]);
        match columns[i].kind {
            ColumnKind::Date => {
                Arc::new(values.map(|v| i32::try_from(v).ok()).collect::<Date32Array>())
            }
            ColumnKind::Float => {
                Arc::new(values.map(|v| v as f64 / 100.0).collect::<Float64Array>())
            }
            _ => Arc::new(values.collect::<Int64Array>()),
        }
    };
    let arrays = (0..columns.len()).map(array).collect();
    Table::new(name, Some(4), columns, arrays)
}

fn tables() -> Vec<Table> {
    let [persons, visits, conditions, periods, drugs, costs] = rows();
    let domain = |ids: &[i64]| Some(ids.iter().map(|id| KeyValue::Integer(*id)).collect());
    let sex = ColumnManifest { domain: domain(&[8_507, 8_532]), ..numbers("gender_concept_id") };
    let born = bounded(numbers("year_of_birth"), 1_920, 2_019, 0);
    let mut person = table("person", &persons, vec![sex, born]);
    person.rows_max = Some(1);
    // Regions are words.
    let region = |row: &Vec<i64>| Some(["N", "S"][usize::try_from(row[0] % 2).unwrap()]);
    let words: ArrayRef = Arc::new(persons.iter().map(region).collect::<StringArray>());
    person.columns.push(solid(keyed(column("region", ColumnKind::Text), &["N", "S"])));
    let arrays = person.rows.columns().iter().cloned().chain([words]).collect();
    let person = Table::new("person", Some(1), person.columns, arrays);
    let mut period = table(
        "observation_period",
        &periods,
        vec![dates("observation_period_start_date"), dates("observation_period_end_date")],
    );
    period.rows_max = Some(1);
    let visit =
        vec![numbers("visit_concept_id"), dates("visit_start_date"), dates("visit_end_date")];
    let condition = vec![numbers("condition_concept_id"), dates("condition_start_date")];
    let drug = vec![
        numbers("drug_concept_id"),
        dates("drug_exposure_start_date"),
        dates("drug_exposure_end_date"),
    ];
    let paid = vec![solid(bounded(column("total_paid", ColumnKind::Float), 0, 61_000, 2))];
    let ancestors = Table::new(
        "concept_ancestor",
        None,
        vec![numbers("ancestor_concept_id"), numbers("descendant_concept_id")],
        vec![
            Arc::new(Int64Array::from(vec![100, 100, 100, 200])),
            Arc::new(Int64Array::from(vec![100, 101, 102, 103])),
        ],
    );
    vec![
        person,
        period,
        table("visit_occurrence", &visits, visit),
        table("condition_occurrence", &conditions, condition),
        table("drug_exposure", &drugs, drug),
        table("cost", &costs, paid),
        ancestors,
    ]
}

fn query(sql: &str) -> Query {
    let bounds = ContributionBounds {
        rows_per_person: Some(4),
        groups_per_person: Some(4),
        ..ContributionBounds::default()
    };
    Query { text: sql.to_owned(), epsilon: 10_000.0, delta: 1e-6, bounds }
}

/// Whether two values are the same: whole numbers to the last digit, others to half a hundredth.
fn same(found: &str, expected: &str) -> bool {
    match (found.parse::<f64>(), expected.parse::<f64>()) {
        (Ok(f), Ok(e)) if e.fract() == 0.0 && !expected.contains('.') => f == e,
        (Ok(f), Ok(e)) => (f - e).abs() <= 5e-3 * e.abs(),
        _ => found == expected,
    }
}

/// What is wrong with the answer to a statement.
fn fault(world: &World, tables: &[Table], asked: &Asked) -> Option<String> {
    let (sql, other, keys) = *asked;
    let answer = match block_on(world.engine.answer(&query(sql))) {
        Ok(answer) => answer,
        Err(error) => return Some(format!("{error}\n  {sql}")),
    };
    let expected = plain(tables, other.unwrap_or(sql));
    let width = answer.columns().len();
    let mut found: Vec<Vec<String>> = (0..answer.len())
        .map(|row| (0..width).map(|column| answer.text(row, column)).collect())
        .collect();
    // Keys that are publicly known show a zero, or nothing, where nobody has them.
    let known =
        |row: &Vec<String>| expected.iter().any(|e| (0..keys).all(|i| same(&row[i], &e[i])));
    found.retain(|row| known(row) || !["", "0"].contains(&row[width - 1].as_str()));
    let right = |e: &Vec<String>| {
        found.iter().any(|f| f.iter().zip(e).all(|(found, expected)| same(found, expected)))
    };
    let all = found.len() == expected.len() && expected.iter().all(right) && !expected.is_empty();
    (!all).then(|| format!("{found:?} instead of {expected:?}\n  {sql}"))
}

fn none_is_wrong(statements: &[Asked]) {
    let tables = tables();
    let world = world(std::slice::from_ref(&tables), 2);
    let wrong = statements.iter().filter_map(|asked| fault(&world, &tables, asked));
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn statements_of_studies_give_what_plain_sql_gives() {
    none_is_wrong(&STATEMENTS);
}

#[test]
fn costs_have_their_persons_under_a_name_of_their_own() {
    let tables = tables();
    let world = world(std::slice::from_ref(&tables), 2);
    let (sql, plainly) = COSTS;
    let fault = fault(&world, &tables, &(sql, Some(plainly), 1));
    assert_eq!(fault, None);
    let explained = block_on(world.engine.perform(&query(&format!("EXPLAIN {sql}"))));
    let Ok(Outcome::Explained(explained)) = explained else { panic!("{explained:?}") };
    let line = explained.plan.iter().find(|line| line.contains("cost_person")).unwrap();
    assert!(line.ends_with("per person, at most 4 row(s) of each"), "{line}");
    // It may be replaced by a view of one's own, as any view.
    let view = "VIEW cost_person AS SELECT person_id, total_paid FROM cost WHERE total_paid > 10";
    assert!(block_on(world.engine.perform(&query(&format!("CREATE {view}")))).is_err());
    let made = block_on(world.engine.perform(&query(&format!("CREATE OR REPLACE {view}"))));
    assert!(matches!(made, Ok(Outcome::Done(_))), "{made:?}");
    // Where nobody has costs there are none of persons.
    let world = super::fixture::world(&[tables[..1].to_vec()], 2);
    let error = block_on(world.engine.answer(&query(sql))).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("R-TABLE"), "{error}");
}

#[test]
fn days_between_dates_have_public_bounds() {
    none_is_wrong(&DURATIONS);
}

#[test]
fn a_cohort_that_is_a_view_is_asked_about_like_a_table() {
    let tables = tables();
    let world = world(std::slice::from_ref(&tables), 2);
    let within = "SELECT person_id, SUM(total_paid) AS total FROM cost GROUP BY person_id";
    let made =
        block_on(world.engine.perform(&query(&format!("CREATE VIEW cost_total AS {within}"))));
    assert!(matches!(made, Ok(Outcome::Done(_))), "{made:?}");
    let sql = "SELECT p.gender_concept_id, AVG(k.total) AS a FROM cost_total k JOIN person p ON \
               p.person_id = k.person_id GROUP BY p.gender_concept_id";
    let answer = block_on(world.engine.answer(&query(sql))).unwrap();
    let expected = plain(&tables, &sql.replace("cost_total", &format!("({within})")));
    assert_eq!(expected.len(), 2);
    for e in &expected {
        let row = (0..answer.len()).find(|row| answer.text(*row, 0) == e[0]).unwrap();
        assert!(same(&answer.text(row, 1), &e[1]), "{} {}", answer.text(row, 1), e[1]);
    }
}
