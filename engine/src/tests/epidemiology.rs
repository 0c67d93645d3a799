//! The queries that epidemiologists write every day: every one of the list is accepted word for
//! word, and right, at an ε that leaves no noise to speak of.
//!
//! # Source
//! The 33 queries of `shared/expected/epidemiology_queries.py`; what is expected of each over the
//! visits below was computed by DuckDB 2.0.0.

use std::sync::Arc;

use arrow::array::{Date32Array, Float64Array, Int64Array, StringArray};
use ledger_adapter::manifest::{ColumnKind, ColumnManifest};

use crate::answer::{Answer, Bound};
use crate::engine::Query;
use crate::privacy::relation::ContributionBounds;
use crate::tests::fixture::{Table, World, block_on, bounded, column, keyed, world};

/// A name, the query, how it is asked and compared, and the rows that DuckDB gives: rows are parted
/// by semicolons, values by commas.
type Asked = (&'static str, &'static str, (u32, usize, Kind), &'static str);

/// How a number is compared; before it stand most groups of a person, and the number of keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// To the last digit.
    Exact,
    /// To a thousandth.
    Near,
    /// Within its interval, and within a bin of candidates: costs of 0 to 500 have 1,024 at least.
    Quantile,
}

#[rustfmt::skip]
const QUERIES: [Asked; 33] = [
    (
        "count_all",
        "SELECT COUNT(*) AS n FROM visit",
        (1, 0, Kind::Exact),
        "6025",
    ),
    (
        "count_by",
        "SELECT region, sex, COUNT(*) AS n FROM visit GROUP BY region, sex",
        (2, 2, Kind::Exact),
        "East,F,789;East,M,693;North,F,763;North,M,779;South,F,778;South,M,729;West,F,761;\
         West,M,733",
    ),
    (
        "count_distinct_patient",
        "SELECT region, COUNT(DISTINCT patient_id) AS n FROM visit GROUP BY region",
        (2, 1, Kind::Exact),
        "East,419;North,455;South,433;West,419",
    ),
    (
        "count_distinct_other",
        "SELECT region, COUNT(DISTINCT condition_code) AS n FROM visit GROUP BY region",
        (2, 1, Kind::Exact),
        "East,16;North,16;South,16;West,16",
    ),
    (
        "sum_by",
        "SELECT region, SUM(cost) AS s FROM visit GROUP BY region",
        (2, 1, Kind::Near),
        "East,355287.6;North,372115.06;South,365494;West,357736.82",
    ),
    (
        "avg_by",
        "SELECT sex, AVG(cost) AS a FROM visit GROUP BY sex",
        (1, 1, Kind::Near),
        "F,239.98172;M,241.5985",
    ),
    (
        "var_stddev",
        "SELECT VARIANCE(cost) AS v, STDDEV(cost) AS sd FROM visit",
        (1, 0, Kind::Near),
        "9410.3901,97.007165",
    ),
    (
        "median",
        "SELECT MEDIAN(cost) AS m FROM visit",
        (1, 0, Kind::Quantile),
        "241.35",
    ),
    (
        "percentile",
        "SELECT PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY cost) AS p FROM visit",
        (1, 0, Kind::Quantile),
        "371.374",
    ),
    (
        "min_max",
        "SELECT MIN(age) AS a, MAX(age) AS b FROM visit",
        (1, 0, Kind::Exact),
        "0,95",
    ),
    (
        "where_eq",
        "SELECT region, COUNT(*) AS n FROM visit WHERE condition_code = 'C010' AND age >= 65 \
         GROUP BY region",
        (2, 1, Kind::Exact),
        "East,40;North,64;South,62;West,47",
    ),
    (
        "where_in",
        "SELECT COUNT(*) AS n FROM visit WHERE condition_code IN ('C010','C011')",
        (1, 0, Kind::Exact),
        "1267",
    ),
    (
        "where_like",
        "SELECT COUNT(*) AS n FROM visit WHERE condition_code LIKE 'C0%'",
        (1, 0, Kind::Exact),
        "3107",
    ),
    (
        "age_band_case",
        "SELECT CASE WHEN age < 18 THEN 'child' WHEN age < 65 THEN 'adult' ELSE 'senior' END AS \
         band, COUNT(*) AS n FROM visit GROUP BY CASE WHEN age < 18 THEN 'child' WHEN age < 65 \
         THEN 'adult' ELSE 'senior' END",
        (1, 1, Kind::Exact),
        "adult,3031;child,1106;senior,1888",
    ),
    (
        "age_band_floor",
        "SELECT FLOOR(age / 10) AS decade, COUNT(*) AS n FROM visit GROUP BY FLOOR(age / 10)",
        (1, 1, Kind::Exact),
        "0,670;1,554;2,613;3,724;4,683;5,645;6,575;7,571;8,651;9,339",
    ),
    (
        "sum_case_prevalence",
        "SELECT region, SUM(CASE WHEN condition_code = 'C010' THEN 1 ELSE 0 END) AS cases, \
         COUNT(*) AS n FROM visit GROUP BY region",
        (2, 1, Kind::Exact),
        "East,168,1482;North,178,1542;South,169,1507;West,174,1494",
    ),
    (
        "expr_inside_agg",
        "SELECT SUM(cost * 1.2) AS s FROM visit",
        (1, 0, Kind::Near),
        "1740760.2",
    ),
    (
        "expr_of_aggs",
        "SELECT region, SUM(cost) / COUNT(*) AS r FROM visit GROUP BY region",
        (2, 1, Kind::Near),
        "East,239.73522;North,241.31975;South,242.53086;West,239.44901",
    ),
    (
        "having",
        "SELECT condition_code, COUNT(*) AS n FROM visit GROUP BY condition_code HAVING COUNT(*) \
         > 100",
        (6, 1, Kind::Exact),
        "C010,689;C011,578;C012,531;C013,408;C014,338;C015,285;C016,194;C100,706;C101,567;\
         C102,482;C103,420;C104,320;C105,233;C106,148",
    ),
    (
        "top_k",
        "SELECT condition_code, COUNT(*) AS n FROM visit GROUP BY condition_code ORDER BY n DESC \
         LIMIT 10",
        (6, 1, Kind::Exact),
        "C100,706;C010,689;C011,578;C101,567;C012,531;C102,482;C103,420;C013,408;C014,338;\
         C104,320",
    ),
    (
        "filter_clause",
        "SELECT COUNT(*) FILTER (WHERE age >= 65) AS n FROM visit",
        (1, 0, Kind::Exact),
        "1888",
    ),
    (
        "year_extract",
        "SELECT EXTRACT(YEAR FROM visit_date) AS y, COUNT(*) AS n FROM visit GROUP BY \
         EXTRACT(YEAR FROM visit_date)",
        (4, 1, Kind::Exact),
        "2019,1539;2020,1489;2021,1462;2022,1535",
    ),
    (
        "join_on_patient",
        "SELECT p.ses, COUNT(*) AS n FROM visit AS v JOIN person AS p ON v.patient_id = \
         p.patient_id GROUP BY p.ses",
        (1, 1, Kind::Exact),
        "1,1210;2,1204;3,1176;4,1234;5,1201",
    ),
    (
        "join_public",
        "SELECT c.chapter, COUNT(*) AS n FROM visit AS v JOIN codes AS c ON v.condition_code = \
         c.condition_code GROUP BY c.chapter",
        (3, 1, Kind::Exact),
        "Ch0,2220;Ch1,2090;Ch2,1715",
    ),
    (
        "cte_filter",
        "WITH e AS (SELECT patient_id, region, cost FROM visit WHERE age >= 65) SELECT region, \
         SUM(cost) AS s FROM e GROUP BY region",
        (2, 1, Kind::Near),
        "East,127387.38;North,142136.19;South,148100.75;West,135736.23",
    ),
    (
        "per_patient_then_hist",
        "SELECT k, COUNT(*) AS n FROM (SELECT patient_id, COUNT(*) AS k FROM visit GROUP BY \
         patient_id) AS t GROUP BY k",
        (1, 1, Kind::Exact),
        "4,397;5,381;6,422",
    ),
    (
        "avg_of_per_patient_sum",
        "SELECT AVG(t) AS a FROM (SELECT patient_id, SUM(cost) AS t FROM visit GROUP BY \
         patient_id) AS x",
        (1, 0, Kind::Near),
        "1208.8612",
    ),
    (
        "window_first_visit",
        "WITH f AS (SELECT patient_id, region, ROW_NUMBER() OVER (PARTITION BY patient_id ORDER \
         BY visit_date) AS rn FROM visit) SELECT region, COUNT(*) AS n FROM f WHERE rn = 1 GROUP \
         BY region",
        (1, 1, Kind::Exact),
        "East,293;North,304;South,303;West,300",
    ),
    (
        "comorbidity_self_join",
        "WITH a AS (SELECT patient_id FROM visit WHERE condition_code = 'C010'), b AS (SELECT \
         patient_id AS pid2 FROM visit WHERE condition_code = 'C011') SELECT COUNT(DISTINCT \
         a.patient_id) AS n FROM a JOIN b ON a.patient_id = b.pid2",
        (1, 0, Kind::Exact),
        "178",
    ),
    (
        "semi_join_in",
        "SELECT COUNT(*) AS n FROM visit WHERE patient_id IN (SELECT patient_id FROM person WHERE \
         ses = 1)",
        (1, 0, Kind::Exact),
        "1210",
    ),
    (
        "union_all",
        "SELECT region, COUNT(*) AS n FROM (SELECT patient_id, region FROM visit WHERE age < 18 \
         UNION ALL SELECT patient_id, region FROM visit WHERE age >= 65) AS u GROUP BY region",
        (2, 1, Kind::Exact),
        "East,692;North,773;South,785;West,744",
    ),
    (
        "covar",
        "SELECT COVAR_SAMP(age, cost) AS c FROM visit",
        (1, 0, Kind::Near),
        "1188.6773",
    ),
    (
        "rollup",
        "SELECT region, sex, COUNT(*) AS n FROM visit GROUP BY ROLLUP(region, sex)",
        (2, 2, Kind::Exact),
        "East,F,789;East,M,693;East,,1482;,,6025;North,F,763;North,M,779;North,,1542;South,F,778;\
         South,M,729;South,,1507;West,F,761;West,M,733;West,,1494",
    ),
];

const REGIONS: [&str; 4] = ["East", "North", "South", "West"];

const CODES: [&str; 16] = [
    "C010", "C100", "C011", "C101", "C012", "C102", "C013", "C103", "C014", "C104", "C015", "C105",
    "C016", "C106", "C017", "C107",
];

/// A sequence of numbers that look random: SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        i64::try_from((z ^ (z >> 31)) % end.unsigned_abs()).unwrap()
    }

    /// One of the codes, each a little rarer than the one before it.
    fn code(&mut self) -> &'static str {
        let mut rest = self.below(136);
        let mut weights = (1..=16).rev();
        let rarer = |weight: i64| {
            rest -= weight;
            rest < 0
        };
        CODES[weights.position(rarer).unwrap()]
    }
}

struct Visit {
    patient: i64,
    region: &'static str,
    sex: &'static str,
    age: i64,
    code: &'static str,
    cents: i64,
    day: i32,
}

/// 1,200 persons with four to six visits each in 2019 to 2022, and the persons' status.
fn records() -> (Vec<Visit>, Vec<(i64, i64)>) {
    let mut numbers = Numbers(33);
    let (mut visits, mut persons) = (Vec::new(), Vec::new());
    for patient in 1_000..2_200 {
        let (home, sex) = (numbers.below(4), numbers.below(2));
        let (age, status) = (numbers.below(96), 1 + numbers.below(5));
        let (many, start) = (4 + numbers.below(3), numbers.below(1_461));
        persons.push((patient, status));
        for i in 0..many {
            let away = i64::from(numbers.below(10) == 0);
            visits.push(Visit {
                patient,
                region: REGIONS[usize::try_from((home + away) % 4).unwrap()],
                sex: if sex == 0 { "F" } else { "M" },
                age,
                code: numbers.code(),
                cents: 2_000 + age * 150 + numbers.below(30_000),
                day: i32::try_from(17_897 + (start + i * 97) % 1_461).unwrap(),
            });
        }
    }
    (visits, persons)
}

fn solid(column: ColumnManifest) -> ColumnManifest {
    ColumnManifest { nullable: false, ..column }
}

fn tables() -> Vec<Table> {
    let (visits, persons) = records();
    let patient = || solid(column("patient_id", ColumnKind::Integer));
    let text = |name| column(name, ColumnKind::Text);
    let columns = vec![
        patient(),
        solid(keyed(text("region"), &REGIONS)),
        solid(keyed(text("sex"), &["F", "M"])),
        solid(bounded(column("age", ColumnKind::Integer), 0, 120, 0)),
        solid(text("condition_code")),
        solid(bounded(column("cost", ColumnKind::Float), 0, 50_000, 2)),
        solid(column("visit_date", ColumnKind::Date)),
    ];
    let whole = |of: fn(&Visit) -> i64| Arc::new(visits.iter().map(of).collect::<Int64Array>());
    let words = |of: fn(&Visit) -> Option<&'static str>| {
        Arc::new(visits.iter().map(of).collect::<StringArray>())
    };
    let costs = visits.iter().map(|v| v.cents as f64 / 100.0).collect::<Float64Array>();
    let visit = Table::new(
        "visit",
        Some(8),
        columns,
        vec![
            whole(|v| v.patient),
            words(|v| Some(v.region)),
            words(|v| Some(v.sex)),
            whole(|v| v.age),
            words(|v| Some(v.code)),
            Arc::new(costs),
            Arc::new(visits.iter().map(|v| Some(v.day)).collect::<Date32Array>()),
        ],
    );
    let columns = vec![patient(), solid(bounded(column("ses", ColumnKind::Integer), 1, 5, 0))];
    let (ids, status): (Vec<i64>, Vec<i64>) = persons.into_iter().unzip();
    let arrays: Vec<arrow::array::ArrayRef> =
        vec![Arc::new(Int64Array::from(ids)), Arc::new(Int64Array::from(status))];
    let person = Table::new("person", Some(1), columns, arrays);
    let chapters = (0..CODES.len()).map(|i| Some(format!("Ch{}", i % 3))).collect::<StringArray>();
    let codes = Table::new(
        "codes",
        None,
        vec![solid(text("condition_code")), solid(text("chapter"))],
        vec![Arc::new(StringArray::from(CODES.to_vec())), Arc::new(chapters)],
    );
    vec![visit, person, codes]
}

fn ask(world: &World, sql: &str, groups: u32) -> Result<Answer, String> {
    let bounds = ContributionBounds {
        rows_per_person: Some(6),
        groups_per_person: Some(groups),
        ..ContributionBounds::default()
    };
    let query = Query { text: sql.to_owned(), epsilon: 10_000.0, delta: 1e-6, bounds };
    block_on(world.engine.answer(&query)).map_err(|error| format!("refused: {error}"))
}

/// What is wrong with an answer.
fn fault(answer: &Answer, asked: &Asked) -> Option<String> {
    let (_, sql, (_, keys, kind), expected) = *asked;
    let expected: Vec<Vec<&str>> = expected.split(';').map(|r| r.split(',').collect()).collect();
    let last = answer.columns().len() - 1;
    // Whole numbers within public bounds are keys that are known: those of nobody show a zero.
    let zeros = (0..answer.len()).filter(|row| answer.text(*row, last) == "0").count();
    if answer.len() - zeros != expected.len() {
        return Some(format!("{} rows instead of {}", answer.len() - zeros, expected.len()));
    }
    for (place, cells) in expected.iter().enumerate() {
        let is_key = |row: usize, key: usize| {
            let (found, wanted) = (answer.text(row, key), cells[key]);
            let same = |a: f64, b: f64| (a - b).abs() < 1e-9;
            let number = |text: &str| text.parse::<f64>().ok();
            found == wanted || number(&found).zip(number(wanted)).is_some_and(|(a, b)| same(a, b))
        };
        let of_keys = |row: &usize| (0..keys).all(|key| is_key(*row, key));
        let ordered = sql.contains("ORDER BY n");
        let row = if ordered { Some(place) } else { (0..answer.len()).find(of_keys) };
        let Some(row) = row.filter(of_keys) else { return Some(format!("no row {cells:?}")) };
        for (column, wanted) in cells.iter().enumerate().skip(keys) {
            let value = answer.number(row, column).unwrap_or(f64::NAN);
            let wanted = wanted.parse::<f64>().unwrap();
            let off = (value - wanted).abs();
            let right = match kind {
                Kind::Exact => off < 1e-9,
                Kind::Near => off <= 1e-3 * wanted.abs(),
                Kind::Quantile => {
                    let holds = |bound: Bound| bound.lower <= wanted && wanted <= bound.upper;
                    off <= 500.0 / 1_024.0 && answer.interval(row, column).is_some_and(holds)
                }
            };
            if !right {
                return Some(format!("{value} instead of {wanted} in {cells:?}"));
            }
        }
    }
    None
}

#[test]
fn every_query_of_the_list_is_accepted_word_for_word_and_right() {
    let world = world(&[tables()], 2);
    let wrong = QUERIES.iter().filter_map(|asked| {
        let (name, sql, (groups, ..), _) = asked;
        let fault = match ask(&world, sql, *groups) {
            Ok(answer) => fault(&answer, asked),
            Err(refusal) => Some(refusal),
        };
        fault.map(|fault| format!("{name}: {fault}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
