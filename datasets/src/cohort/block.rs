//! Some thousand persons, drawn and turned into columns together.

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::calibration::Tally;
use super::calibration_lines::Subject;
use super::error::CohortError;
use super::history::draw_person;
use super::model::Model;
use super::parameters::Chronic;
use super::person::Person;
use super::records::{FraudRow, LotRow, Placed, SiteRows};
use super::store::{Batches, TRUTH_TABLES, free_batch, free_schema};
use super::tables::{Columns, batches, floats, integers, texts};

/// What a range of persons adds to the cohort.
pub(super) struct Block {
    pub(super) batches: Batches,
    pub(super) tally: Tally,
    /// Persons known at each site.
    pub(super) persons_by_site: Vec<u64>,
    /// Persons known at several sites.
    pub(super) overlap: u64,
}

impl Block {
    /// Draws the persons of those indices.
    pub(super) fn draw(model: &Model, indices: Range<u64>) -> Result<Self, CohortError> {
        let mut sites = vec![SiteRows::default(); model.sites];
        let mut truth = TruthRows::default();
        let mut tally = Tally::default();
        let mut overlap = 0;
        for index in indices {
            let (person, records) = draw_person(model, index);
            tally.count(&Subject { person: &person, records: &records });
            overlap += u64::from(person.sites().len() > 1);
            let hidden = records.spread(&mut sites);
            truth.frauds.extend(hidden.frauds);
            truth.lots.extend(hidden.lots);
            truth.persons.push(person);
        }
        let persons_by_site = sites.iter().map(|rows| rows.person.len() as u64).collect();
        let batches = Batches {
            sites: sites.iter().map(batches).collect::<Result<_, CohortError>>()?,
            truth: truth.batches()?,
        };
        Ok(Self { batches, tally, persons_by_site, overlap })
    }
}

/// The schemas of [`TRUTH_TABLES`].
pub(super) fn truth_schemas() -> Vec<SchemaRef> {
    TruthRows::default().columns().iter().map(free_schema).collect()
}

#[derive(Default)]
struct TruthRows {
    persons: Vec<Person>,
    frauds: Vec<Placed<FraudRow>>,
    lots: Vec<Placed<LotRow>>,
}

impl TruthRows {
    fn batches(&self) -> Result<Vec<RecordBatch>, CohortError> {
        let tables = TRUTH_TABLES.into_iter().zip(self.columns());
        tables.map(|(name, columns)| free_batch(name, columns)).collect()
    }

    fn columns(&self) -> [Columns; 3] {
        [self.person_columns(), self.fraud_columns(), self.lot_columns()]
    }

    /// Sites count from 1, as their directories do; yes is 1 and no is 0.
    fn person_columns(&self) -> Columns {
        let rows = &self.persons;
        let has = |chronic| integers(rows, move |p| i64::from(p.has(chronic)));
        vec![
            ("person_id", integers(rows, Person::person_id)),
            ("income_quintile", integers(rows, |p| number(p.quintile) + 1)),
            ("smoker", integers(rows, |p| i64::from(p.smoker))),
            ("obesity", has(Chronic::Obesity)),
            ("high_cholesterol", has(Chronic::Cholesterol)),
            ("depression", has(Chronic::Depression)),
            ("diabetes", has(Chronic::Diabetes)),
            ("hypertension", has(Chronic::Hypertension)),
            ("copd", has(Chronic::Copd)),
            ("kidney_disease", has(Chronic::Kidney)),
            ("asthma", has(Chronic::Asthma)),
            (
                "home_site",
                integers(rows, |p| p.stays.first().map_or(0, |stay| number(stay.site) + 1)),
            ),
            ("site_count", integers(rows, |p| number(p.sites().len()))),
            ("days_observed", integers(rows, |p| i64::from(p.days_observed()))),
        ]
    }

    fn fraud_columns(&self) -> Columns {
        let rows = &self.frauds;
        vec![
            ("visit_occurrence_id", integers(rows, |f| f.row.visit_id)),
            ("person_id", integers(rows, |f| f.row.person_id)),
            ("site", integers(rows, |f| number(f.site) + 1)),
            ("kind", texts(rows, |f| Some(f.row.kind.label()))),
            ("excess_cost", floats(rows, |f| Some(f.row.excess))),
        ]
    }

    fn lot_columns(&self) -> Columns {
        let rows = &self.lots;
        vec![
            ("drug_exposure_id", integers(rows, |l| l.row.drug_exposure_id)),
            ("person_id", integers(rows, |l| l.row.person_id)),
            ("site", integers(rows, |l| number(l.site) + 1)),
            ("lot_number", texts(rows, |l| Some(&l.row.lot_number))),
            ("kind", texts(rows, |l| Some(l.row.kind.label()))),
        ]
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
