//! Visits, and the conditions that are written down at them.

use super::calendar::{Day, WINDOW_START, YEAR_DAYS, age_on};
use super::draw::Draw;
use super::model::{Model, week_start};
use super::parameters::{
    CHRONIC, Chronic, EMERGENCY, FLU_PER_YEAR, HOSPITAL, OFFICE, visits_relative,
};
use super::person::{Person, Stay};
use super::places::{PROVIDERS, care_site_id, provider_id};
use super::records::{ConditionRow, Placed, Records, VisitRow, next_id};
use super::vocabulary::{ACUTE, condition, ids};

/// Draws all visits of a person with their conditions, in order of day.
pub(super) fn draw_care(person: &Person, model: &Model, draw: &mut Draw, records: &mut Records) {
    let mut encounters = draw_encounters(person, model, draw);
    encounters.sort_by_key(|encounter| encounter.day);
    let usual = draw.below(PROVIDERS);
    let onsets = CHRONIC.map(|_| {
        // Most long-lasting conditions began before the window: assumption.
        if draw.chance(0.85) {
            WINDOW_START
        } else {
            draw.between(WINDOW_START, WINDOW_START + 1_800)
        }
    });
    let mut known = [false; CHRONIC.len()];
    for encounter in encounters {
        let Some(visit_id) = push_visit(person, &encounter, usual, draw, records) else { return };
        if encounter.flu {
            push_condition(person, &encounter, visit_id, ids::INFLUENZA, draw, records);
        }
        for chronic in CHRONIC {
            let at = chronic as usize;
            let began = person.on_record[at] && onsets[at] <= encounter.day;
            // Written down at the first visit, and again at one in ten.
            if began && (!known[at] || draw.chance(0.1)) {
                known[at] = true;
                let concept = concept_of(chronic);
                push_condition(person, &encounter, visit_id, concept, draw, records);
            }
        }
        let acute = match encounter.concept {
            ids::OUTPATIENT => 0.22,
            ids::EMERGENCY => 0.7,
            _ => 0.9,
        };
        if !encounter.flu && draw.chance(acute) {
            let concept = ACUTE[pick_zipf(draw)];
            push_condition(person, &encounter, visit_id, concept, draw, records);
        }
    }
}

/// An emergency visit for one condition, on a day of a stay.
pub(super) fn push_emergency(
    person: &Person,
    stay: &Stay,
    day: Day,
    concept: i64,
    draw: &mut Draw,
    records: &mut Records,
) {
    let encounter = Encounter::new(stay, day, ids::EMERGENCY);
    if let Some(visit_id) = push_visit(person, &encounter, PROVIDERS - 1, draw, records) {
        push_condition(person, &encounter, visit_id, concept, draw, records);
    }
}

/// The concept by which a long-lasting condition is recorded.
pub(super) const fn concept_of(chronic: Chronic) -> i64 {
    match chronic {
        Chronic::Obesity => ids::OBESITY,
        Chronic::Cholesterol => ids::HYPERLIPIDEMIA,
        Chronic::Depression => ids::DEPRESSION,
        Chronic::Diabetes => ids::DIABETES,
        Chronic::Hypertension => ids::HYPERTENSION,
        Chronic::Copd => ids::COPD,
        Chronic::Kidney => ids::KIDNEY_DISEASE,
        Chronic::Asthma => ids::ASTHMA,
    }
}

struct Encounter {
    day: Day,
    /// Last day; the same day for all but hospital stays.
    end: Day,
    site: usize,
    concept: i64,
    flu: bool,
}

impl Encounter {
    fn new(stay: &Stay, day: Day, concept: i64) -> Self {
        Self { day, end: day, site: stay.site, concept, flu: false }
    }
}

/// Visits by kind: Poisson given the person's frailty, so negative binomial over persons, spread
/// evenly over the days of observation.
fn draw_encounters(person: &Person, model: &Model, draw: &mut Draw) -> Vec<Encounter> {
    let burden = person.burden(model, 0.10);
    let mut encounters = Vec::new();
    for stay in &person.stays {
        let age = age_on(i32::midpoint(stay.start, stay.end), person.birth);
        let years = f64::from(stay.days()) / YEAR_DAYS;
        let relative = visits_relative(age);
        let rates = [
            (ids::OUTPATIENT, OFFICE.0 * relative * burden),
            // Younger people are in hospital less often, and in emergency rooms as often:
            // assumption.
            (ids::INPATIENT, HOSPITAL.0 * relative * relative * burden),
            (ids::EMERGENCY, EMERGENCY.0),
        ];
        for ((concept, rate), frailty) in rates.into_iter().zip(person.frailties) {
            for _ in 0..draw.poisson(rate * frailty * years, 400) {
                let day = draw.between(stay.start, stay.end);
                let mut encounter = Encounter::new(stay, day, concept);
                if concept == ids::INPATIENT {
                    let nights = Day::try_from(draw.poisson(3.6, 60)).unwrap_or(0) + 1;
                    encounter.end = stay.end.min(day + nights);
                }
                encounters.push(encounter);
            }
        }
    }
    encounters.extend(draw_flu(person, model, draw));
    encounters
}

fn draw_flu(person: &Person, model: &Model, draw: &mut Draw) -> Vec<Encounter> {
    let mut episodes = Vec::new();
    // Episodes are drawn over the whole window, and seen when the person is under observation.
    for _ in 0..draw.poisson(FLU_PER_YEAR * 5.0, 20) {
        let day = week_start(draw.pick_cumulative(&model.flu_weeks)) + draw.between(0, 6);
        if let Some(stay) = stay_on(person, day) {
            episodes.push(Encounter { flu: true, ..Encounter::new(stay, day, ids::OUTPATIENT) });
        }
    }
    episodes
}

/// The span of observation that a day falls into.
pub(super) fn stay_on(person: &Person, day: Day) -> Option<&Stay> {
    person.stays.iter().find(|stay| (stay.start..=stay.end).contains(&day))
}

/// Rank in a list as long as [`ACUTE`], with chances falling off as one over the rank.
fn pick_zipf(draw: &mut Draw) -> usize {
    let weights: [f64; ACUTE.len()] = std::array::from_fn(|rank| 1.0 / (rank as f64 + 1.0));
    draw.pick(&weights)
}

fn push_visit(
    person: &Person,
    encounter: &Encounter,
    usual: usize,
    draw: &mut Draw,
    records: &mut Records,
) -> Option<i64> {
    let id = next_id(person, records.visit.len())?;
    let provider = if draw.chance(0.7) { usual } else { draw.below(PROVIDERS) };
    let row = VisitRow {
        id,
        person_id: person.person_id(),
        concept: encounter.concept,
        start: encounter.day,
        end: encounter.end,
        provider_id: provider_id(encounter.site, provider),
        care_site_id: care_site_id(encounter.site),
    };
    records.visit.push(Placed { site: encounter.site, row });
    Some(id)
}

fn push_condition(
    person: &Person,
    encounter: &Encounter,
    visit_id: i64,
    concept: i64,
    draw: &mut Draw,
    records: &mut Records,
) {
    // Sources leave codes unmapped and links empty: assumption, half a percent and two percent.
    let unmapped = draw.chance(0.005);
    let unlinked = draw.chance(0.02);
    let acute = ACUTE.contains(&concept) || concept == ids::INFLUENZA;
    let length = draw.between(5, 21);
    let Some(id) = next_id(person, records.condition.len()) else { return };
    let row = ConditionRow {
        id,
        person_id: person.person_id(),
        concept: if unmapped { 0 } else { concept },
        start: encounter.day,
        end: acute.then_some(encounter.day + length),
        visit_id: (!unlinked).then_some(visit_id),
        source_value: condition(concept).map_or("", |condition| condition.icd),
    };
    records.condition.push(Placed { site: encounter.site, row });
}
