//! Who pays, what visits cost, and false bills.

use super::calendar::{Day, WINDOW_END, age_on};
use super::draw::Draw;
use super::person::{Person, Stay};
use super::places::{PHANTOM, UPCODER, care_site_id, provider_id};
use super::records::{CostRow, Fraud, FraudRow, PayerRow, Placed, Records, VisitRow, next_id};
use super::vocabulary::ids;

/// Mean and log-scale spread of what a visit costs, in dollars, by kind: office, emergency,
/// hospital stay. Means: Medical Expenditure Panel Survey, Statistical Brief 517 (2016); HCUP
/// Statistical Brief 268 (2017); HCUP Statistical Brief 261 (2017), rounded. Spreads: assumption.
pub(super) const COSTS: [(i64, f64, f64); 3] =
    [(ids::OUTPATIENT, 265.0, 0.9), (ids::EMERGENCY, 530.0, 0.8), (ids::INPATIENT, 12_000.0, 0.9)];

/// Share of the upcoder's visits that are billed too high, and of the phantom's that are billed
/// twice: assumption.
pub(super) const FALSE_SHARES: (f64, f64) = (0.4, 0.25);

/// Chance that care of a dead person is billed: assumption.
pub(super) const AFTER_DEATH: f64 = 0.06;

/// Draws payers, false visits and the bill of every visit.
pub(super) fn draw_bills(person: &Person, draw: &mut Draw, records: &mut Records) {
    for stay in &person.stays {
        draw_payer(person, stay, draw, records);
    }
    for at in 0..records.visit.len() {
        let visit = records.visit[at].clone();
        let due = draw_due(visit.row.concept, draw);
        let site = visit.site;
        let mut billed = due;
        if visit.row.provider_id == provider_id(site, UPCODER) && draw.chance(FALSE_SHARES.0) {
            billed = cents(due * (1.5 + 1.5 * draw.uniform()));
            push_fraud(person, &visit, Fraud::Upcoding, billed - due, records);
        }
        let cost = push_cost(person, &visit, billed, draw, records);
        if visit.row.provider_id == provider_id(site, PHANTOM) && draw.chance(FALSE_SHARES.1) {
            duplicate(person, &visit, cost, draw, records);
        }
    }
    if let Some(death) = person.death
        && draw.chance(AFTER_DEATH)
    {
        draw_phantoms(person, death, draw, records);
    }
}

/// Payer of a span of observation; those without insurance have none.
///
/// Shares by fifth of income are an assumption, after the shape of the American Community Survey.
fn draw_payer(person: &Person, stay: &Stay, draw: &mut Draw, records: &mut Records) {
    const MEDICAID: [f64; 5] = [0.45, 0.25, 0.12, 0.05, 0.02];
    const UNINSURED: [f64; 5] = [0.15, 0.12, 0.08, 0.05, 0.03];
    let (medicaid, uninsured) = (MEDICAID[person.quintile], UNINSURED[person.quintile]);
    let payer = if age_on(stay.start, person.birth) >= 65 {
        [ids::MEDICARE, ids::PRIVATE_PAYER][draw.pick(&[0.94, 0.06])]
    } else {
        let shares = [medicaid, uninsured, 1.0 - medicaid - uninsured];
        match draw.pick(&shares) {
            0 => ids::MEDICAID,
            1 => return,
            _ => ids::PRIVATE_PAYER,
        }
    };
    let Some(id) = next_id(person, records.payer.len()) else { return };
    let row =
        PayerRow { id, person_id: person.person_id(), start: stay.start, end: stay.end, payer };
    records.payer.push(Placed { site: stay.site, row });
}

fn draw_due(concept: i64, draw: &mut Draw) -> f64 {
    let (_, mean, sigma) = COSTS.into_iter().find(|(id, ..)| *id == concept).unwrap_or(COSTS[0]);
    cents(draw.amount(mean, sigma))
}

fn push_cost(
    person: &Person,
    visit: &Placed<VisitRow>,
    total_cost: f64,
    draw: &mut Draw,
    records: &mut Records,
) -> Option<CostRow> {
    let plan = records.payer.iter().find(|payer| {
        payer.site == visit.site && (payer.row.start..=payer.row.end).contains(&visit.row.start)
    });
    let payer_plan_period_id = plan.map(|payer| payer.row.id);
    let copay = match plan.map(|payer| payer.row.payer) {
        None => total_cost,
        Some(ids::MEDICAID) => cents(total_cost.min(4.0)),
        Some(_) => {
            cents(total_cost.min(if visit.row.concept == ids::INPATIENT { 500.0 } else { 30.0 }))
        }
    };
    let mark_up = draw.amount(2.6, 0.3).max(1.0);
    let row = CostRow {
        id: next_id(person, records.cost.len())?,
        visit_id: visit.row.id,
        total_charge: cents(total_cost * mark_up),
        total_cost,
        paid_by_payer: cents(total_cost - copay),
        paid_by_patient: copay,
        copay: if plan.is_some() { copay } else { 0.0 },
        payer_plan_period_id,
    };
    records.cost.push(Placed { site: visit.site, row: row.clone() });
    Some(row)
}

/// The same visit once more, a few days later at most, with the same amounts.
fn duplicate(
    person: &Person,
    visit: &Placed<VisitRow>,
    cost: Option<CostRow>,
    draw: &mut Draw,
    records: &mut Records,
) {
    let (Some(id), Some(cost_id)) =
        (next_id(person, records.visit.len()), next_id(person, records.cost.len()))
    else {
        return;
    };
    let Some(cost) = cost else { return };
    let later = draw.between(0, 3);
    let mut again = visit.clone();
    again.row.id = id;
    again.row.start = (again.row.start + later).min(WINDOW_END);
    again.row.end = (again.row.end + later).min(WINDOW_END);
    let excess = cost.total_cost;
    let row = CostRow { id: cost_id, visit_id: id, ..cost };
    records.cost.push(Placed { site: visit.site, row });
    push_fraud(person, &again, Fraud::Duplicate, excess, records);
    records.visit.push(again);
}

/// Up to three office visits in the three months after a death.
fn draw_phantoms(person: &Person, death: Day, draw: &mut Draw, records: &mut Records) {
    let Some(site) = person.stays.last().map(|stay| stay.site) else { return };
    for _ in 0..draw.between(1, 3) {
        let Some(id) = next_id(person, records.visit.len()) else { return };
        let day = death + draw.between(2, 90);
        let row = VisitRow {
            id,
            person_id: person.person_id(),
            concept: ids::OUTPATIENT,
            start: day,
            end: day,
            provider_id: provider_id(site, PHANTOM),
            care_site_id: care_site_id(site),
        };
        let visit = Placed { site, row };
        let due = draw_due(ids::OUTPATIENT, draw);
        push_cost(person, &visit, due, draw, records);
        push_fraud(person, &visit, Fraud::AfterDeath, due, records);
        records.visit.push(visit);
    }
}

fn push_fraud(
    person: &Person,
    visit: &Placed<VisitRow>,
    kind: Fraud,
    excess: f64,
    records: &mut Records,
) {
    let row = FraudRow {
        visit_id: visit.row.id,
        person_id: person.person_id(),
        kind,
        excess: cents(excess),
    };
    records.truth.frauds.push(Placed { site: visit.site, row });
}

/// To the cent.
fn cents(dollars: f64) -> f64 {
    (dollars * 100.0).round() / 100.0
}
