//! Rows of the raw tables, one struct per table, and what is true behind them.
//!
//! Fields are the columns of the data model by nearly the same names; a column without a field
//! is null in every row.

use super::calendar::Day;
use super::parameters::Sex;
use super::person::{Person, Quantity};

/// A row at the site that holds it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed<R> {
    /// Index of the site.
    pub(super) site: usize,
    /// The row.
    pub(super) row: R,
}

/// Rows, table by table; of one person as [`Placed`], of one site bare.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SiteRows {
    pub(super) person: Vec<PersonRow>,
    pub(super) observation_period: Vec<PeriodRow>,
    pub(super) visit: Vec<VisitRow>,
    pub(super) condition: Vec<ConditionRow>,
    pub(super) drug: Vec<DrugRow>,
    pub(super) measurement: Vec<MeasurementRow>,
    pub(super) observation: Vec<ObservationRow>,
    pub(super) device: Vec<DeviceRow>,
    pub(super) death: Vec<DeathRow>,
    pub(super) payer: Vec<PayerRow>,
    pub(super) cost: Vec<CostRow>,
}

/// Everything about one person.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Records {
    pub(super) person: Vec<Placed<PersonRow>>,
    pub(super) observation_period: Vec<Placed<PeriodRow>>,
    pub(super) visit: Vec<Placed<VisitRow>>,
    pub(super) condition: Vec<Placed<ConditionRow>>,
    pub(super) drug: Vec<Placed<DrugRow>>,
    pub(super) measurement: Vec<Placed<MeasurementRow>>,
    pub(super) observation: Vec<Placed<ObservationRow>>,
    pub(super) device: Vec<Placed<DeviceRow>>,
    pub(super) death: Vec<Placed<DeathRow>>,
    pub(super) payer: Vec<Placed<PayerRow>>,
    pub(super) cost: Vec<Placed<CostRow>>,
    pub(super) truth: Truth,
}

impl Records {
    /// Moves every row to its site.
    pub(super) fn spread(self, sites: &mut [SiteRows]) -> Truth {
        move_rows(self.person, sites, |site| &mut site.person);
        move_rows(self.observation_period, sites, |site| &mut site.observation_period);
        move_rows(self.visit, sites, |site| &mut site.visit);
        move_rows(self.condition, sites, |site| &mut site.condition);
        move_rows(self.drug, sites, |site| &mut site.drug);
        move_rows(self.measurement, sites, |site| &mut site.measurement);
        move_rows(self.observation, sites, |site| &mut site.observation);
        move_rows(self.device, sites, |site| &mut site.device);
        move_rows(self.death, sites, |site| &mut site.death);
        move_rows(self.payer, sites, |site| &mut site.payer);
        move_rows(self.cost, sites, |site| &mut site.cost);
        self.truth
    }
}

fn move_rows<R>(
    rows: Vec<Placed<R>>,
    sites: &mut [SiteRows],
    table: impl Fn(&mut SiteRows) -> &mut Vec<R>,
) {
    for Placed { site, row } in rows {
        table(&mut sites[site]).push(row);
    }
}

/// Number of the next row of a person in a table that has `count` rows of theirs; none when the
/// person has as many as numbers were set aside for one person.
pub(super) fn next_id(person: &Person, count: usize) -> Option<i64> {
    let within = i64::try_from(count).ok().filter(|count| *count < ROWS_PER_PERSON - 1)?;
    Some((person.person_id() - 1) * ROWS_PER_PERSON + within + 1)
}

/// Row numbers set aside for one person in each table, so that no person's numbers depend on
/// another's.
pub(super) const ROWS_PER_PERSON: i64 = 1_000;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct PersonRow {
    pub(super) person_id: i64,
    pub(super) sex: Sex,
    pub(super) birth: Day,
    pub(super) race: i64,
    pub(super) ethnicity: i64,
    pub(super) location_id: i64,
    pub(super) care_site_id: i64,
    pub(super) source_value: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct PeriodRow {
    pub(super) id: i64,
    pub(super) person_id: i64,
    pub(super) start: Day,
    pub(super) end: Day,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct VisitRow {
    pub(super) id: i64,
    pub(super) person_id: i64,
    pub(super) concept: i64,
    pub(super) start: Day,
    pub(super) end: Day,
    pub(super) provider_id: i64,
    pub(super) care_site_id: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ConditionRow {
    pub(super) id: i64,
    pub(super) person_id: i64,
    /// 0 where the source's code was not mapped.
    pub(super) concept: i64,
    pub(super) start: Day,
    pub(super) end: Option<Day>,
    pub(super) visit_id: Option<i64>,
    pub(super) source_value: &'static str,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct DrugRow {
    pub(super) id: i64,
    pub(super) person_id: i64,
    pub(super) concept: i64,
    pub(super) start: Day,
    pub(super) days_supply: i32,
    pub(super) quantity: Option<f64>,
    pub(super) lot_number: Option<String>,
    pub(super) provider_id: i64,
    pub(super) visit_id: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct MeasurementRow {
    pub(super) id: i64,
    pub(super) person_id: i64,
    pub(super) concept: i64,
    pub(super) date: Day,
    pub(super) value: Option<f64>,
    pub(super) unit: i64,
    pub(super) range: Option<(f64, f64)>,
    pub(super) visit_id: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ObservationRow {
    pub(super) id: i64,
    pub(super) person_id: i64,
    pub(super) concept: i64,
    pub(super) date: Day,
    pub(super) value_concept: i64,
    pub(super) visit_id: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct DeviceRow {
    pub(super) id: i64,
    pub(super) person_id: i64,
    pub(super) concept: i64,
    pub(super) start: Day,
    pub(super) unique_device_id: String,
    pub(super) production_id: String,
    pub(super) visit_id: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct DeathRow {
    pub(super) person_id: i64,
    pub(super) date: Day,
    pub(super) cause: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct PayerRow {
    pub(super) id: i64,
    pub(super) person_id: i64,
    pub(super) start: Day,
    pub(super) end: Day,
    pub(super) payer: i64,
}

/// Amounts in dollars, to the cent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CostRow {
    pub(super) id: i64,
    pub(super) visit_id: i64,
    pub(super) total_charge: f64,
    pub(super) total_cost: f64,
    pub(super) paid_by_payer: f64,
    pub(super) paid_by_patient: f64,
    pub(super) copay: f64,
    pub(super) payer_plan_period_id: Option<i64>,
}

/// What no source would say, for those who test what can be found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Truth {
    pub(super) frauds: Vec<Placed<FraudRow>>,
    pub(super) lots: Vec<Placed<LotRow>>,
    /// First clean value of each quantity: which, the age then, and the value's logarithm.
    pub(super) first_values: Vec<(Quantity, usize, f64)>,
    /// Celecoxib fills, and how many of them bled: from other lots, then from the bad one.
    pub(super) reactions: [(u32, u32); 2],
}

/// A visit that was billed and should not have been, or not so much.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FraudRow {
    pub(super) visit_id: i64,
    pub(super) person_id: i64,
    pub(super) kind: Fraud,
    /// Dollars of `total_cost` beyond what was due.
    pub(super) excess: f64,
}

/// How a bill is false.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fraud {
    /// More was billed than done.
    Upcoding,
    /// The same was billed twice.
    Duplicate,
    /// Care was billed after death.
    AfterDeath,
}

impl Fraud {
    /// The label in the truth table.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Upcoding => "upcoding",
            Self::Duplicate => "duplicate-claim",
            Self::AfterDeath => "phantom-after-death",
        }
    }
}

/// A fill from a lot that is not what it says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LotRow {
    pub(super) drug_exposure_id: i64,
    pub(super) person_id: i64,
    pub(super) lot_number: String,
    pub(super) kind: Lot,
}

/// What a lot is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lot {
    /// What it says.
    Genuine,
    /// The number of a genuine lot on somebody else's product.
    Cloned,
    /// A number that no maker has issued.
    Invented,
    /// Genuine, and it causes bleeding.
    Bad,
}

impl Lot {
    /// The label in the truth table.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Genuine => "genuine",
            Self::Cloned => "counterfeit-cloned",
            Self::Invented => "counterfeit-invented",
            Self::Bad => "bad",
        }
    }
}
