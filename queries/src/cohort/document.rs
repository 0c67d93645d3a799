//! Definitions as files of TOML 1.1; the front page of [`crate::cohort`] shows all keys.

use std::collections::BTreeMap;

use crate::cohort::definition::{
    Calendar, ConceptSet, Count, DAYS_MAX, Definition, Distinct, Edge, Event, Exit, Group, Index,
    Limits, Member, Occurrence, Person, Pick, Quantifier, Rule, Window, Within, is_name,
};
use crate::cohort::error::{CohortError, NAMES};
use crate::cohort::tables::{TABLES, Table};
use crate::cohort::tree::{Fields, Node};

/// Reads a definition.
///
/// # Errors
/// As [`Definition::from_toml`].
pub(super) fn read(file: &str, text: &str) -> Result<Definition, CohortError> {
    let root = Node::of_toml(file, text)?;
    let fields = root.fields(&[
        "name",
        "title",
        "concepts",
        "index",
        "rules",
        "limit",
        "exit",
        "censoring",
        "collapse_days",
        "calendar",
    ])?;
    let name = fields.required("name")?;
    if !is_name(name.text()?) {
        return Err(name.refuse(NAMES));
    }
    let mut concepts = BTreeMap::new();
    for (name, set) in
        fields.optional("concepts").map(Node::entries).transpose()?.into_iter().flatten()
    {
        concepts.insert(name.to_owned(), concept_set(set)?);
    }
    let reader = Reader { concepts };
    Ok(Definition {
        name: name.text()?.to_owned(),
        title: fields.read("title", |title| Ok(title.text()?.to_owned()))?,
        index: reader.index(fields.required("index")?)?,
        rules: list(&fields, "rules", |rule| reader.rule(rule))?,
        limit: fields.read("limit", pick)?.unwrap_or(Pick::All),
        exit: fields.read("exit", |exit| reader.exit(exit))?.unwrap_or(Exit::Observation),
        censoring: list(&fields, "censoring", |event| reader.event(event))?,
        collapse_days: days(&fields, "collapse_days")?,
        calendar: fields.read("calendar", calendar)?.unwrap_or_default(),
    })
}

/// Reads what stands beside named concepts.
struct Reader {
    concepts: BTreeMap<String, ConceptSet>,
}

impl Reader {
    fn index(&self, node: &Node) -> Result<Index, CohortError> {
        let fields = node.fields(&[
            "events",
            "prior_days",
            "after_days",
            "washout_days",
            "limit",
            "criteria",
            "qualified_limit",
        ])?;
        let events = fields.required("events")?;
        if events.items()?.is_empty() {
            return Err(events.refuse("a cohort has at least one index event"));
        }
        Ok(Index {
            events: list(&fields, "events", |event| self.event(event))?,
            prior_days: days(&fields, "prior_days")?,
            after_days: days(&fields, "after_days")?,
            washout_days: days(&fields, "washout_days")?,
            limit: fields.read("limit", pick)?.unwrap_or(Pick::All),
            criteria: fields.read("criteria", |group| self.group(group))?,
            qualified_limit: fields.read("qualified_limit", pick)?.unwrap_or(Pick::All),
        })
    }

    fn rule(&self, node: &Node) -> Result<Rule, CohortError> {
        let fields = node.fields(&["name", "all", "any", "at_least", "at_most", "of"])?;
        let name = fields.required("name")?.text()?.to_owned();
        Ok(Rule { name, group: self.members(&fields)? })
    }

    fn group(&self, node: &Node) -> Result<Group, CohortError> {
        self.members(&node.fields(&["all", "any", "at_least", "at_most", "of"])?)
    }

    fn members(&self, fields: &Fields<'_>) -> Result<Group, CohortError> {
        let given = ["all", "any", "at_least", "at_most"];
        let given: Vec<&str> =
            given.into_iter().filter(|key| fields.optional(key).is_some()).collect();
        let [key] = given.as_slice() else {
            let found = format!("{} of all, any, at_least and at_most are here", given.len());
            return Err(fields.place.refuse(found, "a group has one of them"));
        };
        let listed = if matches!(*key, "all" | "any") { *key } else { "of" };
        if let (Some(of), true) = (fields.optional("of"), listed != "of") {
            return Err(of.refuse(format!("of goes with at_least or at_most, and {key} is here")));
        }
        fields.required(listed)?;
        let members = list(fields, listed, |member| self.member(member))?;
        let quantifier = match *key {
            "all" => Quantifier::All,
            "any" => Quantifier::Any,
            key => {
                let most = u32::try_from(members.len()).unwrap_or(u32::MAX);
                let count = fields.required(key)?.natural(most)?;
                if key == "at_least" {
                    Quantifier::AtLeast(count)
                } else {
                    Quantifier::AtMost(count)
                }
            }
        };
        Ok(Group { quantifier, members })
    }

    fn member(&self, node: &Node) -> Result<Member, CohortError> {
        let has =
            |key: &str| node.entries().is_ok_and(|mut entries| entries.any(|entry| entry.0 == key));
        if ["all", "any", "at_least", "at_most", "of"].into_iter().any(has) {
            return self.group(node).map(Member::Group);
        }
        if has("person") {
            let person = node.fields(&["person"])?.required("person")?;
            return Ok(Member::Person(Box::new(self.person(person)?)));
        }
        let fields = node.fields(&[EVENT, &["occurrences", "window", "observed"]].concat())?;
        let (count, distinct) = match fields.optional("occurrences") {
            Some(node) => occurrences(node)?,
            None => (Count::AtLeast(1), Distinct::Rows),
        };
        let windows = match fields.optional("window") {
            Some(node) if node.is_list() => list(&fields, "window", window)?,
            Some(node) => vec![window(node)?],
            None => vec![],
        };
        let is_observed = fields.read("observed", Node::flag)?.unwrap_or(true);
        let event = self.event_of(&fields)?;
        Ok(Member::Occurrence(Box::new(Occurrence {
            event,
            count,
            distinct,
            windows,
            is_observed,
        })))
    }

    fn person(&self, node: &Node) -> Result<Person, CohortError> {
        let fields = node.fields(&["age", "sex", "race", "ethnicity", "start", "end"])?;
        let within = |key| fields.read(key, |node| self.within(node));
        Ok(Person {
            age: fields.read("age", |node| limits(node, age))?.unwrap_or_default(),
            sex: within("sex")?,
            race: within("race")?,
            ethnicity: within("ethnicity")?,
            start: fields.read("start", |node| limits(node, Node::day))?.unwrap_or_default(),
            end: fields.read("end", |node| limits(node, Node::day))?.unwrap_or_default(),
        })
    }

    fn event(&self, node: &Node) -> Result<Event, CohortError> {
        self.event_of(&node.fields(EVENT)?)
    }

    fn event_of(&self, fields: &Fields<'_>) -> Result<Event, CohortError> {
        let tables: Vec<(&str, &'static Table)> = TABLES.iter().map(|t| (t.name, t)).collect();
        let table = fields.required("table")?.choice(&tables)?;
        let concepts = fields.read("concepts", |node| self.set(node))?;
        let mut event = Event::of(table, concepts);
        event.pick = fields.read("pick", pick)?.unwrap_or(Pick::All);
        event.start = fields.read("start", |node| limits(node, Node::day))?.unwrap_or_default();
        event.end = fields.read("end", |node| limits(node, Node::day))?.unwrap_or_default();
        let length = fields.read("length_days", |node| limits(node, age))?;
        event.length_days = length.unwrap_or_default();
        event.age = fields.read("age", |node| limits(node, age))?.unwrap_or_default();
        event.sex = fields.read("sex", |node| self.within(node))?;
        event.visit = fields.read("visit", |node| self.within(node))?;
        if let (Some(visit), false) = (fields.optional("visit"), table.has_visit) {
            return Err(visit.refuse(format!("rows of {} name no visit", table.name)));
        }
        for key in CONCEPTS {
            let Some(node) = fields.optional(key) else { continue };
            let column = column(node, table, key, table.concepts)?;
            event.within.push((column, self.within(node)?));
        }
        for key in NUMBERS {
            let Some(node) = fields.optional(key) else { continue };
            let column = column(node, table, key, table.numbers)?;
            event.numbers.push((column, limits(node, Node::real)?));
        }
        event.correlated = fields.read("correlated", |group| self.group(group))?;
        Ok(event)
    }

    fn exit(&self, node: &Node) -> Result<Exit, CohortError> {
        let fields = node.fields(&["at", "days", "after", "era", "gap_days", "offset_days"])?;
        let kinds = ["at", "days", "era"].map(|key| fields.optional(key));
        let belong = |keys: &[&str], to: &str| match keys.iter().find_map(|k| fields.optional(k)) {
            Some(stray) => Err(stray.refuse(format!("it goes with {to} only"))),
            None => Ok(()),
        };
        match kinds {
            [Some(at), None, None] => {
                belong(&["after"], "days")?;
                belong(&["gap_days", "offset_days"], "era")?;
                at.choice(&[("end_of_observation", ())])?;
                Ok(Exit::Observation)
            }
            [None, Some(days), None] => {
                belong(&["gap_days", "offset_days"], "era")?;
                let after = fields.read("after", edge)?.unwrap_or(Edge::Start);
                Ok(Exit::Offset { after, days: day_of(days)? })
            }
            [None, None, Some(era)] => {
                belong(&["after"], "days")?;
                Ok(Exit::Era {
                    event: Box::new(self.event(era)?),
                    gap_days: days(&fields, "gap_days")?,
                    offset_days: days(&fields, "offset_days")?,
                })
            }
            _ => Err(node.refuse("an exit has one of at, days and era")),
        }
    }

    fn within(&self, node: &Node) -> Result<Within, CohortError> {
        Ok(Within { concepts: self.set(node)?, is_excluded: false })
    }

    /// Concepts by name, by numbers, or in a table.
    fn set(&self, node: &Node) -> Result<ConceptSet, CohortError> {
        if node.is_list() {
            let set = ConceptSet { concepts: numbers(node)?, ..ConceptSet::default() };
            return if set.concepts.is_empty() { Err(node.refuse(NO_CONCEPT)) } else { Ok(set) };
        }
        if node.text().is_err() {
            return concept_set(node);
        }
        match self.concepts.get(node.text()?) {
            Some(set) => Ok(set.clone()),
            None => {
                let names: Vec<&str> = self.concepts.keys().map(String::as_str).collect();
                Err(node.refuse(format!("under [concepts], {}", node.meant(&names))))
            }
        }
    }
}

fn concept_set(node: &Node) -> Result<ConceptSet, CohortError> {
    let fields = node.fields(&["concepts", "descendants_of", "except", "except_descendants_of"])?;
    let numbers = |key| Ok(fields.read(key, numbers)?.unwrap_or_default());
    let set = ConceptSet {
        concepts: numbers("concepts")?,
        descendants_of: numbers("descendants_of")?,
        except: numbers("except")?,
        except_descendants_of: numbers("except_descendants_of")?,
    };
    if set.concepts.is_empty() && set.descendants_of.is_empty() {
        return Err(node.refuse(NO_CONCEPT));
    }
    Ok(set)
}

fn numbers(node: &Node) -> Result<Vec<i64>, CohortError> {
    node.items()?.iter().map(concept).collect()
}

/// The number of a concept.
pub(super) fn concept(node: &Node) -> Result<i64, CohortError> {
    node.whole(0, i64::from(i32::MAX))
}

fn occurrences(node: &Node) -> Result<(Count, Distinct), CohortError> {
    let fields = node.fields(&["at_least", "at_most", "exactly", "distinct"])?;
    let count = |key, count: fn(u32) -> Count| {
        Ok(fields.read(key, |node| node.natural(OCCURRENCES_MAX))?.map(count))
    };
    let counts = [
        count("at_least", Count::AtLeast)?,
        count("at_most", Count::AtMost)?,
        count("exactly", Count::Exactly)?,
    ];
    let given: Vec<Count> = counts.into_iter().flatten().collect();
    let [count] = given.as_slice() else {
        return Err(node.refuse("one of at_least, at_most and exactly is expected"));
    };
    let words = [("concept", Distinct::Concepts), ("start_date", Distinct::StartDates)];
    let distinct = fields.read("distinct", |node| node.choice(&words))?;
    Ok((*count, distinct.unwrap_or(Distinct::Rows)))
}

fn window(node: &Node) -> Result<Window, CohortError> {
    let fields = node.fields(&["from", "to", "index", "occurrence"])?;
    let window = Window {
        from: fields.read("from", day_of)?,
        to: fields.read("to", day_of)?,
        index: fields.read("index", edge)?.unwrap_or(Edge::Start),
        occurrence: fields.read("occurrence", edge)?.unwrap_or(Edge::Start),
    };
    match (window.from, window.to) {
        (Some(from), Some(to)) if from > to => {
            Err(node.refuse(format!("nothing is from day {from} to day {to}")))
        }
        _ => Ok(window),
    }
}

fn limits<T: PartialOrd>(
    node: &Node,
    value: impl Fn(&Node) -> Result<T, CohortError>,
) -> Result<Limits<T>, CohortError> {
    let fields = node.fields(&["at_least", "above", "at_most", "below", "outside"])?;
    let read = |key| fields.read(key, &value);
    let limits = Limits {
        at_least: read("at_least")?,
        above: read("above")?,
        at_most: read("at_most")?,
        below: read("below")?,
        is_outside: fields.read("outside", Node::flag)?.unwrap_or(false),
    };
    if limits.is_empty() {
        return Err(node.refuse("one of at_least, above, at_most and below is expected"));
    }
    Ok(limits)
}

fn calendar(node: &Node) -> Result<Calendar, CohortError> {
    let fields = node.fields(&["from", "to"])?;
    Ok(Calendar { from: fields.read("from", Node::day)?, to: fields.read("to", Node::day)? })
}

fn column(
    node: &Node,
    table: &Table,
    key: &str,
    columns: &[(&'static str, &'static str)],
) -> Result<&'static str, CohortError> {
    let of_key = columns.iter().find(|column| column.0 == key).map(|column| column.1);
    of_key.ok_or_else(|| {
        let keys: Vec<&str> = table.concepts.iter().chain(table.numbers).map(|c| c.0).collect();
        node.refuse(format!("{} has no {key}; it has {}", table.name, told(&keys)))
    })
}

fn told(keys: &[&str]) -> String {
    if keys.is_empty() { "no such conditions".to_owned() } else { keys.join(", ") }
}

fn list<T>(
    fields: &Fields<'_>,
    key: &str,
    read: impl Fn(&Node) -> Result<T, CohortError>,
) -> Result<Vec<T>, CohortError> {
    fields.optional(key).map_or(Ok(vec![]), |node| node.items()?.iter().map(read).collect())
}

fn pick(node: &Node) -> Result<Pick, CohortError> {
    node.choice(&[("all", Pick::All), ("first", Pick::First), ("last", Pick::Last)])
}

fn edge(node: &Node) -> Result<Edge, CohortError> {
    node.choice(&[("start", Edge::Start), ("end", Edge::End)])
}

fn age(node: &Node) -> Result<i64, CohortError> {
    node.whole(0, i64::from(DAYS_MAX))
}

fn days(fields: &Fields<'_>, key: &str) -> Result<u32, CohortError> {
    Ok(fields.read(key, |node| node.natural(DAYS_MAX))?.unwrap_or(0))
}

/// A day before or after another.
fn day_of(node: &Node) -> Result<i32, CohortError> {
    let most = i64::from(DAYS_MAX);
    let day = node.whole(-most, most)?;
    i32::try_from(day).map_err(|_| node.refuse("a number of days is expected"))
}

/// Keys of conditions on concepts that one table or another has.
const CONCEPTS: [&str; 6] = ["type", "status", "route", "unit", "operator", "value_concept"];

/// Keys of conditions on numbers that one table or another has.
const NUMBERS: [&str; 7] =
    ["value", "range_low", "range_high", "quantity", "days_supply", "occurrence_count", "gap_days"];

/// Keys of an event, those of [`CONCEPTS`] and [`NUMBERS`] among them.
const EVENT: &[&str] = &[
    "table",
    "concepts",
    "pick",
    "start",
    "end",
    "length_days",
    "age",
    "sex",
    "visit",
    "type",
    "status",
    "route",
    "unit",
    "operator",
    "value_concept",
    "value",
    "range_low",
    "range_high",
    "quantity",
    "days_supply",
    "occurrence_count",
    "gap_days",
    "correlated",
];

/// Most occurrences that a rule may ask for: more than a person has rows that count.
const OCCURRENCES_MAX: u32 = 10_000;

const NO_CONCEPT: &str = "concepts or descendants_of names at least one concept";
