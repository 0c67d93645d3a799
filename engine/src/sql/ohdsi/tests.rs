//! OMOP queries in the style of the published ones, and what the planner is given for them.

use crate::error::{Code, Rejection};
use crate::sql::dialect::Dialect;
use crate::sql::text::{Place, Request, parse_request};

fn printed(text: &str) -> Result<String, Rejection> {
    match parse_request(text, Dialect::Ohdsi)? {
        Request::Answer(query) => Ok(query.statement.to_string()),
        other => panic!("{other:?}"),
    }
}

/// Checks the query that the planner is given; line breaks and margins do not count.
fn check(text: &str, expected: &str) {
    let expected: Vec<&str> = expected.split_whitespace().collect();
    assert_eq!(printed(text), Ok(expected.join(" ")));
}

#[test]
fn persons_by_gender() {
    check(
        "SELECT p.gender_concept_id, c.concept_name AS gender_name,
                COUNT_BIG(p.person_id) AS num_persons
         FROM @cdm.person p
         INNER JOIN @vocab.concept c ON p.gender_concept_id = c.concept_id
         GROUP BY p.gender_concept_id, c.concept_name;",
        "SELECT p.gender_concept_id, c.concept_name AS gender_name,
                count(p.person_id) AS num_persons
         FROM person p
         INNER JOIN concept c ON p.gender_concept_id = c.concept_id
         GROUP BY p.gender_concept_id, c.concept_name",
    );
}

#[test]
fn persons_by_year_of_birth() {
    check(
        "SELECT year_of_birth, COUNT(person_id) AS Num_Persons
         FROM @cdm_database_schema.dbo.person WITH (NOLOCK)
         GROUP BY year_of_birth ORDER BY year_of_birth",
        "SELECT year_of_birth, COUNT(person_id) AS Num_Persons
         FROM person
         GROUP BY year_of_birth ORDER BY year_of_birth",
    );
}

#[test]
fn persons_by_state() {
    check(
        "SELECT ISNULL(l.state, 'XX') AS [state abbr], COUNT(*) AS [Total]
         FROM [dbo].[person] p LEFT JOIN dbo.[location] l ON l.[location_id] = p.location_id
         GROUP BY ISNULL(l.state, 'XX')",
        "SELECT coalesce(l.state, 'XX') AS \"state abbr\", COUNT(*) AS Total
         FROM person p LEFT JOIN location l ON l.location_id = p.location_id
         GROUP BY coalesce(l.state, 'XX')",
    );
}

#[test]
fn persons_with_a_condition_and_its_descendants() {
    check(
        "SELECT COUNT(DISTINCT co.person_id) AS persons
         FROM @cdm.condition_occurrence co
         JOIN @cdm.concept_ancestor ca ON ca.descendant_concept_id = co.condition_concept_id
         WHERE ca.ancestor_concept_id = 201826",
        "SELECT COUNT(DISTINCT co.person_id) AS persons
         FROM condition_occurrence co
         JOIN concept_ancestor ca ON ca.descendant_concept_id = co.condition_concept_id
         WHERE ca.ancestor_concept_id = 201826",
    );
}

#[test]
fn drug_era_durations() {
    check(
        "SELECT AVG(CAST(DATEDIFF(dd, drug_era_start_date, drug_era_end_date) + 1
                         AS FLOAT)) AS mean,
                STDEV(DATEDIFF(day, drug_era_start_date, drug_era_end_date)) AS sd,
                VARP(gap_days) AS spread
         FROM @cdm.drug_era WHERE drug_concept_id IN (1539403, 1539463)",
        "SELECT AVG(CAST((drug_era_end_date - drug_era_start_date) + 1 AS DOUBLE)) AS mean,
                stddev((drug_era_end_date - drug_era_start_date)) AS sd,
                var_pop(gap_days) AS spread
         FROM drug_era WHERE drug_concept_id IN (1539403, 1539463)",
    );
}

#[test]
fn observation_periods_by_month_and_their_length() {
    check(
        "SELECT YEAR(op.observation_period_start_date), MONTH(op.observation_period_start_date),
                SUM(DATEDIFF(mm, op.observation_period_start_date,
                             op.observation_period_end_date)) AS months
         FROM @cdm.observation_period op
         GROUP BY YEAR(op.observation_period_start_date), MONTH(op.observation_period_start_date)",
        "SELECT EXTRACT(YEAR FROM op.observation_period_start_date)
                  AS \"YEAR(op.observation_period_start_date)\",
                EXTRACT(MONTH FROM op.observation_period_start_date)
                  AS \"MONTH(op.observation_period_start_date)\",
                SUM((((EXTRACT(YEAR FROM op.observation_period_end_date) -
                       EXTRACT(YEAR FROM op.observation_period_start_date)) * 12) +
                     (EXTRACT(MONTH FROM op.observation_period_end_date) -
                      EXTRACT(MONTH FROM op.observation_period_start_date)))) AS months
         FROM observation_period op
         GROUP BY EXTRACT(YEAR FROM op.observation_period_start_date),
                  EXTRACT(MONTH FROM op.observation_period_start_date)",
    );
}

#[test]
fn the_most_frequent_conditions() {
    check(
        "SELECT TOP 10 c.concept_name, COUNT(DISTINCT co.person_id) AS n
         FROM @cdm.condition_occurrence co
         JOIN @vocab.concept c ON c.concept_id = co.condition_concept_id
         GROUP BY c.concept_name ORDER BY COUNT(DISTINCT co.person_id) DESC",
        "SELECT c.concept_name, COUNT(DISTINCT co.person_id) AS n
         FROM condition_occurrence co
         JOIN concept c ON c.concept_id = co.condition_concept_id
         GROUP BY c.concept_name ORDER BY COUNT(DISTINCT co.person_id) DESC LIMIT 10",
    );
}

#[test]
fn age_at_first_diagnosis() {
    check(
        "WITH first_dx AS (
           SELECT co.person_id, co.condition_start_date,
                  ROW_NUMBER() OVER (PARTITION BY co.person_id
                                     ORDER BY co.condition_start_date) AS rn
           FROM @cdm.condition_occurrence co
           WHERE co.condition_concept_id IN descendants_of(201826))
         SELECT AVG(1.0 * (YEAR(f.condition_start_date) - p.year_of_birth)) AS mean_age,
                SUM(IIF(DATEDIFF(yy, '19500101', f.condition_start_date) >= 65, 1, 0)) AS old
         FROM first_dx f JOIN @cdm.person p ON p.person_id = f.person_id
         WHERE f.rn = 1",
        "WITH first_dx AS (SELECT co.person_id, co.condition_start_date,
                  ROW_NUMBER() OVER (PARTITION BY co.person_id
                                     ORDER BY co.condition_start_date) AS rn
           FROM condition_occurrence co
           WHERE co.condition_concept_id IN (SELECT descendant_concept_id FROM concept_ancestor
             WHERE ancestor_concept_id IN (201826)))
         SELECT AVG(1.0 * (EXTRACT(YEAR FROM f.condition_start_date) - p.year_of_birth))
                  AS mean_age,
                SUM(CASE WHEN (EXTRACT(YEAR FROM f.condition_start_date) -
                  EXTRACT(YEAR FROM DATE '1950-01-01')) >= 65 THEN 1 ELSE 0 END) AS old
         FROM first_dx f JOIN person p ON p.person_id = f.person_id
         WHERE f.rn = 1",
    );
}

#[test]
fn visits_after_a_year_of_observation() {
    check(
        "SELECT COUNT(DISTINCT v.person_id) FROM @cdm.visit_occurrence v
         JOIN @cdm.observation_period o ON v.person_id = o.person_id
          AND v.visit_start_date >= DATEADD(day, 365, o.observation_period_start_date)
          AND v.visit_end_date <= DATEADD(d, -30, o.observation_period_end_date)
         WHERE v.visit_start_date BETWEEN DATEFROMPARTS(2010, 1, 1) AND CONVERT(DATE, '20101231')",
        "SELECT COUNT(DISTINCT v.person_id) FROM visit_occurrence v
         JOIN observation_period o ON v.person_id = o.person_id
          AND v.visit_start_date >= (o.observation_period_start_date + INTERVAL '365' DAY)
          AND v.visit_end_date <= (o.observation_period_end_date - INTERVAL '30' DAY)
         WHERE v.visit_start_date BETWEEN DATE '2010-01-01' AND DATE '2010-12-31'",
    );
}

#[test]
fn drugs_by_whether_they_were_stopped() {
    let stopped = |length: &str| format!("CASE WHEN {length}(d.stop_reason) > 0 THEN 1 ELSE 0 END");
    let query = |length, table| {
        let stopped = stopped(length);
        format!(
            "SELECT {stopped} AS stopped, COUNT(*) AS n FROM {table}
             JOIN person p ON p.person_id = d.person_id
             GROUP BY {stopped} HAVING COUNT(*) > 100"
        )
    };
    let expected = query("character_length", "drug_exposure AS d");
    for table in ["@cdm.drug_exposure AS d WITH (NOLOCK)", "@cdm.drug_exposure AS d (NOLOCK)"] {
        check(&query("LEN", table), &expected);
    }
    check("SELECT COUNT(*) FROM person (NOLOCK)", "SELECT COUNT(*) FROM person");
}

#[test]
fn columns_named_with_an_equals_sign() {
    check(
        "SELECT n = COUNT(*), [Race] = p.race_concept_id, [year] = year_of_birth
         FROM person p GROUP BY p.race_concept_id, year_of_birth",
        "SELECT COUNT(*) AS n, p.race_concept_id AS Race, year_of_birth AS year
         FROM person p GROUP BY p.race_concept_id, year_of_birth",
    );
}

#[test]
fn the_first_rows_of_each_side_of_a_union() {
    check(
        "SELECT TOP (5) gender_concept_id FROM @cdm.person GROUP BY gender_concept_id
         UNION ALL SELECT DISTINCT TOP 3 race_concept_id FROM @cdm.person",
        "(SELECT gender_concept_id FROM person GROUP BY gender_concept_id LIMIT 5)
         UNION ALL (SELECT DISTINCT race_concept_id FROM person LIMIT 3)",
    );
    check(
        "SELECT COUNT(*) FROM (SELECT TOP 3 race_concept_id FROM person) x",
        "SELECT COUNT(*) FROM (SELECT race_concept_id FROM person LIMIT 3) x",
    );
}

#[test]
fn the_privacy_clause_and_bounds_are_known_in_transact_sql_too() {
    check(
        "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1)
           SUM(CONVERT(FLOAT, quantity), contribution_bounds_per_group => (0, 100)) AS total
         FROM @cdm.drug_exposure WHERE TRY_CONVERT(INT, sig) > 3 AND LEFT(stop_reason, 1) = 'a'",
        "SELECT SUM(graunt_total(CAST(quantity AS DOUBLE), 0, 100)) AS total
         FROM drug_exposure WHERE TRY_CAST(sig AS INT) > 3 AND LEFT(stop_reason, 1) = 'a'",
    );
    check(
        "SELECT COUNT_BIG(*, contribution_bounds_per_group => (0, 5)) AS n,
                VAR(CAST(x AS DATETIME2)) AS v, CEILING(AVG(y)) AS c, STDEVP(z) AS s FROM t",
        "SELECT count(graunt_total(1, 0, 5)) AS n,
                VAR(CAST(x AS TIMESTAMP)) AS v, ceil(AVG(y)) AS c, stddev_pop(z) AS s FROM t",
    );
}

#[test]
fn what_has_no_counterpart_is_refused_at_its_place() {
    for (text, code, column) in [
        ("SELECT GETDATE()", Code::Function, 8),
        ("SELECT DATEFROMPARTS(year_of_birth, 1, 1) FROM person", Code::Function, 8),
        ("SELECT DATEFROMPARTS(2021, 2, 29)", Code::Function, 8),
        ("SELECT CONVERT(VARCHAR(10), d, 112) FROM t", Code::Function, 8),
        ("SELECT COUNT(*) INTO #t FROM @cdm.person", Code::Statement, 22),
        ("SELECT COUNT(*) INTO t FROM @cdm.person", Code::Statement, 17),
        ("SELECT COUNT(*) FROM #cohort", Code::Statement, 22),
        ("SELECT COUNT(*) FROM @cdm.person WHERE g = @gender", Code::Syntax, 44),
        ("SELECT COUNT(*) FROM @cdm.@table", Code::Syntax, 27),
        ("SELECT TOP 10 PERCENT a FROM t", Code::Syntax, 8),
        ("SELECT TOP 10 WITH TIES a FROM t", Code::Syntax, 8),
        ("SELECT TOP 10 a FROM t LIMIT 5", Code::Syntax, 8),
        ("SELECT COUNT(*) FROM [person", Code::Syntax, 22),
        ("SELECT COUNT(* FROM @cdm.person", Code::Syntax, 16),
    ] {
        let refused = printed(text).unwrap_err();
        let place = Some(Place { line: 1, column });
        assert_eq!((refused.code, refused.place), (code, place), "{text}: {refused}");
    }
}
