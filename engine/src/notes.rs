//! What a reader is told of bounds and noise: before a query as its quote, after it as notes.

use crate::engine::QuotedColumn;
use crate::noise::error::NoiseError;
use crate::noise::{deviation, threshold_of};
use crate::perturb::NoisyAggregates;
use crate::perturb::overlap::deviation_at;
use crate::privacy::boundary::Boundary;
use crate::privacy::contributions::{Bound, NestedKind};
use crate::privacy::price::{BoundaryPrice, PricedPlan};
use crate::privacy::quantiles::{Drawing, drawings};

/// The noisy columns of a plan, with the largest noise that each may get.
///
/// # Errors
/// What pricing refuses.
pub(crate) fn quoted(priced: &PricedPlan) -> Result<Vec<QuotedColumn>, NoiseError> {
    let mut quoted = Vec::new();
    for (boundary, price) in priced.plan.boundaries.iter().zip(&priced.prices) {
        for (i, column) in boundary.columns.iter().enumerate() {
            let Some(slot) = boundary.slots(i).last() else { continue };
            let step = 10f64.powi(i32::from(column.decimals));
            let noise = price.noise(slot)?;
            let united = boundary.united().any(|column| column == i);
            let decides = boundary.persons == Some(i);
            if decides && !boundary.shows_persons {
                continue;
            }
            let groups = slot.groups.unwrap_or_else(|| boundary.groups_max());
            let threshold = match decides && !boundary.is_declared {
                true => Some(threshold_of(noise, groups, price.keys)?),
                false => None,
            };
            quoted.push(QuotedColumn {
                name: column.label.clone(),
                noise: if united {
                    united_deviation(boundary, price, (i, UNITED_PERSONS))?
                } else {
                    deviation(noise) / step
                },
                clamp: clamp(boundary, i),
                groups_per_person: groups,
                is_chosen: boundary.rungs(i).len() > 1,
                threshold,
            });
        }
    }
    Ok(quoted)
}

/// The standard deviation of a number of persons who are counted once over sites, if they are so
/// many and each is at one site.
fn united_deviation(
    boundary: &Boundary,
    price: &BoundaryPrice,
    (column, persons): (usize, f64),
) -> Result<f64, NoiseError> {
    let Some(slot) = boundary.slots(column).last() else { return Ok(0.0) };
    let (sum, sketch) = (price.noise(slot)?, price.sketch_noise(slot)?);
    Ok(deviation_at(persons, deviation(sum), deviation(sketch)))
}

/// Least and greatest that one person may add to one group.
fn clamp(boundary: &Boundary, column: usize) -> (f64, f64) {
    let column = &boundary.columns[column];
    let step = 10f64.powi(i32::from(column.decimals));
    (column.lower as f64 / step, column.upper as f64 / step)
}

/// What is said of every boundary with the answer.
pub(crate) fn notes(priced: &PricedPlan, noisy: &[NoisyAggregates]) -> Vec<String> {
    let mut notes = priced.plan.notes.clone();
    for (boundary, noisy) in priced.plan.boundaries.iter().zip(noisy) {
        notes.extend(boundary.united().map(|column| united(boundary, column)));
        for (i, column) in boundary.columns.iter().enumerate() {
            if boundary.persons == Some(i) && !boundary.shows_persons {
                continue;
            }
            notes.push(bound(boundary, i, noisy, &column.label));
        }
        for nested in &boundary.nested {
            let what = match nested.kind {
                NestedKind::Distinct { .. } => "value(s)",
                NestedKind::Quantiles { .. } => "row(s)",
            };
            let (label, most, groups) = (&nested.label, nested.most, noisy.groups);
            let within = match &nested.kind {
                NestedKind::Distinct { .. } => String::new(),
                NestedKind::Quantiles { candidates, .. } => {
                    let (lower, upper) = candidates.range();
                    format!(", each taken to be within [{lower}, {upper}]")
                }
            };
            notes.push(format!(
                "{label}: one person counts with at most {most} {what} per group, in at most \
                 {groups} group(s){within}"
            ));
        }
        notes.extend(drawings(boundary).iter().map(Drawing::note));
        notes.extend(keys(boundary, noisy));
    }
    notes
}

/// What is said with a quote.
pub(crate) fn foretold(priced: &PricedPlan) -> Vec<String> {
    let boundaries = priced.plan.boundaries.iter();
    let quantiles = boundaries.flat_map(|b| drawings(b)).map(|drawing| drawing.note());
    let priced_boundaries = priced.plan.boundaries.iter().zip(&priced.prices);
    let united = priced_boundaries.flat_map(|(boundary, price)| {
        boundary.united().filter_map(move |column| {
            let at = |persons| united_deviation(boundary, price, (column, persons)).ok();
            let (few, most) = (at(UNITED_PERSONS / 10.0)?, at(UNITED_PERSONS * 100.0)?);
            Some(format!(
                "{}: each person counts once over sites; the standard deviation is that of 10,000 \
                 persons who are at one site each, about {few:.0} at 1,000 and {most:.0} at \
                 1,000,000",
                boundary.columns[column].label
            ))
        })
    });
    priced.plan.notes.iter().cloned().chain(quantiles).chain(united).collect()
}

fn bound(boundary: &Boundary, column: usize, noisy: &NoisyAggregates, label: &str) -> String {
    let contribution = &boundary.columns[column];
    let step = 10f64.powi(i32::from(contribution.decimals));
    let groups = noisy.groups;
    match (&contribution.bound, noisy.bounds[column]) {
        (Bound::Norm(_), Some(chosen)) => {
            let norm = chosen.norm as f64 / step;
            let cut = chosen.cut / step;
            let (lower, upper) = clamp(boundary, column);
            format!(
                "{label}: one person counts within [{lower}, {upper}] per group; such totals over \
                 groups have a norm of at most {norm}, chosen privately, which cuts off at most \
                 {cut:.1} of all groups together"
            )
        }
        (Bound::Linked { anchor, .. }, _) => {
            format!("{label}: bounded with {}", boundary.columns[*anchor].label)
        }
        _ => {
            let (lower, upper) = clamp(boundary, column);
            let chosen = if boundary.groups.len() > 1 { ", chosen privately" } else { "" };
            format!(
                "{label}: one person counts within [{lower}, {upper}] per group, in at most \
                 {groups} group(s){chosen}"
            )
        }
    }
}

fn united(boundary: &Boundary, column: usize) -> String {
    let (label, sites) = (&boundary.columns[column].label, boundary.reach());
    format!(
        "{label}: each person counts once over sites (sketch): a noisy sum tells how often persons \
         are counted, at up to {sites} sites each, and a noisy sketch how many of these counts are \
         of the same; intervals hold both"
    )
}

fn keys(boundary: &Boundary, noisy: &NoisyAggregates) -> Option<String> {
    if let Some(threshold) = noisy.threshold {
        return Some(format!("keys with {threshold} or fewer persons, after noise, are not shown"));
    }
    if boundary.persons_min > 0 && !boundary.keys.is_empty() {
        let least = boundary.persons_min;
        return Some(format!(
            "groups that may have fewer than {least} persons, after noise, are not shown"
        ));
    }
    let unknown = !boundary.is_declared;
    unknown.then(|| "keys with few persons are not shown: which ones is drawn by lot".to_owned())
}

/// The number of persons that the noise of a column is told for, where it grows with them.
const UNITED_PERSONS: f64 = 10_000.0;
