//! Goes through resources, and writes the rows that views make of them.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use chrono::{Days, NaiveDate};
use serde_json::Value;

use crate::fhir::concepts::Concepts;
use crate::fhir::error::FhirError;
use crate::fhir::export::{Export, file_name};
use crate::fhir::ids::Ids;
use crate::fhir::known::Known;
use crate::fhir::layout::{Kind, Layout};
use crate::fhir::output::Output;
use crate::fhir::plan::{Stage, Step, Target};
use crate::fhir::record::{Made, Record};
use crate::fhir::report::{Report, changed, left_out};

/// A conversion that is under way.
#[derive(Debug)]
pub(super) struct Conversion<'l> {
    pub(super) ids: Ids,
    pub(super) concepts: Concepts,
    pub(super) layouts: &'l BTreeMap<&'static str, Layout>,
    pub(super) output: Output,
    pub(super) as_of: NaiveDate,
    pub(super) report: Report,
    pub(super) known: Known,
}

impl Conversion<'_> {
    /// Runs the views of one type of resource on all of them.
    ///
    /// # Errors
    /// [`FhirError`].
    pub(super) fn run(&mut self, stage: &Stage, export: &Export) -> Result<(), FhirError> {
        export.each(&stage.resource, &mut |path, line, resource| {
            self.take(stage, path, line, resource)
        })
    }

    /// Writes a period for every person with records, from the first to the last.
    ///
    /// # Errors
    /// [`FhirError::Write`], [`FhirError::Collision`].
    pub(super) fn write_periods(&mut self) -> Result<(), FhirError> {
        let Some(layout) = self.layouts.get(PERIODS) else { return Ok(()) };
        for (person, period) in self.known.periods() {
            let mut record = Record::new(layout);
            let own = self.ids.number(&format!("ObservationPeriod/{person}"))?;
            for (column, value) in [
                ("observation_period_id", own.to_string()),
                ("person_id", person.to_string()),
                ("observation_period_start_date", period.first.to_string()),
                ("observation_period_end_date", period.last.to_string()),
                ("period_type_concept_id", PERIOD_TYPE.to_owned()),
            ] {
                record.set(column, Some(value));
            }
            self.output.write(PERIODS, record.fields())?;
            self.report.tables.entry(PERIODS).or_default().rows += 1;
        }
        Ok(())
    }

    fn take(
        &mut self,
        stage: &Stage,
        path: &Path,
        line: u64,
        resource: &Value,
    ) -> Result<(), FhirError> {
        self.report.resource(&stage.resource).read += 1;
        if let Some(id) = resource.get("id").and_then(Value::as_str)
            && !self.ids.read(&format!("{}/{id}", stage.resource))?
        {
            self.report.resource(&stage.resource).repeated += 1;
            return Ok(());
        }
        let mut without_rows = true;
        for step in &stage.steps {
            match step.view.rows(resource) {
                Ok(rows) => {
                    without_rows &= rows.is_empty();
                    for values in &rows {
                        self.row(step, Made { columns: step.view.columns(), values })?;
                    }
                }
                Err(error) => {
                    without_rows = false;
                    if let Target::Table(table) = step.target {
                        self.report.leave_out(table, left_out::MISFIT);
                    }
                    let why = error.source().map(|why| format!(": {why}")).unwrap_or_default();
                    let place = || format!("{}, line {line}: {error}{why}", file_name(path));
                    self.report.misfit(place);
                }
            }
        }
        self.report.resource(&stage.resource).without_rows += u64::from(without_rows);
        Ok(())
    }

    fn row(&mut self, step: &Step, made: Made<'_>) -> Result<(), FhirError> {
        match step.target {
            Target::Medication => self.known.add_medication(made, &mut self.ids),
            Target::DeviceUse => self.known.add_use(made, &mut self.ids),
            Target::Table(table) => {
                let why = self.record(table, made)?;
                match why {
                    Some(why) => self.report.leave_out(table, why),
                    None => self.report.tables.entry(table).or_default().rows += 1,
                }
                Ok(())
            }
        }
    }

    /// Writes a row, or says why it is left out.
    fn record(
        &mut self,
        table: &'static str,
        made: Made<'_>,
    ) -> Result<Option<&'static str>, FhirError> {
        let Some(layout) = self.layouts.get(table) else { return Ok(None) };
        let mut record = Record::new(layout);
        record.fill(made, &mut self.ids, &self.concepts, &mut self.report)?;
        let mut shows_presence = PRESENCE.contains(&table);
        match table {
            "drug_exposure" => self.complete_drug(&mut record, made)?,
            "device_exposure" => shows_presence = self.complete_device(&mut record, made)?,
            "payer_plan_period" => self.complete_coverage(&mut record),
            _ => {}
        }
        self.order_dates(&mut record, layout);
        if let Some(why) = self.fault(&record, layout, made)? {
            return Ok(Some(why));
        }
        if let Some(person) = record.number("person_id") {
            match presence(&record, layout, made).filter(|_| shows_presence) {
                Some((first, last)) if first <= self.as_of => {
                    self.known.add_days(person, first, last.min(self.as_of));
                }
                _ if table == "person" => self.known.add_person(person),
                _ => {}
            }
        }
        self.output.write(table, record.fields())?;
        Ok(None)
    }

    /// What a drug is if it is referred to, and when its supply ends.
    fn complete_drug(&mut self, record: &mut Record<'_>, made: Made<'_>) -> Result<(), FhirError> {
        let key = made.text("medication_key").map(|key| self.ids.number(key)).transpose()?;
        if let Some(medication) = key.and_then(|key| self.known.medication(key)) {
            let codes = medication.codes.iter().map(String::as_str);
            if record.field("drug_source_value").is_none()
                && let Some(coded) = self.concepts.choose(codes)
            {
                record.coded("drug_concept_id", &coded, &mut self.report);
            }
            if record.field("lot_number").is_none() {
                record.set("lot_number", medication.lot.clone());
            }
        }
        let start = record.day("drug_exposure_start_date");
        if let (Some(start), None) = (start, record.field("drug_exposure_end_date")) {
            let supply = record.field("days_supply").and_then(|days| days.parse::<u64>().ok());
            let days = supply.unwrap_or(0).saturating_sub(1).min(SUPPLY_DAYS_MAX);
            let end = start.checked_add_days(Days::new(days)).unwrap_or(start);
            record.set("drug_exposure_end_date", Some(end.to_string()));
            self.report.change(changed::SUPPLY_END);
        }
        Ok(())
    }

    /// When a device was used, and on whom. Says whether that is known, and not only the day that
    /// the device was made.
    fn complete_device(
        &mut self,
        record: &mut Record<'_>,
        made: Made<'_>,
    ) -> Result<bool, FhirError> {
        let key = made.text("device_exposure_id").map(|key| self.ids.number(key)).transpose()?;
        let Some(found) = key.and_then(|key| self.known.device_use(key)) else {
            if let Some(day) = made.day("made_date") {
                record.set("device_exposure_start_date", Some(day.to_string()));
                self.report.change(changed::MADE_DATE);
            }
            return Ok(false);
        };
        record.set("device_exposure_start_date", Some(found.start.to_string()));
        record.set("device_exposure_end_date", found.end.map(|end| end.to_string()));
        if let (None, Some(person)) = (record.field("person_id"), found.person) {
            record.set("person_id", Some(person.to_string()));
        }
        record.set("visit_occurrence_id", found.visit.map(|visit| visit.to_string()));
        Ok(true)
    }

    /// Coverage without an end goes on to the day of the export.
    fn complete_coverage(&mut self, record: &mut Record<'_>) {
        let start = record.day("payer_plan_period_start_date");
        if let (Some(start), None) = (start, record.field("payer_plan_period_end_date")) {
            let end = self.as_of.max(start);
            record.set("payer_plan_period_end_date", Some(end.to_string()));
            self.report.change(changed::OPEN_END);
        }
    }

    /// An end before the start is a mistake: where an end is wanted, it becomes the start.
    fn order_dates(&mut self, record: &mut Record<'_>, layout: &Layout) {
        let mut dates = layout.columns.iter().filter(|column| column.kind == Kind::Date);
        let (Some(first), Some(last)) = (dates.next(), dates.next()) else { return };
        if let (Some(start), Some(end)) = (record.day(first.name), record.day(last.name))
            && end < start
        {
            record.set(last.name, last.required.then(|| start.to_string()));
            self.report.change(changed::END_BEFORE_START);
        }
    }

    /// Why a row cannot be in its table.
    fn fault(
        &mut self,
        record: &Record<'_>,
        layout: &Layout,
        made: Made<'_>,
    ) -> Result<Option<&'static str>, FhirError> {
        if layout.position("person_id").is_some() && layout.table != "person" {
            match self.known.has_person(record) {
                None => return Ok(Some(left_out::NO_PERSON)),
                Some(false) => return Ok(Some(left_out::UNKNOWN_PERSON)),
                Some(true) => {}
            }
        }
        if let Some(column) = record.lacks() {
            return Ok(Some(match column.kind {
                _ if Some(column.name) == layout.own_key() => left_out::NO_ID,
                Kind::Date => left_out::NO_DATE,
                Kind::Integer => left_out::NO_BIRTH_YEAR,
                _ => left_out::NO_EVENT,
            }));
        }
        let day = layout.date().and_then(|column| record.day(column));
        if day.is_some_and(|day| day > self.as_of) {
            return Ok(Some(left_out::FUTURE));
        }
        // Explanations of benefit come first; a claim that one of them is of has its cost there.
        if let Some(claim) = made.text("claim_key") {
            let is_first = self.known.add_claim(self.ids.number(claim)?);
            let is_claim = made.text("cost_id") == Some(claim);
            return Ok((is_claim && !is_first).then_some(left_out::ADJUDICATED));
        }
        Ok(None)
    }
}

/// The days on which a row shows that its person was there: that of its record where the view
/// tells it from that of the event, or else that of the event. A visit was seen to its end; how
/// long a condition or a supply lasts, was not.
fn presence(
    record: &Record<'_>,
    layout: &Layout,
    made: Made<'_>,
) -> Option<(NaiveDate, NaiveDate)> {
    let first = if made.has("recorded_date") {
        made.day("recorded_date")?
    } else {
        record.day(layout.date()?)?
    };
    Some((first, record.day("visit_end_date").unwrap_or(first)))
}

/// Tables whose rows show that a person was there. So do devices, if it is known when they were
/// used.
const PRESENCE: &[&str] = &[
    "condition_occurrence",
    "drug_exposure",
    "measurement",
    "observation",
    "procedure_occurrence",
    "visit_occurrence",
];

const PERIODS: &str = "observation_period";

/// Concept 32882: by a standard algorithm, from electronic health records.
const PERIOD_TYPE: &str = "32882";

/// No supply is for longer than ten years.
const SUPPLY_DAYS_MAX: u64 = 3_652;
