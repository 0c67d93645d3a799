//! Applies the parts of an expression to a focus.

use super::error::{PathError, PathFault};
use super::functions;
use super::item::{self, Content, Item};
use super::operators;
use super::syntax::{Function, Kind, Literal, Node, Operator, TypeFunction};
use super::{Constants, Scope};

/// What an expression starts from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Focus<'f, 'r> {
    /// `$this`.
    pub(super) items: &'f [Item<'r>],
    /// `$index`, within a function that goes through a collection.
    pub(super) index: Option<usize>,
}

/// A collection.
pub(super) type Items<'r> = Vec<Item<'r>>;

/// What a part finds.
///
/// # Errors
/// [`PathError`] at the part that failed.
pub(super) fn evaluate<'r>(
    node: &Node,
    focus: Focus<'_, 'r>,
    scope: &Scope<'r, '_>,
) -> Result<Items<'r>, PathError> {
    let found = match &node.kind {
        Kind::Nothing => vec![],
        Kind::Literal(literal) => vec![written(literal)],
        Kind::This => focus.items.to_vec(),
        Kind::Index => {
            let index = focus.index.and_then(|index| i64::try_from(index).ok());
            index.map(|index| Item::new(Content::Integer(index))).into_iter().collect()
        }
        Kind::Constant(name) => constant(name, node, scope)?,
        Kind::Member(input, name) => member(input.as_deref(), name, node, focus, scope)?,
        Kind::Call(input, function, arguments) => {
            let input = input_of(input.as_deref(), focus, scope)?;
            call(node, *function, &input, arguments, focus, scope)?
        }
        Kind::TypeCall(input, function, name) => {
            let input = input_of(input.as_deref(), focus, scope)?;
            type_call(*function, name.as_deref(), input, node)?
        }
        Kind::At(input, index) => {
            let input = evaluate(input, focus, scope)?;
            let index = evaluate(index, focus, scope)?;
            at(&input, &index, node)?
        }
        Kind::Negative(input) => {
            let input = evaluate(input, focus, scope)?;
            operators::negative(&input).map_err(|fault| fault.at(node.at))?
        }
        Kind::Binary(operator, left, right) => binary(*operator, left, right, node, focus, scope)?,
    };
    spend(found.len(), node, scope)?;
    Ok(found)
}

/// Pays for a step and what it found.
fn spend(found: usize, node: &Node, scope: &Scope<'_, '_>) -> Result<(), PathError> {
    let steps = u64::try_from(found).unwrap_or(u64::MAX).saturating_add(1);
    let left = scope.steps_left.get().checked_sub(steps);
    scope.steps_left.set(left.ok_or(PathFault::TooManySteps.at(node.at))?);
    Ok(())
}

fn written<'r>(literal: &Literal) -> Item<'r> {
    match literal {
        Literal::Boolean(value) => Item::boolean(*value),
        Literal::Integer(value) => Item::new(Content::Integer(*value)),
        Literal::Decimal(value) => Item::new(Content::Decimal(*value)),
        Literal::Text(text) => Item { kind: Some("String"), ..Item::text(text.clone()) },
        Literal::Temporal(text, kind) => Item { kind: Some(kind), ..Item::text(text.clone()) },
    }
}

fn constant<'r>(name: &str, node: &Node, scope: &Scope<'r, '_>) -> Result<Items<'r>, PathError> {
    let mut found = Vec::new();
    match name {
        "rowIndex" => {
            let index = i64::try_from(scope.row_index);
            found.push(Item::new(Content::Integer(index.unwrap_or(i64::MAX))));
        }
        "resource" | "rootResource" | "context" => {
            item::add(scope.resource, None, &mut found).map_err(|fault| fault.at(node.at))?;
        }
        _ => {
            let unknown = || PathFault::UnknownConstant(name.to_owned()).at(node.at);
            found.push(own(scope.constants, name).ok_or_else(unknown)?);
        }
    }
    Ok(found)
}

/// A constant of the view, as a value that does not borrow from the view.
fn own<'r>(constants: &Constants, name: &str) -> Option<Item<'r>> {
    let (value, kind) = constants.values.get(name)?;
    let mut found = Vec::new();
    item::add(value, *kind, &mut found).ok()?;
    let item = found.pop()?;
    let content = match item.content {
        Content::Boolean(value) => Content::Boolean(value),
        Content::Integer(value) => Content::Integer(value),
        Content::Decimal(value) => Content::Decimal(value),
        Content::Text(text) => Content::Text(text.into_owned().into()),
        Content::Object(_) => return None,
    };
    Some(Item { content, kind: item.kind })
}

fn input_of<'r>(
    input: Option<&Node>,
    focus: Focus<'_, 'r>,
    scope: &Scope<'r, '_>,
) -> Result<Items<'r>, PathError> {
    match input {
        Some(input) => evaluate(input, focus, scope),
        None => Ok(focus.items.to_vec()),
    }
}

fn member<'r>(
    input: Option<&Node>,
    name: &str,
    node: &Node,
    focus: Focus<'_, 'r>,
    scope: &Scope<'r, '_>,
) -> Result<Items<'r>, PathError> {
    let mut found = Vec::new();
    let mut add =
        |items: &[Item<'r>]| items.iter().try_for_each(|item| item.member(name, &mut found));
    let added = match input {
        Some(input) => add(&evaluate(input, focus, scope)?),
        // A path may begin with the type of the resource that it starts from.
        None => match focus.items {
            [only] if only.resource_type() == Some(name) => return Ok(vec![only.clone()]),
            items => add(items),
        },
    };
    added.map_err(|fault| fault.at(node.at))?;
    Ok(found)
}

fn at<'r>(input: &[Item<'r>], index: &[Item<'_>], node: &Node) -> Result<Items<'r>, PathError> {
    let index = match index {
        [] => return Ok(vec![]),
        [Item { content: Content::Integer(index), .. }] => *index,
        [_] => return Err(PathFault::WrongType("an index").at(node.at)),
        _ => return Err(PathFault::NotSingle("an index").at(node.at)),
    };
    let found = usize::try_from(index).ok().and_then(|index| input.get(index));
    Ok(found.cloned().into_iter().collect())
}

fn binary<'r>(
    operator: Operator,
    left: &Node,
    right: &Node,
    node: &Node,
    focus: Focus<'_, 'r>,
    scope: &Scope<'r, '_>,
) -> Result<Items<'r>, PathError> {
    let left = evaluate(left, focus, scope)?;
    let right = evaluate(right, focus, scope)?;
    let comparisons = match operator {
        Operator::Union => left.len().saturating_add(right.len()).saturating_pow(2),
        Operator::In | Operator::Contains => left.len().saturating_mul(right.len()),
        _ => 0,
    };
    spend(comparisons, node, scope)?;
    operators::apply(operator, left, right).map_err(|fault| fault.at(node.at))
}

/// A function. Those that take an expression apply it to each of the input in turn; of the
/// others, arguments start from the same focus as the input.
fn call<'r>(
    node: &Node,
    function: Function,
    input: &[Item<'r>],
    arguments: &[Node],
    focus: Focus<'_, 'r>,
    scope: &Scope<'r, '_>,
) -> Result<Items<'r>, PathError> {
    match (function, arguments) {
        (Function::Where, [criterion]) => {
            let mut kept = Vec::new();
            for (index, item) in input.iter().enumerate() {
                if holds(criterion, one(item, index), scope)? == Some(true) {
                    kept.push(item.clone());
                }
            }
            Ok(kept)
        }
        (Function::Exists, [criterion]) => {
            for (index, item) in input.iter().enumerate() {
                if holds(criterion, one(item, index), scope)? == Some(true) {
                    return Ok(vec![Item::boolean(true)]);
                }
            }
            Ok(vec![Item::boolean(false)])
        }
        (Function::All, [criterion]) => {
            for (index, item) in input.iter().enumerate() {
                if holds(criterion, one(item, index), scope)? != Some(true) {
                    return Ok(vec![Item::boolean(false)]);
                }
            }
            Ok(vec![Item::boolean(true)])
        }
        (Function::Select, [projection]) => {
            let mut found = Vec::new();
            for (index, item) in input.iter().enumerate() {
                found.extend(evaluate(projection, one(item, index), scope)?);
            }
            Ok(found)
        }
        (Function::Iif, [criterion, then, rest @ ..]) => {
            let inner = Focus { items: input, index: focus.index };
            match (holds(criterion, inner, scope)?, rest) {
                (Some(true), _) => evaluate(then, inner, scope),
                (_, [otherwise]) => evaluate(otherwise, inner, scope),
                _ => Ok(vec![]),
            }
        }
        _ => {
            if function == Function::Distinct {
                spend(input.len().saturating_mul(input.len()), node, scope)?;
            }
            let mut values = Vec::with_capacity(arguments.len());
            for argument in arguments {
                values.push(evaluate(argument, focus, scope)?);
            }
            functions::apply(function, input, &values).map_err(|fault| fault.at(node.at))
        }
    }
}

fn one<'f, 'r>(item: &'f Item<'r>, index: usize) -> Focus<'f, 'r> {
    Focus { items: std::slice::from_ref(item), index: Some(index) }
}

/// Whether a criterion holds; `None` if that is not known.
fn holds<'r>(
    criterion: &Node,
    focus: Focus<'_, 'r>,
    scope: &Scope<'r, '_>,
) -> Result<Option<bool>, PathError> {
    let found = evaluate(criterion, focus, scope)?;
    operators::truth(&found, "a criterion").map_err(|fault| fault.at(criterion.at))
}

fn type_call<'r>(
    function: TypeFunction,
    name: Option<&str>,
    mut input: Items<'r>,
    node: &Node,
) -> Result<Items<'r>, PathError> {
    let name = name.unwrap_or_default();
    match function {
        TypeFunction::OfType => {
            input.retain(|item| item.is_of(name));
            Ok(input)
        }
        TypeFunction::Is => match input.as_slice() {
            [] => Ok(vec![]),
            [only] => Ok(vec![Item::boolean(only.is_of(name))]),
            _ => Err(PathFault::NotSingle("is").at(node.at)),
        },
        TypeFunction::ReferenceKey => {
            functions::reference_keys(&input, name).map_err(|fault| fault.at(node.at))
        }
    }
}
