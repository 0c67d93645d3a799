//! FHIR Bulk Data to OMOP tables, by SQL-on-FHIR views.
//!
//! ```text
//!  *.ndjson ─export▶ resource ─view (plan)▶ row ─record▶ fields ─output▶ *.csv ─▶ extract
//!                     path ────────┘              └ ids, concepts, known
//! ```
//! What a table takes from a resource is written in the views of `datasets/fhir-views`, of FHIR R4
//! and, where the names differ, R5. What views cannot do is done here: numbers for identifiers,
//! concepts for codes, drugs and uses of devices that are referred to, and periods of observation.
//!
//! The tables are as the source has them: nothing is de-identified here. [`crate::extract`] takes
//! them, and does that.
//!
//! What it does not do: a code that means two concepts makes one row; the domain of a concept
//! does not move a row to another table; prescriptions and their dispenses are rows of their own,
//! told apart by their type; costs are of whole claims and not of their items; contained and
//! versioned resources are not followed, but for contained drugs.

pub mod error;
pub mod path;
pub mod report;
pub mod view;

mod concepts;
mod convert;
mod export;
mod ids;
mod known;
mod layout;
mod output;
mod plan;
mod record;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use self::concepts::Concepts;
use self::convert::Conversion;
use self::error::FhirError;
use self::export::{Export, file_name};
use self::ids::Ids;
use self::known::Known;
use self::layout::Layout;
use self::output::Output;
use self::plan::Stage;
use self::report::{Report, TableCounts};

/// How to convert.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whose identifiers they are, such as a server or a site. Numbers of two namespaces never
    /// agree on purpose: give several exports one only if their identifiers mean the same.
    pub namespace: String,
    /// Directory with `concept.csv` and `concept_relationship.csv`. Without it every code is
    /// concept 0. These and `concept_ancestor.csv` go with the tables where they have all columns
    /// of the data model.
    pub vocabulary: Option<PathBuf>,
    /// The system of the identifier that becomes `person_source_value`, for instance that of a
    /// national number. Without it, the patient's `id` does.
    pub person_system: Option<String>,
    /// The day of the export: what is dated later is left out, and coverage without an end ends
    /// then. Without it, today.
    pub as_of: Option<NaiveDate>,
}

/// Converts an export to tables, which appear in a new directory: all tables of which there is a
/// view, and `observation_period`, each with its header even if it has no rows.
///
/// Resources are read one at a time; what stays in memory is a number for each identifier, what
/// drugs are, when devices were used, and the vocabulary. The tables do not depend on how an
/// export is split into files, but for the order of their rows, nor on the machine; a resource
/// that is there twice counts once, as it is in the file whose name comes first.
///
/// # Errors
/// [`FhirError`]; nothing is left behind then. A line that is no resource stops the conversion,
/// and is told by file and line. A resource that a view does not fit is left out and counted.
///
/// # Privacy
/// The tables are the site's own records, with numbers that whoever knows an identifier can make.
pub fn convert(from: &Path, out: &Path, options: &Options) -> Result<Report, FhirError> {
    let export = Export::open(from)?;
    if !export.files.contains_key("Patient") {
        return Err(FhirError::NoPatients { path: from.to_owned() });
    }
    let concepts = match &options.vocabulary {
        Some(directory) => Concepts::read(directory)?,
        None => Concepts::default(),
    };
    let stages = plan::stages(options.person_system.as_deref().unwrap_or_default())?;
    let tables = plan::tables().chain(["observation_period"]);
    let layouts: BTreeMap<_, _> = tables.map(|table| (table, Layout::new(table))).collect();
    let report = begin(&export, &stages, &layouts);
    let output = Output::begin(out, layouts.values())?;
    let mut conversion = Conversion {
        ids: Ids::new(&options.namespace),
        concepts,
        layouts: &layouts,
        output,
        as_of: options.as_of.unwrap_or_else(|| chrono::Local::now().date_naive()),
        report,
        known: Known::default(),
    };
    for stage in &stages {
        conversion.run(stage, &export)?;
    }
    conversion.write_periods()?;
    if let Some(directory) = &options.vocabulary {
        for table in VOCABULARY {
            if let Some(file) = concepts::whole_table(directory, table)? {
                conversion.output.adopt(table, &file)?;
                conversion.report.vocabulary.push(table);
            }
        }
    }
    conversion.output.publish()?;
    Ok(conversion.report)
}

/// A report that names all tables, even those that stay empty, and what will not be read.
fn begin(export: &Export, stages: &[Stage], layouts: &BTreeMap<&'static str, Layout>) -> Report {
    let mut report = Report { files_left_out: export.others.clone(), ..Report::default() };
    report.tables.extend(layouts.keys().map(|table| (*table, TableCounts::default())));
    for (kind, files) in &export.files {
        if !stages.iter().any(|stage| stage.resource == *kind) {
            let names = files.iter().map(|path| file_name(path)).collect();
            report.types_left_out.insert(kind.clone(), names);
        }
    }
    report
}

/// Tables of concepts that go with the others.
const VOCABULARY: &[&str] = &["concept", "concept_ancestor", "concept_relationship"];
