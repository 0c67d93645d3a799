//! Ranges of numbers and days, as Circe writes them: a value, an operator, and perhaps an extent.

use chrono::NaiveDate;

use crate::cohort::definition::Limits;
use crate::cohort::error::CohortError;
use crate::cohort::tree::{Fields, Node};

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

/// A number of days. Later versions of Circe write it as a value and a unit beside it, and both
/// may be there.
pub(super) fn days(
    fields: &Fields<'_>,
    [plain, unit, value]: [&str; 3],
) -> Result<Option<u32>, CohortError> {
    fields.read(unit, |unit| unit.choice(&[("day", ())]))?;
    let read = |key| fields.read(key, |node| node.natural(DAYS_FAR));
    match (read(plain)?, read(value)?) {
        (Some(days), Some(same)) if days != same => {
            let found = format!("{plain} is {days} and {value} is {same}");
            Err(fields.place.refuse(found, "they are the same, or one of them is left out"))
        }
        (days, same) => Ok(days.or(same)),
    }
}

/// More days than the calendar of the engine has: what is compared with them may be any day.
const DAYS_FAR: u32 = 999_999;

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
