//! Runs a view on one resource.
//!
//! # Source
//! SQL-on-FHIR 2.0.0, section "Processing algorithm"; `repeat` and `%rowIndex` of 2.1.0-pre.

use std::cell::Cell as Counter;

use serde_json::{Number, Value};

use super::compile::{Block, Cell, Compiled, Placed, Through};
use super::error::ViewError;
use crate::fhir::path::{self, Content, Item, Scope};

/// Values of the columns of one row; null for none, an array for a collection.
pub(super) type Row = Vec<Value>;

/// The rows of a resource.
///
/// # Errors
/// [`ViewError`], for a resource that the view does not fit.
pub(super) fn rows(view: &Compiled, resource: &Value) -> Result<Vec<Row>, ViewError> {
    if resource.get("resourceType").and_then(Value::as_str) != Some(&view.resource) {
        return Ok(vec![]);
    }
    let steps_left = Counter::new(STEPS_MAX);
    let scope =
        Scope { resource, constants: &view.constants, steps_left: &steps_left, row_index: 0 };
    let root = path::focus(resource);
    for condition in &view.conditions {
        if !holds(condition, &root, &scope)? {
            return Ok(vec![]);
        }
    }
    block(&view.root, &root, &scope)
}

fn holds<'r>(
    condition: &Placed,
    root: &[Item<'r>],
    scope: &Scope<'r, '_>,
) -> Result<bool, ViewError> {
    match find(condition, root, scope)?.as_slice() {
        [] => Ok(false),
        [Item { content: Content::Boolean(holds), .. }] => Ok(*holds),
        _ => Err(ViewError::NotBoolean { place: condition.place.clone() }),
    }
}

fn find<'r>(
    path: &Placed,
    focus: &[Item<'r>],
    scope: &Scope<'r, '_>,
) -> Result<Vec<Item<'r>>, ViewError> {
    let misfit = |source| ViewError::Misfit { place: path.place.clone(), source };
    path.expression.evaluate(focus, scope).map_err(misfit)
}

/// The rows of a block, around which there is a focus.
fn block<'r>(
    block: &Block,
    focus: &[Item<'r>],
    scope: &Scope<'r, '_>,
) -> Result<Vec<Row>, ViewError> {
    let each = match &block.through {
        Through::Here => return rows_here(block, focus, scope),
        Through::Each(path) | Through::EachOrNull(path) => find(path, focus, scope)?,
        Through::Repeat(paths) => {
            let mut found = Vec::new();
            repeat(paths, focus, 0, scope, &mut found)?;
            found
        }
    };
    if each.is_empty() && matches!(block.through, Through::EachOrNull(_)) {
        // Nulls in every column, but for those that are about the row.
        let scope = Scope { row_index: 0, ..*scope };
        return null_rows(block, &scope);
    }
    let mut rows = Vec::new();
    for (row_index, item) in each.iter().enumerate() {
        let scope = Scope { row_index, ..*scope };
        rows.extend(rows_here(block, std::slice::from_ref(item), &scope)?);
        bounded(&rows, block)?;
    }
    Ok(rows)
}

/// The one row of a block that goes through nothing and has a row all the same.
fn null_rows(block: &Block, scope: &Scope<'_, '_>) -> Result<Vec<Row>, ViewError> {
    let mut row: Row = Vec::with_capacity(block.width);
    for column in &block.columns {
        // What does not come from an element, as `%rowIndex` and literals, has its value.
        row.push(value(column, &[], scope)?);
    }
    row.resize(block.width, Value::Null);
    Ok(vec![row])
}

/// The rows of a block for one focus: each combination of those within, after its columns.
fn rows_here<'r>(
    block: &Block,
    focus: &[Item<'r>],
    scope: &Scope<'r, '_>,
) -> Result<Vec<Row>, ViewError> {
    let mut own: Row = Vec::with_capacity(block.columns.len());
    for column in &block.columns {
        own.push(value(column, focus, scope)?);
    }
    let mut rows = vec![own];
    for inner in &block.blocks {
        let right = self::block(inner, focus, scope)?;
        rows = combined(&rows, &right, block)?;
    }
    if !block.union.is_empty() {
        let mut right = Vec::new();
        for inner in &block.union {
            right.extend(self::block(inner, focus, scope)?);
            bounded(&right, block)?;
        }
        rows = combined(&rows, &right, block)?;
    }
    Ok(rows)
}

fn combined(left: &[Row], right: &[Row], block: &Block) -> Result<Vec<Row>, ViewError> {
    if left.len().saturating_mul(right.len()) > ROWS_MAX {
        return Err(too_many(block));
    }
    let pairs = left.iter().flat_map(|left| right.iter().map(move |right| (left, right)));
    Ok(pairs.map(|(left, right)| left.iter().chain(right).cloned().collect()).collect())
}

fn bounded(rows: &[Row], block: &Block) -> Result<(), ViewError> {
    if rows.len() > ROWS_MAX { Err(too_many(block)) } else { Ok(()) }
}

fn too_many(block: &Block) -> ViewError {
    ViewError::TooManyRows { place: block.place.clone(), rows_max: ROWS_MAX }
}

/// What paths find, each followed by what they find in it.
fn repeat<'r>(
    paths: &[Placed],
    focus: &[Item<'r>],
    depth: usize,
    scope: &Scope<'r, '_>,
    found: &mut Vec<Item<'r>>,
) -> Result<(), ViewError> {
    for path in paths {
        for item in find(path, focus, scope)? {
            if depth >= DEPTH_MAX {
                let place = path.place.clone();
                return Err(ViewError::TooDeep { place, depth_max: DEPTH_MAX });
            }
            found.push(item.clone());
            repeat(paths, &[item], depth + 1, scope, found)?;
        }
    }
    Ok(())
}

/// The value of a column.
fn value<'r>(column: &Cell, focus: &[Item<'r>], scope: &Scope<'r, '_>) -> Result<Value, ViewError> {
    let found = find(&column.path, focus, scope)?;
    let place = || column.path.place.clone();
    let primitive =
        |item: &Item<'r>| json(item).ok_or_else(|| ViewError::NotPrimitive { place: place() });
    if column.collection {
        return found.iter().map(primitive).collect();
    }
    match found.as_slice() {
        [] => Ok(Value::Null),
        [only] => primitive(only),
        _ => Err(ViewError::Several { place: place() }),
    }
}

/// A primitive value as JSON; `None` for one with members.
fn json(item: &Item<'_>) -> Option<Value> {
    Some(match &item.content {
        Content::Boolean(value) => Value::Bool(*value),
        Content::Integer(value) => Value::Number(Number::from(*value)),
        Content::Decimal(value) => Value::Number(Number::from_f64(value.to_float()?)?),
        Content::Text(text) => Value::String(text.clone().into_owned()),
        Content::Object(_) => return None,
    })
}

/// One resource makes no more rows. A patient's record of hundreds of pages makes thousands.
const ROWS_MAX: usize = 100_000;

/// Parts of expressions that are applied to one resource, with what they find.
const STEPS_MAX: u64 = 10_000_000;

/// JSON of resources is not nested deeper when it is read.
const DEPTH_MAX: usize = 128;
