//! FHIRPath: the part of it that SQL-on-FHIR views are written in.
//!
//! ```text
//!  text ─lexer▶ tokens ─parser▶ syntax ─evaluate▶ items
//!                                         ├ functions, operators
//!                                         └ decimal, temporal
//! ```
//! It is our own because the crates that are there do more than is wanted: they bring a type per
//! FHIR resource and version, or an asynchronous engine with some 160 crates, to check what a
//! view does not ask. Here an expression works on the JSON as it is, without FHIR's structure
//! definitions. What follows from that is said at [`Item`] and here:
//!
//! - a member that does not exist is empty, never an error;
//! - a text that could be a date is one where a date is wanted: `birthDate.lowBoundary()` is a
//!   date, and so is that of a `dateTime` that shows no time, unless its name says its type
//!   (`onsetDateTime`) or it begins or ends a `Period` that is named so;
//! - zeros at the end of a decimal, beyond the first, are not kept by JSON, and so a boundary of
//!   `1.50` is that of `1.5`;
//! - extensions of primitive elements (`_birthDate`) are not seen.
//!
//! Quantities with units, `resolve()`, `memberOf()` and whatever else is not in `syntax` are
//! refused by name when an expression is read. Both reading and applying are bounded.
//!
//! # Source
//! FHIRPath 2.0.0; the functions of SQL-on-FHIR 2.0.0, section "Supported FHIRPath
//! Functionality", and `extension()` of FHIR R4.

mod decimal;
mod error;
mod evaluate;
mod functions;
mod item;
mod lexer;
mod operators;
mod parser;
mod syntax;
mod temporal;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::Value;

pub use self::decimal::Decimal;
pub use self::error::{PathError, PathFault};
pub use self::item::{Content, Item};
use self::syntax::{Kind, Node};

/// An expression that has been read.
#[derive(Clone, Debug)]
pub struct Expression {
    root: Node,
}

/// Values that expressions name by `%name`.
#[derive(Clone, Debug, Default)]
pub struct Constants {
    values: BTreeMap<String, (Value, Option<&'static str>)>,
}

/// What an expression is applied to, besides its focus.
#[derive(Debug)]
pub struct Scope<'r, 'c> {
    /// The whole resource: `%resource`, `%rootResource`, `%context`.
    pub resource: &'r Value,
    /// The constants.
    pub constants: &'c Constants,
    /// Steps that may still be taken for this resource.
    pub steps_left: &'c Cell<u64>,
    /// `%rowIndex`.
    pub row_index: usize,
}

impl Expression {
    /// Reads an expression, whose constants must be among those given.
    ///
    /// # Errors
    /// [`PathError`], with its place.
    pub fn parse(text: &str, constants: &Constants) -> Result<Self, PathError> {
        let root = parser::parse(text)?;
        check_constants(&root, constants)?;
        Ok(Self { root })
    }

    /// What the expression finds in a focus.
    ///
    /// # Errors
    /// [`PathError`] where a value is not what the expression takes it for, or there is too much
    /// to do.
    pub fn evaluate<'r>(
        &self,
        focus: &[Item<'r>],
        scope: &Scope<'r, '_>,
    ) -> Result<Vec<Item<'r>>, PathError> {
        evaluate::evaluate(&self.root, evaluate::Focus { items: focus, index: None }, scope)
    }
}

impl Constants {
    /// Adds a constant; says whether its name was free and its value is a primitive. The name
    /// of its type is how FHIR ends `value[x]`: `valueString` has `String`.
    pub fn add(&mut self, name: &str, type_name: &str, value: &Value) -> bool {
        let fits = !value.is_null() && !value.is_object() && !value.is_array();
        let is_free = !self.values.contains_key(name) && !RESERVED.contains(&name);
        if fits && is_free {
            self.values.insert(name.to_owned(), (value.clone(), item::type_named(type_name)));
        }
        fits && is_free
    }
}

/// A resource as the focus of an expression; nothing if it is no object.
pub fn focus(resource: &Value) -> Vec<Item<'_>> {
    resource.as_object().map(|members| Item::new(Content::Object(members))).into_iter().collect()
}

fn check_constants(node: &Node, constants: &Constants) -> Result<(), PathError> {
    let mut below: Vec<&Node> = Vec::new();
    match &node.kind {
        Kind::Nothing | Kind::Literal(_) | Kind::This | Kind::Index => {}
        Kind::Constant(name) => {
            if !RESERVED.contains(&name.as_str()) && !constants.values.contains_key(name) {
                return Err(PathFault::UnknownConstant(name.clone()).at(node.at));
            }
        }
        Kind::Member(input, _) | Kind::TypeCall(input, ..) => below.extend(input.as_deref()),
        Kind::Call(input, _, arguments) => {
            below.extend(input.as_deref().into_iter().chain(arguments))
        }
        Kind::Negative(input) => below.push(input),
        Kind::At(one, two) | Kind::Binary(_, one, two) => below.extend([&**one, &**two]),
    }
    below.into_iter().try_for_each(|node| check_constants(node, constants))
}

/// Names that views cannot give to constants of their own.
const RESERVED: &[&str] = &["context", "resource", "rootResource", "rowIndex"];
