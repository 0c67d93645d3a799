//! Forest plots: ratios with their intervals on a logarithmic axis, in words beside it.

use std::ops::Range;

use super::canvas::{Canvas, DrawingError, LABEL, NARROW, Pen, Side, Type, svg as draw};
use super::frame::{
    Area, EDGE, FOOT, LINE, MARGIN, absence, axis_below, background, label, whisker_across, words,
};
use super::labels::{fitted, width};
use super::palette::{GRID, INK, MUTED, PAPER, look};
use super::scale::{Scale, Span};
use super::{Forest, ForestRow, Names, Role};
use crate::report::model::{Cell, Number};
use crate::report::numbers::line;

/// Where things are.
struct Layout<'a> {
    plot: &'a Forest,
    /// The rows that are shown.
    rows: &'a [ForestRow],
    area: Area,
    row: f64,
    /// Whether words stand above the whiskers, for lack of room beside them.
    is_above: bool,
    /// Where the words for numbers end.
    right: f64,
    value: Scale,
}

/// These rows, on the axis of all.
pub(super) fn svg(
    plot: &Forest,
    part: Range<usize>,
    names: Names<'_>,
    room: f64,
) -> Result<String, DrawingError> {
    let layout = Layout::new(plot, plot.rows.get(part).unwrap_or_default(), room);
    let sides = if plot.sides == (String::new(), String::new()) { 0.0 } else { LINE };
    draw(names, (room, layout.area.bottom + FOOT + sides), |canvas| {
        layout.headings(canvas);
        axis_below(canvas, &layout.value, layout.area, &plot.value.title());
        if let Some(null) = layout.value.place(plot.null) {
            let (top, bottom) = (layout.area.top, layout.area.bottom);
            canvas.line(&[(null.at, top), (null.at, bottom)], Pen::new(INK, 1.2));
            layout.sides(canvas, null.at, bottom + FOOT + 4.0);
        }
        for (index, row) in layout.rows.iter().enumerate() {
            let top = layout.area.top + index as f64 * layout.row;
            layout.row(canvas, row, top);
        }
    })
}

impl<'a> Layout<'a> {
    fn new(plot: &'a Forest, rows: &'a [ForestRow], room: f64) -> Self {
        let is_above = room <= NARROW;
        let right = room - MARGIN;
        let numbers = || plot.rows.iter().filter_map(|row| row.cell.number());
        let words = numbers().map(|number| width(&line(number, &plot.value.unit), LABEL));
        let words = words.fold(90.0, f64::max).min(0.3 * room);
        let labels = plot.rows.iter().map(|row| indent(row) + width(&row.label, LABEL));
        let labels = labels.fold(width(&plot.row, LABEL), f64::max).min(0.34 * room);
        let (left, end) = if is_above {
            (EDGE + 8.0, right - 8.0)
        } else {
            (EDGE + labels + 12.0, right - words - 14.0)
        };
        let is_long = plot.rows.iter().any(|row| indent(row) + width(&row.label, LABEL) > labels);
        let row = match (is_above, is_long) {
            (true, _) => 34.0,
            (false, true) => 30.0,
            (false, false) => 22.0,
        };
        let top = MARGIN + LINE + 4.0;
        let area = Area { left, top, right: end, bottom: top + row * rows.len().max(1) as f64 };
        let numbers: Vec<&Number> = numbers().collect();
        let span = Span::of_ratios(numbers.iter().copied());
        let span = span.map(|span| if plot.null > 0.0 { span.and(plot.null) } else { span });
        let value = Scale::log(span, (left, end), 52.0, &plot.value.unit);
        Self { plot, rows, area, row, is_above, right, value }
    }

    fn headings(&self, canvas: &mut Canvas<'_>) {
        let y = MARGIN + 4.0;
        canvas.text((EDGE, y), &self.plot.row, Type::LABEL.bold());
        let value = format!("{} (interval)", self.plot.value.label);
        let value = fitted(&value, LABEL, self.right - self.area.left);
        canvas.text((self.right, y), &value, Type::LABEL.bold().side(Side::End));
        let y = y + 13.0;
        canvas.line(&[(EDGE, y), (self.right, y)], Pen::new(GRID, 1.0));
    }

    fn sides(&self, canvas: &mut Canvas<'_>, null: f64, y: f64) {
        let (left, right) = &self.plot.sides;
        let style = Type::LABEL.color(MUTED);
        let (less, more) = if self.is_above {
            (MARGIN, self.right)
        } else {
            (self.area.left.min(null - 140.0).max(MARGIN), self.area.right.max(null + 140.0))
        };
        if !left.is_empty() {
            let text = fitted(&format!("← {left}"), LABEL, null - 8.0 - less);
            canvas.text((null - 8.0, y), &text, style.side(Side::End));
        }
        if !right.is_empty() {
            let text = fitted(&format!("{right} →"), LABEL, more.min(self.right) - null - 8.0);
            canvas.text((null + 8.0, y), &text, style);
        }
    }

    fn row(&self, canvas: &mut Canvas<'_>, row: &ForestRow, top: f64) {
        let is_bold = row.role != Role::Single;
        let style = if is_bold { Type::LABEL.bold() } else { Type::LABEL };
        let words_y = top + if self.is_above { 10.0 } else { self.row / 2.0 };
        let absence = absence(&row.cell);
        let value = match (&absence, row.cell.number()) {
            (Some(_), _) => "–".to_owned(),
            (None, Some(number)) => line(number, &self.plot.value.unit),
            (None, None) => String::new(),
        };
        let room =
            if self.is_above { 0.5 * self.right } else { self.right - self.area.right - 10.0 };
        let shown = fitted(&value, LABEL, room);
        if self.is_above && !shown.is_empty() {
            let from = self.right - width(&shown, LABEL);
            canvas.bar((from, words_y - 7.0), (self.right, words_y + 7.0), PAPER, 1.0);
        }
        canvas.text((self.right, words_y), &shown, style.side(Side::End));
        let start = EDGE + indent(row);
        let room = if self.is_above {
            self.right - start - width(&shown, LABEL) - 8.0
        } else {
            self.area.left - start - 8.0
        };
        let height = if self.is_above { 15.0 } else { self.row };
        label(canvas, &row.label, (start, words_y), (room, height), style);
        let y = top + if self.is_above { 24.0 } else { self.row / 2.0 };
        if let Some(absence) = absence {
            let (left, right) = (self.area.left, self.area.right);
            background(canvas, &absence, (left + 4.0, y), right - left - 6.0);
        }
        self.interval(canvas, row, y);
        let words = words(&[&row.label], &row.cell, &self.plot.value.unit);
        if row.role != Role::Heading {
            canvas.tip((self.area.left, top), (self.right, top + self.row), &words);
        }
    }

    fn interval(&self, canvas: &mut Canvas<'_>, row: &ForestRow, y: f64) {
        let Some(number) = row.cell.number() else { return };
        let Some(place) = self.value.place(number.value) else { return };
        let look = look(0);
        let ends = number.interval.map(|ends| (ends.lower, ends.upper));
        let ends = ends.and_then(|(l, u)| Some((self.value.place(l)?, self.value.place(u)?)));
        match (row.role, ends) {
            (Role::Total, Some((low, high))) => {
                let corners = [(low.at, y), (place.at, y - 6.0), (high.at, y), (place.at, y + 6.0)];
                canvas.area(&corners, look.color, 1.0);
            }
            _ => {
                whisker_across(canvas, &self.value, &row.cell, y, Pen::new(look.color, 1.6));
                if !place.is_beyond {
                    canvas.mark((place.at, y), super::palette::Look { shape: SQUARE, ..look }, 4.4);
                }
            }
        }
    }
}

fn indent(row: &ForestRow) -> f64 {
    match (row.role, &row.cell) {
        (Role::Single, Cell::Empty | Cell::Text { .. }) | (Role::Heading | Role::Total, _) => 0.0,
        (Role::Single, _) => 10.0,
    }
}

const SQUARE: super::palette::Shape = super::palette::Shape::Square;
