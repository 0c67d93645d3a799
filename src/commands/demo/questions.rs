//! The questions of the demo.

/// One question, and what it shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// What it shows.
    pub(super) title: &'static str,
    /// Flags of `graunt sql`.
    flags: &'static [&'static str],
    sql: &'static str,
}

impl Question {
    /// Its command line, without the program.
    pub(super) fn command(&self) -> Vec<&'static str> {
        [&["sql"], self.flags, &["-c", self.sql]].concat()
    }
}

/// Seven questions at ε = 1 each; the budget of the demo holds one more, and no dearer one.
pub(super) static QUESTIONS: &[Question] = &[
    Question {
        title: "How many persons are there of each sex?",
        flags: &[],
        sql: "SELECT gender_concept_id, COUNT(*) AS persons
FROM person
GROUP BY gender_concept_id
ORDER BY gender_concept_id",
    },
    Question {
        title: "How common is hypertension by age? (numerator, denominator and rate from one \
        charge)",
        flags: &[],
        sql: "WITH hypertensive AS (
  SELECT DISTINCT person_id FROM condition_occurrence WHERE condition_concept_id = 320128
)
SELECT CASE WHEN 2023 - p.year_of_birth < 40 THEN '18 to 39'
            WHEN 2023 - p.year_of_birth < 65 THEN '40 to 64'
            ELSE '65 and over' END AS age,
       COUNT(*) AS persons,
       COUNT(h.person_id) AS hypertensive,
       100.0 * COUNT(h.person_id) / COUNT(*) AS percent
FROM person p LEFT JOIN hypertensive h ON h.person_id = p.person_id
WHERE 2023 - p.year_of_birth >= 18
GROUP BY 1
ORDER BY 1",
    },
    Question {
        title: "What is the mean systolic blood pressure? (BETWEEN gives the bounds)",
        flags: &["--rows-per-person", "5"],
        sql: "SELECT p.gender_concept_id, AVG(m.value_as_number) AS systolic
FROM measurement m JOIN person p ON p.person_id = m.person_id
WHERE m.measurement_concept_id = 3004249
  AND m.value_as_number BETWEEN 60 AND 240
  AND p.gender_concept_id IN (8507, 8532)
GROUP BY p.gender_concept_id
ORDER BY p.gender_concept_id",
    },
    Question {
        title: "How many visits were there in each year?",
        flags: &["--rows-per-person", "10", "--groups-per-person", "5"],
        sql: "SELECT EXTRACT(YEAR FROM visit_start_date) AS year, COUNT(*) AS visits
FROM visit_occurrence
WHERE EXTRACT(YEAR FROM visit_start_date) BETWEEN 2019 AND 2023
GROUP BY 1
ORDER BY 1",
    },
    Question {
        title: "What did each kind of payer pay? (one person counts for 25,000 at most)",
        flags: &["--groups-per-person", "2"],
        sql: "SELECT p.payer_concept_id, SUM(c.paid_by_payer) AS paid
FROM cost c
JOIN payer_plan_period p
  ON p.person_id = c.person_id AND p.payer_plan_period_id = c.payer_plan_period_id
GROUP BY p.payer_concept_id
ORDER BY paid DESC",
    },
    Question {
        title: "Which conditions do most persons have? (rare keys are not shown)",
        flags: &["--groups-per-person", "6"],
        sql: "SELECT n.concept_name AS condition, COUNT(DISTINCT o.person_id) AS persons
FROM condition_occurrence o JOIN concept n ON n.concept_id = o.condition_concept_id
GROUP BY n.concept_name
ORDER BY persons DESC
LIMIT 8",
    },
    Question {
        title: "How many persons with celecoxib had gastrointestinal bleeding? (a join on the \
        person)",
        flags: &[],
        sql: "SELECT COUNT(DISTINCT d.person_id) AS persons
FROM drug_exposure d JOIN condition_occurrence o ON o.person_id = d.person_id
WHERE d.drug_concept_id = 1118084 AND o.condition_concept_id = 192671",
    },
];

/// Questions that are never answered.
pub(super) static REFUSED: &[Question] = &[
    Question {
        title: "Refused: rows of different persons would meet",
        flags: &[],
        sql: "SELECT COUNT(*)
FROM visit_occurrence v
JOIN condition_occurrence o ON o.condition_start_date = v.visit_start_date",
    },
    Question {
        title: "Refused: rows of persons would be shown",
        flags: &[],
        sql: "SELECT person_id, year_of_birth FROM person LIMIT 10",
    },
];

/// A question that the budget does not hold any more.
pub(super) static TOO_DEAR: Question = Question {
    title: "Exhausted: the budget does not hold this any more, and nobody can reset it",
    flags: &["--epsilon", "2"],
    sql: "SELECT COUNT(*) AS persons FROM person",
};
