//! `graunt export`: what a receipt says, in the forms that other systems read.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use ledger_adapter::export::{Question, Record, fhir, five_safes, open_lineage, prov};
use ledger_adapter::receipt::Receipt;
use ledger_adapter::receipt::policy::TrustPolicy;
use serde_json::json;

use crate::commands::Context;
use crate::fail::Failure;
use crate::output::Output;

/// Arguments of `graunt export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The receipt, which is verified first
    #[arg(value_name = "RECEIPT")]
    receipt: PathBuf,
    /// Form to write
    #[arg(long = "as", value_name = "FORM")]
    form: Form,
    /// Directory of the crate, which must not be there yet
    #[arg(long, value_name = "DIR", required_if_eq("form", "five-safes-crate"))]
    out: Option<PathBuf>,
    /// The copy is for those who may see the receipt: it may show the query. fhir-provenance and
    /// five-safes-crate carry the signed statement, which names columns as the query spells them
    #[arg(long)]
    show_query: bool,
    /// File that says who is trusted [default: the home's keys]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// A form of export.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Form {
    /// FHIR R4 AuditEvent of a query, as IHE BALP has it
    FhirAuditEvent,
    /// FHIR R5 Provenance with the signed statement
    FhirProvenance,
    /// OpenLineage 2-0-2 RunEvent
    OpenLineage,
    /// PROV-JSON
    Prov,
    /// Five Safes RO-Crate, a directory
    FiveSafesCrate,
}

/// Verifies a receipt and writes it in another form.
///
/// # Errors
/// [`Failure::Ledger`] if it does not verify, [`Failure::Usage`], [`Failure::Store`],
/// [`Failure::Output`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    check(arguments)?;
    let receipt = Receipt::load(&arguments.receipt)?;
    let record = match &arguments.policy {
        Some(path) => Record::under(receipt, &TrustPolicy::load(path)?)?,
        None => Record::of(receipt, &context.home.trust()?)?,
    };
    let question = if arguments.show_query { Question::Shown } else { Question::Withheld };
    match (arguments.form, &arguments.out) {
        (Form::FhirAuditEvent, _) => out.json(&fhir::audit_event(&record, question)),
        (Form::FhirProvenance, _) => out.json(&fhir::provenance(&record)?),
        (Form::OpenLineage, _) => out.json(&open_lineage::run_event(&record)),
        (Form::Prov, _) => out.json(&prov::document(&record)),
        (Form::FiveSafesCrate, Some(directory)) => {
            let names = write(&record, question, directory)?;
            if context.json {
                return out.json(&json!({"crate": directory, "files": names}));
            }
            out.line(format_args!("{} files are in {}", names.len(), directory.display()))
        }
        (Form::FiveSafesCrate, None) => {
            Err(Failure::usage("a crate is a directory", "name one that is not there with --out"))
        }
    }
}

fn check(arguments: &Arguments) -> Result<(), Failure> {
    let is_crate = arguments.form == Form::FiveSafesCrate;
    if (is_crate || arguments.form == Form::FhirProvenance) && !arguments.show_query {
        let what = "this form carries the signed statement, which spells out parts of the query";
        return Err(Failure::usage(
            what,
            "say --show-query if whoever gets it may see the receipt",
        ));
    }
    if arguments.out.is_some() && !is_crate {
        return Err(Failure::usage("only a crate is a directory", "redirect the output to a file"));
    }
    if arguments.out.as_ref().is_some_and(|directory| directory.exists()) {
        return Err(Failure::usage("that directory is there already", "choose another with --out"));
    }
    Ok(())
}

fn write(record: &Record, question: Question, directory: &Path) -> Result<Vec<String>, Failure> {
    let files = five_safes::files(record, question)?;
    fs::create_dir(directory).map_err(Failure::store(directory, "making the directory"))?;
    for (name, bytes) in &files {
        let path = directory.join(name);
        fs::write(&path, bytes).map_err(Failure::store(path, "writing"))?;
    }
    Ok(files.into_keys().collect())
}
