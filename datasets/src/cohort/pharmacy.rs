//! Fills of drugs, and what a bad lot does.

use super::calendar::{Day, WINDOW_END, WINDOW_START, YEAR_DAYS, age_on, quarter_on};
use super::care::{push_emergency, stay_on};
use super::draw::Draw;
use super::model::Model;
use super::parameters::Chronic;
use super::person::{Person, Stay, whole_days};
use super::places::{PROVIDERS, provider_id};
use super::records::{DrugRow, Lot, LotRow, Placed, Records, next_id};
use super::supply::draw_lot;
use super::vocabulary::ids;

/// Chance of bleeding within thirty days of a celecoxib fill, and from the bad lot: assumption.
pub(super) const BLEEDING: [f64; 2] = [0.015, 0.12];

/// Days within which bleeding counts as a reaction.
const REACTION_DAYS: Day = 30;

/// Draws all fills of a person.
pub(super) fn draw_fills(person: &Person, model: &Model, draw: &mut Draw, records: &mut Records) {
    for regimen in REGIMENS {
        if person.treated[regimen.chronic as usize] && draw.chance(regimen.share) {
            let concept = regimen.drugs[draw.below(regimen.drugs.len())];
            draw_regimen(person, model, concept, draw, records);
        }
    }
    draw_painkillers(person, model, draw, records);
    draw_vaccines(person, model, draw, records);
    draw_antibiotics(person, model, draw, records);
}

/// What a condition is treated with: one of the drugs, for that share of those treated.
struct Regimen {
    chronic: Chronic,
    share: f64,
    drugs: &'static [i64],
}

/// Assumption, after common first choices.
const REGIMENS: &[Regimen] = &[
    Regimen {
        chronic: Chronic::Hypertension,
        share: 1.0,
        drugs: &[1_308_216, 19_080_129, 1_332_418, 1_332_419, 974_166],
    },
    Regimen { chronic: Chronic::Diabetes, share: 1.0, drugs: &[1_503_297] },
    Regimen {
        chronic: Chronic::Cholesterol,
        share: 1.0,
        drugs: &[1_545_958, 1_539_403, 1_539_411],
    },
    Regimen { chronic: Chronic::Depression, share: 1.0, drugs: &[739_138] },
    Regimen { chronic: Chronic::Asthma, share: 0.8, drugs: &[ids::ALBUTEROL] },
    Regimen { chronic: Chronic::Copd, share: 1.0, drugs: &[ids::ALBUTEROL] },
];

/// Ninety days at a time, with late refills and skipped ones; how faithfully is the person's own.
fn draw_regimen(
    person: &Person,
    model: &Model,
    concept: i64,
    draw: &mut Draw,
    records: &mut Records,
) {
    let faith = draw.beta(7.0, 3.0);
    let mut day = WINDOW_START + draw.between(0, 89);
    while day <= WINDOW_END {
        if draw.chance(faith)
            && let Some(stay) = stay_on(person, day)
        {
            push_fill(person, model, stay, &Order { concept, day, days_supply: 90 }, draw, records);
        }
        day += 90 + whole_days(12.0 * draw.exponential());
    }
}

/// Courses of two weeks, more with age; celecoxib may cause bleeding.
fn draw_painkillers(person: &Person, model: &Model, draw: &mut Draw, records: &mut Records) {
    const CHOICE: [i64; 5] = [ids::CELECOXIB, 1_124_300, 1_115_008, 1_177_480, 19_078_461];
    for stay in &person.stays {
        let years = f64::from(stay.days()) / YEAR_DAYS;
        let per_year = if age_on(stay.start, person.birth) < 18 { 0.0 } else { 0.4 };
        for _ in 0..draw.poisson(per_year * years, 60) {
            let concept = CHOICE[draw.pick(&[0.3, 0.2, 0.2, 0.2, 0.1])];
            let day = draw.between(stay.start, stay.end);
            let order = Order { concept, day, days_supply: 14 };
            let lot = push_fill(person, model, stay, &order, draw, records);
            if concept == ids::CELECOXIB {
                draw_reaction(person, stay, day, lot, draw, records);
            }
        }
    }
}

fn draw_reaction(
    person: &Person,
    stay: &Stay,
    day: Day,
    lot: Lot,
    draw: &mut Draw,
    records: &mut Records,
) {
    let which = usize::from(lot == Lot::Bad);
    let bleeds = draw.chance(BLEEDING[which]);
    let on = day + draw.between(1, REACTION_DAYS);
    // Who is not observed for so long is not counted either way.
    if day + REACTION_DAYS > stay.end {
        return;
    }
    records.truth.reactions[which].0 += 1;
    if bleeds {
        records.truth.reactions[which].1 += 1;
        push_emergency(person, stay, on, ids::GI_HAEMORRHAGE, draw, records);
    }
}

/// Influenza vaccine, every autumn for half of the persons: assumption.
fn draw_vaccines(person: &Person, model: &Model, draw: &mut Draw, records: &mut Records) {
    let willing = draw.beta(1.0, 1.0);
    for year in 0..5 {
        let day = WINDOW_START + year * 365 + draw.between(250, 340);
        if draw.chance(willing)
            && let Some(stay) = stay_on(person, day)
        {
            let order = Order { concept: ids::FLU_VACCINE, day, days_supply: 1 };
            push_fill(person, model, stay, &order, draw, records);
        }
    }
}

fn draw_antibiotics(person: &Person, model: &Model, draw: &mut Draw, records: &mut Records) {
    for stay in &person.stays {
        let years = f64::from(stay.days()) / YEAR_DAYS;
        for _ in 0..draw.poisson(0.35 * years, 60) {
            let concept = if draw.chance(0.5) { 1_713_332 } else { 19_073_188 };
            let day = draw.between(stay.start, stay.end);
            let order = Order { concept, day, days_supply: 10 };
            push_fill(person, model, stay, &order, draw, records);
        }
    }
}

struct Order {
    concept: i64,
    day: Day,
    days_supply: i32,
}

fn push_fill(
    person: &Person,
    model: &Model,
    stay: &Stay,
    order: &Order,
    draw: &mut Draw,
    records: &mut Records,
) -> Lot {
    let quarter = quarter_on(order.day);
    let (lot_number, kind) = draw_lot(model.seed, order.concept, quarter, stay.site, draw);
    // Assumption: one fill in fifty has no lot, and one in thirty no quantity.
    let unlabelled = draw.chance(0.02) && kind == Lot::Genuine;
    let unquantified = draw.chance(0.033);
    let provider = provider_id(stay.site, draw.below(PROVIDERS));
    let Some(id) = next_id(person, records.drug.len()) else { return kind };
    if kind != Lot::Genuine {
        let row = LotRow {
            drug_exposure_id: id,
            person_id: person.person_id(),
            lot_number: lot_number.clone(),
            kind,
        };
        records.truth.lots.push(Placed { site: stay.site, row });
    }
    let row = DrugRow {
        id,
        person_id: person.person_id(),
        concept: order.concept,
        start: order.day,
        days_supply: order.days_supply,
        quantity: (!unquantified).then_some(f64::from(order.days_supply)),
        lot_number: (!unlabelled).then_some(lot_number),
        provider_id: provider,
        visit_id: None,
    };
    records.drug.push(Placed { site: stay.site, row });
    kind
}
