//! Groups of criteria around an event.

use crate::cohort::circe::ranges::{day, days, range};
use crate::cohort::circe::{Reader, list};
use crate::cohort::definition::{
    Count, DAYS_MAX, Distinct, Edge, Group, Member, Occurrence, Person, Quantifier, Window,
};
use crate::cohort::error::CohortError;
use crate::cohort::tree::Node;

impl Reader<'_> {
    /// A group; one without criteria holds for every event.
    pub(super) fn group(&self, node: &Node) -> Result<Group, CohortError> {
        let fields =
            node.asked(&["Type", "Count", "CriteriaList", "DemographicCriteriaList", "Groups"])?;
        let mut members = list(&fields, "CriteriaList", |criteria| self.occurrence(criteria))?;
        members.extend(list(&fields, "DemographicCriteriaList", |person| self.person(person))?);
        let groups = list(&fields, "Groups", |group| self.group(group))?;
        members.extend(groups.into_iter().map(Member::Group));
        let kinds = [("ALL", Kind::All), ("ANY", Kind::Any)];
        let kinds = [kinds, [("AT_LEAST", Kind::AtLeast), ("AT_MOST", Kind::AtMost)]].concat();
        let kind = fields.required("Type")?.choice(&kinds)?;
        let count = || {
            let most = u32::try_from(members.len()).unwrap_or(u32::MAX);
            fields.required("Count")?.natural(most)
        };
        let quantifier = match kind {
            Kind::All => Quantifier::All,
            Kind::Any => Quantifier::Any,
            Kind::AtLeast | Kind::AtMost if members.is_empty() => Quantifier::All,
            Kind::AtLeast => Quantifier::AtLeast(count()?),
            Kind::AtMost => Quantifier::AtMost(count()?),
        };
        Ok(Group { quantifier, members })
    }

    fn occurrence(&self, node: &Node) -> Result<Member, CohortError> {
        let fields = node.asked(&[
            "Criteria",
            "StartWindow",
            "EndWindow",
            "Occurrence",
            "IgnoreObservationPeriod",
        ])?;
        let event = self.event(fields.required("Criteria")?)?;
        let (count, distinct) = count(fields.required("Occurrence")?)?;
        let ignored = fields.read("IgnoreObservationPeriod", Node::flag)?.unwrap_or(false);
        let mut windows = vec![];
        if let Some(start) = fields.optional("StartWindow") {
            windows.push(window(start, Edge::Start)?);
        }
        if let Some(end) = fields.optional("EndWindow") {
            windows.push(window(end, Edge::End)?);
        }
        let occurrence = Occurrence { event, count, distinct, windows, is_observed: !ignored };
        Ok(Member::Occurrence(Box::new(occurrence)))
    }

    fn person(&self, node: &Node) -> Result<Member, CohortError> {
        let fields = node.asked(&[
            "Age",
            "Gender",
            "GenderCS",
            "Race",
            "RaceCS",
            "Ethnicity",
            "EthnicityCS",
            "OccurrenceStartDate",
            "OccurrenceEndDate",
        ])?;
        let within = |listed| self.within(&fields, listed);
        let dates = |key| fields.read(key, |node| range(node, day));
        let age = fields.read("Age", |node| range(node, age))?;
        Ok(Member::Person(Box::new(Person {
            age: age.unwrap_or_default(),
            sex: within("Gender")?,
            race: within("Race")?,
            ethnicity: within("Ethnicity")?,
            start: dates("OccurrenceStartDate")?.unwrap_or_default(),
            end: dates("OccurrenceEndDate")?.unwrap_or_default(),
        })))
    }
}

#[derive(Clone, Copy)]
enum Kind {
    All,
    Any,
    AtLeast,
    AtMost,
}

/// Years, or days that something takes.
pub(super) fn age(node: &Node) -> Result<i64, CohortError> {
    node.whole(0, i64::from(DAYS_MAX))
}

fn count(node: &Node) -> Result<(Count, Distinct), CohortError> {
    let fields = node.asked(&["Type", "Count", "IsDistinct", "CountColumn"])?;
    let number = fields.required("Count")?.natural(OCCURRENCES_MAX)?;
    let count = match fields.required("Type")?.whole(0, 2)? {
        0 => Count::Exactly(number),
        1 => Count::AtMost(number),
        _ => Count::AtLeast(number),
    };
    if !fields.read("IsDistinct", Node::flag)?.unwrap_or(false) {
        return Ok((count, Distinct::Rows));
    }
    let columns = [("DOMAIN_CONCEPT", Distinct::Concepts), ("START_DATE", Distinct::StartDates)];
    let distinct = fields.read("CountColumn", |column| column.choice(&columns))?;
    Ok((count, distinct.unwrap_or(Distinct::Concepts)))
}

/// A window for the first day of an occurrence, or, as an end window, for its last.
fn window(node: &Node, of: Edge) -> Result<Window, CohortError> {
    let fields = node.asked(&["Start", "End", "UseIndexEnd", "UseEventEnd"])?;
    let flag = |key| fields.read(key, Node::flag);
    // An end window that does not say so is for the last day; see `Window` of Circe.
    let of_end = flag("UseEventEnd")?.unwrap_or(of == Edge::End);
    let of_index_end = flag("UseIndexEnd")?.unwrap_or(false);
    let edge = |is_end| if is_end { Edge::End } else { Edge::Start };
    Ok(Window {
        from: end_of_window(fields.required("Start")?, -1)?,
        to: end_of_window(fields.required("End")?, 1)?,
        index: edge(of_index_end),
        occurrence: edge(of_end),
    })
}

/// One end of a window; `open` is the direction in which it may be without a number of days.
fn end_of_window(node: &Node, open: i64) -> Result<Option<i32>, CohortError> {
    let fields = node.asked(&[&["Coeff"][..], &DAYS].concat())?;
    let coefficient = fields.required("Coeff")?;
    let direction = coefficient.whole(-1, 1)?;
    let Some(days) = days(&fields, DAYS)? else {
        if direction != open {
            return Err(coefficient.refuse(format!("all days are allowed with {open} here")));
        }
        return Ok(None);
    };
    let moved = i32::try_from(i64::from(days) * direction);
    moved.map(Some).map_err(|_| node.refuse("a number of days is expected"))
}

/// Keys of a number of days, in both spellings.
const DAYS: [&str; 3] = ["Days", "TimeUnit", "TimeUnitValue"];

/// Most occurrences that a rule may ask for.
const OCCURRENCES_MAX: u32 = 10_000;
