//! Ranges of numbers and days, as Circe writes them: a value, an operator, and perhaps an extent.

use chrono::NaiveDate;

use crate::cohort::definition::Limits;
use crate::cohort::error::CohortError;
use crate::cohort::tree::Node;

/// A range of values that `read` reads.
pub(super) fn range<T>(
    node: &Node,
    read: impl Fn(&Node) -> Result<T, CohortError>,
) -> Result<Limits<T>, CohortError> {
    let fields = node.asked(&["Value", "Op", "Extent"])?;
    let operator = fields.required("Op")?.choice(OPERATORS)?;
    let value = fields.required("Value")?;
    let mut limits = Limits::default();
    match operator {
        Operator::Less => limits.below = Some(read(value)?),
        Operator::AtMost => limits.at_most = Some(read(value)?),
        Operator::More => limits.above = Some(read(value)?),
        Operator::AtLeast => limits.at_least = Some(read(value)?),
        Operator::Equal { is_outside } => {
            limits = Limits {
                at_least: Some(read(value)?),
                at_most: Some(read(value)?),
                is_outside,
                ..limits
            };
        }
        Operator::Between { is_outside } => {
            limits = Limits {
                at_least: Some(read(value)?),
                at_most: Some(read(fields.required("Extent")?)?),
                is_outside,
                ..limits
            };
        }
    }
    Ok(limits)
}

/// A day.
pub(super) fn day(node: &Node) -> Result<NaiveDate, CohortError> {
    node.day()
}

/// A number of days, which old exports write as text.
pub(super) fn days_of(node: &Node, most: u32) -> Result<u32, CohortError> {
    let written = node.text().ok().and_then(|text| text.parse().ok());
    match written.filter(|days| *days <= most) {
        Some(days) => Ok(days),
        None => node.natural(most),
    }
}

/// Nothing, where an empty text stands for it.
pub(super) fn empty_as_none(node: &Node) -> Option<&Node> {
    Some(node).filter(|node| node.text().ok() != Some(""))
}

#[derive(Clone, Copy, Debug)]
enum Operator {
    Less,
    AtMost,
    Equal { is_outside: bool },
    More,
    AtLeast,
    Between { is_outside: bool },
}

/// Source: OHDSI/circe-be, `BuilderUtils`.
const OPERATORS: &[(&str, Operator)] = &[
    ("lt", Operator::Less),
    ("lte", Operator::AtMost),
    ("eq", Operator::Equal { is_outside: false }),
    ("!eq", Operator::Equal { is_outside: true }),
    ("gt", Operator::More),
    ("gte", Operator::AtLeast),
    ("bt", Operator::Between { is_outside: false }),
    ("!bt", Operator::Between { is_outside: true }),
];
