//! A cohort as a value: who enters it, on which day, and when each leaves.
//!
//! ```text
//!  index events ─observed─▶ qualified ─rule 1─▶ … ─rule n─▶ included ─exit, censoring─▶ cohort
//! ```
//! A definition names concepts and days, never persons. It is made from a file; there is no way
//! to make one that has no SQL.

use chrono::NaiveDate;

use crate::cohort::error::CohortError;
use crate::cohort::sql::{self, View};
use crate::cohort::tables::{Table, table};
use crate::cohort::{circe, document};

/// The definition of a cohort.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    pub(super) name: String,
    pub(super) title: Option<String>,
    pub(super) index: Index,
    /// All of them hold.
    pub(super) rules: Vec<Rule>,
    /// Which of the included events of a person count.
    pub(super) limit: Pick,
    pub(super) exit: Exit,
    /// A person leaves on the first day of the first of these.
    pub(super) censoring: Vec<Event>,
    /// Stays that are at most so many days apart become one.
    pub(super) collapse_days: u32,
    /// Stays are cut off at its ends.
    pub(super) calendar: Calendar,
}

impl Definition {
    /// Reads a definition in TOML; `file` is its name in errors.
    ///
    /// ```
    /// use queries::cohort::definition::Definition;
    ///
    /// let text = r#"
    ///     name = "new_users"
    ///     limit = "first"
    ///
    ///     [concepts.celecoxib]
    ///     descendants_of = [1118084]
    ///     [concepts.haemorrhage]
    ///     descendants_of = [192671]
    ///
    ///     [index]
    ///     events = [{ table = "drug_exposure", concepts = "celecoxib", pick = "first" }]
    ///     prior_days = 365
    ///
    ///     [[rules]]
    ///     name = "no haemorrhage before"
    ///     all = [{ table = "condition_occurrence", concepts = "haemorrhage",
    ///              occurrences = { exactly = 0 }, window = { to = 0 } }]
    /// "#;
    /// let definition = Definition::from_toml("new_users.toml", text)?;
    /// assert!(definition.script().contains("CREATE OR REPLACE VIEW new_users AS"));
    /// # Ok::<(), queries::cohort::error::CohortError>(())
    /// ```
    ///
    /// # Errors
    /// [`CohortError::Toml`] if it is not TOML; [`CohortError::Refused`] with line and column for
    /// a key or a value that definitions do not have.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, CohortError> {
        document::read(file, text)
    }

    /// Reads a definition that ATLAS exported, and calls it `name`; `file` is its name in errors.
    ///
    /// # Errors
    /// [`CohortError::Json`] if it is not JSON; [`CohortError::Name`]; [`CohortError::Refused`]
    /// with its path for whatever is not of the common core.
    ///
    /// # Source
    /// OHDSI/circe-be, `CohortExpression` and the SQL that it makes of it.
    pub fn from_circe(name: &str, file: &str, text: &str) -> Result<Self, CohortError> {
        circe::read(name, file, text)
    }

    /// The name of the cohort, and of its view.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the cohort is called in reports, if it says.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// The names of the inclusion rules, in their order.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.name.as_str())
    }

    /// The views to create, in this order. The last has the name of the cohort and the columns
    /// `person_id`, `cohort_start_date` and `cohort_end_date`; the others begin with the name and
    /// two underscores.
    ///
    /// Days are those of the extract: one that keeps only years, as Safe Harbor asks, has every
    /// event on the first of January.
    ///
    /// # Privacy
    /// Every join equates the person, every window is within one, every aggregate names one; so
    /// each row of a view is one person's, and a question about it costs what any does.
    ///
    /// Counts of rows within a person stop at `rows_per_person_max` of a question, where one says
    /// so: a rule of more occurrences than that holds for nobody then.
    pub fn views(&self) -> Vec<View> {
        sql::views(self)
    }

    /// The same as one script of `CREATE OR REPLACE VIEW` statements.
    pub fn script(&self) -> String {
        self.views().iter().map(|view| format!("{view};\n")).collect()
    }

    /// A question about the views: how many persons pass how many rules in their order, by their
    /// best event.
    ///
    /// Shape: one row for each number of rules from 0 to all of them, in this order; columns
    /// `rules_passed` and `persons`. Those who pass at least `k` rules, which is what a diagram of
    /// the flow shows, are the sum of the rows from `k` on; the noise of the rows is independent.
    /// Rows with fewer persons than the policy or the question asks for are not shown.
    ///
    /// # Privacy
    /// One boundary: a person counts once, in one row, and all rows are known beforehand.
    pub fn attrition_sql(&self) -> String {
        sql::attrition(self)
    }
}

/// A time in which stays count.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Calendar {
    pub(super) from: Option<NaiveDate>,
    pub(super) to: Option<NaiveDate>,
}

/// The events that a person may enter with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Index {
    /// Any of them; not empty.
    pub(super) events: Vec<Event>,
    /// Days of observation before the event, at least.
    pub(super) prior_days: u32,
    /// Days of observation after the event, at least.
    pub(super) after_days: u32,
    /// Days before an event in which none of the observed index events began, whether or not that
    /// one counts; of several on one day the one that ends first is looked at.
    pub(super) washout_days: u32,
    /// Which of the person's events that are observed so long count.
    pub(super) limit: Pick,
    /// What holds for an event besides; Circe's additional criteria.
    pub(super) criteria: Option<Group>,
    /// Which of the person's events for which that holds count.
    pub(super) qualified_limit: Pick,
}

/// Which of several events of a person count, by their first days.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pick {
    All,
    First,
    Last,
}

/// An inclusion rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) group: Group,
}

/// Statements about an event, of which some have to hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    pub(super) quantifier: Quantifier,
    pub(super) members: Vec<Member>,
}

/// How many of several statements have to hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Quantifier {
    All,
    Any,
    AtLeast(u32),
    AtMost(u32),
}

/// A statement about an event.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Member {
    Occurrence(Box<Occurrence>),
    Person(Box<Person>),
    Group(Group),
}

/// How often something occurs around an event.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Occurrence {
    pub(super) event: Event,
    pub(super) count: Count,
    /// What is counted: rows, or different values of a column.
    pub(super) distinct: Distinct,
    /// All of them hold.
    pub(super) windows: Vec<Window>,
    /// Whether it has to begin within the observation period of the event.
    pub(super) is_observed: bool,
}

/// How often.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Count {
    AtLeast(u32),
    AtMost(u32),
    Exactly(u32),
}

/// What is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Distinct {
    Rows,
    Concepts,
    StartDates,
}

/// Days relative to an event, both ends included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Window {
    /// `None`: from the start of observation on.
    pub(super) from: Option<i32>,
    /// `None`: until the end of observation.
    pub(super) to: Option<i32>,
    /// Which day of the event is day 0.
    pub(super) index: Edge,
    /// Which day of the occurrence lies in it.
    pub(super) occurrence: Edge,
}

/// The first or the last day of an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Edge {
    Start,
    End,
}

/// What is asked of the person on the day of an event, and of that day.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Person {
    /// Year of the event less year of birth.
    pub(super) age: Limits<i64>,
    pub(super) sex: Option<Within>,
    pub(super) race: Option<Within>,
    pub(super) ethnicity: Option<Within>,
    pub(super) start: Limits<NaiveDate>,
    pub(super) end: Limits<NaiveDate>,
}

/// Rows of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    pub(super) table: &'static Table,
    /// Any concept, if there is none.
    pub(super) concepts: Option<ConceptSet>,
    /// Which of the person's rows with these concepts count, before anything else is asked.
    pub(super) pick: Pick,
    pub(super) start: Limits<NaiveDate>,
    pub(super) end: Limits<NaiveDate>,
    /// Days from the first to the last.
    pub(super) length_days: Limits<i64>,
    pub(super) age: Limits<i64>,
    pub(super) sex: Option<Within>,
    /// Concepts of the visit that the event names.
    pub(super) visit: Option<Within>,
    /// Columns of concepts, and what they are within.
    pub(super) within: Vec<(&'static str, Within)>,
    /// Columns of numbers, and where they lie.
    pub(super) numbers: Vec<(&'static str, Limits<f64>)>,
    /// What has to hold around the event itself.
    pub(super) correlated: Option<Group>,
}

impl Event {
    /// Every row of a table with these concepts.
    pub(super) fn of(table: &'static Table, concepts: Option<ConceptSet>) -> Self {
        Self {
            table,
            concepts,
            pick: Pick::All,
            start: Limits::default(),
            end: Limits::default(),
            length_days: Limits::default(),
            age: Limits::default(),
            sex: None,
            visit: None,
            within: vec![],
            numbers: vec![],
            correlated: None,
        }
    }
}

/// Concepts, by number.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct ConceptSet {
    pub(super) concepts: Vec<i64>,
    /// These and what is below them.
    pub(super) descendants_of: Vec<i64>,
    pub(super) except: Vec<i64>,
    /// Not these, nor what is below them.
    pub(super) except_descendants_of: Vec<i64>,
}

/// A concept is one of some, or none of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Within {
    pub(super) concepts: ConceptSet,
    pub(super) is_excluded: bool,
}

/// Where a value lies; anywhere, if nothing is said.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Limits<T> {
    pub(super) at_least: Option<T>,
    pub(super) above: Option<T>,
    pub(super) at_most: Option<T>,
    pub(super) below: Option<T>,
    /// Whether it lies everywhere else instead.
    pub(super) is_outside: bool,
}

impl<T> Default for Limits<T> {
    fn default() -> Self {
        Self { at_least: None, above: None, at_most: None, below: None, is_outside: false }
    }
}

impl<T> Limits<T> {
    /// Whether nothing is said.
    pub(super) const fn is_empty(&self) -> bool {
        self.at_least.is_none()
            && self.above.is_none()
            && self.at_most.is_none()
            && self.below.is_none()
    }
}

/// When a person leaves, at the latest.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Exit {
    /// With the observation period.
    Observation,
    /// So many days after the event, or with the observation period if that is earlier.
    Offset { after: Edge, days: i32 },
    /// When events, such as exposures to a drug, follow one another no longer: a gap of more than
    /// `gap_days` ends them, and `offset_days` are added. Who enters at another time leaves with
    /// the observation period.
    Era { event: Box<Event>, gap_days: u32, offset_days: u32 },
}

/// Whether a name is that of a cohort.
pub(super) fn is_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase();
    name.len() <= 40
        && name.starts_with(is_letter)
        && name.chars().all(|c| is_letter(c) || c.is_ascii_digit() || c == '_')
        && !name.contains("__")
        && !name.ends_with('_')
        && table(name).is_none()
        && !OTHER_TABLES.contains(&name)
}

/// Tables of the data model that hold no events; a view cannot have the name of a table.
const OTHER_TABLES: [&str; 14] = [
    "care_site",
    "cdm_source",
    "cohort",
    "cohort_definition",
    "concept",
    "concept_ancestor",
    "concept_relationship",
    "cost",
    "cost_person",
    "location",
    "payer_plan_period",
    "person",
    "provider",
    "visit_detail",
];

/// Most days that a definition may name: a century, which is what the engine moves a date by.
pub(super) const DAYS_MAX: u32 = 36_500;
