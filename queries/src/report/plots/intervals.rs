//! Rates and bars by category and group, from top to bottom, with whiskers.

use std::ops::Range;

use super::canvas::{Canvas, DrawingError, LABEL, NARROW, Pen, Side, Type, svg as draw};
use super::frame::{
    Area, EDGE, FOOT, LINE, Legend, MARGIN, Sample, absence, axis_below, background, label,
    whisker_across, words,
};
use super::labels::{fitted, width};
use super::palette::{INK, Look, MUTED, look};
use super::scale::{Scale, Span};
use super::{Categories, Names};
use crate::report::model::{Cell, Number};

/// What stands at a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Dot,
    Bar,
}

/// Where things are.
struct Layout<'a> {
    plot: &'a Categories,
    /// The categories that are shown.
    part: Range<usize>,
    mark: Mark,
    area: Area,
    /// Height of a category, and of one group in it.
    row: f64,
    lane: f64,
    /// Height of the label above the lanes, where there is no room beside them.
    above: f64,
    value: Scale,
}

/// These categories, on the axis of all.
pub(super) fn svg(
    plot: &Categories,
    part: Range<usize>,
    mark: Mark,
    names: Names<'_>,
    room: f64,
) -> Result<String, DrawingError> {
    let sample = if mark == Mark::Dot { Sample::Mark } else { Sample::Fill };
    let entries = plot.groups.iter().enumerate();
    let entries = entries.map(|(index, group)| (group.name.clone(), look(index), sample));
    let legend = Legend::new(entries.collect(), room - EDGE - MARGIN);
    let layout = Layout::new(plot, part, mark, legend.height(), room);
    draw(names, (room, layout.area.bottom + FOOT), |canvas| {
        legend.paint(canvas, (EDGE, MARGIN / 2.0));
        axis_below(canvas, &layout.value, layout.area, &plot.value.title());
        layout.reference(canvas);
        for (row, index) in layout.part.clone().enumerate() {
            layout.category(canvas, index, row as f64);
        }
    })
}

impl<'a> Layout<'a> {
    fn new(plot: &'a Categories, part: Range<usize>, mark: Mark, legend: f64, room: f64) -> Self {
        let longest = plot.categories.iter().map(|name| width(name, LABEL)).fold(0.0, f64::max);
        let is_above = longest > 0.36 * room && room <= NARROW;
        let left = if is_above { EDGE } else { (longest + 8.0).min(0.36 * room) + EDGE };
        let lane = if plot.groups.len() > 1 { 13.0 } else { 16.0 };
        let above = if is_above { 15.0 } else { 0.0 };
        let space = if plot.categories.len() > CATEGORIES_MANY { 4.0 } else { 10.0 };
        let row = lane * plot.groups.len().max(1) as f64 + above + space;
        let words = plot.reference.as_ref().map_or(0.0, |_| LINE);
        let top = legend + words + MARGIN;
        let bottom = top + row * part.len().max(1) as f64;
        let area = Area { left, top, right: room - MARGIN - 8.0, bottom };
        let spacing = if room <= NARROW { 56.0 } else { 80.0 };
        let ends = (area.left, area.right);
        let value = Scale::linear(span(plot, mark), ends, spacing, &plot.value.unit);
        Self { plot, part, mark, area, row, lane, above, value }
    }

    fn reference(&self, canvas: &mut Canvas<'_>) {
        if self.mark == Mark::Bar {
            let zero = self.value.at(0.0);
            canvas.line(&[(zero, self.area.top), (zero, self.area.bottom)], Pen::new(INK, 1.0));
        }
        let Some(reference) = &self.plot.reference else { return };
        let Some(place) = self.value.place(reference.value) else { return };
        let pen = Pen::new(MUTED, 1.2).dashed(Some((4.0, 3.0)));
        canvas.line(&[(place.at, self.area.top - 3.0), (place.at, self.area.bottom)], pen);
        let text = fitted(&reference.label, LABEL, self.area.right - MARGIN);
        let half = width(&text, LABEL) / 2.0;
        let at = place.at.clamp(MARGIN + half, (self.area.right + 8.0 - half).max(MARGIN + half));
        let style = Type::LABEL.side(Side::Middle).color(MUTED);
        canvas.text((at, self.area.top - 11.0), &text, style);
    }

    fn category(&self, canvas: &mut Canvas<'_>, index: usize, row: f64) {
        let top = self.area.top + row * self.row;
        let name = self.plot.categories.get(index).map_or("", String::as_str);
        if self.above > 0.0 {
            let room = self.area.right - EDGE;
            label(canvas, name, (EDGE, top + 9.0), (room, 15.0), Type::LABEL);
        } else {
            let room = self.area.left - EDGE - 8.0;
            let at = (self.area.left - 8.0, top + self.row / 2.0);
            label(canvas, name, at, (room, self.row), Type::LABEL.side(Side::End));
        }
        let lanes = self.row - self.above - self.lane * self.plot.groups.len() as f64;
        for (group, cells) in self.plot.groups.iter().enumerate() {
            let y = top + self.above + lanes / 2.0 + (group as f64 + 0.5) * self.lane;
            let Some(cell) = cells.cells.get(index) else { continue };
            self.cell(canvas, cell, y, look(group));
            let words = words(&[name, &cells.name], cell, &self.plot.value.unit);
            let half = self.lane / 2.0;
            canvas.tip((self.area.left, y - half), (self.area.right, y + half), &words);
        }
    }

    fn cell(&self, canvas: &mut Canvas<'_>, cell: &Cell, y: f64, look: Look) {
        if let Some(absence) = absence(cell) {
            let room = self.area.right - self.area.left - 6.0;
            background(canvas, &absence, (self.area.left + 4.0, y), room);
            return;
        }
        let place = cell.number().and_then(|number| self.value.place(number.value));
        let Some(place) = place else { return };
        match self.mark {
            Mark::Dot => {
                whisker_across(canvas, &self.value, cell, y, Pen::new(look.color, 1.6));
            }
            Mark::Bar => {
                let half = self.lane / 2.0 - 1.0;
                let zero = self.value.at(0.0);
                canvas.bar((zero, y - half), (place.at, y + half), look.color, 0.55);
                whisker_across(canvas, &self.value, cell, y, Pen::new(INK, 1.2));
            }
        }
        if !place.is_beyond {
            let radius = if self.mark == Mark::Dot { 4.0 } else { 2.6 };
            canvas.mark((place.at, y), look, radius);
        }
    }
}

/// Dots need not begin at zero; the length of a bar must.
fn span(plot: &Categories, mark: Mark) -> Option<Span> {
    let cells = plot.groups.iter().flat_map(|group| &group.cells);
    let numbers = cells.filter_map(Cell::number).collect::<Vec<&Number>>();
    let span = Span::of_numbers(numbers.iter().copied())?;
    let reference = plot.reference.as_ref().map(|reference| reference.value);
    let span = reference.filter(|value| value.is_finite()).map_or(span, |value| span.and(value));
    Some(if mark == Mark::Bar { span.and(0.0) } else { span.near_zero() })
}

/// From so many on, categories stand closer.
const CATEGORIES_MANY: usize = 40;
