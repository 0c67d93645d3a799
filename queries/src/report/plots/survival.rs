//! Step curves with bands, and the persons at risk below them.

use super::canvas::{At, Canvas, DrawingError, LABEL, NARROW, Pen, Side, Type, svg as draw};
use super::frame::{
    Area, EDGE, FOOT, LINE, Legend, MARGIN, Sample, axis_below, axis_left, labels_left, words,
};
use super::labels::{fitted, width};
use super::palette::{INK, Look, MUTED, look};
use super::scale::{Scale, Span};
use super::{Curve, Names, Survival};
use crate::report::model::{Cell, Number, Unit};
use crate::report::numbers::written;

pub(super) fn svg(plot: &Survival, names: Names<'_>, room: f64) -> Result<String, DrawingError> {
    let looks = || plot.curves.iter().enumerate().map(|(index, curve)| (curve, look(index)));
    let entries = looks().map(|(curve, look)| (curve.name.clone(), look, Sample::Line));
    let legend = Legend::new(entries.collect(), room - EDGE - MARGIN);
    let top = MARGIN + legend.height() + LINE + 6.0;
    let bottom = top + if room <= NARROW { 230.0 } else { 300.0 };
    let values = Scale::linear(value_span(plot), (bottom, top), 50.0, &plot.value.unit);
    let is_narrow = room <= NARROW;
    let names_room = plot.curves.iter().map(|curve| width(&curve.name, LABEL)).fold(0.0, f64::max);
    let names_room = if is_narrow { 0.0 } else { names_room.min(0.22 * room) + 30.0 };
    let left = EDGE + labels_left(&values).max(names_room);
    let area = Area { left, top, right: room - MARGIN - 10.0, bottom };
    let times = Scale::tight(time_span(plot), (left, area.right), 70.0, &plot.time.unit);
    let times = if plot.risk_times.len() > 1 {
        times.ticked(&plot.risk_times, &plot.time.unit)
    } else {
        times
    };
    let strip = if plot.risk_times.is_empty() { 0.0 } else { strip_height(plot, is_narrow) };
    draw(names, (room, bottom + FOOT + strip), |canvas| {
        legend.paint(canvas, (EDGE, MARGIN / 2.0));
        axis_below(canvas, &times, area, &plot.time.title());
        axis_left(canvas, &values, area, &plot.value.title());
        for (curve, look) in looks() {
            band(canvas, curve, look, &times, &values);
        }
        for (curve, look) in looks() {
            steps(canvas, curve, look, &times, &values);
        }
        canvas.line(&[(left, bottom), (area.right, bottom)], Pen::new(INK, 1.0));
        for (curve, _) in looks() {
            tips(canvas, curve, plot, (&times, &values));
        }
        if strip > 0.0 {
            at_risk(canvas, plot, &times, (bottom + FOOT + 8.0, is_narrow));
        }
    })
}

/// Survival is shown from 0 to 1, unless all of it is far from one of both.
fn value_span(plot: &Survival) -> Option<Span> {
    let numbers: Vec<&Number> =
        plot.curves.iter().flat_map(|curve| &curve.steps).filter_map(|(_, c)| c.number()).collect();
    let starts = plot.curves.iter().map(|curve| curve.start);
    let starts = Span::of(starts)?;
    let span = Span::of_numbers(numbers.iter().copied()).unwrap_or(starts);
    let span = span.and(starts.low).and(starts.high);
    // An interval beyond 0 or 1 says nothing there.
    let in_range = numbers.iter().all(|number| (0.0..=1.0).contains(&number.value));
    let span = if in_range && plot.value.unit == Unit::Share {
        Span { low: span.low.max(0.0), high: span.high.min(1.0) }
    } else {
        span
    };
    Some(if span.low < 0.7 { span.and(0.0) } else { span })
}

fn time_span(plot: &Survival) -> Option<Span> {
    let steps = plot.curves.iter().flat_map(|curve| curve.steps.iter().map(|(time, _)| *time));
    Span::of(steps.chain(plot.risk_times.iter().copied())).map(|span| span.and(0.0))
}

/// The corners of a step curve through these places.
fn staircase(start: At, places: impl Iterator<Item = At>, end: f64) -> Vec<At> {
    let mut corners = vec![start];
    let mut height = start.1;
    for (x, y) in places {
        corners.push((x, height));
        corners.push((x, y));
        height = y;
    }
    if corners.last().is_some_and(|last| last.0 < end) {
        corners.push((end, height));
    }
    corners
}

/// Steps that have a number and a time.
fn known(curve: &Curve) -> impl Iterator<Item = (f64, &Number)> {
    let number = |cell: &'_ Cell| cell.number().is_some_and(|number| !number.value.is_nan());
    let steps = curve.steps.iter().filter(move |(time, cell)| time.is_finite() && number(cell));
    steps.filter_map(|(time, cell)| Some((*time, cell.number()?)))
}

fn last(curve: &Curve) -> f64 {
    known(curve).map(|(time, _)| time).fold(0.0, f64::max)
}

fn band(canvas: &mut Canvas<'_>, curve: &Curve, look: Look, times: &Scale, values: &Scale) {
    let start = (times.at(0.0), values.at(curve.start));
    let side = |pick: fn(&Number) -> Option<f64>| {
        let places = known(curve)
            .filter_map(|(time, number)| Some((times.at(time), values.place(pick(number)?)?.at)));
        staircase(start, places, times.at(last(curve)))
    };
    let mut corners = side(|number| number.interval.map(|ends| ends.upper));
    let lower = side(|number| number.interval.map(|ends| ends.lower));
    corners.extend(lower.into_iter().rev());
    canvas.area(&corners, look.color, 0.16);
}

fn steps(canvas: &mut Canvas<'_>, curve: &Curve, look: Look, times: &Scale, values: &Scale) {
    let start = (times.at(0.0), values.at(curve.start));
    let places = known(curve).map(|(time, number)| (times.at(time), values.at(number.value)));
    let corners = staircase(start, places, times.at(last(curve)));
    canvas.line(&corners, Pen::new(look.color, 2.0).dashed(look.dash));
    if corners.len() == 1 {
        canvas.mark(start, look, 3.0);
    }
}

fn tips(
    canvas: &mut Canvas<'_>,
    curve: &Curve,
    plot: &Survival,
    (times, values): (&Scale, &Scale),
) {
    for (time, cell) in &curve.steps {
        let Some(y) = cell.number().and_then(|number| values.place(number.value)) else { continue };
        let Some(x) = times.place(*time) else { continue };
        let words = words(&[&curve.name], cell, &plot.value.unit);
        let unit = plot.time.unit.label();
        let (from, to) = ((x.at - 4.0, y.at - 8.0), (x.at + 10.0, y.at + 8.0));
        canvas.tip(from, to, &format!("{time} {unit}\u{2003}{words}"));
    }
}

fn strip_height(plot: &Survival, is_narrow: bool) -> f64 {
    let lines = if is_narrow { 2.0 } else { 1.0 };
    LINE + plot.curves.len() as f64 * LINE * lines + 8.0
}

/// Names to the left of the numbers, or above them where it is narrow.
fn at_risk(canvas: &mut Canvas<'_>, plot: &Survival, times: &Scale, (top, is_narrow): (f64, bool)) {
    let mut y = top + 4.0;
    canvas.text((EDGE, y), "Persons at risk", Type::LABEL.bold());
    for (index, curve) in plot.curves.iter().enumerate() {
        y += LINE;
        let (left, right) = times.ends();
        let room = if is_narrow { right } else { left - EDGE - 26.0 };
        let style = Type::LABEL.color(look(index).color);
        let name = fitted(&curve.name, LABEL, room);
        canvas.text((EDGE, y), &name, if is_narrow { style } else { style.color(INK) });
        if is_narrow {
            y += LINE;
        }
        let mut free = f64::NEG_INFINITY;
        for (time, cell) in plot.risk_times.iter().zip(&curve.at_risk) {
            let text = match cell {
                Cell::Number(number) => written(number, &Unit::Count).value,
                Cell::Suppressed { .. } => "–".to_owned(),
                Cell::Empty | Cell::Text { .. } => continue,
            };
            let Some(place) = times.place(*time).filter(|place| !place.is_beyond) else { continue };
            let half = width(&text, LABEL) / 2.0;
            if place.at - half >= free {
                free = place.at + half + 4.0;
                let style = Type::LABEL.side(Side::Middle);
                let color = if matches!(cell, Cell::Number(_)) { INK } else { MUTED };
                canvas.text((place.at, y), &text, style.color(color));
            }
        }
    }
}
