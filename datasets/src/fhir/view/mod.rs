//! SQL-on-FHIR views: what tables are made of resources.
//!
//! ```text
//!  JSON ─definition▶ compile ─▶ View ─run▶ rows of one resource
//! ```
//! A view knows its own resource type, columns and conditions; it knows no table that its rows
//! go to, and joins nothing.
//!
//! # Source
//! SQL-on-FHIR 2.0.0, ViewDefinition, with `repeat` and `%rowIndex` of 2.1.0-pre; all of the
//! public conformance suite is run in the tests.

mod compile;
mod definition;
mod error;
mod run;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;

use serde::Deserialize as _;
use serde_json::Value;

use self::compile::{Compiled, compile};
use self::definition::Definition;
pub use self::error::ViewError;

/// A view that has been read and checked.
///
/// ```
/// # use datasets::fhir::view::View;
/// # use serde_json::json;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let view = View::parse(
///     r#"{"resource": "Patient", "select": [{"column": [
///         {"name": "id", "path": "getResourceKey()"},
///         {"name": "year", "path": "birthDate.substring(0, 4).toInteger()"}]}]}"#,
/// )?;
/// let patient = json!({"resourceType": "Patient", "id": "p1", "birthDate": "1970-06"});
/// assert_eq!(view.columns(), ["id", "year"]);
/// assert_eq!(view.rows(&patient)?, [[json!("Patient/p1"), json!(1970)]]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct View {
    compiled: Compiled,
}

impl View {
    /// Reads a view.
    ///
    /// # Errors
    /// [`ViewError::Json`], [`ViewError::Shape`], [`ViewError::Expression`].
    pub fn parse(text: &str) -> Result<Self, ViewError> {
        Ok(Self { compiled: compile(&serde_json::from_str::<Definition>(text)?)? })
    }

    /// Reads a view that is JSON already.
    ///
    /// # Errors
    /// Those of [`View::parse`].
    pub fn from_json(json: &Value) -> Result<Self, ViewError> {
        Ok(Self { compiled: compile(&Definition::deserialize(json)?)? })
    }

    /// The type of resources that it makes rows of.
    pub fn resource(&self) -> &str {
        &self.compiled.resource
    }

    /// Names of its columns, in the order of the values of a row.
    pub fn columns(&self) -> &[String] {
        &self.compiled.names
    }

    /// The rows of a resource: values as the columns are, null for none, an array for a
    /// collection. None for a resource of another type, or for which a condition does not hold.
    ///
    /// # Errors
    /// [`ViewError`] for a resource that the view does not fit.
    pub fn rows(&self, resource: &Value) -> Result<Vec<Vec<Value>>, ViewError> {
        run::rows(&self.compiled, resource)
    }
}
