//! What later stages need of earlier ones: who is there, what drugs are, when devices were used,
//! which claims were adjudicated, and when each person was on record. By number; no text but the
//! codes and lots of drugs.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::NaiveDate;

use crate::fhir::error::FhirError;
use crate::fhir::ids::Ids;
use crate::fhir::record::{Made, Record};

/// What is known so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    persons: HashSet<i64>,
    medications: HashMap<i64, Medication>,
    uses: HashMap<i64, Use>,
    /// Claims of which there is a cost.
    claims: HashSet<i64>,
    periods: BTreeMap<i64, Period>,
}

/// A drug that prescriptions refer to.
#[derive(Debug)]
pub(super) struct Medication {
    pub(super) codes: Vec<String>,
    pub(super) lot: Option<String>,
}

/// When a device was used first, on whom, and in which visit.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) start: NaiveDate,
    pub(super) end: Option<NaiveDate>,
    pub(super) person: Option<i64>,
    pub(super) visit: Option<i64>,
}

/// First and last day on record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    pub(super) first: NaiveDate,
    pub(super) last: NaiveDate,
}

impl Known {
    /// Adds a row about a drug.
    ///
    /// # Errors
    /// [`FhirError::Collision`].
    pub(super) fn add_medication(
        &mut self,
        made: Made<'_>,
        ids: &mut Ids,
    ) -> Result<(), FhirError> {
        let Some(key) = made.text("medication_key") else { return Ok(()) };
        let lot = made.text("lot_number").map(str::to_owned);
        let medication = Medication { codes: made.texts("drug_concept_id"), lot };
        self.medications.insert(ids.number(key)?, medication);
        Ok(())
    }

    /// Adds a row about the use of a device. Of several uses, the first counts.
    ///
    /// # Errors
    /// [`FhirError::Collision`].
    pub(super) fn add_use(&mut self, made: Made<'_>, ids: &mut Ids) -> Result<(), FhirError> {
        let day = made.day("device_exposure_start_date");
        let (Some(key), Some(start)) = (made.text("device_key"), day) else { return Ok(()) };
        let mut number = |column| made.text(column).map(|key| ids.number(key)).transpose();
        let (person, visit) = (number("person_id")?, number("visit_occurrence_id")?);
        let end = made.day("device_exposure_end_date");
        let key = ids.number(key)?;
        if self.uses.get(&key).is_none_or(|earlier| start < earlier.start) {
            self.uses.insert(key, Use { start, end, person, visit });
        }
        Ok(())
    }

    /// Adds a person.
    pub(super) fn add_person(&mut self, person: i64) {
        self.persons.insert(person);
    }

    /// Adds a claim of which there is a cost; says whether it is the first.
    pub(super) fn add_claim(&mut self, claim: i64) -> bool {
        self.claims.insert(claim)
    }

    /// Adds days on which a person was on record.
    pub(super) fn add_days(&mut self, person: i64, first: NaiveDate, last: NaiveDate) {
        let period = self.periods.entry(person).or_insert(Period { first, last });
        period.first = period.first.min(first);
        period.last = period.last.max(last);
    }

    /// Whether the person of a row is in the person table; `None` if it names none.
    pub(super) fn has_person(&self, record: &Record<'_>) -> Option<bool> {
        record.number("person_id").map(|person| self.persons.contains(&person))
    }

    pub(super) fn medication(&self, key: i64) -> Option<&Medication> {
        self.medications.get(&key)
    }

    pub(super) fn device_use(&self, key: i64) -> Option<&Use> {
        self.uses.get(&key)
    }

    /// The periods, by person.
    pub(super) const fn periods(&self) -> &BTreeMap<i64, Period> {
        &self.periods
    }
}
