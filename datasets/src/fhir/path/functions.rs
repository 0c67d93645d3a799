//! Functions of values.
//!
//! # Source
//! FHIRPath 2.0.0, section 5; `join` and the boundaries from the continuous build of FHIRPath
//! 3.0.0; `getResourceKey` and `getReferenceKey` from SQL-on-FHIR 2.0.0; `extension` from FHIR R4.

use serde_json::Value;

use super::decimal::Decimal;
use super::error::PathFault;
use super::evaluate::Items;
use super::item::{Content, Item};
use super::operators::{self, single};
use super::syntax::Function;
use super::temporal::{End, Temporal};

/// Applies a function to its input and the values of its arguments.
///
/// # Errors
/// [`PathFault`] for values that it does not take.
pub(super) fn apply<'r>(
    function: Function,
    input: &[Item<'r>],
    arguments: &[Items<'r>],
) -> Result<Items<'r>, PathFault> {
    let argument = arguments.first().map(Vec::as_slice).unwrap_or_default();
    match function {
        Function::Empty => Ok(vec![Item::boolean(input.is_empty())]),
        Function::Exists => Ok(vec![Item::boolean(!input.is_empty())]),
        Function::Count => {
            let count = i64::try_from(input.len()).map_err(|_| PathFault::Overflow)?;
            Ok(vec![Item::new(Content::Integer(count))])
        }
        Function::First => Ok(input.first().cloned().into_iter().collect()),
        Function::Last => Ok(input.last().cloned().into_iter().collect()),
        Function::Distinct => Ok(operators::distinct(input.iter().cloned())),
        Function::Not => {
            let truth = operators::truth(input, "not()")?;
            Ok(truth.map(|value| Item::boolean(!value)).into_iter().collect())
        }
        Function::Extension => extension(input, argument),
        Function::Join => join(input, argument),
        Function::ResourceKey => Ok(input.iter().filter_map(resource_key).collect()),
        Function::LowBoundary => boundary(input, End::Low),
        Function::HighBoundary => boundary(input, End::High),
        Function::ToText => converted(input, "toString()", to_text),
        Function::ToInteger => converted(input, "toInteger()", to_integer),
        Function::ToDecimal => converted(input, "toDecimal()", to_decimal),
        Function::Upper => of_text(input, |text| Content::Text(text.to_uppercase().into())),
        Function::Lower => of_text(input, |text| Content::Text(text.to_lowercase().into())),
        Function::Length => of_text(input, |text| {
            Content::Integer(i64::try_from(text.chars().count()).unwrap_or(i64::MAX))
        }),
        Function::StartsWith => with_text(input, argument, |text, other| text.starts_with(other)),
        Function::EndsWith => with_text(input, argument, |text, other| text.ends_with(other)),
        Function::Contains => with_text(input, argument, |text, other| text.contains(other)),
        Function::Substring => {
            let length = arguments.get(1).map(Vec::as_slice);
            substring(input, argument, length)
        }
        // These take expressions, and are applied where expressions are.
        Function::All | Function::Iif | Function::Select | Function::Where => {
            Err(PathFault::Syntax("an argument is wanted here"))
        }
    }
}

/// `Type/id` of what references refer to, where that is of a type, or of any if it is empty.
/// References by a URL go by its last two parts, whatever the server; those to contained
/// resources, by `urn:` and by a search find nothing.
pub(super) fn reference_keys<'r>(input: &[Item<'_>], wanted: &str) -> Result<Items<'r>, PathFault> {
    let mut keys = Vec::new();
    for item in input {
        let mut found = Vec::new();
        item.member("reference", &mut found)?;
        let key = found.first().and_then(Item::as_text).and_then(reference_key);
        if let Some((kind, id)) = key.filter(|(kind, _)| wanted.is_empty() || *kind == wanted) {
            keys.push(Item::text(format!("{kind}/{id}")));
        }
    }
    Ok(keys)
}

fn reference_key(reference: &str) -> Option<(&str, &str)> {
    let reference = reference.split("/_history/").next()?;
    let mut parts = reference.rsplit('/');
    let (id, kind) = (parts.next()?, parts.next()?);
    let is_type = kind.starts_with(|letter: char| letter.is_ascii_uppercase())
        && kind.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_id = !id.is_empty()
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    let is_relative = parts.next().is_none();
    let is_http = reference.starts_with("http://") || reference.starts_with("https://");
    (is_type && is_id && (is_relative || is_http)).then_some((kind, id))
}

fn resource_key<'r>(item: &Item<'r>) -> Option<Item<'r>> {
    let kind = item.resource_type()?;
    let Content::Object(members) = item.content else { return None };
    let id = members.get("id").and_then(Value::as_str)?;
    Some(Item::text(format!("{kind}/{id}")))
}

fn extension<'r>(input: &[Item<'r>], url: &[Item<'r>]) -> Result<Items<'r>, PathFault> {
    const WHAT: &str = "extension()";
    let Some(url) = single(url, WHAT)? else { return Ok(vec![]) };
    let url = url.as_text().ok_or(PathFault::WrongType(WHAT))?;
    let mut found = Vec::new();
    for item in input {
        item.member("extension", &mut found)?;
    }
    let is_wanted = |item: &Item<'r>| match item.content {
        Content::Object(members) => members.get("url").and_then(Value::as_str) == Some(url),
        _ => false,
    };
    found.retain(is_wanted);
    Ok(found)
}

fn join<'r>(input: &[Item<'r>], separator: &[Item<'r>]) -> Result<Items<'r>, PathFault> {
    const WHAT: &str = "join()";
    let separator = match single(separator, WHAT)? {
        Some(separator) => separator.as_text().ok_or(PathFault::WrongType(WHAT))?,
        None => "",
    };
    let texts: Option<Vec<&str>> = input.iter().map(Item::as_text).collect();
    Ok(vec![Item::text(texts.ok_or(PathFault::WrongType(WHAT))?.join(separator))])
}

/// The first or last that a value may mean, by the places or parts that it shows.
fn boundary<'r>(input: &[Item<'r>], end: End) -> Result<Items<'r>, PathFault> {
    const WHAT: &str = "a boundary";
    let Some(item) = single(input, WHAT)? else { return Ok(vec![]) };
    match &item.content {
        Content::Integer(_) | Content::Decimal(_) => {
            let value = item.as_decimal().ok_or(PathFault::WrongType(WHAT))?;
            let value = match end {
                End::Low => value.low_boundary(),
                End::High => value.high_boundary(),
            };
            Ok(vec![Item::new(Content::Decimal(value.ok_or(PathFault::Overflow)?))])
        }
        Content::Text(text) => {
            let value = Temporal::parse(text).ok_or(PathFault::WrongType(WHAT))?;
            let is_moment = matches!(item.kind, Some("DateTime" | "Instant"));
            let (text, kind) = if value.is_time_of_day() {
                (Some(value.time_boundary(end)), "Time")
            } else if value.is_date() && !is_moment {
                (value.date_boundary(end), "Date")
            } else {
                (value.moment_boundary(end), "DateTime")
            };
            let text = text.ok_or(PathFault::WrongType(WHAT))?;
            Ok(vec![Item { kind: Some(kind), ..Item::text(text) }])
        }
        Content::Object(_) if matches!(item.kind, None | Some("Period")) => {
            let period = Item { content: item.content.clone(), kind: Some("Period") };
            let mut found = Vec::new();
            let name = if end == End::Low { "start" } else { "end" };
            period.member(name, &mut found)?;
            boundary(&found, end)
        }
        _ => Err(PathFault::WrongType(WHAT)),
    }
}

fn converted<'r>(
    input: &[Item<'r>],
    what: &'static str,
    convert: impl Fn(&Content<'r>) -> Option<Content<'r>>,
) -> Result<Items<'r>, PathFault> {
    let item = single(input, what)?;
    Ok(item.and_then(|item| convert(&item.content)).map(Item::new).into_iter().collect())
}

fn to_text<'r>(content: &Content<'r>) -> Option<Content<'r>> {
    let text = match content {
        Content::Boolean(value) => value.to_string(),
        Content::Integer(value) => value.to_string(),
        Content::Decimal(value) => value.to_string(),
        Content::Text(_) => return Some(content.clone()),
        Content::Object(_) => return None,
    };
    Some(Content::Text(text.into()))
}

fn to_integer<'r>(content: &Content<'r>) -> Option<Content<'r>> {
    match content {
        Content::Boolean(value) => Some(Content::Integer(i64::from(*value))),
        Content::Integer(value) => Some(Content::Integer(*value)),
        Content::Text(text) => text.parse().ok().map(Content::Integer),
        _ => None,
    }
}

fn to_decimal<'r>(content: &Content<'r>) -> Option<Content<'r>> {
    let value = match content {
        Content::Boolean(value) => Decimal::from(i64::from(*value)),
        Content::Integer(value) => Decimal::from(*value),
        Content::Decimal(value) => *value,
        Content::Text(text) => Decimal::parse(text)?,
        Content::Object(_) => return None,
    };
    Some(Content::Decimal(value))
}

fn of_text<'r>(
    input: &[Item<'r>],
    make: impl Fn(&str) -> Content<'r>,
) -> Result<Items<'r>, PathFault> {
    const WHAT: &str = "a function of text";
    let Some(item) = single(input, WHAT)? else { return Ok(vec![]) };
    let text = item.as_text().ok_or(PathFault::WrongType(WHAT))?;
    Ok(vec![Item::new(make(text))])
}

fn with_text<'r>(
    input: &[Item<'r>],
    argument: &[Item<'r>],
    test: impl Fn(&str, &str) -> bool,
) -> Result<Items<'r>, PathFault> {
    const WHAT: &str = "a function of text";
    let Some(other) = single(argument, WHAT)? else { return Ok(vec![]) };
    let other = other.as_text().ok_or(PathFault::WrongType(WHAT))?;
    of_text(input, |text| Content::Boolean(test(text, other)))
}

/// A part of a text by letters; nothing if it would begin outside.
fn substring<'r>(
    input: &[Item<'r>],
    start: &[Item<'r>],
    length: Option<&[Item<'r>]>,
) -> Result<Items<'r>, PathFault> {
    const WHAT: &str = "substring()";
    let number = |items: &[Item<'r>]| match single(items, WHAT)?.map(|item| &item.content) {
        None => Ok(None),
        Some(Content::Integer(value)) => Ok(Some(*value)),
        Some(_) => Err(PathFault::WrongType(WHAT)),
    };
    let start = number(start)?;
    let length = length.map_or(Ok(Some(i64::MAX)), number)?;
    let (Some(item), Some(start)) = (single(input, WHAT)?, start) else { return Ok(vec![]) };
    let text = item.as_text().ok_or(PathFault::WrongType(WHAT))?;
    let letters = text.chars().count();
    let Some(start) = usize::try_from(start).ok().filter(|start| *start < letters) else {
        return Ok(vec![]);
    };
    let length = usize::try_from(length.unwrap_or(0)).unwrap_or(0);
    let part: String = text.chars().skip(start).take(length).collect();
    Ok(vec![Item::text(part)])
}
