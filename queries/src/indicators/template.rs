//! SQL with places for parameters and concepts: `${year}`, `IN (${concepts.diabetes})`.

use std::collections::BTreeMap;

use super::indicator::ConceptSet;
use super::parameter::Value;

/// A statement, cut at its places.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

/// What a statement is made of.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    /// SQL as it is.
    Text(String),
    /// A parameter or, after `concepts.`, a concept set.
    Place(Place),
}

/// One place in a statement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Place {
    /// What stands between the braces.
    pub(super) name: String,
    /// Where it begins in the SQL, in bytes.
    pub(super) at: usize,
    /// Whether it is within a string.
    pub(super) is_quoted: bool,
}

impl Place {
    /// The concept set that it names, if it names one.
    pub(super) fn concepts(&self) -> Option<&str> {
        self.name.strip_prefix(CONCEPTS)
    }
}

/// What is wrong in a statement, and where it is, in bytes.
pub(super) type Fault = (usize, String);

impl Template {
    /// Cuts a statement at its places.
    ///
    /// # Errors
    /// A place that does not end, or that is in a comment; and what cannot be one question.
    pub(super) fn parse(sql: &str) -> Result<Self, Fault> {
        let (mut parts, mut done, mut within) = (Vec::new(), 0, Within::Code);
        let mut first = None;
        for (at, letter) in sql.char_indices() {
            let rest = &sql[at..];
            if within == Within::Code && letter.is_alphabetic() && first.is_none() {
                first = Some(at);
            }
            if within == Within::Code && letter == ';' {
                return Err((at, "an indicator is one question, without a semicolon".to_owned()));
            }
            if within == Within::Code && rest.starts_with("/*") {
                return Err((at, "comments begin with --".to_owned()));
            }
            if rest.starts_with("${") && at >= done {
                let end = rest.find('}').filter(|_| within != Within::Comment);
                let fault = || (at, "a place ends with }, and is in no comment".to_owned());
                let name = rest[2..end.ok_or_else(fault)?].to_owned();
                parts.push(Part::Text(sql[done..at].to_owned()));
                done = at + 3 + name.len();
                let is_quoted = within != Within::Code;
                parts.push(Part::Place(Place { name, at, is_quoted }));
            }
            within = within.after(rest, letter);
        }
        parts.push(Part::Text(sql[done..].to_owned()));
        let opening = first.map_or("", |at| &sql[at..]);
        let opening = opening.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
        if !["select", "with"].contains(&opening.to_ascii_lowercase().as_str()) {
            let fault = format!("a question begins with SELECT or WITH, and not with {opening:?}");
            return Err((first.unwrap_or(0), fault));
        }
        if matches!(within, Within::Quotes | Within::Name) {
            return Err((sql.len(), "quotes that do not end".to_owned()));
        }
        Ok(Self { parts })
    }

    /// Its places, in order.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.parts.iter().filter_map(|part| match part {
            Part::Place(place) => Some(place),
            Part::Text(_) => None,
        })
    }

    /// The statement with everything in its place. Names that are not there leave nothing; checked
    /// indicators have none.
    pub(super) fn filled(
        &self,
        values: &dyn Fn(&str) -> Option<Value>,
        concepts: &BTreeMap<String, ConceptSet>,
    ) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Place(place) => match place.concepts() {
                Some(name) => concepts.get(name).map(ConceptSet::sql).unwrap_or_default(),
                None => values(&place.name).map(Value::sql).unwrap_or_default(),
            },
        };
        self.parts.iter().map(part).collect::<String>().trim().to_owned()
    }

    /// Whether a name stands in it as a word of its own.
    pub(super) fn has_word(&self, name: &str) -> bool {
        let is_letter = |c: char| c.is_alphanumeric() || c == '_';
        self.parts.iter().any(|part| match part {
            Part::Text(text) => text.split(|c| !is_letter(c)).any(|word| word == name),
            Part::Place(_) => false,
        })
    }
}

impl ConceptSet {
    /// What stands in the parentheses after `IN`.
    fn sql(&self) -> String {
        let ids: Vec<String> = self.ids.iter().map(ToString::to_string).collect();
        let ids = ids.join(", ");
        if self.descendants { format!("descendants_of({ids})") } else { ids }
    }
}

/// What a letter of SQL is within.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Within {
    Code,
    Comment,
    /// A string.
    Quotes,
    /// A name in double quotes.
    Name,
}

impl Within {
    /// After a letter, with which `rest` begins.
    fn after(self, rest: &str, letter: char) -> Self {
        match (self, letter) {
            (Self::Code, '-') if rest.starts_with("--") => Self::Comment,
            (Self::Comment, '\n') | (Self::Quotes, '\'') | (Self::Name, '"') => Self::Code,
            (Self::Code, '\'') => Self::Quotes,
            (Self::Code, '"') => Self::Name,
            (within, _) => within,
        }
    }
}

/// What the names of concept sets begin with.
const CONCEPTS: &str = "concepts.";

#[cfg(test)]
mod tests {
    use super::{ConceptSet, Template, Value};
    use std::collections::BTreeMap;

    #[test]
    fn places_are_filled_and_nothing_else_is_touched() {
        let sql = "\n-- it's ours\nSELECT 'a;b', '$' || '{x}' FROM t WHERE c IN (${concepts.d}) \
                   AND y - ${n} > DATE '${n}-01-01'\n";
        let template = Template::parse(sql).unwrap();
        let places: Vec<_> = template.places().map(|p| (p.name.as_str(), p.is_quoted)).collect();
        assert_eq!(places, [("concepts.d", false), ("n", false), ("n", true)]);
        let set = |ids: &[u32], descendants| ConceptSet {
            ids: ids.to_vec(),
            descendants,
            what: String::new(),
        };
        let values = |name: &str| (name == "n").then_some(Value::Integer(2023));
        let filled = |set| template.filled(&values, &BTreeMap::from([("d".to_owned(), set)]));
        assert_eq!(
            filled(set(&[1, 2], true)),
            "-- it's ours\nSELECT 'a;b', '$' || '{x}' FROM t WHERE c IN (descendants_of(1, 2)) \
             AND y - 2023 > DATE '2023-01-01'"
        );
        assert!(filled(set(&[7, 8], false)).contains("IN (7, 8)"));
        assert!(template.has_word("c") && !template.has_word("oncepts"));
    }

    #[test]
    fn what_is_no_single_question_is_refused_at_its_place() {
        let fault = |sql| Template::parse(sql).unwrap_err();
        assert_eq!(fault("SELECT 1; DROP TABLE t").0, 8);
        assert_eq!(fault("SELECT ${year").0, 7);
        assert_eq!(fault("SELECT 1 -- ${year}").0, 12);
        assert_eq!(fault("SELECT 'a").0, 9);
        assert_eq!(fault("SELECT \"it's\", \"a").0, 17);
        assert_eq!(fault("SELECT /* 1 */ 2").0, 7);
        let (at, reason) = fault("  delete FROM t");
        assert_eq!(at, 2);
        assert!(reason.ends_with("not with \"delete\""), "{reason}");
        assert_eq!(fault("").0, 0);
    }
}
