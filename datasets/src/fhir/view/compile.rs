//! From a definition to a view whose expressions are read and whose columns are known.

use std::collections::BTreeSet;

use super::definition::{Column, Constant, Definition, Select};
use super::error::ViewError;
use crate::fhir::path::{Constants, Expression};

/// A view that can be run.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) resource: String,
    pub(super) constants: Constants,
    pub(super) conditions: Vec<Placed>,
    pub(super) root: Block,
    pub(super) names: Vec<String>,
}

/// An expression, and where it is in the view.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) place: String,
    pub(super) expression: Expression,
}

/// A `select`: rows for each of what it goes through.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) place: String,
    pub(super) through: Through,
    pub(super) columns: Vec<Cell>,
    /// Blocks beside the columns; rows are all combinations of theirs.
    pub(super) blocks: Vec<Block>,
    /// Blocks of the same columns, whose rows come one after another.
    pub(super) union: Vec<Block>,
    /// How many columns it has, with those of the blocks within.
    pub(super) width: usize,
}

/// What a block goes through.
#[derive(Debug)]
pub(super) enum Through {
    /// What is around it.
    Here,
    /// Each of what an expression finds.
    Each(Placed),
    /// That, and nulls if it finds nothing.
    EachOrNull(Placed),
    /// Whatever expressions find, and find in that, again and again.
    Repeat(Vec<Placed>),
}

/// A column.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) path: Placed,
    pub(super) collection: bool,
}

/// Reads a definition.
///
/// # Errors
/// [`ViewError::Shape`], [`ViewError::Expression`].
pub(super) fn compile(definition: &Definition) -> Result<Compiled, ViewError> {
    let resource = match &definition.resource {
        Some(resource) if !resource.is_empty() => resource.clone(),
        _ => return Err(shape("resource", "a view names the type of its resources")),
    };
    let constants = constants(&definition.constant)?;
    let mut conditions = Vec::new();
    for (index, condition) in definition.condition.iter().enumerate() {
        conditions.push(placed(format!("where[{index}]"), &condition.path, &constants)?);
    }
    let mut names = Vec::new();
    let mut root = Block {
        place: "select".to_owned(),
        through: Through::Here,
        columns: vec![],
        blocks: vec![],
        union: vec![],
        width: 0,
    };
    for (index, select) in definition.select.iter().enumerate() {
        let (block, own) = block(select, format!("select[{index}]"), 0, &constants)?;
        root.width += block.width;
        root.blocks.push(block);
        names.extend(own);
    }
    if names.is_empty() {
        return Err(shape("select", "a view has columns"));
    }
    let mut seen = BTreeSet::new();
    if !names.iter().all(|name| seen.insert(name)) {
        return Err(shape("select", "every column has a name of its own"));
    }
    Ok(Compiled { resource, constants, conditions, root, names })
}

fn constants(listed: &[Constant]) -> Result<Constants, ViewError> {
    let mut constants = Constants::default();
    for (index, constant) in listed.iter().enumerate() {
        let place = || format!("constant[{index}]");
        let values = constant
            .members
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("value")?, value)));
        let values: Vec<_> = values.collect();
        let [(kind, value)] = values.as_slice() else {
            return Err(shape(place(), "a constant has one value"));
        };
        if !is_name(&constant.name) || !constants.add(&constant.name, kind, value) {
            return Err(shape(place(), "a constant has a name of its own, and a primitive value"));
        }
    }
    Ok(constants)
}

/// A block, and the names of its columns.
fn block(
    select: &Select,
    place: String,
    depth: usize,
    constants: &Constants,
) -> Result<(Block, Vec<String>), ViewError> {
    if depth > DEPTH_MAX {
        return Err(shape(place, "a view is not as deep as this"));
    }
    let through = through(select, &place, constants)?;
    let mut names = Vec::new();
    let mut columns = Vec::new();
    for (index, column) in select.column.iter().enumerate() {
        let place = format!("{place}.column[{index}]");
        columns.push(cell(column, place, constants)?);
        names.push(column.name.clone());
    }
    let mut blocks = Vec::new();
    for (index, inner) in select.select.iter().enumerate() {
        let place = format!("{place}.select[{index}]");
        let (inner, own) = block(inner, place, depth + 1, constants)?;
        blocks.push(inner);
        names.extend(own);
    }
    let mut union: Vec<Block> = Vec::new();
    let mut common: Option<Vec<String>> = None;
    for (index, inner) in select.union_all.iter().enumerate() {
        let place = format!("{place}.unionAll[{index}]");
        let (inner, own) = block(inner, place.clone(), depth + 1, constants)?;
        if common.as_ref().is_some_and(|common| *common != own) {
            return Err(shape(place, "what is united has the same columns in the same order"));
        }
        common = Some(own);
        union.push(inner);
    }
    names.extend(common.unwrap_or_default());
    let width = names.len();
    Ok((Block { place, through, columns, blocks, union, width }, names))
}

fn through(select: &Select, place: &str, constants: &Constants) -> Result<Through, ViewError> {
    let read = |name: &str, path: &str| placed(format!("{place}.{name}"), path, constants);
    match (&select.for_each, &select.for_each_or_null, select.repeat.as_slice()) {
        (None, None, []) => Ok(Through::Here),
        (Some(path), None, []) => Ok(Through::Each(read("forEach", path)?)),
        (None, Some(path), []) => Ok(Through::EachOrNull(read("forEachOrNull", path)?)),
        (None, None, paths) => {
            let mut repeated = Vec::new();
            for (index, path) in paths.iter().enumerate() {
                repeated.push(read(&format!("repeat[{index}]"), path)?);
            }
            Ok(Through::Repeat(repeated))
        }
        _ => Err(shape(place, "one of forEach, forEachOrNull and repeat at most")),
    }
}

fn cell(column: &Column, place: String, constants: &Constants) -> Result<Cell, ViewError> {
    if !is_name(&column.name) {
        return Err(shape(place, "a column's name is a letter, then letters, digits and _"));
    }
    let path = placed(place, &column.path, constants)?;
    Ok(Cell { path, collection: column.collection })
}

fn placed(place: String, path: &str, constants: &Constants) -> Result<Placed, ViewError> {
    match Expression::parse(path, constants) {
        Ok(expression) => Ok(Placed { place, expression }),
        Err(source) => Err(ViewError::Expression { place, expression: path.to_owned(), source }),
    }
}

fn shape(place: impl Into<String>, rule: &'static str) -> ViewError {
    ViewError::Shape { place: place.into(), rule }
}

/// The names that the standard allows, which are those of all databases.
fn is_name(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// No view is nearly as deep.
const DEPTH_MAX: usize = 32;
