CREATE OR REPLACE VIEW treated__observed AS
SELECT x.person_id, x.start_date, x.end_date,
  MIN(o.observation_period_start_date) AS observed_from,
  MAX(o.observation_period_end_date) AS observed_to
FROM (
  SELECT t.person_id, t.drug_exposure_start_date AS start_date,
    COALESCE(t.drug_exposure_end_date, t.drug_exposure_start_date + INTERVAL '1' DAY) AS end_date
  FROM drug_exposure t
  WHERE t.drug_concept_id IN (1118084, descendants_of(1118084))
) x
JOIN observation_period o ON o.person_id = x.person_id
  AND x.start_date BETWEEN o.observation_period_start_date AND o.observation_period_end_date
GROUP BY x.person_id, x.start_date, x.end_date;
CREATE OR REPLACE VIEW treated__primary AS
SELECT e.person_id, e.start_date, e.end_date, e.observed_from, e.observed_to
FROM (
  SELECT e.person_id, e.start_date, e.end_date, e.observed_from, e.observed_to,
    LAG(e.start_date) OVER (PARTITION BY e.person_id ORDER BY e.start_date, e.end_date) AS earlier
  FROM treated__observed e
) e
WHERE (e.earlier IS NULL OR e.start_date - e.earlier > 180);
CREATE OR REPLACE VIEW treated__index AS
SELECT e.person_id, e.start_date, e.end_date, e.observed_from, e.observed_to
FROM treated__primary e
LEFT SEMI JOIN (
  SELECT e.person_id, e.start_date, e.end_date
  FROM treated__primary e
  LEFT SEMI JOIN person p2 ON p2.person_id = e.person_id
    AND p2.gender_concept_id IN (8532)
  UNION ALL
  SELECT e.person_id, e.start_date, e.end_date
  FROM treated__primary e
  LEFT SEMI JOIN (
    SELECT e.person_id, e.start_date, e.end_date
    FROM treated__primary e
    JOIN (
      SELECT t.person_id, t.visit_start_date AS start_date,
        t.visit_end_date AS end_date
      FROM visit_occurrence t
    ) a3 ON a3.person_id = e.person_id
      AND a3.start_date BETWEEN e.observed_from AND e.observed_to
      AND a3.start_date - e.start_date BETWEEN -365 AND -1
    GROUP BY e.person_id, e.start_date, e.end_date
    HAVING COUNT(*) >= 2
  ) q5 ON q5.person_id = e.person_id
    AND q5.start_date = e.start_date AND q5.end_date = e.end_date
) q6 ON q6.person_id = e.person_id
  AND q6.start_date = e.start_date AND q6.end_date = e.end_date;
CREATE OR REPLACE VIEW treated__eras AS
SELECT s.person_id, s.start_date AS start_date,
  COALESCE(LEAD(s.ended) OVER (PARTITION BY s.person_id ORDER BY s.start_date), s.latest) AS end_date
FROM (
  SELECT x.person_id, x.start_date,
    MAX(x.end_date) OVER (PARTITION BY x.person_id
      ORDER BY x.start_date, x.end_date ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ended,
    MAX(x.end_date) OVER (PARTITION BY x.person_id) AS latest
  FROM (
    SELECT t.person_id, t.drug_exposure_start_date AS start_date,
      COALESCE(t.drug_exposure_end_date, t.drug_exposure_start_date + INTERVAL '1' DAY) AS end_date
    FROM drug_exposure t
    WHERE t.drug_concept_id IN (1118084, descendants_of(1118084))
  ) x
) s
WHERE s.ended IS NULL OR s.start_date - s.ended > 30;
CREATE OR REPLACE VIEW treated AS
SELECT s.person_id, GREATEST(s.cohort_start_date, DATE '1980-01-01') AS cohort_start_date, LEAST(s.cohort_end_date, DATE '2018-12-31') AS cohort_end_date
FROM (
  SELECT s.person_id, s.start_date AS cohort_start_date,
    COALESCE(LEAD(s.ended) OVER (PARTITION BY s.person_id ORDER BY s.start_date), s.latest) AS cohort_end_date
  FROM (
    SELECT x.person_id, x.start_date,
      MAX(x.end_date) OVER (PARTITION BY x.person_id
        ORDER BY x.start_date, x.end_date ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ended,
      MAX(x.end_date) OVER (PARTITION BY x.person_id) AS latest
    FROM (
      SELECT x.person_id, x.start_date, x.exit_date AS end_date
      FROM (
        SELECT e.person_id, e.start_date, e.observed_to,
          LEAST(e.exit_date, MIN(c.start_date)) AS exit_date
        FROM (
          SELECT e.person_id, e.start_date, e.observed_to,
            LEAST(e.observed_to, MIN(r.end_date) + INTERVAL '7' DAY) AS exit_date
          FROM treated__index e
          LEFT JOIN treated__eras r ON r.person_id = e.person_id
            AND e.start_date >= r.start_date AND e.start_date - r.end_date <= 7
          GROUP BY e.person_id, e.start_date, e.observed_to
        ) e
        LEFT JOIN (
          SELECT t.person_id, t.condition_start_date AS start_date,
            COALESCE(t.condition_end_date, t.condition_start_date + INTERVAL '1' DAY) AS end_date
          FROM condition_occurrence t
          WHERE (t.condition_concept_id IN (192671, descendants_of(192671))
              AND t.condition_concept_id NOT IN (4))
          UNION ALL
          SELECT t.person_id, t.death_date AS start_date,
            t.death_date + INTERVAL '1' DAY AS end_date
          FROM death t
        ) c ON c.person_id = e.person_id
          AND c.start_date BETWEEN e.start_date AND e.observed_to
        GROUP BY e.person_id, e.start_date, e.observed_to, e.exit_date
      ) x
      WHERE x.exit_date >= x.start_date
    ) x
  ) s
  WHERE s.ended IS NULL OR s.start_date - s.ended > 30
) s
WHERE GREATEST(s.cohort_start_date, DATE '1980-01-01') <= LEAST(s.cohort_end_date, DATE '2018-12-31');
SELECT p.passed AS rules_passed, COUNT(*) AS persons
FROM (
  SELECT s.person_id, MAX(s.passed) AS passed
  FROM (
    SELECT e.person_id, 0 AS passed FROM treated__index e
  ) s
  GROUP BY s.person_id
) p
WHERE p.passed IS NOT NULL
GROUP BY p.passed
ORDER BY rules_passed;
