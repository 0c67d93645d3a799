CREATE OR REPLACE VIEW bleeds__observed AS
SELECT x.person_id, x.start_date, x.end_date,
  MIN(o.observation_period_start_date) AS observed_from,
  MAX(o.observation_period_end_date) AS observed_to
FROM (
  SELECT t.person_id, t.condition_start_date AS start_date,
    COALESCE(t.condition_end_date, t.condition_start_date + INTERVAL '1' DAY) AS end_date
  FROM condition_occurrence t
  WHERE t.condition_concept_id IN (192671, descendants_of(192671))
) x
JOIN observation_period o ON o.person_id = x.person_id
  AND x.start_date BETWEEN o.observation_period_start_date AND o.observation_period_end_date
GROUP BY x.person_id, x.start_date, x.end_date;
CREATE OR REPLACE VIEW bleeds__index AS
SELECT e.person_id, e.start_date, e.end_date, e.observed_from, e.observed_to
FROM bleeds__observed e;
CREATE OR REPLACE VIEW bleeds AS
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
        e.observed_to AS exit_date
      FROM bleeds__index e
    ) x
    WHERE x.exit_date >= x.start_date
  ) x
) s
WHERE s.ended IS NULL OR s.start_date - s.ended > 0;
SELECT p.passed AS rules_passed, COUNT(*) AS persons
FROM (
  SELECT s.person_id, MAX(s.passed) AS passed
  FROM (
    SELECT e.person_id, 0 AS passed FROM bleeds__index e
  ) s
  GROUP BY s.person_id
) p
WHERE p.passed IS NOT NULL
GROUP BY p.passed
ORDER BY rules_passed;
