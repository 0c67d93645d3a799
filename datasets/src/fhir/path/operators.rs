//! What stands between two parts of an expression, on values.
//!
//! # Source
//! FHIRPath 2.0.0, sections 6.1 to 6.6, and 4.5 for collections where one value is wanted.

use std::cmp::Ordering;

use super::decimal::Decimal;
use super::error::PathFault;
use super::evaluate::Items;
use super::item::{Content, Item};
use super::syntax::Operator;

/// Applies an operator.
///
/// # Errors
/// [`PathFault`] for values that it does not take.
pub(super) fn apply<'r>(
    operator: Operator,
    left: Items<'r>,
    right: Items<'r>,
) -> Result<Items<'r>, PathFault> {
    match operator {
        Operator::Union => Ok(union(left, right)),
        Operator::And | Operator::Or | Operator::Xor | Operator::Implies => {
            let left = truth(&left, "a logical operator")?;
            Ok(logic(operator, left, truth(&right, "a logical operator")?))
        }
        Operator::Equal => Ok(answer(equal(&left, &right))),
        Operator::NotEqual => Ok(answer(equal(&left, &right).map(|equal| !equal))),
        Operator::In => member_of(&left, &right),
        Operator::Contains => member_of(&right, &left),
        Operator::Greater | Operator::GreaterOrEqual | Operator::Less | Operator::LessOrEqual => {
            order(operator, &left, &right)
        }
        Operator::Concatenate => {
            let part = |items: &[Item<'_>]| match single(items, "&")? {
                Some(item) => item.as_text().map(str::to_owned).ok_or(PathFault::WrongType("&")),
                None => Ok(String::new()),
            };
            Ok(vec![Item::text(part(&left)? + &part(&right)?)])
        }
        Operator::Add
        | Operator::Subtract
        | Operator::Multiply
        | Operator::Divide
        | Operator::WholeDivide
        | Operator::Modulo => arithmetic(operator, &left, &right),
    }
}

/// The one value that there is; `None` if there is none.
///
/// # Errors
/// [`PathFault::NotSingle`].
pub(super) fn single<'i, 'r>(
    items: &'i [Item<'r>],
    what: &'static str,
) -> Result<Option<&'i Item<'r>>, PathFault> {
    match items {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        _ => Err(PathFault::NotSingle(what)),
    }
}

/// Whether a collection stands for true; `None` if it is empty. One value that is no boolean
/// stands for true, because it is there.
///
/// # Errors
/// [`PathFault::NotSingle`].
pub(super) fn truth(items: &[Item<'_>], what: &'static str) -> Result<Option<bool>, PathFault> {
    Ok(single(items, what)?.map(|item| match item.content {
        Content::Boolean(value) => value,
        _ => true,
    }))
}

/// The negative of a number.
///
/// # Errors
/// [`PathFault::NotSingle`], [`PathFault::WrongType`], [`PathFault::Overflow`].
pub(super) fn negative<'r>(items: &[Item<'r>]) -> Result<Items<'r>, PathFault> {
    let content = match single(items, "-")?.map(|item| &item.content) {
        None => return Ok(vec![]),
        Some(Content::Integer(value)) => {
            Content::Integer(value.checked_neg().ok_or(PathFault::Overflow)?)
        }
        Some(Content::Decimal(value)) => Content::Decimal(value.negated()),
        Some(_) => return Err(PathFault::WrongType("-")),
    };
    Ok(vec![Item::new(content)])
}

/// Whether two collections are equal; `None` if that is not known.
fn equal(left: &[Item<'_>], right: &[Item<'_>]) -> Option<bool> {
    if left.is_empty() || right.is_empty() {
        return None;
    }
    if left.len() != right.len() {
        return Some(false);
    }
    let mut known = Some(true);
    for (one, two) in left.iter().zip(right) {
        match one.equals(two) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => known = None,
        }
    }
    known
}

/// Values without those that are equal to an earlier one.
pub(super) fn distinct<'r>(items: impl IntoIterator<Item = Item<'r>>) -> Items<'r> {
    let mut kept: Items<'r> = Vec::new();
    for item in items {
        if !kept.iter().any(|other| other.equals(&item) == Some(true)) {
            kept.push(item);
        }
    }
    kept
}

fn union<'r>(left: Items<'r>, right: Items<'r>) -> Items<'r> {
    distinct(left.into_iter().chain(right))
}

fn member_of<'r>(one: &[Item<'_>], many: &[Item<'_>]) -> Result<Items<'r>, PathFault> {
    Ok(match single(one, "in")? {
        None => vec![],
        Some(one) => {
            vec![Item::boolean(many.iter().any(|other| other.equals(one) == Some(true)))]
        }
    })
}

fn logic<'r>(operator: Operator, left: Option<bool>, right: Option<bool>) -> Items<'r> {
    let both = |meets: bool| left == Some(meets) && right == Some(meets);
    let either = |meets: bool| left == Some(meets) || right == Some(meets);
    answer(match operator {
        Operator::And if either(false) => Some(false),
        Operator::And => both(true).then_some(true),
        Operator::Or if either(true) => Some(true),
        Operator::Or => both(false).then_some(false),
        Operator::Xor => left.zip(right).map(|(left, right)| left != right),
        _ => match (left, right) {
            (Some(false), _) | (_, Some(true)) => Some(true),
            (Some(true), Some(false)) => Some(false),
            _ => None,
        },
    })
}

fn answer<'r>(known: Option<bool>) -> Items<'r> {
    known.map(Item::boolean).into_iter().collect()
}

fn order<'r>(
    operator: Operator,
    left: &[Item<'_>],
    right: &[Item<'_>],
) -> Result<Items<'r>, PathFault> {
    const WHAT: &str = "a comparison";
    let (Some(left), Some(right)) = (single(left, WHAT)?, single(right, WHAT)?) else {
        return Ok(vec![]);
    };
    let admits = |order: Ordering| match operator {
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        Operator::Less => order.is_lt(),
        _ => order.is_le(),
    };
    Ok(answer(left.compare(right)?.map(admits)))
}

fn arithmetic<'r>(
    operator: Operator,
    left: &[Item<'r>],
    right: &[Item<'r>],
) -> Result<Items<'r>, PathFault> {
    const WHAT: &str = "arithmetic";
    let (Some(left), Some(right)) = (single(left, WHAT)?, single(right, WHAT)?) else {
        return Ok(vec![]);
    };
    let content = match (&left.content, &right.content) {
        (Content::Text(left), Content::Text(right)) if operator == Operator::Add => {
            Content::Text(format!("{left}{right}").into())
        }
        (Content::Integer(left), Content::Integer(right)) if operator != Operator::Divide => {
            match whole(operator, *left, *right)? {
                Some(value) => Content::Integer(value),
                None => return Ok(vec![]),
            }
        }
        _ => {
            let numbers = left.as_decimal().zip(right.as_decimal());
            let (left, right) = numbers.ok_or(PathFault::WrongType(WHAT))?;
            match decimal(operator, left, right)? {
                Some(value) => Content::Decimal(value),
                None => return Ok(vec![]),
            }
        }
    };
    Ok(vec![Item::new(content)])
}

/// Of whole numbers; `None` for a division by zero.
fn whole(operator: Operator, left: i64, right: i64) -> Result<Option<i64>, PathFault> {
    let value = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        _ if right == 0 => return Ok(None),
        Operator::Modulo => left.checked_rem(right),
        _ => left.checked_div(right),
    };
    value.map(Some).ok_or(PathFault::Overflow)
}

/// Of decimal numbers; `None` for a division by zero.
fn decimal(
    operator: Operator,
    left: Decimal,
    right: Decimal,
) -> Result<Option<Decimal>, PathFault> {
    let by_zero = right.whole() == Some(0);
    let value = match operator {
        Operator::Add => left.plus(right),
        Operator::Subtract => left.minus(right),
        Operator::Multiply => left.times(right),
        _ if by_zero => return Ok(None),
        Operator::Divide => left.over(right),
        _ => return Err(PathFault::WrongType("div or mod of decimals")),
    };
    value.map(Some).ok_or(PathFault::Overflow)
}
