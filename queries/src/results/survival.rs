//! Kaplan–Meier curves from one released histogram of events and censorings.

use super::view::View;
use super::{Outcome, axis, figure, names, table};
use crate::estimate::Estimate;
use crate::indicators::indicator::Role;
use crate::methods::survival::{FollowUp, FollowUpInterval, Scale};
use crate::report::model::{Cell, Column, Number, Row, RowGroup, Unit};
use crate::report::plots::{Axis, Curve, Plot, Survival};

pub(super) fn outcome(view: &View<'_>) -> Outcome {
    let (width, last) = match view.one("interval").map(|(_, column)| &column.role) {
        Some(Role::Interval { width, last }) => (*width, *last),
        _ => (1.0, 0),
    };
    let keys = view.keys_but(&["interval"]);
    let (mut groups, mut curves, mut methods) = (vec![], vec![], vec![]);
    let mut times: Vec<f64> = vec![];
    for group in view.groups(&keys) {
        let mut intervals = Vec::new();
        for number in 0..=last {
            let of = |row: &&usize| view.key(**row, "interval") == Some(&number.to_string());
            let row = group.rows.iter().find(of);
            let pair = row
                .and_then(|row| view.estimate(*row, "events").zip(view.estimate(*row, "censored")));
            let Some((events, censored)) = pair else { break };
            let time = f64::from(number + 1) * width;
            let (mut events, mut censored) = (events.clone(), censored.clone());
            if number == last {
                // It has no end: who is in it was followed to its beginning, at least.
                censored = Estimate::sum([&events, &censored].into_iter());
                events = Estimate { value: 0.0, noise_variance: 0.0, ..events };
            }
            intervals.push(FollowUpInterval { time, events, censored });
        }
        // Who is at risk is all who leave later: without one interval nothing is known of any.
        if u32::try_from(intervals.len()) != Ok(last + 1) {
            let rows = vec![Row::new("not all intervals are shown", vec![super::missing(); 2])];
            groups.push(RowGroup { heading: group.label, rows });
            continue;
        }
        let curve = FollowUp::new(intervals).kaplan_meier(Scale::LogLog, view.level);
        let (mut rows, mut steps, mut risk) = (vec![], vec![], vec![]);
        let closed = curve.points.len().saturating_sub(1);
        times = curve.points.iter().take(closed).map(|point| point.time).collect();
        for point in curve.points.iter().take(closed) {
            methods.push(point.survival.method);
            let at_risk = Cell::from(&point.at_risk);
            let survival = Cell::from(&point.survival);
            rows.push(Row::new(written(point.time), [at_risk.clone(), survival]));
            let drawn = Number { value: point.fitted, ..Number::from(&point.survival) };
            steps.push((point.time, Cell::Number(drawn)));
            risk.push(at_risk);
        }
        let name = group.label.clone();
        curves.push(Curve { name, start: 1.0, steps, at_risk: risk });
        groups.push(RowGroup { heading: group.label, rows });
    }
    let columns = vec![
        Column::new(view.label("interval"), Unit::Other(String::new())),
        Column::new("At risk", Unit::Count),
        Column::new("Survival", Unit::Share),
    ];
    let time = Axis { label: view.label("interval"), unit: Unit::Other(String::new()) };
    let value = Axis { label: axis(view, "Survival").label, unit: Unit::Share };
    let is_drawn = !curves.is_empty();
    let plot = Plot::Survival(Survival { time, value, curves, risk_times: times });
    let figure = figure(view, is_drawn.then_some(plot));
    Outcome { table: table(view, columns, groups), figure, methods: names(methods) }
}

/// A time without trailing zeros.
fn written(time: f64) -> String {
    let text = format!("{time:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
