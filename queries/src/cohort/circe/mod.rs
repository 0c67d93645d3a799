//! Definitions that ATLAS exported, in the JSON of OHDSI's Circe.
//!
//! The common core is read. Whatever else a definition asks for is refused by its path, never
//! passed over; what asks for nothing (null, false, an empty list) may stand anywhere.
//!
//! Four things come out otherwise than in Circe: events of a person with the same first and last
//! day are one; concepts below another are those that the table of ancestors of the extract has,
//! valid or not; a drug exposure without a last day ends on the day after it began, whatever its
//! days of supply; and an exit more than a century away is the end of observation.

mod criteria;
mod group;
mod ranges;

use std::collections::BTreeMap;

use crate::cohort::circe::ranges::{day, days, empty_as_none};
use crate::cohort::definition::{
    Calendar, ConceptSet, DAYS_MAX, Definition, Edge, Event, Exit, Index, Pick, Rule, is_name,
};
use crate::cohort::document::concept;
use crate::cohort::error::CohortError;
use crate::cohort::tables;
use crate::cohort::tree::{Fields, Node};

/// Reads a definition.
///
/// # Errors
/// As [`Definition::from_circe`].
pub(super) fn read(name: &str, file: &str, text: &str) -> Result<Definition, CohortError> {
    if !is_name(name) {
        return Err(CohortError::Name { name: name.to_owned() });
    }
    let root = Node::of_json(file, text)?;
    let fields = root.asked(&[
        "cdmVersionRange",
        "Title",
        "ConceptSets",
        "PrimaryCriteria",
        "AdditionalCriteria",
        "QualifiedLimit",
        "ExpressionLimit",
        "InclusionRules",
        "EndStrategy",
        "CensoringCriteria",
        "CollapseSettings",
        "CensorWindow",
    ])?;
    let reader = Reader { sets: sets(&fields)? };
    Ok(Definition {
        name: name.to_owned(),
        title: fields.read("Title", |title| Ok(title.text()?.to_owned()))?,
        index: reader.index(&fields)?,
        rules: list(&fields, "InclusionRules", |rule| reader.rule(rule))?,
        limit: fields.read("ExpressionLimit", limit)?.unwrap_or(Pick::All),
        exit: fields.read("EndStrategy", |exit| reader.exit(exit))?.unwrap_or(Exit::Observation),
        censoring: list(&fields, "CensoringCriteria", |event| reader.event(event))?,
        collapse_days: fields.read("CollapseSettings", collapse)?.unwrap_or(0),
        calendar: fields.read("CensorWindow", calendar)?.unwrap_or_default(),
    })
}

/// Reads what stands beside concept sets.
struct Reader<'a> {
    /// Their expressions, by number. They are looked at where they are used.
    sets: BTreeMap<i64, &'a Node>,
}

fn sets<'a>(fields: &Fields<'a>) -> Result<BTreeMap<i64, &'a Node>, CohortError> {
    let mut sets = BTreeMap::new();
    for set in fields.read("ConceptSets", Node::items)?.unwrap_or_default() {
        let fields = set.asked(&["id", "name", "expression"])?;
        let id = fields.required("id")?;
        let number = id.whole(0, i64::from(i32::MAX))?;
        if sets.insert(number, fields.required("expression")?).is_some() {
            return Err(id.refuse("another concept set has this number"));
        }
    }
    Ok(sets)
}

impl Reader<'_> {
    fn index(&self, root: &Fields<'_>) -> Result<Index, CohortError> {
        let primary = root.required("PrimaryCriteria")?;
        let fields =
            primary.asked(&["CriteriaList", "ObservationWindow", "PrimaryCriteriaLimit"])?;
        let events = fields.required("CriteriaList")?;
        if events.items()?.is_empty() {
            return Err(events.refuse("a cohort has at least one index event"));
        }
        let (mut prior_days, mut after_days) = (0, 0);
        if let Some(window) = fields.optional("ObservationWindow") {
            let fields = window.asked(&["PriorDays", "PostDays"])?;
            let read = |key| fields.read(key, |node| node.natural(DAYS_MAX));
            prior_days = read("PriorDays")?.unwrap_or(0);
            after_days = read("PostDays")?.unwrap_or(0);
        }
        let criteria = root.read("AdditionalCriteria", |group| self.group(group))?;
        Ok(Index {
            events: list(&fields, "CriteriaList", |event| self.event(event))?,
            prior_days,
            after_days,
            washout_days: 0,
            limit: limit(fields.required("PrimaryCriteriaLimit")?)?,
            criteria,
            // Without additional criteria there is nothing that it would be the limit of.
            qualified_limit: root.read("QualifiedLimit", limit)?.unwrap_or(Pick::All),
        })
    }

    fn rule(&self, node: &Node) -> Result<Rule, CohortError> {
        let fields = node.asked(&["name", "description", "expression"])?;
        Ok(Rule {
            name: fields.required("name")?.text()?.to_owned(),
            group: self.group(fields.required("expression")?)?,
        })
    }

    fn exit(&self, node: &Node) -> Result<Exit, CohortError> {
        let (kind, strategy) = node.only(&["DateOffset", "CustomEra"])?;
        if kind == "DateOffset" {
            let fields = strategy.asked(&[&["DateField"][..], &OFFSET].concat())?;
            let edges = [("StartDate", Edge::Start), ("EndDate", Edge::End)];
            let after = fields.required("DateField")?.choice(&edges)?;
            return match days(&fields, OFFSET)? {
                None => Err(strategy.refuse("Offset is needed here")),
                // Nobody is observed for a century.
                Some(days) if days > DAYS_MAX => Ok(Exit::Observation),
                Some(days) => {
                    let days = i32::try_from(days).map_err(|_| strategy.refuse("too many days"))?;
                    Ok(Exit::Offset { after, days })
                }
            };
        }
        let fields = strategy.asked(&[&["DrugCodesetId"][..], &GAP, &OFFSET].concat())?;
        let offset_days = days(&fields, OFFSET)?.unwrap_or(0);
        if offset_days > DAYS_MAX {
            return Err(strategy.refuse(format!("an offset of at most {DAYS_MAX} days is allowed")));
        }
        let concepts = self.set(fields.required("DrugCodesetId")?)?;
        let missing = || strategy.refuse("this build has no drug_exposure");
        let table = tables::table("drug_exposure").ok_or_else(missing)?;
        Ok(Exit::Era {
            event: Box::new(Event::of(table, Some(concepts))),
            gap_days: days(&fields, GAP)?.unwrap_or(0),
            offset_days,
        })
    }

    /// The concept set of the number that stands here.
    fn set(&self, node: &Node) -> Result<ConceptSet, CohortError> {
        let number = node.whole(0, i64::from(i32::MAX))?;
        let Some(expression) = self.sets.get(&number) else {
            let numbers: Vec<String> = self.sets.keys().map(i64::to_string).collect();
            return Err(node.refuse(format!("$.ConceptSets has {}", numbers.join(", "))));
        };
        let mut set = ConceptSet::default();
        for item in expression.asked(&["items"])?.required("items")?.items()? {
            let fields =
                item.asked(&["concept", "isExcluded", "includeDescendants", "includeMapped"])?;
            let flag = |key| Ok(fields.read(key, Node::flag)?.unwrap_or(false));
            if let (Some(mapped), true) = (fields.optional("includeMapped"), flag("includeMapped")?)
            {
                return Err(mapped.refuse(
                    "source codes that are mapped to a concept are not in an extract's tables; \
                     false is allowed, with the standard concepts listed",
                ));
            }
            let concept = concept_id(fields.required("concept")?)?;
            let list = match (flag("isExcluded")?, flag("includeDescendants")?) {
                (false, false) => &mut set.concepts,
                (false, true) => &mut set.descendants_of,
                (true, false) => &mut set.except,
                (true, true) => &mut set.except_descendants_of,
            };
            list.push(concept);
        }
        if set.concepts.is_empty() && set.descendants_of.is_empty() {
            return Err(expression.refuse("a set that is used names at least one concept"));
        }
        Ok(set)
    }
}

/// The number of a concept; its name and code beside it say nothing more.
fn concept_id(node: &Node) -> Result<i64, CohortError> {
    let id = node.entries()?.find(|entry| entry.0 == "CONCEPT_ID");
    id.map_or_else(|| Err(node.refuse("CONCEPT_ID is needed here")), |(_, id)| concept(id))
}

fn limit(node: &Node) -> Result<Pick, CohortError> {
    let words = [("All", Pick::All), ("First", Pick::First), ("Last", Pick::Last)];
    let kind = node.asked(&["Type"])?.read("Type", |kind| kind.choice(&words))?;
    Ok(kind.unwrap_or(Pick::All))
}

fn collapse(node: &Node) -> Result<u32, CohortError> {
    let fields = node.asked(&[&["CollapseType"][..], &PAD].concat())?;
    fields.read("CollapseType", |kind| kind.choice(&[("ERA", ())]))?;
    Ok(days(&fields, PAD)?.unwrap_or(0))
}

fn calendar(node: &Node) -> Result<Calendar, CohortError> {
    let fields = node.asked(&["StartDate", "EndDate"])?;
    let read = |key| fields.optional(key).and_then(empty_as_none).map(day).transpose();
    Ok(Calendar { from: read("StartDate")?, to: read("EndDate")? })
}

fn list<T>(
    fields: &Fields<'_>,
    key: &str,
    read: impl Fn(&Node) -> Result<T, CohortError>,
) -> Result<Vec<T>, CohortError> {
    fields.optional(key).map_or(Ok(vec![]), |node| node.items()?.iter().map(read).collect())
}

/// Keys of numbers of days, in both spellings; see [`days`].
const OFFSET: [&str; 3] = ["Offset", "OffsetUnit", "OffsetUnitValue"];
const GAP: [&str; 3] = ["GapDays", "GapUnit", "GapUnitValue"];
const PAD: [&str; 3] = ["EraPad", "EraPadUnit", "EraPadUnitValue"];
