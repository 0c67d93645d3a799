//! All records of one person, from the first to the last.

use super::billing::draw_bills;
use super::calendar::{Day, age_on};
use super::care::draw_care;
use super::draw::Draw;
use super::laboratory::draw_values;
use super::model::Model;
use super::parameters::Chronic;
use super::person::Person;
use super::pharmacy::draw_fills;
use super::places::care_site_id;
use super::records::{DeathRow, DeviceRow, PeriodRow, PersonRow, Placed, Records, next_id};
use super::supply::draw_device;
use super::vocabulary::CAUSES;

/// The person of that index with all their records: a function of the model and the index.
pub(super) fn draw_person(model: &Model, index: u64) -> (Person, Records) {
    let (person, mut draw) = Person::draw(model, index);
    let mut records = Records::default();
    push_person(&person, model, &mut records);
    for stay in &person.stays {
        if let Some(id) = next_id(&person, records.observation_period.len()) {
            let row =
                PeriodRow { id, person_id: person.person_id(), start: stay.start, end: stay.end };
            records.observation_period.push(Placed { site: stay.site, row });
        }
    }
    draw_care(&person, model, &mut draw, &mut records);
    draw_fills(&person, model, &mut draw, &mut records);
    draw_values(&person, &mut draw, &mut records);
    draw_devices(&person, &mut draw, &mut records);
    if let Some(day) = person.death {
        push_death(&person, day, &mut draw, &mut records);
    }
    draw_bills(&person, &mut draw, &mut records);
    (person, records)
}

/// One row at each site that knows the person, under the same number.
fn push_person(person: &Person, model: &Model, records: &mut Records) {
    for site in person.sites() {
        let row = PersonRow {
            person_id: person.person_id(),
            sex: person.sex,
            birth: person.birth,
            race: person.race,
            ethnicity: person.ethnicity,
            location_id: person.location_id,
            care_site_id: care_site_id(site),
            source_value: health_number(model.seed, person.index),
        };
        records.person.push(Placed { site, row });
    }
}

/// A nationwide number of ten digits; no two persons of a cohort share one.
pub(super) fn health_number(seed: u64, index: u64) -> String {
    const NUMBERS: u128 = 10_000_000_000;
    // The multiplier shares no factor with the count of numbers, so distinct indices stay so.
    let offset = u128::from(seed) * 7_320_508_075 + 4_142_135_623;
    let scrambled = (u128::from(index) * 6_180_339_887 + offset) % NUMBERS;
    format!("NHI-{scrambled:010}")
}

/// Implants and pumps: shares by age and condition are an assumption.
fn draw_devices(person: &Person, draw: &mut Draw, records: &mut Records) {
    let old = f64::from(u8::from(person.age >= 60));
    let diabetes = f64::from(u8::from(person.has(Chronic::Diabetes)));
    let kinds = [
        (4_030_875, 0.002 + 0.03 * old),
        (4_217_646, 0.001 + 0.01 * old),
        (2_000_000_001, 0.10 * diabetes),
        (2_000_000_002, 0.002 + 0.03 * old),
    ];
    for (model, (concept, chance)) in kinds.into_iter().enumerate() {
        if !draw.chance(chance) || records.visit.is_empty() {
            continue;
        }
        let visit = records.visit[draw.below(records.visit.len())].clone();
        let Some(id) = next_id(person, records.device.len()) else { return };
        let (unique_device_id, production_id) = draw_device(model, visit.row.start, id, draw);
        let row = DeviceRow {
            id,
            person_id: person.person_id(),
            concept,
            start: visit.row.start,
            unique_device_id,
            production_id,
            visit_id: visit.row.id,
        };
        records.device.push(Placed { site: visit.site, row });
    }
}

/// Every site that knows the person learns of the death, as from a national register.
fn push_death(person: &Person, date: Day, draw: &mut Draw, records: &mut Records) {
    let young = age_on(date, person.birth) < 1;
    let weights = CAUSES.map(|(_, weight)| weight);
    let cause = if young { 0 } else { CAUSES[draw.pick(&weights)].0 };
    for site in person.sites() {
        let row = DeathRow { person_id: person.person_id(), date, cause };
        records.death.push(Placed { site, row });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::model::Model;
    use super::{draw_person, health_number};

    #[test]
    fn a_person_depends_on_seed_and_index_alone() {
        let model = Model::new(11, 3);
        for index in [0, 7, 123_456_789] {
            assert_eq!(draw_person(&model, index).1, draw_person(&model, index).1);
        }
        assert_ne!(draw_person(&model, 1).1, draw_person(&Model::new(12, 3), 1).1);
    }

    #[test]
    fn health_numbers_never_repeat() {
        let numbers: BTreeSet<_> = (0..50_000).map(|index| health_number(3, index)).collect();
        assert_eq!(numbers.len(), 50_000);
    }

    #[test]
    fn records_keep_to_their_person_their_window_and_their_site() {
        let model = Model::new(5, 4);
        for index in 0..3_000 {
            let (person, records) = draw_person(&model, index);
            let numbers = (person.person_id() - 1) * 1_000..person.person_id() * 1_000;
            let phantom: BTreeSet<_> =
                records.truth.frauds.iter().map(|fraud| fraud.row.visit_id).collect();
            for visit in &records.visit {
                assert!(numbers.contains(&visit.row.id));
                let seen = person.stays.iter().any(|stay| {
                    stay.site == visit.site && (stay.start..=stay.end).contains(&visit.row.start)
                });
                assert!(seen || phantom.contains(&visit.row.id));
            }
            let fills = records.drug.iter().map(|drug| drug.row.start);
            assert!(fills.chain(records.condition.iter().map(|c| c.row.start)).all(|day| {
                person.stays.iter().any(|stay| (stay.start..=stay.end).contains(&day))
            }));
            assert_eq!(records.cost.len(), records.visit.len());
            assert_eq!(records.person.len(), person.sites().len());
        }
    }
}
