//! `graunt fhir`: FHIR Bulk Data as OMOP tables, for `graunt extract`.

use std::path::PathBuf;

use chrono::NaiveDate;
use datasets::fhir::{Options, convert};

use crate::commands::Context;
use crate::fail::Failure;
use crate::output::Output;

/// Arguments of `graunt fhir`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Directory of an export: files of one JSON resource per line
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Directory of OMOP tables to be made
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Whose identifiers they are: a server, or a site. Exports share one only if the same
    /// identifier is the same person in all of them
    #[arg(long, value_name = "NAME")]
    namespace: String,
    /// Directory with concept.csv and concept_relationship.csv; without it, concepts are 0
    #[arg(long, value_name = "DIR")]
    vocabulary: Option<PathBuf>,
    /// System of the identifier that becomes person_source_value, as a national number's
    #[arg(long, value_name = "URL")]
    person_system: Option<String>,
    /// Day of the export; what is dated later is left out [default: today]
    #[arg(long, value_name = "DATE")]
    as_of: Option<NaiveDate>,
}

/// Converts an export.
///
/// # Errors
/// [`Failure::Usage`] with file and line of what cannot be read.
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let options = Options {
        namespace: arguments.namespace.clone(),
        vocabulary: arguments.vocabulary.clone(),
        person_system: arguments.person_system.clone(),
        as_of: arguments.as_of,
    };
    let made = convert(&arguments.from, &arguments.out, &options);
    let report = made.map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
        Failure::usage(format!("{error}{cause}"), "nothing was made; mend it and run it again")
    })?;
    if context.json {
        return out.json(&report);
    }
    out.line(format_args!("{report}"))?;
    let place = arguments.out.display();
    out.dim_line(format_args!("next: graunt extract --from {place} --site ID --population NAME"))
}
