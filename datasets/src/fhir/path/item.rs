//! The values that expressions compute with: elements of a resource, and literals.
//!
//! JSON does not say of what type an element is. Where its name does (`valueQuantity`), that is
//! kept; where it does not, types are told by what JSON shows and by the form of a text.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::decimal::Decimal;
use super::error::PathFault;
use super::temporal::Temporal;

/// One value of a collection.
#[derive(Clone, Debug)]
pub struct Item<'r> {
    /// The value.
    pub content: Content<'r>,
    /// Its FHIR type with a large first letter, where that is known.
    pub kind: Option<&'static str>,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Content<'r> {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A decimal number.
    Decimal(Decimal),
    /// A text, or anything else that JSON writes as one.
    Text(Cow<'r, str>),
    /// An element with members.
    Object(&'r Map<String, Value>),
}

impl<'r> Item<'r> {
    /// A value without a known type.
    pub(super) const fn new(content: Content<'r>) -> Self {
        Self { content, kind: None }
    }

    pub(super) fn text(text: impl Into<Cow<'r, str>>) -> Self {
        Self::new(Content::Text(text.into()))
    }

    pub(super) const fn boolean(value: bool) -> Self {
        Self::new(Content::Boolean(value))
    }

    /// The type of a resource, of one that is one.
    pub(super) fn resource_type(&self) -> Option<&'r str> {
        match self.content {
            Content::Object(members) => members.get("resourceType")?.as_str(),
            _ => None,
        }
    }

    /// As text, if it is one.
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// As a decimal number, if it is a number.
    pub(super) fn as_decimal(&self) -> Option<Decimal> {
        match self.content {
            Content::Integer(value) => Some(Decimal::from(value)),
            Content::Decimal(value) => Some(value),
            _ => None,
        }
    }

    /// The values of a member. A choice of types such as `value[x]` goes by its plain name.
    ///
    /// # Errors
    /// [`PathFault::Overflow`].
    pub(super) fn member(&self, name: &str, found: &mut Vec<Self>) -> Result<(), PathFault> {
        let Content::Object(members) = self.content else { return Ok(()) };
        if let Some(value) = members.get(name) {
            let is_of_period = self.kind == Some("Period") && matches!(name, "start" | "end");
            return add(value, is_of_period.then_some("DateTime"), found);
        }
        for (key, value) in members {
            let Some(suffix) = key.strip_prefix(name) else { continue };
            if let Some(kind) = TYPES.iter().find(|kind| **kind == suffix) {
                add(value, Some(kind), found)?;
            }
        }
        Ok(())
    }

    /// Whether it is of a type. What has no known type is of every type that it may be of.
    pub(super) fn is_of(&self, name: &str) -> bool {
        let name = name.rsplit_once('.').map_or(name, |(_, name)| name);
        if let Some(resource) = self.resource_type() {
            return resource == name || matches!(name, "Resource" | "DomainResource");
        }
        if let Some(kind) = self.kind {
            return eq_but_first_letter(kind, name);
        }
        let is = |names: &[&str]| names.iter().any(|known| eq_but_first_letter(known, name));
        match &self.content {
            Content::Boolean(_) => is(&["boolean"]),
            Content::Integer(_) => is(INTEGER_TYPES),
            Content::Decimal(_) => is(&["decimal"]),
            Content::Text(text) => match Temporal::parse(text) {
                Some(temporal) if is(TEMPORAL_TYPES) => {
                    is(&["time"]) == temporal.is_time_of_day()
                        && (temporal.is_date() || !is(&["date"]))
                }
                _ => is(TEXT_TYPES),
            },
            Content::Object(_) => {
                let primitive =
                    [&["boolean", "decimal"], INTEGER_TYPES, TEMPORAL_TYPES, TEXT_TYPES];
                !primitive.iter().any(|names| is(names))
            }
        }
    }

    /// Whether two values are equal; `None` if that cannot be known of partial dates.
    pub(super) fn equals(&self, other: &Self) -> Option<bool> {
        match (&self.content, &other.content) {
            (Content::Boolean(one), Content::Boolean(two)) => Some(one == two),
            (Content::Object(one), Content::Object(two)) => Some(one == two),
            (Content::Text(one), Content::Text(two)) => {
                let times = if self.is_temporal() || other.is_temporal() {
                    Temporal::parse(one).zip(Temporal::parse(two))
                } else {
                    None
                };
                match times {
                    Some((one, two)) => one.compare(&two).map(Ordering::is_eq),
                    None => Some(one == two),
                }
            }
            _ => match (self.as_decimal(), other.as_decimal()) {
                (Some(one), Some(two)) => Some(one.compare(two).is_some_and(Ordering::is_eq)),
                _ => Some(false),
            },
        }
    }

    /// Which of two values is larger; `None` if that cannot be known of partial dates.
    ///
    /// # Errors
    /// [`PathFault::WrongType`] for values that have no order, [`PathFault::Overflow`].
    pub(super) fn compare(&self, other: &Self) -> Result<Option<Ordering>, PathFault> {
        if let (Some(one), Some(two)) = (self.as_decimal(), other.as_decimal()) {
            return one.compare(two).map(Some).ok_or(PathFault::Overflow);
        }
        let (Some(one), Some(two)) = (self.as_text(), other.as_text()) else {
            return Err(PathFault::WrongType("a comparison"));
        };
        Ok(match (Temporal::parse(one), Temporal::parse(two)) {
            (Some(one), Some(two)) => one.compare(&two),
            _ => Some(one.cmp(two)),
        })
    }

    fn is_temporal(&self) -> bool {
        self.kind
            .is_some_and(|kind| TEMPORAL_TYPES.iter().any(|name| eq_but_first_letter(name, kind)))
    }
}

/// Adds the values that a piece of JSON stands for: none for null, each of an array.
///
/// # Errors
/// [`PathFault::Overflow`] for a number that is too large.
pub(super) fn add<'r>(
    value: &'r Value,
    kind: Option<&'static str>,
    found: &mut Vec<Item<'r>>,
) -> Result<(), PathFault> {
    let content = match value {
        Value::Null => return Ok(()),
        Value::Bool(value) => Content::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(value) => Content::Integer(value),
            None => {
                let decimal = Decimal::parse(&number.to_string());
                Content::Decimal(decimal.ok_or(PathFault::Overflow)?)
            }
        },
        Value::String(text) => Content::Text(Cow::Borrowed(text)),
        Value::Object(members) => Content::Object(members),
        Value::Array(values) => {
            return values.iter().try_for_each(|value| add(value, kind, found));
        }
    };
    found.push(Item { content, kind });
    Ok(())
}

/// The known type whose name ends a key such as `valueDateTime`.
pub(super) fn type_named(name: &str) -> Option<&'static str> {
    TYPES.iter().find(|kind| **kind == name).copied()
}

/// Whether two names are equal, whatever the case of their first letters: types of primitives
/// are written small, and large where a name ends with them.
fn eq_but_first_letter(one: &str, two: &str) -> bool {
    match (one.split_at_checked(1), two.split_at_checked(1)) {
        (Some((first, rest)), Some((other, others))) => {
            first.eq_ignore_ascii_case(other) && rest == others
        }
        _ => false,
    }
}

const INTEGER_TYPES: &[&str] = &["integer", "integer64", "positiveInt", "unsignedInt"];
const TEMPORAL_TYPES: &[&str] = &["date", "dateTime", "instant", "time"];
const TEXT_TYPES: &[&str] = &[
    "base64Binary",
    "canonical",
    "code",
    "id",
    "markdown",
    "oid",
    "string",
    "uri",
    "url",
    "uuid",
    "xhtml",
];

/// The types of which elements may have a choice, as they end the names of members.
///
/// # Source
/// FHIR R5, section 2.1.28 (open type element), and `CodeableReference` elements of R4 resources.
const TYPES: &[&str] = &[
    "Address",
    "Age",
    "Annotation",
    "Attachment",
    "Availability",
    "Base64Binary",
    "Boolean",
    "Canonical",
    "Code",
    "CodeableConcept",
    "CodeableReference",
    "Coding",
    "ContactDetail",
    "ContactPoint",
    "Contributor",
    "Count",
    "DataRequirement",
    "Date",
    "DateTime",
    "Decimal",
    "Distance",
    "Dosage",
    "Duration",
    "Expression",
    "ExtendedContactDetail",
    "HumanName",
    "Id",
    "Identifier",
    "Instant",
    "Integer",
    "Integer64",
    "Markdown",
    "Meta",
    "Money",
    "Oid",
    "ParameterDefinition",
    "Period",
    "PositiveInt",
    "Quantity",
    "Range",
    "Ratio",
    "RatioRange",
    "Reference",
    "RelatedArtifact",
    "SampledData",
    "Signature",
    "String",
    "Time",
    "Timing",
    "TriggerDefinition",
    "UnsignedInt",
    "Uri",
    "Url",
    "UsageContext",
    "Uuid",
];
