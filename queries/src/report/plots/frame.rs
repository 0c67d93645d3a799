//! What plots have in common: axes, legends, whiskers, and words for numbers.

use super::Axis;
use super::canvas::{At, Canvas, LABEL, Pen, Side, Type};
use super::labels::{fitted, width, wrapped};
use super::palette::{GRID, INK, Look, MUTED, PAPER};
use super::scale::{Place, Scale, Tick};
use crate::report::model::{Cell, Number, Unit};
use crate::report::numbers::line;

/// A rectangle of the canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

/// How a legend shows a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    /// A mark.
    Mark,
    /// A piece of a line.
    Line,
    /// A filled square.
    Fill,
}

/// A legend, laid out in lines.
#[derive(Debug)]
pub(super) struct Legend {
    /// Each with where it begins: to the right, and in which line.
    entries: Vec<(f64, usize, String, Look, Sample)>,
    lines: usize,
}

/// The height of a line of labels.
pub(super) const LINE: f64 = 17.0;
/// The height of ticks, their labels and the title below an axis.
pub(super) const FOOT: f64 = 46.0;
/// What stays free above a plot and to its right.
pub(super) const MARGIN: f64 = 10.0;
/// Where a plot begins at the left: below the text of its caption.
pub(super) const EDGE: f64 = 1.0;

impl Axis {
    /// Label and unit: `Deaths (per 100,000)`, `Weight, kg`.
    pub(super) fn title(&self) -> String {
        match (&self.unit, self.unit.label()) {
            (Unit::Share, _) | (_, "") => self.label.clone(),
            (_, unit) if self.label.is_empty() => unit.to_owned(),
            (Unit::Rate(_), unit) => format!("{} {unit}", self.label),
            (_, unit) => format!("{}, {unit}", self.label),
        }
    }
}

impl Sample {
    /// Its room, with what is free before the name.
    const fn width(self) -> f64 {
        match self {
            Self::Mark | Self::Fill => 18.0,
            Self::Line => 32.0,
        }
    }
}

impl Legend {
    pub(super) fn new(entries: Vec<(String, Look, Sample)>, room: f64) -> Self {
        let (mut at, mut lines) = (0.0, 1);
        let mut placed = vec![];
        let entries = entries.into_iter().filter(|(name, ..)| !name.is_empty());
        for (name, look, sample) in entries {
            let name = fitted(&name, LABEL, room - sample.width());
            let length = sample.width() + width(&name, LABEL) + 14.0;
            if at > 0.0 && at + length > room + 14.0 {
                (at, lines) = (0.0, lines + 1);
            }
            placed.push((at, lines - 1, name, look, sample));
            at += length;
        }
        if placed.is_empty() {
            lines = 0;
        }
        Self { entries: placed, lines }
    }

    pub(super) fn height(&self) -> f64 {
        if self.lines == 0 { 0.0 } else { self.lines as f64 * LINE + 6.0 }
    }

    pub(super) fn paint(&self, canvas: &mut Canvas<'_>, (left, top): At) {
        for (right, line, name, look, sample) in &self.entries {
            let (x, y) = (left + right, top + (*line as f64 + 0.5) * LINE);
            let middle = x + 6.0;
            match sample {
                Sample::Mark => canvas.mark((middle, y), *look, 4.0),
                Sample::Line => {
                    let pen = Pen::new(look.color, 2.0).dashed(look.dash);
                    canvas.line(&[(x, y), (x + sample.width() - 6.0, y)], pen);
                }
                Sample::Fill => {
                    canvas.bar((middle - 6.0, y - 5.0), (middle + 6.0, y + 5.0), look.color, 0.55);
                }
            }
            canvas.text((x + sample.width(), y), name, Type::LABEL);
        }
    }
}

/// Lines of a grid across, and the labels of an axis below.
pub(super) fn axis_below(canvas: &mut Canvas<'_>, scale: &Scale, area: Area, title: &str) {
    grid_across(canvas, scale, area);
    let y = area.bottom + 14.0;
    let mut free = f64::NEG_INFINITY;
    let mut ticks: Vec<&Tick> = scale.ticks.iter().collect();
    ticks.sort_by(|a, b| scale.at(a.value).total_cmp(&scale.at(b.value)));
    for tick in ticks {
        let at = scale.at(tick.value);
        let half = width(&tick.label, LABEL).max(width(&tick.below, LABEL)) / 2.0;
        if at - half < free {
            continue;
        }
        free = at + half + 4.0;
        // Nothing is cut off at the edge.
        let at = at.min(area.right + 16.0 - half).max(half);
        canvas.text((at, y), &tick.label, Type::LABEL.side(Side::Middle));
        if !tick.below.is_empty() {
            canvas.text((at, y + 14.0), &tick.below, Type::LABEL.side(Side::Middle).color(MUTED));
        }
    }
    let has_second = scale.ticks.iter().any(|tick| !tick.below.is_empty());
    let below = if has_second { 31.0 } else { 18.0 };
    let style = Type::LABEL.side(Side::Middle).color(INK);
    let title = fitted(title, LABEL, area.right - area.left + 40.0);
    canvas.text(((area.left + area.right) / 2.0, y + below), &title, style);
}

/// Lines of a grid across.
pub(super) fn grid_across(canvas: &mut Canvas<'_>, scale: &Scale, area: Area) {
    for tick in &scale.ticks {
        let at = scale.at(tick.value);
        canvas.line(&[(at, area.top), (at, area.bottom)], Pen::new(GRID, 1.0));
    }
}

/// Lines of a grid along, the labels of an axis to the left, and its title on top of them.
pub(super) fn axis_left(canvas: &mut Canvas<'_>, scale: &Scale, area: Area, title: &str) {
    for tick in &scale.ticks {
        let at = scale.at(tick.value);
        canvas.line(&[(area.left, at), (area.right, at)], Pen::new(GRID, 1.0));
        canvas.text((area.left - 6.0, at), &tick.label, Type::LABEL.side(Side::End));
    }
    if !title.is_empty() {
        let left = (area.left - labels_left(scale)).max(EDGE);
        let title = fitted(title, LABEL, area.right - left);
        canvas.text((left, area.top - 14.0), &title, Type::LABEL);
    }
}

/// The room that the labels of an axis to the left need.
pub(super) fn labels_left(scale: &Scale) -> f64 {
    let widths = scale.ticks.iter().map(|tick| width(&tick.label, LABEL));
    widths.fold(0.0, f64::max) + 8.0
}

/// A whisker between two values along the x axis, with points of arrows where it goes on.
pub(super) fn whisker_across(
    canvas: &mut Canvas<'_>,
    scale: &Scale,
    cell: &Cell,
    y: f64,
    pen: Pen,
) {
    let Some(ends) = cell.number().and_then(|number| number.interval) else { return };
    let (Some(low), Some(high)) = (scale.place(ends.lower), scale.place(ends.upper)) else {
        return;
    };
    canvas.line(&[(low.at, y), (high.at, y)], pen);
    end_across(canvas, (low, y), -1.0, pen);
    end_across(canvas, (high, y), 1.0, pen);
}

fn end_across(canvas: &mut Canvas<'_>, (end, y): (Place, f64), side: f64, pen: Pen) {
    if end.is_beyond {
        let (x, back) = (end.at, end.at - side * 6.0);
        canvas.area(&[(x, y), (back, y - 4.0), (back, y + 4.0)], pen.color, 1.0);
    } else {
        canvas.line(&[(end.at, y - 3.0), (end.at, y + 3.0)], pen);
    }
}

/// A whisker between two values along the y axis.
pub(super) fn whisker_up(
    canvas: &mut Canvas<'_>,
    scale: &Scale,
    number: &Number,
    x: f64,
    pen: Pen,
) {
    let Some(ends) = number.interval else { return };
    let (Some(low), Some(high)) = (scale.place(ends.lower), scale.place(ends.upper)) else {
        return;
    };
    canvas.line(&[(x, low.at), (x, high.at)], pen);
}

/// Why there is no mark for a cell, in words for the plot; nothing if there is one.
pub(super) fn absence(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Suppressed { reason } if reason.is_empty() => Some("suppressed".to_owned()),
        Cell::Suppressed { reason } => Some(format!("suppressed: {reason}")),
        Cell::Number(number) if number.value.is_nan() => Some("no estimate".to_owned()),
        Cell::Empty | Cell::Text { .. } | Cell::Number(_) => None,
    }
}

/// Small words where a mark would be, with nothing behind them.
pub(super) fn background(canvas: &mut Canvas<'_>, text: &str, at: At, room: f64) {
    let text = fitted(text, 11.0, room);
    let (from, to) = ((at.0 - 2.0, at.1 - 6.5), (at.0 + width(&text, 11.0), at.1 + 6.5));
    canvas.bar(from, to, PAPER, 1.0);
    canvas.text(at, &text, Type::LABEL.size(11.0).color(MUTED));
}

/// What a pointer over a cell tells.
pub(super) fn words(name: &[&str], cell: &Cell, unit: &Unit) -> String {
    let name: Vec<&str> = name.iter().copied().filter(|part| !part.is_empty()).collect();
    let value = match (cell, absence(cell)) {
        (_, Some(absence)) => absence,
        (Cell::Number(number), None) => line(number, unit),
        (_, None) => String::new(),
    };
    format!("{}: {value}", name.join(", "))
}

/// A label within a room as wide and high, in one or two lines around its middle; whole under a
/// pointer.
pub(super) fn label(canvas: &mut Canvas<'_>, text: &str, at: At, room: At, style: Type) {
    let (room, height) = room;
    let lines = wrapped(text, style.size, room, if height >= 26.0 { 2 } else { 1 });
    if matches!(style.side, Side::Start) && room > 0.0 {
        // Labels above whiskers stand on lines of the grid.
        let widest = lines.iter().map(|line| width(line, style.size)).fold(0.0, f64::max);
        canvas.bar((at.0, at.1 - 7.0), (at.0 + widest, at.1 + 7.0), PAPER, 1.0);
    }
    let top = at.1 - (lines.len().saturating_sub(1) as f64) * 7.0;
    for (index, line) in lines.iter().enumerate() {
        canvas.text((at.0, top + index as f64 * 14.0), line, style);
    }
    if lines.join(" ").ends_with('…') {
        let left = match style.side {
            Side::Start => at.0,
            Side::Middle => at.0 - room / 2.0,
            Side::End => at.0 - room,
        };
        canvas.tip((left, at.1 - 10.0), (left + room, at.1 + 10.0), text);
    }
}
