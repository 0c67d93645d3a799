//! Measured values: blood pressure, pulse, body mass, cholesterol, glycated haemoglobin.

use super::calendar::age_on;
use super::draw::Draw;
use super::parameters::{
    BODY_MASS, Chronic, DIASTOLIC, HBA1C, HDL, LogNormal, PULSE, SYSTOLIC, TOTAL_CHOLESTEROL,
};
use super::person::{Person, Quantity};
use super::records::{MeasurementRow, ObservationRow, Placed, Records, VisitRow, next_id};
use super::vocabulary::ids;

/// Draws the values of every office visit, and the smoking status at the first visit.
pub(super) fn draw_values(person: &Person, draw: &mut Draw, records: &mut Records) {
    let visits: Vec<Placed<VisitRow>> = records.visit.clone();
    for (at, visit) in visits.iter().enumerate() {
        if at == 0 && age_on(visit.row.start, person.birth) >= 18 {
            push_smoking(person, visit, records);
        }
        if visit.row.concept != ids::OUTPATIENT {
            continue;
        }
        // How often each is taken is an assumption.
        if draw.chance(0.22) {
            push_value(person, visit, &Kind::SYSTOLIC, draw, records);
            push_value(person, visit, &Kind::DIASTOLIC, draw, records);
        }
        if draw.chance(0.13) {
            push_value(person, visit, &Kind::PULSE, draw, records);
            push_value(person, visit, &Kind::BODY_MASS, draw, records);
        }
        if draw.chance(0.06) {
            push_value(person, visit, &Kind::TOTAL_CHOLESTEROL, draw, records);
            push_value(person, visit, &Kind::HDL, draw, records);
        }
        let diabetic = person.has(Chronic::Diabetes);
        if draw.chance(if diabetic { 0.3 } else { 0.03 }) {
            push_hba1c(person, visit, diabetic, draw, records);
        }
    }
}

/// What is taken, in which unit, and what counts as normal.
struct Kind {
    quantity: Quantity,
    table: &'static LogNormal,
    concept: i64,
    unit: i64,
    /// What one unit of the table is in the unit recorded.
    factor: f64,
    /// Decimal places recorded, as a power of ten.
    grid: f64,
    range: Option<(f64, f64)>,
}

impl Kind {
    const SYSTOLIC: Self = Self::vital(Quantity::Systolic, &SYSTOLIC, 3_004_249, 8_876);
    const DIASTOLIC: Self = Self::vital(Quantity::Diastolic, &DIASTOLIC, 3_012_888, 8_876);
    const PULSE: Self = Self::vital(Quantity::Pulse, &PULSE, 3_027_018, 8_541);
    const BODY_MASS: Self =
        Self { grid: 10.0, ..Self::vital(Quantity::BodyMass, &BODY_MASS, 3_038_553, 9_531) };
    /// Milligrams per decilitre; one mmol/L of cholesterol is 38.67.
    const TOTAL_CHOLESTEROL: Self = Self {
        factor: 38.67,
        range: Some((0.0, 200.0)),
        ..Self::vital(Quantity::TotalCholesterol, &TOTAL_CHOLESTEROL, 3_027_114, 8_840)
    };
    const HDL: Self = Self {
        factor: 38.67,
        range: Some((40.0, 100.0)),
        ..Self::vital(Quantity::Hdl, &HDL, 3_007_070, 8_840)
    };

    const fn vital(quantity: Quantity, table: &'static LogNormal, concept: i64, unit: i64) -> Self {
        Self { quantity, table, concept, unit, factor: 1.0, grid: 1.0, range: None }
    }
}

/// A value about the person's own level: eight tenths of the score last, the rest comes anew.
fn push_value(
    person: &Person,
    visit: &Placed<VisitRow>,
    kind: &Kind,
    draw: &mut Draw,
    records: &mut Records,
) {
    let age = age_on(visit.row.start, person.birth);
    let (mu, sigma) = kind.table.at(person.sex, age);
    let own = person.scores[kind.quantity as usize];
    // Body mass changes little, so that who is obese stays so on the scales.
    let lasting: f64 = if kind.quantity == Quantity::BodyMass { 0.98 } else { 0.8 };
    let score = lasting * own + (1.0 - lasting * lasting).sqrt() * draw.normal();
    let logarithm = mu + sigma * score;
    if records.truth.first_values.iter().all(|(quantity, ..)| *quantity != kind.quantity) {
        records.truth.first_values.push((kind.quantity, age, logarithm));
    }
    let value = (logarithm.exp() * kind.factor * kind.grid).round() / kind.grid;
    push_row(person, visit, (kind.concept, kind.unit, kind.range), value, draw, records);
}

fn push_hba1c(
    person: &Person,
    visit: &Placed<VisitRow>,
    diabetic: bool,
    draw: &mut Draw,
    records: &mut Records,
) {
    let (mu, sigma) = HBA1C[usize::from(diabetic)];
    let value = ((mu + sigma * draw.normal()).exp() * 10.0).round() / 10.0;
    push_row(person, visit, (3_004_410, 8_554, Some((4.0, 5.6))), value, draw, records);
}

fn push_row(
    person: &Person,
    visit: &Placed<VisitRow>,
    (concept, unit, range): (i64, i64, Option<(f64, f64)>),
    value: f64,
    draw: &mut Draw,
    records: &mut Records,
) {
    // Two percent of values are missing, and one in a thousand has slipped by a digit: assumption.
    let fault = draw.uniform();
    let value = match fault {
        fault if fault < 0.02 => None,
        fault if fault < 0.021 => Some(value * 10.0),
        _ => Some(value),
    };
    let Some(id) = next_id(person, records.measurement.len()) else { return };
    let row = MeasurementRow {
        id,
        person_id: person.person_id(),
        concept,
        date: visit.row.start,
        value,
        unit,
        range,
        visit_id: visit.row.id,
    };
    records.measurement.push(Placed { site: visit.site, row });
}

fn push_smoking(person: &Person, visit: &Placed<VisitRow>, records: &mut Records) {
    let Some(id) = next_id(person, records.observation.len()) else { return };
    let row = ObservationRow {
        id,
        person_id: person.person_id(),
        concept: ids::TOBACCO,
        date: visit.row.start,
        value_concept: if person.smoker { ids::DAILY_SMOKER } else { ids::NEVER_SMOKER },
        visit_id: visit.row.id,
    };
    records.observation.push(Placed { site: visit.site, row });
}
