//! Numbers over days: epidemic curves as columns with whiskers, lines with bands, thresholds.

use chrono::NaiveDate;

use super::canvas::{Canvas, DrawingError, LABEL, NARROW, Pen, Side, Type, svg as draw};
use super::frame::{
    Area, EDGE, FOOT, LINE, Legend, MARGIN, Sample, axis_below, axis_left, labels_left, whisker_up,
    words,
};
use super::labels::{fitted, width};
use super::palette::{INK, Look, MUTED, look};
use super::scale::{Scale, Span, day};
use super::{Form, Names, Series, TimeSeries};
use crate::report::model::{Cell, Number};

pub(super) fn svg(plot: &TimeSeries, names: Names<'_>, room: f64) -> Result<String, DrawingError> {
    let legend = legend(plot, room);
    let marks = if plot.marks.is_empty() { 0.0 } else { LINE };
    let top = MARGIN + legend.height() + LINE + marks + 6.0;
    let bottom = top + if room <= NARROW { 220.0 } else { 280.0 };
    let values = value_scale(span(plot), (bottom, top), plot);
    let left = EDGE + labels_left(&values);
    let area = Area { left, top, right: room - MARGIN - 6.0, bottom };
    let days = day_scale(days(plot), plot, (area.left, area.right));
    draw(names, (room, bottom + FOOT + 10.0), |canvas| {
        legend.paint(canvas, (EDGE, MARGIN / 2.0));
        axis_below(canvas, &days, area, &plot.time);
        let title = Area { top: area.top - marks, ..area };
        axis_left(canvas, &values, area, "");
        canvas.text(
            (EDGE, title.top - 14.0),
            &fitted(&plot.value.title(), LABEL, room),
            Type::LABEL,
        );
        paint(canvas, plot, &days, &values);
    })
}

pub(super) fn legend(plot: &TimeSeries, room: f64) -> Legend {
    let entries = plot.series.iter().enumerate().map(|(index, series)| {
        let sample = if series.form == Form::Columns { Sample::Fill } else { Sample::Line };
        (series.name.clone(), series_look(index, series), sample)
    });
    let only = plot.series.len() == 1;
    Legend::new(if only { vec![] } else { entries.collect() }, room - EDGE - MARGIN)
}

/// What the values of all series span; columns stand on zero.
pub(super) fn span(plot: &TimeSeries) -> Option<Span> {
    let cells = plot.series.iter().flat_map(|series| &series.points).map(|(_, cell)| cell);
    let numbers: Vec<&Number> = cells.filter_map(Cell::number).collect();
    let span = Span::of_numbers(numbers.iter().copied())?;
    let stands = plot.series.iter().any(|series| series.form == Form::Columns);
    Some(if stands { span.and(0.0) } else { span.near_zero() })
}

/// What the days of all series span.
pub(super) fn days(plot: &TimeSeries) -> Option<Span> {
    let points = plot.series.iter().flat_map(|series| &series.points).map(|(date, _)| *date);
    Span::of(points.chain(plot.marks.iter().map(|(date, _)| *date)).map(day))
}

pub(super) fn value_scale(span: Option<Span>, ends: (f64, f64), plot: &TimeSeries) -> Scale {
    Scale::linear(span, ends, 46.0, &plot.value.unit)
}

/// With half a column of room at both ends.
pub(super) fn day_scale(span: Option<Span>, plot: &TimeSeries, ends: (f64, f64)) -> Scale {
    let half = plot.series.iter().any(|series| series.form == Form::Columns);
    let half =
        if half { plot.series.iter().filter_map(gap).fold(7.0, f64::min) / 2.0 } else { 0.0 };
    let span = span.map(|span| Span { low: span.low - half, high: span.high + half });
    Scale::days(span, ends, 58.0)
}

/// Everything but axes and legend.
pub(super) fn paint(canvas: &mut Canvas<'_>, plot: &TimeSeries, days: &Scale, values: &Scale) {
    let zero = values.place(0.0);
    if let Some(zero) = zero.filter(|zero| !zero.is_beyond) {
        let (left, right) = days.ends();
        canvas.line(&[(left, zero.at), (right, zero.at)], Pen::new(INK, 1.0));
    }
    for (index, series) in plot.series.iter().enumerate() {
        let look = series_look(index, series);
        match series.form {
            Form::Columns => columns(canvas, series, look, days, values),
            Form::Line => curve(canvas, series, look, days, values),
            Form::Dashes => {
                let pen = Pen::new(look.color, 1.5).dashed(look.dash.or(Some((6.0, 4.0))));
                lines(canvas, &places(series, days, values), pen);
            }
        }
    }
    marks(canvas, &plot.marks, days, values);
    tips(canvas, plot, days, values);
}

fn series_look(index: usize, series: &Series) -> Look {
    let look = look(index);
    match series.form {
        Form::Dashes => Look { dash: look.dash.or(Some((6.0, 4.0))), ..look },
        Form::Columns | Form::Line => look,
    }
}

/// The least number of days from a point to the next.
fn gap(series: &Series) -> Option<f64> {
    let days = series.points.windows(2).filter_map(|pair| {
        let [(a, _), (b, _)] = pair else { return None };
        Some(day(*b) - day(*a)).filter(|gap| *gap > 0.0)
    });
    days.min_by(f64::total_cmp)
}

fn columns(canvas: &mut Canvas<'_>, series: &Series, look: Look, days: &Scale, values: &Scale) {
    let gap = gap(series).unwrap_or(7.0);
    let zero = values.at(0.0);
    for (date, cell) in &series.points {
        let Some(number) = cell.number() else { continue };
        let Some(value) = values.place(number.value) else { continue };
        let (from, to) = (days.at(day(*date) - gap / 2.0), days.at(day(*date) + gap / 2.0));
        let space = if to - from > 4.0 { 0.7 } else { 0.0 };
        canvas.bar((from + space, zero), (to - space, value.at), look.color, 0.55);
        if to - from > 2.0 {
            let middle = f64::midpoint(from, to);
            let pen = Pen::new(INK, if to - from > 6.0 { 1.0 } else { 0.5 });
            whisker_up(canvas, values, number, middle, pen);
        }
    }
}

fn curve(canvas: &mut Canvas<'_>, series: &Series, look: Look, days: &Scale, values: &Scale) {
    for run in runs(series) {
        let ends = run.iter().filter_map(|(x, number)| {
            let ends = number.interval?;
            Some((days.at(*x), values.place(ends.lower)?.at, values.place(ends.upper)?.at))
        });
        let ends: Vec<(f64, f64, f64)> = ends.collect();
        let upper = ends.iter().map(|(x, _, upper)| (*x, *upper));
        let lower = ends.iter().rev().map(|(x, lower, _)| (*x, *lower));
        canvas.area(&upper.chain(lower).collect::<Vec<_>>(), look.color, 0.18);
    }
    lines(canvas, &places(series, days, values), Pen::new(look.color, 2.0).dashed(look.dash));
    for run in runs(series) {
        // A day between days without a number is no line.
        if let [(x, number)] = run.as_slice() {
            let x = days.at(*x);
            whisker_up(canvas, values, number, x, Pen::new(look.color, 1.2));
            canvas.mark((x, values.at(number.value)), look, 3.0);
        }
    }
}

/// Stretches of a series without a day that has no number.
fn runs(series: &Series) -> Vec<Vec<(f64, &Number)>> {
    let mut runs = vec![vec![]];
    for (date, cell) in &series.points {
        match (cell.number().filter(|number| !number.value.is_nan()), runs.last_mut()) {
            (Some(number), Some(run)) => run.push((day(*date), number)),
            _ => runs.push(vec![]),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

fn places(series: &Series, days: &Scale, values: &Scale) -> Vec<Vec<(f64, f64)>> {
    let place = |(x, number): &(f64, &Number)| (days.at(*x), values.at(number.value));
    runs(series).iter().map(|run| run.iter().map(place).collect()).collect()
}

fn lines(canvas: &mut Canvas<'_>, runs: &[Vec<(f64, f64)>], pen: Pen) {
    for run in runs {
        canvas.line(run, pen);
    }
}

/// Days to remember: the words above the area, next to each other if they would overlap.
fn marks(canvas: &mut Canvas<'_>, marks: &[(NaiveDate, String)], days: &Scale, values: &Scale) {
    let (bottom, top) = values.ends();
    let (left, right) = days.ends();
    let mut free = f64::NEG_INFINITY;
    for (date, text) in marks {
        let x = days.at(day(*date));
        let pen = Pen::new(MUTED, 1.0).dashed(Some((2.0, 3.0)));
        canvas.line(&[(x, top - 4.0), (x, bottom)], pen);
        let text = fitted(text, 11.0, right - left);
        let half = width(&text, 11.0) / 2.0;
        let at = x.clamp(left + half, (right - half).max(left + half));
        if at - half >= free {
            free = at + half + 6.0;
            let style = Type::LABEL.size(11.0).side(Side::Middle).color(MUTED);
            canvas.text((at, top - 12.0), &text, style);
        }
    }
}

fn tips(canvas: &mut Canvas<'_>, plot: &TimeSeries, days: &Scale, values: &Scale) {
    let (bottom, top) = values.ends();
    let Some(first) = plot.series.first() else { return };
    let half = gap(first).unwrap_or(7.0) / 2.0;
    for (date, _) in &first.points {
        let at = |series: &Series| {
            let found = series.points.iter().find(|(other, _)| other == date);
            found.map(|(_, cell)| words(&[&series.name], cell, &plot.value.unit))
        };
        let all: Vec<String> = plot.series.iter().filter_map(at).collect();
        let from = days.at(day(*date) - half);
        let to = days.at(day(*date) + half);
        canvas.tip((from, top), (to, bottom), &format!("{date}\u{2003}{}", all.join("; ")));
    }
}
