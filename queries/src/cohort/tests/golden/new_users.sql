CREATE OR REPLACE VIEW new_users__observed AS
SELECT x.person_id, x.start_date, x.end_date,
  MIN(o.observation_period_start_date) AS observed_from,
  MAX(o.observation_period_end_date) AS observed_to
FROM (
  SELECT t.person_id, t.drug_exposure_start_date AS start_date,
    COALESCE(t.drug_exposure_end_date, t.drug_exposure_start_date + INTERVAL '1' DAY) AS end_date
  FROM (
    SELECT t.person_id, t.drug_exposure_start_date, t.drug_exposure_end_date,
      LAG(t.drug_exposure_start_date) OVER (PARTITION BY t.person_id ORDER BY t.drug_exposure_start_date) AS other
    FROM drug_exposure t
    WHERE t.drug_concept_id IN (1118084, descendants_of(1118084))
  ) t
  WHERE t.other IS NULL
) x
JOIN observation_period o ON o.person_id = x.person_id
  AND x.start_date BETWEEN o.observation_period_start_date AND o.observation_period_end_date
GROUP BY x.person_id, x.start_date, x.end_date;
CREATE OR REPLACE VIEW new_users__index AS
SELECT e.person_id, e.start_date, e.end_date, e.observed_from, e.observed_to
FROM new_users__observed e
WHERE e.start_date - e.observed_from >= 365;
CREATE OR REPLACE VIEW new_users__rule_1 AS
SELECT e.person_id, e.start_date, e.end_date, e.observed_from, e.observed_to
FROM new_users__index e
LEFT SEMI JOIN person p2 ON p2.person_id = e.person_id
  AND age_at(p2.year_of_birth, e.start_date) >= 40;
CREATE OR REPLACE VIEW new_users__rule_2 AS
SELECT e.person_id, e.start_date, e.end_date, e.observed_from, e.observed_to
FROM new_users__rule_1 e
LEFT ANTI JOIN (
  SELECT t.person_id, t.condition_start_date AS start_date,
    COALESCE(t.condition_end_date, t.condition_start_date + INTERVAL '1' DAY) AS end_date
  FROM condition_occurrence t
  WHERE t.condition_concept_id IN (192671, descendants_of(192671))
) a4 ON a4.person_id = e.person_id
  AND a4.start_date BETWEEN e.observed_from AND e.observed_to
  AND a4.start_date - e.start_date <= 0;
CREATE OR REPLACE VIEW new_users__included AS
SELECT e.person_id, e.start_date, e.end_date, e.observed_from, e.observed_to
FROM (
  SELECT e.person_id, e.start_date, e.end_date, e.observed_from, e.observed_to,
    LAG(e.start_date) OVER (PARTITION BY e.person_id ORDER BY e.start_date, e.end_date) AS other
  FROM new_users__rule_2 e
) e
WHERE e.other IS NULL;
CREATE OR REPLACE VIEW new_users AS
SELECT x.person_id, MIN(x.start_date) AS cohort_start_date,
  MIN(x.exit_date) AS cohort_end_date
FROM (
  SELECT e.person_id, e.start_date, e.observed_to,
    e.observed_to AS exit_date
  FROM new_users__included e
) x
WHERE x.exit_date >= x.start_date
GROUP BY x.person_id;
SELECT p.passed AS rules_passed, COUNT(*) AS persons
FROM (
  SELECT s.person_id, MAX(s.passed) AS passed
  FROM (
    SELECT e.person_id, 0 AS passed FROM new_users__index e
    UNION ALL
    SELECT e.person_id, 1 AS passed FROM new_users__rule_1 e
    UNION ALL
    SELECT e.person_id, 2 AS passed FROM new_users__rule_2 e
  ) s
  GROUP BY s.person_id
) p
WHERE p.passed IS NOT NULL
GROUP BY p.passed
ORDER BY rules_passed;
