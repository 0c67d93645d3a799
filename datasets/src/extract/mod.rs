//! Makes extracts: OMOP tables in; de-identified, pseudonymised, sorted, signed tables out.
//!
//! ```text
//! source ─▶ roster ─▶ per table: owner ─▶ column ─▶ write ─▶ manifest ─▶ publish ─▶ attest
//!  files     persons   whose row?  treatment  buckets   signature   rename    ledger
//! ```
//! An extract is a directory with `manifest.dsse.json` (the signed manifest), `leaves.bin` (the
//! leaves of every file, in the manifest's order) and `<table>/bucket-NNN.parquet`. It does not
//! read extracts, and draws no noise.

pub mod error;
pub mod file;
pub mod report;

mod cell;
mod code;
mod column;
mod frame;
mod owner;
mod place;
mod plan;
mod pseudonym;
mod publish;
mod roster;
mod source;
mod synthea;
mod udi;
mod values;
mod write;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use chrono::Datelike;
use ledger_adapter::charge::{Attestation, Placed};
use ledger_adapter::digest::Digest;
use ledger_adapter::error::LedgerError;
use ledger_adapter::keys::{Secret, Signer};
use ledger_adapter::leaves::Leaves;
use ledger_adapter::ledger::Ledger;
use ledger_adapter::manifest::{Manifest, PolicyEvidence, TableManifest};
use ledger_adapter::statement::{Envelope, extract_statement};

use self::column::Treatments;
use self::error::ExtractError;
use self::owner::Kept;
use self::plan::TablePlan;
use self::pseudonym::Pseudonyms;
use self::publish::Draft;
use self::report::{BuildReport, TableReport, dropped};
use self::roster::Roster;
use self::source::{RawTable, Source};
use crate::policy::Policy;
use crate::policy::document::PersonIdentifier;
use crate::schema::{self, TableKind, TableSchema};

/// Name of the signed manifest within an extract.
pub const MANIFEST_FILE: &str = "manifest.dsse.json";

/// Name of the file of leaves within an extract.
pub const LEAVES_FILE: &str = "leaves.bin";

/// The data model of every extract.
pub const DATA_MODEL: &str = "OMOP-CDM-5.4";

/// What extract to make, of what.
#[derive(Clone, Debug)]
pub struct ExtractRequest {
    /// Directory with OMOP tables, or with Synthea's CSV files.
    pub from: PathBuf,
    /// The site, as people know it; row numbers depend on it.
    pub site: String,
    /// The population, as people know it.
    pub population: String,
    /// The population's account on the ledger.
    pub account: Digest,
    /// How to de-identify.
    pub policy: Policy,
    /// Where the extract is to appear; there must be nothing, or an empty directory.
    pub out: PathBuf,
    /// Name of the pseudonym key's epoch.
    pub key_epoch: String,
    /// Root of the extract that this one replaces.
    pub supersedes: Option<Digest>,
    /// Day of issue, in days since 1970-01-01.
    pub issued_day: u32,
}

/// An extract that is on disk, and not yet on the ledger.
#[derive(Debug)]
pub struct BuiltExtract {
    /// Its root: SHA-256 of the signed statement.
    pub root: Digest,
    /// Where it is.
    pub path: PathBuf,
    /// What the site signed.
    pub manifest: Manifest,
    /// What goes onto the ledger.
    pub attestation: Attestation,
    /// What the steward should know, and nobody else.
    pub report: BuildReport,
}

/// Makes an extract. Tables are read, treated and written one at a time.
///
/// `progress` is told the step, and how many of how many are done.
///
/// # Errors
/// [`ExtractError`]; nothing is left behind then.
///
/// # Privacy
/// What leaves the site is what the policy keeps, column by column; all else is dropped. The
/// pseudonym key must be the same at all sites of the population for one epoch, and secret.
pub fn build(
    request: &ExtractRequest,
    pseudonym_key: &Secret,
    signer: &Signer,
    progress: &dyn Fn(&str, u64, u64),
) -> Result<BuiltExtract, ExtractError> {
    check(request)?;
    let source = Source::open(&request.from)?;
    let draft = Draft::begin(&request.out)?;
    let pseudonyms = Pseudonyms::new(pseudonym_key, &request.site);
    let persons = read_persons(request, &source)?;
    let issue_year = issue_date(request)?.year();
    let roster = Roster::new(&persons, &request.policy, &pseudonyms, issue_year)?;
    let treatments =
        Treatments { policy: &request.policy, pseudonyms: &pseudonyms, roster: &roster };
    let mut tables = source.tables();
    tables.sort_unstable_by_key(|table| table.name);
    let total = tables.len() as u64;
    let mut made = Made::default();
    for (done, table) in (0..).zip(tables) {
        progress(table.name, done, total);
        make_table(&source, &persons, treatments, &draft, table, &mut made)?;
    }
    made.report.unknown_files = source.unknown_files().to_vec();
    progress("signing", total, total);
    sign(request, signer, draft, made)
}

/// Puts an extract on the ledger: in place of the one that it replaces, or of the active one of
/// the same account and key if there is one, or as the first.
///
/// # Errors
/// [`ExtractError::Ledger`].
pub fn attest(built: &BuiltExtract, ledger: &dyn Ledger) -> Result<Placed, ExtractError> {
    let attestation = &built.attestation;
    if let Some(old) = built.manifest.supersedes {
        return Ok(ledger.supersede(old, attestation)?);
    }
    let conflict = match ledger.attest(attestation) {
        Ok(placed) => return Ok(placed),
        Err(error @ LedgerError::Conflict { .. }) => error,
        Err(error) => return Err(error.into()),
    };
    // The ledger replaces only what has the same key, and refuses the others without a change.
    for old in ledger.extracts(attestation.account)? {
        match ledger.supersede(old, attestation) {
            Ok(placed) => return Ok(placed),
            Err(
                LedgerError::Conflict { .. }
                | LedgerError::Refused { .. }
                | LedgerError::Inactive { .. },
            ) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(conflict.into())
}

/// What has been written so far.
#[derive(Debug, Default)]
struct Made {
    tables: Vec<TableManifest>,
    leaves: Vec<Leaves>,
    report: BuildReport,
}

fn check(request: &ExtractRequest) -> Result<(), ExtractError> {
    let named = [&request.site, &request.population, &request.key_epoch];
    if named.iter().any(|name| name.trim().is_empty()) {
        let rule = "site, population and key epoch must have names";
        return Err(ExtractError::Request { rule });
    }
    issue_date(request).map(|_| ())
}

fn issue_date(request: &ExtractRequest) -> Result<chrono::NaiveDate, ExtractError> {
    i32::try_from(request.issued_day)
        .ok()
        .filter(|day| (0..=1_000_000).contains(day))
        .map(cell::date_of)
        .ok_or(ExtractError::Request { rule: "the day of issue must be in the calendar" })
}

/// The columns of the person table that tell who is who; no rows if no table needs them.
fn read_persons(request: &ExtractRequest, source: &Source) -> Result<RawTable, ExtractError> {
    let Some(table) = schema::table("person") else { return Ok(RawTable::default()) };
    let by_source_value = request.policy.person_identifier() == PersonIdentifier::PersonSourceValue;
    let mut wanted = vec!["person_id", "year_of_birth", "location_id"];
    if by_source_value {
        wanted.push("person_source_value");
    }
    match source.read(table, &wanted)? {
        Some(raw) if by_source_value && !raw.columns.contains_key("person_source_value") => {
            Err(ExtractError::MissingColumns {
                table: table.name.to_owned(),
                columns: "person_source_value (the policy's person identifier)".to_owned(),
            })
        }
        Some(raw) => Ok(raw),
        None if source.tables().iter().any(|table| is_private(table)) => {
            Err(ExtractError::NoPersons { path: request.from.clone() })
        }
        None => Ok(RawTable::default()),
    }
}

fn is_private(table: &TableSchema) -> bool {
    !matches!(table.kind, TableKind::Reference | TableKind::Vocabulary)
}

fn make_table(
    source: &Source,
    persons: &RawTable,
    treatments: Treatments<'_>,
    draft: &Draft,
    table: &'static TableSchema,
    made: &mut Made,
) -> Result<(), ExtractError> {
    let plan = TablePlan::new(table, treatments.policy);
    let Some(raw) = source.read(table, &plan.wanted)? else { return Ok(()) };
    let mut report = TableReport {
        table: table.name.to_owned(),
        rows_in: raw.rows as u64,
        unknown_columns: raw.unknown_columns.clone(),
        dropped_columns: plan.dropped.iter().map(|name| (*name).to_owned()).collect(),
        ..TableReport::default()
    };
    let roster = treatments.roster;
    let kept: Vec<Kept> = match table.kind {
        TableKind::PersonKeyed { unit } => owner::by_person(&raw, unit, roster, &mut report),
        TableKind::ViaEvent => owner::by_event(&raw, source, roster, &mut report)?,
        TableKind::ViaLocation => owner::by_residence(&raw, persons, roster, &mut report),
        TableKind::Reference | TableKind::Vocabulary => owner::everyone(&raw),
    };
    let values = treatments.apply(&plan, &raw, &kept, &mut report)?;
    drop(raw);
    let buckets = treatments.policy.buckets();
    let written = write::table(draft.path(), &plan, &values, kept.len(), buckets)?;
    report.rows_out = written.rows;
    report.drop_rows(dropped::REPEATED, written.repeated);
    made.tables.push(written.manifest);
    made.leaves.extend(written.leaves);
    made.report.tables.push(report);
    Ok(())
}

fn sign(
    request: &ExtractRequest,
    signer: &Signer,
    draft: Draft,
    made: Made,
) -> Result<BuiltExtract, ExtractError> {
    let policy = &request.policy;
    let manifest = Manifest {
        version: 1,
        extract: Digest::random()?,
        population: request.population.clone(),
        account: request.account,
        site: request.site.clone(),
        data_model: DATA_MODEL.to_owned(),
        key_epoch: request.key_epoch.clone(),
        policy: PolicyEvidence {
            name: policy.name().to_owned(),
            basis: policy.basis().to_owned(),
            digest: policy.digest(),
            actions: policy.actions(),
        },
        persons_min: policy.persons_min(),
        buckets: policy.buckets(),
        tables: made.tables,
        supersedes: request.supersedes,
        issued_day: request.issued_day,
        expires_day: request.issued_day.saturating_add(policy.expiry_days()),
    };
    let envelope = Envelope::sign(&extract_statement(manifest.clone()), signer)?;
    let root = envelope.payload_digest()?;
    let leaves: Vec<u8> = made.leaves.iter().flat_map(Leaves::to_bytes).collect();
    publish::write_file(&draft.path().join(LEAVES_FILE), &leaves)?;
    let json = serde_json::to_vec_pretty(&envelope)?;
    publish::write_file(&draft.path().join(MANIFEST_FILE), &json)?;
    let attestation = Attestation {
        root,
        account: request.account,
        key: signer.public().keyid(),
        expires_day: manifest.expires_day,
    };
    let path = draft.publish()?;
    Ok(BuiltExtract { root, path, manifest, attestation, report: made.report })
}
