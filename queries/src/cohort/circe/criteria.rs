//! Criteria: the rows of one table, and what Circe asks of them.

use crate::cohort::circe::group::age;
use crate::cohort::circe::ranges::{day, range};
use crate::cohort::circe::{Reader, concept_id};
use crate::cohort::definition::{ConceptSet, Event, Pick, Within};
use crate::cohort::error::CohortError;
use crate::cohort::tables::{self, Table};
use crate::cohort::tree::{Fields, Node};

/// A kind of criteria.
struct Kind {
    name: &'static str,
    table: &'static str,
    /// Keys besides those that all have.
    asks: &'static [(&'static str, Ask)],
}

/// What a key asks of.
#[derive(Clone, Copy)]
enum Ask {
    Start,
    End,
    Length,
    Age,
    Sex,
    Visit,
    /// A column of concepts, by its key in our definitions.
    Concept(&'static str),
    /// A column of numbers.
    Number(&'static str),
}

impl Reader<'_> {
    /// An event: a table with one key, its kind.
    pub(super) fn event(&self, node: &Node) -> Result<Event, CohortError> {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let (name, body) = node.only(&names)?;
        let kind = KINDS.iter().find(|kind| kind.name == name);
        let found = kind.and_then(|kind| Some((kind, tables::table(kind.table)?)));
        let Some((kind, table)) = found else { return Err(body.refuse("it has no table")) };
        let allowed = allowed(kind);
        let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
        let fields = body.asked(&allowed)?;
        let concepts = fields.read("CodesetId", |set| self.set(set))?;
        let mut event = Event::of(table, concepts);
        if fields.read("First", Node::flag)?.unwrap_or(false) {
            event.pick = Pick::First;
        }
        for (key, ask) in kind.asks {
            self.ask(&mut event, &fields, key, *ask)?;
        }
        event.correlated = fields.read("CorrelatedCriteria", |group| self.group(group))?;
        Ok(event)
    }

    fn ask(
        &self,
        event: &mut Event,
        fields: &Fields<'_>,
        key: &str,
        ask: Ask,
    ) -> Result<(), CohortError> {
        let within = || self.within(fields, key);
        let days = || Ok(fields.read(key, |node| range(node, day))?.unwrap_or_default());
        let wholes = || Ok(fields.read(key, |node| range(node, age))?.unwrap_or_default());
        match ask {
            Ask::Start => event.start = days()?,
            Ask::End => event.end = days()?,
            Ask::Length => event.length_days = wholes()?,
            Ask::Age => event.age = wholes()?,
            Ask::Sex => event.sex = within()?,
            Ask::Visit => event.visit = within()?,
            Ask::Concept(ours) => {
                let Some(of) = within()? else { return Ok(()) };
                // Circe leaves a list out by a flag beside it, and a concept set by one within.
                let is_list = fields.optional(key).is_some_and(|list| !list.is_empty());
                let flag = fields.read(&format!("{key}Exclude"), Node::flag)?.unwrap_or(false);
                let is_excluded = if is_list { flag } else { of.is_excluded };
                let column = column(event.table, event.table.concepts, ours, fields)?;
                event.within.push((column, Within { is_excluded, ..of }));
            }
            Ask::Number(ours) => {
                let Some(of) = fields.read(key, |node| range(node, Node::real))? else {
                    return Ok(());
                };
                event.numbers.push((column(event.table, event.table.numbers, ours, fields)?, of));
            }
        }
        Ok(())
    }

    /// Concepts that are listed under a key, or selected by a concept set under the same key with
    /// `CS` behind it.
    pub(super) fn within(
        &self,
        fields: &Fields<'_>,
        listed: &str,
    ) -> Result<Option<Within>, CohortError> {
        let selected = format!("{listed}CS");
        let list = fields.optional(listed).filter(|list| !list.is_empty());
        let selection = fields.optional(&selected).filter(|selection| !selection.is_empty());
        match (list, selection) {
            (None, None) => Ok(None),
            (Some(list), None) => {
                let concepts = list.items()?.iter().map(concept_id).collect::<Result<_, _>>()?;
                let concepts = ConceptSet { concepts, ..ConceptSet::default() };
                Ok(Some(Within { concepts, is_excluded: false }))
            }
            (None, Some(selection)) => {
                let fields = selection.asked(&["CodesetId", "IsExclusion"])?;
                let is_excluded = fields.read("IsExclusion", Node::flag)?.unwrap_or(false);
                let concepts = self.set(fields.required("CodesetId")?)?;
                Ok(Some(Within { concepts, is_excluded }))
            }
            (Some(_), Some(selection)) => {
                Err(selection.refuse(format!("{listed} is here as well; one of them is allowed")))
            }
        }
    }
}

/// Keys of a kind: those of concepts may name a concept set, or leave concepts out.
fn allowed(kind: &Kind) -> Vec<String> {
    let mut keys: Vec<String> = COMMON.map(str::to_owned).into();
    for (key, ask) in kind.asks {
        keys.push((*key).to_owned());
        if matches!(ask, Ask::Sex | Ask::Visit | Ask::Concept(_)) {
            keys.push(format!("{key}CS"));
        }
        if matches!(ask, Ask::Concept(_)) {
            keys.push(format!("{key}Exclude"));
        }
    }
    keys
}

fn column(
    table: &Table,
    columns: &[(&'static str, &'static str)],
    key: &str,
    fields: &Fields<'_>,
) -> Result<&'static str, CohortError> {
    let found = columns.iter().find(|column| column.0 == key).map(|column| column.1);
    let missing = || fields.place.refuse(format!("{} has no {key}", table.name), "leave it out");
    found.ok_or_else(missing)
}

/// Keys that every kind has.
const COMMON: [&str; 3] = ["CodesetId", "First", "CorrelatedCriteria"];

/// Source: OHDSI/circe-be, the classes of its criteria, as far as extracts have the columns.
const KINDS: &[Kind] = &[
    Kind {
        name: "ConditionOccurrence",
        table: "condition_occurrence",
        asks: &[
            ("OccurrenceStartDate", Ask::Start),
            ("OccurrenceEndDate", Ask::End),
            ("ConditionType", Ask::Concept("type")),
            ("ConditionStatus", Ask::Concept("status")),
            ("Age", Ask::Age),
            ("Gender", Ask::Sex),
            ("VisitType", Ask::Visit),
        ],
    },
    Kind {
        name: "DrugExposure",
        table: "drug_exposure",
        asks: &[
            ("OccurrenceStartDate", Ask::Start),
            ("OccurrenceEndDate", Ask::End),
            ("DrugType", Ask::Concept("type")),
            ("RouteConcept", Ask::Concept("route")),
            ("Quantity", Ask::Number("quantity")),
            ("DaysSupply", Ask::Number("days_supply")),
            ("Age", Ask::Age),
            ("Gender", Ask::Sex),
            ("VisitType", Ask::Visit),
        ],
    },
    Kind {
        name: "DrugEra",
        table: "drug_era",
        asks: &[
            ("EraStartDate", Ask::Start),
            ("EraEndDate", Ask::End),
            ("EraLength", Ask::Length),
            ("OccurrenceCount", Ask::Number("occurrence_count")),
            ("GapDays", Ask::Number("gap_days")),
            ("AgeAtStart", Ask::Age),
            ("Gender", Ask::Sex),
        ],
    },
    Kind {
        name: "ConditionEra",
        table: "condition_era",
        asks: &[
            ("EraStartDate", Ask::Start),
            ("EraEndDate", Ask::End),
            ("EraLength", Ask::Length),
            ("OccurrenceCount", Ask::Number("occurrence_count")),
            ("AgeAtStart", Ask::Age),
            ("Gender", Ask::Sex),
        ],
    },
    Kind {
        name: "ProcedureOccurrence",
        table: "procedure_occurrence",
        asks: &[
            ("OccurrenceStartDate", Ask::Start),
            ("OccurrenceEndDate", Ask::End),
            ("Age", Ask::Age),
            ("Gender", Ask::Sex),
            ("VisitType", Ask::Visit),
        ],
    },
    Kind {
        name: "Measurement",
        table: "measurement",
        asks: &[
            ("OccurrenceStartDate", Ask::Start),
            ("OccurrenceEndDate", Ask::End),
            ("Operator", Ask::Concept("operator")),
            ("ValueAsNumber", Ask::Number("value")),
            ("ValueAsConcept", Ask::Concept("value_concept")),
            ("Unit", Ask::Concept("unit")),
            ("RangeLow", Ask::Number("range_low")),
            ("RangeHigh", Ask::Number("range_high")),
            ("Age", Ask::Age),
            ("Gender", Ask::Sex),
            ("VisitType", Ask::Visit),
        ],
    },
    Kind {
        name: "Observation",
        table: "observation",
        asks: &[
            ("OccurrenceStartDate", Ask::Start),
            ("OccurrenceEndDate", Ask::End),
            ("ValueAsNumber", Ask::Number("value")),
            ("ValueAsConcept", Ask::Concept("value_concept")),
            ("Age", Ask::Age),
            ("Gender", Ask::Sex),
            ("VisitType", Ask::Visit),
        ],
    },
    Kind {
        name: "VisitOccurrence",
        table: "visit_occurrence",
        asks: &[
            ("OccurrenceStartDate", Ask::Start),
            ("OccurrenceEndDate", Ask::End),
            ("VisitLength", Ask::Length),
            ("Age", Ask::Age),
            ("Gender", Ask::Sex),
        ],
    },
    Kind {
        name: "DeviceExposure",
        table: "device_exposure",
        asks: &[
            ("OccurrenceStartDate", Ask::Start),
            ("OccurrenceEndDate", Ask::End),
            ("Quantity", Ask::Number("quantity")),
            ("Age", Ask::Age),
            ("Gender", Ask::Sex),
            ("VisitType", Ask::Visit),
        ],
    },
    Kind {
        name: "Death",
        table: "death",
        asks: &[
            ("OccurrenceStartDate", Ask::Start),
            ("DeathType", Ask::Concept("type")),
            ("Age", Ask::Age),
            ("Gender", Ask::Sex),
        ],
    },
    Kind {
        name: "ObservationPeriod",
        table: "observation_period",
        asks: &[
            ("PeriodStartDate", Ask::Start),
            ("PeriodEndDate", Ask::End),
            ("PeriodLength", Ask::Length),
            ("AgeAtStart", Ask::Age),
        ],
    },
];
